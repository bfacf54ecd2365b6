//! A session with a hostile sink: whatever frames it sends, on whatever lanes, while an honest source
//! walks, reads and sends in any order.

mod files;

use std::collections::BTreeMap;

use hawser_protocol::error::ContentHash;
use hawser_protocol::frame::{self, FrameType, Frames, HEADER_BYTES, Header};
use hawser_protocol::hello::Hello;
use hawser_protocol::link::{Chunk, LaneId};
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::{Close, CloseCode, Message, Summary};
use hawser_protocol::sender::{END_BYTES, Outgoing, Sender, SenderEvent, end_frame};

use crate::input::Input;
use crate::lanes::{Lanes, Numbers, ROOM};
use files::Files;

/// The source, and what its sink has said that counts.
struct Session {
    sender: Sender,
    files: Files,
    lanes: Lanes,
    numbers: Numbers,
    /// Records being filled: the chunks in each that are still to be read.
    filling: BTreeMap<LaneId, Vec<Chunk>>,
    pages: blake3::Hasher,
    greeted: bool,
    /// A frame was wrong. Other lanes may still take some, but nothing comes of them.
    broken: bool,
    finished: bool,
}

pub fn source(input: &[u8]) {
    play(input);
}

/// Returns whether the session came to its good end.
pub fn play(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let mut session = Session {
        sender: Sender::new(Hello::named("source")),
        files: Files::default(),
        lanes: Lanes::new(),
        numbers: Numbers::default(),
        filling: BTreeMap::new(),
        pages: blake3::Hasher::new(),
        greeted: false,
        broken: false,
        finished: false,
    };
    while !input.is_empty() {
        session.step(&mut input);
    }
    session.end();
    session.finished
}

impl Session {
    fn step(&mut self, input: &mut Input<'_>) {
        let lane = Lanes::choose(input);
        match input.below(20) {
            9.. if self.broken => {}
            0 => self.record(lane, input.sized()),
            1 => self.message(lane, FrameType::Hello, 0, &[&[0; 17], input.sized()].concat(), input),
            2 => {
                let entries: Vec<u8> =
                    (0..input.below(6)).flat_map(|_| input.number().to_be_bytes()).collect();
                self.message(lane, FrameType::Want, 0, &entries, input);
            }
            3 => {
                let (id, ranges) = (input.number(), ranges(input));
                self.message(lane, FrameType::Missing, id, &ranges, input);
            }
            4 => {
                let committed = committed(input);
                self.message(lane, FrameType::Committed, 0, &committed, input);
            }
            5 => {
                let failed = [&input.number().to_be_bytes()[..], &[0, input.u8() % 16]].concat();
                self.message(lane, FrameType::Failed, 0, &failed, input);
            }
            6 => {
                let entries = self.files.offered().wrapping_add(input.u8().into());
                let manifest = ContentHash(*self.pages.finalize().as_bytes());
                let ok = Message::SessionOk(Summary { entries, manifest });
                self.record(lane, &ok.encode(self.numbers.0));
            }
            7 => {
                let ack = frame::encode(FrameType::Ack, EntryId::ROOT, input.number().into(), &[]);
                self.record(lane, &ack);
            }
            8 => {
                let close = [&[0, input.u8() % 8], input.sized()].concat();
                self.record(lane, &frame::encode(FrameType::Close, EntryId::ROOT, 0, &close));
            }
            9 | 10 => self.files.walk(&mut self.sender, input),
            11 => self.files.end_walk(&mut self.sender),
            12 => self.files.fail(&mut self.sender, EntryId(input.number())),
            13 => self.fill(lane, ROOM),
            14 => self.fill(lane, usize::from(input.u16()) * 8),
            15 => self.send(lane, input),
            16 => self.files.hash_held(&mut self.sender, input),
            17 if self.lanes.join(lane) => self.sender.link_mut().add_lane(lane),
            17 => self.lose(lane),
            18 => {
                self.sender.link_mut().queue_ack(lane);
                self.sender.link_mut().queue_ping(lane);
            }
            _ => match input.below(3) {
                0 => self.sender.retire_lane(),
                1 => {
                    self.files.sent_again();
                    self.sender.take_over(lane);
                }
                _ => {
                    self.filling.remove(&lane);
                    self.files.sent_again();
                    self.sender.link_mut().drop_record(lane);
                }
            },
        }
    }

    /// A control frame with the right number, mostly.
    fn message(&mut self, lane: LaneId, kind: FrameType, entry: u32, payload: &[u8], input: &mut Input<'_>) {
        let number = self.numbers.some(input);
        self.record(lane, &frame::encode(kind, EntryId(entry), number, payload));
    }

    /// An opened record.
    fn record(&mut self, lane: LaneId, plaintext: &[u8]) {
        let mut frames = Frames::new(plaintext);
        loop {
            match frames.next_frame() {
                Ok(Some((header, payload))) => self.frame(lane, header, payload),
                Ok(None) => return self.sender.link_mut().record_received(lane),
                Err(_) => return self.fail(),
            }
        }
    }

    fn frame(&mut self, lane: LaneId, header: Header, payload: &[u8]) {
        let events = self.sender.handle_frame(lane, header, payload);
        let Some(events) = events.ok().filter(|_| !self.broken) else { return self.fail() };
        if self.numbers.taken(header) {
            self.files.asked(&Message::decode(header, payload).unwrap());
        }
        for event in events {
            match event {
                SenderEvent::Hello(_) => {
                    assert!(!std::mem::replace(&mut self.greeted, true), "HELLO comes once");
                }
                SenderEvent::Closed(_) => self.end_with(CloseCode::Done),
                SenderEvent::Finished => {
                    assert!(!std::mem::replace(&mut self.finished, true), "finished twice");
                    self.files.check_finished();
                }
                event => self.files.handle(event),
            }
        }
        assert_eq!(self.sender.is_finished(), self.finished);
    }

    /// Goes on with the record of a lane that has so much room in all.
    fn fill(&mut self, lane: LaneId, room: usize) {
        let room = room.min(ROOM);
        if self.filling.contains_key(&lane) {
            return;
        }
        let promised = self.sender.has_own_work(lane) && room == ROOM;
        let mut left = room;
        let mut chunks = Vec::new();
        while let Some(next) = self.sender.next(lane, left) {
            let length = match next {
                Outgoing::Frame(bytes) => {
                    if let Some(message) = self.lanes.sent(lane, &bytes) {
                        self.said(&message);
                    }
                    bytes.len()
                }
                Outgoing::End(id, hash) => {
                    self.files.check_end(id, hash);
                    end_frame(id, hash).len()
                }
                Outgoing::Chunk(chunk) => {
                    self.files.check_chunk(chunk);
                    chunks.push(chunk);
                    HEADER_BYTES + chunk.length as usize + END_BYTES
                }
            };
            left = left.checked_sub(length).expect("what fits its record");
        }
        assert!(!promised || left < room, "there was something to send");
        if left < room {
            self.filling.insert(lane, chunks);
        }
    }

    /// Reads what the record of a lane is to carry, and sends it; or the lane was lost meanwhile.
    fn send(&mut self, lane: LaneId, input: &mut Input<'_>) {
        for chunk in self.filling.remove(&lane).unwrap_or_default() {
            if input.u8() == 255 {
                self.files.fail(&mut self.sender, chunk.entry);
            } else if let Some(hash) = self.files.read(chunk) {
                self.sender.end(lane, chunk.entry, hash);
            }
        }
        self.sender.record_sent(lane);
    }

    fn said(&mut self, message: &Message) {
        match message {
            Message::Manifest { page, .. } => drop(self.pages.update(page)),
            Message::SessionOk(_) | Message::Want(_) | Message::Missing { .. } | Message::Committed(_) => {
                unreachable!("a source does not say {message:?}")
            }
            _ => {}
        }
    }

    fn lose(&mut self, lane: LaneId) {
        self.lanes.lose(lane);
        self.files.sent_again();
        assert_eq!(self.sender.lose_lane(lane), self.lanes.live().count() > 0);
    }

    /// The peer broke the protocol.
    fn fail(&mut self) {
        self.broken = true;
        self.end_with(CloseCode::Protocol);
    }

    fn end_with(&mut self, code: CloseCode) {
        self.sender.link_mut().close(Close { code, text: String::new() });
    }

    /// Whatever has happened: once the session has ended, its lanes come to their ends.
    fn end(&mut self) {
        self.end_with(CloseCode::Local);
        self.filling.clear();
        for lane in self.lanes.live() {
            while !self.sender.link().is_closed(lane) {
                self.fill(lane, ROOM);
                assert_eq!(self.filling.remove(&lane), Some(Vec::new()), "nothing but frames");
                self.sender.record_sent(lane);
            }
            assert_eq!(self.sender.next(lane, ROOM), None);
        }
        self.lanes.check_closed();
    }
}

/// Ranges of chunks, well formed or not.
fn ranges(input: &mut Input<'_>) -> Vec<u8> {
    let mut ranges = Vec::new();
    let mut first = 0_u32;
    for _ in 0..input.below(5) {
        first = first.wrapping_add(input.number());
        let count = input.number();
        ranges.extend([first.to_be_bytes(), count.to_be_bytes()].as_flattened());
        first = first.wrapping_add(count);
    }
    ranges
}

fn committed(input: &mut Input<'_>) -> Vec<u8> {
    let mut entries = Vec::new();
    for _ in 0..input.below(5) {
        entries.extend_from_slice(&input.number().to_be_bytes());
        let placement = input.u8() % 4;
        entries.push(placement);
        if placement == 1 {
            let name = input.sized();
            entries.extend_from_slice(&u16::try_from(name.len()).unwrap().to_be_bytes());
            entries.extend_from_slice(name);
        }
    }
    entries
}

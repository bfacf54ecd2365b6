//! A session with a hostile source: whatever frames it sends, on whatever lanes, while an honest sink
//! decides, writes and places in any order.

mod disk;

use hawser_protocol::error::ContentHash;
use hawser_protocol::frame::{self, FrameType, Frames, HEADER_BYTES, Header};
use hawser_protocol::hello::Hello;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::link::LaneId;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::{Close, CloseCode, Message, Summary};
use hawser_protocol::receiver::{Placement, Receiver, ReceiverEvent};

use crate::input::Input;
use crate::lanes::{Lanes, Numbers, ROOM};
use disk::Disk;

/// The sink, and what its source has said that counts.
struct Session {
    receiver: Receiver,
    disk: Disk,
    lanes: Lanes,
    numbers: Numbers,
    pages: blake3::Hasher,
    greeted: bool,
    /// A frame was wrong. Other lanes may still take some, but nothing comes of them.
    broken: bool,
    finished: bool,
}

pub fn sink(input: &[u8]) {
    play(input);
}

/// Returns whether the session came to its good end.
pub fn play(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let mut session = Session {
        receiver: Receiver::new(Hello::named("sink")),
        disk: Disk::default(),
        lanes: Lanes::new(),
        numbers: Numbers::default(),
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
        match input.below(16) {
            10.. if self.broken => {}
            0 => self.record(lane, input.sized(), input),
            1 => self.message(lane, FrameType::Hello, 0, &[&[0; 17], input.sized()].concat(), input),
            2 => {
                let first = self.disk.offered() + 1 + u32::from(input.u8() / 255);
                let page = page(input);
                self.message(lane, FrameType::Manifest, first, &page, input);
            }
            3 => {
                let (entry, offset) = (input.number(), u64::from(input.number()));
                self.data(lane, entry, offset.wrapping_mul(CHUNK_BYTES.into()), input);
            }
            4 => self.data(lane, input.number(), input.u64(), input),
            5 => {
                let end = frame::encode(FrameType::End, EntryId(input.number()), 0, &[input.u8() % 4; 32]);
                self.record(lane, &end, input);
            }
            6 => {
                let manifest = ContentHash(*self.pages.finalize().as_bytes());
                let entries = self.disk.offered().wrapping_add(input.u8().into());
                let end = Message::ManifestEnd(Summary { entries, manifest }).encode(self.numbers.0);
                self.record(lane, &end, input);
            }
            7 => {
                let failed = [&input.number().to_be_bytes()[..], &[0, input.u8() % 16]].concat();
                self.message(lane, FrameType::Failed, 0, &failed, input);
            }
            8 => {
                let skipped = [&[0, input.u8() % 16], input.sized()].concat();
                self.message(lane, FrameType::Skipped, 0, &skipped, input);
            }
            9 => {
                let ack = frame::encode(FrameType::Ack, EntryId::ROOT, input.number().into(), &[]);
                self.record(lane, &ack, input);
            }
            10 => self.send(lane, ROOM),
            11 => self.send(lane, usize::from(input.u16())),
            12 => self.disk.work(&mut self.receiver, input),
            13 if self.lanes.join(lane) => self.receiver.link_mut().add_lane(lane),
            13 => self.lose(lane),
            14 => {
                self.receiver.link_mut().queue_ack(lane);
                self.receiver.link_mut().queue_ping(lane);
            }
            _ if self.receiver.is_settled() => {
                self.disk.check_settled();
                self.receiver.finish();
                self.finished = true;
                assert!(self.receiver.is_finished() && !self.receiver.is_settled());
            }
            _ => {}
        }
    }

    /// A control frame with the right number, mostly.
    fn message(&mut self, lane: LaneId, kind: FrameType, entry: u32, payload: &[u8], input: &mut Input<'_>) {
        let number = self.numbers.some(input);
        self.record(lane, &frame::encode(kind, EntryId(entry), number, payload), input);
    }

    /// The header of a chunk: the machine sees no more of it.
    fn data(&mut self, lane: LaneId, entry: u32, offset: u64, input: &mut Input<'_>) {
        let entry = EntryId(entry);
        let whole = self.disk.chunk_length(entry, offset);
        let length = if input.u8() < 240 { whole } else { input.number() };
        self.frame(lane, Header { kind: FrameType::Data, entry, offset, length }, &[], input);
    }

    /// An opened record.
    fn record(&mut self, lane: LaneId, plaintext: &[u8], input: &mut Input<'_>) {
        let mut frames = Frames::new(plaintext);
        loop {
            match frames.next_frame() {
                Ok(Some((header, payload))) => self.frame(lane, header, payload, input),
                Ok(None) => return self.receiver.link_mut().record_received(lane),
                Err(_) => return self.fail(),
            }
        }
    }

    fn frame(&mut self, lane: LaneId, header: Header, payload: &[u8], input: &mut Input<'_>) {
        if header.kind == FrameType::Data {
            return match self.receiver.handle_data(lane, header) {
                _ if self.broken => {}
                Ok(Placement::Write(id, offset)) => {
                    assert_eq!((id, offset), (header.entry, header.offset));
                    self.disk.claim(id, offset, header.length);
                }
                Ok(Placement::Discard) => {}
                Err(_) => self.fail(),
            };
        }
        let events = self.receiver.handle_frame(lane, header, payload);
        let Some(events) = events.ok().filter(|_| !self.broken) else { return self.fail() };
        if self.numbers.taken(header) && header.kind == FrameType::Manifest {
            self.pages.update(payload);
        }
        match events.as_slice() {
            [ReceiverEvent::Hello(_)] => {
                assert!(!std::mem::replace(&mut self.greeted, true), "HELLO comes once");
            }
            [ReceiverEvent::Closed(_)] => self.end_with(CloseCode::Done),
            _ => self.disk.handle_all(&mut self.receiver, events, input),
        }
        assert!(self.greeted || self.disk.offered() == 0, "nothing is offered before HELLO");
        if header.kind == FrameType::Manifest {
            self.receiver.end_page();
        }
    }

    /// This side fills a record of so many bytes, and sends it.
    fn send(&mut self, lane: LaneId, room: usize) {
        let mut left = room.min(ROOM);
        let promised = self.receiver.has_urgent_work(lane) && room >= ROOM;
        while let Some(bytes) = self.receiver.next(lane, left) {
            left = left.checked_sub(bytes.len()).expect("a frame fits its record");
            if let Some(message) = self.lanes.sent(lane, &bytes) {
                self.disk.check_answer(&message, self.finished);
            }
        }
        assert!(!promised || left < room, "there was something to send");
        if left < room.min(ROOM) {
            assert!(room.min(ROOM) - left >= HEADER_BYTES);
            self.receiver.record_sent(lane);
        }
    }

    fn lose(&mut self, lane: LaneId) {
        self.lanes.lose(lane);
        assert_eq!(self.receiver.lose_lane(lane), self.lanes.live().count() > 0);
    }

    /// The peer broke the protocol.
    fn fail(&mut self) {
        self.broken = true;
        self.end_with(CloseCode::Protocol);
    }

    fn end_with(&mut self, code: CloseCode) {
        self.receiver.link_mut().close(Close { code, text: String::new() });
    }

    /// Whatever has happened: once the session has ended, its lanes come to their ends.
    fn end(&mut self) {
        self.end_with(CloseCode::Local);
        for lane in self.lanes.live() {
            while !self.receiver.link().is_closed(lane) {
                self.send(lane, ROOM);
            }
            assert_eq!(self.receiver.next(lane, ROOM), None);
        }
        self.lanes.check_closed();
    }
}

/// A page of a few items, well formed unless they say something that no item may.
fn page(input: &mut Input<'_>) -> Vec<u8> {
    let mut page = Vec::new();
    for _ in 0..input.below(8) {
        let form = input.u8() % 5;
        page.push(form);
        page.extend_from_slice(&input.number().to_be_bytes());
        if form == 0 {
            continue;
        }
        let name = input.sized();
        page.extend_from_slice(&u16::try_from(name.len()).unwrap().to_be_bytes());
        page.extend_from_slice(name);
        // Mode and time do not matter to the machine.
        page.extend_from_slice(&[0; 14]);
        match form {
            1 => page.extend_from_slice(&size(input).to_be_bytes()),
            3 => {
                let target = input.sized();
                page.extend_from_slice(&u16::try_from(target.len()).unwrap().to_be_bytes());
                page.extend_from_slice(target);
            }
            _ => {}
        }
    }
    page
}

/// Sizes around those at which something changes.
fn size(input: &mut Input<'_>) -> u64 {
    let chunk = u64::from(CHUNK_BYTES);
    match input.u8() {
        0 => 0,
        1 => 1,
        2 => chunk - 1,
        3 => chunk,
        4 => chunk + 1,
        5 => (chunk << 32) - 1,
        6 => (1 << 63) - 1,
        7 => u64::MAX,
        8 => input.u64(),
        chunks => u64::from(chunks) * 100_000,
    }
}

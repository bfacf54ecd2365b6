//! What both session targets need: the numbers that a peer has used, and the frames that this side
//! sends, each of which has to be what an honest peer may rely on.

use std::collections::{BTreeMap, BTreeSet};

use hawser_protocol::frame::{FrameClass, FrameType, Frames, Header};
use hawser_protocol::limits::{CHUNK_BYTES, MAX_LANES, RECORD_SLACK_BYTES};
use hawser_protocol::link::LaneId;
use hawser_protocol::message::{Close, Message};

use crate::input::Input;

/// Room for the plaintext of a record.
pub const ROOM: usize = (CHUNK_BYTES + RECORD_SLACK_BYTES) as usize;

/// Lanes of which the state machine knows, and what it has sent on them.
pub struct Lanes {
    live: BTreeSet<LaneId>,
    /// Those that have had their CLOSE.
    closed: BTreeSet<LaneId>,
    /// Control frames by number: a repetition is the same frame.
    control: BTreeMap<u64, Vec<u8>>,
}

impl Lanes {
    pub fn new() -> Self {
        Self { live: BTreeSet::from([LaneId(0)]), closed: BTreeSet::new(), control: BTreeMap::new() }
    }

    /// Mostly one that is there.
    pub fn choose(input: &mut Input<'_>) -> LaneId {
        LaneId(input.below(MAX_LANES.into()) as u8)
    }

    pub fn live(&self) -> impl Iterator<Item = LaneId> + use<> {
        self.live.clone().into_iter()
    }

    /// The lane joins, if its number is free.
    pub fn join(&mut self, lane: LaneId) -> bool {
        self.closed.remove(&lane);
        self.live.insert(lane)
    }

    pub fn lose(&mut self, lane: LaneId) -> bool {
        self.live.remove(&lane)
    }

    /// This side sends a frame. Returns the message in it if it is one for the first time.
    pub fn sent(&mut self, lane: LaneId, frame: &[u8]) -> Option<Message> {
        let mut frames = Frames::new(frame);
        let (header, payload) = frames.next_frame().unwrap().unwrap();
        assert_eq!(frames.next_frame(), Ok(None), "one frame at a time");
        assert!(self.live.contains(&lane), "a frame for a lane that is lost");
        assert!(!self.closed.contains(&lane), "a frame behind CLOSE");
        match header.kind.class() {
            FrameClass::Lane => {
                assert!(header.kind != FrameType::Close || self.closed.insert(lane));
                assert!(header.kind != FrameType::Close || Close::decode(payload).is_ok());
                None
            }
            FrameClass::Control => {
                let message = Message::decode(header, payload).unwrap();
                let next = self.control.len() as u64;
                let before = self.control.insert(header.offset, frame.to_vec());
                assert!(before.is_some() || header.offset == next, "numbers have no gaps");
                assert!(before.as_ref().is_none_or(|before| before == frame), "a repetition is the same");
                before.is_none().then_some(message)
            }
            FrameClass::Data => unreachable!("no whole frame"),
        }
    }

    /// The session has ended, and all lanes have been asked for all they have to say.
    pub fn check_closed(&self) {
        assert!(self.live.is_subset(&self.closed), "a session that has ended says so on every lane");
    }
}

/// The numbers of a peer's control frames, as the state machine counts them.
#[derive(Default)]
pub struct Numbers(pub u64);

impl Numbers {
    /// Mostly the next one.
    pub fn some(&self, input: &mut Input<'_>) -> u64 {
        match input.u8() {
            255 => self.0 + 1,
            254 => self.0.saturating_sub(1),
            _ => self.0,
        }
    }

    /// A frame was taken; whether it counted.
    pub fn taken(&mut self, header: Header) -> bool {
        let counts = header.kind.class() == FrameClass::Control && header.offset == self.0;
        self.0 += u64::from(counts);
        counts
    }
}

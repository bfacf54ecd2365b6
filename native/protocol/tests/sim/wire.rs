//! Lanes: a queue of records each way.

use std::collections::VecDeque;

use hawser_protocol::frame::{Frames, HEADER_BYTES, Header};
use hawser_protocol::limits::{CHUNK_BYTES, RECORD_SLACK_BYTES};
use hawser_protocol::link::LaneId;

use super::rng::Rng;
use super::tree::Tag;

/// A frame under way: its bytes, but for a DATA frame, whose payload no state machine sees and
/// which takes up its room and carries what stands for its bytes.
pub enum Frame {
    Whole(Vec<u8>),
    Data(Header, Tag),
}

impl Frame {
    /// The header and the payload.
    pub fn open(&self) -> (Header, &[u8]) {
        match self {
            Self::Data(header, _) => (*header, &[]),
            Self::Whole(bytes) => {
                let mut frames = Frames::new(bytes);
                let frame = frames.next_frame().unwrap().unwrap();
                assert_eq!(frames.next_frame(), Ok(None), "one frame at a time");
                frame
            }
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Data(header, _) => HEADER_BYTES + header.length as usize,
            Self::Whole(bytes) => bytes.len(),
        }
    }
}

/// A record, whole or being filled.
#[derive(Default)]
pub struct Record {
    pub frames: VecDeque<Frame>,
    used: usize,
}

impl Record {
    pub fn room(&self) -> usize {
        (CHUNK_BYTES + RECORD_SLACK_BYTES) as usize - self.used
    }

    pub fn push(&mut self, frame: Frame) {
        assert!(frame.length() <= self.room(), "a frame that does not fit its record");
        self.used += frame.length();
        self.frames.push_back(frame);
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// What one side knows of a lane.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Unknown,
    Live,
    Lost,
}

pub struct Lane {
    pub id: LaneId,
    pub source: End,
    pub sink: End,
    to_sink: VecDeque<Record>,
    to_source: VecDeque<Record>,
    cut: bool,
}

impl Lane {
    /// The lane that the session began on.
    pub fn first() -> Self {
        Self { source: End::Live, sink: End::Live, ..Self::dialled(LaneId(0)) }
    }

    /// A lane of which neither state machine knows yet.
    pub fn dialled(id: LaneId) -> Self {
        Self {
            id,
            source: End::Unknown,
            sink: End::Unknown,
            to_sink: VecDeque::new(),
            to_source: VecDeque::new(),
            cut: false,
        }
    }

    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether both sides know that it is lost.
    pub fn is_gone(&self) -> bool {
        self.source == End::Lost && self.sink == End::Lost
    }

    /// The connection breaks. Of what is under way some may still arrive, in order.
    pub fn cut(&mut self, rng: &mut Rng) {
        self.cut = true;
        self.to_sink.truncate(rng.below(self.to_sink.len() + 1));
        self.to_source.truncate(rng.below(self.to_source.len() + 1));
    }

    pub fn send_to_sink(&mut self, record: Record) {
        if !self.cut {
            self.to_sink.push_back(record);
        }
    }

    pub fn send_to_source(&mut self, record: Record) {
        if !self.cut {
            self.to_source.push_back(record);
        }
    }

    /// The next record for the sink, once it knows the lane and as long as it has it.
    pub fn arrive_at_sink(&mut self) -> Option<Record> {
        if self.sink == End::Live { self.to_sink.pop_front() } else { None }
    }

    pub fn arrive_at_source(&mut self) -> Option<Record> {
        if self.source == End::Live { self.to_source.pop_front() } else { None }
    }
}

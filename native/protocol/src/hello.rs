//! How each side introduces itself: the payload of HELLO.
//!
//! docs/protocol.md, "Control messages".

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::ProtocolError;
use crate::handshake::SessionId;
use crate::limits::{MAX_LABEL_BYTES, MAX_UNSETTLED, MIN_UNSETTLED};
use crate::message::{cut, read_text};
use crate::wire::Reader;

/// What a side says of itself before anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// A label for people that the peer chose for itself, at most [`MAX_LABEL_BYTES`] of UTF-8,
    /// proven by nothing.
    pub label: String,
    /// What a source asks of its sink; nothing where a sink speaks.
    pub requests: Requests,
    /// How many entries it lets be unsettled.
    pub window: Window,
    /// The session of the same two peers that this one takes the place of, if any.
    pub continues: Option<SessionId>,
}

/// What a source asks of its sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Take a file for one that is there already only if it has the same content.
    pub compare: bool,
    /// Read each file again from the disk before it gets its name.
    pub reread: bool,
}

/// How many entries may be offered and not yet settled: [`MAX_UNSETTLED`], or that halved some times, but
/// [`MIN_UNSETTLED`] at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    halvings: u8,
}

impl Window {
    /// The smallest there is.
    pub const SMALLEST: Self = Self { halvings: 5 };

    /// The largest of at most so many entries; of none, the smallest.
    pub fn of(entries: u32) -> Self {
        let mut halvings = 0..Self::SMALLEST.halvings;
        let fitting = halvings.find(|&halvings| Self { halvings }.entries() <= entries);
        fitting.map_or(Self::SMALLEST, |halvings| Self { halvings })
    }

    /// So many entries.
    pub fn entries(self) -> u32 {
        MAX_UNSETTLED >> self.halvings
    }
}

const _: () = assert!(MAX_UNSETTLED >> Window::SMALLEST.halvings == MIN_UNSETTLED);

/// Bytes before the label.
const FIXED_BYTES: usize = 17;

const COMPARE: u8 = 1;
const REREAD: u8 = 2;

/// Above these bits is how often the window is halved.
const WINDOW_SHIFT: u32 = 4;

impl Hello {
    /// A side that has a label and nothing to ask.
    pub fn named(label: &str) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    pub(crate) fn put(&self, payload: &mut Vec<u8>) {
        let Requests { compare, reread } = self.requests;
        let requests = if compare { COMPARE } else { 0 } | if reread { REREAD } else { 0 };
        payload.push(requests | self.window.halvings << WINDOW_SHIFT);
        payload.extend_from_slice(&self.continues.unwrap_or(NONE).0);
        payload.extend_from_slice(cut(&self.label, MAX_LABEL_BYTES).as_bytes());
    }

    pub(crate) fn read(reader: &mut Reader<'_>, length: usize) -> Result<Self, ProtocolError> {
        let bits = reader.u8()?;
        let window = Window { halvings: bits >> WINDOW_SHIFT };
        let others = bits & !(COMPARE | REREAD | 0xf0);
        if others != 0 || window.halvings > Window::SMALLEST.halvings {
            return Err(ProtocolError::Malformed("requests"));
        }
        let requests = Requests { compare: bits & COMPARE != 0, reread: bits & REREAD != 0 };
        let continues = Some(SessionId(reader.array()?)).filter(|&id| id != NONE);
        let label = read_text(reader, length.saturating_sub(FIXED_BYTES), MAX_LABEL_BYTES)?;
        Ok(Self { label, requests, window, continues })
    }
}

/// Stands for no session: listeners choose their names at random.
const NONE: SessionId = SessionId([0; 16]);

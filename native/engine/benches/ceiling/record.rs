//! One record: length, offset in the file, bytes of the file, tag. The bytes begin at a page, as writing past the
//! page cache demands.

use std::ops::Range;

use hawser_protocol::cipher::{HEADER_LENGTH, TAG_LENGTH};
use hawser_protocol::limits::CHUNK_BYTES;

/// Bytes of a file in one record.
pub const CONTENT_BYTES: u64 = CHUNK_BYTES as u64;

const OFFSET_BYTES: usize = 8;
const PAGE_BYTES: usize = 4096;

/// A buffer for one record at a time.
pub struct Record {
    memory: Vec<u8>,
    content: usize,
}

impl Record {
    pub fn new() -> Self {
        let memory = vec![0; CONTENT_BYTES as usize + 3 * PAGE_BYTES];
        let content = PAGE_BYTES + memory[PAGE_BYTES..].as_ptr().align_offset(PAGE_BYTES);
        Self { memory, content }
    }

    /// All of a record that holds so many bytes of the file, as it goes over the wire.
    pub fn whole(&mut self, length: usize) -> &mut [u8] {
        let range = self.content_range(length);
        &mut self.memory[range.start - OFFSET_BYTES - HEADER_LENGTH..range.end + TAG_LENGTH]
    }

    /// What follows the header of a record, `length` bytes.
    pub fn body(&mut self, length: usize) -> &mut [u8] {
        &mut self.memory[self.content - OFFSET_BYTES..][..length]
    }

    pub fn content(&mut self, length: usize) -> &mut [u8] {
        let range = self.content_range(length);
        &mut self.memory[range]
    }

    pub fn set_offset(&mut self, offset: u64) {
        self.body(OFFSET_BYTES).copy_from_slice(&offset.to_be_bytes());
    }

    fn content_range(&self, length: usize) -> Range<usize> {
        self.content..self.content + length
    }
}

/// Splits the opened body of a record into offset and bytes.
pub fn split(body: &[u8]) -> (u64, &[u8]) {
    let (offset, content) = body.split_first_chunk::<OFFSET_BYTES>().expect("a record has an offset");
    (u64::from_be_bytes(*offset), content)
}

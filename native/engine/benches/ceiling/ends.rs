//! The two ends: a thread for each connection, which does everything to a record on one core.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use hawser_engine::disk::ChunkHash;
use hawser_protocol::cipher::{HEADER_LENGTH, record_length};

use crate::meeting;
use crate::output::Output;
use crate::record::{CONTENT_BYTES, Record, split};
use crate::run::Variant;

/// A file to be read by several threads, record by record.
pub struct Input {
    pub file: File,
    pub size: u64,
    next: AtomicU64,
}

impl Input {
    pub fn new(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size, next: AtomicU64::new(0) })
    }

    /// Reads the next record that no thread has taken: its offset and length.
    fn read(&self, record: &mut Record) -> io::Result<Option<(u64, usize)>> {
        let offset = self.next.fetch_add(CONTENT_BYTES, Ordering::Relaxed);
        let length = self.size.saturating_sub(offset).min(CONTENT_BYTES) as usize;
        if length == 0 {
            return Ok(None);
        }
        self.file.read_exact_at(record.content(length), offset)?;
        Ok(Some((offset, length)))
    }
}

pub fn send(input: &Input, mut stream: TcpStream, variant: Variant) -> io::Result<()> {
    let ((mut sealer, _), _) = meeting::first_lane();
    let mut record = Record::new();
    while let Some((offset, length)) = input.read(&mut record)? {
        if variant == Variant::Hashed {
            black_box(ChunkHash::new(input.size, offset, record.content(length)));
        }
        record.set_offset(offset);
        let whole = record.whole(length);
        if variant == Variant::Plain {
            let body = (whole.len() - HEADER_LENGTH) as u32;
            whole[..HEADER_LENGTH].copy_from_slice(&body.to_be_bytes());
        } else {
            sealer.seal(whole).map_err(io::Error::other)?;
        }
        stream.write_all(whole)?;
    }
    stream.shutdown(Shutdown::Write)?;
    // The other end closes when it has written everything.
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}

pub fn receive(output: &Output, size: u64, mut stream: TcpStream, variant: Variant) -> io::Result<()> {
    let (_, (_, mut opener)) = meeting::first_lane();
    let mut record = Record::new();
    let mut header = [0; HEADER_LENGTH];
    while let Ok(()) = stream.read_exact(&mut header) {
        let body = record.body(record_length(header).map_err(io::Error::other)?);
        stream.read_exact(body)?;
        let opened = if variant == Variant::Plain {
            &body[..body.len() - hawser_protocol::cipher::TAG_LENGTH]
        } else {
            opener.open(header, body).map_err(io::Error::other)?
        };
        let (offset, content) = split(opened);
        if variant == Variant::Hashed {
            black_box(ChunkHash::new(size, offset, content));
        }
        output.write(content, offset)?;
    }
    Ok(())
}

pub fn copy(input: &Input, output: &Output) -> io::Result<()> {
    let mut record = Record::new();
    while let Some((offset, length)) = input.read(&mut record)? {
        output.write(record.content(length), offset)?;
    }
    Ok(())
}

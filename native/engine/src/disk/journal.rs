//! The journal beside a part file: which of its chunks have been written, and what was in them.
//!
//! It only grows, and a record is added after its chunk was written. That does not make a chunk
//! durable: after a loss of power the part may lack what the journal has. So whoever resumes reads
//! each chunk again and compares; the journal says which, and what to compare with. A record that is
//! torn, and all behind it, does not count. docs/protocol.md, "Part files".

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use hawser_protocol::manifest::Mtime;
use hawser_protocol::ranges::chunk_count;

/// The beginning of a journal of this form.
const MAGIC: [u8; 8] = *b"HAWSERJ1";

/// Bytes of the header before the path, and of the check behind it.
const FIXED_BYTES: usize = 8 + 32 + 8 + 8 + 4 + 4;
const CHECK_BYTES: usize = 8;

/// Chunk number, hash, check.
const RECORD_BYTES: usize = 4 + 32 + 4;

/// A path is at most 129 names of 255 bytes and what separates them.
const MAX_PATH_BYTES: usize = 129 * 256;

/// Records go out when there are so many, or when the last ones are so old: what a killed process
/// has not recorded is sent again.
const BATCH: usize = 64;
const SOON: Duration = Duration::from_secs(1);

/// What a part file is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The public key of the peer that sends it.
    pub owner: [u8; 32],
    /// Bytes.
    pub size: u64,
    pub mtime: Mtime,
    /// The names below the target folder, joined by `/`.
    pub path: Vec<u8>,
}

impl Subject {
    /// The name of its part file: the same for every version of the file, for one peer.
    pub fn key(&self) -> String {
        let hash = blake3::Hasher::new().update(&self.owner).update(&self.path).finalize();
        hash.to_hex()[..32].to_string()
    }

    fn header(&self) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&self.owner);
        header.extend_from_slice(&self.size.to_be_bytes());
        header.extend_from_slice(&self.mtime.seconds.to_be_bytes());
        header.extend_from_slice(&self.mtime.nanoseconds.to_be_bytes());
        header.extend_from_slice(&(self.path.len() as u32).to_be_bytes());
        header.extend_from_slice(&self.path);
        let check = check::<CHECK_BYTES>(&[&header]);
        header.extend_from_slice(&check);
        header
    }

    fn read(from: &mut impl Read) -> io::Result<(Self, [u8; CHECK_BYTES])> {
        let mut header = [0; FIXED_BYTES];
        from.read_exact(&mut header)?;
        let mut rest = &header[..];
        let magic: [u8; 8] = take(&mut rest);
        let owner = take(&mut rest);
        let size = u64::from_be_bytes(take(&mut rest));
        let seconds = i64::from_be_bytes(take(&mut rest));
        let nanoseconds = u32::from_be_bytes(take(&mut rest));
        let length = u32::from_be_bytes(take(&mut rest)) as usize;
        if magic != MAGIC || length > MAX_PATH_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut path = vec![0; length];
        from.read_exact(&mut path)?;
        let mut known = [0; CHECK_BYTES];
        from.read_exact(&mut known)?;
        if known != check(&[&header, &path]) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((Self { owner, size, mtime: Mtime { seconds, nanoseconds }, path }, known))
    }
}

/// The hashes of the chunks that were written, by number.
pub type Written = BTreeMap<u32, [u8; 32]>;

/// A journal as it was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub subject: Subject,
    pub written: Written,
    /// Bytes of it that are good.
    length: u64,
}

/// Reads a journal, up to the first record that is not whole.
///
/// # Errors
/// Those of `from`, `UnexpectedEof` and `InvalidData` for what has no good header.
pub fn read(from: impl Read) -> io::Result<Found> {
    let mut from = io::BufReader::new(from);
    let (subject, header) = Subject::read(&mut from)?;
    let mut length = subject.header().len() as u64;
    let count = chunk_count(subject.size).unwrap_or(0);
    let mut written = Written::new();
    let mut record = [0; RECORD_BYTES];
    while from.read_exact(&mut record).is_ok() {
        let mut rest = &record[..];
        let (number, hash, known): ([u8; 4], [u8; 32], [u8; 4]) =
            (take(&mut rest), take(&mut rest), take(&mut rest));
        let chunk = u32::from_be_bytes(number);
        if chunk >= count || known != check(&[&header, &number, &hash]) {
            break;
        }
        written.insert(chunk, hash);
        length += RECORD_BYTES as u64;
    }
    Ok(Found { subject, written, length })
}

/// A journal being written. Its file is made with the first records: most files are whole by then.
#[derive(Debug)]
pub struct Journal {
    subject: Subject,
    check: [u8; CHECK_BYTES],
    /// Bytes of it that are good; 0 while there is none.
    length: u64,
    pending: Vec<u8>,
    recorded_at: Instant,
}

impl Journal {
    /// A journal that has nothing in it yet.
    pub fn new(subject: Subject) -> Self {
        let header = subject.header();
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&header[header.len() - CHECK_BYTES..]);
        Self { subject, check, length: 0, pending: Vec::new(), recorded_at: Instant::now() }
    }

    /// Goes on with what [`read`] has found: what was not good of it will be cut off.
    pub fn resume(found: Found) -> Self {
        Self { length: found.length, ..Self::new(found.subject) }
    }

    /// Records that a chunk has been written, now or soon, in a file that `open` opens, or makes if it
    /// is told that there is none yet.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn add(
        &mut self,
        chunk: u32,
        hash: &[u8; 32],
        open: impl FnOnce(bool) -> io::Result<File>,
    ) -> io::Result<()> {
        let number = chunk.to_be_bytes();
        self.pending.extend_from_slice(&number);
        self.pending.extend_from_slice(hash);
        self.pending.extend_from_slice(&check::<4>(&[&self.check, &number, hash]));
        if self.pending.len() >= BATCH * RECORD_BYTES || self.recorded_at.elapsed() >= SOON {
            self.write_out(open)?;
        }
        Ok(())
    }

    /// Writes out what is still to be recorded.
    ///
    /// # Errors
    /// Those of the operating system; then it is still to be recorded.
    pub fn write_out(&mut self, open: impl FnOnce(bool) -> io::Result<File>) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.recorded_at = Instant::now();
        // Not kept open: many parts may be, and each would take two descriptors.
        let mut file = open(self.length == 0)?;
        if self.length == 0 {
            let header = self.subject.header();
            file.write_all(&header)?;
            self.length = header.len() as u64;
        } else {
            // What was no good, or half a record that a write which failed has left.
            file.set_len(self.length)?;
            file.seek(SeekFrom::End(0))?;
        }
        file.write_all(&self.pending)?;
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Forgets all that was recorded.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn clear(&mut self, open: impl FnOnce(bool) -> io::Result<File>) -> io::Result<()> {
        self.pending.clear();
        if self.is_begun() {
            self.length = self.subject.header().len() as u64;
            open(false)?.set_len(self.length)?;
        }
        Ok(())
    }

    /// Whether it has a file.
    pub fn is_begun(&self) -> bool {
        self.length > 0
    }
}

/// The first bytes of the hash of all `parts` together.
fn check<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    let mut check = [0; N];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..N]);
    check
}

/// The next bytes of a header or record, which has enough of them.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_at(N);
    *rest = tail;
    let mut bytes = [0; N];
    bytes.copy_from_slice(head);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::hash::ChunkHash;

    fn subject() -> Subject {
        let mtime = Mtime { seconds: -5, nanoseconds: 7 };
        Subject { owner: [3; 32], size: 100 << 18, mtime, path: b"photos/a.raw".to_vec() }
    }

    fn journal(chunks: u32) -> (File, Written) {
        let file = tempfile::tempfile().unwrap();
        let mut journal = Journal::new(subject());
        let mut written = Written::new();
        for chunk in (0..chunks).rev() {
            journal.add(chunk, &[chunk as u8; 32], |_| file.try_clone()).unwrap();
            written.insert(chunk, [chunk as u8; 32]);
        }
        journal.write_out(|_| file.try_clone()).unwrap();
        assert_eq!(journal.is_begun(), chunks > 0);
        (file, written)
    }

    fn reread(mut file: &File) -> io::Result<Found> {
        file.seek(SeekFrom::Start(0)).unwrap();
        read(file)
    }

    #[test]
    fn what_was_recorded_is_read_again() {
        for chunks in [1, 63, 64, 100] {
            let (file, written) = journal(chunks);
            let found = reread(&file).unwrap();
            assert_eq!((found.subject, found.written), (subject(), written));
        }
    }

    #[test]
    fn a_journal_cut_anywhere_counts_up_to_its_last_whole_record() {
        let (file, written) = journal(5);
        for cut in (0..file.metadata().unwrap().len()).rev() {
            file.set_len(cut).unwrap();
            match reread(&file) {
                Ok(found) => {
                    assert_eq!(found.subject, subject());
                    assert_eq!(found.written.len() as u64, (cut - subject().header().len() as u64) / 40);
                    assert!(found.written.iter().all(|(chunk, hash)| written[chunk] == *hash));
                }
                Err(_) => assert!(cut < subject().header().len() as u64),
            }
        }
    }

    #[test]
    fn a_bit_changed_anywhere_never_makes_a_record_that_was_not_written() {
        let (file, written) = journal(3);
        let mut bytes = Vec::new();
        (&file).seek(SeekFrom::Start(0)).unwrap();
        (&file).read_to_end(&mut bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&changed).unwrap();
            if let Ok(found) = reread(&file) {
                assert_eq!(found.subject, subject());
                assert!(found.written.len() < 3);
                assert!(found.written.iter().all(|(chunk, hash)| written[chunk] == *hash));
            }
        }
    }

    #[test]
    fn a_resumed_journal_keeps_what_was_good_and_grows() {
        let (file, mut written) = journal(5);
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        let found = reread(&file).unwrap();
        assert_eq!(found.written.len(), 4);
        let mut journal = Journal::resume(found);
        assert!(journal.is_begun());
        journal.add(0, &[9; 32], |_| panic!("not so soon")).unwrap();
        let reopen = |is_new: bool| {
            assert!(!is_new);
            file.try_clone()
        };
        journal.write_out(reopen).unwrap();
        written.insert(0, [9; 32]);
        assert_eq!(reread(&file).unwrap().written, written);
        journal.clear(reopen).unwrap();
        journal.add(1, &[8; 32], |_| panic!("not so soon")).unwrap();
        journal.write_out(reopen).unwrap();
        assert_eq!(reread(&file).unwrap().written, Written::from([(1, [8; 32])]));
    }

    #[test]
    fn every_version_of_a_file_has_the_same_key_and_every_peer_another() {
        let one = subject();
        assert_eq!(Subject { size: 1, ..one.clone() }.key(), one.key());
        assert_ne!(Subject { owner: [4; 32], ..one.clone() }.key(), one.key());
        assert_ne!(Subject { path: b"photos/b.raw".to_vec(), ..one.clone() }.key(), one.key());
    }

    /// docs/vectors/journal.json, which another reader of docs/protocol.md checks: the first and the last chunk
    /// of three. `HAWSER_WRITE_VECTORS=1 cargo test` writes it anew.
    #[test]
    fn a_journal_is_what_the_vector_says() {
        let subject = Subject { size: (2 << 18) + 1000, ..subject() };
        let content = vec![5; subject.size as usize];
        let mut file = tempfile::tempfile().unwrap();
        let mut journal = Journal::new(subject.clone());
        for chunk in [2_u32, 0] {
            let offset = usize::try_from(chunk).unwrap() << 18;
            let bytes = &content[offset..content.len().min(offset + (1 << 18))];
            let hash = ChunkHash::new(subject.size, offset as u64, bytes).unwrap();
            journal.add(chunk, hash.as_bytes(), |_| file.try_clone()).unwrap();
        }
        journal.write_out(|_| file.try_clone()).unwrap();
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let vector = serde_json::json!({
            "chunks": [2, 0],
            "content": { "byte": 5, "length": subject.size },
            "journal": hex(&bytes),
            "key": subject.key(),
            "mtime": [subject.mtime.seconds, subject.mtime.nanoseconds],
            "owner": hex(&subject.owner),
            "path": String::from_utf8(subject.path).unwrap(),
        });
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/journal.json");
        if std::env::var_os("HAWSER_WRITE_VECTORS").is_some() {
            std::fs::write(path, serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
        }
        let committed: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(vector, committed);
    }
}

//! Looking again at what was delivered: is it still there, and still what it was?

use std::collections::btree_map;
use std::io;
use std::sync::Arc;

use blake3::Hasher;
use cap_std::fs::Dir;
use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::Name;

use super::fault::source_reason;
use super::folders::{Folder, Folders, Location};
use super::records::Delivered;
use super::regular;
use super::source_file::SourceFile;
use super::stat::{Form, Stat};

/// What has become of a file that was delivered.
#[derive(Debug)]
pub enum Verdict {
    /// It has the hash it had.
    Same,
    /// It has another content, or something else than a file has its name.
    Changed,
    /// Nothing has its name.
    Missing,
    /// It cannot be said.
    Unreadable(io::Error),
}

/// Delivered files to look at, one after the other, those of one folder together.
#[derive(Debug)]
pub struct Recheck {
    target: Arc<Folder>,
    /// The folders above the file that came last, each in the one before.
    above: Vec<(Name, Arc<Folder>)>,
    left: btree_map::IntoIter<Box<[u8]>, ContentHash>,
}

impl Recheck {
    /// Those in `delivered`, below `target`.
    pub fn new(target: Dir, delivered: Delivered) -> Self {
        let target = Arc::new(Folder::Held(Arc::new(target)));
        Self { target, above: Vec::new(), left: delivered.into_iter() }
    }

    fn innermost(&self) -> Arc<Folder> {
        self.above.last().map_or(&self.target, |(_, folder)| folder).clone()
    }
}

impl Iterator for Recheck {
    type Item = (Location, ContentHash);

    fn next(&mut self) -> Option<Self::Item> {
        let (path, hash) = self.left.next()?;
        // All of them are names, or the path would not have been taken from a record.
        let mut names = path.split(|&byte| byte == b'/').map_while(Name::new).collect::<Vec<_>>();
        let file = names.pop()?;
        let shared = self.above.iter().zip(&names).take_while(|((above, _), name)| above == *name).count();
        self.above.truncate(shared);
        for name in names.into_iter().skip(shared) {
            let folder = Folder::At(Location::new(self.innermost(), name.clone()));
            self.above.push((name, Arc::new(folder)));
        }
        Some((Location::new(self.innermost(), file), hash))
    }
}

/// Whether the file at `location` has the hash `expected`. `None` when `go_on`, which learns of every
/// few bytes that were read, says no.
///
/// No link is followed, and nothing but a regular file is opened.
pub fn check(
    folders: &Folders,
    location: &Location,
    expected: ContentHash,
    mut go_on: impl FnMut(u64) -> bool,
) -> Option<Verdict> {
    match hash(folders, location, &mut go_on) {
        Ok(Some(hash)) if hash == expected => Some(Verdict::Same),
        Ok(Some(_)) => Some(Verdict::Changed),
        Ok(None) => None,
        Err(error) => Some(match source_reason(&error) {
            Reason::SourceGone => Verdict::Missing,
            Reason::SourceChanged => Verdict::Changed,
            // It got shorter while it was read.
            _ if error.kind() == io::ErrorKind::UnexpectedEof => Verdict::Changed,
            _ => Verdict::Unreadable(error),
        }),
    }
}

/// The hash of a file as long as it is when it is opened: one that grows and grows has an end, too.
fn hash(
    folders: &Folders,
    location: &Location,
    go_on: &mut impl FnMut(u64) -> bool,
) -> io::Result<Option<ContentHash>> {
    let folder = folders.open(&location.folder)?;
    // Looked at before it is opened: opening a device or a FIFO may have effects of its own.
    insist_on_file(&Stat::named(&folder, &location.name)?)?;
    let (file, stat) = regular::open(&folder, &location.name)?;
    insist_on_file(&stat)?;
    let size = stat.version.size;
    let file = SourceFile::new(file, size);
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; size.min(CHUNK_BYTES.into()) as usize];
    let mut offset = 0;
    while offset < size {
        let length = buffer.len().min(usize::try_from(size - offset).unwrap_or(usize::MAX));
        let Some(part) = buffer.get_mut(..length) else { break };
        file.read(offset, part)?;
        hasher.update(part);
        offset += length as u64;
        if !go_on(length as u64) {
            return Ok(None);
        }
    }
    Ok(Some(ContentHash(hasher.finalize().into())))
}

fn insist_on_file(stat: &Stat) -> io::Result<()> {
    match stat.form {
        Form::File => Ok(()),
        // As the system itself says it where a folder is opened.
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

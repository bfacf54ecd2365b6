//! The folder of records: `.hawser/records` in a target, one record a session.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions};
use hawser_protocol::error::ContentHash;
use hawser_protocol::manifest::{Name, PARTIALS_FOLDER};

use super::partials::make_private;
use super::record_line::{MAX_LINE_BYTES, parse};
use super::regular;
use super::stamp::new_file;
use super::stat::Form;

/// The folder of all records, in [`PARTIALS_FOLDER`].
pub const RECORDS_FOLDER: &str = "records";

/// Records kept, the one being begun included: enough to look back at some interrupted and repeated
/// transfers, and few enough that nobody has to tidy up.
const MAX_RECORDS: usize = 16;

/// Bytes of all records that are kept when one is begun, which is a line each for half a million
/// files. The newest of them stays in any case.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of one record: a peer that sends empty files of long paths writes a thousand times as much there as it
/// sends. One that would get larger is emptied.
pub const MAX_RECORD_BYTES: u64 = MAX_BYTES;

/// Bytes of all records together, those included that many sessions write at a time.
const MAX_WRITTEN_BYTES: u64 = 4 * MAX_BYTES;

/// What every record is called: when its session began (UTC), and a hash of its peer's key and
/// its id. A `0` stands for a digit, an `x` for one of hex, the rest for itself.
const PATTERN: &str = "00000000T000000.000Z-xxxxxxxxxxxxxxxx.b3";

/// What the records say of each file, by its path. In order, what is in one folder comes together.
pub type Delivered = BTreeMap<Box<[u8]>, ContentHash>;

/// The records of one target.
#[derive(Debug)]
pub struct Records(Dir);

impl Records {
    /// Those in `target`; `None` when no session has left any there.
    ///
    /// # Errors
    /// Those of the operating system, for example when links stand where the folders should be.
    pub fn find(target: &Dir) -> io::Result<Option<Self>> {
        let found =
            target.open_dir_nofollow(PARTIALS_FOLDER).and_then(|own| own.open_dir_nofollow(RECORDS_FOLDER));
        match found {
            Ok(folder) => Ok(Some(Self(folder))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins a record, for the user alone, after removing old ones; or goes on with the one whose name
    /// has the ending `earlier`, under the new name.
    ///
    /// # Errors
    /// Those of the operating system; `PermissionDenied` when the folder belongs to someone else; `FileTooLarge`
    /// when the earlier one was emptied.
    pub fn begin(target: &Dir, name: &str, earlier: Option<&str>) -> io::Result<(Self, File)> {
        // `.hawser` is there, with the session's part files: nobody removes it in between.
        let records = Self(make_private(&make_private(target, PARTIALS_FOLDER)?, RECORDS_FOLDER)?);
        let file = match earlier.map(|earlier| records.go_on(earlier, name)) {
            Some(Ok(file)) => file,
            Some(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => return Err(error),
            _ => {
                records.make_room();
                records.0.open_with(name, &new_file(0o600))?.into_std()
            }
        };
        // Tells others that it is being written. Without it, one of many newer sessions may remove
        // the record of one that takes very long. Windows would keep its readers out, too.
        #[cfg(unix)]
        let _ = file.try_lock_shared();
        Ok((records, file))
    }

    /// Opens the record whose name has the ending `earlier`, to add to it, under its new `name`.
    fn go_on(&self, earlier: &str, name: &str) -> io::Result<File> {
        let names = self.names()?;
        let known = names.iter().find(|known| known.ends_with(earlier)).ok_or(io::ErrorKind::NotFound)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).follow(FollowSymlinks::No);
        let mut file = self.0.open_with(known, &options)?.into_std();
        if file.metadata()?.len() == 0 {
            self.0.rename(known, &self.0, name)?;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // Behind the half of a line, nothing more could be read.
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.0.rename(known, &self.0, name)?;
        Ok(file)
    }

    /// Whether all records together are more than there may be.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn are_too_large(&self) -> io::Result<bool> {
        let bytes = self.list()?.iter().fold(0_u64, |bytes, (_, size)| bytes.saturating_add(*size));
        Ok(bytes > MAX_WRITTEN_BYTES)
    }

    /// Removes one.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove_file(name)
    }

    /// Their names, the newest first.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.list()?.into_iter().map(|(name, _)| name).collect())
    }

    /// Adds what one says to `delivered`, in place of what that says of the same file.
    ///
    /// # Errors
    /// `InvalidData`, with the number of the line, when it is no record; else those of the operating
    /// system.
    pub fn read(&self, name: &str, delivered: &mut Delivered) -> io::Result<()> {
        let name = Name::new(name.as_bytes()).ok_or(io::ErrorKind::NotFound)?;
        let (file, stat) = regular::open(&self.0, &name)?;
        if stat.form != Form::File {
            return Err(invalid("it is not a file".into()));
        }
        match stat.version.size {
            0 => {
                let text = "it is empty: the session delivered more than a record has room for";
                return Err(invalid(text.into()));
            }
            size if size > MAX_RECORD_BYTES => return Err(invalid("it is larger than any record".into())),
            _ => {}
        }
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            // Its line feed, and the byte that shows that it is too long.
            let limit = MAX_LINE_BYTES as u64 + 2;
            let length = reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
            let Some(text) = line.strip_suffix(b"\n") else {
                // The end, or the half of a line that a crash of the machine may leave there.
                if length as u64 == limit {
                    return Err(invalid(format!("its line {number} is not one of a record")));
                }
                break;
            };
            let parsed = parse(text);
            let (path, hash) =
                parsed.ok_or_else(|| invalid(format!("its line {number} is not one of a record")))?;
            delivered.insert(path, hash);
        }
        Ok(())
    }

    /// Removes the oldest until there is room for another. What cannot be removed is no reason not
    /// to begin one.
    fn make_room(&self) {
        let mut bytes = 0_u64;
        for (index, (name, size)) in self.list().unwrap_or_default().into_iter().enumerate() {
            bytes = bytes.saturating_add(size);
            let kept = index == 0 || (index + 1 < MAX_RECORDS && bytes <= MAX_BYTES);
            if !kept && !self.is_being_written(&name) {
                let _ = self.remove(&name);
            }
        }
    }

    fn is_being_written(&self, name: &str) -> bool {
        let Some(name) = Name::new(name.as_bytes()) else { return false };
        let opened = regular::open(&self.0, &name);
        cfg!(unix)
            && opened.is_ok_and(|(file, _)| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
    }

    /// Names and bytes, the newest first. What is called otherwise is not ours.
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut records = Vec::new();
        for entry in self.0.entries()? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && is_record(&name)
            {
                // It may be gone by now.
                records.extend(entry.metadata().ok().map(|found| (name, found.len())));
            }
        }
        records.sort_unstable_by(|one, other| other.cmp(one));
        Ok(records)
    }
}

/// Whether a record may be called `name`.
pub fn is_record(name: &str) -> bool {
    let fits = |(pattern, byte): (u8, u8)| match pattern {
        b'0' => byte.is_ascii_digit(),
        b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        literal => byte == literal,
    };
    name.len() == PATTERN.len() && PATTERN.bytes().zip(name.bytes()).all(fits)
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

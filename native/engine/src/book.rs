//! A ledger in its file, and on disk before whatever it tells of happens.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::TicketId;

use crate::Error;
use crate::ledger::{Ledger, Line};
use crate::private_file::{add, clear_unfinished, open_lock, replace};
use crate::quota::Amount;
use crate::session::{call, spawn};

/// A ledger that is kept by a thread of its own, one change after the other: those of a session may write into its
/// folder only, and nobody who needs no change waits for its disk.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    changes: Sender<Change>,
}

type Change = Box<dyn FnOnce(&mut Keeper) + Send>;

/// Who writes it.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    ledger: Ledger,
    /// Held while it may be written: a second listener would undo what this one writes.
    lock: Option<File>,
    /// What the file is known to have, if all of that counts.
    file: Option<Lengths>,
}

/// Of a file, in bytes.
#[derive(Clone, Copy, Debug)]
struct Lengths {
    whole: u64,
    all: u64,
}

/// So many bytes are added to the shortest ledger before it is written as a whole again; to a longer one as many as it
/// has, so that each line is written twice, on average.
const MIN_ADDED: u64 = 64 << 10;

impl Book {
    /// Puts a ledger in place of the one at `path`, from which `choose` makes it, and on disk, as each change of it
    /// is. Nobody else does until it is closed.
    ///
    /// # Errors
    /// [`Error::Disk`], also when somebody else does; those of `choose`; [`Error::Internal`] when no thread can be had.
    pub fn begin(
        path: PathBuf,
        choose: impl FnOnce(Option<Ledger>) -> Result<Ledger, Error>,
    ) -> Result<Arc<Self>, Error> {
        let failed = |error| Error::disk("write the ledger", &path, &error);
        let lock = open_lock(&path).map_err(failed)?;
        // Not every network's file system can lock.
        let locked = lock.try_lock();
        if let Err(TryLockError::WouldBlock) = locked {
            let text = "another listener keeps it: close that one, or give this one a ticket of its own";
            return Err(Error::disk(
                "use the ledger",
                &path,
                &io::Error::new(io::ErrorKind::ResourceBusy, text),
            ));
        }
        if locked.is_ok() {
            clear_unfinished(&path);
        }
        let ledger = choose(Ledger::read(&path)?)?;
        let mut keeper = Keeper { path: path.clone(), ledger, lock: Some(lock), file: None };
        keeper.write_whole().map_err(failed)?;
        let (changes, received) = channel::<Change>();
        spawn("hawser-ledger".into(), move || {
            received.iter().for_each(|change| call(|| change(&mut keeper)));
        })?;
        Ok(Arc::new(Self { path, changes }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has it changed, after all that came before, and waits for that.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Keeper) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (done, changed) = channel();
        // Whoever has gone does not wait.
        self.later(move |keeper| drop(done.send(change(keeper))));
        changed.recv().map_err(|_| io::Error::other("the thread that writes the ledger has failed"))?
    }

    /// Has it changed, after all that came before, and waits for nothing.
    pub fn later(&self, change: impl FnOnce(&mut Keeper) + Send + 'static) {
        // The thread ends with this, not before.
        let _ = self.changes.send(Box::new(change));
    }

    /// Leaves it to another listener: nothing is written any more.
    pub fn close(&self) {
        // It is nobody's anyway if there is no thread.
        let _ = self.change(|keeper| {
            keeper.lock = None;
            Ok(())
        });
    }
}

impl Keeper {
    /// Of which ticket it is.
    pub fn ticket(&self) -> TicketId {
        self.ledger.ticket
    }

    /// Somebody has come.
    ///
    /// # Errors
    /// Those of the operating system, and then nobody has.
    pub fn add_user(&mut self, key: PublicKey) -> io::Result<()> {
        if !self.ledger.users.insert(key) {
            return Ok(());
        }
        let written = self.write(&Line::UsedBy(key));
        if written.is_err() {
            self.ledger.users.remove(&key);
        }
        written
    }

    /// So much has come.
    ///
    /// # Errors
    /// Those of the operating system, and then it may say this or what it said before.
    pub fn set_used(&mut self, used: Amount) -> io::Result<()> {
        if self.ledger.used == used && self.file.is_some() {
            return Ok(());
        }
        self.ledger.used = used;
        self.write(&Line::Used(used))
    }

    /// Begins that of another ticket.
    ///
    /// # Errors
    /// Those of the operating system, and then what is on disk is of the one before, until the next change.
    pub fn replace(&mut self, other: Ledger) -> io::Result<()> {
        (self.ledger, self.file) = (other, None);
        self.write_whole()
    }

    /// Adds a line, of which the ledger tells already, or writes all of it where that is better.
    fn write(&mut self, line: &Line) -> io::Result<()> {
        // A line that was not written may be there in part: then the next one is not added to that.
        let Some(Lengths { whole, all }) = self.file.take() else { return self.write_whole() };
        if self.lock.is_none() || all - whole >= whole.max(MIN_ADDED) {
            return self.write_whole();
        }
        let line = line.to_string();
        // Where that is not possible, another file in place of this one may be.
        if !add(&self.path, all, line.as_bytes()).unwrap_or(false) {
            return self.write_whole();
        }
        self.file = Some(Lengths { whole, all: all + line.len() as u64 });
        Ok(())
    }

    fn write_whole(&mut self) -> io::Result<()> {
        if self.lock.is_none() {
            return Err(io::Error::other("the listener is closed"));
        }
        let text = self.ledger.to_string();
        replace(&self.path, text.as_bytes())?;
        let whole = text.len() as u64;
        self.file = Some(Lengths { whole, all: whole });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TICKET: TicketId = TicketId([7; 16]);

    fn key(number: u32) -> PublicKey {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        PublicKey(key)
    }

    fn read(path: &Path) -> Ledger {
        Ledger::read(path).unwrap().unwrap()
    }

    #[test]
    fn a_new_user_costs_a_line_and_the_whole_is_written_when_there_are_as_many_lines_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger");
        let book = Book::begin(path.clone(), |_| Ok(Ledger::new(TICKET))).unwrap();
        let is_whole = || read(&path).to_string() == fs::read_to_string(&path).unwrap();
        let mut wholes = 0;
        for number in 0..1000 {
            let before = fs::read(&path).unwrap();
            book.change(move |keeper| keeper.add_user(key(number))).unwrap();
            let after = fs::read(&path).unwrap();
            if !after.starts_with(&before) {
                assert!(is_whole());
                wholes += 1;
            }
            assert!(after.len() - before.len() < 100);
        }
        // Lines of 64 KiB, of 73 bytes each.
        assert_eq!(wholes, 1);
        assert_eq!(read(&path).users.len(), 1000);
        book.change(move |keeper| keeper.add_user(key(0))).unwrap();
        book.close();
        // Whoever reads it at the start writes it as a whole.
        assert!(!is_whole());
        Book::begin(path.clone(), |found| Ok(found.unwrap())).unwrap();
        assert!(is_whole());
        assert_eq!(read(&path).users.len(), 1000);
    }

    #[test]
    fn nothing_is_added_to_what_others_have_put_in_its_place() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger");
        let book = Book::begin(path.clone(), |_| Ok(Ledger::new(TICKET))).unwrap();
        let others = home.path().join("other");
        let replacements: [&dyn Fn(); 3] = [
            &|| fs::remove_file(&path).unwrap(),
            &|| fs::write(&path, "shorter").unwrap(),
            #[cfg(unix)]
            &|| {
                fs::rename(&path, &others).unwrap();
                std::os::unix::fs::symlink(&others, &path).unwrap();
            },
        ];
        for (number, replaced) in (1..).zip(replacements) {
            replaced();
            book.change(move |keeper| keeper.add_user(key(number))).unwrap();
            assert_eq!(read(&path).users.len(), number as usize);
        }
        assert_eq!(read(&others).users.len(), 2);
    }

    #[test]
    fn what_could_not_be_written_is_not_in_it_later_either() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("ledger");
        let book = Book::begin(path.clone(), |_| Ok(Ledger::new(TICKET))).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(book.change(|keeper| keeper.add_user(key(1))).is_err());
        fs::create_dir(&folder).unwrap();
        book.change(|keeper| keeper.add_user(key(2))).unwrap();
        assert_eq!(read(&path).users, [key(2)].into());
        book.close();
        assert!(book.change(|keeper| keeper.add_user(key(3))).is_err());
        assert_eq!(read(&path).users, [key(2)].into());
    }
}

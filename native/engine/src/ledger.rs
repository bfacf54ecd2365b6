//! What a listener remembers about its ticket when it is started again: who has come with it, and how much they
//! have brought. A text file, so that people can read it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::TicketId;

use crate::Error;
use crate::private_file::{open_lock, replace};
use crate::quota::Amount;
use crate::session::spawn;
use crate::transfer::lock;

/// The use of one ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub ticket: TicketId,
    pub used: Amount,
    pub users: Vec<PublicKey>,
}

/// The first line: the form of what follows.
const TITLE: &str = "hawser ticket ledger 1";

/// Beyond, it is no ledger: 100,000 users take 5.7 MB.
const MAX_BYTES: u64 = 8 << 20;

impl Ledger {
    /// Of a ticket that nobody has used.
    pub fn new(ticket: TicketId) -> Self {
        Self { ticket, used: Amount::default(), users: Vec::new() }
    }

    /// The ledger in a file; `None` where there is no file.
    ///
    /// # Errors
    /// [`Error::Disk`], also for a file that is no ledger: who has used the ticket is not known then.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let failed = |error| Error::disk("read the ledger", path, &error);
        let text = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => {
                let file = opened.map_err(failed)?;
                io::read_to_string(io::Read::take(file, MAX_BYTES)).map_err(failed)?
            }
        };
        let no_ledger = || {
            let text = "it is no ledger of a ticket, or a damaged one: move it away together with the ticket";
            failed(io::Error::new(io::ErrorKind::InvalidData, text))
        };
        Self::parse(&text).map(Some).ok_or_else(no_ledger)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        (field("hawser")? == TITLE.strip_prefix("hawser ")?).then_some(())?;
        let ticket = TicketId(hex(field("ticket")?)?);
        let used = Amount { bytes: field("bytes")?.parse().ok()?, entries: field("entries")?.parse().ok()? };
        let key = |line: &str| Some(PublicKey(hex(line.strip_prefix("used-by ")?)?));
        // A file that was cut off has no last line.
        let mut users: Vec<_> = lines.collect();
        (users.pop()? == "end").then_some(())?;
        let users = users.into_iter().map(key).collect::<Option<_>>()?;
        Some(Self { ticket, used, users })
    }
}

impl std::fmt::Display for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ticket, used, users } = self;
        writeln!(f, "{TITLE}\nticket {}", Hex(&ticket.0))?;
        writeln!(f, "bytes {}\nentries {}", used.bytes, used.entries)?;
        users.iter().try_for_each(|key| writeln!(f, "used-by {}", Hex(&key.0)))?;
        writeln!(f, "end")
    }
}

/// A ledger in its file, written by a thread of its own: those of a session may write into its folder only.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    ledger: Mutex<Ledger>,
    /// Held while it may be written: a second listener would undo what this one writes.
    lock: Mutex<Option<File>>,
    writer: Sender<(String, Sender<io::Result<()>>)>,
}

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
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            let text = "another listener keeps it: close that one, or give this one a ticket of its own";
            return Err(Error::disk(
                "use the ledger",
                &path,
                &io::Error::new(io::ErrorKind::ResourceBusy, text),
            ));
        }
        let ledger = choose(Ledger::read(&path)?)?;
        replace(&path, ledger.to_string().as_bytes()).map_err(failed)?;
        let (writer, texts) = channel::<(String, Sender<_>)>();
        let file = path.clone();
        spawn("hawser-ledger".into(), move || {
            // Whoever has gone does not wait.
            texts.iter().for_each(|(text, done)| drop(done.send(replace(&file, text.as_bytes()))));
        })?;
        Ok(Arc::new(Self { path, ledger: Mutex::new(ledger), lock: Mutex::new(Some(lock)), writer }))
    }

    /// Leaves it to another listener: nothing is written any more.
    pub fn close(&self) {
        let _ledger = lock(&self.ledger);
        lock(&self.lock).take();
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes it. Where that fails, it is as it was.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn change(&self, change: impl FnOnce(&mut Ledger)) -> io::Result<()> {
        let mut ledger = lock(&self.ledger);
        let mut changed = ledger.clone();
        change(&mut changed);
        if changed != *ledger {
            self.write(&changed)?;
            *ledger = changed;
        }
        Ok(())
    }

    /// Begins that of another ticket. Where that fails, what is on disk is of the one before, until the next change.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn replace(&self, other: Ledger) -> io::Result<()> {
        let mut ledger = lock(&self.ledger);
        *ledger = other;
        self.write(&ledger)
    }

    fn write(&self, ledger: &Ledger) -> io::Result<()> {
        if lock(&self.lock).is_none() {
            return Err(io::Error::other("the listener is closed"));
        }
        let (done, written) = channel();
        // It ends with this, not before.
        let gone = || io::Error::other("the thread that writes the ledger has ended");
        self.writer.send((ledger.to_string(), done)).map_err(|_| gone())?;
        written.recv().map_err(|_| gone())?
    }
}

/// What the text of a ledger says, written anew; `None` when it is no ledger.
pub fn rewrite(text: &str) -> Option<String> {
    Ledger::parse(text).map(|ledger| ledger.to_string())
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes: Option<Vec<u8>> =
        digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger {
            ticket: TicketId([0xa5; 16]),
            used: Amount { bytes: u64::MAX, entries: 7 },
            users: vec![PublicKey([1; 32]), PublicKey([0xff; 32])],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger");
        assert_eq!(Ledger::read(&path).unwrap(), None);
        for users in [vec![], ledger().users] {
            let ledger = Ledger { users, ..ledger() };
            let book = Book::begin(path.clone(), |_| Ok(ledger.clone())).unwrap();
            assert_eq!(Ledger::read(&path).unwrap(), Some(ledger.clone()));
            book.change(|ledger| ledger.used.entries += 1).unwrap();
            let used = Amount { entries: 8, ..ledger.used };
            assert_eq!(Ledger::read(&path).unwrap(), Some(Ledger { used, ..ledger }));
        }
    }

    #[test]
    fn what_is_cut_off_anywhere_or_changed_is_no_ledger() {
        let text = ledger().to_string();
        for length in 0..text.len() - 1 {
            assert_eq!(Ledger::parse(&text[..length]), None, "{length}");
        }
        for bad in [text.replace(" 1\n", " 2\n"), text.replace("used-by", "used by"), text + "more\n"] {
            assert_eq!(Ledger::parse(&bad), None, "{bad}");
        }
    }
}

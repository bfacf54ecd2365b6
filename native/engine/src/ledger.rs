//! What a listener remembers about its ticket when it is started again: who has come with it, and how much they
//! have brought. A text file, so that people can read it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::TicketId;

use crate::Error;
use crate::quota::Amount;

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

    /// Puts it in place of what is there, and on disk.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let written = replace(path, self.to_string().as_bytes());
        written.map_err(|error| Error::disk("write the ledger", path, &error))
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

/// Puts `bytes` in place of a file that only its owner may read; what is there afterwards is the old or the new,
/// also after a loss of power.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    #[cfg(unix)]
    File::open(path.parent().filter(|folder| folder != &Path::new("")).unwrap_or(Path::new(".")))?
        .sync_all()?;
    Ok(())
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
            ledger.write(&path).unwrap();
            assert_eq!(Ledger::read(&path).unwrap(), Some(ledger));
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

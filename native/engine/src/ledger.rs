//! What a listener remembers about its ticket when it is started again: who has come with it, and how much they
//! have brought. A text file, so that people can read it: a whole ledger, and lines that were added to it since.

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter, Result as Formatted};
use std::fs::File;
use std::io;
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
    pub users: BTreeSet<PublicKey>,
}

/// The first line: the form of what follows.
const TITLE: &str = "hawser ticket ledger 1";

/// Beyond, it is no ledger: 100,000 users take 7.3 MB, and it may have got as long once more since it was whole.
const MAX_BYTES: u64 = 32 << 20;

impl Ledger {
    /// Of a ticket that nobody has used.
    pub fn new(ticket: TicketId) -> Self {
        Self { ticket, used: Amount::default(), users: BTreeSet::new() }
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
        // A file that was cut off in the whole has no such line.
        let (whole, added) = text.split_once("\nend\n")?;
        let mut lines = whole.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        (field("hawser")? == TITLE.strip_prefix("hawser ")?).then_some(())?;
        let mut ledger = Self::new(TicketId(hex(field("ticket")?)?));
        ledger.used.bytes = field("bytes")?.parse().ok()?;
        ledger.used.entries = field("entries")?.parse().ok()?;
        // Of what was being added when the power failed there may be a part: nobody has come in for that.
        let added = added.rsplit_once('\n').map_or("", |(added, _)| added);
        lines.chain(added.lines()).try_for_each(|line| ledger.read_line(line))?;
        Some(ledger)
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        match line.split_once(' ')? {
            ("used-by", key) => drop(self.users.insert(PublicKey(hex(key)?))),
            ("bytes", count) => self.used.bytes = count.parse().ok()?,
            ("entries", count) => self.used.entries = count.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

/// A whole one.
impl Display for Ledger {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        let Self { ticket, used, users } = self;
        write!(f, "{TITLE}\nticket {}\n{}", Hex(&ticket.0), Line::Used(*used))?;
        users.iter().try_for_each(|key| Line::UsedBy(*key).fmt(f))?;
        writeln!(f, "end")
    }
}

/// What may be added to a ledger.
pub(crate) enum Line {
    /// Somebody has come.
    UsedBy(PublicKey),
    /// So much has come; instead of what was said before.
    Used(Amount),
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        match self {
            Self::UsedBy(key) => writeln!(f, "used-by {}", Hex(&key.0)),
            Self::Used(Amount { bytes, entries }) => writeln!(f, "bytes {bytes}\nentries {entries}"),
        }
    }
}

/// What the text of a ledger says, written anew; `None` when it is no ledger.
pub fn rewrite(text: &str) -> Option<String> {
    Ledger::parse(text).map(|ledger| ledger.to_string())
}

struct Hex<'a>(&'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
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
            users: BTreeSet::from([PublicKey([1; 32]), PublicKey([0xff; 32])]),
        }
    }

    /// Lines as they are added.
    fn added() -> String {
        let used = Line::Used(Amount { bytes: 8, entries: 9 });
        format!("{used}{}{}", Line::UsedBy(PublicKey([2; 32])), Line::Used(ledger().used))
    }

    #[test]
    fn what_is_written_is_read() {
        let text = ledger().to_string();
        assert_eq!(Ledger::parse(&text), Some(ledger()));
        let mut later = ledger();
        later.users.insert(PublicKey([2; 32]));
        assert_eq!(Ledger::parse(&(text + &added())), Some(later));
    }

    #[test]
    fn a_whole_ledger_that_is_cut_off_anywhere_or_changed_is_none() {
        let text = ledger().to_string();
        for length in 0..text.len() {
            assert_eq!(Ledger::parse(&text[..length]), None, "{length}");
        }
        for bad in [text.replace(" 1\n", " 2\n"), text.replace("used-by", "used by"), text + "more\n"] {
            assert_eq!(Ledger::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn of_lines_that_were_added_those_count_that_are_whole() {
        let (text, added) = (ledger().to_string(), added());
        for length in 0..=added.len() {
            let cut = &added[..length];
            let whole = &added[..cut.rfind('\n').map_or(0, |end| end + 1)];
            let read = Ledger::parse(&(text.clone() + cut));
            assert!(read.is_some(), "{length}");
            assert_eq!(read, Ledger::parse(&(text.clone() + whole)), "{length}");
        }
        assert_eq!(Ledger::parse(&(text + &added.replace("used-by", "used by"))), None);
    }
}

//! The text of the list: parsed as something that anybody may have written, and written.

use std::collections::HashSet;
use std::fmt;

use hawser_protocol::identity::PublicKey;

use super::list::{Day, KnownPeer, KnownPeers, MAX_PEERS};

/// Longest text: more than [`MAX_PEERS`] of the longest lines take.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

const HEADER: &str = "hawser known peers ";
const VERSION: &str = "1";

/// What has no address.
const NOWHERE: &str = "-";

/// Who has given the name.
const BY_USER: &str = "named";
const BY_LABEL: &str = "label";

/// What is wrong with a text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl KnownPeers {
    /// Reads a whole file. Any bytes may come; time and memory are bounded by [`MAX_BYTES`] and [`MAX_PEERS`].
    ///
    /// # Errors
    /// [`Broken`] for anything that [`KnownPeers`]'s `Display` does not write: nothing is skipped or guessed.
    pub fn parse(bytes: &[u8]) -> Result<Self, Broken> {
        if bytes.len() > MAX_BYTES {
            return Err(Broken { line: 1, what: "the file is larger than 4 MiB" });
        }
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').zip(1..).map(|(bytes, line)| {
            let text = str::from_utf8(bytes).map_err(|_| Broken { line, what: "it is not UTF-8" })?;
            let text = text.strip_suffix('\n').ok_or(Broken { line, what: "it is cut off" })?;
            Ok((line, text))
        });
        let (_, header) = lines.next().ok_or(Broken { line: 1, what: "it is missing" })??;
        let version = header.strip_prefix(HEADER);
        let version = version.ok_or(Broken { line: 1, what: "this is no list of known peers" })?;
        if version != VERSION {
            return Err(Broken { line: 1, what: "another version of hawser has written it" });
        }
        let mut unique = Unique::default();
        let mut peers = Vec::new();
        for read in lines {
            let (line, text) = read?;
            let broken = |what| Broken { line, what };
            if peers.len() == MAX_PEERS {
                return Err(broken("there are more than 10,000 peers"));
            }
            let peer = peer(text).map_err(broken)?;
            unique.add(&peer).map_err(broken)?;
            peers.push(peer);
        }
        Ok(Self { peers })
    }
}

impl fmt::Display for KnownPeers {
    /// The text of a file: a header, and a line for each peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}{VERSION}")?;
        for KnownPeer { key, name, is_named, seen, address } in &self.peers {
            let by = if *is_named { BY_USER } else { BY_LABEL };
            write!(f, "{key} {name} {by} {seen} ")?;
            match address {
                Some(address) => writeln!(f, "{address}")?,
                None => writeln!(f, "{NOWHERE}")?,
            }
        }
        Ok(())
    }
}

fn peer(line: &str) -> Result<KnownPeer, &'static str> {
    let mut fields = line.split(' ');
    let mut next = || fields.next().ok_or("a field is missing");
    let (key, name, by, seen, address) = (next()?, next()?, next()?, next()?, next()?);
    if fields.next().is_some() {
        return Err("there is a field too many");
    }
    Ok(KnownPeer {
        key: key.parse::<PublicKey>().map_err(|_| "the first field is no public key")?,
        name: name.parse().map_err(|_| "the second field is no name")?,
        is_named: match by {
            BY_USER => true,
            BY_LABEL => false,
            _ => return Err("the third field is neither \"named\" nor \"label\""),
        },
        seen: day(seen).ok_or("the fourth field is no day, such as 2026-11-22")?,
        address: match address {
            NOWHERE => None,
            address => Some(address.parse().map_err(|_| "the fifth field is no host:port, nor \"-\"")?),
        },
    })
}

/// What there may be once only.
#[derive(Default)]
struct Unique {
    keys: HashSet<PublicKey>,
    names: HashSet<String>,
    addresses: HashSet<String>,
}

impl Unique {
    fn add(&mut self, peer: &KnownPeer) -> Result<(), &'static str> {
        if !self.keys.insert(peer.key) {
            return Err("an earlier line has the same key");
        }
        if !self.names.insert(peer.name.folded()) {
            return Err("an earlier line has the same name");
        }
        match &peer.address {
            Some(address) if address.is_loopback() => Err("the address is one of this machine"),
            Some(address) if !self.addresses.insert(address.folded()) => {
                Err("an earlier line has the same address")
            }
            _ => Ok(()),
        }
    }
}

fn day(text: &str) -> Option<Day> {
    let mut numbers = text.splitn(3, '-').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    let day = Day { year: next()?, month: next()?, day: next()? };
    let sound = (1..=12).contains(&day.month) && (1..=31).contains(&day.day) && day.year <= 9999;
    // One text for a day: neither signs nor missing zeros.
    (sound && day.to_string() == text).then_some(day)
}

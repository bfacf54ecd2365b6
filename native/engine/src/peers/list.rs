//! The list of known peers, and what may be done to it.

use std::collections::BTreeSet;
use std::fmt;

use hawser_protocol::identity::PublicKey;

use super::{Address, PeerName};
use crate::disk::date;

/// Most peers that are known: what a file with the longest lines has room for.
pub const MAX_PEERS: usize = 10_000;

/// A peer that has proven its key before.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownPeer {
    /// Who it is.
    pub key: PublicKey,
    /// What it is called here.
    pub name: PeerName,
    /// Whether it was the user who called it so, and not the peer itself: nobody else may come by that name.
    pub is_named: bool,
    /// When it was last seen.
    pub seen: Day,
    /// Where it was dialled last, if ever and not on this machine.
    pub address: Option<Address>,
}

/// A day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    pub(super) year: u64,
    pub(super) month: u64,
    pub(super) day: u64,
}

impl Day {
    /// The day of so many seconds after the beginning of 1970.
    pub fn of_unix(seconds: u64) -> Self {
        // No clock can be that wrong, and the text has room for four digits.
        let (year, month, day) = date(seconds.min(LAST_SECOND) / 86_400);
        Self { year, month, day }
    }
}

/// The last one of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Peers by key; no two have the same key, name or address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownPeers {
    pub(super) peers: Vec<KnownPeer>,
}

/// A peer that is not who it should be.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Where it is, with its port.
    pub address: String,
    /// By which name the key that it should have is known.
    pub name: PeerName,
    /// That key.
    pub known: PublicKey,
    /// The key that it has.
    pub offered: PublicKey,
}

/// Why the list stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// No peer has this name, fingerprint or key.
    Unknown(String),
    /// Not a name.
    NotAName(String),
    /// Another peer has the name.
    NameTaken(PeerName),
    /// There are [`MAX_PEERS`] already, all of them named or dialled.
    Full,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(who) => write!(f, "no known peer has the name, fingerprint or public key {who:?}"),
            Self::NotAName(name) => write!(
                f,
                "{name:?} cannot be a name: a name has 1 to 64 ASCII letters, digits, \".\", \"_\" and \"-\", begins with \
                 a letter or a digit, and is no fingerprint, key or ticket"
            ),
            Self::NameTaken(name) => {
                write!(f, "another peer has the name {name}: forget that one, or give it another name, first")
            }
            Self::Full => write!(f, "{MAX_PEERS} peers are known already: forget some"),
        }
    }
}

impl std::error::Error for Change {}

impl KnownPeers {
    /// All of them, in order of their names.
    pub fn sorted(mut self) -> Vec<KnownPeer> {
        self.peers.sort_by_cached_key(|peer| peer.name.folded());
        self.peers
    }

    /// The peer of a key.
    pub fn get(&self, key: PublicKey) -> Option<&KnownPeer> {
        self.peers.iter().find(|peer| peer.key == key)
    }

    /// The peer that was last dialled there.
    pub fn at(&self, address: &Address) -> Option<&KnownPeer> {
        let wanted = address.folded();
        self.peers.iter().find(|peer| peer.address.as_ref().is_some_and(|known| known.folded() == wanted))
    }

    /// The peer of a name, a fingerprint or a public key, in either case.
    ///
    /// # Errors
    /// [`Change::Unknown`].
    pub fn find(&self, who: &str) -> Result<&KnownPeer, Change> {
        let position = self.position(who)?;
        self.peers.get(position).ok_or_else(|| Change::Unknown(who.into()))
    }

    /// A peer has proven its key: at `address`, if that was dialled, and calling itself `label`.
    ///
    /// One that is new gets a name from its label, with a number if another has that. An address at which another
    /// key is known stays with that one, until it is forgotten. Where there is no room, the one is forgotten that was
    /// not seen for longest, of those that the user neither named nor dialled: whoever has a ticket can come with
    /// thousands of keys.
    ///
    /// # Errors
    /// [`Change::Full`].
    pub fn remember(
        &mut self,
        key: PublicKey,
        label: &str,
        address: Option<Address>,
        seen: Day,
    ) -> Result<&KnownPeer, Change> {
        let address = address.filter(|address| !address.is_loopback());
        let address = address.filter(|address| self.at(address).is_none_or(|known| known.key == key));
        let position = match self.peers.iter().position(|peer| peer.key == key) {
            Some(position) => position,
            None => {
                if self.peers.len() >= MAX_PEERS {
                    self.forget_least()?;
                }
                let name = self.free_name(PeerName::from_label(label).unwrap_or_else(PeerName::nameless));
                self.peers.push(KnownPeer { key, name, is_named: false, seen, address: None });
                self.peers.len() - 1
            }
        };
        let peer = &mut self.peers[position];
        peer.seen = seen;
        if address.is_some() {
            peer.address = address;
        }
        Ok(peer)
    }

    fn forget_least(&mut self) -> Result<(), Change> {
        let came = self.peers.iter().enumerate().filter(|(_, peer)| !peer.is_named && peer.address.is_none());
        let (least, _) = came.min_by_key(|(_, peer)| peer.seen).ok_or(Change::Full)?;
        self.peers.remove(least);
        Ok(())
    }

    /// Gives a peer a name of the user's choice.
    ///
    /// # Errors
    /// [`Change::Unknown`], [`Change::NotAName`], [`Change::NameTaken`].
    pub fn name(&mut self, who: &str, name: &str) -> Result<&KnownPeer, Change> {
        let position = self.position(who)?;
        let name: PeerName = name.parse().map_err(|_| Change::NotAName(name.into()))?;
        let others = self.peers.iter().enumerate().filter(|&(other, _)| other != position);
        if others.map(|(_, peer)| &peer.name).any(|taken| *taken == name) {
            return Err(Change::NameTaken(name));
        }
        let peer = &mut self.peers[position];
        peer.name = name;
        peer.is_named = true;
        Ok(peer)
    }

    /// Forgets a peer, which it gives.
    ///
    /// # Errors
    /// [`Change::Unknown`].
    pub fn forget(&mut self, who: &str) -> Result<KnownPeer, Change> {
        let position = self.position(who)?;
        Ok(self.peers.remove(position))
    }

    fn position(&self, who: &str) -> Result<usize, Change> {
        let folded = who.to_ascii_lowercase();
        // No name has the form of a key or of a fingerprint, so only one of the three can be meant.
        let is_it = |peer: &KnownPeer| {
            peer.name.folded() == folded || peer.key.fingerprint() == folded || peer.key.to_string() == folded
        };
        self.peers.iter().position(is_it).ok_or_else(|| Change::Unknown(who.into()))
    }

    fn free_name(&self, wanted: PeerName) -> PeerName {
        let taken: BTreeSet<_> = self.peers.iter().map(|peer| peer.name.folded()).collect();
        let numbered = (2..).map(|number| wanted.numbered(number));
        let mut names = std::iter::once(wanted.clone()).chain(numbered);
        // There are more numbers than peers.
        names.find(|name| !taken.contains(&name.folded())).unwrap_or(wanted)
    }
}

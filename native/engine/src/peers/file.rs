//! The file that keeps the list: read whole, and replaced as a whole by one writer at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::Ticket;

use super::list::Day;
use super::{Address, Change, KnownPeer, KnownPeers, MAX_BYTES, Mismatch};
use crate::Error;
use crate::background::work;
use crate::private_file::{clear_unfinished, open_lock, replace};

/// A change takes milliseconds: whoever takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The file of a user's known peers. It need not be there; its folder must, for anything to be kept.
///
/// Several processes may use it at once. Who reads sees the list before a change or after it, also when the change is
/// cut off. A file that cannot be read as a whole is an error to every call, and stays as it is.
#[derive(Clone, Debug)]
pub struct KnownPeersFile(PathBuf);

/// What became of a peer that was to be remembered.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// As it is known now.
    pub peer: KnownPeer,
    /// Whether it was not known before.
    pub is_new: bool,
}

impl KnownPeersFile {
    /// The one at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The list; empty where there is no file.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::KnownPeers`].
    pub fn read(&self) -> Result<KnownPeers, Error> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        match File::open(&self.0).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if is_absent(&error) => return Ok(KnownPeers::default()),
            Err(error) => return Err(Error::disk("read", &self.0, &error)),
        }
        let broken = |broken| Error::KnownPeers { path: self.0.display().to_string(), broken };
        KnownPeers::parse(&bytes).map_err(broken)
    }

    /// Whether the ticket is for the keys that are known at its addresses. To be asked before it is dialled.
    ///
    /// # Errors
    /// [`Error::KeyChanged`], and those of [`Self::read`].
    pub fn check(&self, ticket: &Ticket) -> Result<(), Error> {
        let known = self.read()?;
        for address in Address::all_of(ticket) {
            if let Some(peer) = known.at(&address).filter(|peer| peer.key != ticket.key()) {
                let KnownPeer { key: known, name, .. } = peer.clone();
                let (address, offered) = (address.to_string(), ticket.key());
                return Err(Error::KeyChanged(Box::new(Mismatch { address, name, known, offered })));
            }
        }
        Ok(())
    }

    /// Remembers today a peer that has proven its key, as [`KnownPeers::remember`] does. Writes nothing when
    /// nothing is new.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::KnownPeers`], [`Error::Peer`].
    pub fn remember(
        &self,
        key: PublicKey,
        label: &str,
        address: Option<Address>,
    ) -> Result<Remembered, Error> {
        let today = today();
        let mut known = self.read()?;
        let before = known.get(key).cloned();
        let peer = known.remember(key, label, address.clone(), today).map_err(Error::Peer)?;
        if before.as_ref() == Some(peer) {
            return Ok(Remembered { peer: peer.clone(), is_new: false });
        }
        self.change(|known| {
            let is_new = known.get(key).is_none();
            let peer = known.remember(key, label, address, today)?.clone();
            Ok(Remembered { peer, is_new })
        })
    }

    /// Gives a peer a name of the user's choice: [`KnownPeers::name`].
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::KnownPeers`], [`Error::Peer`].
    pub fn name(&self, who: &str, name: &str) -> Result<KnownPeer, Error> {
        self.change(|known| known.name(who, name).cloned())
    }

    /// Forgets a peer, which it gives.
    ///
    /// # Errors
    /// [`Error::Disk`], [`Error::KnownPeers`], [`Error::Peer`].
    pub fn forget(&self, who: &str) -> Result<KnownPeer, Error> {
        self.change(|known| known.forget(who))
    }

    /// Calls one of the others on a thread of its own, and `finished` once with what it gave.
    ///
    /// # Errors
    /// [`Error::Internal`] when no thread can be had. All else is told to `finished`.
    pub fn later<T: 'static>(
        self,
        call: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
        finished: impl FnOnce(Result<T, Error>) + Send + 'static,
    ) -> Result<(), Error> {
        work("hawser-peers", move || call(&self), finished)
    }

    fn change<T>(&self, change: impl FnOnce(&mut KnownPeers) -> Result<T, Change>) -> Result<T, Error> {
        // What a link leads to is replaced, and not the link.
        let path = fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        let fault = |error: io::Error| Error::disk("change", &self.0, &error);
        let (_lock, is_alone) = lock(&path).map_err(fault)?;
        if is_alone {
            clear_unfinished(&path);
        }
        let mut known = self.read()?;
        let changed = change(&mut known).map_err(Error::Peer)?;
        replace(&path, known.to_string().as_bytes()).map_err(fault)?;
        Ok(changed)
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn today() -> Day {
    // A clock before 1970 counts as 1970.
    Day::of_unix(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// Held by whoever changes the file, and whether nobody else can.
fn lock(path: &Path) -> io::Result<(File, bool)> {
    let file = open_lock(path)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => thread::sleep(LOOK_EVERY),
            Err(TryLockError::WouldBlock) => {
                let seconds = PATIENCE.as_secs();
                return Err(io::Error::other(format!("another process has kept it locked for {seconds} s")));
            }
            Ok(()) => return Ok((file, true)),
            // Not every network's file system can lock. Then the last of two changes at once wins.
            Err(TryLockError::Error(_)) => return Ok((file, false)),
        }
    }
}

//! The peers that a user knows: their keys, by which names, and where they were reached.
//!
//! Kept in a text file, which [`KnownPeersFile`] reads and changes. docs/known-peers.md has its format.

mod address;
mod file;
mod list;
mod name;
mod text;

pub use address::{Address, NotAnAddress};
pub use file::{KnownPeersFile, Remembered};
pub use list::{Change, Day, KnownPeer, KnownPeers, MAX_PEERS, Mismatch};
pub use name::{NotAName, PeerName};
pub use text::{Broken, MAX_BYTES};

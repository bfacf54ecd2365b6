//! What a sink knows of the entries that are not settled yet.

use std::sync::Arc;

use hawser_protocol::manifest::Mtime;
use hawser_protocol::message::Placed;

use super::folders::Folder;
use super::incoming::Incoming;
use super::listing::Listing;

/// An entry that is not settled yet.
#[derive(Clone, Debug)]
pub enum Held {
    File(Arc<Incoming>),
    Folder(Arc<Folder>, Fate),
}

/// How a folder came to be.
#[derive(Clone, Debug)]
pub enum Fate {
    /// The target folder itself, which is the user's.
    Target(Arc<Listing>),
    /// By this session, which finishes it.
    Created { placed: Placed, mode: u16, mtime: Mtime },
    /// It was there: it keeps its mode, and gets the time that was sent, since what is put into it
    /// has changed its own. Where its owner shall not write, it may be left from a session that was
    /// cut off while filling it, and gets its mode, too.
    ///
    /// `again` when another folder of the same name came before it in this session: what is in it
    /// may be from there.
    Found { mtime: Mtime, again: bool, listing: Arc<Listing> },
    /// It did not; held for the paths of what would have been in it.
    Refused,
}

/// What may have an entry's name.
#[derive(Debug)]
pub enum Before {
    /// What was there before the session, by the names that are listed.
    Unknown(Arc<Listing>),
    /// Nothing was there before the session: a look would only cost time.
    Nothing,
    /// Something from this session. It is not taken for the entry because it has the same size and
    /// time, and the part file of their name is not free.
    Ours,
}

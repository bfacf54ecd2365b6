//! What a side of a session is to do with files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hawser_protocol::error::Reason;
use hawser_protocol::handshake::{Role, SessionId};
use hawser_protocol::hello::Hello;

pub use hawser_protocol::hello::Requests;

use crate::disk::{Claim, Named, Taken};
use crate::target::TargetFolder;
use crate::{Error, Keep, Limit, Offers};

/// What to do, under which label, how fast, and what to remember of it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Read or write.
    pub work: Work,
    /// What this side calls itself, shown to the peer; cut to 64 bytes.
    pub label: String,
    /// How fast: for who dials, the limit of the transfer; for a listener, that of all its transfers
    /// together. Bytes of both directions count.
    pub limit: Option<Limit>,
    /// Which settled entries to keep for the report.
    pub keep: Keep,
    /// When what is written is on disk: for a sink.
    pub durability: Durability,
    /// What a source asks of its sink, or a sink of itself.
    pub requests: Requests,
    /// Where a sink asks before it writes anything; `None`: it does not ask.
    pub offers: Option<Offers>,
}

/// When what a sink has written is on its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Each file before the source hears that it is there.
    File,
    /// Everything before the source hears that all is done. No file has its name before what is in
    /// it is on disk.
    #[default]
    Session,
    /// When the system gets round to it.
    None,
}

/// Which side of the files.
#[derive(Clone, Debug)]
pub enum Work {
    /// Read these files and folders: this side is the source.
    Read(Vec<PathBuf>),
    /// Write into this folder, made if missing: this side is the sink.
    Write(PathBuf),
}

impl Job {
    /// How it introduces itself, in a session that takes the place of another, or of none.
    pub(crate) fn hello(&self, continues: Option<SessionId>) -> Hello {
        // A sink asks nothing of anybody.
        let requests = if let Work::Read(_) = self.work { self.requests } else { Requests::default() };
        Hello { continues, requests, ..Hello::named(&self.label) }
    }
}

impl Work {
    /// Finds out early what would fail every session: nothing to read, or a folder that cannot be made or written to.
    /// Opens that.
    pub(crate) fn prepare(&self) -> Result<TargetFolder, Error> {
        self.check()?;
        let target = TargetFolder::default();
        if let Self::Write(directory) = self {
            let opened = target.open(directory);
            opened.map_err(|error| Error::disk("make the folder", directory, &error))?;
        }
        Ok(target)
    }

    /// The same, without making it, for who has not reached anybody yet.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Read(paths) => sendable(paths),
            Self::Write(directory) => {
                let directory = &std::path::absolute(directory)
                    .map_err(|error| Error::disk("write into", directory, &error))?;
                let there = directory.ancestors().find(|path| path.exists()).unwrap_or(directory);
                let checked = if there.is_dir() {
                    writable(there)
                } else {
                    Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder"))
                };
                checked.map_err(|error| Error::disk("write into", there, &error))
            }
        }
    }

    /// Keeps others from receiving into the same folder, for a listener.
    pub(crate) fn claim(&self, target: &mut TargetFolder) -> Result<Option<Claim>, Error> {
        match self {
            Self::Read(_) => Ok(None),
            Self::Write(directory) => target.claim().map_err(|Taken| in_use(directory)),
        }
    }

    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Read(_) => Role::Source,
            Self::Write(_) => Role::Sink,
        }
    }

    pub(crate) fn peer_role(&self) -> Role {
        match self {
            Self::Read(_) => Role::Sink,
            Self::Write(_) => Role::Source,
        }
    }
}

/// Somebody else receives into `directory`.
pub(crate) fn in_use(directory: &Path) -> Error {
    Error::FolderInUse { path: directory.display().to_string() }
}

/// Whether there is something to send. One path among others that leads to nothing fails alone, later.
fn sendable(paths: &[PathBuf]) -> Result<(), Error> {
    let mut first = None;
    let mut is_there = false;
    for path in paths {
        let named = Named::resolve(path).map_err(|error| cannot_send(path, &error))?;
        if !is_there {
            match named.check() {
                Ok(()) => is_there = true,
                Err(reason) => first = first.or_else(|| Some(unsendable(path, reason))),
            }
        }
    }
    first.filter(|_| !is_there).map_or(Ok(()), Err)
}

fn unsendable(path: &Path, reason: Reason) -> Error {
    let kind = match reason {
        Reason::SourceGone => io::ErrorKind::NotFound,
        Reason::SourceUnreadable => io::ErrorKind::PermissionDenied,
        _ => return cannot_send(path, &reason),
    };
    Error::disk("send", path, &io::Error::new(kind, reason.to_string()))
}

fn cannot_send(path: &Path, why: &dyn fmt::Display) -> Error {
    Error::InvalidOption(format!("cannot send {}: {why}", path.display()))
}

/// Whether files can be made in a folder, as far as that can be told before.
#[cfg(unix)]
fn writable(directory: &Path) -> io::Result<()> {
    use rustix::fs::Access;
    Ok(rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
fn writable(_: &Path) -> io::Result<()> {
    Ok(())
}

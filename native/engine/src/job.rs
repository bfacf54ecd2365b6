//! What a side of a session is to do with files.

use std::io;
use std::path::{Path, PathBuf};

use hawser_protocol::handshake::{Role, SessionId};
use hawser_protocol::hello::Hello;

use crate::{Error, Keep, Limit};

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
        Hello { continues, ..Hello::named(&self.label) }
    }
}

impl Work {
    /// Finds out early what would fail every session: a folder that cannot be made or written to.
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        self.check()?;
        match self {
            Self::Read(_) => Ok(()),
            Self::Write(directory) => {
                let made = std::fs::create_dir_all(directory);
                made.map_err(|error| Error::disk("make the folder", directory, &error))
            }
        }
    }

    /// The same, without making it, for who has not reached anybody yet.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Read(_) => Ok(()),
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

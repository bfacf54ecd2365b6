//! The walk over what the user named, depth first, streamed as it is found.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec;

use cap_fs_ext::DirExt as _;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hawser_protocol::error::Reason;
use hawser_protocol::limits::MAX_DEPTH;
use hawser_protocol::manifest::{Entry, EntryId, Kind, LinkTarget, PARTIALS_FOLDER};

use super::fault::source_reason;
use super::folders::{Folder, Location};
use super::info::EntryKind;
use super::kept;
use super::named::{Found, Named};
use super::names::{entry_name, os_name};
use super::outgoing::Outgoing;
use super::records::RECORDS_FOLDER;
use super::source::{Offered, Source};
use super::stat::{Form, Stat};

/// What takes the entries as the walk finds them.
pub trait Manifest {
    /// Takes the next entry. Ids count 1, 2, 3, …; blocks while too many are unsettled.
    ///
    /// The source can read the entry from before this is called.
    ///
    /// # Errors
    /// [`Stopped`] ends the walk.
    fn offer(&mut self, id: EntryId, entry: Entry) -> Result<(), Stopped>;

    /// Learns that nothing more will be offered in `folder`.
    ///
    /// # Errors
    /// [`Stopped`] ends the walk.
    fn leave(&mut self, folder: EntryId) -> Result<(), Stopped>;

    /// Learns of something that will not be offered.
    ///
    /// # Errors
    /// [`Stopped`] ends the walk.
    fn skip(&mut self, skipped: Skipped) -> Result<(), Stopped>;
}

/// The session is over, and with it the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Something found, or looked for, that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// As in [`Info::path`](super::Info::path).
    pub path: String,
    /// `None` for what is not there and for what is neither file, folder nor link.
    pub kind: Option<EntryKind>,
    /// Why.
    pub reason: Reason,
}

/// A walk under way. Its memory is the names left to visit in the folders above where it stands.
pub struct Walk<'a, M> {
    source: &'a Source,
    manifest: &'a mut M,
    next: EntryId,
    inside: Vec<Inside>,
}

/// A folder the walk is in.
struct Inside {
    id: EntryId,
    folder: Arc<Folder>,
    left: vec::IntoIter<OsString>,
}

/// What can be offered: what the peer is told, and what the source must know to read it.
struct Ready {
    kind: Kind,
    offered: Offered,
    /// A folder's content.
    content: Option<(Arc<Folder>, Vec<OsString>)>,
}

impl<'a, M: Manifest> Walk<'a, M> {
    /// A walk that has not begun.
    pub fn new(source: &'a Source, manifest: &'a mut M) -> Self {
        Self { source, manifest, next: EntryId(1), inside: Vec::new() }
    }

    /// Offers everything that was named and all that is in it. What is named twice is sent once.
    ///
    /// # Errors
    /// [`Stopped`] when the manifest says so.
    pub fn run(mut self, named: &[Named]) -> Result<(), Stopped> {
        let mut parents = HashMap::new();
        let mut seen = HashSet::new();
        for Named { shown, found } in named {
            let place = match found {
                Ok(found) if !seen.insert((&found.parent, &found.name)) => continue,
                Ok(found) => location(found, &mut parents),
                Err(reason) => Err(*reason),
            };
            match place {
                Ok(location) => self.visit(EntryId::ROOT, location)?,
                Err(reason) => self.skip(shown.clone(), None, reason)?,
            }
            self.descend()?;
        }
        Ok(())
    }

    /// Visits what is left in the folders the walk is in, until it is out of all of them.
    fn descend(&mut self) -> Result<(), Stopped> {
        while let Some(inside) = self.inside.last_mut() {
            let id = inside.id;
            match inside.left.next() {
                Some(name) => {
                    let folder = inside.folder.clone();
                    self.step(id, folder, &name)?;
                }
                None => {
                    self.inside.pop();
                    self.manifest.leave(id)?;
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, parent: EntryId, folder: Arc<Folder>, name: &OsStr) -> Result<(), Stopped> {
        match entry_name(name) {
            Some(name) => self.visit(parent, Location::new(folder, name)),
            // Part files and records of transfers into this folder are nobody's content.
            None if name == PARTIALS_FOLDER && self.is_own(&folder) => Ok(()),
            None => self.skip(folder.display_of(&name.to_string_lossy()), None, Reason::NameRefused),
        }
    }

    fn visit(&mut self, parent: EntryId, location: Location) -> Result<(), Stopped> {
        let stat = match self.look(&location) {
            Ok(stat) => stat,
            Err(error) => return self.skip(location.display(), None, source_reason(&error)),
        };
        let kind = match stat.form {
            Form::File => EntryKind::File,
            Form::Folder => EntryKind::Folder,
            Form::Link => EntryKind::Link,
            Form::Other => return self.skip(location.display(), None, Reason::UnsupportedType),
        };
        match self.ready(kind, &location, &stat) {
            Ok(ready) => self.offer(parent, &location, &stat, ready),
            Err(reason) => self.skip(location.display(), Some(kind), reason),
        }
    }

    fn offer(
        &mut self,
        parent: EntryId,
        location: &Location,
        stat: &Stat,
        ready: Ready,
    ) -> Result<(), Stopped> {
        let id = self.next;
        self.next = EntryId(id.0.saturating_add(1));
        let name = location.alias.as_ref().unwrap_or(&location.name).clone();
        let entry = Entry { parent, name, kind: ready.kind, mode: stat.mode, mtime: stat.version.mtime };
        // First known, then offered: a lane may be asked for the entry before `offer` returns.
        self.source.register(id, ready.offered);
        self.manifest.offer(id, entry)?;
        if let Some((folder, names)) = ready.content {
            self.inside.push(Inside { id, folder, left: names.into_iter() });
        }
        Ok(())
    }

    fn skip(&mut self, path: String, kind: Option<EntryKind>, reason: Reason) -> Result<(), Stopped> {
        self.manifest.skip(Skipped { path, kind, reason })
    }

    fn look(&self, location: &Location) -> io::Result<Stat> {
        Stat::named(&*self.source.folders.open(&location.folder)?, &location.name)
    }

    fn ready(&self, kind: EntryKind, location: &Location, stat: &Stat) -> Result<Ready, Reason> {
        let depth = location.folder.depth();
        if depth > MAX_DEPTH {
            return Err(Reason::TooDeep);
        }
        Ok(match kind {
            EntryKind::File => {
                let file = Arc::new(Outgoing::new(location.clone(), stat.version));
                Ready {
                    kind: Kind::File { size: stat.version.size },
                    offered: Offered::File(file),
                    content: None,
                }
            }
            EntryKind::Folder => {
                let folder = Arc::new(Folder::At(location.clone()));
                let names = self.list(&folder).map_err(|error| source_reason(&error))?;
                let offered = Offered::Folder(folder.clone(), location.clone());
                Ready { kind: Kind::Folder, offered, content: Some((folder, names)) }
            }
            EntryKind::Link => {
                let target = self.target(location).map_err(|error| source_reason(&error))?;
                // As many steps up as lead at most to the top folder of the tree it is in.
                let target = target.filter(|target| target.ups() < depth).ok_or(Reason::LinkOutside)?;
                Ready { kind: Kind::Link { target }, offered: Offered::Link(location.clone()), content: None }
            }
        })
    }

    /// The names in a folder, in order, so that two walks of one tree offer it alike.
    fn list(&self, folder: &Arc<Folder>) -> io::Result<Vec<OsString>> {
        let entries = self.source.folders.open(folder)?.entries()?;
        let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Whether there is nothing in [`PARTIALS_FOLDER`] of this folder but what a sink makes there, or nobody else may
    /// look.
    fn is_own(&self, folder: &Arc<Folder>) -> bool {
        let is_own = |name: &OsStr| {
            let is_session = || name.len() == 32 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
            name == kept::FOLDER || name == RECORDS_FOLDER || is_session()
        };
        let look = || -> io::Result<bool> {
            let own = self.source.folders.open(folder)?.open_dir_nofollow(PARTIALS_FOLDER)?;
            let names = own.entries()?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
            Ok(names.iter().all(|name| is_own(name)))
        };
        look().unwrap_or_else(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Where a link leads; `None` when that is not a target that a link may have.
    fn target(&self, location: &Location) -> io::Result<Option<LinkTarget>> {
        let name = os_name(&location.name).ok_or(io::ErrorKind::InvalidFilename)?;
        let target = self.source.folders.open(&location.folder)?.read_link_contents(name)?;
        Ok(LinkTarget::new(target.as_os_str().as_encoded_bytes()))
    }
}

/// Where a named thing is, its folder opened once for all that were named in it.
fn location(found: &Found, parents: &mut HashMap<PathBuf, Arc<Folder>>) -> Result<Location, Reason> {
    let name = entry_name(&found.name).ok_or(Reason::NameRefused)?;
    let alias =
        found.alias.as_deref().map(|alias| entry_name(alias).ok_or(Reason::NameRefused)).transpose()?;
    let folder = match parents.get(&found.parent) {
        Some(folder) => folder.clone(),
        None => {
            let handle = Dir::open_ambient_dir(&found.parent, ambient_authority())
                .map_err(|error| source_reason(&error))?;
            let folder = Arc::new(Folder::Held(Arc::new(handle)));
            parents.insert(found.parent.clone(), folder.clone());
            folder
        }
    };
    Ok(Location { folder, name, alias })
}

//! A disk as a sink's process sees it, and what a crash of the machine would leave of it.
//!
//! Everything happens at once for the process, and for good only with the next [`Disk::flush`].
//! Until then a crash may keep or lose each chunk, each line and each change of a name by itself.

use std::collections::BTreeMap;

use super::Seen;
use super::rng::Rng;
use super::tree::{Tag, Tree};

/// Where something is; a node of the source's tree stands for its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// In the target folder: under its own name for 1, else numbered.
    Final(usize, u32),
    Part(usize),
    Journal(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    File(usize),
    Journal(usize),
    Folder,
    Link,
}

/// What is there, and what would be there after a crash of the machine at its worst.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot<T> {
    now: T,
    kept: T,
}

struct File {
    size: u64,
    mtime: Slot<i64>,
    chunks: Vec<Slot<Tag>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Of which file this is the journal: its size and time of modification.
    Head(u64, i64),
    /// A chunk has been written, and has this hash.
    Chunk(u32, Tag),
    Torn,
}

#[derive(Default)]
struct Journal {
    lines: Vec<Line>,
    flushed: usize,
}

/// A change of names, made in one step.
struct Change {
    removed: Option<Path>,
    added: Option<(Path, Thing)>,
}

#[derive(Default)]
pub struct Disk {
    files: Vec<File>,
    journals: Vec<Journal>,
    names: BTreeMap<Path, Thing>,
    /// Names that no crash takes back, and what has changed since.
    kept: BTreeMap<Path, Thing>,
    changes: Vec<Change>,
    /// Files and chunks of them that may be lost; the chunk after the last stands for the time.
    unflushed: Vec<(usize, usize)>,
    /// Final names that nobody has looked at.
    news: Vec<Path>,
}

impl Disk {
    pub fn get(&self, path: Path) -> Option<Thing> {
        self.names.get(&path).copied()
    }

    pub fn paths(&self) -> Vec<Path> {
        self.names.keys().copied().collect()
    }

    /// Size and time of modification of a file.
    pub fn stat(&self, path: Path) -> Option<(u64, i64)> {
        self.file(path).map(|file| (file.size, file.mtime.now))
    }

    pub fn content(&self, path: Path) -> Option<Vec<Tag>> {
        self.file(path).map(|file| file.chunks.iter().map(|chunk| chunk.now).collect())
    }

    pub fn chunk(&self, path: Path, chunk: u32) -> Option<Tag> {
        self.file(path).map(|file| file.chunks[chunk as usize].now)
    }

    fn file(&self, path: Path) -> Option<&File> {
        if let Some(Thing::File(file)) = self.get(path) { Some(&self.files[file]) } else { None }
    }

    pub fn make(&mut self, path: Path, thing: Thing) {
        assert_eq!(self.get(path), None, "{path:?} is taken");
        self.change(Change { removed: None, added: Some((path, thing)) });
    }

    /// A file of this size that holds nothing of use yet.
    pub fn make_file(&mut self, path: Path, size: u64, chunks: usize) {
        let nothing = Slot { now: Tag::NONE, kept: Tag::NONE };
        let file = File { size, mtime: Slot { now: 0, kept: 0 }, chunks: vec![nothing; chunks] };
        self.files.push(file);
        self.make(path, Thing::File(self.files.len() - 1));
    }

    pub fn make_journal(&mut self, path: Path) {
        self.journals.push(Journal::default());
        self.make(path, Thing::Journal(self.journals.len() - 1));
    }

    pub fn write(&mut self, path: Path, chunk: usize, tag: Tag) {
        let Some(Thing::File(file)) = self.get(path) else { panic!("{path:?} is no file") };
        self.files[file].chunks[chunk].now = tag;
        self.unflushed.push((file, chunk));
    }

    pub fn set_mtime(&mut self, path: Path, mtime: i64) {
        let Some(Thing::File(file)) = self.get(path) else { panic!("{path:?} is no file") };
        self.files[file].mtime.now = mtime;
        self.unflushed.push((file, self.files[file].chunks.len()));
    }

    pub fn append(&mut self, path: Path, line: Line) {
        let Some(Thing::Journal(journal)) = self.get(path) else { panic!("{path:?} is no journal") };
        self.journals[journal].lines.push(line);
    }

    /// The lines up to where a crash has torn the journal. The rest goes, so that what is appended
    /// can be read.
    pub fn read_journal(&mut self, path: Path) -> Option<&[Line]> {
        let Some(Thing::Journal(journal)) = self.get(path) else { return None };
        let Journal { lines, flushed } = &mut self.journals[journal];
        let good = lines.iter().position(|line| *line == Line::Torn).unwrap_or(lines.len());
        lines.truncate(good);
        *flushed = good.min(*flushed);
        Some(lines)
    }

    /// Replaces nothing: returns whether the name was free.
    pub fn rename(&mut self, from: Path, to: Path) -> bool {
        let free = self.get(to).is_none();
        if let Some(thing) = self.get(from).filter(|_| free) {
            self.change(Change { removed: Some(from), added: Some((to, thing)) });
        }
        free
    }

    pub fn remove(&mut self, path: Path) {
        if self.get(path).is_some() {
            self.change(Change { removed: Some(path), added: None });
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        if let Some((path @ Path::Final(..), _)) = change.added {
            self.news.push(path);
        }
        self.changes.push(change);
    }

    /// Makes everything so far durable.
    pub fn flush(&mut self) {
        for (file, chunk) in self.unflushed.drain(..) {
            let File { mtime, chunks, .. } = &mut self.files[file];
            match chunks.get_mut(chunk) {
                Some(slot) => slot.kept = slot.now,
                None => mtime.kept = mtime.now,
            }
        }
        for journal in &mut self.journals {
            journal.flushed = journal.lines.len();
        }
        for change in self.changes.drain(..) {
            apply(&mut self.kept, &change);
        }
    }

    /// The machine goes down and comes back.
    pub fn crash(&mut self, tree: &Tree, rng: &mut Rng, seen: &mut Seen) {
        let before = self.names.len();
        for (file, chunk) in std::mem::take(&mut self.unflushed) {
            let File { mtime, chunks, .. } = &mut self.files[file];
            let Some(slot) = chunks.get_mut(chunk) else {
                mtime.kept = if rng.chance(50) { mtime.now } else { mtime.kept };
                mtime.now = mtime.kept;
                continue;
            };
            match rng.below(5) {
                0 | 1 => slot.kept = slot.now,
                2 => slot.kept = Tag::NONE,
                _ => {}
            }
            seen.lost_chunks += u64::from(slot.kept != slot.now);
            slot.now = slot.kept;
        }
        for Journal { lines, flushed } in &mut self.journals {
            let kept = *flushed + rng.below(lines.len() - *flushed + 1);
            if kept < lines.len() {
                seen.torn_journals += 1;
                lines.truncate(kept);
                lines.extend(rng.chance(50).then_some(Line::Torn));
            }
            *flushed = lines.len();
        }
        // Some file systems keep the order of changes, and others do not.
        let ordered = rng.chance(50);
        let until = rng.below(self.changes.len() + 1);
        for (index, change) in self.changes.drain(..).enumerate() {
            if if ordered { index < until } else { rng.chance(50) } {
                apply(&mut self.kept, &change);
            }
        }
        // What is in a folder that is lost is lost with it.
        for path in self.kept.keys().copied().collect::<Vec<_>>() {
            if let Path::Final(node, _) = path
                && let Some(folder) = tree.folder_of(node)
                && !self.kept.contains_key(&Path::Final(folder, 1))
            {
                self.kept.remove(&path);
            }
        }
        self.names = self.kept.clone();
        seen.lost_names += before.abs_diff(self.names.len()) as u64;
        self.news = self.names.keys().copied().filter(|path| matches!(path, Path::Final(..))).collect();
    }

    /// Whether a crash of the machine at this moment would leave this as it is.
    pub fn is_durable(&self, path: Path) -> bool {
        self.names.get(&path) == self.kept.get(&path) && self.is_flushed(path)
    }

    /// Whether a crash would leave the content as it is, if it leaves the name.
    pub fn is_flushed(&self, path: Path) -> bool {
        self.file(path).is_none_or(|file| {
            file.mtime.now == file.mtime.kept && file.chunks.iter().all(|chunk| chunk.now == chunk.kept)
        })
    }

    pub fn take_news(&mut self) -> Vec<Path> {
        std::mem::take(&mut self.news)
    }
}

fn apply(names: &mut BTreeMap<Path, Thing>, change: &Change) {
    if let Some(path) = change.removed {
        names.remove(&path);
    }
    // It may be taken by what an earlier change, which a crash undid, had removed.
    if let Some((path, thing)) = change.added {
        names.entry(path).or_insert(thing);
    }
}

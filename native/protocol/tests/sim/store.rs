//! What the simulated sink keeps on its disk, by the rules of hawser's own sink.

use std::collections::{BTreeMap, BTreeSet};

use hawser_protocol::error::ContentHash;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{EntryId, Name};
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::ChunkRange;
use hawser_protocol::receiver::Decision;

use super::Seen;
use super::disk::{Disk, Line, Path, Thing};
use super::rng::Rng;
use super::tree::{Tag, Tree, Version, What, hash_of};

/// When what a sink says is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    File,
    Session,
    None,
}

/// A file that this session is at.
struct Open {
    node: usize,
    size: u64,
    mtime: i64,
    /// What the journal says of chunks that are here from an earlier session.
    held: BTreeMap<u32, Tag>,
    /// The file that has the name is compared: there is no part.
    comparing: bool,
}

impl Open {
    fn chunks(&self) -> u32 {
        chunk_count(self.size)
    }
}

/// What no crash may take back.
struct Promise {
    path: Path,
    thing: Thing,
    content: Option<Vec<Tag>>,
}

/// The disk, and what a session knows of it.
pub struct Store {
    pub disk: Disk,
    pub durability: Durability,
    open: BTreeMap<EntryId, Open>,
    promises: Vec<Promise>,
    /// What was there before the first session and is nobody's business.
    foreign: BTreeSet<Path>,
}

fn chunk_count(size: u64) -> u32 {
    size.div_ceil(CHUNK_BYTES.into()) as u32
}

impl Store {
    /// A target folder in which some of the entries are there already, and other things have the
    /// names of others.
    pub fn new(durability: Durability, tree: &mut Tree, present: usize, rng: &mut Rng) -> Self {
        let mut disk = Disk::default();
        let mut foreign = BTreeSet::new();
        for node in tree.entries() {
            let name = Path::Final(node, 1);
            let reachable =
                tree.folder_of(node).is_none_or(|folder| disk.get(Path::Final(folder, 1)).is_some());
            if !reachable || !rng.chance(present) {
                continue;
            }
            let version = match tree.what(node) {
                What::Folder => {
                    disk.make(name, Thing::Folder);
                    continue;
                }
                What::Link => {
                    disk.make(name, Thing::Link);
                    continue;
                }
                What::File(_) if rng.chance(50) => tree.now(node).clone(),
                What::File(size) => {
                    foreign.insert(name);
                    tree.version(if rng.chance(50) { size } else { rng.below(5000) as u64 }, 1)
                }
            };
            disk.make_file(name, version.size, version.chunks.len());
            (0..).zip(version.chunks).for_each(|(chunk, tag)| disk.write(name, chunk, tag));
            disk.set_mtime(name, version.mtime);
        }
        disk.flush();
        disk.take_news();
        let mut store = Self { disk, durability, open: BTreeMap::new(), promises: Vec::new(), foreign };
        store.disk.paths().into_iter().for_each(|path| store.promise(path));
        store
    }

    /// A session begins, after whatever became of the one before.
    pub fn start(&mut self) {
        self.open.clear();
        // What an earlier session gave its name may not be durable, and will count as there.
        if self.durability == Durability::File {
            self.disk.flush();
        }
        for path in self.disk.paths() {
            let useless = match path {
                Path::Part(node) => self.disk.get(Path::Journal(node)).is_none(),
                Path::Journal(node) => self.disk.get(Path::Part(node)).is_none(),
                Path::Final(..) => false,
            };
            if useless {
                self.disk.remove(path);
            }
        }
    }

    /// The chunks of a part that belongs to this version of the file, as its journal has them.
    fn held(&mut self, node: usize, size: u64, mtime: i64) -> BTreeMap<u32, Tag> {
        // Part and journal may be of different versions: each was lost or kept by itself.
        let fits = self.disk.stat(Path::Part(node)).is_some_and(|(length, _)| length == size);
        let lines = self.disk.read_journal(Path::Journal(node)).filter(|_| fits).unwrap_or_default();
        if lines.first() != Some(&Line::Head(size, mtime)) {
            return BTreeMap::new();
        }
        let chunk = |line: &Line| if let Line::Chunk(chunk, tag) = *line { Some((chunk, tag)) } else { None };
        lines.iter().filter_map(chunk).collect()
    }

    /// What is here of a file that is offered?
    pub fn look(&mut self, id: EntryId, node: usize, size: u64, mtime: i64, compares: bool) -> Decision {
        let there = self.disk.stat(Path::Final(node, 1));
        if !compares && there == Some((size, mtime)) {
            return Decision::Placed(Placed::Present);
        }
        let held = self.held(node, size, mtime);
        let comparing = held.is_empty() && compares && there.is_some_and(|(length, _)| length == size);
        let began = self.disk.get(Path::Part(node)).is_some();
        let open = Open { node, size, mtime, held, comparing };
        let decision = match open.held.is_empty() {
            _ if comparing => Decision::Resume(ranges(0..open.chunks())),
            false => Decision::Resume(ranges(open.held.keys().copied())),
            true if began => Decision::Resume(Vec::new()),
            true => Decision::Accept,
        };
        if !comparing && open.held.is_empty() {
            self.make_part(&open);
        }
        self.open.insert(id, open);
        decision
    }

    fn make_part(&mut self, open: &Open) {
        self.discard(open.node);
        self.disk.make_file(Path::Part(open.node), open.size, open.chunks() as usize);
        if open.chunks() > 1 {
            self.disk.make_journal(Path::Journal(open.node));
            self.disk.append(Path::Journal(open.node), Line::Head(open.size, open.mtime));
        }
    }

    fn discard(&mut self, node: usize) {
        self.disk.remove(Path::Part(node));
        self.disk.remove(Path::Journal(node));
    }

    pub fn write(&mut self, id: EntryId, chunk: u32, tag: Tag) {
        if let Some(open) = self.open.get(&id) {
            self.disk.write(Path::Part(open.node), chunk as usize, tag);
        }
    }

    /// A chunk has been written.
    pub fn note(&mut self, id: EntryId, chunk: u32, tag: Tag) {
        if let Some(open) = self.open.get(&id).filter(|open| open.chunks() > 1) {
            self.disk.append(Path::Journal(open.node), Line::Chunk(chunk, tag));
        }
    }

    /// Whether a chunk from an earlier session is what the journal says; `None` when the file is
    /// closed.
    pub fn verify(&self, id: EntryId, chunk: u32) -> Option<bool> {
        let open = self.open.get(&id)?;
        Some(
            open.comparing || self.disk.chunk(Path::Part(open.node), chunk) == open.held.get(&chunk).copied(),
        )
    }

    pub fn has_hash(&self, id: EntryId, hash: ContentHash) -> bool {
        let open = &self.open[&id];
        let path = if open.comparing { Path::Final(open.node, 1) } else { Path::Part(open.node) };
        self.disk.content(path).is_some_and(|content| hash_of(&content) == hash)
    }

    pub fn is_resumed(&self, id: EntryId) -> bool {
        let open = &self.open[&id];
        open.comparing || !open.held.is_empty()
    }

    /// What was here is of another version.
    pub fn start_over(&mut self, id: EntryId) {
        let mut open = self.open.remove(&id).unwrap();
        (open.comparing, open.held) = (false, BTreeMap::new());
        self.make_part(&open);
        self.open.insert(id, open);
    }

    /// The file is as it is to be, but for its name.
    pub fn complete(&mut self, id: EntryId) {
        let open = &self.open[&id];
        if !open.comparing {
            self.disk.set_mtime(Path::Part(open.node), open.mtime);
        }
    }

    /// Gives a file the first name that is free.
    pub fn name(&mut self, id: EntryId) -> (Placed, Path) {
        let Open { node, comparing, .. } = self.open[&id];
        if comparing {
            return (Placed::Present, Path::Final(node, 1));
        }
        let part = Path::Part(node);
        let mut number = 1;
        let placed = loop {
            if self.disk.rename(part, Path::Final(node, number)) {
                break if number == 1 { Placed::AsNamed } else { Placed::Renamed(numbered(node, number)) };
            }
            if self.disk.content(Path::Final(node, number)) == self.disk.content(part) {
                break Placed::Present;
            }
            number += 1;
        };
        self.discard(node);
        (placed, Path::Final(node, number))
    }

    /// The file is settled.
    pub fn close(&mut self, id: EntryId, failed: bool) {
        if let Some(open) = self.open.remove(&id)
            && failed
        {
            self.discard(open.node);
        }
    }

    /// Everything is settled.
    pub fn finish(&mut self) {
        let left = |path: &Path| !matches!(path, Path::Final(..));
        self.disk.paths().into_iter().filter(left).for_each(|path| self.disk.remove(path));
    }

    /// From now on this stays whatever happens.
    pub fn promise(&mut self, path: Path) {
        let thing = self.disk.get(path).unwrap_or_else(|| panic!("{path:?} is not there"));
        assert!(self.disk.is_durable(path), "a crash would take back {path:?}");
        self.promises.push(Promise { path, thing, content: self.disk.content(path) });
    }

    /// The machine goes down and comes back.
    pub fn crash(&mut self, tree: &Tree, rng: &mut Rng, seen: &mut Seen) {
        self.disk.crash(tree, rng, seen);
        self.check_promises();
    }

    pub fn check_promises(&self) {
        for Promise { path, thing, content } in &self.promises {
            assert_eq!(self.disk.get(*path), Some(*thing), "{path:?} was promised");
            assert_eq!(self.disk.content(*path), *content, "{path:?} was promised");
        }
    }

    /// Under a final name there is nothing that is not whole, and of a version of that file.
    pub fn check_news(&mut self, tree: &Tree) {
        for path in self.disk.take_news() {
            let Path::Final(node, _) = path else { continue };
            let folder = tree.folder_of(node).map(|folder| Path::Final(folder, 1));
            let thing = folder.and_then(|folder| self.disk.get(folder));
            assert!(folder.is_none() || thing == Some(Thing::Folder), "{path:?} is in no folder");
            let Some(content) = self.disk.content(path).filter(|_| !self.foreign.contains(&path)) else {
                continue;
            };
            let stat = self.disk.stat(path);
            let is = |then: &Version| then.chunks == content && Some((then.size, then.mtime)) == stat;
            assert!(tree.versions(node).iter().any(is), "{path:?} has wrong bytes");
            let flushed = self.durability == Durability::None || self.disk.is_flushed(path);
            assert!(flushed, "a crash would leave {path:?} with wrong bytes");
        }
    }

    /// The chunks that need not be sent, by file: they are here, intact and journaled, and the
    /// source has not changed the file unnoticed.
    pub fn intact(&mut self, tree: &Tree) -> BTreeMap<usize, BTreeSet<u32>> {
        let files = tree.entries().filter(|&node| matches!(tree.what(node), What::File(_)));
        let mut intact = BTreeMap::new();
        for node in files {
            let version = tree.now(node);
            let mut held = self.held(node, version.size, version.mtime);
            held.retain(|&chunk, tag| self.disk.chunk(Path::Part(node), chunk) == Some(*tag));
            if held.iter().all(|(&chunk, tag)| version.chunks[chunk as usize] == *tag) {
                intact.insert(node, held.into_keys().collect());
            }
        }
        intact
    }
}

fn numbered(node: usize, number: u32) -> Name {
    Name::new(format!("{node} ({number})").as_bytes()).unwrap()
}

/// The fewest ranges of these chunks, which are in order.
pub fn ranges(chunks: impl IntoIterator<Item = u32>) -> Vec<ChunkRange> {
    let mut ranges: Vec<ChunkRange> = Vec::new();
    for first in chunks {
        match ranges.last_mut() {
            Some(last) if last.end() == first => last.count += 1,
            _ => ranges.push(ChunkRange { first, count: 1 }),
        }
    }
    ranges
}

//! What a simulated source has to send, and every version of it there ever was.

use std::ops::Range;

use hawser_protocol::error::ContentHash;
use hawser_protocol::limits::CHUNK_BYTES;

use super::rng::Rng;

const CHUNK: u64 = CHUNK_BYTES as u64;

/// Stands for the bytes of one chunk. No two chunks have the same unless the one was copied from
/// the other, so a wrong byte shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(u64);

impl Tag {
    /// Nothing of use: a hole, or a write that was torn.
    pub const NONE: Self = Self(0);
}

/// What stands for the hash of a file's content.
pub fn hash_of(chunks: &[Tag]) -> ContentHash {
    let mut mixed = chunks.len() as u64;
    for Tag(tag) in chunks {
        mixed = (mixed ^ tag).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&mixed.to_be_bytes());
    ContentHash(hash)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    File(u64),
    Folder,
    Link,
}

#[derive(Clone, Debug)]
pub struct Version {
    pub size: u64,
    pub mtime: i64,
    pub chunks: Vec<Tag>,
}

struct Node {
    what: What,
    parent: usize,
    children: Vec<usize>,
    /// Of a file: the last one is what it is now.
    versions: Vec<Version>,
}

/// Entries by number, with what is in each; 0 is the target folder.
pub struct Tree {
    nodes: Vec<Node>,
    last_tag: u64,
}

impl Tree {
    pub fn new() -> Self {
        let root = Node { what: What::Folder, parent: 0, children: Vec::new(), versions: Vec::new() };
        Self { nodes: vec![root], last_tag: 0 }
    }

    pub fn add(&mut self, parent: usize, what: What) -> usize {
        let node = self.nodes.len();
        let versions = if let What::File(size) = what { vec![self.version(size, -1)] } else { Vec::new() };
        self.nodes.push(Node { what, parent, children: Vec::new(), versions });
        self.nodes[parent].children.push(node);
        node
    }

    fn fresh_tag(&mut self) -> Tag {
        self.last_tag += 1;
        Tag(self.last_tag)
    }

    /// A version that has nothing in common with any other.
    pub fn version(&mut self, size: u64, mtime: i64) -> Version {
        let chunks = (0..size.div_ceil(CHUNK)).map(|_| self.fresh_tag()).collect();
        Version { size, mtime, chunks }
    }

    pub fn what(&self, node: usize) -> What {
        self.nodes[node].what
    }

    pub fn children(&self, node: usize) -> &[usize] {
        &self.nodes[node].children
    }

    /// The folder that an entry is in, if it is not the target folder.
    pub fn folder_of(&self, node: usize) -> Option<usize> {
        Some(self.nodes[node].parent).filter(|&folder| folder != 0)
    }

    /// All there is.
    pub fn entries(&self) -> Range<usize> {
        1..self.nodes.len()
    }

    pub fn versions(&self, file: usize) -> &[Version] {
        &self.nodes[file].versions
    }

    pub fn now(&self, file: usize) -> &Version {
        self.nodes[file].versions.last().unwrap()
    }

    /// Changes some files between two sessions, some of them so that only their content tells.
    pub fn edit(&mut self, rng: &mut Rng) {
        let percent = rng.below(60);
        for node in self.entries() {
            if matches!(self.what(node), What::File(_)) && rng.chance(percent) {
                self.edit_file(node, rng);
            }
        }
    }

    fn edit_file(&mut self, node: usize, rng: &mut Rng) {
        let Version { size, mtime, mut chunks } = self.now(node).clone();
        let next = match rng.below(4) {
            // Its time only.
            0 => Version { size, mtime: mtime - 1, chunks },
            1 => {
                let size = if rng.chance(50) { large_size(rng) } else { small_size(rng) };
                self.nodes[node].what = What::File(size);
                self.version(size, mtime - 1)
            }
            kind => {
                let percent = 1 + rng.below(100);
                for chunk in &mut chunks {
                    if rng.chance(percent) {
                        *chunk = self.fresh_tag();
                    }
                }
                Version { size, mtime: if kind == 2 { mtime } else { mtime - 1 }, chunks }
            }
        };
        self.nodes[node].versions.push(next);
    }

    pub fn random(rng: &mut Rng) -> Self {
        let mut tree = Self::new();
        let mut folders = vec![0];
        if rng.chance(10) {
            // Deep: each folder in the one before.
            for _ in 0..rng.below(127) {
                folders.push(tree.add(*folders.last().unwrap(), What::Folder));
            }
        }
        let (entries, large_percent) = match rng.below(25) {
            0 => (rng.below(600), 0),
            // Nothing ends for a while, so that nothing is flushed.
            1..=11 => (1 + rng.below(4), 90),
            _ => (rng.below(40), rng.below(40)),
        };
        for _ in 0..entries {
            let parent = folders[rng.below(folders.len())];
            match rng.below(10) {
                0 | 1 => folders.push(tree.add(parent, What::Folder)),
                2 => drop(tree.add(parent, What::Link)),
                _ => {
                    let large = rng.chance(large_percent);
                    tree.add(parent, What::File(if large { large_size(rng) } else { small_size(rng) }));
                }
            }
        }
        tree
    }
}

fn small_size(rng: &mut Rng) -> u64 {
    match rng.below(8) {
        0 => 0,
        1 => 1,
        2 => CHUNK - 1,
        3 => CHUNK,
        4 => rng.below(CHUNK_BYTES as usize) as u64,
        _ => rng.below(3000) as u64,
    }
}

fn large_size(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => CHUNK + 1,
        1 => CHUNK * (2 + rng.below(5) as u64),
        2 => CHUNK * (2 + rng.below(5) as u64) - 1,
        _ => CHUNK * (10 + rng.below(30) as u64) + rng.below(3000) as u64,
    }
}

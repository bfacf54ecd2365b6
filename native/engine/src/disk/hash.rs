//! The BLAKE3 hash of a file whose chunks come in any order.
//!
//! BLAKE3 is a tree, and a chunk is a power of two bytes at a multiple of itself, so every chunk
//! is a subtree. Any thread hashes any chunk; what remains is to merge neighbours.

use std::collections::HashMap;

use blake3::Hasher;
use blake3::hazmat::{self, HasherExt, Mode};
use hawser_protocol::error::ContentHash;
use hawser_protocol::limits::CHUNK_BYTES;

const CHUNK: u64 = CHUNK_BYTES as u64;

/// Bytes of the chunk that starts at `offset` in a file of `size` bytes.
///
/// An empty file has one chunk, of no bytes. `None` when no chunk starts there.
pub fn chunk_length(size: u64, offset: u64) -> Option<usize> {
    let starts = offset.is_multiple_of(CHUNK) && (offset < size || offset == 0);
    starts.then(|| size.saturating_sub(offset).min(CHUNK) as usize)
}

/// The hash of one chunk, and which chunk it is.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHash {
    index: u64,
    hash: [u8; 32],
}

impl ChunkHash {
    /// Hashes the chunk at `offset` of a file of `size` bytes.
    ///
    /// `None` when `bytes` are not exactly that chunk.
    pub fn new(size: u64, offset: u64, bytes: &[u8]) -> Option<Self> {
        if chunk_length(size, offset)? != bytes.len() {
            return None;
        }
        let hash = if size <= CHUNK {
            // The only chunk is the root already.
            blake3::hash(bytes).into()
        } else {
            Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root()
        };
        Some(Self { index: offset / CHUNK, hash })
    }

    /// The hash itself: of the chunk as a subtree, or of a file that has no other chunk.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// What is known of one file's tree.
///
/// Only subtrees without their sibling are kept: for chunks in order that is O(log n), out of
/// order it grows by the number of gaps.
#[derive(Debug)]
pub struct TreeHash {
    chunks: u64,
    /// By level (chunks are level 0) and index in that level.
    subtrees: HashMap<(u32, u64), [u8; 32]>,
    root: Option<ContentHash>,
}

impl TreeHash {
    /// The tree of a file of `size` bytes of which nothing is known yet.
    pub fn new(size: u64) -> Self {
        Self { chunks: size.div_ceil(CHUNK).max(1), subtrees: HashMap::new(), root: None }
    }

    /// The hash of the whole file, once every chunk is in.
    pub fn root(&self) -> Option<ContentHash> {
        self.root
    }

    /// Whether the chunk at `offset` is in.
    pub fn contains(&self, offset: u64) -> bool {
        let index = offset / CHUNK;
        self.root.is_some()
            || (0..=self.top()).any(|level| self.subtrees.contains_key(&(level, index >> level)))
    }

    /// Takes one chunk in and answers the hash of the whole file if that is known now.
    ///
    /// A chunk that is in already changes nothing.
    pub fn insert(&mut self, chunk: ChunkHash) -> Option<ContentHash> {
        if chunk.index >= self.chunks || self.contains(chunk.index * CHUNK) {
            return self.root;
        }
        let ChunkHash { mut index, mut hash } = chunk;
        for level in 0..self.top() {
            let sibling = index ^ 1;
            // Past the end there is no sibling, and a node alone is its own parent.
            if sibling << level < self.chunks {
                let Some(other) = self.subtrees.remove(&(level, sibling)) else {
                    self.subtrees.insert((level, index), hash);
                    return None;
                };
                let (left, right) = if index < sibling { (hash, other) } else { (other, hash) };
                hash = self.merge(level, left, right);
            }
            index /= 2;
        }
        self.root = Some(ContentHash(hash));
        self.root
    }

    /// The level of the root.
    fn top(&self) -> u32 {
        self.chunks.next_power_of_two().trailing_zeros()
    }

    fn merge(&self, level: u32, left: [u8; 32], right: [u8; 32]) -> [u8; 32] {
        if level + 1 == self.top() {
            hazmat::merge_subtrees_root(&left, &right, Mode::Hash).into()
        } else {
            hazmat::merge_subtrees_non_root(&left, &right, Mode::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(size: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }

    fn offsets(size: usize) -> Vec<usize> {
        (0..size.div_ceil(CHUNK as usize).max(1)).map(|index| index * CHUNK as usize).collect()
    }

    fn chunk(bytes: &[u8], offset: usize) -> ChunkHash {
        let length = chunk_length(bytes.len() as u64, offset as u64).unwrap();
        ChunkHash::new(bytes.len() as u64, offset as u64, &bytes[offset..offset + length]).unwrap()
    }

    fn shuffle(offsets: &mut [usize], mut seed: u64) {
        for index in (1..offsets.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            offsets.swap(index, (seed >> 33) as usize % (index + 1));
        }
    }

    #[test]
    fn every_size_and_order_gives_the_hash_of_the_whole() {
        let whole = CHUNK as usize;
        let mut sizes = vec![0, 1, 1023, 1024, 1025, whole - 1, whole, whole + 1];
        sizes.extend((2..=17).flat_map(|count| [count * whole - 1, count * whole, count * whole + 4097]));
        for size in sizes {
            let bytes = content(size);
            let expected = ContentHash(*blake3::hash(&bytes).as_bytes());
            let hashes: HashMap<_, _> = offsets(size).into_iter().map(|at| (at, chunk(&bytes, at))).collect();
            for seed in 0..40 {
                let mut order = offsets(size);
                match seed {
                    0 => {}
                    1 => order.reverse(),
                    _ => shuffle(&mut order, seed),
                }
                let mut tree = TreeHash::new(size as u64);
                for (count, offset) in order.iter().enumerate() {
                    assert!(!tree.contains(*offset as u64));
                    let root = tree.insert(hashes[offset]);
                    assert_eq!(root, (count + 1 == order.len()).then_some(expected), "{size} bytes");
                    assert!(tree.contains(*offset as u64));
                    let again = order[seed as usize % (count + 1)];
                    assert_eq!(tree.insert(hashes[&again]), root, "a duplicate changed the tree");
                }
                assert!(tree.subtrees.is_empty());
            }
        }
    }

    #[test]
    fn chunks_in_order_keep_few_subtrees() {
        let bytes = content(64 * CHUNK as usize);
        let mut tree = TreeHash::new(bytes.len() as u64);
        for offset in offsets(bytes.len()) {
            tree.insert(chunk(&bytes, offset));
            assert!(tree.subtrees.len() <= 6);
        }
    }

    #[test]
    fn bytes_that_are_no_chunk_have_no_hash() {
        assert!(ChunkHash::new(10, 0, b"too short").is_none());
        assert!(ChunkHash::new(10, 1, b"unaligned").is_none());
        assert!(ChunkHash::new(CHUNK, CHUNK, b"").is_none());
        assert!(ChunkHash::new(u64::MAX, u64::MAX, b"").is_none());
        assert!(ChunkHash::new(0, 0, b"").is_some());
    }

    #[test]
    fn a_chunk_past_the_end_is_left_out() {
        let bytes = content(3 * CHUNK as usize);
        let mut tree = TreeHash::new(2 * CHUNK);
        assert_eq!(tree.insert(chunk(&bytes, 2 * CHUNK as usize)), None);
        assert!(tree.subtrees.is_empty());
    }
}

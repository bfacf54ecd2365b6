//! What hashing costs: `cargo bench -p hawser-engine --bench hash`.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use std::hint::black_box;

use divan::{Bencher, counter::BytesCount};
use hawser_engine::disk::{ChunkHash, TreeHash};
use hawser_protocol::limits::CHUNK_BYTES;

const CHUNK: u64 = CHUNK_BYTES as u64;

fn main() {
    divan::main();
}

/// One chunk of a larger file, or a small file that is one chunk.
#[divan::bench(args = [4 << 10, 64 << 10, CHUNK])]
fn chunk(bencher: Bencher, bytes: u64) {
    let content = vec![7; bytes as usize];
    bencher.counter(BytesCount::new(bytes)).bench(|| ChunkHash::new(bytes, 0, black_box(&content)));
}

/// The hash of a file of 1 GiB out of those of its chunks, in order.
#[divan::bench]
fn tree_of_4096_chunks(bencher: Bencher) {
    let size = 4096 * CHUNK;
    let content = vec![7; CHUNK as usize];
    let chunks: Vec<_> =
        (0..4096).map(|index| ChunkHash::new(size, index * CHUNK, &content).unwrap()).collect();
    bencher.bench(|| {
        let mut tree = TreeHash::new(size);
        chunks.iter().find_map(|chunk| tree.insert(*chunk))
    });
}

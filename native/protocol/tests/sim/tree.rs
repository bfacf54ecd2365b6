//! What a simulated source has to send.

use hawser_protocol::limits::CHUNK_BYTES;

use super::rng::Rng;

const CHUNK: u64 = CHUNK_BYTES as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    File(u64),
    Folder,
    Link,
}

/// Entries by number, with what is in each; 0 is the target folder.
pub struct Tree {
    nodes: Vec<(What, Vec<usize>)>,
}

impl Tree {
    pub fn new() -> Self {
        Self { nodes: vec![(What::Folder, Vec::new())] }
    }

    pub fn add(&mut self, parent: usize, what: What) -> usize {
        let node = self.nodes.len();
        self.nodes.push((what, Vec::new()));
        self.nodes[parent].1.push(node);
        node
    }

    pub fn what(&self, node: usize) -> What {
        self.nodes[node].0
    }

    pub fn children(&self, node: usize) -> &[usize] {
        &self.nodes[node].1
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
        let entries = if rng.chance(4) { rng.below(600) } else { rng.below(40) };
        let large_percent = rng.below(40);
        for _ in 0..entries {
            let parent = folders[rng.below(folders.len())];
            match rng.below(10) {
                0 | 1 => folders.push(tree.add(parent, What::Folder)),
                2 => drop(tree.add(parent, What::Link)),
                _ => {
                    let large = entries <= 40 && rng.chance(large_percent);
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

//! Large files and the page cache: what was not in it is not left there, what was stays.

use std::fs::{self, File};
use std::io::IoSliceMut;
use std::path::{Path, PathBuf};

use hawser_engine::disk::Source;
use hawser_protocol::manifest::EntryId;
use rustix::fs::{Advice, fadvise, fstatfs};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tempfile::TempDir;

use crate::helpers::*;

const FIRST: EntryId = EntryId(1);
const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 33 * MIB + 17;

/// A walked file of `SIZE` bytes that is on the disk and in the cache.
struct Large {
    _home: TempDir,
    path: PathBuf,
    source: Source,
}

impl Large {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, content(SIZE)).unwrap();
        File::open(&path).unwrap().sync_all().unwrap();
        let (source, _) = walk(std::slice::from_ref(&path));
        Self { _home: home, path, source }
    }

    fn cold() -> Self {
        let large = Self::new();
        fadvise(File::open(&large.path).unwrap(), 0, None, Advice::DontNeed).unwrap();
        large
    }

    /// Reads the chunks that start in the first `bytes`, in order.
    fn read_first(&self, bytes: u64) {
        let mut buffer = vec![0; CHUNK as usize];
        for offset in (0..bytes).step_by(CHUNK as usize) {
            self.source.read_chunk(FIRST, offset, &mut buffer).unwrap();
        }
    }

    /// How much of the first `bytes` is in the cache, of 1.
    fn cached(&self, bytes: u64) -> f64 {
        let file = File::open(&self.path).unwrap();
        // From the end, and not every page: looking at one that is missing brings it in.
        let places: Vec<_> = (0..bytes).step_by(CHUNK as usize / 4).collect();
        let is_cached = |offset: &&u64| {
            let mut byte = [0];
            let mut bytes = [IoSliceMut::new(&mut byte)];
            match preadv2(&file, &mut bytes, **offset, ReadWriteFlags::NOWAIT) {
                Ok(count) => count == 1,
                Err(error) => {
                    assert_eq!(error, Errno::AGAIN);
                    false
                }
            }
        };
        places.iter().rev().filter(is_cached).count() as f64 / places.len() as f64
    }
}

/// Whether files for tests are on ext4, where it is known how the cache behaves.
fn on_ext4() -> bool {
    const EXT4: u64 = 0xef53;
    let found = fstatfs(File::open(std::env::temp_dir()).unwrap()).unwrap();
    let is_ext4 = found.f_type as u64 == EXT4;
    if !is_ext4 {
        eprintln!("SKIPPED: the folder for temporary files is not on ext4");
    }
    is_ext4
}

fn insist_read_whole(large: &Large) {
    let (bytes, found) = read_from_threads(&large.source, FIRST, SIZE, 4);
    assert!(bytes == content(SIZE), "another content");
    assert_eq!(found, [hash(&bytes)]);
}

#[test]
fn a_large_file_is_read_whole_from_the_disk_and_from_the_cache() {
    insist_read_whole(&Large::cold());
    insist_read_whole(&Large::new());
}

#[test]
fn what_was_not_in_the_cache_is_not_left_there() {
    if on_ext4() {
        let large = Large::cold();
        insist_read_whole(&large);
        let cached = large.cached(SIZE);
        assert!(cached < 0.1, "{cached} of the file is in the cache");
    }
}

#[test]
fn what_was_in_the_cache_stays_there() {
    if on_ext4() {
        let large = Large::new();
        insist_read_whole(&large);
        let cached = large.cached(SIZE);
        assert!(cached > 0.9, "{cached} of the file is in the cache");
    }
}

#[test]
fn a_file_that_is_in_the_cache_in_part_stays_there() {
    if on_ext4() {
        let large = Large::cold();
        touch_last_page(&large.path);
        insist_read_whole(&large);
        let cached = large.cached(SIZE);
        assert!(cached > 0.9, "{cached} of the file is in the cache");
    }
}

fn touch_last_page(path: &Path) {
    std::os::unix::fs::FileExt::read_exact_at(&File::open(path).unwrap(), &mut [0], SIZE - 1).unwrap();
}

#[test]
fn a_file_leaves_the_cache_while_it_is_read() {
    if on_ext4() {
        let large = Large::cold();
        large.read_first(24 * MIB + CHUNK);
        let cached = large.cached(16 * MIB);
        assert!(cached < 0.1, "{cached} of what was read is in the cache");
    }
}

#[test]
fn a_file_that_is_given_up_leaves_the_cache() {
    if on_ext4() {
        let large = Large::cold();
        large.read_first(8 * MIB);
        large.source.release(FIRST);
        let cached = large.cached(8 * MIB);
        assert!(cached < 0.1, "{cached} of what was read is in the cache");
    }
}

//! Every input in `native/fuzz/corpus`, and some around them, through the bodies of the fuzz targets.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

mod seeds;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{UnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hawser_fuzz_bodies::TARGETS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Inputs of all targets together, in bytes, that a clone should have to bear.
const MOST_BYTES: u64 = 1024 * 1024;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a target's corpus.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(fuzz_folder().join("corpus").join(target)).expect(target);
    let paths = files.map(|file| file.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn run(body: impl FnOnce() + UnwindSafe, what: impl FnOnce() -> String) {
    assert!(catch_unwind(body).is_ok(), "this is a finding: {}", what());
}

#[test]
fn no_input_of_the_corpus_and_no_seed_is_a_finding() {
    if std::env::var_os("HAWSER_WRITE_SEEDS").is_some() {
        seeds::write(&fuzz_folder().join("corpus"));
    }
    let mut bytes = 0;
    for (target, body) in TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{target} has nothing to begin with");
        for (path, input) in corpus {
            bytes += input.len() as u64;
            run(|| body(&input), || path.display().to_string());
        }
        for (name, input) in seeds::of(target) {
            run(|| body(&input), || format!("the seed {name} of {target}"));
        }
    }
    assert!(bytes < MOST_BYTES, "a corpus of {bytes} bytes is not a small one");
}

#[test]
fn every_target_has_its_binary() {
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    let named: BTreeSet<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    assert_eq!(named, TARGETS.map(|(target, _)| target).into());
    for (target, _) in TARGETS {
        let main = fs::read_to_string(fuzz_folder().join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(main.contains(&format!("run(\"{target}\", input)")), "{target}");
    }
}

#[test]
fn a_session_of_the_seeds_comes_to_its_end() {
    // A seed that stopped meaning anything would be of no use, and nobody would see it.
    assert!(hawser_fuzz_bodies::sink_finishes(&seeds::sink_session()));
    assert!(hawser_fuzz_bodies::source_finishes(&seeds::source_session()));
}

/// What somebody may do to an input.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    Drop(Index, usize),
    Insert(Index, Vec<u8>),
    /// Something of the input once more, somewhere else.
    Copy(Index, Index, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Change::Drop(at, count)),
        (any::<Index>(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), any::<Index>(), 1..80_usize)
            .prop_map(|(from, to, count)| Change::Copy(from, to, count)),
    ];
    vec(change, 1..12)
}

fn change(input: &mut Vec<u8>, changes: &[Change]) {
    for change in changes.iter().cloned() {
        let size = input.len() + 1;
        match change {
            Change::Set(at, byte) => drop(input.get_mut(at.index(size)).map(|old| *old = byte)),
            Change::Flip(at, bit) => drop(input.get_mut(at.index(size)).map(|old| *old ^= 1 << bit)),
            Change::Cut(at) => input.truncate(at.index(size)),
            Change::Drop(at, count) => {
                let at = at.index(size);
                input.drain(at..(at + count).min(input.len()));
            }
            Change::Insert(at, bytes) => drop(input.splice(at.index(size)..at.index(size), bytes)),
            Change::Copy(from, to, count) => {
                let (from, to) = (from.index(size), to.index(size));
                let bytes = input[from..(from + count).min(input.len())].to_vec();
                input.splice(to..to, bytes);
            }
        }
    }
}

proptest! {
    // What it finds is reported whole, and belongs into the corpus.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_near_those_of_the_corpus_is_a_finding(which: Index, changes in changes()) {
        for (target, body) in TARGETS {
            let (path, mut input) = which.get(&corpus(target)).clone();
            change(&mut input, &changes);
            run(|| body(&input), || format!("{input:?} of {target}, from {}", path.display()));
        }
    }

    #[test]
    fn no_input_of_any_bytes_is_a_finding(input in vec(any::<u8>(), 0..400)) {
        for (target, body) in TARGETS {
            run(|| body(&input), || format!("{input:?} of {target}"));
        }
    }
}

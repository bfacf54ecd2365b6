//! Whole sessions between the two state machines, over a wire that a seed plays tricks with.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

mod sim;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use sim::{Rng, Sim, Tree, What};

/// Sessions in the normal test; `HAWSER_SEEDS` asks for another number of them.
const SEEDS: u64 = 10_000;

#[test]
fn sessions_end_well_whatever_the_wire_does() {
    if let Some(seed) = number("HAWSER_SEED") {
        println!("{:?}", sim::run(seed));
        return;
    }
    let seeds = number("HAWSER_SEEDS").unwrap_or(SEEDS);
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let workers: Vec<_> = (0..threads)
        .map(|first| {
            thread::spawn(move || (first..seeds).step_by(threads as usize).map(run).collect::<Vec<_>>())
        })
        .collect();
    let seen: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    let total = |count: fn(&sim::Seen) -> u64| seen.iter().map(count).sum::<u64>();
    let totals = [
        ("cuts", total(|seen| seen.cuts)),
        ("joins below all others", total(|seen| seen.lower_joins)),
        ("chunks that came twice", total(|seen| seen.discarded)),
        ("hashes sent again", total(|seen| seen.repeated_ends)),
        ("files given up", total(|seen| seen.given_up)),
        ("fates that differ", total(|seen| seen.differing_fates)),
        ("refused folders", total(|seen| seen.refused_folders)),
        ("records of several files", total(|seen| seen.shared_records)),
        ("reads outliving their lane", total(|seen| seen.reads_outliving_their_lane)),
        ("chunks taken over", total(|seen| seen.taken_over)),
        ("lanes that ran empty", total(|seen| seen.drained)),
    ];
    println!("{totals:?}");
    // A simulation that stopped reaching what it is for would go on passing.
    assert!(totals.iter().all(|(_, count)| seeds < SEEDS || *count > 100), "{totals:?}");
}

#[test]
fn a_tree_far_larger_than_the_window_passes_through_it() {
    for seed in 0..4 {
        let mut tree = Tree::new();
        let folder = tree.add(0, What::Folder);
        for _ in 0..30_000 {
            tree.add(folder, What::File(seed));
        }
        Sim::new(Rng::new(seed), tree).run();
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

fn run(seed: u64) -> sim::Seen {
    catch_unwind(AssertUnwindSafe(|| sim::run(seed))).unwrap_or_else(|panic| {
        eprintln!("HAWSER_SEED={seed} repeats this");
        resume_unwind(panic)
    })
}

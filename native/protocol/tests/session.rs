//! Whole sessions between the two state machines, over a wire that a seed plays tricks with.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

mod sim;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sim::{Rng, Seen, Tree, What};

/// Sessions in the normal test; `HAWSER_SEEDS` asks for another number of them.
const SEEDS: u64 = 10_000;

#[test]
fn sessions_end_well_whatever_the_wire_does_and_wherever_they_crash() {
    if let Some(seed) = number("HAWSER_SEED") {
        println!("{:?}", sim::run(seed).all());
        return;
    }
    if let Some(hours) = number("HAWSER_HOURS") {
        return run_for(Duration::from_secs(hours * 3600));
    }
    let seeds = number("HAWSER_SEEDS").unwrap_or(SEEDS);
    let seen = run_all(0..seeds);
    println!("{:?}", seen.all());
    // A simulation that stopped reaching what it is for would go on passing.
    assert!(seeds < SEEDS || seen.is_full(), "{:?}", seen.all());
}

#[test]
fn a_tree_far_larger_than_the_window_passes_through_it() {
    for seed in 0..4 {
        let mut tree = Tree::new();
        let folder = tree.add(0, What::Folder);
        for _ in 0..30_000 {
            tree.add(folder, What::File(seed));
        }
        sim::run_tree(Rng::new(seed), tree, 0);
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// Seeds that no run before has had, as many as there is time for.
fn run_for(time: Duration) {
    let started = Instant::now();
    let mut next = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut seen = Seen::default();
    while started.elapsed() < time {
        seen = seen + run_all(next..next + SEEDS);
        next += SEEDS;
        println!("{} s: up to {next}: {:?}", started.elapsed().as_secs(), seen.all());
    }
}

fn run_all(seeds: Range<u64>) -> Seen {
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let seeds = seeds.clone().skip(thread as usize).step_by(threads as usize);
            thread::spawn(move || seeds.fold(Seen::default(), |seen, seed| seen + run(seed)))
        })
        .collect();
    workers.into_iter().map(|worker| worker.join().unwrap()).fold(Seen::default(), |all, seen| all + seen)
}

fn run(seed: u64) -> Seen {
    catch_unwind(AssertUnwindSafe(|| sim::run(seed))).unwrap_or_else(|panic| {
        eprintln!("HAWSER_SEED={seed} repeats this");
        resume_unwind(panic)
    })
}

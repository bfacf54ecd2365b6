//! Whole sessions over a scripted wire: a real `Sender`, a real `Receiver`, and between them lanes
//! that a seed delays, cuts and replaces. No sockets, no clock; the same seed is the same session.
//! Sessions end early in crashes, and others follow over what is left, until one comes to its end.

mod chain;
mod disk;
mod rng;
mod seen;
mod sink;
mod source;
mod store;
mod tree;
mod wire;

use hawser_protocol::hello::Hello;
use hawser_protocol::limits::{MAX_LANES, MAX_UNSETTLED};
use hawser_protocol::link::LaneId;
use hawser_protocol::sender::Fate;

pub use chain::{run, run_tree};
pub use rng::Rng;
pub use seen::Seen;
pub use tree::{Tree, What};

use sink::Sink;
use source::Source;
use store::Store;
use wire::{End, Lane};

/// Percentages by which a seed decides what goes wrong, 0 for never.
#[derive(Clone, Copy)]
pub struct Faults {
    pub read: usize,
    pub write: usize,
    pub place: usize,
    pub refuse: usize,
}

/// What sessions leave behind, and begin with.
pub struct World {
    pub tree: Tree,
    pub store: Store,
    pub seen: Seen,
}

/// One session under a seeded scheduler.
pub struct Sim {
    lanes: Vec<Lane>,
    source: Source,
    sink: Sink,
    seen: Seen,
    /// How likely each of [`Sim::step`]'s choices is in this session.
    weights: [usize; 10],
    /// Signs of life that the two sides were told to give.
    pings: u32,
    /// Whether the last lane may be cut too, so that another has to join before it goes on.
    cuts_last: bool,
}

impl Sim {
    pub fn new(world: World, hello: Hello, faults: Faults, rng: &mut Rng) -> Self {
        let World { tree, mut store, seen } = world;
        let mut weights = [0; 10];
        weights.iter_mut().for_each(|weight| *weight = 1 + rng.below(12));
        // Cuts, joins and failures are rarer than work, and in some sessions there are none.
        weights[6] = rng.below(3);
        weights[7] = rng.below(3);
        let cuts_last = rng.chance(20);
        store.start();
        let intact = store.intact(&tree);
        let mut sim = Self {
            lanes: vec![Lane::first()],
            source: Source::new(tree, intact, hello, faults),
            sink: Sink::new(store, faults),
            seen,
            weights,
            pings: 0,
            cuts_last,
        };
        for _ in 1..rng.below(usize::from(MAX_LANES)) {
            sim.join(rng);
        }
        sim
    }

    /// So much of a session, or all of it if it ends before.
    pub fn run_for(&mut self, steps: usize, rng: &mut Rng) {
        for _ in 0..steps {
            self.step(rng);
            self.check();
        }
    }

    /// All of a session.
    pub fn run(&mut self, rng: &mut Rng) {
        self.run_for(rng.below(4000), rng);
        self.drain(rng);
        self.check_end();
    }

    /// All connections are gone, and the sink is still there, for a while.
    pub fn lose_all_lanes(&mut self, rng: &mut Rng) {
        self.lanes.iter_mut().for_each(|lane| lane.cut(rng));
        for _ in 0..rng.below(200) {
            let lane = rng.below(self.lanes.len());
            match rng.below(4) {
                0 => drop(self.sink.read(&mut self.lanes[lane], rng, &mut self.seen)),
                1 => drop(self.sink.notice(&mut self.lanes[lane])),
                _ => drop(self.sink.drive(rng, &mut self.seen)),
            }
            self.check();
        }
    }

    pub fn is_finished(&self) -> bool {
        self.source.is_finished()
    }

    /// What outlives the session.
    pub fn into_world(self) -> World {
        World { tree: self.source.tree, store: self.sink.store, seen: self.seen }
    }

    /// Lets the seed choose one thing to happen.
    fn step(&mut self, rng: &mut Rng) {
        let lane = rng.below(self.lanes.len());
        match rng.weighted(&self.weights) {
            0 => drop(self.source.walk(rng)),
            1 => drop(self.source.write(&mut self.lanes[lane], rng, &mut self.seen)),
            2 => drop(self.sink.write(&mut self.lanes[lane], rng, false)),
            3 => drop(self.source.read(&mut self.lanes[lane], &mut self.seen)),
            4 => drop(self.sink.read(&mut self.lanes[lane], rng, &mut self.seen)),
            5 => drop(self.sink.drive(rng, &mut self.seen)),
            6 => self.cut(lane, rng),
            7 => self.join(rng),
            8 => drop(self.source.read_held(rng, &mut self.seen)),
            _ => match rng.below(7) {
                0 => {
                    self.pings += 1;
                    self.source.ping(self.lanes[lane].id);
                }
                1 => {
                    self.pings += 1;
                    self.sink.ping(self.lanes[lane].id);
                }
                2 => self.source.fail_some(rng, &mut self.seen),
                3 => self.source.take_over(&self.lanes[lane], &mut self.seen),
                4 => self.source.retire_lane(),
                5 => self.end_if_drained(lane, rng),
                _ => drop(self.notice(lane, rng)),
            },
        }
    }

    /// Goes on without further faults of the wire until nothing moves.
    fn drain(&mut self, rng: &mut Rng) {
        while self.lanes.iter().all(|lane| lane.is_cut()) {
            self.move_lanes(rng);
            self.join(rng);
        }
        let mut moved = true;
        while moved {
            moved = self.source.walk(rng);
            moved |= self.move_lanes(rng);
            moved |= self.source.read_held(rng, &mut self.seen);
            moved |= self.sink.drive(rng, &mut self.seen);
            self.check();
        }
    }

    /// Every lane goes on in both directions. Returns whether any could.
    fn move_lanes(&mut self, rng: &mut Rng) -> bool {
        let mut moved = false;
        for lane in 0..self.lanes.len() {
            moved |= self.notice(lane, rng);
            moved |= self.source.write(&mut self.lanes[lane], rng, &mut self.seen);
            moved |= self.sink.write(&mut self.lanes[lane], rng, true);
            moved |= self.source.read(&mut self.lanes[lane], &mut self.seen);
            moved |= self.sink.read(&mut self.lanes[lane], rng, &mut self.seen);
        }
        moved
    }

    fn cut(&mut self, lane: usize, rng: &mut Rng) {
        let others = self.lanes.iter().filter(|lane| !lane.is_cut()).count();
        if !self.lanes[lane].is_cut() && (others > 1 || self.cuts_last) {
            self.lanes[lane].cut(rng);
            self.seen.cuts += 1;
        }
    }

    /// The source closes a lane that it has let run empty.
    fn end_if_drained(&mut self, lane: usize, rng: &mut Rng) {
        let lane = &mut self.lanes[lane];
        if lane.source == End::Live && !lane.is_cut() && self.source.is_drained(lane.id) {
            lane.cut(rng);
            self.seen.drained += 1;
        }
    }

    /// A side comes to know that a lane has joined, or is lost.
    fn notice(&mut self, lane: usize, rng: &mut Rng) -> bool {
        let lane = &mut self.lanes[lane];
        let source_first = rng.chance(50);
        (source_first && self.source.notice(lane)) || self.sink.notice(lane) || self.source.notice(lane)
    }

    /// Dials a lane whose number is free on both sides, which may be one that was lost.
    fn join(&mut self, rng: &mut Rng) {
        let (source, sink) = (&self.source, &self.sink);
        self.lanes.retain(|lane| !(lane.is_gone() && source.is_idle(lane.id) && sink.is_idle(lane.id)));
        let id = LaneId(rng.below(usize::from(MAX_LANES)) as u8);
        if self.lanes.iter().any(|lane| lane.id == id) {
            return;
        }
        self.seen.lower_joins += u64::from(self.lanes.iter().all(|lane| lane.id > id));
        self.lanes.push(Lane::dialled(id));
    }

    fn check(&mut self) {
        self.sink.store.check_news(&self.source.tree);
        assert!(self.source.unconfirmed() <= MAX_UNSETTLED as usize, "offered more than may be unsettled");
        if self.source.is_finished() {
            assert!(self.sink.is_finished(), "the source has a SESSION_OK that the sink did not send");
        }
    }

    fn check_end(&mut self) {
        assert!(self.source.is_finished(), "the session is stuck: {}", self.stuck());
        assert_eq!(self.sink.left(), self.source.left(), "folders that were left");
        let offered = self.source.offered();
        assert_eq!(offered, self.sink.fates().len(), "the sink settled some of the entries offered");
        assert_eq!(offered, self.source.fates().len(), "the source settled some of the entries offered");
        self.source.check_arrived();
        assert!(
            self.source.take_empty() + self.sink.take_empty() <= self.pings,
            "all that is said says something"
        );
        self.sink.check_tree(&self.source.tree);
        for (id, fate) in self.source.fates() {
            let there = &self.sink.fates()[id];
            let agreed = match fate {
                Fate::Placed(placed, _) => there.as_ref() == Ok(placed),
                Fate::Failed(reason) => there.as_ref() == Err(reason),
            };
            // Only a file that the source gave up when it was all there already may differ.
            if !agreed {
                assert!(self.source.gave_up(*id), "{id:?}: {fate:?} at the source, {there:?} at the sink");
                self.seen.differing_fates += 1;
            }
        }
    }

    fn stuck(&self) -> String {
        let lanes: Vec<_> = self.lanes.iter().map(|lane| (lane.id, lane.is_cut())).collect();
        format!(
            "{} offered, {} settled at the source, {} at the sink; lanes {lanes:?}",
            self.source.offered(),
            self.source.fates().len(),
            self.sink.fates().len()
        )
    }
}

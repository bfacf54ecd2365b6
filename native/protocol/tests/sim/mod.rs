//! Whole sessions over a scripted wire: a real `Sender`, a real `Receiver`, and between them lanes
//! that a seed delays, cuts and replaces. No sockets, no clock; the same seed is the same session.

mod rng;
mod sink;
mod source;
mod tree;
mod wire;

use hawser_protocol::limits::{MAX_LANES, MAX_UNSETTLED};
use hawser_protocol::link::LaneId;
use hawser_protocol::sender::Fate;

pub use rng::Rng;
pub use tree::{Tree, What};

use sink::Sink;
use source::Source;
use wire::{End, Lane};

/// How often a session came into the situations that it is simulated for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub cuts: u64,
    pub lower_joins: u64,
    pub discarded: u64,
    pub repeated_ends: u64,
    pub given_up: u64,
    pub differing_fates: u64,
    pub refused_folders: u64,
    pub shared_records: u64,
    pub reads_outliving_their_lane: u64,
    pub taken_over: u64,
    pub drained: u64,
}

/// Percentages by which a seed decides what goes wrong, 0 for never.
#[derive(Clone, Copy)]
pub struct Faults {
    pub read: usize,
    pub write: usize,
    pub place: usize,
    pub refuse: usize,
    pub present: usize,
}

/// One session under a seeded scheduler.
pub struct Sim {
    rng: Rng,
    lanes: Vec<Lane>,
    source: Source,
    sink: Sink,
    seen: Seen,
    /// How likely each of [`Sim::step`]'s choices is in this session.
    weights: [usize; 9],
    /// Whether the last lane may be cut too, so that another has to join before it goes on.
    cuts_last: bool,
}

/// Runs the session of this seed to its end, checking it all the way.
pub fn run(seed: u64) -> Seen {
    let mut rng = Rng::new(seed);
    let tree = Tree::random(&mut rng);
    Sim::new(rng, tree).run()
}

impl Sim {
    pub fn new(mut rng: Rng, tree: Tree) -> Self {
        let calm = rng.chance(25);
        let mut percent = |most| if calm { 0 } else { rng.below(most) };
        let faults = Faults {
            read: percent(6),
            write: percent(4),
            place: percent(8),
            refuse: percent(15),
            present: percent(30),
        };
        let mut weights = [0; 9];
        weights.iter_mut().for_each(|weight| *weight = 1 + rng.below(12));
        // Cuts, joins and failures are rarer than work, and in some sessions there are none.
        weights[6] = rng.below(3);
        weights[7] = rng.below(3);
        let cuts_last = rng.chance(20);
        let lanes = vec![Lane::first()];
        Self {
            rng,
            lanes,
            source: Source::new(tree, faults),
            sink: Sink::new(faults),
            seen: Seen::default(),
            weights,
            cuts_last,
        }
    }

    pub fn run(mut self) -> Seen {
        for _ in 1..self.rng.below(usize::from(MAX_LANES)) {
            self.join();
        }
        let steps = self.rng.below(4000);
        for _ in 0..steps {
            self.step();
            self.check();
        }
        self.drain();
        self.check_end();
        self.seen
    }

    /// Lets the seed choose one thing to happen.
    fn step(&mut self) {
        let lane = self.rng.below(self.lanes.len());
        match self.rng.weighted(&self.weights) {
            0 => drop(self.source.walk(&mut self.rng)),
            1 => drop(self.source.write(&mut self.lanes[lane], &mut self.rng, &mut self.seen)),
            2 => drop(self.sink.write(&mut self.lanes[lane], &mut self.rng, false)),
            3 => drop(self.source.read(&mut self.lanes[lane])),
            4 => drop(self.sink.read(&mut self.lanes[lane], &mut self.rng, &mut self.seen)),
            5 => drop(self.sink.drive(&mut self.rng, &mut self.seen)),
            6 => self.cut(lane),
            7 => self.join(),
            _ => match self.rng.below(7) {
                0 => self.source.ping(self.lanes[lane].id),
                1 => self.sink.ping(self.lanes[lane].id),
                2 => self.source.fail_some(&mut self.rng, &mut self.seen),
                3 => self.source.take_over(&self.lanes[lane], &mut self.seen),
                4 => self.source.retire_lane(),
                5 => self.end_if_drained(lane),
                _ => drop(self.notice(lane)),
            },
        }
    }

    /// Goes on without further faults of the wire until nothing moves.
    fn drain(&mut self) {
        while self.lanes.iter().all(|lane| lane.is_cut()) {
            self.move_lanes();
            self.join();
        }
        let mut moved = true;
        while moved {
            moved = self.source.walk(&mut self.rng);
            moved |= self.move_lanes();
            moved |= self.sink.drive(&mut self.rng, &mut self.seen);
            self.check();
        }
    }

    /// Every lane goes on in both directions. Returns whether any could.
    fn move_lanes(&mut self) -> bool {
        let mut moved = false;
        for lane in 0..self.lanes.len() {
            moved |= self.notice(lane);
            moved |= self.source.write(&mut self.lanes[lane], &mut self.rng, &mut self.seen);
            moved |= self.sink.write(&mut self.lanes[lane], &mut self.rng, true);
            moved |= self.source.read(&mut self.lanes[lane]);
            moved |= self.sink.read(&mut self.lanes[lane], &mut self.rng, &mut self.seen);
        }
        moved
    }

    fn cut(&mut self, lane: usize) {
        let others = self.lanes.iter().filter(|lane| !lane.is_cut()).count();
        if !self.lanes[lane].is_cut() && (others > 1 || self.cuts_last) {
            self.lanes[lane].cut(&mut self.rng);
            self.seen.cuts += 1;
        }
    }

    /// The source closes a lane that it has let run empty.
    fn end_if_drained(&mut self, lane: usize) {
        let lane = &mut self.lanes[lane];
        if lane.source == End::Live && !lane.is_cut() && self.source.is_drained(lane.id) {
            lane.cut(&mut self.rng);
            self.seen.drained += 1;
        }
    }

    /// A side comes to know that a lane has joined, or is lost.
    fn notice(&mut self, lane: usize) -> bool {
        let lane = &mut self.lanes[lane];
        let source_first = self.rng.chance(50);
        (source_first && self.source.notice(lane)) || self.sink.notice(lane) || self.source.notice(lane)
    }

    /// Dials a lane whose number is free on both sides, which may be one that was lost.
    fn join(&mut self) {
        let (source, sink) = (&self.source, &self.sink);
        self.lanes.retain(|lane| !(lane.is_gone() && source.is_idle(lane.id) && sink.is_idle(lane.id)));
        let id = LaneId(self.rng.below(usize::from(MAX_LANES)) as u8);
        if self.lanes.iter().any(|lane| lane.id == id) {
            return;
        }
        self.seen.lower_joins += u64::from(self.lanes.iter().all(|lane| lane.id > id));
        self.lanes.push(Lane::dialled(id));
    }

    fn check(&self) {
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

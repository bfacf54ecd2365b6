//! One transfer through any number of crashes: sessions that end anywhere, each followed by another
//! over what has survived, until one comes to its end.

use hawser_protocol::handshake::SessionId;
use hawser_protocol::hello::{Hello, Requests};

use super::store::{Durability, Store};
use super::{Faults, Rng, Seen, Sim, Tree, World};

pub struct Chain {
    rng: Rng,
    faults: Faults,
    requests: Requests,
    sessions: u8,
}

/// Runs the sessions of this seed to their end, checking them all the way.
pub fn run(seed: u64) -> Seen {
    let mut rng = Rng::new(seed);
    let tree = Tree::random(&mut rng);
    let crashes = if rng.chance(40) { 0 } else { 1 + rng.below(5) };
    run_tree(rng, tree, crashes)
}

/// The same for a tree of one's own.
pub fn run_tree(mut rng: Rng, mut tree: Tree, crashes: usize) -> Seen {
    let calm = rng.chance(25);
    let mut percent = |most| if calm { 0 } else { rng.below(most) };
    let faults = Faults { read: percent(6), write: percent(4), place: percent(8), refuse: percent(15) };
    let present = percent(50);
    let durability = [Durability::File, Durability::Session, Durability::None][rng.below(3)];
    let store = Store::new(durability, &mut tree, present, &mut rng);
    let requests = Requests { compare: rng.chance(20), reread: false };
    let mut world = World { tree, store, seen: Seen::default() };
    let mut chain = Chain { rng, faults, requests, sessions: 0 };
    for _ in 0..crashes {
        world = chain.run_until_a_crash(world);
    }
    let mut sim = chain.session(world);
    sim.run(&mut chain.rng);
    let mut world = sim.into_world();
    if durability != Durability::None {
        world.store.crash(&world.tree, &mut chain.rng, &mut world.seen);
    }
    world.store.check_news(&world.tree);
    world.store.check_promises();
    world.seen
}

impl Chain {
    fn session(&mut self, world: World) -> Sim {
        let continues = (self.sessions > 0).then_some(SessionId([self.sessions; 16]));
        self.sessions += 1;
        let hello = Hello { label: "source".into(), requests: self.requests, continues, ..Hello::default() };
        Sim::new(world, hello, self.faults, &mut self.rng)
    }

    fn run_until_a_crash(&mut self, world: World) -> World {
        let mut sim = self.session(world);
        let most = [300, 1500, 6000][self.rng.below(3)];
        sim.run_for(self.rng.below(most), &mut self.rng);
        let finished = sim.is_finished();
        let cause = self.rng.below(4);
        if cause < 2 {
            // The sink outlives the connections.
            sim.lose_all_lanes(&mut self.rng);
        }
        let World { mut tree, mut store, mut seen } = sim.into_world();
        seen.after_the_end += u64::from(finished);
        match cause {
            0 => seen.outages += 1,
            1 => seen.source_kills += 1,
            2 if store.durability != Durability::None => {
                seen.sink_crashes += 1;
                store.crash(&tree, &mut self.rng, &mut seen);
                store.check_news(&tree);
            }
            _ => seen.sink_kills += 1,
        }
        if self.rng.chance(50) {
            tree.edit(&mut self.rng);
        }
        World { tree, store, seen }
    }
}

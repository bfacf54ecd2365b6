//! The sink's driver: what it decides, verifies, and puts in its place.

use hawser_protocol::error::Reason;
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::{Entry, EntryId, Kind};
use hawser_protocol::message::Placed;
use hawser_protocol::receiver::{Decision, ReceiverEvent};

use super::{Commit, Job, Path, Rng, Seen, Sink};
use crate::sim::disk::Thing;
use crate::sim::store::{Durability, ranges};
use crate::sim::tree::{Tree, Version};

impl Sink {
    /// The driver does one thing. Returns whether there was one.
    pub fn drive(&mut self, rng: &mut Rng, seen: &mut Seen) -> bool {
        let idle = self.jobs.is_empty() && self.events.is_empty();
        let committing = self.commit.is_some() || !self.ready.is_empty();
        if committing && (idle || rng.chance(30)) {
            self.go_on_committing(rng, seen);
        } else if !self.jobs.is_empty() && (self.events.is_empty() || rng.chance(50)) {
            let index = rng.below(self.jobs.len());
            match self.jobs.swap_remove(index) {
                // Reading takes its time.
                job if rng.chance(70) => self.jobs.push(job),
                Job::Verify(id, chunks) => self.verify(id, chunks, rng, seen),
                Job::Check(id, hash) if self.store.has_hash(id, hash) => {
                    self.store.complete(id);
                    self.ready.push(id);
                }
                Job::Check(id, _) => self.start_over(id, seen),
            }
        } else if let Some(event) = self.events.pop_front() {
            match event {
                ReceiverEvent::Offered(id, entry) => self.decide(id, &entry, rng, seen),
                ReceiverEvent::Left(id) => {
                    let next = self.receiver.leave(id);
                    self.finishing(next);
                }
                ReceiverEvent::GivenUp(id, reason) => self.place(id, Err(reason)),
                _ => {}
            }
        } else if self.receiver.is_settled() {
            self.finish();
        } else {
            return false;
        }
        true
    }

    fn decide(&mut self, id: EntryId, entry: &Entry, rng: &mut Rng, seen: &mut Seen) {
        let node = self.known[&id].node;
        let orphan = matches!(self.fates.get(&entry.parent), Some(Err(_)));
        let decision = match entry.kind {
            _ if orphan => Decision::Refuse(Reason::ParentFailed),
            _ if rng.chance(self.faults.refuse) => Decision::Refuse(Reason::NameRefused),
            Kind::Folder => {
                self.make(id, Thing::Folder);
                Decision::Accept
            }
            Kind::Link { .. } => {
                self.make(id, Thing::Link);
                if self.store.durability == Durability::File {
                    // It waits for a flush like everything else.
                    return self.ready.push(id);
                }
                Decision::Placed(Placed::AsNamed)
            }
            Kind::File { size } => self.store.look(id, node, size, entry.mtime.seconds, self.compares),
        };
        seen.refused_folders +=
            u64::from(entry.kind == Kind::Folder && matches!(decision, Decision::Refuse(_)));
        let known = self.known.get_mut(&id).unwrap();
        match &decision {
            Decision::Accept => known.wanted = entry.kind != Kind::Folder,
            Decision::Resume(held) => {
                known.wanted = true;
                let held: Vec<_> = held.iter().flat_map(|range| range.first..range.end()).collect();
                known.ordered.extend(&held);
                seen.held += held.len() as u64;
                seen.held_whole += u64::from(held.len() as u64 == entry_chunks(entry));
                self.jobs.push(Job::Verify(id, held));
            }
            Decision::Placed(placed) => {
                if known.size.is_some() {
                    self.trusted.insert(id);
                }
                self.at.insert(id, Path::Final(node, 1));
                self.settle(id, Ok(placed.clone()));
            }
            Decision::Refuse(reason) => self.settle(id, Err(*reason)),
        }
        let next = self.receiver.decide(id, decision);
        self.finishing(next);
    }

    /// Makes a folder or a link, which may be there.
    fn make(&mut self, id: EntryId, thing: Thing) {
        let path = Path::Final(self.known[&id].node, 1);
        if self.store.disk.get(path).is_none() {
            self.store.disk.make(path, thing);
        }
        self.at.insert(id, path);
    }

    /// Looks at some of the chunks that a journal says are here.
    fn verify(&mut self, id: EntryId, mut chunks: Vec<u32>, rng: &mut Rng, seen: &mut Seen) {
        let later = chunks.split_off(chunks.len().min(1 + rng.below(8)));
        let mut bad = Vec::new();
        for chunk in chunks {
            let Some(good) = self.store.verify(id, chunk) else { return };
            if good {
                let offset = u64::from(chunk) * u64::from(CHUNK_BYTES);
                let left = self.known[&id].size.unwrap() - offset;
                self.written(id, left.min(CHUNK_BYTES.into()) as u32);
            } else {
                bad.push(chunk);
            }
        }
        for chunk in &bad {
            self.known.get_mut(&id).unwrap().ordered.remove(chunk);
        }
        seen.bad_chunks += bad.len() as u64;
        self.receiver.lacks(id, ranges(bad));
        if !later.is_empty() {
            self.jobs.push(Job::Verify(id, later));
        }
    }

    fn start_over(&mut self, id: EntryId, seen: &mut Seen) {
        assert!(self.store.is_resumed(id), "{id:?} has a wrong byte, and all of it came in this session");
        self.store.start_over(id);
        let known = self.known.get_mut(&id).unwrap();
        known.ordered.clear();
        (known.written, known.complete) = (0, false);
        seen.started_over += 1;
        if let Some(ReceiverEvent::GivenUp(id, reason)) = self.receiver.start_over(id, known.size.unwrap()) {
            seen.given_up_before_start_over += 1;
            self.place(id, Err(reason));
        }
    }

    /// What is ready gets its name, one step at a time.
    fn go_on_committing(&mut self, rng: &mut Rng, seen: &mut Seen) {
        let durability = self.store.durability;
        let Some(mut commit) = self.commit.take() else {
            if durability != Durability::None {
                self.store.disk.flush();
            }
            seen.commits += 1;
            let waiting = std::mem::take(&mut self.ready).into();
            self.commit = Some(Commit { waiting, ..Commit::default() });
            return;
        };
        if let Some(id) = commit.waiting.pop_front() {
            let result = self.name(id, rng, seen);
            if durability == Durability::File {
                commit.named.push_back((id, result));
            } else {
                self.place(id, result);
            }
        } else if !std::mem::replace(&mut commit.flushed, true) && !commit.named.is_empty() {
            self.store.disk.flush();
        } else if let Some((id, result)) = commit.named.pop_front() {
            self.place(id, result);
        }
        if !commit.waiting.is_empty() || !commit.named.is_empty() {
            self.commit = Some(commit);
        }
    }

    fn name(&mut self, id: EntryId, rng: &mut Rng, seen: &mut Seen) -> Result<Placed, Reason> {
        let file = self.known[&id].size.is_some();
        if rng.chance(self.faults.place) {
            return Err(if file { Reason::Integrity } else { Reason::PermissionDenied });
        }
        if !file {
            return Ok(Placed::AsNamed);
        }
        let (placed, path) = self.store.name(id);
        self.at.insert(id, path);
        seen.renamed += u64::from(matches!(placed, Placed::Renamed(_)));
        seen.found_same += u64::from(placed == Placed::Present);
        Ok(placed)
    }

    /// Everything is settled: the last flush, and then the word.
    fn finish(&mut self) {
        assert!(self.fates.len() == self.known.len(), "settled, but for some");
        if self.store.durability == Durability::Session && !std::mem::replace(&mut self.flushed, true) {
            return self.store.disk.flush();
        }
        self.receiver.finish();
        self.finished = true;
        if self.store.durability != Durability::None {
            for (id, _) in self.fates.iter().filter(|(_, fate)| fate.is_ok()) {
                self.store.promise(self.at[id]);
            }
        }
        self.store.finish();
    }

    /// Reports what came of an entry, unless that is known already.
    pub(super) fn place(&mut self, id: EntryId, result: Result<Placed, Reason>) {
        if self.receiver.is_unsettled(id) {
            self.settle(id, result.clone());
            let next = self.receiver.place(id, result);
            self.finishing(next);
        }
    }

    fn settle(&mut self, id: EntryId, fate: Result<Placed, Reason>) {
        self.store.close(id, fate.is_err());
        if fate.is_ok() && self.store.durability == Durability::File {
            self.store.promise(self.at[&id]);
        }
        assert!(self.fates.insert(id, fate).is_none(), "{id:?} settled twice");
        if let Some(parent) = self.known.get_mut(&self.known[&id].parent.clone()) {
            parent.unsettled -= 1;
        }
    }

    fn finishing(&mut self, folder: Option<EntryId>) {
        let Some(id) = folder else { return };
        let known = self.known.get_mut(&id).unwrap();
        assert!(known.left, "{id:?} to be finished before it was left");
        assert_eq!(known.unsettled, 0, "{id:?} to be finished before what is in it");
        assert!(!std::mem::replace(&mut known.finishing, true), "{id:?} to be finished twice");
        self.ready.push(id);
    }

    /// The tree that the sink says it has is the one that it has.
    pub fn check_tree(&self, tree: &Tree) {
        for (id, _) in self.fates.iter().filter(|(_, fate)| fate.is_ok()) {
            let path = self.at[id];
            let node = self.known[id].node;
            assert!(matches!(path, Path::Final(at, _) if at == node), "{id:?} is at {path:?}");
            let Some(size) = self.known[id].size else {
                assert!(matches!(self.store.disk.get(path), Some(Thing::Folder | Thing::Link)), "{id:?}");
                continue;
            };
            let content = self.store.disk.content(path).unwrap_or_else(|| panic!("{id:?} is not there"));
            let now = tree.now(node);
            assert_eq!(size, now.size);
            if !self.trusted.contains(id) {
                assert_eq!(content, now.chunks, "{id:?} has other bytes than at the source");
                continue;
            }
            // Nobody looks at what has the right size and time.
            let same = |then: &&Version| (then.size, then.mtime) == (now.size, now.mtime);
            assert!(tree.versions(node).iter().filter(same).any(|then| then.chunks == content), "{id:?}");
        }
    }
}

fn entry_chunks(entry: &Entry) -> u64 {
    if let Kind::File { size } = entry.kind { size.div_ceil(CHUNK_BYTES.into()) } else { 0 }
}

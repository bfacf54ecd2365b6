//! Who has a place: how many sessions there may be, and how many of one peer.

use std::sync::Arc;
use std::time::Instant;

use hawser_protocol::identity::PublicKey;

use super::{Shared, State};
use crate::descriptors;
use crate::limits::{MAX_LANES_OF_ONE_PEER, MAX_SESSIONS, MAX_SESSIONS_OF_ONE_PEER};
use crate::opening::Visitor;
use crate::refusals::{Refusal, RefusedFor};
use crate::transfer::lock;

/// A session that is about to start.
pub(super) struct Place {
    shared: Arc<Shared>,
    peer: PublicKey,
}

impl Shared {
    /// A place for the session of somebody who wants what there is. If there is none, it is told to come
    /// again.
    pub(super) async fn place_for(self: &Arc<Self>, visitor: Visitor) -> Option<(Place, Visitor)> {
        if visitor.role() != self.job.work.peer_role() {
            return None;
        }
        match self.reserve(visitor.peer()) {
            Some(place) => Some((place, visitor)),
            None => {
                let (key, address) = (visitor.peer(), visitor.address());
                self.refusals.tell(Refusal { key, address, why: RefusedFor::Busy }, Instant::now());
                visitor.turn_away().await;
                None
            }
        }
    }

    /// A place for one more session of `peer`, unless there is none or no more are accepted.
    fn reserve(self: &Arc<Self>, peer: PublicKey) -> Option<Place> {
        let mut state = lock(&self.state);
        if state.closing.is_some() || !state.has_place(peer, most()) {
            return None;
        }
        state.reserved.push(peer);
        Some(Place { shared: self.clone(), peer })
    }
}

impl State {
    /// Whether `peer` may have another of `most` sessions.
    fn has_place(&self, peer: PublicKey, most: usize) -> bool {
        let running = self.sessions.values().map(|running| &running.peer);
        let theirs = running.chain(&self.reserved).filter(|other| **other == peer).count();
        let all = self.sessions.len() + self.reserved.len();
        may_have_another(theirs, all, most)
    }

    /// Whether `peer` may have another lane.
    pub(super) fn has_room_for_lane(&self, peer: PublicKey) -> bool {
        let running = self.sessions.values().filter(|running| running.peer == peer);
        let further = running.map(|running| running.session.lanes_in_use().saturating_sub(1));
        further.sum::<usize>() < MAX_LANES_OF_ONE_PEER
    }
}

/// Whether a peer that has `theirs` of `all` sessions may have another, if there may be `most`.
fn may_have_another(theirs: usize, all: usize, most: usize) -> bool {
    all < most && (theirs < MAX_SESSIONS_OF_ONE_PEER || all < most / 2)
}

/// Each session has a connection, and some folders and files open.
fn most() -> usize {
    MAX_SESSIONS.min(descriptors::quarter() / 2)
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        if let Some(at) = state.reserved.iter().position(|peer| *peer == self.peer) {
            state.reserved.swap_remove(at);
        }
        self.shared.announce_if_over(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions that one peer gets when others have so many.
    fn gets(others: usize, most: usize) -> usize {
        (0..).take_while(|&theirs| may_have_another(theirs, others + theirs, most)).count()
    }

    #[test]
    fn one_peer_cannot_take_the_places_of_others_however_many_sessions_it_opens() {
        assert_eq!(gets(0, 1024), 512);
        assert_eq!(gets(504, 1024), 8);
        assert_eq!(gets(512, 1024), 8, "it has a right to so many");
        assert_eq!(gets(1020, 1024), 4);
        assert_eq!(gets(1024, 1024), 0);
        assert_eq!(gets(0, 16), 8, "the ninth is one too many");
    }
}

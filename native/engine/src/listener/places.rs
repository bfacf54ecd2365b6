//! Who has a place: how many sessions there may be, and how many of one peer and of one source.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hawser_protocol::identity::PublicKey;

use super::{Shared, State};
use crate::descriptors;
use crate::limits::{
    MAX_LANES_OF_ONE_PEER, MAX_SESSIONS, MAX_SESSIONS_OF_ONE_PEER, MAX_SESSIONS_OF_ONE_SOURCE,
};
use crate::opening::Visitor;
use crate::refusals::{Refusal, RefusedFor};
use crate::strangers::source;
use crate::transfer::lock;

/// Of a session that is about to start, or of somebody who is being told that there will be none.
pub(crate) struct Place {
    shared: Arc<Shared>,
    holder: Holder,
}

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub peer: PublicKey,
    /// Where it is from: one whom the user knows counts as from nowhere.
    pub source: Option<IpAddr>,
}

impl Shared {
    /// A place for the session of somebody who wants what there is. If there is none, it is told to come
    /// again.
    pub(super) async fn place_for(self: &Arc<Self>, visitor: Visitor) -> Option<(Arc<Place>, Visitor)> {
        if visitor.role() != self.job.work.peer_role() {
            return None;
        }
        let peer = visitor.peer();
        let is_known = self.admission.is_allowed(peer);
        let source = (!is_known).then(|| source(visitor.address().ip()));
        match self.reserve(Holder { peer, source }) {
            Some(place) => Some((Arc::new(place), visitor)),
            None => {
                let address = visitor.address();
                self.refusals.tell(Refusal { key: peer, address, why: RefusedFor::Busy }, Instant::now());
                visitor.turn_away().await;
                None
            }
        }
    }

    /// A place for one more session, unless there is none or no more are accepted.
    fn reserve(self: &Arc<Self>, holder: Holder) -> Option<Place> {
        let mut state = lock(&self.state);
        let places = Places { most: most(), are_some_known: self.admission.allows_some() };
        if state.closing.is_some() || !places.has_another(holder, state.holders()) {
            return None;
        }
        state.reserved.push(holder);
        Some(Place { shared: self.clone(), holder })
    }
}

impl State {
    fn holders(&self) -> impl Iterator<Item = Holder> {
        self.sessions.values().map(|running| running.holder).chain(self.reserved.iter().copied())
    }

    /// Whether `peer` may have another lane.
    pub(super) fn has_room_for_lane(&self, peer: PublicKey) -> bool {
        let running = self.sessions.values().filter(|running| running.holder.peer == peer);
        let further = running.map(|running| running.session.lanes_in_use().saturating_sub(1));
        further.sum::<usize>() < MAX_LANES_OF_ONE_PEER
    }
}

impl Place {
    pub fn holder(&self) -> Holder {
        self.holder
    }
}

/// How many places there are.
struct Places {
    most: usize,
    /// Whether the user has said whom to let in.
    are_some_known: bool,
}

impl Places {
    /// Whether there is another for `holder` beside these.
    fn has_another(&self, holder: Holder, others: impl Iterator<Item = Holder>) -> bool {
        let (mut all, mut of_peer, mut of_source) = (0, 0, 0);
        for other in others {
            all += 1;
            of_peer += usize::from(other.peer == holder.peer);
            of_source += usize::from(other.source == holder.source);
        }
        let most = self.most;
        let right = MAX_SESSIONS_OF_ONE_SOURCE.min(most / 2);
        let from_there = || match holder.source {
            Some(_) if all >= most - most / 8 && self.are_some_known => false,
            Some(_) => of_source < right || all < most - most / 4,
            None => true,
        };
        all < most && (of_peer < MAX_SESSIONS_OF_ONE_PEER || all < most / 2) && from_there()
    }
}

/// Each session has a connection, and some folders and files open.
fn most() -> usize {
    MAX_SESSIONS.min(descriptors::quarter() / 2)
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        if let Some(at) = state.reserved.iter().position(|holder| *holder == self.holder) {
            state.reserved.swap_remove(at);
        }
        self.shared.announce_if_over(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: Places = Places { most: 1024, are_some_known: false };
    const WITH_A_LIST: Places = Places { are_some_known: true, ..PLACES };

    /// Somebody with a key of its own, from an address of its own.
    fn somebody(number: usize) -> Holder {
        from(number, number)
    }

    fn from(address: usize, key: usize) -> Holder {
        Holder { source: Some([10, 0, (address >> 8) as u8, address as u8].into()), ..known(key) }
    }

    fn known(key: usize) -> Holder {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&key.to_be_bytes());
        Holder { peer: PublicKey(bytes), source: None }
    }

    /// How many places these get, one after the other, beside so many of others.
    fn get(places: &Places, others: usize, who: impl Fn(usize) -> Holder) -> usize {
        let mut taken: Vec<_> = (10_000..10_000 + others).map(somebody).collect();
        let next = |number| {
            let may = places.has_another(who(number), taken.iter().copied());
            taken.push(who(number));
            may
        };
        (0..10_000).map(next).take_while(|may| *may).count()
    }

    #[test]
    fn one_peer_cannot_take_the_places_of_others_however_many_sessions_it_opens() {
        let one = |_| somebody(1);
        assert_eq!(get(&PLACES, 0, one), 512);
        assert_eq!(get(&PLACES, 504, one), 8);
        assert_eq!(get(&PLACES, 512, one), 8, "it has a right to so many");
        assert_eq!(get(&PLACES, 1020, one), 4);
        assert_eq!(get(&PLACES, 1024, one), 0);
        assert_eq!(get(&Places { most: 16, ..PLACES }, 0, one), 8, "the ninth is one too many");
    }

    #[test]
    fn one_source_cannot_take_them_either_however_many_keys_it_has() {
        let there = |key| from(1, key);
        assert_eq!(get(&PLACES, 0, there), 768);
        assert_eq!(get(&PLACES, 752, there), 16);
        assert_eq!(get(&PLACES, 768, there), 16, "it has a right to so many");
        assert_eq!(get(&PLACES, 1024, there), 0);
        assert_eq!(get(&Places { most: 16, ..PLACES }, 0, there), 12);
        assert_eq!(get(&Places { most: 16, ..PLACES }, 12, there), 4);
    }

    #[test]
    fn whoever_is_on_the_list_has_places_that_nobody_else_has() {
        assert_eq!(get(&PLACES, 0, somebody), 1024);
        assert_eq!(get(&WITH_A_LIST, 0, somebody), 896);
        assert_eq!(get(&WITH_A_LIST, 896, |_| known(1)), 8);
        assert_eq!(get(&WITH_A_LIST, 896, known), 128);
        assert_eq!(get(&WITH_A_LIST, 0, |_| known(1)), 512);
    }
}

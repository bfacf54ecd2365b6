//! How many connections that have proven nothing are let in, and how many handshakes they may start.
//! docs/protocol.md, "Limits".

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Notify;

use crate::descriptors;
use crate::limits::{
    FIRSTS, FIRSTS_FROM_ONE_SOURCE, HANDSHAKES, HANDSHAKES_FROM_ONE_SOURCE, MAX_STRANGERS,
    MAX_STRANGERS_FROM_ONE_SOURCE, UNDISTURBED,
};
use crate::rate::BySource;
use crate::transfer::lock;

/// The connections that are under way to proving themselves, by source.
#[derive(Clone)]
pub(crate) struct Strangers(Arc<Mutex<State>>);

struct State {
    /// In all, at most.
    most: usize,
    /// By the order in which they came.
    places: BTreeMap<u64, Place>,
    /// How many have come.
    count: u64,
    /// How many places each source has.
    sources: HashMap<IpAddr, usize>,
    handshakes: BySource,
    /// Handshakes that do not count, though somebody came for the first time.
    firsts: BySource,
}

struct Place {
    source: IpAddr,
    since: Instant,
    displaced: Arc<Notify>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            most: MAX_STRANGERS.min(descriptors::quarter()),
            places: BTreeMap::new(),
            count: 0,
            sources: HashMap::new(),
            handshakes: BySource::new(HANDSHAKES_FROM_ONE_SOURCE, HANDSHAKES),
            firsts: BySource::new(FIRSTS_FROM_ONE_SOURCE, FIRSTS),
        })))
    }
}

impl Strangers {
    /// Counts a connection from `address` until the result is dropped; `None` when it is one too many. When all
    /// places are taken, somebody may have to make way.
    pub(crate) fn admit(&self, address: IpAddr, now: Instant) -> Option<Admitted> {
        let source = source(address);
        let mut state = lock(&self.0);
        let from_here = state.sources.get(&source).copied().unwrap_or(0);
        if from_here >= MAX_STRANGERS_FROM_ONE_SOURCE {
            return None;
        }
        if state.places.len() >= state.most {
            let number = state.who_makes_way(from_here, now)?;
            let place = state.free(number)?;
            place.displaced.notify_one();
        }
        let number = state.count;
        state.count += 1;
        state.sources.insert(source, from_here + 1);
        let displaced = Arc::<Notify>::default();
        state.places.insert(number, Place { source, since: now, displaced: displaced.clone() });
        drop(state);
        Some(Admitted { strangers: self.clone(), source, number, displaced })
    }
}

impl State {
    /// The oldest of the source with the most places, for somebody from a source that would have fewer; between
    /// sources that have one each, not before it has had time to prove itself.
    fn who_makes_way(&self, from_there: usize, now: Instant) -> Option<u64> {
        let count = |place: &Place| self.sources.get(&place.source).copied().unwrap_or(0);
        let most = self.places.iter().max_by_key(|(number, place)| (count(place), Reverse(**number)));
        let (&number, place) = most?;
        let is_late = || from_there == 0 && now.saturating_duration_since(place.since) >= UNDISTURBED;
        (count(place) > from_there + 1 || is_late()).then_some(number)
    }

    fn free(&mut self, number: u64) -> Option<Place> {
        let place = self.places.remove(&number)?;
        match self.sources.get_mut(&place.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.sources.remove(&place.source)),
        }
        Some(place)
    }
}

/// A place among the strangers.
pub(crate) struct Admitted {
    strangers: Strangers,
    source: IpAddr,
    number: u64,
    displaced: Arc<Notify>,
}

impl Admitted {
    /// Told when this one has to make way for another, which has its place already.
    pub(crate) fn displaced(&self) -> Arc<Notify> {
        self.displaced.clone()
    }

    /// Whether a handshake may be started, which counts then.
    pub(crate) fn may_shake_hands(&self, now: Instant) -> bool {
        lock(&self.strangers.0).handshakes.take(self.source, now)
    }

    /// The handshake has succeeded: whoever was let in is no stranger, however often it comes.
    pub(crate) fn has_proven_itself(&self) {
        lock(&self.strangers.0).handshakes.give_back(self.source);
    }

    /// The same for a first time, which is written down: unless these are very many.
    pub(crate) fn has_come_first(&self, now: Instant) {
        let mut state = lock(&self.strangers.0);
        if state.firsts.take(self.source, now) {
            state.handshakes.give_back(self.source);
        }
    }

    /// Where it is from.
    pub(crate) fn source(&self) -> IpAddr {
        self.source
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // One that was displaced has none any more.
        drop(lock(&self.strangers.0).free(self.number));
    }
}

/// Whoever has one IPv6 address has the /64 around it.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Rate;

    fn is_displaced(admitted: &Admitted) -> bool {
        !lock(&admitted.strangers.0).places.contains_key(&admitted.number)
    }

    #[test]
    fn one_source_cannot_take_every_place() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let held: Vec<_> = (0..).map_while(|_| strangers.admit([10, 0, 0, 1].into(), now)).collect();
        assert_eq!(held.len(), MAX_STRANGERS_FROM_ONE_SOURCE);
        assert!(strangers.admit([10, 0, 0, 2].into(), now).is_some());
        drop(held);
        assert!(strangers.admit([10, 0, 0, 1].into(), now).is_some());
    }

    #[test]
    fn a_network_of_64_bits_is_one_source() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let address = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        let held: Vec<_> = (0..).map_while(|last| strangers.admit(address(last), now)).collect();
        assert_eq!(held.len(), MAX_STRANGERS_FROM_ONE_SOURCE);
    }

    #[test]
    fn all_sources_together_are_limited() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let held: Vec<_> =
            (0..=255).map_while(|last| strangers.admit([10, 0, last, 1].into(), now)).collect();
        assert_eq!(held.len(), MAX_STRANGERS);
        assert!(strangers.admit([10, 1, 0, 1].into(), now).is_none());
        drop(held);
        assert!(lock(&strangers.0).sources.is_empty());
    }

    #[test]
    fn a_source_with_many_places_makes_way_for_one_with_fewer() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let many = |host| strangers.admit([10, 0, 0, host].into(), now).unwrap();
        let held: Vec<_> = (0..MAX_STRANGERS).map(|number| many(number as u8 % 16)).collect();
        let newcomer = strangers.admit([10, 1, 0, 1].into(), now).unwrap();
        assert!(is_displaced(&held[0]), "the oldest of those who have the most");
        assert_eq!(held.iter().filter(|held| is_displaced(held)).count(), 1);
        // Each of the others has 16 or 15 as well; this one goes on until it has as many as they.
        let more: Vec<_> = (0..).map_while(|_| strangers.admit([10, 1, 0, 1].into(), now)).collect();
        assert_eq!(more.len() + 1, MAX_STRANGERS / 17);
        assert!(!is_displaced(&newcomer) && !more.iter().any(is_displaced));
        drop((held, newcomer, more));
        assert!(lock(&strangers.0).sources.is_empty() && lock(&strangers.0).places.is_empty());
    }

    #[test]
    fn between_sources_with_one_place_each_the_oldest_makes_way_when_it_has_had_its_time() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let held: Vec<_> =
            (0..=255).map(|last| strangers.admit([10, 0, last, 1].into(), now).unwrap()).collect();
        assert!(strangers.admit([10, 1, 0, 1].into(), now + UNDISTURBED / 2).is_none());
        let newcomer = strangers.admit([10, 1, 0, 1].into(), now + UNDISTURBED).unwrap();
        assert!(is_displaced(&held[0]) && !is_displaced(&held[1]));
        assert!(strangers.admit([10, 1, 0, 1].into(), now + UNDISTURBED).is_none(), "it has one already");
        drop(newcomer);
    }

    /// Handshakes that somebody at this address may start.
    fn started(strangers: &Strangers, address: [u8; 4], now: Instant) -> u32 {
        let admitted = strangers.admit(address.into(), now).unwrap();
        (0..10_000).take_while(|_| admitted.may_shake_hands(now)).count() as u32
    }

    #[test]
    fn handshakes_that_one_source_starts_are_limited_and_take_nothing_from_others() {
        let strangers = Strangers::default();
        let now = Instant::now();
        let Rate { at_once, every } = HANDSHAKES_FROM_ONE_SOURCE;
        assert_eq!(started(&strangers, [10, 0, 0, 1], now), at_once);
        assert_eq!(started(&strangers, [10, 0, 0, 1], now), 0);
        assert_eq!(started(&strangers, [10, 0, 0, 2], now), at_once);
        assert_eq!(started(&strangers, [10, 0, 0, 1], now + every * 20), 20);
    }

    #[test]
    fn handshakes_of_all_sources_together_are_limited() {
        let strangers = Strangers::default();
        let mut now = Instant::now();
        let all = |now| -> u32 { (0..=255).map(|last| started(&strangers, [10, 0, 0, last], now)).sum() };
        assert_eq!(all(now), HANDSHAKES.at_once);
        now += HANDSHAKES.every * 100;
        assert_eq!(all(now), 100);
    }

    #[test]
    fn handshakes_that_succeed_do_not_count_unless_very_many_come_for_the_first_time() {
        let strangers = Strangers::default();
        let now = Instant::now();
        let Rate { at_once, every } = FIRSTS_FROM_ONE_SOURCE;
        let succeeded = |now| {
            let admitted = strangers.admit([10, 0, 0, 1].into(), now).unwrap();
            let shakes = (0..10_000).take_while(|_| admitted.may_shake_hands(now));
            shakes.inspect(|_| admitted.has_come_first(now)).count() as u32
        };
        let most = at_once + HANDSHAKES_FROM_ONE_SOURCE.at_once;
        assert_eq!(succeeded(now), most);
        assert_eq!(succeeded(now + every * most), most, "after a pause");
        let later = now + every * most;
        assert_eq!(started(&strangers, [10, 0, 0, 2], later), HANDSHAKES_FROM_ONE_SOURCE.at_once, "others");
    }
}

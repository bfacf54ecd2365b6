//! How many connections that have proven nothing are let in, and how many handshakes they may start.
//! docs/protocol.md, "Limits".

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::descriptors;
use crate::limits::{HANDSHAKES, HANDSHAKES_FROM_ONE_SOURCE, MAX_STRANGERS, MAX_STRANGERS_FROM_ONE_SOURCE};
use crate::rate::BySource;
use crate::transfer::lock;

/// The connections that are under way to proving themselves, by source.
#[derive(Clone)]
pub(crate) struct Strangers(Arc<Mutex<State>>);

struct State {
    /// In all, at most.
    most: usize,
    count: usize,
    sources: HashMap<IpAddr, usize>,
    handshakes: BySource,
}

impl Default for Strangers {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            most: MAX_STRANGERS.min(descriptors::quarter()),
            count: 0,
            sources: HashMap::new(),
            handshakes: BySource::new(HANDSHAKES_FROM_ONE_SOURCE, HANDSHAKES),
        })))
    }
}

impl Strangers {
    /// Counts a connection from `address` until the result is dropped; `None` when it is one too
    /// many.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Admitted> {
        let source = source(address);
        let mut state = lock(&self.0);
        let from_here = state.sources.get(&source).copied().unwrap_or(0);
        if state.count >= state.most || from_here >= MAX_STRANGERS_FROM_ONE_SOURCE {
            return None;
        }
        state.count += 1;
        state.sources.insert(source, from_here + 1);
        drop(state);
        Some(Admitted { strangers: self.clone(), source })
    }
}

/// A place among the strangers.
pub(crate) struct Admitted {
    strangers: Strangers,
    source: IpAddr,
}

impl Admitted {
    /// Whether a handshake may be started, which counts then.
    pub(crate) fn may_shake_hands(&self, now: Instant) -> bool {
        lock(&self.strangers.0).handshakes.take(self.source, now)
    }

    /// The handshake has succeeded: whoever was let in is no stranger, however often it comes.
    pub(crate) fn has_proven_itself(&self) {
        lock(&self.strangers.0).handshakes.give_back(self.source);
    }

    /// Where it is from.
    pub(crate) fn source(&self) -> IpAddr {
        self.source
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut state = lock(&self.strangers.0);
        state.count -= 1;
        match state.sources.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                state.sources.remove(&self.source);
            }
        }
    }
}

/// Whoever has one IPv6 address has the /64 around it.
fn source(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Rate;

    #[test]
    fn one_source_cannot_take_every_place() {
        let strangers = Strangers::default();
        let held: Vec<_> = (0..).map_while(|_| strangers.admit([10, 0, 0, 1].into())).collect();
        assert_eq!(held.len(), MAX_STRANGERS_FROM_ONE_SOURCE);
        assert!(strangers.admit([10, 0, 0, 2].into()).is_some());
        drop(held);
        assert!(strangers.admit([10, 0, 0, 1].into()).is_some());
    }

    #[test]
    fn a_network_of_64_bits_is_one_source() {
        let strangers = Strangers::default();
        let address = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        let held: Vec<_> = (0..).map_while(|last| strangers.admit(address(last))).collect();
        assert_eq!(held.len(), MAX_STRANGERS_FROM_ONE_SOURCE);
    }

    #[test]
    fn all_sources_together_are_limited() {
        let strangers = Strangers::default();
        let held: Vec<_> = (0..=255).map_while(|last| strangers.admit([10, 0, last, 1].into())).collect();
        assert_eq!(held.len(), MAX_STRANGERS);
        assert!(strangers.admit([10, 1, 0, 1].into()).is_none());
        drop(held);
        assert!(lock(&strangers.0).sources.is_empty());
    }

    /// Handshakes that somebody at this address may start.
    fn started(strangers: &Strangers, address: [u8; 4], now: Instant) -> u32 {
        let admitted = strangers.admit(address.into()).unwrap();
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
    fn handshakes_that_succeed_do_not_count() {
        let strangers = Strangers::default();
        let now = Instant::now();
        let admitted = strangers.admit([10, 0, 0, 1].into()).unwrap();
        for _ in 0..10_000 {
            assert!(admitted.may_shake_hands(now));
            admitted.has_proven_itself();
        }
        assert_eq!(started(&strangers, [10, 0, 0, 1], now), HANDSHAKES_FROM_ONE_SOURCE.at_once);
    }
}

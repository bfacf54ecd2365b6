//! How many connections that have proven nothing are let in. docs/protocol.md, "Limits".

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use crate::transfer::lock;

/// In all: what a port scan or a flood may occupy.
const MAX_STRANGERS: usize = 256;

/// From one source, so that one machine cannot keep the others out.
const MAX_FROM_ONE_SOURCE: usize = 16;

/// The connections that are under way to proving themselves, by source.
#[derive(Clone, Default)]
pub(crate) struct Strangers(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Strangers {
    /// Counts a connection from `address` until the result is dropped; `None` when it is one too
    /// many.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Admitted> {
        let source = source(address);
        let mut sources = lock(&self.0);
        let from_here = sources.get(&source).copied().unwrap_or(0);
        if sources.values().sum::<usize>() >= MAX_STRANGERS || from_here >= MAX_FROM_ONE_SOURCE {
            return None;
        }
        sources.insert(source, from_here + 1);
        Some(Admitted { strangers: self.clone(), source })
    }
}

/// A place among the strangers.
pub(crate) struct Admitted {
    strangers: Strangers,
    source: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut sources = lock(&self.strangers.0);
        match sources.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                sources.remove(&self.source);
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

    #[test]
    fn one_source_cannot_take_every_place() {
        let strangers = Strangers::default();
        let held: Vec<_> = (0..).map_while(|_| strangers.admit([10, 0, 0, 1].into())).collect();
        assert_eq!(held.len(), MAX_FROM_ONE_SOURCE);
        assert!(strangers.admit([10, 0, 0, 2].into()).is_some());
        drop(held);
        assert!(strangers.admit([10, 0, 0, 1].into()).is_some());
    }

    #[test]
    fn a_network_of_64_bits_is_one_source() {
        let strangers = Strangers::default();
        let address = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        let held: Vec<_> = (0..).map_while(|last| strangers.admit(address(last))).collect();
        assert_eq!(held.len(), MAX_FROM_ONE_SOURCE);
    }

    #[test]
    fn all_sources_together_are_limited() {
        let strangers = Strangers::default();
        let held: Vec<_> = (0..=255).map_while(|last| strangers.admit([10, 0, last, 1].into())).collect();
        assert_eq!(held.len(), MAX_STRANGERS);
        assert!(strangers.admit([10, 1, 0, 1].into()).is_none());
    }
}

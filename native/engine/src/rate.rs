//! How often something may happen: so many times a second, and so many at once after a pause.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::limits::Rate;

/// What has happened lately, as the moment at which it will be as if nothing had (GCRA).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    rate: Rate,
    full_at: Option<Instant>,
}

impl Budget {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, full_at: None }
    }

    /// Takes `count` of it; `false` when there is not so much, and then nothing is taken.
    pub(crate) fn take(&mut self, count: u32, now: Instant) -> bool {
        let begins = self.full_at.map_or(now, |full_at| full_at.max(now));
        let ends = begins + self.rate.every * count;
        let fits = ends.saturating_duration_since(now) <= self.rate.every * self.rate.at_once;
        if fits {
            self.full_at = Some(ends);
        }
        fits
    }

    /// Gives one back that was taken.
    pub(crate) fn give_back(&mut self) {
        self.full_at = self.full_at.and_then(|full_at| full_at.checked_sub(self.rate.every));
    }

    /// Whether it is as if nothing had been taken.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

/// Budgets of all sources together, and of each that has taken something.
#[derive(Debug)]
pub(crate) struct BySource {
    all: Budget,
    each: Rate,
    sources: HashMap<IpAddr, Budget>,
}

/// Sources are remembered no longer than it takes them to have their whole budget again. From so many on
/// it is looked for those that have.
const MANY_SOURCES: usize = 1024;

impl BySource {
    pub(crate) fn new(each: Rate, all: Rate) -> Self {
        Self { all: Budget::new(all), each, sources: HashMap::new() }
    }

    /// Takes one of it; `false` when there is none, and then nothing is taken.
    pub(crate) fn take(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.sources.len() >= MANY_SOURCES {
            self.sources.retain(|_, budget| !budget.is_full(now));
        }
        let known = self.sources.get(&source).copied();
        let mut own = known.unwrap_or(Budget::new(self.each));
        // A source that is refused anyway takes nothing from the others.
        let may = own.take(1, now) && self.all.take(1, now);
        if may {
            self.sources.insert(source, own);
        }
        may
    }

    /// Gives one back that was taken.
    pub(crate) fn give_back(&mut self, source: IpAddr) {
        self.all.give_back();
        if let Some(own) = self.sources.get_mut(&source) {
            own.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { every: Duration::from_millis(100), at_once: 3 };

    fn taken(budget: &mut Budget, now: Instant) -> usize {
        (0..100).take_while(|_| budget.take(1, now)).count()
    }

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let mut budget = Budget::new(RATE);
        let begin = Instant::now();
        assert_eq!(taken(&mut budget, begin), 3);
        assert_eq!(taken(&mut budget, begin + Duration::from_millis(99)), 0);
        assert_eq!(taken(&mut budget, begin + Duration::from_millis(200)), 2);
        assert!(!budget.is_full(begin + Duration::from_millis(499)));
        assert!(budget.is_full(begin + Duration::from_millis(500)));
        assert_eq!(taken(&mut budget, begin + Duration::from_secs(3600)), 3, "a pause buys no more");
    }

    #[test]
    fn what_is_refused_costs_nothing_and_what_is_given_back_can_be_taken_again() {
        let mut budget = Budget::new(RATE);
        let now = Instant::now();
        assert!(!budget.take(4, now));
        assert!(budget.take(3, now));
        budget.give_back();
        assert_eq!(taken(&mut budget, now), 1);
    }

    #[test]
    fn sources_are_forgotten_when_they_have_their_whole_budget_again() {
        let all = Rate { every: Duration::from_millis(1), at_once: 1000 };
        let mut budgets = BySource::new(RATE, all);
        let mut now = Instant::now();
        for network in 0..100 {
            now += Duration::from_secs(10);
            (0..100).for_each(|last| assert!(budgets.take([10, 1, network, last].into(), now)));
        }
        assert!(budgets.sources.len() <= MANY_SOURCES);
    }
}

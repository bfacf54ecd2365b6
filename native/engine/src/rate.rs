//! How often something may happen: so many times a second, and so many at once after a pause.

use std::time::{Duration, Instant};

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
        let ends = begins + self.interval() * count;
        let fits = ends.saturating_duration_since(now) <= self.interval() * self.rate.at_once;
        if fits {
            self.full_at = Some(ends);
        }
        fits
    }

    /// Gives one back that was taken.
    pub(crate) fn give_back(&mut self) {
        self.full_at = self.full_at.and_then(|full_at| full_at.checked_sub(self.interval()));
    }

    /// Whether it is as if nothing had been taken.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.rate.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, at_once: 3 };

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
}

//! How much all that come with one ticket may bring.

use std::sync::{Arc, Mutex};

use crate::admission::TicketLimits;
use crate::transfer::lock;

/// An amount of what is brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Of files that came, or are promised room. What came counts, also in vain.
    pub bytes: u64,
    /// Files, folders and links that are new here, or will be.
    pub entries: u64,
}

/// What may be brought, and what has been.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: Amount,
    used: Mutex<Amount>,
}

impl Quota {
    pub fn new(limits: TicketLimits, used: Amount) -> Self {
        let limit =
            Amount { bytes: limits.bytes.unwrap_or(u64::MAX), entries: limits.entries.unwrap_or(u64::MAX) };
        Self { limit, used: Mutex::new(used) }
    }

    pub fn unlimited() -> Arc<Self> {
        Arc::new(Self::new(TicketLimits::default(), Amount::default()))
    }

    pub fn used(&self) -> Amount {
        *lock(&self.used)
    }

    /// Counts bytes that are to come; `false` when there is no room for them.
    fn take_bytes(&self, bytes: u64) -> bool {
        let mut used = lock(&self.used);
        let total = used.bytes.saturating_add(bytes);
        let fits = total <= self.limit.bytes;
        if fits {
            used.bytes = total;
        }
        fits
    }

    /// Counts an entry that is to be new here; `None` when there is no room for one.
    pub fn take_entry(self: &Arc<Self>) -> Option<Counted> {
        let mut used = lock(&self.used);
        let total = used.entries.saturating_add(1);
        (total <= self.limit.entries).then(|| {
            used.entries = total;
            Counted { quota: self.clone(), is_entry: true, due: 0, arrived: 0 }
        })
    }
}

/// An entry that is counted, with its bytes. When it is dropped, what has not come of it is counted no more.
#[derive(Debug)]
pub(crate) struct Counted {
    quota: Arc<Quota>,
    is_entry: bool,
    due: u64,
    arrived: u64,
}

impl Counted {
    /// Counts bytes that are to come; `false` when there is no room for them.
    pub fn expect(&mut self, bytes: u64) -> bool {
        let fits = self.quota.take_bytes(bytes);
        if fits {
            self.due = self.due.saturating_add(bytes);
        }
        fits
    }

    /// So many have come. What comes a second time does not count a second time.
    pub fn arrive(&mut self, bytes: u64) {
        self.arrived = self.arrived.saturating_add(bytes).min(self.due);
    }

    /// It is settled, and stays counted if it is new here.
    pub fn settle(mut self, is_new: bool) {
        self.is_entry &= !is_new;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut used = lock(&self.quota.used);
        used.bytes = used.bytes.saturating_sub(self.due - self.arrived);
        used.entries = used.entries.saturating_sub(u64::from(self.is_entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(bytes: u64, entries: u64) -> Arc<Quota> {
        let limits = TicketLimits { bytes: Some(bytes), entries: Some(entries), ..TicketLimits::default() };
        Arc::new(Quota::new(limits, Amount::default()))
    }

    #[test]
    fn what_would_go_beyond_the_quota_is_not_taken() {
        let quota = quota(100, 1);
        assert!(quota.take_bytes(60));
        assert!(!quota.take_bytes(41));
        assert!(!quota.take_bytes(u64::MAX));
        assert!(quota.take_bytes(40));
        let entry = quota.take_entry().unwrap();
        assert!(quota.take_entry().is_none());
        entry.settle(true);
        assert_eq!(quota.used(), Amount { bytes: 100, entries: 1 });
    }

    #[test]
    fn what_does_not_come_is_given_back() {
        let quota = quota(100, 1);
        let mut entry = quota.take_entry().unwrap();
        assert!(entry.expect(100));
        entry.arrive(30);
        drop(entry);
        assert_eq!(quota.used(), Amount { bytes: 30, entries: 0 });
        // The rest of it, when it is continued; some of that comes twice.
        let mut rest = quota.take_entry().unwrap();
        assert!(rest.expect(70));
        rest.arrive(40);
        rest.arrive(50);
        rest.settle(true);
        assert_eq!(quota.used(), Amount { bytes: 100, entries: 1 });
    }
}

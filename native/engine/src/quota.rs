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
    pub fn take_bytes(&self, bytes: u64) -> bool {
        let mut used = lock(&self.used);
        let total = used.bytes.saturating_add(bytes);
        let fits = total <= self.limit.bytes;
        if fits {
            used.bytes = total;
        }
        fits
    }

    /// They will not come after all.
    pub fn give_back_bytes(&self, bytes: u64) {
        let mut used = lock(&self.used);
        used.bytes = used.bytes.saturating_sub(bytes);
    }

    /// Counts an entry that is to be new here; `None` when there is no room for one.
    pub fn take_entry(self: &Arc<Self>) -> Option<Counted> {
        let mut used = lock(&self.used);
        let total = used.entries.saturating_add(1);
        (total <= self.limit.entries).then(|| {
            used.entries = total;
            Counted(Some(self.clone()))
        })
    }
}

/// An entry that is counted. Dropped, it is not any more.
#[derive(Debug)]
pub(crate) struct Counted(Option<Arc<Quota>>);

impl Counted {
    /// It is settled, and stays counted if it is new here.
    pub fn settle(mut self, is_new: bool) {
        if is_new {
            self.0 = None;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(quota) = self.0.take() {
            let mut used = lock(&quota.used);
            used.entries = used.entries.saturating_sub(1);
        }
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
        assert!(quota.take_bytes(100));
        quota.give_back_bytes(100);
        drop(quota.take_entry().unwrap());
        assert_eq!(quota.used(), Amount::default());
    }
}

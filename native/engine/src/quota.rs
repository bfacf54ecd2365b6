//! How much all that come with one ticket may bring.
//!
//! Where there is a ledger, it says at any time that at least as much has come as really has, so that whoever
//! listens can be killed and the quota still holds. It runs ahead in steps, so that it is rarely written.

use std::io;
use std::sync::{Arc, Mutex};

use hawser_protocol::ticket::TicketId;

use crate::admission::TicketLimits;
use crate::book::Book;
use crate::transfer::lock;

/// An amount of what is brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Of files that came, also in vain.
    pub bytes: u64,
    /// Files, folders and links that are new here, and files of which a part is.
    pub entries: u64,
}

/// What may be brought, and what has been.
#[derive(Debug)]
pub(crate) struct Quota {
    limits: TicketLimits,
    state: Mutex<State>,
    /// What is to know of it, and of which ticket it is.
    ledger: Option<(Arc<Book>, TicketId)>,
}

#[derive(Debug)]
struct State {
    /// What has come, and what is promised room.
    used: Amount,
    /// What of that has not come yet.
    due: Amount,
    /// What has come, as the ledger says.
    written: Amount,
}

/// The ledger runs ahead of what has come by this part of a limit, and by no more bytes than these: so much of
/// what may be brought is lost when whoever listens is killed.
const STEPS: u64 = 64;
const MAX_STEP_BYTES: u64 = 64 << 20;

impl Quota {
    pub fn new(limits: TicketLimits, used: Amount, ledger: Option<(Arc<Book>, TicketId)>) -> Self {
        let state = State { used, due: Amount::default(), written: used };
        Self { limits, state: Mutex::new(state), ledger }
    }

    pub fn unlimited() -> Arc<Self> {
        Arc::new(Self::new(TicketLimits::default(), Amount::default(), None))
    }

    /// Counts an entry that is to be new here; `None` when there is no room for one.
    pub fn take_entry(self: &Arc<Self>) -> Option<Counted> {
        let mut state = lock(&self.state);
        (state.used.entries < self.limits.entries.unwrap_or(u64::MAX)).then(|| {
            state.used.entries += 1;
            state.due.entries += 1;
            Counted { quota: self.clone(), is_counted: true, is_due: true, due: 0 }
        })
    }

    /// The same of a file of which a part is here: it was counted when that was left.
    pub fn go_on(self: &Arc<Self>) -> Counted {
        Counted { quota: self.clone(), is_counted: false, is_due: false, due: 0 }
    }

    /// What has come.
    pub fn come(&self) -> Amount {
        lock(&self.state).come()
    }

    /// Lets the ledger say what has come, and no more.
    ///
    /// # Errors
    /// Those of its disk.
    pub fn settle(self: &Arc<Self>) -> io::Result<()> {
        self.write(|quota| {
            let mut state = lock(&quota.state);
            // Whoever has more from now on writes it after this.
            state.written = state.come();
            Some(state.written)
        })
    }

    /// Lets the ledger say that more has come, if it does not say so already.
    fn run_ahead(self: &Arc<Self>) -> io::Result<()> {
        if self.ledger.is_none() || !self.is_behind(&lock(&self.state)) {
            return Ok(());
        }
        self.write(|quota| {
            let state = lock(&quota.state);
            let come = state.come();
            let ahead = Amount {
                bytes: step(come.bytes, quota.limits.bytes, MAX_STEP_BYTES),
                entries: step(come.entries, quota.limits.entries, u64::MAX),
            };
            // In the meantime others may have been here.
            quota.is_behind(&state).then_some(ahead)
        })
    }

    /// Lets the ledger say what `used` says at its turn, unless it is of another ticket by then. What it is known to
    /// say is never more than it says, whichever thread comes in between: only its own one writes both.
    fn write(
        self: &Arc<Self>,
        used: impl FnOnce(&Self) -> Option<Amount> + Send + 'static,
    ) -> io::Result<()> {
        let Some((book, ticket)) = &self.ledger else { return Ok(()) };
        let (quota, ticket) = (self.clone(), *ticket);
        book.change(move |keeper| {
            if keeper.ticket() != ticket {
                // Nobody asks for it any more.
                lock(&quota.state).written = Amount { bytes: u64::MAX, entries: u64::MAX };
            } else if let Some(used) = used(&quota) {
                keeper.set_used(used)?;
                lock(&quota.state).written = used;
            }
            Ok(())
        })
    }

    /// Whether more has come, of what is limited, than the ledger says.
    fn is_behind(&self, state: &State) -> bool {
        let come = state.come();
        self.limits.bytes.is_some() && come.bytes > state.written.bytes
            || self.limits.entries.is_some() && come.entries > state.written.entries
    }
}

/// What the ledger is to say when so much has come of what may come.
fn step(come: u64, limit: Option<u64>, most: u64) -> u64 {
    limit.map_or(come, |limit| come.saturating_add((limit / STEPS).min(most)).min(limit))
}

impl State {
    fn come(&self) -> Amount {
        Amount { bytes: self.used.bytes - self.due.bytes, entries: self.used.entries - self.due.entries }
    }
}

/// An entry that is counted, with its bytes. When it is dropped, what has not come of it is counted no more.
#[derive(Debug)]
pub(crate) struct Counted {
    quota: Arc<Quota>,
    is_counted: bool,
    /// Whether it is counted as one that has not come.
    is_due: bool,
    /// Bytes that have not come.
    due: u64,
}

impl Counted {
    /// Counts bytes that are to come; `false` when there is no room for them.
    pub fn expect(&mut self, bytes: u64) -> bool {
        let mut state = lock(&self.quota.state);
        let total = state.used.bytes.saturating_add(bytes);
        let fits = total <= self.quota.limits.bytes.unwrap_or(u64::MAX);
        if fits {
            // What is beyond what can be counted is not due either.
            let more = total - state.used.bytes;
            state.used.bytes = total;
            state.due.bytes += more;
            self.due += more;
        }
        fits
    }

    /// So many are about to be written. What comes a second time does not count a second time.
    ///
    /// # Errors
    /// Those of the ledger's disk.
    pub fn arrive(&mut self, bytes: u64) -> io::Result<()> {
        let more = bytes.min(self.due);
        self.due -= more;
        lock(&self.quota.state).due.bytes -= more;
        self.quota.run_ahead()
    }

    /// It is about to get its name.
    ///
    /// # Errors
    /// Those of the ledger's disk.
    pub fn enter(&mut self) -> io::Result<()> {
        self.begin();
        self.quota.run_ahead()
    }

    /// A part of it is about to be here that outlives the session, also one that is killed.
    pub fn begin(&mut self) {
        if std::mem::take(&mut self.is_due) {
            lock(&self.quota.state).due.entries -= 1;
        }
    }

    /// That part stays here, and it stays counted: files that are only begun must not be more than may come.
    pub fn leave(mut self) {
        self.begin();
        self.is_counted = false;
    }

    /// It is settled, and stays counted if it is new here.
    pub fn settle(mut self, is_new: bool) {
        self.is_counted &= !is_new;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = lock(&self.quota.state);
        state.used.bytes -= self.due;
        state.due.bytes -= self.due;
        state.used.entries -= u64::from(self.is_counted);
        state.due.entries -= u64::from(self.is_due);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;
    use crate::ledger::Ledger;

    fn quota(bytes: u64, entries: u64) -> Arc<Quota> {
        let limits = TicketLimits { bytes: Some(bytes), entries: Some(entries), ..TicketLimits::default() };
        Arc::new(Quota::new(limits, Amount::default(), None))
    }

    #[test]
    fn what_would_go_beyond_the_quota_is_not_taken() {
        let quota = quota(100, 1);
        let mut entry = quota.take_entry().unwrap();
        assert!(entry.expect(60));
        assert!(!entry.expect(41));
        assert!(!entry.expect(u64::MAX));
        assert!(entry.expect(40));
        assert!(quota.take_entry().is_none());
        entry.arrive(100).unwrap();
        entry.enter().unwrap();
        entry.settle(true);
        assert_eq!(quota.come(), Amount { bytes: 100, entries: 1 });
    }

    #[test]
    fn what_does_not_come_is_given_back() {
        let quota = quota(100, 1);
        let mut entry = quota.take_entry().unwrap();
        assert!(entry.expect(100));
        entry.arrive(30).unwrap();
        drop(entry);
        assert_eq!(quota.come(), Amount { bytes: 30, entries: 0 });
        // The rest of it, when it is continued; some of that comes twice.
        let mut rest = quota.take_entry().unwrap();
        assert!(rest.expect(70));
        rest.arrive(40).unwrap();
        rest.arrive(50).unwrap();
        rest.enter().unwrap();
        // What had its name was the same.
        rest.settle(false);
        assert_eq!(quota.come(), Amount { bytes: 100, entries: 0 });
    }

    #[test]
    fn what_leaves_a_part_stays_counted_and_is_not_counted_again() {
        let quota = quota(100, 1);
        let mut entry = quota.take_entry().unwrap();
        assert!(entry.expect(100));
        entry.arrive(30).unwrap();
        entry.leave();
        assert_eq!(quota.come(), Amount { bytes: 30, entries: 1 });
        assert!(quota.take_entry().is_none());
        for is_new in [false, true] {
            let mut rest = quota.go_on();
            assert!(rest.expect(70));
            rest.enter().unwrap();
            rest.settle(is_new);
            quota.go_on().leave();
            assert_eq!(quota.come(), Amount { bytes: 30, entries: 1 });
        }
    }

    #[test]
    fn the_ledger_is_never_behind_and_ahead_by_a_step_at_most() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger");
        let ticket = TicketId([7; 16]);
        let book = Book::begin(path.clone(), |_| Ok(Ledger::new(ticket))).unwrap();
        let limits = TicketLimits { bytes: Some(6400), entries: Some(128), ..TicketLimits::default() };
        let quota = Arc::new(Quota::new(limits, Amount::default(), Some((book.clone(), ticket))));
        let written = || Ledger::read(&path).unwrap().unwrap().used;
        for number in 1..=128 {
            let mut entry = quota.take_entry().unwrap();
            assert!(entry.expect(50));
            entry.arrive(50).unwrap();
            entry.enter().unwrap();
            entry.settle(true);
            let (come, written) = (Amount { bytes: number * 50, entries: number }, written());
            assert!((come.bytes..=come.bytes + 100).contains(&written.bytes), "{come:?} {written:?}");
            assert!((come.entries..=come.entries + 2).contains(&written.entries), "{come:?} {written:?}");
        }
        assert_eq!(written(), Amount { bytes: 6400, entries: 128 }, "and never beyond the limit");

        // One of another ticket is left alone.
        book.change(|keeper| keeper.replace(Ledger::new(TicketId([8; 16])))).unwrap();
        quota.settle().unwrap();
        assert_eq!(written(), Amount::default());
    }

    #[test]
    fn the_ledger_is_not_behind_when_sessions_end_while_others_bring_more() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger");
        let ticket = TicketId([7; 16]);
        let book = Book::begin(path.clone(), |_| Ok(Ledger::new(ticket))).unwrap();
        let limits = TicketLimits { bytes: Some(64_000), ..TicketLimits::default() };
        let quota = Arc::new(Quota::new(limits, Amount::default(), Some((book, ticket))));
        let come = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut entry = quota.take_entry().unwrap();
                    for _ in 0..1000 {
                        assert!(entry.expect(10));
                        entry.arrive(10).unwrap();
                        let come = come.fetch_add(10, Ordering::SeqCst) + 10;
                        let written = Ledger::read(&path).unwrap().unwrap().used.bytes;
                        assert!(written >= come, "{written} of {come}");
                    }
                });
                scope.spawn(|| (0..1000).for_each(|_| quota.settle().unwrap()));
            }
        });
    }

    #[test]
    fn what_cannot_be_written_down_does_not_come() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        let ticket = TicketId([7; 16]);
        let book = Book::begin(folder.join("ledger"), |_| Ok(Ledger::new(ticket))).unwrap();
        let limits = TicketLimits { bytes: Some(100), ..TicketLimits::default() };
        let quota = Arc::new(Quota::new(limits, Amount::default(), Some((book, ticket))));
        let mut entry = quota.take_entry().unwrap();
        assert!(entry.expect(100));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(entry.arrive(50).is_err());
        assert!(entry.arrive(0).is_err(), "still not");
        std::fs::create_dir(&folder).unwrap();
        entry.arrive(50).unwrap();
    }
}

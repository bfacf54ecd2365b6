//! How far a transfer is: its counters, over all of its sessions.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::Placed;
use hawser_protocol::sender::Fate;

use crate::transfer::lock;
use crate::{EntryKind, Outage, Settled};

/// Where a transfer is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Dialling and proving.
    Connecting,
    /// A session is open.
    Running,
    /// Its session was lost, and it tries to open another.
    Reconnecting,
    /// It has ended, well or not.
    Ended,
}

/// Counters of a transfer at one moment. Where a session was lost and another took its place, what
/// there is to do is counted from its beginning again, and what was delivered stays delivered.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether the sink has begun to take what is offered. One that asks its user first has not, until it may.
    pub accepted: bool,
    /// Whether the source may still find entries.
    pub walking: bool,
    /// Files offered so far.
    pub files_total: u64,
    /// Files settled: delivered, already there, or failed.
    pub files_done: u64,
    /// Folders and links settled.
    pub others_done: u64,
    /// Entries of any kind that failed.
    pub failed: u64,
    /// Bytes of the files offered so far.
    pub bytes_total: u64,
    /// Bytes that the sink has dealt with, and those of files found already there.
    pub bytes_done: u64,
    /// Of those, bytes that were there from an earlier session, of files delivered or under way.
    pub bytes_resumed: u64,
    /// Files of which something was there from an earlier session that was of no use any more.
    pub restarted: u64,
    /// Bytes of files that have crossed the line, in all sessions: never goes back.
    pub bytes_moved: u64,
    /// Files transferred and in their place.
    pub files_delivered: u64,
    /// Bytes of files transferred and in their place.
    pub bytes_delivered: u64,
    /// Entries of any kind that got another name, because something different had theirs.
    pub renamed: u64,
    /// Files found already there, but for those that an earlier session of this transfer delivered.
    pub files_present: u64,
    /// Bytes of files found already there, but for those that an earlier session delivered.
    pub bytes_present: u64,
    /// Live lanes.
    pub lanes: u64,
    /// Milliseconds since the first session opened, up to the end.
    pub elapsed_ms: u64,
    /// Sessions that took the place of a lost one.
    pub reconnects: u64,
    /// In [`Phase::Reconnecting`]: what was lost, and how it goes.
    pub outage: Option<Outage>,
}

/// The counters of one session, and what is kept of those before it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicBool,
    walked: AtomicBool,
    files_total: AtomicU64,
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
    resumed: Mutex<Resumed>,
    restarted: AtomicU64,
    moved: AtomicU64,
    lanes: AtomicU64,
    files_done: AtomicU64,
    others_done: AtomicU64,
    failed: AtomicU64,
    renamed: AtomicU64,
    files_delivered: AtomicU64,
    bytes_delivered: AtomicU64,
    files_present: AtomicU64,
    bytes_present: AtomicU64,
    earlier: Earlier,
}

/// Bytes that were there from an earlier session.
#[derive(Debug, Default)]
struct Resumed {
    bytes: u64,
    /// Those of files that are not settled.
    unsettled: HashMap<EntryId, u64>,
}

/// What earlier sessions delivered. The present one finds it there: so much of what it finds is
/// no news.
#[derive(Debug, Default)]
struct Earlier {
    files: AtomicU64,
    bytes: AtomicU64,
    renamed: AtomicU64,
}

impl Counters {
    /// The counters now, in a phase and with times that others know.
    pub fn read(&self, phase: Phase, elapsed_ms: u64, reconnects: u64, outage: Option<Outage>) -> Progress {
        let (files_delivered, files_present) =
            split(&self.files_delivered, &self.files_present, &self.earlier.files);
        let (bytes_delivered, bytes_present) =
            split(&self.bytes_delivered, &self.bytes_present, &self.earlier.bytes);
        Progress {
            phase,
            accepted: self.accepted.load(Ordering::Relaxed),
            walking: !self.walked.load(Ordering::Relaxed),
            files_total: load(&self.files_total),
            files_done: load(&self.files_done),
            others_done: load(&self.others_done),
            failed: load(&self.failed),
            bytes_total: load(&self.bytes_total),
            bytes_done: load(&self.bytes_done),
            bytes_resumed: lock(&self.resumed).bytes,
            restarted: load(&self.restarted),
            bytes_moved: load(&self.moved),
            files_delivered,
            bytes_delivered,
            renamed: load(&self.renamed) + load(&self.earlier.renamed),
            files_present,
            bytes_present,
            lanes: load(&self.lanes),
            elapsed_ms,
            reconnects,
            outage,
        }
    }

    /// Another session begins, and none runs: what there is to do counts from its beginning.
    pub fn start_over(&self) {
        let Earlier { files, bytes, renamed } = &self.earlier;
        add(files, load(&self.files_delivered));
        add(bytes, load(&self.bytes_delivered));
        add(renamed, load(&self.renamed));
        self.accepted.store(false, Ordering::Relaxed);
        self.walked.store(false, Ordering::Relaxed);
        *lock(&self.resumed) = Resumed::default();
        for counter in [
            &self.files_total,
            &self.bytes_total,
            &self.bytes_done,
            &self.files_done,
            &self.others_done,
            &self.failed,
            &self.renamed,
            &self.files_delivered,
            &self.bytes_delivered,
            &self.files_present,
            &self.bytes_present,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// The sink takes what is offered.
    pub fn set_accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// The source has found all there is.
    pub fn set_walked(&self) {
        self.walked.store(true, Ordering::Relaxed);
    }

    /// Another file was offered.
    pub fn count_file(&self, bytes: u64) {
        add(&self.files_total, 1);
        add(&self.bytes_total, bytes);
    }

    /// Bytes have arrived.
    pub fn count_bytes(&self, bytes: u64) {
        add(&self.bytes_done, bytes);
        add(&self.moved, bytes);
    }

    /// Bytes of a file are there from an earlier session.
    pub fn count_resumed(&self, id: EntryId, bytes: u64) {
        add(&self.bytes_done, bytes);
        let mut resumed = lock(&self.resumed);
        resumed.bytes += bytes;
        resumed.unsettled.insert(id, bytes);
    }

    /// What there was of a file from an earlier session is of no use.
    pub fn count_restarted(&self) {
        add(&self.restarted, 1);
    }

    /// Bytes of a file that were counted are to be sent again: first of all those from an earlier
    /// session.
    pub fn lack(&self, id: EntryId, bytes: u64) {
        less(&self.bytes_done, bytes);
        let Resumed { bytes: all, unsettled } = &mut *lock(&self.resumed);
        if let Some(held) = unsettled.get_mut(&id) {
            let gone = bytes.min(*held);
            *held -= gone;
            *all = all.saturating_sub(gone);
        }
    }

    /// A file is settled: what was there of it counts as resumed only if it has been delivered.
    pub fn settle_resumed(&self, id: EntryId, fate: &Fate) {
        let Resumed { bytes: all, unsettled } = &mut *lock(&self.resumed);
        let held = unsettled.remove(&id).unwrap_or(0);
        if matches!(fate, Fate::Failed(_) | Fate::Placed(Placed::Present, _)) {
            *all = all.saturating_sub(held);
        }
    }

    /// Bytes that have arrived, without those of files found already there.
    pub fn moved(&self) -> u64 {
        load(&self.moved)
    }

    /// So many lanes are live now.
    pub fn count_lanes(&self, lanes: usize) {
        self.lanes.store(lanes.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// An entry is settled. What is there because an earlier session brought it, unheard, is
    /// delivered.
    pub fn settle(&self, entry: &Settled, unheard: bool) {
        let file = entry.kind == EntryKind::File;
        if matches!(entry.fate, Fate::Placed(Placed::Renamed(_), _)) {
            add(&self.renamed, 1);
        }
        add(if file { &self.files_done } else { &self.others_done }, 1);
        match &entry.fate {
            Fate::Failed(_) => add(&self.failed, 1),
            Fate::Placed(Placed::Present, transferred) if file => {
                let (files, bytes) = if unheard {
                    (&self.files_delivered, &self.bytes_delivered)
                } else {
                    (&self.files_present, &self.bytes_present)
                };
                add(files, 1);
                add(bytes, entry.size);
                if transferred.is_none() {
                    add(&self.bytes_done, entry.size);
                }
            }
            Fate::Placed(..) if file => {
                add(&self.files_delivered, 1);
                add(&self.bytes_delivered, entry.size);
            }
            Fate::Placed(..) => {}
        }
    }
}

/// What was delivered in all sessions, and what the present one found besides.
fn split(delivered: &AtomicU64, found: &AtomicU64, earlier: &AtomicU64) -> (u64, u64) {
    let earlier = load(earlier);
    (load(delivered) + earlier, load(found).saturating_sub(earlier))
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn less(counter: &AtomicU64, value: u64) {
    // It never refuses.
    let _ =
        counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| Some(count.saturating_sub(value)));
}

fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use hawser_protocol::error::Reason;

    fn settle(counters: &Counters, size: u64, fate: Fate) {
        counters.count_file(size);
        counters.settle(&Settled { path: String::new(), kind: EntryKind::File, size, fate }, false);
    }

    fn read(counters: &Counters) -> Progress {
        counters.read(Phase::Running, 0, 0, None)
    }

    const DELIVERED: Fate = Fate::Placed(Placed::AsNamed, None);
    const FOUND: Fate = Fate::Placed(Placed::Present, None);

    #[test]
    fn what_an_earlier_session_delivered_is_not_counted_as_found() {
        let counters = Counters::default();
        settle(&counters, 1, FOUND);
        settle(&counters, 10, DELIVERED);
        settle(&counters, 100, DELIVERED);
        settle(&counters, 1000, Fate::Failed(Reason::Io));
        counters.count_bytes(110);
        counters.start_over();
        let begun = read(&counters);
        assert_eq!((begun.files_total, begun.bytes_done, begun.failed), (0, 0, 0));
        // The next session finds what is there, in any order, and brings the rest.
        settle(&counters, 100, FOUND);
        settle(&counters, 1, FOUND);
        settle(&counters, 10, FOUND);
        settle(&counters, 1000, DELIVERED);
        counters.count_bytes(1000);
        let ended = read(&counters);
        assert_eq!((ended.files_delivered, ended.bytes_delivered), (3, 1110));
        assert_eq!((ended.files_present, ended.bytes_present), (1, 1));
        assert_eq!((ended.files_done, ended.failed), (4, 0));
        assert_eq!((ended.bytes_done, ended.bytes_moved), (1111, 1110));
    }

    #[test]
    fn a_third_session_still_knows_what_the_first_delivered() {
        let counters = Counters::default();
        settle(&counters, 10, DELIVERED);
        counters.start_over();
        settle(&counters, 10, FOUND);
        settle(&counters, 20, DELIVERED);
        counters.start_over();
        settle(&counters, 10, FOUND);
        settle(&counters, 20, FOUND);
        let ended = read(&counters);
        assert_eq!((ended.files_delivered, ended.bytes_delivered, ended.files_present), (2, 30, 0));
    }

    #[test]
    fn a_session_lost_before_it_found_them_forgets_no_delivered_file() {
        let counters = Counters::default();
        settle(&counters, 10, DELIVERED);
        counters.start_over();
        counters.start_over();
        settle(&counters, 10, FOUND);
        assert_eq!((read(&counters).files_delivered, read(&counters).files_present), (1, 0));
    }

    #[test]
    fn what_is_lacking_takes_nothing_from_what_was_resumed_of_others() {
        let counters = Counters::default();
        let (one, two) = (EntryId(1), EntryId(2));
        counters.count_file(100);
        counters.count_file(200);
        counters.count_resumed(one, 40);
        counters.count_resumed(two, 50);
        counters.count_bytes(150);
        // All of the second is to be sent again.
        counters.lack(two, 200);
        assert_eq!((read(&counters).bytes_done, read(&counters).bytes_resumed), (40, 40));
        // Some of the first is not good.
        counters.lack(one, 30);
        assert_eq!((read(&counters).bytes_done, read(&counters).bytes_resumed), (10, 10));
        counters.count_bytes(290);
        counters.settle_resumed(one, &DELIVERED);
        counters.settle_resumed(two, &DELIVERED);
        assert_eq!((read(&counters).bytes_done, read(&counters).bytes_resumed), (300, 10));
    }

    #[test]
    fn only_files_that_are_delivered_count_as_resumed_in_the_end() {
        let counters = Counters::default();
        let fates = [DELIVERED, FOUND, Fate::Failed(Reason::Io)];
        for (number, fate) in (1..).zip(&fates) {
            counters.count_resumed(EntryId(number), 10);
            counters.settle_resumed(EntryId(number), fate);
        }
        counters.settle_resumed(EntryId(9), &FOUND);
        assert_eq!((read(&counters).bytes_done, read(&counters).bytes_resumed), (30, 10));
    }
}

//! What the sink's session thread does beside the lanes: it gives complete files their names, many to
//! a flush, and checks what earlier sessions have left.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hawser_protocol::error::ContentHash;
use hawser_protocol::manifest::EntryId;
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::length;
use hawser_protocol::receiver::ReceiverEvent;

use crate::Error;
use crate::delivery::Delivery;
use crate::descriptors;
use crate::disk::{Checked, Completed};
use crate::job::Durability;
use crate::session::{Awaited, Session};
use crate::sink_side::SinkSide;
use crate::transfer::lock;

/// How long to sleep at most while entries are unsettled; waking early is harmless.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);

/// Complete files wait so long for others to be flushed with, unless nothing else is under way.
const GATHER: Duration = Duration::from_millis(200);

/// So many do not wait: the source may have no more than a few times as many unsettled.
const ENOUGH: usize = 4096;

/// Work that the lanes leave for the session's own thread.
pub(crate) struct SinkWork {
    queues: Mutex<Queues>,
    /// So many complete files may be open.
    most_open: usize,
}

#[derive(Default)]
struct Queues {
    /// Files that are wanted and not settled.
    under_way: usize,
    /// Complete files that have not got their names: each is open, and locked.
    open: usize,
    /// Complete files, which are to be flushed and named.
    complete: Vec<(EntryId, ContentHash)>,
    /// When the first of them was.
    since: Option<Instant>,
    /// Files of which something should be here.
    checks: VecDeque<EntryId>,
}

/// The next thing to do.
enum Next {
    Place(Vec<(EntryId, ContentHash)>),
    Check(EntryId),
    Wait(Duration),
}

/// What a lane has to do about a file that it has completed.
enum Duty {
    /// Nothing: it waits for others.
    None,
    /// To wake the thread that names it.
    Wake,
    /// To name all of these itself, for too many are waiting.
    Place(Vec<(EntryId, ContentHash)>),
}

impl SinkWork {
    /// None yet.
    pub fn new() -> Self {
        Self { queues: Mutex::default(), most_open: descriptors::quarter() }
    }

    /// Another file is wanted.
    pub fn begin(&self) {
        self.lock().under_way += 1;
    }

    /// A file that was wanted is settled. Returns whether those that are complete wait for no other now.
    pub fn end(&self) -> bool {
        let mut queues = self.lock();
        queues.under_way = queues.under_way.saturating_sub(1);
        !queues.complete.is_empty() && queues.is_enough()
    }

    /// A file is complete. The thread that names it is not woken for each.
    fn complete(&self, id: EntryId, hash: ContentHash) -> Duty {
        let mut queues = self.lock();
        queues.complete.push((id, hash));
        queues.open += 1;
        if queues.open > self.most_open {
            return Duty::Place(queues.take());
        }
        let is_first = queues.since.is_none();
        queues.since.get_or_insert_with(Instant::now);
        if is_first || queues.is_enough() { Duty::Wake } else { Duty::None }
    }

    /// So many complete files have their names, or have failed.
    fn placed(&self, count: usize) {
        let mut queues = self.lock();
        queues.open = queues.open.saturating_sub(count);
    }

    /// Something should be here of a file.
    pub fn check(&self, id: EntryId) {
        self.lock().checks.push_back(id);
    }

    fn next(&self) -> Next {
        let mut queues = self.lock();
        let waited = queues.since.map_or(Duration::ZERO, |since| since.elapsed());
        if !queues.complete.is_empty() && (queues.is_enough() || waited >= GATHER) {
            return Next::Place(queues.take());
        }
        match queues.checks.front() {
            Some(id) => Next::Check(*id),
            None if queues.complete.is_empty() => Next::Wait(SETTLE_PATIENCE),
            None => Next::Wait(GATHER.saturating_sub(waited)),
        }
    }

    fn end_check(&self) {
        self.lock().checks.pop_front();
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        lock(&self.queues)
    }
}

impl Queues {
    /// Whether those that are complete need not wait for more: there are no others, or many.
    fn is_enough(&self) -> bool {
        self.complete.len() >= self.under_way.min(ENOUGH)
    }

    fn take(&mut self) -> Vec<(EntryId, ContentHash)> {
        self.since = None;
        std::mem::take(&mut self.complete)
    }
}

impl Delivery {
    /// Works until everything is settled; `false` when the session has ended before.
    pub(crate) fn settle_all(&self, session: &Session<SinkSide>) -> bool {
        loop {
            let mut state = session.state();
            if state.is_ended() {
                return false;
            }
            if state.machine.is_settled() {
                return true;
            }
            state.has_work = false;
            match self.work.next() {
                Next::Place(batch) => {
                    drop(state);
                    self.place_all(session, &batch);
                }
                Next::Check(id) => {
                    drop(state);
                    self.check(session, id);
                }
                Next::Wait(patience) => drop(session.wait(Awaited::Work, state, patience)),
            }
        }
    }

    /// A file of which all chunks are here. Those that are to be flushed first wait for others.
    pub(crate) fn complete(&self, session: &Session<SinkSide>, id: EntryId, hash: ContentHash) {
        let info = self.sink.info(id);
        // An empty file has one chunk, too: without bytes, and so without a DATA frame.
        let size = info.as_ref().map_or(0, |info| info.size);
        let written = if size == 0 { self.sink.write_chunk(id, 0, &[]) } else { Ok(()) };
        match written.and_then(|()| self.sink.complete(id, hash)) {
            Ok(Completed::Ready) if self.durability == Durability::None => self.place(session, id, hash),
            Ok(Completed::Ready) => match self.work.complete(id, hash) {
                Duty::None => {}
                Duty::Wake => session.leave_work(),
                Duty::Place(batch) => self.place_all(session, &batch),
            },
            Ok(Completed::Same(_)) => {
                self.settle_placed(session, id, info, Placed::Present, hash);
            }
            Ok(again @ (Completed::StartOver | Completed::Differs)) => {
                if again == Completed::StartOver {
                    session.transfer.count_restarted();
                }
                session.transfer.lack(id, size);
                let mut state = session.state();
                let given_up = state.machine.start_over(id, size);
                session.wake(&mut state);
                drop(state);
                if let Some(ReceiverEvent::GivenUp(id, reason)) = given_up {
                    self.fail(session, id, reason);
                }
            }
            Err(reason) => self.fail(session, id, reason),
        }
    }

    /// Gives complete files their names: first what is in them is flushed, all at once, so that even
    /// after a loss of power nothing has a name that is not whole.
    fn place_all(&self, session: &Session<SinkSide>, batch: &[(EntryId, ContentHash)]) {
        if !self.flush(session) {
            return;
        }
        if self.durability != Durability::File {
            batch.iter().for_each(|(id, hash)| self.place(session, *id, *hash));
            return self.work.placed(batch.len());
        }
        let placed: Vec<_> = batch.iter().map(|(id, hash)| (*id, *hash, self.name(*id, *hash))).collect();
        self.work.placed(batch.len());
        if self.flush(session) {
            placed.into_iter().for_each(|(id, hash, (info, placed))| match placed {
                Ok(placed) => self.settle_placed(session, id, info, placed, hash),
                Err(reason) => self.fail(session, id, reason),
            });
        }
    }

    /// Flushes everything; if that fails, nothing that was written can be relied on.
    pub(crate) fn flush(&self, session: &Session<SinkSide>) -> bool {
        let flushed = if self.durability == Durability::None { Ok(()) } else { self.sink.flush() };
        flushed.map_err(|error| session.end(Err(Error::disk("flush", &self.directory, &error)))).is_ok()
    }

    /// Reads the next of what should be here of a file.
    fn check(&self, session: &Session<SinkSide>, id: EntryId) {
        let checked = self.sink.check_next(id);
        let mut refused = None;
        let mut state = session.state();
        let complete = match checked {
            Some(Checked::Good(length)) => state.machine.written(id, length),
            Some(Checked::Bad) => None,
            Some(Checked::Done(bad)) => {
                self.work.end_check();
                if !bad.is_empty() {
                    let size = self.sink.info(id).map_or(0, |info| info.size);
                    session.transfer.lack(id, length(&bad, size));
                    state.machine.lacks(id, bad);
                }
                None
            }
            Some(Checked::Refused(reason)) => {
                self.work.end_check();
                refused = Some(reason);
                None
            }
            None => {
                self.work.end_check();
                None
            }
        };
        session.wake(&mut state);
        drop(state);
        if let Some(reason) = refused {
            self.fail(session, id, reason);
        }
        if let Some(ReceiverEvent::Complete(id, hash)) = complete {
            self.complete(session, id, hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: ContentHash = ContentHash([0; 32]);

    fn work(most_open: usize, under_way: usize) -> SinkWork {
        let work = SinkWork { most_open, ..SinkWork::new() };
        (0..under_way).for_each(|_| work.begin());
        work
    }

    fn placed(next: Next) -> usize {
        if let Next::Place(batch) = next { batch.len() } else { 0 }
    }

    #[test]
    fn complete_files_wait_for_others_but_not_when_there_are_none() {
        let work = work(100, 3);
        assert!(matches!(work.next(), Next::Wait(SETTLE_PATIENCE)));
        assert!(matches!(work.complete(EntryId(1), HASH), Duty::Wake), "from now on the time counts");
        assert!(matches!(work.next(), Next::Wait(patience) if patience <= GATHER));
        assert!(matches!(work.complete(EntryId(2), HASH), Duty::None));
        assert!(matches!(work.complete(EntryId(3), HASH), Duty::Wake), "nothing else is under way");
        assert_eq!(placed(work.next()), 3);
    }

    #[test]
    fn a_file_that_fails_keeps_none_waiting() {
        let work = work(100, 3);
        work.complete(EntryId(1), HASH);
        assert!(!work.end(), "one more is under way");
        assert!(work.end());
        assert_eq!(placed(work.next()), 1);
        assert!(!work.end(), "nothing is complete");
    }

    #[test]
    fn a_lane_names_what_it_completes_while_too_many_are_open() {
        let work = work(2, 100);
        assert!(matches!(work.complete(EntryId(1), HASH), Duty::Wake));
        assert!(matches!(work.complete(EntryId(2), HASH), Duty::None));
        let Duty::Place(batch) = work.complete(EntryId(3), HASH) else { panic!("three are too many") };
        assert_eq!(batch.len(), 3);
        assert!(matches!(work.complete(EntryId(4), HASH), Duty::Place(batch) if batch.len() == 1));
        work.placed(4);
        assert!(matches!(work.complete(EntryId(5), HASH), Duty::Wake), "the first of others");
    }

    #[test]
    fn what_is_complete_comes_before_what_is_to_be_checked() {
        let work = work(100, 2);
        work.check(EntryId(2));
        assert!(matches!(work.next(), Next::Check(EntryId(2))));
        work.complete(EntryId(1), HASH);
        assert!(matches!(work.next(), Next::Check(EntryId(2))), "it waits for the other one");
        work.end();
        assert_eq!(placed(work.next()), 1);
        work.end_check();
        assert!(matches!(work.next(), Next::Wait(SETTLE_PATIENCE)));
    }
}

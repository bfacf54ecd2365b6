//! A sink that writes: lanes that hash and write, and the disk's decisions.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::handshake::SessionId;
use hawser_protocol::identity::PublicKey;
use hawser_protocol::manifest::{Entry, EntryId, Kind};
use hawser_protocol::message::Placed;
use hawser_protocol::ranges::{ChunkRange, length};
use hawser_protocol::receiver::{Decision, ReceiverEvent};
use hawser_protocol::sender::Fate;

use crate::confine::Confinement;
use crate::declined::Declined;
use crate::disk::{self, Claim, Info, Sink, Taken};
use crate::job::{Durability, Requests, in_use};
use crate::offer::Accepted;
use crate::quota::Quota;
use crate::session::{Awaited, Flow, Session};
use crate::sink_side::SinkSide;
use crate::sink_work::SinkWork;
use crate::target::TargetFolder;
use crate::transfer::lock;
use crate::{EntryKind, Error, Settled};

/// How long a source that has been told that all is done may stay.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(60);

/// Where and how a session writes.
pub(crate) struct Plan {
    pub directory: PathBuf,
    pub durability: Durability,
    pub requests: Requests,
    /// That folder, if its user chooses no other.
    pub target: TargetFolder,
    pub id: SessionId,
    pub peer: PublicKey,
    /// What this side, if it has dialled, goes on with.
    pub continues: Option<SessionId>,
    /// How much the peer may bring.
    pub quota: Arc<Quota>,
}

/// A sink that may write.
pub(crate) struct Delivery {
    pub sink: Sink,
    /// It sees nothing but its folder.
    pub confinement: Confinement,
    /// For messages only; no file is ever opened by it.
    pub directory: PathBuf,
    pub durability: Durability,
    /// Whether each file is read again before it gets its name.
    pub rereads: AtomicBool,
    pub work: SinkWork,
    /// What its user does not want.
    declined: Declined,
    /// Keeps listeners from receiving into the same folder, if nothing else does.
    claim: Mutex<Option<Claim>>,
}

impl Delivery {
    /// Opens the folder of the plan, or another if that was chosen.
    ///
    /// # Errors
    /// [`Error::Disk`] when it cannot be made or opened, [`Error::FolderInUse`].
    pub fn open(plan: &Plan, accepted: Option<Accepted>) -> Result<Self, Error> {
        let (chosen, drops) = match accepted {
            Some(Accepted { directory, drops, .. }) => (directory, drops),
            None => (None, Vec::new()),
        };
        let chosen = chosen.filter(|chosen| !is_same(chosen, &plan.directory));
        let is_claimed = plan.target.is_claimed() && chosen.is_none();
        let target = if chosen.is_some() { TargetFolder::default() } else { plan.target.clone() };
        let directory = chosen.unwrap_or_else(|| plan.directory.clone());
        let failed = |error| Error::disk("open", &directory, &error);
        let target = target.open(&directory).map_err(failed)?;
        let claim = if is_claimed { None } else { Some(Claim::shared(&target)) };
        let claim = claim.transpose().map_err(|Taken| in_use(&directory))?;
        let sink = Sink::within(target, plan.id.0, plan.peer.0, plan.quota.clone()).map_err(failed)?;
        if let Some(earlier) = plan.continues {
            sink.go_on(earlier.0);
        }
        if plan.requests.compare {
            sink.compare_contents();
        }
        Ok(Self {
            confinement: sink.confinement()?,
            sink,
            directory,
            durability: plan.durability,
            rereads: AtomicBool::new(plan.requests.reread),
            work: SinkWork::new(),
            declined: Declined::new(&drops),
            claim: Mutex::new(claim),
        })
    }

    /// Does what a frame of the source asks for.
    pub fn handle(&self, session: &Session<SinkSide>, event: ReceiverEvent) -> Flow {
        match event {
            ReceiverEvent::Hello(hello) => {
                if hello.requests.compare {
                    self.sink.compare_contents();
                }
                self.rereads.fetch_or(hello.requests.reread, Ordering::Relaxed);
                if let Some(earlier) = hello.continues {
                    self.sink.go_on(earlier.0);
                }
                // A session that was killed may have given names that are not on disk yet.
                if self.durability == Durability::File && !self.flush(session) {
                    return Flow::Continue;
                }
                session.transfer.introduce(hello.label, hello.continues);
            }
            ReceiverEvent::Offered(id, entry) => self.decide(session, id, &entry),
            ReceiverEvent::Skipped(path, reason) => skip(session, path, reason),
            ReceiverEvent::Left(folder) => self.leave(session, folder),
            ReceiverEvent::Refused { id, parent, name, reason } => {
                self.refuse(session, id, parent, &name, reason);
            }
            ReceiverEvent::GivenUp(id, reason) => self.fail(session, id, reason),
            ReceiverEvent::Complete(id, hash) => self.complete(session, id, hash),
            ReceiverEvent::Closed(close) => return session.handle_close(close),
        }
        Flow::Continue
    }

    /// All of a page has been decided about.
    pub fn end_page(&self, session: &Session<SinkSide>) {
        let mut state = session.state();
        state.machine.end_page();
        session.wake(&mut state);
    }

    /// Closes what is open. No lane is left.
    pub fn close(&self) {
        self.sink.close();
        lock(&self.claim).take();
    }

    /// All is on disk. Whether the source hears of it is not this side's concern: it has some time
    /// to say goodbye, and that is that.
    pub fn say_done(&self, session: &Session<SinkSide>) {
        let mut state = session.state();
        state.machine.finish();
        session.wake(&mut state);
        let until = Instant::now() + GOODBYE_PATIENCE;
        while !state.is_ended() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            state = session.wait(Awaited::End, state, left);
        }
        drop(state);
        session.end(Ok(()));
    }

    pub fn write(&self, session: &Session<SinkSide>, id: EntryId, offset: u64, bytes: &[u8]) {
        if let Err(reason) = self.sink.write_chunk(id, offset, bytes) {
            return self.fail(session, id, reason);
        }
        let length = bytes.len() as u32;
        session.transfer.count_bytes(length.into());
        let complete = session.state().machine.written(id, length);
        if let Some(ReceiverEvent::Complete(id, hash)) = complete {
            self.complete(session, id, hash);
        }
    }

    /// Refuses what only its bytes had to be looked at for.
    fn refuse(&self, session: &Session<SinkSide>, id: EntryId, parent: EntryId, name: &[u8], reason: Reason) {
        let name = String::from_utf8_lossy(name);
        let path = match self.sink.info(parent) {
            Some(folder) => format!("{}/{name}", folder.path),
            None => name.into_owned(),
        };
        session.transfer.settle(Settled {
            path,
            kind: EntryKind::Other,
            size: 0,
            fate: Fate::Failed(reason),
        });
        let mut state = session.state();
        let folder = state.machine.decide(id, Decision::Refuse(reason));
        session.wake(&mut state);
        drop(state);
        self.finish_folders(session, folder);
    }

    /// Looks at the disk for an offered entry and says what came of it.
    fn decide(&self, session: &Session<SinkSide>, id: EntryId, entry: &Entry) {
        if let Kind::File { size } = entry.kind {
            session.transfer.count_file(size);
        }
        let offered = if self.declined.contains(id, entry) {
            self.sink.decline(id, entry);
            disk::Decision::Refused(Reason::Declined)
        } else {
            self.sink.offer(id, entry)
        };
        let decision = match offered {
            disk::Decision::Want => Decision::Accept,
            disk::Decision::Resume(held) => resume(session, id, entry, held),
            // A folder is settled only when everything in it is.
            disk::Decision::Placed(_) if entry.kind == Kind::Folder => Decision::Accept,
            disk::Decision::Placed(placed) => Decision::Placed(placed),
            disk::Decision::Refused(reason) => Decision::Refuse(reason),
        };
        let fate = match &decision {
            Decision::Accept | Decision::Resume(_) => None,
            Decision::Placed(placed) => Some(Fate::Placed(placed.clone(), None)),
            Decision::Refuse(reason) => Some(Fate::Failed(*reason)),
        };
        if let Some(fate) = fate {
            report(session, self.sink.info_of(entry), fate);
        } else if entry.kind != Kind::Folder {
            self.work.begin();
        }
        let checks = matches!(&decision, Decision::Resume(held) if !held.is_empty());
        let mut state = session.state();
        let folder = state.machine.decide(id, decision);
        if checks {
            self.work.check(id);
            state.has_work = true;
        }
        session.wake(&mut state);
        drop(state);
        self.finish_folders(session, folder);
    }

    /// The source has left a folder. A refused one was known only until now.
    fn leave(&self, session: &Session<SinkSide>, folder: EntryId) {
        self.declined.leave(folder);
        let mut state = session.state();
        let finished = state.machine.leave(folder);
        let refused = !state.machine.is_unsettled(folder);
        drop(state);
        if refused {
            // Nothing to finish: it has been reported when it was refused.
            let _ = self.sink.finish_folder(folder);
        }
        self.finish_folders(session, finished);
    }

    /// Gives a complete file its name, and settles it.
    pub(crate) fn place(&self, session: &Session<SinkSide>, id: EntryId, hash: ContentHash) {
        match self.name(id, hash) {
            (info, Ok(placed)) => self.settle_placed(session, id, info, placed, hash),
            (_, Err(reason)) => self.fail(session, id, reason),
        }
    }

    /// Gives a complete file its name, having read it again if that is asked for.
    pub(crate) fn name(&self, id: EntryId, hash: ContentHash) -> (Option<Info>, Result<Placed, Reason>) {
        let info = self.sink.info(id);
        let reread = if self.rereads.load(Ordering::Relaxed) { self.sink.reread(id, hash) } else { Ok(()) };
        (info, reread.and_then(|()| self.sink.place(id, hash)))
    }

    /// Settles a file that has its name.
    pub(crate) fn settle_placed(
        &self,
        session: &Session<SinkSide>,
        id: EntryId,
        info: Option<Info>,
        placed: Placed,
        hash: ContentHash,
    ) {
        let folder = self.settle(session, id, Ok(placed.clone()));
        let fate = Fate::Placed(placed, Some(hash));
        session.transfer.settle_resumed(id, &fate);
        if let Some(info) = info {
            report(session, info, fate);
        }
        self.finish_folders(session, folder.flatten());
    }

    /// Gives up on a file that was accepted, and removes what there is of it.
    ///
    /// Several lanes may find the same disk full. The first settles the file, and only then is it
    /// removed: what the others run into after that is not the reason.
    pub(crate) fn fail(&self, session: &Session<SinkSide>, id: EntryId, reason: Reason) {
        let Some(folder) = self.settle(session, id, Err(reason)) else { return };
        let info = self.sink.info(id);
        self.sink.discard(id, reason);
        session.transfer.settle_resumed(id, &Fate::Failed(reason));
        if let Some(info) = info {
            report(session, info, Fate::Failed(reason));
        }
        self.finish_folders(session, folder);
    }

    /// Settles a file, unless it is settled. Answers the folder that can be finished now, if any.
    #[expect(clippy::option_option, reason = "whether it was settled, and what that completes")]
    fn settle(
        &self,
        session: &Session<SinkSide>,
        id: EntryId,
        result: Result<Placed, Reason>,
    ) -> Option<Option<EntryId>> {
        let mut state = session.state();
        if !state.machine.is_unsettled(id) {
            return None;
        }
        let folder = state.machine.place(id, result);
        session.wake(&mut state);
        drop(state);
        if self.work.end() {
            session.leave_work();
        }
        Some(folder)
    }

    /// Finishes a folder in which everything is settled, and the one around it if it was the last.
    fn finish_folders(&self, session: &Session<SinkSide>, mut folder: Option<EntryId>) {
        while let Some(id) = folder {
            let info = self.sink.info(id);
            let result = self.sink.finish_folder(id);
            let mut state = session.state();
            folder = state.machine.place(id, result.clone());
            session.wake(&mut state);
            drop(state);
            if let Some(info) = info {
                let placed = |placed| Fate::Placed(placed, None);
                report(session, info, result.map_or_else(Fate::Failed, placed));
            }
        }
    }
}

fn report(session: &Session<SinkSide>, info: Info, fate: Fate) {
    session.transfer.settle(Settled { path: info.path, kind: info.kind.into(), size: info.size, fate });
}

/// Counts what should be here of a file from an earlier session.
fn resume(session: &Session<SinkSide>, id: EntryId, entry: &Entry, held: Vec<ChunkRange>) -> Decision {
    let Kind::File { size } = entry.kind else { return Decision::Accept };
    if held.is_empty() {
        session.transfer.count_restarted();
    }
    session.transfer.count_resumed(id, length(&held, size));
    Decision::Resume(held)
}

/// Reports what the source does not offer.
pub(crate) fn skip(session: &Session<SinkSide>, path: String, reason: Reason) {
    let fate = Fate::Failed(reason);
    session.transfer.settle(Settled { path, kind: EntryKind::Other, size: 0, fate });
}

/// Whether two paths lead to one folder that is there.
fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

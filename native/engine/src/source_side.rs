//! The source's side of a session: the walk, and lanes that read, hash and seal.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::frame::{FrameClass, FrameType, HEADER_BYTES, Header};
use hawser_protocol::limits::{CHUNK_BYTES, MAX_ENTRIES};
use hawser_protocol::link::{Chunk, LaneId};
use hawser_protocol::manifest::{Entry, EntryId, Kind};
use hawser_protocol::ranges::ChunkRange;
use hawser_protocol::sender::{END_BYTES, Fate, Outgoing, Sender, SenderEvent, end_frame};

use crate::confine::Confinement;
use crate::disk::{Manifest, Skipped, Source, Stopped};
use crate::lane::Record;
use crate::session::{Awaited, Flow, Session, Side, State};
use crate::transfer::lock;
use crate::{EntryKind, Error, Settled};

/// How long to sleep at most while there is nothing to do; waking early is harmless.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct SourceSide {
    pub source: Source,
    /// Chunks that the sink has from earlier sessions, and that are still to be read for the hash of
    /// their file.
    pub held: Mutex<VecDeque<(EntryId, ChunkRange)>>,
    /// It writes nothing.
    pub confinement: Confinement,
}

impl Side for SourceSide {
    type Machine = Sender;
    const HAS_LAST_WORD: bool = true;

    fn confine(&self) -> Result<(), Error> {
        self.confinement.bind_thread()
    }

    fn drive(&self, session: &Arc<Session<Self>>) {
        if self.source.walk(&mut Offers { session }).is_err() {
            return;
        }
        session.transfer.set_walked();
        let mut state = session.state();
        state.machine.end_manifest();
        session.wake(&mut state);
        while !state.is_ended() {
            state.has_work = false;
            if let Some(chunk) = self.next_held() {
                drop(state);
                self.hash_held(session, chunk);
                state = session.state();
            } else {
                state = session.wait(Awaited::Left, state, PATIENCE);
            }
        }
    }

    fn fill(&self, session: &Session<Self>, lane: LaneId, record: &mut Record) {
        let mut chunks = Vec::new();
        let mut state = session.state();
        let mut room = record.room();
        while let Some(next) = state.machine.next(lane, room) {
            match next {
                Outgoing::Frame(frame) => record.push(&frame),
                Outgoing::End(id, hash) => record.push(&end_frame(id, hash)),
                Outgoing::Chunk(chunk) => chunks.push(chunk),
            }
            // An END may follow each chunk, once it has been read and turned out to be the last.
            let reserved = |chunk: &Chunk| HEADER_BYTES + chunk.length as usize + END_BYTES;
            room = record.room().saturating_sub(chunks.iter().map(reserved).sum());
        }
        // The walk may wait for this.
        session.wake(&mut state);
        drop(state);
        let mut ends = Vec::new();
        for chunk in chunks {
            let hash = self.read_chunk(session, record, chunk);
            ends.extend(hash.map(|hash| (chunk.entry, hash)));
        }
        if ends.is_empty() {
            return;
        }
        let mut state = session.state();
        for (id, hash) in ends {
            if state.machine.end(lane, id, hash) {
                record.push(&end_frame(id, hash));
            }
        }
        session.wake(&mut state);
    }

    fn handle(
        &self,
        session: &Session<Self>,
        lane: LaneId,
        header: Header,
        payload: &[u8],
    ) -> Result<Flow, Error> {
        let mut state = session.state();
        let events = state.machine.handle_frame(lane, header, payload)?;
        session.wake(&mut state);
        drop(state);
        if let Some(SenderEvent::Hello(hello)) = events.first() {
            session.vet(&hello.label)?;
        } else if header.kind.class() == FrameClass::Control && header.kind != FrameType::Hello {
            // A sink says nothing of entries before it may write.
            session.transfer.set_accepted();
        }
        for event in events {
            match event {
                SenderEvent::Hello(hello) => session.transfer.introduce(hello.label, hello.continues),
                SenderEvent::Held(id, held, bytes) => {
                    session.transfer.count_resumed(id, bytes);
                    self.hold(session, id, held);
                }
                SenderEvent::StartedOver(_) => session.transfer.count_restarted(),
                SenderEvent::Lacking(id, bytes) => session.transfer.lack(id, bytes),
                SenderEvent::Arrived(bytes) => session.transfer.count_bytes(bytes),
                SenderEvent::Settled(id, fate) => self.settle(session, id, fate),
                SenderEvent::Finished => session.end(Ok(())),
                SenderEvent::Closed(close) => return Ok(session.handle_close(close)),
            }
        }
        Ok(Flow::Continue)
    }

    fn finish(&self, session: &Session<Self>) {
        for (id, hash) in session.state().machine.unanswered() {
            if let Some(info) = self.source.info(id) {
                session.transfer.note_unheard(info.path, hash);
            }
        }
    }
}

impl SourceSide {
    /// Reads a chunk into the record behind its header; with its file's hash if it was the last one
    /// missing.
    fn read_chunk(&self, session: &Session<Self>, record: &mut Record, chunk: Chunk) -> Option<ContentHash> {
        let length = chunk.length as usize;
        let frame = record.spare(HEADER_BYTES + length);
        let (header, bytes) = frame.split_at_mut(HEADER_BYTES);
        header.copy_from_slice(&chunk.header().to_bytes());
        match self.source.read_chunk(chunk.entry, chunk.offset, bytes) {
            Ok(hash) => {
                if length > 0 {
                    record.keep(HEADER_BYTES + length);
                }
                hash
            }
            Err(reason) => {
                self.fail(session, chunk.entry, reason);
                None
            }
        }
    }

    /// Has the chunks that the sink holds read for their file's hash, by the session's own thread.
    fn hold(&self, session: &Session<Self>, id: EntryId, held: Vec<ChunkRange>) {
        lock(&self.held).extend(held.into_iter().map(|range| (id, range)));
        session.leave_work();
    }

    fn next_held(&self) -> Option<(EntryId, u32)> {
        let mut held = lock(&self.held);
        let (id, range) = held.front_mut()?;
        let next = (*id, range.first);
        (range.first, range.count) = (range.first.saturating_add(1), range.count.saturating_sub(1));
        if range.count == 0 {
            held.pop_front();
        }
        Some(next)
    }

    fn hash_held(&self, session: &Session<Self>, (id, chunk): (EntryId, u32)) {
        match self.source.hash_chunk(id, u64::from(chunk) * u64::from(CHUNK_BYTES)) {
            Ok(Some(hash)) => {
                let mut state = session.state();
                state.machine.end_held(id, hash);
                session.wake(&mut state);
            }
            Ok(None) => {}
            Err(reason) => self.fail(session, id, reason),
        }
    }

    fn fail(&self, session: &Session<Self>, id: EntryId, reason: Reason) {
        let mut state = session.state();
        let failed = state.machine.fail(id, reason);
        session.wake(&mut state);
        drop(state);
        if let Some(SenderEvent::Settled(id, fate)) = failed {
            self.settle(session, id, fate);
        }
    }

    fn settle(&self, session: &Session<Self>, id: EntryId, fate: Fate) {
        let info = self.source.info(id);
        self.source.release(id);
        session.transfer.settle_resumed(id, &fate);
        if let Some(info) = info {
            session.transfer.settle(Settled {
                path: info.path,
                kind: info.kind.into(),
                size: info.size,
                fate,
            });
        }
    }
}

/// Where the walk's entries go: into the session, as fast as it has room for them.
struct Offers<'a> {
    session: &'a Session<SourceSide>,
}

impl Offers<'_> {
    fn wait_for_room(&self) -> Result<MutexGuard<'_, State<Sender>>, Stopped> {
        let mut state = self.session.state();
        while !state.machine.has_room() && !state.is_ended() {
            state.has_work = false;
            // What it waits for may be the hash of a file that is there already.
            if let Some(chunk) = self.session.side.next_held() {
                drop(state);
                self.session.side.hash_held(self.session, chunk);
                state = self.session.state();
            } else {
                state = self.session.wait(Awaited::Work, state, PATIENCE);
            }
        }
        if state.is_ended() { Err(Stopped) } else { Ok(state) }
    }
}

impl Manifest for Offers<'_> {
    fn offer(&mut self, _: EntryId, entry: Entry) -> Result<(), Stopped> {
        let mut state = self.wait_for_room()?;
        if state.machine.next_id().is_none() {
            drop(state);
            let limit = format!("one transfer takes {MAX_ENTRIES} entries at most");
            self.session.end(Err(Error::InvalidOption(limit)));
            return Err(Stopped);
        }
        if let Kind::File { size } = entry.kind {
            self.session.transfer.count_file(size);
        }
        state.machine.offer(&entry);
        self.session.wake(&mut state);
        Ok(())
    }

    fn leave(&mut self, folder: EntryId) -> Result<(), Stopped> {
        let mut state = self.session.state();
        state.machine.leave(folder);
        self.session.wake(&mut state);
        if state.is_ended() { Err(Stopped) } else { Ok(()) }
    }

    fn skip(&mut self, skipped: Skipped) -> Result<(), Stopped> {
        let Skipped { path, kind, reason } = skipped;
        let kind = kind.map_or(EntryKind::Other, EntryKind::from);
        let mut state = self.wait_for_room()?;
        state.machine.skip(path.clone(), reason);
        self.session.wake(&mut state);
        drop(state);
        self.session.transfer.settle(Settled { path, kind, size: 0, fate: Fate::Failed(reason) });
        Ok(())
    }
}

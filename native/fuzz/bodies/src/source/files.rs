//! The driver of the source's machine, and what it knows by itself of every entry: nothing is read
//! that was not asked for, and no end is believed that does not follow from that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hawser_protocol::error::{ContentHash, Reason};
use hawser_protocol::limits::{CHUNK_BYTES, MAX_REQUESTS, MAX_UNSETTLED};
use hawser_protocol::link::Chunk;
use hawser_protocol::manifest::{Entry, EntryId, Kind, LinkTarget, Mtime, Name};
use hawser_protocol::message::Message;
use hawser_protocol::ranges::ChunkRange;
use hawser_protocol::sender::{Fate, Sender, SenderEvent};

use crate::input::Input;

const CHUNK: u64 = CHUNK_BYTES as u64;

struct File {
    /// `None` for folders and links.
    size: Option<u64>,
    /// All of it was asked for, or these ranges of bytes.
    wanted: bool,
    missing: Vec<(u64, u64)>,
    /// Chunks that have been read, and whether that were all.
    read: BTreeSet<u64>,
    hashed: bool,
    /// Chunks handed out to be sent.
    handed_out: u64,
    settled: bool,
}

#[derive(Default)]
pub struct Files {
    entries: BTreeMap<EntryId, File>,
    /// The folders that the walk is in.
    folders: Vec<EntryId>,
    walked: bool,
    held: VecDeque<(EntryId, ChunkRange)>,
    /// Bytes that the sink has, as the user is told, and all there are.
    arrived: u64,
    offered_bytes: u64,
    /// What has been sent may be sent again: a lane was lost.
    repeats: bool,
}

impl Files {
    pub fn offered(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap()
    }

    pub fn sent_again(&mut self) {
        self.repeats = true;
    }

    /// Offers something, skips something, or leaves a folder.
    pub fn walk(&mut self, sender: &mut Sender, input: &mut Input<'_>) {
        if self.walked {
            return;
        }
        let form = input.u8() % 16;
        if form == 0 {
            return self.leave(sender);
        }
        if !sender.has_room() {
            return;
        }
        if form == 1 {
            return sender.skip("gone".into(), Reason::SourceGone);
        }
        let id = sender.next_id().unwrap();
        let parent = self.folders.last().copied().unwrap_or(EntryId::ROOT);
        let kind = match form {
            2 | 3 => Kind::Folder,
            4 => Kind::Link { target: LinkTarget::new(b"elsewhere").unwrap() },
            _ => Kind::File { size: size(input) },
        };
        let size = if let Kind::File { size } = kind { Some(size) } else { None };
        if kind == Kind::Folder {
            self.folders.push(id);
        }
        let name = Name::new(id.0.to_string().as_bytes()).unwrap();
        let mtime = Mtime { seconds: i64::MIN, nanoseconds: 0 };
        sender.offer(&Entry { parent, name, kind, mode: 0o600, mtime });
        self.offered_bytes += size.unwrap_or(0);
        let file = File {
            size,
            wanted: false,
            missing: Vec::new(),
            read: BTreeSet::new(),
            hashed: false,
            handed_out: 0,
            settled: false,
        };
        assert!(self.entries.insert(id, file).is_none());
        let unsettled = self.entries.values().filter(|file| !file.settled).count();
        assert!(unsettled <= MAX_UNSETTLED as usize, "the window has its limit");
    }

    fn leave(&mut self, sender: &mut Sender) {
        if let Some(folder) = self.folders.pop() {
            sender.leave(folder);
        }
    }

    pub fn end_walk(&mut self, sender: &mut Sender) {
        if !self.walked {
            while !self.folders.is_empty() {
                self.leave(sender);
            }
            self.walked = true;
            sender.end_manifest();
        }
    }

    /// The source cannot read something.
    pub fn fail(&mut self, sender: &mut Sender, id: EntryId) {
        match sender.fail(id, Reason::SourceChanged) {
            Some(event) => self.handle(event),
            None => {
                let over = |file: &File| file.settled || file.size.is_none();
                assert!(self.entries.get(&id).is_none_or(over));
            }
        }
    }

    /// The sink has asked for something, and the machine took it.
    pub fn asked(&mut self, message: &Message) {
        match message {
            Message::Want(entries) => {
                for id in entries {
                    self.entries.get_mut(id).expect("an entry that was offered").wanted = true;
                }
            }
            Message::Missing { id, chunks } => {
                let file = self.entries.get_mut(id).expect("an entry that was offered");
                let size = file.size.unwrap_or(0);
                // Of an empty file nothing can be missing.
                file.wanted |= size == 0;
                file.missing.extend(chunks.iter().map(|range| range.bytes(size)));
            }
            _ => {}
        }
    }

    /// A chunk is to be read and sent.
    pub fn check_chunk(&mut self, chunk: Chunk) {
        let file = self.entries.get_mut(&chunk.entry).expect("a file that was offered");
        let size = file.size.expect("a file");
        assert!(!file.settled, "a file that is settled is not read");
        assert!(chunk.offset.is_multiple_of(CHUNK));
        let left = size.checked_sub(chunk.offset).expect("a chunk of the file");
        assert_eq!(u64::from(chunk.length), left.min(CHUNK));
        let within = |&(start, end): &(u64, u64)| start <= chunk.offset && chunk.offset < end;
        let asked = file.wanted || file.missing.iter().any(within);
        assert!(asked, "{chunk:?} of a file that was not asked for");
        file.handed_out += 1;
        let most = size.div_ceil(CHUNK).max(1).saturating_mul(MAX_REQUESTS);
        assert!(file.handed_out <= most || self.repeats, "the same chunks again and again");
    }

    /// A hash is to be sent.
    pub fn check_end(&self, id: EntryId, hash: ContentHash) {
        let file = &self.entries[&id];
        assert!(file.hashed && hash == hash_of(id) && !file.settled);
    }

    /// A chunk has been read: the hash of its file if it was the last one.
    pub fn read(&mut self, chunk: Chunk) -> Option<ContentHash> {
        self.hash(chunk.entry, chunk.offset / CHUNK)
    }

    fn hash(&mut self, id: EntryId, chunk: u64) -> Option<ContentHash> {
        let file = self.entries.get_mut(&id)?;
        file.read.insert(chunk);
        let all = file.read.len() as u64 == file.size?.div_ceil(CHUNK).max(1);
        (all && !std::mem::replace(&mut file.hashed, true)).then(|| hash_of(id))
    }

    /// Reads a few of the chunks that the sink has.
    pub fn hash_held(&mut self, sender: &mut Sender, input: &mut Input<'_>) {
        for _ in 0..input.u8() {
            let Some((id, range)) = self.held.front_mut() else { return };
            let (id, chunk) = (*id, u64::from(range.first));
            (range.first, range.count) = (range.first + 1, range.count - 1);
            if range.count == 0 {
                self.held.pop_front();
            }
            if let Some(hash) = self.hash(id, chunk) {
                sender.end_held(id, hash);
            }
        }
    }

    pub fn handle(&mut self, event: SenderEvent) {
        match event {
            SenderEvent::Arrived(bytes) => {
                self.arrived = self.arrived.checked_add(bytes).expect("no more than there is");
            }
            SenderEvent::Held(id, chunks, bytes) => {
                let count = self.entries[&id].size.unwrap().div_ceil(CHUNK);
                assert!(chunks.iter().all(|range| range.count > 0 && u64::from(range.end()) <= count));
                self.held.extend(chunks.into_iter().map(|range| (id, range)));
                self.arrived += bytes;
            }
            SenderEvent::Lacking(_, bytes) => {
                self.arrived = self.arrived.checked_sub(bytes).expect("it had counted");
            }
            SenderEvent::StartedOver(id) => assert!(!self.entries[&id].settled),
            SenderEvent::Settled(id, fate) => {
                let file = self.entries.get_mut(&id).expect("an entry that was offered");
                assert!(!std::mem::replace(&mut file.settled, true), "{id:?} settled twice");
                if let Fate::Placed(_, Some(hash)) = fate {
                    assert!(file.hashed && hash == hash_of(id), "the hash of what was read");
                }
            }
            SenderEvent::Hello(_) | SenderEvent::Finished | SenderEvent::Closed(_) => {
                unreachable!("of no file")
            }
        }
        assert!(self.arrived <= self.offered_bytes, "more arrived than there is");
    }

    /// The sink vouches for all of it.
    pub fn check_finished(&self) {
        assert!(self.walked && self.entries.values().all(|file| file.settled));
    }
}

fn hash_of(id: EntryId) -> ContentHash {
    ContentHash([id.0 as u8; 32])
}

/// Sizes around those at which something changes. All files together have less than 2^64 bytes.
fn size(input: &mut Input<'_>) -> u64 {
    match input.u8() {
        0 => 0,
        1 => 1,
        2 => CHUNK - 1,
        3 => CHUNK,
        4 => CHUNK + 1,
        5 => (CHUNK << 32) - 1,
        6 => CHUNK << 32,
        chunks => u64::from(chunks) * 100_000,
    }
}

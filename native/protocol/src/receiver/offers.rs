//! What a source says of what it offers, and does not.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Receiver, ReceiverEvent};
use crate::error::{ContentHash, ProtocolError, Reason};
use crate::limits::{MAX_DEPTH, MAX_ENTRIES, NEEDLESS_FRAMES_PER_ENTRY};
use crate::manifest::{EntryId, Item, RawEntry, RawKind};
use crate::message::Summary;
use crate::unsettled::{Folder, State};

impl Receiver {
    pub(super) fn handle_manifest(
        &mut self,
        first: EntryId,
        items: Vec<Item>,
        page: &[u8],
    ) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        if self.end.is_some() || Some(first.0) != self.last.0.checked_add(1) {
            return Err(ProtocolError::Unexpected("manifest page"));
        }
        self.pages.update(page);
        let mut events = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Leave(folder) => {
                    if !self.unsettled.leave(folder) {
                        return Err(ProtocolError::Unexpected("folder"));
                    }
                    events.push(ReceiverEvent::Left(folder));
                }
                Item::Entry(raw) => events.push(self.handle_entry(*raw)?),
            }
        }
        Ok(events)
    }

    fn handle_entry(&mut self, raw: RawEntry) -> Result<ReceiverEvent, ProtocolError> {
        let id = EntryId(self.last.0.saturating_add(1));
        if id.0 > MAX_ENTRIES {
            return Err(ProtocolError::Limit("entries"));
        }
        // A refused folder is settled for the source, but known here until the source has left it:
        // the folders around the deepest entry, and that one too if it is a folder.
        let most = self.window.entries().saturating_add(MAX_DEPTH.into());
        if u32::try_from(self.unsettled.len()).is_ok_and(|count| count > most) {
            return Err(ProtocolError::Limit("unsettled entries"));
        }
        let state = match raw.kind {
            RawKind::File { size } => State::Offered(Some(size)),
            RawKind::Folder => State::Folder(Folder::default()),
            RawKind::Link { .. } => State::Offered(None),
        };
        if !self.unsettled.add(id, raw.parent, state) {
            return Err(ProtocolError::Unexpected("parent"));
        }
        self.last = id;
        self.link.forgive(NEEDLESS_FRAMES_PER_ENTRY);
        Ok(match raw.judge() {
            Ok(entry) => ReceiverEvent::Offered(id, entry),
            Err(reason) => ReceiverEvent::Refused { id, parent: raw.parent, name: raw.name, reason },
        })
    }

    pub(super) fn handle_skipped(
        &mut self,
        path: String,
        reason: Reason,
    ) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        self.skipped = self.skipped.saturating_add(1);
        if self.skipped > MAX_ENTRIES {
            return Err(ProtocolError::Limit("skipped entries"));
        }
        Ok(alloc::vec![ReceiverEvent::Skipped(path, reason)])
    }

    pub(super) fn handle_manifest_end(
        &mut self,
        summary: Summary,
    ) -> Result<Vec<ReceiverEvent>, ProtocolError> {
        let ours = Summary { entries: self.last.0, manifest: ContentHash(*self.pages.finalize().as_bytes()) };
        if self.end.is_some() || summary != ours || self.unsettled.has_open_folder() {
            return Err(ProtocolError::Unexpected("end of the manifest"));
        }
        self.end = Some(summary);
        Ok(Vec::new())
    }
}

//! The umask, which belongs to the whole process: so this is one.
#![cfg(unix)]

use std::os::unix::fs::MetadataExt;

use hawser_engine::disk::{Decision, Sink};
use hawser_protocol::error::ContentHash;
use hawser_protocol::manifest::{Entry, EntryId, Kind, Mtime, Name};

#[test]
fn the_umask_is_honoured_for_files_and_folders() {
    let mtime = Mtime { seconds: 0, nanoseconds: 0 };
    let mut id = 0;
    for umask in [0o000_u32, 0o022, 0o027, 0o077] {
        let target = tempfile::tempdir().unwrap();
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask as _));
        let sink = Sink::open(target.path(), [0; 16], [0; 32]).unwrap();
        for mode in [0o777, 0o666, 0o555, 0o444, 0o640] {
            for kind in [Kind::File { size: 0 }, Kind::Folder] {
                id += 1;
                let name = Name::new(id.to_string().as_bytes()).unwrap();
                let entry = Entry { parent: EntryId::ROOT, name, kind, mode, mtime };
                if sink.offer(EntryId(id), &entry) == Decision::Want {
                    sink.write_chunk(EntryId(id), 0, b"").unwrap();
                    let hash = ContentHash(*blake3::hash(b"").as_bytes());
                    sink.complete(EntryId(id), hash).unwrap();
                    sink.place(EntryId(id), hash).unwrap();
                } else {
                    sink.finish_folder(EntryId(id)).unwrap();
                }
                let found = target.path().join(id.to_string()).metadata().unwrap().mode() & 0o7777;
                assert_eq!(found, u32::from(mode) & !umask, "{mode:o} under umask {umask:o}");
            }
        }
    }
}

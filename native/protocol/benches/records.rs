//! What the protocol's code costs per record and per frame: `cargo bench -p hawser-protocol`.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use std::hint::black_box;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use hawser_protocol::cipher::{HEADER_LENGTH, TAG_LENGTH};
use hawser_protocol::frame::{FrameType, Frames, encode};
use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::manifest::EntryId;

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/crypto/meeting.rs"]
mod meeting;

/// Bytes of plaintext: a control frame, a small file, what others use, a chunk.
const PLAINTEXTS: [usize; 4] = [64, 4 << 10, 64 << 10, CHUNK_BYTES as usize];

fn main() {
    divan::main();
}

#[divan::bench(args = PLAINTEXTS)]
fn seal(bencher: Bencher, plaintext_bytes: usize) {
    let ((mut sealer, _), _) = meeting::first_lane();
    let mut record = vec![7; HEADER_LENGTH + plaintext_bytes + TAG_LENGTH];
    bencher
        .counter(BytesCount::new(plaintext_bytes))
        .bench_local(|| sealer.seal(black_box(&mut record)).unwrap());
}

/// With a copy of the sealed record in each turn, because opening is in place and each record opens only once.
#[divan::bench(args = PLAINTEXTS)]
fn open(bencher: Bencher, plaintext_bytes: usize) {
    let ((mut sealer, _), (_, mut opener)) = meeting::first_lane();
    bencher
        .counter(BytesCount::new(plaintext_bytes))
        .with_inputs(|| {
            let mut record = vec![7; HEADER_LENGTH + plaintext_bytes + TAG_LENGTH];
            sealer.seal(&mut record).unwrap();
            record
        })
        .bench_local_refs(|record| {
            let (header, body) = record.split_first_chunk_mut().unwrap();
            opener.open(*header, body).unwrap().len()
        });
}

#[divan::bench(args = [0, 64, 4 << 10])]
fn encode_frame(bencher: Bencher, payload_bytes: usize) {
    let payload = vec![7; payload_bytes];
    bencher.bench(|| encode(FrameType::Data, EntryId(1), 0, black_box(&payload)));
}

/// A record full of small files, the most frames that a record of data usually has.
#[divan::bench]
fn decode_64_frames_of_4_kib(bencher: Bencher) {
    let record = encode(FrameType::Data, EntryId(1), 0, &[7; 4 << 10]).repeat(64);
    bencher.counter(ItemsCount::new(64_usize)).bench(|| {
        let mut frames = Frames::new(black_box(&record));
        let mut payload_bytes = 0;
        while let Some((_, payload)) = frames.next_frame().unwrap() {
            payload_bytes += payload.len();
        }
        payload_bytes
    });
}

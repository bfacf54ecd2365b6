//! Sets of bytes and of chunks, against one flag for each.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop at the first surprise")]

use hawser_protocol::limits::CHUNK_BYTES;
use hawser_protocol::ranges::{ChunkRange, Ranges, chunk_count, complement, length};
use proptest::collection::vec;
use proptest::prelude::*;

const CHUNK: u64 = CHUNK_BYTES as u64;

/// The fewest ranges that cover the flags that are set.
fn covering(flags: &[bool]) -> Vec<ChunkRange> {
    let mut ranges: Vec<ChunkRange> = Vec::new();
    for (first, _) in (0..).zip(flags).filter(|(_, flag)| **flag) {
        match ranges.last_mut() {
            Some(last) if last.end() == first => last.count += 1,
            _ => ranges.push(ChunkRange { first, count: 1 }),
        }
    }
    ranges
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn ranges_agree_with_one_flag_a_byte(steps in vec((0..64_u64, 0..64_u64, any::<bool>()), 0..60)) {
        let mut ranges = Ranges::new();
        let mut flags = [false; 64];
        for (start, end, claims) in steps {
            let bytes = start as usize..end.max(start) as usize;
            if claims {
                let free = start < end && !flags[bytes.clone()].contains(&true);
                prop_assert_eq!(ranges.claim(start, end), free);
                if free {
                    flags[bytes].fill(true);
                }
            } else {
                ranges.release(start, end);
                flags[bytes].fill(false);
            }
            let covered = |byte: u64| ranges.iter().any(|(start, end)| (start..end).contains(&byte));
            prop_assert!((0..64).all(|byte| covered(byte) == flags[byte as usize]));
            let all: Vec<_> = ranges.iter().collect();
            prop_assert!(all.iter().all(|(start, end)| start < end), "empty: {:?}", all);
            prop_assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].0), "touching: {:?}", all);
        }
    }

    #[test]
    fn a_complement_has_every_chunk_that_the_ranges_do_not_have(flags in vec(any::<bool>(), 0..80)) {
        let others: Vec<_> = flags.iter().map(|flag| !flag).collect();
        prop_assert_eq!(complement(&covering(&flags), flags.len() as u32), covering(&others));
    }

    #[test]
    fn lengths_are_those_of_the_chunks_with_a_last_one_that_may_be_short(
        flags in vec(any::<bool>(), 1..80),
        last in 1..=CHUNK,
    ) {
        let size = (flags.len() as u64 - 1) * CHUNK + last;
        prop_assert_eq!(chunk_count(size), Some(flags.len() as u32));
        let of_chunk = |chunk| if chunk + 1 == flags.len() { last } else { CHUNK };
        let expected: u64 = flags.iter().enumerate().filter(|(_, flag)| **flag).map(|(at, _)| of_chunk(at)).sum();
        let ranges = covering(&flags);
        prop_assert_eq!(length(&ranges, size), expected);
        let bytes = ranges.iter().map(|range| range.bytes(size)).map(|(start, end)| end - start);
        prop_assert_eq!(bytes.sum::<u64>(), expected);
    }
}

#[test]
fn ranges_reach_to_the_end_of_the_number_line_and_refuse_what_is_backwards() {
    let mut ranges = Ranges::new();
    assert!(!ranges.claim(5, 5));
    assert!(!ranges.claim(5, 4));
    assert!(ranges.claim(u64::MAX - 1, u64::MAX));
    assert!(ranges.claim(0, u64::MAX - 1));
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, u64::MAX)]);
    ranges.release(5, 5);
    ranges.release(5, 4);
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, u64::MAX)]);
    ranges.release(1, u64::MAX - 1);
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 1), (u64::MAX - 1, u64::MAX)]);
    ranges.release(0, u64::MAX);
    assert_eq!(ranges, Ranges::new());
}

#[test]
fn chunks_are_numbered_up_to_a_petabyte() {
    let most = u64::from(u32::MAX) * CHUNK;
    assert_eq!(chunk_count(0), Some(0));
    assert_eq!(chunk_count(1), Some(1));
    assert_eq!(chunk_count(most), Some(u32::MAX));
    assert_eq!(chunk_count(most + 1), None);
    assert_eq!(chunk_count(u64::MAX), None);
    assert_eq!(complement(&[], 0), []);
    assert_eq!(complement(&[], u32::MAX), [ChunkRange { first: 0, count: u32::MAX }]);
    let beyond = ChunkRange { first: u32::MAX, count: u32::MAX };
    assert_eq!((beyond.end(), length(&[beyond], most)), (u32::MAX, 0));
}

//! What a session delivers, written down: `.hawser/records/<time>-<session>.b3` in the target.
//!
//! It is for looking again later, and nothing depends on it: a session goes on without one that
//! cannot be written.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;
use hawser_protocol::error::ContentHash;

use super::folders::Location;
use super::record_line::line;
use super::records::{MAX_RECORD_BYTES, Records};

/// How often to look at how much all records take.
const LOOK_EVERY_BYTES: u64 = 1024 * 1024;

/// The record of one session. The file is made when there is something to write.
#[derive(Debug)]
pub struct Record {
    target: Arc<Dir>,
    name: String,
    owner: [u8; 32],
    writing: Mutex<Writing>,
}

#[derive(Debug)]
struct Writing {
    /// The session that this one continues.
    earlier: Option<[u8; 16]>,
    state: State,
}

#[derive(Debug)]
enum State {
    NotYet,
    /// With the bytes that are in it.
    Open(Records, File, u64),
    /// Closed, or given up.
    Ended,
}

impl Record {
    /// That of `transfer` from the peer with the key `owner`, which begins now, into `target`. Nothing is
    /// created yet.
    pub fn new(target: Arc<Dir>, transfer: [u8; 16], owner: [u8; 32]) -> Self {
        let writing = Mutex::new(Writing { earlier: None, state: State::NotYet });
        Self { target, name: record_name(SystemTime::now(), &ending(owner, transfer)), owner, writing }
    }

    /// Goes on with the record of an earlier session of the same transfer, if there is one: what both
    /// deliver is one delivery to whoever looks again.
    pub fn go_on(&self, earlier: [u8; 16]) {
        self.lock().earlier = Some(earlier);
    }

    /// Writes down that the file with this hash is at `location`: at once, for what a killed session has
    /// named and not written down, nobody looks at again.
    pub fn add(&self, location: &Location, hash: ContentHash) {
        let line = line(&location.path(), hash);
        let mut writing = self.lock();
        if let State::NotYet = writing.state {
            let earlier = writing.earlier.map(|earlier| ending(self.owner, earlier));
            writing.state = match Records::begin(&self.target, &self.name, earlier.as_deref()) {
                Ok((records, mut file)) => {
                    let bytes = file.stream_position().unwrap_or(MAX_RECORD_BYTES);
                    State::Open(records, file, bytes)
                }
                Err(_) => State::Ended,
            };
        }
        let State::Open(records, file, bytes) = &mut writing.state else { return };
        let before = *bytes;
        *bytes = before.saturating_add(line.len() as u64);
        let looks = before / LOOK_EVERY_BYTES != *bytes / LOOK_EVERY_BYTES;
        if *bytes > MAX_RECORD_BYTES || (looks && records.are_too_large().unwrap_or(false)) {
            // Empty, it says that there is none: the one before would pass for that of this session.
            if file.set_len(0).is_ok() {
                writing.state = State::Ended;
                return;
            }
            self.give_up(&mut writing);
        } else if file.write_all(&line).is_err() {
            self.give_up(&mut writing);
        }
    }

    /// Returns when all that was added is on its way to the disk like everything else that is flushed
    /// with the whole disk. Where nothing is, each file is flushed by itself.
    pub fn flush(&self) {
        #[cfg(not(target_os = "linux"))]
        {
            let mut writing = self.lock();
            if let State::Open(_, file, _) = &writing.state
                && file.sync_all().is_err()
            {
                self.give_up(&mut writing);
            }
        }
    }

    /// The same, and nothing can be added any more.
    pub fn close(&self) {
        self.flush();
        self.lock().state = State::Ended;
    }

    /// A part of a record would pass for all of it.
    fn give_up(&self, writing: &mut Writing) {
        if let State::Open(records, file, _) = std::mem::replace(&mut writing.state, State::Ended) {
            // Not every system removes a file that is open.
            drop(file);
            let _ = records.remove(&self.name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `20261122T184512.345Z-1a2b3c4d5e6f7081.b3`: in order of time when sorted.
fn record_name(now: SystemTime, ending: &str) -> String {
    // A clock before 1970 counts as 1970, and one after 9999 as wrong as it is.
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let milliseconds = since.subsec_millis();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{milliseconds:03}Z{ending}")
}

/// What the name of a session's record ends with. Whoever has another key names no session by which it would be the
/// same: the ids of sessions are no secrets.
fn ending(owner: [u8; 32], transfer: [u8; 16]) -> String {
    let hash = blake3::Hasher::new().update(&owner).update(&transfer).finalize();
    format!("-{}.b3", &hash.to_hex()[..16])
}

/// Year, month and day of the `days`-th day after 1 January 1970.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the day of a leap year comes last. 400 years have 146,097
    // days, and 1 March of the year 0 was 719,468 days before 1970.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on take turns of 153 days in five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * era + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::records::is_record;
    use super::*;

    fn named(seconds: u64) -> String {
        record_name(UNIX_EPOCH + Duration::new(seconds, 345_678_901), "-1a2b3c4d5e6f7081.b3")
    }

    #[test]
    fn a_record_is_called_by_time_and_session() {
        // As `date -u -d @<seconds>` has them.
        assert_eq!(named(0), "19700101T000000.345Z-1a2b3c4d5e6f7081.b3");
        assert_eq!(named(951_782_399), "20000228T235959.345Z-1a2b3c4d5e6f7081.b3");
        assert_eq!(named(951_782_400), "20000229T000000.345Z-1a2b3c4d5e6f7081.b3");
        assert_eq!(named(951_868_800), "20000301T000000.345Z-1a2b3c4d5e6f7081.b3");
        assert_eq!(named(1_795_373_112), "20261122T184512.345Z-1a2b3c4d5e6f7081.b3");
        assert_eq!(named(4_107_542_399), "21000228T235959.345Z-1a2b3c4d5e6f7081.b3");
        assert_eq!(named(4_107_542_400), "21000301T000000.345Z-1a2b3c4d5e6f7081.b3");
    }

    #[test]
    fn every_day_follows_the_one_before_and_has_the_form_of_a_record() {
        let days = 400 * 366;
        let names: Vec<_> = (0..days).map(|day| named(day * 86_400)).collect();
        assert!(names.is_sorted());
        assert!(names.iter().all(|name| is_record(name)));
        let ends = names.iter().filter(|name| name.contains("0229T")).count();
        assert_eq!(ends, 97, "leap years in 400 years");
    }

    #[test]
    fn a_clock_before_1970_is_no_problem() {
        assert!(is_record(&record_name(UNIX_EPOCH - Duration::from_secs(1), &ending([0; 32], [0; 16]))));
    }

    #[test]
    fn other_names_are_not_those_of_records() {
        for name in
            ["", "a.b3", "20261122T184512.345Z-1a2b3c4d5e6f7081", "20261122T184512.345Z-1A2B3C4D5E6F7081.b3"]
        {
            assert!(!is_record(name), "{name}");
        }
    }
}

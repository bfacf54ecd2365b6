//! Bandwidth limits: how long a lane waits before it passes more bytes.
//!
//! A limit has a clock that says when all that was let through would have gone at exactly that rate
//! (GCRA, the generic cell rate algorithm). Whoever comes next may go at that time, or at once when
//! it is past, and moves it on. So lanes go in the order they came, and a sleep that took too long
//! is made up for by whoever is next.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;
use crate::transfer::lock;

/// The lowest limit, in bytes a second.
///
/// At this one, each of 16 lanes passes something every two seconds: signs of life get through
/// long before a lane counts as lost, and the goodbye of a session while it is waited for.
pub const MIN_LIMIT: u64 = 10_000;

/// So much lateness is made up for. It is more than a sleep takes too long on any system, and little
/// enough that a pause is not followed by a burst.
const TOLERANCE: Duration = Duration::from_millis(50);

/// A lane passes so much at a time, so that traffic is smooth.
const SLICE: Duration = Duration::from_millis(20);

/// But no less than this: smaller packets would be mostly headers.
const MIN_SLICE_BYTES: usize = 1024;

/// When lanes have to wait so long for their turn, they take turns of the smallest size: many may
/// share one limit, and none shall wait until it counts as lost. At 10 kB/s that holds for some 500
/// of them, at 100 kB/s for thousands.
const LONG_WAIT: Duration = Duration::from_secs(1);

/// The slice where there is no limit: whatever there is.
const UNLIMITED: usize = usize::MAX;

/// A bandwidth limit: bytes a second, [`MIN_LIMIT`] or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit(u64);

impl Limit {
    /// A limit of so many bytes a second.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] when it is lower than [`MIN_LIMIT`].
    pub fn new(bytes_per_second: u64) -> Result<Self, Error> {
        if bytes_per_second < MIN_LIMIT {
            let range = format!("at least {MIN_LIMIT} bytes a second, not {bytes_per_second}");
            return Err(Error::InvalidOption(format!("the limit must be {range}")));
        }
        Ok(Self(bytes_per_second))
    }

    /// How long `bytes` take.
    fn time_of(self, bytes: usize) -> Duration {
        let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(self.0);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// A limit that all who pass bytes share, or none. It may change at any time.
pub(crate) struct Pace {
    /// What to pass at a time. Read without the lock, so that no limit costs next to nothing.
    slice: AtomicUsize,
    clock: Mutex<Clock>,
    changed: Condvar,
}

impl Pace {
    pub(crate) fn new(limit: Option<Limit>) -> Self {
        let clock = Clock { limit, free: Instant::now() };
        Self {
            slice: AtomicUsize::new(clock.slice(Duration::ZERO)),
            clock: Mutex::new(clock),
            changed: Condvar::new(),
        }
    }

    /// Changes the limit. Whoever waits goes at once if it is lifted, and else keeps the turn they
    /// have: to go at once would be a way round the limit for who changes it often.
    pub(crate) fn set(&self, limit: Option<Limit>) {
        let mut clock = lock(&self.clock);
        clock.set(Instant::now(), limit);
        self.slice.store(clock.slice(Duration::ZERO), Ordering::Relaxed);
        self.changed.notify_all();
    }

    fn slice(&self) -> usize {
        self.slice.load(Ordering::Relaxed)
    }

    /// Waits until `bytes` may go, or `stopped`.
    fn pass(&self, bytes: usize, stopped: &AtomicBool) {
        if self.slice() == UNLIMITED {
            return;
        }
        let mut clock = lock(&self.clock);
        let now = Instant::now();
        let turn = clock.reserve(now, bytes);
        let mut wait = turn.saturating_duration_since(now);
        self.slice.store(clock.slice(wait), Ordering::Relaxed);
        while !wait.is_zero() && clock.limit.is_some() && !stopped.load(Ordering::Relaxed) {
            let waited = self.changed.wait_timeout(clock, wait);
            (clock, _) = waited.unwrap_or_else(PoisonError::into_inner);
            wait = turn.saturating_duration_since(Instant::now());
        }
    }

    /// Makes whoever waits look at their `stopped` again.
    fn wake(&self) {
        // With the lock, so that nobody is between that look and the wait.
        let _clock = lock(&self.clock);
        self.changed.notify_all();
    }
}

/// What the lanes of one transfer are held to: its own limit, and that of all of its listener's
/// transfers together. What is sent and what is received counts alike.
pub(crate) struct Paces {
    own: Pace,
    shared: Option<Arc<Pace>>,
    stopped: AtomicBool,
}

impl Paces {
    pub(crate) fn new(limit: Option<Limit>, shared: Option<Arc<Pace>>) -> Self {
        Self { own: Pace::new(limit), shared, stopped: AtomicBool::new(false) }
    }

    /// Changes the transfer's own limit.
    pub(crate) fn set_limit(&self, limit: Option<Limit>) {
        self.own.set(limit);
    }

    /// How many bytes to pass at a time; `usize::MAX` where nothing is limited.
    pub(crate) fn slice(&self) -> usize {
        self.all().map(Pace::slice).min().unwrap_or(UNLIMITED)
    }

    /// Whether anything is limited.
    pub(crate) fn is_limited(&self) -> bool {
        self.slice() != UNLIMITED
    }

    /// Waits until `bytes` may go.
    pub(crate) fn pass(&self, bytes: usize) {
        if !self.stopped.load(Ordering::Relaxed) {
            self.all().for_each(|pace| pace.pass(bytes, &self.stopped));
        }
    }

    /// From now on nobody waits, not even who does so now: the session has ended, and its last
    /// words must not take longer than their listener has patience.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.all().for_each(Pace::wake);
    }

    /// Another session begins, and none runs.
    pub(crate) fn resume(&self) {
        self.stopped.store(false, Ordering::Relaxed);
    }

    fn all(&self) -> impl Iterator<Item = &Pace> {
        std::iter::once(&self.own).chain(self.shared.as_deref())
    }
}

/// The arithmetic of a limit. It is told the time.
struct Clock {
    limit: Option<Limit>,
    /// When what was let through is over.
    free: Instant,
}

impl Clock {
    /// When `bytes` may go. The next turn is after them.
    fn reserve(&mut self, now: Instant, bytes: usize) -> Instant {
        let Some(limit) = self.limit else { return now };
        let late = now.saturating_duration_since(self.free);
        let turn = self.free + late.saturating_sub(TOLERANCE);
        self.free = turn + limit.time_of(bytes);
        turn
    }

    /// Turns that were given out stand.
    fn set(&mut self, now: Instant, limit: Option<Limit>) {
        if self.limit.is_none() {
            self.free = now;
        }
        self.limit = limit;
    }

    /// What to pass at a time when a turn takes `wait` to come.
    fn slice(&self, wait: Duration) -> usize {
        match self.limit {
            None => UNLIMITED,
            Some(_) if wait > LONG_WAIT => MIN_SLICE_BYTES,
            Some(Limit(limit)) => {
                let bytes = u128::from(limit) * SLICE.as_millis() / 1000;
                usize::try_from(bytes).unwrap_or(UNLIMITED).max(MIN_SLICE_BYTES)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    const SECOND: Duration = Duration::from_secs(1);
    const RECORD_BYTES: usize = 256 * 1024;

    /// Lanes that always have something to pass, and a clock that stands until one of them may.
    struct Line {
        clock: Clock,
        now: Instant,
        lanes: Vec<Lane>,
        /// How long the last one that was given a turn has to wait.
        wait: Duration,
        /// The longest that a sleep takes too long.
        oversleep: Duration,
        random: u64,
    }

    #[derive(Clone)]
    struct Lane {
        wakes: Instant,
        waits_to_pass: usize,
        passed: u64,
    }

    impl Line {
        fn new(limit: u64, lanes: usize, oversleep: Duration) -> Self {
            let now = Instant::now();
            let lane = Lane { wakes: now, waits_to_pass: 0, passed: 0 };
            let clock = Clock { limit: Some(Limit::new(limit).unwrap()), free: now };
            Self { clock, now, lanes: vec![lane; lanes], wait: Duration::ZERO, oversleep, random: 1 }
        }

        /// Bytes passed meanwhile.
        fn run(&mut self, time: Duration) -> u64 {
            let (until, before) = (self.now + time, self.passed());
            loop {
                let lane = self.lanes.iter_mut().min_by_key(|lane| lane.wakes).unwrap();
                if lane.wakes >= until {
                    break;
                }
                self.now = lane.wakes;
                lane.passed += lane.waits_to_pass as u64;
                lane.waits_to_pass = self.clock.slice(self.wait).min(RECORD_BYTES);
                let turn = self.clock.reserve(self.now, lane.waits_to_pass);
                self.wait = turn.saturating_duration_since(self.now);
                if !self.wait.is_zero() {
                    // An xorshift generator: any spread will do.
                    self.random ^= self.random << 13;
                    self.random ^= self.random >> 7;
                    self.random ^= self.random << 17;
                    lane.wakes = turn + self.oversleep.mul_f64((self.random % 1000) as f64 / 1000.0);
                }
            }
            self.now = until;
            self.passed() - before
        }

        fn set(&mut self, limit: u64) {
            self.clock.set(self.now, Some(Limit::new(limit).unwrap()));
        }

        fn passed(&self) -> u64 {
            self.lanes.iter().map(|lane| lane.passed).sum()
        }
    }

    fn assert_close(passed: u64, expected: u64) {
        assert!(passed.abs_diff(expected) <= expected / 50, "{passed} is not within 2 % of {expected}");
    }

    #[test]
    fn a_limit_is_kept_and_used_up_however_long_sleeps_take() {
        for limit in [10_000, 200_000, 20_000_000, 1_000_000_000] {
            for lanes in [1, 4, 16] {
                for oversleep in [0, 1, 10, 40].map(Duration::from_millis) {
                    assert_close(Line::new(limit, lanes, oversleep).run(10 * SECOND), 10 * limit);
                }
            }
        }
    }

    #[test]
    fn lanes_get_equal_shares() {
        for limit in [10_000, 20_000_000] {
            let mut line = Line::new(limit, 16, Duration::ZERO);
            line.run(10 * SECOND);
            let passed = || line.lanes.iter().map(|lane| lane.passed);
            let slice = line.clock.slice(Duration::ZERO).min(RECORD_BYTES) as u64;
            assert!(passed().max().unwrap() - passed().min().unwrap() <= 2 * slice);
        }
    }

    #[test]
    fn thousands_of_lanes_all_get_a_turn_before_they_count_as_lost() {
        let mut line = Line::new(100_000, 4096, Duration::ZERO);
        for turns in 1..=3 {
            line.run(45 * SECOND);
            assert!(line.lanes.iter().all(|lane| lane.passed >= turns * MIN_SLICE_BYTES as u64));
        }
    }

    #[test]
    fn what_was_not_used_is_not_saved_up() {
        let mut line = Line::new(1_000_000, 4, Duration::ZERO);
        line.run(SECOND);
        line.lanes.iter_mut().for_each(|lane| lane.wakes += 3600 * SECOND);
        line.now += 3600 * SECOND;
        assert_close(line.run(10 * SECOND), 10_000_000);
    }

    #[test]
    fn a_change_holds_from_the_next_turn_on() {
        for lanes in [1, 16] {
            let mut line = Line::new(1_000_000, lanes, Duration::from_millis(5));
            assert_close(line.run(10 * SECOND), 10_000_000);
            line.set(200_000_000);
            // Meanwhile goes what had its turn before the change, and so it does below.
            line.run(SECOND);
            assert_close(line.run(10 * SECOND), 2_000_000_000);
            line.set(500_000);
            line.run(SECOND);
            assert_close(line.run(10 * SECOND), 5_000_000);
        }
    }

    #[test]
    fn who_changes_a_limit_often_never_gets_more_than_the_highest() {
        let mut line = Line::new(10_000, 16, Duration::ZERO);
        for _ in 0..100 {
            line.run(SECOND / 10);
            line.set(20_000);
            line.run(SECOND / 10);
            line.set(10_000);
        }
        assert!(line.passed() <= 20 * 20_000);
    }

    #[test]
    fn a_limit_has_a_lower_bound() {
        assert!(Limit::new(MIN_LIMIT).is_ok());
        let error = Limit::new(MIN_LIMIT - 1).unwrap_err();
        assert_eq!(error.code(), "INVALID_OPTION");
        assert_eq!(error.to_string(), "the limit must be at least 10000 bytes a second, not 9999");
    }

    /// Passes at the lowest limits what takes a day, until `end` ends the wait.
    fn waits_until(end: impl Fn(&Paces, &Pace)) {
        let limit = Some(Limit(MIN_LIMIT));
        for (own, shared) in [(limit, None), (None, limit), (limit, limit)] {
            let shared = Arc::new(Pace::new(shared));
            let paces = Arc::new(Paces::new(own, Some(shared.clone())));
            let (sender, passed) = channel();
            let passing = paces.clone();
            thread::spawn(move || {
                passing.pass(1_000_000_000);
                passing.pass(1_000_000_000);
                sender.send(()).unwrap();
            });
            end(&paces, &shared);
            passed.recv_timeout(60 * SECOND).unwrap();
        }
    }

    #[test]
    fn who_waits_goes_when_the_limits_are_lifted() {
        waits_until(|paces, shared| {
            paces.set_limit(None);
            shared.set(None);
        });
    }

    #[test]
    fn who_waits_goes_when_the_session_stops() {
        waits_until(|paces, _| paces.stop());
    }

    #[test]
    fn without_a_limit_everything_goes_in_one_piece() {
        let paces = Paces::new(None, Some(Arc::new(Pace::new(None))));
        assert_eq!(paces.slice(), usize::MAX);
        paces.set_limit(Some(Limit(1_000_000)));
        assert_eq!(paces.slice(), 20_000);
        paces.set_limit(None);
        assert_eq!(paces.slice(), usize::MAX);
    }
}

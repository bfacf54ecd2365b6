//! A moment that has come when either clock says so: the one that nobody sets stops while the machine sleeps.

use std::time::{Duration, Instant, SystemTime};

/// When something is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    instant: Instant,
    wall: SystemTime,
}

impl Deadline {
    /// So long from now; `None` when that is so far away that no clock shows it.
    pub fn after(time: Duration) -> Option<Self> {
        Some(Self { instant: Instant::now().checked_add(time)?, wall: SystemTime::now().checked_add(time)? })
    }

    /// At so many seconds after the beginning of 1970; `None` when that is so far away that no clock shows it.
    pub fn at_unix(seconds: u64) -> Option<Self> {
        let wall = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        let left = wall.duration_since(SystemTime::now()).unwrap_or_default();
        Some(Self { instant: Instant::now().checked_add(left)?, wall })
    }

    /// When the clock that nobody sets will say so.
    pub fn instant(&self) -> Instant {
        self.instant
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.instant || SystemTime::now() >= self.wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn it_has_come_when_either_clock_says_so() {
        let later = Deadline::after(HOUR).unwrap();
        assert!(!later.is_over());
        assert!(Deadline { wall: SystemTime::now() - HOUR, ..later }.is_over(), "the machine has slept");
        assert!(Deadline { instant: Instant::now(), ..later }.is_over(), "the clock was set back");
        assert!(Deadline::at_unix(1).unwrap().is_over());
        assert!(Deadline::at_unix(u64::MAX).is_none());
    }
}

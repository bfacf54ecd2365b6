//! How many entries the sessions of the process may leave unsettled.

use std::sync::atomic::{AtomicU32, Ordering};

use hawser_protocol::hello::Window;

use crate::limits::{MAX_UNSETTLED_IN_ALL, MIN_WINDOWS_LEFT};

/// Those of all sessions.
pub(crate) static WINDOWS: Windows = Windows(AtomicU32::new(0));

/// Entries for which sessions have room, whether they use it or not.
#[derive(Debug)]
pub(crate) struct Windows(AtomicU32);

/// The window of one session, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    windows: &'static Windows,
    pub window: Window,
}

impl Windows {
    /// A window for one more session: the smaller, the less is left for others.
    pub fn reserve(&'static self) -> Reserved {
        let window = |reserved| Window::of(MAX_UNSETTLED_IN_ALL.saturating_sub(reserved) / MIN_WINDOWS_LEFT);
        let more = |reserved| reserved + window(reserved).entries();
        let before = self.0.update(Ordering::Relaxed, Ordering::Relaxed, more);
        Reserved { windows: self, window: window(before) }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.windows.0.fetch_sub(self.window.entries(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use hawser_protocol::limits::{MAX_UNSETTLED, MIN_UNSETTLED};

    use super::*;
    use crate::limits::MAX_SESSIONS;

    #[test]
    fn the_more_sessions_there_are_the_smaller_are_their_windows() {
        static WINDOWS: Windows = Windows(AtomicU32::new(0));
        let mut sessions: Vec<_> = (0..MAX_SESSIONS).map(|_| WINDOWS.reserve()).collect();
        let entries: Vec<_> = sessions.iter().map(|session| session.window.entries()).collect();
        assert!(entries.is_sorted_by(|one, next| one >= next));
        assert!(entries[..16].iter().all(|&entries| entries == MAX_UNSETTLED));
        assert_eq!(entries.last(), Some(&MIN_UNSETTLED));
        let all = entries.iter().sum::<u32>();
        assert!(all <= MAX_UNSETTLED_IN_ALL + MAX_SESSIONS as u32 * MIN_UNSETTLED, "{all}");
        sessions.truncate(8);
        assert_eq!(WINDOWS.reserve().window.entries(), MAX_UNSETTLED);
    }
}

//! When a session that was lost is tried again, and for how long.

use std::time::{Duration, Instant};

use crate::Error;
use crate::dial::jittered;
use crate::limits::LOST_AFTER;
use crate::session::CLOSE_GRACE;
use crate::transfer::Transfer;

/// The first attempt is made after so long, and each further one after twice as long as the one
/// before, a little more or less.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A line that breaks in the middle of a handshake looks like a listener that does not accept the
/// ticket: it is believed when it comes so many times in a row.
const REFUSALS: u32 = 3;

/// A session was lost, and there is no other yet.
#[derive(Clone, Debug)]
pub struct Outage {
    /// When.
    pub since: Instant,
    /// For how long since then it is tried; [`Duration::MAX`] for ever.
    pub allowed: Duration,
    /// The attempt under way to open another, or about to be: 1 is the first.
    pub attempt: u64,
    /// What the session was lost by, or what the last attempt failed by, for a person.
    pub reason: String,
}

impl Outage {
    /// How long it has lasted.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

/// The patience of a dialled transfer with its line.
pub(crate) struct Retry {
    /// For how long a lost session is tried again.
    allowed: Duration,
    /// Whether there has been a session at all.
    established: bool,
    session: Option<Begun>,
    lost: Option<Lost>,
}

/// The session that runs, and what the transfer had moved before.
struct Begun {
    at: Instant,
    moved: u64,
}

/// What was lost, and how often it was tried again.
struct Lost {
    since: Instant,
    attempt: u64,
    pause: Duration,
    refusals: u32,
    last: Error,
}

impl Retry {
    pub fn new(allowed: Duration) -> Self {
        Self { allowed, established: false, session: None, lost: None }
    }

    /// How long to wait before the next attempt.
    pub fn pause(&mut self) -> Duration {
        self.lost.as_mut().map_or(Duration::ZERO, |lost| {
            let pause = jittered(lost.pause);
            lost.pause = (lost.pause * 2).min(LONGEST_PAUSE);
            pause
        })
    }

    /// When the next attempt must have succeeded, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        self.lost.as_ref()?.since.checked_add(self.allowed)
    }

    /// A session is open.
    pub fn opened(&mut self, transfer: &Transfer) {
        self.established = true;
        self.session = Some(Begun { at: Instant::now(), moved: transfer.moved() });
    }

    /// The session, or the attempt to open one, has failed.
    ///
    /// # Errors
    /// Why the transfer fails, when there is to be no other attempt.
    pub fn failed(&mut self, error: Error, transfer: &Transfer) -> Result<(), Error> {
        if !self.established || self.allowed.is_zero() || !may_pass(&error) {
            return Err(error);
        }
        // One that came to nothing leaves the clock as it is: that must not go on for ever. One on
        // which nothing came at all ends after LOST_AFTER; a longer one compared what is there.
        let worth = |session: Begun| {
            transfer.moved() > session.moved
                || session.at.elapsed() >= LOST_AFTER + CLOSE_GRACE + LONGEST_PAUSE
        };
        if self.session.take().is_some_and(worth) {
            self.lost = None;
        }
        let lost = self.lost.get_or_insert_with(|| Lost {
            since: Instant::now(),
            attempt: 0,
            pause: FIRST_PAUSE,
            refusals: 0,
            last: Error::Lost,
        });
        lost.attempt += 1;
        lost.refusals = if is_refusal(&error) { lost.refusals + 1 } else { 0 };
        if lost.refusals == REFUSALS {
            return Err(error);
        }
        let reason = error.to_string();
        let Lost { since, attempt, .. } = *lost;
        transfer.interrupt(Outage { since, allowed: self.allowed, attempt, reason });
        lost.last = error;
        Ok(())
    }

    /// Why the transfer fails when the deadline has passed.
    pub fn given_up(self) -> Error {
        let last = self.lost.map_or(Error::Lost, |lost| lost.last);
        Error::NotResumed { tried: self.allowed, last: Box::new(last) }
    }
}

/// Whether it is of the line, or of a listener that is being started again, and so may pass.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::ClosedByPeer { code, .. } => *code == hawser_protocol::message::CloseCode::Away,
        // Another network, with a page to log in at, or another program that has the port meanwhile.
        Error::NotHawser { .. } | Error::NameNotFound { .. } => true,
        Error::Lost | Error::Connect { .. } | Error::HungUp { .. } | Error::Busy { .. } => true,
        error => is_refusal(error),
    }
}

/// Whether the listener did not let this side in.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Authentication
            | Error::CodeForgotten
            | Error::NotKnown(_)
            | Error::NotLetIn(_)
            | Error::TicketExpired { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keep;
    use crate::pace::Paces;

    const ALLOWED: Duration = Duration::from_secs(600);

    /// A transfer that was lost five minutes ago, and has had a session since that lasted so long.
    fn lost_again_after(session: Duration, moved: u64) -> Instant {
        let transfer = Transfer::new(Keep::All, Paces::new(None, None));
        let mut retry = Retry::new(ALLOWED);
        retry.opened(&transfer);
        retry.failed(Error::Lost, &transfer).unwrap();
        let lost = retry.lost.as_mut().unwrap();
        lost.since = lost.since.checked_sub(Duration::from_secs(300)).unwrap();
        retry.opened(&transfer);
        let begun = retry.session.as_mut().unwrap();
        begun.at = begun.at.checked_sub(session).unwrap();
        transfer.count_bytes(moved);
        retry.failed(Error::Lost, &transfer).unwrap();
        retry.deadline().unwrap() - ALLOWED
    }

    #[test]
    fn a_session_on_which_nothing_comes_does_not_start_the_clock_anew() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(299)).unwrap();
        assert!(lost_again_after(LOST_AFTER + CLOSE_GRACE, 0) < long_ago);
        assert!(lost_again_after(Duration::ZERO, 1) > long_ago);
        assert!(lost_again_after(ALLOWED, 0) > long_ago);
    }
}

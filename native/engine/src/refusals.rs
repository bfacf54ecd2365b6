//! Whom a listener has turned away though they have proven what they came with: its user may want to do something
//! about that. Of strangers, and of a wrong ticket or code, nothing is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hawser_protocol::identity::PublicKey;

use crate::limits::REFUSALS;
use crate::rate::Budget;
use crate::session::call;
use crate::transfer::lock;

/// Somebody that was not let in.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Its key, which it has proven to have.
    pub key: PublicKey,
    /// Its socket address.
    pub address: SocketAddr,
    /// Why.
    pub why: RefusedFor,
}

/// Why somebody that has the ticket, the code or a known key was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedFor {
    /// As many as may come with the ticket have come.
    UsedUp,
    /// The time of the ticket is over.
    Expired,
    /// There is no place for another session; it was told to come again.
    Busy,
}

/// Those that the user of a listener is told of.
pub(crate) struct Refusals(Mutex<State>);

struct State {
    budget: Budget,
    /// Those told of lately, and when.
    told: VecDeque<(PublicKey, RefusedFor, Instant)>,
    waiting: VecDeque<Refusal>,
    asking: VecDeque<Asking>,
    is_closed: bool,
}

type Asking = Box<dyn FnOnce(Option<Refusal>) + Send>;

/// Whoever comes again and again is told of once in this time.
const ONCE_IN: Duration = Duration::from_secs(60);

/// What nobody asks for is kept up to here, the latest of it.
const MAX_WAITING: usize = 16;

impl Refusals {
    pub fn new() -> Self {
        Self(Mutex::new(State {
            budget: Budget::new(REFUSALS),
            told: VecDeque::new(),
            waiting: VecDeque::new(),
            asking: VecDeque::new(),
            is_closed: false,
        }))
    }

    /// Calls `next` once, with the next refusal, or with `None` when there will be none any more.
    pub fn on_next(&self, next: impl FnOnce(Option<Refusal>) + Send + 'static) {
        let mut state = lock(&self.0);
        state.asking.push_back(Box::new(next));
        state.serve();
    }

    /// Tells of one, unless too much was told lately.
    pub fn tell(&self, refusal: Refusal, now: Instant) {
        let mut state = lock(&self.0);
        state.told.retain(|(.., at)| now.saturating_duration_since(*at) < ONCE_IN);
        let is_known = state.told.iter().any(|(key, why, _)| (*key, *why) == (refusal.key, refusal.why));
        // The budget bounds what is remembered, too.
        if is_known || state.is_closed || !state.budget.take(1, now) {
            return;
        }
        state.told.push_back((refusal.key, refusal.why, now));
        if state.waiting.len() >= MAX_WAITING {
            state.waiting.pop_front();
        }
        state.waiting.push_back(refusal);
        state.serve();
    }

    /// Nobody comes any more.
    pub fn close(&self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        state.serve();
    }
}

impl State {
    fn serve(&mut self) {
        while !self.asking.is_empty() && (self.is_closed || !self.waiting.is_empty()) {
            let next = self.waiting.pop_front();
            self.asking.pop_front().into_iter().for_each(|asking| call(|| asking(next.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(key: u8, why: RefusedFor) -> Refusal {
        Refusal { key: PublicKey([key; 32]), address: "192.0.2.7:1".parse().unwrap(), why }
    }

    /// What is told to whoever asks until there is nothing more to tell.
    fn told(refusals: &Refusals) -> Vec<(PublicKey, RefusedFor)> {
        refusals.close();
        let next = || {
            let (sender, receiver) = std::sync::mpsc::channel();
            refusals.on_next(move |refusal| sender.send(refusal).unwrap());
            receiver.try_recv().unwrap()
        };
        std::iter::from_fn(next).map(|Refusal { key, why, .. }| (key, why)).collect()
    }

    #[test]
    fn whoever_comes_again_and_again_is_told_of_once_a_minute() {
        let (refusals, now) = (Refusals::new(), Instant::now());
        for second in [0, 1, 59, 60] {
            refusals.tell(refusal(1, RefusedFor::Busy), now + Duration::from_secs(second));
        }
        refusals.tell(refusal(1, RefusedFor::Expired), now);
        let key = PublicKey([1; 32]);
        assert_eq!(
            told(&refusals),
            [RefusedFor::Busy, RefusedFor::Busy, RefusedFor::Expired].map(|why| (key, why))
        );
    }

    #[test]
    fn however_many_come_few_are_told_of() {
        let (refusals, now) = (Refusals::new(), Instant::now());
        (0..=255).for_each(|key| refusals.tell(refusal(key, RefusedFor::UsedUp), now));
        assert_eq!(told(&refusals).len(), REFUSALS.at_once as usize);
    }

    #[test]
    fn who_waits_is_told_at_once_and_of_the_end_too() {
        let refusals = Refusals::new();
        let (sender, receiver) = std::sync::mpsc::channel();
        for _ in 0..2 {
            let sender = sender.clone();
            refusals.on_next(move |refusal| sender.send(refusal.is_some()).unwrap());
        }
        assert!(receiver.try_recv().is_err());
        refusals.tell(refusal(1, RefusedFor::UsedUp), Instant::now());
        assert_eq!(receiver.try_recv(), Ok(true));
        refusals.close();
        assert_eq!(receiver.try_recv(), Ok(false));
    }
}

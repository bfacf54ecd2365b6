//! The spoken code that a listener shows: good for one meeting, for ten minutes, and for three guesses.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hawser_protocol::code::Code;

use crate::Error;
use crate::deadline::Deadline;
use crate::limits::{GUESSES, GUESSES_FROM_ONE_SOURCE};
use crate::opening::random;
use crate::rate::BySource;
use crate::session::call;
use crate::transfer::lock;

/// How long a code is good.
const LIFETIME: Duration = Duration::from_secs(600);

/// Wrong proofs that end a code: whoever guesses at one is right three times in 2^33.
const MAX_WRONG: u32 = 3;

/// A code to show.
#[derive(Clone, Debug)]
pub struct ShownCode {
    /// Three words.
    pub code: Code,
    /// Why it is shown now.
    pub why: CodeChange,
}

/// What became of the code before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeChange {
    /// There was none.
    First,
    /// Somebody has come with it.
    Used,
    /// It was guessed at so often that it is worth nothing any more.
    Guessed,
    /// It was shown for ten minutes.
    Expired,
    /// This side wanted another.
    Revoked,
}

/// The code that is shown, if codes are.
pub(crate) struct Codes(Mutex<State>);

struct State {
    /// `None`: no codes are shown, or no more of them.
    shown: Option<Shown>,
    /// How many there have been.
    count: u64,
    guesses: BySource,
    /// Who is to be told of the next one.
    asking: Vec<Asking>,
}

type Asking = Box<dyn FnOnce(Option<ShownCode>) + Send>;

struct Shown {
    code: Code,
    why: CodeChange,
    wrong: u32,
    until: Deadline,
    /// Whether somebody was told.
    told: bool,
}

/// A guess at the code that was shown when it began.
pub(crate) struct Guess {
    pub code: Code,
    number: Option<u64>,
}

impl Codes {
    /// With a first code, if they are `wanted`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system has no random numbers.
    pub fn new(wanted: bool) -> Result<Self, Error> {
        let shown = wanted.then(|| Shown::new(CodeChange::First)).transpose()?;
        let guesses = BySource::new(GUESSES_FROM_ONE_SOURCE, GUESSES);
        Ok(Self(Mutex::new(State { shown, count: 0, guesses, asking: Vec::new() })))
    }

    /// Calls `next` once, with the code that is shown as soon as it has not been told before, or with `None` when
    /// there will be none any more.
    pub fn on_next(&self, next: impl FnOnce(Option<ShownCode>) + Send + 'static) {
        let mut state = lock(&self.0);
        state.asking.push(Box::new(next));
        state.tell();
    }

    /// When the code that is shown ends by itself.
    pub fn until(&self) -> Option<Instant> {
        lock(&self.0).shown.as_ref().map(|shown| shown.until.instant())
    }

    /// Shows another if the time of this one is over.
    pub fn renew(&self) {
        let mut state = lock(&self.0);
        if state.shown.as_ref().is_some_and(|shown| shown.until.is_over()) {
            state.replace(CodeChange::Expired);
        }
    }

    /// Shows another, if codes are shown.
    pub fn revoke(&self) {
        let mut state = lock(&self.0);
        if state.shown.is_some() {
            state.replace(CodeChange::Revoked);
        }
    }

    /// Begins a guess: with a code nobody knows where none is shown, so that nobody learns that.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system has no random numbers.
    pub fn guess(&self) -> Result<Guess, Error> {
        let state = lock(&self.0);
        Ok(match &state.shown {
            Some(shown) => Guess { code: shown.code.clone(), number: Some(state.count) },
            None => Guess { code: new_code()?, number: None },
        })
    }

    /// Whether a guess from `source` is still at the code that is shown, and may be right. To be asked before it is
    /// judged.
    pub fn may_be_right(&self, guess: &Guess, source: IpAddr, now: Instant) -> bool {
        let mut state = lock(&self.0);
        let in_time = state.shown.as_ref().is_some_and(|shown| !shown.until.is_over());
        in_time && guess.number == Some(state.count) && state.guesses.take(source, now)
    }

    /// A guess from `source` was right, and so was none, whatever becomes of it: its maker may be told to come again.
    pub fn right(&self, source: IpAddr) {
        lock(&self.0).guesses.give_back(source);
    }

    /// A guess was wrong.
    pub fn wrong(&self, guess: &Guess) {
        let mut state = lock(&self.0);
        if guess.number != Some(state.count) {
            return;
        }
        if let Some(shown) = &mut state.shown {
            shown.wrong += 1;
            if shown.wrong >= MAX_WRONG {
                state.replace(CodeChange::Guessed);
            }
        }
    }

    /// Takes the code for a guess that was right; `false` when another was before.
    pub fn redeem(&self, guess: &Guess) -> bool {
        let mut state = lock(&self.0);
        let is_open = guess.number == Some(state.count) && state.shown.is_some();
        if is_open {
            state.replace(CodeChange::Used);
        }
        is_open
    }

    /// No more codes.
    pub fn close(&self) {
        let mut state = lock(&self.0);
        state.shown = None;
        state.tell();
    }
}

impl State {
    fn replace(&mut self, why: CodeChange) {
        self.count += 1;
        // Without random numbers no code is better than the old one.
        self.shown = Shown::new(why).ok();
        self.tell();
    }

    fn tell(&mut self) {
        let told = match &mut self.shown {
            Some(shown) if shown.told => return,
            Some(shown) => {
                shown.told = !self.asking.is_empty();
                Some(ShownCode { code: shown.code.clone(), why: shown.why })
            }
            None => None,
        };
        std::mem::take(&mut self.asking).into_iter().for_each(|asking| call(|| asking(told.clone())));
    }
}

impl Shown {
    fn new(why: CodeChange) -> Result<Self, Error> {
        let until = Deadline::after(LIFETIME).ok_or(Error::Internal("the clock is wrong".into()))?;
        Ok(Self { code: new_code()?, why, wrong: 0, until, told: false })
    }
}

fn new_code() -> Result<Code, Error> {
    let bytes: [u8; 6] = random()?;
    let [a, b, c, d, e, f] = bytes;
    Ok(Code::new([[a, b], [c, d], [e, f]].map(u16::from_be_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn codes() -> Codes {
        Codes::new(true).unwrap()
    }

    #[test]
    fn three_wrong_proofs_end_a_code_and_no_fewer() {
        let codes = codes();
        let guess = codes.guess().unwrap();
        codes.wrong(&guess);
        codes.wrong(&guess);
        assert!(codes.may_be_right(&guess, SOURCE, Instant::now()));
        codes.wrong(&guess);
        assert!(!codes.may_be_right(&guess, SOURCE, Instant::now()));
        assert!(!codes.redeem(&guess));
        // A late one is no guess at the code that is shown now.
        codes.wrong(&guess);
        let next = codes.guess().unwrap();
        assert_ne!(next.code, guess.code);
        assert!(codes.redeem(&next));
    }

    #[test]
    fn a_code_is_good_for_one_meeting() {
        let codes = codes();
        let (one, other) = (codes.guess().unwrap(), codes.guess().unwrap());
        assert!(codes.redeem(&one));
        assert!(!codes.redeem(&other));
    }

    #[test]
    fn each_code_is_told_once() {
        let codes = codes();
        let told = || {
            let (sender, receiver) = std::sync::mpsc::channel();
            codes.on_next(move |code| sender.send(code).unwrap());
            receiver
        };
        let first = told().try_recv().unwrap().unwrap();
        assert_eq!(first.why, CodeChange::First);
        let (waiting, too) = (told(), told());
        assert!(waiting.try_recv().is_err());
        let guess = codes.guess().unwrap();
        assert_eq!(guess.code, first.code);
        assert!(codes.redeem(&guess));
        for waiting in [waiting, too] {
            let next = waiting.try_recv().unwrap().unwrap();
            assert_ne!(next.code, first.code);
            assert_eq!(next.why, CodeChange::Used);
        }
        let waiting = told();
        codes.close();
        assert!(waiting.try_recv().unwrap().is_none());
        assert!(told().try_recv().unwrap().is_none());
    }

    #[test]
    fn a_code_can_be_replaced_at_any_time() {
        let codes = codes();
        let guess = codes.guess().unwrap();
        codes.revoke();
        assert!(!codes.redeem(&guess));
        let (sender, receiver) = std::sync::mpsc::channel();
        codes.on_next(move |code| sender.send(code).unwrap());
        assert_eq!(receiver.try_recv().unwrap().unwrap().why, CodeChange::Revoked);
        codes.close();
        codes.revoke();
        assert!(codes.until().is_none());
    }

    #[test]
    fn nobody_learns_that_no_code_is_shown() {
        let codes = Codes::new(false).unwrap();
        let guess = codes.guess().unwrap();
        assert!(!codes.may_be_right(&guess, SOURCE, Instant::now()));
        assert!(!codes.redeem(&guess));
    }

    #[test]
    fn one_source_ends_two_codes_and_then_no_more_of_them() {
        let codes = codes();
        let mut now = Instant::now();
        let wrong = |source: IpAddr, now| {
            let guess = codes.guess().unwrap();
            let judged = codes.may_be_right(&guess, source, now);
            if judged {
                codes.wrong(&guess);
            }
            judged
        };
        assert_eq!((0..1000).filter(|_| wrong(SOURCE, now)).count(), 6);
        let shown = codes.guess().unwrap();
        assert_eq!(shown.number, Some(2));
        // Others are not kept out by that, and it has another guess after a minute.
        assert!(codes.may_be_right(&shown, [192, 0, 2, 8].into(), now));
        now += Duration::from_secs(60);
        assert_eq!((0..1000).filter(|_| wrong(SOURCE, now)).count(), 1);
    }

    #[test]
    fn guesses_of_all_sources_together_are_limited() {
        let codes = codes();
        let now = Instant::now();
        let judged = (0..=255).filter(|&last| {
            let guess = codes.guess().unwrap();
            let judged = codes.may_be_right(&guess, [10, 0, 0, last].into(), now);
            codes.wrong(&guess);
            judged
        });
        assert_eq!(judged.count(), 60);
    }

    #[test]
    fn whoever_is_right_has_not_guessed() {
        let codes = codes();
        for _ in 0..100 {
            let guess = codes.guess().unwrap();
            assert!(codes.may_be_right(&guess, SOURCE, Instant::now()));
            codes.right(SOURCE);
        }
        assert!(codes.redeem(&codes.guess().unwrap()));
    }
}

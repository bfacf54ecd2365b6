//! How many lanes pay: found by trying, while the transfer runs.
//!
//! Twice as many lanes are worth having if they bring a tenth more. A new lane takes a while to
//! reach its speed, so a trial is judged when the rate no longer grows.

use std::time::Duration;

use hawser_protocol::limits::MAX_LANES;

/// Enough for a few cores, for a disk that likes several writes at a time, and for most lines that
/// one connection does not fill. They cost next to nothing where one would have done.
const FIRST_LANES: u8 = 4;

/// A window has at least so many round trips, and is at least so long.
const WINDOW_ROUND_TRIPS: u32 = 5;
const SHORTEST_WINDOW: Duration = Duration::from_millis(500);

/// Windows until the next trial after one that brought nothing; then twice as many each time.
const FIRST_PAUSE: u32 = 30;
const LONGEST_PAUSE: u32 = 1000;

/// The number of lanes of one session.
#[derive(Debug)]
pub(crate) struct Climb {
    lanes: u8,
    fixed: bool,
    /// Whether this side can let lanes end. A sink cannot: it is the source that fills them.
    can_step_back: bool,
    window: Duration,
    /// Bytes in the last window.
    last: u64,
    trial: Option<Trial>,
    /// Windows to go until the next trial, and how many there were before this one.
    wait: u32,
    pause: u32,
}

/// Twice as many lanes as before.
#[derive(Debug)]
struct Trial {
    /// Bytes a window without them.
    before: u64,
    /// It has had a window to begin in.
    begun: bool,
}

impl Climb {
    /// For a peer that takes `rtt` to answer.
    pub(crate) fn new(rtt: Duration, can_step_back: bool) -> Self {
        let window = SHORTEST_WINDOW.max(rtt * WINDOW_ROUND_TRIPS);
        Self {
            lanes: FIRST_LANES,
            fixed: false,
            can_step_back,
            window,
            last: 0,
            trial: None,
            wait: 0,
            pause: FIRST_PAUSE,
        }
    }

    /// Exactly so many.
    pub(crate) fn fixed(lanes: u8) -> Self {
        Self { lanes, fixed: true, ..Self::new(Duration::ZERO, false) }
    }

    /// Lanes to have now.
    pub(crate) fn lanes(&self) -> u8 {
        self.lanes
    }

    /// Whether the number was given, and not found.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// How long a window is.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    /// Another window has passed, in which so many bytes were transferred.
    pub(crate) fn observe(&mut self, bytes: u64) {
        let last = std::mem::replace(&mut self.last, bytes);
        let growing = is_worth(bytes, last);
        self.wait = self.wait.saturating_sub(1);
        if self.fixed || growing {
            return;
        }
        let rate = bytes.max(last);
        match &mut self.trial {
            Some(trial) if !trial.begun => trial.begun = true,
            Some(trial) => {
                if is_worth(rate, trial.before) {
                    (self.wait, self.pause) = (0, FIRST_PAUSE);
                } else {
                    if self.can_step_back {
                        self.lanes /= 2;
                    }
                    self.wait = self.pause;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
                self.trial = None;
            }
            None if self.wait == 0 && bytes > 0 && self.lanes <= MAX_LANES / 2 => {
                self.lanes *= 2;
                self.trial = Some(Trial { before: rate, begun: false });
            }
            None => {}
        }
    }
}

/// Whether `more` is more than `less` by a tenth.
fn is_worth(more: u64, less: u64) -> bool {
    more > less.saturating_add(less / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Duration = Duration::from_millis(100);

    /// Windows over a line that gives `rate` bytes for so many lanes, at once or by and by.
    fn run(climb: &mut Climb, windows: u32, rate: impl Fn(u8) -> u64) -> Vec<u8> {
        let mut reached = 0;
        let step = |_| {
            let most = rate(climb.lanes());
            reached = most.min(reached * 2 + most / 8);
            climb.observe(reached);
            climb.lanes()
        };
        (0..windows).map(step).collect()
    }

    #[test]
    fn lanes_are_added_while_each_brings_its_share() {
        let mut climb = Climb::new(FAR, true);
        run(&mut climb, 60, |lanes| u64::from(lanes) * 1000);
        assert_eq!(climb.lanes(), MAX_LANES);
    }

    #[test]
    fn lanes_that_bring_nothing_are_given_up_again_and_tried_ever_more_seldom() {
        let mut climb = Climb::new(FAR, true);
        let lanes = run(&mut climb, 500, |_| 10_000);
        assert_eq!(climb.lanes(), 4);
        assert!(lanes.iter().all(|lanes| [4, 8].contains(lanes)));
        let trials = lanes.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((2..=5).contains(&trials), "{trials} trials");
        let in_trials = lanes.iter().filter(|&&lanes| lanes == 8).count();
        assert!(in_trials < 25, "{in_trials} windows of 500 in trials");
    }

    #[test]
    fn the_climb_ends_where_the_line_is_full() {
        let mut climb = Climb::new(FAR, true);
        run(&mut climb, 100, |lanes| 3000 * u64::from(lanes.min(8)));
        assert_eq!(climb.lanes(), 8);
    }

    #[test]
    fn a_line_that_only_gets_faster_by_itself_is_left_alone() {
        let mut climb = Climb::new(FAR, true);
        for window in 0..20 {
            climb.observe(1 << window);
            assert_eq!(climb.lanes(), 4);
        }
    }

    #[test]
    fn nothing_is_tried_while_nothing_flows() {
        let mut climb = Climb::new(FAR, true);
        assert!(run(&mut climb, 50, |_| 0).iter().all(|&lanes| lanes == 4));
    }

    #[test]
    fn a_side_that_cannot_end_lanes_keeps_them() {
        let mut climb = Climb::new(FAR, false);
        let lanes = run(&mut climb, 500, |_| 10_000);
        assert!(lanes.is_sorted(), "{lanes:?}");
    }

    #[test]
    fn a_fixed_number_stays() {
        let mut climb = Climb::fixed(3);
        assert!(run(&mut climb, 50, |lanes| u64::from(lanes) * 1000).iter().all(|&lanes| lanes == 3));
    }

    #[test]
    fn a_window_lasts_several_round_trips() {
        assert_eq!(Climb::new(Duration::ZERO, true).window(), SHORTEST_WINDOW);
        assert_eq!(Climb::new(FAR * 10, true).window(), FAR * 50);
    }
}

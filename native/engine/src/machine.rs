//! What the source's and the sink's state machines have in common, for the session that drives them.

use std::time::Duration;

use hawser_protocol::link::{LaneId, Link};
use hawser_protocol::receiver::Receiver;
use hawser_protocol::sender::Sender;

/// What the source's and the sink's state machines have in common.
pub(crate) trait Machine: Send + 'static {
    fn link(&self) -> &Link;
    fn link_mut(&mut self) -> &mut Link;
    fn lose_lane(&mut self, lane: LaneId) -> bool;
    fn record_sent(&mut self, lane: LaneId);
    fn is_finished(&self) -> bool;
    fn work(&self, lane: LaneId) -> Readiness;
    /// Whether the lane has sent its last frame, or is gone.
    fn is_over(&self, lane: LaneId) -> bool {
        self.link().is_closed(lane) || self.link().is_drained(lane)
    }
    /// Whether the session's own thread has something to do, if it waits for that.
    fn is_due(&self) -> bool;
    /// A lane has had nothing to do for a while, and others have.
    fn take_over(&mut self, idle: LaneId);
    /// There are more lanes than are of use.
    fn retire_lane(&mut self);
    /// Whether so much waits to be sent that nothing more should be read for now.
    fn is_congested(&self) -> bool;
}

/// Whether a lane has something to send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    Now,
    /// Something that any lane may carry.
    Shared,
    /// Something that may wait so long for company.
    Within(Duration),
    No,
}

/// Settled entries may wait so long for company before the source is told.
const BATCH_DELAY: Duration = Duration::from_millis(10);

/// A peer may wait so long to hear that its records have been dealt with: often enough for whoever
/// looks at how far a transfer is.
const ACK_DELAY: Duration = Duration::from_millis(100);

/// What waits for nothing but an acknowledgement.
fn acknowledgement(link: &Link, lane: LaneId) -> Readiness {
    if link.owes_ack(lane) { Readiness::Within(ACK_DELAY) } else { Readiness::No }
}

impl Machine for Sender {
    fn link(&self) -> &Link {
        self.link()
    }

    fn link_mut(&mut self) -> &mut Link {
        self.link_mut()
    }

    fn lose_lane(&mut self, lane: LaneId) -> bool {
        self.lose_lane(lane)
    }

    fn record_sent(&mut self, lane: LaneId) {
        self.record_sent(lane);
    }

    fn is_finished(&self) -> bool {
        self.is_finished()
    }

    fn work(&self, lane: LaneId) -> Readiness {
        if self.has_own_work(lane) {
            Readiness::Now
        } else if self.has_work(lane) {
            Readiness::Shared
        } else {
            acknowledgement(self.link(), lane)
        }
    }

    fn is_due(&self) -> bool {
        self.has_much_room()
    }

    fn take_over(&mut self, idle: LaneId) {
        self.take_over(idle);
    }

    fn retire_lane(&mut self) {
        self.retire_lane();
    }

    // What a source sends is asked for, and what may be asked for is bounded by what it has offered.
    fn is_congested(&self) -> bool {
        false
    }
}

impl Machine for Receiver {
    fn link(&self) -> &Link {
        self.link()
    }

    fn link_mut(&mut self) -> &mut Link {
        self.link_mut()
    }

    fn lose_lane(&mut self, lane: LaneId) -> bool {
        self.lose_lane(lane)
    }

    fn record_sent(&mut self, lane: LaneId) {
        self.record_sent(lane);
    }

    fn is_finished(&self) -> bool {
        self.is_finished()
    }

    fn work(&self, lane: LaneId) -> Readiness {
        if self.has_urgent_work(lane) {
            Readiness::Now
        } else if self.has_work(lane) {
            Readiness::Within(BATCH_DELAY)
        } else {
            acknowledgement(self.link(), lane)
        }
    }

    fn is_due(&self) -> bool {
        self.is_settled()
    }

    // The source chooses what each lane carries.
    fn take_over(&mut self, _: LaneId) {}
    fn retire_lane(&mut self) {}

    fn is_congested(&self) -> bool {
        self.is_congested()
    }
}

//! What the source's and the sink's state machines have in common, for the session that drives them.

use hawser_protocol::link::{LaneId, Link};
use hawser_protocol::receiver::Receiver;
use hawser_protocol::sender::Sender;

/// What the source's and the sink's state machines have in common.
pub(crate) trait Machine: Send + 'static {
    fn link(&mut self) -> &mut Link;
    fn lose_lane(&mut self, lane: LaneId) -> bool;
    fn record_sent(&mut self, lane: LaneId);
    fn is_finished(&self) -> bool;
    fn work(&self, lane: LaneId) -> Readiness;
}

/// Whether a lane has something to send.
#[derive(PartialEq, Eq)]
pub(crate) enum Readiness {
    Now,
    /// Something that may wait a few milliseconds for company.
    Soon,
    No,
}

impl Machine for Sender {
    fn link(&mut self) -> &mut Link {
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
        if self.has_work(lane) { Readiness::Now } else { Readiness::No }
    }
}

impl Machine for Receiver {
    fn link(&mut self) -> &mut Link {
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
            Readiness::Soon
        } else {
            Readiness::No
        }
    }
}

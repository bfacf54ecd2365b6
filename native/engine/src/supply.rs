//! Keeps a dialled session supplied with lanes: as many as pay, and another for each that is lost.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hawser_protocol::handshake::{SessionId, SessionSecret};
use hawser_protocol::join::JoinRequest;
use hawser_protocol::link::LaneId;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::Error;
use crate::climb::Climb;
use crate::dial::{jittered, patiently};
use crate::opening::{Connection, Who, join};
use crate::serve::AnySession;
use crate::transfer::Transfer;

/// A transfer that is over by then needs no more than its first lane.
const HEAD_START: Duration = Duration::from_millis(20);

/// A lane that cannot be had is tried again after so long, and then after twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A session, and what it takes to add lanes to it.
pub(crate) struct Supply {
    pub session: Arc<dyn AnySession>,
    pub transfer: Transfer,
    pub id: SessionId,
    pub secret: SessionSecret,
    pub address: SocketAddr,
}

/// A lane on its way.
struct Joined {
    lane: LaneId,
    attempt: u32,
    connection: Result<Connection, Error>,
}

impl Supply {
    /// Runs until it is dropped.
    pub(crate) async fn run(self, mut climb: Climb) -> Infallible {
        let mut joining = JoinSet::new();
        let mut under_way = BTreeSet::new();
        let mut pause = FIRST_PAUSE;
        let mut last = LaneId(0);
        let mut not_before = Instant::now();
        if !climb.is_fixed() {
            not_before += HEAD_START;
        }
        let mut seen = self.transfer.moved();
        let mut window_ends = Instant::now() + climb.window();
        loop {
            // More lanes would only wait for each other, and each for a whole record at a time.
            let is_limited = !climb.is_fixed() && self.transfer.paces().is_limited();
            let wanted = if is_limited { 1 } else { usize::from(climb.lanes()) };
            if Instant::now() >= not_before {
                while self.session.lanes_in_use() + under_way.len() < wanted
                    && let Some((lane, attempt)) = self.session.free_lane(last, &under_way)
                {
                    last = lane;
                    under_way.insert(lane);
                    joining.spawn(self.dial(lane, attempt));
                }
            }
            for _ in wanted..self.session.lanes_in_use() {
                self.session.retire_lane();
            }
            tokio::select! {
                Some(Ok(Joined { lane, attempt, connection })) = joining.join_next() => {
                    under_way.remove(&lane);
                    match connection {
                        Ok(connection) => {
                            self.session.clone().join(Who::Dialler, lane, attempt, connection);
                            pause = FIRST_PAUSE;
                            // It may still turn out to be of no use.
                            not_before = Instant::now() + pause;
                        }
                        // The session goes on with those it has. Several may fail at once.
                        Err(_) if Instant::now() >= not_before => {
                            not_before = Instant::now() + jittered(pause);
                            pause = (pause * 2).min(LONGEST_PAUSE);
                        }
                        Err(_) => {}
                    }
                }
                () = sleep_until(not_before.into()), if Instant::now() < not_before => {}
                () = sleep_until(window_ends.into()) => {
                    window_ends = Instant::now() + climb.window();
                    let moved = self.transfer.moved();
                    let bytes = moved - std::mem::replace(&mut seen, moved);
                    if !is_limited {
                        climb.observe(bytes);
                    }
                }
            }
        }
    }

    fn dial(&self, lane: LaneId, attempt: u32) -> impl Future<Output = Joined> + Send + use<> {
        let (address, secret) = (self.address, self.secret.clone());
        let request = JoinRequest { session: self.id, lane: lane.0, attempt, nonce: [0; 32] };
        async move {
            let connection = patiently(|| join(address, &secret, request.clone())).await;
            Joined { lane, attempt, connection }
        }
    }
}

//! Sessions of a listener: they begin, are joined, make way for others, and end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hawser_protocol::handshake::{Claim, SessionId, SessionSecret};
use hawser_protocol::identity::PublicKey;
use hawser_protocol::join::JoinRequest;
use hawser_protocol::link::LaneId;

use super::{Place, Running, Shared, State};
use crate::Error;
use crate::opening::Opened;
use crate::pace::Paces;
use crate::peers::{Mismatch, PeerName};
use crate::quota::Quota;
use crate::returns::is_cut_off;
use crate::serve::{AnySession, Beginning, start};
use crate::transfer::{Peer, Transfer, lock};

/// How long a session waits for the one that it takes the place of to end.
const SUPERSEDE_PATIENCE: Duration = Duration::from_secs(10);
impl Shared {
    /// Starts the session of a peer that has proven itself.
    pub(super) fn open_session(
        self: &Arc<Self>,
        opened: Opened,
        claim: Claim,
        quota: Arc<Quota>,
        place: Arc<Place>,
    ) {
        let Opened { connection, secret, session: id, peer, address } = opened;
        let transfer = Transfer::new(self.job.keep, Paces::new(None, Some(self.pace.clone())));
        transfer.open(Peer { address, key: peer, label: String::new() });
        let shared = self.clone();
        transfer.on_label(move |label| shared.vet(label, peer, address));
        let (shared, announced) = (self.clone(), transfer.clone());
        transfer.on_introduced(move |continues| {
            if let Some(earlier) = continues.filter(|earlier| *earlier != id) {
                shared.supersede(earlier, peer);
            }
            shared.announce(announced);
        });
        let over = Arc::new(AtomicBool::new(false));
        let (shared, ended, served) = (self.clone(), over.clone(), transfer.clone());
        self.admission.begin(claim);
        let closed = move |result| {
            shared.admission.end(claim, is_cut_off(&result) || served.is_unheard());
            let mut state = lock(&shared.state);
            ended.store(true, Ordering::Relaxed);
            let running = state.sessions.remove(&id);
            state.finishing += 1;
            shared.ended.notify_all();
            drop(state);
            // With it goes the last that holds files open.
            drop(running);
            served.finish(result);
            let mut state = lock(&shared.state);
            state.finishing -= 1;
            shared.announce_if_over(state);
        };
        let target = lock(&self.target).0.clone();
        let (hello, timers, holder) = (self.job.hello(None), self.timers, place.holder());
        let place = Some(place);
        let beginning = Beginning { id, peer, hello, target, quota, timers, place: place.clone() };
        match start(&self.job, beginning, &transfer, connection, closed) {
            Ok(session) => {
                let mut state = lock(&self.state);
                let closing = state.closing;
                // It may have ended already.
                if !over.load(Ordering::Relaxed) {
                    let running = Running { transfer: transfer.clone(), holder, secret, session };
                    state.sessions.insert(id, running);
                }
                drop(state);
                if let Some(closing) = closing {
                    closing.apply(&transfer);
                }
            }
            Err(error) => {
                let result = Err(error);
                self.admission.end(claim, is_cut_off(&result));
                transfer.finish(result);
            }
        }
        drop(place);
    }

    /// Refuses whoever comes by a name that belongs to another key. A label counts as the name that it would give.
    fn vet(&self, label: &str, offered: PublicKey, address: SocketAddr) -> Result<(), Error> {
        let reserved = PeerName::from_label(label).and_then(|name| self.reserved.get(&name.folded()));
        match reserved.cloned() {
            Some((name, known)) if known != offered => {
                let address = address.to_string();
                Err(Error::NameReserved(Box::new(Mismatch { address, name, known, offered })))
            }
            _ => Ok(()),
        }
    }

    /// Ends a session that `peer` has lost and goes on with another, and waits until it has let go
    /// of its files. Whoever did not open it cannot end it.
    pub(super) fn supersede(&self, earlier: SessionId, peer: PublicKey) {
        let state = lock(&self.state);
        let running = state.sessions.get(&earlier).filter(|running| running.holder.peer == peer);
        let Some(session) = running.map(|running| running.session.clone()) else { return };
        drop(state);
        session.supersede();
        drop(session);
        let state = lock(&self.state);
        let runs = |state: &mut State| state.sessions.contains_key(&earlier);
        // Should it take longer, what the two have in common is for the disk to sort out.
        let _ = self.ended.wait_timeout_while(state, SUPERSEDE_PATIENCE, runs);
    }

    /// The session that a connection may join as it asks to.
    pub(super) fn joinable(&self, request: &JoinRequest) -> Option<(Arc<dyn AnySession>, SessionSecret)> {
        let state = lock(&self.state);
        let running = state.sessions.get(&request.session)?;
        let admitted = running.session.admits(LaneId(request.lane), request.attempt)
            && state.has_room_for_lane(running.holder.peer);
        admitted.then(|| (running.session.clone(), running.secret.clone()))
    }
}

//! Who came by a code, which is good for one meeting, and may come again should that be cut off.

use std::collections::HashMap;

use hawser_protocol::identity::PublicKey;
use hawser_protocol::ticket::{TicketId, TicketSecret};
use zeroize::Zeroizing;

use crate::Error;
use crate::deadline::Deadline;
use crate::limits::RETURN_WITHIN;

/// Their tickets.
#[derive(Default)]
pub(crate) struct Returns(HashMap<TicketId, Return>);

struct Return {
    psk: Zeroizing<[u8; 32]>,
    peer: PublicKey,
    /// Sessions of it that run: one may not have been noticed to be lost when the next begins.
    running: usize,
    /// Until when it is good if none does.
    until: Option<Deadline>,
}

impl Return {
    fn is_good(&self) -> bool {
        self.running > 0 || self.until.is_some_and(|until| !until.is_over())
    }
}

impl Returns {
    /// Expects somebody again who is about to have a first session.
    pub fn expect(&mut self, ticket: &TicketSecret, peer: PublicKey) {
        self.0.retain(|_, known| known.is_good());
        let until = Deadline::after(RETURN_WITHIN);
        self.0.insert(ticket.id(), Return { psk: ticket.psk(), peer, running: 0, until });
    }

    /// What proves that somebody has this ticket.
    pub fn psk(&self, ticket: TicketId) -> Option<Zeroizing<[u8; 32]>> {
        self.good(ticket).map(|known| known.psk.clone())
    }

    /// Whether it is the one of `peer`.
    pub fn is_of(&self, ticket: TicketId, peer: PublicKey) -> bool {
        self.good(ticket).is_some_and(|known| known.peer == peer)
    }

    /// A session begins that came with it.
    pub fn begin(&mut self, ticket: TicketId) {
        if let Some(known) = self.0.get_mut(&ticket) {
            known.running += 1;
        }
    }

    /// Such a session has ended: of one that was not cut off there is nothing to come again for.
    pub fn end(&mut self, ticket: TicketId, is_cut_off: bool) {
        if !is_cut_off {
            self.0.remove(&ticket);
        } else if let Some(known) = self.0.get_mut(&ticket) {
            known.running = known.running.saturating_sub(1);
            known.until = Deadline::after(RETURN_WITHIN);
        }
    }

    fn good(&self, ticket: TicketId) -> Option<&Return> {
        self.0.get(&ticket).filter(|known| known.is_good())
    }
}

/// Whether a dialler goes on with a session that has ended like that.
pub(crate) fn is_cut_off(result: &Result<(), Error>) -> bool {
    use hawser_protocol::message::CloseCode::Away;
    matches!(
        result,
        Err(Error::Lost | Error::Parked | Error::Superseded | Error::ClosedByPeer { code: Away, .. })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PublicKey = PublicKey([1; 32]);

    /// One that is expected, and what it has.
    fn expecting() -> (Returns, TicketId) {
        let (mut returns, ticket) = (Returns::default(), TicketSecret::new([7; 16]));
        returns.expect(&ticket, PEER);
        returns.begin(ticket.id());
        (returns, ticket.id())
    }

    /// Ten minutes pass.
    fn wait(returns: &mut Returns) {
        returns.0.values_mut().for_each(|known| known.until = Deadline::at_unix(1));
    }

    #[test]
    fn it_is_good_while_a_session_runs_and_for_some_time_after_the_last_was_cut_off() {
        let (mut returns, ticket) = expecting();
        wait(&mut returns);
        assert!(returns.is_of(ticket, PEER) && !returns.is_of(ticket, PublicKey([2; 32])));
        returns.begin(ticket);
        returns.end(ticket, true);
        wait(&mut returns);
        assert!(returns.is_of(ticket, PEER), "one of two runs");
        returns.end(ticket, true);
        assert!(returns.is_of(ticket, PEER) && returns.psk(ticket).is_some());
        wait(&mut returns);
        assert!(!returns.is_of(ticket, PEER) && returns.psk(ticket).is_none());
        returns.expect(&TicketSecret::new([8; 16]), PEER);
        assert_eq!(returns.0.len(), 1, "it is forgotten");
    }

    #[test]
    fn it_is_good_for_nothing_once_a_session_of_it_was_not_cut_off() {
        let (mut returns, ticket) = expecting();
        returns.begin(ticket);
        returns.end(ticket, false);
        assert!(returns.psk(ticket).is_none());
        returns.end(ticket, true);
        assert!(returns.psk(ticket).is_none());
    }
}

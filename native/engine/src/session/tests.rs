use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Ended, channel};

use hawser_protocol::cipher::Side as Who;
use hawser_protocol::handshake::{
    Credential, Initiator, InitiatorEntropy, Responder, ResponderEntropy, Role,
};
use hawser_protocol::hello::Hello;
use hawser_protocol::identity::StaticKey;
use hawser_protocol::receiver::Receiver;
use hawser_protocol::ticket::TicketSecret;

use super::*;
use crate::Keep;
use crate::confine::Confinement;
use crate::pace::Paces;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a side of a session panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    Nowhere,
    Drive,
    Fill,
    Handle,
    /// With the lock that all threads of the session need.
    Locked,
    Finish,
}

struct Fragile(Where, Confinement);

impl Fragile {
    fn reach(&self, place: Where) {
        assert!(self.0 != place, "injected");
    }
}

impl Side for Fragile {
    type Machine = Receiver;
    const HAS_LAST_WORD: bool = false;

    fn confine(&self) -> Result<(), Error> {
        self.1.bind_thread()
    }

    fn drive(&self, _: &Arc<Session<Self>>) {
        self.reach(Where::Drive);
    }

    fn fill(&self, session: &Session<Self>, lane: LaneId, record: &mut Record) {
        self.reach(Where::Fill);
        while let Some(frame) = session.state().machine.next(lane, record.room()) {
            record.push(&frame);
        }
    }

    fn handle(
        &self,
        session: &Session<Self>,
        lane: LaneId,
        header: Header,
        payload: &[u8],
    ) -> Result<Flow, Error> {
        self.reach(Where::Handle);
        let mut state = session.state();
        self.reach(Where::Locked);
        let events = state.machine.handle_frame(lane, header, payload)?;
        drop(state);
        let closed = events.into_iter().find_map(|event| match event {
            hawser_protocol::receiver::ReceiverEvent::Closed(close) => Some(close),
            _ => None,
        });
        Ok(closed.map_or(Flow::Continue, |close| session.handle_close(close)))
    }

    fn finish(&self, _: &Session<Self>) {
        self.reach(Where::Finish);
    }
}

/// Both ends of a connection whose peers have met.
fn connections() -> [Connection; 2] {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let (key, secret) = (StaticKey::new([1; 32]), TicketSecret::new([2; 16]));
    let entropy = InitiatorEntropy { ephemeral: [3; 32], random: [4; 32], kem: [9; 64] };
    let ticket = Credential::Ticket(secret.clone());
    let (first, dialler) = Initiator::start(&key, key.public(), &ticket, Role::Source, entropy).unwrap();
    let entropy = ResponderEntropy {
        ephemeral: [5; 32],
        random: [6; 32],
        session: [7; 16],
        kem: [10; 32],
        unknown_psk: [8; 32],
    };
    let (_, responder) = Responder::new(&key, entropy).unwrap().read_first(&first).unwrap();
    let (second, responder) = responder.answer(Some(&secret.psk())).unwrap();
    let (third, dialler) = dialler.read_second(&second).unwrap();
    let (accept, listener) = responder.read_third(&third).unwrap().accept().unwrap();
    let dialler = dialler.read_accept(&accept).unwrap();
    let near_keys = dialler.first_lane.into_ciphers(&dialler.secret, Who::Dialler);
    let far_keys = listener.first_lane.into_ciphers(&listener.secret, Who::Listener);
    let rtt = Duration::ZERO;
    [
        Connection { stream: near, keys: near_keys.into(), rtt, share: None },
        Connection { stream: far, keys: far_keys.into(), rtt, share: None },
    ]
}

type Outcome = Ended<Result<(), Error>>;

fn start(side: Fragile, connection: Connection) -> (Arc<Session<Fragile>>, Outcome) {
    let (sender, ended) = channel();
    let transfer = Transfer::new(Keep::All, Paces::new(None, None));
    let machine = Receiver::new(Hello::named("test"));
    let closed = move |result| sender.send(result).unwrap();
    (Session::start(side, machine, transfer, Timers::default(), connection, closed).unwrap(), ended)
}

/// Two that say HELLO to each other and wait.
fn pair(side: Where) -> [(Arc<Session<Fragile>>, Outcome); 2] {
    let [near, far] = connections();
    [
        start(Fragile(Where::Nowhere, Confinement::reading().unwrap()), near),
        start(Fragile(side, Confinement::reading().unwrap()), far),
    ]
}

#[test]
fn a_panic_in_any_thread_of_a_session_ends_that_session_and_no_other() {
    let [(other, others_end), (_peer, peers_end)] = pair(Where::Nowhere);
    for place in [Where::Drive, Where::Fill, Where::Handle, Where::Locked] {
        let [(_, far_end), (_, end)] = pair(place);
        let outcome = end.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(outcome, Err(Error::Internal(_))), "{place:?}: {outcome:?}");
        let far = far_end.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(far, Err(Error::ClosedByPeer { .. } | Error::Lost)), "{place:?}: {far:?}");
    }
    assert!(others_end.try_recv().is_err(), "the other session lives");
    other.end(Err(Error::Cancelled));
    assert!(matches!(others_end.recv_timeout(PATIENCE).unwrap(), Err(Error::Cancelled)));
    let told = peers_end.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(told, Err(Error::ClosedByPeer { code: CloseCode::Cancelled, .. })), "{told:?}");
}

#[test]
fn a_panic_while_a_session_cleans_up_leaves_nobody_waiting_for_its_end() {
    let [(near, near_end), (far, end)] = pair(Where::Finish);
    near.end(Err(Error::Cancelled));
    near_end.recv_timeout(PATIENCE).unwrap().unwrap_err();
    let outcome = end.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(outcome, Err(Error::Internal(_))), "{outcome:?}");
    assert!(far.state().writing.is_empty() && far.state().reading.is_empty(), "none of its lanes is left");
}

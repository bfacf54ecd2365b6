//! Two peers with fixed keys and fixed randomness, so that every byte they exchange is known.

use hawser_protocol::cipher::{Opener, Sealer, Side};
use hawser_protocol::handshake::*;
use hawser_protocol::identity::StaticKey;
use hawser_protocol::ticket::TicketSecret;

pub const DIALLER_KEY: [u8; 32] = [0x11; 32];
pub const LISTENER_KEY: [u8; 32] = [0x22; 32];
pub const TICKET_SECRET: [u8; 16] = [0x33; 16];
pub const DIALLER_EPHEMERAL: [u8; 32] = [0x44; 32];
pub const LISTENER_EPHEMERAL: [u8; 32] = [0x55; 32];
pub const DIALLER_RANDOM: [u8; 32] = [0x66; 32];
pub const LISTENER_RANDOM: [u8; 32] = [0x77; 32];
pub const SESSION: [u8; 16] = [0x88; 16];
pub const UNKNOWN_PSK: [u8; 32] = [0x99; 32];
pub const DIALLER_KEM: [u8; 64] = [0xaa; 64];
pub const LISTENER_KEM: [u8; 32] = [0xbb; 32];

pub fn secret() -> TicketSecret {
    TicketSecret::new(TICKET_SECRET)
}

pub fn listener_key() -> StaticKey {
    StaticKey::new(LISTENER_KEY)
}

pub fn start(role: Role) -> ([u8; FIRST_LENGTH], Initiator) {
    start_with(role, &listener_key(), &secret()).unwrap()
}

pub fn start_with(
    role: Role,
    listener: &StaticKey,
    secret: &TicketSecret,
) -> Result<([u8; FIRST_LENGTH], Initiator), HandshakeError> {
    let credential = Credential::Ticket(secret.clone());
    Initiator::start(&dialler_key(), listener.public(), &credential, role, dialler_entropy())
}

pub fn dialler_key() -> StaticKey {
    StaticKey::new(DIALLER_KEY)
}

pub fn dialler_entropy() -> InitiatorEntropy {
    InitiatorEntropy { ephemeral: DIALLER_EPHEMERAL, random: DIALLER_RANDOM, kem: DIALLER_KEM }
}

pub fn responder() -> Responder {
    Responder::new(&listener_key(), listener_entropy()).unwrap()
}

pub fn listener_entropy() -> ResponderEntropy {
    ResponderEntropy {
        ephemeral: LISTENER_EPHEMERAL,
        random: LISTENER_RANDOM,
        session: SESSION,
        kem: LISTENER_KEM,
        unknown_psk: UNKNOWN_PSK,
    }
}

/// A handshake that went well: what went over the wire, and what both sides made of it.
pub struct Meeting {
    pub first: [u8; FIRST_LENGTH],
    pub second: [u8; SECOND_LENGTH],
    pub third: [u8; THIRD_LENGTH],
    pub accept: [u8; ACCEPT_LENGTH],
    pub dialler: Established,
    pub listener: Established,
}

pub fn meet(role: Role) -> Meeting {
    let (first, initiator) = start(role);
    let (claim, responder) = responder().read_first(&first).unwrap();
    assert_eq!(claim, Claim::Ticket(secret().id()));
    let (second, responder) = responder.answer(Some(&secret().psk())).unwrap();
    let (third, initiator) = initiator.read_second(&second).unwrap();
    let applicant = responder.read_third(&third).unwrap();
    assert_eq!(applicant.peer(), dialler_key().public());
    assert_eq!(applicant.dialler_role(), role);
    let (accept, listener) = applicant.accept().unwrap();
    let dialler = initiator.read_accept(&accept).unwrap();
    Meeting { first, second, third, accept, dialler, listener }
}

/// Both ends of the lane the handshake ran on.
pub fn first_lane() -> ((Sealer, Opener), (Sealer, Opener)) {
    let Meeting { dialler, listener, .. } = meet(Role::Source);
    (
        dialler.first_lane.into_ciphers(&dialler.secret, Side::Dialler),
        listener.first_lane.into_ciphers(&listener.secret, Side::Listener),
    )
}

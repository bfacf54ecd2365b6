//! The handshake, and how a lane joins: against who is on the way, and against a peer that has the
//! ticket and keeps to Noise, but to nothing else.

use std::sync::OnceLock;

use hawser_protocol::cipher::{Opener, Sealer, Side};
use hawser_protocol::code::Code;
use hawser_protocol::handshake::*;
use hawser_protocol::identity::StaticKey;
use hawser_protocol::join::{JOIN_LENGTH, JoinRequest};
use hawser_protocol::opening::{OPENING_LENGTH, Opening, PREAMBLE, check_preamble};
use hawser_protocol::ticket::TicketSecret;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver, FallbackResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use crate::input::Input;

const DIALLER: [u8; 32] = [1; 32];
const LISTENER: [u8; 32] = [2; 32];
const PATTERN: &str = "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2s";

/// Bytes of a tag, and of a static key with its own.
const TAG: usize = 16;
const STATIC: usize = 48;

/// A handshake with somebody on the way; behind a 1, with a hostile dialler, behind a 2, with a hostile
/// listener, and behind a 3, with somebody on the way of two who know a code.
pub fn handshake(input: &[u8]) {
    let mut input = Input::new(input);
    match input.u8() {
        1 => hostile_dialler(&mut input),
        2 => hostile_listener(&mut input),
        3 => drop(changed_spoken(&mut input)),
        _ => drop(changed(&mut input)),
    }
}

fn secret() -> TicketSecret {
    TicketSecret::new([3; 16])
}

fn dialler() -> ([u8; FIRST_LENGTH], Initiator) {
    let listener = StaticKey::new(LISTENER).public();
    let ticket = Credential::Ticket(secret());
    Initiator::start(&StaticKey::new(DIALLER), listener, &ticket, Role::Source, dialler_entropy()).unwrap()
}

fn dialler_entropy() -> InitiatorEntropy {
    InitiatorEntropy { ephemeral: [4; 32], random: [5; 32], kem: [10; 64] }
}

fn listener() -> Responder {
    Responder::new(&StaticKey::new(LISTENER), listener_entropy()).unwrap()
}

fn listener_entropy() -> ResponderEntropy {
    ResponderEntropy {
        ephemeral: [6; 32],
        random: [7; 32],
        session: [8; 16],
        kem: [11; 32],
        unknown_psk: [9; 32],
    }
}

/// A message as it comes out of the wire.
fn on_the_way<const N: usize>(input: &mut Input<'_>, sent: [u8; N]) -> Option<[u8; N]> {
    let mut bytes = sent.to_vec();
    input.edit(&mut bytes);
    bytes.get(..N)?.try_into().ok()
}

/// The result of reading what was `sent`: an error if and only if it came as something else.
fn read<const N: usize, T>(
    sent: [u8; N],
    came: [u8; N],
    read: impl FnOnce(&[u8; N]) -> Result<T, HandshakeError>,
) -> Option<T> {
    let result = read(&came).ok();
    assert_eq!(result.is_some(), sent == came, "a message that was changed on the way is rejected");
    result
}

/// Both sides are honest, and every message may be changed on the way.
fn changed(input: &mut Input<'_>) -> Option<()> {
    let (sent, dialler) = dialler();
    let came = on_the_way(input, sent)?;
    let (claim, listener) = read(sent, came, |first| listener().read_first(first))?;
    assert_eq!(claim, Claim::Ticket(secret().id()));
    let (sent, listener) = listener.answer(Some(&secret().psk())).unwrap();
    let came = on_the_way(input, sent)?;
    let (sent, dialler) = read(sent, came, |second| dialler.read_second(second))?;
    proven(input, sent, dialler, listener)
}

/// The same where the two know the words of a code.
fn changed_spoken(input: &mut Input<'_>) -> Option<()> {
    let (dialler_key, listener_key) = (StaticKey::new(DIALLER), StaticKey::new(LISTENER));
    let code = Code::new([0, 1, 2047]);
    let entropy = |scalar| CodeEntropy { scalar: [scalar; 32], run: [14; 16] };
    let (sent, dialler) = CodeInitiator::start(&code, entropy(12));
    let came = on_the_way(input, sent)?;
    // Neither share proves anything, so a wrong one is only noticed where it is no point, or by the proof.
    let mut is_same = came == sent;
    let (sent, listener) = CodeResponder { code }.answer(&came, entropy(13)).ok()?;
    let came = on_the_way(input, sent)?;
    is_same &= came == sent;
    let (sent, dialler) = dialler.read_share(&came, &dialler_key, Role::Source, dialler_entropy()).ok()?;
    let came = on_the_way(input, sent)?;
    let answered = listener.read_proof(&came, &listener_key, listener_entropy()).ok();
    assert_eq!(answered.is_some(), is_same && came == sent, "a wrong proof is rejected");
    let (sent, listener) = answered?;
    let came = on_the_way(input, sent)?;
    let (sent, dialler) = read(sent, came, |second| dialler.read_second(second))?;
    proven(input, sent, dialler, listener)
}

/// From the third message on, which is `sent`.
fn proven(
    input: &mut Input<'_>,
    sent: [u8; THIRD_LENGTH],
    dialler: InitiatorAwaitingAccept,
    listener: ResponderAwaitingThird,
) -> Option<()> {
    let came = on_the_way(input, sent)?;
    let applicant = read(sent, came, |third| listener.read_third(third))?;
    assert_eq!(applicant.peer(), StaticKey::new(DIALLER).public());
    let (sent, theirs) = applicant.accept().unwrap();
    let came = on_the_way(input, sent)?;
    let ours = read(sent, came, |accept| dialler.read_accept(accept))?;
    assert_eq!(ours.peer, StaticKey::new(LISTENER).public());
    assert_eq!(ours.secret.return_ticket().id(), theirs.secret.return_ticket().id());
    Some(())
}

/// One side of the handshake as Noise has it, which says whatever it likes.
fn noise<'a>(key: &'a [u8; 32], ephemeral: [u8; 32], psk: &'a [u8; 32]) -> Builder<'a> {
    let resolver = FallbackResolver::new(Box::new(Fixed(ephemeral)), Box::new(DefaultResolver));
    Builder::with_resolver(PATTERN.parse().unwrap(), Box::new(resolver))
        .prologue(const { [PREAMBLE, PREAMBLE].as_flattened() })
        .unwrap()
        .local_private_key(key)
        .unwrap()
        .psk(3, psk)
        .unwrap()
}

/// Randomness that is always the same, and no other primitive.
struct Fixed([u8; 32]);

impl Random for Fixed {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        dest.copy_from_slice(&self.0);
        Ok(())
    }
}

impl CryptoResolver for Fixed {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Self(self.0)))
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        None
    }

    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        None
    }

    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn Cipher>> {
        None
    }
}

fn write<const N: usize>(noise: &mut HandshakeState, payload: &[u8]) -> Option<[u8; N]> {
    let mut message = [0; N];
    // A key of low order is refused before it is of any use.
    noise.write_message(payload, &mut message).ok().map(|_| message)
}

fn hostile_dialler(input: &mut Input<'_>) {
    let psk = secret().psk();
    let public = StaticKey::new(LISTENER).public();
    let noise = noise(&DIALLER, [4; 32], &psk);
    let mut noise = noise.remote_public_key(&public.0).unwrap().build_initiator().unwrap();
    let first = write(&mut noise, &input.array::<16>()).unwrap();
    let (_, listener) = listener().read_first(&first).unwrap();
    let (second, listener) = listener.answer(Some(&psk)).unwrap();
    noise.read_message(&second, &mut [0; SECOND_LENGTH]).unwrap();
    let payload = input.array::<{ THIRD_LENGTH - STATIC - TAG }>();
    let third = write(&mut noise, &payload).unwrap();
    if let Ok(applicant) = listener.read_third(&third) {
        assert_eq!(applicant.peer(), StaticKey::new(DIALLER).public());
        // Whether it can be answered is for what else it said.
        let _ = applicant.accept();
    }
}

fn hostile_listener(input: &mut Input<'_>) {
    let psk = secret().psk();
    let mut noise = noise(&LISTENER, [6; 32], &psk).build_responder().unwrap();
    let (first, dialler) = dialler();
    noise.read_message(&first, &mut [0; FIRST_LENGTH]).unwrap();
    let second = write(&mut noise, &[]).unwrap();
    let (third, dialler) = dialler.read_second(&second).unwrap();
    noise.read_message(&third, &mut [0; THIRD_LENGTH]).unwrap();
    let mut transport = noise.into_transport_mode().unwrap();
    let mut accept = [0; ACCEPT_LENGTH];
    transport.write_message(&input.array::<{ ACCEPT_LENGTH - TAG }>(), &mut accept).unwrap();
    if let Ok(established) = dialler.read_accept(&accept) {
        assert_eq!(established.peer, StaticKey::new(LISTENER).public());
    }
}

/// The secret of a session, which takes some time to agree on.
fn session_secret() -> &'static SessionSecret {
    static SECRET: OnceLock<SessionSecret> = OnceLock::new();
    SECRET.get_or_init(|| {
        let (first, dialler) = dialler();
        let (_, listener) = listener().read_first(&first).unwrap();
        let (second, listener) = listener.answer(Some(&secret().psk())).unwrap();
        let (third, _) = dialler.read_second(&second).unwrap();
        listener.read_third(&third).unwrap().accept().unwrap().1.secret
    })
}

/// Sealer and opener of the dialler and of the listener, for the same lane.
pub fn lane() -> ((Sealer, Opener), (Sealer, Opener)) {
    let request = JoinRequest { session: SessionId([8; 16]), lane: 1, attempt: 0, nonce: [5; 32] };
    let ends = [Side::Dialler, Side::Listener];
    ends.map(|side| request.clone().into_lane([7; 32]).into_ciphers(session_secret(), side)).into()
}

/// What a listener reads of a connection that has proven nothing, and what a dialler reads first.
pub fn join(input: &[u8]) {
    let Some((opening, rest)) = input.split_first_chunk::<OPENING_LENGTH>() else { return };
    let [preamble @ .., _] = *opening;
    let parsed = Opening::parse(opening);
    assert!(check_preamble(&preamble).is_ok() == (preamble == PREAMBLE));
    assert!(parsed.is_err() || preamble == PREAMBLE);
    assert!(parsed.is_err() || parsed.unwrap().encode() == *opening);
    let Some((request, rest)) = rest.split_first_chunk::<JOIN_LENGTH>() else { return };
    let Ok(parsed) = JoinRequest::parse(request) else { return };
    assert_eq!(parsed.encode(), *request);
    // The proof, of someone who does not have the session's secret: no input does.
    let Some((header, record)) = rest.split_first_chunk() else { return };
    let lane = parsed.into_lane([7; 32]);
    let (_, mut opener) = lane.into_ciphers(session_secret(), Side::Listener);
    assert!(opener.open(*header, &mut record.to_vec()).is_err());
}

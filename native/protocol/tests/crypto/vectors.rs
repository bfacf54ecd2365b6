//! docs/vectors: recomputed here from docs/protocol.md with plain primitives, compared with what the crate
//! does, and then with the committed files. `HAWSER_WRITE_VECTORS=1 cargo test` writes them anew.

use std::path::Path;

use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit};
use data_encoding::HEXLOWER;
use hawser_protocol::cipher::{CipherError, Side};
use hawser_protocol::handshake::{HandshakeError, Role, SessionId};
use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::join::JoinRequest;
use hawser_protocol::opening::{Opening, PREAMBLE};
use hawser_protocol::ticket::{Host, Permits, Ticket};
use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{DecapsulationKey768, EncapsulationKey768};
use ring::hmac;
use serde_json::{Value, json};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver, FallbackResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use crate::meeting::*;
use crate::ticket::edited;

#[test]
fn ticket_vectors() {
    let case = |what, addresses: &[&str], port, permits: Permits| {
        let hosts: Vec<Host> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let key = listener_key().public();
        let ticket = Ticket::new(hosts, port, key, secret(), permits).unwrap();
        json!({
            "case": what,
            "addresses": addresses,
            "port": port,
            "push": permits.push,
            "pull": permits.pull,
            "key": hex(key.0),
            "secret": hex(TICKET_SECRET),
            "text": ticket.to_string(),
        })
    };
    let good = case("one IPv4 address", &["192.0.2.7"], 7891, Permits { push: true, pull: false });
    let text = good["text"].as_str().unwrap().to_owned();
    let mut expiring = case("one that expires", &["192.0.2.7"], 7891, Permits { push: true, pull: false });
    let ticket: Ticket = text.parse().unwrap();
    expiring["expires"] = json!(1_800_000_000);
    expiring["text"] = json!(ticket.expiring(Some(1_800_000_000)).to_string());
    let bad = |text: String| {
        let error = format!("{:?}", text.parse::<Ticket>().unwrap_err());
        json!({ "text": text, "error": error.split('(').next() })
    };
    let prk = hmac_sha256(&[0; 32], &[&TICKET_SECRET]);
    let (id, psk) = (expand(&prk, &[b"hawser ticket id"]), expand(&prk, &[b"hawser ticket psk"]));
    assert_eq!((secret().id().0.as_slice(), *secret().psk()), (&id[..16], psk));
    compare_or_write(
        "ticket.json",
        json!({
            "valid": [
                good,
                case("all kinds of address", &["192.0.2.7", "2001:db8::7", "Files.example"], 65535,
                    Permits { push: false, pull: true }),
                expiring,
                case("as short as can be", &["a"], 1, Permits { push: true, pull: true }),
            ],
            "invalid": [
                bad(String::new()),
                bad(text.replace("hawser1", "hawser")),
                bad(text.replace("hawser1", "hawser2")),
                bad(text[..text.len() - 1].to_owned()),
                bad(text.replace("kegpol", "kegplo")),
                bad(format!("{text}=")),
                bad(edited(|body| body[0] = 0)),
                bad(edited(|body| body.push(0))),
            ],
            "derived": {
                "secret": hex(TICKET_SECRET),
                "id": hex(&id[..16]),
                "psk": hex(psk),
            },
            "fingerprint": { "key": hex(listener_key().public().0), "text": listener_key().public().fingerprint() },
        }),
    );
}

#[test]
fn handshake_vectors() {
    let cases = [(Role::Source, 1), (Role::Sink, 2)].map(|(role, role_byte)| {
        let Said { first, second, third, accept, hash } = speak(&PREAMBLE, &secret().psk(), role_byte);
        let met = meet(role);
        assert_eq!(first, met.first);
        assert_eq!(second, met.second);
        assert_eq!(third, met.third);
        assert_eq!(accept, met.accept);
        let session_secret = session_secret(&hash);
        let info = lane_info(0, 0, &DIALLER_RANDOM, &LISTENER_RANDOM);
        let keys = [0, 1].map(|direction| expand(&session_secret, &[info.as_slice(), &[direction]]));
        let records = [(Side::Dialler, keys[0], met.dialler), (Side::Listener, keys[1], met.listener)].map(
            |(side, key, established)| {
                let plaintext = b"the first record";
                let mut record = [&[0; 4], plaintext.as_slice(), &[0; 16]].concat();
                established.first_lane.into_ciphers(&established.secret, side).0.seal(&mut record).unwrap();
                assert_eq!(record, seal(&key, 0, plaintext));
                hex(record)
            },
        );
        json!({
            "role": role_byte,
            "dialler_private": hex(DIALLER_KEY),
            "dialler_public": hex(StaticKey::new(DIALLER_KEY).public().0),
            "listener_private": hex(LISTENER_KEY),
            "listener_public": hex(listener_key().public().0),
            "dialler_ephemeral": hex(DIALLER_EPHEMERAL),
            "listener_ephemeral": hex(LISTENER_EPHEMERAL),
            "dialler_random": hex(DIALLER_RANDOM),
            "listener_random": hex(LISTENER_RANDOM),
            "dialler_kem_seed": hex(DIALLER_KEM),
            "kem_key": hex(kem_key().1),
            "listener_kem_random": hex(LISTENER_KEM),
            "kem_ciphertext": hex(kem_answer().0),
            "kem_secret": hex(kem_answer().1),
            "session_id": hex(SESSION),
            "ticket_secret": hex(TICKET_SECRET),
            "ticket_id": hex(secret().id().0),
            "psk": hex(*secret().psk()),
            "dialler_opening": hex(Opening::Session.encode()),
            "listener_preamble": hex(PREAMBLE),
            "message_1": hex(first),
            "message_2": hex(second),
            "message_3": hex(third),
            "accept": hex(accept),
            "handshake_hash": hex(hash),
            "session_secret": hex(session_secret),
            "lane_0_key_from_dialler": hex(keys[0]),
            "lane_0_key_from_listener": hex(keys[1]),
            "first_plaintext": hex(b"the first record"),
            "first_record_from_dialler": records[0],
            "first_record_from_listener": records[1],
        })
    });
    compare_or_write("handshake.json", json!(cases));
}

#[test]
fn record_vectors() {
    let session_secret = session_secret(&speak(&PREAMBLE, &secret().psk(), 1).hash);
    let request = JoinRequest { session: SessionId(SESSION), lane: 3, attempt: 2, nonce: [0xc1; 32] };
    let listener_nonce = [0xc2; 32];
    let info = lane_info(3, 2, &request.nonce, &listener_nonce);
    let directions = [(Side::Dialler, 0), (Side::Listener, 1)].map(|(side, direction)| {
        let mut key = expand(&session_secret, &[info.as_slice(), &[direction]]);
        let first_key = key;
        let lane = request.clone().into_lane(listener_nonce);
        let mut sealer = lane.into_ciphers(&meet(Role::Source).dialler.secret, side).0;
        let mut shown = Vec::new();
        for number in 0..=2 * 65536u64 {
            if number > 0 && number % 65536 == 0 {
                key = expand(&key, &[b"hawser rekey"]);
            }
            let plaintext = format!("record {number}");
            let mut record = [&[0; 4], plaintext.as_bytes(), &[0; 16]].concat();
            sealer.seal(&mut record).unwrap();
            if [0, 1, 2, 65535, 65536, 131072].contains(&number) {
                assert_eq!(record, seal(&key, number, plaintext.as_bytes()));
                shown.push(json!({
                    "number": number,
                    "key": hex(key),
                    "plaintext": hex(plaintext),
                    "record": hex(record),
                }));
            }
        }
        json!({ "direction": direction, "lane_key": hex(first_key), "records": shown })
    });
    compare_or_write(
        "records.json",
        json!({
            "session_secret": hex(session_secret),
            "session_id": hex(SESSION),
            "lane": 3,
            "attempt": 2,
            "dialler_nonce": hex(request.nonce),
            "listener_nonce": hex(listener_nonce),
            "dialler_opening": hex(Opening::Join.encode()),
            "join_request": hex(request.encode()),
            "listener_answer": hex([PREAMBLE.as_slice(), &listener_nonce].concat()),
            "directions": directions,
        }),
    );
}

#[test]
fn a_dialler_that_heard_another_preamble_is_rejected() {
    let theirs = speak(b"HAWSER\x00\x02", &secret().psk(), 1);
    let verdict = responder().read_first(theirs.first.as_slice().try_into().unwrap());
    assert!(matches!(verdict, Err(HandshakeError::Rejected)));
}

#[test]
fn a_role_that_does_not_exist_is_malformed() {
    let theirs = speak(&PREAMBLE, &secret().psk(), 3);
    let (_, waiting) = responder().read_first(theirs.first.as_slice().try_into().unwrap()).unwrap();
    let (_, waiting) = waiting.answer(Some(&secret().psk())).unwrap();
    let verdict = waiting.read_third(theirs.third.as_slice().try_into().unwrap());
    assert!(matches!(verdict, Err(HandshakeError::Malformed)));
}

#[test]
fn a_key_for_ml_kem_that_is_none_lets_nobody_in() {
    // Coefficients are below 3329, and this one is 4095.
    let mut key = kem_key().1;
    key[..2].copy_from_slice(&[0xff, 0xff]);
    let theirs = speak_with(&PREAMBLE, &secret().psk(), 1, &key, &kem_answer().0);
    let (_, waiting) = responder().read_first(theirs.first.as_slice().try_into().unwrap()).unwrap();
    let (_, waiting) = waiting.answer(Some(&secret().psk())).unwrap();
    let applicant = waiting.read_third(theirs.third.as_slice().try_into().unwrap()).unwrap();
    assert!(matches!(applicant.accept(), Err(HandshakeError::Malformed)));
}

#[test]
fn a_ciphertext_for_another_ml_kem_key_opens_no_lane() {
    let theirs = speak_with(&PREAMBLE, &secret().psk(), 1, &kem_key().1, &[7; 1088]);
    let (_, dialler) = start(Role::Source);
    let (_, dialler) = dialler.read_second(theirs.second.as_slice().try_into().unwrap()).unwrap();
    let dialler = dialler.read_accept(theirs.accept.as_slice().try_into().unwrap()).unwrap();
    let listener = meet(Role::Source).listener;
    let mut record = [&[0; 4], b"hello".as_slice(), &[0; 16]].concat();
    listener.first_lane.into_ciphers(&listener.secret, Side::Listener).0.seal(&mut record).unwrap();
    let mut opener = dialler.first_lane.into_ciphers(&dialler.secret, Side::Dialler).1;
    let (header, body) = record.split_first_chunk_mut().unwrap();
    assert_eq!(opener.open(*header, body), Err(CipherError::Forged));
}

#[test]
fn an_unknown_ticket_is_opened_by_no_key_but_the_random_one() {
    for (psk, expected) in [([0; 32], false), (*secret().psk(), false), (UNKNOWN_PSK, true)] {
        let theirs = speak(&PREAMBLE, &psk, 1);
        let (_, waiting) = responder().read_first(theirs.first.as_slice().try_into().unwrap()).unwrap();
        let (_, waiting) = waiting.answer(None).unwrap();
        let verdict = waiting.read_third(theirs.third.as_slice().try_into().unwrap());
        assert_eq!(verdict.is_ok(), expected);
    }
}

/// The messages of one handshake and its hash.
struct Said {
    first: Vec<u8>,
    second: Vec<u8>,
    third: Vec<u8>,
    accept: Vec<u8>,
    hash: Vec<u8>,
}

/// The handshake as snow alone does it, with nothing of ours but the ephemeral keys.
fn speak(preamble: &[u8; 8], psk: &[u8; 32], role: u8) -> Said {
    speak_with(preamble, psk, role, &kem_key().1, &kem_answer().0)
}

fn speak_with(preamble: &[u8; 8], psk: &[u8; 32], role: u8, kem_key: &[u8], kem_ciphertext: &[u8]) -> Said {
    let prologue = [*preamble, *preamble].concat();
    let builder = |ephemeral| {
        let pattern = "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2s".parse().unwrap();
        let resolver = FallbackResolver::new(Box::new(Fixed(ephemeral)), Box::new(DefaultResolver));
        Builder::with_resolver(pattern, Box::new(resolver)).prologue(&prologue).unwrap().psk(3, psk).unwrap()
    };
    let PublicKey(listener_public) = listener_key().public();
    let dialler = builder(DIALLER_EPHEMERAL).local_private_key(&DIALLER_KEY).unwrap();
    let mut dialler = dialler.remote_public_key(&listener_public).unwrap().build_initiator().unwrap();
    let listener = builder(LISTENER_EPHEMERAL).local_private_key(&LISTENER_KEY).unwrap();
    let mut listener = listener.build_responder().unwrap();

    let first = say(&mut dialler, &mut listener, &secret().id().0);
    let second = say(&mut listener, &mut dialler, &[]);
    let third = say(&mut dialler, &mut listener, &[DIALLER_RANDOM.as_slice(), &[role], kem_key].concat());
    let hash = listener.get_handshake_hash().to_vec();
    let mut accept = vec![0; 1152];
    let mut transport = listener.into_transport_mode().unwrap();
    let payload = [LISTENER_RANDOM.as_slice(), &SESSION, kem_ciphertext].concat();
    transport.write_message(&payload, &mut accept).unwrap();
    Said { first, second, third, accept, hash }
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

fn say(from: &mut HandshakeState, to: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let (mut message, mut heard) = (vec![0; 2048], [0; 2048]);
    let length = from.write_message(payload, &mut message).unwrap();
    message.truncate(length);
    to.read_message(&message, &mut heard).unwrap();
    message
}

/// The dialler's ML-KEM key pair.
fn kem_key() -> (DecapsulationKey768, Vec<u8>) {
    let key = DecapsulationKey768::from_seed(DIALLER_KEM.into());
    let public = key.encapsulation_key().to_bytes().to_vec();
    (key, public)
}

/// What the listener sends for it, and the secret in it.
fn kem_answer() -> (Vec<u8>, [u8; 32]) {
    let (key, public) = kem_key();
    let public = EncapsulationKey768::new(public.as_slice().try_into().unwrap()).unwrap();
    let (ciphertext, secret) = public.encapsulate_deterministic(&LISTENER_KEM.into());
    assert_eq!(key.decapsulate(&ciphertext), secret);
    (ciphertext.to_vec(), secret.into())
}

fn session_secret(handshake_hash: &[u8]) -> [u8; 32] {
    let (ciphertext, kem_secret) = kem_answer();
    let prk = hmac_sha256(handshake_hash, &[&kem_secret, &DIALLER_RANDOM, &LISTENER_RANDOM]);
    expand(&prk, &[b"hawser session 1", &kem_key().1, &ciphertext])
}

fn lane_info(lane: u8, attempt: u32, dialler_nonce: &[u8], listener_nonce: &[u8]) -> Vec<u8> {
    [b"hawser lane", SESSION.as_slice(), &[lane], &attempt.to_be_bytes(), dialler_nonce, listener_nonce]
        .concat()
}

/// HKDF-Expand to 32 bytes is a single HMAC.
fn expand(prk: &[u8], info: &[&[u8]]) -> [u8; 32] {
    hmac_sha256(prk, &[info, &[&[1]]].concat())
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat());
    tag.as_ref().try_into().unwrap()
}

fn seal(key: &[u8; 32], number: u64, plaintext: &[u8]) -> Vec<u8> {
    let header = (plaintext.len() as u32 + 16).to_be_bytes();
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    let mut text = plaintext.to_vec();
    let cipher = ChaCha20Poly1305::new(key.into());
    let tag = cipher.encrypt_in_place_detached(&nonce.into(), &header, &mut text).unwrap();
    [&header, text.as_slice(), &tag].concat()
}

pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

pub fn compare_or_write(name: &str, computed: Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors").join(name);
    if std::env::var_os("HAWSER_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&computed).unwrap();
        std::fs::write(&path, format!("{text}\n")).unwrap();
    }
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(committed, computed, "{name} has drifted: the protocol changed, or a bug did");
}

//! Meeting by a spoken code.

use hawser_protocol::cipher::Side;
use hawser_protocol::code::{Code, CodeError};
use hawser_protocol::handshake::*;
use hawser_protocol::opening::Opening;
use serde_json::json;

use crate::meeting::*;
use crate::vectors::{compare_or_write, hex};

pub const DIALLER_SCALAR: [u8; 32] = [0xcc; 32];
pub const LISTENER_SCALAR: [u8; 32] = [0xdd; 32];
pub const RUN: [u8; 16] = [0xee; 16];

pub fn code() -> Code {
    Code::new([0, 1, 2047])
}

/// What went over the wire, and what both sides made of it.
pub struct Spoken {
    pub first: [u8; CODE_LENGTH],
    pub share: [u8; SHARE_LENGTH],
    pub proof: [u8; PROOF_LENGTH],
    pub second: [u8; SPOKEN_SECOND_LENGTH],
    pub third: [u8; THIRD_LENGTH],
    pub accept: [u8; ACCEPT_LENGTH],
    pub dialler: Established,
    pub listener: Established,
}

pub fn speak_code(role: Role) -> Spoken {
    let (first, dialler) = CodeInitiator::start(&code(), entropy(DIALLER_SCALAR));
    let (share, listener) = CodeResponder { code: code() }.answer(&first, entropy(LISTENER_SCALAR)).unwrap();
    let (proof, dialler) = dialler.read_share(&share, &dialler_key(), role, dialler_entropy()).unwrap();
    let (second, listener) = listener.read_proof(&proof, &listener_key(), listener_entropy()).unwrap();
    let (third, dialler) = dialler.read_second(&second).unwrap();
    assert_eq!(dialler.listener(), listener_key().public());
    let applicant = listener.read_third(&third).unwrap();
    assert_eq!((applicant.peer(), applicant.dialler_role()), (dialler_key().public(), role));
    let (accept, listener) = applicant.accept().unwrap();
    let dialler = dialler.read_accept(&accept).unwrap();
    Spoken { first, share, proof, second, third, accept, dialler, listener }
}

fn entropy(scalar: [u8; 32]) -> CodeEntropy {
    CodeEntropy { scalar, run: RUN }
}

#[test]
fn two_that_know_the_same_words_meet() {
    for role in [Role::Source, Role::Sink] {
        let Spoken { dialler, listener, .. } = speak_code(role);
        assert_eq!(dialler.peer, listener_key().public());
        assert_eq!(listener.peer, dialler_key().public());
        assert_eq!(dialler.secret.return_ticket().id(), listener.secret.return_ticket().id());
    }
}

#[test]
fn another_word_is_rejected_at_the_diallers_proof() {
    let guess = Code::new([0, 1, 2046]);
    let (first, dialler) = CodeInitiator::start(&guess, entropy(DIALLER_SCALAR));
    let (share, listener) = CodeResponder { code: code() }.answer(&first, entropy(LISTENER_SCALAR)).unwrap();
    let (proof, _) = dialler.read_share(&share, &dialler_key(), Role::Source, dialler_entropy()).unwrap();
    let verdict = listener.read_proof(&proof, &listener_key(), listener_entropy());
    assert!(matches!(verdict, Err(HandshakeError::Rejected)));
}

#[test]
fn what_a_listener_answers_before_the_proof_does_not_depend_on_its_code_in_a_way_that_can_be_tested() {
    // The share is a uniform point whatever the code: the same scalar under another code gives another.
    let (first, _) = CodeInitiator::start(&code(), entropy(DIALLER_SCALAR));
    let share = |code| CodeResponder { code }.answer(&first, entropy(LISTENER_SCALAR)).unwrap().0;
    assert_ne!(share(code()), share(Code::new([5, 6, 7])));
}

#[test]
fn a_flipped_bit_in_any_message_of_a_spoken_meeting_is_rejected() {
    let good = speak_code(Role::Source);
    let waiting = || CodeResponder { code: code() }.answer(&good.first, entropy(LISTENER_SCALAR)).unwrap().1;
    for position in 0..CODE_LENGTH {
        let mut first = good.first;
        first[position] ^= 1;
        let answered = CodeResponder { code: code() }.answer(&first, entropy(LISTENER_SCALAR));
        let proven = answered.and_then(|(_, waiting)| {
            waiting.read_proof(&good.proof, &listener_key(), listener_entropy()).map(|_| ())
        });
        assert!(proven.is_err(), "byte {position} of the first");
    }
    for position in 0..SHARE_LENGTH {
        let mut share = good.share;
        share[position] ^= 1;
        let (_, dialler) = CodeInitiator::start(&code(), entropy(DIALLER_SCALAR));
        let proof = dialler.read_share(&share, &dialler_key(), Role::Source, dialler_entropy());
        let proven = proof.and_then(|(proof, _)| {
            waiting().read_proof(&proof, &listener_key(), listener_entropy()).map(|_| ())
        });
        assert!(proven.is_err(), "byte {position} of the share");
    }
    for position in 0..PROOF_LENGTH {
        let mut proof = good.proof;
        proof[position] ^= 1;
        let verdict = waiting().read_proof(&proof, &listener_key(), listener_entropy());
        assert!(verdict.is_err(), "byte {position} of the proof");
    }
    for position in 0..SPOKEN_SECOND_LENGTH {
        let mut second = good.second;
        second[position] ^= 1;
        let (_, dialler) = CodeInitiator::start(&code(), entropy(DIALLER_SCALAR));
        let dialler = dialler.read_share(&good.share, &dialler_key(), Role::Source, dialler_entropy());
        assert!(dialler.unwrap().1.read_second(&second).is_err(), "byte {position} of message 2");
    }
}

#[test]
fn a_code_is_read_as_people_write_it() {
    assert_eq!(code().to_string(), "abandon-ability-zoo");
    for text in
        ["abandon-ability-zoo", "Abandon Ability Zoo", "  abandon, ability; zoo.\n", "ABANDON--ABILITY_ZOO"]
    {
        assert_eq!(text.parse(), Ok(code()), "{text}");
    }
    for text in ["", "abandon-ability", "abandon-ability-zoo-zoo"] {
        assert_eq!(text.parse::<Code>(), Err(CodeError::Count), "{text}");
    }
    assert_eq!("abandon-abilty-zoo".parse::<Code>(), Err(CodeError::Unknown("abilty".into())));
    assert_eq!("x".repeat(1 << 20).parse::<Code>(), Err(CodeError::Count));
}

#[test]
fn no_code_shows_in_debug_output() {
    assert_eq!(format!("{:?}", code()), "Code(redacted)");
}

/// The shares follow from the draft's own vectors, which src/cpace.rs checks; what is recomputed here is all
/// that comes behind them.
#[test]
fn code_vectors() {
    let Spoken { first, share, proof, second, third, accept, dialler, listener } = speak_code(Role::Source);
    let records = [(Side::Dialler, dialler), (Side::Listener, listener)].map(|(side, established)| {
        let mut record = [&[0; 4], b"the first record".as_slice(), &[0; 16]].concat();
        established.first_lane.into_ciphers(&established.secret, side).0.seal(&mut record).unwrap();
        hex(record)
    });
    let return_ticket = speak_code(Role::Source).dialler.secret.return_ticket();
    compare_or_write(
        "code.json",
        json!({
            "code": code().to_string(),
            "dialler_private": hex(DIALLER_KEY),
            "listener_private": hex(LISTENER_KEY),
            "run": hex(RUN),
            "dialler_scalar": hex(DIALLER_SCALAR),
            "listener_scalar": hex(LISTENER_SCALAR),
            "dialler_ephemeral": hex(DIALLER_EPHEMERAL),
            "listener_ephemeral": hex(LISTENER_EPHEMERAL),
            "dialler_random": hex(DIALLER_RANDOM),
            "listener_random": hex(LISTENER_RANDOM),
            "dialler_kem_seed": hex(DIALLER_KEM),
            "listener_kem_random": hex(LISTENER_KEM),
            "session_id": hex(SESSION),
            "dialler_opening": hex(Opening::Code.encode()),
            "run_and_share": hex(first),
            "listener_share": hex(share),
            "message_1": hex(proof),
            "message_2": hex(second),
            "message_3": hex(third),
            "accept": hex(accept),
            "first_record_from_dialler": records[0],
            "first_record_from_listener": records[1],
            "return_ticket_id": hex(return_ticket.id().0),
        }),
    );
}

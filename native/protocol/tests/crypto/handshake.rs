use hawser_protocol::handshake::*;
use hawser_protocol::identity::{PublicKey, StaticKey};
use hawser_protocol::join::{JOIN_LENGTH, JoinRequest};
use hawser_protocol::opening::*;
use hawser_protocol::ticket::TicketSecret;
use proptest::prelude::*;

use crate::meeting::*;

#[test]
fn both_sides_agree_on_everything_but_who_the_other_is() {
    for role in [Role::Source, Role::Sink] {
        let Meeting { dialler, listener, .. } = meet(role);
        assert_eq!(dialler.session, listener.session);
        assert_eq!(dialler.peer, StaticKey::new(LISTENER_KEY).public());
        assert_eq!(listener.peer, StaticKey::new(DIALLER_KEY).public());
        assert_eq!((dialler.dialler_role, listener.dialler_role), (role, role));
    }
}

#[test]
fn a_flipped_bit_anywhere_in_any_message_is_rejected_where_it_arrives() {
    let good = meet(Role::Source);
    let psk = secret().psk();
    for_each_flip(good.first, |first| rejected(responder().read_first(first)));
    for_each_flip(good.second, |second| rejected(start(Role::Source).1.read_second(second)));
    for_each_flip(good.third, |third| {
        let (_, waiting) = responder().read_first(&good.first).unwrap();
        rejected(waiting.answer(Some(&psk)).unwrap().1.read_third(third))
    });
    for_each_flip(good.accept, |accept| {
        let (_, waiting) = start(Role::Source).1.read_second(&good.second).unwrap();
        rejected(waiting.read_accept(accept))
    });
}

fn for_each_flip<const N: usize>(good: [u8; N], is_rejected: impl Fn(&[u8; N]) -> bool) {
    // In the long messages one bit of each byte: all of the rest is under one tag.
    let bits = if N > 100 { 1 } else { 8 };
    for position in 0..N {
        for bit in (position..position + bits).map(|bit| bit % 8) {
            let mut bad = good;
            bad[position] ^= 1 << bit;
            assert!(is_rejected(&bad), "bit {bit} of byte {position} of {N}");
        }
    }
}

fn rejected<T>(result: Result<T, HandshakeError>) -> bool {
    matches!(result, Err(HandshakeError::Rejected))
}

#[test]
fn a_dialler_that_expects_another_listener_is_rejected_at_message_1() {
    let (first, _) = start_with(Role::Source, &StaticKey::new([0xaa; 32]), &secret()).unwrap();
    assert!(rejected(responder().read_first(&first)));
}

#[test]
fn a_wrong_secret_and_an_unknown_ticket_look_the_same_to_the_dialler_until_message_3_fails() {
    let (first, initiator) = start(Role::Source);
    let (_, waiting) = responder().read_first(&first).unwrap();
    let (to_known, wrong_psk) = waiting.answer(Some(&TicketSecret::new([0xbb; 16]).psk())).unwrap();
    let (_, waiting) = responder().read_first(&first).unwrap();
    let (to_unknown, no_psk) = waiting.answer(None).unwrap();
    assert_eq!(to_known, to_unknown);

    let (third, _) = initiator.read_second(&to_unknown).unwrap();
    assert!(rejected(wrong_psk.read_third(&third)));
    assert!(rejected(no_psk.read_third(&third)));
}

#[test]
fn a_message_3_of_another_handshake_is_rejected() {
    let recorded = meet(Role::Source);
    let mut entropy = listener_entropy();
    entropy.ephemeral = [1; 32];
    let fresh = Responder::new(&listener_key(), entropy).unwrap();
    let (_, waiting) = fresh.read_first(&recorded.first).unwrap();
    let (_, waiting) = waiting.answer(Some(&secret().psk())).unwrap();
    assert!(rejected(waiting.read_third(&recorded.third)));
}

#[test]
fn keys_of_low_order_are_rejected_wherever_a_peer_can_put_them() {
    for lowest_byte in [0, 1] {
        let mut point = [0; 32];
        point[0] = lowest_byte;
        let (key, credential) = (dialler_key(), Credential::Ticket(secret()));
        let started = Initiator::start(&key, PublicKey(point), &credential, Role::Sink, dialler_entropy());
        assert!(rejected(started));

        let good = meet(Role::Sink);
        let (mut first, mut second) = (good.first, good.second);
        first[..32].copy_from_slice(&point);
        second[..32].copy_from_slice(&point);
        assert!(rejected(responder().read_first(&first)));
        assert!(rejected(start(Role::Sink).1.read_second(&second)));
    }
}

#[test]
fn a_dialler_without_a_ticket_says_only_who_it_is() {
    let key = listener_key().public();
    let (first, dialler) =
        Initiator::start(&dialler_key(), key, &Credential::Known, Role::Source, dialler_entropy()).unwrap();
    let (claim, listener) = responder().read_first(&first).unwrap();
    assert_eq!(claim, Claim::Known);
    let (second, listener) = listener.answer(Some(&KNOWN_PSK)).unwrap();
    let (third, dialler) = dialler.read_second(&second).unwrap();
    let applicant = listener.read_third(&third).unwrap();
    assert_eq!(applicant.peer(), dialler_key().public());
    let (accept, listener) = applicant.accept().unwrap();
    let dialler = dialler.read_accept(&accept).unwrap();
    assert_eq!(return_ticket(&dialler), return_ticket(&listener));
}

fn return_ticket(established: &Established) -> [u8; 16] {
    established.secret.return_ticket().id().0
}

#[test]
fn another_version_is_an_error_that_names_both() {
    let theirs = *b"HAWSER\x01\x02";
    let error = HandshakeError::Version { ours: 1, theirs: 258 };
    assert_eq!(check_preamble(&theirs), Err(error));
    assert_eq!(Opening::parse(b"HAWSER\x01\x02\xff"), Err(error));
    assert_eq!(error.to_string(), "this side speaks hawser protocol 1, the other side 258");
}

#[test]
fn another_protocol_is_not_hawser() {
    assert_eq!(check_preamble(&BUSY), Err(HandshakeError::Busy));
    assert_eq!(check_preamble(b"SSH-2.0-"), Err(HandshakeError::NotHawser));
    assert_eq!(Opening::parse(b"GET / HTT"), Err(HandshakeError::NotHawser));
}

#[test]
fn an_opening_says_what_for() {
    assert_eq!(Opening::Session.encode(), *b"HAWSER\x00\x01\x01");
    assert_eq!(Opening::Join.encode(), *b"HAWSER\x00\x01\x02");
    assert_eq!(Opening::Code.encode(), *b"HAWSER\x00\x01\x03");
    for opening in [Opening::Session, Opening::Join, Opening::Code] {
        assert_eq!(Opening::parse(&opening.encode()), Ok(opening));
    }
    assert_eq!(Opening::parse(b"HAWSER\x00\x01\x00"), Err(HandshakeError::Malformed));
    assert_eq!(Opening::parse(b"HAWSER\x00\x01\x04"), Err(HandshakeError::Malformed));
}

#[test]
fn the_handshakes_own_lane_cannot_be_joined_again() {
    let own = JoinRequest { session: SessionId([1; 16]), lane: 0, attempt: 0, nonce: [2; 32] };
    assert_eq!(JoinRequest::parse(&own.encode()), Err(HandshakeError::Malformed));
    let again = JoinRequest { attempt: 1, ..own };
    assert_eq!(JoinRequest::parse(&again.encode()), Ok(again));
}

#[test]
fn no_secret_shows_in_debug_output() {
    let shown = format!("{:?} {:?} {:?}", secret(), listener_key(), meet(Role::Source).dialler.secret);
    assert_eq!(shown, "TicketSecret(redacted) StaticKey(redacted) SessionSecret(redacted)");
}

#[test]
fn a_fingerprint_is_four_groups_of_four() {
    let fingerprint = listener_key().public().fingerprint();
    let groups: Vec<_> = fingerprint.split('-').collect();
    assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 4), "{fingerprint}");
    assert_ne!(fingerprint, StaticKey::new(DIALLER_KEY).public().fingerprint());
}

/// Random bytes of a fixed length.
fn any<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    prop::collection::vec(prop::num::u8::ANY, N).prop_map(|bytes| bytes.try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_in_place_of_a_message_are_rejected(
        first in any::<FIRST_LENGTH>(),
        second in any::<SECOND_LENGTH>(),
        third in any::<THIRD_LENGTH>(),
        accept in any::<ACCEPT_LENGTH>(),
    ) {
        let good = meet(Role::Source);
        prop_assert!(rejected(responder().read_first(&first)));
        prop_assert!(rejected(start(Role::Source).1.read_second(&second)));
        let (_, waiting) = responder().read_first(&good.first).unwrap();
        let (_, waiting) = waiting.answer(None).unwrap();
        prop_assert!(rejected(waiting.read_third(&third)));
        let (_, waiting) = start(Role::Source).1.read_second(&good.second).unwrap();
        prop_assert!(rejected(waiting.read_accept(&accept)));
    }

    #[test]
    fn every_opening_and_join_request_is_written_as_it_was_read(
        opening in any::<OPENING_LENGTH>(),
        kind in 0..5u8,
        request in any::<JOIN_LENGTH>(),
    ) {
        if let Ok(parsed) = Opening::parse(&opening) {
            prop_assert_eq!(parsed.encode(), opening);
        }
        let near: [u8; OPENING_LENGTH] = [PREAMBLE.as_slice(), &[kind]].concat().try_into().unwrap();
        if let Ok(parsed) = Opening::parse(&near) {
            prop_assert_eq!(parsed.encode(), near);
        }
        if let Ok(parsed) = JoinRequest::parse(&request) {
            prop_assert_eq!(parsed.encode(), request);
        }
    }
}

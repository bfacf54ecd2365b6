use hawser_protocol::cipher::*;
use hawser_protocol::handshake::{Role, SessionId};
use hawser_protocol::join::JoinRequest;
use proptest::prelude::*;

use crate::meeting::*;

fn sealed(sealer: &mut Sealer, plaintext: &[u8]) -> Vec<u8> {
    let mut record = [&[0; HEADER_LENGTH], plaintext, &[0; TAG_LENGTH]].concat();
    sealer.seal(&mut record).unwrap();
    record
}

fn opened(opener: &mut Opener, record: &[u8]) -> Result<Vec<u8>, CipherError> {
    let (header, body) = record.split_first_chunk().unwrap();
    opener.open(*header, &mut body.to_vec()).map(|plaintext| plaintext.to_vec())
}

#[test]
fn what_one_side_seals_the_other_opens_in_both_directions() {
    let ((mut dialler_sealer, mut dialler_opener), (mut listener_sealer, mut listener_opener)) = first_lane();
    for plaintext in [&b"x"[..], b"hello", &[7; MAX_PLAINTEXT]] {
        let record = sealed(&mut dialler_sealer, plaintext);
        assert_eq!(opened(&mut listener_opener, &record).unwrap(), plaintext);
        let record = sealed(&mut listener_sealer, plaintext);
        assert_eq!(opened(&mut dialler_opener, &record).unwrap(), plaintext);
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_record_closes_the_opener_for_good() {
    let record = sealed(&mut first_lane().0.0, b"some plaintext");
    for position in 0..record.len() {
        for bit in 0..8 {
            let mut opener = first_lane().1.1;
            let mut bad = record.clone();
            bad[position] ^= 1 << bit;
            let error = if position < HEADER_LENGTH { CipherError::Length } else { CipherError::Forged };
            assert_eq!(opened(&mut opener, &bad), Err(error), "bit {bit} of byte {position}");
            assert_eq!(opened(&mut opener, &record), Err(CipherError::Closed));
        }
    }
}

#[test]
fn a_record_opens_only_once_in_order_in_its_direction() {
    let ((mut sealer, mut own_opener), _) = first_lane();
    let (zero, one) = (sealed(&mut sealer, b"zero"), sealed(&mut sealer, b"one"));
    let opener = || first_lane().1.1;

    let mut repeated = opener();
    assert!(opened(&mut repeated, &zero).is_ok());
    assert_eq!(opened(&mut repeated, &zero), Err(CipherError::Forged));
    assert_eq!(opened(&mut opener(), &one), Err(CipherError::Forged));
    assert_eq!(opened(&mut own_opener, &zero), Err(CipherError::Forged));
}

#[test]
fn a_lane_that_differs_in_anything_has_other_keys() {
    let secret = meet(Role::Source).dialler.secret;
    let base = JoinRequest { session: SessionId(SESSION), lane: 3, attempt: 2, nonce: [0xc1; 32] };
    let lanes = [
        (base.clone(), [0xc2; 32]),
        (JoinRequest { session: SessionId([0; 16]), ..base.clone() }, [0xc2; 32]),
        (JoinRequest { lane: 4, ..base.clone() }, [0xc2; 32]),
        (JoinRequest { attempt: 3, ..base.clone() }, [0xc2; 32]),
        (JoinRequest { nonce: [0xc0; 32], ..base.clone() }, [0xc2; 32]),
        (base, [0xc3; 32]),
    ];
    let ciphers = |lane: usize, side| {
        let (request, listener_nonce) = lanes[lane].clone();
        request.into_lane(listener_nonce).into_ciphers(&secret, side)
    };
    for sealing in 0..lanes.len() {
        let record = sealed(&mut ciphers(sealing, Side::Dialler).0, b"hello");
        for opening in 0..lanes.len() {
            let mut opener = ciphers(opening, Side::Listener).1;
            let fits = opened(&mut opener, &record).is_ok();
            assert_eq!(fits, sealing == opening, "sealed on {sealing}, opened on {opening}");
        }
    }
}

#[test]
fn both_sides_change_keys_at_the_same_record() {
    let ((mut sealer, _), (_, mut opener)) = first_lane();
    for number in 0..2 * REKEY_INTERVAL + 2 {
        let record = sealed(&mut sealer, &number.to_be_bytes());
        assert_eq!(opened(&mut opener, &record).unwrap(), number.to_be_bytes());
    }
}

#[test]
fn lengths_out_of_bounds_are_refused_by_the_header_alone() {
    let longest = MAX_PLAINTEXT + TAG_LENGTH;
    for (length, verdict) in [
        (0, Err(CipherError::Length)),
        (16, Err(CipherError::Length)),
        (17, Ok(17)),
        (longest as u32, Ok(longest)),
        (longest as u32 + 1, Err(CipherError::Length)),
        (u32::MAX, Err(CipherError::Length)),
    ] {
        assert_eq!(record_length(length.to_be_bytes()), verdict, "{length}");
    }
}

#[test]
fn a_plaintext_that_no_record_can_carry_is_not_sealed_and_costs_no_record_number() {
    let ((mut sealer, _), (_, mut opener)) = first_lane();
    for length in [0, 3, 4, 19, 20, HEADER_LENGTH + MAX_PLAINTEXT + 1 + TAG_LENGTH] {
        assert_eq!(sealer.seal(&mut vec![0; length]), Err(CipherError::Length), "{length}");
    }
    assert!(opened(&mut opener, &sealed(&mut sealer, b"the first")).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_and_close_the_opener(
        header in prop::array::uniform4(any::<u8>()),
        body in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let fitting = [&(body.len() as u32).to_be_bytes(), body.as_slice()].concat();
        let with_any_header = [header.as_slice(), &body].concat();
        let mut opener = first_lane().1.1;
        prop_assert!(opened(&mut opener, &with_any_header).is_err());
        prop_assert_eq!(opened(&mut opener, &fitting), Err(CipherError::Closed));
        prop_assert!(opened(&mut first_lane().1.1, &fitting).is_err());
    }
}

//! The primitives as we use them, against the vectors of their specifications.

use data_encoding::HEXLOWER;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn chacha20_poly1305_rfc_8439_section_2_8_2() {
    let key: Vec<u8> = (0x80..=0x9f).collect();
    let nonce = hex("070000004041424344454647").try_into().unwrap();
    let associated_data = hex("50515253c0c1c2c3c4c5c6c7");
    let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                     the future, sunscreen would be it."
        .to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).unwrap());
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(associated_data), &mut text).unwrap();
    let expected = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6\
                    3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36\
                    92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
                    3ff4def08e4b7a9de576d26586cec64b6116\
                    1ae10b594f09e26a7e902ecbd0600691";
    assert_eq!(text, hex(expected));
}

#[test]
fn hkdf_sha256_rfc_5869_test_case_1() {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            42
        }
    }
    let salt = Salt::new(HKDF_SHA256, &hex("000102030405060708090a0b0c"));
    let prk = salt.extract(&[0x0b; 22]);
    let mut output = [0; 42];
    prk.expand(&[&hex("f0f1f2f3f4f5f6f7f8f9")], Length).unwrap().fill(&mut output).unwrap();
    let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(output.as_slice(), hex(expected));
}

/// From test_vectors.json of the BLAKE3 reference, the first 32 bytes of each hash.
#[test]
fn blake3_reference_vectors() {
    for (length, expected) in [
        (0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
        (1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"),
        (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"),
        (1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"),
        (2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"),
        (7169, "a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e7817"),
    ] {
        let input: Vec<u8> = (0..length).map(|i: u32| (i % 251) as u8).collect();
        assert_eq!(blake3::hash(&input).as_bytes().as_slice(), hex(expected), "{length} bytes");
    }
}

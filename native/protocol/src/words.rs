//! Words for numbers that people read out and compare: the English list of BIP-39, sorted, no two of which begin
//! with the same four letters. docs/protocol.md, "Words".

/// Bits that one word stands for.
pub const BITS: u32 = 11;

/// A word a line, as the list was published.
const LIST: &str = include_str!("words.txt");

/// The word of a number; its lowest 11 bits count.
pub fn word(index: u16) -> &'static str {
    let last = (1 << BITS) - 1;
    // There are as many lines as such numbers, which a test counts.
    LIST.lines().nth((index & last).into()).unwrap_or_default()
}

/// The number of a word, 0 to 2047; `None` when it is none of the list. Upper case is another word.
pub fn index(word: &str) -> Option<u16> {
    LIST.lines().zip(0..).find_map(|(listed, index)| (listed == word).then_some(index))
}

/// The word of the list that was probably meant by one that is none of it: the one that begins with the same four
/// letters, or else the first that differs by one letter, or by two that changed places.
pub fn nearest(word: &str) -> Option<&'static str> {
    let begins_alike = |listed: &&str| word.get(..4).is_some_and(|start| listed.starts_with(start));
    LIST.lines().find(begins_alike).or_else(|| LIST.lines().find(|listed| is_slip(word, listed)))
}

/// Whether one letter too many, too few or wrong, or two that changed places, make all the difference.
fn is_slip(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let same = |(a, b): &(&u8, &u8)| a == b;
    let start = one.iter().zip(other).take_while(same).count();
    let (one, other) = (one.get(start..).unwrap_or_default(), other.get(start..).unwrap_or_default());
    let end = one.iter().rev().zip(other.iter().rev()).take_while(same).count();
    let differs = |word: &'_ [u8]| word.len().saturating_sub(end);
    match (differs(one), differs(other)) {
        (0 | 1, 0 | 1) => true,
        (2, 2) => matches!((one, other), ([a, b, ..], [c, d, ..]) if (a, b) == (d, c)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use data_encoding::HEXLOWER;
    use ring::digest::{SHA256, digest};

    use super::*;

    /// Of the list as the Bitcoin project publishes it.
    const PUBLISHED: &str = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda";

    #[test]
    fn the_list_is_the_published_one() {
        // Line by line, for a checkout may have other ends of lines.
        let list: String = LIST.lines().flat_map(|word| [word, "\n"]).collect();
        assert_eq!(HEXLOWER.encode(digest(&SHA256, list.as_bytes()).as_ref()), PUBLISHED);
    }

    #[test]
    fn every_number_of_11_bits_has_its_word() {
        assert_eq!(LIST.lines().count(), 1 << BITS);
        for number in 0..1 << BITS {
            assert_eq!(index(word(number)), Some(number));
        }
        assert_eq!((word(0), word(2047)), ("abandon", "zoo"));
        assert_eq!(word(2048 + 3), word(3));
    }

    #[test]
    fn a_slip_is_recognised() {
        for (typed, meant) in [
            ("windows", "window"),
            ("vacnat", "vacant"),
            ("tiral", "trial"),
            ("vcant", "vacant"),
            ("abut", "about"),
            ("zo", "zoo"),
            ("abandonment", "abandon"),
        ] {
            assert_eq!(nearest(typed), Some(meant), "{typed}");
        }
        for far in ["", "xylophone", "qqq", "\u{e9}t\u{e9}"] {
            assert_eq!(nearest(far), None, "{far}");
        }
    }

    #[test]
    fn what_is_not_on_the_list_has_no_number() {
        for word in ["", "Abandon", "abandon ", "aban", "zzz", "abandon\nability"] {
            assert_eq!(index(word), None, "{word:?}");
        }
    }
}

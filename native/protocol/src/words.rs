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
    fn what_is_not_on_the_list_has_no_number() {
        for word in ["", "Abandon", "abandon ", "aban", "zzz", "abandon\nability"] {
            assert_eq!(index(word), None, "{word:?}");
        }
    }
}

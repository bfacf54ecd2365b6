//! What a peer is called here.

use std::fmt;
use std::str::FromStr;

use hawser_protocol::identity::PublicKey;

/// A name of a known peer: 1 to 64 ASCII letters, digits, `.`, `_` and `-`, the first a letter or a digit. Such a name
/// can stand in a shell, on a terminal and in front of `@host` as it is, and no letter of another script can pass for one
/// of its own. Compared without regard to case. It never has the form of a fingerprint, of a public key or of a ticket.
#[derive(Clone, Debug)]
pub struct PeerName(String);

/// Longest name, in characters.
const MAX_LENGTH: usize = 64;

impl PeerName {
    /// The name for a peer that calls itself so: what a name can have of it; `None` when that is nothing.
    pub fn from_label(label: &str) -> Option<Self> {
        let kept = label.trim().chars().filter_map(|character| match character {
            _ if is_allowed(character) => Some(character),
            _ if character.is_whitespace() => Some('-'),
            _ => None,
        });
        let kept: String = kept.skip_while(|character| !character.is_ascii_alphanumeric()).collect();
        let kept: String = kept.chars().take(MAX_LENGTH).collect();
        let kept = kept.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
        kept.parse().ok()
    }

    /// For a peer whose label leaves nothing to call it by.
    pub(super) fn nameless() -> Self {
        Self("peer".into())
    }

    /// The same with a number, 2 or more, for the next that would have the same name.
    pub(super) fn numbered(&self, number: usize) -> Self {
        let number = format!("-{number}");
        let kept: String = self.0.chars().take(MAX_LENGTH - number.len()).collect();
        Self(kept + &number)
    }

    /// Names that are the same have the same folded form.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAName;

impl FromStr for PeerName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let begins_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let sound = begins_well && text.len() <= MAX_LENGTH && text.chars().all(is_allowed);
        if sound && !is_something_else(text) { Ok(Self(text.into())) } else { Err(NotAName) }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for PeerName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for PeerName {}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._-".contains(character)
}

/// Whether it would be taken for a key, which only its owner may be called by, or for a ticket.
fn is_something_else(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let groups: Vec<_> = lower.split('-').collect();
    let is_base32 = |group: &&str| {
        group.len() == 4 && group.bytes().all(|byte| b"abcdefghijklmnopqrstuvwxyz234567".contains(&byte))
    };
    let is_fingerprint = groups.len() == 4 && groups.iter().all(is_base32);
    is_fingerprint || lower.parse::<PublicKey>().is_ok() || lower.starts_with("hawser1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_becomes_what_a_name_can_have_of_it() {
        let long = "x".repeat(70);
        let names = [
            ("vm", "vm"),
            ("René's Laptop", "Rens-Laptop"),
            (" two  words\t", "two--words"),
            ("-rf", "rf"),
            ("..", ""),
            ("", ""),
            ("日本", ""),
            ("a\u{202e}b\x1b[2J\n", "ab2J"),
            ("a-", "a"),
            (&long, &long[..64]),
            ("k3vq-hw2n-7xta-m4pe", ""),
            ("HAWSER1abc", ""),
            ("name@host:1", "namehost1"),
        ];
        for (label, name) in names {
            let made = PeerName::from_label(label).map(|name| name.to_string());
            assert_eq!(made.unwrap_or_default(), name, "{label:?}");
        }
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_no_name() {
        let key = PublicKey([3; 32]);
        let long = "x".repeat(65);
        let (text, fingerprint) = (key.to_string(), key.fingerprint());
        for wrong in ["", "-a", ".a", "a b", "ä", "a@b", "a/b", &text, &fingerprint, "Hawser1a", &long] {
            assert_eq!(wrong.parse::<PeerName>(), Err(NotAName), "{wrong:?}");
        }
        for right in ["a", "0", "vm-2", "Alice_B.example", "abcd-efgh-ijkl", "abcd-efgh-ijkl-mno1"] {
            assert_eq!(right.parse::<PeerName>().map(|name| name.to_string()), Ok(right.into()));
        }
    }

    #[test]
    fn a_number_fits_however_long_the_name_is() {
        assert_eq!(PeerName::from_label("vm").unwrap().numbered(2).to_string(), "vm-2");
        let numbered = PeerName::from_label(&"x".repeat(64)).unwrap().numbered(10_000).to_string();
        assert_eq!(numbered.len(), 64);
        assert!(numbered.parse::<PeerName>().is_ok());
    }
}

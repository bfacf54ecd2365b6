//! The short code that two people tell each other: three words. docs/protocol.md, "Spoken codes".

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

use crate::words;

/// Words of a code. Each has 11 bits: whoever guesses is right once in 2^33 tries, and has three.
pub const CODE_WORDS: usize = 3;

/// Three words of the English list of BIP-39, good for one meeting. Wiped from memory when dropped; `Display`
/// shows them, which **are** the secret, `Debug` does not.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<String>);

impl Code {
    /// From random numbers: the lowest 11 bits of each decide on a word.
    pub fn new(random: [u16; CODE_WORDS]) -> Self {
        let words = random.map(words::word);
        Self(Zeroizing::new(words.join("-")))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(redacted)")
    }
}

impl FromStr for Code {
    type Err = CodeError;

    /// As people write it: in any case, with anything but letters between the words.
    ///
    /// # Errors
    /// [`CodeError`].
    fn from_str(text: &str) -> Result<Self, CodeError> {
        if text.len() > MAX_TEXT_LENGTH {
            return Err(CodeError::Count);
        }
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let spoken = lower.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty());
        let known =
            spoken.map(|word| words::index(word).map(words::word).ok_or(CodeError::Unknown(word.into())));
        let known = known.collect::<Result<Vec<_>, _>>()?;
        if known.len() != CODE_WORDS {
            return Err(CodeError::Count);
        }
        Ok(Self(Zeroizing::new(known.join("-"))))
    }
}

/// Far more than three words of up to 8 letters take.
const MAX_TEXT_LENGTH: usize = 256;

/// Why a text is not a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// It has not three words.
    Count,
    /// This word is not on the list.
    Unknown(String),
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => write!(f, "a code has {CODE_WORDS} words, such as \"open-lake-army\""),
            Self::Unknown(word) => match words::nearest(word) {
                Some(meant) => write!(f, "no code has the word \"{word}\": did you mean \"{meant}\"?"),
                None => write!(f, "no code has the word \"{word}\": check how it is spelt"),
            },
        }
    }
}

impl core::error::Error for CodeError {}

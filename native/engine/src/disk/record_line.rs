//! One line of a record: what `b3sum` prints and `b3sum --check` reads, for one file.
//!
//! `<64 hex digits>  <path>`. A path with a backslash, a line feed or a carriage return has them as
//! `\\`, `\n` and `\r`, and its line begins with a backslash. Names are bytes here; where they are
//! not UTF-8, `b3sum` cannot check them, and replacing anything would make two of them one.

use std::borrow::Cow;

use hawser_protocol::error::ContentHash;
use hawser_protocol::limits::{MAX_DEPTH, MAX_NAME_BYTES};
use hawser_protocol::manifest::Name;

/// Hex digits of a hash.
const HEX: usize = 64;

/// Names in a path: as many folders as a sink makes within each other, and the file.
const MAX_NAMES: usize = MAX_DEPTH as usize + 1;

/// What no line is longer than: every byte of the longest path escaped, with a separator to a name.
pub const MAX_LINE_BYTES: usize = 1 + HEX + 2 + MAX_NAMES * (2 * MAX_NAME_BYTES + 1);

/// The line of the file at `path`, with its line feed.
pub fn line(path: &[u8], hash: ContentHash) -> Vec<u8> {
    let escaped = path.iter().any(|&byte| escape(byte).is_some());
    let mut line = if escaped { b"\\".to_vec() } else { Vec::new() };
    line.extend_from_slice(blake3::Hash::from_bytes(hash.0).to_hex().as_bytes());
    line.extend_from_slice(b"  ");
    for &byte in path {
        match escape(byte) {
            Some(letter) => line.extend_from_slice(&[b'\\', letter]),
            None => line.push(byte),
        }
    }
    line.push(b'\n');
    line
}

/// What a line, without its line feed, says: a path below the target folder, and a hash.
///
/// `None` for what is no line of a record: in particular for a path that a sink gives no file, such
/// as one that leads out of the folder.
pub fn parse(line: &[u8]) -> Option<(Box<[u8]>, ContentHash)> {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(line) => (true, line),
        None => (false, line),
    };
    let (hash, path) = line.split_at_checked(HEX)?;
    let path = path.strip_prefix(b"  ")?;
    let path = if escaped { Cow::Owned(unescape(path)?) } else { Cow::Borrowed(path) };
    let names = path.split(|&byte| byte == b'/');
    let allowed = names.clone().count() <= MAX_NAMES && names.clone().all(|name| Name::new(name).is_some());
    let hash = blake3::Hash::from_hex(hash).ok()?;
    allowed.then(|| (path.into(), ContentHash(hash.into())))
}

fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

fn unescape(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        path.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of nothing: `b3sum /dev/null`.
    const EMPTY: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    fn empty() -> ContentHash {
        ContentHash(blake3::hash(b"").into())
    }

    #[test]
    fn a_line_is_what_b3sum_prints() {
        assert_eq!(line(b"a/b c", empty()), format!("{EMPTY}  a/b c\n").into_bytes());
        assert_eq!(line(b"x\nx", empty()), format!("\\{EMPTY}  x\\nx\n").into_bytes());
        assert_eq!(line(b"x\\n\r", empty()), format!("\\{EMPTY}  x\\\\n\\r\n").into_bytes());
        assert_eq!(line(b"\xff", empty()), [EMPTY.as_bytes(), b"  \xff\n"].concat());
    }

    #[test]
    fn every_path_survives_its_line() {
        let all: Vec<u8> = (1..=255).filter(|&byte| byte != b'/').collect();
        let longest = vec![b'\\'; MAX_NAME_BYTES];
        let deepest = vec![&longest[..]; MAX_NAMES].join(&b'/');
        for path in [b"a", b" ".as_slice(), b"\\", b"\\n", b"\n/\\/ \r", &all, &deepest] {
            let line = line(path, empty());
            let (end, text) = line.split_last().unwrap();
            assert_eq!(*end, b'\n');
            assert!(!text.contains(&b'\n') && text.len() <= MAX_LINE_BYTES);
            let (parsed, hash) = parse(text).unwrap();
            assert!(*parsed == *path && hash == empty());
        }
    }

    #[test]
    fn what_is_no_line_of_a_record_is_refused() {
        let refused = [
            "",
            "\\",
            "garbage",
            EMPTY,
            &format!("{EMPTY}  "),
            &format!("{EMPTY} a"),
            &format!("{EMPTY}a  a"),
            &format!("{}  a", &EMPTY[1..]),
            &format!("{}  a", "x".repeat(64)),
            &format!("{EMPTY}  /etc/passwd"),
            &format!("{EMPTY}  ../a"),
            &format!("{EMPTY}  a/../b"),
            &format!("{EMPTY}  ./a"),
            &format!("{EMPTY}  a//b"),
            &format!("{EMPTY}  a/"),
            &format!("{EMPTY}  .hawser/records/a"),
            &format!("{EMPTY}  {}", "x".repeat(256)),
            &format!("{EMPTY}  {}", vec!["a"; MAX_NAMES + 1].join("/")),
            &format!("\\{EMPTY}  a\\"),
            &format!("\\{EMPTY}  a\\x"),
            &format!("\\{EMPTY}  a\\"),
            &format!("{EMPTY}  a\0"),
        ];
        for line in refused {
            assert!(parse(line.as_bytes()).is_none(), "{line:?}");
        }
        assert!(parse(b"\xff").is_none());
    }

    #[test]
    fn a_backslash_means_itself_where_the_line_does_not_begin_with_one() {
        let (path, _) = parse(format!("{EMPTY}  a\\n").as_bytes()).unwrap();
        assert_eq!(*path, *b"a\\n");
    }
}

//! Names as the operating system takes them, and the names tried when one is taken.

use std::ffi::OsStr;

use hawser_protocol::limits::MAX_NAME_BYTES;
use hawser_protocol::manifest::Name;

/// The name as a path component for this system; `None` when this system has no such name.
///
/// Always exactly one component: a [`Name`] has no separator, is neither `.` nor `..`, and what
/// only Windows would read as more than a name is refused there.
pub fn os_name(name: &Name) -> Option<&OsStr> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Some(OsStr::from_bytes(name.as_bytes()))
    }
    #[cfg(not(unix))]
    {
        let name = std::str::from_utf8(name.as_bytes()).ok()?;
        (!means_more_on_windows(name)).then(|| OsStr::new(name))
    }
}

/// A name found on this system; `None` when no entry may have it.
pub fn entry_name(found: &OsStr) -> Option<Name> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Name::new(found.as_bytes())
    }
    #[cfg(not(unix))]
    Name::new(found.to_str()?.as_bytes())
}

/// The name for copy number `number` of `name`: `photo (2).jpg`, `.bashrc (2)`, `a.tar (2).gz`.
///
/// Cut, at a character's boundary, to what a name may have; the extension survives the cut.
pub fn numbered(name: &Name, number: u32) -> Option<Name> {
    let bytes = name.as_bytes();
    let dot = bytes.iter().rposition(|&byte| byte == b'.').filter(|&at| at > 0 && at + 1 < bytes.len());
    let (stem, extension) = bytes.split_at(dot.unwrap_or(bytes.len()));
    let mark = format!(" ({number})");
    // An "extension" that leaves no room is no extension.
    let (stem, extension) = match MAX_NAME_BYTES.checked_sub(mark.len() + extension.len()) {
        Some(room) if room > 0 => (cut(stem, room), extension),
        _ => (cut(bytes, MAX_NAME_BYTES - mark.len()), &[][..]),
    };
    Name::new(&[stem, mark.as_bytes(), extension].concat())
}

/// The longest start of `bytes` of at most `room` bytes that does not end inside a character.
fn cut(bytes: &[u8], room: usize) -> &[u8] {
    let inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let mut end = room.min(bytes.len());
    // A character has at most three continuation bytes: more are no UTF-8 and cut anywhere.
    let earliest = end.saturating_sub(3);
    while end > earliest && inside(end) {
        end -= 1;
    }
    if inside(end) { &bytes[..room.min(bytes.len())] } else { &bytes[..end] }
}

/// Whether Windows would take `name` for something else than a plain name: a device, a stream, a
/// drive, a path, or the same name without its last dot or space.
#[cfg(any(windows, test))]
fn means_more_on_windows(name: &str) -> bool {
    let special = |c: char| c < ' ' || matches!(c, '\\' | '/' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    name.contains(special) || name.ends_with(['.', ' ']) || is_windows_device(name)
}

/// Devices are meant whatever extension or trailing spaces follow: `nul.tar.gz`, `COM1 .txt`.
#[cfg(any(windows, test))]
fn is_windows_device(name: &str) -> bool {
    const PLAIN: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    if PLAIN.contains(&stem.as_str()) {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).unwrap_or_default();
    // Superscript digits are digits to Windows.
    let mut digits = port.chars();
    matches!((digits.next(), digits.next()), (Some('0'..='9' | '⁰' | '¹' | '²' | '³' | '⁴'..='⁹'), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str, count: u32) -> String {
        let name = numbered(&Name::new(name.as_bytes()).unwrap(), count).unwrap();
        String::from_utf8(name.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_number_goes_before_the_last_extension() {
        assert_eq!(number("photo.jpg", 2), "photo (2).jpg");
        assert_eq!(number("photo.jpg", 31), "photo (31).jpg");
        assert_eq!(number("a.tar.gz", 2), "a.tar (2).gz");
        assert_eq!(number(".bashrc", 2), ".bashrc (2)");
        assert_eq!(number("Makefile", 2), "Makefile (2)");
        assert_eq!(number("ends with.", 2), "ends with. (2)");
        assert_eq!(number(".a.b", 2), ".a (2).b");
    }

    #[test]
    fn a_numbered_name_is_cut_to_255_bytes_at_a_character() {
        let long = format!("{}.jpg", "x".repeat(251));
        assert_eq!(number(&long, 2), format!("{} (2).jpg", "x".repeat(247)));
        let accents = format!("{}.jpg", "é".repeat(125));
        assert_eq!(number(&accents, 2), format!("{} (2).jpg", "é".repeat(123)));
        let boats = "⛵".repeat(85);
        assert_eq!(number(&boats, 2), format!("{} (2)", "⛵".repeat(83)));
        let all_extension = format!("a.{}", "x".repeat(253));
        assert_eq!(number(&all_extension, 2), format!("a.{} (2)", "x".repeat(249)));
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_cut_all_the_same() {
        let name = numbered(&Name::new(&[0x80; 255]).unwrap(), 2).unwrap();
        assert_eq!(name.as_bytes(), [&[0x80; 251][..], b" (2)"].concat());
    }

    #[test]
    fn names_that_windows_reads_as_more_are_known() {
        let refused = [
            "CON",
            "con",
            "nul.txt",
            "AUX ",
            "COM1",
            "com1.tar.gz",
            "COM¹",
            "LPT⁰",
            "lpt9 .x",
            "CONIN$",
            "a:b",
            "a::$DATA",
            "C:",
            "C:x",
            r"a\b",
            "dot.",
            "space ",
            "a*",
            "a?",
            "a|b",
            "<a>",
            "\"",
            "tab\t",
        ];
        for name in refused {
            assert!(means_more_on_windows(name), "{name:?}");
        }
        for name in ["CONSOLE", "COM", "COM10", "COMX", "nulls.txt", ".bashrc", "é", "PROGRA~1", "a.b.c"] {
            assert!(!means_more_on_windows(name), "{name:?}");
        }
    }
}

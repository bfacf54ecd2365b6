//! What errors are worded with.

use std::io;
use std::time::SystemTime;

/// How long ago a time in seconds since 1970 was, in its largest unit.
pub(super) fn time_since(at: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs().saturating_sub(at);
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (length, unit) = units.into_iter().find(|(length, _)| seconds >= *length).unwrap_or((1, "second"));
    let count = seconds / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The system's words for an error, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// What a peer says, made safe for wherever an error is shown or logged: what a terminal would obey or
/// hide is `\u{…}`.
pub(super) fn escaped(text: &str) -> String {
    let keep = |c: char| matches!(c, '"' | '\'' | '\\');
    let mut shown = String::new();
    for c in text.chars() {
        if keep(c) { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use hawser_protocol::message::CloseCode;

    use crate::Error;

    #[test]
    fn what_a_peer_says_at_the_end_is_escaped() {
        let text = "it's \u{1b}[2J\n\u{9b}\u{202e}\u{200b} a\u{301}".to_string();
        let error = Error::ClosedByPeer { code: CloseCode::Refused, text };
        assert_eq!(
            error.to_string(),
            r"the other side refused the transfer: it's \u{1b}[2J\n\u{9b}\u{202e}\u{200b} a\u{301}"
        );
    }
}

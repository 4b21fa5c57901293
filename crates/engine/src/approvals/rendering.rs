//! What the approver sees: a text of the request's own bytes. It is bounded, and says what it
//! leaves out.

use std::fmt::Write as _;

use caracal_core::{Approval, AuthorizationDetail, ResourceIdentifier, ScopeSet};

use crate::path::AuthorityPath;

/// How much of a body is shown, in bytes.
const MAX_SHOWN_BODY: usize = 16 * 1024;
/// How much of any other value is shown, in bytes.
const MAX_SHOWN_VALUE: usize = 4 * 1024;

/// What is shown of a call.
pub(crate) struct CallShown<'r> {
    pub(crate) method: &'r str,
    /// Where it goes, without the query.
    pub(crate) url: &'r str,
    pub(crate) query: &'r [String],
    pub(crate) headers: &'r [(String, String)],
    /// The body, as it will be sent.
    pub(crate) body: &'r [u8],
    pub(crate) resource: &'r ResourceIdentifier,
    pub(crate) scope: &'r str,
}

/// The rendering of a request for a mandate.
pub(crate) fn of_mandate(
    path: &AuthorityPath,
    resources: &[ResourceIdentifier],
    scopes: &ScopeSet,
    details: &[AuthorizationDetail],
) -> String {
    let mut text = who(path, "asks for a mandate");
    let minutes = Approval::SECONDS / 60;
    let what = match details {
        [] => "every call under these scopes",
        _ => "these calls only, with any body, as often as they are made",
    };
    let _ = writeln!(
        text,
        "it covers {what}, for at most {minutes} minutes after the approval"
    );
    for resource in resources {
        let _ = writeln!(text, "resource: {resource}");
    }
    let _ = writeln!(text, "scopes: {}", line(&scopes.to_string()));
    for call in details.iter().map(AuthorizationDetail::call) {
        let (method, path) = (line(&call.method), line(&call.path));
        let _ = writeln!(text, "call: {method} {} {path}", call.resource());
        for pair in &call.query {
            let _ = writeln!(text, "  query: {}", line(pair));
        }
    }
    text
}

/// The rendering of a call.
pub(crate) fn of_call(path: &AuthorityPath, call: &CallShown<'_>) -> String {
    let mut text = who(path, "asks for one call, exactly as it is here");
    let _ = writeln!(text, "resource: {}", call.resource);
    let _ = writeln!(text, "scope: {}", call.scope);
    let _ = writeln!(text, "{} {}", line(call.method), line(call.url));
    for pair in call.query {
        let _ = writeln!(text, "query: {}", line(pair));
    }
    for (name, value) in call.headers {
        let _ = writeln!(text, "{name}: {}", line(value));
    }
    body(&mut text, call.body);
    text
}

fn who(path: &AuthorityPath, asks: &str) -> String {
    let last = path.last();
    let mut text = format!("`{}` {asks}\n", last.application.value.name);
    if last.stored().is_some() {
        let _ = writeln!(text, "session: {}", last.session);
        let labels: Vec<_> = last.labels().iter().map(ToString::to_string).collect();
        if !labels.is_empty() {
            let _ = writeln!(text, "labels: {}", labels.join(", "));
        }
    }
    if let Some(subject) = path.root().subject() {
        let _ = writeln!(text, "for: {subject}");
    }
    for id in path.delegation_ids() {
        let _ = writeln!(text, "delegation: {id}");
    }
    text
}

fn body(text: &mut String, bytes: &[u8]) {
    if bytes.is_empty() {
        text.push_str("no body\n");
        return;
    }
    let digest = caracal_crypto::hex(&caracal_crypto::sha256(bytes));
    let _ = writeln!(text, "body: {} bytes, SHA-256 {digest}", bytes.len());
    match std::str::from_utf8(bytes) {
        Ok(body) => {
            text.push_str(&clean(body, MAX_SHOWN_BODY));
            text.push('\n');
        }
        Err(_) => {
            let shown = bytes.get(..MAX_SHOWN_BODY / 4).unwrap_or(bytes);
            for line in shown.chunks(32) {
                text.push_str(&caracal_crypto::hex(line));
                text.push('\n');
            }
            if shown.len() < bytes.len() {
                let _ = writeln!(
                    text,
                    "({} more bytes are not shown)",
                    bytes.len() - shown.len()
                );
            }
        }
    }
}

/// A value that stays on its line, so that it cannot pass for another part of the request.
fn line(text: &str) -> String {
    clean(text, MAX_SHOWN_VALUE).replace('\n', "\\n")
}

/// A text without what could make a terminal or a page show something else.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit));
    for (at, c) in text.char_indices() {
        if at >= limit {
            let _ = write!(shown, "({} more bytes are not shown)", text.len() - at);
            break;
        }
        if c == '\n' || (!c.is_control() && !is_deceptive(c)) {
            shown.push(c);
        } else {
            let _ = write!(shown, "{}", c.escape_unicode());
        }
    }
    shown
}

/// Characters that change the direction of text or cannot be seen.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_cannot_deceive() {
        assert_eq!(clean("a\u{1b}[2J\nb", 100), "a\\u{1b}[2J\nb");
        assert_eq!(clean("x\u{202e}y", 100), "x\\u{202e}y");
        assert_eq!(clean("abcdef", 3), "abc(3 more bytes are not shown)");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_in_hex_and_named_by_their_digest() {
        let mut text = String::new();
        body(&mut text, &[0xff, 0x00]);
        assert!(text.contains("2 bytes, SHA-256 "), "{text}");
        assert!(text.contains("ff00"), "{text}");
    }
}

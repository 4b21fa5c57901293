//! Where a list goes on. Clients hand cursors back as they got them and read nothing into them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::refusal::Refusal;

/// Writes the cursor after `key` in a list of this kind.
pub(crate) fn write(kind: &str, key: impl std::fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{key}"))
}

/// Reads the key of a cursor.
///
/// # Errors
/// When it was not made by a list of this kind.
pub(crate) fn read(kind: &str, cursor: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let refuse = || {
        Refusal::unreadable("cursor", "this cursor is not from this list")
            .hint("leave `cursor` out to begin again")
    };
    if cursor.len() > 256 {
        return Err(refuse());
    }
    let plain = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refuse())?;
    let plain = String::from_utf8(plain).map_err(|_| refuse())?;
    let key = plain
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix(':'))
        .ok_or_else(refuse)?;
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let cursor = write("zone", "acme");
        assert_eq!(
            read("zone", Some(&cursor)).unwrap().as_deref(),
            Some("acme")
        );
        assert!(read("zone", None).unwrap().is_none());
        for (kind, bad) in [
            ("token", cursor.as_str()),
            ("zone", "x"),
            ("zone", ""),
            ("zone", "e"),
        ] {
            assert!(read(kind, Some(bad)).is_err(), "{bad} was accepted");
        }
        assert!(read("zone", Some(&"A".repeat(4096))).is_err());
    }
}

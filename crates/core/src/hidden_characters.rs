//! Characters that people do not see.

/// True when a text holds control characters, some that change the direction of text, or some
/// without a width: two that look alike would be two.
pub fn has_hidden_characters(text: &str) -> bool {
    text.chars().any(|c| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_no_hidden_character() {
        for text in ["", "alice@example.com", "Ålice Ω", "auth0|5f7c"] {
            assert!(!has_hidden_characters(text), "{text}");
        }
        for text in [
            "a\0",
            "a\u{7f}",
            "a\u{85}",
            "\u{202e}a",
            "a\u{2066}",
            "a\u{200b}",
            "\u{feff}a",
        ] {
            assert!(has_hidden_characters(text), "{text:?}");
        }
    }
}

//! Cedar's tokens, as far as bounding and cutting a text needs them.

use super::{Fault, MAX_STRING};

/// One token; where only its kind matters, the text is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A keyword or an identifier.
    Word(&'t str),
    /// A string literal as it stands, without its quotes.
    Text(&'t str),
    Number,
    /// A template's slot, `?principal`.
    Slot,
    Open(char),
    Close(char),
    Comma,
    Semicolon,
    At,
    /// `::`
    PathSeparator,
    /// `&&` or `||`
    Logical,
    /// Any other operator.
    Operator(&'t str),
}

pub(super) struct Lexer<'t> {
    rest: &'t str,
    offset: usize,
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            rest: text,
            offset: 0,
        }
    }

    /// The byte after the last token.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// The next token and where it begins.
    pub(super) fn next(&mut self) -> Result<Option<(Token<'t>, usize)>, Fault> {
        self.skip_blanks()?;
        let start = self.offset;
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        let token = match first {
            '"' => Token::Text(self.text()?),
            '(' | '[' | '{' => self.one(Token::Open(first)),
            ')' | ']' | '}' => self.one(Token::Close(first)),
            ',' => self.one(Token::Comma),
            ';' => self.one(Token::Semicolon),
            '@' => self.one(Token::At),
            '?' => {
                self.cut(1);
                self.word();
                Token::Slot
            }
            '_' | 'a'..='z' | 'A'..='Z' => Token::Word(self.word()),
            '0'..='9' => {
                self.word();
                Token::Number
            }
            _ => self.operator().ok_or_else(|| unknown(first, start))?,
        };
        Ok(Some((token, start)))
    }

    fn cut(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        self.offset += taken.len();
        taken
    }

    fn one(&mut self, token: Token<'t>) -> Token<'t> {
        self.cut(1);
        token
    }

    fn word(&mut self) -> &'t str {
        let end = self
            .rest
            .find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        self.cut(end.unwrap_or(self.rest.len()))
    }

    fn operator(&mut self) -> Option<Token<'t>> {
        if self.rest.starts_with("::") {
            self.cut(2);
            return Some(Token::PathSeparator);
        }
        if self.rest.starts_with("&&") || self.rest.starts_with("||") {
            self.cut(2);
            return Some(Token::Logical);
        }
        let known = [
            "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "=", ".", ":",
        ];
        let found = known
            .into_iter()
            .find(|known| self.rest.starts_with(known))?;
        Some(Token::Operator(self.cut(found.len())))
    }

    fn skip_blanks(&mut self) -> Result<(), Fault> {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start().len();
            self.cut(blanks);
            if !self.rest.starts_with("//") {
                return Ok(());
            }
            let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
            let start = self.offset;
            let comment = self.cut(end);
            refuse_direction_marks(comment, start)?;
        }
    }

    /// A string literal, from its first quote.
    fn text(&mut self) -> Result<&'t str, Fault> {
        let start = self.offset;
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find_map(|(i, c)| match c {
            _ if escaped => {
                escaped = false;
                None
            }
            '\\' => {
                escaped = true;
                None
            }
            '"' => Some(i + 1),
            _ => None,
        });
        let Some(end) = end else {
            return Err(
                Fault::new(start, "this string is never closed").hint("add the closing `\"`")
            );
        };
        let quoted = self.cut(end);
        let text = quoted.get(1..end - 1).unwrap_or_default();
        if text.len() > MAX_STRING {
            return Err(Fault::new(
                start,
                format!("a string is limited to {MAX_STRING} bytes"),
            ));
        }
        refuse_direction_marks(text, start + 1)?;
        Ok(text)
    }
}

fn unknown(found: char, offset: usize) -> Fault {
    let shown: String = found.escape_default().collect();
    Fault::new(offset, format!("`{shown}` has no meaning here"))
        .hint("text goes between double quotes, comments begin with `//`")
}

/// Marks that make an editor show a text in another order than it is read.
fn refuse_direction_marks(text: &str, start: usize) -> Result<(), Fault> {
    let mark = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match text.find(mark) {
        Some(at) => Err(Fault::new(
            start + at,
            "an invisible mark changes the direction of writing",
        )
        .hint("remove it, so that what is reviewed is what is decided")),
        None => Ok(()),
    }
}

//! A first look at a policy's text, without recursion and before Cedar sees it.
//!
//! Cedar's parser, type checker and evaluator recurse over the text's structure, so a
//! hostile text could overflow the stack, which aborts the process. This pass refuses
//! such a text, cuts the rest into statements, and notes where names stand in them.

mod depth;
mod lexer;

use depth::Depth;
use lexer::{Lexer, Token};

/// The deepest that brackets may nest.
pub(crate) const MAX_BRACKETS: usize = 64;
/// The deepest that expressions may nest, counting chains of operators.
pub(crate) const MAX_DEPTH: usize = 128;
/// The longest string literal in bytes: patterns are matched in time that grows with it.
pub(crate) const MAX_STRING: usize = 2048;

/// What is wrong, and at which byte.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

impl Fault {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// An entity that the text names, such as `Application::"anton"`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) type_name: String,
    pub(crate) id: String,
    pub(crate) offset: usize,
}

/// One `permit` or `forbid` with its annotations.
#[derive(Debug)]
pub(crate) struct Piece<'t> {
    pub(crate) text: &'t str,
    pub(crate) offset: usize,
    pub(crate) references: Vec<Reference>,
    /// The name and place of each annotation.
    pub(crate) annotations: Vec<(&'t str, usize)>,
}

/// Cuts a text into its statements.
pub(crate) fn scan(text: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let mut pieces = Vec::new();
    let mut lexer = Lexer::new(text);
    let mut open: Option<Open<'_>> = None;
    while let Some((token, offset)) = lexer.next()? {
        let statement = open.get_or_insert_with(|| Open::new(offset));
        if token != Token::Semicolon {
            statement.take(token, offset)?;
            continue;
        }
        statement.depth.finish(offset)?;
        if let Some(done) = open.take() {
            pieces.push(done.close(text, lexer.offset()));
        }
    }
    if let Some(rest) = open {
        // Without its semicolon Cedar says what is missing, unless a bracket is open.
        rest.depth.finish(text.len())?;
        pieces.push(rest.close(text, text.len()));
    }
    Ok(pieces)
}

/// A statement that is being read.
struct Open<'t> {
    offset: usize,
    depth: Depth,
    references: Vec<Reference>,
    annotations: Vec<(&'t str, usize)>,
    /// The type name that is being read, and where it began.
    path: Option<(String, usize)>,
    previous: Option<(Token<'t>, usize)>,
}

impl<'t> Open<'t> {
    fn new(offset: usize) -> Self {
        Self {
            offset,
            depth: Depth::new(),
            references: Vec::new(),
            annotations: Vec::new(),
            path: None,
            previous: None,
        }
    }

    fn take(&mut self, token: Token<'t>, offset: usize) -> Result<(), Fault> {
        let previous = self.previous.map(|(token, _)| token);
        match token {
            Token::Word(word) => match (previous, &mut self.path) {
                (Some(Token::PathSeparator), Some((path, _))) => {
                    path.push_str("::");
                    path.push_str(word);
                }
                _ => self.path = Some((word.to_owned(), offset)),
            },
            Token::Text(id) if previous == Some(Token::PathSeparator) => {
                // No name of a zone needs an escape, and without them what stands in the
                // text is what Cedar compares.
                if id.contains('\\') {
                    return Err(Fault::new(offset, "an entity's name cannot hold escapes")
                        .hint("write the name as it is"));
                }
                if let Some((type_name, start)) = self.path.take() {
                    self.references.push(Reference {
                        type_name,
                        id: id.to_owned(),
                        offset: start,
                    });
                }
            }
            Token::Slot => {
                return Err(Fault::new(offset, "templates are not supported").hint(
                    "name the application or resource in place of `?principal` or `?resource`",
                ));
            }
            _ => {}
        }
        if let (Token::Word(word), Some((Token::At, at))) = (token, self.previous) {
            self.annotations.push((word, at));
        }
        self.depth.take(token, offset)?;
        self.previous = Some((token, offset));
        Ok(())
    }

    fn close(self, text: &'t str, end: usize) -> Piece<'t> {
        Piece {
            text: text.get(self.offset..end).unwrap_or_default(),
            offset: self.offset,
            references: self.references,
            annotations: self.annotations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_cut_at_their_semicolons() {
        let text = "// a; b\n@id(\"x;\\\"y\") permit(principal, action, resource); // ;\n forbid (principal, action == Action :: \"a//b\", resource);";
        let pieces = scan(text).unwrap();
        assert_eq!(pieces.len(), 2);
        assert!(pieces[0].text.starts_with("@id"), "{}", pieces[0].text);
        assert_eq!(pieces[0].annotations, [("id", 8)]);
        assert!(pieces[1].text.starts_with("forbid") && pieces[1].text.ends_with(");"));
        assert_eq!(pieces[1].references.len(), 1);
        assert_eq!(pieces[1].references[0].type_name, "Action");
        assert_eq!(pieces[1].references[0].id, "a//b");
        assert_eq!(
            text.get(pieces[1].references[0].offset..).unwrap().get(..6),
            Some("Action")
        );
    }

    fn when(condition: &str) -> String {
        format!("permit(principal, action, resource) when {{ {condition} }};")
    }

    #[test]
    fn deep_texts_are_refused_and_wide_ones_pass() {
        let nest = |n: usize| format!("{}true{}", "(".repeat(n), ")".repeat(n));
        let chain = |n: usize, op: &str| vec!["true"; n].join(op);
        for (bad, why) in [
            (nest(10_000), "brackets"),
            (nest(MAX_BRACKETS), "brackets"),
            (
                format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)),
                "brackets",
            ),
            ("(".repeat(100_000), "brackets"),
            (chain(100_000, "&&"), "levels deep"),
            (chain(100_000, " || "), "levels deep"),
            (chain(100_000, "+"), "levels deep"),
            (format!("{}true", "!".repeat(100_000)), "levels deep"),
            (format!("{}1", "-".repeat(100_000)), "levels deep"),
            (
                format!("{}true", "if true then false else ".repeat(100_000)),
                "levels deep",
            ),
            (format!("{}true", "if ".repeat(100_000)), "levels deep"),
            (format!("context{}", ".a".repeat(100_000)), "levels deep"),
            (
                format!("context has a{}", ".a".repeat(100_000)),
                "levels deep",
            ),
            (
                format!("context{}", "[\"a\"]".repeat(100_000)),
                "levels deep",
            ),
            (
                format!("true}} {}", "when { true }".repeat(100_000)),
                "levels deep",
            ),
        ] {
            let fault = scan(&when(&bad)).unwrap_err();
            assert!(
                fault.message.contains(why),
                "{}: {}",
                &bad[..10],
                fault.message
            );
        }
        for good in [
            nest(MAX_BRACKETS - 2),
            chain(100, "&&"),
            format!("[{}].contains(1)", vec!["1"; 10_000].join(",")),
            // Brackets and operators in strings and comments do not count.
            format!(
                "\"{}\" == \"\\\"((((\" // {}\n",
                "(&&".repeat(500),
                "(".repeat(10_000)
            ),
        ] {
            assert!(scan(&when(&good)).is_ok(), "{}", &good[..10]);
        }
    }

    #[test]
    fn broken_texts_are_refused_where_they_break() {
        for (text, offset, why) in [
            ("permit(\"abc", 7, "never closed"),
            ("permit(\"abc\\\"", 7, "never closed"),
            ("permit(principal;", 16, "`(`"),
            ("permit)", 6, "closes nothing"),
            ("permit(]", 7, "`(`"),
            ("permit(", 7, "`(`"),
            ("permit #", 7, "`#`"),
            ("// \u{202e}", 3, "direction"),
            ("permit(principal == ?principal);", 20, "templates"),
            ("Action::\"a\\u{74}\"", 8, "escapes"),
        ] {
            let fault = scan(text).unwrap_err();
            assert_eq!(fault.offset, offset, "{text}: {}", fault.message);
            assert!(fault.message.contains(why), "{text}: {}", fault.message);
        }
        let long = format!("\"{}\"", "a".repeat(MAX_STRING + 1));
        assert!(scan(&long).unwrap_err().message.contains("2048"));
    }
}

//! How deep an expression nests, without parsing it.

use super::lexer::Token;
use super::{Fault, MAX_BRACKETS, MAX_DEPTH};

/// An upper bound of the depth of the expressions read so far.
///
/// On any way from the root of a syntax tree to a leaf, an operator adds at most its
/// weight, so a bracket's content is no deeper than the weights of the operators directly
/// in it plus the deepest bracket inside. `&&`, `||` and `if` bind weakest: their operands
/// are counted apart, and commas separate expressions altogether.
pub(super) struct Depth {
    frames: Vec<Frame>,
}

#[derive(Default)]
struct Frame {
    open: Option<char>,
    /// The weight of the operators in the current operand, and the deepest bracket in it.
    operators: usize,
    inside: usize,
    /// The number of logical operators since the last comma, and the deepest operand.
    logical: usize,
    operand: usize,
    /// The deepest expression before the last comma.
    deepest: usize,
}

impl Frame {
    fn end_operand(&mut self) {
        self.operand = self.operand.max(self.operators + self.inside);
        self.operators = 0;
        self.inside = 0;
    }

    fn end_expression(&mut self) {
        self.end_operand();
        self.deepest = self.deepest.max(self.logical + self.operand);
        self.logical = 0;
        self.operand = 0;
    }

    fn depth(&self) -> usize {
        let operand = self.operand.max(self.operators + self.inside);
        self.deepest.max(self.logical + operand)
    }
}

impl Depth {
    pub(super) fn new() -> Self {
        Self {
            frames: vec![Frame::default()],
        }
    }

    pub(super) fn take(&mut self, token: Token<'_>, offset: usize) -> Result<(), Fault> {
        match token {
            Token::Open(bracket) => {
                self.weigh(1, offset)?;
                if self.frames.len() > MAX_BRACKETS {
                    let message = format!("brackets nest deeper than {MAX_BRACKETS}");
                    return Err(Fault::new(offset, message).hint("split the policy into several"));
                }
                self.frames.push(Frame {
                    open: Some(bracket),
                    ..Frame::default()
                });
                Ok(())
            }
            Token::Close(bracket) => self.close(bracket, offset),
            Token::Comma => {
                self.top().end_expression();
                Ok(())
            }
            Token::Logical | Token::Word("if") => {
                let frame = self.top();
                frame.end_operand();
                frame.logical += 1;
                self.check(offset)
            }
            Token::Word("then" | "else") => {
                self.top().end_operand();
                Ok(())
            }
            Token::Word("has" | "like" | "in" | "is" | "when") => self.weigh(1, offset),
            // These become two levels: `unless` and `!=` a negation, `a has b.c` a conjunction.
            Token::Word("unless") | Token::Operator("." | "!=" | ">" | ">=") => {
                self.weigh(2, offset)
            }
            Token::Operator(":") => Ok(()),
            Token::Operator(_) => self.weigh(1, offset),
            Token::Word(_)
            | Token::Text(_)
            | Token::Number
            | Token::Slot
            | Token::Semicolon
            | Token::At
            | Token::PathSeparator => Ok(()),
        }
    }

    /// The statement ends here.
    pub(super) fn finish(&self, offset: usize) -> Result<(), Fault> {
        match self.frames.last().and_then(|frame| frame.open) {
            Some(open) => {
                Err(Fault::new(offset, format!("a `{open}` is still open here")).hint("close it"))
            }
            None => Ok(()),
        }
    }

    fn close(&mut self, bracket: char, offset: usize) -> Result<(), Fault> {
        let frame = self.frames.pop().unwrap_or_default();
        let fits = matches!(
            (frame.open, bracket),
            (Some('('), ')') | (Some('['), ']') | (Some('{'), '}')
        );
        match frame.open {
            None => Err(Fault::new(
                offset,
                format!("this `{bracket}` closes nothing"),
            )),
            Some(open) if !fits => Err(Fault::new(
                offset,
                format!("this `{bracket}` does not close the `{open}`"),
            )),
            Some(_) => {
                // The bracket itself was weighed when it was opened.
                let depth = frame.depth();
                let outer = self.top();
                outer.inside = outer.inside.max(depth);
                self.check(offset)
            }
        }
    }

    fn weigh(&mut self, weight: usize, offset: usize) -> Result<(), Fault> {
        self.top().operators += weight;
        self.check(offset)
    }

    fn check(&mut self, offset: usize) -> Result<(), Fault> {
        if self.top().depth() <= MAX_DEPTH {
            return Ok(());
        }
        Err(Fault::new(
            offset,
            format!("the expression is more than {MAX_DEPTH} levels deep"),
        )
        .hint("use a set with `contains` or `in` for long chains, or split the policy"))
    }

    fn top(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        // Just made sure that there is one.
        let last = self.frames.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "the vector is not empty")]
        &mut self.frames[last]
    }
}

//! How much policy is asked for one request of a workload, and where.

mod turns;

use std::sync::atomic::Ordering;

use caracal_policy::{Answer, CompiledPolicy};

pub(crate) use turns::{AT_ONCE, Turn, Turns};

use crate::decide::{PathQuestion, ask_stretch};
use crate::meters::meters;
use crate::path::Stretch;
use crate::{Engine, IssueError};

/// The most questions to policy for one mandate, delegation or child: what all scopes of the
/// largest slice need on the longest path.
pub const MAX_QUESTIONS: usize = 8_192;
/// The most questions to policy for everything that one session may do.
pub const MAX_AUTHORITY_QUESTIONS: usize = 32_768;
/// What may still be asked for one request.
pub(crate) struct Questions<'e> {
    engine: &'e Engine,
    most: usize,
    left: usize,
    asked: u64,
}

/// A request would ask more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany(usize);

impl From<TooMany> for IssueError {
    fn from(TooMany(most): TooMany) -> Self {
        Self::InvalidRequest(format!(
            "this asks policy more than {most} questions: name fewer resources and scopes"
        ))
    }
}

impl Questions<'_> {
    /// Sets so many aside, before the first of them is asked.
    pub(crate) fn take(&mut self, count: usize) -> Result<(), TooMany> {
        self.left = self.left.checked_sub(count).ok_or(TooMany(self.most))?;
        Ok(())
    }

    pub(crate) fn ask(
        &mut self,
        policy: &CompiledPolicy,
        path: Stretch<'_>,
        question: &PathQuestion<'_>,
    ) -> Answer {
        let (answer, asked) = ask_stretch(policy, path, question);
        self.asked += asked;
        answer
    }
}

impl Drop for Questions<'_> {
    fn drop(&mut self) {
        let counted = &self.engine.0.questions;
        counted.fetch_add(self.asked, Ordering::Relaxed);
        meters().policy_questions.increment(self.asked);
    }
}

impl Engine {
    pub(crate) fn questions(&self, most: usize) -> Questions<'_> {
        Questions {
            engine: self,
            most,
            left: most,
            asked: 0,
        }
    }

    /// Waits until work of so many questions may begin.
    ///
    /// # Errors
    /// `slow_down` when others took too long.
    pub(crate) async fn turn_for(&self, questions: usize) -> Result<Turn<'_>, IssueError> {
        self.0.turns.take(questions).await
    }
}

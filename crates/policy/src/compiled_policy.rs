//! Policies that can be asked.

use caracal_core::Name;

use crate::{Answer, Explanation, Question};

/// A checked set of policies. Only [`crate::compile`] builds one; share it in an `Arc`.
#[derive(Debug)]
pub struct CompiledPolicy {
    names: Vec<Name>,
}

impl CompiledPolicy {
    /// Answers a question.
    pub fn ask(&self, _question: &Question<'_>) -> Answer {
        Answer {
            effect: crate::Effect::Deny(crate::DenyReason::NoPermit),
            determining: vec![],
            deferred: vec![],
            errors: vec![],
            obligations: crate::Obligations::default(),
        }
    }

    /// Answers a question and says why.
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        Explanation {
            answer: self.ask(question),
            statements: vec![],
            near_misses: vec![],
        }
    }

    /// The names of the policies, in order.
    pub fn policies(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }

    /// The number of policies.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True when there is no policy: everything is denied.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

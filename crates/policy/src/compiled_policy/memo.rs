//! Answers of conditions that were evaluated before.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Outcome;
use crate::usage::{Fields, Usage};
use crate::{Phase, Question, RequestView};

/// How many are remembered; with more, all are forgotten.
const MOST: usize = 4096;
/// The longest key that is remembered, in bytes: clients may make methods up.
const LONGEST: usize = 1024;

/// What conditions came to, by everything that they looked at. An evaluation is a function of
/// its statements and of the parts of the question that these mention, so that the same of both
/// gives the same; what changes with every call, such as the time or the path, is not remembered.
#[derive(Debug, Default)]
pub(super) struct Memo(RwLock<Known>);

type Known = HashMap<Box<[u8]>, Arc<[Outcome]>>;

/// Everything that the conditions of a slice look at.
pub(super) struct Key(Vec<u8>);

impl Key {
    /// The key of the statements at these positions, which together use this much of the
    /// question; none where that may be different each time.
    pub(super) fn of(
        slice: &[usize],
        usage: Usage,
        question: &Question<'_>,
        shown: Option<&RequestView<'_>>,
    ) -> Option<Self> {
        let few = Usage {
            request: true,
            fields: Fields {
                method: true,
                host: true,
                ..Fields::default()
            },
            ..Usage::default()
        };
        let request = shown.filter(|_| question.phase == Phase::Call)?;
        if usage.or(few) != few {
            return None;
        }
        let mut key = Vec::with_capacity(256);
        key.extend(slice.len().to_ne_bytes());
        slice.iter().for_each(|at| key.extend(at.to_ne_bytes()));
        let resource = question.resource.name().as_str();
        // The head has matched action and resource; a condition may name them all the same.
        for text in [question.action, resource, request.method, request.host] {
            // Of a length that is told, so that no two keys have the same bytes.
            key.extend(text.len().to_ne_bytes());
            key.extend(text.as_bytes());
        }
        (key.len() <= LONGEST).then_some(Self(key))
    }
}

impl Memo {
    pub(super) fn find(&self, key: &Key) -> Option<Arc<[Outcome]>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(key.0.as_slice()).cloned()
    }

    /// Keeps what it came to, unless something failed.
    pub(super) fn keep(&self, key: Key, outcomes: impl Iterator<Item = Outcome>) {
        let outcomes: Arc<[Outcome]> = outcomes.collect();
        if outcomes.iter().any(|o| matches!(o, Outcome::Fault(_))) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key.0.into(), outcomes);
    }

    #[cfg(test)]
    pub(super) fn forget(&self) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

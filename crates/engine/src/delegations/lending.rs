//! Whether policy lets a path's root lend to another application.

use std::collections::BTreeSet;

use caracal_core::{Application, Enforcement, Label, ResourceIdentifier};
use caracal_policy::{Actor, Effect, Phase};
use jiff::Timestamp;

use crate::IssueError;
use crate::decide::{Asked, PathQuestion, reason_text};
use crate::path::{Crossing, Stretch};
use crate::questions::Questions;
use crate::view::ZoneView;

/// One step from an application to another.
pub(crate) struct Lending<'p> {
    pub(crate) lender: Stretch<'p>,
    pub(crate) receiver: &'p Application,
    /// Those of the receiving session, where it is known.
    pub(crate) labels: &'p BTreeSet<Label>,
    pub(crate) now: Timestamp,
}

impl<'p> Lending<'p> {
    /// The step that a delegation was.
    pub(crate) fn by(crossing: &Crossing<'p>, now: Timestamp) -> Self {
        Self {
            lender: crossing.lender,
            receiver: &crossing.receiver.application.value,
            labels: crossing.receiver.labels(),
            now,
        }
    }

    /// True when it stays within an application, where nothing is asked.
    pub(crate) fn is_within(&self) -> bool {
        self.lender.last().application.value.id == self.receiver.id
    }

    /// Asks for one resource.
    pub(crate) fn ask(
        &self,
        view: &ZoneView,
        identifier: &ResourceIdentifier,
        questions: &mut Questions<'_>,
        asked: &mut Asked,
    ) -> Result<(), IssueError> {
        let Some(policy) = &view.policy else {
            let why = "no policy is active in this zone";
            return Err(IssueError::denied("policy", why));
        };
        let question = PathQuestion {
            phase: Phase::Mint,
            action: "caracal:lend",
            resource: identifier,
            now: self.now,
            enforcement: Enforcement::Gateway,
            request: None,
            approval: None,
            actor: Some(Actor {
                application: &self.receiver.name,
                labels: self.labels,
            }),
        };
        let answer = questions.ask(policy, self.lender, &question);
        let effect = answer.effect;
        asked.add(answer);
        match effect {
            Effect::Allow => Ok(()),
            Effect::Hold => {
                let why = format!("lending `{identifier}` needs an approval");
                Err(IssueError::denied("approval", why))
            }
            Effect::Deny(reason) => {
                let (reason, name) = (reason_text(reason), &self.receiver.name);
                let why = format!("{reason} to lend `{identifier}` to `{name}`");
                Err(IssueError::denied("policy", why))
            }
        }
    }
}

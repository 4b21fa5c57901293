//! A statement that parses and uses only names of the zone.

use caracal_core::PolicySource;
use cedar_policy::{Policy, PolicyId};
use miette::Diagnostic;

use crate::PolicyError;
use crate::obligation::Obligation;
use crate::reference::Names;
use crate::scan::Piece;
use crate::statement::{Head, Statement};
use crate::usage::Usage;

/// How many actions a statement may name: it is checked under each of them.
const MAX_ACTIONS: usize = 256;

pub(super) struct Draft<'t> {
    source: &'t PolicySource,
    /// The position of the source among the policies.
    position: usize,
    piece: Piece<'t>,
    /// Its id is the number of the draft.
    pub(super) policy: Policy,
    pub(super) head: Head,
    obligation: Obligation,
    usage: Usage,
}

impl<'t> Draft<'t> {
    pub(super) fn new(
        position: usize,
        source: &'t PolicySource,
        piece: Piece<'t>,
        number: usize,
        names: &Names<'_>,
    ) -> Result<Self, Vec<PolicyError>> {
        let id = PolicyId::new(number.to_string());
        let policy = Policy::parse(Some(id), piece.text).map_err(|errors| {
            errors
                .iter()
                .map(|e| located(source, &piece, e))
                .collect::<Vec<_>>()
        })?;
        let at =
            |offset, message: String| PolicyError::at(&source.name, &source.cedar, offset, message);
        let mut errors = Vec::new();
        let actions = piece
            .references
            .iter()
            .filter(|r| r.type_name == "Action")
            .count();
        if actions > MAX_ACTIONS {
            let message =
                format!("the statement names {actions} actions, the limit is {MAX_ACTIONS}");
            return Err(vec![
                at(piece.offset, message).hint("split it, or leave the action open"),
            ]);
        }
        for reference in &piece.references {
            if let Err(unknown) = names.check(reference) {
                errors.push(at(reference.offset, unknown.message).hint(unknown.hint));
            }
        }
        let obligation = Obligation::of(&policy).unwrap_or_else(|bad| {
            errors.extend(bad.into_iter().map(|bad| {
                let place = piece.annotations.iter().find(|(name, _)| *name == bad.name);
                at(place.map_or(piece.offset, |(_, at)| *at), bad.message).hint(bad.hint)
            }));
            Obligation::default()
        });
        let head = Head::of(&policy);
        if errors.is_empty() {
            errors.extend(undeclared(source, &piece, &head, names));
        }
        let usage = match policy.to_json() {
            Ok(json) => Usage::of(&json),
            Err(e) => {
                errors.push(at(piece.offset, e.to_string()));
                Usage::default()
            }
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            source,
            position,
            piece,
            policy,
            head,
            obligation,
            usage,
        })
    }

    /// The actions that the text names anywhere.
    pub(super) fn actions(&self) -> impl Iterator<Item = &str> {
        let actions = self
            .piece
            .references
            .iter()
            .filter(|r| r.type_name == "Action");
        actions.map(|r| r.id.as_str())
    }

    /// An error of the type checker, in the words and at the place of the text.
    pub(super) fn error(&self, error: &(dyn Diagnostic + 'static)) -> PolicyError {
        // Our ids of statements mean nothing to the author.
        let own = format!("for policy `{}`, ", self.policy.id());
        let message = without_action(&error.to_string().replace(&own, ""));
        let error = PolicyError {
            message,
            ..located(self.source, &self.piece, error)
        };
        PolicyError {
            hint: error
                .hint
                .map(|hint| without_action(&hint.replace(&own, ""))),
            ..error
        }
    }

    /// The statement can never apply.
    pub(super) fn impossible(&self) -> PolicyError {
        let message = "the policy can never apply";
        PolicyError::at(
            &self.source.name,
            &self.source.cedar,
            self.piece.offset,
            message,
        )
        .hint("its conditions contradict each other or its head; remove it or mend them")
    }

    pub(super) fn finish(self) -> Statement {
        let before = self
            .source
            .cedar
            .get(..self.piece.offset)
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Statement::new(
            self.position,
            line,
            &self.policy,
            self.usage,
            self.obligation,
        )
    }
}

/// The pinned resource must declare every pinned action, or the two can never meet.
fn undeclared(
    source: &PolicySource,
    piece: &Piece<'_>,
    head: &Head,
    names: &Names<'_>,
) -> Vec<PolicyError> {
    let (Some(resource), Some(actions)) = (&head.resource, &head.actions) else {
        return Vec::new();
    };
    let undeclared = actions
        .iter()
        .filter(|action| !names.declares(resource, action));
    let error = |action: &String| {
        let place = piece
            .references
            .iter()
            .find(|r| r.type_name == "Action" && r.id == *action);
        let offset = place.map_or(piece.offset, |r| r.offset);
        let message =
            format!("the resource `resource://{resource}` does not declare the scope `{action}`");
        PolicyError::at(&source.name, &source.cedar, offset, message)
            .hint(names.hint_for(resource, action))
    };
    undeclared.map(error).collect()
}

fn located(
    source: &PolicySource,
    piece: &Piece<'_>,
    error: &(dyn Diagnostic + 'static),
) -> PolicyError {
    let label = error.labels().and_then(|mut labels| labels.next());
    // Without a place it is the statement as a whole.
    let inside = label.as_ref().map_or(0, miette::LabeledSpan::offset);
    let place = piece.offset + inside.min(piece.text.len());
    let message = error.to_string();
    let hint = error
        .help()
        .map(|help| help.to_string())
        .or_else(|| label.and_then(|label| label.label().map(str::to_owned)));
    PolicyError {
        hint,
        ..PolicyError::at(&source.name, &source.cedar, place, message)
    }
}

/// The type checker names the action under which it found an error; it finds it under all.
fn without_action(message: &str) -> String {
    let Some((before, rest)) = message.split_once(" for Action::\"") else {
        return message.to_owned();
    };
    let after = rest.split_once('"').map_or("", |(_, after)| after);
    format!("{before}{after}")
}

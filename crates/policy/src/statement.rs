//! One compiled `permit` or `forbid`.

use caracal_core::{ResourceIdentifier, SessionId};
use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Expression, Policy, PrincipalConstraint,
    ResourceConstraint,
};

use crate::obligation::Obligation;
use crate::usage::Usage;

/// A statement with everything that a question needs to know of it.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Its policy, by position among the names.
    pub(crate) policy: usize,
    /// Where it begins in the policy's text, from 1.
    pub(crate) line: usize,
    pub(crate) forbids: bool,
    pub(crate) head: Head,
    pub(crate) usage: Usage,
    pub(crate) obligation: Obligation,
    /// The conditions as one expression, without the head, which the index has matched already;
    /// absent when there are none.
    pub(crate) condition: Option<Expression>,
}

impl Statement {
    pub(crate) fn new(
        policy_index: usize,
        line: usize,
        policy: &Policy,
        usage: Usage,
        obligation: Obligation,
    ) -> Self {
        // Evaluating the expression itself costs less than half of what an `Authorizer`
        // costs for the same statement, and tells every statement's outcome apart.
        let condition = AsRef::as_ref(policy)
            .non_scope_constraints()
            .map(|conditions| Expression::from(conditions.clone()));
        Self {
            policy: policy_index,
            line,
            forbids: policy.effect() == Effect::Forbid,
            head: Head::of(policy),
            usage,
            obligation,
            condition,
        }
    }
}

/// Whom a head is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Any,
    Application(String),
    Session(SessionId),
}

/// What a head matches: exactly what Cedar makes of it, given the types of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) who: Who,
    /// The actions; absent when any.
    pub(crate) actions: Option<Vec<String>>,
    /// The resource's name; absent when any.
    pub(crate) resource: Option<String>,
}

impl Head {
    pub(crate) fn of(policy: &Policy) -> Self {
        let who = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => Who::Any,
            PrincipalConstraint::Eq(uid)
            | PrincipalConstraint::In(uid)
            | PrincipalConstraint::IsIn(_, uid) => who(&uid),
        };
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => None,
            ActionConstraint::Eq(uid) => Some(vec![id(&uid)]),
            ActionConstraint::In(uids) => Some(uids.iter().map(id).collect()),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::Eq(uid)
            | ResourceConstraint::In(uid)
            | ResourceConstraint::IsIn(_, uid) => {
                let id = id(&uid);
                let name = id
                    .parse::<ResourceIdentifier>()
                    .map(|r| r.name().to_string());
                Some(name.unwrap_or(id))
            }
        };
        Self {
            who,
            actions,
            resource,
        }
    }

    /// True when the head restricts nothing.
    pub(crate) fn is_unscoped(&self) -> bool {
        self.who == Who::Any && self.actions.is_none() && self.resource.is_none()
    }
}

fn id(uid: &EntityUid) -> String {
    uid.id().unescaped().to_owned()
}

fn who(uid: &EntityUid) -> Who {
    let id = id(uid);
    match id.parse() {
        Ok(session) if uid.type_name().basename() == "Session" => Who::Session(session),
        // The schema lets nothing else through.
        _ => Who::Application(id),
    }
}

//! What a statement's annotations ask for.

use cedar_policy::{Effect, Policy};

use crate::{ApprovalBy, Rate};

/// The longest that a mandate may live, in seconds.
const MAX_TTL: u32 = 900;

/// The obligations of one statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Obligation {
    pub(crate) approval: Option<ApprovalBy>,
    pub(crate) ttl_seconds: Option<u32>,
    pub(crate) rate: Option<Rate>,
}

/// What is wrong with the annotation of this name.
#[derive(Debug)]
pub(crate) struct BadAnnotation {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

impl Obligation {
    pub(crate) fn of(policy: &Policy) -> Result<Self, Vec<BadAnnotation>> {
        let mut obligation = Self::default();
        let mut bad = Vec::new();
        let forbids = policy.effect() == Effect::Forbid;
        for (name, value) in policy.annotations() {
            let taken = match name {
                "approval" => {
                    obligation.approval = ApprovalBy::find(value);
                    obligation.approval.is_some()
                }
                "ttl" => {
                    let digits = value.bytes().all(|b| b.is_ascii_digit());
                    let seconds = value.parse().ok();
                    obligation.ttl_seconds =
                        seconds.filter(|s| digits && (1..=MAX_TTL).contains(s));
                    obligation.ttl_seconds.is_some()
                }
                "rate" => {
                    obligation.rate = value.parse().ok();
                    obligation.rate.is_some()
                }
                "id" | "description" => true,
                _ => false,
            };
            let message = if taken {
                match name {
                    "ttl" | "rate" if forbids => format!("`@{name}` means nothing on a forbid"),
                    _ => continue,
                }
            } else {
                match name {
                    "approval" | "ttl" | "rate" => {
                        let value: String =
                            value.chars().filter(|c| !c.is_control()).take(40).collect();
                        format!("`{value}` is not a value of `@{name}`")
                    }
                    _ => format!("`@{name}` is not an annotation of policies"),
                }
            };
            bad.push(BadAnnotation {
                name: name.to_owned(),
                message,
                hint: hint(name, forbids),
            });
        }
        if bad.is_empty() {
            Ok(obligation)
        } else {
            Err(bad)
        }
    }
}

fn hint(name: &str, forbids: bool) -> &'static str {
    match name {
        "ttl" | "rate" if forbids => "put it on the permit",
        "approval" => "write `@approval(\"operator\")` or `@approval(\"subject\")`",
        "ttl" => "write the seconds, 1 to 900, such as `@ttl(\"300\")`",
        "rate" => "write a count and a window of at most 1 day, such as `@rate(\"10/1m\")`",
        _ => "the annotations are `@approval`, `@ttl`, `@rate`, `@id` and `@description`",
    }
}

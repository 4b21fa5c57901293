//! By what leaves are found: a block of them is read when it has all the terms of a search.
//!
//! An index with a row for each leaf and column costs more than all else that happens to a
//! leaf, and on the processors that calls need. A term stands once for each block, and most
//! blocks have few: ids are UUIDv7, so one that was made about when its event happened is found
//! by its time and needs none.

use caracal_core::Decision;

use super::leaf::Indexed;

/// How many sequence numbers make a block.
pub(super) const BLOCK: i64 = 1024;

/// An id that is at most this much older or younger than its event is found by its time.
const NEAR: i64 = 1_000_000_000;

/// What stands for a value in the index. Two values may have the same; whoever reads a block
/// looks at each leaf.
pub(super) type Term = i64;

/// How the blocks that can have a value are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Those with the term.
    Term(Term),
    /// Those with the term, and those with a time from here to there, in nanoseconds.
    TermOrTime(Term, i64, i64),
}

/// A column that has terms. Those of names are terms of a zone: other zones have the same names.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Column {
    Zone,
    Type,
    Decision,
    Resource,
    Application,
    ApplicationType,
    ApplicationDecision,
    Id,
}

/// FNV-1a: stable for all time, fast for short texts, and safe against nothing: a collision
/// costs the reading of a block.
fn term(column: Column, parts: [&str; 2]) -> Term {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    eat(column as u8);
    for part in parts {
        part.bytes().for_each(&mut eat);
        // No text has this byte.
        eat(0xff);
    }
    i64::from_ne_bytes(hash.to_ne_bytes())
}

/// Every term of a leaf. `time` is that of the event, in nanoseconds.
pub(super) fn of_leaf(leaf: &Indexed<'_>, time: Option<i64>, mut found: impl FnMut(Term)) {
    let zone = leaf.zone.as_deref().unwrap_or_default();
    found(of_zone(zone));
    let event_type = leaf.event_type.as_deref();
    if let Some(event_type) = event_type {
        found(of_type(zone, event_type));
    }
    let decision = leaf.decision.as_deref().filter(|text| is_rare(text));
    if let Some(decision) = decision {
        found(of_decision(zone, decision));
    }
    if let Some(resource) = leaf.resource.as_deref() {
        found(of_resource(zone, resource));
    }
    if let Some(application) = leaf.application.as_deref() {
        found(of_application(application));
        if let Some(event_type) = event_type {
            found(of_application_type(application, event_type));
        }
        if let Some(decision) = decision {
            found(of_application_decision(application, decision));
        }
    }
    let ids = [&leaf.id, &leaf.request_id, &leaf.session, &leaf.mandate];
    for id in ids.into_iter().filter_map(Option::as_deref) {
        let near = made_at(id)
            .zip(time)
            .is_some_and(|(made_at, time)| made_at.abs_diff(time) <= NEAR.unsigned_abs());
        if !near {
            found(of_id(id));
        }
    }
}

/// Most decisions allow, so that this would tell nothing.
pub(super) fn is_rare(decision: &str) -> bool {
    decision != Decision::Allow.as_str()
}

pub(super) fn of_zone(zone: &str) -> Term {
    term(Column::Zone, [zone, ""])
}

pub(super) fn of_type(zone: &str, event_type: &str) -> Term {
    term(Column::Type, [zone, event_type])
}

pub(super) fn of_decision(zone: &str, decision: &str) -> Term {
    term(Column::Decision, [zone, decision])
}

pub(super) fn of_resource(zone: &str, resource: &str) -> Term {
    term(Column::Resource, [zone, resource])
}

pub(super) fn of_application(application: &str) -> Term {
    term(Column::Application, [application, ""])
}

pub(super) fn of_application_type(application: &str, event_type: &str) -> Term {
    term(Column::ApplicationType, [application, event_type])
}

pub(super) fn of_application_decision(application: &str, decision: &str) -> Term {
    term(Column::ApplicationDecision, [application, decision])
}

/// A session that a mandate brought with it has the mandate's UUID, and so its term.
fn of_id(id: &str) -> Term {
    let uuid = id.split_once('_').map_or(id, |(_, uuid)| uuid);
    term(Column::Id, [uuid, ""])
}

/// Where leaves with this id of an event, a request, a session or a mandate are.
pub(super) fn lookup_of_id(id: &str) -> Lookup {
    match made_at(id) {
        None => Lookup::Term(of_id(id)),
        Some(at) => Lookup::TermOrTime(of_id(id), at.saturating_sub(NEAR), at.saturating_add(NEAR)),
    }
}

/// When an id was made, in nanoseconds, if its UUID tells.
fn made_at(id: &str) -> Option<i64> {
    let (_, uuid) = id.split_once('_')?;
    let bytes = uuid.as_bytes();
    // `xxxxxxxx-xxxx-7…`: 48 bits of milliseconds, then the version.
    if bytes.len() != 36 || bytes.get(14) != Some(&b'7') {
        return None;
    }
    let high = u64::from_str_radix(uuid.get(..8)?, 16).ok()?;
    let low = u64::from_str_radix(uuid.get(9..13)?, 16).ok()?;
    i64::try_from(high << 16 | low).ok()?.checked_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "req_018bcfe5-6800-7000-8000-000000000000";
    const MADE_AT: i64 = 1_700_000_000_000_000_000;

    fn terms(leaf: &str, time: Option<i64>) -> Vec<Term> {
        let mut terms = Vec::new();
        of_leaf(&Indexed::of(leaf.as_bytes()), time, |term| terms.push(term));
        terms
    }

    #[test]
    fn an_id_tells_when_it_was_made() {
        assert_eq!(made_at(REQUEST), Some(MADE_AT));
        for other in [
            "",
            "req_",
            "018bcfe5-6800-7000-8000-000000000000",
            "req_018bcfe5-6800-4000-8000-000000000000",
            "req_+18bcfe5-6800-7000-8000-00000000000",
            "req_é8bcfe5-6800-7000-8000-00000000000",
        ] {
            assert_eq!(made_at(other), None, "{other}");
        }
    }

    #[test]
    fn only_an_id_from_another_time_has_a_term() {
        let leaf = format!(r#"{{"request_id":"{REQUEST}"}}"#);
        let term = of_id(REQUEST);
        let second = 1_000_000_000;
        for (time, expected) in [
            (Some(MADE_AT), false),
            (Some(MADE_AT + second), false),
            (Some(MADE_AT - second), false),
            (Some(MADE_AT + second + 1), true),
            (None, true),
        ] {
            assert_eq!(terms(&leaf, time).contains(&term), expected, "{time:?}");
        }
        let from_to = (MADE_AT - second, MADE_AT + second);
        assert_eq!(
            lookup_of_id(REQUEST),
            Lookup::TermOrTime(term, from_to.0, from_to.1)
        );
        assert_eq!(lookup_of_id("x"), Lookup::Term(of_id("x")));
    }

    #[test]
    fn names_of_different_zones_and_columns_are_different_terms() {
        let terms = [
            of_zone("a"),
            of_zone("b"),
            of_type("a", "x"),
            of_type("b", "x"),
            of_type("ax", ""),
            of_decision("a", "x"),
            of_resource("a", "x"),
            of_application("a"),
            of_application_type("a", "x"),
            of_application_decision("a", "x"),
        ];
        let distinct: std::collections::HashSet<_> = terms.iter().collect();
        assert_eq!(distinct.len(), terms.len());
    }
}

//! Strict validation against the schema.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{PolicySet, ValidationMode, ValidationWarning, Validator};

use super::draft::Draft;
use crate::PolicyError;
use crate::reference::Names;
use crate::schema::{LEND, schema};

/// About how many actions one schema has.
const ACTIONS: usize = 16;

/// Cedar checks every statement under every action of the schema, which for a thousand of
/// each takes minutes. All actions have the same types, so it is enough to check a statement
/// under the actions that it names, lending, and one that stands for all the others.
/// Building a schema has its price too, so statements with few actions share one.
pub(super) fn typecheck(drafts: &[Draft<'_>], names: &Names<'_>) -> Vec<PolicyError> {
    let mut groups: BTreeMap<BTreeSet<&str>, Vec<&Draft<'_>>> = BTreeMap::new();
    for draft in drafts {
        let mut actions: BTreeSet<&str> = draft.actions().collect();
        actions.insert(LEND);
        let other = names
            .actions
            .iter()
            .find(|action| !actions.contains(*action));
        actions.extend(other.copied());
        groups.entry(actions).or_default().push(draft);
    }
    let mut errors = Vec::new();
    let mut check = |actions: &BTreeSet<&str>, group: &[&Draft<'_>]| {
        if let Err(e) = typecheck_group(actions, group, drafts, &mut errors) {
            errors.push(PolicyError::of_set(e));
        }
    };
    let (mut shared, mut together) = (BTreeSet::new(), Vec::new());
    for (actions, group) in groups {
        if !together.is_empty() && shared.union(&actions).count() > ACTIONS {
            check(&shared, &together);
            shared.clear();
            together.clear();
        }
        shared.extend(actions);
        together.extend(group);
    }
    check(&shared, &together);
    errors.sort_by(|a, b| (&a.policy, a.line, a.column).cmp(&(&b.policy, b.line, b.column)));
    errors
}

fn typecheck_group(
    actions: &BTreeSet<&str>,
    group: &[&Draft<'_>],
    drafts: &[Draft<'_>],
    errors: &mut Vec<PolicyError>,
) -> Result<(), String> {
    let policies = group.iter().map(|draft| draft.policy.clone());
    let policies = PolicySet::from_policies(policies).map_err(|e| e.to_string())?;
    let result = Validator::new(schema(actions)?).validate(&policies, ValidationMode::Strict);
    let find = |id: &cedar_policy::PolicyId| {
        let number: Option<usize> = id.to_string().parse().ok();
        number
            .and_then(|number| drafts.get(number))
            .ok_or("a policy was lost".to_owned())
    };
    for error in result.validation_errors() {
        errors.push(find(error.policy_id())?.error(error));
    }
    if !result.validation_passed() {
        // A statement with a type error is often found impossible too; one error is enough.
        return Ok(());
    }
    for warning in result.validation_warnings() {
        match warning {
            ValidationWarning::ImpossiblePolicy(_)
            | ValidationWarning::InvalidActionApplication(_) => {
                errors.push(find(warning.policy_id())?.impossible());
            }
            // Odd letters in text are the author's business.
            _ => {}
        }
    }
    Ok(())
}

//! From text to a [`CompiledPolicy`].

mod draft;
mod typecheck;

use std::collections::BTreeSet;

use caracal_core::{MAX_POLICY_BYTES, PolicySource};

use crate::reference::Names;
use crate::scan::scan;
use crate::statement::Statement;
use crate::{CompiledPolicy, PolicyError, PolicyErrors, Vocabulary};
use draft::Draft;

/// The most statements that the policies of one set may have together.
pub const MAX_STATEMENTS: usize = 10_000;
/// The most statements whose head restricts nothing: they are evaluated for every question.
pub const MAX_UNSCOPED: usize = 256;
/// How many errors are listed at most.
const MAX_ERRORS: usize = 50;
/// Cedar's parser and type checker recurse; what [`scan`] lets through needs less than 1 MiB.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Checks policies against the names of a zone and makes them ready to be asked.
///
/// The text may be hostile: its size and nesting are bounded before it is parsed. It takes
/// milliseconds for some hundred policies and can take seconds at the limits, so call it
/// where blocking is allowed. An empty set compiles; it denies everything.
///
/// # Errors
///
/// What is wrong with each policy, at most 50 errors: text that is not Cedar, does not fit
/// the types of policies, can never apply, names what the zone does not have, or pins a
/// resource together with a scope that it does not declare; an unknown annotation; a
/// template; a limit ([`MAX_POLICY_BYTES`], [`MAX_STATEMENTS`], [`MAX_UNSCOPED`]); two
/// policies of one name.
pub fn compile(
    policies: &[PolicySource],
    vocabulary: &Vocabulary,
) -> Result<CompiledPolicy, PolicyErrors> {
    let bytes = policies.iter().fold(0_usize, |sum, policy| {
        sum.saturating_add(policy.cedar.len())
    });
    if bytes > MAX_POLICY_BYTES {
        let message =
            format!("the policies have {bytes} bytes together, the limit is {MAX_POLICY_BYTES}");
        return Err(PolicyError::of_set(message)
            .hint("name values in sets, or drop old policies")
            .into());
    }
    let mut sorted: Vec<&PolicySource> = policies.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for (one, other) in sorted.iter().zip(sorted.iter().skip(1)) {
        if one.name == other.name {
            let error = PolicyError::at(&one.name, "", 0, "two policies have this name");
            return Err(error.hint("a policy's name is its id; rename one").into());
        }
    }
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("policy".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || check(&sorted, vocabulary))
            .map_err(|e| PolicyError::of_set(format!("the policies could not be checked: {e}")))?
            .join()
            .map_err(|_| PolicyError::of_set("the policies could not be checked"))?
    })
}

/// The whole of the work, on a thread with a large stack.
fn check(
    sources: &[&PolicySource],
    vocabulary: &Vocabulary,
) -> Result<CompiledPolicy, PolicyErrors> {
    let names = Names::new(vocabulary);
    let mut errors = Vec::new();
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    let mut count = 0;
    for (position, source) in sources.iter().enumerate() {
        let pieces = match scan(&source.cedar) {
            Ok(pieces) => pieces,
            Err(fault) => {
                let error =
                    PolicyError::at(&source.name, &source.cedar, fault.offset, fault.message);
                errors.push(PolicyError {
                    hint: fault.hint.map(str::to_owned),
                    ..error
                });
                continue;
            }
        };
        if pieces.is_empty() {
            let error = PolicyError::at(&source.name, &source.cedar, 0, "the policy is empty");
            errors.push(error.hint("write a `permit (…);` or `forbid (…);`, or remove it"));
        }
        count += pieces.len();
        if count > MAX_STATEMENTS {
            let message = format!("there are more than {MAX_STATEMENTS} statements");
            return Err(PolicyError::of_set(message)
                .hint("join what belongs together")
                .into());
        }
        for piece in pieces {
            match Draft::new(position, source, piece, drafts.len(), &names) {
                Ok(draft) => drafts.push(draft),
                Err(found) => errors.extend(found),
            }
            if errors.len() > MAX_ERRORS {
                return Err(cut(errors));
            }
        }
    }
    errors.extend(typecheck::typecheck(&drafts, &names));
    let unscoped = drafts
        .iter()
        .filter(|draft| draft.head.is_unscoped())
        .count();
    if unscoped > MAX_UNSCOPED {
        let message = format!(
            "{unscoped} statements restrict no application, action or resource, the limit is {MAX_UNSCOPED}"
        );
        errors.push(PolicyError::of_set(message).hint("pin what they are about in their heads"));
    }
    if !errors.is_empty() {
        return Err(cut(errors));
    }
    let statements: Vec<Statement> = drafts.into_iter().map(Draft::finish).collect();
    let names = sources.iter().map(|source| source.name.clone()).collect();
    CompiledPolicy::new(names, statements).map_err(|e| PolicyError::of_set(e).into())
}

fn cut(mut errors: Vec<PolicyError>) -> PolicyErrors {
    if errors.len() > MAX_ERRORS {
        errors.truncate(MAX_ERRORS);
        errors.push(PolicyError::of_set("there are more errors than are listed"));
    }
    // One place can be wrong in one way under several actions.
    let mut seen = BTreeSet::new();
    errors.retain(|e| seen.insert((e.policy.clone(), e.line, e.column, e.message.clone())));
    PolicyErrors(errors)
}

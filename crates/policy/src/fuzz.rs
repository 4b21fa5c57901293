//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use std::collections::BTreeSet;

use caracal_core::{Enforcement, PolicySource};
use jiff::Timestamp;

use crate::{Phase, Question, RequestView, Vocabulary, canonical_bytes, compile};

/// The text of a policy: it is refused, or it can be asked and explained.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut vocabulary = Vocabulary::default();
    let (Ok(application), Ok(name), Ok(scope)) =
        ("anton".parse(), "items".parse(), "items:read".parse())
    else {
        return;
    };
    let application: caracal_core::Name = application;
    vocabulary.applications.insert(application.clone());
    vocabulary.resources.insert(name, vec![scope]);
    let sources = [PolicySource {
        name: application.clone(),
        cedar: text.to_owned(),
    }];
    let _ = canonical_bytes(&sources);
    let Ok(compiled) = compile(&sources, &vocabulary) else {
        return;
    };
    let labels = BTreeSet::new();
    let (Ok(session), Ok(resource)) = (
        "ses_01890a5d-ac96-774b-bcce-b302099a8057".parse(),
        "resource://items".parse(),
    ) else {
        return;
    };
    for phase in [Phase::Mint, Phase::Call] {
        let question = Question {
            phase,
            application: &application,
            session,
            labels: &labels,
            depth: 0,
            subject: None,
            action: "items:read",
            resource: &resource,
            now: Timestamp::UNIX_EPOCH,
            actor: None,
            delegation: None,
            approval: None,
            enforcement: Enforcement::Gateway,
            request: Some(RequestView {
                method: "GET",
                path: "/v1/items/1",
                host: "api.example",
                query: &[],
                tool: None,
                arguments: None,
            }),
        };
        let answer = compiled.ask(&question);
        let _ = answer.is_allowed();
        let _ = compiled.explain(&question);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[Target {
            name: "policy_text",
            body: super::policy,
            copies: 400,
        }]);
    }
}

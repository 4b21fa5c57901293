//! A refusal of the control API in words.

use caracal_wire::Problem;
use http::StatusCode;

use crate::failure::{Exit, Failure};
use crate::table::plain;

/// The failure that a refusal is, with every field that is wrong.
pub(crate) fn failure(status: StatusCode, body: &[u8]) -> Failure {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return Failure::new(format!("the server answered {status}"))
            .hint("is this the URL of a control API? the console's door serves it");
    };
    let mut message = plain(&problem.detail);
    for error in &problem.errors {
        message.push_str(&format!(
            "\n  {}: {}",
            plain(&error.field),
            plain(&error.message)
        ));
        if let Some(hint) = &error.hint {
            message.push_str(&format!(" ({})", plain(hint)));
        }
    }
    let mut failure = Failure::new(message);
    failure.hint = problem.hint.as_deref().map(plain);
    if status == StatusCode::UNAUTHORIZED && failure.hint.is_none() {
        failure = failure.hint("`caracal login URL` stores a token; `CARACAL_API_TOKEN` names one");
    }
    match problem.code.as_str() {
        "policy_denied" | "access_denied" => failure.exit(Exit::Denied),
        "approval_required" | "interaction_required" => failure.exit(Exit::Held),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_told() {
        let body = br#"{"title":"Bad Request","status":400,"code":"invalid","detail":"the request is not valid",
            "request_id":"req_1","errors":[{"field":"resources[0].upstream","message":"is no URL","hint":"begin with https://"}]}"#;
        let failure = failure(StatusCode::BAD_REQUEST, body);
        assert_eq!(
            failure.message,
            "the request is not valid\n  resources[0].upstream: is no URL (begin with https://)"
        );
        assert_eq!(failure.exit, Exit::Failed);
    }

    #[test]
    fn what_is_no_problem_is_told_by_its_status() {
        let failure = failure(StatusCode::BAD_GATEWAY, b"<html>\x1b[2J");
        assert!(failure.message.contains("502"));
    }
}

//! Tests of policies.

use caracal_core::{Decision, MAX_POLICY_TESTS, PolicySource, PolicyTest, TestRequest};
use caracal_engine::{AdminError, TestReport};
use caracal_wire::{
    PolicyTestBody, PolicyTestReport, PolicyTestResult, PolicyTestRun, TestRequestBody,
};

use super::{Fields, policy_sources};

const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
        Decision::Hold => "hold",
    }
}

/// The tests of a request.
pub(crate) fn policy_tests(bodies: &[PolicyTestBody], fields: &mut Fields) -> Vec<PolicyTest> {
    if bodies.len() > MAX_POLICY_TESTS {
        fields.wrong("tests", format!("at most {MAX_POLICY_TESTS} tests"));
        return Vec::new();
    }
    let numbered = bodies.iter().enumerate();
    numbered
        .filter_map(|(i, body)| policy_test(body, &format!("tests[{i}]."), fields))
        .collect()
}

fn policy_test(body: &PolicyTestBody, at: &str, fields: &mut Fields) -> Option<PolicyTest> {
    let name = fields.parse(format!("{at}name"), &body.name);
    let application = fields.parse(format!("{at}application"), &body.application);
    let resource = fields.parse(format!("{at}resource"), &body.resource);
    let labels = fields.parse_all(&format!("{at}labels"), &body.labels);
    let by = fields.parse_all(&format!("{at}by"), &body.by);
    let subject = match &body.subject {
        Some(text) => Some(fields.parse(format!("{at}subject"), text)?),
        None => None,
    };
    let expect = match body.expect.as_str() {
        "allow" => Decision::Allow,
        "deny" => Decision::Deny,
        "hold" => Decision::Hold,
        _ => {
            fields.wrong(format!("{at}expect"), "use `allow`, `deny` or `hold`");
            return None;
        }
    };
    Some(PolicyTest {
        name: name?,
        application: application?,
        labels: labels.into_iter().collect(),
        subject,
        resource: resource?,
        scope: body.scope.clone(),
        request: body.request.as_ref().map(|request| TestRequest {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            tool: request.tool.clone(),
        }),
        now: body.now,
        approved: body.approved,
        expect,
        by: by.into_iter().collect(),
    })
}

pub(crate) fn policy_test_body(test: &PolicyTest) -> PolicyTestBody {
    PolicyTestBody {
        name: test.name.to_string(),
        application: test.application.to_string(),
        labels: test.labels.iter().map(ToString::to_string).collect(),
        subject: test.subject.map(|subject| subject.to_string()),
        resource: test.resource.to_string(),
        scope: test.scope.clone(),
        request: test.request.as_ref().map(|request| TestRequestBody {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            tool: request.tool.clone(),
        }),
        now: test.now,
        approved: test.approved,
        expect: word(test.expect).to_owned(),
        by: test.by.iter().map(ToString::to_string).collect(),
    }
}

/// The policies and the tests of a run, where they are given.
pub(crate) type TestRun = (Option<Vec<PolicySource>>, Option<Vec<PolicyTest>>);

/// What is to be run.
///
/// # Errors
/// With every wrong field.
pub(crate) fn test_run(body: &PolicyTestRun) -> Result<TestRun, AdminError> {
    let mut fields = Fields::default();
    let policies = body.policies.as_deref();
    let policies = policies.map(|bodies| policy_sources(bodies, &mut fields));
    let tests = body.tests.as_deref();
    let tests = tests.map(|bodies| policy_tests(bodies, &mut fields));
    fields.finish(Some((policies, tests)))
}

pub(crate) fn test_report(report: TestReport) -> PolicyTestReport {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let all = report.outcomes.len();
    let failed = report
        .outcomes
        .iter()
        .filter(|o| o.failure.is_some())
        .count();
    PolicyTestReport {
        version: report.version.to_string(),
        passed: count(all.saturating_sub(failed)),
        failed: count(failed),
        results: report
            .outcomes
            .into_iter()
            .map(|outcome| PolicyTestResult {
                name: outcome.name.to_string(),
                passed: outcome.failure.is_none(),
                expect: word(outcome.expect).to_owned(),
                decision: outcome.decision.map(|decision| word(decision).to_owned()),
                policies: outcome.policies.iter().map(ToString::to_string).collect(),
                failure: outcome.failure,
            })
            .collect(),
    }
}

//! Tests of policies: what their author expects is asked before they decide.

use std::collections::BTreeSet;

use caracal_core::{
    Application, ApprovalId, Decision, MAX_POLICY_TESTS, Name, PolicySet, PolicyTest, Resource,
    SessionId, ZoneId,
};
use caracal_policy::{CompiledPolicy, Effect, Phase, Question, RequestView};
use jiff::Timestamp;
use uuid::Uuid;

use crate::plan::{Plan, policy_field};
use crate::resource_entry::Upstream;
use crate::view::{Table, aside, version_of};
use crate::{Admin, AdminError, Engine, FieldError};

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// The test.
    pub name: Name,
    /// What it expects.
    pub expect: Decision,
    /// What policy decides; none where the test cannot be asked.
    pub decision: Option<Decision>,
    /// The policies that decide, in order.
    pub policies: Vec<Name>,
    /// Why it failed; none when it passed.
    pub failure: Option<String>,
}

/// What a run of tests found.
#[derive(Debug, Clone)]
pub struct TestReport {
    /// The version that the policies and tests have as a bundle.
    pub version: caracal_core::BundleVersion,
    /// Every test, by name.
    pub outcomes: Vec<TestOutcome>,
}

impl Engine {
    /// Runs tests against policies as they would decide in the zone as it is; nothing is
    /// stored, and nothing recorded. Policies or tests that are not given are those of the
    /// active bundle.
    ///
    /// # Errors
    /// Needs the role viewer. The policies must compile; a test that fails is no error.
    pub fn test_policies(
        &self,
        zone: ZoneId,
        admin: &Admin,
        policies: Option<Vec<caracal_core::PolicySource>>,
        tests: Option<Vec<PolicyTest>>,
    ) -> Result<TestReport, AdminError> {
        let view = self.readable(admin, zone)?;
        let active = Plan::new(self, admin, &view).active_set();
        let set = PolicySet {
            policies: policies.unwrap_or(active.policies),
            tests: tests.unwrap_or(active.tests),
        }
        .sorted();
        check_tests(&set.tests)?;
        let compiled = self
            .policies()
            .check(&set.policies, &view.vocabulary())
            .map_err(|errors| {
                AdminError::Invalid(errors.0.into_iter().map(policy_field).collect())
            })?;
        let zone = TestZone {
            applications: &view.applications,
            resources: &view.resources,
            now: self.now(),
        };
        let run = || set.tests.iter().map(|test| zone.run(&compiled, test));
        Ok(TestReport {
            version: version_of(&set),
            outcomes: aside(|| run().collect()),
        })
    }
}

/// Refuses sets of tests that cannot be one bundle's.
pub(crate) fn check_tests(tests: &[PolicyTest]) -> Result<(), AdminError> {
    if tests.len() > MAX_POLICY_TESTS {
        let why = format!(
            "there are {} tests, the limit is {MAX_POLICY_TESTS}",
            tests.len()
        );
        return Err(AdminError::invalid("tests", why));
    }
    let mut seen = BTreeSet::new();
    let twice = tests.iter().filter(|test| !seen.insert(&test.name));
    let errors: Vec<_> = twice
        .map(|test| FieldError::new(field(&test.name), "the name is used twice"))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(AdminError::Invalid(errors))
    }
}

fn field(name: &Name) -> String {
    format!("tests[{name}]")
}

/// The zone that tests are asked in: as it is, or as a plan would make it.
pub(crate) struct TestZone<'z> {
    pub(crate) applications: &'z Table<Application>,
    pub(crate) resources: &'z Table<Resource>,
    pub(crate) now: Timestamp,
}

impl TestZone<'_> {
    /// The tests that fail, as mistakes of the policies that they belong to.
    pub(crate) fn failures(
        &self,
        compiled: &CompiledPolicy,
        tests: &[PolicyTest],
    ) -> Vec<FieldError> {
        let failed = tests.iter().filter_map(|test| {
            let why = self.run(compiled, test).failure?;
            let error = FieldError::new(field(&test.name), why);
            Some(
                error.hint("`caracal policy test` shows every test; change the policy or the test"),
            )
        });
        aside(|| failed.collect())
    }

    fn run(&self, compiled: &CompiledPolicy, test: &PolicyTest) -> TestOutcome {
        let asked = self.ask(compiled, test);
        let (decision, policies, failure) = match asked {
            Err(why) => (None, Vec::new(), Some(why)),
            Ok((decision, policies)) => {
                let why = judge(test, decision, &policies);
                (Some(decision), policies, why)
            }
        };
        TestOutcome {
            name: test.name.clone(),
            expect: test.expect,
            decision,
            policies,
            failure,
        }
    }

    /// What policy decides; or why the question makes no sense in this zone.
    fn ask(
        &self,
        compiled: &CompiledPolicy,
        test: &PolicyTest,
    ) -> Result<(Decision, Vec<Name>), String> {
        let (application, resource) = (&test.application, &test.resource);
        let held = self
            .applications
            .find(application.as_str())
            .ok_or_else(|| format!("the zone has no application `{application}`"))?;
        // A session with other labels cannot exist, and a test of it would say nothing.
        if let Some(label) = test.labels.iter().find(|l| !held.value.labels.contains(*l)) {
            return Err(format!(
                "the application `{application}` is not registered for the label `{label}`"
            ));
        }
        let entry = self
            .resources
            .find(resource.as_str())
            .ok_or_else(|| format!("the zone has no resource `{resource}`"))?;
        let declared = |scope: &caracal_core::Scope| scope.as_str() == test.scope;
        if test.scope != "caracal:lend" && !entry.value.scopes.iter().any(declared) {
            let scope = &test.scope;
            return Err(format!("the resource `{resource}` has no scope `{scope}`"));
        }
        let upstream = match entry.value.upstream.as_str() {
            "" => None,
            text => Some(Upstream::parse(text).map_err(|error| error.message)?),
        };
        let request = test.request.as_ref().map(|request| RequestView {
            // Policies see HEAD as GET.
            method: if request.method == "HEAD" {
                "GET"
            } else {
                &request.method
            },
            path: &request.path,
            host: upstream.as_ref().map_or("", Upstream::authority),
            query: &request.query,
            tool: request.tool.as_deref(),
            arguments: None,
        });
        let answer = compiled.ask(&Question {
            phase: if request.is_some() {
                Phase::Call
            } else {
                Phase::Mint
            },
            application,
            session: SessionId::from_uuid(Uuid::nil()),
            labels: &test.labels,
            depth: 0,
            subject: test.subject,
            action: &test.scope,
            resource: &entry.value.identifier(),
            now: test.now.unwrap_or(self.now),
            actor: None,
            delegation: None,
            enforcement: entry.value.enforcement_at_mint(),
            request,
            approval: test.approved.then(|| ApprovalId::from_uuid(Uuid::nil())),
        });
        let decision = match answer.effect {
            Effect::Allow => Decision::Allow,
            Effect::Hold => Decision::Hold,
            Effect::Deny(_) => Decision::Deny,
        };
        Ok((decision, answer.determining))
    }
}

/// Why an answer is not the expected one.
fn judge(test: &PolicyTest, decision: Decision, policies: &[Name]) -> Option<String> {
    let list = |names: &mut dyn Iterator<Item = &Name>| {
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        if names.is_empty() {
            "no policy".to_owned()
        } else {
            names.join(", ")
        }
    };
    if decision != test.expect {
        return Some(format!(
            "{} is expected, and the decision is {} by {}",
            word(test.expect),
            word(decision),
            list(&mut policies.iter())
        ));
    }
    let missing: Vec<_> = test.by.iter().filter(|n| !policies.contains(n)).collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!(
        "{} is decided by {}, not by {}",
        word(decision),
        list(&mut policies.iter()),
        list(&mut missing.into_iter())
    ))
}

const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
        Decision::Hold => "hold",
    }
}

//! `caracal policy`.

use caracal_wire::{
    BundleBody, BundleCheck, BundleView, DecisionExplanation, ExplainBody, PolicyBody,
    PolicyTestReport, PolicyTestRun, ZoneView,
};

use crate::cli::PolicyCommand;
use crate::client::api::segment;
use crate::client::yaml::Source;
use crate::client::zone::path_of;
use crate::client::{Api, listing};
use crate::failure::{Exit, Failure, Outcome};
use crate::table::{Table, plain};
use crate::terminal;

/// `caracal policy …`.
pub(crate) async fn policies(
    api: &Api,
    zone: &ZoneView,
    command: PolicyCommand,
    json: bool,
) -> Outcome<()> {
    match command {
        PolicyCommand::Check { files } => check(api, zone, &files, json).await,
        PolicyCommand::Test { files } => test(api, zone, &files, json).await,
        PolicyCommand::List(args) => {
            let page =
                listing::fetch::<PolicyBody>(api, &path_of(zone, "policies"), &[], args.limit)
                    .await?;
            listing::print(&page, json, &["NAME", "LINES"], |policy| {
                vec![
                    policy.name.clone(),
                    policy.cedar.lines().count().to_string(),
                ]
            })
        }
        PolicyCommand::Show { name } => {
            let page =
                listing::fetch::<PolicyBody>(api, &path_of(zone, "policies"), &[], usize::MAX)
                    .await?;
            let found = page.items.into_iter().find(|policy| policy.name == name);
            let policy = found.ok_or_else(|| {
                Failure::new(format!("no active policy is called `{name}`"))
                    .hint("`caracal policy list` lists them")
            })?;
            if json {
                terminal::json(&policy)
            } else {
                terminal::line(policy.cedar.trim_end())
            }
        }
        PolicyCommand::History(args) => {
            let page =
                listing::fetch::<BundleView>(api, &path_of(zone, "bundles"), &[], args.limit)
                    .await?;
            listing::print(
                &page,
                json,
                &["VERSION", "STORED", "POLICIES", "STATE"],
                |bundle| {
                    let names: Vec<_> = bundle
                        .policies
                        .iter()
                        .map(|policy| policy.name.as_str())
                        .collect();
                    let state = if bundle.active { "active" } else { "" };
                    vec![
                        bundle.version.clone(),
                        bundle.created_at.to_string(),
                        names.join(", "),
                        state.to_owned(),
                    ]
                },
            )
        }
        PolicyCommand::Activate { bundle } => activate(api, zone, &bundle, json).await,
        PolicyCommand::Rollback => {
            let page =
                listing::fetch::<BundleView>(api, &path_of(zone, "bundles"), &[], usize::MAX)
                    .await?;
            let mut older = page
                .items
                .into_iter()
                .skip_while(|bundle| !bundle.active)
                .skip(1);
            let older = older.next().ok_or_else(|| {
                Failure::new("no bundle was stored before the active one")
                    .hint("`caracal policy history` lists them")
            })?;
            activate(api, zone, &older.version, json).await
        }
        PolicyCommand::Explain {
            application,
            resource,
            scope,
            method,
            path,
        } => {
            let (path, query) = match path.as_deref().and_then(|path| path.split_once('?')) {
                Some((path, query)) => (Some(path.to_owned()), Some(query.to_owned())),
                None => (path, None),
            };
            let asked = ExplainBody {
                application,
                resource,
                scope,
                method,
                path,
                query,
            };
            let said = api.post(&path_of(zone, "explain"), &asked).await?;
            explain(&said, json)
        }
    }
}

/// The policies and tests of files together.
fn read(zone: &ZoneView, files: &[String]) -> Outcome<BundleBody> {
    let mut read = BundleBody {
        policies: Vec::new(),
        tests: Vec::new(),
    };
    for file in files {
        let source = Source::read(file)?;
        if source.zone() != zone.name {
            return Err(Failure::usage(format!(
                "`{file}` is for the zone `{}`, not `{}`",
                source.zone(),
                zone.name
            ))
            .hint(format!("say `--zone {}`", source.zone())));
        }
        let bundle = source.into_bundle();
        read.policies.extend(bundle.policies);
        read.tests.extend(bundle.tests);
    }
    Ok(read)
}

async fn test(api: &Api, zone: &ZoneView, files: &[String], json: bool) -> Outcome<()> {
    let BundleBody { policies, tests } = read(zone, files)?;
    let run = PolicyTestRun {
        policies: Some(policies).filter(|policies| !policies.is_empty()),
        tests: Some(tests).filter(|tests| !tests.is_empty()),
    };
    let report: PolicyTestReport = api.post(&path_of(zone, "bundles/test"), &run).await?;
    if json {
        terminal::json(&report)?;
    } else {
        let mut table = Table::new(&["TEST", "EXPECTED", "DECISION", "BY", "RESULT"]);
        for result in &report.results {
            table.row([
                result.name.clone(),
                result.expect.clone(),
                result.decision.clone().unwrap_or_default(),
                result.policies.join(", "),
                result
                    .failure
                    .clone()
                    .unwrap_or_else(|| "passed".to_owned()),
            ]);
        }
        terminal::raw(&table.text())?;
        terminal::line(format_args!(
            "{} passed, {} failed; version {}",
            report.passed, report.failed, report.version
        ))?;
    }
    if report.results.is_empty() {
        return Err(Failure::new("there is no test to run")
            .hint("write `tests:` beside the policies of a zone file"));
    }
    if report.failed > 0 {
        return Err(Failure::silent(Exit::Failed));
    }
    Ok(())
}

async fn check(api: &Api, zone: &ZoneView, files: &[String], json: bool) -> Outcome<()> {
    let bundle = read(zone, files)?;
    let count = bundle.policies.len();
    let checked: BundleCheck = api.post(&path_of(zone, "bundles/check"), &bundle).await?;
    if json {
        return terminal::json(&checked);
    }
    terminal::line(format_args!(
        "{count} policies are valid in the zone `{}`; version {}",
        zone.name, checked.version
    ))
}

async fn activate(api: &Api, zone: &ZoneView, version: &str, json: bool) -> Outcome<()> {
    let path = path_of(zone, &format!("bundles/{}/activate", segment(version)));
    let answer: serde_json::Value = api.act(&path).await?;
    if json {
        return terminal::json(&answer);
    }
    terminal::line(format_args!(
        "the bundle `{version}` decides in the zone `{}` now",
        zone.name
    ))
}

fn explain(said: &DecisionExplanation, json: bool) -> Outcome<()> {
    if json {
        terminal::json(said)?;
    } else {
        let why = said
            .reason
            .as_deref()
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        terminal::line(format_args!(
            "{}{why} {}",
            plain(&said.decision),
            said.policies.join(", ")
        ))?;
        let mut table = Table::new(&["POLICY", "LINE", "SAYS", "DETAIL"]);
        for statement in &said.statements {
            let detail = statement.detail.clone().unwrap_or_default();
            table.row([
                statement.policy.clone(),
                statement.line.to_string(),
                statement.status.clone(),
                detail,
            ]);
        }
        for near in &said.near_misses {
            let verb = if near.forbids {
                "would forbid"
            } else {
                "would permit"
            };
            let detail = format!("if the {} were {}", near.part, near.wanted);
            table.row([
                near.policy.clone(),
                near.line.to_string(),
                verb.to_owned(),
                detail,
            ]);
        }
        terminal::raw(&table.text())?;
    }
    match said.decision.as_str() {
        "allow" => Ok(()),
        "hold" => Err(Failure::silent(Exit::Held)),
        _ => Err(Failure::silent(Exit::Denied)),
    }
}

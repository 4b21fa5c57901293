//! `caracal export`.

use caracal_wire::{ZoneFile, ZoneView};

use crate::client::Api;
use crate::client::zone::path_of;
use crate::failure::{Context, Outcome};
use crate::terminal;

/// Prints a zone as a file for `apply`. Secrets never leave the server: applying the file
/// keeps them, and a comment says how each is replaced.
pub(crate) async fn export(api: &Api, zone: &ZoneView, json: bool) -> Outcome<()> {
    let file: ZoneFile = api.get(&path_of(zone, "export")).await?;
    if json {
        return terminal::json(&file);
    }
    terminal::raw(&text(&file)?)
}

fn text(file: &ZoneFile) -> Outcome<String> {
    let written = serde_saphyr::to_string(file).context("the zone cannot be written as YAML")?;
    let mut text = String::new();
    let providers: Vec<_> = file
        .providers
        .iter()
        .filter(|provider| provider.kind != "none")
        .collect();
    if !providers.is_empty() || !file.sinks.is_empty() {
        text.push_str("# Secrets stay on the server, and applying this file keeps them. To replace one, add:\n");
    }
    for provider in providers {
        let (name, variable) = (&provider.name, placeholder(&provider.name));
        text.push_str(&format!(
            "#   provider {name}:  secret: {{ from_env: {variable} }}\n"
        ));
    }
    for sink in &file.sinks {
        let (name, variable) = (&sink.name, placeholder(&sink.name));
        text.push_str(&format!(
            "#   sink {name}:  secret: {{ from_env: {variable} }}\n"
        ));
    }
    text.push_str(&written);
    Ok(text)
}

/// A variable's name from a provider's.
fn placeholder(name: &str) -> String {
    format!("{}_KEY", name.to_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use caracal_wire::{PolicyBody, ProviderEntry};

    use super::*;

    #[test]
    fn an_exported_zone_reads_back_and_keeps_its_secrets() {
        let provider = ProviderEntry {
            name: "open-ai".to_owned(),
            kind: "bearer".to_owned(),
            header: None,
            query: None,
            prefix: None,
            username: None,
            secret: None,
            allowed_hosts: Some(vec!["api.openai.com:443".to_owned()]),
        };
        let cedar = "permit (principal,\n        action,\n        resource);\n";
        let file = ZoneFile {
            zone: "a".to_owned(),
            applications: Vec::new(),
            issuers: Vec::new(),
            providers: vec![provider],
            resources: Vec::new(),
            sinks: Vec::new(),
            policies: vec![PolicyBody {
                name: "p".to_owned(),
                cedar: cedar.to_owned(),
            }],
            tests: vec![caracal_wire::PolicyTestBody {
                name: "t".to_owned(),
                application: "a".to_owned(),
                labels: vec!["l".to_owned()],
                subject: None,
                resource: "r".to_owned(),
                scope: "s".to_owned(),
                request: Some(caracal_wire::TestRequestBody {
                    method: "GET".to_owned(),
                    path: "/x".to_owned(),
                    query: vec!["a=b".to_owned()],
                    tool: None,
                }),
                now: Some("2030-01-02T03:04:05Z".parse().unwrap()),
                approved: true,
                expect: "hold".to_owned(),
                by: vec!["p".to_owned()],
            }],
            self_approval: Some(true),
            retention: Some(caracal_wire::RetentionBody {
                events_days: Some(90),
            }),
        };
        let text = text(&file).unwrap();
        assert!(text.contains("from_env: OPEN_AI_KEY"), "{text}");
        assert_eq!(
            serde_saphyr::from_str::<ZoneFile>(&text).unwrap(),
            file,
            "{text}"
        );
    }
}

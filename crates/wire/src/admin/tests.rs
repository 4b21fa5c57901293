//! The zone file reads as it is written down, and refuses what it does not know.

use serde_json::json;

use crate::{ApplyRequest, MandateIn, ProviderBody, SecretSource, SecretValue, ZoneFile};

const FILE: &str = r#"
zone: acme-prod
applications:
  - name: anton
    labels: [support]
providers:
  - name: openai
    kind: bearer
    secret: { from_env: OPENAI_KEY }
resources:
  - name: openai
    upstream: https://api.openai.com
    provider: openai
    scopes: [openai:models, openai:chat]
    operations:
      - { method: GET, path: /v1/models, scope: openai:models }
      - { method: POST, path: "/v1/chat/**", scope: openai:chat }
    mandate_in: [{ header: x-api-key }, { query: key }, basic_password]
    allow_private: false
policies:
  - name: anton
    cedar: |
      permit (principal in Application::"anton",
              action == Action::"openai:models",
              resource == Resource::"resource://openai");
"#;

fn file() -> ZoneFile {
    serde_saphyr::from_str(FILE).unwrap()
}

#[test]
fn the_file_of_the_contract_reads() {
    let file = file();
    assert_eq!(file.zone, "acme-prod");
    assert_eq!(
        file.providers[0].secret,
        Some(SecretSource::FromEnv("OPENAI_KEY".to_owned()))
    );
    assert_eq!(file.resources[0].operations[1].path, "/v1/chat/**");
    assert_eq!(
        file.resources[0].mandate_in,
        [
            MandateIn::Header("x-api-key".to_owned()),
            MandateIn::Query("key".to_owned()),
            MandateIn::BasicPassword
        ]
    );
    assert!(file.policies[0].cedar.ends_with("resource://openai\");\n"));
}

#[test]
fn a_written_file_reads_back() {
    let text = serde_saphyr::to_string(&file()).unwrap();
    assert_eq!(
        serde_saphyr::from_str::<ZoneFile>(&text).unwrap(),
        file(),
        "{text}"
    );
}

#[test]
fn unknown_and_doubled_fields_are_refused() {
    for (from, to) in [
        ("zone: acme-prod", "zone: acme-prod\nzones: []"),
        ("    labels:", "    label:"),
        ("    kind: bearer", "    kind: bearer\n    token: x"),
        ("from_env: OPENAI_KEY", "from_evn: OPENAI_KEY"),
        ("from_env: OPENAI_KEY", "from_env: OPENAI_KEY, from_file: x"),
        ("    allow_private", "    allow_privat"),
        ("scope: openai:models }", "scope: openai:models, tool: x }"),
        ("header: x-api-key", "headers: x-api-key"),
        ("    cedar: |", "    cedar: permit;\n    cedar: |"),
    ] {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE, "{from} is not in the file");
        let read = serde_saphyr::from_str::<ZoneFile>(&text);
        assert!(read.is_err(), "{to} was accepted");
    }
}

#[test]
fn a_file_becomes_a_request_with_its_secrets() {
    let request = file()
        .into_request(true, |source| match source {
            SecretSource::FromEnv(name) => Ok(SecretValue::new(format!("secret of {name}"))),
            other => Err(format!("{other:?}")),
        })
        .unwrap();
    assert!(request.prune);
    let secret = request.providers[0].secret.as_ref().unwrap();
    assert_eq!(secret.expose(), "secret of OPENAI_KEY");
    assert!(
        !format!("{request:?}").contains("secret of"),
        "a secret was printed"
    );
    let sent = serde_json::to_value(&request).unwrap();
    assert_eq!(
        sent["providers"][0]["secret"],
        json!("secret of OPENAI_KEY")
    );
    assert_eq!(
        serde_json::from_value::<ApplyRequest>(sent).unwrap(),
        request
    );
    assert_eq!(file().into_request(false, |_| Err("no")), Err("no"));
}

#[test]
fn a_provider_takes_a_secret_only_as_text() {
    let body = json!({"name": "a", "kind": "bearer", "secret": {"from_env": "PATH"}});
    assert!(serde_json::from_value::<ProviderBody>(body).is_err());
}

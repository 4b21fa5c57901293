//! The zone `demo`.

use caracal_wire::{
    ActivePolicies, ApplicationBody, ApplyAnswer, ApplyRequest, BundleBody, BundleView,
    OperationBody, PolicyBody, ProviderBody, ResourceBody, SecretValue,
};
use serde::{Deserialize, Serialize};

use crate::client::{Api, apply_request};
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, replace};
use crate::quickstart::upstream_process::DemoUpstream;

/// The zone's name.
const ZONE: &str = "demo";
/// The application, and the policy about it.
const APPLICATION: &str = "demo-agent";
/// The resource.
pub(crate) const RESOURCE: &str = "demo-llm";

/// Chatting is allowed; of the models only reading, although one scope covers both.
const POLICY: &str = r#"permit (
  principal in Application::"demo-agent",
  action == Action::"llm:chat",
  resource == Resource::"resource://demo-llm"
);

permit (
  principal in Application::"demo-agent",
  action == Action::"llm:models",
  resource == Resource::"resource://demo-llm"
) when { context.request.method == "GET" };
"#;

/// What the demo agent needs. It is kept in the home, for the next run.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct DemoZone {
    pub(crate) id: String,
    pub(crate) application_id: String,
    pub(crate) client_secret: String,
}

impl DemoZone {
    /// Creates the zone or brings the existing one to what it should be.
    pub(crate) async fn prepare(api: &Api, home: &Home, upstream: &DemoUpstream) -> Outcome<Self> {
        let mut answer = apply_request(api, &request(upstream), false).await?;
        let path = home.join("demo/agent.json");
        let kept = std::fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let found = Self::of(&answer)?;
        if found.client_secret.is_empty() {
            if let Some(kept) = kept.filter(|kept| kept.application_id == found.application_id) {
                return Ok(kept);
            }
            // A secret is told once, and this one is lost: the application is registered anew.
            remove_application(api, &found).await?;
            answer = apply_request(api, &request(upstream), false).await?;
        }
        let created = Self::of(&answer)?;
        let text = serde_json::to_vec(&created).context("the demo agent cannot be kept")?;
        replace(&path, &text).context(format!("`{}`", path.display()))?;
        Ok(created)
    }

    /// A path of the zone's objects.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/zones/{}/{rest}", self.id)
    }

    fn of(answer: &ApplyAnswer) -> Outcome<Self> {
        let application = answer
            .applications
            .iter()
            .find(|application| application.name == APPLICATION);
        let application =
            application.ok_or_else(|| Failure::new("the demo application was not registered"))?;
        Ok(Self {
            id: answer.zone.id.clone(),
            application_id: application.id.clone(),
            client_secret: application.client_secret.clone().unwrap_or_default(),
        })
    }
}

/// An application that an active policy names cannot be removed: its policy goes first.
async fn remove_application(api: &Api, zone: &DemoZone) -> Outcome<()> {
    let active: ActivePolicies = api.get(&zone.path("policies?limit=1000")).await?;
    let policies = active
        .items
        .into_iter()
        .filter(|policy| policy.name != APPLICATION)
        .collect();
    let bundle: BundleView = api
        .post(
            &zone.path("bundles"),
            &BundleBody {
                policies,
                tests: Vec::new(),
            },
        )
        .await?;
    let path = zone.path(&format!("bundles/{}/activate", bundle.version));
    api.act::<serde_json::Value>(&path).await?;
    api.delete(&zone.path(&format!("applications/{}", zone.application_id)))
        .await
}

fn request(upstream: &DemoUpstream) -> ApplyRequest {
    let operation = |method: &str, path: &str, scope: &str| OperationBody {
        method: method.to_owned(),
        path: path.to_owned(),
        scope: scope.to_owned(),
    };
    let provider = ProviderBody {
        name: "demo-key".to_owned(),
        kind: "bearer".to_owned(),
        header: None,
        query: None,
        prefix: None,
        username: None,
        secret: Some(SecretValue::new(upstream.key.clone())),
        allowed_hosts: None,
    };
    let resource = ResourceBody {
        name: RESOURCE.to_owned(),
        upstream: upstream.url.clone(),
        provider: Some("demo-key".to_owned()),
        scopes: vec!["llm:chat".to_owned(), "llm:models".to_owned()],
        operations: vec![
            operation("POST", "/v1/chat/**", "llm:chat"),
            operation("GET", "/v1/models", "llm:models"),
            operation("DELETE", "/v1/models/{model}", "llm:models"),
        ],
        default_scope: None,
        enforcement: None,
        verified_by: Vec::new(),
        decide: None,
        allow_private: true,
        upstream_ca: None,
        upstream_protocol: None,
        mandate_in: Vec::new(),
        dpop: None,
        single_use: false,
        cookies: None,
        encoded_slashes: None,
        response_timeout_seconds: None,
        max_stream_seconds: None,
        max_body_bytes: None,
    };
    ApplyRequest {
        zone: Some(ZONE.to_owned()),
        applications: vec![ApplicationBody {
            name: APPLICATION.to_owned(),
            labels: Vec::new(),
            auth: None,
        }],
        issuers: Vec::new(),
        providers: vec![provider],
        resources: vec![resource],
        sinks: Vec::new(),
        policies: vec![PolicyBody {
            name: APPLICATION.to_owned(),
            cedar: POLICY.to_owned(),
        }],
        tests: Vec::new(),
        retention: None,
        self_approval: None,
        prune: false,
        base: None,
    }
}

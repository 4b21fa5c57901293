//! A zone with everything that a governed call needs.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails by panicking"
)]

use std::collections::HashMap;

use caracal_core::{
    Enforcement, Event, Name, Operation, PolicySource, ProviderKind, RequestPath, Resource, Secret,
    UndeclaredOperation, ZoneId,
};
use caracal_engine::{
    Admin, ApplicationSpec, Authorized, CallRequest, CallerCredentials, ClientCredentials, Engine,
    IssueError, IssueRequest, IssuedMandate, Operator, Permit, ProviderSpec, Query, Refusal,
    ResourceSpec, Selector, ZoneSpec,
};

use crate::TestEngine;

/// A zone and the client secrets of its applications.
#[derive(Debug, Clone)]
pub struct SeededZone {
    /// The zone.
    pub id: ZoneId,
    /// The ids of its applications, resources and providers, by name.
    pub ids: HashMap<String, String>,
    /// The client secrets, by application.
    pub secrets: HashMap<String, String>,
}

impl SeededZone {
    /// The secret of the provider in [`Self::spec`].
    pub const CREDENTIAL: &str = "sk-the-real-one";

    /// The applications `anton` and `berta`; the resource `items` (with the provider `key`, a
    /// bearer secret) and the resource `notes` (without one), each with the scopes `read` and
    /// `write`: `GET /v1/**` needs `read`, `POST` and `DELETE` need `write`; and one policy.
    pub fn spec(cedar: &str) -> ZoneSpec {
        ZoneSpec {
            applications: vec![Self::application("anton"), Self::application("berta")],
            issuers: Vec::new(),
            providers: vec![Self::provider("key")],
            resources: vec![
                Self::resource("items", Some("key")),
                Self::resource("notes", None),
            ],
            sinks: Vec::new(),
            policies: vec![Self::policy("rules", cedar)],
            tests: Vec::new(),
            retention: None,
            self_approval: None,
            prune: false,
        }
    }

    /// An application without labels.
    pub fn application(name: &str) -> ApplicationSpec {
        ApplicationSpec {
            name: parse(name),
            labels: std::collections::BTreeSet::new(),
            auth: caracal_core::ClientAuth::Secret,
        }
    }

    /// A bearer provider with [`Self::CREDENTIAL`] and the default hosts.
    pub fn provider(name: &str) -> ProviderSpec {
        ProviderSpec {
            name: parse(name),
            kind: ProviderKind::Bearer,
            secret: Some(Secret::new(Self::CREDENTIAL.as_bytes().to_vec())),
            allowed_hosts: None,
        }
    }

    /// A resource like those of [`Self::spec`], at `https://NAME.example.com`.
    pub fn resource(name: &str, provider: Option<&str>) -> ResourceSpec {
        let rule = |method: &str, scope: &str| Operation {
            method: method.to_owned(),
            path: "/v1/**".parse().expect("the template is one"),
            scope: scope.parse().expect("the scope is one"),
        };
        ResourceSpec {
            name: parse(name),
            upstream: format!("https://{name}.example.com"),
            provider: provider.map(parse),
            scopes: vec![
                "read".parse().expect("the scope is one"),
                "write".parse().expect("the scope is one"),
            ],
            operations: vec![
                rule("GET", "read"),
                rule("POST", "write"),
                rule("DELETE", "write"),
            ],
            undeclared: UndeclaredOperation::Deny,
            verified_by: Vec::new(),
            asks_decide: false,
            enforcement: Enforcement::Gateway,
            allow_private: false,
            upstream_ca: None,
            upstream_protocol: caracal_core::UpstreamProtocol::Auto,
            mandate_in: Vec::new(),
            requires_dpop: false,
            single_use: false,
            pass_cookies: false,
            literal_encoded_slashes: false,
            response_timeout_seconds: Resource::RESPONSE_TIMEOUT_SECONDS,
            max_stream_seconds: Resource::MAX_STREAM_SECONDS,
            max_body_bytes: Resource::MAX_BODY_BYTES,
        }
    }

    /// A policy.
    pub fn policy(name: &str, cedar: &str) -> PolicySource {
        PolicySource {
            name: parse(name),
            cedar: cedar.into(),
        }
    }

    pub(crate) async fn create(test: &TestEngine, name: &str, spec: ZoneSpec) -> Self {
        let engine = &test.engine;
        let zone = engine.create_zone(&test.admin(), parse(name)).await;
        let id = zone.expect("the zone is created").value.id;
        let applied = engine.apply(id, &test.admin(), spec).await;
        let applied = applied.unwrap_or_else(|error| panic!("the zone is not applied: {error}"));
        let mut ids = HashMap::new();
        let mut secrets = HashMap::new();
        for object in applied
            .applications
            .into_iter()
            .chain(applied.resources)
            .chain(applied.providers)
        {
            ids.insert(object.name.to_string(), object.id);
            if let Some(secret) = object.client_secret {
                secrets.insert(object.name.to_string(), secret);
            }
        }
        Self { id, ids, secrets }
    }

    /// The id of an object of the zone.
    pub fn id_of<T: std::str::FromStr>(&self, name: &str) -> T {
        let parsed = self.ids.get(name).and_then(|id| id.parse().ok());
        parsed.unwrap_or_else(|| panic!("no `{name}` of this noun in the zone"))
    }

    /// The secret of an application with its id.
    pub fn client(&self, application: &str) -> ClientCredentials {
        let secret = self
            .secrets
            .get(application)
            .expect("the application was created");
        ClientCredentials {
            client_id: self
                .ids
                .get(application)
                .cloned()
                .expect("the application was created"),
            secret: Secret::new(secret.clone().into_bytes()),
        }
    }

    /// What an application presents.
    pub fn credentials(&self, application: &str) -> CallerCredentials {
        CallerCredentials::Client(self.client(application))
    }

    /// A request of an application for a mandate.
    pub fn asks(&self, application: &str, resources: &[&str], scope: Option<&str>) -> IssueRequest {
        IssueRequest {
            resources: resources.iter().map(|text| (*text).to_owned()).collect(),
            scope: scope.map(str::to_owned),
            ..IssueRequest::new(self.credentials(application), "req_mint")
        }
    }

    /// Mints for `anton`; resources are identifiers or URLs.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn mint(
        &self,
        engine: &Engine,
        resources: &[&str],
        scope: Option<&str>,
    ) -> Result<IssuedMandate, IssueError> {
        engine.issue(self.asks("anton", resources, scope)).await
    }

    /// Authorises a call on a resource by name.
    ///
    /// # Errors
    /// The refusal; one of the mandate itself too.
    pub async fn call(
        &self,
        engine: &Engine,
        mandate: &str,
        resource: &str,
        method: &str,
        path: &str,
    ) -> Result<Permit, Refusal> {
        let selector = Selector {
            zone: None,
            name: Some(resource.to_owned()),
            header: None,
        };
        Self::call_to(engine, mandate, &selector, method, path).await
    }

    /// Authorises a call on what a selector says.
    ///
    /// # Errors
    /// The refusal; one of the mandate itself too.
    pub async fn call_to(
        engine: &Engine,
        mandate: &str,
        selector: &Selector,
        method: &str,
        path: &str,
    ) -> Result<Permit, Refusal> {
        let request_id = engine.new_request_id();
        let opened = engine
            .open_mandate(mandate)
            .await
            .map_err(|code| Refusal::new(code, code.as_str()))?;
        let target = engine
            .select_resource(opened, selector, &request_id)
            .await?;
        let path = RequestPath::parse(path).expect("the path is one");
        let mut request = CallRequest::new(&request_id, method, path);
        let target = match engine.authorize_call(target, &request).await? {
            Authorized::Permit(permit) => return Ok(permit),
            Authorized::Held(target) => target,
        };
        request.body = Some(b"");
        match engine.authorize_call(target, &request).await? {
            Authorized::Permit(permit) => Ok(permit),
            Authorized::Held(_) => panic!("a call is held although its body is known"),
        }
    }

    /// Every event of the zone, oldest first.
    pub async fn events(&self, engine: &Engine) -> Vec<Event> {
        let admin = Admin::new(Operator::local(), "req_events");
        let mut events = Vec::new();
        let mut cursor = None;
        loop {
            let query = Query {
                cursor,
                ascending: true,
                limit: 1000,
                ..Query::default()
            };
            let page = engine.search_events(self.id, &admin, query).await;
            let page = page.expect("the ledger can be read");
            for (_, leaf) in page.leaves {
                events.push(serde_json::from_slice(&leaf).expect("a leaf is an event"));
            }
            cursor = page.next;
            if cursor.is_none() {
                return events;
            }
        }
    }

    /// The types of all events of the zone, oldest first.
    pub async fn event_types(&self, engine: &Engine) -> Vec<&'static str> {
        let events = self.events(engine).await;
        events.iter().map(|e| e.event_type.as_str()).collect()
    }
}

fn parse(name: &str) -> Name {
    name.parse().expect("the name is one")
}

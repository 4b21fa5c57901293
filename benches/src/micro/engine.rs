//! The use cases without doors and without a disk: what deciding costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use caracal_core::{
    Enforcement, NodeId, Operation, PolicySource, ProviderKind, RequestPath, Resource,
    UndeclaredOperation,
};
use caracal_crypto::{Keyring, MasterKey};
use caracal_engine::{
    Admin, ApplicationSpec, Authorized, CallRequest, CallerCredentials, ClientCredentials, Clock,
    Engine, EngineConfig, IssueRequest, Operator, Outcome, ProviderSpec, ResourceSpec, Selector,
    ZoneSpec,
};
use caracal_testkit::MemoryStore;
use jiff::{SignedDuration, Timestamp};

use super::figures;
use crate::latency::Latency;
use crate::report::MicroFigures;

const POLICY: &str = "permit (principal in Application::\"bench\", \
    action == Action::\"items:use\", resource == Resource::\"resource://items\") \
    when { context.request.method == \"GET\" };";

pub(super) async fn run(time: Duration) -> Result<Vec<MicroFigures>> {
    let world = World::new().await?;
    let mandate = world.issue().await?;
    Ok(vec![
        repeat("engine: open a mandate seen before", time, async || {
            world.open(&mandate).await
        })
        .await?,
        repeat("engine: issue, store in memory", time, async || {
            world.issue().await.map(drop)
        })
        .await?,
        repeat(
            "engine: authorize a call, store in memory",
            time,
            async || world.authorize(&mandate).await,
        )
        .await?,
    ])
}

async fn repeat(
    name: &str,
    time: Duration,
    once: impl AsyncFn() -> Result<()>,
) -> Result<MicroFigures> {
    let mut latency = Latency::new()?;
    let begin = Instant::now();
    while begin.elapsed() < time {
        let start = Instant::now();
        once().await?;
        latency.record(start.elapsed());
    }
    Ok(figures(name, &latency, 1, begin.elapsed()))
}

/// Starts at a fixed day and runs with the machine.
struct BenchClock(Instant);

impl Clock for BenchClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.0.elapsed()).unwrap_or_default();
        let start = Timestamp::from_second(1_790_000_000).unwrap_or_default();
        start.checked_add(passed).unwrap_or(start)
    }
}

struct World {
    engine: Engine,
    client: (String, String),
}

impl World {
    async fn new() -> Result<Self> {
        let config = EngineConfig {
            node: NodeId::new(Timestamp::UNIX_EPOCH, &[1; 10]),
            sts_url: "http://localhost:8080".to_owned(),
            gateway_url: "http://localhost:8081".to_owned(),
            allow_private: true,
            limits: caracal_engine::ZoneLimits::default(),
        };
        let store = MemoryStore::new();
        let (state, evidence) = (Arc::new(store.clone()), Arc::new(store));
        let keyring = Keyring::new(MasterKey::generate());
        let clock = Arc::new(BenchClock(Instant::now()));
        let engine = Engine::start(config, state, evidence, keyring, clock).await?;
        let admin = Admin::new(Operator::local(), engine.new_request_id());
        let zone = engine
            .create_zone(&admin, "bench".parse()?)
            .await
            .context("no zone")?;
        let applied = engine
            .apply(zone.value.id, &admin, zone_spec()?)
            .await
            .context("the zone cannot be set up")?;
        let application = applied.applications.into_iter().next();
        let application = application.context("no application was made")?;
        let secret = application.client_secret.context("no secret was made")?;
        Ok(Self {
            engine,
            client: (application.id, secret),
        })
    }

    async fn issue(&self) -> Result<String> {
        let client = ClientCredentials {
            client_id: self.client.0.clone(),
            secret: self.client.1.clone().into(),
        };
        let request = IssueRequest {
            resources: vec!["resource://items".to_owned()],
            ttl_seconds: Some(900),
            ..IssueRequest::new(
                CallerCredentials::Client(client),
                self.engine.new_request_id(),
            )
        };
        let issued = self.engine.issue(request).await;
        issued
            .map(|mandate| mandate.text)
            .map_err(|error| anyhow!("no mandate: {error}"))
    }

    async fn open(&self, mandate: &str) -> Result<()> {
        let opened = self.engine.open_mandate(mandate).await;
        opened
            .map(drop)
            .map_err(|code| anyhow!("the mandate is refused: {code:?}"))
    }

    /// From the mandate's text to an injection, and the end of the call.
    async fn authorize(&self, mandate: &str) -> Result<()> {
        let engine = &self.engine;
        let request_id = engine.new_request_id();
        let opened = engine.open_mandate(mandate).await;
        let opened = opened.map_err(|code| anyhow!("the mandate is refused: {code:?}"))?;
        let selector = Selector {
            name: Some("items".to_owned()),
            ..Selector::default()
        };
        let refused = |refusal| anyhow!("the call is refused: {refusal:?}");
        let target = engine
            .select_resource(opened, &selector, &request_id)
            .await
            .map_err(refused)?;
        let path = RequestPath::parse("/v1/items/1")?;
        let request = CallRequest::new(&request_id, "GET", path);
        let authorized = engine.authorize_call(target, &request).await;
        let Authorized::Permit(permit) = authorized.map_err(refused)? else {
            return Err(anyhow!("the call is held"));
        };
        permit.injection().map_err(refused)?;
        permit.finish(Outcome {
            status: Some(200),
            reason: None,
        });
        Ok(())
    }
}

fn zone_spec() -> Result<ZoneSpec> {
    Ok(ZoneSpec {
        sinks: Vec::new(),
        applications: vec![ApplicationSpec {
            name: "bench".parse()?,
            labels: Default::default(),
            auth: Default::default(),
        }],
        tests: Vec::new(),
        issuers: Vec::new(),
        providers: vec![ProviderSpec {
            name: "key".parse()?,
            kind: ProviderKind::Bearer,
            secret: Some("sk-bench".to_owned().into()),
            allowed_hosts: None,
        }],
        resources: vec![ResourceSpec {
            name: "items".parse()?,
            upstream: "http://127.0.0.1:9".to_owned(),
            provider: Some("key".parse()?),
            scopes: vec!["items:use".parse()?],
            operations: vec![Operation {
                method: "GET".to_owned(),
                path: "/v1/**".parse()?,
                scope: "items:use".parse()?,
            }],
            undeclared: UndeclaredOperation::Deny,
            verified_by: Vec::new(),
            asks_decide: false,
            enforcement: Enforcement::Gateway,
            allow_private: true,
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
        }],
        policies: vec![PolicySource {
            name: "read-items".parse()?,
            cedar: POLICY.to_owned(),
        }],
        retention: None,
        self_approval: None,
        prune: false,
    })
}

//! An instance with one zone, its Gateway on a loopback port, and an upstream that the test plays.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use caracal_connection::{
    Admission, Arrival, DoorRules, Limits, Protocol, Stopping, TrustedProxies, listen,
};
use caracal_core::{
    Anchor, Enforcement, MandateClaims, MandateSlot, NodeId, Operation, PolicySource, ProviderKind,
    Resource, UndeclaredOperation, ZoneId,
};
use caracal_crypto::{Keyring, MasterKey};
use caracal_egress::{Egress, EgressRules};
use caracal_engine::{
    Admin, ApplicationSpec, CallerCredentials, ClientCredentials, Clock, Engine, EngineConfig,
    IssueRequest, Operator, ProviderSpec, Query, ResourceSpec, ZoneSpec,
};
use caracal_gateway::{Gateway, GatewayConfig};
use caracal_testkit::MemoryStore;
use jiff::{SignedDuration, Timestamp};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::peer::Peer;

pub(crate) const SECRET: &str = "upstream-s3cret";

/// Starts at a fixed day and runs with the machine.
struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.0.elapsed()).unwrap();
        Timestamp::from_second(1_790_000_000).unwrap() + passed
    }
}

/// How the Gateway serves.
pub(crate) struct Serving {
    pub(crate) limits: Limits,
    pub(crate) max_connections: usize,
    pub(crate) gateway: GatewayConfig,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_connections: 1000,
            gateway: GatewayConfig::new(""),
        }
    }
}

impl Serving {
    async fn serve(
        self,
        door: Gateway,
        listener: TcpListener,
        stopping: Stopping,
        tracker: TaskTracker,
    ) {
        let max = self.max_connections;
        let admission = Admission::new("gateway", max, max, TrustedProxies::default());
        let rules = Arc::new(DoorRules {
            door: "gateway",
            limits: self.limits,
            proxies: TrustedProxies::default(),
            stopping: stopping.clone(),
        });
        let talk = move |stream: TcpStream, remote| {
            let (door, rules) = (door.clone(), Arc::clone(&rules));
            async move {
                let Some(protocol) = Protocol::find(&stream, &rules).await else {
                    return;
                };
                let arrival = Arrival {
                    remote: Some(remote),
                    local: stream.local_addr().ok(),
                    is_tls: false,
                    protocol,
                };
                door.converse(stream, arrival, &rules).await;
            }
        };
        listen(listener, admission, stopping, tracker, talk).await;
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) zone: ZoneId,
    pub(crate) gateway: SocketAddr,
    pub(crate) upstream: TcpListener,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tracker: TaskTracker,
    client: (String, String),
}

fn resource(name: &str, upstream: SocketAddr, provider: Option<&str>) -> ResourceSpec {
    let scope = || format!("{name}:call").parse().unwrap();
    let operation = |method: &str| Operation {
        method: method.to_owned(),
        path: "/v1/**".parse().unwrap(),
        scope: scope(),
    };
    ResourceSpec {
        name: name.parse().unwrap(),
        upstream: format!("http://{upstream}"),
        provider: provider.map(|provider| provider.parse().unwrap()),
        scopes: vec![scope()],
        operations: vec![operation("GET"), operation("POST")],
        undeclared: UndeclaredOperation::Deny,
        enforcement: Enforcement::Gateway,
        verified_by: Vec::new(),
        asks_decide: false,
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
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// `adjust` changes how the Gateway serves.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Serving)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = listener.local_addr().unwrap();
        let public_url = format!("http://{gateway}");
        let config = EngineConfig {
            node: NodeId::new(Timestamp::UNIX_EPOCH, &[1; 10]),
            sts_url: "http://sts.test".to_owned(),
            gateway_url: public_url.clone(),
            allow_private: true,
            limits: caracal_engine::ZoneLimits::default(),
        };
        let store = MemoryStore::new();
        let (state, evidence) = (Arc::new(store.clone()), Arc::new(store));
        let keyring = Keyring::new(MasterKey::generate());
        let clock = Arc::new(TestClock(Instant::now()));
        let engine = Engine::start(config, state, evidence, keyring, clock)
            .await
            .unwrap();
        let admin = Admin::new(Operator::local(), engine.new_request_id());
        let zone = engine
            .create_zone(&admin, "acme".parse().unwrap())
            .await
            .unwrap()
            .value
            .id;
        let spec = zone_spec(upstream.local_addr().unwrap());
        let applied = engine.apply(zone, &admin, spec).await.unwrap();
        let application = applied.applications.into_iter().next().unwrap();

        let egress = Egress::new(EgressRules {
            allow_private: true,
            forbidden: vec![gateway],
        });
        let (shutdown, tracker) = (CancellationToken::new(), TaskTracker::new());
        let mut serving = Serving::default();
        adjust(&mut serving);
        let config = GatewayConfig {
            public_url,
            ..serving.gateway.clone()
        };
        let door = Gateway::new(engine.clone(), egress.unwrap(), config);
        let stopping = Stopping::from(shutdown.clone());
        tracker.spawn(serving.serve(door, listener, stopping, tracker.clone()));
        let client = (application.id, application.client_secret.unwrap());
        Self {
            engine,
            zone,
            gateway,
            upstream,
            shutdown,
            tracker,
            client,
        }
    }

    /// A mandate for these resources, with all their scopes.
    pub(crate) async fn mandate(&self, resources: &[&str]) -> String {
        let client = ClientCredentials {
            client_id: self.client.0.clone(),
            secret: self.client.1.clone().into(),
        };
        let request = IssueRequest {
            resources: resources
                .iter()
                .map(|name| format!("resource://{name}"))
                .collect(),
            ..IssueRequest::new(
                CallerCredentials::Client(client),
                self.engine.new_request_id(),
            )
        };
        match self.engine.issue(request).await {
            Ok(issued) => issued.text,
            Err(error) => panic!("no mandate: {error}"),
        }
    }

    pub(crate) async fn client(&self) -> Peer {
        Peer::connect(self.gateway).await
    }

    /// The next connection to the upstream.
    pub(crate) async fn accept(&self) -> Peer {
        let limit = Duration::from_secs(10);
        let accepted = tokio::time::timeout(limit, self.upstream.accept()).await;
        Peer::new(accepted.expect("nobody came to the upstream").unwrap().0)
    }

    /// True when nobody comes to the upstream for a moment.
    pub(crate) async fn is_left_alone(&self) -> bool {
        let moment = Duration::from_millis(50);
        tokio::time::timeout(moment, self.upstream.accept())
            .await
            .is_err()
    }

    /// Revokes a mandate and returns how many calls that cut.
    pub(crate) async fn revoke(&self, mandate: &str) -> u64 {
        let opened = self.engine.open_mandate(mandate).await.unwrap();
        let claims: &MandateClaims = opened.claims();
        let admin = Admin::new(Operator::local(), self.engine.new_request_id());
        let anchor = Anchor::Mandate(claims.jti);
        self.engine
            .revoke(self.zone, &admin, anchor, None)
            .await
            .unwrap()
            .streams_cut
    }

    /// Approves what a refusal says a person has to approve.
    pub(crate) async fn approve(&self, refusal: &serde_json::Value) {
        let id = refusal["approval_id"].as_str().expect("an approval");
        let admin = Admin::new(Operator::local(), self.engine.new_request_id());
        let verdict = caracal_engine::Verdict::Approve;
        self.engine
            .decide_approval(self.zone, &admin, id.parse().unwrap(), verdict, None)
            .await
            .unwrap();
    }

    /// Status and reason of the event that ended a call.
    pub(crate) async fn finished(&self, request_id: &str) -> (Option<u64>, Option<String>) {
        let admin = Admin::new(Operator::local(), "req_test");
        for _ in 0..500 {
            let query = Query {
                request_id: Some(request_id.to_owned()),
                event_type: Some("call.finished".to_owned()),
                limit: 10,
                ..Query::default()
            };
            let page = self
                .engine
                .search_events(self.zone, &admin, query)
                .await
                .unwrap();
            assert!(page.leaves.len() < 2, "a call ends once");
            if let Some((_, leaf)) = page.leaves.first() {
                let event: serde_json::Value = serde_json::from_slice(leaf).unwrap();
                let reason = event["reason"].as_str().map(str::to_owned);
                return (event["status"].as_u64(), reason);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the end of the call was not recorded");
    }

    /// Waits until a call is under way.
    pub(crate) async fn wait_for_calls(&self, count: usize) {
        for _ in 0..500 {
            if self.engine.live_calls() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} calls are under way", self.engine.live_calls());
    }
}

fn zone_spec(upstream: SocketAddr) -> ZoneSpec {
    let provider = |name: &str, kind| ProviderSpec {
        name: name.parse().unwrap(),
        kind,
        secret: Some(SECRET.to_owned().into()),
        allowed_hosts: None,
    };
    let query_key = ProviderKind::ApiKey {
        header: None,
        query: Some("key".to_owned()),
        prefix: None,
    };
    let mut keyed = resource("keyed", upstream, Some("keyed"));
    keyed.mandate_in = vec![
        MandateSlot::Header("x-api-key".to_owned()),
        MandateSlot::Query("key".to_owned()),
        MandateSlot::BasicPassword,
    ];
    let mut strict = resource("strict", upstream, None);
    strict.max_body_bytes = 10;
    strict.response_timeout_seconds = 1;
    // Nothing listens on port 1.
    let dead = resource("dead", SocketAddr::from(([127, 0, 0, 1], 1)), None);
    let api = resource("api", upstream, Some("bearer"));
    let mut rpc = resource("rpc", upstream, None);
    rpc.upstream_protocol = caracal_core::UpstreamProtocol::Http2;
    let held = resource("held", upstream, None);
    let held_dead = resource("held-dead", SocketAddr::from(([127, 0, 0, 1], 1)), None);
    let resources = vec![api, keyed, strict, dead, rpc, held, held_dead];
    let policies = resources
        .iter()
        .map(|resource| {
            let name = &resource.name;
            let held = match name.as_str().starts_with("held") {
                true => "@approval(\"operator\") ",
                false => "",
            };
            let cedar = format!(
                "{held}permit (principal in Application::\"anton\", action == Action::\"{name}:call\", \
                 resource == Resource::\"resource://{name}\") unless {{ context has request && \
                 context.request.query.contains(\"deny=me\") }};"
            );
            PolicySource {
                name: name.clone(),
                cedar,
            }
        })
        .collect();
    ZoneSpec {
        sinks: Vec::new(),
        applications: vec![ApplicationSpec {
            name: "anton".parse().unwrap(),
            labels: Default::default(),
            auth: Default::default(),
        }],
        issuers: Vec::new(),
        providers: vec![
            provider("bearer", ProviderKind::Bearer),
            provider("keyed", query_key),
        ],
        resources,
        policies,
        tests: Vec::new(),
        retention: None,
        self_approval: Some(true),
        prune: false,
    }
}

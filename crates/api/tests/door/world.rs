//! An instance with two zones, tokens of every role, and something of each noun.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use caracal_api::ApiConfig;
use caracal_core::{NodeId, Role, ZoneId};
use caracal_crypto::{Keyring, MasterKey};
use caracal_engine::{Admin, Clock, Engine, EngineConfig, Operator};
use caracal_testkit::MemoryStore;
use caracal_wire::StatusView;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) const HOST: &str = "localhost:3001";

/// Moves on by a millisecond with every look, and further when told to.
#[derive(Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let passed = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(1_790_000_000).unwrap() + SignedDuration::from_millis(passed)
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The answer's JSON, when it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) router: Router,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) acme: ZoneId,
    pub(crate) other: ZoneId,
    tokens: Mutex<std::collections::HashMap<(Option<ZoneId>, &'static str), String>>,
}

pub(crate) fn zone_request(zone: &str) -> Value {
    json!({
        "zone": zone,
        "applications": [{"name": "anton", "labels": ["support"]}],
        "providers": [{"name": "openai", "kind": "bearer", "secret": "sk-s3cr3t"}],
        "resources": [{
            "name": "openai", "upstream": "https://api.openai.com", "provider": "openai",
            "scopes": ["openai:models", "openai:chat"],
            "operations": [
                {"method": "GET", "path": "/v1/models", "scope": "openai:models"},
                {"method": "POST", "path": "/v1/chat/**", "scope": "openai:chat"},
            ],
        }],
        "policies": [policy("anton", "openai:models")],
    })
}

pub(crate) fn policy(application: &str, scope: &str) -> Value {
    let cedar = format!(
        "permit (principal in Application::\"{application}\", action == Action::\"{scope}\", \
         resource == Resource::\"resource://openai\");"
    );
    json!({"name": application, "cedar": cedar})
}

impl World {
    pub(crate) async fn start() -> Self {
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
        let clock = Arc::new(TestClock::default());
        let engine = Engine::start(config, state, evidence, keyring, clock.clone())
            .await
            .unwrap();
        let admin = Admin::new(Operator::local(), engine.new_request_id());
        let acme = engine
            .create_zone(&admin, "acme".parse().unwrap())
            .await
            .unwrap();
        let other = engine
            .create_zone(&admin, "other".parse().unwrap())
            .await
            .unwrap();
        let shutdown = CancellationToken::new();
        let status = Arc::new(|| StatusView {
            ready: true,
            pid: 1,
            home: "/home/x".to_owned(),
            ..StatusView::default()
        });
        let mut config = ApiConfig::new(
            "http://localhost:3001",
            3001,
            "1.2.3",
            status,
            shutdown.clone(),
        );
        config.backup = Some(Arc::new(|| -> Result<_, String> {
            let (sender, chunks) = tokio::sync::mpsc::channel(1);
            let sent = sender.try_send(Ok("a backup".into()));
            sent.map_err(|error| error.to_string())?;
            let id = caracal_core::BackupId::new(jiff::Timestamp::UNIX_EPOCH, &[0; 10]);
            Ok((id, chunks))
        }));
        let world = Self {
            router: caracal_api::router(engine.clone(), config),
            engine,
            clock,
            shutdown,
            acme: acme.value.id,
            other: other.value.id,
            tokens: Mutex::default(),
        };
        let admin = world.owner().await;
        world
            .post("/v1/apply", &admin, zone_request("acme"))
            .await
            .expect(200);
        world
            .post("/v1/apply", &admin, zone_request("other"))
            .await
            .expect(200);
        world
    }

    /// A token of this role, for one zone or all.
    pub(crate) async fn token(&self, zone: Option<ZoneId>, role: Role) -> String {
        let key = (zone, role.as_str());
        if let Some(held) = self.tokens.lock().unwrap().get(&key) {
            return held.clone();
        }
        let admin = Admin::new(Operator::local(), self.engine.new_request_id());
        let name = format!("{}-{}", role.as_str(), self.tokens.lock().unwrap().len());
        let created = self
            .engine
            .create_token(&admin, zone, name.parse().unwrap(), role, 3600);
        let text = created.await.unwrap().text.unwrap();
        self.tokens.lock().unwrap().insert(key, text.clone());
        text
    }

    pub(crate) async fn owner(&self) -> String {
        self.token(None, Role::Owner).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, token, Some(body), &[]).await
    }
}

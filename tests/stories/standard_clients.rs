//! OAuth libraries that know nothing of Caracal get their mandates and use them, each in its language.

use serde_json::{Value, json};

use crate::harness::{KEY, Output, Protected, Stack, Upstream, claims, node, python};

/// A zone in which `anton` has a secret and `berta` the private keys to these public ones.
struct World {
    stack: Stack,
    _upstream: Upstream,
    anton: (String, String),
    berta: String,
}

impl World {
    async fn start(jwks: &Value) -> Self {
        let upstream = Upstream::start().await;
        let mut stack = Stack::start();
        stack.set("STORY_KEY", KEY);
        let keyed = format!(
            "applications:\n  - name: berta\n    auth: {{ private_key_jwt: {{ jwks: {jwks} }} }}\n"
        );
        let file = Protected::zone_file("acme", &upstream)
            .replace("applications:\n", &keyed)
            .replace(
                "permit (principal in Application::\"anton\", action == Action::\"items:read\", ",
                "permit (principal, action, ",
            );
        let applied = stack.apply(&file);
        let client = stack.client(&applied, "anton");
        let applications = applied["applications"].as_array().unwrap();
        let berta = applications.iter().find(|a| a["name"] == "berta").unwrap();
        Self {
            anton: (client.id, client.secret),
            berta: berta["id"].as_str().unwrap().to_owned(),
            stack,
            _upstream: upstream,
        }
    }

    fn issuer(&self) -> String {
        let zones = self.stack.cli(&["zone", "list", "--json"]).ok().json();
        let zone = zones["items"][0]["id"].as_str().unwrap();
        format!("{}/zones/{zone}", self.stack.sts)
    }

    /// Runs a client and holds what it saw to what a standard says.
    fn check(
        &self,
        algorithm: &str,
        jwk: &Value,
        run: impl Fn(&[&str], &[(&str, &str)]) -> Output,
    ) {
        let (issuer, jwk) = (self.issuer(), jwk.to_string());
        let url = format!("{}/r/items/items/1", self.stack.gateway);
        let arguments = [&issuer, algorithm, "resource://items", "items:read", &url];
        let env = [
            ("CLIENT_ID", &*self.anton.0),
            ("CLIENT_SECRET", &*self.anton.1),
            ("KEY_CLIENT_ID", &*self.berta),
            ("KEY_CLIENT_JWK", &*jwk),
        ];
        let seen = run(&arguments, &env).ok().json();
        for (way, client, scope) in [
            (
                "client_credentials",
                &self.anton.0,
                "items:read items:write",
            ),
            ("token_exchange", &self.anton.0, "items:read"),
            ("private_key_jwt", &self.berta, "items:read"),
        ] {
            let told = &seen[way];
            assert_eq!(told["status"], 200, "{algorithm} {way}: {seen}");
            assert_eq!(told["scope"], scope, "{algorithm} {way}");
            let token_type = told["token_type"].as_str().unwrap();
            assert!(token_type.eq_ignore_ascii_case("dpop"), "{token_type}");
            let mandate = claims(told["mandate"].as_str().unwrap());
            assert_eq!(mandate["client_id"], **client, "{algorithm} {way}");
            assert!(mandate["cnf"]["jkt"].is_string(), "{algorithm} {way}");
        }
        let of = |way: &str| claims(seen[way]["mandate"].as_str().unwrap());
        let (own, exchanged) = (of("client_credentials"), of("token_exchange"));
        assert_eq!(exchanged["anc"][0], own["jti"], "{exchanged}");
        assert_eq!(exchanged["cnf"], own["cnf"]);
    }
}

/// A key pair of each algorithm, made by somebody else's library.
fn made(algorithms: &[&str]) -> (Vec<Value>, Value) {
    let made = algorithms.iter().map(|algorithm| {
        let made = python("key_client.py", &["generate", algorithm], &[], "");
        made.ok().json()
    });
    let made: Vec<_> = made.collect();
    let public: Vec<_> = made.iter().map(|key| key["public"].clone()).collect();
    let private = made.iter().map(|key| key["private"].clone()).collect();
    (private, json!({ "keys": public }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_library_gets_mandates_in_every_way() {
    let algorithms = ["ES256", "EdDSA", "RS256", "PS256"];
    let (private, jwks) = made(&algorithms);
    let world = World::start(&jwks).await;
    for (algorithm, jwk) in algorithms.iter().zip(&private) {
        world.check(algorithm, jwk, |arguments, env| {
            python("oauth_client.py", arguments, env, "")
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_library_gets_mandates_in_every_way() {
    let algorithms = ["ES256", "EdDSA", "RS256", "PS256"];
    let (private, jwks) = made(&algorithms);
    let world = World::start(&jwks).await;
    for (algorithm, jwk) in algorithms.iter().zip(&private) {
        // It says which of the EdDSA algorithms it means (RFC 9864).
        let algorithm = if *algorithm == "EdDSA" {
            "Ed25519"
        } else {
            algorithm
        };
        world.check(algorithm, jwk, |arguments, env| {
            node("oauth_client.mjs", arguments, env)
        });
    }
}

//! The vectors that the SDKs read too: `testdata/vectors/dpop`.

use std::collections::{BTreeMap, BTreeSet};

use caracal_crypto::{mandate_hash, sha256};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::check::{ProofError, Proofs, id_of};
use super::{PresentedProof, issue_error, refusal};
use crate::{EngineConfig, RefusedAt};

fn read<T: DeserializeOwned>(name: &str) -> T {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/vectors/dpop");
    let text = std::fs::read_to_string(format!("{dir}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[derive(Deserialize)]
struct Keys {
    keys: BTreeMap<String, Key>,
}

#[derive(Deserialize)]
struct Key {
    public: Value,
    thumbprint: String,
}

#[derive(Deserialize)]
struct Making {
    cases: Vec<Made>,
}

#[derive(Deserialize)]
struct Made {
    name: String,
    key: String,
    alg: String,
    request: MadeFor,
    header: Value,
    claims: Value,
}

#[derive(Deserialize)]
struct MadeFor {
    method: String,
    url: String,
    nonce: Option<String>,
    mandate: Option<String>,
    jti: String,
    iat: i64,
}

#[derive(Deserialize)]
struct Verdicts {
    now: i64,
    nonce: String,
    mandate: String,
    public_urls: BTreeMap<String, String>,
    requests: BTreeMap<String, Request>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    door: String,
    bound_to: Option<String>,
    proofs: Vec<String>,
    accepted: bool,
    reason: Option<String>,
    code: Option<String>,
}

fn proofs(urls: &BTreeMap<String, String>) -> Proofs {
    Proofs::new(&EngineConfig {
        node: caracal_core::NodeId::from_uuid(uuid::Uuid::nil()),
        sts_url: urls["sts"].clone(),
        gateway_url: urls["gateway"].clone(),
        allow_private: false,
        limits: crate::ZoneLimits::default(),
    })
}

fn reason(error: ProofError) -> &'static str {
    match error {
        ProofError::Missing => "missing",
        ProofError::Several => "several",
        ProofError::Unreadable(_) => "unreadable",
        ProofError::OtherKey => "other_key",
        ProofError::Method => "method",
        ProofError::Url => "url",
        ProofError::Clock => "clock",
        ProofError::Mandate => "mandate",
        ProofError::Nonce => "nonce",
        ProofError::Replayed => "replayed",
        ProofError::OwnShare | ProofError::Full => "no_room",
    }
}

#[test]
fn every_proof_has_the_verdict_that_is_written_down() {
    let keys: Keys = read("keys");
    let told: Verdicts = read("proofs");
    let proofs = proofs(&told.public_urls);
    let now = Timestamp::from_second(told.now).unwrap();
    let mut seen = BTreeSet::new();
    let mut reasons = BTreeSet::new();
    for case in &told.cases {
        let request = &told.requests[&case.door];
        let presented = PresentedProof {
            headers: case.proofs.clone(),
            method: request.method.clone(),
            path: request.path.clone(),
        };
        let door = match &*case.door {
            "sts" => RefusedAt::Sts,
            _ => RefusedAt::Gateway,
        };
        let bound = case.bound_to.as_ref().map(|key| {
            let digest = sha256(told.mandate.as_bytes());
            (digest, keys.keys[key].thumbprint.as_str())
        });
        let checked = proofs.check(&presented, door, bound, now);
        // What the engine asks then of its zone and of its memory.
        let checked = checked.and_then(|proof| match proof.nonce() {
            Some(nonce) if nonce == told.nonce => Ok(proof),
            _ => Err(ProofError::Nonce),
        });
        let checked = checked.and_then(|proof| match seen.insert(id_of(&proof)) {
            true => Ok(()),
            false => Err(ProofError::Replayed),
        });
        let error = checked.err();
        assert_eq!(error.is_none(), case.accepted, "{}: {error:?}", case.name);
        assert_eq!(error.map(reason), case.reason.as_deref(), "{}", case.name);
        let code = error.map(|error| match door {
            RefusedAt::Sts => issue_error(error).code(),
            _ => refusal(error).code.as_str(),
        });
        assert_eq!(code, case.code.as_deref(), "{}", case.name);
        reasons.extend(case.reason.as_deref());
    }
    // Nothing that can be wrong with a proof is left out.
    let all = [
        "clock",
        "mandate",
        "method",
        "missing",
        "nonce",
        "other_key",
        "replayed",
        "several",
        "unreadable",
        "url",
    ];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn what_clients_write_is_what_the_server_reads() {
    let keys: Keys = read("keys");
    let urls: Verdicts = read("proofs");
    let proofs = proofs(&urls.public_urls);
    let made: Making = read("making");
    assert!(!made.cases.is_empty());
    for case in made.cases {
        let (request, claims) = (&case.request, &case.claims);
        let key = &keys.keys[&case.key];
        assert_eq!(case.header["typ"], "dpop+jwt", "{}", case.name);
        assert_eq!(case.header["alg"], *case.alg, "{}", case.name);
        assert_eq!(case.header["jwk"], key.public, "{}", case.name);
        assert_eq!(claims["htm"], *request.method, "{}", case.name);
        assert_eq!(claims["jti"], *request.jti, "{}", case.name);
        assert_eq!(claims["iat"], request.iat, "{}", case.name);
        let nonce = claims.get("nonce").and_then(Value::as_str);
        assert_eq!(nonce, request.nonce.as_deref(), "{}", case.name);
        let ath = request.mandate.as_ref();
        let ath = ath.map(|mandate| mandate_hash(&sha256(mandate.as_bytes())));
        let claimed = claims.get("ath").and_then(Value::as_str);
        assert_eq!(claimed, ath.as_deref(), "{}", case.name);
        let is_target = [("sts", RefusedAt::Sts), ("gateway", RefusedAt::Gateway)]
            .into_iter()
            .any(|(name, door)| {
                let path = request.url.strip_prefix(&urls.public_urls[name]);
                let path = path.and_then(|rest| rest.split(['?', '#']).next());
                path.is_some_and(|path| {
                    proofs.is_target(door, claims["htu"].as_str().unwrap(), path)
                })
            });
        assert!(is_target, "{}", case.name);
    }
}

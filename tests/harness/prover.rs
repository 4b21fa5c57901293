//! A client with a key of its own, which makes what proofs a story asks for (RFC 9449).

use caracal_crypto::{DpopSigner, mandate_hash, sha256};
use serde_json::{Value, json};

use super::{Answer, Protected, http};

/// The client, and the world that it works in.
pub struct Prover {
    pub signer: DpopSigner,
    pub world: Protected,
}

/// Seconds since the epoch.
fn now() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

impl Prover {
    /// One in a world that runs.
    pub fn in_world(world: Protected) -> Self {
        Self {
            signer: DpopSigner::generate().unwrap(),
            world,
        }
    }

    pub fn token_url(&self) -> String {
        format!("{}/oauth/2/token", self.world.stack.sts)
    }

    pub fn items_url(&self) -> String {
        format!("{}/r/items/items/1", self.world.stack.gateway)
    }

    /// The claims of a proof for a request.
    pub fn claims(&self, method: &str, url: &str, nonce: &str) -> Value {
        let jti = caracal_crypto::hex(&caracal_crypto::random_bytes::<16>());
        json!({ "jti": jti, "htm": method, "htu": url, "iat": now(), "nonce": nonce })
    }

    /// The claims of a proof for [`Self::call`].
    pub fn call_claims(&self, mandate: &str, nonce: &str) -> Value {
        let mut claims = self.claims("GET", &self.items_url(), nonce);
        claims["ath"] = mandate_hash(&sha256(mandate.as_bytes())).into();
        claims
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.signer.sign(claims).unwrap()
    }

    /// Asks for a mandate with these `DPoP` headers.
    pub async fn token(&self, proofs: &[String]) -> Answer {
        let client = &self.world.client;
        let mut request = http()
            .post(self.token_url())
            .basic_auth(&client.id, Some(&client.secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials&resource=resource://items&scope=items:read");
        for proof in proofs {
            request = request.header("dpop", proof);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Makes a call with these `DPoP` headers.
    pub async fn call(&self, scheme: &str, mandate: &str, proofs: &[String]) -> Answer {
        let mut request = http()
            .get(self.items_url())
            .header("authorization", format!("{scheme} {mandate}"));
        for proof in proofs {
            request = request.header("dpop", proof);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// A nonce that is good now.
    pub async fn nonce(&self) -> String {
        let proof = self.sign(&self.claims("POST", &self.token_url(), ""));
        nonce_of(&self.token(&[proof]).await)
    }

    /// A mandate that is bound to the key.
    pub async fn mint(&self) -> String {
        let claims = self.claims("POST", &self.token_url(), &self.nonce().await);
        let answer = self.token(&[self.sign(&claims)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["token_type"], "DPoP");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

/// The nonce that an answer gives out.
#[track_caller]
pub fn nonce_of(answer: &Answer) -> String {
    let nonce = answer.header("dpop-nonce");
    nonce
        .unwrap_or_else(|| panic!("no nonce: {answer:?}"))
        .to_owned()
}

//! A client with a key of its own.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot be set up fails by panicking"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use caracal_crypto::DpopSigner;
use caracal_engine::PresentedProof;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Makes proofs of one key; each has a `jti` of its own.
pub struct Prover {
    signer: DpopSigner,
    made: AtomicU64,
}

impl Prover {
    /// With a new key.
    pub fn new() -> Self {
        Self {
            signer: DpopSigner::generate().expect("a key can be made"),
            made: AtomicU64::new(0),
        }
    }

    /// The thumbprint of its key.
    pub fn thumbprint(&self) -> &str {
        self.signer.thumbprint()
    }

    /// The claims of a good proof for a request at this time.
    pub fn claims(&self, method: &str, url: &str, now: Timestamp, nonce: &str) -> Value {
        let n = self.made.fetch_add(1, Ordering::Relaxed);
        json!({
            "jti": format!("proof-{n}"),
            "htm": method,
            "htu": url,
            "iat": now.as_second(),
            "nonce": nonce,
        })
    }

    /// The same with the hash of the mandate that it goes with.
    pub fn claims_with(
        &self,
        mandate: &str,
        method: &str,
        url: &str,
        now: Timestamp,
        nonce: &str,
    ) -> Value {
        let mut claims = self.claims(method, url, now, nonce);
        let hash = caracal_crypto::mandate_hash(&caracal_crypto::sha256(mandate.as_bytes()));
        if let Some(members) = claims.as_object_mut() {
            members.insert("ath".to_owned(), hash.into());
        }
        claims
    }

    /// The proof with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.signer.sign(claims).expect("claims can be signed")
    }

    /// A proof as a request shows it.
    pub fn shown(&self, claims: &Value, method: &str, path: &str) -> PresentedProof {
        PresentedProof {
            headers: vec![self.sign(claims)],
            method: method.to_owned(),
            path: path.to_owned(),
        }
    }
}

impl Default for Prover {
    fn default() -> Self {
        Self::new()
    }
}

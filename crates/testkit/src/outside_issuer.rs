//! Somebody whose tokens are believed.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot be set up fails by panicking"
)]

use caracal_core::{DEFAULT_TOKEN_AGE_SECONDS, PublishedKeys};
use caracal_crypto::DpopSigner;
use caracal_engine::IssuerSpec;
use serde_json::{Value, json};

/// An outside issuer with one key.
pub struct OutsideIssuer {
    /// Its `iss`.
    pub url: String,
    signer: DpopSigner,
    kid: String,
}

impl OutsideIssuer {
    /// Whom its tokens are for, as [`Self::people`] registers it.
    pub const CLIENT: &str = "the-client-people-sign-in-to";

    /// With a new key.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            signer: DpopSigner::generate().expect("a key"),
            kid: "first".to_owned(),
        }
    }

    /// Signs with another key from now on.
    pub fn rotate(&mut self, kid: &str) {
        self.signer = DpopSigner::generate().expect("a key");
        self.kid = kid.to_owned();
    }

    /// Its keys as a JWK set.
    pub fn jwks(&self) -> Value {
        let mut jwk = self.signer.jwk().clone();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), self.kid.as_str().into());
            members.insert("use".to_owned(), "sig".into());
        }
        json!({ "keys": [jwk] })
    }

    /// Registered to prove applications, with its keys inline.
    pub fn workloads(&self, name: &str) -> IssuerSpec {
        IssuerSpec {
            name: name.parse().expect("a name"),
            url: self.url.clone(),
            keys: PublishedKeys::Jwks(self.jwks()),
            algorithms: Vec::new(),
            audiences: Vec::new(),
            applications: true,
            subjects: false,
            max_age_seconds: DEFAULT_TOKEN_AGE_SECONDS,
            single_use: false,
            allow_private: false,
        }
    }

    /// Registered to prove people, with its keys inline.
    pub fn people(&self, name: &str) -> IssuerSpec {
        IssuerSpec {
            applications: false,
            subjects: true,
            audiences: vec![Self::CLIENT.to_owned()],
            ..self.workloads(name)
        }
    }

    /// Signs these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "kid": self.kid });
        self.signer.sign_token(&header, claims).expect("claims")
    }

    /// The ID token of a person, made now.
    pub fn token(&self, sub: &str, now: jiff::Timestamp) -> String {
        self.sign(&self.person(sub, now))
    }

    /// The claims of an ID token of a person, made now.
    pub fn person(&self, sub: &str, now: jiff::Timestamp) -> Value {
        let now = now.as_second();
        json!({ "iss": self.url, "sub": sub, "aud": Self::CLIENT, "iat": now, "exp": now + 300 })
    }
}

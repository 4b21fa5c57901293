//! Outside issuers in a plan.

use caracal_core::{
    EventType, Issuer, IssuerId, Kind, MAX_AUDIENCES, MAX_TOKEN_AGE_SECONDS, OUTSIDE_ALGORITHMS,
    PublishedKeys, Version, has_hidden_characters,
};
use caracal_crypto::ClientKeys;

use super::{ChangedObject, Plan};
use crate::outside_keys::check_url;
use crate::view::Stored;
use crate::{AdminError, FieldError, IssuerSpec};

/// The longest audience, in bytes.
const MAX_AUDIENCE_BYTES: usize = 512;
/// The longest trust domain (SPIFFE ID, section 2.1), in bytes.
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

impl Plan<'_> {
    /// Registers or changes an outside issuer.
    pub(crate) fn put_issuer(&mut self, spec: &IssuerSpec) -> Result<(), AdminError> {
        let before = self.errors.len();
        let keys = self.checked_issuer(spec);
        if self.errors.len() > before {
            return Ok(());
        }
        let mut algorithms = spec.algorithms.clone();
        if algorithms.is_empty() {
            algorithms = OUTSIDE_ALGORITHMS.map(str::to_owned).to_vec();
        }
        algorithms.sort();
        algorithms.dedup();
        let held = self.issuers.find(spec.name.as_str()).cloned();
        let created_at = held
            .as_ref()
            .map_or_else(|| self.engine.now(), |h| h.value.created_at);
        let id = held.as_ref().map_or_else(
            || IssuerId::new(created_at, &self.engine.random()),
            |h| h.value.id,
        );
        let value = Issuer {
            id,
            name: spec.name.clone(),
            created_at,
            url: spec.url.clone(),
            keys,
            algorithms,
            audiences: spec.audiences.clone(),
            applications: spec.applications,
            subjects: spec.subjects,
            max_age_seconds: spec.max_age_seconds,
            single_use: spec.single_use,
            allow_private: spec.allow_private,
        };
        if held.as_ref().is_some_and(|h| h.value == value) {
            return Ok(());
        }
        // Two that say the same `iss`, or an application that names it, may come meanwhile.
        self.ordered = true;
        let version = held.as_ref().map_or(Version::ABSENT, |h| h.version);
        let event = if held.is_some() {
            EventType::IssuerUpdated
        } else {
            EventType::IssuerRegistered
        };
        let name = &value.name;
        self.change
            .put(Kind::Issuer, id.uuid(), Some(name), version, &value)?;
        self.note(held.is_some(), "issuer", event, name, id.to_string());
        let before = held.map(|h| ChangedObject::Issuer(Box::new(h.value.clone())));
        self.detail(before, Some(ChangedObject::Issuer(Box::new(value.clone()))));
        let stored = Stored {
            version: version.next(),
            value,
        };
        self.issuers.insert(id.uuid(), spec.name.clone(), stored);
        Ok(())
    }

    pub(crate) fn delete_issuer(&mut self, held: &Stored<Issuer>) {
        let id = held.value.id;
        self.change.delete(Kind::Issuer, id.uuid(), held.version);
        let name = &held.value.name;
        self.gone("issuer", EventType::IssuerDeleted, name, id.to_string());
        let before = ChangedObject::Issuer(Box::new(held.value.clone()));
        self.detail(Some(before), None);
        self.issuers.remove(id.uuid());
    }

    /// Notes what is wrong; gives the keys in the one spelling that is kept.
    fn checked_issuer(&mut self, spec: &IssuerSpec) -> PublishedKeys {
        let mut wrong = |field: &str, why: &dyn std::fmt::Display| {
            let field = format!("issuers[{}].{field}", spec.name);
            self.errors.push(FieldError::new(field, why));
        };
        let trust_domain = spec.url.strip_prefix("spiffe://");
        match trust_domain {
            Some(domain) => {
                let is_domain = |byte: u8| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte)
                };
                let fits = (1..=MAX_TRUST_DOMAIN_BYTES).contains(&domain.len());
                if !fits || !domain.bytes().all(is_domain) {
                    wrong("issuer", &"`spiffe://` and a trust domain, without a path");
                }
                if spec.keys == PublishedKeys::Discovery {
                    wrong(
                        "jwks_uri",
                        &"a trust domain has no metadata: name `jwks_uri` or `jwks`",
                    );
                }
            }
            // Kubernetes calls an issuer by a name that only the cluster can reach.
            None if spec.keys == PublishedKeys::Discovery => {
                if let Err(why) = check_url(&spec.url, spec.allow_private) {
                    wrong("issuer", &why);
                }
            }
            None => {
                let fits = (1..=2048).contains(&spec.url.len());
                if !fits || has_hidden_characters(&spec.url) {
                    wrong(
                        "issuer",
                        &"the `iss` of its tokens: 1 to 2048 visible bytes",
                    );
                }
            }
        }
        let known = |name: &String| OUTSIDE_ALGORITHMS.contains(&name.as_str());
        if !spec.algorithms.iter().all(known) {
            let why =
                "only `ES256`, `EdDSA`, `PS256` and `RS256`: symmetric keys prove nothing here";
            wrong("algorithms", &why);
        }
        let is_audience = |aud: &String| {
            (1..=MAX_AUDIENCE_BYTES).contains(&aud.len()) && !has_hidden_characters(aud)
        };
        if spec.audiences.len() > MAX_AUDIENCES || !spec.audiences.iter().all(is_audience) {
            wrong("audiences", &"at most 16, each of 1 to 512 visible bytes");
        }
        if !spec.applications && !spec.subjects {
            wrong(
                "proves",
                &"say what it may prove: `applications`, `subjects` or both",
            );
        }
        if spec.subjects && spec.audiences.is_empty() {
            let why = "ID tokens are for the client that a person signed in to: name its client id";
            wrong("audiences", &why);
        }
        if !(60..=MAX_TOKEN_AGE_SECONDS).contains(&spec.max_age_seconds) {
            wrong("max_age_seconds", &"60 to 86400");
        }
        match &spec.keys {
            PublishedKeys::Discovery => {}
            PublishedKeys::JwksUri(uri) => {
                if let Err(why) = check_url(uri, spec.allow_private) {
                    wrong("jwks_uri", &why);
                }
            }
            PublishedKeys::Jwks(jwks) => match ClientKeys::parse(jwks) {
                Ok(keys) => return PublishedKeys::Jwks(keys.to_json()),
                Err(error) => wrong("jwks", &error),
            },
        }
        spec.keys.clone()
    }
}

//! The tenant and trust boundary.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{BundleVersion, KeyId, LogId, Name, Retention, SealedSecret, ZoneId};

/// A zone: it owns its keys, its active policy and its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// The id; also the last segment of the issuer.
    pub id: ZoneId,
    /// The name, unique in the instance.
    pub name: Name,
    /// When it was created.
    pub created_at: Timestamp,
    /// The `iss` of its mandates, fixed at creation.
    pub issuer: String,
    /// The keys of its mandates, newest first. The newest whose time has come signs; the
    /// others verify.
    pub mandate_keys: Vec<MandateKey>,
    /// The logs of the zone, newest last; only the last one is written.
    pub logs: Vec<LogKey>,
    /// A sealed random key for the salted digests of decision inputs.
    pub digest_key: SealedSecret,
    /// The active bundle; without one every request is denied.
    pub policy: Option<BundleVersion>,
    /// How long its events are kept; none for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// True: an operator may decide about approvals of sessions that they opened, and the local
    /// socket may decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approval: bool,
    /// In the partition of the instance: the master key that seals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key: Option<MasterKeyRecord>,
}

/// What is known of the master key; never the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKeyRecord {
    /// Its public name, in hex.
    pub id: String,
    /// Since when it seals.
    pub since: Timestamp,
    /// Since when nothing is sealed under another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

/// An ES256 key of a zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MandateKey {
    /// The `kid` of the JWK.
    pub id: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// The uncompressed public point, base64url without padding.
    pub public: String,
    /// The PKCS#8 private key, sealed.
    pub private: SealedSecret,
    /// From when on it signs; verifiers had it long before.
    pub signs_from: Timestamp,
}

/// The Ed25519 key of a log, with what its checkpoints call it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogKey {
    /// The log.
    pub id: LogId,
    /// When the log was opened.
    pub created_at: Timestamp,
    /// The origin line of its checkpoints, and the name of its key.
    pub origin: String,
    /// The note verifier key (C2SP signed-note).
    pub verifier: String,
    /// The private seed, sealed.
    pub private: SealedSecret,
}

//! Typed ids: a prefix that names the noun, and a UUIDv7 (RFC 9562) in its canonical text form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

/// Why a text is not an id of the expected noun.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not an id of the form `{prefix}_…`")]
pub struct ParseIdError {
    text: String,
    prefix: &'static str,
}

impl ParseIdError {
    fn new(text: &str, prefix: &'static str) -> Self {
        // An id that an attacker chose must not blow up a log line or an answer.
        Self {
            text: text.chars().filter(|c| !c.is_control()).take(64).collect(),
            prefix,
        }
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of this noun's ids, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The id with this UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID without its prefix.
            pub const fn uuid(&self) -> Uuid {
                self.0
            }

            /// A new UUIDv7 id from a time and 10 random bytes.
            pub fn new(now: jiff::Timestamp, random: &[u8; 10]) -> Self {
                let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let uuid = text
                    .strip_prefix(concat!($prefix, "_"))
                    // Only the canonical form: an id has one spelling.
                    .filter(|rest| rest.len() == 36 && !rest.bytes().any(|b| b.is_ascii_uppercase()))
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .ok_or_else(|| ParseIdError::new(text, $prefix))?;
                Ok(Self(uuid))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // The same text as `Display`, without the machinery of formatting: every event
                // has many ids.
                const PREFIX: &[u8] = concat!($prefix, "_").as_bytes();
                const LENGTH: usize = PREFIX.len() + uuid::fmt::Hyphenated::LENGTH;
                let mut text = [0; LENGTH];
                let (prefix, uuid) = text.split_at_mut(PREFIX.len());
                prefix.copy_from_slice(PREFIX);
                self.0.hyphenated().encode_lower(uuid);
                match std::str::from_utf8(&text) {
                    Ok(text) => serializer.serialize_str(text),
                    Err(_) => serializer.collect_str(self),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

ids! {
    /// A registered software identity.
    ApplicationId = "app",
    /// A hold that awaits a person.
    ApprovalId = "apr",
    /// A copy of a whole store at one moment.
    BackupId = "bak",
    /// An immutable set of policies.
    BundleId = "bdl",
    /// A client secret of an application.
    ClientSecretId = "sec",
    /// One commit of state; lets a node look up the outcome of an ambiguous failure.
    CommitId = "cmt",
    /// Narrower authority from one session to another.
    DelegationId = "dlg",
    /// A message to a sink.
    DeliveryId = "dlv",
    /// One immutable leaf of a log.
    EventId = "evt",
    /// Somebody whose tokens are believed.
    IssuerId = "iss",
    /// A key of a zone.
    KeyId = "key",
    /// A tree of events.
    LogId = "log",
    /// A short-lived signed authority.
    MandateId = "mnd",
    /// One running process.
    NodeId = "node",
    /// A person or token that administers.
    OperatorId = "op",
    /// Where a real credential comes from.
    ProviderId = "prov",
    /// A protected API, tool or service.
    ResourceId = "res",
    /// A fact that ends authority.
    RevocationId = "rev",
    /// One governed run of work.
    SessionId = "ses",
    /// Where people are told that something waits for them.
    SinkId = "sink",
    /// The user that the work is done for.
    SubjectId = "sub",
    /// Tenant and trust boundary.
    ZoneId = "zone",
}

impl ZoneId {
    /// The partition that holds what belongs to the whole instance and to no zone,
    /// such as API tokens for all zones. It has a log of its own and is never listed.
    pub const INSTANCE: Self = Self(Uuid::nil());
}

impl SessionId {
    /// The session of a mandate that was minted without one: `ses_` and the mandate's UUID.
    pub const fn of_mandate(mandate: MandateId) -> Self {
        Self(mandate.uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let now = jiff::Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        let id = ZoneId::new(now, &[7; 10]);
        assert!(id.to_string().starts_with("zone_018bcfe5-6800-7"));
        assert_eq!(id.to_string().parse::<ZoneId>().unwrap(), id);
        assert_eq!(serde_json::to_value(id).unwrap(), id.to_string());
    }

    #[test]
    fn an_id_has_one_spelling_and_one_noun() {
        let id = ZoneId::new(jiff::Timestamp::UNIX_EPOCH, &[0xab; 10]).to_string();
        for wrong in [
            id.to_uppercase(),
            id.replace('-', ""),
            id.replace("zone_", "app_"),
            id.replace("zone_", ""),
            format!("{id} "),
            String::new(),
        ] {
            assert!(wrong.parse::<ZoneId>().is_err(), "{wrong:?} was accepted");
        }
    }
}

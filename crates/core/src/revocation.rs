//! Facts that end authority.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    ApplicationId, DelegationId, MandateId, ProviderId, ResourceId, Revision, RevocationId,
    SessionId, SubjectId, ZoneId,
};

/// What a revocation is anchored on; everything below it dies by derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Anchor {
    /// One mandate. Final.
    Mandate(MandateId),
    /// One session. Final.
    Session(SessionId),
    /// One delegation. Final.
    Delegation(DelegationId),
    /// Everything of an application, until lifted.
    Application(ApplicationId),
    /// Everything done for a subject, until lifted.
    Subject(SubjectId),
    /// Everything that uses a provider, until lifted.
    Provider(ProviderId),
    /// Everything on a resource, until lifted.
    Resource(ResourceId),
    /// Everything in the zone, until lifted.
    Zone(ZoneId),
}

impl Anchor {
    /// True when the revocation can never be lifted.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Mandate(_) | Self::Session(_) | Self::Delegation(_)
        )
    }

    /// The noun of the anchor.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Mandate(_) => "mandate",
            Self::Session(_) => "session",
            Self::Delegation(_) => "delegation",
            Self::Application(_) => "application",
            Self::Subject(_) => "subject",
            Self::Provider(_) => "provider",
            Self::Resource(_) => "resource",
            Self::Zone(_) => "zone",
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mandate(id) => id.fmt(f),
            Self::Session(id) => id.fmt(f),
            Self::Delegation(id) => id.fmt(f),
            Self::Application(id) => id.fmt(f),
            Self::Subject(id) => id.fmt(f),
            Self::Provider(id) => id.fmt(f),
            Self::Resource(id) => id.fmt(f),
            Self::Zone(id) => id.fmt(f),
        }
    }
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let prefix = text.split('_').next().unwrap_or_default();
        let bad = |e: crate::ParseIdError| e.to_string();
        match prefix {
            MandateId::PREFIX => text.parse().map(Self::Mandate).map_err(bad),
            SessionId::PREFIX => text.parse().map(Self::Session).map_err(bad),
            DelegationId::PREFIX => text.parse().map(Self::Delegation).map_err(bad),
            ApplicationId::PREFIX => text.parse().map(Self::Application).map_err(bad),
            SubjectId::PREFIX => text.parse().map(Self::Subject).map_err(bad),
            ProviderId::PREFIX => text.parse().map(Self::Provider).map_err(bad),
            ResourceId::PREFIX => text.parse().map(Self::Resource).map_err(bad),
            ZoneId::PREFIX => text.parse().map(Self::Zone).map_err(bad),
            _ => Err(
                "an anchor is the id of a mandate, session, delegation, application, \
                      subject, provider, resource or zone"
                    .to_owned(),
            ),
        }
    }
}

impl Serialize for Anchor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Anchor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One tombstone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revocation {
    /// The id.
    pub id: RevocationId,
    /// What it ends.
    pub anchor: Anchor,
    /// When it was made.
    pub created_at: Timestamp,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was lifted; what was issued before stays dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_at: Option<Timestamp>,
    /// The revision that the lift was decided on: mandates up to it stay dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_after: Option<Revision>,
}

impl Revocation {
    /// True when it ends a mandate that was decided on this revision. No mandate is issued
    /// between a revocation and its lift, so comparing with the lift is exact.
    pub fn ends(&self, decided_on: Revision) -> bool {
        self.lifted_after.is_none_or(|lifted| decided_on <= lifted)
    }
}

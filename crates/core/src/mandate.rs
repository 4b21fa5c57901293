//! The claims of a mandate (RFC 9068).

use serde::{Deserialize, Serialize};

use crate::{
    Anchor, ApplicationId, ApprovalId, AuthorizationDetail, DelegationId, MandateId, ScopeSet,
    SessionId, SubjectId, ZoneId,
};

/// The key that a mandate is bound to (RFC 7800). A confirmation of another kind cannot be
/// read, so that a mandate with one is refused and never taken for an unbound one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Confirmation {
    /// The SHA-256 thumbprint of the key (RFC 7638, RFC 9449), base64url without padding.
    pub jkt: String,
}

/// What a mandate says. Unknown claims are ignored when one is read, so that an older
/// node accepts what a newer one issued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MandateClaims {
    /// The zone's issuer.
    pub iss: String,
    /// The Subject's id if one is attached, else the application's.
    pub sub: String,
    /// For each resource its identifier and its Gateway URL.
    pub aud: Vec<String>,
    /// Expiry, in seconds since the epoch.
    pub exp: i64,
    /// Time of issue, in seconds since the epoch.
    pub iat: i64,
    /// The mandate's id.
    pub jti: MandateId,
    /// The application.
    pub client_id: ApplicationId,
    /// The zone.
    pub zone: ZoneId,
    /// What it allows.
    pub scope: ScopeSet,
    /// The session.
    pub sid: SessionId,
    /// The position it was decided on, in the short form.
    pub rev: String,
    /// The key whose holder alone may use it; none for a bearer mandate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Who acts, where that is not the one it is done for (RFC 8693, section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<ActorClaim>,
    /// The delegations of the path, root first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dlg: Vec<DelegationId>,
    /// The sessions and mandates that this one stands on, nearest first: when one of them ends,
    /// so does this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anc: Vec<Anchor>,
    /// The approval that it was issued by: it covers every call under these scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apr: Option<ApprovalId>,
    /// The only requests that it allows (RFC 9396); none: every one under its scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<AuthorizationDetail>,
    /// The holder of the session that it was issued to: with the next one it is dead. None where
    /// the session came with the mandate.
    #[serde(default, rename = "gen", skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

/// The `act` claim: the acting application, and the one that acted before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorClaim {
    /// The application.
    pub sub: ApplicationId,
    /// The one that it acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<ActorClaim>>,
}

impl MandateClaims {
    /// The Subject that it is for; none when it is the application's own.
    pub fn subject(&self) -> Option<SubjectId> {
        self.sub.parse().ok()
    }

    /// True for a session mandate: its only audience is the issuer, and no resource takes it.
    pub fn is_of_session(&self) -> bool {
        matches!(self.aud.as_slice(), [only] if *only == self.iss)
    }
}

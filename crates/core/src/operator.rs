//! Who administers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Name, OperatorId, ZoneId};

/// What an operator may do. A role holds everything that the roles after it hold, except
/// that only `approver` and above decide approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, also zones and other operators.
    Owner,
    /// Configuration of a zone and revocation.
    Admin,
    /// Decides approvals, and reads.
    Approver,
    /// Reads everything, also evidence.
    Auditor,
    /// Reads configuration.
    Viewer,
}

impl Role {
    /// Every role, strongest first.
    pub const ALL: [Self; 5] = [
        Self::Owner,
        Self::Admin,
        Self::Approver,
        Self::Auditor,
        Self::Viewer,
    ];

    const fn rank(self) -> u8 {
        match self {
            Self::Owner => 4,
            Self::Admin => 3,
            Self::Approver => 2,
            Self::Auditor => 1,
            Self::Viewer => 0,
        }
    }

    /// True when this role holds what `needed` holds.
    pub const fn covers(self, needed: Self) -> bool {
        self.rank() >= needed.rank()
    }

    /// The role in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            format!("`{text}` is not a role: use `owner`, `admin`, `approver`, `auditor` or `viewer`")
        })
    }
}

/// Where a role holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoleScope {
    /// In every zone, and for what belongs to the instance.
    AllZones,
    /// In one zone.
    Zone(ZoneId),
}

impl RoleScope {
    /// True when the role holds in this zone.
    pub fn reaches(self, zone: ZoneId) -> bool {
        match self {
            Self::AllZones => true,
            Self::Zone(own) => own == zone,
        }
    }
}

/// An API token of an operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiToken {
    /// The id.
    pub id: OperatorId,
    /// What people call it.
    pub name: Name,
    /// The one zone it is good for; none stands for all zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
    /// What it may do there.
    pub role: Role,
    /// SHA-256 of the token's secret part, in lower-case hex.
    pub sha256: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being accepted.
    pub expires_at: Timestamp,
}

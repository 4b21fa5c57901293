//! The keys that sign mandates.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key of a zone. Its public part stands in the zone's JWK set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// The `kid`.
    pub id: String,
    /// `published` (it does not sign yet), `signing`, or `verifying` (it does not sign any more).
    pub state: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// From when on it signs.
    #[schema(value_type = String, format = DateTime)]
    pub signs_from: Timestamp,
}

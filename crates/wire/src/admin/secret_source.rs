//! Where a zone file takes a secret from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SecretValue;

/// Where a zone file takes a secret from, written `{ from_env: NAME }`, `{ from_file: PATH }`
/// or `{ value: TEXT }`. The first two are read by the process that applies the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// The environment variable of this name.
    FromEnv(String),
    /// The file at this path; one line ending at its end is not part of the secret.
    FromFile(String),
    /// The secret itself. For files that no one else can read.
    Value(SecretValue),
}

//! What the Gateway adds to a request at the last moment.

use crate::Secret;

/// A credential on its way into one request. Headers and parameters of these names are
/// removed from the client's request before the injection is applied.
#[derive(Default)]
pub struct Injection {
    /// Header names (lower case) with their values.
    pub headers: Vec<(Box<str>, Secret)>,
    /// Query parameters (decoded) with their values.
    pub query: Vec<(Box<str>, Secret)>,
}

//! The id of a request, as answers, problems and events carry it.

use std::sync::Arc;

/// The id of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

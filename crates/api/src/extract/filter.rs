//! Query parameters.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::Api;
use crate::refusal::Refusal;

/// The parsed query of a read. Parameters that the type does not know are refused.
pub(crate) struct Filter<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Filter<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Refusal> {
        parse(parts).map(Self)
    }
}

pub(crate) fn parse<T: DeserializeOwned>(parts: &Parts) -> Result<T, Refusal> {
    let read = Query::<T>::try_from_uri(&parts.uri);
    read.map(|Query(value)| value).map_err(|rejection| {
        let error = std::error::Error::source(&rejection);
        let detail = error.map_or_else(|| rejection.to_string(), ToString::to_string);
        Refusal::bad_request(
            "query_invalid",
            format!("the query cannot be read: {detail}"),
        )
    })
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageFilter {
    /// How many, 1 to 1000. Default 100.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
}

impl PageFilter {
    /// How many items the page may have.
    pub(crate) fn limit(&self) -> Result<usize, Refusal> {
        check_limit(self.limit)
    }
}

/// How many items a page may have.
///
/// # Errors
/// When it is not 1 to 1000.
pub(crate) fn check_limit(limit: Option<u32>) -> Result<usize, Refusal> {
    match limit.unwrap_or(100) {
        limit @ 1..=1000 => Ok(usize::try_from(limit).unwrap_or(1000)),
        _ => Err(Refusal::unreadable("limit", "use 1 to 1000")),
    }
}

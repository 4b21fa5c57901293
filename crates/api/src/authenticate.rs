//! Who asks: the bearer of an API token, or the local user.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use caracal_core::ClientAddress;
use caracal_engine::{Engine, Operator};
use caracal_limits::Source;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use zeroize::Zeroizing;

use crate::Api;
use crate::peer::Peer;
use crate::refusal::Refusal;

/// What a request showed. A live feed asks again and again whether it is still good.
#[derive(Clone)]
pub(crate) enum Identity {
    /// The user at the Unix socket.
    Local,
    /// An API token.
    Token(Arc<Zeroizing<String>>),
}

impl Identity {
    /// The operator that this identity stands for now.
    pub(crate) fn operator(&self, engine: &Engine) -> Result<Operator, Refusal> {
        match self {
            Self::Local => Ok(Operator::local()),
            Self::Token(token) => engine
                .authenticate_operator(token)
                .map_err(|_| unauthenticated("the API token is unknown, wrong or expired", true)),
        }
    }
}

/// Lets only operators through, and tells the handlers which one.
pub(crate) async fn authenticate(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = Peer::of(request.extensions());
    let identified = identify(peer, request.headers()).and_then(|identity| {
        let operator = identity.operator(api.engine())?;
        Ok((identity, operator))
    });
    match identified {
        Ok((identity, operator)) => {
            request.extensions_mut().insert(identity);
            request.extensions_mut().insert(operator);
            next.run(request).await
        }
        // Who shows nothing tries nothing.
        Err(refusal) if request.headers().contains_key(AUTHORIZATION) => {
            api.failed(request.extensions(), refusal).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

impl Api {
    /// Puts a bad token down to its source: the refusal, or a shorter one once there were too
    /// many. A good token always works.
    pub(crate) fn failed(&self, extensions: &Extensions, refusal: Refusal) -> Refusal {
        let source = Source::of_client(extensions.get::<ClientAddress>().copied());
        match self.bad_tokens().spend(source) {
            Ok(()) => refusal,
            Err(over) => Refusal::anonymous(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                over.to_string(),
            )
            .header(RETRY_AFTER, HeaderValue::from(over.retry_after_seconds)),
        }
    }
}

fn identify(peer: Peer, headers: &HeaderMap) -> Result<Identity, Refusal> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (None, _) if peer == Peer::Local => Ok(Identity::Local),
        (None, _) => Err(unauthenticated("an API token is needed", false)),
        (Some(value), None) => {
            let token = value
                .to_str()
                .ok()
                .and_then(|text| text.split_once(' '))
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim_start_matches(' '))
                .ok_or_else(|| {
                    unauthenticated("`Authorization` is not of the form `Bearer TOKEN`", true)
                })?;
            Ok(Identity::Token(Arc::new(Zeroizing::new(token.to_owned()))))
        }
        (Some(_), Some(_)) => Err(unauthenticated("`Authorization` is given twice", true)),
    }
}

fn unauthenticated(detail: &str, presented: bool) -> Refusal {
    let challenge = if presented {
        HeaderValue::from_static("Bearer realm=\"caracal\", error=\"invalid_token\"")
    } else {
        HeaderValue::from_static("Bearer realm=\"caracal\"")
    };
    Refusal::anonymous(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
        .hint("make a token with `caracal token create`, and send it as `Authorization: Bearer TOKEN`")
        .header(WWW_AUTHENTICATE, challenge)
}

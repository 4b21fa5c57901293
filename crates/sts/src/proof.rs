//! What a request shows of its client's key (RFC 9449).

use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::response::Response;
use caracal_core::ZoneId;
use caracal_engine::{AuthenticatedClient, CallerCredentials, IssueError, PresentedProof};
use http::{Extensions, HeaderName, HeaderValue};

use crate::answer::Refused;
use crate::router::Sts;

const PROOF: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The proof of a request, which travels with it as an extension.
#[derive(Clone)]
pub(crate) struct Shown(Arc<Inner>);

struct Inner {
    proof: PresentedProof,
    is_at_token_endpoint: bool,
    /// The client's zone, once that is known: its nonce goes into the answer.
    zone: OnceLock<ZoneId>,
}

impl Shown {
    /// Takes note of the proof of a request, if it has one.
    pub(crate) fn note(request: &mut Request) -> Option<Self> {
        // Two are as bad as many.
        let values = request.headers().get_all(PROOF).iter().take(2);
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<String> = values.map(text).collect();
        if headers.is_empty() {
            return None;
        }
        let path = request.uri().path();
        let shown = Self(Arc::new(Inner {
            is_at_token_endpoint: matches!(path, "/oauth/2/token" | "/oauth/token"),
            proof: PresentedProof {
                headers,
                method: request.method().as_str().to_owned(),
                path: path.to_owned(),
            },
            zone: OnceLock::new(),
        }));
        request.extensions_mut().insert(shown.clone());
        Some(shown)
    }

    /// Gives the client the nonce for its next proof.
    pub(crate) fn renew_nonce(&self, sts: &Sts, response: &mut Response) {
        let nonce = self
            .0
            .zone
            .get()
            .and_then(|zone| sts.engine.dpop_nonce(*zone));
        if let Some(value) = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
            response.headers_mut().insert(NONCE, value);
        }
    }
}

impl Sts {
    /// The thumbprint of the key that a request proves; none when it proves none.
    ///
    /// # Errors
    /// `invalid_dpop_proof`; `use_dpop_nonce`, 400 at the token endpoint and 401 elsewhere;
    /// `slow_down` and `temporarily_unavailable` when there is no room to remember it.
    pub(crate) async fn prove(
        &self,
        extensions: &Extensions,
        client: AuthenticatedClient,
        credentials: &CallerCredentials,
    ) -> Result<Option<String>, Refused> {
        let Some(Shown(shown)) = extensions.get::<Shown>() else {
            return Ok(None);
        };
        let _ = shown.zone.set(client.zone);
        let engine = &self.engine;
        let proven = engine.prove_caller(client, credentials, &shown.proof);
        proven.await.map(Some).map_err(|error| {
            let mut refused = Refused::from(error.clone());
            // Whoever shows a wrong proof is counted: nothing was asked for yet.
            refused.is_recorded = false;
            if error == IssueError::UseDpopNonce && !shown.is_at_token_endpoint {
                refused.status = 401;
            }
            if matches!(error, IssueError::SlowDown(_) | IssueError::Unavailable(_)) {
                refused.retry_after = Some(10);
            }
            refused.in_zone(Some(client.zone))
        })
    }
}

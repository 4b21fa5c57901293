//! What a request shows of its client's key (RFC 9449).

use caracal_engine::{PresentedAs, PresentedProof};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use crate::answer_body::AnswerBody;
use crate::mandate::Found;

const PROOF: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How the mandate of a request was presented, with its proof where the scheme asks for one.
pub(crate) fn presented(
    found: &Found<'_>,
    headers: &HeaderMap,
    method: &Method,
    path: &str,
) -> PresentedAs {
    if !found.is_dpop() {
        return PresentedAs::Bearer;
    }
    // Two are as bad as many.
    let values = headers.get_all(PROOF).iter().take(2);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    PresentedAs::Dpop(PresentedProof {
        headers: values.map(text).collect(),
        method: method.as_str().to_owned(),
        path: path.to_owned(),
    })
}

/// Gives the client the nonce for its next proof.
pub(crate) fn renew_nonce(answer: &mut Response<AnswerBody>, nonce: Option<String>) {
    if let Some(value) = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
        answer.headers_mut().insert(NONCE, value);
    }
}

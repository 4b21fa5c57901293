//! From a permit to the upstream and back.

use std::sync::Arc;

use caracal_core::{Injection, RefusalCode, Resource, UpstreamProtocol};
use caracal_egress::{Answer, Body, Destination, Egress, EgressError};
use caracal_engine::{Permit, Slots};
use caracal_limits::Place;
use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, LOCATION, TE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};

use crate::answer_body::{AnswerBody, Ending};
use crate::call::Call;
use crate::connection::ConnectionState;
use crate::grpc::is_grpc;
use crate::handle::parameter;
use crate::hygiene::{clean_answer, clean_request, join_cookies};
use crate::location::Rewriter;
use crate::meters::meters;
use crate::query::{Query, write_pair};
use crate::refused::{RECEIPT, REQUEST_ID, Refused, receipt_value};
use crate::trailers::UploadTrailers;
use crate::upload::{Upload, UploadFailure, UploadState};

/// What goes upstream, but for the body.
pub(crate) struct Outbound<'a> {
    pub(crate) egress: &'a Egress,
    pub(crate) connection: &'a Arc<ConnectionState>,
    pub(crate) request_id: &'a str,
    /// When the head of the request was there.
    pub(crate) received: Instant,
    pub(crate) method: Method,
    /// What the client speaks.
    pub(crate) version: Version,
    pub(crate) query: &'a Query<'a>,
    pub(crate) headers: HeaderMap,
    /// The body, where it was read whole for an approval.
    pub(crate) whole: Option<bytes::Bytes>,
}

/// Sends a permitted request and hands the answer back as it comes. The body is taken when it
/// begins to go upstream.
///
/// # Errors
/// The end of the call is recorded with the refusal's code.
pub(crate) async fn forward(
    outbound: Outbound<'_>,
    permit: Permit,
    open: Place,
    body: &mut Option<Incoming>,
) -> Result<Response<AnswerBody>, Refused> {
    let (connection, version) = (Arc::clone(outbound.connection), outbound.version);
    let receipt = *permit.receipt();
    let mut call = Call::new(permit, Arc::clone(&connection), outbound.received, open);
    let mut has_left = false;
    let answered = match call.permit() {
        Some(permit) => send(outbound, permit, body, &mut has_left).await,
        None => Err(Refused::code(
            RefusalCode::UpstreamUnreachable,
            "the call has ended",
        )),
    };
    match answered {
        Ok(Answered {
            head,
            incoming,
            upload,
            deadline,
        }) => {
            call.answered(head.status.as_u16());
            let ending = match version {
                Version::HTTP_2 if is_grpc(version, &head.headers) => Ending::Grpc,
                Version::HTTP_2 => Ending::Trailers,
                _ => Ending::Plain,
            };
            let body = AnswerBody::forwarded(incoming, call, connection, upload, deadline, ending);
            let mut answer = Response::new(body);
            *answer.status_mut() = head.status;
            *answer.headers_mut() = head.headers;
            Ok(answer)
        }
        Err(refused) => {
            if !has_left && let Some(permit) = call.permit() {
                permit.release_approval().await;
            }
            call.finish(Some(refused.reason()));
            Err(refused.with_receipt(receipt))
        }
    }
}

/// The head of an answer, cleaned, and what its body needs.
struct Answered {
    head: http::response::Parts,
    incoming: Answer,
    upload: Option<Arc<UploadState>>,
    deadline: Instant,
}

async fn send(
    outbound: Outbound<'_>,
    permit: &Permit,
    body: &mut Option<Incoming>,
    has_left: &mut bool,
) -> Result<Answered, Refused> {
    let Outbound {
        egress,
        connection,
        request_id,
        received,
        method,
        version,
        query,
        mut headers,
        whole,
    } = outbound;
    let resource = permit.resource();
    let length = body.as_ref().and_then(|body| body.size_hint().exact());
    if length.is_some_and(|length| length > resource.max_body_bytes) {
        return Err(too_large(resource.max_body_bytes));
    }
    let injection = permit.injection()?;
    let slots = permit.slots();

    let mut target = url_of(permit);
    push_query(&mut target, query, permit, &slots, &injection)?;
    let uri = Uri::from_maybe_shared(bytes::Bytes::from(target))
        .map_err(|_| Refused::code(RefusalCode::PathInvalid, "path and query are too long"))?;

    let is_http2 = version == Version::HTTP_2;
    let asks_for_trailers = is_http2 && headers.get(TE).is_some_and(|te| te == "trailers");
    clean_request(
        &mut headers,
        &slots.headers,
        &resource.mandate_in,
        resource.pass_cookies,
    );
    if is_http2 {
        join_cookies(&mut headers);
    }
    if asks_for_trailers && may_speak_http2(resource) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    inject_headers(&mut headers, &injection)?;
    drop(injection);

    let trailers = is_http2.then(|| UploadTrailers {
        provider_slots: slots.headers.clone(),
        mandate_slots: resource.mandate_in.clone(),
    });
    let limit = resource.max_body_bytes;
    let (body, upload) = match whole {
        Some(bytes) => (whole_body(bytes, &mut headers), None),
        None => outgoing(body, limit, connection, trailers, &mut headers),
    };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;

    let started = Instant::now();
    meters().added.record(started.duration_since(received));
    let deadline = started.checked_add(permit.max_stream()).unwrap_or(started);
    // Until the end says otherwise.
    *has_left = true;
    let answer = await_answer(egress, permit, request, upload.as_deref(), deadline)
        .await
        .inspect_err(|error| *has_left = error.may_have_left())
        .map_err(
            |error| match upload.as_deref().and_then(UploadState::failure) {
                Some(UploadFailure::TooLarge) => too_large(resource.max_body_bytes),
                Some(UploadFailure::Broken) => {
                    Refused::malformed("the body of the request broke off")
                }
                None => error.into_refused(request_id),
            },
        )?;
    meters().first_byte.record(started.elapsed());
    let (mut head, incoming) = answer.into_parts();
    if head.status.is_informational() {
        metrics::counter!("caracal_gateway_upstream_failures_total", "kind" => "upgrade")
            .increment(1);
        tracing::warn!(request_id, "an upstream wants to speak another protocol");
        return Err(Refused::code(
            RefusalCode::UpstreamUnreachable,
            "the upstream wants to speak another protocol",
        ));
    }
    clean_answer(&mut head.headers, resource.pass_cookies);
    if incoming.size_hint().exact().is_none() {
        // The length of a body that came in chunks is what its chunks say.
        head.headers.remove(CONTENT_LENGTH);
    }
    rewrite_locations(&mut head.headers, permit, &slots);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        head.headers.insert(REQUEST_ID, id);
    }
    if let Some(receipt) = receipt_value(permit.receipt()) {
        head.headers.insert(RECEIPT, receipt);
    }
    Ok(Answered {
        head,
        incoming,
        upload,
        deadline,
    })
}

/// Why there is no answer.
enum Unanswered {
    Cut(RefusalCode),
    TimedOut,
    ClientTooSlow,
    Egress(EgressError),
}

/// Waits for the head of the answer: at most the resource's time after the last byte of the
/// request moved, and never longer than a stream may last.
async fn await_answer(
    egress: &Egress,
    permit: &Permit,
    request: Request<Body>,
    upload: Option<&UploadState>,
    deadline: Instant,
) -> Result<Response<Answer>, Unanswered> {
    let resource = permit.resource();
    let destination = Destination {
        zone: Some(permit.zone()),
        allow_private: resource.allow_private,
        ca_pem: resource.upstream_ca.as_deref(),
        protocol: resource.upstream_protocol,
    };
    let limit = permit.response_timeout();
    let after = |moved: Instant| moved.checked_add(limit).unwrap_or(deadline).min(deadline);
    let mut sending = std::pin::pin!(egress.send(&destination, request));
    let mut cut = std::pin::pin!(permit.cut().cancelled());
    let mut late = std::pin::pin!(sleep_until(after(Instant::now())));
    loop {
        tokio::select! {
            biased;
            () = &mut cut => return Err(Unanswered::Cut(permit.cut_code())),
            answer = &mut sending => return answer.map_err(Unanswered::Egress),
            () = &mut late => {
                let due = upload.map(|upload| after(upload.last_moved()));
                match due.filter(|due| *due > Instant::now()) {
                    Some(due) => late.as_mut().reset(due),
                    None if upload.is_some_and(UploadState::is_waiting) => {
                        return Err(Unanswered::ClientTooSlow);
                    }
                    None => return Err(Unanswered::TimedOut),
                }
            }
        }
    }
}

impl Unanswered {
    /// False when it is certain that no byte of the request left.
    fn may_have_left(&self) -> bool {
        match self {
            Self::Cut(_) | Self::ClientTooSlow | Self::TimedOut => true,
            Self::Egress(error) => !error.is_before_write(),
        }
    }

    /// What the upstream did wrong, in a word for metrics.
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Cut(_) | Self::ClientTooSlow => None,
            Self::TimedOut => Some("answer_timeout"),
            Self::Egress(error) => Some(error.kind()),
        }
    }

    /// The refusal for the client, which is told nothing about addresses; those are logged.
    fn into_refused(self, request_id: &str) -> Refused {
        if let Some(kind) = self.kind() {
            metrics::counter!("caracal_gateway_upstream_failures_total", "kind" => kind)
                .increment(1);
        }
        let unreachable = |detail| Refused::code(RefusalCode::UpstreamUnreachable, detail);
        let error = match self {
            Self::Cut(code @ RefusalCode::MandateRevoked) => {
                let detail = "the mandate was revoked while the upstream was at work";
                return Refused::code(code, detail);
            }
            Self::Cut(code) => {
                let detail =
                    "what the call was allowed by was changed while the upstream was at work";
                return Refused::code(code, detail);
            }
            Self::TimedOut => {
                tracing::warn!(request_id, "an upstream did not begin to answer in time");
                let detail = "the upstream did not begin to answer in time";
                return Refused::code(RefusalCode::UpstreamTimeout, detail)
                    .hint("the limit is `response_timeout_seconds` of the resource");
            }
            Self::ClientTooSlow => return Refused::slow_body(),
            Self::Egress(error) => error,
        };
        tracing::warn!(request_id, %error, "a call did not reach its upstream");
        match error {
            EgressError::Forbidden { .. } => unreachable("the upstream's address is not allowed")
                .hint("private addresses need `allow_private` on the resource and an instance that allows them"),
            EgressError::Unresolvable { .. } => unreachable("the upstream's name has no address"),
            EgressError::Tls { .. } | EgressError::BadCa(_) | EgressError::NoRoots(_) => {
                unreachable("no trusted TLS connection to the upstream")
                    .hint("an upstream with a private authority needs `upstream_ca` on the resource")
            }
            EgressError::HeadTooLarge { .. } => unreachable("the head of the upstream's answer is too large"),
            EgressError::Protocol { .. } => unreachable("the upstream's answer is not valid HTTP"),
            EgressError::Broken { written: true, .. } => {
                unreachable("the connection to the upstream broke before an answer came")
                    .hint("the upstream may have seen the request")
            }
            EgressError::Refused { .. } => unreachable("the upstream refused the request before it looked at it")
                .hint("try again"),
            _ => unreachable("the upstream could not be reached"),
        }
    }
}

fn too_large(limit: u64) -> Refused {
    Refused::code(
        RefusalCode::BodyTooLarge,
        format!("the body is larger than {limit} bytes"),
    )
    .hint("the limit is `max_body_bytes` of the resource")
}

/// The URL that is asked for, without a query.
fn url_of(permit: &Permit) -> String {
    use std::fmt::Write as _;
    let mut url = permit.upstream().origin().to_owned();
    let _ = write!(url, "{}", permit.path());
    url
}

/// Writes the client's query without the slots of mandate and provider, then what the
/// provider adds.
fn push_query(
    target: &mut String,
    query: &Query<'_>,
    permit: &Permit,
    slots: &Slots,
    injection: &Injection,
) -> Result<(), Refused> {
    let mandate = permit.resource().mandate_in.iter().filter_map(parameter);
    let removed = slots.query.iter().map(String::as_str).chain(mandate);
    let mut separator = '?';
    query.write_without(removed, target, &mut separator);
    for (name, secret) in &injection.query {
        let value = secret.expose_str().ok_or_else(|| unusable(name))?;
        write_pair(target, &mut separator, name, value);
    }
    Ok(())
}

fn inject_headers(headers: &mut HeaderMap, injection: &Injection) -> Result<(), Refused> {
    for (name, secret) in &injection.headers {
        let own = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable(name))?;
        let mut value = HeaderValue::from_bytes(secret.expose()).map_err(|_| unusable(name))?;
        value.set_sensitive(true);
        headers.insert(own, value);
    }
    Ok(())
}

fn unusable(slot: &str) -> Refused {
    let detail = format!("the provider's credential does not fit into `{slot}`");
    Refused::code(RefusalCode::CredentialUnavailable, detail)
}

/// A body that was read whole, with its length.
fn whole_body(bytes: bytes::Bytes, headers: &mut HeaderMap) -> Body {
    headers.remove(TRANSFER_ENCODING);
    if !bytes.is_empty() || headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The body that is sent, framed by what is known of it and never by what the client wrote.
fn outgoing(
    body: &mut Option<Incoming>,
    limit: u64,
    connection: &Arc<ConnectionState>,
    trailers: Option<UploadTrailers>,
    headers: &mut HeaderMap,
) -> (Body, Option<Arc<UploadState>>) {
    match body.take_if(|body| !body.is_end_stream()) {
        None => (
            Empty::new().map_err(|never| match never {}).boxed_unsync(),
            None,
        ),
        Some(incoming) => {
            if incoming.size_hint().exact().is_none() {
                headers.remove(CONTENT_LENGTH);
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            let (upload, state) = Upload::new(incoming, limit, Arc::clone(connection), trailers);
            (upload.boxed_unsync(), Some(state))
        }
    }
}

/// True unless it is certain that the upstream is spoken to in HTTP/1.1, where a client of ours
/// cannot be given trailers and must not be made to ask for them.
fn may_speak_http2(resource: &Resource) -> bool {
    match resource.upstream_protocol {
        UpstreamProtocol::Auto => resource.upstream.starts_with("https:"),
        UpstreamProtocol::Http1 => false,
        UpstreamProtocol::Http2 => true,
    }
}

fn rewrite_locations(headers: &mut HeaderMap, permit: &Permit, slots: &Slots) {
    for name in [LOCATION, CONTENT_LOCATION] {
        let Some(value) = headers.remove(&name) else {
            continue;
        };
        let gateway_url = permit.gateway_url();
        let rewriter = Rewriter {
            upstream: permit.upstream(),
            asked: &url_of(permit),
            gateway_url: &gateway_url,
            secret_parameters: &slots.query,
        };
        if let Some(value) = rewriter.rewrite(&value) {
            headers.insert(name, value);
        }
    }
}

//! One request, from its head to its answer.

use std::sync::Arc;
use std::time::Duration;

use caracal_core::{MandateSlot, RefusalCode, RequestPath, ZoneId};
use caracal_engine::{Authorized, CallRequest, RefusedAt, Target};
use http::header::EXPECT;
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::Gateway;
use crate::admission::Places;
use crate::answer_body::AnswerBody;
use crate::connection::ConnectionState;
use crate::forward::{Outbound, forward};
use crate::framing;
use crate::grpc;
use crate::held::{self, HeldBody};
use crate::mandate::{check_places, find_mandate};
use crate::meters::{meters, refused as refused_call};
use crate::own_endpoints::{find_own, metadata_url, reader};
use crate::proof::{presented, renew_nonce};
use crate::query::Query;
use crate::refused::Refused;
use crate::route::find_route;
use crate::trace_context;

/// How much of a refused request's body is read, and for how long, to keep the connection.
const DRAIN_BYTES: u64 = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_millis(100);

/// Answers a request. Nothing of its body is used before it is authorised.
pub(crate) async fn handle(
    gateway: Gateway,
    connection: Arc<ConnectionState>,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let received = Instant::now();
    meters().requests.increment(1);
    let request_id = gateway.0.engine.new_request_id();
    let (mut parts, body) = request.into_parts();
    // With it goes every way to take the connection over.
    parts.extensions.clear();
    let is_grpc = grpc::is_grpc(parts.version, &parts.headers);
    let is_http2 = parts.version == Version::HTTP_2;
    let expects = parts.headers.contains_key(EXPECT);
    let mut exchange = Exchange {
        gateway: &gateway,
        connection: &connection,
        request_id: &request_id,
        received,
        body: Some(body),
        metadata: None,
        zone: None,
        is_recorded: false,
        is_dpop: false,
        dpop_zone: None,
    };
    let mut answer = match exchange.answer(parts).await {
        Ok(answer) => answer,
        Err(refused) => {
            // Over HTTP/2 nothing waits behind a body that nobody reads.
            if let Some(body) = exchange.body.take()
                && !expects
                && !is_http2
                && drain(body).await
            {
                connection.body_read();
            }
            refused_call(refused.reason());
            if !exchange.is_recorded {
                let engine = &gateway.0.engine;
                engine.count_refusal(exchange.zone, RefusedAt::Gateway, refused.reason());
            }
            if is_grpc {
                refused.into_grpc_answer(&request_id)
            } else {
                let close = !is_http2 && connection.is_unread();
                refused.presented_by_dpop(exchange.is_dpop).into_answer(
                    &request_id,
                    exchange.metadata.as_deref(),
                    close,
                )
            }
        }
    };
    if let Some(zone) = exchange.dpop_zone {
        renew_nonce(&mut answer, gateway.0.engine.dpop_nonce(zone));
    }
    answer
}

/// A request under way.
struct Exchange<'a> {
    gateway: &'a Gateway,
    connection: &'a Arc<ConnectionState>,
    request_id: &'a str,
    received: Instant,
    /// The body, until it goes upstream.
    body: Option<Incoming>,
    /// Where the metadata of the resource is, once the path has named one.
    metadata: Option<String>,
    /// The zone that it concerns, as far as that is known.
    zone: Option<ZoneId>,
    /// True where a refusal has an event of its own; others are only counted.
    is_recorded: bool,
    /// True when the mandate came with the scheme `DPoP`.
    is_dpop: bool,
    /// The zone whose nonce the answer carries.
    dpop_zone: Option<ZoneId>,
}

impl Exchange<'_> {
    async fn answer(&mut self, parts: Parts) -> Result<Response<AnswerBody>, Refused> {
        let Parts {
            method,
            uri,
            version,
            mut headers,
            ..
        } = parts;
        let trace = trace_context::clean(&mut headers);
        let (engine, config) = (&self.gateway.0.engine, &self.gateway.0.config);
        framing::check(&method, &uri, version, &headers)?;
        let path = RequestPath::parse(uri.path())
            .map_err(|error| Refused::code(RefusalCode::PathInvalid, error.to_string()))?;
        let own = find_own(
            engine,
            &config.public_url,
            &method,
            &path,
            self.request_id,
            || reader(self.connection.is_on_this_machine(), &uri, &headers),
        );
        if let Some(own) = own {
            return own.map_err(|refused| match refused.is_bad_token() {
                true => self.failed(refused),
                false => refused,
            });
        }
        let route = find_route(&path, &headers)?;
        let query = Query::parse(uri.query())?;
        let is_ours = |text: &str| {
            caracal_engine::find_issuer(text).is_some_and(|issuer| engine.find_zone_issuer(&issuer))
        };

        let mut is_recorded = false;
        let (mut is_dpop, mut dpop_zone) = (false, None);
        let target = async {
            let found = find_mandate(&headers, &query, &is_ours)?;
            is_dpop = found.is_dpop();
            let opened = engine.open_mandate(&found.text).await;
            let opened = opened.map_err(|code| match code {
                RefusalCode::MandateInvalid => self.failed(unopened(code)),
                _ => unopened(code),
            })?;
            let opened = opened.in_trace(trace);
            dpop_zone = is_dpop.then(|| opened.claims().zone);
            let shown = presented(&found, &headers, &method, uri.path());
            let proven = engine.prove_mandate(opened, &shown, self.request_id).await;
            let opened = proven.inspect_err(|refusal| is_recorded = !refusal.is_passing())?;
            is_recorded = true;
            let target = engine
                .select_resource(opened, &route.selector, self.request_id)
                .await?;
            is_recorded = false;
            let slots = &target.entry().resource().mandate_in;
            check_places(&found, &headers, &query, slots, &is_ours)?;
            Ok::<_, Refused>(target)
        };
        let target = target.await;
        self.is_recorded = is_recorded;
        (self.is_dpop, self.dpop_zone) = (is_dpop, dpop_zone);
        let target = match target {
            Ok(target) => target,
            Err(refused) => {
                self.zone = route
                    .selector
                    .zone
                    .as_deref()
                    .and_then(|id| id.parse().ok());
                if refused.status() == 401 {
                    self.metadata = metadata_url(&config.public_url, &route.selector);
                }
                return Err(refused);
            }
        };

        self.zone = Some(target.zone());
        let Places { waiting, open } = self.gateway.take_places(&target).await?;
        self.is_recorded = true;

        let mandate_parameters = target
            .entry()
            .resource()
            .mandate_in
            .iter()
            .filter_map(parameter);
        let mut call = CallRequest {
            query: query.decoded_without(mandate_parameters),
            ..CallRequest::new(self.request_id, method.as_str(), route.rest)
        };
        let held_body;
        let mut sent_query = String::new();
        let (permit, whole) = match engine.authorize_call(target, &call).await? {
            Authorized::Permit(permit) => (permit, None),
            Authorized::Held(target) => {
                held_body = self.read_held(&target).await?;
                let slots = &target.entry().resource().mandate_in;
                let slots = slots.iter().filter_map(parameter);
                query.write_without(slots, &mut sent_query, &mut '?');
                call.sent_query = &sent_query;
                call.headers = held::covered(&headers);
                call.body = Some(&held_body.bytes);
                match engine.authorize_call(target, &call).await? {
                    Authorized::Permit(permit) => (permit, Some(held_body.bytes.clone())),
                    // It cannot be: the body is known now.
                    Authorized::Held(_) => {
                        let why = "a person has to approve this call";
                        return Err(Refused::code(RefusalCode::ApprovalRequired, why));
                    }
                }
            }
        };
        let outbound = Outbound {
            egress: &self.gateway.0.egress,
            connection: self.connection,
            request_id: self.request_id,
            received: self.received,
            method,
            version,
            query: &query,
            headers,
            whole,
        };
        let answer = forward(outbound, permit, open, &mut self.body).await;
        drop(waiting);
        answer
    }

    /// Reads the body of a call that a person has to approve.
    async fn read_held(&mut self, target: &Target) -> Result<HeldBody, Refused> {
        let limit = target.entry().resource().max_body_bytes;
        let bodies = &self.gateway.0.held_bodies;
        // What is refused here was not decided, so it has no event.
        self.is_recorded = false;
        let read = bodies
            .read(self.body.take(), limit, self.connection)
            .await?;
        self.is_recorded = true;
        Ok(read)
    }

    /// The refusal of a bad secret, put down to its source.
    fn failed(&self, refused: Refused) -> Refused {
        self.gateway.failed(self.connection.client(), refused)
    }
}

/// The parameter that a slot names.
pub(crate) fn parameter(slot: &MandateSlot) -> Option<&str> {
    match slot {
        MandateSlot::Query(name) => Some(name),
        MandateSlot::Header(_) | MandateSlot::BasicPassword => None,
    }
}

fn unopened(code: RefusalCode) -> Refused {
    let detail = match code {
        RefusalCode::MandateExpired => "the mandate has expired",
        RefusalCode::MandateRevoked => "the mandate belongs to a history that was given up",
        RefusalCode::FeedStale => "this node has not yet seen what the mandate was decided on",
        _ => "the mandate is not one of this instance, or its signature does not hold",
    };
    let refused = Refused::code(code, detail);
    match code {
        RefusalCode::FeedStale => refused.hint("try again"),
        _ => refused.hint("get a fresh mandate from the STS"),
    }
}

/// Reads a small body to its end, so that the connection can go on. False when it is too
/// large or too slow.
async fn drain(mut body: Incoming) -> bool {
    if body.is_end_stream() {
        return true;
    }
    if body
        .size_hint()
        .exact()
        .is_some_and(|length| length > DRAIN_BYTES)
    {
        return false;
    }
    let reading = async {
        let mut left = DRAIN_BYTES;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    tokio::time::timeout(DRAIN_TIME, reading)
        .await
        .unwrap_or(false)
}

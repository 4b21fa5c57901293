//! What ends authority, told as it happens to services that verify mandates themselves.

mod seats;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use caracal_engine::{EndingsBatch, EndingsFeed, FeedEnd};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, Uri};
use tokio::sync::mpsc;

use crate::admission::Admitted;
use crate::answer::{Refused, mark};
use crate::form::Form;
use crate::router::Sts;
pub(crate) use seats::{NoSeat, Seat, Seats};

/// How many batches wait for a client at most.
const QUEUE: usize = 16;
/// How long a client may take for one batch once its queue is full.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest position that is looked at.
const MAX_POSITION: usize = 128;

/// Sends what ends in the client's zone. With `Last-Event-ID`, or `after` in the query, it goes
/// on after that position, as far as that is remembered; else it begins with a snapshot.
pub(crate) async fn stream(
    State(sts): State<Sts>,
    uri: Uri,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let request_id = sts.engine.new_request_id();
    match open(&sts, &uri, &extensions, &headers).await {
        Ok((feed, seat)) => mark(begin(&sts, feed, seat), &request_id),
        Err(refused) => refused.answer(&sts, &request_id),
    }
}

async fn open(
    sts: &Sts,
    uri: &Uri,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Result<(EndingsFeed, Seat), Refused> {
    let admitted = sts.admit(extensions, headers, &mut Form::none()).await?;
    let after = position(uri, headers)?;
    let seat = sts.limits.seats.take(admitted.application);
    let seat = seat.map_err(|none| match none {
        NoSeat::OwnShare => Refused::new(
            429,
            "feeds_exhausted",
            "this application follows too many feeds: close another one",
        )
        .retry_after(1),
        NoSeat::Full => Refused::new(
            503,
            "feeds_unavailable",
            "too many feeds are open here: try again later",
        )
        .retry_after(5),
    })?;
    let Admitted {
        credentials, key, ..
    } = admitted;
    let feed = sts
        .engine
        .follow_endings(credentials, key.as_deref(), after.as_deref())
        .await
        .map_err(|error| Refused {
            is_recorded: false,
            ..error.into()
        })?;
    Ok((feed, seat))
}

/// The last position that the client has seen.
fn position(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let query = uri.query().unwrap_or_default();
    let mut after = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != "after" || after.is_some() {
            let why = "the query of a feed is `after`, once, or nothing";
            return Err(Refused::invalid_request(why));
        }
        after = Some(value.into_owned());
    }
    // A client that comes back by itself repeats its first query, and knows better by now.
    if let Some(value) = headers.get("last-event-id") {
        after = Some(value.to_str().unwrap_or_default().to_owned());
    }
    // What is no position is none that is known here: the client gets a snapshot.
    Ok(after.filter(|text| !text.is_empty() && text.len() <= MAX_POSITION))
}

fn begin(sts: &Sts, mut feed: EndingsFeed, seat: Seat) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(QUEUE);
    let shutdown = sts.config.shutdown.clone();
    // On its own, so that a client that reads nothing is noticed.
    sts.config.tasks.spawn(async move {
        let _seat = seat;
        let why = tokio::select! {
            () = shutdown.cancelled() => "stopped",
            () = sender.closed() => "left",
            why = tell(&mut feed, &sender) => why,
        };
        tracing::debug!(zone = %feed.zone(), why, "a feed of revocations has ended");
        metrics::counter!("caracal_sts_feeds_ended_total", "why" => why).increment(1);
    });
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, Infallible>(chunk), receiver))
    });
    let body = Body::from_stream(chunks);
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// Tells until the feed ends, and why it did.
async fn tell(feed: &mut EndingsFeed, sender: &mpsc::Sender<Bytes>) -> &'static str {
    loop {
        let batch = match feed.next().await {
            Ok(batch) => batch,
            Err(FeedEnd::Refused) => return "refused",
            Err(FeedEnd::Slow) => return "slow",
            Err(FeedEnd::Stuck) => return "stuck",
        };
        match sender.send_timeout(encode(&batch).into(), PATIENCE).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => return "slow",
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return "left",
        }
    }
}

/// A batch as events. Only the position at its end has an id, so that a client that lost the
/// second half of a batch gets all of it again.
fn encode(batch: &EndingsBatch) -> String {
    let mut text = String::new();
    if batch.is_reset {
        text.push_str("event: reset\ndata: {}\n\n");
    }
    for ending in &batch.endings {
        let data = serde_json::to_string(ending).unwrap_or_default();
        let _ = write!(text, "event: {}\ndata: {data}\n\n", ending.kind.as_str());
    }
    if let Some(position) = &batch.position {
        let _ = write!(
            text,
            "event: heartbeat\nid: {position}\ndata: {{\"position\":\"{position}\"}}\n\n"
        );
    }
    text
}

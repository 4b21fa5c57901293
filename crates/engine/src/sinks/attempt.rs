//! Sending a message once.

use std::time::Duration;

use caracal_core::{DeliveryId, Secret, Sink, SinkKind, ZoneId};
use caracal_crypto::WebhookKey;
use caracal_egress::{Destination, PostError};

use super::message::Message;
use super::sink_context;
use crate::{Engine, Outward};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// What came of an attempt.
pub(super) enum Attempt {
    /// The sink has taken it.
    Taken(u16),
    /// It may work later.
    Later {
        status: Option<u16>,
        why: String,
        after: Option<Duration>,
    },
    /// It will not work.
    Never { status: Option<u16>, why: String },
}

impl Engine {
    pub(super) async fn attempt(
        &self,
        outward: &Outward,
        id: DeliveryId,
        message: Message<'_>,
    ) -> Attempt {
        let zone = message.view.zone.value.id;
        let body = message.body();
        let sink = message.sink;
        let sealed = match self.opened(zone, sink) {
            Ok(secrets) => secrets,
            Err(why) => return Attempt::Never { status: None, why },
        };
        let mut headers = Vec::new();
        let url = match &sink.kind {
            SinkKind::Slack => sealed
                .first()
                .and_then(Secret::expose_str)
                .unwrap_or_default(),
            SinkKind::Webhook { url } => {
                let seconds = self.now().as_second();
                let message = format!("msg_{}", id.uuid().simple());
                let signed: Vec<_> = sealed
                    .iter()
                    .filter_map(|secret| WebhookKey::parse(secret.expose_str()?))
                    .map(|key| key.sign(&message, seconds, &body))
                    .collect();
                headers = vec![
                    ("webhook-id", message),
                    ("webhook-timestamp", seconds.to_string()),
                    ("webhook-signature", signed.join(" ")),
                ];
                url
            }
        };
        let destination = Destination {
            zone: Some(zone),
            allow_private: sink.allow_private,
            ..Destination::default()
        };
        let posted = outward
            .egress
            .post_json(&destination, url, &headers, body, ATTEMPT)
            .await;
        match posted {
            Ok(posted) if (200..300).contains(&posted.status) => Attempt::Taken(posted.status),
            Ok(posted) => judged(posted.status, posted.retry_after),
            Err(error) => failed(&sink.kind, &error),
        }
    }

    /// The secrets of a sink, the current one first.
    fn opened(&self, zone: ZoneId, sink: &Sink) -> Result<Vec<Secret>, String> {
        let context = sink_context(zone, sink);
        let now = self.now();
        let older = sink.older.as_ref().filter(|older| now < older.until);
        let sealed = sink.secret.iter().chain(older.map(|older| &older.secret));
        let mut opened = Vec::new();
        for sealed in sealed {
            let secret = self.keyring().open(sealed, &context);
            let secret = secret.map_err(|error| format!("the secret cannot be opened: {error}"))?;
            opened.push(secret);
        }
        Ok(opened)
    }
}

/// What another status than 2xx means: a client's mistake stays one, unless it says when to come
/// again.
fn judged(status: u16, after: Option<Duration>) -> Attempt {
    let why = match status {
        300..400 => format!("the answer was {status}; redirects are not followed"),
        _ => format!("the answer was {status}"),
    };
    let later = status >= 500 || matches!(status, 408 | 425 | 429);
    let status = Some(status);
    if later {
        Attempt::Later { status, why, after }
    } else {
        Attempt::Never { status, why }
    }
}

fn failed(kind: &SinkKind, error: &PostError) -> Attempt {
    use caracal_egress::EgressError::{BadTarget, Forbidden};
    // A URL that is a secret is not named, and its host is.
    let why = match (kind, error) {
        (SinkKind::Slack, PostError::Egress(BadTarget(_))) => "the url is not usable".to_owned(),
        _ => error.to_string(),
    };
    match error {
        PostError::Egress(Forbidden { .. } | BadTarget(_)) => Attempt::Never { status: None, why },
        _ => Attempt::Later {
            status: None,
            why,
            after: None,
        },
    }
}

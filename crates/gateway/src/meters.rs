//! What the Gateway counts and measures. Handles are looked up once: a call pays for additions
//! only.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Histogram};

/// The handles of what every call touches.
pub(crate) struct Meters {
    /// Requests whose head was read.
    pub(crate) requests: Counter,
    /// From the head of a request to the first byte upstream.
    pub(crate) added: Histogram,
    /// From the first byte upstream to the head of the answer.
    pub(crate) first_byte: Histogram,
    /// From the head of a request to the end of its answer.
    call: Histogram,
    completed: Counter,
    classes: [Counter; 5],
}

/// The classes of statuses, as labels.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The handles. The binary sets the recorder up before any door is open.
pub(crate) fn meters() -> &'static Meters {
    static METERS: OnceLock<Meters> = OnceLock::new();
    METERS.get_or_init(|| Meters {
        requests: metrics::counter!("caracal_gateway_requests_total"),
        added: metrics::histogram!("caracal_gateway_added_seconds"),
        first_byte: metrics::histogram!("caracal_gateway_upstream_first_byte_seconds"),
        call: metrics::histogram!("caracal_gateway_call_seconds"),
        completed: metrics::counter!("caracal_gateway_calls_total", "outcome" => "completed"),
        classes: CLASSES.map(
            |class| metrics::counter!("caracal_gateway_upstream_answers_total", "class" => class),
        ),
    })
}

impl Meters {
    /// Notes the status that an upstream answered with.
    pub(crate) fn answered(&self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(counter) = self.classes.get(class) {
            counter.increment(1);
        }
    }

    /// Notes the end of a governed call: by itself, or for a reason.
    pub(crate) fn ended(&self, reason: Option<&'static str>, took: Duration) {
        self.call.record(took);
        match reason {
            None => self.completed.increment(1),
            Some(reason) => {
                metrics::counter!("caracal_gateway_calls_total", "outcome" => reason).increment(1);
            }
        }
    }
}

/// Notes a refusal.
pub(crate) fn refused(code: &'static str) {
    metrics::counter!("caracal_gateway_refusals_total", "code" => code).increment(1);
}

//! What services say of the calls that they were allowed.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use caracal_engine::{Reported, ReportedCall};
use caracal_wire::{ReportAnswer, ReportBody, ReportResultView};
use http::{Extensions, HeaderMap};

use crate::answer::Refused;
use crate::decide::refused;
use crate::json_request::JsonRequest;
use crate::router::Sts;

pub(crate) async fn report(
    State(sts): State<Sts>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let parts = (extensions, headers, body);
    JsonRequest::answer(sts, parts, 200, async |request| {
        let body: ReportBody = request.parse()?;
        let mut calls = Vec::with_capacity(body.calls.len());
        for (i, call) in body.calls.iter().enumerate() {
            let wrong = |why: String| Refused::invalid_request(format!("`calls[{i}].{why}"));
            let decision = call.decision_id.parse();
            if !(100..=599).contains(&call.status) {
                return Err(wrong("status`: use an HTTP status, 100 to 599".to_owned()));
            }
            // A leaf holds exact numbers only.
            if call.latency_ms.is_some_and(|latency| latency > 86_400_000) {
                return Err(wrong("latency_ms`: at most 86400000".to_owned()));
            }
            calls.push(ReportedCall {
                decision: decision.map_err(|error| wrong(format!("decision_id`: {error}")))?,
                status: call.status,
                latency_ms: call.latency_ms,
            });
        }
        let engine = request.engine();
        let results = engine
            .report_calls(request.caller(), request.key(), &calls)
            .await
            .map_err(refused)?;
        let results = results.into_iter().zip(&body.calls);
        Ok(ReportAnswer {
            results: results
                .map(|(result, call)| {
                    let (result, event) = match result {
                        Reported::Recorded(event) => ("recorded", Some(event.to_string())),
                        Reported::Duplicate => ("duplicate", None),
                        Reported::Unknown => ("unknown", None),
                    };
                    ReportResultView {
                        decision_id: call.decision_id.clone(),
                        result: result.to_owned(),
                        event_id: event,
                    }
                })
                .collect(),
        })
    })
    .await
}

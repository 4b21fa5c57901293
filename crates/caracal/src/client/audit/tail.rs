//! `caracal audit tail`: events as they happen.

use futures_util::StreamExt;
use serde_json::Value;

use crate::cli::EventFilter;
use crate::client::Api;
use crate::client::api::query;
use crate::client::audit::{line, parameters};
use crate::failure::{Failure, Outcome};
use crate::table::plain;
use crate::terminal;

/// The longest part of a feed without a line end, in bytes.
const MAX_LINE: usize = 4 * 1024 * 1024;

/// Prints events until the server or the reader ends it.
pub(crate) async fn tail(api: &Api, events: &str, filter: &EventFilter, json: bool) -> Outcome<()> {
    let path = format!("{events}/stream{}", query(&parameters(filter)));
    let mut chunks = api.stream(&path).await?.bytes_stream();
    let mut feed = Feed::default();
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|error| Failure::unreachable(format!("the feed broke off: {error}")))?;
        for event in feed.push(&chunk)? {
            if json {
                terminal::json(&event)?;
            } else {
                let cells = line::cells(&event);
                let text = cells
                    .iter()
                    .filter(|cell| !cell.is_empty())
                    .map(|cell| plain(cell));
                terminal::line(text.collect::<Vec<_>>().join("  "))?;
            }
        }
    }
    Err(Failure::unreachable("the server ended the feed").hint("it may be stopping; try again"))
}

/// Server-sent events, as far as this feed uses them.
#[derive(Default)]
struct Feed {
    rest: Vec<u8>,
    data: String,
}

impl Feed {
    /// Takes bytes in and gives the events that are complete.
    fn push(&mut self, chunk: &[u8]) -> Outcome<Vec<Value>> {
        self.rest.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if let Some(data) = line.strip_prefix("data:") {
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            } else if line.is_empty() && !self.data.is_empty() {
                let data = std::mem::take(&mut self.data);
                // Notes of the feed itself are no events.
                events.extend(
                    serde_json::from_str::<Value>(&data)
                        .ok()
                        .filter(|e| e.get("type").is_some()),
                );
            }
        }
        if self.rest.len().max(self.data.len()) > MAX_LINE {
            return Err(Failure::new("the server sends an event without end"));
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = b": hello\n\nid: 1\nevent: e\ndata: {\"type\":\ndata: \"a\"}\n\ndata:{\"type\":\"b\"}\r\n\r\ndata: {}\n\n";
        for size in 1..text.len() {
            let mut feed = Feed::default();
            let events: Vec<Value> = text
                .chunks(size)
                .flat_map(|chunk| feed.push(chunk).unwrap())
                .collect();
            assert_eq!(events.len(), 2, "{size}");
        }
    }
}

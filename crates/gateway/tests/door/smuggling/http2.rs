//! Cases over HTTP/2, frame by frame.

use super::cases_http2::{CASES, Case};
use super::{Fate, look_at_upstream, start};
use crate::frames::*;
use crate::world::World;

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Status(u16),
    Reset,
    Ended,
}

async fn play(world: &World, mandate: &str, case: &Case) -> (Seen, Frames) {
    let mut client = Frames::connect(world.gateway).await;
    client.send(&(case.sent)(mandate)).await;
    let seen = loop {
        match client.next().await {
            None => break Seen::Ended,
            Some(frame) => match frame.kind {
                HEADERS if frame.stream == 1 => break Seen::Status(frame.status()),
                RST_STREAM if frame.stream == 1 => break Seen::Reset,
                GOAWAY => break Seen::Ended,
                _ => {}
            },
        }
    };
    (seen, client)
}

/// True when the connection takes another request.
async fn goes_on(client: &mut Frames) -> bool {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "g"),
        (":path", "/.caracal/health"),
    ];
    client.send(&head(99, END_STREAM, &block(&fields))).await;
    while let Some(frame) = client.next().await {
        match frame.kind {
            HEADERS if frame.stream == 99 => return frame.status() == 200,
            GOAWAY => return false,
            _ => {}
        }
    }
    false
}

#[tokio::test]
async fn every_case_of_http2_ends_as_it_should() {
    let (world, recorder, mandate) = start().await;
    let mut wrong = Vec::new();
    for case in CASES {
        let (seen, mut client) = play(&world, &mandate, case).await;
        let expected = match case.fate {
            Fate::Refused(status) | Fate::Unread(status) => Seen::Status(status),
            Fate::Passes => Seen::Status(200),
            Fate::Reset | Fate::CutOff => Seen::Reset,
            Fate::Ended | Fate::TooLarge => Seen::Ended,
        };
        let goes_on = seen != Seen::Ended && goes_on(&mut client).await;
        drop(client);
        let upstream = look_at_upstream(&world, &recorder, case.fate).await;
        if seen != expected || !case.after.allows(goes_on) || upstream.is_err() {
            let name = case.name;
            wrong.push(format!(
                "{name}: {seen:?}, goes on: {goes_on}, upstream: {upstream:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

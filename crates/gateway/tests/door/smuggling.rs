//! Attempts to make the Gateway and an upstream read a different number of requests out of the
//! same bytes. The cases are data; `docs/smuggling-cases.md` is written from them.

mod cases_http1;
mod cases_http2;
mod document;
mod http1;
mod http2;

use std::time::Duration;

use crate::recorder::Recorder;
use crate::world::World;

/// What must become of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The Gateway answers with this status and its own refusal; nothing reaches the upstream.
    Refused(u16),
    /// The library that reads the bytes answers with this status before anything of the
    /// Gateway sees them; nothing reaches the upstream.
    Unread(u16),
    /// One clean request reaches the upstream, and its answer the client.
    Passes,
    /// One clean request reaches the upstream without its end: it is no whole request there.
    CutOff,
    /// Whoever notices first says so: 414, 431, or an end; nothing reaches the upstream.
    TooLarge,
    /// HTTP/2: the stream is reset; nothing reaches the upstream.
    Reset,
    /// The connection ends without an answer; nothing reaches the upstream.
    Ended,
}

/// What must become of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It takes further requests.
    Stays,
    /// That depends on who notices.
    Either,
    /// It ends, and what followed on it is not read.
    Ends,
}

impl After {
    fn allows(self, goes_on: bool) -> bool {
        match self {
            Self::Stays => goes_on,
            Self::Either => true,
            Self::Ends => !goes_on,
        }
    }
}

/// The upstream and how to reach it.
async fn start() -> (World, Recorder, String) {
    let mut world = World::start().await;
    let spare = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let recorder = Recorder::start(std::mem::replace(&mut world.upstream, spare));
    let mandate = world.mandate(&["api"]).await;
    (world, recorder, mandate)
}

/// Compares what reached the upstream with what may.
async fn look_at_upstream(world: &World, recorder: &Recorder, fate: Fate) -> Result<(), String> {
    // Whatever was let through is there once no call is under way.
    world.wait_for_calls(0).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (requests, unclean) = recorder.take();
    let is_right = match fate {
        Fate::Passes => requests.len() == 1 && unclean.is_empty(),
        Fate::CutOff => requests.len() <= 1,
        _ => requests.is_empty() && unclean.is_empty(),
    };
    if is_right && !requests.iter().any(|request| request.contains("smuggled")) {
        Ok(())
    } else {
        Err(format!("{requests:?} {unclean:?}"))
    }
}

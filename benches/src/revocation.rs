//! From a revocation at the control API to the end that a client sees: real sockets, the real
//! binary, many sessions and many open streams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::task::TaskTracker;

use crate::arguments::Options;
use crate::fsync;
use crate::latency::Latency;
use crate::measure::{Aim, Measure};
use crate::stack::Stack;

/// How many sessions are open.
const SESSIONS: usize = 10_000;
/// How many of them have a stream.
const STREAMS: usize = 1000;
/// How many are revoked one after another.
const ROUNDS: usize = 200;
/// How many ask at a time while everything is made ready.
const CLIENTS: usize = 32;
/// The beginning of each stream, after which nothing comes.
const BEGINNING: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 0\n\n\r\n";

/// Measures one session of many, and all of them at once.
pub(crate) async fn run(options: &Options) -> Result<Vec<Measure>> {
    let (sessions, streams, rounds) = match options.is_quick() {
        true => (200, 60, 20),
        false => (SESSIONS, STREAMS, ROUNDS),
    };
    let directory = options.directory()?;
    let tracker = TaskTracker::new();
    let upstream = upstream(&tracker).await?;
    let home = directory.join("revocation");
    let stack = Stack::start(&options.binary()?, &home, upstream)?;
    let ids = open(&stack, sessions).await?;
    let mut open = Vec::with_capacity(streams);
    for id in ids.into_iter().take(streams + rounds) {
        let mandate = stack.mint_under(&id).await?;
        open.push((id, stream(&tracker, &stack, &mandate).await?));
    }
    let revoker = stack.revoker()?;
    let mut connection = revoker.call("nothing")?.connect(&tracker).await?;
    let (mut one, mut told) = (Latency::new()?, Latency::new()?);
    // As many streams as are wanted are open in every round.
    for (id, stream) in open.drain(..rounds) {
        let call = revoker.call(&id)?;
        let begun = Instant::now();
        let receipt = connection.fetch(&call).await?;
        told.record(begun.elapsed());
        check_cut(&receipt, 1)?;
        let ended = stream.await.context("a client broke down")??;
        one.record(ended.saturating_duration_since(begun));
    }
    let call = revoker.call(stack.application())?;
    let mut all = Latency::new()?;
    let left = open.len();
    let begun = Instant::now();
    let receipt = connection.fetch(&call).await?;
    let all_told = begun.elapsed();
    check_cut(&receipt, left)?;
    for (_, stream) in open {
        let ended = stream.await.context("a client broke down")??;
        all.record(ended.saturating_duration_since(begun));
    }
    let sync = fsync::measure(&directory)?;
    let ms = |latency: &Latency, quantile| latency.quantile_us(quantile) / 1000.0;
    let name =
        |what| format!("revocation over sockets, {left} streams, {sessions} sessions: {what}");
    Ok(vec![
        Measure::of(name("one session to its cut, p99"), ms(&one, 0.99), "ms")
            .aiming(Aim::AtMost(20.0)),
        Measure::of(name("one session to its cut, median"), ms(&one, 0.5), "ms"),
        Measure::of(
            name("one session to its receipt, p99"),
            ms(&told, 0.99),
            "ms",
        ),
        Measure::of(name("all at once to the last cut"), ms(&all, 1.0), "ms")
            .aiming(Aim::AtMost(250.0)),
        Measure::of(
            name("all at once to the receipt"),
            all_told.as_secs_f64() * 1000.0,
            "ms",
        ),
        Measure::of(name("a sync of this disk, median"), ms(&sync, 0.5), "ms"),
        Measure::of(name("a sync of this disk, p99"), ms(&sync, 0.99), "ms"),
    ])
}

fn check_cut(receipt: &[u8], wanted: usize) -> Result<()> {
    let receipt: serde_json::Value = serde_json::from_slice(receipt)?;
    let cut = receipt
        .get("streams_cut")
        .and_then(serde_json::Value::as_u64);
    if cut != Some(wanted as u64) {
        bail!("of {wanted} streams these were cut: {receipt}");
    }
    Ok(())
}

/// An upstream whose answers begin and never end.
async fn upstream(tracker: &TaskTracker) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on loopback")?;
    let address = listener.local_addr().context("the listener is gone")?;
    let streams = tracker.clone();
    tracker.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            streams.spawn(async move {
                let mut buffer = [0; 4096];
                // The request comes whole: it is small, and has no body.
                if matches!(stream.read(&mut buffer).await, Ok(n) if n > 0)
                    && stream.write_all(BEGINNING).await.is_ok()
                {
                    let _ = stream.read(&mut buffer).await;
                }
            });
        }
    });
    Ok(address)
}

/// Opens so many sessions at the STS.
async fn open(stack: &Stack, count: usize) -> Result<Vec<String>> {
    let tracker = TaskTracker::new();
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let call = stack.session_call()?;
        let (tracker, next) = (tracker.clone(), Arc::clone(&next));
        clients.spawn(async move {
            let mut connection = call.connect(&tracker).await?;
            let mut ids = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < count {
                let opened: serde_json::Value =
                    serde_json::from_slice(&connection.fetch(&call).await?)?;
                let id = opened.get("id").and_then(serde_json::Value::as_str);
                ids.push(id.context("a session without an id")?.to_owned());
            }
            anyhow::Ok(ids)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(ids) = clients.join_next().await {
        all.extend(ids.context("a client broke down")??);
    }
    Ok(all)
}

/// Opens a stream at the Gateway, and tells when it was cut.
async fn stream(
    tracker: &TaskTracker,
    stack: &Stack,
    mandate: &str,
) -> Result<JoinHandle<Result<Instant>>> {
    let (address, request) = stack.stream_request(mandate);
    let mut stream = TcpStream::connect(address)
        .await
        .context("cannot connect to the Gateway")?;
    stream.set_nodelay(true).context("cannot set nodelay")?;
    stream.write_all(request.as_bytes()).await?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"data: 0\n\n\r\n") {
        if stream.read_buf(&mut seen).await? == 0 || seen.len() > 65_536 {
            bail!("no stream: {}", String::from_utf8_lossy(&seen));
        }
    }
    Ok(tracker.spawn(async move {
        let mut rest = Vec::new();
        loop {
            match stream.read_buf(&mut rest).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let ended = Instant::now();
        if rest.ends_with(b"0\r\n\r\n") {
            bail!("a stream ended as if it were whole");
        }
        Ok(ended)
    }))
}

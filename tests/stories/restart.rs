//! Restarts under load: the same process goes on with another program, and no call fails.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::body::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::harness::{Authority, Protected, Raw, Stack, curl, dial, python_command, until};

/// Makes calls on kept connections until it is told to stop. A connection is only given up when
/// an answer said so. Returns how many calls and how many connections it made.
fn load(url: String, mandate: String, stop: Arc<AtomicBool>, made: Arc<AtomicU64>) -> u64 {
    let mut connections = 0;
    let request = format!(
        "GET /r/items/items/1 HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n"
    );
    while !stop.load(Ordering::Relaxed) {
        let mut connection = Raw::connect(&url);
        connections += 1;
        while !stop.load(Ordering::Relaxed) {
            connection.send(&request);
            let head = connection.find_head().expect("every call is answered");
            assert_eq!(head.status(), 200, "{head:?}");
            connection.body(&head);
            made.fetch_add(1, Ordering::Relaxed);
            if head.get("connection") == Some("close") {
                break;
            }
        }
    }
    connections
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_the_stack_restarts() {
    let is_long = std::env::var_os("CARACAL_TEST_LONG").is_some();
    let restarts = if is_long { 20 } else { 2 };
    let world = Protected::start().await;
    let mandate = world.mint().await;
    let pid = world.stack.pid();
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    let url = world.stack.gateway.replace("localhost", "127.0.0.1");
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (url, mandate) = (url.clone(), mandate.clone());
            let (stop, made) = (Arc::clone(&stop), Arc::clone(&made));
            std::thread::spawn(move || load(url, mandate, stop, made))
        })
        .collect();
    for _ in 0..restarts {
        let before = made.load(Ordering::Relaxed);
        until("calls are made", async || {
            made.load(Ordering::Relaxed) > before + 20
        })
        .await;
        world.stack.cli(&["restart"]).ok();
        assert_eq!(world.stack.pid(), pid, "the process stays the same");
        // The command line finds it at once.
        world.stack.cli(&["zone", "list"]).ok();
    }
    let before = made.load(Ordering::Relaxed);
    until("calls are made", async || {
        made.load(Ordering::Relaxed) > before + 20
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let connections: u64 = clients.into_iter().map(|c| c.join().unwrap()).sum();
    println!(
        "{restarts} restarts, {} calls, {connections} connections",
        made.load(Ordering::Relaxed)
    );
    assert!(connections > 4, "connections were given up in order");
    world.stack.cli(&["audit", "verify"]).ok();
    // What the programs before wrote last is not lost.
    let log = world.stack.cli(&["logs"]).ok().stdout;
    assert_eq!(log.matches("restarting: ").count(), restarts, "{log}");
}

/// True when nobody looked at the request: it never left, or came after the goodbye (RFC 9113,
/// 6.8). Clients then make it again on another connection.
fn is_untouched(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    let is_after_goodbye = |cause: &h2::Error| {
        cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR)
    };
    error.is_canceled() || cause.is_some_and(is_after_goodbye)
}

/// Makes calls on shared connections over TLS, two at a time, until it is told to stop.
async fn load_http2(
    url: String,
    mandate: String,
    authority: Arc<Authority>,
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
) -> u64 {
    let mut connections = 0;
    let call = async |client: &mut http2::SendRequest<Empty<Bytes>>| {
        let request = Request::get(format!("{url}/r/items/items/1"))
            .header("authorization", format!("Bearer {mandate}"))
            .body(Empty::new())
            .unwrap();
        if client.ready().await.is_err() {
            return false;
        }
        match client.send_request(request).await {
            Err(error) if is_untouched(&error) => return false,
            answer => {
                let answer = answer.expect("every call is answered");
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.expect("to its end");
            }
        }
        made.fetch_add(1, Ordering::Relaxed);
        true
    };
    while !stop.load(Ordering::Relaxed) {
        let stream = TokioIo::new(dial(&url, Version::HTTP_2, Some(&authority)).await);
        let handshake = http2::handshake(TokioExecutor::new(), stream).await;
        let (mut client, connection) = handshake.expect("a connection is not refused");
        tokio::spawn(connection);
        connections += 1;
        let mut other = client.clone();
        while !stop.load(Ordering::Relaxed) {
            let (one, two) = tokio::join!(call(&mut client), call(&mut other));
            if !(one && two) {
                break;
            }
        }
    }
    connections
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_over_http2_fails_when_the_stack_restarts() {
    let is_long = std::env::var_os("CARACAL_TEST_LONG").is_some();
    let restarts = if is_long { 20 } else { 2 };
    let mut stack = Stack::new();
    let authority = Arc::new(Authority::serve(&mut stack));
    stack.up();
    let mut world = Protected::around(stack).await;
    world.client = world.client.trusting(&authority);
    let mandate = world.mint().await;
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(load_http2(
                world.stack.gateway.clone(),
                mandate.clone(),
                Arc::clone(&authority),
                Arc::clone(&stop),
                Arc::clone(&made),
            ))
        })
        .collect();
    for n in 0..=restarts {
        let before = made.load(Ordering::Relaxed);
        until("calls are made", async || {
            made.load(Ordering::Relaxed) > before + 20
        })
        .await;
        if n < restarts {
            world.stack.cli(&["restart"]).ok();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut connections = 0;
    for client in clients {
        connections += client.await.expect("no call failed");
    }
    println!(
        "{restarts} restarts, {} calls, {connections} connections",
        made.load(Ordering::Relaxed)
    );
    assert!(connections > 4, "connections were given up in order");
    // Whatever was made again had reached nobody.
    let reached = world.upstream.seen().len() as u64;
    assert_eq!(reached, made.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_is_finished_before_the_restart() {
    let world = Protected::start().await;
    let mandate = world.mint().await;
    // A second of events, one each 20 ms.
    let mut stream = world
        .client
        .request("GET", "/r/items/stream", &mandate)
        .send()
        .await
        .unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let mut restart = world.stack.command(&["restart"]);
    let mut restarting = restart.spawn().unwrap();
    let mut events = 1;
    while let Some(chunk) = stream.chunk().await.unwrap() {
        events += chunk.windows(2).filter(|w| *w == b"\n\n").count();
    }
    assert!(events >= 50, "{events}");
    assert!(restarting.wait().unwrap().success());
    world.call(&mandate).await;
}

#[test]
fn a_restart_that_could_not_work_is_refused() {
    let mut stack = Stack::start();
    let pid = stack.pid();
    std::fs::write(stack.file("server.toml"), "nonsense = 1\n").unwrap();
    let refused = stack.cli(&["restart"]).fails(1);
    assert!(refused.stderr.contains("nonsense"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("goes on as it is"),
        "{}",
        refused.stderr
    );
    std::fs::remove_file(stack.file("server.toml")).unwrap();
    assert_eq!(stack.up()["pid"], pid);
    // As an older program would find it.
    let state = rusqlite::Connection::open(stack.file("state.db")).unwrap();
    let known: u32 = state
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    state.pragma_update(None, "user_version", 99).unwrap();
    let refused = stack.cli(&["restart"]).fails(1);
    assert!(refused.stderr.contains("newer"), "{}", refused.stderr);
    state.pragma_update(None, "user_version", known).unwrap();
    assert_eq!(stack.up()["pid"], pid);
    stack.cli(&["restart"]).ok();
    stack.cli(&["down"]).ok();
    assert!(!stack.file("caracal.sock").exists());
    let nobody = stack.cli(&["restart"]).fails(1);
    assert!(
        nobody.stderr.contains("no stack is running"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn a_socket_of_the_system_is_served_and_kept() {
    let mut stack = Stack::new();
    // Whoever passes a socket has chosen what it listens on.
    stack.set("CARACAL_GATEWAY_LISTEN", "127.0.0.9:0");
    let serve = stack.command(&["serve"]);
    let mut starting = python_command("activate.py");
    starting.arg("gateway").arg(serve.get_program());
    starting.args(serve.get_args());
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => starting.env(name, value),
            None => starting.env_remove(name),
        };
    }
    let starting = starting.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = starting.spawn().unwrap();
    let mut port = String::new();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    said.read_line(&mut port).unwrap();
    let url = format!("http://127.0.0.1:{}", port.trim());
    let health = format!("{url}/.caracal/health");
    stack.cli(&["status", "--ready"]).ok();
    assert_eq!(u32::try_from(stack.pid()).unwrap(), server.id());
    for _ in 0..2 {
        assert!(curl(&[&health]).ok().stdout.ends_with("200 1.1"));
        stack.cli(&["restart"]).ok();
    }
    assert!(curl(&[&health]).ok().stdout.ends_with("200 1.1"));
    stack.cli(&["down"]).ok();
    assert!(server.wait().unwrap().success());
}

#[test]
fn another_program_takes_over_or_this_one_stays() {
    let mut stack = Stack::new();
    // A copy, that can be exchanged as an update does.
    let program = stack.beside().join("caracal");
    let original = stack.command(&[]).get_program().to_owned();
    std::fs::copy(&original, &program).unwrap();
    std::fs::create_dir_all(&stack.home).unwrap();
    let mut starting = Command::new(&program);
    for (name, value) in stack.command(&[]).get_envs() {
        match value {
            Some(value) => starting.env(name, value),
            None => starting.env_remove(name),
        };
    }
    assert!(starting.arg("up").status().unwrap().success());
    let pid = stack.pid();
    // Something that is no program.
    let next = stack.beside().join("next");
    std::fs::write(&next, "#!/bin/sh\nexit 7\n").unwrap();
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&next, &program).unwrap();
    let refused = stack.cli(&["restart"]).fails(1);
    assert!(refused.stderr.contains('7'), "{}", refused.stderr);
    assert_eq!(stack.up()["pid"], pid);
    // A new one.
    std::fs::copy(&original, &next).unwrap();
    std::fs::rename(&next, &program).unwrap();
    stack.cli(&["restart"]).ok();
    assert_eq!(stack.pid(), pid);
    let now = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert_eq!(now, program, "the file that lies there now");
}

//! TLS on every door, with certificates that are renewed, wrong and missing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::harness::{
    Authority, Head, KEY, Protected, Raw, RawUpstream, Scrape, Stack, Upstream, curl, until,
};

struct Secured {
    stack: Stack,
    authority: Authority,
    certificate: PathBuf,
    key: PathBuf,
}

/// A stack whose doors speak TLS; nothing runs yet.
fn secured() -> Secured {
    let mut stack = Stack::new();
    let authority = Authority::serve(&mut stack);
    let dir = stack.beside();
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    stack.set("STORY_KEY", KEY);
    Secured {
        stack,
        authority,
        certificate,
        key,
    }
}

fn mint(stack: &Stack, authority: &Authority, applied: &serde_json::Value) -> String {
    let app = &applied["applications"][0];
    let user = format!(
        "{}:{}",
        app["id"].as_str().unwrap(),
        app["client_secret"].as_str().unwrap()
    );
    let url = format!("{}/oauth/2/token", stack.sts);
    let answer = curl(&[
        "--cacert",
        authority.file.to_str().unwrap(),
        "--http2",
        "--user",
        &user,
        "--data",
        "grant_type=client_credentials&resource=resource://items&scope=items:read",
        &url,
    ])
    .ok();
    let (body, version) = answer.stdout.rsplit_once('\n').unwrap();
    assert_eq!(version, "200 2", "{body}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_others_speak_tls_with_every_door() {
    let Secured {
        mut stack,
        authority,
        ..
    } = secured();
    stack.set("CARACAL_HEAD_TIMEOUT_SECONDS", "1");
    let upstream = Upstream::start().await;
    stack.up();
    let root = authority.file.to_str().unwrap().to_owned();
    for (door, path) in [
        (&stack.sts, "/ready"),
        (&stack.gateway, "/.caracal/ready"),
        (&stack.console, "/ready"),
    ] {
        assert!(door.starts_with("https://localhost:"), "{door}");
        for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
            let url = format!("{door}{path}");
            for tls in ["1.2", "1.3"] {
                let answer = curl(&["--cacert", &root, flag, "--tls-max", tls, &url]).ok();
                let seen = answer.stdout.lines().last().unwrap().to_owned();
                assert_eq!(seen, format!("200 {version}"), "{url} {tls}");
            }
        }
        // Whoever does not know the authority does not go on.
        let unknown = curl(&["--cacert", "/dev/null", &format!("{door}{path}")]);
        assert_ne!(unknown.code, 0);
        // Plain HTTP is told what is spoken here.
        let mut plain = Raw::connect(&door.replace("https://localhost", "http://127.0.0.1"));
        plain.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head: Head = plain.head();
        assert_eq!(head.status(), 400);
        assert!(plain.body(&head).contains("\"tls_required\""));
        // A handshake that does not go on is ended.
        let address = door.strip_prefix("https://").unwrap();
        let mut stalled = TcpStream::connect(address).unwrap();
        stalled.write_all(&[0x16, 3, 1]).unwrap();
        let limit = Some(Duration::from_secs(20));
        stalled.set_read_timeout(limit).unwrap();
        assert_eq!(stalled.read(&mut [0; 16]).unwrap_or(0), 0);
    }
    // All of it is counted.
    let page = authority.http().get(format!("{}/metrics", stack.sts));
    let page = page.send().await.unwrap().text().await.unwrap();
    let page = Scrape::parse(&page);
    for outcome in ["ok", "failed", "plain_http", "timeout"] {
        let sample = format!("caracal_tls_handshakes_total{{door=\"sts\",outcome=\"{outcome}\"}}");
        assert!(page.get(&sample) >= 1.0, "{sample}");
    }
    // The year 2100.
    let ends = page.get("caracal_tls_certificate_expires_seconds");
    assert_eq!(ends, 4_102_444_800.0);
    for name in [
        "caracal_tls_handshakes_total",
        "caracal_tls_certificate_expires_seconds",
    ] {
        assert!(page.described.contains(name), "{name}");
    }
    // The command line goes over the local socket.
    let applied = stack.apply(&Protected::zone_file("acme", &upstream));
    let mandate = mint(&stack, &authority, &applied);
    let bearer = format!("authorization: Bearer {mandate}");
    let url = format!("{}/r/items/items/1", stack.gateway);
    let called = curl(&["--cacert", &root, "--http1.1", "--header", &bearer, &url]).ok();
    assert!(called.stdout.ends_with("\n200 1.1"), "{}", called.stdout);
    // It also goes over the network.
    let token = stack
        .cli(&["token", "create", "tls", "--role", "owner", "--json"])
        .ok()
        .json();
    let secret = token["token"]
        .as_str()
        .or(token["secret"].as_str())
        .unwrap();
    stack
        .cli_with(&["login", &stack.console.clone(), "--token-stdin"], secret)
        .ok();
    stack.cli(&["zone", "list"]).ok();
    stack.cli(&["login", "--forget"]).ok();
    stack.cli(&["status", "--ready"]).ok();
    let doctor = stack.cli(&["doctor"]);
    assert!(
        doctor.stdout.contains("holds until 2100"),
        "{}",
        doctor.stdout
    );
    stack.cli(&["quickstart"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_and_streams_go_on() {
    let Secured {
        mut stack,
        authority,
        certificate,
        key,
    } = secured();
    // The upstream goes on when it is told, and so knows that the stream is open.
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let upstream = RawUpstream::start(move |mut peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer.send_chunk("first");
        told.lock().unwrap().recv().unwrap();
        peer.send_chunk("last");
        peer.send_chunk("");
    });
    stack.up();
    let zone = Protected::zone_file("acme", &Upstream::start().await);
    let at = zone.find("upstream: ").unwrap();
    let line = zone[at..].lines().next().unwrap();
    let zone = zone.replace(line, &format!("upstream: {}", upstream.url()));
    let applied = stack.apply(&zone);
    let mandate = mint(&stack, &authority, &applied);

    let old = authority.http();
    let url = format!("{}/r/items/items/1", stack.gateway);
    let mut stream = old.get(&url).bearer_auth(&mandate).send().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "first");

    let next = Authority::new(stack.beside(), "next");
    next.issue(&certificate, &key);
    let pid = stack.pid().to_string();
    let hangup = || {
        assert!(
            Command::new("kill")
                .args(["-HUP", &pid])
                .status()
                .unwrap()
                .success()
        )
    };
    hangup();
    let ready = format!("{}/ready", stack.sts);
    until("the new certificate is shown", async || {
        next.http().get(&ready).send().await.is_ok()
    })
    .await;
    assert!(authority.http().get(&ready).send().await.is_err());

    // A bad pair changes nothing, and is told.
    std::fs::write(&key, "no key").unwrap();
    hangup();
    let metrics = format!("{}/metrics", stack.sts);
    until("the bad pair is counted", async || {
        let page = next
            .http()
            .get(&metrics)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        page.contains("caracal_tls_reloads_total{outcome=\"failed\"} 1")
    })
    .await;
    assert!(next.http().get(&ready).send().await.is_ok());

    // Without a signal it is noticed as well.
    let last = Authority::new(stack.beside(), "last");
    last.issue(&certificate, &key);
    until("the files are looked at", async || {
        last.http().get(&ready).send().await.is_ok()
    })
    .await;

    tell.send(()).unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "last");
    assert!(stream.chunk().await.unwrap().is_none());
}

#[test]
fn what_cannot_be_served_is_named_at_the_start() {
    let Secured {
        mut stack,
        authority,
        certificate,
        key,
    } = secured();
    let other = stack.beside().join("other.pem");
    authority.issue(&stack.beside().join("unused.pem"), &other);
    let cases = [
        (certificate.clone(), other, "does not belong"),
        (
            certificate.clone(),
            certificate.clone(),
            "holds no private key",
        ),
        (stack.beside().join("nowhere.pem"), key, "cannot be read"),
    ];
    for (certificate, key, words) in cases {
        stack.set("CARACAL_TLS_CERT", certificate.to_str().unwrap());
        stack.set("CARACAL_TLS_KEY", key.to_str().unwrap());
        let refused = stack.cli(&["up"]).fails(1);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        let checked = stack.cli(&["serve", "--check"]).fails(2);
        assert!(checked.stderr.contains(words), "{}", checked.stderr);
    }
    stack.set("CARACAL_TLS_KEY", "");
    let half = stack.cli(&["up"]).fails(2);
    assert!(half.stderr.contains("only one of them"), "{}", half.stderr);
}

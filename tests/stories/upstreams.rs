//! The way out: TLS with an authority of one's own, private addresses, redirects.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::{Answer, Client, KEY, Stack, Upstream};

/// A certificate authority made for one story.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// An HTTPS upstream for `localhost` that answers every connection once.
    fn upstream(&self) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let config = Arc::new(config);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let stream = StreamOwned::new(connection, stream.unwrap());
                std::thread::spawn(move || answer_once(stream));
            }
        });
        format!("https://localhost:{port}")
    }
}

/// A handshake that fails just ends the connection.
fn answer_once(mut stream: StreamOwned<ServerConnection, TcpStream>) {
    use std::io::{Read, Write};
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.extend(byte),
            _ => return,
        }
    }
    let keyed =
        String::from_utf8_lossy(&head).contains(&format!("authorization: Bearer {KEY}\r\n"));
    let body = if keyed { "over tls" } else { "wrong key" };
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ";
    let _ = write!(stream, "{head}{}\r\n\r\n{body}", body.len());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

/// A zone with one resource; `more` are further lines of it.
fn zone_file(upstream: &str, more: &str) -> String {
    format!(
        r#"
zone: way-out
applications: [{{ name: anton }}]
providers:
  - {{ name: key, kind: bearer, secret: {{ from_env: STORY_KEY }} }}
resources:
  - name: items
    upstream: {upstream}
    provider: key
    scopes: [items:use]
    operations: [{{ method: GET, path: "/**", scope: items:use }}]
{more}
policies:
  - {{ name: all, cedar: "permit (principal, action, resource);" }}
"#
    )
}

fn stack() -> Stack {
    let mut stack = Stack::new();
    stack.set("STORY_KEY", KEY);
    stack.up();
    stack
}

/// Applies the file for a fresh application of a running stack, and makes one call.
async fn call(stack: &Stack, client: &mut Option<Client>, file: &str) -> Answer {
    let applied = stack.apply(file);
    let client = client.get_or_insert_with(|| stack.client(&applied, "anton"));
    let mandate = client.mint("resource://items", "").await;
    client.call("GET", "/r/items/a", &mandate).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    let url = authority.upstream();
    let (stack, mut client) = (stack(), None);
    let named = |authority: &Authority| {
        let path = stack.beside().join("ca.pem");
        std::fs::write(&path, &authority.pem).unwrap();
        let more = format!(
            "    allow_private: true\n    upstream_ca: {}",
            path.display()
        );
        zone_file(&url, &more)
    };

    let answer = call(&stack, &mut client, &named(&authority)).await;
    assert_eq!((answer.status, &*answer.body), (200, "over tls"));

    // Another authority, and the system's own, vouch for nothing here.
    for file in [named(&other), zone_file(&url, "    allow_private: true")] {
        let answer = call(&stack, &mut client, &file).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert_eq!(answer.refusal(), "upstream_unreachable");
        assert!(answer.header("caracal-receipt").is_some());
    }
    // And HTTPS is not spoken in the clear.
    let plain = Upstream::start().await;
    let file = zone_file(
        &plain.url().replace("http:", "https:"),
        "    allow_private: true",
    );
    let answer = call(&stack, &mut client, &file).await;
    assert_eq!(answer.refusal(), "upstream_unreachable");
    assert!(plain.seen().is_empty());

    // What is no certificate is refused when it is applied.
    let path = stack.beside().join("ca.pem");
    std::fs::write(
        &path,
        "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let more = format!("    upstream_ca: {}", path.display());
    let refused = stack
        .cli_with(&["apply", "-f", "-"], &zone_file(&url, &more))
        .fails(1);
    assert!(refused.stderr.contains("upstream_ca"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_upstream_needs_the_resource_and_the_instance() {
    let upstream = Upstream::start().await;
    let (mut stack, mut client) = (stack(), None);
    let asking = zone_file(&upstream.url(), "    allow_private: true");
    assert_eq!(call(&stack, &mut client, &asking).await.status, 200);
    let silent = stack.cli_with(&["apply", "-f", "-"], &zone_file(&upstream.url(), ""));
    // A credential over plain HTTP goes to loopback with `allow_private` only.
    assert!(silent.fails(1).stderr.contains("allow_private"));

    // By name, and without a credential, the address is refused when it is called.
    let port = upstream.address.port();
    let unkeyed =
        zone_file(&format!("http://localhost:{port}"), "").replace("    provider: key\n", "");
    let answer = call(&stack, &mut client, &unkeyed).await;
    assert_eq!(
        (answer.status, answer.refusal()),
        (502, "upstream_unreachable".to_owned())
    );
    assert_eq!(upstream.seen().len(), 1);
    stack.apply(&asking);

    // The same home, served by an instance that does not allow private upstreams.
    stack.cli(&["down"]).ok();
    stack.set("CARACAL_ALLOW_PRIVATE", "false");
    stack.up();
    let mandate = client.as_ref().unwrap().mint("resource://items", "").await;
    let answer = client
        .as_ref()
        .unwrap()
        .call("GET", "/r/items/a", &mandate)
        .await;
    assert_eq!(
        (answer.status, answer.refusal()),
        (502, "upstream_unreachable".to_owned())
    );
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn link_local_and_our_own_doors_are_never_called() {
    let stack = stack();
    let registered = "zone: way-out\napplications: [{ name: anton }]\n";
    let mut client = Some(stack.client(&stack.apply(registered), "anton"));
    let doors = [&stack.sts, &stack.gateway, &stack.console];
    let mut urls: Vec<String> = doors.into_iter().cloned().collect();
    urls.extend(
        [
            "http://169.254.169.254",
            "http://[fe80::1]",
            "http://[::ffff:169.254.169.254]",
        ]
        .map(str::to_owned),
    );
    for url in urls {
        let file = zone_file(&url, "    allow_private: true").replace("    provider: key\n", "");
        let applied = stack.cli_with(&["apply", "-f", "-"], &file);
        if applied.code == 0 {
            let answer = call(&stack, &mut client, &file).await;
            assert_eq!(
                (answer.status, answer.refusal()),
                (502, "upstream_unreachable".to_owned()),
                "{url}"
            );
        } else {
            assert!(
                applied.stderr.contains("upstream"),
                "{url}: {}",
                applied.stderr
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_handed_on_and_leads_back_through_the_gateway() {
    let upstream = Upstream::start().await;
    let stack = stack();
    let applied = stack.apply(&zone_file(&upstream.url(), "    allow_private: true"));
    let client = stack.client(&applied, "anton");
    let mandate = client.mint("resource://items", "").await;
    let answer = client.call("GET", "/r/items/redirect", &mandate).await;
    let zone = applied["zone"]["id"].as_str().unwrap();
    let expected = format!("{}/zones/{zone}/r/items/elsewhere?x=1", stack.gateway);
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some(&*expected))
    );
    assert_eq!(upstream.seen().len(), 1, "the redirect was followed");
}

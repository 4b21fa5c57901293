use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use caracal_core::UpstreamProtocol;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http2_frames::Frames;
use super::upstream::*;
use crate::{Destination, Egress, EgressError, MAX_CA_BYTES};

/// A certificate authority made for one test.
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

    fn destination(&self) -> Destination<'_> {
        Destination {
            zone: None,
            allow_private: true,
            ca_pem: Some(&self.pem),
            protocol: UpstreamProtocol::Http1,
        }
    }

    fn destination_in(&self, protocol: UpstreamProtocol) -> Destination<'_> {
        Destination {
            protocol,
            ..self.destination()
        }
    }

    fn config(&self, name: &str, offered: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let offered = offered.iter().map(|name| name.as_bytes().to_vec());
        config.alpn_protocols = offered.collect();
        Arc::new(config)
    }

    /// An upstream with a certificate for `name` that answers every request of this many
    /// connections, side by side; joining gives the heads it saw.
    fn upstream(&self, name: &str, connections: usize) -> (SocketAddr, JoinHandle<Vec<String>>) {
        let config = self.config(name, &["h2", "http/1.1"]);
        upstream(move |listener| {
            let serve = |_| {
                let stream = accept(&listener);
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                std::thread::spawn(|| serve(StreamOwned::new(connection, stream)))
            };
            let serving: Vec<_> = (0..connections).map(serve).collect();
            serving
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        })
    }
}

fn serve(mut stream: StreamOwned<ServerConnection, TcpStream>) -> Vec<String> {
    let mut heads = Vec::new();
    while let Some(head) = read_head(&mut stream) {
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        heads.push(head);
        answer(&mut stream, "secret");
    }
    heads
}

async fn heads(upstream: JoinHandle<Vec<String>>) -> Vec<String> {
    tokio::task::spawn_blocking(|| upstream.join().unwrap())
        .await
        .unwrap()
}

fn assert_untrusted(error: &EgressError) {
    assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
    assert!(error.is_before_write());
}

#[tokio::test]
async fn an_own_authority_is_trusted_by_name_and_by_address() {
    for host in ["localhost", "127.0.0.1"] {
        let authority = Authority::new();
        let (address, upstream) = authority.upstream(host, 1);
        let egress = egress();
        let uri = format!("https://{host}:{}/", address.port());
        let sent = send(&egress, &authority.destination(), get(&uri))
            .await
            .unwrap();
        assert_eq!(text(sent).await, "secret");
        drop(egress);
        assert_eq!(heads(upstream).await.len(), 1);
    }
}

#[tokio::test]
async fn a_wrong_name_is_refused() {
    let authority = Authority::new();
    let (address, upstream) = authority.upstream("other.example", 1);
    let uri = format!("https://{address}/");
    let error = send(&egress(), &authority.destination(), get(uri))
        .await
        .unwrap_err();
    assert_untrusted(&error);
    assert!(error.to_string().contains("not valid for name"), "{error}");
    assert!(heads(upstream).await.is_empty());
}

#[tokio::test]
async fn a_wrong_authority_is_refused() {
    let authority = Authority::new();
    let (address, upstream) = authority.upstream("127.0.0.1", 1);
    let uri = format!("https://{address}/");
    let error = send(&egress(), &Authority::new().destination(), get(uri))
        .await
        .unwrap_err();
    assert_untrusted(&error);
    assert!(heads(upstream).await.is_empty());
}

#[tokio::test]
async fn the_system_does_not_trust_an_unknown_authority() {
    let authority = Authority::new();
    let (address, upstream) = authority.upstream("127.0.0.1", 1);
    let error = send(&egress(), &PRIVATE, get(format!("https://{address}/")))
        .await
        .unwrap_err();
    match error {
        // A machine without certificates: nothing was connected to.
        EgressError::NoRoots(_) => drop(std::net::TcpStream::connect(address).unwrap()),
        error => assert_untrusted(&error),
    }
    assert!(heads(upstream).await.is_empty());
}

/// An open connection that one authority vouches for is nothing to a destination that
/// trusts another.
#[tokio::test]
async fn trust_is_not_shared_through_the_pool() {
    let authority = Authority::new();
    let (address, upstream) = authority.upstream("127.0.0.1", 2);
    let uri = format!("https://{address}/");
    let egress = egress();
    let sent = send(&egress, &authority.destination(), get(&uri))
        .await
        .unwrap();
    assert_eq!(text(sent).await, "secret");
    let other = Authority::new();
    let refused = send(&egress, &other.destination(), get(&uri)).await;
    assert_untrusted(&refused.unwrap_err());
    drop(egress);
    assert_eq!(heads(upstream).await.len(), 1);
}

#[tokio::test]
async fn no_tls_behind_https() {
    let (address, upstream) = upstream(|listener| {
        let mut stream = accept(&listener);
        read_until(&mut stream, b"\x16")?;
        answer(&mut stream, "cleartext");
        Some(())
    });
    let authority = Authority::new();
    let uri = format!("https://{address}/");
    let error = send(&egress(), &authority.destination(), get(uri))
        .await
        .unwrap_err();
    assert_untrusted(&error);
    assert_eq!(upstream.join().unwrap(), Some(()));
}

#[tokio::test]
async fn own_certificates_are_checked_whole() {
    let (first, second) = (Authority::new(), Authority::new());
    let both = format!("# ours\n{}\n{}", first.pem, second.pem);
    assert_eq!(Egress::check_ca(&both), Ok(()));

    let key = KeyPair::generate().unwrap().serialize_pem();
    let not_der = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let bad = [
        String::new(),
        "hello".to_owned(),
        not_der.to_owned(),
        format!("{}{not_der}", first.pem),
        format!("{}{key}", first.pem),
        first.pem.replace("-----END", "---END"),
        first.pem.repeat(65),
        format!("{}{}", first.pem, " ".repeat(MAX_CA_BYTES)),
    ];
    for pem in bad {
        assert!(
            matches!(Egress::check_ca(&pem), Err(EgressError::BadCa(_))),
            "{pem}"
        );
        let destination = Destination {
            zone: None,
            allow_private: true,
            ca_pem: Some(&pem),
            protocol: UpstreamProtocol::Auto,
        };
        let error = send(&egress(), &destination, get("https://127.0.0.1:9/"))
            .await
            .unwrap_err();
        assert!(matches!(error, EgressError::BadCa(_)) && error.is_before_write());
    }
}

type Tls = StreamOwned<ServerConnection, TcpStream>;

fn accept_tls(listener: &TcpListener, config: &Arc<ServerConfig>) -> Tls {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    StreamOwned::new(connection, accept(listener))
}

#[tokio::test]
async fn the_protocol_is_agreed_on() {
    use UpstreamProtocol::{Auto, Http1, Http2};
    let table: [(UpstreamProtocol, &[&str], Option<&str>); 8] = [
        (Auto, &["h2", "http/1.1"], Some("http/1.1")),
        (Auto, &["http/1.1"], Some("http/1.1")),
        // An upstream that never heard of the question speaks HTTP/1.1.
        (Auto, &[], Some("")),
        (Http1, &["http/1.1", "h2"], Some("http/1.1")),
        (Http1, &[], Some("")),
        (Http2, &["http/1.1", "h2"], Some("h2")),
        (Http2, &["http/1.1"], None),
        (Http2, &[], None),
    ];
    for (protocol, offered, agreed) in table {
        let authority = Authority::new();
        let config = authority.config("127.0.0.1", offered);
        let (address, upstream) = upstream(move |listener| {
            let mut stream = accept_tls(&listener, &config);
            // Ends the handshake, or fails with it.
            if stream.conn.complete_io(&mut stream.sock).is_err() {
                return None;
            }
            let agreed = stream.conn.alpn_protocol().unwrap_or_default().to_vec();
            if agreed == b"h2" {
                let mut frames = Frames::over(stream, &[])?;
                let number = frames.request()?;
                frames.answer(number, b"over h2");
            } else {
                read_head(&mut stream)?;
                answer(&mut stream, "over h1");
            }
            Some(String::from_utf8(agreed).unwrap())
        });
        let destination = authority.destination_in(protocol);
        let egress = egress();
        let sent = send(&egress, &destination, get(format!("https://{address}/"))).await;
        let seen = tokio::task::spawn_blocking(|| upstream.join().unwrap());
        match (sent, agreed) {
            (Ok(sent), Some(agreed)) => {
                let body = if agreed == "h2" { "over h2" } else { "over h1" };
                assert_eq!(text(sent).await, body);
                assert_eq!(seen.await.unwrap().as_deref(), Some(agreed));
            }
            (Err(error), None) => {
                assert_untrusted(&error);
                assert_eq!(seen.await.unwrap(), None, "something was sent");
            }
            (sent, _) => panic!("{protocol:?} {offered:?}: {sent:?}"),
        }
    }
}

/// Requests that wait for a connection which another one opens are not lost with it.
#[tokio::test]
async fn who_waits_for_a_connection_that_fails_gets_another() {
    let authority = Authority::new();
    let config = authority.config("127.0.0.1", &["h2"]);
    let (address, upstream) = upstream(move |listener| {
        // Gone in the middle of the handshake.
        let mut stream = accept(&listener);
        std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
        drop(stream);
        let mut served = 0;
        while let Some(mut frames) = Frames::over(accept_tls(&listener, &config), &[]) {
            while let Some(stream) = frames.request() {
                frames.answer(stream, b"ok");
                served += 1;
            }
            if served >= 3 {
                break;
            }
        }
        served
    });
    let destination = authority.destination_in(UpstreamProtocol::Http2);
    let egress = egress();
    let uri = format!("https://{address}/");
    let all = (0..4).map(|_| send(&egress, &destination, get(&uri)));
    let answers = futures_util::future::join_all(all).await;
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(failed, 1, "only the one that opened it fails: {answers:?}");
    drop((answers, egress));
    let served = tokio::task::spawn_blocking(|| upstream.join().unwrap());
    assert_eq!(served.await.unwrap(), 3);
}

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener};

use http::{HeaderValue, Method, StatusCode, Version};

use super::upstream::*;
use crate::{Destination, Egress, EgressError, EgressRules, Refusal};

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn nobody_came(listener: &TcpListener) -> bool {
    listener
        .accept()
        .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn refusal<T>(result: Result<T, EgressError>) -> Option<Refusal> {
    match result {
        Err(error @ EgressError::Forbidden { refusal, .. }) if error.is_before_write() => {
            Some(refusal)
        }
        _ => None,
    }
}

#[tokio::test]
async fn loopback_needs_instance_and_destination() {
    let (listener, address) = listener();
    let port = address.port();
    let hosts = ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "localhost"];
    for (instance, destination) in [(false, false), (false, true), (true, false)] {
        let egress = Egress::new(EgressRules {
            allow_private: instance,
            forbidden: vec![],
        })
        .unwrap();
        let destination = Destination {
            zone: None,
            allow_private: destination,
            ca_pem: None,
            protocol: caracal_core::UpstreamProtocol::Auto,
        };
        for host in hosts {
            let sent = send(&egress, &destination, get(format!("http://{host}:{port}/"))).await;
            assert_eq!(refusal(sent), Some(Refusal::Private), "{host}");
            let resolved = egress.resolve_checked(&destination, host, port).await;
            assert_eq!(refusal(resolved), Some(Refusal::Private), "{host}");
        }
        for host in [
            "127.1",
            "2130706433",
            "0x7f.1",
            "0",
            "0.0.0.0",
            "localhost.",
        ] {
            let sent = send(&egress, &destination, get(format!("http://{host}:{port}/"))).await;
            assert!(sent.is_err(), "{host}");
        }
    }
    assert!(nobody_came(&listener));
}

#[tokio::test]
async fn own_listeners_are_out_of_reach() {
    let (listener, address) = listener();
    let port = address.port();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], port));
    for own in [address, everywhere] {
        let egress = Egress::new(EgressRules {
            allow_private: true,
            forbidden: vec![own],
        })
        .unwrap();
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            let sent = send(&egress, &PRIVATE, get(format!("http://{host}:{port}/"))).await;
            // Where `localhost` is also `::1`, that is not the exact listener and merely closed.
            if host == "localhost" && own == address {
                assert!(sent.is_err_and(|error| error.is_before_write()));
            } else {
                assert_eq!(refusal(sent), Some(Refusal::OwnListener), "{host} {own}");
            }
        }
    }
    assert!(nobody_came(&listener));
}

#[tokio::test]
async fn a_new_rule_ends_idle_connections() {
    let (address, upstream) = upstream(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream).unwrap();
        answer(&mut stream, "once");
        read_head(&mut stream)
    });
    let egress = egress();
    let uri = format!("http://{address}/");
    assert_eq!(
        text(send(&egress, &PRIVATE, get(&uri)).await.unwrap()).await,
        "once"
    );
    egress.set_forbidden(vec![address]);
    assert_eq!(
        refusal(send(&egress, &PRIVATE, get(&uri)).await),
        Some(Refusal::OwnListener)
    );
    drop(egress);
    assert_eq!(
        tokio::task::spawn_blocking(|| upstream.join().unwrap())
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn metadata_is_out_of_reach_for_everyone() {
    let egress = egress();
    for host in [
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "[::ffff:a9fe:a9fe]",
        "2852039166",
    ] {
        let sent = send(
            &egress,
            &PRIVATE,
            get(format!("http://{host}/latest/meta-data/")),
        )
        .await;
        assert!(sent.is_err_and(|error| error.is_before_write()), "{host}");
    }
}

#[tokio::test]
async fn redirects_are_answers_and_host_is_that_of_the_uri() {
    let (address, upstream) = upstream(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream).unwrap();
        let redirect =
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(redirect).unwrap();
        head
    });
    let mut request = get(format!("http://{address}/"));
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static("elsewhere.example"));
    // As a request that came in over HTTP/2 would have it.
    *request.version_mut() = Version::HTTP_2;
    let answer = send(&egress(), &PRIVATE, request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    let head = upstream.join().unwrap();
    assert!(
        head.contains(&format!("host: {address}\r\n")) && !head.contains("elsewhere"),
        "{head}"
    );
}

#[tokio::test]
async fn targets_that_are_none() {
    let egress = egress();
    let mut tunnel = get("http://example.com:443/");
    *tunnel.method_mut() = Method::CONNECT;
    let others = [
        "ftp://example.com/",
        "/path",
        "http://user:hunter2@example.com/",
        "example.com:80",
    ];
    for request in others.map(get).into_iter().chain([tunnel]) {
        let uri = request.uri().clone();
        let error = send(&egress, &PRIVATE, request).await.unwrap_err();
        assert!(matches!(error, EgressError::BadTarget(_)), "{uri}: {error}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

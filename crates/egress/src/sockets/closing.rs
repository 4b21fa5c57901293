//! Upstreams that close or reset connections.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::Shutdown;

use super::upstream::*;
use crate::EgressError;

#[tokio::test]
async fn a_reset_after_the_request_is_never_replayed() {
    for with_body in [false, true] {
        let (address, upstream) = upstream(|listener| {
            // A socket closed with unread bytes resets its connection.
            let mut stream = accept(&listener);
            stream.read_exact(&mut [0]).unwrap();
            drop(stream);
            listener
        });
        let uri = format!("http://{address}/");
        let request = if with_body {
            post(uri, "effect")
        } else {
            get(uri)
        };
        let error = send(&egress(), &PRIVATE, request).await.unwrap_err();
        assert!(
            matches!(error, EgressError::Broken { written: true, .. }),
            "{error:?}"
        );
        assert!(!error.is_before_write());
        let listener = upstream.join().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "the request came again");
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_nothing() {
    let (noticed, notice) = tokio::sync::oneshot::channel();
    let (address, upstream) = upstream(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream).unwrap();
        answer(&mut stream, "first");
        stream.shutdown(Shutdown::Write).unwrap();
        // Ends when the other side has noticed and closed too.
        assert_eq!(read_head(&mut stream), None);
        noticed.send(()).unwrap();
        let mut stream = accept(&listener);
        read_head(&mut stream).unwrap();
        answer(&mut stream, "second");
    });
    let egress = egress();
    let uri = format!("http://{address}/");
    assert_eq!(
        text(send(&egress, &PRIVATE, post(&uri, "a")).await.unwrap()).await,
        "first"
    );
    notice.await.unwrap();
    assert_eq!(
        text(send(&egress, &PRIVATE, post(&uri, "b")).await.unwrap()).await,
        "second"
    );
    upstream.join().unwrap();
}

/// The upstream closes after every answer without saying so, and requests follow at once:
/// some meet a connection that is about to close. However each race ends, no request is
/// seen twice, and one that is called unwritten was not seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_with_a_closing_upstream_replay_nothing() {
    const ROUNDS: usize = 300;
    let (address, upstream) = upstream(|listener| {
        let mut seen = BTreeMap::<String, usize>::new();
        loop {
            let mut stream = accept(&listener);
            let Some(head) = read_head(&mut stream) else {
                continue;
            };
            let path = head.split(' ').nth(1).unwrap().to_owned();
            answer(&mut stream, "ok");
            if path == "/stop" {
                return seen;
            }
            *seen.entry(path).or_default() += 1;
        }
    });
    let egress = egress();
    let mut results = Vec::new();
    for round in 0..ROUNDS {
        let path = format!("/{round}");
        let sent = send(&egress, &PRIVATE, get(format!("http://{address}{path}"))).await;
        let result = match sent {
            Ok(answer) => {
                assert_eq!(text(answer).await, "ok");
                Ok(())
            }
            Err(error) => Err(error),
        };
        results.push((path, result));
    }
    while send(&egress, &PRIVATE, get(format!("http://{address}/stop")))
        .await
        .is_err()
    {}
    let seen = upstream.join().unwrap();
    let unwritten = |(_, result): &&(String, Result<(), EgressError>)| {
        result.as_ref().is_err_and(EgressError::is_before_write)
    };
    // Without a second try it is every tenth.
    assert!(results.iter().filter(unwritten).count() < ROUNDS / 30);
    for (path, result) in results {
        let times = seen.get(&path).copied().unwrap_or(0);
        match result {
            Ok(()) => assert_eq!(times, 1, "{path}"),
            Err(error) if error.is_before_write() => assert_eq!(times, 0, "{path}: {error}"),
            Err(error) => {
                assert!(
                    matches!(error, EgressError::Broken { .. }),
                    "{path}: {error:?}"
                );
                assert!(times <= 1, "{path}");
            }
        }
    }
}

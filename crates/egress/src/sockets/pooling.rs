use std::net::TcpListener;

use super::upstream::*;
use crate::{ConnectedTo, EgressError};

/// Answers every request of the only connection it takes, until that one ends.
fn serve_one_connection(listener: TcpListener) -> usize {
    let mut stream = accept(&listener);
    drop(listener);
    let mut served = 0;
    while read_head(&mut stream).is_some() {
        served += 1;
        answer(&mut stream, "again");
    }
    served
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let (address, upstream) = upstream(serve_one_connection);
    let egress = egress();
    for round in 0..5 {
        let sent = send(&egress, &PRIVATE, get(format!("http://{address}/{round}")))
            .await
            .unwrap();
        assert_eq!(sent.extensions().get(), Some(&ConnectedTo(address)));
        assert_eq!(text(sent).await, "again");
        // The connection's own task hands it back to the pool; nothing else runs here.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    drop(egress);
    let served = tokio::task::spawn_blocking(|| upstream.join().unwrap())
        .await
        .unwrap();
    assert_eq!(served, 5);
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(&egress(), &PRIVATE, get(format!("http://{address}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
    assert!(error.is_before_write());
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

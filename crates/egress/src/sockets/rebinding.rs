//! Names that change their addresses.

use super::http2::PRIOR;
use super::http2_frames::Frames;
use super::upstream::*;
use crate::{ConnectedTo, Destination, Egress, EgressError, EgressRules, Refusal};

const NAME: &str = "changes.example";

fn is_forbidden<T>(result: Result<T, EgressError>) -> bool {
    result.is_err_and(|error| {
        error.is_before_write() && matches!(error, EgressError::Forbidden { .. })
    })
}

#[tokio::test]
async fn only_the_addresses_that_are_allowed_are_tried() {
    let egress = Egress::new(EgressRules::default()).unwrap();
    let closed = Destination::default();
    let table: [(&[&str], bool); 5] = [
        (&["127.0.0.1"], true),
        (&["10.0.0.1", "::1", "fd00::1"], true),
        (&["169.254.169.254", "::ffff:127.0.0.1"], true),
        (&["203.0.113.1", "10.0.0.1"], true),
        (&["10.0.0.1", "93.184.216.34"], false),
    ];
    for (addresses, all_forbidden) in table {
        egress.resolver().pretend(NAME, addresses);
        let found = egress.resolve_checked(&closed, NAME, 80).await;
        if all_forbidden {
            assert!(is_forbidden(found), "{addresses:?}");
        } else {
            assert_eq!(found, Ok(vec!["93.184.216.34:80".parse().unwrap()]));
        }
    }
}

/// A pooled connection stays with the address it was checked for; the next one is checked anew.
#[tokio::test]
async fn a_change_is_met_by_the_next_connection() {
    let (ending, ended) = std::sync::mpsc::channel::<()>();
    let (address, upstream) = upstream(move |listener| {
        let mut stream = accept(&listener);
        for _ in 0..2 {
            read_head(&mut stream).unwrap();
            answer(&mut stream, "checked");
        }
        ended.recv().unwrap();
        drop(stream);
        listener
    });
    let egress = egress();
    let uri = format!("http://{NAME}:{}/", address.port());
    egress.resolver().pretend(NAME, &["127.0.0.1"]);
    let sent = send(&egress, &PRIVATE, get(&uri)).await.unwrap();
    assert_eq!(text(sent).await, "checked");
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    egress.resolver().pretend(NAME, &["169.254.169.254"]);
    let sent = send(&egress, &PRIVATE, get(&uri)).await.unwrap();
    assert_eq!(sent.extensions().get(), Some(&ConnectedTo(address)));
    assert_eq!(text(sent).await, "checked");
    ending.send(()).unwrap();
    let listener = tokio::task::spawn_blocking(|| upstream.join().unwrap())
        .await
        .unwrap();
    // The end of the connection has to be noticed first.
    let refused = loop {
        let sent = send(&egress, &PRIVATE, get(&uri)).await;
        if !matches!(sent, Err(EgressError::Broken { .. })) {
            break sent;
        }
    };
    assert!(is_forbidden(refused));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
}

#[tokio::test]
async fn a_shared_connection_is_no_way_around_the_other_rules() {
    let (address, upstream) = upstream(|listener| {
        let mut frames = Frames::accept(&listener, &[]);
        let stream = frames.request().unwrap();
        frames.answer(stream, b"once");
        frames.count_requests()
    });
    let egress = egress();
    let uri = format!("http://{address}/");
    let sent = send(&egress, &PRIOR, get(&uri)).await.unwrap();
    assert_eq!(text(sent).await, "once");
    // Open, but not for a destination that may not go to private addresses.
    let closed = Destination {
        zone: None,
        allow_private: false,
        ..PRIOR
    };
    assert!(is_forbidden(send(&egress, &closed, get(&uri)).await));
    // Nor for anyone once the address is one of our own.
    egress.set_forbidden(vec![address]);
    let sent = send(&egress, &PRIOR, get(&uri)).await;
    assert!(matches!(
        sent,
        Err(EgressError::Forbidden {
            refusal: Refusal::OwnListener,
            ..
        })
    ));
    drop(egress);
    let more = tokio::task::spawn_blocking(|| upstream.join().unwrap());
    assert_eq!(more.await.unwrap(), 0);
}

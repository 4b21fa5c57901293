//! How much of the door anybody may take.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use caracal_api::ApiConfig;
use caracal_core::{ClientAddress, Event, ZoneId};
use caracal_engine::{Admin, Operator, Query};
use caracal_wire::StatusView;
use http::Request;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::world::{HOST, World};

/// A door that takes three bad tokens a minute.
fn strict(world: &World) -> Router {
    let status = Arc::new(StatusView::default);
    let mut config = ApiConfig::new(
        "http://localhost:3001",
        3001,
        "1.2.3",
        status,
        CancellationToken::new(),
    );
    config.bad_secrets_per_minute = 3;
    caracal_api::router(world.engine.clone(), config)
}

async fn ask(door: &Router, client: ClientAddress, token: &str) -> (u16, Option<String>) {
    let mut request = Request::get("/v1/zones").header("host", HOST);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(client);
    let answer = door.clone().oneshot(request).await.unwrap();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), retry_after)
}

fn at(address: &str) -> ClientAddress {
    ClientAddress::network(address.parse::<IpAddr>().unwrap())
}

#[tokio::test]
async fn bad_tokens_are_told_to_slow_down_and_good_ones_never_are() {
    let world = World::start().await;
    let owner = world.owner().await;
    let door = strict(&world);
    let here = at("2001:db8::1");
    for bad in ["guess", "caracal_token_x.y.z", &owner[..owner.len() - 1]] {
        assert_eq!(ask(&door, here, bad).await, (401, None), "{bad:.20}");
    }
    // The neighbours of an address are the same source; nobody else is.
    for client in [here, at("2001:db8::ffff:1")] {
        let (status, retry_after) = ask(&door, client, "guess").await;
        assert_eq!(status, 429);
        assert!((1..=20).contains(&retry_after.unwrap().parse::<u64>().unwrap()));
    }
    assert_eq!(ask(&door, here, &owner).await, (200, None));
    assert_eq!(ask(&door, here, "").await, (401, None));
    assert_eq!(ask(&door, at("2001:db8:0:1::1"), "guess").await.0, 401);
    for _ in 0..10 {
        assert_eq!(ask(&door, ClientAddress::Local, "guess").await.0, 401);
    }

    // None of it has an event of its own.
    world.engine.summarize_refusals().await;
    let admin = Admin::new(Operator::local(), "req_test");
    let query = Query {
        zone: Some(ZoneId::INSTANCE),
        event_type: Some("refusals.summarized".to_owned()),
        limit: 10,
        ..Query::default()
    };
    let page = world
        .engine
        .search_events(ZoneId::INSTANCE, &admin, query)
        .await
        .unwrap();
    assert_eq!(page.leaves.len(), 1);
    let event: Event = serde_json::from_slice(&page.leaves[0].1).unwrap();
    let counts = event.counts.unwrap();
    assert_eq!(counts["console.rate_limited"], 2);
    assert_eq!(counts["console.unauthenticated"], 3 + 1 + 1 + 10);
}

#[tokio::test]
async fn json_is_bounded_in_depth_and_number() {
    let world = World::start().await;
    let owner = world.owner().await;
    let send = async |body: String| {
        let request = Request::post("/v1/apply")
            .header("host", HOST)
            .header("authorization", format!("Bearer {owner}"))
            .header("content-type", "application/json")
            .body(Body::from(body));
        world.send(request.unwrap()).await
    };
    for depth in [200, 100_000] {
        let nested = format!(
            r#"{{"zone":"acme","applications":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let answer = send(nested).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 422),
            "{}",
            answer.text()
        );
    }
    let many: Vec<Value> = (0..10_001)
        .map(|n| json!({"name": format!("app-{n}")}))
        .collect();
    let answer = send(json!({"zone": "acme", "applications": many}).to_string()).await;
    assert_eq!(answer.status.as_u16(), 422, "{:.200}", answer.text());
    let labels: Vec<String> = (0..10_000).map(|n| format!("l{n}")).collect();
    let wide = json!({"zone": "acme", "applications": [{"name": "wide", "labels": labels}]});
    assert_eq!(send(wide.to_string()).await.status.as_u16(), 422);
    assert_eq!(send(" ".repeat(9 * 1024 * 1024)).await.status.as_u16(), 413);
}

//! Programs of other people's making, unmodified.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::harness::{KEY, Stack, Upstream, python};

/// Answers as a model's API does, to its own key only.
async fn openai_like(request: Request) -> Response {
    let key = request.headers().get("authorization").cloned();
    if key.is_none_or(|key| key != format!("Bearer {KEY}").as_str()) {
        return (StatusCode::UNAUTHORIZED, "wrong key").into_response();
    }
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/v1/models") => {
            let model = json!({ "id": "m1", "object": "model", "created": 1, "owned_by": "story" });
            axum::Json(json!({ "object": "list", "data": [model] })).into_response()
        }
        ("POST", "/v1/chat/completions") => {
            let mut body = String::new();
            for text in ["Hel", "lo", "!"] {
                let delta =
                    json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
                let chunk = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m1", "choices": [delta] });
                body.push_str(&format!("data: {chunk}\n\n"));
            }
            body.push_str("data: [DONE]\n\n");
            ([("content-type", "text/event-stream")], body).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn serve_openai() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(openai_like);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn zone_file(upstream: &str) -> String {
    format!(
        r#"
zone: models
applications:
  - name: anton
  - name: lister
providers:
  - name: openai
    kind: bearer
    secret: {{ from_env: STORY_KEY }}
resources:
  - name: openai
    upstream: {upstream}
    provider: openai
    allow_private: true
    scopes: [openai:models, openai:chat]
    operations:
      - {{ method: GET, path: /v1/models, scope: openai:models }}
      - {{ method: POST, path: "/v1/chat/**", scope: openai:chat }}
policies:
  - name: anton
    cedar: |
      permit (principal in Application::"anton", action, resource == Resource::"resource://openai");
  - name: lister
    cedar: |
      permit (principal in Application::"lister", action == Action::"openai:models", resource);
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_package_lists_models_and_streams_a_chat() {
    let upstream = serve_openai().await;
    let mut stack = Stack::start();
    stack.set("STORY_KEY", KEY);
    let applied = stack.apply(&zone_file(&upstream));
    let base = format!("{}/r/openai/v1", stack.gateway);
    let chat = |mandate: &str| {
        let env = [("OPENAI_BASE_URL", &*base), ("OPENAI_API_KEY", mandate)];
        python("openai_client.py", &[], &env, "")
    };

    let client = stack.client(&applied, "anton");
    let done = chat(&client.mint("resource://openai", "").await)
        .ok()
        .json();
    assert_eq!(
        done,
        json!({ "models": ["m1"], "chunks": 3, "text": "Hello!" })
    );

    // Who may only list gets the package's own error; so does who brings the upstream's key,
    // which is no mandate.
    let lister = stack.client(&applied, "lister");
    let lister = lister.mint("resource://openai", "").await;
    for (key, error) in [
        (&*lister, "PermissionDeniedError"),
        (KEY, "AuthenticationError"),
    ] {
        let refused = chat(key).fails(1);
        assert!(refused.stderr.contains(error), "{}", refused.stderr);
    }
    let events = stack.events("models");
    let denied: Vec<_> = events
        .iter()
        .filter(|e| e["type"] == "call.denied")
        .collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(denied[0]["reason"], "scope_missing");
    assert_eq!(denied[0]["operation"]["path"], "/v1/chat/**");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_verifier_holds_a_mandate_to_the_issuers_metadata() {
    let upstream = Upstream::start().await;
    let mut stack = Stack::start();
    stack.set("STORY_KEY", KEY);
    let applied = stack.apply(&zone_file(&upstream.url()));
    let zone = applied["zone"]["id"].as_str().unwrap();
    let issuer = format!("{}/zones/{zone}", stack.sts);
    let client = stack.client(&applied, "anton");
    let mandate = client.mint("resource://openai", "openai:chat").await;

    let gateway_url = format!("{}/zones/{zone}/r/openai", stack.gateway);
    for audience in ["resource://openai", &gateway_url] {
        let claims = python("verify_mandate.py", &[&issuer, audience], &[], &mandate)
            .ok()
            .json();
        assert_eq!(claims["iss"], issuer);
        assert_eq!(claims["client_id"], client.id);
        assert_eq!(claims["sub"], client.id);
        assert_eq!(claims["scope"], "openai:chat");
        assert_eq!(claims["zone"], zone);
    }
    let wrong = python(
        "verify_mandate.py",
        &[&issuer, "resource://other"],
        &[],
        &mandate,
    );
    assert!(wrong.fails(1).stderr.contains("not verified"));
    let (head, _) = mandate.rsplit_once('.').unwrap();
    let other = client.mint("resource://openai", "openai:chat").await;
    let mixed = format!("{head}.{}", other.rsplit_once('.').unwrap().1);
    let tampered = python(
        "verify_mandate.py",
        &[&issuer, "resource://openai"],
        &[],
        &mixed,
    );
    assert!(tampered.fails(1).stderr.contains("not verified"));
}

//! Resources that take a mandate, or a proof of its key, for one call.

use serde_json::json;

use crate::harness::{Answer, KEY, Protected, Prover, Stack, Upstream, nonce_of};

/// A running zone whose resource takes everything once.
async fn start() -> Protected {
    let upstream = Upstream::start().await;
    let mut stack = Stack::start();
    stack.set("STORY_KEY", KEY);
    let file = Protected::zone_file("acme", &upstream).replace(
        "    provider: key\n",
        "    provider: key\n    single_use: true\n",
    );
    let applied = stack.apply(&file);
    let client = stack.client(&applied, "anton");
    Protected {
        upstream,
        stack,
        client,
    }
}

/// The answer of a replay: told apart from all others.
fn assert_replayed(answer: &Answer) {
    assert_eq!(
        (answer.status, &*answer.refusal()),
        (401, "mandate_replayed")
    );
    assert!(answer.header("www-authenticate").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mandate_is_good_for_one_call_whatever_happens_to_the_server() {
    let mut world = start().await;
    let client = world.client.clone();
    let mandate = world.mint().await;
    let call = || client.call("GET", "/r/items/items/1", &mandate);
    let (first, second) = tokio::join!(call(), call());
    let (passed, refused) = match first.status {
        200 => (first, second),
        _ => (second, first),
    };
    assert_eq!(passed.status, 200, "{passed:?}");
    assert_replayed(&refused);
    assert_eq!(world.upstream.seen().len(), 1);
    // Where the call is not let through anyway, nothing is used.
    let denied = world.mint().await;
    let refused = client.call("DELETE", "/r/items/items/1", &denied).await;
    assert_eq!(refused.refusal(), "scope_missing");
    assert_eq!(
        client.call("GET", "/r/items/x", &denied).await.status,
        200,
        "it was not used before"
    );

    world.stack.kill();
    world.stack.up();
    for used in [&mandate, &denied] {
        assert_replayed(&client.call("GET", "/r/items/items/1", used).await);
    }
    let fresh = world.mint().await;
    world.call(&fresh).await;
    // A planned restart neither forgets.
    world.stack.cli(&["restart"]).ok();
    assert_replayed(&client.call("GET", "/r/items/items/1", &fresh).await);
    assert_eq!(world.upstream.seen().len(), 3);

    let events = world.stack.events("acme");
    let replayed = events
        .iter()
        .filter(|e| e["type"] == "call.denied" && e["reason"] == "mandate_replayed");
    assert_eq!(replayed.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_good_for_one_call_whatever_happens_to_the_server() {
    let mut prover = Prover::in_world(start().await);
    let mandate = prover.mint().await;
    let asked = prover.call_claims(&mandate, "");
    let mut answer = prover.call("DPoP", &mandate, &[prover.sign(&asked)]).await;
    // A nonce is good for 10 s at least: where the restart takes longer than it may, it is that
    // one which stops the thief, and the story is told again.
    for round in 0.. {
        let claims = prover.call_claims(&mandate, &nonce_of(&answer));
        let proof = [prover.sign(&claims)];
        assert_eq!(prover.call("DPoP", &mandate, &proof).await.status, 200);
        assert_replayed(&prover.call("DPoP", &mandate, &proof).await);
        prover.world.stack.kill();
        prover.world.stack.up();
        // The server has forgotten the proof; the store has not.
        answer = prover.call("DPoP", &mandate, &proof).await;
        if answer.refusal() != "use_dpop_nonce" {
            assert_replayed(&answer);
            break;
        }
        assert!(round < 5, "no restart within 10 s");
    }
    let fresh = prover.call_claims(&mandate, &nonce_of(&answer));
    let passed = prover.call("DPoP", &mandate, &[prover.sign(&fresh)]).await;
    assert_eq!(passed.status, 200, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setting_is_shown_exported_and_restored_without_old_claims() {
    let world = start().await;
    let stack = &world.stack;
    let shown = stack.cli(&["resource", "show", "items", "--json"]).ok();
    assert_eq!(shown.json()["single_use"], json!(true));
    let exported = stack.cli(&["export", "--zone", "acme"]).ok().stdout;
    assert!(exported.contains("single_use: true"), "{exported}");
    assert_eq!(stack.apply(&exported)["changes"], 0);
    let off = exported.replace("single_use: true", "single_use: false");
    let told = stack.cli_with(&["diff", "-f", "-"], &off).ok().stdout;
    assert!(told.contains("single_use: true → not set"), "{told}");

    let mandate = world.mint().await;
    world.call(&mandate).await;
    let claims = |stack: &Stack| {
        let state = rusqlite::Connection::open(stack.file("state.db")).unwrap();
        let count = "SELECT count(*) FROM claims";
        state
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(claims(stack), 1);
    let file = stack.beside().join("backup.tar");
    stack.cli(&["backup", file.to_str().unwrap()]).ok();
    let mut other = Stack::new();
    std::fs::create_dir_all(&other.home).unwrap();
    std::fs::copy(stack.file("master.key"), other.file("master.key")).unwrap();
    other.cli(&["restore", file.to_str().unwrap()]).ok();
    assert_eq!(claims(&other), 0);
    other.set("STORY_KEY", KEY);
    other.up();
    let client = crate::harness::Client::new(&other, &world.client.id, &world.client.secret);
    // What was used there is dead here for another reason.
    let dead = client.call("GET", "/r/items/items/1", &mandate).await;
    assert_eq!(dead.refusal(), "mandate_revoked");
}

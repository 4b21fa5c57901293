//! The power goes at random moments: what was synced is there, what was not is gone, torn, or
//! there in part, and nothing that was acknowledged is lost.

use std::time::Instant;

use serde_json::json;

use crate::harness::{
    Dice, Disk, Journal, Lie, Loss, Promises, Protected, Recorded, Stack, check_home, http,
};

/// How many moments: `CARACAL_TEST_POWER_CUTS`, or 1,000 in the long run, or a few.
fn moments() -> usize {
    let named = std::env::var("CARACAL_TEST_POWER_CUTS").ok();
    let long = std::env::var_os("CARACAL_TEST_LONG").is_some();
    named.map_or(if long { 1000 } else { 40 }, |count| {
        count
            .parse()
            .expect("`CARACAL_TEST_POWER_CUTS` is a number")
    })
}

/// What chance begins with: `CARACAL_TEST_SEED`, or the time.
fn seed() -> u64 {
    let named = std::env::var("CARACAL_TEST_SEED").ok();
    named.map_or_else(
        || u64::from_le_bytes(caracal_crypto::random_bytes()),
        |seed| seed.parse().expect("`CARACAL_TEST_SEED` is a number"),
    )
}

/// A server's life, from its first start to its death under load.
async fn run(rounds: usize) -> (Journal, Promises) {
    let (recorded, stack) = Recorded::start();
    let protected = Protected::around(stack).await;
    let token = protected
        .stack
        .cli(&["token", "create", "load", "--role", "owner", "--json"])
        .ok()
        .json();
    // One after the other first: as many starts as calls, and no more.
    let mandate = protected.mint().await;
    for _ in 0..20 {
        protected.call(&mandate).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let client = protected.client.clone();
        tasks.spawn(async move {
            for _ in 0..rounds {
                let mandate = client.mint("resource://items", "items:read").await;
                for _ in 0..8 {
                    let answer = client.call("GET", "/r/items/items/1", &mandate).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            }
        });
        let url = format!("{}/v1/zones/acme/applications", protected.stack.console);
        let token = token["token"].as_str().unwrap().to_owned();
        tasks.spawn(async move {
            let http = http();
            for n in 0..rounds * 2 {
                let body = json!({ "name": format!("app-{task}-{n}") });
                let request = http.post(&url).bearer_auth(&token).json(&body);
                assert_eq!(request.send().await.unwrap().status(), 201);
            }
        });
    }
    tasks.join_all().await;
    let journal = recorded.stop();
    let promises = Promises::of(&journal, protected.upstream.address.port());
    assert_eq!(promises.receipts.len(), 20 + rounds * 32);
    assert_eq!(promises.mandates.len(), 1 + rounds * 4);
    assert_eq!(promises.applications.len(), rounds * 8);
    assert_eq!(promises.effects.len(), promises.receipts.len());
    assert_eq!(promises.effects.len(), protected.upstream.seen().len());
    (journal, promises)
}

/// A place for what is left, in memory where that is possible.
fn place() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let root = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("caracal-power-")
        .tempdir_in(root)
        .unwrap()
}

/// Lets the power go after `cut` records.
async fn lose(
    disk: &Disk<'_>,
    promises: &Promises,
    cut: usize,
    loss: Loss,
    dice: &mut Dice,
) -> Result<(), String> {
    let place = place();
    disk.write_out(place.path(), loss, dice);
    check_home(place.path(), promises, cut).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_with_the_power() {
    let moments = moments();
    let (journal, promises) = run(if moments > 100 { 20 } else { 3 }).await;
    let seed = seed();
    println!("CARACAL_TEST_SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut cuts: Vec<usize> = (0..moments)
        .map(|_| dice.below(journal.records.len()) + 1)
        .collect();
    cuts.sort_unstable();
    let begun = Instant::now();
    let mut disk = Disk::new(&journal, Lie::None);
    let mut lost = Vec::new();
    for cut in &cuts {
        disk.play_to(*cut);
        for loss in [Loss::Everything, Loss::Some] {
            if let Err(why) = lose(&disk, &promises, *cut, loss, &mut dice).await {
                lost.push(format!("{loss:?} after record {cut}: {why}"));
            }
        }
    }
    assert!(
        lost.is_empty(),
        "{} times:\n{}",
        lost.len(),
        lost.join("\n")
    );
    println!(
        "{moments} moments of {} records, twice each, in {:?}: {} calls, {} mandates, {} applications",
        journal.records.len(),
        begun.elapsed(),
        promises.receipts.len(),
        promises.mandates.len(),
        promises.applications.len(),
    );
    // What is left at the end is not only readable: a server goes on with it.
    disk.play_to(journal.records.len());
    for loss in [Loss::Everything, Loss::Some] {
        let mut stack = Stack::new();
        disk.write_out(&stack.home, loss, &mut dice);
        stack.up();
        let report = stack.cli(&["audit", "verify", "--json"]).ok().json();
        assert_eq!(report["ok"], true, "{report}");
        stack.cli(&["down"]).ok();
        let checked = check_home(&stack.home, &promises, journal.records.len()).await;
        assert_eq!(checked, Ok(()), "{loss:?}");
    }

    // The check can fail: each lie of the disk is found out.
    for lie in [
        Lie::File("ledger.db-wal"),
        Lie::File("state.db-wal"),
        Lie::Directories,
    ] {
        let mut disk = Disk::new(&journal, lie);
        let mut noticed = 0;
        for told in promises.moments().step_by(15) {
            disk.play_to(told + 1);
            let found = lose(&disk, &promises, told + 1, Loss::Everything, &mut dice).await;
            noticed += usize::from(found.is_err());
        }
        println!("{lie:?}: noticed at {noticed} moments");
        assert!(noticed > 0, "{lie:?} was not noticed");
    }
}

/// The order of system calls: at the moment before a call's first byte goes upstream, its start
/// is durable, even if the power goes right then.
#[tokio::test(flavor = "multi_thread")]
async fn the_sync_comes_before_the_first_byte_upstream() {
    let (journal, promises) = run(1).await;
    let mut disk = Disk::new(&journal, Lie::None);
    let mut dice = Dice::new(1);
    for effect in &promises.effects {
        // The record of sending is written before the bytes leave.
        disk.play_to(*effect);
        let kept = lose(&disk, &promises, effect + 1, Loss::Everything, &mut dice).await;
        assert_eq!(kept, Ok(()), "record {effect}");
    }
}

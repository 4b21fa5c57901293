//! Somebody who has our own key rewrites a log and signs it again. The log alone cannot show
//! that; a checkpoint or a receipt that was kept elsewhere does.

use std::path::PathBuf;

use caracal_core::{Zone, ZoneId};
use caracal_crypto::{Keyring, LogSigner, MasterKey, SealContext};
use caracal_ledger::{Log, TreeState, leaf_hash};
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Protected, Stack, copy_of, log_of, open_ledger, rows_of, until};

/// What the home of a stopped stack tells those who may read all of it.
fn stolen_zone(stack: &Stack) -> (Zone, Keyring) {
    let state = Connection::open(stack.file("state.db")).unwrap();
    let body: String = state
        .query_row(
            "SELECT body FROM documents WHERE kind = 'zone' AND name = 'acme'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let key = std::fs::read_to_string(stack.file("master.key")).unwrap();
    let key = MasterKey::from_text(&key).unwrap();
    (serde_json::from_str(&body).unwrap(), Keyring::new(key))
}

/// Writes the log anew: without the leaf at `gone`, and with later indexes to match.
fn rewrite(stack: &Stack, log: &str, gone: usize) {
    let (zone, keyring) = stolen_zone(stack);
    let key = zone.logs.last().unwrap();
    assert_eq!(key.id.to_string(), log);
    let context = SealContext::new(ZoneId::from_uuid(zone.id.uuid()), "log-key");
    let seed = keyring.open(&key.private, &context).unwrap();
    let signer = LogSigner::from_seed(&seed).unwrap();
    let mut forged = Log::open(key.id, &key.origin, signer, TreeState::new()).unwrap();

    let ledger = open_ledger(&stack.home);
    let mut last = (0, [0; 32]);
    for (old, row) in rows_of(&ledger, log).into_iter().enumerate() {
        if old == gone {
            let sql = "DELETE FROM events WHERE seq = $1";
            ledger.execute(sql, [row.seq]).unwrap();
            continue;
        }
        let text = String::from_utf8(row.body).unwrap();
        let (from, to) = (
            format!("\"index\":{old},"),
            format!("\"index\":{},", forged.size()),
        );
        let body = text.replace(&from, &to).into_bytes();
        let sql = "UPDATE events SET body = $1 WHERE seq = $2";
        ledger.execute(sql, (&body, row.seq)).unwrap();
        let hash = leaf_hash(&body);
        forged.append(&hash);
        last = (row.seq, hash.0);
    }
    let state = forged.state();
    let changed = ledger.execute(
        "UPDATE heads SET size = $1, edge = $2, checkpoint = $3, last_seq = $4, last_leaf = $5 WHERE log = $6",
        (
            i64::try_from(state.size).unwrap(),
            state.edge.concat(),
            forged.checkpoint().unwrap(),
            last.0,
            last.1,
            log,
        ),
    );
    assert_eq!(changed.unwrap(), 1);
    // And the index with the old hashes.
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(stack.file(&format!("index.db{suffix}")));
    }
}

fn verify(stack: &Stack, evidence: &[&str]) -> (i32, Value) {
    let mut arguments = vec!["audit", "verify", "--json"];
    arguments.extend(evidence);
    let output = stack.cli(&arguments);
    (output.code, output.json())
}

struct Kept {
    protected: Protected,
    log: String,
    /// The checkpoint of an export made half-way.
    checkpoint: PathBuf,
    /// What the server wrote outside.
    outside: PathBuf,
    /// The receipts of every allowed call.
    receipts: Vec<String>,
}

impl Kept {
    async fn by_the_way() -> Self {
        let mut stack = Stack::new();
        let outside = stack.beside().join("checkpoints");
        stack.set("CARACAL_CHECKPOINT_FILE", outside.to_str().unwrap());
        let protected = Protected::on(stack).await;
        let stack = &protected.stack;
        let mut receipts = protected.calls(8).await;
        let log = log_of(stack, "acme");
        let export = stack.beside().join("export");
        let dir = export.to_str().unwrap();
        stack.cli(&["audit", "export", dir]).ok();
        receipts.extend(protected.calls(8).await);
        // Within a second, while the server runs.
        until("a checkpoint is outside", async || {
            std::fs::read_to_string(&outside).is_ok_and(|text| text.contains(&log))
        })
        .await;
        stack.cli(&["down"]).ok();
        let checkpoint = export.join(&log).join("checkpoint");
        Self {
            protected,
            log,
            checkpoint,
            outside,
            receipts,
        }
    }

    fn receipts_file(&self, lines: &[String]) -> String {
        let path = self.protected.stack.beside().join("receipts");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_signed_again_fails_against_what_was_kept_elsewhere() {
    let kept = Kept::by_the_way().await;
    let whole = &kept.protected.stack;
    let checkpoint = kept.checkpoint.to_str().unwrap();
    let outside = kept.outside.to_str().unwrap();
    let receipts = kept.receipts_file(&kept.receipts);
    for evidence in [
        &[][..],
        &["--checkpoint", checkpoint],
        &["--checkpoint", outside],
        &["--receipts", &receipts],
        &[
            "--checkpoint",
            checkpoint,
            "--checkpoint",
            outside,
            "--receipts",
            &receipts,
        ],
    ] {
        let (code, report) = verify(whole, evidence);
        assert_eq!(
            (code, &report["ok"]),
            (0, &Value::Bool(true)),
            "{evidence:?}: {report}"
        );
    }

    let mut forged = copy_of(whole);
    rewrite(&forged, &kept.log, 7);
    let (code, report) = verify(&forged, &[]);
    assert_eq!(
        (code, &report["ok"]),
        (0, &Value::Bool(true)),
        "nothing in the home tells: {report}"
    );
    // The index of the first kept receipt behind the leaf that is gone.
    let receipt_index = |line: &String| -> u64 {
        let index = line
            .split("; ")
            .find_map(|part| part.strip_prefix("index="));
        index.unwrap().parse().unwrap()
    };
    let first_named = kept
        .receipts
        .iter()
        .map(receipt_index)
        .find(|i| *i >= 7)
        .unwrap();
    let fails = |stack: &Stack, name: &str| {
        for (evidence, index) in [
            // Which leaf under the checkpoint's root was altered is not known without hashes.
            (&["--checkpoint", checkpoint][..], Some(0)),
            (&["--checkpoint", outside], None),
            (&["--receipts", &receipts], Some(first_named)),
            (&["--checkpoint", checkpoint, "--receipts", &receipts], None),
        ] {
            let (code, report) = verify(stack, evidence);
            assert_eq!(
                (code, &report["ok"]),
                (1, &Value::Bool(false)),
                "{name} {evidence:?}: {report}"
            );
            let bad = &report["first_bad"];
            assert_eq!(bad["log"], *kept.log, "{name} {evidence:?}: {report}");
            assert!(
                bad["why"].as_str().is_some_and(|why| !why.is_empty()),
                "{report}"
            );
            if let Some(index) = index {
                assert_eq!(bad["index"], index, "{name} {evidence:?}: {report}");
            }
        }
    };
    fails(&forged, "stopped");
    // A server goes on with it, unknowing; what was kept stays stronger.
    forged.set("CARACAL_CHECKPOINT_FILE", outside);
    let before = std::fs::read_to_string(outside).unwrap();
    forged.up();
    fails(&forged, "running");
    until(
        "the file outside keeps the old checkpoint beside the new one",
        async || {
            let text = std::fs::read_to_string(outside).unwrap();
            text != before && before.split_inclusive('\n').all(|line| text.contains(line))
        },
    )
    .await;
    fails(&forged, "noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_evidence_is_refused() {
    let kept = Kept::by_the_way().await;
    let stack = &kept.protected.stack;
    let foreign = Protected::start().await;
    let others = foreign.calls(1).await;
    let export = foreign.stack.beside().join("export");
    foreign
        .stack
        .cli(&["audit", "export", export.to_str().unwrap()])
        .ok();
    let theirs = export
        .join(log_of(&foreign.stack, "acme"))
        .join("checkpoint");

    // A receipt and a checkpoint of another instance fit nothing here.
    let receipts = kept.receipts_file(&others);
    assert_eq!(verify(stack, &["--receipts", &receipts]).0, 1);
    assert_eq!(
        verify(stack, &["--checkpoint", theirs.to_str().unwrap()]).0,
        1
    );
    // One with our log's name under their key neither.
    let note = std::fs::read_to_string(&kept.checkpoint).unwrap();
    let forged = stack.beside().join("forged");
    let size = note.lines().nth(1).unwrap();
    std::fs::write(&forged, note.replace(&format!("\n{size}\n"), "\n1\n")).unwrap();
    let (code, report) = verify(stack, &["--checkpoint", forged.to_str().unwrap()]);
    assert_eq!((code, &report["ok"]), (1, &Value::Bool(false)));
    assert_eq!(report["bad_checkpoints"][0]["log"], *kept.log, "{report}");
    // A receipt with another leaf hash, or beyond the end.
    for (from, to) in [("leaf=", "leaf=AAAA"), ("index=", "index=9")] {
        let first = &kept.receipts[0];
        let at = first.find(from).unwrap();
        let altered = if from == "leaf=" {
            format!("{}{to}{}", &first[..at], &first[at + to.len()..])
        } else {
            first.replacen(from, to, 1)
        };
        let receipts = kept.receipts_file(std::slice::from_ref(&altered));
        let (code, report) = verify(stack, &["--receipts", &receipts]);
        assert_eq!(code, 1, "{altered}: {report}");
        assert_eq!(report["first_bad"]["log"], *kept.log, "{report}");
    }
    // Files that are none.
    let empty = stack.beside().join("empty");
    std::fs::write(&empty, "").unwrap();
    let output = stack.cli(&["audit", "verify", "--checkpoint", empty.to_str().unwrap()]);
    assert!(output.fails(1).stderr.contains("no checkpoint"));
    let receipts = kept.receipts_file(&["log=1".to_owned()]);
    let output = stack.cli(&["audit", "verify", "--receipts", &receipts]);
    assert!(output.fails(1).stderr.contains("line 1"));
}

//! `audit export` writes what anyone can verify; `audit verify DIR` names what is wrong in it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Protected, Stack, log_of, open_ledger, rows_of};

fn verify(stack: &Stack, dir: &Path) -> (i32, Value) {
    let output = stack.cli(&["audit", "verify", dir.to_str().unwrap(), "--json"]);
    (output.code, output.json())
}

fn copy_export(from: &Path, to: &Path) -> PathBuf {
    let _ = std::fs::remove_dir_all(to);
    for log in std::fs::read_dir(from).unwrap() {
        let log = log.unwrap();
        let place = to.join(log.file_name());
        std::fs::create_dir_all(&place).unwrap();
        for file in std::fs::read_dir(log.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), place.join(file.file_name())).unwrap();
        }
    }
    to.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_the_log_and_nothing_else() {
    let protected = Protected::start().await;
    let stack = &protected.stack;
    protected.calls(12).await;
    let log = log_of(stack, "acme");
    let dir = stack.beside().join("export");
    let told = stack
        .cli(&["audit", "export", dir.to_str().unwrap(), "--json"])
        .ok()
        .json();
    let rows = rows_of(&open_ledger(&stack.home), &log);
    assert_eq!(
        (&told["logs"], &told["events"]),
        (&1.into(), &rows.len().into())
    );

    let place = dir.join(&log);
    let mut names: Vec<_> = std::fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["checkpoint", "events.jsonl", "key"]);
    let text = std::fs::read_to_string(place.join("events.jsonl")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), rows.len());
    for (index, (line, row)) in lines.iter().zip(&rows).enumerate() {
        assert_eq!(line.as_bytes(), row.body, "the line is the leaf");
        let event: Value = serde_json::from_str(line).unwrap();
        // Keys in order, no spaces, whole numbers: RFC 8785 of what our events hold.
        assert_eq!(event.to_string(), *line);
        assert_eq!(
            (&event["index"], &event["log"]),
            (&index.into(), &log.as_str().into())
        );
    }
    let key = std::fs::read_to_string(place.join("key")).unwrap();
    let checkpoint = std::fs::read_to_string(place.join("checkpoint")).unwrap();
    let head = caracal_ledger::open_checkpoint(&checkpoint, key.trim()).unwrap();
    assert_eq!(head.size, rows.len() as u64);

    let (code, report) = verify(stack, &dir);
    let expected = serde_json::json!({ "ok": true, "events": rows.len(), "logs": 1 });
    assert_eq!((code, report), (0, expected));
    // It needs no server, and no home.
    stack.cli(&["down"]).ok();
    assert_eq!(verify(&Stack::new(), &dir).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_an_export_is_named() {
    let protected = Protected::start().await;
    let stack = &protected.stack;
    protected.calls(6).await;
    let log = log_of(stack, "acme");
    let older = stack.beside().join("older");
    stack
        .cli(&["audit", "export", older.to_str().unwrap()])
        .ok();
    protected.calls(6).await;
    let dir = stack.beside().join("export");
    stack.cli(&["audit", "export", dir.to_str().unwrap()]).ok();
    let foreign = Protected::start().await;
    let theirs = stack.beside().join("theirs");
    foreign
        .stack
        .cli(&["audit", "export", theirs.to_str().unwrap()])
        .ok();
    let their_place = theirs.join(log_of(&foreign.stack, "acme"));

    let lines: Vec<String> = std::fs::read_to_string(dir.join(&log).join("events.jsonl"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let last = lines.len() - 1;
    let write = |place: &Path, lines: &[String]| {
        std::fs::write(place.join("events.jsonl"), lines.join("\n") + "\n").unwrap();
    };
    type Tamper<'a> = Box<dyn Fn(&Path) + 'a>;
    let without = |index: usize| {
        let mut lines = lines.clone();
        lines.remove(index);
        lines
    };
    let cases: Vec<(&str, Option<usize>, Tamper<'_>)> = vec![
        (
            "an altered line",
            None,
            Box::new(|place| {
                let mut lines = lines.clone();
                lines[5] = lines[5].replace("\"v\":1", "\"v\":2");
                write(place, &lines);
            }),
        ),
        (
            "a dropped line",
            Some(5),
            Box::new(|place| write(place, &without(5))),
        ),
        (
            "the first line dropped",
            Some(0),
            Box::new(|place| write(place, &without(0))),
        ),
        (
            "the last line dropped",
            Some(last),
            Box::new(|place| write(place, &without(last))),
        ),
        (
            "half of it",
            Some(9),
            Box::new(|place| write(place, &lines[..9])),
        ),
        (
            "cut within a line",
            Some(last),
            Box::new(|place| {
                let text = lines.join("\n");
                std::fs::write(place.join("events.jsonl"), &text[..text.len() - 9]).unwrap();
            }),
        ),
        (
            "two lines swapped",
            Some(4),
            Box::new(|place| {
                let mut lines = lines.clone();
                lines.swap(4, 8);
                write(place, &lines);
            }),
        ),
        (
            "a repeated line",
            Some(6),
            Box::new(|place| {
                let mut lines = lines.clone();
                lines.insert(6, lines[5].clone());
                write(place, &lines);
            }),
        ),
        (
            "a forged line at the end",
            Some(last + 1),
            Box::new(|place| {
                let mut lines = lines.clone();
                let (from, to) = (
                    "\"index\":5,".to_owned(),
                    format!("\"index\":{},", last + 1),
                );
                lines.push(lines[5].replace(&from, &to));
                write(place, &lines);
            }),
        ),
        (
            "a line that is no JSON",
            Some(3),
            Box::new(|place| {
                let mut lines = lines.clone();
                lines[3] = "[".repeat(100_000);
                write(place, &lines);
            }),
        ),
        (
            "an empty line",
            Some(3),
            Box::new(|place| {
                let mut lines = lines.clone();
                lines.insert(3, String::new());
                write(place, &lines);
            }),
        ),
        ("nothing", Some(0), Box::new(|place| write(place, &[]))),
        (
            "no events",
            Some(0),
            Box::new(|place| {
                std::fs::remove_file(place.join("events.jsonl")).unwrap();
            }),
        ),
        (
            "no checkpoint",
            Some(0),
            Box::new(|place| {
                std::fs::remove_file(place.join("checkpoint")).unwrap();
            }),
        ),
        (
            "no key",
            Some(0),
            Box::new(|place| {
                std::fs::remove_file(place.join("key")).unwrap();
            }),
        ),
        (
            "an older checkpoint",
            None,
            Box::new(|place| {
                std::fs::copy(
                    older.join(&log).join("checkpoint"),
                    place.join("checkpoint"),
                )
                .unwrap();
            }),
        ),
        (
            "another log's checkpoint",
            Some(0),
            Box::new(|place| {
                std::fs::copy(their_place.join("checkpoint"), place.join("checkpoint")).unwrap();
            }),
        ),
        (
            "another log's checkpoint and key",
            Some(0),
            Box::new(|place| {
                for name in ["checkpoint", "key"] {
                    std::fs::copy(their_place.join(name), place.join(name)).unwrap();
                }
            }),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, index, tamper) in cases {
        let copy = copy_export(&dir, &stack.beside().join("copy"));
        tamper(&copy.join(&log));
        let (code, report) = verify(stack, &copy);
        let bad = &report["first_bad"];
        let named = bad["log"] == *log
            && index.is_none_or(|index| bad["index"] == index)
            && bad["why"].as_str().is_some_and(|why| !why.is_empty());
        if code != 1 || report["ok"] != false || !named {
            wrong.push(format!("{name}, exit {code}: {report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(verify(stack, &dir).0, 0);
    // What was kept before is evidence against a later export, and the other way round.
    let kept = older.join(&log).join("checkpoint");
    let arguments = |dir: &Path| {
        let (dir, kept) = (dir.display().to_string(), kept.display().to_string());
        stack.cli(&["audit", "verify", &dir, "--checkpoint", &kept])
    };
    arguments(&dir).ok();
    let copy = copy_export(&dir, &stack.beside().join("copy"));
    write(&copy.join(&log), &lines[..3]);
    arguments(&copy).fails(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_busy_log_verifies() {
    let protected = Protected::start().await;
    let stack = &protected.stack;
    let mandate = protected.mint().await;
    let done = tokio_util::sync::CancellationToken::new();
    let load = {
        let (client, done) = (protected.client.clone(), done.clone());
        tokio::spawn(async move {
            while !done.is_cancelled() {
                client.call("GET", "/r/items/1", &mandate).await;
            }
        })
    };
    for n in 0..8 {
        let dir = stack.beside().join(format!("export-{n}"));
        stack.cli(&["audit", "export", dir.to_str().unwrap()]).ok();
        let (code, report) = verify(stack, &dir);
        assert_eq!(code, 0, "{report}");
        let verified = stack.cli(&["audit", "verify", "--json"]).ok().json();
        assert_eq!(verified["ok"], true);
    }
    done.cancel();
    load.await.unwrap();
}

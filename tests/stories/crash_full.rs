//! A disk that takes no more: what needs evidence is refused, nothing is lost, and all goes on
//! when there is room again.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::harness::{Answer, Protected, Stack, copy_of, ledger_rows, open_ledger, until};

/// What was answered for before, while and after there was no room.
struct Filling {
    protected: Protected,
    receipts: Vec<String>,
    mandate: String,
}

impl Filling {
    async fn on(stack: Stack) -> Self {
        let protected = Protected::on(stack).await;
        let receipts = protected.calls(8).await;
        let mandate = protected.mint().await;
        Self {
            protected,
            receipts,
            mandate,
        }
    }

    async fn call(&self) -> Answer {
        let client = &self.protected.client;
        client.call("GET", "/r/items/1", &self.mandate).await
    }

    /// There is no room now: calls and mints are refused, and reach nobody.
    async fn is_refused(&mut self) {
        let mut left = 20_000;
        let refused = loop {
            let answer = self.call().await;
            if answer.status != 200 {
                break answer;
            }
            let receipt = answer.header("caracal-receipt").unwrap();
            self.receipts.push(receipt.to_owned());
            left -= 1;
            assert!(left > 0, "calls go on without end");
        };
        assert_eq!(refused.refusal(), "ledger_unavailable", "{refused:?}");
        assert_eq!(refused.status, 503);
        let seen = self.protected.upstream.seen().len();
        for _ in 0..3 {
            let answer = self.call().await;
            assert_eq!(
                (answer.status, &*answer.refusal()),
                (503, "ledger_unavailable")
            );
            let client = &self.protected.client;
            let mint = client.try_mint("resource://items", "items:read").await;
            assert_eq!(mint.status, 503, "{mint:?}");
            assert_eq!(mint.json()["error"], "temporarily_unavailable");
        }
        assert_eq!(
            self.protected.upstream.seen().len(),
            seen,
            "a refused call has no effect"
        );
    }

    /// There is room again: without a restart everything works, and all of it is there.
    async fn goes_on(&mut self) {
        let mut last = None;
        until("a call passes again", async || {
            let answer = self.call().await;
            let receipt = answer.header("caracal-receipt").map(str::to_owned);
            last = receipt.filter(|_| answer.status == 200);
            last.is_some()
        })
        .await;
        self.receipts.extend(last);
        let protected = &self.protected;
        self.receipts.extend(protected.calls(4).await);
        let stack = &protected.stack;
        stack.cli(&["app", "create", "afterwards"]).ok();
        let file = stack.beside().join("receipts");
        std::fs::write(&file, self.receipts.join("\n")).unwrap();
        let file = file.to_str().unwrap();
        stack.cli(&["audit", "verify", "--receipts", file]).ok();
        stack.cli(&["down"]).ok();
        stack.cli(&["audit", "verify", "--receipts", file]).ok();
        let rows = ledger_rows(&open_ledger(&stack.home));
        let mut ids: Vec<_> = rows.iter().map(|row| row.event()["id"].clone()).collect();
        ids.sort_by_key(ToString::to_string);
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "no event is there twice");
        let started = rows
            .iter()
            .filter(|row| row.event()["type"] == "call.started");
        assert!(started.count() >= protected.upstream.seen().len());
        // And a stack that starts on these files.
        let mut copy = copy_of(stack);
        copy.up();
    }
}

/// Limits the size of the files that the server writes; none for no limit.
fn limit(stack: &Stack, bytes: Option<u64>) {
    let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let (pid, limit) = (
        format!("--pid={}", stack.pid()),
        format!("--fsize={bytes}:"),
    );
    let status = Command::new("prlimit").args([pid, limit]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "`prlimit` of util-linux limits files"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_grow_refuse_and_recover() {
    // The server gets an error in place of the signal that would end it.
    let stack = Stack::new();
    let up = stack.command(&["up"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; exec \"$0\" up"])
        .arg(up.get_program());
    for (name, value) in up.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    assert!(
        shell
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let mut filling = Filling::on(stack).await;
    limit(&filling.protected.stack, Some(4096));
    filling.is_refused().await;
    limit(&filling.protected.stack, None);
    filling.goes_on().await;
}

/// A file system of a few megabytes of its own; unmounted when it is dropped.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn at(dir: &'a Path) -> Option<Self> {
        std::fs::create_dir_all(dir).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs"])
            .arg(dir);
        let output = mount.output().ok()?;
        output.status.success().then_some(Self(dir))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers() {
    let stack = Stack::new();
    let home = stack.home.clone();
    let Some(_mount) = Mount::at(&home) else {
        println!("this user may not mount a small disk; the story above is about the same");
        return;
    };
    let mut filling = Filling::on(stack).await;
    let ballast = home.join("log/ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    for size in [64 * 1024, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    filling.is_refused().await;
    std::fs::remove_file(&ballast).unwrap();
    drop(file);
    filling.goes_on().await;
}

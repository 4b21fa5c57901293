//! The server's own log: it turns over, it is followed across that, and it never stands in the way.

use std::io::Read as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use crate::harness::{Protected, Stack, until};

const LIMIT: u64 = 64 * 1024;

/// The files of the log: number of bytes, the current one first.
fn files(stack: &Stack) -> Vec<u64> {
    let name = |n: usize| match n {
        0 => "log/caracal.log".to_owned(),
        n => format!("log/caracal.log.{n}"),
    };
    (0..10)
        .map_while(|n| std::fs::metadata(stack.file(&name(n))).ok())
        .map(|found| found.len())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_turns_over_is_bounded_and_is_followed() {
    let mut stack = Stack::new();
    stack.set("CARACAL_LOG", "trace");
    stack.set("CARACAL_ACCESS_LOG", "all");
    stack.set("CARACAL_LOG_FILE_SIZE", "64KiB");
    stack.set("CARACAL_LOG_FILES", "3");
    let protected = Protected::on(stack).await;
    let stack = &protected.stack;
    let mut follower = stack
        .command(&["logs", "--follow", "-n", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = follower.stdout.take().unwrap();
    let followed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&followed);
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![0; 64 * 1024];
        // It ends when the follower is ended.
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            seen.lock().unwrap().extend_from_slice(&bytes[..count]);
        }
    });
    let mandate = protected.mint().await;
    let mut newest = std::fs::metadata(stack.file("log/caracal.log.1")).ok();
    let mut turned = 0;
    until("the log has turned over five times", async || {
        protected.call(&mandate).await;
        use std::os::unix::fs::MetadataExt as _;
        let now = std::fs::metadata(stack.file("log/caracal.log.1")).ok();
        if now.as_ref().map(|found| found.ino()) != newest.as_ref().map(|found| found.ino()) {
            turned += 1;
            newest = now;
        }
        turned >= 5
    })
    .await;
    // While the files are renamed, one of them is missing for a moment.
    let mut sizes = Vec::new();
    until("there are as many files as were asked for", async || {
        sizes = files(stack);
        sizes.len() == 3
    })
    .await;
    assert!(sizes.iter().all(|bytes| *bytes <= LIMIT), "{sizes:?}");
    // A restart goes on in the same files.
    stack.cli(&["down"]).ok();
    let mut again = crate::harness::copy_of(stack);
    again.set("CARACAL_LOG_FILE_SIZE", "64KiB");
    again.set("CARACAL_LOG_FILES", "3");
    again.up();
    again.cli(&["down"]).ok();
    assert!(files(&again).len() <= 3);
    let last = stack.cli(&["logs", "-n", "5"]).ok().stdout;
    assert!(last.contains("stopped"), "{last}");
    until("the follower has seen the end", async || {
        let seen = followed.lock().unwrap();
        String::from_utf8_lossy(&seen).contains("stopped")
    })
    .await;
    follower.kill().unwrap();
    follower.wait().unwrap();
    reader.join().unwrap();
    assert!(followed.lock().unwrap().len() as u64 > LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let stack = Stack::new();
    std::fs::create_dir_all(&stack.home).unwrap();
    // Nobody can make a file below a file, not even the superuser.
    std::fs::write(stack.file("log"), "in the way").unwrap();
    let protected = Protected::on(stack).await;
    let mandate = protected.mint().await;
    protected.call(&mandate).await;
    protected.stack.cli(&["down"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_of_the_log_are_checked() {
    let mut stack = Stack::new();
    for (name, bad) in [
        ("CARACAL_LOG_FILE_SIZE", "1KiB"),
        ("CARACAL_LOG_FILES", "0"),
        ("CARACAL_LOG_FILES", "many"),
    ] {
        stack.set(name, bad);
        let refused = stack.cli(&["up"]).fails(2);
        assert!(refused.stderr.contains(name), "{}", refused.stderr);
        stack.set(name, "");
    }
}

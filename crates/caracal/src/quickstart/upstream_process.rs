//! Starting the demo upstream, and finding it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, find_holder_of, replace};
use crate::process::{self, Given};

/// Held by the running upstream.
pub(crate) const LOCK: &str = "upstream.lock";
/// The API key that it demands.
pub(crate) const KEY: &str = "upstream.key";
/// The port that it listens on.
pub(crate) const PORT: &str = "upstream.port";

const WAIT: Duration = Duration::from_secs(15);

/// A running demo upstream.
pub(crate) struct DemoUpstream {
    pub(crate) url: String,
    pub(crate) key: String,
}

/// Starts the upstream when it does not run, and waits until it answers.
pub(crate) async fn start(home: &Home) -> Outcome<DemoUpstream> {
    let dir = home.join("demo");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .context(format!("`{}`", dir.display()))?;
    let key_path = dir.join(KEY);
    if !key_path.exists() {
        let key = format!(
            "sk-demo-{}",
            caracal_crypto::hex(&caracal_crypto::random_bytes::<24>())
        );
        replace(&key_path, key.as_bytes()).context(format!("`{}`", key_path.display()))?;
    }
    let key = std::fs::read_to_string(&key_path).context(format!("`{}`", key_path.display()))?;
    let lock = dir.join(LOCK);
    let log = home.join("log/demo-upstream.log");
    if find_holder_of(&lock)?.is_none() {
        let arguments = [
            "demo-upstream".to_owned(),
            "--dir".to_owned(),
            dir.display().to_string(),
        ];
        process::start_self(&arguments, &Given::Nothing, &log)?;
    }
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .context("the HTTP client cannot be set up")?;
    let deadline = Instant::now() + WAIT;
    while Instant::now() < deadline {
        let port = std::fs::read_to_string(dir.join(PORT)).unwrap_or_default();
        if let Ok(port) = port.trim().parse::<u16>() {
            let url = format!("http://127.0.0.1:{port}");
            let asked = http
                .get(format!("{url}/v1/models"))
                .bearer_auth(&key)
                .timeout(Duration::from_secs(2));
            let is_up = asked
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success());
            if is_up && find_holder_of(&lock)?.is_some() {
                return Ok(DemoUpstream { url, key });
            }
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Err(Failure::new("the demo upstream does not answer")
        .hint(format!("its log is `{}`", log.display())))
}

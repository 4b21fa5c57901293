//! The server that is measured: the real binary with a home of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caracal_crypto::{DpopSigner, hex, mandate_hash, random_bytes, sha256};
use http::{HeaderName, header};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::http_call::HttpCall;
use crate::upstream::ANSWER_BYTES;

/// How many connections mint what is used later.
const MINTERS: usize = 32;

/// What is called.
const PATH: &str = "/r/items/v1/items/1";

/// The key that the Gateway injects.
pub(crate) const KEY: &str = "sk-bench-upstream";

/// A running server; dropping it stops it and removes its home.
pub(crate) struct Stack {
    /// Its process id.
    pub(crate) pid: u32,
    binary: PathBuf,
    home: PathBuf,
    sts: Door,
    gateway: Door,
    console: Door,
    client: (String, String),
}

/// A server in the foreground; dropping it ends it at once.
pub(crate) struct Running {
    child: Child,
    /// How long it took from the start of the process until it said that it was ready.
    pub(crate) ready_after: Duration,
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever may revoke at the control API.
pub(crate) struct Revoker<'s> {
    console: &'s Door,
    bearer: String,
}

impl Revoker<'_> {
    /// The call that revokes something.
    pub(crate) fn call(&self, anchor: &str) -> Result<HttpCall> {
        let Door { address, host } = self.console;
        let body = serde_json::json!({ "anchor": anchor }).to_string();
        HttpCall::form(*address, host, "/v1/zones/bench/revocations", body)?
            .with(header::CONTENT_TYPE, "application/json")?
            .with(header::AUTHORIZATION, &self.bearer)
    }
}

/// Where a door is.
struct Door {
    address: SocketAddr,
    host: String,
}

impl Stack {
    /// Starts it with one zone, whose only resource is this upstream.
    pub(crate) fn start(binary: &Path, home: &Path, upstream: SocketAddr) -> Result<Self> {
        let run = |arguments: &[&str], input: &str| run(binary, home, arguments, input);
        if home.exists() {
            // A run that was broken off may have left a server behind.
            run(&["down"], "").context("an old server cannot be stopped")?;
            std::fs::remove_dir_all(home).context("the old home cannot be removed")?;
        }
        let status = run(&["up", "--json"], "")?;
        let pid = status.get("pid").and_then(Value::as_u64);
        let mut stack = Self {
            pid: pid
                .and_then(|pid| u32::try_from(pid).ok())
                .context("the server did not tell its process id")?,
            binary: binary.to_owned(),
            home: home.to_owned(),
            sts: Door::of(&status, "sts")?,
            gateway: Door::of(&status, "gateway")?,
            console: Door::of(&status, "console")?,
            client: Default::default(),
        };
        let applied = run(&["apply", "-f", "-", "--json"], &zone_file(upstream))?;
        let text = |pointer: &str| {
            let text = applied.pointer(pointer).and_then(Value::as_str);
            text.map(str::to_owned)
                .with_context(|| format!("the server did not tell `{pointer}`"))
        };
        stack.client = (
            text("/applications/0/id")?,
            text("/applications/0/client_secret")?,
        );
        Ok(stack)
    }

    /// Ends the server and keeps its home.
    pub(crate) fn stop(&self) -> Result<()> {
        self.command(&["down"]).map(drop)
    }

    /// What a command says as JSON.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Value> {
        run(&self.binary, &self.home, arguments, "")
    }

    /// Starts the server again, which was stopped, and waits until it is ready.
    pub(crate) fn serve(&self) -> Result<Running> {
        let begun = Instant::now();
        let child = command(&self.binary, &self.home, &["serve", "--allow-private"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the server cannot be started")?;
        let mut running = Running {
            child,
            ready_after: Duration::ZERO,
        };
        while begun.elapsed() < Duration::from_secs(60) {
            if self.gateway.is_ready() {
                running.ready_after = begun.elapsed();
                return Ok(running);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("the server was not ready within a minute")
    }

    /// The call that mints a mandate.
    pub(crate) fn mint_call(&self) -> Result<HttpCall> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("resource", "resource://items")
            .append_pair("scope", "items:use")
            .append_pair("ttl_seconds", "900")
            .finish();
        let Door { address, host } = &self.sts;
        HttpCall::form(*address, host, "/oauth/2/token", form)?
            .with(header::AUTHORIZATION, &self.basic())
    }

    /// The call that opens a session.
    pub(crate) fn session_call(&self) -> Result<HttpCall> {
        let Door { address, host } = &self.sts;
        HttpCall::form(*address, host, "/v1/sessions", "{}".to_owned())?
            .with(header::CONTENT_TYPE, "application/json")?
            .with(header::AUTHORIZATION, &self.basic())
    }

    /// A mandate of a session.
    pub(crate) async fn mint_under(&self, session: &str) -> Result<String> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("resource", "resource://items")
            .append_pair("scope", "items:use")
            .append_pair("session_id", session)
            .finish();
        let Door { address, host } = &self.sts;
        let call = HttpCall::form(*address, host, "/oauth/2/token", form)?
            .with(header::AUTHORIZATION, &self.basic())?;
        let minted: Value = serde_json::from_slice(call.once().await?.body())?;
        let mandate = minted.get("access_token").and_then(Value::as_str);
        mandate
            .map(str::to_owned)
            .with_context(|| format!("no mandate: {minted}"))
    }

    /// A request for a stream, and where it goes.
    pub(crate) fn stream_request(&self, mandate: &str) -> (SocketAddr, String) {
        let Door { address, host } = &self.gateway;
        let request = format!(
            "GET /r/items/v1/stream HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {mandate}\r\n\r\n"
        );
        (*address, request)
    }

    /// The id of the only application.
    pub(crate) fn application(&self) -> &str {
        &self.client.0
    }

    /// Who may revoke at the control API.
    pub(crate) fn revoker(&self) -> Result<Revoker<'_>> {
        let made = self.command(&["token", "create", "bench", "--role", "admin", "--json"])?;
        let token = made.get("token").and_then(Value::as_str);
        let token = token.context("no token")?;
        Ok(Revoker {
            console: &self.console,
            bearer: format!("Bearer {token}"),
        })
    }

    fn basic(&self) -> String {
        let (id, secret) = &self.client;
        format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
    }

    /// A governed call with a fresh mandate, after checking that it works and leaves evidence.
    pub(crate) async fn governed_call(&self) -> Result<HttpCall> {
        let answer = self.mint_call()?.once().await?;
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        let minted: Value = serde_json::from_str(&body).unwrap_or_default();
        let Some(mandate) = minted.get("access_token").and_then(Value::as_str) else {
            bail!("no mandate: {} {body}", answer.status());
        };
        let bearer = format!("Bearer {mandate}");
        let call = self.plain_call()?.with(header::AUTHORIZATION, &bearer)?;
        let answer = call.once().await?;
        if answer.status() != http::StatusCode::OK
            || !answer.headers().contains_key("caracal-receipt")
        {
            let body = String::from_utf8_lossy(answer.body()).into_owned();
            bail!("the governed call failed: {} {body}", answer.status());
        }
        Ok(call)
    }

    /// Governed calls with a mandate that is bound to a key; so many proofs of it are made now, so
    /// that making them is no part of what is measured.
    pub(crate) async fn proven_calls(&self, count: usize) -> Result<HttpCall> {
        let signer = DpopSigner::generate()?;
        let prove = |method: &str, url: &str, nonce: &str, mandate: Option<&str>| {
            let mut claims = json!({
                "jti": hex(&random_bytes::<16>()), "htm": method, "htu": url,
                "iat": jiff::Timestamp::now().as_second(), "nonce": nonce,
            });
            if let Some(mandate) = mandate {
                let hash = mandate_hash(&sha256(mandate.as_bytes()));
                claims
                    .as_object_mut()
                    .map(|members| members.insert("ath".to_owned(), hash.into()));
            }
            signer.sign(&claims)
        };
        let url = format!("http://{}/oauth/2/token", self.sts.host);
        let (mut nonce, mut minted) = (String::new(), Value::Null);
        // The first answer gives the nonce, the second the mandate.
        for _ in 0..2 {
            let proof = prove("POST", &url, &nonce, None)?;
            let call = self.mint_call()?;
            let answer = call.with(HeaderName::from_static("dpop"), &proof)?;
            let answer = answer.once().await?;
            let told = answer.headers().get("dpop-nonce");
            let told = told.and_then(|told| told.to_str().ok());
            told.context("no nonce")?.clone_into(&mut nonce);
            minted = serde_json::from_slice(answer.body())?;
        }
        let mandate = minted.get("access_token").and_then(Value::as_str);
        let mandate = mandate.with_context(|| format!("no bound mandate: {minted}"))?;
        let url = format!("http://{}{PATH}", self.gateway.host);
        let proofs = (0..count).map(|_| prove("GET", &url, &nonce, Some(mandate)));
        let proofs: Vec<String> = proofs.collect::<Result<_, _>>()?;
        let bound = format!("DPoP {mandate}");
        self.plain_call()?
            .with(header::AUTHORIZATION, &bound)?
            .with_proofs(&proofs)
    }

    /// Governed calls, each with a mandate that was never used; so many are minted now.
    pub(crate) async fn first_uses(&self, count: usize) -> Result<HttpCall> {
        let tracker = TaskTracker::new();
        let mut minters = JoinSet::new();
        for _ in 0..MINTERS {
            let (call, tracker) = (self.mint_call()?, tracker.clone());
            minters.spawn(async move {
                let mut connection = call.connect(&tracker).await?;
                let mut mandates = Vec::with_capacity(count / MINTERS + 1);
                for _ in 0..count.div_ceil(MINTERS) {
                    let body = connection.fetch(&call).await?;
                    let minted: Value = serde_json::from_slice(&body)?;
                    let mandate = minted.get("access_token").and_then(Value::as_str);
                    mandates.push(mandate.context("no mandate")?.to_owned());
                }
                anyhow::Ok(mandates)
            });
        }
        let mut mandates = Vec::with_capacity(count);
        while let Some(minted) = minters.join_next().await {
            mandates.extend(minted.context("the minting broke down")??);
        }
        self.plain_call()?.with_each(&mandates)
    }

    fn plain_call(&self) -> Result<HttpCall> {
        let Door { address, host } = &self.gateway;
        HttpCall::get(*address, host, PATH, ANSWER_BYTES)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = run(&self.binary, &self.home, &["down"], "") {
            eprintln!("warning: the server cannot be stopped: {error:#}");
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.home) {
            eprintln!("warning: the home cannot be removed: {error}");
        }
    }
}

impl Door {
    /// Whether the Gateway says that it is ready.
    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            let host = &self.host;
            write!(
                stream,
                "GET /.caracal/ready HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    fn of(status: &Value, name: &str) -> Result<Self> {
        let url = status.pointer(&format!("/doors/{name}/url"));
        let url = url.and_then(Value::as_str).unwrap_or_default();
        let host = url
            .strip_prefix("http://")
            .with_context(|| format!("the door `{name}` has the URL `{url}`"))?;
        let port = host
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        Ok(Self {
            address: SocketAddr::from(([127, 0, 0, 1], port.context("a URL without a port")?)),
            host: host.to_owned(),
        })
    }
}

/// Runs a command of the binary; null when it prints no JSON.
fn run(binary: &Path, home: &Path, arguments: &[&str], input: &str) -> Result<Value> {
    let mut child = command(binary, home, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", binary.display()))?;
    if let Some(mut to) = child.stdin.take() {
        // A command need not read all of it.
        let _ = to.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .context("the server's command broke off")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("`caracal {}` failed: {}", arguments.join(" "), why.trim());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// A command of the binary on this home.
fn command(binary: &Path, home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    // Nothing of the caller's may lead it elsewhere.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARACAL_") {
            command.env_remove(name);
        }
    }
    command
        .env("CARACAL_HOME", home)
        .env("CARACAL_STS_LISTEN", "localhost:0")
        .env("CARACAL_GATEWAY_LISTEN", "localhost:0")
        .env("CARACAL_CONSOLE_LISTEN", "localhost:0")
        .env("XDG_CONFIG_HOME", home.with_file_name("config"))
        .env("BENCH_UPSTREAM_KEY", KEY)
        .args(arguments);
    command
}

fn zone_file(upstream: SocketAddr) -> String {
    format!(
        r#"
zone: bench
applications:
  - name: bench
providers:
  - name: key
    kind: bearer
    secret: {{ from_env: BENCH_UPSTREAM_KEY }}
resources:
  - name: items
    upstream: http://{upstream}
    provider: key
    allow_private: true
    scopes: [items:use]
    operations:
      - {{ method: GET, path: "/v1/**", scope: items:use }}
      - {{ method: POST, path: "/v1/items", scope: items:use }}
policies:
  - name: read-items
    cedar: |
      permit (principal in Application::"bench",
              action == Action::"items:use",
              resource == Resource::"resource://items")
      when {{ context.request.method == "GET" }};
"#
    )
}

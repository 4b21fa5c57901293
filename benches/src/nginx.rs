//! nginx as a plain proxy: the yardstick that everybody knows.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const PROGRAM: &str = "/usr/sbin/nginx";
const INSTALL: &str = "apt-get install -y --no-install-recommends nginx-light";
/// How long it may take to start.
const START: Duration = Duration::from_secs(10);

/// A running nginx with two workers, which ends when this is dropped.
pub(crate) struct Nginx {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The process ids of the workers.
    pub(crate) workers: Vec<u32>,
    /// The configuration.
    pub(crate) configuration: String,
    child: Child,
}

impl Nginx {
    /// Starts it before this upstream, with its files in a directory of its own.
    pub(crate) async fn start(directory: &Path, upstream: SocketAddr) -> Result<Self> {
        let program = find()?;
        std::fs::create_dir_all(directory).context("cannot make nginx's directory")?;
        stop_old(directory);
        // Another program could take the port in between; then nginx says so and we stop.
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("there is no free port")?;
        let configuration = configuration(directory, address, upstream);
        let file = directory.join("nginx.conf");
        std::fs::write(&file, &configuration).context("cannot write nginx's configuration")?;
        let child = Command::new(program)
            .args(["-e", "stderr", "-p"])
            .arg(directory)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start nginx")?;
        let mut nginx = Self {
            address,
            workers: Vec::new(),
            configuration,
            child,
        };
        nginx.wait().await?;
        Ok(nginx)
    }

    async fn wait(&mut self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < START {
            if let Some(status) = self.child.try_wait().context("cannot ask for nginx")? {
                bail!("nginx ended at once ({status})");
            }
            self.workers = children(self.child.id());
            if self.workers.len() == 2 && tokio::net::TcpStream::connect(self.address).await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("nginx does not answer")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its master stops the workers on this signal; SIGKILL would leave them behind.
        terminate(self.child.id());
        let _ = self.child.wait();
    }
}

/// Stops what a run that was killed left behind in this directory, and nothing else.
fn stop_old(directory: &Path) {
    let held = std::fs::read_to_string(directory.join("nginx.pid")).unwrap_or_default();
    let Ok(pid) = held.trim().parse::<u32>() else {
        return;
    };
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    if line.contains("nginx") && line.contains(&*directory.to_string_lossy()) {
        terminate(pid);
    }
}

fn terminate(pid: u32) {
    let pid = i32::try_from(pid).ok();
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        // It may be gone already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

fn find() -> Result<PathBuf> {
    let program = PathBuf::from(PROGRAM);
    if program.exists() {
        return Ok(program);
    }
    if !rustix::process::geteuid().is_root() {
        bail!("nginx is not here; install it with `apt-get update && {INSTALL}`");
    }
    println!("nginx is not here: {INSTALL}");
    apt(&["-q", "update"])?;
    let words: Vec<&str> = INSTALL.split(' ').skip(1).collect();
    apt(&words)?;
    if !program.exists() {
        bail!("`{INSTALL}` went well, but there is no `{PROGRAM}`");
    }
    Ok(program)
}

fn apt(words: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("there is no apt-get")?;
    if !status.success() {
        bail!("nginx is not here; install it with `apt-get update && {INSTALL}`");
    }
    Ok(())
}

fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Connections are never closed by count, on either side: reconnecting is not what is measured.
fn configuration(directory: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let directory = directory.display();
    format!(
        r#"daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
worker_processes 2;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    upstream elsewhere {{
        server {upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address};
        location / {{
            proxy_pass http://elsewhere;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"#
    )
}

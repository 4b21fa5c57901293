//! What the door needs to know of the instance.

use std::sync::Arc;
use std::time::Duration;

use caracal_core::BackupId;
use caracal_wire::StatusView;
use http::Uri;
use tokio_util::sync::CancellationToken;

/// How the process is, asked with every `GET /v1/status`.
pub type StatusSource = Arc<dyn Fn() -> StatusView + Send + Sync>;

/// The bytes of a backup as they come. An error ends it: it is none then.
pub type BackupChunks = tokio::sync::mpsc::Receiver<std::io::Result<bytes::Bytes>>;

/// Begins to take a backup, or says why that cannot be.
pub type BackupSource = Arc<dyn Fn() -> Result<(BackupId, BackupChunks), String> + Send + Sync>;

/// What the door needs to know of the instance.
#[derive(Clone)]
pub struct ApiConfig {
    /// The origin of the console, such as `http://localhost:3001`: the only one that a browser
    /// may send.
    pub public_url: String,
    /// What `Host` may say on a loopback listener, lower case, with the port where the client
    /// sends one.
    pub hosts: Vec<String>,
    /// The release.
    pub version: String,
    /// How the process is.
    pub status: StatusSource,
    /// Where backups come from; none when this server takes none.
    pub backup: Option<BackupSource>,
    /// How long a request may take until its answer begins.
    pub request_timeout: Duration,
    /// How many bad API tokens one source may show per minute before it is told to slow down; 0:
    /// no limit. Good ones are not counted, and always work.
    pub bad_secrets_per_minute: u32,
    /// Ends the live feeds, so that a shutdown need not wait for their clients.
    pub shutdown: CancellationToken,
}

impl ApiConfig {
    /// The configuration of a door that is known under `public_url` and listens on `port`.
    pub fn new(
        public_url: impl Into<String>,
        port: u16,
        version: impl Into<String>,
        status: StatusSource,
        shutdown: CancellationToken,
    ) -> Self {
        let public_url = public_url.into().trim_end_matches('/').to_owned();
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .map(|host| format!("{host}:{port}"))
            .collect();
        let public = public_url.parse::<Uri>().ok();
        let authority = public.as_ref().and_then(Uri::authority);
        hosts.extend(authority.map(|authority| authority.as_str().to_ascii_lowercase()));
        Self {
            public_url,
            hosts,
            version: version.into(),
            status,
            backup: None,
            request_timeout: Duration::from_secs(60),
            bad_secrets_per_minute: 120,
            shutdown,
        }
    }
}

impl std::fmt::Debug for ApiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiConfig")
            .field("public_url", &self.public_url)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

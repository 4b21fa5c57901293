//! Clients with their pooled connections, one per kind of trust.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy::Client as PooledClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use crate::connector::Connector;
use crate::held_body::HeldBody;
use crate::resolver::Resolver;
use crate::{Destination, EgressError, MAX_ANSWER_HEAD_BYTES, MAX_ANSWER_HEADERS, trust};

pub(crate) type Client = PooledClient<Connector, HeldBody>;

const MAX_IDLE_PER_HOST: usize = 64;
/// Below the idle timeout of common servers (60 s), so that it is we who close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// How many destinations with certificates of their own keep a client.
const MAX_OWN_TRUST: usize = 256;

/// The clients. Connections are shared only between requests that were allowed the same
/// addresses and trust the same certificates.
pub(crate) struct Cache {
    resolver: Resolver,
    cleartext: [Client; 2],
    system: [OnceCell<Client>; 2],
    own: [Mutex<OwnTrust>; 2],
}

/// Clients by the whole PEM text they trust.
#[derive(Default)]
struct OwnTrust {
    clients: HashMap<Box<str>, (u64, Client)>,
    uses: u64,
}

/// The system's TLS settings, read once and kept when clients are dropped.
#[derive(Clone, Default)]
pub(crate) struct SystemTrust(Arc<OnceCell<Arc<ClientConfig>>>);

impl SystemTrust {
    async fn get_config(&self) -> Result<Arc<ClientConfig>, EgressError> {
        let loading = self.0.get_or_try_init(|| async {
            let roots = tokio::task::spawn_blocking(trust::system_roots).await;
            trust::tls_config(
                roots.map_err(|stopped| EgressError::NoRoots(stopped.to_string().into()))??,
            )
        });
        loading.await.cloned()
    }
}

impl Cache {
    pub(crate) fn new(resolver: Resolver) -> Result<Self, EgressError> {
        // Trusts nothing: should `https` ever come this way, it fails.
        let no_tls = trust::tls_config(RootCertStore::empty())?;
        let cleartext =
            [false, true].map(|private| client(&resolver, private, Arc::clone(&no_tls)));
        Ok(Self {
            resolver,
            cleartext,
            system: Default::default(),
            own: Default::default(),
        })
    }

    /// The client for a destination whose privacy was already narrowed by the instance's.
    pub(crate) async fn get(
        &self,
        destination: &Destination<'_>,
        https: bool,
        system: &SystemTrust,
    ) -> Result<Client, EgressError> {
        let private = destination.allow_private;
        let [closed, open] = &self.cleartext;
        let [system_closed, system_open] = &self.system;
        let [own_closed, own_open] = &self.own;
        match destination.ca_pem {
            _ if !https => Ok(if private {
                open.clone()
            } else {
                closed.clone()
            }),
            Some(pem) => self.get_own(if private { own_open } else { own_closed }, private, pem),
            None => {
                let cell = if private { system_open } else { system_closed };
                let made = cell.get_or_try_init(|| async {
                    Ok(client(&self.resolver, private, system.get_config().await?))
                });
                made.await.cloned()
            }
        }
    }

    fn get_own(
        &self,
        own: &Mutex<OwnTrust>,
        private: bool,
        pem: &str,
    ) -> Result<Client, EgressError> {
        if let Some(found) = own.lock().unwrap_or_else(PoisonError::into_inner).find(pem) {
            return Ok(found);
        }
        let made = client(
            &self.resolver,
            private,
            trust::tls_config(trust::own_roots(pem)?)?,
        );
        own.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keep(pem, made.clone());
        Ok(made)
    }
}

impl OwnTrust {
    fn find(&mut self, pem: &str) -> Option<Client> {
        self.uses += 1;
        let (used, client) = self.clients.get_mut(pem)?;
        *used = self.uses;
        Some(client.clone())
    }

    /// Keeps a client; the one that was not used for longest makes room.
    fn keep(&mut self, pem: &str, client: Client) {
        if self.clients.len() >= MAX_OWN_TRUST && !self.clients.contains_key(pem) {
            let oldest = self.clients.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(pem, _)| pem.clone()) {
                self.clients.remove(&oldest);
            }
        }
        self.clients.insert(pem.into(), (self.uses, client));
    }
}

fn client(resolver: &Resolver, allow_private: bool, tls: Arc<ClientConfig>) -> Client {
    PooledClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
        .http1_max_buf_size(MAX_ANSWER_HEAD_BYTES)
        .http1_max_headers(MAX_ANSWER_HEADERS)
        // Whether a request may be sent again is decided in one place, and that is ours.
        .retry_canceled_requests(false)
        .build(Connector::new(resolver.clone(), allow_private, tls))
}

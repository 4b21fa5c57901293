//! Clients with their pooled connections, one per kind of trust and protocol.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use caracal_core::UpstreamProtocol;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use crate::client::Client;
use crate::resolver::Resolver;
use crate::{Destination, EgressError, trust};

/// How many destinations with certificates of their own keep a client, of each [`Kind`].
const MAX_OWN_TRUST: usize = 256;

/// The clients. Connections are shared only between requests that were allowed the same
/// addresses, trust the same certificates and ask for the same protocol.
pub(crate) struct Cache {
    closed: [Kind; 3],
    open: [Kind; 3],
}

/// What allows the same addresses and speaks the same protocol.
struct Kind {
    resolver: Resolver,
    allow_private: bool,
    protocol: UpstreamProtocol,
    cleartext: Client,
    system: OnceCell<Client>,
    own: Mutex<OwnTrust>,
}

/// Clients by the whole PEM text they trust.
#[derive(Default)]
struct OwnTrust {
    clients: HashMap<Box<str>, (u64, Client)>,
    uses: u64,
}

/// The system's TLS settings, read once and kept when clients are dropped.
#[derive(Clone, Default)]
pub(crate) struct SystemTrust(Arc<OnceCell<ClientConfig>>);

impl SystemTrust {
    async fn get_config(&self) -> Result<ClientConfig, EgressError> {
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
    pub(crate) fn new(resolver: &Resolver) -> Result<Self, EgressError> {
        // Trusts nothing: should `https` ever come this way, it fails.
        let no_tls = trust::tls_config(RootCertStore::empty())?;
        let kinds = |allow_private| {
            [
                UpstreamProtocol::Auto,
                UpstreamProtocol::Http1,
                UpstreamProtocol::Http2,
            ]
            .map(|protocol| Kind {
                resolver: resolver.clone(),
                allow_private,
                protocol,
                cleartext: Client::new(
                    resolver,
                    allow_private,
                    no_tls.clone(),
                    // Nothing is agreed on in the clear.
                    match protocol {
                        UpstreamProtocol::Auto => UpstreamProtocol::Http1,
                        asked => asked,
                    },
                ),
                system: OnceCell::new(),
                own: Mutex::default(),
            })
        };
        Ok(Self {
            closed: kinds(false),
            open: kinds(true),
        })
    }

    /// The client for a destination whose privacy was already narrowed by the instance's.
    pub(crate) async fn get(
        &self,
        destination: &Destination<'_>,
        https: bool,
        system: &SystemTrust,
    ) -> Result<Client, EgressError> {
        let kinds = if destination.allow_private {
            &self.open
        } else {
            &self.closed
        };
        let [auto, http1, http2] = kinds;
        let kind = match destination.protocol {
            UpstreamProtocol::Auto => auto,
            UpstreamProtocol::Http1 => http1,
            UpstreamProtocol::Http2 => http2,
        };
        match destination.ca_pem {
            _ if !https => Ok(kind.cleartext.clone()),
            Some(pem) => kind.get_own(pem),
            None => {
                let made = kind.system.get_or_try_init(|| async {
                    Ok::<_, EgressError>(kind.client(system.get_config().await?))
                });
                made.await.cloned()
            }
        }
    }
}

impl Kind {
    fn client(&self, tls: ClientConfig) -> Client {
        Client::new(&self.resolver, self.allow_private, tls, self.protocol)
    }

    fn get_own(&self, pem: &str) -> Result<Client, EgressError> {
        if let Some(found) = self.own().find(pem) {
            return Ok(found);
        }
        let made = self.client(trust::tls_config(trust::own_roots(pem)?)?);
        self.own().keep(pem, made.clone());
        Ok(made)
    }

    fn own(&self) -> std::sync::MutexGuard<'_, OwnTrust> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
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

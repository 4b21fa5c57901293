//! From a host to the addresses that may be connected to.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::{EgressError, Phase, check_address};

/// How many addresses of one name are looked at.
const MAX_ADDRESSES: usize = 16;
/// How long a name may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many names are resolved at a time. The system's resolver blocks a thread, also
/// after we gave up on it; names that hang must not take every thread of the runtime.
const MAX_LOOKUPS: usize = 64;

/// Resolves hosts and lets only allowed addresses through.
#[derive(Clone)]
pub(crate) struct Resolver {
    forbidden: Arc<RwLock<Arc<[SocketAddr]>>>,
    lookups: Arc<Semaphore>,
    #[cfg(test)]
    pretended: Arc<std::sync::Mutex<std::collections::HashMap<String, Vec<IpAddr>>>>,
}

impl Resolver {
    pub(crate) fn new(forbidden: Vec<SocketAddr>) -> Self {
        Self {
            forbidden: Arc::new(RwLock::new(forbidden.into())),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            #[cfg(test)]
            pretended: Arc::default(),
        }
    }

    /// Lets a name have these addresses from now on.
    #[cfg(test)]
    pub(crate) fn pretend(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        let mut pretended = self.pretended.lock().unwrap();
        pretended.insert(host.to_owned(), addresses.collect());
    }

    pub(crate) fn set_forbidden(&self, forbidden: Vec<SocketAddr>) {
        *self
            .forbidden
            .write()
            .unwrap_or_else(PoisonError::into_inner) = forbidden.into();
    }

    /// The allowed addresses of `host` (a name, or an address with or without brackets),
    /// in the resolver's order. Never empty.
    pub(crate) async fn resolve(
        &self,
        host: &str,
        port: u16,
        allow_private: bool,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        let found = match bare.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => self.look_up(bare, port).await?,
        };
        let forbidden = Arc::clone(
            &self
                .forbidden
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut allowed = Vec::with_capacity(found.len());
        let mut first_refusal = None;
        for address in found {
            match check_address(address.ip(), address.port(), allow_private, &forbidden) {
                Ok(()) if allowed.contains(&address) => {}
                Ok(()) => allowed.push(address),
                Err(refusal) => {
                    first_refusal.get_or_insert(refusal);
                }
            }
        }
        let named = || format!("{host}:{port}").into_boxed_str();
        match first_refusal {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(refusal) => Err(EgressError::Forbidden {
                host: named(),
                refusal,
            }),
            None => Err(EgressError::Unresolvable {
                host: named(),
                why: "no address".into(),
            }),
        }
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EgressError> {
        let named = || format!("{host}:{port}").into_boxed_str();
        // 253 characters and the dot that ends a full name.
        if host.is_empty() || host.len() > 254 {
            return Err(EgressError::BadTarget(
                "the host is empty or over 253 characters",
            ));
        }
        #[cfg(test)]
        if let Some(found) = self.pretended.lock().unwrap().get(host) {
            return Ok(found.iter().map(|ip| SocketAddr::new(*ip, port)).collect());
        }
        let name = host.to_owned();
        let lookups = Arc::clone(&self.lookups);
        let answer = tokio::time::timeout(RESOLVE_TIMEOUT, async move {
            let permit = lookups
                .acquire_owned()
                .await
                .map_err(|closed| closed.to_string())?;
            tokio::task::spawn_blocking(move || {
                // Held until the thread is free again, however long the caller waits.
                let _permit = permit;
                let found = (name.as_str(), port).to_socket_addrs();
                found.map(|found| found.take(MAX_ADDRESSES).collect::<Vec<_>>())
            })
            .await
            .map_err(|stopped| stopped.to_string())?
            .map_err(|error| error.to_string())
        });
        match answer.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(why)) => Err(EgressError::Unresolvable {
                host: named(),
                why: why.into(),
            }),
            Err(_) => Err(EgressError::Timeout {
                host: named(),
                phase: Phase::Resolving,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    async fn resolve(host: &str, allow_private: bool) -> Result<Vec<SocketAddr>, EgressError> {
        Resolver::new(Vec::new())
            .resolve(host, 80, allow_private)
            .await
    }

    fn refusal(result: Result<Vec<SocketAddr>, EgressError>) -> Option<Refusal> {
        match result {
            Err(EgressError::Forbidden { refusal, .. }) => Some(refusal),
            _ => None,
        }
    }

    /// Every spelling of a loopback address that the system's resolver understands is
    /// refused; one that it does not understand is refused as well.
    #[tokio::test]
    async fn odd_spellings_are_no_way_around() {
        for host in ["127.0.0.1", "[::1]", "::1", "localhost", "LOCALHOST"] {
            assert_eq!(
                refusal(resolve(host, false).await),
                Some(Refusal::Private),
                "{host}"
            );
        }
        let odd = [
            "localhost.",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "0",
        ];
        for host in odd.iter().chain(&[
            "127.0.0.1.",
            "::ffff:127.0.0.1",
            "[::ffff:7f00:1]",
            "::127.0.0.1",
        ]) {
            assert!(resolve(host, false).await.is_err(), "{host}");
        }
        // 169.254.169.254, closed even where private addresses are open.
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "169.16689662",
            "::ffff:a9fe:a9fe",
        ] {
            assert!(resolve(host, true).await.is_err(), "{host}");
        }
        for host in [
            "",
            "a b",
            "\0",
            "[fe80::1%25lo]",
            "fe80::1%lo",
            &"a".repeat(300),
        ] {
            assert!(resolve(host, true).await.is_err(), "{host:?}");
        }
    }

    #[tokio::test]
    async fn what_is_allowed_keeps_its_port() {
        assert_eq!(
            resolve("127.0.0.1", true).await,
            Ok(vec!["127.0.0.1:80".parse().unwrap()])
        );
        assert_eq!(
            resolve("[2606:4700::1]", false).await,
            Ok(vec!["[2606:4700::1]:80".parse().unwrap()])
        );
        let local = resolve("localhost", true).await.unwrap();
        assert!(!local.is_empty() && local.iter().all(|a| a.ip().is_loopback() && a.port() == 80));
    }
}

//! Who may have a connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::TrustedProxies;

/// How often it is logged that connections were refused.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// How many connections a door may have, altogether and of one address.
#[derive(Debug)]
pub struct Admission {
    door: &'static str,
    limit: usize,
    per_source: usize,
    proxies: TrustedProxies,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    of: HashMap<IpAddr, usize>,
    logged: Option<Instant>,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The door has as many connections as it may have.
    Door,
    /// The address has.
    Source,
}

/// A connection that was let in; its room is given back when this is dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    source: IpAddr,
}

impl Admission {
    /// Room for `limit` connections, of which one address may hold `per_source`. Trusted proxies
    /// speak for many, and may hold all.
    pub fn new(
        door: &'static str,
        limit: usize,
        per_source: usize,
        proxies: TrustedProxies,
    ) -> Arc<Self> {
        Arc::new(Self {
            door,
            limit,
            per_source,
            proxies,
            open: Mutex::default(),
        })
    }

    /// The name of the door.
    pub fn door(&self) -> &'static str {
        self.door
    }

    /// The proxies that are trusted.
    pub fn proxies(&self) -> &TrustedProxies {
        &self.proxies
    }

    /// Lets a connection from this address in.
    ///
    /// # Errors
    /// When there is no room; that is counted, and logged now and then.
    pub fn admit(self: &Arc<Self>, source: IpAddr) -> Result<Admitted, Full> {
        let peer = source.to_canonical();
        let source = network(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let held = open.of.get(&source).copied().unwrap_or(0);
        let full = if open.all >= self.limit {
            Full::Door
        } else if held >= self.per_source && !self.proxies.contains(peer) {
            Full::Source
        } else {
            open.all += 1;
            open.of.insert(source, held + 1);
            metrics::gauge!("caracal_connections_open", "door" => self.door).increment(1);
            let admission = Arc::clone(self);
            return Ok(Admitted { admission, source });
        };
        let is_due = open.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY);
        if is_due {
            open.logged = Some(Instant::now());
        }
        drop(open);
        self.refused(full, source, is_due);
        Err(full)
    }

    fn refused(&self, full: Full, source: IpAddr, log: bool) {
        let (reason, limit) = match full {
            Full::Door => ("door_full", self.limit),
            Full::Source => ("source_full", self.per_source),
        };
        metrics::counter!("caracal_connections_refused_total", "door" => self.door, "reason" => reason)
            .increment(1);
        if log {
            tracing::warn!(
                door = self.door, reason, limit, %source,
                "a connection was closed: too many are open"
            );
        }
    }

    pub(crate) fn cannot_accept(&self, error: &std::io::Error) {
        metrics::counter!("caracal_connections_refused_total", "door" => self.door, "reason" => "system_full")
            .increment(1);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            open.logged = Some(Instant::now());
            drop(open);
            tracing::warn!(door = self.door, %error, "no connection can be accepted at the moment");
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let door = self.admission.door;
        let mut open = self
            .admission
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(held) = open.of.get_mut(&self.source) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                open.of.remove(&self.source);
            }
        }
        drop(open);
        metrics::gauge!("caracal_connections_open", "door" => door).decrement(1);
    }
}

/// What one machine can have: an IPv4 address, or the /64 of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_cannot_take_the_whole_door_but_a_proxy_may() {
        let proxies = TrustedProxies::parse(["10.0.0.0/8"]).unwrap();
        let door = Admission::new("gateway", 3, 2, proxies);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let (first, _second) = (door.admit(one).unwrap(), door.admit(mapped).unwrap());
        assert_eq!(door.admit(one).unwrap_err(), Full::Source);
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        let third = door.admit(other).unwrap();
        assert_eq!(door.admit(other).unwrap_err(), Full::Door);
        drop((first, third));
        let proxy: IpAddr = "10.1.1.1".parse().unwrap();
        let _held = [door.admit(proxy).unwrap(), door.admit(proxy).unwrap()];
        drop(_held);
        let _third = [door.admit(other).unwrap(), door.admit(other).unwrap()];
        assert_eq!(door.open.lock().unwrap().of.len(), 2);
    }
}

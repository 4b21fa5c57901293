//! What a seal is bound to.

use caracal_core::{AllowedHost, ZoneId};

/// What a seal is bound to: a secret opens only for the zone, the purpose and the hosts it
/// was sealed for.
///
/// Put the id of the owning object into the purpose, such as `provider:prov_…`, so that
/// sealed texts cannot be swapped between objects of one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealContext {
    zone: ZoneId,
    purpose: String,
    hosts: Vec<String>,
}

impl SealContext {
    /// A context without hosts.
    pub fn new(zone: ZoneId, purpose: &str) -> Self {
        Self {
            zone,
            purpose: purpose.to_owned(),
            hosts: Vec::new(),
        }
    }

    /// Binds the seal to exactly these hosts; their order and repetition do not matter.
    #[must_use]
    pub fn with_hosts(mut self, hosts: &[AllowedHost]) -> Self {
        self.hosts = hosts.iter().map(ToString::to_string).collect();
        self.hosts.sort_unstable();
        self.hosts.dedup();
        self
    }

    /// The context as bytes. Every part has a fixed length or carries it, so that two
    /// contexts never share their bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.zone.uuid().as_bytes().to_vec();
        push(&mut bytes, self.purpose.as_bytes());
        bytes.extend((self.hosts.len() as u64).to_be_bytes());
        for host in &self.hosts {
            push(&mut bytes, host.as_bytes());
        }
        bytes
    }
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_be_bytes());
    bytes.extend(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(list: &[&str]) -> Vec<AllowedHost> {
        list.iter().map(|host| host.parse().unwrap()).collect()
    }

    #[test]
    fn no_two_contexts_share_their_bytes() {
        let (one, two) = (ZoneId::INSTANCE, ZoneId::from_uuid(uuid::Uuid::max()));
        let contexts = [
            SealContext::new(one, ""),
            SealContext::new(two, ""),
            SealContext::new(one, "a"),
            SealContext::new(one, "aa:1"),
            SealContext::new(one, "a").with_hosts(&hosts(&["a:1"])),
            SealContext::new(one, "").with_hosts(&hosts(&["a:1"])),
            SealContext::new(one, "").with_hosts(&hosts(&["a:12"])),
            SealContext::new(one, "").with_hosts(&hosts(&["a:1", "b:2"])),
            SealContext::new(one, "").with_hosts(&hosts(&["a:1", "b:2", "c:3"])),
        ];
        for (i, a) in contexts.iter().enumerate() {
            for b in contexts.iter().skip(i + 1) {
                assert_ne!(a.bytes(), b.bytes(), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_order_of_hosts_does_not_matter() {
        let context = SealContext::new(ZoneId::INSTANCE, "p");
        assert_eq!(
            context
                .clone()
                .with_hosts(&hosts(&["a:1", "b:2", "a:1"]))
                .bytes(),
            context.with_hosts(&hosts(&["b:2", "a:1"])).bytes(),
        );
    }
}

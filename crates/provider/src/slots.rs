//! The places a provider fills.

use caracal_core::ProviderKind;

/// The places of a request that a provider fills. Whatever a client put there is removed
/// first, so that it can neither add to nor stand in for the injected credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// Header names, lower case.
    pub headers: Vec<String>,
    /// Query parameters, decoded; compared exactly.
    pub query: Vec<String>,
}

/// The places that [`inject`](crate::inject) fills for this kind.
pub fn slots(kind: &ProviderKind) -> Slots {
    match kind {
        ProviderKind::None => Slots::default(),
        ProviderKind::Bearer | ProviderKind::Basic { .. } => Slots {
            headers: vec![AUTHORIZATION.to_owned()],
            query: Vec::new(),
        },
        ProviderKind::ApiKey { header, query, .. } => Slots {
            headers: header
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            query: query.iter().cloned().collect(),
        },
    }
}

pub(crate) const AUTHORIZATION: &str = "authorization";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_names_its_places() {
        let api_key = |header: Option<&str>, query: Option<&str>| ProviderKind::ApiKey {
            header: header.map(Into::into),
            query: query.map(Into::into),
            prefix: None,
        };
        let table: [(ProviderKind, &[&str], &[&str]); 5] = [
            (ProviderKind::None, &[], &[]),
            (ProviderKind::Bearer, &["authorization"], &[]),
            (
                ProviderKind::Basic {
                    username: "u".into(),
                },
                &["authorization"],
                &[],
            ),
            (api_key(Some("X-Api-Key"), None), &["x-api-key"], &[]),
            (api_key(None, Some("apiKey")), &[], &["apiKey"]),
        ];
        for (kind, headers, query) in table {
            let slots = slots(&kind);
            assert_eq!(slots.headers, headers, "{kind:?}");
            assert_eq!(slots.query, query, "{kind:?}");
        }
    }
}

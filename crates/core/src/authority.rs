//! A slice of authority: which scopes on which resources.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ResourceIdentifier, Scope, ScopeSet};

/// The most resources that a slice names.
pub const MAX_AUTHORITY_RESOURCES: usize = 64;
/// The most scopes that a slice names, over all its resources.
pub const MAX_AUTHORITY_SCOPES: usize = 256;

/// Scopes on resources. As JSON it is a list of `{resource, scopes}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authority(BTreeMap<ResourceIdentifier, ScopeSet>);

/// One entry of the JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    resource: ResourceIdentifier,
    #[serde(with = "crate::scope::plain_list")]
    scopes: ScopeSet,
}

impl Authority {
    /// True when it has this scope on this resource.
    pub fn allows(&self, resource: &ResourceIdentifier, scope: &str) -> bool {
        self.0
            .get(resource)
            .is_some_and(|scopes| scopes.contains(scope))
    }

    /// Adds a scope on a resource.
    pub fn insert(&mut self, resource: ResourceIdentifier, scope: Scope) {
        self.0.entry(resource).or_default().insert(scope);
    }

    /// True when it names nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The resources, in order.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceIdentifier> {
        self.0.keys()
    }

    /// Every scope with its resource, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceIdentifier, &Scope)> {
        self.0
            .iter()
            .flat_map(|(resource, scopes)| scopes.iter().map(move |scope| (resource, scope)))
    }

    /// The first thing that this has and `other` lacks: the proof that it is not narrower.
    pub fn find_excess(&self, other: &Self) -> Option<(&ResourceIdentifier, &Scope)> {
        self.iter()
            .find(|(resource, scope)| !other.allows(resource, scope.as_str()))
    }
}

impl Serialize for Authority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(resource, scopes)| Grant {
            resource: resource.clone(),
            scopes: scopes.clone(),
        }))
    }
}

impl<'de> Deserialize<'de> for Authority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let grants = Vec::<Grant>::deserialize(deserializer)?;
        if grants.len() > MAX_AUTHORITY_RESOURCES {
            let why = format!("names more than {MAX_AUTHORITY_RESOURCES} resources");
            return Err(D::Error::custom(why));
        }
        let mut held = BTreeMap::new();
        let mut count = 0;
        for grant in grants {
            count += grant.scopes.len();
            if grant.scopes.is_empty() {
                let why = format!("`{}` has no scopes", grant.resource);
                return Err(D::Error::custom(why));
            }
            if count > MAX_AUTHORITY_SCOPES {
                let why = format!("names more than {MAX_AUTHORITY_SCOPES} scopes");
                return Err(D::Error::custom(why));
            }
            if let Some(twice) = held.insert(grant.resource.clone(), grant.scopes) {
                let why = format!("`{}` is named twice ({twice})", grant.resource);
                return Err(D::Error::custom(why));
            }
        }
        Ok(Self(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Authority, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_slice_reads_back_as_it_was_written() {
        let json = r#"[{"resource":"resource://a","scopes":["r","w"]}]"#;
        let slice = parse(json).unwrap();
        assert_eq!(serde_json::to_string(&slice).unwrap(), json);
        let a = "resource://a".parse().unwrap();
        assert!(slice.allows(&a, "r") && !slice.allows(&a, "x"));
    }

    #[test]
    fn the_counterexample_is_what_the_other_lacks() {
        let wide = parse(r#"[{"resource":"resource://a","scopes":["r","w"]}]"#).unwrap();
        let narrow = parse(r#"[{"resource":"resource://a","scopes":["r"]}]"#).unwrap();
        assert_eq!(narrow.find_excess(&wide), None);
        let (resource, scope) = wide.find_excess(&narrow).unwrap();
        assert_eq!(
            (resource.to_string().as_str(), scope.as_str()),
            ("resource://a", "w")
        );
    }

    #[test]
    fn a_slice_is_bounded_and_plain() {
        for bad in [
            r#"[{"resource":"resource://a","scopes":[]}]"#,
            r#"[{"resource":"a","scopes":["r"]}]"#,
            r#"[{"resource":"resource://a","scopes":["r"],"more":1}]"#,
            r#"[{"resource":"resource://a","scopes":["r"]},{"resource":"resource://a","scopes":["w"]}]"#,
        ] {
            assert!(parse(bad).is_err(), "{bad} was accepted");
        }
        let grant =
            |n| serde_json::json!({"resource": format!("resource://r{n}"), "scopes": ["r"]});
        let many: Vec<_> = (0..=MAX_AUTHORITY_RESOURCES).map(grant).collect();
        assert!(parse(&serde_json::to_string(&many).unwrap()).is_err());
    }
}

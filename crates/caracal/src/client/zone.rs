//! Which zone.

use caracal_core::ZoneId;
use caracal_wire::{Page, ZoneView};

use crate::cli::Global;
use crate::client::Api;
use crate::environment::Environment;
use crate::failure::{Failure, Outcome};

/// What the instance's own log goes by.
const INSTANCE_NAME: &str = "caracal-instance";

/// The id of the zone that a command is about: the flag, then `CARACAL_ZONE_ID`, then the only
/// one. The zone `demo` counts only when there is no other.
pub(crate) async fn find_zone(
    api: &Api,
    global: &Global,
    environment: &Environment,
) -> Outcome<ZoneView> {
    let named = global
        .zone
        .as_deref()
        .or_else(|| environment.find("CARACAL_ZONE_ID"));
    let page: Page<ZoneView> = api.get("/v1/zones?limit=1000").await?;
    choose(page.items, named)
}

/// The same for evidence: the instance has a log too, which belongs to no zone that is listed.
pub(crate) async fn find_log_zone(
    api: &Api,
    global: &Global,
    environment: &Environment,
) -> Outcome<ZoneView> {
    let named = global
        .zone
        .as_deref()
        .or_else(|| environment.find("CARACAL_ZONE_ID"));
    let id = ZoneId::INSTANCE.to_string();
    if named.is_some_and(|named| named == INSTANCE_NAME || named == id) {
        return Ok(ZoneView {
            id,
            name: INSTANCE_NAME.to_owned(),
            version: 0,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            issuer: String::new(),
            policy_version: None,
            frozen: false,
            retention: None,
            self_approval: false,
        });
    }
    find_zone(api, global, environment).await
}

/// The path of the zone's objects.
pub(crate) fn path_of(zone: &ZoneView, rest: &str) -> String {
    format!("/v1/zones/{}/{rest}", zone.id)
}

fn choose(mut zones: Vec<ZoneView>, named: Option<&str>) -> Outcome<ZoneView> {
    if let Some(named) = named {
        let found = zones
            .iter()
            .position(|zone| zone.id == named || zone.name == named);
        return match found {
            Some(at) => Ok(zones.swap_remove(at)),
            None => Err(
                Failure::new(format!("there is no zone `{named}` that you may see"))
                    .hint("`caracal zone list` lists them"),
            ),
        };
    }
    if zones.len() > 1 {
        zones.retain(|zone| zone.name != "demo");
    }
    if zones.len() > 1 {
        let names: Vec<_> = zones
            .iter()
            .map(|zone| format!("`{}`", zone.name))
            .collect();
        return Err(
            Failure::usage(format!("there are several zones: {}", names.join(", ")))
                .hint("name one with `--zone` or `CARACAL_ZONE_ID`"),
        );
    }
    zones.pop().ok_or_else(|| {
        Failure::new("there is no zone yet")
            .hint("`caracal apply -f FILE` or `caracal zone create NAME` creates one")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn zone(name: &str) -> ZoneView {
        ZoneView {
            id: format!("zone_{name}"),
            name: name.to_owned(),
            version: 1,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            issuer: String::new(),
            policy_version: None,
            frozen: false,
            retention: None,
            self_approval: false,
        }
    }

    fn chosen(names: &[&str], named: Option<&str>) -> Outcome<String> {
        choose(names.iter().map(|name| zone(name)).collect(), named).map(|zone| zone.name)
    }

    #[test]
    fn the_only_zone_is_meant_and_demo_counts_only_alone() {
        assert_eq!(chosen(&["a"], None).unwrap(), "a");
        assert_eq!(chosen(&["demo"], None).unwrap(), "demo");
        assert_eq!(chosen(&["a", "demo"], None).unwrap(), "a");
        assert_eq!(chosen(&[], None).unwrap_err().exit, Exit::Failed);
    }

    #[test]
    fn of_several_zones_one_must_be_named() {
        let failure = chosen(&["a", "b", "demo"], None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("`a`, `b`") && !failure.message.contains("demo"));
        assert_eq!(chosen(&["a", "b"], Some("b")).unwrap(), "b");
        assert_eq!(chosen(&["a", "b"], Some("zone_b")).unwrap(), "b");
        assert!(chosen(&["a"], Some("c")).is_err());
    }
}

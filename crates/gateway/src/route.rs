//! From a path to what it names.

use caracal_core::RequestPath;
use caracal_engine::Selector;
use http::HeaderMap;

use crate::refused::Refused;

/// Where a request wants to go.
#[derive(Debug)]
pub(crate) struct Route {
    /// Zone, name and header, as far as the request gives them.
    pub(crate) selector: Selector,
    /// What goes upstream.
    pub(crate) rest: RequestPath,
}

/// Reads the route off the parsed path and `X-Caracal-Resource`.
pub(crate) fn find_route(path: &RequestPath, headers: &HeaderMap) -> Result<Route, Refused> {
    let mut values = headers.get_all("x-caracal-resource").iter();
    let header = values.next().map(|value| match value.to_str() {
        Ok(text) => text.trim().to_owned(),
        // Names no resource, and is refused as such.
        Err(_) => String::new(),
    });
    if values.next().is_some() {
        return Err(Refused::malformed(
            "`X-Caracal-Resource` stands there more than once",
        ));
    }
    let mut segments = path.segments();
    let parts = [
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
    ];
    let (zone, name, skip) = match parts {
        [Some("zones"), Some(zone), Some("r"), Some(name)] => (Some(zone), Some(name), 4),
        [Some("r"), Some(name), ..] => (None, Some(name), 2),
        _ => (None, None, 0),
    };
    let selector = Selector {
        zone: zone.map(str::to_owned),
        name: name.map(str::to_owned),
        header,
    };
    let rest = if skip == 0 {
        path.clone()
    } else {
        path.skip(skip)
    };
    Ok(Route { selector, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_zone_resource_and_rest() {
        type Row<'a> = (&'a str, Option<&'a str>, Option<&'a str>, &'a str);
        let table: &[Row<'_>] = &[
            (
                "/zones/zone_1/r/openai/v1/models",
                Some("zone_1"),
                Some("openai"),
                "/v1/models",
            ),
            (
                "/zones/zone_1/r/openai",
                Some("zone_1"),
                Some("openai"),
                "/",
            ),
            ("/r/openai/v1/models", None, Some("openai"), "/v1/models"),
            ("/r/openai", None, Some("openai"), "/"),
            ("/r/a%20b/x%2Fy", None, Some("a b"), "/x%2Fy"),
            ("/%72/openai/a", None, Some("openai"), "/a"),
            ("/zones/z/%72/openai/r/x", Some("z"), Some("openai"), "/r/x"),
            ("/v1/models", None, None, "/v1/models"),
            ("/", None, None, "/"),
            ("/r", None, None, "/r"),
            ("/zones/z", None, None, "/zones/z"),
            ("/zones/z/r", None, None, "/zones/z/r"),
            ("/zones/z/q/openai", None, None, "/zones/z/q/openai"),
            ("/R/openai", None, None, "/R/openai"),
            (
                "/zones%2Fz%2Fr%2Fopenai",
                None,
                None,
                "/zones%2Fz%2Fr%2Fopenai",
            ),
        ];
        for (path, zone, name, rest) in table {
            let parsed = RequestPath::parse(path).unwrap();
            let route = find_route(&parsed, &HeaderMap::new()).unwrap();
            assert_eq!(route.selector.zone.as_deref(), *zone, "{path}");
            assert_eq!(route.selector.name.as_deref(), *name, "{path}");
            assert_eq!(route.rest.to_string(), *rest, "{path}");
        }
    }

    #[test]
    fn the_header_may_stand_there_once() {
        let path = RequestPath::parse("/v1").unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-caracal-resource", " resource://a ".parse().unwrap());
        let route = find_route(&path, &headers).unwrap();
        assert_eq!(route.selector.header.as_deref(), Some("resource://a"));
        headers.append("x-caracal-resource", "resource://b".parse().unwrap());
        assert_eq!(find_route(&path, &headers).unwrap_err().status(), 400);
    }
}

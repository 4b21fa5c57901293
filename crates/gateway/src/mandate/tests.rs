use super::*;

const OURS: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJvdXJzIn0.c2lnbmF0dXJl";
const FOREIGN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJvdGhlciJ9.c2lnbmF0dXJl";

fn is_ours(text: &str) -> bool {
    caracal_engine::find_issuer(text).as_deref() == Some("ours")
}

fn headers(list: &[(&str, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        let name: http::HeaderName = name.parse().unwrap();
        map.append(name, value.parse().unwrap());
    }
    map
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The place of the mandate, or the status of the refusal.
fn find(list: &[(&str, String)], query: &str) -> String {
    let (map, query) = (headers(list), Query::parse(Some(query)).unwrap());
    match find_mandate(&map, &query, &is_ours) {
        Ok(found) => {
            assert!(found.place == Place::Bearer || found.text == OURS);
            format!("{:?}", found.place)
        }
        Err(refused) => refused.reason().to_owned(),
    }
}

#[test]
fn the_mandate_is_found_where_clients_put_it() {
    let ours = || OURS.to_owned();
    let bearer = || format!("Bearer {OURS}");
    type Row<'a> = (Vec<(&'a str, String)>, String, &'a str);
    let none = String::new;
    let table: Vec<Row<'_>> = vec![
        (vec![], none(), "mandate_missing"),
        (vec![("authorization", bearer())], none(), "Bearer"),
        (
            vec![("authorization", "bearer  anything".to_owned())],
            none(),
            "Bearer",
        ),
        (
            vec![("authorization", bearer()), ("authorization", bearer())],
            none(),
            "request_invalid",
        ),
        (
            vec![("authorization", format!("DPoP {OURS}"))],
            none(),
            "Dpop",
        ),
        (
            vec![("authorization", basic("u", OURS))],
            none(),
            "BasicPassword",
        ),
        (
            vec![("authorization", basic(OURS, "x"))],
            none(),
            "mandate_misplaced",
        ),
        (
            vec![("authorization", basic("u", "p"))],
            none(),
            "mandate_missing",
        ),
        (
            vec![("authorization", "Basic %%%".to_owned())],
            none(),
            "mandate_missing",
        ),
        (
            vec![("authorization", ours())],
            none(),
            "Header(\"authorization\")",
        ),
        (vec![("x-api-key", ours())], none(), "Header(\"x-api-key\")"),
        (
            vec![("x-api-key", bearer())],
            none(),
            "Header(\"x-api-key\")",
        ),
        (
            vec![("x-api-key", FOREIGN.to_owned())],
            none(),
            "mandate_missing",
        ),
        (vec![], format!("a=1&key={OURS}"), "Query(\"key\")"),
        (
            vec![],
            format!("key={}", OURS.replace('.', "%2E")),
            "Query(\"key\")",
        ),
        (vec![], format!("key={FOREIGN}"), "mandate_missing"),
        (
            vec![("cookie", format!("a=b; session={OURS}; c=d"))],
            none(),
            "mandate_misplaced",
        ),
        (
            vec![("x-list", format!("a, {OURS}"))],
            none(),
            "mandate_misplaced",
        ),
        (vec![], format!("{OURS}=1"), "mandate_misplaced"),
        (vec![], format!("a=1;key={OURS}"), "mandate_misplaced"),
        (
            vec![("authorization", basic("u", "p")), ("x-api-key", ours())],
            none(),
            "Header(\"x-api-key\")",
        ),
    ];
    for (list, query, expected) in table {
        assert_eq!(find(&list, &query), expected, "{list:?} {query}");
    }
}

#[test]
fn mandates_stand_only_where_the_resource_takes_them() {
    let api_key = || MandateSlot::Header("x-api-key".to_owned());
    let key = || MandateSlot::Query("key".to_owned());
    let bearer = || ("authorization", format!("Bearer {OURS}"));
    let in_header = || ("x-api-key", OURS.to_owned());
    let in_query = || format!("key={OURS}");
    let none = String::new;
    type Row<'a> = (Vec<(&'a str, String)>, String, Vec<MandateSlot>, bool);
    let table: Vec<Row<'_>> = vec![
        (vec![bearer()], none(), vec![], true),
        (
            vec![bearer(), ("x-other", FOREIGN.to_owned())],
            none(),
            vec![],
            true,
        ),
        (vec![bearer(), in_header()], none(), vec![], false),
        (vec![bearer(), in_header()], none(), vec![api_key()], true),
        (
            vec![bearer(), ("x-api_key", OURS.to_owned())],
            none(),
            vec![api_key()],
            false,
        ),
        (
            vec![bearer(), in_header()],
            in_query(),
            vec![api_key()],
            false,
        ),
        (vec![bearer()], in_query(), vec![], false),
        (vec![bearer()], in_query(), vec![key()], true),
        (vec![bearer()], format!("KEY={OURS}"), vec![key()], false),
        (vec![in_header()], none(), vec![], false),
        (vec![in_header()], none(), vec![key()], false),
        (vec![in_header()], none(), vec![api_key()], true),
        (vec![], in_query(), vec![key()], true),
        (vec![], in_query(), vec![], false),
        (
            vec![],
            format!("{}&other={OURS}", in_query()),
            vec![key()],
            false,
        ),
        (
            vec![("authorization", basic("u", OURS))],
            none(),
            vec![],
            false,
        ),
        (
            vec![("authorization", basic("u", OURS))],
            none(),
            vec![MandateSlot::BasicPassword],
            true,
        ),
        (
            vec![("authorization", OURS.to_owned())],
            none(),
            vec![],
            false,
        ),
        (
            vec![bearer(), ("cookie", format!("s={OURS}"))],
            none(),
            vec![],
            false,
        ),
        (
            vec![bearer(), ("cookie", format!("s=\"{OURS}\""))],
            none(),
            vec![],
            false,
        ),
        (
            vec![bearer(), ("x-a", format!("Token token={OURS}"))],
            none(),
            vec![],
            false,
        ),
        (
            vec![bearer(), ("x-a", format!("{OURS} "))],
            none(),
            vec![],
            false,
        ),
    ];
    for (list, query, slots, accepted) in table {
        let (map, parsed) = (headers(&list), Query::parse(Some(&query)).unwrap());
        let found = find_mandate(&map, &parsed, &is_ours).unwrap();
        let checked = check_places(&found, &map, &parsed, &slots, &is_ours);
        assert_eq!(checked.is_ok(), accepted, "{list:?} {query} {slots:?}");
        if let Err(refused) = checked {
            assert_eq!(refused.reason(), "mandate_misplaced");
        }
    }
}

use caracal_core::ZoneId;
use caracal_crypto::{Keyring, MasterKey, SealContext};

use super::*;
use crate::slots;

/// Sealed and opened again: the only way to a credential.
fn credential(secret: &[u8]) -> Credential {
    let keys = Keyring::new(MasterKey::from_bytes(&[7; 32]).unwrap());
    let zone: ZoneId = "zone_01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let context = SealContext::new(zone, "test");
    let sealed = keys.seal(&Secret::new(secret.to_vec()), &context).unwrap();
    keys.open_credential(&sealed, &context).unwrap()
}

fn api_key(header: Option<&str>, query: Option<&str>, prefix: Option<&str>) -> ProviderKind {
    ProviderKind::ApiKey {
        header: header.map(Into::into),
        query: query.map(Into::into),
        prefix: prefix.map(Into::into),
    }
}

#[test]
fn every_kind_fills_exactly_its_slots() {
    let basic = |name: &str| ProviderKind::Basic {
        username: name.into(),
    };
    let table = [
        (ProviderKind::Bearer, "sk-1", "authorization", "Bearer sk-1"),
        // The example of RFC 7617.
        (
            basic("Aladdin"),
            "open sesame",
            "authorization",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (
            basic("test"),
            "123£",
            "authorization",
            "Basic dGVzdDoxMjPCow==",
        ),
        (basic(""), "s:s", "authorization", "Basic OnM6cw=="),
        (
            api_key(Some("X-Api-Key"), None, None),
            "k 1",
            "x-api-key",
            "k 1",
        ),
        (
            api_key(Some("authorization"), None, Some("Token ")),
            "k1",
            "authorization",
            "Token k1",
        ),
        (
            api_key(None, Some("apiKey"), None),
            "k&1=ü %",
            "apiKey",
            "k&1=ü %",
        ),
    ];
    for (kind, secret, place, value) in table {
        let injection = inject(&kind, Some(&credential(secret.as_bytes()))).unwrap();
        let expected = slots(&kind);
        let names = |places: &[(Box<str>, Secret)]| -> Vec<String> {
            places.iter().map(|(name, _)| name.to_string()).collect()
        };
        assert_eq!(names(&injection.headers), expected.headers, "{kind:?}");
        assert_eq!(names(&injection.query), expected.query, "{kind:?}");
        let (name, injected) = injection
            .headers
            .iter()
            .chain(&injection.query)
            .next()
            .unwrap();
        assert_eq!(
            (&**name, injected.expose_str()),
            (place, Some(value)),
            "{kind:?}"
        );
    }
}

#[test]
fn nothing_to_inject() {
    for given in [None, Some(credential(b"s"))] {
        let injection = inject(&ProviderKind::None, given.as_ref()).unwrap();
        assert!(injection.headers.is_empty() && injection.query.is_empty());
    }
}

#[test]
fn what_cannot_be_injected_is_an_error_that_keeps_the_secret() {
    let refused = |kind: ProviderKind, secret: Option<&[u8]>| {
        let credential = secret.map(credential);
        inject(&kind, credential.as_ref()).err().unwrap()
    };
    assert_eq!(refused(ProviderKind::Bearer, None), InjectError::NoSecret);
    for bad in [
        &b"hunter2\r\nx: y"[..],
        b"hunter2\n",
        b"hunter2\0",
        b"hunter2\xff",
        b" hunter2",
    ] {
        for kind in [
            ProviderKind::Bearer,
            api_key(Some("x-api-key"), None, Some("Key ")),
        ] {
            let error = refused(kind, Some(bad));
            assert!(matches!(error, InjectError::BadSecret(_)), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
    for kind in [
        api_key(None, None, None),
        api_key(Some("a"), Some("b"), None),
        api_key(Some("host"), None, None),
        ProviderKind::Basic {
            username: "a:b".into(),
        },
    ] {
        assert!(matches!(refused(kind, Some(b"s")), InjectError::BadKind(_)));
    }
}

proptest::proptest! {
    /// Whatever the secret, a value that comes out is a valid header value or a query
    /// value, and holds no line break.
    #[test]
    fn injected_values_never_break_a_head(secret: Vec<u8>, username: String) {
        let kinds = [
            ProviderKind::Bearer,
            ProviderKind::Basic { username },
            api_key(Some("x-api-key"), None, Some("Key ")),
            api_key(None, Some("key"), None),
        ];
        if secret.is_empty() {
            return Ok(());
        }
        let credential = credential(&secret);
        for kind in kinds {
            let Ok(injection) = inject(&kind, Some(&credential)) else { continue };
            for (_, value) in &injection.headers {
                proptest::prop_assert!(value.expose().iter().all(|b| matches!(b, b' '..=b'~')));
            }
            for (_, value) in &injection.query {
                proptest::prop_assert!(!value.expose_str().unwrap().contains(['\r', '\n', '\0']));
            }
        }
    }
}

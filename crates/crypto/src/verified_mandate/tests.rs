use caracal_core::{ApplicationId, KeyId, MandateId, ScopeSet, SessionId, ZoneId};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{KeyError, MAX_MANDATE_BYTES, MandateSigner, base64url};

const ISSUER: &str = "http://localhost:8080/zones/zone_00000000-0000-0000-0000-000000000001";
const NOW: i64 = 1_700_000_000;

fn kid(n: u128) -> KeyId {
    KeyId::from_uuid(Uuid::from_u128(n))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn claims() -> MandateClaims {
    MandateClaims {
        iss: ISSUER.to_owned(),
        sub: "app_x".to_owned(),
        aud: vec![
            "resource://a".to_owned(),
            "http://localhost:8081/r/a".to_owned(),
        ],
        exp: NOW + 300,
        iat: NOW,
        jti: MandateId::from_uuid(Uuid::from_u128(2)),
        client_id: ApplicationId::from_uuid(Uuid::from_u128(3)),
        zone: ZoneId::from_uuid(Uuid::from_u128(1)),
        scope: scopes(&["a:read", "a:write"]),
        sid: SessionId::from_uuid(Uuid::from_u128(4)),
        rev: "00.7.00".to_owned(),
        cnf: None,
        act: None,
        dlg: Vec::new(),
        anc: Vec::new(),
        apr: None,
        authorization_details: Vec::new(),
        generation: None,
    }
}

fn scopes(list: &[&str]) -> ScopeSet {
    let mut set = ScopeSet::default();
    for scope in list {
        set.insert(scope.parse().unwrap());
    }
    set
}

/// A key whose signatures a test can put under anything.
struct Key {
    signer: MandateSigner,
    public: PublicKey,
    point: Vec<u8>,
    private: caracal_core::Secret,
}

fn key(n: u128) -> Key {
    let new = MandateSigner::generate().unwrap();
    Key {
        signer: MandateSigner::from_pkcs8(kid(n), &new.private).unwrap(),
        public: PublicKey::from_public(kid(n), &new.public).unwrap(),
        point: base64url::decode(&new.public).unwrap(),
        private: new.private,
    }
}

impl Key {
    fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "ES256", "kid": self.signer.kid()})
    }

    /// Signs raw parts as a hostile holder of the key would.
    fn forge(&self, header: &str, claims: &str) -> String {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, self.private.expose())
                .unwrap();
        let text = format!(
            "{}.{}",
            base64url::encode(header.as_bytes()),
            base64url::encode(claims.as_bytes())
        );
        let signature = pair
            .sign(&aws_lc_rs::rand::SystemRandom::new(), text.as_bytes())
            .unwrap();
        format!("{text}.{}", base64url::encode(signature.as_ref()))
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.forge(
            &header.to_string(),
            &serde_json::to_string(&claims()).unwrap(),
        )
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = serde_json::to_value(claims()).unwrap();
        claims[name] = value;
        self.forge(&self.header().to_string(), &claims.to_string())
    }

    fn check(&self, text: &str, now: Timestamp) -> Result<VerifiedMandate, MandateError> {
        verify_mandate(&UnverifiedMandate::parse(text)?, &self.public, ISSUER, now)
    }

    fn error(&self, text: &str) -> Option<MandateError> {
        self.check(text, at(NOW)).err()
    }
}

#[test]
fn a_signed_mandate_verifies() {
    let key = key(1);
    let text = key.signer.sign(&claims()).unwrap();
    let unverified = UnverifiedMandate::parse(&text).unwrap();
    assert_eq!(unverified.kid(), kid(1));
    assert_eq!(unverified.issuer(), ISSUER);
    assert_eq!(unverified.zone(), claims().zone);
    let verified = key.check(&text, at(NOW)).unwrap();
    assert_eq!(*verified.claims(), claims());
    assert_eq!(verified.clone().digest(), crate::sha256(text.as_bytes()));
    assert_eq!(unverified.digest(), verified.digest());
    // And the header is exactly what the contract says.
    let header: Value =
        serde_json::from_slice(&base64url::decode(text.split('.').next().unwrap()).unwrap())
            .unwrap();
    assert_eq!(header, key.header());
}

#[test]
fn no_changed_character_verifies() {
    let key = key(1);
    let text = key.signer.sign(&claims()).unwrap();
    for at_byte in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(key.error(&changed).is_some(), "character {at_byte}");
    }
}

#[test]
fn only_es256_is_an_algorithm() {
    let key = key(1);
    let body = serde_json::to_string(&claims()).unwrap();
    for alg in [
        "none", "None", "HS256", "RS256", "ES384", "EdDSA", "es256", "",
    ] {
        assert_eq!(
            key.error(&key.with_header("alg", json!(alg))),
            Some(MandateError::WrongAlgorithm),
            "{alg}"
        );
    }
    // `alg: none` with an empty signature.
    let none = json!({"typ": "at+jwt", "alg": "none", "kid": kid(1)}).to_string();
    let none = format!(
        "{}.{}.",
        base64url::encode(none.as_bytes()),
        base64url::encode(body.as_bytes())
    );
    assert_eq!(key.error(&none), Some(MandateError::WrongAlgorithm));
    // An empty signature under the right algorithm.
    let text = key.signer.sign(&claims()).unwrap();
    let unsigned = text.rsplit_once('.').unwrap().0;
    assert_eq!(
        key.error(&format!("{unsigned}.")),
        Some(MandateError::Malformed)
    );
    let zeros = base64url::encode(&[0; 64]);
    assert_eq!(
        key.error(&format!("{unsigned}.{zeros}")),
        Some(MandateError::BadSignature)
    );
}

#[test]
fn the_public_key_is_no_shared_secret() {
    use aws_lc_rs::hmac;
    let key = key(1);
    let jwk = key.public.jwk().to_string();
    for alg in ["HS256", "ES256"] {
        let header = json!({"typ": "at+jwt", "alg": alg, "kid": kid(1)}).to_string();
        let text = format!(
            "{}.{}",
            base64url::encode(header.as_bytes()),
            base64url::encode(&serde_json::to_vec(&claims()).unwrap())
        );
        for secret in [key.point.as_slice(), jwk.as_bytes()] {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let tag = hmac::sign(&secret, text.as_bytes());
            let signed = format!("{text}.{}", base64url::encode(tag.as_ref()));
            assert!(key.error(&signed).is_some());
        }
    }
}

#[test]
fn the_header_is_that_of_a_mandate() {
    let key = key(1);
    for typ in [
        json!("JWT"),
        json!("AT+JWT"),
        json!("id_token"),
        json!(null),
        json!(1),
    ] {
        assert_eq!(
            key.error(&key.with_header("typ", typ.clone())),
            Some(MandateError::Malformed),
            "{typ}"
        );
    }
    assert_eq!(
        key.error(&key.with_header("crit", json!(["x"]))),
        Some(MandateError::Malformed)
    );
    assert_eq!(
        key.error(&key.with_header("kid", json!(kid(2)))),
        Some(MandateError::UnknownKey)
    );
    assert_eq!(
        key.error(&key.with_header("kid", json!("other"))),
        Some(MandateError::UnknownKey)
    );
    assert_eq!(
        key.error(&key.with_header("kid", json!(null))),
        Some(MandateError::Malformed)
    );
    // A key in the header is not taken.
    let other = super::tests::key(1);
    assert_eq!(
        key.error(&other.with_header("jwk", other.public.jwk())),
        Some(MandateError::BadSignature)
    );
}

#[test]
fn another_key_does_not_verify() {
    let (key, other) = (key(1), self::key(1));
    assert_eq!(
        key.error(&other.signer.sign(&claims()).unwrap()),
        Some(MandateError::BadSignature)
    );
    let renamed = MandateSigner::from_pkcs8(kid(2), &key.private).unwrap();
    assert_eq!(
        key.error(&renamed.sign(&claims()).unwrap()),
        Some(MandateError::UnknownKey)
    );
}

#[test]
fn the_issuer_is_exact() {
    let key = key(1);
    for iss in [
        json!(format!("{ISSUER}/")),
        json!(&ISSUER[..ISSUER.len() - 1]),
        json!(ISSUER.to_uppercase()),
        json!(""),
    ] {
        assert_eq!(
            key.error(&key.with_claim("iss", iss.clone())),
            Some(MandateError::WrongIssuer),
            "{iss}"
        );
    }
    assert_eq!(
        key.error(&key.with_claim("iss", json!([ISSUER]))),
        Some(MandateError::Malformed)
    );
}

#[test]
fn times_are_exact_to_the_second() {
    let key = key(1);
    let text = key.signer.sign(&claims()).unwrap();
    let before = Timestamp::new(NOW + 299, 999_999_999).unwrap();
    assert!(key.check(&text, before).is_ok());
    assert_eq!(
        key.check(&text, at(NOW + 300)).err(),
        Some(MandateError::Expired)
    );
    assert_eq!(
        key.check(&text, at(NOW + 301)).err(),
        Some(MandateError::Expired)
    );
    assert!(key.check(&text, at(NOW - 5)).is_ok());
    assert_eq!(
        key.check(&text, at(NOW - 6)).err(),
        Some(MandateError::NotYetValid)
    );

    assert!(
        key.check(&key.with_claim("nbf", json!(NOW + 5)), at(NOW))
            .is_ok()
    );
    assert_eq!(
        key.error(&key.with_claim("nbf", json!(NOW + 6))),
        Some(MandateError::NotYetValid)
    );
    assert_eq!(
        key.error(&key.with_claim("nbf", json!("soon"))),
        Some(MandateError::Malformed)
    );

    assert!(
        key.check(&key.with_claim("exp", json!(NOW + 900)), at(NOW))
            .is_ok()
    );
    for far in [NOW + 901, NOW + 1_000_000, i64::MAX] {
        assert_eq!(
            key.error(&key.with_claim("exp", json!(far))),
            Some(MandateError::Malformed),
            "{far}"
        );
    }
    // A life that overflows, and one that ends before it starts.
    assert_eq!(
        key.error(&key.with_claim("iat", json!(i64::MIN))),
        Some(MandateError::Malformed)
    );
    let backwards = key.with_claim("iat", json!(NOW + 4));
    assert!(key.check(&backwards, at(NOW)).is_ok());
    let text = key.forge(
        &key.header().to_string(),
        &serde_json::to_string(&MandateClaims {
            exp: NOW + 1,
            iat: NOW + 4,
            ..claims()
        })
        .unwrap(),
    );
    assert_eq!(key.error(&text), Some(MandateError::Malformed));
    for odd in [
        json!(1.5),
        json!("1700000300"),
        json!(null),
        json!(-1.0e300),
    ] {
        assert_eq!(
            key.error(&key.with_claim("exp", odd.clone())),
            Some(MandateError::Malformed),
            "{odd}"
        );
    }
}

#[test]
fn the_form_is_exact() {
    let key = key(1);
    let text = key.signer.sign(&claims()).unwrap();
    let parts: Vec<_> = text.split('.').collect();
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    for bad in [
        String::new(),
        "..".to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{text}.{}", parts[2]),
        format!("{text}."),
        format!(" {text}"),
        format!("{text}\n"),
        format!("{text}=="),
        format!("!{text}"),
        format!("{}.{}.{}", parts[0], parts[1], base64url::encode(&[1; 63])),
        format!("{}.{}.{}", parts[0], base64url::encode(b"[]"), parts[2]),
        format!(
            "{}.{}.{}",
            parts[0],
            base64url::encode(deep.as_bytes()),
            parts[2]
        ),
        format!(
            "{}.{}.{}",
            parts[0],
            parts[1],
            "A".repeat(MAX_MANDATE_BYTES)
        ),
    ] {
        assert_eq!(key.error(&bad), Some(MandateError::Malformed), "{bad:.60}");
    }
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "jti",
        "client_id",
        "zone",
        "scope",
        "sid",
        "rev",
    ] {
        assert_eq!(
            key.error(&key.with_claim(name, json!({}))),
            Some(MandateError::Malformed),
            "{name}"
        );
    }
}

#[test]
fn repeated_keys_are_refused() {
    let key = key(1);
    let body = serde_json::to_string(&claims()).unwrap();
    let header = key.header().to_string();
    assert!(key.check(&key.forge(&header, &body), at(NOW)).is_ok());
    let body_twice = body.replacen('{', r#"{"exp":1,"#, 1);
    let unknown_twice = body.replacen('{', r#"{"x":1,"x":2,"#, 1);
    let header_twice = header.replacen('{', r#"{"alg":"none","#, 1);
    for text in [
        key.forge(&header, &body_twice),
        key.forge(&header, &unknown_twice),
        key.forge(&header_twice, &body),
    ] {
        assert_eq!(key.error(&text), Some(MandateError::Malformed));
    }
}

#[test]
fn what_a_newer_node_adds_is_ignored() {
    let key = key(1);
    let text = key.with_claim("later", json!(["x"]));
    assert_eq!(*key.check(&text, at(NOW)).unwrap().claims(), claims());
}

#[test]
fn a_mandate_that_no_verifier_reads_is_not_signed() {
    let key = key(1);
    let long = MandateClaims {
        aud: vec!["a".repeat(MAX_MANDATE_BYTES)],
        ..claims()
    };
    assert_eq!(key.signer.sign(&long).err(), Some(KeyError::MandateTooLong));
    // The longest that is signed is read.
    let mut room = 4000;
    while let Ok(text) = key.signer.sign(&MandateClaims {
        rev: "r".repeat(room),
        ..claims()
    }) {
        assert!(key.check(&text, at(NOW)).is_ok(), "{room}");
        room += 1 + room / 500;
    }
    assert!(room > 5000);
}

#[test]
fn a_damaged_private_key_is_refused() {
    let key = key(1);
    let mut bytes = key.private.expose().to_vec();
    bytes.truncate(bytes.len() - 1);
    assert!(MandateSigner::from_pkcs8(kid(1), &caracal_core::Secret::new(bytes)).is_err());
    assert!(MandateSigner::from_pkcs8(kid(1), &caracal_core::Secret::new(vec![])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_signed_is_what_is_read(
        sub: String,
        aud in proptest::collection::vec(".{0,40}", 0..6),
        names in proptest::collection::btree_set("[a-z]{1,8}:[a-z]{1,8}", 0..6),
        life in 1..=MAX_MANDATE_SECONDS,
        jti: u128,
        sid: u128,
        rev: String,
    ) {
        let mut scope = ScopeSet::default();
        for name in names.iter().filter(|name| !name.starts_with("caracal:")) {
            scope.insert(name.parse().unwrap());
        }
        let claims = MandateClaims {
            sub, aud, scope, rev,
            exp: NOW + life,
            jti: MandateId::from_uuid(Uuid::from_u128(jti)),
            sid: SessionId::from_uuid(Uuid::from_u128(sid)),
            ..claims()
        };
        let key = key(9);
        let text = key.signer.sign(&claims).unwrap();
        let verified = key.check(&text, at(NOW)).unwrap();
        prop_assert_eq!(verified.claims(), &claims);
        prop_assert_eq!(crate::find_issuer(&text), Some(ISSUER.to_owned()));
    }

    #[test]
    fn no_text_upsets_the_parser(text in "[A-Za-z0-9_.={}\"-]{0,200}") {
        prop_assert!(UnverifiedMandate::parse(&text).is_err());
    }
}

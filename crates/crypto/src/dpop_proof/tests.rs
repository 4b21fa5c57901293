use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::base64url;

/// The proof of RFC 9449, section 4.1.
const OF_THE_RFC: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

/// A key of a client.
enum Signer {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl Signer {
    fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
            Self::Rsa(_, encoding) if std::ptr::addr_eq(*encoding, &RSA_PSS_SHA256) => "PS256",
            Self::Rsa(..) => "RS256",
        }
    }

    fn jwk(&self) -> Value {
        let text = base64url::encode;
        match self {
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]) })
            }
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
            Self::Rsa(pair, _) => {
                let n = pair
                    .public_key()
                    .modulus()
                    .big_endian_without_leading_zero();
                json!({ "kty": "RSA", "n": text(n), "e": "AQAB" })
            }
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
        self.sign_text(&format!("{}.{}", part(header), part(claims)))
    }

    fn sign_text(&self, signed: &str) -> String {
        let random = SystemRandom::new();
        let signature = match self {
            Self::Ec(pair) => pair
                .sign(&random, signed.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, signed.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
        };
        format!("{signed}.{}", base64url::encode(&signature))
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.algorithm(), "jwk": self.jwk() })
    }
}

fn claims() -> Value {
    json!({ "jti": "a", "htm": "GET", "htu": "https://s.example.com/x", "iat": 1_700_000_000 })
}

fn read(text: &str) -> Result<DpopProof, DpopError> {
    let unverified = UnverifiedProof::split(text)?;
    unverified.verify(&unverified.read_key()?)
}

/// The value with a member that is another one, or gone.
fn with(mut value: Value, member: &str, new: Option<Value>) -> Value {
    let members = value.as_object_mut().unwrap();
    match new {
        Some(new) => members.insert(member.to_owned(), new),
        None => members.remove(member),
    };
    value
}

#[test]
fn the_proof_of_the_rfc_holds() {
    let proof = read(OF_THE_RFC).unwrap();
    assert_eq!(proof.jti(), "-BwC3ESc6acc2lTc");
    assert_eq!(
        (proof.htm(), proof.htu()),
        ("POST", "https://server.example.com/token")
    );
    assert_eq!((proof.nonce(), proof.ath()), (None, None));
    assert!(proof.is_timely(1_562_262_616, 0));
    // The `jkt` of RFC 9449, section 6.1.
    assert_eq!(
        proof.thumbprint(),
        "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    );
}

#[test]
fn the_hash_of_a_mandate_is_the_one_of_the_rfc() {
    // RFC 9449, section 7.1.
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let hash = mandate_hash(&crate::sha256(token.as_bytes()));
    assert_eq!(hash, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
}

#[test]
fn the_thumbprint_is_the_one_of_rfc_7638() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let jwk = json!({ "kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" });
    let header = json!({ "typ": "dpop+jwt", "alg": "RS256", "jwk": jwk });
    let text = format!(
        "{}.e30.c2ln",
        base64url::encode(header.to_string().as_bytes())
    );
    let key = UnverifiedProof::split(&text).unwrap().read_key().unwrap();
    assert_eq!(
        key.thumbprint(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn an_ed25519_key_signs_under_both_of_its_names() {
    let signer = Signer::Ed(Ed25519KeyPair::generate().unwrap());
    let named = |name: &str| with(signer.header(), "alg", Some(name.into()));
    let [old, new] = ["EdDSA", "Ed25519"].map(|name| read(&signer.sign(&named(name), &claims())));
    assert_eq!(old.unwrap().thumbprint(), new.unwrap().thumbprint());
    // It is a name of this one alone.
    let other = Signer::ec();
    let header = with(other.header(), "alg", Some("Ed25519".into()));
    let refused = read(&other.sign(&header, &claims()));
    assert_eq!(refused.unwrap_err(), DpopError::WrongKey);
}

#[test]
fn every_algorithm_of_the_metadata_verifies() {
    let rsa = || RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let signers = [
        Signer::ec(),
        Signer::Ed(Ed25519KeyPair::generate().unwrap()),
        Signer::Rsa(rsa(), &RSA_PKCS1_SHA256),
        Signer::Rsa(rsa(), &RSA_PSS_SHA256),
    ];
    let named: Vec<_> = signers.iter().map(Signer::algorithm).collect();
    assert!(
        DPOP_ALGORITHMS
            .iter()
            .filter(|name| **name != "Ed25519")
            .eq(&named)
    );
    for signer in &signers {
        let text = signer.sign(&signer.header(), &claims());
        assert!(text.len() <= MAX_PROOF_BYTES);
        assert_eq!(read(&text).unwrap().jti(), "a", "{}", signer.algorithm());
        // Another client's signature, and another text under the same signature.
        let head = text.rsplit_once('.').unwrap().0;
        let other = Signer::ec().sign_text(head);
        assert_eq!(read(&other).unwrap_err(), DpopError::BadSignature);
        let signature = text.rsplit_once('.').unwrap().1;
        let other = signer.sign(&signer.header(), &with(claims(), "jti", Some("b".into())));
        let mixed = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
        assert_eq!(read(&mixed).unwrap_err(), DpopError::BadSignature);
    }
}

#[test]
fn headers_are_held_to_the_form() {
    let signer = Signer::ec();
    let other = Signer::ec();
    let jwk = signer.jwk();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa = Signer::Rsa(rsa, &RSA_PKCS1_SHA256).jwk();
    let change = |member: &str, new: Value| with(jwk.clone(), member, Some(new));
    let keyed = |jwk: Value| with(signer.header(), "jwk", Some(jwk));
    let of =
        |algorithm: &str, jwk: Value| json!({ "typ": "dpop+jwt", "alg": algorithm, "jwk": jwk });
    let short = base64url::encode(&[0xff; 128]);
    let long = base64url::encode(&[0xff; 513]);
    let table = [
        (with(signer.header(), "typ", None), DpopError::Malformed),
        (
            with(signer.header(), "typ", Some("JWT".into())),
            DpopError::Malformed,
        ),
        (
            with(signer.header(), "typ", Some("at+jwt".into())),
            DpopError::Malformed,
        ),
        (
            with(signer.header(), "crit", Some(json!(["b64"]))),
            DpopError::Malformed,
        ),
        (with(signer.header(), "jwk", None), DpopError::Malformed),
        (
            with(signer.header(), "jwk", Some("x".into())),
            DpopError::Malformed,
        ),
        (with(signer.header(), "alg", None), DpopError::Malformed),
        (
            with(signer.header(), "alg", Some("none".into())),
            DpopError::WrongAlgorithm,
        ),
        (
            with(signer.header(), "alg", Some("HS256".into())),
            DpopError::WrongAlgorithm,
        ),
        (
            with(signer.header(), "alg", Some("ES384".into())),
            DpopError::WrongAlgorithm,
        ),
        (
            with(signer.header(), "alg", Some("es256".into())),
            DpopError::WrongAlgorithm,
        ),
        (
            with(signer.header(), "alg", Some("EdDSA".into())),
            DpopError::WrongKey,
        ),
        (
            with(signer.header(), "alg", Some("RS256".into())),
            DpopError::WrongKey,
        ),
        (keyed(change("d", "AAAA".into())), DpopError::PrivateKey),
        (
            keyed(json!({ "kty": "oct", "k": "AAAA" })),
            DpopError::PrivateKey,
        ),
        (
            of("RS256", with(rsa.clone(), "qi", Some("AA".into()))),
            DpopError::PrivateKey,
        ),
        (keyed(json!({})), DpopError::WrongKey),
        (keyed(change("crv", "P-384".into())), DpopError::WrongKey),
        (keyed(change("kty", "OKP".into())), DpopError::WrongKey),
        (keyed(change("x", jwk["y"].clone())), DpopError::WrongKey),
        (keyed(change("x", "AA".into())), DpopError::WrongKey),
        (
            keyed(change(
                "x",
                format!("{}=", jwk["x"].as_str().unwrap()).into(),
            )),
            DpopError::WrongKey,
        ),
        (keyed(change("y", 7.into())), DpopError::WrongKey),
        (
            of("RS256", with(rsa.clone(), "n", Some(short.into()))),
            DpopError::WrongKey,
        ),
        (
            of("RS256", with(rsa.clone(), "n", Some(long.into()))),
            DpopError::WrongKey,
        ),
        (
            of("RS256", with(rsa.clone(), "e", Some("Aw".into()))),
            DpopError::WrongKey,
        ),
        (
            of("RS256", with(rsa, "e", Some("AAEAAQ".into()))),
            DpopError::WrongKey,
        ),
        // A good key that is not the one that signed.
        (other.header(), DpopError::BadSignature),
    ];
    for (header, error) in table {
        let text = signer.sign(&header, &claims());
        assert_eq!(read(&text).err(), Some(error), "{header}");
    }
}

#[test]
fn claims_are_held_to_the_form() {
    let signer = Signer::ec();
    let wrong = [
        ("jti", None),
        ("jti", Some("".into())),
        ("jti", Some("j".repeat(257).into())),
        ("jti", Some(7.into())),
        ("htm", None),
        ("htu", None),
        ("iat", None),
        ("iat", Some("1700000000".into())),
        ("iat", Some(json!(1e300))),
        ("exp", Some("soon".into())),
        ("nonce", Some(json!([]))),
        ("ath", Some(1.into())),
    ];
    for (member, new) in wrong {
        let text = signer.sign(&signer.header(), &with(claims(), member, new.clone()));
        assert_eq!(
            read(&text).err(),
            Some(DpopError::Malformed),
            "{member} {new:?}"
        );
    }
    for (member, new) in [
        ("jti", json!("j".repeat(256))),
        ("iat", json!(1_700_000_000.75)),
        ("x", json!(1)),
    ] {
        let text = signer.sign(&signer.header(), &with(claims(), member, Some(new)));
        assert!(read(&text).is_ok(), "{member}");
    }
    let twice = br#"{"jti":"a","htm":"GET","htu":"https://a","iat":1,"htu":"https://b"}"#;
    let header = base64url::encode(signer.header().to_string().as_bytes());
    let twice = signer.sign_text(&format!("{header}.{}", base64url::encode(twice)));
    assert_eq!(read(&twice).err(), Some(DpopError::Malformed));
}

#[test]
fn a_proof_is_timely_within_its_window_only() {
    let signer = Signer::ec();
    let timely = |members: Value, now: i64| {
        let mut all = claims();
        all.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        read(&signer.sign(&signer.header(), &all))
            .unwrap()
            .is_timely(now, 60)
    };
    const AT: i64 = 1_700_000_000;
    for (now, holds) in [
        (AT, true),
        (AT + 60, true),
        (AT - 60, true),
        (AT + 61, false),
        (AT - 61, false),
        (AT + 300, false),
        (AT - 300, false),
    ] {
        assert_eq!(timely(json!({}), now), holds, "{}", now - AT);
    }
    assert!(timely(json!({ "exp": AT + 5, "nbf": AT - 5 }), AT));
    assert!(!timely(json!({ "exp": AT - 60 }), AT));
    assert!(!timely(json!({ "nbf": AT + 61 }), AT));
    assert!(!timely(json!({ "iat": i64::MIN }), AT));
    assert!(!timely(json!({ "iat": i64::MAX }), AT));
}

#[test]
fn a_key_verifies_only_under_its_own_header() {
    let (own, other) = (Signer::ec(), Signer::ec());
    let text = own.sign(&own.header(), &claims());
    let again = own.sign(&own.header(), &with(claims(), "jti", Some("b".into())));
    let theirs = other.sign(&other.header(), &claims());
    let key = UnverifiedProof::split(&text).unwrap().read_key().unwrap();
    assert!(UnverifiedProof::split(&again).unwrap().verify(&key).is_ok());
    let theirs = UnverifiedProof::split(&theirs).unwrap();
    assert_eq!(theirs.verify(&key).err(), Some(DpopError::WrongKey));
    let split = |text: &str| UnverifiedProof::split(text).unwrap().header_digest();
    assert_eq!(split(&text), split(&again));
}

#[test]
fn what_is_not_three_parts_or_too_long_is_no_proof() {
    for text in ["", ".", "a.b", "a.b.c.d", "...."] {
        assert_eq!(
            UnverifiedProof::split(text).err(),
            Some(DpopError::Malformed),
            "{text}"
        );
    }
    let huge = format!("e30.{}.e30", "a".repeat(MAX_PROOF_BYTES));
    assert_eq!(
        UnverifiedProof::split(&huge).err(),
        Some(DpopError::TooLong)
    );
    assert_eq!(read("..").err(), Some(DpopError::Malformed));
}

#[test]
fn what_the_signer_signs_verifies() {
    let signer = DpopSigner::generate().unwrap();
    let proof = read(&signer.sign(&claims()).unwrap()).unwrap();
    assert_eq!(proof.thumbprint(), signer.thumbprint());
    assert_eq!(proof.jti(), "a");
}

proptest! {
    #[test]
    fn a_proof_with_any_byte_changed_is_none(place in any::<proptest::sample::Index>(), to in any::<u8>()) {
        let mut bytes = OF_THE_RFC.as_bytes().to_vec();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != to);
        bytes[place] = to;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            prop_assert!(read(text).is_err());
        }
    }

    #[test]
    fn any_text_is_read_without_harm(text in "\\PC{0,200}") {
        prop_assert!(read(&text).is_err());
    }
}

use caracal_core::{AllowedHost, SealedSecret, Secret, ZoneId};
use proptest::prelude::*;

use super::*;

fn zone(n: u128) -> ZoneId {
    ZoneId::from_uuid(uuid::Uuid::from_u128(n))
}

fn host(text: &str) -> AllowedHost {
    text.parse().unwrap()
}

fn context() -> SealContext {
    SealContext::new(zone(1), "provider:a").with_hosts(&[host("a:443"), host("b:443")])
}

fn secret() -> Secret {
    Secret::from("hunter2".to_owned())
}

#[test]
fn a_seal_opens_for_its_context_only() {
    let ring = Keyring::new(MasterKey::generate());
    let sealed = ring.seal(&secret(), &context()).unwrap();
    assert_eq!(ring.open(&sealed, &context()).unwrap().expose(), b"hunter2");
    assert_eq!(
        ring.open_credential(&sealed, &context()).unwrap().expose(),
        b"hunter2"
    );
    for other in [
        SealContext::new(zone(2), "provider:a").with_hosts(&[host("a:443"), host("b:443")]),
        SealContext::new(zone(1), "provider:b").with_hosts(&[host("a:443"), host("b:443")]),
        SealContext::new(zone(1), "provider:a").with_hosts(&[host("a:443")]),
        SealContext::new(zone(1), "provider:a").with_hosts(&[host("a:443"), host("b:444")]),
        SealContext::new(zone(1), "provider:a").with_hosts(&[host("a:443"), host("c:443")]),
        SealContext::new(zone(1), "provider:a").with_hosts(&[
            host("a:443"),
            host("b:443"),
            host("c:1"),
        ]),
        SealContext::new(zone(1), "provider:a"),
    ] {
        assert_eq!(
            ring.open(&sealed, &other).err(),
            Some(SealError::Refused),
            "{other:?}"
        );
    }
}

#[test]
fn no_changed_byte_opens() {
    let ring = Keyring::new(MasterKey::generate());
    let sealed = ring.seal(&secret(), &context()).unwrap();
    let bytes = base64url::decode(&sealed.0).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let expected = match at {
            0 => SealError::Malformed,
            1..=8 => SealError::UnknownMasterKey,
            _ => SealError::Refused,
        };
        let changed = SealedSecret(base64url::encode(&changed));
        assert_eq!(
            ring.open(&changed, &context()).err(),
            Some(expected),
            "byte {at}"
        );
    }
    for len in 0..bytes.len() {
        let cut = SealedSecret(base64url::encode(&bytes[..len]));
        assert!(ring.open(&cut, &context()).is_err(), "cut to {len}");
    }
}

#[test]
fn parts_of_two_seals_do_not_mix() {
    let ring = Keyring::new(MasterKey::generate());
    let a = base64url::decode(&ring.seal(&secret(), &context()).unwrap().0).unwrap();
    let b = base64url::decode(&ring.seal(&secret(), &context()).unwrap().0).unwrap();
    let border = HEADER_LEN + WRAPPED_LEN;
    let mixed = SealedSecret(base64url::encode(&[&a[..border], &b[border..]].concat()));
    assert_eq!(
        ring.open(&mixed, &context()).err(),
        Some(SealError::Refused)
    );
}

#[test]
fn an_older_key_opens_and_only_the_current_one_seals() {
    let (old, new) = (MasterKey::generate(), MasterKey::generate());
    let copy = MasterKey::from_text(old.to_text().expose_str().unwrap()).unwrap();
    let before = Keyring::new(old);
    let sealed = before.seal(&secret(), &context()).unwrap();
    let new_copy = MasterKey::from_text(new.to_text().expose_str().unwrap()).unwrap();
    assert_eq!(
        Keyring::new(new_copy).open(&sealed, &context()).err(),
        Some(SealError::UnknownMasterKey)
    );
    let after = Keyring::new(new).with_older(copy);
    assert_eq!(
        after.open(&sealed, &context()).unwrap().expose(),
        b"hunter2"
    );
    assert!(before.is_current(&sealed) && !after.is_current(&sealed));
    let again = after.seal(&secret(), &context()).unwrap();
    assert!(after.is_current(&again));
    assert_eq!(
        before.open(&again, &context()).err(),
        Some(SealError::UnknownMasterKey)
    );
}

#[test]
fn sizes_are_bounded() {
    let ring = Keyring::new(MasterKey::generate());
    let largest = ring
        .seal(&Secret::new(vec![7; MAX_SEALED_BYTES]), &context())
        .unwrap();
    assert_eq!(
        ring.open(&largest, &context()).unwrap().expose().len(),
        MAX_SEALED_BYTES
    );
    let larger = ring.seal(&Secret::new(vec![7; MAX_SEALED_BYTES + 1]), &context());
    assert_eq!(larger.err(), Some(SealError::Malformed));
    for text in [
        String::new(),
        "!".to_owned(),
        "A".repeat(1_000_000),
        "AQ==".to_owned(),
    ] {
        let sealed = SealedSecret(text);
        assert_eq!(
            ring.open(&sealed, &context()).err(),
            Some(SealError::Malformed)
        );
        assert!(!ring.is_current(&sealed));
    }
}

proptest! {
    #[test]
    fn every_secret_comes_back(plain: Vec<u8>, purpose: String) {
        let ring = Keyring::new(MasterKey::generate());
        let ctx = SealContext::new(zone(3), &purpose);
        let sealed = ring.seal(&Secret::new(plain.clone()), &ctx).unwrap();
        let opened = ring.open(&sealed, &ctx).unwrap();
        prop_assert_eq!(opened.expose(), plain.as_slice());
        prop_assert_ne!(ring.seal(&Secret::new(plain), &ctx).unwrap(), sealed);
    }

    #[test]
    fn arbitrary_text_never_opens(text: String) {
        let ring = Keyring::new(MasterKey::generate());
        prop_assert!(ring.open(&SealedSecret(text), &context()).is_err());
    }
}

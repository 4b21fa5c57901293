//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use crate::{
    MasterKey, UnverifiedMandate, UnverifiedProof, find_issuer, unique_json::is_unique_json,
};

/// A mandate's text: whatever is read as a mandate is also found where no mandate belongs.
pub fn mandate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let found = find_issuer(text);
    if let Ok(mandate) = UnverifiedMandate::parse(text) {
        assert_eq!(found.as_deref(), Some(mandate.issuer()));
    }
}

/// A proof's text: what verifies does so again, with the key read anew.
pub fn dpop_proof(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(proof) = UnverifiedProof::split(text) else {
        return;
    };
    let Ok(key) = proof.read_key() else {
        return;
    };
    // SHA-256 in base64url without padding.
    assert_eq!(key.thumbprint().len(), 43);
    if let Ok(verified) = proof.verify(&key) {
        assert_eq!(verified.thumbprint(), key.thumbprint());
        assert!((1..=256).contains(&verified.jti().len()));
        assert!(proof.read_key().is_ok_and(|key| proof.verify(&key).is_ok()));
    }
}

/// JSON without repeated keys is JSON.
pub fn unique_json(data: &[u8]) {
    if is_unique_json(data) {
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok());
    }
}

/// The text of a master key.
pub fn master_key(data: &[u8]) {
    if let Some(Ok(key)) = std::str::from_utf8(data).ok().map(MasterKey::from_text) {
        let again = key.to_text();
        let again = again.expose_str().map(MasterKey::from_text);
        assert!(again.is_some_and(|again| again.is_ok_and(|again| again.id() == key.id())));
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[
            Target {
                name: "crypto_mandate",
                body: super::mandate,
                copies: 3000,
            },
            Target {
                name: "crypto_dpop_proof",
                body: super::dpop_proof,
                copies: 3000,
            },
            Target {
                name: "crypto_unique_json",
                body: super::unique_json,
                copies: 3000,
            },
            Target {
                name: "crypto_master_key",
                body: super::master_key,
                copies: 1000,
            },
        ]);
    }
}

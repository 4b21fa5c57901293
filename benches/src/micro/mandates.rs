//! Signing and verifying mandates.

use std::time::Duration;

use anyhow::{Context, Result};
use caracal_core::{ApplicationId, KeyId, MandateClaims, MandateId, SessionId, ZoneId};
use caracal_crypto::{
    DpopSigner, MandateSigner, PublicKey, UnverifiedMandate, UnverifiedProof, mandate_hash, sha256,
    verify_mandate,
};
use jiff::Timestamp;

use super::repeat;
use crate::report::MicroFigures;

const ISSUER: &str = "http://localhost:8080/zones/bench";

pub(super) fn run(time: Duration) -> Result<Vec<MicroFigures>> {
    let now = Timestamp::from_second(1_800_000_000)?;
    let random = caracal_crypto::random_bytes;
    let kid = KeyId::new(now, &random());
    let key = MandateSigner::generate()?;
    let signer = MandateSigner::from_pkcs8(kid, &key.private)?;
    let public = PublicKey::from_public(kid, &key.public)?;
    let application = ApplicationId::new(now, &random());
    let claims = MandateClaims {
        iss: ISSUER.to_owned(),
        sub: application.to_string(),
        aud: vec![
            "resource://items".to_owned(),
            "http://localhost:8081/zones/bench/r/items".to_owned(),
        ],
        exp: now.as_second() + 300,
        iat: now.as_second(),
        jti: MandateId::new(now, &random()),
        client_id: application,
        zone: ZoneId::new(now, &random()),
        scope: "items:use".parse()?,
        sid: SessionId::new(now, &random()),
        rev: "0123456789abcdef.12".to_owned(),
        cnf: None,
        act: None,
        dlg: Vec::new(),
        anc: Vec::new(),
        apr: None,
        authorization_details: Vec::new(),
        generation: None,
    };
    let text = signer.sign(&claims)?;
    let verify = || {
        let mandate = UnverifiedMandate::parse(&text)?;
        verify_mandate(&mandate, &public, ISSUER, now)
    };
    verify().context("what was signed does not verify")?;
    let client = DpopSigner::generate()?;
    let proof = client.sign(&serde_json::json!({
        "jti": "0123456789abcdef0123456789abcdef", "htm": "GET", "iat": now.as_second(),
        "htu": "http://localhost:8081/r/items/v1/items/1",
        "nonce": "0123456789abcdef0123456789abcdef", "ath": mandate_hash(&sha256(text.as_bytes())),
    }))?;
    let known = UnverifiedProof::split(&proof)?.read_key()?;
    let prove = || UnverifiedProof::split(&proof)?.verify(&known);
    prove().context("what was proved does not verify")?;
    Ok(vec![
        repeat("mandate: sign", time, || signer.sign(&claims))?,
        repeat("mandate: parse and verify", time, verify)?,
        repeat("proof: verify, key known", time, prove)?,
    ])
}

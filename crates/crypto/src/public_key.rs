//! The public half of a key that signs mandates.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use caracal_core::KeyId;
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};

use crate::{KeyError, base64url};

/// The public half of an ES256 key: a checked point of P-256.
#[derive(Debug, Clone)]
pub struct PublicKey {
    kid: KeyId,
    x: String,
    y: String,
    decoding: DecodingKey,
}

impl PublicKey {
    /// Reads an uncompressed point in base64url, as [`crate::NewMandateKey`] gives it.
    pub fn from_public(kid: KeyId, public_b64url_point: &str) -> Result<Self, KeyError> {
        let point = base64url::decode(public_b64url_point).ok_or(KeyError::Malformed)?;
        let (&[form], coordinates) = point.split_first_chunk::<1>().ok_or(KeyError::Malformed)?;
        let (x, y) = coordinates
            .split_at_checked(32)
            .ok_or(KeyError::Malformed)?;
        if form != 4 || y.len() != 32 {
            return Err(KeyError::Malformed);
        }
        // Refuses what is not on the curve.
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).map_err(|_| KeyError::Malformed)?;
        Ok(Self {
            kid,
            x: base64url::encode(x),
            y: base64url::encode(y),
            decoding: DecodingKey::from_ec_der(&point),
        })
    }

    /// The id of the key.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// The key as a JWK (RFC 7517, 7518) for the zone's key set.
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "EC",
            "crv": "P-256",
            "x": self.x,
            "y": self.y,
            "use": "sig",
            "alg": "ES256",
            "kid": self.kid.to_string(),
        })
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MandateSigner;

    const KID: KeyId = KeyId::from_uuid(uuid::Uuid::nil());

    #[test]
    fn the_jwk_has_the_fields_of_rfc_7517_and_7518() {
        let new = MandateSigner::generate().unwrap();
        let jwk = PublicKey::from_public(KID, &new.public).unwrap().jwk();
        let fields: Vec<_> = jwk
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut fields = fields;
        fields.sort_unstable();
        assert_eq!(fields, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(jwk["kty"], "EC");
        assert_eq!(jwk["crv"], "P-256");
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["alg"], "ES256");
        assert_eq!(jwk["kid"], KID.to_string());
        // RFC 7518, 6.2.1.2: exactly the full size of a coordinate, leading zeros kept.
        let part = |name: &str| base64url::decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], part("x"), part("y")].concat();
        assert_eq!(point.len(), 65);
        assert_eq!(base64url::encode(&point), new.public);
        // And another implementation of the format reads it.
        let read: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk).unwrap();
        assert!(DecodingKey::from_jwk(&read).is_ok());
    }

    #[test]
    fn only_a_point_of_the_curve_is_a_key() {
        let good = base64url::decode(&MandateSigner::generate().unwrap().public).unwrap();
        let mut off_curve = good.clone();
        off_curve[64] ^= 1;
        let mut compressed = good[..33].to_vec();
        compressed[0] = 2;
        for bad in [
            off_curve,
            compressed,
            good[..64].to_vec(),
            [&good[..], &[0]].concat(),
            vec![],
            vec![4; 65],
            vec![0],
        ] {
            assert!(
                PublicKey::from_public(KID, &base64url::encode(&bad)).is_err(),
                "{bad:?}"
            );
        }
        assert!(PublicKey::from_public(KID, "not base64!").is_err());
    }
}

"""Proofs that a key is held (RFC 9449)."""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from email.utils import parsedate_to_datetime
from typing import Mapping

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey


class ProofKey:
    """A key of one client; it never leaves this process."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", auto_kid=False)
        self._header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": self._key.as_dict(private=False)}
        self._nonce: str | None = None
        # The server's clock minus ours, in seconds, as far as its answers tell.
        self._offset = 0.0
        self.thumbprint: str = self._key.thumbprint()

    def hear(self, headers: Mapping[str, str]) -> None:
        """Keeps the nonce of an answer, and how far the clocks are apart."""
        self._nonce = headers.get("DPoP-Nonce") or self._nonce
        try:
            offset = parsedate_to_datetime(headers["Date"]).timestamp() - time.time()
        except (KeyError, ValueError, TypeError):
            return
        # The header has whole seconds: a smaller difference says nothing.
        self._offset = offset if abs(offset) >= 2 else 0.0

    def prove(self, method: str, url: httpx2.URL, mandate: str | None) -> str:
        claims: dict[str, str | int] = {
            "htm": method,
            "htu": str(url).split("#")[0].split("?")[0],
            "iat": int(time.time() + self._offset),
            "jti": secrets.token_urlsafe(16),
        }
        if self._nonce:
            claims["nonce"] = self._nonce
        if mandate is not None:
            digest = hashlib.sha256(mandate.encode()).digest()
            claims["ath"] = urlsafe_b64encode(digest).rstrip(b"=").decode()
        return jwt.encode(self._header, claims, self._key)

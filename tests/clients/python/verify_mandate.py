"""Verifies a mandate as a service that never heard of Caracal would.

    verify_mandate.py ISSUER AUDIENCE < mandate

Finds the issuer's keys by RFC 8414 metadata and verifies with Authlib's
RFC 9068 validator: type, signature, issuer, audience, times and the claims
that must be there. Prints the claims as JSON and exits 0; exits 1 with the
reason when the mandate does not hold, 2 on usage.
"""

import json
import sys
import urllib.parse
import urllib.request

from authlib.oauth2.rfc6750.errors import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

LIMIT = 1 << 20


class Refused(Exception):
    """The mandate, or what its issuer says of itself, does not hold."""


def fetch_json(url: str):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read(LIMIT))


def metadata_url(issuer: str) -> str:
    """The well-known part goes between the host and the issuer's path."""
    parts = urllib.parse.urlsplit(issuer)
    path = "/.well-known/oauth-authorization-server" + parts.path.rstrip("/")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, "", ""))


class Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        metadata = fetch_json(metadata_url(self.issuer))
        # RFC 8414, section 3.3: metadata of another issuer must not be used.
        if metadata.get("issuer") != self.issuer:
            raise Refused(f"the metadata is of `{metadata.get('issuer')}`")
        return fetch_json(metadata["jwks_uri"])


def verify(issuer: str, audience: str, mandate: str) -> dict:
    """The mandate's claims; raises when any check fails."""
    validator = Validator(issuer, audience)
    try:
        token = validator.authenticate_token(mandate)
        # Authlib lets a missing type pass; RFC 9068, section 4, does not.
        if token.header.get("typ", "").lower() not in ("at+jwt", "application/at+jwt"):
            raise Refused(f"the type is `{token.header.get('typ')}`")
        validator.validate_token(token, scopes=None, request=None)
    except InvalidTokenError as error:
        raise Refused(repr(error.__cause__ or error)) from error
    return dict(token)


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: verify_mandate.py ISSUER AUDIENCE < mandate", file=sys.stderr)
        return 2
    try:
        claims = verify(sys.argv[1], sys.argv[2], sys.stdin.read().strip())
    except (Refused, OSError, ValueError, KeyError) as error:
        print(f"not verified: {error}", file=sys.stderr)
        return 1
    print(json.dumps(claims))
    return 0


if __name__ == "__main__":
    sys.exit(main())

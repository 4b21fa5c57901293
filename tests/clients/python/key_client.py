"""Gets a mandate without a secret, by `private_key_jwt`, as any OAuth client would.

    CLIENT_ID=… key_client.py ISSUER ALGORITHM RESOURCE SCOPE < PRIVATE.jwk

Finds the token endpoint by RFC 8414 metadata; Authlib makes the assertions
(RFC 7523), one for each request. Then shows one assertion twice. Prints what
it saw as JSON. With the single argument `generate ALGORITHM` it prints a new key.
"""

import json
import os
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, OKPKey, RSAKey
from verify_mandate import fetch_json, metadata_url

KINDS = {"ES256": (ECKey, "P-256"), "EdDSA": (OKPKey, "Ed25519"), "RS256": (RSAKey, 2048), "PS256": (RSAKey, 2048)}
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def main() -> int:
    if len(sys.argv) == 3 and sys.argv[1] == "generate":
        kind, size = KINDS[sys.argv[2]]
        key = kind.generate_key(size, {"kid": sys.argv[2], "use": "sig"}, private=True)
        print(json.dumps({"private": key.as_dict(private=True), "public": key.as_dict(private=False)}))
        return 0
    if len(sys.argv) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    issuer, algorithm, resource, scope = sys.argv[1:]
    metadata = fetch_json(metadata_url(issuer))
    key = KINDS[algorithm][0].import_key(json.load(sys.stdin))
    endpoint = metadata["token_endpoint"]
    method = PrivateKeyJWT(endpoint, headers={"kid": algorithm}, alg=algorithm)
    session = OAuth2Session(
        os.environ["CLIENT_ID"], key, token_endpoint_auth_method="private_key_jwt", scope=scope
    )
    session.register_client_auth_method(method)
    tokens = [
        session.fetch_token(endpoint, grant_type="client_credentials", resource=resource)
        for _ in range(2)
    ]
    form = {
        "grant_type": "client_credentials",
        "resource": resource,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": method.sign(session.client_auth("private_key_jwt"), endpoint),
    }
    answers = [requests.post(endpoint, data=form, timeout=30) for _ in range(2)]
    print(
        json.dumps(
            {
                "methods": metadata["token_endpoint_auth_methods_supported"],
                "mandates": [token["access_token"] for token in tokens],
                "statuses": [answer.status_code for answer in answers],
                "replay": answers[1].json(),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

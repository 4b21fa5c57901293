"""Gets mandates in the three ways that standard clients have, each bound to a key, and makes a call with each.

    CLIENT_ID=… CLIENT_SECRET=… KEY_CLIENT_ID=… KEY_CLIENT_JWK=… oauth_client.py ISSUER ALGORITHM RESOURCE SCOPE URL

Finds the token endpoint by RFC 8414 metadata; requests-oauth2client authenticates
the client by its secret or by its own key (RFC 7523), exchanges mandates (RFC 8693),
makes the proofs (RFC 9449) and answers `use_dpop_nonce`. Prints what it saw as JSON.
"""

import json
import os
import sys

import requests
from requests_oauth2client import OAuth2Client, PrivateKeyJwt
from verify_mandate import fetch_json, metadata_url

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def main() -> int:
    if len(sys.argv) != 6:
        print(__doc__, file=sys.stderr)
        return 2
    issuer, algorithm, resource, scope, url = sys.argv[1:]
    endpoint = fetch_json(metadata_url(issuer))["token_endpoint"]

    def client(auth):
        # `testing` is the package's own switch for servers on this machine, which speak no TLS.
        return OAuth2Client(endpoint, auth, dpop_bound_access_tokens=True, dpop_alg=algorithm, testing=True)

    def seen(token):
        answer = requests.get(url, auth=token, timeout=30)
        return {
            "mandate": token.access_token,
            "token_type": token.token_type,
            "scope": token.scope,
            "status": answer.status_code,
        }

    by_secret = client((os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]))
    own = by_secret.client_credentials(resource=resource)
    exchanged = by_secret.token_exchange(
        subject_token=own.access_token,
        subject_token_type=ACCESS_TOKEN,
        dpop_key=own.dpop_key,
        dpop=True,
        resource=resource,
        scope=scope,
    )
    jwk = json.loads(os.environ["KEY_CLIENT_JWK"])
    by_key = client(PrivateKeyJwt(os.environ["KEY_CLIENT_ID"], jwk, alg=algorithm))
    signed = by_key.client_credentials(resource=resource, scope=scope)
    print(
        json.dumps(
            {
                "client_credentials": seen(own),
                "token_exchange": seen(exchanged),
                "private_key_jwt": seen(signed),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

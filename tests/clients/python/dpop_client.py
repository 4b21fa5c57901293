"""Gets a mandate that is bound to a key, and makes calls with it, as any OAuth client would.

    CLIENT_ID=… CLIENT_SECRET=… dpop_client.py ISSUER ALGORITHM RESOURCE SCOPE URL…

Finds the token endpoint by RFC 8414 metadata and does everything that RFC 9449
asks of a client with requests-oauth2client, which makes the key, the proofs and
answers `use_dpop_nonce`. Then plays the thief, who has the mandate and not the
key. Prints what it saw as JSON.
"""

import json
import os
import sys

import requests
from requests_oauth2client import OAuth2Client
from requests_oauth2client.dpop import DPoPKey, DPoPToken
from verify_mandate import fetch_json, metadata_url


def main() -> int:
    if len(sys.argv) < 6:
        print(__doc__, file=sys.stderr)
        return 2
    issuer, algorithm, resource, scope, *urls = sys.argv[1:]
    metadata = fetch_json(metadata_url(issuer))
    client = OAuth2Client(
        token_endpoint=metadata["token_endpoint"],
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
        dpop_bound_access_tokens=True,
        dpop_alg=algorithm,
        # The package's own switch for servers on this machine, which speak no TLS.
        testing=True,
    )
    token = client.client_credentials(resource=resource, scope=scope)
    answers = [requests.get(url, auth=token, timeout=30) for url in urls]
    # The thief has the mandate, first alone, then with a key of its own.
    bearer = {"Authorization": f"Bearer {token.access_token}"}
    alone = requests.get(urls[0], headers=bearer, timeout=30)
    other = DPoPKey.generate(rs_nonce=token.dpop_key.rs_nonce)
    stolen = DPoPToken(access_token=token.access_token, _dpop_key=other)
    proof = other.proof(htm="GET", htu=urls[0])
    keyed = requests.get(
        urls[0],
        headers={"Authorization": stolen.authorization_header(), "DPoP": str(proof)},
        timeout=30,
    )
    print(
        json.dumps(
            {
                "supported": metadata["dpop_signing_alg_values_supported"],
                "token_type": token.token_type,
                "mandate": token.access_token,
                "jkt": token.dpop_key.dpop_jkt,
                "statuses": [answer.status_code for answer in answers],
                "bodies": [answer.json() for answer in answers],
                "stolen": [answer.json()["code"] for answer in (alone, keyed)],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

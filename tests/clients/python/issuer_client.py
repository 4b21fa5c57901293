"""Gets mandates with tokens of an outside issuer, as any OAuth client would.

    issuer_client.py ISSUER CLIENT_ID RESOURCE SCOPE < {"workload": TOKEN, "person": TOKEN}

Authlib finds the token endpoint by RFC 8414 metadata, authenticates by the workload's token (RFC 7523, section 2.2),
exchanges the person's ID token (RFC 8693), and uses the workload's token as a grant (RFC 7523, section 2.1). Prints
the mandates as JSON.
"""

import json
import sys

from authlib.integrations.requests_client import OAuth2Session
from verify_mandate import fetch_json, metadata_url

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"


def main() -> int:
    if len(sys.argv) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    issuer, client_id, resource, scope = sys.argv[1:]
    tokens = json.load(sys.stdin)
    metadata = fetch_json(metadata_url(issuer))
    endpoint = metadata["token_endpoint"]
    session = OAuth2Session(client_id, token_endpoint_auth_method="none", scope=scope)
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": tokens["workload"]}
    wanted = {"resource": resource}
    own = session.fetch_token(endpoint, grant_type="client_credentials", **proof, **wanted)
    exchanged = session.fetch_token(
        endpoint,
        grant_type=EXCHANGE,
        subject_token=tokens["person"],
        subject_token_type=ID_TOKEN,
        **proof,
        **wanted,
    )
    granted = session.fetch_token(endpoint, grant_type=JWT_BEARER, assertion=tokens["workload"], **wanted)
    mandates = {"own": own, "exchanged": exchanged, "granted": granted}
    answer = {name: token["access_token"] for name, token in mandates.items()}
    print(json.dumps({"grants": metadata["grant_types_supported"], **answer}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""An outside issuer on loopback: OpenID Connect metadata, keys, and tokens with any claims.

    issuer.py

Prints its URL, then serves until standard input ends. `POST /sign` signs the JSON claims of the body (`iss`, `iat`
and `exp` are filled in), `POST /rotate` makes a new key in place of the old one. Keys and tokens are joserfc's.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import RSAKey


class Issuer(BaseHTTPRequestHandler):
    key = None
    url = ""

    @classmethod
    def rotate(cls) -> None:
        kid = f"key-{time.time_ns()}"
        cls.key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}, private=True)

    def answer(self, status: int, body: str, kind: str = "application/json") -> None:
        encoded = body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def do_GET(self) -> None:
        if self.path == "/.well-known/openid-configuration":
            metadata = {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            self.answer(200, json.dumps(metadata))
        elif self.path == "/keys":
            self.answer(200, json.dumps({"keys": [self.key.as_dict(private=False)]}))
        else:
            self.answer(404, "{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/rotate":
            type(self).rotate()
            self.answer(200, "{}")
        elif self.path == "/sign":
            now = int(time.time())
            claims = {"iss": self.url, "iat": now, "exp": now + 300, **json.loads(body)}
            header = {"alg": "RS256", "kid": self.key.kid, "typ": "JWT"}
            self.answer(200, jwt.encode(header, claims, self.key, algorithms=["RS256"]), "text/plain")
        else:
            self.answer(404, "{}")

    def log_message(self, *_args) -> None:
        pass


def main() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    Issuer.url = f"http://127.0.0.1:{server.server_port}"
    Issuer.rotate()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(Issuer.url, flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())

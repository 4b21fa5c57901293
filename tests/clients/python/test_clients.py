"""The clients' own tests: a checker that cannot refuse proves nothing."""

import json
import os
import subprocess
import sys
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

HERE = Path(__file__).parent
AUDIENCE = "resource://openai"


def run(script, *arguments, stdin="", **environment):
    return subprocess.run(
        [sys.executable, HERE / script, *arguments],
        input=stdin,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


class Server(ThreadingHTTPServer):
    """Answers `paths` with what they map to; records the keys it was shown."""

    def __init__(self):
        self.paths = {}
        self.keys = set()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.keys.add(self.headers.get("Authorization"))
        kind, body = self.server.paths.get(self.path, (None, b"{}"))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def as_json(value):
    return ("application/json", json.dumps(value).encode())


class VerifyMandate(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.issuer = f"{self.server.url}/zones/zone_1"
        self.key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
        well_known = "/.well-known/oauth-authorization-server/zones/zone_1"
        self.metadata = {"issuer": self.issuer, "jwks_uri": f"{self.server.url}/jwks"}
        self.server.paths = {
            well_known: as_json(self.metadata),
            "/jwks": as_json({"keys": [self.key.as_dict(private=False)]}),
        }
        self.well_known = well_known

    def mandate(self, header=None, key=None, **changes):
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "app_1",
            "aud": [AUDIENCE, "http://localhost:8081/zones/zone_1/r/openai"],
            "exp": now + 300,
            "iat": now,
            "jti": "mnd_1",
            "client_id": "app_1",
            "scope": "openai:models",
        }
        claims.update(changes)
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "ES256", "kid": "k1", "typ": "at+jwt", **(header or {})}
        header = {name: value for name, value in header.items() if value is not None}
        return jwt.encode(header, claims, key or self.key)

    def verify(self, mandate):
        return run("verify_mandate.py", self.issuer, AUDIENCE, stdin=mandate + "\n")

    def test_a_sound_mandate_holds(self):
        done = self.verify(self.mandate())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["jti"], "mnd_1")

    def test_every_fault_is_refused(self):
        past = int(time.time()) - 1000
        other = ECKey.generate_key("P-256", {"kid": "k1"})
        faults = {
            "issuer": self.mandate(iss="http://localhost/zones/zone_1"),
            "audience": self.mandate(aud=["resource://other"]),
            "expired": self.mandate(exp=past),
            "no expiry": self.mandate(exp=None),
            "no id": self.mandate(jti=None),
            "no client": self.mandate(client_id=None),
            "type": self.mandate(header={"typ": "JWT"}),
            "no type": self.mandate(header={"typ": None}),
            "another key": self.mandate(key=other),
            "symmetric": jwt.encode(
                {"alg": "HS256", "kid": "k1", "typ": "at+jwt"},
                {"iss": self.issuer},
                OctKey.import_key("0123456789abcdef0123456789abcdef"),
                algorithms=["HS256"],
            ),
            "cut": self.mandate()[:-8],
            "empty": "",
        }
        for name, mandate in faults.items():
            with self.subTest(name):
                done = self.verify(mandate)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn("not verified", done.stderr)
                self.assertNotIn("Traceback", done.stderr)

    def test_metadata_of_another_issuer_is_refused(self):
        self.server.paths[self.well_known] = as_json({**self.metadata, "issuer": "http://evil"})
        done = self.verify(self.mandate())
        self.assertEqual(done.returncode, 1)
        self.assertIn("http://evil", done.stderr)


class OpenAiClient(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def call(self):
        return run(
            "openai_client.py",
            OPENAI_BASE_URL=f"{self.server.url}/v1",
            OPENAI_API_KEY="placeholder",
        )

    def test_models_and_a_streamed_answer(self):
        def chunk(text):
            return {
                "id": "c",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m1",
                "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
            }

        lines = [f"data: {json.dumps(chunk(text))}\n\n" for text in ("Hel", "lo")]
        model = {"id": "m1", "object": "model", "created": 1, "owned_by": "x"}
        self.server.paths = {
            "/v1/models": as_json({"object": "list", "data": [model]}),
            "/v1/chat/completions": (
                "text/event-stream",
                "".join([*lines, "data: [DONE]\n\n"]).encode(),
            ),
        }
        done = self.call()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(
            json.loads(done.stdout), {"models": ["m1"], "chunks": 2, "text": "Hello"}
        )
        self.assertEqual(self.server.keys, {"Bearer placeholder"})

    def test_a_refusal_is_told(self):
        done = self.call()
        self.assertEqual(done.returncode, 1)
        self.assertIn("NotFoundError", done.stderr)


if __name__ == "__main__":
    unittest.main()

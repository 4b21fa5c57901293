"""What is refused before anything is sent, and what is sent again."""

import os
import tempfile
import threading
import time
import unittest
from pathlib import Path

import httpx2

from caracal import Call, Caracal, errors

GIVEN = {
    "zone_id": "zone_1",
    "application_id": "app_1",
    "app_client_secret": "secret",
    "sts_url": "https://sts.example",
    "gateway_url": "https://gateway.example",
    "credentials": [{"resource": "resource://items", "upstream_prefix": "https://api.example.com/v1", "scopes": ["read"]}],
}


class Doors(httpx2.BaseTransport):
    """An STS and a Gateway that answer as they are told."""

    def __init__(self, *gateway):
        self.gateway = list(gateway)
        self.mints = 0
        self.calls = []
        self.life = 300

    def handle_request(self, request):
        if request.url.host == "sts.example":
            self.mints += 1
            time.sleep(0.02)
            told = {"access_token": f"m{self.mints}", "token_type": "DPoP", "expires_in": self.life, "scope": "read"}
            return httpx2.Response(200, json=told)
        self.calls.append(request)
        return self.gateway.pop(0) if self.gateway else httpx2.Response(200, text="fine")


def refusal(status, code, **headers):
    return httpx2.Response(status, json={"code": code, "request_id": "req_1"}, headers={"Caracal-Refusal": "1", **headers})


def client(doors, **other):
    return Caracal(transport=doors, environment={}, **{**GIVEN, **other})


class Settings(unittest.TestCase):
    def refused(self, saying, environment=None, **said):
        with self.assertRaises(errors.SettingsInvalidError) as caught:
            Caracal(environment=environment or {}, **said)
        self.assertIn(saying, str(caught.exception))

    def profile(self, text, mode=0o600):
        home = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (home / "secret").write_text("from a file\n")
        os.chmod(home / "secret", mode)
        (home / "caracal.toml").write_text(text)
        return {"CARACAL_CONFIG": str(home / "caracal.toml")}

    def test_what_is_doubtful_is_refused(self):
        self.refused("`zone_id` is not set")
        self.refused("unknown key", **GIVEN, colour="red")
        self.refused("plain HTTP beyond", **{**GIVEN, "sts_url": "http://sts.example"})
        self.refused("no plain URL", **{**GIVEN, "gateway_url": "https://a@gateway.example"})
        self.refused("keep one", **GIVEN, app_client_secret_file="x")
        self.refused("names no resource", **{**GIVEN, "credentials": [{"resource": "items"}]})
        given = {name: value for name, value in GIVEN.items() if name != "sts_url"}
        self.refused("comes from what the program says", {"CARACAL_STS_URL": "https://evil.example"}, **given)

    def test_profiles(self):
        base = 'zone_id = "z"\napplication_id = "a"\napp_client_secret_file = "secret"\n'
        self.refused("unknown key `color`", self.profile(base + "color = 1\n"))
        self.refused("others can read", self.profile(base, 0o644))
        with Caracal(environment=self.profile(base)) as made:
            self.assertEqual(made._authority.core.settings.client_secret, "from a file")
            self.assertNotIn("from a file", repr(made._authority.core.settings))


class Calls(unittest.TestCase):
    def test_a_path_stays_below_its_resource(self):
        doors = Doors()
        with client(doors) as caracal:
            for path in ["https://evil.example/", "//evil", "x", "/a/../b", "/%2e%2E/b", "/a//b", "/a\\b", "/a#b", "/%zz"]:
                with self.subTest(path), self.assertRaises(errors.GatewayPathInvalidError):
                    caracal.gateway_request("GET", "resource://items", path)
            for url in ["https://api.example.com/v1evil", "http://api.example.com/v1/x", "https://u@api.example.com/v1/x"]:
                with self.subTest(url), self.assertRaises(errors.ResourceUnboundError):
                    caracal.http.get(url)
            with self.assertRaises(errors.ResourceUnboundError):
                caracal.gateway_request("GET", "resource://other", "/")
        self.assertEqual((doors.mints, doors.calls), (0, []))

    def test_calls_are_led_through_the_gateway(self):
        doors = Doors()
        with client(doors) as caracal:
            sent = caracal.http.get("https://api.example.com/v1/a%2Fb?x=1", headers={"X-Api-Key": "placeholder"})
        self.assertEqual(sent.text, "fine")
        (call,) = doors.calls
        self.assertEqual(str(call.url), "https://gateway.example/zones/zone_1/r/items/a%2Fb?x=1")
        self.assertEqual((call.headers["Authorization"], call.headers["Host"]), ("DPoP m1", "gateway.example"))
        self.assertNotIn("X-Api-Key", call.headers)

    def test_only_what_was_not_taken_is_sent_again(self):
        for refused, calls, mints in [
            (refusal(401, "use_dpop_nonce", **{"DPoP-Nonce": "n"}), 2, 1),
            (refusal(401, "mandate_expired"), 2, 2),
            (refusal(503, "feed_stale"), 2, 1),
        ]:
            doors = Doors(refused)
            with client(doors) as caracal:
                self.assertEqual(caracal.gateway_request("POST", "resource://items", "/", content=b"x").text, "fine")
            self.assertEqual((len(doors.calls), doors.mints), (calls, mints))
        for code in ["upstream_timeout", "policy_denied", "ledger_unavailable"]:
            doors = Doors(refusal(502, code))
            with client(doors) as caracal, self.assertRaises(errors.BY_CODE[code]) as caught:
                caracal.gateway_request("GET", "resource://items", "/")
            self.assertEqual((len(doors.calls), caught.exception.request_id), (1, "req_1"))

    def test_redirects_do_not_lead_away(self):
        for location in ["https://evil.example/", "https://gateway.example/zones/zone_1/r/items2/", "/zones/zone_1/r/itemsx"]:
            doors = Doors(httpx2.Response(302, headers={"Location": location}))
            with client(doors) as caracal, self.assertRaises(errors.RedirectRefusedError):
                caracal.gateway_request("GET", "resource://items", "/", call=Call(scopes=["read"]))
            self.assertEqual(len(doors.calls), 1)

    def test_threads_share_one_mint(self):
        doors = Doors()
        with client(doors) as caracal:
            threads = [threading.Thread(target=caracal.mandate, args=("resource://items",)) for _ in range(100)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            self.assertNotIn("m1", repr(caracal.mandate("resource://items")))
        self.assertEqual(doors.mints, 1)


class Errors(unittest.TestCase):
    def test_every_code_has_a_type(self):
        for code, kind in errors.BY_CODE.items():
            made = errors.of_answer(400, {"Retry-After": "3"}, f'{{"error": "{code}", "approval_id": "apr_1"}}'.encode())
            self.assertIs(type(made), kind)
            self.assertEqual((made.code, made.approval_id, made.retry_after), (code, "apr_1", 3))
        self.assertEqual(errors.InvalidDPoPProofError.code, "invalid_dpop_proof")
        self.assertEqual(errors.of_answer(502, {}, b"<html>").code, "temporarily_unavailable")


if __name__ == "__main__":
    unittest.main()

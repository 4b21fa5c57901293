"""The story that every SDK tells, against the real server with TLS and DPoP. Whoever runs it starts the server and says in
the environment where it is."""

import asyncio
import os
import subprocess
import time
import unittest

import httpx2
import openai

from caracal import Approval, AsyncCaracal, Call, Caracal, errors

UPSTREAM = "https://api.example.com"
READING = [{"resource": "resource://items", "scopes": ["items:read"]}]


def operate(*arguments):
    done = subprocess.run([os.environ["STORY_CARACAL"], *arguments], capture_output=True, text=True)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def in_zone(*arguments):
    return operate(*arguments, "--zone", os.environ["STORY_ZONE"])


def events(kind):
    listed = in_zone("audit", "list", "--json", "--limit", "100000").splitlines()
    return [line for line in listed if f'"{kind}"' in line]


def options(name="ANTON", **more):
    return {
        "environment": {},
        "ca_file": os.environ["STORY_CA"],
        "zone_id": os.environ["STORY_ZONE"],
        "application_id": os.environ[f"STORY_{name}_ID"],
        "app_client_secret": os.environ[f"STORY_{name}_SECRET"],
        "sts_url": os.environ["STORY_STS"],
        "gateway_url": os.environ["STORY_GATEWAY"],
        "credentials": [{"resource": "resource://items", "upstream_prefix": UPSTREAM + "/v1", "scopes": ["items:read"]}],
        **more,
    }


@unittest.skipUnless("STORY_CARACAL" in os.environ, "no server was started for it")
class Story(unittest.TestCase):
    def client(self, name="ANTON", **more):
        return self.enterContext(Caracal(**options(name, **more)))

    def get(self, by, path="/items/1"):
        answer = by.http.get(UPSTREAM + "/v1" + path)
        self.assertEqual(answer.status_code, 200, answer.text)
        return answer.text

    def test_allow_and_deny(self):
        anton = self.client()
        self.assertIn('"path":"/items/1"', self.get(anton, "/items/1?x=1"))
        mandate = anton.mandate("resource://items")
        self.assertEqual(mandate.token_type, "DPoP")
        self.assertNotIn(mandate.text, repr(mandate))
        with self.assertRaises(errors.AccessDeniedError):
            anton.mandate("resource://items", scopes=["items:admin"])
        with self.assertRaises(errors.ScopeMissingError):
            anton.gateway_request("POST", "resource://items", "/items/1", content=b"x")
        with self.assertRaises(errors.OperationNotDeclaredError) as caught:
            anton.gateway_request("PATCH", "resource://items", "/items/1")
        self.assertTrue(caught.exception.request_id)

    def test_redirects(self):
        anton = self.client()
        self.assertIn("/elsewhere", self.get(anton, "/redirect"))
        with self.assertRaises(errors.RedirectRefusedError):
            anton.gateway_request("DELETE", "resource://items", "/redirect", call=Call(scopes=["items:delete"]))

    def test_narrow_and_delegate(self):
        anton, berta = self.client(), self.client("BERTA")
        with anton.session(labels=["support"], ttl_seconds=600) as own, berta.session() as receiver:
            with own.child(authority=READING) as child:
                self.get(child)
                with self.assertRaises(errors.NotNarrowerError) as caught:
                    child.child(authority=[{"resource": "resource://items", "scopes": ["items:delete"]}])
                self.assertEqual(caught.exception.counterexample["scope"], "items:delete")
            with self.assertRaises(errors.AccessDeniedError):
                self.get(receiver)
            to = os.environ["STORY_BERTA_ID"]
            lent = own.delegate(to_application=to, authority=READING, ttl_seconds=300)
            self.assertEqual(lent["status"], "offered")
            self.assertEqual(receiver.accept(lent["id"])["status"], "active")
            self.get(receiver)
            own.end_delegation(lent["id"])
            with self.assertRaises(errors.CaracalError):
                self.get(receiver)

    def test_a_person_approves(self):
        asked = []

        def approve(approval):
            asked.append(approval)
            in_zone("approval", "approve", approval, "--reason", "fine")

        with self.client().session() as own:

            def pay(approval=None):
                call = Call(scopes=["items:write"], approval=approval)
                return own.gateway_request("POST", "resource://items", "/items/7", call=call, content=b"pay 5")

            with self.assertRaises(errors.ApprovalRequiredError):
                pay()
            self.assertEqual(pay(Approval(timeout=60, notify=approve)).status_code, 200)
            self.assertEqual(len(asked), 1)
            with self.assertRaises(errors.ApprovalRequiredError):
                pay()

    def test_a_revocation_cuts_the_stream(self):
        with self.client().session() as own:
            answer = own.gateway_request("GET", "resource://items", "/stream", stream=True)
            parts = answer.iter_raw()
            self.assertTrue(next(parts))
            in_zone("revoke", own.id)
            with self.assertRaises(httpx2.TransportError):
                for _ in parts:
                    pass
            answer.close()
            with self.assertRaises((errors.MandateRevokedError, errors.InvalidGrantError, errors.InvalidClientError)):
                self.get(own)

    def test_mandates_are_renewed(self):
        anton = self.client(default_ttl_seconds=6)
        first = anton.mandate("resource://items", scopes=["items:read"])
        until = time.monotonic() + 30
        while (now := anton.mandate("resource://items", scopes=["items:read"])) is first:
            self.get(anton)
            self.assertLess(time.monotonic(), until)
        self.assertNotEqual(now.text, first.text)

    def test_keys_rotate_and_the_server_restarts(self):
        with self.client().session() as own:
            for disturb in [lambda: None, lambda: in_zone("zone", "rotate-key"), lambda: operate("restart")]:
                disturb()
                self.get(own)

    def test_a_closed_session_sends_nothing(self):
        own = self.client().session()
        own.close()
        own.close()
        with self.assertRaises(errors.ClosedError):
            own.mandate("resource://items")

    def test_an_unmodified_model_client(self):
        with self.client().session() as own:
            model = openai.OpenAI(api_key="placeholder", base_url=UPSTREAM + "/v1", http_client=own.http, max_retries=0)
            self.assertIn("/items/5", str(model.get("/items/5", cast_to=httpx2.Response).text))

    def test_tasks_share_one_mint_and_their_session(self):
        async def work():
            async with AsyncCaracal(**options()) as anton, await anton.session() as own:

                async def call():
                    return (await anton.http.get(UPSTREAM + "/v1/items/1", timeout=120)).status_code

                async with own.active():
                    return own.id, await asyncio.gather(*(call() for _ in range(1000)))

        before = len(events("mandate.issued"))
        session, answers = asyncio.run(work())
        self.assertEqual(set(answers), {200})
        self.assertEqual(sum(session in line for line in events("call.started")), 1000)
        # One for the resource; a session's own comes with its opening.
        self.assertLessEqual(len(events("mandate.issued")) - before, 2)


if __name__ == "__main__":
    unittest.main()

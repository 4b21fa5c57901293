"""What client and session do, as steps that either driver takes."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx2

from ._effects import Close, Enter, Pause, Read, Send, Steps, Tell
from ._paths import bound, check_path, follow
from ._proof import ProofKey
from .errors import CaracalError, fail, of_answer
from .settings import Binding, Settings

ATTEMPTS = 4
# With less left than this, in seconds, a mandate is not used any more.
TOO_OLD = 5.0
MAX_KEPT = 256


@dataclass(frozen=True)
class Mandate:
    """Short-lived, signed authority. `expires_at` and `life` are in seconds, by this machine's monotonic clock."""

    token_type: str
    scopes: tuple[str, ...]
    expires_at: float
    life: float
    text: str = field(repr=False)


@dataclass(frozen=True)
class Approval:
    """How a person is waited for: `timeout` in seconds; `notify` is told the id once, when the wait begins."""

    timeout: float = 600
    notify: Callable[[str], Any] | None = None


@dataclass(frozen=True)
class Call:
    """What governs one call beside its request; give it as `extensions={"caracal": Call(…)}`."""

    scopes: Sequence[str] | None = None
    delegation_id: str | None = None
    approval: Approval | None = None
    resource: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class Wanted:
    resources: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    delegation_id: str | None = None
    ttl_seconds: int | None = None


class Place:
    """One mandate that everybody who wants the same shares."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.mandate: Mandate | None = None
        self.tries = 0
        self.failed: CaracalError | None = None

    def get(self, mint: Callable[[], Steps[Mandate]]) -> Steps[Mandate]:
        """Keeps it while it is good, and renews it before it ends: once, however many ask."""
        old = self.mandate
        left = old.expires_at - time.monotonic() if old else 0.0
        if old and (left > old.life / 4 or (left > TOO_OLD and self.lock.locked())):
            return old
        tries = self.tries
        yield Enter(self.lock)
        try:
            if self.tries != tries:
                if self.failed:
                    raise self.failed
                if self.mandate:
                    return self.mandate
            try:
                self.mandate, self.failed = (yield from mint()), None
            except CaracalError as failed:
                self.failed = failed
                raise
            finally:
                self.tries += 1
            return self.mandate
        finally:
            self.lock.release()


class Core:
    """What a client and its sessions share."""

    def __init__(self, settings: Settings, lock: Callable[[], Any], timeout: float, direct: Sequence[str]) -> None:
        self.settings = settings
        self.lock = lock
        self.timeout = timeout
        self.direct = frozenset(direct)
        self.key = ProofKey()
        self.gateway = f"{settings.gateway_url}/zones/{settings.zone_id}/r/"

    def ask(
        self,
        by: Authority | Mandate | None,
        method: str,
        path: str,
        *,
        form: Mapping[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = False,
        timeout: float | None = None,
    ) -> Steps[Any]:
        """Asks the STS. Only what it refused before it did anything is sent again: a proof that lacks a nonce, and 503
        of requests that are safe to repeat."""
        url = httpx2.URL(self.settings.sts_url + path)
        headers = {"Accept": "application/json", "Host": url.netloc.decode()}
        if idempotent:
            headers["Idempotency-Key"] = secrets.token_urlsafe(16)
        content = b""
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            content = urlencode(form, doseq=True).encode()
        elif body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        had_nonce = False
        attempt = 0
        while True:
            attempt += 1
            mandate = by if isinstance(by, Mandate) else (yield from by.session_mandate()) if by else None
            if mandate is None:
                pair = f"{quote_plus(self.settings.application_id)}:{quote_plus(self.settings.client_secret)}"
                headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            else:
                headers["Authorization"] = f"DPoP {mandate.text}"
            headers["DPoP"] = self.key.prove(method, url, mandate.text if mandate else None)
            limits = httpx2.Timeout(timeout or self.timeout, connect=5).as_dict()
            request = httpx2.Request(method, url, headers=headers, content=content, extensions={"timeout": limits})
            response = yield Send(request)
            text = yield Read(response)
            self.key.hear(response.headers)
            if response.status_code < 300:
                try:
                    return json.loads(text) if text else None
                except ValueError:
                    raise fail("answer_invalid", "the answer of the STS is no JSON") from None
            failed = of_answer(response.status_code, response.headers, text)
            if failed.code == "use_dpop_nonce" and not had_nonce:
                had_nonce = True
                continue
            is_safe = method == "GET" or form is not None or idempotent
            if not is_safe or attempt >= ATTEMPTS or failed.code not in ("temporarily_unavailable", "feed_stale"):
                raise failed
            yield Pause(0.05 * 2**attempt)

    def token(self, by: Authority | Mandate | None, form: Mapping[str, Any]) -> Steps[Mandate]:
        told = yield from self.ask(by, "POST", "/oauth/2/token", form=form)
        return mandate_of(told, "access_token", "expires_in")


def mandate_of(told: Any, text: str, life: str) -> Mandate:
    try:
        seconds = float(told[life])
        kind = "DPoP" if str(told.get("token_type", "DPoP")).lower() == "dpop" else "Bearer"
        return Mandate(kind, tuple(told.get("scope", "").split()), time.monotonic() + seconds, seconds, str(told[text]))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise fail("answer_invalid", "the answer of the STS has no mandate") from None


class Authority:
    """Mandates, calls and waiting for people: of an application, or of one session."""

    def __init__(self, core: Core, told: Mapping[str, Any] | None = None, parent: Authority | None = None) -> None:
        self.core = core
        self.parent = parent
        self.is_closed = False
        self.places: dict[Wanted, Place] = {}
        self.own = Place(core.lock())
        self.id: str | None = None
        if told is not None:
            self.id = str(told["id"])
            if told.get("session_mandate"):
                self.own.mandate = mandate_of(told, "session_mandate", "session_mandate_expires_in")

    def session_mandate(self) -> Steps[Mandate | None]:
        """What the holder of a session shows; nothing for an application. While it is good it renews itself."""
        if self.is_closed:
            raise fail("closed", "the session is closed")
        if self.id is None:
            return None

        def renew() -> Steps[Mandate]:
            old = self.own.mandate
            is_good = old is not None and old.expires_at - time.monotonic() > TOO_OLD
            form = {"grant_type": "client_credentials", "session_id": self.id}
            return self.core.token(old if is_good else self.parent, form)

        return (yield from self.own.get(renew))

    def mandate(self, wanted: Wanted, approval: Approval | None = None) -> Steps[Mandate]:
        if self.is_closed:
            raise fail("closed", "the session is closed")
        place = self.places.get(wanted)
        if place is None:
            if len(self.places) >= MAX_KEPT:
                self.places.clear()
            place = self.places.setdefault(wanted, Place(self.core.lock()))
        try:
            return (yield from place.get(lambda: self._mint(wanted, None)))
        except CaracalError as failed:
            if approval is None or failed.code != "interaction_required" or not failed.approval_id:
                raise
            yield from self.wait(failed.approval_id, approval)
            return (yield from self._mint(wanted, failed.approval_id))

    def _mint(self, wanted: Wanted, approval_id: str | None) -> Steps[Mandate]:
        form: dict[str, Any] = {"grant_type": "client_credentials", "resource": wanted.resources}
        form["ttl_seconds"] = wanted.ttl_seconds or self.core.settings.ttl_seconds
        if wanted.scopes is not None:
            form["scope"] = " ".join(wanted.scopes)
        more = {"session_id": self.id, "delegation_id": wanted.delegation_id, "approval_id": approval_id}
        form.update({name: value for name, value in more.items() if value})
        return self.core.token(self, form)

    def wait(self, approval_id: str, approval: Approval) -> Steps[None]:
        """Comes back once a person has approved."""
        if approval.notify:
            yield Tell(approval.notify, approval_id)
        until = time.monotonic() + approval.timeout
        code, why = "timed_out", "nobody decided in time"
        while (left := until - time.monotonic()) > 0:
            seconds = max(1, min(25, round(left)))
            path = f"/v1/approvals/{quote(approval_id, safe='')}?wait={seconds}"
            told = yield from self.core.ask(self, "GET", path, timeout=seconds + 10)
            status = told.get("status")
            if status == "approved":
                return
            if status != "pending":
                is_no = status == "rejected"
                code = "approval_rejected" if is_no else "approval_expired"
                why = "a person rejected it" if is_no else "the approval can no longer be used"
                break
        failed = fail(code, why)
        failed.approval_id = approval_id
        raise failed

    def open(self, options: Mapping[str, Any]) -> Steps[Any]:
        body = {name: value for name, value in options.items() if value is not None}
        body["cnf"] = {"jkt": self.core.key.thumbprint}
        if self.id:
            body["parent_id"] = self.id
        return self.core.ask(self, "POST", "/v1/sessions", body=body, idempotent=True)

    def close(self) -> Steps[None]:
        """Ends the session. One that has ended otherwise, or was closed, is no error."""
        if self.is_closed or self.id is None:
            return
        try:
            yield from self.core.ask(self, "DELETE", f"/v1/sessions/{self.id}")
        except CaracalError as failed:
            if failed.code not in ("invalid_grant", "invalid_client"):
                raise
        finally:
            self.is_closed = True
            self.places.clear()
            self.own.mandate = None

    def call(self, request: httpx2.Request) -> Steps[httpx2.Response]:
        """Leads a request through the Gateway. What was refused before it left there may be sent again by itself."""
        core = self.core
        options = request.extensions.get("caracal") or Call()
        binding, path = self._binding(request.url, options)
        if binding is None:
            return (yield Send(request))
        check_path(path)
        scopes = binding.scopes if options.scopes is None else tuple(options.scopes)
        wanted = Wanted((binding.resource,), scopes, options.delegation_id)
        home = core.gateway + binding.resource.removeprefix("resource://")
        target = httpx2.URL(home + path)
        can_repeat = isinstance(request.stream, httpx2.ByteStream)
        did: set[str] = set()
        redirects = attempt = 0
        while True:
            attempt += 1
            mandate = yield from self.mandate(wanted, options.approval)
            response = yield Send(self._governed(request, target, mandate))
            core.key.hear(response.headers)
            location = response.headers.get("Location")
            if location and 300 <= response.status_code < 400:
                yield Close(response)
                target = follow(home, target, location, redirects, request.method)
                redirects += 1
                continue
            if "Caracal-Refusal" not in response.headers:
                return response
            failed = of_answer(response.status_code, response.headers, (yield Read(response)))
            if not can_repeat or not (yield from self._may_repeat(failed, attempt, did, wanted, mandate, options)):
                raise failed

    def _binding(self, url: httpx2.URL, options: Call) -> tuple[Binding | None, str]:
        if options.resource is not None:
            for binding in self.core.settings.bindings:
                if binding.resource == options.resource:
                    return binding, options.path or "/"
            raise fail("resource_unbound", f"`{options.resource}` is not bound", "name it in `credentials`")
        found = bound(self.core.settings.bindings, url)
        if found is None and url.host in self.core.direct:
            return None, ""
        if found is None:
            raise fail("resource_unbound", f"no binding covers `{url.host}`", "add a credential with its `upstream_prefix`")
        return found

    def _governed(self, request: httpx2.Request, target: httpx2.URL, mandate: Mandate) -> httpx2.Request:
        headers = request.headers.copy()
        headers.pop("X-Api-Key", None)
        headers["Host"] = target.netloc.decode()
        headers["Authorization"] = f"{mandate.token_type} {mandate.text}"
        if mandate.token_type == "DPoP":
            headers["DPoP"] = self.core.key.prove(request.method, target, mandate.text)
        extensions = {name: value for name, value in request.extensions.items() if name != "caracal"}
        return httpx2.Request(request.method, target, headers=headers, stream=request.stream, extensions=extensions)

    def _may_repeat(
        self, failed: CaracalError, attempt: int, did: set[str], wanted: Wanted, mandate: Mandate, options: Call
    ) -> Steps[bool]:
        """Sees to what stands in the way; true when the same request may pass now."""
        kind = "mandate" if failed.code in ("mandate_expired", "mandate_revoked", "mandate_invalid") else failed.code
        if kind in ("feed_stale", "overloaded"):
            if attempt < ATTEMPTS:
                yield Pause(0.05 * 2**attempt)
            return attempt < ATTEMPTS
        if kind in did:
            return False
        did.add(kind)
        if kind == "mandate":
            # A session that is dead says so at the next mint.
            place = self.places.get(wanted)
            if place and place.mandate is mandate:
                place.mandate = None
            return True
        if kind == "approval_required" and options.approval and failed.approval_id:
            yield from self.wait(failed.approval_id, replace(options.approval))
            return True
        return kind == "use_dpop_nonce"

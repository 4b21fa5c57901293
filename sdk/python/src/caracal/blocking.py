"""The client for blocking code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import httpx2

from ._core import Approval, Authority, Call, Core, Mandate
from ._effects import Blocking
from ._shared import CURRENT, acting, governing, lending, settings_of, trust, wanted
from .errors import fail

Grants = Sequence[Mapping[str, Any]]


class GovernedTransport(httpx2.BaseTransport):
    """Leads URLs below a binding's prefix through the Gateway, and refuses every other one."""

    def __init__(self, driver: Blocking, authority: Authority) -> None:
        self._driver = driver
        self._authority = authority

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._driver.drive(acting(self._authority).call(request))
        response.request = request
        return response


class Governed:
    """What client and session have in common."""

    def __init__(self, driver: Blocking, authority: Authority) -> None:
        self._driver = driver
        self._authority = authority
        # An ordinary client whose calls are governed; hand it to whoever takes `http_client`.
        self.http = httpx2.Client(
            transport=GovernedTransport(driver, authority),
            follow_redirects=False,
            trust_env=False,
            timeout=httpx2.Timeout(60, connect=5),
        )

    def mandate(
        self,
        resources: str | Sequence[str],
        *,
        scopes: Sequence[str] | None = None,
        delegation_id: str | None = None,
        approval: Approval | None = None,
    ) -> Mandate:
        """A mandate, kept and renewed before it ends. Without `scopes`: all that is allowed now."""
        steps = self._authority.mandate(wanted(resources, scopes, delegation_id), approval)
        return self._driver.drive(steps)

    def gateway_request(
        self, method: str, resource: str, path: str, *, call: Call | None = None, stream: bool = False, **more: Any
    ) -> httpx2.Response:
        """Calls a resource through the Gateway. Absolute URLs, dot segments and resources that are not bound are
        refused before anything is sent. With `stream`, the caller closes the answer."""
        governs = governing(call, resource, path)
        url = self._authority.core.gateway
        request = self.http.build_request(method, url, extensions={"caracal": governs}, **more)
        return self.http.send(request, stream=stream)

    def wait_for_approval(self, approval_id: str, approval: Approval = Approval()) -> None:
        self._driver.drive(self._authority.wait(approval_id, approval))

    def _open(self, options: Mapping[str, Any]) -> Session:
        told = self._driver.drive(self._authority.open(options))
        return Session(self._driver, Authority(self._authority.core, told, self._authority), told)


class Session(Governed):
    """One governed run of work. Use it `with client.session() as session`: it ends with the block."""

    def __init__(self, driver: Blocking, authority: Authority, told: Mapping[str, Any]) -> None:
        super().__init__(driver, authority)
        self.id: str = told["id"]
        self.told = dict(told)

    def child(
        self, *, authority: Grants | None = None, labels: Sequence[str] | None = None, ttl_seconds: int | None = None
    ) -> Session:
        """Opens a part of this session with all that it may, or less; beyond it is `NotNarrowerError`."""
        return self._open({"authority": authority, "labels": labels, "ttl_seconds": ttl_seconds})

    def delegate(self, *, authority: Grants, ttl_seconds: int, **to: Any) -> dict[str, Any]:
        """Lends a slice: `to_session` or `to_application`, and `max_depth`, `budget` where they matter."""
        body = lending(self.id, authority, ttl_seconds, to)
        return self._ask("POST", "/v1/delegations", body, idempotent=True)

    def accept(self, delegation_id: str) -> dict[str, Any]:
        return self._ask("POST", f"/v1/delegations/{delegation_id}/accept", {"session_id": self.id})

    def end_delegation(self, delegation_id: str) -> None:
        self._ask("DELETE", f"/v1/delegations/{delegation_id}")

    def authority(self) -> Any:
        """What it may do, by each of its paths."""
        return self._ask("GET", f"/v1/sessions/{self.id}/authority")

    @contextmanager
    def active(self) -> Iterator[Self]:
        """Inside of the block the client's own calls are this session's, also in tasks that it starts."""
        before = CURRENT.set(self._authority)
        try:
            yield self
        finally:
            CURRENT.reset(before)

    def close(self) -> None:
        try:
            self._driver.drive(self._authority.close())
        finally:
            self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, path: str, body: Any = None, idempotent: bool = False) -> Any:
        steps = self._authority.core.ask(self._authority, method, path, body=body, idempotent=idempotent)
        return self._driver.drive(steps)


class Caracal(Governed):
    """A client of one application. Settings that are not given come from the environment, then from the profile.

    `timeout` is for one answer of the STS, in seconds; `direct` names hosts whose calls are not governed; `transport`
    replaces the connections.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        timeout: float = 10,
        direct: Sequence[str] = (),
        transport: httpx2.BaseTransport | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        resolved = settings_of(settings, environment)
        if transport is None:
            try:
                verify = trust(ca_file)
            except OSError:
                raise fail("settings_invalid", f"the authority `{ca_file}` cannot be read") from None
            transport = httpx2.HTTPTransport(verify=verify, trust_env=False)
        driver = Blocking(transport)
        super().__init__(driver, Authority(Core(resolved, driver.lock, timeout, direct)))

    def session(
        self,
        *,
        labels: Sequence[str] | None = None,
        ttl_seconds: int | None = None,
        authority: Grants | None = None,
        subject_token: str | None = None,
    ) -> Session:
        """Opens a session, which is bound to this client's key."""
        options = {"labels": labels, "ttl_seconds": ttl_seconds, "authority": authority, "subject_token": subject_token}
        return self._open(options)

    def close(self) -> None:
        self.http.close()
        self._driver.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

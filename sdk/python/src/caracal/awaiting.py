"""The client for asyncio code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx2

from ._core import Approval, Authority, Call, Core, Mandate
from ._effects import Awaiting
from ._shared import CURRENT, acting, governing, lending, settings_of, trust, wanted
from .errors import fail

Grants = Sequence[Mapping[str, Any]]


class AsyncGovernedTransport(httpx2.AsyncBaseTransport):
    """Leads URLs below a binding's prefix through the Gateway, and refuses every other one."""

    def __init__(self, driver: Awaiting, authority: Authority) -> None:
        self._driver = driver
        self._authority = authority

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._driver.drive(acting(self._authority).call(request))
        response.request = request
        return response


class AsyncGoverned:
    """What client and session have in common."""

    def __init__(self, driver: Awaiting, authority: Authority) -> None:
        self._driver = driver
        self._authority = authority
        # An ordinary client whose calls are governed; hand it to whoever takes `http_client`.
        self.http = httpx2.AsyncClient(
            transport=AsyncGovernedTransport(driver, authority),
            follow_redirects=False,
            trust_env=False,
            timeout=httpx2.Timeout(60, connect=5),
        )

    async def mandate(
        self,
        resources: str | Sequence[str],
        *,
        scopes: Sequence[str] | None = None,
        delegation_id: str | None = None,
        approval: Approval | None = None,
    ) -> Mandate:
        """A mandate, kept and renewed before it ends. Without `scopes`: all that is allowed now."""
        steps = self._authority.mandate(wanted(resources, scopes, delegation_id), approval)
        return await self._driver.drive(steps)

    async def gateway_request(
        self, method: str, resource: str, path: str, *, call: Call | None = None, stream: bool = False, **more: Any
    ) -> httpx2.Response:
        """Calls a resource through the Gateway. Absolute URLs, dot segments and resources that are not bound are
        refused before anything is sent. With `stream`, the caller closes the answer."""
        governs = governing(call, resource, path)
        url = self._authority.core.gateway
        request = self.http.build_request(method, url, extensions={"caracal": governs}, **more)
        return await self.http.send(request, stream=stream)

    async def wait_for_approval(self, approval_id: str, approval: Approval = Approval()) -> None:
        await self._driver.drive(self._authority.wait(approval_id, approval))

    async def _open(self, options: Mapping[str, Any]) -> AsyncSession:
        told = await self._driver.drive(self._authority.open(options))
        return AsyncSession(self._driver, Authority(self._authority.core, told, self._authority), told)


class AsyncSession(AsyncGoverned):
    """One governed run of work. Use it `async with await client.session() as session`: it ends with the block."""

    def __init__(self, driver: Awaiting, authority: Authority, told: Mapping[str, Any]) -> None:
        super().__init__(driver, authority)
        self.id: str = told["id"]
        self.told = dict(told)

    async def child(
        self, *, authority: Grants | None = None, labels: Sequence[str] | None = None, ttl_seconds: int | None = None
    ) -> AsyncSession:
        """Opens a part of this session with all that it may, or less; beyond it is `NotNarrowerError`."""
        return await self._open({"authority": authority, "labels": labels, "ttl_seconds": ttl_seconds})

    async def delegate(self, *, authority: Grants, ttl_seconds: int, **to: Any) -> dict[str, Any]:
        """Lends a slice: `to_session` or `to_application`, and `max_depth`, `budget` where they matter."""
        body = lending(self.id, authority, ttl_seconds, to)
        return await self._ask("POST", "/v1/delegations", body, idempotent=True)

    async def accept(self, delegation_id: str) -> dict[str, Any]:
        return await self._ask("POST", f"/v1/delegations/{delegation_id}/accept", {"session_id": self.id})

    async def end_delegation(self, delegation_id: str) -> None:
        await self._ask("DELETE", f"/v1/delegations/{delegation_id}")

    async def authority(self) -> Any:
        """What it may do, by each of its paths."""
        return await self._ask("GET", f"/v1/sessions/{self.id}/authority")

    @asynccontextmanager
    async def active(self) -> AsyncIterator[Self]:
        """Inside of the block the client's own calls are this session's, also in tasks that it starts."""
        before = CURRENT.set(self._authority)
        try:
            yield self
        finally:
            CURRENT.reset(before)

    async def close(self) -> None:
        try:
            await self._driver.drive(self._authority.close())
        finally:
            await self.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, method: str, path: str, body: Any = None, idempotent: bool = False) -> Any:
        steps = self._authority.core.ask(self._authority, method, path, body=body, idempotent=idempotent)
        return await self._driver.drive(steps)


class AsyncCaracal(AsyncGoverned):
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
        transport: httpx2.AsyncBaseTransport | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        resolved = settings_of(settings, environment)
        if transport is None:
            try:
                verify = trust(ca_file)
            except OSError:
                raise fail("settings_invalid", f"the authority `{ca_file}` cannot be read") from None
            transport = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False)
        driver = Awaiting(transport)
        super().__init__(driver, Authority(Core(resolved, driver.lock, timeout, direct)))

    async def session(
        self,
        *,
        labels: Sequence[str] | None = None,
        ttl_seconds: int | None = None,
        authority: Grants | None = None,
        subject_token: str | None = None,
    ) -> AsyncSession:
        """Opens a session, which is bound to this client's key."""
        options = {"labels": labels, "ttl_seconds": ttl_seconds, "authority": authority, "subject_token": subject_token}
        return await self._open(options)

    async def close(self) -> None:
        await self.http.aclose()
        await self._driver.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

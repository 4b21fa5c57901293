"""What the core wants done. The core is written once, as generators; one of the two drivers does what they ask for."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from .errors import CaracalError, fail

T = TypeVar("T")
Steps = Generator[Any, Any, T]
MAX_ANSWER = 1 << 20


@dataclass
class Send:
    request: httpx2.Request


@dataclass
class Read:
    response: httpx2.Response


@dataclass
class Close:
    response: httpx2.Response


@dataclass
class Pause:
    seconds: float


@dataclass
class Enter:
    """Waits for a lock, which the core gives back itself."""

    lock: Any


@dataclass
class Tell:
    told: Callable[[str], Any]
    text: str


class Blocking:
    """Does it on this thread."""

    lock = staticmethod(threading.Lock)

    def __init__(self, transport: httpx2.BaseTransport) -> None:
        self.transport = transport

    def drive(self, steps: Steps[T]) -> T:
        result: Any = None
        failed: BaseException | None = None
        while True:
            try:
                wanted = steps.throw(failed) if failed else steps.send(result)
            except StopIteration as done:
                value: T = done.value
                return value
            result = failed = None
            try:
                result = self._do(wanted)
            except BaseException as cause:
                failed = cause

    def _do(self, wanted: Any) -> Any:
        match wanted:
            case Send(request):
                try:
                    return self.transport.handle_request(request)
                except httpx2.TransportError as cause:
                    raise _failure(request, cause) from cause
            case Read(response):
                body = b""
                try:
                    for part in response.stream:  # type: ignore[union-attr]
                        body += part
                        if len(body) > MAX_ANSWER:
                            raise fail("answer_invalid", "the answer is too large")
                except httpx2.TransportError as cause:
                    raise _failure(None, cause) from cause
                finally:
                    response.close()
                return body
            case Close(response):
                response.close()
            case Pause(seconds):
                time.sleep(seconds)
            case Enter(lock):
                lock.acquire()
            case Tell(told, text):
                told(text)
        return None


class Awaiting:
    """Does it on the event loop."""

    lock = staticmethod(asyncio.Lock)

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self.transport = transport

    async def drive(self, steps: Steps[T]) -> T:
        result: Any = None
        failed: BaseException | None = None
        while True:
            try:
                wanted = steps.throw(failed) if failed else steps.send(result)
            except StopIteration as done:
                value: T = done.value
                return value
            result = failed = None
            try:
                result = await self._do(wanted)
            except BaseException as cause:
                failed = cause

    async def _do(self, wanted: Any) -> Any:
        match wanted:
            case Send(request):
                try:
                    return await self.transport.handle_async_request(request)
                except httpx2.TransportError as cause:
                    raise _failure(request, cause) from cause
            case Read(response):
                body = b""
                try:
                    async for part in response.stream:  # type: ignore[union-attr]
                        body += part
                        if len(body) > MAX_ANSWER:
                            raise fail("answer_invalid", "the answer is too large")
                except httpx2.TransportError as cause:
                    raise _failure(None, cause) from cause
                finally:
                    await response.aclose()
                return body
            case Close(response):
                await response.aclose()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Enter(lock):
                await lock.acquire()
            case Tell(told, text):
                answer = told(text)
                if inspect.isawaitable(answer):
                    await answer
        return None


def _failure(request: httpx2.Request | None, cause: Exception) -> CaracalError:
    # The URL may hold what is not for a log: only the host is named.
    host = request.url.host if request is not None else "the server"
    if isinstance(cause, httpx2.TimeoutException):
        return fail("timed_out", f"`{host}` did not answer in time")
    return fail("connection_failed", f"`{host}` cannot be reached: {type(cause).__name__}")

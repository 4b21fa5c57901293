"""What the blocking and the awaiting client have in common."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from ._core import Authority, Call, Wanted
from .settings import Settings, resolve

# Whose calls these are: follows the thread, and the task with all that it starts.
CURRENT: ContextVar[Authority | None] = ContextVar("caracal_session", default=None)


def acting(authority: Authority) -> Authority:
    """The session of the context, where it belongs to the same client; else this one."""
    current = CURRENT.get()
    return current if current is not None and current.core is authority.core else authority


def trust(ca_file: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def settings_of(said: Mapping[str, Any], environment: Mapping[str, str] | None) -> Settings:
    return resolve({name: value for name, value in said.items() if value is not None}, environment)


def wanted(resources: str | Sequence[str], scopes: Sequence[str] | None, delegation_id: str | None) -> Wanted:
    names = (resources,) if isinstance(resources, str) else tuple(sorted(resources))
    return Wanted(names, None if scopes is None else tuple(sorted(scopes)), delegation_id)


def governing(call: Call | None, resource: str, path: str) -> Call:
    call = call or Call()
    return Call(call.scopes, call.delegation_id, call.approval, resource, path)


def lending(session: str, authority: Any, ttl_seconds: int, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"from_session": session, "authority": authority, "ttl_seconds": ttl_seconds, **more}

"""What the program says, then the environment, then the profile; doubtful settings send nothing."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import urlsplit

from .errors import fail


@dataclass(frozen=True)
class Binding:
    """A resource that the program uses, and the URLs that are led to it through the Gateway."""

    resource: str
    upstream_prefix: str | None = None
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Settings:
    zone_id: str
    application_id: str
    client_secret: str = field(repr=False)
    sts_url: str
    gateway_url: str
    ttl_seconds: int
    bindings: tuple[Binding, ...]


_TEXTS = ("zone_id", "application_id", "app_client_secret", "app_client_secret_file", "sts_url", "gateway_url")
_KEYS = {*_TEXTS, "default_ttl_seconds", "credentials"}


def resolve(said: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """Puts the sources together; raises `SettingsInvalidError`."""
    environment = os.environ if environment is None else environment
    heard = {name: environment.get("CARACAL_" + name.upper()) for name in _TEXTS}
    sources = [("what the program says", dict(said)), ("the environment", heard)]
    if profile := environment.get("CARACAL_CONFIG"):
        sources.append(("the profile", _profile(Path(profile))))
    whole: dict[str, Any] = {}
    secret_from = sts_from = None
    for name, values in sources:
        for key, value in values.items():
            if key not in _KEYS:
                raise fail("settings_invalid", f"{name} has the unknown key `{key}`")
            if key in _TEXTS and value is not None and not isinstance(value, str):
                raise fail("settings_invalid", f"`{key}` in {name} is no text")
        secrets = [key for key in ("app_client_secret", "app_client_secret_file") if values.get(key)]
        if len(secrets) == 2:
            raise fail("settings_invalid", f"{name} has a client secret and a file of one", "keep one of them")
        if secrets and secret_from is None:
            secret_from = name
            text = values[secrets[0]]
            whole["secret"] = text if secrets[0] == "app_client_secret" else None
            whole["secret_file"] = text
        if values.get("sts_url") and sts_from is None:
            sts_from = name
        for key in ("zone_id", "application_id", "sts_url", "gateway_url", "default_ttl_seconds", "credentials"):
            if values.get(key) and key not in whole:
                whole[key] = values[key]
    for key in ("zone_id", "application_id"):
        if key not in whole:
            raise fail("settings_invalid", f"`{key}` is not set", f"set `CARACAL_{key.upper()}`")
    if secret_from is None:
        raise fail("settings_invalid", "no client secret is named", "set `CARACAL_APP_CLIENT_SECRET_FILE`")
    if sts_from not in (None, secret_from):
        raise fail(
            "settings_invalid",
            f"the client secret comes from {secret_from} and the STS URL from {sts_from}",
            "a secret is sent only to an STS URL from the same source",
        )
    ttl = whole.get("default_ttl_seconds", 300)
    if not isinstance(ttl, int) or isinstance(ttl, bool) or ttl <= 0:
        raise fail("settings_invalid", "`default_ttl_seconds` is no positive number")
    return Settings(
        zone_id=whole["zone_id"],
        application_id=whole["application_id"],
        sts_url=_url("the STS", whole.get("sts_url", "http://localhost:8080")),
        gateway_url=_url("the Gateway", whole.get("gateway_url", "http://localhost:8081")),
        bindings=tuple(_binding(one) for one in whole.get("credentials", ())),
        ttl_seconds=ttl,
        client_secret=whole["secret"] or _secret(Path(whole["secret_file"])),
    )


def _profile(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, ValueError) as cause:
        raise fail("settings_invalid", f"the profile `{path}` cannot be read: {cause}") from None
    if isinstance(values.get("app_client_secret_file"), str):
        values["app_client_secret_file"] = str(path.parent / values["app_client_secret_file"])
    return values


def _secret(path: Path) -> str:
    """A secret that only its owner can read; what is read is the very file that was looked at."""
    try:
        with path.open() as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise fail("settings_invalid", f"others can read the secret file `{path}`", f"run `chmod 600 {path}`")
            secret = file.read(4097).strip()
    except (OSError, ValueError):
        raise fail("settings_invalid", f"the secret file `{path}` cannot be read") from None
    if not secret or len(secret) > 4096:
        raise fail("settings_invalid", f"the secret file `{path}` is empty or too long")
    return secret


def _url(door: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise fail("settings_invalid", f"the URL of {door} is no URL") from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise fail("settings_invalid", f"the URL of {door} is no plain URL of `http` or `https`")
    if parts.scheme == "http" and not re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", host):
        raise fail("settings_invalid", f"the URL of {door} is plain HTTP beyond this machine", "use `https`")
    return text.rstrip("/")


def _binding(one: Any) -> Binding:
    if isinstance(one, Binding):
        one = {"resource": one.resource, "upstream_prefix": one.upstream_prefix, "scopes": one.scopes}
    if not isinstance(one, dict) or not one.keys() <= {"resource", "upstream_prefix", "scopes"}:
        raise fail("settings_invalid", "a credential has an unknown key or is no table")
    resource, prefix, scopes = one.get("resource"), one.get("upstream_prefix"), one.get("scopes")
    if not isinstance(resource, str) or not re.fullmatch(r"resource://[a-z0-9][a-z0-9-]{0,62}", resource):
        raise fail("settings_invalid", f"`{resource}` names no resource", "use for example `resource://openai`")
    if scopes is not None and (not isinstance(scopes, (list, tuple)) or not all(isinstance(s, str) for s in scopes)):
        raise fail("settings_invalid", f"`scopes` of `{resource}` is no list of texts")
    if prefix is not None:
        parts = urlsplit(prefix) if isinstance(prefix, str) else None
        if not parts or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise fail("settings_invalid", f"`upstream_prefix` of `{resource}` is no plain URL")
    return Binding(resource, prefix, None if scopes is None else tuple(scopes))

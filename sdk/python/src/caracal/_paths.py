"""Which calls are led where, and which are refused before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

import httpx2

from .errors import fail
from .settings import Binding


def check_path(path: str) -> None:
    """Refuses what does not stay below its resource: absolute URLs, dot and empty segments in any spelling, backslashes."""
    why = None
    if re.match(r"(?i)[a-z][a-z0-9+.-]*:|//", path):
        why = "is an absolute URL"
    elif not path.startswith("/"):
        why = "does not begin with a slash"
    elif re.search(r"[#\\\x00-\x20\x7f]", path):
        why = "has a fragment, a backslash, a space or a control character"
    else:
        segments = path.split("?")[0][1:].split("/")
        for index, segment in enumerate(segments):
            if re.search(r"%(?![0-9A-Fa-f]{2})", segment):
                why = "is not percent-encoded"
            elif unquote(segment) in (".", ".."):
                why = "has a dot segment"
            elif not segment and index < len(segments) - 1:
                why = "has an empty segment"
    if why:
        raise fail("gateway_path_invalid", f"the path {why}", "use a path such as `/v1/models`")


def bound(bindings: Sequence[Binding], url: httpx2.URL) -> tuple[Binding, str] | None:
    """The binding with the longest prefix that covers a URL, and the path below it."""
    best: tuple[int, Binding, str] | None = None
    for binding in bindings:
        if binding.upstream_prefix is None:
            continue
        prefix = httpx2.URL(binding.upstream_prefix)
        if (prefix.scheme, prefix.host, prefix.port) != (url.scheme, url.host, url.port) or url.userinfo:
            continue
        base = prefix.raw_path.decode().rstrip("/")
        target = url.raw_path.decode()
        rest = target[len(base) :]
        if target.startswith(base) and (not rest or rest[0] in "/?") and (best is None or len(base) > best[0]):
            best = (len(base), binding, rest if rest.startswith("/") else "/" + rest)
    return best and best[1:]


def follow(home: str, here: httpx2.URL, location: str, count: int, method: str) -> httpx2.URL:
    """Where a redirect leads, if that is below the same resource and safe to follow."""
    try:
        target = here.join(location)
    except httpx2.InvalidURL:
        raise fail("redirect_refused", "the answer redirects to what is no URL") from None
    text = str(target)
    if text != home and not text.startswith((home + "/", home + "?")):
        raise fail("redirect_refused", "the answer redirects away from the Gateway")
    if count >= 5:
        raise fail("redirect_refused", "there are too many redirects")
    if method not in ("GET", "HEAD"):
        raise fail("redirect_refused", f"a redirected {method} is not sent again")
    return target

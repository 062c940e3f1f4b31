"""What every request passes before the page sees it: names it may use, sizes, times, where it comes from.

A page on loopback is within reach of every other page that the same browser shows: through names that resolve to
127.0.0.1 (DNS rebinding), through forms and images of other sites. So names, origin and a token are checked.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nksim.web.asked import LONGEST_QUERY

LARGEST_BODY, BODY_S, LONGEST_HEADERS = 1_100_000, 10.0, 32_768
# What is thrown away of a body that is refused, so that the other side reads the answer and not a broken connection.
MOST_DRAINED, DRAIN_S = 50_000_000, 3.0
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z.-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class Door:
    """Where the page listens, the names it answers to, and the secrets of this run.

    `token` is None on loopback; elsewhere nobody gets in without it.
    """

    port: int
    names: tuple[str, ...] = LOOPBACK
    any_address: bool = False
    token: str | None = None
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def knows(self, host: str) -> bool:
        """Whether a Host header names this page; addresses as numbers cannot be rebound, so all may stand for it."""
        match = _HOST.fullmatch(host.lower())
        if not match or int(match[2] or 80) != self.port:
            return False
        if match[1] in self.names:
            return True
        return self.any_address and _is_address(match[1].strip("[]"))

    def admits(self, origin: str) -> bool:
        """Whether an Origin header is this page's own."""
        scheme, _, host = origin.partition("://")
        return scheme == "http" and self.knows(host)

    def sign(self, text: str) -> str:
        """A mark that only this run of the page can make."""
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()

    def may_enter(self, given: str) -> bool:
        """Whether this is the token, compared in constant time."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    @property
    def cookie(self) -> str:
        """The name of the session's cookie: cookies do not tell ports apart."""
        return f"nksim-{self.port}"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Refusal(Exception):
    """A request that goes no further: its status, what was wrong and what would do."""

    status: int
    message: str
    help: str


class Guard:
    """The middleware that holds every request to the rules; `refuse` makes the page of a refusal."""

    def __init__(self, app: ASGIApp, door: Door, refuse: Callable[[Scope, Refusal], ASGIApp]) -> None:
        self.app, self.door, self.refuse = app, door, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is in order."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = False

        async def sealed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                held = {name.lower() for name, _ in message["headers"]}
                extra = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in held]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            self._check(scope)
            await self.app(scope, _bounded(receive), sealed)
        except Refusal as refusal:
            if not started:
                await _drained(receive)
                await self.refuse(scope, refusal)(scope, receive, sealed)

    def _check(self, scope: Scope) -> None:
        """Notes the session of the request, if it has one; raises `Refusal` where a rule is broken."""
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value.decode("latin-1"))

        def one(name: bytes) -> str | None:
            found = headers.get(name, [])
            if len(found) > 1:
                raise Refusal(400, f"the header {name.decode()} stands twice", "send it once")
            return found[0] if found else None

        if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEADERS:
            raise Refusal(431, "the headers are too long", f"at most {LONGEST_HEADERS} characters")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            raise Refusal(405, "this method is not allowed", "use GET or POST")
        raw: bytes = scope.get("raw_path", scope["path"].encode())
        if not raw.startswith(b"/") or not re.fullmatch(rb"[A-Za-z0-9/_.-]*", raw) or b".." in raw or b"//" in raw:
            raise Refusal(400, "this is no address of the page", "start from its first page")
        if len(scope["query_string"]) > LONGEST_QUERY:
            raise Refusal(414, "the address is too long", f"at most {LONGEST_QUERY} characters")
        if not self.door.knows(one(b"host") or ""):
            raise Refusal(421, "the page does not answer to this name", "open it under the address that it printed")
        if b"transfer-encoding" in headers and b"content-length" in headers:
            raise Refusal(400, "the request has two lengths", "send Content-Length or Transfer-Encoding")
        length = one(b"content-length")
        if length is not None and (not length.isascii() or not length.isdigit() or int(length[:12]) > LARGEST_BODY):
            raise Refusal(413, "the request is too large", "a protocol file has at most 1 MB")
        self._from_here(scope, one(b"origin"), one(b"sec-fetch-site"), one(b"sec-fetch-mode"))
        session = scope["nksim.session"] = _session(headers.get(b"cookie", []), self.door)
        if self.door.token is not None and not (session or "").startswith("in-") and scope["path"] not in _OPEN:
            raise Refusal(401, "this page is closed", "enter the token that `nksim serve` printed")

    def _from_here(self, scope: Scope, origin: str | None, site: str | None, mode: str | None) -> None:
        """Another site may link here; it may neither send forms nor fetch what stands here."""
        posts = scope["method"] == "POST"
        # Without a referrer browsers send `null` for the page's own forms; where they come from stands beside it.
        own = origin == "null" and site == "same-origin"
        foreign = origin is not None and not own and not self.door.admits(origin)
        other = site not in (None, "same-origin", "none")
        if foreign or (other and (posts or mode != "navigate")):
            raise Refusal(403, "the request comes from another site", "use the page itself")


_OPEN = ("/enter", "/static/page.css")


def _session(cookies: list[str], door: Door) -> str | None:
    """The session that this run of the page signed, or None."""
    try:
        found: Any = SimpleCookie("; ".join(cookies)).get(door.cookie)
    except CookieError:
        return None
    name, _, mark = (found.value if found else "").partition(".")
    return name if name and hmac.compare_digest(mark.encode(), door.sign(name).encode()) else None


def new_session(*, entered: bool) -> str:
    """A name for a new session."""
    return ("in-" if entered else "out-") + secrets.token_hex(16)


def _bounded(receive: Receive) -> Callable[[], Awaitable[Message]]:
    """The body, as long as it is neither too large nor too slow."""
    size, late = 0, time.monotonic() + BODY_S
    whole = False

    async def read() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.01, late - time.monotonic()))
        except TimeoutError:
            raise Refusal(408, "the request did not arrive in time", "send it again") from None
        size += len(message.get("body", b""))
        whole = message["type"] == "http.disconnect" or not message.get("more_body", False)
        if size > LARGEST_BODY:
            await _drained(receive)
            raise Refusal(413, "the request is too large", "a protocol file has at most 1 MB")
        return message

    return read


async def _drained(receive: Receive) -> None:
    """Throws away what is left of a body, within bounds."""
    size, more = 0, True
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while more and size < MOST_DRAINED:
                message = await receive()
                size += len(message.get("body", b""))
                more = message["type"] == "http.request" and message.get("more_body", False)

"""What every request passes before it reaches a route: host, page, token, rate and size. Adds the safe headers."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from radsam.errors import RadsamError
from radsam.server.access_tokens import AllowedOrigins, Authenticator, bearer
from radsam.server.route_policy import needs_token, takes_upload
from radsam.server.server_limits import Limits, RateLimiter
from radsam.server.server_metrics import ServerMetrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The page is one bundle of our own: no other site, no inline script, no frame around it. `blob:` and `data:`
#: are pictures and workers that the viewer makes itself.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", _PAGE_POLICY.encode()),
]
_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")


class SecurityMiddleware:
    """ASGI middleware.

    Args:
        app: What is behind it.
        users: Knows whose a token is.
        doors: Which hosts and pages may ask.
        limits: How much.
        metrics: What is counted.
    """

    def __init__(
        self, app: App, authenticator: Authenticator, origins: AllowedOrigins, limits: Limits, metrics: ServerMetrics
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._origins = origins
        self._limits = limits
        self._metrics = metrics
        self._asked = RateLimiter(limits.requests_per_second, limits.burst)
        self._wrong = RateLimiter(limits.wrong_tokens_per_minute / 60, limits.wrong_tokens_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
                if scope["path"].startswith("/api") and not _has(message, b"cache-control"):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        refused = self._refusal(scope)
        try:
            if refused is not None:
                await _refuse(answer, *refused)
            else:
                await self._within_limits(scope, receive, answer)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"  # anybody can make one up
            self._metrics.requests.labels(method, str(status)).inc()
            route = getattr(scope.get("route"), "path", "other")
            if not route.endswith("/events"):
                self._metrics.seconds.labels(route).observe(perf_counter() - started)

    def _refusal(self, scope: Scope) -> tuple[int, str, str, float] | None:
        """Return status, kind, message and seconds to wait; None for a request that may pass."""
        headers = dict(scope["headers"])
        host = _text(headers, b"host")
        if not self._origins.allows_host(host):
            return (
                400,
                "auth",
                f"This server is not called {host!r}. Open it by its own name, or add --allow-host.",
                0.0,
            )
        private = needs_token(scope["path"])
        if private and not self._origins.allows_page(
            _text(headers, b"origin"), host, _text(headers, b"sec-fetch-site")
        ):
            return 403, "auth", "Other web pages may not use this server.", 0.0
        if not private:
            return None
        return self._stranger(scope, headers)

    def _stranger(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[int, str, str, float] | None:
        address = (scope.get("client") or ("unknown", 0))[0]
        if wait := self._wrong.wait(address):
            return 429, "limit", "Too many wrong tokens came from this address. Wait a minute.", wait
        token = bearer(headers)
        try:
            user = self._authenticator.user_of(token)
        except RadsamError as error:
            return 503, "auth", str(error), 0.0
        if user is None:
            if token is not None:
                self._wrong.take(address)
            return 401, "auth", "This server asks for a token: the one that was printed or given to you.", 0.0
        if wait := self._asked.take(user):
            return 429, "limit", "That was too much at once. Ask again in a moment.", wait
        scope["radsam.user"] = user
        return None

    async def _within_limits(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, whose body is no longer than it may be."""
        uploads = takes_upload(scope["method"], scope["path"])
        most = max(self._limits.upload_bytes, self._limits.session_file_bytes) if uploads else self._limits.body_bytes
        announced = _text(dict(scope["headers"]), b"content-length") or "0"
        message = f"The request is larger than {most / 1e6:.0f} MB, the limit here."
        if not announced.isdecimal() or int(announced) > most:
            await _refuse(send, 413, "limit", message, 0.0)
            return
        received, too_large, begun = 0, False, False

        async def counted() -> Message:
            nonlocal received, too_large
            part = await receive()
            received += len(part.get("body", b""))
            if received > most:
                too_large = True
                return {"type": "http.disconnect"}
            return part

        async def answer(part: Message) -> None:
            nonlocal begun
            if not too_large or begun:
                begun = True
                await send(part)

        try:
            await self._app(scope, counted, answer)
        except Exception:
            if not too_large:
                raise
        if too_large and not begun:
            await _refuse(send, 413, "limit", message, 0.0)


async def _refuse(send: Send, status: int, kind: str, message: str, wait: float) -> None:
    body = json.dumps({"error": {"kind": kind, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 429:
        headers.append((b"retry-after", str(math.ceil(wait)).encode()))
    if status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def _has(message: Message, name: bytes) -> bool:
    return any(key == name for key, _ in message["headers"])

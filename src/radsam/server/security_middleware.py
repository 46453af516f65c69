"""Security middleware: checks host, page, token, rate and size of every request, and adds the security headers."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from radsam.errors import RadsamError
from radsam.server.access_tokens import Authenticator, bearer
from radsam.server.allowed_origins import AllowedOrigins
from radsam.server.error_answers import error_answer
from radsam.server.server_limits import Limits, RateLimiter
from radsam.server.server_metrics import ServerMetrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
#: Status, kind, message, and the seconds to wait.
Rejection = tuple[int, str, str, float]

#: The page is one bundle of our own: no other site, no inline script, no frame around it. The viewer itself creates
#: `blob:` and `data:` images and workers.
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


#: nnInteractive's protocol; its /healthz is public, as ours is.
_NNINTERACTIVE = (
    "/capabilities", "/claim", "/release", "/heartbeat", "/lease_status", "/set_image", "/set_target_buffer",
    "/set_do_autozoom", "/reset_interactions", "/predict", "/undo", "/add_bbox_interaction", "/add_point_interaction",
    "/add_scribble_interaction", "/add_lasso_interaction", "/add_initial_seg_interaction",
)  # fmt: skip
#: MONAI Label's interface; its /auth/ tells whether a token is needed, so it needs none itself.
_MONAI_LABEL = ("/info", "/session", "/infer", "/datastore", "/activelearning", "/auth/token/valid")
_PRIVATE = ("/api", "/metrics", *_NNINTERACTIVE, *_MONAI_LABEL)

_UPLOADS = {
    "POST": ("/api/volumes", "/api/sessions/import", "/infer", "/set_image",
             "/add_scribble_interaction", "/add_lasso_interaction", "/add_initial_seg_interaction"),
    "PUT": ("/session", "/datastore"),
}  # fmt: skip


_MASKS_OF_SESSION = re.compile(r"/api/sessions/[^/]+/(objects|look-into-masks)")


def needs_token(path: str) -> bool:
    """Whether a path is for users only."""
    return any(_below(path, each) for each in _PRIVATE)


def takes_upload(method: str, path: str) -> bool:
    """Whether the body may be as large as an upload."""
    if path.startswith("/api"):
        return path in _UPLOADS.get(method, ()) or (method == "POST" and bool(_MASKS_OF_SESSION.fullmatch(path)))
    return any(_below(path, each) for each in _UPLOADS.get(method, ()))


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")


class SecurityMiddleware:
    """ASGI middleware.

    Args:
        app: The application behind it.
        authenticator: Maps a token to its user.
        origins: Which hosts and pages may send requests.
        limits: Rates and sizes.
        metrics: Where requests are counted.
    """

    def __init__(
        self, app: App, authenticator: Authenticator, origins: AllowedOrigins, limits: Limits, metrics: ServerMetrics
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._origins = origins
        self._limits = limits
        self._metrics = metrics
        self._requests = RateLimiter(limits.requests_per_second, limits.burst)
        self._wrong_tokens = RateLimiter(limits.wrong_tokens_per_minute / 60, limits.wrong_tokens_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or respond with the reason for its rejection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def send_secured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_HEADERS]
                if scope["path"].startswith("/api") and b"cache-control" not in dict(message["headers"]):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        try:
            if rejection := self._rejection(scope):
                await _reject(scope, receive, send_secured, rejection)
            else:
                await self._within_size(scope, receive, send_secured)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"  # a client can invent methods
            self._metrics.requests.labels(method, str(status)).inc()
            route = getattr(scope.get("route"), "path", "other")
            if not route.endswith("/events"):
                self._metrics.seconds.labels(route).observe(perf_counter() - started)

    def _rejection(self, scope: Scope) -> Rejection | None:
        """Return why a request is rejected; None if it may pass."""
        headers = dict(scope["headers"])
        host = _text(headers, b"host")
        if not self._origins.allows_host(host):
            return (
                400,
                "auth",
                f"{host!r} is not a name of this server. Open it by its own name, or add --allow-host.",
                0.0,
            )
        if not needs_token(scope["path"]):
            return None
        if not self._origins.allows_page(_text(headers, b"origin"), host, _text(headers, b"sec-fetch-site")):
            return 403, "auth", "Other web pages may not use this server.", 0.0
        return self._authenticate(scope, headers)

    def _authenticate(self, scope: Scope, headers: dict[bytes, bytes]) -> Rejection | None:
        address = (scope.get("client") or ("unknown", 0))[0]
        if wait := self._wrong_tokens.wait(address):
            return 429, "limit", "Too many wrong tokens came from this address. Wait a minute.", wait
        token = bearer(headers)
        try:
            user = self._authenticator.user_of(token)
        except RadsamError as error:
            return 503, "auth", str(error), 0.0
        if user is None:
            if token is not None:
                self._wrong_tokens.take(address)
            return 401, "auth", "This server needs a token: the one that it printed, or that you were given.", 0.0
        if wait := self._requests.take(user):
            return 429, "limit", "Too many requests at once. Try again in a moment.", wait
        scope["radsam.user"] = user
        return None

    async def _within_size(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; reject it once its body is too long."""
        uploads = takes_upload(scope["method"], scope["path"])
        limit = max(self._limits.upload_bytes, self._limits.session_file_bytes) if uploads else self._limits.body_bytes
        too_large: Rejection = 413, "limit", f"The request is larger than {limit / 1e6:.0f} MB, the limit here.", 0.0
        announced = _text(dict(scope["headers"]), b"content-length") or "0"
        if not announced.isdecimal() or int(announced) > limit:
            await _reject(scope, receive, send, too_large)
            return
        received, answering = 0, False

        async def receive_counted() -> Message:
            nonlocal received
            part = await receive()
            received += len(part.get("body", b""))
            return {"type": "http.disconnect"} if received > limit else part

        async def send_unless_too_large(part: Message) -> None:
            nonlocal answering
            if received <= limit or answering:
                answering = True
                await send(part)

        try:
            await self._app(scope, receive_counted, send_unless_too_large)
        except Exception:
            if received <= limit:
                raise
        if received > limit and not answering:
            await _reject(scope, receive, send, too_large)


async def _reject(scope: Scope, receive: Receive, send: Send, rejection: Rejection) -> None:
    status, kind, message, wait = rejection
    headers = {
        401: {"www-authenticate": "Bearer"},
        413: {"connection": "close"},  # the rest of the body is not read
        429: {"retry-after": str(math.ceil(wait))},
    }
    await error_answer(status, kind, message, headers.get(status))(scope, receive, send)


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")

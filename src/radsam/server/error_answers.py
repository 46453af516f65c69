"""Error answers: ``{"error": {"kind", "message"}}``, and ``detail`` for clients of the compatibility routes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from radsam.disk.utf8_path import printable
from radsam.errors import RadsamError
from radsam.server.server_errors import EditCancelledError, ServerStoppingError, classify
from radsam.settings.value_errors import describe_error

_HTTP_KINDS = {400: "input", 401: "auth", 403: "auth", 404: "missing", 405: "input", 413: "limit"}
#: Every error with a message of its own; the rest is a bug.
_KNOWN = (RadsamError, MemoryError, EditCancelledError, ServerStoppingError)

_log = logging.getLogger(__name__)


def error_answer(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Build an error answer."""
    return JSONResponse({"error": {"kind": kind, "message": printable(message)}}, status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Turn every error of the routes into an error answer."""

    async def known(request: Request, error: Exception) -> JSONResponse:
        return error_answer(*classify(error))

    for each in _KNOWN:
        app.add_exception_handler(each, known)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        first["loc"] = () if first["type"] == "json_invalid" else first["loc"][1:]  # without "body", "query" or "path"
        return error_answer(422, "input", f"{describe_error(first, 'The request')}.")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        kind = _HTTP_KINDS.get(error.status_code, "input")
        return error_answer(error.status_code, kind, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        _log.error("request failed", exc_info=error)
        return error_answer(*classify(error))


class CompatRoute(APIRoute):
    """A route of another program's protocol: its error answers repeat the message as `detail`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of the route."""
        handle = super().get_route_handler()

        async def with_detail(request: Request) -> Response:
            try:
                return await handle(request)
            except BaseException as error:
                status, kind, message = classify(error)
                if kind == "bug":
                    raise
            shown = printable(message)
            return JSONResponse({"error": {"kind": kind, "message": shown}, "detail": shown}, status)

        return with_detail

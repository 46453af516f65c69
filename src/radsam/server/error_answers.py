"""Refusals as clients of other protocols read them: our error, and its sentence once more as `detail`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from radsam.errors import RadsamError
from radsam.server.model_thread import EditCancelledError, ServerStoppingError
from radsam.server.statuses import kind_of, status_of


class CompatRoute(APIRoute):
    """A route of another protocol."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except RadsamError as error:
                return _refused(status_of(error), kind_of(error), str(error))
            except MemoryError:
                return _refused(507, "memory", "There is not enough memory for this volume. Close others, or crop it.")
            except (asyncio.CancelledError, ServerStoppingError):  # only the end of the server cancels a request
                return _refused(503, "stopping", "The server is stopping; ask again when it is back.")
            except EditCancelledError:
                return _refused(409, "busy", "The edit was cancelled, here or in the page; nothing was changed.")

        return told


def _refused(status: int, kind: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"kind": kind, "message": message}, "detail": message}, status)

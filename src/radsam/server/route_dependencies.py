"""Dependencies and descriptions that the routes share: the service, the user, and the documented error answers."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Path, Request

from radsam.server.api_schemas import Error
from radsam.server.service import Service

_REASONS = {
    400: "The request cannot be read, or its Host header names another server.",
    401: "The token is missing or wrong.",
    403: "The request comes from another web page, or the user's role does not allow it.",
    404: "Not found for this user.",
    409: "The session does not allow the request now.",
    413: "Larger than the limits allow.",
    415: "Not a file of a supported kind.",
    422: "The request does not fit; the message says why.",
    429: "Too many requests, sessions or objects at once.",
    503: "The model or the memory is not available.",
    507: "The disk is full.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the error answers of a route: those given, and those that every route has."""
    every = sorted({400, 401, 403, 404, 422, 429, 503, *statuses})
    return {status: {"model": Error, "description": _REASONS[status]} for status in every}


def _service(request: Request) -> Service:
    return cast("Service", request.app.state.service)


def _user(request: Request) -> str:
    return str(request.scope["radsam.user"])


Served = Annotated[Service, Depends(_service)]
User = Annotated[str, Depends(_user)]
Id = Annotated[str, Path(max_length=64, examples=["s0123456789abcdef"])]
ObjectName = Annotated[str, Path(min_length=1, max_length=64, examples=["liver"])]

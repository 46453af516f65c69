"""What the routes have in common: who asks, of which service, and which refusals are described."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Path, Request

from radsam.server.api_schemas import Error
from radsam.server.service import Service

_REASONS = {
    400: "The request is not understood.",
    401: "A token is missing or wrong.",
    403: "Another web page asks.",
    404: "There is no such thing for this user.",
    409: "The session does not allow it now.",
    413: "It is larger than the limits allow.",
    415: "Not a file of a known kind.",
    422: "What was given does not fit; the message says why.",
    429: "Too much at once.",
    503: "The model or the memory is not available.",
    507: "The disk is full.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of a route; those that every route may answer are added."""
    every = sorted({400, 401, 403, 404, 422, 429, 503, *statuses})
    return {status: {"model": Error, "description": _REASONS[status]} for status in every}


def _service(request: Request) -> Service:
    return cast("Service", request.app.state.service)


def _user(request: Request) -> str:
    return str(request.scope["radsam.user"])


Served = Annotated[Service, Depends(_service)]
User = Annotated[str, Depends(_user)]
Id = Annotated[str, Path(max_length=64, examples=["s0123456789abcdef"])]

"""The web application: the service behind HTTP, and the page."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from radsam.errors import RadsamError
from radsam.server import routes_edits, routes_sessions, routes_volumes
from radsam.server.access_tokens import AllowedOrigins, Authenticator, NoAuthentication
from radsam.server.api_schemas import Health, Info, Model
from radsam.server.model_thread import EditCancelledError, ServerStoppingError
from radsam.server.monai_label.monai_label_routes import router as monai_label
from radsam.server.monai_label.saved_labels import SavedLabels
from radsam.server.nninteractive.leases import Leases
from radsam.server.nninteractive.nninteractive_routes import router as nninteractive
from radsam.server.route_dependencies import Served, User, error_responses
from radsam.server.security_middleware import SecurityMiddleware
from radsam.server.service import FORMATS, Service
from radsam.server.statuses import kind_of, status_of

#: The built page.
STATIC = Path(__file__).resolve().parent / "static"
_NO_PAGE = (
    "The page of this RadSAM was not built. In a clone of the repository: cd web && npm ci && npm run build\n"
    "(Node 20 or newer). The API under /api works without it.\n"
)
_WORDS = {400: "input", 401: "auth", 403: "auth", 404: "missing", 405: "input", 413: "limit"}

_log = logging.getLogger(__name__)


def create_app(
    service: Service, *, authenticator: Authenticator | None = None, origins: AllowedOrigins | None = None
) -> FastAPI:
    """Put a service on the web.

    Args:
        service: The service; it is closed with the application.
        authenticator: Maps a token to its user; None admits everybody, for loopback.
        origins: Which hosts and pages may send requests; None means loopback.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="RadSAM",
        version=version("radsam"),
        description="Segment 3D radiological images from one prompt on one slice. Not for diagnostic use.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.authenticator = authenticator or NoAuthentication()
    app.state.leases = Leases(service)
    app.state.labels = SavedLabels(service.folder / "labels", service.uploads.check_image)
    for router in (routes_volumes.router, routes_sessions.router, routes_edits.router, nninteractive, monai_label):
        app.include_router(router)
    _add_about(app)
    _add_errors(app)
    _add_page(app)
    app.add_middleware(
        SecurityMiddleware,
        authenticator=app.state.authenticator,
        origins=origins or AllowedOrigins("127.0.0.1"),
        limits=service.limits,
        metrics=service.metrics,
    )
    return app


def _add_about(app: FastAPI) -> None:
    @app.get("/healthz", tags=["about"], responses={400: error_responses()[400]})
    def health() -> Health:
        """Say that the server is there; needs no token."""
        return Health(version=version("radsam"))

    @app.get("/metrics", tags=["about"], response_class=PlainTextResponse, responses=error_responses())
    def metrics(service: Served, user: User) -> Response:
        """Show numbers for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/api/info", tags=["about"], responses=error_responses())
    def info(service: Served, user: User) -> Info:
        """Say what this server is and allows."""
        spec = service.engine.bundle.spec
        return Info(
            version=version("radsam"),
            model=Model(
                name=spec.name,
                capabilities=[each.value for each in spec.capabilities],
                max_zoom=spec.max_zoom,
                window_hu=list(spec.window_hu),
                backend=service.engine.backend.name,
            ),
            limits={name: float(value) for name, value in vars(service.limits).items()},
            formats=list(FORMATS),
            user=user,
        )


def _add_errors(app: FastAPI) -> None:
    def refused(status: int, kind: str, message: str, headers: Any = None) -> JSONResponse:
        return JSONResponse({"error": {"kind": kind, "message": message}}, status, headers)

    @app.exception_handler(RadsamError)
    async def known(request: Request, error: RadsamError) -> JSONResponse:
        return refused(status_of(error), kind_of(error), str(error))

    @app.exception_handler(MemoryError)
    async def memory(request: Request, error: MemoryError) -> JSONResponse:
        return refused(507, "memory", "There is not enough memory for this volume. Close others, or crop it.")

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(each) for each in first["loc"] if each not in ("body", "query", "path"))
        return refused(422, "input", f"{place or 'The request'}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return refused(error.status_code, _WORDS.get(error.status_code, "input"), str(error.detail), error.headers)

    @app.exception_handler(EditCancelledError)
    @app.exception_handler(ServerStoppingError)
    async def ended(request: Request, error: Exception) -> JSONResponse:
        return refused(503, "stopping", "The server is stopping; ask again when it is back.")

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        _log.error("request failed", exc_info=error)
        return refused(500, "bug", "This is a bug in RadSAM; the server's log has the details.")


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> Response:
        index = STATIC / "index.html"
        if not index.is_file():
            return PlainTextResponse(_NO_PAGE, 503)
        return FileResponse(index, headers={"cache-control": "no-cache"})

    if STATIC.is_dir():
        app.mount("/", StaticFiles(directory=STATIC), name="page")

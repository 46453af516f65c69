"""The web application: the service over HTTP, and the built page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from radsam.server import (
    routes_edits,
    routes_labels,
    routes_masks,
    routes_measurements,
    routes_pacs,
    routes_project,
    routes_sessions,
    routes_statistics,
    routes_volumes,
    routes_voxels,
)
from radsam.server.access_tokens import Authenticator, NoAuthentication
from radsam.server.allowed_origins import AllowedOrigins
from radsam.server.api_schemas import Health, Info, Model
from radsam.server.error_answers import add_error_handlers
from radsam.server.monai_label.monai_label_routes import router as monai_label
from radsam.server.monai_label.saved_labels import SavedLabels
from radsam.server.nninteractive.leases import Leases
from radsam.server.nninteractive.nninteractive_routes import router as nninteractive
from radsam.server.result_export import FORMATS
from radsam.server.route_dependencies import Served, User, error_responses
from radsam.server.security_middleware import SecurityMiddleware
from radsam.server.service import Service

#: The built page.
STATIC = Path(__file__).resolve().parent / "static"
_NO_PAGE = (
    "The page of this RadSAM was not built. In a clone of the repository: cd web && npm ci && npm run build\n"
    "(Node 20 or newer). The API under /api works without it.\n"
)


def create_app(
    service: Service, *, authenticator: Authenticator | None = None, origins: AllowedOrigins | None = None
) -> FastAPI:
    """Build the web application of a service.

    Args:
        service: The service; it is closed with the application.
        authenticator: Maps a token to its user; None admits everybody as one user, for loopback.
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
        docs_url=None,  # FastAPI's pages load scripts from other sites
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.authenticator = authenticator or NoAuthentication()
    app.state.drawing = asyncio.Lock()
    app.state.leases = Leases(service)
    app.state.labels = SavedLabels(service.folder / "labels", service.uploads.check_image)
    for router in (
        routes_volumes.router,
        routes_volumes.uploads,
        routes_voxels.router,
        routes_sessions.router,
        routes_edits.router,
        routes_measurements.router,
        routes_labels.router,
        routes_statistics.router,
        routes_masks.router,
        routes_pacs.router,
        routes_project.router,
        nninteractive,
        monai_label,
    ):
        app.include_router(router)
    _add_about(app)
    add_error_handlers(app)
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
        """Report that the server runs; needs no token."""
        return Health(version=version("radsam"))

    @app.get("/metrics", tags=["about"], response_class=PlainTextResponse, responses=error_responses())
    def metrics(service: Served, user: User) -> Response:
        """Return metrics for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/api/info", tags=["about"], responses=error_responses())
    def info(service: Served, user: User) -> Info:
        """Describe this server: version, model, limits and export formats."""
        spec = service.engine.bundle.spec
        return Info(
            version=version("radsam"),
            model=Model(
                name=spec.name,
                capabilities=[each.value for each in spec.capabilities],
                max_zoom=spec.max_zoom,
                window=[spec.ct_window.low, spec.ct_window.high],
                backend=service.engine.backend.name,
                precision=service.engine.backend.precision,
            ),
            limits={name: float(value) for name, value in vars(service.limits).items()},
            formats=list(FORMATS),
            pacs=None if service.pacs is None else service.pacs.name,
            user=user,
            project=service.project is not None,
        )


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> Response:
        index = STATIC / "index.html"
        if not index.is_file():
            return PlainTextResponse(_NO_PAGE, 503)
        return FileResponse(index, headers={"cache-control": "no-cache"})

    if STATIC.is_dir():
        app.mount("/", GZipMiddleware(StaticFiles(directory=STATIC), compresslevel=6), name="page")

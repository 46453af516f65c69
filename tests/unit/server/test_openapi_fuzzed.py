"""Does every route match its description, for valid and invalid requests?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from radsam.server.server_limits import Limits
from served_projects import make_project
from servers import Served, served

load_all_checks()

#: Tokens and origins are tested in test_security_middleware.py, messages in test_routes_edits.py. Other checks of
#: schemathesis would also require that unknown query parameters are refused.
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = Limits(requests_per_second=1e6, burst=1e6, upload_bytes=100_000, sessions=50)
    folder = tmp_path_factory.mktemp("fuzzed")
    with served(folder, limits=limits, project=make_project(folder)) as it:
        it.segment()
        yield it


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_every_route_keeps_to_its_description(web: Served, mode: GenerationMode) -> None:
    described = schemathesis.openapi.from_dict(web.client.get("/api/openapi.json").json())
    checks = [CHECKS.get_one(name) for name in CHECKED]
    tried = set()
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.path.endswith("/events"):
            continue  # it never ends: see test_event_channel.py and the e2e tests

        @settings(
            max_examples=10 if mode is GenerationMode.POSITIVE else 5,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: schemathesis.Case) -> None:
            # Mostly real ids, so that not every response is 404. The session is not deleted: the other cases need it.
            parts = case.path_parameters
            deletes = case.method == "DELETE" and case.operation.path == "/api/sessions/{session}"
            if "session" in parts and not deletes and len(str(parts["session"])) % 4:
                parts["session"] = web.session
            if "volume" in parts and len(str(parts["volume"])) % 4:
                parts["volume"] = web.volume
            if "case" in parts and len(str(parts["case"])) % 4:
                parts["case"] = "case-1"
            if "label" in parts and len(str(parts["label"])) % 4:
                parts["label"] = "right"
            response = _send(web, case)
            tried.add((case.method, case.operation.path))
            case.validate_response(response, checks=checks)

        # A route without parameters has no invalid request.
        with suppress(*([Unsatisfiable] if mode is GenerationMode.NEGATIVE else [])):
            send()
    assert len(tried) > 15
    assert web.state()["id"] == web.session


def _send(web: Served, case: schemathesis.Case) -> httpx.Response:
    """Send a case through the client of the tests, which reaches the application without a socket."""
    request = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1:8765")).prepare()
    headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
    assume(len(str(request.url)) < 8_000)  # no client sends longer ones
    body = request.body.encode() if isinstance(request.body, str) else request.body
    return web.client.request(str(request.method), str(request.url), headers=headers, content=body)

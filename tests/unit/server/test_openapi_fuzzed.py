"""Does every route do what its description says, whatever is sent?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, load_all_checks

from radsam.server.limits import Limits
from servers import Served, served

load_all_checks()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = Limits(requests_per_second=1e6, burst=1e6, upload_bytes=100_000, sessions=50)
    with served(tmp_path_factory.mktemp("fuzzed"), limits=limits) as it:
        it.segment()
        yield it


@pytest.fixture(scope="module")
def description(web: Served) -> schemathesis.BaseSchema:
    schema = schemathesis.openapi.from_dict(web.client.get("/api/openapi.json").json())
    # It never ends: what it sends is tested in test_events.py and in e2e.
    return schema.exclude(path_regex="/events$")


schema = schemathesis.pytest.from_fixture("description")

#: What a stranger is refused is tested in test_who_may_ask.py. A body that is not JSON where bytes are taken is fine.
EXCLUDED = (
    "ignored_auth",
    "unsupported_method",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
)


@pytest.mark.filterwarnings("ignore")
@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_route_keeps_to_its_description(case: schemathesis.Case, web: Served) -> None:
    # Real ids, so that more than 404 is seen.
    if "session" in case.path_parameters and len(case.path_parameters["session"]) % 4:
        case.path_parameters["session"] = web.session
    if "volume" in case.path_parameters and len(case.path_parameters["volume"]) % 4:
        case.path_parameters["volume"] = web.volume
    if case.method == "DELETE" and case.path == "/api/sessions/{session}":
        case.path_parameters["session"] = "s0"  # the others need it
    excluded = [check for name in EXCLUDED if (check := CHECKS.get_one(name)) is not None]
    answer = case.call(session=web.client)
    case.validate_response(answer, excluded_checks=excluded)

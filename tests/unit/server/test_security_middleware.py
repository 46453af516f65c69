"""Tokens, allowed origins, isolation of users, and limits of rate and size."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from radsam.errors import InputError
from radsam.server.access_tokens import OneToken, TokenFile
from radsam.server.allowed_origins import AllowedOrigins, is_loopback
from radsam.server.monai_label.monai_label_routes import router as monai_label
from radsam.server.nninteractive.nninteractive_routes import router as nninteractive
from radsam.server.server_limits import Limits, RateLimiter
from radsam.session.voxel_json import voxels_to_json
from radsam.volume import SparseMask
from servers import Served, served


def test_a_token_is_stored_as_a_hash_and_can_be_revoked(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "deep" / "tokens.json")
    assert file.tokens == ()
    token = file.add("ada")
    assert len(token) >= 43  # 256 bits
    assert token not in file.path.read_text()
    assert file.path.stat().st_mode & 0o077 == 0
    assert (file.user_of(token), file.user_of(token[:-1]), file.user_of(""), file.user_of(None)) == (
        "ada", None, None, None,
    )  # fmt: skip
    with pytest.raises(InputError, match="ada has a token already"):
        file.add("ada")
    other = TokenFile(file.path)  # as in another process
    other.add("bob")
    assert [each.user for each in file.tokens] == ["ada", "bob"]
    other.revoke("ada")
    assert file.user_of(token) is None
    with pytest.raises(InputError, match="Users with a token: bob"):
        file.revoke("ada")
    file.path.write_text(json.dumps({"tokens": [{"user": "x"}]}))
    with pytest.raises(InputError, match="is not a token file"):
        TokenFile(file.path).user_of("x")


def test_tokens_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    users = [f"user{number}" for number in range(8)]
    start = threading.Barrier(len(users))

    def add(user: str) -> str:
        file = TokenFile(tmp_path / "tokens.json")  # as in another process
        start.wait(20)
        return file.add(user)

    with ThreadPoolExecutor(len(users)) as pool:
        tokens = list(pool.map(add, users))
    file = TokenFile(tmp_path / "tokens.json")
    assert [file.user_of(each) for each in tokens] == users
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.json"]


@pytest.mark.parametrize(
    ("host", "names", "header", "allowed"),
    [
        ("127.0.0.1", (), "127.0.0.1:8765", True),
        ("127.0.0.1", (), "localhost:8765", True),
        ("127.0.0.1", (), "[::1]:8765", True),
        ("127.0.0.1", (), "LOCALHOST", True),
        ("127.0.0.1", (), "evil.example:8765", False),
        ("127.0.0.1", (), "127.0.0.1.evil.example", False),
        ("127.0.0.1", (), "localhost@evil.example", False),
        ("127.0.0.1", (), "localhost:1x", False),
        ("127.0.0.1", (), "", False),
        ("127.0.0.1", (), None, False),
        ("127.0.0.1", ("ct.example.org",), "ct.example.org", True),
        ("0.0.0.0", (), "192.168.1.5:8765", True),
        ("0.0.0.0", (), "evil.example", False),
        ("192.168.1.5", (), "192.168.1.5:8765", True),
        ("192.168.1.5", (), "localhost:8765", False),
    ],
)
def test_only_names_of_the_server_are_allowed(
    host: str, names: tuple[str, ...], header: str | None, allowed: bool
) -> None:
    assert AllowedOrigins(host, names).allows_host(header) == allowed


@pytest.mark.parametrize(
    ("origin", "site", "allowed"),
    [
        (None, None, True),
        ("http://127.0.0.1:8765", "same-origin", True),
        ("https://127.0.0.1:8765", None, True),  # a proxy speaks TLS
        ("http://127.0.0.1:9999", None, False),
        ("http://evil.example", None, False),
        ("null", None, False),
        (None, "cross-site", False),
        (None, "same-site", False),
        (None, "none", True),
    ],
)
def test_only_the_servers_own_page_is_allowed(origin: str | None, site: str | None, allowed: bool) -> None:
    assert AllowedOrigins("127.0.0.1").allows_page(origin, "127.0.0.1:8765", site) == allowed


def test_loopback_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.8.8.8")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "example.org", "")))


@pytest.fixture
def two_users(tmp_path: Path) -> tuple[TokenFile, str, str]:
    file = TokenFile(tmp_path / "tokens.json")
    return file, file.add("ada"), file.add("bob")


def _as(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_every_route_but_healthz_needs_a_token(tmp_path: Path, two_users: tuple[TokenFile, str, str]) -> None:
    file, ada, _ = two_users
    with served(tmp_path, authenticator=file, token=ada) as web:
        public = set()
        for path, methods in web.client.get("/api/openapi.json").json()["paths"].items():
            for method in methods:
                url = path.format_map(defaultdict(lambda: "0", volume=web.volume, session=web.session))
                response = web.client.request(method, url, headers={"authorization": "Bearer wrong" if ada else ""})
                if response.status_code not in (401, 429):
                    public.add(path)
        assert public == {"/healthz"}
        assert web.client.get("/api/openapi.json", headers={"authorization": ""}).status_code in (401, 429)
        # After wrong tokens every client at that address has to wait, even with a valid token.
        response = web.client.get("/api/info", headers=_as("guess"))
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1


def test_sessions_and_uploads_of_another_user_are_not_found(
    tmp_path: Path, two_users: tuple[TokenFile, str, str]
) -> None:
    file, ada, bob = two_users
    with served(tmp_path, authenticator=file, token=ada) as web:
        web.segment()
        upload = web.client.post("/api/volumes", params={"filename": "mine.nii.gz"}, content=web.path.read_bytes())
        assert upload.status_code == 201
        theirs = upload.json()["id"]
        bad = _as(bob)
        assert web.client.get("/api/info", headers=bad).json()["user"] == "bob"
        assert web.client.get("/api/sessions", headers=bad).json() == []
        assert theirs not in [each["id"] for each in web.client.get("/api/volumes", headers=bad).json()]
        tried = 0
        for path, methods in web.client.get("/api/openapi.json").json()["paths"].items():
            if "{session}" not in path and "{volume}" not in path:
                continue
            for method in methods:
                url = path.format(volume=theirs, session=web.session, name="right", number=0)
                body = _body(path, method)
                query = {"format": "nii.gz", "filename": "m.nii.gz", "axis": "k", "first": 0}
                response = web.client.request(method, url, headers=bad, json=body, params=query)
                assert response.status_code == 404, (method, url, response.text)
                tried += 1
        assert tried > 20
        for volume in (theirs, "../../etc/passwd"):
            assert web.client.post("/api/sessions", headers=bad, json={"volume": volume}).status_code == 404
        assert [each["name"] for each in web.state()["objects"]] == ["right"]


def _body(path: str, method: str) -> object:
    point = [{"point": [9, 14, 13]}]
    bodies = {
        "/view": {"plane": "axial", "index": 3},
        "/volumes/{volume}": {"modality": "mr"},
        "/preview": {"name": "right", "points": point},
        "/segment": {"name": "x", "prompt": point[0]},
        "/correct": {"name": "right", "points": point},
        "/objects/{name}": {"visible": False},
        "/paint": {"name": "right", "shape": {"box": {"k": 13, "i0": 3, "j0": 7, "i1": 5, "j1": 9}}},
        "/delete-slices": {"name": "right", "slices": [13]},
        "/bounds": {"name": "right", "low": 9},
        "/continue": {"name": "right"},
        "/confirm": {"name": "right", "slices": [13]},
        "/clean-up": {"name": "right", "step": {"step": "keep_largest"}},
        "/start-from-mask": {"name": "x", "mask": voxels_to_json(SparseMask.of(np.ones((2, 2, 2), bool), 2))},
        "/api/sessions/{session}": {"overlap": "keep first"},
        "/measurements": {"measurements": []},
    }
    return next((body for end, body in bodies.items() if path.endswith(end)), None) if method != "get" else None


@pytest.fixture
def web(tmp_path: Path):
    with served(tmp_path) as it:
        yield it


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 400),
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}, 201),
    ],
)
def test_another_page_cannot_send_requests_through_the_browser(
    web: Served, headers: dict[str, str], status: int
) -> None:
    response = web.client.post("/api/sessions", json={"volume": web.volume}, headers=headers)
    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers
    preflight = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    assert web.client.options("/api/sessions", headers=preflight).status_code == 403


def test_answers_have_the_security_headers(web: Served) -> None:
    for path in ("/", "/healthz", "/api/info", "/api/nowhere", web.url()):
        headers = web.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "http" not in policy
        assert "*" not in policy
    assert web.client.get(web.url()).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/%2e%2e/app.py", "/..%2fapp.py", "/static/../app.py", "/app.py"]
)
def test_the_page_serves_its_own_files_only(web: Served, path: str) -> None:
    assert web.client.get(path).status_code == 404


def test_large_bodies_are_refused_announced_or_not(tmp_path: Path) -> None:
    with served(tmp_path, limits=Limits(body_bytes=1000)) as web:
        response = web.client.post(
            web.url("/preview"), content=b" " * 2000, headers={"content-type": "application/json"}
        )
        assert response.status_code == 413
        chunks = (b" " * 400 for _ in range(20))
        response = web.client.post(web.url("/preview"), content=chunks, headers={"content-type": "application/json"})
        assert response.status_code == 413
        assert response.json()["error"]["kind"] == "limit"
        assert web.client.get("/api/info").status_code == 200


def test_too_many_requests_wait(tmp_path: Path) -> None:
    with served(tmp_path, limits=Limits(requests_per_second=0.01, burst=5.0)) as web:
        statuses = [web.client.get("/api/info").status_code for _ in range(6)]
        assert statuses.count(429) >= 1
        assert web.client.get("/healthz").status_code == 200


def test_a_token_bucket_refills_with_time() -> None:
    now = [0.0]
    bucket = RateLimiter(2.0, 3.0, clock=lambda: now[0])
    assert [bucket.take("a") for _ in range(3)] == [0, 0, 0]
    assert bucket.take("a") == pytest.approx(0.5)
    assert bucket.take("b") == 0
    now[0] = 0.5
    assert bucket.take("a") == 0
    assert bucket.wait("a") == pytest.approx(0.5)
    now[0] = 100.0
    assert [bucket.take("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_metrics_contain_numbers_and_no_names(web: Served) -> None:
    web.segment()
    web.post("/preview", {"prompt": {"point": [9, 14, 13]}}, 200)
    text = web.client.get("/metrics").text
    assert 'radsam_edits_total{end="done",kind="segment"} 1.0' in text
    assert "radsam_slices_total 13.0" in text
    assert "radsam_preview_seconds_count 1.0" in text
    assert "radsam_sessions_in_memory 1.0" in text
    assert "process_resident_memory_bytes" in text
    assert not any(name in text for name in ("right", "ct.nii", web.session, web.volume))


def test_every_compatibility_route_needs_a_token_and_refuses_other_pages(tmp_path: Path) -> None:
    open_to_all = {"/auth/", "/auth/token"}
    with served(tmp_path, authenticator=OneToken("right"), token="right") as web:
        routes = [(method, route.path) for each in (monai_label, nninteractive) for route in each.routes
                 for method in route.methods if route.path not in open_to_all]  # fmt: skip
        assert len(routes) > 30
        for method, path in routes:
            url = path.replace("{session}", "s0").replace("{model}", "radsam").replace("{strategy}", "next")
            assert web.client.request(method, url, headers={"authorization": "Bearer wrong"}).status_code in (401, 429)
            assert web.client.request(method, url, headers={"origin": "http://evil.example"}).status_code == 403

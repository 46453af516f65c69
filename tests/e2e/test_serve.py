"""`radsam serve` as a process: killed, interrupted, refused, and equal to the command line."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

from command_line import CommandLine, PhantomFile
from radsam.io.volume_read import read_labels
from servers import unpack
from waiting import HANG_SECONDS, wait_for

#: A process that was started in the background may ignore Ctrl-C; a user's does not.
LISTEN = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
#: Slow slices, so that a test can act during a propagation.
SLOWLY = """
import time
import radsam.runtime.openvino_backend as engine
def slowed(plain):
    def call(*args):
        time.sleep(0.4)
        return plain(*args)
    return call
# Both: a slice that the server has encoded ahead is only decoded.
engine.OpenVinoBackend.encode = slowed(engine.OpenVinoBackend.encode)
engine.OpenVinoBackend.decode = slowed(engine.OpenVinoBackend.decode)
"""


@dataclass
class Running:
    """A server and a client of it."""

    process: subprocess.Popen[str]
    url: str
    client: httpx.Client


@contextmanager
def running(run_radsam: CommandLine, *args: object, cwd: Path, before: str = LISTEN) -> Iterator[Running]:
    line = ("serve", *args, "--no-browser", "--port", 0, "--state", cwd / "state")
    process = run_radsam.start(*line, cwd=cwd, before=before)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.fullmatch(r"RadSAM is at (http://\S+?)(#token=(\S+))?\n", first)
        assert found, first + process.communicate()[1]
        headers = {"authorization": f"Bearer {found[3]}"} if found[3] else {}
        with httpx.Client(base_url=found[1], headers=headers, timeout=HANG_SECONDS, trust_env=False) as client:
            yield Running(process, found[1], client)
    finally:
        process.kill()
        process.communicate()


def start(web: Running) -> str:
    (volume,) = web.client.get("/api/volumes").json()
    return str(web.client.post("/api/sessions", json={"volume": volume["id"]}).json()["id"])


def test_the_saved_file_equals_the_command_lines(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    spleen = phantom_ct.target("spleen")
    i0, j0, i1, j1 = spleen.box
    bounds, click = spleen.near(2), (i0 + 2, j0 + 2, spleen.k)
    box = ("--slice", spleen.k, "--box", i0, j0, i1, j1, "--bounds", *bounds)
    here = run_radsam.here(
        "segment", phantom_ct.path, *box, "--fix-not", *click, "--name", "spleen", "--model", tiny_bundle,
        "-o", "cli.nii.gz", cwd=tmp_path,
    )  # fmt: skip
    assert here.returncode == 0, here.stderr
    with running(run_radsam, phantom_ct.path, "--model", tiny_bundle, cwd=tmp_path) as web:
        session = start(web)
        url = f"/api/sessions/{session}"
        prompt = {"box": {"k": spleen.k, "i0": i0, "j0": j0, "i1": i1, "j1": j1}}
        body = {"name": "spleen", "plane": "axial", "prompt": prompt, "bounds": bounds}
        assert web.client.post(f"{url}/segment", json=body).status_code == 202
        points = [{"point": click, "positive": False}]
        assert web.client.post(f"{url}/correct", json={"name": "spleen", "points": points}).status_code == 202
        wait_for(lambda: web.client.get(url).json(), lambda state: state["busy"] is None)
        saved = web.client.get(f"{url}/export", params={"format": "nii.gz"})
        (tmp_path / "web.nii.gz").write_bytes(saved.content)
        web.process.send_signal(signal.SIGINT)
        assert web.process.wait() == 130
    ours, theirs = read_labels(tmp_path / "web.nii.gz"), read_labels(tmp_path / "cli.nii.gz")
    assert theirs.ids.any()
    np.testing.assert_array_equal(ours.ids, theirs.ids)
    assert ours.geometry.same_grid(theirs.geometry)
    assert (tmp_path / "web.nii.gz").read_bytes() == (tmp_path / "cli.nii.gz").read_bytes()


def test_kill_9_during_a_propagation_loses_no_finished_edit(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    args = (phantom_ct.path, "--model", tiny_bundle)
    box = {"box": {"k": 12, "i0": 20, "j0": 20, "i1": 40, "j1": 40}}
    with running(run_radsam, *args, cwd=tmp_path, before=LISTEN + SLOWLY) as web:
        session = start(web)
        url = f"/api/sessions/{session}"
        web.client.post(f"{url}/segment", json={"name": "first", "prompt": box, "bounds": [12, 13]})
        wait_for(lambda: web.client.get(url).json(), lambda state: state["objects"] and state["busy"] is None)
        first = unpack(web.client.get(f"{url}/masks").content)[1]
        other = {"box": {"k": 11, "i0": 30, "j0": 10, "i1": 60, "j1": 50}}
        web.client.post(f"{url}/segment", json={"name": "second", "prompt": other, "bounds": [2, 22]})
        wait_for(lambda: web.client.get(url).json(), lambda state: (state["busy"] or {"done": 0})["done"] >= 3)
        web.process.kill()
    with running(run_radsam, *args, cwd=tmp_path) as web:
        (row,) = web.client.get("/api/sessions").json()
        assert (row["id"], row["objects"], row["interrupted"]) == (session, 1, True)
        state = web.client.get(url).json()
        assert [each["name"] for each in state["objects"]] == ["first"]
        for place, mask in unpack(web.client.get(f"{url}/masks").content)[1].items():
            np.testing.assert_array_equal(mask, first[place])
        offered = state["interrupted"]
        assert (offered["name"], offered["what"]) == ("second", "segment")
        assert len(offered["finished"]) >= 3
        finished = unpack(web.client.get(f"{url}/masks", params={"part": "interrupted"}).content)[1]
        assert {index for _, _, index in finished} == set(offered["finished"])
        assert web.client.post(f"{url}/resume").status_code == 202
        state = wait_for(lambda: web.client.get(url).json(), lambda state: state["busy"] is None)
        assert state["interrupted"] is None
        assert [each["name"] for each in state["objects"]] == ["first", "second"]
        assert state["objects"][1]["slices"] == [2, 22]


def test_ctrl_c_closes_open_streams_and_reports_it(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    args = (phantom_ct.path, "--model", tiny_bundle)
    with running(run_radsam, *args, cwd=tmp_path) as web:
        url = f"/api/sessions/{start(web)}/events"
        again = run_radsam("serve", *args, "--no-browser", "--port", 0, "--state", tmp_path / "state", cwd=tmp_path)
        assert again.returncode == 3
        assert "Another radsam serve uses" in again.stderr_line
        with web.client.stream("GET", url) as response:
            lines = response.iter_lines()
            assert next(lines).startswith("id: ")
            web.process.send_signal(signal.SIGINT)
            # It ends by itself: a stream that the server left open would go on with a comment every 15 s.
            assert not [each for each in lines if each.startswith(":")]
        stdout, stderr = web.process.communicate()
        assert web.process.returncode == 130
        assert stderr == "Error: Stopped. No half-written file was left.\n"
        assert "Traceback" not in stdout


def test_a_port_in_use_is_reported_before_the_model_is_loaded(run_radsam: CommandLine, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_radsam("serve", "--port", port, "--state", tmp_path / "state", cwd=tmp_path)
    assert result.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr_line
    assert "Give --port 0 for a free one" in result.stderr_line
    assert not list(tmp_path.iterdir())


def test_another_host_needs_a_token(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, tmp_path: Path
) -> None:
    args = (phantom_ct.path, "--model", tiny_bundle, "--host", "0.0.0.0", "--allow-host", socket.gethostname())
    with running(run_radsam, *args, cwd=tmp_path) as web:
        base = web.url.replace(f"//{socket.gethostname()}:", "//127.0.0.1:")
        with httpx.Client(base_url=base, trust_env=False) as stranger:
            assert stranger.get("/healthz").status_code == 200
            assert stranger.get("/api/info").status_code == 401
            known = stranger.get("/api/info", headers=dict(web.client.headers))
            assert known.status_code == 200


def test_tokens_are_added_listed_and_revoked(run_radsam: CommandLine, tmp_path: Path) -> None:
    state = ("--state", tmp_path / "state")
    made = run_radsam.here("tokens", "add", "ada", *state, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "after it is started again" in made.stderr
    token = made.stdout.strip()
    assert token not in (tmp_path / "state" / "tokens.json").read_text()
    assert "ada" in run_radsam.here("tokens", "list", *state, cwd=tmp_path).stdout
    assert run_radsam.here("tokens", "add", "ada", *state, cwd=tmp_path).returncode == 3
    assert run_radsam.here("tokens", "revoke", "ada", *state, cwd=tmp_path).returncode == 0
    assert run_radsam.here("tokens", "revoke", "ada", *state, cwd=tmp_path).returncode == 3


@pytest.mark.parametrize(("line", "code", "words"), [
    ("serve missing.nii.gz", 3, "does not exist"),
    ("serve --data nowhere", 2, "takes a folder"),
    ("serve --host 203.0.113.7", 3, "Give an address of this computer"),
])  # fmt: skip
def test_errors_of_the_command_line(
    run_radsam: CommandLine, tiny_bundle: Path, tmp_path: Path, line: str, code: int, words: str
) -> None:
    more = ("--model", tiny_bundle, "--port", 0, "--no-browser", "--state", tmp_path / "state")
    result = run_radsam.here(*line.split(), *more, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert words in result.stderr_line

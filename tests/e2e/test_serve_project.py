"""`radsam serve --project` as a process: killed between the mask and the row, nothing is lost and nothing half done."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_serve import LISTEN, Running, running

from command_line import CommandLine, PhantomFile
from radsam.project.project import Project
from radsam.project.task_state import NewCase, ProjectSettings, TaskState
from radsam.session.label_set import Label, LabelSet
from waiting import wait_for

#: Dies when the mask is on disk and the database does not know of it.
KILLED = """
import os, signal
import radsam.project.task_rows as rows
rows.finish = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(phantom_ct: PhantomFile, tmp_path: Path) -> Path:
    labels = LabelSet((Label("spleen", 1), Label("liver", 2)))
    cases = [NewCase("one", str(phantom_ct.path), None, "p1", "CT")]
    Project.create(tmp_path / "project", ProjectSettings("Two", learn_every=0), labels, cases).close()
    return tmp_path / "project"


def post(web: Running, path: str, body: Any = None) -> Any:
    return web.client.post(path, json=body).raise_for_status().json()


def test_kill_9_between_mask_and_row_loses_nothing(
    run_radsam: CommandLine, phantom_ct: PhantomFile, tiny_bundle: Path, folder: Path, tmp_path: Path
) -> None:
    spleen = phantom_ct.target("spleen")
    i0, j0, i1, j1 = spleen.box
    prompt = {"box": {"k": spleen.k, "i0": i0, "j0": j0, "i1": i1, "j1": j1}}
    args = ("--project", folder, "--model", tiny_bundle)
    with running(run_radsam, *args, cwd=tmp_path, before=LISTEN + KILLED) as web:
        assert web.client.get("/api/labels").json()["labels"][0]["name"] == "spleen"
        session = post(web, "/api/project/next", {})["session"]
        url = f"/api/sessions/{session}"
        post(web, f"{url}/segment", {"name": "spleen", "prompt": prompt, "bounds": [spleen.k, spleen.k + 1]})
        wait_for(lambda: web.client.get(url).json(), lambda state: state["objects"] and state["busy"] is None)
        with pytest.raises(httpx.TransportError):
            post(web, "/api/project/cases/one/labels/spleen/done", {"session": session})
        assert web.process.wait() == -signal.SIGKILL
    project = Project.open(folder)
    assert [each.state for each in project.tasks("one")] == [TaskState.IN_PROGRESS, TaskState.NEW]
    assert (project.tasks("one")[0].actions, project.finished()) == (1, [])
    project.close()
    with running(run_radsam, *args, cwd=tmp_path) as web:
        assert post(web, "/api/project/next", {})["session"] == session
        row = post(web, "/api/project/cases/one/labels/spleen/done", {"session": session})
        assert [each["state"] for each in row["labels"]] == ["done", "new"]
        web.process.kill()
    project = Project.open(folder)
    (finished,) = project.finished()
    assert finished.voxels().any()
    assert [each.what for each in project.log(limit=None)].count("finish") == 1
    project.close()


def test_tokens_of_a_project_lie_in_its_folder(run_radsam: CommandLine, folder: Path, tmp_path: Path) -> None:
    assert run_radsam.here("tokens", "add", "ada", "--project", folder, cwd=tmp_path).returncode == 0
    assert "ada" in run_radsam.here("tokens", "list", "--project", folder, cwd=tmp_path).stdout
    assert (folder / "server" / "tokens.json").is_file()
    refused = run_radsam.here("tokens", "add", "ada", "--project", tmp_path, cwd=tmp_path)
    assert (refused.returncode, (tmp_path / "server").exists()) == (3, False)


def test_a_project_is_served_with_its_own_labels_only(run_radsam: CommandLine, folder: Path, tmp_path: Path) -> None:
    refused = run_radsam.here("serve", "--project", folder, "--labels", "labels.toml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--labels" in refused.stderr
    refused = run_radsam.here("serve", "--project", tmp_path / "none", cwd=tmp_path)
    assert refused.returncode == 3

"""`radsam pacs` and `radsam segment dicomweb://…` against a small server: messages, exit codes, files left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("dicomweb_client", reason="needs the extra dicom")

from typer.testing import CliRunner

from command_line import WITHOUT_EXTRAS, CommandLine, PhantomFile
from pacs_servers import PASSWORD, PATIENT, PATIENT_ID, SERIES, STUDY, USER, WebPacs, broken_off, write_patient
from radsam.cli.commands import app
from radsam.io.volume_read import read_labels
from radsam.session import read_session

#: Where the tiny model finds something in `files`, four slices of the phantom.
PROMPT = ("--slice", 2, "--box", 57, 15, 70, 38, "--bounds", 1, 3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, phantom_ct: PhantomFile) -> list[Path]:
    return write_patient(tmp_path_factory.mktemp("patient"), phantom_ct.phantom.volume.values[12:16])


@pytest.fixture
def web(files: list[Path]) -> Iterator[WebPacs]:
    with WebPacs(files, login=True).running() as pacs:
        yield pacs


@pytest.fixture(autouse=True)
def _login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSAM_PACS_USER", USER)
    monkeypatch.setenv("RADSAM_PACS_PASSWORD", PASSWORD)
    monkeypatch.setenv("RADSAM_PACS_ATTEMPTS", "1")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


def test_find_shows_patients_only_on_request(run_radsam: CommandLine, web: WebPacs, tmp_path: Path) -> None:
    result = run_radsam.here("pacs", "find", web.url, "--patient-id", PATIENT_ID, cwd=tmp_path).done()
    assert f"{web.url.replace('+http', '')}/studies/{STUDY}" in result.stdout
    assert "20240102" in result.stdout
    assert "Secret" not in result.stdout + result.stderr
    result = run_radsam.here("pacs", "find", web.url, "--show-patient", "--json", cwd=tmp_path).done()
    (study,) = result.json["found"]
    assert (study["patient_name"], study["patient_id"], study["uid"]) == (PATIENT, PATIENT_ID, STUDY)
    assert result.json["level"] == "study"


def test_find_goes_down_by_the_urls_that_it_gives(run_radsam: CommandLine, web: WebPacs, tmp_path: Path) -> None:
    url = web.url
    for level in ("study", "series", "instance"):
        found = run_radsam.here("pacs", "find", url, "--json", cwd=tmp_path).done().json
        assert found["level"] == level
        url = found["found"][0]["url"]
    assert url.endswith(f"/studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1")
    assert found["found"][0]["kind"] == "CT Image Storage"
    few = run_radsam.here("pacs", "find", web.series, "--limit", 3, cwd=tmp_path).done()
    assert "more than 3" in few.stderr


def test_get_and_put(run_radsam: CommandLine, web: WebPacs, tmp_path: Path) -> None:
    got = run_radsam.here("pacs", "get", web.series, "-o", "got", cwd=tmp_path).done()
    assert "4 files" in got.stdout
    assert run_radsam.here("pacs", "get", web.series, "-o", "got", "--json", cwd=tmp_path).done().json["new"] == 0
    put = run_radsam.here("pacs", "put", web.url, "got", "--json", cwd=tmp_path).done().json
    assert put == {"stored": 4, "skipped": 0, "series": [web.series.replace("+http", "")]}
    assert len(web.stored) == 4


def test_a_series_is_segmented_by_its_url_and_edited_from_its_session(
    run_radsam: CommandLine, web: WebPacs, files: list[Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    line = (*PROMPT, "--model", tiny_bundle)
    run_radsam.here("segment", files[0].parent, *line, "-o", "files.nii.gz", cwd=tmp_path).done()
    result = run_radsam.here(
        "segment", web.series, *line, "-o", "web.nii.gz", "--session", "s.radsam", cwd=tmp_path
    ).done()
    first, second = read_labels(tmp_path / "files.nii.gz"), read_labels(tmp_path / "web.nii.gz")
    assert first.ids.any()
    assert (first.ids == second.ids).all()
    assert first.geometry.same_grid(second.geometry)
    saved = read_session(tmp_path / "s.radsam")
    assert saved.volume_source == web.series
    run_radsam.here("edit", "s.radsam", "--undo", "-o", "undone.nii.gz", cwd=tmp_path).done()
    assert not read_labels(tmp_path / "undone.nii.gz").ids.any()
    assert b"Secret" not in (tmp_path / "s.radsam").read_bytes()
    assert "Secret" not in result.stdout + result.stderr
    for path in run_radsam.cache.rglob("*"):
        assert path.is_dir() or b"Secret" not in path.read_bytes()


def test_a_process_leaves_no_copies_behind(
    run_radsam: CommandLine, web: WebPacs, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    env = {
        "TMPDIR": str(tmp_path / "tmp"),
        "RADSAM_CACHE": str(tmp_path / "cache"),
        "RADSAM_PACS_USER": USER,
        "RADSAM_PACS_PASSWORD": PASSWORD,
    }
    line = ("segment", web.series, *PROMPT, "--model", tiny_bundle, "-o", "mask.nii.gz")
    run_radsam(*line, cwd=tmp_path, env=env).done()
    assert not list((tmp_path / "tmp").iterdir())
    web.on_fetch.extend([None, broken_off])
    failed = run_radsam(*line, "--policy", "nonsense", cwd=tmp_path, env=env)
    assert failed.returncode != 0
    assert not list((tmp_path / "tmp").iterdir())
    assert run_radsam("cache", "clear", cwd=tmp_path, env=env).done()
    assert not list((tmp_path / "cache").rglob("*.dcm"))


@pytest.mark.parametrize(
    ("line", "code", "kind", "words"),
    [
        (("pacs", "find", "ftp://x"), 3, "PacsRequestError", "is not the address of a PACS"),
        (("pacs", "find", "{url}/wrong"), 3, "PacsRequestError", "404"),
        (("pacs", "get", "{url}/studies/9.9/series/9.9", "-o", "got"), 3, "PacsRequestError", "has nothing at"),
        (("pacs", "get", "{series}", "-o", "got"), 4, "PacsError", "broke off"),
        (("pacs", "put", "{url}", "missing"), 3, "PacsRequestError", "does not exist"),
        (("pacs", "find", "{url}", "--where", "Nonsense=1"), 3, "PacsRequestError", "not a keyword of DICOM"),
        (("segment", "{url}", *PROMPT, "-o", "m.nii.gz"), 3, "PacsRequestError", "is not one series"),
    ],
)
def test_errors_have_one_message_and_a_code(
    run_radsam: CommandLine,
    web: WebPacs,
    tmp_path: Path,
    line: tuple[str, ...],
    code: int,
    kind: str,
    words: str,
) -> None:
    web.on_fetch.append(broken_off)
    typed = [str(each).format(url=web.url, series=web.series) for each in line]
    result = run_radsam.here(*typed, "--json", cwd=tmp_path)
    assert result.returncode == code, result.stderr
    error = result.json["error"]
    assert (error["type"], error["exit_code"]) == (kind, code)
    assert words in error["message"]
    assert "Traceback" not in result.stderr


def test_a_refused_login_ends_with_3_and_is_not_shown(
    run_radsam: CommandLine, web: WebPacs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADSAM_PACS_PASSWORD", "wrong-one")
    result = run_radsam.here("pacs", "find", web.url, cwd=tmp_path)
    assert result.returncode == 3
    assert "refused the login" in result.stderr
    assert "wrong-one" not in result.stdout + result.stderr


def test_login_is_prompted_for_tried_and_stored(web: WebPacs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1.0
        stored: dict[tuple[str, str], str] = {}  # noqa: RUF012  # one per test

        def get_password(self, service: str, username: str) -> str | None:
            return self.stored.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.stored[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.stored[service, username]

    for name in ("RADSAM_PACS_USER", "RADSAM_PACS_PASSWORD"):
        monkeypatch.delenv(name)
    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        wrong = CliRunner().invoke(app, ["pacs", "login", web.url], input=f"{USER}\nwrong-one\n")
        assert wrong.exit_code == 3
        assert not Memory.stored
        right = CliRunner().invoke(app, ["pacs", "login", web.url], input=f"{USER}\n{PASSWORD}\n")
        assert right.exit_code == 0, right.output
        assert PASSWORD not in right.output
        assert CliRunner().invoke(app, ["pacs", "find", web.url, "--json"]).exit_code == 0
        assert CliRunner().invoke(app, ["pacs", "logout", web.url]).exit_code == 0
        assert not Memory.stored
        assert CliRunner().invoke(app, ["pacs", "find", web.url]).exit_code == 3
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize(
    "line",
    [
        ("pacs", "find", "dicomweb://127.0.0.1/rs"),
        ("segment", "dicomweb://127.0.0.1/rs/studies/1.2/series/1.3", *PROMPT, "-o", "m.nii.gz"),
    ],
)
def test_without_the_extra_the_message_names_it(
    run_radsam: CommandLine, tmp_path: Path, line: tuple[object, ...]
) -> None:
    result = run_radsam(*line, "--json", cwd=tmp_path, before=WITHOUT_EXTRAS)
    assert result.returncode == 4
    assert json.loads(result.stdout)["error"]["type"] == "MissingExtraError"
    assert "pip install 'radsam[dicom]'" in result.stderr

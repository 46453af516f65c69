"""Are impossible places for results refused before anything is computed, and is what failed all that is lost?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command_line import CommandLine
from fakes import fake_session
from phantoms import ball
from radsam.cli import session_outputs
from radsam.cli.session_outputs import Outputs
from radsam.errors import OutputError
from radsam.io.volume_write import write_volume
from radsam.session import Session, read_session
from radsam.volume import Box, Geometry, Volume


def test_good_places_are_accepted_and_nothing_is_made(tmp_path: Path) -> None:
    ct = tmp_path / "ct.nii.gz"
    ct.touch()
    for name in ("m.nii.gz", "m.NII.GZ", "m.nii", "m.nrrd"):
        Outputs(tmp_path / name, tmp_path / "p.PNG", tmp_path / "s.radsam").check([ct])
    assert list(tmp_path.iterdir()) == [ct]


@pytest.mark.parametrize(
    ("labels", "preview", "session", "words"),
    [
        ("m.png", None, None, "no suffix of an image file"),
        ("m", None, None, "no suffix of an image file"),
        ("m.mha", None, None, "no suffix of an image file"),
        ("ct.nii.gz", None, None, "one of the inputs"),
        ("sub/../ct.nii.gz", None, None, "one of the inputs"),
        ("link.nii.gz", None, None, "one of the inputs"),
        ("gone/m.nii.gz", None, None, "does not exist"),
        ("sub.nii.gz", None, None, "is a folder"),
        ("m.nii.gz", "p.bmp", None, "not a picture"),
        ("m.nii.gz", "gone/p.png", None, "does not exist"),
        ("m.nii.gz", None, "gone/s.radsam", "does not exist"),
        ("m.nii.gz", None, "ct.nii.gz", "one of the inputs"),
        ("m.nii.gz", None, "m.nii.gz", "same path"),
        ("m.nii.gz", "p.png", "p.png", "same path"),
    ],
)
def test_bad_places_are_refused(
    tmp_path: Path, labels: str, preview: str | None, session: str | None, words: str
) -> None:
    (tmp_path / "ct.nii.gz").touch()
    (tmp_path / "link.nii.gz").symlink_to("ct.nii.gz")
    (tmp_path / "sub.nii.gz").mkdir()
    (tmp_path / "sub").mkdir()
    outputs = Outputs(tmp_path / labels, *(each and tmp_path / each for each in (preview, session)))
    with pytest.raises(OutputError, match=words):
        outputs.check([tmp_path / "ct.nii.gz"])


def test_paths_are_reported_as_given() -> None:
    assert Outputs(Path("a/m.nii.gz"), None, Path("s.radsam")).to_dict() == {
        "labels": "a/m.nii.gz",
        "preview": None,
        "session": "s.radsam",
    }


@pytest.fixture(scope="module")
def segmented() -> Session:
    session = fake_session(ball().volume)
    session.segment(Box(k=13, i0=6, i1=23, j0=5, j1=22), name="ball")
    return session


@pytest.mark.parametrize("fails", ["labels", "preview", "session"])
@pytest.mark.parametrize("error", [OutputError("The disk is full."), RuntimeError("a bug")])
def test_one_that_fails_keeps_the_others(
    tmp_path: Path, segmented: Session, monkeypatch: pytest.MonkeyPatch, fails: str, error: Exception
) -> None:
    def fail(*args: object, **settings: object) -> None:
        raise error

    outputs = Outputs(tmp_path / "m.nii.gz", tmp_path / "p.png", tmp_path / "s.radsam")
    where, name = {
        "labels": ("radsam.io.volume_write", "write_labels"),
        "preview": (session_outputs.__name__, "write_preview"),
        "session": ("radsam.session.session", "Session.save"),
    }[fails]
    monkeypatch.setattr(f"{where}.{name}", fail)
    with pytest.raises(type(error), match=str(error)) as caught:
        outputs.write(segmented, "ball")
    others = {str(path) for what, path in vars(outputs).items() if what != fails and path is not None}
    assert {str(path) for path in tmp_path.iterdir()} == others
    if isinstance(error, OutputError):
        assert "Written all the same" in str(caught.value)
        assert all(path in str(caught.value) for path in others)


def test_the_session_is_written_first(tmp_path: Path, segmented: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a process that is killed while it writes the mask leaves the work behind."""

    def stop(*args: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("radsam.io.volume_write.write_labels", stop)
    with pytest.raises(KeyboardInterrupt):
        Outputs(tmp_path / "m.nii.gz", None, tmp_path / "s.radsam").write(segmented, "ball")
    assert read_session(tmp_path / "s.radsam").volume_hash == segmented.volume.content_hash


def test_a_grid_that_the_output_cannot_hold_ends_the_command_before_the_model_is_loaded(tmp_path: Path) -> None:
    ct = ball().volume
    grid = Geometry.from_parts(ct.geometry.shape_kji, (1e7 + 0.3, 0.0, 0.0), (0.05, 0.05, 0.05), np.eye(3))
    write_volume(Volume(ct.values, grid), tmp_path / "ct.nrrd")
    box = ("--slice", "13", "--box", "6", "5", "23", "22", "--model", str(tmp_path / "no-model"))
    found = CommandLine(tmp_path).here("segment", tmp_path / "ct.nrrd", *box, "-o", "m.nii.gz", cwd=tmp_path)
    assert found.returncode == 3
    assert "cannot hold this grid" in found.stderr_line

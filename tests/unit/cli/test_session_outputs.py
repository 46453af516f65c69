"""Are impossible places for results refused before anything is computed?"""

from __future__ import annotations

from pathlib import Path

import pytest

from radsam.cli.session_outputs import Outputs
from radsam.errors import OutputError


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

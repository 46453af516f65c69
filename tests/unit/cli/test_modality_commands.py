"""What a volume is taken for: each command that reads one says it, --modality corrects it, the session keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import CommandLine
from fakes import FakeBackend, fake_engine
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_volume
from radsam.session import read_session
from radsam.volume import Geometry, Modality, Volume

SPACING_MM, SHAPE_KJI = (1.0, 2.0, 3.0), (10, 24, 36)
BLOCK, REST = np.s_[2:8, 4:16, 6:26], (100, 600)
BOX = ("--slice", "4", "--box", "6", "4", "25", "15", "--bounds", "2", "7", "--policy", "box")
GUESSED = "The file does not say what it is. It is taken for an MR by its values 0 to 600"
NOT_HU, LIKE_HU = "hardly Hounsfield units", "look like Hounsfield units"


def _write(path: Path, tissue: int, bright: int, air: int) -> None:
    values = np.full(SHAPE_KJI, tissue, np.int16)
    values[BLOCK] = bright
    values[:, :2] = air
    write_volume(Volume(values, Geometry(SHAPE_KJI, np.diag([*SPACING_MM, 1.0]))), path)


class Desk:
    """A folder with a CT and an MR of the same shapes, and the fake model."""

    def __init__(self, folder: Path, start: CommandLine) -> None:
        self.folder, self.start, self.backend = folder, start, FakeBackend()
        _write(folder / "ct.nii.gz", -100, 110, -1000)
        _write(folder / "mr.nii.gz", *REST, 0)

    def __call__(self, *line: str) -> tuple[str, str]:
        """Run a command to its end, and return what it writes to the standard output and the notes."""
        result = self.start.here(*line, cwd=self.folder).done()
        return result.stdout, result.stderr

    def segment(self, volume: str, *line: str) -> tuple[str, str]:
        return self("segment", volume, *BOX, "-o", "out.nii.gz", *line)

    def edit(self, *line: str) -> tuple[str, str]:
        return self("edit", "s.radsam", "-o", "out.nii.gz", *line)

    @property
    def mask(self) -> np.ndarray:
        return np.asarray(read_labels(self.folder / "out.nii.gz").ids > 0)


@pytest.fixture
def desk(tmp_path: Path, run_radsam: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(tmp_path, run_radsam)
    for command in ("segment", "edit"):
        load = f"radsam.cli.{command}_command.load_engine"
        monkeypatch.setattr(load, lambda *given, **more: fake_engine(desk.backend))
    return desk


def test_an_mr_needs_no_option_and_says_so_in_a_line(desk: Desk) -> None:
    shown, noted = desk.segment("mr.nii.gz")
    assert np.array_equal(np.argwhere(desk.mask).min(axis=0), (2, 4, 6))
    assert "MR (by its values), window 100 to 600\n" in shown
    assert noted.count("Note:") == 1
    assert noted.startswith(f"Note: {GUESSED}")
    assert "if that is wrong: --modality ct|pet|other" in noted


def test_json_has_it_too(desk: Desk) -> None:
    found = json.loads(desk.segment("mr.nii.gz", "--json")[0])
    assert {name: found[name] for name in ("modality", "modality_source", "unit", "window")} == {
        "modality": "MR",
        "modality_source": "values",
        "unit": "",
        "window": [100.0, 600.0],
    }
    assert found["modality_doubt"].startswith(GUESSED)
    assert found["notes"] == [found["modality_doubt"]]
    assert [each["window"] for each in found["objects"]] == [[100.0, 600.0]]


def test_a_ct_with_air_is_sure(desk: Desk) -> None:
    shown, noted = desk.segment("ct.nii.gz")
    assert "CT (by its values), window -160 to 240 HU\n" in shown
    assert noted == ""


@pytest.mark.parametrize(
    ("volume", "modality", "line", "doubt", "remedy"),
    [
        ("mr.nii.gz", "CT", "CT (as given), window -160 to 240 HU", NOT_HU, "--modality mr|pet|other"),
        ("ct.nii.gz", "mr", "MR (as given), window -100 to 110", LIKE_HU, "--modality ct."),
        ("mr.nii.gz", "Mr", "MR (as given), window 100 to 600", "", ""),
        ("ct.nii.gz", "ct", "CT (as given), window -160 to 240 HU", "", ""),
    ],
)
def test_a_flag_that_the_values_contradict_is_reported(
    desk: Desk, volume: str, modality: str, line: str, doubt: str, remedy: str
) -> None:
    shown, noted = desk.segment(volume, "--modality", modality)
    assert f"{line}\n" in shown
    assert noted.count("Note:") == noted.count("\n") == bool(doubt)
    assert doubt in noted
    assert remedy in noted


def test_a_window_of_the_users_is_in_the_volumes_unit(desk: Desk) -> None:
    assert "window 0 to 400\n" in desk.segment("mr.nii.gz", "--window", "0", "400")[0]
    assert "window 0 to 80 HU\n" in desk.segment("ct.nii.gz", "--window", "0", "80")[0]


def test_an_unknown_modality_is_refused_before_anything_is_read(desk: Desk) -> None:
    segment = ["segment", "gone.nii.gz", *BOX, "-o", "out.nii.gz"]
    for line in (segment, ["info", "gone.nii.gz"], ["batch", "gone.csv", "-o", "out"], ["serve"]):
        result = desk.start.here(*line, "--modality", "xray", cwd=desk.folder)
        assert result.returncode == 2
        assert "There is no modality 'xray'; give one of ct, mr, pet, other." in result.stderr_line


def test_an_edit_that_predicts_warns_once_and_others_do_not(desk: Desk) -> None:
    desk.segment("mr.nii.gz", "--session", "s.radsam")
    for line in (["--trim", "3", "7"], ["--paint", "9 7 4", "--radius", "3"], ["--undo"]):
        shown, noted = desk.edit(*line)
        assert noted == ""
        assert "MR (by its values), window 100 to 600\n" in shown
    painted = ["--paint", "9 7 4", "--radius", "3", "--reach", "1"]
    for line in (["--fix", "9", "7", "5", "--fix", "9", "8", "6"], painted):
        noted = desk.edit(*line)[1]
        assert noted.count(GUESSED) == 1


def test_a_session_keeps_the_modality_that_was_given(desk: Desk) -> None:
    desk.segment("mr.nii.gz", "--modality", "ct", "--session", "s.radsam")
    saved = read_session(desk.folder / "s.radsam")
    assert (saved.modality, saved.modality_given) == (Modality.CT, True)
    shown, noted = desk.edit("--fix", "9", "7", "5")
    assert "CT (as given), window -160 to 240 HU\n" in shown
    assert noted.count("Note:") == noted.count(NOT_HU) == 1


def test_another_modality_later_is_that_of_new_objects(desk: Desk) -> None:
    """Masks that are there were predicted in their window, and are predicted in it again."""
    desk.segment("mr.nii.gz", "--modality", "ct", "--session", "s.radsam", "--name", "first")
    shown, noted = desk.segment("mr.nii.gz", "--modality", "mr", "--session", "s.radsam", "--name", "second")
    assert "MR (as given), window -160 to 240 and 100 to 600\n" in shown
    assert "Its objects keep their windows and masks; new objects are predicted as MR." in noted
    saved = read_session(desk.folder / "s.radsam")
    assert (saved.modality, saved.window) == (Modality.MR, (100.0, 600.0))
    session = fake_engine().reopen(saved, read_volume(desk.folder / "mr.nii.gz", modality="mr"))
    assert {name: each.window for name, each in session.objects.items()} == {
        "first": (-160.0, 240.0),
        "second": (100.0, 600.0),
    }


def test_a_window_that_was_chosen_stays_with_another_modality(desk: Desk) -> None:
    desk.segment("mr.nii.gz", "--modality", "ct", "--window", "50", "700", "--session", "s.radsam")
    desk.edit("--modality", "mr", "--confirm", "4")
    assert read_session(desk.folder / "s.radsam").window == (50.0, 700.0)


@pytest.mark.parametrize("option", ["--within", "--within-hu"])
def test_paint_within_a_range_is_in_the_volumes_unit(desk: Desk, option: str) -> None:
    desk.segment("mr.nii.gz", "--modality", "mr", "--session", "s.radsam")
    before = np.count_nonzero(desk.mask)
    found = json.loads(desk.edit("--erase", "9 7 4", "--radius", "4", option, "500", "600", "--json")[0])
    assert found["outcome"]["taken"] == before - np.count_nonzero(desk.mask) > 0
    nothing = desk.start.here(
        *("edit", "s.radsam", "-o", "out.nii.gz", "--paint", "9 7 4", "--radius", "2", option, "900", "950"),
        cwd=desk.folder,
    )
    assert nothing.returncode == 3
    assert "between 900 and 950:" in nothing.stderr_line
    assert "HU" not in nothing.stderr_line


def test_help_names_the_present_option_only(desk: Desk) -> None:
    shown = desk("edit", "--help")[0]
    assert "--within" in shown
    assert "--within-hu" not in shown


@pytest.mark.parametrize(
    ("line", "facts", "shown", "noted"),
    [
        (["mr.nii.gz"], ("MR", "values", ""), "MR (by its values), int16, ", GUESSED),
        (["ct.nii.gz"], ("CT", "values", "HU"), "CT (by its values), int16 in HU, ", ""),
        (["mr.nii.gz", "--modality", "ct"], ("CT", "given", "HU"), "CT (as given), int16 in HU, ", NOT_HU),
    ],
)
def test_info_tells_it(desk: Desk, line: list[str], facts: tuple[str, ...], shown: str, noted: str) -> None:
    text, notes = desk("info", *line)
    assert f"NIfTI, {shown}" in text
    assert noted in notes
    assert notes.count("Note:") == bool(noted)
    found: dict[str, Any] = json.loads(desk("info", *line, "--json")[0])
    assert (found["modality"], found["modality_source"], found["unit"]) == facts
    assert bool(found["modality_doubt"]) == bool(noted)


def test_info_of_a_file_whose_values_are_cut_describes_its_header(desk: Desk) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-1000, 1000, SHAPE_KJI).astype(np.int16)
    write_volume(Volume(values, Geometry(SHAPE_KJI, np.diag([*SPACING_MM, 1.0]))), desk.folder / "cut.nii.gz")
    (desk.folder / "cut.nii.gz").write_bytes((desk.folder / "cut.nii.gz").read_bytes()[:5000])
    text, notes = desk("info", "cut.nii.gz")
    assert "of unknown modality" in text
    assert "36×24×10 voxels of 1×2×3 mm" in text
    assert "Only its header could be read." in notes

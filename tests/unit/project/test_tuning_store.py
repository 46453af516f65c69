"""What the decoder is tuned on is what the session saw: crop, window, slices, embeddings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fakes import FakeBackend, fake_predictor, fake_spec
from learning import learnable
from phantoms import GRIDS, Scene, ball
from radsam.data.training_store import open_store
from radsam.predictor import EmbeddingCache
from radsam.preprocess import Crop, SliceFrame, Window
from radsam.project.pause import Pause
from radsam.project.round_plan import finished_cases
from radsam.project.session_embeddings import SessionEmbeddings
from radsam.project.tuning_store import SCENE_SLICES, TuningSlices, _runs, seen_by_session, write_tuning_store
from radsam.training.slice_view import View
from radsam.volume import Plane, SliceGrid

CROP = {"row": 3, "col": 5, "rows": 17, "cols": 21}


def _written(
    folder: Path,
    scene: Scene,
    made: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    threads: int = 1,
    **limits: float,
) -> tuple[TuningSlices, SessionEmbeddings, FakeBackend]:
    """Write the store of one case whose mask has this provenance."""
    project = learnable(folder / "p", 1)
    (mask, _) = finished_cases(project)["c0"]
    monkeypatch.setattr(type(mask), "voxels", lambda self: scene.truth)
    monkeypatch.setattr(type(mask), "provenance", made)
    embeddings, backend = SessionEmbeddings(folder / "embeddings"), FakeBackend(threads=threads)
    given = {"most_slices": 100, "seconds": 60.0} | limits
    written = write_tuning_store(
        [[mask]],
        lambda case: scene.volume,
        fake_predictor(backend, EmbeddingCache(store=embeddings)),
        embeddings,
        folder / "tuning",
        pause=Pause(),
        **given,  # type: ignore[arg-type]
    )
    project.close()
    return written, embeddings, backend


@pytest.mark.parametrize("grid", list(GRIDS))
@pytest.mark.parametrize("plane", list(Plane))
def test_a_case_of_the_store_is_what_the_session_saw(
    grid: str, plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, spec, window = ball(grid), fake_spec(), Window(-200.0, 300.0)
    slices = SliceGrid.of(scene.volume.geometry, plane)
    rows, cols = slices.display_shape
    crop = Crop(1, 2, rows - 2, cols - 4)
    made = {"plane": str(plane), "window": [-200.0, 300.0], "crop": [1, 2, rows - 2, cols - 4]}
    _written(tmp_path, scene, made, monkeypatch)
    (case,) = open_store(tmp_path / "tuning/store").cases
    frame = SliceFrame(slices, spec.input_size, spec.low_res_size, crop)
    (path,) = (tmp_path / "tuning/scenes").glob("*-00.json")
    stated = json.loads(path.read_text())
    embeddings = np.load(path.with_suffix(".npy"))
    view = View.whole(case.grid.display_shape, case.row_mm, case.col_mm, Window(*stated["window"]), case.outside)
    own = view.frame(spec, stated["count"])
    assert own.side_mm == pytest.approx(frame.side_mm)
    first = _first_slice(scene, slices)
    for at in range(stated["count"]):
        here = stated["first"] + at
        image = own.image(np.array(case.values[here]), spec.normalisation(window))
        expected = frame.image(slices.take(scene.volume.values, first + here), spec.normalisation(window))
        np.testing.assert_array_equal(image, expected)
        truth = slices.take(scene.truth, first + here)
        np.testing.assert_array_equal(own.mask_to_frame(case.ids[here] == 1), frame.mask_to_frame(truth))
        np.testing.assert_array_equal(embeddings[at], FakeBackend().encode(expected[None])[0])


def _first_slice(scene: Scene, slices: SliceGrid) -> int:
    """The slice of the volume that is the first one of the case: three before the object."""
    held = [index for index in range(slices.count) if slices.take(scene.truth, index).any()]
    return max(0, held[0] - 3)


def test_embeddings_of_sessions_with_other_threads_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    scene, made = ball("anisotropic"), {"plane": "axial", "window": [-160.0, 240.0], "crop": CROP}
    (tmp_path / "session").mkdir()
    by_session, _, backend = _written(tmp_path / "session", scene, made, monkeypatch, threads=4)
    assert by_session.encoded == len(backend.encoded) == by_session.slices > 0
    (tmp_path / "learner").mkdir()
    (tmp_path / "session/embeddings").rename(tmp_path / "learner/embeddings")
    learned, embeddings, backend = _written(tmp_path / "learner", scene, made, monkeypatch, threads=1)
    assert learned == TuningSlices(1, by_session.slices, found=by_session.slices, encoded=0)
    assert (embeddings.found, embeddings.missing, backend.encoded) == (by_session.slices, 0, [])
    (tmp_path / "other").mkdir()
    (tmp_path / "learner/embeddings").rename(tmp_path / "other/embeddings")
    elsewhere = {**made, "crop": {**CROP, "row": 4}}
    assert _written(tmp_path / "other", scene, elsewhere, monkeypatch)[0].found == 0, "another crop is another image"


def test_a_mask_without_a_session_gets_the_crop_of_a_box_on_its_largest_slice() -> None:
    scene, spec = ball("anisotropic", 4.0), fake_spec(max_zoom=6.0)
    grid = SliceGrid.of(scene.volume.geometry, Plane.AXIAL)
    view = seen_by_session(scene.volume, scene.truth, spec, {})
    largest = max(range(grid.count), key=lambda index: scene.truth[index].sum())
    v, u = np.nonzero(scene.truth[largest])
    box = int(u.min()), int(v.min()), int(u.max()), int(v.max())
    assert view.crop == Crop.around(grid, box, ratio=2.0, max_zoom=6.0)
    assert view.crop is not None
    assert view.normalisation.window == Window(-160.0, 240.0)
    assert seen_by_session(scene.volume, scene.truth, spec, {"crop": None}).crop is None


def test_runs_begin_with_the_largest_slice_and_the_ends() -> None:
    areas = np.array([0, 0, 0, *range(20, 40), *range(40, 20, -1), 0, 0, 0])
    runs = _runs(areas, 100, 102, 143, np.random.default_rng(0))
    assert sorted(first for first, _ in runs) == [102, 108, 114, 120, 126, 132, 138]
    assert sum(count for _, count in runs) == 42
    assert max(count for _, count in runs) == SCENE_SLICES
    assert [first for first, _ in runs[:3]] == [120, 102, 138]
    assert _runs(np.array([0, 3, 0]), 0, 0, 2, np.random.default_rng(0)) == [], "too small to teach"
    assert _runs(np.array([50]), 7, 7, 7, np.random.default_rng(0)) == [(7, 1)]


def test_without_time_each_object_still_gets_its_largest_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"plane": "sagittal", "crop": None}
    written, _, _ = _written(tmp_path, ball("anisotropic"), made, monkeypatch, seconds=0.0)
    assert 0 < written.slices <= SCENE_SLICES

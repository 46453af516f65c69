"""The CVPR 2025 challenge: its files, segmentations and clicks."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import fake_engine
from phantoms import ball, touching_balls
from radsam.benchmark.challenge.challenge_case import read_case, read_npz
from radsam.benchmark.challenge.challenge_prediction import predict, predict_folder
from radsam.errors import InputError, OutputError
from radsam.metrics import dice
from radsam.volume import Bounds, Point

#: The phantoms' tissue and surroundings as the challenge would window them.
BRIGHT, DARK = 220, 40


def case_of(*masks: np.ndarray, **more: Any) -> dict[str, Any]:
    """A case with a box for each mask, as the challenge writes it."""
    truth = np.zeros(masks[0].shape, np.uint8)
    for number, mask in enumerate(masks, start=1):
        truth[mask] = number
    boxes = []
    for mask in masks:
        z, _, _ = np.nonzero(mask)
        middle = int(z[len(z) // 2])
        y, x = np.nonzero(mask[middle])
        boxes.append(
            {
                "z_min": z.min(), "z_max": z.max(), "z_mid": middle, "z_mid_x_min": x.min(), "z_mid_y_min": y.min(),
                "z_mid_x_max": x.max(), "z_mid_y_max": y.max(),
            }
        )  # fmt: skip
    images = np.where(truth > 0, BRIGHT, DARK).astype(np.uint8)
    images[0, 0, 0] = DARK + 1
    return {"imgs": images, "spacing": (0.75, 0.75, 4.0), "boxes": boxes, "gts": truth, **more}


def write(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **content)
    return path


def test_a_case_is_read_in_the_challenges_coordinates(tmp_path: Path) -> None:
    truth = ball("anisotropic").truth
    clicks = [{"fg": [[3, 10, 20], [4, 11, 21]], "bg": [[2, 5, 6]]}]
    order = np.array([["fg", "bg", "fg"]])
    case = read_case(write(tmp_path / "a.npz", case_of(truth, clicks=clicks, clicks_order=order)))
    assert case.volume.geometry.shape_kji == truth.shape
    assert case.volume.geometry.spacing_mm_ijk == (0.75, 0.75, 4.0)
    (prompt,) = case.prompts
    z, y, x = np.nonzero(truth)
    assert prompt.bounds == Bounds(int(z.min()), int(z.max()))
    assert prompt.box is not None
    assert prompt.box.k == z[len(z) // 2]
    assert prompt.box.uvuv == (x.min(), y.min(), x.max(), y.max())
    # Clicks are [z, y, x], in the order in which they came.
    assert prompt.clicks == (
        Point(i=20, j=10, k=3), Point(i=6, j=5, k=2, positive=False), Point(i=21, j=11, k=4),
    )  # fmt: skip
    turned = read_case(tmp_path / "a.npz", spacing_is_xyz=False)
    assert turned.volume.geometry.spacing_mm_ijk == (4.0, 0.75, 0.75)


def test_every_class_is_segmented_under_its_number(tmp_path: Path) -> None:
    truths = touching_balls().truths
    apart = truths["left"] & ~truths["right"]
    path = write(tmp_path / "in" / "a.npz", case_of(truths["right"], apart))
    (segmentation,) = predict_folder(fake_engine(), path.parent, tmp_path / "out")
    assert segmentation == tmp_path / "out" / "a.npz"
    found = read_npz(segmentation)["segs"]
    assert found.dtype == np.uint8
    assert found.shape == apart.shape
    assert set(np.unique(found)) == {0, 1, 2}


def test_predictions_never_replace_the_cases_or_truths(tmp_path: Path) -> None:
    pytest.importorskip("monai")
    from radsam.benchmark.challenge import challenge_evaluation

    truth = touching_balls().truths["right"]
    path = write(tmp_path / "in" / "a.npz", case_of(truth))
    write(tmp_path / "truths" / "a.npz", {"gts": truth.astype(np.uint8)})
    with pytest.raises(OutputError, match="one of the inputs"):
        predict_folder(fake_engine(), path.parent, path.parent)
    for target in (path.parent, tmp_path / "truths"):
        with pytest.raises(OutputError, match="one of the inputs"):
            challenge_evaluation.evaluate_folder(fake_engine(), path.parent, tmp_path / "truths", target)
    assert "segs" not in read_npz(path)


def test_without_a_box_the_first_click_starts_the_object(tmp_path: Path) -> None:
    truth = ball("anisotropic").truth
    k, j, i = (int(axis.mean()) for axis in np.nonzero(truth))
    content = case_of(truth, clicks=[{"fg": [[k, j, i]], "bg": []}])
    del content["boxes"]
    found = predict(fake_engine(), read_case(write(tmp_path / "a.npz", content)))
    assert dice(found == 1, truth) > 0.9
    content["clicks"] = [{"fg": [], "bg": [[k, j, i]]}]
    assert not predict(fake_engine(), read_case(write(tmp_path / "a.npz", content))).any()


def test_a_segmentation_does_not_depend_on_the_truth(tmp_path: Path) -> None:
    truth = ball("anisotropic").truth
    content = case_of(truth)
    segmentations = []
    for gts in (content["gts"], np.zeros_like(content["gts"]), None):
        given = {**content, "gts": gts} if gts is not None else {k: v for k, v in content.items() if k != "gts"}
        segmentations.append(predict(fake_engine(), read_case(write(tmp_path / "a.npz", given))))
    assert np.array_equal(segmentations[0], segmentations[1])
    assert np.array_equal(segmentations[0], segmentations[2])


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/never-made-by-a-test"),))


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", case_of(ball("anisotropic").truth))
    boxes = np.empty(1, object)
    boxes[0] = _Evil()
    content = dict(np.load(path, allow_pickle=True))
    np.savez(path, **{**content, "boxes": boxes})
    assert b"posixpath" in pickle.dumps(_Evil()) or b"pathlib" in pickle.dumps(_Evil())
    with pytest.raises(InputError, match="something other than data"):
        read_case(path)
    assert not Path("/tmp/never-made-by-a-test").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imgs": None}, "imgs missing"),
        ({"imgs": np.zeros((4, 4), np.uint8)}, "three axes"),
        ({"spacing": (0.0, 1.0, 1.0)}, "three positive numbers"),
        ({"boxes": [{"z_min": 1}]}, "needs z_min, z_max"),
        ({"clicks": [{"fg": [[99, 0, 0]], "bg": []}]}, "lies outside the image"),
        ({"boxes": None}, "neither boxes nor clicks"),
    ],
)
def test_a_file_that_is_no_case_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    content = {**case_of(ball("anisotropic").truth), **changes}
    path = write(tmp_path / "a.npz", {name: value for name, value in content.items() if value is not None})
    with pytest.raises(InputError, match=message):
        read_case(path)


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK no zip")
    with pytest.raises(InputError, match="cannot be read"):
        read_case(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"a case is an \.npz file"):
        predict_folder(fake_engine(), tmp_path / "none", tmp_path / "out")


def test_the_whole_protocol_clicks_five_times_and_scores_as_the_challenge_does(tmp_path: Path) -> None:
    pytest.importorskip("monai", reason="the extra 'benchmark' is not installed")
    from radsam.benchmark.challenge.challenge_evaluation import CLICKS, evaluate_folder

    truths = touching_balls().truths
    content = case_of(truths["right"], truths["left"] & ~truths["right"])
    boxless = case_of(truths["right"])
    del boxless["boxes"]
    for name, each in (("a", content), ("b", boxless)):
        write(tmp_path / "truth" / f"{name}.npz", {"gts": each.pop("gts")})
        write(tmp_path / "in" / f"{name}.npz", each)
    scores = evaluate_folder(fake_engine(), tmp_path / "in", tmp_path / "truth", tmp_path / "out")
    assert [score.classes for score in scores] == [2, 1]
    for score in scores:
        assert len(score.dsc) == CLICKS + 1
        # The area under five values at steps of one: the inner ones whole, the ends half.
        clicks = score.dsc[1:]
        assert score.dsc_auc == pytest.approx(sum(clicks) - (clicks[0] + clicks[-1]) / 2)
    assert scores[0].dsc[0] > 0
    assert (scores[1].dsc[0], scores[1].nsd[0]) == (0.0, 0.0), "without a box there is no first step"
    assert scores[1].dsc[1] > 0.9
    segmentation = read_npz(tmp_path / "out" / "a.npz")
    assert segmentation["all_segs"].shape == (CLICKS + 1, *segmentation["segs"].shape)
    assert np.array_equal(segmentation["all_segs"][-1], segmentation["segs"])
    truth = np.asarray(read_npz(tmp_path / "truth" / "a.npz")["gts"])
    right = np.mean([dice(segmentation["segs"] == number, truth == number) for number in (1, 2)])
    assert scores[0].dsc[-1] == pytest.approx(float(right))
    with (tmp_path / "out" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["CaseName"] for row in rows] == ["a.npz", "b.npz"]
    assert {"DSC_AUC", "NSD_AUC", "DSC_Final", "NSD_Final", "RunningTime_6", "DSC_1"} <= set(rows[0])
    with pytest.raises(InputError, match="under the key gts"):
        evaluate_folder(fake_engine(), tmp_path / "in", None, tmp_path / "again")

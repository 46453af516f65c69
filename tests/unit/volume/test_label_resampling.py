"""Labels on another grid: what each voxel takes, what is lost, and what the note reports."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from phantoms import GRIDS
from radsam.errors import GridMismatchError
from radsam.volume import Geometry, LabelVolume
from radsam.volume.label_resampling import resample_labels


def label_by_label(labels: LabelVolume, target: Geometry) -> np.ndarray:
    """Look up each voxel alone, in millimetres."""
    found = np.zeros(target.shape_kji, labels.ids.dtype)
    for kji in np.ndindex(target.shape_kji):
        place = labels.geometry.mm_to_index(target.index_to_mm(np.array(kji[::-1], float)))
        i, j, k = (int(each) for each in np.floor(place + 0.5 + 1e-6))
        if labels.geometry.contains((i, j, k)):
            found[kji] = labels.ids[k, j, i]
    return found


@st.composite
def grids(draw: st.DrawFn) -> Geometry:
    """A small grid about the origin: flipped, turned, exchanged, stretched, moved."""
    shape = draw(st.tuples(*[st.integers(1, 5)] * 3))
    spacing = draw(st.tuples(*[st.sampled_from([0.5, 1.0, 1.3, 4.0])] * 3))
    origin = draw(st.tuples(*[st.sampled_from([-3.0, -1.25, 0.0, 0.5])] * 3))
    axes = np.eye(3)[:, draw(st.permutations(range(3)))] * draw(st.tuples(*[st.sampled_from([1.0, -1.0])] * 3))
    turn = Rotation.from_euler("xyz", draw(st.sampled_from([(0, 0, 0), (11.0, -8.0, 14.0)])), degrees=True)
    return Geometry.from_parts(shape, origin, spacing, turn.as_matrix() @ axes)


@settings(max_examples=60, deadline=None)
@given(source=grids(), target=grids(), seed=st.integers(0, 9))
def test_each_voxel_takes_the_nearest_label(source: Geometry, target: Geometry, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 4, source.shape_kji).astype(np.uint8)
    labels = LabelVolume(ids, source, {1: "liver"})
    expected = label_by_label(labels, target)
    place = target.mm_to_index(source.index_to_mm(np.argwhere(ids)[:, ::-1].astype(float)))
    index = np.floor(place + 0.5 + 1e-6)
    outside = ((index < 0) | (index >= target.shape_ijk)).any(axis=1)
    if ids.any() and outside.all():
        with pytest.raises(GridMismatchError, match="No voxel of the labels lies in the volume"):
            resample_labels(labels, target)
        return
    found = resample_labels(labels, target)
    np.testing.assert_array_equal(found.labels.ids, expected)
    assert found.labels.geometry is target
    numbers = ids[ids > 0]
    for number in (1, 2, 3):
        if number not in numbers:
            assert number not in found.objects
            continue
        counted = found.objects[number]
        assert counted.voxels_before == (ids == number).sum()
        assert counted.voxels_after == (expected == number).sum()
        in_order = ids.reshape(-1)[np.flatnonzero(ids)]
        assert counted.voxels_outside == (outside & (in_order == number)).sum()


@pytest.mark.parametrize("name", list(GRIDS))
def test_there_and_back_on_a_finer_grid_changes_nothing(name: str) -> None:
    source = GRIDS[name]
    fine = np.eye(4)
    fine[:3, :3] = np.diag([1 / 3] * 3)
    fine[:3, 3] = -1 / 3  # the middle of each three is on the old voxel
    finer = Geometry(tuple(3 * n for n in source.shape_kji), source.affine_lps @ fine)
    ids = np.zeros(source.shape_kji, np.uint16)
    ids[1:4, 2:9, 3:5], ids[-1, -3:, 0] = 300, 7
    found = resample_labels(LabelVolume(ids, source), finer)
    assert found.objects[300].voxels_after == 27 * found.objects[300].voxels_before
    np.testing.assert_array_equal(resample_labels(found.labels, source).labels.ids, ids)


def test_objects_that_overlap_stay_whole() -> None:
    source = Geometry((4, 5, 6), np.diag([1.0, 1.0, 3.0, 1.0]))
    target = Geometry((12, 5, 3), np.diag([2.0, 1.0, 1.0, 1.0]))
    liver, tumour = np.zeros((2, 4, 5, 6), bool)
    liver[1:3, 1:4, 0:5], tumour[1:4, 2, 2:5] = True, True
    ids = np.where(tumour, 2, liver).astype(np.uint8)
    covered = {1: np.flatnonzero(liver & tumour)}
    found = resample_labels(LabelVolume(ids, source, {1: "liver", 2: "tumour"}, covered), target).labels
    for number, whole in ((1, liver), (2, tumour)):
        alone = resample_labels(LabelVolume(whole.astype(np.uint8), source), target).labels
        np.testing.assert_array_equal(found.mask(number), alone.ids > 0)
    assert found.covered[1].size


def test_what_became_of_the_objects_is_reported() -> None:
    target = Geometry.from_parts((2, 5, 6), (0.0, 0.0, 0.0), (1.0, 1.0, 2.0), np.eye(3))
    ids = np.zeros((4, 5, 6), np.uint8)
    ids[0:2, 0, 0:3], ids[1, 4, 4] = 1, 2
    moved = Geometry.from_parts((4, 5, 6), (-1.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(3))
    found = resample_labels(LabelVolume(ids, moved, {1: "liver"}), target)
    assert found.describe("a.nii.gz") == (
        "a.nii.gz was resampled from 6×5×4 voxels of 1×1×1 mm at (-1.00, 0.00, 0.00) to the grid of the volume, by "
        "position in space: liver 6 voxels before, 2 after; label 2 1 voxels before, 0 after. Partly outside the "
        "volume: liver (2 of its 6 voxels are lost). Without a voxel left: label 2."
    )

"""Mask → SEG → mask is the identity, and mask → RTSTRUCT → mask too, wherever the patient lies."""

from __future__ import annotations

import tempfile
from pathlib import Path

import highdicom
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_files import write_enhanced, write_series
from radsam.io.dicom.source_series import read_source
from radsam.io.volume_read import read_labels, read_volume
from radsam.io.volume_write import write_labels
from radsam.volume import Geometry, LabelVolume

SHAPE_KJI = (4, 9, 7)


@st.composite
def cosines(draw: st.DrawFn) -> tuple[float, ...]:
    """ImageOrientationPatient of any rotation, the twenty-four straight ones as often as the oblique."""
    matrix = np.eye(3)[:, draw(st.permutations([0, 1, 2]))] * draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    if draw(st.booleans()):
        quaternion = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 4))) + np.array([1.1, 0, 0, 0])
        w, x, y, z = quaternion / np.linalg.norm(quaternion)
        turn = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        matrix = np.array(turn) @ matrix
    return tuple(float(f"{each:.9f}") for each in matrix[:, :2].T.ravel())


@given(
    cosines=cosines(),
    spacing_mm=st.tuples(*[st.floats(0.3, 6).map(lambda mm: round(mm, 4))] * 3),
    origin_mm=st.tuples(*[st.floats(-400, 400).map(lambda mm: round(mm, 3))] * 3),
    names=st.permutations(["a", "b.dcm", "0", "z"]),
    enhanced=st.booleans(),
    seed=st.integers(0, 999),
)
@settings(max_examples=25)
def test_labels_come_back_voxel_by_voxel(
    cosines: tuple[float, ...],
    spacing_mm: tuple[float, float, float],
    origin_mm: tuple[float, float, float],
    names: list[str],
    enhanced: bool,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    hu = random.integers(-1000, 1000, SHAPE_KJI).astype(np.int16)
    ids = random.choice([0, 1, 4], SHAPE_KJI, p=[0.6, 0.2, 0.2]).astype(np.uint8)
    ids[random.integers(4)] = 0
    place = {"origin_lps": origin_mm, "spacing_mm_ijk": spacing_mm, "cosines": cosines}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "ct"
        if enhanced:
            write_enhanced(folder / "ct.dcm", hu, order=random.permutation(4).tolist(), **place)
        else:
            write_series(folder, hu, names=names, **place)
        volume, source = read_volume(folder), read_source(folder)
        labels = LabelVolume(ids, volume.geometry, {1: "liver", 4: "spleen"})
        seg, contours = Path(scratch) / "seg.dcm", Path(scratch) / "rt.dcm"
        write_labels(labels, seg, source=source)
        write_labels(labels, contours, file_format="rtstruct", source=source)
        for path in (seg, contours):
            found = read_labels(path, on=volume)
            assert list(found.names.values()) == ["liver", "spleen"]
            # Segments are numbered without gaps, so id 4 is the second.
            np.testing.assert_array_equal(found.ids, np.where(ids == 4, 2, ids))
        _agrees_with_highdicom(seg, ids, volume.geometry)
        alone = read_labels(seg)  # without the series, the frames alone give the grid
        k, j, i = np.nonzero(alone.ids)
        back = np.rint(volume.geometry.mm_to_index(alone.geometry.index_to_mm(np.stack([i, j, k], 1) * 1.0))).astype(
            int
        )
        assert len(back) == np.count_nonzero(ids)
        np.testing.assert_array_equal(
            ids[back[:, 2], back[:, 1], back[:, 0]], np.where(alone.ids[k, j, i] == 2, 4, alone.ids[k, j, i])
        )


def _agrees_with_highdicom(path: Path, ids: np.ndarray, geometry: Geometry) -> None:
    """highdicom, which wrote none of it, finds every voxel at the same millimetres."""
    seen = highdicom.seg.segread(path).get_volume(combine_segments=True)
    at = np.argwhere(seen.array > 0)
    back = np.rint(geometry.mm_to_index(seen.map_indices_to_reference(at))).astype(int)
    assert len(at) == np.count_nonzero(ids)
    values = seen.array[tuple(at.T)]
    np.testing.assert_array_equal(ids[back[:, 2], back[:, 1], back[:, 0]], np.where(values == 2, 4, values))

"""Is the streamed NIfTI file what a written one would be, for us and for nibabel?"""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from phantoms import GRIDS, ball
from radsam.io.nifti_stream import nifti_chunks, nifti_length
from radsam.io.volume_read import read_volume
from radsam.volume import Volume


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_the_streamed_file_reads_back_as_the_volume(grid: str, dtype: type, tmp_path: Path) -> None:
    scene = ball(grid).volume
    hu = scene.values.astype(dtype) + (dtype(0.5) if dtype is np.float32 else dtype(0))
    volume = Volume(hu, scene.geometry)
    path = tmp_path / "ct.nii"
    path.write_bytes(b"".join(nifti_chunks(volume)))
    assert path.stat().st_size == nifti_length(volume)

    ours = read_volume(path)
    np.testing.assert_array_equal(ours.values, volume.values)
    assert ours.values.dtype == dtype
    assert ours.geometry.same_grid(volume.geometry)

    theirs = nibabel.load(path)
    affine_ras = np.diag([-1, -1, 1, 1]) @ volume.geometry.affine_lps
    np.testing.assert_array_equal(np.asanyarray(theirs.dataobj), volume.values.T)
    for transform, code in (theirs.get_sform(coded=True), theirs.get_qform(coded=True)):
        assert code == 1
        np.testing.assert_allclose(transform, affine_ras, atol=1e-4)  # the header keeps float32

"""The header of a NIfTI-1 file: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from radsam.errors import VolumeError

#: Bytes of the header.
NIFTI_HEADER_BYTES = 348
#: Millimetres of the units of length in `xyzt_units`; the standard names no others.
_UNIT_MM = {1: 1000.0, 2: 1.0, 3: 0.001}
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
# Name, type and position of the fields that are used.
_FIELDS = (
    ("sizeof_hdr", "i4", 0),
    ("dim", "8i2", 40),
    ("datatype", "i2", 70),
    ("bitpix", "i2", 72),
    ("pixdim", "8f4", 76),
    ("vox_offset", "f4", 108),
    ("scl_slope", "f4", 112),
    ("scl_inter", "f4", 116),
    ("xyzt_units", "u1", 123),
    ("qform_code", "i2", 252),
    ("sform_code", "i2", 254),
    ("quatern", "3f4", 256),
    ("qoffset", "3f4", 268),
    ("srow", "(3,4)f4", 280),
    ("magic", "S4", 344),
)
_LITTLE = np.dtype(
    {
        "names": [name for name, _, _ in _FIELDS],
        "formats": [kind for _, kind, _ in _FIELDS],
        "offsets": [at for _, _, at in _FIELDS],
        "itemsize": NIFTI_HEADER_BYTES,
    }
).newbyteorder("<")


@dataclass(frozen=True)
class NiftiHeader:
    """The fields of a header that matter here.

    Args:
        shape_kji: Number of voxels along k, j and i.
        dtype: Type of the stored values, in the byte order of the file.
        data_bytes: Bytes of the voxels of one volume.
        volumes: Number of volumes: of a time series, or of a scan with several echoes or b-values.
        offset_bytes: Bytes before them.
        scaling: Slope and intercept of the values; (1, 0) where the header has none.
        unit_mm: Millimetres of its unit of length; None if it is unknown.
        pixdim: The first four: handedness of the qform, and spacing along i, j and k.
        qform_code: 0 if the qform is not given.
        sform_code: 0 if the sform is not given.
        quaternion: The last three numbers of the qform's quaternion.
        offset_ras: Translation of the qform.
        sform_ras: Affine of the sform.

    Lengths are in the unit of the file.
    """

    shape_kji: tuple[int, int, int]
    dtype: np.dtype[Any]
    data_bytes: int
    volumes: int
    offset_bytes: int
    scaling: tuple[float, float]
    unit_mm: float | None
    pixdim: Float[np.ndarray, "4"]
    qform_code: int
    sform_code: int
    quaternion: Float[np.ndarray, "3"]
    offset_ras: Float[np.ndarray, "3"]
    sform_ras: Float[np.ndarray, "4 4"]


def parse_nifti_header(head: bytes) -> NiftiHeader:
    """Read a header.

    Args:
        head: The first 348 bytes of the file.

    Raises:
        ValueError: They are not the header of a NIfTI-1 file.
        VolumeError: It is NIfTI-2, keeps its voxels in another file, does not hold three-dimensional scalar images,
            or has an intercept that is not a number. The message continues a sentence that begins with the path.
    """
    if len(head) < NIFTI_HEADER_BYTES:
        raise ValueError("not a NIfTI header")
    sizes = {"<": int.from_bytes(head[:4], "little"), ">": int.from_bytes(head[:4], "big")}
    if 540 in sizes.values():
        raise VolumeError("is a NIfTI-2 file, which is not supported. Save it as NIfTI-1 or NRRD.")
    if NIFTI_HEADER_BYTES not in sizes.values():
        raise ValueError("not a NIfTI header")
    big_endian = sizes[">"] == NIFTI_HEADER_BYTES
    field = np.frombuffer(head, _LITTLE.newbyteorder(">") if big_endian else _LITTLE, 1)[0]
    count = int(field["dim"][0])
    if field["magic"] == b"ni1":
        raise VolumeError("keeps its voxels in a second file (.img). Save both as one .nii.gz file.")
    if field["magic"] != b"n+1" or count not in range(1, 8) or min(field["dim"][1 : count + 1]) < 1:
        raise ValueError("not a NIfTI header")
    offset = float(field["vox_offset"])
    if not NIFTI_HEADER_BYTES <= offset < 1 << 40:  # also false for NaN
        raise ValueError("not a NIfTI header")
    dtype = _dtype(int(field["datatype"])).newbyteorder(">" if big_endian else "<")
    (i, j, k), volumes = _sizes(tuple(int(each) for each in field["dim"][1 : count + 1]))
    affine = np.eye(4)
    affine[:3] = field["srow"]
    return NiftiHeader(
        shape_kji=(k, j, i),
        dtype=dtype,
        data_bytes=i * j * k * dtype.itemsize,
        volumes=volumes,
        offset_bytes=int(offset),
        scaling=_scaling(float(field["scl_slope"]), float(field["scl_inter"])),
        unit_mm=_UNIT_MM.get(int(field["xyzt_units"]) & 7),
        pixdim=np.array(field["pixdim"][:4], np.float64),
        qform_code=int(field["qform_code"]),
        sform_code=int(field["sform_code"]),
        quaternion=np.array(field["quatern"], np.float64),
        offset_ras=np.array(field["qoffset"], np.float64),
        sform_ras=affine,
    )


def _dtype(code: int) -> np.dtype[Any]:
    if code not in _TYPES:
        raise VolumeError(
            f"has voxels of NIfTI's type {code}, such as a colour or a complex number; a volume holds one number per "
            "voxel."
        )
    return np.dtype(_TYPES[code])


def _sizes(shape: tuple[int, ...]) -> tuple[tuple[int, int, int], int]:
    """Return the sizes of three axes, and the number of volumes; further axes of a single voxel do not count."""
    while shape[-1:] == (1,):
        shape = shape[:-1]
    if len(shape) not in (3, 4):
        raise VolumeError(
            f"has {len(shape)} dimensions ({'×'.join(str(n) for n in shape)}); a volume has three. "
            "Of a time series, save one time point; of single slices, save the whole stack."
        )
    i, j, k = shape[:3]
    return (i, j, k), shape[3] if len(shape) == 4 else 1


def _scaling(slope: float, intercept: float) -> tuple[float, float]:
    """Return slope and intercept; a slope of 0 or one that is not a number means that there are none."""
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise VolumeError(
            "scales its values by a slope and an intercept that is not a number (scl_inter). Save it again from the "
            "original images."
        )
    return slope, intercept

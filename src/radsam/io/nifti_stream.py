"""A volume as the bytes of an uncompressed NIfTI-1 file, without writing one.

The voxels in memory are in the order of the file already, so only the header is made.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from radsam.volume import Geometry, Volume

_HEADER_BYTES = 352  # 348, and four that mark that no extension follows
_CHUNK_BYTES = 1 << 20
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_INT16, _FLOAT32 = (4, 16), (16, 32)
_MM = 2
_SCANNER = 1


def nifti_length(volume: Volume) -> int:
    """Return the length of the file in bytes."""
    return _HEADER_BYTES + volume.values.nbytes


def nifti_chunks(volume: Volume) -> Iterator[bytes]:
    """Yield the file, little-endian, on the volume's own grid, with sform and qform."""
    code, bits = _INT16 if volume.values.dtype == np.int16 else _FLOAT32
    yield _header(volume.geometry, code, bits)
    for slice_ji in volume.values:
        data = np.ascontiguousarray(slice_ji, slice_ji.dtype.newbyteorder("<")).data.cast("B")
        for start in range(0, len(data), _CHUNK_BYTES):
            yield bytes(data[start : start + _CHUNK_BYTES])


def _header(geometry: Geometry, code: int, bits: int) -> bytes:
    affine_ras = _LPS_TO_RAS @ geometry.affine_lps
    spacing = np.array(geometry.spacing_mm_ijk)
    rotation = affine_ras[:3, :3] / spacing
    # A quaternion cannot mirror: the sign of the third axis goes into pixdim[0].
    handed = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    quaternion = Rotation.from_matrix(rotation * (1.0, 1.0, handed)).as_quat(canonical=True)
    header = bytearray(_HEADER_BYTES)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *geometry.shape_ijk, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, handed, *spacing, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, _HEADER_BYTES, 1.0, 0.0)
    struct.pack_into("<b", header, 123, _MM)
    struct.pack_into("<2h", header, 252, _SCANNER, _SCANNER)
    struct.pack_into("<6f", header, 256, *quaternion[:3], *affine_ras[:3, 3])
    struct.pack_into("<12f", header, 280, *affine_ras[:3].ravel())
    header[344:348] = b"n+1\0"
    return bytes(header)

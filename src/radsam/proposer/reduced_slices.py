"""A volume's whole slices in a few channels each: what a head without prompts is trained on and predicts from.

A slice's embedding is reduced by a fixed linear map (`Reduction`); beside it lies the slice's picture, twice as fine,
its four pixels per cell as four more channels. A case of 128 slices of a 64×64 grid takes 71 MB as float16. It lies on
disk and is read in slabs, so memory does not grow with the volume or the number of cases.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float16, Float32, UInt8

from radsam.disk.folder_cache import FolderCache
from radsam.predictor.slice_predictor import SlicePredictor
from radsam.preprocess import Normalisation, SliceFrame, Window
from radsam.proposer.slice_order import SliceOrder
from radsam.volume import Plane, Volume

#: Most channels of a reduced embedding; 64 of 256 hold 95 % of the variance of the default encoder's.
CHANNELS = 64
#: Pixels of the picture, and of the answer, along a cell of the embedding.
DETAIL = 2
#: Values that say where in the body a cell is, see `ReducedSlices.place`.
PLACE_VALUES = 6
#: Low-res pixels along a cell of the embedding, in every SAM.
_LOW_RES_PER_CELL = 4
#: Above this share of the window is body, below is air.
_BODY = 0.2
#: Rows and columns with fewer pixels of the body are outside: noise, and the table's edge.
_LEAST_PIXELS = 4
#: Cells along a side of the blocks that the part of a slice with the body is made of.
_BODY_BLOCK = 8
#: Raised whenever the same slice gives other values.
_VERSION = 1


@runtime_checkable
class MayGoOn(Protocol):
    """What long work asks between its small units; `radsam.project.pause.Pause` is one."""

    def wait(self) -> None:
        """Return when the work may go on."""


@dataclass(frozen=True, eq=False)
class Reduction:
    """The linear map from an embedding to fewer channels, each with mean 0 and variance 1 where it was fitted.

    Args:
        mean: Subtracted from the embedding.
        matrix: Multiplies the difference.
    """

    mean: Float32[np.ndarray, " c"]
    matrix: Float32[np.ndarray, "r c"]

    @classmethod
    def fit(cls, cells: Float[np.ndarray, "n c"], channels: int = CHANNELS) -> Reduction:
        """Take the principal components of some cells of embeddings."""
        mean = cells.mean(axis=0)
        centred = (cells - mean).astype(np.float64)
        variance, vectors = np.linalg.eigh(centred.T @ centred / max(1, len(cells) - 1))
        largest = np.argsort(variance)[::-1][:channels]
        scale = np.sqrt(np.maximum(variance[largest], 1e-4 * max(float(variance.max()), 1e-12)))
        return cls(mean.astype(np.float32), (vectors[:, largest] / scale).T.astype(np.float32))

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the map."""
        return hashlib.sha256(self.mean.tobytes() + self.matrix.tobytes()).hexdigest()

    def __call__(self, embedding: Float[np.ndarray, "c g g"]) -> Float16[np.ndarray, "r g g"]:
        """Reduce an embedding."""
        c, g, _ = embedding.shape
        cells = embedding.reshape(c, g * g).astype(np.float32) - self.mean[:, None]
        return np.asarray((self.matrix @ cells).reshape(len(self.matrix), g, g), np.float16)


@dataclass(frozen=True, eq=False)
class ReducedSlices:
    """The slices of one volume.

    Args:
        values: Channels of the reduced embedding, then `DETAIL`² of the picture in [0, 1]; often on disk.
        order: Which slices these are.
        frame: How a slice lies in the encoder's input.
    """

    values: Float16[np.ndarray, "k c g g"]
    order: SliceOrder
    frame: SliceFrame

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.values)

    @property
    def grid_size(self) -> int:
        """Cells along a side of the embedding."""
        return int(self.values.shape[-1])

    @property
    def answer_size(self) -> int:
        """Pixels along a side of an answer."""
        return DETAIL * self.grid_size

    def picture(self, at: int) -> Float32[np.ndarray, "h h"]:
        """Return the picture of a slice, in [0, 1]."""
        fine = self.values[at, -DETAIL * DETAIL :].astype(np.float32)
        return np.asarray(_unfold(fine))

    @cached_property
    def extent(self) -> Float32[np.ndarray, "k 4"]:
        """First and last row and column of the body on each slice, in cells of the embedding."""
        found, last = [], (0.0, float(self.grid_size - 1), 0.0, float(self.grid_size - 1))
        for at in range(len(self)):
            body = self.picture(at) > _BODY
            rows, cols = (np.flatnonzero(body.sum(axis=axis) >= _LEAST_PIXELS) / DETAIL for axis in (1, 0))
            if rows.size and cols.size:
                last = (float(rows[0]), float(rows[-1]), float(cols[0]), float(cols[-1]))
            found.append(last)
        return np.array(found, np.float32)

    def body_box(self, slab: slice) -> tuple[slice, slice]:
        """Return the rows and columns of cells that hold the body on some slices, with a margin."""
        some = self.extent[slab]
        (top, left), (bottom, right) = some[:, (0, 2)].min(axis=0).tolist(), some[:, (1, 3)].max(axis=0).tolist()
        return _blocks(top, bottom, self.grid_size), _blocks(left, right, self.grid_size)

    @property
    def volume_shape_ijk(self) -> tuple[int, int, int]:
        """Number of voxels of the volume along i, j and k."""
        grid = self.order.grid
        v, u = grid.shape_vu
        shape = [u, v]
        shape.insert(grid.axis, grid.count)
        return shape[0], shape[1], shape[2]

    @property
    def cell_mm(self) -> float:
        """Side of a cell of the embedding."""
        return self.frame.side_mm / self.grid_size

    def place(self, slab: slice, rows: slice, cols: slice) -> Float32[np.ndarray, "6 d r c"]:
        """Say where in the body cells are.

        Returns:
            Distance from the first slice and from the last, row and column from the middle of the body on that
            slice, height and width of the body there; in units of 100 or 200 mm, about -2 to 2.
        """
        at = np.arange(slab.start, slab.stop, dtype=np.float32) * np.float32(self.order.spacing_mm)
        length = (len(self) - 1) * self.order.spacing_mm
        top, bottom, left, right = (each * self.cell_mm for each in self.extent[slab].T)
        row, col = (np.arange(each.start, each.stop) * self.cell_mm for each in (rows, cols))
        shape = at.size, row.size, col.size
        parts = [
            (at / 200 - 1)[:, None, None],
            ((length - at) / 200 - 1)[:, None, None],
            (row[None] - (top + bottom)[:, None] / 2)[:, :, None] / 100,
            (col[None] - (left + right)[:, None] / 2)[:, None, :] / 100,
            ((bottom - top) / 200 - 1)[:, None, None],
            ((right - left) / 200 - 1)[:, None, None],
        ]
        return np.stack([np.broadcast_to(each, shape) for each in parts]).astype(np.float32)

    def stack(self, slab: slice, rows: slice, cols: slice) -> Float32[np.ndarray, "c d r q"]:
        """Return the head's input: reduced embedding, place, picture (`DETAIL`² channels, about -0.5 to 0.5)."""
        values = self.values[slab, :, rows, cols].astype(np.float32).swapaxes(0, 1)
        fine = DETAIL * DETAIL
        return np.concatenate([values[:-fine], self.place(slab, rows, cols), values[-fine:] - 0.5])

    @cached_property
    def summary(self) -> Float32[np.ndarray, " s"]:
        """Mean and deviation of every reduced channel within the body, for comparing cases."""
        rows, cols = self.body_box(slice(0, len(self)))
        some = self.values[:: max(1, len(self) // 32), : -DETAIL * DETAIL, rows, cols].astype(np.float32)
        return np.concatenate([some.mean(axis=(0, 2, 3)), some.std(axis=(0, 2, 3))])


def _blocks(low: float, high: float, size: int) -> slice:
    """Return the blocks of cells that hold low to high and a cell more: few sizes, as an engine compiles each."""
    start = max(0, int(low) - 1) // _BODY_BLOCK * _BODY_BLOCK
    return slice(start, min(size, -(-(int(high) + 2) // _BODY_BLOCK) * _BODY_BLOCK))


def _fold(picture: Float32[np.ndarray, "h h"]) -> Float32[np.ndarray, "f g g"]:
    """Turn a picture into one channel per pixel of a cell."""
    g = picture.shape[0] // DETAIL
    return picture.reshape(g, DETAIL, g, DETAIL).transpose(1, 3, 0, 2).reshape(DETAIL * DETAIL, g, g)


def _unfold(fine: Float32[np.ndarray, "f g g"]) -> Float32[np.ndarray, "h h"]:
    """Turn one channel per pixel of a cell into a picture; the inverse of `_fold`."""
    g = fine.shape[-1]
    return fine.reshape(DETAIL, DETAIL, g, g).transpose(2, 0, 3, 1).reshape(DETAIL * g, DETAIL * g)


def _pooled(image: Float[np.ndarray, "*c n n"], size: int) -> Float[np.ndarray, "*c m m"]:
    """Average blocks of pixels so that `size` are left along a side."""
    side = image.shape[-1] // size
    if side == 1:
        return image
    blocks = image.reshape(*image.shape[:-2], size, side, size, side)
    return np.asarray(blocks.astype(np.float32).mean(axis=(-3, -1)))


@dataclass(frozen=True)
class WholeSlices:
    """How a model sees whole slices of a volume.

    Args:
        predictor: Encodes them.
        volume: The volume.
        plane: Their plane.
    """

    predictor: SlicePredictor
    volume: Volume
    plane: Plane

    @cached_property
    def order(self) -> SliceOrder:
        """Which slices, in which order."""
        return SliceOrder.of(self.volume.geometry, self.plane)

    @cached_property
    def window(self) -> Window:
        """The model's own window for this volume."""
        return self.predictor.spec.window_of(self.volume)

    @property
    def frame(self) -> SliceFrame:
        """How a slice lies in the encoder's input."""
        spec = self.predictor.spec
        return SliceFrame(self.order.grid, spec.input_size, spec.low_res_size)

    @property
    def grid_size(self) -> int:
        """Cells along a side."""
        return self.predictor.spec.low_res_size // _LOW_RES_PER_CELL

    def embedding(self, at: int) -> Float[np.ndarray, "c g g"]:
        """Return the embedding of a slice; from the cache of the annotator's sessions where it is there."""
        view = self.predictor.view(self.order.grid, self.window)
        encoded = self.predictor.encode(self.volume, view, self.order.indices[at]).embedding
        return _pooled(encoded, self.grid_size)

    def picture(self, at: int) -> Float32[np.ndarray, "h h"]:
        """Return the picture of a slice, in [0, 1]; the padding is 0."""
        values = self.order.grid.take(self.volume.values, self.order.indices[at])
        return _pooled(self.frame.image(values, Normalisation(self.window))[0], DETAIL * self.grid_size)

    def cells(
        self, rng: np.random.Generator, slices: int, per_slice: int, pause: MayGoOn | None = None
    ) -> Float32[np.ndarray, "n c"]:
        """Draw some cells of some slices, for fitting a reduction."""
        count = len(self.order.indices)
        chosen = np.linspace(0, count - 1, min(slices, count)).round().astype(int)
        drawn = []
        for at in chosen.tolist():
            if pause is not None:
                pause.wait()
            cells = self.embedding(at).reshape(-1, self.grid_size**2).T.astype(np.float32)
            drawn.append(cells[rng.permutation(len(cells))[:per_slice]])
        return np.concatenate(drawn)

    def key(self, reduction: Reduction) -> str:
        """Return what the reduced slices depend on, as a hash."""
        facts = (
            _VERSION,
            self.volume.content_hash,
            self.plane.value,
            (self.window.low, self.window.high),
            self.predictor.encoder_hash,
            self.predictor.backend.precision,
            reduction.identity,
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()


class ReducedStore(FolderCache):
    """Reduced slices in a folder that only its owner can read, so that no later round encodes a case again.

    Args:
        folder: The folder; made when the first case is written.
        max_bytes: Largest total size: 16 GB are over 200 cases of 128 slices.
    """

    def __init__(self, folder: Path, max_bytes: int = 16 << 30) -> None:
        super().__init__(folder, r"[0-9a-f]{64}\.npy", max_bytes=max_bytes)

    def reduced(self, seen: WholeSlices, reduction: Reduction, pause: MayGoOn | None = None) -> ReducedSlices:
        """Return the slices of a volume; encodes them where they are not here yet.

        Args:
            seen: The slices.
            reduction: Reduces their embeddings.
            pause: Asked before every slice.

        Raises:
            OutputError: There is no room.
            BackendError: The engine failed.
        """
        name = f"{seen.key(reduction)}.npy"
        shape = (len(seen.order.indices), len(reduction.matrix) + DETAIL * DETAIL, seen.grid_size, seen.grid_size)
        values = self._opened(name, shape)
        if values is None:
            self.write(name, lambda file: _write(file, shape, seen, reduction, pause))
            values = self._opened(name, shape)
        if values is None:  # another process has removed it
            return self.reduced(seen, reduction, pause)
        return ReducedSlices(values, seen.order, seen.frame)

    def _opened(self, name: str, shape: tuple[int, ...]) -> Float16[np.ndarray, "k c g g"] | None:
        def load(file: BinaryIO) -> Float16[np.ndarray, "k c g g"]:
            values = np.load(file.name, mmap_mode="r", allow_pickle=False)
            if values.shape != shape or values.dtype != np.float16:
                raise ValueError("damaged")
            return np.asarray(values)

        return self.read(name, load)


def _write(
    file: BinaryIO, shape: tuple[int, ...], seen: WholeSlices, reduction: Reduction, pause: MayGoOn | None
) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for at in range(shape[0]):
        if pause is not None:
            pause.wait()
        file.write(reduction(seen.embedding(at)).tobytes())
        file.write(_fold(seen.picture(at)).astype(np.float16).tobytes())


#: What a head is trained to answer of one label: share of each pixel of the answer that the object covers, as 0 to
#: 255, in a box of the volume's slices, rows and columns.
Covered = tuple[tuple[slice, slice, slice], UInt8[np.ndarray, "d r c"]]


def covered(mask_kji: Bool[np.ndarray, "k j i"], order: SliceOrder, frame: SliceFrame, size: int) -> Covered | None:
    """Bring a mask to the pixels of an answer.

    Args:
        mask_kji: The mask on the volume's grid.
        order: Which slices are seen.
        frame: How a slice lies in the encoder's input.
        size: Pixels along a side of the answer.

    Returns:
        None where no seen slice has a voxel.
    """
    parts: dict[int, Float[np.ndarray, "h h"]] = {}
    for at, index in enumerate(order.indices):
        pixels = order.grid.take(mask_kji, index)
        if pixels.any():
            parts[at] = _pooled(frame.mask_to_frame(pixels), size)
    if not parts:
        return None
    some = np.any([each > 0 for each in parts.values()], axis=0)
    rows, cols = np.flatnonzero(some.any(axis=1)), np.flatnonzero(some.any(axis=0))
    first, last = min(parts), max(parts)
    box = slice(first, last + 1), slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
    values = np.zeros([each.stop - each.start for each in box], np.uint8)
    for at, pixels in parts.items():
        values[at - first] = (pixels[box[1], box[2]] * 255).round()
    return box, values

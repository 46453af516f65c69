"""Do the blocks hold the voxels of the volume, however they are cut and packed?"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from radsam.io.volume_read import read_volume
from radsam.server.voxel_blocks import coarse_copy, slice_block
from radsam.volume import Geometry, Volume
from servers import Served, served

TYPES = ("<i2", "<f4")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("blocks")) as it:
        yield it


def unpack(block: bytes) -> tuple[np.ndarray, tuple[int, ...]]:
    """Unpack a block as its description says: the values (k, j, i) and the step (i, j, k)."""
    assert block[:4] == b"RSB1"
    kind, *rest = struct.unpack_from("<7I", block, 4)
    dtype = np.dtype(TYPES[kind])
    bytes_ = np.frombuffer(block, np.uint8, offset=32).reshape(dtype.itemsize, -1)
    folded = np.ascontiguousarray(bytes_.T).view(f"<u{dtype.itemsize}").reshape(-1)
    change = (folded >> 1) ^ (np.zeros_like(folded) - (folded & 1))
    words = np.cumsum(change, dtype=folded.dtype)
    return words.view(dtype).reshape(rest[2::-1]), tuple(rest[3:])


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize(("axis", "first", "count"), [("k", 2, 3), ("j", 0, 1), ("i", 3, 9)])
def test_a_block_holds_the_slices(dtype: type, axis: str, first: int, count: int) -> None:
    random = np.random.default_rng(3)
    hu = random.integers(-32768, 32767, (7, 6, 5)).astype(dtype) / dtype(1)
    volume = Volume(hu.astype(dtype), Geometry((7, 6, 5), np.diag([1.0, 2.0, 3.0, 1.0])))
    values, step = unpack(slice_block(volume, axis, first, count))
    expected = np.take(
        volume.values, range(first, min(first + count, volume.values.shape["kji".index(axis)])), "kji".index(axis)
    )
    np.testing.assert_array_equal(values, expected)
    assert values.dtype == dtype
    assert step == (1, 1, 1)


def test_a_coarse_copy_holds_the_means_of_cells_of_equal_sides() -> None:
    random = np.random.default_rng(4)
    volume = Volume(
        random.integers(-1000, 1000, (5, 9, 11)).astype(np.int16), Geometry((5, 9, 11), np.diag([1, 1, 2, 1.0]))
    )
    copy, step = coarse_copy(volume, 3)
    assert step == (4, 4, 2)
    assert copy.shape == (3, 3, 3)
    assert copy[1, 1, 2] == np.rint(volume.values[2:4, 4:8, 8:12].mean())  # the last cell along i has three voxels
    same, step = coarse_copy(replace(volume, values=volume.values.astype(np.float32)), 256)
    assert step == (1, 1, 1)
    np.testing.assert_array_equal(same, volume.values)


def test_a_page_gets_slices_with_and_without_compression(web: Served) -> None:
    hu = read_volume(web.path).values
    url = f"/api/volumes/{web.volume}"
    packed = web.client.get(f"{url}/slices", params={"axis": "k", "first": 4, "count": 2})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["cache-control"] == "private, no-store"
    plain = web.client.get(
        f"{url}/slices", params={"axis": "k", "first": 4, "count": 2}, headers={"accept-encoding": "identity"}
    )
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    np.testing.assert_array_equal(unpack(plain.content)[0], hu[4:6])
    values, step = unpack(web.client.get(f"{url}/coarse", params={"cells": 8}).content)
    assert values.shape == tuple(-(-size // each) for size, each in zip(hu.shape, step[::-1], strict=True))


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({"axis": "k", "first": 99}, 422, "There is no slice 99 along k: the volume has the slices 0 to"),
        ({"axis": "z", "first": 0}, 422, "axis"),
        ({"axis": "k", "first": -1}, 422, "first"),
        ({"axis": "k", "first": 0, "count": 65}, 422, "count"),
        ({}, 422, "axis"),
    ],
)
def test_a_bad_request_gets_a_message(web: Served, query: dict[str, object], status: int, message: str) -> None:
    answer = web.client.get(f"/api/volumes/{web.volume}/slices", params=query)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_masks_and_the_page_itself_are_compressed_for_clients_that_take_it(web: Served) -> None:
    web.segment()
    packed = web.client.get(web.url("/masks"))
    plain = web.client.get(web.url("/masks"), headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert web.client.get("/index.js").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in web.client.get("/index.js", headers={"accept-encoding": "identity"}).headers


def test_the_sums_of_large_cells_do_not_overflow() -> None:
    values = np.full((48, 48, 48), -30000, np.int16)
    values[0, 0, 0] = 30000
    cells, step = coarse_copy(Volume(values, Geometry(values.shape, np.eye(4))), 1)
    assert (step, cells.tolist()) == ((48, 48, 48), [[[-29999]]])

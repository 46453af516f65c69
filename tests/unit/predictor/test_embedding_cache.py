from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radsam.predictor import EmbeddingCache, EmbeddingStore
from radsam.predictor.embedding_cache import EmbeddingKey, embeddings_folder
from radsam.volume import Plane

SHAPE = (4, 8, 8)
BYTES = 2 * 4 * 8 * 8


def key(index: int = 0) -> EmbeddingKey:
    return EmbeddingKey("volume", Plane.AXIAL, index, (-160.0, 240.0), "model", "engine")


def embedding(value: float = 1.0) -> np.ndarray:
    return np.full(SHAPE, value, np.float16)


def the_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "embeddings"


def test_an_unknown_key_is_not_cached(folder: Path) -> None:
    assert EmbeddingCache().get(key()) is None
    assert EmbeddingCache(store=EmbeddingStore(folder)).get(key()) is None
    assert not folder.exists()


def test_memory_never_grows_beyond_its_bound() -> None:
    cache = EmbeddingCache(max_bytes=3 * BYTES)
    for index in range(10):
        cache.put(key(index), embedding())
        assert cache.bytes <= 3 * BYTES
    assert [cache.get(key(index)) is not None for index in range(10)] == [False] * 7 + [True] * 3


def test_the_least_recently_used_goes_first() -> None:
    cache = EmbeddingCache(max_bytes=3 * BYTES)
    for index in range(3):
        cache.put(key(index), embedding())
    cache.get(key(0))
    cache.put(key(3), embedding())
    assert [cache.get(key(index)) is not None for index in range(4)] == [True, False, True, True]


def test_putting_the_same_slice_again_counts_once() -> None:
    cache = EmbeddingCache()
    cache.put(key(), embedding(1.0))
    cache.put(key(), embedding(2.0))
    assert cache.bytes == BYTES
    np.testing.assert_array_equal(cache.get(key()), embedding(2.0))


def test_one_embedding_stays_however_small_the_bound() -> None:
    cache = EmbeddingCache(max_bytes=1)
    cache.put(key(0), embedding())
    cache.put(key(1), embedding())
    assert cache.get(key(0)) is None
    assert cache.get(key(1)) is not None


def test_an_evicted_embedding_is_read_from_the_folder(folder: Path) -> None:
    cache = EmbeddingCache(max_bytes=BYTES, store=EmbeddingStore(folder))
    for index in range(3):
        cache.put(key(index), embedding(index))
    for index in range(3):
        np.testing.assert_array_equal(cache.get(key(index)), embedding(index))
    assert cache.bytes == BYTES


def test_a_folder_outlives_its_process(folder: Path) -> None:
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float16)
    EmbeddingStore(folder).put(key(), values)
    kept = EmbeddingStore(folder).get(key())
    assert kept is not None
    assert kept.dtype == np.float16
    np.testing.assert_array_equal(kept, values)


@pytest.mark.parametrize(
    "change",
    [
        {"volume_hash": "other"},
        {"plane": Plane.CORONAL},
        {"index": 1},
        {"window": (-160.0, 241.0)},
        {"encoder_hash": "other"},
        {"engine": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_difference_in_any_part_of_the_key_is_another_embedding(folder: Path, change: dict[str, object]) -> None:
    store = EmbeddingStore(folder)
    cache = EmbeddingCache(store=store)
    cache.put(key(), embedding())
    other = replace(key(), **change)
    assert cache.get(other) is None
    store.put(other, embedding(2.0))
    assert len(list(folder.iterdir())) == 2
    np.testing.assert_array_equal(EmbeddingStore(folder).get(key()), embedding())


def test_the_folder_does_not_identify_the_ct(folder: Path) -> None:
    EmbeddingStore(folder).put(replace(key(), volume_hash="patient"), embedding())
    path = the_file(folder)
    assert len(path.stem) == 64
    assert b"patient" not in path.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")
def test_only_the_owner_can_enter_the_folder(folder: Path) -> None:
    EmbeddingStore(folder).put(key(), embedding())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["empty", "cut", "header", "unfinished header", "pickle", "zip", "other type"])
def test_a_damaged_file_is_as_good_as_none_and_is_replaced(folder: Path, damage: str) -> None:
    store = EmbeddingStore(folder)
    store.put(key(), embedding())
    path = the_file(folder)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-7],
            "header": whole[:20] + b"\x00\xff" + whole[22:],
            "unfinished header": whole.replace(b"}", b"("),
            "pickle": b"\x80\x04K*.",
            "zip": b"PK\x03\x04" + whole,
            "other type": whole.replace(b"<f2", b"<i2"),
        }[damage]
    )
    assert store.get(key()) is None
    store.put(key(), embedding(3.0))
    np.testing.assert_array_equal(store.get(key()), embedding(3.0))


def test_a_write_that_breaks_off_leaves_nothing_and_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: object, *_: object, **__: object) -> None:
        file.write(b"half of it")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    store = EmbeddingStore(folder)
    with monkeypatch.context() as patch:
        patch.setattr(np, "save", broken)
        store.put(key(), embedding())
    assert list(folder.iterdir()) == []
    store.put(key(), embedding())
    assert store.get(key()) is not None


def test_without_a_folder_nothing_is_cached(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = EmbeddingStore(tmp_path / "file" / "cache")
    store.put(key(), embedding())
    assert store.get(key()) is None


def test_a_file_that_cannot_be_touched_is_read_all_the_same_or_encoded_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    store = EmbeddingStore(folder)
    store.put(key(), embedding())
    monkeypatch.setattr(Path, "touch", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    kept = store.get(key())
    assert kept is None or np.array_equal(kept, embedding())


def test_a_folder_that_grows_too_large_loses_what_was_used_longest_ago(folder: Path) -> None:
    large = np.ones((8, 64, 64), np.float16)
    size = large.nbytes + 128  # numpy's header
    store = EmbeddingStore(folder, max_bytes=10 * size)
    for index in range(9):
        store.put(key(index), large)
        age = 1_000_000 + index
        os.utime(max(folder.iterdir(), key=lambda path: path.stat().st_mtime), (age, age))
    assert store.get(key(0)) is not None  # used again: the youngest now
    for index in range(9, 12):
        store.put(key(index), large)
        assert store.size_bytes() <= 10 * size
    assert store.get(key(0)) is not None
    assert store.get(key(1)) is None
    assert store.get(key(11)) is not None


def test_clearing_says_how_much_it_freed(folder: Path) -> None:
    store = EmbeddingStore(folder)
    assert store.clear() == 0
    store.put(key(), embedding())
    before = store.size_bytes()
    assert before > BYTES
    assert store.clear() == before
    assert not folder.exists()
    store.put(key(), embedding())
    assert store.get(key()) is not None


def test_the_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSAM_CACHE", str(tmp_path))
    assert embeddings_folder() == tmp_path
    monkeypatch.delenv("RADSAM_CACHE")
    assert "radsam" in embeddings_folder().parts

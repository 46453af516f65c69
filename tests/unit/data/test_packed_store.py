from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from radsam.data.packed_store import Pack, read_pack, write_pack
from radsam.data.training_store import Store, open_store
from radsam.errors import DatasetError, OutputError
from tiny_training import write_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(write_store(tmp_path_factory.mktemp("store")))


def packed(store: Store, path: Path, **settings: object) -> Pack:
    write_pack(store.cases, path, **settings)  # type: ignore[arg-type]
    return read_pack(path)


def test_a_pack_has_the_slices_labels_and_facts_of_every_case(store: Store, tmp_path: Path) -> None:
    pack = packed(store, tmp_path / "store.pack", step=3.0)
    assert [case.case_id for case in pack.cases] == [case.case_id for case in store.cases]
    for found, case in zip(pack.cases, store.cases, strict=True):
        kept = slice(found.first, found.first + len(found.ids))
        hu = np.clip(np.asarray(case.values[kept], np.float64), -200, 280)
        assert np.abs(found.low + found.step * found.values - hu).max() <= 1.5
        np.testing.assert_array_equal(found.ids, case.ids[kept])
        assert (found.licence, found.label_origin, found.patient, found.split) == (
            case.licence, case.label_origin, case.patient, case.split
        )  # fmt: skip
        assert dict(found.names) == dict(case.names)
        assert found.count == case.grid.count
        assert found.spacing_mm == pytest.approx((case.slice_mm, case.row_mm, case.col_mm))
        assert dict(found.extents) == {number: case.extent(number) for number in (1, 2)}


def test_slices_far_from_every_label_are_left_out(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = store.cases[0]
    far = case.objects[case.objects["object_id"] == 2]
    monkeypatch.setattr(type(case), "objects", property(lambda self: far))
    found = packed(store, tmp_path / "store.pack").cases[0]
    assert (found.first, len(found.ids)) == (0, 9), "three slices around 3 to 5, and none that does not exist"
    np.testing.assert_array_equal(found.ids, case.ids[:9])


def test_large_slices_are_shrunk_in_millimetres(store: Store, tmp_path: Path) -> None:
    pack = packed(store, tmp_path / "store.pack", most_side_px=24)
    for found, case in zip(pack.cases, store.cases, strict=True):
        assert found.values.shape[1:] == found.ids.shape[1:] == (20, 24)
        assert found.row_mm * 20 == pytest.approx(case.row_mm * 40)
        assert found.col_mm * 24 == pytest.approx(case.col_mm * 48)
        kept = case.ids[found.first : found.first + len(found.ids)]
        for number in (1, 2):
            assert (found.ids == number).sum() == pytest.approx((kept == number).sum() / 4, rel=0.1)
            inside = found.low + found.step * found.values[found.ids == number]
            assert np.median(inside) == pytest.approx(140 if number == 1 else -60, abs=8)


def test_a_pack_that_would_be_too_large_is_not_written(store: Store, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"MB after 1 of 3 cases.*larger steps"):
        write_pack(store.cases, tmp_path / "store.pack", most_bytes=1000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [1.0, 0.0, -2.0])
def test_steps_that_do_not_fit_into_a_byte_are_refused(store: Store, tmp_path: Path, step: float) -> None:
    with pytest.raises(DatasetError, match="does not fit into a byte"):
        write_pack(store.cases, tmp_path / "store.pack", step=step)


def test_without_a_case_nothing_is_packed(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no case to pack"):
        write_pack([], tmp_path / "store.pack")


def test_other_files_are_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "text.pack").write_text("no pack")
    with zipfile.ZipFile(tmp_path / "old.pack", "w") as archive:
        archive.writestr("pack.json", json.dumps({"format": "radsam-pack", "version": 0}))
    for name, message in (
        ("none", "not a pack"),
        ("text", "not a pack"),
        ("old", "of version 0, not a pack of version 2"),
    ):
        with pytest.raises(DatasetError, match=message):
            read_pack(tmp_path / f"{name}.pack")

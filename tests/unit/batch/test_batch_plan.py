"""Is the work shared out whole, and is what is done left alone?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archives import planned, write_manifest
from dicom_files import ct_values, write_series
from phantoms import ball
from radsam.batch.batch_plan import BASE_BYTES, parse_shard
from radsam.batch.batch_run import plan_batch, write_results
from radsam.batch.batch_settings import BatchSettings
from radsam.batch.engines.slurm_engine import shares
from radsam.batch.manifest import read_manifest
from radsam.batch.output_folder import OutputFolder
from radsam.errors import ManifestError, OutputError
from radsam.io.volume_write import LabelFormat, write_volume

ROW = {"coordinates": "ijk", "slice": 1, "box": "1 1 9 9"}


def many(tmp_path: Path) -> Path:
    rows = [{"id": f"{v}-{n}", "volume": f"v{v}.nii", **ROW} for v in range(7) for n in range(1 + v % 3)]
    return write_manifest(tmp_path / "m.csv", rows)


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_shards_share_all_rows_and_keep_volumes_together(tmp_path: Path, count: int) -> None:
    whole, _ = planned(many(tmp_path), tmp_path / "out")
    shards = [planned(tmp_path / "m.csv", tmp_path / "out", shard=(n, count))[0] for n in range(count)]
    keys = [volume.key for shard in shards for volume in shard.volumes]
    assert sorted(keys) == sorted(volume.key for volume in whole.volumes)
    assert sum(shard.count for shard in shards) == whole.count == 13
    assert frozenset().union(*(shard.shard_ids for shard in shards)) == whole.shard_ids
    dealt = [sum(len(volume.tasks) for volume in each) for each in shares(whole.volumes, count)]
    assert sum(dealt) == 13
    assert max(dealt) - min(dealt) <= 3


def test_series_of_one_folder_are_volumes_of_their_own(tmp_path: Path) -> None:
    rows = [{"id": s, "volume": "folder", "series": s, **ROW} for s in ("1", "2")]
    plan, _ = planned(write_manifest(tmp_path / "m.csv", rows), tmp_path / "out")
    assert [each.series for each in plan.volumes] == ["1", "2"]
    assert len(set(plan.keys.values())) == 2


def test_memory_follows_the_header_and_a_missing_volume_needs_none(tmp_path: Path) -> None:
    write_volume(ball().volume, tmp_path / "v0.nii")
    plan, _ = planned(many(tmp_path), tmp_path / "out")
    needs = {each.volume: each.memory_bytes() for each in plan.volumes}
    assert needs["v0.nii"] == BASE_BYTES + 3 * 2 * 26 * 28 * 30
    assert needs["v1.nii"] == BASE_BYTES


@pytest.mark.parametrize("text", ["8/8", "1", "-1/8", "1/0", "a/b", ""])
def test_a_shard_is_written_from_zero(text: str) -> None:
    assert parse_shard("7/8") == (7, 8)
    with pytest.raises(ManifestError, match="0/8 to 7/8"):
        parse_shard(text)


@pytest.mark.parametrize(
    ("manifest", "rows"),
    [
        ("results.csv", [{"id": "a", "volume": "v.nii", **ROW}]),
        ("m.csv", [{"id": "a", "volume": "masks/a.nii.gz", **ROW}]),
        ("m.csv", [{"id": "a", "volume": "masks/a.nrrd", **ROW}]),  # a mask of an earlier run, which would be removed
        ("m.csv", [{"id": "a", "volume": "v.nii", "truth": "./masks/A.nii.gz", **ROW}]),
        ("m.csv", [{"id": "a", "volume": "v.nii", **ROW}, {"id": "b", "volume": "v.nii", "mask": "masks/a.nii.gz"}]),
        ("m.csv", [{"id": "a", "volume": "series", **ROW}]),
    ],
)
def test_no_result_replaces_what_the_manifest_names(tmp_path: Path, manifest: str, rows: list[dict]) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.nrrd").touch()
    (first, *_) = write_series(tmp_path / "series", ct_values((3, 12, 10)))
    (tmp_path / "masks" / "a.dcm").hardlink_to(first)
    path = write_manifest(tmp_path / manifest, rows)
    before = sorted(tmp_path.rglob("*"))
    settings = BatchSettings(file_format=LabelFormat.SEG if rows[0]["volume"] == "series" else LabelFormat.NIFTI)
    with pytest.raises(OutputError, match="one of the inputs"):
        plan_batch(read_manifest(path), OutputFolder(tmp_path), settings)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_volume_need_not_be_utf8_but_an_id_must(tmp_path: Path) -> None:
    rows = [{"id": each, "volume": "L\udce9a.nii", **ROW, "box": [1, 1, 9, 9]} for each in ("a", "\udce9")]
    (tmp_path / "m.jsonl").write_text("\n".join(json.dumps(each) for each in rows))
    write_volume(ball().volume, tmp_path / "L\udce9a.nii")
    plan, folder = planned(tmp_path / "m.jsonl", tmp_path / "out")
    assert [each.id for each in plan.bad_rows] == ["\udce9"]
    assert plan.volumes[0].memory_bytes() > BASE_BYTES
    folder.make()
    results = write_results(plan, folder)
    assert [each.volume for each in results] == ["L\udce9a.nii"] * 2
    assert r"L\xe9a.nii" in folder.table.read_text("utf-8")
    assert "udce9" in folder.sheet.read_text("utf-8")

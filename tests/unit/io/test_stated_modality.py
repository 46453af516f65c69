"""Is the modality taken from the user, else from the file or its sidecar, else from the values?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from radsam.errors import VolumeError
from radsam.io.volume_read import read_info, read_volume
from radsam.volume import Modality, ModalitySource

BRIGHT = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) * np.int16(9)


def written(path: Path, values: np.ndarray = BRIGHT, **fields: str) -> Path:
    image = SimpleITK.GetImageFromArray(values)
    for name, value in fields.items():
        image.SetMetaData(name, value)
    SimpleITK.WriteImage(image, str(path))
    return path


def found(path: Path, **how: str) -> tuple[Modality, ModalitySource]:
    volume = read_volume(path, **how)
    described = read_info(path, guess=True, **how)
    assert (described.modality, described.modality_source, described.modality_doubt) == (
        volume.modality.value, volume.modality_source.value, volume.modality_doubt
    )  # fmt: skip
    return volume.modality, volume.modality_source


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_file_that_says_nothing_is_what_its_values_look_like(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"a{suffix}")
    assert found(path) == (Modality.MR, ModalitySource.VALUES)
    assert (read_info(path).modality, read_info(path).modality_source) == ("", "")
    air = written(tmp_path / f"b{suffix}", BRIGHT - np.int16(1024))
    assert found(air) == (Modality.CT, ModalitySource.VALUES)


def test_the_user_is_right(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii")
    (tmp_path / "a.json").write_text(json.dumps({"Modality": "CT"}))
    assert found(path, modality="PET") == (Modality.PET, ModalitySource.GIVEN)
    with pytest.raises(VolumeError, match="no modality 'xray'; give one of ct, mr, pet, other"):
        read_volume(path, modality="xray")


@pytest.mark.parametrize(("code", "expected"), [("MR", Modality.MR), ("PT", Modality.PET), ("US", Modality.OTHER)])
@pytest.mark.parametrize("name", ["sub-01_T1w.nii.gz", "A.NII"])
def test_a_sidecar_of_bids_says_it(tmp_path: Path, name: str, code: str, expected: Modality) -> None:
    path = written(tmp_path / name.lower()).rename(tmp_path / name)
    (tmp_path / f"{name.partition('.')[0]}.json").write_text(json.dumps({"Modality": code}))
    assert found(path) == (expected, ModalitySource.HEADER)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"Modality": 3}', '{"Modality": ""}', "[" * 100_000])
def test_another_json_beside_an_image_is_left_alone(tmp_path: Path, content: str) -> None:
    path = written(tmp_path / "a.nii")
    (tmp_path / "a.json").write_text(content)
    assert found(path) == (Modality.MR, ModalitySource.VALUES)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("MET_MOD_CT", (Modality.CT, ModalitySource.HEADER)),
        ("MET_MOD_MR", (Modality.MR, ModalitySource.HEADER)),
        ("MET_MOD_UNKNOWN", (Modality.MR, ModalitySource.VALUES)),
    ],
)
def test_a_metaimage_has_a_field_for_it(tmp_path: Path, stated: str, expected: tuple[Modality, ModalitySource]) -> None:
    path = written(tmp_path / "a.mha")
    header, _, rest = path.read_bytes().partition(b"ElementType")
    path.write_bytes(header + f"Modality = {stated}\n".encode() + b"ElementType" + rest)
    assert found(path) == expected

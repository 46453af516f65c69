"""Uploads: streamed, limited in size, and checked before they take memory."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from dicom_files import write_series
from phantoms import ball, touching_balls
from radsam.errors import SessionError
from radsam.io.nifti_stream import nifti_chunks
from radsam.io.volume_write import write_volume
from radsam.server.access_tokens import TokenFile
from radsam.server.server_limits import Limits
from radsam.server.uploads import check_session_file
from servers import Served, served


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Served]:
    limits = Limits(upload_bytes=3_000_000, unpacked_bytes=6_000_000, volume_bytes=4_000_000)
    with served(tmp_path, limits=limits, session=False) as it:
        yield it


def upload(web: Served, name: str, content: object) -> tuple[int, dict]:
    response = web.client.post("/api/volumes", params={"filename": name}, content=content)
    return response.status_code, response.json()


def stored(web: Served) -> list[str]:
    """List the folder of uploads."""
    return [str(each) for each in web.service._store.uploads.iterdir()]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_an_upload_can_be_worked_on_and_removed(web: Served, tmp_path: Path, suffix: str) -> None:
    import SimpleITK as sitk

    path = tmp_path / f"up{suffix}"
    if suffix == ".mha":
        sitk.WriteImage(sitk.ReadImage(str(web.path)), str(path), useCompression=True)
    else:
        write_volume(touching_balls().volume, path)
    status, volume = upload(web, f"C:\\patients\\../Doe {suffix}", path.read_bytes())
    assert (status, volume["source"], volume["name"]) == (201, "upload", f"Doe {suffix}")
    shown = web.client.get(f"/api/volumes/{volume['id']}").json()
    assert shown["shape_ijk"] == [30, 28, 26]
    image = web.client.get(f"/api/volumes/{volume['id']}/image.nii")
    assert len(image.content) == 352 + 2 * 30 * 28 * 26
    again = web.client.get(f"/api/volumes/{volume['id']}/image.nii", headers={"if-none-match": image.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    web.session = web.client.post("/api/sessions", json={"volume": volume["id"]}).json()["id"]
    web.segment()
    assert str(tmp_path).encode() not in web.client.get(web.url("/export"), params={"format": "session"}).content
    assert web.client.delete(f"/api/volumes/{volume['id']}").status_code == 204
    assert stored(web) == []
    assert web.client.get("/api/sessions").json() == []
    assert web.client.delete(f"/api/volumes/{web.volume}").status_code == 409  # it is not an upload


def test_uploads_survive_a_restart(web: Served, tmp_path: Path) -> None:
    _, volume = upload(web, "a.nii.gz", web.path.read_bytes())
    (web.service._store.uploads / "half").mkdir()  # as a crash leaves it
    web.client.__exit__(None, None, None)
    with served(tmp_path, session=False) as again:
        assert volume["id"] in [each["id"] for each in again.client.get("/api/volumes").json()]
        assert len(stored(again)) == 1
    web.client.__enter__()


def test_a_zip_of_dicom(web: Served, tmp_path: Path) -> None:
    write_series(tmp_path / "series", ball("anisotropic").volume.values)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in enumerate(sorted((tmp_path / "series").iterdir())):
            archive.writestr(f"../../../escape/{number}.dcm", path.read_bytes())
        archive.writestr("../readme.txt", "not DICOM")
    status, volume = upload(web, "scan.zip", packed.getvalue())
    assert status == 201, volume
    assert web.client.get(f"/api/volumes/{volume['id']}").json()["dicom"] is True
    assert not (tmp_path / "escape").exists()
    web.session = web.client.post("/api/sessions", json={"volume": volume["id"]}).json()["id"]
    web.segment(prompt={"point": [20, 18, 4]}, bounds=[3, 5])
    for file_format in ("seg", "rtstruct"):
        response = web.client.get(web.url("/export"), params={"format": file_format})
        assert response.status_code == 200, response.text
        assert response.content[128:132] == b"DICM"


def zip_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def two_series(folder: Path) -> bytes:
    """A zip of two series, of 8 and of 6 slices."""

    def named(description: str, number: int) -> Callable[[int, FileDataset], None]:
        return lambda _, image: image.update({"SeriesDescription": description, "SeriesNumber": number})

    hu = ball("anisotropic").volume.values
    write_series(folder / "a", hu, edit=named("arterial", 2))
    write_series(folder / "b", hu[:6], edit=named("venous", 3))
    files = sorted((folder / "a").iterdir()) + sorted((folder / "b").iterdir())
    return zip_of(**{f"{each.parent.name}/{each.name}": each.read_bytes() for each in files})


def test_an_upload_goes_with_all_its_series_and_their_sessions(web: Served, tmp_path: Path) -> None:
    status, _ = upload(web, "scan.zip", two_series(tmp_path))
    assert status == 201
    (listed,) = web.client.get("/api/uploads").json()
    series = [each for each in web.client.get("/api/volumes").json() if each["upload"] == listed["id"]]
    assert [each["id"] for each in series] == listed["volumes"]
    assert len(series) == 2
    assert 0 < sum(each["bytes"] for each in series) <= listed["bytes"]
    for each in series:
        assert web.client.post("/api/sessions", json={"volume": each["id"]}).status_code == 201
    assert web.client.delete(f"/api/uploads/{listed['id']}").status_code == 204
    assert stored(web) == []
    assert web.client.get("/api/uploads").json() == web.client.get("/api/sessions").json() == []
    assert [each["id"] for each in web.client.get("/api/volumes").json()] == [web.volume]
    gone = web.client.delete(f"/api/uploads/{listed['id']}")
    assert (gone.status_code, gone.json()["error"]["message"][:18]) == (404, "There is no upload")


def test_an_upload_that_can_no_longer_be_read_is_listed_and_can_be_deleted(web: Served, tmp_path: Path) -> None:
    assert upload(web, "a.nii.gz", web.path.read_bytes())[0] == 201
    web.client.__exit__(None, None, None)
    (path,) = (tmp_path / "state" / "uploads").glob("*/volume.nii.gz")
    path.write_bytes(b"no longer a volume")
    with served(tmp_path, session=False) as again:
        (listed,) = again.client.get("/api/uploads").json()
        assert (listed["name"], listed["volumes"]) == ("a.nii.gz", [])
        assert again.client.delete(f"/api/uploads/{listed['id']}").status_code == 204
        assert stored(again) == []
    web.client.__enter__()


def test_uploads_of_another_user_do_not_exist(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    ada, bob = (tokens.add(each) for each in ("ada", "bob"))
    with served(tmp_path, authenticator=tokens, token=ada, session=False) as web:
        assert upload(web, "a.nii.gz", web.path.read_bytes())[0] == 201
        (mine,) = web.client.get("/api/uploads").json()
        other = {"authorization": f"Bearer {bob}"}
        assert web.client.get("/api/uploads", headers=other).json() == []
        assert web.client.delete(f"/api/uploads/{mine['id']}", headers=other).status_code == 404
        assert web.client.get("/api/uploads").json() == [mine]


def damaged_files(whole: bytes, folder: Path) -> dict[str, bytes]:
    """Files whose headers are whole and whose voxels are not."""
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    write_volume(touching_balls().volume, folder / "whole.nrrd")
    nrrd = (folder / "whole.nrrd").read_bytes()
    slices = {}
    write_series(folder / "series", ball("anisotropic").volume.values)
    for path in sorted((folder / "series").iterdir()):
        image = pydicom.dcmread(path)
        image.file_meta.TransferSyntaxUID = JPEG2000Lossless
        image.PixelData = encapsulate([b"not a picture" * 40])
        image["PixelData"].is_undefined_length = True
        written = io.BytesIO()
        image.save_as(written)
        slices[path.name] = written.getvalue()
    return {
        "cut.nii.gz": whole[: len(whole) // 2],
        "short.nii.gz": gzip.compress(gzip.decompress(whole)[:9_000]),
        "cut.nrrd": nrrd[: 3 * len(nrrd) // 4],
        "undecodable.zip": zip_of(**slices),
    }


def test_a_file_with_damaged_voxels_is_refused_and_removed(web: Served, tmp_path: Path) -> None:
    for name, content in damaged_files(web.path.read_bytes(), tmp_path).items():
        status, response = upload(web, name, content)
        assert status == 422, name
        assert "damaged" in response["error"]["message"]
        assert str(tmp_path) not in response["error"]["message"]
        assert stored(web) == []
    assert [each["id"] for each in web.client.get("/api/volumes").json()] == [web.volume]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "a.zip is an empty zip"),
        ({"__MACOSX/._a": b"x"}, "a.zip holds no DICOM file, only ._a. Upload a zip of the folder"),
        ({"a/readme.txt": b"x", "b.csv": b"y"}, "a.zip holds no DICOM file, only readme.txt, b.csv. Upload a zip"),
        ({"a/ct.nii.gz": b"x"}, "only ct.nii.gz. Unpack it and upload ct.nii.gz itself"),
    ],
)
def test_a_zip_without_dicom_says_what_it_holds(web: Served, files: dict[str, bytes], words: str) -> None:
    status, response = upload(web, "a.zip", zip_of(**files))
    assert status == 422
    assert words in response["error"]["message"]
    assert "folder is empty" not in response["error"]["message"]
    assert stored(web) == []


def nifti(shape: tuple[int, int, int], data: bytes = b"") -> bytes:
    head = bytearray(next(nifti_chunks(touching_balls().volume)))
    struct.pack_into("<8h", head, 40, 3, *shape, 1, 1, 1, 1)
    return bytes(head) + data


def test_a_header_beyond_the_limits_is_refused_before_any_memory_is_allocated(web: Served) -> None:
    tracemalloc.start()
    try:
        status, response = upload(web, "huge.nii.gz", gzip.compress(nifti((30_000, 30_000, 30_000))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 413
    assert "30000×30000×30000 voxels" in response["error"]["message"]
    assert peak < 8_000_000
    assert stored(web) == []


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_data_that_unpack_to_more_than_their_header_declares_are_refused(web: Served, suffix: str) -> None:
    zeros = bytes(200_000_000)
    if suffix == ".nii.gz":
        bomb = gzip.compress(nifti((30, 28, 26), zeros), 1)
    elif suffix == ".nrrd":
        head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 30 28 26\nendian: little\nencoding: gzip\n"
        space = "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n"
        bomb = (head + space).encode() + gzip.compress(zeros, 1)
    else:
        import zlib

        head = (
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = True\n"
        )
        data = zlib.compress(zeros, 1)
        more = f"CompressedDataSize = {len(data)}\nDimSize = 30 28 26\nElementType = MET_SHORT\n"
        more += "ElementSpacing = 1 1 1\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"
        bomb = (head + more + "ElementDataFile = LOCAL\n").encode() + data
    assert len(bomb) < 3_000_000
    status, response = upload(web, f"bomb{suffix}", bomb)
    assert status in (413, 422), response
    assert "declares" in response["error"]["message"]
    assert stored(web) == []


def test_a_zip_bomb_is_refused(web: Served) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(20_000_000))
    status, response = upload(web, "bomb.zip", packed.getvalue())
    assert (status, response["error"]["kind"]) == (413, "limit")
    # A zip with a false size is unpacked up to that size only.
    lying = packed.getvalue().replace(struct.pack("<I", 20_000_000), struct.pack("<I", 1000))
    status, response = upload(web, "lying.zip", lying)
    assert status == 422, response
    assert stored(web) == []


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("a.exe", b"MZ", 415, "upload .nii, .nii.gz"),
        ("a.nii", b"", 422, "empty"),
        ("a.nii.gz", b"not gzip at all", 422, "damaged"),
        ("a.zip", b"PK\x03\x04 broken", 422, "damaged"),
        ("a.nrrd", b"NRRD0004\ntype: short\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n"
                   b"data file: /etc/passwd\n\n", 422, ""),
        ("a.mha", b"ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
                  b"ElementDataFile = ../../../etc/passwd\n", 422, "outside its folder"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_a_volume_is_refused_and_removed(
    web: Served, name: str, content: bytes, status: int, words: str
) -> None:
    found, response = upload(web, name, content)
    assert found == status, response
    assert words in response["error"]["message"]
    assert str(web.service._store.folder) not in response["error"]["message"]
    assert stored(web) == []
    assert len(web.client.get("/api/volumes").json()) == 1


def test_a_too_long_body_is_refused_announced_or_not(web: Served) -> None:
    status, response = upload(web, "a.nii", bytes(4_000_000))
    assert (status, response["error"]["kind"]) == (413, "limit")
    status, response = upload(web, "a.nii", (bytes(100_000) for _ in range(40)))
    assert (status, response["error"]["kind"]) == (413, "limit")
    assert stored(web) == []


def test_a_volume_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    from radsam.server.server_errors import TooLargeError

    with pytest.raises(TooLargeError, match=r"ct\.nii\.gz takes"), served(tmp_path, limits=Limits(volume_bytes=10_000)):
        pass


def test_memory_for_volumes_is_bounded(tmp_path: Path) -> None:
    size = touching_balls().volume.values.nbytes
    with served(tmp_path, limits=Limits(cache_bytes=int(2.5 * size))) as web:
        ids = []
        for number in range(4):
            hu = web.scene.volume.values + np.int16(number)
            path = tmp_path / f"{number}.nii.gz"
            write_volume(type(web.scene.volume)(hu, web.scene.volume.geometry), path)
            ids.append(upload(web, path.name, path.read_bytes())[1]["id"])
        for each in ids:
            assert web.client.get(f"/api/volumes/{each}/image.nii").status_code == 200
            assert web.service.volumes.bytes <= 2.5 * size
        # The volume of the open session stays in memory; a second one fits, a third does not.
        statuses = [web.client.post("/api/sessions", json={"volume": each}).status_code for each in ids[:2]]
        assert statuses == [201, 503]


def test_notes_say_what_a_file_does_not_state(web: Served, tmp_path: Path) -> None:
    path = tmp_path / "ct.nrrd"
    write_volume(ball().volume, path)
    whole = path.read_bytes()
    assert upload(web, "good.nrrd", whole)[1]["notes"] == []
    head, gap, voxels = whole.partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.startswith((b"space", b"kinds"))]
    status, row = upload(web, "unplaced.nrrd", b"\n".join(lines) + gap + voxels)
    assert status == 201
    size, orientation = row["notes"]
    assert size.startswith("unplaced.nrrd does not state the size of its voxels")
    assert orientation.startswith("unplaced.nrrd does not state the orientation")
    assert str(tmp_path) not in size + orientation
    assert web.client.get(f"/api/volumes/{row['id']}").json()["notes"] == row["notes"]
    assert row in web.client.get("/api/volumes").json()


def test_a_session_file_with_damaged_bytes_is_refused_or_whole(tmp_path: Path) -> None:
    masks = io.BytesIO()
    np.savez_compressed(masks, runs=np.arange(200, dtype=np.uint32))
    path = tmp_path / "s.radsam"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("session.json", '{"edits": []}')
        archive.writestr("masks.npz", masks.getvalue())
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            check_session_file(path, Limits(), touching_balls().volume.geometry)
        except SessionError:
            refused += 1
    assert refused > len(whole) / 10

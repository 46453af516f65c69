"""MONAI Label's original client with our server: whole segmentations, and refused requests.

The client is one file of the package `monailabel`, whose other parts need torch and much else: pip downloads the
wheel, and that file alone is taken out of it. `RADSAM_MONAILABEL_WHEEL` may name a wheel that is there already.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest

from dicom_files import write_series
from front_ends import TOKEN, Listening, command_line_mask, listening
from radsam.io.volume_read import read_labels
from radsam.io.volume_write import write_labels
from radsam.session.edit_request import CorrectionRequest, StartFromMaskRequest
from radsam.volume import LabelVolume, Scribble, SparseMask

# The client leaves its connections and files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

_FILE = "monailabel/client/client.py"
ROI = [3, 15, 7, 20, 8, 18]
LINE = ("--slice", 13, "--box", 3, 7, 15, 20, "--bounds", 8, 18)
CLICK = [5, 14, 13]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    if sys.version_info >= (3, 13):
        pytest.skip("MONAI Label's client needs the module cgi, which Python 3.13 has no more")
    pytest.importorskip("requests", reason="MONAI Label's client needs requests")
    folder = tmp_path_factory.mktemp("monailabel")
    given = os.environ.get("RADSAM_MONAILABEL_WHEEL")
    if given is None:
        line = (sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(folder), "monailabel==0.8.5")
        try:
            subprocess.run(line, check=True, capture_output=True)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"monailabel cannot be downloaded: {error}")
        (given,) = map(str, folder.glob("*.whl"))
    with zipfile.ZipFile(given) as wheel:
        (folder / "client.py").write_bytes(wheel.read(_FILE))
    spec = importlib.util.spec_from_file_location("monailabel_client", folder / "client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of cgi
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("monai")) as it:
        yield it


@pytest.fixture
def client(original: ModuleType, web: Listening, tmp_path: Path) -> Any:
    return original.MONAILabelClient(web.url, tmpdir=str(tmp_path), client_id="ada")


def mask_in(path: str) -> np.ndarray:
    return np.asarray(read_labels(path).ids > 0)


def test_masks_of_the_original_client_equal_the_command_lines(client: Any, web: Listening, tmp_path: Path) -> None:
    assert not client.auth_enabled()
    info = client.info()
    assert info["models"]["radsam"]["dimension"] == 3
    sample = client.next_sample("next", {})
    assert sample["name"] == "ct.nii.gz"
    image = httpx.get(f"{web.url}/datastore/image", params={"image": sample["id"]})
    assert image.content == web.path.read_bytes()

    params = {"label": "right", "roi": ROI, "foreground": [], "background": []}
    file, found = client.infer("radsam", sample["id"], dict(params))
    first = mask_in(file)
    assert found["label_names"] == {"right": 1}
    np.testing.assert_array_equal(first, command_line_mask(web.path, tmp_path, *LINE))

    file, _ = client.infer("radsam", sample["id"], params | {"background": [CLICK]})
    corrected = mask_in(file)
    assert first[13, 14, 5]
    assert not corrected[13, 14, 5]
    np.testing.assert_array_equal(corrected, command_line_mask(web.path, tmp_path, *LINE, "--fix-not", *CLICK))

    file, found = client.infer("radsam", sample["id"], dict(params))  # the click was removed in the viewer
    np.testing.assert_array_equal(mask_in(file), first)
    (session,) = web.service.session_rows("local")  # one session for all of it, which the page lists
    assert session["id"] == found["session"]

    client.save_label(sample["id"], file, params={})
    datastore = client.datastore()
    assert list(datastore["objects"][sample["id"]]["labels"]) == ["final"]
    np.testing.assert_array_equal(mask_in(client.download_label(sample["id"], "final")), first)
    assert client.info()["datastore"]["completed"] == 1
    assert client.next_sample("next", {}) == {}


def test_clicks_start_and_correct(client: Any, web: Listening, tmp_path: Path) -> None:
    click = [[8, 14, 13]]
    file, _ = client.infer("radsam", "ct", {"label": "clicked", "foreground": click, "background": []})
    expected = command_line_mask(web.path, tmp_path, "--slice", 13, "--point", 8, 14)
    np.testing.assert_array_equal(mask_in(file), expected)
    file, _ = client.infer("radsam", "ct", {"label": "clicked", "foreground": click, "background": [CLICK]})
    expected = command_line_mask(web.path, tmp_path, "--slice", 13, "--point", 8, 14, "--fix-not", *CLICK)
    np.testing.assert_array_equal(mask_in(file), expected)


def test_the_request_of_ohifs_extension_gets_voxels_that_its_reader_takes(web: Listening, tmp_path: Path) -> None:
    """As `scripts/try_ohif.py` records it: no label, and the answer's bytes are the viewer's label map."""
    params = {"foreground": [[8, 14, 13]], "background": [], "result_extension": ".nrrd", "result_dtype": "uint8"}
    params |= {"result_compress": False, "restore_label_idx": False}
    answer = httpx.post(
        f"{web.url}/infer/radsam",
        params={"image": "ct.nii.gz", "output": "image"},
        files={"params": (None, json.dumps(params))},  # a form of several parts, as FormData makes it
        timeout=None,
    )
    assert answer.status_code == 200
    head, _, voxels = answer.content.partition(b"\n\n")
    assert {b"encoding: raw", b"type: unsigned char", b"dimension: 3"} <= {*head.splitlines()}
    mask = np.frombuffer(voxels, np.uint8).reshape(web.scene.volume.values.shape)
    expected = command_line_mask(web.path, tmp_path, "--slice", 13, "--point", 8, 14)
    np.testing.assert_array_equal(mask, expected)


def test_one_slice_alone(client: Any, web: Listening) -> None:
    before = web.service.session_rows("local")
    params = {"label": "slice", "foreground": [[8, 14, 13], [8, 14, 11]], "background": [], "slice": 13}
    file, found = client.infer("radsam-slice", "ct.nii.gz", params)
    mask = mask_in(file)
    assert found["slice"] == 13
    assert list(np.flatnonzero(mask.any(axis=(1, 2)))) == [13]
    sessions = {each["id"]: each for each in web.service.session_rows("local")}
    assert "slice" not in [o["name"] for o in web.service.state("local", found["session"])["objects"]]
    assert len(sessions) == max(1, len(before))


def test_a_session_starts_with_an_uploaded_image(client: Any, web: Listening) -> None:
    session = client.create_session(str(web.path))["session_id"]
    assert client.get_session(session)["objects"] == []
    file, _ = client.infer("radsam", "", {"label": "right", "roi": ROI}, session_id=session)
    assert mask_in(file).any()
    assert client.get_session(session)["objects"] == ["right"]
    client.remove_session(session)
    response = httpx.get(f"{web.url}/session/{session}")
    assert (response.status_code, "no session" in response.json()["detail"]) == (404, True)


def post(web: Listening, params: str, **query: str) -> httpx.Response:
    files = {"params": (None, params)}
    return httpx.post(f"{web.url}/infer/radsam", params={"image": "ct"} | query, files=files)


def test_each_output(web: Listening, tmp_path: Path) -> None:
    params = '{"label": "right", "roi": [3, 15, 7, 20, 8, 18], "result_extension": ".nrrd", "result_dtype": "uint16", '
    params += '"result_compress": false}'
    assert post(web, params, output="json").json()["label_names"] == {"right": 1}
    response = post(web, params, output="image")
    (tmp_path / "raw.nrrd").write_bytes(response.content)
    assert b"encoding: raw" in response.content[:1000]
    assert b"type: unsigned short" in response.content[:1000]
    assert mask_in(str(tmp_path / "raw.nrrd")).any()
    assert response.headers["content-type"] == "application/octet-stream"
    assert post(web, params).headers["content-type"].startswith("multipart/form-data")
    response = post(web, params, output="dicom_seg")
    assert (response.status_code, "is not a DICOM series" in response.json()["detail"]) == (422, True)


def test_clicks_correct_a_painted_object_and_keep_what_the_page_made(web: Listening) -> None:
    def mask(foreground: list[list[int]], background: list[list[int]]) -> np.ndarray:
        params = {"label": "painted", "foreground": foreground, "background": background}
        found = post(web, json.dumps(params), output="json").json()
        session.append(found["session"])
        return web.service.object_mask("local", found["session"], "painted").result(20)

    session: list[str] = []
    post(web, '{"label": "other", "foreground": [[8, 14, 13]]}', output="json")
    (row, *_) = web.service.session_rows("local")
    voxels = np.zeros(web.scene.volume.values.shape, bool)
    voxels[12:15, 9:20, 2:7] = True
    painted = StartFromMaskRequest(name="painted", mask=SparseMask.of(voxels, 2))
    web.service.edit("local", row["id"], painted).future.result(20)
    stroke = Scribble(voxels_ijk=((8, 12, 12), (8, 16, 12)))
    web.service.edit("local", row["id"], CorrectionRequest(name="painted", points=(stroke,))).future.result(20)
    first = web.service.object_mask("local", row["id"], "painted").result(20)
    assert first[12, 12:17, 8].all()
    clicked = mask([], [CLICK])
    assert session == [row["id"]]
    assert first[13, 14, 5]
    assert not clicked[13, 14, 5]
    assert mask([[4, 10, 13]], [])[13, 14, 5]  # the client has removed its first click, and added another
    state = web.service.state("local", row["id"])
    (shown,) = (each for each in state["objects"] if each["name"] == "painted")
    assert [each["kind"] for each in shown["edits"]] == ["start_from_mask", "correct", "correct"]


@pytest.mark.parametrize(
    ("params", "query", "status", "says"),
    [
        ("{", {}, 422, "needs a JSON object"),
        ("[]", {}, 422, "needs a JSON object"),
        ('{"foreground": 5}', {}, 422, "foreground must be a list"),
        ('{"foreground": [[1, 2]]}', {}, 422, "foreground[0][2] is missing"),
        ('{"foreground": [[1, 2, NaN]]}', {}, 422, "must be a whole number, not nan"),
        ('{"foreground": [[8, 14, 99]]}', {}, 422, "outside the volume"),
        ('{"foreground": [[8, 14, 13]], "background": [[99, 0, 13]]}', {}, 422, "outside the volume"),
        ('{"background": [[8, 14, 13]]}', {}, 422, "starts with a foreground point"),
        ('{"roi": [1, 2, 3]}', {}, 422, "roi[3] is missing"),
        ('{"roi": [90, 95, 7, 20, 8, 18]}', {}, 422, "no voxel inside"),
        ('{"label": 7}', {}, 422, "label must be text"),
        ("{}", {"image": "nobody"}, 404, "There is no image"),
        ("{}", {"output": "png"}, 422, "output must be one of"),
        ('{"foreground": [[8, 14, 13]], "result_extension": ".exe"}', {}, 422, "is not supported"),
        ("{}", {"session_id": "s0"}, 404, "no session"),
    ],
)
def test_an_impossible_request_is_refused(
    web: Listening, params: str, query: dict[str, str], status: int, says: str
) -> None:
    response = post(web, params, **query)
    assert (response.status_code, says in response.json()["detail"]) == (status, True), response.text


def test_labels_of_another_grid_or_kind_are_refused(web: Listening, tmp_path: Path) -> None:
    url = f"{web.url}/datastore/label"

    def put(name: str, content: bytes, **query: str) -> tuple[int, str]:
        files = {"label": (name, content)}
        response = httpx.put(url, params={"image": "ct", "tag": "tried"} | query, files=files)
        return response.status_code, str(response.json().get("detail"))

    geometry = web.scene.volume.geometry
    voxels = np.zeros(geometry.shape_kji, np.uint8)
    assert put("label.bin", voxels.tobytes())[0] == 200
    status, says = put("label.bin", voxels.tobytes()[:-1])
    assert (status, "voxels" in says) == (422, True)
    moved = type(geometry)(geometry.shape_kji, geometry.affine_lps + np.eye(4, k=3))
    write_labels(LabelVolume(voxels, moved), tmp_path / "moved.nii.gz")
    status, says = put("moved.nii.gz", (tmp_path / "moved.nii.gz").read_bytes())
    assert (status, "is not the volume's" in says) == (422, True)
    assert put("label.nii.gz", b"no image")[0] == 422
    assert put("label.exe", b"")[0] == 422
    assert put("label.bin", voxels.tobytes(), tag="../up")[0] == 422
    assert httpx.put(url, params={"image": "ct"}).status_code == 422
    assert httpx.get(url, params={"label": "ct", "tag": "never"}).status_code == 404


def test_the_token_is_the_password(original: ModuleType, tmp_path: Path) -> None:
    with listening(tmp_path, token=True) as web:
        client = original.MONAILabelClient(web.url)
        assert client.auth_enabled()
        with pytest.raises(original.MONAILabelClientException):
            client.info()
        with pytest.raises(original.MONAILabelClientException):
            client.auth_token("ada", "wrong")
        client.update_auth(client.auth_token("ada", TOKEN))
        assert client.auth_valid_token()
        assert client.info()["name"] == "RadSAM"


def test_a_dicom_series_is_found_by_its_uid_and_gets_a_seg(tmp_path: Path) -> None:
    from phantoms import touching_balls

    folder = tmp_path / "series"
    write_series(folder, touching_balls().volume.values)
    uid = str(pydicom.dcmread(next(folder.rglob("*.dcm"))).SeriesInstanceUID)
    with listening(tmp_path, given=[folder]) as web:
        response = post(web, '{"roi": [3, 15, 7, 20, 8, 18]}', image=uid, output="dicom_seg")
        assert response.status_code == 200, response.text
        (tmp_path / "seg.dcm").write_bytes(response.content)
        assert pydicom.dcmread(tmp_path / "seg.dcm").Modality == "SEG"

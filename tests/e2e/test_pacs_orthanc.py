"""A real PACS: Orthanc with its DICOMweb plug-in, on loopback, with logins and a database of its own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
import pytest

pytest.importorskip("dicomweb_client", reason="needs the extra dicom")

from command_line import CommandLine, PhantomFile, Target
from dicom_files import check_with_dciodvfy, ct_values, write_series
from pacs_servers import PATIENT, PATIENT_ID, write_patient
from radsam.errors import PacsError
from radsam.io.pacs.fetch_files import fetch_files
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.io.pacs.pacs_connection import connect
from radsam.io.volume_read import read_labels, read_volume
from waiting import HANG_SECONDS

pytestmark = pytest.mark.slow

LOGIN = "radsam-test"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass
class Orthanc:
    """A process of Orthanc and where it listens."""

    folder: Path
    web_port: int
    dimse_port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def web(self) -> str:
        return f"dicomweb://127.0.0.1:{self.web_port}/dicom-web"

    @property
    def dimse(self) -> str:
        return f"dimse://127.0.0.1:{self.dimse_port}/ORTHANC"

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [_program(), "config.json"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        end = time.monotonic() + HANG_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.web_port)) == 0:
                    return
            time.sleep(0.05)
        self.stop()
        pytest.skip(f"Orthanc did not start: {(self.folder / 'log').read_text()[-300:]}")

    def stop(self, *, kill: bool = False) -> None:
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait()
            self.process = None


def _program() -> str:
    found = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if found is None or not PLUGIN.exists():
        pytest.skip("Orthanc is not installed (Debian: apt-get install orthanc orthanc-dicomweb)")
    return found


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    _program()
    folder = tmp_path_factory.mktemp("orthanc")
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        pacs = Orthanc(folder, first.getsockname()[1], second.getsockname()[1])
    config = {
        "Name": "radsam-test",
        "StorageDirectory": "db",
        "IndexDirectory": "db",
        "RemoteAccessAllowed": False,
        "HttpPort": pacs.web_port,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {LOGIN: LOGIN},
        "DicomServerEnabled": True,  # without a check of the caller: for the DIMSE tests only
        "DicomPort": pacs.dimse_port,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    pacs.start()
    yield pacs
    pacs.stop()


@pytest.fixture(autouse=True)
def _login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RADSAM_PACS_USER", LOGIN)
    monkeypatch.setenv("RADSAM_PACS_PASSWORD", LOGIN)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


@pytest.fixture(scope="module")
def abdomen(shared_data: Path) -> Path:
    """20 JPEG 2000 slices whose UIDs an anonymiser emptied."""
    return shared_data / "dicom" / "abdomen_jpeg2000"


def stored(run: CommandLine, orthanc: Orthanc, folder: Path, *options: str) -> str:
    """Store a folder; return the URL of its CT series."""
    put = run.here("pacs", "put", orthanc.web, folder, *options, "--json", cwd=folder).done().json
    return str(put["series"][0])


def test_a_real_series_comes_back_as_it_was_over_both_protocols(
    run_radsam: CommandLine, orthanc: Orthanc, abdomen: Path, tmp_path: Path
) -> None:
    url = stored(run_radsam, orthanc, abdomen, "--assign-uids")
    assert "no SOPClassUID" in run_radsam.here("pacs", "put", orthanc.web, abdomen, cwd=tmp_path).stderr
    study = url.partition("/series/")[0]
    (series,) = run_radsam.here("pacs", "find", study, "--json", cwd=tmp_path).done().json["found"]
    assert (series["url"], series["modality"], series["instances"]) == (url, "CT", 20)
    pixels = sorted(pydicom.dcmread(each).PixelData for each in abdomen.iterdir())
    for name, at in (("web", url), ("dimse", url.replace(orthanc.web, orthanc.dimse))):
        got = run_radsam.here("pacs", "get", at, "-o", name, "--json", cwd=tmp_path).done().json
        assert (got["instances"], got["new"]) == (20, 20)
        files = [pydicom.dcmread(each) for each in (tmp_path / name).iterdir()]
        assert {each.file_meta.TransferSyntaxUID.name for each in files} == {
            "JPEG 2000 Image Compression (Lossless Only)"
        }
        assert sorted(each.PixelData for each in files) == pixels
    np.testing.assert_array_equal(read_volume(tmp_path / "web").values, read_volume(abdomen).values)


def test_a_real_organ_is_segmented_by_url_as_it_is_from_nifti(
    run_radsam: CommandLine, orthanc: Orthanc, abdomen: Path, shared_data: Path, lite_bundle: Path, tmp_path: Path
) -> None:
    case = shared_data / "ct" / "abdomen_2mm_organs"
    spleen = read_labels(case / "seg.nii.gz").ids == 1
    target = Target.of(spleen)
    low, high = target.k, min(target.k + 1, target.bounds[1])
    line = ("--slice", target.k, "--box", *target.box, "--bounds", low, high, "--model", lite_bundle)
    run_radsam.here("segment", case / "ct.nii.gz", *line, "-o", "nifti.nii.gz", cwd=tmp_path).done()
    nifti = read_labels(tmp_path / "nifti.nii.gz")
    # The two files may be stored in different orders: the same places in mm.
    url = stored(run_radsam, orthanc, abdomen, "--assign-uids")
    ct = read_volume(case / "ct.nii.gz").geometry
    grid = read_volume(abdomen).geometry
    corners = [(target.box[0], target.box[1], low), (target.box[2], target.box[3], high)]
    first, last = (
        np.rint(grid.mm_to_index(ct.index_to_mm(np.array(each, np.float64)))).astype(int) for each in corners
    )
    middle = int(np.rint(grid.mm_to_index(ct.index_to_mm(np.array((0, 0, target.k), np.float64)))[2]))
    (i0, j0, k0), (i1, j1, k1) = np.minimum(first, last), np.maximum(first, last)
    line = ("--slice", middle, "--box", i0, j0, i1, j1, "--bounds", k0, k1, "--model", lite_bundle)
    run_radsam.here("segment", url, *line, "-o", "pacs.nii.gz", cwd=tmp_path).done()
    pacs = read_labels(tmp_path / "pacs.nii.gz")
    inside = np.argwhere(pacs.ids > 0)[:, ::-1].astype(np.float64)
    back = np.rint(ct.mm_to_index(grid.index_to_mm(inside))).astype(int)
    same = np.zeros_like(nifti.ids, dtype=bool)
    same[back[:, 2], back[:, 1], back[:, 0]] = True
    np.testing.assert_array_equal(same, nifti.ids > 0)
    slices = slice(low, high + 1)
    both = (same[slices] & spleen[slices]).sum()
    assert 2 * both / (same[slices].sum() + spleen[slices].sum()) > 0.8
    assert not list(run_radsam.cache.glob("series/*/*.nii*"))
    # To the PACS and back, as DICOM: the same voxels, filed with the images.
    for kind in ("seg", "rtstruct"):
        written = tmp_path / f"{kind}.dcm"
        line_of_kind = ("segment", url, *line, "--name", "spleen", "--format", kind, "-o", written)
        run_radsam.here(*line_of_kind, cwd=tmp_path).done()
        check_with_dciodvfy(written)
        put = run_radsam.here("pacs", "put", orthanc.web, written, "--json", cwd=tmp_path).done().json
        assert put["series"][0].partition("/series/")[0] == url.partition("/series/")[0]
        run_radsam.here("pacs", "get", put["series"][0], "-o", f"{kind}-back", cwd=tmp_path).done()
        run_radsam.here("pacs", "get", url, "-o", f"{kind}-ct", cwd=tmp_path).done()
        (back,) = (tmp_path / f"{kind}-back").iterdir()
        found = read_labels(back, on=read_volume(tmp_path / f"{kind}-ct"))
        np.testing.assert_array_equal(found.ids > 0, pacs.ids > 0)


def test_contours_of_a_patient_go_there_and_back(
    run_radsam: CommandLine, orthanc: Orthanc, shared_data: Path, tmp_path: Path
) -> None:
    lung = shared_data / "dicom" / "lung_rtstruct"
    put = run_radsam.here("pacs", "put", orthanc.dimse, lung, "--json", cwd=tmp_path).done().json
    assert (put["stored"], len(put["series"])) == (45, 2)
    study = put["series"][0].partition("/series/")[0].replace(orthanc.dimse, orthanc.web)
    shown = run_radsam.here("pacs", "find", orthanc.web, "--patient-id", "113_HM10395", cwd=tmp_path).done()
    assert "CT/RTSTRUCT" in shown.stdout
    assert "113_HM10395" not in shown.stdout
    run_radsam.here("pacs", "get", study, "-o", "got", cwd=tmp_path).done()
    (contours,) = [each for each in (tmp_path / "got").rglob("*.dcm") if pydicom.dcmread(each).Modality == "RTSTRUCT"]
    assert pydicom.dcmread(contours).ROIContourSequence == pydicom.dcmread(lung / "RTSTRUCT.dcm").ROIContourSequence


def test_logins_and_uids_that_it_does_not_know(
    run_radsam: CommandLine, orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (orthanc.web, orthanc.dimse):
        unknown = run_radsam.here("pacs", "get", f"{url}/studies/9.9/series/9.9", "-o", "got", cwd=tmp_path)
        assert (unknown.returncode, "has nothing at" in unknown.stderr) == (3, True), unknown.stderr
    wrong = run_radsam.here("pacs", "find", orthanc.web.replace("dicom-web", "nowhere"), cwd=tmp_path)
    assert wrong.returncode == 3
    title = run_radsam.here("pacs", "find", orthanc.dimse.replace("ORTHANC", "OTHER"), cwd=tmp_path)
    assert (title.returncode, "AE titles" in title.stderr) == (3, True), title.stderr
    monkeypatch.setenv("RADSAM_PACS_PASSWORD", "wrong")
    refused = run_radsam.here("pacs", "find", orthanc.web, cwd=tmp_path)
    assert (refused.returncode, "refused the login" in refused.stderr) == (3, True)
    monkeypatch.delenv("RADSAM_PACS_USER")
    monkeypatch.delenv("RADSAM_PACS_PASSWORD")
    refused = run_radsam.here("pacs", "find", orthanc.web, cwd=tmp_path)
    assert (refused.returncode, "needs a login" in refused.stderr) == (3, True)


@pytest.mark.parametrize("protocol", ["web", "dimse"])
def test_what_was_fetched_from_a_pacs_that_dies_is_used_when_it_lives_again(
    run_radsam: CommandLine, orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setenv("RADSAM_PACS_ATTEMPTS", "2")
    one_study = pydicom.uid.generate_uid()
    write_series(
        tmp_path / "ct",
        ct_values((40, 16, 16)),
        edit=lambda _, dataset: setattr(dataset, "StudyInstanceUID", one_study),
    )
    url = stored(run_radsam, orthanc, tmp_path / "ct").replace(orthanc.web, getattr(orthanc, protocol))
    folder = tmp_path / "got"

    def die(done: int, total: int | None) -> None:
        if done == 5:
            orthanc.stop(kill=True)

    with connect(PacsAddress.parse(url)) as server, pytest.raises(PacsError, match=r"of 40 images are in"):
        fetch_files(server, folder, progress=die)
    there = {each: each.stat().st_mtime_ns for each in folder.iterdir()}
    assert 5 <= len(there) < 40
    orthanc.start()
    with connect(PacsAddress.parse(url)) as server:
        done = fetch_files(server, folder)
    assert (done.instances, done.new) == (40, 40 - len(there))
    assert all(each.stat().st_mtime_ns == when for each, when in there.items())
    np.testing.assert_array_equal(read_volume(folder).values, read_volume(tmp_path / "ct").values)


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_a_result_goes_there_and_back(
    run_radsam: CommandLine, orthanc: Orthanc, tiny_bundle: Path, phantom_ct: PhantomFile, tmp_path: Path, kind: str
) -> None:
    write_patient(tmp_path / "ct", phantom_ct.phantom.volume.values[12:16])
    url = stored(run_radsam, orthanc, tmp_path / "ct")
    line = ("segment", url, "--slice", 2, "--box", 57, 15, 70, 38, "--bounds", 1, 3, "--model", tiny_bundle)
    run_radsam.here(*line, "-o", "mask.nii.gz", cwd=tmp_path).done()
    run_radsam.here(*line, "-o", "result.dcm", "--format", kind, cwd=tmp_path).done()
    result = pydicom.dcmread(tmp_path / "result.dcm")
    # Its patient comes from the PACS, although the series cache has none.
    assert (result.PatientName, result.PatientID) == (PATIENT, PATIENT_ID)
    put = run_radsam.here("pacs", "put", orthanc.web, "result.dcm", "--json", cwd=tmp_path).done().json
    assert put["series"][0].partition("/series/")[0] == url.partition("/series/")[0], "filed with its images"
    run_radsam.here("pacs", "get", put["series"][0], "-o", "back", cwd=tmp_path).done()
    (back,) = (tmp_path / "back").iterdir()
    run_radsam.here("convert", back, "--ct", tmp_path / "ct", "-o", "back.nii.gz", cwd=tmp_path).done()
    mask, again = read_labels(tmp_path / "mask.nii.gz").ids > 0, read_labels(tmp_path / "back.nii.gz").ids > 0
    assert mask.any()
    assert 2 * (mask & again).sum() / (mask.sum() + again.sum()) >= (1.0 if kind == "seg" else 0.99)

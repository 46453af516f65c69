from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import fake_spec
from radsam.errors import BundleError
from radsam.preprocess import Percentiles, Window
from radsam.runtime import Capability, bundle, find_bundle, read_bundle
from radsam.runtime.bundle import installed_bundles, read_spec, weights_folder, write_bundle
from radsam.volume import Geometry, Modality, Volume

ENCODER, DECODER, CARD = b"an encoder", b"a decoder", "# A card\n\n× and – survive.\n"


def written(path: Path, **changes: Any) -> Path:
    write_bundle(path, fake_spec(**changes), ENCODER, DECODER, CARD)
    return path


def redescribe(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change what a bundle folder says of itself."""
    description = json.loads((path / "bundle.json").read_text())
    change(description)
    (path / "bundle.json").write_text(json.dumps(description))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the user's bundles, and none inside the package."""
    folder = tmp_path / "weights"
    monkeypatch.setenv("RADSAM_WEIGHTS", str(folder))
    inside = Path(bundle.__file__).resolve().parent.parent / "weights"
    if inside.is_dir():
        monkeypatch.setattr(
            bundle, "installed_bundles", lambda: (p for p in installed_bundles() if inside not in p.parents)
        )
    return folder


@pytest.mark.parametrize("name", ["folder", "bundle.zip"])
def test_a_written_bundle_is_read(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "new" / name)
    read = read_bundle(path)
    assert read.spec == fake_spec() == read_spec(path)
    assert (read.encoder, read.decoder, read.card, read.path) == (ENCODER, DECODER, CARD, path)
    assert read.spec.can(Capability.EDIT)


def test_a_folder_and_a_zip_of_the_same_model_are_the_same_model(tmp_path: Path) -> None:
    assert read_bundle(written(tmp_path / "a")).sha256 == read_bundle(written(tmp_path / "b.zip")).sha256


def test_another_window_makes_another_model(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a"), written(tmp_path / "b", windows={Modality.CT: Window(-1350.0, 150.0)})
    assert read_bundle(one).sha256 != read_bundle(other).sha256


def test_bundles_that_encode_alike_share_what_they_encoded(tmp_path: Path) -> None:
    one, wider = read_bundle(written(tmp_path / "a")), read_bundle(written(tmp_path / "b", taper=1.0, name="other"))
    assert one.sha256 != wider.sha256
    assert one.encoder_hash == wider.encoder_hash, "the window of a slice is beside it in the key"
    brighter = read_bundle(written(tmp_path / "c", pixel_mean=(0.5, 0.5, 0.5)))
    assert brighter.encoder_hash != one.encoder_hash


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx", "MODEL_CARD.md"])
def test_an_altered_file_is_named_with_both_hashes(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "a")
    (path / name).write_bytes(b"something else")
    with pytest.raises(
        BundleError, match=rf"{name} in .* SHA-256 is [0-9a-f]{{64}}, bundle.json states [0-9a-f]{{64}}"
    ):
        read_bundle(path)


@pytest.mark.parametrize("name", ["bundle.json", "encoder.onnx", "decoder.onnx", "MODEL_CARD.md"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "a")
    (folder / name).unlink()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for each in folder.iterdir():
            archive.write(each, each.name)
    for path in (folder, tmp_path / "a.zip"):
        with pytest.raises(BundleError, match=f"not a complete weights bundle: {name} is missing"):
            read_bundle(path)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes().replace(ENCODER, b"an 3ncod3r"))
    with pytest.raises(BundleError, match=r"encoder\.onnx cannot be read"):
        read_bundle(path)


def test_a_zip_of_a_future_version_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip")
    whole = path.read_bytes()
    at = whole.index(b"PK\x01\x02")
    path.write_bytes(whole[: at + 6] + b"\xba" + whole[at + 7 :])
    with pytest.raises(BundleError, match="cannot be read from"):
        read_bundle(path)


def test_a_path_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist; give the path of a weights bundle"):
        read_bundle(tmp_path / "missing")


def test_a_checkpoint_is_refused_with_the_command_that_converts_it(tmp_path: Path) -> None:
    checkpoint = tmp_path / "lite_medsam.pth"
    checkpoint.write_bytes(b"weights")
    with pytest.raises(BundleError, match=rf"radsam weights convert {checkpoint}"):
        read_bundle(checkpoint)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'"bundle"', b"\xff\xfe", b'{"format": "radsam-bundle"}'])
def test_a_damaged_description_is_refused(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "a")
    (path / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.json in .* is damaged"):
        read_bundle(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=99), "version 99; this program reads version 2 and older ones. Upgrade"),
        (lambda d: d.update(format="other"), "does not describe a RadSAM weights bundle"),
        (lambda d: d.update(files=[]), "does not describe a RadSAM weights bundle"),
        (lambda d: d["files"].pop("encoder.onnx"), "states None"),
        (lambda d: d["spec"].update(colour="blue"), r"unknown \['colour'\]"),
        (lambda d: d["spec"].pop("windows"), r"missing \['windows'\]"),
        (lambda d: d["spec"]["windows"].update(CT={"window": [1, 2, 3]}), "is damaged"),
        (lambda d: d["spec"].update(pixel_mean=[0, 0]), "is damaged|out of range"),
        (lambda d: d["spec"].update(capabilities=["mindreading"]), "is damaged"),
        (lambda d: d["spec"].update(input_size="large"), "is damaged"),
        (lambda d: d["spec"].update(low_res_size=None), "is damaged"),
        (lambda d: d["spec"].update(input_size=1 << 20, low_res_size=1 << 18), "out of range"),
        (lambda d: d["spec"].update(name=[]), "is damaged"),
        (lambda d: d["spec"].update(licence=7), "is damaged"),
        (lambda d: d["spec"].update(model="small"), "is damaged"),
        (lambda d: d["spec"].update(taper=True), "is damaged"),
        (lambda d: d["spec"].update(pixel_mean=[0.0, 0.0, float("nan")]), "out of range"),
        (lambda d: d["spec"]["windows"].update(CT={"window": [-100.0, float("inf")]}), "is damaged"),
    ],
)
def test_an_invalid_description_is_explained(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    path = written(tmp_path / "a")
    redescribe(path, change)
    with pytest.raises(BundleError, match=message):
        read_bundle(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"input_size": 100, "low_res_size": 64},
        {"input_size": 0},
        {"input_size": -64},
        {"low_res_size": 0},
        {"windows": {Modality.MR: Percentiles()}},
        {"pixel_std": (1.0, 0.0, 1.0)},
        {"capabilities": ()},
        {"taper": -0.5},
    ],
)
def test_numbers_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="'fake'"):
        fake_spec(**changes)


@pytest.mark.parametrize("name", ["a", "a.zip"])
def test_an_existing_target_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(BundleError, match="exists already"):
        written(tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["a", "a.zip"])
def test_a_bundle_that_another_process_writes_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make = bundle.tempfile.mkdtemp

    def beside(**where: Any) -> str:
        monkeypatch.setattr(bundle.tempfile, "mkdtemp", make)
        written(tmp_path / name, origin="theirs")
        return make(**where)

    monkeypatch.setattr(bundle.tempfile, "mkdtemp", beside)
    with pytest.raises(BundleError, match="exists already"):
        written(tmp_path / name, origin="ours")
    assert read_spec(tmp_path / name).origin == "theirs"
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a", "a.zip"])
def test_a_full_disk_leaves_nothing_partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(BundleError, match="cannot be written: No space left"):
        written(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_target_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="cannot be written"):
        written(tmp_path / "file" / "a")


def test_a_bundle_is_found_by_its_path_and_by_its_name(weights: Path, tmp_path: Path) -> None:
    folder, zipped, elsewhere = written(weights / "mine"), written(weights / "other.zip"), written(tmp_path / "here")
    (weights / "no-bundle").mkdir()
    assert list(bundle.installed_bundles()) == [folder, zipped]
    assert find_bundle("mine") == folder
    assert find_bundle("other") == zipped
    assert find_bundle(elsewhere) == find_bundle(str(elsewhere)) == elsewhere


def test_the_users_own_bundle_hides_one_of_the_package(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, shipped = weights / "mine", weights.parent / "package" / "mine"
    monkeypatch.setattr(bundle, "installed_bundles", lambda: iter([own, shipped]))
    assert find_bundle("mine") == own


@pytest.fixture
def weights_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package whose entry point says that it holds bundles."""
    site = tmp_path / "site"
    named = {"some_weights-1.dist-info": "some_weights", "gone_weights-1.dist-info": "gone_weights.inside"}
    for name, value in named.items():
        (site / name).mkdir(parents=True)
        (site / name / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name[:-11]}\nVersion: 1\n")
        (site / name / "entry_points.txt").write_text(f"[radsam.weights]\nany-name = {value}\n")
    (site / "some_weights").mkdir()
    (site / "some_weights" / "__init__.py").write_text("raise RuntimeError('a package of weights is not imported')")
    monkeypatch.syspath_prepend(site)
    return site / "some_weights"


def test_bundles_of_installed_packages_are_found(weights: Path, weights_package: Path) -> None:
    """Without a bundle inside RadSAM, the default comes from a package; one that is gone is passed by."""
    with pytest.raises(BundleError, match="radsam-lite-weights"):
        find_bundle()
    default, zipped = written(weights_package / "radsam-lite"), written(weights_package / "other.zip")
    assert find_bundle() == find_bundle("radsam-lite") == default
    assert find_bundle("other") == zipped
    own = written(weights / "radsam-lite")
    assert find_bundle() == own


def test_an_installed_package_comes_before_what_is_inside(monkeypatch: pytest.MonkeyPatch, weights_package: Path):
    monkeypatch.setenv("RADSAM_WEIGHTS", str(weights_package.parent / "none"))
    assert find_bundle() == Path(bundle.__file__).resolve().parent.parent / "weights" / "radsam-lite"
    installed = written(weights_package / "radsam-lite")
    assert find_bundle() == installed


def test_the_default_weights_are_in_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RADSAM_WEIGHTS", str(tmp_path / "none"))
    found = read_bundle(find_bundle())
    assert found.spec.name == "radsam-lite"
    assert all(map(found.spec.can, Capability))
    # What an installation carries, and everyone downloads with it.
    assert sum(each.stat().st_size for each in found.path.iterdir()) < 25e6


def test_the_default_is_the_installed_one_and_no_folder_of_its_name(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(weights / "lite-medsam")
    own = written(weights / "radsam-lite.zip")
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "radsam-lite")
    assert find_bundle() == find_bundle(None) == own
    assert find_bundle("radsam-lite") == Path("radsam-lite")


def test_without_the_default_weights_the_installation_is_at_fault(weights: Path) -> None:
    written(weights / "mine")
    with pytest.raises(BundleError, match=r"no bundle 'radsam-lite'.*: mine\. .*install RadSAM again.*--model"):
        find_bundle()


def test_an_unknown_name_lists_what_there_is_and_the_commands(weights: Path) -> None:
    written(weights / "mine")
    with pytest.raises(
        BundleError, match=r"no bundle 'yours'.*installed ones are: mine\. (?s:.*)radsam weights convert"
    ):
        find_bundle("yours")


def test_the_weights_folder_can_be_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights_folder() == weights
    monkeypatch.delenv("RADSAM_WEIGHTS")
    assert weights_folder().parts[-2:] == ("radsam", "weights")


def test_a_bundle_of_version_1_has_a_window_of_ct_and_the_rules_of_others(tmp_path: Path) -> None:
    path = written(tmp_path / "a")

    def as_before(description: dict[str, Any]) -> None:
        description["version"] = 1
        del description["spec"]["windows"]
        description["spec"]["window_hu"] = [-150.0, 250.0]

    redescribe(path, as_before)
    assert read_bundle(path).spec.windows == {
        Modality.CT: Window(-150.0, 250.0),
        Modality.MR: Percentiles(0.5, 99.5),
        Modality.PET: Window(0.0, 10.0),
        Modality.OTHER: Percentiles(0.5, 99.5),
    }


def test_the_rules_of_a_bundle_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "a", windows={Modality.CT: Window(0.0, 80.0), Modality.PET: Percentiles(1.0, 98.0)})
    windows = read_bundle(path).spec.windows
    assert (windows[Modality.CT], windows[Modality.PET]) == (Window(0.0, 80.0), Percentiles(1.0, 98.0))
    assert windows[Modality.MR] == Percentiles()


def test_each_volume_gets_the_window_of_its_modality() -> None:
    spec, values = fake_spec(), np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    grid = Geometry.from_parts((10, 10, 10), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(3))
    percentiles = Percentiles().window(values)
    assert spec.window_of(Volume(values, grid)) == Window(-160.0, 240.0)
    assert spec.window_of(Volume(values, grid, Modality.MR)) == percentiles
    assert spec.window_of(Volume(values, grid, Modality.OTHER)) == percentiles
    assert spec.window_of(Volume(values, grid, Modality.PET, stated_unit="SUV")) == Window(0.0, 10.0)
    assert spec.window_of(Volume(values, grid, Modality.PET, stated_unit="Bq/ml")) == percentiles

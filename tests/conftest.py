"""Fixtures of all tests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import signature_checks
from durations import pytest_addoption, pytest_terminal_summary

# The package is imported inside the fixtures: only then does pytest check its array shapes.
if TYPE_CHECKING:
    from command_line import CommandLine, PhantomFile

__all__ = ["pytest_addoption", "pytest_terminal_summary"]

signature_checks.install()

# The time of an example depends more on the machine than on the code.
settings.register_profile("radsam", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("radsam")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each process of the suite has a core: more threads of torch wait for each other, in its children, too.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=bool(os.environ.get("RADSAM_TEST_BF16")))
def everything_in_bf16() -> Iterator[None]:
    """Run all tests of this process as on a processor with bf16; see `bf16_machine`."""
    from bf16_machine import make_bf16_machine

    with pytest.MonkeyPatch.context() as patch:
        make_bf16_machine(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def graphs_compiled_once() -> Iterator[None]:
    """Compile each graph once for all tests of this process: of a command with a small model it is most of the time."""
    if find_spec("openvino") is None:
        yield
        return
    import openvino

    from radsam.runtime import openvino_backend, openvino_compile
    from radsam.runtime.backend import usable_cores

    kept: dict[tuple[object, ...], openvino.CompiledModel] = {}

    def compile_once(
        core: openvino.Core, graph: bytes, settings: Mapping[str, object], half: Sequence[str] = ()
    ) -> openvino.CompiledModel:
        key = hashlib.sha256(graph).digest(), str(sorted(settings.items())), *half, usable_cores()
        if key not in kept:
            kept[key] = openvino_compile.compile_graph(core, graph, settings, half)
        return openvino.CompiledModel(kept[key])  # which has a request, and so inputs and outputs, of its own

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_backend, "compile_graph", compile_once)
        yield


@pytest.fixture
def compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile for this test, or read from the cache on disk, as a process of its own would."""
    from radsam.runtime import openvino_backend, openvino_compile

    monkeypatch.setattr(openvino_backend, "compile_graph", openvino_compile.compile_graph)


@pytest.fixture
def bf16_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bf16 for one test: OpenVINO prefers it."""
    from bf16_machine import make_bf16_machine

    make_bf16_machine(monkeypatch)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real labelled CT; it is never part of the repository."""
    folder = Path(os.environ.get("RADSAM_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"no real CT here: {folder} has no manifest.json; set RADSAM_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def lite_bundle() -> Path:
    """The bundle made from LiteMedSAM's weights: a model that finds organs."""
    from radsam.errors import BundleError
    from radsam.runtime.bundle import find_bundle

    try:
        return find_bundle("lite-medsam").resolve()
    except BundleError as error:
        pytest.skip(f"no LiteMedSAM weights here (scripts/setup.sh makes them). {' '.join(str(error).split())}")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small SAM with random weights: it takes every prompt and predicts at once.

    Its masks mean nothing. With this architecture and seed they are not empty, cover
    about a fifth of a slice and change with every prompt.
    """
    from radsam.model.onnx_export import export_graphs
    from radsam.preprocess import Window
    from radsam.runtime.bundle import BundleSpec, Capability, write_bundle
    from radsam.volume import Modality
    from small_models import SMALL_VIT, random_model

    graphs = export_graphs(random_model(SMALL_VIT, seed=3), tmp_path_factory.mktemp("graphs"))
    path = tmp_path_factory.mktemp("bundles") / "tiny"
    spec = BundleSpec(
        name="tiny",
        architecture="small_vit",
        model=SMALL_VIT.to_dict(),
        input_size=SMALL_VIT.input_size,
        low_res_size=SMALL_VIT.low_res_size,
        windows={Modality.CT: Window(-160.0, 240.0)},
        pixel_mean=(0.0, 0.0, 0.0),
        pixel_std=(1.0, 1.0, 1.0),
        capabilities=tuple(Capability),
        licence="Apache-2.0",
        origin="random numbers",
    )
    write_bundle(path, spec, graphs.encoder.read_bytes(), graphs.decoder.read_bytes(), "# tiny\n\nRandom weights.\n")
    return path


@pytest.fixture(scope="session")
def run_radsam(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Run ``radsam`` as a process: ``run_radsam("info", ct, cwd=tmp_path)``.

    No bundle is installed for it, so that tests say which one they use.
    """
    from command_line import CommandLine

    return CommandLine(tmp_path_factory.mktemp("radsam"))


@pytest.fixture(scope="session")
def phantom_ct(tmp_path_factory: pytest.TempPathFactory) -> PhantomFile:
    """The abdominal phantom in a NIfTI file: 80×64×24 voxels of 4.2×4.2×8 mm, oblique, rows running to anterior."""
    from command_line import PhantomFile
    from radsam.data.adapters.phantom import make_phantom
    from radsam.io.volume_write import write_volume

    path = tmp_path_factory.mktemp("phantom") / "ct.nii.gz"
    phantom = make_phantom(shape_ijk=(80, 64, 24), spacing_mm_ijk=(4.2, 4.2, 8.0))
    write_volume(phantom.volume, path)
    return PhantomFile(path, phantom)

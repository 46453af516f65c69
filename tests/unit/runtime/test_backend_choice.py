from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import fake_spec
from radsam.errors import BackendError, InputError, MissingExtraError
from radsam.runtime import Bundle, backend_choice, open_backend

BROKEN = Bundle(fake_spec(), b"no graph", b"no graph", "", "0" * 64, Path("broken"))


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Take a module away."""

    def take(module: str) -> None:
        there = backend_choice.find_spec
        monkeypatch.setattr(backend_choice, "find_spec", lambda name: None if name == module else there(name))

    return take


@pytest.mark.parametrize("name", ["", "tensorrt", "openvino:gpu", "onnx:cuda", "torch:tpu", "OpenVINO"])
def test_an_unknown_backend_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="choose auto or one of openvino, onnx, torch, torch:cpu"):
        open_backend(BROKEN, name)


@pytest.mark.parametrize(("name", "module"), [("onnx", "onnxruntime"), ("torch", "torch"), ("torch:cuda", "torch")])
def test_a_missing_engine_names_an_extra_that_exists(without: Callable[[str], None], name: str, module: str) -> None:
    without(module)
    with pytest.raises(MissingExtraError, match=r"pip install 'radsam\[") as caught:
        open_backend(BROKEN, name)
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert any(each.startswith(module) for each in project["optional-dependencies"][caught.value.extra])


def test_openvino_is_no_extra_and_its_absence_names_the_other_engine(without: Callable[[str], None]) -> None:
    without("openvino")
    with pytest.raises(BackendError, match="choose onnx"):
        open_backend(BROKEN, "openvino")


@pytest.mark.parametrize(("missing", "engine"), [("nothing", "OpenVINO"), ("openvino", "ONNX Runtime")])
def test_auto_takes_openvino_and_else_onnx_runtime(without: Callable[[str], None], missing: str, engine: str) -> None:
    without(missing)
    with pytest.raises(BackendError, match=f"{engine} cannot load bundle 'fake'"):
        open_backend(BROKEN)

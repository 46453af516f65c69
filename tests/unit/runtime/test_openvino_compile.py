"""Does a compiled graph come back as it was, and does damage or a full disk only cost time?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import pytest

from radsam.runtime import Bundle, find_bundle, open_backend, read_bundle
from radsam.runtime.compiled_cache import compiled_cache


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled_anew: None) -> Bundle:
    monkeypatch.setenv("RADSAM_CACHE", str(tmp_path / "cache"))
    return read_bundle(find_bundle(None))


def files() -> list[Path]:
    return sorted(compiled_cache().folder.glob("*"))


def decoded(bundle: Bundle) -> np.ndarray:
    from radsam.runtime import FramePrompt

    embedding = np.linspace(-1, 1, 256 * 64 * 64, dtype=np.float16).reshape(256, 64, 64)
    corners = np.array([[60, 60], [150, 170]], np.float32)
    return open_backend(bundle, "openvino").decode(embedding, FramePrompt(corners, np.array([2, 3], np.float32))).logits


def no_compiling(*arguments: object) -> None:
    raise AssertionError("it was compiled before")


def test_a_second_start_compiles_nothing_and_answers_the_same(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    first = decoded(bundle)
    assert len(files()) == 2
    assert compiled_cache().size_bytes() > 1e6
    monkeypatch.setattr(openvino.Core, "compile_model", no_compiling)
    np.testing.assert_array_equal(decoded(bundle), first)


def test_a_damaged_file_is_made_anew(bundle: Bundle) -> None:
    first = decoded(bundle)
    cut, foreign = files()
    cut.write_bytes(cut.read_bytes()[:5_000_000])
    foreign.write_bytes(b"x" * 99)
    np.testing.assert_array_equal(decoded(bundle), first)
    assert all(path.stat().st_size > 10e6 for path in files())


def test_a_folder_that_cannot_be_written_only_costs_time(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RADSAM_CACHE", str(tmp_path / "file"))
    assert decoded(bundle).shape == (4, 256, 256)


def test_only_the_newest_stay(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radsam.runtime.compiled_cache.MAX_FILES", 2)
    for threads in (1, 2):
        open_backend(bundle, "openvino", threads=threads)
    assert len(files()) == 2
    assert compiled_cache().clear() > 1e6
    assert not files()

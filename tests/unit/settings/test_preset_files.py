from __future__ import annotations

from pathlib import Path

import pytest

from radsam.errors import InputError
from radsam.settings import find_config, preset_names, presets_folder, read_settings
from radsam.training.training_config import TrainConfig


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_can_be_read_and_says_what_it_is(name: str) -> None:
    config = read_settings(TrainConfig, find_config(name))
    assert config.notes
    assert config.optim.steps > 0


def test_the_presets_of_the_commands_are_there() -> None:
    assert {"radsam_lite", "finetune"} <= set(preset_names())
    assert find_config("finetune") == presets_folder() / "finetune.toml"


def test_a_file_comes_before_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "finetune").write_text("")
    assert find_config("finetune") == Path("finetune")


@pytest.mark.parametrize("name", ["none_such", "../pyproject", ""])
def test_neither_a_file_nor_a_preset_lists_the_presets(name: str) -> None:
    with pytest.raises(InputError, match=r"the shipped configurations are: .*finetune.*radsam_lite"):
        find_config(name)

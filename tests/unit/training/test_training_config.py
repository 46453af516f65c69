from __future__ import annotations

from pathlib import Path

import pytest

from radsam.errors import InputError
from radsam.training.config_file import config_from_dict, read_config

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
SMALLEST = """
name = "x"
start = "lite-medsam"
data.store = "store"
embeddings.folder = "embeddings"
optim.steps = 10
"""


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert read_config(path).notes, "a shipped configuration says what it reproduces and costs"


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(
        SMALLEST
        + """
seed = "one"
optim.lr = -1
optim.batch = 0
prompts.edit_share = 1.5
prompts.colour = "red"
[[data.exclude]]
case = "a"
"""
    )
    with pytest.raises(InputError) as caught:
        read_config(path)
    message = str(caught.value)
    for part in (
        "seed must be a whole number",
        "optim.lr and clip_norm must be positive",
        "optim.batch must be at least 1",
        "prompts.colour is unknown",
        "data.exclude[0].reason is missing",
    ):
        assert part in message, message


def test_a_value_that_makes_no_sense_is_named_with_its_section() -> None:
    with pytest.raises(InputError, match=r"prompts\.edit_share must be between 0 and 1, not 1\.5"):
        config_from_dict({**_smallest(), "prompts": {"edit_share": 1.5}})


def test_missing_sections_are_named() -> None:
    with pytest.raises(InputError, match=r"start is missing(.|\n)*data is missing(.|\n)*optim is missing"):
        config_from_dict({"name": "x", "embeddings": {"folder": "e"}})


def test_overrides_replace_single_values(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(SMALLEST)
    config = read_config(path, ["optim.lr=1e-4", "data.store=other/store", 'data.weights={"a_*" = 2}', "seed=3"])
    assert (config.optim.lr, config.data.store, config.data.weights, config.seed) == (
        1e-4,
        "other/store",
        {"a_*": 2.0},
        3,
    )
    with pytest.raises(InputError, match=r"section\.key=value"):
        read_config(path, ["optim.lr"])


def test_plain_values_give_the_same_configuration_back() -> None:
    config = config_from_dict({**_smallest(), "data": {"store": "s", "exclude": [{"case": "a", "reason": "b"}]}})
    assert config_from_dict(config.to_dict()) == config


def test_only_what_decides_the_weights_is_part_of_the_identity() -> None:
    config = config_from_dict(_smallest())
    same = config_from_dict({**_smallest(), "run": {"threads": 2}, "data": {"store": "elsewhere"}})
    other = config_from_dict({**_smallest(), "optim": {"steps": 10, "lr": 1e-5}})
    assert config.identity == same.identity != other.identity


def _smallest() -> dict[str, object]:
    return {
        "name": "x",
        "start": "lite-medsam",
        "data": {"store": "store"},
        "embeddings": {"folder": "embeddings"},
        "optim": {"steps": 10},
    }

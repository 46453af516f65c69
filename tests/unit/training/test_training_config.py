from __future__ import annotations

import os
from pathlib import Path

import pytest

from radsam.errors import InputError
from radsam.settings import read_settings, settings_from_dict
from radsam.training.training_config import TrainConfig, renamed_values

SMALLEST = """
name = "x"
start = "lite-medsam"
data.store = "store"
embeddings.folder = "embeddings"
optim.steps = 10
"""


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
encoder.lr_decay = 0.0
run.precision = "fp8"
run.devices = 0
[[data.exclude]]
case = "a"
"""
    )
    with pytest.raises(InputError) as caught:
        read_settings(TrainConfig, path)
    message = str(caught.value)
    for part in (
        "seed must be a whole number",
        "optim.lr must be greater than 0, not -1",
        "optim.batch must be at least 1",
        "prompts.colour is unknown; known are: box, point, mask, neighbour, repair, turns",
        "data.exclude[0].reason is missing",
        "encoder.lr_decay must be greater than 0, not 0",
        "run.precision must be one of auto, 32-true, bf16-mixed, 16-mixed, not 'fp8'",
        "run.devices must be at least 1, not 0",
    ):
        assert part in message, message


def test_a_value_that_makes_no_sense_is_named_with_its_section() -> None:
    with pytest.raises(InputError, match=r"prompts\.edit_share must be at most 1, not 1\.5"):
        settings_from_dict(TrainConfig, {**_smallest(), "prompts": {"edit_share": 1.5}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": {"train": True, "zoom": [2.0, 1.0]}}, r"encoder\.zoom must be positive, the smaller figure first"),
        ({"encoder": {"lr_scale": 0.1}}, r"lr_scale have no effect while the encoder is frozen; set train = true"),
        ({"embeddings": {}}, r"embeddings\.folder is missing"),
        ({"encoder": {"train": True}, "embeddings": {"scenes": 5}}, r"draws its own view, so leave both out"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings_from_dict(TrainConfig, {**_smallest(), **changes})


def test_an_encoder_that_is_trained_needs_no_place_for_embeddings() -> None:
    config = settings_from_dict(TrainConfig, {**_smallest(), "encoder": {"train": True}, "embeddings": {}})
    assert config.encoder.train


def test_missing_sections_are_named() -> None:
    with pytest.raises(InputError, match=r"start is missing(.|\n)*data is missing(.|\n)*optim is missing"):
        settings_from_dict(TrainConfig, {"name": "x", "embeddings": {"folder": "e"}})


def test_overrides_replace_single_values(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(SMALLEST)
    config = read_settings(
        TrainConfig, path, ["optim.lr=1e-4", "data.store=other/store", 'data.weights={"a_*" = 2}', "seed=3"]
    )
    assert (config.optim.lr, config.data.store, config.data.weights, config.seed) == (
        1e-4,
        "other/store",
        {"a_*": 2.0},
        3,
    )
    with pytest.raises(InputError, match=r"section\.key=value"):
        read_settings(TrainConfig, path, ["optim.lr"])


def test_a_file_may_say_only_what_differs_from_another(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(SMALLEST + "optim.betas = [0.5, 0.5]\nprompts.turns = [0.5, 0.5]\n")
    path = tmp_path / "other.toml"
    path.write_text('extends = "base"\nname = "y"\noptim.lr = 1e-5\nprompts.turns = [1.0]\n')
    config = read_settings(TrainConfig, path, ["optim.batch=3"])
    assert (config.name, config.optim.steps, config.optim.lr, config.optim.batch) == ("y", 10, 1e-5, 3)
    assert (config.optim.betas, config.prompts.turns) == ((0.5, 0.5), (1.0,))
    path.write_text('extends = "amos_vit_b"\ndata.store = "mine"\n')
    assert read_settings(TrainConfig, path).name == "amos-vit-b", "a shipped one is found from anywhere"


def test_a_file_that_extends_nothing_or_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text('extends = "two"\n')
    with pytest.raises(InputError, match=r"one\.toml extends one that does not exist.*'two'.*amos_vit_b"):
        read_settings(TrainConfig, path)
    (tmp_path / "two.toml").write_text('extends = "one"\n')
    with pytest.raises(InputError, match="extends itself"):
        read_settings(TrainConfig, path)


def test_plain_values_give_the_same_configuration_back() -> None:
    config = settings_from_dict(
        TrainConfig, {**_smallest(), "data": {"store": "s", "exclude": [{"case": "a", "reason": "b"}]}}
    )
    assert settings_from_dict(TrainConfig, config.to_dict()) == config


def test_only_what_decides_the_weights_is_part_of_the_identity() -> None:
    config = settings_from_dict(TrainConfig, _smallest())
    same = settings_from_dict(TrainConfig, {**_smallest(), "run": {"threads": 2}, "data": {"store": "elsewhere"}})
    other = settings_from_dict(TrainConfig, {**_smallest(), "optim": {"steps": 10, "lr": 1e-5}})
    assert config.identity == same.identity != other.identity


def test_checkpoints_of_earlier_versions_have_the_same_identity_and_resume() -> None:
    config = settings_from_dict(TrainConfig, _smallest())
    assert config.identity == "08a78854f3f2ab733888ffb55e47af7bdca5a003f84739a75851c01040e8cc1c"
    assert config.to_dict()["embeddings"]["window"] == [-160.0, 240.0]
    data = {"store": "store", "weights": {"a_*": 2}, "exclude": [{"case": "a", "reason": "b"}]}
    config = settings_from_dict(
        TrainConfig,
        {
            **_smallest(),
            "data": data,
            # 40 and 15 HU, the former defaults.
            "embeddings": {"folder": "e", "window": [-100, 200], "window_jitter": 40 / 300, "max_noise": 0.05},
        },
    )
    assert config.identity == "d0e4ed94f228bbe28dbccee71c921a7eefa95fb172419db2447d7539cdd66898"
    for decoder, identity in (
        ({"source_channels": 32}, "df2820ed7061b4207db49d0e26b96a8ebfe3246c1730d1c6a22d6f2170a34e27"),
        ({"prototype_channels": 32}, "44f49c806d458a52e77ba688cbd1a8b0ff7a70620382d85196cb722f518a512a"),
    ):
        config = settings_from_dict(TrainConfig, {**_smallest(), "decoder": decoder})
        assert config.identity == identity
    # The weights that a run starts from may have a head of presence, too, so its weight always decides.
    heavier = settings_from_dict(TrainConfig, {**_smallest(), "decoder": decoder, "loss": {"presence": 0.2}})
    with_head = settings_from_dict(TrainConfig, {**_smallest(), "decoder": {**decoder, "presence": True}})
    assert len({config.identity, heavier.identity, with_head.identity}) == 3


def test_a_checkpoint_with_the_former_names_is_read() -> None:
    former = {"folder": "e", "window_hu": [-500.0, 1000.0], "window_jitter_hu": 100.0, "max_noise_hu": 15.0}
    values = renamed_values({**_smallest(), "embeddings": former})
    views = settings_from_dict(TrainConfig, values).embeddings
    assert (views.window, views.window_jitter, views.max_noise) == ((-500.0, 1000.0), 100 / 1500, 0.01)


@pytest.mark.parametrize(
    ("former", "message"),
    [
        (
            {"window_jitter_hu": 40.0},
            r"embeddings\.window_jitter_hu is now window_jitter, a share of the window's width",
        ),
        ({"max_noise_hu": 15.0}, r"embeddings\.max_noise_hu is now max_noise, a share of the window's width"),
        ({"window_hu": [-160.0, 240.0]}, r"embeddings\.window_hu is now window, with the same values"),
    ],
)
def test_a_former_name_is_refused_with_todays(former: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings_from_dict(TrainConfig, {**_smallest(), "embeddings": {"folder": "e", **former}})


@pytest.mark.parametrize(
    ("optim", "message"),
    [
        ({"steps": True}, r"optim\.steps must be a whole number, not True"),
        ({"steps": 3.0}, r"optim\.steps must be a whole number, not 3\.0"),
        ({"steps": 3, "lr": "1"}, r"optim\.lr must be a number, not '1'"),
        ({"steps": 3, "lr": float("inf")}, r"optim\.lr must be a finite number"),
        ({"steps": 3, "betas": [0.5]}, r"optim\.betas\[1\] is missing"),
        ({"steps": 3, "betas": [0.5, 0.5, 0.5]}, r"optim\.betas needs at most 2 values, not 3"),
        ({"steps": 3, "betas": 1}, r"optim\.betas must be a list, not 1"),
        ({"steps": 3, "lr_scale": 1}, r"optim\.lr_scale must be a table, not 1"),
        ({"steps": 3, "lr_scale": {"neck": -1}}, r"optim\.lr_scale\.neck must be at least 0, not -1"),
        (7, r"optim must be a section, not 7"),
    ],
)
def test_types_are_strict(optim: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings_from_dict(TrainConfig, {**_smallest(), "optim": optim})
    config = settings_from_dict(TrainConfig, {**_smallest(), "optim": {"steps": 3, "lr": 1}})
    assert type(config.optim.lr) is float, "a whole number is a float"


def test_however_the_episodes_of_a_step_are_split_over_processes_it_is_the_same_run() -> None:
    def dealt(batch: int, accumulate: int, devices: int, nodes: int) -> str:
        optim = {"steps": 10, "batch": batch, "accumulate": accumulate}
        return settings_from_dict(
            TrainConfig, {**_smallest(), "optim": optim, "run": {"devices": devices, "nodes": nodes}}
        ).identity

    assert dealt(16, 1, 1, 1) == dealt(2, 1, 4, 2) == dealt(2, 4, 2, 1) != dealt(8, 1, 1, 1)


def _smallest() -> dict[str, object]:
    return {
        "name": "x",
        "start": "lite-medsam",
        "data": {"store": "store"},
        "embeddings": {"folder": "embeddings"},
        "optim": {"steps": 10},
    }


def test_a_path_whose_name_is_not_utf8_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="The configuration names a file or folder whose name is not UTF-8"):
        settings_from_dict(TrainConfig, {**_smallest(), "start": os.fsdecode(b"w\xe9ights")})

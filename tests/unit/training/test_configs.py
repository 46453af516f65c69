"""The configurations that come with the program."""

from __future__ import annotations

import re

import pytest

from radsam.settings import find_config, preset_names, read_settings
from radsam.training.bundle_export import trained_capabilities
from radsam.training.training_config import TrainConfig

#: The paper's experiments, and the tables that each of them reproduces.
TABLES = {
    "amos_vit_b": "2",
    "amos_vit_l": "7",
    "totalseg_vit_b": "4",
    "totalseg_then_amos": "8",
    "totalseg_and_amos": "8",
    "msd_lesions": "11",
    "table9_no_mask": "9",
    "table9_no_edit": "9",
    "table9_neither": "9",
}


@pytest.mark.parametrize("name", preset_names())
def test_every_configuration_is_valid_and_says_what_it_reproduces_and_costs(name: str) -> None:
    config = read_settings(TrainConfig, find_config(name))
    assert re.search(r"Tables? \d|No table of the paper", config.notes)
    # The parts of radsam-lite make the same weights.
    assert name in (config.name.replace("-", "_"), "finetune") or name.startswith("radsam_lite_")


@pytest.mark.parametrize("name", TABLES)
def test_the_papers_experiments_are_the_papers(name: str) -> None:
    config = read_settings(TrainConfig, find_config(name))
    assert re.search(rf"Tables? [\d, toand]*\b{TABLES[name]}\b", config.notes)
    assert "Not trained by us" in config.notes, "the notes state that figures are the paper's"
    # Sections 3.2 to 3.4.
    assert config.encoder.train
    assert config.embeddings.window == (-500.0, 1000.0)
    assert config.data.min_pixels == 15
    assert (config.prompts.box_shrink_px, config.prompts.box_grow_px) == (5.0, 20.0)
    assert config.prompts.neighbour == config.prompts.ended_share == 0.0
    assert config.run.devices * config.run.nodes == 32
    assert config.episodes_per_step == 64


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("amos_vit_b", ("box", "point", "mask", "edit")),
        ("table9_no_mask", ("box", "point", "edit")),
        ("table9_no_edit", ("box", "point", "mask")),
        ("table9_neither", ("box", "point")),
    ],
)
def test_an_ablation_leaves_out_what_its_name_says(name: str, expected: tuple[str, ...]) -> None:
    assert trained_capabilities(read_settings(TrainConfig, find_config(name)).prompts) == expected


@pytest.mark.parametrize(("name", "first"), [("totalseg_then_amos", "totalseg_vit_b"), ("msd_lesions", "amos_vit_b")])
def test_a_second_training_starts_where_the_first_one_ends(name: str, first: str) -> None:
    assert (
        read_settings(TrainConfig, find_config(name)).start
        == f"runs/{read_settings(TrainConfig, find_config(first)).name}/last.pt"
    )

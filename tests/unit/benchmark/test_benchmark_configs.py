"""The shipped benchmark configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from radsam.benchmark.benchmark_config import GROUP, BenchmarkConfig
from radsam.benchmark.paper_tables import paper_table, paper_tables
from radsam.errors import InputError
from radsam.settings import hash_of_values, plain_values, preset_names

#: The paper's tables and the configuration that measures each.
TABLES = {
    "table2": "amos",
    "table3": "totalseg_transfer",
    "table4": "amos",
    "table5": "amos_next_prompt",
    "table6": "amos_oracle",
    "table7": "amos_slices",
    "table8": "training_data",
    "table9": "amos_slices",
    "table10": "totalseg_transfer",
    "table11": "msd_lesions",
}


@pytest.mark.parametrize("name", preset_names(GROUP))
def test_every_configuration_can_be_read_and_has_notes(name: str) -> None:
    config = BenchmarkConfig.read(name)
    assert config.notes
    assert config.models
    assert config.name == name.replace("_", "-")
    for table in config.paper:
        assert paper_table(table).figures


def test_every_table_of_the_paper_has_a_configuration_in_its_settings() -> None:
    assert set(TABLES) == set(paper_tables())
    for table, name in TABLES.items():
        config = BenchmarkConfig.read(name)
        assert table in config.paper
        measured = {(mode.level, mode.start): mode.edits for mode in config.modes}
        for figure in paper_table(table).figures:
            setting = figure.setting
            if setting.start != "none":
                assert measured[setting.level, setting.start] >= setting.edits, (table, setting)
            groups = {group for each in config.datasets.values() for group in (*each.case_groups, *each.class_groups)}
            assert not setting.group or setting.group in groups, (table, setting)


def test_known_and_unknown_classes_are_separated_by_name() -> None:
    groups = BenchmarkConfig.read("totalseg_transfer").datasets["totalseg"].class_groups
    assert len(groups["known"]) == 14
    assert list(groups) == ["known", "unknown"], "the first match counts"


def test_the_papers_figures_are_quoted_as_printed() -> None:
    figures = {(each.model, each.setting): each.value for each in paper_table("table2").figures}
    first = next(setting for (model, setting) in figures if model == "RadSAM")
    assert (first.level, first.start, first.edits) == ("volume", "box", 0)
    assert figures["RadSAM", first] == "84.99 ±0.74"
    with pytest.raises(InputError, match="choose one of table2"):
        paper_table("table1")


def test_all_errors_are_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(
        'name = "x"\ncolour = 1\n[datasets.a]\nlayout = "zip"\nsplit = "tset"\n'
        '[[modes]]\nlevel = "voxel"\nedits = -1\n[[modes]]\nlevel = "slice"\nbounds = false\n'
    )
    with pytest.raises(InputError) as caught:
        BenchmarkConfig.read(str(path))
    expected = (
        "colour is unknown",
        "layout must be one of",
        "split must be",
        "level must be",
        "edits must be at least",
    )
    for part in (*expected, "bounds and prompt_slice have no effect"):
        assert part in str(caught.value)


def test_values_can_be_replaced_when_it_is_run() -> None:
    config = BenchmarkConfig.read("val", ("datasets.shared.most_objects=2", "seed=7"))
    assert config.datasets["shared"].most_objects == 2
    assert config.seed == 7
    assert config.fingerprint != BenchmarkConfig.read("val").fingerprint


def test_mri_is_for_amos_and_leaves_the_results_of_earlier_versions_alone() -> None:
    amos = BenchmarkConfig.read("amos")
    assert amos.with_mri().datasets["amos"].include_mri
    assert amos.with_mri().fingerprint != amos.fingerprint
    decides = plain_values(amos)
    for name in ("name", "notes", "models", "paper", "pictures"):
        del decides[name]
    for each in decides["datasets"].values():
        del each["include_mri"]
    assert amos.fingerprint == hash_of_values(decides), "earlier versions did not have it"
    with pytest.raises(InputError, match="has no dataset with the layout 'amos', which --include-mri is for"):
        BenchmarkConfig.read("val").with_mri()
    with pytest.raises(InputError, match="include_mri is for the layout amos only"):
        BenchmarkConfig.read("val", ("datasets.shared.include_mri=true",))


def test_only_settings_that_change_scores_change_the_fingerprint() -> None:
    one, other = (
        BenchmarkConfig.read("val"),
        BenchmarkConfig.read("val", ("notes=other", 'models=["otsu"]', "paper=[]")),
    )
    assert one.fingerprint == other.fingerprint


def test_two_equal_modes_are_refused() -> None:
    with pytest.raises(InputError, match="two modes differ only in edits"):
        BenchmarkConfig.read("val", ("modes=[{edits=1},{edits=2}]",))


@pytest.mark.parametrize("mode", ['{level="slice",start="object"}', '{level="slice",edit="paint"}'])
def test_edits_of_the_whole_volume_are_refused_at_slice_level(mode: str) -> None:
    with pytest.raises(InputError, match="for the volume level only"):
        BenchmarkConfig.read("val", (f"modes=[{mode}]",))

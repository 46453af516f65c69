"""The pages of configuration files, from the classes that read them: a table of keys for each section."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import griffe
from markdown_text import code, table, text

SOURCES = Path(__file__).resolve().parents[2] / "src"
FOLDER = "reference/settings"
_TRAINING, _BENCHMARK = "radsam.training.training_config", "radsam.benchmark.benchmark_config"
#: Each page: its title, its first sentence, and its sections with the class that each becomes.
PAGES = {
    "training": (
        "Settings of training",
        "The keys of a file for `radsam train CONFIG`.",
        {
            "The whole file": f"{_TRAINING}.TrainConfig",
            "[data]": f"{_TRAINING}.DataConfig",
            "[[data.exclude]]": f"{_TRAINING}.Exclusion",
            "[embeddings]": f"{_TRAINING}.EmbeddingsConfig",
            "[encoder]": f"{_TRAINING}.EncoderConfig",
            "[decoder]": f"{_TRAINING}.DecoderConfig",
            "[optim]": f"{_TRAINING}.OptimConfig",
            "[prompts]": f"{_TRAINING}.PromptsConfig",
            "[loss]": f"{_TRAINING}.LossConfig",
            "[validation]": f"{_TRAINING}.ValidationConfig",
            "[run]": f"{_TRAINING}.RunConfig",
        },
    ),
    "distillation": (
        "Settings of distillation",
        "The keys of a file for `radsam distill CONFIG`. `[data]`, `[embeddings]` and `[optim]` are those of "
        "[training](training.md).",
        {
            "The whole file": "radsam.training.distillation_checkpoint.DistillConfig",
            "[student]": "radsam.model.sam_config.TinyViTConfig",
        },
    ),
    "benchmark": (
        "Settings of the benchmark",
        "The keys of a file for `radsam benchmark run CONFIG`.",
        {
            "The whole file": f"{_BENCHMARK}.BenchmarkConfig",
            "[datasets.NAME]": f"{_BENCHMARK}.DatasetConfig",
            "[[modes]]": f"{_BENCHMARK}.ModeConfig",
            "[surface]": f"{_BENCHMARK}.SurfaceConfig",
        },
    ),
}
#: Types as the code names them, and in words.
_WORDS = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "Count": "whole number, 1 or more",
    "Share": "0 to 1",
    "Decay": "0 to below 1",
    "PositiveFloat": "number above 0",
    "NonNegativeInt": "whole number, 0 or more",
    "NonNegativeFloat": "number, 0 or more",
}


def settings_pages() -> dict[str, str]:
    """Every page by its path below docs/."""
    return {
        f"{FOLDER}/{name}.md": "\n".join((f"# {title}\n", f"{first}\n", *(_section(*each) for each in of.items())))
        for name, (title, first, of) in PAGES.items()
    }


def _section(heading: str, path: str) -> str:
    module, _, name = path.rpartition(".")
    found = _read(module)[name]
    parsed = found.docstring.parse("google", warnings=False)
    meanings = {
        each.name: each.description for part in parsed if part.kind.value == "parameters" for each in part.value
    }
    intro = [part.value for part in parsed if part.kind.value == "text"]
    rows = (
        (code(name), _type(found, str(field.annotation)), _default(field.value), text(meanings[name]))
        for name, field in found.attributes.items()
        if name in meanings
    )
    head = f"`{heading}`" if heading.startswith("[") else heading
    return "\n".join(
        (f"## {head}\n", *(f"{text(each)}\n" for each in intro), table(("key", "value", "left out", "meaning"), rows))
    )


@cache
def _read(module: str) -> griffe.Module:
    """A module as it is written; importing it would need torch."""
    path = SOURCES.joinpath(*module.split(".")).with_suffix(".py")
    return griffe.visit(module, filepath=path, code=path.read_text("utf-8"))


def _default(value: object) -> str:
    if value is None:
        return "**needed**"
    written = str(value).replace("(", "[").replace(",)", "]").replace(")", "]")
    if written.startswith("field["):
        return ""
    return code({"True": "true", "False": "false", "''": '""'}.get(written, written.replace("'", '"')))


def _type(owner: griffe.Class, annotation: str) -> str:
    """An annotation in words; names that the module itself gives to types are looked up."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    choices = re.fullmatch(r"Literal\[(.*)\]", annotation)
    if choices:
        return " or ".join(code(each.strip().strip("'\"") or '""') for each in choices[1].split(","))
    for pattern, words in ((r"tuple\[(.*), \.\.\.\]", "list: {}"), (r"Mapping\[str, (.*)\]", "by name: {}")):
        inner = re.fullmatch(pattern, annotation)
        if inner:
            return words.format(_type(owner, inner[1]))
    several = re.fullmatch(r"tuple\[(.*)\]", annotation)
    if several:
        return "[" + ", ".join(_type(owner, each.strip()) for each in several[1].split(",")) + "]"
    if " | " in annotation:
        return " or ".join(_type(owner, each) for each in annotation.split(" | ") if each != "None")
    bounded = re.fullmatch(r"Annotated\[(.*), Field\(.*\)\]", annotation)
    if bounded:
        return _type(owner, bounded[1])
    alias = owner.parent.attributes.get(annotation) if owner.parent else None
    if alias is not None:
        return _type(owner, str(alias.value))
    return "section" if annotation.endswith("Config") else text(annotation)

"""What is measured never sees the truth, neither through an import nor through an argument."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import radsam.benchmark.challenge
import radsam.benchmark.models
from radsam.benchmark.models.model_interface import Model

MODELS = Path(radsam.benchmark.models.__file__).parent
CHALLENGE = Path(radsam.benchmark.challenge.__file__).parent
MODEL_SIDE = sorted([*MODELS.glob("*.py"), CHALLENGE / "challenge_case.py", CHALLENGE / "challenge_prediction.py"])

#: Where the truth is, who knows it, and what is made of it.
FORBIDDEN = (
    "radsam.simulate",
    "radsam.data",
    "radsam.metrics",
    "radsam.benchmark.simulated_user",
    "radsam.benchmark.interaction",
    "radsam.benchmark.cohort",
    "radsam.benchmark.benchmark_unit",
    "radsam.benchmark.benchmark_run",
    "radsam.benchmark.challenge.challenge_evaluation",
)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module)} | {f"{node.module}.{each.name}" for each in node.names}
    return found


@pytest.mark.parametrize("path", MODEL_SIDE, ids=lambda path: path.name)
def test_the_model_side_imports_nothing_that_knows_the_truth(path: Path) -> None:
    wrong = {name for name in imports(path) if name.startswith(FORBIDDEN)}
    assert not wrong


def test_the_test_would_see_such_an_import() -> None:
    assert any(name.startswith(FORBIDDEN) for name in imports(CHALLENGE / "challenge_evaluation.py"))


def test_the_interface_takes_no_truth() -> None:
    taken = {
        name: [each for each in inspect.signature(getattr(Model, name)).parameters if each != "self"]
        for name in ("prepare", "segment", "segment_from", "correct", "paint", "alternatives")
    }
    assert taken == {
        "prepare": ["volume", "case_id"],
        "segment": ["prompt", "bounds", "name"],
        "segment_from": ["mask", "bounds"],
        "correct": ["prompts"],
        "paint": ["painted"],
        "alternatives": [],
    }

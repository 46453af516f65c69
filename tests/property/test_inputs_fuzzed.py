"""A few faulty inputs of every format; `fuzz_inputs.py` makes thousands."""

from __future__ import annotations

import pytest

from fuzzing.fuzz_run import Finding, run_cases
from fuzzing.targets import TARGETS

#: Cases of each format. They share one process: it starts in the time of a hundred of them.
_CASES = 40


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    return [*run_cases([*TARGETS], range(_CASES), 1, tmp_path_factory.mktemp("fuzz"))]


@pytest.mark.parametrize("name", TARGETS)
def test_faulty_inputs_are_refused_or_read_rightly(findings: list[Finding], name: str) -> None:
    found = [each for each in findings if each.target == name]
    assert len(found) == _CASES
    faults = [str(each) for each in found if each.outcome == "fault"]
    assert not faults, "run `python tests/fuzz_inputs.py --seed 1 --only FORMAT:NUMBER`\n" + "\n".join(faults)
    assert any(each.outcome != "refused" for each in found), "no input was read: the faults are too many"

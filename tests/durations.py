"""How long each file of tests takes: a table at the end of a run, and a file that the run leaves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

#: Files that take less are in the file only.
_SHOWN_SECONDS = 5.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--durations-file",
        type=Path,
        help="Write the seconds of each file of tests to this file (tab-separated), and show the longest.",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    path: Path | None = config.getoption("--durations-file")
    if path is None:
        return
    reports = [
        each for found in terminalreporter.stats.values() for each in found if isinstance(each, pytest.TestReport)
    ]
    seconds, workers, tests = Counter[str](), Counter[str](), {each.nodeid for each in reports}
    for each in reports:
        seconds[each.nodeid.partition("::")[0]] += each.duration
        workers[getattr(each, "worker_id", "this process")] += each.duration
    counts = Counter(each.partition("::")[0] for each in tests)
    lines = [f"{name}\t{counts[name]}\t{seconds[name]:.1f}" for name, _ in seconds.most_common()]
    lines.append(f"all files\t{len(tests)}\t{seconds.total():.1f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["file\ttests\tseconds", *lines]) + "\n", encoding="utf-8")
    terminalreporter.section(f"seconds by file (all of them: {path})")
    for line in lines:
        name, count, taken = line.split("\t")
        if float(taken) >= _SHOWN_SECONDS or name == "all files":
            terminalreporter.write_line(f"{float(taken):8.1f} s {int(count):5d} tests  {name}")
    for worker, taken in sorted(workers.items()):
        terminalreporter.write_line(f"{taken:8.1f} s              {worker}")

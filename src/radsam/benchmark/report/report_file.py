"""Write a report to a file, in the format of its suffix."""

from __future__ import annotations

from pathlib import Path

from radsam.benchmark.benchmark_results import ResultsFolder
from radsam.benchmark.report.report_content import report_blocks
from radsam.benchmark.report.report_html import to_html
from radsam.benchmark.report.report_markdown import to_markdown
from radsam.disk.atomic_write import check_writable, replacing
from radsam.disk.utf8_path import PRINTABLE
from radsam.errors import OutputError


def write_report(results: ResultsFolder, path: Path, *, against: str | None = None) -> None:
    """Write a report, completely or not at all.

    Args:
        results: The results.
        path: ``.html`` for one page with everything, ``.md`` for its text and tables.
        against: Model that the others are compared with.

    Raises:
        OutputError: The suffix is another one, or the file cannot be written.
        InputError: There are no results.
    """
    if path.suffix.lower() not in (".html", ".md"):
        raise OutputError(f"The report {path} has an unknown suffix; use .html or .md.")
    check_writable(path)
    blocks = report_blocks(results, against)
    text = to_markdown(blocks) if path.suffix.lower() == ".md" else to_html(blocks, f"Benchmark {results.config.name}")
    with replacing(path) as partial:
        partial.write_text(text, "utf-8", PRINTABLE)

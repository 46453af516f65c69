"""A report: what was measured, as one page (HTML) or as text (Markdown).

`content.py` says what stands in it, as blocks; `html.py` and `markdown.py` write them.
"""

from radsam.benchmark.report.write import write_report

__all__ = ["write_report"]

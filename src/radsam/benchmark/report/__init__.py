"""A report on a benchmark's results, as one page (HTML) or as text (Markdown).

`report_content.py` makes its blocks; `report_html.py` and `report_markdown.py` write them.
"""

from radsam.benchmark.report.report_file import write_report

__all__ = ["write_report"]

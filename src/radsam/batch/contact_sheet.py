"""A page to review a batch by eye: one HTML file with a thumbnail of each object.

Objects with the lowest score come first.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from radsam.batch.output_folder import OutputFolder
from radsam.batch.row_results import MEANINGS, RowResult, Status
from radsam.disk.atomic_write import replacing

#: Objects of a page, about 8 KB each: a browser opens some MB at once.
PER_PAGE = 1000
#: The columns on a card; the others are in the table.
_SHOWN = (
    *("id", "object", "volume", "status", "message", "mask", "dice", "quality", "volume_ml"),
    *("first_slice", "last_slice", "modality", "window", "notes", "line"),
)


def write_contact_sheet(folder: OutputFolder, results: Sequence[RowResult], *, per_page: int = PER_PAGE) -> list[Path]:
    """Write the pages, each completely or not at all; pages of an earlier, longer sheet are removed.

    Args:
        folder: The output folder; thumbnails are read from it.
        results: Results of all rows.
        per_page: Objects of a page.

    Returns:
        The pages, in order.

    Raises:
        OutputError: A page cannot be written.
    """
    ordered = sorted(results, key=lambda each: (each.quality is None, each.quality or 0.0, each.line))
    chunks = [ordered[at : at + per_page] for at in range(0, len(ordered), per_page)] or [[]]
    more = (folder.sheet.with_name(f"contact_sheet_{number}.html") for number in range(2, len(chunks) + 1))
    pages = [folder.sheet, *more]
    names = [[f"Page {number}", page.name] for number, page in enumerate(pages, start=1)]
    template = files("radsam.batch").joinpath("contact_sheet.html").read_text("utf-8")
    summary = _summary(results)
    for page, chunk in zip(pages, chunks, strict=True):
        data = {
            "summary": summary,
            "pages": names,
            "page": page.name,
            "meanings": MEANINGS,
            "rows": [_card(folder, each) for each in chunk],
        }
        # "</" would end the script that holds the data.
        text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
        with replacing(page) as partial:
            partial.write_text(template.replace("@DATA@", text), "utf-8")
    for old in folder.path.glob("contact_sheet_*.html"):
        if old not in pages:
            old.unlink(missing_ok=True)
    return pages


def _summary(results: Sequence[RowResult]) -> str:
    counts = Counter(each.status for each in results)
    parts = [f"{counts[status]} {status.replace('_', ' ')}" for status in Status if counts[status]]
    scores = [each.dice for each in results if each.dice is not None]
    mean = [f"mean Dice {sum(scores) / len(scores):.3f} of {len(scores)}"] if scores else []
    return f"{len(results)} objects: {', '.join([*parts, *mean])}"


def _card(folder: OutputFolder, result: RowResult) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(result).items() if name in _SHOWN}
    if result.status is Status.DONE:
        try:
            shown["thumbnail"] = base64.b64encode((folder.thumbnails / f"{result.id}.jpg").read_bytes()).decode()
        except OSError:
            shown["thumbnail"] = ""  # the table and the mask exist; the page reports it
    return shown

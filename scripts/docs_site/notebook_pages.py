"""The notebooks as pages: their text, code, and the outputs that `scripts/notebooks.py` left in them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def notebook_pages(docs: Path) -> dict[str, str | bytes]:
    """Return each notebook's page and pictures by their paths below `docs`."""
    pages: dict[str, str | bytes] = {}
    for path in sorted((docs / "notebooks").glob("*.ipynb")):
        pictures: dict[str, bytes] = {}
        parts = [part for cell in json.loads(path.read_text("utf-8"))["cells"] for part in _cell(cell, path, pictures)]
        parts.insert(1, f"[Download this notebook]({path.name})")
        pages[f"notebooks/{path.stem}.md"] = "\n\n".join(parts) + "\n"
        pages |= {f"notebooks/{name}": content for name, content in pictures.items()}
    return pages


def _cell(cell: dict[str, Any], path: Path, pictures: dict[str, bytes]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        # The title and what follows it, so that the link to the notebook comes between them.
        title, blank, rest = source.partition("\n\n")
        yield from (title, rest) if title.startswith("# ") and blank else (source,)
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        suffix = next((each for each in ("jpeg", "svg+xml") if f"image/{each}" in data), None)
        if suffix:
            content = "".join(data[f"image/{suffix}"])
            name = f"{path.stem}-{len(pictures) + 1}.{suffix.partition('+')[0]}"
            # A drawing is black on nothing, which a dark page would hide.
            drawing = content.replace("<svg ", '<svg style="background: white" ', 1).encode()
            pictures[name] = base64.b64decode(content) if suffix == "jpeg" else drawing
            yield f"![What the cell shows]({name})"
        elif "text/markdown" in data:
            yield "".join(data["text/markdown"])
        else:
            yield f"```text\n{''.join(output.get('text', data.get('text/plain', '')))}\n```"

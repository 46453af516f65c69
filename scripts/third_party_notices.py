"""Write the part of NOTICE that lists what the built page contains.

The build of the page (`npm run build`) writes `licences.md` with the packages that its scripts really
hold, and the text of each licence. After it: ``python scripts/third_party_notices.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTICE = ROOT / "NOTICE"
LICENCES = ROOT / "src" / "radsam" / "server" / "static" / "licences.md"

_BEGIN = "The built page of `radsam serve` (src/radsam/server/static) contains\n\n"
_END = "\nThe texts of these licences"


def page_notices(licences: str) -> str:
    """One line for each package in the built page: its name, version, licence and copyright."""
    lines = []
    for part in re.split(r"^## ", licences, flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        found = re.fullmatch(r"(\S+) - (\S+) \((.+)\)", title)
        holder = re.search(r"^Copyright\b[ ,]*(?:\(c\) *)?(.+)$", text, flags=re.MULTILINE | re.IGNORECASE)
        if not found or not holder:
            raise SystemExit(f"{LICENCES} has no name, licence or copyright under {title!r}: add web/licences/.")
        name, version, licence = found.groups()
        lines.append(f"  {name:<24}{version:<9}{licence:<14}Copyright {holder[1].strip()}".rstrip())
    return "\n".join(lines) + "\n"


def with_page_notices(notice: str, licences: str) -> str:
    """Return the text of NOTICE with its list made anew."""
    before, begin, rest = notice.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{NOTICE} has lost the lines around its list: {_BEGIN.strip()!r}, {_END.strip()!r}.")
    return before + begin + page_notices(licences) + end + after


if __name__ == "__main__":
    NOTICE.write_text(with_page_notices(NOTICE.read_text(), LICENCES.read_text()))

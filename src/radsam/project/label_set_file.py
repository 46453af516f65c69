"""Writing a label set as the TOML file that `radsam.session.label_set` reads."""

from __future__ import annotations

import json
from pathlib import Path

from radsam.disk.atomic_write import replacing
from radsam.errors import InputError
from radsam.session.label_set import LabelSet


def write_label_set(path: Path, labels: LabelSet) -> None:
    """Write a label set.

    Raises:
        OutputError: The file cannot be written.
    """
    lines = [f"name = {_text(labels.name)}"]
    for each in labels.label:
        lines += ["", "[[label]]", f"name = {_text(each.name)}", f"value = {each.value}"]
        if each.color is not None:
            lines.append(f"color = {_text(each.color)}")
        if each.code is not None:
            code = {key: getattr(each.code, key) for key in ("value", "meaning", "scheme", "category")}
            lines.append(f"code = {{ {', '.join(f'{key} = {_text(value)}' for key, value in code.items())} }}")
    with replacing(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def check_labels(labels: LabelSet) -> None:
    """Refuse names that some systems take for the same file.

    Raises:
        InputError: Two names differ by upper and lower case only.
    """
    plain = [each.name.casefold() for each in labels.label]
    twice = [each.name for each in labels.label if plain.count(each.name.casefold()) > 1]
    if twice:
        raise InputError(
            f"The labels {' and '.join(twice)} differ by upper and lower case only, which file names on some systems "
            "cannot. Give them names that differ."
        )


def _text(value: str) -> str:
    """Write a TOML string: JSON's escapes are TOML's, too."""
    return json.dumps(value, ensure_ascii=False)

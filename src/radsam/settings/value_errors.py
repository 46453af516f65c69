"""Pydantic's errors in plain words: ``section.key must be …``; for configurations, requests and stored edits."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

#: Our sentence for each error type of pydantic; the names in braces are its context.
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "enum": "must be one of {expected}, not {input}",
    "literal_error": "must be one of {expected}, not {input}",
    "int_type": "must be a whole number, not {input}",
    "float_type": "must be a number, not {input}",
    "finite_number": "must be a finite number, not {input}",
    "string_type": "must be text, not {input}",
    "bool_type": "must be true or false, not {input}",
    "tuple_type": "must be a list, not {input}",
    "list_type": "must be a list, not {input}",
    "dict_type": "must be a table, not {input}",
    "dataclass_type": "must be a section, not {input}",
    "greater_than": "must be greater than {gt:g}, not {input}",
    "greater_than_equal": "must be at least {ge:g}, not {input}",
    "less_than": "must be less than {lt:g}, not {input}",
    "less_than_equal": "must be at most {le:g}, not {input}",
    "too_short": "needs at least {min_length} values, not {actual_length}",
    "too_long": "needs at most {max_length} values, not {actual_length}",
    "union_tag_invalid": "must be one of {expected_tags}, not {tag!r}",
    "union_tag_not_found": "has no {discriminator}",
}


def place_of(error: ErrorDetails) -> str:
    """Name the value that an error is about, as in ``section.list[2]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")


def describe_error(error: ErrorDetails) -> str:
    """Put one error into words."""
    sentence, where = _SENTENCES.get(error["type"]), place_of(error)
    if sentence is None:
        return f"{where}: {error['msg']}"
    context = dict(error.get("ctx", {}))
    if "expected" in context:
        context["expected"] = context["expected"].replace("'", "").replace(" or ", ", ")
    given = repr(error["input"])
    return f"{where} {sentence.format(input=given if len(given) <= 80 else given[:80] + '…', **context)}".lstrip()


def describe_errors(error: ValidationError) -> str:
    """Put all errors into one line."""
    return "; ".join(describe_error(each) for each in error.errors(include_url=False))

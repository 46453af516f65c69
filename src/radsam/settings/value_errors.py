"""Pydantic's errors in plain words: ``section.key must be …``; for configurations, requests and stored edits."""

from __future__ import annotations

import re

from pydantic_core import ErrorDetails, ValidationError

#: Our sentence for each error type of pydantic; the names in braces are its context.
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    **dict.fromkeys(("enum", "literal_error"), "must be one of {expected}, not {input}"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number, not {input}"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number, not {input}"),
    "finite_number": "must be a finite number, not {input}",
    "string_type": "must be text, not {input}",
    "string_too_short": "needs at least {min_length} character{s}, not {input}",
    "string_too_long": "needs at most {max_length} character{s}, not {input}",
    "string_pattern_mismatch": "must match {pattern}, not {input}",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false, not {input}"),
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list, not {input}"),
    "dict_type": "must be a table, not {input}",
    **dict.fromkeys(("model_type", "model_attributes_type"), "must be a JSON object, not {input}"),
    "json_invalid": "must be a JSON object, but is not JSON: {error}",
    "dataclass_type": "must be a section, not {input}",
    "greater_than": "must be greater than {gt:.15g}, not {input}",
    "greater_than_equal": "must be at least {ge:.15g}, not {input}",
    "less_than": "must be less than {lt:.15g}, not {input}",
    "less_than_equal": "must be at most {le:.15g}, not {input}",
    "too_short": "needs at least {min_length} value{s}, not {actual_length}",
    "too_long": "needs at most {max_length} value{s}, not {actual_length}",
    "union_tag_invalid": "must be one of {expected_tags}, not {tag!r}",
    "reach": 'must be "slice", "next", "ends", or a number of slices from 0 on, not {input}',
    "union_tag_not_found": "has no {discriminator}",
}


def place_of(error: ErrorDetails) -> str:
    """Name the value that an error is about, as in ``section.list[2]``."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    # Without the tag that pydantic adds for a prompt's form.
    return re.sub(r"(prompt|points\[\d+\])\.(point|box|mask|scribble|lasso)(?=\.)", r"\1", place)


def describe_error(error: ErrorDetails, whole: str = "") -> str:
    """Put one error into words; `whole` names the value of an error that has no place."""
    sentence, where = _SENTENCES.get(error["type"]), place_of(error) or whole
    if sentence is None:
        return f"{where}: {error['msg']}".removeprefix(": ")
    context, given = dict(error.get("ctx", {})), repr(error["input"])
    context["expected"] = context.get("expected", "").replace("''", '""').replace("'", "").replace(" or ", ", ")
    context["s"] = "" if 1 in (context.get("min_length"), context.get("max_length")) else "s"
    return f"{where} {sentence.format(input=given if len(given) <= 80 else given[:80] + '…', **context)}".lstrip()


def root_errors(error: ValidationError) -> list[ErrorDetails]:
    """Return the errors; pydantic also calls a list too short when values in it are wrong, which is left out."""
    errors = error.errors(include_url=False)
    inner = {each["loc"][:end] for each in errors for end in range(len(each["loc"]))}
    return [each for each in errors if each["type"] != "too_short" or each["loc"] not in inner]


def describe_errors(error: ValidationError) -> str:
    """Put all errors of a request, or of a stored edit (a tagged union), into one line."""
    whole = "" if error.title.startswith("tagged-union") else "The request"
    return "; ".join(describe_error(each, whole) for each in root_errors(error))

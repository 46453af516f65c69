"""The pages of the HTTP interface, from the description that the server gives: one for each group of routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from markdown_text import code, table, text

from radsam.server.server_limits import Limits
from radsam.server.service import Service
from radsam.server.web_app import create_app

FOLDER = "reference/http"
#: The groups in the order of a reader, with their titles.
GROUPS = {
    "about": "The server",
    "volumes": "Volumes and uploads",
    "sessions": "Sessions",
    "edits": "Edits",
    "masks": "Masks from files",
    "labels": "Names and label sets",
    "measurements": "Measurements",
    "statistics": "Statistics",
    "pacs": "PACS",
    "project": "Projects",
}


def http_pages() -> dict[str, str]:
    """Every page by its path below docs/."""
    # The description follows from the routes alone, so a service without a model will do.
    service = MagicMock(spec=Service, folder=Path(), uploads=MagicMock(), limits=Limits(), metrics=MagicMock())
    described = create_app(service).openapi()
    groups: dict[str, list[str]] = {name: [] for name in GROUPS}
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            (group,) = route["tags"]
            groups[group].append(_route(method.upper(), path, route))
    pages = {f"{FOLDER}/{name}.md": f"# {GROUPS[name]}\n\n" + "\n".join(routes) for name, routes in groups.items()}
    pages[f"{FOLDER}/schemas.md"] = _schemas(described["components"]["schemas"])
    pages[f"{FOLDER}/index.md"] = _overview(described, groups)
    return pages


def _overview(described: dict[str, Any], groups: dict[str, list[str]]) -> str:
    rows = ((f"[{GROUPS[name]}]({name}.md)", str(len(routes))) for name, routes in groups.items())
    return "\n".join(
        (
            "# HTTP\n",
            f"Every route of `radsam serve`, version {described['info']['version']}, from the description that a "
            "running server gives at `GET /api/openapi.json` (OpenAPI 3.1; clients can be generated from it). "
            "[The server](../../server.md) explains users, tokens, limits and events, and has an example.\n",
            table(("routes", "how many"), rows),
            "Bodies and answers are JSON unless a route says otherwise: [their fields](schemas.md). "
            "Errors have one form: [errors](../errors.md#over-http).\n",
        )
    )


def _route(method: str, path: str, route: dict[str, Any]) -> str:
    parts = [f"## {method} {text(path)}\n", _description(route.get("description", "")), ""]
    parameters = [each for each in route.get("parameters", ()) if each["in"] != "cookie"]
    meanings = [text(each.get("description") or each["schema"].get("description", "")) for each in parameters]
    rows = (
        (code(each["name"]), _place(each), _kind(each["schema"]), *([meaning] if any(meanings) else []))
        for each, meaning in zip(parameters, meanings, strict=True)
    )
    parts += [table(("parameter", "in", "value", *(["meaning"] if any(meanings) else [])), rows)]
    body = route.get("requestBody")
    if body:
        parts += [f"**Body:** {_content(body['content'])}\n"]
    done = [(status, each) for status, each in route["responses"].items() if status.startswith("2")]
    failed = [status for status in sorted(route["responses"]) if not status.startswith("2")]
    parts += [f"**Answer:** {' or '.join(_answer(status, each) for status, each in done)}\n"]
    if failed:
        parts += [f"[Errors](../errors.md#over-http): {', '.join(failed)}\n"]
    return "\n".join(parts)


def _place(parameter: dict[str, Any]) -> str:
    return str(parameter["in"]) + ("" if parameter.get("required") else ", optional")


def _answer(status: str, answer: dict[str, Any]) -> str:
    content = _content(answer.get("content", {}))
    return f"{status}, {content}" if content else f"{status}, without a body"


def _description(markdown: str) -> str:
    return "\n\n".join(text(each) for each in markdown.split("\n\n") if each.strip()) + "\n"


def _content(content: dict[str, Any]) -> str:
    kinds = []
    for media, described in content.items():
        schema = described.get("schema", {})
        kind = _kind(schema) if media == "application/json" else code(media)
        kinds.append(kind)
    return " or ".join(kinds)


def _schemas(schemas: dict[str, Any]) -> str:
    parts = ["# Fields of bodies and answers\n"]
    for name, schema in sorted(schemas.items()):
        parts += [f"## {name}\n", _description(schema.get("description", ""))]
        if "properties" not in schema:
            parts.append(f"{_kind(schema)}\n")
            continue
        needed = schema.get("required", ())
        rows = (
            (code(field) + ("" if field in needed else ", optional"), _kind(each), text(each.get("description", "")))
            for field, each in schema["properties"].items()
        )
        parts.append(table(("field", "value", "meaning"), rows))
    return "\n".join(parts)


def _kind(schema: dict[str, Any]) -> str:
    """A schema in words, with links to the schemas that it names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](schemas.md#{name.lower()})"
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_kind(each) for each in schema[word]))
    if "allOf" in schema:
        return " and ".join(_kind(each) for each in schema["allOf"])
    if "const" in schema:
        return code(repr(schema["const"]).replace("'", '"'))
    if "enum" in schema:
        return " or ".join(code(str(each)) for each in schema["enum"])
    match schema.get("type"):
        case "array":
            if "prefixItems" in schema:
                return "[" + ", ".join(_kind(each) for each in schema["prefixItems"]) + "]"
            return f"list of {_kind(schema.get('items', {}))}{_range(schema, 'minItems', 'maxItems', ' of them')}"
        case "object":
            more = schema.get("additionalProperties")
            return f"object of {_kind(more)} by name" if isinstance(more, dict) else "object"
        case "string":
            return f"text{_range(schema, 'minLength', 'maxLength', ' characters')}"
        case "integer" | "number" as kind:
            return f"{kind}{_range(schema, 'minimum', 'maximum', '')}"
        case "boolean":
            return "true or false"
        case None:
            return "any"
        case other:
            return str(other)


def _range(schema: dict[str, Any], low: str, high: str, unit: str) -> str:
    least, most = schema.get(low), schema.get(high)
    if least is None and most is None:
        return ""
    if most is None:
        return f", at least {least}{unit}"
    return f", {least}{unit}" if least == most else f", {least or 0} to {most}{unit}"

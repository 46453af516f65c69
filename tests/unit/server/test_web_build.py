"""Was the built page, which ships in the wheel, built from these sources? Needs no Node."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import radsam.server

WEB = Path(__file__).resolve().parents[3] / "web"
STATIC = Path(radsam.server.__file__).parent / "static"
#: Largest compressed size of the page; CONTRIBUTING.md states it.
MOST_JAVASCRIPT_BYTES = 500_000


def sources() -> list[str]:
    """The files that `vite.config.ts` hashes: names relative to web/, in order."""
    names = [
        path.relative_to(WEB).as_posix() for part in ("src", "public", "licences") for path in (WEB / part).rglob("*")
    ]
    return sorted(["index.html", "package-lock.json", "vite.config.ts", *(n for n in names if (WEB / n).is_file())])


def test_the_built_page_is_not_older_than_its_sources():
    digest = hashlib.sha256()
    for name in sources():
        digest.update(f"{name}\n".encode())
        digest.update((WEB / name).read_bytes())
    built = json.loads((STATIC / "build.json").read_text())["sources_sha256"]
    assert built == digest.hexdigest(), (
        "web/ has changed since the page was built: run `npm ci && npm run build` there."
    )


def test_the_page_loads_nothing_from_other_hosts():
    page = (STATIC / "index.html").read_text()
    assert "http://" not in page
    assert "https://" not in page


def test_the_javascript_stays_small():
    scripts = list(STATIC.rglob("*.js"))
    assert scripts
    compressed = sum(len(gzip.compress(path.read_bytes(), 9)) for path in scripts)
    assert compressed < MOST_JAVASCRIPT_BYTES, f"{compressed} bytes of JavaScript, compressed"


def test_the_page_brings_the_licence_of_everything_in_it():
    """`npm run build` writes the file: of each package that the built scripts hold, its name, licence and notice."""
    parts = re.split(r"^## ", (STATIC / "licences.md").read_text(), flags=re.MULTILINE)[1:]
    versions = {}
    for part in parts:
        title, _, text = part.partition("\n")
        name, version = re.fullmatch(r"(\S+) - (\S+) \(.+\)", title).groups()
        versions[name] = version
        assert re.search(r"Copyright \(c\)|Copyright, ", text), f"{name} has no notice: add web/licences/"
        assert len(text) > 500, name
    package = json.loads((WEB / "package.json").read_text())
    assert versions.items() >= package["dependencies"].items()
    notice = (WEB.parent / "NOTICE").read_text()
    assert [name for name in package["dependencies"] if f"{name} " not in notice] == []

"""Names of files for libraries in C++ and Rust, and for people.

A file name is bytes, and need not be text. Python keeps the bytes that are not UTF-8 as lone surrogates, which
SimpleITK answers by ending the process, and which no text file, terminal or database can hold.
"""

from __future__ import annotations

import codecs
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Name for ``open(path, "w", errors=PRINTABLE)``: what an encoding lacks is written as `printable` shows it.
PRINTABLE = "radsam.printable"
_SURROGATE = re.compile("[\ud800-\udfff]")


@contextmanager
def utf8_path(path: Path, beside: Iterable[str] = ()) -> Iterator[str]:
    """Yield a name under which a library opens a file to read or write it, for the ``with`` block.

    It is the path itself where it is UTF-8, else a link with an ASCII name and the same suffix in a private folder.

    Args:
        path: The file; it may not exist yet.
        beside: Further files that the library looks for, relative to the file's folder.
    """
    if _is_utf8(path):
        yield str(path)
        return
    temporary = Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="radsam-", dir=temporary if _is_utf8(temporary) else "/tmp") as name:
        link = Path(name, re.sub(r"[^\w.-]", "_", path.name, flags=re.ASCII)[-80:])
        link.symlink_to(path.absolute())
        for each in beside:
            further = Path(name, each)
            further.parent.mkdir(parents=True, exist_ok=True)
            further.symlink_to(path.absolute().parent / each)
        yield str(link)


def printable(text: object) -> str:
    r"""Return a text, or a path, with each byte that is not UTF-8 written as ``\xe9``: it can be stored and shown."""
    return _SURROGATE.sub(_escaped, str(text))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _encode(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = printable(error.object[error.start : error.end])
    return wrong.encode("ascii", "backslashreplace").decode("ascii"), error.end


codecs.register_error(PRINTABLE, _encode)


def _is_utf8(path: Path) -> bool:
    """Whether the text of a path, encoded as UTF-8, is its bytes on the disk."""
    try:
        return str(path).encode() == os.fsencode(path)
    except UnicodeEncodeError:
        return False

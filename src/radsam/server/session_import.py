"""Checks imported session files before they are unpacked."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from radsam.errors import SessionError
from radsam.server.server_errors import TooLargeError
from radsam.server.server_limits import Limits
from radsam.volume import Geometry

#: The contents may be this many times larger than the largest session file.
_UNPACKED = 32


def check_session_file(path: Path, limits: Limits, geometry: Geometry) -> None:
    """Refuse a session file that would fill the memory.

    Args:
        path: The file.
        limits: Its size limit.
        geometry: The grid of its volume: a mask is at most as large as a slice.

    Raises:
        SessionError: The file is not a complete session file.
        TooLargeError: It unpacks to more than its limit.
    """
    max_bytes = limits.session_file_bytes * _UNPACKED
    try:
        with zipfile.ZipFile(path) as archive:
            _require_small(archive, max_bytes)
            with zipfile.ZipFile(io.BytesIO(archive.read("masks.npz"))) as masks:
                _require_small(masks, max_bytes)
            edits = json.loads(archive.read("session.json"))["edits"]
        largest = max(a * b for a in geometry.shape_ijk for b in geometry.shape_ijk)
        for edit in edits:
            rows, cols = edit.get("prompt", {}).get("shape", (1, 1))
            if not 0 < rows * cols <= largest:
                raise SessionError("A mask of this session does not fit the volume.")
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError, OSError) as error:
        raise SessionError(f"This is not a complete RadSAM session: {error!r}. Export it again.") from error
    except (RuntimeError, NotImplementedError) as error:
        raise SessionError("This session file is compressed in an unsupported way. Export it again.") from error


def _require_small(archive: zipfile.ZipFile, max_bytes: int) -> None:
    size = sum(each.file_size for each in archive.infolist())
    if size > max_bytes:
        raise TooLargeError(f"The session file unpacks to {size / 1e6:.0f} MB; the limit is {max_bytes / 1e6:.0f} MB.")

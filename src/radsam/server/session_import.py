"""Session files from elsewhere: what they unpack to is looked at before it is unpacked."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from radsam.errors import SessionError
from radsam.server.server_errors import TooLargeError
from radsam.server.server_limits import Limits
from radsam.volume import Geometry

#: How many times larger than the largest file its contents may be.
_UNPACKED = 32


def check_session_file(path: Path, limits: Limits, geometry: Geometry) -> None:
    """Refuse a session file that would fill the memory.

    Args:
        path: The file.
        limits: What it may unpack to.
        geometry: The grid of its volume: no mask is larger than a slice of it.

    Raises:
        SessionError: It is no session file.
        TooLargeError: It unpacks to too much.
    """
    most = limits.session_file_bytes * _UNPACKED
    try:
        with zipfile.ZipFile(path) as archive:
            _require_small(archive, most)
            with zipfile.ZipFile(io.BytesIO(archive.read("masks.npz"))) as masks:
                _require_small(masks, most)
            edits = json.loads(archive.read("session.json"))["edits"]
        largest = max(a * b for a in geometry.shape_ijk for b in geometry.shape_ijk)
        for edit in edits:
            rows, cols = edit.get("prompt", {}).get("shape", (1, 1))
            if not 0 < rows * cols <= largest:
                raise SessionError("A mask of this session does not fit the volume.")
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError, OSError) as error:
        raise SessionError(f"This is not a whole RadSAM session: {error!r}.") from error
    except (RuntimeError, NotImplementedError) as error:
        raise SessionError("This session file is packed in an unusual way.") from error


def _require_small(archive: zipfile.ZipFile, most: int) -> None:
    size = sum(each.file_size for each in archive.infolist())
    if size > most:
        raise TooLargeError(f"The session file unpacks to {size / 1e6:.0f} MB; the limit is {most / 1e6:.0f} MB.")

"""Unpacking a zip of DICOM files safely."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from radsam.errors import VolumeError

#: More than any CT series needs (2,000 slices of 512×512 are 1 GB): a larger zip is a mistake
#: or an attack.
MAX_UNPACKED_BYTES = 8 << 30
MAX_FILES = 100_000
_CHUNK_BYTES = 1 << 20


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack the DICOM files of a zip into a private folder that is removed afterwards.

    Names inside the zip never become paths: every file gets a numbered folder of its
    own and a sanitised version of its last name, for messages. Of a file that does not look like DICOM only the
    beginning is unpacked, so that it can be named; of hidden ones and those of macOS nothing.

    Raises:
        VolumeError: The file is not a readable zip, is encrypted or damaged, or unpacks
            to more than `MAX_UNPACKED_BYTES`, `MAX_FILES` or the free space.
    """
    with tempfile.TemporaryDirectory(prefix="radsam-") as name:
        folder = Path(name)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, path, folder)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise VolumeError(f"{path} is a damaged zip file ({error}). Copy or download it again.") from error
        except (RuntimeError, NotImplementedError) as error:
            raise VolumeError(
                f"{path} cannot be unpacked: it is encrypted, or its compression is not supported. "
                "Unpack it and give the folder."
            ) from error
        except OSError as error:
            raise VolumeError(f"{path} cannot be unpacked into {folder}: {error.strerror or error}.") from error
        yield folder


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file that starts with these 132 bytes may be DICOM.

    Either it has the preamble and "DICM", or it is an old file that starts right away
    with group 0002 or 0008 in little endian.
    """
    return head[128:132] == b"DICM" or head[:2] in (b"\x02\x00", b"\x08\x00")


def _unpack(archive: zipfile.ZipFile, path: Path, folder: Path) -> None:
    members = [each for each in archive.infolist() if not each.is_dir()]
    size = sum(each.file_size for each in members)
    limit = min(MAX_UNPACKED_BYTES, shutil.disk_usage(folder).free)
    if len(members) > MAX_FILES or size > limit:
        raise VolumeError(
            f"{path} unpacks to {len(members)} files of {size / 1e9:.1f} GB; the limit here is "
            f"{MAX_FILES} files and {limit / 1e9:.1f} GB. Give a folder or zip with only the series."
        )
    for number, member in enumerate(members):
        with archive.open(member) as packed:
            head = packed.read(132)
            is_dicom = looks_like_dicom(head)
            parts = PurePosixPath(member.filename.replace("\\", "/")).parts
            if not is_dicom and (parts[-1].startswith(".") or "__MACOSX" in parts):
                continue
            target = folder / f"{number:06d}" / _sanitised(member.filename)
            target.parent.mkdir()
            with target.open("wb") as out:
                out.write(head)
                if is_dicom:
                    # zipfile stops at the declared size and compares the checksum.
                    shutil.copyfileobj(packed, out, _CHUNK_BYTES)


def _sanitised(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"[^\w.-]", "_", last)[-80:].lstrip(".") or "file"

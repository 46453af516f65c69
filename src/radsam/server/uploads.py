"""Uploads: streamed to disk with a size limit, and checked before any voxel is allocated."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import re
import secrets
import shutil
import threading
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from radsam.errors import SessionError, VolumeError
from radsam.io.dicom.dicom_zip import looks_like_dicom, unpacked
from radsam.io.image_file import read_header
from radsam.io.stated_grid import grid_notes
from radsam.server.label_recognition import looks_like_labels
from radsam.server.server_errors import ServerFullError, TooLargeError, UnsupportedFileError
from radsam.server.server_limits import Limits
from radsam.server.server_store import ServerStore, UploadRow, now
from radsam.server.volume_listing import VolumeEntry, entries_of
from radsam.server.volume_registry import VolumeRegistry
from radsam.volume import Geometry, Volume

_ACCEPTED = (".nii", ".nii.gz", ".nrrd", ".mha", ".zip")
_CHUNK_BYTES = 1 << 20
#: Bytes that may follow the voxels of a compressed file, such as an extension or padding.
_SLACK_BYTES = 1 << 20


class IncomingFile:
    """A file that is being received.

    Args:
        path: Its path.
        max_bytes: Its size limit.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._file: IO[bytes] = path.open("xb")
        self._bytes = 0

    def write(self, chunk: bytes) -> None:
        """Append a chunk.

        Raises:
            TooLargeError: The file is larger than its limit.
            ServerFullError: The disk is full.
        """
        self._bytes += len(chunk)
        if self._bytes > self._max_bytes:
            raise TooLargeError(f"The file is larger than {self._max_bytes / 1e6:.0f} MB, the limit here.")
        try:
            self._file.write(chunk)
        except OSError as error:
            raise ServerFullError(f"The disk of the server is full ({error.strerror}).") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True, eq=False)
class Upload:
    """An upload.

    Args:
        row: Its row in the database.
        volumes: Its volumes; none if its files can no longer be read.
    """

    row: UploadRow
    volumes: tuple[VolumeEntry, ...]


class Uploads:
    """Receives volumes.

    Args:
        store: Where they are stored.
        volumes: Where they are registered.
        limits: Size limits.
    """

    def __init__(self, store: ServerStore, volumes: VolumeRegistry, limits: Limits) -> None:
        self._store = store
        self._volumes = volumes
        self._limits = limits
        self._lock = threading.Lock()
        for folder in store.uploads.iterdir():
            if folder.name not in {Path(row.path).parts[0] for row in store.every_upload()}:
                shutil.rmtree(folder, ignore_errors=True)  # an upload that a crash interrupted

    @contextmanager
    def receive(self, user: str, filename: str, announced: int | None) -> Iterator[IncomingFile]:
        """Receive a file; `register` makes a volume of it. A file that is not registered is removed afterwards.

        Args:
            user: Its user.
            filename: Its display name; never becomes a path.
            announced: Its announced size in bytes.

        Raises:
            UnsupportedFileError: The name has no supported suffix.
            TooLargeError: The file is too large, alone or with the user's other uploads.
        """
        suffix = _suffix(filename)
        used = sum(row.bytes for row in self._store.every_upload() if row.owner == user)
        limit = min(self._limits.upload_bytes, self._limits.uploads_bytes - used)
        if (announced or 1) > limit:
            raise TooLargeError(
                f"The file has {(announced or 1) / 1e6:.0f} MB; you may upload {max(0, limit) / 1e6:.0f} MB. "
                "Remove uploads that are not needed, or crop the volume."
            )
        folder = self._store.uploads / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        incoming = IncomingFile(folder / f"volume{suffix}", limit)
        try:
            yield incoming
        finally:
            incoming.close()
            self._remove_unregistered(folder)

    def _remove_unregistered(self, folder: Path) -> None:
        if not any(Path(row.path).parts[0] == folder.name for row in self._store.every_upload()):
            shutil.rmtree(folder, ignore_errors=True)

    def register(self, user: str, filename: str, incoming: IncomingFile) -> VolumeEntry:
        """Check a received file and register its volumes; return the largest series of a zip.

        The voxels of a single volume are read, so that a damaged file is refused now and not when it is opened.

        Raises:
            VolumeError: The file is not a readable volume.
            TooLargeError: Its voxels or its unpacked size exceed the limits.
        """
        incoming.close()
        path, name = incoming.path, display_name(filename)
        with self._lock:  # one zip bomb at a time
            if path.suffix == ".zip":
                path = self._unpack(path, name)
            else:
                self.check_image(path)
        return self._register(user, name, path)

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Make a folder for files that come another way, for `register_folder`; removed where that did not happen."""
        folder = self._store.uploads / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        try:
            yield folder / "series"
        finally:
            self._remove_unregistered(folder)

    def register_folder(self, user: str, name: str, folder: Path) -> VolumeEntry:
        """Register the DICOM files in a folder of `new_folder`; return the largest series.

        Raises:
            VolumeError: They cannot be read as a volume.
            TooLargeError: They exceed the limits, alone or with the user's other uploads.
        """
        size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
        used = sum(row.bytes for row in self._store.every_upload() if row.owner == user)
        if used + size > self._limits.uploads_bytes:
            raise TooLargeError(
                f"The series has {size / 1e6:.0f} MB; you may store {(self._limits.uploads_bytes - used) / 1e6:.0f} MB "
                "more. Remove uploads that are not needed."
            )
        return self._register(user, name, folder)

    def _register(self, user: str, name: str, path: Path) -> VolumeEntry:
        """Register checked files."""
        with self._lock:
            size = sum(each.stat().st_size for each in path.parent.rglob("*") if each.is_file())
            place = str(path.relative_to(self._store.uploads))
            name = free_name(name, [each.name for each in self._volumes.listed(user)])
            row = UploadRow(path.parent.name, user, name, place, None, size, now())
            try:
                found = entries_of(path, "upload", upload=row)
            except VolumeError as error:
                raise VolumeError(without_path(str(error), path, name)) from None
        for entry in found:
            self._volumes.require_size(entry)
        if len(found) == 1 and (volume := self._read(found[0])):
            row = replace(row, labels=looks_like_labels(volume.values, name))
        self._store.put_upload(row)
        return max(self._volumes.add_upload(row), key=lambda entry: entry.bytes_in_memory)

    def listed(self, user: str) -> list[Upload]:
        """List the uploads of a user, the oldest first, also those whose files can no longer be read."""
        volumes = [each for each in self._volumes.listed(user) if each.source == "upload"]
        return [
            Upload(row, tuple(each for each in volumes if each.upload == row.id))
            for row in self._store.every_upload()
            if row.owner == user
        ]

    def remove(self, upload: Upload) -> None:
        """Remove an upload from registry and disk, with all series of its zip."""
        for each in upload.volumes:
            self._volumes.remove(each)
        self._store.delete_upload(upload.row.id)
        shutil.rmtree(self._store.uploads / upload.row.id, ignore_errors=True)

    def _read(self, entry: VolumeEntry) -> Volume | None:
        """Read a volume; None while other volumes use the memory: it is read when it is opened."""
        with suppress(ServerFullError):
            return self._volumes.load(entry)
        return None

    def _unpack(self, path: Path, name: str) -> Path:
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(each.file_size for each in archive.infolist())
                members = [each.filename for each in archive.infolist() if not each.is_dir()]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise VolumeError(f"The zip file is damaged ({error}). Copy or make it again.") from None
        if size > self._limits.unpacked_bytes:
            raise TooLargeError(
                f"The zip unpacks to {size / 1e9:.1f} GB; the limit here is "
                f"{self._limits.unpacked_bytes / 1e9:.1f} GB. Remove files that do not belong to the series."
            )
        folder = path.parent / "series"
        try:
            with unpacked(path) as inside:
                shutil.copytree(inside, folder)
        except VolumeError as error:
            raise VolumeError(without_path(str(error), path, "The zip")) from None
        if not any(looks_like_dicom(_head(each)) for each in folder.rglob("*") if each.is_file()):
            raise VolumeError(_without_dicom(name, members))
        path.unlink()
        return folder

    def check_image(self, path: Path) -> None:
        """Check that the header of an image is within the limits, and that its data do not unpack to more.

        Raises:
            VolumeError: The file is not an image, or is damaged.
            TooLargeError: The image exceeds the limits, or its data unpack to more than its header declares.
        """
        try:
            with grid_notes():  # the entry has them
                header = read_header(path)
        except VolumeError as error:
            raise VolumeError(without_path(str(error), path, "The file")) from None
        i, j, k = header.geometry.shape_ijk
        voxels = i * j * k
        if voxels * 2 > self._limits.volume_bytes:
            raise TooLargeError(
                f"The header declares {i}×{j}×{k} voxels; a volume may take {self._limits.volume_bytes / 1e9:.1f} GB "
                "in memory here. Crop it first."
            )
        # Eight bytes: the largest supported type.
        limit = voxels * 8 + _SLACK_BYTES
        try:
            with path.open("rb") as file:
                size = _inflated(file, path.name, limit)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise VolumeError("The compressed data are incomplete or altered. Copy the file again.") from None
        if size > limit:
            raise TooLargeError("The file unpacks to far more than its header declares. It is damaged, or an attack.")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(132)


def _without_dicom(name: str, members: list[str]) -> str:
    """Say what a zip without DICOM files holds, and what to upload instead."""
    if not members:
        return f"{name} is an empty zip. Zip the folder of a DICOM series again."
    shown = ", ".join(display_name(each) for each in members[:3]) + (", …" if len(members) > 3 else "")
    text = f"{name} holds no DICOM file, only {shown}."
    volumes = [each for each in members if each.lower().endswith(_ACCEPTED)]
    if volumes:
        return f"{text} Unpack it and upload {display_name(volumes[0])} itself."
    return f"{text} Upload a zip of the folder of a DICOM series, or a {', '.join(_ACCEPTED[:-1])} file."


def free_name(name: str, taken: Collection[str]) -> str:
    """Return a display name that no other volume has: "ct.nii.gz", or else "ct (2).nii.gz" and so on."""
    suffix = next((each for each in sorted(_ACCEPTED, key=len, reverse=True) if name.lower().endswith(each)), "")
    stem, suffix = name[: len(name) - len(suffix)], name[len(name) - len(suffix) :]
    numbered = (f"{stem} ({number}){suffix}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if not _is_taken(each, taken))


def _is_taken(name: str, taken: Collection[str]) -> bool:
    """Whether a volume has the name; those of a DICOM upload begin with it."""
    return any(each == name or each.startswith(f"{name} ") for each in taken)


def display_name(filename: str) -> str:
    """Return a display name: the last part of a file name, without unusual characters."""
    last = re.split(r"[/\\]", filename)[-1]
    return re.sub(r"[^\w .()#+-]", "_", last).strip()[-100:] or "upload"


def _suffix(filename: str) -> str:
    name = filename.lower()
    found = next((each for each in sorted(_ACCEPTED, key=len, reverse=True) if name.endswith(each)), None)
    if found is None:
        raise UnsupportedFileError(
            f"{display_name(filename)!r} is not a supported file: upload {', '.join(_ACCEPTED)} "
            "(a zip with a DICOM series)."
        )
    return found


def _inflated(file: IO[bytes], name: str, limit: int) -> int:
    """Return the unpacked size of a compressed file, counted up to about `limit`; 0 for an uncompressed file."""
    if not name.endswith(".gz"):
        head = file.read(1 << 16)
        local = {".nrrd": b"\n\n", ".mha": b"ElementDataFile = LOCAL\n"}.get(Path(name).suffix)
        start = head.find(local) + len(local) if local and local in head else -1
        if start < 0 or head[start : start + 1] not in (b"\x1f", b"\x78"):
            return 0
        file.seek(start)
    else:
        file.seek(0)
    size = 0
    unpack = zlib.decompressobj(wbits=47)  # zlib or gzip, as the first bytes say
    waiting = b""
    while size <= limit:
        chunk = waiting or file.read(_CHUNK_BYTES)
        if not chunk:
            break
        size += len(unpack.decompress(chunk, _CHUNK_BYTES))
        waiting = unpack.unconsumed_tail
        if unpack.eof:
            waiting = unpack.unused_data
            if not waiting.lstrip(b"\0"):
                break
            unpack = zlib.decompressobj(wbits=47)
    return size


def without_path(message: str, path: Path, name: str) -> str:
    """Remove the server's paths from a message."""
    for each in (path, path.parent):
        message = message.replace(str(each), name)
    return message


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
    except (
        zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, AttributeError, EOFError, OSError
    ) as error:  # fmt: skip
        raise SessionError(f"This is not a complete RadSAM session: {error!r}. Export it again.") from error
    except (RuntimeError, NotImplementedError) as error:
        raise SessionError("This session file is compressed in an unsupported way. Export it again.") from error


def _require_small(archive: zipfile.ZipFile, max_bytes: int) -> None:
    size = sum(each.file_size for each in archive.infolist())
    if size > max_bytes:
        raise TooLargeError(f"The session file unpacks to {size / 1e6:.0f} MB; the limit is {max_bytes / 1e6:.0f} MB.")

"""The PACS of the server: search, retrieve a series as a volume of a user, and send results back.

All users reach it with the server's own login. What a search finds about patients goes to the user alone: neither
logs nor messages, names of volumes or sessions have it. A retrieved series is stored as an upload is.
"""

from __future__ import annotations

import logging
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radsam.disk.atomic_write import private_file, private_folder
from radsam.errors import PacsRequestError
from radsam.io.pacs.fetch_files import save_dicom
from radsam.io.pacs.pacs_address import Level, PacsAddress, check_uid
from radsam.io.pacs.pacs_connection import connect, require_libraries
from radsam.io.pacs.pacs_search import describe_match, list_instances
from radsam.io.pacs.store_files import check_files, store_files
from radsam.server.result_export import ExportedFile
from radsam.server.server_errors import EditCancelledError, NotFoundError, TooLargeError, TooManyError, classify
from radsam.server.server_limits import Limits
from radsam.server.uploads import Uploads, without_path

_log = logging.getLogger(__name__)

#: A search lists as many studies or series.
_MOST_FOUND = 200
#: Retrievals that a user may have running.
_MOST_RUNNING = 4


@dataclass
class Retrieval:
    """A series on its way from the PACS.

    Args:
        id: Its id.
        owner: Its user.
        state: "running", "done", "failed" or "cancelled".
        done: How many images have arrived.
        total: How many there are, once that is known.
        volume: The volume that it became.
        message: Why it failed.
    """

    id: str
    owner: str
    state: str = "running"
    done: int = 0
    total: int | None = None
    volume: str | None = None
    message: str = ""
    cancelled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        shown = asdict(self)
        return {name: shown[name] for name in ("id", "state", "done", "total", "volume", "message")}


class PacsService:
    """The PACS at one address.

    Args:
        address: The PACS, without a study.
        uploads: Where retrieved series are stored.
        limits: Size limits.

    Raises:
        PacsRequestError: The address names a study.
        MissingExtraError: The extra ``dicom`` is not installed.
    """

    def __init__(self, address: PacsAddress, uploads: Uploads, limits: Limits) -> None:
        if address.level is not Level.SERVER:
            raise PacsRequestError(f"{address} is not a whole PACS. Leave out /studies and what follows.")
        require_libraries()
        self.address = address
        self._uploads = uploads
        self._limits = limits
        self._lock = threading.Lock()
        self._retrievals: dict[str, Retrieval] = {}
        self._pool = ThreadPoolExecutor(2, "pacs")
        self._stopping = threading.Event()

    @property
    def name(self) -> str:
        """The PACS in a few words, without a login."""
        return f"{self.address.ae_title} at {self.address.host}" if self.address.is_dimse else self.address.host

    def close(self) -> None:
        """Stop the retrievals."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def studies(self, where: dict[str, str]) -> dict[str, Any]:
        """Search for studies by DICOM keyword; `more` says whether there are more than listed."""
        return self._found(self.address, Level.STUDY, where)

    def series(self, study: str) -> dict[str, Any]:
        """List the series of a study."""
        if not check_uid(study, "The UID of the study"):
            raise PacsRequestError("Name a study by its UID.")
        return self._found(self.address.within(study=study), Level.SERIES, {})

    def _found(self, at: PacsAddress, level: Level, where: dict[str, str]) -> dict[str, Any]:
        with connect(self.address) as server:
            found = server.find(at, level, where, _MOST_FOUND + 1)
        rows = [describe_match(each, at, level, patient=True) for each in found[:_MOST_FOUND]]
        return {"found": rows, "more": len(found) > _MOST_FOUND}

    def retrieve(self, user: str, study: str, series: str) -> Retrieval:
        """Begin to retrieve a series; it becomes a volume of the user.

        Raises:
            PacsRequestError: A UID is malformed.
            TooManyError: The user has too many retrievals running.
        """
        for uid, what in ((study, "study"), (series, "series")):
            if not check_uid(uid, f"The UID of the {what}"):
                raise PacsRequestError(f"Name a {what} by its UID.")
        with self._lock:
            mine = [each for each in self._retrievals.values() if each.owner == user]
            if sum(each.state == "running" for each in mine) >= _MOST_RUNNING:
                raise TooManyError(f"{_MOST_RUNNING} series are on their way already. Wait until one has arrived.")
            for old in [each for each in mine if each.state != "running"][:-20]:
                del self._retrievals[old.id]
            retrieval = Retrieval("r" + secrets.token_hex(8), user)
            self._retrievals[retrieval.id] = retrieval
        self._pool.submit(self._retrieve, retrieval, self.address.within(study=study, series=series))
        return retrieval

    def retrieval(self, user: str, retrieval: str) -> Retrieval:
        """Return a retrieval of a user.

        Raises:
            NotFoundError: The user has none with this id.
        """
        found = self._retrievals.get(retrieval)
        if found is None or found.owner != user:
            raise NotFoundError(f"There is no retrieval {retrieval!r}.")
        return found

    def cancel(self, user: str, retrieval: str) -> None:
        """Stop a retrieval after the current image; nothing of it stays."""
        self.retrieval(user, retrieval).cancelled = True

    def send(self, result: ExportedFile) -> dict[str, Any]:
        """Store a DICOM result in the PACS.

        Raises:
            PacsRequestError: The PACS refuses it.
            PacsError: The PACS failed.
        """
        try:
            checked = check_files([result.path], self.address)
            with connect(self.address) as server:
                stored = store_files(server, checked)
        except Exception as error:
            shown = without_path(str(error), result.path, result.name)
            again = " Run the same command again: storing a file twice changes nothing."
            raise type(error)(shown.replace(again, " Send it again: storing twice changes nothing.")) from None
        return {"pacs": self.name, "series": [each.series_uid for each in stored]}

    def _retrieve(self, retrieval: Retrieval, at: PacsAddress) -> None:
        try:
            with self._uploads.new_folder() as folder:
                self._fetch(retrieval, at, folder)
                entry = self._uploads.register_folder(retrieval.owner, f"PACS {at.series_uid[-12:]}", folder)
            retrieval.volume, retrieval.state = entry.id, "done"
        except EditCancelledError:
            retrieval.state = "cancelled"
        except Exception as error:
            _, kind, retrieval.message = classify(error)
            retrieval.state = "failed"
            if kind == "bug":  # by its kind alone: what libraries say may hold patient data
                _log.error("a retrieval failed: %s", type(error).__name__)

    def _fetch(self, retrieval: Retrieval, at: PacsAddress, folder: Path) -> None:
        """Write the images of a series into a folder."""
        private_folder(folder)
        room, taken = self._limits.unpacked_bytes, 0
        with connect(at) as server:
            instances = list_instances(server, at)
            retrieval.total = len(instances)
            for image in server.fetch(instances):
                if retrieval.cancelled or self._stopping.is_set():
                    raise EditCancelledError
                with private_file(folder / f"{check_uid(str(image.SOPInstanceUID), 'An image')}.dcm") as file:
                    taken += save_dicom(image, file)
                if taken > room:
                    raise TooLargeError(f"The series has more than {room / 1e9:.1f} GB, the limit here.")
                retrieval.done += 1


def search_values(patient_id: str, patient_name: str, date_from: str, date_to: str, modality: str) -> dict[str, str]:
    """Return the values to search for, by DICOM keyword; a name matches from its beginning.

    Args:
        patient_id: PatientID.
        patient_name: PatientName, or its beginning; ``*`` and ``?`` match any text.
        date_from: The first day, YYYYMMDD.
        date_to: The last day, YYYYMMDD.
        modality: A modality of the study.
    """
    date = f"{date_from}-{date_to}" if date_from != date_to and (date_from or date_to) else date_from
    name = f"{patient_name}*" if patient_name and not set("*?") & set(patient_name) else patient_name
    named = {"PatientID": patient_id, "PatientName": name, "StudyDate": date, "ModalitiesInStudy": modality}
    return {keyword: value for keyword, value in named.items() if value}

"""PACS for tests: a small DICOMweb server and a small application entity, both with faults on request."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from dicom_files import ct_values, write_series

PATIENT = "Secret^Patient"
PATIENT_ID = "PID-4711"
USER, PASSWORD = "reader", "pässword✓"
STUDY, SERIES = "1.2.3.4", "1.2.3.4.5"

#: Handles a request in place of the server.
Fault = Callable[["_Handler", bytes], None]


def write_patient(folder: Path, hu: np.ndarray | None = None) -> list[Path]:
    """Write a CT series of a patient who has a name; 4 small slices unless values are given."""

    def name(k: int, dataset: Dataset) -> None:
        dataset.StudyInstanceUID = STUDY
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{SERIES}.{k + 1}"
        dataset.PatientName, dataset.PatientID = PATIENT, PATIENT_ID
        dataset.ReferringPhysicianName = "Doctor^Secret"
        dataset.InstitutionName = "Secret Hospital"
        dataset.StudyDate = "20240102"
        dataset.add_new(0x00090010, "LO", "SECRET MAKER")
        dataset.add_new(0x00091001, "LO", PATIENT)
        item = Dataset()
        item.PatientName, item.CodeValue = PATIENT, "T-1"
        dataset.DerivationCodeSequence = [item]

    values = ct_values((4, 16, 12)) if hu is None else hu
    return write_series(folder, values, series_uid=SERIES, compress="JPEG 2000 lossless", edit=name)


class WebPacs:
    """A DICOMweb server on loopback.

    Args:
        files: What it holds.
        login: Whether it requires `USER` and `PASSWORD`.
        page: The longest list that it returns.
        tls: Certificate and key.
    """

    def __init__(
        self, files: list[Path], *, login: bool = False, page: int = 1000, tls: tuple[Path, Path] | None = None
    ) -> None:
        self.files = {pydicom.dcmread(path).SOPInstanceUID: path.read_bytes() for path in files}
        self.stored: list[Dataset] = []
        self.login = login
        self.page = page
        self.ignores_offset = False
        self.store_response: tuple[int, dict[str, Any]] | None = None
        #: Faults of the next requests to search, to fetch and to store; None for no fault.
        self.on_find: deque[Fault | None] = deque()
        self.on_fetch: deque[Fault | None] = deque()
        self.on_store: deque[Fault | None] = deque()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.pacs = self  # type: ignore[attr-defined]
        self.scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            self.scheme = "https"
        self.port = self._http.server_address[1]

    @property
    def url(self) -> str:
        return f"dicomweb+{self.scheme}://127.0.0.1:{self.port}/dicom-web"

    @property
    def series(self) -> str:
        return f"{self.url}/studies/{STUDY}/series/{SERIES}"

    def fetched(self) -> list[str]:
        """UIDs of the instances that clients fetched."""
        return [
            path.rsplit("/", 1)[1] for method, path, _ in self.requests if method == "GET" and "/instances/" in path
        ]

    @contextmanager
    def running(self) -> Iterator[WebPacs]:
        thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def pacs(self) -> WebPacs:
        return self.server.pacs  # type: ignore[attr-defined,no-any-return]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._note()
        if self._refused():
            return
        parts = urlsplit(self.path)
        fetching = "/instances/" in parts.path
        faults = self.pacs.on_fetch if fetching else self.pacs.on_find
        good = self._instance(parts.path) if fetching else self._listing(parts.path, parse_qs(parts.query))
        fault = faults.popleft() if faults else None
        if fault is not None:
            fault(self, good or b"")
        elif good is None:
            status(404)(self, b"")
        elif fetching:
            self.send(good, MULTIPART)
        else:
            self.send(good, "application/dicom+json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._note()
        if self._refused():
            return
        fault = self.pacs.on_store.popleft() if self.pacs.on_store else None
        if fault is not None:
            fault(self, b"")
            return
        part = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        dataset = pydicom.dcmread(BytesIO(part))
        code, response = self.pacs.store_response or (200, _stored(dataset))
        if code == 200:
            self.pacs.stored.append(dataset)
        self.send(json.dumps(response).encode(), "application/dicom+json", code)

    def send(self, body: bytes, kind: str, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _note(self) -> None:
        self.pacs.requests.append((self.command, urlsplit(self.path).path, dict(self.headers)))

    def _refused(self) -> bool:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if not self.pacs.login or self.headers.get("Authorization") == wanted:
            return False
        status(401)(self, b"")
        return True

    def _instance(self, path: str) -> bytes | None:
        stored = self.pacs.files.get(path.rsplit("/", 1)[1])
        return None if stored is None else multipart(stored)

    def _listing(self, path: str, query: dict[str, list[str]]) -> bytes | None:
        if not path.startswith("/dicom-web/studies"):
            return None
        read = [pydicom.dcmread(BytesIO(each), stop_before_pixels=True) for each in self.pacs.files.values()]
        chosen = [
            each
            for each in read
            if all(
                part in (each.StudyInstanceUID, each.SeriesInstanceUID)
                for part in path.split("/")
                if part[:1].isdigit()
            )
        ]
        for uid in query.get("SOPInstanceUID", []):
            chosen = [each for each in chosen if uid == each.SOPInstanceUID]
        level = path.rsplit("/", 1)[1]
        shown = {_match(each, level).to_json(): None for each in chosen}
        start = 0 if self.pacs.ignores_offset else int(query.get("offset", ["0"])[0])
        return f"[{','.join(list(shown)[start : start + self.pacs.page])}]".encode()


def _match(dataset: Dataset, level: str) -> Dataset:
    names = {
        "studies": ["StudyInstanceUID", "StudyDate", "PatientName", "PatientID"],
        "series": ["StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesDescription"],
        "instances": ["SOPInstanceUID", "SOPClassUID", "InstanceNumber"],
    }[level]
    match = Dataset()
    for name in names:
        setattr(match, name, dataset.get(name))
    return match


def _stored(dataset: Dataset) -> dict[str, Any]:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    response = Dataset()
    response.ReferencedSOPSequence = [item]
    return dict(response.to_json_dict())


def failed(reason: int) -> dict[str, Any]:
    """The response to STOW of a server that did not store it."""
    item = Dataset()
    item.FailureReason = reason
    response = Dataset()
    response.FailedSOPSequence = [item]
    return dict(response.to_json_dict())


MULTIPART = 'multipart/related; type="application/dicom"; boundary="limit"'


def multipart(part: bytes) -> bytes:
    return b"--limit\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n--limit--\r\n"


# --- faults


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    def handle(handler: _Handler, _: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return handle


def broken_off(handler: _Handler, good: bytes) -> None:
    """Half of the announced body."""
    handler.send_response(200)
    handler.send_header("Content-Type", MULTIPART)
    handler.send_header("Content-Length", str(len(good)))
    handler.end_headers()
    handler.wfile.write(good[: len(good) // 2])
    handler.close_connection = True


def cut_silently(handler: _Handler, good: bytes) -> None:
    """Nearly the whole body, without a sign that it is incomplete."""
    handler.send_response(200)
    handler.send_header("Content-Type", MULTIPART)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(good[:-40])
    handler.close_connection = True


def silent_for(seconds: float) -> Fault:
    def handle(handler: _Handler, _: bytes) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return handle


def other_bytes(body: bytes, kind: str) -> Fault:
    return lambda handler, _: handler.send(body, kind)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that nobody trusts; return it and its key."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test PACS")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


class DimsePacs:
    """An application entity on loopback.

    Args:
        files: What it holds.
        caller: The only AE title that it accepts, if any.
    """

    def __init__(self, files: list[Path], *, caller: str | None = None) -> None:
        self.held = {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path) for path in files}
        self.stored: list[Dataset] = []
        self.requested: list[list[str]] = []
        self.store_status = 0x0000
        self.takes_lists = True
        self.silent_s = 0.0
        #: How many instances it sends before it aborts, once; None is all.
        self.aborts_after: int | None = None
        self._ae = AE("TESTPACS")
        if caller:
            self._ae.require_calling_aet = [caller]
        self._ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        self._ae.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        syntaxes = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.90"]
        self._ae.add_supported_context(CTImageStorage, syntaxes, scu_role=True, scp_role=True)
        handlers = [
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_C_GET, self._get),
            (evt.EVT_C_STORE, self._store),
        ]
        self._server = self._ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self._server.socket.getsockname()[1]

    def takes_only_implicit(self, sop_class: str) -> None:
        """Accept objects of a class in Implicit VR only, from the next association on."""
        self._server.ae.remove_supported_context(sop_class)
        self._server.ae.add_supported_context(sop_class, "1.2.840.10008.1.2")
        self._server.contexts = self._server.ae.supported_contexts

    @property
    def url(self) -> str:
        return f"dimse://127.0.0.1:{self.port}/TESTPACS"

    @property
    def series(self) -> str:
        return f"{self.url}/studies/{STUDY}/series/{SERIES}"

    @contextmanager
    def running(self) -> Iterator[DimsePacs]:
        try:
            yield self
        finally:
            self._server.shutdown()

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        time.sleep(self.silent_s)
        level = {"STUDY": "studies", "SERIES": "series", "IMAGE": "instances"}[event.identifier.QueryRetrieveLevel]
        seen = set()
        for each in self.held.values():
            match = _match(each, level)
            if event.identifier.get("StudyInstanceUID", STUDY) not in ("", STUDY) or match.to_json() in seen:
                continue
            seen.add(match.to_json())
            yield 0xFF00, match

    def _get(self, event: evt.Event) -> Iterator[Any]:
        uids = event.identifier.SOPInstanceUID
        wanted = [uids] if isinstance(uids, str) else list(uids)
        self.requested.append(wanted)
        if len(wanted) > 1 and not self.takes_lists:
            wanted = []
        chosen = [self.held[uid] for uid in wanted if uid in self.held]
        yield len(chosen)
        for number, each in enumerate(chosen):
            if number == self.aborts_after:
                self.aborts_after = None
                event.assoc.abort()
                return
            yield 0xFF00, each

    def _store(self, event: evt.Event) -> int:
        if self.store_status == 0:
            self.stored.append(event.dataset)
        return self.store_status

"""Connecting to a PACS by its address, over the protocol that the address names."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from radsam.errors import MissingExtraError
from radsam.io.pacs.pacs_address import PacsAddress
from radsam.io.pacs.pacs_server import PacsServer
from radsam.io.pacs.retry_policy import RetryPolicy


@contextmanager
def connect(address: PacsAddress) -> Iterator[PacsServer]:
    """Connect to the PACS at an address for a ``with`` block; its connections are closed at the end.

    Args:
        address: The address.

    Raises:
        MissingExtraError: The extra ``dicom`` is not installed.
    """
    require_libraries()
    _silence_library_logs()
    policy = RetryPolicy.from_environment()
    server: PacsServer
    if address.is_dimse:
        from radsam.io.pacs.dimse import DimseServer

        server = DimseServer(address, policy)
    else:
        from radsam.io.pacs.dicomweb import DicomWebServer
        from radsam.io.pacs.pacs_credentials import find_credentials

        server = DicomWebServer(address, find_credentials(address), policy)
    try:
        yield server
    finally:
        server.close()


def require_libraries() -> None:
    """Check that the libraries of the extra ``dicom`` are installed.

    Raises:
        MissingExtraError: One is not installed.
    """
    if any(find_spec(each) is None for each in ("dicomweb_client", "pynetdicom", "keyring")):
        raise MissingExtraError("Reaching a PACS", "dicom")


def _silence_library_logs() -> None:
    """Silence the libraries' loggers: they log queries, responses and URLs, which hold patients' names and ids."""
    for library in ("dicomweb_client", "pynetdicom", "urllib3", "requests"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)

"""A PACS over DIMSE (PS3.4 annexes B and C): C-FIND to search, C-GET to fetch, C-STORE to store.

C-GET and not C-MOVE, because it needs no port of ours and no entry in the PACS's list of
destinations. RadSAM's AE title is ``RADSAM``, or ``$RADSAM_PACS_AET``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
    RTStructureSetStorage,
    SegmentationStorage,
)
from pynetdicom import AE, _config, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from radsam.errors import PacsError, PacsRequestError
from radsam.io.pacs.dicom_status import explain_status, is_warning
from radsam.io.pacs.pacs_address import Level, PacsAddress
from radsam.io.pacs.pacs_search import check_received
from radsam.io.pacs.pacs_server import RETURNED_KEYWORDS, UID_KEYWORDS, Instance
from radsam.io.pacs.retry_policy import RetryPolicy

#: The library's switches that exclude queries and responses, which hold patients' names, from its log.
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False

_LEVEL = {Level.STUDY: "STUDY", Level.SERIES: "SERIES", Level.INSTANCE: "IMAGE"}
_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
#: Every transfer syntax that can be decoded here. Each gets its own presentation context: in a common one,
#: the server chooses a single syntax and has to transcode, or refuses.
_ALL_SYNTAXES = tuple(dict.fromkeys([
    *_UNCOMPRESSED, *JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes, JPEGLosslessSV1, JPEGLossless,
    *JPEGTransferSyntaxes, RLELossless, DeflatedExplicitVRLittleEndian,
]))  # fmt: skip
#: Requested where the server does not name the SOP class of an instance.
_USUAL_CLASSES = (CTImageStorage, EnhancedCTImageStorage, SegmentationStorage, RTStructureSetStorage)
#: Instances in one C-GET. Measured on Orthanc, CT of 150 kB: 115 ms each alone, 24 ms each in 16.
_AT_ONCE = 16
_PENDING = (0xFF00, 0xFF01)


class DimseServer:
    """A DICOM application entity; see `PacsServer`. Associations stay open between requests.

    Args:
        address: The entity, and optionally a study, series or instance in it.
        policy: Time limits and repetitions.

    Raises:
        PacsRequestError: ``$RADSAM_PACS_AET`` is not an AE title.
    """

    def __init__(self, address: PacsAddress, policy: RetryPolicy) -> None:
        self.address = address
        self._policy = policy
        title = os.environ.get("RADSAM_PACS_AET", "RADSAM")
        try:
            self._ae = AE(title)
        except (TypeError, ValueError):
            raise PacsRequestError(
                f"RADSAM_PACS_AET is {title!r}, which is not an AE title: 1 to 16 characters."
            ) from None
        self._ae.connection_timeout = self._ae.acse_timeout = policy.connect_s
        self._ae.dimse_timeout = self._ae.network_timeout = policy.silence_s
        self._open: Association | None = None
        self._open_offers: frozenset[tuple[str, str]] = frozenset()
        self._received: list[Dataset] = []

    def find(self, at: PacsAddress, level: Level, where: Mapping[str, str], limit: int | None) -> list[Dataset]:
        """See `PacsServer`. In an association of its own: a search with a limit ends it."""
        query = self._identifier(level, at)
        query.SpecificCharacterSet = "ISO_IR 192"  # filters come as Unicode
        for keyword in RETURNED_KEYWORDS[level]:
            if keyword not in query:
                setattr(query, keyword, None)
        for keyword, value in where.items():
            setattr(query, keyword, value)
        return self._policy.send(lambda: self._find(query, limit))

    def fetch(self, instances: Sequence[Instance]) -> Iterator[Dataset]:
        """See `PacsServer`. Several in one request, which is much faster; one by one where that fails."""
        remaining, at_once = list(instances), _AT_ONCE
        while remaining:
            batch = [each for each in remaining if each.sop_class == remaining[0].sop_class][:at_once]
            try:
                received = self._policy.send(partial(self._fetch, batch))
            except PacsRequestError:
                if len(batch) == 1:
                    raise
                received = []
            yield from received
            if not received:
                at_once = 1
            here = {str(each.SOPInstanceUID) for each in received}
            remaining = [each for each in remaining if each.address.instance_uid not in here]

    def store(self, dataset: Dataset) -> None:
        """See `PacsServer`. What is not compressed is sent in Implicit VR where the server takes nothing else."""
        syntax = dataset.file_meta.TransferSyntaxUID
        syntaxes = {syntax} if syntax.is_compressed else {syntax, ImplicitVRLittleEndian}
        offered = frozenset((str(dataset.SOPClassUID), str(each)) for each in syntaxes)
        self._policy.send(lambda: self._store(dataset, offered))

    def close(self) -> None:
        """See `PacsServer`."""
        if self._open is not None:
            (self._open.release if self._open.is_established else self._open.abort)()
            self._open = None

    def _find(self, query: Dataset, limit: int | None) -> list[Dataset]:
        self.close()
        with self._translated_errors():
            association = self._associate([build_context(StudyRootQueryRetrieveInformationModelFind)])
            found: list[Dataset] = []
            for status, match in association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind):
                code = self._status_code(status, "Searching")
                if code in _PENDING and match is not None:
                    found.append(match)
                elif code not in _PENDING:
                    self._require_success(code, "Searching")
                if limit is not None and len(found) >= limit:
                    self._abort()
                    return found
        self.close()
        return found

    def _fetch(self, batch: Sequence[Instance]) -> list[Dataset]:
        """Fetch some instances of one kind; those that came before an association broke are returned, if any."""
        at, sop_class = batch[0].address, batch[0].sop_class
        classes = (sop_class,) if sop_class else _USUAL_CLASSES
        query = self._identifier(Level.INSTANCE, at)
        query.SOPInstanceUID = [each.address.instance_uid for each in batch]
        self._received.clear()
        with self._translated_errors():
            offered = frozenset((each, syntax) for each in classes for syntax in _ALL_SYNTAXES)
            association = self._association(offered, fetching=True)
            try:
                for status, _ in association.send_c_get(query, StudyRootQueryRetrieveInformationModelGet):
                    code = self._status_code(status, "Fetching")
                    if code not in _PENDING:
                        self._require_success(code, "Fetching")
            except PacsError:
                if not self._received:
                    raise
            if not self._received:
                raise PacsRequestError(
                    f"The PACS did not send {at}. It may not have it, or only in an unknown transfer syntax."
                )
            return [check_received(each, batch) for each in self._received]

    def _store(self, dataset: Dataset, offered: frozenset[tuple[str, str]]) -> None:
        with self._translated_errors():
            association = self._association(offered)
            if not any(str(each.abstract_syntax) == str(dataset.SOPClassUID) for each in association.accepted_contexts):
                name = UID(dataset.SOPClassUID).name
                raise PacsRequestError(
                    f"{self.address.base} does not take {name} as {dataset.file_meta.TransferSyntaxUID.name}."
                )
            code = self._status_code(association.send_c_store(dataset), "Storing")
            self._require_success(code, "Storing")

    def _association(self, offered: frozenset[tuple[str, str]], *, fetching: bool = False) -> Association:
        """Return an association that offers these classes and syntaxes: the open one, or a new one."""
        if self._open is None or not self._open.is_established or not offered <= self._open_offers:
            self.close()
            contexts = [build_context(sop_class, syntax) for sop_class, syntax in sorted(offered)]
            if fetching:  # C-GET: the server stores to us, so we offer to be the receiver of these classes
                contexts.insert(0, build_context(StudyRootQueryRetrieveInformationModelGet))
                classes = {sop_class for sop_class, _ in offered}
                roles = [build_role(each, scp_role=True, scu_role=True) for each in classes]
                self._associate(contexts, roles, [(evt.EVT_C_STORE, self._receive)])
            else:
                self._associate(contexts)
            self._open_offers = offered
        if self._open is None:  # only for the type checker
            raise PacsError("There is no association.")
        return self._open

    def _associate(
        self, contexts: list[PresentationContext], roles: list[Any] | None = None, handlers: list[Any] | None = None
    ) -> Association:
        at = self.address
        association = self._ae.associate(
            at.host, at.port, contexts, at.ae_title, ext_neg=roles or None, evt_handlers=handlers or None
        )
        if association.is_established:
            self._open = association
            return association
        if association.is_rejected:
            raise PacsRequestError(
                f"{at.base} does not accept the AE titles: ours is {self._ae.ae_title}, its own {at.ae_title}. Ask its "
                "administrator to register ours, or set RADSAM_PACS_AET to one that is."
            )
        if association.acceptor.primitive is not None:  # it responded, and accepted none of the contexts
            raise PacsRequestError(
                f"{at.base} does not offer this operation for this kind of object. Ask its administrator, "
                "or whether it has DICOMweb."
            )
        raise PacsError(f"{at.base} cannot be reached. Check host, port, network and VPN.", transient=True)

    def _receive(self, event: evt.Event) -> int:
        """Receive one instance that the server sends for C-GET."""
        received: Dataset = event.dataset
        meta: FileMetaDataset = event.file_meta
        received.file_meta = meta
        self._received.append(received)
        return 0x0000

    def _identifier(self, level: Level, address: PacsAddress) -> Dataset:
        query = Dataset()
        query.QueryRetrieveLevel = _LEVEL[level]
        uids = (address.study_uid, address.series_uid, address.instance_uid)
        for keyword, uid in zip(UID_KEYWORDS.values(), uids, strict=True):
            if uid:
                setattr(query, keyword, uid)
        return query

    def _status_code(self, status: Dataset, doing: str) -> int:
        """Return the status code of a response; an empty one means that none came."""
        if "Status" not in status:
            self._abort()
            raise PacsError(
                f"{self.address.base} broke off or stopped responding for {self._policy.silence_s:g} s. Try again, or "
                f"wait longer with RADSAM_PACS_TIMEOUT (seconds). {doing} did not end.",
                transient=True,
            )
        return int(status.Status)

    def _require_success(self, code: int, doing: str) -> None:
        if code == 0 or is_warning(code):
            return
        if code >> 8 == 0xA7:
            raise PacsError(f"{doing} failed at {self.address.base}: {explain_status(code)}.", transient=True)
        raise PacsRequestError(f"{doing} was refused by {self.address.base}: {explain_status(code)}.")

    def _abort(self) -> None:
        if self._open is not None:
            self._open.abort()
            self._open = None

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Replace the library's errors by ours; an association that failed is not used again."""
        try:
            with warnings.catch_warnings(action="ignore"):  # theirs quote values of the headers
                yield
        except (PacsError, PacsRequestError):
            self._abort()
            raise
        except (ValueError, RuntimeError, AttributeError, TypeError, OSError) as error:
            self._abort()
            raise PacsError(
                f"The connection to {self.address.base} failed ({type(error).__name__}).", transient=True
            ) from None

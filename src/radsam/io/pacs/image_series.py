"""The series of a PACS that are volumes, for lists of many cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radsam.errors import PacsRequestError
from radsam.io.pacs.pacs_address import Level, PacsAddress, check_uid
from radsam.io.pacs.pacs_connection import connect, require_libraries
from radsam.io.pacs.pacs_search import check_filters
from radsam.io.pacs.pacs_server import PacsServer
from radsam.volume import Modality

#: Modalities whose series are volumes, by DICOM's code.
_CODES = {"CT": Modality.CT, "MR": Modality.MR, "PT": Modality.PET}
#: Fewer images are a localizer.
_FEWEST_IMAGES = 3


@dataclass(frozen=True)
class ImageSeries:
    """A series of a PACS.

    Args:
        url: Its address.
        patient_id: PatientID, which only groups series; empty where the PACS does not send it.
        modality: What it is.
    """

    url: str
    patient_id: str
    modality: Modality


def list_image_series(
    url: str, *, modality: Modality | None = None, filters: Sequence[tuple[str, str]] = (), limit: int = 1000
) -> list[ImageSeries]:
    """List the series below an address that are volumes.

    Args:
        url: The address of a PACS, a study or a series.
        modality: Only series of this one; None for CT, MR and PET.
        filters: Values of the studies, by DICOM keyword.
        limit: The most series.

    Raises:
        PacsRequestError: The address cannot be used, or there are more series than `limit`.
        PacsError: The PACS failed.
        MissingExtraError: The extra ``dicom`` is not installed.
    """
    require_libraries()
    address = PacsAddress.parse(url)
    where = check_filters(filters)
    if address.level not in (Level.SERVER, Level.STUDY, Level.SERIES):
        raise PacsRequestError(f"{address} is one image. Give the address of a PACS, a study or a series.")
    with connect(address) as server:
        studies = _studies(server, where, limit)
        found = [each for study, patient in studies for each in _series(server, study, patient, modality)]
    if address.level is Level.SERIES:
        found = [each for each in found if each.url == str(address)]
    if len(found) > limit:
        raise PacsRequestError(
            f"{address} has {len(found)} series, more than {limit}. Narrow the search with --where or --modality, or "
            "raise --limit."
        )
    return found


def _studies(server: PacsServer, where: dict[str, str], limit: int) -> list[tuple[PacsAddress, str]]:
    """Return the studies, each with its PatientID."""
    at = server.address
    if at.level is not Level.SERVER:
        where = {**where, "StudyInstanceUID": at.study_uid}
    top = PacsAddress(at.base)
    found = server.find(top, Level.STUDY, where, limit)
    uids = [(check_uid(str(each.get("StudyInstanceUID", "")), "A study"), each) for each in found]
    return [(top.within(study=uid), str(each.get("PatientID", "") or "")) for uid, each in uids]


def _series(server: PacsServer, study: PacsAddress, patient: str, wanted: Modality | None) -> list[ImageSeries]:
    found = []
    for each in server.find(study, Level.SERIES, {}, None):
        modality = _CODES.get(str(each.get("Modality", "")))
        images = str(each.get("NumberOfSeriesRelatedInstances", "") or "")
        few = images.isdigit() and int(images) < _FEWEST_IMAGES
        if modality is None or few or (wanted is not None and modality is not wanted):
            continue
        uid = check_uid(str(each.get("SeriesInstanceUID", "")), "A series")
        found.append(ImageSeries(str(study.within(series=uid)), patient, modality))
    return sorted(found, key=lambda each: each.url)

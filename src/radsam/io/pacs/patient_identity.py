"""Which elements of an image tell whose it is: parted from it before it is kept, put back after.

What stays is chosen by group, so that an element nobody thought of goes. This serves our own
cache, where the images come back to their owner; it is not a profile of de-identification (PS3.15)
and pixels are not looked at.
"""

from __future__ import annotations

import copy
from contextlib import suppress

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

#: Groups that a volume is made from: identification of the object, acquisition, relationship,
#: image, nuclear medicine, functional groups, pixels.
_KEPT_GROUPS = {0x0008, 0x0018, 0x0020, 0x0028, 0x0054, 0x5200, 0x7FE0}
#: Within those groups, what names a patient, a person or a place, or may hold free text about one.
_NOT_KEPT = {
    "AccessionNumber",
    "AdmittingDiagnosesDescription",
    "DerivationDescription",
    "DeviceSerialNumber",
    "ImageComments",
    "InstitutionAddress",
    "InstitutionName",
    "InstitutionalDepartmentName",
    "IssuerOfAccessionNumberSequence",
    "ProtocolName",
    "SeriesDescription",
    "StationName",
    "StudyDescription",
    "StudyID",
}
#: Patient and study: the same for every image of a series, so that one image can give them back.
_SHARED_GROUPS = {0x0008, 0x0010, 0x0012, 0x0020}


def without_identity(dataset: Dataset) -> Dataset:
    """Return a copy that keeps what a volume is made from and does not tell whose it is."""
    kept = copy.deepcopy(dataset)
    for tag in list(kept.keys()):
        if tag.group not in _KEPT_GROUPS or _tells(tag):
            del kept[tag]
        elif _vr(tag) == "SQ":
            for item in kept[tag].value:
                _clean(item)
    return kept


def identity(dataset: Dataset) -> Dataset:
    """Return what `without_identity` takes away and all images of a series share."""
    shared = Dataset()
    for tag in list(dataset.keys()):
        if tag.group in _SHARED_GROUPS and (tag.group not in _KEPT_GROUPS or _tells(tag)):
            with suppress(ValueError, TypeError, AttributeError):  # a value that breaks its rules names nobody
                shared.add(dataset[tag])
    return shared


def _clean(item: Dataset) -> None:
    """Take names, and elements that only their maker knows, out of an item and what is in it."""
    for tag in list(item.keys()):
        if tag.is_private or _tells(tag):
            del item[tag]
        elif _vr(tag) == "SQ":
            for inner in item[tag].value:
                _clean(inner)


def _tells(tag: BaseTag) -> bool:
    return _vr(tag) == "PN" or keyword_for_tag(tag) in _NOT_KEPT


def _vr(tag: BaseTag) -> str:
    return dictionary_VR(tag) if dictionary_has_tag(tag) else ""

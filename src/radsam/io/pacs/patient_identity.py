"""The elements of an image that identify the patient: removed before it is cached, added again afterwards.

The elements that stay are chosen by group, so that an unknown element is removed. This serves our own
cache only: it is not a profile of de-identification (PS3.15), and pixels are not checked.
"""

from __future__ import annotations

import copy
from contextlib import suppress

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from radsam.io.dicom.pet_unit import PET_TAGS
from radsam.io.dicom.slice_scaling import SCALING_TAGS
from radsam.io.dicom.slice_traits import TRAIT_TAGS

#: Groups that a volume needs: identification of the object, acquisition, relationship,
#: image, nuclear medicine, functional groups, pixels.
_VOLUME_GROUPS = {0x0008, 0x0018, 0x0020, 0x0028, 0x0054, 0x5200, 0x7FE0}
#: Elements of those groups that name a patient, a person or an institution, or may hold free text about one.
_IDENTIFYING = {
    "AccessionNumber", "AdmittingDiagnosesDescription", "DerivationDescription", "DeviceSerialNumber",
    "ImageComments", "InstitutionAddress", "InstitutionName", "InstitutionalDepartmentName",
    "IssuerOfAccessionNumberSequence", "ProtocolName", "SeriesDescription", "StationName", "StudyDescription",
    "StudyID",
}  # fmt: skip
#: Elements of other groups that values and the order of images follow from: numbers, and the creators of private ones.
_VALUES = {each for each in (*TRAIT_TAGS, *SCALING_TAGS, *PET_TAGS) if each.group not in _VOLUME_GROUPS | {0x0010}}
_CREATORS = {
    "SIEMENS MR HEADER", "GEMS_PARM_01", "GEMS_PETD_01", "Philips Imaging DD 001", "Philips MR Imaging DD 001",
    "Philips MR Imaging DD 005", "Philips PET Private Group",
}  # fmt: skip
#: Patient and study: the same for every image of a series, so that one image can give them back.
_SHARED_GROUPS = {0x0008, 0x0010, 0x0012, 0x0020}


def without_identity(dataset: Dataset) -> Dataset:
    """Return a copy with the elements that a volume needs, without those that identify the patient."""
    copied = copy.deepcopy(dataset)
    for tag in sorted(copied.keys(), reverse=True):  # private elements before their creators
        if (tag.group not in _VOLUME_GROUPS and not _is_value(copied, tag)) or _identifies(tag):
            del copied[tag]
        elif _is_sequence(copied, tag):
            for item in copied[tag].value:
                _clean(item)
    return copied


def identity(dataset: Dataset) -> Dataset:
    """Return the elements that `without_identity` removes and that all images of a series share."""
    shared = Dataset()
    for tag in list(dataset.keys()):
        if tag.group in _SHARED_GROUPS and (tag.group not in _VOLUME_GROUPS or _identifies(tag)):
            with suppress(ValueError, TypeError, AttributeError):  # an invalid value identifies nobody
                shared.add(dataset[tag])
    return shared


def _clean(item: Dataset) -> None:
    """Remove names and private elements from an item and the items in it."""
    for tag in sorted(item.keys(), reverse=True):
        if (tag.is_private and not _is_value(item, tag)) or _identifies(tag):
            del item[tag]
        elif _is_sequence(item, tag):
            for inner in item[tag].value:
                _clean(inner)


def _identifies(tag: BaseTag) -> bool:
    return _vr(tag) == "PN" or keyword_for_tag(tag) in _IDENTIFYING


def _is_value(dataset: Dataset, tag: BaseTag) -> bool:
    """Whether values or the order of images follow from an element outside the groups of a volume."""
    if tag not in _VALUES or not tag.is_private:
        return tag in _VALUES
    creator = dataset.get(tag if tag.is_private_creator else Tag(tag.group, tag.element >> 8))
    return creator is not None and str(creator.value).strip() in _CREATORS


def _is_sequence(dataset: Dataset, tag: BaseTag) -> bool:
    return _vr(tag) == "SQ" or (tag.is_private and dataset[tag].VR == "SQ")


def _vr(tag: BaseTag) -> str:
    return dictionary_VR(tag) if dictionary_has_tag(tag) else ""

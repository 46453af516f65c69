"""The route of names: the label set of the server, and every name that has a code."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from radsam.io.dicom.organ_codes import OrganCode, coded_names
from radsam.server.route_dependencies import Served, User, error_responses
from radsam.volume.object_colours import Colour, hex_of

router = APIRouter(prefix="/api/labels", tags=["labels"])


class NameCode(BaseModel):
    """The code of a name: SNOMED CT, unless the label set has others."""

    scheme: str
    value: str
    meaning: str
    side: str | None


class SetName(BaseModel):
    """A name of the label set, with its fixed value and colour."""

    name: str
    value: int
    color: str | None
    code: NameCode | None


class CodedName(BaseModel):
    """A name that has a code; `others` are further words for it."""

    name: str
    others: list[str]
    color: str | None
    code: NameCode


class Labels(BaseModel):
    """The names that a user may choose from; any other is allowed, too."""

    set_name: str | None
    labels: list[SetName]
    coded: list[CodedName]


@router.get("", responses=error_responses())
def list_labels(service: Served, user: User) -> Labels:
    """List the names of the label set (`radsam serve --labels`), and all names that have a code."""
    chosen = service.label_set
    return Labels(
        set_name=None if chosen is None else chosen.name,
        labels=[
            SetName(
                name=each.name,
                value=each.value,
                color=_color(each.rgb),
                code=_code(each.organ) if each.organ.known else None,
            )
            for each in (chosen.label if chosen else ())
        ],
        coded=[
            CodedName(name=each.name, others=list(each.others), color=_color(each.organ.rgb), code=_code(each.organ))
            for each in coded_names()
        ],
    )


def _color(rgb: Colour | None) -> str | None:
    return None if rgb is None else hex_of(rgb)


def _code(organ: OrganCode) -> NameCode:
    side = organ.side.meaning if organ.side else None
    return NameCode(scheme=organ.type.scheme, value=organ.type.value, meaning=organ.type.meaning, side=side)

"""JSON of the interactions on the wire; keys that are not named here are ignored."""

from __future__ import annotations

from pydantic import ConfigDict, StrictBool

from radsam.server.rounded_index import RoundedIndex
from radsam.session.edit_request import Request

_Range = tuple[RoundedIndex, RoundedIndex]
_Ranges = tuple[_Range, _Range, _Range]


class InteractionRequest(Request):
    """Any interaction.

    Args:
        include_interaction: Whether it is positive.
        run_prediction: Whether to predict now; None takes the default of the interaction.
    """

    model_config = ConfigDict(extra="ignore")

    include_interaction: StrictBool = True
    run_prediction: StrictBool | None = None


class PointRequest(InteractionRequest):
    """A point at (z, y, x)."""

    coordinates: tuple[RoundedIndex, RoundedIndex, RoundedIndex]


class BoxRequest(InteractionRequest):
    """A box: half-open ranges along z, y and x."""

    bbox_coords: _Ranges


class RegionRequest(InteractionRequest):
    """A scribble or lasso; its mask is the body.

    Args:
        interaction_bbox: Half-open ranges of the mask along z, y and x; None for the whole volume.
    """

    interaction_bbox: _Ranges | None = None


class AutozoomRequest(Request):
    """Whether the model sees a crop around small objects."""

    model_config = ConfigDict(extra="ignore")

    do_autozoom: StrictBool = True

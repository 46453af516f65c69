"""Voxel indices as viewers send them: often floats, rounded here to the nearest voxel."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator

from radsam.session.prompt_json import Index


def _rounded(given: Any) -> Any:
    return math.floor(given + 0.5) if isinstance(given, float) and math.isfinite(given) else given


#: A voxel index, given as a finite number.
RoundedIndex = Annotated[Index, BeforeValidator(_rounded)]

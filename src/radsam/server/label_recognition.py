"""Is an uploaded file a label map? Its values decide, not its name."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

#: Label maps of whole bodies have about 120 labels.
_MOST_LABELS = 128
#: If the name says so, also more, as of atlases.
_MOST_NAMED_LABELS = 1024
_NAMES = ("seg", "label", "mask", "organ", "roi", "struct")
#: So few values are labels, even if they lie in single voxels, as small lesions do.
_FEW_VALUES = 16
#: Of the neighbours along i of labelled voxels, this share has the same label; of 8-bit images far fewer.
_ALIKE = 0.6


def looks_like_labels(values: Shaped[np.ndarray, "k j i"], name: str) -> bool:
    """Whether voxels look like those of a label map: few whole numbers from 0, in regions.

    Args:
        values: The voxels.
        name: The file's name, which raises the number of labels that it may have.
    """
    most = _MOST_NAMED_LABELS if any(each in name.lower() for each in _NAMES) else _MOST_LABELS
    counts = np.zeros(65536, np.int64)
    labelled = alike = 0
    for each in values:
        low, high = each.min(), each.max()
        if not (low >= 0 and high <= 65535) or (each != np.rint(each)).any():
            return False
        counts += np.bincount(each.ravel().astype(np.int64), minlength=65536)
        if np.count_nonzero(counts) > most + 1:
            return False
        inside = each[:, 1:] > 0
        labelled += int(np.count_nonzero(inside))
        alike += int(np.count_nonzero(inside & (each[:, 1:] == each[:, :-1])))
    in_regions = np.count_nonzero(counts) <= _FEW_VALUES or alike >= _ALIKE * labelled
    return bool(counts[0] and labelled and in_regions)

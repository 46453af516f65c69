"""The window in which a model sees a volume: by its modality, from a rule in its unit or from its own values."""

from __future__ import annotations

from collections.abc import Mapping

from radsam.preprocess.normalisation import Percentiles, Window, WindowRule
from radsam.volume import Modality, Volume

#: Of modalities for which a bundle states no rule. Standardised uptake of most tumours is between these values.
DEFAULT_WINDOWS: Mapping[Modality, WindowRule] = {
    Modality.MR: Percentiles(),
    Modality.PET: Window(0.0, 10.0),
    Modality.OTHER: Percentiles(),
}


def window_of(volume: Volume, rules: Mapping[Modality, WindowRule] = DEFAULT_WINDOWS) -> Window:
    """Return the window of a volume, in its unit.

    Args:
        volume: The volume.
        rules: The rule of each modality; by default those that hold where a bundle states none. CT has no such rule.
    """
    rule = rules[volume.modality]
    if isinstance(rule, Window) and volume.modality is Modality.PET and volume.unit != "SUV":
        rule = Percentiles()  # the header does not say enough for SUV
    return rule if isinstance(rule, Window) else rule.window(volume.values)

"""What a command says of its volume: its modality, who says it, and the window in which the model sees it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radsam.session import Session
    from radsam.volume import Volume

#: Who says the modality, as a sentence has it; a file's own statement needs no words.
_SAID_BY = {"header": "", "given": " (as given)", "values": " (by its values)"}


def modality_text(modality: str, source: str) -> str:
    """Return a modality with who says it: "MR (by its values)"; "of unknown modality" where nobody does."""
    return f"{modality}{_SAID_BY.get(source, '')}" if modality else "of unknown modality"


def window_text(window: tuple[float, float], unit: str) -> str:
    """Return a window with its unit: "-160 to 240 HU"."""
    return f"{window[0]:g} to {window[1]:g} {unit}".rstrip()


def volume_facts(session: Session) -> dict[str, Any]:
    """Describe for JSON what a session takes its volume for, and its window."""
    volume = session.volume
    return {
        "modality": volume.modality.value,
        "modality_source": volume.modality_source.value,
        "modality_doubt": volume.modality_doubt,
        "unit": volume.unit,
        "window": [session.window.low, session.window.high],
    }


def volume_line(found: dict[str, Any]) -> str:
    """Describe in a line what a report says of its volume: "CT, window -160 to 240 HU"."""
    # Objects keep the windows that they were started with.
    windows = {tuple(each["window"]) for each in found["objects"]} or {tuple(found["window"])}
    shown = " and ".join(window_text(each, found["unit"]) for each in sorted(windows))
    return f"{modality_text(found['modality'], found['modality_source'])}, window {shown}"


def warn_of_modality(volume: Volume) -> None:
    """Warn, before anything is predicted, if a volume may be something else than it is taken for."""
    from radsam.session import ModalityWarning

    if volume.modality_doubt:  # a session says the same when it starts an object; it is shown once
        warnings.warn(volume.modality_doubt, ModalityWarning, stacklevel=2)

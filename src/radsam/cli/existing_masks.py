"""`radsam segment --from`: masks that others made become objects, to correct them with `radsam edit`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radsam.cli.terminal import usage_error

if TYPE_CHECKING:
    from radsam.session.edit import Edit
    from radsam.session.edit_request import StartFromMaskRequest
    from radsam.volume import LabelVolume, Volume


def refuse_prompts(options: dict[str, Any]) -> None:
    """Refuse the options of a prompt beside ``--from``.

    Raises:
        BadParameter: One was given.
    """
    given = [option for option, value in options.items() if value]
    if given:
        raise usage_error(
            f"--from opens objects as they are, without a prompt: leave {', '.join(given)} out. "
            "Correct the objects with radsam edit afterwards."
        )


def requests_from(
    files: Sequence[Path],
    volume: Volume,
    edits: Sequence[Edit],
    *,
    roi: Sequence[str] | None,
    name: str | None,
    resample: bool,
    settings: dict[str, Any],
) -> list[StartFromMaskRequest]:
    """Read masks, and make a request of each object.

    Args:
        files: The files.
        volume: The volume.
        edits: The edits of the session.
        roi: The objects to take, by name or number, of one file; None for all.
        name: The name of the only object; None for the names in the files.
        resample: Whether to resample masks on another grid onto the CT's.
        settings: Of all requests: plane, refine, window, zoom.

    Raises:
        BadParameter: `roi` was given for several files, or `name` for several objects.
        InputError: A file cannot be read, lies on another grid, or holds no object, too many, or one of a name that
            is taken.
    """
    from radsam.io.dicom.dicom_labels import LabelOverlapWarning
    from radsam.io.label_grid import require_same_grid
    from radsam.io.volume_read import read_labels
    from radsam.session.history import present_objects
    from radsam.session.label_objects import label_requests

    if roi and len(files) > 1:
        raise usage_error("--roi chooses from one file: give --from once, and the command again for another file.")
    requests: list[StartFromMaskRequest] = []
    for file in files:
        with warnings.catch_warnings():
            # The session keeps objects whole, and warns itself of what its label map cannot hold.
            warnings.simplefilter("ignore", LabelOverlapWarning)
            labels = read_labels(file, on=volume, names=roi or None, resample=resample)
        require_same_grid(labels, volume.geometry, f"The mask {file}")
        named = _named(labels, file, name) if name is not None else labels
        known = [*present_objects(edits), *(each.name for each in requests)]
        requests += label_requests(named, volume.geometry, known, what=str(file), **settings)
    if name is not None and len(requests) > 1:
        raise usage_error(f"--name is the name of one object, and the files have {len(requests)}: leave it out.")
    return requests


def _named(labels: LabelVolume, file: Path, name: str) -> LabelVolume:
    present = labels.present_ids
    if len(present) > 1:
        raise usage_error(
            f"--name is the name of one object, and {file} has {len(present)}: choose one with --roi, or leave it out."
        )
    return replace(labels, names=dict.fromkeys(present, name))

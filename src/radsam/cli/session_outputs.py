"""The files that `segment`, `edit` and `demo` write, and their reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from radsam.cli.terminal import note, out, progress_bar, write_json
from radsam.errors import OutputError, RadsamError

if TYPE_CHECKING:
    from radsam.io.dicom.source_series import SourceSeries
    from radsam.session import Session

#: Pictures that `--preview` can write.
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Outputs:
    """Where the results go.

    Args:
        labels: The label map: NIfTI, NRRD, DICOM SEG or RTSTRUCT.
        preview: A picture, or None.
        session: A session file, or None.
        labels_format: Format of the label map; None takes the one of its suffix.
    """

    labels: Path
    preview: Path | None = None
    session: Path | None = None
    labels_format: str | None = None

    def check(self, inputs: Sequence[Path]) -> None:
        """Check that everything can be written, before anything is computed.

        Args:
            inputs: The files and folders that the command reads.

        Raises:
            OutputError: A path cannot be written, has a wrong suffix, or is a file that an input is read from.
        """
        from radsam.disk.atomic_write import check_writable
        from radsam.io.input_files import refuse_inputs, refuse_same
        from radsam.io.volume_write import label_format

        label_format(self.labels, self.labels_format)
        check_writable(self.labels)
        if self.preview is not None:
            if self.preview.suffix.lower() not in PICTURE_SUFFIXES:
                raise OutputError(f"{self.preview} is not a picture: its suffix must be one of {PICTURE_SUFFIXES}.")
            check_writable(self.preview)
        if self.session is not None:
            check_writable(self.session)
        given = [each for each in (self.labels, self.preview, self.session) if each is not None]
        refuse_inputs(given, inputs)
        refuse_same(given)

    def source(self, ct: Path, series: str | None, *, resample: bool) -> SourceSeries | None:
        """Read the headers of the images that a DICOM output refers to; None for other outputs.

        Raises:
            OutputError: The output is DICOM and the CT is not, or cannot be referred to.
        """
        from radsam.io.volume_write import label_format

        if not label_format(self.labels, self.labels_format).is_dicom:
            return None
        from radsam.io.dicom.source_series import read_source

        return read_source(ct, series=series, resample=resample)

    def write(self, session: Session, name: str | None, source: SourceSeries | None = None) -> None:
        """Write all of them, each whole or not at all; without a name no picture.

        The session is first: it holds the work, and the other results can be made from it
        again. One that cannot be written does not keep the next from being written.

        Args:
            session: The session.
            name: The object to draw.
            source: The headers that `source` returned.

        Raises:
            OutputError: At least one could not be written; the message names each, and those that were.
        """
        from radsam.io.dicom.derived_object import Algorithm
        from radsam.io.volume_write import write_labels

        algorithm = Algorithm(session.predictor.spec.name, f"SHA-256 {session.predictor.model_hash[:12]}")
        writers: dict[Path, Callable[[], None]] = {}
        if self.session is not None:
            writers[self.session] = partial(session.save, self.session)

        def write_all_labels() -> None:
            with progress_bar("Writing") as update:
                write_labels(
                    session.labels,
                    self.labels,
                    file_format=self.labels_format,
                    source=source,
                    algorithm=algorithm,
                    progress=update,
                )

        writers[self.labels] = write_all_labels
        if self.preview is not None and name is not None:
            writers[self.preview] = partial(write_preview, session, name, self.preview)
        _write_each(writers)

    def to_dict(self) -> dict[str, str | None]:
        """Return the paths for JSON."""
        return {
            "labels": str(self.labels),
            "preview": None if self.preview is None else str(self.preview),
            "session": None if self.session is None else str(self.session),
        }


def _write_each(writers: Mapping[Path, Callable[[], None]]) -> None:
    """Call every writer; raise what failed at the end."""
    written: list[str] = []
    failed: list[Exception] = []
    for path, write in writers.items():
        try:
            write()
        except Exception as error:  # a bug in one writer must not lose the other results either
            failed.append(error)
        else:
            written.append(str(path))
    if not failed:
        return
    rest = f" Written all the same: {', '.join(written)}." if written else ""
    bug = next((each for each in failed if not isinstance(each, RadsamError)), None)
    if bug is not None:
        if rest:
            note(rest.strip())
        raise bug
    if len(failed) == 1 and not rest:
        raise failed[0]
    raise OutputError(" ".join(str(each) for each in failed) + rest) from failed[0]


def write_preview(session: Session, name: str, path: Path) -> None:
    """Draw one object of a session and write the picture."""
    from radsam.disk.atomic_write import replacing
    from radsam.render.preview import render_preview
    from radsam.volume import Bounds

    shown = session.objects[name]
    inside = [index for index, predicted in shown.slices.items() if predicted.mask.area]
    picture = render_preview(
        session.volume,
        {each: session.mask(each) for each in session.objects},
        plane=shown.grid.plane,
        index=shown.placed_prompts[0].index,  # the slice that it was started on
        window_hu=shown.window_hu,
        prompts=[each.prompt for each in shown.placed_prompts],
        title=name,
        bounds=Bounds(min(inside), max(inside)) if inside else None,
        footer=f"{session.predictor.spec.name} on {session.predictor.backend.name}{_earlier(session)}",
    )
    with replacing(path) as unfinished:
        picture.save(unfinished)


def _earlier(session: Session) -> str:
    """Name the other precisions of a session's masks, which were computed before it was opened again."""
    others = [each for each in session.precisions if each != session.predictor.backend.precision]
    return f"; earlier edits in {', '.join(others)}" if others else ""


def report(session: Session, started: float) -> dict[str, Any]:
    """Describe the session's objects for JSON.

    Args:
        session: The session.
        started: `time.perf_counter()` when the work began.
    """
    import numpy as np

    ids = session.labels.ids
    ml = session.volume.geometry.voxel_volume_mm3 / 1000
    objects = []
    for each in session.objects.values():
        voxels = int(np.count_nonzero(ids == each.id))
        objects.append(
            {
                "name": each.name,
                "id": each.id,
                "voxels": voxels,
                "volume_ml": round(voxels * ml, 3),
                "plane": each.grid.plane.value,
                "slices": [min(each.slices), max(each.slices)],
                "ended": [each.low_end.value, each.high_end.value],
                "lowest_predicted_iou": round(min(predicted.score for predicted in each.slices.values()), 3),
                "locked": each.locked,
                "painted": each.painted,
                "prompts": [
                    {"number": placed.number, "slice": placed.index, "kind": type(placed.prompt).__name__.lower()}
                    for placed in each.placed_prompts
                ],
            }
        )
    return {
        "objects": objects,
        "model": session.predictor.spec.name,
        "model_sha256": session.predictor.model_hash,
        "backend": session.predictor.backend.name,
        "precision": session.predictor.backend.precision,
        "precisions": list(session.precisions),
        "seconds": round(time.perf_counter() - started, 2),
    }


def show_report(found: dict[str, Any], outputs: Outputs) -> None:
    """Show a `report` as a table."""
    table = Table("object", "volume", "slices", "ended below", "ended above", "lowest predicted IoU", box=None)
    for each in found["objects"]:
        low, high = each["slices"]
        table.add_row(
            escape(each["name"]),
            f"{each['volume_ml']:.1f} ml",
            f"{low} to {high} ({each['plane']})",
            *each["ended"],
            f"{each['lowest_predicted_iou']:.2f}",
        )
    out.print(table)
    others = [each for each in found["precisions"] if each != found["precision"]]
    earlier = f" (earlier edits in {', '.join(others)})" if others else ""
    out.print(f"{found['model']} on {found['backend']}{earlier}, {found['seconds']:.1f} s", style="dim")
    for what, path in outputs.to_dict().items():
        if path is not None:
            out.print(f"{what}: {escape(path)}", soft_wrap=True)
    if any(each["voxels"] == 0 for each in found["objects"]):
        note("An object is empty. Try a larger box, another slice or another window.")


def finish(session: Session, outputs: Outputs, started: float, as_json: bool) -> None:
    """Report the session's objects, as a table or as JSON.

    Args:
        session: The session.
        outputs: The results that were written.
        started: `time.perf_counter()` when the work began.
        as_json: Write JSON.
    """
    found = report(session, started)
    if as_json:
        write_json(found | {"outputs": outputs.to_dict()})
    else:
        show_report(found, outputs)

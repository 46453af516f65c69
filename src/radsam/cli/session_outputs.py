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

from radsam.cli.terminal import note, out, progress_bar, usage_error, write_json
from radsam.cli.volume_facts import volume_facts, volume_line
from radsam.errors import OutputError, RadsamError

if TYPE_CHECKING:
    from radsam.cli.edit_report import StepDone
    from radsam.io.dicom.source_series import SourceSeries
    from radsam.session import Overlap, Session
    from radsam.session.edit import Edit
    from radsam.volume import Geometry, LabelVolume

#: Pictures that `--preview` can write.
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")

#: So many slices to look at are named.
_MOST_SUSPECTS = 5


@dataclass(frozen=True)
class Outputs:
    """Where the results go.

    Args:
        labels: The label map: NIfTI, NRRD, DICOM SEG or RTSTRUCT; or the template of one file per object.
        preview: A picture, or None.
        session: A session file, or None.
        labels_format: Format of the label map; None takes the one of its suffix.
        legend: Whether a label map gets a legend (see `legend_path`); None: where it holds several objects, or one
            with another value than 1.
    """

    labels: Path
    preview: Path | None = None
    session: Path | None = None
    labels_format: str | None = None
    legend: bool | None = None

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
        self.check_objects({1: "object"}, inputs)

    @property
    def holds_overlap(self) -> bool:
        """Whether the masks can hold overlapping objects whole: in DICOM, and with one file per object."""
        from radsam.io.object_files import is_template
        from radsam.io.volume_write import label_format

        return is_template(self.labels) or label_format(self.labels, self.labels_format).is_dicom

    def legend_path(self, names: Mapping[int, str]) -> Path | None:
        """Return where the legend of the label map goes, with the names of its objects by their values; None for none.

        DICOM and one file per object need none: they name their objects.
        """
        from radsam.io.label_legend import is_own_legend, own_legend_path

        if self.holds_overlap or not names or self.legend is False:
            return None
        legend = own_legend_path(self.labels)
        # An earlier one must not go on to say what is no longer so.
        return legend if self.legend or list(names) != [1] or is_own_legend(legend) else None

    def check_objects(self, names: Mapping[int, str], inputs: Sequence[Path]) -> None:
        """Check the files of objects that have one each, and the legend of a label map, before anything is computed.

        Args:
            names: Object id to name.
            inputs: The files that are read.

        Raises:
            OutputError: One cannot be written, or is an input or another result.
        """
        from radsam.disk.atomic_write import check_writable
        from radsam.io.input_files import refuse_inputs, refuse_same
        from radsam.io.label_legend import check_legend
        from radsam.io.object_files import is_template, object_paths

        if is_template(self.labels):
            paths = list(object_paths(self.labels, names).values())
            for each in paths:
                check_writable(each)
        elif (legend := self.legend_path(names)) is not None:
            check_legend(legend)
            paths = [self.labels, legend]
        else:
            return
        refuse_inputs(paths, inputs)
        refuse_same([*paths, *(each for each in (self.preview, self.session) if each is not None)])

    def check_overlap(self, overlap: Overlap | None) -> None:
        """Refuse a label map where overlapping objects must be whole.

        Args:
            overlap: The overlap policy; None if none was chosen.

        Raises:
            OutputError: The policy is to keep both, and the output is one label map.
        """
        from radsam.io.volume_write import whole_objects_refused
        from radsam.session import Overlap

        if overlap is Overlap.KEEP_BOTH and not self.holds_overlap:
            raise OutputError(whole_objects_refused(self.labels))

    def check_grid(self, geometry: Geometry) -> None:
        """Check that the label map can be written on this grid, before anything is computed.

        Raises:
            OutputError: Its format cannot hold the grid.
        """
        from radsam.io.volume_write import check_grid

        check_grid(geometry, self.labels, self.labels_format)

    def source(self, volume: Path, series: str | None, *, resample: bool) -> SourceSeries | None:
        """Read the headers of the images that a DICOM output refers to; None for other outputs.

        Raises:
            OutputError: The output is DICOM and the volume is not, or cannot be referred to.
        """
        from radsam.io.volume_write import label_format

        if not label_format(self.labels, self.labels_format).is_dicom:
            return None
        from radsam.io.dicom.source_series import read_source

        return read_source(volume, series=series, resample=resample)

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
        from radsam.io.object_files import is_template, one_object
        from radsam.io.volume_write import write_labels

        algorithm = Algorithm(session.predictor.spec.name, f"SHA-256 {session.predictor.model_hash[:12]}")
        writers: dict[Path, Callable[[], None]] = {}
        if self.session is not None:
            writers[self.session] = partial(session.save, self.session)

        def write_masks(labels: LabelVolume, path: Path) -> None:
            with progress_bar("Writing") as update:
                write_labels(
                    labels,
                    path,
                    file_format=self.labels_format,
                    source=source,
                    algorithm=algorithm,
                    progress=update,
                )

        def write_object(number: int, path: Path) -> None:
            write_masks(one_object(session.labels, number), path)

        if is_template(self.labels):
            for number, path in self.object_files(session).items():
                writers[path] = partial(write_object, number, path)
        else:
            writers[self.labels] = lambda: self._with_legend(session, write_masks)
        if self.preview is not None and name is not None:
            writers[self.preview] = partial(write_preview, session, name, self.preview, whole=self.holds_overlap)
        _write_each(writers)

    def _with_legend(self, session: Session, write_masks: Callable[[LabelVolume, Path], None]) -> None:
        """Write the label map, and its legend with it: one is replaced only if the other is."""
        from radsam.disk.atomic_write import replacing
        from radsam.io.label_legend import check_legend, write_legend

        labels = session.labels
        legend = self.legend_path(labels.names)
        if legend is None:
            write_masks(labels, self.labels)
            return
        check_legend(legend)
        with replacing(legend) as unfinished:
            write_legend(unfinished, labels)
            write_masks(labels, self.labels)

    def object_files(self, session: Session) -> dict[int, Path]:
        """Return the file of each object of a session, by id; the output is a template.

        DICOM has none for an object without a voxel.
        """
        from radsam.io.object_files import object_paths
        from radsam.io.volume_write import label_format
        from radsam.session.object_ids import object_ids

        # Of removed objects, too: a file keeps its name, whatever happens to other objects.
        paths = object_paths(self.labels, {number: name for name, number in object_ids(session.history.done).items()})
        labels, dicom = session.labels, label_format(self.labels, self.labels_format).is_dicom
        return {number: paths[number] for number in (labels.present_ids if dicom else sorted(labels.names))}

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


def overlap_policy(given: str | None) -> Overlap | None:
    """Read the value of ``--overlap``.

    Raises:
        BadParameter: There is no such policy.
    """
    from radsam.session import Overlap

    if given is None:
        return None
    try:
        return Overlap(given)
    except ValueError:
        names = ", ".join(each.value.replace(" ", "-") for each in Overlap)
        raise usage_error(f"There is no overlap policy {given!r}; choose one of {names}.") from None


def check_objects(
    outputs: Outputs,
    edits: Sequence[Edit],
    inputs: Sequence[Path],
    overlap: Overlap | None,
    names: Sequence[str] = (),
    number: int | None = None,
) -> None:
    """Check what depends on the objects of a session, before anything is computed.

    Args:
        outputs: The results.
        edits: The session's edits so far.
        inputs: The files that are read.
        overlap: The overlap policy; None if none was chosen.
        names: The objects that are added or edited.
        number: The value that the only one gets; None for that which it has, or the next free one.

    Raises:
        OutputError: The mask of an object cannot be written, or one label map would have to hold overlapping objects.
    """
    from radsam.session.object_ids import free_id, object_ids

    ids = object_ids(edits)
    for name in names:
        if name not in ids or number is not None:
            ids[name] = free_id(ids) if number is None else number
    outputs.check_objects({number: each for each, number in ids.items()}, inputs)
    outputs.check_overlap(overlap)


def write_preview(session: Session, name: str, path: Path, *, whole: bool = False) -> None:
    """Draw one object of a session, with the others, and write the picture.

    Args:
        session: The session.
        name: The object.
        path: The picture.
        whole: Draw overlapping objects as a file holds them that can hold them whole.
    """
    from radsam.disk.atomic_write import replacing
    from radsam.render.preview import render_preview
    from radsam.volume import Bounds

    shown = session.objects[name]
    inside = [index for index, predicted in shown.slices.items() if predicted.mask.area]
    largest = max(shown.slices, key=lambda index: shown.slices[index].mask.area)
    model = f"{session.predictor.spec.name} on {session.predictor.backend.name}{_earlier(session)}"
    picture = render_preview(
        session.volume,
        {
            each.name: session.labels.mask(each.id) if whole else session.mask(each.name)
            for each in session.objects.values()
        },
        plane=shown.grid.plane,
        index=next((each.index for each in shown.placed_prompts), largest),  # the slice that it was started on
        window=shown.window,
        prompts=[each.prompt for each in shown.placed_prompts],
        title=name,
        bounds=Bounds(min(inside), max(inside)) if inside else None,
        whole_voxels={each.name: each.whole_voxels for each in session.objects.values()},
        footer="   ".join([*overlap_lines(overlaps(session, whole=whole)), model]),
    )
    with replacing(path) as unfinished:
        picture.save(unfinished)


def _earlier(session: Session) -> str:
    """Name the other precisions of a session's masks, which were computed before it was opened again."""
    others = [each for each in session.precisions if each != session.predictor.backend.precision]
    return f"; earlier edits in {', '.join(others)}" if others else ""


def report(session: Session, started: float, outputs: Outputs | None = None) -> dict[str, Any]:
    """Describe the session's objects, and its volume, for JSON.

    An object's `voxels` and `volume_ml` are those that it has in the output, `whole_voxels` and `whole_volume_ml`
    all of them; `overlaps` has the difference for each two objects, and whether the output holds it for `both`.

    Args:
        session: The session.
        started: `time.perf_counter()` when the work began.
        outputs: The results that were written; None if there are none.
    """
    ml = session.volume.geometry.voxel_volume_mm3 / 1000
    shared = overlaps(session, whole=outputs is not None and outputs.holds_overlap)
    objects = []
    for each in session.objects.values():
        lost = (one["voxels"] for one in shared if one["name"] == each.name and not (one["both"] and one["by"]))
        voxels, expected = each.whole_voxels - sum(lost), each.expected_dice
        objects.append(
            {
                "name": each.name,
                "id": each.id,
                "voxels": voxels,
                "volume_ml": round(voxels * ml, 3),
                "whole_voxels": each.whole_voxels,
                "whole_volume_ml": round(each.whole_voxels * ml, 3),
                "started_from": each.started_from,
                "plane": each.grid.plane.value,
                "slices": [min(each.slices), max(each.slices)],
                "ended": [each.low_end.value, each.high_end.value],
                "lowest_predicted_iou": round(min(predicted.score for predicted in each.slices.values()), 3),
                "suspect_slices": [
                    {"slice": index, "expected_dice": round(expected[index], 3)} for index in each.suspect_slices
                ],
                "window": list(each.window),
                "locked": each.locked,
                "painted": each.painted,
                "prompts": [
                    {"number": placed.number, "slice": placed.index, "kind": type(placed.prompt).__name__.lower()}
                    for placed in each.placed_prompts
                ],
                "confirmed": list(each.confirmed),
                "edits": [
                    {"number": edit.number, "edit": edit.kind, "slices": list(edit.slices)} for edit in each.edits
                ],
            }
        )
    return {
        "objects": objects,
        **volume_facts(session),
        "overlap": session.overlap.value,
        "overlaps": shared,
        "model": session.predictor.spec.name,
        "model_sha256": session.predictor.model_hash,
        "backend": session.predictor.backend.name,
        "precision": session.predictor.backend.precision,
        "precisions": list(session.precisions),
        "seconds": round(time.perf_counter() - started, 2),
    }


def overlaps(session: Session, *, whole: bool) -> list[dict[str, Any]]:
    """Describe for JSON which voxels two objects share.

    Args:
        session: The session.
        whole: Whether the output can hold overlapping objects whole.
    """
    ml = session.volume.geometry.voxel_volume_mm3 / 1000
    both = whole and bool(session.labels.covered)  # else the overlap policy gives each voxel to one object
    return [each.to_dict(ml) | {"both": both} for each in session.covered]


def overlap_lines(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Describe `overlaps` in a sentence each."""
    return [
        f"{each['name']!r} and {each['by']!r} share {each['voxels']} voxels ({each['volume_ml']:.3f} ml); "
        + ("both have them." if each["both"] else f"{each['by']!r} has them.")
        if each["by"]
        else f"{each['voxels']} voxels of {each['name']!r} ({each['volume_ml']:.3f} ml) are not in the label map, as "
        "it was locked without them."
        for each in found
    ]


def _suspect_lines(found: dict[str, Any]) -> list[str]:
    """Name the slices of each object that are worth a look, the most doubtful first."""
    lines = []
    for each in found["objects"]:
        slices = [str(one["slice"]) for one in each["suspect_slices"]]
        if slices:
            more = f" and {len(slices) - _MOST_SUSPECTS} more" if len(slices) > _MOST_SUSPECTS else ""
            named = ("slices " if len(slices) > 1 else "slice ") + ", ".join(slices[:_MOST_SUSPECTS])
            lines.append(f"Look at {each['plane']} {named}{more} of {each['name']!r} first: the model is unsure there.")
    return lines


def show_report(found: dict[str, Any], outputs: Outputs) -> None:
    """Show a `report` as a table."""
    overlap = any(each["voxels"] != each["whole_voxels"] for each in found["objects"])
    volumes = ("volume", "in the label map") if overlap else ("volume",)
    table = Table(
        "object", "started from", *volumes, "slices", "ended below", "ended above", "lowest predicted IoU", box=None
    )
    for each in found["objects"]:
        low, high = each["slices"]
        table.add_row(
            escape(each["name"]),
            each["started_from"],
            f"{each['whole_volume_ml']:.1f} ml",
            *([f"{each['volume_ml']:.1f} ml"] if overlap else []),
            f"{low} to {high} ({each['plane']})",
            *each["ended"],
            f"{each['lowest_predicted_iou']:.2f}",
        )
    out.print(table)
    for line in (*_suspect_lines(found), *overlap_lines(found["overlaps"])):
        out.print(line, markup=False, soft_wrap=True)
    out.print(volume_line(found), style="dim", markup=False, soft_wrap=True)
    others = [each for each in found["precisions"] if each != found["precision"]]
    earlier = f" (earlier edits in {', '.join(others)})" if others else ""
    out.print(f"{found['model']} on {found['backend']}{earlier}, {found['seconds']:.1f} s", style="dim")
    for what, path in outputs.to_dict().items():
        if path is not None:
            out.print(f"{what}: {escape(path)}", soft_wrap=True)
    if any(each["whole_voxels"] == 0 for each in found["objects"]):
        note("An object is empty. Try a larger box, another slice or another window.")


def finish(
    session: Session,
    outputs: Outputs,
    started: float,
    as_json: bool,
    edits: Sequence[StepDone] = (),
) -> None:
    """Report the session's objects, as a table or as JSON.

    Args:
        session: The session.
        started: `time.perf_counter()` when the work began.
        outputs: The results that were written; None if there are none.
        as_json: Write JSON.
        edits: What the edits of the command did.
    """
    from radsam.cli.edit_report import show_outcomes
    from radsam.io.object_files import is_template

    found = report(session, started, outputs)
    done = [each.to_dict(session.volume.geometry.voxel_volume_mm3 / 1000) for each in edits]
    written: dict[str, Any] = outputs.to_dict()
    if (legend := outputs.legend_path(session.label_map.names)) is not None:
        written["legend"] = str(legend)
    if is_template(outputs.labels):
        files = outputs.object_files(session)
        written["masks"] = {session.labels.names[number]: str(path) for number, path in files.items()}
    if as_json:
        write_json(found | {"outcome": done[-1] if done else None, "outcomes": done, "outputs": written})
    else:
        show_outcomes(done)
        show_report(found, outputs)
        if "legend" in written:
            out.print(f"legend: {written['legend']}", markup=False, soft_wrap=True)
        for name, path in written.get("masks", {}).items():
            out.print(f"{name}: {path}", markup=False, soft_wrap=True)

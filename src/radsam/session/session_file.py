"""A session as one file: a zip of its edits (JSON) and its masks (run lengths).

The masks after every edit are stored, so that reopening, undoing and redoing need
neither the model nor time. The file names the CT by a hash of its content: it opens on
that CT only. It holds no header of the CT; the path of the CT is in it, so that
`radsam edit` finds it again.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radsam.disk.atomic_write import replacing
from radsam.disk.file_hash import sha256_of
from radsam.errors import RadsamError, SessionError
from radsam.predictor import SliceMask, SlicePredictor
from radsam.preprocess import Window
from radsam.propagate import EndReason, StopRule
from radsam.session.edit import Edit, ObjectEdit, StartEdit, edit_from_json, edit_to_json
from radsam.session.history import History
from radsam.session.replay import ObjectResult
from radsam.session.user_state import ObjectEdits, prompts_of, started_by
from radsam.volume import Modality, ModalitySource, Point, RunMask, SliceGrid, Volume

FORMAT = "radsam-session"
FORMAT_VERSION = 1
_DESCRIPTION, _MASKS = "session.json", "masks.npz"
#: The stop rule of files that do not state it: scores were not compared with the object's own.
_FORMER_RULE = {"min_share": 0.0}


@dataclass(frozen=True, eq=False)
class SessionFile:
    """The content of a session file, without its CT and its model.

    Args:
        volume_hash: `Volume.content_hash` of its CT.
        volume_source: Path of its CT, as it was opened.
        volume_series: Which DICOM series of that folder; empty for a file.
        volume_resampled: Whether its slices were resampled.
        volume_index: Which volume of a file of several it is; None for a file of one.
        modality: What it was taken for.
        modality_given: Whether the user stated it.
        model_name: Name of its bundle.
        model_path: Path of that bundle.
        model_hash: `Bundle.sha256` of its bundle.
        precisions: What its masks were computed in; empty in a session of the first releases.
        window: The session's window, low and high, in the volume's unit.
        stop_rule: Ends propagation where an object has no bounds.
        history: Its edits.
        stored: Per cached result, the numbers of the edits that make it and its masks as stored.
        masks: Every distinct mask.
        path: The file that it was read from; None of one that was not.
        file_sha256: The hash of that file's bytes.
    """

    volume_hash: str
    volume_source: str
    volume_series: str
    volume_resampled: bool
    volume_index: int | None
    modality: Modality
    modality_given: bool
    model_name: str
    model_path: str
    model_hash: str
    precisions: tuple[str, ...]
    window: tuple[float, float]
    stop_rule: StopRule
    history: History
    stored: tuple[Mapping[str, Any], ...]
    masks: tuple[RunMask, ...]
    path: Path | None = None
    file_sha256: str = ""

    @classmethod
    def of(
        cls,
        volume: Volume,
        predictor: SlicePredictor,
        window: Window,
        stop_rule: StopRule,
        history: History,
        results: Mapping[ObjectEdits, ObjectResult],
        precisions: tuple[str, ...],
    ) -> SessionFile:
        """Describe a session; the arguments are its parts, `results` the masks after every edit."""
        series = volume.series
        numbers = {id(edit): number for number, edit in enumerate(history.edits)}
        masks: dict[RunMask, int] = {}
        stored = tuple(_stored(edits, result, results, numbers, masks) for edits, result in results.items())
        return cls(
            volume_hash=volume.content_hash,
            volume_source=_absolute(volume.source),
            volume_series=series.selector if series else "",
            volume_resampled=bool(series and series.resampled),
            volume_index=volume.index,
            modality=volume.modality,
            modality_given=volume.modality_source is ModalitySource.GIVEN,
            model_name=predictor.spec.name,
            model_path=predictor.model_path,
            model_hash=predictor.model_hash,
            precisions=precisions,
            window=(window.low, window.high),
            stop_rule=stop_rule,
            history=history,
            stored=stored,
            masks=tuple(masks),
        )

    def write(self, path: Path, replaces: str | None = None) -> str:
        """Write the file, whole or not at all.

        Args:
            path: Where.
            replaces: Hash of the file that is there, if it may be replaced only as it was read or written last.

        Returns:
            The hash of the file's bytes.

        Raises:
            OutputError: The file cannot be written.
            SessionError: Another program has changed the file.
        """
        description = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "volume": {
                "sha256": self.volume_hash,
                "source": self.volume_source,
                "series": self.volume_series,
                "resampled": self.volume_resampled,
                "index": self.volume_index,
                "modality": self.modality.value,
                "modality_given": self.modality_given,
            },
            "model": {
                "name": self.model_name,
                "sha256": self.model_hash,
                "path": self.model_path,
                "precisions": list(self.precisions),
            },
            "window": list(self.window),
            "stop_rule": asdict(self.stop_rule),
            "edits": [edit_to_json(edit) for edit in self.history.edits],
            "cursor": self.history.cursor,
            "steps": self.stored,
        }
        with replacing(path) as scratch:
            with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(_DESCRIPTION, json.dumps(description))
                archive.writestr(_MASKS, _pack(self.masks), zipfile.ZIP_STORED)  # it is compressed already
            written = sha256_of(scratch)
            if replaces is not None and path.exists() and sha256_of(path) != replaces:
                raise SessionError(
                    f"{path} was changed by another program since it was read, so it was not replaced: that change "
                    "would be lost. Open the session again and repeat the edit, or save it under another name."
                )
        return written

    @property
    def model_reference(self) -> str:
        """The bundle for `radsam.load`: its path where it still is there, else its name."""
        return self.model_path if self.model_path and Path(self.model_path).exists() else self.model_name

    def check_volume(self, volume: Volume) -> None:
        """Refuse another CT.

        Raises:
            SessionError: The volume is not the one that the session was made on.
        """
        if volume.content_hash != self.volume_hash:
            raise SessionError(
                f"This session was made on another CT ({self.volume_source or 'unnamed'}): the voxels or the grid of "
                f"{volume.source or 'the given volume'} differ. Give the CT that it was made on."
            )

    def check_model(self, model_hash: str) -> None:
        """Refuse another model.

        Raises:
            SessionError: The model is not the one that the session was made with.
        """
        if model_hash != self.model_hash:
            raise SessionError(
                f"This session was made with the bundle {self.model_name!r} of SHA-256 {self.model_hash[:12]}…; the "
                f"given one is {model_hash[:12]}…. Its edits would give other masks. Use the bundle it was made with."
            )

    def results(self, volume: Volume) -> dict[ObjectEdits, ObjectResult]:
        """Bring the stored masks to the grid of `volume`, each keyed by the edits that made it.

        Raises:
            SessionError: The stored masks do not fit the edits or the volume.
        """
        try:
            found: dict[ObjectEdits, ObjectResult] = {}
            for step in self.stored:
                edits, result = self._result(step, volume, found)
                found[edits] = result
            return found
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise SessionError(f"The session is damaged: its masks do not fit its edits ({error!r}).") from error

    def _result(
        self, step: Mapping[str, Any], volume: Volume, found: Mapping[ObjectEdits, ObjectResult]
    ) -> tuple[ObjectEdits, ObjectResult]:
        edits = tuple(_object_edit(self.history.edits[number]) for number in step["edits"])
        if not any(isinstance(edit, StartEdit) for edit in edits):
            raise ValueError("no edit starts the object")
        grid = SliceGrid.of(volume.geometry, started_by(edits).plane)
        slice_masks = dict(found[edits[:-1]].slice_masks) if step.get("changes") else {}
        for index in step.get("dropped", ()):
            del slice_masks[index]
        slice_masks |= {index: SliceMask(index, self.masks[mask], score) for index, mask, score in step["answers"]}
        if any(not 0 <= index < grid.count or each.mask.shape != grid.shape_vu for index, each in slice_masks.items()):
            raise ValueError("a mask lies outside the volume")
        low_end, high_end = (EndReason(each) for each in step["ends"])
        # Older sessions say only whether a correction was followed; those of the first releases not even that.
        unfollowed = tuple((int(i), int(j), int(k)) for i, j, k in step.get("unfollowed", ()))
        if step.get("painted", False) and not unfollowed:
            unfollowed = tuple(each.index_ijk for each in prompts_of(edits[-1]) if isinstance(each, Point))
        return edits, ObjectResult(grid, dict(sorted(slice_masks.items())), low_end, high_end, unfollowed)


def _stored(
    edits: ObjectEdits,
    result: ObjectResult,
    results: Mapping[ObjectEdits, ObjectResult],
    numbers: Mapping[int, int],
    masks: dict[RunMask, int],
) -> dict[str, Any]:
    """Describe a result for the file: where it can, by what differs from the result before its last edit.

    A stroke of a long history then costs one slice in the file, and not all slices of the object once more.
    """
    before = results[edits[:-1]].slice_masks if edits[:-1] in results else None
    # Most slices of a long history are the same objects: to compare all of them would take most of the time.
    changed = [
        each
        for index, each in result.slice_masks.items()
        if before is None or ((had := before.get(index)) is not each and had != each)
    ]
    return {
        "edits": [numbers[id(edit)] for edit in edits],
        "changes": before is not None,
        "dropped": [index for index in before or () if index not in result.slice_masks],
        "answers": [[each.index, masks.setdefault(each.mask, len(masks)), each.score] for each in changed],
        "ends": [result.low_end.value, result.high_end.value],
        "painted": result.painted,
        "unfollowed": [list(each) for each in result.unfollowed],
    }


def read_session(path: str | Path) -> SessionFile:
    """Read a session file.

    Raises:
        SessionError: It is missing, damaged or of a version this program does not know.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:  # the file that is read is the one that is hashed
            with zipfile.ZipFile(file) as archive:
                description = json.loads(archive.read(_DESCRIPTION))
                packed = archive.read(_MASKS)
            file.seek(0)
            file_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if description["format"] != FORMAT:
            raise SessionError(f"{path} is not a RadSAM session.")
        if description["version"] != FORMAT_VERSION:
            raise SessionError(
                f"{path} is a session of version {description['version']}; this program reads version "
                f"{FORMAT_VERSION}. Upgrade RadSAM."
            )
        low, high = (float(each) for each in description.get("window") or description["window_hu"])
        return SessionFile(
            volume_hash=_text(description["volume"]["sha256"]),
            volume_source=_text(description["volume"]["source"]),
            # Sessions of the first releases do not have these five, and are of CT or of DICOM.
            volume_series=_text(description["volume"].get("series", "")),
            volume_resampled=bool(description["volume"].get("resampled", False)),
            volume_index=_index(description["volume"].get("index")),
            modality=Modality(description["volume"].get("modality", "CT")),
            modality_given=bool(description["volume"].get("modality_given", False)),
            model_name=_text(description["model"]["name"]),
            model_path=_text(description["model"]["path"]),
            model_hash=_text(description["model"]["sha256"]),
            precisions=tuple(_text(each) for each in description["model"].get("precisions", ())),
            window=(low, high),
            stop_rule=StopRule(**{**_FORMER_RULE, **description["stop_rule"]}),
            history=History(tuple(edit_from_json(each) for each in description["edits"]), description["cursor"]),
            stored=tuple(description["steps"]),
            masks=_unpack(packed),
            path=path.resolve(),
            file_sha256=file_sha256,
        )
    except FileNotFoundError:
        raise SessionError(f"There is no session file {path}.") from None
    except RadsamError:
        raise
    except Exception as error:  # a damaged zip fails in many ways: zlib's, numpy's and Python's own
        raise SessionError(f"{path} is not a whole RadSAM session: {error!r}.") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _index(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or value < 0):
        raise TypeError(f"{value!r} is not the index of a volume")
    return value


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if source and Path(source).exists() else source


def _object_edit(edit: Edit) -> ObjectEdit:
    if not isinstance(edit, ObjectEdit):
        raise SessionError("The session is damaged: it has masks for an edit that makes none.")
    return edit


def _pack(masks: tuple[RunMask, ...]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        shapes=np.array([mask.shape for mask in masks], np.uint32).reshape(-1, 2),
        lengths=np.array([mask.runs.size for mask in masks], np.int64),
        runs=np.concatenate([np.empty(0, np.uint32), *(mask.runs for mask in masks)]),
    )
    return buffer.getvalue()


def _unpack(packed: bytes) -> tuple[RunMask, ...]:
    with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
        shapes, lengths, runs = stored["shapes"], stored["lengths"], stored["runs"]
    if runs.ndim != 1 or runs.dtype != np.uint32:
        raise ValueError("its run lengths are damaged")
    pieces = np.split(runs, np.cumsum(lengths)[:-1]) if lengths.size else []
    return tuple(RunMask((int(rows), int(cols)), piece) for (rows, cols), piece in zip(shapes, pieces, strict=True))

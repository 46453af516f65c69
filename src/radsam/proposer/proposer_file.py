"""A trained proposer as files: what it is (``proposer.json``), its arrays (``proposer.npz``) and its graph.

``proposer.json`` is written last and names the SHA-256 of the others, so that a folder without it, or with other
files, is none. It holds names of labels and of cases, nothing else of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped

from radsam.disk.atomic_write import make_folder, private_file
from radsam.errors import BundleError
from radsam.proposer.reduced_slices import Reduction
from radsam.volume import Plane

FORMAT = "radsam-proposer"
FORMAT_VERSION = 1
_FACTS, _ARRAYS, GRAPH = "proposer.json", "proposer.npz", "proposer.onnx"
#: Begins the names of the head's weights among the arrays.
_WEIGHT = "head."


@dataclass(frozen=True)
class LabelFacts:
    """What a proposer knows of a label beside its query.

    Args:
        name: The label.
        cases: Number of cases with it that the head was trained on; of a label without one there are no proposals.
        threshold: The logit above which a pixel belongs to the object.
        single: Whether the object is one piece.
        mean_agreement: Mean of `LabelAnswer.agreement` on cases that the head was not trained on.
        mean_dice: Mean Dice of the answers on them.
        slope: How much the Dice rises with the agreement.
    """

    name: str
    cases: int
    threshold: float
    single: bool
    mean_agreement: float
    mean_dice: float
    slope: float

    def certainty(self, agreement: float) -> float:
        """Return the Dice that is expected of an answer, 0 to 1."""
        return float(np.clip(self.mean_dice + self.slope * (agreement - self.mean_agreement), 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class ProposerFile:
    """A trained proposer.

    Args:
        labels: Its labels, in the order of the graph's output.
        plane: The plane of the slices that it sees.
        encoder_hash: The encoder that it was trained with.
        reduction: Reduces that encoder's embeddings.
        graph: The head, an ONNX graph.
        summaries: Case that it was trained on to `ReducedSlices.summary` of it.
        weights: Weights of the head by name, from which a later training may go on.
        seen: Every case that these weights have ever been trained on, those of earlier trainings, too.
        report: How it was trained, for people: steps, seconds, Dice by label on cases held out meanwhile.
    """

    labels: tuple[LabelFacts, ...]
    plane: Plane
    encoder_hash: str
    reduction: Reduction
    graph: bytes
    summaries: Mapping[str, Float32[np.ndarray, " s"]]
    weights: Mapping[str, Shaped[np.ndarray, "..."]]
    seen: tuple[str, ...]
    report: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        """Write it into a folder, which is made.

        Raises:
            OutputError: There is no room, or the folder cannot be written.
        """
        make_folder(folder)
        (folder / _FACTS).unlink(missing_ok=True)
        arrays = io.BytesIO()
        table = np.stack([*self.summaries.values()]) if self.summaries else np.zeros((0, 0), np.float32)
        weights: dict[str, Any] = {f"{_WEIGHT}{name}": value for name, value in self.weights.items()}
        np.savez(arrays, mean=self.reduction.mean, matrix=self.reduction.matrix, summaries=table, **weights)
        parts = {_ARRAYS: arrays.getvalue(), GRAPH: self.graph}
        facts = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "labels": [asdict(each) for each in self.labels],
            "plane": self.plane.value,
            "encoder_hash": self.encoder_hash,
            "cases": list(self.summaries),
            "seen": list(self.seen),
            "report": dict(self.report),
            "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()},
        }
        for name, content in (*parts.items(), (_FACTS, json.dumps(facts, indent=1, ensure_ascii=False).encode())):
            with private_file(folder / name) as file:
                file.write(content)

    @classmethod
    def read(cls, folder: Path) -> ProposerFile:
        """Read the files of a folder; the inverse of `write`.

        Raises:
            BundleError: They are missing, damaged, of another kind or of a later version.
        """
        try:
            facts = json.loads((folder / _FACTS).read_bytes())
            contents = {name: (folder / name).read_bytes() for name in (_ARRAYS, GRAPH)}
            version = facts["version"] if facts["format"] == FORMAT else 0
            if version > FORMAT_VERSION:
                raise BundleError(
                    f"The proposer in {folder} has version {version}, this program reads up to {FORMAT_VERSION}. "
                    "Update it."
                )
            if version < 1 or any(
                hashlib.sha256(content).hexdigest() != facts["sha256"][name] for name, content in contents.items()
            ):
                raise ValueError("damaged")
            with np.load(io.BytesIO(contents[_ARRAYS]), allow_pickle=False) as arrays:
                reduction = Reduction(arrays["mean"], arrays["matrix"])
                summaries = dict(zip(facts["cases"], arrays["summaries"], strict=True))
                named = [name for name in arrays.files if name.startswith(_WEIGHT)]
                weights = {name.removeprefix(_WEIGHT): arrays[name] for name in named}
            return cls(
                tuple(LabelFacts(**each) for each in facts["labels"]),
                Plane(facts["plane"]),
                facts["encoder_hash"],
                reduction,
                contents[GRAPH],
                summaries,
                weights,
                tuple(facts["seen"]),
                facts["report"],
            )
        except FileNotFoundError as error:
            raise BundleError(f"{folder} holds no proposer: {Path(error.filename).name} is missing.") from error
        except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
            raise BundleError(f"The proposer in {folder} is damaged. The next learning round makes another.") from error

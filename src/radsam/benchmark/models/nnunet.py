"""nnU-Net, run by its own command line where it is installed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path

from radsam.benchmark.models.model_interface import ModelCard, Voxels
from radsam.benchmark.models.predictions_folder import PredictionsFolder
from radsam.errors import BackendError, InputError, PromptError
from radsam.io.volume_write import write_volume
from radsam.volume import Bounds, Point, Prompt, Volume

_COMMAND = "nnUNetv2_predict_from_modelfolder"


class NnUNetModel:
    """A trained nnU-Net: it segments a whole case at once, by the names of its classes.

    Args:
        folder: The trained model: dataset.json, plans.json and fold_* of nnU-Net's results folder.
        label: Its name in tables.

    Raises:
        InputError: The folder is not one of nnU-Net.
        BackendError: nnU-Net is not installed.
    """

    def __init__(self, folder: Path, label: str) -> None:
        self._description = folder / "dataset.json"
        if not self._description.is_file() or not any(folder.glob("fold_*")):
            raise InputError(
                f"{folder} is not a trained nnU-Net: looked for dataset.json and fold_0 and so on. Give the folder "
                "nnUNet_results/DATASET/TRAINER__PLANS__CONFIGURATION."
            )
        self._command = shutil.which(_COMMAND)
        if self._command is None:
            raise BackendError(
                f"{_COMMAND} is not on this machine. Install nnU-Net (pip install nnunetv2), or predict elsewhere and "
                "give the masks: --models NAME=predictions:FOLDER."
            )
        self._folder = folder
        plans = folder / "plans.json"
        identity = self._description.read_bytes() + (plans.read_bytes() if plans.is_file() else b"")
        self.card = ModelCard(
            label,
            hashlib.sha256(identity).hexdigest(),
            f"nnU-Net, {folder.name}; automatic, prompts are not passed to it",
            frozenset({"box", "point", "mask"}),
            edits=False,
        )
        self._case: tuple[str, Volume] | None = None
        self._predicted: dict[str, PredictionsFolder] = {}
        # Gone when nothing uses the model any more, at the latest with the process.
        self._scratch = Path(tempfile.mkdtemp(prefix="radsam-nnunet-"))
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)

    def prepare(self, volume: Volume, case_id: str) -> None:
        """Take a case; it is predicted at its first object."""
        self._case = case_id, volume
        self._predicted.clear()

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> Voxels:
        """Predict the case, once, and answer with the mask of the class."""
        if self._case is None:
            raise PromptError("There is no volume yet: prepare one first.")
        case_id, volume = self._case
        if case_id not in self._predicted:
            self._predicted[case_id] = self._predict(case_id, volume)
        return self._predicted[case_id].mask(case_id, name, volume.geometry)

    def correct(self, points: tuple[Point, ...]) -> Voxels:
        """Refuse: nnU-Net is not interactive."""
        raise PromptError("nnU-Net takes no corrections.")

    def alternatives(self) -> tuple[Voxels, ...]:
        """It has one answer."""
        return ()

    def _predict(self, case_id: str, volume: Volume) -> PredictionsFolder:
        given, out = self._scratch / "in", self._scratch / "out"
        for folder in (given, out):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        write_volume(volume, given / f"{case_id}_0000.nii.gz")
        folds = sorted(each.name.removeprefix("fold_") for each in self._folder.glob("fold_*"))
        told = subprocess.run(
            [str(self._command), "-i", str(given), "-o", str(out), "-m", str(self._folder), "-f", *folds],
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode:
            last = (told.stderr.strip() or told.stdout.strip() or "it said nothing").splitlines()[-1]
            raise BackendError(f"{_COMMAND} failed on case {case_id}: {last}")
        shutil.copy(self._description, out / "dataset.json")
        return PredictionsFolder(out)

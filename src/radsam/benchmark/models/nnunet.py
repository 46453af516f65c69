"""nnU-Net, run through its own command line."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path

from radsam.benchmark.models.model_interface import ModelCard, NotInteractive, Voxels
from radsam.benchmark.models.predictions_folder import PredictionsFolder
from radsam.errors import BackendError, InputError, PromptError
from radsam.io.volume_write import write_volume
from radsam.volume import Bounds, Prompt, Volume

_COMMAND = "nnUNetv2_predict_from_modelfolder"


class NnUNetModel(NotInteractive):
    """A trained nnU-Net: it segments a whole case at once, by the names of its classes.

    Args:
        folder: The trained model: dataset.json, plans.json and fold_* of nnU-Net's results folder.
        label: Its name in tables.

    Raises:
        InputError: The folder is not a trained nnU-Net.
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
                f"{_COMMAND} is not installed. Install nnU-Net (pip install nnunetv2), or predict on another machine "
                "and give the masks: --models NAME=predictions:FOLDER."
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
        # Removed with the model, at the latest when the process ends.
        self._scratch = Path(tempfile.mkdtemp(prefix="radsam-nnunet-"))
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)

    def prepare(self, volume: Volume, case_id: str) -> None:
        """Take a case; nnU-Net predicts it at its first object."""
        self._case = case_id, volume
        self._predicted.clear()

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> Voxels:
        """Predict the case, once, and return the mask of the class."""
        if self._case is None:
            raise PromptError("There is no volume yet: prepare one first.")
        case_id, volume = self._case
        if case_id not in self._predicted:
            self._predicted[case_id] = self._predict(case_id, volume)
        return self._predicted[case_id].mask(case_id, name, volume.geometry)

    def _predict(self, case_id: str, volume: Volume) -> PredictionsFolder:
        images, masks = self._scratch / "in", self._scratch / "out"
        for folder in (images, masks):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        write_volume(volume, images / f"{case_id}_0000.nii.gz")
        folds = sorted(each.name.removeprefix("fold_") for each in self._folder.glob("fold_*"))
        result = subprocess.run(
            [str(self._command), "-i", str(images), "-o", str(masks), "-m", str(self._folder), "-f", *folds],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            last = (result.stderr.strip() or result.stdout.strip() or "no message").splitlines()[-1]
            raise BackendError(f"{_COMMAND} failed on case {case_id}: {last}")
        shutil.copy(self._description, masks / "dataset.json")
        return PredictionsFolder(masks)

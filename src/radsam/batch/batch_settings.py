"""The settings of a batch, the same for all rows."""

from __future__ import annotations

import json
from dataclasses import dataclass

from radsam.errors import PromptError
from radsam.io.volume_read import known_modality
from radsam.io.volume_write import LabelFormat
from radsam.preprocess import Window
from radsam.propagate import POLICIES
from radsam.runtime.backend_choice import check_precision

#: Raised when a new version of the program gives the same row another mask.
_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """The settings of a batch, the same for all rows and workers.

    Args:
        model: Name or path of the bundle; None for the default one.
        backend: The inference engine, as for `radsam.load`.
        precision: What it computes in, as for `radsam.load`; "auto" is what each worker's machine prefers.
        file_format: The format of the masks.
        policy: What a slice passes to the next; None takes what the model was trained for.
        zoom: Whether the model sees a crop around each object; None takes what it was trained for.
        window: Window of rows that have none, in their volume's unit; None takes the model's own for the modality.
        modality: What volumes are whose rows do not say it; None takes what their files say, else what their values
            look like.
        resample: Resample DICOM series of a tilted gantry or with uneven spacing.
        threads: CPU threads of each worker; None takes all.

    Raises:
        InputError: The precision or the modality does not exist.
        PromptError: The policy does not exist, the window is empty, or the number of threads is below 1.
    """

    model: str | None = None
    backend: str = "auto"
    precision: str = "auto"
    file_format: LabelFormat = LabelFormat.NIFTI
    policy: str | None = None
    zoom: bool | None = None
    window: tuple[float, float] | None = None
    modality: str | None = None
    resample: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.policy is not None and self.policy not in POLICIES:
            raise PromptError(f"There is no policy {self.policy!r}; choose one of {', '.join(POLICIES)}.")
        check_precision(self.precision)
        if self.modality is not None:
            object.__setattr__(self, "modality", known_modality(self.modality).value)
        if self.window is not None:
            Window(*self.window)  # refuses an empty one
        if self.threads is not None and self.threads < 1:
            raise PromptError(f"A worker needs at least one thread, not {self.threads}.")

    @property
    def suffix(self) -> str:
        """The suffix of the masks' files."""
        return self.file_format.suffixes[0]

    def identity(self, model_sha256: str) -> str:
        """Return everything besides its row that a mask depends on; speed is not part of it.

        A precision that is given is part of it; what a machine prefers by itself is not.

        Args:
            model_sha256: The model's identity.
        """
        parts = [_VERSION, model_sha256, self.file_format, self.policy, self.zoom, self.window, self.resample]
        return json.dumps([*parts, self.modality, *([] if self.precision == "auto" else [self.precision])])

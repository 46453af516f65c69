"""A weights bundle, asked through the same session as the command line's."""

from __future__ import annotations

import warnings

import numpy as np

from radsam.benchmark.models.model_interface import ModelCard, Voxels
from radsam.errors import PromptError
from radsam.predictor import SlicePrompt
from radsam.preprocess import Crop
from radsam.propagate import default_policy
from radsam.runtime import Capability
from radsam.session import CapabilityWarning, Engine, Session
from radsam.volume import Bounds, Plane, Point, Prompt, RunMask, SliceGrid, Volume, slice_index

_OBJECT = "object"


class SessionModel:
    """A bundle and the way it walks.

    Args:
        engine: The loaded bundle.
        policy: What a slice passes to the next; None takes what the bundle was trained for.
        zoom: Whether it looks at a crop around the object; None takes what it was trained for.
        label: Its name in tables; made of bundle, policy and zoom if left out.
    """

    def __init__(
        self, engine: Engine, *, policy: str | None = None, zoom: bool | None = None, label: str | None = None
    ) -> None:
        spec = engine.bundle.spec
        self._engine, self._policy = engine, policy or default_policy(spec)
        self._zoom = spec.max_zoom > 1 if zoom is None else zoom
        # Only a zoom that is not the usual one is worth a word.
        unusual = "" if self._zoom == (spec.max_zoom > 1) else ":zoom" if self._zoom else ":no-zoom"
        passes = "repeats the first mask" if self._policy == "copy" else f"passes the {self._policy} on"
        self.card = ModelCard(
            label=label or f"{spec.name}:{self._policy}{unusual}",
            sha256=engine.bundle.sha256,
            description=f"{spec.architecture} on {engine.backend.name}, trained on {', '.join(spec.capabilities)}; "
            f"{passes}; {'crops around the object' if self._zoom else 'whole slices'}",
            # Also those that it was not trained on: how badly it answers them is a result (paper, Table 5).
            starts=frozenset({"box", "point", "mask"}),
            edits=True,
        )
        self._volume: Volume | None = None
        self._session: Session | None = None
        self._first: Prompt | None = None

    def prepare(self, volume: Volume, case_id: str) -> None:
        """Take a volume."""
        self._volume, self._session = volume, None

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> Voxels:
        """Walk from the prompt; empty where the model finds nothing at it."""
        if self._volume is None:
            raise PromptError("There is no volume yet: prepare one first.")
        # A session of its own for each prompt: nothing that was said before may help.
        self._session, self._first = self._engine.open(self._volume), prompt
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CapabilityWarning)
            try:
                self._session.segment(prompt, bounds=bounds, policy=self._policy, zoom=self._zoom, name=_OBJECT)
            except PromptError:
                return self._mask()  # the model found nothing at the prompt, and says so
        return self._mask()

    def correct(self, points: tuple[Point, ...]) -> Voxels:
        """Correct and walk; an object that was not found stays so."""
        if self._session is None or _OBJECT not in self._session.objects:
            return self._mask()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CapabilityWarning)
            self._session.correct(*points, name=_OBJECT)
        return self._mask()

    def alternatives(self) -> tuple[Voxels, ...]:
        """The three secondary masks of the prompted slice (paper 3.1), seen as the first answer saw it."""
        if self._session is None or self._first is None or self._volume is None:
            return ()
        prompt, predictor = self._first, self._session.predictor
        grid = SliceGrid.of(self._volume.geometry, Plane.AXIAL)
        index, said = slice_index(prompt, grid), SlicePrompt.of(prompt, grid)
        if said.mask is not None and not predictor.spec.can(Capability.MASK):
            said = SlicePrompt(box_uvuv=said.enclosing_box)
        view = predictor.view(grid, self._session.window)
        encoded = predictor.encode(self._volume, view.with_crop(self._crop(grid, said)), index)
        found = predictor.alternatives(encoded, said)[1:]
        return tuple(self._placed(grid, {index: each.mask}) for each in found)

    def _crop(self, grid: SliceGrid, said: SlicePrompt) -> Crop | None:
        spec, box = self._engine.bundle.spec, said.enclosing_box
        if not self._zoom or box is None or said.points_uv:
            return None
        crop = Crop.around(grid, box, ratio=spec.crop_ratio, max_zoom=spec.max_zoom)
        return crop if crop and crop.holds(grid, box) else None

    def _mask(self) -> Voxels:
        if self._session is None:
            raise PromptError("There is no object yet: segment one first.")
        if _OBJECT not in self._session.objects:
            return self._nothing()
        found = self._session.objects[_OBJECT]
        return self._placed(found.grid, {index: each.mask for index, each in found.slices.items()})

    def _placed(self, grid: SliceGrid, slices: dict[int, RunMask]) -> Voxels:
        voxels = self._nothing()
        for index, mask in slices.items():
            grid.put(voxels, index, mask.decode())
        return voxels

    def _nothing(self) -> Voxels:
        if self._volume is None:
            raise PromptError("There is no volume yet: prepare one first.")
        return np.zeros(self._volume.geometry.shape_kji, bool)

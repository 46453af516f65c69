"""A weights bundle, used through the same session as the command line's."""

from __future__ import annotations

import warnings
from contextlib import suppress

import numpy as np

from radsam.benchmark.models.model_interface import ModelCard, PaintedSlice, SliceScore, Voxels
from radsam.errors import PromptError
from radsam.propagate import default_policy
from radsam.session import CapabilityWarning, Engine, Session
from radsam.session.edit_request import CorrectionRequest, PolicyName, SegmentRequest, StartFromMaskRequest
from radsam.volume import Bounds, Mask, Plane, Prompt, RunMask, SliceGrid, SparseMask, Volume

_OBJECT = "object"


class SessionModel:
    """A bundle, and how its masks are propagated.

    Args:
        engine: The loaded bundle.
        policy: What a slice passes to the next; None takes what the bundle was trained for.
        zoom: Whether it sees a crop around the object; None takes what it was trained for.
        label: Its name in tables; made of bundle, policy and zoom if left out.
    """

    def __init__(
        self, engine: Engine, *, policy: str | None = None, zoom: bool | None = None, label: str | None = None
    ) -> None:
        spec = engine.bundle.spec
        self._engine, self._policy = engine, policy or default_policy(spec)
        self._zoom = spec.max_zoom > 1 if zoom is None else zoom
        # The label names the zoom only where it is not the bundle's own.
        unusual = "" if self._zoom == (spec.max_zoom > 1) else ":zoom" if self._zoom else ":no-zoom"
        passes = "repeats the first mask" if self._policy == "copy" else f"passes the {self._policy} on"
        self.card = ModelCard(
            label=label or f"{spec.name}:{self._policy}{unusual}",
            sha256=engine.bundle.sha256,
            description=f"{spec.architecture} on {engine.backend.name} ({engine.backend.threads} thread"
            f"{'' if engine.backend.threads == 1 else 's'}), trained on {', '.join(spec.capabilities)}; "
            f"{passes}; {'crops around the object' if self._zoom else 'whole slices'}",
            # Also those that it was not trained on: how good its masks are then is a result (paper, Table 5).
            starts=frozenset({"box", "point", "mask", "object"}),
            edits=True,
            engine=engine.backend.name.removesuffix(f" {engine.backend.precision}"),
            precision=engine.backend.precision,
            threads=engine.backend.threads,
        )
        self._volume: Volume | None = None
        self._session: Session | None = None
        self._request: SegmentRequest | None = None

    def prepare(self, volume: Volume, case_id: str) -> None:
        """Take a volume."""
        self._volume, self._session = volume, None

    def segment(self, prompt: Prompt, bounds: Bounds | None, name: str) -> Voxels:
        """Propagate from the prompt; empty where the model finds nothing at it."""
        if self._volume is None:
            raise PromptError("There is no volume yet: prepare one first.")
        # A new session for each prompt: earlier prompts must not help.
        self._session = self._engine.open(self._volume)
        self._request = SegmentRequest(
            name=_OBJECT, prompt=prompt, bounds=bounds, policy=PolicyName(self._policy), zoom=self._zoom
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CapabilityWarning)
            # An error says that the model found nothing at the prompt: then there is no object, and the mask is empty.
            with suppress(PromptError):
                self._session.segment(self._request)
        return self._mask()

    def segment_from(self, mask: Voxels, bounds: Bounds | None) -> Voxels:
        """Take the mask's slices as they are."""
        if self._volume is None:
            raise PromptError("There is no volume yet: prepare one first.")
        self._session, self._request = self._engine.open(self._volume), None
        request = StartFromMaskRequest(
            name=_OBJECT,
            mask=SparseMask.of(mask, SliceGrid.of(self._volume.geometry, Plane.AXIAL).axis),
            bounds=bounds,
            policy=PolicyName(self._policy),
            zoom=self._zoom,
        )
        for _ in self._session.run(request):
            pass
        return self._mask()

    def correct(self, prompts: tuple[Prompt, ...]) -> Voxels:
        """Correct and propagate; an object that was not found stays empty, as does a box in which nothing is found."""
        if self._session is None or _OBJECT not in self._session.objects:
            return self._mask()
        with warnings.catch_warnings(), suppress(PromptError):
            warnings.simplefilter("ignore", CapabilityWarning)
            self._session.correct(CorrectionRequest(name=_OBJECT, points=prompts))
        return self._mask()

    def paint(self, painted: PaintedSlice) -> Voxels:
        """Paint the slice's pixels and erase its others; other slices stay."""
        if self._session is None or _OBJECT not in self._session.objects:
            return self._mask()
        grid = SliceGrid.of(self._session.volume.geometry, Plane.AXIAL)
        if painted.pixels.any():
            self._session.paint(Mask.on(grid, painted.index, painted.pixels), name=_OBJECT)
        if not painted.pixels.all():
            self._session.erase(Mask.on(grid, painted.index, ~painted.pixels), name=_OBJECT)
        return self._mask()

    def alternatives(self) -> tuple[Voxels, ...]:
        """The three secondary masks of the prompted slice (paper 3.1), predicted as the first mask was."""
        if self._session is None or self._request is None:
            return ()
        grid = SliceGrid.of(self._session.volume.geometry, self._request.plane)
        return tuple(self._placed(grid, {each.index: each.mask}) for each in self._session.preview(self._request)[1:])

    def slice_scores(self) -> dict[int, SliceScore]:
        """The predicted IoU and the expected Dice of each slice."""
        if self._session is None or _OBJECT not in self._session.objects:
            return {}
        found = self._session.objects[_OBJECT]
        expected = found.expected_dice
        return {index: SliceScore(each.score, expected[index]) for index, each in found.slices.items()}

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

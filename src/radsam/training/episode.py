"""One episode of training: a first prompt, then turns that correct or propagate (paper 3.3, 4.1, 4.2).

An episode prompts the model as a session does at inference: prompts are made on the
slice's own pixels, the same frame maps them and the prediction, a correction sends the
slice's previous mask with all its points, and a propagation step sends the mask of the
slice before.
"""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
from jaxtyping import Bool, Float32

from radsam.data.stored_case import StoredCase
from radsam.metrics import dice
from radsam.predictor import MaskSource, SlicePrompt
from radsam.predictor.prototypes import pooled_prototypes
from radsam.predictor.slice_predictor import Picture, frame_prompt, picture_of
from radsam.preprocess import SliceFrame
from radsam.propagate.next_prompt import mask as mask_policy
from radsam.propagate.taper import Taper
from radsam.runtime import FramePrompt, FrameSource
from radsam.simulate import MaskNoise, broken_mask, noisy_mask, random_box, random_click, random_point
from radsam.training.scenes import Scenes
from radsam.training.stored_embeddings import EncodedScenes
from radsam.training.training_config import PromptsConfig
from radsam.volume import RunMask

Mask = Bool[np.ndarray, "rows cols"]

#: A mask that agrees less than this with the truth is not propagated: the slices after a
#: lost object teach nothing, so the truth of that slice, with noise, is propagated instead.
LOST_BELOW_DICE = 0.3

#: Reach of the loss around a click, in low-res pixels (standard deviation).
CLICK_SIGMA_PX = 2.0


class Episode:
    """One object, from a first prompt on one slice on.

    Args:
        scenes: The scenes.
        scene: Number of the scene.
        index: Slice within the scene; holds the object.
        object_id: The object.
        config: The prompts.
        rng: Draws all that is random in this episode.
    """

    def __init__(
        self,
        scenes: Scenes,
        scene: int,
        index: int,
        object_id: int,
        config: PromptsConfig,
        rng: np.random.Generator,
    ) -> None:
        self.scenes, self.scene, self.index, self.object_id = scenes, scene, index, object_id
        self._config, self._rng = config, rng
        self._frame: SliceFrame = scenes.frame(scene)
        self._scene = scenes.scenes[scene]
        self._case: StoredCase = scenes.store.cases[self._scene.case_number]
        self._unit_px = self._scene.view.unit_px
        self._step = int(rng.choice([-1, 1]))
        self._taper = self._plan_propagation()
        self._truth = self._mask(index)
        #: Kind of the current prompt: one of the first prompts, then "edit", "walk" (propagated) or "walk with click".
        self.kind = str(rng.choice(list(config.kinds), p=list(config.kinds.values())))
        first = self._first_prompt()
        self.prompt: SlicePrompt | None = first
        self._predicted = np.zeros_like(self._truth)
        self._incoming = first.mask or RunMask.encode(self._predicted)
        self._incoming_index = first.source.index if first.source else self.index
        self._user_prompts = replace(first, mask=None)

    def describe(self) -> str:
        """Name the episode for a message: case, slice, object and kind of prompt."""
        return (
            f"{self.scenes.case_name(self.scene)} slice {self._scene.first + self.index} object {self.object_id} "
            f"(scene {self.scene}, {self.kind})"
        )

    @property
    def frame_prompt(self) -> FramePrompt | None:
        """The current prompt in the model's frame; None where inference would not predict."""
        if not self.prompt:
            return None
        given, source = frame_prompt(self._frame, self.prompt), self.prompt.source
        if source is None:
            return given  # and the model, where it takes sources, gets none
        pictures = np.stack([self._picture(source.index), self._picture(self.index)])
        distance = source.distance(self._frame.side_mm)
        return replace(given, source=FrameSource(pictures, distance, self._prototypes(source.index)))

    @property
    def truth(self) -> Float32[np.ndarray, "m m"]:
        """The true mask, low-res."""
        return self._frame.mask_to_frame(self._truth)

    @property
    def content(self) -> Float32[np.ndarray, "m m"]:
        """1 where the slice lies in the low-res frame, 0 in the padding."""
        size, stride = self._frame.low_res_size, self._frame.input_size // self._frame.low_res_size
        rows, cols = self._frame.content_shape
        content = np.zeros((size, size), np.float32)
        content[: rows // stride, : cols // stride] = 1.0
        return content

    @property
    def clicked(self) -> Float32[np.ndarray, "m m"]:
        """Weight of each pixel by its distance to the current points, low-res, adding up to 1; 0 without points."""
        near = np.zeros((self._frame.low_res_size, self._frame.low_res_size), np.float32)
        points = self.prompt.points_uv if self.prompt else ()
        stride = self._frame.input_size // self._frame.low_res_size
        axis = np.arange(len(near), dtype=np.float32)
        for u, v, _ in points:
            ((x, y),) = (self._frame.points_to_frame(np.array([[u, v]], np.float64)) + 0.5) / stride - 0.5
            near += np.exp(-((axis[:, None] - y) ** 2 + (axis - x) ** 2) / (2 * CLICK_SIGMA_PX**2))
        near *= self.content
        return near / near.sum() if near.any() else near

    def take_prediction(self, logits: Float32[np.ndarray, "m m"]) -> None:
        """Take the model's logits and choose the next prompt; `prompt` is None where there is none."""
        self._predicted = np.asarray(self._frame.logits_to_slice(logits) > 0)
        corrects = self._rng.random() < self._config.edit_share
        first, second = (self._correction, self._propagation) if corrects else (self._propagation, self._correction)
        self.prompt = first() or second()

    def _first_prompt(self) -> SlicePrompt:
        match self.kind:
            case "box":
                shrink_px, grow_px = self._config.box_shrink_px, self._config.box_grow_px
                box = random_box(self._truth, self._rng, unit=self._unit_px, shrink_px=shrink_px, grow_px=grow_px)
                return SlicePrompt(box_uvuv=box)
            case "point":
                x, y = random_point(self._truth, self._rng)
                return SlicePrompt(points_uv=((x, y, True),))
            case "mask":
                return SlicePrompt(mask=self._noisy(self._truth, 1.0))
            case "repair":
                wrong = broken_mask(self._truth, self._rng)
                click = random_click(wrong, self._truth, self._rng)
                points = ((click.x, click.y, click.positive),) if click else ()
                return SlicePrompt(points_uv=points, mask=RunMask.encode(wrong) if wrong.any() else None)
        if self._config.outward:
            # The propagation has a direction, and this mask comes from the slice before.
            self._step = -self._step
        found = self._neighbour(encoded=False)
        if found is None:
            return SlicePrompt(mask=self._noisy(self._truth, 1.0))
        came_from, beside = found
        if not beside.any():
            # The object has ended there: its last mask meets a slice without it.
            incoming, came_from, self._truth, self.index = self._truth, self.index, beside, came_from
            noisy = self._noisy(incoming, self._config.neighbour_noise)
            return SlicePrompt(mask=noisy, source=self._source(came_from))
        # The mask comes from there, so the propagation goes the other way.
        self._step = -self._step
        noisy = self._noisy(beside, self._config.neighbour_noise)
        return SlicePrompt(mask=self._thinned(noisy, came_from), source=self._source(came_from))

    def _correction(self) -> SlicePrompt | None:
        """A click in the error with the previous mask and all points of the slice (paper 4.2)."""
        click = random_click(self._predicted, self._truth, self._rng)
        if click is None:
            return None
        points = (*self._user_prompts.points_uv, (click.x, click.y, click.positive))
        self._user_prompts = replace(self._user_prompts, points_uv=points)
        self.kind = "edit"
        return self._propagated_prompt(RunMask.encode(self._predicted))

    def _propagation(self) -> SlicePrompt | None:
        """The mask is propagated to a neighbouring slice (paper 4.1), which may have a point of its own (4.2)."""
        found = self._neighbour()
        if found is None:
            return None
        came_from, (self.index, beside) = self.index, found
        if self._truth.any() and dice(self._predicted, self._truth) < LOST_BELOW_DICE:
            self._incoming = self._noisy(self._truth, self._config.neighbour_noise)
            self._incoming_index = came_from
        elif self._predicted.any():
            self._incoming, self._incoming_index = RunMask.encode(self._predicted), came_from
        incoming = self._thinned(self._incoming, came_from) if beside.any() else self._incoming
        self._truth, self._user_prompts, self.kind = beside, SlicePrompt(), "walk"
        if self._rng.random() < self._config.walk_click_share:
            click = random_click(incoming.decode(), beside, self._rng)
            if click is not None:
                self._user_prompts = SlicePrompt(points_uv=((click.x, click.y, click.positive),))
                self.kind = "walk with click"
        return self._propagated_prompt(incoming, self._source(self._incoming_index))

    def _propagated_prompt(self, incoming: RunMask, source: MaskSource | None = None) -> SlicePrompt | None:
        prompt = mask_policy(incoming, self._user_prompts)
        return replace(prompt, source=source) if isinstance(prompt, SlicePrompt) and prompt else None

    def _source(self, came_from: int) -> MaskSource | None:
        """Where a mask on the current slice comes from, as propagation says it; None for a model without sources."""
        if not self.scenes.spec.takes_source or came_from == self.index:
            return None
        ends, source, here = self._taper, self._slice(came_from), self._slice(self.index)
        # The direction turns where the object or the scene ends; then the propagation started at that end.
        start, bound = (min(ends.start, source), ends.high) if here > source else (max(ends.start, source), ends.low)
        known = None if bound in (0, self._case.grid.count - 1) else bound
        return replace(MaskSource.of(source, here, start, known, self._case.slice_mm), index=came_from)

    def _prototypes(self, came_from: int) -> Float32[np.ndarray, "2 c"] | None:
        """How the object looks where the propagation started, or as near to there as the scene reaches.

        None for an encoder that is trained: these slices are not encoded.
        """
        if not self.scenes.spec.prototype_channels or not isinstance(self.scenes, EncodedScenes):
            return None
        start, last = self._taper.start - self._scene.first, self._scene.count - 1
        start = min(start, came_from) if self.index > came_from else max(start, came_from)
        start = min(max(start, 0), last)
        mask = self._frame.mask_to_frame(self._mask(start))
        return pooled_prototypes(self.scenes.embedding(self.scene, start), mask)

    def _picture(self, index: int) -> Picture:
        return picture_of(self.scenes.image(self.scene, index), self._frame.low_res_size)

    def _plan_propagation(self) -> Taper:
        """Choose the slice where the propagation started, and with it the direction and the taper."""
        config, here, case = self._config, self._slice(self.index), self._case
        if not (config.outward or config.taper or self.scenes.spec.takes_source):
            return Taper(here, None, None, case.grid.count, 0.0)
        low, high, start = case.extent(self.object_id)
        if self._rng.random() < config.outward:
            if start != here:
                self._step = 1 if start < here else -1
        else:
            start = int(self._rng.integers(low, here + 1) if self._step > 0 else self._rng.integers(here, high + 1))
        if self._rng.random() >= config.bounded:
            return Taper(start, None, None, case.grid.count, config.taper)
        return Taper.of(
            RunMask.encode(np.asarray(case.ids[start] == self.object_id)),
            start,
            (low, high),
            case.grid.count,
            (case.slice_mm, case.row_mm, case.col_mm),
            config.taper,
        )

    def _thinned(self, mask: RunMask, came_from: int) -> RunMask:
        """A mask as propagation passes it on to the current slice."""
        return self._taper(mask, self._slice(came_from), self._slice(self.index))

    def _slice(self, index: int) -> int:
        """The number that a slice of the scene has in its case."""
        return self._scene.first + index

    def _neighbour(self, encoded: bool = True) -> tuple[int, Mask] | None:
        """A slice one or some slices away, and its truth; the direction turns where the object or scene ends.

        Past the object's end only as often as the configuration says.

        Args:
            encoded: Only slices of the scene, which have embeddings.
        """
        ended_counts = self._rng.random() < self._config.ended_share
        most = int(self._rng.integers(1, self._config.gap + 1)) if self._config.gap > 1 else 1
        for _ in range(2):
            for gap in range(most, 0, -1):
                index = self.index + gap * self._step
                if self.scenes.reaches(self.scene, index, encoded=encoded or gap == 1):
                    beside = self._mask(index)
                    if beside.any() or (gap == 1 and ended_counts and self._truth.any()):
                        return index, beside
            self._step = -self._step
        return None

    def _mask(self, index: int) -> Mask:
        return self.scenes.mask(self.scene, index, self.object_id)

    def _noisy(self, mask: Mask, strength: float) -> RunMask:
        noise = MaskNoise(*(amount * strength for amount in astuple(MaskNoise())))
        return RunMask.encode(noisy_mask(mask, self._rng, unit=self._unit_px, noise=noise))

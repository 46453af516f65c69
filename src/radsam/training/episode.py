"""One episode of training: a first prompt, then turns that correct or walk on (paper 3.3, 4.1, 4.2).

An episode asks just as a session does at inference: prompts are made on the slice's own
pixels, the model's answer is brought to them and back by the same frame, a correction
sends the slice's previous mask with all its points, and a step to the neighbouring slice
sends the mask that came in.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32

from radsam.metrics import dice
from radsam.predictor import SlicePrompt
from radsam.predictor.slice_predictor import frame_prompt
from radsam.preprocess import SliceFrame
from radsam.propagate.next_prompt import mask as mask_policy
from radsam.propagate.taper import Taper
from radsam.runtime import FramePrompt
from radsam.simulate import MaskNoise, broken_mask, noisy_mask, random_box, random_click, random_point
from radsam.training.scenes import Scenes
from radsam.training.training_config import PromptsConfig
from radsam.volume import RunMask

Mask = Bool[np.ndarray, "rows cols"]

#: A mask that agrees less than this with the truth is not walked on with: what follows a
#: lost object teaches nothing, so the truth of that slice, with noise, goes on instead.
_LOST_BELOW_DICE = 0.3


#: How far around a click its side is asked for, in low-res pixels (standard deviation).
_CLICK_SIGMA_PX = 2.0


class Episode:
    """One object on one slice, and where the episode goes from there.

    Args:
        scenes: The scenes.
        scene: Number of the scene.
        index: Slice within the scene; holds the object.
        object_id: The object.
        config: What is asked.
        rng: Decides everything that is random in this episode.
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
        self._unit_px = scenes.scenes[scene].view.unit_px
        self._step = int(rng.choice([-1, 1]))
        self._taper = self._plan_walk()
        self._truth = self._mask(index)
        #: What the current question is: the kind of the first prompt, then "edit", "walk" or "walk with click".
        self.kind = str(rng.choice(list(config.kinds), p=list(config.kinds.values())))
        first = self._first()
        self.prompt: SlicePrompt | None = first
        self._answer = np.zeros_like(self._truth)
        self._incoming = first.mask or RunMask.encode(self._answer)
        self._said = replace(first, mask=None)

    def describe(self) -> str:
        """Name the episode for a message: case, slice, object and what was asked."""
        scene = self.scenes.scenes[self.scene]
        return (
            f"{self.scenes.case_name(self.scene)} slice {scene.first + self.index} object {self.object_id} "
            f"(scene {self.scene}, {self.kind})"
        )

    @property
    def question(self) -> FramePrompt | None:
        """What the model is asked now; None where inference would not ask."""
        return frame_prompt(self._frame, self.prompt) if self.prompt else None

    @property
    def truth(self) -> Float32[np.ndarray, "m m"]:
        """The right answer, low-res."""
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
        """How near the points of the current question are, low-res, adding up to 1; 0 where there is none."""
        near = np.zeros((self._frame.low_res_size, self._frame.low_res_size), np.float32)
        points = self.prompt.points_uv if self.prompt else ()
        stride = self._frame.input_size // self._frame.low_res_size
        axis = np.arange(len(near), dtype=np.float32)
        for u, v, _ in points:
            ((x, y),) = (self._frame.points_to_frame(np.array([[u, v]], np.float64)) + 0.5) / stride - 0.5
            near += np.exp(-((axis[:, None] - y) ** 2 + (axis - x) ** 2) / (2 * _CLICK_SIGMA_PX**2))
        near *= self.content
        return near / near.sum() if near.any() else near

    def answered(self, logits: Float32[np.ndarray, "m m"]) -> None:
        """Take the model's answer and decide what is asked next; `prompt` is None where there is nothing."""
        self._answer = np.asarray(self._frame.logits_to_slice(logits) > 0)
        corrects = self._rng.random() < self._config.edit_share
        first, second = (self._correction, self._walk) if corrects else (self._walk, self._correction)
        self.prompt = first() or second()

    def _first(self) -> SlicePrompt:
        match self.kind:
            case "box":
                return SlicePrompt(
                    box_uvuv=random_box(
                        self._truth,
                        self._rng,
                        unit=self._unit_px,
                        shrink_px=self._config.box_shrink_px,
                        grow_px=self._config.box_grow_px,
                    )
                )
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
            # The walk has a direction, and this mask comes from behind it.
            self._step = -self._step
        found = self._neighbour(encoded=False)
        if found is None:
            return SlicePrompt(mask=self._noisy(self._truth, 1.0))
        came_from, beside = found
        if not beside.any():
            # The object has ended there: its last mask meets a slice without it.
            incoming, self._truth, self.index = self._truth, beside, came_from
            return SlicePrompt(mask=self._noisy(incoming, self._config.neighbour_noise))
        # The mask comes from there, so the walk goes the other way.
        self._step = -self._step
        noisy = self._noisy(beside, self._config.neighbour_noise)
        return SlicePrompt(mask=self._thinned(noisy, came_from))

    def _correction(self) -> SlicePrompt | None:
        """A click in the error with the previous mask and all points of the slice (paper 4.2)."""
        click = random_click(self._answer, self._truth, self._rng)
        if click is None:
            return None
        points = (*self._said.points_uv, (click.x, click.y, click.positive))
        self._said = replace(self._said, points_uv=points)
        self.kind = "edit"
        return self._asked(RunMask.encode(self._answer))

    def _walk(self) -> SlicePrompt | None:
        """The mask goes to the neighbouring slice (paper 4.1), which may have a point of its own (4.2)."""
        found = self._neighbour()
        if found is None:
            return None
        came_from, (self.index, beside) = self.index, found
        if self._truth.any() and dice(self._answer, self._truth) < _LOST_BELOW_DICE:
            self._incoming = self._noisy(self._truth, self._config.neighbour_noise)
        elif self._answer.any():
            self._incoming = RunMask.encode(self._answer)
        incoming = self._thinned(self._incoming, came_from) if beside.any() else self._incoming
        self._truth, self._said, self.kind = beside, SlicePrompt(), "walk"
        if self._rng.random() < self._config.walk_click_share:
            click = random_click(incoming.decode(), beside, self._rng)
            if click is not None:
                self._said, self.kind = SlicePrompt(points_uv=((click.x, click.y, click.positive),)), "walk with click"
        return self._asked(incoming)

    def _asked(self, incoming: RunMask) -> SlicePrompt | None:
        question = mask_policy(incoming, self._said)
        return question if isinstance(question, SlicePrompt) and question else None

    def _plan_walk(self) -> Taper:
        """Decide where the walk came from, and with that where it goes and how the object gets thinner."""
        config, here = self._config, self._slice(self.index)
        case = self.scenes.store.cases[self.scenes.scenes[self.scene].case_number]
        if not (config.outward or config.taper):
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
        """A mask as a walk passes it on to the slice that the episode is on now."""
        return self._taper(mask, self._slice(came_from), self._slice(self.index))

    def _slice(self, index: int) -> int:
        """The number that a slice of the scene has in its case."""
        return self.scenes.scenes[self.scene].first + index

    def _neighbour(self, encoded: bool = True) -> tuple[int, Mask] | None:
        """A slice next to this one, or some further away, with its truth; turns round where the object or scene ends.

        Past the object's end only as often as the configuration says.

        Args:
            encoded: Only slices of the scene, which the model can look at.
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
        full = MaskNoise()
        noise = MaskNoise(
            rotation_deg=full.rotation_deg * strength,
            scale=full.scale * strength,
            shift_px=full.shift_px * strength,
            shift_share=full.shift_share * strength,
            edge_px=full.edge_px * strength,
            edge_share=full.edge_share * strength,
        )
        return RunMask.encode(noisy_mask(mask, self._rng, unit=self._unit_px, noise=noise))

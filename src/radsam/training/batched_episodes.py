"""Episodes of a whole batch at once: views, prompts and noise are made on the device, from a pack.

The turns are those of `radsam.training.episode`: first prompts, corrections, and steps of a propagation that go on
with the model's own mask. What is drawn for a mask is drawn in batches (`radsam.training.batched_prompts`), and masks
stay in the model's frame between turns. Choices of cases, slices and directions are made on the host; they cost
little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from radsam.data.packed_store import Pack, PackedCase
from radsam.errors import InputError
from radsam.metrics import dice
from radsam.model.prompt_tokens import BOX_END, BOX_START, DISTANCE_VALUES, NEGATIVE, PAD, POSITIVE, PROTOTYPES
from radsam.model.prototype_encoder import pooled_prototypes
from radsam.predictor import MaskSource
from radsam.runtime import BundleSpec
from radsam.simulate import MaskNoise
from radsam.training.augmented_scenes import zoomed
from radsam.training.batched_prompts import (
    broken_masks,
    noisy_masks,
    random_boxes,
    random_pixels,
    random_points,
)
from radsam.training.batched_views import BatchedViews, SliceStack
from radsam.training.episode import CLICK_SIGMA_PX, LOST_BELOW_DICE
from radsam.training.episode_sampler import turns_of
from radsam.training.loss import prompt_loss
from radsam.training.rollouts import Rollout, Rollouts, rollout_dice
from radsam.training.scenes import OBJECT_ROW, draw_shares, random_crop, random_view, whole_view
from radsam.training.slice_view import View
from radsam.training.training_config import TrainConfig
from radsam.training.training_step import Decode, StepLosses
from radsam.volume import RunMask

Masks = Bool[Tensor, "b m m"]

#: A crop holds the object on this many slices to either side, as in `radsam.training.augmented_scenes`.
_CROPPED_SLICES = 3


@dataclass(frozen=True, eq=False)
class PackedScenes:
    """What a run on a pack draws from.

    Args:
        pack: The pack.
        spec: The model.
        objects: Rows of `OBJECT_ROW`: owner is the case's number, slice counts within the whole case.
        present: For each case and object, on which of the pack's slices it is.
        identity: Hash of the pack.
        rollouts: Masks of earlier propagations.
    """

    pack: Pack
    spec: BundleSpec
    objects: np.ndarray
    present: Mapping[tuple[int, int], Bool[np.ndarray, " k"]]
    identity: str
    rollouts: Rollouts

    @property
    def train_cases(self) -> tuple[str, ...]:
        """Names of the cases that are trained on."""
        return tuple(sorted({self.pack.cases[owner].case_id for owner in np.unique(self.objects["owner"])}))


def plan_packed_scenes(
    pack: Pack, identity: str, spec: BundleSpec, config: TrainConfig, rollouts: Rollouts | None = None
) -> PackedScenes:
    """List the objects of a pack's training split.

    Args:
        pack: The pack.
        identity: Hash of the pack and the rollouts.
        spec: The model.
        config: The run.
        rollouts: Masks of earlier propagations, where the configuration names a file of them.

    Raises:
        InputError: The pack holds nothing to train on, or the configuration asks for a taper.
    """
    if config.prompts.taper or not config.encoder.train:
        raise InputError(
            "A run on a pack encodes its slices and thins no masks: set encoder.train = true and prompts.taper = 0. "
            'To keep the encoder as it is, set a rate of 0: optim.lr_scale = { "image_encoder." = 0.0 }.'
        )
    rows, present = [np.zeros(0, OBJECT_ROW)], {}
    excluded = [each.case for each in config.data.exclude]
    for number, case in enumerate(pack.cases):
        if case.split != config.data.train_split or any(fnmatchcase(case.case_id, each) for each in excluded):
            continue
        largest = int(case.ids.max())
        areas = np.stack([np.bincount(each.ravel(), minlength=largest + 1) for each in case.ids])
        for object_id in case.extents:
            if object_id > largest:
                continue
            held = areas[:, object_id]
            present[number, object_id] = held > 0
            where = np.flatnonzero(held >= config.data.min_pixels)
            found = np.zeros(len(where), OBJECT_ROW)
            found["owner"], found["slice"], found["object"] = number, case.first + where, object_id
            found["area"] = held[where]
            rows.append(found)
    objects = np.concatenate(rows)
    if not len(objects):
        raise InputError(
            f"The pack has no object of at least {config.data.min_pixels} pixels in the split "
            f"{config.data.train_split!r}. Pack other cases, or lower data.min_pixels."
        )
    return PackedScenes(pack, spec, objects, present, identity, rollouts or {})


class BatchedSampler:
    """Draws the batches of a run: a pure function of the seed, the step and the batch's number in it.

    Args:
        scenes: The scenes.
        config: The run.
        device: Where pictures and prompts are made.
    """

    def __init__(self, scenes: PackedScenes, config: TrainConfig, device: torch.device) -> None:
        self.scenes, self.config, self.device = scenes, config, device
        self.stack = SliceStack.of(scenes.pack, device)
        self.shares = draw_shares(scenes.objects, [case.case_id for case in scenes.pack.cases], config.data)
        if config.data.hard:
            self.shares = _harder(self.shares, scenes, config.data.hard)

    def turns(self, step: int) -> int:
        """How many turns the episodes of a step have."""
        return turns_of(self.config, step)

    def episodes(self, step: int, part: int) -> EpisodeBatch:
        """Draw one forward pass's episodes."""
        return EpisodeBatch(self, step, part)


def _harder(shares: Float[np.ndarray, " n"], scenes: PackedScenes, hard: float) -> Float[np.ndarray, " n"]:
    """Shares of objects that are larger the worse their rollouts are; those of the cases stay."""
    missed = {key: 1 - each for key, each in rollout_dice(scenes.rollouts, scenes.pack).items()}
    owners = scenes.objects["owner"]
    keys = zip(owners.tolist(), scenes.objects["object"].tolist(), strict=True)
    found = shares * [1 + hard * missed.get((scenes.pack.cases[owner].case_id, each), 0.0) for owner, each in keys]
    before, after = (np.bincount(owners, each, len(scenes.pack.cases)) for each in (shares, found))
    scaled = found * (before / np.where(after > 0, after, 1))[owners]
    return np.asarray(scaled / scaled.sum())


class EpisodeBatch:
    """The episodes of one forward pass.

    Args:
        sampler: What they are drawn from.
        step: Number of the optimizer step.
        part: Which forward pass of the step.
    """

    def __init__(self, sampler: BatchedSampler, step: int, part: int) -> None:
        scenes, config = sampler.scenes, sampler.config
        self._scenes, self._config, self._stack = scenes, config, sampler.stack
        count = config.optim.batch
        self._rngs = [np.random.default_rng([config.seed, step, 1 + part * count + n]) for n in range(count)]
        self._generator = torch.Generator(sampler.device).manual_seed(
            int(np.random.default_rng([config.seed, step, 0, 1 + part]).integers(2**62))
        )
        rows = [scenes.objects[rng.choice(len(scenes.objects), p=sampler.shares)] for rng in self._rngs]
        self._cases = [int(row["owner"]) for row in rows]
        self._objects = [int(row["object"]) for row in rows]
        self.index = [int(row["slice"]) for row in rows]
        self.views = BatchedViews([self._view(n) for n in range(count)], scenes.spec, sampler.device)
        self._unit = scenes.spec.low_res_size / 1024
        self._steps = [int(rng.choice([-1, 1])) for rng in self._rngs]
        self._ways = [self._way(n) for n in range(count)]
        shares = list(config.prompts.kinds.values())
        self.kinds = [str(rng.choice(list(config.prompts.kinds), p=shares)) for rng in self._rngs]
        self.sources: list[MaskSource | None] = [None] * count
        #: Prototypes of the prompted slices, of episodes that came far enough to need them.
        self._prototypes: dict[int, Tensor] = {}
        self._started: dict[int, RunMask] = {}
        #: Points and corners (x, y, label) in pixels of the input.
        self.points: list[list[tuple[float, float, int]]] = [[] for _ in range(count)]
        self.truth = self._masks(self.index)
        self.mask = torch.zeros_like(self.truth)
        #: Episodes that go on.
        self.active = np.ones(count, bool)
        self._first_prompts()
        self._incoming, self._incoming_index = self.mask.clone(), self.index.copy()
        for number, source in enumerate(self.sources):
            if source is not None:
                self._incoming_index[number] = source.index

    def describe(self) -> list[str]:
        """Name each episode for a message: case, slice, object and kind of prompt."""
        return [
            f"{self._case(n).case_id} slice {self.index[n]} object {self._objects[n]} ({self.kinds[n]})"
            for n in range(len(self.kinds))
        ]

    def images(self) -> Float[Tensor, "b 3 n n"]:
        """The model's input for the slices of this turn."""
        return self.views.images(self._stack, self._where(self.index), self._generator)

    def pictures(self, images: Float[Tensor, "b 3 n n"]) -> Float[Tensor, "b 2 m m"]:
        """The source's slice and this turn's, at the size of the masks; zeros where there is no source."""
        before = [self.index[n] if source is None else source.index for n, source in enumerate(self.sources)]
        seen = self.views.images(self._stack, self._where(before), self._generator)
        stride = self._scenes.spec.input_size // self._scenes.spec.low_res_size
        pictures = torch.stack([seen[:, 0], images[:, 0]], dim=1)
        return functional.avg_pool2d(pictures, stride) * self.has_source.reshape(-1, 1, 1, 1)

    def prototypes(self, encode: Callable[[Tensor], Tensor]) -> Float[Tensor, "b k c"]:
        """Prototypes of the slices that the propagations started from; zeros where there is no source.

        No gradient reaches the encoder through them: in use these slices are encoded before.

        Args:
            encode: Encodes images.
        """
        wanted = [n for n, source in enumerate(self.sources) if source is not None and n not in self._prototypes]
        if wanted:
            starts = [self._start(n) for n in range(len(self.kinds))]
            images = self.views.images(self._stack, self._where(starts), self._generator)
            noise = torch.full((len(starts),), self._config.prompts.prototype_noise, device=self.truth.device)
            masks = noisy_masks(self._masks(starts), self._generator, noise, MaskNoise())
            if self._started:
                shown = self._shown(self._started)
                masks = torch.where(shown.any(dim=(1, 2), keepdim=True), shown, masks)
            with torch.no_grad():
                embedding = encode(images[wanted].contiguous(memory_format=torch.channels_last)).float()
                found = pooled_prototypes(embedding, masks[wanted].float())
            self._prototypes |= dict(zip(wanted, found, strict=True))
        none = torch.zeros(PROTOTYPES, self._scenes.spec.prototype_channels, device=self.truth.device)
        rows = [none if source is None else self._prototypes[n] for n, source in enumerate(self.sources)]
        return torch.stack(rows)

    @property
    def has_mask(self) -> Float[Tensor, " b"]:
        """1 where the prompt has a mask."""
        return self.mask.any(dim=(1, 2)).float()

    @property
    def has_source(self) -> Float[Tensor, " b"]:
        """1 where the mask comes from another slice."""
        return torch.tensor([float(each is not None) for each in self.sources], device=self.mask.device)

    @property
    def distance(self) -> Float[Tensor, "b d"]:
        """The way from the source; zeros where there is none."""
        rows = [
            np.zeros(DISTANCE_VALUES, np.float32) if each is None else each.distance(side_mm)
            for each, side_mm in zip(self.sources, self.views.side_mm, strict=True)
        ]
        return torch.from_numpy(np.stack(rows)).to(self.mask.device)

    def by_point_count(self) -> list[list[int]]:
        """Active episodes in groups whose prompts have equally many points; see `training_step.by_point_count`."""
        has_mask = self.has_mask.cpu().numpy() > 0
        groups: dict[int, list[int]] = {}
        for number, points in enumerate(self.points):
            if self.active[number] and (points or has_mask[number]):
                groups.setdefault(len(points), []).append(number)
        return [groups[points] for points in sorted(groups)]

    def clicked(self, group: Sequence[int]) -> Float[Tensor, "b m m"]:
        """Weight of each pixel by its distance to the points, adding up to 1, as `Episode.clicked`."""
        size, stride = self.truth.shape[-1], self._scenes.spec.input_size // self._scenes.spec.low_res_size
        at = torch.arange(size, device=self.truth.device, dtype=torch.float32)
        near = torch.zeros(len(group), size, size, device=self.truth.device)
        for place, number in enumerate(group):
            for x, y, label in self.points[number]:
                if label in (POSITIVE, NEGATIVE):
                    along, down = (x + 0.5) / stride - 0.5, (y + 0.5) / stride - 0.5
                    near[place] += torch.exp(
                        -((at[:, None] - down) ** 2 + (at[None] - along) ** 2) / (2 * CLICK_SIGMA_PX**2)
                    )
        near = near * self.views.content[list(group)]
        return near / near.sum(dim=(1, 2), keepdim=True).clamp(min=1e-9)

    def take_predictions(self, predicted: Masks, answered: Sequence[int]) -> None:
        """Take the model's masks and choose the next prompts; an episode without one ends.

        Args:
            predicted: The masks of all episodes.
            answered: The episodes that the model was prompted in.
        """
        predicted = predicted & (self.views.content > 0.5)
        wrong = (predicted ^ self.truth).flatten(1).any(dim=1).cpu().numpy()
        found = predicted.flatten(1).any(dim=1).cpu().numpy()
        held = self.truth.flatten(1).any(dim=1).cpu().numpy()
        shared = (predicted & self.truth).flatten(1).sum(dim=1)
        sizes = predicted.flatten(1).sum(dim=1) + self.truth.flatten(1).sum(dim=1)
        agrees = (2 * shared / sizes.clamp(min=1)).cpu().numpy()
        corrected, propagated = [], []
        came_from = self.index.copy()
        self.active[np.setdiff1d(np.arange(len(self.active)), answered)] = False
        for number in np.flatnonzero(self.active):
            rng = self._rngs[number]
            corrects = rng.random() < self._config.prompts.edit_share
            after = None if corrects and wrong[number] else self._neighbour(int(number), bool(held[number]))
            if after is not None:
                self.index[number] = after
                propagated.append(int(number))
            elif wrong[number]:
                corrected.append(int(number))
            else:
                self.active[number] = False
        self._correct(corrected, predicted)
        self._propagate(propagated, predicted, came_from, found, held & (agrees < LOST_BELOW_DICE))

    def _correct(self, chosen: list[int], predicted: Masks) -> None:
        """Clicks in the error, with the previous mask and all points of the slice (paper 4.2)."""
        if not chosen:
            return
        error = predicted[chosen] ^ self.truth[chosen]
        self._click(chosen, random_pixels(error, self._generator))
        self.mask[chosen] = predicted[chosen]
        for number in chosen:
            self.kinds[number], self.sources[number] = "edit", None

    def _propagate(
        self, chosen: list[int], predicted: Masks, came_from: list[int], found: np.ndarray, lost: np.ndarray
    ) -> None:
        """Masks go to another slice (paper 4.1), which may have a point of its own (4.2)."""
        if not chosen:
            return
        prompts = self._config.prompts
        noisy = noisy_masks(self.truth, self._generator, prompts.neighbour_noise, MaskNoise())
        truth = self._masks(self.index)
        clicks = []
        for number in chosen:
            if lost[number]:
                self._incoming[number], self._incoming_index[number] = noisy[number], came_from[number]
            elif found[number]:
                self._incoming[number], self._incoming_index[number] = predicted[number], came_from[number]
            self.truth[number] = truth[number]
            self.mask[number] = self._incoming[number]
            self.points[number], self.kinds[number] = [], "walk"
            self.sources[number] = self._source(number, self._incoming_index[number])
            if self._rngs[number].random() < prompts.walk_click_share:
                clicks.append(number)
        error = self.mask[clicks] ^ self.truth[clicks]
        wrong = error.flatten(1).any(dim=1).tolist() if clicks else []
        clicks = [number for number, each in zip(clicks, wrong, strict=True) if each]
        if clicks:
            self._click(clicks, random_pixels(self.mask[clicks] ^ self.truth[clicks], self._generator))
        for number in clicks:
            self.kinds[number] = "walk with click"

    def _first_prompts(self) -> None:
        prompts, generator, noise = self._config.prompts, self._generator, MaskNoise()
        beside, came_from = self.index.copy(), self.index.copy()
        propagated: dict[int, RunMask] = {}
        strength = torch.zeros(len(self.kinds), device=self.truth.device)
        for number, kind in enumerate(self.kinds):
            strength[number] = {"mask": 1.0, "neighbour": prompts.neighbour_noise}.get(kind, 0.0)
            if kind == "neighbour":
                earlier = self._earlier(number)
                if earlier is None:
                    beside[number], came_from[number] = self._first_neighbour(number)
                else:
                    came_from[number], propagated[number] = earlier
        given = self._masks(beside)
        self.truth = self._masks(self.index)
        empty = (~given.any(dim=(1, 2))).tolist()
        noisy = noisy_masks(given, generator, strength, noise)
        if propagated:
            shown = self._shown(propagated)
            # Past the end, a mask that the view does not show leaves nothing to learn.
            ended = [n in propagated and not self._present(n, index) for n, index in enumerate(self.index)]
            taken = shown.any(dim=(1, 2)) | torch.tensor(ended, device=shown.device)
            noisy = torch.where(taken[:, None, None], shown, noisy)
        broken = broken_masks(given, generator)
        boxes = random_boxes(
            self.truth, generator, shrink_px=prompts.box_shrink_px, grow_px=prompts.box_grow_px
        ).tolist()
        at = random_points(self.truth, generator).tolist()
        repaired = []
        for number, kind in enumerate(self.kinds):
            if empty[number]:
                self.active[number] = False
            elif kind == "box":
                x0, y0, x1, y1 = boxes[number]
                self.points[number] = [self._in_input(x0, y0, BOX_START), self._in_input(x1, y1, BOX_END)]
            elif kind == "point":
                x, y = at[number]
                self.points[number] = [self._in_input(x, y, POSITIVE), (0.0, 0.0, PAD)]
            elif kind == "repair":
                self.mask[number] = broken[number]
                repaired.append(number)
            else:
                self.mask[number] = noisy[number]
                self.sources[number] = self._source(number, came_from[number]) if kind == "neighbour" else None
        if repaired:
            self._click(repaired, random_pixels(self.mask[repaired] ^ self.truth[repaired], generator))

    def _earlier(self, number: int) -> tuple[int, RunMask] | None:
        """The mask with which an earlier propagation came to an episode's slice, and the slice that it is of.

        None where there is none, or where it was lost already. The propagation goes on in its direction.
        """
        rng, here, case = self._rngs[number], self.index[number], self._case(number)
        of_object = self._scenes.rollouts.get((case.case_id, self._objects[number]), ())
        if not of_object or rng.random() >= self._config.prompts.rollouts:
            return None
        one: Rollout = of_object[int(rng.integers(len(of_object)))]
        share = self._config.prompts.rollouts_ended
        ended = self._past_the_end(number, one) if share and rng.random() < share else []
        if ended:
            here = self.index[number] = int(rng.choice(ended))
        side = 1 if here > one.start else -1
        mask = one.masks.get(here - side)
        if here == one.start or mask is None or not mask.area:
            return None
        truth = case.ids[here - side - case.first] == self._objects[number]
        if not ended and dice(mask.decode(), truth) < LOST_BELOW_DICE:
            return None
        self._ways[number] = (one.start, *self._known(one.bounds, case))
        self._steps[number] = side
        if one.start in one.masks:
            self._started[number] = one.masks[one.start]
        return here - side, mask

    def _past_the_end(self, number: int, one: Rollout) -> list[int]:
        """Slices of the pack without the object, to which a propagation brought a mask."""
        case, low, high = self._case(number), min(one.masks), max(one.masks)
        after = [index + 1 for index in range(one.start, high + 1)]
        before = [index - 1 for index in range(low, one.start + 1)]
        return [
            index
            for side, found in ((1, after), (-1, before))
            for index in found
            if 0 <= index - case.first < len(case.ids)
            and not self._present(number, index)
            and index - side in one.masks
            and one.masks[index - side].area
        ]

    def _shown(self, masks: Mapping[int, RunMask]) -> Masks:
        """Masks of slices as the views of their episodes show them; the others are empty."""
        side = self._stack.side
        slices = torch.zeros(len(self.kinds), 1, side, side, device=self.truth.device)
        for number, mask in masks.items():
            rows, cols = mask.shape
            slices[number, 0, :rows, :cols] = torch.from_numpy(mask.decode()).to(slices)
        return self.views.shown(slices)

    def _first_neighbour(self, number: int) -> tuple[int, int]:
        """Move an episode to where a neighbour's mask prompts it; return the mask's slice, twice or as no source.

        The propagation goes on away from the mask. Past the object's end the slice is the one without it.
        """
        if self._config.prompts.outward:
            self._steps[number] = -self._steps[number]
        here = self.index[number]
        found = self._neighbour(number, held=True)
        if found is None:
            return here, here
        if not self._present(number, found):
            self.index[number] = found
            return here, here
        self._steps[number] = -self._steps[number]
        return found, found

    def _click(self, chosen: Sequence[int], at: Float[Tensor, "b 2"]) -> None:
        """Add a click on pixels of the low-res grid to episodes; the truth decides its sign. No box stays."""
        for number, (x, y) in zip(chosen, at.tolist(), strict=True):
            positive = bool(self.truth[number, int(y), int(x)])
            kept = [each for each in self.points[number] if each[2] in (POSITIVE, NEGATIVE)]
            kept.append(self._in_input(x, y, POSITIVE if positive else NEGATIVE))
            self.points[number] = [*kept, (0.0, 0.0, PAD)]

    def _in_input(self, x: float, y: float, label: int) -> tuple[float, float, int]:
        stride = self._scenes.spec.input_size / self._scenes.spec.low_res_size
        return (x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5, label

    def _neighbour(self, number: int, held: bool) -> int | None:
        """A slice one or some slices away, as `Episode._neighbour`; the direction turns where the object ends."""
        rng, prompts, case = self._rngs[number], self._config.prompts, self._case(number)
        ended_counts = rng.random() < prompts.ended_share
        most = int(rng.integers(1, prompts.gap + 1))
        for _ in range(2):
            for gap in range(most, 0, -1):
                index = self.index[number] + gap * self._steps[number]
                if 0 <= index - case.first < len(case.ids) and (
                    self._present(number, index) or (gap == 1 and ended_counts and held)
                ):
                    return index
            self._steps[number] = -self._steps[number]
        return None

    def _present(self, number: int, index: int) -> bool:
        present = self._scenes.present[self._cases[number], self._objects[number]]
        return bool(present[index - self._case(number).first])

    def _way(self, number: int) -> tuple[int, int | None, int | None]:
        """The slice that the propagation started from, and the object's ends where they are known."""
        rng, prompts, here = self._rngs[number], self._config.prompts, self.index[number]
        case = self._case(number)
        low, high, start = case.extents[self._objects[number]]
        if rng.random() < prompts.outward:
            if start != here:
                self._steps[number] = 1 if start < here else -1
        else:
            upwards = self._steps[number] > 0
            start = int(rng.integers(low, here + 1) if upwards else rng.integers(here, high + 1))
        if rng.random() >= prompts.bounded:
            return start, None, None
        return (start, *self._known((low, high), case))

    @staticmethod
    def _known(bounds: tuple[int, int] | None, case: PackedCase) -> tuple[int | None, int | None]:
        """Bounds as propagation knows them: an object may go on where the volume ends."""
        low, high = bounds or (None, None)
        return None if low == 0 else low, None if high == case.count - 1 else high

    def _source(self, number: int, came_from: int) -> MaskSource | None:
        here, (_, low, high) = self.index[number], self._ways[number]
        if not self._scenes.spec.takes_source or came_from == here:
            return None
        start, bound = self._start(number, came_from), high if here > came_from else low
        return MaskSource.of(came_from, here, start, bound, self._case(number).spacing_mm[0])

    def _start(self, number: int, came_from: int | None = None) -> int:
        """The slice that the propagation started from; the direction may have turned since."""
        source = self.sources[number]
        before = came_from if came_from is not None else self.index[number] if source is None else source.index
        start = self._ways[number][0]
        return min(start, before) if self.index[number] > before else max(start, before)

    def _view(self, number: int) -> View:
        """A random view of an episode, as `AugmentedScenes.for_episode` draws it."""
        rng, case, config = self._rngs[number], self._case(number), self._config
        encoder, embeddings = config.encoder, config.embeddings
        whole = whole_view(case, case.ids.shape[1:], embeddings)
        kind = rng.random()
        if kind < encoder.as_is_share:
            return whole
        crops = kind < encoder.as_is_share + encoder.crop_share
        within, reach = self.index[number] - case.first, _CROPPED_SLICES if crops else 0
        pixels = (case.ids[max(0, within - reach) : within + reach + 1] == self._objects[number]).any(axis=0)
        part = random_crop(case, pixels, embeddings, rng) if crops else zoomed(pixels, encoder, rng)
        return random_view(case, part, embeddings, rng)

    def _case(self, number: int) -> PackedCase:
        return self._scenes.pack.cases[self._cases[number]]

    def _where(self, indices: Sequence[int]) -> list[tuple[int, int]]:
        return list(zip(self._cases, indices, strict=True))

    def _masks(self, indices: Sequence[int]) -> Masks:
        return self.views.masks(self._stack, self._where(indices), self._objects)


def run_batched_episodes(
    batch: EpisodeBatch,
    encode: Callable[[Tensor], Tensor],
    decode: Decode,
    turns: int,
    config: TrainConfig,
    backward: Callable[[Tensor], None],
    share: float = 1.0,
) -> StepLosses:
    """Predict every episode, turn by turn, and pass each turn's loss to `backward`; see `run_episodes`.

    Args:
        batch: The episodes.
        encode: Encodes images.
        decode: Works as `Sam.decode` does.
        turns: Predictions of each episode.
        config: The run.
        backward: Called with the loss of each turn.
        share: The part of a step that this pass is.
    """
    losses, takes_source = StepLosses(), batch._scenes.spec.takes_source
    for turn in range(turns):
        groups = batch.by_point_count()
        if not groups:
            break
        images = batch.images()
        # The encoder's layout; see `TrainedEmbeddings`.
        embedding = encode(images.contiguous(memory_format=torch.channels_last)).float()
        predicted = torch.zeros_like(batch.truth)
        source = (batch.has_source, batch.pictures(images), batch.distance) if takes_source else ()
        if batch._scenes.spec.prototype_channels:
            source = (*source, batch.prototypes(encode))
        has_mask, total = batch.has_mask, torch.zeros((), device=images.device)
        for group in groups:
            points = torch.tensor([batch.points[n] for n in group], device=images.device).reshape(len(group), -1, 3)
            logits, scores = decode(
                embedding[group],
                points[..., :2],
                points[..., 2],
                batch.mask[group][:, None].float(),
                has_mask[group],
                *(each[group] for each in source),
            )
            truth, content = batch.truth[group].float(), batch.views.content[group]
            loss = prompt_loss(logits, scores, truth, content, batch.clicked(group), config.loss)
            total = total + loss.total.sum() * (share / (len(batch.kinds) * turns))
            losses.note([batch.kinds[n] for n in group], loss)
            predicted[group] = logits[:, 0].detach() > 0
        backward(total)
        if turn + 1 < turns:
            batch.take_predictions(predicted, [n for group in groups for n in group])
    return losses

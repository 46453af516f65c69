"""Configuration of a training run: frozen dataclasses whose values pydantic checks, and how TOML becomes one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat
from pydantic.dataclasses import dataclass

from radsam.data.packed_store import PACK_SUFFIX
from radsam.errors import InputError
from radsam.runtime import BundleSpec
from radsam.settings import STRICT, Count, Share, hash_of_values, plain_values, require

#: "auto" takes bf16-mixed where the hardware computes it, 32-true elsewhere.
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]
Decay = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=STRICT)
class Exclusion:
    """Cases that are left out.

    Args:
        case: Name of the case, or a pattern such as ``sarcoma_*``.
        reason: Why, for the model card.
    """

    case: str
    reason: str


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """Which slices are trained on and which are measured.

    Args:
        store: Folder that `radsam.data` prepared.
        train_split: Split that is trained on.
        val_split: Split that chooses the best checkpoint.
        min_pixels: Objects with fewer pixels on a slice are left out there (paper 3.2).
        balance: 0 draws every (slice, object) equally often; 1 draws every object of every
            case equally often; between them, a compromise.
        weights: How much more often cases are drawn, by name or pattern; the last match counts.
        exclude: Cases left out of training.
        rollouts: File of masks of earlier propagations (`radsam data rollouts`), for a run on a pack.
        hard: How much more often objects are drawn that these propagations missed: the share of an object within its
            case is multiplied by 1 + hard × (1 - the Dice of its rollouts).
    """

    store: str
    train_split: str = "train"
    val_split: str = "val"
    min_pixels: Count = 15
    balance: Share = 0.5
    weights: Mapping[str, PositiveFloat] = field(default_factory=dict)
    exclude: tuple[Exclusion, ...] = ()
    rollouts: str = ""
    hard: NonNegativeFloat = 0.0


@dataclass(frozen=True, config=STRICT)
class EmbeddingsConfig:
    """Which views of the slices are encoded, once, before training with a frozen encoder.

    Every case is encoded as inference sees it. On top come random scenes: a short run of
    slices around an object, cropped, turned and windowed in one random way. An encoder that
    is trained sees a random scene of its own in every episode, see `EncoderConfig`.

    Args:
        folder: Folder of the embeddings, about 2 MB each for LiteMedSAM; not needed where the
            encoder is trained.
        window: The window of CT, in HU. Cases of other modalities have windows of their own, from their values.
        whole_share: Share of a training case's slices that is encoded as inference sees it, by
            name or pattern; the last match counts, and cases without a match are encoded whole.
            Random runs of `scene_slices` slices are taken.
        scenes: Number of random scenes.
        scene_slices: Slices of a random scene.
        crop: Side of a random scene's square, as multiples of the object's longer side: at
            least and at most; each scene draws its own, evenly over the logarithm.
        max_zoom: But no square is smaller than the slice's longer side divided by this.
        max_angle_deg: Largest turn.
        max_shear: Largest shear, as a fraction.
        window_jitter: Largest random shift of each end of a case's window, as a share of the window's width.
        max_noise: Largest standard deviation of added Gaussian noise, likewise.
        seed: Seed of the scenes.
    """

    folder: str = ""
    window: tuple[float, float] = (-160.0, 240.0)
    whole_share: Mapping[str, Share] = field(default_factory=dict)
    scenes: NonNegativeInt = 0
    scene_slices: Annotated[int, Field(ge=2)] = 8
    crop: tuple[float, float] = (1.3, 4.0)
    max_zoom: Annotated[float, Field(ge=1)] = 4.0
    max_angle_deg: Annotated[float, Field(ge=0, le=180)] = 15.0
    max_shear: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    window_jitter: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    max_noise: NonNegativeFloat = 0.0375
    seed: int = 0

    #: Former keys, and what to write instead; see `radsam.settings`.
    RENAMED: ClassVar = {
        "window_hu": "is now window, with the same values",
        "window_jitter_hu": "is now window_jitter, a share of the window's width: 40 HU of 400 are 0.1",
        "max_noise_hu": "is now max_noise, a share of the window's width: 15 HU of 400 are 0.0375",
    }

    def __post_init__(self) -> None:
        low, high = self.window
        require(
            (low < high, f"window {list(self.window)} is empty; give the lower end first"),
            (
                1 <= self.crop[0] <= self.crop[1],
                f"crop must be at least 1, the smaller figure first, not {list(self.crop)}",
            ),
        )


def renamed_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the plain values of an earlier version's configuration, as a checkpoint has them, to today's names."""
    views = dict(config["embeddings"])
    if "window_hu" in views:
        views["window"] = views.pop("window_hu")
    low, high = views["window"]
    for former, name in (("window_jitter_hu", "window_jitter"), ("max_noise_hu", "max_noise")):
        if former in views:
            views[name] = views.pop(former) / (high - low)
    return {**config, "embeddings": views}


def former_values(views: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the plain values of `EmbeddingsConfig` to the names of earlier versions, for hashes that stay the same."""
    former = dict(views)
    low, high = former["window_hu"] = former.pop("window")
    for name in ("window_jitter", "max_noise"):
        former[f"{name}_hu"] = round(former.pop(name) * (high - low), 6)
    return former


@dataclass(frozen=True, config=STRICT)
class EncoderConfig:
    """Whether the image encoder is trained, how fast, and on which views.

    Every episode then draws a view of its own from the store: most show the slices moved,
    turned, sheared, zoomed, windowed and with noise (paper 3.4; the angle, shear, window and
    noise are those of [embeddings]), some as inference does.

    Args:
        train: Train the encoder; otherwise it is frozen and its embeddings are stored.
        lr_scale: Factor on the learning rate of all of the encoder.
        lr_decay: Factor from each block to the one before it: early blocks change least.
        checkpoint_activations: Compute each block again on the way back instead of keeping its
            activations: a third more work, several times less memory. For ViT-L and ViT-H.
        as_is_share: Share of episodes that see whole slices as inference does.
        crop_share: Share that see a crop around the object, as inference crops small objects; `crop` and
            `max_zoom` of [embeddings] are its sizes.
        zoom: Least and greatest magnification of the others, drawn evenly over the logarithm.
        max_shift: How far their view may leave the slice, as a share of the slice's side.
    """

    train: bool = False
    lr_scale: PositiveFloat = 1.0
    lr_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    checkpoint_activations: bool = False
    as_is_share: Share = 0.2
    crop_share: Share = 0.0
    zoom: tuple[float, float] = (0.8, 1.6)
    max_shift: Share = 0.1

    def __post_init__(self) -> None:
        changed = [each.name for each in dataclasses.fields(self) if getattr(self, each.name) != each.default]
        require(
            (
                0 < self.zoom[0] <= self.zoom[1],
                f"zoom must be positive, the smaller figure first, not {list(self.zoom)}",
            ),
            (self.as_is_share + self.crop_share <= 1, "as_is_share and crop_share add up to more than 1"),
            (
                self.train or not changed,
                f"{', '.join(changed)} have no effect while the encoder is frozen; set train = true, or leave them out",
            ),
        )


@dataclass(frozen=True, config=STRICT)
class DecoderConfig:
    """Parts of the decoder that the start weights may lack.

    Args:
        source_channels: Channels inside the module that reads where a mask comes from: the picture of its slice, and
            how far both slices are on the way to the bound. 0 keeps the decoder of the start weights. A new module
            changes no prediction before it is trained.
        prototype_channels: Channels inside the module that compares a slice with the prompted one; likewise. It needs
            the module above.
        presence: Adds a head that says whether the object is on the slice, by which propagation ends; likewise.
    """

    source_channels: Annotated[int, Field(ge=0, multiple_of=2)] = 0
    prototype_channels: Annotated[int, Field(ge=0)] = 0
    presence: bool = False

    def spec_of(self, start: BundleSpec) -> BundleSpec:
        """The spec of the start weights with these parts.

        Raises:
            InputError: The start weights have such a part of another size, or lack one that another needs.
        """
        model = dict(start.model)
        for name in ("source_channels", "prototype_channels"):
            wanted, there = getattr(self, name), model.get(name, 0)
            if wanted in (0, there):
                continue
            if there:
                raise InputError(
                    f"decoder.{name} is {wanted}, and the module of {start.name!r} has {there}. "
                    "Leave the setting out to train that one."
                )
            model[name] = wanted
        if self.presence:
            model["presence"] = True
        if model.get("prototype_channels") and not model.get("source_channels"):
            raise InputError(f"decoder.prototype_channels needs decoder.source_channels, which {start.name!r} lacks.")
        return start if model == start.model else dataclasses.replace(start, model=model)


@dataclass(frozen=True, config=STRICT)
class PromptsConfig:
    """The prompts of a training episode (paper 3.3): a first prompt, then more turns.

    A turn either corrects the slice (a click in the error, with the previous mask) or
    propagates: the model's own mask prompts a neighbouring slice.

    Args:
        box: Share of episodes that start with a box.
        point: Share that start with a point.
        mask: Share that start with a noisy mask of the slice itself.
        neighbour: Share that start with the slightly noisy mask of the slice beside it.
        repair: Share that start with a badly wrong mask of the slice and a click in the error.
        turns: Share of steps with 1, 2, 3 … turns in their episodes.
        edit_share: Share of later turns that correct; the others propagate.
        walk_click_share: Share of propagation steps to a slice that already has a correction point.
        ended_share: Share of steps past an object's end that are trained, with an empty target.
        box_shrink_px: How far a box's side may move inwards, at 1024 px.
        box_grow_px: How far it may move outwards, at 1024 px.
        neighbour_noise: Strength of the noise on a neighbour's mask, relative to a noisy mask.
        gap: Most slices between a slice and the one its mask comes from, in a neighbour and in propagation:
            the more, the less a copy of the mask is right.
        outward: Share of episodes that propagate away from the object's largest slice, as from a good
            prompt; the others start anywhere in the object.
        taper: How much thinner a mask gets on its way to the object's end, here as in the bundle.
        bounded: Share of episodes in which the object's ends are known.
        prototype_noise: Strength of the noise on the mask of the prompted slice, relative to a noisy mask, for a run on
            a pack.
        rollouts: Share of the neighbours' masks that an earlier propagation left there (`data.rollouts`), instead of
            the true mask with noise.
        rollouts_ended: Share of these that an earlier propagation left past the object's end, with an empty target.
    """

    box: NonNegativeFloat = 0.3
    point: NonNegativeFloat = 0.2
    mask: NonNegativeFloat = 0.1
    neighbour: NonNegativeFloat = 0.4
    repair: NonNegativeFloat = 0.0
    turns: tuple[NonNegativeFloat, ...] = (0.5, 0.3, 0.2)
    edit_share: Share = 0.5
    walk_click_share: Share = 0.1
    ended_share: Share = 0.1
    box_shrink_px: NonNegativeFloat = 5.0
    box_grow_px: NonNegativeFloat = 20.0
    neighbour_noise: Annotated[float, Field(ge=0, le=2)] = 0.3
    gap: Count = 1
    outward: Share = 0.0
    taper: Annotated[float, Field(ge=0, le=4)] = 0.0
    bounded: Share = 0.8
    prototype_noise: Annotated[float, Field(ge=0, le=2)] = 0.3
    rollouts: Share = 0.0
    rollouts_ended: Share = 0.0

    _KINDS: ClassVar = ("box", "point", "mask", "neighbour", "repair")

    @property
    def kinds(self) -> dict[str, float]:
        """Share of each first prompt, adding up to 1."""
        shares = {name: getattr(self, name) for name in self._KINDS}
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items()}

    def __post_init__(self) -> None:
        require(
            (sum(getattr(self, name) for name in self._KINDS) > 0, f"one of {', '.join(self._KINDS)} must be positive"),
            (sum(self.turns) > 0, "turns needs at least one share that is positive"),
        )


@dataclass(frozen=True, config=STRICT)
class LossConfig:
    """Weights of the loss's parts (paper 3.4).

    Args:
        dice: Weight of the dice loss.
        bce: Weight of binary cross-entropy.
        focal: Weight of focal loss, which the paper does without.
        clicks: Weight of the cross-entropy around the slice's points, which the paper does without.
        secondary: Weight of the best of the three secondary masks against the primary one.
        iou: Weight of the squared error of the predicted IoU.
        presence: Weight of the cross-entropy of whether the object is on the slice, for a decoder that says so.
    """

    dice: NonNegativeFloat = 1.0
    bce: NonNegativeFloat = 1.0
    focal: NonNegativeFloat = 0.0
    clicks: NonNegativeFloat = 0.0
    secondary: NonNegativeFloat = 1.0
    iou: NonNegativeFloat = 1.0
    presence: NonNegativeFloat = 0.1

    def __post_init__(self) -> None:
        require((self.dice + self.bce + self.focal > 0, "one of dice, bce, focal must be positive"))


@dataclass(frozen=True, config=STRICT)
class OptimConfig:
    """The optimizer.

    Args:
        steps: Optimizer steps of the whole run.
        batch: Episodes of a forward pass; each process has its own.
        accumulate: Forward passes of a step.
        lr: Largest learning rate.
        schedule: "cosine" falls to `final_lr` at the last step, "constant" stays.
        warmup: Share of the steps in which the rate rises from zero.
        final_lr: Last rate of the cosine schedule, as a fraction of `lr`.
        weight_decay: AdamW's decay of weight matrices; biases, norms and embeddings have none.
        betas: AdamW's betas.
        clip_norm: Largest norm of the gradient.
        ema: Decay of the averaged weights, which are validated and exported; 0 averages nothing.
        lr_scale: Factor on the rate of parameters whose name starts so; the longest match counts, 0 freezes.
    """

    steps: Count
    batch: Count = 8
    accumulate: Count = 1
    lr: PositiveFloat = 3e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Share = 0.05
    final_lr: Share = 0.01
    weight_decay: NonNegativeFloat = 0.01
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    clip_norm: PositiveFloat = 1.0
    ema: Decay = 0.998
    lr_scale: Mapping[str, NonNegativeFloat] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class RunConfig:
    """How the run is carried out; may change between stopping and resuming.

    A step trains `optim.batch` × `optim.accumulate` × `devices` × `nodes` episodes. Only that
    product decides the result, not how it is split.

    Args:
        accelerator: "cpu", "cuda", "mps" or "auto".
        devices: Processes on each node, each with its own device.
        nodes: Number of machines; each is started with torchrun or by SLURM.
        strategy: "auto" or "ddp": several processes each hold the whole model and add up their
            gradients once a step.
        precision: "32-true", "bf16-mixed" or "16-mixed"; "auto" takes bf16-mixed on hardware that
            computes it and 32-true elsewhere.
        threads: CPU threads of torch; 0 leaves it to torch.
        checkpoint_minutes: Time between checkpoints.
        validate_minutes: Time between validations; 0 validates only at the end.
        log_steps: Steps between lines of the log.
    """

    accelerator: Accelerator = "cpu"
    devices: Count = 1
    nodes: Count = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Precision = "auto"
    threads: NonNegativeInt = 0
    checkpoint_minutes: PositiveFloat = 5.0
    validate_minutes: NonNegativeFloat = 15.0
    log_steps: Count = 10


@dataclass(frozen=True, config=STRICT)
class ValidationConfig:
    """The quick score during training: volume-level, one prompt and bounds, masks propagated (paper 4.1).

    Args:
        min_voxels: Objects smaller than this are not scored.
        objects_per_case: Most objects of a case, spread evenly over their sizes.
        edits: Correction points after the propagation, on `edited_objects` objects of each case.
        edited_objects: How many objects of a case are corrected.
        starts: First prompts: "box", "point" or both.
        seed: Seed of prompts and correction points.
    """

    min_voxels: Count = 200
    objects_per_case: Count = 6
    edits: NonNegativeInt = 3
    edited_objects: NonNegativeInt = 1
    starts: Annotated[tuple[Literal["box", "point"], ...], Field(min_length=1)] = ("box",)
    seed: int = 0


@dataclass(frozen=True, config=STRICT)
class TrainConfig:
    """A whole training run.

    Args:
        name: Name of the weights.
        start: Weights to start from: a bundle, by name or path. Where the encoder is trained, also a
            published checkpoint (``.pth``), or one of another run (``.pt``), of which the averaged
            weights are taken.
        data: Training data.
        embeddings: Views of the slices.
        encoder: Whether the image encoder is trained, too.
        decoder: Parts of the decoder that the start weights may lack.
        optim: The optimizer.
        prompts: Prompts of the episodes.
        loss: Weights of the loss's parts.
        validation: The quick score.
        run: How the run is carried out.
        seed: Seed of everything that is drawn during training.
        notes: The table that it reproduces and its cost, for people.
    """

    name: str
    start: str
    data: DataConfig
    embeddings: EmbeddingsConfig
    optim: OptimConfig
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    prompts: PromptsConfig = field(default_factory=PromptsConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    run: RunConfig = field(default_factory=RunConfig)
    seed: NonNegativeInt = 0
    notes: str = ""

    def __post_init__(self) -> None:
        require(
            (
                self.encoder.train or self.embeddings.folder,
                "embeddings.folder is missing; the embeddings of a frozen encoder need a folder",
            ),
            (
                not self.encoder.train or not (self.embeddings.scenes or self.embeddings.whole_share),
                "embeddings.scenes and embeddings.whole_share are for a frozen encoder; with encoder.train every "
                "episode draws its own view, so leave both out",
            ),
            (
                bool(self.prompts.rollouts) == bool(self.data.rollouts),
                "prompts.rollouts is a share of masks and data.rollouts the file that has them: set both, or neither",
            ),
            (
                not self.data.rollouts or self.data.store.endswith(PACK_SUFFIX),
                f"data.rollouts is for a run on a pack, and {self.data.store} is none; see radsam data pack",
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint stores them."""
        return plain_values(self)

    @property
    def episodes_per_step(self) -> int:
        """Episodes of an optimizer step, over all processes and forward passes."""
        return self.optim.batch * self.optim.accumulate * self.run.devices * self.run.nodes

    @property
    def identity(self) -> str:
        """Hash of all values that change the result; `run`, `validation` and paths do not.

        Of `batch`, `accumulate` and the number of processes only the product does.
        """
        decisive = self.to_dict()
        del decisive["run"], decisive["validation"], decisive["notes"]
        del decisive["data"]["store"], decisive["data"]["rollouts"], decisive["embeddings"]["folder"]
        del decisive["optim"]["batch"], decisive["optim"]["accumulate"], decisive["encoder"]["checkpoint_activations"]
        # Earlier versions had other names for these.
        decisive["embeddings"] = former_values(decisive["embeddings"])
        # Earlier versions did not have these.
        if not self.encoder.crop_share:
            del decisive["encoder"]["crop_share"]
        if self.decoder == DecoderConfig():
            del decisive["decoder"]
        else:
            for name in ("prototype_channels", "presence"):
                if not decisive["decoder"][name]:
                    del decisive["decoder"][name]
        if self.loss.presence == LossConfig.presence:
            del decisive["loss"]["presence"]
        if not self.data.hard:
            del decisive["data"]["hard"]
        for name in ("rollouts", "rollouts_ended", "prototype_noise"):
            if getattr(self.prompts, name) == getattr(PromptsConfig, name):
                del decisive["prompts"][name]
        decisive["episodes_per_step"] = self.episodes_per_step
        return hash_of_values(decisive)

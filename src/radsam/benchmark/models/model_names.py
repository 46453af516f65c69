"""The models that `--models` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from radsam.benchmark.models.baselines import RULES, rule_model
from radsam.benchmark.models.model_interface import Model
from radsam.benchmark.models.nnunet import NnUNetModel
from radsam.benchmark.models.predictions_folder import PredictionsFolder, PredictionsModel
from radsam.benchmark.models.session_model import SessionModel
from radsam.errors import InputError
from radsam.predictor import EmbeddingStore
from radsam.propagate import POLICIES
from radsam.session import Engine, load

_ZOOMS = {"zoom": True, "no-zoom": False}


@dataclass(frozen=True)
class Runtime:
    """How bundles run.

    Args:
        backend: The engine, as `radsam.load` takes it.
        precision: What it computes in, as `radsam.load` takes it.
        threads: Its CPU threads: a fixed number, so that the scores do not depend on the machine's cores.
        embeddings: Folder of the embedding store, or None.
        most_embedding_bytes: Size from which on the store drops its least recently used embeddings.
    """

    backend: str = "auto"
    precision: str = "f32"
    threads: int = 1
    embeddings: Path | None = None
    most_embedding_bytes: int = 20 << 30


def find_models(names: Sequence[str], runtime: Runtime) -> list[Model]:
    """Find models by their names in `--models`.

    A name is a baseline's; ``BUNDLE``, optionally with ``:POLICY`` and ``:zoom`` or ``:no-zoom``;
    ``predictions:FOLDER``; or ``nnunet:FOLDER``; any of them after ``LABEL=``.

    Raises:
        InputError: A name has none of these forms, or two models have the same label.
        BundleError: The bundle does not exist.
        BackendError: The engine cannot run here, or not in this precision.
    """
    models = [_model(name.strip(), runtime) for name in names if name.strip()]
    labels = [model.card.label for model in models]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise InputError(f"Two models have the label {', '.join(twice)}. Give one of them another: LABEL={names[0]}.")
    if not models:
        raise InputError("No model was given. Try --models radsam-lite,ellipsoid.")
    return models


def _model(given: str, runtime: Runtime) -> Model:
    label, equals, rest = given.partition("=")
    label, rest = (label, rest) if equals else ("", given)
    kind, _, argument = rest.partition(":")
    if rest in RULES:
        return rule_model(rest, label or None)
    if kind in ("predictions", "nnunet") and argument:
        folder = Path(argument).expanduser()
        name = label or f"{kind}:{folder.name}"
        if kind == "nnunet":
            return NnUNetModel(folder, name)
        return PredictionsModel(PredictionsFolder(folder), name)
    bundle, policy, zoom = _bundle_parts(rest)
    return SessionModel(_engine(bundle, runtime), policy=policy, zoom=zoom, label=label or None)


@lru_cache(4)
def _engine(bundle: str, runtime: Runtime) -> Engine:
    """Return one engine for all policies of a bundle: they share the encoded slices."""
    folder = runtime.embeddings
    store = None if folder is None else EmbeddingStore(folder, runtime.most_embedding_bytes)
    engine = load(bundle, backend=runtime.backend, precision=runtime.precision, threads=runtime.threads, store=store)
    if engine.backend.threads != runtime.threads:
        raise InputError(
            f"{engine.backend.name} runs with {engine.backend.threads} threads here, not with {runtime.threads}: this "
            "process may use no more cores. Take --threads 1, and more --workers for speed."
        )
    return engine


def _bundle_parts(name: str) -> tuple[str, str | None, bool | None]:
    """Split ``BUNDLE:POLICY:no-zoom`` from its end, since a path can hold colons."""
    bundle, policy, zoom = name, None, None
    while ":" in bundle:
        before, _, last = bundle.rpartition(":")
        if last in POLICIES and policy is None:
            policy = last
        elif last in _ZOOMS and zoom is None:
            zoom = _ZOOMS[last]
        else:
            break
        bundle = before
    if not Path(bundle).exists() and ":" in bundle:
        raise InputError(
            f"There is no model {name!r}. Give a bundle, optionally with :{', :'.join(POLICIES)}, :zoom or :no-zoom; a "
            f"baseline ({', '.join(RULES)}); predictions:FOLDER or nnunet:FOLDER."
        )
    return bundle, policy, zoom

"""From the words of `--models` to models."""

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
        embeddings: Folder that keeps encoded slices, or None.
        most_embedding_bytes: Size at which it gives up what was used longest ago.
    """

    backend: str = "auto"
    embeddings: Path | None = None
    most_embedding_bytes: int = 20 << 30


def find_models(words: Sequence[str], runtime: Runtime) -> list[Model]:
    """Find models by the words of `--models`.

    A word is a baseline's name; ``BUNDLE``, optionally with ``:POLICY`` and ``:zoom`` or ``:no-zoom``;
    ``predictions:FOLDER``; or ``nnunet:FOLDER``; any of them after ``LABEL=``.

    Raises:
        InputError: A word is none of these, or two models have one label.
        BundleError: There is no such bundle.
    """
    models = [_model(word.strip(), runtime) for word in words if word.strip()]
    labels = [model.card.label for model in models]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise InputError(f"Two models are called {', '.join(twice)}. Give one of them another name: NAME={words[0]}.")
    if not models:
        raise InputError("No model was named. Try --models radsam-lite,ellipsoid.")
    return models


def _model(word: str, runtime: Runtime) -> Model:
    label, equals, rest = word.partition("=")
    label, rest = (label, rest) if equals else ("", word)
    kind, _, argument = rest.partition(":")
    if rest in RULES:
        return rule_model(rest, label or None)
    if kind in ("predictions", "nnunet") and argument:
        folder = Path(argument).expanduser()
        name = label or f"{kind}:{folder.name}"
        if kind == "nnunet":
            return NnUNetModel(folder, name)
        return PredictionsModel(PredictionsFolder(folder), name)
    bundle, policy, zoom = _parts(rest)
    return SessionModel(_engine(bundle, runtime), policy=policy, zoom=zoom, label=label or None)


@lru_cache(4)
def _engine(bundle: str, runtime: Runtime) -> Engine:
    """One engine for all ways that a bundle walks: they look at the same encoded slices."""
    kept = runtime.embeddings
    store = None if kept is None else EmbeddingStore(kept, runtime.most_embedding_bytes)
    return load(bundle, backend=runtime.backend, store=store)


def _parts(word: str) -> tuple[str, str | None, bool | None]:
    """Split ``BUNDLE:POLICY:no-zoom`` from its end, for a path may hold colons."""
    bundle, policy, zoom = word, None, None
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
            f"{word!r} names no model: after a bundle come :{', :'.join(POLICIES)}, :zoom or :no-zoom. Baselines are "
            f"{', '.join(RULES)}; others predictions:FOLDER and nnunet:FOLDER."
        )
    return bundle, policy, zoom

"""A loaded model that opens sessions, as `radsam.load` returns it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from radsam.errors import BundleError
from radsam.predictor import EmbeddingCache, EmbeddingStore, SlicePredictor, temporary_store
from radsam.preprocess import Window
from radsam.propagate import StopRule
from radsam.runtime import Backend, Bundle, find_bundle, open_backend, read_bundle
from radsam.session.session import Session
from radsam.session.session_file import SessionFile, read_session
from radsam.volume import Modality, Volume


class PrecisionWarning(UserWarning):
    """A session continues in another precision than the one of its masks."""


def other_precision(made_in: Sequence[str], now: str) -> str:
    """Return a warning that a session's masks were computed in another precision; empty where they were not."""
    others = [each for each in made_in if each != now]
    if not others:
        return ""
    return (
        f"Masks of this session were computed in {' and '.join(others)}; new edits are computed in {now}, and masks "
        f"that are computed again may differ a little at their edges. --precision {others[0]} keeps to the former, "
        "where the processor has it."
    )


class Engine:
    """A model on an inference engine; opens any number of sessions.

    Args:
        bundle: The model.
        backend: The engine that runs it.
        cache: Encoded slices in memory and on disk.
        load_other: Loads the model of volumes that are not CT, once it is needed; None where this one opens all.
        load_bundle: Loads another bundle, on the same inference engine and with the same cache.

    Attributes:
        predictor: Predicts masks on single slices; its sessions share it.
        trained: Opens new sessions in place of this engine, where it has the encoder of the volume's modality: the
            model after further training.
        find: Returns the engine of a model by its hash, for sessions that were made with it; None if it is unknown.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: Backend,
        cache: EmbeddingCache | None = None,
        load_other: Callable[[], Engine] | None = None,
        load_bundle: Callable[[Path], Engine] | None = None,
    ) -> None:
        self.trained: Engine | None = None
        self.find: Callable[[str], Engine | None] = lambda model_hash: None
        self._load_other = load_other
        self._load_bundle = load_bundle
        self._other: Engine | None = None
        self._loading = threading.Lock()
        self.bundle = bundle
        self.backend = backend
        self.predictor = SlicePredictor(
            bundle.spec,
            bundle.sha256,
            backend,
            cache or EmbeddingCache(),
            str(bundle.path.resolve()),
            bundle.encoder_hash,
        )

    def for_modality(self, modality: Modality) -> Engine:
        """Return the engine whose model is for volumes of this modality: this one, or that of volumes that are not CT.

        Raises:
            BundleError: That model is missing or damaged.
        """
        if modality is Modality.CT or self._load_other is None:
            return self
        with self._loading:
            if self._other is None:
                self._other = self._load_other()
            return self._other

    def for_new(self, modality: Modality) -> Engine:
        """Return the engine that opens new sessions on volumes of this modality."""
        engine, trained = self.for_modality(modality), self.trained
        same_encoder = trained is not None and trained.bundle.encoder_hash == engine.bundle.encoder_hash
        return trained if trained is not None and same_encoder else engine

    def load(self, bundle: Path) -> Engine:
        """Load another bundle as this one was loaded; they share encoded slices where their encoders are equal.

        Raises:
            BundleError: It is missing or damaged, or this engine cannot load another one.
        """
        if self._load_bundle is None:
            raise BundleError(f"This engine has one model, and cannot load {bundle}.")
        return self._load_bundle(bundle)

    def open(
        self,
        volume: Volume,
        *,
        window: Window | tuple[float, float] | None = None,
        stop_rule: StopRule | None = None,
    ) -> Session:
        """Start a session on a volume.

        Args:
            volume: The volume.
            window: The window of the model's input, in the volume's unit; None takes the model's own for the modality.
            stop_rule: Ends propagations without bounds.
        """
        chosen = Window(*window) if isinstance(window, tuple) else window
        engine = self.for_new(volume.modality)
        return Session(volume, engine.predictor, window=chosen, stop_rule=stop_rule)

    def reopen(self, path: str | Path | SessionFile, volume: Volume) -> Session:
        """Open a saved session, on the volume and with the model that it was made with.

        Warns where its masks were computed in another precision (`PrecisionWarning`).

        Raises:
            SessionError: The file is damaged, or was made on another volume or with another model.
        """
        saved = path if isinstance(path, SessionFile) else read_session(Path(path))
        saved.check_volume(volume)
        engine = self if saved.model_hash == self.bundle.sha256 else self.find(saved.model_hash)
        if engine is None:  # its volume may have been taken for another modality when it was made
            engine = self.for_modality(Modality.OTHER)
        saved.check_model(engine.bundle.sha256)
        session = Session(volume, engine.predictor, window=Window(*saved.window), stop_rule=saved.stop_rule)
        session.precisions = saved.precisions
        if other := other_precision(saved.precisions, self.backend.precision):
            warnings.warn(other, PrecisionWarning, stacklevel=2)
        session.restore(saved.history, saved.results(volume))
        session.opened_from(saved)
        return session


def load(
    bundle: str | Path | None = None,
    *,
    backend: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    store: EmbeddingStore | None = None,
    lazy: bool = False,
    modality: Modality | str | None = None,
) -> Engine:
    """Load a model.

    Args:
        bundle: Name or path of a weights bundle; None takes the default ones: one of CT, and, loaded when the first
            volume of another modality is opened, one of MR and others.
        backend: "auto", "openvino", "onnx", "torch", "torch:cpu", "torch:cuda" or "torch:mps".
        precision: "f32"; "bf16"; or "auto": bf16 with OpenVINO on a processor that computes in it, else f32.
        threads: CPU threads that it may use; None for all.
        store: A folder of encoded slices that outlives the process; None holds them in memory only.
        lazy: Whether OpenVINO may compile the model, which takes seconds, when it is first used: edits by hand
            and clean-up never ask it.
        modality: Loads the default model of this modality, and no other.

    Raises:
        BundleError: The bundle is missing or damaged; the message names the command that gets one.
        BackendError: The engine cannot run it here, or not in this precision.
        MissingExtraError: The engine is not installed.
    """
    # Without a store, embeddings that memory cannot hold go to a temporary folder: an edit must never encode again.
    cache = EmbeddingCache(store=store, overflow=None if store else temporary_store())

    def opened(path: Path, load_other: Callable[[], Engine] | None = None) -> Engine:
        loaded = read_bundle(path)
        chosen = open_backend(loaded, backend, precision=precision, threads=threads, lazy=lazy)
        return Engine(loaded, chosen, cache, load_other, opened)

    if bundle is not None or modality is not None:
        return opened(find_bundle(bundle, Modality(modality or Modality.CT)))
    return opened(find_bundle(), lambda: opened(find_bundle(modality=Modality.MR)))

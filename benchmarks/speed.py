"""How fast one box and one edit are, against the same network as eager torch modules.

Both sides run in one process, in turns, on the same slices and prompts: the machine's
noise meets both. Quote the ratios, not the seconds. Needs the torch extra. Example::

    python benchmarks/speed.py --slices 60 --rounds 3

The CT is the phantom on a 512×512 grid, so that anyone can run it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings

import numpy as np

import radsam
from radsam.data.adapters.phantom import make_phantom
from radsam.predictor import EmbeddingCache
from radsam.runtime import Backend, Decoded, FramePrompt, find_bundle, open_backend, read_bundle
from radsam.session import Engine


class Recorder:
    """An engine that remembers what it was asked, so that another can be asked the same."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.name = inner.name
        self.encoded: list[np.ndarray] = []
        self.decoded: list[tuple[np.ndarray, FramePrompt]] = []

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode, and remember."""
        self.encoded.append(images)
        return self._inner.encode(images)

    def decode(self, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
        """Decode, and remember."""
        self.decoded.append((embedding, prompt))
        return self._inner.decode(embedding, prompt)


def main() -> None:
    """Parse the arguments and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=60, help="slices of the object")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", help="bundle; the default one if left out")
    parser.add_argument("--backend", default="auto")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", radsam.CapabilityWarning)

    bundle = read_bundle(find_bundle(arguments.model))
    ours, eager = open_backend(bundle, arguments.backend), open_backend(bundle, "torch:cpu")
    phantom = make_phantom(shape_ijk=(512, 512, arguments.slices + 20), spacing_mm_ijk=(0.75, 0.75, 1.5))
    truth = phantom.mask("liver")
    middle = truth.shape[0] // 2
    low, high = middle - arguments.slices // 2, middle - arguments.slices // 2 + arguments.slices - 1
    rows, cols = np.nonzero(truth[middle])
    box = radsam.Box(k=middle, i0=int(cols.min()), i1=int(cols.max()), j0=int(rows.min()), j1=int(rows.max()))
    print(f"{bundle.spec.name}: {ours.name} against {eager.name}, {os.cpu_count()} CPUs, {arguments.slices} slices")

    firsts, edits = [], []
    for number in range(arguments.rounds):
        recorder = Recorder(ours)
        session = Engine(bundle, recorder, EmbeddingCache(max_bytes=1 << 30)).open(phantom.volume)
        first = _timed(lambda: session.segment(box, bounds=(low, high)))  # noqa: B023 (called at once)
        encodes, decodes = len(recorder.encoded), len(recorder.decoded)
        torch_seconds = _timed(lambda: _same_work(eager, recorder.encoded, recorder.decoded))  # noqa: B023
        outside = radsam.Point(i=int(cols.min()) + 3, j=int(rows.min()) + 3, k=low + 5, positive=False)
        edit = _timed(lambda: session.correct(outside))  # noqa: B023
        again = len(recorder.encoded) - encodes
        firsts.append(first / torch_seconds)
        edits.append(edit / first)
        print(
            f"round {number + 1}: box {first:.1f} s ({encodes} encodes, {decodes} decodes), eager torch the same "
            f"{torch_seconds:.1f} s, ratio {firsts[-1]:.2f}; edit {edit:.2f} s "
            f"({again} encodes, {len(recorder.decoded) - decodes} decodes), of the first pass {edits[-1]:.3f}"
        )
    print(
        f"median: box / eager torch {statistics.median(firsts):.2f}, edit / first pass {statistics.median(edits):.3f}"
    )


def _same_work(eager: Backend, images: list[np.ndarray], questions: list[tuple[np.ndarray, FramePrompt]]) -> None:
    for each in images:
        eager.encode(each)
    for embedding, prompt in questions:
        eager.decode(embedding, prompt)


def _timed(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

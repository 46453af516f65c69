"""How fast encoding, decoding, one box and one edit are, against LiteMedSAM as eager torch modules in float32.

Both run in one process, alternating, on the same slices and prompts, so that the machine's
noise affects both. Quote the ratios, not the seconds. Needs the torch extra and the weights
of LiteMedSAM (`radsam weights convert`). Example::

    python benchmarks/speed.py --slices 60 --rounds 3
    python benchmarks/speed.py --growth work.svg      # cost against work, and a plot of it

The CT is the phantom on a 512×512 grid, so that anyone can run it. With ``--json`` the last
line is one JSON object. What its figures mean::

    encode_ratio, decode_ratio   eager torch's time for one slice or one prompt, over ours
    object_ratio                 the same for one box and bounds: all its encodes and decodes
    object_seconds               ours, from the prompt to the last mask
    edit_slice_ms                from a click to the prediction on its slice
    edit_object_fraction         from a click to the last mask, over the first pass
    start_seconds                a new process, from its start until it can encode
    peak_mb                      `radsam segment` on 512×512×400 from file to mask, see memory.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from memory import peak_bytes

import radsam
from radsam.data.adapters.phantom import make_phantom
from radsam.predictor import EmbeddingCache
from radsam.propagate import SliceDone
from radsam.runtime import Backend, Decoded, FramePrompt, find_bundle, open_backend, read_bundle
from radsam.session import Engine, Session
from radsam.session.edit import Correct
from radsam.volume import Geometry, Volume

#: Code of a new process until it can encode.
_START = "import radsam, sys; radsam.load(sys.argv[1] or None, backend=sys.argv[2])"


class Recorder:
    """A backend that records its inputs, so that another can run on the same ones."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.name, self.precision, self.threads = inner.name, inner.precision, inner.threads
        self.encoded: list[np.ndarray] = []
        self.decoded: list[FramePrompt] = []

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Encode, and record the input."""
        self.encoded.append(images)
        return self._inner.encode(images)

    def decode(self, embedding: np.ndarray, prompt: FramePrompt) -> Decoded:
        """Decode, and record the input."""
        self.decoded.append(prompt)
        return self._inner.decode(embedding, prompt)


class Scene:
    """A patient with a liver of a given number of slices, and a box on its middle.

    Args:
        patient: CT and true liver.
        slices: Slices of the object within bounds.
    """

    def __init__(self, patient: tuple[Volume, np.ndarray], slices: int) -> None:
        self.volume, liver = patient
        self.middle = len(liver) // 2
        self.bounds = self.middle - slices // 2, self.middle - slices // 2 + slices - 1
        rows, cols = np.nonzero(liver[self.middle])
        ends = {"i0": cols.min(), "i1": cols.max(), "j0": rows.min(), "j1": rows.max()}
        self.box = radsam.Box(k=self.middle, **{name: int(value) for name, value in ends.items()})

    def click(self, session: Session) -> radsam.Point:
        """A voxel of the mask near its edge, near the end of its propagation, that is to be taken away."""
        index = self.bounds[0] + 5
        rows, columns = np.nonzero(session.objects["object"].slices[index].mask.decode())
        row = int(np.median(rows))
        return radsam.Point(i=int(columns[rows == row].min()) + 2, j=row, k=index, positive=False)


def main() -> None:
    """Parse the arguments and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=60, help="slices of the object")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", help="bundle; the default one if left out")
    parser.add_argument("--against", default="lite-medsam", help="bundle that runs as eager torch modules")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--growth", type=Path, metavar="SVG", help="measure cost against work instead, and plot it")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", radsam.CapabilityWarning)
    if arguments.growth:
        _growth(arguments)
        return
    # First: a child's peak counts what this process had when it was forked.
    found = {"peak_mb": peak_bytes(400, 60) / 1e6, "start_seconds": _start_seconds(arguments)}
    found |= _compared(arguments)
    print(f"start until it can encode: {found['start_seconds']:.2f} s; peak memory {found['peak_mb']:.0f} MB")
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in found.items()}))


def _compared(arguments: argparse.Namespace) -> dict[str, float]:
    """Run both sides in turns."""
    bundle, reference = (read_bundle(find_bundle(name)) for name in (arguments.model, arguments.against))
    ours, eager = open_backend(bundle, arguments.backend), open_backend(reference, "torch:cpu")
    scene = Scene(_patient(arguments.slices + 20, 512), arguments.slices)
    print(f"{bundle.spec.name} on {ours.name} against {reference.spec.name} on {eager.name}, {os.cpu_count()} CPUs")
    ratios: dict[str, list[float]] = {}
    for number in range(arguments.rounds):
        recorder = Recorder(ours)
        session = Engine(bundle, recorder, EmbeddingCache(max_bytes=1 << 30)).open(scene.volume)
        first = _timed(lambda: session.segment(scene.box, bounds=scene.bounds))  # noqa: B023 (called at once)
        encodes, decodes = len(recorder.encoded), len(recorder.decoded)
        (their_encode, our_encode), (their_decode, our_decode) = _both(recorder, eager, ours)
        slice_seconds, edit_seconds = _edit(session, scene.click(session))
        # The whole object as eager torch: every encode and decode that ours needed.
        whole = their_encode * encodes + their_decode * decodes
        row = {
            "encode_ratio": their_encode / our_encode,
            "decode_ratio": their_decode / our_decode,
            "object_ratio": whole / first,
            "object_seconds": first,
            "edit_slice_ms": 1e3 * slice_seconds,
            "edit_object_fraction": edit_seconds / first,
        }
        print(
            f"round {number + 1}: {encodes} encodes of {1e3 * our_encode:.0f} ms against {1e3 * their_encode:.0f}, "
            f"{decodes} decodes of {1e3 * our_decode:.0f} ms against {1e3 * their_decode:.0f}; box {first:.1f} s "
            f"against {whole:.1f}; an edit {1e3 * slice_seconds:.0f} ms on its slice, {edit_seconds:.2f} s in all, "
            f"{len(recorder.encoded) - encodes} encodes",
            flush=True,
        )
        for name, value in row.items():
            ratios.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in ratios.items()}
    for name, value in medians.items():
        print(f"{name}: median {value:.3g} of {', '.join(f'{each:.3g}' for each in ratios[name])}")
    return medians


def _both(
    recorder: Recorder, eager: Backend, ours: Backend, samples: int = 8
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return median seconds of eager torch and of ours, for encode and for decode, on inputs of the propagation."""
    images, prompts = (
        [inputs[place] for place in np.linspace(0, len(inputs) - 1, samples).astype(int)]
        for inputs in (recorder.encoded, recorder.decoded)
    )
    embedding = ours.encode(images[0])[0]
    eager.encode(images[0])
    eager.decode(embedding, prompts[0])
    encodes, decodes = [], []
    for image, prompt in zip(images, prompts, strict=True):
        encodes.append([_timed(lambda: engine.encode(image)) for engine in (eager, ours)])  # noqa: B023
        decodes.append([_timed(lambda: engine.decode(embedding, prompt)) for engine in (eager, ours)])  # noqa: B023
    (their_encode, our_encode), (their_decode, our_decode) = np.median(encodes, axis=0), np.median(decodes, axis=0)
    return (float(their_encode), float(our_encode)), (float(their_decode), float(our_decode))


def _edit(session: Session, click: radsam.Point) -> tuple[float, float]:
    """Seconds from a click to the prediction on its slice, and to the last mask."""
    started = time.perf_counter()
    records = session.run(Correct("object", (click,)))
    while not isinstance(next(records), SliceDone):
        pass
    on_its_slice = time.perf_counter() - started
    for _ in records:
        pass
    return on_its_slice, time.perf_counter() - started


def _start_seconds(arguments: argparse.Namespace) -> float:
    """The second of two starts of a process that loads the model."""
    command = [sys.executable, "-c", _START, arguments.model or "", arguments.backend]
    subprocess.run(command, check=True)
    return _timed(lambda: subprocess.run(command, check=True))


def _patient(length: int, side: int) -> tuple[Volume, np.ndarray]:
    """Return the phantom and the voxels of its liver, in a given number of slices and pixels along a side."""
    phantom = make_phantom(shape_ijk=(side, side, length), spacing_mm_ijk=(384 / side, 384 / side, 120 / length))
    return phantom.volume, phantom.mask("liver")


def _thinner(patient: tuple[Volume, np.ndarray], length: int) -> tuple[Volume, np.ndarray]:
    """The same patient in more or fewer slices, each the nearest of those there are."""
    volume, liver = patient
    at = np.arange(length) * len(liver) // length
    affine = volume.geometry.affine_lps @ np.diag([1, 1, len(liver) / length, 1])
    return Volume(volume.values[at], Geometry((length, *volume.values.shape[1:]), affine)), liver[at]


def _growth(arguments: argparse.Namespace) -> None:
    """Measure seconds against slices within bounds, slices of the volume, and objects on the same slices."""
    bundle = read_bundle(find_bundle(arguments.model))
    ours = open_backend(bundle, arguments.backend)

    patient = _patient(60, 256)  # the model sees 256 pixels of any slice

    def seconds(slices: int, length: int, objects: int = 1) -> float:
        scene = Scene(_thinner(patient, length), slices)
        session = Engine(bundle, ours, EmbeddingCache(max_bytes=1 << 30)).open(scene.volume)
        # Whole slices, which the objects share. Each has another box: an equal prompt's prediction comes from memory.
        boxes = [replace(scene.box, j1=(scene.box.j1 or 0) - number) for number in range(objects)]
        return _timed(
            lambda: [
                session.segment(box, bounds=scene.bounds, name=f"object {number}", zoom=False)
                for number, box in enumerate(boxes)
            ]
        )

    seconds(2, 60)
    curves = {
        "slices within bounds (of 60)": [(n, seconds(n, 60)) for n in (5, 10, 20, 40)],
        "slices of the volume (10 within bounds)": [(n, seconds(10, n)) for n in (30, 60, 120, 240)],
        "objects on the same 10 slices": [(n, seconds(10, 60, n)) for n in (1, 2, 4, 8)],
    }
    for name, points in curves.items():
        print(f"{name}: {', '.join(f'{n}: {value:.2f} s' for n, value in points)}")
    arguments.growth.write_text(_svg(curves), "utf-8")


def _svg(curves: dict[str, list[tuple[int, float]]]) -> str:
    """Draw one small panel for each curve, all with the same scale of seconds."""
    width, height, left, top = 260, 150, 44, 26
    most = max(value for points in curves.values() for _, value in points)
    parts = []
    for number, (name, points) in enumerate(curves.items()):
        x0, widest = left + number * (width + left), points[-1][0]
        at = [(x0 + width * n / widest, top + height * (1 - value / most)) for n, value in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts += [
            f'<text x="{x0}" y="{top - 10}">{name}</text>',
            f'<path d="M{x0} {top}V{top + height}H{x0 + width}" fill="none" stroke="#888"/>',
            f'<polyline points="{line}" fill="none" stroke="#2878c8" stroke-width="2"/>',
        ]
        for (x, y), (n, value) in zip(at, points, strict=True):
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2878c8"/>',
                f'<text x="{x:.1f}" y="{top + height + 14}" text-anchor="middle">{n}</text>',
                f'<text x="{x - 6:.1f}" y="{y - 6:.1f}" text-anchor="end">{value:.1f} s</text>',
            ]
    whole, body = len(curves) * (width + left) + left, "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {top + height + 24}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

"""Graphs that OpenVINO compiled, kept on disk: compiling takes most of the time until the first slice.

A file is named by all that it depends on (graph, release, processor, settings) and starts
with its own SHA-256: OpenVINO's own cache is written in place, and several processes of a
batch would read each other's halves. What cannot be kept or read is compiled again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import openvino
from openvino.preprocess import PrePostProcessor

from radsam.disk.atomic_write import replacing
from radsam.errors import OutputError
from radsam.runtime.compiled_cache import SUFFIX, kept_graphs_folder

#: A smaller graph is compiled faster than it is read.
_WORTH_KEEPING_BYTES = 1 << 20
#: Files kept, the newest; one of radsam-lite's two takes 20 to 30 MB.
_MOST_FILES = 8
_DIGEST_BYTES = 32


def compile_graph(
    core: openvino.Core, graph: bytes, settings: Mapping[str, object], half: Sequence[str] = ()
) -> openvino.CompiledModel:
    """Compile a graph for the CPU, or take what was compiled before.

    Args:
        core: OpenVINO.
        graph: An ONNX graph.
        settings: OpenVINO's properties for it.
        half: Inputs and outputs that are float16 outside, whatever the graph computes in.

    Raises:
        RuntimeError: OpenVINO cannot read or compile it.
    """
    if len(graph) < _WORTH_KEEPING_BYTES:
        return core.compile_model(_read_graph(core, graph, half), "CPU", settings)
    path = kept_graphs_folder() / f"{_key(core, graph, settings, half)}{SUFFIX}"
    kept = _read(path)
    if kept is not None:
        # A release may refuse what it wrote itself, for example after an update of the system.
        with suppress(RuntimeError):
            return core.import_model(kept, "CPU", settings)
    compiled = core.compile_model(_read_graph(core, graph, half), "CPU", settings)
    with suppress(OSError, OutputError, RuntimeError):
        _keep(path, compiled.export_model().getvalue())
    return compiled


def _read_graph(core: openvino.Core, graph: bytes, half: Sequence[str]) -> openvino.Model:
    model = core.read_model(graph)
    outside = PrePostProcessor(model)
    for ports, of in ((model.inputs, outside.input), (model.outputs, outside.output)):
        for name in (each.get_any_name() for each in ports):
            if name in half:
                of(name).tensor().set_element_type(openvino.Type.f16)
    return outside.build()


def _key(core: openvino.Core, graph: bytes, settings: Mapping[str, object], half: Sequence[str]) -> str:
    facts = [openvino.__version__, core.get_property("CPU", "FULL_DEVICE_NAME")]
    facts += [core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"), sorted(map(str, settings.items())), *half]
    # Threads are part of what is compiled, and follow from the cores that the process may use.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return hashlib.sha256(graph + json.dumps([*facts, cores]).encode()).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
        os.utime(path)  # the newest are those used last
    except OSError:
        return None
    digest, compiled = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(compiled).digest() == digest:
        return compiled
    path.unlink(missing_ok=True)
    return None


def _keep(path: Path, compiled: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replacing(path) as scratch:
        scratch.write_bytes(hashlib.sha256(compiled).digest() + compiled)
    newest = sorted(path.parent.glob(f"*{SUFFIX}"), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in newest[_MOST_FILES:]:
        old.unlink(missing_ok=True)

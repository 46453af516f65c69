"""Compiling a graph with OpenVINO, or loading it from the cache: compiling delays the first slice the most.

A cached file is named by everything that it depends on (graph, release, processor, settings) and starts
with its own SHA-256. OpenVINO's own cache is not used: it writes in place, so several processes of a
batch would read each other's unfinished files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

import openvino
from openvino.preprocess import PrePostProcessor

from radsam.errors import OutputError
from radsam.runtime.backend import usable_cores
from radsam.runtime.compiled_cache import compiled_cache

#: A smaller graph is compiled faster than it is read.
_MIN_CACHED_BYTES = 1 << 20
_DIGEST_BYTES = 32


def compile_graph(
    core: openvino.Core, graph: bytes, settings: Mapping[str, object], half: Sequence[str] = ()
) -> openvino.CompiledModel:
    """Compile a graph for the CPU, or load it from the cache.

    Args:
        core: OpenVINO.
        graph: An ONNX graph.
        settings: OpenVINO's properties for it.
        half: Names of inputs and outputs that are float16 for the caller; the graph may compute in another precision.

    Raises:
        RuntimeError: OpenVINO cannot read or compile it.
    """
    if len(graph) < _MIN_CACHED_BYTES:
        return core.compile_model(_read_graph(core, graph, half), "CPU", settings)
    cache, name = compiled_cache(), f"{_key(core, graph, settings, half)}.blob"
    cached = cache.read(name, _load)
    if cached is not None:
        # A release may refuse a file that it wrote itself, for example after an update of the system.
        with suppress(RuntimeError):
            return core.import_model(cached, "CPU", settings)
    compiled = core.compile_model(_read_graph(core, graph, half), "CPU", settings)
    with suppress(OutputError, RuntimeError):
        exported = compiled.export_model().getvalue()
        cache.write(name, lambda file: file.write(hashlib.sha256(exported).digest() + exported))
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
    # The compiled graph depends on the threads, and they follow from the cores that the process may use.
    return hashlib.sha256(graph + json.dumps([*facts, usable_cores()]).encode()).hexdigest()


def _load(file: BinaryIO) -> bytes:
    content = file.read()
    digest, compiled = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(compiled).digest() != digest:
        raise ValueError("damaged")
    return compiled

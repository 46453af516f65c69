"""The embeddings of a frozen encoder, computed once and stored on disk.

A folder holds two files for each scene, named by a hash of all that they depend on:
float16 embeddings (memory-mapped, so that all of them may be larger than the memory) and
the list of the objects on its slices. Work that was interrupted continues with the next
scene, and configurations that share scenes share the files.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16

from radsam.data.training_store import Store
from radsam.disk.atomic_write import replacing
from radsam.errors import OutputError
from radsam.model.sam_config import LOW_RES_PER_CELL
from radsam.runtime import Backend, Bundle, BundleSpec
from radsam.training.scenes import Scene, Scenes, ids_seen, plan_scenes, rows_of, scene_image
from radsam.training.training_config import DataConfig, EmbeddingsConfig

#: Part of every hash: raised when the files change their meaning.
FORMAT_VERSION = 1

#: Called with the number of slices done and of all slices.
Progress = Callable[[int, int], None]


@dataclass(eq=False)
class EncodedScenes(Scenes):
    """Scenes with their embeddings; made by `encode_scenes`.

    Args:
        store: The labelled slices.
        spec: The model whose encoder was used.
        scenes: The encoded scenes.
        objects: Rows of `OBJECT_ROW`: owner is the scene's number, slice counts within the scene.
        identity: Hash of all that the embeddings depend on.
        files: The file with each scene's embeddings.
    """

    files: Sequence[Path]

    def embedding(self, scene: int, index: int) -> Float16[np.ndarray, "c g g"]:
        """The embedding of slice `index` of a scene, straight from the disk."""
        return np.array(np.load(self.files[scene], mmap_mode="r")[index])


def encode_scenes(
    store: Store,
    bundle: Bundle,
    data: DataConfig,
    views: EmbeddingsConfig,
    folder: Path,
    *,
    open_engine: Callable[[Bundle], Backend],
    progress: Progress = lambda done, total: None,
) -> EncodedScenes:
    """Encode every scene of a configuration, or take earlier embeddings.

    Args:
        store: The labelled slices.
        bundle: The model whose encoder stays frozen.
        data: The cases.
        views: The views of their slices.
        folder: Folder of the embeddings.
        open_engine: Loads the bundle on an engine; called only when there is work.
        progress: Called after every scene that was encoded.

    Raises:
        InputError: The store does not hold what the configuration names.
        OutputError: There is too little room on the disk.
    """
    scenes = tuple(plan_scenes(store, data, views))
    names = _names(store, bundle, scenes, data.min_pixels)
    files = [folder / f"{name}.npy" for name in names]
    missing = [number for number, file in enumerate(files) if not file.exists()]
    if missing:
        _check_space(folder, bundle, sum(scenes[number].count for number in missing))
        engine = open_engine(bundle)
        done, total = 0, sum(scenes[number].count for number in missing)
        for number in missing:
            _encode_scene(store, bundle.spec, scenes[number], engine, data.min_pixels, files[number])
            done += scenes[number].count
            progress(done, total)
    parts = []
    for number, file in enumerate(files):
        rows = np.load(_objects_file(file))
        rows["owner"] = number
        parts.append(rows)
    identity = hashlib.sha256("".join(names).encode()).hexdigest()
    return EncodedScenes(store, bundle.spec, scenes, np.concatenate(parts), identity, files)


def _encode_scene(store: Store, spec: BundleSpec, scene: Scene, engine: Backend, min_pixels: int, file: Path) -> None:
    embeddings = np.stack(
        [engine.encode(scene_image(store, spec, scene, index)[None])[0] for index in range(scene.count)]
    )
    rows = np.concatenate(
        [rows_of(ids_seen(store, scene, index), 0, index, min_pixels) for index in range(scene.count)]
    )
    # The embeddings last: a scene is encoded when their file exists.
    for path, array in ((_objects_file(file), rows), (file, embeddings)):
        with replacing(path) as scratch, scratch.open("wb") as stream:
            np.save(stream, array)


def _objects_file(file: Path) -> Path:
    return file.with_suffix(".objects.npy")


def _check_space(folder: Path, bundle: Bundle, slices: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    grid = bundle.spec.low_res_size // LOW_RES_PER_CELL
    needed = slices * int(bundle.spec.model["embedding_channels"]) * grid * grid * np.dtype(np.float16).itemsize
    free = shutil.disk_usage(folder).free
    if needed > 0.95 * free:
        raise OutputError(
            f"The embeddings need {needed / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB free. "
            "Make room, choose another folder, or lower embeddings.scenes."
        )


def _names(store: Store, bundle: Bundle, scenes: Sequence[Scene], min_pixels: int) -> list[str]:
    """Name each scene by all that its files depend on."""
    contents: dict[int, bytes] = {}
    for number in sorted({scene.case_number for scene in scenes}):
        case = store.cases[number]
        digest = hashlib.sha256(
            f"{case.case_id} {case.grid.display_shape} {case.row_mm:.6g} {case.col_mm:.6g}".encode()
        )
        for pixels in (case.values, case.ids):
            for each in pixels:
                digest.update(each.tobytes())
        contents[number] = digest.digest()
    made_by = f"{FORMAT_VERSION} {bundle.sha256} {min_pixels}"
    return [
        hashlib.sha256(
            contents[scene.case_number]
            + f"{made_by} {scene.first} {scene.count} {scene.view.identity} {scene.seed}".encode()
        ).hexdigest()[:32]
        for scene in scenes
    ]

"""Faulty bodies of HTTP requests: uploads, JSON, packed arrays, forms. The server answers each, and goes on."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzzing.dicom_formats import Series
from fuzzing.document_formats import Requests, SessionFiles
from fuzzing.fuzz_target import Target, number_of_faults, require, require_values
from fuzzing.image_formats import MetaImage, Nifti, Nrrd
from fuzzing.mutations import change_bytes, change_json, odd_integer
from radsam.errors import InputError
from radsam.server.nninteractive.packed_arrays import parse_header, require_client, unpack, volume_from_array
from radsam.server.server_limits import Limits
from servers import Served, served

_MOST_BYTES = 4_000_000


class PackedArrays(Target):
    """Arrays as nnInteractive's client packs them."""

    name = "packed"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        rng = np.random.default_rng(2)
        self.arrays = [rng.integers(-1000, 1000, (1, 5, 6, 7)).astype(dtype) for dtype in ("int16", "float32", "uint8")]

    def make(self, rng: Random, case: Path) -> str:
        number = rng.randrange(len(self.arrays))
        body = bytearray(require_client().pack_array(self.arrays[number]))
        changes = [f"array {number}"]
        for _ in range(number_of_faults(rng)):
            kind = rng.random()
            if kind < 0.4:
                ndim, length = 4, body[7]
                start = 8 + length
                places = [(4, "B"), (5, "B"), (6, "B"), (7, "B"), *((start + 8 * axis, "q") for axis in range(ndim))]
                places += [(start + 32, "I"), (start + 36, "Q"), (start + 44, "Q")]
                at, form = rng.choice(places)
                value = odd_integer(rng, {"B": 8, "q": 64, "I": 32, "Q": 64}[form])
                value = value if form == "q" else value % (1 << (8 * struct.calcsize(form)))
                if at + struct.calcsize(form) <= len(body):
                    struct.pack_into(f"<{form}", body, at, value)
                changes.append(f"{form} at {at}: {value}")
            elif kind < 0.7:
                start = min(len(body) - 1, 8 + body[7] + 52)
                at = min(len(body) - 1, start + rng.randrange(40))  # the header of blosc2's frame
                body[at] = rng.choice([0, 1, 127, 255, rng.randrange(256)])
                changes.append(f"byte {at}: {body[at]}")
            else:
                changed, what = change_bytes(rng, bytes(body))
                body = bytearray(changed)
                changes.append(what)
        (case / f"{number}.nnia").write_bytes(body)
        return "; ".join(changes)

    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = case.iterdir()
        body = path.read_bytes()
        array = unpack(parse_header(body, _MOST_BYTES), body)
        volume = volume_from_array(array, {"spacing": [1, 1, 1]})
        if array.shape == self.arrays[int(path.stem)].shape and array.dtype == self.arrays[int(path.stem)].dtype:
            # blosc2 has no checksum: changed values cannot be noticed, a changed number of them can.
            require_values(volume.values, array[0], "voxels")
            return "compared"
        return "not compared"


class Bodies(Target):
    """Bodies sent to a server with the fake model."""

    name = "http"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._stack = ExitStack()
        limits = Limits(
            requests_per_second=1e9, burst=1e9, upload_bytes=_MOST_BYTES, volume_bytes=_MOST_BYTES, sessions=100_000,
            unpacked_bytes=_MOST_BYTES,
        )  # fmt: skip
        (folder / "server").mkdir()
        self.web: Served = self._stack.enter_context(served(folder / "server", limits=limits))
        self.web.segment("liver")
        self.packed = PackedArrays(folder / "packed")
        self.files: list[Target] = [kind(folder / kind.name) for kind in (Nifti, Nrrd, MetaImage, Series)]
        self.sessions = SessionFiles(folder / "s")
        token = self.web.client.post("/claim").json()["lease_token"]
        self.lease = {"x-lease-token": token}

    def close(self) -> None:
        self._stack.close()

    def make(self, rng: Random, case: Path) -> str:
        kind = rng.choice(["upload", "upload", "segment", "correct", "preview", "import", "nninteractive", "monai"])
        request: dict[str, Any] = {"method": "POST", "headers": {}, "params": {}}
        if kind == "upload":
            return self._make_upload(rng, case, request)
        if kind == "import":
            faults = self.sessions.make(rng, case)
            (path,) = case.iterdir()
            path.rename(case / "body")
            request |= {"path": "/api/sessions/import", "params": {"volume": self.web.volume}}
        elif kind == "nninteractive":
            faults = self._make_nninteractive(rng, case, request)
        elif kind == "monai":
            valid = {"label": "liver", "foreground": [[9, 14, 13]], "background": [], "roi": [3, 15, 7, 20, 8, 18]}
            params, faults = change_json(rng, valid)
            request["params"] = {"image": self.web.volume, "output": "all"}
            request |= {"path": rng.choice(["/infer/radsam", "/infer/radsam-slice"])}
            request |= {"form": {"params": json.dumps(params)}}
        else:
            value: Any = next(each for each in Requests.valid if ("points" in each) == (kind == "correct"))
            changes = []
            for _ in range(number_of_faults(rng)):
                value, what = change_json(rng, value)
                changes.append(what)
            content = json.dumps(value).encode()
            if rng.random() < 0.15:
                content, what = change_bytes(rng, content)
                changes.append(what)
            (case / "body").write_bytes(content)
            faults = "; ".join(changes)
            request |= {"path": self.web.url(f"/{kind}"), "headers": {"content-type": "application/json"}}
        (case / "request.json").write_text(json.dumps(request))
        return f"{kind}: {faults}"

    def _make_upload(self, rng: Random, case: Path, request: dict[str, Any]) -> str:
        faults = rng.choice(self.files).make(rng, case)
        path = min(case.iterdir(), key=lambda each: each.suffix in (".raw", ".zraw"))
        name = path.name
        if path.is_dir():
            shutil.make_archive(str(case / "packed"), "zip", path)
            shutil.rmtree(path)
            path, name = case / "packed.zip", "series.zip"
        path.rename(case / "body")
        name = name if rng.random() < 0.9 else rng.choice(["ct.nii", "ct.zip", "../x.nrrd", "ct", "é.mha", ".nii.gz"])
        request |= {"path": "/api/volumes", "params": {"filename": name}}
        (case / "request.json").write_text(json.dumps(request))
        return f"upload as {name}: {faults}"

    def _make_nninteractive(self, rng: Random, case: Path, request: dict[str, Any]) -> str:
        kind = rng.choice(["set_image", "add_point_interaction", "add_bbox_interaction", "add_scribble_interaction"])
        headers = dict(self.lease)
        if kind in ("add_point_interaction", "add_bbox_interaction"):
            value: Any = {"coordinates": [13, 14, 9], "bbox_coords": [[13, 14], [7, 21], [3, 16]],
                          "include_interaction": True, "run_prediction": True}  # fmt: skip
            value, faults = change_json(rng, value)
            (case / "body").write_bytes(json.dumps(value).encode())
        else:
            faults = self.packed.make(rng, case)
            next(case.iterdir()).rename(case / "body")
            valid = {"image_properties": {"spacing": [1.0, 1.0, 1.0]}, "include_interaction": True}
            meta, what = change_json(rng, valid | {"interaction_bbox": [[13, 14], [7, 21], [3, 16]]})
            headers["x-meta"] = json.dumps(meta)
            faults = f"{faults}; {what}"
        request |= {"path": f"/{kind}", "headers": headers}
        return f"{kind}: {faults}"

    def read(self, case: Path, warned: Sequence[str]) -> str:
        request = json.loads((case / "request.json").read_text())
        body = (case / "body").read_bytes() if (case / "body").exists() else None
        client = self.web.client
        response = client.request(
            request["method"], request["path"], params=request["params"], headers=request["headers"], content=body,
            data=request.get("form"),
        )  # fmt: skip
        require(client.get("/healthz").status_code == 200, "the server is ill afterwards")
        if response.status_code >= 400:
            require(response.status_code < 500, f"HTTP {response.status_code}: {response.text:.300}")
            message = response.json()["error"]["message"]
            require(str(self.folder) not in message, f"the message names a folder of the server: {message}")
            raise InputError(message)
        if request["path"] == "/api/volumes":
            found = response.json()["id"]
            # What was listed may still be refused when it is opened.
            opened = client.get(f"/api/volumes/{found}/image.nii")
            require(opened.status_code < 500, f"opening: HTTP {opened.status_code}: {opened.text:.300}")
            client.delete(f"/api/volumes/{found}")
        elif request["path"].startswith(self.web.url()):
            state = self.web.settled()
            _ = json.dumps(state, allow_nan=False)
            while self.web.state()["can_undo"] and len(self.web.state()["objects"]) > 1:
                self.web.post("/undo", status=200)
        return "not compared"

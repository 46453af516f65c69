"""Faulty NIfTI, NRRD and MetaImage files, and readings of them that share nothing with RadSAM's and SimpleITK's."""

from __future__ import annotations

import bz2
import gzip
import itertools
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import nibabel
import numpy as np
from scipy.spatial.transform import Rotation

from fuzzing.fuzz_target import Target, number_of_faults, require, require_grid, require_values
from fuzzing.mutations import change_bytes, change_fields, odd_integer, odd_number, odd_numbers, odd_text
from radsam.io.volume_read import read_info, read_volume

SHAPE_KJI = (4, 6, 5)
SPACING_MM = (0.8, 0.7, 2.5)
ORIGIN_LPS = (-31.0, 17.5, 240.0)
OBLIQUE = Rotation.from_euler("xyz", (11.0, -8.0, 14.0), degrees=True).as_matrix()
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def voxels(dtype: str) -> np.ndarray:
    """Random voxels: every one is recognisable."""
    rng = np.random.default_rng(5)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 500, SHAPE_KJI).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(max(-1024, limits.min), min(2000, limits.max), SHAPE_KJI).astype(dtype)


def affine_of(direction: np.ndarray, spacing: Sequence[float], origin: Sequence[float]) -> np.ndarray:
    """Affine from index (i, j, k) to millimetres."""
    affine = np.eye(4)
    affine[:3, :3] = direction * np.asarray(spacing)
    affine[:3, 3] = origin
    return affine


@dataclass(frozen=True)
class Expected:
    """What a header states; several grids where it states one field twice."""

    values: np.ndarray
    affines_lps: list[np.ndarray]


class _ImageTarget(Target):
    def read(self, case: Path, warned: Sequence[str]) -> str:
        (path,) = (each for each in case.iterdir() if each.suffix not in (".raw", ".zraw", ".data"))
        info = read_info(path)
        volume = read_volume(path)
        require(info.geometry is not None and info.geometry.same_grid(volume.geometry), "info gives another grid")
        try:
            readings = list(self.expected(path))
        except (ValueError, KeyError, IndexError, OSError, EOFError, OverflowError, struct.error, zlib.error):
            return "not compared"
        if not readings:
            return "not compared"
        for number, reading in enumerate(readings):
            try:
                require_values(volume.values, reading.values, "voxels")
                require_grid(volume.geometry, reading.affines_lps, warned, "grid")
            except Exception:
                if number == len(readings) - 1:
                    raise
            else:
                break
        return "compared"

    def expected(self, path: Path) -> Iterator[Expected]:
        """Yield what the file can mean; nothing where that is not known."""
        raise NotImplementedError


#: Fields of a NIfTI-1 header: offset, and format of its values.
NIFTI_FIELDS = {
    "sizeof_hdr": (0, "i"), "dim": (40, "8h"), "intent": (56, "3f"), "datatype": (70, "h"), "bitpix": (72, "h"),
    "pixdim": (76, "8f"), "vox_offset": (108, "f"), "scl_slope": (112, "f"), "scl_inter": (116, "f"),
    "xyzt_units": (123, "b"), "qform_code": (252, "h"), "sform_code": (254, "h"), "quatern": (256, "3f"),
    "qoffset": (268, "3f"), "srow": (280, "12f"), "magic": (344, "4b"), "extension": (348, "4b"),
}  # fmt: skip
NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}


class Nifti(_ImageTarget):
    """NIfTI-1, plain and compressed."""

    name = "nifti"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seeds = [
            self._seed(dtype, order, *codes)
            for dtype, order, codes in itertools.product(("i2", "f4", "u1"), "<>", ((1, 1), (0, 1), (1, 0), (0, 0)))
        ]

    @staticmethod
    def _seed(dtype: str, order: str, qform: int, sform: int) -> bytes:
        header = nibabel.Nifti1Header(endianness=order)
        header.set_data_dtype(dtype)
        header.set_data_shape(SHAPE_KJI[::-1])
        affine = TO_LPS @ affine_of(OBLIQUE, SPACING_MM, ORIGIN_LPS)
        header.set_qform(affine, code=qform)
        header.set_sform(affine, code=sform)
        header.set_xyzt_units("mm")
        header["vox_offset"], header["magic"] = 352, b"n+1"
        return bytes(header.binaryblock) + bytes(4) + voxels(dtype).astype(f"{order}{dtype}").tobytes()

    def make(self, rng: Random, case: Path) -> str:
        content = bytearray(rng.choice(self.seeds))
        faults = []
        for _ in range(number_of_faults(rng)):
            if rng.random() < 0.12:
                changed, what = change_bytes(rng, bytes(content), start=rng.choice([0, 40, 348]))
                content = bytearray(changed)
            else:
                what = self._change_field(rng, content)
            faults.append(what)
        packed = rng.random() < 0.4
        content = bytearray(gzip.compress(bytes(content), mtime=0)) if packed else content
        if packed and rng.random() < 0.2:
            changed, what = change_bytes(rng, bytes(content))
            content = bytearray(changed)
            faults.append(f"packed: {what}")
        (case / ("ct.nii.gz" if packed else "ct.nii")).write_bytes(bytes(content))
        return "; ".join(faults)

    @staticmethod
    def _change_field(rng: Random, content: bytearray) -> str:
        name = rng.choice([*NIFTI_FIELDS])
        at, kind = NIFTI_FIELDS[name]
        order = "<" if content[:1] == b"\x5c" else ">"
        single, count = kind[-1], int(kind[:-1] or 1)
        which = rng.randrange(count)
        if at + struct.calcsize(kind) > len(content):
            return "nothing"
        if single == "f":
            value: float = struct.unpack("<f", struct.pack("<f", np.float32(np.clip(odd_number(rng), -3e38, 3e38))))[0]
            if name == "vox_offset" and rng.random() < 0.6:
                value = rng.choice([0, 348, 351.5, 353, 368, 1e9, -352, 352.25])
        else:
            value = odd_integer(rng, {"b": 8, "h": 16, "i": 32}[single])
            if name == "datatype" and rng.random() < 0.6:
                value = rng.choice([*NIFTI_TYPES, 128, 32, 1536, 2304])
            elif name == "bitpix" and rng.random() < 0.6:
                value = rng.choice([8, 16, 32, 64])
            elif name.endswith("code") or name == "xyzt_units":
                value = rng.choice([0, 1, 2, 3, 4, 5, -1, 100])
        place = at + which * struct.calcsize(single)
        if kind[:-1] and rng.random() < 0.15:
            values = [value] * count
            struct.pack_into(f"{order}{kind}", content, at, *values)
            return f"all of {name}: {value!r}"
        struct.pack_into(f"{order}{single}", content, place, value)
        return f"{name}[{which}]: {value!r}"

    def expected(self, path: Path) -> Iterator[Expected]:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        order = "<" if struct.unpack("<i", content[:4]) == (348,) else ">"

        def get(name: str) -> tuple:
            at, kind = NIFTI_FIELDS[name]
            return struct.unpack_from(f"{order}{kind}", content, at)

        dim, pixdim = get("dim"), get("pixdim")
        if not 3 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1 or max([1, *dim[4 : dim[0] + 1]]) > 1:
            raise ValueError("not three dimensions")
        dtype = np.dtype(order + NIFTI_TYPES[get("datatype")[0]])
        start, count = int(get("vox_offset")[0]), math.prod(dim[1:4])
        values = np.frombuffer(content, dtype, count, start).reshape(dim[3:0:-1]).astype(np.float64)
        slope, inter = float(get("scl_slope")[0]), float(get("scl_inter")[0])
        if math.isfinite(slope) and slope != 0:
            if not math.isfinite(inter):
                return
            values = values * slope + inter
        (units,) = get("xyzt_units")
        unit_mm = {1: 1000.0, 3: 0.001}.get(units & 7, 1.0)
        sform, qform = get("sform_code")[0] > 0, get("qform_code")[0] > 0
        rows = np.reshape(get("srow"), (3, 4))
        # An sform that is not a grid counts as not given.
        sform = sform and np.isfinite(rows).all() and np.linalg.matrix_rank(rows[:, :3], tol=1e-9) == 3
        if sform:
            affine = np.vstack([rows * unit_mm, [0, 0, 0, 1]])
        elif qform and min(np.abs(pixdim[1:4])) > 0:
            b, c, d = get("quatern")
            a = math.sqrt(max(0.0, 1 - b * b - c * c - d * d))
            if not math.isfinite(a) or b * b + c * c + d * d > 1 + 1e-6:
                return
            turn = Rotation.from_quat((b, c, d, a)).as_matrix()
            affine = affine_of(turn, np.abs(pixdim[1:4]) * (1, 1, -1 if pixdim[0] < 0 else 1), get("qoffset"))
            affine[:3] *= unit_mm
        else:
            affine = np.full((4, 4), np.nan)  # not stated: whatever it is, a warning is due
        yield Expected(values, [TO_LPS @ affine])


class Nrrd(_ImageTarget):
    """NRRD: raw, text and compressed, in one file or two."""

    name = "nrrd"

    def make(self, rng: Random, case: Path) -> str:
        dtype = rng.choice(["i2", "u2", "f4", "u1", "f8"])
        names = {"i2": ["short", "int16", "signed short"], "u2": ["ushort", "uint16_t"], "f4": ["float"],
                 "u1": ["uchar", "uint8"], "f8": ["double"]}[dtype]  # fmt: skip
        order = rng.choice("<>")
        encoding = rng.choice(["raw", "raw", "gzip", "gzip", "ascii", "bzip2"])
        space, to_space = rng.choice(
            [("left-posterior-superior", (1, 1, 1)), ("LPS", (1, 1, 1)), ("right-anterior-superior", (-1, -1, 1)),
             ("LAS", (1, -1, 1))]
        )  # fmt: skip
        columns = (OBLIQUE * np.asarray(SPACING_MM)).T * np.asarray(to_space)
        lines = [
            f"type: {rng.choice(names)}", "dimension: 3", f"space: {space}",
            f"sizes: {' '.join(map(str, SHAPE_KJI[::-1]))}",
            f"space directions: {' '.join(_vector(each) for each in columns)}", "kinds: domain domain domain",
            f"endian: {'little' if order == '<' else 'big'}", f"encoding: {encoding}",
            f"space origin: {_vector(np.asarray(ORIGIN_LPS) * to_space)}",
        ]  # fmt: skip
        kind = rng.random()
        if kind < 0.25:
            lines = [each for each in lines if not each.startswith("space")]
            lines.append(f"spacings: {' '.join(map(str, SPACING_MM))}")
        elif kind < 0.4:
            unit = rng.choice(["mm", "um", "m", "cm", "furlong", ""])
            lines.append("space units:" + f' "{unit}"' * 3)
        faults = []
        for _ in range(number_of_faults(rng)):
            lines, what = change_fields(rng, lines, ": ", _odd_nrrd)
            faults.append(what)
        values = voxels(dtype).astype(order + dtype)
        data = {
            "raw": values.tobytes, "gzip": lambda: gzip.compress(values.tobytes(), mtime=0),
            "ascii": lambda: " ".join(map(str, values.ravel().tolist())).encode(),
            "bzip2": lambda: bz2.compress(values.tobytes()),
        }[encoding]()  # fmt: skip
        if rng.random() < 0.15:
            data, what = change_bytes(rng, data)
            faults.append(f"data: {what}")
        detached = rng.random() < 0.3
        if detached:
            lines.append("data file: ct.raw")
            (case / "ct.raw").write_bytes(data)
        head = "\n".join([rng.choice(["NRRD0004", "NRRD0005"]), *lines]).encode("latin-1", "replace") + b"\n"
        if rng.random() < 0.05:
            head, what = change_bytes(rng, head)
            faults.append(f"header: {what}")
        (case / ("ct.nhdr" if detached else "ct.nrrd")).write_bytes(head if detached else head + b"\n" + data)
        return "; ".join(faults)

    def expected(self, path: Path) -> Iterator[Expected]:
        content = path.read_bytes()
        head, _, data = content.partition(b"\n\n")
        fields: dict[str, str] = {}
        for line in head.decode("latin-1").splitlines()[1:]:
            key, _, value = line.partition(":")
            if key.lower().replace(" ", "") in fields:
                return  # stated twice
            fields[key.lower().replace(" ", "")] = value.strip()
        if "datafile" in fields:
            data = (path.parent / "ct.raw").read_bytes()
        if any(each in fields for each in ("lineskip", "byteskip", "content", "oldmin", "measurementframe")):
            return
        names = {"short": "i2", "int16": "i2", "signed short": "i2", "ushort": "u2", "uint16_t": "u2", "float": "f4",
                 "uchar": "u1", "uint8": "u1", "double": "f8"}  # fmt: skip
        dtype = names[fields["type"].lower()]
        encoding = fields["encoding"].lower()
        sizes = [int(each) for each in fields["sizes"].split()]
        if int(fields["dimension"]) != 3 or len(sizes) != 3:
            return
        if encoding == "ascii":
            values = np.array(data.split()[: math.prod(sizes)], np.float64)
        else:
            plain = {"raw": bytes, "gzip": gzip.decompress, "bzip2": bz2.decompress}[encoding](data)
            order = {"little": "<", "big": ">"}[fields["endian"].lower()]
            values = np.frombuffer(plain, order + dtype, math.prod(sizes)).astype(np.float64)
        values = values.reshape(sizes[::-1])
        signs = {"left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1), "right-anterior-superior": (-1, -1, 1),
                 "ras": (-1, -1, 1), "las": (1, -1, 1), "left-anterior-superior": (1, -1, 1)}  # fmt: skip
        affine = np.full((4, 4), np.nan)
        # Without an origin it is 0: no voxel of a mask on this grid is elsewhere.
        if "nan" in fields.setdefault("spaceorigin", "(0,0,0)").lower():
            fields["spaceorigin"] = "(0,0,0)"
        if {"space", "spacedirections"} <= fields.keys() and fields["space"].lower() in signs:
            sign = np.array(signs[fields["space"].lower()])
            units = {each.strip('"').lower() or "mm" for each in fields.get("spaceunits", "mm").split()}
            unit_mm = {"mm": 1.0, "um": 0.001, "m": 1000.0, "cm": 10.0}.get(next(iter(units)), math.nan)
            columns = np.array([_numbers(each) for each in fields["spacedirections"].split()])
            affine = np.eye(4)
            affine[:3, :3] = (columns * sign).T * unit_mm
            affine[:3, 3] = np.array(_numbers(fields["spaceorigin"])) * sign * unit_mm
        yield Expected(values, [affine])


def _vector(values: np.ndarray) -> str:
    return f"({','.join(repr(float(each)) for each in values)})"


def _numbers(vector: str) -> list[float]:
    return [float(each) for each in vector.strip("()").split(",")]


def _odd_nrrd(rng: Random, key: str, value: str) -> str:
    if "(" not in value or rng.random() < 0.2:
        known = {"type": ["int8", "uint", "longlong", "block"], "encoding": ["raw", "gzip", "hex", "text", "bz2"],
                 "endian": ["little", "big", "middle"], "space": ["RAS", "scanner-xyz", "3D-right-handed"]}  # fmt: skip
        if key in known and rng.random() < 0.7:
            return rng.choice(known[key])
        return odd_numbers(rng, value)
    vectors = value.split(" ")
    at = rng.randrange(len(vectors))
    if rng.random() < 0.2:
        vectors[at] = rng.choice(["none", "(0,0,0)", "(nan,nan,nan)", "()", "(1,0)", "(1,0,0,0)"])
    else:
        parts = vectors[at].strip("()").split(",")
        parts[rng.randrange(len(parts))] = odd_text(rng)
        vectors[at] = f"({','.join(parts)})"
    return " ".join(vectors)


META_TYPES = {"MET_SHORT": "i2", "MET_USHORT": "u2", "MET_FLOAT": "f4", "MET_UCHAR": "u1", "MET_DOUBLE": "f8",
              "MET_CHAR": "i1", "MET_INT": "i4", "MET_UINT": "u4"}  # fmt: skip


class MetaImage(_ImageTarget):
    """MetaImage: plain and compressed, in one file or two."""

    name = "metaimage"

    def make(self, rng: Random, case: Path) -> str:
        kind = rng.choice(["MET_SHORT", "MET_USHORT", "MET_FLOAT", "MET_UCHAR", "MET_DOUBLE"])
        order = rng.choice("<>")
        compressed = rng.random() < 0.3
        values = voxels(META_TYPES[kind]).astype(order + META_TYPES[kind])
        data = zlib.compress(values.tobytes()) if compressed else values.tobytes()
        lines = [
            "ObjectType = Image", "NDims = 3", "BinaryData = True",
            f"{rng.choice(['BinaryDataByteOrderMSB', 'ElementByteOrderMSB'])} = {order == '>'}",
            f"CompressedData = {compressed}",
            f"TransformMatrix = {' '.join(repr(float(each)) for each in OBLIQUE.T.ravel())}",
            f"{rng.choice(['Offset', 'Position', 'Origin'])} = {' '.join(map(str, ORIGIN_LPS))}",
            "CenterOfRotation = 0 0 0", "AnatomicalOrientation = RAI",
            f"{rng.choice(['ElementSpacing', 'ElementSpacing', 'ElementSize'])} = {' '.join(map(str, SPACING_MM))}",
            f"DimSize = {' '.join(map(str, SHAPE_KJI[::-1]))}", f"ElementType = {kind}",
        ]  # fmt: skip
        faults = []
        for _ in range(number_of_faults(rng)):
            lines, what = change_fields(rng, lines, " = ", _odd_meta)
            faults.append(what)
        if rng.random() < 0.15:
            data, what = change_bytes(rng, data)
            faults.append(f"data: {what}")
        detached = rng.random() < 0.3
        name = "LOCAL"
        if detached:
            name = "ct.zraw" if compressed else "ct.raw"
            (case / name).write_bytes(data)
        if rng.random() < 0.05:
            lines.append(f"HeaderSize = {rng.choice([0, -1, 10, 10**9, 'x'])}")
            faults.append(lines[-1])
        head = "\n".join([*lines, f"ElementDataFile = {name}"]).encode("latin-1", "replace") + b"\n"
        if rng.random() < 0.05:
            head, what = change_bytes(rng, head)
            faults.append(f"header: {what}")
        (case / ("ct.mhd" if detached else "ct.mha")).write_bytes(head if detached else head + data)
        return "; ".join(faults)

    def expected(self, path: Path) -> Iterator[Expected]:
        content = path.read_bytes()
        head, _, rest = content.partition(b"ElementDataFile = ")
        name, _, data = rest.partition(b"\n")
        if name != b"LOCAL":
            data = (path.parent / name.decode()).read_bytes()
        pairs = [tuple(part.strip() for part in line.split("=", 1)) for line in head.decode("latin-1").splitlines()]
        first, last = dict(reversed(pairs)), dict(pairs)
        for fields in (first, last):
            reading = self._reading(fields, data)
            if reading is not None:
                yield reading

    @staticmethod
    def _reading(fields: dict[str, str], data: bytes) -> Expected | None:
        known = {"ObjectType", "NDims", "BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData",
                 "TransformMatrix", "Offset", "Position", "Origin", "CenterOfRotation", "AnatomicalOrientation",
                 "ElementSpacing", "ElementSize", "DimSize", "ElementType"}  # fmt: skip
        if set(fields) - known or fields["NDims"] != "3" or fields.get("BinaryData") != "True":
            return None
        size = [int(each) for each in fields["DimSize"].split()]
        big = fields.get("ElementByteOrderMSB", fields.get("BinaryDataByteOrderMSB", ""))
        if len(size) != 3 or min(size) < 1 or big not in ("True", "False"):
            return None
        dtype = np.dtype((">" if big == "True" else "<") + META_TYPES[fields["ElementType"]])
        if fields.get("CompressedData", "")[:1] in ("T", "t", "1"):
            data = zlib.decompress(data)
        values = np.frombuffer(data, dtype, math.prod(size)).reshape(size[::-1]).astype(np.float64)
        affine = np.full((4, 4), np.nan)
        places = [fields[each] for each in ("Offset", "Position", "Origin") if each in fields]
        spacings = [fields[each] for each in ("ElementSpacing", "ElementSize") if each in fields]
        if "TransformMatrix" not in fields and "AnatomicalOrientation" in fields:
            return None  # its letters count then
        places = places or ["0 0 0"]  # no voxel of a mask on this grid is elsewhere
        if spacings and "TransformMatrix" in fields:
            turn = np.array(fields["TransformMatrix"].split(), np.float64).reshape(3, 3).T
            spacing = np.array(spacings[0].split(), np.float64)
            if (spacing > 0).all():
                affine = affine_of(turn, spacing, np.array(places[0].split(), np.float64))
        return Expected(values, [affine])


def _odd_meta(rng: Random, key: str, value: str) -> str:
    known = {
        "ElementType": [*META_TYPES, "MET_LONG_LONG", "MET_STRING", "MET_FLOAT_ARRAY", "MET_OTHER"],
        "CompressedData": ["True", "False", "TRUE", "true", "1", "yes"],
        "BinaryData": ["False", "true", "0"],
        "ObjectType": ["Tube", "image", "Scene"],
        "NDims": ["2", "4", "3.5", "99"],
    }  # fmt: skip
    if key in known and rng.random() < 0.7:
        return rng.choice(known[key])
    return odd_numbers(rng, value)

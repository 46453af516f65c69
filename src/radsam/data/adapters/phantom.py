"""A procedural abdominal CT with known truth, for tests, examples and a first try without data.

The anatomy is written in *body millimetres*: LPS axes (x to the patient's Left, y to
the Posterior, z to the Superior side) about a point in front of the first lumbar
vertebra. Organs are signed distances, negative inside, bent by a smooth random warp, so
adjacent slices overlap and nothing is an exact ellipsoid. A structure paints over the
ones painted before it, and the last one owns the voxel in the truth. The seed
decides the anatomy on every grid; only the noise depends on the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy.spatial.transform import Rotation

from radsam.data.phantom_painting import Canvas, Field, Number, Positions, Shape, Tissue, ellipsoid, tube
from radsam.errors import InputError
from radsam.volume import Geometry, LabelVolume, Volume

#: Object ids of the truth. The tumour is not part of `liver`: their union is the whole organ.
_IDS = {"liver": 1, "liver_tumour": 2, "spleen": 3, "kidney_right": 4, "kidney_left": 5, "aorta": 6}
_IDS |= {"inferior_vena_cava": 7, "vertebrae": 8, "stomach": 9, "gallbladder": 10}
ORGANS = {number: name for name, number in _IDS.items()}

#: LPS position of the body's origin. Not zero, so that a forgotten origin shows.
_BODY_LPS = (6.0, -148.0, -412.0)
_LPS_OF = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
#: Contrast-enhanced blood in the portal venous phase, in HU.
_VEIN_HU, _ARTERY_HU = 165.0, 155.0
_FAT_HU = -102.0


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic CT and its objects.

    Args:
        volume: Hounsfield units, int16.
        truth: Object ids on the same grid; the names are those of `ORGANS`.
    """

    volume: Volume
    truth: LabelVolume

    def mask(self, name: str) -> Bool[np.ndarray, "k j i"]:
        """Return the voxels of one organ.

        Raises:
            InputError: The phantom has no organ of this name.
        """
        if name not in _IDS:
            raise InputError(f"The phantom has no organ {name!r}; choose one of {', '.join(_IDS)}.")
        return np.asarray(self.truth.ids == _IDS[name])


def make_phantom(
    *,
    seed: int = 0,
    shape_ijk: tuple[int, int, int] = (192, 160, 56),
    spacing_mm_ijk: tuple[Number, Number, Number] = (1.8, 1.8, 4.0),
    axes: str = "LAS",
    tilt_deg: tuple[Number, Number, Number] = (4.0, -3.0, 5.0),
    noise_hu: Number = 12.0,
) -> Phantom:
    """Make an abdominal CT in the portal venous phase, from the lung bases to the lower kidneys.

    The default is stored as common converters store axial CT (rows from posterior to
    anterior), a few degrees oblique and with thick slices, so that code that forgets
    the affine fails on it.

    Args:
        seed: Decides the anatomy and the noise; the same seed gives the same bytes.
        shape_ijk: Number of voxels along i, j and k. A grid smaller than the body (about
            320×225 mm) shows a part of it; organs outside are then absent from the truth.
        spacing_mm_ijk: Voxel spacing along i, j and k, in mm.
        axes: Patient directions that i, j and k grow to before the tilt, of L, R, P, A, S, I.
        tilt_deg: Rotation of the grid about the LPS x, y and z axes through the body's
            origin, in degrees.
        noise_hu: Standard deviation of the noise in HU; 0 for none.

    Raises:
        InputError: `axes` does not name three different patient axes.
        VolumeError: The shape or the spacing makes no grid.
    """
    rng = np.random.default_rng(seed)
    geometry = _grid(shape_ijk, spacing_mm_ijk, axes, tilt_deg)
    canvas = Canvas.of(geometry, _BODY_LPS, ORGANS, rng)
    wall = _paint_wall(canvas)
    _paint_chest(canvas, wall)
    _paint_muscles_and_bones(canvas, wall)
    _paint_fat_vessels(canvas, rng)
    _paint_bowel(canvas, rng)
    _paint_organs(canvas, rng)
    _paint_great_vessels(canvas)
    canvas.keep_one_piece()
    hu = canvas.scan(noise_hu, rng)
    truth = LabelVolume(canvas.ids, geometry, ORGANS)
    return Phantom(Volume(hu, geometry, source=f"phantom with seed {seed}"), truth)


def _grid(
    shape_ijk: tuple[int, int, int],
    spacing_mm_ijk: tuple[Number, Number, Number],
    axes: str,
    tilt_deg: tuple[Number, Number, Number],
) -> Geometry:
    if len(axes) != 3 or any(a not in _LPS_OF for a in axes) or len({_LPS_OF[a][0] for a in axes}) != 3:
        raise InputError(f"{axes!r} are not the directions of three voxel axes; give for example LPS, LAS or SAL.")
    stored = np.zeros((3, 3))
    for column, letter in enumerate(axes):
        row, sign = _LPS_OF[letter]
        stored[row, column] = sign
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", tilt_deg, degrees=True).as_matrix() @ stored * spacing_mm_ijk
    affine[:3, 3] = np.asarray(_BODY_LPS) - affine[:3, :3] @ (np.asarray(shape_ijk) - 1) / 2
    i, j, k = shape_ijk
    return Geometry((k, j, i), affine)


@dataclass(frozen=True, eq=False)
class _Wall:
    """Depth of a point in the body, in mm: negative is deeper than the surface named."""

    body: Field
    muscle: Field
    cavity: Field

    @classmethod
    def at(cls, positions: Positions) -> _Wall:
        x, y, z = positions
        across, along = np.square(x / 156), np.square(y / np.where(y > 0, np.float32(100), np.float32(108)))
        # Between an ellipse and a fourth-order one: flat at the back, round at the flanks.
        level = 0.6 * np.sqrt(np.sqrt(across * across + along * along)) + 0.4 * np.sqrt(across + along)
        body = (level - 1) * np.sqrt(x * x + y * y) / (level + np.float32(1e-6))
        body += 6 * np.exp(-np.square(x / 16)) * (y > 0)  # the groove over the spine
        down = np.clip(-z / 110, -0.6, 1)
        front = np.clip(-y / 100, 0, 1)
        muscle = body + 14 + 5 * down + 6 * np.maximum(down, 0) * front + 3 * np.abs(x / 156)
        return cls(body, muscle, muscle + 11)


#: The inside of the wall; organs keep a millimetre of fat to it.
_CAVITY = Shape(lambda positions: _Wall.at(positions).cavity + 1, np.full(3, -200.0), np.full(3, 200.0))


def _paint_wall(canvas: Canvas) -> _Wall:
    """Paint table, skin, subcutaneous fat, wall muscles and abdominal fat."""
    x, y, _ = canvas.unwarped
    table = np.maximum(np.abs(y - 124 + x**2 / 1800) - 8, np.abs(x) - 170)
    canvas.fill(table, 60.0)
    canvas.fill(table + 3, -880.0)
    wall = _Wall.at(canvas.positions)
    slow, fine = canvas.texture
    canvas.fill(wall.body, 20.0)
    canvas.fill(wall.body + 2.2, _FAT_HU + 5 * slow + 7 * np.maximum(fine - 1, 0))
    # Three flat muscles with fat between them; the ones of the front midline have none.
    layers = 58 - 55 * np.exp(-(((wall.muscle + 4) / 1.0) ** 2)) - 40 * np.exp(-(((wall.muscle + 8) / 0.8) ** 2))
    canvas.fill(wall.muscle, np.where(np.abs(x) < 45, np.float32(56), layers) + 4 * fine)
    canvas.fill(wall.cavity, _FAT_HU + 5 * slow)
    return wall


def _abdomen() -> Shape:
    """Everything under the diaphragm: a dome on each side."""
    right = ellipsoid((-66, -4, -6), (84, 112, 94))
    left = ellipsoid((66, -2, -10), (86, 112, 88))
    return right.blended(left, 18)


def _paint_chest(canvas: Canvas, wall: _Wall) -> None:
    """Paint lung bases, heart and diaphragm above the abdomen's fat."""
    x, y, z = canvas.positions
    slow, fine = canvas.texture
    abdomen = _abdomen().distance(canvas.positions)
    middle = np.sqrt((x / 34) ** 2 + ((y - 22) / 42) ** 2)
    lung = np.maximum.reduce([wall.cavity + 2, 4 - abdomen, -z, (1 - middle) * 34])
    # Vessels of the lung: ridges where a fine field crosses its own zero.
    vessels = 260 * np.exp(-((fine / 0.16) ** 2)) * (np.abs(slow) < 0.8)
    canvas.fill(lung, np.minimum(-860 + 25 * slow + vessels, -300))
    diaphragm = np.maximum.reduce([np.abs(abdomen - 2) - 2, wall.cavity, -z])
    canvas.fill(diaphragm, 52.0)
    canvas.paint(ellipsoid((22, -38, 122), (70, 52, 42)).grown(5), _FAT_HU)
    canvas.paint(ellipsoid((22, -38, 122), (70, 52, 42)), 95.0)
    canvas.paint(ellipsoid((30, -36, 122), (48, 34, 32)), 140.0)
    canvas.paint(tube([(8, -2, 120), (10, -4, 95), (24, -8, 78)], [8, 8, 9]), 48.0)  # the oesophagus


def _paint_muscles_and_bones(canvas: Canvas, wall: _Wall) -> None:
    """Paint back muscles, ribs and spine."""
    for side in (-1, 1):
        canvas.paint(tube([(side * 30, 70, -150), (side * 28, 68, 150)], [25, 19]), 56.0)
        canvas.paint(tube([(side * 62, 62, -150), (side * 56, 60, -20)], [15, 9]), 57.0)
        canvas.paint(tube([(side * 44, 34, -150), (side * 26, 32, 20)], [23, 5]), 58.0)
        canvas.paint(tube([(side * 10, 12, -30), (side * 16, 14, 60)], [6, 5]), 54.0)  # crus of the diaphragm
    _paint_ribs(canvas, wall)
    _paint_spine(canvas)


def _paint_ribs(canvas: Canvas, wall: _Wall) -> None:
    """Paint the lower ribs as sloping bands in the wall, 27 mm apart; each ends where its number says."""
    x, y, z = canvas.positions
    around = np.arctan2(np.abs(x), y - 5)  # 0 at the spine, π at the front midline
    height = z + 72 * around - np.float32(70)
    number = np.round(height / 27)
    across = height - 27 * number
    # Rib 12 (number 0) is short, each one above reaches further to the front.
    end = np.clip(1.25 + 0.42 * number, 0, 2.55)
    gone = np.maximum((around - end) * 90, np.where(number < 0, np.float32(99), np.float32(-99)))
    level = np.sqrt(((wall.muscle + 6.5) / 3.6) ** 2 + (across / 6.5) ** 2)
    distance = np.maximum.reduce([(level - 1) * 4, gone, (0.3 - around) * 90])
    canvas.fill(distance, np.where(distance > -1.6, np.float32(620), np.float32(260)))


def _paint_spine(canvas: Canvas) -> None:
    """Paint vertebrae of 28 mm with discs of 8 mm between; the arches join them to one object."""
    x, y, z = canvas.positions
    fine = canvas.texture[1]
    y = y - 34 - 6 * np.cos(z / 70)  # the curve of the lumbar spine
    phase = np.abs((z + 6 + 18) % 36 - 18)  # 0 in the middle of a vertebra, 18 in a disc
    waist = 1 - 0.09 * np.cos(phase * np.float32(np.pi / 18))
    column = (np.sqrt((x / (23 * waist)) ** 2 + (y / (17 * waist)) ** 2) - 1) * 18
    column = np.maximum(column, -(np.sqrt((x / 12) ** 2 + ((y - 25) / 10.5) ** 2) - 1) * 10)
    canal = (np.sqrt((x / 11) ** 2 + ((y - 25) / 9) ** 2) - 1) * 9
    canvas.fill(column, 82.0)
    plate = phase - 14
    body = np.maximum(column, plate)
    arch = np.maximum(np.abs(canal - 5) - (3.2 + 1.2 * np.cos(phase * np.float32(np.pi / 18))), 12 - y)
    pedicle = np.maximum.reduce([np.abs(np.abs(x) - 14) - 4, np.abs(y - 18) - 9, phase - 8])
    spine = np.maximum.reduce([np.abs(x) - 3.5, np.abs(y - 44 - 0.25 * (z % 36) / 4) - 13, phase - 11])
    wing = np.maximum.reduce([np.abs(y - 22 - 0.1 * np.abs(x)) - 3.5, np.abs(np.abs(x) - 26) - 14, phase - 6])
    bone = np.minimum.reduce([body, arch, pedicle, spine, wing])
    shell = np.exp(-(((bone + 1) / 1.6) ** 2))
    canvas.fill(bone, 185 + 330 * shell + 22 * fine, name="vertebrae")
    canvas.fill(canal, 28.0)
    canvas.fill((np.sqrt((x / 6.5) ** 2 + ((y - 25) / 5) ** 2) - 1) * 5, 48.0)


def _paint_fat_vessels(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the small vessels of the mesentery: without it, abdominal fat is empty."""
    for _ in range(70):
        start = rng.uniform((-60, -55, -110), (65, -10, -10))
        points = start + np.cumsum(np.vstack([np.zeros(3), rng.normal(0, (16, 12, 16), (2, 3))]), axis=0)
        canvas.paint(tube(points, [1.9, 1.5, 1.0]), 140.0)


def _paint_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint colon and small bowel; walls first, so that no wall crosses a lumen."""
    for _ in range(28):
        start = rng.uniform((-62, -66, -125), (82, -6, -34))
        points = start + np.cumsum(np.vstack([np.zeros(3), rng.normal(0, (17, 12, 15), (3, 3))]), axis=0)
        points[:, 1] = np.clip(points[:, 1], -68, -8)
        loop = tube(points, [11, 13, 12, 10], steps=9)
        canvas.paint(loop.grown(2), _FAT_HU)
        canvas.paint(loop, 92.0)
        canvas.paint(loop.grown(-2.8), float(rng.choice([18, 30, 45])))
    colon = [
        [(-98, 14, -150), (-102, 8, -100), (-92, -12, -66)],
        [(-92, -12, -66), (-66, -58, -62), (0, -72, -76), (55, -62, -44), (96, -10, -14)],
        [(96, -10, -14), (112, 22, -40), (108, 24, -90), (100, 16, -150)],
    ]
    parts = [tube(points, [w] * len(points), steps=8) for points, w in zip(colon, (24, 18, 16), strict=True)]

    def haustra(distance: Field, where: tuple[slice, ...]) -> Field:
        fine = canvas.texture[1][where]
        # Gas collects at the front of each pouch, stool behind it.
        gas = canvas.positions[1][where] + 9 * canvas.texture[0][where] < np.where(distance < -12, -56, -64)
        return np.asarray(np.where(gas, np.float32(-900), 10 + 55 * fine - 40 * np.abs(fine)))

    for part in parts:
        canvas.paint(part.grown(2), _FAT_HU)
    for part in parts:
        canvas.paint(part, 68.0)
    for part in parts:
        canvas.paint(part.grown(-2.6), haustra)


def _kidney(side: int) -> Shape:
    """Make a kidney without its sinus; `side` is -1 for the right one, which lies lower."""
    x, y, z = side * 62, 34, -52 if side < 0 else -34
    bean = ellipsoid((x, y, z), (27, 29, 56), (-8, side * 12, side * 24))
    sinus = tube([(x - side * 3, y - 2, z - 17), (x - side * 3, y - 2, z + 17)], [7, 7])
    return bean - sinus - ellipsoid((x - side * 24, y - 12, z), (21, 9, 17))


def _paint_organs(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint stomach, spleen, liver with vessels and tumour, gallbladder, pancreas and kidneys."""
    abdomen = _abdomen().grown(-1)
    stomach = _stomach()
    kidneys = {side: _kidney(side) for side in (-1, 1)}
    bed = {side: ellipsoid((side * 62, 36, -52 if side < 0 else -34), (33, 36, 62)) for side in (-1, 1)}
    for side in (-1, 1):
        canvas.paint(bed[side], _FAT_HU)  # the capsule of fat around the kidney
    _paint_stomach(canvas, stomach)
    spleen = ellipsoid((104, 32, 34), (38, 54, 54), (0, 0, -14)) - ellipsoid((52, -6, 34), (50, 50, 66))
    spleen = (spleen & abdomen & _CAVITY) - bed[1] - stomach.grown(3)
    canvas.paint(spleen, lambda _, where: 122 + 3 * canvas.texture[0][where], name="spleen")
    _paint_liver(canvas, rng, abdomen, bed[-1], stomach)
    pancreas = tube([(-34, -12, -34), (-14, -22, -16), (14, -26, 0), (46, -6, 8), (70, 14, 10)], [14, 11, 9, 9, 7], 10)
    canvas.tint(pancreas.grown(1.5), _FAT_HU, "background")
    canvas.tint(pancreas, lambda _, where: 98 + 16 * canvas.texture[1][where], "background")
    for side, name in ((-1, "kidney_right"), (1, "kidney_left")):
        canvas.tint(ellipsoid((side * 50, 28, kidneys[side].low_mm[2] + 56), (14, 10, 16)), -50.0, "background")
        canvas.paint(kidneys[side], _renal_tissue(canvas), name=name)


def _renal_tissue(canvas: Canvas) -> Tissue:
    def tissue(distance: Field, where: tuple[slice, ...]) -> Field:
        x, y, z = (axis[where] for axis in canvas.positions)
        pyramids = np.sin(z / 4.5) * np.sin(5 * np.arctan2(y - 34, np.abs(x) - 62))
        medulla = np.clip((-distance - 5) / 2, 0, 1) * np.clip(0.6 + pyramids, 0, 1)
        return np.asarray(196 - 44 * medulla)

    return tissue


def _stomach() -> Shape:
    fundus = ellipsoid((60, 4, 52), (36, 36, 28))
    body = ellipsoid((62, -38, 20), (32, 30, 42), (0, -14, 0))
    antrum = ellipsoid((22, -56, -20), (30, 18, 18), (0, 20, 0))
    return fundus.blended(body, 16).blended(antrum, 16)


def _paint_stomach(canvas: Canvas, stomach: Shape) -> None:
    def content(distance: Field, where: tuple[slice, ...]) -> Field:
        food = 22 + 14 * np.maximum(canvas.texture[1][where], 0)
        # A fluid level is flat in organs of every shape.
        above = np.clip(0.5 - (canvas.unwarped[1][where] + 46) / np.float32(canvas.edge_mm), 0, 1)
        return np.asarray(food + above * (-960 - food))

    stomach = stomach & _CAVITY
    canvas.tint(stomach.grown(1.5), _FAT_HU, "background")
    canvas.paint(stomach, 84.0, name="stomach")
    canvas.tint(stomach.grown(-4), content, "stomach")


def _paint_liver(canvas: Canvas, rng: np.random.Generator, abdomen: Shape, kidney_bed: Shape, stomach: Shape) -> None:
    right = ellipsoid((-80, 2, 14), (72, 96, 92), (0, 8, 0))
    left = ellipsoid((-8, -52, 36), (74, 34, 34), (0, 12, 8))
    caudate = ellipsoid((-26, -4, 38), (20, 20, 28))
    liver = right.blended(left, 14).blended(caudate, 8)
    gallbladder = ellipsoid((-50, -56, -26), (15, 18, 30), (20, 0, 0))
    porta = tube([(-14, -18, 4), (-38, -22, 12), (-62, -24, 12)], [11, 9, 3])
    fissure = tube([(-20, -96, 26), (-22, -58, 20), (-24, -40, 14)], [6, 4, 4])
    cava = ellipsoid((-20, 12, 40), (17, 14, 90))
    for hollow in (kidney_bed, stomach.grown(2), gallbladder.grown(1), porta, fissure, cava):
        liver = liver - hollow
    back = ellipsoid((4, 46, 0), (46, 38, 400))
    liver = (liver & abdomen & _CAVITY) - back
    slow, fine = canvas.texture
    canvas.paint(liver, lambda _, where: 110 + 4 * slow[where] + 2 * fine[where], name="liver")
    canvas.paint(gallbladder, 60.0, name="gallbladder")
    canvas.tint(gallbladder.grown(-1.5), 9.0, "gallbladder")
    for vessel in _liver_vessels():
        canvas.tint(vessel & liver.grown(-3), _VEIN_HU, "liver")
    centre = np.array([-96, 8, 14]) + rng.uniform(-10, 10, 3)
    lobe = ellipsoid(centre + rng.uniform(-9, 9, 3), rng.uniform(10, 14, 3))
    tumour = ellipsoid(centre, rng.uniform((17, 16, 15), (22, 20, 19))).blended(lobe, 8)
    # Less enhancing than the liver, and least in its core.
    canvas.paint(tumour, lambda d, where: 70 - 14 * np.clip((-d - 6) / 8, 0, 1) + 4 * fine[where], name="liver_tumour")


def _liver_vessels() -> list[Shape]:
    confluence, porta = (-22, 2, 70), (-58, -22, 14)
    courses = [
        (confluence, (-62, 8, 60), (-100, 30, 36)),
        (confluence, (-44, -24, 54), (-66, -58, 26)),
        (confluence, (-10, -28, 58), (22, -52, 44)),
        (porta, (-84, -34, 8), (-112, -44, -12)),
        (porta, (-84, 4, 22), (-118, 40, 30)),
        (porta, (-92, 18, 0), (-110, 44, -30)),
        (porta, (-76, -22, 40), (-96, -48, 52)),
        (porta, (-30, -42, 28), (6, -58, 36)),
    ]
    return [tube(points, [5.5, 4, 2], steps=5) for points in courses]


def _paint_great_vessels(canvas: Canvas) -> None:
    """Paint aorta and inferior vena cava with the vessels that belong to liver, spleen, kidneys and bowel."""
    for points, radii, hu in (
        ([(-18, -6, -110), (-16, -16, -60), (-12, -18, -20), (-14, -18, 4)], [5, 6, 7, 7], _VEIN_HU),
        ([(-14, -18, 4), (-38, -22, 12), (-60, -24, 12)], [7, 6.5, 6], _VEIN_HU),
        ([(-14, -16, 2), (14, -16, 6), (48, 2, 14), (72, 16, 18)], [5, 4.5, 4, 3.5], _VEIN_HU),
        ([(7, 6, 4), (6, -12, -4), (4, -16, -50), (0, -16, -110)], [4, 4, 3.5, 3], _ARTERY_HU),
        ([(-20, 8, -44), (-36, 18, -50), (-50, 26, -52)], [4.5, 5, 4], _VEIN_HU),
        ([(-14, 4, -26), (8, -7, -26), (30, 16, -32), (50, 26, -34)], [4, 4, 5, 4], _VEIN_HU),
    ):
        canvas.tint(tube(points, radii, steps=8), hu, "background")
    cava = tube([(-16, 14, -150), (-19, 10, -40), (-21, 6, 40), (-18, 0, 90)], [10, 10.5, 11, 12], steps=8)
    canvas.paint(cava, 142.0, name="inferior_vena_cava")
    aorta = tube([(9, 8, -150), (10, 6, -40), (12, 8, 30), (22, 12, 150)], [8.5, 9.5, 11, 12], steps=8)

    def blood(distance: Field, where: tuple[slice, ...]) -> Field:
        fine, slow = canvas.texture[1][where], canvas.texture[0][where]
        plaque = (distance > -2.2) & (fine > 1.1) & (slow > 0)
        return np.asarray(np.where(plaque, np.float32(620), np.float32(_ARTERY_HU)))

    canvas.paint(aorta, blood, name="aorta")

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from radsam.data.adapters.phantom import ORGANS, Phantom, make_phantom
from radsam.errors import InputError
from radsam.volume import SliceGrid

COARSE_IJK, COARSE_MM = (84, 68, 28), (4.0, 4.0, 8.0)


def coarse(seed: int = 0, **changes: object) -> Phantom:
    given = {"shape_ijk": COARSE_IJK, "spacing_mm_ijk": COARSE_MM, **changes}
    return make_phantom(seed=seed, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom()


def centre_lps(phantom: Phantom, name: str) -> np.ndarray:
    index_ijk = np.argwhere(phantom.mask(name)).mean(axis=0)[::-1]
    return phantom.volume.geometry.index_to_mm(index_ijk)


def inside_hu(phantom: Phantom, name: str) -> np.ndarray:
    """Values two voxels away from every border, where nothing else mixes in."""
    return phantom.volume.values[ndimage.binary_erosion(phantom.mask(name), iterations=2)]


def test_the_same_seed_makes_the_same_bytes_and_another_seed_another_patient() -> None:
    first, again, other = coarse(3), coarse(3), coarse(4)
    assert first.volume.content_hash == again.volume.content_hash
    np.testing.assert_array_equal(first.truth.ids, again.truth.ids)
    assert (first.truth.ids != other.truth.ids).mean() > 0.01


def test_the_default_grid_is_oblique_anisotropic_and_not_stored_as_lps(phantom: Phantom) -> None:
    geometry = phantom.volume.geometry
    assert geometry.shape_ijk == (192, 160, 56)
    assert geometry.spacing_mm_ijk == pytest.approx((1.8, 1.8, 4.0))
    assert np.abs(geometry.direction).min() > 0.01
    assert np.linalg.det(geometry.affine_lps[:3, :3]) < 0
    assert geometry.direction[1, 1] < -0.9
    assert phantom.truth.geometry.same_grid(geometry)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_every_organ_is_there_in_one_piece(seed: int) -> None:
    made = coarse(seed)
    for name in ORGANS.values():
        _, pieces = ndimage.label(made.mask(name))
        assert pieces == 1, name


@pytest.mark.parametrize(
    ("name", "low", "high", "most_sd"),
    [
        ("liver", 100, 122, 20),
        ("liver_tumour", 50, 78, 18),
        ("spleen", 112, 132, 18),
        ("kidney_right", 160, 200, 32),
        ("kidney_left", 160, 200, 32),
        ("aorta", 150, 175, 60),
        ("inferior_vena_cava", 134, 150, 18),
        ("vertebrae", 150, 450, 160),
        ("gallbladder", 0, 20, 20),
    ],
)
def test_organs_have_the_hounsfield_units_of_the_portal_venous_phase(
    phantom: Phantom, name: str, low: float, high: float, most_sd: float
) -> None:
    values = inside_hu(phantom, name)
    assert low < values.mean() < high
    assert values.std() < most_sd


def test_organs_have_the_size_of_an_adult(phantom: Phantom) -> None:
    ml = {
        n: np.count_nonzero(phantom.mask(n)) * phantom.volume.geometry.voxel_volume_mm3 / 1000 for n in ORGANS.values()
    }
    assert 1200 < ml["liver"] < 2000
    assert 120 < ml["spleen"] < 320
    assert 120 < ml["kidney_right"] < 230
    assert 120 < ml["kidney_left"] < 230
    assert 10 < ml["liver_tumour"] < 60


def test_organs_lie_on_their_side_of_the_patient(phantom: Phantom) -> None:
    x, y, z = ({name: centre_lps(phantom, name)[axis] for name in ORGANS.values()} for axis in range(3))
    # x grows to the left, y to the back, z to the head.
    for right in ("liver", "liver_tumour", "kidney_right", "gallbladder", "inferior_vena_cava"):
        assert x[right] < x["vertebrae"] - 10, right
    for left in ("spleen", "kidney_left", "stomach", "aorta"):
        assert x[left] > x["vertebrae"] + 3, left
    assert y["vertebrae"] > y["aorta"] > y["stomach"]
    assert y["kidney_left"] > y["gallbladder"]
    assert z["kidney_right"] < z["kidney_left"] < z["spleen"]


def test_the_liver_is_at_the_left_and_the_spine_at_the_bottom_of_the_display(phantom: Phantom) -> None:
    grid = SliceGrid.of(phantom.volume.geometry, "axial")
    rows, cols = grid.display_shape
    liver = np.argwhere(grid.to_display(grid.take(phantom.mask("liver"), 30))).mean(axis=0)
    spine = np.argwhere(grid.to_display(grid.take(phantom.mask("vertebrae"), 30))).mean(axis=0)
    assert liver[1] < 0.4 * cols
    assert spine[0] > 0.55 * rows
    assert abs(spine[1] - cols / 2) < 0.1 * cols


def test_the_tumour_lies_inside_the_liver_and_is_darker(phantom: Phantom) -> None:
    tumour, liver = phantom.mask("liver_tumour"), phantom.mask("liver")
    shell = ndimage.binary_dilation(tumour, iterations=2) & ~tumour
    assert liver[shell].mean() > 0.9
    assert inside_hu(phantom, "liver").mean() - inside_hu(phantom, "liver_tumour").mean() > 25


@pytest.mark.parametrize("name", ["liver", "spleen", "kidney_left", "aorta"])
def test_an_organ_on_one_slice_covers_most_of_itself_on_the_next(phantom: Phantom, name: str) -> None:
    mask = phantom.mask(name)
    area = mask.sum(axis=(1, 2))
    for k in np.flatnonzero((area[:-1] > 0.3 * area.max()) & (area[1:] > 0.3 * area.max())):
        shared = np.count_nonzero(mask[k] & mask[k + 1])
        assert shared / min(area[k], area[k + 1]) > 0.75, k


def test_the_liver_stands_out_from_fat_and_less_from_the_wall(phantom: Phantom) -> None:
    liver = ndimage.binary_dilation(phantom.mask("liver"), iterations=1)
    rim = phantom.volume.values[ndimage.binary_dilation(liver, iterations=2) & ~liver & (phantom.truth.ids == 0)]
    assert (rim < 0).mean() > 0.3
    assert ((rim > 20) & (rim < 90)).mean() > 0.1


def test_noise_has_the_deviation_asked_for_and_leaves_the_truth() -> None:
    clean, noisy = coarse(noise_hu=0.0), coarse(noise_hu=12.0)
    difference = noisy.volume.values.astype(np.float64) - clean.volume.values
    inside = clean.volume.values > -900  # air is clipped at -1024
    assert difference[inside].std() == pytest.approx(12.0, abs=0.5)
    assert abs(difference[inside].mean()) < 0.5
    np.testing.assert_array_equal(noisy.truth.ids, clean.truth.ids)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PIL"])
def test_the_seed_decides_the_anatomy_whatever_the_storage(axes: str) -> None:
    size = {**dict.fromkeys("LR", (84, 4.0)), **dict.fromkeys("AP", (68, 4.0)), **dict.fromkeys("SI", (28, 8.0))}
    stored = make_phantom(
        axes=axes, shape_ijk=tuple(size[a][0] for a in axes), spacing_mm_ijk=tuple(size[a][1] for a in axes)
    )
    usual = coarse()
    for name in ORGANS.values():
        np.testing.assert_allclose(centre_lps(stored, name), centre_lps(usual, name), atol=0.5)


def test_a_part_of_the_body_has_only_its_organs() -> None:
    top = make_phantom(shape_ijk=(40, 40, 12), spacing_mm_ijk=(2.0, 2.0, 2.0), noise_hu=0.0)
    assert not top.mask("spleen").any()
    assert top.mask("aorta").any()


def test_air_surrounds_the_body(phantom: Phantom) -> None:
    assert phantom.volume.values[:, -6:, :].mean() < -950  # rows grow to the front


@pytest.mark.parametrize("axes", ["LPL", "LP", "XYZ", "LRS"])
def test_axes_that_are_not_three_directions_are_refused(axes: str) -> None:
    with pytest.raises(InputError, match="not the directions of three voxel axes"):
        make_phantom(axes=axes)


def test_an_unknown_organ_names_the_known_ones(phantom: Phantom) -> None:
    with pytest.raises(InputError, match="no organ 'brain'; choose one of liver, liver_tumour"):
        phantom.mask("brain")

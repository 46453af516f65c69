from __future__ import annotations

import numpy as np
import pytest

from radsam.errors import InputError, PromptError
from radsam.simulate import MaskNoise, broken_mask, exact_box, noisy_mask, random_box, random_point

UNIT = 0.25  # a 256 grid


def disk(radius: float, size: int = 256, centre: tuple[float, float] = (128, 128)) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_every_deep_pixel_is_clicked_and_no_other() -> None:
    mask = np.zeros((9, 12), bool)
    mask[1:8, 2:11] = True  # 7 × 9: two pixels from the contour leaves 3 × 5
    rng = np.random.default_rng(0)
    clicked = {random_point(mask, rng) for _ in range(500)}
    assert clicked == {(x, y) for x in range(4, 9) for y in range(3, 6)}


def test_the_border_of_the_image_is_a_contour() -> None:
    clicked = {random_point(np.ones((7, 7), bool), np.random.default_rng(seed)) for seed in range(200)}
    assert clicked == {(x, y) for x in range(2, 5) for y in range(2, 5)}


def test_a_thin_object_is_clicked_at_its_deepest_pixel() -> None:
    mask = np.zeros((9, 9), bool)
    mask[4, 1:8] = True
    mask[3:6, 5:8] = True
    assert random_point(mask, np.random.default_rng(0)) == (6, 4)


def test_the_exact_box_ends_on_the_outermost_pixels() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4, 7] = mask[9, 21] = True
    assert exact_box(mask) == (7, 4, 21, 9)


@pytest.mark.parametrize(("pixel", "box"), [((0, 0), (0, 0, 1, 1)), ((19, 29), (28, 18, 29, 19))])
def test_the_box_of_one_pixel_is_two_wide_and_inside(pixel: tuple[int, int], box: tuple[int, ...]) -> None:
    mask = np.zeros((20, 30), bool)
    mask[pixel] = True
    assert exact_box(mask) == box


def test_each_side_of_a_box_moves_between_5_inwards_and_20_outwards() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((1024, 1024), bool)
    mask[400:501, 300:601] = True
    boxes = np.array([random_box(mask, rng, unit=1.0) for _ in range(3000)])
    outwards = (boxes - [300, 400, 600, 500]) * [-1, -1, 1, 1]
    assert outwards.min(axis=0).tolist() == [-5] * 4
    assert outwards.max(axis=0).tolist() == [20] * 4
    assert outwards.mean(axis=0) == pytest.approx([7.5] * 4, abs=0.6)
    assert np.abs(np.corrcoef(outwards.T) - np.eye(4)).max() < 0.1, "the sides are not moved together"


def test_a_box_moves_by_as_many_millimetres_on_a_smaller_grid() -> None:
    boxes = np.array([random_box(disk(40), np.random.default_rng(seed), unit=UNIT) for seed in range(300)])
    outwards = (boxes - [88, 88, 168, 168]) * [-1, -1, 1, 1]
    assert (outwards.min(), outwards.max()) == (-1, 5)


def test_the_same_seed_gives_the_same_prompts() -> None:
    mask = disk(30)

    def draw(seed: int) -> tuple[object, ...]:
        rng = np.random.default_rng(seed)
        noisy = noisy_mask(mask, rng, unit=UNIT).tobytes()
        return random_point(mask, rng), random_box(mask, rng, unit=UNIT), noisy

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


def test_a_noisy_mask_is_wrong_but_lies_on_the_object() -> None:
    mask = disk(30)
    rng = np.random.default_rng(0)
    scores = [dice(noisy_mask(mask, rng, unit=UNIT), mask) for _ in range(200)]
    assert min(scores) > 0.6
    assert 0.75 < np.mean(scores) < 0.95
    assert max(scores) < 1


def test_no_noise_changes_nothing() -> None:
    mask = disk(20) & ~disk(9)
    none = MaskNoise(rotation_deg=0, scale=0, shift_px=0, edge_px=0)
    assert (noisy_mask(mask, np.random.default_rng(0), unit=UNIT, noise=none) == mask).all()


def only(**amount: float) -> MaskNoise:
    return MaskNoise(**({"rotation_deg": 0, "scale": 0, "shift_px": 0, "edge_px": 0} | amount))


def test_a_move_keeps_the_shape_and_stays_within_the_amount() -> None:
    mask = disk(30)
    moved = [noisy_mask(mask, np.random.default_rng(s), unit=UNIT, noise=only(shift_px=24)) for s in range(60)]
    assert {each.sum() for each in moved} == {mask.sum()}
    far = np.array([exact_box(each) for each in moved])[:, :2] - 98
    assert np.abs(far).max() == 6
    assert set(np.sign(far).ravel()) == {-1, 0, 1}


def test_a_turn_swings_a_bar_both_ways_about_its_centre() -> None:
    mask = np.zeros((256, 256), bool)
    mask[126:131, 60:197] = True
    slopes = []
    for seed in range(60):
        turned = noisy_mask(mask, np.random.default_rng(seed), unit=UNIT, noise=only(rotation_deg=15))
        y, x = np.nonzero(turned)
        assert (y.mean(), x.mean()) == pytest.approx((128, 128), abs=0.3)
        assert turned.sum() == pytest.approx(mask.sum(), rel=0.05)
        slopes.append(np.degrees(np.arctan(np.polyfit(x, y, 1)[0])))
    assert (min(slopes), max(slopes)) == pytest.approx((-15, 15), abs=1.5)


def test_scaling_and_edges_change_the_radius_by_the_amount() -> None:
    mask = disk(40)
    for noise, low, high in ((only(scale=0.15), 34, 46), (only(edge_px=10), 38, 42)):
        radii = [
            np.sqrt(noisy_mask(mask, np.random.default_rng(s), unit=UNIT, noise=noise).sum() / np.pi) for s in range(60)
        ]
        assert min(radii) == pytest.approx(low, abs=1)
        assert max(radii) == pytest.approx(high, abs=1)


def test_an_object_cut_by_the_border_stays_cut() -> None:
    mask = disk(40, centre=(5, 250))
    for seed in range(20):
        noisy = noisy_mask(mask, np.random.default_rng(seed), unit=UNIT)
        assert dice(noisy, mask) > 0.5


@pytest.mark.parametrize("prompt", [random_point, lambda m, _: exact_box(m), lambda m, r: random_box(m, r, unit=1.0),
                                    lambda m, r: noisy_mask(m, r, unit=1.0)])  # fmt: skip
def test_an_empty_mask_has_no_prompt(prompt: object) -> None:
    with pytest.raises(PromptError, match="empty mask"):
        prompt(np.zeros((5, 5), bool), np.random.default_rng(0))  # type: ignore[operator]


@pytest.mark.parametrize("amount", [{"scale": 1.0}, {"shift_px": -1.0}, {"edge_share": 1.0}, {"rotation_deg": np.nan},
                                    {"shift_share": 0.6}])  # fmt: skip
def test_impossible_noise_is_refused(amount: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Mask noise needs"):
        MaskNoise(**amount)


def test_a_broken_mask_misses_a_part_or_has_one_too_many() -> None:
    mask = np.zeros((40, 50), bool)
    mask[15:27, 12:32] = True
    missing, added = [], []
    for seed in range(60):
        broken = broken_mask(mask, np.random.default_rng(seed))
        lost, more = int((mask & ~broken).sum()), int((broken & ~mask).sum())
        assert (lost > 0) != (more > 0)
        (missing if lost else added).append(lost or more)
    assert 0.15 < min(missing) / mask.sum() < 0.3
    assert 0.7 < max(missing) / mask.sum() < 0.9
    assert len(added) > 15
    assert max(added) > 2 * min(added)

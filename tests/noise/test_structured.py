from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import noise
from noise.structured import _line_shares, nearest_box, smallest

WHITE = np.ones((30, 32, 32, 3), np.float32)
ODD = np.ones((30, 20, 27, 3), np.float32)
IDS = [str(number) for number in range(len(WHITE))]
EXACT = ["colour_patches", "occlusion", "occlusion_centre", "occlusion_border"]


def noisy(name: str, level: float, images: np.ndarray = WHITE) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=IDS[: len(images)])


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("level", [0.1, 0.25, 0.9])
@pytest.mark.parametrize("images", [WHITE, ODD])
def test_patches_cover_exactly_the_stated_area(name, level, images):
    covered = (noisy(name, level, images) != 1).any(axis=3).sum(axis=(1, 2))
    np.testing.assert_array_equal(covered, np.floor(level * images[0, :, :, 0].size + 0.5))


@pytest.mark.parametrize("name", [*EXACT, "black_rows", "black_columns"])
def test_what_is_covered_stays_covered_as_the_level_grows(name):
    covered = [noisy(name, level) != 1 for level in (0.05, 0.2, 0.5, 1.0)]
    assert all((small <= large).all() for small, large in pairwise(covered))
    assert covered[-1].any(axis=3).all()


def test_an_occlusion_is_one_grey_square():
    image = noisy("occlusion", 49 / 1024)[0, :, :, 0]
    rows, columns = np.nonzero(image == 0.5)
    assert len(rows) == 49
    assert np.ptp(rows) <= 8
    assert np.ptp(columns) <= 8


@pytest.mark.parametrize("side", [2, 10, 30])
def test_a_central_occlusion_is_a_square_in_the_middle(side):
    expected = WHITE.copy()
    edge = (32 - side) // 2
    expected[:, edge : edge + side, edge : edge + side] = 0.5
    np.testing.assert_array_equal(noisy("occlusion_centre", (side / 32) ** 2), expected)


@pytest.mark.parametrize("wide", [1, 4, 9])
def test_an_occluded_border_is_a_frame_of_even_width(wide):
    expected = np.full_like(ODD, 0.5)
    expected[:, wide:-wide, wide:-wide] = 1
    level = 1 - (20 - 2 * wide) * (27 - 2 * wide) / (20 * 27)
    np.testing.assert_array_equal(noisy("occlusion_border", level, ODD), expected)


@pytest.mark.parametrize(("name", "inside"), [("occlusion_border", 0), ("occlusion_centre", 30 * 30)])
def test_a_ring_is_covered_clockwise_from_the_top(name, inside):
    """A quarter of the outermost ring: the right half of the top row, and the right column down to the middle."""
    covered = noisy(name, (inside + 31) / 1024)[0, :, :, 0] != 1
    quarter = np.zeros((32, 32), bool)
    quarter[0, 16:] = quarter[:16, 31] = True
    quarter[1:31, 1:31] = inside > 0
    np.testing.assert_array_equal(covered, quarter)


def test_the_first_pixel_of_a_border_is_the_upper_middle_one():
    covered = noisy("occlusion_border", 1 / (20 * 27), ODD) != 1
    assert np.argwhere(covered[0, :, :, 0]).tolist() == [[0, 13]]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        *((name, 1 / 320) for name in (*EXACT, "dead_pixels")),
        *(("black_rows", 1 / 16), ("black_columns", 1 / 20), ("dropped_blocks", 1 / 64)),
        *(("stripes", 1 / 255), ("checkerboard", 1 / 255)),
    ],
)
def test_images_change_in_the_middle_between_steps_alone(name, step):
    assert noise.find(name).step(16, 20) == pytest.approx(step)
    images = np.random.default_rng(0).integers(60, 120, (8, 16, 20, 3), dtype=np.uint8)
    for middle in (0.5 * step, 3.5 * step, 20.5 * step if step < 0.04 else 7.5 * step):
        before, after, far = (noisy(name, middle + by * step, images) for by in (-0.02, 0.02, 0.98))
        assert not np.array_equal(before, after)
        np.testing.assert_array_equal(after, far)


def test_a_grid_has_no_steps():
    assert noise.find("grid").step(16, 20) == 0


def test_patches_are_as_often_wider_as_higher_and_at_most_twice():
    logarithms = []
    for image in noisy("colour_patches", 0.1, np.ones((30, 96, 96, 3), np.float32)):
        for colour in np.unique(image.reshape(-1, 3), axis=0):
            rows, columns = np.nonzero((image == colour).all(axis=2))
            box = np.ptp(rows) + 1, np.ptp(columns) + 1
            if len(rows) == np.prod(box) and min(rows.min(), columns.min(), 95 - rows.max(), 95 - columns.max()) > 0:
                logarithms.append(np.log2(box[1] / box[0]))  # whole, neither covered nor cut by the border
    assert len(logarithms) > 40
    assert abs(np.median(logarithms)) < 0.35
    assert 0.7 < np.abs(logarithms).max() < 1.3


def test_patches_have_several_colours():
    image = noisy("colour_patches", 0.5)[0].reshape(-1, 3)
    assert 5 <= len(np.unique(image, axis=0)) <= 9


def test_a_box_turned_by_a_right_angle_is_as_wide_as_it_was_high():
    place = np.full((1, 1, 2), 0.4, np.float32)
    form, none = np.full((1, 1), 1.7, np.float32), np.zeros((1, 1), np.float32)
    turned, owner = nearest_box((1, 24, 30, 3), place, form, none + np.float32(np.pi / 2))
    np.testing.assert_allclose(turned, nearest_box((1, 24, 30, 3), place, 1 / form, none)[0], atol=1e-4)
    assert not owner.any()


def test_each_pixel_belongs_to_the_nearest_box():
    place = np.random.default_rng(0).random((2, 5, 2), np.float32)
    form, angle = np.random.default_rng(1).random((2, 2, 5), np.float32) + np.float32(0.5)
    nearest, owner = nearest_box((2, 9, 14, 3), place, form, angle)
    alone = np.stack(
        [nearest_box((2, 9, 14, 3), *(part[:, k : k + 1].copy() for part in (place, form, angle)))[0] for k in range(5)]
    )
    np.testing.assert_array_equal(nearest, alone.min(axis=0))
    np.testing.assert_array_equal(owner, alone.argmin(axis=0))


@pytest.mark.parametrize(("name", "axis"), [("black_rows", 2), ("black_columns", 1)])
def test_whole_lines_are_black_in_the_stated_number(name, axis):
    black = (noisy(name, 0.25) == 0).all(axis=3)
    lines = black.all(axis=axis)
    np.testing.assert_array_equal(lines.sum(axis=1), 8)
    np.testing.assert_array_equal(black.sum(axis=(1, 2)), 8 * 32)


@pytest.mark.parametrize("images", [WHITE, ODD])
@pytest.mark.parametrize("level", [0.003, 0.19, 0.5, 0.97])
def test_a_grid_covers_the_stated_area_at_every_phase(images, level):
    np.testing.assert_allclose(noisy("grid", level, images).mean(axis=(1, 2, 3)), 1 - level, atol=1e-5)


def test_a_grid_repeats_after_a_quarter_of_the_side_and_only_grows():
    grids = [noisy("grid", level) for level in (0.02, 0.1, 0.4, 0.8, 1.0)]
    for axis in (1, 2):
        np.testing.assert_allclose(grids[1], np.roll(grids[1], 8, axis=axis), atol=1e-5)
    assert all((large <= small + 1e-6).all() for small, large in pairwise(grids))
    assert (grids[2].max(axis=(1, 2, 3)) > 0.9).all()


def test_grid_lines_are_as_wide_as_the_area_asks():
    black = noisy("grid", 1 - 0.5**2)[..., 0] < 1e-5  # half of each period: 4 of 8 pixels, one may be shared
    lines = black.all(axis=2).sum(axis=1)
    assert set(lines) <= {12, 16}
    assert 12 in lines


def test_lines_of_a_grid_lie_about_their_phase():
    """Four periods of 8 pixels; a quarter of each is covered, half a period or a quarter after its beginning."""
    for phase, first in ((0.5, 3), (0.25, 1), (0.3125, 1.5)):
        places = np.arange(16) / 2  # half pixels
        covered = ((places >= first) & (places < first + 2)).reshape(8, 2).mean(axis=1)
        found = _line_shares(32, 0.25, np.array([phase]))
        np.testing.assert_allclose(found, np.tile(covered, 4)[None], atol=1e-6)


def test_stripes_are_bars_of_an_eighth_of_the_side_that_run_down_or_across():
    pattern = noisy("stripes", 0.3, WHITE / 2)[..., 0] - np.float32(0.5)
    np.testing.assert_allclose(abs(pattern), 0.3, atol=1e-6)
    across = (pattern == pattern[:, :, :1]).all(axis=(1, 2))
    down = (pattern == pattern[:, :1]).all(axis=(1, 2))
    assert (across ^ down).all()
    assert 5 < across.sum() < 25
    for image, runs_down in zip(pattern, down, strict=True):
        wave = np.sign(image[0] if runs_down else image[:, 0])
        np.testing.assert_array_equal(wave, -np.roll(wave, 4))
        assert (wave != np.roll(wave, 1)).sum() == 8


def test_a_checkerboard_changes_sign_after_an_eighth_of_the_side():
    pattern = noisy("checkerboard", 0.3, WHITE / 2)[..., 0] - np.float32(0.5)
    np.testing.assert_allclose(abs(pattern), 0.3, atol=1e-6)
    for axis in (1, 2):
        np.testing.assert_array_equal(pattern, -np.roll(pattern, 4, axis=axis))
    rank_one = pattern[:, :, :1] * pattern[:, :1] * np.sign(pattern[:, :1, :1]) / np.float32(0.3)
    np.testing.assert_allclose(pattern, rank_one, atol=1e-6)


def test_patterns_have_random_phases():
    for name in ("grid", "stripes", "checkerboard"):
        assert len(np.unique(noisy(name, 0.3, WHITE / 2), axis=0)) > 8


@pytest.mark.parametrize("level", [0.01, 0.3, 1.0])
def test_dead_pixels_are_black_or_white_in_all_channels(level):
    grey = WHITE / 2
    image = noisy("dead_pixels", level, grey)
    dead = (image != 0.5).any(axis=3)
    np.testing.assert_array_equal(dead.sum(axis=(1, 2)), round(level * 1024))
    assert (image[dead].min(axis=1) == image[dead].max(axis=1)).all()
    assert set(np.unique(image[dead])) == {0, 1}
    assert image[dead].mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(dead.sum()))


def _block_of(shape: tuple[int, int]) -> np.ndarray:
    """Number of the block that each pixel belongs to."""
    rows, columns = (np.arange(side) * 8 // side for side in shape)
    return rows[:, None] * 8 + columns


@pytest.mark.parametrize("shape", [(32, 32), (20, 27), (8, 8)])
def test_the_stated_number_of_blocks_is_lost_and_the_rest_stays(shape):
    unique = np.linspace(0.6, 1, 30 * shape[0] * shape[1], dtype=np.float32).reshape(30, *shape)
    images = np.repeat(unique[..., None], 3, axis=3)
    changed = (noisy("dropped_blocks", 0.25, images) != images).all(axis=3)
    block = _block_of(shape)
    whole = [[changed[n][block == b].mean() for b in range(64)] for n in range(30)]
    lost = np.array(whole) > 0
    # a block that shows another place may happen to show itself
    assert lost.sum() > 0.97 * 16 * 30
    assert (lost.sum(axis=1) <= 16).all()
    assert (np.array(whole)[lost] == 1).all()


def test_a_lost_block_is_grey_or_its_left_neighbour_or_another_place():
    image = np.linspace(0.6, 1, 1024, dtype=np.float32).reshape(1, 32, 32, 1)
    images = np.repeat(image, 30, axis=0)
    shown = noisy("dropped_blocks", 1.0, images)[..., 0]
    fates, moves = {"grey": 0, "left": 0, "elsewhere": 0}, set()
    for n in range(30):
        for i, j in np.ndindex(8, 8):
            seen = shown[n, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            if (seen == 0.5).all():
                fates["grey"] += 1
                continue
            row, column = np.argwhere(image[0, :, :, 0] == seen[0, 0])[0]
            np.testing.assert_array_equal(seen, np.roll(image[0, :, :, 0], (-row, -column), (0, 1))[:4, :4])
            fates["left" if (row, column) == (4 * i, (4 * j - 4) % 32) else "elsewhere"] += 1
            moves.add(((row - 4 * i) % 32, (column - 4 * j) % 32))
    for count in fates.values():
        assert count == pytest.approx(640, abs=5 * np.sqrt(1920 * 2 / 9))
    rows, columns = np.array(list(moves)).T
    assert len(set(rows)) == len(set(columns)) == 32


def test_blocks_lost_at_one_level_look_the_same_at_larger_ones():
    images = np.random.default_rng(0).random((30, 24, 40, 3), np.float32)
    small, large = noisy("dropped_blocks", 0.2, images), noisy("dropped_blocks", 0.7, images)
    gone = (small != images).any(axis=3)
    np.testing.assert_array_equal(large[gone], small[gone])


@given(level=st.floats(0, 1), size=st.integers(1, 200), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_smallest_marks_the_stated_number_even_among_ties(level, size, seed):
    field = np.random.default_rng(seed).integers(0, 5, (3, size)).astype(np.float32)
    marked = smallest(field, level)
    assert set(marked.sum(axis=1)) == {int(np.floor(level * size + 0.5))}
    for row, hit in zip(field, marked, strict=True):
        assert not hit.any() or hit.all() or row[hit].max() <= row[~hit].min()


@given(
    values=st.lists(
        st.floats(0, 2.0**99, width=32, allow_subnormal=False) | st.sampled_from([0.0, 0.25, 1.0]),
        min_size=1,
        max_size=300,
    ),
    level=st.floats(0, 1),
)
@settings(max_examples=100, deadline=None)
def test_smallest_marks_what_a_stable_sort_puts_first(values, level):
    field = np.array([values], np.float32)
    expected = np.zeros(len(values), bool)
    expected[np.argsort(field[0], kind="stable")[: int(np.floor(level * len(values) + 0.5))]] = True
    np.testing.assert_array_equal(smallest(field, level)[0], expected)

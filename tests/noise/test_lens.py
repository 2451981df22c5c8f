from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label as components
from scipy.stats import kstest, rankdata

import noise
from noise.lens import _border_depth, cover, equalise

COUNT = 100
IDS = [str(number) for number in range(COUNT)]
BLACK = np.zeros((COUNT, 32, 32, 3), np.float32)
WHITE = BLACK + 1
SCENES = np.random.default_rng(0).random((COUNT, 32, 32, 3), np.float32)
GROWING = (0.02, 0.1, 0.3, 0.6, 1.0)


def noisy(name: str, level: float, images: np.ndarray = SCENES) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=IDS[: len(images)])


def covered(name: str, level: float) -> np.ndarray:
    """How much of each pixel is covered: what is lost of the difference of white and black."""
    return 1 - (noisy(name, level, WHITE) - noisy(name, level, BLACK))[..., 0]


@pytest.mark.parametrize("name", ["dirt", "spatter"])
@pytest.mark.parametrize("level", [0.02, 0.1, 0.5, 0.95, 1.0])
def test_each_image_is_covered_in_the_stated_share_of_its_area(name, level):
    np.testing.assert_allclose(covered(name, level).mean(axis=(1, 2)), level, atol=0.006)


@pytest.mark.parametrize("name", ["frost", "dirt", "spatter"])
def test_what_is_covered_stays_covered_as_the_level_grows(name):
    layers = [covered(name, level) for level in GROWING]
    assert all((earlier <= later + 1e-5).all() for earlier, later in pairwise(layers))
    assert layers[0].mean() < 0.03
    assert layers[-1].mean() > 0.8


@pytest.mark.parametrize("name", ["dirt", "spatter"])
def test_specks_lie_anywhere(name):
    where = covered(name, 0.2).mean(axis=0)
    for axis in (0, 1):
        np.testing.assert_allclose(where.mean(axis=axis), 0.2, atol=0.08)


def test_mud_has_its_colour_and_leaves_the_rest():
    spattered = noisy("spatter", 0.3)
    full, none = covered("spatter", 0.3) > 1 - 1e-6, covered("spatter", 0.3) < 1e-6
    assert full.mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(spattered[full], np.tile([63 / 255, 42 / 255, 20 / 255], (full.sum(), 1)), atol=1e-5)
    np.testing.assert_array_equal(spattered[none], SCENES[none])


def test_dirt_comes_in_fewer_and_softer_specks_than_mud():
    dirt, mud = covered("dirt", 0.15), covered("spatter", 0.15)
    specks, drops = (np.mean([components(image > 0.5)[1] for image in layer]) for layer in (dirt, mud))
    assert 1 < specks < drops < 40
    assert np.mean((dirt > 0.05) & (dirt < 0.95)) > 1.5 * np.mean((mud > 0.05) & (mud < 0.95))


@given(level=st.floats(0, 1), softness=st.floats(0.01, 0.5))
@settings(max_examples=50, deadline=None)
def test_cover_has_the_mean_of_its_level_and_grows_with_it(level, softness):
    rank = ((np.arange(4096, dtype=np.float32) + 0.5) / 4096)[None, None]
    layer = cover(rank, level, softness)
    assert layer.mean() == pytest.approx(level, abs=2e-4)
    assert (cover(rank, min(level + 0.01, 1), softness) >= layer - 1e-5).all()


def test_equalised_fields_are_uniform_in_the_same_order():
    fields = np.random.default_rng(1).standard_normal((3, 40, 50)).astype(np.float32)
    for field, rank in zip(fields, equalise(fields), strict=True):
        expected = (rankdata(field).reshape(field.shape) - 0.5) / field.size
        assert np.abs(rank - expected).mean() < 0.01
        order = np.argsort(field, axis=None)
        assert (np.diff(rank.reshape(-1)[order]) >= -1e-6).all()
        assert rank.min() >= 0
        assert rank.max() <= 1


def test_equalising_a_constant_field_stays_finite():
    assert np.isfinite(equalise(np.ones((1, 8, 8), np.float32))).all()


def test_frost_is_thicker_near_the_border_and_bluish_white():
    frosted = noisy("frost", 0.3, BLACK)
    ice = frosted.mean(axis=(0, 3))
    border = np.concatenate([ice[:3].ravel(), ice[-3:].ravel(), ice[:, :3].ravel(), ice[:, -3:].ravel()])
    assert border.mean() > 1.5 * ice[11:21, 11:21].mean()
    assert (frosted[..., 2] >= frosted[..., 1]).all()
    assert (frosted[..., 1] >= frosted[..., 0]).all()


def test_depth_is_the_distance_to_the_nearest_border_as_a_share_of_half_that_side():
    depth = _border_depth(9, 13)
    assert depth[:, 6].tolist() == [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]
    assert depth[4].tolist() == pytest.approx(
        [0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1, 5 / 6, 2 / 3, 1 / 2, 1 / 3, 1 / 6, 0]
    )
    assert depth[2, 11] == pytest.approx(1 / 6)
    assert depth[2, 6] == 0.5


def test_frost_is_of_the_two_colours_of_ice():
    """On black, a pixel is a mixture of the film's (0.78, 0.86, 0.94) and the needles' (0.95, 0.98, 1)."""
    frosted = noisy("frost", 0.6, BLACK)
    red, green, blue = np.moveaxis(frosted[frosted[..., 2] > 0.2], 1, 0)
    assert (red / blue).min() == pytest.approx(0.78 / 0.94, abs=0.002)
    assert (red / blue).max() == pytest.approx(0.95, abs=0.02)
    part = (red / blue - 0.78 / 0.94) / (0.95 - 0.78 / 0.94)
    np.testing.assert_allclose(green / blue, 0.86 / 0.94 + part * (0.98 - 0.86 / 0.94), atol=2e-3)


def test_frost_grows_from_the_border_and_covers_the_middle_last():
    film = noisy("frost", 0.12, BLACK)[..., 2].mean(axis=0)
    assert film[16, 16] < 0.35 * film[[0, 31], 16].mean()
    assert film[16, 16] < 0.35 * film[16, [0, 31]].mean()


def test_frost_has_needles_finer_than_its_film():
    """Fine detail, as photographs of frost have it: pixels differ from their neighbours."""
    ice = noisy("frost", 0.6, BLACK)[..., 1]
    assert np.abs(np.diff(ice, axis=1)).mean() > 0.15 * ice.std()


@pytest.mark.parametrize("name", ["glare", "lens_flare"])
def test_light_never_darkens_and_grows(name):
    lit = [noisy(name, level) for level in (0.05, 0.1, 0.3, 0.8)]
    assert all((less <= more).all() for less, more in pairwise([SCENES, *lit]))
    assert lit[-1].mean() > lit[0].mean()


@pytest.mark.parametrize("level", [0.1, 0.25])
def test_glare_saturates_a_disc_of_its_radius_and_falls_with_the_square_of_the_distance(level):
    size = 64
    veil = noisy("glare", level, np.zeros((COUNT, size, size, 1), np.float32))[..., 0]
    rows, columns = np.mgrid[:size, :size]
    whole = 0
    for image in veil:
        spot = image == 1
        row, column = rows[spot].mean(), columns[spot].mean()
        if min(row, column, size - 1 - row, size - 1 - column) < level * size + 1:
            continue  # cut by the border
        whole += 1
        assert spot.sum() == pytest.approx(np.pi * (level * size) ** 2, rel=0.12)
        distance = np.hypot(rows - row, columns - column)[~spot] / size
        np.testing.assert_allclose(image[~spot], (level / distance) ** 2, rtol=0.15)
    assert whole > 10


def test_glare_and_flare_come_from_anywhere():
    veil = noisy("glare", 0.02, BLACK)[..., 0].reshape(COUNT, -1)
    rows, columns = np.divmod(veil.argmax(axis=1), 32)
    assert kstest((rows + 0.5) / 32, "uniform").pvalue > 0.01
    assert kstest((columns + 0.5) / 32, "uniform").pvalue > 0.01


def flare(level: float = 1.0) -> np.ndarray:
    return noisy("lens_flare", level, np.zeros((COUNT, 64, 64, 3), np.float32))


def test_a_flare_is_proportional_to_its_level():
    faint, half = flare(0.05), flare(0.025)
    np.testing.assert_allclose(faint, 2 * half, atol=1e-6)


def test_ghosts_of_a_flare_lie_on_the_line_from_the_light_through_the_centre():
    light = flare(0.1)
    coloured = np.ptp(light, axis=3)  # star and streaks are white
    rows, columns = np.mgrid[:64, :64] - 31.5
    for image, hue in zip(light, coloured, strict=True):
        brightest = np.unravel_index(np.where(hue > 0, 0, image[..., 0]).argmax(), (64, 64))
        direction = np.array([rows[brightest], columns[brightest]])
        direction /= np.linalg.norm(direction)
        away = np.abs(rows * direction[1] - columns * direction[0])
        assert (away * hue).sum() / hue.sum() < 0.1 * 64
        assert away[hue > 0].max() < 0.2 * 64


def test_a_flare_has_a_level_streak():
    light = flare(1.0).max(axis=3)
    assert np.ptp(light.sum(axis=2), axis=1).mean() > 1.2 * np.ptp(light.sum(axis=1), axis=1).mean()


@pytest.mark.parametrize("name", ["frost", "dirt", "spatter", "glare", "lens_flare"])
def test_one_channel_gets_the_mean_colour(name):
    grey = noisy(name, 0.3, BLACK[..., :1])
    np.testing.assert_allclose(grey[..., 0], noisy(name, 0.3, BLACK).mean(axis=3), atol=0.02)

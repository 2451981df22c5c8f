import io

import numpy as np
import pytest
from PIL import Image

import noise
from noise.distortion import measure
from pipelines.reports.gallery import (
    FAMILIES,
    Layout,
    Strip,
    Tile,
    by_family,
    draw_gallery,
    equal_levels,
    sample_signs,
    shown_sign,
    strips_of,
    to_png,
)


@pytest.fixture(scope="module")
def signs():
    return sample_signs()


def kinds(*names):
    return [noise.find(name) for name in names]


def strip(title, family, *colours, side=8):
    return Strip(title, family, tuple(Tile(np.full((side, side, 3), colour, np.uint8), "0.1") for colour in colours))


@pytest.mark.parametrize("name", ["gaussian", "occlusion", "rotation", "low_light"])
def test_noise_at_its_equal_level_has_the_similarity_asked_for(signs, name):
    images, ids = signs
    asked = [0.9, 0.7, 0.5]
    levels = equal_levels(noise.find(name), images, ids, asked)
    assert levels == sorted(levels)
    noisy = noise.disturb(noise.find(name), images, levels, image_ids=ids)
    assert measure(images, noisy)["ssim"].mean(axis=1) == pytest.approx(asked, abs=0.01)


def test_a_range_that_does_not_go_so_far_has_no_such_level(signs):
    slight, huge = equal_levels(noise.find("desaturation"), *signs, [0.9, 0.1])
    assert 0 < slight < 1
    assert huge == np.inf


def test_tiles_show_the_sign_at_the_levels_below_them(signs):
    (only,) = strips_of(kinds("gaussian"), (0.9, 0.5), clean=True)
    assert only.tiles[0].caption == "clean"
    np.testing.assert_array_equal(only.tiles[0].pixels, shown_sign())
    levels = equal_levels(noise.find("gaussian"), *signs, (0.9, 0.5))
    assert [tile.caption for tile in only.tiles[1:]] == [f"{level:.2g}" for level in levels]
    changes = [np.abs(tile.pixels.astype(float) - shown_sign()).mean() for tile in only.tiles]
    assert changes == sorted(changes)


def test_a_noise_that_never_shows_so_much_is_shown_at_its_end():
    (only,) = strips_of(kinds("desaturation"), (0.1,))
    assert only.tiles[0].caption == "max 1"
    grey = only.tiles[0].pixels
    assert np.ptp(grey.astype(int), axis=-1).max() == 0


def test_families_stay_together_in_a_fixed_order_and_unknown_ones_come_last():
    own = noise.Noise("own", "mine", "share", 0.0, 1.0, "here", lambda images, level, random: images * (1 - level))
    found = by_family([own, *kinds("rotation", "gaussian", "fog", "shot")])
    assert [kind.name for kind in found] == ["gaussian", "shot", "fog", "rotation", "own"]
    assert {kind.family for kind in noise.catalogue().values()} == set(FAMILIES)


def test_pixels_are_magnified_as_squares_at_their_place():
    red, blue = (255, 0, 0), (0, 0, 255)
    layout = Layout(columns=2, zoom=3, text=10)
    picture = np.asarray(draw_gallery([strip("a", "one", red, blue), strip("b", "one", blue, red)], layout))
    reds, blues = (np.all(picture == colour, axis=-1) for colour in (red, blue))
    assert reds.sum() == blues.sum() == 2 * 24 * 24
    rows = np.flatnonzero(reds.any(axis=1))
    assert rows.tolist() == list(range(rows[0], rows[0] + 24))
    first, last = np.flatnonzero(reds.any(axis=0))[[0, -1]]
    assert blues[rows[0], first + 26]
    assert last == first + layout.width(strip("a", "one", red, blue)) + layout.gap + 26 + 23


def test_nothing_is_cut_off_or_overlaps():
    layout = Layout(columns=2, zoom=3, text=10)
    strips = [strip(str(n), "one" if n < 3 else "two", (255, 0, 0), side=16) for n in range(4)]
    picture = np.asarray(draw_gallery(strips, layout, "title\nmore", np.full((16, 16, 3), (0, 0, 255), np.uint8)))
    assert np.all(picture == (255, 0, 0), axis=-1).sum() == len(strips) * 48 * 48
    assert np.all(picture == (0, 0, 255), axis=-1).sum() == 48 * 48
    paper = picture[-1, -1]
    assert np.all(picture[-4:] == paper)
    assert np.all(picture[:, -layout.gap // 2 :] == paper)


def test_png_is_the_same_each_time_and_has_a_palette():
    found = [to_png(draw_gallery(strips_of(kinds("rain", "fog"), (0.8, 0.5)), Layout(columns=2))) for _ in range(2)]
    assert found[0] == found[1]
    assert Image.open(io.BytesIO(found[0])).mode == "P"

import numpy as np
import pytest
from scipy.stats import sem, t
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import noise
from noise.distortion import (
    MEASURES,
    blue_yellow_sensitivity,
    luminance_sensitivity,
    measure,
    red_green_sensitivity,
)

LUMA = np.array([0.299, 0.587, 0.114])


def smooth_images(count: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    """Images of slow waves and an edge, which SSIM does not find trivial."""
    random = np.random.default_rng(height * width)
    rows, columns = np.mgrid[:height, :width]
    phase = random.uniform(0, 6, (count, 1, 1, channels))
    waves = np.sin(rows[None, :, :, None] / 5 + phase) * np.cos(columns[None, :, :, None] / 7 - phase)
    edge = (columns > width // 2)[None, :, :, None] * random.uniform(0, 80, (count, 1, 1, channels))
    return np.clip(90 + 60 * waves + edge, 0, 255).astype(np.uint8)


def disturbed(clean: np.ndarray, sigma: float = 20.0) -> np.ndarray:
    change = np.random.default_rng(1).normal(0, sigma, clean.shape)
    return np.clip(clean + change, 0, 255).astype(np.uint8)


@pytest.fixture
def pair():
    clean = smooth_images(6, 32, 32)
    return clean, disturbed(clean)


def test_an_equal_image_shows_nothing(pair):
    clean, _ = pair
    found = measure(clean, clean)
    for name in ("l0", "l1", "l2", "linf"):
        np.testing.assert_array_equal(found[name], 0.0)
    for name in ("psnr", "csf_psnr"):
        np.testing.assert_array_equal(found[name], np.inf)
    np.testing.assert_array_equal(found["ssim"], 1.0)


def test_norms_are_their_formulas(pair):
    clean, noisy = pair
    found, change = measure(clean, noisy), (noisy.astype(float) - clean) / 255
    np.testing.assert_allclose(found["l0"], (change != 0).any(axis=3).mean(axis=(1, 2)))
    np.testing.assert_allclose(found["l1"], np.abs(change).mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(found["l2"], np.sqrt((change**2).mean(axis=(1, 2, 3))))
    np.testing.assert_allclose(found["linf"], np.abs(change).max(axis=(1, 2, 3)))
    expected = [peak_signal_noise_ratio(x, y) for x, y in zip(clean, noisy, strict=True)]
    np.testing.assert_allclose(found["psnr"], expected)


def test_one_black_pixel_counts_as_one_pixel_and_reaches_255():
    clean = np.full((1, 10, 20, 3), 255, np.uint8)
    noisy = clean.copy()
    noisy[0, 4, 5] = 0
    found = {name: float(value[0]) for name, value in measure(clean, noisy).items()}
    assert found["l0"] == pytest.approx(1 / 200)
    assert found["l1"] == pytest.approx(1 / 200)
    assert found["l2"] == pytest.approx(np.sqrt(1 / 200))
    assert found["linf"] == 1.0


@pytest.mark.parametrize("shape", [(32, 32), (11, 40), (64, 48)])
@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_agrees_with_scikit_image(shape, channels):
    clean = smooth_images(3, *shape, channels)
    noisy = disturbed(clean)
    found = measure(clean, noisy)["ssim"]
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": -1}
    for index in range(len(clean)):
        x, y = clean[index] / 255, noisy[index] / 255
        assert found[index] == pytest.approx(structural_similarity(x, y, data_range=1.0, **settings), abs=1e-9)


def test_a_colour_turned_into_another_of_equal_luma_shows():
    clean, noisy = np.full((2, 1, 32, 32, 3), 60, np.uint8)
    clean[0, 8:24, 8:24] = (200, 60, 60)
    noisy[0, 8:24, 8:24] = (60, 94, 252)
    assert abs(float(((noisy.astype(float) - clean) @ LUMA).max())) < 1
    assert measure(clean, noisy)["ssim"][0] < 0.7


def test_an_image_smaller_than_the_window_gets_the_largest_odd_window_that_fits():
    clean = smooth_images(1, 9, 9, 1)
    noisy = disturbed(clean)
    x, y = clean[0, :, :, 0] / 255, noisy[0, :, :, 0] / 255
    line = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
    weights = np.outer(line, line) / line.sum() ** 2
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    spread_x, spread_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
    shared = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mean_x * mean_y + c1) * (2 * shared + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (spread_x + spread_y + c2)
    assert measure(clean, noisy)["ssim"][0] == pytest.approx(expected)


@pytest.mark.parametrize("size", [8, 12, 33])
def test_a_slow_change_of_grey_counts_in_full(size):
    clean = np.full((1, size, size + 3, 3), 100, np.uint8)
    found = measure(clean, clean + np.uint8(20))
    assert found["csf_psnr"][0] == pytest.approx(found["psnr"][0], abs=1e-4)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_slow_change_of_one_colour_counts_as_its_luma_and_both_its_differences(channel):
    """Y, Cb = 0.5 (B - Y) / (1 - 0.114) and Cr = 0.5 (R - Y) / (1 - 0.299) of BT.601."""
    clean = np.full((1, 16, 16, 3), 100, np.uint8)
    noisy = clean.copy()
    noisy[..., channel] += 51
    red, _, blue = change = 0.2 * np.eye(3)[channel]
    luma = LUMA @ change
    energy = luma**2 + (0.5 * (blue - luma) / 0.886) ** 2 + (0.5 * (red - luma) / 0.701) ** 2
    assert measure(clean, noisy)["csf_psnr"][0] == pytest.approx(-10 * np.log10(energy), abs=1e-4)


def grating(period: int, colour: np.ndarray, height: int = 64, width: int = 64) -> np.ndarray:
    wave = np.cos(2 * np.pi * (np.arange(width) + 0.5) / period)
    return (128 + np.round(60 * wave)[None, :, None] * colour * np.ones((height, 1, 1))).astype(np.uint8)[None]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 64), (64, 32)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_grating_loses_what_the_eye_does_not_pass(height, width, turned):
    """Its frequency is in cycles a longer side, whichever side it runs along."""
    clean = np.full((1, height, width, 3), 128, np.uint8)
    for period in (32, 8, 4):
        noisy = grating(period, np.ones(3), height, width)
        found = measure(*(each.swapaxes(1, 2) if turned else each for each in (clean, noisy)))
        passed = 10 ** ((found["psnr"] - found["csf_psnr"]) / 20)
        assert passed[0] == pytest.approx(luminance_sensitivity(64 / period), rel=0.02)


@pytest.mark.parametrize(
    ("colour", "sensitivity"),
    [
        ((1.0, -0.299 / 0.587, 0.0), red_green_sensitivity),  # neither luma nor Cb
        ((0.0, -0.114 / 0.587, 1.0), blue_yellow_sensitivity),  # neither luma nor Cr
    ],
)
def test_a_grating_of_one_colour_passes_by_the_sensitivity_to_it(colour, sensitivity):
    clean = np.full((1, 64, 64, 3), 128, np.uint8)
    coarse, fine = (measure(clean, grating(period, np.array(colour)))["csf_psnr"][0] for period in (32, 8))
    assert 10 ** ((coarse - fine) / 20) == pytest.approx(sensitivity(8.0) / sensitivity(2.0), rel=0.05)


def test_fine_colour_shows_less_than_fine_grey_and_less_than_coarse_colour():
    clean = np.full((1, 64, 64, 3), 128, np.uint8)
    red_green = np.array([1.0, -0.299 / 0.587, 0.0])
    coarse, fine = (measure(clean, grating(period, red_green)) for period in (32, 4))
    grey = measure(clean, grating(4, np.ones(3)))
    lost = {name: float((found["csf_psnr"] - found["psnr"])[0]) for name, found in
            {"coarse": coarse, "fine": fine, "grey": grey}.items()}  # fmt: skip
    assert lost["fine"] > lost["grey"] + 6
    assert lost["fine"] > lost["coarse"] + 12


def test_sensitivities_are_the_published_curves():
    frequency = np.array([10.0, 20.0, 40.0])
    mannos = 2.6 * (0.0192 + 0.114 * frequency) * np.exp(-((0.114 * frequency) ** 1.1))
    np.testing.assert_allclose(luminance_sensitivity(frequency), mannos / 0.9809, rtol=1e-4)
    assert luminance_sensitivity(0.0) == luminance_sensitivity(7.8) == 1.0
    for curve in (red_green_sensitivity, blue_yellow_sensitivity):
        assert curve(0.0) == 1.0
        assert np.all(np.diff(curve(np.linspace(0, 30, 50))) < 0)
    assert red_green_sensitivity(4.0) == pytest.approx(
        (109.1413 * 0.957094 + 93.59711 * 0.928504) / 202.73841, rel=1e-3
    )
    assert blue_yellow_sensitivity(4.0) == pytest.approx(
        (7.032845 * 0.998538 + 40.69095 * 0.360200) / 47.723795, rel=1e-3
    )


def test_values_do_not_depend_on_the_batch(pair, monkeypatch):
    clean, noisy = pair
    levels = np.stack([clean, noisy, disturbed(clean, 50)])
    whole = measure(clean, levels)
    monkeypatch.setattr("noise.distortion.CHUNK_VALUES", 1)
    for name, values in measure(clean, levels).items():
        np.testing.assert_array_equal(values, whole[name])
    for index in range(len(clean)):
        alone = measure(clean[index : index + 1], levels[1, index : index + 1])
        for name in MEASURES:
            assert alone[name][0] == whole[name][1, index]


def test_leading_axes_are_kept(pair):
    clean, noisy = pair
    found = measure(clean, np.broadcast_to(noisy, (2, 3, *noisy.shape)))
    assert {values.shape for values in found.values()} == {(2, 3, len(clean))}
    assert {str(values.dtype) for values in found.values()} == {"float64"}
    assert list(found) == list(MEASURES)


def test_more_noise_shows_more_on_every_measure():
    clean = smooth_images(20, 24, 24)
    names = [f"image {index}" for index in range(len(clean))]
    noisy = noise.disturb(noise.find("gaussian"), clean, [0.0, 0.05, 0.2, 0.5], image_ids=names)
    found = measure(clean, noisy)
    for name, one in MEASURES.items():
        means = np.array([one.average(values)[0] for values in found[name]])
        distances = one.to_distance(means)
        assert np.all(np.diff(distances) >= 0), name
        assert distances[0] == pytest.approx(0, abs=1e-6)
        assert (means[-1] > means[0]) == one.rises


@pytest.mark.parametrize("name", MEASURES)
def test_distances_have_a_way_back(name):
    one, distance = MEASURES[name], np.array([0.0, 0.1, 0.7, np.inf])
    np.testing.assert_allclose(one.to_distance(one.from_distance(distance[:3])), distance[:3], atol=1e-12)
    assert np.isinf(one.from_distance(distance))[3]


def test_decibels_are_averaged_as_errors():
    mean, low, high = MEASURES["psnr"].average([np.inf, 20.0, 10.0])
    assert mean == pytest.approx(-10 * np.log10((0 + 0.01 + 0.1) / 3))
    assert low < mean < high


def test_the_interval_of_a_mean_is_that_of_student():
    values = np.array([0.1, 0.2, 0.4])
    mean, *ends = MEASURES["l2"].average(values + 0.5, confidence=0.8)
    assert mean == pytest.approx(0.7 / 3 + 0.5)
    assert ends == pytest.approx(t.interval(0.8, 2, loc=mean, scale=sem(values)))


def test_the_interval_of_a_mean_does_not_leave_the_range_of_a_measure():
    assert MEASURES["l1"].average([0.0, 0.0, 0.3])[1] == 0.0
    assert MEASURES["ssim"].average([1.0, 1.0, 0.7])[2] == 1.0
    assert MEASURES["psnr"].average([np.inf, np.inf, 20.0])[2] == np.inf
    assert MEASURES["ssim"].average([-0.1, -0.1, 0.9])[1] == -0.1


def test_the_interval_of_a_mean_covers_it():
    random = np.random.default_rng(0)
    draws = random.gamma(2.0, 0.1, (2000, 40))
    ends = np.array([MEASURES["l2"].average(row)[1:] for row in draws])
    covered = np.mean((ends[:, 0] <= 0.2) & (ends[:, 1] >= 0.2))
    assert 0.92 < covered < 0.97


def test_one_image_has_no_interval():
    mean, low, high = MEASURES["ssim"].average([0.7])
    assert mean == 0.7
    assert np.isnan([low, high]).all()


def test_wrong_images_are_named(pair):
    clean, noisy = pair
    with pytest.raises(ValueError, match="want uint8"):
        measure(clean, noisy.astype(np.float32))
    with pytest.raises(ValueError, match="noisy: want"):
        measure(clean, noisy[:-1])
    with pytest.raises(ValueError, match="clean: want"):
        measure(clean[..., :2], noisy[..., :2])
    with pytest.raises(ValueError, match="clean: want"):
        measure(clean[:0], noisy[:0])
    with pytest.raises(ValueError, match="noisy: want"):
        measure(clean, np.concatenate([noisy, noisy[:1]]))

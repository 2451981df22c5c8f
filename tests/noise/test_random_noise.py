from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from skimage.util import random_noise

import noise
from noise.random_noise import NORMAL_LIMIT, _count, _poisson_scores

GREY = np.full((200, 16, 16, 3), 0.5, np.float32)
IDS = [str(number) for number in range(len(GREY))]
NATURAL = np.random.default_rng(0).beta(1.0, 1.6, (200, 32, 32, 3)).astype(np.float32)

CIFAR_10_C = {
    "gaussian_noise": [0.04, 0.06, 0.08, 0.09, 0.10],
    "shot_noise": [500, 250, 100, 75, 50],
    "impulse_noise": [0.01, 0.02, 0.03, 0.05, 0.07],
    "speckle_noise": [0.06, 0.1, 0.12, 0.16, 0.2],
}


def added(name: str, level: float, images: np.ndarray = GREY) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=IDS).astype(float) - images


def unclipped(name: str, level: float = 0.01) -> np.ndarray:
    """The field that is added at level 1, from a level at which nothing is clipped."""
    return added(name, level).ravel() / level


def test_gaussian_adds_a_normal_of_that_sigma():
    values = added("gaussian", 0.1)
    assert values.mean() == pytest.approx(0, abs=0.001)
    assert values.std() == pytest.approx(0.1, rel=0.01)
    kurtosis = np.mean(values**4) / np.mean(values**2) ** 2
    assert kurtosis == pytest.approx(3, abs=0.05)


def test_uniform_fills_its_width():
    values = added("uniform", 0.3)
    assert np.abs(values).max() <= 0.3 + 1e-6
    assert values.std() == pytest.approx(0.3 / np.sqrt(3), rel=0.01)


def test_laplace_noise_has_its_distribution_and_deviation():
    values = unclipped("laplace")
    assert stats.kstest(values, stats.laplace(scale=np.sqrt(0.5)).cdf).pvalue > 0.001
    assert values.std() == pytest.approx(1, rel=0.015)
    assert stats.kurtosis(values) == pytest.approx(3, abs=0.3)


def test_student_noise_has_4_degrees_of_freedom_and_its_deviation():
    values = unclipped("student_t", 1e-3)
    assert stats.kstest(values, stats.t(df=4, scale=np.sqrt(0.5)).cdf).pvalue > 0.001
    assert np.mean(np.abs(values)) == pytest.approx(stats.t(df=4).expect(np.abs) * np.sqrt(0.5), rel=0.01)
    far = np.abs(values) > 5
    assert np.mean(far) == pytest.approx(2 * stats.t(df=4).sf(5 * np.sqrt(2)), rel=0.15)  # 1,800 times a normal's


def test_shot_noise_has_the_mean_and_variance_of_photons():
    value = np.repeat([0.02, 0.1, 0.3, 0.6], 50).astype(np.float32)
    images = np.broadcast_to(value[:, None, None, None], GREY.shape)
    for severity, level in noise.find("shot").severities.items():
        photons = [500, 250, 100, 75, 50][severity - 1]
        counts = (added("shot", level, images) + images) * photons
        np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)
        for start in range(0, 200, 50):
            group, mean = counts[start : start + 50].ravel(), float(value[start]) * photons
            assert group.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / group.size))
            assert group.var() == pytest.approx(mean, rel=5 * np.sqrt((2 + 1 / mean) / group.size))


@pytest.mark.parametrize("mean", [0.05, 0.3, 1.0, 2.5, 3.99, 4.0, 4.01, 6.0, 15.0, 100.0, 1e4])
def test_counts_of_photons_are_quantiles_of_the_poisson_distribution(mean):
    scores = np.linspace(-5, 5, 20_001).astype(np.float32)
    photon = np.float32(1 / max(mean, 1))
    counted = np.empty_like(scores)
    _count(np.full_like(scores, mean * photon), photon, scores, _poisson_scores(), counted)
    expected = stats.poisson(mean).ppf(stats.norm.cdf(scores.astype(float)))
    wrong = np.rint(counted / photon) != expected
    assert np.abs(np.rint(counted / photon) - expected).max() <= 1
    assert np.average(wrong, weights=stats.norm.pdf(scores)) < 0.006


def test_shot_noise_stays_the_same_field_from_level_to_level():
    near, far = added("shot", 0.1), added("shot", 0.3)
    assert np.corrcoef(near.ravel(), far.ravel())[0, 1] > 0.95
    below, above = added("shot", NORMAL_LIMIT * 0.999), added("shot", NORMAL_LIMIT * 1.001)
    assert np.abs(below - above).max() < 3e-5
    assert (added("shot", 0.3, np.zeros_like(GREY)) == 0).all()


def test_salt_pepper_hits_the_stated_share_half_black_half_white():
    values = added("salt_pepper", 0.2) + 0.5
    assert np.mean(values == 0) == pytest.approx(0.1, abs=0.003)
    assert np.mean(values == 1) == pytest.approx(0.1, abs=0.003)
    assert np.mean(values == 0.5) == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("name", ["salt_pepper", "impulse"])
def test_impulses_only_spread_as_the_level_grows(name):
    noisy = [added(name, level) for level in (0.1, 0.3, 0.7, 1.0)]
    for small, large in pairwise(noisy):
        np.testing.assert_array_equal(large[small != 0], small[small != 0])
    assert np.mean(noisy[-1] != 0) > 0.999


def test_impulses_are_uniform_on_the_stated_share():
    values = (added("impulse", 0.3) + 0.5).ravel()
    hit = values[values != 0.5]
    assert len(hit) / len(values) == pytest.approx(0.3, abs=0.005)
    assert stats.kstest(hit, stats.uniform.cdf).pvalue > 0.001


def test_speckle_grows_with_the_value():
    dark, light = np.full_like(GREY, 0.1), np.full_like(GREY, 0.5)
    spread = [np.std(noise.apply("speckle", image, 0.2, image_ids=IDS)) for image in (dark, light)]
    assert spread == pytest.approx([0.02, 0.1], rel=0.01)


@pytest.mark.parametrize(
    ("name", "level", "peer"),
    [
        ("gaussian", 0.1, {"mode": "gaussian", "var": 0.1**2}),
        ("speckle", 0.2, {"mode": "speckle", "var": 0.2**2}),
        ("salt_pepper", 0.07, {"mode": "s&p", "amount": 0.07}),
    ],
)
def test_noise_has_the_moments_of_scikit_image_s_within_2_per_cent(name, level, peer):
    theirs = random_noise(NATURAL, rng=1, **peer) - NATURAL
    ours = added(name, level, NATURAL)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.001)
    for power in (1, 2, 4):
        assert np.mean(np.abs(ours) ** power) == pytest.approx(np.mean(np.abs(theirs) ** power), rel=0.02)


def test_pink_noise_has_its_level_and_more_power_in_long_waves():
    images = np.full((200, 32, 32, 3), 0.5, np.float32)
    field = noise.apply("pink", images, 0.05, image_ids=IDS).astype(float) - 0.5
    np.testing.assert_allclose(field.std(axis=(1, 2)), 0.05, rtol=0.01)
    power = np.mean(np.abs(np.fft.fft2(field, axes=(1, 2))) ** 2, axis=(0, 3))
    frequency = 32 * np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32))
    octaves = [power[(frequency >= low) & (frequency < 2 * low)].sum() for low in (2, 4, 8)]
    np.testing.assert_allclose(octaves, octaves[0], rtol=0.15)


@pytest.mark.parametrize(("name", "along"), [("row_noise", (2, 3)), ("column_noise", (1, 3))])
def test_fixed_patterns_have_one_offset_a_line(name, along):
    images = np.random.default_rng(1).uniform(0.4, 0.6, (200, 20, 28, 3)).astype(np.float32)
    field = noise.apply(name, images, 0.05, image_ids=IDS).astype(float) - images
    assert np.ptp(field, axis=along).max() < 1e-6
    offsets = field.mean(axis=along)
    assert offsets.shape[1] == (20 if name == "row_noise" else 28)
    assert offsets.std() == pytest.approx(0.05, rel=0.03)
    assert stats.kstest(offsets.ravel() / 0.05, stats.norm.cdf).pvalue > 0.001
    lag = np.corrcoef(offsets[:, 1:].ravel(), offsets[:, :-1].ravel())[0, 1]
    assert lag == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("level", [0.05, 0.25, 1.0])
def test_quantised_values_are_the_nearest_multiples_of_the_step(level):
    quantised = added("quantisation", level, NATURAL) + NATURAL
    np.testing.assert_allclose(quantised / level, np.rint(quantised / level), atol=1e-5)
    assert np.abs(quantised - NATURAL).max() <= level / 2 + 1e-6


def test_the_error_of_a_fine_quantiser_is_uniform():
    error = added("quantisation", 1 / 16, NATURAL)
    assert error.std() == pytest.approx(1 / 16 / np.sqrt(12), rel=0.02)


@pytest.mark.parametrize("level", [5e-324, 1e-30, 1e-8])
@pytest.mark.parametrize("name", ["shot", "quantisation"])
def test_the_slightest_levels_change_next_to_nothing(name, level):
    assert np.abs(added(name, level, NATURAL)).max() < 1e-6


def of_cifar_10_c(corruption: str, severity: int) -> np.ndarray:
    """The corruption of NATURAL by the formula and the constants that CIFAR-10-C was made with."""
    random = np.random.default_rng(severity)
    constant = CIFAR_10_C[corruption][severity - 1]
    if corruption == "gaussian_noise":
        corrupted = NATURAL + random.normal(scale=constant, size=NATURAL.shape)
    elif corruption == "shot_noise":
        corrupted = random.poisson(NATURAL * constant) / constant
    elif corruption == "speckle_noise":
        corrupted = NATURAL + NATURAL * random.normal(scale=constant, size=NATURAL.shape)
    else:
        corrupted = random_noise(NATURAL, mode="s&p", amount=constant, rng=severity)
    return np.clip(corrupted, 0, 1)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("corruption", CIFAR_10_C)
def test_severities_disturb_as_much_as_cifar_10_c_within_2_per_cent(corruption, severity):
    (kind,) = (kind for kind in noise.catalogue().values() if kind.corruption == corruption)
    ours = added(kind.name, kind.severities[severity], NATURAL)
    theirs = of_cifar_10_c(corruption, severity) - NATURAL
    assert np.sqrt(np.mean(ours**2)) == pytest.approx(np.sqrt(np.mean(theirs**2)), rel=0.02)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.001)

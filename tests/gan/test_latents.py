import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gan.latents import DIMENSIONS, LATENTS, latent

VECTORS = [name for name, kind in LATENTS.items() if kind.kind == "vector"]
MAPS = [name for name, kind in LATENTS.items() if kind.kind == "map"]
IMAGES = [name for name, kind in LATENTS.items() if kind.kind == "image"]


def draw(name: str, n: int, size: int = 32, seed: int = 0, images: np.ndarray | None = None) -> np.ndarray:
    return latent(name).sample(n, size, np.random.default_rng(seed), images=images)


def signs(n: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", LATENTS)
@settings(max_examples=10)
@given(n=st.integers(1, 5), size=st.sampled_from([16, 32, 48, 64]), seed=st.integers(0, 2**32))
def test_the_shape_is_as_announced_and_the_generator_decides_all(name: str, n: int, size: int, seed: int) -> None:
    images = signs(n, size)
    first, again, other = (draw(name, n, size, key, images) for key in (seed, seed, seed + 1))
    assert first.shape == (n, *latent(name).shape(size))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (name in ("edges", "blurred", "pictogram"))


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("uniform", stats.uniform(-np.sqrt(3), 2 * np.sqrt(3))),
        ("gaussian", stats.norm()),
        ("truncated_gaussian", stats.truncnorm(-2, 2)),
    ],
)
def test_independent_values_follow_their_distribution(name: str, oracle: stats.rv_continuous) -> None:
    values = draw(name, 500).ravel()
    assert stats.kstest(values, oracle.cdf).pvalue > 0.01
    assert np.abs(values).max() <= oracle.ppf(1) + 1e-6
    assert values.std() == pytest.approx(oracle.std(), rel=0.01)


@pytest.mark.parametrize("name", [name for name in VECTORS if name != "truncated_gaussian"])
def test_vectors_have_mean_0_and_variance_1(name: str) -> None:
    z = draw(name, 20_000)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(z.var(axis=0), 1, atol=0.06)


def test_the_sphere_has_the_radius_of_a_gaussian_and_no_preferred_direction() -> None:
    z = draw("spherical", 20_000)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), np.sqrt(DIMENSIONS), rtol=1e-5)
    directions = np.linalg.eigvalsh(np.cov(z.T))
    assert 0.8 < directions.min() < directions.max() < 1.2


def test_the_mixture_has_16_modes_far_apart() -> None:
    z = draw("mixture", 400)
    near = np.linalg.norm(z[:, None] - z[None], axis=2) < 12  # about 8 in a mode, 16 or more between modes
    members = {tuple(row) for row in near}
    assert len(members) == 16
    assert np.sum([np.array(row) for row in members], axis=0).max() == 1


@pytest.mark.parametrize("name", MAPS)
def test_maps_have_mean_0_variance_1_and_unlike_channels(name: str) -> None:
    maps = draw(name, 40)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(maps.var(axis=(1, 2)), 1, atol=1e-3)
    fields = maps.transpose(0, 3, 1, 2).reshape(120, -1)
    unlike = np.corrcoef(fields)[np.triu_indices(120, 1)]
    assert np.abs(unlike).max() < 0.95
    assert abs(unlike.mean()) < 0.02


@pytest.mark.parametrize("size", [32, 48])
def test_band_limited_maps_have_no_wave_beyond_4_cycles(size: int) -> None:
    power = np.abs(np.fft.fft2(draw("band_limited", 3, size), axes=(1, 2))) ** 2
    cycles = size * np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    inside = (cycles > 0) & (cycles <= 4)
    assert power[:, ~inside].sum() < 1e-6 * power.sum()
    assert (power[:, inside].mean(axis=(0, 2)) > 0).all()


@pytest.mark.parametrize("name", IMAGES)
def test_images_lie_in_their_range_and_the_signs_are_unchanged(name: str) -> None:
    images = signs(4, 32)
    before = images.copy()
    made = draw(name, 4, images=images)
    assert -1 <= made.min() < made.max() <= 1
    np.testing.assert_array_equal(images, before)


def test_edges_are_where_the_luminance_changes() -> None:
    images = np.full((1, 16, 16, 3), 40, np.uint8)
    assert (draw("edges", 1, 16, images=images) == -1).all()
    images[:, :, 8:] = 200
    edges = draw("edges", 1, 16, images=images)[0, :, :, 0]
    np.testing.assert_allclose(edges[:, 7:9], 1, atol=1e-5)
    np.testing.assert_array_equal(np.delete(edges, [7, 8], axis=1), -1)


def test_noisy_blurred_and_given_images() -> None:
    grey = np.full((8, 32, 32, 3), 128, np.uint8)
    assert draw("noisy", 8, images=grey).std() == pytest.approx(2 * 0.2, rel=0.03)
    rough = signs(8, 32)
    assert draw("blurred", 8, images=rough).std() < 0.2 * draw("pictogram", 8, images=rough).std()
    np.testing.assert_array_equal(np.rint((draw("pictogram", 8, images=rough) + 1) * 127.5), rough)


@pytest.mark.parametrize("images", [None, np.zeros((2, 16, 16, 3), np.uint8), np.zeros((1, 32, 32, 3), np.uint8)])
def test_images_that_are_missing_or_of_another_shape(images: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match=r"edges is made from images: give uint8 \(2, 32, 32, 3\)"):
        draw("edges", 2, images=images)


def test_an_unknown_name_names_the_choices() -> None:
    with pytest.raises(ValueError, match=r"no latent worley; choose one of uniform, gaussian, .*pictogram"):
        latent("worley")

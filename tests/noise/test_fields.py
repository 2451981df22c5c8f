import numpy as np
import pytest

from noise import fields
from noise.keyed import KeyedRandom


def keyed(count: int = 60) -> KeyedRandom:
    return KeyedRandom(0, "fields", [str(number) for number in range(count)])


def radial_spectrum(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean power (H, W) of fields (N, H, W), and the frequency of each wave in cycles a pixel."""
    height, width = images.shape[1:]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    return frequency, np.mean(np.abs(np.fft.fft2(images)) ** 2, axis=0)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("shape", [(64, 64), (33, 48), (40, 31)])
def test_the_spectrum_of_a_power_law_has_its_slope_in_every_direction(exponent, shape):
    field = fields.power_law(keyed(), (*shape, 3), exponent).astype(float)
    frequency, power = radial_spectrum(np.moveaxis(field, 3, 1).reshape(-1, *shape))
    band = (frequency > 0) & (frequency <= 0.5)
    slope, _ = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)
    assert slope == pytest.approx(-exponent, abs=0.05)
    relative = power[band] * frequency[band] ** exponent
    assert np.std(relative) / np.mean(relative) < 0.2  # 180 fields: 0.07 for waves, 0.11 for those that are real
    assert power[~band].max() < 1e-6 * power[band].max()


def test_a_power_law_has_mean_0_and_variance_1_in_each_channel():
    field = fields.power_law(keyed(), (21, 32, 3), 2.0).astype(float)
    np.testing.assert_allclose(field.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(field.std(axis=(1, 2)), 1, rtol=1e-5)


def test_the_channels_of_a_power_law_are_independent():
    field = fields.power_law(keyed(500), (16, 16, 3), 1.0).reshape(500, -1, 3)
    correlation = np.mean([np.corrcoef(image.T) for image in field], axis=0)
    np.testing.assert_allclose(correlation, np.eye(3), atol=0.03)


def test_gradient_noise_on_a_lattice_matches_its_formula():
    random = keyed(3)
    made = fields.perlin(random, (12, 20), cells=3)
    random.replay()
    angles = 2 * np.pi * random.uniform((6, 8)).astype(float)
    shifts = random.uniform((2,)).astype(float)

    def fade(t: float) -> float:
        return 6 * t**5 - 15 * t**4 + 10 * t**3

    for n, y, x in [(0, 0, 0), (1, 7, 13), (2, 11, 19)]:
        place = (np.array([y, x]) + 0.5) / 4 + shifts[n]
        cell = np.floor(place).astype(int)
        expected = 0.0
        for corner in ([0, 0], [0, 1], [1, 0], [1, 1]):
            angle = angles[n, cell[0] + corner[0], cell[1] + corner[1]]
            distance = place - cell - corner
            expected += (
                np.array([np.sin(angle), np.cos(angle)]) @ distance * np.prod([fade(1 - abs(d)) for d in distance])
            )
        assert made[n, y, x] == pytest.approx(expected, abs=1e-5)


def test_gradient_noise_is_centred_bounded_and_smooth():
    field = fields.perlin(keyed(400), (32, 32), cells=4).astype(float)
    assert np.abs(field).max() <= np.sqrt(0.5) + 1e-6
    assert field.mean() == pytest.approx(0, abs=0.005)
    assert np.abs(np.diff(field, axis=2)).max() < 0.35  # an eighth of a cell; white noise would reach 1.4
    np.testing.assert_allclose(field.var(axis=0), field.var(), rtol=0.35)  # no place is special


def test_octaves_add_finer_noise_of_half_the_amplitude():
    one, two = (fields.perlin(keyed(), (32, 32), cells=4, octaves=octaves) for octaves in (1, 2))
    finer = (two - one).astype(float)
    assert finer.std() == pytest.approx(0.5 * one.std(), rel=0.1)
    steps = [np.diff(field, axis=2).std() / field.std() for field in (one, finer)]
    assert steps[1] == pytest.approx(2 * steps[0], rel=0.2)


def test_unit_amplitude_scales_each_field_by_its_own_largest_value():
    field = np.random.default_rng(0).normal(size=(5, 9, 7)).astype(np.float32)
    field[3] = 0
    scaled = fields.unit_amplitude(field, 2)
    largest = np.abs(field).max(axis=(1, 2), keepdims=True)
    expected = np.divide(field, largest, out=np.zeros_like(field), where=largest > 0)
    np.testing.assert_array_equal(scaled, np.repeat(expected[..., None], 2, axis=3))
    np.testing.assert_array_equal(np.abs(scaled).max(axis=(1, 2, 3)), [1, 1, 1, 0, 1])


@pytest.mark.parametrize(
    "make",
    [
        lambda random: fields.power_law(random, (15, 16, 3), 1.0),
        lambda random: fields.perlin(random, (15, 16), cells=2, octaves=3),
    ],
)
def test_a_field_is_its_image_s_own(make):
    together = make(keyed(9))
    alone = make(KeyedRandom(0, "fields", ["7"]))
    np.testing.assert_array_equal(together[7], alone[0])

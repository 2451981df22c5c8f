import numpy as np
import pytest

from benchmarks.image_statistics import STATISTICS, l2

CLEAN = np.full((200, 32, 32, 3), 0.5)
WHITE = np.random.default_rng(0).normal(size=CLEAN.shape) * 0.1


def of(name, clean, changed):
    return STATISTICS[name].of(clean, changed).mean()


def test_white_normal_noise_has_its_moments_and_a_flat_spectrum():
    changed = CLEAN + WHITE
    assert of("mean", CLEAN, changed) == pytest.approx(0, abs=1e-3)
    assert of("deviation", CLEAN, changed) == pytest.approx(0.1, rel=0.01)
    assert of("kurtosis", CLEAN, changed) == pytest.approx(0, abs=0.02)
    assert of("neighbours", CLEAN, changed) == pytest.approx(0, abs=0.01)
    assert of("slope", CLEAN, changed) == pytest.approx(0, abs=0.05)


def test_a_power_law_has_its_exponent():
    frequency = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32))
    frequency[0, 0] = np.inf
    waves = np.fft.fft2(WHITE[..., 0]) / frequency
    field = np.fft.ifft2(waves).real[..., None]
    assert of("slope", np.zeros_like(field), field) == pytest.approx(-2, abs=0.05)


def test_l2_and_shares_of_a_known_change():
    changed = CLEAN.copy()
    changed[:, :8, :, 0] += 0.2
    assert l2(CLEAN, changed) == pytest.approx(0.2 * (1 / 12) ** 0.5)
    assert of("values", CLEAN, changed) == pytest.approx(1 / 12)
    assert of("pixels", CLEAN, changed) == pytest.approx(1 / 4)


def test_a_band_that_is_halved_loses_six_decibels_there_and_none_elsewhere():
    x = np.arange(32)
    middle, fine = np.sin(2 * np.pi * 6 * x / 32), np.sin(2 * np.pi * 12 * x / 32)
    clean, changed = (
        np.broadcast_to(wave[:, None, None], (1, 32, 32, 3)) for wave in (middle + fine, middle + fine / 2)
    )
    assert of("middle", clean, changed) == pytest.approx(0, abs=1e-6)
    assert of("fine", clean, changed) == pytest.approx(-20 * np.log10(2))


def test_brightness_and_contrast_are_of_the_result():
    changed = np.clip(CLEAN + 0.1, 0, 1)
    changed[:, ::2] -= 0.2
    assert of("brightness", CLEAN, changed) == pytest.approx(0.5)
    assert of("contrast", CLEAN, changed) == pytest.approx(0.1)

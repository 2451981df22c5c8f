from itertools import pairwise

import numpy as np
import pytest

import noise

GREY = np.full((200, 16, 16, 3), 0.5, np.float32)
IDS = [str(number) for number in range(len(GREY))]


def added(name: str, level: float) -> np.ndarray:
    return noise.apply(name, GREY, level, image_ids=IDS).astype(float) - 0.5


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


def test_salt_pepper_hits_the_stated_share_half_black_half_white():
    values = added("salt_pepper", 0.2) + 0.5
    assert np.mean(values == 0) == pytest.approx(0.1, abs=0.003)
    assert np.mean(values == 1) == pytest.approx(0.1, abs=0.003)
    assert np.mean(values == 0.5) == pytest.approx(0.8, abs=0.005)


def test_salt_pepper_only_spreads_as_the_level_grows():
    changed = [added("salt_pepper", level) != 0 for level in (0.1, 0.3, 0.7)]
    assert all((small <= large).all() for small, large in pairwise(changed))


def test_speckle_grows_with_the_value():
    dark, light = np.full_like(GREY, 0.1), np.full_like(GREY, 0.5)
    spread = [np.std(noise.apply("speckle", image, 0.2, image_ids=IDS)) for image in (dark, light)]
    assert spread == pytest.approx([0.02, 0.1], rel=0.01)

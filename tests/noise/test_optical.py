import cv2
import numpy as np
import pytest

import noise


def noisy(name: str, level: float, images: np.ndarray) -> np.ndarray:
    return noise.apply(name, images, level, image_ids=[str(number) for number in range(len(images))])


def test_a_blurred_point_has_the_variance_of_its_kernel():
    point = np.zeros((1, 33, 33, 3), np.float32)
    point[0, 16, 16] = 1
    spread = noisy("gaussian_blur", 1.5, point)[0, :, :, 0].astype(float)
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    variance = (spread.sum(axis=1) * (np.arange(33) - 16) ** 2).sum()
    assert variance == pytest.approx(1.5**2, rel=0.01)


def test_blur_does_not_depend_on_opencv_threads():
    images = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    many = noisy("gaussian_blur", 2.0, images)
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        np.testing.assert_array_equal(noisy("gaussian_blur", 2.0, images), many)
    finally:
        cv2.setNumThreads(before)

"""Intervals of means: of few independent values, and of the accuracy of networks that answer the same images."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit


def t_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent values, and its interval by Student's t.

    Args:
        values: (n,).
        confidence: Of the interval.

    Returns:
        Mean, low, high; NaN where there are too few values: a mean takes one, an interval two.
    """
    each = np.asarray(values, np.float64)
    mean = float(each.mean()) if len(each) else np.nan
    if len(each) < 2:
        return mean, np.nan, np.nan
    half = float(stdtrit(len(each) - 1, (1 + confidence) / 2) * each.std(ddof=1) / np.sqrt(len(each)))
    return mean, mean - half, mean + half


def accuracy_interval(
    correct: ArrayLike, *, groups: ArrayLike | None = None, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Mean accuracy of networks trained alike but for their seeds, and its interval over other seeds and other images.

    All networks answer the same images: seeds and images are crossed. Student's t takes the variance between seeds,
    which holds what images do to one network alone; what they do to all networks alike is normal and comes on top, as
    squares of independent margins add up (Zou and Donner 2008). The sum, never less than the doubt by images alone, is
    put into Wilson's interval as the number of independent answers that it is worth, after Korn and Graubard (1998).
    In the simulations of its tests it covers 94 to 98%; Student's t alone, which forgets the images, 80% of 6 seeds
    that do not differ; a crossed bootstrap (Owen 2007), which takes the seeds for all there are, 79% of 3 that do.

    Args:
        correct: (seeds, images) bool.
        groups: (images,) such as tracks, drawn whole; None takes images as independent.
        confidence: Of the interval.

    Returns:
        Mean, low, high; NaN where there are too few networks: a mean takes one, an interval two.

    Raises:
        ValueError: not a table of networks and images.
    """
    right = np.asarray(correct, np.float64)
    if right.ndim != 2 or not right.size:
        raise ValueError(f"correct: shape {right.shape}; give (seeds, images)")
    seeds, images = right.shape
    mean = float(right.mean())
    if seeds < 2:
        return mean, np.nan, np.nan
    normal, student = ndtri((1 + confidence) / 2), stdtrit(seeds - 1, (1 + confidence) / 2)
    of_seeds = right.mean(axis=1).var(ddof=1) / seeds
    of_images, of_both = _image_variances(right, groups)
    margin = max(normal**2 * of_images, student**2 * of_seeds + normal**2 * (of_images - of_both))
    worth = min(normal**2 * mean * (1 - mean) / margin, right.size) if margin else images
    return mean, *_wilson(mean, worth, normal)


def _image_variances(right: NDArray[np.float64], groups: ArrayLike | None) -> tuple[float, float]:
    """Variance of the mean by the images, and the part of it that is of one network alone."""
    seeds, images = right.shape
    _, group = np.unique(np.arange(images) if groups is None else np.asarray(groups), return_inverse=True)
    off = right - right.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(group, each) for each in off]) / images
    widened = sums.shape[1] / max(sums.shape[1] - 1, 1)
    return widened * float((sums.mean(axis=0) ** 2).sum()), widened * float(sums.var(axis=0, ddof=1).sum()) / seeds


def _wilson(rate: float, count: float, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a rate of `count` independent answers."""
    square = quantile**2 / count
    centre = (rate + square / 2) / (1 + square)
    half = quantile / (1 + square) * np.sqrt(rate * (1 - rate) / count + square / (4 * count))
    return float(centre - half), float(centre + half)

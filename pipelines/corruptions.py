"""The errors of CIFAR-10-C (Hendrycks and Dietterich 2019): a curve read at five severities of each corruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from noise import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noise import Noise

EXTRA = ("gaussian_blur", "saturate", "spatter", "speckle_noise")
"""Corruptions that published means leave out: they are kept for validation."""
SEVERITIES = 5


def corruption_errors(curves: pd.DataFrame, kinds: Mapping[str, Noise] | None = None) -> pd.DataFrame:
    """The error rate at each corruption and severity whose level the grid has measured.

    Args:
        curves: of `pipelines.analysis.analyse`.
        kinds: the noises by name; the catalogue by default.

    Returns:
        A row each: corruption, severity, noise, level, error (share of the images that are wrong), low and high (95%
        interval), usual (whether published means count the corruption).
    """
    known = catalogue() if kinds is None else kinds
    wanted = [
        {"corruption": kind.corruption, "severity": severity, "noise": kind.name, "level": level}
        for kind in known.values()
        for severity, level in kind.severities.items()
    ]
    table = pd.DataFrame(wanted, columns=["corruption", "severity", "noise", "level"])
    found = table.merge(curves[["noise", "level", "accuracy", "low", "high"]], on=["noise", "level"])
    errors = 1 - found[["accuracy", "high", "low"]].to_numpy()
    found[["error", "low", "high"]] = errors
    found["usual"] = ~found["corruption"].isin(EXTRA)
    order = ["corruption", "severity"]
    return found.drop(columns="accuracy").sort_values(order, ignore_index=True)


def mean_corruption_error(errors: pd.DataFrame) -> dict[str, float]:
    """Mean error over corruptions and severities: of the 15 that are published, and of all 19; none if one is missing.

    It is the plain mean of CIFAR-10-C's tables; ImageNet-C's mCE divides by AlexNet's errors, which GTSRB has not.
    """
    whole = errors.groupby("corruption").filter(lambda rows: len(rows) == SEVERITIES)
    usual = whole[whole["usual"]]
    means = {"mean_corruption_error": (usual, 15), "mean_corruption_error_19": (whole, 19)}
    return {
        name: float(rows["error"].mean())
        for name, (rows, corruptions) in means.items()
        if rows["corruption"].nunique() == corruptions
    }

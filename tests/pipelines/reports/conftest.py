"""A simulated analysis of ten noises: curves of known thresholds, censored at both ends, with and without a fit."""

import numpy as np
import pandas as pd
import pytest

from pipelines.analysis import Analysis
from pipelines.reports.strips import Strip

CLASSES = 43
IMAGES = 6315
# name: (unit, last level, level at which half of clean accuracy is left; None where a fit was not possible)
NOISES = {
    "gaussian": ("sigma on the [0, 1] scale", 0.5, 0.128),
    "uniform": ("half-width on the [0, 1] scale", 0.5, 0.24),
    "salt_pepper": ("share of the pixels", 0.4, 0.081),
    "speckle": ("sigma on the [0, 1] scale", 1.0, 0.42),
    "colour_patches": ("share of the area", 1.0, 0.37),
    "black_rows": ("share of the rows", 1.0, 0.29),
    "black_columns": ("share of the columns", 1.0, 0.03),
    "gaussian_blur": ("sigma in pixels", 4.0, 2.35),
    "occlusion": ("share of the area", 1.0, 0.31),
    "brightness": ("added on the [0, 1] scale", 0.3, 3.0),
}


@pytest.fixture(scope="session")
def class_names():
    return [f"Speed limit ({10 * c} km/h)" if c < 9 else f"Sign of the kind number {c}" for c in range(CLASSES)]


@pytest.fixture(scope="session")
def levels():
    return {name: tuple(np.linspace(0, last, 11)) for name, (_, last, _) in NOISES.items()}


@pytest.fixture(scope="session")
def analysis(levels, class_names):
    """Ten noises: "brightness" never fails, "black_columns" fails before its first level, "speckle" has no fit."""
    random = np.random.default_rng(7)
    curves, thresholds, per_class = [], [], []
    for name, (unit, _, half) in NOISES.items():
        curves.append(curve_table(name, unit, np.array(levels[name]), half, random))
        thresholds += threshold_rows(name, unit, np.array(levels[name]), half)
        per_class += class_rows(name, unit, np.array(levels[name]), half, class_names, random)
    return Analysis(
        curves=pd.concat(curves, ignore_index=True),
        thresholds=pd.DataFrame(thresholds),
        per_class=pd.DataFrame(per_class),
        class_metrics=pd.DataFrame(),
    )


@pytest.fixture(scope="session")
def few(analysis):
    """The part of the analysis with one noise of each kind, quick to draw."""
    return keep(analysis, ("gaussian", "black_columns", "speckle", "brightness"))


@pytest.fixture(scope="session")
def strip(levels):
    return make_strip(levels["gaussian"], np.random.default_rng(3).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8))


def keep(analysis, names):
    """The same analysis with these noises alone."""
    tables = (analysis.curves, analysis.thresholds, analysis.per_class)
    return Analysis(*(table[table["noise"].isin(names)] for table in tables), analysis.class_metrics)


def make_strip(steps, pictures):
    """Noise of rising strength on `pictures`; each sign is taken for class 1 from one column on."""
    random = np.random.default_rng(5)
    field = random.normal(size=pictures.shape)
    images = np.stack([pictures / 255 + level * field for level in steps], axis=1)
    labels = np.arange(2, 2 + len(pictures))
    fooled = np.arange(len(steps))[None, :] >= 3 + np.arange(len(pictures))[:, None]
    return Strip(
        images=(255 * images.clip(0, 1)).round().astype(np.uint8),
        levels=tuple(float(step) for step in steps),
        predicted=np.where(fooled, 1, labels[:, None]),
        labels=labels,
    )


def survival(level, half):
    return 1 / (1 + (level / half) ** 3.2)


def curve_table(name, unit, steps, half, random):
    accuracy = 0.989 * survival(steps, half) + 0.02 * (1 - survival(steps, half))
    accuracy[1:] += random.normal(0, 0.004, len(steps) - 1)
    error = 1.96 * np.sqrt(accuracy * (1 - accuracy) / IMAGES).clip(0.001)
    table = pd.DataFrame({"noise": name, "unit": unit, "level": steps, "level_index": range(len(steps)), "n": IMAGES})
    table["accuracy"], table["low"], table["high"] = accuracy, accuracy - error, accuracy + error
    table["monotone"] = np.minimum.accumulate(accuracy)
    table["fitted"] = np.nan if name == "speckle" else 0.989 * survival(steps, half * 1.01)
    table["precision_macro"] = (accuracy * 0.97 + 0.02).clip(0, 1)
    table["recall_macro"], table["f1_macro"] = accuracy * 0.98, accuracy * 0.965
    table["fpr_macro"] = (1 - accuracy) / 42
    table["mcnemar_p"], table["significant"] = 1e-9, accuracy < 0.97
    return table


def crossing_row(steps, value, spread):
    if value > steps[-1]:
        return {"threshold": np.inf, "low": np.inf, "high": np.inf, "censored": "above"}
    if value < steps[1]:
        return {"threshold": steps[1], "low": steps[0], "high": steps[1], "censored": "below"}
    high = value * (1 + spread)
    row = {"threshold": value, "low": value * (1 - spread), "high": high if high <= steps[-1] else np.inf}
    return row | {"censored": ""}


def threshold_rows(name, unit, steps, half):
    shared = {"noise": name, "unit": unit, "n": IMAGES, "groups": IMAGES, "method": "isotonic, bootstrap"}
    begins = half * (1 / 0.9 - 1) ** (1 / 3.2)
    rows = [
        shared | {"criterion": "begins"} | crossing_row(steps, begins, 0.04),
        shared | {"criterion": "fails"} | crossing_row(steps, half, 0.02),
    ]
    first = next((step for step in steps[1:] if survival(step, half) < 0.98), np.inf)
    censored = "" if np.isfinite(first) else "above"
    mcnemar = {"threshold": first, "low": np.nan, "high": np.nan, "censored": censored, "method": "McNemar, Holm"}
    return [*rows, shared | {"criterion": "significant"} | mcnemar]


def class_rows(name, unit, steps, half, class_names, random):
    rows = []
    for c, class_name in enumerate(class_names):
        support = 30 if c % 5 == 0 else 150 + 7 * c
        value = half * np.exp(random.normal(0, 0.35) + (c - 21) / 120)
        shared = {"class": c, "class_name": class_name, "support": support, "noise": name, "unit": unit}
        shared |= {"criterion": "fails", "n": support, "groups": support, "method": "isotonic, bootstrap"}
        rows.append(shared | crossing_row(steps, value, 1.4 / np.sqrt(support)))
    return rows

"""A simulated analysis of ten noises: curves of known thresholds, censored at both ends, with and without a fit."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from noise import find
from noise.distortion import MEASURES
from noise.levels import NoiseLevels
from pipelines.analysis import Analysis
from pipelines.failures import analyse_failures
from pipelines.failures.margins import image_thresholds
from pipelines.reports.strips import Strip
from pipelines.study import Study
from pipelines.visibility import equal_visibility, rank_agreement, slight_and_huge, slightest

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
def grid(levels):
    return tuple(NoiseLevels(find(name), steps) for name, steps in levels.items())


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
def study(few, grid, class_names):
    """What a grid of the four noises comes to, on 300 simulated images."""
    return make_study(few, [part for part in grid if part.kind.name in set(few.thresholds["noise"])], class_names)


@pytest.fixture(scope="session")
def families():
    return {name: find(name).family for name in NOISES}


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
    shared |= {"sampling_error": 0.02, "interpolation_error": 0.01}
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
        shared |= {"sampling_error": 0.02, "interpolation_error": 0.01}
        rows.append(shared | crossing_row(steps, value, 1.4 / np.sqrt(support)))
    return rows


def make_study(analysis, parts, class_names):
    """Tables as a grid makes them, from simulated answers and distortions; `analysis` stays as it is."""
    random = np.random.default_rng(11)
    label = np.arange(300) % len(class_names)
    predictions = {"clean": answer_rows("clean", [0.0], label, np.ones((1, 300)), random)}
    for part in parts:
        half = NOISES[part.kind.name][2]
        right = random.uniform(size=300) < survival(np.array(part.levels[1:]), half)[:, None]
        predictions[part.kind.name] = answer_rows(part.kind.name, part.levels[1:], label, right, random)
    distortions = pd.concat([distortion_table(part) for part in parts], ignore_index=True)
    images = image_thresholds(predictions)
    shown = 1 / (1 + images["level"].replace(np.inf, np.nan))
    images = images.assign(ssim=shown, psnr=40 * shown, l2=1 - shown, csf_psnr=40 * shown)
    counts, shapes = [200 + c for c in range(len(class_names))], {c: "disc" if c % 2 else "ring" for c in range(40)}
    visibility = equal_visibility(analysis.thresholds, distortions)
    tables = {
        "distortions": distortions,
        "visibility": visibility,
        "rank_agreement": rank_agreement(visibility),
        "slight": slight_and_huge(predictions, distortions),
        "slightest": slightest(images),
        "corruption_errors": error_table("gaussian_noise", "gaussian"),
    }
    return Study(
        search=SimpleNamespace(signs=SimpleNamespace(class_names=class_names)),
        measured=SimpleNamespace(levels=parts),
        analysis=analysis,
        failures=analyse_failures(predictions, analysis, images, class_names, counts, shapes),
        images=images,
        tables=tables,
    )


def answer_rows(noise, steps, label, right, random):
    """Prediction rows; a wrong answer is always class 1, and less confident."""
    count, first = len(label), int(noise != "clean")
    confidence = np.where(right, 0.9, 0.6) + random.uniform(-0.1, 0.1, (len(steps), count))
    table = pd.DataFrame(
        {"noise": noise, "level": np.repeat(np.asarray(steps, float), count), "label": np.tile(label, len(steps))}
    )
    return table.assign(
        level_index=np.repeat(np.arange(first, first + len(steps)), count),
        repeat=0,
        image_id=np.tile([f"test/{image:03}" for image in range(count)], len(steps)),
        track="",
        predicted=np.where(right, label, np.where(label == 1, 2, 1)).ravel(),
        confidence=confidence.ravel(),
        margin=np.tile(random.uniform(0, 9, count), len(steps)),
    )


def distortion_table(part):
    """Every noise shows in proportion to the share of its tested range."""
    share = np.array(part.levels) / part.levels[-1]
    table = pd.DataFrame({"noise": part.kind.name, "unit": part.kind.unit, "level": part.levels, "n": 100})
    table["level_index"] = range(len(part.levels))
    for name, one in MEASURES.items():
        for end, factor in (("_low", 0.95), ("_high", 1.05), ("", 1.0)):
            table[f"{name}{end}"] = one.from_distance(0.9 * factor * share)
        ends = np.sort(table[[f"{name}_low", f"{name}_high"]], axis=1)
        table[f"{name}_low"], table[f"{name}_high"] = ends.T
    return table


def error_table(corruption, noise):
    rows = [{"severity": severity, "level": 0.02 * severity, "error": 0.1 * severity} for severity in range(1, 6)]
    table = pd.DataFrame(rows).assign(corruption=corruption, noise=noise, usual=True)
    return table.assign(low=table["error"] - 0.01, high=table["error"] + 0.01)

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from pipelines.failures.classes import ALL, class_factors
from pipelines.reports.classes import RANKED_SUPPORT

CLASSES = 12
TRAIN = [100 * (c + 1) for c in range(CLASSES)]


def per_class(values, support=RANKED_SUPPORT):
    """Rows from {noise: (C,) thresholds}."""
    support = np.broadcast_to(support, max(map(len, values.values())))
    return pd.DataFrame(
        [
            {"class": c, "class_name": str(c), "support": support[c], "noise": noise, "threshold": threshold}
            for noise, thresholds in values.items()
            for c, threshold in enumerate(thresholds)
        ]
    )


def size(table, noise=ALL):
    return table[(table["factor"] == "training images") & (table["noise"] == noise)].iloc[0]


def shape(table, group, noise=ALL):
    return table[(table["group"] == group) & (table["noise"] == noise)].iloc[0]


def test_rho_is_that_of_scipy_and_classes_that_never_fail_tie_at_the_top(thresholds):
    values = np.array([3, 1, 2, 5, 4, 6, 8, 7, 9, np.inf, np.inf, np.inf])
    row = size(class_factors(per_class({"dots": values}), thresholds({"dots": (1, 5)}), TRAIN, {}), "dots")
    assert row["value"] == pytest.approx(spearmanr(TRAIN, np.minimum(values, 100)).statistic)
    assert 0 < row["low"] < row["value"] < row["high"] <= 1
    assert (row["classes"], row["left_out"]) == (CLASSES, 0)


def test_over_the_noises_the_mean_rank_counts_not_the_unit(thresholds):
    random = np.random.default_rng(1)
    values = {"dots": random.random(CLASSES), "rain": random.random(CLASSES)}
    found = thresholds({"dots": (1, 0.5), "rain": (1, 0.5)})
    plain = class_factors(per_class(values), found, TRAIN, {})
    scaled = class_factors(per_class(values | {"rain": 1000 * values["rain"] ** 3}), found, TRAIN, {})
    assert size(plain)["value"] == size(scaled)["value"]
    ranks = sum(np.argsort(np.argsort(thresholds)) for thresholds in values.values())
    assert size(plain)["value"] == pytest.approx(spearmanr(TRAIN, ranks).statistic)


def test_classes_of_few_images_are_left_out_and_counted(thresholds):
    support = [RANKED_SUPPORT] * 9 + [RANKED_SUPPORT - 1, 1, 0]
    table = class_factors(
        per_class({"dots": np.arange(1.0, 13)}, support), thresholds({"dots": (1, 5)}), TRAIN, {9: "octagon"}
    )
    assert (size(table)["classes"], size(table)["left_out"]) == (9, 2)
    octagon = shape(table, "octagon")
    assert octagon["classes"] == 0
    assert np.isnan([octagon["value"], octagon["low"], octagon["high"], octagon["ratio"]]).all()


def test_a_class_without_a_threshold_is_left_out_of_that_noise_alone(thresholds):
    values = {"dots": np.arange(1.0, 13), "rain": np.r_[np.nan, np.arange(2.0, 13)]}
    table = class_factors(per_class(values), thresholds({"dots": (1, 5), "rain": (1, 5)}), TRAIN, {})
    assert [size(table, noise)["classes"] for noise in ("dots", "rain", ALL)] == [12, 11, 12]
    assert size(table)["value"] == pytest.approx(1)


def test_shapes_have_the_mean_rank_of_their_classes_and_the_ratio_to_the_whole(thresholds):
    values = {"dots": np.arange(1.0, 13), "rain": np.arange(1.0, 13)}
    shapes = {c: "disc" if c < 4 else "octagon" if c == 11 else "triangle" for c in range(CLASSES)}
    table = class_factors(per_class(values), thresholds({"dots": (1, 2), "rain": (1, np.inf)}), TRAIN, shapes)
    disc, octagon = shape(table, "disc"), shape(table, "octagon")
    assert (disc["value"], octagon["value"]) == pytest.approx((np.mean([0, 1, 2, 3]) / 11, 1))
    assert disc["low"] < disc["value"] < disc["high"]
    assert shape(table, "disc", "dots")["ratio"] == pytest.approx(2.5 / 2)
    assert np.isnan(shape(table, "disc", "rain")["ratio"])
    assert disc["ratio"] == pytest.approx(2.5 / 2)
    assert np.isnan(shape(table, "octagon", "dots")["low"])


def test_a_data_set_without_shapes_has_no_rows_of_them(thresholds):
    table = class_factors(per_class({"dots": np.arange(1.0, 13)}), thresholds({"dots": (1, 5)}), TRAIN, {})
    assert set(table["factor"]) == {"training images"}


@pytest.mark.parametrize("count", [3, 5])
@pytest.mark.parametrize("earlier", [0.0, 1.0])
def test_interval_of_a_mean_rank_covers_the_truth(thresholds, count, earlier):
    """Discs last as long as any other sign, or fall earlier by so many standard deviations of the classes."""
    shapes = {c: "disc" if c < count else "triangle" if c < 12 else "ring" for c in range(30)}
    random = np.random.default_rng(count)
    fails = random.normal(size=(2200, 30)) - np.where(np.arange(30) < count, earlier, 0.0)
    truth = (np.argsort(np.argsort(fails, axis=1), axis=1) / 29)[:, :count].mean()
    rows = [_disc(np.exp(values), shapes, thresholds) for values in fails[:200]]
    covered = np.mean([low <= truth <= high for low, high in rows])
    assert covered >= 0.93
    assert np.median([high - low for low, high in rows]) <= {3: 1.0, 5: 0.75}[count]


def _disc(values, shapes, thresholds):
    row = shape(class_factors(per_class({"dots": values}), thresholds({"dots": (1, 5)}), 30 * [100], shapes), "disc")
    return row["low"], row["high"]


@pytest.mark.parametrize("classes", [5, 30])
@pytest.mark.parametrize("tied", [0.0, 0.5])
def test_interval_of_rho_covers_the_truth(thresholds, classes, tied):
    random, covered = np.random.default_rng(classes), []
    for _ in range(300):
        images = random.normal(size=classes)
        lasts = tied * images + np.sqrt(1 - tied**2) * random.normal(size=classes)
        row = size(class_factors(per_class({"dots": np.exp(lasts)}), thresholds({"dots": (1, 5)}), images, {}), "dots")
        if np.isfinite(row["low"]):  # no interval where both orders agree wholly
            covered.append(row["low"] <= 6 / np.pi * np.arcsin(tied / 2) <= row["high"])
    assert len(covered) > 280
    assert np.mean(covered) >= 0.92

import numpy as np
import pandas as pd
import pytest

import noise
from noise import registry
from noise.distortion import MEASURES, measure
from noise.levels import read_grid
from noise.plugins import Plugin
from pipelines import visibility
from pipelines.signs import open_signs
from pipelines.visibility import (
    distortion_rows,
    equal_visibility,
    measure_distortions,
    rank_agreement,
    slight_and_huge,
    slightest,
)

GRID = read_grid("gaussian:0:0.5:4,black_rows:0:1:3")
LEVELS = np.array([0.0, 0.1, 0.2, 0.4])


@pytest.fixture(scope="module")
def signs(tmp_path_factory, write_signs):
    counts = {"train": 3, "validation": 3, "test": 60}
    return open_signs(write_signs(tmp_path_factory.mktemp("visibility") / "colours", counts=counts))


def distortions(**slopes) -> pd.DataFrame:
    """Noises whose distance on every measure is slope x level, with means known to a tenth."""
    tables = []
    for name, slope in slopes.items():
        table = pd.DataFrame({"noise": name, "unit": "share", "level": LEVELS, "level_index": range(4), "n": 100})
        for key, one in MEASURES.items():
            ends = np.sort([one.from_distance(slope * LEVELS * part) for part in (0.9, 1.1)], axis=0)
            table[key], table[f"{key}_low"], table[f"{key}_high"] = one.from_distance(slope * LEVELS), *ends
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def threshold(name, criterion, level, low, high, censored=""):
    return {"noise": name, "unit": "share", "criterion": criterion, "threshold": level, "low": low, "high": high,
            "censored": censored}  # fmt: skip


def test_rows_are_the_means_over_the_images_under_the_fields_of_the_grid(signs, monkeypatch):
    sample = signs.read("test", limit=30)
    monkeypatch.setattr(visibility, "SLICE_BYTES", 1 << 16)  # several slices
    rows = distortion_rows("gaussian", GRID[0].levels, sample, seed=5)
    assert rows["level"].tolist() == list(GRID[0].levels)
    assert rows["level_index"].tolist() == [0, 1, 2, 3]
    assert set(rows["n"]) == {30}
    noisy = noise.apply("gaussian", sample.image, rows["level"][2], image_ids=sample.image_id.tolist(), seed=5)
    for key, values in measure(sample.image, noisy).items():
        expected = MEASURES[key].average(values)
        assert tuple(rows.loc[2, [key, f"{key}_low", f"{key}_high"]]) == pytest.approx(expected)


def test_the_clean_level_shows_nothing(signs):
    clean = distortion_rows("black_rows", GRID[1].levels, signs.read("test", limit=10), seed=0).iloc[0]
    assert clean["l2"] == clean["l0"] == 0
    assert clean["psnr"] == clean["csf_psnr"] == np.inf
    assert clean["ssim"] == pytest.approx(1)


def test_a_plug_in_is_installed_where_its_noise_is_measured(signs, monkeypatch):
    monkeypatch.setattr(registry, "_CATALOGUE", dict(noise.catalogue()))
    source = (
        "from noise.registry import noise\n"
        "@noise(family='own', unit='share', high=1.0, source='this test')\n"
        "def turned_grey_for_a_test(images, level, random):\n"
        "    return images + level * (0.5 - images)\n"
    )
    sample = signs.read("test", limit=10)
    rows = distortion_rows("turned_grey_for_a_test", (0.0, 1.0), sample, 0, Plugin("own.py", source))
    assert rows["ssim"].iloc[1] < 0.5


def test_a_grid_is_measured_on_ray_on_a_subset_of_its_images(signs, ray_session):
    found = measure_distortions(signs, GRID, seed=3, images=20, limit=40)
    sample = signs.read("test", limit=20)
    expected = pd.concat([distortion_rows(part.kind.name, part.levels, sample, 3) for part in GRID], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)
    assert set(sample.image_id) <= set(signs.read("test", limit=40).image_id)


def test_thresholds_are_read_on_every_measure_and_ranked_by_what_shows():
    found = equal_visibility(
        pd.DataFrame(
            [
                threshold("loud", "begins", 0.2, 0.18, 0.22),
                threshold("loud", "fails", 0.3, 0.28, 0.32),
                threshold("loud", "significant", 0.1, np.nan, np.nan),
                threshold("quiet", "begins", 0.3, 0.28, 0.32),
                threshold("quiet", "fails", 0.35, 0.33, 0.37),
            ]
        ),
        distortions(loud=1.0, quiet=0.1),
    )
    assert found[["noise", "criterion"]].to_numpy().tolist() == [
        ["quiet", "begins"], ["loud", "begins"], ["quiet", "fails"], ["loud", "fails"],
    ]  # fmt: skip
    for column in ("rank", "rank_psnr", "rank_csf_psnr"):
        assert found[column].tolist() == [1, 2, 1, 2]
        ends = found[[f"{column}_low", f"{column}_high"]].to_numpy().tolist()
        assert ends == [[1, 1], [2, 2], [1, 1], [2, 2]]
    loud = found[(found["noise"] == "loud") & (found["criterion"] == "begins")].iloc[0]
    assert (loud["level"], loud["level_low"], loud["level_high"]) == (0.2, 0.18, 0.22)
    for key, one in MEASURES.items():
        reach = np.hypot(0.02, 0.02)
        low, value, high = sorted(one.from_distance(np.array([0.2 - reach, 0.2, 0.2 + reach])))
        assert tuple(loud[[f"{key}_low", key, f"{key}_high"]]) == pytest.approx((low, value, high), rel=1e-6)


def test_what_is_censored_or_has_no_threshold_is_bounded_and_not_ranked():
    found = equal_visibility(
        pd.DataFrame(
            [
                threshold("never", "fails", np.inf, 0.4, np.inf, "above"),
                threshold("early", "fails", 0.1, 0.0, 0.1, "below"),
                threshold("none", "fails", np.nan, np.nan, np.nan, np.nan),
                threshold("known", "fails", 0.3, 0.28, 0.32),
            ]
        ),
        distortions(never=0.1, early=0.2, none=0.3, known=1.0),
    ).set_index("noise")
    assert found.index[0] == "known"
    assert found["rank"].isna().tolist() == found["rank_low"].isna().tolist() == [False, True, True, True]
    assert found.loc["never", "ssim"] == pytest.approx(1 - 0.04**2)
    assert found.loc["never", "ssim_low"] == -np.inf
    assert found.loc["early", "ssim_high"] == 1
    assert np.isnan(found.loc["none", "ssim"])
    assert found["censored"].to_dict() == {"known": "", "early": "below", "never": "above", "none": ""}


def test_ranks_that_the_intervals_leave_open_have_an_interval():
    rows = [threshold(name, "begins", level, 0.1, 0.3) for name, level in (("a", 0.2), ("b", 0.21), ("c", 0.22))]
    found = equal_visibility(
        pd.DataFrame([*rows, threshold("d", "begins", 0.2, -np.inf, np.inf)]), distortions(a=1.0, b=1.0, c=1.0, d=9.0)
    )
    assert found["rank"].tolist() == [1, 2, 3, 4]
    assert found["rank_low"].tolist() == [1] * 4
    assert found["rank_high"].tolist() == [4] * 4


def test_tables_that_went_through_files_give_the_same(tmp_path):
    thresholds = pd.DataFrame(
        [threshold("a", "begins", 0.2, 0.1, 0.3), threshold("b", "begins", np.inf, 0.4, np.inf, "above")]
    )
    shown = distortions(a=0.5, b=0.1)
    thresholds.to_csv(tmp_path / "thresholds.csv", index=False)
    shown.to_csv(tmp_path / "distortions.csv", index=False)
    read = [pd.read_csv(tmp_path / name) for name in ("thresholds.csv", "distortions.csv")]
    pd.testing.assert_frame_equal(equal_visibility(*read), equal_visibility(thresholds, shown))


def test_agreement_of_ranks_is_kendalls_tau():
    ranks = pd.DataFrame({"criterion": "begins", "rank": [1, 2, 3, 4, pd.NA], "rank_psnr": [1, 2, 3, 4, pd.NA]})
    ranks["rank_csf_psnr"] = [1, 2, 4, 3, pd.NA]
    alone = pd.DataFrame({"criterion": ["fails"], "rank": [1], "rank_psnr": [1], "rank_csf_psnr": [1]})
    found = rank_agreement(pd.concat([ranks, alone]).astype(dict.fromkeys(ranks.columns[1:], "Int64")))
    assert found["measure"].tolist() == ["psnr", "csf_psnr"] * 2
    assert found["noises"].tolist() == [4, 4, 1, 1]
    assert found["tau"].tolist()[:2] == pytest.approx([1.0, (5 - 1) / 6])
    assert found["tau"].isna().tolist()[2:] == [True, True]
    assert found[["low", "high"]].isna().all(axis=None)  # of fewer than ten noises


def test_agreement_of_many_ranks_has_an_interval_that_covers():
    random, covered = np.random.default_rng(4), []
    for _ in range(200):
        one = random.normal(size=30)
        other = 0.7 * one + np.sqrt(0.51) * random.normal(size=30)
        ranks = pd.DataFrame({"rank": one, "rank_psnr": other, "rank_csf_psnr": one}).rank().astype("Int64")
        psnr, same = rank_agreement(ranks.assign(criterion="begins")).to_dict("records")
        covered.append(psnr["low"] <= 2 / np.pi * np.arcsin(0.7) <= psnr["high"])
        assert np.isnan(same["low"])  # wholly the same order
    assert np.mean(covered) >= 0.93


def predictions(failing, *, tracks=None, repeats=1):
    """Answers of 100 images (the last 10 wrong when clean): `failing[level_index]` says which of them fail."""
    names = [f"image {index}" for index in range(100)]
    track = [""] * 100 if tracks is None else tracks
    clean = pd.DataFrame({"image_id": names, "track": track, "label": 0})
    clean["predicted"] = [0] * 90 + [1] * 10
    rows = [
        clean.assign(level_index=index, repeat=repeat, predicted=fails(repeat).astype(int))
        for index, fails in failing.items()
        for repeat in range(repeats)
    ]
    return {"clean": clean, "own": pd.concat(rows).sample(frac=1, random_state=0)}


def first(count):
    return lambda _: np.arange(100) < count


def test_slight_and_huge_changes_fail_images_that_were_right():
    # SSIM at the levels: 1 - (slope x level)^2 = 0.99, 0.96, 0.84
    found = slight_and_huge(predictions({1: first(0), 2: first(9), 3: first(90)}), distortions(own=1.0)).iloc[0]
    assert (found["n"], found["groups"]) == (90, 90)
    assert (found["level_slight"], found["level_huge"]) == (0.2, 0.4)
    assert found["ssim_slight"] == pytest.approx(0.96)
    assert found["failing_slight"] == pytest.approx(0.1)
    assert (found["failing_slight_low"], found["failing_slight_high"]) == pytest.approx((0.0535, 0.1791), abs=2e-3)
    assert found["failing_huge"] == 1
    assert found["failing_huge_low"] == pytest.approx(90 / (90 + 1.96**2), abs=1e-4)
    assert found["level_at"] == pytest.approx(np.sqrt(0.05), abs=1e-6)
    assert 0.1 < found["failing_at"] < 0.1 + 0.9 * (np.sqrt(0.05) - 0.2) / 0.2  # less than on a straight line
    assert found["failing_at_low"] < found["failing_at"] < found["failing_at_high"]


def test_repeats_are_averaged_within_an_image():
    alternating = {index: lambda repeat: np.arange(100) < 90 * repeat for index in (1, 2, 3)}
    found = slight_and_huge(predictions(alternating, repeats=2), distortions(own=1.0)).iloc[0]
    assert found["failing_slight"] == found["failing_huge"] == 0.5


def test_tracks_that_fail_together_widen_the_interval():
    outcome = {1: first(45), 2: first(45), 3: first(45)}
    shown = distortions(own=1.0)
    alone = slight_and_huge(predictions(outcome), shown).iloc[0]
    tracks = [f"track {index // 15}" for index in range(100)]
    together = slight_and_huge(predictions(outcome, tracks=tracks), shown).iloc[0]
    assert together["groups"] == 6
    widths = [row["failing_huge_high"] - row["failing_huge_low"] for row in (alone, together)]
    assert widths[1] > 2.5 * widths[0]
    nothing = slight_and_huge(predictions({index: first(0) for index in (1, 2, 3)}, tracks=tracks), shown).iloc[0]
    assert nothing["failing_huge_high"] == pytest.approx(1.96**2 / (6 + 1.96**2), abs=1e-3)


def test_intervals_of_rates_cover_the_truth():
    random, hits = np.random.default_rng(11), 0
    tracks = [f"track {index // 5}" for index in range(100)]
    for _ in range(150):
        risk = np.repeat(random.beta(2, 6, 20), 5)  # mean 0.25, shared by a track
        outcome = random.random(100) < risk
        rows = predictions(dict.fromkeys((1, 2, 3), lambda _, fails=outcome: fails), tracks=tracks)
        found = slight_and_huge(rows, distortions(own=1.0)).iloc[0]
        hits += found["failing_huge_low"] <= 0.25 <= found["failing_huge_high"]
    assert hits / 150 > 0.88


def test_a_noise_that_shows_too_much_or_too_little_has_no_slight_level():
    rows = predictions({1: first(9), 2: first(9), 3: first(9)})
    loud = slight_and_huge(rows, distortions(own=3.0)).iloc[0]
    assert np.isnan(loud[["level_slight", "ssim_slight", "failing_slight", "failing_slight_low"]].astype(float)).all()
    assert loud["level_at"] < 0.1
    assert loud["failing_at"] < 0.1
    quiet = slight_and_huge(rows, distortions(own=0.1)).iloc[0]
    assert np.isnan(quiet[["level_at", "failing_at", "failing_at_low"]].astype(float)).all()
    assert quiet["level_slight"] == quiet["level_huge"] == 0.4


def test_the_slightest_change_of_each_image_comes_first():
    rows = pd.DataFrame(
        [
            ("blur", "a", 0.3, 0.90, 20.0),
            ("rain", "a", 0.2, 0.99, 30.0),
            ("blur", "b", np.inf, np.nan, np.nan),
            ("rain", "b", 0.9, 0.50, 10.0),
            ("blur", "c", np.inf, np.nan, np.nan),
            ("rain", "d", 0.1, 0.995, 31.0),
            ("blur", "d", 0.1, 0.995, 33.0),
        ],
        columns=["noise", "image_id", "level", "ssim", "psnr"],
    )
    found = slightest(rows)
    assert found[["image_id", "noise"]].to_numpy().tolist() == [["d", "blur"], ["a", "rain"], ["b", "rain"]]
    pd.testing.assert_frame_equal(found, slightest(rows.sample(frac=1, random_state=1)))

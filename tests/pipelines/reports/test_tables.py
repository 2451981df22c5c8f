import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from pipelines.reports import tables


def test_visibility_has_a_row_a_noise_in_the_order_of_the_table(study, families):
    table = study.tables["visibility"]
    rows = tables.visibility_rows(table, families)
    assert [row["noise"] for row in rows] == [name.replace("_", " ") for name in table["noise"].unique()]
    gaussian = table[(table["noise"] == "gaussian") & (table["criterion"] == "fails")].iloc[0]
    row = next(row for row in rows if row["noise"] == "gaussian")
    assert row["family"] == "random"
    assert row["fails"]["level"] == f"{gaussian['level']:.3g}"
    ssim, psnr, l2 = row["fails"]["values"]
    assert ssim == f"{gaussian['ssim']:.3f} [{gaussian['ssim_low']:.3f}, {gaussian['ssim_high']:.3f}]"
    assert psnr.startswith(f"{gaussian['psnr']:.1f} [")
    assert l2.startswith(f"{gaussian['l2']:.3f} [")


def test_censored_visibility_is_said(study, families):
    rows = {row["noise"]: row for row in tables.visibility_rows(study.tables["visibility"], families)}
    assert rows["brightness"]["fails"] == {"censored": "above", "level": "not reached", "values": ["", "", ""]}
    assert rows["brightness"]["ranks"] == ["-", "-", "-"]
    assert rows["black columns"]["fails"]["level"] == "at or below 0.1"


def test_an_end_without_a_bound_is_said_in_words(study, families):
    table = study.tables["visibility"]
    opened = {"ssim_low": -np.inf, "psnr_low": -np.inf, "psnr_high": np.inf, "l2_high": np.inf}
    row = next(row for row in tables.visibility_rows(table.assign(**opened), families) if row["noise"] == "gaussian")
    ssim, psnr, l2 = row["begins"]["values"]
    assert re.fullmatch(r"0\.\d{3} \[not reached, 0\.\d{3}\]", ssim)
    assert re.fullmatch(r"\d+\.\d \[no honest interval\]", psnr)
    assert re.fullmatch(r"0\.\d{3} \[0\.\d{3}, not reached\]", l2)


def test_slight_rows_come_most_harmful_first(study, families):
    table = study.tables["slight"].assign(failing_at=[0.1, np.nan, 0.3, 0.2])
    rows = tables.slight_rows(table, families)
    assert [row["slight"]["text"] if row["slight"] else None for row in rows] == ["30.0%", "20.0%", "10.0%", None]
    assert tables.slight_scale(table.assign(failing_at_high=[0.12, 0.31, 0.2, np.nan])) == pytest.approx(0.35)
    assert tables.slight_scale(table.assign(failing_at_high=np.nan)) == 1


def test_corruptions_have_a_mean_over_all_five_severities(study):
    errors = study.tables["corruption_errors"]
    (row,) = tables.corruption_rows(errors)
    assert row["errors"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert row["mean"] == pytest.approx(0.3)
    assert row["interval"] == " [29.0%, 31.0%]"
    other = errors.iloc[1:].assign(corruption="fog", noise="fog")
    rows = tables.corruption_rows(pd.concat([other, errors]))
    assert [row["corruption"] for row in rows] == ["gaussian noise", "fog"]
    assert np.isnan(rows[1]["errors"][0])
    assert np.isnan(rows[1]["mean"])


def test_a_corruption_may_be_made_of_two_noises(study):
    errors = study.tables["corruption_errors"].assign(noise=["desaturation", "desaturation", *["saturation"] * 3])
    assert tables.corruption_rows(errors)[0]["noise"] == "desaturation, saturation"


def test_shapes_come_first_to_fall_first(study):
    rows = tables.shape_rows(study.failures.class_factors)
    assert {row["shape"] for row in rows} == {"disc", "ring"}
    assert rows[0]["place"] <= rows[1]["place"]


def test_margins_come_best_foretold_first(study):
    table = study.failures.margins.assign(rho=[0.1, 0.3, np.nan, 0.2], rho_low=0.0, rho_high=0.4)
    rows = tables.margin_rows(table)
    assert [row["rho"] for row in rows] == ["0.30 [0.00, 0.40]", "0.20 [0.00, 0.40]", "0.10 [0.00, 0.40]", "-"]


def test_the_floor_of_the_images(study):
    thresholds = study.analysis.thresholds
    sampled = thresholds.assign(
        sampling_error=0.02 * thresholds["threshold"], interpolation_error=0.01 * thresholds["threshold"]
    )
    known = int((np.isfinite(thresholds["threshold"]) & (thresholds["censored"] == "")).sum())
    assert tables.sampling_floor(sampled) == {
        "sampling": "2.0%",
        "interpolation": "1.0%",
        "settled": known,
        "of": known,
    }
    assert tables.sampling_floor(dataclasses.replace(study.analysis, thresholds=sampled.iloc[:0]).thresholds) is None

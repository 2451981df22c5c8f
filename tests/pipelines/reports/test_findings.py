import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from pipelines.reports.findings import findings, headline
from pipelines.reports.summary import summarise


@pytest.fixture(scope="module")
def noises(study):
    return summarise(study.analysis, study.measured.levels)


def answers(study, noises):
    return {finding.topic: finding.text for finding in findings(study, noises)}


def change(study, name, **columns):
    return dataclasses.replace(study, tables=study.tables | {name: study.tables[name].assign(**columns)})


def test_the_headline_names_the_noise_whose_worst_rank_is_best(study, families):
    visibility = study.tables["visibility"]
    assert headline(visibility, families).startswith("Gaussian noise disrupts most for how little it shows: ")
    swapped = visibility["noise"].map({"gaussian": 2, "speckle": 1})
    begins = visibility["rank"].notna()
    other = visibility.assign(rank=swapped.where(begins), rank_psnr=swapped.where(begins), rank_csf_psnr=swapped)
    assert headline(other, families).startswith("Speckle noise disrupts most")


def test_noises_that_tie_are_both_named(study, families, noises):
    visibility = study.tables["visibility"]
    ranks = {"rank": {"gaussian": 1, "speckle": 2}, "rank_psnr": {"gaussian": 2, "speckle": 1}}
    tied = {column: visibility["noise"].map(rank).where(visibility["rank"].notna()) for column, rank in ranks.items()}
    changed = change(study, "visibility", **tied, rank_csf_psnr=tied["rank"])
    begins = visibility[visibility["criterion"] == "begins"].set_index("noise")["psnr"]
    said = headline(changed.tables["visibility"], families)
    assert said.startswith("Gaussian noise and speckle noise disrupt most for how little they show, and tie: ")
    assert said.count(" dB") == 2
    assert f"{begins['speckle']:.0f} dB" in said
    text = answers(changed, noises)["Least to see, most harm"]
    assert "disrupt" not in text


def test_the_headline_where_nothing_is_reached(study, families):
    visibility = study.tables["visibility"].assign(rank=np.nan)
    assert headline(visibility, families) == "No tested noise makes this network begin to fail within its range"


def test_every_question_is_answered_with_numbers(study, noises):
    said = answers(study, noises)
    assert list(said) == [
        "Least to see, most harm",
        "What must show most",
        "What it withstands",
        "Slight against huge",
        "Does confidence warn?",
        "What falls first",
        "Where answers go",
    ]
    assert all(any(sign.isdigit() for sign in text) for text in said.values())
    assert "nan" not in " ".join(said.values())
    assert " inf" not in " ".join(said.values())


def test_what_shows_least_by_either_measure(study, noises):
    begins = study.tables["visibility"]
    row = begins[(begins["criterion"] == "begins") & (begins["noise"] == "gaussian")].iloc[0]
    text = answers(study, noises)["Least to see, most harm"]
    assert f"gaussian ({row['ssim']:.3f} [{row['ssim_low']:.3f}, {row['ssim_high']:.3f}])" in text
    assert f"gaussian ({row['psnr']:.1f} dB [{row['psnr_low']:.1f}, {row['psnr_high']:.1f}])" in text


def test_what_it_withstands(study, noises):
    text = answers(study, noises)["What it withstands"]
    assert "1 of 4 noises: brightness" in text
    assert "Under brightness it does not even begin to fail" in text


def test_slight_harm_is_counted(study, noises):
    table = study.tables["slight"]
    changed = change(study, "slight", failing_at=[0.2, 0.005, 0.01, np.nan][: len(table)])
    text = answers(changed, noises)["Slight against huge"]
    assert re.search(r"2 of 3 noises \(\d with their whole interval\) already fool it on 1%", text)
    assert f"{table['noise'].iloc[0].replace('_', ' ')} on 20.0% [" in text


def test_images_that_a_slight_change_fools_are_counted(study, noises):
    fooled = study.tables["slightest"]
    changed = change(study, "slightest", ssim=np.where(np.arange(len(fooled)) < 30, 0.96, 0.94))
    assert "10.0% [7.1%, 13.9%] of the recognised images (30)" in answers(changed, noises)["Slight against huge"]
    none = change(study, "slightest", ssim=0.5)
    assert "recognised images (" not in answers(none, noises)["Slight against huge"]


def test_confidence_is_read_at_the_levels_nearest_to_the_thresholds(study, noises):
    thresholds = study.analysis.thresholds
    fails = thresholds[(thresholds["noise"] == "gaussian") & (thresholds["criterion"] == "fails")]["threshold"].iloc[0]
    table = study.failures.confidence
    away = (table["level"] - fails).abs().where(table["noise"] == "gaussian")
    auroc = np.where(table.index == away.idxmin(), 0.51, 0.9)
    failures = dataclasses.replace(
        study.failures, confidence=table.assign(auroc=auroc, auroc_low=auroc - 0.1, auroc_high=1.0)
    )
    text = answers(dataclasses.replace(study, failures=failures), noises)["Does confidence warn?"]
    assert "0.51 [0.41, 1.00] (gaussian) to 0.90 [0.80, 1.00] (" in text
    assert text.count("0.51") == 1
    assert "Left out, for want of such a level: " in text
    assert "black columns (fails)" in text
    assert "speckle (fails)" not in text


def test_where_answers_go(study, noises):
    text = answers(study, noises)["Where answers go"]
    assert text.startswith("Under 2 of 2 noises that make it fail, wrong answers name “Speed limit (10 km/h)”")
    assert "Left out, for want of a tested level of about the accuracy where it fails: black columns." in text


def test_shapes_of_a_single_class_are_named(study, noises):
    factors = study.failures.class_factors
    lone = factors[(factors["group"] == "disc") & (factors["noise"] == "all")].assign(group="octagon", classes=1)
    failures = dataclasses.replace(study.failures, class_factors=pd.concat([factors, lone]))
    text = answers(dataclasses.replace(study, failures=failures), noises)["What falls first"]
    assert "Left out are shapes of fewer than two such classes: octagon." in text
    assert re.search(r"mean ranks 0\.\d\d \[0\.\d\d, 0\.\d\d\] and 0\.\d\d \[", text)


def test_what_the_intervals_leave_open_is_said(study, noises):
    index = next(index for index, noise in enumerate(noises) if noise.name == "gaussian")
    fails = dataclasses.replace(noises[index].fails, high=np.inf)
    changed = [dataclasses.replace(noise, fails=fails) if noise.name == "gaussian" else noise for noise in noises]
    assert "By the intervals it may be otherwise of gaussian." in answers(study, changed)["What it withstands"]
    assert "otherwise" not in answers(study, noises)["What it withstands"]


def test_a_noise_that_did_harm_before_its_first_level_is_named(study, noises):
    visibility = study.tables["visibility"]
    speckle = visibility["noise"] == "speckle"
    early = visibility.assign(
        censored=visibility["censored"].where(~speckle, "below"), rank=visibility["rank"].where(~speckle)
    )
    changed = dataclasses.replace(study, tables=study.tables | {"visibility": early})
    assert "Speckle and black columns may show still less" in answers(changed, noises)["Least to see, most harm"]


def test_noises_without_a_threshold_are_not_said_to_make_it_fail(study, noises):
    unknown = [
        dataclasses.replace(noise, fails=dataclasses.replace(noise.fails, value=np.nan, censored=""))
        for noise in noises
    ]
    assert "What it withstands" not in answers(study, unknown)


def test_a_grid_in_which_nothing_fails_is_told_without_confidence(study, noises):
    never = study.analysis.thresholds.assign(threshold=np.inf, censored="above")
    changed = dataclasses.replace(study, analysis=dataclasses.replace(study.analysis, thresholds=never))
    assert "Does confidence warn?" not in answers(changed, noises)

from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pandas as pd
import pytest

from benchmarks.gan_noisy_data import Disturbance, Sets, band, findings, levels, noise_power, spectrum, thresholds_of
from noise import apply
from pipelines.intervals import t_interval

CLEAN = np.full((40, 32, 32, 3), 120, np.uint8)
CLEAN[:, 8:24, 8:24] = 200
ROWS = [f"train/{row}" for row in range(len(CLEAN))]


@pytest.mark.parametrize(("noise", "level"), [("gaussian", 0.15), ("checkerboard", 0.08), ("black_rows", 0.2)])
def test_samples_with_all_of_the_noise_reproduce_it_and_those_without_do_not(noise, level):
    texture = apply("gaussian", CLEAN, 0.02, image_ids=ROWS, seed=3)
    learned = apply(noise, texture, level, image_ids=ROWS)
    again = apply(noise, texture, level, image_ids=ROWS, seed=1)
    for made, part in ((again, 1), (texture, 0)):
        powers = noise_power(Sets(texture, learned, made, texture, test=None))
        assert powers["reproduced"] == pytest.approx(part, abs=0.1)
        assert powers["learned_power"] > 2 * powers["clean_power"]


def test_the_band_of_a_wave_is_its_frequency():
    texture = apply("gaussian", CLEAN, 0.05, image_ids=ROWS)
    wave = 20 * np.cos(2 * np.pi * 5 * np.arange(32) / 32)[:, None, None]
    found = band(spectrum(texture), spectrum(texture + wave))
    assert [*zip(*np.nonzero(found), strict=True)] == [(5, 0), (27, 0)]


def test_levels_are_those_of_the_file_and_one_that_was_not_reached_is_an_error():
    rows = [("gaussian", "begins", 0.04), ("gaussian", "fails", 0.2), ("shadow", "begins", 0.9)]
    thresholds = pd.DataFrame([*rows, ("shadow", "fails", np.inf)], columns=["noise", "criterion", "threshold"])
    assert levels(thresholds, ["gaussian"]) == [
        Disturbance("gaussian", "begins", 0.04),
        Disturbance("gaussian", "fails", 0.2),
    ]
    with pytest.raises(click.BadParameter, match="shadow"):
        levels(thresholds, ["shadow"])


def test_thresholds_are_those_of_the_same_classifier(tmp_path):
    with pytest.raises(click.BadParameter, match=r"no results\.json; run noise_grid --model best\.keras"):
        thresholds_of(Path("best.keras"), tmp_path)
    (tmp_path / "results.json").write_text('{"params": {"model": "best.keras"}}')
    (tmp_path / "thresholds.csv").write_text("noise,threshold\ngaussian,0.2\n")
    assert thresholds_of(Path("best.keras"), tmp_path)["threshold"].tolist() == [0.2]
    with pytest.raises(click.BadParameter, match=r"of the model best\.keras; run noise_grid --model other\.keras"):
        thresholds_of(Path("other.keras"), tmp_path)


def over_seeds(*values):
    mean, low, high = t_interval(values)
    return {"mean": mean, "low": None if np.isnan(low) else low, "high": None if np.isnan(high) else high}


def test_findings_say_what_holds_in_the_whole_interval():
    clean = {"noise": "clean", "criterion": None, "called": over_seeds(0.97)}
    noisy = {"noise": "black_rows", "criterion": "fails", "level": "0.297", "learned_called": over_seeds(0.5, 0.5)}
    noisy |= {"called": over_seeds(0.9, 0.9), "more_called": over_seeds(0.4, 0.4)}
    noisy |= {"nearer_to_noisy": over_seeds(-0.3, -0.31), "reproduced": over_seeds(0.2, 0.2)}
    said = " ".join(findings([clean, noisy]))
    assert "97% of the samples of the GAN of clean signs" in said
    assert "black rows of 0.297" in said
    assert "removes the noise (20% [20%, 20%] of its power); samples are nearer to clean signs" in said
    assert "90% [90%, 90%] of them are called by their class" in said
    assert "what tells the class is still in noisy signs" in said
    assert "reproduces the noise" in findings([noisy | {"reproduced": over_seeds(0.9)}])[0]
    assert "reproduces a part" in findings([noisy | {"reproduced": over_seeds(0.5, 0.51)}])[0]
    assert "a part of the noise, or all (" in findings([noisy | {"reproduced": over_seeds(0.5, 0.8, 0.9)}])[0]
    unsure = noisy | {"reproduced": over_seeds(0.1, 0.9), "nearer_to_noisy": over_seeds(-1.0, 1.0)}
    (said,) = findings([unsure | {"more_called": over_seeds(-0.1, 0.1)}])
    assert "does not show, with these seeds" in said
    assert "nearer, with these seeds, to neither" in said
    assert said.endswith("of what it learned.")


def test_seeds_draw_other_noise_and_clean_signs_have_none():
    signs = SimpleNamespace(image=CLEAN, image_id=np.array(ROWS))
    noisy = Disturbance("gaussian", "fails", 0.1)
    assert np.array_equal(noisy.of(signs, 1), noisy.of(signs, 1))
    assert not np.array_equal(noisy.of(signs, 1), noisy.of(signs, 2))
    assert np.array_equal(Disturbance().of(signs, 1), CLEAN)

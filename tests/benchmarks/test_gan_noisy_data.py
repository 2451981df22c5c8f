import click
import numpy as np
import pandas as pd
import pytest

from benchmarks.gan_noisy_data import Disturbance, Sets, band, findings, levels, noise_power, spectrum
from noise import apply

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


def test_findings_say_what_the_rows_say():
    clean = {"noise": "clean", "criterion": None, "called": 0.97}
    noisy = {"noise": "black_rows", "criterion": "fails", "level": 0.2973, "called": 0.9, "learned_called": 0.5}
    noisy |= {"to_clean": 0.1, "to_noisy": 0.4, "reproduced": 0.2}
    said = findings([clean, noisy])
    assert "97% of the samples of the GAN of clean signs" in said
    assert "black rows of 0.297" in said
    assert "removes the noise (20% of its power); samples are nearer to clean signs, and 90%" in said
    assert "reproduces the noise" in findings([noisy | {"reproduced": 0.9}])

import numpy as np
import pandas as pd

from pipelines.reports.distortion import MOST, PANELS, distortion_figure

LEVELS = 4
FAMILIES = {"gaussian": "random", "fog": "weather"}


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two noises whose measures and accuracy are known at four levels."""
    index = np.tile(np.arange(LEVELS), 2)
    names = np.repeat(list(FAMILIES), LEVELS)
    curves = pd.DataFrame({"noise": names, "level_index": index, "accuracy": 1 - index / 4})
    shown = {"ssim": 1 - 0.2 * index, "l0": index / 4, "l1": index / 10, "l2": index / 8, "linf": index / 4}
    decibels = np.where(index == 0, np.inf, 40.0 - 10 * index)
    return curves, pd.DataFrame({"noise": names, "level_index": index, **shown, "psnr": decibels, "csf_psnr": decibels})


def test_every_measure_has_a_panel_and_every_noise_a_line_that_starts_clean():
    figure = distortion_figure(*tables(), FAMILIES)
    drawn = [axes for axes in figure.axes if axes.lines]
    assert len(drawn) == len(PANELS) == 7
    for axes in drawn:
        assert len(axes.lines) == len(FAMILIES)
        for line in axes.lines:
            x, y = line.get_data()
            assert (x[0], y[0]) == (0.0, 1.0)
            assert (np.diff(x) > 0).all()


def test_decibels_fall_evenly_from_the_clean_image():
    figure = distortion_figure(*tables(), FAMILIES)
    [axes] = [axes for axes in figure.axes if axes.get_title(loc="left") == "PSNR"]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [0, MOST - 30, MOST - 20, MOST - 10])

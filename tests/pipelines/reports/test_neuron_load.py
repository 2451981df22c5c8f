import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from models.neuron_load import gini, lorenz_curve
from pipelines.reports.figures import save_png
from pipelines.reports.neuron_load import neuron_load_figure


def made_up(layers: int, units: int = 20) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frames = []
    for index in range(layers):
        activation = random.exponential(size=units)
        activation[: index % 3] = 0
        columns = {"unit": range(units), "activation": activation, "importance": random.normal(0.2, 1, units)}
        frames.append(pd.DataFrame({"layer": f"block_{index}_expand_relu", **columns}))
    return pd.concat(frames, ignore_index=True)


def test_a_lorenz_curve_a_layer_by_activation_and_by_importance():
    units = made_up(4)
    figure = neuron_load_figure(units)
    for axes, load in zip(figure.axes, ("activation", "importance"), strict=False):
        curves = axes.lines[1:]  # the first is the diagonal
        assert len(curves) == 4
        values = units.loc[units["layer"] == "block_2_expand_relu", load].clip(lower=0)
        np.testing.assert_allclose(curves[2].get_xydata().T, lorenz_curve(values))


def test_ginis_stand_beside_in_the_colours_of_the_curves():
    units = made_up(4)
    curves, _, ginis = neuron_load_figure(units).axes
    activation, importance = (np.asarray(points.get_offsets()) for points in ginis.collections[1:])
    first = units[units["layer"] == "block_0_expand_relu"]
    assert activation[0] == pytest.approx((gini(first["activation"]), 0))
    assert importance[0] == pytest.approx((gini(first["importance"].clip(lower=0)), 0))
    for label, curve in zip(ginis.get_yticklabels(), curves.lines[1:], strict=True):
        assert to_rgb(label.get_color()) == to_rgb(curve.get_color())
    assert [text.get_text() for text in ginis.texts] == ["5% dead", "10% dead"]


def test_headline_says_what_the_top_holds():
    units = pd.DataFrame({"layer": "relu", "unit": range(20), "activation": 1.0, "importance": [1.0] + 19 * [0.0]})
    assert neuron_load_figure(units).texts[0].get_text() == (
        "The top 5% of a layer's units hold 100% of its importance, 5% of its activation; 0% are dead"
    )


@pytest.mark.parametrize("layers", [1, 52])
def test_any_number_of_layers(layers, tmp_path):
    units = made_up(layers)
    units.loc[units["layer"] == "block_0_expand_relu", "importance"] = np.where(np.arange(20) % 2, np.nan, -1.0)
    assert save_png(neuron_load_figure(units), tmp_path / "neuron_load.png").stat().st_size > 10_000

import numpy as np
import pandas as pd
import pytest

from pipelines.reports.figures import PAPER, inline_svg
from pipelines.reports.visibility import ranking_figure

FAMILIES = {"gaussian": "random", "fog": "weather", "rain": "weather", "blur": "optical"}


def rows(name, begins, fails, censored=("", ""), rank=1):
    return [
        {"noise": name, "criterion": criterion, "censored": mark, "ssim": value, "ssim_low": value - 0.02,
         "ssim_high": value + 0.01, "rank": pd.NA if mark else rank, "rank_low": rank, "rank_high": rank + 1}
        for criterion, value, mark in zip(("begins", "fails"), (begins, fails), censored, strict=True)
    ]  # fmt: skip


@pytest.fixture
def visibility():
    table = [
        *rows("fog", 0.8, 0.5, rank=2),
        *rows("gaussian", 0.9, 0.6),
        *rows("rain", 0.95, 0.95, ("above", "above")),
        *rows("blur", 0.7, 0.4, ("", "above"), rank=3),
    ]
    return pd.DataFrame(table).astype({"rank": "Int64"})


def lines(figure, gid):
    return [line for line in figure.axes[0].lines if line.get_gid() == gid]


def test_noises_are_ordered_by_what_shows_when_they_begin_to_fail(visibility):
    axes = ranking_figure(visibility, FAMILIES).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "gaussian  1 [1, 2]", "fog  2 [2, 3]", "blur  3 [3, 4]", "rain",
    ]  # fmt: skip
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top


def test_dots_lie_at_their_ssim_hollow_where_it_begins(visibility):
    figure = ranking_figure(visibility, FAMILIES)
    begins, fails = lines(figure, "begins"), lines(figure, "fails")
    assert [float(dot.get_xdata()[0]) for dot in fails[:2]] == pytest.approx(np.sqrt([0.4, 0.5]).tolist())
    assert {dot.get_markerfacecolor() for dot in begins} == {PAPER}
    assert all(dot.get_markerfacecolor() == dot.get_color() for dot in fails)
    ends = lines(figure, "interval")[0].get_xdata()
    assert list(ends) == pytest.approx(np.sqrt([0.1 - 0.01, 0.1 + 0.02]).tolist())


def test_what_is_not_reached_is_an_arrowhead_without_interval(visibility):
    figure = ranking_figure(visibility, FAMILIES)
    assert [dot.get_marker() for dot in lines(figure, "fails")] == ["o", "o", ">", ">"]
    assert len(lines(figure, "interval")) == 5


def test_families_have_a_colour_each_and_their_name(visibility):
    figure = ranking_figure(visibility, FAMILIES)
    colours = [dot.get_color() for dot in lines(figure, "begins")]
    assert colours[1] == colours[3]
    assert len(set(colours)) == 3
    names = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert names == {"random": colours[0], "weather": colours[1], "optical": colours[2]}


def test_a_noise_without_threshold_keeps_its_row(visibility):
    visibility.loc[visibility["noise"] == "rain", ["ssim", "ssim_low", "ssim_high"]] = np.nan
    figure = ranking_figure(visibility, FAMILIES)
    assert len(figure.axes[0].get_yticks()) == 4
    assert len(lines(figure, "begins")) == 3


def test_sixty_two_noises_of_nine_families_are_drawn_apart():
    names = [f"noise_{index}" for index in range(62)]
    table = pd.DataFrame([row for index, name in enumerate(names) for row in rows(name, 0.9 - index / 100, 0.2)])
    figure = ranking_figure(table, {name: f"family {index % 9}" for index, name in enumerate(names)})
    inches = figure.get_figheight() * figure.axes[0].get_position().height
    assert 0.15 < inches / 62 < 0.25
    assert "<svg" in inline_svg(figure, "ranking")

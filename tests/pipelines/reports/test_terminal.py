import re

import numpy as np
import pytest

from noise.distortion import MEASURES
from pipelines.reports.summary import spoken
from pipelines.reports.terminal import thresholds_markdown, thresholds_table
from pipelines.visibility import RANKS


@pytest.fixture
def visibility(analysis):
    """What shows at each threshold, the last noises of the analysis first."""
    table = analysis.thresholds[analysis.thresholds["criterion"] != "significant"].iloc[::-1].reset_index(drop=True)
    ranks = {f"{column}{end}": range(1, 1 + len(table)) for column in RANKS for end in ("", "_low", "_high")}
    return table.assign(**{name: np.linspace(0.99, 0.5, len(table)) for name in MEASURES}, **ranks)


def test_what_ties_is_named_and_of_what_the_numbers_are(analysis, visibility):
    text = thresholds_table(analysis.thresholds, visibility)
    assert text.startswith("Thresholds and ranks are of this network: another training of its recipe has others.")
    assert " tie" not in text
    assert text.splitlines()[4].startswith("occlusion        4 [4, 4]     0.")
    tied = visibility.assign(rank=visibility["rank"].replace({2: 4}))
    assert "brightness and occlusion tie: least to see, most harm" in thresholds_table(analysis.thresholds, tied)


@pytest.mark.parametrize("show", [thresholds_table, thresholds_markdown])
def test_every_noise_and_its_thresholds(show, analysis, visibility):
    lines = show(analysis.thresholds, visibility).splitlines()
    for name, rows in analysis.thresholds.groupby("noise"):
        line = next(line for line in lines if re.match(rf"(\| )?{re.escape(spoken(name))} [ |]", line))
        for row in rows[rows["criterion"] != "significant"].itertuples():
            expected = {"above": "not reached", "below": "at or below"}.get(row.censored, f"{row.threshold:.2g}"[:4])
            assert expected in line


def test_what_shows_least_comes_first(analysis, visibility):
    lines = thresholds_table(analysis.thresholds, visibility).splitlines()[3:]
    begins = visibility[visibility["criterion"] == "begins"]
    assert [line.split("  ")[0] for line in lines] == [spoken(name) for name in begins["noise"]]
    for line, row in zip(lines, begins.to_dict("records"), strict=True):
        assert (f"{row['ssim']:.3f}" in line) == (row["censored"] == "")


def test_table_is_plain_and_narrow(analysis, visibility):
    lines = thresholds_table(analysis.thresholds, visibility).splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) == 1 + 10 + 2
    assert "\x1b" not in "".join(lines)
    assert "0.128 [0.125, 0.131]" in "\n".join(lines)


def test_markdown_is_a_table_with_units(analysis, visibility):
    lines = thresholds_markdown(analysis.thresholds.assign(unit="a|b"), visibility).splitlines()
    assert len(lines) == 2 + 10
    assert {line.replace("\\|", "").count("|") for line in lines} == {8}
    assert all(line.endswith("a\\|b |") for line in lines[2:])

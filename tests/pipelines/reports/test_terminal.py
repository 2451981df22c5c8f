import pytest

from pipelines.reports.summary import spoken
from pipelines.reports.terminal import thresholds_markdown, thresholds_table


@pytest.mark.parametrize("show", [thresholds_table, thresholds_markdown])
def test_every_noise_and_its_thresholds(show, analysis):
    lines = show(analysis.thresholds).splitlines()
    for name, rows in analysis.thresholds.groupby("noise"):
        line = next(line for line in lines if line.strip("| ").startswith(spoken(name) + " "))
        for row in rows.itertuples():
            expected = {"above": "not reached", "below": "at or below"}.get(row.censored, f"{row.threshold:.2g}"[:4])
            assert expected in line


def test_table_is_plain_and_narrow(analysis):
    lines = thresholds_table(analysis.thresholds).splitlines()
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in "".join(lines)
    assert "0.128 [0.125, 0.131]" in "\n".join(lines)


def test_units_with_brackets_are_not_markup(analysis):
    assert "[0, 1]" in thresholds_table(analysis.thresholds)


def test_markdown_is_a_table(analysis):
    lines = thresholds_markdown(analysis.thresholds.assign(unit="a|b")).splitlines()
    assert len(lines) == 2 + 10
    assert {line.replace("\\|", "").count("|") for line in lines} == {6}

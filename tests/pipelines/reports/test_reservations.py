import dataclasses

import numpy as np
import pandas as pd
import pytest

from pipelines.failures.findings import failure_findings
from pipelines.reports.findings import findings, headline
from pipelines.reports.recipe import _cells, recipe_caption
from pipelines.reports.reservations import reservation, with_numbers
from pipelines.reports.robustness import Pictures, write_robustness_report
from pipelines.reports.summary import rank_text, summarise
from pipelines.reports.terminal import thresholds_table

WEAK = (
    "Too weak for findings: this network names only 10.0% of 6,315 clean images right; what noise takes from it says "
    "little"
)
FEW = "Too few images for findings: this network names 24 of 25 clean images right, and 30 or more are needed"


def measured(study, accuracy, images):
    """The study, its network as right as this on so many clean images."""
    curves = study.analysis.curves.assign(n=images)
    curves["accuracy"] *= accuracy / curves["accuracy"].iloc[0]
    return dataclasses.replace(study, analysis=dataclasses.replace(study.analysis, curves=curves))


@pytest.mark.parametrize(
    ("accuracy", "images", "said"),
    [(0.1, 6315, WEAK), (0.96, 25, FEW), (0.499, 6315, WEAK.replace("10.0", "49.9")), (0.5, 6315, ""), (1.0, 30, "")],
)
def test_a_network_too_weak_and_images_too_few_are_said(study, accuracy, images, said):
    assert reservation(measured(study, accuracy, images).analysis.curves) == said


@pytest.mark.parametrize(("accuracy", "images", "said"), [(0.1, 6315, WEAK), (0.96, 25, FEW)])
def test_the_report_and_the_terminal_say_so_first_and_leave_findings_out(study, accuracy, images, said, tmp_path):
    weak = measured(study, accuracy, images)
    no_images = np.zeros((0, 8, 8, 3), np.uint8)
    files = write_robustness_report(tmp_path, weak, Pictures({}, no_images, no_images), about={})
    html = files[0].read_text()
    assert f"<h1>{said}</h1>" in html
    assert "<dt>" not in html.partition("<nav>")[0]
    assert (tmp_path / "findings.md").read_text() == f"**{said}.**\n"
    assert findings(weak, summarise(weak.analysis, weak.measured.levels)) == []
    table = thresholds_table(weak.analysis.thresholds, weak.tables["visibility"], said)
    assert " ".join(table.split()).startswith(f"{said}. ")
    assert "tie:" not in table


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("an AUROC of nan", False), ("SSIM 0.9 [-inf, 0.95]", False), ("inf dB", False), ("nan% of these", False),
        ("\u2212inf", False), ("an infinite banana in information", True), ("SSIM 0.9 and 31 dB", True),
    ],
)  # fmt: skip
def test_a_sentence_without_its_number_is_left_out(text, kept):
    assert with_numbers(text) == (text if kept else "")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_no_number_that_is_none_stands_in_a_sentence(study, families, value):
    """Whichever number of a table is none."""
    noises = summarise(study.analysis, study.measured.levels)
    said = [headline(study.tables["visibility"].assign(psnr=value), families)]
    for name in ("visibility", "slight", "rank_agreement", "slightest"):
        table = study.tables[name]
        for column in table.select_dtypes("float").columns:
            if column.startswith("rank"):  # they are orders, that the noises are sorted by
                continue
            changed = dataclasses.replace(study, tables=study.tables | {name: table.assign(**{column: value})})
            said += [finding.text for finding in findings(changed, noises)]
    for name in ("confidence", "margins", "class_factors", "confusion_flow"):
        table = getattr(study.failures, name)
        for column in table.select_dtypes("float").columns:
            said += failure_findings(dataclasses.replace(study.failures, **{name: table.assign(**{column: value})}))
    assert len(said) > 50
    assert [text for text in said if not with_numbers(text)] == []


def test_a_rank_without_interval_is_a_rank():
    assert rank_text({"rank": 2.0, "rank_low": np.nan, "rank_high": np.nan}) == "2"


def test_a_recipe_of_weak_networks_says_so_first(study):
    recipe = study.analysis.thresholds.assign(spread=np.nan)
    recipe["n"] = 6315
    networks = pd.DataFrame({"network": ["a", "b"], "accuracy": [0.9, 0.1]})
    assert recipe_caption(recipe, networks).startswith(f"{WEAK}. 2 networks, 10.00% to 90.00% right of 6,315 clean")
    assert recipe_caption(recipe, networks.assign(accuracy=0.9)).startswith("2 networks, 90.00% to 90.00% right of")


@pytest.mark.parametrize(
    ("lowest", "highest", "said"),
    [(0.1, np.inf, "0.1 to not reached"), (-np.inf, 0.2, "below the first level to 0.2"), (0.1, 0.2, "0.1 to 0.2")],
)
def test_thresholds_of_trainings_beyond_the_levels_are_said_in_words(lowest, highest, said):
    row = {"threshold": 0.15, "low": 0.1, "high": 0.2, "censored": "", "spread": np.inf}
    assert _cells(row | {"lowest": lowest, "highest": highest})["trainings"] == said
    beyond = {"threshold": np.inf, "low": -np.inf, "high": np.inf, "censored": "above", "reached": 1, "networks": 3}
    assert _cells(beyond)["interval"] == ""

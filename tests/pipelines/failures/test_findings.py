import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipelines.failures import analyse_failures
from pipelines.failures.findings import failure_findings
from pipelines.failures.margins import image_thresholds

NAMES = ["stop", "yield", "caution", "no entry"]
LABEL = np.repeat(np.arange(4), 75)


@pytest.fixture(scope="module")
def failures(rows, thresholds):
    """Under dots 60% of all answers become "caution" at level 0.2; under fog nothing fails."""
    random = np.random.default_rng(1)
    fooled = np.where(random.random(300) < 0.6, 2, LABEL)
    wrong = fooled != LABEL
    confidence = np.where(wrong, random.uniform(0.3, 0.9, 300), random.uniform(0.5, 1, 300))
    predictions = {
        "clean": rows("clean", LABEL, LABEL[None], [0.0], margin=np.where(wrong, 1, 3) + random.normal(size=300)),
        "dots": rows("dots", LABEL, fooled[None], [0.2], confidence=confidence),
        "fog": rows("fog", LABEL, LABEL[None], [1.0]),
    }
    per_class = pd.DataFrame(
        [
            {"class": c, "class_name": name, "support": 75, "noise": noise, "threshold": level}
            for noise, levels in {"dots": [0.1, 0.1, np.inf, 0.2], "fog": [np.inf] * 4}.items()
            for c, (name, level) in enumerate(zip(NAMES, levels, strict=True))
        ]
    )
    analysis = SimpleNamespace(
        thresholds=thresholds({"dots": (0.1, 0.2), "fog": (np.inf, np.inf)}), per_class=per_class
    )
    shapes = {0: "octagon", 1: "triangle", 2: "triangle", 3: "disc"}
    return analyse_failures(predictions, analysis, image_thresholds(predictions), NAMES, [10, 20, 30, 40], shapes)


def test_shapes_of_a_single_class_are_named(failures):
    columns = {"factor": "shape", "noise": "all", "left_out": 0, "ratio": 1.0, "method": ""}
    rows = [("ring", 9, 0.3, 0.2, 0.4), ("disc", 5, 0.6, 0.4, 0.8), ("octagon", 1, 0.5, np.nan, np.nan)]
    shapes = pd.DataFrame(rows, columns=["group", "classes", "value", "low", "high"]).assign(**columns)
    sizes = failures.class_factors[failures.class_factors["factor"] != "shape"]
    (said,) = [
        text
        for text in failure_findings(dataclasses.replace(failures, class_factors=pd.concat([sizes, shapes])))
        if "by shape" in text
    ]
    assert "ring signs (mean rank 0.30 [0.20, 0.40], 9 classes) fall first" in said
    assert said.endswith("Shapes of fewer than two such classes are left out: octagon.")


def test_findings_say_what_was_built_in(failures):
    found = failure_findings(failures)
    assert 3 <= len(found) <= 6
    assert found[0] == (
        'Where dots makes it fail, 100% of all 135 wrong answers to these images name one sign, "caution".'
    )
    assert 'of 75) name "caution"' in found[1]
    assert re.search(
        r"under 0 of 1 noises \(0 with the whole interval\), least under dots: 0\.7\d \[0\.\d\d, 0", found[2]
    )
    assert "clearly foretells" in found[-1]
    assert not any("nan" in sentence for sentence in found)

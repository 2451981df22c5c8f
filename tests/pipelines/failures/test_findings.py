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


def test_findings_say_what_was_built_in(failures):
    found = failure_findings(failures)
    assert 3 <= len(found) <= 6
    assert found[0] == 'Where dots makes it fail, 100% of all wrong answers name one sign, "caution".'
    assert 'are taken for "caution"' in found[1]
    assert "under 0 of 1 noises, least under dots: 0.7" in found[2]
    assert "clearly foretells" in found[-1]
    assert not any("nan" in sentence for sentence in found)

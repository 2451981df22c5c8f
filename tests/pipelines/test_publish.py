import numpy as np
import pandas as pd
import pytest

from pipelines.publish import permille, threshold_metrics


def test_censored_thresholds_are_no_metrics():
    table = pd.DataFrame(
        [
            {"noise": "a", "criterion": "fails", "threshold": 0.2, "low": 0.1, "high": np.inf, "censored": ""},
            {"noise": "b", "criterion": "fails", "threshold": np.inf, "low": 0.4, "high": np.inf, "censored": "above"},
            {"noise": "a", "criterion": "significant", "threshold": 0.1, "low": np.nan, "high": np.nan, "censored": ""},
        ]
    )
    assert threshold_metrics(table) == {
        "threshold/a/fails": 0.2,
        "threshold/a/fails_low": 0.1,
        "threshold/a/significant": 0.1,
    }


@pytest.mark.parametrize(("level", "step"), [(0.0, 0), (0.05, 100), (0.5, 1000), (0.0333, 67)])
def test_steps_are_thousandths_of_the_catalogue_range(level, step):
    assert permille(level, 0.0, 0.5) == step

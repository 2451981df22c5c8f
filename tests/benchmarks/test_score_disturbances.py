import json

import keras
import numpy as np
import pytest

from benchmarks import score_disturbances
from benchmarks.score_disturbances import DISTURBANCES, SEEN, expected, report, score_rows, table, worsening
from gan.scores.extractors import Extractor
from pipelines.signs import Signs

COUNT = 40
RANDOM = np.random.default_rng(0)
LABELS = np.arange(4 * COUNT) % 4
IMAGES = RANDOM.integers(0, 80, (4 * COUNT, 8, 8, 3)) + 40 * LABELS[:, None, None, None]
SIGNS = Signs(
    image_id=np.array([f"test/{row}" for row in range(len(LABELS))]),
    label=LABELS,
    track=np.array([""] * len(LABELS)),
    image=IMAGES.astype(np.uint8),
)


@pytest.fixture(scope="module")
def extractor():
    images = keras.Input((8, 8, 3))
    network = keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images)))
    return Extractor("means", 3, "0123456789ab", 8, network, None)


@pytest.fixture
def scored(monkeypatch):
    """How many sets were scored."""
    score, calls = score_disturbances.score_features, []

    def counted(*given, **named):
        calls.append(1)
        return score(*given, **named)

    monkeypatch.setattr(score_disturbances, "score_features", counted)
    return calls


def test_rows_are_kept_for_the_same_data_and_samples_alone(extractor, scored, tmp_path, monkeypatch):
    monkeypatch.setattr(score_disturbances, "DISTURBANCES", {"few_bad": DISTURBANCES["few_bad"]})
    sets, done = 2 + 4 + 1, tmp_path / "rows.jsonl"

    def again(data, samples):
        scored.clear()
        rows = score_rows(extractor, SIGNS, data, COUNT, 2, {"gan": samples}, done)
        return rows, len(scored)

    samples = SIGNS.image[:COUNT]
    first, count = again("a", samples)
    assert count == sets
    assert again("a", samples) == (first, 0)
    assert again("b", samples)[1] == sets
    assert again("a", samples[::-1])[1] == 1
    done.write_text(done.read_text() + '{"half": ')
    assert again("a", samples)[1] == 0
    assert {"data", "samples", "hash"} <= json.loads(done.read_text().splitlines()[0]).keys()


def test_the_table_says_from_where_on_a_score_sees_and_the_targets_what_it_should(extractor, tmp_path):
    worse = worsening(score_rows(extractor, SIGNS, "a", COUNT, 3, {}, tmp_path / "rows.jsonl"))
    by_score = {row["score"]: row for row in table(worse)}
    assert by_score["precision"]["dropped_classes"] == "blind"
    assert "| Gaussian noise |" in report("means", worse)
    targets = {target.what: target for target in expected("means", worse)}
    blind = targets["means: precision under classes dropped, deviations worse"]
    assert (blind.at_most, blind.met) == (SEEN, True)
    assert targets["means: fd under classes dropped, deviations worse"].at_least == SEEN

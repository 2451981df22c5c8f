"""Features by Ray workers are those of this process."""

import keras
import numpy as np
import pytest

from gan.scores import extractors
from gan.scores.extractors import load_extractor
from pipelines.errors import InputError
from pipelines.gans import features
from pipelines.gans.features import shared_out

IMAGES = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3), np.uint8)


@pytest.fixture
def extractor(tmp_path, monkeypatch):
    for module in (extractors, features):
        monkeypatch.setattr(module, "BATCH", 32)
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3))
    convolved = keras.layers.Conv2D(8, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(images))
    keras.Model(images, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(convolved))).save(
        tmp_path / "cnn.keras"
    )
    return load_extractor("cnn", tmp_path / "cnn.keras")


@pytest.mark.slow
def test_workers_see_what_one_process_sees(extractor, ray_session):
    shared = shared_out(extractor, 1)
    assert (shared.name, shared.hash, shared.dimension) == (extractor.name, extractor.hash, extractor.dimension)
    np.testing.assert_array_equal(shared.features(IMAGES), extractor.features(IMAGES))
    np.testing.assert_array_equal(shared.logits(np.eye(8)), extractor.logits(np.eye(8)))
    with pytest.raises(ValueError, match=r"cnn: images uint8 \(70, 8, 8, 3\)"):
        shared.features(IMAGES[:, :8, :8])
    with pytest.raises(InputError, match="--workers 99: the cluster has room for"):
        shared_out(extractor, 99)

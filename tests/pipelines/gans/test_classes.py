"""Class by class."""

import numpy as np
import pytest

from gan.recipes import GAN_RECIPES
from models.recipes import RECIPES
from pipelines.gans.classes import classification_accuracy, distances_per_class
from pipelines.gans.samples import Sampler
from pipelines.signs import open_signs

LABELS = np.repeat([0, 2], 30)


def test_each_class_stands_beside_its_floor(random):
    real, floor = random.normal(size=(2, 60, 4))
    fake = random.normal(size=(40, 4)) + 3 * (LABELS[10:50, None] == 2)
    table = distances_per_class((real, LABELS), (fake, LABELS[10:50]), (floor, LABELS), ("red", "green", "blue"))
    assert table["class_name"].tolist() == ["red", "blue"]
    assert table[["n_real", "n_fake", "n_floor"]].to_numpy().tolist() == [[30, 20, 30]] * 2
    assert table["distance"][1] > 10 * table["floor"][1]
    assert table["distance"][0] < 3


@pytest.fixture
def signs(tmp_path, write_signs):
    return open_signs(write_signs(tmp_path / "colours", counts={"train": 60, "validation": 3, "test": 30}))


def test_what_a_network_learns_from_samples(signs, tmp_path, monkeypatch):
    """A generator that drops a class: no image of it is recognised; the floor is that of real images."""
    short = RECIPES["lenet"].updated(epochs=8, batch_size=16, augmentation="none")
    monkeypatch.setitem(RECIPES, "default", short)
    train = signs.read("train")
    samples = np.where((train.label == 2)[:, None, None, None], np.uint8(0), train.image)
    monkeypatch.setattr("gan.sampling.generate", lambda *_, **__: samples)
    parts = {"train": train, "test": signs.read("test")}
    sampler = Sampler(GAN_RECIPES["conditional"], train, 10, 3, None, seed=0)
    of_samples, of_signs = classification_accuracy(sampler, None, signs, parts, tmp_path)
    assert of_signs.accuracy > 0.9
    assert of_samples.accuracy < 0.8
    assert of_samples.per_class[2] < 0.5
    assert len(list(tmp_path.glob("checkpoint-*.npz"))) == 2

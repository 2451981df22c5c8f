"""The networks that look at samples, and those that do not fit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from pipelines.errors import InputError
from pipelines.gan import GanSettings
from pipelines.gans.judge import open_extractor, open_jury
from pipelines.signs import Signs, open_signs


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory, write_signs: Callable[..., Path]) -> Signs:
    counts = {"train": 60, "validation": 3, "test": 3}
    return open_signs(write_signs(tmp_path_factory.mktemp("prepared") / "colours", counts=counts)).read("train")


@pytest.fixture
def network(tmp_path: Path) -> Callable[..., str]:
    """Write a classifier that ends in a dense layer, of images of this form."""

    def write(name: str, classes: int, size: int = 16, channels: int = 3) -> str:
        images = keras.Input((size, size, channels))
        pooled = keras.layers.GlobalAveragePooling2D()(images)
        keras.Model(images, keras.layers.Dense(classes, kernel_initializer="identity")(pooled)).save(
            tmp_path / f"{name}.keras"
        )
        return str(tmp_path / f"{name}.keras")

    return write


def test_an_extractor_of_the_classes_names_the_samples_unless_another_network_does(train, network):
    one, other = network("one", 3), network("other", 3)
    alone = open_jury(GanSettings(extractor=one), train, 3)
    assert alone.classifier is alone.extractor
    both = open_jury(GanSettings(extractor=one, classifier=other), train, 3)
    assert (both.extractor.name, both.classifier.name) == ("one", "other")
    shared = replace(alone.extractor)
    assert alone.with_extractor(shared).classifier is shared
    assert both.with_extractor(shared).classifier is both.classifier
    logits = keras.saving.load_model(other).predict_on_batch(train.image.astype(np.float32))
    np.testing.assert_array_equal(both.called(train.image, np.empty((60, 0))), logits.argmax(axis=1))


def test_without_an_extractor_pixels_measure_and_another_network_names(train, network):
    assert open_jury(GanSettings(), train, 3).classifier is None
    jury = open_jury(GanSettings(classifier=network("other", 3)), train, 3)
    assert (jury.extractor.name[:3], jury.classifier.name) == ("pca", "other")
    assert jury.called(train.image, np.empty((60, 0))).shape == (60,)


def test_an_extractor_of_other_classes_needs_a_classifier_beside_it(train, network):
    ten = network("ten", 10)
    assert open_jury(GanSettings(extractor=ten, classifier=network("own", 3)), train, 3).extractor.name == "ten"
    with pytest.raises(
        InputError, match=r"ten\.keras: it tells 10 classes, the data set has 3; give a --classifier of"
    ):
        open_jury(GanSettings(extractor=ten), train, 3)


@pytest.mark.parametrize("option", ["extractor", "classifier"])
def test_networks_that_do_not_fit_are_named(option, train, network, tmp_path):
    message = rf"--{option} .*large\.keras: it takes images of 32 x 32 x 3, the data set has 16 x 16 x 3; give another"
    with pytest.raises(InputError, match=message):
        open_jury(GanSettings.model_validate({option: network("large", 3, 32)}), train, 3)
    with pytest.raises(InputError, match=f"--{option} nowhere.keras: no such file"):
        open_jury(GanSettings.model_validate({option: "nowhere.keras"}), train, 3)
    (tmp_path / "mine.py").write_text("def predict(images): return images")
    with pytest.raises(InputError, match=f"--{option} .*: features come from within a network, and a function shows"):
        open_jury(GanSettings.model_validate({option: f"{tmp_path}/mine.py:predict"}), train, 3)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.0, 255.0), (127.5, 127.5)])
def test_judges_read_images_as_they_were_trained_to(ending, shift, scale, train, tmp_path):
    """A network that tells colours by their brightness, 100% right, under the ways that were said to be white = 255."""
    images = keras.Input((16, 16, 3))
    lit = keras.layers.ReLU(max_value=255.0)(keras.layers.Rescaling(scale, offset=shift)(images))
    over = keras.layers.ReLU(threshold=100.0)(lit)
    last = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(images, last(keras.layers.GlobalAveragePooling2D()(over)))
    last.set_weights([0.1 * np.eye(3), np.zeros(3)])
    model.save(tmp_path / f"own.{ending}")
    for option in ("extractor", "classifier"):
        jury = open_jury(GanSettings.model_validate({option: str(tmp_path / f"own.{ending}")}), train, 3)
        judge = jury.classifier
        assert (judge.logits(judge.features(train.image)).argmax(axis=1) == train.label).all()


def test_a_classifier_tells_the_classes_of_the_data(train, network):
    with pytest.raises(InputError, match=r"--classifier .*: it tells 5 classes, the data set has 3; give one"):
        open_jury(GanSettings(classifier=network("five", 5)), train, 3)


def test_components_of_pixels_are_named_by_the_images_that_they_are_of(train):
    one, again, other = (open_extractor("", part) for part in (train, train, train.take(np.arange(40))))
    assert one.hash == again.hash != other.hash
    assert one.features(train.image).std(axis=0) == pytest.approx(1, abs=0.05)

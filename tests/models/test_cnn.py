from pathlib import Path

import keras
import numpy as np
import pytest

from models.cnn import NETWORKS, build_cnn


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build_cnn(43, 32)


def test_takes_float32_images_and_gives_float32_logits(network: keras.Model) -> None:
    assert network.input_shape == (None, 32, 32, 3)
    assert network.inputs[0].dtype == "float32"
    logits = network.predict_on_batch(np.full((2, 32, 32, 3), 255.0, np.float32))
    assert logits.shape == (2, 43)
    assert logits.dtype == np.float32
    assert not np.allclose(logits.sum(axis=1), 1.0)


def test_has_about_a_million_parameters_or_fewer_and_no_lambda(network: keras.Model) -> None:
    assert network.count_params() <= 1_050_000
    kinds = {type(layer).__name__ for layer in network._flatten_layers()}
    assert "Lambda" not in kinds
    assert {"Rescaling", "BatchNormalization", "Dropout"} <= kinds


def test_light_and_contrast_of_the_image_do_not_change_the_answer(network: keras.Model) -> None:
    image = np.random.default_rng(0).uniform(40, 120, (1, 32, 32, 3)).astype(np.float32)
    images = np.concatenate([image, 1.5 * image, 0.8 * image + 40])
    logits = network.predict_on_batch(images)
    np.testing.assert_allclose(logits[1:], np.repeat(logits[:1], 2, axis=0), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("size", [16, 32, 48, 61])
def test_any_size_and_number_of_classes(size: int) -> None:
    network = build_cnn(7, size)
    assert network.predict_on_batch(np.zeros((1, size, size, 3), np.float32)).shape == (1, 7)


def test_loads_without_our_code_or_unsafe_mode(network: keras.Model, tmp_path: Path) -> None:
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False, safe_mode=True)
    images = np.random.default_rng(1).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(loaded.predict_on_batch(images), network.predict_on_batch(images), rtol=1e-5)
    assert all(type(layer).__module__.startswith("keras.") for layer in loaded._flatten_layers(include_self=False))


def test_the_same_seed_builds_the_same_network() -> None:
    networks = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        networks.append(build_cnn(4, 16))
    for one, other in zip(networks[0].get_weights(), networks[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("classes", "size"), [(1, 32), (43, 8)])
def test_what_does_not_fit_is_refused(classes: int, size: int) -> None:
    with pytest.raises(ValueError, match="needs 2 classes and 16 pixels"):
        build_cnn(classes, size)


def test_the_registry_builds_each_network() -> None:
    for build in NETWORKS.values():
        assert build(3, 32, dropout=0.1).output_shape == (None, 3)

from pathlib import Path

import keras
import numpy as np
import pytest

from models.cnn import NETWORKS, Style, residual
from models.neuron_load import _activations


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return residual(43, 32, Style())


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
    network = residual(7, size, Style())
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
        networks.append(residual(4, 16, Style()))
    for one, other in zip(networks[0].get_weights(), networks[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_reference_sees_the_features_of_all_stages() -> None:
    """Channels and sizes of github.com/navoshta/traffic-signs: 4 x 4 x (32 + 64 + 128) features for 1024 units."""
    network = NETWORKS["multi_scale"](43, 32, Style())
    joined = next(layer for layer in network.layers if isinstance(layer, keras.layers.Concatenate))
    assert joined.output.shape == (None, 4 * 4 * (32 + 64 + 128))
    assert [layer.filters for layer in network.layers if isinstance(layer, keras.layers.Conv2D)] == [1, 32, 64, 128]
    assert [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)] == [1024, 43]


def test_the_reference_is_blind_to_colour() -> None:
    network = NETWORKS["multi_scale"](43, 32, Style(contrast="none"))
    grey = np.random.default_rng(0).uniform(60, 180, (2, 32, 32, 1)).astype(np.float32).repeat(3, axis=-1)
    tint = np.array([20.0, 20.0, -20 * (0.299 + 0.587) / 0.114], np.float32) / 5  # of no luma
    np.testing.assert_allclose(network.predict_on_batch(grey + tint), network.predict_on_batch(grey), atol=1e-4)


OPTIONS = [
    {"width": 0.5},
    {"depth": 2},
    {"norm": "layer"},
    {"norm": "group"},
    {"norm": "none"},
    {"activation": "gelu"},
    {"dropout_kind": "gaussian"},
    {"dropout_kind": "spatial"},
    {"contrast": "local"},
    {"contrast": "none"},
    {"transformers": 3},
    {"columns": 3, "transformers": 1},
]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_network_has_every_option_and_reloads(name: str, options: dict[str, object], tmp_path: Path) -> None:
    network = NETWORKS[name](5, 24, Style(**options))  # type: ignore[arg-type]
    images = np.random.default_rng(1).uniform(0, 255, (3, 24, 24, 3)).astype(np.float32)
    logits = network.predict_on_batch(images)
    assert logits.shape == (3, 5)
    assert np.isfinite(logits).all()
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(loaded.predict_on_batch(images), logits, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["residual", "separable"])
def test_width_and_depth_make_a_network_larger(name: str) -> None:
    plain, wide, deep = (
        NETWORKS[name](5, 16, Style(**options)).count_params() for options in ({}, {"width": 2.0}, {"depth": 3})
    )
    assert plain < deep
    assert 2 * plain < wide < 5 * plain


def test_columns_begin_apart_and_answer_by_their_mean() -> None:
    keras.utils.set_random_seed(3)
    network = residual(5, 16, Style(columns=2))
    assert network.count_params() == 2 * residual(5, 16, Style()).count_params()
    images = np.random.default_rng(1).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)
    apart = keras.Model(network.input, [network.get_layer(f"logits_{number}").output for number in range(2)])
    one, other = apart.predict_on_batch(images)
    assert not np.allclose(one, other)
    np.testing.assert_allclose(network.predict_on_batch(images), (one + other) / 2, atol=1e-6)
    assert len(_activations(network)) == 2 * len(_activations(residual(5, 16, Style())))


def dropouts(name: str, **options: object) -> list[tuple[str, float, int]]:
    """Kind, rate and number of axes of what each layer of dropout drops."""
    network = NETWORKS[name](5, 16, Style(**options))  # type: ignore[arg-type]
    found = [layer for layer in network.layers if "Dropout" in type(layer).__name__]
    return [(type(layer).__name__, pytest.approx(layer.rate), len(layer.output.shape)) for layer in found]


KINDS = {"unit": "Dropout", "gaussian": "GaussianDropout", "spatial": "SpatialDropout2D"}
UNITS = {"lenet": 3, "multi_scale": 2, "residual": 2, "separable": 2}
MAPS = {"lenet": 2, "multi_scale": 5, "residual": 4, "separable": 4}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", UNITS)
def test_dropout_is_of_one_kind_and_rate(name: str, kind: str) -> None:
    axes, count = (4, MAPS[name]) if kind == "spatial" else (2, UNITS[name])
    assert dropouts(name, dropout=0.3, dropout_kind=kind) == [(KINDS[kind], 0.3, axes)] * count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_dropout_of_zero_drops_nothing(name: str, kind: str) -> None:
    network = NETWORKS[name](5, 16, Style(dropout=0, dropout_kind=kind, norm="none"))  # type: ignore[arg-type]
    images = np.random.default_rng(3).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(network(images, training=True), network(images, training=False), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_names_do_not_depend_on_what_was_built_before(name: str) -> None:
    networks = [NETWORKS[name](5, 16, Style(transformers=1, activation="elu")) for _ in range(2)]
    assert networks[0].name == name
    one, other = ([layer.name for layer in _activations(network)] for network in networks)
    assert one == other == [f"activation_{number:02d}" for number in range(1, len(one) + 1)]


def test_transformers_start_as_the_identity() -> None:
    keras.utils.set_random_seed(3)
    moved = residual(5, 16, Style(transformers=1, norm="none"))
    images = np.random.default_rng(2).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    samples = keras.Model(moved.inputs, [moved.get_layer("contrast").output, moved.get_layer("transformer_0").output])
    before, after = samples.predict_on_batch(images)
    np.testing.assert_allclose(after, before, atol=1e-4)


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"depth": 0}, {"dropout": 1.0}, {"norm": "x"}, {"transformers": 4}, {"columns": 0}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Style(**wrong)  # type: ignore[arg-type]

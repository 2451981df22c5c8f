from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from models import neuron_load as module
from models.neuron_load import (
    gini,
    layer_loads,
    load_metrics,
    lorenz_curve,
    normalised_entropy,
    top_share,
    unit_loads,
)

LOADS = st.lists(st.floats(0, 1e3), min_size=1, max_size=30).filter(lambda values: sum(values) > 1e-3)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_equal_loads_are_even(count):
    values = np.full(count, 0.3)
    assert gini(values) == pytest.approx(0, abs=1e-12)
    assert normalised_entropy(values) == pytest.approx(1)
    assert top_share(values) == pytest.approx(0.05)
    assert top_share(values, 0.5) == pytest.approx(0.5)


@pytest.mark.parametrize("count", [2, 7, 100])
def test_one_unit_with_all_the_load(count):
    values = np.eye(count)[0]
    assert gini(values) == pytest.approx(1 - 1 / count)
    assert normalised_entropy(values) == 0
    assert top_share(values) == pytest.approx(min(1, 0.05 * count))


def test_closed_forms():
    assert gini([1, 2, 3, 4]) == pytest.approx(0.25)
    assert gini(np.arange(1, 1001)) == pytest.approx(1 / 3, abs=1e-3)
    assert gini(np.random.default_rng(0).exponential(size=100_000)) == pytest.approx(0.5, abs=0.01)
    assert normalised_entropy([1, 1, 0, 0]) == pytest.approx(0.5)
    assert top_share([6, 2, 1, 1], 0.25) == pytest.approx(0.6)
    np.testing.assert_allclose(lorenz_curve([3, 1]), [[0, 0.5, 1], [0, 0.25, 1]])


@given(LOADS, st.randoms(), st.floats(0.1, 10))
def test_measures_are_bounded_and_know_neither_order_nor_scale(values, random, factor):
    mixed = [factor * value for value in random.sample(values, len(values))]
    n = len(values)
    for measure, low, high in ((gini, 0, 1 - 1 / n), (normalised_entropy, 0, 1), (top_share, 0.05, 1)):
        assert measure(mixed) == pytest.approx(measure(values), abs=1e-9)
        assert low - 1e-9 <= measure(values) <= high + 1e-9


@given(LOADS)
def test_gini_is_mean_difference_and_twice_the_area_over_the_lorenz_curve(values):
    loads = np.array(values)
    difference = np.abs(loads[:, None] - loads).mean() / (2 * loads.mean())
    assert gini(loads) == pytest.approx(difference, abs=1e-9)
    assert gini(loads) == pytest.approx(1 - 2 * np.trapezoid(*lorenz_curve(loads)[::-1]), abs=1e-9)


def test_no_load_at_all_has_no_distribution():
    for measure in (gini, normalised_entropy, top_share):
        assert np.isnan(measure([0.0, 0.0]))


@pytest.mark.parametrize("values", [[], [[1.0]], [1.0, -0.1], [np.nan, 1.0]])
def test_loads_that_are_none_are_refused(values):
    for measure in (gini, normalised_entropy, top_share):
        with pytest.raises(ValueError, match="numbers of at least 0"):
            measure(values)


def residual() -> keras.Model:
    """Shortcuts, branches and both ways of giving an activation, with weights at random."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3), name="images")
    stem = layers.Conv2D(6, 3, activation="relu", name="stem")(layers.Rescaling(1 / 255)(inputs))
    branch = layers.ReLU(name="branch")(layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same")(stem)))
    joined = layers.Add()([branch, stem])
    deep = layers.Activation("gelu", name="deep")(layers.Conv2D(4, 3, strides=2, name="plain")(joined))
    early = layers.Flatten()(layers.MaxPooling2D(3)(stem))
    both = layers.Concatenate()([early, layers.Flatten()(deep)])
    hidden = layers.LeakyReLU(name="hidden")(layers.Dense(7)(layers.Dropout(0.5)(both)))
    return keras.Model(inputs, layers.Dense(5, name="logits")(hidden))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def labels():
    return np.arange(20) % 5


@pytest.fixture(scope="module")
def model():
    return residual()


@pytest.fixture(scope="module")
def units(model, images, labels):
    return unit_loads(model, images, labels)


class Masked(keras.layers.Layer):
    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def call(self, inputs):
        return inputs * self.mask


def loss(model, images, labels):
    logits = model.predict_on_batch(images.astype(np.float32)).astype(float)
    return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]))


def test_a_row_a_unit_of_each_activation_but_the_output(units):
    assert units.groupby("layer", sort=False).size().to_dict() == {"stem": 6, "branch": 6, "deep": 4, "hidden": 7}


def test_importance_is_that_of_the_whole_network_with_a_mask(model, images, labels, units):
    for name, layer in units.groupby("layer"):
        for unit in (0, len(layer) - 1):
            mask = np.ones(len(layer), np.float32)
            mask[unit] = 0
            mask_layer = Masked(mask)

            def run(called, *args, _name=name, _mask=mask_layer, **kwargs):
                output = called(*args, **kwargs)
                return _mask(output) if called.name == _name else output

            masked = keras.models.clone_model(model, call_function=run)
            masked.set_weights(model.get_weights())
            rise = loss(masked, images, labels) - loss(model, images, labels)
            assert layer["importance"].iloc[unit] == pytest.approx(rise, abs=2e-6)


def test_activation_is_the_mean_absolute_output(model, images, units):
    for name, layer in units.groupby("layer"):
        outputs = keras.Model(model.inputs, model.get_layer(name).output).predict_on_batch(images.astype(np.float32))
        np.testing.assert_allclose(layer["activation"], np.abs(outputs).reshape(-1, len(layer)).mean(axis=0), rtol=1e-5)


def test_size_of_the_batches_changes_nothing(model, images, labels, units, monkeypatch):
    monkeypatch.setattr(module, "FLOATS_PER_BATCH", 1000)
    again = unit_loads(model, images, labels)
    np.testing.assert_allclose(again["importance"], units["importance"], atol=1e-6)


def test_the_model_is_left_as_it_was(model, units):
    assert [len(layer._inbound_nodes) for layer in model.layers] == [1] * len(model.layers)


@pytest.fixture(scope="module")
def planted():
    """Ten hidden units: three dead, one that decides, five that nobody listens to, one that harms."""
    inputs = keras.Input((1, 1, 3))
    hidden = keras.layers.Dense(10, activation="relu", name="hidden")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(hidden))
    kernel, bias, out = np.zeros((3, 10)), np.ones(10), np.zeros((10, 2))
    bias[:3] = -1
    kernel[0, 3], bias[3] = 1.0, 0.0
    out[3], out[9] = (-0.1, 0.1), (0.5, 0.0)
    model.get_layer("hidden").set_weights([kernel, bias])
    model.get_layer("logits").set_weights([out, np.zeros(2)])
    images = np.zeros((8, 1, 1, 3), np.uint8)
    images[..., 0] = 50
    return SimpleNamespace(model=model, images=images, labels=np.ones(8, int))


def test_planted_units_are_found(planted):
    units = unit_loads(planted.model, planted.images, planted.labels)
    # Logits are (-5 + 0.5, 5): without the deciding unit (0.5, 0), without the harmful one (-5, 5).
    importance = np.zeros(10)
    importance[3] = np.log1p(np.exp(0.5)) - np.log1p(np.exp(-9.5))
    importance[9] = np.log1p(np.exp(-10)) - np.log1p(np.exp(-9.5))
    np.testing.assert_allclose(units["importance"], importance, atol=1e-6)
    np.testing.assert_allclose(units["activation"], [0, 0, 0, 50, 1, 1, 1, 1, 1, 1])
    row = layer_loads(units).iloc[0]
    assert row["dead"] == pytest.approx(0.3)
    assert row["importance_gini"] == pytest.approx(0.9)
    assert row["importance_entropy"] == 0
    assert row["importance_top5"] == pytest.approx(0.5)
    assert row["activation_top5"] == pytest.approx(0.5 * 50 / 56)


def test_images_and_units_of_the_ablation_are_bounded(model, images, labels, units, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "_loss_rises", lambda *args: seen.append(args[2:]) or np.zeros(len(args[4])))
    few = unit_loads(model, images, labels, images_for_ablation=4, units_for_ablation=5)
    assert few["importance"].notna().groupby(few["layer"], sort=False).sum().tolist() == [5, 5, 4, 5]
    np.testing.assert_array_equal(few["activation"], units["activation"])
    np.testing.assert_array_equal(seen[0][0], images[::5])
    np.testing.assert_array_equal(seen[0][1], labels[::5])


def test_metrics_are_means_over_layers_and_those_of_each(model, images, labels, units):
    layers = layer_loads(unit_loads(model, images, labels))
    assert list(layers["units"]) == [6, 6, 4, 7]
    metrics = load_metrics(layers)
    assert metrics["load/activation_gini"] == pytest.approx(layers["activation_gini"].mean())
    assert metrics["load/layer_01/importance_top5"] == layers["importance_top5"][0]
    assert len(metrics) == 5 * 7


def test_metrics_that_are_not_defined_are_left_out(planted):
    dead = keras.models.clone_model(planted.model)
    dead.set_weights([0 * weights for weights in planted.model.get_weights()])
    layers = layer_loads(unit_loads(dead, planted.images, planted.labels))
    assert layers["dead"][0] == 1
    assert load_metrics(layers) == {"load/dead": 1.0, "load/layer_01/dead": 1.0}


def test_a_probability_at_the_end_is_no_hidden_layer(planted):
    inputs = keras.Input((1, 1, 3))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="sigmoid")(keras.layers.Flatten()(inputs)))
    with pytest.raises(ValueError, match="no layer that ends in an activation"):
        layer_loads(unit_loads(model, planted.images, planted.labels))


def test_wrong_input_is_refused(model, images, labels):
    with pytest.raises(ValueError, match="do not fit 20 images"):
        layer_loads(unit_loads(model, images, labels[:-1]))
    with pytest.raises(ValueError, match="do not fit 0 images"):
        layer_loads(unit_loads(model, images[:0], labels[:0]))
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="inside: give a flat one"):
        layer_loads(unit_loads(keras.Model(inputs, model(inputs)), images, labels))

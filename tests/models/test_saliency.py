"""Closed forms of every method on networks small enough to do by hand, and the check by random weights."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy.stats import spearmanr

from models import saliency
from models.cnn import NETWORKS, Style

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.uniform(0, 255, (5, 8, 8, 3)).astype(np.float32)
CLASSES = np.array([0, 1, 2, 1, 0])


@pytest.fixture(scope="module")
def linear():
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, layers.Dense(3, name="logits")(layers.Flatten()(images)))
    return filled(model, 1)


@pytest.fixture(scope="module")
def convolutional():
    """A convolution, a ReLU and the mean over places."""
    images = keras.Input((8, 8, 3))
    features = layers.Conv2D(4, 3, padding="same", activation="relu", name="features")(images)
    logits = layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(features))
    return filled(keras.Model(images, logits), 2)


def filled(model, seed):
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(0, 0.2, weight.shape) for weight in model.get_weights()])
    return model


def weights_of(linear):
    """(class, H, W, C)."""
    return linear.layers[-1].get_weights()[0].T.reshape(3, 8, 8, 3)


def test_the_gradient_of_a_linear_model_is_its_weights(linear):
    maps = saliency.gradient(linear)(IMAGES, CLASSES)
    np.testing.assert_allclose(maps, np.abs(weights_of(linear)[CLASSES]).max(axis=-1), rtol=1e-6)


def test_smooth_grad_of_a_linear_model_is_its_gradient(linear):
    maps = saliency.smooth_grad(linear, samples=3)(IMAGES, CLASSES)
    np.testing.assert_allclose(maps, saliency.gradient(linear)(IMAGES, CLASSES), rtol=1e-5)


def test_smooth_grad_depends_on_its_seed_alone(convolutional):
    first, again, other = (saliency.smooth_grad(convolutional, seed=seed)(IMAGES, CLASSES) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4
    still = saliency.smooth_grad(convolutional, noise=0.0)(IMAGES, CLASSES)
    np.testing.assert_allclose(still, saliency.gradient(convolutional)(IMAGES, CLASSES), atol=1e-6)


def test_integrated_gradients_of_a_linear_model_in_closed_form(linear):
    change = IMAGES - IMAGES.mean(axis=(1, 2, 3), keepdims=True)
    expected = np.abs((change * weights_of(linear)[CLASSES]).sum(axis=-1))
    maps = saliency.integrated_gradients(linear)(IMAGES, CLASSES)
    np.testing.assert_allclose(maps, expected, rtol=2e-3, atol=0.05)


@pytest.mark.parametrize("normalised", [False, True])
def test_integrated_gradients_are_complete(convolutional, normalised):
    """They add up to what the logit gains on the way from grey, also where a network normalises contrast."""
    model = convolutional
    if normalised:
        images = keras.Input((16, 16, 3))
        x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-4)(
            layers.Rescaling(1 / 127.5, offset=-1.0)(images)
        )
        x = layers.Conv2D(8, 3, activation="relu")(x)
        model = filled(keras.Model(images, layers.Dense(3)(layers.Flatten()(x))), 4)
    shape = (5, *model.input_shape[1:])
    photos = np.random.default_rng(5).uniform(20, 120, shape).astype(np.float32)
    grey = np.broadcast_to(photos.mean(axis=(1, 2, 3), keepdims=True), shape)
    gained = (np.asarray(model(photos)) - np.asarray(model(grey)))[np.arange(5), CLASSES]
    added = saliency.attributions(model, steps=64)(photos, CLASSES).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(added, gained, atol=0.02 * np.abs(gained).max())


def test_grad_cam_by_hand(convolutional):
    """With the mean over places, the weight of a feature is that of the last layer over the number of places."""
    features = keras.Model(convolutional.inputs[0], convolutional.get_layer("features").output)
    weight = convolutional.layers[-1].get_weights()[0].T[CLASSES] / 64
    expected = np.maximum(np.einsum("nhwd,nd->nhw", np.asarray(features(IMAGES)), weight), 0)
    np.testing.assert_allclose(saliency.grad_cam(convolutional)(IMAGES, CLASSES), expected, atol=1e-4)


def test_grad_cam_enlarges_to_the_image():
    images = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, strides=8, padding="same", name="coarse")(images)
    model = filled(keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))), 6)
    assert saliency.grad_cam(model, layer="coarse")(np.ones((2, 32, 32, 3)), [0, 1]).shape == (2, 32, 32)


def test_the_layer_of_grad_cam_is_found(convolutional, linear):
    assert saliency.last_spatial_layer(convolutional) == "features"
    with pytest.raises(ValueError, match="no layer has features with a spatial extent"):
        saliency.grad_cam(linear)
    with pytest.raises(ValueError, match="cannot look into layer nowhere"):
        saliency.grad_cam(convolutional, layer="nowhere")


def test_where_the_last_features_are_flattened_grad_cam_takes_those_a_convolution_reads():
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(images)
    x = layers.MaxPooling2D(name="pooled")(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="second")(x)
    x = layers.MaxPooling2D()(x)
    model = keras.Model(images, layers.Dense(2)(layers.Flatten()(x)))
    assert saliency.last_spatial_layer(model) == "pooled"


def test_grad_cam_sums_the_evidence_of_all_columns():
    one, two = (NETWORKS["residual"](3, 16, Style(columns=count, width=0.25)) for count in (1, 2))
    numbers = [np.random.default_rng(0).normal(0.1, 0.2, value.shape) for value in one.get_weights()]
    one.set_weights([np.abs(value) for value in numbers])
    for number in range(2):  # both columns are the one network: each gives half of the mean, together all of it
        column = keras.Model(two.input, two.get_layer(f"logits_{number}").output)
        column.set_weights(one.get_weights())
    images = np.random.default_rng(1).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(two(images), one(images), rtol=1e-4)
    classes = np.array([0, 1])
    expected = saliency.grad_cam(one)(images, classes)
    assert expected.max() > 0
    np.testing.assert_allclose(saliency.grad_cam(two)(images, classes), expected, rtol=1e-3, atol=1e-5 * expected.max())


def test_occlusion_finds_the_planted_patch():
    """The logit sums one channel over a patch: covering it with the mean costs what it stands above the mean."""
    kernel = np.zeros((16, 16, 3, 2), np.float32)
    kernel[4:8, 8:12, 1, 0] = 1
    images = keras.Input((16, 16, 3))
    model = keras.Model(images, layers.Dense(2, use_bias=False)(layers.Flatten()(images)))
    model.set_weights([kernel.reshape(-1, 2)])
    image = np.zeros((1, 16, 16, 3), np.float32)
    image[0, 4:8, 8:12] = 200
    maps = saliency.occlusion(model, patch=4, stride=4)(image, [0])
    expected = np.zeros((1, 16, 16))
    expected[0, 4:8, 8:12] = 16 * (200 - image.mean())
    np.testing.assert_allclose(maps, expected, rtol=1e-5)
    assert not saliency.occlusion(model)(image, [1]).any()
    with pytest.raises(ValueError, match="a patch of 17 pixels; choose 1 to 16"):
        saliency.occlusion(model, patch=17)(image)


def test_patches_reach_the_edges():
    assert saliency._positions(10, 4, 4) == [0, 4, 6]


def test_deconvolution_by_hand():
    """Two dense layers of ReLUs: back through a ReLU goes what is positive, though that ReLU was shut."""
    images = keras.Input((1, 1, 2))
    hidden = layers.Dense(2, use_bias=False, name="hidden")(layers.Flatten()(images))
    top = layers.Dense(1, use_bias=False, name="top")(layers.ReLU()(hidden))
    model = keras.Model(images, layers.ReLU(name="unit")(top))
    model.set_weights([np.array([[1.0, 3.0], [0.0, -4.0]]), np.array([[2.0], [0.5]])])
    image = np.array([[[[1.0, 2.0]]]])  # hidden 1 and -5, so the second is shut; top 2
    # Signal 2 at the top; 4 and 1 below it, both positive, so both pass; (4 + 3, -4) at the image.
    np.testing.assert_allclose(saliency.deconvolution(model, "unit", 0)(image), [[[7.0]]])
    model.set_weights([np.array([[1.0, 3.0], [0.0, -4.0]]), np.array([[2.0], [-0.5]])])
    np.testing.assert_allclose(saliency.deconvolution(model, "unit", 0)(image), [[[4.0]]])


def test_deconvolution_starts_at_the_strongest_place(convolutional):
    image = np.zeros((1, 8, 8, 3), np.float32)
    image[0, 2, 5] = 255
    model = keras.models.clone_model(convolutional)
    model.set_weights([np.ones((3, 3, 3, 4)), np.zeros(4), *convolutional.get_weights()[2:]])
    image[0, 3, 5] = 1
    lit = saliency.deconvolution(model, "features", 1)(image)[0] > 0
    assert lit.sum() <= 6 * 6
    assert lit[2, 5]


def test_wrong_units_and_networks_without_relus_have_no_deconvolution(convolutional, linear):
    with pytest.raises(ValueError, match="layer features has units 0 to 3, not 4"):
        saliency.deconvolution(convolutional, "features", 4)
    with pytest.raises(ValueError, match="no ReLU"):
        saliency.deconvolution(linear, "logits", 0)


@pytest.mark.parametrize("network", NETWORKS)
def test_our_networks_are_explained_and_left_as_they_are(network):
    keras.utils.set_random_seed(0)
    model = NETWORKS[network](5, 16, Style(transformers=int(network == "residual")))
    before, image = model.get_weights(), np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3))
    layer = saliency.last_spatial_layer(model)
    features = np.asarray(keras.Model(model.inputs[0], model.get_layer(layer).output)(image))
    unit = int(features.max(axis=(0, 1, 2)).argmax())
    for maps in (saliency.grad_cam(model)(image), saliency.deconvolution(model, layer, unit)(image)):
        assert maps.shape == (8, 16, 16)
        assert np.isfinite(maps).all()
        assert maps.any()
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("method", saliency.METHODS)
def test_a_map_does_not_depend_on_other_images(method, convolutional):
    maps = saliency.METHODS[method](convolutional, batch_size=4)(IMAGES, CLASSES)
    assert maps.shape == (5, 8, 8)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.any()
    alone = saliency.METHODS[method](convolutional, batch_size=4)
    for index in range(5):
        np.testing.assert_array_equal(alone(IMAGES[index : index + 1], CLASSES[index : index + 1])[0], maps[index])
    assert alone(IMAGES[:0], CLASSES[:0]).shape == (0, 8, 8)


def test_classes_are_the_predicted_ones_if_not_given(convolutional):
    explain = saliency.gradient(convolutional)
    predicted = np.asarray(convolutional(IMAGES)).argmax(axis=1)
    np.testing.assert_array_equal(explain(IMAGES), explain(IMAGES, predicted))
    np.testing.assert_array_equal(explain(IMAGES.astype(np.uint8)), explain(IMAGES.astype(np.uint8).astype(float)))


def test_wrong_images_and_classes_are_named(convolutional):
    explain = saliency.gradient(convolutional)
    with pytest.raises(ValueError, match=r"takes \(None, 8, 8, 3\)"):
        explain(np.zeros((2, 9, 8, 3)))
    for classes in ([0], [0, 3], [-1, 0]):
        with pytest.raises(ValueError, match="one of 0 to 2 for each of 2 images"):
            explain(IMAGES[:2], np.array(classes))


@pytest.mark.parametrize("ending", ["activation", "Softmax", "Activation"])
def test_a_softmax_is_taken_off(convolutional, ending):
    pooled = convolutional.layers[-1].input
    dense = layers.Dense(3, activation="softmax" if ending == "activation" else None, name="last")
    outputs = dense(pooled)
    if ending != "activation":
        outputs = layers.Softmax()(outputs) if ending == "Softmax" else layers.Activation("softmax")(outputs)
    model = keras.Model(convolutional.inputs[0], outputs)
    dense.set_weights(convolutional.layers[-1].get_weights())
    logits = saliency.logits_model(model)
    np.testing.assert_allclose(np.asarray(logits(IMAGES)), np.asarray(convolutional(IMAGES)), rtol=1e-5)
    with pytest.raises(ValueError, match="no softmax over logits"):
        saliency.logits_model(logits)


def planted(count, seed):
    """Noise with a patch of one of two textures, in one of four places: the class is the texture."""
    random = np.random.default_rng(seed)
    images, labels = random.uniform(90, 160, (count, 16, 16, 3)), np.arange(count) % 2
    stripes = np.where(np.arange(6) % 2, 250.0, 5.0)
    for image, label, place in zip(images, labels, random.integers(4, size=count), strict=True):
        top, left = 1 + 8 * (place // 2), 1 + 8 * (place % 2)
        image[top : top + 6, left : left + 6] = (stripes[:, None] if label else stripes[None, :])[..., None]
    return images.astype(np.float32), labels


def trained(seed):
    keras.utils.set_random_seed(seed)
    images = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(x))
    model = keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], jit_compile=False)
    model.fit(*planted(256, 1), epochs=6, batch_size=32, verbose=0, shuffle=False)
    return model


@pytest.fixture(scope="module")
def networks():
    """Two trained networks, the second a few steps further than the first, and one whose weights are random."""
    first = trained(0)
    close = keras.models.clone_model(first)
    close.set_weights(first.get_weights())
    close.compile(keras.optimizers.Adam(1e-3), first.loss, jit_compile=False)
    close.fit(*planted(256, 2), epochs=1, batch_size=32, verbose=0, shuffle=False)
    randomised = keras.models.clone_model(first)
    random = np.random.default_rng(9)
    randomised.set_weights([random.permutation(weight.ravel()).reshape(weight.shape) for weight in first.get_weights()])
    return first, close, randomised


@pytest.mark.parametrize("method", saliency.METHODS)
def test_maps_are_of_the_weights_not_of_the_image_alone(method, networks):
    """Adebayo et al. 2018: maps of a network whose weights are shuffled must not resemble those of the network."""
    images, labels = planted(24, 7)
    maps = [saliency.METHODS[method](model)(images, labels).reshape(24, -1) for model in networks]
    close, randomised = (
        np.mean(np.abs([spearmanr(a, b).statistic for a, b in zip(maps[0], other, strict=True) if b.any() and a.any()]))
        for other in maps[1:]
    )
    assert close > 0.8
    assert randomised < close - 0.3


@pytest.mark.parametrize(
    ("method", "factor"),
    [("gradient", 1.2), ("smooth_grad", 1.5), ("integrated_gradients", 3), ("grad_cam", 3), ("occlusion", 3)],
)
def test_maps_find_what_was_planted(method, factor, networks):
    """The share of the map on the patch is well above the patch's share of the image."""
    images, labels = planted(24, 8)
    maps = saliency.METHODS[method](networks[0])(images, labels)
    inside = (images[..., 0] > 245) | (images[..., 0] < 10)
    assert np.asarray(networks[0](images)).argmax(axis=1).tolist() == labels.tolist()
    assert (maps * inside).sum() / maps.sum() > factor * inside.mean()

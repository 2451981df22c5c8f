"""Saliency: which pixels a classifier's answer rests on, as one map an image.

Each method is made for a model, which traces its graph once, and is then called as often as wanted:

    explain = grad_cam(model)
    maps = explain(images, labels)

Models are flat functional or sequential ones from float images (N, H, W, C), in the range that they take, to logits
(N, classes); `logits_model` makes one of a model that ends in a softmax. Maps are float32 (N, H, W), not negative,
in units of their own: compare them by rank or scale them. An image's map does not depend on the images beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Maps = NDArray[np.float32]

BATCH = 64
"""Images in one pass forward and back; it bounds the memory."""
STEPS_POWER = 6
"""Steps of integrated gradients crowd near the baseline, where networks that normalise contrast do all their work."""


CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)


class Explain(Protocol):
    """A method made for a model."""

    def __call__(self, images: NDArray[Any], classes: Sequence[int] | NDArray[np.integer[Any]] | None = None) -> Maps:
        """Maps (N, H, W) of images (N, H, W, C) for the logits of classes (N,), the predicted ones if None.

        Raises:
            ValueError: images of the wrong shape, or classes that the model does not have.
        """


def gradient(model: keras.Model, *, batch_size: int = BATCH) -> Explain:
    """The largest absolute derivative of the logit over the channels of each pixel (Simonyan et al. 2013)."""
    slope = _slope(model)
    return _batched(model, lambda images, classes: _strongest(slope(images, classes)), batch_size)


def smooth_grad(
    model: keras.Model, *, samples: int = 16, noise: float = 0.15, seed: int = 0, batch_size: int = BATCH
) -> Explain:
    """The gradient averaged over noisy copies of the image, then reduced as `gradient` (Smilkov et al. 2017).

    Args:
        model: The classifier.
        samples: Noisy copies of each image; all images get the same noise fields.
        noise: Their standard deviation as a share of the range between the image's darkest and lightest value.
        seed: Of the noise.
        batch_size: Images in one pass.
    """
    slope = _slope(model)

    def explain(images: Any, classes: Any) -> Any:
        spread = tf.reduce_max(images, (1, 2, 3), True) - tf.reduce_min(images, (1, 2, 3), True)
        fields = (tf.random.stateless_normal(images.shape[1:], (seed, sample)) for sample in range(samples))
        return _strongest(sum(slope(images + noise * spread * field, classes) for field in fields) / samples)

    return _batched(model, explain, batch_size)


def attributions(model: keras.Model, *, steps: int = 48, batch_size: int = BATCH) -> Explain:
    """Integrated gradients with their sign, (N, H, W, C): see `integrated_gradients`.

    They add up to the logit of the image less that of its baseline, up to the error of the quadrature.
    """
    slope = _slope(model)
    places = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    weights = STEPS_POWER * places ** (STEPS_POWER - 1) / steps

    def explain(images: Any, classes: Any) -> Any:
        change = images - baseline(images)
        along = zip(places**STEPS_POWER, weights, strict=True)
        total = sum(weight * slope(images - (1 - share) * change, classes) for share, weight in along)
        return change * total

    return _batched(model, explain, batch_size)


def integrated_gradients(model: keras.Model, *, steps: int = 48, batch_size: int = BATCH) -> Explain:
    """The gradient integrated from a grey image to this one, times the change (Sundararajan et al. 2017).

    The baseline is the image's own mean: black would deny black parts of a sign any share. Attributions are summed
    over the channels of a pixel; their absolute value is the map.

    Args:
        model: The classifier.
        steps: Of the quadrature (midpoints).
        batch_size: Images in one pass.
    """
    attribute = attributions(model, steps=steps, batch_size=batch_size)
    return lambda images, classes=None: np.abs(attribute(images, classes).sum(axis=-1))


def baseline(images: Any) -> Any:
    """The grey images (N, 1, 1, 1) from which `integrated_gradients` sets out."""
    return tf.reduce_mean(tf.cast(images, tf.float32), (1, 2, 3), keepdims=True)


def grad_cam(model: keras.Model, *, layer: str | None = None, batch_size: int = BATCH) -> Explain:
    """Evidence for the class in a layer's features, enlarged to the image (Selvaraju et al. 2017).

    Args:
        model: The classifier.
        layer: Whose features (N, h, w, D) are weighted by the mean derivative of the logit over space and summed;
            what speaks against the class is cut off. By default the last one whose output has a spatial extent; of
            several columns, that of each, their evidence summed.
        batch_size: Images in one pass.

    Raises:
        ValueError: No layer of this name, or none with a spatial extent.
    """
    features_and_logits = _tapped(model, [layer] if layer else [last_spatial_layer(part) for part in _columns(model)])

    @tf.function(reduce_retracing=True)
    def explain(images: Any, classes: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            *features, logits = features_and_logits(images, training=False)
            score = tf.reduce_sum(_of_class(logits, classes))
        slopes = tape.gradient(score, features, unconnected_gradients="zero")
        weighted = [tf.reduce_mean(s, (1, 2), keepdims=True) * f for s, f in zip(slopes, features, strict=True)]
        evidence = tf.nn.relu(sum(tf.reduce_sum(tf.cast(w, tf.float32), axis=-1, keepdims=True) for w in weighted))
        return tf.image.resize(evidence, images.shape[1:3])[..., 0]

    return _batched(model, explain, batch_size)


def occlusion(
    model: keras.Model, *, patch: int | None = None, stride: int | None = None, batch_size: int = BATCH
) -> Explain:
    """How far the logit falls where a grey patch covers the image (Zeiler and Fergus 2014, section 2.2).

    Args:
        model: The classifier.
        patch: Side of the patch in pixels, by default a quarter of the image's; its grey is the image's mean.
        stride: Pixels from one position to the next, by default half a patch.
        batch_size: Images in one pass; there is one for each position.

    Returns:
        The method. A pixel has the mean fall over the patches that cover it, 0 where the logit rises.
    """

    @tf.function(reduce_retracing=True)
    def score(images: Any, classes: Any, cover: Any) -> Any:
        covered = tf.where(cover[:, :, None] > 0, baseline(images), images)
        return _of_class(model(covered, training=False), classes)

    def explain(images: Any, classes: Any) -> Any:
        height, width = images.shape[1:3]
        side = patch or max(1, min(height, width) // 4)
        if not 1 <= side <= min(height, width):
            raise ValueError(f"occlusion: a patch of {side} pixels; choose 1 to {min(height, width)}")
        step = stride or max(1, side // 2)
        count, total = np.zeros((height, width), np.float32), np.zeros((len(images), height, width), np.float32)
        whole = score(images, classes, np.zeros_like(count))
        for top, left in product(_positions(height, side, step), _positions(width, side, step)):
            cover = np.zeros_like(count)
            cover[top : top + side, left : left + side] = 1
            total += np.asarray(whole - score(images, classes, cover))[:, None, None] * cover
            count += cover
        return np.maximum(total / np.maximum(count, 1), 0)

    return _batched(model, explain, batch_size)


METHODS: Mapping[str, Callable[..., Explain]] = {
    "gradient": gradient,
    "smooth_grad": smooth_grad,
    "integrated_gradients": integrated_gradients,
    "grad_cam": grad_cam,
    "occlusion": occlusion,
}
"""Ways to explain the logit of a class, by name; each is called with the model."""


def deconvolution(
    model: keras.Model, layer: str, unit: int, *, batch_size: int = BATCH
) -> Callable[[NDArray[Any]], Maps]:
    """What in the image drives a unit: its activation sent back through a deconvolutional network.

    Zeiler et al. 2010, Zeiler and Fergus 2014: max-pooling passes the signal to where the maximum was, convolutions
    are transposed, and a ReLU keeps what is positive of the signal, whatever its input was. Batch normalisation and
    additions pass it back as they do a derivative. The signal starts at the unit's strongest position.

    Args:
        model: A network of ReLUs.
        layer: Name of a layer, after which the unit is.
        unit: Its channel.
        batch_size: Images in one pass.

    Returns:
        A function from images (N, H, W, C) to maps (N, H, W): the largest absolute signal over channels.

    Raises:
        ValueError: No layer of this name, no such unit, or no ReLU in the network.
    """
    tapped = _tapped(_with_deconvolved_relus(model), [layer])
    units = tapped.outputs[0].shape[-1]
    if not 0 <= unit < units:
        raise ValueError(f"deconvolution: layer {layer} has units 0 to {units - 1}, not {unit}")

    @tf.function(reduce_retracing=True)
    def explain(images: Any, classes: Any) -> Any:  # noqa: ARG001
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            activations = tf.cast(tapped(images, training=False)[0][..., unit], tf.float32)
            peak = tf.reduce_max(tf.reshape(activations, (tf.shape(images)[0], -1)), axis=1)
        return _strongest(tape.gradient(peak, images, output_gradients=peak, unconnected_gradients="zero"))

    return _batched(model, explain, batch_size)


def last_spatial_layer(model: keras.Model) -> str:
    """The name of the last layer whose features (N, h, w, D) are read alike at all places.

    It is the last one with a spatial extent; where that is flattened, so that each place has weights of its own and
    the mean derivative over places says nothing, it is the one that the last convolution reads.

    Raises:
        ValueError: There is none.
    """
    spatial = [layer for layer in model.layers if _extent(getattr(layer, "output", None)) > 1]
    if any(isinstance(layer, keras.layers.Flatten) and _extent(layer.input) > 1 for layer in model.layers):
        read = [_maker(layer) for layer in spatial if isinstance(layer, CONVOLUTIONS)]
        spatial = [layer for layer in spatial if layer.name in read]
    if not spatial or isinstance(spatial[-1], keras.layers.InputLayer):
        raise ValueError(f"model {model.name}: no layer has features with a spatial extent, which Grad-CAM needs")
    return str(spatial[-1].name)


def logits_model(model: keras.Model) -> keras.Model:
    """The same network up to its logits, of one whose last layer is a softmax or a sigmoid, or has it as activation.

    Raises:
        ValueError: Its last layer is neither: the logits cannot be had.
    """
    last = model.layers[-1]
    softmax = getattr(last, "activation", None) in (keras.activations.softmax, keras.activations.sigmoid)
    if isinstance(last, keras.layers.Softmax) or (softmax and isinstance(last, keras.layers.Activation)):
        return keras.Model(model.inputs[0], last.input)
    if not softmax:
        raise ValueError(f"model {model.name}: its last layer, {last.name}, is no softmax over logits")
    linear = type(last).from_config(last.get_config() | {"activation": "linear"})
    logits = keras.Model(model.inputs[0], linear(last.input))
    linear.set_weights(last.get_weights())
    return logits


def _batched(model: keras.Model, explain: Callable[[Any, Any], Any], batch_size: int) -> Explain:
    """Explain batches of one size, the last one padded: a map does not depend on how images are divided up."""
    shape, count = tuple(model.input_shape), model.output_shape[-1]
    predict = tf.function(lambda images: tf.argmax(model(images, training=False), axis=-1, output_type=tf.int32))

    def explain_all(images: NDArray[Any], classes: Sequence[int] | NDArray[np.integer[Any]] | None = None) -> Maps:
        if images.ndim != 4 or any(size not in (None, have) for size, have in zip(shape, images.shape, strict=True)):
            raise ValueError(f"images of shape {images.shape}: model {model.name} takes {shape}")
        wanted = None if classes is None else _checked(np.asarray(classes), len(images), count)
        parts = []
        for start in range(0, max(len(images), 1), batch_size):  # no images are a batch of padding, for the shape
            rows = slice(start, min(start + batch_size, len(images)))
            batch = tf.constant(_padded(images[rows], batch_size), tf.float32)
            chosen = predict(batch) if wanted is None else tf.constant(_padded(wanted[rows], batch_size))
            parts.append(np.asarray(explain(batch, chosen), np.float32)[: rows.stop - start])
        return np.concatenate(parts)

    return explain_all


def _checked(classes: NDArray[np.integer[Any]], images: int, count: int) -> NDArray[np.int32]:
    if classes.shape != (images,) or (images and not 0 <= classes.min() <= classes.max() < count):
        raise ValueError(f"classes: give one of 0 to {count - 1} for each of {images} images, shape ({images},)")
    return classes.astype(np.int32)


def _padded(rows: NDArray[Any], size: int) -> NDArray[Any]:
    return np.pad(rows, [(0, size - len(rows)), *[(0, 0)] * (rows.ndim - 1)])


def _slope(model: keras.Model) -> Callable[[Any, Any], Any]:
    """The derivative (N, H, W, C) of the logits of classes (N,) by the images."""

    @tf.function(reduce_retracing=True)
    def slope(images: Any, classes: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            score = _of_class(model(images, training=False), classes)
        return tape.gradient(score, images, unconnected_gradients="zero")

    return slope  # type: ignore[no-any-return]


def _of_class(logits: Any, classes: Any) -> Any:
    return tf.gather(tf.cast(logits, tf.float32), classes, axis=1, batch_dims=1)


def _strongest(slopes: Any) -> Any:
    return tf.reduce_max(tf.abs(slopes), axis=-1)


def _tapped(model: keras.Model, layers: Sequence[str]) -> keras.Model:
    """The model with the outputs of layers before its own."""
    try:
        return keras.Model(model.inputs[0], [*(model.get_layer(layer).output for layer in layers), model.outputs[0]])
    except ValueError as error:
        asked, names = ", ".join(layers), ", ".join(found.name for found in model.layers)
        raise ValueError(f"model {model.name}: cannot look into layer {asked} ({error}); its layers: {names}") from None


def _columns(model: keras.Model) -> list[keras.Model]:
    """The networks of whose logits the model gives the mean; of any other model itself."""
    last = model.layers[-1]
    if not isinstance(last, keras.layers.Average):
        return [model]
    return [keras.Model(model.inputs[0], logits, name=model.name) for logits in last.input]


def _extent(tensor: Any) -> float:
    """Places of a tensor (N, h, w, D), 0 of any other; unknown sizes are large."""
    shape = getattr(tensor, "shape", ())
    return float(np.prod([np.inf if size is None else size for size in shape[1:3]])) if len(shape) == 4 else 0.0


def _maker(layer: keras.layers.Layer) -> str:
    """The name of the layer that made a layer's input."""
    return str(layer.input._keras_history.operation.name)


def _positions(size: int, side: int, step: int) -> list[int]:
    """Where patches begin, so that the last one ends at the edge."""
    return sorted({*range(0, size - side + 1, step), size - side})


def _with_deconvolved_relus(model: keras.Model) -> keras.Model:
    """A copy with the same weights, through whose ReLUs a signal goes back by the deconvolutional rule."""
    replaced = []

    def copy_of(layer: keras.layers.Layer) -> keras.layers.Layer:
        copy = type(layer).from_config(layer.get_config())
        if isinstance(layer, keras.layers.ReLU):
            replaced.append(layer.name)
            return keras.layers.Activation(_deconvolved(copy), name=layer.name, dtype=layer.dtype_policy)
        if getattr(layer, "activation", None) in (keras.activations.relu, keras.activations.relu6):
            replaced.append(layer.name)
            copy.activation = _deconvolved(layer.activation)
        return copy

    copy = keras.models.clone_model(model, clone_function=copy_of)
    if not replaced:
        raise ValueError(f"model {model.name}: no ReLU, which the deconvolutional view is defined by")
    copy.set_weights(model.get_weights())
    return copy


def _deconvolved(activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @tf.custom_gradient
    def rectify(inputs: Any) -> tuple[Any, Callable[[Any], Any]]:
        return activation(inputs), tf.nn.relu

    return rectify  # type: ignore[no-any-return]

"""How evenly a network spreads its work over its neurons, by how active they are and by what their loss costs."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, logsumexp

ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)
FLOATS_PER_BATCH = 2**23
"""Bounds the memory of a batch of ablated copies of a layer's output: 32 MB."""
TOP = 0.05

Images = NDArray[Any]
Floats = NDArray[np.float64]


def unit_loads(
    model: keras.Model,
    images: Images,
    labels: ArrayLike,
    *,
    images_for_ablation: int = 256,
    units_for_ablation: int | None = None,
) -> pd.DataFrame:
    """Measure each unit of each layer that ends in an activation; a channel of a convolution is a unit.

    The importance of a unit is by how much the mean cross-entropy rises when its output is set to zero (ablation, as
    in Morcos et al. 2018); it is exact, computed by the part of the network behind the layer, and only for the images
    on which the unit is not zero already.

    Args:
        model: Flat functional classifier, each layer called once, that gives logits (N, C).
        images: (N, H, W, 3) in 0..255.
        labels: (N,) true classes.
        images_for_ablation: Number of images, spread evenly over those given, on which units are set to zero. The
            time is proportional to it. The fewer, the noisier the importances and so the less even they look:
            compare networks at equal numbers.
        units_for_ablation: Most units of a layer that are set to zero, spread evenly; all if not given.

    Returns:
        A row a unit, layers from input to output: layer, unit, activation (mean absolute value over images and
        places), importance (in nats; below zero where the network is better off without; NaN if not ablated).

    Raises:
        ValueError: No images, labels that do not fit, no activation before the output, or a model inside the model.
    """
    truth = np.asarray(labels)
    if not len(images) or truth.shape != (len(images),):
        raise ValueError(f"labels {truth.shape} do not fit {len(images)} images: give (N,) and at least one")
    # Cutting a Keras model leaves marks on its layers: a copy takes them.
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = _activations(copy)
    means = _mean_activations(copy, layers, images)
    chosen = _spread(len(images), images_for_ablation)
    frames = []
    for layer, mean in zip(layers, means, strict=True):
        units = _spread(mean.shape[1], units_for_ablation or mean.shape[1])
        importance = np.full(mean.shape[1], np.nan)
        active = mean[np.ix_(chosen, units)] > 0
        importance[units] = _loss_rises(copy, layer, images[chosen], truth[chosen], units, active)
        columns = {"unit": np.arange(mean.shape[1]), "activation": mean.mean(axis=0), "importance": importance}
        frames.append(pd.DataFrame({"layer": layer.name, **columns}))
    return pd.concat(frames, ignore_index=True)


def layer_loads(units: pd.DataFrame) -> pd.DataFrame:
    """How evenly load is spread in each layer.

    Args:
        units: As `unit_loads` gives it. Importances below zero count as zero.

    Returns:
        A row a layer: layer, units, activation_gini, activation_entropy, dead (share of units that are zero on every
        image), activation_top5, importance_gini, importance_entropy, importance_top5. A load that is zero
        throughout has no distribution: NaN.
    """
    rows = []
    for name, layer in units.groupby("layer", sort=False):
        activation = layer["activation"].to_numpy(float)
        importance = layer["importance"].dropna().clip(lower=0).to_numpy(float)
        rows.append(
            {"layer": name, "units": len(layer)}
            | {f"activation_{measure}": value for measure, value in _spread_of(activation).items()}
            | {"dead": float(np.mean(activation == 0))}
            | {f"importance_{measure}": value for measure, value in _spread_of(importance).items()}
        )
    return pd.DataFrame(rows)


def load_metrics(layers: pd.DataFrame) -> dict[str, float]:
    """Figures of `layer_loads` but NaN: `load/<measure>` (mean over layers) and `load/layer_01/<measure>`, ...

    Layers go by their place from the input: Keras numbers the names it gives through the life of a process, so that
    they differ between trainings of one network.
    """
    measures = layers.drop(columns=["layer", "units"])
    metrics = {f"load/{measure}": value for measure, value in measures.mean().items()}
    for place, row in enumerate(measures.to_dict("records"), start=1):
        metrics |= {f"load/layer_{place:02d}/{measure}": value for measure, value in row.items()}
    return {name: float(value) for name, value in metrics.items() if np.isfinite(value)}


def gini(values: ArrayLike) -> float:
    """Gini coefficient of (n,) values of at least 0: 0 if all are equal, 1 - 1/n if one has all; NaN if all are 0."""
    ordered = np.sort(_checked(values))
    n, total = len(ordered), ordered.sum()
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total)) if total else float("nan")


def normalised_entropy(values: ArrayLike) -> float:
    """Shannon entropy of the shares of (n,) values over log n: 1 if all are equal, 0 if one has all; NaN if all are 0.

    A single value is spread evenly: 1.
    """
    checked = _checked(values)
    if not checked.sum():
        return float("nan")
    return float(entr(checked / checked.sum()).sum() / np.log(len(checked))) if len(checked) > 1 else 1.0


def top_share(values: ArrayLike, share: float = TOP) -> float:
    """Share of the sum of (n,) values that its largest have; they are interpolated, so that equal ones give `share`.

    Args:
        values: (n,) numbers of at least 0.
        share: Which share of the values is the top, from 0 to 1.

    Returns:
        0 to 1; NaN if all values are 0.
    """
    population, held = lorenz_curve(values)
    return float(1 - np.interp(1 - share, population, held))


def lorenz_curve(values: ArrayLike) -> tuple[Floats, Floats]:
    """Share of the sum that the smallest have (Lorenz 1905): shares of the n values (n + 1,) and of their sum."""
    ordered = np.sort(_checked(values))
    held = np.concatenate([[0.0], np.cumsum(ordered)])
    with np.errstate(invalid="ignore"):
        return np.linspace(0, 1, len(held)), held / held[-1]


def _checked(values: ArrayLike) -> Floats:
    checked = np.asarray(values, np.float64)
    if checked.ndim != 1 or not len(checked) or not (checked >= 0).all():
        raise ValueError(f"loads {checked.shape} are to be one or more numbers of at least 0")
    return checked


def _spread_of(values: Floats) -> dict[str, float]:
    return {"gini": gini(values), "entropy": normalised_entropy(values), "top5": top_share(values)}


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` places out of `count`, at even distances."""
    return np.linspace(0, count, min(most, count), endpoint=False).astype(np.int64)


def _activations(model: keras.Model) -> list[keras.layers.Layer]:
    """Layers that end in an activation, but for the output, from input to output."""
    nested = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    if nested:
        raise ValueError(f"the model has the model {nested[0]} inside: give a flat one")
    found = [layer for layer in model.layers if _is_activation(layer) and layer.output is not model.outputs[0]]
    if not found:
        raise ValueError("the model has no layer that ends in an activation")
    return found


def _is_activation(layer: keras.layers.Layer) -> bool:
    linear = (None, keras.activations.linear, keras.activations.softmax)
    return isinstance(layer, ACTIVATIONS) or getattr(layer, "activation", None) not in linear


def _mean_activations(model: keras.Model, layers: list[keras.layers.Layer], images: Images) -> list[Floats]:
    """Mean absolute output (N, units) of each layer on each image."""

    def mean(output: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(output), axis=tuple(range(1, len(output.shape) - 1)))

    means = keras.Model(model.inputs, [mean(layer.output) for layer in layers])
    outputs = means.predict(images.astype(np.float32), batch_size=128, verbose=0)
    return [np.asarray(output, np.float64) for output in keras.tree.flatten(outputs)]


def _loss_rises(
    model: keras.Model,
    layer: keras.layers.Layer,
    images: Images,
    labels: NDArray[Any],
    units: NDArray[np.int64],
    active: NDArray[np.bool_],
) -> Floats:
    """Rise of the mean cross-entropy (units,) when a unit of a layer is zero; `active` (N, units): where it is not."""
    cut = [layer.output, *_beside(model, layer.output)]
    head, rest = keras.Model(model.inputs, cut), keras.Model(cut, model.outputs)
    outputs = keras.tree.flatten(head.predict(images.astype(np.float32), batch_size=128, verbose=0))
    whole = _losses(rest.predict(outputs, batch_size=128, verbose=0), labels)
    rises = np.zeros(len(units))
    for image, place in _batches(active, sum(output[0].size for output in outputs)):
        copies = [output[image] for output in outputs]
        copies[0][np.arange(len(image)), ..., units[place]] = 0
        rise = _losses(rest.predict_on_batch(copies), labels[image]) - whole[image]
        rises += np.bincount(place, weights=rise, minlength=len(units))
    return rises / len(images)


def _beside(model: keras.Model, cut: Any) -> list[Any]:
    """Tensors that are made without `cut` and joined later with what is made of it, as by a shortcut."""
    behind = {id(cut)}
    beside: dict[int, Any] = {}
    for operation in model.operations:
        if isinstance(operation, keras.layers.InputLayer) or operation.output is cut:
            continue
        inputs = keras.tree.flatten(operation.input)
        if behind.isdisjoint(id(tensor) for tensor in inputs):
            continue
        beside |= {id(tensor): tensor for tensor in inputs if id(tensor) not in behind}
        behind |= {id(tensor) for tensor in keras.tree.flatten(operation.output)}
    return list(beside.values())


def _batches(active: NDArray[np.bool_], floats: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of image and unit to ablate, in batches whose copies of the network's state are at most so many floats."""
    image, place = np.nonzero(active)
    size = max(1, FLOATS_PER_BATCH // floats)
    for start in range(0, len(image), size):
        yield image[start : start + size], place[start : start + size]


def _losses(logits: Any, labels: NDArray[Any]) -> Floats:
    """Cross-entropy (N,) of each image, in nats."""
    scores = np.asarray(logits, np.float64)
    return np.asarray(logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels])

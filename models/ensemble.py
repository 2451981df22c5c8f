"""Several networks, or several views of an image, that answer together."""

from collections.abc import Iterator, Sequence

import cv2
import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray
from scipy.special import logsumexp

from models.fit import predict_logits

TINY = 1e-30


def ensemble(members: Sequence[keras.Model]) -> keras.Model:
    """One network that gives the logarithm of the mean of its members' probabilities.

    Args:
        members: Networks of the same images and classes; they are copied.

    Raises:
        ValueError: no members, or shapes that differ.
    """
    shapes = {(member.input_shape, member.output_shape) for member in members}
    if len(shapes) != 1:
        raise ValueError(f"members of an ensemble have one input and one output in common, not {sorted(shapes)}")
    images = keras.Input(members[0].input_shape[1:], name="images")
    answers = [layers.Softmax()(_copy(member, f"member_{i}")(images)) for i, member in enumerate(members)]
    mean = layers.Average()(answers) if len(answers) > 1 else answers[0]
    return keras.Model(images, ops.log(mean + TINY), name="ensemble")


def _copy(member: keras.Model, name: str) -> keras.Model:
    copy = type(member).from_config({**member.get_config(), "name": name})
    copy.set_weights(member.get_weights())
    return copy


def predict_views(model: keras.Model, images: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """Logarithm (N, C) of the mean probabilities over views of each image: itself, and then moved and zoomed a little.

    Args:
        model: Gives logits.
        images: (N, H, W, 3).
        count: Of views, 1 to 9: each costs a forward pass.
    """
    logs = []
    for view in _views(images, count):
        logits = predict_logits(model, view).astype(np.float64)
        logs.append(logits - logsumexp(logits, axis=1, keepdims=True))
    return np.asarray(logsumexp(logs, axis=0) - np.log(count), np.float32)


VIEWS = (
    (0, 0, 1.0),
    (0, 0, 1.08),
    (0, 0, 0.93),
    (1, 1, 1.0),
    (-1, -1, 1.0),
    (1, -1, 1.0),
    (-1, 1, 1.0),
    (0, 1, 1.05),
    (0, -1, 1.05),
)
"""Shifts in 32nds of the side, and zooms. None is mirrored: "keep left" would become "keep right"."""


def _views(images: NDArray[np.uint8], count: int) -> Iterator[NDArray[np.uint8]]:
    if not 1 <= count <= len(VIEWS):
        raise ValueError(f"{count} views: give 1 to {len(VIEWS)}")
    height, width = images.shape[1:3]
    for across, down, zoom in VIEWS[:count]:
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        moved = (1 - zoom) * middle + np.array([across * width, down * height]) / 32
        matrix = np.column_stack([zoom * np.eye(2), moved])
        yield np.stack(
            [cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE) for image in images]
        )

"""How a network of somebody else's is to be used: tried on labelled images in the usual ways, and said.

Nothing of this is in a network's file. Each way of reading images and each known order of classes is tried on half of
the images, and what is right most often is confirmed on the other half.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.errors import InputError
from pipelines.networks import LOGITS, PROBABILITIES, SIGMOIDS, WRAP, FunctionNetwork, Network, as_logits, in_batches
from pipelines.preprocessing import AUTO, Preprocessing, usual_readings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipelines.signs import Signs

BATCH = 64
FIRST_LOOK = 64
"""Images after which ways that are clearly worse are tried no more."""
BEHIND = 16
"""Right answers of these that such a way is behind the best."""
POOR = 0.6
"""Share of right answers below which a person is warned."""
ORDERS = ("numbers", "strings", "names", "kaggle")
KAGGLE_FIRST, KAGGLE_CLASSES = 27, 43
"""Meta.csv of GTSRB on Kaggle begins with this class and goes on in the order of strings."""
CAUSES = (
    "usual causes: other classes or another order of them (--class-order 5,0,1,...), images made otherwise (equalised "
    "histogram, HSV or YUV, a mean of its own, another crop or size: --pixel-range, or --model my.py:predict), or a "
    "network that has not learnt yet"
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Way:
    """A way to use a network: how it reads images, which output has the classes, and the class of each place in it."""

    reading: Preprocessing
    output: str
    order: tuple[int, ...]
    order_name: str


@dataclass(frozen=True)
class Found:
    """The way that was taken.

    Attributes:
        use: fields of `Classifier`.
        answered: the classes (N,) that it names for the images.
    """

    use: dict[str, Any]
    answered: NDArray[np.int64]


def try_network(
    network: Network,
    signs: Signs,
    class_names: tuple[str, ...],
    *,
    pixel_range: str = AUTO,
    class_order: str = AUTO,
    label: str = "--model",
) -> Found:
    """Find out how a network is to be used, and say so.

    Args:
        network: a loaded one that takes images of this size.
        signs: labelled images that are not measured, possibly none.
        class_names: of the data set.
        pixel_range: `auto`, or how it reads images.
        class_order: `auto`, one of `ORDERS`, or the class of each output with commas between.
        label: the option with its value, for errors.

    Raises:
        InputError: it has other classes, or there is no such reading or order.
    """
    readings = _readings(network, signs, pixel_range)
    fitting, several = _fitting_outputs(network, signs, readings[0], len(class_names), label)
    orders = known_orders(class_names, class_order)
    ways = [Way(reading, output, order, name) for reading in readings for name, order in orders for output in fitting]
    ways.sort(key=lambda way: (way.order != (), way.reading.channels == "bgr"))  # most usual first, else as they were
    trial = _Trial(network, signs, ways)
    way = trial.choose()
    raw = trial.raw(way)
    outputs = kind_of_output(raw, _by_output(signs.label, way.order), network.activation(way.output))
    answered = trial.answers(way)
    right = float(np.mean(answered[1::2] == signs.label[1::2])) if len(signs) > 1 else float("nan")
    found = Found(
        {
            "reading": way.reading,
            "outputs": outputs,
            "order": way.order,
            "output": way.output,
            "said": _said(network, way, outputs, several, right, len(signs)),
            "right": right,
            "tried": len(signs) // 2,
        },
        answered,
    )
    _tell(found, label, signs)
    return found


def known_orders(class_names: Sequence[str], forced: str = AUTO) -> list[tuple[str, tuple[int, ...]]]:
    """The orders to try by name, each with the class of every output; the order of the data set is empty.

    Folders named by numbers sort as strings in most tools: 0, 1, 10, 11, ..., 2, 20.

    Raises:
        InputError: there is no such order, or a list that is none of all classes.
    """
    count = len(class_names)
    numbers = tuple(range(count))
    strings = tuple(sorted(numbers, key=str))
    orders = {"numbers": numbers, "strings": strings}
    orders["names"] = tuple(sorted(numbers, key=lambda label: class_names[label]))
    if count == KAGGLE_CLASSES:
        orders["kaggle"] = (KAGGLE_FIRST, *(label for label in strings if label != KAGGLE_FIRST))
    if forced in orders:
        return [(forced, () if orders[forced] == numbers else orders[forced])]
    if forced != AUTO:
        return [("given", _given_order(forced, count))]
    if count <= 10:  # strings sort like numbers, and of few classes an order by names is easily right by chance
        return [("numbers", ())]
    found: dict[tuple[int, ...], str] = {}
    for name, order in orders.items():
        found.setdefault(() if order == numbers else order, name)
    return [(name, order) for order, name in found.items()]


def _given_order(text: str, count: int) -> tuple[int, ...]:
    try:
        order = tuple(int(part) for part in text.split(","))
    except ValueError:
        order = ()
    if sorted(order) != list(range(count)):
        raise InputError(
            f"--class-order {text}: choose auto, {', '.join(ORDERS)}, or give the class of each output, all of 0 to "
            f"{count - 1} with commas between"
        )
    return order


def kind_of_output(raw: NDArray[Any], labels: NDArray[np.int64], activation: str) -> str:
    """What scores are.

    Args:
        raw: (N, K) as the network gives them, of any precision.
        labels: (N,) places of the right outputs.
        activation: that makes them, where it is known.

    Returns:
        Probabilities if no score is negative and all rows sum to the same, up to the rounding of their type; scores in
        0..1 of which each is a probability of its own are sigmoids or probabilities, under whichever the labels are
        likelier: a network that was trained with one sigmoid a class gives the latter.
    """
    scores = raw.astype(np.float32)
    if not scores.size or not np.isfinite(scores).all():
        return PROBABILITIES if activation == "softmax" else SIGMOIDS if activation == "sigmoid" else LOGITS
    rounding = {"bfloat16": 2**-7}.get(raw.dtype.name) or (
        float(np.finfo(raw.dtype).eps) if np.issubdtype(raw.dtype, np.floating) else 0.0
    )
    slack = 1e-2 + 8 * rounding
    sums = scores.sum(axis=1)
    if activation == "softmax" or (
        scores.min() >= -1e-6
        and sums.min() > 0
        and np.ptp(sums) <= slack * float(np.median(sums))
        and scores.max() > slack
    ):
        return PROBABILITIES
    bounded = scores.min() >= 0 and scores.max() <= 1 + slack
    if activation == "sigmoid" or (not activation and bounded and scores.max() > 0.5):
        return min((PROBABILITIES, SIGMOIDS), key=lambda kind: _surprise(as_logits(raw, kind), labels))
    return LOGITS


def _surprise(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean negative log-likelihood of the labels."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]))


class _Trial:
    """A network tried in many ways; each reading is run once an image, whichever orders and outputs it is asked for."""

    def __init__(self, network: Network, signs: Signs, ways: Sequence[Way]) -> None:
        self.network, self.signs, self.ways = network, signs, ways
        self._seen: dict[tuple[Preprocessing, int], Mapping[str, NDArray[Any]]] = {}

    def choose(self) -> Way:
        """The way that is right most often on the first half, unless the second half speaks for the most usual one.

        The more usual of two that differ no more than by chance is taken.
        """
        usual = self.ways[0]
        if len(self.ways) == 1 or not len(self.signs):
            return usual
        first, second = np.arange(0, len(self.signs), 2), np.arange(1, len(self.signs), 2)
        look = first[np.linspace(0, len(first) - 1, min(FIRST_LOOK, len(first))).astype(int)]
        glance = {way: self._right(way, look) for way in self.ways}
        most = max(int(right.sum()) for right in glance.values())
        left = [way for way in self.ways if most - int(glance[way].sum()) <= BEHIND]
        right = {way: self._right(way, first) for way in left}
        best = max(left, key=lambda way: int(right[way].sum()))
        chosen = next(way for way in left if not _clearly_better(right[best], right[way]))
        if chosen == usual or not len(second):
            return chosen
        here, there = self._right(chosen, second), self._right(usual, second)
        return chosen if here.sum() >= there.sum() else usual

    def raw(self, way: Way) -> NDArray[Any]:
        """Its scores (N, K) as the network gives them."""
        return self._outputs(way, np.arange(len(self.signs)))

    def answers(self, way: Way) -> NDArray[np.int64]:
        """The classes (N,) that it names."""
        return _named(self.raw(way), way)

    def _right(self, way: Way, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = _named(self._outputs(way, rows), way) == self.signs.label[rows]
        return right

    def _outputs(self, way: Way, rows: NDArray[np.int64]) -> NDArray[Any]:
        key = (way.reading, hash(rows.tobytes()))
        if key not in self._seen:
            size = self.network.batch or BATCH
            self._seen[key] = in_batches(self.network, self.signs.image[rows], way.reading, size)
        return self._seen[key][way.output].reshape(len(rows), -1)


def _named(raw: NDArray[Any], way: Way) -> NDArray[np.int64]:
    """The class of the largest score; -1 where scores are no numbers."""
    scores = raw.astype(np.float32)
    places = np.where(np.isfinite(scores).all(axis=1), scores.argmax(axis=1) if scores.size else 0, -1)
    named = np.asarray(way.order, np.int64)[places] if way.order else places
    return np.where(places < 0, -1, named)


def _clearly_better(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether the images that only one of two ways gets right speak for the first by their deviation or more."""
    won, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return won > lost and won - lost >= (won + lost) ** 0.5


def _by_output(labels: NDArray[np.int64], order: tuple[int, ...]) -> NDArray[np.int64]:
    return np.argsort(np.asarray(order, np.int64))[labels] if order else labels


def _readings(network: Network, signs: Signs, pixel_range: str) -> list[Preprocessing]:
    if isinstance(network, FunctionNetwork):
        if pixel_range != AUTO:
            raise InputError(f"--pixel-range {pixel_range}: a function reads images in its own way; leave it out")
        return [Preprocessing()]
    grey = network.shape[2] == 1
    return usual_readings(signs.image, pixel_range, grey=grey, channels_first=network.channels_first)


def _fitting_outputs(
    network: Network, signs: Signs, reading: Preprocessing, classes: int, label: str
) -> tuple[list[str], bool]:
    """The outputs that have a score for each class, and whether there is more than one output."""
    few = network.batch or 2
    images = np.zeros((few, *signs.image.shape[1:]), np.uint8)
    try:
        found = network.outputs(images, reading)
    except InputError:
        raise
    except Exception as error:  # the framework raises what it will
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{label}: it does not run here ({reason}); {WRAP}") from None
    fitting = [name for name, output in found.items() if output.ndim > 1 and output.size == few * classes]
    if fitting:
        return fitting, len(found) > 1
    given = [str(output.shape[-1]) if output.ndim > 1 else "no" for output in found.values()]
    raise InputError(
        f"{label}: it gives {' and '.join(given)} classes, the data set has {classes}; "
        "train it on this data, or give the data that it was trained on"
    )


def _said(network: Network, way: Way, outputs: str, several: bool, right: float, images: int) -> dict[str, str]:
    """What was taken, for the run's params and the terminal."""
    own = isinstance(network, FunctionNetwork)
    said = {"reads": "images in its own way" if own else str(way.reading), "order": way.order_name, "outputs": outputs}
    if several:
        said["output"] = way.output
    if images > 1:
        said["right"] = f"{right:.1%} of {images // 2} clean images beside those that are measured"
    return said


def _tell(found: Found, label: str, signs: Signs) -> None:
    said = found.use["said"]
    words = [f"reads {said['reads']}", f"classes in the order of {said['order']}", f"gives {said['outputs']}"]
    words += [f"by its output {said['output']}"] if "output" in said else []
    right = f"; right on {said['right']}" if "right" in said else ""
    logger.info("%s: %s%s", label, ", ".join(words), right)
    if not len(signs):
        logger.warning(
            "%s: no labelled images to find out how it reads them; check --pixel-range, --class-order", label
        )
    elif found.use["right"] < POOR:
        logger.warning("WARNING: %s: only %s are named right in the best of all ways; %s", label, said["right"], CAUSES)

"""Whether what a network looks at moves before it fails: saliency maps of the same images, clean and under noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from noise.registry import disturb
from pipelines.analysis import CLEAN, CRITERIA
from pipelines.errors import InputError
from pipelines.failures.rows import level_near, threshold_of
from pipelines.intervals import t_interval
from pipelines.networks import LOGITS, KerasNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from models.saliency import Explain
    from noise.levels import NoiseLevels
    from pipelines.classifier import Classifier
    from pipelines.search import Measured, Search
    from pipelines.signs import Signs

    Floats = NDArray[np.float64]
    Maps = NDArray[np.float32]

METHODS = ("gradient", "smooth_grad", "integrated_gradients", "grad_cam", "occlusion")
"""The names of `models.saliency.METHODS`, known here before TensorFlow is."""
SAMPLE = 64
"""Test images, stratified by class, of which those that are recognised when clean are explained."""
EXAMPLES = 6
"""Noises of which one failure is shown."""
OTHER = "other_image"
BY_FATE = ["right_next", "wrong_next", "wrong"]
"""Outcomes at a level: right there and at the next, right but not at the next, wrong."""
COLUMNS = [
    *("noise", "level", "level_index", "method", "outcome", "rank_correlation", "low", "high"),
    *("centre_shift", "centre_low", "centre_high", "blank", "n"),
]


@dataclass(frozen=True)
class Example:
    """One failure: an image clean and under noise, and where the network finds evidence.

    Attributes:
        noise: its name.
        level: in its unit.
        method: of the maps.
        label: the true class.
        predicted: the wrong class.
        confidences: in the true class when clean, in the wrong one under noise.
        clean: (H, W, 3) uint8.
        noisy: (H, W, 3) uint8.
        maps: (3, H, W): for the true class, clean and under noise, and for the wrong class under noise.
        rank_correlation: of the first two maps.
    """

    noise: str
    level: float
    method: str
    label: int
    predicted: int
    confidences: tuple[float, float]
    clean: NDArray[np.uint8]
    noisy: NDArray[np.uint8]
    maps: Maps
    rank_correlation: float


@dataclass(frozen=True)
class Saliency:
    """How far maps move under the noises of a grid.

    Attributes:
        shifts: a row for each noise, level, method and outcome: noise, level, level_index, method, outcome ("right",
            still recognised, of which "right_next" at the next level too and "wrong_next" no longer; "wrong"),
            rank_correlation (mean over images of Spearman's, of the clean and the noisy map for the true class), low
            and high (95%, Student's t over images), centre_shift (of the centres of mass, as a share of the image's
            side) with centre_low and centre_high, blank (share of images without a map, for want of evidence in the
            clean or the noisy one; the means leave them out), n (images). Once a method, under noise "clean" and
            outcome "other_image": the clean maps of two different images, which is where a map with nothing left ends.
        examples: failures to look at, by the first method, noises that fail fastest first.
        declined: why a method was not used, by its name.
    """

    shifts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))
    examples: tuple[Example, ...] = ()
    declined: Mapping[str, str] = field(default_factory=dict)


def read_methods(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list of methods; "none" is no method.

    Raises:
        InputError: there is no such method.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if names == ("none",):
        return ()
    for name in names:
        if name not in METHODS:
            raise InputError(f"--saliency {name}: no such method; choose among {', '.join(METHODS)}, or none")
    return names


def explain_grid(search: Search, measured: Measured, thresholds: pd.DataFrame, methods: Sequence[str]) -> Saliency:
    """Compare the maps of a sample of images at every level of a grid with those of the clean images.

    A map is of the evidence for the true class, in the clean and the noisy image alike: that the answer changes does
    not move it. The noise is that of the grid's first repeat, whose answers say which images are still right.

    Args:
        search: the network, the data set and the seed.
        measured: the grid.
        thresholds: `Analysis.thresholds`, which say which noises fail fastest.
        methods: names of `METHODS`.
    """
    if not methods:
        return Saliency()
    sample = _recognised(search, measured.predictions[CLEAN])
    explainers, own, declined = _explainers(search.classifier, methods, sample)
    if not explainers:
        return Saliency(declined=declined)
    moves = pd.concat(
        [
            _moves(part, sample, measured.predictions[part.kind.name], explainers, own, search.seed)
            for part in measured.levels
        ],
        ignore_index=True,
    )
    others = [_other_images(name, maps) for name, maps in own.items()]
    return Saliency(
        summarise_moves(pd.concat([*others, moves], ignore_index=True)),
        tuple(_examples(search, measured, thresholds, sample, moves, explainers)),
        declined,
    )


def map_shifts(before: Maps, after: Maps) -> tuple[Floats, Floats]:
    """How far maps moved; NaN where one of the two is constant, so that it shows nothing.

    Args:
        before: (N, H, W).
        after: (N, H, W).

    Returns:
        Spearman's rank correlation over pixels (N,), and the distance of the centres of mass as a share of the longer
        side (N,).
    """
    known = (np.ptp(before, axis=(1, 2)) > 0) & (np.ptp(after, axis=(1, 2)) > 0)
    correlation, distance = np.full((2, len(before)), np.nan)
    ranks = [rankdata(maps[known].reshape(known.sum(), np.prod(maps.shape[1:])), axis=1) for maps in (before, after)]
    first, second = (part - part.mean(axis=1, keepdims=True) for part in ranks)
    correlation[known] = (first * second).sum(axis=1) / np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    apart = _centres(before[known]) - _centres(after[known])
    distance[known] = np.hypot(*apart.T) / max(before.shape[1:])
    return correlation, distance


def summarise_moves(moves: pd.DataFrame) -> pd.DataFrame:
    """`Saliency.shifts` of moves: noise, level, level_index, method, outcome, rank_correlation, centre_shift by image.

    Outcomes that begin with "right" are also summed up as "right"; "right_last", at the last level, only so.
    """
    right = moves[moves["outcome"].str.startswith("right") | (moves["outcome"] == "wrong_next")]
    every = pd.concat([right.assign(outcome="right"), moves[moves["outcome"] != "right_last"]])
    for name in ("noise", "method"):
        every[name] = pd.Categorical(every[name], list(dict.fromkeys(moves[name])))  # which keeps their order
    rows = []
    for key, part in every.groupby(["noise", "level", "level_index", "method", "outcome"], observed=True):
        correlation = t_interval(part["rank_correlation"].dropna())
        centre = t_interval(part["centre_shift"].dropna())
        rows.append([*key, *correlation, *centre, part["rank_correlation"].isna().mean(), len(part)])
    return pd.DataFrame(rows, columns=COLUMNS)


def before_failure(shifts: pd.DataFrame) -> pd.DataFrame:
    """Mean rank correlation of images that fail at the next level, and of others at the same levels.

    Args:
        shifts: of `Saliency`.

    Returns:
        A row for each method and noise with images that are about to fail: method, noise, right_next, wrong_next,
        wrong (NaN where no level has such images), each a mean over levels, weighted by the images about to fail; n,
        how many these are.
    """
    rows = []
    for (method, noise), part in shifts[shifts["noise"] != CLEAN].groupby(["method", "noise"], sort=False):
        means = part.pivot_table(index="level_index", columns="outcome", values="rank_correlation")
        counts = part.pivot_table(index="level_index", columns="outcome", values="n")
        if {"right_next", "wrong_next"} <= set(means.columns):
            both = means[means[["right_next", "wrong_next"]].notna().all(axis=1)].reindex(columns=BY_FATE)
            weights = counts.loc[both.index, "wrong_next"]
            row = {fate: _weighted(both[fate], weights) for fate in BY_FATE}
            rows.append({"method": method, "noise": noise, **row, "n": int(weights.sum())})
    return pd.DataFrame(rows, columns=["method", "noise", *BY_FATE, "n"])


def _weighted(values: pd.Series[float], weights: pd.Series[float]) -> float:
    known = values.notna()
    return float(np.average(values[known], weights=weights[known])) if known.any() else np.nan


def _recognised(search: Search, clean: pd.DataFrame) -> Signs:
    sample = search.signs.read("test", limit=min(SAMPLE, search.limit or SAMPLE))
    predicted = clean.set_index("image_id").loc[sample.image_id.tolist(), "predicted"].to_numpy()
    return sample.take(predicted == sample.label)


def _explainers(
    classifier: Classifier, methods: Sequence[str], sample: Signs
) -> tuple[dict[str, Explain], dict[str, Maps], dict[str, str]]:
    """Methods made for the network, the maps of the clean images by each, and why others were declined."""
    from models.saliency import METHODS as MAKERS
    from models.saliency import logits_model

    explainers, own, declined = {}, {}, {}
    network = classifier.load()
    if not isinstance(network, KerasNetwork) or network.channels_first:
        kind = "channels come first in it" if network.channels_first else "its layers cannot be seen"
        return {}, {}, dict.fromkeys(methods, f"{kind}; give a Keras file of (N, H, W, C) for maps")
    for name in methods:
        try:
            model = network.single(classifier.output)
            explain = _as_read(MAKERS[name](model if classifier.outputs == LOGITS else logits_model(model)), classifier)
            maps = explain(sample.image, sample.label)
        except ValueError as error:
            declined[name] = " ".join(str(error).split())
            continue
        if maps.any():
            explainers[name], own[name] = explain, maps
        else:
            declined[name] = "it finds no evidence in any clean image"
    return explainers, own, declined


def _as_read(explain: Explain, classifier: Classifier) -> Explain:
    """The method on uint8 images and classes of the data set, of a network with its own reading and order of them."""
    places = classifier.places

    def read_and_explain(images: NDArray[Any], classes: Any = None) -> Maps:
        of_outputs = places[np.asarray(classes)] if classes is not None and len(places) else classes
        return explain(np.asarray(classifier.reading(images)), of_outputs)

    return read_and_explain


def _moves(
    part: NoiseLevels,
    sample: Signs,
    predictions: pd.DataFrame,
    explainers: Mapping[str, Explain],
    own: Mapping[str, Maps],
    seed: int,
) -> pd.DataFrame:
    """A row for each level, method and image of one noise."""
    levels, names = part.levels[1:], sample.image_id.tolist()
    noisy = disturb(part.kind, sample.image, levels, image_ids=names, seed=seed)
    frames = []
    for method, explain in explainers.items():
        maps = explain(noisy.reshape(-1, *noisy.shape[2:]), np.tile(sample.label, len(levels)))
        correlation, distance = map_shifts(np.tile(own[method], (len(levels), 1, 1)), maps)
        frames.append(
            pd.DataFrame(
                {
                    "noise": part.kind.name,
                    "level": np.repeat(levels, len(sample)),
                    "level_index": np.repeat(np.arange(1, len(part.levels)), len(sample)),
                    "method": method,
                    "image": np.tile(np.arange(len(sample)), len(levels)),
                    "outcome": _outcomes(predictions, names).ravel(),
                    "rank_correlation": correlation,
                    "centre_shift": distance,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _outcomes(predictions: pd.DataFrame, names: Sequence[str]) -> NDArray[np.object_]:
    """What becomes of each image at each level, (levels, N)."""
    rows = predictions[predictions["image_id"].isin(names) & (predictions["repeat"] == 0)]
    rows = rows.assign(right=(rows["predicted"] == rows["label"]).astype(float))
    table = rows.pivot_table(index="level_index", columns="image_id", values="right")[list(names)].to_numpy() > 0
    now = np.where(table[:-1], np.where(table[1:], "right_next", "wrong_next"), "wrong")
    return np.concatenate([now, np.where(table[-1:], "right_last", "wrong")]).astype(object)


def _other_images(method: str, maps: Maps) -> pd.DataFrame:
    """The clean map of each image against that of the one before."""
    correlation, distance = map_shifts(maps, np.roll(maps, 1, axis=0))
    row = {"noise": CLEAN, "level": 0.0, "level_index": 0, "method": method, "outcome": OTHER}
    return pd.DataFrame(row | {"rank_correlation": correlation, "centre_shift": distance})


def _examples(
    search: Search,
    measured: Measured,
    thresholds: pd.DataFrame,
    sample: Signs,
    moves: pd.DataFrame,
    explainers: Mapping[str, Explain],
) -> Iterator[Example]:
    """Of the noises that fail fastest a failure where they do: of those one can see, the one with the median move.

    A noise is passed over where no measured level stands for its threshold, see `level_near`.
    """
    method, explain = next(iter(explainers.items()))
    answered = measured.predictions[CLEAN]
    clean = answered.set_index("image_id")["confidence"]
    half = CRITERIA["fails"] * float((answered["label"] == answered["predicted"]).mean())
    failed = moves[(moves["method"] == method) & (moves["outcome"] == "wrong") & moves["rank_correlation"].notna()]
    contrast = sample.image.std(axis=(1, 2, 3))
    used: set[int] = set()
    for part in _fastest(thresholds, measured.levels):
        name, fails = part.kind.name, threshold_of(thresholds, part.kind.name, "fails")
        answers = measured.predictions[name]
        accuracy = (answers["predicted"] == answers["label"]).groupby(answers["level_index"]).mean()
        place = level_near(fails, part.levels[1:], accuracy, half)
        rows = failed[(failed["noise"] == name) & ~failed["image"].isin(used)]
        rows = rows[rows["level_index"] == (-1 if place is None else place + 1)]
        if rows.empty:
            continue
        seen = contrast[rows["image"].to_numpy()]
        rows = rows[seen >= np.median(seen)]
        typical = rows.iloc[(rows["rank_correlation"] - rows["rank_correlation"].median()).abs().argmin()]
        image, level = int(typical["image"]), float(typical["level"])
        used.add(image)
        image_id, label, shown = str(sample.image_id[image]), int(sample.label[image]), sample.image[image]
        answers = answers[(answers["repeat"] == 0) & (answers["image_id"] == image_id)]
        answer = answers[answers["level_index"] == typical["level_index"]].iloc[0]
        noisy = disturb(part.kind, shown[None], [level], image_ids=[image_id], seed=search.seed)[0, 0]
        wrong = int(answer["predicted"])
        yield Example(
            noise=name,
            level=level,
            method=method,
            label=label,
            predicted=wrong,
            confidences=(float(clean[image_id]), float(answer["confidence"])),
            clean=shown,
            noisy=noisy,
            maps=explain(np.stack([shown, noisy, noisy]), np.array([label, label, wrong])),
            rank_correlation=float(typical["rank_correlation"]),
        )
        if len(used) == EXAMPLES:
            return


def _fastest(thresholds: pd.DataFrame, levels: Sequence[NoiseLevels]) -> list[NoiseLevels]:
    """The noises that fail, the one that does so at the smallest share of its tested range first."""
    shares = {}
    for part in levels:
        fails = threshold_of(thresholds, part.kind.name, "fails")
        shares[part.kind.name] = (fails - part.levels[0]) / (part.levels[-1] - part.levels[0])
    failing = [part for part in levels if np.isfinite(shares[part.kind.name])]
    return sorted(failing, key=lambda part: shares[part.kind.name])


def _centres(maps: Maps) -> Floats:
    """Centres of mass (N, 2) in pixels."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    rows, columns = (np.arange(size, dtype=np.float64) for size in maps.shape[1:])
    return np.asarray(np.stack([maps.sum(axis=2) @ rows, maps.sum(axis=1) @ columns], axis=1) / total[:, None])

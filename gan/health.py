"""Whether a GAN still learns: four failures and the rules by which a series of measurements shows them.

All but one rule look at medians over the last `WINDOW` records, so that one outlier, or two, decide nothing (one of the
first reports on samples; the first gradient is an exception); a number that is not known, NaN, decides nothing either.
Where a rule had too few numbers for one median, `untold` names it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

WINDOW = 5
"""Records, or reports on samples, over which a median is taken."""
FEWEST_REPORTS = 3
"""Reports on samples whose median says something already: there are few in a short training, each of many samples."""
VANISHED = 0.02
"""A generator's gradient is gone when it is below this share of the largest that it had: nine healthy trainings
of signs stayed above 0.15, two that a sure discriminator stopped fell to 0.013 and 0.003."""
NO_GRADIENT = 1e-5
"""A generator's gradient is gone when it is below this, whatever it was; with a clipped critic it learns at 3e-4."""
WON = 0.98
"""A discriminator has won when it takes this share of the real and of the generated images for what they are."""
DIVERGED = 1e3
"""A loss has diverged when its size is above this."""
WARM_UP = 1000
"""Steps before which samples that are alike say nothing, unless others before them were not: so an untrained
generator's are."""
DUPLICATES = 0.5
"""Samples have collapsed when this share of them has a near-duplicate."""
UNEVEN = 0.5
"""Samples have collapsed when the entropy of their classes is below this share of its maximum."""
FORGOTTEN = 1 / 3
"""Samples have collapsed when recall or coverage is below this share of the best that it was."""
COVERED = 0.1
"""Recall and coverage whose best is below this are those of a poor generator, and say nothing of a collapse."""
NEAR = 8.0
"""Root mean square difference of near-duplicates, in 0..255: of 630 real stop signs 2 % have one that near."""


@dataclass(frozen=True)
class Record:
    """What a training step measured, or the mean over some steps.

    Attributes:
        step: Steps done.
        generator_loss: What the generator minimised.
        discriminator_loss: What the discriminator minimised, penalties included.
        generator_gradient: Euclidean norm of the loss's gradient over all weights of the generator.
        discriminator_gradient: The same of the discriminator.
        real_accuracy: Share of the real images that the discriminator took for real; NaN of a critic (WGAN).
        fake_accuracy: Share of the generated images that it took for generated; NaN of a critic.
    """

    step: int
    generator_loss: float
    discriminator_loss: float
    generator_gradient: float
    discriminator_gradient: float
    real_accuracy: float
    fake_accuracy: float


@dataclass(frozen=True)
class Samples:
    """What a report on generated images measured; NaN where something was not.

    Attributes:
        step: Steps done.
        classes: How many samples a classifier took for each of the classes asked for; empty where one was asked for.
        recall: Share of the real images that lie among the samples (`gan.scores`).
        coverage: Share of the real images that have a sample near.
        duplicate_share: Share of the samples that have a near-duplicate, of `duplicate_share`.
    """

    step: int
    classes: tuple[int, ...] = ()
    recall: float = np.nan
    coverage: float = np.nan
    duplicate_share: float = np.nan


def diagnose(records: Sequence[Record], samples: Sequence[Samples] = ()) -> dict[str, int]:
    """Find what went wrong in a training, at its end or in its course.

    Args:
        records: In the order of their steps.
        samples: In the order of their steps.

    Returns:
        The step at which the rule of each failure first held, by the failure's name, in the order of `RULES`.
    """
    found = {name: (records, rule(records)) for name, rule in RULES.items()} if records else {}
    seen: dict[str, tuple[Sequence[Any], NDArray[np.bool_]]] = {**found}
    if samples:
        seen["mode_collapse"] = (samples, mode_collapse(samples))
    return {name: int(series[int(np.argmax(holds))].step) for name, (series, holds) in seen.items() if holds.any()}


def untold(records: Sequence[Record], samples: Sequence[Samples] = ()) -> tuple[str, ...]:
    """Failures that a training was too short to show or to be free of, in the order of `FAILURES`.

    A divergence shows in a single record, and a rule on numbers that are never known does not apply.
    """
    few = [name for name in ("vanishing_gradient", "discriminator_wins") if len(records) < WINDOW]
    return (*few, *(["mode_collapse"] if len(samples) - first_counted(samples) < FEWEST_REPORTS else []))


def vanishing_gradient(records: Sequence[Record]) -> NDArray[np.bool_]:
    """Where the generator learns nothing more: its gradient is below `gone_below`.

    So it goes with the minimax loss and a discriminator that is sure (Arjovsky and Bottou 2017, section 2).
    """
    return _sound_gradient(records) < gone_below(records)


def gone_below(records: Sequence[Record]) -> Floats:
    """Norms (N,) below which the generator's gradient is gone: `VANISHED` of its largest until then, or `NO_GRADIENT`.

    The largest is that of medians, and of the first record alone, since a gradient may be gone before there is a
    median. What a divergence made of it does not count.
    """
    start = records[0]
    sound = abs(start.generator_loss) <= DIVERGED and abs(start.discriminator_loss) <= DIVERGED
    first = start.generator_gradient if sound and np.isfinite(start.generator_gradient) else 0.0
    largest = np.fmax.accumulate(np.fmax(_sound_gradient(records), first))
    return np.fmax(VANISHED * largest, NO_GRADIENT)


def _sound_gradient(records: Sequence[Record]) -> Floats:
    """Medians (N,) of the generator's gradient; NaN where the training diverges."""
    return np.where(diverged(records), np.nan, _median(records, "generator_gradient"))


def discriminator_wins(records: Sequence[Record]) -> NDArray[np.bool_]:
    """Where the discriminator tells nearly all images apart: both its accuracies are `WON` or more.

    One alone says nothing, since a discriminator that calls all images real is right about all real ones.
    """
    return (_median(records, "real_accuracy") >= WON) & (_median(records, "fake_accuracy") >= WON)


def diverged(records: Sequence[Record]) -> NDArray[np.bool_]:
    """Where a loss is above `DIVERGED` in size; or, in a single record, a loss or a gradient is not finite."""
    losses = ("generator_loss", "discriminator_loss")
    holds = np.zeros(len(records), bool)
    for name in losses:
        holds |= np.abs(_median(records, name)) > DIVERGED
    for name in (*losses, "generator_gradient", "discriminator_gradient"):
        holds |= ~np.isfinite(_values(records, name))
    return holds


def mode_collapse(samples: Sequence[Samples]) -> NDArray[np.bool_]:
    """Where samples have lost their diversity, or have none after `WARM_UP` steps.

    Any of: more than `DUPLICATES` of them have a near-duplicate; the entropy of their classes is below `UNEVEN` of
    its maximum; recall or coverage is below `FORGOTTEN` of its best, that was `COVERED` or more. Reports count from the
    first that shows diverse samples on, and from step `WARM_UP` on in any case.
    """
    start = first_counted(samples)
    reports = samples[start:]
    entropy = trailing_median(_entropies(reports), FEWEST_REPORTS)
    holds = (_report_median(reports, "duplicate_share") > DUPLICATES) | (entropy < UNEVEN)
    for name in ("recall", "coverage"):
        share = _report_median(reports, name)
        best = np.fmax.accumulate(share)
        holds |= (share < FORGOTTEN * best) & (best >= COVERED)
    return np.concatenate([np.zeros(start, bool), holds])


def first_counted(samples: Sequence[Samples]) -> int:
    """Place of the first report that can show a collapse: there is diversity to lose, or there should be."""
    counted = np.array([report.step >= WARM_UP for report in samples], bool) | _diverse(samples)
    return int(np.argmax(counted)) if counted.any() else len(samples)


def _diverse(samples: Sequence[Samples]) -> NDArray[np.bool_]:
    """Where few samples are alike, of many classes, and lie among the real images, as far as that is known.

    Coverage alone is no sign of it: grey images are near to many real ones (0.6 of rendered signs after 50 steps).
    """
    alike, entropy = _values(samples, "duplicate_share"), _entropies(samples)
    reached = np.fmin(_values(samples, "recall"), _values(samples, "coverage"))
    known = ~(np.isnan(alike) & np.isnan(entropy) & np.isnan(reached))
    return known & ~((alike > DUPLICATES) | (entropy < UNEVEN) | (reached < COVERED))


RULES: dict[str, Callable[[Sequence[Record]], NDArray[np.bool_]]] = {
    "vanishing_gradient": vanishing_gradient,
    "discriminator_wins": discriminator_wins,
    "diverged": diverged,
}
"""Rules on records by the name of the failure that they show; `mode_collapse` is the one on samples."""
FAILURES = (*RULES, "mode_collapse")


def class_entropy(labels: ArrayLike, classes: int) -> float:
    """Entropy of the frequencies of labels (N,) over all classes, as a share of its maximum log(classes).

    1: all classes are equally frequent; 0: there is one only.

    Raises:
        ValueError: No labels, fewer than two classes, or labels that are none of them.
    """
    labels = np.asarray(labels)
    if classes < 2 or not labels.size or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"the entropy of classes needs labels in 0..{classes - 1}, of two classes or more")
    return _entropy(np.bincount(labels, minlength=classes))


def duplicate_share(samples: NDArray[Any], *, near: float = NEAR, block: int = 512) -> float:
    """Share of samples that have another one near; it grows with their number, so compare equal numbers.

    Args:
        samples: (N, ...) images in 0..255, or features, which need a `near` of their own.
        near: Root mean square difference below which two are near-duplicates.
        block: Samples compared with all others at once: memory is of the order of N x block.

    Raises:
        ValueError: Fewer than two samples.
    """
    if len(samples) < 2:
        raise ValueError(f"{len(samples)} samples: duplicates need two or more")
    rows = samples.reshape(len(samples), -1).astype(np.float32)
    rows -= rows.mean(axis=0)  # small numbers, since squares are subtracted
    squares = np.einsum("nd,nd->n", rows, rows)
    limit, found = near**2 * rows.shape[1], 0
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        distances = squares[start : start + block, None] + squares - 2 * part @ rows.T
        distances[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found += int((distances.min(axis=1) < limit).sum())
    return found / len(rows)


def trailing_median(values: Floats, fewest: int) -> Floats:
    """Median (N,) of each known value and up to `WINDOW - 1` known ones before it; NaN of fewer than `fewest`."""
    medians = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    for place in range(fewest - 1, len(known)):
        medians[known[place]] = np.median(values[known[max(0, place + 1 - WINDOW) : place + 1]])
    return medians


def _entropy(counts: NDArray[Any]) -> float:
    """Entropy of counts (K,) as a share of its maximum; NaN of fewer than two classes, or of no samples."""
    if len(counts) < 2 or not counts.sum():
        return np.nan
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log(1 / shares)).sum() / np.log(len(counts)))


def _values(series: Sequence[Any], name: str) -> Floats:
    return np.array([getattr(entry, name) for entry in series], np.float64)


def _entropies(samples: Sequence[Samples]) -> Floats:
    return np.array([_entropy(np.asarray(report.classes)) for report in samples], np.float64)


def _median(series: Sequence[Any], name: str) -> Floats:
    return trailing_median(_values(series, name), WINDOW)


def _report_median(samples: Sequence[Samples], name: str) -> Floats:
    return trailing_median(_values(samples, name), FEWEST_REPORTS)

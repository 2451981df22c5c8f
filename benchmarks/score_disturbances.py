"""Which score sees which disturbance: every score of real signs that are more and more spoilt.

    python -m benchmarks.score_disturbances --classifier CNN.keras --weights MOBILENET_V2.h5

Real test images stand for those of a generator and are compared with other real test images: as they are (several
splits: their mean is the floor, their deviation the noise of the score), and under growing noise, blur, salt and
pepper, with classes dropped, with copies instead of images, with a few samples of pure noise among them (after the
disturbances of Heusel et al. 2017, appendix A1). A score sees a disturbance if it gets worse by more than 6 of its own
deviations. Two extractors should rank all these sets alike: Kendall's tau between them. So should they those of
generators, given with --samples NAME=IMAGES.npy (uint8 images, as many as --images, of classes as frequent as in the
test set): `python -m benchmarks.gan_quality` leaves those of four.

Rows are kept in --rows as they are made; a second start goes on there. Writes results/score_disturbances.json, .md and
.png.
"""

from __future__ import annotations

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray
from scipy.stats import kendalltau

import models.layers  # noqa: F401 - layers that a classifier may have
import noise
from benchmarks.gan_runs import digest, markdown
from benchmarks.record import RESULTS, Target, write_result, write_whole
from benchmarks.sample import source
from gan.scores.extractors import Extractor, load_extractor
from gan.scores.report import Protocol, score_features
from pipelines.reports.figures import CURVE, FAILS, INK, MUTED, PAPER, new_figure, save_png, styled
from pipelines.signs import Signs

WORSE = {"fd": 1, "fd_infinity": 1, "kd": 1, "is": -1, "precision": -1, "recall": -1, "density": -1, "coverage": -1}
"""Scores, and the sign of a change for the worse."""
SEEN = 6.0
"""Deviations of the undisturbed score by which a score must get worse to have seen a disturbance."""
SET_WIDE = ("gaussian", "gaussian_blur", "salt_pepper", "dropped_classes")
"""Disturbances that change the whole distribution: Frechet and kernel distance must see them."""
SHARP = (("precision", "gaussian"), ("recall", "dropped_classes"), ("coverage", "dropped_classes"))
"""What the scores of neighbours are for."""
BLIND = (("precision", "dropped_classes"), ("recall", "few_bad"))
"""What they cannot see: samples of half the classes are still like real ones, and a few bad ones hide none of these."""
CLEAN = "none"
GENERATOR = "generator"
PACKAGES = ("tensorflow", "keras", "numpy", "scipy")

Images = NDArray[np.uint8]
Row = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """A reference, and all other images, of which the first are taken as they are or a disturbance chooses."""

    reference: Images
    pool: Images
    labels: NDArray[np.integer[Any]]

    @property
    def count(self) -> int:
        """Images in a set."""
        return len(self.reference)

    @property
    def fake(self) -> Images:
        """Undisturbed images in place of a generator's."""
        return self.pool[: self.count]


Disturb = Callable[[Split, float, np.random.Generator], Images]


def split(signs: Signs, count: int, seed: int) -> Split:
    """Images at random: `count` for reference, the others for the pool."""
    order = np.random.default_rng((seed, count)).permutation(len(signs))
    return Split(signs.image[order[:count]], signs.image[order[count:]], signs.label[order[count:]])


def _noise(name: str) -> Disturb:
    kind = noise.find(name)

    def disturb(given: Split, level: float, random: np.random.Generator) -> Images:
        ids = [f"fake/{index:05d}" for index in range(given.count)]
        strength = kind.low + level * (kind.high - kind.low)
        return np.asarray(noise.apply(name, given.fake, strength, image_ids=ids, seed=int(random.integers(2**31))))

    return disturb


def drop_classes(given: Split, level: float, random: np.random.Generator) -> Images:
    """As many images, of the share of classes that is left."""
    classes = random.permutation(np.unique(given.labels))
    kept = given.pool[np.isin(given.labels, classes[round(level * len(classes)) :])]
    if len(kept) < given.count:
        raise click.UsageError(f"--images {given.count}: without {level:.0%} of the classes {len(kept)} are left")
    return kept[: given.count]


def duplicate(given: Split, level: float, _: np.random.Generator) -> Images:
    """A share of the images is copies of the others."""
    distinct = max(1, round((1 - level) * given.count))
    return given.fake[np.arange(given.count) % distinct]


def spoil_few(given: Split, level: float, random: np.random.Generator) -> Images:
    """A share of the images is replaced by pure noise."""
    images = given.fake.copy()
    few = slice(0, max(1, round(level * given.count)))
    images[few] = random.integers(0, 256, images[few].shape)
    return images


DISTURBANCES: dict[str, tuple[str, tuple[float, ...], Disturb]] = {
    "gaussian": ("Gaussian noise", (0.05, 0.1, 0.2, 0.5), _noise("gaussian")),
    "gaussian_blur": ("Gaussian blur", (0.05, 0.1, 0.2, 0.5), _noise("gaussian_blur")),
    "salt_pepper": ("salt and pepper", (0.02, 0.05, 0.1, 0.3), _noise("salt_pepper")),
    "dropped_classes": ("classes dropped", (0.1, 0.25, 0.5), drop_classes),
    "duplicates": ("copies of others", (0.5, 0.8, 0.9, 0.98), duplicate),
    "few_bad": ("pure noise", (0.005, 0.01, 0.02, 0.05), spoil_few),
}
"""What is done to a set: in words, at which levels (shares of the noise's range, of classes, of images), how."""


def plan(repeats: int, generators: Iterable[str]) -> list[tuple[str, float, int]]:
    """Every set to score: disturbance, level, seed."""
    clean = [(CLEAN, 0.0, seed) for seed in range(repeats)]
    disturbed = [(name, level, 0) for name, (_, levels, _) in DISTURBANCES.items() for level in levels]
    return [*clean, *disturbed, *((f"{GENERATOR} {name}", 0.0, 0) for name in generators)]


def make_pair(given: Split, name: str, level: float, generators: Mapping[str, Images]) -> tuple[Images, Images]:
    """A reference, and the set to score."""
    if name == CLEAN:
        return given.reference, given.fake
    if name.startswith(GENERATOR):
        return given.reference, generators[_generator(name)]
    return given.reference, DISTURBANCES[name][2](given, level, np.random.default_rng(1))


def _generator(name: str) -> str:
    return name.removeprefix(f"{GENERATOR} ")


def score_rows(
    extractor: Extractor,
    signs: Signs,
    data: str,
    count: int,
    repeats: int,
    generators: Mapping[str, Images],
    done: Path,
) -> list[Row]:
    """The scores of every set by an extractor; those in the file, of the same data, are not made again.

    Args:
        extractor: Sees the images.
        signs: Real ones.
        data: The digest of their data set.
        count: Images in a set.
        repeats: Undisturbed sets.
        generators: Samples by name.
        done: The file.
    """
    protocol = Protocol(subsets=0, subset_size=2, splits=1)
    known = {_key(row): row for row in _read(done)}
    rows = []
    for name, level, seed in plan(repeats, generators):
        row: Row = {"extractor": extractor.name, "hash": extractor.hash, "data": data, "images": count}
        row |= {"disturbance": name, "level": level, "seed": seed}
        row["samples"] = digest(generators[_generator(name)]) if name.startswith(GENERATOR) else ""
        if _key(row) not in known:
            real, fake = map(extractor.features, make_pair(split(signs, count, seed), name, level, generators))
            logits = extractor.logits(fake) if extractor.head is not None else None
            row["scores"] = score_features(real, fake, logits=logits, protocol=protocol)
            done.parent.mkdir(parents=True, exist_ok=True)
            with done.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            click.echo(f"{extractor.name} {name} {level:g}: " + _brief(row["scores"]))
        rows.append(known.get(_key(row), row))
    return rows


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("hash", "data", "images", "disturbance", "level", "seed", "samples"))


def _brief(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {scores[name]:.3g}" for name in WORSE if name in scores)


def _read(path: Path) -> list[Row]:
    """Rows of a file; a line that a killed process left half-written ends it."""
    rows: list[Row] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def worsening(rows: Sequence[Row]) -> dict[str, dict[str, list[float]]]:
    """By score and disturbance, at each level: how much worse than undisturbed, in deviations of the undisturbed."""
    clean = [row["scores"] for row in rows if row["disturbance"] == CLEAN]
    found: dict[str, dict[str, list[float]]] = {}
    for score, sign in WORSE.items():
        if score in clean[0]:
            values = [scores[score] for scores in clean]
            mean, deviation = float(np.mean(values)), max(float(np.std(values, ddof=1)), 1e-12)
            found[score] = {
                name: [sign * (row["scores"][score] - mean) / deviation for row in rows if row["disturbance"] == name]
                for name in DISTURBANCES
            }
    return found


def first_seen(worse: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, dict[str, float | None]]:
    """The lowest level from which on a score has seen a disturbance; None where it is blind to all levels."""
    found: dict[str, dict[str, float | None]] = {}
    for score, by_name in worse.items():
        found[score] = {}
        for name, values in by_name.items():
            blind = [index for index, value in enumerate(values) if value <= SEEN]
            start = blind[-1] + 1 if blind else 0
            levels = DISTURBANCES[name][1]
            found[score][name] = levels[start] if start < len(levels) else None
    return found


def table(worse: Mapping[str, Mapping[str, Sequence[float]]]) -> list[Row]:
    """A row a score: the level from which on it sees each disturbance, or that it is blind to it."""
    return [
        {"score": score.replace("_", " ")}
        | {name: "blind" if level is None else f"from {level:g}" for name, level in by_name.items()}
        for score, by_name in first_seen(worse).items()
    ]


def expected(extractor: str, worse: Mapping[str, Mapping[str, Sequence[float]]]) -> list[Target]:
    """What each score is known to see, and not to see, in deviations of the undisturbed one at the worst level."""
    bounds = [(score, name, {"at_least": SEEN}) for score in ("fd", "kd") for name in DISTURBANCES if name in SET_WIDE]
    bounds += [(score, name, {"at_most": SEEN}) for score, name in BLIND]
    bounds += [(score, name, {"at_least": SEEN}) for score, name in SHARP]
    return [
        Target(
            f"{extractor}: {score} under {DISTURBANCES[name][0]}, deviations worse", max(worse[score][name]), **bound
        )
        for score, name, bound in bounds
    ]


def agreement(rows: Mapping[str, Sequence[Row]], kinds: Callable[[str], bool]) -> dict[str, float]:
    """Score by score, Kendall's tau between two extractors' rankings of the sets of these kinds."""
    first, second = ([row["scores"] for row in each if kinds(row["disturbance"])] for each in rows.values())
    shared = [score for score in WORSE if first and score in first[0] and score in second[0]]
    return {
        score: round(float(kendalltau([a[score] for a in first], [b[score] for b in second]).statistic), 3)
        for score in shared
    }


def report(extractor: str, worse: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """The table of an extractor: which score sees which disturbance."""
    columns = {"score": ""} | {name: words for name, (words, _, _) in DISTURBANCES.items()}
    return f"### Scores by {extractor}\n\n{markdown(table(worse), columns)}"


def draw(rows: Mapping[str, Sequence[Row]], path: Path) -> None:
    """A panel an extractor: scores down, disturbances and their levels across, coloured by how much worse they got."""
    tables = {name: worsening(each) for name, each in rows.items()}
    heights = [len(table) for table in tables.values()]
    colours = LinearSegmentedColormap.from_list("worse", [CURVE, PAPER, FAILS])
    with styled():
        figure = new_figure(10.5, 1.5 + 0.27 * sum(heights) + 0.75 * len(heights))
        figure.set_layout_engine("constrained")
        panels = figure.subplots(len(tables), 1, height_ratios=heights, squeeze=False)[:, 0]
        for axes, (name, table) in zip(panels, tables.items(), strict=True):
            _panel(axes, name, table, rows[name], colours)
        shade = figure.colorbar(panels[0].images[0], ax=list(panels), fraction=0.02, pad=0.015, aspect=30)
        shade.set_ticks([-2, -1, 0, 1, 2, 3], labels=["100 better", "10", "0", "10", "100", "1000 worse"])
        shade.outline.set_visible(False)
        shade.set_label("deviations of the undisturbed score")
        save_png(figure, path)


def _panel(axes: Any, name: str, table: Mapping[str, Any], rows: Sequence[Row], colours: Any) -> None:
    values = np.array([[value for one in by_name.values() for value in one] for by_name in table.values()])
    axes.imshow(np.sign(values) * np.log10(1 + abs(values)), cmap=colours, vmin=-3, vmax=3, aspect="auto")
    disturbed = [row["scores"] for kind in DISTURBANCES for row in rows if row["disturbance"] == kind]
    for line, score in enumerate(table):
        for column, scores in enumerate(disturbed):
            seen = values[line, column] > SEEN
            text = {"fontsize": 5.6, "ha": "center", "va": "center", "color": INK if seen else MUTED}
            axes.text(column, line, _short(scores[score]), fontweight="bold" if seen else "normal", **text)
    levels = [f"{level:g}" for _, each, _ in DISTURBANCES.values() for level in each]
    axes.set_xticks(range(len(levels)), labels=levels)
    axes.set_yticks(range(len(table)), labels=[score.replace("_", " ") for score in table])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    start = 0
    for words, each, _ in DISTURBANCES.values():
        axes.text(start - 0.4, -0.62, words, fontsize=7, color=INK, va="bottom")
        start += len(each)
        axes.axvline(start - 0.5, color=PAPER, linewidth=3)
    axes.set_title(f"Scores by {name}", pad=16)


def _short(value: float) -> str:
    """Three digits, none after the fourth place, and never an exponent: as wide as a cell."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{round(value, 4) + 0.0:.3g}"


def _generators(given: Sequence[str], count: int) -> dict[str, Images]:
    found = {}
    for text in given:
        name, _, path = text.partition("=")
        images = np.load(path)
        if len(images) < count:
            raise click.UsageError(f"--samples {text}: {len(images)} images; give --images ({count}) or more")
        found[name] = images[:count]
    return found


@click.command()
@click.option("--classifier", required=True, type=click.Path(path_type=Path), help="A frozen .keras classifier.")
@click.option("--name", default="gtsrb_cnn32", show_default=True, help="Of the classifier, in the names of scores.")
@click.option("--weights", type=click.Path(path_type=Path), help="Of MobileNetV2, the second extractor.")
@click.option("--data", default=None, help="By default the real signs beside the repository, else rendered ones.")
@click.option("--images", default=1400, show_default=True, help="In each set; more than an extractor has dimensions.")
@click.option("--repeats", default=5, show_default=True, help="Undisturbed sets.")
@click.option("--samples", multiple=True, help="NAME=IMAGES.npy of a generator.")
@click.option("--rows", default=Path("output/score_disturbances.jsonl"), type=click.Path(path_type=Path))
@click.option("--output", default=RESULTS / "score_disturbances.json", type=click.Path(path_type=Path))
def main(
    classifier: Path,
    name: str,
    weights: Path | None,
    data: str | None,
    images: int,
    repeats: int,
    samples: Sequence[str],
    rows: Path,
    output: Path,
) -> None:
    """Score every set by every extractor."""
    signs = source(data)
    test = signs.read("test")
    extractors = [load_extractor(name, classifier)]
    extractors += [load_extractor("mobilenet_v2", weights)] if weights else []
    generators = _generators(samples, images)
    found = {each.name: score_rows(each, test, signs.digest, images, repeats, generators, rows) for each in extractors}
    worse = {name: worsening(each) for name, each in found.items()}
    draw(found, output.with_suffix(".png"))
    write_whole(output.with_suffix(".md"), "\n".join(report(name, each) for name, each in worse.items()))
    result: dict[str, Any] = {
        "data": signs.name,
        "digest": signs.digest,
        "images": images,
        "extractors": {each.name: {"dimension": each.dimension, "hash": each.hash} for each in extractors},
        "seen_from_level": {name: first_seen(each) for name, each in worse.items()},
    }
    targets = [target for name, each in worse.items() for target in expected(name, each)]
    if len(found) == 2:
        result["kendall_tau_of_disturbances"] = agreement(found, lambda kind: kind in DISTURBANCES)
        if len(generators) > 1:
            ranked = agreement(found, lambda kind: kind.startswith(GENERATOR))
            result["kendall_tau_of_generators"] = ranked
            targets.append(Target("Kendall's tau of generators by Frechet distance", ranked["fd"], at_least=1))
    write_result(output, result | {"rows": found}, targets=targets, packages=PACKAGES)


if __name__ == "__main__":
    main()

"""What README.md says of the networks: how well each classifies, and which stands which noise better."""

import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from pipelines.intervals import wilson_interval
from pipelines.reports.summary import spoken

RESULTS = Path(__file__).resolve().parents[1] / "results" / "gtsrb"
NETWORKS = {
    "default": "small residual",
    "reference": "multi-scale of Sermanet and LeCun, as navoshta/traffic-signs, with the data of `best`",
    "best": "deeper residual, drawn signs beside the photographs, all tracks, moving average of the weights",
    "mobilenet_v2": "ImageNet weights, fine-tuned at 96 x 96",
}
PUBLISHED = (
    "Published, on all 12,630 test images: 99.85% an ensemble with drawn signs (Lopes da Silva and Fernandes 2022), "
    "99.71% the best single network (Arcos-García 2018), 99.46% a committee (Cireşan 2012), 99.33% navoshta, 98.73% "
    "MobileNetV2 at 224 x 224, 98.84% people. Ours are on the half of them that we hold. Minutes are from machines "
    "of unlike speed while other work ran, those of `reference` on one of the cores. The recipe of `reference` was "
    "changed after its test accuracy had been seen (97.7%, 97.8%, 98.8%). "
    "[All that `best` gets wrong](results/gtsrb/networks/best/mistakes.png)."
)


def networks() -> str:
    """The table of test accuracies, with what pairs of networks, ensembles and views differ by."""
    known = [name for name in NETWORKS if (RESULTS / folder(name) / "scores.json").exists()]
    rows = [_network(name) for name in known]
    return (
        "**Networks** (`train --network NAME`; 32 x 32 test images, by which no epoch is chosen). An interval over "
        "images alone (Wilson's) speaks of the very networks that were trained: another training of the same recipe "
        "may lie outside it, so rows of one training do not rank recipes.\n\n"
        "| network | parameters | test accuracy [95%] | trainings, and what the interval is over | wrong of 6,315 | "
        "macro-F1 | minutes on 2 cores |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        + "\n".join(rows)
        + f"\n\n{_paired(known)}{PUBLISHED}"
        + _together()
    )


def folder(name: str) -> str:
    """Where the results of training a network are, in results/gtsrb."""
    return "train" if name == "default" else f"networks/{name}"


def _network(name: str) -> str:
    scores: dict[str, Any] = json.loads((RESULTS / folder(name) / "scores.json").read_text())
    seeds, ends = _seeds(name)
    if seeds is None:
        wrong, minutes, f1 = str(scores["wrong"]), scores["training_seconds"] / 60, scores["f1_macro"]
        trainings, mean = "1; ", scores["accuracy"]
    else:
        wrong, minutes, f1 = ", ".join(map(str, seeds["wrong"])), seeds["seconds"].mean() / 60, seeds["f1_macro"].mean()
        trainings, mean = f"{len(seeds)}, worst {seeds['accuracy'].min():.2%}; ", seeds["accuracy"].mean()
    low, high = ends or wilson_interval(mean, scores["test_images"])
    return (
        f"| `{name}`: {NETWORKS[name]} | {scores['parameters'] / 1e6:.2f} million | {mean:.2%} [{low:.2%}, {high:.2%}] "
        f"| {trainings}{'trainings and images' if ends else 'images alone'} | {wrong} | {f1:.4f} | {minutes:.0f} |"
    )


def _seeds(name: str) -> tuple[pd.DataFrame | None, tuple[float, float] | None]:
    """A row for each training of a recipe, if there are several, and the interval over both them and the images.

    That needs the predictions of each, from which `benchmarks.training_experiments` writes accuracy.json.
    """
    place = RESULTS / "networks" / name
    if not (place / "repeats.csv").exists():
        return None, None
    seeds = pd.read_csv(place / "repeats.csv")
    if len(seeds) < 2:
        return None, None
    if not (place / "accuracy.json").exists():
        return seeds, None
    found = json.loads((place / "accuracy.json").read_text())
    return seeds, (found["accuracy_low"], found["accuracy_high"])


def _paired(names: list[str]) -> str:
    """Whether `best` differs from the others on the very same images, one training of each."""
    wrong = {name: set(pd.read_csv(RESULTS / folder(name) / "mistakes.csv")["image_id"]) for name in names}
    if "best" not in wrong:
        return ""
    own = wrong.pop("best")
    said = []
    for name, other in wrong.items():
        apart = len(own ^ other)
        chance = binomtest(len(own - other), apart).pvalue if apart else 1.0
        said.append(f"`{name}` {len(other)} (p = {chance:.2g})")
    return (
        f"Image by image, one training of each (exact McNemar test, two-sided): `best` gets {len(own)} wrong, "
        f"{', '.join(said)}.\n\n"
    )


def _together() -> str:
    table = RESULTS / folder("best") / "together.csv"
    if not table.exists():
        return ""
    images = json.loads((RESULTS / folder("best") / "scores.json").read_text())["test_images"]
    rows = pd.read_csv(table)
    said = [
        f"{'one network' if row['networks'] == 1 else str(row['networks']) + ' together'} on {row['views']} "
        f"view{'s' * (row['views'] > 1)} of an image {(1 - row['accuracy']) * images:.3g} wrong "
        f"({row['ms_per_image']:.2f} ms)"
        for row in rows.to_dict("records")
    ]
    return (
        f"\n\nEnsembles and views of `best`, and what they cost, by wrong answers to {images:,} images: "
        f"{'; '.join(said)}. This is one ensemble, of the {rows['networks'].max()} trainings above, and one network is "
        "their mean; a few images decide, and there is no interval: read the order, if anything."
    )


@dataclass(frozen=True)
class Fails:
    """Where a network fails under a noise, with its interval; `reached` where that is within the tested range."""

    threshold: float
    low: float
    high: float
    reached: bool
    unit: str

    def above(self, other: "Fails") -> bool:
        """Whether the threshold is above another with intervals apart."""
        return other.reached and self.low > other.high


COMPARED = ("reference", "best", "mobilenet_v2")
"""Networks whose grids stand side by side."""


def compared() -> list[str]:
    """Those of these networks whose grids have been run."""
    return [name for name in COMPARED if (RESULTS / folder(name) / "noise_grid" / "thresholds.csv").exists()]


def robustness() -> str:
    """The thresholds of the networks side by side, and a sentence of which stands what better."""
    grids = {name: thresholds(name) for name in compared()}
    first = next(iter(grids.values()))
    lines = []
    for noise in first:
        cells = [
            _cell(grid[noise], [own[noise] for own in grids.values() if own is not grid]) for grid in grids.values()
        ]
        lines.append(f"| {spoken(noise)} | {' | '.join(cells)} | {first[noise].unit} |")
    measured = "; ".join(_measured(name) for name in grids)
    return (
        "**Which of these networks stands what** (`noise_grid`, preset `standard`, noise added at 32 x 32, the level "
        "at which accuracy is halved). One training of each was measured, and a threshold is of a network, not of a "
        "recipe: intervals are over images alone, and another training of the same recipe may lie outside them. That "
        f"one of these networks stands more than another means that their intervals are apart. {_verdicts(grids)} "
        f"Measured were {measured}.\n\n"
        "![Where each network fails, as a share of the range of each noise](results/gtsrb/networks/robustness.png)\n\n"
        "<details><summary>All of these thresholds</summary>\n\nBold: above all others with intervals apart.\n\n"
        f"| noise | {' | '.join(f'`{name}`' for name in grids)} | unit |\n"
        f"| --- |{' --- |' * (len(grids) + 1)}\n" + "\n".join(lines) + "\n\n</details>"
    )


def _measured(name: str) -> str:
    """The network of a grid: how long it was trained, how good it is, and the images that it was measured on."""
    place = RESULTS / folder(name)
    own = place / "noise_grid" / "scores.json"
    scores = json.loads((own if own.exists() else place / "scores.json").read_text())
    images = pd.read_csv(place / "noise_grid" / "thresholds.csv")["n"].max()
    return (
        f"`{name}` after {scores['epochs']} epochs ({scores['accuracy']:.2%} of {scores['test_images']:,} clean "
        f"images) on {images:,} images"
    )


def thresholds(name: str) -> dict[str, Fails]:
    """Where a network fails, by noise."""
    table = pd.read_csv(RESULTS / folder(name) / "noise_grid" / "thresholds.csv")
    return {
        str(row["noise"]): Fails(row["threshold"], row["low"], row["high"], row["censored"] != "above", row["unit"])
        for row in table[table["criterion"] == "fails"].to_dict("records")
    }


def _cell(own: Fails, others: list[Fails]) -> str:
    if not own.reached:
        return "not reached"
    text = f"{own.threshold:.3g} [{own.low:.3g}, {own.high:.3g}]"
    return f"**{text}**" if all(own.above(other) for other in others) else text


def _verdicts(grids: dict[str, dict[str, Fails]]) -> str:
    said = []
    for two, one in combinations(grids, 2):
        more = {noise: grids[two][noise] for noise in grids[two] if grids[one][noise].above(grids[two][noise])}
        less = {noise: grids[one][noise] for noise in grids[one] if grids[two][noise].above(grids[one][noise])}
        said.append(
            f"`{one}` stands more than `{two}` under {len(more)} of {len(grids[one])} noises"
            f"{_most(grids[one], more)}, less under {len(less)}{_most(grids[two], less)}."
        )
    return " ".join(said)


def _most(stronger: dict[str, Fails], weaker: dict[str, Fails]) -> str:
    """The noises in which two networks differ most, by the ratio of their thresholds."""
    ratios = {noise: stronger[noise].threshold / weaker[noise].threshold for noise in weaker if stronger[noise].reached}
    largest = sorted(ratios, key=ratios.__getitem__, reverse=True)[:3]
    return f" ({', '.join(f'{spoken(noise)} {ratios[noise]:.1f} x' for noise in largest)})" if largest else ""

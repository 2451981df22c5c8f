"""Write the figures that README.md quotes between its markers, from the files in results/: none is copied by hand.

Run with `python -m benchmarks.readme`; a test keeps the page and the files together.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.readme_coverage import comparisons, coverage, mutants, recipes
from benchmarks.readme_gans import gans
from benchmarks.readme_networks import networks, robustness
from benchmarks.readme_training import experiments
from pipelines.intervals import wilson_interval

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
BEGIN, END = "<!-- results:begin (written by `python -m benchmarks.readme`) -->", "<!-- results:end -->"


def main() -> None:
    """Rewrite the section of README.md between the markers."""
    page = ROOT / "README.md"
    page.write_text(with_results(page.read_text()))


def with_results(page: str) -> str:
    """The page with its results section made anew."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{section()}\n{END}{rest.split(END)[1]}"


def section() -> str:
    """All figures as Markdown."""
    about_networks = [networks(), robustness(), _training(), *experiments()]
    return "\n\n".join([_grid(), _corruptions(), *about_networks, _rendered(), *gans(), _coverage(), _speed()])


def _read(path: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / path).read_text())
    return content


def _training() -> str:
    scores = _read("gtsrb/train/scores.json")
    low, high = wilson_interval(scores["accuracy"], scores["test_images"])
    rows = [
        ("accuracy [95%, over images alone]", f"{scores['accuracy']:.2%} [{low:.2%}, {high:.2%}]"),
        ("balanced accuracy", f"{scores['balanced_accuracy']:.2%}"),
        ("macro precision / recall / F1", " / ".join(f"{scores[f'{name}_macro']:.4f}" for name in NAMES)),
        ("Matthews correlation / Cohen's kappa", f"{scores['mcc']:.4f} / {scores['kappa']:.4f}"),
        ("expected calibration error", f"{scores['calibration_error']:.4f}"),
        ("wrong", f"{scores['wrong']} of {scores['test_images']:,}"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        f"**The default network**, one training ({scores['parameters']:,} parameters, 80% of the training tracks in "
        f"{scores['training_seconds'] / 60:.0f} minutes on 2 CPU cores, while other work ran) on the half "
        f"of the official test set that we hold ({scores['test_images']:,} images; published numbers are for all "
        f"12,630):\n\n| | |\n|---|---|\n{table}\n\n"
        "[Every class](results/gtsrb/train/per_class.csv), the [confusion matrix](results/gtsrb/train/confusion.png) "
        "and the [images that it gets wrong](results/gtsrb/train/mistakes.png)."
    )


NAMES = ("precision", "recall", "f1")


def _grid() -> str:
    folder = RESULTS / "gtsrb/noise_grid"
    curves = pd.read_csv(folder / "curves.csv")
    predictions = int(curves.loc[curves["level_index"] > 0, "n"].sum() + curves["n"].iloc[0])
    noises = curves["noise"].nunique()
    seconds = _read("gtsrb/noise_grid/results.json")["seconds"]
    return (
        f"**{noises} noises on one scale** (preset `all`: {predictions:,} predictions, {seconds / 60:.0f} minutes in "
        "all). All of it is of one network, a training of `default`: **a threshold is of a network, not of a recipe**, "
        "its interval is over images alone, and another training of the same recipe may have another threshold, with "
        f"both intervals apart. {(folder / 'findings.md').read_text().strip()}\n\n"
        "![Noises by how little they show when the network begins to fail, and fails]"
        "(results/gtsrb/noise_grid/ranking.png)\n\n"
        "Leftmost is most harmful: a ring marks where the classifier begins to fail, a dot where it fails, a triangle "
        "that it does not within the tested levels; the axis is stretched near SSIM 1.\n\n"
        "![The images that fail at the slightest change, clean and changed](results/gtsrb/noise_grid/slightest.png)"
        "\n\nMore of the same report: [accuracy against seven measures of distortion]"
        "(results/gtsrb/noise_grid/distortion.png), [all curves](results/gtsrb/noise_grid/curves.png), "
        "[which class falls when](results/gtsrb/noise_grid/class_heat_map.png), "
        "[where the answers go](results/gtsrb/noise_grid/flow.png), "
        "[whether confidence warns](results/gtsrb/noise_grid/warning.png).\n\n"
        f"<details><summary>All {noises} thresholds of this network</summary>\n\nIn the order of the ranking, with the "
        "SSIM where it begins to fail. Compare that between rows, never levels; *significant from* is the first level "
        f"at which McNemar's test rejects.\n\n{(folder / 'thresholds.md').read_text().strip()}\n\n</details>"
    )


def _corruptions() -> str:
    metrics = _read("gtsrb/cifar_c/results.json")["metrics"]
    errors = pd.read_csv(RESULTS / "gtsrb/cifar_c/corruption_errors.csv").groupby("corruption")["error"].mean()
    worst = ", ".join(f"{name.replace('_', ' ')} {error:.1%}" for name, error in errors.nlargest(3).items())
    return (
        "**CIFAR-10-C's corruptions** (preset `cifar-c`, 5 severities each, of this network): a mean error of "
        f"{metrics['mean_corruption_error']:.1%} over the 15 that are published, and of "
        f"{metrics['mean_corruption_error_19']:.1%} over all 19; the largest are {worst} "
        "([all of them](results/gtsrb/cifar_c/corruption_errors.csv))."
    )


def _rendered() -> str:
    found = _read("rendered_to_real.json")
    speed = _read("render_speed.json")
    low, high = found["wilson_95"]
    return (
        f"**Rendered signs.** A small CNN trained on {found['train_images']:,} rendered images alone, "
        f"and on no photograph, names {found['accuracy']:.1%} [{low:.1%}, {high:.1%}] of the real test images "
        "(one training, the interval over images alone; chance: 2.3%). "
        "[All 43 beside real ones](results/rendered_contact_sheet.png). Rendering: "
        f"{speed['images_per_second']['32']['processor_median']:,.0f} images/s on one core."
    )


def _coverage() -> str:
    seconds = _read("analysis_speed.json")["images_as_groups"]["seconds"]
    speed = f"All curves and thresholds of the standard grid, per class too, take {seconds:.0f} s."
    said = [
        coverage(_read("threshold_coverage.json")),
        comparisons(_read("comparison_coverage.json")),
        recipes(_read("recipe_coverage.json")),
        mutants(_read("mutation.json")),
    ]
    return "\n\n".join([*said, speed])


def _speed() -> str:
    precision = _read("precision.json")
    halves = precision["bfloat16_over_float32"]
    grid, memory, noises = _read("grid_throughput.json"), _read("grid_memory.json"), _read("noise_speed.json")
    search, agreement = _read("refinement.json"), _read("noise_agreement.json")
    peers = ", ".join(
        f"{noises[peer]['median_ratio']:.1f} times as fast as {peer} (worst {noises[peer]['worst_ratio']:.1f})"
        for peer in ("imagecorruptions", "albumentations", "keras-cv")
    )
    return (
        f"**Speed** (`make bench`, 2 cores, no GPU). The standard grid end to end takes {1 / grid['ratio']:.2f} times "
        f"the time of its bare forward passes ({grid['grid_predictions_per_second']:,.0f} predictions/s). Ten times "
        f"the images take {memory['ratio']:.2f} times the memory. A noise costs {noises['catalogue']['mean_us']:.0f} "
        f"microseconds an image of 32 x 32 on one core in the mean, {noises['catalogue']['largest_us']:.0f} at most; "
        f"the medians are {peers}: [every noise](results/noise_speed.md). {agreement['within']} of "
        f"{agreement['checks']} [statistics](results/noise_agreement.md) of {agreement['noises']} noises agree with "
        f"those of peers. On curves of {len(search['noises'])} noises of one network, a search (`--refine`) takes "
        f"{search['share']:.2f} of the predictions of sweeps as precise ({search['median_share']:.2f} for the median "
        "noise). "
        f"bfloat16 gains nothing on this CPU: {halves['training']:.2f} of float32's speed in training, "
        f"{halves['inference']:.2f} in inference, with {precision['equal_labels']:.2%} of the labels kept; "
        "so float32 is what a CPU gets."
    )


if __name__ == "__main__":
    main()

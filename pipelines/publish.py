"""What comes out of a noise grid: tables and report in the output folder, metrics, tags and artifacts in MLflow."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noise.levels import by_name
from noise.registry import disturb
from pipelines.analysis import CLEAN, Analysis, write_tables
from pipelines.entry import Results
from pipelines.reports.figures import write_whole
from pipelines.reports.robustness import write_robustness_report
from pipelines.reports.strips import Strip
from pipelines.reports.terminal import thresholds_markdown, thresholds_table
from pipelines.signs import concatenate

if TYPE_CHECKING:
    import pandas as pd

    from noise.levels import NoiseLevels
    from pipelines.classifier import Classifier
    from pipelines.signs import SignDataset, Signs
    from pipelines.tracking import TrackedRun

STRIP_SIGNS = 6
SAMPLED = 120
"""Test images among which the signs of the strips are chosen."""
CURVES = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "fpr_macro")


@dataclass(frozen=True)
class Grid:
    """A grid that has been run: what was measured, on what, and what came of it."""

    signs: SignDataset
    classifier: Classifier
    levels: Sequence[NoiseLevels]
    predictions: Mapping[str, pd.DataFrame]
    analysis: Analysis
    seed: int


def publish(grid: Grid, run: TrackedRun, folder: Path) -> Results:
    """Write the tables, the report and its pictures under `folder`, and log all of it."""
    tables = write_tables(grid.analysis, folder)
    table = write_whole(folder / "thresholds.md", f"{thresholds_markdown(grid.analysis.thresholds)}\n".encode())
    shutil.rmtree(folder / "report", ignore_errors=True)  # no picture of an earlier grid stays
    pictures = write_robustness_report(
        folder / "report",
        grid.analysis,
        levels=by_name(grid.levels),
        strips=make_strips(grid),
        class_names=grid.signs.class_names,
        about=_about(grid, run),
    )
    _log_curves(grid, run)
    run.set_tags(_tags(grid))
    run.log_files([*tables, table])
    run.log_files(folder / "report", "report")
    run.log_files(folder / "predictions", "predictions")
    metrics = threshold_metrics(grid.analysis.thresholds)
    summary = f"{thresholds_table(grid.analysis.thresholds)}\n\nReport      {pictures[0].resolve().as_uri()}"
    artifacts = {path.name: str(path) for path in [*tables, table, pictures[0]]}
    return Results({"model": grid.classifier.name, "data": grid.signs.name}, metrics, artifacts, summary)


def threshold_metrics(thresholds: pd.DataFrame) -> dict[str, float]:
    """Metrics `threshold/<noise>/<criterion>` and the ends of their intervals; what is censored has none."""
    known = thresholds[thresholds["censored"] == ""].rename(columns={"threshold": "", "low": "_low", "high": "_high"})
    return {
        f"threshold/{row['noise']}/{row['criterion']}{end}": float(row[end])
        for row in known.to_dict("records")
        for end in ("", "_low", "_high")
        if np.isfinite(row[end])
    }


def permille(level: float, low: float, high: float) -> int:
    """A level as thousandths of its noise's whole range: MLflow's steps are whole numbers."""
    return round(1000 * (level - low) / (high - low))


def make_strips(grid: Grid) -> dict[str, Strip]:
    """The same few signs under each noise at its levels, with the answers of the grid."""
    clean = grid.predictions[CLEAN]
    images = _choose(clean, grid.signs, grid.seed)
    return {part.kind.name: _strip(grid, part, images, clean) for part in grid.levels}


def _choose(clean: pd.DataFrame, signs: SignDataset, seed: int) -> Signs:
    """Signs of different classes that are recognised when clean: of a seeded sample those of most contrast."""
    right = clean[clean["predicted"] == clean["label"]].sort_values("image_id")
    names = right["image_id"].sample(n=min(len(right), SAMPLED), random_state=seed).to_numpy()
    parts = (shard.read() for shard in signs.shards("test"))
    sampled = concatenate([part.take(np.isin(part.image_id, names)) for part in parts])
    by_contrast = np.argsort(-sampled.image.std(axis=(1, 2, 3)), kind="stable")
    _, first = np.unique(sampled.label[by_contrast], return_index=True)
    return sampled.take(by_contrast[np.sort(first)[:STRIP_SIGNS]])


def _strip(grid: Grid, part: NoiseLevels, images: Signs, clean: pd.DataFrame) -> Strip:
    names = images.image_id.tolist()
    noisy = disturb(part.kind, images.image, part.levels, image_ids=names, seed=grid.seed)
    rows = grid.predictions[part.kind.name]
    rows = rows[rows["image_id"].isin(names) & (rows["repeat"] == 0)]
    answers = (
        rows.pivot_table(index="image_id", columns="level_index", values="predicted").loc[names].to_numpy(np.int64)
    )
    first = clean.set_index("image_id").loc[names, "predicted"].to_numpy(np.int64)
    return Strip(np.swapaxes(noisy, 0, 1), part.levels, np.column_stack([first, answers]), images.label)


def _log_curves(grid: Grid, run: TrackedRun) -> None:
    kinds = {part.kind.name: part.kind for part in grid.levels}
    by_step: dict[int, dict[str, float]] = {}
    for row in grid.analysis.curves.to_dict("records"):
        kind = kinds[row["noise"]]
        step = permille(row["level"], kind.low, kind.high)
        scores = {f"noise/{kind.name}/{name}": float(row[name]) for name in CURVES}
        by_step.setdefault(step, {}).update(scores)
    for step, metrics in sorted(by_step.items()):
        run.log_metrics(metrics, step=step)


def _tags(grid: Grid) -> dict[str, str]:
    censored = grid.analysis.thresholds[grid.analysis.thresholds["censored"] != ""]
    tags = {f"censored/{row.noise}/{row.criterion}": str(row.censored) for row in censored.itertuples()}
    return tags | {
        "data": grid.signs.name,
        "data_digest": grid.signs.digest,
        "model": grid.classifier.name,
        "model_digest": grid.classifier.digest,
    }


def _about(grid: Grid, run: TrackedRun) -> dict[str, str]:
    curves = grid.analysis.curves
    return {
        "Model": grid.classifier.name,
        "Model file, sha256": grid.classifier.digest[:16],
        "Model input": f"white is {grid.classifier.pixel_max:g}, {_outputs(grid.classifier)}",
        "Data set": f"{grid.signs.name}, test split, {grid.signs.size} x {grid.signs.size} pixels",
        "Data set, sha256": grid.signs.digest[:16],
        "Test images": f"{int(curves['n'].max()):,}",
        "Seed": str(grid.seed),
        "MLflow run": run.run_id,
        "Command": shlex.join(["python", "-m", f"pipelines.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
    }


def _outputs(classifier: Classifier) -> str:
    return "gives probabilities" if classifier.probabilities else "gives logits"

"""What comes out of a noise grid: tables and report in the output folder, metrics, tags and artifacts in MLflow."""

from __future__ import annotations

import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from noise.registry import disturb
from pipelines.analysis import CLEAN, THRESHOLD_COLUMNS
from pipelines.corruptions import mean_corruption_error
from pipelines.entry import Results
from pipelines.masking import masked
from pipelines.output_folder import discard, write_whole
from pipelines.reports.recipe import recipe_caption, write_recipe_report
from pipelines.reports.reservations import reservation, too_weak
from pipelines.reports.robustness import Pictures, write_robustness_report
from pipelines.reports.strips import Strip
from pipelines.reports.terminal import thresholds_markdown, thresholds_table
from pipelines.signs import concatenate
from pipelines.tables import write_tables
from pipelines.trainings import recipe_thresholds
from pipelines.visibility import equal_visibility

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from noise.levels import NoiseLevels
    from pipelines.signs import SignDataset, Signs
    from pipelines.study import Study
    from pipelines.tracking import TrackedRun

STRIP_SIGNS = 6
SAMPLED = 120
"""Test images among which the signs of the strips are chosen."""
SLIGHTEST = 24
"""Images shown that fail at the slightest change."""
SHOWN = ("ssim", "psnr", "l2")
WARNINGS = ("auroc", "calibration_error")
CURVES = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "fpr_macro")


def publish(study: Study, run: TrackedRun, folder: Path) -> Results:
    """Write the tables, the report and its pictures under `folder`, and log all of it."""
    tables = write_tables(_tables(study), folder)
    thresholds, visibility = study.analysis.thresholds, study.tables["visibility"]
    table = write_whole(folder / "thresholds.md", f"{thresholds_markdown(thresholds, visibility)}\n".encode())
    discard(folder / "report")  # no picture of an earlier grid stays
    pages = write_robustness_report(folder / "report", study, make_pictures(study), about=_about(study, run))
    _log_curves(study, run)
    run.identify(_tags(study))
    run.log_params({f"model_{name}": text for name, text in study.search.classifier.said.items()})
    run.log_files([*tables, table])
    run.log_files(folder / "report", "report")
    run.log_files(folder / "predictions", "predictions")
    metrics = threshold_metrics(thresholds) | visibility_metrics(visibility)
    metrics |= mean_corruption_error(study.tables["corruption_errors"])
    said = thresholds_table(thresholds, visibility, reservation(study.analysis.curves))
    summary = f"{said}{_added(study)}\n\nReport      {pages[0].resolve().as_uri()}"
    artifacts = {path.name: str(path) for path in [*tables, table, pages[0]]}
    params = {"model": study.search.classifier.name, "data": study.search.signs.name}
    return Results(params, metrics, artifacts, summary)


def _added(study: Study) -> str:
    """What adding levels around the thresholds has cost."""
    added, rows = study.measured.added, study.measured.predictions[CLEAN]
    if not added:
        return ""
    levels = sum(len(part.levels) - 1 for part in study.measured.levels)
    cost = added * len(rows) * study.search.repeats
    return (
        f"\n\n{added} of {levels} levels were added around thresholds ({cost:,} predictions); --refine false adds none"
    )


def publish_recipe(studies: Mapping[str, Study], model: str, run: TrackedRun, folder: Path) -> Results:
    """Write and log what several networks of one recipe say of it, beside what each has in a folder of its own.

    Args:
        studies: of each network by the name of its folder.
        model: the networks as the user named them.
        run: around the networks' runs.
        folder: of the recipe's tables and page.
    """
    first = next(iter(studies.values()))
    recipe = recipe_thresholds(
        [study.measured for study in studies.values()], size=first.search.signs.size, seed=first.search.seed
    )
    visibility = equal_visibility(recipe, first.tables["distortions"])
    each = pd.concat([study.analysis.thresholds.assign(network=name) for name, study in studies.items()])
    networks = _networks(studies)
    tables = {"recipe_thresholds.csv": recipe, "recipe_visibility.csv": visibility, "networks.csv": networks}
    files = write_tables({**tables, "thresholds.csv": each[["network", *THRESHOLD_COLUMNS]]}, folder)
    files.append(write_whole(folder / "recipe_thresholds.md", f"{thresholds_markdown(recipe, visibility)}\n".encode()))
    page = write_recipe_report(folder / "report", recipe, visibility, networks, about=_about_data(first, run))
    signs = first.search.signs
    run.identify({"data": signs.name, "data_digest": signs.digest, "model": model})
    run.log_files(files)
    run.log_files(page, "report")
    warning = too_weak(float(networks["accuracy"].min()), int(recipe["n"].iloc[0]))
    said = [thresholds_table(recipe, visibility, warning), recipe_caption(recipe, networks)]
    summary = "\n\n".join([*said, f"Report      {page.resolve().as_uri()}"])
    return Results(
        params={"model": model, "data": signs.name, "networks": len(networks)},
        metrics=threshold_metrics(recipe) | visibility_metrics(visibility),
        artifacts={path.name: str(path) for path in [*files, page]},
        summary=summary,
    )


def _networks(studies: Mapping[str, Study]) -> pd.DataFrame:
    """A row a network: network (its folder), model, accuracy on clean images, sha256 of its file."""
    rows = []
    for name, study in studies.items():
        clean = study.measured.predictions[CLEAN]
        right = float((clean["predicted"] == clean["label"]).mean())
        classifier = study.search.classifier
        rows.append({"network": name, "model": classifier.name, "accuracy": right, "sha256": classifier.digest})
    return pd.DataFrame(rows)


def _tables(study: Study) -> dict[str, pd.DataFrame]:
    """All tables by the names of their files; the large ones are Parquet."""
    analysis = study.analysis
    tables = {"curves": analysis.curves, "thresholds": analysis.thresholds, "per_class_thresholds": analysis.per_class}
    tables |= {field.name: getattr(study.failures, field.name) for field in fields(study.failures)}
    tables["saliency"] = study.saliency.shifts
    large = {"class_metrics.parquet": analysis.class_metrics, "image_thresholds.parquet": study.images}
    return {f"{name}.csv": table for name, table in {**tables, **study.tables}.items()} | large


def visibility_metrics(visibility: pd.DataFrame) -> dict[str, float]:
    """Metrics `visibility/<noise>/<criterion>_<measure>` at the thresholds that were reached."""
    ranked = visibility[visibility["rank"].notna()]
    return {
        f"visibility/{row['noise']}/{row['criterion']}_{measure}": float(row[measure])
        for row in ranked.to_dict("records")
        for measure in SHOWN
    }


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


def make_pictures(study: Study) -> Pictures:
    """The same few signs under each noise at its levels, and the signs that the slightest changes fool."""
    clean = study.measured.predictions[CLEAN]
    images = _choose(clean, study.search.signs, study.search.seed)
    strips = {part.kind.name: _strip(study, part, images, clean) for part in study.measured.levels}
    rows = study.tables["slightest"].head(SLIGHTEST)
    return Pictures(strips, *_slightest(study, rows))


def _choose(clean: pd.DataFrame, signs: SignDataset, seed: int) -> Signs:
    """Signs of different classes that are recognised when clean: of a seeded sample those of most contrast."""
    right = clean[clean["predicted"] == clean["label"]].sort_values("image_id")
    names = right["image_id"].sample(n=min(len(right), SAMPLED), random_state=seed).to_numpy()
    sampled = _named(signs, names)
    by_contrast = np.argsort(-sampled.image.std(axis=(1, 2, 3)), kind="stable")
    _, first = np.unique(sampled.label[by_contrast], return_index=True)
    return sampled.take(by_contrast[np.sort(first)[:STRIP_SIGNS]])


def _named(signs: SignDataset, names: NDArray[np.object_]) -> Signs:
    """The test signs of these names, in the order of the data set."""
    parts = (shard.read() for shard in signs.shards("test"))
    return concatenate([part.take(np.isin(part.image_id, names.astype(str))) for part in parts])


def _strip(study: Study, part: NoiseLevels, images: Signs, clean: pd.DataFrame) -> Strip:
    names = images.image_id.tolist()
    noisy = disturb(part.kind, images.image, part.levels, image_ids=names, seed=study.search.seed)
    rows = study.measured.predictions[part.kind.name]
    rows = rows[rows["image_id"].isin(names) & (rows["repeat"] == 0)]
    answers = (
        rows.pivot_table(index="image_id", columns="level_index", values="predicted").loc[names].to_numpy(np.int64)
    )
    first = clean.set_index("image_id").loc[names, "predicted"].to_numpy(np.int64)
    return Strip(np.swapaxes(noisy, 0, 1), part.levels, np.column_stack([first, answers]), images.label)


def _slightest(study: Study, rows: pd.DataFrame) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Each row's image when clean, and at the level that fools the network: (rows, H, W, C) both."""
    signs = _named(study.search.signs, rows["image_id"].to_numpy(dtype=object))
    place = {name: index for index, name in enumerate(signs.image_id.tolist())}
    kinds = {part.kind.name: part.kind for part in study.measured.levels}
    clean = signs.image[[place[name] for name in rows["image_id"]]]
    noisy = [
        disturb(kinds[row["noise"]], image[None], [row["level"]], image_ids=[row["image_id"]], seed=study.search.seed)
        for row, image in zip(rows.to_dict("records"), clean, strict=True)
    ]
    return clean, np.array(noisy, np.uint8).reshape(clean.shape)


def _log_curves(study: Study, run: TrackedRun) -> None:
    kinds = {part.kind.name: part.kind for part in study.measured.levels}
    warned = study.failures.confidence[["noise", "level", *WARNINGS]]
    by_step: dict[int, dict[str, float]] = {}
    for row in study.analysis.curves.merge(warned, on=["noise", "level"], how="left").to_dict("records"):
        kind = kinds[row["noise"]]
        step = permille(row["level"], kind.low, kind.high)
        scores = {f"noise/{kind.name}/{name}": float(row[name]) for name in (*CURVES, *WARNINGS)}
        by_step.setdefault(step, {}).update({name: score for name, score in scores.items() if np.isfinite(score)})
    for step, metrics in sorted(by_step.items()):
        run.log_metrics(metrics, step=step)


def _tags(study: Study) -> dict[str, str]:
    thresholds, search = study.analysis.thresholds, study.search
    censored = thresholds[thresholds["censored"] != ""]
    tags = {f"censored/{row.noise}/{row.criterion}": str(row.censored) for row in censored.itertuples()}
    return tags | {
        "data": search.signs.name,
        "data_digest": search.signs.digest,
        "model": search.classifier.name,
        "model_digest": search.classifier.digest,
    }


def _about(study: Study, run: TrackedRun) -> dict[str, str]:
    classifier = study.search.classifier
    said = classifier.said
    return {
        "Model": masked(classifier.name),
        "Model file, sha256": classifier.digest[:16],
        "Model input": f"{said.get('reads', classifier.reading)}, gives {classifier.outputs}",
        "Order of its classes": said.get("order", "numbers"),
        **_about_data(study, run),
    }


def _about_data(study: Study, run: TrackedRun) -> dict[str, str]:
    signs = study.search.signs
    return {
        "Data set": f"{signs.name}, test split, {signs.size} x {signs.size} pixels",
        "Data set, sha256": signs.digest[:16],
        "Test images": f"{int(study.analysis.curves['n'].max()):,}",
        "Seed": str(study.search.seed),
        "MLflow run": run.run_id,
        "Command": masked(shlex.join(["python", "-m", f"pipelines.{Path(sys.argv[0]).stem}", *sys.argv[1:]])),
    }

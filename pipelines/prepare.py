"""Entry point: read signs of any source, resize them, split them by track, and write them as Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.entry import Results, Settings, entry_point

if TYPE_CHECKING:
    from pipelines.signs import SignDataset
    from pipelines.tracking import TrackedRun

READ_A_CLASS = 40
"""Images read for each class on average, so that the rare classes have enough to show."""


class PrepareSettings(Settings):
    """Options of `prepare`."""

    data: str = Field(
        "rendered",
        description="Official GTSRB archives or folders, the Kaggle layout, CURE-TSR (`DIR#GaussianBlur-3` for one "
        "of its challenges), class folders, each also as a zip archive; "
        "`gtsrb` downloads the official archives, `rendered` or `rendered:N` draws N training images a class.",
    )
    size: int = Field(32, description="Side of the images in pixels.")
    crop: bool = Field(False, description="Cut each image to its region of interest, where the source gives one.")
    output: Path = Field(Path("output/data"), description="Folder for the Parquet files.")


@entry_point("prepare", PrepareSettings)
def prepare(settings: PrepareSettings, run: TrackedRun) -> Results:
    """Read signs of any source, resize them, split them by track, and write them as Parquet."""
    from pipelines.ingest import DATASET_FILE, SAMPLES
    from pipelines.signs import prepared

    folder, samples = settings.output, settings.output / SAMPLES
    signs = prepared(settings.data, size=settings.size, crop=settings.crop, seed=settings.seed, output=folder)
    _draw_samples(signs, samples)
    run.log_files([folder / DATASET_FILE, samples], "data")
    run.identify({"data": signs.name, "data_digest": signs.digest})
    metrics = {f"data/{split}": float(sum(counts)) for split, counts in signs.counts.items()}
    return Results(
        params={"data": settings.data, "size": signs.size, "crop": signs.crop, "digest": signs.digest},
        metrics={**metrics, "data/classes": float(len(signs.class_names))},
        artifacts={"data": str(folder), "samples": str(samples)},
        summary=f"{counts_table(signs)}\n\nData        {folder}\nDigest      {signs.digest}",
    )


def counts_table(signs: SignDataset) -> str:
    """Images of each class in each split, as plain text."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_footer=True)
    table.add_column("class", "", justify="right")
    table.add_column("name", f"all {len(signs.class_names)} classes")
    for split, counts in signs.counts.items():
        table.add_column(split, f"{sum(counts):,}", justify="right")
    for label, name in enumerate(signs.class_names):
        table.add_row(str(label), name, *(f"{counts[label]:,}" for counts in signs.counts.values()))
    text = io.StringIO()
    Console(file=text, width=100, color_system=None, markup=False, emoji=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _draw_samples(signs: SignDataset, path: Path) -> None:
    """Draw training images of each class, unless the sheet is there already."""
    if path.is_file():
        return
    from pipelines.reports.figures import save_png
    from pipelines.reports.samples import samples_sheet

    some = signs.read("train", limit=READ_A_CLASS * len(signs.class_names))
    title = f"{signs.name}: training images at {signs.size} x {signs.size} pixels"
    save_png(samples_sheet(some.image, some.label, signs.class_names, title), path)


if __name__ == "__main__":
    prepare.command()

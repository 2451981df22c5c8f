"""A GAN in pictures: how both networks learned and where they failed, what the generator makes, and how that grew."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import patheffects
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image, ImageDraw, ImageFont

from gan.health import WINDOW, WON, diagnose, untold
from pipelines.reports.figures import BEGINS, CURVE, FAILS, INK, MUTED, PAPER, WRONG, new_figure, short_name, styled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from gan.health import Record, Samples

    Images = NDArray[np.uint8]

PANELS = {
    "Losses": {"generator_loss": ("generator", CURVE), "discriminator_loss": ("discriminator", FAILS)},
    "Gradient norms": {"generator_gradient": ("generator", CURVE), "discriminator_gradient": ("discriminator", FAILS)},
    "Discriminator's accuracy": {"real_accuracy": ("real", CURVE), "fake_accuracy": ("generated", FAILS)},
}
"""Curves of records: by panel, the field of `Record` with its label and colour."""
DIVERSITY = {
    "recall": ("recall", CURVE),
    "coverage": ("coverage", BEGINS),
    "duplicate_share": ("duplicates", FAILS),
}
"""Curves of samples."""
SHOWN_IN = {
    "vanishing_gradient": "Gradient norms",
    "discriminator_wins": "Discriminator's accuracy",
    "diverged": "Losses",
    "mode_collapse": "Samples",
}
"""The panel whose curves show a failure."""
GAP, BAND = 2, 18
"""Pixels between images of a grid, and of the band above a frame that says its step."""
SCALE = 3


def training_figure(records: Sequence[Record], samples: Sequence[Samples] = (), title: str = "") -> Figure:
    """Draw a training by steps: losses, gradient norms, accuracies, diversity of samples; failures are marked.

    Args:
        records: Of the training, in the order of their steps.
        samples: Reports on generated images.
        title: Before what was found.
    """
    failures = diagnose(records, samples)
    with styled():
        figure = new_figure(7.4, 5.0)
        panels = dict(zip([*PANELS, "Samples"], figure.subplots(2, 2, sharex=True).flat, strict=True))
        figure.subplots_adjust(0.065, 0.085, 0.985, 0.82, wspace=0.16, hspace=0.36)
        for name, curves in PANELS.items():
            _curves(panels[name], records, curves, smooth=True)
        _curves(panels["Samples"], samples, DIVERSITY, smooth=False)
        for name, axes in panels.items():
            _frame(axes, name)
            for failure, step in failures.items():
                _mark(axes, failure.replace("_", " "), step, here=SHOWN_IN[failure] == name)
        panels["Losses"].set_ylim(*_usual(records))
        _logarithmic(panels["Gradient norms"])
        panels["Discriminator's accuracy"].axhline(WON, color=MUTED, linewidth=0.7, linestyle=(0, (1, 2)))
        for name in ("Discriminator's accuracy", "Samples"):
            panels[name].set_ylim(-0.03, 1.03)
            panels[name].set_xlabel("steps")
        _headline(figure, failures, untold(records, samples), title)
    return figure


def _curves(
    axes: Axes, series: Sequence[Record | Samples], curves: Mapping[str, tuple[str, str]], *, smooth: bool
) -> None:
    steps = np.array([entry.step for entry in series], float)
    for field, (label, colour) in curves.items():
        values = np.array([getattr(entry, field) for entry in series], float)
        values[~np.isfinite(values)] = np.nan
        if np.isnan(values).all():
            continue
        if smooth and len(values) > 4 * WINDOW:
            axes.plot(steps, values, color=colour, linewidth=0.5, alpha=0.3)
            half = WINDOW // 2
            windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, mode="edge"), WINDOW)
            values = np.median(windows, axis=1)
        marker = "" if smooth else "o"
        axes.plot(steps, values, color=colour, linewidth=1.3, marker=marker, markersize=2.5, label=label)


def _usual(records: Sequence[Record]) -> tuple[float, float]:
    """Limits of losses that leave out the blow-up of a divergence."""
    losses = np.array([[record.generator_loss, record.discriminator_loss] for record in records], float)
    losses = losses[np.isfinite(losses)]
    if not losses.size:
        return 0.0, 1.0
    usual = losses[np.abs(losses) <= 6 * np.median(np.abs(losses))]
    room = 0.05 * float(np.ptp(usual)) or 1.0
    return float(usual.min()) - room, float(usual.max()) + room


def _logarithmic(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="both", length=0)


def _mark(axes: Axes, failure: str, step: int, *, here: bool) -> None:
    """A line where a failure was found; in the panel that shows it, strong and with the failure's name."""
    axes.axvline(step, color=WRONG, linewidth=1.2 if here else 0.6, linestyle=(0, (4, 2)), alpha=1 if here else 0.4)
    if here:
        halo = [patheffects.withStroke(linewidth=2.4, foreground=PAPER)]
        axes.annotate(
            failure, (step, 0.5), (-3, 0), axes.get_xaxis_transform(), textcoords="offset points", color=WRONG, size=7,
            rotation=90, ha="right", va="center", path_effects=halo,
        )  # fmt: skip


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, pad=16)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.03, 0.98), ncols=3, fontsize=7, borderaxespad=0.2)
    else:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, color=MUTED, ha="center", va="center")


def _headline(figure: Figure, failures: Mapping[str, int], few: Sequence[str], title: str) -> None:
    found = [f"{name} at step {failures[name]:,}" for name in sorted(failures, key=failures.__getitem__)]
    told = [*found, f"not enough reports to tell: {', '.join(few)}"] if few else found or ["no failure found"]
    figure.text(0.015, 0.965, title or "Training of the GAN", weight="bold", size=10, va="center")
    text = "; ".join(told).replace("_", " ")
    figure.text(0.015, 0.92, text, color=WRONG if found else MUTED, size=8, va="center")


def samples_figure(images: Images, labels: Sequence[str] = (), title: str = "", *, columns: int = 10) -> Figure:
    """Draw generated images in rows; with labels, each row is one class, named at its left.

    Args:
        images: uint8 (N, H, W, 3).
        labels: A name a row; none: the images are of one class.
        title: The line at the top.
        columns: Images a row.
    """
    rows, margin = -(-len(images) // columns), 1.5 if labels else 0.12
    inch = 0.425  # 68 pixels at 160 dpi: 32 and the gap, twice as large
    width, height = margin + inch * columns + 0.12, inch * rows + 0.5
    with styled():
        figure = new_figure(width, height)
        axes = figure.add_axes((margin / width, 0.1 / height, inch * columns / width, inch * rows / height))
        axes.imshow(image_grid(images, columns), interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        for row, label in enumerate(labels[:rows]):
            place = 0.1 + inch * (rows - row - 0.5)
            figure.text(
                (margin - 0.08) / width, place / height, short_name(label, 22, 2), size=7, ha="right", va="center"
            )
        figure.text(0.12 / width, 1 - 0.2 / height, title, weight="bold", size=10, va="center")
    return figure


def image_grid(images: Images, columns: int) -> Images:
    """Put images uint8 (N, H, W, 3) into rows of `columns`, `GAP` white pixels apart: uint8 (h, w, 3)."""
    rows = -(-len(images) // columns)
    _, height, width, _ = images.shape
    cells = np.full((rows * columns, height + GAP, width + GAP, 3), 255, np.uint8)
    cells[: len(images), :height, :width] = images
    grid = cells.reshape(rows, columns, height + GAP, width + GAP, 3).swapaxes(1, 2)
    return grid.reshape(rows * (height + GAP), columns * (width + GAP), 3)[:-GAP, :-GAP]


def animation_frames(
    samples: Sequence[Images], steps: Sequence[int], *, columns: int = 8, scale: int = SCALE
) -> list[Images]:
    """Frames, one a report, of what the generator made of the same latents, with the step above.

    Args:
        samples: uint8 (N, H, W, 3) of each report, all of one shape.
        steps: Of each report.
        columns: Images a row.
        scale: Pixels of a frame for each of an image.

    Returns:
        uint8 (h, w, 3) of one shape.
    """
    frames = []
    for images, step in zip(samples, steps, strict=True):
        grid = image_grid(images, columns).repeat(scale, axis=0).repeat(scale, axis=1)
        frame = Image.new("RGB", (grid.shape[1], grid.shape[0] + BAND), "white")
        frame.paste(Image.fromarray(grid), (0, BAND))
        pen = ImageDraw.Draw(frame)
        pen.text((2, 2), f"step {step:,}", fill=INK, font=ImageFont.load_default(13))
        done = round(frame.width * step / max(1, *steps))
        pen.line((0, BAND - 2, done, BAND - 2), fill=CURVE, width=2)
        frames.append(np.asarray(frame))
    return frames


def animated_gif(frames: Sequence[Images], *, seconds: float = 6.0) -> bytes:
    """The content of a GIF file that repeats the frames for ever, and stays a while on the last.

    Args:
        frames: uint8 (h, w, 3) of one shape.
        seconds: Of one round, without the stay.
    """
    pictures = [Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE) for frame in frames]
    each = max(40, round(1000 * seconds / len(frames)))
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[each] * (len(frames) - 1) + [each + 2000],
        loop=0,
    )
    return buffer.getvalue()

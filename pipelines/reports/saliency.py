"""What the network looks at, clean and under noise: failures in pictures, and how far the maps move by level."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pipelines.intervals import t_interval
from pipelines.reports.figures import BEGINS, CURVE, FAILS, INK, MUTED, RULE, WRONG, new_figure, short_name, styled
from pipelines.reports.summary import NoiseSummary, ends, number, percent, spoken
from pipelines.saliency import OTHER, Example, before_failure

METHOD_NAMES = {
    "gradient": "gradient",
    "smooth_grad": "SmoothGrad",
    "integrated_gradients": "integrated gradients",
    "grad_cam": "Grad-CAM",
    "occlusion": "occlusion",
}
TILE, GAP, CAPTION, SIDE, HEAD = 1.12, 0.1, 0.34, 1.15, 0.75  # inches
HEAT = LinearSegmentedColormap.from_list("heat", ["#000000", "#5b1a52", FAILS, BEGINS, "#fff6d0"])
LEAST = 3
"""Images that a mean needs to be drawn."""
LOOKS: dict[str, tuple[str, str, str]] = {
    "right_next": ("right, and right at the next level", CURVE, "o"),
    "wrong_next": ("right, but wrong at the next level", BEGINS, "D"),
    "wrong": ("wrong", FAILS, "s"),
}
"""Of each fate of an image: what it is called, its colour and its mark."""


def saliency_figure(examples: Sequence[Example], class_names: Sequence[str]) -> Figure:
    """Draw a row for each failure: the clean image and its map, the noisy one and its maps, what each was taken for."""
    with styled():
        width, height = SIDE + 5 * (TILE + GAP), HEAD + len(examples) * (TILE + CAPTION)
        figure = new_figure(width, height)
        heads = ("clean", "evidence\nfor the true sign", "under noise", "evidence\nfor the true sign", "for the answer")
        title = f"Where {METHOD_NAMES[examples[0].method]} finds evidence, at a level where this network fails"
        figure.text(0.08 / width, 1 - 0.12 / height, title, va="top", fontsize=9.5, weight="bold")
        for place, text in enumerate(heads):
            x = (SIDE + place * (TILE + GAP) + TILE / 2) / width
            figure.text(x, 1 - (HEAD - 0.07) / height, text, ha="center", va="bottom", fontsize=7.5, weight="bold")
        for row, example in enumerate(examples):
            top = HEAD + row * (TILE + CAPTION)
            name = f"{short_name(spoken(example.noise), 15)}\n{number(example.level)}"
            figure.text(0.08 / width, 1 - (top + TILE / 2) / height, name, va="center", fontsize=8, weight="bold")
            _example(figure, example, top, class_names)
    return figure


def _example(figure: Figure, example: Example, top: float, class_names: Sequence[str]) -> None:
    true, said = (short_name(class_names[label], 24, 1) for label in (example.label, example.predicted))
    first, second = (percent(confidence, 0) for confidence in example.confidences)
    clean, noisy = example.clean, example.noisy
    whole = example.maps[1:].max()
    tiles: tuple[tuple[NDArray[Any], str, str], ...] = (
        (clean, f"{true}\n{first} sure", INK),
        (_overlaid(clean, example.maps[0]), "", MUTED),
        (noisy, f"→ {said}\n{second} sure", WRONG),
        (_overlaid(noisy, example.maps[1], whole), f"rank correlation {example.rank_correlation:.2f}", MUTED),
        (_overlaid(noisy, example.maps[2], whole), "", MUTED),
    )
    width, height = figure.get_size_inches()
    for place, (picture, caption, colour) in enumerate(tiles):
        left = SIDE + place * (TILE + GAP)
        axes = figure.add_axes((left / width, 1 - (top + TILE) / height, TILE / width, TILE / height))
        axes.imshow(picture, interpolation="nearest", aspect="auto")
        axes.axis("off")
        axes.text(0, -0.04, caption, transform=axes.transAxes, va="top", fontsize=6, color=colour, linespacing=1.1)


def _overlaid(image: NDArray[np.uint8], evidence: NDArray[np.float32], whole: float = 0.0) -> NDArray[np.float64]:
    """The map in colour over the image in dim grey; `whole` is what the brightest colour stands for."""
    share = evidence / (max(float(evidence.max()), whole) or 1.0)
    grey = np.repeat(image.mean(axis=2, keepdims=True) / 255, 3, axis=2)
    colours = np.asarray(HEAT(share))[..., :3]
    depth = np.sqrt(share)[..., None]
    return np.asarray((1 - depth) * 0.6 * grey + depth * colours)


def shift_figure(shifts: pd.DataFrame, noises: Sequence[NoiseSummary]) -> Figure:
    """Draw how like the clean map each noisy map still is: by level of each noise, and by what becomes of the image.

    Args:
        shifts: rows of `Saliency.shifts` of one method.
        noises: of the report, in whose order they are drawn.
    """
    fates = before_failure(shifts).set_index("noise")
    named = [noise for noise in noises if noise.name in fates.index]
    floor = _floor(shifts)
    with styled():
        width, height = 7.6, max(4.0, HEAD + 0.75 + 0.19 * len(named))
        figure = new_figure(width, height)
        tall = (height - HEAD - 0.4 - 0.5) / 2
        for place, outcome in enumerate(("right", "wrong")):
            bottom = 0.4 + (1 - place) * (tall + 0.42)
            axes = figure.add_axes((0.42 / width, bottom / height, 2.9 / width, tall / height))
            _levels(axes, shifts[shifts["outcome"] == outcome], noises, floor)
            axes.set_title(
                f"Images that are {'still right' if outcome == 'right' else 'now wrong'}: a line a noise", **SUB
            )
            if place:
                axes.set_xlabel("level, as a share of the tested range")
        axes = figure.add_axes((4.85 / width, 0.4 / height, 2.65 / width, (height - HEAD - 0.48) / height))
        _fates(axes, fates, named, floor)
        method = METHOD_NAMES[str(shifts["method"].iloc[0])]
        title = f"How like the clean {method} map the map under noise still is (rank correlation)"
        figure.text(0.08 / width, 1 - 0.1 / height, title, va="top", fontsize=9.5, weight="bold")
        figure.legend(handles=_key(), loc="upper left", bbox_to_anchor=(0, 1 - 0.24 / height), ncols=4, **KEY)
    return figure


KEY: dict[str, Any] = {"fontsize": 7, "columnspacing": 1.2, "handletextpad": 0.4, "handlelength": 1.4}
SUB: dict[str, Any] = {"fontsize": 8, "pad": 4}


def _levels(axes: Axes, rows: pd.DataFrame, noises: Sequence[NoiseSummary], floor: float) -> None:
    colour = FAILS if (rows["outcome"] == "wrong").all() else CURVE
    for noise in noises:
        part = rows[(rows["noise"] == noise.name) & (rows["n"] * (1 - rows["blank"]) >= LEAST)].sort_values("level")
        share = (part["level"].to_numpy(float) - noise.levels[0]) / (noise.levels[-1] - noise.levels[0])
        like = part["rank_correlation"].to_numpy(float)
        axes.plot(share, like, "o-", color=colour, linewidth=0.8, alpha=0.55, markersize=1.8, markeredgewidth=0)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.axhline(floor, color=INK, linewidth=0.9, dashes=(4, 2))
    axes.set_xlim(0, 1.01)
    axes.set_ylim(min(-0.1, floor - 0.05), 1.02)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks(ticks, [f"{100 * tick:g}%" for tick in ticks])
    axes.grid(axis="y")
    axes.tick_params(length=2)


def _fates(axes: Axes, fates: pd.DataFrame, noises: Sequence[NoiseSummary], floor: float) -> None:
    """A row for each noise: the means at the same levels of images with different fates."""
    for row, noise in enumerate(noises):
        found = {fate: float(fates[fate].loc[noise.name]) for fate in LOOKS}
        ends = [float(np.nanmin(list(found.values()))), float(np.nanmax(list(found.values())))]
        axes.plot(ends, [row, row], color=RULE, linewidth=1.2, zorder=1)
        for fate, (_, colour, mark) in LOOKS.items():
            axes.plot(found[fate], row, mark, color=colour, markersize=4.2, markeredgecolor=INK, markeredgewidth=0.4)
    axes.axvline(floor, color=INK, linewidth=0.9, dashes=(4, 2))
    axes.set_yticks(range(len(noises)), [short_name(noise.title, 18, 1) for noise in noises], fontsize=7, color=INK)
    axes.set_ylim(len(noises) - 0.4, -0.6)
    low = float(np.nanmin(fates[list(LOOKS)].to_numpy(float), initial=0))
    axes.set_xlim(min(low, floor) - 0.05, 1.02)
    axes.set_title("By what becomes of them, at equal levels", **SUB)
    axes.set_xlabel("rank correlation with the clean map")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def _key() -> list[Line2D]:
    marks: dict[str, Any] = {"linestyle": "none", "markersize": 4.5, "markeredgecolor": INK, "markeredgewidth": 0.4}
    handles = [Line2D([], [], marker=mark, color=colour, label=name, **marks) for name, colour, mark in LOOKS.values()]
    return [*handles, Line2D([], [], color=INK, linewidth=0.9, dashes=(4, 2), label="another image's map")]


def first_method(shifts: pd.DataFrame) -> pd.DataFrame:
    """The rows of the method that was asked for first."""
    _, rows = next(iter(shifts.groupby("method", sort=False)))
    return rows


def saliency_captions(shifts: pd.DataFrame) -> list[str]:
    """What each method says of whether the map moves before the answer does."""
    return [saliency_caption(rows) for _, rows in shifts.groupby("method", sort=False)]


def saliency_caption(shifts: pd.DataFrame) -> str:
    """Whether the map moves before the answer does, with numbers; rows of one method."""
    method, fates = METHOD_NAMES[str(shifts["method"].iloc[0])], before_failure(shifts)
    other = shifts[shifts["outcome"] == OTHER].iloc[0]
    floor = (
        f"The {method} maps of two different clean images correlate by {_floor(shifts):.2f}"
        f"{ends(other['low'], other['high'])}, which is where a map that has nothing left ends."
    )
    if fates.empty:
        return f"No image of the sample fails between two tested levels. {floor}"
    stays, fails = (float(np.average(fates[fate], weights=fates["n"])) for fate in ("right_next", "wrong_next"))
    lost = (fates["right_next"] - fates["wrong_next"]).to_numpy(float)
    mean, low, high = t_interval(lost)
    interval = f" [{low:.2f}, {high:.2f}] over {len(lost)} noises" if np.isfinite(low) else ""
    verdict = "moves before the answer does" if low > 0 else "does not clearly move before the answer does"
    return (
        f"The {method} map {verdict}. Images still right that will be wrong at the next level keep a rank correlation "
        f"of {fails:.2f} with their clean map; images that stay right at the same levels keep {stays:.2f}, a "
        f"difference of {mean:.2f}{interval}.{_wrong(fates)} {floor}"
    )


def _wrong(fates: pd.DataFrame) -> str:
    known = fates.dropna(subset="wrong")
    if known.empty:
        return ""
    return f" Images already wrong there keep {np.average(known['wrong'], weights=known['n']):.2f}."


def _floor(shifts: pd.DataFrame) -> float:
    return float(shifts.loc[shifts["outcome"] == OTHER, "rank_correlation"].iloc[0])

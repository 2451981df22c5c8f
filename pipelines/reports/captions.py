"""What to see in each picture and table of the report, in a sentence with numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.reports.slightest import similarity
from pipelines.reports.summary import NoiseSummary, ends, percent, spoken
from pipelines.visibility import SLIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

NAMED = 6
"""Noises that a sentence lists; of more it says how many."""
HALF_RIGHT = (0.4, 0.6)


def clean_accuracy(noise: NoiseSummary, class_count: int) -> str:
    """What the classifier can do without noise."""
    clean = noise.curve.iloc[0]
    share = f"{percent(clean['accuracy'])}{ends(clean['low'], clean['high'], percent)}"
    return f"Without noise it names {share} of {int(clean['n']):,} images right ({class_count} classes)."


def ranking_caption(visibility: pd.DataFrame) -> str:
    """How many noises do harm by a slight change."""
    begins = visibility[visibility["criterion"] == "begins"]
    ranked = begins[begins["rank"].notna()]
    if ranked.empty:
        return "No noise makes this network begin to fail within its tested levels."
    hidden = begins[(begins["rank"].notna() | (begins["censored"] == "below")) & (begins["ssim"] >= SLIGHT)]
    named = f" ({listed(map(spoken, hidden['noise']))})" if len(hidden) else ""
    sure = int((hidden["ssim_low"] >= SLIGHT).sum())
    last = ranked.sort_values("ssim", kind="stable").iloc[0]
    return (
        f"{len(hidden)} of {len(begins)} noises make this network begin to fail at SSIM {SLIGHT:g} or more ({sure} "
        f"with their whole interval), within the shaded band{named}; the median of these noises does so at "
        f"{ssim_text(ranked['ssim'].median())}, the last at {ssim_text(last['ssim'])}"
        f"{ends(last['ssim_low'], last['ssim_high'])}. Behind each name stands its rank with its 95% interval."
    )


def slight_caption(slight: pd.DataFrame) -> str:
    """What the median noise does where the change is slight, and at its strongest."""
    known = slight[slight["failing_at"].notna()]
    if known.empty:
        return f"No noise shows as little as SSIM {SLIGHT:g} between two tested levels."
    return (
        f"Sorted by what they do at SSIM {SLIGHT:g}, where the median of these noises fools this network on "
        f"{percent(known['failing_at'].median())} of the images that it recognises when clean; at their strongest "
        f"levels the median does so on {percent(slight['failing_huge'].median(), 0)}."
    )


def slightest_caption(rows: pd.DataFrame) -> str:
    """How little the images differ that fail at the slightest change, and under which noise."""
    often = rows["noise"].value_counts()
    shown = dict.fromkeys(similarity(rows["ssim"].agg(end)) for end in ("max", "min"))
    return (
        f"Each pair: a sign that is recognised, and the same sign at the smallest tested level that fools it, at SSIM "
        f"{' to '.join(shown)}. "
        f"{often.iloc[0]} of these {len(rows)} fail under {spoken(str(often.index[0]))}."
    )


def warning_caption(confidence: pd.DataFrame) -> str:
    """What confidence says where about half of the answers are right."""
    halved = confidence[confidence["accuracy"].between(*HALF_RIGHT) & confidence["auroc"].notna()]
    if halved.empty:
        return "Accuracy falls from left to right; a line that falls with it warns less and less."
    over = halved["overconfidence"]
    least, most = (halved.sort_values("auroc").iloc[at] for at in (0, -1))
    return (
        f"Where about half of the answers are right ({percent(HALF_RIGHT[0], 0)} to {percent(HALF_RIGHT[1], 0)}, "
        f"{halved['noise'].nunique()} noises), AUROC is {_auroc(least)} to {_auroc(most)} and mean confidence lies "
        f"{_side(over.min())} to {_side(over.max())} accuracy on these images."
    )


def margin_caption(margins: pd.DataFrame) -> str:
    """How well a small margin foretells that an image is among the first to fail."""
    known = margins.dropna(subset="auroc").sort_values("auroc")
    if known.empty:
        return "No image fails early enough to tell."
    least, most = (f"{_auroc(known.iloc[at])} ({spoken(str(known['noise'].iloc[at]))})" for at in (0, -1))
    return (
        f"The margin is the logit of the true class less the largest other. A small one on the clean image foretells "
        f"that the image fails before this network as a whole begins to, with an AUROC of "
        f"{known['auroc'].median():.2f} in the median of {len(known)} noises, {least} to {most} (0.5: not at all)."
    )


def ssim_text(value: float) -> str:
    """An SSIM with as many digits as tell it from 1."""
    return f"SSIM {value:.2f}" if value < 0.985 else f"SSIM {value:.3f}"


def listed(parts: Iterable[str]) -> str:
    """Names in a sentence; of many the first few, and how many more."""
    texts = list(parts)
    if len(texts) > NAMED + 1:
        texts = [*texts[:NAMED], f"{len(texts) - NAMED} more"]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _auroc(row: pd.Series[Any]) -> str:
    return f"{row['auroc']:.2f}{ends(row['auroc_low'], row['auroc_high'])}"


def _side(over: float) -> str:
    return f"{100 * abs(over):.0f} points {'above' if over >= 0 else 'below'}"

"""What forbids findings: a network too weak, or images too few; and sentences whose numbers are none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelines.reports.summary import percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from pipelines.reports.summary import NoiseSummary

WEAK = 0.5
"""Share of clean images named right below which a network is too weak to say what makes it fail."""
FEWEST = 30
"""Images named right when clean below which shares of them say too little."""
NO_NUMBER = re.compile(r"(?<![\w.])[-\u2212]?(?:inf|nan)%?(?!\w)", re.IGNORECASE)


def reservation(curve: pd.DataFrame) -> str:
    """Why a grid bears no findings, in one sentence without a full stop; empty where it does.

    Args:
        curve: of any noise, its clean level first (`Analysis.curves`).
    """
    clean = curve.iloc[0]
    return too_weak(float(clean["accuracy"]), int(clean["n"]))


def too_weak(accuracy: float, images: int) -> str:
    """`reservation` of a network that names this share of so many clean images right."""
    right = round(accuracy * images)
    if accuracy < WEAK:
        return (
            f"Too weak for findings: this network names only {percent(accuracy)} of {images:,} clean images right; "
            "what noise takes from it says little"
        )
    if right < FEWEST:
        return (
            f"Too few images for findings: this network names {right} of {images:,} clean images right, and "
            f"{FEWEST} or more are needed"
        )
    return ""


def reserved(noises: Iterable[NoiseSummary]) -> str:
    """`reservation` of the noises of a report."""
    return next((reservation(noise.curve) for noise in noises), "")


def with_numbers(sentence: str) -> str:
    """The sentence, or nothing where a number in it is none (infinite, or not known)."""
    return "" if NO_NUMBER.search(sentence) else sentence

"""What was found, in sentences with numbers: the first thing a reader of the report sees."""

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from pipelines.analysis import CRITERIA
from pipelines.reports.summary import Crossing, NoiseSummary, number, percent

SAID = {"begins": "begin to fail", "fails": "fail"}


def findings(noises: Sequence[NoiseSummary], class_count: int) -> list[Markup]:
    """Return the findings as sentences of HTML, for `noises` sorted most harmful first."""
    return [*_first(noises), *_withstood(noises), _clean(noises[0], class_count)]


def headline(noises: Sequence[NoiseSummary]) -> str:
    """Return the shortest answer, as plain text."""
    reached = _by_place(noises, "fails")
    if not reached:
        return "No tested noise makes the classifier fail"
    worst = reached[0]
    at = worst.fails.parts()[0] if worst.fails.censored else f"at {worst.fails.short()}"
    return f"The classifier fails first under {worst.title}, {at} ({worst.unit})"


def _first(noises: Sequence[NoiseSummary]) -> list[Markup]:
    begin, fail = _by_place(noises, "begins"), _by_place(noises, "fails")
    opening = Markup("Of {} noises, ").format(len(noises)) if len(noises) > 1 else Markup("")
    if not begin:
        return [Markup("No noise makes the classifier even begin to fail within its tested range.")]
    if fail and fail[0] is begin[0]:
        return [
            opening
            + Markup("{} needs the least of its range both to make the classifier {} and to make it {}.").format(
                _strong(begin[0].title), _where(begin, "begins"), _where(fail, "fails")
            )
        ]
    second = Markup("To make it {}, {} needs the least.")
    sentences = [
        opening
        + Markup("{} needs the least of its range to make the classifier {}.").format(
            _strong(begin[0].title), _where(begin, "begins")
        )
    ]
    return [*sentences, second.format(_where(fail, "fails"), _strong(fail[0].title))] if fail else sentences


def _where(order: Sequence[NoiseSummary], criterion: str) -> Markup:
    """The criterion, and the level at which the first noise of `order` meets it."""
    worst, found = order[0], getattr(order[0], criterion)
    tied = [noise for noise in order[1:] if _overlap(found, getattr(noise, criterion))]
    doubt = Markup("; by the intervals, {} may need as little").format(_list(tied)) if tied else ""
    return Markup("{} ({} of clean accuracy left: {} <span class='unit'>{}</span>, {} of the range{})").format(
        _strong(SAID[criterion]),
        percent(CRITERIA[criterion], 0),
        found.text(),
        worst.unit,
        percent(found.place(), 0),
        doubt,
    )


def _withstood(noises: Sequence[NoiseSummary]) -> list[Markup]:
    kept = [noise for noise in noises if noise.fails.censored == "above"]
    untouched = [noise for noise in kept if noise.begins.censored == "above"]
    if not kept:
        return [Markup("Each of the {} noises makes it fail within the tested range.").format(len(noises))]
    bounds = Markup("; ").join(
        Markup("{} (up to {} <span class='unit'>{}</span>)").format(
            _strong(noise.title), number(noise.levels[-1]), noise.unit
        )
        for noise in kept
    )
    sentences = [Markup("It does not fail anywhere in the tested range of {}.").format(bounds)]
    if untouched:
        sentences.append(Markup("Under {} it does not even begin to.").format(_list(untouched)))
    return sentences


def _clean(noise: NoiseSummary, class_count: int) -> Markup:
    clean = noise.curve.iloc[0]
    low, high = percent(clean["low"]), percent(clean["high"])
    return Markup("Without noise it names {} [{}, {}] of the {} images right ({} classes).").format(
        percent(clean["accuracy"]), low, high, f"{int(clean['n']):,}", class_count
    )


def _strong(text: str) -> Markup:
    return Markup("<strong>{}</strong>").format(text)


def _by_place(noises: Sequence[NoiseSummary], criterion: str) -> list[NoiseSummary]:
    """The noises that meet the criterion, the one that needs the least of its range first."""
    places = {noise.name: getattr(noise, criterion).place() for noise in noises}
    met = [n for n in noises if getattr(n, criterion).censored != "above" and not math.isnan(places[n.name])]
    return sorted(met, key=lambda noise: places[noise.name])


def _overlap(one: Crossing, other: Crossing) -> bool:
    return one.has_interval() and other.has_interval() and other.places()[0] <= one.places()[1]


def _list(noises: Sequence[NoiseSummary]) -> Markup:
    names = [str(escape(noise.title)) for noise in noises]
    return Markup(" and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names))  # noqa: S704

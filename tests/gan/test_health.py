from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan.health import (
    FAILURES,
    FEWEST_REPORTS,
    RULES,
    WARM_UP,
    WINDOW,
    Record,
    Samples,
    class_entropy,
    diagnose,
    duplicate_share,
    untold,
)

COUNT = 60
EVERY = 500
"""Steps from one report on samples to the next."""
LATE = 30
"""Place in a series of records at which it fails."""


def healthy(seed=0, *, noise=0.4):
    """Records, every 10 steps, whose numbers wander by this share and stay in the middle."""
    random = np.random.default_rng(seed)
    factors = np.exp(noise * random.normal(size=(COUNT, 4)))
    accuracies = np.clip(random.normal(0.8, 0.07, (COUNT, 2)), 0, 1)
    fall = np.linspace(1, 0.3, COUNT)  # gradients shrink as a training goes on
    return [
        Record(10 * place, 0.9 * a, 1.2 * b, 2 * c * shrunk, 3 * d * shrunk, real, fake)
        for place, ((a, b, c, d), (real, fake), shrunk) in enumerate(zip(factors, accuracies, fall, strict=True))
    ]


def sampled(seed=0, *, count=20):
    """Reports on samples, every `EVERY` steps, that get better as they do in a training; the first are of one grey."""
    random = np.random.default_rng(seed)
    reports = [Samples(0, (400, 0, 0, 0), 0.0, 0.0, 1.0)]
    for place in range(1, count):
        good = 1 - np.exp(-place / 4)
        classes = tuple(random.multinomial(400, random.dirichlet(np.full(4, 30))).tolist())
        recall, coverage = np.clip(good * 0.6 * np.exp(random.normal(0, 0.1, 2)), 0, 1)
        reports.append(Samples(EVERY * place, classes, recall, coverage, random.uniform(0, 0.1)))
    return reports


def spoilt(series, start, **values):
    return [replace(entry, **values) if place >= start else entry for place, entry in enumerate(series)]


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), noise=st.floats(0, 0.8))
def test_a_healthy_training_shows_no_failure(seed, noise):
    assert diagnose(healthy(seed, noise=noise), sampled(seed)) == {}


FAULTS = {
    "vanishing_gradient": {"generator_gradient": 1e-4, "generator_loss": -1e-5},
    "discriminator_wins": {"real_accuracy": 0.995, "fake_accuracy": 1.0},
    "diverged": {"generator_loss": 2e5},
}


@pytest.mark.parametrize("name", FAULTS)
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_each_failure_of_records_is_found_soon_and_alone(name, seed):
    found = diagnose(spoilt(healthy(seed), LATE, **FAULTS[name]))
    assert list(found) == [name]
    assert 10 * LATE <= found[name] <= 10 * (LATE + WINDOW // 2)


COLLAPSES = {
    "duplicates": {"duplicate_share": 0.8},
    "one class": {"classes": (390, 10, 0, 0)},
    "lost recall": {"recall": 0.05},
    "lost coverage": {"coverage": 0.05},
}


@pytest.mark.parametrize("sign", COLLAPSES)
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_each_sign_of_a_collapse_is_found(sign, seed):
    found = diagnose(healthy(seed), spoilt(sampled(seed), 12, **COLLAPSES[sign]))
    assert found == {"mode_collapse": EVERY * (12 + WINDOW // 2)}


@pytest.mark.parametrize("name", [*FAULTS, *COLLAPSES])
def test_two_outliers_decide_nothing(name):
    faults = FAULTS | COLLAPSES
    for start in (10, 12, 15):
        records, samples = healthy(), sampled()
        series = records if name in FAULTS else samples
        for place in (start, start + 1):
            series[place] = replace(series[place], **faults[name])
        assert diagnose(records, samples) == {}


@pytest.mark.parametrize(
    "field", ["generator_loss", "discriminator_loss", "generator_gradient", "discriminator_gradient"]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 40])
def test_one_number_that_is_not_finite_is_a_divergence(field, value, place):
    records = healthy()
    records[place] = replace(records[place], **{field: value})
    assert diagnose(records) == {"diverged": 10 * place}


def test_a_gradient_that_was_never_there_is_found_too():
    assert diagnose(spoilt(healthy(), 0, generator_gradient=1e-7)) == {"vanishing_gradient": 10 * (WINDOW - 1)}


@pytest.mark.parametrize("accuracies", [(1.0, 0.02), (0.02, 1.0), (0.97, 1.0), (np.nan, np.nan), (np.nan, 1.0)])
def test_a_discriminator_wins_only_if_it_is_right_about_both(accuracies):
    real, fake = accuracies
    assert diagnose(spoilt(healthy(), 0, real_accuracy=real, fake_accuracy=fake)) == {}


def test_untrained_and_poor_generators_have_not_collapsed():
    grey = Samples(0, (400, 0, 0, 0), 0.0, 0.0, 1.0)
    start = [replace(grey, step=EVERY * place) for place in range(WARM_UP // EVERY)]
    assert diagnose([], start + sampled()[1:]) == {}
    poor = [Samples(EVERY * place, (), 0.08 / (1 + place), 0.05 / (1 + place), 0.0) for place in range(20)]
    assert diagnose([], poor) == {}


def test_a_generator_that_stays_grey_has_collapsed():
    grey = [Samples(EVERY * place, (400, 0, 0, 0), 0.0, 0.0, 1.0) for place in range(20)]
    assert diagnose([], grey) == {"mode_collapse": WARM_UP + EVERY * (FEWEST_REPORTS - 1)}


def test_unknown_numbers_of_samples_decide_nothing_and_do_not_hide_others():
    unknown = [Samples(EVERY * place) for place in range(20)]
    assert diagnose([], unknown) == {}
    known = [replace(entry, duplicate_share=0.9) if place % 2 else entry for place, entry in enumerate(unknown)]
    assert diagnose([], known) == {"mode_collapse": 7 * EVERY}  # the third that is known and counts


SHORT = 100
"""Steps between the reports of a short training."""


def short(*shares, **values):
    """Reports of a short training with these shares of duplicates."""
    return [
        Samples(SHORT * (place + 1), **{"recall": 0.3, "coverage": 0.4, "duplicate_share": share} | values)
        for place, share in enumerate(shares)
    ]


def test_a_short_training_that_loses_its_diversity_has_collapsed():
    lost = short(1.0, 0.1, 0.1, 0.9, 0.9, 0.9)
    assert diagnose([], lost) == {"mode_collapse": 6 * SHORT}
    assert untold(healthy(), lost) == ()
    classes = [(50, 50, 0), (60, 40, 0), (99, 1, 0), (100, 0, 0), (98, 2, 0)]
    named = [replace(entry, classes=counts) for entry, counts in zip(short(*[0.0] * 5), classes, strict=True)]
    assert diagnose([], named) == {"mode_collapse": 4 * SHORT}


@pytest.mark.parametrize(
    "reports",
    [
        (),
        short(0.1, 0.1),
        short(*[1.0] * 9),  # grey from the start: before WARM_UP that is what untrained generators are
        short(1.0, 1.0, 0.1, 0.9),
        short(*[0.0] * 9, recall=0.01, coverage=0.6),  # noise without duplicates is no diversity
    ],
)
def test_of_too_few_reports_nothing_is_said(reports):
    assert diagnose([], reports) == {}
    assert untold(healthy(), reports) == ("mode_collapse",)
    assert untold(healthy()[: WINDOW - 1], reports) == ("vanishing_gradient", "discriminator_wins", "mode_collapse")


def test_long_trainings_leave_nothing_untold():
    assert untold(healthy(), sampled()) == ()
    grey = [Samples(EVERY * place, (400, 0, 0, 0), 0.0, 0.0, 1.0) for place in range(20)]
    assert untold(healthy(), grey) == ()


@pytest.mark.parametrize("count", range(WINDOW))
def test_short_series_show_nothing(count):
    bad = spoilt(healthy(), 0, generator_gradient=0.0, real_accuracy=1.0, fake_accuracy=1.0, generator_loss=1e9)
    assert diagnose(bad[:count], sampled()[:count]) == {}


def test_failures_are_named_in_one_order():
    bad = spoilt(healthy(), 0, generator_gradient=0.0, real_accuracy=1.0, fake_accuracy=1.0)
    found = diagnose(spoilt(bad, LATE, generator_loss=1e9), spoilt(sampled(), 0, duplicate_share=1.0))
    assert tuple(found) == FAILURES == (*RULES, "mode_collapse")
    assert all(isinstance(step, int) for step in found.values())


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), start=st.integers(0, COUNT), cut=st.integers(WINDOW, COUNT))
def test_what_is_found_during_a_training_is_found_at_its_end(seed, start, cut):
    records = spoilt(healthy(seed), start, real_accuracy=1.0, fake_accuracy=1.0)
    then, end = diagnose(records[:cut]), diagnose(records)
    assert then == {name: step for name, step in end.items() if step < 10 * cut}


def test_entropy_is_a_share_of_its_maximum():
    assert class_entropy([0, 1, 2, 3] * 5, 4) == pytest.approx(1)
    assert class_entropy([2] * 9, 4) == 0
    assert class_entropy([0, 0, 1, 1], 4) == pytest.approx(0.5)  # two of four classes: log 2 / log 4
    assert class_entropy(np.array([0, 1, 1, 1]), 2) == pytest.approx(0.811278, abs=1e-6)


@pytest.mark.parametrize(("labels", "classes"), [([], 4), ([0, 0], 1), ([0, 4], 4), ([-1, 0], 4)])
def test_entropy_refuses_what_has_none(labels, classes):
    with pytest.raises(ValueError, match="needs labels in 0"):
        class_entropy(labels, classes)


@pytest.mark.parametrize("block", [1, 7, 512])
def test_duplicates_are_found(block):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    assert duplicate_share(images, block=block) == 0
    images[10] = images[3]
    near = images[20].astype(int) + random.integers(-6, 7, images[20].shape)
    images[21] = np.clip(near, 0, 255)
    images[30:33] = images[29]
    assert duplicate_share(images, block=block) == (2 + 2 + 4) / 40
    assert duplicate_share(images, near=0.1, block=block) == (2 + 4) / 40


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), near=st.floats(1, 60), shift=st.sampled_from([0.0, 1000.0]))
def test_duplicates_are_those_of_a_double_loop(seed, near, shift):
    features = np.random.default_rng(seed).normal(shift, 30, (17, 3))
    distances = np.sqrt(((features[:, None] - features) ** 2).mean(axis=2))
    np.fill_diagonal(distances, np.inf)
    share = (distances.min(axis=1) < near).mean()
    assert duplicate_share(features, near=near, block=5) == pytest.approx(share)


def test_all_alike_is_all_duplicates_and_one_sample_is_refused():
    assert duplicate_share(np.full((9, 4, 4, 3), 7, np.uint8)) == 1
    with pytest.raises(ValueError, match="1 samples: duplicates need two"):
        duplicate_share(np.zeros((1, 4)))


def test_a_gradient_that_is_gone_before_there_is_a_median_has_vanished():
    early = spoilt(healthy(), 1, generator_gradient=healthy()[0].generator_gradient / 100)
    assert diagnose(early) == {"vanishing_gradient": early[WINDOW - 1].step}


@pytest.mark.parametrize("blown", [1, 2, COUNT])
def test_a_gradient_that_a_divergence_had_blown_up_has_not_vanished(blown):
    wild, calm = spoilt(healthy(), 0, generator_loss=1e9, generator_gradient=1e6), healthy()
    found = diagnose(wild[:blown] + spoilt(calm, 0, generator_loss=1.0)[blown:])
    assert found == ({"diverged": calm[WINDOW - 1].step} if blown == COUNT else {})


def test_a_gradient_that_vanishes_after_a_divergence_is_found():
    wild = spoilt(healthy(), 0, generator_loss=1e9, generator_gradient=1e6)
    back = wild[:10] + healthy()[10:LATE] + spoilt(healthy(), LATE, generator_gradient=1e-3)[LATE:]
    assert diagnose(back) == {"vanishing_gradient": 10 * (LATE + 2), "diverged": 10 * (WINDOW - 1)}

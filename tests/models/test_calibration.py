import numpy as np
import pytest
from scipy.special import logit, softmax
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from models.calibration import answer_calibration_error, auroc
from models.scores import calibration_error


def two_kinds(random, positives, negatives, shift=1.0):
    """Normal scores of both kinds, the positives' shifted up, in random order."""
    score = np.concatenate([random.normal(shift, 1, positives), random.normal(0, 1, negatives)])
    order = random.permutation(len(score))
    return score[order], (np.arange(len(score)) < positives)[order]


def delong_parts(score, positive):
    """The variance's parts of positives and negatives, by all pairs, as DeLong et al. (1988) define it."""
    above = score[positive][:, None] - score[~positive][None, :]
    wins = (above > 0) + 0.5 * (above == 0)
    return np.array([np.var(wins.mean(axis=axis), ddof=1) / wins.shape[1 - axis] for axis in (1, 0)])


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_value_is_that_of_scikit_learn_with_ties_and_without(decimals):
    score, positive = two_kinds(np.random.default_rng(1), 70, 40)
    score = score.round(decimals)
    assert auroc(score, positive).value == pytest.approx(roc_auc_score(positive, score), abs=1e-12)


@pytest.mark.parametrize("decimals", [8, 0])
def test_interval_has_the_variance_of_delong_on_the_logit_scale(decimals):
    score, positive = two_kinds(np.random.default_rng(2), 50, 30)
    score = score.round(decimals)
    found = auroc(score, positive)
    parts, freedom = delong_parts(score, positive), np.array([positive.sum() - 1, (~positive).sum() - 1])
    quantile = t(parts.sum() ** 2 / (parts**2 / freedom).sum()).ppf(0.975)
    half = quantile * np.sqrt(parts.sum()) / (found.value * (1 - found.value))
    assert [logit(found.low), logit(found.high)] == pytest.approx(
        [logit(found.value) - half, logit(found.value) + half], rel=1e-6
    )


def test_interval_covers_the_truth_where_errors_are_few():
    random, truth = np.random.default_rng(3), norm.cdf(1.5 / np.sqrt(2))
    found = [auroc(*two_kinds(random, 200, 12, shift=1.5)) for _ in range(400)]
    assert np.mean([one.low <= truth <= one.high for one in found]) == pytest.approx(0.95, abs=0.035)


def test_copies_of_an_image_in_its_track_do_not_narrow_the_interval():
    score, positive = two_kinds(np.random.default_rng(4), 300, 300)
    alone = auroc(score, positive)
    groups = np.repeat(np.arange(600), 5)
    tracks = auroc(np.repeat(score, 5), np.repeat(positive, 5), groups)
    assert tracks.value == pytest.approx(alone.value)
    assert [tracks.low, tracks.high] == pytest.approx([alone.low, alone.high], abs=2e-4)
    blind = auroc(np.repeat(score, 5), np.repeat(positive, 5))
    assert blind.high - blind.low == pytest.approx((alone.high - alone.low) / np.sqrt(5), rel=0.02)


def test_nothing_is_known_of_one_kind_and_no_interval_of_one_image():
    assert np.isnan(auroc([0.2, 0.3], [True, True]).value)
    assert np.isnan(auroc([0.2, 0.3], [False, False]).value)
    single = auroc([0.1, 0.2, 0.9, 0.8], [False, True, True, False])
    assert single.value == 0.75
    lonely = auroc([0.5, 0.2, 0.9], [False, True, True])
    assert (lonely.value, np.isnan(lonely.low), np.isnan(lonely.high)) == (0.5, True, True)
    perfect = auroc([1, 2, 3, 4], [False, False, True, True])
    assert (perfect.value, np.isnan(perfect.low)) == (1.0, True)
    constant = auroc([3, 3, 3, 3], [False, False, True, True])
    assert (constant.value, np.isnan(constant.low)) == (0.5, True)


def test_calibration_error_of_answers_is_that_of_their_probabilities():
    random = np.random.default_rng(5)
    probability = softmax(2 * random.normal(size=(500, 7)), axis=1)
    label = random.integers(7, size=500)
    right = probability.argmax(axis=1) == label
    expected = calibration_error(label, probability)
    assert answer_calibration_error(right, probability.max(axis=1)) == pytest.approx(expected, abs=1e-12)

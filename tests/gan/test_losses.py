import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit, log_softmax

from gan.losses import LOSSES, adversarial_loss, auxiliary, classification, k_plus_one, l1, realness, smooth

LOGITS = hnp.arrays(np.float32, (7, 1), elements=st.floats(-8, 8, width=32))

DISCRIMINATORS = {
    "minimax": lambda x, g: -np.log(expit(x)).mean() - np.log(1 - expit(g)).mean(),
    "least_squares": lambda x, g: ((x - 1) ** 2).mean() / 2 + (g**2).mean() / 2,
    "hinge": lambda x, g: np.maximum(0, 1 - x).mean() + np.maximum(0, 1 + g).mean(),
    "wasserstein": lambda x, g: g.mean() - x.mean(),
}
DISCRIMINATORS |= {
    "non_saturating": DISCRIMINATORS["minimax"],
    "wasserstein_gp": DISCRIMINATORS["wasserstein"],
}
GENERATORS = {
    "minimax": lambda g: np.log(1 - expit(g)).mean(),
    "non_saturating": lambda g: -np.log(expit(g)).mean(),
    "least_squares": lambda g: ((g - 1) ** 2).mean() / 2,
    "hinge": lambda g: -g.mean(),
    "wasserstein": lambda g: -g.mean(),
    "wasserstein_gp": lambda g: -g.mean(),
}
SLOPES = {  # of the generator's loss for one logit
    "minimax": lambda g: -expit(g),
    "non_saturating": lambda g: expit(g) - 1,
    "least_squares": lambda g: g - 1,
    "hinge": lambda g: -np.ones_like(g),
    "wasserstein": lambda g: -np.ones_like(g),
    "wasserstein_gp": lambda g: -np.ones_like(g),
}


def slopes(loss, *logits):
    variables = [tf.constant(values, tf.float32) for values in logits]
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        value = loss(*variables)
    return [gradient.numpy() for gradient in tape.gradient(value, variables)]


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=8)
@given(real=LOGITS, fake=LOGITS)
def test_losses_are_their_formulas(name, real, fake):
    x, g = real.astype(np.float64), fake.astype(np.float64)
    discriminator = DISCRIMINATORS[name](x, g)  # a difference of two means may be small beside their rounding
    assert LOSSES[name].discriminator(real, fake).numpy() == pytest.approx(discriminator, rel=1e-5, abs=1e-6)
    assert LOSSES[name].generator(fake).numpy() == pytest.approx(GENERATORS[name](g), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_the_generator_are_the_formulas(name):
    logits = np.linspace(-12, 12, 7)
    (found,) = slopes(LOSSES[name].generator, logits)
    np.testing.assert_allclose(found, SLOPES[name](logits) / 7, rtol=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_each_network_pulls_logits_its_own_way(name):
    """The discriminator raises what is real and lowers what is fake; the generator raises what is fake."""
    real, fake = slopes(LOSSES[name].discriminator, [[-0.5]], [[0.5]])
    (raised,) = slopes(LOSSES[name].generator, [[-0.5]])
    assert real < 0 < fake
    assert raised < 0


@pytest.mark.parametrize("sure", [5.0, 10.0, 20.0])
def test_minimax_saturates_where_non_saturating_does_not(sure):
    (minimax,), (other,) = (slopes(LOSSES[name].generator, [[-sure]]) for name in ("minimax", "non_saturating"))
    assert -minimax == pytest.approx(np.exp(-sure), rel=0.01)
    assert -other == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
@pytest.mark.parametrize(("real", "divergence"), [([0.5, 0.5], 0), ([1.0, 0.0], np.log(2)), ([0.2, 0.8], None)])
def test_value_of_the_optimal_discriminator_is_the_jensen_shannon_divergence(name, real, divergence):
    """On two points, generated equally often: log 4 - 2 JS, so log 4 of equal distributions and 0 of disjoint ones."""
    fake = np.array([0.5, 0.5]) if divergence is None or not divergence else np.array([0.0, 1.0])
    real = np.array(real)
    middle = (real + fake) / 2
    if divergence is None:
        divergence = sum((p * np.log(p / middle)).sum() for p in (real, fake)) / 2
    with np.errstate(divide="ignore"):
        optimum = np.clip(np.log(real) - np.log(fake), -30, 30).astype(np.float32)
    rows = [np.repeat(optimum, np.round(10 * share).astype(int))[:, None] for share in (real, fake)]
    assert LOSSES[name].discriminator(*rows).numpy() == pytest.approx(np.log(4) - 2 * divergence, abs=1e-5)
    worse = [logits + 0.3 for logits in rows]
    assert LOSSES[name].discriminator(*worse).numpy() > LOSSES[name].discriminator(*rows).numpy()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_finite_at_extreme_logits_and_take_patches(name):
    far = tf.fill((2, 4, 4, 1), 1e4)
    for real, fake in ((far, -far), (-far, far)):
        assert np.isfinite(LOSSES[name].discriminator(real, fake))
        assert np.isfinite(LOSSES[name].generator(fake))
    assert LOSSES[name].generator(far).shape == ()


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares"])
def test_smoothing_lowers_the_target_of_real_images_alone(name):
    loss = adversarial_loss(name, label_smoothing=0.1)
    optimum = {"least_squares": 0.9}.get(name, np.log(0.9 / 0.1))
    real, _ = slopes(loss.discriminator, [[optimum]], [[0.3]])
    assert real == pytest.approx(0, abs=1e-6)
    assert slopes(loss.discriminator, [[0.0]], [[0.3]])[1] == slopes(LOSSES[name].discriminator, [[0.0]], [[0.3]])[1]
    assert loss.generator is LOSSES[name].generator
    x, g = np.array([[-3.0], [1.0], [4.0]]), np.array([[0.2]])
    cross = -(0.9 * np.log(expit(x)) + 0.1 * np.log(1 - expit(x))).mean() - np.log(1 - expit(g)).mean()
    expected = ((x - 0.9) ** 2).mean() / 2 + (g**2).mean() / 2 if name == "least_squares" else cross
    assert loss.discriminator(x, g).numpy() == pytest.approx(expected, rel=1e-6)


def test_no_smoothing_is_the_loss_itself():
    for name, loss in LOSSES.items():
        assert adversarial_loss(name) is loss


@pytest.mark.parametrize("name", ["hinge", "wasserstein", "wasserstein_gp"])
def test_losses_without_labels_refuse_smoothing(name):
    with pytest.raises(ValueError, match=f"{name} has no labels to smooth; .* minimax, non_saturating, least_squares"):
        adversarial_loss(name, label_smoothing=0.1)


@pytest.mark.parametrize("amount", [-0.1, 0.5, float("nan")])
def test_smoothing_out_of_range_is_refused(amount):
    with pytest.raises(ValueError, match=r"less than 0\.5"):
        smooth(LOSSES["minimax"], amount)


def test_unknown_losses_name_the_choices():
    with pytest.raises(ValueError, match=r"loss 'bce' is unknown; choose one of minimax, non_saturating, .*gp"):
        adversarial_loss("bce")


def test_only_critics_bound_their_slope():
    assert {name: loss.clip for name, loss in LOSSES.items() if loss.clip} == {"wasserstein": 0.01}
    assert {name: loss.gradient_penalty for name, loss in LOSSES.items() if loss.gradient_penalty} == {
        "wasserstein_gp": 10.0
    }


@pytest.mark.parametrize("name", LOSSES)
def test_accuracies_are_about_the_boundary_where_there_is_one(name):
    real, fake = tf.constant([[-1.0], [0.2], [0.7], [0.9]]), tf.constant([[-1.0], [0.3]])
    found = [float(share) for share in LOSSES[name].accuracies(real, fake)]
    if LOSSES[name].boundary is None:
        assert np.isnan(found).all()
    else:
        assert found == ([0.5, 1.0] if name == "least_squares" else [0.75, 0.5])


def class_logits(*, classes, seed=0):
    return np.random.default_rng(seed).normal(0, 2, (6, classes)).astype(np.float32)


def test_auxiliary_loss_is_the_cross_entropy_of_both_sets():
    real, fake = class_logits(classes=4), class_logits(classes=4, seed=1)
    labels, asked = np.array([0, 1, 2, 3, 0, 1]), np.array([3, 3, 0, 1, 2, 2])
    expected = -log_softmax(real, axis=1)[range(6), labels].mean() - log_softmax(fake, axis=1)[range(6), asked].mean()
    assert auxiliary(real, labels, fake, asked).numpy() == pytest.approx(expected, rel=1e-5)
    assert classification(np.zeros((6, 4), np.float32), labels).numpy() == pytest.approx(np.log(4))


def test_k_plus_one_loss_is_class_and_realness_together():
    """Salimans 2016, section 5: log p(label | x) is log p(label | x, real) + log p(real | x)."""
    real, fake, labels = class_logits(classes=5), class_logits(classes=5, seed=1), np.array([0, 1, 2, 3, 0, 1])
    of_classes = classification(real[:, :-1], labels)
    of_realness = LOSSES["non_saturating"].discriminator(realness(real), realness(fake))
    assert k_plus_one(real, labels, fake).numpy() == pytest.approx((of_classes + of_realness).numpy(), rel=1e-5)


def test_realness_is_the_logit_of_any_real_class():
    logits = class_logits(classes=5)
    shares = np.exp(log_softmax(logits.astype(np.float64), axis=1))
    np.testing.assert_allclose(expit(realness(logits).numpy()[:, 0]), 1 - shares[:, -1], rtol=1e-5)


def test_l1_is_the_mean_absolute_difference():
    images, targets = np.full((2, 4, 4, 3), 0.5, np.float32), np.full((2, 4, 4, 3), -0.25, np.float32)
    assert l1(images, targets).numpy() == pytest.approx(0.75)

"""Equal to other libraries on the same features: their values in a file, and live where they are installed."""

import json
from pathlib import Path

import numpy as np
import pytest

from gan.scores import frechet_distance, inception_score, kernel_distance, precision_recall_density_coverage

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())
EQUAL = 1e-9


def golden_sets(n=400, d=16):
    real = np.random.default_rng(1).normal(size=(n, d))
    fake = 1.1 * np.random.default_rng(2).normal(size=(n, d)) + 0.3
    fake[:, 0] += 0.5 * fake[:, 1]
    return real, fake


@pytest.mark.parametrize("library", ["torchmetrics 1.9.0", "torch-fidelity 0.4.0"])
def test_distances_are_those_of_others(library):
    real, fake = golden_sets()
    assert frechet_distance(real, fake) == pytest.approx(GOLDEN[library]["frechet"], rel=EQUAL)
    value = kernel_distance(real, fake, subsets=1, subset_size=400)
    assert value == pytest.approx((GOLDEN[library]["kernel"], 0), rel=EQUAL)


def test_inception_score_is_that_of_torch_fidelity():
    logits = 3 * np.random.default_rng(3).normal(size=(300, 10))
    shuffled = np.empty_like(logits)
    shuffled[np.random.default_rng(0).permutation(300)] = logits  # torch-fidelity's were not
    golden = GOLDEN["torch-fidelity 0.4.0"]
    assert inception_score(shuffled, splits=10, seed=0) == pytest.approx(golden["inception_10_splits"], rel=EQUAL)
    assert inception_score(logits, splits=1) == pytest.approx(golden["inception_1_split"], rel=EQUAL)


def test_neighbours_are_those_of_prdc():
    real, fake = golden_sets()
    found = precision_recall_density_coverage(real, fake, k=5)
    assert found._asdict() == pytest.approx(GOLDEN["prdc 0.2"], rel=EQUAL)


def test_torchmetrics_live():
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchmetrics")
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    real, fake = golden_sets(700, 40)

    class Identity(torch.nn.Module):
        num_features = 40

        def forward(self, features):
            return features

    frechet = FrechetInceptionDistance(feature=Identity()).set_dtype(torch.float64)
    kernel = KernelInceptionDistance(feature=Identity(), subsets=1, subset_size=700)
    for metric in (frechet, kernel):
        metric.update(torch.from_numpy(real), real=True)
        metric.update(torch.from_numpy(fake), real=False)
    assert frechet_distance(real, fake) == pytest.approx(frechet.compute().item(), rel=EQUAL)
    assert kernel_distance(real, fake, subset_size=700).value == pytest.approx(kernel.compute()[0].item(), rel=EQUAL)


@pytest.mark.parametrize("k", [1, 5])
def test_prdc_live(k):
    prdc = pytest.importorskip("prdc")
    real, fake = golden_sets(700, 40)
    found = precision_recall_density_coverage(real + 100, fake[:500] + 100, k=k)
    assert found._asdict() == pytest.approx(prdc.compute_prdc(real + 100, fake[:500] + 100, k), rel=EQUAL)

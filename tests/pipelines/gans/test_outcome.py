import numpy as np
import pytest

from pipelines.gans.outcome import alike_rows

LABELS = np.repeat([0, 1, 2], [30, 20, 3])


@pytest.mark.parametrize("asked", [[0] * 10 + [1] * 5 + [2] * 3, [0] * 10 + [1] * 5, [0] * 53])
def test_real_images_stand_in_for_samples_of_their_class(asked):
    rows = alike_rows(LABELS, np.array(asked), seed=0)
    assert len(np.unique(rows)) == len(asked)
    counts, wanted = (np.bincount(labels, minlength=3) for labels in (LABELS[rows], asked))
    assert (counts >= np.minimum(wanted, [30, 20, 3])).all()
    assert not np.array_equal(rows, alike_rows(LABELS, np.array(asked), seed=1))

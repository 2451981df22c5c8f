from threading import Barrier

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from gan.scores.features import blocks, checked, checked_pair, in_parallel


def test_features_become_a_matrix_in_double_precision():
    found = checked([[1, 2], [3, 4]])
    assert found.dtype == np.float64
    assert found.tolist() == [[1, 2], [3, 4]]


def test_rows_that_are_not_finite_are_counted_and_named():
    bad = np.zeros((5, 3))
    bad[1, :2], bad[4, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match="mine: 2 of 5 rows hold NaN or infinity"):
        checked(bad, "mine")
    for shape in ((3,), (2, 2, 2)):
        with pytest.raises(ValueError, match="give a matrix"):
            checked(np.zeros(shape))


def test_a_pair_has_one_dimension():
    assert [each.shape for each in checked_pair(np.zeros((4, 3)), np.zeros((2, 3)))] == [(4, 3), (2, 3)]
    with pytest.raises(ValueError, match="real features have 3 dimensions, fake ones 2"):
        checked_pair(np.zeros((4, 3)), np.zeros((4, 2)))


def test_blocks_are_all_rows_in_order_the_last_one_shorter():
    assert blocks(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert blocks(6, 3) == [slice(0, 3), slice(3, 6)]
    assert blocks(0, 3) == []


def test_results_come_in_the_order_of_the_items():
    assert in_parallel(lambda item: item**2, [3, 1, 2]) == [9, 1, 4]
    assert in_parallel(lambda item: -item, [7]) == [-7]
    assert in_parallel(abs, []) == []


def _threads_of_blas() -> int:
    return max(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")


def test_as_many_items_at_once_as_blas_has_threads_and_each_product_on_one():
    together = Barrier(2, timeout=20)
    with threadpool_limits(2, user_api="blas"):
        if _threads_of_blas() < 2:
            pytest.skip("BLAS of one thread")
        seen = in_parallel(lambda _: (together.wait(), _threads_of_blas())[1], [0, 1])
    assert seen == [1, 1]

"""Cases: the same for everyone with a seed, small when one fails, within a cap of calls."""

import numpy as np
import pytest
from hypothesis import strategies as st

from tito.rubrics.cases import CALLS_AFTER_FAILURE, generate, leaves, refill, size, smallest

vectors = st.lists(st.integers(-9, 9), min_size=1, max_size=5).map(lambda values: np.array(values, np.float64))


def shown(cases):
    return [[np.asarray(leaf).tolist() for leaf in leaves(case)] for case in cases]


def test_the_same_seed_gives_the_same_cases():
    first, second, other = (shown(generate([vectors], seed, 20)) for seed in (3, 3, 4))
    assert first == second != other and len(first) == 20


def test_tuples_are_splatted_and_arrays_are_frozen():
    [case, *_] = generate([st.tuples(vectors, st.lists(vectors, min_size=1)), st.just(1)], 1, 3)
    assert len(case) == 3 and case[2] == 1
    for array in (case[0], case[1][0]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1


def test_the_smallest_failing_case_within_the_cap():
    calls = []

    def fails(case):
        calls.append(case)
        return "too large" if case[0].max() >= 3 else None

    case, outcome = smallest([vectors], 1, 50, fails)
    assert outcome == "too large" and case[0].tolist() == [3.0]
    failed = next(i for i, [x] in enumerate(calls) if x.max() >= 3)
    assert len(calls) - failed <= CALLS_AFTER_FAILURE + 1


def test_nothing_fails():
    assert smallest([vectors], 1, 10, lambda case: None) is None


def test_zeros_are_refilled():
    x, n, y = refill((np.zeros((2, 2)), np.zeros(2, int), np.zeros(1)))
    assert x.tolist() == [[1, 2], [3, 4]] and n.tolist() == [0, 0] and y.tolist() == [5]
    assert refill((np.ones(2), 0, None)) is None


def test_size_counts_what_is_to_be_read():
    small, large = (np.ones(2), [np.ones((1, 2)), {"a": 1}], None), (np.ones(2), [np.ones((2, 2)), {"a": 1}], "text")
    assert size(small) < size(large)
    assert size((np.array([-3.0]),)) > size((np.array([1.0]),))


@pytest.mark.parametrize("numbers", [
    np.array([3e38, 3e38], np.float32), np.array([1e308, 1e308]), np.array([np.nan, 1]), np.array([-np.inf, 1]),
    np.array([60_000, 60_000], np.float16), np.array([-128, 0], np.int8),
])  # fmt: skip
def test_extreme_numbers_are_large_and_have_a_size(numbers):
    with np.errstate(all="raise"):
        assert size((np.ones(2),)) < size((numbers,)) < size((np.ones(3),))

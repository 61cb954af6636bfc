"""Diagnoses: the mistakes that can be told from yours and expected."""

import numpy as np
import pytest

from tito.course import default
from tito.grading.judge import grade
from tito.grading.report import shown
from tito.outcomes import Mismatch, StudentError
from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.doctests import agrees
from tito.rubrics.planted import planted
from tito.rubrics.rubric import load
from tito.sandbox.wire import Foreign

X = np.arange(1.0, 5.0).reshape(2, 2)
R = np.arange(1.0, 7.0).reshape(2, 3)

CASES = {
    "transposed": [(X.T, X), (R.T, R)],
    "the sign is flipped": [(-X, X)],
    "off by a factor of 2": [(2 * X, X)],
    "too small by a factor of 4": [(X / 4, X)],
    "off by the same amount everywhere: 1": [(X + 1, X)],
    "a broadcast axis is not summed": [(R, R.sum(0)), (R, R.sum(1, keepdims=True)), (R, R.sum((0, 1)))],
    "the numbers are right, the shape is not": [(X.reshape(1, 4), X), (X[None], X)],
    "the numbers are right, the dtype is not": [(X.astype(np.float32), X), (X.astype(int), X)],
    "there are nan or inf in it": [(X * np.nan, X), (X * np.inf, X)],
    "there are numbers where nan or inf are expected": [(0 * X, X * np.nan), (X, np.where(X > 1, X, np.inf))],
    "it is all zeros": [(0 * X, X)],
    "it is 0": [(0.0, 2.5)],
    "the shapes differ": [(np.ones(3), np.ones(2))],
    "this is the square": [(X * X, X)],
    "the answer is None": [(None, X)],
    "the answer is an object of type Liar": [(Foreign("Liar"), X)],
    "the answer is a list, not an array of numbers": [([1.0], X), ([1.0], np.array(1.0)), ([1.0], [1.0])],
    "the answer is a list, not a number": [([48], 48), ([48.0], np.float64(48))],
}


@pytest.mark.parametrize("says, yours, expected", [(says, *pair) for says, pairs in CASES.items() for pair in pairs])
def test_diagnosis(says, yours, expected):
    with pytest.raises(Mismatch) as found:
        close(yours, expected, mistakes={"this is the square": X * X})
    assert found.value.details["diagnosis"].startswith(says)


@pytest.mark.parametrize("yours, expected, no", [
    (X * 0.99999, X, "factor"),
    (X * -0.99999, X, "factor"),
    (np.ones((0, 1)), np.zeros((1, 1)), "broadcast"),
])  # fmt: skip
def test_what_is_not_diagnosed(yours, expected, no):
    with pytest.raises(Mismatch) as found:
        close(yours, expected)
    assert no not in found.value.details["diagnosis"]


def test_a_refusal_says_which_error_or_what_its_message_lacks():
    def call():
        raise StudentError("ValueError: no token 3", kind="ValueError")

    refuses("ValueError", call, mentioning=["3"])
    with pytest.raises(Mismatch, match="another error than TypeError"):
        refuses("TypeError", call, mentioning=["5"])
    with pytest.raises(Mismatch, match=r"the message does not mention 5$"):
        refuses("ValueError", call, mentioning=["3", "5"])


@pytest.mark.parametrize(
    "yours, expected, says",
    [
        ([True, True, False], [True, False, False], ""),
        ([False, False], [True, False], "it is all zeros"),
        ([[True, True], [False, True]], [[True, False], [True, True]], "transposed"),
        ([True, False, True], [1.0, 2.0, 0.0], ""),
    ],
)
def test_a_mask_is_told_like_other_answers(yours, expected, says):
    with pytest.raises(Mismatch, match="not right") as found:
        close(np.array(yours), np.array(expected))
    assert found.value.details["diagnosis"] == says


def test_an_index_is_off_by_no_factor():
    for index, says in ((False, "too small by a factor of 2"), (True, "")):
        with pytest.raises(Mismatch) as found:
            close(np.array([0, 1]), np.array([0, 2]), index=index)
        assert found.value.details["diagnosis"] == says
        with pytest.raises(Mismatch) as found:
            close(1, 2, mistakes={"this is one less": 1}, index=index)
        assert found.value.details["diagnosis"] == "this is one less"


@pytest.mark.parametrize("yours, expected", [(X, X), (X + 1e-12, X), (2.0, 2), (np.float64(2), 2.0), (3, np.array(3))])
def test_what_is_close(yours, expected):
    close(yours, expected)


def test_expected_numbers_ask_for_no_dtype():
    close(np.float32(0.1), 0.1)
    close(np.ones(2, np.float32), [1.0, 1.0])


@pytest.mark.parametrize(
    "want, printed, truth",
    [
        ("0.5", "0.5000000000000001\n", True), ("0.5", "np.float64(0.49999999999999994)", True),
        ("0.5", "0.5000001", False), ("1e-05", "1.0000000000000002e-05", True), ("1", "1.0", False),
        ("tensor(3.)", "tensor(3.0001)", False), ("", "anything", True), ("0.5", None, False),
    ],
)  # fmt: skip
def test_the_last_digits_of_a_float_are_no_other_example(want, printed, truth):
    assert agrees(want, printed) is truth


def test_same_and_holds():
    same([1, (2, "x")], [1, (2, "x")])
    for yours in ([1], (1, 2), 1.0, np.ones(2), None):
        with pytest.raises(Mismatch):
            same(yours, [1, 2])
    holds(np.array([True]), "all is well")
    with pytest.raises(Mismatch, match="too much"):
        holds(np.array([True, False]), "too much")
    for nothing in ([], np.zeros((0, 3)) > 0):
        with pytest.raises(Mismatch, match="all are positive"):
            holds(nothing, "all are positive")


@pytest.mark.parametrize(
    "value, text",
    [(-0.0, "0"), (np.float32(-0.0), "0"), (np.array([-0.0]), "[0.]"), (1 / 3, "0.333333"), (np.int8(-3), "-3")],
)
def test_numbers_are_shown_short_and_zero_without_a_sign(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("number, name, mistake, said, fits", [
    ("01", "mean", "says that the mean of none is 0", "this is the sum", False),
    ("01", "mean", "says that the mean of none is 0", "0 / 0 is NaN", True),
    ("01", "mean", "forgets to divide", "this is the sum", True),
    ("01", "mean", "adds up in float32", "float64 was made float32", True),
    ("01", "var", "says that one number varies by 0", "divided by n", False),
    ("01", "var", "says that one number varies by 0", "0 / 0 is NaN", True),
    ("01", "matmul", "rounds", "by a factor", False),
    ("09", "conv2d_naive", "forgets the dilation", "turned round", False),
    ("09", "conv2d_naive", "turns the filter round", "turned round", True),
    ("02", "softmax", "ignores dim", "sums to one", False),
    ("02", "softmax", "sums over everything", "sums to one", True),
    ("07", "accuracy", "counts a tie as right", "not their share", False),
    ("07", "accuracy", "counts a tie as right", "factor", False),
    ("07", "accuracy", "counts instead of", "not their share", True),
    ("07", "Trainer.step", "does not measure", "inf", False),
    ("07", "Trainer.step", "does not measure", "not set", True),
    ("10", "merge_pair", "never merges at the beginning", "right to left", False),
    ("10", "merge_pair", "goes from right to left", "right to left", True),
    ("10", "encode_word", "uses each rank once", "only one pair", False),
    ("10", "encode_word", "merges once", "only one pair", True),
])  # fmt: skip
def test_a_mistake_that_was_not_made_is_not_named(number, name, mistake, said, fits):
    chapter = default().chapter(number)
    [answer] = [
        one for one in planted(chapter.planted_path) if one.exercise == name and one.mistake.startswith(mistake)
    ]
    [exercise] = grade(number, source=answer.into(load(number).source), only=name).exercises
    assert any(said in (check.diagnosis + check.message) for check in exercise.checks) == fits, exercise

"""Chapter 04, losses: two for numbers, two for classes, the logarithm of a sum of exponentials between them, and the
factor that makes a network as sure as it is right.

Each loss is judged against its definition where that is safe, and against what it must be where the definition
overflows. x are predictions or logits, y or target what they should have been.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import arrays, dtyped, filled, logits_and_classes, same_shape, shapes, whole_numbers

from tito.rubrics.compare import close, holds, nudged, refuses
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("04", module="losses")

rubric.exercise("reduced", difficulty=1, minutes=5)
rubric.exercise("mse_loss", difficulty=1, minutes=5)
rubric.exercise("l1_loss", difficulty=1, minutes=5)
rubric.exercise("logsumexp", difficulty=2, minutes=12)
rubric.exercise("binary_cross_entropy_with_logits", difficulty=3, minutes=18)
rubric.exercise("cross_entropy", difficulty=3, minutes=20)
rubric.exercise("calibrating_factor", difficulty=3, minutes=40)

WORDS = ["mean", "sum", "none"]
reductions = st.sampled_from(WORDS)
holed = np.array([[1, np.nan, 3], [4, 5, -6]], np.float32)
table = np.array([[1, -2, 3], [4, 0, -6]])


def reduce(values, reduction):
    return {"mean": values.sum() / max(values.size, 1), "sum": values.sum(), "none": values}[reduction]


@st.composite
def column_and_row(draw):
    """Two arrays of as many numbers, one as a column: NumPy would broadcast them."""
    n = draw(st.integers(2, 3))
    column, row = draw(whole_numbers((n, 1))), draw(whole_numbers((n,)))
    return draw(st.sampled_from([(column, row), (row, column)]))


MISFITS = [(table, table[0]), (table[:, :1], table[:, 0]), (table, table.T), (table[:0], table[:1]), (table, table[:1])]
MISFITS += [(table, table[:, :1]), (table[:, :1], table)]
misfits = [tuple(x.astype(np.float32) for x in pair) for pair in MISFITS]


def everywhere(*pairs):
    """Each pair as float32, float16 and float64, with each reduction."""
    kinds = [tuple(np.array(x, dtype) for x in pair) for pair in pairs for dtype in ("float32", "float16", "float64")]
    return [(*kind, word) for kind in kinds for word in WORDS]


pairs = everywhere((table, table[::-1]), ([1, 2, 3], [3, 2, -1]))
far_off = [
    (holed, np.ones((2, 3), np.float32), "mean"), (np.ones((2, 3), np.float32), holed, "none"),
    (np.array([10_000, 10_001], np.float32), np.array([10_001, 9_999], np.float32), "mean"),
    (np.array([200, 0], np.uint8), np.array([0, 200], np.uint8), "mean"),
    (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), "sum"),
    (np.array([1e8 + 1, 1e8]), np.array([1e8, 1e8]), "none"),
    (np.array([0.5, -0.25], np.float32), np.array([0.25, 1], np.float32), "none"),
]  # fmt: skip


# -- reduced ----------------------------------------------------------------------------------------------------------


@rubric.check("reduced", points=1)
@given(
    arrays(),
    reductions,
    always=[
        *[(x, word) for x in (*dtyped(table)[:2], holed, holed.T) for word in WORDS],
        (dtyped()[0], "sum"),
        (table[0] * 1.0, "sum"),
        (table + 1.0, "mean"),
        *[(np.arange(12.0).reshape(2, 3, 2), word) for word in ("mean", "sum")],
    ],
)
def three_reductions(student, values, reduction):
    """The mean and the sum go over every value, whatever their shape; "none" leaves them as they are."""
    close(student.reduced(values, reduction), reduce(values, reduction), f"the {reduction!r}")


@rubric.check("reduced", points=1)
@given(
    arrays(least=1),
    st.sampled_from(["avg", "MEAN", "", "total"]),
    always=[(holed, word) for word in ("total", "avg", "MEAN", "", "summed", "mean ")],
)
def no_fourth_reduction(student, values, reduction):
    """A word that is none of the three is an error that repeats the word: a typo must not choose for you."""
    refuses("ValueError", student.reduced, values, reduction, mentioning=[reduction])


def signed(x):
    """Whole numbers as float32, in which the losses compute."""
    return x if x.dtype.kind == "f" else x.astype(np.float32)


# -- mse_loss ---------------------------------------------------------------------------------------------------------


@rubric.check("mse_loss", points=1)
@given(same_shape(2), reductions, always=[*pairs, *far_off])
def squares_of_the_errors(student, x, y, reduction):
    """(x - y)^2 for each element, then the reduction that was asked for: each of the three."""
    error = signed(x) - signed(y)
    mistakes = {
        "these are the distances, not their squares": reduce(np.abs(error), reduction),
        "the reduction is always the mean": reduce(error**2, "mean"),
        "half of it: the loss has no factor 1/2": reduce(error**2 / 2, reduction),
    }
    close(student.mse_loss(x, y, reduction=reduction), reduce(error**2, reduction), "the loss", mistakes=mistakes)


@rubric.check("mse_loss", points=1)
@given(column_and_row(), always=misfits)
def squared_error_of_equal_shapes(student, x, y):
    """A column against a row is refused, with both shapes named: broadcasting would compare pairs that nobody meant.

    So is a reduction that is none of the three.
    """
    refuses("ValueError", student.mse_loss, x, y, mentioning=[str(x.shape), str(y.shape)])
    refuses("ValueError", student.mse_loss, x, x, reduction="avg")


# -- l1_loss ----------------------------------------------------------------------------------------------------------


@rubric.check("l1_loss", points=1)
@given(
    same_shape(2),
    reductions,
    always=[*pairs, *far_off, (np.array([1e30, 3e38], np.float32), np.array([0, 3e38], np.float32), "none")],
)
def distances(student, x, y, reduction):
    """|x - y| for each element, then the reduction: too high and too low count alike."""
    x, y, given = signed(x), signed(y), (x, y)
    mistakes = {
        "errors of opposite sign cancel: take each distance first": reduce(x - y, reduction),
        "these are squares": reduce((x - y) ** 2, reduction),
        "the reduction is always the mean": reduce(np.abs(x - y), "mean"),
    }
    close(student.l1_loss(*given, reduction=reduction), reduce(np.abs(x - y), reduction), "the loss", mistakes=mistakes)


@rubric.check("l1_loss", points=1)
@given(column_and_row(), always=misfits)
def absolute_error_of_equal_shapes(student, x, y):
    """A column against a row is refused, with both shapes named, and so is a reduction that is none of the three."""
    refuses("ValueError", student.l1_loss, x, y, mentioning=[str(x.shape), str(y.shape)])
    refuses("ValueError", student.l1_loss, x, x, reduction="avg")


# -- logsumexp --------------------------------------------------------------------------------------------------------


@st.composite
def along(draw):
    """x, one of its axes (counted from either end), and whether that axis is kept."""
    x = draw(arrays(dims=3, least=1))
    return x, draw(st.integers(-x.ndim, x.ndim - 1)), draw(st.booleans())


@rubric.check("logsumexp", points=2)
@given(
    along(),
    always=[
        *[(x, dim, keepdim) for x in dtyped(table)[:2] for dim in (0, -1) for keepdim in (True, False)],
        (np.array([[0, -np.inf, 1]], np.float32), -1, False), (holed, 1, False), (np.ones((1, 3, 1)), 1, False),
        (np.zeros((0, 3), np.float32), -1, True), (np.arange(6.0).reshape(2, 3, 1), 0, False),
        *[(np.arange(12.0).reshape(2, 3, 2), dim, False) for dim in (0, 1, -2, -3)],
        *[(np.arange(12.0).reshape(2, 3, 2), dim, True) for dim in (0, 1, -1, -3)],
    ],
)  # fmt: skip
def logarithm_of_the_sum(student, x, dim, keepdim):
    """ln of the sum of e^x along one axis, which is dropped, or kept as size 1."""
    e = np.exp(x)
    mistakes = {
        "this is the largest x: the rest of the sum is missing": x.max(axis=dim, keepdims=keepdim),
        "this is the logarithm of the mean": np.log(e.mean(axis=dim, keepdims=keepdim)),
        "the largest x was taken out and not added back": np.log(e.sum(axis=dim, keepdims=keepdim))
        - x.max(axis=dim, keepdims=keepdim),
    }
    yours = student.logsumexp(x, dim=dim, keepdim=keepdim)
    close(yours, np.log(e.sum(axis=dim, keepdims=keepdim)), "the logsumexp", mistakes=mistakes)


@rubric.check("logsumexp", points=1)
@given(
    arrays(least=1),
    st.sampled_from([1000.0, -1000.0]),
    always=[(x, c) for x in (table * 1.0, np.zeros(1), np.array([0.0, 1, 2])) for c in (1000.0, -1000.0, 1e4)],
)
def shifts_pass_through(student, x, c):
    """Add c to every x, and the result grows by c: also where e^c is too large for any float, or too small."""
    close(student.logsumexp(x + c) - c, np.log(np.exp(x).sum(axis=-1)), "logsumexp(x + c) - c", rtol=1e-9, atol=1e-9)


@rubric.check("logsumexp", points=1)
@given(
    whole_numbers((2,)),
    st.sampled_from([500.0, 2000.0]),
    always=[(np.array([1, -2], np.float32), gap) for gap in (2000.0, 200.0)],
)
def each_row_has_its_own_maximum(student, x, gap):
    """Each row is shifted by its own largest element: rows may lie far apart, and so may the elements of one row.

    Along another axis, of more than two, it is the same.
    """
    rows = np.stack([x, x - gap, np.array([x[0], x[0] - gap])])
    expected = np.append(np.log(np.exp(x).sum()) - np.array([0, gap]), x[0]).astype(rows.dtype)
    close(student.logsumexp(rows), expected, "the logsumexp of each row")
    columns = rows.T[None]  # (1, 2, 3)
    close(student.logsumexp(columns, dim=1), expected[None], "the logsumexp of each column")


# -- binary_cross_entropy_with_logits ---------------------------------------------------------------------------------


@st.composite
def answers(draw, logits=None):
    """Logits x and, in the same shape, how far each answer is a yes."""
    shape = draw(shapes())
    yes = filled(shape, st.sampled_from([0.0, 1.0, 0.25]))
    return draw(filled(shape, logits) if logits is not None else whole_numbers(shape)), draw(yes)


@rubric.check("binary_cross_entropy_with_logits", points=1)
@given(answers(), reductions, always=[*everywhere((table, table > 0), (table, np.full((2, 3), 0.25))), *far_off[:2]])
def surprise_at_the_answer(student, x, y, reduction):
    """-y ln p - (1 - y) ln(1 - p) with p = sigmoid(x), for each element; then the reduction."""
    p = 1 / (1 + np.exp(-x))
    yes, no = -y * np.log(p), -(1 - y) * np.log(1 - p)
    mistakes = {
        "only the surprise at a yes is in it": reduce(yes, reduction),
        "yes and no are exchanged": reduce(-(1 - y) * np.log(p) - y * np.log(1 - p), reduction),
        "the reduction is always the mean": reduce(yes + no, "mean"),
    }
    yours = student.binary_cross_entropy_with_logits(x, y, reduction=reduction)
    close(yours, reduce(yes + no, reduction), "the loss", mistakes=mistakes)


far = st.sampled_from([100.0, -100.0, 1000.0, -1000.0])


far_answers = [[1000, -1000, 100, -100, 1000, -1000], [1, 0, 0, 1, 0, 1]]


@rubric.check("binary_cross_entropy_with_logits", points=1)
@given(
    answers(far),
    always=[
        *[tuple(np.array(far_answers, dtype)) for dtype in (np.float32, np.float16, np.float64)],
        (np.array([1e30, -1e30], np.float32), np.array([0, 0], np.float32)),
        (np.array([2.0**30]), np.array([1 - 2.0**-30])),
    ],
)
def a_confident_mistake_is_finite(student, x, y):
    """Far from 0 the loss is |x| for a wrong answer and nearly 0 for a right one: nothing overflows, nothing is nan."""
    expected = np.maximum(x, 0) - x * y
    close(student.binary_cross_entropy_with_logits(x, y, reduction="none"), expected, "the loss")


@rubric.check("binary_cross_entropy_with_logits", points=1)
@given(st.integers(20, 40).map(float), st.booleans(), always=[(37.0, True), (40.0, False)])
def right_and_sure_is_not_quite_zero(student, x, yes):
    """A sure and right answer still costs e^-|x|, however little that is: ln(1 + z) for tiny z is np.log1p(z)."""
    x, y = np.array([x if yes else -x]), np.array([float(yes)])
    expected = np.log1p(np.exp(-np.abs(x)))
    close(student.binary_cross_entropy_with_logits(x, y, reduction="none"), expected, "the loss", rtol=1e-6, atol=0)


@rubric.check("binary_cross_entropy_with_logits", points=1)
@given(column_and_row(), always=misfits)
def logits_and_answers_of_equal_shapes(student, x, y):
    """A column against a row is refused, with both shapes named, and so is a reduction that is none of the three."""
    refuses("ValueError", student.binary_cross_entropy_with_logits, x, y, mentioning=[str(x.shape), str(y.shape)])
    refuses("ValueError", student.binary_cross_entropy_with_logits, x, x, reduction="avg")


# -- cross_entropy ----------------------------------------------------------------------------------------------------


scores = np.array([[1, 2, 0], [-1, 2, 2]])
classified = [
    *[(scores.astype(dtype), np.array([2, 1]), word) for dtype in ("float32", "float16") for word in WORDS],
    *[(scores * 1.0, np.array([0, 2], dtype), "none") for dtype in ("int8", "uint8", "int32")],
    (np.array([[5.0]]), np.array([0]), "mean"), (np.zeros((0, 3), np.float32), np.zeros(0, np.int64), "sum"),
    (holed, np.array([0, 2]), "none"),
]  # fmt: skip
sure = [
    (np.array(logits, dtype), np.array([0, 1]))
    for dtype in (np.float64, np.float32)
    for logits in ([[1, 0], [1, 0]], [[0, 0], [0, 0]], [[3, 4], [0, 3]])
]


def minus_log_p(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted


def smoothed(logits, target, s):
    surprise = minus_log_p(logits)
    return (1 - s) * surprise[np.arange(len(target)), target] + s * surprise.mean(axis=-1)


@rubric.check("cross_entropy", points=2)
@given(logits_and_classes(), reductions, always=classified)
def surprise_at_the_class(student, logits, target, reduction):
    """-ln p of each row's own target, where p is the softmax of the row; then the reduction, over rows."""
    expected = smoothed(logits, target, 0.0)
    mistakes = {
        "the sign is flipped: a surprise is -ln p": reduce(-expected, reduction),
        "this is the logit of the target, negated: subtract it from the logsumexp": reduce(
            -logits[np.arange(len(target)), target], reduction
        ),
        "the reduction is always the mean": reduce(expected, "mean"),
    }
    yours = student.cross_entropy(logits, target, reduction=reduction)
    close(yours, reduce(expected, reduction), "the loss", mistakes=mistakes)


@rubric.check("cross_entropy", points=1)
@given(logits_and_classes(), always=sure)
def certainty_is_finite(student, logits, target):
    """With logits a thousand apart, p of a class may be 0 in floats; its surprise is still finite, smoothed or not."""
    expected = smoothed(1000 * logits, target, 0.0)
    close(student.cross_entropy(1000 * logits, target, reduction="none"), expected, "the loss")
    yours = student.cross_entropy(1000 * logits, target, label_smoothing=0.5, reduction="none")
    close(yours, smoothed(1000 * logits, target, 0.5), "the loss with a smoothing of 0.5")


@rubric.check("cross_entropy", points=2)
@given(
    logits_and_classes(),
    st.sampled_from([0.1, 0.5, 1.0]),
    reductions,
    always=[
        ((scores + [[0], [3]]).astype(np.float32), np.array([2, 1]), s, word) for s in (0.1, 1.0, 0.0) for word in WORDS
    ],
)
def smoothing_mixes_in_every_class(student, logits, target, label_smoothing, reduction):
    """With smoothing s: 1 - s of the target's surprise, and s of the mean surprise over all classes, the target too."""
    s, surprise = label_smoothing, minus_log_p(logits)
    right, everyone = surprise[np.arange(len(target)), target], surprise.mean(axis=-1)
    others = (surprise.sum(axis=-1) - right) / (logits.shape[1] - 1)
    mistakes = {
        "the target gets 1 - s and the share of everyone is missing": reduce((1 - s) * right, reduction),
        "s is spread over the other classes only: it goes to all C, the target too": reduce(
            (1 - s) * right + s * others, reduction
        ),
        "s and 1 - s are exchanged": reduce(s * right + (1 - s) * everyone, reduction),
        "there is no smoothing in it": reduce(right, reduction),
        "sum over the classes where a mean is needed": reduce((1 - s) * right + s * surprise.sum(axis=-1), reduction),
    }
    yours = student.cross_entropy(logits, target, label_smoothing=s, reduction=reduction)
    close(yours, reduce((1 - s) * right + s * everyone, reduction), "the loss", mistakes=mistakes)


@rubric.check("cross_entropy", points=1)
@given(logits_and_classes(most=2), always=[(scores * 1.0, np.array([2, 1]))])
def slope_is_prediction_minus_truth(student, logits, target):
    """Nudge a logit: the mean loss answers with p - 1 for the target, p for the others, each divided by the rows."""
    p = np.exp(-minus_log_p(logits))
    [slope] = nudged(student.cross_entropy, logits, target)
    close(slope, (p - np.eye(logits.shape[1])[target]) / len(target), "the slope", rtol=1e-4, atol=1e-6)


@rubric.check("cross_entropy", points=1)
@given(logits_and_classes(), always=[(scores * 1.0, np.array([2, 1]))])
def no_class_before_the_first(student, logits, target):
    """Class -1 is refused: NumPy would take the last class for it, and nobody would notice.

    So is what else does not fit: class C, targets that are no whole numbers, too many, too few or a column of them, a
    row without its batch, a smoothing below 0 or above 1, a fourth reduction.
    """
    refuses("IndexError", student.cross_entropy, logits, np.concatenate([[-1], target[1:]]))
    refuses("IndexError", student.cross_entropy, logits, np.concatenate([target[1:], [logits.shape[1]]]))
    for kind in (np.float64, bool):
        refuses("TypeError", student.cross_entropy, logits, target.astype(kind))
    for misfit in (
        np.concatenate([target, [0]]),
        target[:-1],
        target[:, None],
        np.eye(logits.shape[1], dtype=int)[target],
    ):
        refuses("ValueError", student.cross_entropy, logits, misfit)
    refuses("ValueError", student.cross_entropy, logits[0], target[:1])
    refuses("ValueError", student.cross_entropy, logits[None], target[None])
    refuses("ValueError", student.cross_entropy, logits, target, label_smoothing=1.01)
    refuses("ValueError", student.cross_entropy, logits, target, label_smoothing=-0.01)
    refuses("ValueError", student.cross_entropy, logits, target, reduction="avg")


# -- calibrating_factor -----------------------------------------------------------------------------------------------


def slope_of_the_loss(logits, target, f):
    """How fast the summed cross-entropy of f * logits rises with f: the scores' means, less the targets' scores."""
    shares = np.exp(-minus_log_p(f * logits))
    return (shares * logits).sum() - logits[np.arange(len(target)), target].sum()


def best_factor(logits, target):
    """Where the loss has no slope, by halving in log f; 0 or infinity where there is no such place."""
    logits = logits.astype(np.float64)
    own = logits[np.arange(len(target)), target]
    if slope_of_the_loss(logits, target, 0.0) >= -1e-12 * np.abs(logits).sum():
        return 0.0
    if (own == logits.max(axis=1)).all():
        return math.inf
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if slope_of_the_loss(logits, target, math.exp(middle)) < 0 else (low, middle)
    return math.exp(high)


unsure = np.array([[2.0, 0, 1], [1, 3, 0], [0, 1, 4], [3, 2, 0]]), np.array([0, 1, 2, 1])
nearly_even = np.array([[3.0, 0], [3, 0], [3, 0], [0, 3], [3, 0]]), np.array([0, 1, 0, 0, 0])
mistaken = np.array([[2.0, 0], [2, 0], [2, 0], [2, 0]]), np.array([1, 1, 1, 0])


@rubric.check("calibrating_factor", points=1)
@given(
    logits_and_classes(rows=4),
    always=[
        *[unsure, nearly_even, (np.array([[1.0, 1], [2, 0]]), np.array([1, 0]))],
        *[(unsure[0].astype(dtype), unsure[1]) for dtype in ("float32", "float16", "int8")],
        ((50 * unsure[0] - 100).astype("int8"), unsure[1]),  # 100 - -100 is no int8
    ],
)
def where_the_loss_has_no_slope(student, logits, target):
    """At f the mean of each row's scores, weighted by softmax(f * scores), is the target's score: summed over rows."""
    expected = best_factor(logits, target)
    mistakes = {
        "this is the temperature: the factor is one over it": 1 / expected if 0 < expected < math.inf else np.nan,
        "the search ends at 1": 1.0 if expected > 1 else np.nan,
        "f is infinite only where every row is right": math.inf,
    }
    close(student.calibrating_factor(logits, target), expected, "f", rtol=1e-4, atol=1e-5, mistakes=mistakes)


@rubric.check("calibrating_factor", points=1)
@given(
    st.sampled_from([1e4, 1e-4, 100.0]),
    st.sampled_from([0.0, 1e5]),
    always=[(1e6, 0.0), (1e-6, 0.0), (1.0, 1e3), (1e4, 1e5), (1e-4, 1e5)],
)
def only_differences_count(student, size, shift):
    """Logits that are c times as large need an f that is 1/c as large; what is added to a row changes nothing."""
    logits, target = unsure
    rows = shift * np.array([[1.0], [-1], [0], [2]])
    found = student.calibrating_factor(size * logits + rows, target)
    mistakes = {"f is infinite only where every row is right": math.inf}
    close(found * size, best_factor(logits, target), "f times the size of the logits", rtol=1e-4, mistakes=mistakes)


@rubric.check("calibrating_factor", points=1)
@given(logits_and_classes(rows=4), always=[unsure, mistaken])
def nothing_or_for_ever(student, logits, target):
    """Always right: the surer the better, f is infinite. Worse than a blind guess: say nothing, f is 0.

    Where all scores of a row are equal, any f is as good: 0. Classes that do not fit are refused.
    """
    right = np.argmax(logits, axis=1)
    if (np.ptp(logits, axis=1) > 0).any():
        holds(student.calibrating_factor(logits, right) == math.inf, "f is infinite where every row is right")
        close(student.calibrating_factor(logits, np.argmin(logits, axis=1)), 0.0, "f where every row is wrong")
    close(student.calibrating_factor(0 * logits + 7, target), 0.0, "f where all scores are equal")
    refuses("IndexError", student.calibrating_factor, logits, np.concatenate([target[1:], [-1]]))
    refuses("IndexError", student.calibrating_factor, logits, np.concatenate([target[1:], [logits.shape[1]]]))
    for misfit in (np.concatenate([target, [0]]), target[:-1], target[:, None]):
        refuses("ValueError", student.calibrating_factor, logits, misfit)
    refuses("ValueError", student.calibrating_factor, logits[0], target[:1])
    for kind in (np.float64, bool):
        refuses("TypeError", student.calibrating_factor, logits, target.astype(kind))


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_by_one_hot():
    """What a one-hot matrix takes, and the results made of it, as an observer at the seam sees them."""
    import tinytorch as tt
    from tinytorch.activations import log_softmax
    from tinytorch.tensor import observers

    made = []
    scores, one_hot = tt.zeros(64, 5000), tt.zeros(64, 5000)
    observers.append(lambda name, seconds, arrays, result: made.append(result.nbytes))
    (one_hot * log_softmax(scores)).sum(dim=1)
    observers.clear()
    return one_hot.nbytes + sum(made)


@rubric.accounting(points=1, unit="bytes", counted=bytes_by_one_hot, tolerance=0, difficulty=1, minutes=6)
def one_hot_bytes():
    """How many bytes do a one-hot matrix and all results take, if cross-entropy is computed with it?

    The scores are 64 rows of 5,000 classes, float32, and so is the matrix. Three operations follow, and each keeps its
    result: the logarithm of softmax, the product with the matrix, the sum of each row. Do not count the scores.
    """
    # Which of the four arrays are as large as the scores, and which one is not?
    return 4 * (3 * 64 * 5000 + 64)

"""Chapter 16, compression: fewer weights, fewer units, fewer dimensions, and a teacher.

Weights are (in, out) of a Linear and (K, C, kh, kw) of a Conv2d. The oracles are loops over weights, units and rows.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import filled, in_each_dtype, mixed, shapes, shuffled, whole_numbers

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("16", module="compression")

rubric.exercise("magnitude_mask", difficulty=1, minutes=10)
rubric.exercise("cubic_sparsity", difficulty=1, minutes=8)
rubric.exercise("strongest_units", difficulty=2, minutes=10)
rubric.exercise("shrink_pair", difficulty=3, minutes=40)
rubric.exercise("truncated_svd", difficulty=2, minutes=12)
rubric.exercise("rank_for_energy", difficulty=1, minutes=8)
rubric.exercise("distillation_loss", difficulty=2, minutes=15)

few = st.integers(1, 3)
kinds = st.sampled_from([np.float64, np.float32])
shares = st.sampled_from([0.0, 0.25, 0.4, 0.5, 0.8, 1.0])
NO_SHARES = [-0.25, 1.25, math.nan]


# -- magnitude_mask ---------------------------------------------------------------------------------------------------


def loop_mask(weight, sparsity):
    """One weight after the other goes: each time the first of the smallest that are left."""
    mask, sizes = np.ones(weight.size, bool), np.abs(weight.astype(np.float64)).ravel()
    for _ in range(round(sparsity * weight.size)):
        left = np.flatnonzero(mask)
        mask[left[sizes[left].argmin()]] = False
    return mask.reshape(weight.shape)


@rubric.probe
def turned(tt, weight, sparsity):
    """The mask of weight.T, whose numbers do not stand in memory row by row."""
    return tt.compression.magnitude_mask(weight.T, sparsity)


rubric.doctests("magnitude_mask", points=1)


@rubric.check("magnitude_mask", points=1)
@given(
    shapes(3, least=1).flatmap(lambda shape: shuffled(shape).map(lambda w: np.where(w % 3 == 0, -w, w))),
    shares,
    always=[
        (np.array([[3.0, -1.0, -4.0], [2.0, -6.0, 5.0]]), 0.5),
        (np.array([-1.0, 2.0, -3.0, 4.0], np.float32), 0.25),
        (np.array([1e-9, 1e9, -1e-8, -1e8]), 0.5),
        (np.arange(1.0, 51.0)[::-1].copy(), 0.3),
        (np.zeros((0, 3), np.float32), 0.5),
        (np.array([1e-25, 1e-30, 1.0], np.float32), 0.4),
        (np.array([1 + 1e-9, 1.0, 2.0]), 0.4),
        (np.array([1e-8, 1e-9, 1.0]), 0.4),
    ],
)
def the_smallest_go(student, weight, sparsity):
    """round(sparsity n) weights are False, and none of them is larger, by its size, than one that is True.

    However the weights stand in memory.
    """
    expected = loop_mask(weight, sparsity)
    mistakes = {
        "this says what goes: a mask is True where a weight stays": ~expected,
        "the largest go: the smallest should": loop_mask(1 / np.where(weight == 0, 1, weight), sparsity),
        "the sign counts: a size is |w|": loop_mask(weight - weight.min(initial=0), sparsity),
        "sparsity is the share that goes, not the share that stays": loop_mask(weight, 1 - sparsity),
    }
    close(student.magnitude_mask(weight, sparsity), expected, "the mask", mistakes=mistakes)
    if weight.ndim == 2:
        close(student.turned(weight, sparsity), loop_mask(weight.T, sparsity), "the mask of weight.T")


@rubric.check("magnitude_mask", points=1)
@given(
    st.integers(1, 9).flatmap(lambda n: filled((n,), st.integers(-1, 1))),
    shares,
    always=[
        (np.ones((2, 3)), 0.5),
        (np.array([2.0, -1.0, 1.0, -1.0, 1.0]), 0.4),
        (np.zeros(4), 0.25),
        (np.tile([1.0, 2.0], 20), 0.25),
    ],
)
def of_equals_the_first_go(student, weight, sparsity):
    """Where sizes are equal, as many go as were asked for, from the front: a threshold would cut all of them."""
    close(student.magnitude_mask(weight, sparsity), loop_mask(weight, sparsity), "the mask")


@rubric.check("magnitude_mask", points=1, examples=1)
@given(always=[*[(np.ones(4), share) for share in NO_SHARES], (np.zeros((0, 3)), 1.25)])
def no_share_is_refused(student, weight, sparsity):
    """A sparsity outside 0..1, NaN among them, is a ValueError, of no weights, too."""
    refuses("ValueError", student.magnitude_mask, weight, sparsity)


# -- cubic_sparsity ---------------------------------------------------------------------------------------------------


@rubric.check("cubic_sparsity", points=1)
@given(
    st.integers(0, 30),
    st.integers(1, 10),
    shares,
    st.sampled_from([0.0, 0.25]),
    st.sampled_from([0, 3]),
    always=[
        (5, 10, 0.8, 0.25, 3),
        (0, 10, 0.8, 0.25, 3),
        (99, 10, 0.8, 0.25, 3),
        (13, 10, 0.5, 0.0, 3),
        (7, 7, 1.0, 0.25, 0),
    ],
)
def much_at_first_and_little_at_the_end(student, step, steps, final, initial, start):
    """Before `start` it is initial, `steps` later final, and in between final + (initial - final) (1 - t)^3."""
    t = 0.0 if step < start else 1.0 if step >= start + steps else (step - start) / steps
    mistakes = {
        "t is the part of the way that is done, and 1 - t the part that is left": final + (initial - final) * t**3,
        "the start is not taken off": final + (initial - final) * (1 - min(step / steps, 1)) ** 3,
        "the sparsity goes on after the end, or begins before the start": final
        + (initial - final) * (1 - (step - start) / steps) ** 3,
        "this is a straight line": initial + (final - initial) * t,
    }
    expected = final + (initial - final) * (1 - t) ** 3
    close(student.cubic_sparsity(step, steps, final, initial, start), expected, "the sparsity", mistakes=mistakes)


@rubric.check("cubic_sparsity", points=1, examples=1)
@given(
    always=[
        *[(5, 0.5, share) for share in NO_SHARES],
        *[(5, share, 0.5) for share in NO_SHARES],
        (0, 0.5, 0.0),
        (-3, 0.5, 0.0),
    ]
)
def no_schedule_is_refused(student, steps, final, initial):
    """Shares outside 0..1, the first one too, and fewer than 1 steps are a ValueError, at every step."""
    for step in (0, 1, 99):
        refuses("ValueError", student.cubic_sparsity, step, steps, final, initial)


# -- strongest_units --------------------------------------------------------------------------------------------------


@st.composite
def weights_and_units(draw):
    """A weight of 2 to 4 axes, one of its first two, and how many of its units to keep."""
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 4)), *draw(shapes(2)))
    axis = draw(st.integers(0, 1))
    return draw(whole_numbers(shape)).astype(draw(kinds)), draw(st.integers(1, shape[axis])), axis


def sums_of(weight, axis):
    return [float(np.abs(np.take(weight, u, axis=axis)).sum()) for u in range(weight.shape[axis])]


def loop_units(weight, count, axis):
    """One unit after the other stays: each time the first of the largest that are left."""
    sums, kept = sums_of(weight, axis), []
    for _ in range(count):
        kept.append(max((u for u in range(len(sums)) if u not in kept), key=lambda u: (sums[u], -u)))
    return np.array(sorted(kept))


rubric.doctests("strongest_units", points=1)


@rubric.check("strongest_units", points=1)
@given(
    weights_and_units(),
    always=[
        (np.array([[1.0, -9.0, 2.0, 9.0]]), 2, 1),
        (np.ones((4, 2)), 3, 0),
        (np.array([[5.0, 0.0, 3.0], [0.0, 4.0, 3.0]], np.float32), 1, 1),
        (np.array([[3.0, -3.0], [1.0, 1.0]]), 1, 0),
        (np.array([[9.0, 1.0, 5.0], [9.0, 1.0, 5.0]]), 2, 1),
        (np.arange(1.0, 25.0).reshape(3, 2, 2, 2)[::-1].copy(), 2, 0),
        (np.tile([1.0, 2.0], 20)[None], 25, 1),
        (np.array([[0.5, 0.75, 0.25]]), 1, 1),
        (np.array([[1.0, 1 + 1e-10, 0.5]]), 1, 1),
        (np.array([[[1.0, 1.0, 1.0], [9.0, 1.0, 1.0], [1.0, 1.0, 0.0]]]), 1, 1),
    ],
)
def the_largest_sums_stay(student, weight, count, axis):
    """The units whose sums of |w| are largest, of equals the first ones, in the order of their numbers."""
    squares = weight.astype(np.float64) ** 2
    mistakes = {
        "the weakest stay": np.sort(np.argsort(sums_of(weight, axis), kind="stable")[:count]),
        "these are the largest sums of w: its size |w| is wanted": loop_units(weight - weight.min(), count, axis),
        "these are the largest sums of squares": loop_units(squares, count, axis),
    }
    expected = loop_units(weight, count, axis)
    close(student.strongest_units(weight, count, axis), expected, "the units", mistakes=mistakes, index=True)


@rubric.check("strongest_units", points=1, examples=1)
@given(always=[(0, 1), (4, 1), (3, 0), (-1, 0)])
def no_count_is_refused(student, count, axis):
    """Fewer than 1 unit, or more than there are along this axis, is a ValueError."""
    refuses("ValueError", student.strongest_units, np.ones((2, 3)), count, axis)


# -- shrink_pair ------------------------------------------------------------------------------------------------------


@rubric.probe
def shrunk(tt, weights, biases, kept, means):
    """The weights and biases of the smaller pair, and of the pair itself afterwards; no bias is an empty one."""

    def layer(weight, bias):
        if weight.ndim == 2:
            made = tt.layers.Linear(*weight.shape, bias=bias is not None)
        else:
            made = tt.convolutions.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], bias=bias is not None)
        made.weight.data = weight
        if bias is not None:
            made.bias.data = bias
        return made

    first, second = (layer(weight, bias) for weight, bias in zip(weights, biases))
    pair = tt.compression.shrink_pair(first, second, kept, means)
    numbers = [[x.weight, np.zeros(0) if x.bias is None else x.bias] for x in (*pair, first, second)]
    return [number for two in numbers for number in two]


@rubric.probe
def shown(tt, kept):
    """Two smaller pairs as they show themselves, sizes, and whether any number is shared or learned."""
    linear, conv2d = tt.layers.Linear, tt.convolutions.Conv2d
    words, sizes, shared, learned = [], [], [], []
    for pair in (linear(2, 3), linear(3, 2)), (conv2d(1, 3, 2, stride=2, padding=1), conv2d(3, 2, 1, stride=3)):
        for parameter in (*pair[0].parameters(), *pair[1].parameters()):
            parameter.sum().backward()
        smaller = tt.compression.shrink_pair(*pair, kept)
        words += [repr(layer) for layer in smaller]
        sizes += [[layer.in_features, layer.out_features] for layer in smaller if isinstance(layer, linear)]
        for old, new in zip(pair, smaller):
            shared += [np.shares_memory(x.data, y.data) for x, y in ((old.weight, new.weight), (old.bias, new.bias))]
            learned += [parameter.grad is not None for parameter in new.parameters()]
    return [words, sizes, any(shared), any(learned)]


@st.composite
def pairs_of_layers(draw):
    """Weights and biases of two layers of any of three kinds, units to keep, and means or None."""
    units, inputs, out, dtype = draw(st.integers(2, 4)), draw(few), draw(few), draw(kinds)
    kind, area = draw(st.sampled_from(["linear", "convolutions", "flattened"])), draw(st.sampled_from([1, 2, 4]))
    first = (inputs, units) if kind == "linear" else (units, inputs, 1, 2)
    second = (out, units, 2, 2) if kind == "convolutions" else (units * (area if kind == "flattened" else 1), out)
    weights = [draw(mixed(shape)).astype(dtype) for shape in (first, second)]
    biases = [draw(st.one_of(st.none(), mixed((n,)))) for n in (units, out)]
    kept = sorted(draw(st.sets(st.integers(0, units - 1), min_size=1)))
    means = draw(st.one_of(st.none(), mixed((units,))))
    biases = [None if b is None else b.astype(dtype) for b in biases]
    return weights, biases, kept, None if means is None else means.astype(dtype)


def ramp(*shape, dtype=np.float32, start=1.0):
    return (start + np.arange(math.prod(shape))).reshape(shape).astype(dtype)


PAIRS = [
    ([ramp(2, 3), ramp(3, 2)], [ramp(3), ramp(2)], [0, 2], None),
    ([ramp(2, 3), ramp(3, 2)], [ramp(3), ramp(2)], [0, 2], np.array([100.0, 10.0, 1000.0], np.float32)),
    ([ramp(2, 3), ramp(3, 2)], [None, None], [1], np.array([100.0, 10.0, 1000.0], np.float32)),
    ([ramp(3, 1, 2, 2), ramp(12, 2)], [ramp(3), ramp(2)], [0, 2], np.array([9.0, 10.0, 7.0], np.float32)),
    ([ramp(3, 1, 2, 2), ramp(12, 2)], [None, ramp(2)], [1, 2], None),
    ([ramp(3, 1, 2, 2), ramp(2, 3, 2, 2)], [ramp(3), ramp(2)], [1], np.array([9.0, 10.0, 7.0], np.float32)),
    ([ramp(3, 1, 2, 2), ramp(2, 3, 2, 2)], [ramp(3), None], [0, 1], np.array([9.0, 10.0, 7.0], np.float64)),
    ([ramp(2, 3), ramp(3, 2)], [ramp(3), ramp(2)], [0, 1, 2], np.array([1.0, 2.0, 3.0], np.float32)),
    ([ramp(2, 3), ramp(3, 2)], [ramp(3), None], [0, 1, 2], np.array([1.0, 2.0, 3.0], np.float32)),
    ([ramp(2, 3), ramp(3, 2)], [ramp(3), ramp(2)], [0], np.array([9.0, 10.0, 7.0])),
    ([ramp(2, 3), ramp(3, 2)], [ramp(3), ramp(2)], [0], np.array([0.5, 0.25, 0.5], np.float32)),
]


def units_of(weight):
    """How many units a layer has, and the axis that counts them."""
    return (weight.shape[1], 1) if weight.ndim == 2 else (len(weight), 0)


def taken_apart(weights, biases, kept, means):
    """The smaller pair's four arrays, unit by unit and input by input."""
    (w1, w2), (b1, b2) = weights, biases
    units, axis = units_of(w1)
    reads = 0 if w2.ndim == 2 else 1
    area = w2.shape[reads] // units
    narrow = np.stack([np.take(w1, u, axis=axis) for u in kept], axis=axis)
    following = np.concatenate(
        [np.take(w2, range(u * area, (u + 1) * area), axis=reads) for u in kept], axis=reads
    )  # fmt: skip
    constant = np.zeros(w2.shape[1 - reads], w2.dtype)
    for u in set(range(units)) - set(kept):
        block = np.take(w2, range(u * area, (u + 1) * area), axis=reads)
        if means is not None:
            constant += w2.dtype.type(means[u]) * block.sum(axis=tuple(i for i in range(w2.ndim) if i != 1 - reads))
    nothing = np.zeros(0)
    said = nothing if b2 is None and means is None else constant + (0 if b2 is None else b2)
    return narrow, nothing if b1 is None else b1[kept], following, said.astype(w2.dtype) if said.size else said


SHOWN = [
    "Linear(2, 2)",
    "Linear(2, 2)",
    "Conv2d(1, 2, kernel_size=(2, 2), stride=(2, 2), padding=(1, 1))",
    "Conv2d(2, 2, kernel_size=(1, 1), stride=(3, 3))",
]


@rubric.check("shrink_pair", points=1)
@given(pairs_of_layers(), always=PAIRS)
def units_and_their_inputs_go(student, weights, biases, kept, means):
    """The first layer has the kept units alone, with their biases; the second has the inputs that read them.

    Both have the options of the layers that were given, and numbers of their own.
    """
    yours, expected = student.shrunk(weights, biases, kept, means), taken_apart(weights, biases, kept, means)
    close(yours[0], expected[0], "the first layer's weight")
    close(yours[1], expected[1], "the first layer's bias")
    units, _ = units_of(weights[0])
    area, mistakes = weights[1].shape[0] // units, {}
    if weights[1].ndim == 2 and area > 1:
        turns = [a * units + u for a in range(area) for u in kept]
        mistakes["the pixels of a unit stand side by side: unit 0 first, with all of its pixels"] = weights[1][turns]
    close(yours[2], expected[2], "the second layer's weight", mistakes=mistakes)
    words, sizes, shared, learned = student.shown([0, 2])
    same(words, SHOWN, "how the layers show themselves")
    same(sizes, [[2, 2], [2, 2]], "in_features and out_features of two Linear")
    holds(not shared, "the smaller layers share no memory with the layers that were given")
    holds(not learned, "the smaller layers have no gradients yet")


@rubric.check("shrink_pair", points=2)
@given(pairs_of_layers(), always=PAIRS)
def what_is_cut_goes_on_saying_its_mean(student, weights, biases, kept, means):
    """With means, the second layer's bias takes up what the units that are cut say on average; without, it stays."""
    yours, expected = student.shrunk(weights, biases, kept, means), taken_apart(weights, biases, kept, means)
    units, _ = units_of(weights[0])
    if biases[1] is not None or len(kept) < units or np.size(yours[3]):  # without a cut there may be no bias, or zeros
        close(yours[3], expected[3], "the second layer's bias")
    for mine, before, name in zip(yours[4:], (weights[0], biases[0], weights[1], biases[1]), ("w", "b", "w", "b")):
        if before is not None:
            holds(np.array_equal(mine, before), f"the layers that were given are as they were ({name})")


@rubric.check("shrink_pair", points=1, examples=1)
@given(
    always=[
        ((2, 3), (3, 2), [2, 1]), ((2, 3), (3, 2), []), ((2, 3), (3, 2), [0, 3]), ((2, 3), (3, 2), [-1, 1]),
        ((2, 3), (4, 2), [0]), ((2, 3), (2, 2), [0]), ((3, 1, 2, 2), (2, 4, 1, 1), [0]),
        ((2, 3), (3, 2), [1, 1]), ((2, 3), (3, 2), [0.0, 1.9]), ((2, 3), (3, 2), [False, True, True]),
    ]
)  # fmt: skip
def what_does_not_fit_is_refused(student, first, second, kept):
    """Units that are not there, not in order or no whole numbers, inputs that are no multiple of them: a ValueError."""
    refuses("ValueError", student.shrunk, [ramp(*first), ramp(*second)], [None, None], kept, None)


# -- truncated_svd ----------------------------------------------------------------------------------------------------


@st.composite
def matrices_and_ranks(draw):
    """A weight (in, out), and a rank that it has."""
    weight = draw(mixed((draw(st.integers(1, 4)), draw(st.integers(1, 4))))).astype(draw(kinds))
    return weight, draw(st.integers(1, min(weight.shape)))


def nearest(weight, rank):
    """The matrix of this rank that lies nearest: a sum of the first terms s u v^T."""
    u, s, vt = np.linalg.svd(weight.astype(np.float64))
    return sum(s[i] * np.outer(u[:, i], vt[i]) for i in range(rank))


@rubric.check("truncated_svd", points=2)
@given(
    matrices_and_ranks(),
    always=[
        (ramp(3, 4), 1),
        (ramp(4, 3), 2),
        (np.diag([1.0, 5.0, 3.0]), 2),
        (1e4 * ramp(2, 2), 1),
        (np.zeros((2, 3)), 1),
        (1e-8 * ramp(2, 2), 1),
        (np.array([[1.0, 2.0], [2.0, -1.0]]), 1),
        (np.float32(1e25) * ramp(2, 2), 1),
        (np.float32(1e-25) * ramp(2, 2), 1),
    ],
)
def no_matrix_of_this_rank_is_nearer(student, weight, rank):
    """left (in, r) times right (r, out) is the sum of the first r terms, in weight's dtype."""
    left, right = student.truncated_svd(weight, rank)
    same(tuple(left.shape), (weight.shape[0], rank), "left's shape")
    same(tuple(right.shape), (rank, weight.shape[1]), "right's shape")
    atol = (float(np.abs(weight).max()) or 1.0) * (1e-5 if weight.dtype == np.float32 else 1e-7)
    u, s, vt = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    if rank < len(s) and s[rank - 1] - s[rank] <= 1e-3 * s[0]:  # of equal ones either may be taken
        distance = np.linalg.norm(weight.astype(np.float64) - left.astype(np.float64) @ right)
        close(float(distance), float(np.linalg.norm(s[rank:])), "how far left @ right is from weight", atol=atol)
    else:
        weakest = (u[:, -rank:] * s[-rank:]) @ vt[-rank:]
        mistakes = {
            "these are the smallest singular values: the largest come first": weakest,
            "the singular values are left out": u[:, :rank] @ vt[:rank],
            "the singular values come in twice": (u[:, :rank] * s[:rank] ** 2) @ vt[:rank],
        }
        mistakes = {say: wrong.astype(weight.dtype) for say, wrong in mistakes.items()}
        expected = nearest(weight, rank).astype(weight.dtype)
        close(left @ right, expected, "left @ right", atol=atol, mistakes=mistakes)
    close(right @ right.T, np.eye(rank, dtype=weight.dtype), "right times its transpose", atol=1e-4)


@rubric.check("truncated_svd", points=1, examples=1)
@given(always=[(0, (3, 2)), (3, (3, 2)), (3, (2, 3)), (-1, (2, 2))])
def no_rank_is_refused(student, rank, shape):
    """A rank below 1, or above the smaller of the two sizes, is a ValueError."""
    refuses("ValueError", student.truncated_svd, np.ones(shape), rank)


# -- rank_for_energy --------------------------------------------------------------------------------------------------


@st.composite
def spectra(draw):
    """Singular values, largest first, and a share of their energy."""
    values = sorted(draw(st.lists(st.integers(0, 6), min_size=1, max_size=5)), reverse=True)
    return np.array(values, draw(kinds)), draw(st.sampled_from([0.0, 0.3, 0.49, 0.7, 0.9, 0.99, 1.0]))


@rubric.check("rank_for_energy", points=1)
@given(
    spectra(),
    always=[
        (np.array([3.0, 2.0, 1.0]), 0.9), (np.array([3.0, 2.0, 1.0]), 1.0), (np.array([1.0, 1.0, 1.0, 1.0]), 0.5),
        (np.array([2.0, 1.0, 0.0], np.float32), 1.0), (np.array([5.0]), 0.3), (np.zeros(3), 0.9),
        (np.ones(1000, np.float32), 1.0), (np.ones(10), 1.0), (np.array([1e25, 1.0], np.float32), 1.0),
        (np.array([300.0, 100.0], np.float16), 0.95), (np.array([1e-5, 1e-5]), 1.0), (np.array([1000.0, 0.5]), 1.0),
        (np.array([1000.0, 1.0]), 1.0), (np.array([1e25, 1e25], np.float32), 1.0),
        (np.array([1e-25, 1e-25], np.float32), 1.0),
    ],
)  # fmt: skip
def the_smallest_that_is_enough(student, values, share):
    """The first rank at which the sum of squares reaches the share of the whole: at least 1."""
    squares, total = [float(value) ** 2 for value in values], math.fsum(float(value) ** 2 for value in values)
    reached, rank = squares[0], 1
    while reached < share * total and rank < len(squares):
        reached, rank = reached + squares[rank], rank + 1
    mistakes = {"this is one less": rank - 1}
    sums = np.cumsum(values, dtype=np.float64)
    mistakes["these are sums of the values: their squares are wanted"] = (
        int(np.searchsorted(sums, share * sums[-1])) + 1
    )
    yours = student.rank_for_energy(values, share)
    close(yours, rank, "the rank", mistakes=mistakes, index=True)
    holds(isinstance(yours, int | np.integer), "a rank is a whole number, an int", yours=yours)


@rubric.check("rank_for_energy", points=1, examples=1)
@given(always=NO_SHARES)
def no_share_of_energy_is_refused(student, share):
    """A share outside 0..1 is a ValueError, of zeros, too."""
    for values in (np.ones(3), np.zeros(3)):
        refuses("ValueError", student.rank_for_energy, values, share)


# -- distillation_loss ------------------------------------------------------------------------------------------------


@rubric.probe
def distilled(tt, logits, teacher, target, temperature, alpha, teacher_is_array=False):
    """The loss, the gradient of the logits, whether the teacher got one, and whether it may get one later."""
    logits, told = tt.Tensor(logits, requires_grad=True), tt.Tensor(teacher, requires_grad=True)
    answers = (teacher, tt.Tensor(target)) if teacher_is_array else (told, target)
    loss = tt.compression.distillation_loss(logits, *answers, temperature, alpha)
    loss.backward()
    return [loss, logits.grad, told.grad is not None, told.requires_grad]


@st.composite
def answers(draw):
    """Logits (B, C), a teacher's, classes (B,), a temperature, and the share of the teacher."""
    rows, classes, dtype = draw(few), draw(st.integers(2, 4)), draw(kinds)
    logits, teacher = (draw(whole_numbers((rows, classes), 3)).astype(dtype) for _ in range(2))
    target = draw(filled((rows,), st.integers(0, classes - 1), np.int64))
    return (
        logits,
        teacher,
        target,
        draw(st.sampled_from([0.5, 1.0, 2.0, 4.0])),
        draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
    )


def softened(x, temperature):
    e = np.exp((x - x.max(axis=1, keepdims=True)) / temperature)
    return e / e.sum(axis=1, keepdims=True)


def log_softened(x, temperature):
    x = (x - x.max(axis=1, keepdims=True)) / temperature
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def both_losses(logits, teacher, target, temperature):
    """KL(p || q), and the cross entropy, means over the batch."""
    logits, teacher = logits.astype(np.float64), teacher.astype(np.float64)
    p, log_p, log_q = (
        softened(teacher, temperature),
        log_softened(teacher, temperature),
        log_softened(logits, temperature),
    )
    hard = -log_softened(logits, 1.0)[np.arange(len(target)), target].mean()
    return (p * (log_p - log_q)).sum(axis=1).mean(), hard


APART = np.array([[3.0, 0.0, -1.0], [0.0, 2.0, 1.0]]), np.array([[0.0, 4.0, 1.0], [-2.0, 0.0, 3.0]])
EXTREME = np.array([[1000.0, 0.0, -1000.0]]), np.array([[0.0, 1000.0, -1000.0]])
ANSWERS = [
    *[(*case, np.array([2, 0]), 4.0, 0.9) for case in in_each_dtype(*APART)[:1]],
    (*APART, np.array([2, 0]), 2.0, 0.3),
    (*APART, np.array([1, 1]), 4.0, 1.0),
    (*APART, np.array([1, 1]), 4.0, 0.0),
    (*EXTREME, np.array([1]), 1.0, 0.5),
    (*EXTREME, np.array([0]), 2.0, 1.0),
    (np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([[0.0, 1000.0], [0.0, 1.0]]), np.array([0, 1]), 1.0, 0.5),
]


@rubric.check("distillation_loss", points=2)
@given(answers(), always=ANSWERS)
def teacher_and_truth(student, logits, teacher, target, temperature, alpha):
    """alpha T^2 KL(p || q) + (1 - alpha) cross entropy, each a mean over the batch, for extreme logits too."""
    soft, hard = both_losses(logits, teacher, target, temperature)
    other, _ = both_losses(teacher, logits, target, temperature)
    t2 = temperature**2
    mistakes = {
        "T^2 is missing": alpha * soft + (1 - alpha) * hard,
        "teacher and student are the wrong way round": alpha * t2 * other + (1 - alpha) * hard,
        "alpha belongs to the teacher, 1 - alpha to the truth": (1 - alpha) * t2 * soft + alpha * hard,
        "the sum over the batch, not its mean": alpha * t2 * soft * len(target) + (1 - alpha) * hard,
    }
    expected = logits.dtype.type(alpha * t2 * soft + (1 - alpha) * hard)
    mistakes = {say: logits.dtype.type(wrong) for say, wrong in mistakes.items()}
    close(student.distilled(logits, teacher, target, temperature, alpha)[0], expected, "the loss", mistakes=mistakes)


@rubric.check("distillation_loss", points=1)
@given(answers(), always=ANSWERS)
def the_student_learns_and_the_teacher_does_not(student, logits, teacher, target, temperature, alpha):
    """The logits' gradient is (alpha T (q - p) + (1 - alpha) (softmax - onehot)) / B; a teacher's tensor has none."""
    _, gradient, taught, free = student.distilled(logits, teacher, target, temperature, alpha)
    rows, classes = logits.shape
    wide, told = logits.astype(np.float64), teacher.astype(np.float64)
    soft = temperature * (softened(wide, temperature) - softened(told, temperature))
    hard = softened(wide, 1.0) - np.eye(classes)[target]
    expected = ((alpha * soft + (1 - alpha) * hard) / rows).astype(logits.dtype)
    close(gradient, expected, "logits.grad", atol=1e-5 if logits.dtype == np.float32 else 1e-8)
    holds(not taught, "the teacher gets no gradient")
    holds(free, "the teacher's tensor still requires a gradient, as it did before")
    again = student.distilled(logits, teacher, target, temperature, alpha, True)
    close(again[1], gradient, "logits.grad, with the teacher's answer as an array and the target as a tensor")


@rubric.check("distillation_loss", points=1, examples=1)
@given(
    always=[
        (2.0, -0.1, (1, 2)), (2.0, 1.1, (1, 2)), (2.0, math.nan, (1, 2)), (0.0, 0.5, (1, 2)), (-1.0, 0.5, (1, 2)),
        (math.nan, 0.5, (1, 2)), (2.0, 0.5, (1, 1)), (2.0, 0.5, (2, 2)), (2.0, 0.5, (2, 1)),
    ]
)  # fmt: skip
def what_makes_no_sense_is_refused(student, temperature, alpha, shape):
    """A temperature that is not above 0, an alpha outside 0..1, a teacher of another shape: a ValueError."""
    refuses("ValueError", student.distilled, np.ones((1, 2)), np.ones(shape), np.array([0]), temperature, alpha)


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_without_zeros():
    """A matrix with a tenth of its numbers, as our own format holds it."""
    from tinytorch.compression import to_sparse

    weight = np.arange(1, 780 * 256 + 1, dtype=np.float32).reshape(780, 256)
    return to_sparse(np.where(np.arange(780 * 256).reshape(780, 256) % 10, np.float32(0), weight)).nbytes


@rubric.accounting(points=1, unit="bytes", counted=bytes_without_zeros, tolerance=0, difficulty=2, minutes=10)
def sparse_bytes():
    """How many bytes does `to_sparse` take for a weight (780, 256) of which nine tenths are zero?

    float32 values, and int32 for rows and starts. The count is exact.
    """
    # What is kept of each number that is not zero? And how many starts are there?
    kept = 780 * 256 / 10
    return kept * (4 + 4) + (256 + 1) * 4


def parameters_after_shrinking():
    """What a model of half its units holds, counted."""
    from tinytorch.compression import shrink_network
    from tinytorch.layers import Linear, ReLU, Sequential

    rng = np.random.default_rng(0)
    model = Sequential(Linear(64, 256, rng=rng), ReLU(), Linear(256, 128, rng=rng), ReLU(), Linear(128, 10, rng=rng))
    return sum(p.numel() for p in shrink_network(model, 0.5).parameters())


@rubric.accounting(
    points=1, unit="parameters", counted=parameters_after_shrinking, tolerance=0, difficulty=1, minutes=8
)
def shrunk_parameters():
    """How many parameters are left of a network 64-256-128-10 when half of its hidden units are cut?

    Linear layers, each with a bias. The inputs and the ten answers stay.
    """
    # Which layers lose units, which lose inputs, and which lose both?
    return 64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10


def largest_rank_that_saves():
    """Two layers for one, with the rank turned up until they hold as many weights as the one."""
    from tinytorch.compression import low_rank
    from tinytorch.layers import Linear

    layer = Linear(60, 40, rng=np.random.default_rng(0))
    whole = sum(p.numel() for p in layer.parameters())
    return max(r for r in range(1, 41) if sum(p.numel() for p in low_rank(layer, r).parameters()) < whole)


@rubric.accounting(points=1, unit="dimensions", counted=largest_rank_that_saves, tolerance=0, difficulty=2, minutes=8)
def saving_rank():
    """Up to which rank do the two layers of low_rank hold fewer numbers than Linear(60, 40) itself? The bias stays."""
    # r (60 + 40) against 60 x 40. Fewer, not as many.
    return 60 * 40 / (60 + 40) - 1

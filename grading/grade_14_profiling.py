"""Chapter 14, profiling: what operations compute and move, what a machine allows, and whose time is whose.

Shapes are tuples; spans (name, start, end) are in whole seconds or in quarters, so that their sums are exact. The
oracles are loops: over the numbers of a result, over seconds.
"""

import itertools
import math

import numpy as np
from hypothesis import strategies as st
from strategies import shapes

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("14", module="profiling")

rubric.exercise("product_flops", difficulty=2, minutes=10)
rubric.exercise("convolution_flops", difficulty=1, minutes=8)
rubric.exercise("moved_bytes", difficulty=2, minutes=20)
rubric.exercise("arithmetic_intensity", difficulty=1, minutes=3)
rubric.exercise("roofline", difficulty=1, minutes=5)
rubric.exercise("amdahl", difficulty=2, minutes=15)
rubric.exercise("self_times", difficulty=3, minutes=35)
rubric.exercise("by_name", difficulty=2, minutes=20)

few = st.integers(1, 4)


def plain(number):
    """A NumPy integer as Python's own: either will do as an answer."""
    return int(number) if isinstance(number, np.integer) else number


# -- product_flops ----------------------------------------------------------------------------------------------------


@st.composite
def factors(draw):
    """Shapes of x and y that a product fits: vectors, matrices, and leading axes that broadcast."""
    m, k, n = draw(few), draw(few), draw(few)
    x, y = draw(st.sampled_from([(k,), (m, k)])), draw(st.sampled_from([(k,), (k, n)]))
    lead = draw(shapes(2))
    if len(x) == 2 and lead:
        x = (*(1 if draw(st.booleans()) else side for side in lead), *x)
    if len(y) == 2 and draw(st.booleans()):
        y = (*lead, *y)
    return x, y


def operations(x, y):
    """Two for each number of the result and each term it sums."""
    return 2 * x[-1] * np.matmul(np.zeros(x), np.zeros(y)).size


rubric.doctests("product_flops", points=1)


@rubric.check("product_flops", points=1)
@given(
    factors(),
    always=[
        ((5, 1, 2, 3), (7, 3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 4)),
        ((3,), (3,)),
        ((0, 3), (3, 2)),
        ((0, 2, 3), (3, 4)),
        ((5, 2, 3), (1, 3, 4)),
        ((2, 0), (0, 2)),
        ((64, 784), (784, 128)),
    ],
)
def two_for_each_number_and_term(student, x, y):
    """Each number of x @ y sums k products: a multiplication and an addition each. Leading axes broadcast."""
    close(plain(student.product_flops(x, y)), operations(x, y), "the operations")


# -- convolution_flops ------------------------------------------------------------------------------------------------


@st.composite
def convolved(draw):
    """The shapes of a result (B, K, H, W) and of its weight (K, C / groups, kh, kw)."""
    k = draw(few)
    return (draw(few), k, draw(few), draw(few)), (k, draw(few), draw(few), draw(few))


rubric.doctests("convolution_flops", points=1)


@rubric.check("convolution_flops", points=1)
@given(convolved(), st.booleans(), always=[((2, 3, 4, 5), (3, 2, 3, 1), True), ((0, 3, 4, 5), (3, 2, 3, 1), False)])
def a_window_for_each_number(student, z, weight, bias):
    """Each number of the result sums as many products as its window has numbers; a bias is one addition more."""
    wanted = sum(2 * math.prod(weight[1:]) + bias for _ in np.ndindex(z))
    close(plain(student.convolution_flops(z, weight, bias)), wanted, "the operations")
    close(plain(student.convolution_flops(z, weight)), wanted - bias * math.prod(z), "the operations without a bias")
    large = plain(student.convolution_flops((64, 255, 55, 55), (255, 255, 3, 3)))
    close(large, 2 * 64 * 255 * 55 * 55 * 255 * 9, "the operations of a large convolution", rtol=0)


# -- moved_bytes ------------------------------------------------------------------------------------------------------


@rubric.probe
def moved_by(tt, way, x, y):
    z, column, pair = x * 2, y[:, :1], np.stack([x, y])
    ways = {
        "a sum": ([x, y], [x + y]),
        "a square": ([x, x], [x * x]),
        "with a number": ([x, 2.0, None, 3, True], [z]),
        "a stretched column": ([x, np.broadcast_to(column, y.shape)], [x + column]),
        "one number, stretched": ([np.broadcast_to(column[:1], y.shape)], [z]),
        "a transpose": ([x], [x.T]),
        "a part": ([x, y], [x[:, 1:]]),
        "the same array": ([x], [x]),
        "two results": ([x, y], [z, y * x]),
        "one result, twice": ([x, y], [z, z]),
        "a view and a product": ([x, y], [x.reshape(-1), z]),
        "no second gradient": ([x, y], [z, None]),
        "a number": ([x], [x.sum()]),
        "every other column": ([x[:, ::2]], [x[:, ::2] * 2]),
        "nothing": ([x[:0]], [x[:0] * 2]),
        "another dtype": ([x], [x.astype(np.complex128)]),
        "out of nothing": ([2.0], [z]),
        "nothing at all": ([x], [None]),
        "a NumPy scalar given": ([x, x.dtype.type(2)], [z]),
        "an array of no axes given": ([x, np.array(2, x.dtype)], [z]),
        "indices given": ([x, np.arange(3)], [z]),
        "an equal array": ([x, x.copy()], [z]),
        "an equal result": ([x], [z, z.copy()]),
        "its first row, too": ([x, x[:1]], [z]),
        "both halves": ([x[:, 0::2], x[:, 1::2]], [z]),
        "a stretched result": ([x], [np.broadcast_to(x.sum(), x.shape)]),
        "a view of the second": ([y, x], [x.T]),
        "another part of the same memory": ([pair[0]], [pair[1]]),
        "a new array, reshaped": ([x], [(x * 2).reshape(-1)]),
        "a comparison": ([x], [x > 3]),
    }
    inputs, results = ways[way]
    before = [id(a) for a in (*inputs, "and", *results)]
    moved = tt.profiling.moved_bytes(inputs, results)
    kept = before == [id(a) for a in (*inputs, "and", *results)]
    return [moved, tt.profiling.moved_bytes(inputs, tuple(results)), kept]


def bytes_by_hand(way, x):
    """What each way moves, in bytes: an array has `size`, a column `column`, a number `one`."""
    (rows, columns), one = x.shape, x.itemsize
    size, column = rows * columns * one, rows * one
    half = rows * ((columns + 1) // 2) * one
    return {
        "a sum": 3 * size,
        "a square": 2 * size,
        "with a number": 2 * size,
        "a stretched column": 2 * size + column,
        "one number, stretched": size + one,
        "a transpose": 0,
        "a part": 0,
        "the same array": 0,
        "two results": 4 * size,
        "one result, twice": 3 * size,
        "a view and a product": 3 * size,
        "no second gradient": 3 * size,
        "a number": size + one,
        "every other column": 2 * half,
        "nothing": 0,
        "another dtype": size + 16 * rows * columns,
        "out of nothing": size,
        "nothing at all": 0,
        "a NumPy scalar given": 2 * size,
        "an array of no axes given": 2 * size + one,
        "indices given": 2 * size + 24,
        "an equal array": 3 * size,
        "an equal result": 3 * size,
        "its first row, too": 2 * size + columns * one,
        "both halves": 2 * size,
        "a stretched result": size + one,
        "a view of the second": 0,
        "another part of the same memory": 2 * size,
        "a new array, reshaped": 2 * size,
        "a comparison": size + rows * columns,
    }[way]


WAYS = ["a sum", "a square", "with a number", "a stretched column", "one number, stretched", "a transpose", "a part",
        "the same array", "two results", "one result, twice", "a view and a product", "no second gradient", "a number",
        "every other column", "nothing", "another dtype", "out of nothing", "nothing at all", "a NumPy scalar given",
        "an array of no axes given", "indices given", "an equal array", "an equal result", "its first row, too",
        "both halves", "a stretched result", "a view of the second", "another part of the same memory",
        "a new array, reshaped", "a comparison"]  # fmt: skip


def some(dtype, columns=4):
    return np.arange(1, 3 * columns + 1).reshape(3, columns).astype(dtype)


def check_bytes(student, way, x):
    """The bytes of one way, whether results are a list or a tuple."""
    moved, of_tuples, kept = student.moved_by(way, x, x + 1)
    close(plain(moved), bytes_by_hand(way, x), f"the bytes of {way}")
    close(plain(of_tuples), bytes_by_hand(way, x), f"the bytes of {way}, with a tuple of results")
    holds(kept, "the lists of inputs and results are as they were")


rubric.doctests("moved_bytes", points=1)


@rubric.check("moved_bytes", points=1)
@given(
    st.sampled_from(["a sum", "with a number", "two results"]),
    st.sampled_from(["float32", "float64"]),
    always=list(
        itertools.product(["a sum", "another dtype", "no second gradient", "a number"], ["float32", "float64"])
    ),
)
def read_once_and_written_once(student, way, dtype):
    """All inputs that are arrays, and all results, in bytes: the size of a number depends on the dtype."""
    check_bytes(student, way, some(dtype))


@rubric.check("moved_bytes", points=1)
@given(
    st.sampled_from(WAYS),
    st.sampled_from(["float32", "float64"]),
    st.integers(2, 5),
    always=[(way, "float32", 4) for way in WAYS],
)
def what_is_there_once_moves_once(student, way, dtype, columns):
    """An array given twice moves once, a stretched axis holds one number, and a view of an input is not written."""
    check_bytes(student, way, some(dtype, columns))


# -- arithmetic_intensity, roofline -----------------------------------------------------------------------------------

rubric.doctests("arithmetic_intensity", points=1)


@rubric.check("arithmetic_intensity", points=1)
@given(
    st.integers(0, 1000),
    st.integers(0, 1000),
    always=[(0, 0), (0, 7), (7, 0), (3, 4), (5, 1), (0.5, 0.25), (10**12, 10**9)],
)
def operations_a_byte(student, flops, moved):
    """FLOPs over bytes; 0 where there is neither, infinite where there are no bytes."""
    if moved == 0:
        yours = student.arithmetic_intensity(flops, moved)
        holds(yours == (math.inf if flops else 0), "nothing moved: infinite, or 0 for no work", yours=yours)
    else:
        close(student.arithmetic_intensity(flops, moved), flops / moved, "the intensity")


@rubric.probe
def reached(tt, intensity, peak, bandwidth):
    return tt.profiling.roofline(intensity, tt.profiling.Roof(peak, bandwidth))


rubric.doctests("roofline", points=1)


@rubric.check("roofline", points=1)
@given(
    st.integers(0, 40).map(lambda n: n / 4),
    st.integers(1, 50).map(float),
    st.integers(1, 50).map(float),
    always=[
        (0.0, 5.0, 2.0),
        (2.25, 5.0, 2.0),
        (2.5, 5.0, 2.0),
        (10.0, 5.0, 2.0),
        (0.25, 5.0, 2.0),
        (math.inf, 5.0, 2.0),
    ],
)
def the_lower_of_two_limits(student, intensity, peak, bandwidth):
    """Bytes a second times operations a byte, as long as that is below the peak; the peak from there on."""
    wanted = peak if intensity * bandwidth >= peak else intensity * bandwidth
    mistakes = {
        "the higher of the two": max(peak, intensity * bandwidth),
        "memory is no limit here": peak,
        "there is no peak here": intensity * bandwidth,
    }
    close(student.reached(intensity, peak, bandwidth), wanted, "operations a second", mistakes=mistakes)


# -- amdahl -----------------------------------------------------------------------------------------------------------


@st.composite
def parts(draw):
    """Shares in sixteenths, at most 1 together, and speedups."""
    shares = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))
    speedups = [draw(st.sampled_from([0.5, 1.0, 2.0, 4.0, 10.0, math.inf])) for _ in shares]
    return [share / 16 for share in shares], speedups


rubric.doctests("amdahl", points=1)


@rubric.check("amdahl", points=1)
@given(
    parts(),
    always=[
        ([0.5], [2.0]),
        ([0.25, 0.5], [2.0, 4.0]),
        ([0.75], [math.inf]),
        ([0.5, 0.5], [2.0, math.inf]),
        ([], []),
        ([0.5], [0.25]),
        ([0.0], [math.inf]),
        ([0.1] * 10, [2.0] * 10),
        ([0.2, 0.4, 0.3, 0.1], [2.0, 4.0, 2.0, 4.0]),  # their sum is a little above 1
    ],
)
def the_rest_stays_as_it_is(student, shares, speedups):
    """1 over what is left: the rest, and each share over its speedup."""
    left = sum(share / k for share, k in zip(shares, speedups)) + 1 - sum(shares)
    close(student.amdahl(shares, speedups), 1 / left, "the speedup of the whole")


@rubric.check("amdahl", points=1)
def what_is_no_share_is_refused(student):
    """Shares are not negative and at most 1 together (give or take 1e-9), speedups above 0, and one for each share."""
    for shares, speedups in (
        ([-0.25], [2.0]), ([0.5, -0.25], [2.0, 2.0]), ([0.75, 0.5], [2.0, 2.0]), ([1.25], [2.0]), ([math.nan], [2.0]),
        ([0.5], [0.0]), ([0.5], [-2.0]), ([0.5, 0.25], [2.0]), ([0.5], [2.0, 3.0]), ([0.25, 0.25], [4.0, 0.0]),
        ([0.5], [math.nan]), ([0.0, 0.5], [-2.0, 2.0]), ([0.5, 0.5 + 1e-6], [2.0, 2.0]),
    ):  # fmt: skip
        refuses("ValueError", student.amdahl, shares, speedups)
    refuses("ValueError", student.amdahl, [0.75, 0.5], [2.0, 2.0], mentioning=["0.75"])
    refuses("ValueError", student.amdahl, [0.5], [-2.0], mentioning=["-2"])
    refuses("ValueError", student.amdahl, [-0.25], [2.0], mentioning=["-0.25"])
    refuses("ValueError", student.amdahl, [0.5, 0.25, 0.125], [3.0], mentioning=["3"])  # how many, or which
    yours = student.amdahl([1.0], [math.inf])
    holds(yours == math.inf, "if all of it vanishes, the speedup is infinite", yours=yours)
    yours = student.amdahl([0.2, 0.4, 0.3, 0.1], [math.inf] * 4)  # their sum is a little above 1
    holds(yours == math.inf, "if all of it vanishes, the speedup is infinite", yours=yours)
    close(student.amdahl([0.5, 0.5 + 5e-10], [2.0, 2.0]), 2.0, "the speedup of the whole")
    close(student.amdahl([1.0], [1000.0]), 1000.0, "the speedup of the whole")
    close(student.amdahl([1 / 3, 1 / 3, 1 / 3], [2.0, 2.0, 2.0]), 2.0, "the speedup of the whole")


# -- self_times, by_name ----------------------------------------------------------------------------------------------


@st.composite
def trees(draw, start=0, end=24, depth=0):
    """Spans [name, start, end] that nest, outer ones first."""
    count = draw(st.integers(0 if depth else 1, 2)) if depth < 3 else 0
    cuts = sorted(draw(st.integers(start, end)) for _ in range(2 * count))
    found = []
    for a, b in zip(cuts[::2], cuts[1::2]):
        found += [[draw(st.sampled_from(["f", "g", "h"])), a, b], *draw(trees(a, b, depth + 1))]
    return found


STEP = [["step", 0, 10], ["there", 1, 5], ["layer", 2, 5], ["back", 5, 9]]
DEEP = [["f", 0, 20], ["g", 2, 18], ["f", 4, 16], ["g", 6, 14], ["f", 7, 8], ["f", 9, 12], ["h", 20, 24]]
EQUAL = [["f", 3, 9], ["g", 3, 9], ["h", 3, 9], ["h", 9, 12]]
SIDE = [["f", 0, 4], ["f", 4, 6], ["g", 8, 9], ["f", 9, 12], ["g", 10, 11]]
TOGETHER = [["f", 0, 10], ["f", 0, 4], ["g", 4, 9], ["g", 4, 6]]
EMPTY = [["f", 2, 2], ["g", 2, 6], ["h", 6, 6], ["h", 7, 9]]
TWINS = [["f", 3, 9], ["f", 3, 9], ["g", 4, 5]]


def innermost(spans):
    """Of each span the seconds in which it is the innermost one; outer ones come first."""
    own = [0] * len(spans)
    for second in range(24):
        inside = [i for i, (_, start, end) in enumerate(spans) if start <= second < end]
        if inside:
            own[inside[-1]] += 1
    return own


@rubric.probe
def owned(tt, spans, first, unit):
    kinds = ["primitive", "rule", "module", "region"]
    spans = [
        tt.profiling.Span(name, first + unit * start, first + unit * end, kind=kinds[start % 4], thread=start % 2)
        for name, start, end in spans
    ]
    before = list(spans)
    own = tt.profiling.self_times(spans)
    return [list(own), list(tt.profiling.self_times(tuple(spans))), spans == before]


rubric.doctests("self_times", points=1)


@rubric.check("self_times", points=2)
@given(
    trees(),
    st.sampled_from([0, -3, 100]),
    st.sampled_from([1, 0.25]),
    always=[(STEP, 0, 1), *((spans, -3, 0.25) for spans in (STEP, DEEP, EQUAL, SIDE, TOGETHER, EMPTY, TWINS, []))],
)
def the_time_of_the_innermost(student, spans, first, unit):
    """A span owns the time in which no other span inside it is open; what lies deeper is taken off once.

    A span (name, start, end) is open from first + unit * start to first + unit * end.
    """
    own, of_tuple, unchanged = student.owned(spans, first, unit)
    wanted = np.array(innermost(spans), float)
    length = np.array([end - start for _, start, end in spans], float)
    inside = [
        sum(b - a for j, (_, a, b) in enumerate(spans) if j > i and start <= a and b <= end)
        for i, (_, start, end) in enumerate(spans)
    ]
    mistakes = {
        "these are total times": unit * length,
        "what lies deeper is taken off more than once": unit * (length - np.array(inside, float)),
    }
    close(np.array(own, float), unit * wanted, "the self times", mistakes=mistakes)
    close(np.array(of_tuple, float), unit * wanted, "the self times of a tuple of spans")
    holds(unchanged, "the list of spans is as it was")


@rubric.check("self_times", points=1)
@given(trees(), st.integers(0, 9), always=[(STEP, 2), (DEEP, 1), (SIDE, 3), (TOGETHER, 4)])
def spans_come_in_any_order(student, spans, seed):
    """The order of the list says nothing, but for spans that are equal; spans that overlap in part are refused."""
    spans = [span for i, span in enumerate(spans) if span[1:] not in [s[1:] for s in spans[:i]]]
    order = [int(i) for i in np.random.default_rng(seed).permutation(len(spans))]
    wanted = innermost(spans)
    own, *_ = student.owned([spans[i] for i in order], 0, 1)
    close(np.array(own, float), np.array([wanted[i] for i in order], float), "the self times")
    for crossing in (
        [["read", 0, 3], ["save", 2, 5]],
        [["save", 4, 9], ["f", 0, 9], ["read", 3, 5]],
        [["read", 0, 4], ["f", 1, 2], ["save", 3, 6]],
    ):
        refuses("ValueError", student.owned, crossing, 0, 1, mentioning=["read", "save"])


@rubric.probe
def named(tt, spans, first, unit):
    kinds, made = ["primitive", "rule", "module", "region"], []
    for i, (name, start, end) in enumerate(spans):
        took = {"flops": 3 * (i // 2) + 1, "moved": 5 * (i // 2) + 2, "peak": (7 * (i // 2)) % 11}
        times = first + unit * start, first + unit * end
        made.append(tt.profiling.Span(name, *times, kind=kinds[start % 4], thread=start % 2, **took))
    before = list(made)
    rows = [
        [key, row.name, row.calls, float(row.total), float(row.own), row.flops, row.moved, row.peak]
        for key, row in tt.profiling.by_name(made).items()
    ]
    tt.profiling.by_name(tuple(made))
    return [rows, made == before]


rubric.doctests("by_name", points=1)


@rubric.check("by_name", points=2)
@given(
    trees(),
    st.integers(0, 9),
    st.sampled_from([0, -3]),
    st.sampled_from([1, 0.25]),
    always=[
        (spans, seed, first, unit)
        for seed, first, unit in ((0, 0, 1), (3, -3, 0.25))
        for spans in (STEP, DEEP, EQUAL, SIDE, TOGETHER, EMPTY, TWINS, [])
    ],
)
def a_row_for_each_name(student, spans, seed, first, unit):
    """Calls, self times, FLOPs and bytes add up, peaks do not, and time inside a span of the same name counts once.

    A span (name, start, end) is open from first + unit * start to first + unit * end.
    """
    if seed:  # in another order, if no two are equal
        spans = [span for i, span in enumerate(spans) if span[1:] not in [s[1:] for s in spans[:i]]]
    own = innermost(spans)
    order = [int(i) for i in np.random.default_rng(seed).permutation(len(spans))] if seed else list(range(len(spans)))
    spans, own = [spans[i] for i in order], [own[i] for i in order]
    rows, unchanged = student.named(spans, first, unit)
    same(sorted(name for name, *_ in rows), sorted({name for name, *_ in spans}), "the names")
    for name, called, calls, total, self_time, flops, moved, peak in rows:
        mine = [i for i, span in enumerate(spans) if span[0] == name]
        same(called, name, "the name in its row")
        same(plain(calls), len(mine), f"the calls of {name}")
        covered = sum(any(spans[i][1] <= second < spans[i][2] for i in mine) for second in range(24))
        every = float(sum(spans[i][2] - spans[i][1] for i in mine))
        mistakes = {"a span inside another of its name counts twice": unit * every}
        close(total, unit * float(covered), f"the total of {name}", mistakes=mistakes)
        close(self_time, unit * float(sum(own[i] for i in mine)), f"the self time of {name}")
        close(plain(flops), sum(3 * (i // 2) + 1 for i in mine), f"the FLOPs of {name}")
        close(plain(moved), sum(5 * (i // 2) + 2 for i in mine), f"the bytes of {name}")
        close(plain(peak), max((7 * (i // 2)) % 11 for i in mine), f"the peak of {name}")
    holds(unchanged, "the list of spans is as it was")


# -- accounting -------------------------------------------------------------------------------------------------------


def flops_of_a_step():
    """What a profile counts in linear layers and their rules."""
    import tinytorch as tt
    from tinytorch.profiling import Profile

    nn = tt.nn.functional
    first, second = (tt.zeros(*shape, requires_grad=True) for shape in ((784, 128), (128, 10)))
    with Profile() as profile:
        nn.linear(nn.relu(nn.linear(tt.zeros(64, 784), first)), second).sum().backward()
    counted = [span.flops for span in profile.operations if span.name.startswith("linear")]
    return sum(counted) - 64 * (128 + 10)  # the rule adds up g for a bias that is not there


@rubric.accounting(points=1, unit="FLOPs", counted=flops_of_a_step, tolerance=0, difficulty=2, minutes=10)
def step_flops():
    """How many FLOPs do the matrix products of one training step take, there and back?

    64 images of 784 pixels, a layer 784 -> 128 and a layer 128 -> 10, without biases. The images need no gradient.
    """
    # A product of (m, k) and (k, n) takes 2 m k n, and so does each of the two in its rule. One of the four in the two
    # rules is not needed: which?
    return 2 * 64 * (2 * 784 * 128 + 3 * 128 * 10)


def intensity_of_relu():
    """FLOPs over bytes of one operation, as a profile counts them."""
    import tinytorch as tt
    from tinytorch.profiling import Profile

    with Profile() as profile:
        tt.nn.functional.relu(tt.zeros(64, 32, 32, 32))
    return profile.by_operation()["relu"].intensity


@rubric.accounting(points=1, unit="FLOPs a byte", counted=intensity_of_relu, tolerance=0.001, difficulty=1, minutes=5)
def relu_intensity():
    """What is the arithmetic intensity of a relu of 64 images, (64, 32, 32, 32) in float32, in FLOPs a byte?

    A comparison is one FLOP. Each number is read once, and one is written for it.
    """
    # The number of images cancels. What does one number cost, and how many bytes go with it?
    return 1 / 8


def share_of_the_peak():
    """What the roofline leaves of the peak, in percent."""
    import tinytorch as tt
    from tinytorch.profiling import Profile, Roof, roofline

    x, y = tt.zeros(8, 64), tt.zeros(64, 64)
    with Profile() as profile, tt.no_grad():
        x @ y
    return 100 * roofline(profile.by_operation()["matmul"].intensity, Roof(100e9, 20e9)) / 100e9


@rubric.accounting(
    points=1, unit="percent of the peak", counted=share_of_the_peak, tolerance=0.001, difficulty=2, minutes=12
)
def peak_share():
    """What share of its peak, in percent, does a machine reach at best in a product of shapes (8, 64) @ (64, 64)?

    float32; the machine does 100 GFLOP/s at best, and moves 20 GB/s. This is a small layer of a language model that
    writes eight texts at a time.
    """
    # Count FLOPs, and the bytes of two factors and of their product. How many FLOPs a second can 20 GB/s feed?
    flops, moved = 2 * 8 * 64 * 64, 4 * (8 * 64 + 64 * 64 + 8 * 64)
    return 100 * (20 * flops / moved) / 100  # percent of 100 GFLOP/s

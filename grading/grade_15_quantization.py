"""Chapter 15, quantization: grids, whole numbers and back, exact sums of their products, ranges, and a way through.

The oracles are loops over numbers, in float64 or in Python's own integers.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import mixed

from tito.rubrics.compare import close, holds, refuses
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("15", module="quantization")

rubric.exercise("affine_grid", difficulty=2, minutes=20)
rubric.exercise("quantize", difficulty=1, minutes=10)
rubric.exercise("dequantize", difficulty=1, minutes=5)
rubric.exercise("symmetric_grid", difficulty=2, minutes=15)
rubric.exercise("integer_matmul", difficulty=3, minutes=40)
rubric.exercise("value_range", difficulty=1, minutes=10)
rubric.exercise("fake_quantize_vjp", difficulty=2, minutes=10)

few = st.integers(1, 3)
kinds = st.sampled_from([np.float64, np.float32])


# -- affine_grid ------------------------------------------------------------------------------------------------------


@rubric.probe
def made(tt, low, high, bits):
    grid = tt.quantization.affine_grid(low, high, bits)
    return [np.asarray(grid.scale), np.asarray(grid.zero), int(grid.bits)]


def check_grid(student, low, high, bits):
    """Scale and zero of every interval, one by one."""
    scale, zero, kept = student.made(low, high, bits)
    least, steps = -(2 ** (bits - 1)), 2**bits - 1
    ends = [(min(a, 0.0), max(b, 0.0)) for a, b in zip(np.ravel(low).tolist(), np.ravel(high).tolist())]
    expected = np.array([(b - a) / steps for a, b in ends], np.float32).reshape(np.shape(low))
    unstretched = (np.subtract(high, low, dtype=np.float64) / steps).astype(np.float32)
    mistakes = {"the interval was not stretched to 0": unstretched}
    close(scale, expected, "the scale", mistakes=mistakes, atol=0)
    holds(zero.dtype == np.int32 and zero.shape == np.shape(low), "zero is int32, in the shape of the interval's ends")
    exact = np.array([least - a * steps / (b - a) for a, b in ends]).reshape(np.shape(low))
    holds(np.abs(zero - exact) < 0.501, "zero is the whole number nearest to least - low / s", zero=zero, exact=exact)
    holds(kept == bits, "the grid has the bits that it was asked for", bits=kept)


rubric.doctests("affine_grid", points=1)


@rubric.check("affine_grid", points=1)
@given(
    st.floats(-8, 8), st.floats(0.5, 9), st.sampled_from([8, 8, 4, 2]),
    always=[(-1.0, 4.1, 8), (3.0, 1.3, 8), (-7.0, 3.3, 4), (-6e4, 7e4, 8), (-2.3, 3.0, 3)],
)  # fmt: skip
def low_becomes_the_least_number_and_high_the_largest(student, low, width, bits):
    """s = (high - low) / (2^b - 1), and zero is the whole number that 0 becomes; an interval reaches 0 in any case."""
    check_grid(student, low, low + width, bits)
    low, high = np.array([low, -width, 0.0]), np.array([low + width, -width / 3, width])
    check_grid(student, low, high, bits)
    check_grid(student, low.astype(np.float32).reshape(3, 1), high.astype(np.float32).reshape(3, 1), bits)
    check_grid(student, width, width, bits)  # a point, stretched to 0
    check_grid(student, -width * 1e-12, width * 3e-12, bits)
    check_grid(student, -3e38, 3e38, bits)


@rubric.check("affine_grid", points=1, examples=5)
@given(st.floats(0.5, 9), always=[(1.0,)])
def what_is_no_interval_has_no_grid(student, x):
    """NaN, infinity, low above high, 0 to 0 and an interval narrower than float32 can tell are refused."""
    for low, high in [(math.nan, x), (-x, math.nan), (-x, math.inf), (-math.inf, x), (x, x / 2), (0.0, 0.0)]:
        refuses("ValueError", student.made, low, high, 8)
    refuses("ValueError", student.made, -x * 1e-60, x * 1e-60, 8)
    refuses("ValueError", student.made, 3.0, 1.0, 8, mentioning=["3", "1"])
    refuses("ValueError", student.made, -2e-60, 1e-60, 8, mentioning=["2e-60", "1e-60"])
    refuses("ValueError", student.made, np.array([-x, 0.0]), np.array([x, 0.0]), 8)
    refuses("ValueError", student.made, np.array([-x, x]), np.array([x, x / 2]), 8)


# -- quantize, dequantize ---------------------------------------------------------------------------------------------


@rubric.probe
def to_whole(tt, x, scale, zero, bits):
    return tt.quantization.quantize(x, tt.quantization.Grid(scale, zero, bits))


@rubric.probe
def to_real(tt, q, scale, zero):
    return tt.quantization.dequantize(q, tt.quantization.Grid(scale, zero))


def whole(x, scale, zero, bits):
    """Each number by itself; Python rounds halves to even, too."""
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    scale, zero = np.broadcast_to(scale, x.shape), np.broadcast_to(zero, x.shape)
    q = [min(max(round(float(a) / float(s)) + int(z), least), most) for a, s, z in zip(x.flat, scale.flat, zero.flat)]
    return np.array(q, np.int8).reshape(x.shape)


rubric.doctests("quantize", points=1)


@rubric.check("quantize", points=1)
@given(
    mixed((3, 2), most=40), st.integers(-128, 127), st.sampled_from([8, 4, 3]), kinds,
    always=[(np.array([[2, 6], [10, -2], [-6, 999.0]]), 0, 8, np.float32), (np.full((3, 2), 99.0), 90, 8, np.float64)],
)  # fmt: skip
def the_nearest_place_of_the_grid(student, x, zero, bits, dtype):
    """round(x / s) + zero, halves to even, kept within the limits of its bits, as int8: with one scale or several."""
    x, zero = (x / 4).astype(dtype), np.int32(np.clip(zero, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    one, several = np.float32(0.5), np.array([[0.25, 1.0]], np.float32)
    wrapped = (np.rint(x / one) + zero).astype(np.int64).astype(np.int8)
    mistakes = {"what is beyond the ends wrapped around: clip first": wrapped}
    close(student.to_whole(x, one, zero, bits), whole(x, one, zero, bits), "q", mistakes=mistakes)
    zeros = np.array([[0, zero]], np.int32)
    close(student.to_whole(x, several, zeros, bits), whole(x, several, zeros, bits), "q, by column")
    square, deep = x[:2], x.reshape(3, 1, 2, 1)
    close(student.to_whole(square, several.T, zeros.T, bits), whole(square, several.T, zeros.T, bits), "q, by row")
    close(student.to_whole(deep, one, zero, bits), whole(deep, one, zero, bits), "q of four axes")
    near = np.array([0.25 + 1e-9, 0.75 - 1e-9])
    close(student.to_whole(near, one, zero, 8), whole(near, one, zero, 8), "q of numbers next to a half")
    close(student.to_whole(x[:0], one, zero, bits), np.zeros((0, 2), np.int8), "q of no numbers")
    far = np.array([math.inf, -math.inf, 1e30], dtype)
    close(student.to_whole(far, one, zero, bits), whole(np.array([1e4, -1e4, 1e4]), one, zero, bits), "q of infinity")


@rubric.check("quantize", points=1)
@given(mixed((2, 2)), st.integers(0, 3), kinds)
def nothing_stands_for_nan(student, x, at, dtype):
    """A NaN anywhere among the numbers is refused."""
    x = x.astype(dtype)
    x.flat[at] = math.nan
    refuses("ValueError", student.to_whole, x, np.float32(0.5), np.int32(0), 8)


rubric.doctests("dequantize", points=1)


@rubric.check("dequantize", points=1)
@given(
    st.integers(0, 10**6), st.integers(-128, 127), st.sampled_from([0.25, 2.0, 0.1]),
    always=[(0, -128, 0.5), (1, 127, 0.5)],
)  # fmt: skip
def what_whole_numbers_stand_for(student, seed, zero, scale):
    """s (q - zero), float32; q - zero may be any of -255 to 255."""
    q = np.random.default_rng(seed).integers(-128, 128, (3, 2)).astype(np.int8)
    q[0] = -128, 127
    scale, zero = np.float32(scale), np.int8(zero)
    expected = ((q.astype(np.float64) - float(zero)) * float(scale)).astype(np.float32)
    mistakes = {"the difference wrapped around: it needs more than eight bits": (q - zero) * scale}
    close(student.to_real(q, scale, zero), expected, "x", mistakes=mistakes)
    scales, zeros = np.array([[scale, 1]], np.float32), np.array([[zero, 3]], np.int32)
    close(student.to_real(q, scales, zeros), ((q - zeros) * scales).astype(np.float32), "x, by column")
    q, scales, zeros = q[:2], scales.T, zeros.T
    close(student.to_real(q, scales, zeros), ((q - zeros) * scales).astype(np.float32), "x, by row")
    close(student.to_real(q[None], scales, zeros), ((q - zeros) * scales).astype(np.float32)[None], "x of three axes")


# -- symmetric_grid ---------------------------------------------------------------------------------------------------


@rubric.probe
def around_zero(tt, x, axis, bits):
    grid = tt.quantization.symmetric_grid(x, tuple(axis) if isinstance(axis, list) else axis, bits)
    return [np.asarray(grid.scale), np.asarray(grid.zero), int(grid.bits)]


rubric.doctests("symmetric_grid", points=1)


@rubric.check("symmetric_grid", points=1)
@given(
    mixed((2, 3, 4), most=900),
    st.sampled_from([None, 0, 1, 2, -1, [0, 2], [-1, 0], [0, 1, 2]]),
    st.sampled_from([8, 4]),
    kinds,
    always=[(np.arange(1.0, 25).reshape(2, 3, 4), axis, 8, np.float32) for axis in ([0, -1], [-1, 0], [0, 1, 2])],
)
def the_largest_becomes_the_largest(student, x, axis, bits, dtype):
    """s = max |x| / (2^(b - 1) - 1), for all numbers or for each place along an axis; zero is 0."""
    x = (x / 7).astype(dtype)
    kept = [] if axis is None else [a % 3 for a in np.atleast_1d(axis)]
    shape = tuple(n if i in kept else 1 for i, n in enumerate(x.shape))
    largest = np.zeros(shape)
    for at in np.ndindex(x.shape):
        place = tuple(i if n > 1 else 0 for i, n in zip(at, shape))
        largest[place] = max(largest[place], abs(float(x[at])))
    scale, zero, own = student.around_zero(x, axis, bits)
    expected, most = (largest / (2 ** (bits - 1) - 1)).astype(np.float32), 2 ** (bits - 1)
    mistakes = {
        f"the largest becomes {most - 1}, not {most}": (largest / most).astype(np.float32),
        "both ends count: the largest of |x|, not of x": (x.max() / (most - 1)).astype(np.float32).reshape(1, 1, 1),
    }
    close(scale, expected, "the scale", mistakes=mistakes, atol=0)
    close(zero, np.zeros(shape, np.int32), "zero")
    holds(own == bits, "the grid has the bits that it was asked for", bits=own)
    wide = np.abs(x, dtype=np.float64)
    for factor, size in ((1e-9, "small"), (3e38 / wide.max(), "large")):
        scale, *_ = student.around_zero((factor * wide).astype(dtype), axis, bits)
        wanted = (factor * largest / (most - 1)).astype(np.float32)
        close(scale, wanted, f"the scale of very {size} numbers", atol=0)
    scale, *_ = student.around_zero(x.ravel(), 0, bits)
    close(scale, (wide.ravel() / (most - 1)).astype(np.float32), "the scales of a vector's numbers", atol=0)


@rubric.check("symmetric_grid", points=1)
@given(mixed((3, 4)), st.integers(0, 3), kinds)
def nothing_has_no_scale(student, x, channel, dtype):
    """No numbers, NaN, infinity, or all of a channel zero: refused, and the channel is named."""
    x = x.astype(dtype)
    bad = x.copy()
    bad[:, channel] = 0
    refuses("ValueError", student.around_zero, bad, 1, 8, mentioning=[f"channel {channel}"])
    refuses("ValueError", student.around_zero, bad.T, 0, 8, mentioning=[f"channel {channel}"])
    refuses("ValueError", student.around_zero, 0 * x, None, 8)
    bad[:, channel:] = 0
    refuses("ValueError", student.around_zero, bad, 1, 8, mentioning=[f"channel {channel}"])
    refuses("ValueError", student.around_zero, x[:0], None, 8)
    refuses("ValueError", student.around_zero, x[:, :0], 1, 8)
    for wild in (math.nan, math.inf, -math.inf):
        bad = x.copy()
        bad[0, channel] = wild
        refuses("ValueError", student.around_zero, bad, 1, 8)


# -- integer_matmul ---------------------------------------------------------------------------------------------------


@st.composite
def factors(draw):
    """a (M, K) and b (K, N) of any bytes."""
    m, k, n, seed = draw(few), draw(st.integers(1, 5)), draw(few), draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(-128, 128, shape).astype(np.int8) for shape in ((m, k), (k, n)))


def exactly(a, b, a_zero=0, b_zero=0):
    wide = a.astype(np.int64) - a_zero, b.astype(np.int64) - b_zero
    return (wide[0] @ wide[1]).astype(np.int32)


rubric.doctests("integer_matmul", points=1)


@rubric.check("integer_matmul", points=1)
@given(factors(), st.integers(520, 2000), st.sampled_from([127, -127]))
def no_sum_is_rounded(student, a, b, half, sign):
    """Thousands of products sum to what Python's integers say: float32 alone would round beyond 2^24."""
    mistakes = {"eight bits are too few for a product": a @ b}
    close(student.integer_matmul(a, b), exactly(a, b), "z", mistakes=mistakes, rtol=0, atol=0)
    a, b = np.full((2, 2 * half), 127, np.int8), np.full((2 * half, 3), sign, np.int8)
    b[-1] = 126  # so that the sums are odd
    close(student.integer_matmul(a, b), exactly(a, b), "z of long rows", rtol=0, atol=0)
    least = np.full((1, 4096), -128, np.int8)
    close(student.integer_matmul(least, least.T), exactly(least, least.T), "z of the least numbers", rtol=0, atol=0)
    least[0, 0] = least[0, -1] = -127  # so that the sums of any first and last block are odd
    close(student.integer_matmul(least, least.T), exactly(least, least.T), "z of the least numbers", rtol=0, atol=0)
    for m, k, n in ((0, 3, 2), (2, 0, 2), (2, 3, 0)):
        nothing = np.zeros((m, k), np.int8), np.zeros((k, n), np.int8)
        close(student.integer_matmul(*nothing), np.zeros((m, n), np.int32), "z of nothing")


@rubric.check("integer_matmul", points=2)
@given(
    factors(),
    st.integers(-128, 127),
    st.integers(-128, 127),
    always=[
        (np.full((2, 3), 127, np.int8), np.full((3, 2), 127, np.int8), -128, -128),
        (np.array([[1, 2, 3]], np.int8), np.arange(9, dtype=np.int8).reshape(3, 3), 5, -3),
    ],
)
def zeros_are_taken_away(student, a, b, a_zero, b_zero):
    """(a - a_zero) @ (b - b_zero), with one b_zero or one for each column, as if differences had been taken first."""
    zeros = np.arange(b.shape[1], dtype=np.int32) * 7 + b_zero
    for right in (0, b_zero, zeros):
        for left in (0, a_zero):
            rows, columns = a.sum(1, keepdims=True, dtype=np.int64), b.sum(0, dtype=np.int64)
            z = exactly(a, b) - left * columns - rows * right
            mistakes = {
                "the product of the two zeros is missing: it counts K times": z.astype(np.int32),
                "the product of the two zeros counts K times": (z + left * np.asarray(right)).astype(np.int32),
                "the zeros change nothing": exactly(a, b),
            }
            yours = student.integer_matmul(a, b, left, right)
            close(yours, exactly(a, b, left, right), "z", mistakes=mistakes, rtol=0, atol=0)
    many = np.random.default_rng(abs(a_zero)).integers(90, 128, (1, 3001)).astype(np.int8)
    for left, right in ((-128, -128), (-127, -127)):
        wanted = exactly(many, many.T, left, right)
        close(student.integer_matmul(many, many.T, left, right), wanted, "z of long rows", rtol=0, atol=0)


@rubric.check("integer_matmul", points=1, examples=3)
@given(factors(), st.integers(1, 4))
def what_does_not_fit_is_refused(student, a, b, more):
    """Other dtypes, inner axes that differ, other than two axes, and a sum beyond int32 are errors."""
    for dtype in (np.float32, np.int32, np.uint8, np.bool_):
        refuses("TypeError", student.integer_matmul, a.astype(dtype), b)
        refuses("TypeError", student.integer_matmul, a, b.astype(dtype))
    longer = np.concatenate([b, b[:1]])
    refuses("ValueError", student.integer_matmul, a, longer, mentioning=[str(a.shape), str(longer.shape)])
    refuses("ValueError", student.integer_matmul, a[0], b)
    refuses("ValueError", student.integer_matmul, a, b[:, 0])
    many = np.full((1, 2**17 + more - 1), -128, np.int8)
    refuses("OverflowError", student.integer_matmul, many, many.T)
    refuses("OverflowError", student.integer_matmul, np.concatenate([0 * many, many]), many.T)
    high, low = np.full((1, 132_200), 127, np.int8), np.full((132_200, 1), -128, np.int8)
    refuses("OverflowError", student.integer_matmul, high, low)  # below the least
    refuses("OverflowError", student.integer_matmul, high[:, :44_000], high[:, :44_000].T, -128, -128)
    close(student.integer_matmul(many, many.T, -128), np.zeros((1, 1), np.int32), "a sum that fits with its zeros")
    ends = low[: 2**17].T, high[:, : 2**17].T, 0, -1
    close(student.integer_matmul(*ends), np.full((1, 1), -(2**31), np.int32), "the least sum that fits", rtol=0, atol=0)
    most = many[:, : 2**17 - 1]
    close(student.integer_matmul(most, most.T), exactly(most, most.T), "the largest sum that fits", rtol=0, atol=0)


# -- value_range ------------------------------------------------------------------------------------------------------


@rubric.probe
def spanned(tt, x, percentile):
    ends = tt.quantization.value_range(x) if percentile is None else tt.quantization.value_range(x, percentile)
    return np.array([float(end) for end in ends])


rubric.doctests("value_range", points=1)


@rubric.check("value_range", points=1)
@given(
    mixed((5, 4), most=300), st.sampled_from([None, 100.0, 95.0, 75.0]), kinds,
    always=[
        (np.arange(20.0).reshape(5, 4), 90.0, np.float32), (np.arange(20.0).reshape(5, 4), 50.5, np.float64),
        (np.arange(20.0).reshape(5, 4) * 1e-12, None, np.float64),
        (np.arange(20.0).reshape(5, 4) * 1e-5 + 1, None, np.float32),
        (np.arange(20.0).reshape(5, 4) * 1.6e37, None, np.float32),  # their sum is infinite
    ],
)  # fmt: skip
def both_ends(student, x, percentile, dtype):
    """The least and the largest, or the (100 - p)th and the pth percentile: a share lies beyond either end."""
    x, p = x.astype(dtype), 100.0 if percentile is None else percentile
    ordered = sorted(x.ravel().tolist())

    def at(share):  # the number at a share of the way, between its neighbours
        place = share / 100 * (len(ordered) - 1)
        below = math.floor(place)
        return ordered[below] + (place - below) * (ordered[min(below + 1, len(ordered) - 1)] - ordered[below])

    mistakes = {"all of them lie between these ends: use the percentile": [ordered[0], ordered[-1]]}
    near = 1e-6 * float(np.abs(x).max())
    close(student.spanned(x, percentile), [at(100 - p), at(p)], "low and high", mistakes=mistakes, rtol=1e-5, atol=near)


@rubric.check("value_range", points=1)
@given(mixed((4,)), st.sampled_from([math.nan, math.inf, -math.inf]), kinds)
def what_has_no_range(student, x, wild, dtype):
    """No numbers, NaN, infinity, one number over and over, and a percentile that is none: refused."""
    x = np.sort(x).astype(dtype)
    x[-1] += 1
    refuses("ValueError", student.spanned, x[:0], None)
    refuses("ValueError", student.spanned, np.append(x, dtype(wild)), None)
    refuses("ValueError", student.spanned, np.append(x, dtype(wild)), 75.0)
    refuses("ValueError", student.spanned, np.full(5, x[0]), None)
    refuses("ValueError", student.spanned, np.append(np.zeros(30, dtype), x[-1:]), 90.0)
    for percentile in (50.0, 0.0, 100.5, math.nan):
        refuses("ValueError", student.spanned, x, percentile, mentioning=[str(percentile)])


# -- fake_quantize_vjp ------------------------------------------------------------------------------------------------


@rubric.probe
def through(tt, x, scale, zero, bits):
    x = tt.Tensor(x, requires_grad=True)
    z = tt.quantization.fake_quantize(x, scale=scale, zero=zero, bits=bits)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1, dtype=z.dtype).reshape(z.shape)))
    return x.grad


rubric.doctests("fake_quantize_vjp", points=1)


@rubric.check("fake_quantize_vjp", points=1)
@given(
    mixed((3, 4), most=60), st.integers(-7, 6), st.sampled_from([4, 3, 8]), kinds,
    always=[
        (np.array([[-33, -35, 29, 31], [0, 1, -1, 2], [-32, 28, 30, 99.0]]), 0, 4, np.float32),
        (np.array([[-34, -30, 26, 30], [-38, math.inf, 22, 18], [-26, 28, 30, 32]]), 1, 4, np.float64),
    ],
)  # fmt: skip
def a_gradient_passes_where_x_is_within(student, x, zero, bits, dtype):
    """g where the rounded x is within the limits, its ends included, else 0; the dtype stays."""
    rows, one = (x / 4).astype(dtype), int(np.clip(zero, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    scales, zeros = np.array([[1.0, 0.5, 1.0, 2.0]], dtype), np.array([[0, one, -1, 1]], np.int32)
    square = np.concatenate([rows, rows[:1]])
    for x, scale, zero in (
        (rows, 1.0, one), (rows, scales, one), (rows, scales, zeros), (square, scales.T, zeros.T),
        (rows[None], scales, zeros),
    ):  # fmt: skip
        g = np.arange(1.0, x.size + 1, dtype=dtype).reshape(x.shape)
        q = np.round(x / scale) + zero
        inside = (q >= -(2 ** (bits - 1))) & (q <= 2 ** (bits - 1) - 1)
        slope = (0 * g).astype(dtype)
        mistakes = {"this is the true slope: nothing learns from it": slope, "what is beyond the ends stands still": g}
        expected = np.where(inside, g, 0).astype(dtype)
        close(student.through(x, scale, zero, bits), expected, "x.grad", mistakes=mistakes)
        dx = student.fake_quantize_vjp(g, x, x, scale=scale, zero=zero, bits=bits)
        close(dx, expected, "dx", mistakes=mistakes)


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_of_layers():
    """What a quantized network keeps, counted."""
    import tinytorch as tt
    from tinytorch.layers import Linear, ReLU, Sequential
    from tinytorch.quantization import quantize_model, stored_bytes

    rng = np.random.default_rng(0)
    model = Sequential(Linear(784, 128, rng=rng), ReLU(), Linear(128, 10, rng=rng))
    return stored_bytes(quantize_model(model, [tt.Tensor(rng.random((4, 784), np.float32))]))


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_layers, tolerance=0, difficulty=2, minutes=8)
def quantized_bytes():
    """How many bytes does Linear(784, 128), ReLU, Linear(128, 10) take in int8?

    Each weight is an int8. Each output has a scale and a bias, float32. Each layer has a scale, float32, and a zero,
    int32, for what enters it.
    """
    # Two layers: count the weights at one byte each, then what an output and a layer have besides.
    return 784 * 128 + 128 * 10 + (128 + 10) * (4 + 4) + 2 * (4 + 4)


def products_that_fit():
    """The longest row whose sum of products still fits, whatever they are."""
    from tinytorch.quantization import integer_matmul

    fits, too_many = 1, 2**18
    while too_many - fits > 1:
        half = (fits + too_many) // 2
        row = np.full((1, half), -128, np.int8)
        try:
            integer_matmul(row, row.T)
            fits = half
        except OverflowError:
            too_many = half
    return fits


@rubric.accounting(points=1, unit="products", counted=products_that_fit, tolerance=0, difficulty=2, minutes=8)
def most_products():
    """How many products of two int8 numbers can be added up in an int32, whatever the numbers are?"""
    # What is the largest product of two numbers from -128 to 127? And the largest int32?
    return (2**31 - 1) // (128 * 128)


def bytes_of_four_bits():
    """What an Int4Linear keeps, counted."""
    from tinytorch.layers import Linear
    from tinytorch.quantization import Int4Linear, stored_bytes

    return stored_bytes(Int4Linear(Linear(768, 3072, rng=np.random.default_rng(0)), group=64))


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_four_bits, tolerance=0, difficulty=2, minutes=8)
def int4_bytes():
    """How many bytes does Int4Linear(Linear(768, 3072), group=64) take?

    Two weights share a byte. Each group of 64 inputs of an output has a scale, float16; each output a bias, float32.
    """
    # How many groups has one output?
    return 768 * 3072 // 2 + 768 // 64 * 3072 * 2 + 3072 * 4

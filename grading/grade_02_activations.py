"""Chapter 02, activations: nine functions, judged by the equations that only they satisfy, and three numbers.

x is the input, z = f(x). Nothing here has a derivative yet: slopes are measured by nudging the student's own forward.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import arrays, dtyped, filled, no_zeros, shapes

from tito.rubrics.compare import close, holds, nudged, refuses
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("02", module="activations")

rubric.exercise("relu", difficulty=1, minutes=3)
rubric.exercise("leaky_relu", difficulty=1, minutes=5)
rubric.exercise("sigmoid", difficulty=2, minutes=12)
rubric.exercise("softplus", difficulty=3, minutes=15)
rubric.exercise("silu", difficulty=1, minutes=3)
rubric.exercise("gelu", difficulty=2, minutes=12)
rubric.exercise("normal_cdf", difficulty=3, minutes=40)
rubric.exercise("softmax", difficulty=2, minutes=12)
rubric.exercise("log_softmax", difficulty=3, minutes=15)

far = shapes(dims=1, least=1).flatmap(lambda shape: filled(shape, st.sampled_from([0, 1, -1, 1000, -1000]), np.float32))
extremes = [np.array([1000, -1000, 0, 3, -0.5], dtype) for dtype in (np.float32, np.float16, np.float64)]
tenths = np.array([0.1, -0.3, 0.7])  # a float32 has other ones
holed = np.array([[-1, np.nan, 2], [0.5, -3, 7]])
table = np.array([[-2, 0, 3], [0.5, -1, 1]])
everyday = [*dtyped(table), holed, holed.astype(np.float32)]
left = shapes(dims=1, least=1).flatmap(lambda shape: filled(shape, st.integers(-40, 0)))


def mirrored(x):
    """-x as an array. Minus an array of shape () is a NumPy scalar, and the framework makes those float32."""
    return np.asarray(-x)


@rubric.probe
def strictly(tt, name, x):
    """A function where an overflow, or infinity over infinity, is an error and not a warning."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        return getattr(tt.activations, name)(x)


@rubric.probe
def of_columns(tt, name, x):
    """A function of x stored column by column, as a transpose is. An overflow is an error, unless NaN was given."""
    with np.errstate(**dict.fromkeys(("over", "invalid", "divide"), "raise" if np.isfinite(x).all() else "ignore")):
        return getattr(tt.activations, name)(np.array(x, order="F"))


def with_care(student, name, x):
    """A student's function of x, where an overflow on the way is an error. NaN goes through as it does elsewhere."""
    return student.strictly(name, x) if np.isfinite(x).all() else getattr(student, name)(x)


def digits(x):
    """Ten digits of a float64, and of others what is usual: float32 on the way to a float64 shows."""
    return 1e-10 if x.dtype == np.float64 else None


# -- relu -------------------------------------------------------------------------------------------------------------


@rubric.check("relu", points=1)
@given(arrays(dims=3), always=everyday[:3])
def positive_part(student, x):
    """What relu keeps of x, less what it keeps of -x, is x again; the two together are |x|."""
    z, other = student.relu(x), student.of_columns("relu", mirrored(x))
    close(z - other, x, "relu(x) - relu(-x)")
    close(z + other, np.abs(x), "relu(x) + relu(-x)")


@rubric.check("relu", points=1)
@given(
    far,
    always=[*extremes, np.array([3e38, -3e38, 1e-38, 5.9604645e-08, 0.1], np.float32), np.array([-3, 0, 100]), tenths],
)
def threshold_at_zero(student, x):
    """Above 0 a number passes untouched, with all its digits, however large or small; below 0 nothing passes.

    A float32 stays a float32.
    """
    mistakes = {"the negative numbers passed instead": np.minimum(x, 0), "this is the absolute value": np.abs(x)}
    expected = np.where(x > 0, x, x.dtype.type(0))
    close(student.relu(x), expected, "relu(x)", rtol=digits(x), atol=0, mistakes=mistakes)


# -- leaky_relu -------------------------------------------------------------------------------------------------------


@rubric.check("leaky_relu", points=1)
@given(
    shapes().flatmap(lambda shape: filled(shape, st.integers(-5, 5), np.float32)),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    always=[
        *[(x, slope) for x in everyday[:2] for slope in (0.0, 0.5, 2.0)],
        *[(x, 0.5) for x in (*everyday, *extremes, tenths, np.array([3e38, -3e38], np.float32))],
        (everyday[0], -1.0),
    ],
)
def any_slope(student, x, negative_slope):
    """Above 0, x; below 0, one hundredth of it, or another slope if asked: 0 gives relu, -1 gives |x|, 2 is allowed."""
    close(student.of_columns("leaky_relu", x), np.where(x > 0, x, 0.01 * x), "leaky_relu(x)")
    mistakes = {
        "the larger of x and its scaled copy is the right one only for slopes up to 1": np.maximum(
            x, negative_slope * x
        ),
        "the slope that was asked for is not used": np.where(x > 0, x, 0.01 * x),
    }
    expected = np.where(x > 0, x, negative_slope * x)
    z = student.leaky_relu(x, negative_slope=negative_slope)
    close(z, expected, "leaky_relu(x)", rtol=digits(x), mistakes=mistakes)


# -- sigmoid ----------------------------------------------------------------------------------------------------------


@rubric.check("sigmoid", points=1)
@given(arrays(dims=3), always=[table])
def mirrored_about_a_half(student, x):
    """sigmoid(-x) = 1 - sigmoid(x): yes and no share one unit of probability. And its slope at x is s (1 - s)."""
    s = student.sigmoid(x)
    close(student.of_columns("sigmoid", mirrored(x)), 1 - s, "sigmoid(-x)")
    [slope] = nudged(student.sigmoid, x)
    close(slope, s * (1 - s), "the slope of sigmoid", rtol=1e-5, atol=1e-8)


@rubric.check("sigmoid", points=1)
@given(left, always=[np.array([-20.0, -40, 0, 20]), np.array([-12.0, 12]), np.array([-100.0, -700]), holed])
def odds_are_exponential(student, x):
    """sigmoid(x) / sigmoid(-x) = e^x, to six digits, also where sigmoid(x) is tiny: 1 + tanh has lost them by then."""
    mistakes = {"1 + tanh(x / 2) cancels: for x far below 0 its digits are gone": 0.5 * (1 + np.tanh(0.5 * x))}
    s = student.sigmoid(x)
    close(s, np.exp(x) / (1 + np.exp(x)), "sigmoid(x)", rtol=1e-6, atol=0, mistakes=mistakes)
    close(s, np.exp(x) * student.sigmoid(mirrored(x)), "sigmoid(x)", rtol=1e-6, atol=0)


@rubric.check("sigmoid", points=1)
@given(far, always=[*extremes, *everyday[:3]])
def sigmoid_at_a_thousand(student, x):
    """At +-1000 the answer is 1 or 0, and no exponential overflows on the way to it."""
    expected = (0.5 * (1 + np.tanh(0.5 * x.astype(np.float64)))).astype(x.dtype)
    close(student.strictly("sigmoid", x), expected, "sigmoid(x)")


# -- softplus ---------------------------------------------------------------------------------------------------------


@rubric.check("softplus", points=1)
@given(st.one_of(arrays(dims=3), far), always=[*everyday, *extremes, np.array([11.0, 16, -16])])
def softplus_less_its_mirror(student, x):
    """softplus(x) - softplus(-x) = x, and softplus(0) = ln 2: a relu whose corner is rounded. Nothing overflows."""
    wide = x.astype(np.float64)
    z = with_care(student, "softplus", x)
    close(z - student.of_columns("softplus", mirrored(x)), x, "softplus(x) - softplus(-x)")
    expected = (np.maximum(wide, 0) + np.log1p(np.exp(-np.abs(wide)))).astype(x.dtype)
    close(z, expected, "softplus(x)", rtol=digits(x))


@rubric.check("softplus", points=1)
@given(arrays())
def slope_is_the_sigmoid(student, x):
    """Nudge x, and softplus answers with the sigmoid: 0 far below, 1 far above, a half at 0."""
    [slope] = nudged(student.softplus, x)
    close(slope, 1 / (1 + np.exp(-x)), "the slope of softplus", rtol=1e-5, atol=1e-8)


@rubric.check("softplus", points=1)
@given(left, always=[np.array([-20.0, -40, -12, 0, 20]), np.array([-100.0, -700])])
def far_left_it_is_e_to_the_x(student, x):
    """Far below 0, ln(1 + e^x) is e^x, to six digits: 1 + e^x has rounded it away, and np.log1p has not."""
    mistakes = {"adding 1 first rounds a small e^x away: np.log1p(y) is ln(1 + y) without that": np.log(1 + np.exp(x))}
    close(student.softplus(x), np.log1p(np.exp(x)), "softplus(x)", rtol=1e-6, atol=0, mistakes=mistakes)


# -- silu -------------------------------------------------------------------------------------------------------------


@rubric.check("silu", points=1)
@given(st.one_of(arrays(dims=3), far), always=[*everyday, *extremes, np.array([-21.0, -12, 12])])
def gated_by_itself(student, x):
    """silu(x) = x sigmoid(x), so silu(x) - silu(-x) = x: what one gate holds back, the mirrored one lets through.

    silu(1000) is 1000 and silu(-1000) is 0, and no exponential overflows on the way.
    """
    s = (0.5 * (1 + np.tanh(0.5 * x.astype(np.float64)))).astype(x.dtype)
    mistakes = {"this is the gate alone": s, "the gate is shut where it should be open": x * (1 - s)}
    z = with_care(student, "silu", x)
    close(z, x * s, "silu(x)", rtol=digits(x), mistakes=mistakes)
    close(z - student.of_columns("silu", mirrored(x)), x, "silu(x) - silu(-x)")


# -- gelu -------------------------------------------------------------------------------------------------------------


@rubric.check("gelu", points=1)
@given(st.one_of(arrays(dims=3), far), always=[*everyday[2:], *extremes])
def near_the_normal_gate(student, x):
    """gelu(x) is x times the chance that a normal number lies below x, within 5e-4; and gelu(x) - gelu(-x) = x.

    gelu(1000) is 1000 and gelu(-1000) is 0, and nothing overflows on the way.
    """
    z = with_care(student, "gelu", x)
    exact = np.reshape([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x.flat], x.shape)
    close(z, exact.astype(x.dtype), "gelu(x)", rtol=1e-2 if x.dtype == np.float16 else 0, atol=5e-4)
    close(z - student.of_columns("gelu", mirrored(x)), x, "gelu(x) - gelu(-x)")


@rubric.check("gelu", points=1)
@given(
    shapes().flatmap(no_zeros),
    st.sampled_from(["none", "sigmoid", "erf"]),
    always=[
        *[(x, "none") for x in (*everyday[:2], np.linspace(-6, 6, 49))],
        *[(everyday[0], form) for form in ("TANH", "tan", "tanh ", "", None)],
    ],
)
def the_tanh_formula(student, x, approximate):
    """gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), to the digits of the formula.

    It is the one form that is here: any `approximate` but "tanh" is refused with a ValueError that names it.
    """
    refuses("ValueError", student.gelu, x, approximate=approximate, mentioning=[str(approximate)])
    close(student.gelu(x, approximate="tanh"), student.gelu(x), "gelu(x, approximate='tanh')")
    wanted = lambda cube: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * cube)))
    close(
        student.gelu(x), wanted(x**3), "gelu(x)", mistakes={"this has a square where the cube should be": wanted(x**2)}
    )


# -- normal_cdf -------------------------------------------------------------------------------------------------------


def below(x):
    """P(N < x) by the complementary error function, which has its digits on the left."""
    gate = np.reshape([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.astype(np.float64).flat], x.shape)
    return gate.astype(x.dtype)


@rubric.check("normal_cdf", points=1)
@given(arrays(dims=3), always=[np.linspace(-6, 6, 49), *everyday])
def win_or_lose(student, x):
    """N lies below x or above it, and P(N < -x) = P(N > x): the two sum to one, and each is the area under the bell."""
    p = student.normal_cdf(x)
    mistakes = {
        "this is P(N > x)": below(mirrored(x)),
        "this is the area between 0 and x": below(x) - x.dtype.type(0.5),
    }
    close(p, below(x), "normal_cdf(x)", rtol=digits(x), mistakes=mistakes)
    close(p + student.of_columns("normal_cdf", mirrored(x)), np.ones_like(x) + 0 * x, "normal_cdf(x) + normal_cdf(-x)")


tails = shapes(dims=1, least=1).flatmap(lambda shape: filled(shape, st.integers(-37, -1)))


@rubric.check("normal_cdf", points=1)
@given(tails, always=[-np.arange(0, 37.5, 0.25), np.float32([-13, -8, -4, -3, -2.75]), np.array([-30.0, 2, 9])])
def digits_far_to_the_left(student, x):
    """P(N < x) to ten digits, also where it is tiny: 1 - P(N > x) and 1/2 less nearly 1/2 have lost them by then."""
    upper = 0.5 * (1 + np.array([math.erf(v / math.sqrt(2)) for v in x.tolist()]))
    mistakes = {"1 + erf cancels: far to the left its digits are gone": upper.astype(x.dtype)}
    rtol = 1e-10 if x.dtype == np.float64 else 1e-4
    close(student.normal_cdf(x), below(x), "normal_cdf(x)", rtol=rtol, atol=0, mistakes=mistakes)


@rubric.check("normal_cdf", points=1)
@given(far, always=[*extremes, np.array([3e38, -3e38, 1e30, 0, 5e-324], np.float32), np.array([1e150, -1e150])])
def gate_at_a_thousand(student, x):
    """At 1000 the gate is open, at -1000 it is shut, and nothing overflows, in series or fraction."""
    close(student.strictly("normal_cdf", x), below(x), "normal_cdf(x)")


# -- softmax ----------------------------------------------------------------------------------------------------------

lined = np.array([[[1, 2, 0], [-1, 2, 2]], [[0, 0, 4], [3, -2, 1]]], np.float64)
axes = [(lined, 0), (lined, 1), (lined, -1), *[(x, -1) for x in everyday], (holed, 0), (np.array([0, -np.inf, 1]), 0)]
axes += [(np.stack([lined, -lined]), dim) for dim in (1, -2)]  # four axes, as attention's scores have
steep = [
    np.array(scores, dtype)
    for dtype in (np.float32, np.float16)
    for scores in ([1000, 0], [-1000, -1000], [0, 1000, -1000])
] + [np.array([10_000, 10_001, 10_002], np.float32)]


@st.composite
def scores_and_axis(draw, most=5):
    """Scores with one to three axes, and one of the axes."""
    x = draw(arrays(dims=3, least=1, most=most))
    return x, draw(st.integers(-x.ndim, x.ndim - 1))


def naive(x, dim):
    """softmax as its equation says it: safe for the small scores of these checks."""
    e = np.exp(x.astype(np.float64))
    return (e / e.sum(axis=dim, keepdims=True)).astype(x.dtype)


@rubric.check("softmax", points=1)
@given(scores_and_axis(), always=axes[:3])
def positive_and_summing_to_one(student, x, dim):
    """Along dim, and along no other axis, the shares are positive and sum to one."""
    p = student.softmax(x, dim=dim)
    holds(p > 0, "every share is positive", smallest=np.min(p))
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    mistakes = {"all of it together sums to one, not each line along dim": e.sum(axis=dim) / e.sum()}
    close(p.sum(axis=dim), np.ones_like(x.sum(axis=dim)), "the sum along dim", mistakes=mistakes)


@rubric.check("softmax", points=1)
@given(scores_and_axis(), always=axes)
def ratios_are_exponential(student, x, dim):
    """z_i / z_j = e^(x_i - x_j): each score counts by its exponential. Without a dim, it is the last axis."""
    close(student.softmax(x, dim=dim), naive(x, dim), "softmax(x, dim)", rtol=digits(x))
    mistakes = {"the default axis is the last": naive(x, 0)}
    close(student.of_columns("softmax", x), naive(x, -1), "softmax(x)", mistakes=mistakes)


@rubric.check("softmax", points=1)
@given(scores_and_axis(), st.integers(-5, 5), always=[(*case, 5) for case in axes[:3]])
def softmax_ignores_shifts(student, x, dim, c):
    """Adding a number to every score changes nothing; nor does adding another one to each line along dim."""
    close(student.softmax(x + c, dim=dim), naive(x, dim), "softmax(x + c)")
    lines = np.arange(x.sum(axis=dim).size).reshape(x.sum(axis=dim, keepdims=True).shape)
    close(student.softmax(x + 100 * lines, dim=dim), naive(x, dim), "softmax(x + 100, 200... along each line)")


@rubric.check("softmax", points=1)
@given(far, always=steep)
def softmax_at_a_thousand(student, x):
    """Scores of +-1000, alone or side by side, give shares that sum to one, and nothing overflows on the way."""
    wide = x.astype(np.float64)
    expected = naive(wide - wide.max(), -1).astype(x.dtype)
    mistakes = {"the shares of larger scores must be larger": naive(wide.min() - wide, -1).astype(x.dtype)}
    close(student.strictly("softmax", x), expected, "softmax(x)", mistakes=mistakes)


# -- log_softmax ------------------------------------------------------------------------------------------------------


@rubric.check("log_softmax", points=1)
@given(scores_and_axis(), always=axes)
def logarithm_of_the_shares(student, x, dim):
    """log_softmax is the logarithm of softmax along dim: never above 0, and its exponentials sum to one."""
    z = student.log_softmax(x, dim=dim)
    close(z, np.log(naive(x, dim)), "log_softmax(x, dim)")
    close(student.of_columns("log_softmax", x), np.log(naive(x, -1)), "log_softmax(x)")


@rubric.check("log_softmax", points=1)
@given(scores_and_axis(), st.integers(-5, 5), always=[(*case, 5) for case in axes[:3]])
def log_softmax_ignores_shifts(student, x, dim, c):
    """Adding a number to every score changes nothing; nor does adding another one to each line along dim."""
    expected = np.log(naive(x, dim))
    close(student.log_softmax(x + c, dim=dim), expected, "log_softmax(x + c)")
    lines = np.arange(x.sum(axis=dim).size).reshape(x.sum(axis=dim, keepdims=True).shape)
    close(student.log_softmax(x + 100 * lines, dim=dim), expected, "log_softmax(x + 100, 200... along each line)")


@rubric.check("log_softmax", points=1)
@given(far, always=steep[:-1])
def never_the_log_of_zero(student, x):
    """A share too small for a float32 still has a logarithm: with scores 1000 and 0 it is -1000, not -inf."""
    wide = x.astype(np.float64)
    shifted = wide - wide.max()
    expected = (shifted - np.log(np.exp(shifted).sum())).astype(x.dtype)
    close(student.strictly("log_softmax", x), expected, "log_softmax(x)")


# -- accounting -------------------------------------------------------------------------------------------------------


def weights_spared():
    """What four matrices hold more than their product."""
    layers = [np.zeros(shape) for shape in ((784, 512), (512, 256), (256, 128), (128, 10))]
    return sum(w.size for w in layers) - np.linalg.multi_dot(layers).size


@rubric.accounting(points=1, unit="weights", counted=weights_spared, tolerance=0, difficulty=1, minutes=5)
def spared_weights():
    """How many weights does it spare to replace four linear layers by the one that says the same?

    They go from 784 numbers to 512, to 256, to 128 and to 10, with nothing between them. Count no biases.
    """
    # What shape has the product of all four matrices?
    return 784 * 512 + 512 * 256 + 256 * 128 + 128 * 10 - 784 * 10


def layers_until_nothing():
    """How often 1 may be divided by four until it is less than what two float64 at a half are apart."""
    apart, layers = 1.0, 0
    while apart >= np.spacing(0.5):
        apart, layers = apart / 4, layers + 1
    return layers


@rubric.accounting(points=1, unit="layers", counted=layers_until_nothing, tolerance=0, difficulty=2, minutes=8)
def layers_to_nothing():
    """After how many layers of sigmoids is a difference of 1 too small for a float64 to hold?

    Let every layer pass on a quarter of the difference, which is the most that a sigmoid can. The outputs lie near a
    half, where two neighbouring float64 are 2^-53 apart. Count the layers until the difference is less than that.
    """
    # Which power of 2 is a quarter, and which is the difference after n layers?
    return 53 // 2 + 1


class Watched(np.ndarray):
    """An array that counts the bytes which NumPy's operations on it and its results read and write."""

    passed = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        plain = [x.view(np.ndarray) if isinstance(x, Watched) else x for x in inputs]
        z = getattr(ufunc, method)(*plain, **options)
        Watched.passed += sum(x.nbytes for x in (*plain, z) if isinstance(x, np.ndarray))
        return z.view(Watched)


def bytes_through_gelu():
    """What the operations of gelu read and write."""
    from tinytorch.activations import gelu

    Watched.passed = 0
    gelu.function(np.zeros(1_000_000, np.float32).view(Watched))
    return Watched.passed


@rubric.accounting(points=1, unit="bytes", counted=bytes_through_gelu, tolerance=0, difficulty=2, minutes=10)
def gelu_bytes():
    """How many bytes do the operations of gelu read and write, on a million float32?

    Take it as 0.5 * x * (1 + tanh(c * (x + 0.044715 * x * x * x))), worked out from left to right: each operation reads
    the arrays that it is given, one or two, and writes one. Plain numbers cost nothing.
    """
    # Write the nine operations below each other. Which of them read two arrays?
    return 4 * 1_000_000 * (9 + 4 + 9)

"""Wrong answers to chapter 02: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.activations import softmax
from tito.rubrics.planted import wrong

# -- relu -------------------------------------------------------------------------------------------------------------

wrong("relu", "takes the absolute value", "np.maximum(x, 0)", "np.abs(x)")
wrong("relu", "keeps the negative part", "np.maximum", "np.minimum")
wrong("relu", "says whether x is positive, and does not pass x", "np.maximum(x, 0)", "(x > 0).astype(x.dtype)")
wrong("relu", "takes the largest of all elements", "np.maximum(x, 0)", "np.max(x, initial=0)")
wrong("relu", "stops at 6, as a relative of relu does", "np.maximum(x, 0)", "np.clip(x, 0, 6)")
wrong("relu", "overwrites x", "np.maximum(x, 0)", "np.maximum(x, 0, out=x)")
wrong("relu", "answers in half precision", "np.maximum(x, 0)", "np.maximum(np.float16(x), 0)")

wrong("relu", "computes in float32", "x, 0)", "np.float32(x) if x.dtype.kind == 'f' else x, 0)")


@wrong("relu", "fills a flat copy: of a transposed x it is no view")
def relu_flat(x):
    z = np.zeros_like(x)
    z.ravel()[:] = np.maximum(x, 0).ravel()
    return z


# -- leaky_relu -------------------------------------------------------------------------------------------------------

wrong("leaky_relu", "scales both sides", "np.maximum(x, 0) + negative_slope * np.minimum(x, 0)", "negative_slope * x")
wrong("leaky_relu", "overwrites x", "np.minimum(x, 0)", "np.minimum(x, 0, out=x)")
wrong("leaky_relu", "answers in half precision", "return np", "x = np.float16(x)\nreturn np")
wrong("leaky_relu", "takes NaN for 0", "np.maximum", "np.fmax", "np.minimum", "np.fmin")
wrong("leaky_relu", "computes in float32", "return np", "x = np.float32(x)\nreturn np")


@wrong("leaky_relu", "takes the larger of x and its scaled copy: right for slopes up to 1 only")
def leaky_larger(x, *, negative_slope=0.01):
    return np.maximum(x, negative_slope * x)


@wrong("leaky_relu", "forgets the parameter")
def leaky_fixed(x, *, negative_slope=0.01):
    return np.where(x > 0, x, 0.01 * x)


@wrong("leaky_relu", "puts the slope itself where x is negative")
def leaky_constant(x, *, negative_slope=0.01):
    return np.where(x > 0, x, negative_slope)


@wrong("leaky_relu", "has the leak on the wrong side")
def leaky_wrong_side(x, *, negative_slope=0.01):
    return np.where(x < 0, x, negative_slope * x)


@wrong("leaky_relu", "takes the slope without its sign")
def leaky_unsigned(x, *, negative_slope=0.01):
    return np.where(x > 0, x, abs(negative_slope) * x)


@wrong("leaky_relu", "adds x and |x|, which overflows")
def leaky_by_absolute(x, *, negative_slope=0.01):
    return 0.5 * ((1 + negative_slope) * x + (1 - negative_slope) * np.abs(x))


# -- sigmoid ----------------------------------------------------------------------------------------------------------

wrong("sigmoid", "forgets the minus", "np.exp(np.minimum(x, 0))", "1", "-np.abs(x)", "np.clip(x, -80, 80)")
wrong("sigmoid", "overwrites x", "np.abs(x)", "np.abs(x, out=x)")
wrong("sigmoid", "answers in half precision", "return np", "x = np.float16(x)\nreturn np")
wrong("sigmoid", "takes NaN for 0", "return np", "x = np.nan_to_num(x)\nreturn np")


@wrong("sigmoid", "writes the equation down as it is: overflows at -1000")
def sigmoid_naive(x):
    return 1 / (1 + np.exp(-x))


@wrong("sigmoid", "uses the form that is right for negative x everywhere: nan at 1000")
def sigmoid_other_form(x):
    return np.exp(x) / (1 + np.exp(x))


@wrong("sigmoid", "squeezes tanh: nothing overflows, and small answers lose their digits")
def sigmoid_tanh(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


@wrong("sigmoid", "computes both forms and chooses: the one thrown away overflows")
def sigmoid_where(x):
    return np.where(x > 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))


@wrong("sigmoid", "clips x to a range that is too small")
def sigmoid_clipped(x):
    return 1 / (1 + np.exp(-np.clip(x, -10, 10)))


@wrong("sigmoid", "clips x where float32 would overflow: a float64 goes further")
def sigmoid_clipped_wide(x):
    return 1 / (1 + np.exp(-np.clip(x, -88, 88)))


@wrong("sigmoid", "becomes 1 above 10")
def sigmoid_ends(x):
    e = np.exp(-np.abs(x))
    return np.where(x > 10, 1, np.where(x < 0, e, 1) / (1 + e))


# -- softplus ---------------------------------------------------------------------------------------------------------

wrong("softplus", "takes log where log1p keeps the digits", "np.log1p(", "np.log(1 + ")
wrong("softplus", "forgets to add the larger exponent back", "np.maximum(x, 0) + np.log1p", "np.log1p")
wrong("softplus", "overwrites x", "np.abs(x)", "np.abs(x, out=x)")
wrong("softplus", "answers in half precision", "return np", "x = np.float16(x)\nreturn np")


@wrong("softplus", "writes the equation down as it is: overflows at 1000")
def softplus_naive(x):
    return np.log(1 + np.exp(x))


@wrong("softplus", "uses log1p and still overflows")
def softplus_log1p_only(x):
    return np.log1p(np.exp(x))


@wrong("softplus", "becomes x above 20 by np.where, after the overflow")
def softplus_where(x):
    return np.where(x > 20, x, np.log1p(np.exp(x)))


@wrong("softplus", "becomes x above 10, where e^-x still counts")
def softplus_threshold(x):
    return np.where(x > 10, x, np.log1p(np.exp(np.minimum(x, 10))))


@wrong("softplus", "becomes 0 below -50, where e^x still has all its digits")
def softplus_ends(x):
    return np.where(x < -50, 0, np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


@wrong("softplus", "becomes e^x below -10")
def softplus_tail(x):
    return np.where(x < -10, np.exp(np.minimum(x, 0)), np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


# -- silu -------------------------------------------------------------------------------------------------------------

wrong("silu", "returns the gate alone", "x *", "")
wrong("silu", "divides by 1 + e^-x itself: overflows at -1000", "x * sigmoid.function(x)", "x / (1 + np.exp(-x))")
wrong("silu", "shuts the gate where it should open", "(x)", "(-x)")
wrong("silu", "gates a relu: nothing negative comes out", "x * sigmoid", "np.maximum(x, 0) * sigmoid")
wrong("silu", "overwrites x", "return x * sigmoid.function(x)", "x *= sigmoid.function(x)\nreturn x")
wrong("silu", "answers in half precision", "x * sigmoid.function(x)", "np.float16(x * sigmoid.function(x))")

wrong("silu", "becomes 0 below -20", "x * sigmoid.function(x)", "np.where(x < -20, 0, x * sigmoid.function(x))")
wrong("silu", "computes in float32", "sigmoid.function(x)", "sigmoid.function(np.float32(x))")

# -- gelu -------------------------------------------------------------------------------------------------------------

wrong("gelu", "squares where it should cube", "x * x * x", "x * x")
wrong("gelu", "forgets the half", "0.5 * x", "x")
wrong("gelu", "takes the root of pi / 2", "2 / math.pi", "math.pi / 2")
wrong(
    "gelu",
    "gives the sigmoid approximation, x sigmoid(1.702 x)",
    "0.5 * x * (1 + np.tanh(inner))",
    "x * sigmoid.function(1.702 * x)",
)
wrong("gelu", "leaves the x out that the gate multiplies", "0.5 * x", "0.5")
wrong(
    "gelu",
    "writes tanh out in exponentials, which overflow",
    "0.5 * x * (1 + np.tanh(inner))",
    "x / (1 + np.exp(-2 * inner))",
)
wrong("gelu", "ignores a form that it does not have", 'approximate != "tanh"', "False")
wrong("gelu", "overwrites x", "0.5 * x * (1 + np.tanh(inner))", "np.multiply(x, 0.5 * (1 + np.tanh(inner)), out=x)")
wrong("gelu", "answers in half precision", "inner = math", "x = np.float16(x)\ninner = math")

wrong("gelu", "takes an empty name for the default", 'approximate != "tanh"', 'approximate and approximate != "tanh"')
wrong("gelu", "looks for the name inside of the name", 'approximate != "tanh"', 'approximate not in "tanh"')
wrong("gelu", "does not mind capitals", 'approximate != "tanh"', 'approximate.lower() != "tanh"')

wrong(
    "gelu",
    "takes None for the default",
    'approximate != "tanh"',
    'approximate is not None and approximate != "tanh"',
)
wrong("gelu", "strips the name", 'approximate != "tanh"', 'str(approximate).strip() != "tanh"')
wrong(
    "gelu", "becomes x above 4", "0.5 * x * (1 + np.tanh(inner))", "np.where(x > 4, x, 0.5 * x * (1 + np.tanh(inner)))"
)

# -- normal_cdf -------------------------------------------------------------------------------------------------------

wrong(
    "normal_cdf",
    "takes the left from the right: no digit is left of what is tiny",
    "below, 1 - below",
    "1 - (1 - below), 1 - below",
)
wrong(
    "normal_cdf",
    "goes on with the series where half less nearly half is nothing",
    "minimum(t, 3)",
    "minimum(t, 8)",
    "t < 3",
    "t < 8",
)
wrong("normal_cdf", "hands every number to the series, which overflows", "np.minimum(t, 3)", "t")
wrong("normal_cdf", "forgets the bell in the series", "0.5 - bell * series", "0.5 - series")
wrong("normal_cdf", "stops the series too soon", "range(3, 100, 2)", "range(3, 12, 2)")
wrong("normal_cdf", "stops the fraction too soon", "range(50, 0, -1)", "range(4, 0, -1)")
wrong("normal_cdf", "works the fraction out from its near end", "range(50, 0, -1)", "range(1, 51)")
wrong("normal_cdf", "answers with P(N > x)", "x < 0", "x > 0")
wrong("normal_cdf", "answers in float64", "1 - below).astype(x.dtype)", "1 - below)")
wrong("normal_cdf", "works in half precision", "astype(np.float64)", "astype(np.float16)")
wrong("normal_cdf", "overwrites x", "np.abs(x)", "np.abs(x, out=x)")
wrong("normal_cdf", "takes NaN for 0", "np.abs(x)", "np.nan_to_num(np.abs(x), posinf=np.inf)")


@wrong("normal_cdf", "adds up Taylor's series of alternating signs, which cancels and then overflows")
def normal_by_taylor(x):
    t = x.astype(np.float64)
    term = total = t
    for k in range(1, 100):
        term = -term * t * t / (2 * k)
        total = total + term / (2 * k + 1)
    return (0.5 + total / math.sqrt(2 * math.pi)).astype(x.dtype)


@wrong("normal_cdf", "squeezes erf: right of zero it is exact, on the left nothing is left")
def normal_by_erf(x):
    gate = [0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.flat]
    return np.reshape(np.array(gate, x.dtype), x.shape)


@wrong("normal_cdf", "is content with 1 above 5")
def normal_ends(x):
    gate = [1 if v > 5 else 0.5 * math.erfc(-v / math.sqrt(2)) for v in x.astype(np.float64).flat]
    return np.reshape(np.array(gate, x.dtype), x.shape)


@wrong("normal_cdf", "chooses one way for all numbers, by the largest")
def normal_one_way(x):
    v = x.astype(np.float64).ravel().tolist()
    left = not v or max(v) < 3
    gate = [0.5 * math.erfc(-t / math.sqrt(2)) if left else 0.5 * (1 + math.erf(t / math.sqrt(2))) for t in v]
    return np.array(gate, x.dtype).reshape(x.shape)


@wrong("normal_cdf", "fills a flat copy: of a transposed x it is no view")
def normal_flat(x):
    z = np.zeros_like(x)
    flat = z.ravel()
    for i, v in enumerate(x.ravel()):
        flat[i] = 0.5 * math.erfc(-v / math.sqrt(2))
    return z


# -- softmax ----------------------------------------------------------------------------------------------------------

wrong(
    "softmax",
    "does not subtract the largest score: overflows at 1000",
    "x - x.max(axis=dim, keepdims=True, initial=-np.inf)",
    "x",
)
wrong("softmax", "subtracts the smallest score: overflows where scores lie far apart", "x.max", "x.min")
wrong("softmax", "sums over everything", "e.sum(axis=dim, keepdims=True)", "e.sum()")
wrong("softmax", "ignores dim", "e = np.exp", "dim = -1\ne = np.exp")
wrong(
    "softmax",
    "divides the scores themselves by their sum",
    "np.exp(x - x.max(axis=dim, keepdims=True, initial=-np.inf))",
    "x",
)
wrong("softmax", "loses the axis that it summed", "e.sum(axis=dim, keepdims=True)", "e.sum(axis=dim)")
wrong("softmax", "overwrites x", "initial=-np.inf))", "initial=-np.inf), out=x)")
wrong("softmax", "answers in half precision", "return e", "e = np.float16(e)\nreturn e")
wrong("softmax", "takes NaN for 0", "e = np", "x = np.nan_to_num(x)\ne = np")


@wrong("softmax", "subtracts the largest of all scores: a line far below it becomes 0 / 0 in float32")
def softmax_global_maximum(x, *, dim=-1):
    e = np.exp(np.float32(x) - np.float32(x).max())
    return (e / e.sum(axis=dim, keepdims=True)).astype(x.dtype)


@wrong("softmax", "adds a little to the sum, against a division by zero that cannot happen")
def softmax_epsilon(x, *, dim=-1):
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / (e.sum(axis=dim, keepdims=True) + 1e-3)


@wrong("softmax", "adds very little to the sum, against a division by zero that cannot happen")
def softmax_small_epsilon(x, *, dim=-1):
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / (e.sum(axis=dim, keepdims=True) + 1e-8)


@wrong("softmax", "knows three axes")
def softmax_three_axes(x, *, dim=-1):
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    if x.ndim < 3:
        return e / e.sum(axis=dim, keepdims=True)
    return e / np.einsum(["ijk->jk", "ijk->ik", "ijk->ij"][dim], e).reshape(e.sum(axis=dim, keepdims=True).shape)


@wrong("softmax", "fills the rows of a copy: of a transposed x they are no views")
def softmax_rows(x, *, dim=-1):
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    z = np.zeros_like(x)
    z.reshape(-1)[:] = (e / e.sum(axis=dim, keepdims=True)).reshape(-1)
    return z


wrong("softmax", "computes in float32", "e = np", "x = np.float32(x)\ne = np")

# -- log_softmax ------------------------------------------------------------------------------------------------------

wrong(
    "log_softmax",
    "does not subtract the largest score: overflows at 1000",
    "x - x.max(axis=dim, keepdims=True, initial=-np.inf)",
    "x",
)
wrong("log_softmax", "subtracts the maximum inside the sum and forgets it outside", "return shifted", "return x")
wrong("log_softmax", "ignores dim", "shifted = x", "dim = -1\nshifted = x")
wrong(
    "log_softmax",
    "overwrites x",
    "shifted = x - x.max(axis=dim, keepdims=True, initial=-np.inf)",
    "x -= x.max(axis=dim, keepdims=True, initial=-np.inf)\nshifted = x",
)
wrong("log_softmax", "answers in half precision", "shifted = x", "x = np.float16(x)\nshifted = x")
wrong("log_softmax", "adds a little to the sum before the logarithm", "np.log(np", "np.log(1e-8 + np")


@wrong("log_softmax", "takes the logarithm of softmax: -inf where the share is too small")
def log_softmax_of_softmax(x, *, dim=-1):
    return np.log(softmax.function(x, dim=dim))


@wrong("log_softmax", "adds a little before the logarithm, so that it is never -inf")
def log_softmax_epsilon(x, *, dim=-1):
    return np.log(softmax.function(x, dim=dim) + 1e-8)


@wrong("log_softmax", "fills the rows of a copy: of a transposed x they are no views")
def log_softmax_rows(x, *, dim=-1):
    shifted = x - x.max(axis=dim, keepdims=True)
    z = np.zeros_like(x)
    z.reshape(-1)[:] = (shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))).reshape(-1)
    return z


@wrong("log_softmax", "forgets the logarithm")
def log_softmax_without_log(x, *, dim=-1):
    return softmax.function(x, dim=dim)


# -- accounting -------------------------------------------------------------------------------------------------------

wrong("spared_weights", "counts all weights, and takes none away", " - 784 * 10", "")
wrong("spared_weights", "counts biases, too", " - 784 * 10", " - 784 * 10 + 512 + 256 + 128")
wrong("spared_weights", "takes the product for a matrix of 784 by 784", " - 784 * 10", " - 784 * 784")

wrong("layers_to_nothing", "takes a layer to halve the difference", "53 // 2 + 1", "53 + 1")
wrong("layers_to_nothing", "stops a layer too soon", "53 // 2 + 1", "53 // 2")
wrong("layers_to_nothing", "reckons in decimal digits", "53 // 2 + 1", "16")
wrong("layers_to_nothing", "takes float32 for float64", "53 // 2 + 1", "24 // 2 + 1")

wrong("gelu_bytes", "counts numbers, not bytes", "4 * 1_000_000", "1_000_000")
wrong("gelu_bytes", "forgets what is written", "(9 + 4 + 9)", "(9 + 4)")
wrong("gelu_bytes", "lets every operation read one array", "(9 + 4 + 9)", "(9 + 9)")
wrong("gelu_bytes", "lets every operation read two arrays", "(9 + 4 + 9)", "(18 + 9)")

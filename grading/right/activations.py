"""Right answers to chapter 02, written in other ways: none may lose a point. Read, never run."""

import math

import numpy as np

from tinytorch.activations import softmax, softplus
from tito.rubrics.planted import right

# -- relu -------------------------------------------------------------------------------------------------------------

right("relu", "keeps what is not below 0", "np.maximum(x, 0)", "np.where(x < 0, x.dtype.type(0), x)")
right("relu", "chooses by the sign, as most would", "np.maximum(x, 0)", "np.where(x > 0, x, 0)")
right("relu", "clips", "np.maximum(x, 0)", "np.clip(x, 0, None)")


@right("relu", "copies x and clears what is below 0")
def relu_cleared(x):
    z = np.array(x)
    z[x < 0] = 0
    return z


right("relu", "zeros of x's own dtype", "np.maximum(x, 0)", "np.maximum(np.zeros_like(x), x)")

right("relu", "times a mask", "np.maximum(x, 0)", "x * (x > 0)")

# -- leaky_relu -------------------------------------------------------------------------------------------------------

right(
    "leaky_relu",
    "chooses between x and its scaled copy",
    "np.maximum(x, 0) + negative_slope * np.minimum(x, 0)",
    "np.where(x > 0, x, negative_slope * x)",
)
right(
    "leaky_relu",
    "a slope for each element, in float64",
    "np.maximum(x, 0) + negative_slope * np.minimum(x, 0)",
    "x * np.where(x > 0, 1, negative_slope)",
)


@right("leaky_relu", "copies x and scales what is below 0")
def leaky_scaled(x, *, negative_slope=0.01):
    z = np.array(x)
    z[z < 0] *= negative_slope
    return z


@right("leaky_relu", "multiplies by a slope for each element")
def leaky_slopes(x, *, negative_slope=0.01):
    slope = np.ones_like(x)
    slope[x < 0] = negative_slope
    return x * slope


@right("leaky_relu", "the larger or the smaller of x and its scaled copy, by the slope")
def leaky_by_slope(x, *, negative_slope=0.01):
    scaled = negative_slope * x
    return np.maximum(x, scaled) if negative_slope <= 1 else np.minimum(x, scaled)


right(
    "leaky_relu",
    "a relu for each side",
    "np.maximum(x, 0) + negative_slope * np.minimum(x, 0)",
    "relu.function(x) - negative_slope * relu.function(-x)",
)

# -- sigmoid ----------------------------------------------------------------------------------------------------------


@right("sigmoid", "one exponential, the fraction chosen by the sign")
def sigmoid_chosen(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


@right("sigmoid", "fills the two halves one after the other")
def sigmoid_halves(x):
    z = np.empty_like(x)
    up = x >= 0
    z[up] = 1 / (1 + np.exp(-x[up]))
    e = np.exp(x[~up])
    z[~up] = e / (1 + e)
    return z


@right("sigmoid", "e to the minus softplus of -x")
def sigmoid_by_logarithm(x):
    return np.exp(-np.logaddexp(np.zeros_like(x), -x))


@right("sigmoid", "the shares of e^x and 1, the larger of them taken out")
def sigmoid_of_two(x):
    yes, no = np.exp(np.minimum(x, 0)), np.exp(np.minimum(-x, 0))
    return yes / (yes + no)


@right("sigmoid", "Python's exp, one number at a time")
def sigmoid_by_python(x):
    shares = [1 / (1 + math.exp(-v)) if v > 0 else math.exp(v) / (1 + math.exp(v)) for v in x.ravel().tolist()]
    return np.array(shares, x.dtype).reshape(x.shape)


@right("sigmoid", "the softmax of x and 0")
def sigmoid_by_softmax(x):
    return softmax.function(np.stack([x, np.zeros_like(x)]), dim=0)[0]


# -- softplus ---------------------------------------------------------------------------------------------------------

right("softplus", "NumPy's own", "np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))", "np.logaddexp(np.zeros_like(x), x)")
right("softplus", "the positive part as half of x + |x|", "np.maximum(x, 0)", "(x + np.abs(x)) / 2")


@right("softplus", "chooses by the sign")
def softplus_chosen(x):
    rest = np.log1p(np.exp(np.where(x > 0, -x, x)))
    return np.where(x > 0, x + rest, rest)


@right("softplus", "becomes x above 20, as PyTorch's does")
def softplus_above(x):
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


@right("softplus", "fills the two halves one after the other")
def softplus_halves(x):
    z, up = np.empty_like(x), x > 0
    z[up] = x[up] + np.log1p(np.exp(-x[up]))
    z[~up] = np.log1p(np.exp(x[~up]))
    return z


# -- silu -------------------------------------------------------------------------------------------------------------

right("silu", "halves tanh", "sigmoid.function(x)", "(np.tanh(x / 2) + 1) / 2")
right("silu", "the factors the other way round", "x * sigmoid.function(x)", "sigmoid.function(x) * x")


@right("silu", "writes its gate out")
def silu_written_out(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, x, x * e) / (1 + e)


@right("silu", "the gate as e to the minus softplus of -x")
def silu_by_softplus(x):
    return x * np.exp(-softplus.function(-x))


right("silu", "x less what its gate holds back", "x * sigmoid.function(x)", "x - x * sigmoid.function(-x)")

# -- gelu -------------------------------------------------------------------------------------------------------------

right("gelu", "a power for the cube", "x * x * x", "x**3")
right("gelu", "NumPy's root, which is float64", "math.sqrt(2 / math.pi)", "np.sqrt(2 / np.pi)")
right("gelu", "takes x out", "x + 0.044715 * x * x * x", "x * (1 + 0.044715 * x * x)")
right("gelu", "the gate as a sigmoid", "0.5 * x * (1 + np.tanh(inner))", "x * sigmoid.function(2 * inner)")


@right("gelu", "ten digits of the root")
def gelu_by_digits(x, *, approximate="tanh"):
    if approximate == "tanh":
        return x / 2 * (1 + np.tanh(0.7978845608 * x * (1 + 0.044715 * np.square(x))))
    raise ValueError(f"gelu: {approximate}")


@right("gelu", "Python's tanh, one number at a time")
def gelu_by_python(x, *, approximate="tanh"):
    if approximate not in ["tanh"]:
        raise ValueError(f"no form {approximate}")
    c = math.sqrt(2 / math.pi)
    z = [v / 2 + v / 2 * math.tanh(c * (v + 0.044715 * v**3)) for v in x.ravel().tolist()]
    return np.array(z, x.dtype).reshape(x.shape)


# -- normal_cdf -------------------------------------------------------------------------------------------------------

right(
    "normal_cdf",
    "changes over at 2.5",
    "np.minimum(t, 3), np.maximum(t, 3)",
    "np.minimum(t, 2.5), np.maximum(t, 2.5)",
    "t < 3",
    "t < 2.5",
)


@right("normal_cdf", "Python's erfc, one number at a time")
def normal_by_erfc(x):
    gate = [math.erfc(-v / math.sqrt(2)) / 2 for v in x.astype(np.float64).flat]
    return np.reshape(np.array(gate, x.dtype), x.shape)


@right("normal_cdf", "fills what is near and what is far one after the other, and adds until nothing changes")
def normal_in_parts(x):
    wide = np.array(x, np.float64)
    t, p = np.asarray(np.abs(wide)), np.full(wide.shape, np.nan)
    near, far = t < 2, t >= 2
    a, term, n = wide[near], wide[near], 1
    total = term.copy()
    while np.abs(term).max(initial=0) > 1e-20:
        n += 2
        term = term * a * a / n
        total += term
    p[near] = 0.5 + total * np.exp(-a * a / 2) / math.sqrt(2 * math.pi)
    b = t[far]
    fraction = b
    for k in reversed(range(1, 90)):
        fraction = b + k / fraction
    tail = np.exp(-b * b / 2) / fraction / math.sqrt(2 * math.pi)
    p[far] = np.where(wide[far] > 0, 1 - tail, tail)
    return p.astype(x.dtype)


@right("normal_cdf", "works the fraction out from its near end, as a quotient of two recurrences")
def normal_by_quotients(x):
    t = np.minimum(np.abs(np.float64(x)), 40.0)
    bell = np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    near, far = np.minimum(t, 3), np.maximum(t, 2)
    horner = 1 + 0 * near
    for odd in range(99, 1, -2):
        horner = 1 + near * near / odd * horner
    above, above_before, under, under_before = far, 1, 1 + 0 * far, 0
    for k in range(1, 60):
        above, above_before = far * above + k * above_before, above
        under, under_before = far * under + k * under_before, under
    tail = np.where(t > 3, bell * under / above, 0.5 - bell * near * horner)
    return np.asarray(np.where(x > 0, 1 - tail, tail)).astype(x.dtype)


@right("normal_cdf", "fills an array, index by index")
def normal_by_index(x):
    z = np.empty(x.shape, x.dtype)
    for index, v in np.ndenumerate(x):
        z[index] = math.erfc(-float(v) * math.sqrt(0.5)) / 2
    return z


# -- softmax ----------------------------------------------------------------------------------------------------------


@right("softmax", "e to the log_softmax")
def softmax_of_logarithms(x, *, dim=-1):
    shifted = x - np.max(x, axis=dim, keepdims=True, initial=-np.inf)
    return np.exp(shifted - np.log(np.sum(np.exp(shifted), axis=dim, keepdims=True)))


@right("softmax", "moves the axis to the end and back")
def softmax_moved(x, *, dim=-1):
    rows = np.moveaxis(x, dim, -1)
    e = np.exp(rows - rows.max(axis=-1, initial=-np.inf)[..., None])
    return np.moveaxis(e / e.sum(axis=-1)[..., None], -1, dim)


@right("softmax", "works in an array of its own, in place")
def softmax_in_place(x, *, dim=-1):
    z = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    np.exp(z, out=z)
    z /= z.sum(axis=dim, keepdims=True)
    return z


@right("softmax", "as the hint has it; an axis of none is not asked for")
def softmax_by_the_hint(x, *, dim=-1):
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


@right("softmax", "line by line")
def softmax_by_lines(x, *, dim=-1):
    z = np.empty_like(x)
    lines, shares = np.moveaxis(x, dim, -1), np.moveaxis(z, dim, -1)
    for index in np.ndindex(lines.shape[:-1]):
        e = np.exp(lines[index] - lines[index].max())
        shares[index] = e / e.sum()
    return z


@right("softmax", "a function of one line, applied along the axis")
def softmax_applied(x, *, dim=-1):
    def shares(line):
        e = np.exp(line - max(line))
        return e / sum(e)

    return np.apply_along_axis(shares, dim, x) if x.size else x.copy()


# -- log_softmax ------------------------------------------------------------------------------------------------------


@right("log_softmax", "x less its logsumexp")
def log_softmax_by_logsumexp(x, *, dim=-1):
    m = x.max(axis=dim, keepdims=True, initial=-np.inf)
    with np.errstate(divide="ignore"):
        return x - (m + np.log(np.sum(np.exp(x - m), axis=dim, keepdims=True)))


@right("log_softmax", "NumPy's logaddexp, from score to score")
def log_softmax_by_logaddexp(x, *, dim=-1):
    return x - np.logaddexp.reduce(x, axis=dim, keepdims=True, initial=-np.inf)


@right("log_softmax", "moves the axis to the front and back")
def log_softmax_moved(x, *, dim=-1):
    z = np.moveaxis(x, dim, 0)
    z = z - z.max(axis=0, initial=-np.inf)
    with np.errstate(divide="ignore"):
        z = z - np.log(np.exp(z).sum(axis=0))
    return np.moveaxis(z, 0, dim)


@right("log_softmax", "as the hint has it; an axis of none is not asked for")
def log_softmax_by_the_hint(x, *, dim=-1):
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


@right("log_softmax", "adds the exponentials up one slice after the other")
def log_softmax_slices(x, *, dim=-1):
    slices = np.moveaxis(x - np.max(x, axis=dim, keepdims=True), dim, 0)
    return np.moveaxis(slices - np.log(sum(np.exp(s) for s in slices)), 0, dim)


# -- accounting -------------------------------------------------------------------------------------------------------

right("spared_weights", "answers with a float", "784 * 512 +", "784.0 * 512 +")
right("spared_weights", "takes the last layer out", "128 * 10 - 784 * 10", "(128 - 784) * 10")


@right("spared_weights", "multiplies the matrices")
def spared_by_product():
    layers = [np.zeros(shape, np.float32) for shape in [(784, 512), (512, 256), (256, 128), (128, 10)]]
    return sum(w.size for w in layers) - (layers[0] @ layers[1] @ layers[2] @ layers[3]).size


right("layers_to_nothing", "rounds up", "53 // 2 + 1", "int(np.ceil(53 / 2))")
right("layers_to_nothing", "takes logarithms", "53 // 2 + 1", "int(np.log(2.0**53) / np.log(4)) + 1")


@right("layers_to_nothing", "divides until it is there")
def layers_by_division():
    layers = 0
    while 0.25**layers >= 2.0**-53:
        layers += 1
    return layers


right("gelu_bytes", "multiplies out", "4 * 1_000_000 * (9 + 4 + 9)", "88_000_000")
right("gelu_bytes", "answers with a float", "4 * 1_000_000", "4.0e6")


@right("gelu_bytes", "operation by operation")
def gelu_by_operations():
    arrays_read = [1, 2, 2, 2, 1, 1, 1, 1, 2]
    return sum(4 * 1_000_000 * (n + 1) for n in arrays_read)

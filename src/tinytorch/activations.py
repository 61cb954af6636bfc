"""Activations: what stands between two linear layers, so that they are more than one.

Notation: x the input, any shape; z = f(x) element by element, except softmax, which normalises along one axis.
Each function is exact wherever float32 is: at +-1000 nothing overflows, and NaN stays NaN.
"""

import math

import numpy as np

from tinytorch.tensor import primitive, widened

# -- thresholds ----------------------------------------------------------------------------------------------------


@primitive
def relu(x):
    """z = max(x, 0). Nair and Hinton, 2010.

    >>> relu([-2, 0, 3])
    tensor([0., 0., 3.])
    """
    # The larger of two numbers, element by element. x may have any shape.
    return np.maximum(x, 0)


@primitive
def leaky_relu(x, *, negative_slope=0.01):
    """z = max(x, 0) + negative_slope * min(x, 0). Maas, Hannun and Ng, 2013.

    >>> leaky_relu([-2, 0, 3], negative_slope=0.1)
    tensor([-0.2,  0. ,  3. ])
    """
    # x is what it is above 0 plus what it is below. Only one of the two is scaled, and the
    # slope may exceed 1.
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


# -- the logistic family -------------------------------------------------------------------------------------------


@primitive
@widened
def sigmoid(x):
    """z = 1 / (1 + e^-x) = e^x / (1 + e^x), in (0, 1). As exact at -20 as at 20.

    >>> sigmoid([-1000, 0, 1000])
    tensor([0. , 0.5, 1. ])
    """
    # No exponent may be positive. Which of the two forms obeys that for x > 0, which for
    # x < 0? What stands above the line in each, and what below it in both?
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


@primitive
@widened
def tanh(x):
    """z = (e^x - e^-x) / (e^x + e^-x), in (-1, 1).

    >>> tanh([0, 1])
    tensor([0.    , 0.7616])
    """
    return np.tanh(x)


@primitive
@widened
def softplus(x):
    """z = ln(1 + e^x), a smooth relu whose slope is the sigmoid. Dugas et al., 2000.

    >>> softplus([-1000, 0, 100])
    tensor([  0.    ,   0.6931, 100.    ])
    """
    # 1 is e^0. Take the larger of the exponents 0 and x out of the logarithm: what is left
    # inside is 1 + y with a y that np.log1p(y) does not lose.
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# -- gates ---------------------------------------------------------------------------------------------------------


@primitive
@widened
def silu(x):
    """z = x * sigmoid(x): the input, gated by itself. Elfwing, Uchibe and Doya, 2017.

    >>> silu([-1000, 0, 2])
    tensor([-0.    ,  0.    ,  1.7616])
    """
    # sigmoid.function is the sigmoid on arrays.
    return x * sigmoid.function(x)


@primitive
@widened
def gelu(x, *, approximate="tanh"):
    """z = x * P(N < x) for a standard normal N, by its tanh approximation. Hendrycks and Gimpel, 2016.

    z = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). The exact form is x * normal_cdf(x), and several
    times as slow: any `approximate` but "tanh" raises ValueError, naming it.

    >>> gelu([-1000, 0, 2])
    tensor([-0.    ,  0.    ,  1.9546])
    """
    # Refuse what you cannot do, naming what was given. Write the cube as a product: x * x * x
    # is many times faster than x**3.
    if approximate != "tanh":
        raise ValueError(f"gelu is here as approximate='tanh' only, got {approximate!r}")
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1 + np.tanh(inner))


def normal_cdf(x: np.ndarray) -> np.ndarray:
    """P(N < x) for a standard normal N: the gate of gelu, to twelve digits in float64, also where it is tiny.

    With the bell curve b(x) = e^(-x^2/2) / sqrt(2 pi), it is 1/2 + b(x) s(x) for a series s whose terms all have the
    sign of x, and b(x) / (t + 1/(t + 2/(t + 3/(t + ...)))) for x = -t below 0 (Laplace, 1805). x holds floats, of any
    shape, and its dtype is the result's; in between all is float64.

    >>> [f"{p:.4g}" for p in normal_cdf(np.array([-10.0, 0.0, 1.0]))]
    ['7.62e-24', '0.5', '0.8413']
    """
    # The slope of 1/2 + b s is b: what is then the slope of s? Which power series has it, and
    # what makes the next term of the one before? A fraction is worked out from its far end.
    # Let NumPy compute both ways for every t = |x|, the series with a t that is never above 3,
    # the fraction with one that is never below: neither meets what it cannot stand. Then choose.
    t = np.abs(x).astype(np.float64)
    near, far = np.minimum(t, 3), np.maximum(t, 3)
    bell = np.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    term = series = near
    for odd in range(3, 100, 2):
        term = term * near * near / odd
        series = series + term
    fraction = far
    for k in range(50, 0, -1):
        fraction = far + k / fraction
    below = np.where(t < 3, 0.5 - bell * series, bell / fraction)  # P(N < -t)
    return np.where(x < 0, below, 1 - below).astype(x.dtype)


# -- distributions -------------------------------------------------------------------------------------------------


@primitive
@widened
def softmax(x, *, dim=-1):
    """z_i = e^x_i / sum_j e^x_j along dim: positive, summing to one. Shifts of x change nothing.

    >>> softmax([1000, 1000, 0])
    tensor([0.5, 0.5, 0. ])
    """
    # Subtract the largest x along dim first: the result is the same, and no exponential
    # exceeds 1. keepdims=True lets what you took along dim broadcast back.
    e = np.exp(x - x.max(axis=dim, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=dim, keepdims=True)


@primitive
@widened
def log_softmax(x, *, dim=-1):
    """z_i = x_i - ln(sum_j e^x_j) along dim: the logarithm of softmax, never that of a zero.

    >>> log_softmax([1000, 0])
    tensor([    0., -1000.])
    """
    # Shift by the maximum, as in softmax; then subtract the logarithm of the sum of
    # exponentials. Do not call softmax.
    shifted = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    with np.errstate(divide="ignore"):  # of nothing at all the sum is 0
        return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))

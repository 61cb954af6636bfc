"""Activations: what stands between two linear layers, so that they are more than one.

Notation: x the input, any shape; z = f(x) element by element, except softmax, which normalises along one axis.
Each function is exact wherever float32 is: at +-1000 nothing overflows.
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
    """z = ln(1 + e^x), a smooth relu whose slope is the sigmoid. Dugas et al., 2001.

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

    z = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). The exact form needs the error function, which NumPy
    lacks: any `approximate` but "tanh" raises ValueError.

    >>> gelu([-1000, 0, 2])
    tensor([-0.    ,  0.    ,  1.9546])
    """
    # Refuse what you cannot do, naming what was given. Write the cube as a product: x * x * x
    # is many times faster than x**3.
    if approximate != "tanh":
        raise ValueError(f"gelu is here as approximate='tanh' only, got {approximate!r}")
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1 + np.tanh(inner))


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

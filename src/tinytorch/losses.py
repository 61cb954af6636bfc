"""Losses: how wrong a prediction is, as one number.

Notation: x predictions or logits; y what they should have been; B examples, C classes; p = softmax(logits).
Each loss is a value an example, then a reduction: their "mean", their "sum", or "none" to keep them apart.
"""

import math
from typing import Any

import numpy as np

from tinytorch.layers import FunctionModule
from tinytorch.tensor import primitive, widened

# -- reductions ----------------------------------------------------------------------------------------------------


def reduced(values: np.ndarray, reduction: str) -> Any:
    """The values' mean, their sum, or themselves. Raises ValueError for another reduction.

    >>> float(reduced(np.array([1.0, 3.0]), "mean"))
    2.0
    """
    # values has .mean() and .sum(). Refuse first what is none of the three words:
    # a typo such as "avg" must not choose.
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    return values if reduction == "none" else values.mean() if reduction == "mean" else values.sum()


def same_shape(name: str, x: np.ndarray, y: np.ndarray) -> None:
    """Raise ValueError unless the shapes agree: broadcasting would compare pairs nobody meant."""
    if np.shape(x) != np.shape(y):
        raise ValueError(f"{name} needs two equal shapes, got {np.shape(x)} and {np.shape(y)}")


# -- regression ----------------------------------------------------------------------------------------------------


@primitive
@widened
def mse_loss(x, y, *, reduction="mean"):
    """(x - y)^2, reduced. Raises ValueError if shapes differ, or for another reduction.

    >>> mse_loss([1, 2, 3], [1, 2, 6])
    tensor(3.)
    """
    # same_shape(name, x, y) refuses shapes that differ; the name is for its message. Then square
    # the difference of each pair. Which function of yours makes one number of them?
    same_shape("mse_loss", x, y)
    error = x - y
    return reduced(error * error, reduction)


@primitive
@widened
def l1_loss(x, y, *, reduction="mean"):
    """|x - y|, reduced. Raises ValueError if shapes differ, or for another reduction.

    >>> l1_loss([1, 2, 3], [1, 2, 6])
    tensor(1.)
    """
    # As mse_loss, with the distance itself: what is ten times as far off counts ten
    # times as much, not a hundred times.
    same_shape("l1_loss", x, y)
    return reduced(np.abs(x - y), reduction)


# -- classification ------------------------------------------------------------------------------------------------


@primitive
@widened
def logsumexp(x, *, dim=-1, keepdim=False):
    """ln(sum e^x) along dim: a smooth maximum, with nothing to overflow.

    >>> logsumexp([1000.0, 1000.0])
    tensor(1000.6932)
    """
    # Take the largest x out of the sum. Which factor comes out, and what is its logarithm?
    # Keep the axis while you work, so that x - m lines up; drop it at the end, with
    # squeeze(axis=dim), unless it is to be kept.
    # (An infinite m must not be taken from itself; initial=-np.inf lets the axis be empty.)
    m = x.max(axis=dim, keepdims=True, initial=-np.inf)
    m = np.where(np.isinf(m), 0, m)
    with np.errstate(divide="ignore"):  # the logarithm of 0 is -inf, and right
        z = m + np.log(np.exp(x - m).sum(axis=dim, keepdims=True))
    return z if keepdim else z.squeeze(axis=dim)


@primitive
@widened
def binary_cross_entropy_with_logits(x, y, *, reduction="mean"):
    """-y ln p - (1 - y) ln(1 - p) with p = sigmoid(x), reduced.

    Raises ValueError if shapes differ, or for another reduction.

    >>> binary_cross_entropy_with_logits([0.0, 100.0], [1.0, 0.0], reduction="none")
    tensor([  0.6931, 100.    ])
    """
    # Shapes first, as in mse_loss. With p = 1 / (1 + e^-x) put in, what is left is
    # ln(1 + e^x) - x y. One of the two terms is a function of chapter 02: which exponent
    # did you take out there? np.log1p(z) is ln(1 + z), exact also for small z.
    same_shape("binary_cross_entropy_with_logits", x, y)
    loss = np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
    return reduced(loss, reduction)


@primitive
def cross_entropy(logits, target, *, label_smoothing=0.0, reduction="mean"):
    """-ln p[target] with p = softmax(logits), reduced: logits (B, C), target (B,) class indices.

    With label smoothing s the target is not one class but (1 - s) of it and s spread evenly
    over all C (Szegedy et al., 2016). Raises ValueError for shapes or an s that do not fit, or
    for another reduction; TypeError for targets that are not whole numbers, IndexError for a
    class outside 0..C-1.

    >>> cross_entropy([[0, 0], [100, 0]], np.array([0, 1]), reduction="none")
    tensor([  0.6931, 100.    ])
    """
    # check_classes(logits, target) refuses what does not fit. -ln p is logsumexp(logits)
    # minus logits; logsumexp.function works on arrays, and logits[np.arange(B), target]
    # picks each row's target. Get that right first. The smoothed loss is (1 - s) of it
    # and s of the mean of -ln p over all C classes.
    check_classes(logits, target)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing is a share from 0 to 1, got {label_smoothing}")
    log_z = logsumexp.function(logits)
    loss = log_z - logits[np.arange(len(target)), target]
    if label_smoothing:
        loss = (1 - label_smoothing) * loss + label_smoothing * (log_z - logits.mean(axis=-1))
    return reduced(loss, reduction)


def check_classes(logits: np.ndarray, target: np.ndarray) -> None:
    """Raise unless logits are (B, C) and target holds B whole numbers in 0..C-1."""
    if logits.ndim != 2 or target.shape != logits.shape[:1]:
        shapes = f"{logits.shape} and {target.shape}"
        raise ValueError(f"cross_entropy needs logits (B, C) and target (B,), got {shapes}")
    if target.dtype.kind not in "iu":
        hint = "tensor([0, 1]) makes whole numbers"
        raise TypeError(f"cross_entropy needs class indices, got {target.dtype}; {hint}")
    if target.size and (target.min() < 0 or target.max() >= logits.shape[1]):
        given = f"{target.min()}..{target.max()}"
        raise IndexError(f"classes are 0..{logits.shape[1] - 1}, got {given}")


def calibrating_factor(logits: np.ndarray, target: np.ndarray) -> float:
    """The f >= 0 for which the cross-entropy of f * logits is smallest: 1 over the best temperature. Guo et al., 2017.

    Where that loss falls for ever, since every row's largest logit is its target's, f is infinite; where it rises from
    the start, f is 0. Raises as cross_entropy does for what does not fit; the logits are finite.

    >>> f = calibrating_factor(np.array([[2.0, 0.0]] * 4), np.array([0, 0, 0, 1]))
    >>> round(2 * f, 4), round(math.log(3), 4)  # e^2f : 1 is three right answers to a wrong one
    (1.0986, 1.0986)
    """
    # The slope of ln(sum e^(f s)) in f is a mean of the scores s of a row: which weights has it?
    # Sum over the rows, and take away what the targets' scores lose. As f grows, that slope never
    # falls: find an f where it is not negative, and then halve the interval in which it changes
    # its sign, for as long as there is a number between the ends. Nothing may overflow on the way:
    # what may be added to all scores of a row?
    check_classes(logits, target)
    s = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)  # (B, C), 0 at each row's best
    own = s[np.arange(len(target)), target]

    def slope(f: float) -> float:
        e = np.exp(f * s)
        return (s * e / e.sum(axis=1, keepdims=True)).sum() - own.sum()

    if slope(0.0) >= 0:
        return 0.0
    if not own.any():
        return math.inf
    low, high = 0.0, 1.0
    while slope(high) < 0:
        low, high = high, high + high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return high


# -- losses as modules ---------------------------------------------------------------------------------------------


class MSELoss(FunctionModule):
    """mse_loss as a module: MSELoss(reduction="mean")."""

    function = mse_loss


class L1Loss(FunctionModule):
    """l1_loss as a module."""

    function = l1_loss

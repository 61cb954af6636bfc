"""More losses, and those of `losses` with everything that PyTorch lets one ask of them.

Notation: x predictions or logits, (B, C) or (B, C, ...); y what they should have been; N examples, C classes. Where no
option is used, the function of `losses` answers. What a loss needs beyond it is composed, so that its derivative is.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch import activations, losses
from tinytorch.layers import Module
from tinytorch.losses import reduced, same_shape
from tinytorch.operations import gather
from tinytorch.tensor import Tensor, abs, mean, permute, primitive, sum, where


def averaged(values: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    """The values' mean, weighted if there are weights; their sum; or themselves. ValueError for another reduction."""
    if reduction == "mean":
        if weight is None:
            return mean(values)
        total = weight.data.sum()
        return sum(values) * (1 / total if total else math.nan)
    reduced(values.data, reduction)  # it refuses what is none of the three words
    return sum(values) if reduction == "sum" else values


def nll_loss(
    x: Tensor, y: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-x[y], of log-probabilities x (B, C) or (B, C, ...) and classes y (B,) or (B, ...), each times weight[y].

    The mean is over the weights of those that count: a y of ignore_index does not. Raises as `cross_entropy`.
    """
    x, classes, used = _by_class(x, y, ignore_index)
    weights = used if weight is None else used * weight.data[classes].astype(x.dtype)
    picked = -gather(x, x.ndim - 1, Tensor(classes[..., None])).squeeze(-1)
    return averaged(where(used > 0, picked * Tensor(weights), 0.0), reduction, Tensor(weights))


def _by_class(x: Tensor, y: Tensor, ignore_index: int) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """x with its classes last, y with 0 for what is ignored, and 1 or 0 for what counts. Raises as check_classes."""
    if not x.ndim or y.shape != x.shape[:1] * (x.ndim > 1) + x.shape[2:]:
        raise ValueError(f"needs x (B, C), (B, C, ...) or (C,), and y without the C: got {x.shape} and {y.shape}")
    x = x if x.ndim < 3 else permute(x, dims=(0, *range(2, x.ndim), 1))
    used = y.data != ignore_index
    classes = np.where(used, y.data, 0)
    losses.check_classes(x.data.reshape(math.prod(classes.shape), -1 if x.data.size else x.shape[-1]), classes.ravel())
    return x, classes, used.astype(x.dtype)


def cross_entropy(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-ln p[y] with p = softmax(x): x (B, C), (B, C, ...) or (C,); y classes, or probabilities in the shape of x.

    weight (C,) scales each class, ignore_index is a class that does not count, label_smoothing mixes in a share of all.
    Raises ValueError for shapes that do not fit, IndexError for a class outside 0..C-1.
    """
    x, y = (z if isinstance(z, Tensor) else Tensor(z) for z in (x, y))
    if y.dtype.kind == "f" and y.shape == x.shape:
        return _soft_cross_entropy(x, y, weight, reduction, label_smoothing)
    if x.ndim == 2 and weight is None and ignore_index < 0 <= y.data.min(initial=0):  # no class to be ignored
        return losses.cross_entropy(x, y, label_smoothing=label_smoothing, reduction=reduction)
    dim = 1 if x.ndim > 1 else 0
    log_p = activations.log_softmax(x, dim=dim)
    loss = nll_loss(log_p, y, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return loss
    log_p, classes, used = _by_class(log_p, y, ignore_index)
    all_classes = 1.0 if weight is None else weight
    spread = -sum(log_p * all_classes, dim=-1) * Tensor(used)
    weights = used if weight is None else used * weight.data[classes]
    smooth = averaged(spread, reduction, Tensor(weights))
    return (1 - label_smoothing) * loss + label_smoothing / log_p.shape[-1] * smooth


def _soft_cross_entropy(x: Tensor, y: Tensor, weight: Any, reduction: str, label_smoothing: float) -> Tensor:
    dim = 1 if x.ndim > 1 else 0
    classes = x.shape[dim]
    if label_smoothing:
        y = y * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        y = y * weight.reshape(*(classes if axis == dim else 1 for axis in range(x.ndim)))
    return averaged(-sum(y * activations.log_softmax(x, dim=dim), dim=dim), reduction)


@primitive
def binary_surprise(p, y):
    """z = -y ln p - (1 - y) ln(1 - p), where no logarithm is below -100."""
    with np.errstate(divide="ignore"):
        return -(y * np.maximum(np.log(p), -100) + (1 - y) * np.maximum(np.log1p(-p), -100))


@binary_surprise.vjp(reads="p y")
def binary_surprise_vjp(g, z, p, y):
    """z = -y ln p - (1 - y) ln(1 - p)   =>   dp = g (p - y) / (p (1 - p)),  dy = g (ln(1 - p) - ln p)"""
    with np.errstate(divide="ignore"):
        dy = g * (np.maximum(np.log1p(-p), -100) - np.maximum(np.log(p), -100))
    return g * (p - y) / np.maximum(p * (1 - p), 1e-12).astype(g.dtype), dy


def binary_cross_entropy(p: Tensor, y: Tensor, weight: Tensor | None = None, *, reduction: str = "mean") -> Tensor:
    """-y ln p - (1 - y) ln(1 - p), times weight. Raises ValueError if shapes differ or a p is outside 0..1."""
    same_shape("binary_cross_entropy", p.data, y.data)
    if not ((p.data >= 0) & (p.data <= 1)).all():
        raise ValueError("binary_cross_entropy needs probabilities, 0 to 1: of logits, use ..._with_logits")
    loss = binary_surprise(p, y)
    return averaged(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-w y ln p - (1 - y) ln(1 - p) with p = sigmoid(x) and w = pos_weight, times weight.

    Raises ValueError if shapes differ.
    """
    if weight is None and pos_weight is None:
        return losses.binary_cross_entropy_with_logits(x, y, reduction=reduction)
    same_shape("binary_cross_entropy_with_logits", x.data, y.data)
    scale = 1.0 if pos_weight is None else 1 + (pos_weight - 1) * y
    loss = (1 - y) * x + scale * activations.softplus(-x)  # -ln p = softplus(-x), -ln(1 - p) = x + softplus(-x)
    return averaged(loss if weight is None else loss * weight, reduction)


def smooth_l1_loss(x: Tensor, y: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """(x - y)^2 / (2 beta) where |x - y| < beta, else |x - y| - beta / 2. Girshick, 2015.

    Raises ValueError if shapes differ or beta is below 0.
    """
    same_shape("smooth_l1_loss", x.data, y.data)
    if beta < 0:
        raise ValueError(f"beta is 0 or more, got {beta}")
    if beta == 0:
        return losses.l1_loss(x, y, reduction=reduction)
    off = x - y
    return averaged(where(abs(off).data < beta, off * off * (0.5 / beta), abs(off) - 0.5 * beta), reduction)


def huber_loss(x: Tensor, y: Tensor, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """delta times the smooth_l1_loss with beta = delta. Raises ValueError unless delta is above 0. Huber, 1964."""
    if delta <= 0:
        raise ValueError(f"delta is above 0, got {delta}")
    return delta * smooth_l1_loss(x, y, reduction=reduction, beta=delta)


# -- losses as modules ---------------------------------------------------------------------------------------------


class Loss(Module):
    """A loss of this file as a module that keeps its options."""

    function: Callable[..., Tensor]

    def __init__(self, *values: Any, **options: Any):
        known = list(inspect.signature(type(self).function).parameters)[2:]
        self.options = dict(zip(known, values)) | options
        if len(values) > 1 or not self.options.keys() <= set(known):
            raise TypeError(f"{type(self).__name__}({', '.join(known)}) got {(*values, *options)}")

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return type(self).function(x, y, **self.options)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


class CrossEntropyLoss(Loss):
    """cross_entropy as a module: CrossEntropyLoss(label_smoothing=0.1)."""

    function = staticmethod(cross_entropy)


class NLLLoss(Loss):
    """nll_loss as a module."""

    function = staticmethod(nll_loss)


class BCELoss(Loss):
    """binary_cross_entropy as a module."""

    function = staticmethod(binary_cross_entropy)


class BCEWithLogitsLoss(Loss):
    """binary_cross_entropy_with_logits as a module."""

    function = staticmethod(binary_cross_entropy_with_logits)


class SmoothL1Loss(Loss):
    """smooth_l1_loss as a module."""

    function = staticmethod(smooth_l1_loss)


class HuberLoss(Loss):
    """huber_loss as a module."""

    function = staticmethod(huber_loss)

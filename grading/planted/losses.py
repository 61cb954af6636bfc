"""Wrong answers to chapter 04: mistakes that students really make. Read, never run; see tito/planted.py."""

import numpy as np

from tinytorch.activations import softmax
from tinytorch.losses import check_classes, logsumexp, reduced, same_shape
from tito.planted import wrong

# -- reduced ----------------------------------------------------------------------------------------------------------

wrong(
    "reduced",
    "divides by the number of rows, not of values",
    'values.mean() if reduction == "mean" else values.sum()',
    'values.sum() / (len(values) if reduction == "mean" and values.ndim else 1)',
)
wrong("reduced", "exchanges mean and sum", "values.mean", "values.sum", "values.sum", "values.mean")


@wrong("reduced", "takes any unknown word for none")
def reduced_without_error(values, reduction):
    return values.mean() if reduction == "mean" else values.sum() if reduction == "sum" else values


@wrong("reduced", "reduces over the last axis only")
def reduced_last_axis(values, reduction):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "none" or values.ndim == 0:
        return values
    return values.mean(axis=-1) if reduction == "mean" else values.sum(axis=-1)


# -- mse_loss ---------------------------------------------------------------------------------------------------------

wrong(
    "mse_loss", "takes the root, too", "reduced(error * error, reduction)", "np.sqrt(reduced(error * error, reduction))"
)
wrong("mse_loss", "halves it, as textbooks do", "error * error", "error * error / 2")
wrong("mse_loss", "lets shapes broadcast", 'same_shape("mse_loss", x, y)', "")


@wrong("mse_loss", "takes distances")
def mse_absolute(x, y, *, reduction="mean"):
    same_shape("mse_loss", x, y)
    return reduced(np.abs(x - y), reduction)


@wrong("mse_loss", "ignores the reduction")
def mse_always_mean(x, y, *, reduction="mean"):
    same_shape("mse_loss", x, y)
    return ((x - y) ** 2).mean()


@wrong("mse_loss", "squares the mean error")
def mse_square_of_mean(x, y, *, reduction="mean"):
    same_shape("mse_loss", x, y)
    return reduced(x - y, reduction) ** 2


# -- l1_loss ----------------------------------------------------------------------------------------------------------

wrong(
    "l1_loss",
    "squares, as mse does",
    "return reduced(np.abs(x - y), reduction)",
    "error = x - y\nreturn reduced(error * error, reduction)",
)
wrong("l1_loss", "ignores the reduction", "reduced(np.abs(x - y), reduction)", "np.abs(x - y).mean()")
wrong("l1_loss", "lets shapes broadcast", 'same_shape("l1_loss", x, y)', "")


@wrong("l1_loss", "lets errors of opposite sign cancel")
def l1_signed(x, y, *, reduction="mean"):
    same_shape("l1_loss", x, y)
    return np.abs(reduced(x - y, reduction))


# -- logsumexp --------------------------------------------------------------------------------------------------------

wrong("logsumexp", "squeezes every axis of size 1", "z.squeeze(axis=dim)", "z.squeeze()")


@wrong("logsumexp", "does not take the maximum out")
def logsumexp_unshifted(x, *, dim=-1, keepdim=False):
    return np.log(np.exp(x).sum(axis=dim, keepdims=keepdim))


@wrong("logsumexp", "does not add the maximum back")
def logsumexp_without_maximum(x, *, dim=-1, keepdim=False):
    m = x.max(axis=dim, keepdims=True)
    return np.log(np.exp(x - m).sum(axis=dim, keepdims=keepdim))


@wrong("logsumexp", "shifts every row by the one largest element")
def logsumexp_global_maximum(x, *, dim=-1, keepdim=False):
    m = x.max()
    return m + np.log(np.exp(x - m).sum(axis=dim, keepdims=keepdim))


@wrong("logsumexp", "always drops the axis")
def logsumexp_ignores_keepdim(x, *, dim=-1, keepdim=False):
    m = x.max(axis=dim, keepdims=True)
    return (m + np.log(np.exp(x - m).sum(axis=dim, keepdims=True))).squeeze(axis=dim)


@wrong("logsumexp", "adds a maximum whose axis is gone: rows and columns mix")
def logsumexp_lines_up_wrongly(x, *, dim=-1, keepdim=False):
    m = x.max(axis=dim)
    z = m + np.log(np.exp(x - x.max(axis=dim, keepdims=True)).sum(axis=dim, keepdims=True))
    return z if keepdim else z.squeeze(axis=dim)


# -- binary_cross_entropy_with_logits ---------------------------------------------------------------------------------


@wrong("binary_cross_entropy_with_logits", "takes the logarithm of the sigmoid")
def bce_naive(x, y, *, reduction="mean"):
    same_shape("binary_cross_entropy_with_logits", x, y)
    p = 1 / (1 + np.exp(-x))
    return reduced(-y * np.log(p) - (1 - y) * np.log(1 - p), reduction)


@wrong("binary_cross_entropy_with_logits", "adds a small number inside the logarithm, against the infinity")
def bce_with_epsilon(x, y, *, reduction="mean"):
    same_shape("binary_cross_entropy_with_logits", x, y)
    p = 1 / (1 + np.exp(-x))
    return reduced(-y * np.log(p + 1e-7) - (1 - y) * np.log(1 - p + 1e-7), reduction)


@wrong("binary_cross_entropy_with_logits", "forgets the surprise at a no")
def bce_yes_only(x, y, *, reduction="mean"):
    same_shape("binary_cross_entropy_with_logits", x, y)
    return reduced(y * (np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))), reduction)


@wrong("binary_cross_entropy_with_logits", "exchanges yes and no")
def bce_exchanged(x, y, *, reduction="mean"):
    same_shape("binary_cross_entropy_with_logits", x, y)
    return reduced(np.maximum(x, 0) - x * (1 - y) + np.log1p(np.exp(-np.abs(x))), reduction)


@wrong("binary_cross_entropy_with_logits", "leaves out the absolute value: e^-x overflows")
def bce_overflows(x, y, *, reduction="mean"):
    same_shape("binary_cross_entropy_with_logits", x, y)
    return reduced(x - x * y + np.log1p(np.exp(-x)), reduction)


@wrong("binary_cross_entropy_with_logits", "takes log(1 + z) for log1p(z)")
def bce_without_log1p(x, y, *, reduction="mean"):
    same_shape("binary_cross_entropy_with_logits", x, y)
    return reduced(np.maximum(x, 0) - x * y + np.log(1 + np.exp(-np.abs(x))), reduction)


@wrong("binary_cross_entropy_with_logits", "lets shapes broadcast")
def bce_broadcasts(x, y, *, reduction="mean"):
    return reduced(np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x))), reduction)


# -- cross_entropy ----------------------------------------------------------------------------------------------------


@wrong("cross_entropy", "takes the logarithm of softmax")
def cross_entropy_naive(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    surprise = -np.log(softmax.function(logits))
    right = surprise[np.arange(len(target)), target]
    return reduced((1 - label_smoothing) * right + label_smoothing * surprise.mean(axis=-1), reduction)


@wrong("cross_entropy", "flips the sign")
def cross_entropy_flipped(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    log_z = logsumexp.function(logits)
    right = logits[np.arange(len(target)), target] - log_z
    return reduced((1 - label_smoothing) * right + label_smoothing * (logits.mean(axis=-1) - log_z), reduction)


@wrong("cross_entropy", "takes every target from every row")
def cross_entropy_all_pairs(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    log_z = logsumexp.function(logits)
    right = (log_z[:, None] - logits[:, target]).mean(axis=1)
    return reduced((1 - label_smoothing) * right + label_smoothing * (log_z - logits.mean(axis=-1)), reduction)


@wrong("cross_entropy", "forgets the logsumexp")
def cross_entropy_of_logits(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    right = -logits[np.arange(len(target)), target]
    return reduced((1 - label_smoothing) * right - label_smoothing * logits.mean(axis=-1), reduction)


@wrong("cross_entropy", "ignores the smoothing")
def cross_entropy_unsmoothed(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    return reduced(logsumexp.function(logits) - logits[np.arange(len(target)), target], reduction)


@wrong("cross_entropy", "spreads the smoothing over the other classes only")
def cross_entropy_others_only(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    surprise = logsumexp.function(logits, keepdim=True) - logits
    right = surprise[np.arange(len(target)), target]
    others = (surprise.sum(axis=-1) - right) / (logits.shape[1] - 1)
    return reduced((1 - label_smoothing) * right + label_smoothing * others, reduction)


@wrong("cross_entropy", "sums over the classes where the smoothing needs a mean")
def cross_entropy_sums_classes(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    surprise = logsumexp.function(logits, keepdim=True) - logits
    right = surprise[np.arange(len(target)), target]
    return reduced((1 - label_smoothing) * right + label_smoothing * surprise.sum(axis=-1), reduction)


@wrong("cross_entropy", "averages over classes and rows, with a one-hot target")
def cross_entropy_mean_of_matrix(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    truth = (1 - label_smoothing) * np.eye(logits.shape[1])[target] + label_smoothing / logits.shape[1]
    return reduced(truth * (logsumexp.function(logits, keepdim=True) - logits), reduction)


@wrong("cross_entropy", "does not check the classes: -1 is the last one")
def cross_entropy_unchecked(logits, target, *, label_smoothing=0.0, reduction="mean"):
    log_z = logsumexp.function(logits)
    right = log_z - logits[np.arange(len(target)), target]
    return reduced((1 - label_smoothing) * right + label_smoothing * (log_z - logits.mean(axis=-1)), reduction)

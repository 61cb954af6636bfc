"""Wrong answers to chapter 04: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.losses import check_classes, logsumexp, reduced, same_shape
from tito.rubrics.planted import wrong

# -- reduced ----------------------------------------------------------------------------------------------------------

wrong(
    "reduced",
    "divides by the number of rows, not of values",
    'values.mean() if reduction == "mean" else values.sum()',
    'values.sum() / (len(values) if reduction == "mean" and values.ndim else 1)',
)
wrong("reduced", "exchanges mean and sum", "values.mean", "values.sum", "values.sum", "values.mean")
wrong("reduced", "divides the caller's values", "values.mean()", "np.divide(values, values.size, out=values).sum()")
wrong("reduced", "answers in float64", "values.mean()", "values.mean(dtype=np.float64)")
wrong("reduced", "answers in half precision", "values.sum()", "values.sum(dtype=np.float16)")
wrong("reduced", "leaves NaN out", "values.mean()", "np.nanmean(values)")


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


wrong(
    "reduced",
    "reads capitals as small letters",
    "if reduction not in",
    "reduction = reduction.lower()\nif reduction not in",
)
wrong(
    "reduced",
    "strips blanks from the word",
    "if reduction not in",
    "reduction = reduction.strip()\nif reduction not in",
)
wrong(
    "reduced",
    "adds up two axes at most",
    "values.sum()",
    "values.sum(axis=(0, 1)) if values.ndim > 1 else values.sum()",
)
wrong("reduced", "looks for the word in a text", '("mean", "sum", "none")', '"mean sum none"')

# -- mse_loss ---------------------------------------------------------------------------------------------------------

wrong("mse_loss", "takes distances", "error * error", "np.abs(error)")
wrong(
    "mse_loss", "takes the root, too", "reduced(error * error, reduction)", "np.sqrt(reduced(error * error, reduction))"
)
wrong("mse_loss", "ignores the reduction", "reduced(error * error, reduction)", "(error * error).mean()")
wrong("mse_loss", "halves it, as textbooks do", "error * error", "error * error / 2")
wrong("mse_loss", "lets shapes broadcast", 'same_shape("mse_loss", x, y)', "")
wrong("mse_loss", "squares the mean error", "reduced(error * error, reduction)", "reduced(error, reduction) ** 2")
wrong("mse_loss", "overwrites x", "x - y", "np.subtract(x, y, out=x)")
wrong("mse_loss", "answers in half precision", "x - y", "np.float16(x - y)")
wrong("mse_loss", "multiplies the square out, which cancels", "error * error", "x * x - 2 * x * y + y * y")
wrong("mse_loss", "takes NaN for 0", "x - y", "np.nan_to_num(x - y)")
wrong(
    "mse_loss",
    "compares how many rows there are, and how many axes",
    'same_shape("mse_loss", x, y)',
    "if x.shape[:1] != y.shape[:1] or x.ndim != y.ndim:\n    raise ValueError(f'{x.shape} {y.shape}')",
)
wrong("mse_loss", "computes in float32, whatever it is given", "x - y", "np.float32(x) - np.float32(y)")
wrong(
    "mse_loss",
    "takes any unknown word for none",
    "return reduced(error * error, reduction)",
    'loss = error * error\nreturn loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss',
)

# -- l1_loss ----------------------------------------------------------------------------------------------------------

wrong(
    "l1_loss",
    "squares, as mse does",
    "return reduced(np.abs(x - y), reduction)",
    "error = x - y\nreturn reduced(error * error, reduction)",
)
wrong("l1_loss", "ignores the reduction", "reduced(np.abs(x - y), reduction)", "np.abs(x - y).mean()")
wrong("l1_loss", "lets shapes broadcast", 'same_shape("l1_loss", x, y)', "")
wrong("l1_loss", "overwrites y", "np.abs(x - y)", "np.abs(np.subtract(x, y, out=y))")
wrong("l1_loss", "answers in half precision", "np.abs(x - y)", "np.abs(np.float16(x - y))")
wrong("l1_loss", "takes the root of the square, which overflows", "np.abs(x - y)", "np.sqrt((x - y) ** 2)")
wrong("l1_loss", "takes NaN for 0", "np.abs(x - y)", "np.abs(np.nan_to_num(x - y))")


@wrong("l1_loss", "lets errors of opposite sign cancel")
def l1_signed(x, y, *, reduction="mean"):
    same_shape("l1_loss", x, y)
    return np.abs(reduced(x - y, reduction))


wrong("l1_loss", "computes in float32, whatever it is given", "x - y", "np.float32(x) - np.float32(y)")
wrong("l1_loss", "rounds to whole numbers", "np.abs(x - y)", "np.abs(np.rint(x - y))")
wrong(
    "l1_loss",
    "takes any unknown word for none",
    "return reduced(np.abs(x - y), reduction)",
    'loss = np.abs(x - y)\nreturn loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss',
)

# -- logsumexp --------------------------------------------------------------------------------------------------------

wrong("logsumexp", "does not take the maximum out", "x.max(axis=dim, keepdims=True, initial=-np.inf)", "0")
wrong("logsumexp", "does not add the maximum back", "m + np.log", "np.log")
wrong(
    "logsumexp",
    "shifts every row by the one largest element",
    "x.max(axis=dim, keepdims=True, initial=-np.inf)",
    "x.max()",
)
wrong("logsumexp", "always drops the axis", "z if keepdim else z", "z")
wrong("logsumexp", "squeezes every axis of size 1", "z.squeeze(axis=dim)", "z.squeeze()")
wrong("logsumexp", "adds a maximum whose axis is gone: rows and columns mix", "m + np.log", "x.max(axis=dim) + np.log")
wrong("logsumexp", "overwrites x", "np.exp(x - m)", "np.exp(x - m, out=x)")
wrong("logsumexp", "answers in half precision", "m = x", "x = np.float16(x)\nm = x")
wrong("logsumexp", "shifts by the mean, which overflows where scores lie far apart", "x.max", "x.mean")
wrong(
    "logsumexp",
    "shifts by the one largest element where there are three axes",
    "x.max(axis=dim, keepdims=True, initial=-np.inf)",
    "x.max(axis=dim, keepdims=True) if x.ndim < 3 else x.max()",
)
wrong("logsumexp", "counts a negative dim from the front", "m = x", "dim = dim if dim == -1 else abs(dim)\nm = x")
wrong(
    "logsumexp",
    "squeezes the last axis wherever that has size 1",
    "z.squeeze(axis=dim)",
    "z.squeeze(axis=-1 if z.shape[-1] == 1 else dim)",
)
wrong(
    "logsumexp",
    "takes the maximum out only where e^x is too large for a float64",
    "m = np.where(np.isinf(m), 0, m)",
    "m = np.where(np.abs(x).max(initial=0) > 700, m, 0).astype(x.dtype)",
)
wrong(
    "logsumexp",
    "keeps an axis in another place, where it is counted from the end",
    "return z if keepdim",
    "return np.expand_dims(z.squeeze(axis=dim), abs(dim)) if keepdim and abs(dim) < x.ndim",
)

# -- binary_cross_entropy_with_logits ---------------------------------------------------------------------------------

wrong(
    "binary_cross_entropy_with_logits",
    "takes the logarithm of the sigmoid",
    "np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))",
    "-y * np.log(1 / (1 + np.exp(-x))) - (1 - y) * np.log(1 - 1 / (1 + np.exp(-x)))",
)
wrong(
    "binary_cross_entropy_with_logits",
    "adds a small number inside the logarithm, against the infinity",
    "reduced(loss",
    "reduced(-np.log(np.exp(-loss) + 1e-7)",
)
wrong("binary_cross_entropy_with_logits", "forgets the surprise at a no", "reduced(loss", "reduced(y * loss")
wrong("binary_cross_entropy_with_logits", "exchanges yes and no", "x * y", "x * (1 - y)")
wrong(
    "binary_cross_entropy_with_logits",
    "leaves out the absolute value: e^-x overflows",
    "np.maximum(x, 0)",
    "x",
    "-np.abs(x)",
    "-x",
)
wrong("binary_cross_entropy_with_logits", "takes log(1 + z) for log1p(z)", "np.log1p(", "np.log(1 + ")
wrong("binary_cross_entropy_with_logits", "lets shapes broadcast", "x, y)", "x, x)")
wrong("binary_cross_entropy_with_logits", "overwrites x", "np.abs(x)", "np.abs(x, out=x)")
wrong("binary_cross_entropy_with_logits", "overwrites y", "x * y", "np.multiply(x, y, out=y)")
wrong(
    "binary_cross_entropy_with_logits",
    "answers in half precision",
    "loss = np",
    "x, y = np.float16(x), np.float16(y)\nloss = np",
)
wrong("binary_cross_entropy_with_logits", "stops at 100", "reduced(loss", "reduced(np.minimum(loss, 100)")
wrong(
    "binary_cross_entropy_with_logits",
    "computes in float32, whatever it is given",
    "loss = np",
    "x, y = np.float32(x), np.float32(y)\nloss = np",
)
wrong("binary_cross_entropy_with_logits", "takes a NaN for a no", "loss = np", "y = np.nan_to_num(y)\nloss = np")
wrong(
    "binary_cross_entropy_with_logits",
    "takes any unknown word for none",
    "return reduced(loss, reduction)",
    'return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss',
)

# -- cross_entropy ----------------------------------------------------------------------------------------------------

wrong("cross_entropy", "takes the logarithm of softmax", "reduced(loss", "reduced(-np.log(np.exp(-loss))")
wrong("cross_entropy", "flips the sign", "reduced(loss", "reduced(-loss")
wrong("cross_entropy", "takes every target from every row", "np.arange(len(target))", ":")
wrong("cross_entropy", "forgets the logsumexp", "logsumexp.function(logits)", "0")
wrong("cross_entropy", "ignores the smoothing", "if label_smoothing", "if False")
wrong(
    "cross_entropy",
    "spreads the smoothing over the other classes only",
    "logits.mean(axis=-1)",
    "(logits.sum(axis=-1) - logits[np.arange(len(target)), target]) / (logits.shape[1] - 1)",
)
wrong(
    "cross_entropy",
    "sums over the classes where the smoothing needs a mean",
    "log_z - logits.mean(axis=-1)",
    "(log_z[:, None] - logits).sum(axis=-1)",
)
wrong("cross_entropy", "does not check the classes: -1 is the last one", "check_classes(logits, target)", "")
wrong(
    "cross_entropy",
    "subtracts the largest from the caller's logits",
    "log_z = log",
    "logits -= logits.max(axis=-1, keepdims=True)\nlog_z = log",
)
wrong("cross_entropy", "answers in half precision", "log_z = log", "logits = np.float16(logits)\nlog_z = log")
wrong(
    "cross_entropy",
    "does not take the maximum out",
    "logsumexp.function(logits)",
    "np.log(np.exp(logits).sum(axis=-1))",
)


@wrong("cross_entropy", "averages over classes and rows, with a one-hot target")
def cross_entropy_mean_of_matrix(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    truth = (1 - label_smoothing) * np.eye(logits.shape[1])[target] + label_smoothing / logits.shape[1]
    return reduced(truth * (logsumexp.function(logits, keepdim=True) - logits), reduction)


wrong(
    "cross_entropy",
    "smooths with the logarithm of softmax",
    "log_z - logits.mean(axis=-1)",
    "-np.log(np.exp(logits - log_z[:, None])).mean(axis=-1)",
)
wrong("cross_entropy", "smooths with the mean of all rows", "logits.mean(axis=-1)", "logits.mean()")
wrong(
    "cross_entropy",
    "takes any unknown word for none",
    "return reduced(loss, reduction)",
    'return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss',
)
wrong(
    "cross_entropy",
    "takes a column of targets for a row",
    "check_classes(",
    "target = target.reshape(-1)\ncheck_classes(",
)
wrong(
    "cross_entropy",
    "takes one row for a batch",
    "check_classes(",
    "logits, target = np.atleast_2d(logits), np.atleast_1d(target)\ncheck_classes(",
)
wrong(
    "cross_entropy",
    "leaves out rows that have no target",
    "check_classes(",
    "logits = logits[: len(target)]\ncheck_classes(",
)
wrong(
    "cross_entropy",
    "takes True and False for classes",
    "check_classes(",
    "target = target.astype(int) if target.dtype == bool else target\ncheck_classes(",
)
wrong(
    "cross_entropy",
    "takes rows of a one-hot matrix for classes",
    "check_classes(",
    "target = target.argmax(axis=1) if target.ndim == 2 else target\ncheck_classes(",
)
wrong(
    "cross_entropy",
    "flattens batches of batches",
    "check_classes(",
    "logits, target = logits.reshape(-1, logits.shape[-1]), target.reshape(-1)\ncheck_classes(",
)
wrong(
    "cross_entropy",
    "rounds the smoothing before it asks",
    "not 0 <= label_smoothing",
    "not 0 <= round(label_smoothing)",
)

# -- calibrating_factor -----------------------------------------------------------------------------------------------

wrong("calibrating_factor", "answers with the temperature", "return high", "return 1 / high")
wrong("calibrating_factor", "looks for factors up to 1 only", "high + high", "high + high\n    break")
wrong("calibrating_factor", "looks for factors above 1 only", "low, high = 0.0, 1.0", "low, high = 1.0, 2.0")
wrong(
    "calibrating_factor",
    "divides by the weights of all rows together",
    "(s * e / e.sum(axis=1, keepdims=True)).sum()",
    "(s * e).sum() / e.sum()",
)
wrong("calibrating_factor", "forgets to divide by the sum of the weights", " / e.sum(axis=1, keepdims=True)", "")
wrong(
    "calibrating_factor",
    "takes the scores as they are: their exponentials overflow",
    "logits.astype(np.float64) - logits.max(axis=1, keepdims=True)",
    "logits.astype(np.float64)",
)
wrong("calibrating_factor", "does not see that a network is always right", "not own.any()", "False")
wrong(
    "calibrating_factor",
    "has no answer for a network that is worse than guessing",
    "slope(0.0) >= 0",
    "False",
    "return high",
    "return max(high, 1e-3)",
)
wrong("calibrating_factor", "does not look at the classes", "check_classes(logits, target)", "")
wrong(
    "calibrating_factor",
    "takes the shift away from the caller's logits",
    "s = logits.astype(np.float64) -",
    "logits -= logits.max(axis=1, keepdims=True)\ns = logits.astype(np.float64) -",
)


@wrong("calibrating_factor", "tries a grid of factors, from 0.01 to 100")
def calibrating_by_grid(logits, target):
    check_classes(logits, target)
    factors = np.geomspace(0.01, 100, 200)
    x = logits.astype(np.float64)
    losses = [(logsumexp.function(f * x) - f * x[np.arange(len(target)), target]).sum() for f in factors]
    return factors[np.argmin(losses)]


@wrong("calibrating_factor", "makes confidence and accuracy equal, which is another aim")
def calibrating_confidence(logits, target):
    check_classes(logits, target)
    s = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    right = (s[np.arange(len(target)), target] == 0).mean()
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        sure = (1 / np.exp(middle * s).sum(axis=1)).mean()
        low, high = (middle, high) if sure < right else (low, middle)
    return high


wrong(
    "calibrating_factor",
    "takes the largest away in the dtype of the logits, where it wraps",
    "logits.astype(np.float64) - logits.max(axis=1, keepdims=True)",
    "(logits - logits.max(axis=1, keepdims=True)).astype(np.float64)",
)
wrong(
    "calibrating_factor",
    "rounds the logits to float32 before it takes the largest away",
    "logits.astype(np.float64) - logits.max(axis=1, keepdims=True)",
    "logits.astype(np.float32) - logits.astype(np.float32).max(axis=1, keepdims=True)",
)
wrong(
    "calibrating_factor",
    "does not call a row right whose target shares the largest score",
    "not own.any()",
    "(logits.argmax(axis=1) == target).all()",
)
wrong(
    "calibrating_factor",
    "cuts targets to whole numbers",
    "check_classes(",
    "target = target.astype(int)\ncheck_classes(",
)
wrong(
    "calibrating_factor",
    "takes a column of targets for a row",
    "check_classes(",
    "target = target.reshape(-1)\ncheck_classes(",
)
wrong(
    "calibrating_factor",
    "takes one row for a batch",
    "check_classes(",
    "logits, target = np.atleast_2d(logits), np.atleast_1d(target)\ncheck_classes(",
)
wrong(
    "calibrating_factor",
    "leaves out rows that have no target",
    "check_classes(",
    "logits = logits[: len(target)]\ncheck_classes(",
)
wrong(
    "calibrating_factor",
    "takes True and False for classes",
    "check_classes(",
    "target = target.astype(int) if target.dtype == bool else target\ncheck_classes(",
)
wrong(
    "calibrating_factor",
    "takes the last class for all beyond it",
    "check_classes(",
    "target = np.minimum(target, logits.shape[1] - 1)\ncheck_classes(",
)

# -- one_hot_bytes ----------------------------------------------------------------------------------------------------

wrong("one_hot_bytes", "counts numbers, not bytes", "4 * (", "(")
wrong("one_hot_bytes", "forgets the matrix itself", "3 * 64", "2 * 64")
wrong("one_hot_bytes", "counts the scores, too", "3 * 64", "4 * 64")
wrong("one_hot_bytes", "leaves out the sums", "+ 64", "")

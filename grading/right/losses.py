"""Right answers to chapter 04, written in other ways: none may lose a point. Read, never run."""

import math

import numpy as np

from tinytorch.losses import check_classes, logsumexp, reduced, same_shape
from tito.rubrics.planted import right

# -- reduced ----------------------------------------------------------------------------------------------------------


@right("reduced", "word by word")
def reduced_by_words(values, reduction):
    if reduction == "mean":
        return np.mean(values)
    if reduction == "sum":
        return np.sum(values)
    if reduction == "none":
        return values
    raise ValueError(f"no such reduction: {reduction!r}")


@right("reduced", "a table of functions")
def reduced_by_table(values, reduction):
    functions = {"mean": lambda v: v.sum() / v.size, "sum": np.sum, "none": lambda v: v}
    if reduction not in functions:
        raise ValueError("reduction must be one of " + ", ".join(functions) + ", not " + reduction)
    return functions[reduction](values)


@right("reduced", "flattens first")
def reduced_flat(values, reduction):
    match reduction:
        case "none":
            return values.copy()
        case "mean" | "sum":
            return getattr(values.reshape(-1), reduction)(axis=0)
    raise ValueError(f"{reduction} is not a reduction")


@right("reduced", "one sum for both")
def reduced_by_sum(values, reduction):
    if reduction == "none":
        return values
    if reduction != "mean" and reduction != "sum":
        raise ValueError("not a reduction: " + repr(reduction))
    total = np.add.reduce(values, axis=None)
    return total / values.dtype.type(values.size) if reduction == "mean" else total


@right("reduced", "refuses last, and adds up number by number")
def reduced_by_number(values, reduction):
    if reduction == "none":
        return values
    total = 0.0
    for value in values.flat:
        total += float(value)
    if reduction == "sum":
        return values.dtype.type(total)
    if reduction == "mean":
        return values.dtype.type(total / values.size)
    raise ValueError(f"{reduction}: not one of mean, sum, none")


@right("reduced", "NumPy's average, and a sum by einsum")
def reduced_by_einsum(values, reduction):
    if reduction not in {"none", "mean", "sum"}:
        raise ValueError(f"{reduction} is no reduction")
    if reduction == "mean":
        return np.average(values)
    return values if reduction == "none" else np.einsum("i->", values.ravel())


# -- mse_loss ---------------------------------------------------------------------------------------------------------

right("mse_loss", "a power", "error * error", "error**2")
right("mse_loss", "the other way round", "x - y", "y - x")
right("mse_loss", "computes in float64", "x - y", "np.float64(x) - y")


@right("mse_loss", "compares the shapes itself")
def mse_checked(x, y, *, reduction="mean"):
    if x.shape != y.shape:
        raise ValueError(f"{x.shape} and {y.shape} differ")
    return reduced(np.square(np.subtract(x, y)), reduction)


@right("mse_loss", "a dot product, and its own words")
def mse_dot(x, y, *, reduction="mean"):
    same_shape("mse_loss", x, y)
    error = np.subtract(x, y, dtype=np.float64)
    if reduction == "none":
        return error**2
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction {reduction}")
    total = np.dot(error.ravel(), error.ravel())
    return total / error.size if reduction == "mean" else total


right("mse_loss", "the square of the distance", "error * error", "np.abs(error) ** 2")


@right("mse_loss", "the norm, squared")
def mse_norm(x, y, *, reduction="mean"):
    same_shape("mse_loss", x, y)
    if reduction == "sum":
        return np.linalg.norm((x - y).ravel()) ** 2
    each = np.power(x - y, 2)
    return reduced(each, reduction)


# -- l1_loss ----------------------------------------------------------------------------------------------------------

right("l1_loss", "the other way round", "x - y", "y - x")
right("l1_loss", "the larger less the smaller", "np.abs(x - y)", "np.maximum(x, y) - np.minimum(x, y)")
right("l1_loss", "turns what is negative", "np.abs(x - y)", "np.where(x > y, x - y, y - x)")


@right("l1_loss", "element by element")
def l1_elements(x, y, *, reduction="mean"):
    same_shape("l1_loss", x, y)
    z = np.empty_like(x - y)
    for i in np.ndindex(*x.shape):
        z[i] = max(x[i] - y[i], y[i] - x[i])
    return reduced(z, reduction)


@right("l1_loss", "times its sign")
def l1_sign(x, y, *, reduction="mean"):
    if not x.shape == y.shape:
        raise ValueError(f"{x.shape} against {y.shape}")
    error = np.float64(x) - np.float64(y)
    return reduced(error * np.sign(error), reduction)


@right("l1_loss", "keeps the sign apart")
def l1_where(x, y, *, reduction="mean"):
    same_shape("l1_loss", x, y)
    error = y - x
    below = error < 0
    distance = np.array(error)
    distance[below] = -distance[below]
    return reduced(distance, reduction)


# -- logsumexp --------------------------------------------------------------------------------------------------------

right(
    "logsumexp",
    "chooses the shape at the end by another way",
    "z if keepdim else z.squeeze(axis=dim)",
    "z if keepdim else np.take(z, 0, axis=dim)",
)


@right("logsumexp", "as papers write it")
def logsumexp_of_papers(x, *, dim=-1, keepdim=False):
    m = np.max(x, axis=dim, keepdims=True)
    z = m + np.log(np.sum(np.exp(x - m), axis=dim, keepdims=True))
    return z if keepdim else np.squeeze(z, axis=dim)


@right("logsumexp", "NumPy's logaddexp, from score to score")
def logsumexp_by_logaddexp(x, *, dim=-1, keepdim=False):
    return np.logaddexp.reduce(x, axis=dim, keepdims=keepdim)


@right("logsumexp", "drops the axis along the way")
def logsumexp_dropped(x, *, dim=-1, keepdim=False):
    m = x.max(axis=dim)
    z = np.log(np.exp(x - np.expand_dims(m, dim)).sum(axis=dim)) + m
    return np.expand_dims(z, dim) if keepdim else z


@right("logsumexp", "from slice to slice, with the largest so far")
def logsumexp_online(x, *, dim=-1, keepdim=False):
    first, *others = np.moveaxis(x, dim, 0)
    m, total = first, np.ones_like(first)
    for slice_ in others:
        larger = np.maximum(m, slice_)
        m, total = larger, total * np.exp(m - larger) + np.exp(slice_ - larger)
    z = m + np.log(total)
    return np.expand_dims(z, dim) if keepdim else z


@right("logsumexp", "sorts, and adds the rest by log1p")
def logsumexp_sorted(x, *, dim=-1, keepdim=False):
    s = np.sort(x, axis=dim)
    m, rest = np.take(s, [-1], axis=dim), np.take(s, np.arange(x.shape[dim] - 1), axis=dim)
    z = m + np.log1p(np.exp(rest - m).sum(axis=dim, keepdims=True))
    axis = dim % x.ndim
    return z if keepdim else z.reshape(z.shape[:axis] + z.shape[axis + 1 :])


@right("logsumexp", "moves the axis to the front, and adds up slice by slice")
def logsumexp_moved(x, *, dim=-1, keepdim=False):
    slices = np.moveaxis(x, dim, 0)
    top = np.amax(slices, axis=0)
    total = np.zeros_like(top)
    for one in slices:
        total = total + np.exp(one - top)
    z = top + np.log(total)
    return z.reshape([1 if i == dim % x.ndim else n for i, n in enumerate(x.shape)]) if keepdim else z


@right("logsumexp", "along the last axis of a transposed x, in float64")
def logsumexp_swapped(x, *, dim=-1, keepdim=False):
    turned = x.swapaxes(dim, -1).astype(np.float64)
    top = turned.max(axis=-1)[..., None]
    z = np.log(np.einsum("...i->...", np.exp(turned - top)))[..., None] + top
    z = z.swapaxes(dim, -1)
    return z if keepdim else np.squeeze(z, dim)


# -- binary_cross_entropy_with_logits ---------------------------------------------------------------------------------

right(
    "binary_cross_entropy_with_logits",
    "NumPy's logaddexp for ln(1 + e^-|x|)",
    "np.log1p(np.exp(-np.abs(x)))",
    "np.logaddexp(np.zeros_like(x), -np.abs(x))",
)
right(
    "binary_cross_entropy_with_logits",
    "the surprises at a yes and at a no",
    "np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))",
    "y * np.logaddexp(np.zeros_like(x), -x) + (1 - y) * np.logaddexp(np.zeros_like(x), x)",
)
right(
    "binary_cross_entropy_with_logits",
    "the positive part by choice",
    "np.maximum(x, 0) - x * y",
    "np.where(x > 0, x * (1 - y), -x * y)",
)


@right("binary_cross_entropy_with_logits", "logarithms of sigmoids")
def bce_log_sigmoids(x, y, *, reduction="mean"):
    if x.shape != y.shape:
        raise ValueError(f"{x.shape} is not {y.shape}")

    def log_sigmoid(x):
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    return reduced(-(y * log_sigmoid(x) + (1 - y) * log_sigmoid(-x)), reduction)


right("binary_cross_entropy_with_logits", "half of |x| + x", "np.maximum(x, 0)", "(np.abs(x) + x) / 2")


@right("binary_cross_entropy_with_logits", "asks the sign once, and keeps e^-|x|")
def bce_by_sign(x, y, *, reduction="mean"):
    same_shape("binary_cross_entropy_with_logits", x, y)
    small = np.exp(np.where(x < 0, x, -x))
    linear = x * ((x > 0) - y)
    return reduced(linear + np.log1p(small), reduction)


@right("binary_cross_entropy_with_logits", "element by element, in Python")
def bce_elements(x, y, *, reduction="mean"):
    if np.shape(x) != np.shape(y):
        raise ValueError(f"shapes {np.shape(x)} and {np.shape(y)}")
    loss = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        s, t = float(x[i]), float(y[i])
        loss[i] = max(s, 0.0) - s * t + math.log1p(math.exp(-abs(s)))
    return reduced(loss, reduction)


# -- cross_entropy ----------------------------------------------------------------------------------------------------


@right("cross_entropy", "a one-hot target, smoothed, times the logarithms")
def cross_entropy_one_hot(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    if label_smoothing < 0 or label_smoothing > 1:
        raise ValueError(f"label_smoothing = {label_smoothing}")
    classes = logits.shape[1]
    truth = np.eye(classes)[target] * (1 - label_smoothing) + label_smoothing / classes
    log_p = logits - logsumexp.function(logits, keepdim=True)
    return reduced(-(truth * log_p).sum(axis=1), reduction)


@right("cross_entropy", "smooths always, with a share of 0 where none was asked")
def cross_entropy_always_smooth(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"a share lies between 0 and 1, not at {label_smoothing}")
    surprise = logsumexp.function(logits)[:, None] - logits
    own = np.take_along_axis(surprise, target[:, None].astype(np.int64), axis=1)[:, 0]
    return reduced((1 - label_smoothing) * own + label_smoothing * surprise.mean(axis=1), reduction)


@right("cross_entropy", "shifts the logits itself")
def cross_entropy_shifted(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    if not (label_smoothing >= 0 and label_smoothing <= 1):
        raise ValueError("label_smoothing must be in [0, 1]")
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(logits.shape[0])
    loss = -log_p[rows, target]
    if label_smoothing > 0:
        loss = loss * (1 - label_smoothing) - log_p.mean(axis=1) * label_smoothing
    return reduced(loss, reduction)


@right("cross_entropy", "row by row")
def cross_entropy_rows(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    if label_smoothing < 0 or label_smoothing > 1:
        raise ValueError("label_smoothing")
    loss = np.zeros(len(target), logits.dtype)
    for i, (row, t) in enumerate(zip(logits, target)):
        surprise = np.log(np.exp(row - row.max()).sum()) + row.max() - row
        loss[i] = (1 - label_smoothing) * surprise[t] + label_smoothing * surprise.mean()
    return reduced(loss, reduction)


@right("cross_entropy", "mixes the logits, then takes them from the logsumexp")
def cross_entropy_mixed(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    s = label_smoothing
    if s > 1 or s < 0:
        raise ValueError(f"s = {s}")
    own = logits[range(len(target)), target]
    return reduced(logsumexp.function(logits) - ((1 - s) * own + s * logits.mean(axis=1)), reduction)


@right("cross_entropy", "the odds against the target")
def cross_entropy_odds(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{label_smoothing} is no share")
    columns = [logsumexp.function(logits - logits[:, [c]]) for c in range(logits.shape[1])]
    surprise = np.column_stack(columns)
    hard = np.array([surprise[i, t] for i, t in enumerate(target)], logits.dtype)
    if label_smoothing == 0:
        return reduced(hard, reduction)
    return reduced(hard + label_smoothing * (surprise.mean(1) - hard), reduction)


@right("cross_entropy", "NumPy's logaddexp, and the target by a mask")
def cross_entropy_mask(logits, target, *, label_smoothing=0.0, reduction="mean"):
    check_classes(logits, target)
    if label_smoothing > 1 or label_smoothing < 0:
        raise ValueError("no share")
    hit = target[:, None] == np.arange(logits.shape[1])
    z = np.logaddexp.reduce(logits, axis=1)
    hard = z - np.where(hit, logits, 0).sum(axis=1)
    even = z - logits.sum(axis=1) / logits.shape[1]
    return reduced(hard * (1 - label_smoothing) + even * label_smoothing if label_smoothing else hard, reduction)


# -- calibrating_factor -----------------------------------------------------------------------------------------------

right(
    "calibrating_factor",
    "begins with another interval, and halves it a hundred times",
    "low, high = 0.0, 1.0",
    "low, high = 0.0, 8.0",
    "while low < (middle := (low + high) / 2) < high:",
    "for _ in range(100):\n    middle = 0.5 * (low + high)",
)


@right("calibrating_factor", "Newton's steps, on the logarithm of f")
def calibrating_by_newton(logits, target):
    check_classes(logits, target)
    s = np.float64(logits) - np.max(logits, axis=1, keepdims=True)
    own = s[np.arange(len(s)), target]
    if s.mean(axis=1).sum() >= own.sum():
        return 0.0
    if (own == 0).all():
        return float("inf")
    low, high, f = 0.0, math.inf, 1 / max(-s.min(), 1e-300)
    for _ in range(200):
        e = np.exp(f * s)
        p = e / e.sum(axis=1, keepdims=True)
        mean = (p * s).sum(axis=1)
        slope, bend = mean.sum() - own.sum(), (p * s * s).sum() - (mean * mean).sum()
        low, high = (f, high) if slope < 0 else (low, f)
        step = f - slope / bend if bend > 0 else math.inf
        if abs(step - f) <= 1e-10 * f:
            break
        f = step if low < step < high else 2 * low if high == math.inf else (low + high) / 2
    return float(f)


@right("calibrating_factor", "goes by the loss itself, and narrows down where it is lowest")
def calibrating_by_loss(logits, target):
    check_classes(logits, target)
    x = logits.astype(np.float64)
    x = x - x.max(axis=1, keepdims=True)
    own = x[np.arange(len(target)), target]
    if not own.any():
        return math.inf if x.any() else 0.0
    size = -x.min()
    low, high = -30.0, 30.0
    for _ in range(200):
        left, right = low + (high - low) * 0.4, low + (high - low) * 0.6
        at_left, at_right = (
            (logsumexp.function(np.exp(f) / size * x) - np.exp(f) / size * own).mean() for f in (left, right)
        )
        low, high = (low, right) if at_left <= at_right else (left, high)
    return 0.0 if low < -20 else math.exp(low) / size


@right("calibrating_factor", "row by row, in Python")
def calibrating_by_rows(logits, target):
    check_classes(logits, target)
    rows = [[score - max(row) for score in row] for row in logits.astype(np.float64).tolist()]
    picked = [row[t] for row, t in zip(rows, target.tolist())]

    def rising(f):
        total = -sum(picked)
        for row in rows:
            weights = [math.exp(f * score) for score in row]
            total += sum(w * score for w, score in zip(weights, row)) / sum(weights)
        return total >= 0

    if rising(0):
        return 0.0
    if not any(picked):
        return math.inf
    top = 1e-3
    while not rising(top):
        top *= 4
    bottom = 0.0
    while top - bottom > 1e-9 * top:
        half = (top + bottom) / 2
        if rising(half):
            top = half
        else:
            bottom = half
    return top


@right("calibrating_factor", "the target's score for 0, and halving of the logarithm")
def calibrating_by_roots(logits, target):
    check_classes(logits, target)
    x = np.array(logits, np.float64)
    d = x - x[np.arange(len(x)), target][:, None]
    if d.sum() >= 0:
        return 0
    if (d <= 0).all():
        return np.inf

    def slope(f):
        e = np.exp(f * (d - d.max(axis=1, keepdims=True)))
        return np.einsum("bc,bc,b->", d, e, 1 / e.sum(axis=1))

    low = high = 1 / np.abs(d).max()
    while slope(high) < 0:
        high *= 2
    while slope(low) >= 0:
        low /= 2
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return high


@right("calibrating_factor", "false position on the logarithm of f")
def calibrating_by_secants(logits, target):
    check_classes(logits, target)
    s = np.subtract(logits, logits.max(axis=1)[:, None], dtype=np.float64)
    own = np.take_along_axis(s, target[:, None].astype(np.int64), 1).sum()

    def slope(t):
        e = np.exp(math.exp(t) * s)
        return float(((e / e.sum(1)[:, None]) * s).sum() - own)

    if s.mean(axis=1).sum() >= own:
        return 0.0
    if own == 0:
        return float("inf")
    right = left = -math.log(-s.min())
    while slope(right) < 0:
        right += 1
    while slope(left) > 0:
        left -= 1
    at_left, at_right = slope(left), slope(right)
    for step in range(200):
        middle = (left + right) / 2
        if step % 2 and at_right > at_left:
            middle = left - at_left * (right - left) / (at_right - at_left)
        at = slope(middle)
        if at < 0:
            left, at_left = middle, at
        else:
            right, at_right = middle, at
    return math.exp((left + right) / 2)


# -- one_hot_bytes ----------------------------------------------------------------------------------------------------

right("one_hot_bytes", "answers with a float", "4 * (", "4.0 * (")
right("one_hot_bytes", "row by row", "4 * (3 * 64 * 5000 + 64)", "64 * 4 * (3 * 5000 + 1)")


@right("one_hot_bytes", "adds up one array after the other")
def one_hot_of_shapes():
    shapes = [(64, 5000), (64, 5000), (64, 5000), (64,)]
    return sum(int(np.prod(shape)) * np.dtype(np.float32).itemsize for shape in shapes)

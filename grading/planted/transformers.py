"""Wrong answers to chapter 13: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.losses import cross_entropy
from tinytorch.tensor import Tensor
from tinytorch.transformers import (
    check_sampling,
    choose_token,
    distribution,
    keep_top_k,
    keep_top_p,
    row_blocks,
    rows_of,
)
from tito.rubrics.planted import wrong

# -- standardized_rows ------------------------------------------------------------------------------------------------


@wrong("standardized_rows", "adds eps to the deviation")
def norm_eps_beside(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    scale = 1 / (rows.std(axis=1, keepdims=True) + eps)
    n = (rows - rows.mean(axis=1, keepdims=True)) * scale
    z = n * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape), {"n": n, "scale": scale}


@wrong("standardized_rows", "takes the variance of a sample")
def norm_unbiased(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    scale = 1 / np.sqrt(rows.var(axis=1, keepdims=True, ddof=1) + eps)
    n = (rows - rows.mean(axis=1, keepdims=True)) * scale
    z = n * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape), {"n": n, "scale": scale}


@wrong("standardized_rows", "normalises the columns, as batch norm does")
def norm_of_columns(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    scale = 1 / np.sqrt(rows.var(axis=0, keepdims=True) + eps)
    n = (rows - rows.mean(axis=0, keepdims=True)) * scale
    z = n * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape), {"n": n, "scale": scale}


@wrong("standardized_rows", "forgets the bias")
def norm_without_bias(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    scale = 1 / np.sqrt(rows.var(axis=1, keepdims=True) + eps)
    n = (rows - rows.mean(axis=1, keepdims=True)) * scale
    return (n * (1 if weight is None else weight.ravel())).reshape(x.shape), {"n": n, "scale": scale}


@wrong("standardized_rows", "takes E[x^2] - E[x]^2 for the variance")
def norm_cancels(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    mean = rows.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt((rows * rows).mean(axis=1, keepdims=True) - mean * mean + x.dtype.type(eps))
    n = (rows - mean) * scale
    z = n * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape).astype(x.dtype), {"n": n, "scale": scale}


# -- standardized_rows_vjp --------------------------------------------------------------------------------------------


@wrong("standardized_rows_vjp", "takes mean and deviation for constants")
def norm_rule_constant(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    dx = scale * (g if weight is None else g * weight.ravel())
    dw = None if weight is None else (g * n).sum(axis=0).reshape(weight.shape)
    db = None if bias is None else g.sum(axis=0).reshape(bias.shape)
    return dx.reshape(x.shape), dw, db


@wrong("standardized_rows_vjp", "forgets that the deviation moves")
def norm_rule_shift_only(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    h = g if weight is None else g * weight.ravel()
    dx = scale * (h - h.mean(axis=1, keepdims=True))
    dw = None if weight is None else (g * n).sum(axis=0).reshape(weight.shape)
    db = None if bias is None else g.sum(axis=0).reshape(bias.shape)
    return dx.reshape(x.shape), dw, db


@wrong("standardized_rows_vjp", "forgets the weight in dx")
def norm_rule_unweighted(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    dx = scale * (g - g.mean(axis=1, keepdims=True) - n * (g * n).mean(axis=1, keepdims=True))
    dw = None if weight is None else (g * n).sum(axis=0).reshape(weight.shape)
    db = None if bias is None else g.sum(axis=0).reshape(bias.shape)
    return dx.reshape(x.shape), dw, db


@wrong("standardized_rows_vjp", "exchanges the gradients of weight and bias")
def norm_rule_exchanged(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    h = g if weight is None else g * weight.ravel()
    dx = scale * (h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True))
    dw = None if weight is None else g.sum(axis=0).reshape(weight.shape)
    db = None if bias is None else (g * n).sum(axis=0).reshape(bias.shape)
    return dx.reshape(x.shape), dw, db


# -- Block.forward ----------------------------------------------------------------------------------------------------


@wrong("Block.forward", "loses x")
def block_without_shortcut(self, x, mask=None, is_causal=False, cache=None, start=0):
    prepare = lambda q: self.prepare(q, start)
    x = self.dropout(self.attention(self.norm1(x), None, mask, is_causal, cache, prepare))
    return self.dropout(self.feed_forward(self.norm2(x)))


@wrong("Block.forward", "normalises after adding, as in 2017")
def block_post_norm(self, x, mask=None, is_causal=False, cache=None, start=0):
    prepare = lambda q: self.prepare(q, start)
    x = self.norm1(x + self.dropout(self.attention(x, None, mask, is_causal, cache, prepare)))
    return self.norm2(x + self.dropout(self.feed_forward(x)))


@wrong("Block.forward", "does both parts side by side, from the same x")
def block_parallel(self, x, mask=None, is_causal=False, cache=None, start=0):
    prepare = lambda q: self.prepare(q, start)
    attended = self.dropout(self.attention(self.norm1(x), None, mask, is_causal, cache, prepare))
    return x + attended + self.dropout(self.feed_forward(self.norm2(x)))


@wrong("Block.forward", "forgets the causal mask")
def block_sees_all(self, x, mask=None, is_causal=False, cache=None, start=0):
    prepare = lambda q: self.prepare(q, start)
    x = x + self.dropout(self.attention(self.norm1(x), None, mask, False, cache, prepare))
    return x + self.dropout(self.feed_forward(self.norm2(x)))


@wrong("Block.forward", "does not prepare queries and keys")
def block_unprepared(self, x, mask=None, is_causal=False, cache=None, start=0):
    x = x + self.dropout(self.attention(self.norm1(x), None, mask, is_causal, cache))
    return x + self.dropout(self.feed_forward(self.norm2(x)))


@wrong("Block.forward", "drops nothing")
def block_undropped(self, x, mask=None, is_causal=False, cache=None, start=0):
    prepare = lambda q: self.prepare(q, start)
    x = x + self.attention(self.norm1(x), None, mask, is_causal, cache, prepare)
    return x + self.feed_forward(self.norm2(x))


# -- next_token_loss --------------------------------------------------------------------------------------------------


@wrong("next_token_loss", "divides by all places")
def loss_over_all(logits, targets, ignore_index=-100):
    targets = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    rows, classes = logits.reshape(-1, logits.shape[-1]), targets.ravel()
    kept = classes != ignore_index
    if not kept.any():
        raise ValueError("there is nothing to predict")
    losses = cross_entropy(rows, np.where(kept, classes, 0), reduction="none")
    return (losses * kept.astype(losses.dtype)).mean()


@wrong("next_token_loss", "ignores nothing")
def loss_of_all(logits, targets, ignore_index=-100):
    targets = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), np.maximum(targets.ravel(), 0))


@wrong("next_token_loss", "knows one mark only")
def loss_of_one_mark(logits, targets, ignore_index=-100):
    targets = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    kept = targets.ravel() >= 0
    rows = logits.reshape(-1, logits.shape[-1])
    if not kept.any():
        raise ValueError("there is nothing to predict")
    losses = cross_entropy(rows, np.where(kept, targets.ravel(), 0), reduction="none")
    return (losses * kept.astype(losses.dtype)).sum() / int(kept.sum())


@wrong("next_token_loss", "is nan where there is nothing to predict")
def loss_of_nothing(logits, targets, ignore_index=-100):
    targets = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    rows, classes = logits.reshape(-1, logits.shape[-1]), targets.ravel()
    kept = classes != ignore_index
    losses = cross_entropy(rows, np.where(kept, classes, 0), reduction="none")
    return (losses * kept.astype(losses.dtype)).sum() / max(1, int(kept.sum()))


# -- keep_top_k -------------------------------------------------------------------------------------------------------


@wrong("keep_top_k", "sets the others to 0, which is a logit like any other")
def top_k_zeros(logits, k):
    kth = np.sort(logits)[-min(k, len(logits))]
    return np.where(logits >= kth, logits, 0.0)


@wrong("keep_top_k", "keeps the smallest")
def top_k_smallest(logits, k):
    kth = np.sort(logits)[min(k, len(logits)) - 1]
    return np.where(logits <= kth, logits, -math.inf)


@wrong("keep_top_k", "keeps one less")
def top_k_strict(logits, k):
    kth = np.sort(logits)[-min(k, len(logits))]
    return np.where(logits > kth, logits, -math.inf)


@wrong("keep_top_k", "fails if k is beyond V")
def top_k_beyond(logits, k):
    kth = np.sort(logits)[-k]
    return np.where(logits >= kth, logits, -math.inf)


# -- keep_top_p -------------------------------------------------------------------------------------------------------


@wrong("keep_top_p", "leaves out the token that reaches p")
def top_p_short(logits, p):
    order = np.argsort(-logits, kind="stable")
    needed = order[np.cumsum(distribution(logits[order])) < p]
    kept = np.full_like(logits, -math.inf)
    kept[needed] = logits[needed]
    return kept


@wrong("keep_top_p", "compares each probability with p")
def top_p_each(logits, p):
    return np.where(distribution(logits) >= p, logits, -math.inf)


@wrong("keep_top_p", "starts with the least probable")
def top_p_upwards(logits, p):
    order = np.argsort(logits, kind="stable")
    probabilities = distribution(logits[order])
    needed = order[np.cumsum(probabilities) - probabilities < p]
    kept = np.full_like(logits, -math.inf)
    kept[needed] = logits[needed]
    return kept


@wrong("keep_top_p", "forgets to undo the sorting")
def top_p_sorted(logits, p):
    ordered = -np.sort(-logits)
    probabilities = distribution(ordered)
    return np.where(np.cumsum(probabilities) - probabilities < p, ordered, -math.inf)


# -- sample -----------------------------------------------------------------------------------------------------------


@wrong("sample", "multiplies with the temperature")
def sample_hotter(logits, u, temperature=1.0, top_k=None, top_p=None):
    check_sampling(temperature, top_k, top_p)
    if temperature == 0:
        return int(logits.argmax())
    logits = logits * temperature
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    if top_p is not None:
        logits = keep_top_p(logits, top_p)
    return choose_token(distribution(logits), u)


@wrong("sample", "takes the nucleus before the temperature")
def sample_other_order(logits, u, temperature=1.0, top_k=None, top_p=None):
    check_sampling(temperature, top_k, top_p)
    if temperature == 0:
        return int(logits.argmax())
    if top_p is not None:
        logits = keep_top_p(logits, top_p)
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    return choose_token(distribution(logits / temperature), u)


@wrong("sample", "divides by a temperature of 0")
def sample_by_zero(logits, u, temperature=1.0, top_k=None, top_p=None):
    check_sampling(temperature, top_k, top_p)
    logits = logits / max(temperature, 0.5)
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    if top_p is not None:
        logits = keep_top_p(logits, top_p)
    return choose_token(distribution(logits), u)


@wrong("sample", "checks nothing")
def sample_unchecked(logits, u, temperature=1.0, top_k=None, top_p=None):
    if temperature <= 0:
        return int(logits.argmax())
    logits = logits / temperature
    if top_k:
        logits = keep_top_k(logits, top_k)
    if top_p:
        logits = keep_top_p(logits, top_p)
    return choose_token(distribution(logits), u)


# -- parameter_count --------------------------------------------------------------------------------------------------


@wrong("parameter_count", "forgets the biases")
def count_without_biases(config):
    c, kv, n = config.width, config.kv_width, config.feed_forward_width
    norm = c * (2 if config.norm == "layer" and config.bias else 1)
    weights = 2 * c * c + 2 * c * kv + (3 if config.activation == "swiglu" else 2) * c * n
    outside = config.vocabulary * c * (1 if config.tied else 2)
    outside += config.context * c if config.positions == "learned" else 0
    return outside + config.layers * (weights + 2 * norm) + norm


@wrong("parameter_count", "counts a tied head twice")
def count_tied_twice(config):
    c, kv, n = config.width, config.kv_width, config.feed_forward_width
    norm = c * (2 if config.norm == "layer" and config.bias else 1)
    layers = 3 if config.activation == "swiglu" else 2
    weights = 2 * c * c + 2 * c * kv + layers * c * n
    biases = 2 * c + 2 * kv + (layers - 1) * n + c if config.bias else 0
    outside = config.vocabulary * c * 2 + (config.context * c if config.positions == "learned" else 0)
    return outside + config.layers * (weights + biases + 2 * norm) + norm


@wrong("parameter_count", "takes keys and values to be as wide as queries")
def count_wide_keys(config):
    c, n = config.width, config.feed_forward_width
    norm = c * (2 if config.norm == "layer" and config.bias else 1)
    layers = 3 if config.activation == "swiglu" else 2
    weights = 4 * c * c + layers * c * n
    biases = 4 * c + (layers - 1) * n + c if config.bias else 0
    outside = config.vocabulary * c * (1 if config.tied else 2)
    outside += config.context * c if config.positions == "learned" else 0
    return outside + config.layers * (weights + biases + 2 * norm) + norm


@wrong("parameter_count", "forgets the last norm")
def count_without_last_norm(config):
    c, kv, n = config.width, config.kv_width, config.feed_forward_width
    norm = c * (2 if config.norm == "layer" and config.bias else 1)
    layers = 3 if config.activation == "swiglu" else 2
    weights = 2 * c * c + 2 * c * kv + layers * c * n
    biases = 2 * c + 2 * kv + (layers - 1) * n + c if config.bias else 0
    outside = config.vocabulary * c * (1 if config.tied else 2)
    outside += config.context * c if config.positions == "learned" else 0
    return outside + config.layers * (weights + biases + 2 * norm)


# -- what becomes of arguments, and of numbers' kinds -----------------------------------------------------------------


@wrong("standardized_rows", "standardises x in place")
def norm_in_place(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    scale = 1 / np.sqrt(rows.var(axis=1, keepdims=True) + eps)
    rows -= rows.mean(axis=1, keepdims=True)
    rows *= scale
    z = rows * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape), {"n": rows, "scale": scale}


@wrong("standardized_rows", "keeps what is not standardised for the rule")
def norm_keeps_rows(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    scale = 1 / np.sqrt(rows.var(axis=1, keepdims=True) + eps)
    n = (rows - rows.mean(axis=1, keepdims=True)) * scale
    z = n * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape), {"n": rows, "scale": scale}


@wrong("standardized_rows_vjp", "multiplies g with the weight in place")
def norm_rule_in_place(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    dw = None if weight is None else (g * n).sum(axis=0).reshape(weight.shape)
    db = None if bias is None else g.sum(axis=0).reshape(bias.shape)
    if weight is not None:
        g *= weight.ravel()
    dx = scale * (g - g.mean(axis=1, keepdims=True) - n * (g * n).mean(axis=1, keepdims=True))
    return dx.reshape(x.shape), dw, db


@wrong("standardized_rows_vjp", "leaks float64")
def norm_rule_float64(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes).astype(np.float64)
    h = g if weight is None else g * weight.ravel()
    dx = scale * (h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True))
    dw = None if weight is None else (g * n).sum(axis=0).reshape(weight.shape)
    db = None if bias is None else g.sum(axis=0).reshape(bias.shape)
    return dx.reshape(x.shape), dw, db


@wrong("standardized_rows_vjp", "takes the mean over rows for weight and bias, where it is a sum")
def norm_rule_mean(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    h = g if weight is None else g * weight.ravel()
    dx = scale * (h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True))
    dw = None if weight is None else (g * n).mean(axis=0).reshape(weight.shape)
    db = None if bias is None else g.mean(axis=0).reshape(bias.shape)
    return dx.reshape(x.shape), dw, db


wrong("Block.forward", "forgets the cache", "cache, prepare)", "None, prepare)")
wrong("Block.forward", "forgets the mask", "None, mask,", "None, None,")
wrong("Block.forward", "feeds forward what was not normalised", "self.norm2(x)", "x")
wrong("Block.forward", "begins at place 0, wherever it stands", "start=start", "start=0")


@wrong("next_token_loss", "overflows where logits are far apart")
def loss_of_bare_exponentials(logits, targets, ignore_index=-100):
    targets = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    rows, classes = logits.reshape(-1, logits.shape[-1]), targets.ravel()
    kept = classes != ignore_index
    if not kept.any():
        raise ValueError("there is nothing to predict")
    e = rows.exp()
    p = e / e.sum(dim=-1, keepdim=True)
    picked = p[np.arange(len(classes)), np.where(kept, classes, 0)]
    return (-picked.log() * kept.astype(rows.dtype)).sum() / int(kept.sum())


@wrong("keep_top_k", "writes into the logits")
def top_k_in_place(logits, k):
    logits[logits < np.sort(logits)[-min(k, len(logits))]] = -math.inf
    return logits


@wrong("keep_top_k", "keeps exactly k, whatever is equal")
def top_k_exactly(logits, k):
    kept = np.full_like(logits, -math.inf)
    best = np.argsort(-logits, kind="stable")[:k]
    kept[best] = logits[best]
    return kept


@wrong("keep_top_p", "takes exponentials of large logits")
def top_p_overflows(logits, p):
    order = np.argsort(-logits, kind="stable")
    e = np.exp(logits[order])
    probabilities = e / e.sum()
    needed = order[np.cumsum(probabilities) - probabilities < p]
    kept = np.full_like(logits, -math.inf)
    kept[needed] = logits[needed]
    return kept


wrong("sample", "looks at the temperature before it checks", "check_sampling(temperature, top_k, top_p)\n", "")
wrong("sample", "takes the least probable at temperature 0", "argmax", "argmin")
wrong("parameter_count", "gives every feed-forward layer two matrices", "3 if", "2 if")
wrong("parameter_count", "counts places that nobody learns", ' if config.positions == "learned" else 0', "")

# -- what few cases show ----------------------------------------------------------------------------------------------


@wrong("standardized_rows", "knows rows of one axis or two")
def norm_of_two_axes(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    last = (-1,) if axes == 1 else (-2, -1)
    deviation = x - x.mean(axis=last, keepdims=True)
    scale = 1 / np.sqrt(np.square(deviation).mean(axis=last, keepdims=True) + eps)
    z = n = deviation * scale
    z = z if weight is None else z * weight
    return z if bias is None else z + bias, {"n": rows_of(n, axes), "scale": scale.reshape(-1, 1)}


@wrong("standardized_rows", "takes a row without others number by number")
def norm_of_numbers(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = x.reshape(x.shape[0], -1) if x.ndim == axes else rows_of(x, axes)
    scale = 1 / np.sqrt(rows.var(axis=1, keepdims=True) + eps)
    n = (rows - rows.mean(axis=1, keepdims=True)) * scale
    z = n.reshape(x.shape) * (1 if weight is None else weight) + (0 if bias is None else bias)
    return z.reshape(x.shape), {"n": n, "scale": scale}


@wrong("standardized_rows", "keeps the scale of the last block of rows alone")
def norm_keeps_last_block(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    z, n, scale = np.empty_like(rows), np.empty_like(rows), np.empty_like(rows[:, :1])
    for part in row_blocks(rows):
        deviation = rows[part] - rows[part].mean(axis=1, keepdims=True)
        scale = 1 / np.sqrt((deviation * deviation).mean(axis=1, keepdims=True) + eps)
        n[part] = deviation * scale
        z[part] = n[part] * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape), {"n": n, "scale": scale}


@wrong("standardized_rows_vjp", "knows rows of one axis or two")
def norm_rule_of_two_axes(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    last = (-1,) if axes == 1 else (-2, -1)
    n, s = n.reshape(x.shape), scale.reshape(*x.shape[: x.ndim - axes], *[1] * axes)
    h = g if weight is None else g * weight
    dx = s * (h - h.mean(axis=last, keepdims=True) - n * (h * n).mean(axis=last, keepdims=True))
    outer = tuple(range(x.ndim - len(last)))
    return dx, None if weight is None else (g * n).sum(axis=outer), None if bias is None else g.sum(axis=outer)


@wrong("standardized_rows_vjp", "sums over one axis at least, the row's own where there is no other")
def norm_rule_of_one_row(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    h = (g if weight is None else g * weight).reshape(n.shape)
    dx = scale * (h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True))
    outer = tuple(range(max(1, x.ndim - axes)))
    dw = None if weight is None else (g * n.reshape(x.shape)).sum(axis=outer)
    return dx.reshape(x.shape), dw, None if bias is None else g.sum(axis=outer)


@wrong("standardized_rows_vjp", "keeps the sums of the last block of rows alone")
def norm_rule_last_block(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    h = g if weight is None else g * weight.ravel()
    dx = scale * (h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True))
    dw, db = np.zeros(n.shape[1], n.dtype), np.zeros(n.shape[1], n.dtype)
    for part in row_blocks(n):
        dw, db = (g[part] * n[part]).sum(axis=0), g[part].sum(axis=0)
    dw, db = (None if p is None else total.reshape(p.shape) for p, total in ((weight, dw), (bias, db)))
    return dx.reshape(x.shape), dw, db


@wrong("standardized_rows_vjp", "takes n from z: nan where a weight is 0")
def norm_rule_from_z(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g, n = rows_of(g, axes), rows_of(z, axes)
    n = n if bias is None else n - bias.ravel()
    n = n if weight is None else n / weight.ravel()
    h = g if weight is None else g * weight.ravel()
    dx = scale * (h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True))
    dw = None if weight is None else (g * n).sum(axis=0).reshape(weight.shape)
    return dx.reshape(x.shape), dw, None if bias is None else g.sum(axis=0).reshape(bias.shape)


@wrong("standardized_rows_vjp", "has nothing to stack where there is no row")
def norm_rule_row_by_row(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    h = g if weight is None else g * weight.ravel()
    dx = np.stack([s * (a - a.mean() - b * (a * b).mean()) for s, a, b in zip(scale, h, n)]).astype(x.dtype)
    dw = None if weight is None else (g * n).sum(axis=0).reshape(weight.shape)
    return dx.reshape(x.shape), dw, None if bias is None else g.sum(axis=0).reshape(bias.shape)


wrong("Block.forward", "takes one norm for both", "self.norm2(x)", "self.norm1(x)")
wrong("Block.forward", "adds into x", "x = x + self.dropout(attended)", "x += self.dropout(attended)")
wrong("Block.forward", "cuts the gradient of the shortcut", "x = x + self", "x = x.detach() + self")
wrong(
    "Block.forward", "hides nothing later where there is a cache",
    "is_causal, cache", "is_causal and cache is None, cache",
)  # fmt: skip
wrong("Block.forward", "loses the mask where it is causal", "mask, is_causal", "None if is_causal else mask, is_causal")
wrong("Block.forward", "takes one start for all texts", "start=start)", "start=int(np.max(start)))")
wrong(
    "Block.forward", "prepares only what is turned",
    "start=start)", "start=start) if self.config.positions == 'rotary' else None",
)  # fmt: skip
wrong(
    "Block.forward", "drops the first part twice",
    "x + self.dropout(attended)", "x + self.dropout(self.dropout(attended))",
)  # fmt: skip
wrong("Block.forward", "drops x, too", "x + self.dropout(attended)", "self.dropout(x + attended)")
wrong(
    "Block.forward", "keeps the first start",
    "prepare = partial(self.prepare, start=start)",
    "self.__dict__.setdefault('first', start)\nprepare = partial(self.prepare, start=self.first)",
)  # fmt: skip


@wrong("Block.forward", "asks for attention twice: a cache takes each place twice")
def block_asks_twice(self, x, mask=None, is_causal=False, cache=None, start=0):
    prepare = lambda q: self.prepare(q, start)
    seen = x + self.dropout(self.attention(self.norm1(x), None, mask, is_causal, cache, prepare))
    again = self.dropout(self.attention(self.norm1(x), None, mask, is_causal, cache, prepare))
    return x + again + self.dropout(self.feed_forward(self.norm2(seen)))


@wrong("next_token_loss", "takes the mean of the texts' means")
def loss_of_texts(logits, targets, ignore_index=-100):
    targets = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    kept = targets != ignore_index
    if not kept.any():
        raise ValueError("there is nothing to predict")
    share = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1) / kept.any(axis=1).sum()
    losses = cross_entropy(logits.reshape(-1, logits.shape[-1]), np.where(kept, targets, 0).ravel(), reduction="none")
    return (losses * share.ravel().astype(losses.dtype)).sum()


@wrong("next_token_loss", "counts a target of -1 from the end")
def loss_from_the_end(logits, targets, ignore_index=-100):
    classes = (targets.data if isinstance(targets, Tensor) else np.asarray(targets)).ravel()
    kept = np.flatnonzero(classes != ignore_index)
    if not kept.size:
        raise ValueError("there is nothing to predict")
    logp = logits.reshape(-1, logits.shape[-1]).log_softmax(dim=-1)
    return -logp[kept, classes[kept]].sum() / len(kept)


wrong(
    "next_token_loss", "ignores every target below 0",
    "classes != ignore_index", "(classes != ignore_index) & (classes >= 0)",
)  # fmt: skip
wrong(
    "next_token_loss", "lets no target be beyond the vocabulary",
    "if kept.all()", "classes = np.where(kept, np.clip(classes, 0, rows.shape[-1] - 1), classes)\nif kept.all()",
)  # fmt: skip
wrong("next_token_loss", "takes tokens for bytes", "targets.ravel()", "targets.ravel().astype(np.int8)")
wrong("parameter_count", "lets sinusoids learn", 'config.positions == "learned"', 'config.positions != "rotary"')
wrong(
    "parameter_count", "gives all but a gelu three matrices",
    '3 if config.activation == "swiglu" else 2', '2 if config.activation == "gelu" else 3',
)  # fmt: skip
wrong(
    "parameter_count", "lets the norms of queries and keys learn",
    "+ 2 * norm)", "+ 2 * norm + (2 * c // config.heads if config.normalized_qk else 0))",
)  # fmt: skip
wrong(
    "parameter_count", "lets the soft cap learn",
    "return outside", "return (0 if config.soft_cap is None else 1) + outside",
)  # fmt: skip
wrong("keep_top_k", "sets the others to -1e9", "-math.inf", "-1e9")
wrong(
    "keep_top_k", "takes what is close to the k-th for its equal",
    "logits >= kth", "(logits > kth) | np.isclose(logits, kth)",
)  # fmt: skip
wrong(
    "keep_top_k", "counts equals once",
    "np.sort(logits)[-min(k, len(logits))]", "np.unique(logits)[-min(k, len(np.unique(logits)))]",
)  # fmt: skip
wrong("keep_top_p", "keeps one more where the sum is p", "- probabilities < p", "- probabilities <= p")
wrong("keep_top_p", "makes float64 of float32", "np.full_like(logits, -math.inf)", "np.full(len(logits), -math.inf)")
wrong("keep_top_p", "rounds probabilities", "distribution(logits[order])", "distribution(logits[order]).round(2)")
wrong("keep_top_p", "keeps the best alone for a p that is small", "< p]", "< (p if p >= 0.5 else 0.0001)]")
wrong(
    "keep_top_p", "shifts by the least, which may be -inf",
    "distribution(logits[order])", "distribution(logits[order] - logits.min())",
)  # fmt: skip


@wrong("keep_top_p", "keeps all that equal the least that is kept")
def top_p_and_equals(logits, p):
    down = np.sort(logits)[::-1]
    before = np.concatenate([[0.0], np.cumsum(distribution(down))[:-1]])
    least = down[before < p][-1]
    return np.where(logits < least, -np.inf, logits).astype(logits.dtype)


@wrong("sample", "walks on to a token that is hidden, at u = 0 or at the end")
def sample_walks_on(logits, u, temperature=1.0, top_k=None, top_p=None):
    check_sampling(temperature, top_k, top_p)
    if temperature == 0:
        return int(logits.argmax())
    kept = logits / temperature
    kept = keep_top_k(kept, top_k) if top_k else kept
    kept = keep_top_p(kept, top_p) if top_p else kept
    total = 0.0
    for token, share in enumerate(distribution(kept)):
        total += share
        if u <= total:
            return token
    return token


@wrong("sample", "ends at the last token, which may be hidden")
def sample_falls_off(logits, u, temperature=1.0, top_k=None, top_p=None):
    check_sampling(temperature, top_k, top_p)
    if temperature == 0:
        return int(logits.argmax())
    kept = logits / temperature
    kept = kept if top_k is None else keep_top_k(kept, top_k)
    kept = kept if top_p is None else keep_top_p(kept, top_p)
    return min(int(np.searchsorted(np.cumsum(distribution(kept)), u, side="right")), len(logits) - 1)


wrong(
    "sample", "takes temperature 0 for a small one",
    "if temperature == 0:\n    return int(logits.argmax())\n", "",
    "logits / temperature", "logits / max(temperature, 1e-6)",
)  # fmt: skip
wrong("sample", "takes a small temperature for 0", "temperature == 0", "temperature < 0.1")
wrong(
    "sample", "knows 0 but not 0.0",
    "temperature == 0", "temperature is 0",
    "logits / temperature", "logits / max(temperature, 0.01)",
)  # fmt: skip
wrong(
    "sample", "lets an infinite temperature pass",
    "check_sampling(temperature,", "check_sampling(min(temperature, 9),",
)  # fmt: skip
wrong(
    "sample", "refuses a top_p of 1",
    "check_sampling(temperature, top_k, top_p)", "check_sampling(temperature, top_k, top_p and top_p * 1.0000001)",
)  # fmt: skip
wrong(
    "sample", "gives a float",
    "return choose_token(distribution(logits), u)", "return float(choose_token(distribution(logits), u))",
)  # fmt: skip


# -- gpt_parameters ---------------------------------------------------------------------------------------------------

wrong("gpt_parameters", "forgets the places", " + 64 * 96", "")
wrong("gpt_parameters", "forgets the last norm", "3 * block + 2 * 96", "3 * block")
wrong("gpt_parameters", "counts the head again", "1000 * 96", "2 * 1000 * 96")
wrong("gpt_parameters", "forgets the norms' biases", "2 * 2 * 96", "2 * 96")

# -- training_bytes ---------------------------------------------------------------------------------------------------

wrong("training_bytes", "counts numbers, not bytes", "4 * 4 * weights", "4 * weights")
wrong("training_bytes", "forgets the gradients", "4 * 4 * weights", "4 * 3 * weights")
wrong("training_bytes", "forgets what AdamW keeps", "4 * 4 * weights", "4 * 2 * weights")

# -- share_of_peak ----------------------------------------------------------------------------------------------------

wrong("share_of_peak", "counts the way forwards alone", "3 * (", "1 * (")
wrong(
    "share_of_peak",
    "takes a multiplication and an addition for one",
    "2 * weights + attention",
    "weights + attention / 2",
)
wrong("share_of_peak", "forgets the batch", "* 16 * 128", "* 128")
wrong("share_of_peak", "gives a part for a percent", "return 100 *", "return 1 *")

# -- cache_tokens -----------------------------------------------------------------------------------------------------

wrong("cache_tokens", "forgets that there are values, too", "12 * 2 * 768", "12 * 768")
wrong("cache_tokens", "counts one layer", "12 * 2 * 768", "2 * 768")
wrong("cache_tokens", "forgets that the bytes cancel", "124439808", "4 * 124439808")
wrong("cache_tokens", "counts each head as wide as all", "12 * 2 * 768", "12 * 12 * 2 * 768")

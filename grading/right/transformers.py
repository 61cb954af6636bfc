"""Right answers to chapter 13, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.losses import cross_entropy
from tinytorch.tensor import Tensor
from tinytorch.transformers import (
    GPT,
    Blank,
    check_sampling,
    choose_token,
    distribution,
    keep_top_k,
    keep_top_p,
    rows_of,
)
from tito.rubrics.planted import right

# -- standardized_rows ------------------------------------------------------------------------------------------------


@right("standardized_rows", "is the four lines")
def four_lines(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    scale = 1 / np.sqrt(rows.var(axis=1, keepdims=True) + eps)
    n = (rows - rows.mean(axis=1, keepdims=True)) * scale
    z = n * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape), {"n": n, "scale": scale}


@right("standardized_rows", "takes means over the last axes")
def over_last_axes(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    last = tuple(range(-axes, 0))
    deviation = x - x.mean(axis=last, keepdims=True)
    scale = (np.square(deviation).mean(axis=last, keepdims=True) + eps) ** -0.5
    z = n = deviation * scale
    if weight is not None:
        z = z * weight
    if bias is not None:
        z = z + bias
    return z, {"n": rows_of(n, axes), "scale": scale.reshape(-1, 1)}


@right("standardized_rows", "goes row by row")
def row_by_row(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes)
    n, scale = np.zeros_like(rows), np.zeros((len(rows), 1), x.dtype)
    for i, row in enumerate(rows):
        scale[i] = 1 / math.sqrt(row.var() + eps)
        n[i] = (row - row.mean()) * scale[i]
    z = n.reshape(x.shape).copy()
    z = z if weight is None else weight * z
    z = z if bias is None else bias + z
    return z, {"scale": scale, "n": n}


@right("standardized_rows", "works in float64, and goes back")
def norm_in_float64(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    rows = rows_of(x, axes).astype(np.float64)
    scale = (rows.var(axis=1, keepdims=True) + eps) ** -0.5
    n = (rows - rows.mean(axis=1, keepdims=True)) * scale
    z = n * (1 if weight is None else weight.ravel()) + (0 if bias is None else bias.ravel())
    return z.reshape(x.shape).astype(x.dtype), {"n": n.astype(x.dtype), "scale": scale.astype(x.dtype)}


# -- standardized_rows_vjp --------------------------------------------------------------------------------------------


@right("standardized_rows_vjp", "is the formula, in rows")
def formula_in_rows(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    g = rows_of(g, axes)
    h = g if weight is None else g * weight.ravel()
    dx = scale * (h - h.mean(axis=1, keepdims=True) - n * (h * n).mean(axis=1, keepdims=True))
    dw = None if weight is None else (g * n).sum(axis=0).reshape(weight.shape)
    db = None if bias is None else g.sum(axis=0).reshape(bias.shape)
    return dx.reshape(x.shape), dw, db


@right("standardized_rows_vjp", "divides by the size of a row at the end")
def divided_at_the_end(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    size = n.shape[1]
    h = (g if weight is None else g * weight).reshape(n.shape)
    total, along = h.sum(axis=1, keepdims=True), np.einsum("nc,nc->n", h, n)[:, None]
    dx = scale / size * (size * h - total - n * along)
    outer = tuple(range(g.ndim - axes))
    dw = None if weight is None else (g * n.reshape(g.shape)).sum(axis=outer)
    db = None if bias is None else g.sum(axis=outer)
    return dx.reshape(x.shape), dw, db


@right("standardized_rows_vjp", "works out n and scale anew, in the shape of x")
def all_anew(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    last = tuple(range(x.ndim - axes, x.ndim))
    s = 1 / np.sqrt(x.var(axis=last, keepdims=True) + eps)
    n = (x - x.mean(axis=last, keepdims=True)) * s
    h = g * (np.ones_like(x) if weight is None else weight)
    dx = s * (h - h.mean(last, keepdims=True) - n * (h * n).mean(last, keepdims=True))
    outer = tuple(range(x.ndim - axes))
    return dx, None if weight is None else (g * n).sum(outer), None if bias is None else g.sum(outer)


@right("standardized_rows_vjp", "goes the long way, through variance and mean")
def the_long_way(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    rows, c = rows_of(g, axes), n.shape[1]
    d, h = n / scale, rows if weight is None else rows * weight.ravel()
    dvar = (h * d).sum(axis=1, keepdims=True) * -0.5 * scale**3
    dmean = -(h * scale).sum(axis=1, keepdims=True) - 2 * dvar * d.mean(axis=1, keepdims=True)
    dx = h * scale + dvar * 2 * d / c + dmean / c
    dw = None if weight is None else (rows * n).sum(axis=0).reshape(weight.shape)
    return dx.reshape(x.shape), dw, None if bias is None else rows.sum(axis=0).reshape(bias.shape)


@right("standardized_rows_vjp", "is a matrix for each row")
def matrix_by_matrix(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    rows, c = g.reshape(n.shape), n.shape[1]
    dx, w = np.empty_like(n), np.ones(c, n.dtype) if weight is None else weight.ravel()
    for i, row in enumerate(n):
        dx[i] = scale[i] * ((np.eye(c, dtype=n.dtype) - (1 + np.outer(row, row)) / n.dtype.type(c)) @ (w * rows[i]))
    dw = None if weight is None else np.einsum("nc,nc->c", rows, n).reshape(weight.shape)
    return dx.reshape(x.shape), dw, None if bias is None else rows.sum(0).reshape(bias.shape)


# -- Block.forward ----------------------------------------------------------------------------------------------------

right(
    "Block.forward", "writes a lambda",
    "partial(self.prepare, start=start)", "lambda p: self.prepare(p, start)",
)  # fmt: skip
right(
    "Block.forward", "names every argument, adds the other way round",
    "self.norm1(x), None, mask, is_causal, cache, prepare",
    "self.norm1(x), mask=mask, is_causal=is_causal, cache=cache, prepare=prepare",
    "x = x + self.dropout(attended)", "x = self.dropout(attended) + x",
)  # fmt: skip


@right("Block.forward", "gives each part a name")
def parts_with_names(self, x, mask=None, is_causal=False, cache=None, start=0):
    def turned(p):
        return self.prepare(p, start=start)

    normed = self.norm1(x)
    first = x + self.dropout(
        self.attention(normed, normed, mask=mask, is_causal=is_causal, cache=cache, prepare=turned)
    )
    second = self.dropout(self.feed_forward(self.norm2(first)))
    return first + second


right(
    "Block.forward", "is a loop over its parts",
    "x = x + self.dropout(attended)\nreturn x + self.dropout(self.feed_forward(self.norm2(x)))",
    "for part in (lambda _: attended, lambda y: self.feed_forward(self.norm2(y))):\n"
    "    x = x + self.dropout(part(x))\nreturn x",
)  # fmt: skip


# -- next_token_loss --------------------------------------------------------------------------------------------------


@right("next_token_loss", "takes only the rows that count")
def rows_that_count(logits, targets, ignore_index=-100):
    targets = np.asarray(targets.data if isinstance(targets, Tensor) else targets).reshape(-1)
    (places,) = np.nonzero(targets != ignore_index)
    if len(places) == 0:
        raise ValueError(f"all targets are {ignore_index}: nothing is left to predict")
    return cross_entropy(logits.reshape(-1, logits.shape[-1])[places], targets[places])


@right("next_token_loss", "weighs each place with its share")
def weighed(logits, targets, ignore_index=-100):
    targets = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    kept = targets.ravel() != ignore_index
    if kept.sum() == 0:
        raise ValueError("there is nothing to predict")
    share = (kept / kept.sum()).astype(logits.dtype)
    safe = np.where(kept, targets.ravel(), 0)
    return (cross_entropy(logits.reshape(len(safe), -1), safe, reduction="none") * share).sum()


right(
    "next_token_loss", "multiplies losses with what is kept, whose targets are 0",
    "return cross_entropy(rows[kept], classes[kept])",
    "losses = cross_entropy(rows, np.where(kept, classes, 0), reduction='none')\n"
    "return (losses * kept.astype(losses.dtype)).sum() * (1 / int(kept.sum()))",
    "if kept.all():\n    return cross_entropy(rows, classes)\n", "",
)  # fmt: skip


@right("next_token_loss", "picks from log_softmax")
def picked_logarithms(logits, targets, ignore_index=-100):
    classes = (targets.data if isinstance(targets, Tensor) else np.asarray(targets)).ravel()
    kept = np.flatnonzero(classes != ignore_index)
    if not kept.size:
        raise ValueError("all places are ignored")
    if classes[kept].min() < 0:
        raise IndexError("a token is 0 or more")
    logp = logits.reshape(-1, logits.shape[-1]).log_softmax(dim=-1)
    return -logp[kept, classes[kept]].sum() / len(kept)


# -- parameter_count --------------------------------------------------------------------------------------------------


@right("parameter_count", "counts layer by layer")
def layer_by_layer(config):
    def linear(inputs, outputs):
        return inputs * outputs + (outputs if config.bias else 0)

    c, kv, n = config.width, config.kv_width, config.feed_forward_width
    norm = 2 * c if config.norm == "layer" and config.bias else c
    up = 2 if config.activation == "swiglu" else 1
    block = 2 * linear(c, c) + 2 * linear(c, kv) + up * linear(c, n) + linear(n, c) + 2 * norm
    total = config.vocabulary * c + config.layers * block + norm
    if not config.tied:
        total += config.vocabulary * c
    if config.positions == "learned":
        total += config.context * c
    return total


@right("parameter_count", "adds up a list of shapes")
def list_of_shapes(config):
    c, kv, n = config.width, config.kv_width, config.feed_forward_width
    widths = [(c, c), (c, kv), (c, kv), (c, c), (c, n), (n, c)]
    if config.activation == "swiglu":
        widths.append((c, n))
    norm = [(c,)] * (1 + (config.norm == "layer" and config.bias))
    block = widths + 2 * norm + [(out,) for _, out in widths if config.bias]
    shapes = [(config.vocabulary, c)] * (2 - config.tied) + [(config.context, c)] * (config.positions == "learned")
    return sum(math.prod(shape) for shape in shapes + config.layers * block + norm)


right(
    "parameter_count", "counts with bool",
    "(1 if config.tied else 2)", "(2 - bool(config.tied))",
    'config.context * c if config.positions == "learned" else 0',
    '(config.positions == "learned") * config.context * c',
)  # fmt: skip


@right("parameter_count", "makes a GPT, and counts")
def made_and_counted(config):
    return sum(p.numel() for p in GPT(config, Blank()).parameters())


# -- keep_top_k -------------------------------------------------------------------------------------------------------

right("keep_top_k", "sorts downwards", "np.sort(logits)[-min(k, len(logits))]", "sorted(logits, reverse=True)[:k][-1]")
right(
    "keep_top_k", "takes a partition",
    "np.sort(logits)[-min(k, len(logits))]",
    "np.partition(logits, max(0, len(logits) - k))[max(0, len(logits) - k)]",
)  # fmt: skip


@right("keep_top_k", "writes into a copy")
def into_a_copy(logits, k):
    if k >= logits.size:
        return logits.copy()
    kept = logits.copy()
    kept[logits < np.sort(logits)[::-1][k - 1]] = -np.inf
    return kept


@right("keep_top_k", "counts how many are larger")
def larger_ones(logits, k):
    kept = logits.copy()
    kept[np.array([(logits > x).sum() for x in logits]) >= k] = -np.inf
    return kept


# -- keep_top_p -------------------------------------------------------------------------------------------------------

right("keep_top_p", "sorts upwards and turns round", 'np.argsort(-logits, kind="stable")', "np.argsort(logits)[::-1]")


@right("keep_top_p", "adds up one by one")
def one_by_one(logits, p):
    probabilities, kept, total = distribution(logits), np.full(logits.shape, -np.inf, logits.dtype), 0.0
    for i in np.argsort(-probabilities):
        if total >= p:
            break
        kept[i], total = logits[i], total + probabilities[i]
    return kept


@right("keep_top_p", "looks for the place that reaches p")
def place_that_reaches(logits, p):
    order = (-logits).argsort(kind="stable")
    sums = np.cumsum(distribution(logits)[order])
    count = int(np.searchsorted(sums, p)) + 1
    return np.where(np.isin(np.arange(len(logits)), order[:count]), logits, -math.inf)


@right("keep_top_p", "adds exponentials, not shares")
def exponentials(logits, p):
    order = np.argsort(-logits, kind="stable")
    e = np.exp((logits[order] - logits.max()).astype(np.float64))
    chosen = order[np.cumsum(e) - e < p * e.sum()]
    kept = np.full_like(logits, -math.inf)
    kept[chosen] = logits[chosen]
    return kept


@right("keep_top_p", "ranks the tokens")
def ranked(logits, p):
    order = np.argsort(-logits, kind="stable")
    rank = np.empty(len(logits), int)
    rank[order] = np.arange(len(logits))
    shares = distribution(logits)[order]
    return np.where((np.cumsum(shares) - shares < p)[rank], logits, -math.inf).astype(logits.dtype)


# -- sample -----------------------------------------------------------------------------------------------------------

right("sample", "multiplies with one over the temperature", "logits / temperature", "logits * (1 / temperature)")
right(
    "sample", "keeps all where nothing is given",
    "if top_k is not None:\n    logits = keep_top_k(logits, top_k)",
    "logits = keep_top_k(logits, len(logits) if top_k is None else top_k)",
    "int(logits.argmax())", "np.argmax(logits)",
)  # fmt: skip


@right("sample", "walks through the shares")
def walked(logits, u, temperature=1.0, top_k=None, top_p=None):
    check_sampling(temperature, top_k, top_p)
    if not temperature:
        return max(range(len(logits)), key=lambda i: logits[i])
    kept = np.asarray(logits) / temperature
    kept = keep_top_k(kept, top_k) if top_k else kept
    kept = keep_top_p(kept, top_p) if top_p else kept
    total, found = 0.0, 0
    for token, share in enumerate(distribution(kept)):
        if share > 0 and u >= total:
            found = token
        total += share
    return found


@right("sample", "compares the ends of the shares with u")
def ends_compared(logits, u, temperature=1.0, top_k=None, top_p=None):
    check_sampling(temperature, top_k, top_p)
    if temperature == 0:
        return choose_token(np.eye(len(logits))[np.argmax(logits)], u)
    scaled = keep_top_k(logits / temperature, top_k or len(logits))
    ends = distribution(scaled if top_p is None else keep_top_p(scaled, top_p)).cumsum()
    return int((ends / ends[-1] <= u).sum())


@right("sample", "takes k before the temperature, which changes no order, and looks at what is left alone")
def among_what_is_left(logits, u, temperature=1.0, top_k=None, top_p=None):
    check_sampling(temperature, top_k, top_p)
    if temperature == 0.0:
        return logits.argmax()
    left = logits if top_k is None else keep_top_k(logits, top_k)
    left = left * (1.0 / temperature)
    left = left if top_p is None else keep_top_p(left, top_p)
    (some,) = np.nonzero(left > -math.inf)
    return int(some[choose_token(distribution(left[some]), u)])


# -- accounting -------------------------------------------------------------------------------------------------------

right("gpt_parameters", "is the number", "1000 * 96 + 64 * 96 + 3 * block + 2 * 96", "437856")
right(
    "gpt_parameters", "takes twelve squares a block",
    "4 * (96 * 96 + 96) + (96 * 384 + 384) + (384 * 96 + 96) + 2 * 2 * 96",
    "12 * 96**2 + 13 * 96",
)  # fmt: skip
right("gpt_parameters", "is a float", "2 * 96\nreturn", "2 * 96.0\nreturn")

right("training_bytes", "is a float", "4 * 4 * weights", "16.0 * weights")
right("training_bytes", "is the number", "return 4 * 4 * weights", "return 16 * 437856")
right("training_bytes", "adds up the four", "4 * 4 * weights", "4 * weights + 4 * weights + 2 * 4 * weights")

right("share_of_peak", "is the number", "100 * operations / 0.25 / 100e9", "operations / 25e9 * 100")
right(
    "share_of_peak", "rounds to four digits",
    "100 * operations / 0.25 / 100e9",
    "round(100 * operations / 0.25 / 100e9, 2)",
)  # fmt: skip
right(
    "share_of_peak", "counts forwards and backwards",
    "3 * (2 * weights + attention)",
    "((2 * weights + attention) + 2 * (2 * weights + attention))",
)  # fmt: skip

right("cache_tokens", "counts in bytes", "124439808 / (12 * 2 * 768)", "4 * 124439808 / (12 * 2 * 768 * 4)")
right("cache_tokens", "rounds down", "124439808 / (12 * 2 * 768)", "124439808 // (12 * 2 * 768)")
right("cache_tokens", "counts heads", "12 * 2 * 768", "12 * 2 * 12 * 64")

"""Wrong answers to chapter 11: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.activations import sigmoid
from tinytorch.embeddings import check_ids, rotation, summed_by_id
from tinytorch.tensor import reshape
from tito.rubrics.planted import wrong

# -- embedding --------------------------------------------------------------------------------------------------------

wrong("embedding", "takes whatever NumPy takes: -1 is the last row", "check_ids(ids, len(weight))", "pass")
wrong("embedding", "looks up columns", "weight[ids]", "weight[:, ids]")
wrong("embedding", "checks against the width of the table", "len(weight)", "weight.shape[1]")
wrong("embedding", "flattens the ids", "weight[ids]", "weight[ids.ravel()]")
wrong(
    "embedding",
    "cuts foreign ids off at the ends of the table",
    "check_ids(ids, len(weight))",
    "ids = np.clip(ids, 0, len(weight) - 1)",
)


@wrong("embedding", "takes one of the ids only where there are several axes")
def lookup_of_rows(ids, weight, *, padding_idx=None):
    check_ids(ids, len(weight))
    return np.stack([weight[i] for i in ids])


# -- embedding_vjp ----------------------------------------------------------------------------------------------------

wrong("embedding_vjp", "forgets the padding", "dweight[padding_idx] = 0", "pass")
wrong("embedding_vjp", "takes the padding for the last row", "dweight[padding_idx]", "dweight[-1]")
wrong("embedding_vjp", "forgets padding of id 0", "padding_idx is not None", "padding_idx")
wrong("embedding_vjp", "returns double precision", "return None, dweight", "return None, dweight.astype(np.float64)")


@wrong("embedding_vjp", "adds with fancy indexing, which keeps one of several")
def gradient_overwritten(g, z, ids, weight, *, padding_idx=None):
    dweight = np.zeros_like(weight)
    dweight[ids] += g
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@wrong("embedding_vjp", "takes the mean over a token's places")
def gradient_mean(g, z, ids, weight, *, padding_idx=None):
    dweight = summed_by_id(ids.ravel(), g.reshape(-1, g.shape[-1]), len(weight))
    dweight /= np.maximum(1, np.bincount(ids.ravel(), minlength=len(weight)))[:, None].astype(g.dtype)
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@wrong("embedding_vjp", "adds into the table itself")
def gradient_into_the_table(g, z, ids, weight, *, padding_idx=None):
    np.add.at(weight, ids, g)
    return None, weight


@wrong("embedding_vjp", "leaves the padding's gradient out at the place of that number")
def gradient_place(g, z, ids, weight, *, padding_idx=None):
    rows = g.reshape(-1, g.shape[-1]).copy()
    if padding_idx is not None:
        rows[:padding_idx] = 0
    return None, summed_by_id(ids.ravel(), rows, len(weight))


# -- negative_sampling_loss -------------------------------------------------------------------------------------------

wrong("negative_sampling_loss", "draws the negatives nearer", "softplus(negative)", "softplus(-negative)")
wrong("negative_sampling_loss", "averages the negatives", "softplus(negative).sum(-1)", "softplus(negative).mean(-1)")
wrong("negative_sampling_loss", "forgets the minus", "return (", "return -(")
wrong("negative_sampling_loss", "sums over the batch", ")).mean()", ")).sum()")
wrong("negative_sampling_loss", "leaves the negatives out", " + softplus(negative).sum(-1)", "")


@wrong("negative_sampling_loss", "takes the logarithm of a sigmoid that is 0")
def loss_overflows(center, context, negatives):
    positive = (context * center).sum(-1)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)
    return -(sigmoid(positive).log() + sigmoid(-negative).log().sum(-1)).mean()


@wrong("negative_sampling_loss", "computes in NumPy, where nothing is recorded")
def loss_unrecorded(center, context, negatives):
    positive = (context.data * center.data).sum(-1)
    negative = (negatives.data @ center.data[..., None])[..., 0]
    return (np.logaddexp(0, -positive) + np.logaddexp(0, negative).sum(-1)).mean() + 0 * center.sum()


# -- skip_gram_step ---------------------------------------------------------------------------------------------------

wrong("skip_gram_step", "goes uphill", "lr * dv", "-lr * dv", "lr * np.concatenate", "-lr * np.concatenate")
wrong("skip_gram_step", "takes s(x) for the neighbour's slope", "(near) - 1)", "(near))")
wrong(
    "skip_gram_step", "steps along the sum", "- 1) / len(pairs)", "- 1)", "function(far) / len(pairs)", "function(far)"
)
wrong("skip_gram_step", "leaves the negatives out of the center", " + (dfar * n).sum(1)", "")
wrong("skip_gram_step", "averages over the negatives", "(dfar * n).sum(1)", "(dfar * n).mean(1)")
wrong("skip_gram_step", "never moves the negatives", "dn = dfar *", "dn = 0 * dfar *")
wrong("skip_gram_step", "returns the sum of the losses", ".sum()) / len(pairs)", ".sum())")
wrong("skip_gram_step", "overflows", "np.logaddexp(0, far)", "np.log(1 + np.exp(far))")
wrong(
    "skip_gram_step", "moves the center's row in the wrong table", "take_away(center, pairs", "take_away(context, pairs"
)
wrong(
    "skip_gram_step",
    "takes the context's gradient from a center that has moved",
    "du = dnear * v",
    "take_away(center, pairs[:, 0], lr * dv)\nv = center[pairs[:, 0]]\ndu = dnear * v",
    "take_away(center, pairs[:, 0], lr * dv)",
    "pass",
)
wrong(
    "skip_gram_step",
    "keeps one of several gradients of a token",
    "take_away(center, pairs[:, 0], lr * dv)",
    "center[pairs[:, 0]] -= lr * dv",
)
wrong(
    "skip_gram_step",
    "keeps one of several gradients of a context",
    "take_away(context, ids, lr *",
    "context[ids] -= (lr *",
)

# -- sinusoids --------------------------------------------------------------------------------------------------------

wrong("sinusoids", "exchanges sine and cosine", "0::2", "1::2", "1::2", "0::2")
wrong("sinusoids", "counts places from 1", "np.arange(length)", "np.arange(1, length + 1)")
wrong("sinusoids", "gives float64", ", np.float32)", ")")
wrong("sinusoids", "does not look at the base", "width, base)", "width)")


@wrong("sinusoids", "puts all sines first")
def waves_in_halves(length, width, base=10000.0):
    turned = rotation(length, width, 0, base)
    return np.concatenate(turned[::-1], axis=1).astype(np.float32)


@wrong("sinusoids", "gives an odd width one column less")
def waves_of_any_width(length, width, base=10000.0):
    turned = np.multiply.outer(np.arange(length), base ** (-np.arange(0, width - width % 2, 2) / width))
    return np.stack([np.sin(turned), np.cos(turned)], axis=-1).reshape(length, -1).astype(np.float32)


# -- rotate -----------------------------------------------------------------------------------------------------------

wrong("rotate", "turns the wrong way", "cos - right * sin", "cos + right * sin", "left * sin + right", "right")
wrong("rotate", "always starts at place 0", "width, start, base", "width, 0, base")
wrong("rotate", "does not look at the base", "start, base)", "start)")


@wrong("rotate", "pairs neighbours")
def turn_neighbours(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., 0::2], x[..., 1::2]
    z = np.empty_like(x)
    z[..., 0::2] = left * cos - right * sin
    z[..., 1::2] = left * sin + right * cos
    return z


@wrong("rotate", "uses the left half after it was turned, and writes into x")
def turn_in_place(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    left[...] = left * cos - right * sin
    right[...] = left * sin + right * cos
    return x


@wrong("rotate", "works its angles out in single precision")
def turn_roughly(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    hands = np.float32(base) ** (-np.arange(0, width, 2, dtype=np.float32) / np.float32(width))
    turned = np.multiply.outer(np.arange(start, start + length, dtype=np.float32), hands)
    cos, sin = np.cos(turned).astype(x.dtype), np.sin(turned).astype(x.dtype)
    left, right = x[..., : width // 2], x[..., width // 2 :]
    return np.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1)


# -- rotate_vjp -------------------------------------------------------------------------------------------------------

wrong("rotate_vjp", "turns forwards again", "left * cos + right", "left * cos - right", "cos - left", "cos + left")
wrong("rotate_vjp", "turns x, not g", "g[..., : width // 2], g[", "x[..., : width // 2], x[")
wrong("rotate_vjp", "forgets where the sequence starts", "width, start, base", "width, 0, base")
wrong("rotate_vjp", "does not look at the base", "start, base)", "start)")

# -- accounting -------------------------------------------------------------------------------------------------------

wrong("table_bytes", "counts numbers, not bytes", "4 * 4 *", "4 *")
wrong("table_bytes", "forgets what Adam keeps", "4 * 4 *", "2 * 4 *")
wrong("table_bytes", "counts only the rows that were read", "5000", "128")

wrong("tied_parameters", "counts the table twice", "5000 * 64 +", "2 * 5000 * 64 +")
wrong("tied_parameters", "forgets that every token has a bias", " + 5000", "")
wrong("tied_parameters", "forgets the hidden layer's bias", " + 64)", ")")
wrong("tied_parameters", "leaves out the table, for it stands elsewhere", "5000 * 64 +", "")

wrong("one_hot_operations", "counts a product and a sum as one", "return 2 *", "return")
wrong("one_hot_operations", "counts the lookup", " * 5000", "")
wrong("one_hot_operations", "takes one sequence", "(32 * 128)", "128")

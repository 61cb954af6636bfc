"""Wrong answers to chapter 11: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.activations import sigmoid, softplus
from tinytorch.embeddings import angles, check_ids, rotation, summed_by_id
from tinytorch.tensor import log, reshape
from tito.rubrics.planted import wrong

# -- embedding --------------------------------------------------------------------------------------------------------


@wrong("embedding", "takes whatever NumPy takes: -1 is the last row")
def lookup_unchecked(ids, weight, *, padding_idx=None):
    return weight[ids]


@wrong("embedding", "looks up columns")
def lookup_columns(ids, weight, *, padding_idx=None):
    check_ids(ids, len(weight))
    return weight[:, ids]


@wrong("embedding", "checks against the width of the table")
def lookup_checks_width(ids, weight, *, padding_idx=None):
    check_ids(ids, weight.shape[1])
    return weight[ids]


@wrong("embedding", "cuts foreign ids off at the ends of the table")
def lookup_clipped(ids, weight, *, padding_idx=None):
    return weight[np.clip(ids, 0, len(weight) - 1)]


@wrong("embedding", "flattens the ids")
def lookup_flat(ids, weight, *, padding_idx=None):
    check_ids(ids, len(weight))
    return weight[ids.ravel()]


# -- embedding_vjp ----------------------------------------------------------------------------------------------------


@wrong("embedding_vjp", "adds with fancy indexing, which keeps one of several")
def gradient_overwritten(g, z, ids, weight, *, padding_idx=None):
    dweight = np.zeros_like(weight)
    dweight[ids] += g
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@wrong("embedding_vjp", "forgets the padding")
def gradient_padded(g, z, ids, weight, *, padding_idx=None):
    return None, summed_by_id(ids.ravel(), g.reshape(-1, g.shape[-1]), len(weight))


@wrong("embedding_vjp", "takes the mean over a token's places")
def gradient_mean(g, z, ids, weight, *, padding_idx=None):
    dweight = summed_by_id(ids.ravel(), g.reshape(-1, g.shape[-1]), len(weight))
    dweight /= np.maximum(1, np.bincount(ids.ravel(), minlength=len(weight)))[:, None].astype(g.dtype)
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@wrong("embedding_vjp", "leaves the padding's gradient out at the place of that number")
def gradient_place(g, z, ids, weight, *, padding_idx=None):
    rows = g.reshape(-1, g.shape[-1]).copy()
    if padding_idx is not None:
        rows[:padding_idx] = 0
    return None, summed_by_id(ids.ravel(), rows, len(weight))


# -- negative_sampling_loss -------------------------------------------------------------------------------------------


@wrong("negative_sampling_loss", "draws the negatives nearer")
def loss_attracts(center, context, negatives):
    positive = (context * center).sum(-1)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)
    return (softplus(-positive) + softplus(-negative).sum(-1)).mean()


@wrong("negative_sampling_loss", "averages over everything")
def loss_averaged(center, context, negatives):
    positive = (context * center).sum(-1)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)
    return softplus(-positive).mean() + softplus(negative).mean()


@wrong("negative_sampling_loss", "takes the logarithm of a sigmoid that is 0")
def loss_overflows(center, context, negatives):
    positive = (context * center).sum(-1)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)
    return -(log(sigmoid(positive)) + log(sigmoid(-negative)).sum(-1)).mean()


@wrong("negative_sampling_loss", "computes in NumPy, where nothing is recorded")
def loss_unrecorded(center, context, negatives):
    positive = (context.data * center.data).sum(-1)
    negative = (negatives.data @ center.data[..., None])[..., 0]
    return (softplus(-positive) + softplus(negative).data.sum(-1)).mean() + 0 * center.sum()


@wrong("negative_sampling_loss", "forgets the minus")
def loss_rewards(center, context, negatives):
    positive = (context * center).sum(-1)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)
    return -(softplus(-positive) + softplus(negative).sum(-1)).mean()


# -- sinusoids --------------------------------------------------------------------------------------------------------


@wrong("sinusoids", "exchanges sine and cosine")
def waves_exchanged(length, width, base=10000.0):
    turned = angles(np.arange(length), width, base)
    z = np.empty((length, width), np.float32)
    z[:, 0::2] = np.cos(turned)
    z[:, 1::2] = np.sin(turned)
    return z


@wrong("sinusoids", "puts all sines first")
def waves_in_halves(length, width, base=10000.0):
    turned = angles(np.arange(length), width, base)
    return np.concatenate([np.sin(turned), np.cos(turned)], axis=1).astype(np.float32)


@wrong("sinusoids", "counts places from 1")
def waves_from_one(length, width, base=10000.0):
    turned = angles(np.arange(1, length + 1), width, base)
    z = np.empty((length, width), np.float32)
    z[:, 0::2] = np.sin(turned)
    z[:, 1::2] = np.cos(turned)
    return z


@wrong("sinusoids", "gives float64")
def waves_in_double(length, width, base=10000.0):
    turned = angles(np.arange(length), width, base)
    z = np.empty((length, width))
    z[:, 0::2] = np.sin(turned)
    z[:, 1::2] = np.cos(turned)
    return z


@wrong("sinusoids", "does not look at the base")
def waves_of_one_base(length, width, base=10000.0):
    turned = angles(np.arange(length), width)
    z = np.empty((length, width), np.float32)
    z[:, 0::2] = np.sin(turned)
    z[:, 1::2] = np.cos(turned)
    return z


# -- rotate -----------------------------------------------------------------------------------------------------------


@wrong("rotate", "turns the wrong way")
def turn_back(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    z = np.empty_like(x)
    z[..., : width // 2] = left * cos + right * sin
    z[..., width // 2 :] = right * cos - left * sin
    return z


@wrong("rotate", "pairs neighbours")
def turn_neighbours(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., 0::2], x[..., 1::2]
    z = np.empty_like(x)
    z[..., 0::2] = left * cos - right * sin
    z[..., 1::2] = left * sin + right * cos
    return z


@wrong("rotate", "always starts at place 0")
def turn_from_zero(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, 0, base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    z = np.empty_like(x)
    z[..., : width // 2] = left * cos - right * sin
    z[..., width // 2 :] = left * sin + right * cos
    return z


@wrong("rotate", "uses the left half after it was turned, and writes into x")
def turn_in_place(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    left[...] = left * cos - right * sin
    right[...] = left * sin + right * cos
    return x


@wrong("rotate", "does not look at the base")
def turn_of_one_base(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    z = np.empty_like(x)
    z[..., : width // 2] = left * cos - right * sin
    z[..., width // 2 :] = left * sin + right * cos
    return z


# -- rotate_vjp -------------------------------------------------------------------------------------------------------


@wrong("rotate_vjp", "turns forwards again")
def gradient_forwards(g, z, x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(g.dtype) for part in rotation(length, width, start, base))
    left, right = g[..., : width // 2], g[..., width // 2 :]
    dx = np.empty_like(g)
    dx[..., : width // 2] = left * cos - right * sin
    dx[..., width // 2 :] = left * sin + right * cos
    return dx


@wrong("rotate_vjp", "turns x, not g")
def gradient_of_x(g, z, x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(g.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    dx = np.empty_like(g)
    dx[..., : width // 2] = left * cos + right * sin
    dx[..., width // 2 :] = right * cos - left * sin
    return dx


@wrong("rotate_vjp", "forgets where the sequence starts")
def gradient_from_zero(g, z, x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(g.dtype) for part in rotation(length, width, 0, base))
    left, right = g[..., : width // 2], g[..., width // 2 :]
    dx = np.empty_like(g)
    dx[..., : width // 2] = left * cos + right * sin
    dx[..., width // 2 :] = right * cos - left * sin
    return dx

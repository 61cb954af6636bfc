"""Right answers to chapter 11, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.activations import softplus
from tinytorch.embeddings import angles, rotate, rotation
from tinytorch.tensor import matmul
from tito.rubrics.planted import right

# -- embedding --------------------------------------------------------------------------------------------------------

right("embedding", "takes along the first axis", "weight[ids]", "np.take(weight, ids, axis=0)")
right("embedding", "takes the size from the shape", "len(weight)", "weight.shape[0]")


@right("embedding", "checks by itself")
def lookup_with_its_own_check(ids, weight, *, padding_idx=None):
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"ids are {ids.dtype}")
    for token in ids.ravel().tolist():
        if not 0 <= token < len(weight):
            raise IndexError(f"no token {token} among {len(weight)}")
    return weight[ids]


# -- embedding_vjp ----------------------------------------------------------------------------------------------------


@right("embedding_vjp", "lets NumPy add")
def gradient_by_add_at(g, z, ids, weight, *, padding_idx=None):
    dweight = np.zeros_like(weight)
    np.add.at(dweight, ids, g)
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@right("embedding_vjp", "goes from place to place")
def gradient_by_places(g, z, ids, weight, *, padding_idx=None):
    dweight = np.zeros(weight.shape, weight.dtype)
    for place in np.ndindex(ids.shape):
        if padding_idx is None or ids[place] != padding_idx % len(weight):
            dweight[ids[place]] += g[place]
    return None, dweight


@right("embedding_vjp", "multiplies with the transpose of the one-hot rows")
def gradient_by_product(g, z, ids, weight, *, padding_idx=None):
    hot = np.eye(len(weight), dtype=g.dtype)[ids.ravel()]
    if padding_idx is not None:
        hot[:, padding_idx] = 0
    return None, hot.T @ g.reshape(-1, weight.shape[1])


# -- negative_sampling_loss -------------------------------------------------------------------------------------------

right(
    "negative_sampling_loss",
    "takes the mean of each part",
    "(softplus(-positive) + softplus(negative).sum(-1)).mean()",
    "softplus(-positive).mean() + softplus(negative).sum(-1).mean()",
)


@right("negative_sampling_loss", "sums products over the last axis")
def loss_of_sums(center, context, negatives):
    near = (center * context).sum(-1)
    far = (center.unsqueeze(1) * negatives).sum(-1)
    return (softplus(-near).sum() + softplus(far).sum()) / len(center)


@right("negative_sampling_loss", "multiplies rows by columns")
def loss_of_products(center, context, negatives):
    column = center.unsqueeze(-1)
    near = matmul(context.unsqueeze(1), column).squeeze(-1)
    far = matmul(negatives, column).squeeze(-1)
    return (softplus(-near) + softplus(far).sum(1, keepdim=True)).mean()


# -- skip_gram_step ---------------------------------------------------------------------------------------------------


@right("skip_gram_step", "lets NumPy take away")
def step_by_subtract_at(center, context, pairs, negatives, lr):
    v, u, n = center[pairs[:, 0]], context[pairs[:, 1]], context[negatives]
    near, far = np.einsum("bc,bc->b", u, v), np.einsum("bkc,bc->bk", n, v)
    loss = (np.logaddexp(0, -near).sum() + np.logaddexp(0, far).sum()) / len(pairs)
    a, b = -np.exp(-np.logaddexp(0, near)), np.exp(-np.logaddexp(0, -far))
    rate = lr / len(pairs)
    np.subtract.at(center, pairs[:, 0], rate * (a[:, None] * u + np.einsum("bk,bkc->bc", b, n)))
    np.subtract.at(context, pairs[:, 1], rate * a[:, None] * v)
    np.subtract.at(context, negatives, rate * b[:, :, None] * v[:, None])
    return float(loss)


@right("skip_gram_step", "goes from pair to pair, and moves the tables at the end")
def step_by_pairs(center, context, pairs, negatives, lr):
    down, across, loss = np.zeros_like(center), np.zeros_like(context), 0.0
    for (i, j), others in zip(pairs, negatives):
        for token, sign in [(j, 1.0), *((other, -1.0) for other in others)]:
            x = sign * float(context[token] @ center[i])
            loss += max(-x, 0.0) + math.log1p(math.exp(-abs(x)))
            slope = -sign * (math.exp(-x) / (1 + math.exp(-x)) if x > 0 else 1 / (1 + math.exp(x)))
            down[i] += slope * context[token]
            across[token] += slope * center[i]
    center -= lr * down / len(pairs)
    context -= lr * across / len(pairs)
    return loss / len(pairs)


@right("skip_gram_step", "takes the neighbour for one more context, with a label")
def step_with_labels(center, context, pairs, negatives, lr):
    tokens = np.concatenate([pairs[:, 1:], negatives], axis=1)
    v, u = center[pairs[:, 0]], context[tokens]
    sign = np.ones(tokens.shape, v.dtype)
    sign[:, 1:] = -1
    x = sign * (u * v[:, None]).sum(-1)
    loss = np.logaddexp(0, -x).sum() / len(pairs)
    slope = (-sign * np.exp(-np.logaddexp(0, x)) * lr / len(pairs))[:, :, None]
    np.subtract.at(center, pairs[:, 0], (slope * u).sum(1))
    np.subtract.at(context, tokens, slope * v[:, None])
    return float(loss)


# -- sinusoids --------------------------------------------------------------------------------------------------------


@right("sinusoids", "stacks sines and cosines, and flattens")
def waves_stacked(length, width, base=10000.0):
    turned = angles(np.arange(length), width, base)
    return np.stack([np.sin(turned), np.cos(turned)], axis=-1).reshape(length, width).astype(np.float32)


@right("sinusoids", "takes the parts of a complex exponential")
def waves_complex(length, width, base=10000.0):
    turned = np.exp(1j * angles(np.arange(length), width, base))
    z = np.zeros((length, width), np.float32)
    z[:, ::2], z[:, 1::2] = turned.imag, turned.real
    return z


@right("sinusoids", "goes from number to number")
def waves_one_by_one(length, width, base=10000.0):
    if width % 2:
        raise ValueError(f"no hands for {width} numbers")
    z = np.empty((length, width), np.float32)
    for t in range(length):
        for i in range(0, width, 2):
            z[t, i] = math.sin(t / base ** (i / width))
            z[t, i + 1] = math.cos(t / base ** (i / width))
    return z


# -- rotate -----------------------------------------------------------------------------------------------------------


@right("rotate", "joins the two halves")
def turn_joined(x, *, start=0, base=10000.0):
    cos, sin = rotation(x.shape[-2], x.shape[-1], start, base)
    left, right = np.split(x, 2, axis=-1)
    return np.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1).astype(x.dtype)


@right("rotate", "multiplies complex numbers")
def turn_complex(x, *, start=0, base=10000.0):
    length, width = x.shape[-2:]
    factor = np.exp(1j * angles(np.arange(start, start + length), width, base))
    z = (x[..., : width // 2] + 1j * x[..., width // 2 :]) * factor
    return np.concatenate([z.real, z.imag], axis=-1).astype(x.dtype)


@right("rotate", "adds the vector to the vector with its halves exchanged")
def turn_exchanged(x, *, start=0, base=10000.0):
    cos, sin = rotation(x.shape[-2], x.shape[-1], start, base)
    half = x.shape[-1] // 2
    other = np.concatenate([-x[..., half:], x[..., :half]], axis=-1)
    return (x * np.tile(cos, 2) + other * np.tile(sin, 2)).astype(x.dtype)


# -- rotate_vjp -------------------------------------------------------------------------------------------------------


@right("rotate_vjp", "joins the two halves")
def gradient_joined(g, z, x, *, start=0, base=10000.0):
    cos, sin = rotation(g.shape[-2], g.shape[-1], start, base)
    left, right = np.split(g, 2, axis=-1)
    return np.concatenate([left * cos + right * sin, right * cos - left * sin], axis=-1).astype(g.dtype)


@right("rotate_vjp", "divides complex numbers")
def gradient_complex(g, z, x, *, start=0, base=10000.0):
    length, width = g.shape[-2:]
    factor = np.exp(1j * angles(np.arange(start, start + length), width, base))
    dx = (g[..., : width // 2] + 1j * g[..., width // 2 :]) / factor
    return np.concatenate([dx.real, dx.imag], axis=-1).astype(g.dtype)


@right("rotate_vjp", "exchanges the halves, turns, and exchanges them again")
def gradient_exchanged(g, z, x, *, start=0, base=10000.0):
    half = g.shape[-1] // 2
    turned = rotate.function(np.roll(g, half, axis=-1), start=start, base=base)
    return np.roll(turned, half, axis=-1)


# -- accounting -------------------------------------------------------------------------------------------------------

right("table_bytes", "multiplies in another order", "4 * 4 * 5000 * 64", "5000 * 64 * 16")
right("table_bytes", "adds four arrays", "4 * 4 * 5000 * 64", "sum([5000 * 64 * 4] * 4)")
right("table_bytes", "says it as a float", "4 * 4 * 5000 * 64", "5.12e6")

right("tied_parameters", "adds up what it multiplies", "(64 * 64 + 64)", "65 * 64")
right(
    "tied_parameters",
    "counts a row of the table with its bias",
    "5000 * 64 + (64 * 64 + 64) + 5000",
    "5000 * 65 + 64 * 65",
)
right("tied_parameters", "says the number", "5000 * 64 + (64 * 64 + 64) + 5000", "329160")

right("one_hot_operations", "counts the tokens first", "2 * (32 * 128) * 5000 * 64", "4096 * 64 * (5000 + 5000)")
right("one_hot_operations", "says the number", "2 * (32 * 128) * 5000 * 64", "2621440000")
right(
    "one_hot_operations",
    "forgets the sum that is one less than the products",
    "* 5000 * 64",
    "* 5000 * 64 - 32 * 128 * 64",
)

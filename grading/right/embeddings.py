"""Right answers to chapter 11, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.activations import softplus
from tinytorch.embeddings import angles, check_ids, embedding, negative_sampling_loss, rotate, rotation
from tinytorch.tensor import Tensor, matmul
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


@right("embedding", "stacks what each column gives")
def lookup_by_columns(ids, weight, *, padding_idx=None):
    check_ids(ids, len(weight))
    return np.stack([column[ids] for column in weight.T], axis=-1)


@right("embedding", "asks for the smallest and the largest id")
def lookup_between(ids, weight, *, padding_idx=None):
    if ids.dtype.kind not in ("i", "u"):
        raise TypeError(f"ids have dtype {ids.dtype}")
    if ids.size:
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= weight.shape[0]:
            raise IndexError(f"id {low if low < 0 else high} is none of the {weight.shape[0]} rows")
    return weight[ids, :]


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


@right("embedding_vjp", "sorts, and sums runs")
def gradient_by_runs(g, z, ids, weight, *, padding_idx=None):
    flat, dweight = ids.ravel(), np.zeros(weight.shape, g.dtype)
    if flat.size:
        order = np.argsort(flat, kind="stable")
        known, starts = np.unique(flat[order], return_index=True)
        dweight[known] = np.add.reduceat(g.reshape(-1, weight.shape[1])[order], starts, axis=0)
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@right("embedding_vjp", "counts each column with weights")
def gradient_by_columns(g, z, ids, weight, *, padding_idx=None):
    rows = g.reshape(ids.size, weight.shape[1])
    columns = [np.bincount(ids.ravel(), column, minlength=len(weight)) for column in rows.T]
    dweight = np.stack(columns, axis=1).astype(g.dtype)
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@right("embedding_vjp", "leaves the padding's places out")
def gradient_without_padding(g, z, ids, weight, *, padding_idx=None):
    dweight = np.zeros_like(weight)
    kept = np.ones(ids.shape, bool) if padding_idx is None else ids != padding_idx % len(weight)
    np.add.at(dweight, ids[kept], g[kept])
    return None, dweight


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


@right("negative_sampling_loss", "makes its softplus of |x|")
def loss_of_absolutes(center, context, negatives):
    near = -(context * center).sum(-1)
    far = (negatives @ center.unsqueeze(-1)).squeeze(-1)
    soft = [(x + x.abs()) * 0.5 + (1 + (-x.abs()).exp()).log() for x in (near, far)]
    return soft[0].mean() + soft[1].sum(-1).mean()


@right("negative_sampling_loss", "adds x to softplus(-x), one negative after the other")
def loss_one_by_one(center, context, negatives):
    x = (center * context).sum(-1)
    total = softplus(x) - x
    for k in range(negatives.shape[1]):
        y = (negatives[:, k] * center).sum(-1)
        total = total + y + softplus(-y)
    return total.mean()


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


@right("skip_gram_step", "lets the tensors find the gradient")
def step_by_tensors(center, context, pairs, negatives, lr):
    v, u = Tensor(center.copy(), requires_grad=True), Tensor(context.copy(), requires_grad=True)
    loss = negative_sampling_loss(embedding(pairs[:, 0], v), embedding(pairs[:, 1], u), embedding(negatives, u))
    loss.backward()
    center -= lr * v.grad.data
    context -= lr * u.grad.data
    return loss.item()


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


@right("sinusoids", "shifts the cosines' angles by a quarter turn")
def waves_shifted(length, width, base=10000.0):
    turned = np.repeat(angles(np.arange(length), width, base), 2, axis=1)
    return np.sin(turned + np.tile([0, math.pi / 2], width // 2)).astype(np.float32)


@right("sinusoids", "takes the exponential of a logarithm for the hands")
def waves_by_logarithm(length, width, base=10000.0):
    if width % 2:
        raise ValueError(f"width {width} is odd")
    turned = np.outer(np.arange(length), np.exp(np.arange(0, width, 2) * (-math.log(base) / width)))
    z = np.zeros((length, width), "float32")
    z[:, ::2], z[:, 1::2] = np.sin(turned), np.cos(turned)
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
    factor = np.exp(1j * angles(np.add.outer(start, np.arange(length)), width, base))
    z = (x[..., : width // 2] + 1j * x[..., width // 2 :]) * factor
    return np.concatenate([z.real, z.imag], axis=-1).astype(x.dtype)


@right("rotate", "adds the vector to the vector with its halves exchanged")
def turn_exchanged(x, *, start=0, base=10000.0):
    cos, sin = rotation(x.shape[-2], x.shape[-1], start, base)
    half = x.shape[-1] // 2
    other = np.concatenate([-x[..., half:], x[..., :half]], axis=-1)
    return (x * np.tile(cos, 2) + other * np.tile(sin, 2)).astype(x.dtype)


@right("rotate", "multiplies each pair with a matrix")
def turn_by_matrices(x, *, start=0, base=10000.0):
    *lead, length, width = x.shape
    cos, sin = rotation(length, width, start, base)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    pairs = x.reshape(*lead, length, 2, width // 2)
    return np.einsum("...tiab,...tbi->...tai", turn, pairs).reshape(x.shape).astype(x.dtype)


@right("rotate", "goes from pair to pair")
def turn_by_pairs(x, *, start=0, base=10000.0):
    half, z = x.shape[-1] // 2, x.copy()
    cos, sin = rotation(x.shape[-2], x.shape[-1], start, base)
    for i in range(half):
        z[..., i] = x[..., i] * cos[..., i] - x[..., i + half] * sin[..., i]
        z[..., i + half] = x[..., i] * sin[..., i] + x[..., i + half] * cos[..., i]
    return z


# -- rotate_vjp -------------------------------------------------------------------------------------------------------


@right("rotate_vjp", "joins the two halves")
def gradient_joined(g, z, x, *, start=0, base=10000.0):
    cos, sin = rotation(g.shape[-2], g.shape[-1], start, base)
    left, right = np.split(g, 2, axis=-1)
    return np.concatenate([left * cos + right * sin, right * cos - left * sin], axis=-1).astype(g.dtype)


@right("rotate_vjp", "divides complex numbers")
def gradient_complex(g, z, x, *, start=0, base=10000.0):
    length, width = g.shape[-2:]
    factor = np.exp(1j * angles(np.add.outer(start, np.arange(length)), width, base))
    dx = (g[..., : width // 2] + 1j * g[..., width // 2 :]) / factor
    return np.concatenate([dx.real, dx.imag], axis=-1).astype(g.dtype)


@right("rotate_vjp", "exchanges the halves, turns, and exchanges them again")
def gradient_exchanged(g, z, x, *, start=0, base=10000.0):
    half = g.shape[-1] // 2
    turned = rotate.function(np.roll(g, half, axis=-1), start=start, base=base)
    return np.roll(turned, half, axis=-1)


@right("rotate_vjp", "mirrors, turns, and mirrors again")
def gradient_mirrored(g, z, x, *, start=0, base=10000.0):
    half = g.shape[-1] // 2
    sign = np.repeat([1, -1], half).astype(g.dtype)
    return sign * rotate.function(sign * g, start=start, base=base)


@right("rotate_vjp", "multiplies each pair with a matrix")
def gradient_by_matrices(g, z, x, *, start=0, base=10000.0):
    *lead, length, width = g.shape
    cos, sin = rotation(length, width, start, base)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    pairs = g.reshape(*lead, length, 2, width // 2)
    return np.einsum("...tiab,...tai->...tbi", turn, pairs).reshape(g.shape).astype(g.dtype)


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

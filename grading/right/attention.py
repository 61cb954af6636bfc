"""Right answers to chapter 12, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.attention import Running, check_attention, default_scale, online_softmax_step, tile_scores, tiles
from tinytorch.tensor import Tensor, amax, broadcast_shape, exp, sum, where
from tito.rubrics.planted import right

# -- attention_scores -------------------------------------------------------------------------------------------------

right("attention_scores", "scales with an operator", "mul(matmul(q, transpose(k)), scale)", "q @ transpose(k) * scale")
right("attention_scores", "takes the power of a half", "1 / math.sqrt(q.shape[-1])", "k.shape[-1] ** -0.5")
right("attention_scores", "scales the queries first", "mul(matmul(q, transpose(k)), scale)", "matmul(q * scale, k.mT)")


@right("attention_scores", "sums the products of each pair")
def scores_of_pairs(q, k, scale=None):
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    return sum(q.unsqueeze(-2) * k.unsqueeze(-3), dim=-1) * scale


@right("attention_scores", "turns the products of keys with queries")
def scores_turned(q, k, scale=None):
    scale = math.pow(q.shape[-1], -0.5) if scale is None else scale
    return (k @ q.mT).mT * scale


# -- causal_mask ------------------------------------------------------------------------------------------------------

right(
    "causal_mask", "is the lower triangle, moved",
    "np.arange(keys) <= np.arange(queries)[:, None] + keys - queries",
    "np.tri(queries, keys, keys - queries, dtype=bool)",
)  # fmt: skip
right(
    "causal_mask", "is not what lies above the diagonal",
    "np.arange(keys) <= np.arange(queries)[:, None] + keys - queries",
    "~np.triu(np.ones((queries, keys), bool), k=1 + keys - queries)",
)  # fmt: skip


@right("causal_mask", "goes from query to query")
def mask_by_rows(queries, keys=None):
    keys = queries if keys is None else keys
    mask = np.zeros((queries, keys), dtype=bool)
    for t in range(queries):
        mask[t, : max(0, t + 1 + keys - queries)] = True
    return mask


@right("causal_mask", "counts from the end")
def mask_from_the_end(queries, keys=None):
    keys = queries if keys is None else keys
    return np.arange(keys)[::-1] >= np.arange(queries)[::-1][:, None]


# -- masked -----------------------------------------------------------------------------------------------------------

right("masked", "asks for other than True and False", "mask.dtype == bool", "mask.dtype.kind == 'b'")
right("masked", "hides the other way round", "where(mask, scores, -math.inf)", "where(~mask, -math.inf, scores)")


@right("masked", "decides at the end")
def masked_at_the_end(scores, mask):
    if mask is not None and mask.dtype != bool:
        scores = mask + scores
    elif mask is not None:
        scores = where(mask, scores, float("-inf"))
    return scores


@right("masked", "fills with masked_fill")
def masked_filled(scores, mask):
    if mask is None:
        return scores
    if mask.dtype == bool:
        return scores.masked_fill(~(mask.data if isinstance(mask, Tensor) else mask), -math.inf)
    return scores + mask


# -- attention_weights ------------------------------------------------------------------------------------------------

right(
    "attention_weights", "adds 1 where the sum is 0",
    "e / where(total.data == 0, 1.0, total)", "e / (total + (total.data == 0).astype(scores.dtype))",
)  # fmt: skip


@right("attention_weights", "takes softmax where there is something, and zeros elsewhere")
def weights_by_softmax(scores):
    empty = scores.data.max(axis=-1, keepdims=True) == -math.inf
    return where(empty, 0.0, where(empty, 0.0, scores).softmax(dim=-1))


@right("attention_weights", "bounds the largest from below")
def weights_bounded(scores):
    largest = np.maximum(amax(scores, dim=-1, keepdim=True).data, np.finfo(scores.dtype).min)
    e = exp(scores - largest)
    total = sum(e, dim=-1, keepdim=True)
    return e / where(total.data > 0, total, 1.0)


@right("attention_weights", "subtracts the logarithm of the sum")
def weights_by_logarithm(scores):
    empty = np.isneginf(scores.data).all(axis=-1, keepdims=True)
    safe = where(empty, 0.0, scores)
    m = safe.data.max(axis=-1, keepdims=True)
    log_total = sum(exp(safe - m), dim=-1, keepdim=True).log() + m
    return exp(safe - log_total) * (~empty).astype(scores.dtype)


# -- split_heads ------------------------------------------------------------------------------------------------------

right("split_heads", "compares with 0", "width % heads:", "width % heads != 0:")
right("split_heads", "counts the axes the other way", "-3, -2)", "-2, -3)")


@right("split_heads", "calls methods")
def heads_by_methods(x, heads):
    width = x.shape[-1]
    if width % heads:
        raise ValueError(f"width {width} and heads {heads} do not fit")
    return x.reshape(*x.shape[:-1], heads, width // heads).transpose(-2, -3)


@right("split_heads", "lets reshape find out, and permutes")
def heads_permuted(x, heads):
    n = x.ndim - 2
    try:
        x = x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads)
    except ValueError:
        raise ValueError("the heads must divide the numbers of each place") from None
    return x.permute(*range(n), n + 1, n, n + 2)


# -- join_heads -------------------------------------------------------------------------------------------------------

right("join_heads", "counts the axes the other way", "-3, -2)", "-2, -3)")
right("join_heads", "lets reshape work out the width", "heads * d", "-1")


@right("join_heads", "calls methods")
def joined_by_methods(x):
    turned = x.transpose(-3, -2)
    return turned.reshape(*turned.shape[:-2], turned.shape[-2] * turned.shape[-1])


@right("join_heads", "flattens the last two axes")
def joined_flat(x):
    return x.transpose(-3, -2).flatten(-2)


# -- online_softmax_step ----------------------------------------------------------------------------------------------

right(
    "online_softmax_step",
    "names the parts",
    "Running(largest, total, ",
    "Running(largest=largest, total=total, values=",
)


@right("online_softmax_step", "scales both parts to the larger of two")
def step_of_two(before, scores, values):
    mine = scores.max(axis=-1, keepdims=True)
    largest = np.where(before.largest > mine, before.largest, mine)
    old, e = np.exp(before.largest - largest), np.exp(scores - largest)
    return Running(
        largest, e.sum(axis=-1, keepdims=True) + old * before.total, np.matmul(e, values) + old * before.values
    )


@right("online_softmax_step", "makes the old sums one more score")
def step_one_more(before, scores, values):
    largest = np.concatenate([before.largest, scores], axis=-1).max(axis=-1, keepdims=True)
    old = np.exp(before.largest - largest)
    e = np.exp(scores - largest)
    return Running(largest, before.total * old + e.sum(-1, keepdims=True), before.values * old + e @ values)


@right("online_softmax_step", "goes from score to score")
def step_by_scores(before, scores, values):
    m, total, a = before
    for i in range(scores.shape[-1]):
        s, v = scores[..., i : i + 1], values[..., None, i, :]
        top = np.maximum(m, s)
        f, e = np.exp(m - top), np.exp(s - top)
        m, total, a = top, total * f + e, a * f + e * v
    return Running(m, total, a)


# -- blockwise_attention ----------------------------------------------------------------------------------------------

right("blockwise_attention", "begins with -1e30 where that is small enough", "least)", "max(least, -1e30))")
right(
    "blockwise_attention", "takes the total where there is one",
    "np.maximum(running.total, 1)", "np.where(running.total == 0, 1, running.total).astype(query.dtype)",
)  # fmt: skip


@right("blockwise_attention", "keeps the three parts itself")
def blocks_by_parts(query, key, value, *, is_causal=False, scale=None, block=128):
    check_attention(query, key, value, enable_gqa=False)
    scale = default_scale(query, scale)
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    z = np.zeros((*lead, query.shape[-2], value.shape[-1]), query.dtype)
    logsumexp = np.zeros((*lead, query.shape[-2], 1), query.dtype)
    for rows, some in tiles(query.shape[-2], key.shape[-2], block, is_causal):
        m = np.full(logsumexp[..., rows, :].shape, np.finfo(query.dtype).min, query.dtype)
        known = Running(m, np.zeros_like(m), np.zeros_like(z[..., rows, :]))
        for columns in some:
            scores = tile_scores(query, key, rows, columns, is_causal, scale)
            known = online_softmax_step(known, scores, value[..., columns, :])
        if some:
            z[..., rows, :] = known.values / known.total
            logsumexp[..., rows, :] = known.largest + np.log(known.total)
    return z, {"logsumexp": logsumexp}


@right("blockwise_attention", "goes through the keys from the last to the first")
def blocks_backwards(query, key, value, *, is_causal=False, scale=None, block=128):
    check_attention(query, key, value, enable_gqa=False)
    scale, least = default_scale(query, scale), np.finfo(query.dtype).min
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    z = np.empty((*lead, query.shape[-2], value.shape[-1]), query.dtype)
    log = np.empty((*lead, query.shape[-2], 1), query.dtype)
    for rows, some in tiles(query.shape[-2], key.shape[-2], block, is_causal):
        m = np.full_like(log[..., rows, :], least)
        running = Running(m, np.zeros_like(m), np.zeros_like(z[..., rows, :]))
        for columns in reversed(some):
            scores = tile_scores(query, key, rows, columns, is_causal, scale)
            running = online_softmax_step(running, scores, value[..., columns, :])
        total = np.where(running.total > 0, running.total, 1).astype(query.dtype)
        np.divide(running.values, total, out=z[..., rows, :])
        np.add(running.largest, np.log(total), out=log[..., rows, :])
    return z, {"logsumexp": log}


# -- accounting -------------------------------------------------------------------------------------------------------

right("attention_parameters", "adds up what it has", "2 * (768 * 768 + 768)", "(768 * 768 + 768) + 768 * 769")
right("attention_parameters", "works out the width of a head", "2 * (768 * 256 + 256)", "2 * 769 * (768 // 12 * 4)")
right("attention_parameters", "is the number", "return 2 * (768 * 768 + 768) + 2 * (768 * 256 + 256)", "return 1574912")

right("weight_bytes", "has powers", "256 * 256", "256**2")
right("weight_bytes", "is a float", "* 4", "* 4.0")
right("weight_bytes", "is the number", "2 * 6 * 256 * 256 * 4", "3145728")

right("cache_bytes", "counts keys, and twice that", "12 * 512 * 2 * (2 * 64) * 4", "2 * (12 * 512 * 2 * 64 * 4)")
right("cache_bytes", "is a float", "(2 * 64) * 4", "(2 * 64) * 4.0")
right("cache_bytes", "is the number", "12 * 512 * 2 * (2 * 64) * 4", "6291456")

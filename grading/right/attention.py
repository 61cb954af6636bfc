"""Right answers to chapter 12, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.attention import Running, check_attention, default_scale, online_softmax_step, tile_scores, tiles
from tinytorch.tensor import amax, broadcast_shape, exp, sum, where
from tito.rubrics.planted import right

# -- attention_scores -------------------------------------------------------------------------------------------------

right("attention_scores", "scales with an operator", "mul(matmul(q, transpose(k)), scale)", "q @ transpose(k) * scale")
right("attention_scores", "takes the power of a half", "1 / math.sqrt(q.shape[-1])", "k.shape[-1] ** -0.5")
right("attention_scores", "scales the queries first", "mul(matmul(q, transpose(k)), scale)", "matmul(q * scale, k.mT)")


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
        mask[t, : t + 1 + keys - queries] = True
    return mask


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


# -- split_heads ------------------------------------------------------------------------------------------------------

right("split_heads", "compares with 0", "if width % heads:", "if width % heads != 0:")
right("split_heads", "counts the axes the other way", "-3, -2)", "-2, -3)")


@right("split_heads", "calls methods")
def heads_by_methods(x, heads):
    width = x.shape[-1]
    if width % heads:
        raise ValueError(f"width {width} and heads {heads} do not fit")
    return x.reshape(*x.shape[:-1], heads, width // heads).transpose(-2, -3)


# -- join_heads -------------------------------------------------------------------------------------------------------

right("join_heads", "counts the axes the other way", "-3, -2)", "-2, -3)")
right("join_heads", "lets reshape work out the width", "heads * d", "-1")


@right("join_heads", "calls methods")
def joined_by_methods(x):
    turned = x.transpose(-3, -2)
    return turned.reshape(*turned.shape[:-2], turned.shape[-2] * turned.shape[-1])


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

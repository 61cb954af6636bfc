"""Wrong answers to chapter 12: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.attention import Running, check_attention, default_scale, tile_scores, tiles
from tinytorch.tensor import Tensor, amax, broadcast_shape, exp, reshape, sum, transpose, where
from tito.rubrics.planted import wrong

# -- attention_scores -------------------------------------------------------------------------------------------------

wrong("attention_scores", "forgets to scale", ", scale)", ", 1.0)")
wrong("attention_scores", "divides by d, not its root", "1 / math.sqrt(q.shape[-1])", "1 / q.shape[-1]")
wrong("attention_scores", "takes the root of T, not of d", "q.shape[-1]", "q.shape[-2]")
wrong("attention_scores", "ignores the scale that is given", " if scale is None else scale", "")
wrong("attention_scores", "gives each key a row", "matmul(q, transpose(k))", "matmul(k, transpose(q))")
wrong("attention_scores", "multiplies by the root", "1 / math.sqrt", "math.sqrt")


@wrong("attention_scores", "computes in NumPy, where nothing is recorded")
def scores_unrecorded(q, k, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return Tensor(q.data @ k.data.swapaxes(-1, -2) * q.dtype.type(scale)) + 0 * q.sum() + 0 * k.sum()


@wrong("attention_scores", "makes float64 of float32")
def scores_wide(q, k, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return q @ transpose(k) * np.full(1, scale)


# -- causal_mask ------------------------------------------------------------------------------------------------------

wrong("causal_mask", "hides a query's own key", "np.arange(keys) <=", "np.arange(keys) <")
wrong("causal_mask", "is True where a query may not look", "np.arange(keys) <=", "np.arange(keys) >")
wrong("causal_mask", "puts the first query beside the first key", " + keys - queries", "")
wrong("causal_mask", "is upside down", "np.arange(keys) <=", "np.arange(keys) >=")
wrong(
    "causal_mask", "is of numbers",
    "np.arange(keys) <=", "(np.arange(keys) <=", "keys - queries", "keys - queries).astype(np.float32)",
)  # fmt: skip


# -- masked -----------------------------------------------------------------------------------------------------------

wrong("masked", "hides what is True", "scores, -math.inf", "-math.inf, scores")
wrong("masked", "multiplies, so that hidden scores are 0", "where(mask, scores, -math.inf)", "scores * mask")
wrong("masked", "hides with a number that is not small enough", "-math.inf", "-9.0")
wrong("masked", "takes numbers for True and False", "mask.dtype == bool", "True", "where(mask,", "where(mask != 0,")
wrong("masked", "multiplies by a mask of numbers", "scores + mask", "scores * mask")
wrong("masked", "adds every mask", "where(mask, scores, -math.inf)", "scores + mask")


@wrong("masked", "needs a mask")
def masked_always(scores, mask):
    if mask.dtype == bool:
        return where(mask, scores, -math.inf)
    return scores + mask


# -- attention_weights ------------------------------------------------------------------------------------------------

wrong("attention_weights", "does not subtract the largest", "exp(scores - np", "exp(scores - 0 * np")
wrong("attention_weights", "divides by 0 where nothing may be seen", "total.data == 0", "total.data == -1")
wrong("attention_weights", "does not divide", "e / where", "e + 0 * where")
wrong("attention_weights", "makes float64 of float32", ".astype(scores.dtype)", ".astype(np.float64)")


@wrong("attention_weights", "is the plain softmax: nan where all is hidden")
def weights_nan(scores):
    e = exp(scores - amax(scores, dim=-1, keepdim=True).data)
    return e / sum(e, dim=-1, keepdim=True)


@wrong("attention_weights", "normalises the columns")
def weights_columns(scores):
    largest = amax(scores, dim=-2, keepdim=True).data
    e = exp(scores - np.where(largest == -math.inf, 0, largest).astype(scores.dtype))
    total = sum(e, dim=-2, keepdim=True)
    return e / where(total.data == 0, 1.0, total)


@wrong("attention_weights", "looks everywhere a little where nothing may be seen")
def weights_uniform(scores):
    largest = amax(scores, dim=-1, keepdim=True).data
    empty = largest == -math.inf
    shifted = where(empty, 0.0, scores)
    e = exp(shifted - amax(shifted, dim=-1, keepdim=True).data)
    return e / sum(e, dim=-1, keepdim=True)


# -- split_heads ------------------------------------------------------------------------------------------------------

wrong("split_heads", "raises another error", "raise ValueError", "raise TypeError")
wrong(
    "split_heads", "leaves places before heads",
    "transpose(reshape", "(reshape", "heads)), -3, -2)", "heads)))",
)  # fmt: skip


@wrong("split_heads", "reshapes at once, which tears places apart")
def heads_torn(x, heads):
    *lead, places, width = x.shape
    if width % heads:
        raise ValueError(f"{heads} heads do not divide {width} numbers")
    return reshape(x, shape=(*lead, heads, places, width // heads))


@wrong("split_heads", "deals the numbers out in turn")
def heads_in_turn(x, heads):
    *lead, places, width = x.shape
    if width % heads:
        raise ValueError(f"{heads} heads do not divide {width} numbers")
    return transpose(transpose(reshape(x, shape=(*lead, places, width // heads, heads))), -3, -2)


@wrong("split_heads", "drops the numbers that are left over")
def heads_unchecked(x, heads):
    *lead, places, width = x.shape
    d = width // heads
    return transpose(reshape(x[..., : heads * d], shape=(*lead, places, heads, d)), -3, -2)


# -- join_heads -------------------------------------------------------------------------------------------------------

wrong("join_heads", "reshapes at once", "transpose(x, -3, -2)", "x")
wrong("join_heads", "exchanges the wrong axes", "transpose(x, -3, -2)", "transpose(x, -2, -1)")
wrong(
    "join_heads", "puts the numbers of a head in turn with the others'",
    "transpose(x, -3, -2)", "transpose(transpose(x, -3, -2), -2, -1)",
)  # fmt: skip


# -- online_softmax_step ----------------------------------------------------------------------------------------------

wrong(
    "online_softmax_step", "adds without scaling what was before",
    "before.total * factor", "before.total", "before.values * factor", "before.values",
)  # fmt: skip
wrong(
    "online_softmax_step", "takes the new part's largest",
    "np.maximum(before.largest, scores.max(axis=-1, keepdims=True))", "scores.max(axis=-1, keepdims=True)",
)  # fmt: skip
wrong("online_softmax_step", "scales the wrong way round", "before.largest - largest", "largest - before.largest")
wrong("online_softmax_step", "scales the sum, and not the values", "before.values * factor", "before.values")
wrong(
    "online_softmax_step", "keeps the mean where the sum is wanted",
    "before.values * factor + e @ values", "(before.values * factor + e @ values) / total",
)  # fmt: skip
wrong("online_softmax_step", "never subtracts the largest", "exp(scores - largest)", "exp(scores)")
wrong(
    "online_softmax_step", "forgets what was before",
    "before.total * factor + ", "", "before.values * factor + ", "",
)  # fmt: skip


@wrong("online_softmax_step", "takes one largest for all queries")
def step_one_for_all(before, scores, values):
    largest = np.maximum(before.largest.max(), scores.max()) + 0 * before.largest
    factor, e = np.exp(before.largest - largest), np.exp(scores - largest)
    total = before.total * factor + e.sum(axis=-1, keepdims=True)
    return Running(largest, total, before.values * factor + e @ values)


# -- blockwise_attention ----------------------------------------------------------------------------------------------

wrong("blockwise_attention", "does not divide by the total", " / total", "")
wrong("blockwise_attention", "keeps the largest alone for the way back", " + np.log(total)", "")
wrong("blockwise_attention", "is nan without a key", "np.maximum(running.total, 1)", "running.total")
wrong("blockwise_attention", "takes the values of the queries' block", "value[..., columns, :]", "value[..., rows, :]")
wrong("blockwise_attention", "does not hide what is later", "columns, is_causal, scale)", "columns, False, scale)")
wrong(
    "blockwise_attention",
    "takes the axes in front from the queries alone",
    "key.shape[:-2], value.shape[:-2]",
    "(), ()",
)
wrong("blockwise_attention", "begins with a largest of 0", "np.full_like(of, least)", "np.zeros_like(of)")


@wrong("blockwise_attention", "takes each block's softmax alone, and their sum")
def blocks_alone(query, key, value, *, is_causal=False, scale=None, block=128):
    check_attention(query, key, value, enable_gqa=False)
    scale = default_scale(query, scale)
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    z = np.zeros((*lead, query.shape[-2], value.shape[-1]), query.dtype)
    logsumexp = np.zeros((*lead, query.shape[-2], 1), query.dtype)
    for rows, some in tiles(query.shape[-2], key.shape[-2], block, is_causal):
        for columns in some:
            e = np.exp(tile_scores(query, key, rows, columns, is_causal, scale))
            z[..., rows, :] += e / e.sum(axis=-1, keepdims=True) @ value[..., columns, :]
            logsumexp[..., rows, :] += np.log(e.sum(axis=-1, keepdims=True))
    return z, {"logsumexp": logsumexp}


@wrong("blockwise_attention", "computes all scores at once")
def blocks_at_once(query, key, value, *, is_causal=False, scale=None, block=128):
    queries, keys = query.shape[-2], key.shape[-2]
    scale = default_scale(query, scale)
    scores = tile_scores(query, key, slice(0, queries), slice(0, keys), is_causal, scale)
    least = np.finfo(query.dtype).min
    largest = scores.max(axis=-1, keepdims=True, initial=least)
    e = np.exp(scores - largest)
    total = np.maximum(e.sum(axis=-1, keepdims=True), 1)
    return e @ value / total, {"logsumexp": largest + np.log(total)}


# -- attention_parameters ---------------------------------------------------------------------------------------------

wrong("attention_parameters", "forgets the biases", " + 768", "", " + 256", "")
wrong("attention_parameters", "gives keys and values all heads", "(768 * 256 + 256)", "(768 * 768 + 768)")
wrong("attention_parameters", "forgets what comes out", "2 * (768 * 768 + 768)", "768 * 768 + 768")

# -- weight_bytes -----------------------------------------------------------------------------------------------------

wrong("weight_bytes", "counts weights, not bytes", " * 4", "")
wrong("weight_bytes", "counts the result", "256 * 256", "256 * 64")
wrong("weight_bytes", "forgets the heads", "2 * 6", "2")

# -- cache_bytes ------------------------------------------------------------------------------------------------------

wrong("cache_bytes", "forgets that there are values, too", "512 * 2", "512")
wrong("cache_bytes", "keeps a key for each head of queries", "(2 * 64)", "(8 * 64)")
wrong("cache_bytes", "counts one layer", "12 * 512", "512")
wrong("cache_bytes", "counts numbers, not bytes", " * 4", "")

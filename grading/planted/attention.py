"""Wrong answers to chapter 12: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.attention import Running, check_attention, default_scale, online_softmax_step, tile_scores, tiles
from tinytorch.tensor import Tensor, amax, broadcast_shape, exp, matmul, mul, reshape, sum, transpose, where
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


wrong(
    "attention_scores", "takes a scale of 0 for none",
    "1 / math.sqrt(q.shape[-1]) if scale is None else scale", "scale or 1 / math.sqrt(q.shape[-1])",
)  # fmt: skip
wrong(
    "attention_scores", "takes a scale that is not above 0 for none",
    "if scale is None", "if scale is None or scale <= 0",
)  # fmt: skip
wrong("attention_scores", "rounds the root down", "1 / math.sqrt(q.shape[-1])", "1 / int(math.sqrt(q.shape[-1]))")
wrong("attention_scores", "hands the keys no gradient", "transpose(k)", "transpose(k.detach()) + 0 * transpose(k)")


@wrong("attention_scores", "scales numbers that the tape has seen: the gradient lacks the scale")
def scores_scaled_unseen(q, k, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    z = matmul(q, transpose(k))
    return z + (z.detach() * scale - z.detach())


@wrong("attention_scores", "gives the keys the axes of the queries")
def scores_of_equal_axes(q, k, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    lead, n = q.shape[:-2], math.prod(q.shape[:-2])
    q, k = (reshape(x, shape=(n, *x.shape[-2:])) for x in (q, k))
    z = mul(matmul(q, transpose(k)), scale)
    return reshape(z, shape=(*lead, *z.shape[-2:]))


@wrong("attention_scores", "knows no more than four axes")
def scores_of_four_axes(q, k, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    axes = {2: (1, 0), 3: (0, 2, 1), 4: (0, 1, 3, 2)}[k.ndim]
    return mul(matmul(q, k.permute(*axes)), scale)


@wrong("attention_scores", "computes in float32 whatever comes")
def scores_narrow(q, k, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return (q.to(np.float32) @ transpose(k.to(np.float32)) * scale).to(q.dtype)


# -- causal_mask ------------------------------------------------------------------------------------------------------

wrong("causal_mask", "hides a query's own key", "np.arange(keys) <=", "np.arange(keys) <")
wrong("causal_mask", "is True where a query may not look", "np.arange(keys) <=", "np.arange(keys) >")
wrong("causal_mask", "puts the first query beside the first key", " + keys - queries", "")
wrong("causal_mask", "is upside down", "np.arange(keys) <=", "np.arange(keys) >=")
wrong(
    "causal_mask", "is of numbers",
    "np.arange(keys) <=", "(np.arange(keys) <=", "keys - queries", "keys - queries).astype(np.float32)",
)  # fmt: skip


wrong(
    "causal_mask", "lets the first ones stand together where keys are few",
    "+ keys - queries", "+ max(0, keys - queries)",
)  # fmt: skip
wrong("causal_mask", "takes 0 keys for none given", "queries if keys is None else keys", "keys or queries")
wrong(
    "causal_mask", "counts places in bytes",
    "np.arange(keys) <= np.arange(queries)[:, None] + keys - queries",
    "np.arange(keys).astype(np.int8) <= (np.arange(queries)[:, None] + keys - queries).astype(np.int8)",
)  # fmt: skip


@wrong("causal_mask", "cuts rows at a place below 0, which counts from the end")
def mask_wraps(queries, keys=None):
    keys = queries if keys is None else keys
    mask = np.zeros((queries, keys), dtype=bool)
    for t in range(queries):
        mask[t, : t + 1 + keys - queries] = True
    return mask


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


wrong(
    "masked", "takes whole numbers for True and False",
    "mask.dtype == bool", "mask.dtype.kind != 'f'",
    "where(mask,", "where(mask != 0,",
)  # fmt: skip
wrong("masked", "adds numbers to what has no gradient", "scores + mask", "scores.detach() + mask + 0 * scores")


@wrong("masked", "takes numbers of 0 and 1 for True and False")
def masked_by_ones(scores, mask):
    if mask is None:
        return scores
    data = mask.data if isinstance(mask, Tensor) else mask
    if mask.dtype == bool or np.isin(data, [0, 1]).all():
        return where(data.astype(bool), scores, -math.inf)
    return scores + mask


@wrong("masked", "takes the numbers out of a mask that learns")
def masked_by_data(scores, mask):
    if mask is None:
        return scores
    data = mask.data if isinstance(mask, Tensor) else np.asarray(mask)
    return where(data, scores, -math.inf) if data.dtype == bool else scores + data


@wrong("masked", "needs a mask of the last axes, in full")
def masked_in_full(scores, mask):
    if mask is None:
        return scores
    mask = mask.data if isinstance(mask, Tensor) else mask
    if mask.dtype == bool:
        hidden = np.zeros(scores.shape, bool)
        hidden[..., ~mask] = True
        return where(hidden, -math.inf, scores)
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


@wrong("attention_weights", "subtracts the largest in place")
def weights_in_place(scores):
    largest = scores.data.max(axis=-1, keepdims=True)
    scores.data[...] -= np.where(largest == -math.inf, 0, largest)
    e = exp(scores)
    total = sum(e, dim=-1, keepdim=True)
    return e / where(total.data == 0, 1.0, total)


@wrong("attention_weights", "takes very low scores for -inf")
def weights_of_low_scores(scores):
    low = scores.data.max(axis=-1, keepdims=True) <= -1e9
    return where(low, 0.0, where(low, 0.0, scores).softmax(dim=-1))


@wrong("attention_weights", "takes a row with nan for an empty one")
def weights_hide_nan(scores):
    seen = np.isfinite(scores.data.max(axis=-1, keepdims=True))
    return where(seen, where(seen, scores, 0.0).softmax(dim=-1), 0.0)


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


wrong("split_heads", "copies", "-3, -2)", "-3, -2).contiguous()")


@wrong("split_heads", "works in NumPy, where nothing is recorded")
def heads_unrecorded(x, heads):
    if x.shape[-1] % heads:
        raise ValueError(f"{heads} heads do not divide {x.shape[-1]} numbers")
    return Tensor(np.stack(np.split(x.data, heads, axis=-1), axis=-3))


@wrong("split_heads", "refuses more heads than numbers, and drops what is left over")
def heads_of_most(x, heads):
    *lead, places, width = x.shape
    if heads > width:
        raise ValueError(f"{heads} heads do not divide {width} numbers")
    d = width // heads
    return transpose(reshape(x[..., : heads * d], shape=(*lead, places, heads, d)), -3, -2)


# -- join_heads -------------------------------------------------------------------------------------------------------

wrong("join_heads", "reshapes at once", "transpose(x, -3, -2)", "x")
wrong("join_heads", "exchanges the wrong axes", "transpose(x, -3, -2)", "transpose(x, -2, -1)")
wrong(
    "join_heads", "puts the numbers of a head in turn with the others'",
    "transpose(x, -3, -2)", "transpose(transpose(x, -3, -2), -2, -1)",
)  # fmt: skip


wrong("join_heads", "hands no gradient back", "transpose(x, -3, -2)", "transpose(x.detach(), -3, -2)")


@wrong("join_heads", "works in NumPy, where nothing is recorded")
def joined_unrecorded(x):
    return Tensor(np.concatenate([x.data[..., h, :, :] for h in range(x.shape[-3])], axis=-1))


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


wrong(
    "online_softmax_step", "never quite forgets what is far below",
    "np.exp(before.largest - largest)", "np.exp(np.maximum(before.largest - largest, -20))",
)  # fmt: skip
wrong(
    "online_softmax_step", "forgets what all have seen where one query has seen nothing",
    "total = before.total * factor", "factor = factor * (before.total > 0).all()\ntotal = before.total * factor",
)  # fmt: skip
wrong(
    "online_softmax_step", "computes in float32",
    "np.exp(scores - largest)", "np.exp((scores - largest).astype(np.float32)).astype(scores.dtype)",
)  # fmt: skip
wrong(
    "online_softmax_step", "has seen one score at least",
    "before.total * factor + e.sum(axis=-1, keepdims=True)",
    "np.maximum(before.total * factor + e.sum(axis=-1, keepdims=True), 1)",
)  # fmt: skip


@wrong("online_softmax_step", "leaves out a part in which anything is hidden")
def step_all_or_nothing(before, scores, values):
    if np.isneginf(scores).any():
        return before
    largest = np.maximum(before.largest, scores.max(axis=-1, keepdims=True))
    factor, e = np.exp(before.largest - largest), np.exp(scores - largest)
    total = before.total * factor + e.sum(axis=-1, keepdims=True)
    return Running(largest, total, before.values * factor + e @ values)


@wrong("online_softmax_step", "takes the part's own largest: nan for a query to which it is hidden")
def step_of_its_own(before, scores, values):
    mine = scores.max(axis=-1, keepdims=True)
    if np.isneginf(scores).all():
        return before
    e, largest = np.exp(scores - mine), np.maximum(before.largest, mine)
    old, new = np.exp(before.largest - largest), np.exp(mine - largest)
    total = before.total * old + e.sum(axis=-1, keepdims=True) * new
    return Running(largest, total, before.values * old + e @ values * new)


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


wrong(
    "blockwise_attention", "takes a scale of 0 for none",
    "default_scale(query, scale)", "default_scale(query, scale or None)",
)  # fmt: skip
wrong("blockwise_attention", "takes blocks of 32, whatever is asked", "key.shape[-2], block,", "key.shape[-2], 32,")
wrong(
    "blockwise_attention", "names no shapes",
    "check_attention(query, key, value, enable_gqa=False)",
    "if key.shape[-2] != value.shape[-2]:\n    raise ValueError('keys and values do not fit')",
)  # fmt: skip
wrong(
    "blockwise_attention", "keeps float64 for the way back",
    "np.empty((*lead, query.shape[-2], 1), query.dtype)", "np.empty((*lead, query.shape[-2], 1))",
)  # fmt: skip


@wrong("blockwise_attention", "takes queries in blocks, and all keys at once")
def blocks_of_queries(query, key, value, *, is_causal=False, scale=None, block=128):
    check_attention(query, key, value, enable_gqa=False)
    scale, least = default_scale(query, scale), np.finfo(query.dtype).min
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    z = np.empty((*lead, query.shape[-2], value.shape[-1]), query.dtype)
    logsumexp = np.empty((*lead, query.shape[-2], 1), query.dtype)
    for rows, _ in tiles(query.shape[-2], key.shape[-2], block, is_causal):
        scores = tile_scores(query, key, rows, slice(0, key.shape[-2]), is_causal, scale)
        largest = scores.max(axis=-1, keepdims=True, initial=least)
        e = np.exp(scores - largest)
        total = np.maximum(e.sum(axis=-1, keepdims=True), 1)
        z[..., rows, :] = e @ value / total
        logsumexp[..., rows, :] = largest + np.log(total)
    return z, {"logsumexp": logsumexp}


@wrong("blockwise_attention", "takes keys in blocks, and all queries at once")
def blocks_of_keys(query, key, value, *, is_causal=False, scale=None, block=128):
    check_attention(query, key, value, enable_gqa=False)
    scale, least = default_scale(query, scale), np.finfo(query.dtype).min
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    queries, keys = query.shape[-2], key.shape[-2]
    m = np.full((*lead, queries, 1), least, query.dtype)
    running = Running(m, np.zeros_like(m), np.zeros((*lead, queries, value.shape[-1]), query.dtype))
    for first in range(0, keys, block):
        columns = slice(first, min(first + block, keys))
        scores = tile_scores(query, key, slice(0, queries), columns, is_causal, scale)
        running = online_softmax_step(running, scores, value[..., columns, :])
    total = np.maximum(running.total, 1)
    return running.values / total, {"logsumexp": running.largest + np.log(total)}


@wrong("blockwise_attention", "puts the last query beside the last key")
def blocks_of_last(query, key, value, *, is_causal=False, scale=None, block=128):
    check_attention(query, key, value, enable_gqa=False)
    scale, least = default_scale(query, scale), np.finfo(query.dtype).min
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    queries, keys = query.shape[-2], key.shape[-2]
    z, logsumexp = np.empty((*lead, queries, value.shape[-1]), query.dtype), np.empty((*lead, queries, 1), query.dtype)
    for rows, some in tiles(queries, keys, block, False):
        of = logsumexp[..., rows, :]
        running = Running(np.full_like(of, least), np.zeros_like(of), np.zeros_like(z[..., rows, :]))
        for columns in some:
            scores = tile_scores(query, key, rows, columns, False, scale)
            if is_causal:
                scores[..., np.arange(keys)[columns] > np.arange(queries)[rows, None] + keys - queries] = -math.inf
            running = online_softmax_step(running, scores, value[..., columns, :])
        total = np.maximum(running.total, 1)
        z[..., rows, :] = running.values / total
        logsumexp[..., rows, :] = running.largest + np.log(total)
    return z, {"logsumexp": logsumexp}


@wrong("blockwise_attention", "has nothing to join where there is no query")
def blocks_in_lists(query, key, value, *, is_causal=False, scale=None, block=128):
    check_attention(query, key, value, enable_gqa=False)
    scale, least = default_scale(query, scale), np.finfo(query.dtype).min
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    means, logs = [], []
    for rows, some in tiles(query.shape[-2], key.shape[-2], block, is_causal):
        m = np.full((*lead, rows.stop - rows.start, 1), least, query.dtype)
        running = Running(m, np.zeros_like(m), np.zeros((*m.shape[:-1], value.shape[-1]), query.dtype))
        for columns in some:
            scores = tile_scores(query, key, rows, columns, is_causal, scale)
            running = online_softmax_step(running, scores, value[..., columns, :])
        total = np.maximum(running.total, 1)
        means.append(running.values / total)
        logs.append(running.largest + np.log(total))
    return np.concatenate(means, axis=-2), {"logsumexp": np.concatenate(logs, axis=-2)}


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

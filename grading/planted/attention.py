"""Wrong answers to chapter 12: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.activations import softmax
from tinytorch.attention import Running
from tinytorch.tensor import Tensor, amax, exp, matmul, mul, reshape, sum, transpose, where
from tito.rubrics.planted import wrong

# -- attention_scores -------------------------------------------------------------------------------------------------


@wrong("attention_scores", "forgets to scale")
def scores_unscaled(q, k, scale=None):
    return matmul(q, transpose(k))


@wrong("attention_scores", "divides by d, not its root")
def scores_by_d(q, k, scale=None):
    scale = 1 / q.shape[-1] if scale is None else scale
    return mul(matmul(q, transpose(k)), scale)


@wrong("attention_scores", "ignores the scale that is given")
def scores_own_scale(q, k, scale=None):
    return mul(matmul(q, transpose(k)), 1 / math.sqrt(q.shape[-1]))


@wrong("attention_scores", "gives each key a row")
def scores_turned(q, k, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return mul(matmul(k, transpose(q)), scale)


@wrong("attention_scores", "computes in NumPy, where nothing is recorded")
def scores_unrecorded(q, k, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return Tensor(q.data @ k.data.swapaxes(-1, -2) * q.dtype.type(scale)) + 0 * q.sum() + 0 * k.sum()


# -- causal_mask ------------------------------------------------------------------------------------------------------


@wrong("causal_mask", "hides a query's own key")
def mask_strict(queries, keys=None):
    keys = queries if keys is None else keys
    return np.arange(keys) < np.arange(queries)[:, None] + keys - queries


@wrong("causal_mask", "is True where a query may not look")
def mask_inverted(queries, keys=None):
    keys = queries if keys is None else keys
    return np.arange(keys) > np.arange(queries)[:, None] + keys - queries


@wrong("causal_mask", "puts the first query beside the first key")
def mask_at_the_start(queries, keys=None):
    keys = queries if keys is None else keys
    return np.tri(queries, keys, dtype=bool)


@wrong("causal_mask", "is of numbers")
def mask_of_numbers(queries, keys=None):
    keys = queries if keys is None else keys
    return (np.arange(keys) <= np.arange(queries)[:, None] + keys - queries).astype(np.float32)


# -- masked -----------------------------------------------------------------------------------------------------------


@wrong("masked", "hides what is True")
def masked_inverted(scores, mask):
    if mask is None:
        return scores
    if mask.dtype == bool:
        return where(mask, -math.inf, scores)
    return scores + mask


@wrong("masked", "multiplies, so that hidden scores are 0")
def masked_product(scores, mask):
    if mask is None:
        return scores
    if mask.dtype == bool:
        return scores * mask
    return scores + mask


@wrong("masked", "takes numbers for True and False")
def masked_truth(scores, mask):
    if mask is None:
        return scores
    return where(mask != 0, scores, -math.inf)


@wrong("masked", "needs a mask")
def masked_always(scores, mask):
    if mask.dtype == bool:
        return where(mask, scores, -math.inf)
    return scores + mask


@wrong("masked", "adds every mask")
def masked_added(scores, mask):
    return scores if mask is None else scores + mask


# -- attention_weights ------------------------------------------------------------------------------------------------


@wrong("attention_weights", "is the plain softmax: nan where all is hidden")
def weights_nan(scores):
    return softmax(scores)


@wrong("attention_weights", "does not subtract the largest")
def weights_unshifted(scores):
    e = exp(scores)
    total = sum(e, dim=-1, keepdim=True)
    return e / where(total.data == 0, 1.0, total)


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
    return softmax(where(empty, 0.0, scores))


@wrong("attention_weights", "divides by 0 where nothing may be seen")
def weights_zero_over_zero(scores):
    largest = amax(scores, dim=-1, keepdim=True).data
    e = exp(scores - np.where(largest == -math.inf, 0, largest).astype(scores.dtype))
    return e / sum(e, dim=-1, keepdim=True)


# -- split_heads ------------------------------------------------------------------------------------------------------


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


@wrong("split_heads", "leaves places before heads")
def heads_after(x, heads):
    *lead, places, width = x.shape
    if width % heads:
        raise ValueError(f"{heads} heads do not divide {width} numbers")
    return reshape(x, shape=(*lead, places, heads, width // heads))


@wrong("split_heads", "lets reshape complain, in its own words")
def heads_unchecked(x, heads):
    *lead, places, width = x.shape
    d = width // heads
    return transpose(reshape(x[..., : heads * d], shape=(*lead, places, heads, d)), -3, -2)


# -- join_heads -------------------------------------------------------------------------------------------------------


@wrong("join_heads", "reshapes at once")
def joined_torn(x):
    *lead, heads, places, d = x.shape
    return reshape(x, shape=(*lead, places, heads * d))


@wrong("join_heads", "exchanges the wrong axes")
def joined_turned(x):
    *lead, heads, places, d = x.shape
    return reshape(transpose(x, -2, -1), shape=(*lead, places, heads * d))


@wrong("join_heads", "puts the numbers of a head in turn with the others'")
def joined_in_turn(x):
    *lead, heads, places, d = x.shape
    return reshape(transpose(transpose(x, -3, -2), -2, -1), shape=(*lead, places, heads * d))


# -- online_softmax_step ----------------------------------------------------------------------------------------------


@wrong("online_softmax_step", "adds without scaling what was before")
def step_unscaled(before, scores, values):
    largest = np.maximum(before.largest, scores.max(axis=-1, keepdims=True))
    e = np.exp(scores - largest)
    total = before.total + e.sum(axis=-1, keepdims=True)
    return Running(largest, total, before.values + e @ values)


@wrong("online_softmax_step", "takes the new part's largest")
def step_forgets(before, scores, values):
    largest = scores.max(axis=-1, keepdims=True)
    factor, e = np.exp(before.largest - largest), np.exp(scores - largest)
    total = before.total * factor + e.sum(axis=-1, keepdims=True)
    return Running(largest, total, before.values * factor + e @ values)


@wrong("online_softmax_step", "scales the wrong way round")
def step_inverted(before, scores, values):
    largest = np.maximum(before.largest, scores.max(axis=-1, keepdims=True))
    factor, e = np.exp(largest - before.largest), np.exp(scores - largest)
    total = before.total * factor + e.sum(axis=-1, keepdims=True)
    return Running(largest, total, before.values * factor + e @ values)


@wrong("online_softmax_step", "scales the sum, and not the values")
def step_half(before, scores, values):
    largest = np.maximum(before.largest, scores.max(axis=-1, keepdims=True))
    factor, e = np.exp(before.largest - largest), np.exp(scores - largest)
    total = before.total * factor + e.sum(axis=-1, keepdims=True)
    return Running(largest, total, before.values + e @ values)


@wrong("online_softmax_step", "keeps the mean where the sum is wanted")
def step_divided(before, scores, values):
    largest = np.maximum(before.largest, scores.max(axis=-1, keepdims=True))
    factor, e = np.exp(before.largest - largest), np.exp(scores - largest)
    total = before.total * factor + e.sum(axis=-1, keepdims=True)
    return Running(largest, total, (before.values * factor + e @ values) / total)

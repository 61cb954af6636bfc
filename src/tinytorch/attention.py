"""Attention: each place's result is a mean over all places, weighted by how well its query fits their keys.

Notation: T queries q (..., T, d) meet S keys k (..., S, d) and take their values v (..., S, c); scores and weights are
(..., T, S), a row for each query. x (B, T, C) is a batch of sequences, cut into heads of d = C / heads numbers each:
(B, heads, T, d). A mask is True where a query may look, or is added to the scores. g = dL/dz.
"""

import builtins
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from tinytorch.environment import generator
from tinytorch.layers import Linear, Module, dropout
from tinytorch.tensor import (
    Tensor,
    amax,
    broadcast_shape,
    exp,
    is_grad_enabled,
    matmul,
    mul,
    observers,
    primitive,
    reshape,
    sum,
    transpose,
    where,
)

# -- the textbook's attention --------------------------------------------------------------------------------------


def attention_scores(q: Tensor, k: Tensor, scale: float | None = None) -> Tensor:
    """z = scale * q k^T: how well each query fits each key, (..., T, d) and (..., S, d) -> (..., T, S).

    Without a scale it is 1 / sqrt(d): a sum of d products of numbers with variance 1 has variance d, and the scores
    should have 1. Vaswani et al., 2017.

    >>> attention_scores(Tensor([[1, 1, 1, 1]]), Tensor([[1, 0, 0, 1], [2, 2, 2, 2]]))
    tensor([[1., 4.]])
    """
    # transpose(k) exchanges the last two axes. Compose it of tensors' functions, and it has its gradient: matmul, mul.
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return mul(matmul(q, transpose(k)), scale)


def causal_mask(queries: int, keys: int | None = None) -> np.ndarray:
    """True where key s is not later than query t: (T, S). The last query stands beside the last key.

    >>> causal_mask(3).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    >>> causal_mask(2, 4).astype(int).tolist()
    [[1, 1, 1, 0], [1, 1, 1, 1]]
    """
    # Query t stands at place t + S - T among the keys. np.arange(T)[:, None] is a column: compared with a row of
    # the keys' places, it makes a table.
    keys = queries if keys is None else keys
    return np.arange(keys) <= np.arange(queries)[:, None] + keys - queries


def padding_mask(lengths: Any, size: int) -> np.ndarray:
    """True at the first `length` places of each sequence: (B,) -> (B, 1, 1, size), for all heads and queries.

    >>> padding_mask([1, 3], 3)[:, 0, 0].astype(int).tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    return (np.arange(size) < np.asarray(lengths)[:, None])[:, None, None, :]


def masked(scores: Tensor, mask: Any) -> Tensor:
    """The scores, with -inf where a mask of True and False says no; a mask of numbers is added. None changes nothing.

    >>> masked(Tensor([[1, 2], [3, 4]]), causal_mask(2))
    tensor([[  1., -inf],
            [  3.,   4.]])
    """
    # where(condition, x, y) chooses element by element. A mask's dtype, mask.dtype, tells which kind it is.
    if mask is None:
        return scores
    if mask.dtype == bool:
        return where(mask, scores, -math.inf)
    return scores + mask


def attention_weights(scores: Tensor) -> Tensor:
    """e^score over the sum of its row: positive, summing to 1; a row that is -inf throughout gets zeros.

    >>> attention_weights(Tensor([[1000, 1000, -math.inf], [-math.inf, -math.inf, -math.inf]]))
    tensor([[0.5, 0.5, 0. ],
            [0. , 0. , 0. ]])
    """
    # Subtract the row's largest before e^, as softmax does. If that is -inf, -inf - -inf would be nan: subtract 0
    # there instead, and divide by 1.
    largest = amax(scores, dim=-1, keepdim=True).data
    e = exp(scores - np.where(largest == -math.inf, 0, largest).astype(scores.dtype))
    total = sum(e, dim=-1, keepdim=True)
    return e / where(total.data == 0, 1.0, total)


def textbook_attention(q: Tensor, k: Tensor, v: Tensor, mask: Any = None, scale: float | None = None) -> Tensor:
    """z = softmax(q k^T / sqrt(d) + mask) v, step by step: (..., T, d), (..., S, d), (..., S, c) -> (..., T, c).

    >>> textbook_attention(Tensor([[10, 0]]), Tensor([[10, 0], [0, 10]]), Tensor([[1, 2], [3, 4]]))
    tensor([[1., 2.]])
    """
    return matmul(attention_weights(masked(attention_scores(q, k, scale), mask)), v)


# -- heads ---------------------------------------------------------------------------------------------------------


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, heads d) -> (B, heads, T, d): the numbers of each place, dealt out among the heads. A view.

    Raises ValueError unless heads divide the numbers.

    >>> split_heads(Tensor([[[1, 2, 3, 4], [5, 6, 7, 8]]]), heads=2).tolist()
    [[[[1.0, 2.0], [5.0, 6.0]], [[3.0, 4.0], [7.0, 8.0]]]]
    """
    # First give the heads an axis of their own, where they stand; then exchange it with T.
    *lead, places, width = x.shape
    if not heads or width % heads:
        raise ValueError(f"{heads} heads do not divide {width} numbers")
    return transpose(reshape(x, shape=(*lead, places, heads, width // heads)), -3, -2)


def join_heads(x: Tensor) -> Tensor:
    """(B, heads, T, d) -> (B, T, heads d): what split_heads did, undone.

    >>> x = Tensor([[[1, 2, 3, 4], [5, 6, 7, 8]]])
    >>> join_heads(split_heads(x, heads=2)).tolist() == x.tolist()
    True
    """
    # The same two operations, the other way round.
    *lead, heads, places, d = x.shape
    return reshape(transpose(x, -3, -2), shape=(*lead, places, heads * d))


def repeat_heads(x: Tensor, groups: int) -> Tensor:
    """(B, K, S, d) -> (B, K groups, S, d): each head of keys or values serves `groups` heads of queries.

    Ainslie et al., 2023.

    >>> repeat_heads(Tensor([[[[1]], [[2]]]]), 2).flatten().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    *lead, heads, places, d = x.shape
    return x.unsqueeze(-3).expand(*lead, heads, groups, places, d).reshape(*lead, heads * groups, places, d)


# -- one primitive -------------------------------------------------------------------------------------------------

# Inside, a query is a column: scores are (S, T). NumPy finds the largest of each column, subtracts it and sums the
# columns several times as fast as it would do so for rows. Heads that share their keys have an axis of their own:
# q is (B, K, G, T, d) there, k (B, K, 1, S, d) and v (B, K, 1, S, c). All of them are views.

BLOCK = 2**20  # bytes of scores at a time: they should still be in the cache when the next operation reads them


def check_attention(query: np.ndarray, key: np.ndarray, value: np.ndarray, enable_gqa: bool) -> None:
    """Raise ValueError, naming the shapes, for queries, keys and values that do not fit one another."""
    shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
    if min(query.ndim, key.ndim, value.ndim) < 2 or query.shape[-1] != key.shape[-1]:
        raise ValueError(f"attention needs query (..., T, d), key (..., S, d) and value (..., S, c), got {shapes}")
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"attention needs a value for each key, got {shapes}")
    if not enable_gqa:
        return
    if min(query.ndim, key.ndim, value.ndim) < 3 or query.shape[-3] % key.shape[-3] or key.shape[-3] != value.shape[-3]:
        raise ValueError(f"heads of keys and values must divide the heads of queries, got {shapes}")


class Grouped(NamedTuple):
    """Queries, keys and values as the kernel works on them, and the axes that stand before (T, c) in what it makes."""

    q: np.ndarray  # (B, K, G, T, d)
    k: np.ndarray  # (B, K, 1, S, d)
    v: np.ndarray  # (B, K, 1, S, c)
    lead: tuple[int, ...]


def grouped(query: np.ndarray, key: np.ndarray, value: np.ndarray, enable_gqa: bool) -> Grouped:
    """Views of query, key and value (..., heads, places, numbers), where those who share keys stand side by side.

    >>> q, k = np.zeros((2, 6, 5, 4)), np.zeros((2, 3, 7, 4))
    >>> [x.shape for x in grouped(q, k, k, enable_gqa=True)[:3]]
    [(2, 3, 2, 5, 4), (2, 3, 1, 7, 4), (2, 3, 1, 7, 4)]
    """
    check_attention(query, key, value, enable_gqa)
    without_heads = max(query.ndim, key.ndim, value.ndim) == 2
    query, key, value = (x if x.ndim > 2 else x[None] for x in (query, key, value))
    groups = query.shape[-3] // key.shape[-3] if enable_gqa else 1
    *outer, heads, places, d = query.shape
    parts = [query.reshape(*outer, heads // groups, groups, places, d), key[..., None, :, :], value[..., None, :, :]]
    outer = list(parts[0].shape[:-3])
    if not parts[0].shape[:-3] == parts[1].shape[:-3] == parts[2].shape[:-3]:
        outer = list(broadcast_shape(*(x.shape[:-3] for x in parts)))
        parts = [np.broadcast_to(x, (*outer, *x.shape[-3:])) for x in parts]
    q, k, v = [x.reshape(math.prod(outer[:-1]), outer[-1], *x.shape[-3:]) for x in parts]
    return Grouped(q, k, v, () if without_heads else (*outer[:-1], outer[-1] * groups))


def columns_mask(mask: Any, is_causal: bool, of: Grouped) -> np.ndarray | None:
    """What is added to scores (B, K, G, S, T): 0 or -inf, or a mask's own numbers; None if there is no mask.

    Raises TypeError for a mask that is neither of True and False nor of floats, ValueError for one beside is_causal.
    """
    if mask is None:
        return None
    if is_causal:
        raise ValueError("attention takes a mask or is_causal, not both: put the causal_mask into the mask")
    if mask.dtype.kind not in "bf":
        raise TypeError(f"a mask is of True and False, or of floats to add to the scores; got {mask.dtype}")
    if mask.dtype == bool:
        mask = np.where(mask, 0, -math.inf)
    queries, keys = of.q.shape[-2], of.k.shape[-2]
    broadcast_shape(mask.shape, (*of.lead, queries, keys))  # or an error that names both shapes
    turned = np.ascontiguousarray(np.broadcast_to(mask, (*mask.shape[:-2], queries, keys)).mT, of.q.dtype)
    return np.broadcast_to(turned, (*of.lead, keys, queries)).reshape(*of.q.shape[:3], keys, queries)


Index = tuple[slice, slice, slice, slice]


def bands(of: Grouped, is_causal: bool) -> Iterator[tuple[Index, Index]]:
    """Which queries, and which keys, to work on at a time: samples and heads whose scores fit into the cache.

    If causal, a band of queries sees no key beyond its last query: of many bands, half of the work is left out.
    """
    batch, heads, groups, queries, _ = of.q.shape
    keys, all_groups = of.k.shape[-2], slice(None)
    width = math.ceil(queries / max(1, min(8, queries // 64))) if is_causal else queries
    count = max(1, BLOCK // max(1, groups * width * keys * of.q.itemsize))
    samples, some = max(1, count // heads), min(count, heads)
    for first in range(0, queries, max(1, width)):
        band = slice(first, min(first + width, queries))
        seen = slice(0, min(keys, band.stop) if is_causal else keys)
        for b in range(0, batch, samples):
            for h in range(0, heads, some):
                where = (slice(b, b + samples), slice(h, h + some), all_groups)
                yield (*where, band), (*where, seen)


def joined(of: Grouped, width: int) -> np.ndarray:
    """An empty (B, K, G, T, width), laid out so that joining its heads is a view."""
    batch, heads, groups, queries, _ = of.q.shape
    return np.empty((batch, queries, heads, groups, width), of.q.dtype).transpose(0, 2, 3, 1, 4)


def columns_softmax(scores: np.ndarray) -> np.ndarray:
    """softmax of each column of scores (..., S, T), in place; zeros where a column is -inf throughout."""
    scores -= scores.max(axis=-2, keepdims=True, initial=np.finfo(scores.dtype).min)  # not -inf: -inf - -inf is nan
    np.exp(scores, out=scores)
    total = np.ones((1, scores.shape[-2]), scores.dtype) @ scores
    total[total == 0] = 1
    scores *= 1 / total
    return scores


def hide_later(scores: np.ndarray, first: int) -> None:
    """-inf where key s is later than query first + t, in scores (..., S, T) of the keys from 0 on, in place."""
    keys, queries = scores.shape[-2:]
    later = np.tri(max(0, keys - first), queries, k=-1, dtype=bool)
    scores[..., first:, :] += np.where(later, scores.dtype.type(-math.inf), scores.dtype.type(0))


@functools.cache
def least(dtype: Any) -> float:
    """The least number of a float dtype: what is less is -inf."""
    return float(np.finfo(dtype).min)


def is_one_query(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> bool:
    """Whether each head has one query, (B, H, 1, d), with keys (B, H, S, d) and values, and scores fit into a block."""
    lead = (*query.shape[:2], key.shape[-2])
    return (
        query.shape[2:] == (1, key.shape[-1])
        and key.shape[:3] == value.shape[:3] == lead
        and 0 < math.prod(lead) * query.itemsize <= BLOCK
    )


def one_query(query: np.ndarray, key: np.ndarray, value: np.ndarray, scale: float) -> tuple[np.ndarray, dict]:
    """scaled_dot_product_attention where a text grows place by place: nothing has to be turned, or cut into bands."""
    w = (query * scale) @ key.mT  # (B, H, 1, S)
    w -= np.maximum.reduce(w, axis=-1, keepdims=True, initial=least(w.dtype))
    np.exp(w, out=w)
    w /= np.maximum(np.add.reduce(w, axis=-1, keepdims=True), 1)  # below 1 only if all scores are -inf
    return w @ value, {"weights": [w.mT[:, :, None]], "kept": []}


@primitive
def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    *,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
    enable_gqa=False,
    rng=generator,
):
    """z = softmax(scale q k^T + mask) v: (..., T, d), (..., S, d), (..., S, c) -> (..., T, c), as one primitive.

    The scale is 1 / sqrt(d) if none is given. A mask (..., T, S) of True and False says which keys a query may look
    at, one of floats is added to the scores; is_causal is the mask in which query t sees the keys 0..t. A query that
    may look at no key gets zeros, as in PyTorch. With enable_gqa the heads of keys and values may be fewer: each
    serves as many heads of queries. Weights are dropped with probability dropout_p. Raises ValueError, naming the
    shapes, for what does not fit. Vaswani et al., 2017; Ainslie et al., 2023.

    >>> q, k, v = Tensor([[10, 0]]), Tensor([[10, 0], [0, 10]]), Tensor([[1, 2], [3, 4]])
    >>> scaled_dot_product_attention(q, k, v)
    tensor([[1., 2.]])
    """
    if attn_mask is None and not is_causal and not dropout_p and is_one_query(query, key, value):
        return one_query(query, key, value, default_scale(query, scale))
    of = grouped(query, key, value, enable_gqa)
    mask, scale = columns_mask(attn_mask, is_causal, of), default_scale(query, scale)
    z, weights, kept = joined(of, value.shape[-1]), [], []
    for queries, keys in bands(of, is_causal):
        scores = of.k[keys] @ (of.q[queries] * scale).mT
        if mask is not None:
            scores += mask[keys]
        if is_causal:
            hide_later(scores, queries[-1].start)
        weights.append(columns_softmax(scores))
        if dropout_p:
            kept.append(dropout(np.ones_like(scores), p=dropout_p, rng=rng).data)
            scores = scores * kept[-1]
        np.matmul(scores.mT, of.v[keys], out=z[queries])
    return z.reshape(*of.lead, *z.shape[-2:]), {"weights": weights, "kept": kept}


@scaled_dot_product_attention.vjp
def scaled_dot_product_attention_vjp(
    g, z, query, key, value, attn_mask=None, *, weights, kept, is_causal=False, scale=None, enable_gqa=False, needs, **_
):
    """z = w v, w = softmax(s)   =>   dv = w^T g,  ds = w (g v^T - sum(g z)),  dq = scale ds k,  dk = scale ds^T q

    The gradient of a mask that was added is ds.
    """
    of, scale = grouped(query, key, value, enable_gqa), default_scale(query, scale)
    g, z = (x.reshape(*of.q.shape[:-1], x.shape[-1]) for x in (g, z))
    dq, dk, dv = np.empty_like(of.q), np.zeros_like(of.k), np.zeros_like(of.v)
    dmask = np.empty((*of.q.shape[:3], of.k.shape[-2], of.q.shape[-2]), g.dtype) if needs[3:] == [True] else None
    for i, (queries, keys) in enumerate(bands(of, is_causal)):
        w, some = weights[i], g[queries]
        ds = of.v[keys] @ some.mT
        if kept:
            ds *= kept[i]
        ds -= np.vecdot(some, z[queries])[..., None, :]
        ds *= w
        dv[keys] += sum_shared((w * kept[i] if kept else w) @ some)
        dk[keys] += sum_shared(ds @ (of.q[queries] * scale))
        np.matmul(ds.mT, of.k[keys] * scale, out=dq[queries])
        if dmask is not None:
            dmask[keys] = ds
    return ungrouped(dq, of), ungrouped(dk, of), ungrouped(dv, of), None if dmask is None else ungrouped(dmask.mT, of)


def default_scale(query: np.ndarray, scale: float | None) -> float:
    """The scale, or 1 / sqrt(d)."""
    return 1 / math.sqrt(query.shape[-1]) if scale is None else scale


def sum_shared(x: np.ndarray) -> np.ndarray:
    """(..., G, S, d) -> (..., 1, S, d): the gradients of all who share a key add up."""
    return x if x.shape[-3] == 1 else x.sum(axis=-3, keepdims=True)


def ungrouped(x: np.ndarray, of: Grouped) -> np.ndarray:
    """(B, K, G or 1, places, numbers) as (..., heads, places, numbers): grouped, undone."""
    heads = (x.shape[1] * x.shape[2],) if of.lead else ()
    return x.reshape(*of.lead[:-1], *heads, *x.shape[-2:])


# -- block by block ------------------------------------------------------------------------------------------------


class Running(NamedTuple):
    """What is known of a mean weighted by a softmax, while more scores are still to come."""

    largest: np.ndarray  # m (..., T, 1)
    total: np.ndarray  # l (..., T, 1), the sum of e^(score - m)
    values: np.ndarray  # a (..., T, c), the sum of e^(score - m) v; the mean is a / l


def online_softmax_step(before: Running, scores: np.ndarray, values: np.ndarray) -> Running:
    """What is known after some more scores (..., T, S) and their values (..., S, c): m, l and a of all scores so far.

    The scores that came before are gone. Milakov and Gimelshein, 2018; Rabe and Staats, 2021.

    >>> start = Running(np.array([[0.0]]), np.array([[1.0]]), np.array([[5.0]]))
    >>> step = online_softmax_step(start, np.array([[np.log(3.0)]]), np.array([[1.0]]))
    >>> (step.values / step.total).round(6)
    array([[2.]])
    """
    # The largest of all so far, m', comes first. What was summed before are powers e^(score - m), and e^(score - m')
    # is wanted: by what factor do they differ, and does it depend on the score?
    largest = np.maximum(before.largest, scores.max(axis=-1, keepdims=True))
    factor, e = np.exp(before.largest - largest), np.exp(scores - largest)
    total = before.total * factor + e.sum(axis=-1, keepdims=True)
    return Running(largest, total, before.values * factor + e @ values)


def tiles(queries: int, keys: int, block: int, is_causal: bool) -> Iterator[tuple[slice, list[slice]]]:
    """Blocks of queries, and for each the blocks of keys that it may look at."""
    for start in range(0, queries, block):
        rows = slice(start, min(start + block, queries))
        last = min(keys, rows.stop) if is_causal else keys
        yield rows, [slice(first, min(first + block, last)) for first in range(0, last, block)]


def tile_scores(
    query: np.ndarray, key: np.ndarray, rows: slice, columns: slice, is_causal: bool, scale: float
) -> np.ndarray:
    """The scores of some queries and some keys; those of later keys are -inf, if causal."""
    scores = (query[..., rows, :] * scale) @ key[..., columns, :].mT
    if is_causal and columns.stop > rows.start + 1:
        later = np.arange(columns.start, columns.stop) > np.arange(rows.start, rows.stop)[:, None]
        scores[..., later] = -math.inf
    return scores


@primitive
def blockwise_attention(query, key, value, *, is_causal=False, scale=None, block=128):
    """z = softmax(scale q k^T) v, with never more than block x block scores of a head at once.

    q (..., T, d), k (..., S, d), v (..., S, c) -> (..., T, c). Memory grows with T + S, not with their product: returns
    z, {"logsumexp": ...}, the logarithm of each query's sum of e^score, (..., T, 1), which is all that is saved, and
    the way back computes the scores again. Without a key, z is 0. If is_causal, query t sees the keys 0..t.
    Raises ValueError, naming the shapes, for what does not fit. Dao et al., 2022.

    >>> q = Tensor(np.eye(4))
    >>> z = blockwise_attention(q, q, q, block=2)
    >>> np.allclose(z.data, scaled_dot_product_attention(q, q, q).data)
    True
    """
    # check_attention refuses what does not fit. tiles gives blocks of queries, and for each the blocks of keys;
    # tile_scores the scores of one pair of blocks. Begin each block of queries with what is known of no score at all:
    # the largest is the least number there is, the sums are 0. What has the logarithm of the sum of e^score to do with
    # m and l?
    check_attention(query, key, value, enable_gqa=False)
    scale, least = default_scale(query, scale), np.finfo(query.dtype).min
    lead = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    z = np.empty((*lead, query.shape[-2], value.shape[-1]), query.dtype)
    logsumexp = np.empty((*lead, query.shape[-2], 1), query.dtype)
    for rows, some in tiles(query.shape[-2], key.shape[-2], block, is_causal):
        of = logsumexp[..., rows, :]
        running = Running(np.full_like(of, least), np.zeros_like(of), np.zeros_like(z[..., rows, :]))
        for columns in some:
            scores = tile_scores(query, key, rows, columns, is_causal, scale)
            running = online_softmax_step(running, scores, value[..., columns, :])
        total = np.maximum(running.total, 1)  # below 1 only if there is no key
        z[..., rows, :] = running.values / total
        logsumexp[..., rows, :] = running.largest + np.log(total)
    return z, {"logsumexp": logsumexp}


@blockwise_attention.vjp
def blockwise_attention_vjp(g, z, query, key, value, *, logsumexp, is_causal=False, scale=None, block=128):
    """The rule of attention, a block at a time: the weights are e^(scores - logsumexp)."""
    scale, lead = default_scale(query, scale), z.shape[:-2]
    dq, dk, dv = (np.zeros((*lead, *x.shape[-2:]), x.dtype) for x in (query, key, value))
    mean = np.vecdot(g, z)[..., None]
    for rows, some in tiles(query.shape[-2], key.shape[-2], block, is_causal):
        for columns in some:
            scores = tile_scores(query, key, rows, columns, is_causal, scale)
            weights = np.exp(scores - logsumexp[..., rows, :])
            ds = weights * (g[..., rows, :] @ value[..., columns, :].mT - mean[..., rows, :]) * scale
            dq[..., rows, :] += ds @ key[..., columns, :]
            dk[..., columns, :] += ds.mT @ query[..., rows, :]
            dv[..., columns, :] += weights.mT @ g[..., rows, :]
    return dq, dk, dv


# -- modules -------------------------------------------------------------------------------------------------------


class Cache(Protocol):
    """Remembers the keys and values of earlier places, so that a new place need not compute them again."""

    def update(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add those of new places, (B, K, T, d) each, and return those of all places so far."""


class MultiHeadAttention(Module):
    """Several attentions side by side, each with a share of the numbers: x (B, T, width) -> (B, T, width).

    `kv_heads`, if given, are fewer heads of keys and values, which heads of queries share. Weights are dropped with
    probability `dropout` in training. Vaswani et al., 2017.

    >>> MultiHeadAttention(8, heads=2)(Tensor(np.zeros((1, 3, 8), np.float32)), is_causal=True).shape
    (1, 3, 8)
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        rng: np.random.Generator = generator,
    ):
        kv_heads = heads if kv_heads is None else kv_heads
        if min(heads, kv_heads) < 1 or width % heads or heads % kv_heads:
            raise ValueError(f"heads divide the width, and kv_heads the heads; got {width}, {heads} and {kv_heads}")
        self.heads, self.kv_heads, self.dropout = heads, kv_heads, dropout
        self.rng: np.random.Generator | None = None  # of dropout: the package's, which copies share
        shared_width = width // heads * kv_heads
        self.query = Linear(width, width, bias, rng)
        self.key = Linear(width, shared_width, bias, rng)
        self.value = Linear(width, shared_width, bias, rng)
        self.out = Linear(width, width, bias, rng)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Any = None,
        is_causal: bool = False,
        cache: Cache | None = None,
        prepare: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Queries of x meet keys and values of memory (B, S, width), or of x itself.

        A mask is as for scaled_dot_product_attention. With a cache, the places of x come after those it remembers.
        `prepare` is applied to queries and keys (B, heads, T, d): a rotation, say.
        """
        alone = cache is not None and x.shape[-2] == 1 and memory is None and mask is None
        if cache is not None and alone and unobserved() and self.takes_one():
            return Tensor(self.next_place(x.data, cache, prepare))
        memory = x if memory is None else memory
        q, k, v = self.project(x, memory, memory)
        if prepare is not None:
            q, k = prepare(q), prepare(k)
        if cache is not None:
            k, v = cache.update(k, v)
        return self.out(join_heads(self.attend(q, k, v, mask, is_causal)))

    def project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, heads, T, d), keys and values (B, kv_heads, S, d), from (B, T, width) and (B, S, width)."""
        q = split_heads(self.query(query), self.heads)
        return q, split_heads(self.key(key), self.kv_heads), split_heads(self.value(value), self.kv_heads)

    def takes_one(self) -> bool:
        """Whether next_place does what forward does: layers as __init__ made them, nothing shared, nothing dropped."""
        layers = type(self.query), type(self.key), type(self.value), type(self.out)
        plain = layers == (Linear, Linear, Linear, Linear) and self.heads == self.kv_heads
        return plain and not (self.training and self.dropout)

    def next_place(self, x: np.ndarray, cache: Cache, prepare: Callable[[Tensor], Tensor] | None) -> np.ndarray:
        """forward of one place a text, (B, 1, width) or (width,), after those that a cache holds, on plain arrays.

        One place is so little work that each operation on tensors costs more than what it computes.
        """
        shape = (-1, self.heads, 1, x.shape[-1] // self.heads)
        q, k, v = [affine(x, layer).reshape(shape) for layer in (self.query, self.key, self.value)]
        if prepare is not None:
            q, k = prepare(Tensor(q)).data, prepare(Tensor(k)).data
        keys, values = cache.update(Tensor(k), Tensor(v))
        z, _ = one_query(q, keys.data, values.data, 1 / math.sqrt(shape[-1]))
        return affine(z.reshape(x.shape), self.out)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Any = None, is_causal: bool = False) -> Tensor:
        """The attention of all heads; the last query stands beside the last key, if causal."""
        queries, keys = q.shape[-2], k.shape[-2]
        if is_causal and queries == 1:  # the last place sees all others
            is_causal = False
        elif is_causal and (mask is not None or queries != keys):
            mask, is_causal = and_causal(mask, queries, keys), False
        options = {"dropout_p": self.dropout if self.training else 0.0, "rng": self.rng or generator}
        shared = self.heads != self.kv_heads
        return scaled_dot_product_attention(q, k, v, mask, is_causal=is_causal, enable_gqa=shared, **options)


def unobserved() -> bool:
    """Whether nobody records operations, for gradients, and nobody watches them."""
    return not (is_grad_enabled() or observers)


def affine(x: np.ndarray, layer: Linear) -> np.ndarray:
    """z = x weight + bias, on arrays."""
    z = x.dot(layer.weight.data)
    if layer.bias is not None:
        z += layer.bias.data
    return z


def and_causal(mask: Any, queries: int, keys: int) -> Any:
    """A mask, or None, and the causal one: what both allow."""
    causal = causal_mask(queries, keys)
    if mask is None:
        return causal
    return mask & causal if mask.dtype == bool else where(causal, mask, -math.inf)


class MultiheadAttention(MultiHeadAttention):
    """MultiHeadAttention, called as PyTorch's class of this name is: returns (z, weights).

    A mask of True and False says here what a query may *not* look at. Without batch_first, x is (T, B, embed_dim).

    >>> x = Tensor(np.zeros((3, 1, 8), np.float32))
    >>> z, weights = MultiheadAttention(8, 2)(x, x, x)
    >>> z.shape, weights.shape
    ((3, 1, 8), (1, 3, 3))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        rng: np.random.Generator = generator,
    ):
        super().__init__(embed_dim, num_heads, bias=bias, dropout=dropout, rng=rng)
        self.batch_first = batch_first

    def forward(  # type: ignore[override]
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attention of query (B, T, width) to key and value (B, S, width), with masks (B, S) and (T, S).

        attn_mask may be (B heads, T, S), too. Raises ValueError for is_causal without a mask, as PyTorch does.
        """
        if is_causal and attn_mask is None:
            raise ValueError("is_causal says that attn_mask is causal: pass that mask, too")
        if not self.batch_first:
            query, key, value = (transpose(x, 0, 1) for x in (query, key, value))
        q, k, v = self.project(query, key, value)
        mask = self.added(key_padding_mask, attn_mask)
        weights = None
        if need_weights:
            weights = attention_weights(masked(attention_scores(q, k), mask))
            z = matmul(dropout(weights, p=self.dropout, rng=self.rng or generator) if self.training else weights, v)
        else:
            z = self.attend(q, k, v, mask)
        z = self.out(join_heads(z))
        z = z if self.batch_first else transpose(z, 0, 1)
        return z, weights.mean(1) if weights is not None and average_attn_weights else weights

    def added(self, key_padding_mask: Any, attn_mask: Any) -> Any:
        """Both masks as one to add to scores (B, heads, T, S), or None."""
        masks = []
        if key_padding_mask is not None:
            masks.append(additive(key_padding_mask)[:, None, None, :])
        if attn_mask is not None:
            attn_mask = additive(attn_mask)
            several = attn_mask.ndim == 3
            masks.append(attn_mask.reshape(-1, self.heads, *attn_mask.shape[1:]) if several else attn_mask)
        return builtins.sum(masks[1:], masks[0]) if masks else None


def additive(forbidden: Any) -> np.ndarray:
    """A mask of PyTorch's MultiheadAttention, True where nothing may be seen, as numbers to add to scores."""
    mask = forbidden.data if isinstance(forbidden, Tensor) else np.asarray(forbidden)
    return np.where(mask, np.float32(-math.inf), np.float32(0)) if mask.dtype == bool else mask

"""Chapter 12, attention: scores, what may not be seen, weights, heads, and a softmax that is taken in steps.

Queries q (..., T, d), keys k (..., S, d), values v (..., S, c), scores (..., T, S). The oracles are loops over queries,
keys or heads.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import filled, mixed, shapes, whole_numbers

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("12", module="attention")

rubric.exercise("attention_scores", difficulty=1, minutes=8)
rubric.exercise("causal_mask", difficulty=1, minutes=8)
rubric.exercise("masked", difficulty=1, minutes=8)
rubric.exercise("attention_weights", difficulty=2, minutes=15)
rubric.exercise("split_heads", difficulty=2, minutes=10)
rubric.exercise("join_heads", difficulty=1, minutes=5)
rubric.exercise("online_softmax_step", difficulty=3, minutes=25)
rubric.exercise("blockwise_attention", difficulty=3, minutes=35)

few = st.integers(1, 3)
kinds = st.sampled_from([np.float64, np.float32])


# -- attention_scores -------------------------------------------------------------------------------------------------


@st.composite
def queries_and_keys(draw):
    """q (..., T, d) and k (..., S, d)."""
    lead, t, s, d = draw(shapes(2, 2)), draw(few), draw(few), draw(st.integers(1, 4))
    dtype = draw(kinds)
    return draw(mixed((*lead, t, d))).astype(dtype), draw(mixed((*lead, s, d))).astype(dtype)


@rubric.probe
def scored(tt, q, k, scale):
    q, k = tt.Tensor(q, requires_grad=True), tt.Tensor(k, requires_grad=True)
    z = tt.attention.attention_scores(q, k) if scale is None else tt.attention.attention_scores(q, k, scale)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1, dtype=z.dtype).reshape(z.shape)))
    return [z, q.grad, k.grad]


def products(q, k):
    """Each query times each key, whichever has axes in front that the other lacks."""
    lead = np.broadcast_shapes(q.shape[:-2], k.shape[:-2])
    q, k = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (q, k))
    z = np.empty((*q.shape[:-1], k.shape[-2]), q.dtype)
    for place in np.ndindex(z.shape):
        z[place] = (q[place[:-1]] * k[(*place[:-2], place[-1])]).sum()
    return z


# Scales that are not above 0, keys with an axis in front that queries lack, d = 8, five axes, the digits of float64.
ONE = np.ones((1, 2))
TELLING = [
    (ONE, np.array([[1.0, 2.0]]), 0.0),
    (ONE, np.array([[1.0, 2.0]]), -2.0),
    (np.array([[1.0, 2.0]]), np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), None),
    (np.ones((1, 8)), np.ones((1, 8)), None),
    (np.ones((2, 1, 1, 1, 2)), np.ones((2, 1, 1, 3, 2)), None),
    (ONE, np.array([[2.0**30 + 1, -(2.0**30)]]), 1.0),
]


rubric.doctests("attention_scores", points=1)


@rubric.check("attention_scores", points=1)
@given(queries_and_keys(), st.sampled_from([None, None, 1.0, 0.25]), always=TELLING)
def every_query_meets_every_key(student, q, k, scale):
    """Row t, column s is the product of query t and key s, times the scale: 1 / sqrt(d), unless one is given."""
    z, d = products(q, k), q.shape[-1]
    factor = 1 / math.sqrt(d) if scale is None else scale
    mistakes = {
        "the products are not scaled": z,
        "the scale is 1 / d: its root is wanted": (z / d).astype(q.dtype),
        "the scale that was given is not used": (z / math.sqrt(d)).astype(q.dtype),
        "rows are keys: each query has a row": np.swapaxes(z * factor, -1, -2).astype(q.dtype),
    }
    close(student.scored(q, k, scale)[0], (z * factor).astype(q.dtype), "the scores", mistakes=mistakes)


@rubric.check("attention_scores", points=1)
@given(queries_and_keys(), st.sampled_from([None, 1.0, 0.25]), always=TELLING)
def scores_have_a_gradient(student, q, k, scale):
    """Composed of tensors' functions, the scores hand gradients back to queries and keys: scale g k, scale g^T q."""
    z, dq, dk = student.scored(q, k, scale)
    g = np.arange(1.0, z.size + 1).reshape(z.shape) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    close(dq, (g @ k).astype(q.dtype), "q.grad", like=q)
    close(dk, (np.swapaxes(g, -1, -2) @ q).astype(q.dtype), "k.grad", like=k)


# -- causal_mask ------------------------------------------------------------------------------------------------------

rubric.doctests("causal_mask", points=1)


@rubric.check("causal_mask", points=1)
@given(st.integers(1, 4), st.integers(0, 4), st.booleans(), always=[(4, -2, False), (2, -2, False), (1, 299, False)])
def nothing_later_is_seen(student, queries, earlier, alone):
    """Query t sees the keys up to its own; the last query stands beside the last key, be there more keys or fewer."""
    keys = queries if alone else queries + earlier
    mask = student.causal_mask(queries) if alone else student.causal_mask(queries, keys)
    expected = np.array([[s <= t + keys - queries for s in range(keys)] for t in range(queries)], bool)
    mistakes = {
        "a query does not see its own key": np.tri(queries, keys, keys - queries - 1, dtype=bool),
        "this says what may not be seen": ~expected,
        "the first query stands beside the first key: the last ones stand together": np.tri(queries, keys, dtype=bool),
    }
    close(mask, expected, "the mask", mistakes=mistakes)


# -- masked -----------------------------------------------------------------------------------------------------------


@st.composite
def scores_and_mask(draw):
    """Scores (..., T, S), and a mask (T, S) or (S,) of True and False."""
    scores = draw(mixed((*draw(shapes(1, 2)), draw(few), draw(few)))).astype(draw(kinds))
    shape = scores.shape[-2:] if draw(st.booleans()) else scores.shape[-1:]
    return scores, draw(filled(shape, st.booleans(), bool))


@rubric.probe
def hidden(tt, scores, mask, as_tensor=False):
    scores = tt.Tensor(scores, requires_grad=True)
    z = tt.attention.masked(scores, tt.Tensor(mask) if as_tensor else mask)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1, dtype=z.dtype).reshape(z.shape)))
    return [z.exp(), scores.grad]  # e^-inf is 0, and an answer is finite


PADDING = np.array([[True, False], [True, True]])[:, None, None, :]  # as padding_mask makes it, for all heads

rubric.doctests("masked", points=1)


@rubric.probe
def biased(tt, scores, bias):
    bias = tt.Tensor(bias, requires_grad=True)
    z = tt.attention.masked(tt.Tensor(scores), bias)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1, dtype=z.dtype).reshape(z.shape)))
    return bias.grad


@rubric.check("masked", points=1)
@given(scores_and_mask(), st.booleans(), always=[(np.zeros((2, 1, 3, 2)), PADDING, False)])
def what_is_not_allowed_is_minus_infinity(student, scores, mask, as_tensor):
    """Where the mask is False, the score is -inf and its gradient 0; where it is True, both are as they were."""
    z, g = student.hidden(scores, mask, as_tensor)
    allowed = np.broadcast_to(mask, scores.shape)
    mistakes = {"True and False are the wrong way round": np.where(allowed, 0, np.exp(scores))}
    close(z, np.where(allowed, np.exp(scores), 0).astype(scores.dtype), "e^masked", mistakes=mistakes)
    g_expected = np.arange(1.0, scores.size + 1).reshape(scores.shape) * allowed
    close(g, g_expected.astype(scores.dtype), "scores.grad")


@rubric.check("masked", points=1)
@given(scores_and_mask(), st.integers(1, 3))
def a_mask_of_numbers_is_added(student, scores, mask, least):
    """A mask of numbers, 0 and 1 too, is added as it is; it and the scores have gradients. None changes nothing."""
    added = (mask * 2.0 - least).astype(scores.dtype)
    g = np.arange(1.0, scores.size + 1, dtype=scores.dtype).reshape(scores.shape)
    for numbers in (added, mask.astype(scores.dtype), mask.astype(np.int64)):
        z, dscores = student.hidden(scores, numbers)
        close(z, np.exp(scores + numbers.astype(scores.dtype)), "e^masked")
        close(dscores, g, "scores.grad")
    close(student.biased(scores, added), g.reshape(-1, *mask.shape).sum(axis=0), "the gradient of a mask that learns")
    close(student.hidden(scores, None)[0], np.exp(scores), "e^scores without a mask")


# -- attention_weights ------------------------------------------------------------------------------------------------


@st.composite
def rows_of_scores(draw):
    """Scores (..., T, S), of which some are -inf: now and then a whole row."""
    scores = draw(mixed((*draw(shapes(1, 2)), draw(few), draw(st.integers(2, 4))))).astype(draw(kinds))
    return scores, draw(filled(scores.shape, st.booleans(), bool))


@rubric.probe
def weighed(tt, scores):
    scores = tt.Tensor(scores, requires_grad=True)
    z = tt.attention.attention_weights(scores)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1, dtype=scores.dtype).reshape(z.shape)))
    return [z, scores.grad]


def softmax_rows(scores):
    z = np.zeros_like(scores)
    for place in np.ndindex(scores.shape[:-1]):
        row = scores[place]
        if np.isfinite(row).any():
            e = np.exp(row - row.max())
            z[place] = e / e.sum()
    return z


rubric.doctests("attention_weights", points=1)


@rubric.check("attention_weights", points=1)
@given(rows_of_scores(), st.sampled_from([0.0, 1000.0, -1000.0]))
def each_row_is_a_distribution(student, scores, hide, shift):
    """e^score over the sum of its row, whatever all scores of the row share; -inf has no weight, and nan stays nan."""
    hide = hide & (np.arange(hide.shape[-1]) < hide.shape[-1] - 1)  # the last one is always seen
    scores = scores + shift * np.arange(1, scores.shape[-2] + 1, dtype=scores.dtype)[:, None]
    yours, _ = student.weighed(np.where(hide, -np.inf, scores))
    columns = np.swapaxes(softmax_rows(np.swapaxes(np.where(hide, -np.inf, scores), -1, -2)), -1, -2)
    mistakes = {"columns sum to 1: rows should": columns}
    far = 1e-3 if shift and scores.dtype == np.float32 else None  # so many digits a logarithm beside 3000 still has
    close(yours, softmax_rows(np.where(hide, -np.inf, scores)), "the weights", rtol=far, mistakes=mistakes)
    holds(not yours[hide].any(), "what is -inf has no weight at all", yours=yours)
    low, _ = student.weighed(np.full((1, 2), -1e9))
    close(low, np.full((1, 2), 0.5), "the weights of scores of -1e9")
    broken, _ = student.weighed(np.array([[math.nan, 1.0]]))
    holds(np.isnan(broken).all(), "the weights of a row with nan are nan", yours=broken)


@rubric.check("attention_weights", points=1)
@given(rows_of_scores())
def an_empty_row_has_no_weights(student, scores, hide):
    """A row that is -inf throughout gets zeros, not nan, and its gradient is zero, too."""
    everything = np.where(hide, -np.inf, scores)
    everything[..., 0, :] = -np.inf
    yours, gradient = student.weighed(everything)
    z, g = softmax_rows(everything), np.arange(1.0, scores.size + 1, dtype=scores.dtype).reshape(scores.shape)
    close(yours, z, "the weights")
    close(
        gradient,
        z * (g - (g * z).sum(axis=-1, keepdims=True)),
        "scores.grad",
        atol=1e-4 if scores.dtype == np.float32 else 1e-9,
    )


# -- split_heads, join_heads ------------------------------------------------------------------------------------------


@st.composite
def places_and_heads(draw):
    """x (..., T, heads d), and how many heads."""
    heads = draw(few)
    return draw(mixed((*draw(shapes(1, 2)), draw(few), heads * draw(few)))), heads


@rubric.probe
def cut(tt, x, heads):
    x = tt.Tensor(x, requires_grad=True)
    z = tt.attention.split_heads(x, heads)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1).reshape(z.shape)))
    return [z, x.grad, np.shares_memory(z.data, x.data)]


@rubric.probe
def cut_for_nobody(tt, x):
    try:
        return tt.attention.split_heads(tt.Tensor(x), 0)
    except (ValueError, ZeroDivisionError):
        return "refused"


@rubric.probe
def whole(tt, x):
    x = tt.Tensor(x, requires_grad=True)
    z = tt.attention.join_heads(x)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1).reshape(z.shape)))
    return [z, x.grad]


def dealt(x, heads):
    """Head h has numbers h d to (h + 1) d of each place."""
    d = x.shape[-1] // heads
    return np.stack([x[..., h * d : (h + 1) * d] for h in range(heads)], axis=-3)


rubric.doctests("split_heads", points=1)


@rubric.check("split_heads", points=1)
@given(places_and_heads())
def each_head_has_its_numbers(student, x, heads):
    """Head h gets numbers h d to (h + 1) d of every place, a view, with a gradient. What does not divide is refused."""
    *lead, places, width = x.shape
    mistakes = {
        "places were torn apart: first an axis for the heads, then exchange it": x.reshape(
            *lead, heads, places, width // heads
        ),
        "the heads take turns: neighbours belong together": np.moveaxis(
            x.reshape(*lead, places, width // heads, heads), -1, -3
        ),
        "places come before heads": x.reshape(*lead, places, heads, width // heads),
    }
    yours, gradient, shares = student.cut(x, heads)
    close(yours, dealt(x, heads), "the heads", mistakes=mistakes)
    g = np.arange(1.0, x.size + 1).reshape(yours.shape)
    close(gradient, np.concatenate([g[..., h, :, :] for h in range(heads)], axis=-1), "x.grad")
    holds(shares, "the heads are a view of x")
    refuses("ValueError", student.cut, x, width + 1)
    refuses("ValueError", student.cut, np.ones((2, 5)), 2)
    same(student.cut_for_nobody(np.ones((2, 5))), "refused", "what no heads get")


rubric.doctests("join_heads", points=1)


@rubric.check("join_heads", points=1)
@given(places_and_heads())
def splitting_is_undone(student, x, heads):
    """The numbers of all heads stand side by side again, at each place; the gradient goes back to its heads."""
    apart = dealt(x, heads)
    mistakes = {"places and heads were not exchanged back": apart.reshape(x.shape)}
    yours, gradient = student.whole(apart)
    close(yours, x, "what is joined", mistakes=mistakes)
    close(gradient, dealt(np.arange(1.0, x.size + 1).reshape(x.shape), heads), "x.grad")


# -- online_softmax_step ----------------------------------------------------------------------------------------------


@st.composite
def scores_in_two_parts(draw):
    """Scores (..., T, S) and values (..., S, c), and where to cut the S."""
    lead, t, s, c, dtype = draw(shapes(1, 2)), draw(few), draw(st.integers(2, 5)), draw(few), draw(kinds)
    scores, values = draw(whole_numbers((*lead, t, s))), draw(mixed((*lead, s, c)))
    return scores.astype(dtype), values.astype(dtype), draw(st.integers(1, s - 1))


@rubric.probe
def stepped(tt, largest, total, values, scores, more):
    running = tt.attention.Running(largest, total, values)
    return list(tt.attention.online_softmax_step(running, scores, more))


def known(scores, values):
    """What is known of a softmax-weighted mean after these scores."""
    largest = scores.max(axis=-1, keepdims=True)
    e = np.exp(scores - largest)
    return largest, e.sum(axis=-1, keepdims=True), e @ values


def all_three(yours, expected, mistakes=({}, {}, {})):
    """Compare a Running's parts."""
    holds(len(yours) == 3, "a Running has three parts: the largest, the total, the values")
    for mine, right, wrong, name in zip(yours, expected, mistakes, ("largest", "total", "values")):
        close(mine, right, name, mistakes=wrong, rtol=1e-9 if right.dtype == np.float64 else None)


rubric.doctests("online_softmax_step", points=1)


@rubric.check("online_softmax_step", points=1)
@given(scores_in_two_parts(), st.sampled_from([0.0, 1000.0, -1000.0]))
def two_steps_are_one(student, scores, values, at, shift):
    """After the second part, near or far, all is known that the whole tells: the largest, the sum, that of values."""
    scores = scores + scores.dtype.type(shift)
    before = known(scores[..., :at], values[..., :at, :])
    later = known(scores[..., at:], values[..., at:, :])
    mistakes = [
        {"this is the second part's largest alone": later[0]},
        {"what was summed before is not scaled": before[1] + later[1], "what was before is forgotten": later[1]},
        {"what was summed before is not scaled": before[2] + later[2], "what was before is forgotten": later[2]},
    ]
    yours = student.stepped(*before, scores[..., at:], values[..., at:, :])
    all_three(yours, known(scores, values), mistakes)
    for far in (1000, -1000):
        apart = np.concatenate([scores[..., :at], scores[..., at:] + scores.dtype.type(far)], axis=-1)
        all_three(student.stepped(*before, apart[..., at:], values[..., at:, :]), known(apart, values))


@rubric.check("online_softmax_step", points=1)
@given(scores_in_two_parts())
def it_begins_with_nothing_and_may_see_nothing(student, scores, values, at):
    """It begins with the least number and sums of 0; what is -inf, all of a part or some, changes nothing."""
    whole = known(scores, values)
    nothing = np.full_like(whole[0], np.finfo(scores.dtype).min), np.zeros_like(whole[1]), np.zeros_like(whole[2])
    all_three(student.stepped(*nothing, scores, values), whole)
    all_three(student.stepped(*whole, np.full_like(scores, -np.inf), values), whole)
    all_three(student.stepped(*nothing, np.full_like(scores, -np.inf), values), nothing)
    later = scores[..., at:].copy()
    later[..., 0, :] = later[..., 0] = -np.inf  # the first query sees none of these keys, and nobody the first key
    before, both = known(scores[..., :at], values[..., :at, :]), np.concatenate([scores[..., :at], later], axis=-1)
    all_three(student.stepped(*before, later, values[..., at:, :]), known(both, values))
    late = np.arange(scores.shape[-2])[:, None] == 0  # the first query has seen nothing yet, the others have
    before = [np.where(late, none, seen) for none, seen in zip(nothing, before)]
    mine, all_of_it = known(scores[..., at:], values[..., at:, :]), known(scores, values)
    expected = [np.where(late, part, everything) for part, everything in zip(mine, all_of_it)]
    all_three(student.stepped(*before, scores[..., at:], values[..., at:, :]), expected)


# -- blockwise_attention ----------------------------------------------------------------------------------------------


@st.composite
def attended(draw):
    """q, k, v, and the options of attention in blocks. If causal, query t sees the keys 0..t of any number."""
    lead, t, d, c, dtype = draw(shapes(1, 2)), draw(st.integers(1, 5)), draw(few), draw(few), draw(kinds)
    is_causal = draw(st.booleans())
    s = draw(st.integers(1, 5))
    q, k, v = (draw(mixed((*lead, *shape))).astype(dtype) for shape in ((t, d), (s, d), (s, c)))
    options = {"is_causal": is_causal, "scale": draw(st.sampled_from([None, None, 0.5, 40.0]))}
    return q, k, v, options | {"block": draw(st.integers(1, 4))}


@rubric.probe
def in_blocks(tt, q, k, v, options):
    z = tt.attention.blockwise_attention(tt.Tensor(q, requires_grad=True), k, v, **options)
    g = np.arange(1.0, z.numel() + 1, dtype=q.dtype).reshape(z.shape)
    log = z.origin.saved["logsumexp"]
    return [z, *tt.attention.blockwise_attention_vjp(g, z.data, q, k, v, **z.origin.saved, **options), log]


def at_once(q, k, v, options):
    """Attention with all of its scores, row by row, and the scale."""
    scale = 1 / math.sqrt(q.shape[-1]) if options["scale"] is None else options["scale"]
    scores = products(q, k) * q.dtype.type(scale)
    if options["is_causal"]:
        scores[..., ~np.tri(*scores.shape[-2:], dtype=bool)] = -np.inf
    return softmax_rows(scores), scale


# A scale of 0, and more keys than the last query may see.
FLAT = (
    np.array([[1.0, 2.0], [2.0, 1.0]]),
    np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    np.array([[1.0], [2.0], [9.0]]),
)
FLAT_CASES = [(*FLAT, {"is_causal": is_causal, "scale": 0.0, "block": 2}) for is_causal in (False, True)]


@rubric.check("blockwise_attention", points=1)
@given(attended(), always=FLAT_CASES)
def blocks_change_nothing(student, q, k, v, options):
    """Whatever the blocks, the mean is that of all scores at once; 0 without a key. What does not fit is refused."""
    z = at_once(q, k, v, options)[0] @ v
    close(student.in_blocks(q, k, v, options)[0], z, "z", atol=1e-5)
    nothing = student.blockwise_attention(q, k[..., :0, :], v[..., :0, :])
    close(nothing, np.zeros_like(z), "z without a key")
    close(student.blockwise_attention(q[..., :0, :], k, v), z[..., :0, :], "z without a query")
    longer, wider = np.concatenate([v, v], axis=-2), np.concatenate([k, k], axis=-1)
    refuses("ValueError", student.blockwise_attention, q, k, longer, mentioning=[str(k.shape), str(longer.shape)])
    refuses("ValueError", student.blockwise_attention, q, wider, v, mentioning=[str(q.shape), str(wider.shape)])
    refuses("ValueError", student.blockwise_attention, q[(0,) * (q.ndim - 1)], k, v)


@rubric.check("blockwise_attention", points=1)
@given(attended(), st.integers(0, 2))
def axes_in_front_broadcast(student, q, k, v, options, which):
    """Whichever of queries, keys and values has an axis in front that the others lack, each of its parts meets them."""
    parts = [q, k, v]
    parts[which] = np.stack([parts[which], -parts[which]])
    wanted = np.stack(
        [
            at_once(*each, options)[0] @ each[2]
            for each in zip(*(x if i == which else [x, x] for i, x in enumerate(parts)))
        ]
    )
    close(student.in_blocks(*parts, options)[0], wanted, "z", atol=1e-5)


@rubric.check("blockwise_attention", points=1)
@given(attended())
def the_way_back_finds_its_weights(student, q, k, v, options):
    """What is kept for the rule makes the weights again: ds = w (g v^T - sum(g z)), dq = scale ds k, dv = w^T g."""
    weights, scale = at_once(q, k, v, options)
    z = weights @ v
    g = np.arange(1.0, z.size + 1, dtype=q.dtype).reshape(z.shape)
    ds = weights * (g @ np.swapaxes(v, -1, -2) - (g * z).sum(axis=-1, keepdims=True)) * q.dtype.type(scale)
    wanted = ds @ k, np.swapaxes(ds, -1, -2) @ q, np.swapaxes(weights, -1, -2) @ g
    rounding = (1e-3 if q.dtype == np.float32 else 1e-9) * max(1, scale) * z.size
    *gradients, log = student.in_blocks(q, k, v, options)[1:]
    for yours, expected, name in zip(gradients, wanted, ("dq", "dk", "dv")):
        close(yours, expected, name, atol=rounding)
    kept = log.dtype == q.dtype and log.shape == (*z.shape[:-1], 1)
    holds(kept, "the logarithm is one number for each query, (..., T, 1), in q's dtype", yours=log)


@rubric.probe
def highest(tt, q, k, block):
    import tracemalloc

    with tt.no_grad():
        tracemalloc.start()
        tt.attention.blockwise_attention(q, k, k, block=block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@rubric.check("blockwise_attention", points=1, examples=3)
@given(st.integers(300, 330))
def the_scores_are_never_all_there(student, places):
    """What it takes at the most is a small part of what all scores would take, of many queries or of many keys."""
    many, some = np.ones((4 * places, 2)), np.ones((64, 2))
    for q, k in ((many, many), (some, many), (many, some)):
        peak, scores = student.highest(q, k, 64), 8 * len(q) * len(k)
        holds(peak < scores / 2, "it takes less than half of what all scores take", bytes=peak, scores=scores)
    heads = np.ones((64, 32, 2))
    peak, scores = student.highest(heads, heads, 4), 8 * 64 * 32**2
    holds(peak < scores / 4, "a block of 4 has no more than 4 x 4 scores of a head", bytes=peak, scores=scores)


# -- accounting -------------------------------------------------------------------------------------------------------


def parameters_of_four_layers():
    """What a module holds, counted."""
    from tinytorch.attention import MultiHeadAttention

    return sum(
        p.numel() for p in MultiHeadAttention(768, heads=12, kv_heads=4, rng=np.random.default_rng(0)).parameters()
    )


@rubric.accounting(points=1, unit="parameters", counted=parameters_of_four_layers, tolerance=0, difficulty=1, minutes=8)
def attention_parameters():
    """How many parameters has MultiHeadAttention(768, heads=12, kv_heads=4), biases included?

    Queries and what comes out are 768 wide. Keys and values have 4 heads only, as wide as those of the queries.
    """
    # Four linear layers. How wide is a head, and how wide are 4 of them together?
    return 2 * (768 * 768 + 768) + 2 * (768 * 256 + 256)


def bytes_of_weights():
    """What the primitive keeps for its rule beside its inputs: its weights."""
    import tinytorch as tt
    from tinytorch.attention import scaled_dot_product_attention

    x = tt.zeros(2, 6, 256, 64, requires_grad=True)
    return sum(weights.nbytes for weights in scaled_dot_product_attention(x, x, x).origin.saved["weights"])


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_weights, tolerance=0.001, difficulty=2, minutes=8)
def weight_bytes():
    """How many bytes of attention weights does one attention keep for the way back?

    A batch of 2 sequences of 256 places, 6 heads of 64 numbers each, float32, no mask. Only the weights count, neither
    queries, keys and values nor the result.
    """
    # How many rows of weights has a head, and how long is each? The 64 is in none of them.
    return 2 * 6 * 256 * 256 * 4


def bytes_of_a_cache():
    """What one layer makes of 512 places, times the layers."""
    import tinytorch as tt
    from tinytorch.attention import MultiHeadAttention

    layer = MultiHeadAttention(512, heads=8, kv_heads=2, rng=np.random.default_rng(0))
    with tt.no_grad():
        x = tt.zeros(1, 512, 512)
        _, k, v = layer.project(x, x, x)
    return 12 * (k.nbytes + v.nbytes)


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_a_cache, tolerance=0.001, difficulty=2, minutes=10)
def cache_bytes():
    """How many bytes of keys and values does a model hold after 512 tokens, if it keeps them all to go on writing?

    12 layers of MultiHeadAttention(512, heads=8, kv_heads=2), one sequence, float32.
    """
    # For each layer and each token: a key and a value. How many heads have one, and how many numbers has a head?
    return 12 * 512 * 2 * (2 * 64) * 4

"""Chapter 12, attention: scores, what may not be seen, weights, heads, and a softmax that is taken in steps.

Queries q (..., T, d), keys k (..., S, d), scores (..., T, S). Every oracle is a loop over queries, keys or heads.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import filled, mixed, shapes, whole_numbers

from tito.rubrics.compare import close, holds, refuses
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("12", module="attention")

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
    z.sum().backward()
    return [z, q.grad, k.grad]


def products(q, k):
    """Each query times each key."""
    z = np.empty((*q.shape[:-1], k.shape[-2]), q.dtype)
    for place in np.ndindex(z.shape):
        z[place] = (q[place[:-1]] * k[(*place[:-2], place[-1])]).sum()
    return z


rubric.doctests("attention_scores", points=1)


@rubric.check("attention_scores", points=1)
@given(queries_and_keys(), st.sampled_from([None, None, 1.0, 0.25]))
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
@given(queries_and_keys())
def scores_have_a_gradient(student, q, k):
    """Composed of tensors' functions, the scores hand gradients back to queries and keys."""
    _, dq, dk = student.scored(q, k, 1.0)
    close(dq, np.broadcast_to(k.sum(axis=-2, keepdims=True), q.shape), "q.grad")
    close(dk, np.broadcast_to(q.sum(axis=-2, keepdims=True), k.shape), "k.grad")


# -- causal_mask ------------------------------------------------------------------------------------------------------

rubric.doctests("causal_mask", points=1)


@rubric.check("causal_mask", points=2)
@given(st.integers(1, 4), st.integers(0, 4), st.booleans())
def nothing_later_is_seen(student, queries, earlier, alone):
    """Query t sees the keys up to its own; with more keys than queries, the queries are the last ones."""
    keys = queries if alone else queries + earlier
    mask = student.causal_mask(queries) if alone else student.causal_mask(queries, keys)
    expected = np.array([[s <= t + keys - queries for s in range(keys)] for t in range(queries)])
    mistakes = {
        "a query does not see its own key": np.array(
            [[s < t + keys - queries for s in range(keys)] for t in range(queries)]
        ),
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
def hidden(tt, scores, mask):
    scores = tt.Tensor(scores, requires_grad=True)
    z = tt.attention.masked(scores, mask)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1, dtype=z.dtype).reshape(z.shape)))
    return [z.exp(), scores.grad]  # e^-inf is 0, and an answer is finite


rubric.doctests("masked", points=1)


@rubric.check("masked", points=1)
@given(scores_and_mask())
def what_is_not_allowed_is_minus_infinity(student, scores, mask):
    """Where the mask is False, the score is -inf and its gradient 0; where it is True, both are as they were."""
    z, g = student.hidden(scores, mask)
    allowed = np.broadcast_to(mask, scores.shape)
    mistakes = {"True and False are the wrong way round": np.where(allowed, 0, np.exp(scores))}
    close(z, np.where(allowed, np.exp(scores), 0).astype(scores.dtype), "e^masked", mistakes=mistakes)
    g_expected = np.arange(1.0, scores.size + 1).reshape(scores.shape) * allowed
    close(g, g_expected.astype(scores.dtype), "scores.grad")


@rubric.check("masked", points=1)
@given(scores_and_mask(), st.integers(1, 3))
def a_mask_of_numbers_is_added(student, scores, mask, least):
    """A float mask is a bias of the scores: added as it is. Without a mask, nothing changes."""
    added = (mask * 2.0 - least).astype(scores.dtype)
    z, _ = student.hidden(scores, added)
    close(z, np.exp(scores + added), "e^masked")
    close(student.hidden(scores, None)[0], np.exp(scores), "e^scores without a mask")


# -- attention_weights ------------------------------------------------------------------------------------------------


@st.composite
def rows_of_scores(draw):
    """Scores (..., T, S), of which some are -inf: now and then a whole row."""
    scores = draw(mixed((*draw(shapes(1, 2)), draw(few), draw(st.integers(2, 4)))))
    return scores, draw(filled(scores.shape, st.booleans(), bool))


@rubric.probe
def weighed(tt, scores, hide, empty):
    scores = np.where(hide, -np.inf, scores)
    if empty:
        scores[..., 0, :] = -np.inf
    scores = tt.Tensor(scores, requires_grad=True)
    z = tt.attention.attention_weights(scores)
    z.backward(tt.Tensor(np.arange(1.0, z.numel() + 1).reshape(z.shape)))
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
    """e^score over the sum of its row, whatever all scores of the row share; what is -inf has no weight."""
    hide = hide & (np.arange(hide.shape[-1]) < hide.shape[-1] - 1)  # the last one is always seen
    yours, _ = student.weighed(scores + shift, hide, False)
    wrong = np.exp(scores) / np.exp(scores).sum(axis=-2, keepdims=True)
    mistakes = {"columns sum to 1: rows should": wrong}
    close(yours, softmax_rows(np.where(hide, -np.inf, scores)), "the weights", mistakes=mistakes)


@rubric.check("attention_weights", points=1)
@given(rows_of_scores())
def an_empty_row_has_no_weights(student, scores, hide):
    """A row that is -inf throughout gets zeros, not nan, and its gradient is zero, too."""
    yours, gradient = student.weighed(scores, hide, True)
    everything = np.where(hide, -np.inf, scores)
    everything[..., 0, :] = -np.inf
    z, g = softmax_rows(everything), np.arange(1.0, scores.size + 1).reshape(scores.shape)
    close(yours, z, "the weights")
    close(gradient, z * (g - (g * z).sum(axis=-1, keepdims=True)), "scores.grad", atol=1e-9)


# -- split_heads, join_heads ------------------------------------------------------------------------------------------


@st.composite
def places_and_heads(draw):
    """x (..., T, heads d), and how many heads."""
    heads = draw(few)
    return draw(mixed((*draw(shapes(1, 2)), draw(few), heads * draw(few)))), heads


@rubric.probe
def cut(tt, x, heads):
    return tt.attention.split_heads(tt.Tensor(x), heads)


@rubric.probe
def whole(tt, x):
    return tt.attention.join_heads(tt.Tensor(x))


def dealt(x, heads):
    """Head h has numbers h d to (h + 1) d of each place."""
    d = x.shape[-1] // heads
    return np.stack([x[..., h * d : (h + 1) * d] for h in range(heads)], axis=-3)


rubric.doctests("split_heads", points=1)


@rubric.check("split_heads", points=1)
@given(places_and_heads())
def each_head_has_its_numbers(student, x, heads):
    """Head h gets numbers h d to (h + 1) d of every place; heads come before places. Or else: refuse."""
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
    close(student.cut(x, heads), dealt(x, heads), "the heads", mistakes=mistakes)
    refuses("ValueError", student.cut, x, width + 1, mentioning=[str(width + 1), str(width)])


rubric.doctests("join_heads", points=1)


@rubric.check("join_heads", points=1)
@given(places_and_heads())
def splitting_is_undone(student, x, heads):
    """The numbers of all heads stand side by side again, at each place."""
    apart = dealt(x, heads)
    mistakes = {"places and heads were not exchanged back": apart.reshape(x.shape)}
    close(student.whole(apart), x, "what is joined", mistakes=mistakes)


# -- online_softmax_step ----------------------------------------------------------------------------------------------


@st.composite
def scores_in_two_parts(draw):
    """Scores (T, S) and values (S, c), and where to cut the S."""
    t, s, c = draw(few), draw(st.integers(2, 5)), draw(few)
    return draw(whole_numbers((t, s))), draw(mixed((s, c))), draw(st.integers(1, s - 1))


@rubric.probe
def stepped(tt, largest, total, values, scores, more):
    running = tt.attention.Running(largest, total, values)
    return list(tt.attention.online_softmax_step(running, scores, more))


def known(scores, values):
    """What is known of a softmax-weighted mean after these scores."""
    largest = scores.max(axis=-1, keepdims=True)
    e = np.exp(scores - largest)
    return largest, e.sum(axis=-1, keepdims=True), e @ values


rubric.doctests("online_softmax_step", points=1)


@rubric.check("online_softmax_step", points=2)
@given(scores_in_two_parts(), st.sampled_from([0.0, 1000.0, -1000.0]))
def two_steps_are_one(student, scores, values, at, shift):
    """After the second part all is known that the whole would tell: the largest, the sum, the sum of values."""
    scores = scores + shift
    before = known(scores[:, :at], values[:at])
    yours = student.stepped(*before, scores[:, at:], values[at:])
    holds(len(yours) == 3, "a Running has three parts: the largest, the total, the values")
    later = known(scores[:, at:], values[at:])
    mistakes = [
        {"this is the second part's largest alone": later[0]},
        {"what was summed before is not scaled": before[1] + later[1], "what was before is forgotten": later[1]},
        {"what was summed before is not scaled": before[2] + later[2], "what was before is forgotten": later[2]},
    ]
    for mine, expected, wrong, name in zip(yours, known(scores, values), mistakes, ("largest", "total", "values")):
        close(mine, expected, name, mistakes=wrong)

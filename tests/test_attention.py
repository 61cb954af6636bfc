"""What is true of attention: one primitive, its blockwise kin, the textbook's steps and PyTorch's all agree."""

import copy
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch

from tinytorch import attention
from tinytorch.attention import (
    MultiHeadAttention,
    MultiheadAttention,
    Running,
    attention_scores,
    attention_weights,
    blockwise_attention,
    causal_mask,
    join_heads,
    masked,
    online_softmax_step,
    padding_mask,
    repeat_heads,
    scaled_dot_product_attention,
    split_heads,
    textbook_attention,
)
from tinytorch.autograd import gradcheck
from tinytorch.embeddings import rotate
from tinytorch.layers import Dropout
from tinytorch.tensor import Tensor, concatenate, no_grad

TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


def noise(*shape, seed=0, dtype="float64"):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def close(ours, theirs, dtype="float64"):
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[str(dtype)], atol=TOLERANCE[str(dtype)])


def ran_back(function, arrays, seed=9):
    """What function makes of tensors, and their gradients."""
    inputs = [Tensor(a, requires_grad=True) for a in arrays]
    z = function(*inputs)
    z.backward(Tensor(noise(*z.shape, seed=seed, dtype=z.dtype)))
    return [z.data, *(x.grad.data for x in inputs)]


def ran_back_in_pytorch(function, arrays, seed=9):
    torch = pytorch()
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    z = function(*inputs)
    z.backward(torch.tensor(noise(*z.shape, seed=seed, dtype=arrays[0].dtype)))
    return [z.detach().numpy(), *(x.grad.numpy() for x in inputs)]


def agree(ours, theirs, dtype="float64"):
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape and mine.dtype == dtype
        close(mine, other, dtype)


# -- the textbook's steps ------------------------------------------------------------------------------------------


def test_scores_of_independent_numbers_have_variance_1():
    q, k = noise(1000, 64), noise(1000, 64, seed=1)
    scores = attention_scores(Tensor(q), Tensor(k)).data
    assert abs(scores.var() - 1) < 0.05
    close(attention_scores(Tensor(q), Tensor(k), scale=2.0).data, 2 * q @ k.T)


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (4, 4), (1, 5), (3, 5), (5, 3)])
def test_a_causal_mask_lets_each_query_see_what_is_not_later(queries, keys):
    mask = causal_mask(queries, keys)
    for t in range(queries):
        for s in range(keys):
            assert mask[t, s] == (s <= t + keys - queries)


def test_padding_is_hidden_from_every_head_and_query():
    mask = padding_mask([2, 0, 3], 3)
    assert mask.shape == (3, 1, 1, 3)
    assert mask[:, 0, 0].tolist() == [[True, True, False], [False] * 3, [True] * 3]


def test_masks_choose_or_add():
    scores = Tensor(noise(2, 3))
    assert masked(scores, None) is scores
    added = noise(2, 3, seed=1)
    close(masked(scores, added).data, scores.data + added)
    assert np.isneginf(masked(scores, np.zeros((2, 3), bool)).data).all()


def test_weights_are_a_distribution_or_nothing():
    scores = noise(4, 5)
    scores[1] = -math.inf
    scores[2, 3:] = -math.inf
    z, dx = ran_back(attention_weights, [scores])
    assert z.sum(axis=1).tolist() == pytest.approx([1, 0, 1, 1])
    assert (z[2, 3:] == 0).all() and np.isfinite(dx).all() and not dx[1].any()
    close(attention_weights(Tensor(scores[[0, 2, 3]] + 500)).data, z[[0, 2, 3]])


@pytest.mark.parametrize("heads", [1, 2, 6])
@pytest.mark.parametrize("lead", [(), (2,)])
def test_heads_are_cut_and_joined_again_without_copying(heads, lead):
    x = Tensor(noise(*lead, 3, 6))
    cut = split_heads(x, heads)
    assert cut.shape == (*lead, heads, 3, 6 // heads) and np.shares_memory(cut.data, x.data)
    for head in range(heads):
        close(cut.data[..., head, :, :], x.data[..., head * 6 // heads : (head + 1) * 6 // heads])
    np.testing.assert_array_equal(join_heads(cut).data, x.data)


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="4 heads do not divide 6 numbers"):
        split_heads(Tensor(noise(2, 6)), 4)
    with pytest.raises(ValueError, match="0 heads do not divide 6 numbers"):
        split_heads(Tensor(noise(2, 6)), 0)


# -- one primitive -------------------------------------------------------------------------------------------------


@st.composite
def attentions(draw):
    """Shapes of query, key and value, the options, and a mask of one kind or none."""
    sizes = st.integers(1, 9)
    t, s, d, c = (draw(sizes) for _ in range(4))
    kind = draw(st.sampled_from(["plain", "heads", "no heads", "grouped", "one key head", "broadcast"]))
    b, k, g = (draw(st.integers(1, 3)) for _ in range(3))
    lead = {
        "plain": ((b,), (b,)),
        "heads": ((b, k), (b, k)),
        "no heads": ((), ()),
        "grouped": ((b, k * g), (b, k)),
        "one key head": ((b, g), (b, 1)),
        "broadcast": ((b, k), (k,)),
    }[kind]
    options = {"scale": draw(st.sampled_from([None, 0.3, 2.0])), "enable_gqa": kind in ("grouped", "one key head")}
    masks = draw(st.sampled_from(["none", "causal", "rows", "keys", "added"]))
    shapes = ((*lead[0], t, d), (*lead[1], s, d), (*lead[1], s, c))
    return shapes, options, masks


def mask_of(kind, shapes):
    queries, keys = shapes[0][-2], shapes[1][-2]
    return {
        "none": None,
        "causal": None,
        "rows": np.random.default_rng(1).random((queries, keys)) < 0.5,  # some rows allow nothing
        "keys": np.arange(keys) % 3 < 2,
        "added": noise(queries, keys, seed=5),
    }[kind]


@settings(max_examples=150, deadline=None)
@given(attentions(), st.sampled_from(["float32", "float64"]), st.sampled_from([1, 700, 2**18]))
def test_the_primitive_agrees_with_pytorch(case, dtype, block):
    torch = pytorch()
    shapes, options, kind = case
    arrays = [noise(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]
    mask = mask_of(kind, shapes)
    if kind == "keys":
        mask = np.broadcast_to(mask, (shapes[0][-2], len(mask)))
    options["is_causal"] = kind == "causal"
    if kind == "added":
        arrays.append(mask.astype(dtype))
    fixed = None if kind == "added" or mask is None else mask

    def ours(q, k, v, added=None):
        return scaled_dot_product_attention(q, k, v, fixed if added is None else added, **options)

    def theirs(q, k, v, added=None):
        given = torch.tensor(np.array(fixed)) if fixed is not None else added
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "BLOCK", block)
        agree(ran_back(ours, arrays), ran_back_in_pytorch(theirs, arrays), dtype)


@settings(max_examples=60, deadline=None)
@given(attentions())
def test_the_primitive_computes_what_the_textbook_does(case):
    shapes, options, kind = case
    arrays = [noise(*shape, seed=i) for i, shape in enumerate(shapes)]
    queries, keys = shapes[0][-2], shapes[1][-2]
    mask = np.tri(queries, keys, dtype=bool) if kind == "causal" else mask_of(kind, shapes)
    groups = shapes[0][-3] // shapes[1][-3] if options["enable_gqa"] else 1

    def textbook(q, k, v):
        k, v = (repeat_heads(x, groups) if groups > 1 else x for x in (k, v))
        return textbook_attention(q, k, v, mask, options["scale"])

    def fused(q, k, v):
        given = None if kind == "causal" else mask
        return scaled_dot_product_attention(q, k, v, given, is_causal=kind == "causal", **options)

    agree(ran_back(fused, arrays), ran_back(textbook, arrays))


def test_views_of_joined_heads_are_read_and_left_as_they_are():
    wide = [noise(2, 5, 12, seed=i) for i in range(3)]

    def whole(q, k, v):
        q, k, v = (split_heads(x, 3) for x in (q, k, v))
        z = scaled_dot_product_attention(q, k, v, is_causal=True)
        assert join_heads(z).data.base is not None  # joined without a copy
        return join_heads(z)

    def textbook(q, k, v):
        return join_heads(textbook_attention(*(split_heads(x, 3) for x in (q, k, v)), causal_mask(5)))

    before = [x.copy() for x in wide]
    agree(ran_back(whole, wide), ran_back(textbook, wide))
    for x, was in zip(wide, before):
        np.testing.assert_array_equal(x, was)


def test_a_causal_query_knows_nothing_of_what_is_later():
    q, k, v = (noise(1, 2, 6, 4, seed=i) for i in range(3))
    z = scaled_dot_product_attention(q, k, v, is_causal=True).data
    k[:, :, 4:], v[:, :, 4:] = 100, -100
    changed = scaled_dot_product_attention(q, k, v, is_causal=True).data
    np.testing.assert_array_equal(z[:, :, :4], changed[:, :, :4])
    assert (z[:, :, 4:] != changed[:, :, 4:]).any()


def test_large_scores_overflow_nowhere():
    q = np.array([[1e4, 0.0], [0.0, 1e4]], np.float32)
    z, dq, _, dv = ran_back(lambda q, k, v: scaled_dot_product_attention(q, k, v), [q, q, q])
    close(z, q, "float32")
    assert np.isfinite(dq).all() and np.isfinite(dv).all()


def test_gradients_are_for_those_who_need_them():
    q, k, v = (noise(2, 4, 3, seed=i) for i in range(3))
    only = Tensor(v, requires_grad=True)
    scaled_dot_product_attention(q, k, only).sum().backward()
    close(
        only.grad.data, ran_back(lambda v: scaled_dot_product_attention(q, k, v).sum(), [v], seed=9)[1] / noise(seed=9)
    )


def test_nothing_attends_to_nothing():
    empty = np.zeros((2, 0, 3))
    assert scaled_dot_product_attention(empty, empty, empty).shape == (2, 0, 3)
    assert not scaled_dot_product_attention(noise(2, 4, 3), empty, empty).data.any()
    assert (blockwise_attention(noise(2, 4, 3), empty, empty).data == 0).all()
    assert (
        scaled_dot_product_attention(np.zeros((0, 2, 4, 3)), np.zeros((0, 2, 4, 3)), np.zeros((0, 2, 4, 3))).numel()
        == 0
    )


def test_dropped_weights_are_zero_and_the_gradient_knows_which():
    arrays = [noise(2, 2, 5, 4, seed=i) for i in range(3)]

    def dropped(q, k, v):
        rng = np.random.default_rng(4)
        return scaled_dot_product_attention(q, k, v, dropout_p=0.4, is_causal=True, rng=rng)

    assert gradcheck(dropped, *arrays)
    q, k = Tensor(arrays[0]), Tensor(arrays[1])
    weights = attention_weights(masked(attention_scores(q, k), causal_mask(5))).data
    ones = np.broadcast_to(np.eye(5), (2, 2, 5, 5))  # values that show the weights themselves
    seen = dropped(q, k, ones).data
    kept = seen != 0
    close(seen[kept], weights[kept] / 0.6)
    assert 0.2 < 1 - kept[weights > 0].mean() < 0.6
    for wrong in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match=f"0 <= p < 1, got {wrong}"):
            scaled_dot_product_attention(q, k, ones, dropout_p=wrong)


@pytest.mark.parametrize(
    ("q", "k", "v", "options", "message"),
    [
        ((2, 4), (3, 5), (3, 4), {}, r"query \(2, 4\), key \(3, 5\)"),
        ((2, 4), (3, 4), (5, 4), {}, r"a value for each key, .* value \(5, 4\)"),
        ((4,), (3, 4), (3, 4), {}, r"query \(4,\)"),
        ((5, 2, 4), (2, 3, 4), (2, 3, 4), {"enable_gqa": True}, r"divide the heads of queries, .* key \(2, 3, 4\)"),
        ((2, 4), (3, 4), (3, 4), {"enable_gqa": True}, r"divide the heads"),
        ((4, 2, 4), (2, 3, 4), (2, 3, 4), {}, r"\(4,\) and \(2,\) .* do not broadcast"),
        ((2, 4), (3, 4), (3, 4), {"attn_mask": np.ones((2, 2), bool)}, r"\(2, 2\)"),
        ((2, 4), (3, 4), (3, 4), {"attn_mask": np.ones((2, 3), bool), "is_causal": True}, "not both"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(q, k, v, options, message):
    with pytest.raises(ValueError, match=message):
        scaled_dot_product_attention(np.zeros(q), np.zeros(k), np.zeros(v), **options)


def test_a_mask_of_whole_numbers_could_mean_either_and_is_refused():
    x = noise(2, 3)
    with pytest.raises(TypeError, match=r"True and False, or of floats .* got int64"):
        scaled_dot_product_attention(x, x, x, np.ones((2, 2), np.int64))


# -- block by block ------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(0, 99))
def test_a_softmax_may_be_taken_in_any_number_of_steps(sizes, seed):
    scores, values = 20 * noise(3, sum(sizes), seed=seed), noise(sum(sizes), 2, seed=seed)
    running = Running(np.full((3, 1), -1e300), np.zeros((3, 1)), np.zeros((3, 2)))
    ends = np.cumsum(sizes)
    for first, last in zip([0, *ends], ends):
        running = online_softmax_step(running, scores[:, first:last], values[first:last])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    close(running.values / running.total, (weights / weights.sum(axis=1, keepdims=True)) @ values)
    close(running.largest, scores.max(axis=1, keepdims=True))
    close(running.total, weights.sum(axis=1, keepdims=True))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)), st.booleans(), st.integers(1, 10),
    st.sampled_from([((), ()), ((2, 3), (2, 3)), ((2, 3), (1, 3))]), st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_blocks_compute_what_the_whole_does(sizes, is_causal, block, leads, dtype):
    (queries, keys), (lead, others) = sizes, leads
    shapes = [(*lead, queries, 4), (*others, keys, 4), (*others, keys, 3)]
    arrays = [noise(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]
    whole = lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=0.7)
    by_block = lambda q, k, v: blockwise_attention(q, k, v, is_causal=is_causal, scale=0.7, block=block)
    agree(ran_back(by_block, arrays), ran_back(whole, arrays), dtype)


def test_blocks_need_memory_that_grows_with_the_length_not_with_its_square():
    def peak(function, length):
        q = Tensor(noise(length, 8, dtype="float32"), requires_grad=True)
        tracemalloc.start()
        function(q, q, q).sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    blockwise = lambda q, k, v: blockwise_attention(q, k, v, is_causal=True, block=64)
    assert peak(blockwise, 2048) < 3 * peak(blockwise, 1024)
    assert peak(blockwise, 2048) < 2048 * 2048 * 4 / 8
    assert peak(lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True), 2048) > 2048 * 2048 * 4 / 2


# -- modules -------------------------------------------------------------------------------------------------------


def twins(width=8, heads=2, **options):
    """Our MultiheadAttention, and PyTorch's with the same weights: theirs are (out, in), and three in one."""
    torch = pytorch()
    ours = MultiheadAttention(width, heads, **options, rng=np.random.default_rng(0))
    theirs = torch.nn.MultiheadAttention(width, heads, **options)
    parts = [ours.query, ours.key, ours.value]
    state = {
        "in_proj_weight": np.concatenate([part.weight.data.T for part in parts]),
        "out_proj.weight": ours.out.weight.data.T,
    }
    if options.get("bias", True):
        for i, part in enumerate([*parts, ours.out]):
            part.bias.data[...] = noise(width, seed=i, dtype="float32")
        state["in_proj_bias"] = np.concatenate([part.bias.data for part in parts])
        state["out_proj.bias"] = ours.out.bias.data
    theirs.load_state_dict({name: torch.tensor(np.ascontiguousarray(a)) for name, a in state.items()})
    return ours, theirs


MASKS = {
    "none": {},
    "causal": {"attn_mask": ~causal_mask(5), "is_causal": True},
    "padding": {"key_padding_mask": np.arange(5) >= np.array([5, 3])[:, None]},
    "both": {"attn_mask": ~causal_mask(5), "key_padding_mask": np.arange(5) >= np.array([5, 3])[:, None]},
    "added": {"attn_mask": noise(5, 5, dtype="float32")},
    "each head's": {"attn_mask": noise(4, 5, 5, dtype="float32")},
}


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"batch_first": True}], ids=str)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masks", MASKS)
def test_the_module_agrees_with_pytorch(options, need_weights, masks):
    torch = pytorch()
    ours, theirs = twins(**options)
    arrays = [noise(*((2, 5) if options.get("batch_first") else (5, 2)), 8, seed=i, dtype="float32") for i in range(3)]
    given = MASKS[masks]
    inputs, leaves = [Tensor(a, True) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]
    z, weights = ours(*inputs, need_weights=need_weights, **given)
    in_torch = {name: torch.tensor(value) if isinstance(value, np.ndarray) else value for name, value in given.items()}
    other, other_weights = theirs(*leaves, need_weights=need_weights, **in_torch)
    (z * z).sum().backward()
    (other * other).sum().backward()
    close(z.data, other.detach().numpy(), "float32")
    for mine, leaf in zip(inputs, leaves):
        np.testing.assert_allclose(mine.grad.data, leaf.grad.numpy(), rtol=1e-4, atol=1e-5)
    expected = np.concatenate([p.weight.grad.data.T for p in (ours.query, ours.key, ours.value)])
    np.testing.assert_allclose(expected, theirs.in_proj_weight.grad.numpy(), rtol=1e-4, atol=1e-4)
    assert (weights is None) == (other_weights is None)
    if need_weights:
        close(weights.data, other_weights.detach().numpy(), "float32")
        each = ours(*inputs, average_attn_weights=False, **given)[1]
        assert each.shape == (2, 2, 5, 5)
        close(each.data.mean(axis=1), weights.data, "float32")


def test_a_causal_hint_without_its_mask_is_refused_as_by_pytorch():
    ours, _ = twins()
    x = Tensor(noise(5, 2, 8, dtype="float32"))
    with pytest.raises(ValueError, match="pass that mask, too"):
        ours(x, x, x, is_causal=True)


def test_self_attention_is_the_textbook_s_between_four_linear_layers():
    model, x = MultiHeadAttention(12, 3, rng=np.random.default_rng(0)), Tensor(noise(2, 5, 12, dtype="float32"))
    q, k, v = (split_heads(part(x), 3) for part in (model.query, model.key, model.value))
    close(model(x).data, model.out(join_heads(textbook_attention(q, k, v))).data, "float32")
    causal = model.out(join_heads(textbook_attention(q, k, v, causal_mask(5))))
    close(model(x, is_causal=True).data, causal.data, "float32")


def test_memory_is_asked_in_place_of_x():
    model = MultiHeadAttention(8, 2, rng=np.random.default_rng(0))
    x, memory = (Tensor(noise(2, n, 8, dtype="float32")) for n in (3, 5))
    z = model(x, memory)
    assert z.shape == (2, 3, 8)
    order = [4, 2, 0, 1, 3]  # without a mask the order of the memory does not matter
    close(model(x, memory[:, order]).data, z.data, "float32")
    assert (model(x).data != z.data).any()


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_shared_heads_compute_what_repeated_ones_do(kv_heads):
    model = MultiHeadAttention(8, 4, kv_heads=kv_heads, rng=np.random.default_rng(0))
    x = Tensor(noise(2, 5, 8, dtype="float32"))
    assert model.key.weight.shape == model.value.weight.shape == (8, 2 * kv_heads)
    q, k, v = model.project(x, x, x)
    k, v = (repeat_heads(part, 4 // kv_heads) for part in (k, v))
    expected = model.out(join_heads(textbook_attention(q, k, v, causal_mask(5))))
    close(model(x, is_causal=True).data, expected.data, "float32")


@pytest.mark.parametrize(("width", "heads", "kv_heads"), [(8, 3, None), (8, 4, 3), (8, 0, None), (8, 2, 4)])
def test_heads_that_share_unevenly_are_refused(width, heads, kv_heads):
    with pytest.raises(ValueError, match=f"got {width}, {heads} and"):
        MultiHeadAttention(width, heads, kv_heads)


class Notebook:
    """The simplest cache: it keeps all keys and values."""

    def __init__(self):
        self.k = self.v = None

    def update(self, k, v):
        self.k = k if self.k is None else concatenate([self.k, k], dim=-2)
        self.v = v if self.v is None else concatenate([self.v, v], dim=-2)
        return self.k, self.v


@pytest.mark.parametrize("steps", [[6], [1, 1, 1, 1, 1, 1], [3, 1, 2], [2, 4]])
@pytest.mark.parametrize("kv_heads", [2, 4])
def test_a_cache_gives_in_steps_what_one_pass_gives(steps, kv_heads):
    model, x = MultiHeadAttention(8, 4, kv_heads=kv_heads), Tensor(noise(2, 6, 8, dtype="float32"))
    turned = lambda start: lambda x: rotate(x, start=start)
    whole = model(x, is_causal=True, prepare=turned(0)).data
    cache, parts, start = Notebook(), [], 0
    with no_grad():
        for count in steps:
            some = x[:, start : start + count]
            parts.append(model(some, is_causal=True, cache=cache, prepare=turned(start)).data)
            start += count
    close(np.concatenate(parts, axis=1), whole, "float32")


@pytest.mark.parametrize(
    "mask", [padding_mask([2, 4], 4), np.where(padding_mask([2, 4], 4), 0.5, -np.inf)], ids=["bool", "float"]
)
def test_a_mask_and_the_causal_one_both_count(mask):
    model, x = MultiHeadAttention(8, 2), Tensor(noise(2, 4, 8, dtype="float32"))
    mask = mask.astype(np.float32) if mask.dtype != bool else mask
    q, k, v = model.project(x, x, x)
    scores = masked(masked(attention_scores(q, k), mask), causal_mask(4))
    expected = model.out(join_heads(attention_weights(scores) @ v))
    close(model(x, mask=mask, is_causal=True).data, expected.data, "float32")
    one = model(x[:, :1], memory=x, mask=mask, is_causal=True)
    free = model.out(join_heads(attention_weights(masked(attention_scores(q[:, :, :1], k), mask)) @ v))
    close(one.data, free.data, "float32")


def test_weights_are_dropped_in_training_alone_and_by_the_package_s_generator():
    from tinytorch.environment import manual_seed

    model, x = MultiHeadAttention(8, 2, dropout=0.5), Tensor(noise(2, 4, 8, dtype="float32"))
    twin = copy.deepcopy(model)
    drawn = []
    for each in (model, twin):
        manual_seed(3)
        drawn.append(each(x).data)
    np.testing.assert_array_equal(*drawn)
    assert (model(x).data != drawn[0]).any()
    model.eval()
    np.testing.assert_array_equal(model(x).data, model(x).data)
    assert Dropout(0.5).rng is model.rng is None


def test_pytorch_s_twin_drops_weights_too():
    model, x = MultiheadAttention(8, 2, dropout=0.5), Tensor(noise(4, 2, 8, dtype="float32"))
    for need_weights in (True, False):
        first, second = (model(x, x, x, need_weights=need_weights)[0].data for _ in range(2))
        assert (first != second).any()
        model.eval()
        np.testing.assert_array_equal(*(model(x, x, x, need_weights=need_weights)[0].data for _ in range(2)))
        model.train()

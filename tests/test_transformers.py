"""What is true of transformers: they are PyTorch's and Hugging Face's, forwards and back, and they learn."""

import copy
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch

from tinytorch import attention, serialization, transformers
from tinytorch.autograd import gradcheck
from tinytorch.optimizers import AdamW, Muon
from tinytorch.tensor import Tensor, concatenate, no_grad, observers
from tinytorch.transformers import (
    GPT,
    Block,
    Encoder,
    FeedForward,
    LayerNorm,
    RMSNorm,
    SwiGLU,
    Transformer,
    TransformerConfig,
    VisionTransformer,
    as_ids,
    choose_token,
    cut_patches,
    distribution,
    feed_forward,
    flops_per_token,
    gelu_and_slope,
    generate,
    keep_top_k,
    keep_top_p,
    layer_norm,
    mask_tokens,
    next_token_loss,
    parameter_bytes,
    parameter_count,
    rms_norm,
    sample,
    squared_relu_and_slope,
)

TOLERANCE = {"float32": 5e-5, "float64": 1e-10}


def noise(*shape, seed=0, dtype="float64"):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def close(ours, theirs, dtype="float64"):
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[str(dtype)], atol=TOLERANCE[str(dtype)])


def ran_back(function, arrays):
    inputs = [Tensor(a, requires_grad=True) for a in arrays]
    z = function(*inputs)
    z.backward(Tensor(noise(*z.shape, seed=9, dtype=z.dtype)))
    return [z.data, *(x.grad.data for x in inputs)]


def ran_back_in_pytorch(function, arrays):
    torch = pytorch()
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    z = function(*inputs)
    z.backward(torch.tensor(noise(*z.shape, seed=9, dtype=arrays[0].dtype)))
    return [z.detach().numpy(), *(x.grad.numpy() for x in inputs)]


def agree(ours, theirs, dtype="float64"):
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape and mine.dtype == dtype
        close(mine, other, dtype)


# -- normalisation -------------------------------------------------------------------------------------------------

SHAPES = [
    ((4,), (4,)),
    ((3, 4), (4,)),
    ((2, 3, 4), (4,)),
    ((2, 3, 4), (3, 4)),
    ((7, 1), (1,)),
    ((0, 4), (4,)),
    ((5, 129), (129,)),
]
OURS, THEIRS = {"layer": layer_norm, "rms": rms_norm}, {"layer": "layer_norm", "rms": "rms_norm"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("block", [1, 100, 2**19])
@pytest.mark.parametrize(("kind", "learned"), [("layer", 0), ("layer", 1), ("layer", 2), ("rms", 0), ("rms", 1)])
@pytest.mark.parametrize(("shape", "over"), SHAPES, ids=str)
def test_normalisation_agrees_with_pytorch(shape, over, kind, learned, block, dtype, monkeypatch):
    torch = pytorch()
    monkeypatch.setattr(transformers, "BLOCK", block)
    arrays = [3 * noise(*shape, dtype=dtype) + 5]
    arrays += [noise(*over, seed=i, dtype=dtype) for i in range(learned)]
    ours = lambda x, *learned: OURS[kind](x, over, *learned, eps=1e-3)
    theirs = lambda x, *learned: getattr(torch.nn.functional, THEIRS[kind])(x, over, *learned, eps=1e-3)
    agree(ran_back(ours, arrays), ran_back_in_pytorch(theirs, arrays), dtype)


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_modules_agree_with_pytorch(kind):
    torch = pytorch()
    ours, theirs = {"layer": (LayerNorm, torch.nn.LayerNorm), "rms": (RMSNorm, torch.nn.RMSNorm)}[kind]
    x = noise(2, 3, 5, dtype="float32")
    for shape in (5, (5,), (3, 5), [3, 5]):
        close(ours(shape)(Tensor(x)).data, theirs(shape)(torch.tensor(x)).detach().numpy(), "float32")
        names = [name for name, _ in theirs(shape).named_parameters()]
        assert [name for name, _ in ours(shape).named_parameters()] == names
        bare = ours(shape, elementwise_affine=False)
        assert list(bare.parameters()) == []
        close(bare(Tensor(x)).data, theirs(shape, elementwise_affine=False)(torch.tensor(x)).numpy(), "float32")


def test_a_layer_norm_without_bias_learns_its_weight_alone():
    model = LayerNorm(4, bias=False)
    assert [name for name, _ in model.named_parameters()] == ["weight"]
    model(Tensor(noise(2, 4, dtype="float32"))).sum().backward()
    assert model.weight.grad.shape == (4,)


def test_rms_norm_s_own_eps_is_the_dtype_s():
    tiny = np.full((1, 4), 1e-3)
    close(rms_norm(tiny, 4).data, tiny / np.sqrt(1e-6 + np.finfo(np.float64).eps))
    tiny = tiny.astype(np.float32)
    close(rms_norm(tiny, 4).data, tiny / np.sqrt(1e-6 + np.finfo(np.float32).eps), "float32")


def test_a_layer_norm_ignores_what_a_row_shares():
    x = noise(3, 6)
    close(layer_norm(x + 7, 6, eps=0.0).data, layer_norm(x, 6, eps=0.0).data)
    close(layer_norm(x * 7, 6, eps=0.0).data, layer_norm(x, 6, eps=0.0).data)
    z = layer_norm(x, 6, eps=0.0).data
    close(z.mean(axis=1), np.zeros(3))
    close(z.var(axis=1), np.ones(3))


@pytest.mark.parametrize("norm", [layer_norm, rms_norm])
def test_rows_that_do_not_fit_are_named(norm):
    with pytest.raises(ValueError, match=r"over \(4,\) needs x \(\.\.\., 4\), got \(2, 3\)"):
        norm(noise(2, 3), 4)
    with pytest.raises(ValueError, match=r"needs a weight of that shape, got \(1,\)"):
        norm(noise(2, 3), 3, np.ones(1))
    with pytest.raises(ValueError, match=r"over \(\)"):
        norm(noise(2, 3), ())


# -- feed-forward --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [gelu_and_slope, squared_relu_and_slope])
def test_slopes_are_those_of_the_values(function):
    x, eps = np.linspace(-4, 4, 41) + 0.013, 1e-6

    def at(x):
        value, slope = np.empty_like(x), np.empty_like(x)
        function(x.copy(), value, slope)
        return value, slope

    np.testing.assert_allclose(at(x)[1], (at(x + eps)[0] - at(x - eps)[0]) / (2 * eps), atol=1e-6)
    assert np.isfinite(at(np.array([-1e4, 1e4], np.float32))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("block", [1, 200, 2**19])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "squared_relu"])
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3), (0, 3)], ids=str)
def test_one_primitive_is_linear_activation_linear(shape, activation, bias, block, dtype, monkeypatch):
    torch = pytorch()
    monkeypatch.setattr(transformers, "BLOCK", block)
    arrays = [noise(*s, dtype=dtype) for s in (shape, (3, 7), (7,), (7, 3), (3,))]
    functional = torch.nn.functional
    f = {"gelu": lambda h: functional.gelu(h, approximate="tanh"), "squared_relu": lambda h: functional.relu(h) ** 2}
    if not bias:
        arrays = [arrays[0], arrays[1], arrays[3]]
        ours = lambda x, up, down: feed_forward(x, up, None, down, None, activation=activation)
        theirs = lambda x, up, down: f[activation](x @ up) @ down
    else:
        ours = lambda *inputs: feed_forward(*inputs, activation=activation)
        theirs = lambda x, up, a, down, b: f[activation](x @ up + a) @ down + b
    agree(ran_back(ours, arrays), ran_back_in_pytorch(theirs, arrays), dtype)


def test_swiglu_is_a_gated_product():
    torch = pytorch()
    model, x = SwiGLU(4, 6), noise(2, 4, dtype="float32")
    gate, up, down = (torch.tensor(part.weight.data) for part in (model.gate, model.up, model.down))
    expected = (torch.nn.functional.silu(torch.tensor(x) @ gate) * (torch.tensor(x) @ up)) @ down
    close(model(Tensor(x)).data, expected.numpy(), "float32")


def test_what_feed_forward_does_not_take_is_named():
    with pytest.raises(ValueError, match=r"got \(2, 3\), \(4, 5\) and \(5, 4\)"):
        feed_forward(noise(2, 3), noise(4, 5), None, noise(5, 4), None)
    with pytest.raises(ValueError, match=r"one of gelu, squared_relu; got 'tanh'"):
        FeedForward(4, 8, "tanh")


# -- a block and a GPT ---------------------------------------------------------------------------------------------

SMALL = {"context": 8, "width": 12, "layers": 2, "heads": 3}
OPTIONS = {
    "classic": {},
    "no bias": {"bias": False},
    "shared heads": {"kv_heads": 1},
    "untied": {"tied": False},
    "sinusoidal": {"positions": "sinusoidal"},
    "swiglu": {"activation": "swiglu", "hidden": 10},
    "capped": {"soft_cap": 0.5},
    "rms": {"norm": "rms"},
}


def config(name, **changes):
    if name.startswith("modern"):
        extra = {"activation": "swiglu"} if "swiglu" in name else {"kv_heads": 1} if "shared" in name else {}
        return TransformerConfig.modern(11, **{**SMALL, **extra, **changes, "width": 12})
    return TransformerConfig(11, **{**SMALL, **OPTIONS[name], **changes})


CONFIGS = [*OPTIONS, "modern", "modern swiglu", "modern shared"]


def shaken(model, seed=0, std=0.3):
    """The model, with every parameter moved: so that zeros and ones hide nothing."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data += rng.normal(0, std, p.shape).astype(p.dtype)
    return model


def in_pytorch(model, ids, parameters):
    """The logits of the GPT, written for PyTorch from nothing but its own functions; parameters are its leaves."""
    torch = pytorch()
    F, c, (batch, length) = torch.nn.functional, model.config, ids.shape

    def linear(x, name):
        z = x @ parameters[f"{name}.weight"]
        return z + parameters[f"{name}.bias"] if f"{name}.bias" in parameters else z

    def norm(x, name):
        weight = parameters[f"{name}.weight"]
        if c.norm == "rms":
            return F.rms_norm(x, (c.width,), weight, c.eps)
        return F.layer_norm(x, (c.width,), weight, parameters.get(f"{name}.bias"), c.eps)

    def heads(x):
        return x.view(batch, length, -1, c.width // c.heads).transpose(1, 2)

    def prepared(x):
        if c.positions == "rotary":
            half = x.shape[-1] // 2
            angles = torch.outer(torch.arange(length), 10000.0 ** (-torch.arange(half) / half))
            turned = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
            x = torch.cat([turned.real, turned.imag], dim=-1)
        return F.rms_norm(x, (x.shape[-1],)) if c.normalized_qk else x

    x = F.embedding(torch.tensor(ids), parameters["tokens.weight"])
    if c.positions == "learned":
        x = x + parameters["transformer.positions.weight"][:length]
    elif c.positions == "sinusoidal":
        x = x + torch.tensor(model.transformer.positions.table[:length])
    for i in range(c.layers):
        name = f"transformer.blocks.{i}"
        y = norm(x, f"{name}.norm1")
        q, k, v = (heads(linear(y, f"{name}.attention.{part}")) for part in ("query", "key", "value"))
        y = F.scaled_dot_product_attention(prepared(q), prepared(k), v, is_causal=True, enable_gqa=True)
        x = x + linear(y.transpose(1, 2).reshape(batch, length, -1), f"{name}.attention.out")
        y, layer = norm(x, f"{name}.norm2"), f"{name}.feed_forward"
        if c.activation == "swiglu":
            y = F.silu(linear(y, f"{layer}.gate")) * linear(y, f"{layer}.up")
        else:
            y = linear(y, f"{layer}.up")
            y = F.gelu(y, approximate="tanh") if c.activation == "gelu" else F.relu(y) ** 2
        x = x + linear(y, f"{layer}.down")
    x = norm(x, "transformer.norm")
    z = x @ (parameters["tokens.weight"].T if c.tied else parameters["head.weight"])
    return z if c.soft_cap is None else c.soft_cap * torch.tanh(z / c.soft_cap)


@pytest.mark.parametrize("length", [1, 5, 8])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_gpt_agrees_with_pytorch_in_logits_loss_and_every_gradient(name, length):
    torch = pytorch()
    model = shaken(GPT(config(name), np.random.default_rng(0)))
    ids = np.random.default_rng(length).integers(0, 11, (3, length))
    targets = np.random.default_rng(1).integers(0, 11, (3, length))
    targets[0, 0] = -100
    parameters = {n: torch.tensor(p.data, requires_grad=True) for n, p in model.named_parameters()}
    theirs = in_pytorch(model, ids, parameters)
    ours = model(ids)
    close(ours.data, theirs.detach().numpy(), "float32")
    loss = next_token_loss(ours, targets)
    expected = torch.nn.functional.cross_entropy(theirs.reshape(-1, 11), torch.tensor(targets).reshape(-1))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    expected.backward()
    for n, p in model.named_parameters():
        np.testing.assert_allclose(p.grad.data, parameters[n].grad.numpy(), rtol=2e-3, atol=2e-5, err_msg=n)


@pytest.mark.parametrize("name", CONFIGS)
def test_what_comes_later_changes_nothing_before(name):
    model = shaken(GPT(config(name)))
    ids = np.random.default_rng(0).integers(0, 11, (2, 8))
    other = ids.copy()
    other[:, 5:] = (other[:, 5:] + 1) % 11
    before, after = model(ids).data, model(other).data
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert (before[:, 5:] != after[:, 5:]).any()


def test_a_block_adds_and_zero_outputs_add_nothing_at_first():
    x = Tensor(noise(2, 5, 12, dtype="float32"))
    assert np.array_equal(Transformer(config("modern")).blocks[0](x).data, x.data)
    block = Block(config("classic"))
    y = x + block.attention(block.norm1(x))
    close(block(x).data, (y + block.feed_forward(block.norm2(y))).data, "float32")


def test_weights_start_as_gpt2_s_did():
    model = GPT(TransformerConfig(300, context=64, width=64, layers=8, heads=4))
    std = {name: p.data.std() for name, p in model.named_parameters()}
    for name in ("tokens.weight", "transformer.positions.weight", "transformer.blocks.3.attention.key.weight"):
        assert std[name] == pytest.approx(0.02, rel=0.05)
    for name in ("attention.out", "feed_forward.down"):
        assert std[f"transformer.blocks.3.{name}.weight"] == pytest.approx(0.02 / math.sqrt(16), rel=0.05)
        assert not std[f"transformer.blocks.3.{name}.bias"]
    loss = next_token_loss(model(np.arange(64)[None]), 100 + np.arange(64)[None])
    assert loss.item() == pytest.approx(math.log(300), rel=0.02)  # it knows nothing yet, and does not claim to
    modern = GPT(TransformerConfig.modern(300, width=64))
    assert modern.tokens.weight.data.std() == pytest.approx(1, rel=0.05)
    assert modern.transformer.blocks[0].attention.key.weight.data.std() == pytest.approx(1 / 8, rel=0.05)
    assert modern.head.weight.data.std() == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "sizes are 1 or more"),
        ({"layers": -1}, "sizes are 1 or more"),
        ({"norm": "batch"}, r"norm is one of layer, rms; got 'batch'"),
        ({"positions": "none"}, r"positions is one of .* got 'none'"),
        ({"activation": "tanh"}, r"activation is one of .* got 'tanh'"),
        ({"soft_cap": 0.0}, r"soft_cap is above 0, got 0\.0"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(11, **changes)


@pytest.mark.parametrize("ids", [[], [[]], np.zeros((1, 1, 1), int), 3])
def test_what_is_no_sequence_is_refused(ids):
    with pytest.raises(ValueError, match="one token or more, got shape"):
        as_ids(ids)


def test_bad_input_to_a_gpt_is_named():
    model = GPT(config("classic"))
    for ids, error, message in (
        ([0, 11], IndexError, r"11 rows has the ids 0\.\.10, got 11"),
        ([-1], IndexError, "got -1"),
        ([0.5], TypeError, "whole numbers, got float64"),
        ([0] * 9, ValueError, "context of 8 takes 1 to 8 places, got 9 from place 0"),
    ):
        with pytest.raises(error, match=message):
            model(ids)
    with pytest.raises(ValueError, match="got 1 from place 8"):
        model([0], start=8)
    with pytest.raises(ValueError, match="2 blocks need a cache each, got 1"):
        model([0], caches=[None])


def test_rotary_positions_keep_to_the_context_too():
    with pytest.raises(ValueError, match="context of 8"):
        GPT(config("modern"))([0] * 9)


def test_copies_and_saved_states_are_whole(tmp_path):
    model = shaken(GPT(config("classic")))
    ids = [[1, 2, 3]]
    twin = copy.deepcopy(model)
    np.testing.assert_array_equal(twin(ids).data, model(ids).data)
    serialization.save(model.state_dict(), tmp_path / "gpt.safetensors")
    other = GPT(config("classic"))
    other.load_state_dict(serialization.load(tmp_path / "gpt.safetensors"))
    np.testing.assert_array_equal(other(ids).data, model(ids).data)
    assert len(model.state_dict()) == len(list(model.parameters()))


def test_dropout_is_for_training():
    model = shaken(GPT(config("classic", dropout=0.5)))
    assert (model([[1, 2]]).data != model([[1, 2]]).data).any()
    model.eval()
    np.testing.assert_array_equal(model([[1, 2]]).data, model([[1, 2]]).data)


# -- the loss ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-100, 0, 1, 2]), min_size=6, max_size=6), st.sampled_from([-100, 2]))
def test_ignored_places_count_neither_above_nor_below_the_line(targets, ignore):
    torch = pytorch()
    targets = np.array(targets).reshape(2, 3)
    if ignore == 2:
        targets = np.maximum(targets, 0)
    arrays = [noise(2, 3, 4)]
    if (targets == ignore).all():
        with pytest.raises(ValueError, match=f"every target is {ignore}"):
            next_token_loss(Tensor(arrays[0]), targets, ignore)
        return
    ours = lambda x: next_token_loss(x, targets, ignore)
    theirs = lambda x: torch.nn.functional.cross_entropy(
        x.reshape(-1, 4), torch.tensor(targets).reshape(-1), ignore_index=ignore
    )
    agree(ran_back(ours, arrays), ran_back_in_pytorch(theirs, arrays))


def test_a_class_that_does_not_exist_is_no_ignored_place():
    with pytest.raises(IndexError, match=r"classes are 0\.\.3"):
        next_token_loss(Tensor(noise(1, 2, 4)), np.array([[-100, 4]]))


def test_an_ignored_place_has_no_say_whatever_its_logits_are():
    logits = Tensor([[[0.0, 0.0], [-math.inf, 0.0], [math.nan, 0.0]]], requires_grad=True)
    loss = next_token_loss(logits, np.array([[1, -100, -100]]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad.tolist() == [[[0.5, -0.5], [0, 0], [0, 0]]]


def test_no_text_at_all_has_nothing_to_predict():
    with pytest.raises(ValueError, match="nothing to predict"):
        next_token_loss(Tensor(np.zeros((0, 2, 3))), np.zeros((0, 2), int))


# -- choosing a token ----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9), st.integers(1, 12))
def test_top_k_keeps_the_k_largest_and_their_equals(logits, k):
    logits = np.array(logits, float)
    kept = np.isfinite(keep_top_k(logits, k))
    smallest = sorted(logits)[-min(k, len(logits))]
    assert kept.tolist() == (logits >= smallest).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9), st.floats(0.01, 1))
def test_top_p_keeps_the_fewest_tokens_that_reach_p(logits, p):
    logits = np.array(logits, float)
    kept = np.isfinite(keep_top_p(logits, p))
    probabilities = distribution(logits)
    assert kept.any() and (p < 1 or kept.sum() >= 1)
    assert probabilities[kept].sum() >= p - 1e-9
    assert probabilities[kept].sum() - probabilities[kept].min() < p  # without the least of them it is not reached
    assert not (probabilities[~kept] > probabilities[kept].min() + 1e-12).any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.floats(0, 1, exclude_max=True))
def test_a_number_chooses_the_token_in_whose_share_it_lies(weights, u):
    weights = np.array([*weights, 1], float)
    token = choose_token(weights / weights.sum(), u)
    assert weights[token] > 0
    assert weights[:token].sum() / weights.sum() <= u + 1e-12
    assert u < weights[: token + 1].sum() / weights.sum() + 1e-12


def test_sampled_frequencies_are_the_probabilities():
    logits = np.array([0.0, 1.0, 2.0])
    drawn = [sample(logits, u, temperature=0.5) for u in (np.arange(1000) + 0.5) / 1000]
    frequencies = np.bincount(drawn, minlength=3) / 1000
    np.testing.assert_allclose(frequencies, distribution(2 * logits), atol=0.002)
    assert {sample(logits, u, top_k=2) for u in (0, 0.5, 0.999)} == {1, 2}
    assert {sample(logits, u, top_p=0.6) for u in (0, 0.5, 0.999)} == {2}
    assert {sample(logits, u, temperature=0) for u in (0, 0.999)} == {2}
    assert sample(np.array([1000.0, -1000.0], np.float32), 0.999) == 0


BAD = [
    ({"temperature": -1}, "temperature is 0, .* or above; got -1"),
    ({"temperature": math.nan}, "got nan"),
    ({"temperature": math.inf}, "got inf"),
    ({"top_k": 0}, "top_k is 1 or more, or None .* got 0"),
    ({"top_p": 0.0}, r"top_p is above 0 and at most 1, .* got 0\.0"),
    ({"top_p": 1.5}, r"got 1\.5"),
    ({"top_p": math.nan}, "got nan"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=str)
def test_numbers_that_choose_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sample(np.zeros(3), 0.5, **options)
    with pytest.raises(ValueError, match=message):  # before the first token is asked for
        generate(GPT(config("classic")), [1], 3, **options)


# -- generation ----------------------------------------------------------------------------------------------------


class Notebook:
    """The simplest cache: it keeps all keys and values."""

    def __init__(self):
        self.kept = None

    def update(self, *new):
        self.kept = new if self.kept is None else tuple(concatenate(pair, dim=-2) for pair in zip(self.kept, new))
        return self.kept


def step_by_step(model, tokens, count):
    for _ in range(count):
        tokens = [*tokens, int(model([tokens[-model.config.context :]]).data[0, -1].argmax())]
    return tokens[-count:]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_cache_changes_no_token_and_no_logit(name):
    model = shaken(GPT(config(name))).eval()
    plain = list(generate(model, [1, 2, 3], 5, temperature=0))
    assert plain == step_by_step(model, [1, 2, 3], 5)
    caches = [Notebook() for _ in range(2)]
    assert list(generate(model, [1, 2, 3], 5, temperature=0, caches=caches)) == plain
    assert caches[0].kept[0].shape[-2] == 7  # the last token was not read again
    ids, caches = np.arange(8)[None], [Notebook() for _ in range(2)]
    with no_grad():
        parts = [model(ids[:, a:b], caches, a).data for a, b in ((0, 3), (3, 4), (4, 8))]
    close(np.concatenate(parts, axis=1), model(ids).data, "float32")


def test_a_seed_gives_the_same_tokens_again_and_another_one_others():
    model = shaken(GPT(config("classic"))).eval()
    draw = lambda seed, **options: list(generate(model, [1], 30, temperature=5.0, seed=seed, **options))
    assert draw(1) == draw(1) != draw(2)
    uniform = np.random.default_rng(1)
    tokens = [1]
    for _ in range(30):
        tokens.append(sample(model([tokens[-8:]]).data[0, -1], uniform.random(), 5.0))
    assert draw(1) == tokens[1:]
    assert draw(1, top_k=1) == list(generate(model, [1], 30, temperature=0))


def test_tokens_come_one_by_one_and_end_before_a_stop():
    model = shaken(GPT(config("classic"))).eval()
    everything = list(generate(model, [1, 2], 20, temperature=3.0, seed=3))
    stop = everything[4]
    assert (
        list(generate(model, [1, 2], 20, temperature=3.0, seed=3, stop=[stop])) == everything[: everything.index(stop)]
    )
    stream, calls = generate(model, [1, 2], 20, seed=0), []
    observers.append(lambda name, *_: calls.append(name))
    try:
        next(stream)
        once = calls.count("embedding")
        next(stream)
    finally:
        observers.pop()
    assert (once, calls.count("embedding")) == (1, 2)
    assert list(generate(model, [1], 0)) == []


def test_generation_records_nothing_and_leaves_the_prompt_alone():
    model, prompt = GPT(config("classic")).eval(), [1, 2]
    list(generate(model, prompt, 3))
    assert prompt == [1, 2]
    array = np.array([3, 4])
    list(generate(model, Tensor(array), 3))
    assert array.tolist() == [3, 4]
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("prompt", "count", "options", "error", "message"),
    [
        ([], 1, {}, ValueError, "one token or more"),
        ([0] * 9, 1, {}, ValueError, r"one sequence of 1 to 8 tokens, got shape \(1, 9\)"),
        ([[0], [1]], 1, {}, ValueError, r"got shape \(2, 1\)"),
        ([11], 1, {}, IndexError, "got 11"),
        ([1], -1, {}, ValueError, "max_new_tokens is 0 or more, got -1"),
        ([1, 2], 8, {"caches": []}, ValueError, "2 tokens and 8 new ones must fit into 8 places"),
    ],
)
def test_a_prompt_that_cannot_be_continued_is_refused_at_once(prompt, count, options, error, message):
    with pytest.raises(error, match=message):
        generate(GPT(config("classic")), prompt, count, **options)


# -- what it takes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CONFIGS, "modern swiglu"])
def test_formulas_count_what_a_gpt_has(name):
    model = GPT(config(name, hidden=10))
    assert parameter_count(model.config) == sum(p.numel() for p in model.parameters())
    assert parameter_bytes(model.config) == sum(p.nbytes for p in model.parameters())
    assert parameter_bytes(model.config, "float16") * 2 == parameter_bytes(model.config)


def flops(name, arrays):
    """Operations of a primitive's matrix products, from the shapes of its arrays."""
    shapes = [np.shape(a) for a in arrays]
    if name in ("linear", "matmul"):
        return 2 * math.prod(shapes[0]) * shapes[1][-1]
    if name == "feed_forward":
        return 2 * math.prod(shapes[0]) * shapes[1][-1] + 2 * math.prod(shapes[0][:-1]) * math.prod(shapes[3])
    if name == "scaled_dot_product_attention":
        return 4 * math.prod(shapes[0]) * shapes[1][-2]
    return 0


@pytest.mark.parametrize("name", CONFIGS)
def test_formulas_count_the_operations_of_a_token(name):
    model, counted = GPT(config(name)), []
    observers.append(lambda name, seconds, arrays, result: counted.append(flops(name, arrays)))
    try:
        model(np.zeros((2, 5), int))
    finally:
        observers.pop()
    assert sum(counted) == 2 * 5 * flops_per_token(model.config, 5)
    assert flops_per_token(model.config, 5, training=True) * 10 == 3 * sum(counted)


# -- learning ------------------------------------------------------------------------------------------------------


def losses(model, batch, steps, optimizers):
    seen = []
    for _ in range(steps):
        loss = next_token_loss(model(batch[0]), batch[1])
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        seen.append(loss.item())
    return seen


def test_a_gpt_learns_to_continue_what_repeats():
    ids = np.tile([3, 1, 4, 1, 5, 9, 2, 6], 4)[None]
    model = GPT(TransformerConfig(11, context=16, width=32, layers=2, heads=2), np.random.default_rng(0))
    seen = losses(model, (ids[:, :16], ids[:, 1:17]), 60, [AdamW(model.parameters(), lr=3e-3)])
    assert seen[0] == pytest.approx(math.log(11), rel=0.05) and seen[-1] < 0.2
    assert list(generate(model.eval(), ids[0, :9], 7, temperature=0)) == ids[0, 9:16].tolist()


def test_a_modern_gpt_learns_with_muon_and_adamw():
    ids = np.tile([3, 1, 4, 1, 5, 9, 2, 6], 4)[None]
    model = GPT(TransformerConfig.modern(11, context=16, width=32, layers=2, heads=2), np.random.default_rng(0))
    matrices, others = model.matrices(), model.others()
    assert len(matrices) == 2 * 6 and all(m.ndim == 2 for m in matrices)
    assert {id(p) for p in [*matrices, *others]} == {id(p) for p in model.parameters()}
    assert {id(model.tokens.weight), id(model.head.weight)} <= {id(p) for p in others}
    optimizers = [Muon(matrices, lr=0.02, weight_decay=0.0), AdamW(others, lr=0.01)]
    assert losses(model, (ids[:, :16], ids[:, 1:17]), 40, optimizers)[-1] < 0.2


# -- from the same block -------------------------------------------------------------------------------------------


def test_hidden_tokens_are_in_the_published_shares():
    ids = np.random.default_rng(0).integers(0, 50, (100, 100))
    u = np.random.default_rng(1).random((2, 100, 100))
    shown, targets = mask_tokens(ids, mask_id=50, vocabulary=50, u=u)
    hidden = targets != -100
    assert hidden.mean() == pytest.approx(0.15, abs=0.01)
    np.testing.assert_array_equal(targets[hidden], ids[hidden])
    np.testing.assert_array_equal(shown[~hidden], ids[~hidden])
    masks = (shown == 50)[hidden].mean()
    same = (shown == ids)[hidden].mean()
    assert masks == pytest.approx(0.8, abs=0.04) and same == pytest.approx(0.1 + 0.1 / 50, abs=0.03)
    assert shown.max() <= 50 and (shown[hidden] != 50).any()


def test_an_encoder_looks_both_ways_but_not_at_padding():
    model = shaken(Encoder(config("classic"))).eval()
    ids = np.array([[1, 2, 3, 4], [5, 6, 0, 0]])
    mask = attention.padding_mask([4, 2], 4)
    z = model(ids, mask).data
    other = ids.copy()
    other[:, -1] = 9
    changed = model(other, mask).data
    assert (changed[0, 0] != z[0, 0]).any()
    np.testing.assert_array_equal(changed[1, :2], z[1, :2])
    close(model(ids[1:, :2]).data[0], z[1, :2], "float32")


def test_an_encoder_learns_to_fill_gaps():
    model = Encoder(TransformerConfig(9, context=8, width=32, layers=2, heads=2), np.random.default_rng(0))
    rng, optimizer = np.random.default_rng(1), AdamW(model.parameters(), lr=1e-2)
    seen = []
    for _ in range(150):
        ids = (rng.integers(0, 8, (16, 1)) + np.arange(8)) % 8  # the neighbours of a gap tell what is in it
        shown, targets = mask_tokens(ids, mask_id=8, vocabulary=8, u=rng.random((2, 16, 8)))
        loss = next_token_loss(model(shown), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert np.mean(seen[:5]) > 1.8 and np.mean(seen[-10:]) < 0.5


@pytest.mark.parametrize(("shape", "size"), [((2, 3, 4, 6), 2), ((1, 1, 6, 3), 3), ((2, 2, 3, 3), 1)])
def test_patches_are_squares_of_the_image_row_by_row(shape, size):
    images = noise(*shape)
    cut = cut_patches(Tensor(images), size).data
    b, c, h, w = shape
    assert cut.shape == (b, (h // size) * (w // size), c * size * size)
    number = 0
    for i in range(0, h, size):
        for j in range(0, w, size):
            square = images[:, :, i : i + size, j : j + size]
            np.testing.assert_array_equal(cut[:, number], square.reshape(b, -1))
            number += 1


def test_an_image_that_squares_do_not_fill_is_refused():
    with pytest.raises(ValueError, match="2 x 2 do not fill 3 x 4"):
        cut_patches(Tensor(noise(1, 1, 3, 4)), 2)
    with pytest.raises(TypeError, match="takes no soft_cap"):
        VisionTransformer((4, 4), 2, 1, 10, soft_cap=1.0)


def test_a_vision_transformer_learns_where_the_light_is():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 64)
    x = rng.normal(0, 0.1, (64, 1, 4, 4)).astype(np.float32)
    for i, corner in enumerate(y):
        x[i, 0, corner // 2 * 2 : corner // 2 * 2 + 2, corner % 2 * 2 : corner % 2 * 2 + 2] += 1
    model = VisionTransformer((4, 4), 2, 1, 4, rng, width=16, layers=1, heads=2)
    optimizer = AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        loss = next_token_loss(model(Tensor(x)).unsqueeze(1), y[:, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model(Tensor(x)).data.argmax(axis=1) == y).mean() > 0.95
    assert model.summary.grad is not None


# -- GPT-2's weights -----------------------------------------------------------------------------------------------

GPT2S = {
    "small": {"vocab_size": 50, "n_positions": 16, "n_embd": 24, "n_layer": 3, "n_head": 4},
    "one head": {"vocab_size": 7, "n_positions": 9, "n_embd": 6, "n_layer": 1, "n_head": 1, "n_inner": 10},
    "untied": {
        "vocab_size": 20,
        "n_positions": 12,
        "n_embd": 8,
        "n_layer": 2,
        "n_head": 2,
        "tie_word_embeddings": False,
    },
    "other eps": {
        "vocab_size": 20,
        "n_positions": 12,
        "n_embd": 8,
        "n_layer": 2,
        "n_head": 2,
        "layer_norm_epsilon": 0.1,
    },
}


def hugging_face(folder, **sizes):
    """A GPT-2 of random weights, and the folder that it was saved to."""
    torch = pytorch()
    library = pytest.importorskip("transformers", reason="the oracle of GPT-2's layout is not installed")
    torch.manual_seed(0)
    special = {"bos_token_id": None, "eos_token_id": None}
    model = library.GPT2LMHeadModel(library.GPT2Config(**sizes, **special)).eval()
    for p in model.parameters():
        p.data += 0.2 * torch.randn_like(p)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("name", GPT2S)
def test_gpt2_s_weights_give_gpt2_s_logits_and_tokens(name, tmp_path):
    torch, sizes = pytorch(), GPT2S[name]
    theirs = hugging_face(tmp_path, **sizes)
    ours = GPT.from_gpt2(tmp_path)
    ids = np.random.default_rng(0).integers(0, sizes["vocab_size"], (2, 7))
    with torch.no_grad():
        np.testing.assert_allclose(ours(ids).data, theirs(torch.tensor(ids)).logits.numpy(), atol=1e-4)
        count = sizes["n_positions"] - 3
        prompt = torch.tensor(ids[:1, :3])
        expected = theirs.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, do_sample=False, pad_token_id=0
        )
    assert list(generate(ours, ids[0, :3], count, temperature=0)) == expected[0, 3:].tolist()
    caches = [Notebook() for _ in ours.transformer.blocks]
    assert list(generate(ours, ids[0, :3], count, temperature=0, caches=caches)) == expected[0, 3:].tolist()
    assert parameter_count(ours.config) == sum(p.numel() for p in ours.parameters()) == theirs.num_parameters()


def test_a_loaded_gpt2_trains_and_its_file_stays_as_it_was(tmp_path):
    hugging_face(tmp_path, **GPT2S["small"])
    before = (tmp_path / "model.safetensors").read_bytes()
    model = GPT.from_gpt2(tmp_path).train()
    ids = np.arange(12)[None]
    seen = losses(model, (ids[:, :-1], ids[:, 1:]), 5, [AdamW(model.parameters(), lr=1e-2)])
    assert seen[-1] < seen[0]
    loaded = GPT.from_gpt2(tmp_path)
    with no_grad():
        loaded.tokens.weight[0] = 0
    assert (tmp_path / "model.safetensors").read_bytes() == before
    twin = copy.deepcopy(model)
    np.testing.assert_array_equal(twin(ids).data, model(ids).data)


def gpt2_by_hand(folder, **changes):
    """A folder as GPT-2's, without its library: V = 5, context 4, width 4, one layer."""
    c, shapes = 4, {"wte.weight": (5, 4), "wpe.weight": (4, 4), "ln_f.weight": (4,), "ln_f.bias": (4,)}
    layers = {"attn.c_attn": (c, 3 * c), "attn.c_proj": (c, c), "mlp.c_fc": (c, 4 * c), "mlp.c_proj": (4 * c, c)}
    for name, shape in layers.items():
        shapes |= {f"h.0.{name}.weight": shape, f"h.0.{name}.bias": shape[1:]}
    shapes |= {f"h.0.ln_{i}.{part}": (c,) for i in (1, 2) for part in ("weight", "bias")}
    arrays = {name: noise(*shape, dtype="float32") for name, shape in shapes.items()}
    arrays.update(changes.pop("arrays", {}))
    arrays = {name: array for name, array in arrays.items() if array is not None}
    facts = {"vocab_size": 5, "n_positions": 4, "n_embd": 4, "n_layer": 1, "n_head": 2, **changes}
    serialization.save(arrays, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(facts))
    return folder


def test_names_may_have_a_prefix_masks_are_known_and_halves_are_read(tmp_path):
    plain = GPT.from_gpt2(gpt2_by_hand(tmp_path))([[1, 2, 3]]).data
    arrays = serialization.load(tmp_path / "model.safetensors")
    arrays = {f"transformer.{name}": array for name, array in arrays.items()}
    arrays["transformer.h.0.attn.bias"] = np.tri(4)[None, None]
    arrays["lm_head.weight"] = arrays["transformer.wte.weight"]
    serialization.save(arrays, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(GPT.from_gpt2(tmp_path)([[1, 2, 3]]).data, plain)
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    serialization.save(halves, tmp_path / "model.safetensors")
    model = GPT.from_gpt2(tmp_path)
    assert model.tokens.weight.dtype == np.float32
    np.testing.assert_allclose(model([[1, 2, 3]]).data, plain, atol=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrays": {"wpe.weight": None}}, r"model\.safetensors: wpe\.weight of shape \(4, 4\) is missing"),
        (
            {"arrays": {"h.0.attn.c_attn.weight": np.ones((4, 13), np.float32)}},
            r"h\.0\.attn\.c_attn\.weight needs shape \(4, 12\), got \(4, 13\)",
        ),
        ({"arrays": {"h.1.ln_1.weight": np.ones(4, np.float32)}}, r"no tensor h\.1\.ln_1\.weight \(4,\)"),
        ({"arrays": {"wte.weight": np.ones((5, 4), np.int64)}}, r"wte\.weight needs .* got \(5, 4\) int64"),
        ({"n_layer": 2}, r"h\.1\.ln_1\.weight of shape \(4,\) is missing"),
        ({"vocab_size": 6}, r"wte\.weight needs shape \(6, 4\), got \(5, 4\)"),
        ({"n_head": 3}, r"heads divide the width.* got 4, 3"),
        ({"n_head": "two"}, r"config\.json: n_head needs to be a whole number, got 'two'"),
        ({"n_inner": 7}, r"h\.0\.mlp\.c_fc\.weight needs shape \(4, 7\), got \(4, 16\)"),
        ({"n_inner": "x"}, r"n_inner need to be numbers"),
        ({"model_type": "llama"}, r"model_type needs to be gpt2, got 'llama'"),
        ({"activation_function": "relu"}, r"activation_function needs to be gelu_new or .* got 'relu'"),
        ({"scale_attn_by_inverse_layer_idx": True}, r"scale_attn_by_inverse_layer_idx needs to be False, got True"),
        ({"tie_word_embeddings": False}, r"lm_head\.weight of shape \(5, 4\) is missing"),
    ],
    ids=str,
)
def test_files_that_do_not_fit_are_named_with_tensor_and_shapes(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        GPT.from_gpt2(gpt2_by_hand(tmp_path, **changes))


def test_damaged_files_are_refused(tmp_path):
    folder = gpt2_by_hand(tmp_path)
    weights, facts = folder / "model.safetensors", folder / "config.json"
    content = weights.read_bytes()
    for damaged in (content[:-5], content[: len(content) // 2], content[:20], content[:3], b"", b"not safetensors"):
        weights.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model\.safetensors"):
            GPT.from_gpt2(folder)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors is not there"):
        GPT.from_gpt2(folder)
    for text, message in (("{", "not JSON"), ("[1]", "no JSON object, but list")):
        facts.write_text(text)
        with pytest.raises(ValueError, match=rf"config\.json .*{message}"):
            GPT.from_gpt2(folder)
    facts.unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json is not there"):
        GPT.from_gpt2(folder)


LOADS = """
import resource, sys
from pathlib import Path
import numpy as np
from tinytorch.transformers import GPT, TransformerConfig, parameter_bytes
GPT(TransformerConfig(5, width=4, heads=2))([[1]])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = GPT.from_gpt2(sys.argv[1])
model([[1, 2, 3]])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * 1024 / parameter_bytes(model.config))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
def test_weights_are_never_held_twice(tmp_path):
    """A file of 40 MB is loaded and used in not much more than its own bytes."""
    c, layers = 320, 8
    shapes = {"wte.weight": (500, c), "wpe.weight": (64, c), "ln_f.weight": (c,), "ln_f.bias": (c,)}
    for i in range(layers):
        parts = {"attn.c_attn": (c, 3 * c), "attn.c_proj": (c, c), "mlp.c_fc": (c, 4 * c), "mlp.c_proj": (4 * c, c)}
        for name, shape in parts.items():
            shapes |= {f"h.{i}.{name}.weight": shape, f"h.{i}.{name}.bias": shape[1:]}
        shapes |= {f"h.{i}.ln_{k}.{part}": (c,) for k in (1, 2) for part in ("weight", "bias")}
    arrays = {name: 0.02 * noise(*shape, dtype="float32") for name, shape in shapes.items()}
    serialization.save(arrays, tmp_path / "model.safetensors")
    facts = {"vocab_size": 500, "n_positions": 64, "n_embd": c, "n_layer": layers, "n_head": 8}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    done = subprocess.run([sys.executable, "-c", LOADS, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.3


def test_every_new_rule_agrees_with_nudges():
    x, weight, bias = noise(3, 4), noise(4), noise(4)
    assert gradcheck(lambda x, w, b: layer_norm(x, 4, w, b), x, weight, bias)
    assert gradcheck(lambda x, w: rms_norm(x, 4, w), x, weight)
    assert gradcheck(lambda *inputs: feed_forward(*inputs), x, noise(4, 5), noise(5), noise(5, 4), bias)

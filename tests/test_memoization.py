"""What is true of memoization: nothing that is kept changes a token, a logit, or a distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch

from tinytorch.attention import MultiHeadAttention, one_query, scaled_dot_product_attention
from tinytorch.embeddings import LearnedPositions, SinusoidalPositions, rotate
from tinytorch.memoization import (
    KVCache,
    RingCache,
    TextReader,
    WindowedGPT,
    accept_draft,
    acceptance,
    cache_bytes,
    caches_for,
    chances,
    expected_tokens,
    generate_batch,
    left_padded,
    shared_prefix,
    speculate,
    visible,
)
from tinytorch.tensor import Tensor, no_grad, observers
from tinytorch.transformers import GPT, TransformerConfig, generate, sample

CONFIGS = {
    "gpt2": {},
    "rotary": {"positions": "rotary"},
    "waves": {"positions": "sinusoidal"},
    "shared": {"kv_heads": 2},
    "modern": TransformerConfig.modern(30).__dict__ | {"zero_outputs": False},
}
each = pytest.mark.parametrize("name", CONFIGS)
windows = pytest.mark.parametrize("window", [None, 1, 5])


def model_of(name="gpt2", window=None, context=64):
    """A model whose logits are far apart, so that no rounding chooses a token."""
    words = CONFIGS[name] | {"vocabulary": 30, "context": context, "width": 16, "layers": 3, "heads": 4}
    config, rng = TransformerConfig(**words), np.random.default_rng(0)
    model = GPT(config, rng) if window is None else WindowedGPT(config, window, rng)
    for p in model.parameters():
        p.data += rng.normal(0, 0.3, p.shape).astype(np.float32)
    return model.eval()


def tensors(*shape, count=2, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(rng.normal(size=shape).astype(np.float32)) for _ in range(count)]


# -- the caches ----------------------------------------------------------------------------------------------------


@each
@windows
@pytest.mark.parametrize("words", [{"temperature": 0}, {"seed": 3}, {"seed": 4, "top_k": 5, "temperature": 2.0}])
def test_a_cache_changes_no_token_at_any_length(name, window, words):
    model = model_of(name, window)
    for prompt, count in (([1], 64), (list(range(20)), 45), ([3] * 64, 1)):
        plain = list(generate(model, prompt, count, **words))
        assert list(generate(model, prompt, count, caches=caches_for(model), **words)) == plain
        assert len(plain) == count


@each
@windows
@pytest.mark.parametrize("watched", [False, True])
def test_logits_in_pieces_are_those_of_one_pass(name, window, watched):
    model, ids = model_of(name, window), np.random.default_rng(1).integers(0, 30, (2, 24))
    observed = [lambda *_: None] * watched
    observers.extend(observed)
    try:
        with no_grad():
            whole, caches, start, parts = model(ids).data, caches_for(model, 2), 0, []
            for count in (3, 1, 1, 7, 1, 11):
                parts.append(model(ids[:, start : start + count], caches, start).data)
                start += count
    finally:
        del observers[len(observers) - len(observed) :]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-3, atol=1e-4)


def test_a_ring_is_as_small_as_its_window_and_may_wrap_many_times():
    model = model_of("rotary", 5, context=4096)
    caches = caches_for(model)
    assert [cache.keys.shape for cache in caches] == [(1, 4, 5, 4)] * 3
    list(generate(model, [1, 2, 3], 40, caches=caches))
    assert len(caches[0]) == 42 and caches[0].places(1).tolist() == [40, 41, 42, 38, 39]
    with pytest.raises(ValueError, match="42 places were written into 5 slots: the first ones are gone"):
        caches[0].truncate(41)
    caches[0].truncate(42)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_places_names_what_a_ring_returns(pieces, size):
    ring, t = RingCache(1, 1, size, 1), 0
    for count in pieces:
        new = Tensor(np.arange(t, t + count, dtype=np.float32).reshape(1, 1, -1, 1))
        places = ring.places(count)
        k, v = ring.update(new, new * 10)
        assert k.flatten().tolist() == places.tolist() and v.flatten().tolist() == (10 * places).tolist()
        t += count


def test_what_does_not_fit_is_refused_and_nothing_is_written():
    cache, (k, v) = KVCache(2, 3, 4, 5), tensors(2, 3, 3, 5)
    cache.update(k, v)
    before = cache.keys.copy()
    refused = [
        (tensors(2, 3, 2, 5), ValueError, "the cache is full: of 4 places 3 are taken, 2 do not fit"),
        (tensors(1, 3, 1, 5), ValueError, r"for shapes \(2, 3, T, 5\), got \(1, 3, 1, 5\)"),
        (tensors(2, 2, 1, 5), ValueError, "for shapes"),
        (tensors(2, 3, 1, 4), ValueError, "for shapes"),
        ([k[:, :, :1], v[:, :, :2]], ValueError, "for shapes"),
        ([x.double() for x in tensors(2, 3, 1, 5)], TypeError, "keeps float32, got float64 and float64"),
        ([Tensor(k.data[:, :, :1], requires_grad=True), v[:, :, :1]], RuntimeError, "inside of no_grad"),
    ]
    for some, error, words in refused:
        with pytest.raises(error, match=words):
            cache.update(*some)
        assert len(cache) == 3 and (cache.keys == before).all()
    with pytest.raises(ValueError, match="1 or more of each"):
        KVCache(1, 1, 0, 1)
    with pytest.raises(ValueError, match="3 places are kept: they cannot be cut down to 4"):
        cache.truncate(4)


def test_a_full_cache_and_a_changed_batch_are_told_through_the_model():
    model = model_of()
    with no_grad():
        with pytest.raises(ValueError, match="of 4 places 0 are taken, 5 do not fit"):
            model([[1] * 5], caches_for(model, size=4))
        with pytest.raises(ValueError, match=r"\(1, 4, T, 4\), got \(2, 4, 3, 4\)"):
            model([[1] * 3] * 2, caches_for(model))


@each
def test_bytes_by_formula_are_the_bytes_of_the_arrays(name):
    for window in (None, 7):
        model = model_of(name, window)
        assert cache_bytes(model.config, 3, window=window) == sum(c.nbytes for c in caches_for(model, 3))
    assert cache_bytes(model.config, length=10) == sum(c.nbytes for c in caches_for(model_of(name), size=10))
    assert caches_for(model_of().double())[0].keys.dtype == np.float64


# -- one place -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [1, 9])
def test_one_query_is_pytorch_s_attention_with_its_gradient(keys):
    torch = pytorch()
    q, k, v = tensors(2, 3, 1, 4, count=1) + tensors(2, 3, keys, 4)
    for x in (q, k, v):
        x.requires_grad = True
    z = scaled_dot_product_attention(q, k, v)
    theirs = [torch.tensor(x.data, requires_grad=True) for x in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*theirs)
    np.testing.assert_allclose(z.data, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    (z * z).sum().backward()
    (expected * expected).sum().backward()
    for x, other in zip((q, k, v), theirs):
        np.testing.assert_allclose(x.grad.data, other.grad.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(z.data, one_query(q.data, k.data, v.data, 0.5)[0])


def test_one_place_goes_through_layers_that_were_exchanged():
    """The short way is for what __init__ made: another kind of layer is called."""

    class Doubled(type(MultiHeadAttention(4, 1).query)):
        def forward(self, x):
            return super().forward(x) * 2

    attention = MultiHeadAttention(4, heads=2)
    attention.value = Doubled(4, 4)
    x, cache = tensors(1, 1, 4, count=1)[0], KVCache(1, 2, 3, 2)
    with no_grad():
        np.testing.assert_allclose(attention(x, cache=cache).data, attention(x).data, rtol=1e-5)


def exchange(model, part):
    """Another kind of layer or norm in the last block, or another block, which computes something else."""
    owner, name = {
        "out": (model.transformer.blocks[2].attention, "out"),
        "norm2": (model.transformer.blocks[2], "norm2"),
        "attention": (model.transformer.blocks[2], "attention"),
        "norm": (model.transformer, "norm"),
    }[part]
    old = getattr(owner, name)

    class Other(type(old)):
        def forward(self, *inputs, **options):
            return super().forward(*inputs, **options) * 2

    old.__class__ = Other


@pytest.mark.parametrize("part", ["out", "norm2", "attention", "norm"])
def test_a_short_way_is_not_taken_around_a_part_that_was_exchanged(part):
    model, ids = model_of(), [3, 1, 4, 1, 5]
    with no_grad():
        before = model([ids]).data
        exchange(model, part)
        whole, caches = model([ids]).data, caches_for(model)
        parts = [model([[token]], caches, place).data for place, token in enumerate(ids)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-3, atol=1e-4)
    assert np.abs(whole - before).max() > 0.1


def test_dropout_drops_where_one_place_is_read_too():
    model = model_of()
    for module in model.modules():
        if isinstance(getattr(module, "p", None), float):
            module.p = 0.5
    model.train()
    with no_grad():
        logits = [model([[1]], caches_for(model)).data for _ in range(2)]
    assert (logits[0] != logits[1]).any()


# -- places of their own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LearnedPositions, SinusoidalPositions])
def test_sequences_may_start_at_places_of_their_own(kind):
    positions, (x,) = kind(6, 4), tensors(2, 3, 4, count=1)
    z = positions(x, np.array([3, -1])).data
    np.testing.assert_array_equal(z[0], positions(x, 3).data[0])
    np.testing.assert_array_equal(z[1, 1:], positions(x[:, 1:], 0).data[1])
    with pytest.raises(ValueError, match="there are 6 places"):
        positions(x, np.array([0, 4]))


def test_rotations_may_start_at_places_of_their_own():
    (x,) = tensors(2, 3, 5, 4, count=1)
    z = rotate(x, start=np.array([[3], [7]])).data
    for row, start in enumerate((3, 7)):
        np.testing.assert_allclose(z[row], rotate(x[row], start=start).data, rtol=1e-6)


# -- batches -------------------------------------------------------------------------------------------------------


@each
@windows
def test_a_batch_gives_each_prompt_the_tokens_it_gets_alone(name, window):
    model, prompts = model_of(name, window), [[1], [4, 5, 6], list(range(20)), [7, 7]]
    alone = [list(generate(model, prompt, 40, seed=seed)) for prompt, seed in zip(prompts, (3, 4, 5, 6))]
    assert generate_batch(model, prompts, 40, seeds=[3, 4, 5, 6]) == alone
    stop = alone[0][7]
    words = {"temperature": 0, "stop": [stop]}
    alone = [list(generate(model, prompt, 40, **words)) for prompt in prompts]
    assert generate_batch(model, prompts, 40, **words) == alone


def test_a_batch_refuses_what_generate_refuses():
    model = model_of(context=8)
    for prompts, count, words, message in [
        ([], 1, {}, "prompts of one token or more, got lengths"),
        ([[1], []], 1, {}, r"got lengths \[1, 0\]"),
        ([[1], [1, 2, 3]], 7, {}, "3 tokens and 7 new ones must fit into 8 places"),
        ([[1]], -1, {}, "-1 new ones"),
        ([[1], [2]], 1, {"seeds": [1]}, "2 prompts need a seed each, got 1"),
        ([[1]], 1, {"top_k": 0}, "top_k is 1 or more"),
    ]:
        with pytest.raises(ValueError, match=message):
            generate_batch(model, prompts, count, **words)
    assert generate_batch(model, [[1], [2, 3]], 0) == [[], []]
    assert left_padded([[1], [2, 3]])[1].tolist() == [1, 0]


def test_visible_is_what_it_says():
    queries, keys = np.array([2, 4]), np.array([4, 1, 2, 3])
    for t, row in zip(queries, visible(queries, keys, window=3)):
        assert row.tolist() == [bool(t - 3 < s <= t) for s in keys]
    assert visible(queries, keys, padding=np.array([0, 2])).shape == (2, 1, 2, 4)
    with pytest.raises(ValueError, match="a window is 1 place or more, got 0"):
        WindowedGPT(TransformerConfig(5), 0)


# -- the same beginning --------------------------------------------------------------------------------------------


@windows
def test_a_reader_computes_what_is_new_and_says_what_the_model_says(window):
    model, rng, computed = model_of("gpt2", window), np.random.default_rng(2), 0
    reader, before = TextReader(model), []
    for _ in range(30):
        text = before[: rng.integers(0, len(before) + 1)] + rng.integers(0, 3, rng.integers(1, 6)).tolist()
        text = text[:60]
        last = int(rng.integers(1, min(3, len(text)) + 1))
        with no_grad():
            expected = model([text]).data[0, -last:]
        np.testing.assert_allclose(reader.read(text, last), expected, rtol=1e-3, atol=1e-4)
        computed += len(text) - min(shared_prefix(before, text), len(text) - last)
        assert reader.computed == computed
        before = text


def test_a_reader_survives_a_text_that_is_too_long():
    reader = TextReader(model_of(context=8))
    expected = reader.read([1, 2, 3])
    with pytest.raises(ValueError, match="a context of 8"):
        reader.read([1, 2] + [5] * 7)
    np.testing.assert_allclose(reader.read([1, 2, 3]), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="a text of 2 tokens has no logits of its last 3"):
        reader.read([1, 2], 3)


# -- drafts --------------------------------------------------------------------------------------------------------


class Table:
    """What follows each token, by a table of distributions."""

    def __init__(self, p):
        self.p, self.asked = np.asarray(p), 0

    def read(self, tokens, last=1):
        self.asked += 1
        return np.log(self.p[np.array(tokens)[-last:]])


P = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]])
Q = np.array([[0.2, 0.2, 0.6], [0.3, 0.5, 0.2], [0.8, 0.1, 0.1]])


@pytest.mark.parametrize("ahead", [1, 2, 5])
@pytest.mark.parametrize("words", [{}, {"temperature": 0.5}, {"top_k": 2}, {"top_p": 0.75}])
def test_drafted_texts_have_the_target_s_distribution(ahead, words):
    """Chi-square over all texts of three tokens, at a level of one in a hundred thousand."""
    stats = pytest.importorskip("scipy.stats")
    count, seen = 3000, np.zeros((3, 3, 3))
    for seed in range(count):
        seen[tuple(speculate(Table(P), Table(Q), [0], 3, ahead, seed=seed, **words))] += 1
    p = np.array([chances(np.log(row), **words) for row in P])
    expected = count * p[0][:, None, None] * p[:, :, None] * p[None]
    assert (seen[expected == 0] == 0).all()
    possible = expected > 0
    statistic = ((seen - expected)[possible] ** 2 / expected[possible]).sum()
    assert statistic < stats.chi2.ppf(1 - 1e-5, possible.sum() - 1)


def test_the_chi_square_test_finds_a_draft_that_is_believed():
    """What the test above is for: accepting everything is found out."""
    seen = np.zeros(3)
    for seed in range(300):
        seen[next(iter(speculate(Table(Q), Table(Q), [0], 3, seed=seed)))] += 1
    assert ((seen - 300 * P[0]) ** 2 / (300 * P[0])).sum() > 100


@windows
@pytest.mark.parametrize("ahead", [1, 4])
def test_a_model_with_a_draft_says_what_it_says_alone(window, ahead):
    target, draft = model_of("gpt2", window), model_of("rotary")
    plain = list(generate(target, [1, 2, 3], 40, temperature=0))
    for other in (draft, target):
        assert list(speculate(TextReader(target), TextReader(other), [1, 2, 3], 40, ahead, temperature=0)) == plain
    stop = plain[20]
    with_stop = list(
        speculate(TextReader(target), TextReader(target), [1, 2, 3], 40, ahead, temperature=0, stop=[stop])
    )
    assert with_stop == plain[: plain.index(stop)]


def test_a_perfect_draft_saves_all_readings_but_one_a_round():
    target = Table(P)
    assert len(list(speculate(target, Table(P), [0], 25, ahead=4, seed=0))) == 25
    assert target.asked == 5


@given(st.integers(2, 5).flatmap(lambda v: st.tuples(*[st.lists(st.integers(1, 5), min_size=v, max_size=v)] * 2)))
@settings(deadline=None)
def test_a_round_gives_the_target_s_distribution_exactly(weights):
    """q(x) min(1, p(x) / q(x)) + P(rejected) max(p - q, 0) / its sum = p(x)."""
    p, q = (np.array(row) / sum(row) for row in weights)
    left = np.maximum(p - q, 0)
    total = left.sum() or 1
    np.testing.assert_allclose(np.minimum(p, q) + (1 - acceptance(p, q)) * left / total, p, atol=1e-12)
    assert accept_draft([], p[None], np.zeros((0, len(p))), np.array([0.0])) == [0]


def test_rounds_are_as_long_as_expected():
    rng, rate = np.random.default_rng(0), acceptance(P[0], Q[0])
    lengths = []
    for _ in range(4000):
        drafted = rng.choice(3, size=3, p=Q[0]).tolist()
        lengths.append(len(accept_draft(drafted, np.stack([P[0]] * 4), np.stack([Q[0]] * 3), rng.random(4))))
    assert abs(np.mean(lengths) - expected_tokens(rate, 3)) < 5 * np.std(lengths) / 4000**0.5


def test_chances_are_what_sample_draws_from():
    logits, at = np.log([0.1, 0.6, 0.3]), (np.arange(500) + 0.5) / 500
    for words in ({}, {"temperature": 0}, {"temperature": 2.0, "top_k": 2}, {"top_p": 0.65}):
        drawn = np.bincount([sample(logits, u, **words) for u in at], minlength=3) / 500
        np.testing.assert_allclose(drawn, chances(logits, **words), atol=0.005)


def test_no_draft_and_no_sampling_are_refused():
    with pytest.raises(ValueError, match="a draft is of 1 token or more, got 0"):
        next(speculate(Table(P), Table(Q), [0], 3, ahead=0))
    with pytest.raises(ValueError, match="temperature"):
        next(speculate(Table(P), Table(Q), [0], 3, temperature=-1))

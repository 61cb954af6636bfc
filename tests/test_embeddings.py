"""What is true of embeddings: lookups agree with PyTorch, places are angles, and contexts make vectors."""

import copy
import importlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch

from tinytorch.autograd import gradcheck
from tinytorch.embeddings import (
    Embedding,
    LearnedPositions,
    SinusoidalPositions,
    SkipGram,
    analogy,
    angles,
    embedding,
    embedding_vjp,
    nearest_tokens,
    negative_sampling_loss,
    noise_distribution,
    rotate,
    sinusoids,
    skip_gram_pairs,
    skip_gram_step,
    summed_by_id,
    take_away,
    tied_logits,
    train_skip_gram,
)
from tinytorch.layers import Linear, Module
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import SGD
from tinytorch.tensor import Tensor


def noise(*shape, seed=0, dtype="float64"):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


# -- the table -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(0, 8), max_size=30), st.sampled_from(["uint8", "int32", "int64"]))
def test_a_token_s_gradient_is_the_sum_over_its_places(size, ids, dtype):
    ids = np.array([i % size for i in ids], dtype)
    rows = noise(len(ids), 3)
    expected = np.zeros((size, 3))
    np.add.at(expected, ids, rows)
    np.testing.assert_allclose(summed_by_id(ids, rows, size), expected, atol=1e-12)


@pytest.mark.parametrize("padding_idx", [None, 0, -2])
def test_the_module_agrees_with_pytorch(padding_idx):
    torch = pytorch()
    ours, theirs = Embedding(7, 5, padding_idx), torch.nn.Embedding(7, 5, padding_idx)
    theirs.load_state_dict({"weight": torch.tensor(ours.weight.data)})
    ids = np.random.default_rng(0).integers(0, 7, (4, 6))
    z, other = ours(ids), theirs(torch.tensor(ids))
    (z * z).sum().backward()
    (other * other).sum().backward()
    np.testing.assert_array_equal(z.data, other.detach().numpy())
    np.testing.assert_allclose(ours.weight.grad.data, theirs.weight.grad.numpy(), rtol=1e-5)
    if padding_idx is not None:
        assert not ours.weight.data[padding_idx].any() and not ours.weight.grad.data[padding_idx].any()


def test_a_new_table_is_normal_with_variance_1():
    weight = Embedding(1000, 50).weight.data
    assert weight.dtype == np.float32
    assert abs(weight.mean()) < 0.02 and abs(weight.std() - 1) < 0.02


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([0, -1], IndexError, r"5 rows has the ids 0\.\.4, got -1"),
        ([[0, 5]], IndexError, r"5 rows has the ids 0\.\.4, got 5"),
        ([0.0, 1.0], TypeError, "whole numbers, got float64"),
        ([True], TypeError, "whole numbers, got bool"),
    ],
)
def test_what_is_not_in_the_table_is_named(ids, error, message):
    with pytest.raises(error, match=message):
        embedding(np.array(ids), np.zeros((5, 2)))


@pytest.mark.parametrize("ids", [1, np.int64(1)])
def test_a_plain_number_is_no_array_of_ids(ids):
    with pytest.raises(TypeError, match=r"got a plain int; tensor\(\[0, 1\]\) makes whole numbers"):
        embedding(ids, np.zeros((5, 2)))
    assert embedding(np.array(1), np.eye(2)).tolist() == [0, 1]


def test_a_padding_row_outside_the_table_is_refused():
    for wrong in (5, -6):
        with pytest.raises(ValueError, match=f"one of 5 rows, got {wrong}"):
            Embedding(5, 2, padding_idx=wrong)


def test_ids_need_no_gradient_and_get_none():
    assert embedding_vjp(np.ones((1, 2)), None, np.array([0]), np.ones((3, 2)))[0] is None


def test_a_table_learns_only_the_rows_that_were_read():
    table = Embedding(5, 2)
    before = table.weight.data.copy()
    table(np.array([1, 3])).sum().backward()
    SGD(table.parameters(), lr=1.0).step()
    moved = (table.weight.data != before).any(axis=1)
    assert moved.tolist() == [False, True, False, True, False]


class Tied(Module):
    def __init__(self):
        self.tokens = Embedding(6, 4)
        self.middle = Linear(4, 4)

    def forward(self, ids):
        return tied_logits(self.middle(self.tokens(ids)), self.tokens.weight)


def test_a_tied_table_is_one_parameter_with_both_gradients():
    torch = pytorch()
    model, ids, target = Tied(), np.array([1, 4, 4]), np.array([0, 1, 2])
    assert [name for name, _ in model.named_parameters()] == ["tokens.weight", "middle.weight", "middle.bias"]
    cross_entropy(model(ids), target).backward()
    weight, middle = (torch.tensor(p.data, requires_grad=True) for p in (model.tokens.weight, model.middle.weight))
    logits = (weight[ids] @ middle) @ weight.T
    torch.nn.functional.cross_entropy(logits, torch.tensor(target)).backward()
    np.testing.assert_allclose(model.tokens.weight.grad.data, weight.grad.numpy(), rtol=1e-4, atol=1e-6)
    twin = copy.deepcopy(model)
    assert len(list(twin.parameters())) == 3
    twin.tokens.weight.data[...] = 0
    assert not twin(ids).data.any() and model(ids).data.any()


# -- word2vec ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 4))
def test_pairs_are_all_those_within_the_window(ids, window):
    counted = sorted(
        [ids[i], ids[j]] for i in range(len(ids)) for j in range(len(ids)) if i != j and abs(i - j) <= window
    )
    assert sorted(skip_gram_pairs(np.array(ids), window).tolist()) == counted


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="1 place or more, got 0"):
        skip_gram_pairs(np.arange(3), 0)


def test_noise_lifts_what_is_rare():
    noise_of = noise_distribution(np.array([1, 81, 0]))
    assert noise_of.sum() == pytest.approx(1) and noise_of[2] == 0
    assert noise_of[1] / noise_of[0] == pytest.approx(27)
    assert noise_distribution(np.array([3, 1]), power=0).tolist() == [0.5, 0.5]


def test_the_loss_is_two_kinds_of_logistic_regression():
    torch = pytorch()
    arrays = [noise(4, 3), noise(4, 3, seed=1), noise(4, 5, 3)]
    inputs, leaves = [Tensor(a, True) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]
    center, context, negatives = leaves
    logsigmoid = torch.nn.functional.logsigmoid
    apart = logsigmoid(-torch.einsum("bkc,bc->bk", negatives, center)).sum(1)
    theirs = -(logsigmoid((center * context).sum(1)) + apart).mean()
    ours = negative_sampling_loss(*inputs)
    ours.backward()
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item())
    for mine, other in zip(inputs, leaves):
        np.testing.assert_allclose(mine.grad.data, other.grad.numpy(), atol=1e-12)
    assert gradcheck(negative_sampling_loss, *arrays)


def test_the_loss_overflows_nowhere():
    far = Tensor([[1000.0, 0.0]], True)
    loss = negative_sampling_loss(far, Tensor([[-1000.0, 0.0]]), Tensor([[[1000.0, 0.0]]]))
    loss.backward()
    assert loss.item() == 2e6 and np.isfinite(far.grad.data).all()


def test_tokens_with_the_same_neighbours_become_neighbours():
    """Tokens 0 and 1 stand between 4 and 5, tokens 2 and 3 between 6 and 7."""
    rng = np.random.default_rng(1)
    pieces = [
        [4, int(rng.integers(0, 2)), 5] if rng.random() < 0.5 else [6, int(rng.integers(2, 4)), 7] for _ in range(600)
    ]
    model, losses = train_skip_gram(np.concatenate(pieces), 8, width=8, window=1, epochs=4, batch=64, lr=0.05, rng=rng)
    assert losses[-1] < 0.8 * losses[0]
    vectors = model.center.weight.data
    twins = [nearest_tokens(vectors, vectors[i], count=1, without=[i])[0][0] for i in range(4)]
    assert twins == [1, 0, 3, 2]


def test_training_twice_from_one_seed_gives_the_same_vectors():
    ids = np.arange(50) % 5
    first, second = (train_skip_gram(ids, 5, epochs=1, rng=np.random.default_rng(3))[0] for _ in range(2))
    np.testing.assert_array_equal(first.center.weight.data, second.center.weight.data)
    with pytest.raises(IndexError, match="got 4"):
        train_skip_gram(ids, 4)


def test_a_module_of_pairs_composes_the_loss():
    model = SkipGram(6, 4, np.random.default_rng(0))
    pairs, negatives = np.array([[0, 1], [2, 3]]), np.array([[4, 5], [0, 0]])
    v, u = model.center.weight.data, model.context.weight.data
    expected = negative_sampling_loss(v[pairs[:, 0]], Tensor(u[pairs[:, 1]]), Tensor(u[negatives]))
    assert model(pairs, negatives).item() == pytest.approx(expected.item())


def test_nearest_compares_directions_not_lengths():
    vectors = np.array([[10.0, 0.0], [0.1, 0.1], [0.0, -1.0], [0.0, 0.0]])
    assert nearest_tokens(vectors, np.array([0.0, 5.0]), count=9) == [(1, 0.7071), (0, 0.0), (3, 0.0), (2, -1.0)]
    assert nearest_tokens(vectors, np.array([0.0, 5.0]), count=1, without=[1]) == [(0, 0.0)]


def test_an_analogy_is_a_parallelogram_of_directions():
    grid = np.array([[1.0, 0.0, a, b] for a in (0, 1) for b in (0, 1)] + [[-1.0, 2.0, 0.5, 0.5]])
    assert analogy(grid, 0, 1, 2)[0][0] == 3
    assert analogy(grid * [[1], [5], [0.1], [2], [1]], 0, 1, 2)[0][0] == 3  # lengths say nothing


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(0, 5), max_size=20))
def test_rows_that_are_not_named_stay_as_they_are(size, ids):
    ids = np.array([i % size for i in ids], np.int64)
    table, rows = noise(size, 3), noise(len(ids), 3, seed=1)
    expected = table.copy()
    np.subtract.at(expected, ids, rows)
    take_away(table, ids, rows)
    np.testing.assert_allclose(table, expected, atol=1e-12)
    untouched = np.setdiff1d(np.arange(size), ids)
    assert (table[untouched] == noise(size, 3)[untouched]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_by_hand_is_the_step_of_the_graph(dtype):
    rng = np.random.default_rng(0)
    pairs, negatives = rng.integers(0, 5, (7, 2)), rng.integers(0, 5, (7, 3))
    model = SkipGram(5, 4, rng=rng)
    for table in (model.center, model.context):
        table.weight.data = table.weight.data.astype(dtype)
    center, context = model.center.weight.data.copy(), model.context.weight.data.copy()
    optimizer = SGD(model.parameters(), lr=0.5)
    loss = model(pairs, negatives)
    loss.backward()
    optimizer.step()
    assert skip_gram_step(center, context, pairs, negatives, lr=0.5) == pytest.approx(loss.item(), rel=1e-5)
    assert center.dtype == context.dtype == dtype
    np.testing.assert_allclose(center, model.center.weight.data, atol=1e-6)
    np.testing.assert_allclose(context, model.context.weight.data, atol=1e-6)


def test_the_measure_of_word2vec_asks_each_two_pairs_of_a_family_twice(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "chapters" / "measures")
    word2vec = importlib.import_module("word2vec")
    assert word2vec.questions("a b c d") == [("a", "b", "c", "d"), ("c", "d", "a", "b")]
    assert word2vec.words("Speak, speak. We know't!") == ["speak", "speak", "we", "know't"]
    flat = np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], *-np.eye(3)])
    rates = word2vec.rates(flat, {name: i for i, name in enumerate("abcdxyz")}, "a b c d")
    assert rates == {"questions": 2, "first": 2, "ten": 2, "ignoring": 2}
    ids = np.array([0] * 9000 + [1] * 10)
    thinned = word2vec.thinned(ids, np.random.default_rng(0))
    assert (thinned == 1).sum() > 8 and (thinned == 0).sum() < 500


# -- places --------------------------------------------------------------------------------------------------------


def test_sinusoids_are_those_of_the_paper():
    z = sinusoids(50, 6)
    for t in (0, 1, 49):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            assert z[t, 2 * i : 2 * i + 2] == pytest.approx([np.sin(angle), np.cos(angle)], abs=1e-6)
    assert z.dtype == np.float32


def test_the_product_of_two_places_depends_on_their_distance():
    z = sinusoids(40, 16)
    products = z @ z.T
    for distance in (0, 1, 7):
        np.testing.assert_allclose(np.diagonal(products, distance), products[0, distance], atol=1e-4)


@pytest.mark.parametrize("width", [3, 1, 0])
def test_hands_need_two_numbers_each(width):
    for call in (lambda: angles(np.arange(2), width), lambda: sinusoids(4, width), lambda: rotate(np.ones((2, width)))):
        with pytest.raises(ValueError, match=f"even width, .* got {width}"):
            call()


@pytest.mark.parametrize("kind", [LearnedPositions, SinusoidalPositions])
def test_positions_are_added_from_the_start_that_is_given(kind):
    positions = kind(6, 4)
    table = positions.weight.data if kind is LearnedPositions else positions.table
    x = Tensor(noise(2, 3, 4, dtype="float32"))
    np.testing.assert_allclose(positions(x).data, x.data + table[:3])
    np.testing.assert_allclose(positions(x, start=3).data, x.data + table[3:])
    for start in (4, -1):
        with pytest.raises(ValueError, match=f"6 places, 3 from place {start} on"):
            positions(x, start=start)


def test_learned_positions_learn_where_they_were_used():
    positions = LearnedPositions(5, 2)
    positions(Tensor(np.zeros((3, 2, 2))), start=1).sum().backward()
    assert positions.weight.grad.data.tolist() == [[0, 0], [3, 3], [3, 3], [0, 0], [0, 0]]


# -- rotation ------------------------------------------------------------------------------------------------------


def test_a_rotated_product_depends_on_the_distance_alone():
    q, k = noise(1, 8), noise(1, 8, seed=1)
    at = lambda x, place: rotate(x, start=place).data[0]
    for distance in (0, 1, 5):
        products = [at(q, place) @ at(k, place + distance) for place in (0, 3, 100)]
        np.testing.assert_allclose(products, products[0], atol=1e-9)
    assert at(q, 0) @ at(k, 1) != pytest.approx(at(q, 1) @ at(k, 0))


def test_a_rotation_keeps_lengths_and_continues_from_a_start():
    x = noise(2, 3, 6, 4)
    z = rotate(x).data
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), np.linalg.norm(x, axis=-1))
    np.testing.assert_allclose(rotate(x[..., 4:, :], start=4).data, z[..., 4:, :])
    np.testing.assert_array_equal(z[..., 0, :], x[..., 0, :])
    own = rotate(x, start=np.array([[0], [7]])).data
    np.testing.assert_array_equal(own, np.stack([z[0], rotate(x[1], start=7).data]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rotation_reads_views_and_keeps_the_dtype(dtype):
    x = noise(2, 5, 3, 4, dtype=dtype).transpose(0, 2, 1, 3)
    assert rotate(x, start=2).dtype == dtype
    np.testing.assert_array_equal(rotate(x, start=2).data, rotate(np.ascontiguousarray(x), start=2).data)
    assert gradcheck(lambda x: rotate(x, start=3), x)

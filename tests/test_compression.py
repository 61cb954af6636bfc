"""What is pruned stays pruned, what is shrunk says the same, and what is exported other programs run alike."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from oracles import pytorch

import tinytorch as tt
from tinytorch import nn, onnx
from tinytorch.attention import MultiHeadAttention, textbook_attention
from tinytorch.compression import (
    Distiller,
    Pruner,
    cubic_sparsity,
    distillation_loss,
    load_sparse,
    low_rank,
    magnitude_mask,
    masks_for,
    prunable,
    rank_for_energy,
    save_sparse,
    shrink_network,
    shrink_pair,
    sparse_matmul,
    sparsity_of,
    strongest_units,
    to_sparse,
    truncated_svd,
)
from tinytorch.convolutions import Residual
from tinytorch.training import Batches, Trainer
from tinytorch.transformers import GPT, TransformerConfig


@pytest.fixture
def rng():
    tt.manual_seed(16)
    return np.random.default_rng(16)


# -- single weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_as_many_weights_go_as_were_asked_for_and_none_is_larger_than_one_that_stays(rng, sparsity):
    weight = rng.normal(size=(20, 30)).astype(np.float32)
    mask = magnitude_mask(weight, sparsity)
    assert mask.dtype == bool and (~mask).sum() == round(sparsity * 600)
    if 0 < sparsity < 1:
        assert np.abs(weight[~mask]).max() <= np.abs(weight[mask]).min()


def test_of_equal_weights_as_many_go_as_were_asked_for():
    assert magnitude_mask(np.ones((2, 3)), 0.5).tolist() == [[False, False, False], [True, True, True]]


def test_masks_agree_with_pytorch_s(rng):
    pytorch()
    prune = pytest.importorskip("torch.nn.utils.prune")
    torch = pytest.importorskip("torch")
    weight = rng.normal(size=(7, 9)).astype(np.float32)
    layer = torch.nn.Linear(9, 7)
    layer.weight.data = torch.tensor(weight)
    prune.l1_unstructured(layer, "weight", amount=0.4)
    assert np.array_equal(layer.weight_mask.numpy().astype(bool), magnitude_mask(weight, 0.4))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    calls = [
        lambda: magnitude_mask(np.ones(3), share),
        lambda: cubic_sparsity(1, 10, share),
        lambda: cubic_sparsity(1, 10, 0.5, initial=share),
        lambda: rank_for_energy(np.ones(3), share),
        lambda: shrink_network(model, share),
        lambda: distillation_loss(tt.zeros(1, 2), tt.zeros(1, 2), np.array([0]), alpha=share),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"is a share from 0 to 1, got {share}"):
            call()


def test_together_one_threshold_holds_for_all_layers(rng):
    model = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 10))
    model[0].weight.data += 10
    masks = masks_for(model, 0.5, together=True)
    assert masks["0.weight"].all() and not masks["2.weight"].any()
    assert [mask.mean() for mask in masks_for(model, 0.5).values()] == [0.5, 0.5]
    assert masks_for(nn.ReLU(), 0.5, together=True) == {}


def test_biases_and_scales_are_not_pruned():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
    assert list(prunable(model)) == ["0.weight", "3.weight"]


# -- schedules, and masks that hold ------------------------------------------------------------------------------------


def test_the_schedule_is_the_paper_s():
    sparsities = [cubic_sparsity(t, steps=100, final=0.9, initial=0.1, start=50) for t in range(0, 250)]
    assert sparsities[:51] == pytest.approx([0.1] * 51)
    assert sparsities[75] == pytest.approx(0.9 - 0.8 * 0.75**3)
    assert sparsities[150:] == [0.9] * 100
    assert all(a <= b for a, b in pairwise(sparsities))
    with pytest.raises(ValueError, match="1 step or more, got 0"):
        cubic_sparsity(0, 0, 0.5)


@pytest.mark.parametrize("optimizer", [tt.optim.Adam, tt.optim.AdamW, lambda p, lr: tt.optim.SGD(p, lr, momentum=0.9)])
def test_masks_survive_training(rng, optimizer):
    x, y = rng.normal(size=(64, 6)).astype(np.float32), rng.integers(0, 3, 64)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    pruner = Pruner(model, lambda step: 0.75, every=1000)
    pruner()
    masks, before = dict(pruner.masks), {name: p.data.copy() for name, p in prunable(model).items()}
    trainer = Trainer(model, optimizer(model.parameters(), lr=0.01), callbacks=[pruner])
    trainer.fit(Batches(x, y), 3)
    for name, p in prunable(model).items():
        assert not p.data[~masks[name]].any()
        assert (p.data != before[name]).any()
    assert sparsity_of(model) == pytest.approx(0.75)


def test_a_schedule_prunes_more_and_more(rng):
    model, found = nn.Linear(10, 10), []
    pruner = Pruner(model, lambda step: cubic_sparsity(step, 10, 0.8), every=2)
    for _ in range(13):
        pruner()
        found.append(round(sparsity_of(model), 2))
    assert found == [0, 0, 0.39, 0.39, 0.63, 0.63, 0.75, 0.75, 0.79, 0.79, 0.8, 0.8, 0.8]


def test_a_graph_that_was_made_before_pruning_is_refused(rng):
    model = nn.Linear(3, 3)
    loss = (model(tt.ones(1, 3, requires_grad=True)) ** 2).sum()
    Pruner(model, lambda step: 0.5)()
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()


# -- whole units -------------------------------------------------------------------------------------------------------


def test_the_strongest_units_are_kept_in_their_order():
    weight = np.array([[1.0, -9.0, 2.0, 9.0]])
    assert strongest_units(weight, 2, axis=1).tolist() == [1, 3]
    assert strongest_units(np.ones((4, 2)), 3, axis=0).tolist() == [0, 1, 2]
    for count in (0, 5):
        with pytest.raises(ValueError, match=f"of 4 units 1 to 4 can be kept, got {count}"):
            strongest_units(weight, count, axis=1)


def silence(layer, units, axis):
    """Units that say nothing: no weights, no bias."""
    np.moveaxis(layer.weight.data, axis, 0)[units] = 0
    layer.bias.data[units] = 0


@pytest.mark.parametrize("between", ["linear", "convolution", "flattened"])
def test_without_silent_units_the_pair_says_the_same(rng, between):
    first = nn.Linear(5, 6) if between == "linear" else nn.Conv2d(2, 6, 3, padding=1)
    second = nn.Conv2d(6, 3, 3) if between == "convolution" else nn.Linear(6 if between == "linear" else 6 * 16, 3)
    middle = [nn.ReLU(), nn.Flatten()] if between == "flattened" else [nn.ReLU()]
    x = tt.randn(*((4, 5) if between == "linear" else (4, 2, 4, 4)))
    first.bias.data[...] = rng.normal(size=6)
    silence(first, [0, 2, 5], 1 if between == "linear" else 0)
    narrow, following = shrink_pair(first, second, [1, 3, 4])
    whole, small = nn.Sequential(first, *middle, second), nn.Sequential(narrow, *middle, following)
    assert np.allclose(whole(x).data, small(x).data, atol=1e-6)
    assert narrow.weight.numel() * 2 == first.weight.numel()
    assert whole[0].weight.requires_grad and small[0].weight.requires_grad
    assert not np.shares_memory(narrow.bias.data, first.bias.data)


@pytest.mark.parametrize("bias", [True, False])
def test_a_unit_that_always_says_its_mean_can_be_cut_without_loss(rng, bias):
    first, second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3, bias=bias)
    first.bias.data[...] = [1, 2, 3, 4]
    first.weight.data[[1, 2]] = 0
    narrow, following = shrink_pair(first, second, [0, 3], means=np.array([9.0, 2, 3, 9]))
    x = tt.randn(2, 1, 8, 8)
    assert np.allclose(second(first(x)).data, following(narrow(x)).data, atol=1e-6)
    assert following.bias.dtype == np.float32


@pytest.mark.parametrize("kept", [[], [2, 1], [1, 1], [-1], [4], [0.5], [[0, 1]]])
def test_units_that_are_none_are_refused(kept):
    with pytest.raises(ValueError, match=r"ascending numbers within 0\.\.3, got"):
        shrink_pair(nn.Linear(2, 4), nn.Linear(4, 2), kept)


def test_layers_that_do_not_follow_each_other_are_refused():
    with pytest.raises(ValueError, match="5 inputs of the second layer are no multiple of the first one's 4 units"):
        shrink_pair(nn.Linear(2, 4), nn.Linear(5, 2), [0])


def test_a_network_shrinks_and_still_runs(rng):
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 16, 32), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(32, 10),
    )  # fmt: skip
    x = tt.randn(6, 1, 8, 8)
    model(x)
    before = {name: array.copy() for name, array in model.state_dict().items()}
    small = shrink_network(model, 0.5, x)
    assert [small[i].weight.shape for i in (0, 4, 8, 11)] == [(4, 1, 3, 3), (8, 4, 3, 3), (128, 16), (16, 10)]
    assert small[1].running_mean.shape == (4,) and small.training and model.training
    assert small.eval()(x).shape == (6, 10)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    whole = shrink_network(model, 0.0)
    assert np.array_equal(whole.eval()(x).data, model.eval()(x).data)
    nn.functional.cross_entropy(small(x), np.arange(6)).backward()
    assert all(p.grad is not None for p in small.parameters())


def test_means_make_a_shrunken_network_better(rng):
    model = nn.Sequential(nn.Linear(10, 40), nn.Sigmoid(), nn.Linear(40, 5))
    x = tt.randn(200, 10)
    wanted = model(x).data
    errors = [np.square(shrink_network(model, 0.5, some)(x).data - wanted).mean() for some in (None, x)]
    assert errors[1] < errors[0] / 3


def test_what_cannot_be_shrunk_is_named():
    for module in (nn.Softmax(), nn.Conv2d(4, 4, 3, groups=2), nn.LayerNorm(4)):
        with pytest.raises(ValueError, match=f"not {type(module).__name__}"):
            shrink_network(nn.Sequential(nn.Linear(4, 4), module, nn.Linear(4, 4)), 0.5)


# -- fewer dimensions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_the_truncated_svd_errs_by_the_values_that_it_leaves_out(rng, shape):
    weight = rng.normal(size=shape).astype(np.float32)
    s = np.linalg.svd(weight, compute_uv=False)
    for rank in range(1, min(shape) + 1):
        left, right = truncated_svd(weight, rank)
        assert left.shape == (shape[0], rank) and right.shape == (rank, shape[1]) and left.dtype == np.float32
        assert np.square(weight - left @ right).sum() == pytest.approx(np.square(s[rank:]).sum(), abs=1e-4)


@pytest.mark.parametrize("rank", [0, -1, 5])
def test_a_rank_that_is_none_is_refused(rank):
    for call in (lambda: truncated_svd(np.ones((6, 4)), rank), lambda: low_rank(nn.Linear(6, 4), rank)):
        with pytest.raises(ValueError, match=rf"\(6, 4\) has ranks 1 to 4, got {rank}"):
            call()


def test_a_rank_holds_its_share_of_the_energy(rng):
    s = np.sort(rng.random(20))[::-1]
    for share in (0.0, 0.3, 0.9, 0.99, 1.0):
        rank = rank_for_energy(s, share)
        assert np.square(s[:rank]).sum() >= share * np.square(s).sum() - 1e-12
        assert rank == 1 or np.square(s[: rank - 1]).sum() < share * np.square(s).sum()
    assert rank_for_energy(np.array([2.0, 1.0, 0.0]), 1.0) == 2
    assert rank_for_energy(np.zeros(3), 0.9) == 1


def test_two_layers_of_full_rank_are_the_one(rng):
    layer = nn.Linear(6, 4)
    x = tt.randn(3, 6)
    assert np.allclose(low_rank(layer, 4)(x).data, layer(x).data, atol=1e-6)
    assert sum(p.numel() for p in low_rank(layer, 1).parameters()) == 6 + 4 + 4


# -- a teacher ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 0.5), (4.0, 0.9), (2.0, 1.0), (3.0, 0.0)])
def test_the_distillation_loss_is_pytorch_s(rng, temperature, alpha):
    torch = pytorch()
    F = torch.nn.functional
    logits, teacher = (3 * rng.normal(size=(5, 7)).astype(np.float32) for _ in range(2))
    target = rng.integers(0, 7, 5)
    theirs = torch.tensor(logits, requires_grad=True)
    q, p = F.log_softmax(theirs / temperature, -1), F.softmax(torch.tensor(teacher) / temperature, -1)
    soft = F.kl_div(q, p, reduction="batchmean")
    expected = alpha * temperature**2 * soft + (1 - alpha) * F.cross_entropy(theirs, torch.tensor(target))
    expected.backward()
    ours, told = tt.Tensor(logits, requires_grad=True), tt.Tensor(teacher, requires_grad=True)
    loss = distillation_loss(ours, told, target, temperature, alpha)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
    assert np.allclose(ours.grad.data, theirs.grad.numpy(), atol=1e-5)
    assert told.grad is None


def test_a_distillation_that_makes_no_sense_is_refused():
    two = tt.zeros(1, 2)
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"a temperature is above 0, got {temperature}"):
            distillation_loss(two, two, np.array([0]), temperature=temperature)
    with pytest.raises(ValueError, match=r"got \(1, 3\) for \(1, 2\)"):
        distillation_loss(two, tt.zeros(1, 3), np.array([0]))


def test_a_student_comes_to_answer_as_its_teacher_does(rng):
    x = rng.normal(size=(128, 4)).astype(np.float32)
    teacher = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 3))
    before = [p.data.copy() for p in teacher.parameters()]
    student = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
    distiller = Distiller(student, tt.optim.Adam(student.parameters(), lr=0.03), teacher=teacher, alpha=1.0)
    history = distiller.fit(Batches(x, np.zeros(128, int)), 40)
    assert history[-1]["loss"] < history[0]["loss"] / 20
    assert all(np.array_equal(a, p.data) and p.grad is None for a, p in zip(before, teacher.parameters()))


# -- zeros in memory and in files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_a_sparse_product_is_the_dense_one(rng, share):
    weight = rng.normal(size=(12, 9)).astype(np.float32)
    weight[~magnitude_mask(weight, share)] = 0
    x = rng.normal(size=(4, 12)).astype(np.float32)
    held = to_sparse(weight)
    assert np.allclose(sparse_matmul(x, held), x @ weight, atol=1e-5)
    assert held.nbytes == 8 * np.count_nonzero(weight) + 4 * 10
    weight[:, 4] = 0
    assert np.allclose(sparse_matmul(x, to_sparse(weight)), x @ weight, atol=1e-5)


def test_a_sparse_file_loads_back_bit_for_bit(rng, tmp_path):
    weight = rng.normal(size=(30, 40)).astype(np.float32)
    weight[~magnitude_mask(weight, 0.9)] = 0
    weight[0, 0], weight[1, 1] = -0.0, np.nan
    state = {"w": weight, "w.bits.x": np.zeros(3, np.int64), "dense": np.arange(4.0), "scalar": np.array(0.0)}
    save_sparse(state, tmp_path / "s")
    found = load_sparse(tmp_path / "s")
    assert found.keys() == state.keys()
    for name, array in state.items():
        assert found[name].tobytes() == array.tobytes() and found[name].shape == array.shape
        assert found[name].dtype == array.dtype
    tt.save(state, tmp_path / "d")
    assert (tmp_path / "s").stat().st_size < 0.3 * (tmp_path / "d").stat().st_size
    with pytest.raises(ValueError, match="was not written by save_sparse"):
        load_sparse(tmp_path / "d")


def test_a_file_that_is_cut_short_is_refused(rng, tmp_path):
    path = tmp_path / "s"
    save_sparse({"w": np.eye(50, dtype=np.float32)}, path)
    whole = path.read_bytes()
    for length in (0, 5, 60, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="s: "):
            load_sparse(path)


# -- ONNX --------------------------------------------------------------------------------------------------------------


def agrees(model, example, others, path, axes):
    """Export, check, and compare what onnxruntime makes of the example and of others with what the model does."""
    checker, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    onnx.export(model, example, path, ["x"], ["z"], {"x": axes})
    checker.checker.check_model(checker.load(path), full_check=True)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model.eval()
    for x in (example, *others):
        with tt.no_grad():
            expected = model(tt.Tensor(x)).data
        (found,) = session.run(["z"], {"x": x})
        assert found.shape == expected.shape and found.dtype == expected.dtype
        assert np.abs(found - expected).max() < 1e-4
    return session


def images(rng, count, channels=1, size=8):
    return rng.random((count, channels, size, size), np.float32)


def test_an_exported_mlp_agrees(rng, tmp_path):
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10), nn.Softmax())
    x = [rng.random((count, 64), np.float32) for count in (1, 2, 7)]
    session = agrees(model.train(), x[0], x[1:], tmp_path / "m.onnx", {0: "batch"})
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("x", ["batch", 64])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("z", ["batch", 10])]


def test_an_exported_cnn_agrees(rng, tmp_path):
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(8, 8, 3, stride=2, dilation=2, padding=2, groups=4, bias=False), nn.BatchNorm2d(8), nn.GELU(),
        nn.AvgPool2d(2, padding=1), Residual(nn.Conv2d(8, 8, 1), nn.LeakyReLU(0.2)), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip
    for _ in range(3):
        model(tt.Tensor(images(rng, 16, 3, 16) * 5))
    agrees(model, images(rng, 2, 3, 16), [images(rng, 1, 3, 16), images(rng, 5, 3, 16)], tmp_path / "m.onnx", {0: "B"})


def test_an_image_s_height_and_width_may_vary(rng, tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    others = [rng.random(shape, np.float32) for shape in ((1, 1, 9, 30), (4, 1, 5, 5))]
    axes = {0: "batch", 2: "height", 3: "width"}
    agrees(model, images(rng, 2), others, tmp_path / "m.onnx", axes)
    session = agrees(nn.Conv2d(1, 2, 3), images(rng, 2), others, tmp_path / "m.onnx", axes)
    assert session.get_outputs()[0].shape == ["batch", 2, "z_2", "z_3"]
    halved = Calls(lambda x: x[:, :, : x.shape[2]])
    with pytest.raises(ValueError, match="several ways to make 8 and 7 of the sizes: batch 2 and 6, height 8 and 7"):
        onnx.export(halved, images(rng, 2), tmp_path / "m.onnx", ["x"], dynamic_axes={"x": axes})


CONFIGS = {
    "classic": TransformerConfig(65, context=64, width=32, layers=2),
    "modern": TransformerConfig.modern(65, context=1100, width=32, layers=2),
    "shared heads": TransformerConfig.modern(65, width=32, layers=1, kv_heads=2, activation="swiglu"),
    "sinusoidal": TransformerConfig(65, context=64, width=32, layers=1, positions="sinusoidal", bias=False),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_exported_gpt_agrees_at_every_batch_and_length(rng, tmp_path, name):
    model = GPT(CONFIGS[name])
    for p in model.parameters():
        p.data += 0.1 * rng.standard_normal(p.shape, np.float32)
    context = model.config.context
    ids = [rng.integers(0, 65, shape) for shape in ((2, 8), (1, 1), (5, 33), (1, context))]
    session = agrees(model, ids[0], ids[1:], tmp_path / "m.onnx", {0: "batch", 1: "length"})
    assert session.get_outputs()[0].shape == ["batch", "length", 65]


def test_an_example_that_fills_the_context_may_be_given(rng, tmp_path):
    model = GPT(TransformerConfig(9, context=4, width=8, layers=1, heads=2))
    agrees(model, np.array([[1, 2, 3, 4]]), [np.array([[5], [6]])], tmp_path / "m.onnx", {0: "batch", 1: "length"})


class Calls(nn.Module):
    """A module out of a function."""

    def __init__(self, function):
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


FUNCTIONS = {
    "arithmetic": lambda x: (2 - x) / (x * x + 1) - 3 ** (x * 0.5) + abs(-x) ** 3,
    "extremes": lambda x: x.maximum(0.2).minimum(x.clip(-1, 0.9)) + x.clip(min=0.1),
    "functions": lambda x: (x.exp() + 1).log() + (x * x).sqrt() + x.sin() * x.cos() + x.sign() * x.floor() + x.ceil(),
    "erf": lambda x: tt.erf(x),
    "sums": lambda x: x.sum(1, keepdim=True) + x.mean((1, 2), keepdim=True) + x.amax(-1, keepdim=True) - x.amin(),
    "whole": lambda x: x.sum() + x.mean(),
    "softmaxes": lambda x: x.softmax(1) + x.log_softmax(-1) + nn.functional.softplus(x) + nn.functional.silu(x),
    "logsumexp": lambda x: x.logsumexp(dim=1) + x.logsumexp(-2),
    "moved": lambda x: x.transpose(0, 2).permute(1, 0, 2).reshape(4, -1).unsqueeze(0).squeeze(0).flatten(),
    "cut": lambda x: x[:, 1:3, -1] + x[..., 0][:, :-2] + x[:, None, 1, ::2][:, 0, :1],
    "joined": lambda x: tt.concatenate([x, x[:, :1]], dim=1) + tt.stack([x[:, 0]] * 5, dim=1).expand(-1, 5, 3),
    "chosen": lambda x: tt.where(np.array([True, False, True]), x, 7.0) + x.sigmoid().tanh().clone(),
    "normed": lambda x: nn.functional.layer_norm(x, 3) + nn.functional.rms_norm(x, (4, 3)),
    "in place": lambda x: changed(x * 2),
}


def changed(x):
    x += 1
    x *= x
    return x


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_operation_agrees(rng, tmp_path, name):
    examples = [rng.normal(size=(size, 4, 3)).astype(np.float32) for size in (2, 1, 5)]
    agrees(Calls(FUNCTIONS[name]), examples[0], examples[1:], tmp_path / "m.onnx", {0: "batch"})


@pytest.mark.parametrize("kind", ["bool", "added"])
def test_attention_with_a_constant_mask_agrees(rng, tmp_path, kind):
    allowed = np.tri(5, dtype=bool)
    allowed[2] = False
    mask = allowed if kind == "bool" else np.where(allowed, np.float32(0.5), np.float32(-np.inf))
    attention = MultiHeadAttention(8, heads=2)
    model = Calls(lambda x: attention(x, mask=tt.Tensor(mask)))
    x = [rng.random((size, 5, 8), np.float32) for size in (2, 4)]
    agrees(model, x[0], x[1:], tmp_path / "m.onnx", {0: "batch"})


def test_several_inputs_and_outputs_keep_their_names(rng, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "m.onnx"
    model = Calls(lambda a, b: (a @ b, a.sum(1)))
    axes = {"a": {0: "rows"}, "b": {1: "columns"}}
    onnx.export(model, (tt.ones(2, 3), tt.ones(3, 4)), path, ["a", "b"], ["product", "sums"], axes)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    a, b = rng.random((5, 3), np.float32), rng.random((3, 7), np.float32)
    product, sums = session.run(["product", "sums"], {"a": a, "b": b})
    assert np.allclose(product, a @ b, atol=1e-6) and np.allclose(sums, a.sum(1), atol=1e-6)
    assert [o.shape for o in session.get_outputs()] == [["rows", "columns"], ["rows"]]


def test_tied_weights_are_held_once_and_all_weights_under_their_names(tmp_path):
    model = GPT(TransformerConfig(65, context=8, width=16, layers=1, heads=2))
    onnx.export(model, np.array([[1, 2, 3]]), tmp_path / "m.onnx")
    arrays = onnx.read(tmp_path / "m.onnx").arrays
    for name, array in model.state_dict().items():
        assert np.array_equal(arrays[name], array)
    assert sum(array.shape == (65, 16) for array in arrays.values()) == 1


def test_the_model_is_left_as_it_was(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5), nn.BatchNorm1d(3)).train()
    model[0].requires_grad_(False)
    model[2].eval()
    before = json.dumps({name: array.tolist() for name, array in model.state_dict().items()})
    with tt.no_grad():
        onnx.export(model, tt.ones(2, 2), tmp_path / "m.onnx")
    assert json.dumps({name: array.tolist() for name, array in model.state_dict().items()}) == before
    assert [module.training for module in model.modules()] == [True, True, True, False]
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]


REFUSED = {
    "does not know the operation 'cumsum'": lambda x: x.cumsum(1),
    "does not know the operation 'dropout'": lambda x: nn.functional.dropout(x, 0.5),
    "no indexing by arrays": lambda x: x[:, [0, 2]],
    "from its input where nothing is recorded": lambda x: x + np.float32(2) * np.tanh(x.data),
    "must come from its input": lambda x: x.detach(),
    "other operations for an example of another size": lambda x: x * 2 if len(x) < 4 else x + 1,
    "a model that returns tensors, got ndarray": lambda x: x.data,
    "no way to make": lambda x: x[: len(x) // 2 + 1],
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_exported_is_refused_by_name(tmp_path, message):
    x = tt.Tensor(np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32))
    with pytest.raises((ValueError, TypeError), match=message):
        onnx.export(Calls(REFUSED[message]), x, tmp_path / "m.onnx", ["x"], dynamic_axes={"x": {0: "batch"}})
    assert not list(tmp_path.iterdir())


def test_attention_step_by_step_is_refused_where_it_looks_at_its_numbers(tmp_path):
    model = Calls(lambda x: textbook_attention(x, x, x))
    with pytest.raises(ValueError, match="where nothing is recorded"):
        onnx.export(model, tt.randn(1, 3, 4), tmp_path / "m.onnx", ["x"], dynamic_axes={"x": {0: "batch"}})


@pytest.mark.parametrize(
    ("names", "axes", "message"),
    [
        (["a", "b"], None, "1 inputs need as many names"),
        (["a"], {"b": {0: "batch"}}, "and axes of these"),
        (["a"], {"a": {2: "depth"}}, r"a \(2, 3\) has no axis 2"),
        (["a"], {"a": {0: "n", 1: "n"}}, "axes of one name have one size: 'n' is 2 and 3"),
    ],
)
def test_axes_that_do_not_fit_are_refused(tmp_path, names, axes, message):
    with pytest.raises(ValueError, match=message):
        onnx.export(nn.ReLU(), tt.zeros(2, 3), tmp_path / "m.onnx", names, dynamic_axes=axes)


def test_an_onnx_file_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.export(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), tt.zeros(1, 4), path)
    assert onnx.read(path).operations == ["MatMul", "Add", "Relu", "Identity"]
    whole = path.read_bytes()
    for length in (0, 1, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"m\.onnx: "):
            onnx.read(path)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_whole_numbers_come_back_from_their_bytes(value):
    found, end = onnx.read_varint(memoryview(onnx.varint(value) + b"\x05"), 0)
    assert found == value % 2**64 and end == len(onnx.varint(value))


def test_every_rule_belongs_to_a_primitive():
    """A rule under a name that no primitive has would never be used."""
    sources = "".join(p.read_text() for p in Path(tt.__file__).parent.glob("*.py"))
    primitives = set(re.findall(r"@primitive\n(?:@\w+\n)*def (\w+)", sources))
    assert set(onnx.RULES) <= primitives

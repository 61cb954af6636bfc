"""What is true of the functions with all of their options: PyTorch's values, gradients and refusals."""

import numpy as np
import pytest
from oracles import numbers, pytorch

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import nn
from tinytorch.tensor import Tensor

WEIGHT = np.array([1.0, 0.0, 2.5, 0.5], np.float32)
SHAPES = {"(C,)": (4,), "(B, C)": (5, 4), "(B, C, T)": (3, 4, 6), "(B, C, H, W)": (2, 4, 2, 3)}


def agree(call, *arrays):
    """The same call on tensors here and there: equal values, equal gradients of every float."""
    torch = pytorch()
    found = []
    for m in (tt, torch):
        inputs = [m.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        z = call(m, *inputs)
        (z * m.tensor(np.cos(np.arange(z.numel())).reshape(tuple(z.shape)).astype(np.float32))).sum().backward()
        found.append([np.asarray(z.detach().numpy()), *[x.grad.numpy() for x in inputs if x.grad is not None]])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6, strict=True)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_cross_entropy_with_its_options(shape, weighted, smoothing, reduction):
    x = numbers(shape).astype(np.float32)
    rest = shape[:1] * (len(shape) > 1) + shape[2:]
    y = np.arange(int(np.prod(rest))).reshape(rest) % 4
    soft = np.moveaxis(np.random.default_rng(1).dirichlet(np.ones(4), rest), -1, min(1, len(shape) - 1))

    def call(m, x, y):
        weight = m.tensor(WEIGHT) if weighted else None
        options = {"reduction": reduction, "label_smoothing": smoothing}
        return m.nn.functional.cross_entropy(x, y, weight, **options)

    def ignoring(m, x, y):
        loss = m.nn.CrossEntropyLoss(
            m.tensor(WEIGHT) if weighted else None, ignore_index=2, reduction=reduction, label_smoothing=smoothing
        )
        return loss(x, y)

    agree(call, x, y)
    agree(call, x, soft.astype(np.float32))
    agree(ignoring, x, np.where(y == 0, 3, 2))
    agree(lambda m, x, y: m.nn.functional.cross_entropy(x, y, reduction=reduction), x, np.where(y == 1, -100, y))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_nll_loss(shape, reduction):
    rest = shape[:1] * (len(shape) > 1) + shape[2:]
    y = np.arange(int(np.prod(rest))).reshape(rest) % 3

    def call(m, x, y):
        return m.nn.NLLLoss(m.tensor(WEIGHT), ignore_index=1, reduction=reduction)(x.log_softmax(min(1, x.ndim - 1)), y)

    agree(call, numbers(shape).astype(np.float32), y)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_pairs(reduction):
    x, y = numbers((3, 4)).astype(np.float32), np.eye(3, 4, dtype=np.float32)
    w = np.array([0.5, 1, 2, 4], np.float32)
    p = np.array([[0.0, 1.0, 0.5, 0.2], [1.0, 0.0, 0.9, 0.1], [0.3, 0.6, 0.0, 1.0]], np.float32)
    agree(lambda m, x, y: m.nn.BCEWithLogitsLoss(m.tensor(w), reduction=reduction, pos_weight=m.tensor(w))(x, y), x, y)
    agree(
        lambda m, x, y: m.nn.functional.binary_cross_entropy_with_logits(
            x * 40, y, reduction=reduction, pos_weight=m.tensor(w)
        ),
        x,
        y,
    )
    agree(lambda m, x, y: m.nn.SmoothL1Loss(reduction=reduction, beta=0.5)(x, y), x, y)
    agree(lambda m, x, y: m.nn.functional.smooth_l1_loss(x, y, reduction=reduction, beta=0.0), x, y)
    agree(lambda m, x, y: m.nn.HuberLoss(reduction=reduction, delta=2.0)(x, y), x, y)
    agree(lambda m, p: m.nn.BCELoss(reduction=reduction)(p, m.tensor(y)), p)
    agree(
        lambda m, p, y: m.nn.functional.binary_cross_entropy(p, y, weight=m.tensor(w), reduction=reduction),
        p / 2 + 0.2,
        y,
    )


FUNCTIONS = {
    "pad": lambda m, x: m.nn.functional.pad(x, (1, 2, 0, 1), value=-1.0),
    "pad that cuts": lambda m, x: m.nn.functional.pad(x, (-1, 2)),
    "normalize": lambda m, x: m.nn.functional.normalize(x, dim=-1),
    "relu": lambda m, x: m.nn.functional.relu(x, inplace=False),
    "dropout, not in training": lambda m, x: m.nn.functional.dropout(x, 0.5, training=False) * 2,
    "dropout of everything": lambda m, x: m.nn.functional.dropout(x, 1.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    agree(FUNCTIONS[name], numbers((3, 4)).astype(np.float32))


def test_the_mean_of_nothing_is_nan():
    torch = pytorch()
    for m in (tt, torch):
        assert np.isnan(m.nn.functional.cross_entropy(m.zeros(2, 3), m.tensor([-100, -100])).item())


def test_one_hot():
    torch = pytorch()
    for classes, options in (([[0, 2], [1, 1]], {}), ([0, 1], {"num_classes": 4}), ([], {"num_classes": 3})):
        at = np.array(classes, np.int64)
        ours, theirs = F.one_hot(Tensor(at), **options), torch.nn.functional.one_hot(torch.tensor(at), **options)
        np.testing.assert_array_equal(ours.data, theirs.numpy(), strict=True)


def test_dropout_in_training_drops_its_share():
    z = F.dropout(tt.ones(10_000), 0.25)
    assert abs((z == 0).float().mean().item() - 0.25) < 0.03 and z.max().item() == pytest.approx(4 / 3)


def test_what_does_not_fit_is_refused():
    x, y = tt.zeros(2, 3), tt.tensor([0, 1])
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3,\)"):
        F.nll_loss(x, tt.tensor([0, 1, 2]))
    with pytest.raises(IndexError, match=r"classes are 0\.\.2"):
        F.cross_entropy(x, tt.tensor([0, 3]), tt.ones(3))
    with pytest.raises(IndexError, match=r"classes are 0\.\.2"):
        F.cross_entropy(x.reshape(1, 3, 2), tt.tensor([[0, -1]]))
    with pytest.raises(TypeError, match="class indices"):
        F.cross_entropy(x, tt.zeros(2))
    with pytest.raises(ValueError, match="reduction"):
        F.nll_loss(x, y, reduction="avg")
    with pytest.raises(ValueError, match="probabilities"):
        F.binary_cross_entropy(tt.full((2,), 1.5), tt.zeros(2))
    with pytest.raises(ValueError, match="two equal shapes"):
        F.smooth_l1_loss(tt.zeros(2), tt.zeros(2, 1))
    with pytest.raises(ValueError, match=r"classes are 0\.\.1"):
        F.one_hot(tt.tensor([2]), 2)
    with pytest.raises(TypeError, match="whole numbers"):
        F.one_hot(tt.zeros(2))
    with pytest.raises(ValueError, match="mode"):
        F.pad(x, (1, 1), mode="reflect")
    with pytest.raises(ValueError, match="pairs"):
        F.pad(x, (1, 1, 1))
    with pytest.raises(ValueError, match="cannot cut"):
        F.pad(x, (-2, -2))
    with pytest.raises(TypeError, match="CrossEntropyLoss"):
        nn.CrossEntropyLoss(size_average=True)
    assert repr(nn.NLLLoss(ignore_index=0)) == "NLLLoss(ignore_index=0)"

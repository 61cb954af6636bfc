"""What is true of losses: PyTorch's values for every reduction, and large logits lose nothing."""

import math

import numpy as np
import pytest
from oracles import numbers, pytorch

import tinytorch as tt
from tinytorch.losses import (
    L1Loss,
    MSELoss,
    binary_cross_entropy_with_logits,
    calibrating_factor,
    cross_entropy,
    l1_loss,
    logsumexp,
    mse_loss,
)
from tinytorch.more_losses import BCEWithLogitsLoss, CrossEntropyLoss
from tinytorch.tensor import Tensor

# The values and gradients of every reduction and smoothing are rows of the table in primitives.py.

REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
PAIRED = [mse_loss, l1_loss, binary_cross_entropy_with_logits]


@REDUCTIONS
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 1.0])
def test_cross_entropy_modules_agree_with_pytorch(reduction, smoothing):
    torch = pytorch()
    logits, target = (100 * numbers((6, 4))).astype(np.float32), np.array([0, 1, 2, 3, 0, 3])
    options = {"reduction": reduction, "label_smoothing": smoothing}
    expected = torch.nn.CrossEntropyLoss(**options)(torch.tensor(logits), torch.tensor(target))
    ours = CrossEntropyLoss(**options)(Tensor(logits), tt.tensor(target))
    np.testing.assert_allclose(ours.data, expected, rtol=1e-6, strict=True)


@REDUCTIONS
@pytest.mark.parametrize("kind", [MSELoss, L1Loss, BCEWithLogitsLoss], ids=lambda kind: kind.__name__)
def test_modules_of_pairs_agree_with_pytorch(kind, reduction):
    torch = pytorch()
    x, y = (1000 * numbers((3, 4))).astype(np.float32), np.eye(3, 4, dtype=np.float32)
    expected = getattr(torch.nn, kind.__name__)(reduction=reduction)(torch.tensor(x), torch.tensor(y))
    np.testing.assert_allclose(kind(reduction=reduction)(x, y).data, expected, rtol=1e-6, strict=True)


@REDUCTIONS
def test_losses_of_nothing_agree_with_pytorch(reduction):
    torch = pytorch()
    empty, classes = np.zeros((0, 3), np.float32), np.zeros(0, np.int64)
    with np.errstate(all="ignore"), pytest.warns() if reduction == "mean" else np.errstate():
        for f in PAIRED:
            expected = getattr(torch.nn.functional, f.name)(*map(torch.tensor, (empty, empty)), reduction=reduction)
            np.testing.assert_array_equal(f(empty, empty, reduction=reduction).data, expected, strict=True)
        expected = torch.nn.functional.cross_entropy(*map(torch.tensor, (empty, classes)), reduction=reduction)
        np.testing.assert_array_equal(cross_entropy(empty, classes, reduction=reduction).data, expected, strict=True)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_classes_may_be_any_whole_numbers(dtype):
    assert cross_entropy([[0, 0]], np.array([1], dtype)).item() == pytest.approx(np.log(2))


@pytest.mark.parametrize("dtype", ["int64", "bool", "float32"])
def test_binary_targets_may_be_whole_numbers(dtype):
    x = Tensor([2.0, -1.0], requires_grad=True)
    z = binary_cross_entropy_with_logits(x, np.array([1, 0], dtype))
    z.backward()
    assert z.dtype == x.grad.dtype == np.float32
    np.testing.assert_allclose(z.item(), np.log1p(np.exp([-2.0, -1.0])).mean(), rtol=1e-6)


def test_identities():
    x, y = numbers((5, 2)), numbers((5, 2), seed=3) > 0
    two = np.stack([np.zeros(10), x.ravel()], axis=1)
    np.testing.assert_allclose(
        binary_cross_entropy_with_logits(x, y).data, cross_entropy(two, y.ravel().astype(int)).data
    )
    np.testing.assert_allclose(logsumexp(x + 1e6, dim=1).data - 1e6, logsumexp(x, dim=1).data, atol=1e-8)
    np.testing.assert_allclose(mse_loss(x, y * 1.0).data, (l1_loss(x, y * 1.0, reduction="none").data ** 2).mean())
    uniform = cross_entropy(np.zeros((3, 7)), np.array([0, 3, 6]), label_smoothing=0.3)
    np.testing.assert_allclose(uniform.data, np.log(7))  # wherever the target is


def test_the_gradient_of_every_row_of_logits_sums_to_zero():
    logits = Tensor(numbers((4, 5)), requires_grad=True)
    cross_entropy(logits, tt.tensor([0, 1, 2, 3]), label_smoothing=0.2).backward()
    np.testing.assert_allclose(logits.grad.data.sum(axis=1), 0, atol=1e-12)


def test_certainty_in_the_wrong_class_costs_its_logit_and_no_more():
    logits = Tensor([[1000.0, -1000.0], [-1000.0, 1000.0]], requires_grad=True)
    loss = cross_entropy(logits, tt.tensor([0, 0]), reduction="none")
    loss.sum().backward()
    assert loss.tolist() == [0, 2000] and logits.grad.tolist() == [[0, 0], [-1, 1]]
    assert binary_cross_entropy_with_logits([1000.0, -1000.0], [0.0, 0.0], reduction="none").tolist() == [1000, 0]


ERRORS = {
    "mse_loss(tt.ones(3), tt.ones(3, 1))": (ValueError, r"mse_loss needs two equal shapes, got \(3,\) and \(3, 1\)"),
    "l1_loss(tt.ones(2, 3), tt.ones(3))": (ValueError, r"l1_loss needs two equal shapes, got \(2, 3\) and \(3,\)"),
    "binary_cross_entropy_with_logits(tt.ones(2), tt.ones(3))": (ValueError, r"equal shapes, got \(2,\) and \(3,\)"),
    "mse_loss(tt.ones(2), tt.ones(2), reduction='median')": (ValueError, "'mean', 'sum' or 'none', got 'median'"),
    "cross_entropy(tt.ones(2, 3), tt.tensor([0]))": (ValueError, r"logits \(B, C\).*got \(2, 3\) and \(1,\)"),
    "cross_entropy(tt.ones(3), tt.tensor(0))": (ValueError, r"logits \(B, C\) and target \(B,\), got \(3,\) and \(\)"),
    "calibrating_factor(np.ones((2, 3)), np.array([0, 3]))": (IndexError, r"classes are 0..2, got 0..3"),
    "cross_entropy(tt.ones(1, 3), tt.tensor([0.0]))": (TypeError, "class indices, got float32"),
    "cross_entropy(tt.ones(1, 3), [0])": (TypeError, r"tensor\(\[0, 1\]\) makes whole numbers"),
    "cross_entropy(tt.ones(2, 3), tt.tensor([0, 3]))": (IndexError, r"classes are 0..2, got 0..3"),
    "cross_entropy(tt.ones(2, 3), tt.tensor([-1, 2]))": (IndexError, r"classes are 0..2, got -1..2"),
}


@pytest.mark.parametrize("expression", ERRORS)
def test_errors_name_what_was_given_and_what_was_needed(expression):
    kind, message = ERRORS[expression]
    with pytest.raises(kind, match=message):
        eval(expression)


@pytest.mark.parametrize("smoothing", [1.5, -0.1, float("nan")])
def test_label_smoothing_is_a_share(smoothing):
    with pytest.raises(ValueError, match="label_smoothing is a share from 0 to 1"):
        cross_entropy(tt.zeros(1, 3), tt.tensor([0]), label_smoothing=smoothing)


@pytest.mark.parametrize("loss", PAIRED, ids=lambda loss: loss.name)
def test_losses_of_bytes_do_not_wrap(loss):
    x, y = np.array([1, 250, 0], np.uint8), np.array([3, 2, 255], np.uint8)
    expected = loss(Tensor(x.astype(np.float32)), Tensor(y.astype(np.float32)))
    np.testing.assert_array_equal(loss(Tensor(x), Tensor(y)).data, expected.data, strict=True)


def test_cross_entropy_of_bytes_and_of_float16_is_that_of_float32():
    logits, target = np.array([[250, 3, 2], [0, 255, 1]], np.uint8), tt.tensor([1, 0])
    for smoothing in (0.0, 0.3):
        expected = cross_entropy(Tensor(logits.astype(np.float32)), target, label_smoothing=smoothing).item()
        for dtype in (np.uint8, np.float16):
            loss = cross_entropy(Tensor(logits.astype(dtype)), target, label_smoothing=smoothing)
            assert loss.item() == pytest.approx(expected, rel=1e-3)


def test_a_mean_of_many_float16_losses_does_not_overflow():
    x, y = tt.full((70000,), 300.0, dtype=np.float16), tt.full((70000,), 100.0, dtype=np.float16)
    assert l1_loss(x, y).item() == 200 and l1_loss(x, y).dtype == np.float16


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_at_the_calibrating_factor_the_loss_has_no_slope(size):
    """Half of 300 rows are labelled by chance, so that the network is surer than it is right."""
    rng = np.random.default_rng(0)
    logits = size * rng.normal(size=(300, 5))
    target = np.where(rng.random(300) < 0.5, logits.argmax(axis=1), rng.integers(0, 5, 300))
    f = calibrating_factor(logits, target)
    losses = [cross_entropy(by * f * logits, target).item() for by in (0.99, 1.0, 1.01)]
    assert losses[1] < min(losses[0], losses[2])
    nudges = [cross_entropy((1 + by) * f * logits, target).item() for by in (-1e-5, 1e-5)]
    assert abs(nudges[1] - nudges[0]) / 2e-5 < 1e-6


def test_the_calibrating_factor_answers_to_the_size_of_the_logits_and_to_nothing_else():
    logits = 3 * numbers((8, 4))
    target = np.append(logits.argmin(axis=1)[:2], logits.argmax(axis=1)[2:])
    f = calibrating_factor(logits, target)
    assert 0 < f < math.inf
    assert calibrating_factor(1000 * logits, target) == pytest.approx(f / 1000, rel=1e-9)
    assert calibrating_factor(logits + 50 * np.arange(8)[:, None], target) == pytest.approx(f, rel=1e-9)
    assert calibrating_factor(logits.astype(np.float32), target) == pytest.approx(f, rel=1e-5)


def test_a_calibrating_factor_may_be_nothing_or_infinite():
    scores = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]])
    assert calibrating_factor(scores, np.array([0, 1])) == math.inf
    assert calibrating_factor(scores, np.array([1, 2])) == 0
    assert calibrating_factor(0 * scores, np.array([1, 2])) == 0
    assert calibrating_factor(scores[:0], np.array([], int)) == 0

"""What is true of activations: they stay exact and finite where the textbook formula overflows."""

import math

import numpy as np
import pytest
from oracles import numbers, pytorch

from tinytorch.activations import (
    gelu,
    leaky_relu,
    log_softmax,
    normal_cdf,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from tinytorch.tensor import Tensor

ELEMENTWISE = [relu, leaky_relu, sigmoid, tanh, softplus, silu, gelu]
FAR = np.array([-1e30, -1000, -100, -20, -1, -1e-6, -0.0, 0, 1e-6, 1, 20, 100, 1000, 1e30], np.float32)
every_activation = pytest.mark.parametrize("f", [*ELEMENTWISE, softmax, log_softmax], ids=lambda f: f.name)


@every_activation
def test_extremes_agree_with_pytorch(f):
    torch = pytorch()
    options = {"dim": -1} if f in (softmax, log_softmax) else {"approximate": "tanh"} if f is gelu else {}
    expected = getattr(torch.nn.functional, f.name)(torch.tensor(FAR), **options)
    with np.errstate(over="ignore"):  # gelu's cube of 1e30 is inf, and its tanh is 1
        np.testing.assert_allclose(f(FAR).data, expected, rtol=2e-6, atol=1e-7, strict=True)


@every_activation
def test_a_thousand_makes_no_nan_in_either_direction(f):
    x = Tensor([-1000.0, 1000.0, 0.0], requires_grad=True)
    z = f(x)
    z.sum().backward()
    assert np.isfinite(z.data).all() and np.isfinite(x.grad.data).all()


@pytest.mark.parametrize("f", ELEMENTWISE, ids=lambda f: f.name)
def test_elements_do_not_see_each_other(f):
    x = numbers((3, 4)).astype(np.float32)
    one_by_one = [f(Tensor(value)).item() for value in x.ravel()]
    np.testing.assert_allclose(f(x).data.ravel(), one_by_one, rtol=1e-6)


IDENTITIES = {
    "sigmoid(-x) = 1 - sigmoid(x)": (lambda x: sigmoid(-x), lambda x: 1 - sigmoid(x)),
    "tanh(x) = 2 sigmoid(2x) - 1": (lambda x: tanh(x), lambda x: 2 * sigmoid(2 * x) - 1),
    "softplus(x) - softplus(-x) = x": (lambda x: softplus(x) - softplus(-x), lambda x: x),
    "relu(x) - relu(-x) = x": (lambda x: relu(x) - relu(-x), lambda x: x),
    "leaky_relu(x, 1) = x": (lambda x: leaky_relu(x, 1.0), lambda x: x),
    "leaky_relu(x, 0) = relu(x)": (lambda x: leaky_relu(x, 0.0), relu),
    "gelu(x) - gelu(-x) = x": (lambda x: gelu(x) - gelu(-x), lambda x: x),
    "silu(x) = x sigmoid(x)": (silu, lambda x: x * sigmoid(x)),
    "softmax(x + c) = softmax(x)": (lambda x: softmax(x + 100), softmax),
    "exp(log_softmax(x)) = softmax(x)": (lambda x: log_softmax(x).exp(), softmax),
    "softmax(x, 0) = softmax(x.T).T": (lambda x: softmax(x, 0), lambda x: softmax(x.T).T),
}


@pytest.mark.parametrize(("left", "right"), IDENTITIES.values(), ids=IDENTITIES)
def test_identities(left, right):
    x = Tensor(numbers((3, 5), low=-4, high=4))
    np.testing.assert_allclose(left(x).data, right(x).data, atol=1e-12)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_sums_to_one_along_its_axis(dim):
    np.testing.assert_allclose(softmax(numbers((3, 4)), dim=dim).data.sum(axis=dim), 1, rtol=1e-12)


def test_a_masked_score_gets_no_weight():
    assert softmax([0.0, -math.inf, 0.0]).tolist() == [0.5, 0, 0.5]


def test_gelu_stays_within_a_thousandth_of_the_exact_form():
    x = np.linspace(-5, 5, 101)
    exact = [v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x]
    np.testing.assert_allclose(gelu(x).data, exact, atol=1e-3)
    with pytest.raises(ValueError, match="approximate='tanh' only, got 'none'"):
        gelu(x, approximate="none")


def test_the_normal_gate_keeps_its_digits_where_it_is_tiny():
    x = np.linspace(-37, 9, 2001)
    np.testing.assert_allclose(normal_cdf(x), [math.erfc(-v / math.sqrt(2)) / 2 for v in x], rtol=1e-12)
    torch = pytorch()
    left = x[x < 0]
    np.testing.assert_allclose(np.log(normal_cdf(left)), torch.special.log_ndtr(torch.tensor(left)), rtol=1e-10)
    np.testing.assert_allclose(normal_cdf(x) * x, torch.nn.functional.gelu(torch.tensor(x)), atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_normal_gate_has_the_dtype_of_its_input_and_overflows_nowhere(dtype):
    x = np.array([[np.finfo(dtype).min, -1000, -1], [1, 1000, np.inf]], dtype)
    with np.errstate(over="raise" if dtype != np.float64 else "ignore", invalid="raise"):
        expected = np.array([[0, 0, 0.15865525], [0.84134475, 1, 1]], dtype)
        np.testing.assert_allclose(normal_cdf(x), expected, rtol=1e-3 if dtype == np.float16 else 1e-6, strict=True)
    assert normal_cdf(np.zeros((0, 3), dtype)).shape == (0, 3) and np.isnan(normal_cdf(np.full(1, np.nan, dtype)))[0]


def test_nan_goes_through():
    for f in ELEMENTWISE:
        assert np.isnan(f(Tensor([math.nan])).item())

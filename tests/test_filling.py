"""What is true of initialisations: each fills in place with numbers of its kind."""

import math

import numpy as np
import pytest
from oracles import pytorch

import tinytorch as tt
from tinytorch import nn
from tinytorch.layers import calculate_gain, fans


def test_constant_fills_are_pytorch_s():
    torch = pytorch()
    for name, arguments in (("constant_", (2.5,)), ("zeros_", ()), ("ones_", ()), ("eye_", ())):
        x = tt.full((2, 3), 9.0, requires_grad=True)
        assert getattr(nn.init, name)(x, *arguments) is x and x.requires_grad and x.is_leaf
        np.testing.assert_array_equal(x.data, getattr(torch.nn.init, name)(torch.empty(2, 3), *arguments), strict=True)
    with pytest.raises(ValueError, match="matrix"):
        nn.init.eye_(tt.zeros(3))


def test_random_fills_have_their_distributions():
    tt.manual_seed(2)
    x = tt.zeros(200, 300)
    assert abs(nn.init.normal_(x, 1.0, 0.5).std().item() - 0.5) < 0.01 and abs(x.mean().item() - 1) < 0.01
    assert nn.init.uniform_(x, -2, 3).min() >= -2 and 2.9 < x.max() < 3
    assert abs(nn.init.trunc_normal_(x, std=0.02, a=-0.04, b=0.04).std().item() - 0.0176) < 0.0005 and x.max() <= 0.04
    with pytest.raises(ValueError, match="near mean"):
        nn.init.trunc_normal_(x, std=1.0, a=9, b=10)
    for shape in ((4, 6), (6, 4), (3, 2, 2)):
        q = nn.init.orthogonal_(tt.zeros(*shape), gain=2.0).data.reshape(shape[0], -1)
        product = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_gains_and_fans_are_pytorch_s():
    torch = pytorch()
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert calculate_gain("leaky_relu", 0.5) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.5))
    assert fans(tt.zeros(8, 3, 5, 2)) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(8, 3, 5, 2))
    with pytest.raises(ValueError, match="'swish'"):
        calculate_gain("swish")


@pytest.mark.parametrize(
    ("fill", "options", "std"),
    [
        ("xavier_normal_", {"gain": 2.0}, 2 * math.sqrt(2 / (300 + 500))),
        ("xavier_uniform_", {"gain": 2.0}, 2 * math.sqrt(2 / (300 + 500))),
        ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}, math.sqrt(2 / 500)),
        ("kaiming_uniform_", {"a": math.sqrt(5)}, math.sqrt(1 / 3 / 300)),
    ],
)
def test_rules_take_pytorch_s_options(fill, options, std):
    tt.manual_seed(4)
    assert getattr(nn.init, fill)(tt.zeros(300, 500), **options).std().item() == pytest.approx(std, rel=0.02)
    with pytest.raises((TypeError, ValueError)):
        getattr(nn.init, fill)(tt.zeros(3, 5), mode="fan_both")

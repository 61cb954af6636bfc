"""What is true of derivatives: PyTorch and central differences agree with every rule."""

import numpy as np
import pytest
from oracles import direction, numbers, pytorch, slope
from primitives import PRIMITIVES, ROWS, Row

from tinytorch import autograd
from tinytorch.tensor import Tensor

every_row = pytest.mark.parametrize("row", ROWS, ids=str)


def ours(row: Row, dtype: str = "float64") -> tuple[Tensor, list[Tensor]]:
    """The result of a row and its inputs, with their gradients."""
    inputs = [Tensor(x, requires_grad=True, dtype=dtype) for x in row.inputs()]
    z = row.ours(*inputs)
    z.backward(Tensor(direction(z.shape)))
    return z, inputs


# -- rules ---------------------------------------------------------------------------------------------------------


def test_every_primitive_has_a_rule_and_stands_in_the_table():
    assert autograd  # the rules are registered
    assert {row.name for row in ROWS} == set(PRIMITIVES)
    assert [name for name, primitive in PRIMITIVES.items() if primitive.rule is None] == []


@every_row
def test_rules_agree_with_pytorch(row):
    torch = pytorch()
    z, inputs = ours(row)
    leaves = [torch.tensor(x, requires_grad=True) for x in row.inputs()]
    expected = row.theirs(torch, *leaves)
    expected.backward(torch.tensor(direction(expected.shape)))
    np.testing.assert_allclose(z.data, expected.detach(), rtol=1e-10, atol=1e-12, strict=True)
    for x, leaf in zip(inputs, leaves):
        np.testing.assert_allclose(x.grad.data, leaf.grad, rtol=1e-10, atol=1e-12, strict=True)


@every_row
def test_rules_agree_with_central_differences(row):
    z, inputs = ours(row)
    arrays, g = row.inputs(), direction(z.shape)
    for i, x in enumerate(arrays):
        along = numbers(x.shape, seed=7)
        numeric = slope(lambda a: row.ours(*arrays[:i], a, *arrays[i + 1 :]).data, x, along)
        np.testing.assert_allclose((inputs[i].grad.data * along).sum(), (numeric * g).sum(), rtol=1e-6, atol=1e-6)


@every_row
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_gradients_have_the_shape_and_dtype_of_their_input(row, dtype):
    z, inputs = ours(row, dtype)
    assert z.dtype == ("float64" if row.name == "cast" else dtype)
    assert [(x.grad.shape, x.grad.dtype) for x in inputs] == [(x.shape, x.dtype) for x in inputs]

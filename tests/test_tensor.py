"""What is true of tensors: values, dtypes and shapes are PyTorch's; NumPy is at home; nothing is recorded unasked."""

import copy
import pickle
import threading

import numpy as np
import pytest
from oracles import pytorch
from primitives import PAIRS, PRIMITIVES, ROWS

import tinytorch as tt
from tinytorch.tensor import (
    Origin,
    Tensor,
    broadcast_shape,
    footprint,
    is_grad_enabled,
    no_grad,
    observers,
    primitive,
    rand,
    randint,
    randn,
    randperm,
    view_strides,
)

# -- the same expression, here and there ---------------------------------------------------------------------------

EXPRESSIONS = """
    m.tensor([1, 2]) + 1
    m.tensor([1, 2]) + 1.5
    m.tensor([1, 2]) / m.tensor([2, 4])
    m.tensor([1, 2]) / 2
    2 / m.tensor([1, 2])
    m.tensor([1, 2]) ** 2
    m.tensor([1, 4]) ** 0.5
    2 ** m.tensor([1, 2])
    m.tensor([1, 2]) @ m.tensor([3, 4])
    m.tensor([1, 2]).sum()
    m.tensor([1, 2]) * m.tensor([1.5])
    m.tensor([1, 2]) * m.tensor(1.5)
    m.tensor([1, 2], dtype=m.int8) + 1
    m.tensor([1, 2], dtype=m.int32) + m.tensor([1, 2])
    m.tensor([1, 2], dtype=m.int32) * 0.5
    m.tensor([1, 2], dtype=m.int8) / m.tensor([2, 2], dtype=m.int8)
    m.tensor([True, False]) + 1
    m.tensor([True, False]) * 1.5
    m.tensor([True, False]) + m.tensor([True, True])
    m.tensor([True, True]).sum()
    m.tensor([1.0]) + 1
    m.tensor([1.0], dtype=m.float16) * 2.5
    m.tensor([1.0], dtype=m.float16) + m.tensor([1])
    m.tensor([1.0], dtype=m.float16) + m.tensor([1.0])
    m.tensor([1.0]) + m.tensor([1.0], dtype=m.float64)
    m.tensor([1.0]) + m.tensor(1.0, dtype=m.float64)
    m.tensor([1]) + m.tensor(1.0, dtype=m.float64)
    m.tensor(1.0) + m.tensor(1.0, dtype=m.float64)
    m.ones(4, dtype=m.float16).mean()
    m.ones(4, dtype=m.float64).mean()
    m.exp(m.tensor([0, 0]))
    m.sqrt(m.tensor([4, 9]))
    m.where(m.tensor([True, False]), 1.0, 2.0)
    m.where(m.tensor([True, False]), 1, 2)
    m.where(m.tensor([True, False]), m.tensor([1.0, 2.0]), 0)
    m.maximum(m.tensor([1, 5]), m.tensor([2.5, 2.5]))
    m.clip(m.tensor([-1, 5]), 0, 1)
    abs(m.tensor([-1, 2]))
    -m.tensor([1, -2])
    m.tensor(3)
    m.tensor(3.0)
    m.tensor(True)
    m.tensor([])
    m.tensor([1, 2.5])
    m.tensor([True, False])
    m.tensor([[1], [2]])
    m.tensor(np.array([1.0]))
    m.tensor(np.array([1], np.int8))
    m.tensor([1.0, 2.0], dtype=m.int64)
    m.tensor(m.tensor([1.0, 2.0]).numpy())
    m.zeros(2, 3)
    m.zeros((2, 3), dtype=m.int64)
    m.zeros(())
    m.ones([2, 0])
    m.full((2,), 3.5)
    m.full((2,), 3)
    m.full((2,), True)
    m.full((), 1.0, dtype=m.float64)
    m.zeros_like(m.tensor([1, 2]))
    m.ones_like(m.ones(2, dtype=m.float64))
    m.arange(5)
    m.arange(1, 2, 0.25)
    m.arange(3.0)
    m.arange(6, 0, -2)
    m.arange(3, dtype=m.float32)
    m.linspace(0, 1, 5)
    m.eye(2)
    m.eye(2, 3)
    m.tensor([1, 2]) == m.tensor([1, 3])
    m.tensor([0.1, 2]) == 0.1
    m.tensor([0.1, 0.2]) < 0.2
    m.tensor(3) == 3
    m.tensor(3.0) != 3
    m.tensor([1.0, 2.0]) >= m.tensor([[1.0], [2.0]])
    1 < m.tensor([1, 2])
    ~m.tensor(True)
    m.tensor([True, False]) & m.tensor(True)
    m.tensor([True, False]) | m.tensor([False, False])
    m.tensor([[1.0, 5.0], [7.0, 2.0]]).argmax()
    m.tensor([[1.0, 5.0], [7.0, 2.0]]).argmax(dim=-1, keepdim=True)
    m.tensor([[1.0, 5.0], [7.0, 2.0]]).argmin(0)
    m.tensor([[1.0, 5.0], [7.0, 2.0]]).max()
    m.arange(12.0).reshape(3, 4).var()
    m.arange(12.0).reshape(3, 4).var(dim=(0, 1), correction=0)
    m.arange(12.0).reshape(3, 4).var(dim=-1, keepdim=True)
    m.arange(12.0).reshape(3, 4).std(dim=0)
    m.tensor([1.0]).var()
    m.zeros(0).var()
    m.zeros(0, 3).var(dim=0)
    m.zeros(3, 0).var(dim=0)
    m.zeros(0).mean()
    m.zeros(0, 3).mean(dim=0)
    m.zeros(0, 3).mean(dim=1)
    m.zeros(0).sum()
    m.ones(2, 3, 4).mean([0, 2])
    m.ones(2, 3).sum(0, keepdim=True)
    m.ones(1, 2, 1).squeeze()
    m.ones(1, 2, 1).squeeze(1)
    m.ones(1, 2, 1).squeeze(-1)
    m.ones(1, 2, 1).squeeze((0, 2))
    m.tensor(3.0).squeeze()
    m.tensor(3.0).squeeze(0)
    m.tensor(3.0).unsqueeze(-1)
    m.ones(2, 3).unsqueeze(1)
    m.ones(2, 3).unsqueeze(-1)
    m.ones(2, 3, 4).flatten()
    m.ones(2, 3, 4).flatten(1)
    m.ones(2, 3, 4).flatten(-2)
    m.ones(2, 3, 4).flatten(0, 1)
    m.ones(0, 3).flatten(1)
    m.tensor(3.0).flatten()
    m.arange(6).reshape(2, -1)
    m.arange(6).view((3, 2))
    m.arange(2).reshape(2, 1).expand(2, 3)
    m.arange(2).reshape(2, 1).expand(-1, 3)
    m.arange(2).expand(3, -1)
    m.arange(6).reshape(2, 3).T
    m.arange(24).reshape(2, 3, 4).mT
    m.arange(24).reshape(2, 3, 4).permute(2, 0, 1)
    m.arange(24).reshape(2, 3, 4).transpose(0, -1)
    m.concatenate([m.ones(2, 1), m.zeros(2, 2)], 1)
    m.stack([m.ones(2), m.zeros(2)], -1)
    m.stack((m.ones(2), m.zeros(2)), dim=0)
    m.arange(4)[m.arange(4) > 1]
    m.arange(4)[m.tensor([0, 0, 3])]
    m.arange(4)[m.tensor(2)]
    m.arange(12).reshape(3, 4)[m.tensor([0, 2]), m.tensor([1, 1])]
    m.arange(12).reshape(3, 4)[m.tensor([0, 2]), 1:]
    m.arange(12).reshape(3, 4)[..., None, m.tensor([True, False, True, False])]
    m.arange(12).reshape(3, 4)[m.tensor(1):]
    m.tensor([1.7, -1.7]).long()
    m.tensor([1.5]).double()
    m.tensor([1]).float()
    m.tensor([1.0]).to(m.int64)
    m.tensor([1.0]).to("cpu")
    m.tensor([1.0, 2.0]) * np.float64(2)
    m.tensor([1.0, 2.0]) * np.float32(2)
    m.softmax(m.tensor([0.0, -float("inf")]), dim=-1)
    m.log(m.tensor([0.0, -1.0]))
    1 / m.tensor([0.0, -0.0])
    m.exp(m.tensor([1000.0, -1000.0]))
    m.maximum(m.tensor([float("nan"), 1.0]), m.tensor(0.0))
"""


@pytest.mark.filterwarnings("ignore:var")  # theirs warns where ours, like NumPy, sets an error state
@pytest.mark.parametrize("expression", [line.strip() for line in EXPRESSIONS.strip().split("\n")])
def test_expressions_have_pytorch_s_value_and_dtype(expression):
    torch = pytorch()
    with np.errstate(all="ignore"):
        ours = eval(expression, {"m": tt, "np": np})
    theirs = eval(expression, {"m": torch, "np": np})
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_allclose(ours.data, theirs.numpy(), rtol=1e-6, strict=True)


DTYPES = {
    "tensor([1, 2]) + 1": "int64",
    "tensor([1, 2]) + 1.5": "float32",
    "tensor([1, 2]) / tensor([1, 2])": "float32",
    "tensor([1.0]) * np.float64(2)": "float32",
    "np.float64(2) * tensor([1.0])": "float32",
    "Tensor(np.float64(2))": "float32",
    "Tensor(np.int64(2))": "float32",
    "Tensor([1, 2])": "float32",
    "Tensor(True)": "float32",
    "Tensor(np.arange(2))": "int64",
    "Tensor(np.ones(2))": "float64",
    "Tensor(np.array(1.0))": "float64",
    "tensor([1.0]) + np.ones(1)": "float64",
    "tensor([1.0]) + np.ones(1, np.float32)": "float32",
    "tensor([1.0]) + [1.0]": "float32",
    "tensor([True]) + 1": "int64",
    "tensor([1.0], dtype='float16') * 2.0": "float16",
    "exp(tensor([1, 2]))": "float32",
    "exp(1.0)": "float32",
    "mean(tensor([1, 2]))": "float32",
    "tensor(1) == 1": "bool",
    "tensor([[1]]).argmax()": "int64",
    "rand(2)": "float32",
    "randn(2, dtype='float64')": "float64",
    "randint(0, 3, (2,))": "int64",
    "randperm(3)": "int64",
}


@pytest.mark.parametrize(("expression", "dtype"), DTYPES.items())
def test_float64_comes_out_only_where_it_went_in(expression, dtype):
    assert eval(expression, {name: getattr(tt, name) for name in dir(tt)} | {"np": np}).dtype == dtype


@pytest.mark.parametrize("row", [row for row in ROWS if row.name != "cast"], ids=str)
def test_no_primitive_makes_float64_on_its_way(row):
    dtypes = []
    observers.append(lambda name, seconds, arrays, result: dtypes.append(result))
    try:
        row.ours(*[Tensor(x, dtype="float32") for x in row.inputs()])
    finally:
        observers.pop()
    results = [result[0] if isinstance(result, tuple) else result for result in dtypes]
    assert {z.dtype for z in results} == {np.dtype("float32")}


# -- numbers in, numbers out ---------------------------------------------------------------------------------------


def test_a_tensor_shares_an_array_and_tensor_copies_it():
    array = np.zeros(2, np.float32)
    shared, copied = Tensor(array), tt.tensor(array)
    array[0] = 1
    assert shared.tolist() == [1, 0] and copied.tolist() == [0, 0]
    assert Tensor(shared).data is array


def test_arrays_and_tensors_compute_together_as_tensors():
    x, array = Tensor([1.0, 2.0], requires_grad=True), np.array([10.0, 20.0], np.float32)
    for z, expected in [
        (array * x, [10, 40]), (x * array, [10, 40]), (array - x, [9, 18]), (array / x, [10, 10]),
        (array @ x, 50), (x @ array, 50), (np.float32(3) + x, [4, 5]), (np.int64(3) - x, [2, 1]), (2**x, [2, 4]),
    ]:  # fmt: skip
        assert isinstance(z, Tensor) and z.requires_grad
        np.testing.assert_array_equal(z.data, np.asarray(expected, np.float32), strict=True)
    assert isinstance(array > x, Tensor) and isinstance(array == x, Tensor)


def test_numpy_sees_the_array_unless_it_would_lose_a_gradient():
    x = Tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.data) and x.numpy() is x.data
    assert not np.shares_memory(np.array(x), x.data)
    assert np.asarray(x, np.float64).dtype == np.float64
    assert np.exp(x).shape == (2,)
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        np.asarray(x.requires_grad_())
    np.testing.assert_array_equal(x.detach().numpy(), [1, 2])


def test_one_element_is_a_python_number():
    x = Tensor([[2.5]])
    assert (x.item(), float(x), int(x), bool(x), f"{x:.2f}") == (2.5, 2.5, 2, True, "2.50")
    assert "abc"[tt.tensor(1)] == "b"
    assert [len(tt.zeros(2, 3)), x.numel(), tt.zeros(2, 3).nbytes] == [2, 1, 24]
    assert 2 in tt.tensor([1, 2]) and 3 not in tt.tensor([1, 2])
    assert [row.tolist() for row in tt.tensor([[1], [2]])] == [[1], [2]]


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (tt.tensor([1, 2]), "tensor([1, 2], dtype=int64)"),
        (tt.tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (tt.tensor([True]), "tensor([ True])"),
        (tt.zeros(0, 3), "tensor([], size=(0, 3))"),
        (tt.zeros(0), "tensor([])"),
        (tt.zeros(1, dtype="float64", requires_grad=True), "tensor([0.], dtype=float64, requires_grad=True)"),
        (tt.ones(1, requires_grad=True) * 2, "tensor([2.], origin=mul)"),
        (tt.tensor(float("nan")), "tensor(nan)"),
    ],
)
def test_a_tensor_prints_what_it_is(x, text):
    assert repr(x) == f"{x}" == text


def test_a_large_tensor_prints_its_corners():
    assert len(repr(tt.zeros(1000, 1000))) < 700


def test_equal_tensors_are_different_keys():
    x, y = Tensor([1.0]), Tensor([1.0])
    assert len({x: 1, y: 2}) == 2


def test_tensors_survive_copying_and_pickling():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.requires_grad and twin.is_leaf and not np.shares_memory(twin.data, x.data)
        np.testing.assert_array_equal(twin.data, x.data)


# -- shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", [*PAIRS, ((2, 1), (3,), (4, 1, 1)), ((5,),)])
def test_broadcast_shape_is_numpy_s(shapes):
    assert broadcast_shape(*shapes) == np.broadcast_shapes(*shapes)


def test_footprint_counts_memory_once():
    x = tt.zeros(4, 4)
    assert footprint(x, x[1:], x.T, x.reshape(-1), x.detach(), Tensor(x.data)) == 64
    assert footprint(x, x.clone(), tt.zeros(0)) == 128
    assert footprint() == 0


# Views of every kind: of one axis and of four, turned, sliced, stepped over, read backwards, stretched, with axes of 1.
BLOCKS = ["x", "x.T", "x[:, ::2]", "x[:, 1:]", "x[::-1]", "x[:, ::-1]", "x[::-1, ::-1]", "x.reshape(2, 2, 2, 3)",
          "x.reshape(2, 2, 2, 3).transpose(1, 0, 2, 3)", "x.reshape(4, 1, 6)[:, :, ::3]", "x[:1]", "x[:, :1]",
          "np.broadcast_to(x[:1], (4, 6))", "np.broadcast_to(x[:, :1], (4, 6))", "np.broadcast_to(x, (2, 4, 6))",
          "x.reshape(4, 2, 3)[:, 0]", "x[:2, :2].T[None]", "x.ravel()[::5][:4]"]  # fmt: skip


@pytest.mark.parametrize("block", BLOCKS)
def test_view_strides_are_found_where_numpy_and_pytorch_find_a_view(block):
    x = eval(block, {"np": np, "x": np.arange(24, dtype=np.float32).reshape(4, 6)})
    n, found = x.size, []
    shapes = [(a, b, n // a // b) for a in range(1, n + 1) for b in range(1, n + 1) if n % (a * b) == 0]
    for shape in [(n,), (1, n, 1), x.shape, *shapes]:
        strides, z = view_strides(x.shape, x.strides, shape), x.reshape(shape)
        found.append(strides is not None)
        assert found[-1] == np.shares_memory(x, z), shape
        if found[-1]:
            assert [s for s, size in zip(strides, shape) if size > 1] == [
                s for s, size in zip(z.strides, shape) if size > 1
            ]
    assert found[2]


@pytest.mark.parametrize("turned", [False, True])
def test_view_strides_are_pytorch_s(turned):
    torch = pytorch()
    x = torch.arange(24).reshape(2, 3, 4)
    x = x.transpose(0, 1) if turned else x
    for shape in [(24,), (6, 4), (3, 8), (2, 3, 2, 2), (3, 2, 4), (2, 12), (12, 2)]:
        try:
            expected = x.view(shape).stride()
        except RuntimeError:
            expected = None
        assert view_strides(tuple(x.shape), x.stride(), shape) == expected


def test_a_view_needs_as_many_elements():
    with pytest.raises(ValueError, match=r"as many elements as what it looks at: \(2, 3\) -> \(4,\)"):
        view_strides((2, 3), (12, 4), (4,))


@pytest.mark.parametrize("view", ["x[1:]", "x.T", "x.reshape(-1)", "x.expand(2, 2, 2)", "x.unsqueeze(0)", "x.detach()"])
def test_moving_elements_makes_views(view):
    x = tt.zeros(2, 2)
    assert np.shares_memory(eval(view, {"x": x}).data, x.data)


# -- recording -----------------------------------------------------------------------------------------------------


def test_an_origin_holds_primitive_inputs_and_parameters():
    x, y = Tensor([[1.0, 2.0]], requires_grad=True), Tensor([3.0])
    z = (x * y).sum(dim=1)
    assert isinstance(z.origin, Origin) and not z.is_leaf and z.requires_grad
    assert z.origin.primitive is PRIMITIVES["sum"] and z.origin.parameters == {"dim": 1, "keepdim": False}
    (product,) = z.origin.inputs
    assert product.origin.inputs == (x, y) and repr(product.origin) == "mul((1, 2), (1,))"
    assert (y * y).origin is None


def test_nothing_is_recorded_inside_no_grad():
    x = Tensor([1.0], requires_grad=True)

    @no_grad()
    def double(x):
        """Twice x."""
        return x * 2, is_grad_enabled()

    ng = no_grad()
    with ng:
        with ng, no_grad():
            assert not is_grad_enabled()
        assert not is_grad_enabled() and not (x * 2).requires_grad
        assert double(x)[1] is False
    assert is_grad_enabled() and (x * 2).requires_grad
    assert not double(x)[0].requires_grad and double.__doc__ == "Twice x."
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert is_grad_enabled()


def test_each_thread_has_its_own_recording():
    """One no_grad object, entered by two threads that overlap: each gets back what it had."""
    ng, entered, leave, seen = no_grad(), threading.Event(), threading.Event(), []

    def other():
        seen.append(is_grad_enabled())
        with ng:
            entered.set()
            leave.wait(5)
        seen.append(is_grad_enabled())

    with ng:
        thread = threading.Thread(target=other)
        thread.start()
        entered.wait(5)
    assert is_grad_enabled()
    leave.set()
    thread.join()
    assert seen == [True, True]


def test_in_place_arithmetic_works_where_nothing_is_recorded():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    memory, same = x.data, x
    with no_grad():
        x += 1
        x -= Tensor([1.0, 1.0, 1.0])
        x *= np.array([2.0, 2.0, 2.0])  # float64, and the tensor stays float32
        x /= 2
        x[tt.tensor([0, 2])] = Tensor([10.0, 30.0])
        x[1] = 20
    assert x is same and x.data is memory and x.requires_grad and x.is_leaf
    np.testing.assert_array_equal(memory, np.array([10, 20, 30], np.float32), strict=True)


@pytest.mark.parametrize("statement", ["x += 1", "x -= 1", "x *= 2", "x /= 2", "x **= 2", "x[0] = 1"])
def test_in_place_arithmetic_is_an_error_elsewhere(statement):
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="no_grad"):
        exec(statement, {"x": x})
    assert x.item() == 1


def test_only_float_leaves_choose_whether_they_require_gradients():
    with pytest.raises(RuntimeError, match=r"only floating-point tensors.*int64"):
        tt.tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError, match="int64"):
        tt.tensor([1, 2]).requires_grad_()
    x = Tensor([1.0]).requires_grad_()
    z = x * 2
    with pytest.raises(RuntimeError, match="detach"):
        z.requires_grad = False
    assert not (x > 0).requires_grad and not x.long().requires_grad and not x.argmax().requires_grad
    assert z.detach().is_leaf and not z.detach().requires_grad
    assert not x.requires_grad_(False).requires_grad


def test_observers_are_told_the_array_of_a_primitive_that_saves_something():
    @primitive
    def doubled(x):
        return 2 * x, {"x": x}

    seen = []
    observers.append(lambda name, seconds, arrays, result: seen.append(result.tolist()))
    try:
        assert doubled(Tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    finally:
        observers.pop()
    assert seen == [[2.0, 4.0]]


def test_observers_see_every_primitive():
    seen = []
    observers.append(lambda name, seconds, arrays, result: seen.append((name, [a.shape for a in arrays], result.shape)))
    try:
        (Tensor([[1.0], [2.0]]) + Tensor([1.0, 2.0])).sum(dim=0)
    finally:
        observers.pop()
    assert seen == [("add", [(2, 1), (2,)], (2, 2)), ("sum", [(2, 2)], (2,))]


# -- calls ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        "sum(x, 0)", "sum(x, dim=0)", "sum(x=x, dim=0)", "x.sum(0)", "sum(x, [0])", "sum(x, (0,))", "sum(x, 0, False)",
        "sum(x.data, 0)", "sum([[1.0, 2.0], [3.0, 4.0]], 0)", "add(x[0], x[1])", "add(x[0], y=x[1])",
        "add(y=x[1], x=x[0])",
    ],
)  # fmt: skip
def test_parameters_go_by_place_or_by_name(call):
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(eval(call, {"x": x, "sum": tt.sum, "add": tt.add}).data, [4, 6])


@pytest.mark.parametrize("call", ["(x, y)", "([x, y])", "((x, y))", "([x, y], 0)", "([x, y], dim=0)", "(x, y, dim=0)"])
def test_joining_takes_a_list_or_arguments(call):
    x, y = Tensor([1.0]), Tensor([2.0])
    assert eval("concatenate" + call, {"x": x, "y": y, "concatenate": tt.concatenate}).tolist() == [1, 2]
    assert eval("stack" + call, {"x": x, "y": y, "stack": tt.stack}).tolist() == [[1], [2]]


ERRORS = {
    "ones(2, 3) + ones(4)": (ValueError, r"add cannot broadcast \(2, 3\) and \(4,\)"),
    "ones(2, 3) @ ones(4, 5)": (ValueError, r"inner axes to agree: \(2, 3\) @ \(4, 5\)"),
    "ones(2, 2, 3) @ ones(3, 3, 5)": (ValueError, r"\(2, 2, 3\) and \(3, 3, 5\)"),
    "ones(2, 2, 3) @ ones(3, 4, 5)": (ValueError, r"\(2, 2, 3\)"),
    "ones(2, 3, 4) @ ones(5, 4, 2)": (ValueError, r"matmul cannot .* and \(5, 4, 2\): .* the last 2 aside, axes"),
    "tensor([2]) ** tensor([-1])": (ValueError, "negative integer powers"),  # NumPy's own: the shapes are fine
    "concatenate(ones(2, 3), ones(2, 4))": (ValueError, "concatenation axis"),
    "ones(2) @ 3": (ValueError, r"at least one axis on each side: \(2,\) @ \(\)"),
    "where(ones(2) > 0, ones(3), 0.0)": (ValueError, r"where cannot broadcast \(2,\) and \(3,\) and \(\)"),
    "ones(2) == ones(3)": (ValueError, r"\(2,\) \(3,\)"),
    "broadcast_shape((2, 3), (4,))": (ValueError, r"\(2, 3\) and \(4,\).*\(3, 4\) along one axis"),
    "ones(2, 3).reshape(4, 2)": (ValueError, r"\(2, 3\) \(6\) -> \(4, 2\)"),
    "ones(2, 3).expand(2, 4)": (ValueError, r"broadcast.*\(2, 3\)"),
    "ones(2, 3).sum(dim=2)": (IndexError, "axis 2 is out of bounds.*dimension 2"),
    "ones(2, 3).squeeze(5)": (IndexError, "axis 5 is out of bounds.*dimension 2"),
    "ones(2, 3).unsqueeze(7)": (IndexError, "axis 7 is out of bounds"),
    "ones(2, 3)[2]": (IndexError, "index 2 is out of bounds.*size 2"),
    "ones(2).item()": (ValueError, r"one element, this one has shape \(2,\)"),
    "bool(ones(2))": (ValueError, r"one element, this one has shape \(2,\)"),
    "bool(ones(2) == ones(2))": (ValueError, "one element"),
    "len(tensor(1.0))": (TypeError, r"shape \(\) has no length"),
    "list(tensor(1.0))": (TypeError, r"shape \(\) has no length"),
    "[1, 2][tensor(1.0)]": (TypeError, "float"),
    "tensor([[1], [1, 2]])": (ValueError, "rows of equal length"),
    "Tensor([[1], [1, 2]])": (ValueError, "rows of equal length"),
    "tensor('a')": (ValueError, "holds numbers.*got a"),
    "tensor(None)": (TypeError, "holds numbers.*got None"),
    "Tensor(1j)": (TypeError, "holds numbers.*got 1j"),
    "ones(2) + 'a'": (ValueError, "holds numbers.*got a"),
    "sum(ones(2), 0, False, 1)": (TypeError, r"sum\(x, dim, keepdim\) got 4 arguments"),
    "add(ones(2))": (TypeError, "missing.*'y'"),
    "sum(ones(2), axis=0)": (TypeError, "axis"),
    "ones(2).cuda()": (RuntimeError, "CPU.*'cuda'"),
    "ones(2).to('cuda:0')": (RuntimeError, "CPU.*'cuda:0'"),
}


@pytest.mark.parametrize("expression", ERRORS)
def test_errors_name_what_was_given_and_what_was_needed(expression):
    kind, message = ERRORS[expression]
    with pytest.raises(kind, match=message):
        eval(expression, {name: getattr(tt, name) for name in dir(tt)} | {"bool": bool})  # Python's own


# -- chance --------------------------------------------------------------------------------------------------------


def test_random_tensors_have_their_distributions():
    rng = np.random.default_rng(0)
    uniform, normal, whole = rand(10_000, rng=rng), randn(100, 100, rng=rng), randint(2, 5, (10_000,), rng=rng)
    np.testing.assert_allclose([uniform.mean().item(), uniform.var().item()], [1 / 2, 1 / 12], atol=0.01)
    np.testing.assert_allclose([normal.mean().item(), normal.var().item()], [0, 1], atol=0.03)
    assert uniform.min().item() >= 0 and uniform.max().item() < 1
    assert set(whole.tolist()) == {2, 3, 4}
    assert sorted(randperm(50, rng=rng).tolist()) == list(range(50))


@pytest.mark.parametrize("draw", ["rand(5)", "randn((5,))", "randint(0, 99, (5,))", "randperm(9)"])
def test_a_seed_repeats_every_draw(draw):
    names = {name: getattr(tt, name) for name in ("rand", "randn", "randint", "randperm")}
    tt.manual_seed(3)
    first, second = eval(draw, names).tolist(), eval(draw, names).tolist()
    tt.manual_seed(3)
    assert first == eval(draw, names).tolist() != second


# -- in place ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement", ["x += y", "x -= y", "x *= y", "x /= y", "x **= y", "x[1] = y[0]", "x[x > 1] = 7", "x[0, [1, 1]] = 5"]
)
def test_what_needs_no_gradient_may_change_in_place_recorded_or_not(statement):
    torch = pytorch()
    x, y = tt.tensor([[1.0, 2.0], [3.0, 4.0]]), tt.tensor([2.0, 5.0])
    theirs = {"x": torch.tensor(x.data.tolist()), "y": torch.tensor(y.data.tolist())}
    alias, memory = x.reshape(4), x.data
    exec(statement, {"x": x, "y": y})
    exec(statement, theirs)
    np.testing.assert_array_equal(memory, theirs["x"].numpy())
    np.testing.assert_array_equal(alias.data, memory.ravel())


def test_truths_change_in_place():
    mask = tt.tensor([True, False])
    alias = mask.detach()
    mask &= tt.tensor([False, True])
    mask |= tt.tensor([False, True])
    assert alias.tolist() == [False, True]


@pytest.mark.parametrize("given", [None, [None, 1.0], [[1.0], [None]], np.array([None, 1.0]), np.array(["1"])], ids=str)
def test_what_is_no_number_makes_no_tensor(given):
    for make in (Tensor, tt.tensor):
        with pytest.raises(TypeError, match="holds numbers"):
            make(given)


@pytest.mark.parametrize("change", [lambda x: x.__setitem__(0, None), lambda x: x.__iadd__(None)])
def test_none_is_not_written_as_nan(change):
    x = tt.zeros(2)
    with pytest.raises(TypeError, match="None"):
        change(x)
    assert x.tolist() == [0, 0]


# -- indexing ------------------------------------------------------------------------------------------------------

INDICES = [
    (0, slice(None), [0, 1]), (slice(None), (0, 0)), (slice(None), [[0, 1], [1, 2]]), [[0, 1], [1, 0]],
    [0, slice(None)], ([0, 1], slice(None), 1), (0, True, [0, 1]), (None, [0, 1], None, 0), ([0, 1], None, [0, 1]),
    [True, False], False, (np.int64(1), ..., np.array([2, 2])), ([0, 1], [1, 2], 3), (1, [0, 2]), True, [], [[]],
    (..., [True, False, True, False]), (slice(None), []), (np.array([True, False]), slice(None), 0), (1, ..., [0]),
    (slice(None), np.eye(3, 4) > 0),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.filterwarnings("ignore:Using a non-tuple")
def test_indexing_and_assignment_are_pytorch_s(index):
    torch = pytorch()
    x, theirs = tt.arange(24).reshape(2, 3, 4).clone(), torch.arange(24).reshape(2, 3, 4).clone()
    np.testing.assert_array_equal(x[index].data, theirs[index], strict=True)
    if isinstance(index, tuple):  # a tensor in an index is as good as a list
        tensors = tuple(Tensor(i) if isinstance(i, np.ndarray) else i for i in index)
        np.testing.assert_array_equal(x[tensors].data, theirs[index])
    x[index] = -1
    theirs[index] = -1
    np.testing.assert_array_equal(x.data, theirs)
    values = np.arange(x[index].numel()).reshape(x[index].shape)
    x[index], theirs[index] = tt.tensor(values), torch.tensor(values)
    np.testing.assert_array_equal(x.data, theirs)


# -- dtypes at the edges -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [
    np.float64(1), [np.float64(1)], [np.float32(1)], np.float16(1), [np.int32(1)], [1.0, np.float64(2)], [np.uint8(1)],
    [True, 1], [np.int8(1), 2], [1, 2.5], [[1], [2]], [], 3, True, [np.ones(2)], [1, np.float16(2)],
], ids=str)  # fmt: skip
def test_tensor_infers_pytorch_s_dtype(data):
    assert tt.tensor(data).dtype == pytorch().tensor(data).numpy().dtype


DTYPES = ["uint8", "int32", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("operation", ["x + y", "x * y", "y - x", "m.maximum(x, y)", "m.where(x > 0, x, y)"])
@pytest.mark.parametrize("wide", DTYPES)
@pytest.mark.parametrize("single", DTYPES)
def test_a_tensor_of_shape_zero_widens_only_another_kind(operation, wide, single):
    torch = pytorch()
    names = {"m": tt, "x": Tensor(np.ones(2, wide)), "y": Tensor(np.ones((), single))}
    theirs = {"m": torch, "x": torch.tensor(names["x"].data), "y": torch.tensor(names["y"].data)}
    assert eval(operation, names).dtype == eval(operation, theirs).numpy().dtype


def test_float16_adds_up_in_float32():
    many = tt.full((70000,), 0.5, dtype=np.float16)
    large = tt.full((3,), 40000.0, dtype=np.float16)
    spread = tt.tensor(np.tile(np.array([-300, 300], np.float16), 40000))
    results = [many.mean(), many.sum(), large.mean(), large.var(), spread.std(correction=0), tt.softmax(many * 0)[0]]
    assert [z.dtype for z in results] == [np.float16] * 6
    np.testing.assert_allclose([z.item() for z in results], [0.5, 35008, 40000, 0, 300, 1 / 70000], rtol=2e-3)
    x = tt.tensor(many.data, requires_grad=True)
    x.mean().backward()
    assert x.grad.dtype == np.float16 and x.grad.data[0] == np.float16(1 / 70000)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int64"])
@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sigmoid", "tanh", "softmax", "log_softmax"])
def test_whole_numbers_become_float32_before_they_could_wrap(name, dtype):
    x = np.array([1, 3, 12, 80], dtype)
    z = getattr(tt, name)(Tensor(x))
    np.testing.assert_array_equal(z.data, getattr(tt, name)(Tensor(x.astype(np.float32))).data, strict=True)


def test_sums_of_whole_numbers_are_int64_as_in_pytorch():
    for dtype in ("uint8", "int8", "bool"):
        z = Tensor(np.full(300, 1, dtype)).sum()
        assert (z.dtype, z.item()) == (np.int64, 300)


def test_linspace_drops_fractions_as_pytorch_does():
    assert tt.linspace(5, -5, 5, dtype=np.int32).tolist() == [5, 2, 0, -2, -5]


# -- copies and generators -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_copy_of_a_primitive_is_that_primitive(name):
    function = PRIMITIVES[name]
    assert copy.deepcopy(function) is copy.copy(function) is pickle.loads(pickle.dumps(function)) is function


def test_a_generator_under_no_grad_records_nothing_and_leaves_its_caller_alone():
    x, caught = tt.ones(1, requires_grad=True), []

    @no_grad()
    def twice(x):
        """Kept."""
        try:
            got = yield (x * 2).requires_grad
            yield got, (x * 2).requires_grad
        except KeyError:
            caught.append(is_grad_enabled())
            yield "caught"
        return "done"

    steps = twice(x)
    assert twice.__doc__ == "Kept." and next(steps) is False and is_grad_enabled()
    assert steps.send("sent") == ("sent", False) and is_grad_enabled()
    assert steps.throw(KeyError()) == "caught" and caught == [False] and is_grad_enabled()
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done" and is_grad_enabled()
    early = twice(x)
    next(early)
    early.close()
    assert is_grad_enabled() and list(early) == []

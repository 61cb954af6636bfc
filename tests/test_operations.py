"""What is true of PyTorch's further names: values, dtypes, gradients and refusals are PyTorch's."""

import numpy as np
import pytest
from oracles import pytorch

import tinytorch as tt
from tinytorch.tensor import Tensor, no_grad

X = np.array([[3.0, -1.5, 2.0, 2.0], [0.5, 2.0, -4.0, 0.0], [1.0, 1.0, -1.0, 7.5]], np.float32)
Y = np.array([[1.0, 2.5, -3.0, 2.0], [0.25, 4.0, 1.0, -2.0], [3.0, 0.5, 2.0, 1.5]], np.float32)
N = np.array([[7, -7, 3], [2, 5, -1]])

# Each line is evaluated with m = tinytorch and m = torch; x, y are float32 (3, 4) that need gradients, n int64 (2, 3).
EXPRESSIONS = """
    x.max(1).values
    x.max(dim=-2, keepdim=True)[0]
    x.min(0)[0] * m.min(x, dim=1, keepdim=True).values
    m.max(x)
    m.max(x, y)
    m.min(x, y)
    x.amax(dim=(0, 1))
    m.amin(x, 1, keepdim=True)
    m.cat((x, y), dim=-1)
    m.concat([x, x, y])
    x.chunk(3, dim=1)[1]
    x.chunk(5, dim=0)[2]
    m.split(x, 3, dim=-1)[1]
    x.split([1, 0, 3], dim=1)[2]
    m.sin(x) + x.cos()
    m.square(x) + y.square()
    m.bmm(x.view(3, 2, 2), y.view(3, 2, 2))
    m.mm(x, y.t())
    m.mv(x, y[0])
    m.dot(x[0], y[1])
    m.outer(x[0], y[1])
    m.topk(x, 2, dim=0)[0]
    y.topk(2, largest=False).values
    m.sort(x, dim=0, descending=True)[0]
    x.sort().values
    x.cumsum(1)
    m.cumsum(x, dim=-2)
    x.repeat(2, 1, 3)
    x.repeat((1, 2))
    m.tile(x, (2,))
    m.repeat_interleave(x, 2, dim=1)
    x.repeat_interleave(3)
    m.flip(x, [0, 1])
    x.flip(-1)
    x.gather(1, m.tensor([[0, 3], [1, 1], [2, 0]]))
    m.gather(x, 0, m.tensor([[2, 0]]))
    m.tril(x) + x.triu(diagonal=-1)
    x.masked_fill(m.tensor([True, False, True, False]), -1.5)
    x.masked_fill(y > 1, float("inf")).clamp(max=9)
    x.clamp(-1, 2)
    x.clamp(min=y)
    m.clamp(x, max=m.tensor(1.0))
    x.round() + x.floor() + m.ceil(x) + m.sign(x)
    x % 2
    m.remainder(x, y)
    x.norm() + m.norm(y)
    x.norm(dim=1)
    m.norm(x, 1)
    x.norm(float("inf"), dim=0)
    x.unbind(1)[2] * m.unbind(y)[0].sum()
    m.flatten(x, 0)
    m.unsqueeze(x, -1).squeeze(-1) + m.squeeze(y.view(3, 1, 4), 1)
    x.view_as(y) + y.reshape_as(x) + x[0].expand_as(y)
    x.to(m.float64) + x.double()
    x.type(m.float64)
    x.softmax(-1) + m.relu(x).sigmoid().tanh()
    x.logsumexp(1)
    x.double().float()
    m.where(x > y, x, y).sum(dim=[0, 1])
    x.transpose(0, 1).add(y.t()).sub(1).mul(2).div(3)
"""  # fmt: skip


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("line", lines(EXPRESSIONS))
def test_values_and_gradients_are_pytorch_s(line):
    torch = pytorch()
    results = []
    for m in (tt, torch):
        x, y = (m.tensor(a, requires_grad=True) for a in (X, Y))
        z = eval(line, {"m": m, "x": x, "y": y, "n": m.tensor(N)})
        (z * m.tensor(np.cos(np.arange(z.numel())).reshape(tuple(z.shape)).astype(np.float32))).sum().backward()
        grads = [np.zeros_like(X) if leaf.grad is None else np.array(leaf.grad) for leaf in (x, y)]
        results.append((np.array(z.detach()), *grads))
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, strict=True)


PLAIN = """
    n // 2
    n // m.tensor([2, -2, 3])
    -7 // n
    n % 3
    n % -3
    n // 2.0
    m.tensor([1.5, -1.5]) // 1
    n.max(1).indices
    n.min(0).values
    n.argsort(dim=0)
    n.argsort(descending=True)
    n.topk(2)[1]
    n.cumsum(0)
    m.tensor([True, True, False]).cumsum(0)
    m.tensor([1, 2], dtype=m.int32).cumsum(0)
    n.clamp(0, 3)
    n.square()
    n.repeat(2, 2)
    n.tril()
    n.masked_fill(n > 2, 0)
    n.half()
    n.int()
    n.bool()
    n.float().long()
    n.to(dtype=m.int16)
    n.type_as(m.zeros(1))
    n.new_zeros(2, 2)
    n.new_ones((2,))
    n.new_full((2, 1), 3)
    m.zeros(0, 2).max(1).values
    m.zeros(0, 3).sort().values
    m.zeros(0, 3).cumsum(0)
    m.zeros(0, 3).chunk(2, 1)[1]
    m.zeros(2, 0).repeat(2, 1)
    m.tensor(5.0).sort()[0]
    m.tensor(5.0).max(0).values
    m.tensor(5.0).cumsum(0)
    m.eq(n, 5)
    n.ne(5) & n.gt(0)
    n.lt(3) | n.ge(7)
    n.le(2).logical_not()
    n.all()
    n.any(dim=1)
    m.all(n > 0, dim=0, keepdim=True)
    m.isnan(m.tensor([1.0, float("nan")]))
    m.isinf(m.tensor([1.0, float("inf")]))
    m.isfinite(m.tensor([1.0, float("nan"), float("inf")]))
    m.full((2, 3), 7)
    m.full_like(n, 2)
    m.zeros_like(n, dtype=m.float32)
    m.empty(2, 3) * 0
    m.as_tensor([1, 2])
    m.from_numpy(N_ARRAY)
    m.arange(0, 10, 2, dtype=m.float32, device="cpu")
    m.tensor([1.0, 2.0], device="cpu")
    m.zeros(3).scatter_(0, m.tensor([2, 0]), 1.0)
    m.zeros(2, 3).scatter_(1, m.tensor([[1], [2]]), 5.0)
    m.ones(2).add_(3).mul_(2).sub_(1, alpha=2).div_(3)
    m.ones(2).copy_(m.tensor([1, 2])).clamp_(max=1.5)
    m.ones(2, 2).masked_fill_(m.tensor([True, False]), 0)
    m.ones(3).zero_().fill_(2)
    m.ones(2).addcmul_(m.ones(2), m.ones(2), value=0.5).addcdiv_(m.ones(2), m.ones(2) * 4).lerp_(m.zeros(2), 0.5)
"""  # fmt: skip


@pytest.mark.parametrize("line", lines(PLAIN))
def test_values_and_dtypes_are_pytorch_s(line):
    torch = pytorch()
    ours, theirs = (eval(line, {"m": m, "n": m.tensor(N), "N_ARRAY": N}) for m in (tt, torch))
    np.testing.assert_array_equal(ours.data, theirs.numpy(), strict=True)


@pytest.mark.parametrize("descending", [False, True])
def test_equal_elements_stay_as_they_stood_and_nan_is_the_largest(descending):
    torch = pytorch()
    row = np.array([2.0, np.nan, 1.0, 2.0, 1.0, np.nan, 2.0])
    ours = Tensor(row).sort(descending=descending)
    theirs = torch.tensor(row).sort(descending=descending, stable=True)
    np.testing.assert_array_equal(ours.indices.data, theirs.indices)
    np.testing.assert_array_equal(ours.values.data, theirs.values)


def test_of_equal_elements_max_takes_the_first_and_amax_shares():
    for take, expected in ((lambda x: x.max(0).values, [0, 1, 0]), (lambda x: x.amax(0), [0, 0.5, 0.5])):
        x = Tensor([1.0, 3.0, 3.0], requires_grad=True)
        take(x).backward()
        assert x.grad.tolist() == expected
    assert Tensor([3.0, 3.0]).max(0).indices.item() == 0


REFUSED = {
    "x.chunk(0)": (ValueError, "1 piece"),
    "x.split(2, dim=2)": (IndexError, "axis 2"),
    "x.split([1, 1], dim=1)": (ValueError, "sum to 4"),
    "x.topk(5)": (ValueError, "0..4"),
    "x.max(2)": (IndexError, "axis 2"),
    "x.sort(dim=-3)": (IndexError, "axis -3"),
    "x.cumsum(2)": (IndexError, "axis 2"),
    "x.repeat(2)": (ValueError, "2 numbers"),
    "x.gather(1, m.tensor([[4]]))": (IndexError, r"0\.\.3"),
    "x.gather(1, m.tensor([[-1]]))": (IndexError, r"0\.\.3"),
    "x.gather(1, m.tensor([0]))": (ValueError, r"\(1,\)"),
    "m.bmm(x, x)": (ValueError, "3 and 3 axes"),
    "m.mm(x, x[0])": (ValueError, "2 and 2"),
    "m.tril(x[0])": (ValueError, "2 axes"),
    "x.masked_fill(m.ones(4), 0)": (TypeError, "bool"),
    "x.clamp()": (ValueError, "min or a max"),
    "m.tensor([1]) // 0": (ZeroDivisionError, "floor_divide"),
    "m.tensor([1]) % m.tensor([0])": (ZeroDivisionError, "remainder"),
    "x.norm(3)": (ValueError, "p = 1, 2 or inf"),
    "m.from_numpy([1])": (TypeError, "ndarray"),
    "x.to('cuda')": (RuntimeError, "no device 'cuda'"),
    "m.zeros(2, device='cuda:1')": (RuntimeError, "no device 'cuda:1'"),
    "m.device('gpu')": (RuntimeError, "'gpu'"),
    "m.multinomial(m.tensor([0.0, 1.0]), 2)": (ValueError, "2 without replacement from 1"),
    "m.multinomial(m.tensor([-1.0, 1.0]), 1)": (ValueError, "weights"),
    "x.nothing": (AttributeError, "'Tensor' object has no attribute 'nothing'"),
    "m.zeros(2).uniform_(0, 1, high_=2)": (TypeError, "high_"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_refusals_name_what_was_given(line):
    kind, message = REFUSED[line]
    with pytest.raises(kind, match=message):
        eval(line, {"m": tt, "x": Tensor(X)})


def test_size_dim_and_device():
    x = Tensor(X)
    assert (x.size(), x.size(-1), x.dim(), x.numel()) == ((3, 4), 4, 2, 12)
    assert x.device == tt.device("cpu") and x.device.type == "cpu" and str(x.device) == "cpu" and not x.is_cuda
    assert x.to("cpu") is x and x.float() is x and x.to(tt.device("cpu"), tt.float64).dtype == tt.float64
    assert tt.float32 == x.dtype and tt.long == tt.int64 and not tt.cuda.is_available()
    with pytest.raises(IndexError):
        x.size(2)


# -- in place, where operations are recorded -----------------------------------------------------------------------


def changed_in_place(m, x, w):
    a = x * 2
    s = m.sigmoid(a)  # used before it changes
    b = a * 3
    a += w
    a *= w
    c = m.exp(a / 10)
    a -= a * 2
    a /= 3
    a += a
    buffer = m.zeros(3, 4)
    buffer += w
    buffer[0] = a[0] * 2
    buffer[:, 1] = 5.0
    buffer[buffer > 4] = 1.0
    h = m.relu(a) + 0
    h.clamp_(max=2).add_(w, alpha=0.5).masked_fill_(w > 1, 7.0)
    return (s * b + c * a).sum() + (buffer * buffer * w).sum() + (h * w).sum()


def test_gradients_through_changes_in_place_are_pytorch_s():
    torch = pytorch()
    found = []
    for m in (tt, torch):
        x, w = (m.tensor(a, requires_grad=True) for a in (X / 4, Y))
        z = changed_in_place(m, x, w)
        z.backward()
        found.append([z.detach().numpy(), np.array(x.grad), np.array(w.grad)])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_leaves_and_views_are_not_changed_in_place_where_it_is_recorded():
    leaf = tt.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf += 1
    view = (leaf * 2).reshape(2, 1)
    with pytest.raises(RuntimeError, match="view"):
        view += 1
    with pytest.raises(ValueError, match="cannot"):
        product = leaf * 2
        product += tt.ones(3, 2)
    with no_grad():
        leaf += 1
    assert leaf.tolist() == [2, 2]


# -- recording and chance ------------------------------------------------------------------------------------------


def test_recording_can_be_switched_on_and_off():
    x = tt.ones(1, requires_grad=True)
    with tt.no_grad(), tt.enable_grad():
        assert (x * 2).requires_grad
    with tt.set_grad_enabled(False):
        assert not (x * 2).requires_grad
        with tt.set_grad_enabled(True):
            assert (x * 2).requires_grad
    tt.set_grad_enabled(False)
    assert not tt.is_grad_enabled()
    tt.set_grad_enabled(True)
    assert tt.is_grad_enabled()


def test_a_seed_decides_what_is_drawn():
    def draws(**options):
        return [
            tt.randn(3, **options), tt.rand(3, **options), tt.randint(9, (3,), **options), tt.randperm(5, **options),
            tt.normal(0, 2, (3,), **options), tt.multinomial(tt.tensor([1.0, 2.0, 1.0]), 2, **options),
            tt.zeros(3).normal_(**options), tt.zeros(3).uniform_(-1, 1, **options),
            tt.bernoulli(tt.full((3,), 0.5), **options),
        ]  # fmt: skip

    tt.manual_seed(3)
    first = draws()
    tt.manual_seed(3)
    assert all(tt.equal(a, b) for a, b in zip(first, draws()))
    own = tt.Generator().manual_seed(3)
    third = draws(generator=own)
    assert all(tt.equal(a, b) for a, b in zip(third, draws(generator=tt.Generator().manual_seed(3))))
    assert not tt.equal(third[0], tt.randn(3))


def test_draws_have_their_distributions():
    rng = tt.Generator().manual_seed(1)
    z = tt.normal(tt.full((20_000,), 3.0), tt.tensor(2.0), generator=rng)
    assert abs(z.mean().item() - 3) < 0.1 and abs(z.std().item() - 2) < 0.1 and z.dtype == np.float32
    u = tt.zeros(20_000).uniform_(2, 4, generator=rng)
    assert u.min() >= 2 and u.max() < 4 and abs(u.mean().item() - 3) < 0.05
    drawn = tt.multinomial(tt.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]]), 4000, replacement=True, generator=rng)
    assert drawn.dtype == np.int64 and drawn.shape == (2, 4000) and set(drawn[1].tolist()) == {1}
    assert abs((drawn[0] == 2).float().mean().item() - 0.75) < 0.05 and not (drawn[0] == 1).any()
    assert sorted(tt.multinomial(tt.ones(5), 5, generator=rng).tolist()) == [0, 1, 2, 3, 4]

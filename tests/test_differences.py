"""Each difference from PyTorch that the API page lists is one: a row here shows it, and no row there is without."""

import re
from pathlib import Path

import numpy as np
import pytest
from oracles import pytorch

import tinytorch as tt
import tinytorch.nn.functional as F
from tinytorch import data, nn
from tinytorch.tensor import Tensor

PAGE = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = [row for row in re.findall(r"^\| (.+?) \| .+ \|$", PAGE, re.MULTILINE) if row != "what"]


def weights(torch):
    assert nn.Linear(2, 3).weight.shape == (2, 3) and torch.nn.Linear(2, 3).weight.shape == (3, 2)


def biases(torch):
    assert not nn.Linear(2, 3).bias.any() and not nn.Conv2d(1, 2, 3).bias.any() and torch.nn.Linear(2, 3).bias.any()


def arrays(torch):
    x = tt.ones(2)
    assert type(x.data) is np.ndarray and isinstance(torch.ones(2).data, torch.Tensor)
    x.detach().zero_()
    assert x.tolist() == [0, 0]


def states(torch):
    assert type(nn.Linear(1, 1).state_dict()["weight"]) is np.ndarray


def views(torch):
    assert tt.arange(6).reshape(2, 3).T.view(6).tolist() == [0, 3, 1, 4, 2, 5]
    with pytest.raises(RuntimeError, match="view"):
        torch.arange(6).reshape(2, 3).T.view(6)


def dtypes(torch):
    assert tt.float32 is np.float32 and tt.ones(1).dtype == tt.float32 and str(tt.ones(1).dtype) == "float32"


def shapes(torch):
    assert type(tt.ones(2).shape) is tuple and torch.ones(2).shape.numel() == 2


def in_place(torch):
    found = []
    for m in (tt, torch):
        x = m.ones(2, requires_grad=True) * 1
        before = x.detach()
        x += 1
        found.append(before.tolist())
    assert found == [[1, 1], [2, 2]]


def gelu(torch):
    x = np.linspace(-3, 3, 7, dtype=np.float32)
    theirs = torch.nn.functional.gelu(torch.tensor(x), approximate="tanh")
    np.testing.assert_allclose(F.gelu(x).data, theirs, rtol=1e-5, atol=1e-6)


def broadcasting_losses(torch):
    with pytest.raises(ValueError, match="two equal shapes"):
        F.mse_loss(tt.ones(3), tt.ones(3, 1))


def stable(torch):
    assert tt.ones(100).argsort(descending=True).tolist() == list(range(100))


def floor_division(torch):
    x = tt.ones(1, requires_grad=True)
    (x // 2).sum().backward()
    assert x.grad.tolist() == [0]
    with pytest.raises((RuntimeError, NotImplementedError)):
        (torch.ones(1, requires_grad=True) // 2).sum().backward()


def chance(torch):
    tt.manual_seed(0), torch.manual_seed(0)
    first = tt.rand(2).tolist()
    assert first != torch.rand(2).tolist()
    tt.manual_seed(0)
    assert tt.rand(2).tolist() == first


def batches(torch):
    [batch] = data.DataLoader(data.TensorDataset(np.arange(2), np.arange(2)), 2)
    x, y = batch
    assert isinstance(batch, tuple) and batch.x is x and batch.y is y


def workers(torch):
    with pytest.raises(ValueError, match="threads"):
        data.DataLoader([1], num_workers=1, worker_init_fn=print)


def pickles(torch, tmp_path):
    torch.save({}, tmp_path / "x")
    with pytest.raises(ValueError, match="pickle"):
        tt.load(tmp_path / "x")


def devices(torch):
    assert tt.ones(1).to("cpu").device == tt.device("cpu")
    for call in (lambda: tt.ones(1).to("cuda"), lambda: nn.Linear(1, 1).to("mps"), lambda: tt.zeros(1, device="cuda")):
        with pytest.raises(RuntimeError, match="no device"):
            call()


def constructors(torch):
    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    assert len(list(Net().parameters())) == 2


def lists(torch):
    assert isinstance(nn.ModuleList(), nn.Sequential) and not isinstance(torch.nn.ModuleList(), torch.nn.Sequential)


def kinds_of_errors(torch):
    with pytest.raises(ValueError, match="inner axes"):
        Tensor([[1.0]]) @ Tensor([1.0, 2.0])
    with pytest.raises(RuntimeError):
        torch.ones(1, 1) @ torch.ones(2)


SHOWN = [
    weights, biases, arrays, states, views, dtypes, shapes, in_place, gelu, broadcasting_losses, stable, floor_division,
    chance, batches, workers, pickles, devices, constructors, lists, kinds_of_errors,
]  # fmt: skip


def test_every_row_is_shown():
    assert len(ROWS) == len(SHOWN)


@pytest.mark.parametrize(("show", "row"), list(zip(SHOWN, ROWS)), ids=[show.__name__ for show in SHOWN])
def test_a_difference_is_one(show, row, tmp_path):
    torch = pytorch()
    show(torch, tmp_path) if show is pickles else show(torch)

"""What is true of the package's front doors: PyTorch's names, and no logic behind them."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest
from oracles import pytorch

import tinytorch as tt
import tinytorch.data
import tinytorch.nn
import tinytorch.nn.functional
import tinytorch.nn.init
import tinytorch.nn.utils
import tinytorch.optim
import tinytorch.optim.lr_scheduler

FACADES = [
    tinytorch.data,
    tinytorch.nn,
    tinytorch.nn.functional,
    tinytorch.nn.init,
    tinytorch.nn.utils,
    tinytorch.optim,
    tinytorch.optim.lr_scheduler,
]
HOMES = [f"tinytorch.{module.name}" for module in iter_modules(tt.__path__) if not module.ispkg]
every_facade = pytest.mark.parametrize("facade", FACADES, ids=lambda facade: facade.__name__)


@pytest.mark.parametrize("module", [tt, *FACADES], ids=lambda module: module.__name__)
def test_every_name_resolves_to_its_home(module):
    for name in dir(module):
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"{module.__name__} has no 'nothing'"):
        _ = module.nothing


@every_facade
def test_facades_name_only_what_pytorch_names(facade):
    name = facade.__name__.replace("tinytorch.data", "tinytorch.utils.data")
    theirs = importlib.import_module(name.replace("tinytorch", pytorch().__name__))
    assert [name for name in dir(facade) if not hasattr(theirs, name)] == []


def test_the_package_names_what_pytorch_names_and_its_own_modules():
    torch = pytorch()
    names = [name for line in tt._HOMES.values() for name in line.split()]
    assert [name for name in names if not hasattr(torch, name)] == ["broadcast_shape"]  # theirs ends in s


@every_facade
def test_facades_hold_no_logic(facade):
    """A facade is a docstring, imports, a table of names, and the two functions that look names up in it."""
    body = ast.parse(Path(facade.__file__).read_text()).body
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    others = {type(node) for node in body} - {ast.FunctionDef}
    assert functions == ["__getattr__", "__dir__"]
    assert others <= {ast.Expr, ast.ImportFrom, ast.Assign}
    assert all(len(node.body) <= 3 for node in body if isinstance(node, ast.FunctionDef))
    imported = {node.module for node in body if isinstance(node, ast.ImportFrom)}
    assert imported == {"importlib", "typing"}


@every_facade
def test_facades_hand_out_the_very_objects(facade):
    for name in set(dir(facade)) - {"functional", "init", "utils", "lr_scheduler"}:
        thing = getattr(facade, name)
        assert getattr(importlib.import_module(thing.__module__), name) is thing
        assert thing.__module__ in HOMES


PROGRAMS = [
    "import tinytorch as tt; x = tt.tensor([1.0, 2.0], requires_grad=True); (x * x).sum().backward(); print(x.grad)",
    "from tinytorch import Tensor, nn, no_grad; print(nn.Linear(2, 3)(Tensor([[1, 2]])).shape)",
    "from tinytorch.nn import Linear, ReLU, Sequential; print(Sequential(Linear(2, 3), ReLU()))",
    "import tinytorch.nn as nn, tinytorch.nn.functional as F; print(F.relu(-1.0), nn.functional is F)",
    "from tinytorch.nn import functional as F, init; print(F.softmax, init.xavier_uniform_)",
    "from tinytorch import nn, optim; print(optim.AdamW(nn.Linear(2, 3).parameters(), lr=1e-3).param_groups[0]['lr'])",
    "from tinytorch.optim.lr_scheduler import CosineAnnealingLR; print(CosineAnnealingLR)",
    "import tinytorch as tt; print(tt.optim.lr_scheduler.OneCycleLR, tt.optim.SGD)",
    "import tinytorch as tt; print(tt.nn.CrossEntropyLoss(), tt.autograd.gradcheck, tt.datasets.digits)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_pytorch_user_feels_at_home(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize(
    "first",
    [
        "import tinytorch.tensor",
        "import tinytorch.autograd",
        "from tinytorch.tensor import Tensor",
        "from tinytorch.nn import Linear",
        "import tinytorch; tinytorch.zeros(1)",
        "import importlib; importlib.import_module('tinytorch.tensor')",
    ],
)
def test_tensor_is_the_function_whatever_was_imported_first(first):
    program = f"{first}\nimport tinytorch as tt\nprint(tt.tensor([1, 2]).dtype, tt.tensor.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["int64", "tensor"]


def test_dtypes_are_numpy_s():
    for name in ("float16", "float32", "float64", "uint8", "int8", "int32", "int64"):
        assert getattr(tt, name) is getattr(np, name)

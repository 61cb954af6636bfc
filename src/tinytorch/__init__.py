"""TinyTorch: a deep-learning framework on NumPy alone, written to be read.

Every name is loaded when it is first used, so that a tree that holds only the first chapters imports too.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from tinytorch.environment import manual_seed as manual_seed

float16, float32, float64 = np.float16, np.float32, np.float64
uint8, int8, int32, int64 = np.uint8, np.int8, np.int32, np.int64

_HOMES = {
    "tensor": """Tensor no_grad is_grad_enabled zeros ones full zeros_like ones_like eye arange linspace rand randn
        randint randperm broadcast_shape add sub mul div neg pow maximum minimum where matmul exp log sqrt abs clip
        clone sum mean max min var argmax argmin reshape transpose permute broadcast_to concatenate stack""",
    "activations": "relu sigmoid tanh softmax log_softmax",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
_MODULES = (
    "nn",
    "optim",
    "data",
    "activations",
    "layers",
    "losses",
    "autograd",
    "optimizers",
    "training",
    "dataloader",
    "convolutions",
    "embeddings",
    "attention",
    "transformers",
    "datasets",
    "serialization",
)

# As in PyTorch, tinytorch.tensor is a function. The module of that name, imported first, cannot hide it later.
if find_spec("tinytorch.tensor"):
    from tinytorch.tensor import tensor as tensor


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"tinytorch.{name}")
    if name not in _HOME:
        raise AttributeError(f"tinytorch has no {name!r}")
    return getattr(import_module(f"tinytorch.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, *_MODULES])

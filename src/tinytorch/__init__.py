"""TinyTorch: a deep-learning framework on NumPy alone, written to be read.

Every name is loaded when it is first used, so that a tree that holds only the first chapters imports too.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

from tinytorch.environment import manual_seed as manual_seed

bfloat16 = "bfloat16"  # a name to compare with: NumPy has no such dtype, and says so when it is used
float16, float32, float64, half, double = np.float16, np.float32, np.float64, np.float16, np.float64
uint8, int8, int16, int32, int64, short, long = (
    np.uint8, np.int8, np.int16, np.int32, np.int64, np.int16, np.int64,
)  # fmt: skip
inf, nan, pi, e = np.inf, np.nan, np.pi, np.e
finfo, iinfo, dtype = np.finfo, np.iinfo, np.dtype

_BUILTINS = {"float": np.float32, "int": np.int32, "bool": np.bool_}  # dtypes whose names this file needs itself
_HOMES = {
    "tensor": """Tensor no_grad enable_grad set_grad_enabled is_grad_enabled device Generator zeros ones empty full
        zeros_like ones_like full_like eye arange linspace rand randn randint randperm broadcast_shape add sub mul div
        floor_divide remainder neg pow maximum minimum where matmul exp log sqrt abs clip clone sum mean amax amin max
        min var std argmax argmin reshape transpose permute broadcast_to concatenate stack""",
    "operations": """inference_mode cat concat subtract multiply divide true_divide absolute square sin cos erf round
        floor ceil sign cumsum norm tril triu clamp split chunk unbind tile repeat_interleave flip gather bmm mm mv
        dot outer argsort sort topk eq ne lt le gt ge logical_not all any isnan isinf isfinite equal allclose
        is_tensor numel flatten squeeze unsqueeze t detach is_floating_point from_numpy as_tensor rand_like randn_like
        normal bernoulli multinomial""",
    "activations": "relu sigmoid tanh softmax log_softmax",
    "losses": "logsumexp",
    "archive": "save load",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
_MODULES = {module.name for module in iter_modules(__path__)}

# As in PyTorch, tinytorch.tensor is a function. The module of that name, imported first, cannot hide it later.
if "tensor" in _MODULES:
    from tinytorch.tensor import tensor as tensor


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"tinytorch.{name}")
    if name in _BUILTINS:
        return _BUILTINS[name]
    if name not in _HOME:
        raise AttributeError(f"tinytorch has no {name!r}")
    return getattr(import_module(f"tinytorch.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_BUILTINS, *_HOME, *_MODULES])

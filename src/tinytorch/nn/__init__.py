"""PyTorch's map of the layers and losses: names, no logic. `tinytorch.layers` and `tinytorch.losses` hold the code."""

from importlib import import_module
from typing import Any

_HOMES = {
    "layers": """Module Parameter Sequential Linear Dropout Flatten ReLU LeakyReLU Sigmoid Tanh Softplus SiLU GELU
        Softmax LogSoftmax""",
    "losses": "MSELoss L1Loss BCEWithLogitsLoss CrossEntropyLoss",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in ("functional", "init"):
        return import_module(f"tinytorch.nn.{name}")
    if name not in _HOME:
        raise AttributeError(f"tinytorch.nn has no {name!r}")
    return getattr(import_module(f"tinytorch.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*_HOME, "functional", "init"])

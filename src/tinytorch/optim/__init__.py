"""PyTorch's map of the optimizers: names, no logic. `tinytorch.optimizers` holds the code."""

from importlib import import_module
from typing import Any

_NAMES = ("Optimizer", "SGD", "RMSprop", "Adam", "AdamW", "Muon")


def __getattr__(name: str) -> Any:
    if name == "lr_scheduler":
        return import_module("tinytorch.optim.lr_scheduler")
    if name not in _NAMES:
        raise AttributeError(f"tinytorch.optim has no {name!r}")
    return getattr(import_module("tinytorch.optimizers"), name)


def __dir__() -> list[str]:
    return sorted([*_NAMES, "lr_scheduler"])

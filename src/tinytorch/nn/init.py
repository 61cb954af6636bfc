"""PyTorch's map of the initialisations: names, no logic."""

from importlib import import_module
from typing import Any

_NAMES = ("kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_")


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"tinytorch.nn.init has no {name!r}")
    return getattr(import_module("tinytorch.layers"), name)


def __dir__() -> list[str]:
    return sorted(_NAMES)

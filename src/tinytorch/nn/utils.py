"""PyTorch's map of what is done to a network's parameters: names, no logic."""

from importlib import import_module
from typing import Any

_NAMES = ("clip_grad_norm_",)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"tinytorch.nn.utils has no {name!r}")
    return getattr(import_module("tinytorch.training"), name)


def __dir__() -> list[str]:
    return sorted(_NAMES)

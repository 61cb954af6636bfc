"""PyTorch's map of the learning-rate schedules: names, no logic."""

from importlib import import_module
from typing import Any

_NAMES = ("LRScheduler", "StepLR", "CosineAnnealingLR", "LinearLR", "OneCycleLR")


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"tinytorch.optim.lr_scheduler has no {name!r}")
    return getattr(import_module("tinytorch.optimizers"), name)


def __dir__() -> list[str]:
    return sorted(_NAMES)

"""PyTorch's map of `torch.utils.data`: names, no logic. `tinytorch.dataloader` holds the code."""

from importlib import import_module
from typing import Any

_NAMES = (
    "Dataset",
    "TensorDataset",
    "Subset",
    "random_split",
    "Sampler",
    "SequentialSampler",
    "RandomSampler",
    "BatchSampler",
    "DataLoader",
)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"tinytorch.data has no {name!r}")
    return getattr(import_module("tinytorch.dataloader"), name)


def __dir__() -> list[str]:
    return sorted(_NAMES)

"""PyTorch's map of the layers and losses: names, no logic. The chapters' modules hold the code."""

from importlib import import_module
from typing import Any

_HOMES = {
    "layers": """Module Parameter Buffer Sequential ModuleList ModuleDict Identity Linear Dropout Flatten ReLU LeakyReLU
        Sigmoid Tanh Softplus SiLU GELU Softmax LogSoftmax""",
    "losses": "MSELoss L1Loss",
    "more_losses": "CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss SmoothL1Loss HuberLoss",
    "convolutions": "Conv2d MaxPool2d AvgPool2d AdaptiveAvgPool2d BatchNorm1d BatchNorm2d Dropout2d",
    "embeddings": "Embedding",
    "attention": "MultiheadAttention",
    "transformers": "LayerNorm RMSNorm",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in ("functional", "init", "utils"):
        return import_module(f"tinytorch.nn.{name}")
    if name not in _HOME:
        raise AttributeError(f"tinytorch.nn has no {name!r}")
    return getattr(import_module(f"tinytorch.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*_HOME, "functional", "init", "utils"])

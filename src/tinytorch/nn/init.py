"""PyTorch's map of the initialisations: names, no logic."""

from importlib import import_module
from typing import Any

_HOMES = {
    "layers": "calculate_gain kaiming_normal_ kaiming_uniform_ xavier_normal_ xavier_uniform_",
    "filling": "constant_ zeros_ ones_ eye_ uniform_ normal_ trunc_normal_ orthogonal_",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"tinytorch.nn.init has no {name!r}")
    return getattr(import_module(f"tinytorch.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)

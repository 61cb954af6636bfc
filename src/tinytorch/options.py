"""Options: relu and dropout with what PyTorch lets one ask of them, and a few functions beside them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch import activations
from tinytorch.tensor import Tensor, primitive

# -- functions -----------------------------------------------------------------------------------------------------


def relu(x: Any, inplace: bool = False) -> Tensor:
    """max(x, 0). PyTorch's `inplace` saves memory and changes no result; this result is new in either case."""
    return activations.relu(x)


def dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """x * mask as in `layers.dropout`, in training; else x. At p = 1 nothing is kept."""
    from tinytorch import layers  # here, so that relu needs none

    if not training or p == 0:
        return x
    return x * 0 if p == 1 else layers.dropout(x, p=p)


def one_hot(x: Tensor, num_classes: int = -1) -> Tensor:
    """1 at each class, 0 elsewhere: (...) -> (..., C), int64; without num_classes, C is the largest class and one more.

    Raises TypeError for what is no whole number, ValueError for a class outside 0..C-1.

    >>> one_hot(Tensor(np.array([0, 2])))
    tensor([[1, 0, 0],
            [0, 0, 1]], dtype=int64)
    """
    if x.dtype.kind not in "iu":
        raise TypeError(f"one_hot needs whole numbers, got {x.dtype}")
    if num_classes < 0 and not x.numel():
        raise ValueError("one_hot needs num_classes where there is no class to count them by")
    classes = int(x.data.max()) + 1 if num_classes < 0 else num_classes
    if x.numel() and not 0 <= x.data.min() <= x.data.max() < classes:
        raise ValueError(f"classes are 0..{classes - 1}, got {x.data.min()}..{x.data.max()}")
    return Tensor((x.data[..., None] == np.arange(classes)).astype(np.int64))


@primitive
def padded(x, *, before, after, value=0.0):
    """z = x with so many of one value before and after it, along each axis."""
    return np.pad(x, list(zip(before, after)), constant_values=value)


@padded.vjp(reads="")
def padded_vjp(g, z, x, *, before, after, value=0.0):
    """z = x with a border   =>   dx = g without it"""
    return g[tuple(slice(start, start + n) for start, n in zip(before, x.shape))]


def pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """x with a border: pad is (before, after) of the last axis, then of the last but one, and so on; below 0 it cuts.

    Raises ValueError for numbers that come in no pairs or for more axes than there are, and for another mode.
    """
    if mode != "constant":
        raise ValueError(f"pad has the mode 'constant', got {mode!r}")
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ValueError(f"pad needs pairs, for {x.ndim} axes or fewer, got {tuple(pad)}")
    pairs = [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if any(n - max(-before, 0) - max(-after, 0) < 0 for (before, after), n in zip(pairs, x.shape)):
        raise ValueError(f"pad cannot cut {tuple(pad)} from {x.shape}")
    if any(min(pair) < 0 for pair in pairs):
        x = x[tuple(slice(max(-before, 0), n - max(-after, 0)) for (before, after), n in zip(pairs, x.shape))]
    before, after = (tuple(max(pair[side], 0) for pair in pairs) for side in (0, 1))
    return padded(x, before=before, after=after, value=0.0 if value is None else value)


def normalize(x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x over its norm along dim, or over eps where that is larger."""
    return x / x.norm(p, dim, keepdim=True).clamp(min=eps)

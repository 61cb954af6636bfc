"""Filling: what a weight can hold before it has learnt anything, beside the rules of `layers`.

Each function changes a tensor in place, outside of any graph, and returns it.
"""

from typing import Any

import numpy as np

from tinytorch.tensor import Tensor, no_grad


@no_grad()
def constant_(x: Tensor, val: float) -> Tensor:
    """Every element is val."""
    return x.fill_(val)


def zeros_(x: Tensor) -> Tensor:
    """Every element is 0."""
    return constant_(x, 0)


def ones_(x: Tensor) -> Tensor:
    """Every element is 1."""
    return constant_(x, 1)


@no_grad()
def eye_(x: Tensor) -> Tensor:
    """A matrix with ones on its diagonal. Raises ValueError for what is no matrix."""
    if x.ndim != 2:
        raise ValueError(f"eye_ fills a matrix, got shape {x.shape}")
    return x.copy_(np.eye(*x.shape))


@no_grad()
def uniform_(x: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> Tensor:
    """Uniform numbers in [a, b)."""
    return x.uniform_(a, b, generator=generator)


@no_grad()
def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Normal numbers."""
    return x.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    x: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, *, generator: Any = None
) -> Tensor:
    """Normal numbers, each drawn again until it lies in a..b. Raises ValueError unless a < b and some can."""
    if not a < b or b < mean - 5 * std or a > mean + 5 * std:
        raise ValueError(f"trunc_normal_ needs a..b near mean {mean} with std {std}, got {a}..{b}")
    x.normal_(mean, std, generator=generator)
    while (outside := (x.data < a) | (x.data > b)).any():
        x[outside] = Tensor(np.empty(outside.sum(), x.dtype)).normal_(mean, std, generator=generator)
    return x


@no_grad()
def orthogonal_(x: Tensor, gain: float = 1.0, *, generator: Any = None) -> Tensor:
    """A matrix of orthonormal rows or columns, times gain; further axes count as columns. Saxe et al., 2014."""
    if x.ndim < 2:
        raise ValueError(f"orthogonal_ needs 2 axes or more, got shape {x.shape}")
    wide = Tensor(np.empty((x.shape[0], x.numel() // max(x.shape[0], 1)))).normal_(generator=generator).data
    q, r = np.linalg.qr(wide.T if wide.shape[0] < wide.shape[1] else wide)
    q = q * np.sign(np.diagonal(r))
    return x.copy_(gain * (q.T if wide.shape[0] < wide.shape[1] else q).reshape(x.shape))

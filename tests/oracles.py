"""Two oracles for values and gradients: PyTorch, where it is installed, and central differences, everywhere."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest


def pytorch() -> ModuleType:
    """PyTorch, or a skipped test that says why."""
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test and is not installed")


def numbers(shape: tuple[int, ...], seed: int = 0, low: float = -2, high: float = 2) -> np.ndarray:
    """float64 numbers in low..high, at least 0.01 apart from each other and from 0: away from ties and from kinks."""
    size = int(np.prod(shape))
    steps = np.random.default_rng(seed + size).permutation(size)
    return (low + (high - low) * (steps + 0.37) / max(size, 1)).reshape(shape)


def direction(shape: tuple[int, ...]) -> np.ndarray:
    """A gradient to send back: no two alike, for one of all ones would hide a missing factor."""
    return np.cos(1 + np.arange(np.prod(shape))).reshape(shape)


def slope(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, along: np.ndarray, eps: float = 1e-6) -> np.ndarray:
    """The derivative of f at x in one direction, by central differences."""
    return (f(np.asarray(x + eps * along)) - f(np.asarray(x - eps * along))) / (2 * eps)

"""Scaling: é is here so that a stub must survive more than ASCII."""

import numpy as np

from tinytorch.counting import count


def double(x: np.ndarray) -> np.ndarray:
    """2 x

    >>> double(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    # Once more of the same: x and x.
    y = x + x
    return y
    # a comment below the last statement belongs to the body


def share(x: np.ndarray) -> np.ndarray:
    """x divided by how many there are."""
    # count(x) is how many.
    return x / count(x)


class Named:
    """Something with a name."""

    def describe(self) -> str:
        """Its name."""
        return "named"


class Scaler(Named):
    """Multiplies by k."""

    def __init__(self, k: float):
        self.k = k

    def apply(self, x: np.ndarray) -> np.ndarray:
        """k x"""
        # self.k is the factor.
        return self.k * x

    def describe(self) -> str:
        """What it does, after what any Named says.

        >>> Scaler(2.0).describe()
        'named 2.0'
        """
        # super() knows the first half.
        return f"{super().describe()} {self.k}"


def given(x: np.ndarray) -> np.ndarray:
    """Given code that uses a graded function."""
    return double(x) + 1

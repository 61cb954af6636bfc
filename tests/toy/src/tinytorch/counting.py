"""Counting."""

import numpy as np


def count(x: np.ndarray) -> int:
    """How many numbers x holds.

    >>> count(np.zeros((2, 3)))
    6
    """
    # An array knows its size.
    return int(x.size)

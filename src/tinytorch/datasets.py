"""Data sets: arrays of real measurements.

`digits` is part of the package: 1,797 handwritten digits, 8x8 pixels of 17 grey levels, by E. Alpaydin and C. Kaynak
(UCI Machine Learning Repository, 1998, CC BY 4.0, https://doi.org/10.24432/C50P49).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """Images and labels to learn from, and others to be judged on."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digits(test: int = 360, seed: int = 0) -> Split:
    """The digits, shuffled by seed, with `test` of them held out: x (N, 64) float32 in 0..1, y (N,) int64 in 0..9.

    Each row of x is an 8x8 image, row by row. Raises ValueError unless 0 < test < 1797.

    >>> [part.shape for part in digits()]
    [(1437, 64), (1437,), (360, 64), (360,)]
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as stored:
        x, y = stored["images"].reshape(-1, 64).astype(np.float32) / 16, stored["labels"].astype(np.int64)
    if not 0 < test < len(x):
        raise ValueError(f"of {len(x)} digits, 1..{len(x) - 1} can be held out, got {test}")
    order = np.random.default_rng(seed).permutation(len(x))
    learn, judge = order[test:], order[:test]
    return Split(x[learn], y[learn], x[judge], y[judge])

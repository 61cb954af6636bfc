"""What may have gone wrong: the mistakes that can be told from yours and expected alone."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tito.outcomes import Outcome


def agree(yours: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> bool:
    if yours.shape != expected.shape:
        return False
    return bool(np.allclose(yours, expected, rtol=rtol, atol=atol, equal_nan=True))


def diagnose(yours: np.ndarray, expected: np.ndarray, rtol: float, atol: float, index: bool = False) -> str:
    """One sentence, or nothing where no known mistake fits. Of an index no sign and no factor is told."""
    yours, expected = (x.astype(int) if x.dtype == bool else x for x in (yours, expected))  # NumPy negates no bool
    same: Any = lambda a, b: agree(a, b, rtol, atol)
    with np.errstate(all="ignore"):
        if yours.shape != expected.shape:
            return _shapes(yours, expected, same)
        if not expected.any():
            return ""
        if not np.isfinite(yours).all() and np.isfinite(expected).all():
            return "there are nan or inf in it: an overflow, a division by zero, or a logarithm of zero"
        if np.isfinite(yours).all() and not np.isfinite(expected).all():
            return "there are numbers where nan or inf are expected"
        if index:
            return ""
        if yours.ndim == 2 and yours.shape[0] == yours.shape[1] and same(yours.T, expected):
            return "transposed"
        if not yours.any():
            return "it is all zeros" if yours.ndim else "it is 0"
        if same(-yours, expected):
            return "the sign is flipped"
        return _factor(yours, expected, same)


def _shapes(yours: np.ndarray, expected: np.ndarray, same: Any) -> str:
    if same(yours.T, expected):
        return "transposed"
    if yours.size == expected.size and same(yours.reshape(expected.shape), expected):
        return "the numbers are right, the shape is not"
    if yours.ndim >= expected.ndim and yours.size > expected.size:
        lead = yours.ndim - expected.ndim
        padded = (1,) * lead + expected.shape
        axes = tuple(i for i, (n, m) in enumerate(zip(yours.shape, padded)) if (n != m and m == 1) or i < lead)
        if all(n == m or i in axes for i, (n, m) in enumerate(zip(yours.shape, padded))):
            summed = yours.sum(axis=axes).reshape(expected.shape) if axes else yours
            if same(summed, expected):
                return "a broadcast axis is not summed"
    return "the shapes differ"


def _factor(yours: np.ndarray, expected: np.ndarray, same: Any) -> str:
    index = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    ratio = float(yours[index] / expected[index]) if expected[index] else 0.0
    nearly_one = abs(abs(ratio) - 1) < 1e-3  # right or negative but for its digits: no factor that a person meant
    if np.isfinite(ratio) and ratio and not nearly_one and same(yours, expected * ratio):
        inverse = 1 / ratio
        if abs(inverse) > 1 and _is_round(inverse, 1):
            return f"too small by a factor of {round(inverse)}"
        return f"off by a factor of {ratio:.6g}" if _is_round(ratio) else ""
    offset = float(yours[index] - expected[index])
    if expected.size > 1 and same(yours - offset, expected) and _is_round(offset):
        return f"off by the same amount everywhere: {offset:.6g}"
    return ""


def _is_round(number: float, denominators: int = 10) -> bool:
    """Whether it is a number that a person may have meant: 3, 1/2, 2/3; not 5742670."""
    if not 1e-3 <= abs(number) <= 1e4:
        return False
    return abs(float(Fraction(number).limit_denominator(denominators)) - number) <= 1e-5 * abs(number)


# -- of many cases ----------------------------------------------------------------------------------------------------


def keep_what_holds(told: Outcome, others: Sequence[Outcome]) -> None:
    """Leave of an outcome's diagnoses the first that every other failing case bears out, or none.

    The number in a statement may be another one in each case: too small by a factor of n.
    """
    if "diagnoses" in told.details:
        borne_out = [{_form(say) for say in other.details.get("diagnoses", [])} for other in others]
        holds = [say for say in told.details["diagnoses"] if all(_form(say) in every for every in borne_out)]
        told.details["diagnosis"] = holds[0] if holds else ""


def _form(statement: str) -> str:
    return re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?$", "#", statement)

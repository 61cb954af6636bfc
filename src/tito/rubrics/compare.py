"""Comparisons: how a check says that an answer is not the expected one.

`close` compares arrays, `about` a number that was counted, `same` everything else; `refuses` looks at errors, `holds` states a sentence, and
`nudged` is the gradient that a student's own forward pass implies.
"""

import functools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tito.outcomes import Mismatch, StudentError
from tito.rubrics.diagnosis import agree, diagnose
from tito.rubrics.student import Remote

TOLERANCE = {"float64": (1e-6, 1e-9), "float32": (1e-4, 1e-6), "float16": (1e-2, 1e-3)}


def close(
    yours: Any,
    expected: Any,
    what: str = "the answer",
    *,
    rtol: float | None = None,
    atol: float | None = None,
    mistakes: Mapping[str, Any] | None = None,
) -> None:
    """Fail unless yours has expected's shape and dtype and its numbers, within tolerance.

    An expected Python number or list asks for no dtype. `mistakes` names wrong answers worth telling apart:
    {"this is the gradient of the other input": g * x}.
    """
    wanted = np.asarray(expected)
    fail = functools.partial(Mismatch, what=what, yours=yours, expected=expected)
    if isinstance(yours, bool | int | float | np.ndarray | np.generic):
        mine = np.asarray(yours)
    else:
        raise fail(
            f"{what} is not an array", kind="type", diagnosis=f"{what} is {_kind(yours)}, not an array of numbers"
        )
    relative, absolute = TOLERANCE.get(mine.dtype.name, (1e-6, 1e-9))
    relative, absolute = relative if rtol is None else rtol, absolute if atol is None else atol
    if not agree(mine, wanted, relative, absolute):
        said = [say for say, wrong in (mistakes or {}).items() if agree(mine, np.asarray(wrong), relative, absolute)]
        diagnosis = said[0] if said else diagnose(mine, wanted, relative, absolute)
        if mine.shape != wanted.shape:
            message = f"{what} has shape {mine.shape}, not {wanted.shape}"
            raise fail(message, kind="shape", diagnosis=diagnosis)
        raise fail(f"{what} is not right", kind="value", diagnosis=diagnosis)
    typed = isinstance(expected, np.ndarray | np.generic)
    if typed and isinstance(yours, np.ndarray | np.generic) and mine.dtype != wanted.dtype:
        message = f"{what} has dtype {mine.dtype}, not {wanted.dtype}"
        raise fail(message, kind="dtype", diagnosis="the numbers are right, the dtype is not")


def about(yours: Any, counted: float, tolerance: float, unit: str) -> None:
    """Fail unless yours is the counted number, give or take a share of it. What was counted is not told."""
    number = isinstance(yours, int | float | np.integer | np.floating) and not isinstance(yours, bool)
    if not number or not (isinstance(yours, int) or np.isfinite(yours)):
        said = f"the answer is {_kind(yours)}, not a number of {unit}"
        raise Mismatch("the answer is not a number", kind="type", yours=yours, diagnosis=said)
    mine, truth = (Fraction(number if isinstance(number, int) else float(number)) for number in (yours, counted))
    if abs(mine - truth) <= Fraction(tolerance) * abs(truth):
        return
    size = "large" if mine > truth else "small"
    ratio = max(mine, truth) / min(mine, truth) if mine > 0 < truth else Fraction(0)
    known = 1 < round(ratio) < 2000 and abs(ratio - round(ratio)) <= Fraction(tolerance) * ratio
    diagnosis = f"too {size} by a factor of {round(ratio)}" if known else ""
    raise Mismatch(f"the number of {unit} is too {size}", kind="value", yours=yours, diagnosis=diagnosis)


def holds(truth: Any, sentence: str, **shown: Any) -> None:
    """Fail with the sentence unless it is true. Keywords are shown: holds(p.sum() < 1, "...", total=p.sum())."""
    if not bool(np.all(truth)):
        raise Mismatch(sentence, kind="holds", shown=shown)


def same(yours: Any, expected: Any, what: str = "the answer") -> None:
    """Fail unless yours equals expected exactly: numbers, strings, shapes, lists and tuples of these."""
    if isinstance(yours, np.ndarray) or type(yours) is not type(expected) or yours != expected:
        raise Mismatch(f"{what} is not right", kind="same", what=what, yours=yours, expected=expected)


def refuses(error: str, call: Remote, *arguments: Any, mentioning: Sequence[str] = (), **keywords: Any) -> None:
    """Fail unless the call raises an error of this type whose message mentions these texts."""
    shown = f"{error} that mentions {' and '.join(mentioning)}" if mentioning else error
    try:
        yours = call(*arguments, **keywords)
    except StudentError as raised:
        if raised.details.get("kind") == error and all(text in raised.message for text in mentioning):
            return
        raise Mismatch(f"another error than {error}", kind="refuses", yours=raised.message, expected=shown) from None
    raise Mismatch("this should be refused", kind="refuses", yours=yours, expected=shown)


def nudged(call: Remote, *inputs: Any, g: Any = 1.0, step: float = 1e-5) -> list[np.ndarray]:
    """The gradients of sum(g * call(*inputs)) by central differences of the student's own forward, in float64.

    One array for each input that holds floats, in order; the nudges travel together.
    """
    places = [i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f"]
    calls, found = [], []
    for i in places:
        x = np.asarray(inputs[i], dtype=np.float64)
        for index in np.ndindex(x.shape):
            for sign in (1, -1):
                moved = x.copy()
                moved[index] += sign * step
                calls.append([*inputs[:i], moved, *inputs[i + 1 :]])
    values = iter([float(np.sum(np.asarray(g) * np.asarray(z))) for z in call.batch(calls)])
    for i in places:
        shape = np.asarray(inputs[i]).shape
        slopes = [(next(values) - next(values)) / (2 * step) for _ in np.ndindex(shape)]
        found.append(np.array(slopes, dtype=np.float64).reshape(shape))
    return found


def _kind(value: Any) -> str:
    """A value that is no array, in words: what Python itself has by its type, anything else by how it shows itself."""
    return f"a {type(value).__name__}" if isinstance(value, str | tuple | list | dict) else repr(value)

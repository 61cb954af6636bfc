"""Comparisons: how a check says that an answer is not the expected one.

`close` compares arrays, `about` a number that was counted, `same` everything else; `refuses` looks at errors, `holds`
states a sentence, and `nudged` is the gradient that a student's own forward pass implies.
"""

import functools
import math
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
    like: Any = None,
    index: bool = False,
) -> None:
    """Fail unless yours has expected's shape and dtype and its numbers, within the tolerance of expected's dtype.

    An expected Python number or list asks for no dtype. `mistakes` names wrong answers worth telling apart:
    {"this is the gradient of the other input": g * x}. `like` is the input whose gradient this is: it is judged as the
    walk takes it, summed over the axes along which the input was broadcast. An `index` is off, never by a factor.
    """
    mine, wanted, wrongs = (
        _numbers(yours),
        np.asarray(expected),
        {say: np.asarray(w) for say, w in (mistakes or {}).items()},
    )
    fail = functools.partial(Mismatch, what=what, yours=yours, expected=expected)
    if mine is None:
        form, of = ("an array", " of numbers") if isinstance(expected, np.ndarray) or wanted.ndim else ("a number", "")
        diagnosis = f"{what} is {_kind(yours)}, not {form}{of}"
        raise fail(f"{what} is not {form}", kind="type", diagnosis=diagnosis)
    if like is not None:
        mine, wanted = summed_to(mine, np.shape(like)), summed_to(wanted, np.shape(like))
        wrongs = {say: summed_to(wrong, np.shape(like)) for say, wrong in wrongs.items()}
    typed = isinstance(expected, np.ndarray | np.generic)
    relative, absolute = _tolerance(wanted if typed or mine.dtype != np.float32 else mine, rtol, atol)
    other = typed and isinstance(yours, np.ndarray | np.generic) and mine.dtype != wanted.dtype
    if other and agree(mine, wanted, *_tolerance(mine, rtol, atol)):
        message = f"{what} has dtype {mine.dtype}, not {wanted.dtype}"
        raise fail(message, kind="dtype", diagnosis="the numbers are right, the dtype is not")
    if agree(mine, wanted, relative, absolute):
        return
    said = [say for say, wrong in wrongs.items() if agree(mine, wrong, relative, absolute)]
    said += [diagnose(mine, wanted, relative, absolute, index)]
    if mine.shape != wanted.shape:
        message = f"{what} has shape {np.shape(yours)}, not {np.shape(expected)}"
        raise fail(message, kind="shape", diagnosis=said[0], diagnoses=said)
    raise fail(f"{what} is not right", kind="value", diagnosis=said[0], diagnoses=said)


def summed_to(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """g summed over the axes that broadcasting `shape` to g's shape would stretch; g itself where that cannot be."""
    lead = g.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[lead:])):
        return g
    stretched = tuple(lead + i for i, (n, m) in enumerate(zip(shape, g.shape[lead:])) if n != m)
    return g.sum(axis=(*range(lead), *stretched), keepdims=True).reshape(shape)


def _numbers(value: Any) -> np.ndarray | None:
    """An answer as an array of numbers; None if it is none, or an integer that fits in no dtype."""
    if not isinstance(value, bool | int | float | np.ndarray | np.generic):
        return None
    array = np.asarray(value)
    return None if array.dtype.kind == "O" else array


def _tolerance(array: np.ndarray, rtol: float | None, atol: float | None) -> tuple[float, float]:
    relative, absolute = TOLERANCE.get(array.dtype.name, TOLERANCE["float64"])
    return relative if rtol is None else rtol, absolute if atol is None else atol


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
    factor = _factor(ratio, Fraction(tolerance) * ratio)
    diagnosis = f"too {size} by a factor of {factor}" if factor else ""
    raise Mismatch(f"the number of {unit} is too {size}", kind="value", yours=yours, diagnosis=diagnosis)


def _factor(ratio: Fraction, slack: Fraction) -> int:
    """The whole number that a ratio may be meant as, give or take the slack; 0 for none.

    Where the slack reaches several, it is one with a single digit that is not 0, or a power of two.
    """
    if not 1 < round(ratio) < 2000:
        return 0
    several = [int(float(f"{float(ratio):.0e}")), 2 ** round(math.log2(ratio))]
    known = [round(ratio)] if slack < 0.5 else several
    return next((number for number in known if abs(ratio - number) <= slack), 0)


def holds(truth: Any, sentence: str, **shown: Any) -> None:
    """Fail with the sentence unless it is true, of one thing at least.

    Keywords are shown: holds(p.sum() < 1, "...", total=p.sum()).
    """
    if not np.size(truth) or not bool(np.all(truth)):
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
        if changed := raised.details.get("changed"):
            raise changed from None
        missing = [text for text in mentioning if text not in raised.message]
        if raised.details.get("kind") != error:
            said = f"another error than {error}"
        elif missing:
            said = f"the message does not mention {' and '.join(missing)}"
        else:
            return
        raise Mismatch(said, kind="refuses", yours=raised.message, expected=shown) from None
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
    values = iter([np.asarray(z) for z in call.batch(calls)])
    for i in places:
        shape = np.asarray(inputs[i]).shape
        # What a nudge does not reach cancels before it is summed, and leaves no rounding behind.
        slopes = [np.sum(np.asarray(g) * (next(values) - next(values))) / (2 * step) for _ in np.ndindex(shape)]
        found.append(np.array(slopes, dtype=np.float64).reshape(shape))
    return found


def _kind(value: Any) -> str:
    """A value that is no array, in words: what Python itself has by its type, anything else by how it shows itself."""
    if isinstance(value, int):
        return f"an integer of {value.bit_length()} bits"
    return f"a {type(value).__name__}" if isinstance(value, str | tuple | list | dict) else repr(value)

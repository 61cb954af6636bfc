"""Cases: generated once per check and seed, and made small when one fails.

Hypothesis runs in the judge only, with an explicit seed and no database. Generating does not look at any student's
code, so the same cases are replayed to everyone; only a failure is searched live, and that search is capped by calls.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

Case = tuple[Any, ...]
CALLS_AFTER_FAILURE = 60
lock = threading.RLock()  # Hypothesis and its random state belong to one thread at a time


class _Enough(BaseException):
    """Leaves Hypothesis from inside a test body."""


class _Fails(Exception):
    """One exception from one line: all failures look alike to Hypothesis."""


def generate(strategies: Sequence[Any], seed: int, examples: int) -> list[Case]:
    """The cases of one check; the simplest comes first."""
    found: list[Case] = []

    def record(values: Case) -> None:
        found.append(_splat(values))

    _run(strategies, seed, examples, record)
    return found


def smallest(
    strategies: Sequence[Any], seed: int, examples: int, fails: Callable[[Case], Any]
) -> tuple[Case, Any] | None:
    """The smallest failing case found within the cap, with what `fails` said of it; None if none failed again."""
    best: list[tuple[Case, Any]] = []
    calls = 0

    def attempt(values: Case) -> None:
        nonlocal calls
        if best:
            calls += 1
            if calls > CALLS_AFTER_FAILURE:
                raise _Enough
        case = _splat(values)
        if outcome := fails(case):
            best[:] = [(case, outcome)]
            raise _Fails

    _run(strategies, seed, examples, attempt)
    return best[0] if best else None


def size(case: Case) -> tuple[int, float]:
    """How much there is to read in a case: its numbers, then how large they are."""
    numbers = [np.asarray(leaf) for leaf in leaves(case)]
    return sum(n.size for n in numbers), sum(_largeness(n) for n in numbers if n.dtype.kind in "fiu")


def _largeness(numbers: np.ndarray) -> float:
    """The sum of |x|; nothing counts for more than the largest float32, nor does what is not a number."""
    most = float(np.finfo(np.float32).max)
    return float(np.fmin(np.abs(numbers.astype(np.float64)), most).sum())


def leaves(value: Any) -> Iterator[Any]:
    """What stands in nested tuples, lists and dicts."""
    if isinstance(value, tuple | list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


def refill(case: Case) -> Case | None:
    """Arrays of zeros become 1, 2, 3...: a case that can be checked by hand. None where nothing is zero."""
    number, changed, filled = 1, False, []
    for value in case:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size and not value.any():
            value = np.arange(number, number + value.size, dtype=value.dtype).reshape(value.shape)
            number, changed = number + value.size, True
        filled.append(value)
    return tuple(filled) if changed else None


def _splat(values: Case) -> Case:
    """Strategies that give tuples give several arguments."""
    case: list[Any] = []
    for value in values:
        case.extend(value if isinstance(value, tuple) else (value,))
    return frozen(tuple(case))


def frozen(case: Case) -> Case:
    """The case, its arrays made read-only: cases are shared."""
    for leaf in leaves(case):
        if isinstance(leaf, np.ndarray):
            leaf.flags.writeable = False
    return case


def _run(strategies: Sequence[Any], seed: int, examples: int, body: Callable[[Case], None]) -> None:
    import hypothesis
    import hypothesis.errors

    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    @hypothesis.seed(seed)
    @settings
    @hypothesis.given(hypothesis.strategies.tuples(*strategies))
    def test(values: Case) -> None:
        body(values)

    with lock:
        try:
            test()
        except (_Enough, _Fails, hypothesis.errors.Flaky):  # Flaky: a student's code may draw its own random numbers
            return

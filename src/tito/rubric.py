"""Rubrics: what is graded, for how many points, and how it is told.

    rubric = Rubric("05", module="autograd")

    @rubric.check("mul_vjp", points=3)
    @given(broadcastable_pair())
    def product_rule(student, x, y, g):
        '''Each input's gradient is g scaled by the *other* input.'''
        dx, dy = student.mul_vjp(g, x * y, x, y)
        close(dx, g * y, "dx")

A check runs in the judge. It passes when it returns; `close`, `holds` and `refuses` are how it does not. Its docstring
is what a student reads.
"""

import functools
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tito import course, search, stubs
from tito.diagnosis import agree, diagnose
from tito.examples import run_examples
from tito.outcome import Mismatch, NotStarted, Outcome, StudentError
from tito.student import Remote, Student
from tito.wire import Foreign

# -- comparisons ------------------------------------------------------------------------------------------------------

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
    return repr(value) if value is None or isinstance(value, Foreign) else f"a {type(value).__name__}"


# -- checks -----------------------------------------------------------------------------------------------------------


class Given:
    """A check function together with the strategies of its inputs."""

    def __init__(self, function: Callable[..., None], strategies: Sequence[Any]):
        self.function, self.strategies = function, strategies


def given(*strategies: Any) -> Callable[[Callable[..., None]], Given]:
    """Draw a check's inputs from Hypothesis strategies, in order; a strategy of tuples gives several inputs."""
    return lambda function: Given(function, strategies)


@dataclass(eq=False)
class Check:
    """One check of one exercise."""

    exercise: str
    name: str
    points: int
    doc: str
    function: Callable[..., None]
    strategies: Sequence[Any] = ()
    examples: int = 30
    _cases: dict[int, list[search.Case]] = field(default_factory=dict, repr=False)

    def cases(self, seed: int) -> list[search.Case]:
        """The inputs of this check: the same for everyone who is graded with this seed."""
        if not self.strategies:
            return [()]
        with search.lock:
            if seed not in self._cases:
                self._cases[seed] = search.generate(self.strategies, seed, self.examples)
        return self._cases[seed]

    def run(self, student: Student, seed: int, live: bool = True) -> None:
        """Raise the outcome of the first failing case, the smallest one if live; return if all cases pass."""
        for case in self.cases(seed):
            if outcome := self.outcome(student, case):
                if live and self.strategies and isinstance(outcome, Mismatch | StudentError) and not student._link.over:
                    outcome = self._shrink(student, seed, outcome)
                raise outcome

    def outcome(self, student: Student, case: search.Case) -> Outcome | None:
        """What comes of one case: nothing, if it passes."""
        student._answered = False
        try:
            with np.errstate(all="ignore"):
                self.function(student, *case)
            return None
        except Outcome as found:
            outcome = found
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            if not student._answered:
                raise
            # The check could not even read the answer: None instead of a pair, say.
            outcome = Mismatch("the answer has another form than the check expects", kind="form")
            outcome.details.update(yours=student._last, diagnosis=str(error))
        names = list(inspect.signature(self.function).parameters)[1:]
        outcome.case = dict(zip(names, case))
        outcome.call = student._request
        return outcome

    def _shrink(self, student: Student, seed: int, first: Outcome) -> Outcome:
        def fails(case: search.Case) -> Outcome | None:
            outcome = self.outcome(student, case)
            return outcome if outcome and outcome.kind == first.kind else None

        # The smallest of the prepared cases is a good bound for the search: it is told first, unless that does better.
        tried = [(case, outcome) for case in self.cases(seed) if (outcome := fails(case))]
        found = search.smallest(self.strategies, seed, self.examples, fails)
        best = min([*tried, *([found] if found else [])], key=lambda pair: search.size(pair[0]), default=None)
        if best is None:
            return first
        filled = search.refill(best[0])
        return (fails(filled) if filled is not None else None) or best[1]


@dataclass
class Exercise:
    """A graded definition: its checks, and the points they add up to."""

    name: str
    checks: list[Check] = field(default_factory=list)

    @property
    def points(self) -> int:
        return sum(check.points for check in self.checks)


class Rubric:
    """What one chapter grades. `exercises` is the only manifest: stubs, book and points are read from it."""

    def __init__(self, number: str, module: str):
        self.number, self.module = number, module
        self.exercises: dict[str, Exercise] = {}
        self.probes: dict[str, str] = {}
        self.source = ""

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises.values())

    def check(self, exercise: str, *, points: int, examples: int = 30) -> Callable[[Any], Any]:
        """Add a check of an exercise. The function's docstring is what a student reads."""

        def add(function: Callable[..., None] | Given) -> Callable[..., None] | Given:
            strategies = function.strategies if isinstance(function, Given) else ()
            plain = function.function if isinstance(function, Given) else function
            doc = inspect.getdoc(plain)
            if not doc:
                raise ValueError(f"check {plain.__name__} of {exercise} has no docstring: a student reads it")
            self._add(Check(exercise, plain.__name__, points, doc, plain, strategies, examples))
            return function

        return add

    def doctests(self, exercise: str, *, points: int) -> None:
        """The examples in the reference's docstring give what they show there."""

        def shown_in_the_docstring(student: Student) -> None:
            run_examples(student, stubs.definitions(self.source)[exercise].doc)

        doc = "The examples in the docstring give what is shown there."
        self._add(Check(exercise, "examples_in_docstring", points, doc, shown_in_the_docstring))

    def probe(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Code that runs beside the student's: several steps that use tt, np and its arguments, nothing else."""
        source = textwrap.dedent(inspect.getsource(function))
        self.probes[function.__name__] = source[source.index("def ") :]
        return function

    def _add(self, check: Check) -> None:
        self.exercises.setdefault(check.exercise, Exercise(check.exercise)).checks.append(check)


# -- loading ----------------------------------------------------------------------------------------------------------


def load(number: str, where: course.Course | None = None) -> Rubric:
    """The rubric of a chapter, read from grading/. Raises CourseError if there is none."""
    chapter = (where or course.default()).chapter(number)
    if not chapter.rubric_path.is_file():
        raise course.CourseError(f"chapter {chapter.number} has no rubric yet: {chapter.rubric_path.name} is not there")
    return _load(chapter, (chapter.rubric_path.stat().st_mtime_ns, chapter.source.stat().st_mtime_ns))


@functools.lru_cache
def _load(chapter: course.Chapter, changed: tuple[int, int]) -> Rubric:
    spec = importlib.util.spec_from_file_location(f"grade_{chapter.number}_{chapter.name}", chapter.rubric_path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with _importable(chapter.rubric_path.parent):
        spec.loader.exec_module(module)
    rubric: Rubric = module.rubric
    rubric.source = chapter.source.read_text(encoding="utf-8")
    known = stubs.definitions(rubric.source)
    for name in rubric.exercises:
        if name not in known:
            raise course.CourseError(
                f"{chapter.rubric_path.name} grades {name}, which {chapter.source.name} does not define"
            )
    return rubric


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Rubrics import their shared strategies by name."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


__all__ = ["Check", "Exercise", "NotStarted", "Rubric", "close", "given", "holds", "load", "nudged", "refuses", "same"]

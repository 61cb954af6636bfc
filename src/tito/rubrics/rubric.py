"""Rubrics: what is graded, for how many points, and how it is told.

    rubric = Rubric("05", module="autograd")

    @rubric.check("mul_vjp", points=3)
    @given(broadcastable_pair())
    def product_rule(student, x, y, g):
        '''Each input's gradient is g scaled by the *other* input.'''
        dx, dy = student.mul_vjp(g, x * y, x, y)
        close(dx, g * y, "dx")

    rubric.exercise("mul_vjp", difficulty=1, minutes=5)

A check runs in the judge. It passes when it returns; `close`, `holds` and `refuses` are how it does not. Its docstring
is what a student reads.
"""

import functools
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tito import course
from tito.outcomes import Infrastructure, Mismatch, Outcome, StudentError
from tito.rubrics import stubs
from tito.rubrics.cases import Case, frozen, generate, lock, refill, size, smallest
from tito.rubrics.compare import about
from tito.rubrics.diagnosis import keep_what_holds
from tito.rubrics.doctests import run_examples
from tito.rubrics.student import Session, Student

ACCOUNTS = "# -- accounting: numbers to work out, no part of the framework " + "-" * 57

# -- checks -----------------------------------------------------------------------------------------------------------

# What Python raises where a check reckons with an answer of another form than it expects.
UNREADABLE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError)


class Given:
    """A check function together with the strategies of its inputs, and cases that stand beside the drawn ones."""

    def __init__(self, function: Callable[..., None], strategies: Sequence[Any], always: Sequence[Case]):
        self.function, self.strategies, self.always = function, strategies, always


def given(*strategies: Any, always: Sequence[Any] = ()) -> Callable[[Callable[..., None]], Given]:
    """Draw a check's inputs from Hypothesis strategies, in order; a strategy of tuples gives several inputs.

    `always` has the telling cases that every seed must hold: a tuple of all inputs each, or the one input there is.
    """
    fixed = [frozen(case if isinstance(case, tuple) else (case,)) for case in always]
    return lambda function: Given(function, strategies, fixed)


@dataclass(eq=False)
class Check:
    """One check of one exercise."""

    exercise: str
    name: str
    points: int
    doc: str
    function: Callable[..., None]
    strategies: Sequence[Any] = ()
    examples: int = 20
    always: Sequence[Case] = ()
    drawn: dict[int, list[Case]] = field(default_factory=dict, repr=False)

    def cases(self, seed: int) -> list[Case]:
        """The inputs of this check, drawn ones first: the same for everyone who is graded with this seed."""
        if not self.strategies:
            return [*self.always] or [()]
        with lock:
            if seed not in self.drawn:
                self.drawn[seed] = [*generate(self.strategies, seed, self.examples), *self.always]
        return self.drawn[seed]

    def run(self, session: Session, seed: int, live: bool = True) -> None:
        """Raise the outcome of the first failing case, the smallest one if live; return if all cases pass."""
        for case in self.cases(seed):
            if outcome := self.outcome(session, case):
                if (
                    live
                    and (self.strategies or self.always)
                    and isinstance(outcome, Mismatch | StudentError)
                    and not session.over
                ):
                    outcome = self.shrunk(session, seed, outcome)
                raise outcome

    def outcome(self, session: Session, case: Case) -> Outcome | None:
        """The outcome of one case: None if it passes."""
        session.answered = False
        try:
            with np.errstate(all="ignore"):
                self.function(Student(session), *case)
            return None
        except Outcome as found:
            outcome = found
        except UNREADABLE as error:
            if not session.answered:  # the check failed by itself, before any answer: that costs nobody points
                raise Infrastructure(f"the check {self.name} has a fault: {type(error).__name__}: {error}") from error
            # The check could not even read the answer: None instead of a pair, say.
            outcome = Mismatch("the answer has another form than the check expects", kind="form")
            outcome.details.update(yours=session.last, diagnosis=str(error))
        names = list(inspect.signature(self.function).parameters)[1:]
        outcome.case = dict(zip(names, case))
        if outcome.details.get("kind") == "changed":
            argument = outcome.details["argument"]
            name = next((name for name, value in outcome.case.items() if value is argument), outcome.details["what"])
            outcome.message = f"{name} was changed"
        outcome.call = session.request
        return outcome

    def shrunk(self, session: Session, seed: int, first: Outcome) -> Outcome:
        """The outcome of the smallest case that fails in the same way as the first."""

        def fails(case: Case) -> Outcome | None:
            outcome = self.outcome(session, case)
            return outcome if outcome and outcome.kind == first.kind else None

        # The smallest of the prepared cases is a good bound for the search: it is told first, unless that does better.
        tried = [(case, outcome) for case in self.cases(seed) if (outcome := fails(case))]
        found = smallest(self.strategies, seed, self.examples, fails) if self.strategies else None
        best = min([*tried, *([found] if found else [])], key=lambda pair: size(pair[0]), default=None)
        if best is None:
            return first
        filled = refill(best[0])
        told = (fails(filled) if filled is not None else None) or best[1]
        keep_what_holds(told, [outcome for _, outcome in tried])
        return told


@dataclass(eq=False)
class Exercise:
    """A graded definition: its checks, and the points they add up to."""

    name: str
    checks: list[Check] = field(default_factory=list)
    difficulty: int = 0  # from 1, a line once the idea is there, to 3, a derivation of one's own
    minutes: int = 0
    accounting: "Accounting | None" = None

    @property
    def points(self) -> int:
        return sum(check.points for check in self.checks)


@dataclass(frozen=True)
class Accounting:
    """A number that is asked: the function that a student completes, and what counts the truth."""

    text: str
    unit: str
    counted: Callable[[], float]
    tolerance: float

    def told(self) -> str:
        """What the counter finds, as a solution says it."""
        return f"{self.counted():,.10g} {self.unit}"


class Probes(dict[str, str]):
    """The source of each probe by its name: code that runs beside the student's, several steps at a time.

    `in_place` has the parameters that a probe lets the student's code write into.
    """

    def __init__(self) -> None:
        super().__init__()
        self.in_place: dict[str, frozenset[str]] = {}

    def add(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Add a function that uses its arguments, tt and np, and nothing else."""
        self[function.__name__] = definition(function)
        return function

    def writes_into(self, *parameters: str) -> Callable[[Any], Any]:
        """Add a probe that changes these arguments of its own. Any other must come back as it was."""

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            self.in_place[function.__name__] = frozenset(parameters)
            return self.add(function)

        return add


def definition(function: Callable[..., Any]) -> str:
    """The text of a function without its decorators."""
    source = textwrap.dedent(inspect.getsource(function))
    return source[re.search("^def ", source, re.MULTILINE).start() :]  # type: ignore[union-attr]


class Rubric:
    """What one chapter grades. `exercises` is the only manifest: stubs, book and points are read from it.

    `examples` is how many cases a check draws, unless it says so itself.
    """

    def __init__(self, number: str, module: str, examples: int = 20):
        self.number, self.module, self.examples = number, module, examples
        self.exercises: dict[str, Exercise] = {}
        self.probes = Probes()
        self.source = ""

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises.values())

    def exercise(self, name: str, *, difficulty: int, minutes: int) -> Exercise:
        """Say of an exercise how hard it is, 1 to 3, and how many minutes it takes. Raises ValueError for others."""
        if difficulty not in (1, 2, 3) or minutes < 1:
            raise ValueError(f"{name} needs a difficulty from 1 to 3 and minutes, got {difficulty} and {minutes}")
        found = self.exercises.setdefault(name, Exercise(name))
        found.difficulty, found.minutes = difficulty, minutes
        return found

    def accounting(
        self,
        *,
        points: int,
        unit: str,
        counted: Callable[[], float],
        difficulty: int,
        minutes: int,
        tolerance: float = 0.01,
    ) -> Callable[[Any], Any]:
        """Ask for a number: the docstring is the question, the body the model answer, worked out by hand.

        The function is no part of the framework: it stands at the end of the chapter's stub. `counted` measures the
        truth in the judge, with the reference; the answer may differ from it by `tolerance` of it.
        """

        once = functools.cache(counted)

        def add(function: Callable[[], float]) -> Callable[[], float]:
            name = function.__name__

            def the_number_that_is_counted(student: Student) -> None:
                truth = once()  # first: should the counter fail, it is not the student's doing
                about(getattr(student, name)(), truth, tolerance, unit)

            asked = self.exercise(name, difficulty=difficulty, minutes=minutes)
            asked.accounting = Accounting(definition(function), unit, once, tolerance)
            doc = f"The number is the one that our own counter finds, give or take {100 * tolerance:g} %."
            self._add(Check(name, the_number_that_is_counted.__name__, points, doc, the_number_that_is_counted))
            return function

        return add

    def complete(self, source: str) -> str:
        """A chapter's program with its accounting at the end: what a student's file is cut from."""
        asked = [exercise.accounting.text for exercise in self.exercises.values() if exercise.accounting]
        return "\n\n\n".join(part.rstrip("\n") for part in (source, ACCOUNTS, *asked)) + "\n" if asked else source

    def check(self, exercise: str, *, points: int, examples: int | None = None) -> Callable[[Any], Any]:
        """Add a check of an exercise. The function's docstring is what a student reads."""

        def add(function: Callable[..., None] | Given) -> Callable[..., None] | Given:
            chosen = function if isinstance(function, Given) else Given(function, (), ())
            plain = chosen.function
            doc = inspect.getdoc(plain)
            if not doc:
                raise ValueError(f"check {plain.__name__} of {exercise} has no docstring: a student reads it")
            self._add(
                Check(
                    exercise,
                    plain.__name__,
                    points,
                    doc,
                    plain,
                    chosen.strategies,
                    examples or self.examples,
                    chosen.always,
                )
            )
            return function

        return add

    def doctests(self, exercise: str, *, points: int) -> None:
        """The examples in the reference's docstring give what they show there."""

        def shown_in_the_docstring(student: Student) -> None:
            run_examples(student.session, stubs.definitions(self.source)[exercise].doc)

        doc = "The examples in the docstring give what is shown there."
        self._add(Check(exercise, "examples_in_docstring", points, doc, shown_in_the_docstring))

    def probe(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Code that runs beside the student's: several steps that use tt, np and its arguments, nothing else."""
        return self.probes.add(function)

    def in_place(self, *parameters: str) -> Callable[[Any], Any]:
        """A probe that hands these arguments to code that is to write into them: they need not stay as they were."""
        return self.probes.writes_into(*parameters)

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
    with _importable(chapter.rubric_path.parent):
        rubric: Rubric = course.program(chapter.rubric_path).rubric
    rubric.source = rubric.complete(chapter.source.read_text(encoding="utf-8"))
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

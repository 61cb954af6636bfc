"""Questions: what a student's chapters can do together. The course calls them checkpoints; there are sixteen.

    questions = Questions()

    @questions.ask("02", "Can I compute with tensors?", needs="environment tensor")
    def names_most_digits(student):
        '''The nearest of ten mean images names most digits.'''
        close(student.nearest(x, y), ..., "the guesses")

grading/checkpoints.py is the one list of them. A test runs in the judge, like a check of a rubric: it calls into a
worker on the composed tree, gets arrays, and compares them with what it computed itself. A test with a second argument
is given a second worker: a new process, as after a restart.
"""

import contextlib
import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tito import sandbox
from tito.course import Course, CourseError, program
from tito.grading.judge import ATTEMPTS
from tito.history.milestones import Lack, lacking
from tito.outcomes import Infrastructure, Mismatch, Outcome
from tito.rubrics.rubric import UNREADABLE, Probes
from tito.rubrics.student import Student
from tito.sandbox.session import Session, explainer
from tito.sandbox.tree import play
from tito.work.source import deepest
from tito.work.workspace import Workspace

DEADLINE = 60.0


@dataclass(frozen=True)
class Question:
    """One question, the modules that it needs, and the test that answers it, if there is one yet."""

    id: str
    text: str
    needs: tuple[str, ...]
    test: Callable[..., None] | None = None

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.test) or ""

    @property
    def workers(self) -> int:
        return len(inspect.signature(self.test).parameters) if self.test else 0


@dataclass
class Questions:
    """The list, in its order, and the probes that run beside the student's code."""

    all: list[Question] = field(default_factory=list)
    probes: Probes = field(default_factory=Probes)

    def ask(self, id: str, text: str, needs: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Add a question with its test."""

        def add(test: Callable[..., None]) -> Callable[..., None]:
            if not test.__doc__:
                raise ValueError(f"checkpoint {id} has no docstring: a student reads it")
            self.all.append(Question(id, text, tuple(needs.split()), test))
            return test

        return add

    def later(self, id: str, text: str, needs: str) -> None:
        """Add a question whose test is not written yet."""
        self.all.append(Question(id, text, tuple(needs.split())))

    def probe(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Code that runs beside the student's: it sees tt, np and its arguments."""
        return self.probes.add(function)


def questions(course: Course) -> Questions:
    """The course's questions, read from grading/checkpoints.py; none if it has no such file."""
    path = course.root / "grading" / "checkpoints.py"
    return program(path).questions if path.is_file() else Questions()


def wanted(course: Course, id: str) -> Question:
    """The checkpoint "01" or "1". Raises CourseError, listing what there is."""
    every = questions(course).all
    for question in every:
        if question.id == id.zfill(2):
            return question
    listing = ", ".join(question.id for question in every)
    raise CourseError(f"there is no checkpoint {id!r}; there are: {listing or 'none yet'}")


# -- standing ---------------------------------------------------------------------------------------------------------


def available(question: Question, course: Course, reference: bool = False) -> bool:
    """Whether it can be tested: it has a test, and there is a chapter (a module, for the reference) for every need."""
    built = {path.stem for path in course.package.glob("*.py")}
    taught = {chapter.name for chapter in course.chapters() if chapter.rubric_path.is_file()}
    return question.test is not None and (built if reference else built & taught).issuperset(question.needs)


def missing(question: Question, workspace: Workspace) -> list[Lack]:
    """The chapters of the student's that are not begun."""
    return lacking(workspace, question.needs, full=False)


def digest(question: Question, workspace: Workspace) -> str:
    """A short name for the student's files as they are now."""
    found = hashlib.sha256()
    for name in question.needs:
        path = workspace.folder / f"{name}.py"
        found.update(path.read_bytes() if path.is_file() else b"-")
        found.update(b"\0")
    return found.hexdigest()[:16]


def standing(question: Question, workspace: Workspace) -> str:
    """passed, not passed, or what it waits for, in a few words."""
    if not available(question, workspace.course):
        return "not available yet"
    known = workspace.progress().get("checkpoints", {}).get(question.id, {})
    if known.get("state") == "passed":
        return "passed" if known.get("work") == digest(question, workspace) else "passed, then changed"
    if lacks := missing(question, workspace):
        return f"needs {', '.join(lack.label.strip() for lack in lacks)}"
    return known.get("state", "not tested")


# -- testing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """The result of a test: without an outcome it is a pass."""

    outcome: Outcome | None
    printed: str = ""

    @property
    def state(self) -> str:
        return self.outcome.state if self.outcome else "passed"


def test(question: Question, workspace: Workspace, reference: bool = False, deadline: float = DEADLINE) -> Verdict:
    """Test the student's chapters (or the reference's) in workers of their own.

    Raises CourseError if it cannot be tested, Infrastructure if no worker can be started.
    """
    if question.test is None:
        raise CourseError(f"checkpoint {question.id} is not available yet")
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(Infrastructure):
            return _once(question, workspace, reference, deadline)
    return _once(question, workspace, reference, deadline)


def _once(question: Question, workspace: Workspace, reference: bool, deadline: float) -> Verdict:
    probes, mine = questions(workspace.course).probes, () if reference else question.needs
    labels = {name: f"work/{name}.py" for name in mine if (workspace.folder / f"{name}.py").is_file()}
    explain = explainer("", "", partial(deepest, labels=labels))
    fill = partial(play, course=workspace.course, work=workspace.folder, only=mine)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(sandbox.open(fill, deadline=deadline)) for _ in range(question.workers)]
        outcome = _asked(question, [Session(connection, probes, explain, probes.in_place) for connection in opened])
        for connection in opened:
            connection.close()  # what was printed is all there when a worker has ended
        printed = "".join(connection.printed for connection in opened)
    return Verdict(outcome, printed)


def _asked(question: Question, sessions: list[Session]) -> Outcome | None:
    """The outcome of one test in these sessions: None if it passes."""
    assert question.test
    try:
        for session in sessions:
            session.ask({"do": "load", "module": question.needs[-1], "names": []})
        with np.errstate(all="ignore"):
            question.test(*map(Student, sessions))
    except Outcome as found:
        return found
    except UNREADABLE as error:
        if not all(session.answered for session in sessions):
            raise
        return Mismatch(f"an answer has another form than the test expects: {error}", kind="form")
    return None


def record(question: Question, workspace: Workspace, verdict: Verdict) -> None:
    """Remember the state of a test, and of which files."""
    workspace.remember("checkpoints", question.id, {"state": verdict.state, "work": digest(question, workspace)})

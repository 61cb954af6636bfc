"""Checkpoints: what a student's chapters can do together, as questions; sixteen in the end.

    checkpoints = Checkpoints()

    @checkpoints.ask("02", "Can I compute with tensors?", needs="environment tensor")
    def names_most_digits(student):
        '''The nearest of ten mean images names most digits.'''
        close(student.nearest(x, y), ..., "the guesses")

grading/checkpoints.py is the one list of them. A test runs in the judge, like a check of a rubric: it calls into a
worker on the composed tree, gets arrays, and compares them with what it computed itself. A test with a second argument
is given a second worker: a new process, as after a restart.
"""

import contextlib
import hashlib
import importlib.util
import inspect
import tempfile
import textwrap
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tito.compose import job, play
from tito.course import Course, CourseError
from tito.isolation import strongest
from tito.judge import ATTEMPTS
from tito.link import Link
from tito.milestones import Lack, lacking
from tito.outcome import Infrastructure, Mismatch, Outcome
from tito.student import Student, explainer
from tito.workspace import Workspace

DEADLINE = 60.0


@dataclass(frozen=True)
class Checkpoint:
    """One question, the modules that it needs, and the test that answers it, if there is one yet."""

    id: str
    question: str
    needs: tuple[str, ...]
    test: Callable[..., None] | None = None

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.test) or ""

    @property
    def workers(self) -> int:
        return len(inspect.signature(self.test).parameters) if self.test else 0


@dataclass
class Checkpoints:
    """The list, in its order, and the probes that run beside the student's code."""

    all: list[Checkpoint] = field(default_factory=list)
    probes: dict[str, str] = field(default_factory=dict)

    def ask(self, id: str, question: str, needs: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Add a question with its test."""

        def add(test: Callable[..., None]) -> Callable[..., None]:
            if not test.__doc__:
                raise ValueError(f"checkpoint {id} has no docstring: a student reads it")
            self.all.append(Checkpoint(id, question, tuple(needs.split()), test))
            return test

        return add

    def later(self, id: str, question: str, needs: str) -> None:
        """Add a question whose test is not written yet."""
        self.all.append(Checkpoint(id, question, tuple(needs.split())))

    def probe(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Code that runs beside the student's: it sees tt, np and its arguments."""
        source = textwrap.dedent(inspect.getsource(function))
        self.probes[function.__name__] = source[source.index("def ") :]
        return function


def checkpoints(course: Course) -> Checkpoints:
    """The course's checkpoints, read from grading/checkpoints.py; none if it has no such file."""
    path = course.root / "grading" / "checkpoints.py"
    if not path.is_file():
        return Checkpoints()
    spec = importlib.util.spec_from_file_location("course_checkpoints", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Checkpoints = module.checkpoints
    return found


def wanted(course: Course, id: str) -> Checkpoint:
    """The checkpoint "01" or "1". Raises CourseError, listing what there is."""
    every = checkpoints(course).all
    for one in every:
        if one.id == id.zfill(2):
            return one
    raise CourseError(f"there is no checkpoint {id!r}; there are: {', '.join(one.id for one in every) or 'none yet'}")


# -- standing ---------------------------------------------------------------------------------------------------------


def available(one: Checkpoint, course: Course, reference: bool = False) -> bool:
    """Whether it can be tested: it has a test, and there is a chapter (a module, for the reference) for every need."""
    built = {path.stem for path in course.package.glob("*.py")}
    taught = {chapter.name for chapter in course.chapters() if chapter.rubric_path.is_file()}
    return one.test is not None and (built if reference else built & taught).issuperset(one.needs)


def missing(one: Checkpoint, workspace: Workspace) -> list[Lack]:
    """The chapters of the student's that are not begun."""
    return lacking(workspace, one.needs, full=False)


def digest(one: Checkpoint, workspace: Workspace) -> str:
    """A short name for the student's files as they are now."""
    found = hashlib.sha256()
    for name in one.needs:
        path = workspace.folder / f"{name}.py"
        found.update(path.read_bytes() if path.is_file() else b"-")
        found.update(b"\0")
    return found.hexdigest()[:16]


def standing(one: Checkpoint, workspace: Workspace) -> str:
    """passed, not passed, or what it waits for, in a few words."""
    if not available(one, workspace.course):
        return "not available yet"
    known = workspace.progress().get("checkpoints", {}).get(one.id, {})
    if known.get("state") == "passed":
        return "passed" if known.get("work") == digest(one, workspace) else "passed, then changed"
    if lacks := missing(one, workspace):
        return f"needs {', '.join(lack.label.strip() for lack in lacks)}"
    return known.get("state", "not tested")


# -- testing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What came of a test: no outcome is a pass."""

    outcome: Outcome | None
    whose: dict[str, str]
    printed: str = ""

    @property
    def state(self) -> str:
        return self.outcome.state if self.outcome else "passed"


def test(one: Checkpoint, workspace: Workspace, reference: bool = False, deadline: float = DEADLINE) -> Verdict:
    """Test a checkpoint on the student's chapters (or the reference's), in workers of its own.

    Raises CourseError if it cannot be tested, Infrastructure if no worker can be started.
    """
    if one.test is None:
        raise CourseError(f"checkpoint {one.id} is not available yet")
    for attempt in range(ATTEMPTS):
        try:
            return _once(one, workspace, reference, deadline)
        except Infrastructure:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError


def _once(one: Checkpoint, workspace: Workspace, reference: bool, deadline: float) -> Verdict:
    assert one.test
    probes, only = checkpoints(workspace.course).probes, () if reference else one.needs
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_worker(workspace, only, deadline)) for _ in range(one.workers)]
        whose = opened[0][1]
        students = [Student(link, probes, explainer("", "", lambda f: _place(f, whose))) for link, _ in opened]
        outcome: Outcome | None = None
        try:
            for student in students:
                student._ask({"do": "load", "module": one.needs[-1], "names": []})
            with np.errstate(all="ignore"):
                one.test(*students)
        except Outcome as found:
            outcome = found
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            if not all(student._answered for student in students):
                raise
            outcome = Mismatch(f"an answer has another form than the test expects: {error}", kind="form")
        for link, _ in opened:
            link.close()  # what was printed is all there when a worker has ended
        printed = "".join(link.printed for link, _ in opened)
    return Verdict(outcome, whose, printed)


@contextlib.contextmanager
def _worker(workspace: Workspace, only: Collection[str], deadline: float) -> Iterator[tuple[Link, dict[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
        tree = job(Path(folder).resolve())
        whose = play(tree, workspace.course, workspace.folder, only)
        with Link(strongest(), tree.parent, deadline) as link:
            yield link, whose


def _place(frames: list[Any], whose: dict[str, str]) -> str:
    """The deepest line of the student's own files, else the deepest of all."""
    places = [(Path(str(f[0])), f[1]) for f in frames if isinstance(f, list) and len(f) == 3 and type(f[1]) is int]
    own = [f"work/{path.name}:{line}" for path, line in places if whose.get(path.stem) == "work"]
    return own[-1] if own else f"{places[-1][0]}:{places[-1][1]}" if places else ""


def record(one: Checkpoint, workspace: Workspace, verdict: Verdict) -> None:
    """Remember what came of it, and of which files."""
    workspace.remember("checkpoints", one.id, {"state": verdict.state, "work": digest(one, workspace)})

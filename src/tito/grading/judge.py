"""The judge: composes trees, starts workers, asks, compares, and adds up what it saw pass.

Each exercise is graded alone, in a tree where the chapter's other graded bodies are the reference's. The score is the
sum of the points of the checks that the judge saw pass; what it did not see is 0.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from tito import sandbox
from tito.course import Chapter, Course, CourseError, default
from tito.grading.report import CheckResult, ExerciseResult, Integrated, Report, shown
from tito.outcomes import Hung, Infrastructure, NotStarted, Outcome, StudentError, TimedOut
from tito.rubrics import stubs
from tito.rubrics.rubric import Exercise, Rubric, load
from tito.sandbox import DEADLINE, Connection
from tito.sandbox.isolation import Isolation, strongest, unreadable
from tito.sandbox.session import Session, explainer
from tito.sandbox.tree import compose
from tito.work.source import Source, SourceError, begun, missing

SEED = 1
ATTEMPTS = 3
WORKERS = 2


def grade(
    number: str,
    *,
    work: Path | None = None,
    source: Path | str | None = None,
    seed: int = SEED,
    only: str | None = None,
    integrated: bool = True,
    course: Course | None = None,
    isolation: Isolation | None = None,
    deadline: float = DEADLINE,
) -> Report:
    """Grade a chapter: the file in `work`, or `source` (a path, or the text itself), or else the reference.

    `only` picks the exercises whose name, or one of whose checks' names, contains it. Raises CourseError for an
    unknown chapter, and if `only` picks nothing. Without the file in `work`, all is "not started".
    """
    course = course or default()
    chapter = course.chapter(number)
    with unreadable():
        return Grading(course, chapter, seed, isolation or strongest(), deadline).grade(work, source, only, integrated)


class Grading:
    """One grading of one chapter: what stays the same from exercise to exercise."""

    def __init__(self, course: Course, chapter: Chapter, seed: int, isolation: Isolation, deadline: float):
        self.course, self.chapter, self.seed = course, chapter, seed
        self.isolation, self.deadline = isolation, deadline
        self.rubric: Rubric = load(chapter.number, course)
        self.reference = self.rubric.source
        self.hung: Hung | None = None  # of a file that does not load in time: no other worker tries it again
        self.open: set[Connection] = set()
        self.stopped = False

    def grade(self, work: Path | None, given: Path | str | None, only: str | None, integrated: bool) -> Report:
        exercises = picked(self.rubric, only)
        report = Report(
            number=self.chapter.number,
            name=self.chapter.name,
            seed=self.seed,
            isolation=self.isolation.name,
            graded="work" if work or given is not None else "reference",
            everything=only is None,
        )
        path = work / f"{self.chapter.name}.py" if work else None
        if path is not None and given is None and not begun(path):
            report.exercises = [
                self.all_alike(e, NotStarted(f"tito start {self.chapter.number} begins it")) for e in exercises
            ]
            return report
        try:
            source = Source.read(given if given is not None else path or self.reference, self.chapter.name)
        except SourceError as error:
            report.exercises = [
                self.all_alike(e, StudentError(str(error), kind="file", where=error.where)) for e in exercises
            ]
            return report
        report.exercises, report.integrated = self.each(exercises, source, work if integrated else None)
        return report

    def each(
        self, exercises: Sequence[Exercise], source: Source, work: Path | None
    ) -> tuple[list[ExerciseResult], Integrated | None]:
        """Grade every exercise alone, some at a time, and close behind them the student's whole framework.

        What interrupts this ends the workers, too.
        """
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                alone = {exercise: pool.submit(self.alone, exercise, source) for exercise in exercises}
                whole = self.together(alone, source, work) if work else None
                return [result.result() for result in alone.values()], whole
            except BaseException:
                self.stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                for connection in list(self.open):
                    connection.end()
                raise

    # -- one exercise alone -------------------------------------------------------------------------------------------

    def alone(self, exercise: Exercise, source: Source) -> ExerciseResult:
        """Grade one exercise; trouble before the worker's first word is retried, then flagged."""
        others = [name for name in self.rubric.exercises if name != exercise.name]
        text = stubs.append(source.text, self.reference, others)
        trouble = "the grading was stopped"
        for _ in range(ATTEMPTS):
            if self.hung:
                return self.all_alike(exercise, self.hung)
            if self.stopped:
                break
            try:
                with self.worker(text) as connection:
                    self.open.add(connection)
                    result = self.checked(exercise, source, connection)
                    self.open.discard(connection)
                    return result
            except Infrastructure as error:
                trouble = str(error)
        result = self.all_alike(exercise, Outcome(f"could not be graded, and is not scored: {trouble}"))
        for check in result.checks:
            check.state = "not graded"
        return result

    def checked(self, exercise: Exercise, source: Source, connection: Connection) -> ExerciseResult:
        try:
            session = self.session(exercise, source, connection)
        except Outcome as outcome:
            if isinstance(outcome, Hung):
                self.hung = outcome
            return self.all_alike(exercise, outcome, self.printed(connection, source))
        checks: list[CheckResult] = []
        for check in () if self.stopped else exercise.checks:
            result = CheckResult(check.name, check.points, check.doc)
            try:
                check.run(session, self.seed)
                result.state, result.earned = "passed", check.points
            except NotStarted as outcome:
                return self.all_alike(exercise, outcome, self.printed(connection, source))
            except Outcome as outcome:
                result.tell(outcome)
            checks.append(result)
        connection.close()
        return self.result(exercise, checks, self.printed(connection, source))

    def printed(self, connection: Connection, source: Source) -> str:
        """What was printed, with the student's file under its own name."""
        return connection.printed.replace(f"tinytorch/{self.chapter.name}.py:", f"{source.label}:")

    def session(self, exercise: Exercise, source: Source, connection: Connection) -> Session:
        """Load the chapter in the worker. Raises the outcome if it cannot be, or if the exercise is not in it."""
        first = connection.budget == connection.deadline
        explain = explainer(self.chapter.number, exercise.name, source.place)
        session = Session(connection, self.rubric.probes, explain, self.rubric.probes.in_place)
        try:
            lacking = session.ask({"do": "load", "module": self.rubric.module, "names": [exercise.name]})
        except TimedOut as outcome:
            if first:
                raise Hung(outcome.message, **outcome.details) from None
            raise
        if exercise.name in (lacking if isinstance(lacking, list) else []):
            raise missing(source, exercise.name)
        return session

    def worker(self, text: str, earlier: Path | None = None) -> AbstractContextManager[Connection]:
        """A worker on a fresh tree."""
        fill = partial(compose, course=self.course, chapter=self.chapter, text=text, earlier=earlier)
        return sandbox.open(fill, self.isolation, self.deadline)

    # -- results ------------------------------------------------------------------------------------------------------

    def all_alike(self, exercise: Exercise, outcome: Outcome, printed: str = "") -> ExerciseResult:
        """The same outcome for every check of an exercise."""
        checks = [CheckResult(check.name, check.points, check.doc) for check in exercise.checks]
        for check in checks:
            check.tell(outcome)
        return self.result(exercise, checks, printed)

    def result(self, exercise: Exercise, checks: list[CheckResult], printed: str) -> ExerciseResult:
        hint = stubs.hint(self.reference, exercise.name)
        rerun = f"nox -s grade-{self.chapter.number} -- -k {exercise.name}"
        return ExerciseResult(exercise.name, checks, hint, rerun, shown(printed))

    # -- the student's whole framework --------------------------------------------------------------------------------

    def together(self, alone: Mapping[Exercise, Future[ExerciseResult]], source: Source, work: Path) -> Integrated:
        """The student's whole file on the student's own earlier chapters, on the same cases; points only.

        Each exercise follows when it was graded alone. One that was too late there is not tried again, and none is
        once the file itself hangs.
        """
        if lacking := self.lacking(work):
            return Integrated(missing=lacking)
        result = Integrated(states={exercise.name: "not graded" for exercise in alone})
        waiting = list(alone)
        while waiting:
            alone[waiting[0]].result()
            if self.hung:
                self.too_late(waiting, result)
                break
            try:
                with self.worker(source.text, work) as connection:
                    while waiting and not connection.over:
                        exercise = waiting.pop(0)
                        if alone[exercise].result().state == TimedOut.state:
                            self.too_late([exercise], result)
                        else:
                            self.once(exercise, source, connection, result)
            except Hung:
                self.too_late([exercise, *waiting], result)
                break
            except Infrastructure:
                break
        return result

    def too_late(self, exercises: Sequence[Exercise], result: Integrated) -> None:
        for exercise in exercises:
            result.points[exercise.name], result.states[exercise.name] = 0, TimedOut.state

    def once(self, exercise: Exercise, source: Source, connection: Connection, result: Integrated) -> None:
        points, state = 0, "passed"
        try:
            session = self.session(exercise, source, connection)
            for check in exercise.checks:
                try:
                    check.run(session, self.seed, live=False)
                    points += check.points
                except NotStarted:
                    raise
                except Outcome as outcome:
                    state = outcome.state if state == "passed" else state
        except Hung:
            raise
        except Outcome as outcome:
            points, state = 0, outcome.state
            if needs := outcome.details.get("needs"):
                result.needs.append(needs)
        result.points[exercise.name], result.states[exercise.name] = points, state

    def lacking(self, work: Path) -> list[str]:
        """What the student's earlier chapters lack: whole files, or public names that the reference has by now."""
        found: list[str] = []
        for earlier in self.course.before(self.chapter):
            path = work / f"{earlier.name}.py"
            if not begun(path):
                found.append(path.name)
                continue
            try:
                names = stubs.definitions(Source.read(path, earlier.name).text)
            except SourceError as error:
                found.append(f"{path.name} ({error})")
                continue
            except (SyntaxError, RecursionError, MemoryError, ValueError):
                found.append(f"{path.name} (it does not compile)")
                continue
            wanted = stubs.definitions(earlier.source.read_text(encoding="utf-8"))
            found += [f"{earlier.name}.{name}" for name in wanted if name not in names and not name.startswith("_")]
        return found


def picked(rubric: Rubric, only: str | None) -> list[Exercise]:
    """The exercise of this name; else those whose name, or one of whose checks' names, contains the text."""
    if only in rubric.exercises:
        return [rubric.exercises[only]]
    every = list(rubric.exercises.values())
    chosen = [e for e in every if only is None or only in e.name or any(only in check.name for check in e.checks)]
    if not chosen:
        raise CourseError(
            f"chapter {rubric.number} has no exercise like {only!r}; it has: {', '.join(rubric.exercises)}"
        )
    return chosen

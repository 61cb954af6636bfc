"""The judge: composes trees, starts workers, asks, compares, and adds up what it saw pass.

Each exercise is graded alone, in a tree where the chapter's other graded bodies are the reference's. The score is the
sum of the points of the checks that the judge saw pass; what it did not see is 0.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tito import stubs
from tito.compose import compose, job
from tito.course import Chapter, Course, default
from tito.isolation import Isolation, strongest
from tito.link import Link
from tito.outcome import Infrastructure, NotStarted, Outcome, StudentError
from tito.report import CheckResult, ExerciseResult, Integrated, Report, shown
from tito.rubric import Exercise, Rubric, load
from tito.source import Source, SourceError, missing
from tito.student import Student, explainer

SEED = 1
DEADLINE = 10.0
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
    unknown chapter and LookupError if `only` picks nothing. Without the file in `work`, all is "not started".
    """
    course = course or default()
    chapter = course.chapter(number)
    return Grading(course, chapter, seed, isolation or strongest(), deadline).grade(work, source, only, integrated)


class Grading:
    """One grading of one chapter: what stays the same from exercise to exercise."""

    def __init__(self, course: Course, chapter: Chapter, seed: int, isolation: Isolation, deadline: float):
        self.course, self.chapter, self.seed = course, chapter, seed
        self.isolation, self.deadline = isolation, deadline
        self.rubric: Rubric = load(chapter.number, course)
        self.reference = self.rubric.source

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
        if path is not None and given is None and not path.is_file():
            report.exercises = [
                self.all_alike(e, NotStarted(f"tito start {self.chapter.number} begins it")) for e in exercises
            ]
            return report
        try:
            source = Source.read(given if given is not None else path or self.chapter.source)
        except SourceError as error:
            report.exercises = [
                self.all_alike(e, StudentError(str(error), kind="file", where=error.where)) for e in exercises
            ]
            return report
        with ThreadPoolExecutor(WORKERS) as pool:
            report.exercises = list(pool.map(lambda exercise: self.alone(exercise, source), exercises))
        if work and integrated:
            report.integrated = self.together(exercises, source, work)
        return report

    # -- one exercise alone -------------------------------------------------------------------------------------------

    def alone(self, exercise: Exercise, source: Source) -> ExerciseResult:
        """Grade one exercise; trouble before the worker's first word is retried, then flagged."""
        others = [name for name in self.rubric.exercises if name != exercise.name]
        text = stubs.append(source.text, self.reference, others)
        for _ in range(ATTEMPTS):
            try:
                with self.worker(text) as link:
                    return self.checked(exercise, source, link)
            except Infrastructure as error:
                trouble = str(error)
        result = self.all_alike(exercise, Outcome(f"could not be graded, and is not scored: {trouble}"))
        for check in result.checks:
            check.state = "not graded"
        return result

    def checked(self, exercise: Exercise, source: Source, link: Link) -> ExerciseResult:
        try:
            student = self.student(exercise, source, link)
        except Outcome as outcome:
            return self.all_alike(exercise, outcome, self.printed(link, source))
        checks: list[CheckResult] = []
        for check in exercise.checks:
            result = CheckResult(check.name, check.points, check.doc)
            try:
                check.run(student, self.seed)
                result.state, result.earned = "passed", check.points
            except NotStarted as outcome:
                return self.all_alike(exercise, outcome, self.printed(link, source))
            except Outcome as outcome:
                result.tell(outcome)
            checks.append(result)
        link.close()
        return self.result(exercise, checks, self.printed(link, source))

    def printed(self, link: Link, source: Source) -> str:
        """What was printed, with the student's file under its own name."""
        return link.printed.replace(f"tinytorch/{self.chapter.name}.py:", f"{source.label}:")

    def student(self, exercise: Exercise, source: Source, link: Link) -> Student:
        """Load the chapter in the worker. Raises the outcome if it cannot be, or if the exercise is not in it."""
        student = Student(link, self.rubric.probes, explainer(self.chapter.number, exercise.name, source.place))
        lacking = student._ask({"do": "load", "module": self.rubric.module, "names": [exercise.name]})
        if exercise.name in (lacking if isinstance(lacking, list) else []):
            raise missing(source, exercise.name)
        return student

    @contextmanager
    def worker(self, text: str, earlier: Path | None = None) -> Iterator[Link]:
        """A worker on a fresh tree."""
        with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
            tree = job(Path(folder).resolve())
            compose(tree, self.course, self.chapter, text, earlier)
            with Link(self.isolation, tree.parent, self.deadline) as link:
                yield link

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

    def together(self, exercises: Sequence[Exercise], source: Source, work: Path) -> Integrated:
        """The student's whole file on the student's own earlier chapters, on the same cases; points only."""
        if lacking := self.lacking(work):
            return Integrated(missing=lacking)
        result = Integrated(states={exercise.name: "not graded" for exercise in exercises})
        waiting = list(exercises)
        while waiting:
            try:
                with self.worker(source.text, work) as link:
                    while waiting and not link.over:
                        self.once(waiting.pop(0), source, link, result)
            except Infrastructure:
                break
        return result

    def once(self, exercise: Exercise, source: Source, link: Link, result: Integrated) -> None:
        points, state = 0, "passed"
        try:
            student = self.student(exercise, source, link)
            for check in exercise.checks:
                try:
                    check.run(student, self.seed, live=False)
                    points += check.points
                except NotStarted:
                    raise
                except Outcome as outcome:
                    state = outcome.state if state == "passed" else state
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
            if not path.is_file():
                found.append(path.name)
                continue
            try:
                names = stubs.definitions(Source.read(path).text)
            except (SourceError, SyntaxError, RecursionError, MemoryError, ValueError):
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
        raise LookupError(
            f"chapter {rubric.number} has no exercise like {only!r}; it has: {', '.join(rubric.exercises)}"
        )
    return chosen


# -- many answers, one worker -----------------------------------------------------------------------------------------


class Bench:
    """Tries many versions of single definitions in one worker, on the prepared cases, without shrinking.

    The same worker, wire and checks as in a grade; a version is defined anew in the loaded module, as if it stood at
    the end of the file, and the reference's definition is put back afterwards. For honest wrong answers only.
    """

    def __init__(self, number: str, course: Course | None = None, seed: int = SEED, deadline: float = 2.0):
        course = course or default()
        self.grading = Grading(course, course.chapter(number), seed, strongest(), deadline)
        self.link: Link | None = None
        self._folder: Any = None

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def score(self, name: str, source: str, quick: bool = False) -> tuple[int, dict[str, Outcome]]:
        """Points of one exercise if its definition stood as in this source; and what came of each check that lost.

        quick: stop at the first check that loses.
        """
        exercise, lost, points = self.grading.rubric.exercises[name], {}, 0
        student = self._student(exercise)
        try:
            student._ask({"do": "patch", "source": stubs.append("", source, [name])})
        except Outcome as outcome:
            self._stop()
            return 0, {check.name: outcome for check in exercise.checks}
        for check in exercise.checks:
            try:
                check.run(student, self.grading.seed, live=False)
                points += check.points
            except Outcome as outcome:
                lost[check.name] = outcome
                if quick:
                    break
        if student._link.over:
            self._stop()
        else:
            student._ask({"do": "patch", "source": stubs.append("", self.grading.reference, [name])})
        return points, lost

    def _student(self, exercise: Exercise) -> Student:
        grading = self.grading
        source = Source("reference", grading.reference)
        if self.link is None:
            self._folder = grading.worker(grading.reference)
            self.link = self._folder.__enter__()
        self.link.budget = self.link.deadline
        return grading.student(exercise, source, self.link)

    def _stop(self) -> None:
        if self.link is not None:
            self._folder.__exit__(None, None, None)
            self.link = None

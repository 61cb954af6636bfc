"""Trials: all there is to try of one chapter, or of the whole course, each with what came of it.

A chapter that the student has begun is tried as it stands in work/, any other one as the reference has it. A rubric and
what concerns one chapter only take this chapter from the student; checkpoints and milestones take all they need.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tito import launch
from tito.course import Chapter
from tito.grading.judge import grade
from tito.grading.report import harmless
from tito.history import milestones, questions
from tito.outcomes import Infrastructure
from tito.sandbox.tree import play
from tito.work.source import begun
from tito.work.workspace import Workspace

PATIENCE = 1800.0  # seconds for a chapter's cells or tests


@dataclass(frozen=True)
class Found:
    """What came of a trial, and a few words on it: how much, or what is wrong."""

    passed: bool
    note: str = ""


@dataclass(frozen=True)
class Trial:
    """Something to try: its kind and name, whose code it runs on, how to try it, the command that tries it again."""

    kind: str
    name: str
    whose: str
    run: Callable[[], Found]
    again: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def whole(workspace: Workspace, reference: bool = False) -> list[Trial]:
    """Every rubric, every checkpoint, and the beginning of every milestone."""
    chapters = [chapter for chapter in workspace.course.chapters() if chapter.rubric_path.is_file()]
    asked = [one for one in questions.questions(workspace.course).all if questions.available(one, workspace.course)]
    played = [one for one in milestones.milestones(workspace.course) if not milestones.unbuilt(one, workspace.course)]
    return [
        *(_rubric(chapter, workspace, reference) for chapter in chapters),
        *(_checkpoint(question, workspace, reference) for question in asked),
        *(_milestone(one, workspace, reference) for one in played),
    ]


def of_chapter(chapter: Chapter, workspace: Workspace, reference: bool = False) -> list[Trial]:
    """What concerns one chapter: its rubric, docstrings, cells, tests, and the first checkpoint that needs it."""
    course = workspace.course
    asked = [one for one in questions.questions(course).all if chapter.name in one.needs]
    cells = chapter.markdown if (chapter.markdown.parent / "conftest.py").is_file() else None
    tests = course.root / "tests" / f"test_{chapter.name}.py"
    tested = partial(_tested, chapter, workspace, reference)
    return [
        *([_rubric(chapter, workspace, reference)] if chapter.rubric_path.is_file() else []),
        tested("docstrings", chapter.source, "--xdoctest"),
        *([tested("cells", cells)] if cells else []),
        *([tested("tests", tests)] if tests.is_file() else []),
        *(_checkpoint(one, workspace, reference) for one in asked[:1] if questions.available(one, course)),
    ]


def _whose(needs: Sequence[str], workspace: Workspace, reference: bool) -> str:
    """yours, the reference, or both: the code of these modules."""
    mine = [] if reference else [name for name in needs if begun(workspace.folder / f"{name}.py")]
    return "yours" if len(mine) == len(needs) else "both" if mine else "the reference"


# -- rubrics, checkpoints, milestones ---------------------------------------------------------------------------------


def _rubric(chapter: Chapter, workspace: Workspace, reference: bool) -> Trial:
    whose = _whose([chapter.name], workspace, reference)
    work = workspace.folder if whose == "yours" else None

    def run() -> Found:
        report = grade(chapter.number, course=workspace.course, work=work, integrated=False)
        lost = [exercise.name for exercise in report.exercises if exercise.state != "passed"]
        trouble = [one.checks[0].message for one in report.exercises if one.state == "not graded"]
        why = last_line(trouble[0]) if trouble else some(lost)
        return Found(not lost, f"{report.points}/{report.possible}" + (f": {why}" if lost else ""))

    return Trial("rubric", f"{chapter.number} {chapter.name}", whose, run, f"tito grade {chapter.number}")


def _checkpoint(question: questions.Question, workspace: Workspace, reference: bool) -> Trial:
    def run() -> Found:
        try:
            verdict = questions.test(question, workspace, reference)
        except Infrastructure as error:
            return Found(False, f"it could not be tested: {last_line(str(error))}")
        return Found(verdict.outcome is None, harmless(str(verdict.outcome)) if verdict.outcome else question.text)

    again = f"tito checkpoint test {question.id}" + (" --reference" if reference else "")
    return Trial("checkpoint", question.id, _whose(question.needs, workspace, reference), run, again)


def _milestone(milestone: milestones.Milestone, workspace: Workspace, reference: bool) -> Trial:
    def run() -> Found:
        passed, said = milestones.begin(milestone, workspace, reference)
        return Found(passed, said)

    again = f"tito milestone run {milestone.name}" + (" --reference" if reference else "")
    return Trial("milestone", milestone.name, _whose(milestone.needs, workspace, reference), run, again)


# -- a chapter's docstrings, cells and tests --------------------------------------------------------------------------


def _tested(chapter: Chapter, workspace: Workspace, reference: bool, kind: str, path: Path, *options: str) -> Trial:
    """Run pytest on a file of the course."""
    whose = _whose([chapter.name], workspace, reference)

    def run() -> Found:
        with TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
            tree = Path(folder).resolve()
            play(tree, workspace.course, workspace.folder, only=[chapter.name] if whose == "yours" else [])
            target = tree / "tinytorch" / path.name if path == chapter.source else path
            return _pytest([*options, str(target)], workspace.course.root, tree)

    again = " ".join(["python -m pytest", *options, path.relative_to(workspace.course.root).as_posix()])
    return Trial(kind, path.name, whose, run, again)


def _pytest(arguments: Sequence[str], root: Path, tree: Path) -> Found:
    """Run pytest where the framework is that of the tree."""
    command = [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "-rfE", "--tb=no", f"--rootdir={root}"]
    try:
        done = subprocess.run(
            [*command, *arguments], cwd=root, env=launch.environment(tree), capture_output=True,
            encoding="utf-8", errors="replace", timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Found(False, f"no end within {PATIENCE:g} s")
    return Found(done.returncode == 0, summary(done.stdout + done.stderr))


def summary(output: str) -> str:
    """What pytest said at its end: the names of what failed, else its last line."""
    names = re.findall(r"^(?:FAILED|ERROR) (?:\S*?::)?(\S+)", output, re.MULTILINE)
    return harmless(some(names) or last_line(output).strip("= "))


def some(names: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]

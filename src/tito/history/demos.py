"""Demos: the idea of a chapter in a few seconds, on the student's own code.

A demo is a file chapters/demos/05_autograd.py, called as its chapter. The first line of its docstring is its title; its
function frames(stage) yields what is seen. It runs on a composed tree, where the chapters up to its own that have all
their points are the student's, and everything else is the reference's.
"""

import ast
import contextlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tinytorch.datasets import data_root
from tito import launch
from tito.course import Chapter, Course, CourseError
from tito.history import milestones
from tito.sandbox.tree import play
from tito.work.workspace import Workspace


@dataclass(frozen=True)
class Demo:
    """One demo: its chapter, its title, its file."""

    chapter: Chapter
    title: str
    path: Path


def demos(course: Course) -> list[Demo]:
    """The demos in the order of their chapters."""
    paths = [(chapter, _path(course, chapter)) for chapter in course.chapters()]
    return [Demo(chapter, _title(path), path) for chapter, path in paths if path.is_file()]


def wanted(course: Course, name: str) -> Demo:
    """The demo of the chapter called "05", "5" or "autograd". Raises CourseError, listing what there is."""
    chapter = course.chapter(name)
    found = {demo.chapter: demo for demo in demos(course)}
    if chapter not in found:
        listing = ", ".join(other.number for other in found)
        raise CourseError(f"chapter {chapter.number} has no demo; there are: {listing or 'none yet'}")
    return found[chapter]


def _path(course: Course, chapter: Chapter) -> Path:
    return course.root / "chapters" / "demos" / f"{chapter.number}_{chapter.name}.py"


def _title(path: Path) -> str:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem
    return said.split("\n")[0].rstrip(".")


def passed(workspace: Workspace) -> list[Chapter]:
    """The student's chapters that have all their points."""
    return [chapter for chapter in workspace.begun() if not milestones.lacking(workspace, [chapter.name])]


def own(demo: Demo, workspace: Workspace) -> list[str]:
    """The modules that a demo takes from the student: those that have all their points, of chapters up to its own."""
    return [chapter.name for chapter in passed(workspace) if chapter.number <= demo.chapter.number]


@dataclass(frozen=True)
class Wishes:
    """How a demo is to be shown: the seed of its chance, how many times faster, the text that one gave it."""

    seed: int = 0
    speed: float = 1.0
    text: str = ""


def run(demo: Demo, workspace: Workspace, mine: list[str], wishes: Wishes) -> int:
    """Show a demo, in a process of its own in which these modules are the student's; its exit code."""
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as temporary:
        place = Path(temporary).resolve()
        whose = play(place / "tree", workspace.course, workspace.folder, only=mine)
        plan = {
            "script": str(demo.path), "title": f"{demo.chapter.number}  {demo.title}", "data": str(data_root()),
            "seed": wishes.seed, "speed": wishes.speed, "text": wishes.text, "models": str(_models(workspace)),
            "tree": str(place / "tree"), "whose": whose,
        }  # fmt: skip
        (place / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        env = launch.environment(place / "tree", demo.path.parent, PYTHONUTF8="1")
        return _attended([sys.executable, "-m", "tito.history.player", str(place / "plan.json")], env)


def _models(workspace: Workspace) -> Path:
    """The folder of what milestone 2017 trained: the student's, else the reference's here."""
    found = [one for one in milestones.milestones(workspace.course) if one.speaks]
    folders = [one.models(workspace, reference) for one in found for reference in (False, True)]
    return next((folder for folder in folders if folder.is_dir()), workspace.folder)


def _attended(command: list[str], env: dict[str, str]) -> int:
    """Run a program to its end; if this one is stopped, it ends too. It begins deaf to Ctrl-C, until it listens."""
    with launch.deaf():
        process = subprocess.Popen(command, env=env)
    with process:
        try:
            return process.wait()
        except (KeyboardInterrupt, SystemExit):
            _end(process)
            raise


def _end(process: subprocess.Popen) -> None:
    """Wait a moment for a process that was given Ctrl-C, too; then ask it to end; then end it."""
    for stop in (process.poll, process.terminate, process.kill):
        stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return

"""Running things on the composed tree: a student's own framework, a file, a prompt, a failing case under pdb."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tito import stubs, wire
from tito.compose import compose, job, play
from tito.course import Chapter, CourseError
from tito.judge import Grading
from tito.report import CheckResult
from tito.source import Source
from tito.workspace import Workspace

STDIN = None  # pdb reads the terminal


def run(workspace: Workspace, arguments: list[str]) -> tuple[int, dict[str, str]]:
    """Run Python with these arguments on the student's chapters, the reference's where there are none."""
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder).resolve()
        whose = play(tree, workspace.course, workspace.folder)
        paths = [str(tree), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([sys.executable, *arguments], env=env, check=False).returncode, whose


def debug(workspace: Workspace, chapter: Chapter, exercise: str, check: CheckResult, grading: Grading) -> int:
    """Make the failing call of a check again under pdb, stopped at the first statement of the graded body."""
    source = Source.read(workspace.file(chapter))
    if not check.call or check.call["do"] not in ("call", "batch", "examples"):
        raise CourseError(f"{check.name} failed before it called {exercise}: {check.message}")
    request = dict(check.call)
    if request["do"] == "batch":
        request = {"do": "call", "name": request["name"], "arguments": request["arguments"][0], "keywords": {}}
    plan = {
        "module": chapter.name,
        "line": stubs.definitions(source.text)[exercise].body,
        "probe": grading.rubric.probes.get(request.get("name", ""), ""),
        "request": request,
        "expected": check.expected or check.message,
    }
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
        tree = job(Path(folder).resolve())
        others = [name for name in grading.rubric.exercises if name != exercise]
        compose(tree, workspace.course, chapter, stubs.append(source.text, grading.reference, others))
        shutil.copyfile(Path(__file__).with_name("debugger.py"), tree.parent / "debugger.py")
        (tree.parent / "plan.bin").write_bytes(wire.pack(plan))
        site = Path(np.__file__).resolve().parent.parent
        command = [sys.executable, "-I", "-S", "-B", str(tree.parent / "debugger.py"), str(site), str(tree)]
        return subprocess.run(command, stdin=STDIN, check=False).returncode

"""Debugging: the failing call of a check, made again under pdb at the first statement of the student's body."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from tito import sandbox
from tito.course import Chapter, CourseError
from tito.grading.judge import Grading
from tito.grading.report import CheckResult
from tito.rubrics import stubs
from tito.sandbox import wire
from tito.sandbox.tree import compose
from tito.work.source import Source
from tito.work.workspace import Workspace

PROGRAM = "debugger.py"


def debug(workspace: Workspace, chapter: Chapter, exercise: str, check: CheckResult, grading: Grading) -> int:
    """Open pdb in the isolation of a grade; returns its exit code. Raises CourseError if the check made no call."""
    source = Source.read(workspace.file(chapter), chapter.name)
    plan: dict[str, Any] = {
        "module": chapter.name,
        "line": stubs.definitions(source.text)[exercise].body,
        "request": single(check, exercise),
        "expected": check.expected or check.message,
    }
    plan["probe"] = grading.rubric.probes.get(plan["request"].get("name", ""), "")
    others = [name for name in grading.rubric.exercises if name != exercise]
    text = stubs.append(source.text, grading.reference, others)
    with sandbox.folder(partial(compose, course=workspace.course, chapter=chapter, text=text)) as job:
        shutil.copyfile(Path(__file__).with_name(PROGRAM), job / PROGRAM)
        (job / "plan.bin").write_bytes(wire.pack(plan))
        return grading.isolation.attended(job, PROGRAM)


def single(check: CheckResult, exercise: str) -> dict[str, Any]:
    """The one call that failed: the first of a batch."""
    if not check.call or check.call["do"] not in ("call", "batch", "examples"):
        raise CourseError(f"{check.name} failed before it called {exercise}: {check.message}")
    if check.call["do"] != "batch":
        return dict(check.call)
    return {"do": "call", "name": check.call["name"], "arguments": check.call["arguments"][0], "keywords": {}}

"""Milestones: history, on the student's own code.

A milestone is a script chapters/milestones/1957_perceptron.py: its docstring says what it is, NEEDS which modules it
stands on. It runs on a composed tree, where those are the student's and everything else is the reference's.
"""

import ast
import contextlib
import hashlib
import json
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tinytorch.datasets import data_root
from tito import launch
from tito.course import Chapter, Course, CourseError
from tito.history.runner import STOPPED
from tito.rubrics.rubric import load
from tito.sandbox.tree import play
from tito.work.workspace import Workspace, write

PATIENCE = 120.0  # seconds that a step may take, once a milestone is told to stop
NOBODY = "http://127.0.0.1:9"  # an address that answers at once that nobody is there
OFFLINE = {"http_proxy": NOBODY, "https_proxy": NOBODY, "no_proxy": "localhost,127.0.0.1"}


@dataclass(frozen=True)
class Milestone:
    """One milestone: "1957", what it shows, its script, the modules it needs, and the presets it can be run with.

    `preset` is the one to run, if not the first. `speaks`: what it trained can go on with a text.
    """

    name: str
    title: str
    path: Path
    needs: tuple[str, ...]
    presets: tuple[str, ...] = ()
    preset: str = ""
    speaks: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What one may call it: 1957, perceptron, 1957_perceptron."""
        return (self.path.stem, *self.path.stem.split("_", 1))

    @property
    def stem(self) -> str:
        """What its results are called."""
        return self.path.stem + (f".{self.preset}" if self.preset else "")

    @property
    def recorded(self) -> Path:
        """The result that the book shows."""
        return self.path.parent / "results" / f"{self.stem}.json"

    @property
    def program(self) -> str:
        """A short name for the script as it is now: a recorded result says which one it is of."""
        return hashlib.sha256(self.path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:12]

    def result(self, workspace: Workspace, reference: bool = False) -> Path:
        """Where the result of a run stands: next to the student's work."""
        return workspace.folder / "milestones" / f"{self.stem}{'.reference' if reference else ''}.json"

    def models(self, workspace: Workspace, reference: bool = False) -> Path:
        """The folder of the models that a run trained, next to its result."""
        return self.result(workspace, reference).with_suffix(".models")


def milestones(course: Course) -> list[Milestone]:
    """The milestones in the order of their years."""
    return [_read(path) for path in sorted((course.root / "chapters" / "milestones").glob("[0-9]*_*.py"))]


def _read(path: Path) -> Milestone:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("NEEDS", "PRESETS")
    }
    title = (ast.get_docstring(tree) or "").split("\n")[0].partition(": ")[2].rstrip(".")
    speaks = any(isinstance(node, ast.FunctionDef) and node.name == "speak" for node in tree.body)
    return Milestone(path.stem.partition("_")[0], title, path, said["NEEDS"], said.get("PRESETS", ()), speaks=speaks)


def wanted(course: Course, name: str, preset: str = "") -> list[Milestone]:
    """The milestone called "1957" or "perceptron", or all. Raises CourseError, listing what there is."""
    every = milestones(course)
    found = [milestone for milestone in every if name in ("all", *milestone.names)]
    if not found:
        listing = ", ".join(milestone.name for milestone in every)
        raise CourseError(f"there is no milestone {name!r}; there are: {listing or 'none yet'}")
    if not preset:
        return found
    if strange := [milestone for milestone in found if preset not in milestone.presets]:
        known = ", ".join(strange[0].presets) or "none"
        raise CourseError(f"{strange[0].name} has no preset {preset!r}; it has: {known}")
    return [replace(milestone, preset="" if preset == milestone.presets[0] else preset) for milestone in found]


# -- what is built ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lack:
    """A chapter that stands in the way: where it stands, and the command that helps."""

    label: str
    state: str
    command: str


def lacking(workspace: Workspace, needs: Sequence[str], full: bool = True) -> list[Lack]:
    """What of these modules the student has not built yet: not begun, or (full) short of points."""
    chapters = {chapter.name: chapter for chapter in workspace.course.chapters()}
    found = []
    for name in needs:
        chapter = chapters.get(name)
        if chapter is None or not chapter.rubric_path.is_file():
            found.append(Lack(name, "not in the course yet", ""))
        elif not workspace.file(chapter).is_file():
            found.append(Lack(f"{chapter.number} {name}", "not started", f"tito start {chapter.number}"))
        elif full:
            have, of = points(workspace, chapter)
            if have < of:
                found.append(Lack(f"{chapter.number} {name}", f"{have}/{of} points", f"tito grade {chapter.number}"))
    return found


def points(workspace: Workspace, chapter: Chapter) -> tuple[int, int]:
    """The points of a chapter: those on record, and all there are."""
    exercises = load(chapter.number, workspace.course).exercises
    known = workspace.progress()["chapters"].get(chapter.number, {}).get("exercises", {})
    have = sum(known[name]["points"] for name in exercises if name in known)
    return have, sum(exercise.points for exercise in exercises.values())


def told(lacks: Sequence[Lack]) -> str:
    """What is missing, as lines of a table."""
    return "\n".join(f"  {lack.label:18} {lack.state:22} {lack.command}".rstrip() for lack in lacks)


# -- runs -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """How a run ended: the exit code of its process, its result if it ended, whose code each module was."""

    code: int
    result: dict[str, Any] | None
    whose: dict[str, str]

    @property
    def stopped(self) -> bool:
        return self.code == STOPPED or self.code == -signal.SIGINT


def unbuilt(milestone: Milestone, course: Course) -> list[str]:
    """The modules that not even the reference has."""
    return [name for name in milestone.needs if not (course.package / f"{name}.py").is_file()]


def state_folder(milestone: Milestone, workspace: Workspace, reference: bool, seed: int) -> Path:
    """Where a run keeps what it needs to go on: a folder for this script and this seed."""
    name = f"{milestone.stem}{'.reference' if reference else ''}-{milestone.program}.{seed}"
    return workspace.folder / "milestones" / ".state" / name


def forget(folder: Path, others: bool = False) -> None:
    """Delete what a run kept; or what runs of another script or seed kept."""
    prefix = folder.name.rpartition("-")[0]
    for path in folder.parent.glob(f"{prefix}-*"):
        if (path != folder) == others:
            shutil.rmtree(path, ignore_errors=True)


def run(milestone: Milestone, workspace: Workspace, reference: bool, seed: int, note: str = "") -> Run:
    """Run a milestone in a process of its own, on the student's modules or the reference's. The result keeps a note."""
    forget(state_folder(milestone, workspace, reference, seed), others=True)
    options = {"preset": milestone.preset} if milestone.preset else {}
    code, found, whose, threads = _play(milestone, workspace, reference, seed, "run", options)
    if found is None:
        return Run(code or 1, None, whose)
    mine = [name for name in milestone.needs if whose.get(name) == "work"]
    about = {
        "milestone": milestone.name,
        "title": milestone.title,
        "accuracy": found["measured"]["accuracy"],
        "seconds": found["seconds"],
        "cpu": found["cpu"],
        "seed": seed,
        "program": milestone.program,
        "code": "reference" if reference else "work",
        "chapters": mine,
        **({"preset": milestone.preset} if milestone.preset else {}),
        **({"note": note} if note else {}),
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine(threads),
    }
    return Run(0, {**about, "measured": found["measured"]}, whose)


def speak(milestone: Milestone, workspace: Workspace, reference: bool, seed: int, options: dict[str, Any]) -> int:
    """Let what the last run trained go on with a text: the exit code. Raises CourseError where nothing was trained."""
    if not milestone.speaks:
        raise CourseError(f"{milestone.name} does not write: a prompt is for 2017")
    if not milestone.models(workspace, reference).is_dir():
        command = f"tito milestone run {milestone.name}" + (" --reference" if reference else "")
        command += f" --preset {milestone.preset}" if milestone.preset else ""
        raise CourseError(f"nothing is trained yet that could answer. First: {command}")
    code = _play(milestone, workspace, reference, seed, "speak", options)[0]
    return 0 if code in (STOPPED, -signal.SIGINT) else code  # Ctrl-C is how one leaves


def begin(milestone: Milestone, workspace: Workspace, reference: bool, seconds: float = 8.0) -> tuple[bool, str]:
    """Run the first seconds of a milestone, keep nothing and download nothing: whether it can, and what it said last.

    After these seconds it is told to stop, as by Ctrl-C. It can run if it then stops calmly, or has ended before.
    """
    plan = {"seed": int(milestone.name), "does": "run", "seconds": seconds}
    with _planned(milestone, workspace, reference, **plan) as (command, env, _, _):
        try:
            done = subprocess.run(
                command, env={**env, **OFFLINE}, capture_output=True, encoding="utf-8", errors="replace",
                timeout=seconds + PATIENCE, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False, f"it did not stop within {PATIENCE:g} s"
    if done.returncode == STOPPED:
        return True, f"the first {seconds:g} s of it"
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return done.returncode == 0, "to its end" if done.returncode == 0 else " ".join(lines[-2:])


def _play(milestone, workspace, reference, seed, does: str, options: dict[str, Any]):
    """Call a function of the script in a process of its own: exit code, result, whose each module was, BLAS threads."""
    plan = {
        "seed": seed, "data": str(data_root()), "does": does, "options": options,
        "folder": str(state_folder(milestone, workspace, reference, seed)),
        "models": str(milestone.models(workspace, reference)),
    }  # fmt: skip
    with _planned(milestone, workspace, reference, **plan) as (command, env, result, whose):
        code = _wait(command, env)
        found = None if code or not result.is_file() else json.loads(result.read_text(encoding="utf-8"))
    return code, found, whose, int(env["OPENBLAS_NUM_THREADS"])


@contextlib.contextmanager
def _planned(milestone: Milestone, workspace: Workspace, reference: bool, **plan: Any) -> Iterator[Any]:
    """A composed tree, and what is to be played on it: a command, its environment, its result, whose each module is.

    What the plan does not place elsewhere stands beside the tree, and goes with it.
    """
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as temporary:
        place = Path(temporary).resolve()
        tree, result = place / "tree", place / "result.json"
        whose = play(tree, workspace.course, workspace.folder, only=() if reference else milestone.needs)
        beside = {name: str(place / name) for name in ("data", "folder", "models")}
        whole = {
            "script": str(milestone.path), "options": {}, "seconds": None, "result": str(result), "tree": str(tree),
            "whose": whose, **beside, **plan,
        }  # fmt: skip
        (place / "plan.json").write_text(json.dumps(whole), encoding="utf-8")
        command = [sys.executable, "-m", "tito.history.runner", str(place / "plan.json")]
        yield command, launch.environment(tree), result, whose


def machine(threads: int) -> dict[str, Any]:
    """The machine and the versions, as the reference's chapter 00 names them."""
    from tinytorch import environment as reference

    return {**asdict(replace(reference.machine(), threads=threads)), "system": platform.system()}


def _wait(command: list[str], env: dict[str, str]) -> int:
    """Run a program that is given Ctrl-C itself: it ends in its own time, and this one waits for it."""
    with launch.deaf(), subprocess.Popen(command, env=env) as process:
        return process.wait()


def keep(path: Path, result: dict[str, Any]) -> None:
    """Write a result, in one step; lists of numbers stay on one line."""
    write(path, _lines(result) + "\n")


def _lines(value: Any, indent: str = "") -> str:
    if isinstance(value, dict) and value:
        inner = indent + "  "
        rows = [f"{inner}{json.dumps(key)}: {_lines(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    return json.dumps(value)


def known(milestone: Milestone, workspace: Workspace) -> dict[str, Any] | None:
    """The result of the student's last run that ended; else that of the reference here; else nothing."""
    for path in (milestone.result(workspace), milestone.result(workspace, reference=True)):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(found, dict) and isinstance(found.get("accuracy"), int | float):
                return found
        except (OSError, ValueError):
            continue
    return None

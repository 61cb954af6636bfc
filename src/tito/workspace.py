"""The workspace: the student's own chapters. Nothing in it is ever overwritten without a copy.

work/autograd.py                the student's chapter
work/progress.json              points so far
work/.tito/given/autograd.py    the stub as it was given: what `tito diff` and `tito update` compare with
work/.tito/backups/             every file that reset or update replaced
"""

import ast
import difflib
import json
import os
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tito import stubs
from tito.course import Chapter, Course, CourseError
from tito.report import Report
from tito.rubric import load
from tito.source import Source, SourceError

KEPT = "# -- kept by tito update " + "-" * 90


@dataclass
class Update:
    """What an update did: bodies carried over, things kept at the end of the file, the backup."""

    carried: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    backup: Path | None = None
    changed: bool = True


@dataclass(frozen=True)
class Workspace:
    """The folder of a student's work on a course."""

    course: Course
    folder: Path

    @classmethod
    def of(cls, course: Course) -> "Workspace":
        """The folder named by TINYTORCH_WORK, else work/ in the course."""
        named = os.environ.get("TINYTORCH_WORK")
        return cls(course, Path(named).expanduser().resolve() if named else course.root / "work")

    def file(self, chapter: Chapter) -> Path:
        return self.folder / f"{chapter.name}.py"

    def given(self, chapter: Chapter) -> Path:
        return self.folder / ".tito" / "given" / f"{chapter.name}.py"

    def begun(self) -> list[Chapter]:
        """The chapters that have a file here."""
        return [chapter for chapter in self.course.chapters() if self.file(chapter).is_file()]

    def label(self, path: Path) -> str:
        """A path as a student would type it."""
        try:
            return str(path.relative_to(Path.cwd()))
        except ValueError:
            return str(path)

    # -- stubs --------------------------------------------------------------------------------------------------------

    def stub(self, chapter: Chapter) -> str:
        """The chapter with every graded body taken out."""
        reference = chapter.source.read_text(encoding="utf-8")
        return stubs.stub(reference, load(chapter.number, self.course).exercises, chapter.number)

    def start(self, chapter: Chapter) -> Path:
        """Write the stub. Raises FileExistsError rather than overwrite."""
        path, text = self.file(chapter), self.stub(chapter)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        write(self.given(chapter), text)
        return path

    def diff(self, chapter: Chapter) -> str:
        """What the student changed, against the stub as it was given."""
        given = self.given(chapter)
        before = given.read_text(encoding="utf-8") if given.is_file() else self.stub(chapter)
        name = f"{chapter.name}.py"
        old, new = (text.splitlines(keepends=True) for text in (before, self.text(chapter)))
        return "".join(difflib.unified_diff(old, new, f"given/{name}", f"work/{name}"))

    def reset(self, chapter: Chapter) -> Path:
        """Put the stub back; answers where the work was saved."""
        if not self.file(chapter).is_file():
            raise CourseError(f"{self.label(self.file(chapter))} is not there: there is nothing to reset")
        text, backup = self.stub(chapter), self.backup(chapter)
        write(self.file(chapter), text)
        write(self.given(chapter), text)
        return backup

    def backup(self, chapter: Chapter) -> Path:
        """Copy the student's file aside, under a name of its own."""
        stamp, number = time.strftime("%Y%m%d-%H%M%S"), 0
        data = self.file(chapter).read_bytes()
        folder = self.folder / ".tito" / "backups"
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = folder / f"{chapter.name}-{stamp}{f'-{number}' if number else ''}.py"
            try:
                with open(path, "xb") as file:
                    file.write(data)
                return path
            except FileExistsError:
                number += 1

    def text(self, chapter: Chapter) -> str:
        """The student's file. Raises CourseError if there is none or it is no text."""
        if not self.file(chapter).is_file():
            raise CourseError(
                f"{self.label(self.file(chapter))} is not there yet: tito start {chapter.number} begins it"
            )
        try:
            return Source.read(self.file(chapter)).text
        except SourceError as error:
            raise CourseError(f"{error.where}: {error}") from None

    # -- new given code, the student's bodies -------------------------------------------------------------------------

    def update(self, chapter: Chapter) -> Update:
        """Take the reference's given code and keep the student's work. Raises CourseError if it does not compile.

        Bodies of graded definitions are carried over; what cannot be placed (a changed signature, edited given code,
        code of the student's own) stands at the end of the file, in comments where it would replace given code.
        """
        mine, stub = self.text(chapter), self.stub(chapter)
        given = self.given(chapter)
        base = given.read_text(encoding="utf-8") if given.is_file() else stub
        try:
            new, update = merge(base, mine, stub, list(load(chapter.number, self.course).exercises))
        except SyntaxError as error:
            place = f"{self.label(self.file(chapter))}:{error.lineno}"
            raise CourseError(f"{place}: the file does not compile ({error.msg}); mend it, then update") from None
        if new == mine:
            update.changed = False
        else:
            update.backup = self.backup(chapter)
            write(self.file(chapter), new)
        write(given, stub)
        return update

    # -- progress -----------------------------------------------------------------------------------------------------

    @property
    def progress_path(self) -> Path:
        return self.folder / "progress.json"

    def progress(self) -> dict[str, Any]:
        """What was recorded; a damaged file is set aside, not lost."""
        try:
            data = json.loads(self.progress_path.read_text(encoding="utf-8"))
            if isinstance(data, dict) and isinstance(data.get("chapters"), dict):
                return data
        except FileNotFoundError:
            return {"chapters": {}}
        except ValueError:
            pass
        os.replace(
            self.progress_path, self.progress_path.with_suffix(f".damaged-{time.strftime('%Y%m%d-%H%M%S')}.json")
        )
        return {"chapters": {}}

    def remember(self, kind: str, name: str, entry: dict[str, Any]) -> None:
        """Remember something beside the points: a checkpoint's state."""
        data = self.progress()
        data.setdefault(kind, {})[name] = {**entry, "when": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        write(self.progress_path, json.dumps(data, indent=2) + "\n")

    def record(self, report: Report) -> None:
        """Remember the points of each graded exercise."""
        data = self.progress()
        entry = data["chapters"].setdefault(report.number, {})
        exercises = entry.setdefault("exercises", {})
        for exercise in report.exercises:
            if exercise.state != "not graded":
                exercises[exercise.name] = {
                    "points": exercise.points,
                    "possible": exercise.possible,
                    "state": exercise.state,
                }
        entry.update(
            name=report.name, seed=report.seed, isolation=report.isolation, when=time.strftime("%Y-%m-%dT%H:%M:%S%z")
        )
        write(self.progress_path, json.dumps(data, indent=2) + "\n")


def merge(base: str, mine: str, stub: str, graded: list[str]) -> tuple[str, Update]:
    """The new stub with the student's work in it. base: the stub that `mine` grew from."""
    update, new, tail = Update(), stub, []
    mine, _, before = mine.partition(KEPT)
    ours, theirs, fresh = (stubs.definitions(text) for text in (mine, base, stub))
    for name in graded:
        if name not in ours or (
            "raise NotImplementedError(" in (done := stubs.body(mine, name)) and done.count("\n") == 1
        ):
            continue
        update.carried.append(name)
        if ours[name].signature == fresh[name].signature:
            new = stubs.with_body(new, name, done)
            continue
        if name in theirs and theirs[name].signature == fresh[name].signature:  # the student's own change
            new = stubs.with_definition(new, name, stubs.reference(mine, name))
            continue
        update.carried.pop()
        tail.append(_commented(f"your {name}; its signature has changed", stubs.reference(mine, name)))
        update.kept.append(name)
    for name, text, own in _other(base, mine, graded):
        if own:
            tail.append(text)
        elif name in fresh and _same(text, stubs.reference(stub, name)):
            continue
        else:
            tail.append(_commented(f"your {name}; the given code stands above", text))
        update.kept.append(name)
    tail += [before] if before.strip() else []
    if tail:
        new = new.rstrip("\n") + "\n\n\n" + KEPT + "\n\n" + "\n\n\n".join(part.strip("\n") for part in tail) + "\n"
    return new, update


def _other(base: str, mine: str, graded: list[str]) -> list[tuple[str, str, bool]]:
    """What the student added (own) or changed outside the graded definitions: name, text, whether it is new."""
    before, after = stubs.definitions(base), stubs.definitions(mine)
    found: list[tuple[str, str, bool]] = []
    for name in after:
        owner = name.rpartition(".")[0]
        text = stubs.reference(mine, name)
        if any(other.startswith(f"{name}.") for other in after):  # a class is looked at member by member
            if name in before and not _members(text) <= _members(stubs.reference(base, name)):
                found.append((name, text, False))
            if name in before:
                continue
        if name in graded or any(name.startswith(f"{kept[0]}.") for kept in found):
            continue
        if name not in before and owner and owner in before:
            found.append((name, text, False))
        elif name not in before and not owner:
            found.append((name, text, True))
        elif name in before and not _same(text, stubs.reference(base, name)):
            found.append((name, text, False))
    known = {ast.dump(node) for node in ast.parse(base).body}
    for node in ast.parse(mine).body:
        defines = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        if not defines and ast.dump(node) not in known:
            text = "\n".join(mine.split("\n")[node.lineno - 1 : node.end_lineno])
            found.append((text.split("\n")[0], text, True))
    return found


def _members(text: str) -> set[str]:
    """The statements of a class that are no functions or classes."""
    [node] = ast.parse(textwrap.dedent(text)).body
    plain = [item for item in getattr(node, "body", []) if not isinstance(item, ast.FunctionDef | ast.ClassDef)]
    return {ast.dump(item) for item in plain}


def _same(text: str, other: str) -> bool:
    return [line.strip() for line in text.split("\n")] == [line.strip() for line in other.split("\n")]


def _commented(title: str, text: str) -> str:
    return "\n".join([f"# {title}:", *(f"# {line}".rstrip() for line in text.rstrip("\n").split("\n"))])


def write(path: Path, text: str) -> None:
    """Write a file in one step: whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise

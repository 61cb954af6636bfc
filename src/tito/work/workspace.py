"""The workspace: the student's own chapters. Nothing in it is ever overwritten without a copy.

work/autograd.py                the student's chapter
work/progress.json              points so far
work/.tito/given/autograd.py    the stub as it was given: what `tito diff` and `tito update` compare with
work/.tito/backups/             every file that reset or update replaced
"""

import contextlib
import difflib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.course import Chapter, Course, CourseError
from tito.rubrics import stubs
from tito.rubrics.rubric import load
from tito.work.merge import Update, merge
from tito.work.source import Source, SourceError, begun


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
        return [chapter for chapter in self.course.chapters() if begun(self.file(chapter))]

    def label(self, path: Path) -> str:
        """A path as a student would type it."""
        try:
            return str(path.relative_to(Path.cwd()))
        except ValueError:
            return str(path)

    # -- stubs --------------------------------------------------------------------------------------------------------

    def stub(self, chapter: Chapter) -> str:
        """The chapter with every graded body taken out."""
        rubric = load(chapter.number, self.course)
        return stubs.stub(rubric.source, rubric.exercises, chapter.number)

    def start(self, chapter: Chapter) -> Path:
        """Write the stub. Raises FileExistsError rather than overwrite."""
        path, text = self.file(chapter), self.stub(chapter)
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        write(self.given(chapter), text)
        return path

    def diff(self, chapter: Chapter) -> str:
        """What the student changed, against the stub as it was given."""
        before, name = self.given_text(chapter) or self.stub(chapter), f"{chapter.name}.py"
        old, new = (text.splitlines(keepends=True) for text in (before, self.text(chapter)))
        return "".join(difflib.unified_diff(old, new, f"given/{name}", f"work/{name}"))

    def reset(self, chapter: Chapter) -> Path:
        """Put the stub back; returns where the work was saved."""
        if not begun(self.file(chapter)):
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
        """The student's file. Raises CourseError if there is none, SourceError if it is no text."""
        if not begun(self.file(chapter)):
            raise CourseError(
                f"{self.label(self.file(chapter))} is not there yet: tito start {chapter.number} begins it"
            )
        return Source.read(self.file(chapter), chapter.name).text

    def given_text(self, chapter: Chapter) -> str:
        """The stub as it was given; nothing if it is not kept, or cannot be read any more."""
        with contextlib.suppress(SourceError):
            return Source.read(self.given(chapter), chapter.name).text
        return ""

    # -- new given code, the student's bodies -------------------------------------------------------------------------

    def update(self, chapter: Chapter) -> Update:
        """Take the reference's given code and keep the student's work. Raises CourseError if it does not compile.

        Bodies of graded definitions are carried over; what cannot be placed (a changed signature, edited given code,
        code of the student's own) stands at the end of the file, in comments where it would replace given code.
        """
        mine, stub = self.text(chapter), self.stub(chapter)
        base = self.given_text(chapter) or stub
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
        write(self.given(chapter), stub)
        return update

    # -- progress -----------------------------------------------------------------------------------------------------

    @property
    def progress_path(self) -> Path:
        return self.folder / "progress.json"

    def progress(self) -> dict[str, Any]:
        """What was recorded; a damaged file is set aside, not lost."""
        self.set_damaged_aside()
        try:
            return json.loads(self.progress_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"chapters": {}}

    def set_damaged_aside(self) -> Path | None:
        """Move a progress file that is none out of the way; returns where it is kept, or None if all is well."""
        try:
            if _is_progress(json.loads(self.progress_path.read_text(encoding="utf-8"))):
                return None
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError):
            pass
        kept = self.progress_path.with_suffix(f".damaged-{time.strftime('%Y%m%d-%H%M%S')}.json")
        os.replace(self.progress_path, kept)
        return kept

    def remember(self, kind: str, name: str, entry: dict[str, Any]) -> None:
        """Remember something beside the points: a checkpoint's state."""
        data = self.progress()
        data.setdefault(kind, {})[name] = {**entry, "when": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        write(self.progress_path, json.dumps(data, indent=2) + "\n")

    def record(self, number: str, entry: dict[str, Any]) -> None:
        """Remember the points of each graded exercise of a chapter: those not in this entry stay as they were."""
        data = self.progress()
        known = data["chapters"].get(number, {}).get("exercises", {})
        entry["exercises"] = {**known, **entry["exercises"]}
        data["chapters"][number] = {**entry, "when": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        write(self.progress_path, json.dumps(data, indent=2) + "\n")


def _is_progress(data: Any) -> bool:
    """Whether data has the shape of a progress file: for each chapter the points and the state of its exercises."""
    if not isinstance(data, dict) or not isinstance(data.get("chapters"), dict):
        return False
    if not all(isinstance(kind, dict) and all(isinstance(one, dict) for one in kind.values()) for kind in data.values()):
        return False
    states = [one for kind in data.values() for one in kind.values() if "state" in one]
    for chapter in data["chapters"].values():
        exercises = chapter.get("exercises")
        if not isinstance(exercises, dict):
            return False
        states += exercises.values()
        if not all(isinstance(one, dict) and type(one.get("points")) is int for one in exercises.values()):
            return False
    return all(isinstance(one.get("state"), str) for one in states)


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

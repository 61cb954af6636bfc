"""A student's file as text: read with care, never parsed here. What cannot be read is named, with the fix."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tito.outcomes import StudentError

CAP = 1 << 20
BIDI = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


class SourceError(Exception):
    """A file that cannot be taken as Python text: what is wrong, where, and what to do."""

    def __init__(self, where: str, message: str):
        super().__init__(message)
        self.where = where


@dataclass(frozen=True)
class Source:
    """The text of a chapter, what to call its file, and the module that it is."""

    label: str
    text: str
    module: str

    @classmethod
    def read(cls, given: Path | str, module: str) -> "Source":
        """From a path, or from the text itself. Raises SourceError."""
        if isinstance(given, str):
            return cls("submission", _decode("submission", given.encode("utf-8", "surrogatepass")), module)
        label = f"{given.parent.name}/{given.name}"
        return cls(label, _decode(label, _bytes(given, label)), module)

    @property
    def lines(self) -> int:
        return self.text.count("\n") + 1

    def place(self, frames: list[Any]) -> str:
        """The student's own line: the deepest frame in this file, else the deepest one in the tree."""
        found = deepest(frames, {self.module: self.label})
        label, _, line = found.rpartition(":")
        if label == self.label and int(line) > self.lines:
            return f"{self.label} (given code that it no longer has: tito update puts it back)"
        return found


def deepest(frames: Sequence[Any], labels: Mapping[str, str]) -> str:
    """The deepest frame of the student's own as file:line, else the deepest of all; nothing without frames.

    A frame is [file, line, function], deepest last; labels has the student's modules, and what to call their files.
    """
    own = students(frames, labels)
    every = [f"{f[0]}:{f[1]}" for f in frames if is_frame(f)]
    return [*every, *(place for place, _ in own)][-1] if every else ""


def students(frames: Sequence[Any], labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """The frames that stand in the student's own modules: (file:line, function), deepest last."""
    own = [(labels.get(PurePosixPath(str(f[0])).stem, ""), f) for f in frames if is_frame(f)]
    return [(f"{label}:{f[1]}", str(f[2])) for label, f in own if label]


def is_frame(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and type(value[1]) is int


def begun(path: Path) -> bool:
    """Whether something stands under this name, be it a file that can be read or not."""
    return os.path.lexists(path)


def _bytes(path: Path, label: str) -> bytes:
    """What a regular file holds. Raises SourceError for anything else, and for what the system refuses to read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise SourceError(label, f"this is {kind}, not a file: move it away")
        if status.st_size > CAP:
            raise SourceError(label, f"the file is larger than 1 MB ({status.st_size:,} bytes): did data get into it?")
        with open(path, "rb") as file:
            return file.read(CAP + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceError(label, f"the file cannot be read ({reason}): is it a link to something else?") from None


def _decode(label: str, data: bytes) -> str:
    if len(data) > CAP:
        raise SourceError(label, f"the file is larger than 1 MB ({len(data):,} bytes): did data get into it?")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(label, "the file is UTF-16: save it as UTF-8")
    line = lambda position: data.count(b"\n", 0, position) + 1
    if b"\0" in data:
        raise SourceError(
            f"{label}:{line(data.index(0))}", "the file holds a NUL byte: it is not a text file, or was damaged"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{label}:{line(error.start)}", "this line is not UTF-8: save the file as UTF-8") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, content in enumerate(text.split("\n"), 1):
        if hidden := BIDI.intersection(content):
            code = ", ".join(f"U+{ord(character):04X}" for character in sorted(hidden))
            raise SourceError(
                f"{label}:{number}", f"this line holds an invisible control character ({code}): delete it"
            )
    return text


def missing(source: Source, name: str) -> StudentError:
    """The file lacks a graded definition."""
    message = f"there is no {name} in {source.label}: was it renamed or deleted? tito update puts the stub back"
    return StudentError(message, kind="missing", where=source.label)

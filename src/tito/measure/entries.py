"""Entries of the Torch Olympics: what one is, the baseline that it is compared with, and a worker to run it in.

An entry is a program, entry.py, and the weights beside it, weights.safetensors. It has `load(weights)`, which returns a
model, or `predict(x)`; in the closed division perhaps `pack(weights)`; in a speedrun `train(ids, characters, seed)`.
"""

import contextlib
import hashlib
import json
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinytorch import olympics, serialization
from tinytorch.olympics import Event
from tito import sandbox
from tito.course import Course, CourseError
from tito.outcomes import NotStarted, Outcome, StudentError
from tito.sandbox.isolation import strongest
from tito.sandbox.lane import Lane
from tito.sandbox.tree import play

PROGRAM, WEIGHTS = "entry.py", "weights.safetensors"
PROGRAM_CAP, WEIGHTS_CAP = 1 << 20, 64 << 20  # bytes
PATIENCE = 30.0  # seconds for one answer
Progress = Callable[[str, int, int, str], None]  # (what, steps so far, steps in all, a note)


class Refused(CourseError):
    """An entry that does not count, and why."""


# -- what an entry is -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A program, and the weights that stand beside it: none if it takes the baseline's."""

    label: str
    program: bytes
    weights: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes on disk, of the program and the weights."""
        return len(self.program) + len(self.weights or b"")

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each file, by its name."""
        files = {PROGRAM: self.program, WEIGHTS: self.weights}
        return {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if data is not None}


def read(path: Path) -> Entry:
    """The entry in a folder, or the one whose program this is. Raises Refused, naming the file, for what is none."""
    program = (path / PROGRAM if path.is_dir() else path).absolute()
    weights = program.with_name(WEIGHTS)
    own = program.with_suffix(".safetensors")
    chosen = own if own.exists() else weights
    return Entry(
        program.parent.name if program.name == PROGRAM else program.stem,
        _bytes(program, PROGRAM_CAP),
        _bytes(chosen, WEIGHTS_CAP) if chosen.exists() else None,
    )


def _bytes(path: Path, most: int) -> bytes:
    """What a regular file holds, up to so many bytes."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{path} is not a file: an entry is a program, {PROGRAM}, and {WEIGHTS} beside it")
        if status.st_size > most:
            raise Refused(f"{path} has {status.st_size:,} bytes; at most {most:,} are allowed")
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise Refused(f"{path} cannot be read ({reason}): an entry is {PROGRAM}, and {WEIGHTS} beside it") from None


@dataclass(frozen=True)
class Framework:
    """The chapters of its author that an entry runs on, in a folder; all others are the reference's."""

    folder: Path
    chapters: tuple[str, ...] = ()

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each of these chapters, by its name."""
        texts = {name: (self.folder / f"{name}.py").read_bytes() for name in self.chapters}
        return {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}


REFERENCE = Framework(Path())


def event(name: str) -> Event:
    """The event of this name. Raises CourseError, listing what there is."""
    if name not in olympics.EVENTS:
        raise CourseError(f"there is no event {name!r}; there are: {', '.join(olympics.EVENTS)}")
    return olympics.EVENTS[name]


def first_program(course: Course, chosen: Event) -> bytes:
    """The program of the baseline: the one to begin with."""
    return _template(course, chosen, "speedrun" if trains(chosen) else "network")


def first_files(course: Course, chosen: Event) -> dict[str, bytes]:
    """What an author begins from: the baseline's program, and one that trains its network."""
    files = {PROGRAM: first_program(course, chosen)}
    return files if trains(chosen) else {**files, "train.py": _template(course, chosen, "train")}


def _template(course: Course, chosen: Event, kind: str) -> bytes:
    text = (course.root / "chapters" / "measures" / "events" / f"{kind}.py").read_text(encoding="utf-8")
    return text.replace("mlp_sprint", chosen.name).encode()


def trains(chosen: Event) -> bool:
    """Whether entries train while they are measured."""
    return "seconds" in chosen.measures


def baseline_path(course: Course, chosen: Event) -> Path:
    """Where the baseline's weights are kept, once they are trained: those of another recipe are other files."""
    digest = hashlib.sha256((course.package / "olympics.py").read_bytes()).hexdigest()[:8]
    network = f"{chosen.baseline.__name__}-{chosen.data.replace(' ', '_')}-{chosen.recipe.steps}"
    return course.root / "build" / "olympics" / f"{network}-{digest}.safetensors"


def baseline(course: Course, chosen: Event, learn: Any, progress: Progress = lambda *_: None) -> Entry:
    """The entry that others are compared with. Its weights are trained when they are first needed, and then kept."""
    program, path = first_program(course, chosen), baseline_path(course, chosen)
    if trains(chosen):
        return Entry("baseline", program)
    if not path.is_file():
        steps = chosen.recipe.steps
        told = lambda step, loss: progress("the baseline learns", step + 1, steps, f"loss {loss:.2f}")
        model = olympics.train_baseline(chosen, learn, after=told)
        path.parent.mkdir(parents=True, exist_ok=True)
        serialization.save(model.state_dict(), path)
    return Entry("baseline", program, path.read_bytes())


# -- a worker for each ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def worker(
    course: Course, entry: Entry, own: Framework = REFERENCE, patience: float = PATIENCE, cpu: int = 0
) -> Iterator[Lane]:
    """A lane to an entry on a framework of its own: the reference's, but for the chapters of `own`. Raises an Outcome.

    The data sets of the package are not there. `cpu`: the CPU seconds that it may use, if more than the sandbox gives.
    """

    def fill(tree: Path) -> None:
        play(tree, course, own.folder, own.chapters)
        package = tree / "tinytorch"
        (package / "digits.npz").unlink(missing_ok=True)
        shutil.copyfile(entrant_file(), package / "entrant.py")
        (package / PROGRAM).write_bytes(entry.program)
        if entry.weights is not None:
            (package / WEIGHTS).write_bytes(entry.weights)
        if cpu:
            (tree.parent / "limits.json").write_text(json.dumps({"RLIMIT_CPU": cpu}), encoding="utf-8")

    with sandbox.folder(fill) as place, Lane(strongest(), place, patience, explain) as lane:
        lane.ask({"do": "load", "module": "entrant", "names": []})
        yield lane


def entrant_file() -> Path:
    return Path(sandbox.__file__).with_name("entrant.py")


def call(lane: Lane, name: str, *arguments: Any, patience: float | None = None) -> Any:
    """What a function of the entrant returns."""
    return lane.ask({"do": "call", "name": name, "arguments": list(arguments), "keywords": {}}, patience)


def explain(error: Any) -> Outcome:
    """An error that a worker reports, with the place in the entry's own program."""
    match error:
        case {"type": str(kind), "message": str(message), "frames": [*frames]}:
            pass
        case _:
            return StudentError("the program reported an error in no known form")
    own = [frame for frame in frames if isinstance(frame, list) and frame and frame[0] == f"tinytorch/{PROGRAM}"]
    where = f" ({PROGRAM}:{own[-1][1]})" if own else ""
    if kind == "NotImplementedError" and message.startswith("chapter "):
        return NotStarted(f"it needs {message}, which is not written yet{where}")
    if kind == "ModuleNotFoundError":
        message += ". An entry sees NumPy, Python's own library and tinytorch, nothing else"
    return StudentError(f"{kind}: {message}{where}" if message else f"{kind}{where}")

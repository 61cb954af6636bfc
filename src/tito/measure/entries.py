"""Entries of the Torch Olympics: each runs in a worker of its own beside the baseline, turn by turn, and is judged.

An entry is a program, entry.py, and the weights beside it, weights.safetensors. The judge draws fresh inputs for every
turn, reads the clock, and judges the very answers that it timed; between its turns a worker stands still. A third one
answers without computing anything: what that takes is the wire's, and is subtracted from both.
"""

import contextlib
import hashlib
import json
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import olympics, serialization
from tinytorch.benchmarking import Estimate
from tinytorch.olympics import Event, Examples, Heat, Score
from tito import sandbox
from tito.course import Course, CourseError
from tito.outcomes import Infrastructure, NotStarted, Outcome, StudentError
from tito.sandbox import entrant
from tito.sandbox.isolation import strongest, unreadable
from tito.sandbox.lane import Lane
from tito.sandbox.tree import play

PROGRAM, WEIGHTS = "entry.py", "weights.safetensors"
PROGRAM_CAP, WEIGHTS_CAP = 1 << 20, 64 << 20  # bytes
CLOSED_CAP = 20_000  # bytes of a program that brings no weights: it is not to hold them as text
AGREEMENT = 0.95  # of the baseline's answers an entry of the closed division has to give, too
TURNS = 20  # of a batch; ten times as many of one input
PATIENCE = 30.0  # seconds for one answer
LEAST_NET = 0.02  # of the baseline's time: what is left of a time at least, once the wire's is subtracted
SURE = 3.0  # standard errors by which the answers of one kind may miss the gate that all together pass
Progress = Callable[[str, int, int, str], None]  # (what, turns so far, turns in all, a note)


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
    program = path / PROGRAM if path.is_dir() else path
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


def event(name: str) -> Event:
    """The event of this name. Raises CourseError, listing what there is."""
    if name not in olympics.EVENTS:
        raise CourseError(f"there is no event {name!r}; there are: {', '.join(olympics.EVENTS)}")
    return olympics.EVENTS[name]


def first_program(course: Course, chosen: Event) -> bytes:
    """The program of the baseline: the one to begin with."""
    kind = "speedrun" if "seconds" in chosen.measures else "network"
    text = (course.root / "chapters" / "measures" / "events" / f"{kind}.py").read_text(encoding="utf-8")
    return text.replace("mlp_sprint", chosen.name).encode()


def baseline_path(course: Course, chosen: Event) -> Path:
    """Where the baseline's weights are kept, once they are trained."""
    recipe = f"{chosen.baseline.__name__}-{chosen.data.replace(' ', '_')}"
    return course.root / "build" / "olympics" / f"{recipe}.safetensors"


def baseline(course: Course, chosen: Event, learn: Any, progress: Progress = lambda *_: None) -> Entry:
    """The entry that others are compared with. Its weights are trained when they are first needed, and then kept."""
    program, path = first_program(course, chosen), baseline_path(course, chosen)
    if "seconds" in chosen.measures:
        return Entry("baseline", program)
    if not path.is_file():
        steps = chosen.recipe.steps
        told = lambda step, loss: progress("the baseline learns", step + 1, steps, f"loss {loss:.2f}")
        model = olympics.train_baseline(chosen, learn, after=told)
        path.parent.mkdir(parents=True, exist_ok=True)
        serialization.save(model.state_dict(), path)
    return Entry("baseline", program, path.read_bytes())


# -- a worker for each ------------------------------------------------------------------------------------------------


@dataclass
class Runner:
    """A contestant in its lane: it answers, and remembers the seconds and the answers of every turn."""

    name: str
    lane: Lane
    columns: int = 0
    seconds: list[float] = field(default_factory=list)
    answers: list[np.ndarray] = field(default_factory=list)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        z = self.lane.answer(x)
        self.seconds.append(time.perf_counter() - began)
        if self.columns and (z.shape[1] != self.columns or z.dtype.name not in ("float32", "int64")):
            given = f"{z.dtype} of shape {z.shape}"
            raise StudentError(f"answers (n, {self.columns}) of float32 or int64 are needed, got {given}")
        self.answers.append(z)
        return z


@contextlib.contextmanager
def worker(
    course: Course, entry: Entry, own: Mapping[str, Path] | None = None, patience: float = PATIENCE, cpu: int = 0
) -> Iterator[Lane]:
    """A lane to an entry on a framework of its own: the reference's, but for the chapters in `own`. Raises an Outcome.

    The data sets of the package are not there. `cpu`: the CPU seconds that it may use, if more than the sandbox gives.
    """

    def fill(tree: Path) -> None:
        play(tree, course, Path(next(iter(own.values())).parent if own else tree), own or ())
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

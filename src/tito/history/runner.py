"""The stage on which a milestone runs: its seed, data and checkpoint, a live line, and a calm way to stop.

    python -m tito.history.runner PLAN        (tito milestone run does this, on a composed tree)

A milestone is a script with a function `run(stage)` that returns what it measured. It tells its steps by
`stage.steps` or `stage.fit`, and keeps what it needs to go on. Ctrl-C ends it after the step that is under way.
"""

import contextlib
import json
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tito.course import program
from tito.work.source import students

STOPPED = 130  # the exit code of a program that Ctrl-C ended


class Stopped(Exception):
    """Ctrl-C was pressed, and what is needed to go on is kept."""


class Stage:
    """What a milestone is given.

    `folder` holds its checkpoints, and goes when it has ended; `models` holds what it trained, for later; `data` is the
    root of the data sets, or None.
    """

    def __init__(
        self,
        folder: Path,
        seed: int = 0,
        data: Path | None = None,
        console: Console | None = None,
        models: Path | None = None,
    ):
        self.folder, self.seed, self.data, self.models = folder, seed, data, models or folder
        self.console = console or Console(highlight=False)
        self.stopping = False
        self.clock: dict[str, float] = {}  # seconds of each part, on the wall and of a core
        self.cpu: dict[str, float] = {}
        self.marks: dict[str, list[float]] = {}  # when each epoch of a part was done, by its clock
        with contextlib.suppress(OSError, ValueError):
            self.clock, self.cpu, self.marks = json.loads((folder / "clock.json").read_text())

    def say(self, text: str) -> None:
        """A line of what happens."""
        self.console.print(text, markup=False, soft_wrap=True)

    def interrupt(self, *_: object) -> None:
        """Stop after this step; at once, if asked again."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True

    # -- steps --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
        """A live line; call it with how much is done and a few words."""
        columns = (
            TextColumn("{task.description:8}"), BarColumn(bar_width=24), TaskProgressColumn(), TimeElapsedColumn(),
            TextColumn("gone,"), TimeRemainingColumn(), TextColumn("left"), TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(what, total=total, completed=done, note="")
            yield lambda done, note: progress.update(task, completed=done, note=note)

    def steps(self, what: str, total: int, start: int = 0, note: Callable[[], str] = str) -> Iterator[int]:
        """start, ..., total - 1, each shown when it is done. Raises Stopped between two of them after Ctrl-C."""
        with self.bar(what, total, start) as show, self.timed(what):
            for step in range(start, total):
                if self.stopping:
                    raise Stopped
                try:
                    yield step
                except GeneratorExit:  # the loop was left: there is nothing more to do
                    show(total, note())
                    raise
                show(step + 1, note())

    def until(self, what: str, done: Callable[[], float], note: Callable[[], str] = str) -> Iterator[None]:
        """Steps until done() comes to 1, each shown when it is done. Raises Stopped as `steps` does."""
        with self.bar(what, 1000, int(1000 * done())) as show, self.timed(what):
            while done() < 1:
                if self.stopping:
                    raise Stopped
                yield
                show(int(1000 * min(done(), 1)), note())

    def fit(self, what: str, trainer: Any, data: Any, epochs: int, validation: Any) -> None:
        """Train to the end with a live line, from the checkpoint if there is one; write one after every epoch."""
        path = self.folder / f"{what}.safetensors"
        if path.is_file():
            try:
                trainer.load(path)
                self.say(f"{what}: going on after step {trainer.steps}, epoch {trainer.epoch}.")
            except ValueError as error:
                self.say(f"{what}: starting over, because the checkpoint does not fit: {error}")
        path.parent.mkdir(parents=True, exist_ok=True)
        marks, began = self.marks.setdefault(what, []), time.perf_counter() - self.clock.get(what, 0.0)
        del marks[trainer.epoch :]

        def mark() -> None:
            if len(marks) < trainer.epoch:
                marks.append(time.perf_counter() - began)

        with self.bar(what, epochs * len(data), trainer.steps) as show:

            def after_step(trainer: Any) -> None:
                mark()
                last = trainer.history[-1] if trainer.history else {}
                right = f", {last['val_accuracy']:.2%} right" if "val_accuracy" in last else ""
                show(trainer.steps, f"epoch {trainer.epoch + 1}/{epochs}, loss {trainer.step_loss:.3f}{right}")
                if self.stopping:
                    trainer.stop()

            trainer.callbacks.append(after_step)
            with self.timed(what):
                trainer.fit(data, epochs, validation, checkpoint=path)
                mark()
            if trainer.epoch < epochs:
                raise Stopped
            show(trainer.steps, f"{trainer.history[-1]['val_accuracy']:.2%} right")

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the seconds of this block to the clock, also those of a run that was stopped."""
        began, busy = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.clock[what] = self.clock.get(what, 0.0) + time.perf_counter() - began
            self.cpu[what] = self.cpu.get(what, 0.0) + time.process_time() - busy
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "clock.json").write_text(json.dumps([self.clock, self.cpu, self.marks]))

    def download(self, name: str, have: int, total: int) -> None:
        """The progress of a download, as a line at its beginning and its end; Ctrl-C ends it, and keeps what came."""
        if self.stopping:
            raise Stopped
        if have <= 1 << 16 or have == total:
            self.say(f"{name}: {have:,} of {total:,} bytes")

    def ask(self, what: str) -> str | None:
        """A line that is typed; None at the end of all input."""
        try:
            return self.console.input(what, markup=False)
        except EOFError:
            self.say("")
            return None

    # -- state --------------------------------------------------------------------------------------------------------

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep arrays for a run that goes on, in one step."""
        from tinytorch import serialization

        self.folder.mkdir(parents=True, exist_ok=True)
        serialization.save(arrays, self.folder / f"{name}.safetensors")

    def keep(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep a trained model beside the results, for those who want to use it."""
        from tinytorch import serialization

        self.models.mkdir(parents=True, exist_ok=True)
        serialization.save(arrays, self.models / f"{name}.safetensors")

    def kept(self, name: str) -> dict[str, np.ndarray]:
        """The model that the last run kept. Raises FileNotFoundError, ValueError where there is none to be read."""
        from tinytorch import serialization

        return serialization.load(self.models / f"{name}.safetensors")

    def load(self, name: str) -> dict[str, np.ndarray]:
        """What was kept; nothing at first."""
        from tinytorch import serialization

        path = self.folder / f"{name}.safetensors"
        try:
            return serialization.load(path) if path.is_file() else {}
        except ValueError as error:
            self.say(f"{name}: starting over, because the checkpoint cannot be read: {error}")
            return {}


def plain(value: Any) -> Any:
    """Arrays and NumPy numbers as JSON knows them; floats to six digits."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def blame(error: BaseException, tree: Path, whose: dict[str, str]) -> str:
    """Where in the student's own files it happened, deepest last; else the last place of all."""
    every: list[list[Any]] = [
        [frame.filename, frame.lineno, frame.name] for frame in traceback.extract_tb(error.__traceback__)
    ]
    labels = {name: f"work/{name}.py" for name, owner in whose.items() if owner == "work"}
    own = students([frame for frame in every if Path(frame[0]).is_relative_to(tree)], labels)
    return "\n  ".join(f"{place} in {name}" for place, name in own) or f"{Path(every[-1][0]).name}:{every[-1][1]}"


def main() -> int:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder, data = Path(plan["folder"]), plan["data"]
    stage = Stage(folder, plan["seed"], Path(data) if data else None, models=Path(plan["models"]))
    runs = plan["does"] == "run"
    signal.signal(signal.SIGINT, stage.interrupt if runs else signal.default_int_handler)
    if plan["seconds"] is not None:
        clock = threading.Timer(plan["seconds"], stage.interrupt)
        clock.daemon = True
        clock.start()
    try:
        measured = getattr(program(Path(plan["script"])), plan["does"])(stage, **plan["options"])
    except (Stopped, KeyboardInterrupt):
        return STOPPED
    except Exception as error:
        stage.say(f"{type(error).__name__}: {error}\n  {blame(error, Path(plan['tree']), plan['whose'])}")
        return 1
    if not runs:
        return 0
    result = {"measured": plain(measured), "seconds": plain(stage.clock), "cpu": plain(stage.cpu)}
    Path(plan["result"]).write_text(json.dumps(result), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

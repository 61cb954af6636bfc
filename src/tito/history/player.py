"""The player of demos: frames on a terminal, one in the place of the other; piped, those that stay, as plain text.

    python -m tito.history.player PLAN        (tito demo does this, on a composed tree)

A demo has a function frames(stage) that yields (picture, caption, seconds): what Rich can draw, a sentence, and
how long both stay. What stays STAYS seconds or longer is what the demo says; the rest is how it comes about.
"""

import json
import signal
import sys
import time
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tito.course import CourseError, program
from tito.history.runner import STOPPED, blame

STAYS = 0.5
Frame = tuple[Any, str, float]


class Stage:
    """What a demo is given: a seed, the root of the data sets, the models that milestones trained, and a text."""

    def __init__(self, console: Console, seed: int, data: Path, models: Path, text: str = ""):
        self.console, self.seed, self.data, self.models, self.text = console, seed, data, models, text

    def kept(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of a model that a milestone trained and kept; none, if it did not."""
        from tinytorch import serialization

        path = self.models / f"{name}.safetensors"
        return serialization.load(path) if path.is_file() else {}

    def ask(self, question: str, default: str, among: Collection[str] | None = None) -> str:
        """The text that was given with the command; else what is typed, where somebody can type; else the default.

        Raises CourseError, listing what there is, for a text that is not among those that are allowed.
        """
        if not self.text and self.console.is_terminal and sys.stdin.isatty():
            try:
                self.text = self.console.input(f"{question} [{default}]\n> ", markup=False).strip()
            except EOFError:
                self.console.print()
        text = self.text or default
        if among is not None and text not in among:
            raise CourseError(f"{text!r} is none of: {', '.join(among)}")
        return text


def show(frames: Iterator[Frame], title: str, console: Console, speed: float = 1.0) -> None:
    """Show the frames: live on a terminal, else those that stay."""
    if not console.is_terminal or console.is_dumb_terminal:
        for picture, caption, seconds in frames:
            if seconds >= STAYS:
                console.print(_page(title, picture, caption), "")
        return
    first = next(frames)  # what a demo asks, it asks before
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for picture, caption, seconds in chain([first], frames):
            live.update(_page(title, picture, caption), refresh=True)
            time.sleep(seconds / speed)


def _page(title: str, picture: Any, caption: str) -> Group:
    return Group(Text(title, "bold"), Text(), picture, Text(), Text(caption))


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)


def main() -> int:
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    console = Console(highlight=False, force_terminal=sys.stdout.isatty())
    stage = Stage(console, plan["seed"], Path(plan["data"]), Path(plan["models"]), plan["text"])
    try:
        show(program(Path(plan["script"])).frames(stage), plan["title"], console, plan["speed"])
    except KeyboardInterrupt:
        return STOPPED
    except CourseError as error:
        print(f"tito: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        place = blame(error, Path(plan["tree"]), plan["whose"])
        console.print(f"{type(error).__name__}: {error}\n  {place}", markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

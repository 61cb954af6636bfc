"""What every group of commands uses: the app, a line of output, an error, the student's workspace."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from tito.course import Chapter, CourseError, default
from tito.work.source import SourceError
from tito.work.workspace import Workspace


class Commands(TyperGroup):
    """Commands whose errors that a person can mend are one line and exit code 2; Ctrl-C ends them at once, with 130."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with _tidy_end():
                try:
                    return super().invoke(ctx)
                finally:
                    sys.stdout.flush()
        except CourseError as error:
            fail(str(error))
        except SourceError as error:
            fail(f"{error.where}: {error}")
        except KeyboardInterrupt:
            typer.echo("tito: stopped", err=True)
            sys.exit(128 + signal.SIGINT)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read this has seen enough
            _forget_output()
            fail(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))


@contextlib.contextmanager
def _tidy_end() -> Iterator[None]:
    """A closed terminal and a polite kill end a command as an exit does: what it started ends, its folders go."""

    def end(number: int, frame: object) -> NoReturn:
        sys.exit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {getattr(signal, name): signal.signal(getattr(signal, name), end) for name in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_output() -> None:
    """What still waits to be printed is dropped: there may be no room for it, and Python would try again at its end."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="The course tool of TinyTorch: begin a chapter, grade it, play with what you built.\n\n"
    "\b\n  tito start 05             write work/autograd.py, with the graded bodies left out\n"
    "  tito grade 05             grade it (the same as: nox -s grade-05)\n"
    "  tito grade 05 -k matmul   grade the exercises whose name contains matmul\n"
    "  tito status               points so far\n"
    "  tito demo 05              the idea of a chapter, in a few seconds\n"
    "  tito test --module 05     all that concerns a chapter\n"
    "  tito run play.py          run a file on your own framework\n"
    "  tito milestone run 1957   history, on your own code\n"
    "  tito checkpoint test 06   what can it do by now?\n"
    "  tito data mnist           fetch a data set",
)

Number = Annotated[str, typer.Argument(metavar="CHAPTER", help="Its number or name: 05, 5, autograd.")]
Reference = Annotated[bool, typer.Option("--reference", help="On the reference's code instead of yours.")]


def say(text: str = "") -> None:
    typer.echo(text)


def fail(text: str) -> NoReturn:
    typer.echo(f"tito: {text}", err=True)
    sys.exit(2)


def workspace() -> Workspace:
    """The student's work on the course that this tool belongs to; a damaged progress file is set aside, and said."""
    here = Workspace.of(default())
    if here.folder.exists() and not here.folder.is_dir():
        raise CourseError(f"{here.label(here.folder)} is a file, and your work needs a folder: see TINYTORCH_WORK")
    if kept := here.set_damaged_aside():
        path = here.label(here.progress_path)
        typer.echo(f"tito: {path} was damaged and is kept as {kept.name}; a new one is begun", err=True)
    return here


def opened(number: str) -> tuple[Workspace, Chapter]:
    """The workspace, and the chapter of this number or name. Raises CourseError if there is none."""
    here = workspace()
    return here, here.course.chapter(number)

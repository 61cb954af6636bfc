"""What every group of commands uses: the app, a line of output, an error, the student's workspace."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tito.course import Chapter, CourseError, default
from tito.work.source import SourceError
from tito.work.workspace import Workspace


class Commands(TyperGroup):
    """Commands whose errors that a person can mend are one line and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (CourseError, SourceError) as error:
            fail(str(error))


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
    "  tito run play.py          run a file on your own framework\n"
    "  tito milestone run 1957   history, on your own code\n"
    "  tito checkpoint test 06   what can it do by now?\n"
    "  tito data mnist           fetch a data set",
)

Number = Annotated[str, typer.Argument(metavar="CHAPTER", help="Its number or name: 05, 5, autograd.")]
Reference = Annotated[bool, typer.Option("--reference", help="On the reference's code instead of yours.")]


def say(text: str = "") -> None:
    typer.echo(text)


def fail(text: str) -> None:
    typer.echo(f"tito: {text}", err=True)
    sys.exit(2)


def workspace() -> Workspace:
    """The student's work on the course that this tool belongs to."""
    return Workspace.of(default())


def opened(number: str) -> tuple[Workspace, Chapter]:
    """The workspace, and the chapter of this number or name. Raises CourseError if there is none."""
    here = workspace()
    return here, here.course.chapter(number)

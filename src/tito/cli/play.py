"""Commands to play with: a program or a prompt on one's own framework, a failing case under pdb, the digits."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tito.cli.common import Number, app, fail, opened, say, workspace
from tito.grading import debugging
from tito.grading.judge import SEED, Grading, grade, picked
from tito.history.digits import learn
from tito.rubrics.rubric import load
from tito.sandbox import DEADLINE
from tito.sandbox.isolation import strongest
from tito.work import play


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A Python file.")],
    as_torch: Annotated[bool, typer.Option("--as-torch", help="In it, `import torch` means tinytorch.")] = False,
) -> None:
    """Run a file on your own framework.

    Your chapters where you have them, the reference's where not.
    """
    if not file.is_file():
        fail(f"there is no file {file}")
    before = ["-m", "tinytorch.as_torch"] if as_torch else []
    raise typer.Exit(play.run(workspace(), [*before, str(file), *context.args]))


@app.command()
def shell() -> None:
    """Open a Python prompt on your own framework.

    tinytorch is there as tt, numpy as np.
    """
    here = workspace()
    names = ", ".join(chapter.name for chapter in here.begun()) or "none yet; all are the reference's"
    say(f"Your chapters here: {names}.")
    raise typer.Exit(play.run(here, ["-i", "-c", "import numpy as np, tinytorch as tt"]))


@app.command()
def debug(
    number: Number,
    only: Annotated[str, typer.Option("-k", metavar="TEXT", help="The exercise.")],
    seed: Annotated[int, typer.Option(help="As in the grade.")] = SEED,
) -> None:
    """Open pdb on the failing case of an exercise.

    It stops at the first statement of your body.

    \b
      tito debug 05 -k mul_vjp
    In pdb: n next line, p x print x, c go on, q leave.
    """
    here, chapter = opened(number)
    here.text(chapter)
    exercise = picked(load(chapter.number, here.course), only)[0].name
    report = grade(chapter.number, course=here.course, work=here.folder, seed=seed, only=exercise, integrated=False)
    result = report[exercise]
    lost = [check for check in result.checks if check.state != "passed"]
    if not lost or result.state == "not started":
        say(f"{exercise}: {result.state}. There is no failing case to look at.")
        raise typer.Exit(0 if not lost else 1)
    check = next((check for check in lost if check.call and check.call["do"] != "examples"), lost[0])
    typer.echo(f"{exercise}, {check.name}: {check.message}")
    sys.stdout.flush()
    grading = Grading(here.course, chapter, seed, strongest(), DEADLINE)
    raise typer.Exit(debugging.debug(here, chapter, exercise, check, grading))


@app.command()
def digits() -> None:
    """Train a small network on handwritten digits."""
    learn(Console())

"""Commands to play with: a program or a prompt on one's own framework, a failing case under pdb, the digits."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tito.cli.common import Number, Reference, app, fail, opened, say, workspace
from tito.grading import debugging
from tito.grading.judge import SEED, Grading, grade, picked
from tito.history import milestones
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
def gpt2(
    folder: Annotated[Path, typer.Argument(help="Has config.json, model.safetensors, vocab.json and merges.txt.")],
    prompt: Annotated[str, typer.Argument(help="The text to go on with.")] = "",
    tokens: Annotated[int, typer.Option(min=0, help="How many to write.")] = 100,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the most probable token each time.")] = 0.8,
    top_k: Annotated[int, typer.Option(min=0, help="Choose among so many; 0 is all.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives another text.")] = 0,
    reference: Reference = False,
) -> None:
    """Let GPT-2 go on with a text.

    It runs on your chapters that have all their points; everything else is the reference's. The folder is as Hugging
    Face writes it.

    \b
      tito gpt2 gpt2/ "The meaning of life is"
      tito gpt2 gpt2/ "Once upon a time" --tokens 300 --temperature 1
    """
    here = workspace()
    done = [chapter.name for chapter in here.begun() if not milestones.lacking(here, [chapter.name])]
    only = [] if reference else done
    typer.echo(f"On your own {', '.join(only)}; the rest is given." if only else "On the reference.", err=True)
    sys.stderr.flush()
    options = map(str, (folder, prompt, tokens, temperature, top_k, seed))
    raise typer.Exit(play.run(here, ["-m", "tito.work.gpt2", *options], only))


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

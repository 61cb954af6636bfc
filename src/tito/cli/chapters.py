"""Commands on a chapter: begin it, grade it, see what changed, start again, take new given code."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tito.cli.common import Number, app, opened, say
from tito.grading.judge import SEED, grade
from tito.grading.terminal import show
from tito.rubrics.rubric import load
from tito.rubrics.stubs import definitions
from tito.work.source import begun
from tito.work.workspace import write


@app.command()
def start(number: Number) -> None:
    """Write a chapter's stub into work/.

    It is the reference with the graded bodies left out. A file that is there already is never overwritten.

    \b
      tito start 05
    """
    here, chapter = opened(number)
    exercises = load(chapter.number, here.course).exercises
    try:
        path = here.start(chapter)
    except FileExistsError:
        say(f"{here.label(here.file(chapter))} is already there and stays as it is.")
        say(f"Start again from the stub, with a copy of your work: tito reset {chapter.number}")
        raise typer.Exit(1) from None
    first = next(iter(exercises))
    line = definitions(path.read_text(encoding="utf-8"))[first].body
    points, minutes = (sum(getattr(one, fact) for one in exercises.values()) for fact in ("points", "minutes"))
    say(f"{here.label(path)} is yours: {len(exercises)} exercises, {points} points, about {minutes} minutes.")
    say(f"Begin with {first}, line {line}. Its docstring says what it computes, the comment below is a hint.")
    say(f"Grade it: tito grade {chapter.number} -k {first}    the whole chapter: nox -s grade-{chapter.number}")


@app.command("grade")
def grade_(
    number: Number,
    only: Annotated[
        str | None, typer.Option("-k", metavar="TEXT", help="Only exercises whose name contains this.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the inputs; the same seed gives the same report.")] = SEED,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON, too.")
    ] = None,
    require_work: Annotated[bool, typer.Option("--require-work", help="An empty work/ fails: for CI.")] = False,
    isolated_only: Annotated[bool, typer.Option("--isolated-only", help="Skip your own earlier chapters.")] = False,
) -> None:
    """Grade a chapter, or one exercise of it.

    Each exercise is graded alone, then all on your own earlier chapters.

    \b
      tito grade 05                  the whole chapter
      tito grade 05 -k matmul        one exercise
      tito grade 05 --seed 7         other inputs
      tito grade 05 --json out.json  for another program
    With nothing in work/ it grades the reference, to show what a pass looks like.
    """
    here, chapter = opened(number)
    yours = bool(here.begun()) or require_work
    report = grade(
        chapter.number,
        course=here.course,
        work=here.folder if yours else None,
        seed=seed,
        only=only,
        integrated=not isolated_only,
    )
    path = here.file(chapter)
    if not yours:
        say(f"There is nothing in {here.label(here.folder)} yet, so this grades the reference, to show what")
        say(f"a pass looks like. No points are recorded. Begin with: tito start {chapter.number}\n")
    elif not begun(path):
        say(f"Chapter {chapter.number} is not started: {here.label(path)} is not there.")
        say(f"Begin with: tito start {chapter.number}\n")
    label = here.label(path) if yours else f"the reference src/tinytorch/{chapter.name}.py"
    show(report, Console(), label)
    if yours and begun(path):
        here.record(report.number, report.entry())
    if json_file:
        write(json_file.resolve(), json.dumps(report.to_json(), indent=2) + "\n")
    raise typer.Exit(0 if report.passed else 1)


@app.command()
def diff(number: Number) -> None:
    """Show what you changed in a chapter.

    The comparison is with the stub as it was given.
    """
    here, chapter = opened(number)
    say(here.diff(chapter) or "Nothing is changed yet.")


@app.command()
def reset(number: Number) -> None:
    """Start a chapter again from its stub.

    Your work is copied aside first, and the copy is named.
    """
    here, chapter = opened(number)
    backup = here.reset(chapter)
    say(f"{here.label(here.file(chapter))} is the stub again. Your work is in {here.label(backup)}")


@app.command()
def update(number: Number) -> None:
    """Take the newest given code, keep your work.

    Your graded bodies stay in their places; what has no place any more is kept at the end of the file.
    """
    here, chapter = opened(number)
    done = here.update(chapter)
    path = here.label(here.file(chapter))
    if not done.changed:
        say(f"{path} is up to date.")
        return
    say(f"{path} has the newest given code. Your bodies: {', '.join(done.carried) or 'none yet'}.")
    for name in done.kept:
        say(f"  kept at the end of the file: {name}")
    say(f"The file as it was: {here.label(done.backup)}" if done.backup else "")

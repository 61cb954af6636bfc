"""The command that shows the idea of a chapter on the terminal."""

import sys
from typing import Annotated

import typer

from tito.cli.common import Reference, app, say, workspace
from tito.history import demos, milestones
from tito.work.workspace import Workspace


@app.command()
def demo(
    number: Annotated[str, typer.Argument(metavar="[CHAPTER]", help="Its number or name; none lists the demos.")] = "",
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="What a demo is about that reads: 12, for one.")] = "",
    reference: Reference = False,
    seed: Annotated[int, typer.Option(min=0, help="Another one is another run of chance.")] = 0,
    speed: Annotated[float, typer.Option(min=0.1, help="2 is twice as fast.")] = 1.0,
) -> None:
    """Show the idea of a chapter in a few seconds, on your own code.

    It uses your chapters that have all their points; everything else is the reference's. Ctrl-C ends it.

    \b
      tito demo                  what there is
      tito demo 05               gradients flow back through a graph
      tito demo 12 "the cat saw the dog, and the dog saw the cat"
      tito demo 07 --reference   on the reference's code
      tito demo 03 > frames.txt  the frames that stay, as plain text
    """
    here = workspace()
    if not number:
        _list(here)
        return
    chosen = demos.wanted(here.course, number)
    mine = [] if reference else demos.own(chosen, here)
    say(f"On {_whose(chosen, mine, here, reference)}")
    sys.stdout.flush()
    raise typer.Exit(demos.run(chosen, here, mine, demos.Wishes(seed, speed, text)))


def _list(here: Workspace) -> None:
    passed = demos.passed(here)
    for one in demos.demos(here.course):
        whose = "your code" if one.chapter in passed else "the reference"
        say(f"{one.chapter.number}  {whose:13}  {one.title}")
    say("\nShow one: tito demo 05    on the reference: --reference")


def _whose(chosen: demos.Demo, mine: list[str], here: Workspace, reference: bool) -> str:
    """Whose code a demo runs on; and what the student's chapter lacks, if it is not that."""
    said = f"your own {', '.join(mine)}; the rest is the reference's." if mine else "the reference, all of it."
    lacks = [] if reference else milestones.lacking(here, [chosen.chapter.name])
    return said + "".join(f" Your {lack.label}: {lack.state}, {lack.command}" for lack in lacks)

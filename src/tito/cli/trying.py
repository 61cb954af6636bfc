"""The command that tries all there is of a chapter, or of the course."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tito.cli.common import Reference, app, fail, say, workspace
from tito.history import trials
from tito.history.trials import Found, Trial


@dataclass(frozen=True)
class Tried:
    """A trial, what came of it, and how long it took."""

    trial: Trial
    found: Found
    seconds: float

    @property
    def state(self) -> str:
        return "passed" if self.found.passed else "failed"


@app.command()
def test(
    module: Annotated[str, typer.Option("--module", metavar="CHAPTER", help="Its name or number.")] = "",
    comprehensive: Annotated[bool, typer.Option("--comprehensive", help="The whole course.")] = False,
    reference: Reference = False,
) -> None:
    """Test all that concerns one chapter, or the whole course.

    A chapter: its rubric, docstrings, cells and tests, and its checkpoint. The course: every rubric, every checkpoint,
    and the first seconds of every milestone. Your own files where you have begun them, else the reference.

    \b
      tito test --module tensor             one chapter
      tito test --comprehensive             the whole course, in a few minutes
      tito test --comprehensive --reference whatever is in work/
    """
    if bool(module) == comprehensive:
        fail("what is to be tested? One chapter: tito test --module tensor    the course: tito test --comprehensive")
    here = workspace()
    chosen = (
        trials.whole(here, reference)
        if comprehensive
        else trials.of_chapter(here.course.chapter(module), here, reference)
    )
    console = Console()
    done = _live(chosen, console) if console.is_terminal else list(_plain(chosen))
    failed = [one for one in done if not one.found.passed]
    say(f"\n{len(done) - len(failed)} of {len(done)} passed, in {sum(one.seconds for one in done):.0f} s.")
    for one in failed:
        say(f"  {one.trial}: {one.found.note}")
        say(f"    again  {one.trial.again}")
    raise typer.Exit(1 if failed else 0)


def _tried(trial: Trial) -> Tried:
    began = time.perf_counter()
    return Tried(trial, trial.run(), time.perf_counter() - began)


def _plain(chosen: Sequence[Trial]) -> Iterator[Tried]:
    """Try one after the other; a line for each when it is done."""
    for trial in chosen:
        one = _tried(trial)
        say(f"{trial!s:28} {trial.whose:14} {one.state:7} {one.seconds:6.1f} s  {one.found.note}".rstrip())
        yield one


def _live(chosen: Sequence[Trial], console: Console) -> list[Tried]:
    """Try one after the other, in a table that grows; at the end all of it stays."""
    done: list[Tried] = []
    with Live(console=console, transient=True, refresh_per_second=8) as live:
        for trial in chosen:
            live.update(_table(done[-max(console.height - 8, 1) :], f"{len(done)} of {len(chosen)}", trial))
            done.append(_tried(trial))
    console.print(_table(done))
    return done


def _table(done: Sequence[Tried], title: str = "", running: Trial | None = None) -> Table:
    """A row for each that is done, and one for the trial that is running."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("trial", "on", "", "s", ""):
        table.add_column(name, justify="right" if name == "s" else "left", no_wrap=True, header_style="dim")
    for one in done:
        colour = "green" if one.found.passed else "red"
        state, note = Text(one.state, colour), Text(one.found.note.partition("\n")[0], "dim")
        table.add_row(Text(str(one.trial)), one.trial.whose, state, f"{one.seconds:.1f}", note)
    if running:
        table.add_row(Text(str(running), "bold"), running.whose, Spinner("dots"), "", "")
    return table

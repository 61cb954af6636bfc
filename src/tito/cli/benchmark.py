"""Commands of the Torch Olympics: events, entries, results, and whether they hold here."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tinytorch import olympics
from tinytorch.datasets import DataUnavailable, data_root
from tinytorch.olympics import Event, Score, Source
from tito.cli.common import Reference, app, fail, say, workspace
from tito.history import milestones
from tito.measure import contest, entries, leaderboard
from tito.measure.contest import Trial
from tito.measure.entries import Entry, Framework, Progress
from tito.outcomes import Infrastructure
from tito.work.workspace import Workspace

benchmark = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The Torch Olympics: make a network smaller, faster or better than the baseline.\n\n"
    "\b\n  tito benchmark events                  what there is to win\n"
    "  tito benchmark start mlp_sprint        a first entry, to begin from\n"
    "  tito benchmark run --event mlp_sprint work/entries/mlp_sprint",
)
app.add_typer(benchmark, name="benchmark")

EventName = Annotated[str, typer.Option("--event", metavar="EVENT", help="Its name: see tito benchmark events.")]
EntryPath = Annotated[Path, typer.Argument(metavar="ENTRY", help="Its folder, or its program.")]
Rounds = Annotated[
    int | None, typer.Option(min=3, help="How often new processes race; of a speedrun, how often they train.")
]


@benchmark.command("events")
def list_events() -> None:
    """List the events: what is asked, how good an answer has to be, what counts.

    \b
      tito benchmark events
    """
    for event in olympics.EVENTS.values():
        say(f"{event.name}  {event.title}")
        weights = ", ".join(f"{name} {weight:g}" for name, weight in event.measures.items())
        say(f"      {event.data}; {event.gate}. What counts: {weights}")
    say("\nBegin: tito benchmark start mlp_sprint")


@benchmark.command("start")
def start_entry(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Its name: see tito benchmark events.")],
    folder: Annotated[Path | None, typer.Argument(help="Where; work/entries/EVENT, if not given.")] = None,
) -> None:
    """Write a first entry: the baseline itself, for you to improve. Nothing is overwritten.

    \b
      tito benchmark start mlp_sprint             writes into work/entries/mlp_sprint
      tito benchmark start mlp_sprint my/folder
    """
    here, chosen = workspace(), entries.event(event)
    place = folder or here.folder / "entries" / chosen.name
    files = entries.first_files(here.course, chosen)
    if there := [name for name in files if (place / name).exists()]:
        say(f"{here.label(place / there[0])} is already there and stays as it is.")
        raise typer.Exit(1)
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        with open(place / name, "xb") as file:
            file.write(text)
    say(f"{here.label(place)} is yours, with {' and '.join(files)}. {chosen.title}; {chosen.gate} is needed.")
    say(f"Race it: tito benchmark run --event {chosen.name} {shlex.quote(here.label(place))}")


@benchmark.command("run")
def run_entry(
    entry: EntryPath,
    event: EventName,
    reference: Reference = False,
    rounds: Rounds = None,
) -> None:
    """Race an entry beside the baseline, on this machine: its score, with intervals.

    It runs in the sandbox, on your own chapters that have all their points; the rest is the reference's. The judge
    draws fresh inputs for every turn, and owns the clock.

    \b
      tito benchmark run --event mlp_sprint work/entries/mlp_sprint
      tito benchmark run --event cpu_speedrun run.py       trains, three times: about half an hour
    """
    here, chosen = workspace(), entries.event(event)
    trial = _run(here, chosen, entries.read(entry), framework(here, reference), rounds)
    show(chosen, trial)
    raise typer.Exit(0 if trial.score.passed else 1)


@benchmark.command("submit")
def submit_entry(
    entry: EntryPath,
    event: EventName,
    name: Annotated[str, typer.Option(help="What the entry is called: a-z, 0-9, - and _.")] = "",
    author: Annotated[str, typer.Option(help="Who made it.")] = "",
    reference: Reference = False,
    rounds: Rounds = None,
    folder: Annotated[Path | None, typer.Option("--to", help="Where; work/leaderboard, if not given.")] = None,
) -> None:
    """Race an entry, and write its result as a JSON file, its own files beside it.

    The leaderboard is a folder of such results: copy both into docs/leaderboard, and open a pull request.

    \b
      tito benchmark submit --event mlp_sprint --name int8 --author "Ada L." work/entries/mlp_sprint
    """
    here, chosen, mine = workspace(), entries.event(event), entries.read(entry)
    own, place = framework(here, reference), folder or here.folder / "leaderboard"
    command = shlex.join(["tito", *sys.argv[1:]])
    leaderboard.check_free(place, chosen.name, name or mine.label)
    trial = _run(here, chosen, mine, own, rounds)
    show(chosen, trial)
    against = entries.baseline(here.course, chosen, None)
    made = leaderboard.result(trial, mine, against, own, name or mine.label, author, command)
    path = leaderboard.save(made, mine, place)
    say(f"Written: {here.label(path)}, and its files beside it.")
    say(f"Anyone can run it again: tito benchmark verify {here.label(path)}")


@benchmark.command("verify")
def verify_result(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A result: a JSON file, its entry beside it.")],
    rounds: Rounds = None,
) -> None:
    """Run a result again, and say whether what it claims holds on this machine.

    It holds unless a measure is surely worse here: unless its interval lies beyond the claimed one. If it was made on
    the author's own chapters, and they are in your work, it runs on these; else on the reference.

    \b
      tito benchmark verify docs/leaderboard/mlp_sprint-int8.json
    """
    here, found = workspace(), leaderboard.load(file)
    entry, chosen = leaderboard.files(file, found), entries.event(found.trial.event)
    own = same_framework(here, found)
    trial = _run(here, chosen, entry, own, rounds)
    show(chosen, trial)
    claims = Table(box=None, pad_edge=False, header_style="")
    for column in ("ours / baseline's", "claimed", "here", ""):
        claims.add_column(column)
    for check in leaderboard.checks(found, trial):
        claims.add_row(check.measure, str(check.claimed), str(check.here or "-"), check.word)
    Console(highlight=False).print(claims)
    if not leaderboard.holds(found, trial):
        say(f"What {found.stem} claims does not hold on this machine.")
        raise typer.Exit(1)
    say(f"What {found.stem} claims holds on this machine.")


# -- what these commands share ----------------------------------------------------------------------------------------


def framework(here: Workspace, reference: bool) -> Framework:
    """The student's chapters that have all their points, unless the reference's are asked for."""
    if reference:
        return entries.REFERENCE
    whole = [chapter.name for chapter in here.begun() if not milestones.lacking(here, [chapter.name])]
    return Framework(here.folder, tuple(whole))


def same_framework(here: Workspace, found: leaderboard.Result) -> Framework:
    """The chapters that a result was made on, if they are here; else the reference's, and a word about it."""
    own = Framework(here.folder, tuple(name for name in found.framework if (here.folder / f"{name}.py").is_file()))
    if own.hashes == found.framework:
        return own
    say("It was made on its author's own chapters, which are not here: it runs on the reference's.")
    return entries.REFERENCE


def _run(here: Workspace, chosen: Event, entry: Entry, own: Framework, rounds: int | None) -> Trial:
    """Race an entry, with a live line. What it is refused for is one line, and exit code 2."""
    source = data(chosen)
    mine = ", ".join(own.chapters)
    whose = f"your own {mine}; the rest is given" if mine else "the reference, all of it"
    say(f"{chosen.title}. The framework: {whose}.")
    try:
        with shown() as progress:
            return contest.run(here.course, chosen, entry, source, own, rounds or 0, progress=progress)
    except Infrastructure as error:
        fail(f"it could not be measured, for reasons that are not the entry's: {error}")


def data(chosen: Event) -> Source:
    """The event's data. One line, and exit code 2, where they cannot be had."""
    try:
        return olympics.source_of(chosen, data_root())
    except DataUnavailable as error:
        fail(str(error))


@contextmanager
def shown() -> Iterator[Progress]:
    """A live line of how it goes; nothing where the output is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        yield lambda *_: None
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:

        def progress(what: str, done: int, steps: int, note: str) -> None:
            width = 24 * done // steps
            live.update(f"{what}  [green]{'━' * width}[/green][dim]{'━' * (24 - width)}[/dim]  {note}")

        yield progress


def show(chosen: Event, trial: Trial) -> None:
    """The score of a trial: measure by measure, what it earns, and what it stands on."""
    score, console = trial.score, Console(highlight=False, soft_wrap=True)
    reached = f"{score.quality:.4g}" if score.quality == score.quality else "not a number"
    console.print(
        f"{chosen.gate.metric}: {reached}; {chosen.gate} is needed: {'passed' if score.passed else 'not passed'}."
    )
    if score.passed:
        console.print(rows(score, trial))
        assert score.interval is not None
        console.print(f"Score: {score.total:.3f}. Without regard to chance: {score.interval}.")
        if "server" in trial.measured["entry"]:
            console.print(server(trial))
    else:
        console.print("Score: 0. Nothing is compared before the gate is passed.")
    facts = [f"{trial.division} division", f"{trial.rounds} rounds", f"seed {trial.seed}"]
    console.print("; ".join(facts).capitalize() + ".")
    for note in trial.notes:
        console.print(note)


def server(trial: Trial) -> str:
    """The server scenario, which is told and does not count."""
    ours, theirs = trial.measured["entry"], trial.measured["baseline"]
    rates = f"{ours['server']:,.0f} queries a second, the baseline {theirs['server']:,.0f}"
    return f"As a server: {rates}, with 99 % answered within {1e3 * ours['limit']:.2f} ms. It does not count."


UNITS = {
    "latency": (1e3, "ms"),
    "throughput": (1e3, "ms a batch"),
    "seconds": (1, "s"),
    "memory": (1e-6, "MB"),
    "size": (1e-3, "kB"),
}


def rows(score: Score, trial: Trial) -> Table:
    """Ours, the baseline's, their ratio with its interval, and the gain."""
    table = Table(box=None, pad_edge=False, header_style="")
    for column in ("", "entry", "baseline", "ours / baseline's", "gain"):
        table.add_column(column, justify="left" if column in ("", "ours / baseline's") else "right")
    for name, ratio in score.ratios.items():
        scale, unit = UNITS.get(name, (1, "mean loss"))
        both = [trial.measured[who]["losses" if name == "accuracy" else name] * scale for who in ("entry", "baseline")]
        table.add_row(name, *(f"{number:.4g} {unit}" for number in both), str(ratio), f"{score.gains[name]:.3f}")
    return table

"""Commands that measure: a chapter's profile, the comparison with PyTorch, what people claim."""

from typing import Annotated

import typer
from rich.console import Console

from tinytorch.datasets import data_root
from tito.cli.common import app, fail, say
from tito.course import default
from tito.data import named, state
from tito.measure import claims, comparison, profiles


@app.command()
def profile(
    name: Annotated[str, typer.Argument(metavar="CHAPTER", help="Its number or name; or another workload's name.")],
    record: Annotated[bool, typer.Option("--record", help="Keep the summary for the book.")] = False,
) -> None:
    """Show where a chapter's workload spends its time and memory.

    It runs under Scalene, and once without. The reports are in build/profiles.

    \b
      tito profile 05            the same as: nox -s profile-05
      tito profile 05 --record   writes chapters/measures/profiles/05.json, which the chapter shows
    """
    course = default()
    made, html = profiles.measure(course, name)
    say(made.table())
    say(f"\nScalene's report: {html}")
    if record:
        say(f"Recorded: {profiles.record(course, made)}")


@app.command()
def compare(
    only: Annotated[str | None, typer.Option("-k", metavar="TEXT", help="Only benchmarks named so.")] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="How many turns each framework has.")] = 7,
    record: Annotated[bool, typer.Option("--record", help="Keep the result for the book.")] = False,
) -> None:
    """Compare with PyTorch: training steps, one addition, a long chain; and tokenizers with Hugging Face's.

    Each framework runs in a process of its own, in turns, on one thread and on two. Where the other is not
    installed, TinyTorch is measured alone. Tokenizers are measured on Tiny Shakespeare: tito data shakespeare.

    \b
      tito compare            the same as: nox -s bench
      tito compare -k cnn     the steps of convolutional networks only
      tito compare --record   writes chapters/measures/comparison.json, which the book shows
    """
    course = default()
    names = [name for name in comparison.CALLS if (only or "") in name]
    if not names:
        fail(f"no benchmark is named {only!r}; there are: {', '.join(comparison.CALLS)}")
    if state(named("shakespeare"), data_root()) != "here":
        say(f"Left out, for want of their text: {', '.join(comparison.RIVALS)}. tito data shakespeare fetches it.")
        names = [name for name in names if name not in comparison.RIVALS]
    if record and only:
        fail("the book shows every benchmark: --record goes without -k")
    console = Console()
    with console.status("starting") as status:
        done = comparison.compare(course, names, repetitions, status.update)
    comparison.save(done, course.root / "build" / "comparison.json")
    comparison.show(done, console)
    if record:
        comparison.save(done, comparison.recorded(course))
        say(f"Recorded: {comparison.recorded(course)}")


@app.command("claims")
def claims_(
    only: Annotated[str | None, typer.Option("-k", metavar="TEXT", help="Only claims named so.")] = None,
    record: Annotated[bool, typer.Option("--record", help="Keep the numbers for the book.")] = False,
) -> None:
    """Measure what people repeat about these systems: that Adam holds three times the parameters, and the like.

    Each is measured in a process of its own. The page about claims says what the numbers make of the sentence.

    \b
      tito claims              the same as: nox -s claims
      tito claims -k adam      one of them
      tito claims --record     writes chapters/measures/claims.json, which the page shows
    """
    course = default()
    names = [name for name in claims.names(course) if (only or "") in name]
    if not names:
        fail(f"no claim is named {only!r}; there are: {', '.join(claims.names(course))}")
    for name in names:
        made = claims.measure(course, name)
        say(made.table() + "\n")
        if record:
            claims.record(course, made)
    if record:
        say(f"Recorded: {claims.recorded(course)}")

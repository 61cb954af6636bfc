"""Commands of milestones and checkpoints: history on one's own code, and what the chapters can do together."""

import sys
from typing import Annotated

import typer

from tito.cli.common import Reference, app, fail, say, workspace
from tito.grading.report import CheckResult, shown
from tito.grading.terminal import said
from tito.history import milestones, questions
from tito.outcomes import Infrastructure
from tito.work.workspace import Workspace

milestone = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="History, on your own code: the networks that made it, trained by what you built.\n\n"
    "\b\n  tito milestone list              what there is, what it needs, its result\n"
    "  tito milestone run 1957          on your chapters, once they have all their points\n"
    "  tito milestone run 1986 --reference",
)
checkpoint = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What your chapters can do together, as questions.\n\n"
    "\b\n  tito checkpoint status     all of them, and where you stand\n"
    "  tito checkpoint test 06    answer one",
)
app.add_typer(milestone, name="milestone")
app.add_typer(checkpoint, name="checkpoint")

# -- milestones -------------------------------------------------------------------------------------------------------


@milestone.command("list")
def list_milestones() -> None:
    """List the milestones: what each shows, what it needs, its result.

    \b
      tito milestone list
    """
    here = workspace()
    for chosen in milestones.milestones(here.course):
        say(f"{chosen.name}  {chosen.title}")
        say(f"      {_told(chosen, here)}")
    say("\nRun one: tito milestone run 1957    on the reference: --reference")


def _told(chosen: milestones.Milestone, here: Workspace) -> str:
    """A milestone's result with whose code and when, or what it waits for."""
    if found := milestones.known(chosen, here):
        whose = "your code" if found["code"] == "work" else "the reference"
        return f"{found['accuracy']:.1%} on {whose}, {sum(found['seconds'].values()):.1f} s, {found['when'][:10]}"
    lacks = milestones.lacking(here, chosen.needs)
    return f"needs {', '.join(lack.label.strip() for lack in lacks)}" if lacks else "not run yet"


@milestone.command("run")
def run_milestone(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its year or name, or all.")],
    reference: Reference = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: forget what a stopped run kept.")] = False,
    record: Annotated[bool, typer.Option("--record", help="With --reference: write the result of the book.")] = False,
    seed: Annotated[
        int | None, typer.Option(help="Of the weights and the order of the data; the year, if not given.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Of a milestone that has several, such as long in 1998.")] = "",
    note: Annotated[str, typer.Option(help="A remark that the result keeps: on the data, say, or the machine.")] = "",
    prompt: Annotated[str, typer.Option(help="Train nothing: let what 2017 trained go on with this text.")] = "",
    chat: Annotated[bool, typer.Option("--chat", help="Train nothing: talk with what 2017 trained.")] = False,
) -> None:
    """Run a milestone on your own code.

    It uses your chapters that it needs, once they have all their points; everything else is the reference's. Ctrl-C
    stops it calmly: the next run goes on from there. The result is written next to your work.

    \b
      tito milestone run 1957               the perceptron
      tito milestone run all --reference    all of them, on the reference
      tito milestone run 1986 --fresh       from the start, whatever a stopped run kept
      tito milestone run 1998 --preset long a longer training than usual
      tito milestone run 2017 --prompt "ROMEO:"    a text by what the last run trained
    """
    here = workspace()
    if record and not reference:
        fail("the book shows what the reference does: --record needs --reference")
    found = milestones.wanted(here.course, name, preset)
    if prompt or chat:
        options = {"prompt": prompt, "chat": chat}
        each = [milestones.speak(chosen, here, reference, seed or 0, options) for chosen in found]
        raise typer.Exit(max(each))
    codes = [_run_milestone(chosen, here, reference, fresh, record, seed, note) for chosen in found]
    raise typer.Exit(max(codes))


def _run_milestone(
    chosen: milestones.Milestone,
    here: Workspace,
    reference: bool,
    fresh: bool,
    record: bool,
    seed: int | None,
    note: str,
) -> int:
    lacks = milestones.lacking(here, chosen.needs)
    if lacks and not reference:
        say(f"{chosen.name}: {chosen.title}. It runs on your own code, and needs more of it:")
        say(milestones.told(lacks))
        say(f"See it on the reference meanwhile: tito milestone run {chosen.name} --reference")
        return 1
    if missing := milestones.unbuilt(chosen, here.course):
        say(f"{chosen.name}: {chosen.title}. The framework has no {', '.join(missing)} yet.")
        return 1
    mine = [chapter.name for chapter in here.begun() if chapter.name in chosen.needs and not reference]
    whose = f"your own {', '.join(mine)}; the rest is given" if mine else "the reference, all of it"
    say(f"{chosen.name}: {chosen.title}.")
    say(f"On {whose}.")
    seed = int(chosen.name) if seed is None else seed
    if fresh:
        milestones.forget(milestones.state_folder(chosen, here, reference, seed))
    sys.stdout.flush()
    run = milestones.run(chosen, here, reference, seed, note)
    again = f"tito milestone run {chosen.name}" + (" --reference" if reference else "")
    again += f" --preset {chosen.preset}" if chosen.preset else ""
    if run.stopped:
        say(f"Stopped, and kept. Go on: {again}    start over: {again} --fresh")
        raise typer.Exit(milestones.STOPPED)
    if run.result is None:
        say(f"{chosen.name} ended early. Mend that, then: {again}")
        return 1
    path = chosen.recorded if record else chosen.result(here, reference)
    milestones.keep(path, run.result)
    say(f"{run.result['accuracy']:.1%}. Written to {here.label(path)}")
    return 0


# -- checkpoints ------------------------------------------------------------------------------------------------------


@checkpoint.command("status")
def checkpoint_status() -> None:
    """List the checkpoints, and where you stand.

    \b
      tito checkpoint status
    """
    here = workspace()
    for question in questions.questions(here.course).all:
        say(f"{question.id}  {question.text:52} {questions.standing(question, here)}")
    say("\nAnswer one: tito checkpoint test 01")


@checkpoint.command("test")
def checkpoint_test(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="01 to 16.")], reference: Reference = False
) -> None:
    """Answer a question with your own chapters.

    They run together in a process of their own; what is right is computed outside it.

    \b
      tito checkpoint test 06
      tito checkpoint test 06 --reference    what a pass looks like
    """
    here = workspace()
    question = questions.wanted(here.course, number)
    if not questions.available(question, here.course, reference):
        fail(f"checkpoint {question.id} is not available yet: {question.text} It needs {', '.join(question.needs)}")
    if (lacks := questions.missing(question, here)) and not reference:
        say(f"{question.id}  {question.text} It is asked of your own chapters, and needs more of them:")
        say(milestones.told(lacks))
        raise typer.Exit(1)
    mine = [chapter.name for chapter in here.begun() if chapter.name in question.needs and not reference]
    say(f"{question.id}  {question.text}")
    say(f"On {'your own ' + ', '.join(mine) + '; the rest is given' if mine else 'the reference, all of it'}.")
    try:
        verdict = questions.test(question, here, reference)
    except Infrastructure as error:
        fail(f"it could not be tested, for reasons that are not yours: {error}")
    if not reference:
        questions.record(question, here, verdict)
    say(" ".join(question.doc.split()))
    if verdict.outcome is None:
        say("Yes." if not reference else "Yes, it can.")
        return
    result = CheckResult(question.id, 0, question.doc)
    result.tell(verdict.outcome)
    for line in said(result):
        say(line)
    if verdict.printed.strip():
        say("  your code printed:")
        say("\n".join(f"    | {line}" for line in shown(verdict.printed.strip("\n")).split("\n")[:12]))
    say(f"Not yet: {verdict.state}. Ask again: tito checkpoint test {question.id}")
    raise typer.Exit(1)

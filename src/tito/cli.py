"""tito, the course tool, on the command line.

Exit codes: 0 all points (or done), 1 not all points, 2 asked for something that is not there.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tinytorch.datasets import DataUnavailable
from tito import checkpoints as questions
from tito import course as courses
from tito import data as data_sets
from tito import milestones as history
from tito.course import Chapter, Course, CourseError
from tito.doctor import examine
from tito.isolation import strongest
from tito.judge import DEADLINE, SEED, Grading, grade, picked
from tito.outcome import Infrastructure, Outcome
from tito.play import debug as debug_case
from tito.play import run as run_python
from tito.report import harmless, shown
from tito.rubric import load
from tito.show import show
from tito.source import SourceError
from tito.stubs import definitions
from tito.workspace import Workspace, write

app = typer.Typer(
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
milestone = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="History, on your own code: the networks that made it, trained by what you built.\n\n"
    "\b\n  tito milestone list              what there is, what it needs, what came of it\n"
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

Number = Annotated[str, typer.Argument(metavar="CHAPTER", help="Its number or name: 05, 5, autograd.")]


def main() -> None:
    """The entry point. Errors that a person can mend are one line and exit code 2."""
    try:
        app()
    except (CourseError, SourceError, LookupError) as error:
        fail(str(error.args[0] if error.args else error))


def say(text: str = "") -> None:
    typer.echo(text)


def fail(text: str) -> None:
    typer.echo(f"tito: {text}", err=True)
    sys.exit(2)


def opened(number: str) -> tuple[Workspace, Chapter]:
    course = courses.default()
    try:
        return Workspace.of(course), course.chapter(number)
    except CourseError as error:
        fail(str(error))
        raise


# -- work -------------------------------------------------------------------------------------------------------------


@app.command()
def start(number: Number) -> None:
    """Write a chapter's stub into work/.

    It is the reference with the graded bodies left out. A file that is there already is never overwritten.

    \b
      tito start 05
    """
    workspace, chapter = opened(number)
    exercises = _exercises(workspace.course, chapter)
    try:
        path = workspace.start(chapter)
    except FileExistsError:
        say(f"{workspace.label(workspace.file(chapter))} is already there and stays as it is.")
        say(f"Start again from the stub, with a copy of your work: tito reset {chapter.number}")
        raise typer.Exit(1) from None
    first = next(iter(exercises))
    line = definitions(path.read_text(encoding="utf-8"))[first].body
    points = sum(exercise.points for exercise in exercises.values())
    say(f"{workspace.label(path)} is yours: {len(exercises)} exercises, {points} points.")
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
    workspace, chapter = opened(number)
    yours = bool(workspace.begun()) or require_work
    _pick(workspace.course, chapter, only)
    report = grade(
        chapter.number,
        course=workspace.course,
        work=workspace.folder if yours else None,
        seed=seed,
        only=only,
        integrated=not isolated_only,
    )
    path = workspace.file(chapter)
    if not yours:
        say(f"There is nothing in {workspace.label(workspace.folder)} yet, so this grades the reference, to show what")
        say(f"a pass looks like. No points are recorded. Begin with: tito start {chapter.number}\n")
    elif not path.is_file():
        say(f"Chapter {chapter.number} is not started: {workspace.label(path)} is not there.")
        say(f"Begin with: tito start {chapter.number}\n")
    label = workspace.label(path) if yours else f"the reference src/tinytorch/{chapter.name}.py"
    show(report, Console(), label)
    if yours and path.is_file():
        workspace.record(report)
    if json_file:
        write(json_file.resolve(), json.dumps(report.to_json(), indent=2) + "\n")
    raise typer.Exit(0 if report.passed else 1)


@app.command()
def status() -> None:
    """Show the points so far, and what comes next."""
    workspace = Workspace.of(courses.default())
    for chapter, exercises, known in _standing(workspace):
        points = sum(known[name]["points"] for name in exercises if name in known)
        begun = workspace.file(chapter).is_file()
        state = f"{points if begun else '-':>3}/{sum(exercise.points for exercise in exercises.values())}"
        say(f"{chapter.number} {chapter.name:16} {state:>7}  {'' if begun else 'not started'}".rstrip())
    for line in _journey(workspace):
        say(line)
    say(f"\nNext: {_following(workspace)}")


def _journey(workspace: Workspace) -> list[str]:
    """Checkpoints and milestones in a line each; nothing where the course has none."""
    asked, lines = questions.checkpoints(workspace.course).all, []
    if asked:
        states = {one.id: questions.standing(one, workspace) for one in asked}
        passed = [id for id, state in states.items() if state == "passed"]
        waiting = [id for id, state in states.items() if state not in ("passed", "not available yet")]
        ready = [id for id in waiting if not states[id].startswith("needs")]
        line = f"Checkpoints   {len(passed)} of {len(asked)} passed"
        lines.append(line + (f"; ready to be tested: {', '.join(ready)}" if ready else ""))
    if found := history.milestones(workspace.course):
        lines.append("Milestones    " + ", ".join(f"{one.name} {_reached(one, workspace)}" for one in found))
    return ["", *lines] if lines else []


def _reached(one: history.Milestone, workspace: Workspace) -> str:
    """What came of a milestone so far, in a few words."""
    if found := history.known(one, workspace):
        whose = "" if found["code"] == "work" else " by the reference"
        return f"{found['accuracy']:.1%}{whose}"
    return "is waiting" if history.lacking(workspace, one.needs) else "can run"


def _standing(workspace: Workspace) -> list[tuple[Chapter, dict, dict]]:
    """Every chapter that has a rubric, with its exercises and what was recorded of each."""
    recorded, found = workspace.progress()["chapters"], []
    for chapter in workspace.course.chapters():
        if chapter.rubric_path.is_file():
            exercises = load(chapter.number, workspace.course).exercises
            found.append((chapter, exercises, recorded.get(chapter.number, {}).get("exercises", {})))
    return found


def _following(workspace: Workspace) -> str:
    """The next thing to do: an exercise of a chapter that is begun, a chapter to begin, then what they can do."""
    standing = _standing(workspace)
    for chapter, exercises, known in standing:
        waiting = [name for name in exercises if known.get(name, {}).get("state") != "passed"]
        if waiting and workspace.file(chapter).is_file():
            path = workspace.label(workspace.file(chapter))
            return f"{waiting[0]} in {path}, then tito grade {chapter.number} -k {waiting[0]}"
    for chapter, _, _ in standing:
        if not workspace.file(chapter).is_file():
            return f"tito start {chapter.number}"
    for one in history.milestones(workspace.course):
        if not one.result(workspace).is_file() and not history.lacking(workspace, one.needs):
            return f"tito milestone run {one.name}"
    for asked in questions.checkpoints(workspace.course).all:
        state = questions.standing(asked, workspace)
        if state not in ("passed", "not available yet") and not state.startswith("needs"):
            return f"tito checkpoint test {asked.id}"
    return "nothing is left: all points of all chapters"


@app.command()
def diff(number: Number) -> None:
    """Show what you changed in a chapter.

    The comparison is with the stub as it was given.
    """
    workspace, chapter = opened(number)
    say(workspace.diff(chapter) or "Nothing is changed yet.")


@app.command()
def reset(number: Number) -> None:
    """Start a chapter again from its stub.

    Your work is copied aside first, and the copy is named.
    """
    workspace, chapter = opened(number)
    backup = workspace.reset(chapter)
    say(f"{workspace.label(workspace.file(chapter))} is the stub again. Your work is in {workspace.label(backup)}")


@app.command()
def update(number: Number) -> None:
    """Take the newest given code, keep your work.

    Your graded bodies stay in their places; what has no place any more is kept at the end of the file.
    """
    workspace, chapter = opened(number)
    done = workspace.update(chapter)
    path = workspace.label(workspace.file(chapter))
    if not done.changed:
        say(f"{path} is up to date.")
        return
    say(f"{path} has the newest given code. Your bodies: {', '.join(done.carried) or 'none yet'}.")
    for name in done.kept:
        say(f"  kept at the end of the file: {name}")
    say(f"The file as it was: {workspace.label(done.backup)}" if done.backup else "")


# -- play -------------------------------------------------------------------------------------------------------------


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
    code, _ = run_python(Workspace.of(courses.default()), [*before, str(file), *context.args])
    raise typer.Exit(code)


@app.command()
def shell() -> None:
    """Open a Python prompt on your own framework.

    tinytorch is there as tt, numpy as np.
    """
    workspace = Workspace.of(courses.default())
    names = ", ".join(chapter.name for chapter in workspace.begun()) or "none yet; all are the reference's"
    say(f"Your chapters here: {names}.")
    code, _ = run_python(workspace, ["-i", "-c", "import numpy as np, tinytorch as tt"])
    raise typer.Exit(code)


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
    workspace, chapter = opened(number)
    workspace.text(chapter)
    exercise = _pick(workspace.course, chapter, only)
    report = grade(
        chapter.number, course=workspace.course, work=workspace.folder, seed=seed, only=exercise, integrated=False
    )
    result = report[exercise]
    lost = [check for check in result.checks if check.state != "passed"]
    if not lost or result.state == "not started":
        say(f"{exercise}: {result.state}. There is no failing case to look at.")
        raise typer.Exit(0 if not lost else 1)
    check = next((check for check in lost if check.call and check.call["do"] != "examples"), lost[0])
    typer.echo(f"{exercise}, {check.name}: {check.message}")
    sys.stdout.flush()
    grading = Grading(workspace.course, chapter, seed, strongest(), DEADLINE)
    raise typer.Exit(debug_case(workspace, chapter, exercise, check, grading))


@app.command()
def digits() -> None:
    """Train a small network on handwritten digits."""
    from tito.digits import learn

    learn(Console())


@app.command()
def profile(
    name: Annotated[str, typer.Argument(metavar="CHAPTER", help="Its number or name; or another workload's name.")],
    record: Annotated[bool, typer.Option("--record", help="Keep the summary for the book.")] = False,
) -> None:
    """Show where a chapter's workload spends its time and memory.

    It runs under Scalene, and once without. The reports are in build/profiles.

    \b
      tito profile 05            the same as: nox -s profile-05
      tito profile 05 --record   writes chapters/profiles/05.json, which the chapter shows
    """
    from tito import profiles

    course = courses.default()
    made, html = profiles.measure(course, name)
    say(made.table())
    say(f"\nScalene's report: {html}")
    if record:
        say(f"Recorded: {profiles.record(course, made)}")


@app.command()
def bench(
    only: Annotated[str | None, typer.Option("-k", metavar="TEXT", help="Only benchmarks named so.")] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="How many turns each framework has.")] = 7,
    record: Annotated[bool, typer.Option("--record", help="Keep the result for the book.")] = False,
) -> None:
    """Compare with PyTorch: training steps, one addition, a long chain.

    Each framework runs in a process of its own, in turns, on one thread and on two. Where PyTorch is not installed,
    TinyTorch is measured alone.

    \b
      tito bench            the same as: nox -s bench
      tito bench -k cnn     the steps of convolutional networks only
      tito bench --record   writes chapters/bench/results.json, which the book shows
    """
    from tito import bench as benches

    course = courses.default()
    names = [name for name in benches.CALLS if (only or "") in name]
    if not names:
        fail(f"no benchmark is named {only!r}; there are: {', '.join(benches.CALLS)}")
    if record and only:
        fail("the book shows every benchmark: --record goes without -k")
    console = Console()
    with console.status("starting") as status:
        done = benches.compare(course, names, repetitions, status.update)
    benches.save(done, course.root / "build" / "bench.json")
    benches.show(done, console)
    if record:
        benches.save(done, benches.recorded(course))
        say(f"Recorded: {benches.recorded(course)}")


@app.command(name="next")
def next_() -> None:
    """Say what to open and what to do next."""
    course = courses.default()
    book = course.root / "build" / "book" / "index.html"
    say(f"Read    {book}" if book.is_file() else "Read    nox -s book builds the book")
    workspace = Workspace.of(course)
    say(f"Next    {_following(workspace)}")
    say("Points  tito status")


@app.command()
def doctor() -> None:
    """Look at what the course needs here.

    Python, NumPy and its BLAS, the work folder, the isolation: each is tried, not looked up.
    """
    course = courses.default()
    found = examine(course, Workspace.of(course))
    for line in found:
        say(f"{line.name:10} {line.text}" + ("" if line.fine else f"\n{'':10} -> {line.fix}"))
    raise typer.Exit(0 if all(line.fine for line in found) else 1)


# -- data -------------------------------------------------------------------------------------------------------------


@app.command()
def data(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="digits, mnist, cifar10 or shakespeare.")] = None,
) -> None:
    """List the data sets, or fetch one.

    They are verified by checksum and kept in the folder TINYTORCH_DATA, else in your cache folder. A download that
    broke off goes on where it was.

    \b
      tito data          what there is, and what is here
      tito data mnist    fetch MNIST
    """
    folder = data_sets.root()
    if name is None:
        for one in data_sets.SETS:
            say(f"{one.name:12} {one.what:48} {data_sets.state(one, folder)}")
        say(f"\nThey are kept in {folder}. Fetch one: tito data mnist")
        return
    one = data_sets.named(name)
    try:
        data_sets.fetch(one, folder, Console())
    except KeyboardInterrupt:
        say(f"Stopped. What has come so far is kept: tito data {one.name} goes on from there.")
        raise typer.Exit(130) from None
    except (DataUnavailable, ValueError) as error:
        fail(str(error))
    where = "is in the package" if not one.sources else f"is here, whole, in {folder}"
    say(f"{one.name} {where}: {one.what}.")


# -- milestones -------------------------------------------------------------------------------------------------------

Reference = Annotated[bool, typer.Option("--reference", help="On the reference's code instead of yours.")]


@milestone.command("list")
def list_milestones() -> None:
    """List the milestones: what each shows, what it needs, what came of it.

    \b
      tito milestone list
    """
    workspace = Workspace.of(courses.default())
    for one in history.milestones(workspace.course):
        say(f"{one.name}  {one.title}")
        say(f"      {_told(one, workspace)}")
    say("\nRun one: tito milestone run 1957    on the reference: --reference")


def _told(one: history.Milestone, workspace: Workspace) -> str:
    """A milestone's result with whose code and when, or what it waits for."""
    if found := history.known(one, workspace):
        whose = "your code" if found["code"] == "work" else "the reference"
        return f"{found['accuracy']:.1%} on {whose}, {sum(found['seconds'].values()):.1f} s, {found['when'][:10]}"
    lacks = history.lacking(workspace, one.needs)
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
) -> None:
    """Run a milestone on your own code.

    It uses your chapters that it needs, once they have all their points; everything else is the reference's. Ctrl-C
    stops it calmly: the next run goes on from there. The result is written next to your work.

    \b
      tito milestone run 1957               the perceptron
      tito milestone run all --reference    all of them, on the reference
      tito milestone run 1986 --fresh       from the start, whatever a stopped run kept
      tito milestone run 1998 --preset long a longer training than usual
    """
    workspace = Workspace.of(courses.default())
    if record and not reference:
        fail("the book shows what the reference does: --record needs --reference")
    found = history.wanted(workspace.course, name, preset)
    codes = [_run_milestone(one, workspace, reference, fresh, record, seed, note) for one in found]
    raise typer.Exit(max(codes))


def _run_milestone(
    one: history.Milestone,
    workspace: Workspace,
    reference: bool,
    fresh: bool,
    record: bool,
    seed: int | None,
    note: str,
) -> int:
    lacks = history.lacking(workspace, one.needs)
    if lacks and not reference:
        say(f"{one.name}: {one.title}. It runs on your own code, and needs more of it:")
        say(history.told(lacks))
        say(f"See it on the reference meanwhile: tito milestone run {one.name} --reference")
        return 1
    if missing := history.unbuilt(one, workspace.course):
        say(f"{one.name}: {one.title}. The framework has no {', '.join(missing)} yet.")
        return 1
    mine = [chapter.name for chapter in workspace.begun() if chapter.name in one.needs and not reference]
    whose = f"your own {', '.join(mine)}; the rest is given" if mine else "the reference, all of it"
    say(f"{one.name}: {one.title}.")
    say(f"On {whose}.")
    seed = int(one.name) if seed is None else seed
    if fresh:
        history.forget(history.state_folder(one, workspace, reference, seed))
    sys.stdout.flush()
    run = history.run(one, workspace, reference, seed, note)
    again = f"tito milestone run {one.name}" + (" --reference" if reference else "")
    again += f" --preset {one.preset}" if one.preset else ""
    if run.stopped:
        say(f"Stopped, and kept. Go on: {again}    start over: {again} --fresh")
        raise typer.Exit(history.STOPPED)
    if run.result is None:
        say(f"{one.name} ended early. Mend that, then: {again}")
        return 1
    path = one.recorded if record else one.result(workspace, reference)
    history.keep(path, run.result)
    say(f"{run.result['accuracy']:.1%}. Written to {workspace.label(path)}")
    return 0


# -- checkpoints ------------------------------------------------------------------------------------------------------


@checkpoint.command("status")
def checkpoint_status() -> None:
    """List the checkpoints, and where you stand.

    \b
      tito checkpoint status
    """
    workspace = Workspace.of(courses.default())
    for one in questions.checkpoints(workspace.course).all:
        say(f"{one.id}  {one.question:52} {questions.standing(one, workspace)}")
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
    workspace = Workspace.of(courses.default())
    one = questions.wanted(workspace.course, number)
    if not questions.available(one, workspace.course, reference):
        fail(f"checkpoint {one.id} is not available yet: {one.question} It needs {', '.join(one.needs)}")
    if (lacks := questions.missing(one, workspace)) and not reference:
        say(f"{one.id}  {one.question} It is asked of your own chapters, and needs more of them:")
        say(history.told(lacks))
        raise typer.Exit(1)
    mine = [chapter.name for chapter in workspace.begun() if chapter.name in one.needs and not reference]
    say(f"{one.id}  {one.question}")
    say(f"On {'your own ' + ', '.join(mine) + '; the rest is given' if mine else 'the reference, all of it'}.")
    try:
        verdict = questions.test(one, workspace, reference)
    except Infrastructure as error:
        fail(f"it could not be tested, for reasons that are not yours: {error}")
    if not reference:
        questions.record(one, workspace, verdict)
    say(" ".join(one.doc.split()))
    if verdict.outcome is None:
        say("Yes." if not reference else "Yes, it can.")
        return
    for line in _why(verdict.outcome):
        say(f"  {line}")
    if verdict.printed.strip():
        say("  your code printed:")
        say("\n".join(f"    | {line}" for line in shown(verdict.printed.strip("\n")).split("\n")[:12]))
    say(f"Not yet: {verdict.state}. Ask again: tito checkpoint test {one.id}")
    raise typer.Exit(1)


def _why(outcome: Outcome) -> list[str]:
    """What a student is told of an outcome."""
    where = outcome.details.get("where")
    lines = [harmless(f"{where}: {outcome.message}" if where else outcome.message)]
    lines += [f"{name} = {shown(value)}" for name, value in outcome.details.get("shown", {}).items()]
    for name in ("yours", "expected"):
        if name in outcome.details:
            first, *rest = shown(outcome.details[name]).split("\n")[:8]
            lines += [f"{name:8} {first}", *(f"{'':8} {line}" for line in rest)]
    return lines + ([f"perhaps  {outcome.details['diagnosis']}"] if outcome.details.get("diagnosis") else [])


# -- choices ----------------------------------------------------------------------------------------------------------


def _exercises(course: Course, chapter: Chapter) -> dict:
    try:
        return load(chapter.number, course).exercises
    except CourseError as error:
        fail(str(error))
        raise


def _pick(course: Course, chapter: Chapter, only: str | None) -> str:
    """The first exercise that -k picks. Ends with exit code 2, listing what there is, if it picks none."""
    _exercises(course, chapter)
    try:
        return picked(load(chapter.number, course), only)[0].name
    except LookupError as error:
        fail(str(error.args[0]))
        raise

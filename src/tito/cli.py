"""tito, the course tool, on the command line.

Exit codes: 0 all points (or done), 1 not all points, 2 asked for something that is not there.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tito import course as courses
from tito.course import Chapter, Course, CourseError
from tito.doctor import examine
from tito.isolation import strongest
from tito.judge import DEADLINE, SEED, Grading, grade, picked
from tito.play import debug as debug_case
from tito.play import run as run_python
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
    "  tito run play.py          run a file on your own framework",
)

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
    say(f"\nNext: {_following(workspace)}")


def _standing(workspace: Workspace) -> list[tuple[Chapter, dict, dict]]:
    """Every chapter that has a rubric, with its exercises and what was recorded of each."""
    recorded, found = workspace.progress()["chapters"], []
    for chapter in workspace.course.chapters():
        if chapter.rubric_path.is_file():
            exercises = load(chapter.number, workspace.course).exercises
            found.append((chapter, exercises, recorded.get(chapter.number, {}).get("exercises", {})))
    return found


def _following(workspace: Workspace) -> str:
    """The next thing to do: an exercise of a chapter that is begun, else a chapter to begin."""
    standing = _standing(workspace)
    for chapter, exercises, known in standing:
        waiting = [name for name in exercises if known.get(name, {}).get("state") != "passed"]
        if waiting and workspace.file(chapter).is_file():
            path = workspace.label(workspace.file(chapter))
            return f"{waiting[0]} in {path}, then tito grade {chapter.number} -k {waiting[0]}"
    for chapter, _, _ in standing:
        if not workspace.file(chapter).is_file():
            return f"tito start {chapter.number}"
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
def run(context: typer.Context, file: Annotated[Path, typer.Argument(help="A Python file.")]) -> None:
    """Run a file on your own framework.

    Your chapters where you have them, the reference's where not.
    """
    if not file.is_file():
        fail(f"there is no file {file}")
    code, _ = run_python(Workspace.of(courses.default()), [str(file), *context.args])
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
    """Compare with PyTorch: a training step, one addition, a long chain.

    Each framework runs in a process of its own, in turns, on one thread and on two. Where PyTorch is not installed,
    TinyTorch is measured alone.

    \b
      tito bench            the same as: nox -s bench
      tito bench -k mlp     the training step only
      tito bench --record   writes chapters/bench/results.json, which the book shows
    """
    from tito import bench as benches

    course = courses.default()
    names = [name for name in benches.CALLS if (only or "") in name]
    if not names:
        fail(f"no benchmark is named {only!r}; there are: {', '.join(benches.CALLS)}")
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

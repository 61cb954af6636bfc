"""Commands that say where a student stands, and what comes next."""

from dataclasses import dataclass

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tito.cli.common import app, say, workspace
from tito.course import Chapter
from tito.history import milestones, questions
from tito.rubrics.rubric import load
from tito.work.source import begun
from tito.work.workspace import Workspace


@dataclass(frozen=True)
class Line:
    """How far something has come: done of possible, and a remark. What is not started has no points, not even 0."""

    name: str
    done: int
    possible: int
    note: str = ""
    started: bool = True
    tier: bool = False

    @property
    def whole(self) -> bool:
        return self.started and self.done == self.possible

    @property
    def score(self) -> str:
        return f"{self.done if self.started else '-'}/{self.possible}"


@app.command()
def status() -> None:
    """Show the points of every tier and chapter, the checkpoints, the milestones, and what comes next.

    On a terminal with bars, in colour; where it is piped, in plain lines.
    """
    here, console = workspace(), Console()
    if console.is_terminal:
        console.print(_chart(here))
    else:
        _plain(here)
    say(f"\nNext: {_following(here)}")


def _plain(here: Workspace) -> None:
    for line in _points(here):
        if line.tier:
            say()
        say(f"{line.name:23} {line.score:>7}  {line.note}".rstrip())
    journey = [_checkpoints(here), _milestones(here)]
    if any(journey):
        say()
    if asked := journey[0]:
        say(f"{asked.name:13} {asked.done} of {asked.possible} passed" + (f"; {asked.note}" if asked.note else ""))
    if reached := journey[1]:
        say(f"{reached.name:13} {reached.note}")


def _chart(here: Workspace) -> Table:
    """A row for each tier and chapter, then one for all checkpoints and one for all milestones, each with its bar."""
    chart = Table.grid(padding=(0, 2))
    journey = [line for line in (_checkpoints(here), _milestones(here)) if line]
    for line in [*_points(here), None, *journey]:
        if line is None or line.tier:
            chart.add_row()
        if line:
            score = Text(line.score, "green" if line.whole else "", justify="right")
            done = line.done if line.started else 0
            bar = ProgressBar(line.possible, done, width=24, complete_style="cyan", finished_style="green")
            chart.add_row(Text(line.name, "bold" if line.tier else ""), bar, score, Text(line.note, "dim"))
    return chart


def _points(here: Workspace) -> list[Line]:
    """The points on record for every tier, and below it for its chapters."""
    found = {}
    for chapter, exercises, known in _standing(here):
        points = sum(known[name]["points"] for name in exercises if name in known)
        started, possible = begun(here.file(chapter)), sum(exercise.points for exercise in exercises.values())
        name = f"{chapter.number} {chapter.name}"
        found[chapter] = Line(name, points, possible, "" if started else "not started", started)
    lines = []
    for tier, chapters in here.course.tiers():
        below = [found[chapter] for chapter in chapters if chapter in found]
        lines += [_sum(tier.name, below)] * bool(tier.name and below) + below
    return lines


def _sum(name: str, lines: list[Line]) -> Line:
    """What these come to together."""
    started = [line for line in lines if line.started]
    note = f"{sum(line.whole for line in lines)} of {len(lines)} chapters done"
    done, possible = sum(line.done for line in started), sum(line.possible for line in lines)
    return Line(name, done, possible, note, bool(started), tier=True)


@app.command(name="next")
def next_() -> None:
    """Say what to open and what to do next."""
    here = workspace()
    book = here.course.root / "build" / "book" / "index.html"
    say(f"Read    {book}" if book.is_file() else "Read    nox -s book builds the book")
    say(f"Next    {_following(here)}")
    say("Points  tito status")


def _checkpoints(workspace: Workspace) -> Line | None:
    """How many questions are passed, and which can be tested; None where the course asks none."""
    if not (asked := questions.questions(workspace.course).all):
        return None
    states = {question.id: questions.standing(question, workspace) for question in asked}
    passed = [id for id, state in states.items() if state == "passed"]
    waiting = [id for id, state in states.items() if state not in ("passed", "not available yet")]
    ready = [id for id in waiting if not states[id].startswith("needs")]
    return Line("Checkpoints", len(passed), len(asked), f"ready to be tested: {', '.join(ready)}" if ready else "")


def _milestones(workspace: Workspace) -> Line | None:
    """How many milestones the student's code has reached, and where each stands; None where the course has none."""
    if not (found := milestones.milestones(workspace.course)):
        return None
    own = sum((milestones.known(one, workspace) or {"code": ""})["code"] == "work" for one in found)
    return Line("Milestones", own, len(found), ", ".join(f"{one.name} {_reached(one, workspace)}" for one in found))


def _reached(milestone: milestones.Milestone, workspace: Workspace) -> str:
    """A milestone's result so far, in a few words."""
    if found := milestones.known(milestone, workspace):
        whose = "" if found["code"] == "work" else " by the reference"
        return f"{found['accuracy']:.1%}{whose}"
    return "is waiting" if milestones.lacking(workspace, milestone.needs) else "can run"


def _standing(workspace: Workspace) -> list[tuple[Chapter, dict, dict]]:
    """Every chapter that has a rubric, with its exercises and what is on record for each."""
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
        if waiting and begun(workspace.file(chapter)):
            path = workspace.label(workspace.file(chapter))
            return f"{waiting[0]} in {path}, then tito grade {chapter.number} -k {waiting[0]}"
    for chapter, _, _ in standing:
        if not begun(workspace.file(chapter)):
            return f"tito start {chapter.number}"
    for milestone in milestones.milestones(workspace.course):
        if not milestone.result(workspace).is_file() and not milestones.lacking(workspace, milestone.needs):
            return f"tito milestone run {milestone.name}"
    for asked in questions.questions(workspace.course).all:
        state = questions.standing(asked, workspace)
        if state not in ("passed", "not available yet") and not state.startswith("needs"):
            return f"tito checkpoint test {asked.id}"
    return "tito run FILE: every chapter, milestone and checkpoint is done, so build something of your own"

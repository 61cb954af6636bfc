"""Commands that say where a student stands, and what comes next."""

from tito.cli.common import app, say, workspace
from tito.course import Chapter
from tito.history import milestones, questions
from tito.rubrics.rubric import load
from tito.work.source import begun
from tito.work.workspace import Workspace


@app.command()
def status() -> None:
    """Show the points so far, and what comes next."""
    here = workspace()
    for chapter, exercises, known in _standing(here):
        points = sum(known[name]["points"] for name in exercises if name in known)
        started = begun(here.file(chapter))
        state = f"{points if started else '-':>3}/{sum(exercise.points for exercise in exercises.values())}"
        say(f"{chapter.number} {chapter.name:16} {state:>7}  {'' if started else 'not started'}".rstrip())
    for line in _journey(here):
        say(line)
    say(f"\nNext: {_following(here)}")


@app.command(name="next")
def next_() -> None:
    """Say what to open and what to do next."""
    here = workspace()
    book = here.course.root / "build" / "book" / "index.html"
    say(f"Read    {book}" if book.is_file() else "Read    nox -s book builds the book")
    say(f"Next    {_following(here)}")
    say("Points  tito status")


def _journey(workspace: Workspace) -> list[str]:
    """Checkpoints and milestones in a line each; nothing where the course has none."""
    asked, lines = questions.questions(workspace.course).all, []
    if asked:
        states = {question.id: questions.standing(question, workspace) for question in asked}
        passed = [id for id, state in states.items() if state == "passed"]
        waiting = [id for id, state in states.items() if state not in ("passed", "not available yet")]
        ready = [id for id in waiting if not states[id].startswith("needs")]
        line = f"Checkpoints   {len(passed)} of {len(asked)} passed"
        lines.append(line + (f"; ready to be tested: {', '.join(ready)}" if ready else ""))
    if found := milestones.milestones(workspace.course):
        lines.append(
            "Milestones    " + ", ".join(f"{milestone.name} {_reached(milestone, workspace)}" for milestone in found)
        )
    return ["", *lines] if lines else []


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
    return "nothing is left: all points of all chapters"

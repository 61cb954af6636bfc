"""Reports for the terminal: plain lines, one block for each exercise that did not pass, or printed something."""

import textwrap

from rich.console import Console
from rich.text import Text

from tito.grading.report import CheckResult, ExerciseResult, Report
from tito.sandbox.isolation import LEAVES_OPEN

COLOURS = {"passed": "green", "failed": "red", "not started": "yellow", "error": "red", "timed out": "red"}


def show(report: Report, console: Console, label: str = "") -> None:
    """Print a report: every exercise on a line, then what there is to say about some of them."""

    def say(text: str | Text = "") -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"Chapter {report.number}, {label or report.name}. Seed {report.seed}, isolation {report.isolation}.")
    if report.graded == "work" and (warning := LEAVES_OPEN.get(report.isolation)):
        say(Text(warning, style="dim"))
    say()
    width = max((len(exercise.name) for exercise in report.exercises), default=0)
    for exercise in report.exercises:
        score = f"{exercise.points}/{exercise.possible}"
        line = Text(f"  {exercise.name:{width}} {score:>7}  ")
        say(line.append(exercise.state, style=COLOURS.get(exercise.state, "magenta")))
    total = f"{report.points}/{report.possible}"
    say(f"  {'':{width}} {total:>7}")
    for exercise in report.exercises:
        for told in _told(exercise):
            say(told)
    for told in _waiting(report):
        say(told)
    for told in _integrated(report):
        say(told)
    if report.flagged:
        say("\nSome exercises could not be graded, for reasons that are not yours. They are not scored; run it again.")


def _told(exercise: ExerciseResult) -> list[str]:
    lost = [check for check in exercise.checks if check.state != "passed"]
    if exercise.state == "not started":
        return []
    if not lost:
        return [f"\n{exercise.name}: {exercise.state}", *printed] if (printed := _printed(exercise)) else []
    lines = [f"\n{exercise.name}: {exercise.points} of {_points(exercise.possible)}"]
    if (
        len({(check.message, check.where) for check in lost}) == 1
        and len(lost) == len(exercise.checks) > 1
        and not lost[0].given
    ):
        lines += said(lost[0])  # one reason for all, such as a file that does not compile
    else:
        for check in lost:
            lines += [
                f"  {check.name}, {_points(check.points)}: {check.state}",
                *_wrap(check.doc, "    "),
                *said(check),
            ]
    return [*lines, *_printed(exercise), *_pointers(exercise, debug=any(check.call for check in lost))]


def _printed(exercise: ExerciseResult) -> list[str]:
    """What the student's code printed, the first lines of it; nothing where it printed nothing."""
    if not exercise.printed.strip():
        return []
    printed = exercise.printed.strip("\n").split("\n")
    more = [f"    | ({len(printed) - 12} more lines)"] if len(printed) > 12 else []
    return ["  your code printed:", *(f"    | {line}" for line in printed[:12]), *more]


def _waiting(report: Report) -> list[str]:
    """Exercises not started: the first with its hint, the others by name."""
    waiting = [exercise for exercise in report.exercises if exercise.state == "not started"]
    if not waiting:
        return []
    rest = ", ".join(exercise.name for exercise in waiting[1:])
    lines = [f"\n{waiting[0].name}: {waiting[0].checks[0].message}.", *_pointers(waiting[0])]
    return [*lines, *_wrap(rest, "  then   ")] if rest else lines


def said(check: CheckResult) -> list[str]:
    """What there is to say about a check that did not pass, as lines."""
    lines = _wrap(f"{check.where}: {check.message}" if check.where else check.message, "    ")
    for name, value in [*check.given.items(), *check.shown.items()]:
        lines += _value(f"{name} =", value)
    lines += _value("yours", check.yours) if check.yours is not None else []
    lines += _value("expected", check.expected) if check.expected is not None else []
    return lines + (_wrap(check.diagnosis, "      perhaps  ") if check.diagnosis else [])


def _points(points: int) -> str:
    return "1 point" if points == 1 else f"{points} points"


def _value(name: str, value: str) -> list[str]:
    first, *rest = value.split("\n")
    return [f"      {name:8} {first}", *(f"      {'':8} {line}" for line in rest)]


def _pointers(exercise: ExerciseResult, debug: bool = False) -> list[str]:
    lines = _wrap(exercise.hint, "  hint   ") if exercise.hint else []
    lines.append(f"  again  {exercise.rerun}")
    if debug:
        number = exercise.rerun.split("grade-")[1][:2]
        lines.append(f"  debug  tito debug {number} -k {exercise.name}")
    return lines


def _wrap(text: str, start: str) -> list[str]:
    width = 100
    lines = []
    for i, paragraph in enumerate(text.split("\n")):
        head = start if i == 0 else " " * len(start)
        lines += textwrap.wrap(paragraph, width, initial_indent=head, subsequent_indent=" " * len(start)) or [""]
    return lines


def _integrated(report: Report) -> list[str]:
    whole = report.integrated
    if whole is None:
        return []
    if not whole.available:
        names = ", ".join(whole.missing[:8]) + (f" and {len(whole.missing) - 8} more" if len(whole.missing) > 8 else "")
        return [f"\nOn your own earlier chapters: not available. Missing: {names}"]
    line = f"\nOn your own earlier chapters: {sum(whole.points.values())}/{report.possible}"
    worse = [n for n, state in whole.states.items() if state != "passed" and report[n].state == "passed"]
    lines = [line + (f" (there, not passed: {', '.join(worse)})" if worse else "")]
    return lines + [f"  it needs {need}" for need in dict.fromkeys(whole.needs)]

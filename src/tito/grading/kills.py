"""Kills: how many wrong answers lose points, by exercise and chapter.

    python -m tito.grading.kills 05      the same as: nox -s mutants -- 05

A wrong answer is planted (a mistake that students make) or mechanical (one small change, a mutant). A mutant that no
input can tell from the reference is equivalent: grading/equivalents.toml names it, with the reason, and it does not
count. The goals are for the mechanical ones; of the planted ones every one must lose.
"""

import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from tito.course import Chapter, Course, default
from tito.grading.mutants import Scorer, mutants
from tito.rubrics.planted import planted
from tito.rubrics.rubric import load

CHAPTER_GOAL, EXERCISE_GOAL = 0.97, 0.90
EQUIVALENT_AT_MOST = 0.05  # of a chapter's mutants

Equivalents = Mapping[str, Mapping[str, str]]
Told = Callable[[int, int], object]  # of how many are done, of how many there are


@dataclass(frozen=True)
class Tried:
    """One wrong answer to an exercise, whether it lost points, and why it cannot, if it is listed as equivalent.

    `lost` has the state of each check that it lost: of all of them if it is planted, else of the first.
    """

    exercise: str
    change: str
    killed: bool
    planted: bool = False
    equivalent: str = ""
    lost: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Kills:
    """What became of every wrong answer of a chapter; and the equivalents that name no mutant any more."""

    number: str
    tried: list[Tried] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def mutants(self, exercise: str | None = None) -> list[Tried]:
        """The mechanical mutants that count: of one exercise, or of all."""
        return [one for one in self.tried if not (one.planted or one.equivalent) and exercise in (None, one.exercise)]

    def rate(self, exercise: str | None = None) -> float:
        """Killed mutants / mutants that count; 1 where there are none."""
        return rate(self.mutants(exercise))

    @property
    def exercises(self) -> list[str]:
        return list(dict.fromkeys(one.exercise for one in self.tried))

    @property
    def survivors(self) -> list[Tried]:
        return [one for one in self.tried if not one.killed and not one.equivalent]

    @property
    def refuted(self) -> list[str]:
        """Mutants that are listed as equivalent and lose points all the same."""
        return [one.change for one in self.tried if one.killed and one.equivalent]

    @property
    def equivalent(self) -> float:
        """Mutants that are listed as equivalent / all mutants."""
        listed = [bool(one.equivalent) for one in self.tried if not one.planted]
        return sum(listed) / max(len(listed), 1)

    @property
    def short(self) -> list[str]:
        """What does not reach its goal, in words."""
        goals = [(self.rate(), CHAPTER_GOAL, f"chapter {self.number}")]
        goals += [(self.rate(name), EXERCISE_GOAL, name) for name in self.exercises]
        return [f"{name}: {found:.1%}, goal {goal:.0%}" for found, goal, name in goals if found < goal]


def rate(tried: list[Tried]) -> float:
    """Killed / tried; 1 where nothing was tried."""
    return sum(one.killed for one in tried) / len(tried) if tried else 1.0


def equivalents(course: Course, number: str) -> Equivalents:
    """By exercise: the changes, named as mutants() names them, that leave what it computes as it is, and why."""
    if not course.equivalents_path.is_file():
        return {}
    listed: dict[str, Equivalents] = tomllib.loads(course.equivalents_path.read_text(encoding="utf-8"))
    return listed.get(number, {})


def kills(number: str, course: Course | None = None, told: Told = lambda done, every: None) -> Kills:
    """Try every wrong answer of a chapter on the prepared cases; `told` is called after each.

    A mutant that is listed as equivalent has ten seconds, so that a busy machine does not refute it.
    """
    course = course or default()
    chapter = course.chapter(number)
    answers, listed = wrong_answers(chapter, course), equivalents(course, chapter.number)
    found = Kills(chapter.number)
    with Scorer(number, course, deadline=2.0) as scorer, Scorer(number, course, deadline=10.0) as patient:
        for done, (exercise, change, source, is_planted) in enumerate(answers):
            reason = "" if is_planted else listed.get(exercise, {}).get(change, "")
            outcomes = (patient if reason else scorer).score(exercise, source, quick=not is_planted)[1]
            lost = {check: outcome.state for check, outcome in outcomes.items()}
            found.tried.append(Tried(exercise, change, bool(lost), is_planted, reason, lost))
            told(done + 1, len(answers))
    known = {(one.exercise, one.change) for one in found.tried if one.equivalent}
    found.unknown = [change for name, changes in listed.items() for change in changes if (name, change) not in known]
    return found


def wrong_answers(chapter: Chapter, course: Course) -> list[tuple[str, str, str, bool]]:
    """(exercise, change, the whole source with it, whether it is planted), exercise by exercise."""
    rubric, given = load(chapter.number, course), planted(chapter.planted_path)
    reference, found = rubric.source, []
    for name in rubric.exercises:
        found += [(name, one.mistake, one.into(reference), True) for one in given if one.exercise == name]
        found += [(name, change, source, False) for change, source in mutants(reference, name)]
    return found


# -- on the terminal --------------------------------------------------------------------------------------------------


def show(found: Kills, console: Console) -> None:
    """Print the rates of a chapter's exercises, then what survived."""
    table = Table(title=f"Chapter {found.number}", title_justify="left")
    table.add_column("exercise")
    for heading in ("planted", "mutants", "equivalent", "killed"):
        table.add_column(heading, justify="right")
    for name in found.exercises:
        table.add_row(name, *_cells(found, name, EXERCISE_GOAL))
    table.add_section()
    table.add_row("all", *_cells(found, None, CHAPTER_GOAL))
    console.print(table)
    for one in found.survivors:
        say = f"  survives  {one.change}" if not one.planted else f"  survives  planted: {one.exercise}, {one.change}"
        console.print(Text(say), soft_wrap=True)
    for change in found.unknown:
        console.print(Text(f"  equivalents.toml names what is no mutant: {change}"), soft_wrap=True)
    for change in found.refuted:
        console.print(Text(f"  equivalents.toml names what loses points: {change}"), soft_wrap=True)


def _cells(found: Kills, name: str | None, goal: float) -> list[str | Text]:
    mine = [one for one in found.tried if name in (None, one.exercise)]
    answers, counted = [one for one in mine if one.planted], found.mutants(name)
    told = Text(f"{rate(counted):.1%}", style="green" if rate(counted) >= goal else "red")
    return [
        f"{sum(one.killed for one in answers)}/{len(answers)}",
        f"{sum(one.killed for one in counted)}/{len(counted)}",
        str(sum(bool(one.equivalent) for one in mine)),
        told,
    ]


def _advance(progress: Progress, task: TaskID, done: int, every: int) -> None:
    progress.update(task, completed=done, total=every)


def main(arguments: list[str]) -> None:
    """The rates of one chapter, or of every chapter that has a rubric. Exit code 1 where a goal is not reached."""
    course, console, short = default(), Console(), []
    wanted = [course.chapter(one) for one in arguments] or course.chapters()
    for chapter in [chapter for chapter in wanted if chapter.rubric_path.is_file()]:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task(f"chapter {chapter.number}", total=None)
            found = kills(chapter.number, course, partial(_advance, progress, task))
        show(found, console)
        short += found.short
    for line in short:
        console.print(Text(line, style="red"), soft_wrap=True)
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main(sys.argv[1:])

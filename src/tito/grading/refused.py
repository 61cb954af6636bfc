"""Refused: right answers, written in other ways, that lose points although they must not; over many seeds.

    python -m tito.grading.refused 05 --seeds 100      the same as: nox -s refused -- 05 --seeds 100

The answers are the reference and those of grading/right/. A grade must not depend on luck: what one seed in a hundred
refuses is refused to somebody in every large class.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from tito.course import Course, default
from tito.grading.mutants import Scorer
from tito.outcomes import Outcome
from tito.rubrics.planted import planted
from tito.rubrics.rubric import load
from tito.sandbox import DEADLINE


@dataclass(frozen=True)
class Refused:
    """A right answer that lost points: to which exercise, in what way it is written, with which seed, and by what."""

    exercise: str
    way: str
    seed: int
    lost: dict[str, Outcome]

    def __str__(self) -> str:
        checks = "; ".join(f"{check}: {outcome}" for check, outcome in self.lost.items())
        return f"seed {self.seed}: {self.exercise}, {self.way}: {checks}"


def refused(
    number: str, seeds: Iterable[int], course: Course | None = None, deadline: float = DEADLINE
) -> Iterator[Refused]:
    """The refused ones of a chapter, as they are found."""
    course = course or default()
    chapter = course.chapter(number)
    rubric = load(number, course)
    answers = [(name, "as the reference has it", rubric.source) for name in rubric.exercises]
    answers += [(one.exercise, one.mistake, one.into(rubric.source)) for one in planted(chapter.right_path)]
    for seed in seeds:
        with Scorer(number, course, seed, deadline) as scorer:
            for exercise, way, source in answers:
                if lost := scorer.score(exercise, source)[1]:
                    yield Refused(exercise, way, seed, lost)


def main(arguments: list[str]) -> None:
    """The refused answers of some chapters, or of every chapter that has any. Exit code 1 where there are some."""
    course, console, count = default(), Console(), 0
    parser = argparse.ArgumentParser(prog="python -m tito.grading.refused", description=main.__doc__)
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER")
    parser.add_argument("--seeds", type=int, default=10, help="how many: 1, 2, 3, ...")
    options = parser.parse_args(arguments)
    wanted = [course.chapter(one) for one in options.chapters] or course.chapters()
    for chapter in [chapter for chapter in wanted if chapter.right_path.is_file()]:
        with console.status(f"chapter {chapter.number}"):
            for one in refused(chapter.number, range(1, options.seeds + 1), course):
                count += 1
                console.print(Text(str(one), style="red"), soft_wrap=True)
        answers = len(planted(chapter.right_path))
        console.print(f"Chapter {chapter.number}: {answers} right answers, {options.seeds} seeds.", highlight=False)
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main(sys.argv[1:])

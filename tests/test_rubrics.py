"""What is true of every rubric: full marks for the reference, nothing for the stub, and every mistake is caught."""

from collections import Counter

import pytest

from tito.course import Chapter, default
from tito.grading.judge import grade
from tito.grading.mutants import Scorer, mutants
from tito.rubrics import stubs
from tito.rubrics.planted import planted
from tito.rubrics.rubric import load

CHAPTERS = [chapter for chapter in default().chapters() if chapter.rubric_path.is_file()]
per_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)


def reference(chapter: Chapter) -> str:
    return load(chapter.number).source


@per_chapter
def test_the_reference_has_full_marks(chapter):
    report = grade(chapter.number)
    assert {name: state for name, state in report.states.items() if state != "passed"} == {}
    assert 10 <= report.possible <= 25


@per_chapter
@pytest.mark.parametrize("seed", [2, 3])
def test_other_seeds_have_full_marks_too(chapter, seed):
    assert grade(chapter.number, seed=seed).passed


@per_chapter
def test_the_stub_has_nothing_and_says_not_started(chapter):
    stub = stubs.stub(reference(chapter), load(chapter.number).exercises, chapter.number)
    report = grade(chapter.number, source=stub)
    assert report.points == 0 and set(report.states.values()) == {"not started"}


@per_chapter
def test_each_graded_name_has_three_planted_answers(chapter):
    count = Counter(answer.exercise for answer in planted(chapter.planted_path))
    assert {name: count[name] for name in load(chapter.number).exercises if count[name] < 3} == {}
    assert set(count) <= set(load(chapter.number).exercises)


@per_chapter
def test_planted_answers_lose_points(chapter):
    with Scorer(chapter.number) as scorer:
        for name, exercise in load(chapter.number).exercises.items():
            assert scorer.score(name, reference(chapter)) == (exercise.points, {})
        kept = []
        for answer in planted(chapter.planted_path):
            points, lost = scorer.score(answer.exercise, answer.into(reference(chapter)), quick=True)
            if not lost or "not started" in {outcome.state for outcome in lost.values()}:
                kept.append((answer.exercise, answer.mistake, points))
        assert kept == []


@per_chapter
@pytest.mark.parametrize("turn", [0, 1])
def test_planted_answers_lose_the_points_of_their_own_exercises_only(chapter, turn):
    """In real grades of files where every second exercise has a wrong answer, the others keep all their points."""
    names, source = list(load(chapter.number).exercises)[turn::2], reference(chapter)
    first = {answer.exercise: answer for answer in reversed(planted(chapter.planted_path))}
    for name in names:
        source = first[name].into(source)
    report = grade(chapter.number, source=source, deadline=5.0)
    assert [exercise.name for exercise in report.exercises if exercise.points < exercise.possible] == names


@per_chapter
def test_every_check_catches_something(chapter):
    """A check that cannot fail is a defect: each loses to at least one planted answer."""
    caught: set[tuple[str, str]] = set()
    with Scorer(chapter.number, deadline=1.0) as scorer:
        for answer in planted(chapter.planted_path):
            _, lost = scorer.score(answer.exercise, answer.into(reference(chapter)))
            caught |= {(answer.exercise, check) for check in lost}
    checks = {
        (name, check.name) for name, exercise in load(chapter.number).exercises.items() for check in exercise.checks
    }
    assert checks - caught == set()


@per_chapter
def test_mechanical_mutants_lose_points(chapter):
    tried, survivors = 0, []
    with Scorer(chapter.number, deadline=1.0) as scorer:
        for name in load(chapter.number).exercises:
            for change, source in mutants(reference(chapter), name):
                tried += 1
                if not scorer.score(name, source, quick=True)[1]:
                    survivors.append(change)
    print(f"chapter {chapter.number}: {len(survivors)} of {tried} mutants survive", *survivors, sep="\n  ")
    assert tried > 20
    assert len(survivors) <= 0.1 * tried, survivors


@per_chapter
def test_the_same_seed_gives_the_same_report(chapter):
    answers = {answer.exercise: answer for answer in planted(chapter.planted_path)}
    source = reference(chapter)
    for answer in list(answers.values())[:2]:
        source = answer.into(source)
    first, second = (grade(chapter.number, source=source, seed=5, deadline=5.0) for _ in range(2))
    assert first == second and first.to_json() == second.to_json()
    assert not first.passed

"""What is true of every rubric: full marks for the reference, nothing for the stub, and every mistake is caught."""

import functools
import shutil
import tomllib
from collections import Counter

import pytest
from toys import TOY

from tito.course import Chapter, Course, default
from tito.grading.judge import grade
from tito.grading.kills import EQUIVALENT_AT_MOST, Kills, Tried, kills
from tito.grading.mutants import Scorer, mutants
from tito.grading.report import Report
from tito.rubrics import stubs
from tito.rubrics.planted import planted
from tito.rubrics.rubric import load

CHAPTERS = [chapter for chapter in default().chapters() if chapter.rubric_path.is_file()]
per_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)

# Chapters whose right answers in other words are still to be written. One that has them has to leave this list.
WITHOUT_RIGHT_ANSWERS = set[str]()
# Chapters whose checks do not kill as many mutants as they should yet. A chapter that does has to leave this list.
BELOW_THE_GOAL = set[str]()

PATIENT = 20.0  # seconds for right answers, which a busy machine must not refuse


def reference(chapter: Chapter) -> str:
    return load(chapter.number).source


@per_chapter
def test_the_reference_has_full_marks(chapter):
    report = grade(chapter.number)
    assert {name: state for name, state in report.states.items() if state != "passed"} == {}
    assert {exercise.name: exercise.printed for exercise in report.exercises if exercise.printed} == {}
    assert 10 <= report.possible <= 25


@per_chapter
@pytest.mark.parametrize("seed", [2, 3])
def test_other_seeds_have_full_marks_too(chapter, seed):
    with Scorer(chapter.number, seed=seed, deadline=PATIENT) as scorer:
        for name, exercise in load(chapter.number).exercises.items():
            assert scorer.score(name, reference(chapter)) == (exercise.points, {})


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
def test_each_graded_name_has_three_right_answers(chapter):
    count = Counter(answer.exercise for answer in planted(chapter.right_path))
    few = {name: count[name] for name in load(chapter.number).exercises if count[name] < 3}
    assert bool(few) == (chapter.number in WITHOUT_RIGHT_ANSWERS), few
    assert set(count) <= set(load(chapter.number).exercises)


@per_chapter
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_right_answers_keep_all_points(chapter, seed):
    with Scorer(chapter.number, seed=seed, deadline=PATIENT) as scorer:
        lost = {}
        for answer in planted(chapter.right_path):
            if outcomes := scorer.score(answer.exercise, answer.into(reference(chapter)), quick=True)[1]:
                lost[answer.exercise, answer.mistake] = {name: str(outcome) for name, outcome in outcomes.items()}
        assert lost == {}


@functools.cache
def found(number: str) -> Kills:
    """What became of every wrong answer of a chapter, planted and mechanical, with the seed of every grade."""
    return kills(number)


@per_chapter
def test_planted_answers_lose_points(chapter):
    tried = [one for one in found(chapter.number).tried if one.planted]
    assert [(one.exercise, one.change) for one in tried if not one.killed or "not started" in one.lost.values()] == []


@per_chapter
@pytest.mark.parametrize("seed", [2, 3])
def test_planted_answers_lose_points_with_other_seeds_too(chapter, seed):
    with Scorer(chapter.number, seed=seed) as scorer:
        kept = []
        for answer in planted(chapter.planted_path):
            points, lost = scorer.score(answer.exercise, answer.into(reference(chapter)), quick=True)
            if not lost or "not started" in {outcome.state for outcome in lost.values()}:
                kept.append((answer.exercise, answer.mistake, points))
        assert kept == []


def test_an_answer_that_leaves_recording_off_costs_the_next_one_nothing():
    left_off = "    import tinytorch\n\n    tinytorch.set_grad_enabled(False)\n    return {}\n"
    source = load("07").source
    with Scorer("07", deadline=PATIENT) as scorer:
        assert scorer.score("Trainer.evaluate", stubs.with_body(source, "Trainer.evaluate", left_off))[1]
        assert scorer.score("Trainer.step", source)[1] == {}


@per_chapter
def test_every_check_catches_something(chapter):
    """A check that cannot fail is a defect: each loses to at least one planted answer."""
    caught = {(one.exercise, check) for one in found(chapter.number).tried if one.planted for check in one.lost}
    checks = {
        (name, check.name) for name, exercise in load(chapter.number).exercises.items() for check in exercise.checks
    }
    assert checks - caught == set()


@functools.cache
def graded(number: str, turn: int) -> tuple[str, list[str], Report]:
    """A file where every second exercise has a wrong answer, their names, and a real grade of it."""
    chapter = default().chapter(number)
    names, source = list(load(number).exercises)[turn::2], reference(chapter)
    first = {answer.exercise: answer for answer in reversed(planted(chapter.planted_path))}
    for name in names:
        source = first[name].into(source)
    return source, names, grade(number, source=source, deadline=5.0)


@per_chapter
@pytest.mark.parametrize("turn", [0, 1])
def test_planted_answers_lose_the_points_of_their_own_exercises_only(chapter, turn):
    _, names, report = graded(chapter.number, turn)
    assert [exercise.name for exercise in report.exercises if exercise.points < exercise.possible] == names


@per_chapter
def test_the_same_seed_gives_the_same_report(chapter):
    source, _, first = graded(chapter.number, turn=0)
    second = grade(chapter.number, source=source, deadline=5.0)
    assert first == second and first.to_json() == second.to_json()
    assert not first.passed


@per_chapter
def test_mechanical_mutants_lose_points(chapter):
    """Of the mutants that are not equivalent: 97 % in each chapter, 90 % in each exercise."""
    one = found(chapter.number)
    print(*one.short, *(survivor.change for survivor in one.survivors), sep="\n  ")
    assert len(one.mutants()) > 20
    assert one.rate() >= 0.9
    assert bool(one.short) == (chapter.number in BELOW_THE_GOAL), one.short


@per_chapter
def test_equivalent_mutants_are_few_and_still_what_they_were(chapter):
    one = found(chapter.number)
    assert one.unknown == [] and one.refuted == []
    assert one.equivalent <= EQUIVALENT_AT_MOST


def test_every_equivalent_mutant_stands_under_a_chapter_and_has_a_reason():
    listed = tomllib.loads(default().equivalents_path.read_text(encoding="utf-8"))
    assert set(listed) <= {chapter.number for chapter in CHAPTERS}
    reasons = [reason for exercises in listed.values() for changes in exercises.values() for reason in changes.values()]
    assert all(len(reason.split()) > 3 for reason in reasons)


def test_kills_tell_a_survivor_an_equivalent_a_refuted_one_and_a_name_that_is_gone():
    one = Kills("00", [Tried("f", f"f:{i}", killed=i > 0) for i in range(10)])
    assert one.rate() == 0.9 and one.short == ["chapter 00: 90.0%, goal 97%"]
    one.tried.append(Tried("g", "g:1", killed=False))
    assert one.short[1:] == ["g: 0.0%, goal 90%"] and [lost.change for lost in one.survivors] == ["f:0", "g:1"]
    one.tried[0] = Tried("f", "f:0", killed=False, equivalent="the same sum in another order")
    one.tried[-1] = Tried("g", "g:1", killed=True, equivalent="it was thought")
    assert one.short == [] and one.survivors == [] and one.refuted == ["g:1"] and one.equivalent == 2 / 11


def test_a_size_that_numpy_works_out_is_no_mutant():
    found = dict(mutants("def f(x):\n    return x.reshape(-1, 2).sum(axis=-1) + np.reshape(x, (2, -1))\n", "f"))
    assert "-2" in "".join(found.values()) and not [text for text in found.values() if "reshape(-2" in text]
    assert not [text for text in found.values() if "(2, -2)" in text]


def test_an_equivalent_that_names_no_mutant_is_told(tmp_path):
    course = Course(tmp_path / "toy")
    shutil.copytree(TOY.root, course.root)
    reason = "twice as much is x more than x"
    course.equivalents_path.write_text(f'[01.double]\n"double:9 x + x: gone" = "{reason}"\n', encoding="utf-8")
    assert kills("01", course).unknown == ["double:9 x + x: gone"]

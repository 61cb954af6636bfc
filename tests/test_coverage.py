"""Each graded body is reached in every line and branch by its prepared cases, whatever the seed."""

import pytest

from tito.course import default
from tito.grading.coverage import RECORDER, lacking, recording, uncovered

CHAPTERS = [chapter for chapter in default().chapters() if chapter.rubric_path.is_file()]

# Exercises whose cases do not reach all of the body yet. One whose cases do has to leave this list.
NOT_COVERED: dict[str, set[str]] = {}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_prepared_cases_reach_every_line_and_branch(chapter):
    found = {name: lines for name, lines in uncovered(chapter.number).items() if lines}
    assert set(found) == NOT_COVERED.get(chapter.number, set()), found


SOURCE = '''
def f(x, y=0):
    """What a body may have."""
    if x > 0 and y:
        return 1
    for i in range(x):
        if i == 2:
            break
    while x < -1:
        x += 1
    z = "a" if y is None else "b"
    return [i for i in range(3) if i > x] or z
'''


def reached(*calls: tuple) -> list[str]:
    """What calls of f do not reach."""
    source, places = recording(SOURCE, "f")
    space: dict = {}
    exec(RECORDER + source, space)
    plain: dict = {}
    exec(SOURCE, plain)
    for call in calls:
        assert space["f"](*call) == plain["f"](*call)
    return lacking(places, space["_places"]())


def test_statements_conditions_parts_of_and_filters_and_ends_of_loops_are_told_by_line():
    assert reached((1, 1)) == [
        "line 4: x > 0: never false",
        "line 4: y: never false",
        "line 6: for i in range(x): never reached",
        "line 6: for i in range(x): never comes to its end",
        "line 7: if i == 2: never reached",
        "line 7: i == 2: never false",
        "line 7: i == 2: never true",
        "line 8: break: never reached",
        "line 9: while x < -1: never reached",
        "line 9: x < -1: never false",
        "line 9: x < -1: never true",
        "line 10: x += 1: never reached",
        "line 11: z = 'a' if y is None else 'b': never reached",
        "line 11: y is None: never false",
        "line 11: y is None: never true",
        "line 12: return [i for i in range(3) if i > x] or z: never reached",
        "line 12: [i for i in range(3) if i > x]: never false",
        "line 12: [i for i in range(3) if i > x]: never true",
        "line 12: i > x: never false",
        "line 12: i > x: never true",
    ]


def test_what_calls_reach_together_is_reached():
    assert reached((1, 1), (1, 0), (3, 0), (-2, 0)) == ["line 11: y is None: never true"]
    assert reached((1, 1), (3, None), (-2, 0)) == []


def test_a_loop_that_is_always_left_early_does_not_come_to_its_end():
    assert reached((1, 1), (3, None), (3, 0)) == [
        "line 4: x > 0: never false",
        "line 6: for i in range(x): never comes to its end",
        "line 9: x < -1: never true",
        "line 10: x += 1: never reached",
        "line 12: [i for i in range(3) if i > x]: never true",
        "line 12: i > x: never true",
    ]

"""What the judge makes of answers: arguments unharmed, dtypes, prints, gradients as the walk takes them, diagnoses."""

import math
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from toys import FULL, SCALING, TOY, graded, instead, points

from tito import sandbox
from tito.course import Course
from tito.grading.refused import refused
from tito.outcomes import Infrastructure, Mismatch
from tito.rubrics.compare import close, holds, refuses
from tito.rubrics.rubric import Check, Probes, given
from tito.rubrics.student import Student
from tito.sandbox.session import Session, explainer
from tito.sandbox.tree import compose

# -- arguments --------------------------------------------------------------------------------------------------------


def test_a_body_that_writes_into_its_argument_fails_every_check_that_sees_it():
    report = graded(instead(double="x += x\nreturn x"))
    assert points(report) == {**FULL, "double": 1}  # the docstring's example shows its answer only
    twice, slope = report["double"].checks[1:]
    assert twice.message == slope.message == "x was changed" and "array of your own" in twice.diagnosis


def test_a_method_that_writes_into_its_argument_is_seen_behind_its_probe():
    report = graded(instead(Scaler__apply="x *= self.k\nreturn x"))
    assert points(report) == {**FULL, "Scaler.apply": 0}
    assert report["Scaler.apply"].checks[0].message == "x was changed"


probes = Probes()


@probes.add
def into(tt, where, key):
    if key == "sort":
        where.sort()
    elif key == "append":
        where.append(1)
    elif key == "type":
        where[0] = float(where[0])
    elif key == "refuse":
        where[0][0] = 7
        raise ValueError("no")
    elif key == "inside":
        where["a"][1][0] = 7
    elif key == "nan":
        where[...] = where
    elif key == "tensor":
        tt.Wrapped = type("Wrapped", (), {"data": where})
        tt.Wrapped.data += 1
    return 1


@probes.writes_into("p")
def allowed(tt, p, q):
    p += 1
    return q


@probes.writes_into("p")
def beyond(tt, p, q):
    q += 1
    return p


@contextmanager
def student():
    fill = partial(compose, course=TOY, chapter=TOY.chapter("01"), text=SCALING)
    with sandbox.open(fill, deadline=5.0) as connection:
        session = Session(connection, probes, explainer("01", "double", lambda frames: ""), probes.in_place)
        session.ask({"do": "load", "module": "scaling", "names": []})
        yield Student(session)


@pytest.mark.parametrize(
    "value, key",
    [
        ([2, 1], "sort"),
        ([2, 1], "append"),
        ([2, 1], "type"),
        ({"a": (1, [np.zeros(2)])}, "inside"),
        (np.zeros(2), "tensor"),
    ],
)
def test_arrays_lists_and_what_they_hold_come_back_as_they_were(value, key):
    with student() as mine:
        assert mine.into(value, "nothing") == 1
        with pytest.raises(Mismatch, match="where was changed") as found:
            mine.into(value, key)
        assert found.value.details["argument"] is value
        with pytest.raises(Mismatch, match="where was changed"):
            mine.into.batch([(value, "nothing"), (value, key)])
        with pytest.raises(Mismatch, match="where was changed"):
            mine.into(where=value, key=key)


def test_what_is_not_a_number_is_no_change():
    with student() as mine:
        assert mine.into(np.array([np.nan, -0.0]), "nan") == 1


def test_a_refusal_leaves_arguments_alone_too():
    with student() as mine, pytest.raises(Mismatch, match="where was changed"):
        refuses("ValueError", mine.into, [np.zeros(2)], "refuse")


def test_only_what_is_to_be_written_into_may_change():
    with student() as mine:
        close(mine.allowed(np.zeros(2), np.ones(2)), np.ones(2))
        with pytest.raises(Mismatch, match="q was changed"):
            mine.beyond(np.zeros(2), np.ones(2))


# -- tolerance and dtype ----------------------------------------------------------------------------------------------

X = np.linspace(0.1, 0.9, 7)


@pytest.mark.parametrize("yours, expected", [
    (X.astype(np.float16), X.astype(np.float32)), (X.astype(np.float16), X), (X.astype(np.float32), X),
    (X, X.astype(np.float32)), (np.float16(0.1), np.float32(0.1)), (X.astype(np.float16), X.tolist()),
    (np.float16(0.1), 0.1), (X.astype(np.float32) * np.float32(1.0005), X.tolist()), (X * (1 + 1e-5), X.tolist()),
    (X.astype(np.float16), X.astype(np.float16).astype(np.float32)), (10**400, 1.0), (10**400, X),
])  # fmt: skip
def test_a_dtype_that_was_not_asked_for_buys_no_slack(yours, expected):
    with pytest.raises(Mismatch):
        close(yours, expected)


@pytest.mark.parametrize("yours, expected", [
    (X.astype(np.float32) * np.float32(1.00005), X.astype(np.float32)), (X.astype(np.float32), X.tolist()),
    (X.astype(np.float16) * np.float16(1.001), X.astype(np.float16)), (float(X[0]), X[0]),
])  # fmt: skip
def test_expected_says_how_near_is_near(yours, expected):
    close(yours, expected)


def test_a_right_answer_of_another_dtype_is_told_so():
    with pytest.raises(Mismatch, match="dtype float16, not float32"):
        close(X.astype(np.float16), X.astype(np.float32))


# -- prints -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "say", ["print('here')", "print('array([2., 4.])')", "import sys; sys.stdout.write('here\\n')"]
)
def test_a_print_in_a_right_body_costs_nothing_and_is_shown(say):
    report = graded(instead(double=f"{say}\nreturn x + x"))
    assert report.passed and report["double"].printed.strip()


def test_a_printed_answer_is_no_answer():
    report = graded(instead(double="print('array([2., 4.])')"))
    assert report["double"].checks[0].yours == "(nothing)" and report["double"].points == 0


# -- gradients as the walk takes them ---------------------------------------------------------------------------------

G, Y = np.arange(6.0).reshape(2, 3), np.arange(1.0, 4.0).reshape(1, 3)


def test_a_gradient_may_come_before_or_after_the_sum_over_copies():
    for yours in (G, G.sum(0, keepdims=True)):
        close(yours, G, like=Y)
    close(G.sum(0), G, like=Y[0])
    close(np.float64(15.0), G, like=np.float64(2.0))


@pytest.mark.parametrize("yours", [G.sum(0), 2 * G, G.T, G.sum(1, keepdims=True), np.float64(15), G[None, None, :, :2]])
def test_a_gradient_of_any_other_shape_or_sum_is_refused(yours):
    with pytest.raises(Mismatch):
        close(yours, G, like=Y)


# -- diagnoses --------------------------------------------------------------------------------------------------------


def told(answer, mistakes=lambda x: {}):
    """What a check says of a body that answers so, where x + x is right."""

    def twice(student, x):
        """2 x"""
        close(answer(x), 2 * x, mistakes=mistakes(x))

    vectors = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(lambda values: np.array(values, np.float64))
    with pytest.raises(Mismatch) as found:
        Check("double", "twice", 1, "2 x", twice, [vectors]).run(Silent(), 1)
    return found.value.details["diagnosis"]


class Silent:
    """A session that nobody asks."""

    last = over = request = None
    answered = False


@pytest.mark.parametrize("seed", [1, 2])
def test_cases_that_stand_in_every_seed_come_after_the_drawn_ones_and_are_told(seed):
    near, far = np.zeros(2), np.array([1e4, 1e4 + 1])

    def small(student, x):
        """x is small."""
        holds(x.max() < 100, "x is small")

    chosen = given(st.integers(1, 5).map(lambda n: np.full(n, 1.0)), always=[near, (far,)])(small)
    check = Check("small", "small", 1, "x is small.", small, chosen.strategies, 4, chosen.always)
    *drawn, (first,), (second,) = check.cases(seed)
    assert 1 <= len(drawn) <= 4 and first is near and second is far and not far.flags.writeable
    with pytest.raises(Mismatch) as found:
        check.run(Silent(), seed)
    assert found.value.case["x"] is far


def test_a_check_that_fails_by_itself_is_no_fault_of_the_student():
    check = Check("f", "logarithm", 1, "...", lambda student, x: math.log(-x), examples=4, always=[(1.0,)])
    with pytest.raises(Infrastructure, match="the check logarithm has a fault: ValueError"):
        check.run(Silent(), 1)


def test_cases_may_all_be_given():
    chosen = given(always=[1, (2,)])(lambda student, n: holds(n < 2, "n is below 2"))
    check = Check("small", "small", 1, "n is below 2.", chosen.function, chosen.strategies, 30, chosen.always)
    with pytest.raises(Mismatch) as found:
        check.run(Silent(), 1)
    assert check.cases(1) == [(1,), (2,)] and found.value.case == {"n": 2}


@pytest.mark.parametrize("answer, says", [
    (lambda x: -2 * x, "the sign is flipped"),
    (lambda x: 2 * x / len(x), "too small by a factor of"),
    (lambda x: x, "too small by a factor of 2"),
    (lambda x: 2 * x if len(x) > 1 else -2 * x, "the sign is flipped"),
    (lambda x: x**3, ""),
    (lambda x: x * 5.74267e6, ""),
    (lambda x: x * 2.71828, ""),
    (lambda x: 2 * x[::-1] if len(x) > 1 else 3 * x, ""),
])  # fmt: skip
def test_a_diagnosis_holds_for_every_failing_case(answer, says):
    found = told(answer)
    assert found.startswith(says) and bool(found) == bool(says)


def test_a_mistake_is_named_only_if_it_explains_every_failing_case():
    assert told(lambda x: x * x + 1, lambda x: {"this is x^2 + 1": x * x + 1}) == "this is x^2 + 1"
    assert told(lambda x: x + 1, lambda x: {"one is added to the first": np.array([x[0] + 1])}) == ""
    reversed_ = {"wrong": lambda x: x[:1] + 1, "right": lambda x: x + 1}
    assert told(lambda x: x + 1, lambda x: {say: wrong(x) for say, wrong in reversed_.items()}) == "right"


OWN_MAX = '''

def max(x, *, dim=None):
    """The largest of x."""
    return np.max(x, axis=dim)


def sum(x):
    """All of x."""
    return x.sum()
'''


@pytest.mark.parametrize("body, noted", [
    ("return max(x[0], 0) + x", True), ("return x + max([1.0, 2.0], key=abs)", True),
    ("return sum(v for v in x) + x", True), ("values = [1.0]\nreturn sum(\n    values\n) + x", True),
    ("return max(x, dim=9)", False), ("return max(x) + x[99]", False), ("return abs('x')", False),
])  # fmt: skip
def test_a_builtin_that_the_chapter_redefines_is_told_apart(body, noted):
    check = graded(instead(double=body) + OWN_MAX)["double"].checks[1]
    assert check.state == "error" and ("is builtins." in check.diagnosis) == noted


# -- bytecode of the reference, none of a student's -------------------------------------------------------------------


def test_bytecode_beside_the_reference_is_what_runs_and_a_students_file_has_none(tmp_path):
    course = Course(tmp_path / "toy")
    shutil.copytree(TOY.root, course.root, ignore=shutil.ignore_patterns("__pycache__"))
    mine = tmp_path / "work"
    mine.mkdir()
    (mine / "counting.py").write_text("def count(x):\n    return 7\n")
    for earlier, compiled in ((None, {"__init__", "counting"}), (mine, {"__init__"})):
        package = compose(tmp_path / str(earlier and "mine"), course, course.chapter("01"), SCALING, earlier)
        assert {path.name.split(".")[0] for path in package.rglob("*.pyc")} == compiled
    first = compose(tmp_path / "first", course, course.chapter("01"), SCALING)
    program = f"import sys; sys.path.insert(0, {str(first.parent)!r}); from tinytorch import counting; "
    says = (
        "import numpy; print(counting.count(numpy.zeros(2)), counting.__cached__, counting.count.__code__.co_filename)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", program + says], capture_output=True, text=True, check=True
    )
    count, cached, file = done.stdout.split()
    assert (count, Path(cached).parent, Path(file)) == ("2", first / "__pycache__", first / "counting.py")
    (course.package / "counting.py").write_text("def count(x):\n    return 8\n")
    second = compose(tmp_path / "second", course, course.chapter("01"), SCALING)
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", program.replace(str(first.parent), str(second.parent)) + says],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("8 ")


# -- right answers over many seeds ------------------------------------------------------------------------------------


def test_a_right_answer_that_some_seed_refuses_is_found(tmp_path):
    course = Course(tmp_path / "toy")
    shutil.copytree(TOY.root, course.root)
    course.chapter("01").right_path.parent.mkdir(exist_ok=True)
    ways = 'right("double", "multiplies", "x + x", "2 * x")\nright("double", "is refused", "x + x", "x * x")\n'
    course.chapter("01").right_path.write_text(ways, encoding="utf-8")
    found = list(refused("01", [3, 4], course))
    assert [(one.seed, one.exercise, one.way) for one in found] == [(seed, "double", "is refused") for seed in (3, 4)]
    assert {"twice", "slope_is_two"} <= set(found[0].lost) and "2x is not right" in str(found[0])

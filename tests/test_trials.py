"""tito test: all there is to try of a chapter, or of the course, is tried, and what fails is named."""

import re
import shutil

import pytest
from test_milestones import SCRIPT
from test_questions import QUESTIONS
from toys import TOY, instead
from typer.testing import CliRunner

from tito import cli, course
from tito.history import milestones, trials
from tito.sandbox.isolation import Weak
from tito.work.workspace import Workspace

COURSE = course.default()
TESTS = """import numpy as np

from tinytorch.scaling import double


def test_double():
    assert double(np.ones(2)).tolist() == [2, 2]


def test_of_nothing():
    assert double(np.zeros(0)).size == 0
"""
WHOLE = """\
rubric 00 counting           the reference  passed  3/3
rubric 01 scaling            the reference  passed  10/10
checkpoint 01                the reference  passed  Can I share?
milestone 1900               the reference  passed  to its end

4 of 4 passed.
"""
BROKEN = """\
rubric 00 counting           the reference  passed  3/3
rubric 01 scaling            yours          failed  8/10: share
checkpoint 01                both           failed  the sum is not right
milestone 1900               the reference  passed  to its end

2 of 4 passed.
  rubric 01 scaling: 8/10: share
    again  tito grade 01
  checkpoint 01: the sum is not right
    again  tito checkpoint test 01
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The toy course with a checkpoint, a milestone and tests of its own, and an empty place for work."""
    root = tmp_path / "course"
    shutil.copytree(TOY.root, root, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(COURSE.package / "serialization.py", root / "src" / "tinytorch")
    (root / "grading" / "checkpoints.py").write_text(QUESTIONS)
    (root / "chapters" / "milestones").mkdir()
    (root / "chapters" / "milestones" / "1900_counting.py").write_text(SCRIPT)
    (root / "tests").mkdir()
    (root / "tests" / "test_scaling.py").write_text(TESTS)
    monkeypatch.setattr(course, "find_root", lambda: root)
    monkeypatch.setenv("TINYTORCH_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "work"


def tito(*arguments):
    """The exit code, and what is shown but for the times."""
    result = CliRunner().invoke(cli.main, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, re.sub(r"(?: +|, in )[\d.]+ s(?=\b)", "", result.output)


def write(work, **bodies):
    work.mkdir(exist_ok=True)
    (work / "scaling.py").write_text(instead(**bodies), encoding="utf-8")


def test_the_whole_course(work):
    assert tito("test", "--comprehensive") == (0, WHOLE)
    assert not work.exists()


def test_what_fails_is_named_with_the_command_that_tries_it_again(work):
    write(work, share="return x * count(x)")
    assert tito("test", "--comprehensive") == (1, BROKEN)
    assert tito("test", "--comprehensive", "--reference") == (0, WHOLE)


def test_what_cannot_be_tested_here_fails_and_says_why(work, monkeypatch):
    def broken(*_):
        raise OSError("no more processes")

    monkeypatch.setattr(Weak, "start", broken)
    code, output = tito("test", "--comprehensive")
    assert code == 1 and "rubric 01 scaling            the reference  failed  0/10: could not be graded, and" in output
    assert "checkpoint 01                the reference  failed  it could not be tested: the worker could" in output
    assert "milestone 1900               the reference  passed" in output  # which runs as every program does


def test_one_chapter(work):
    code, output = tito("test", "--module", "scaling")
    assert code == 0 and [line.split("  ")[0] for line in output.splitlines()[:4]] == [
        "rubric 01 scaling", "docstrings scaling.py", "tests test_scaling.py", "checkpoint 01",
    ]  # fmt: skip
    assert "2 passed" in output and output.endswith("\n4 of 4 passed.\n")
    assert tito("test", "--module", "01")[1].splitlines()[0] == output.splitlines()[0]


def test_one_chapter_of_the_students(work):
    write(work, double="return 3 * x")
    code, output = tito("test", "--module", "scaling")
    assert code == 1 and "rubric 01 scaling            yours          failed  6/10: double\n" in output
    assert "tests test_scaling.py        yours          failed  test_double\n" in output
    assert "    again  python -m pytest tests/test_scaling.py\n" in output
    assert "docstrings scaling.py        yours          failed" in output
    assert "checkpoint 01                both           passed" in output  # which needs no double


def test_a_stub_fails(work):
    assert tito("start", "00")[0] == 0
    code, output = tito("test", "--comprehensive")
    assert code == 1 and "rubric 00 counting           yours          failed  0/3: count\n" in output
    assert "checkpoint 01                both           failed  needs chapter 00: count, which is not started" in output
    assert "milestone 1900               yours          failed  NotImplementedError: chapter 00: count" in output


def test_on_a_terminal_it_is_a_table(work, monkeypatch):
    write(work, share="return x * count(x)")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    code, output = tito("test", "--comprehensive")
    last = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", output).split("trial")[-1].splitlines()
    assert code == 1 and [line.split()[:2] for line in last[1:5]] == [
        ["rubric", "00"], ["rubric", "01"], ["checkpoint", "01"], ["milestone", "1900"],
    ]  # fmt: skip
    assert "\x1b[32mpassed" in output and "\x1b[31mfailed" in output and "3 of 4" in output


@pytest.mark.parametrize("arguments", [(), ("--module", "scaling", "--comprehensive")])
def test_one_of_both_is_asked_for(work, arguments):
    code, output = tito("test", *arguments)
    assert code == 2 and output.startswith("tito: what is to be tested? One chapter: tito test --module tensor ")


def test_a_chapter_that_is_not_there(work):
    assert tito("test", "--module", "flying")[0] == 2


# -- the beginning of a milestone --------------------------------------------------------------------------------------


def test_a_milestone_that_takes_longer_is_stopped_calmly_and_leaves_nothing(work, monkeypatch):
    monkeypatch.setenv("TOY_PAUSE", "0.2")
    here = Workspace.of(course.default())
    one = milestones.wanted(here.course, "1900")[0]
    assert milestones.begin(one, here, reference=True, seconds=0.5) == (True, "the first 0.5 s of it")
    assert not work.exists()


def test_a_milestone_that_fetches_is_offline(work):
    here = Workspace.of(course.default())
    one = milestones.wanted(here.course, "1900")[0]
    fetching = SCRIPT.replace(
        "    seen = ", '    __import__("urllib.request").request.urlopen("http://example.com")\n    seen = ', 1
    )
    one.path.write_text(fetching)
    passed, said = milestones.begin(one, here, reference=True)
    assert not passed and "URLError" in said and "refused" in said


# -- of the real course ------------------------------------------------------------------------------------------------


def test_every_rubric_checkpoint_and_milestone_is_tried(tmp_path):
    found = [str(trial) for trial in trials.whole(Workspace(COURSE, tmp_path))]
    assert [one for one in found if one.startswith("rubric")] == [
        f"rubric {chapter.number} {chapter.name}" for chapter in COURSE.chapters()
    ]
    assert {"checkpoint 01", "checkpoint 14", "milestone 1957", "milestone 2017"} <= set(found)


@pytest.mark.parametrize("chapter", COURSE.chapters(), ids=lambda chapter: chapter.number)
def test_every_chapter_has_its_five(chapter, tmp_path):
    kinds = [trial.kind for trial in trials.of_chapter(chapter, Workspace(COURSE, tmp_path))]
    assert kinds[:4] == ["rubric", "docstrings", "cells", "tests"]


def test_what_pytest_said_in_short():
    names = "".join(f"FAILED tests/test_x.py::test_{name} - assert 1\n" for name in "abcd")
    assert trials.summary(f"...\n{names}4 failed in 2s\n") == "test_a, test_b, test_c and 1 more"
    assert trials.summary("....\n=== 4 passed in 2s ===\n") == "4 passed in 2s"
    assert trials.summary("ERROR tests/test_x.py - SyntaxError\n") == "tests/test_x.py"
    assert trials.summary("") == ""

"""Claims: what is read of their program, what is recorded, what is shown, and that the page has them all."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tito import cli, course
from tito.cli import measures
from tito.course import CourseError
from tito.measure import claims
from tito.measure.claims import Claim

ROOT = Path(__file__).parents[1]
COURSE = course.Course(ROOT)
PROGRAM = '''
import json, sys

claims = {}

def claim(says):
    return lambda function: claims.update({function.__name__: (says, function)})

@claim("One is less than two")
def less():
    """Both numbers."""
    return {"one": 1.0, "two": [2.0, 1.5, 2500.0]}

@claim("It (all) works")
def broken():
    """Nothing."""
    raise SystemExit("no luck")

says, function = claims[sys.argv[1]]
print(json.dumps({"says": says, "numbers": function(), "machine": "a machine"}))
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    found = course.Course(tmp_path)
    claims.programs(found).parent.mkdir(parents=True)
    claims.programs(found).write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setattr(measures, "default", lambda: found)
    return found


def test_a_claim_is_measured_in_its_own_process_and_told_with_what_it_stands_on(toy):
    assert claims.names(toy) == ["less", "broken"]
    made = claims.measure(toy, "less")
    assert (made["one"], made["two"], made.says) == (1.0, [2.0, 1.5, 2500.0], "One is less than two")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d, a machine\. tito claims -k less", made.made())
    assert made.table().split("\n")[:3] == ["One is less than two", "  one  1", "  two  2, 1.5, 2,500"]


def test_a_claim_that_cannot_be_measured_is_an_error_with_its_reason(toy):
    with pytest.raises(CourseError, match="the claim broken could not be measured:\nno luck"):
        claims.measure(toy, "broken")


def test_what_is_recorded_again_takes_its_own_place(toy):
    with pytest.raises(CourseError, match="tito claims --record"):
        claims.load(toy)
    made = [Claim(name, "so", {"n": n}, "a machine", "2026-01-02") for n, name in enumerate(["broken", "less", "gone"])]
    for one in made:
        claims.record(toy, one)
    claims.record(toy, Claim("broken", "so", {"n": 9}, "another machine", "2026-01-03"))
    found = claims.load(toy)
    assert list(found) == ["less", "broken"] and found["less"] == made[1]
    assert (found["broken"]["n"], found["broken"].machine) == (9, "another machine")


def test_the_command_measures_those_that_are_named(toy):
    run = CliRunner().invoke(cli.main, ["claims", "-k", "less", "--record"])
    assert run.exit_code == 0 and "One is less than two" in run.output and "Recorded:" in run.output
    assert [facts["name"] for facts in json.loads(claims.recorded(toy).read_text(encoding="utf-8"))] == ["less"]
    run = CliRunner().invoke(cli.main, ["claims", "-k", "nothing"])
    assert run.exit_code == 2 and "there are: less, broken" in run.output


def test_every_claim_is_recorded_and_stands_on_the_page_with_a_verdict_that_a_claim_holds():
    recorded, page = claims.load(COURSE), (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert list(recorded) == claims.names(COURSE)
    sections = dict(re.findall(r"^## ([^\n]+)\n\n(.+?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for name, one in recorded.items():
        section = sections[one.says]
        assert re.match(r"\*(Holds|Fails|Depends)", section), one.says
        assert "{claim}`" in section and f"{{eval}}`{name}.made()`" in section


def test_the_count_of_parts_is_the_milestones_own(tmp_path):
    """Where the milestone's cell counts something else, so does the claim."""
    folder = tmp_path / "chapters"
    shutil.copytree(ROOT / "chapters" / "measures", folder / "measures")
    (folder / "milestones").mkdir()
    cell = "def lines(): ...\nused = {'GPT': {1, 2, 3, 4}, 'CNN': {1}, 'ViT': {1, 2, 9}}\nprint('shown on the page')"
    (folder / "milestones" / "2017_gpt.md").write_text(f"# A page\n\n```{{live}}\n{cell}\n```\n", encoding="utf-8")
    made = claims.measure(course.Course(tmp_path), "shared")
    assert made.numbers == {"lines that a GPT enters": 4, "of them a CNN, too": 0.25, "of them a ViT, too": 0.5}

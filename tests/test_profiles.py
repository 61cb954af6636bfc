"""Profiles: what is read out of Scalene's JSON, what a summary holds, how it looks, and what is recorded."""

import json
import math
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tito import cli, course
from tito.course import CourseError
from tito.measure import profiles

ROOT = Path(__file__).parents[1]
COURSE = course.Course(ROOT)
SAMPLE = json.loads((ROOT / "tests" / "samples" / "scalene.json").read_text(encoding="utf-8"))
PLAIN = {
    "what": "A product.",
    "times": 400,
    "seconds": 1.234,
    "peak": 50e6,
    "before": 40e6,
    "machine": "a machine",
    "by_hand": {},
    "primitives": [{"name": "matmul", "share": 0.7, "made": 640_000.0}, {"name": "add", "share": 0.01, "made": 0.0}],
}


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(profiles.importlib.metadata, "version", lambda name: "2.4.0")
    return profiles.summary(SAMPLE, PLAIN, "05")


def test_functions_are_charged_with_their_lines():
    functions, lines, _ = profiles.charges(SAMPLE, times=400)
    charged = {charge.name: charge for charge in functions}
    assert set(charged) == {"tiny.run", "tiny.counted", "tiny.Pair.product"}  # the import of NumPy is nobody's work
    assert sum(charge.share for charge in functions) == pytest.approx(1, abs=1e-3)
    assert charged["tiny.run"].native > 0.6 and charged["tiny.counted"].python > charged["tiny.counted"].native
    assert charged["tiny.run"].allocated == pytest.approx((488.745 + 1.141) * 2**20 / 1e6 / 400, abs=1e-3)
    assert [charge.share for charge in functions] == sorted((c.share for c in functions), reverse=True)
    assert lines[0].name == "last = np.exp(-z)"  # the product is charged to the line below it


def test_waiting_is_no_part_of_the_shares():
    sample = json.loads(json.dumps(SAMPLE))
    for line in sample["files"]["/home/somebody/tiny.py"]["lines"]:
        line["n_sys_percent"] *= 10
    calm, busy = profiles.charges(SAMPLE, 1), profiles.charges(sample, 1)
    assert calm[:2] == busy[:2]
    assert calm[2] < busy[2] < 1


def test_lines_come_back_as_they_were_written():
    assert profiles.text({"line": "total += i \\u003c 3\n"}) == "total += i < 3\n"


def test_spans_know_methods_inner_functions_and_no_decorators():
    method = "class A:\n    @property\n    def f(self):\n        return 1\n"
    source = method + "\ndef g():\n    def h():\n        pass\n    return h\n"
    assert profiles.function_lines(source) == {"A.f": (3, 4), "g": (6, 9), "g.h": (7, 8)}


def test_a_summary_tells_what_is_worth_telling(made):
    assert [charge.name for charge in made.functions] == ["tiny.run", "tiny.counted"]
    assert [timed.name for timed in made.primitives] == ["matmul"]
    assert made.python + made.native == pytest.approx(1, abs=2e-3)
    assert (made.peak, made.before, made.seconds, made.lines) == (50.0, 40.0, 1.23, [])
    assert made.charged("tiny.run").share > 0.5 and made.charged("tiny.nothing").share == 0
    assert made.timed("matmul", "nothing") == 0.7
    assert made.command == "nox -s profile-05" and re.fullmatch(r"\d{4}-\d\d-\d\d", made.date)


def test_a_summary_survives_its_file_and_holds_no_path(made):
    text = json.dumps(asdict(made))
    assert profiles.from_json(json.loads(text)) == made
    assert not re.search(r"/(home|Users|tmp|work|usr|root)\b", text)


def test_lines_are_kept_where_a_hand_timed_them_too(monkeypatch):
    monkeypatch.setattr(profiles.importlib.metadata, "version", lambda name: "2.4.0")
    made = profiles.summary(SAMPLE, PLAIN | {"by_hand": {"z = pair.product()": 0.9}}, "five")
    assert made.charged("last = np.exp(-z)").share > 0.5 and made.by_hand == {"z = pair.product()": 0.9}
    assert made.command == "tito profile five"


def test_the_table(made):
    lines = replace(made, date="2026-01-02").table().splitlines()
    assert re.fullmatch(r"functions, by Scalene +Python +native +allocated", lines[0])
    assert re.fullmatch(r"tiny\.run +\d% +\d\d% +1\.28 MB", lines[1])
    assert any(re.fullmatch(r"matmul +70% +0\.64 MB", line) for line in lines)
    assert lines[-3:] == [
        "400 rounds in 1.2 s of CPU",
        "50 MB at the peak, 40 MB of them before the first round",
        "2026-01-02, a machine; Scalene 2.4.0. nox -s profile-05",
    ]
    assert max(map(len, lines)) <= 90


def test_the_plot_has_a_bar_for_each_function(made):
    import matplotlib

    matplotlib.use("agg")
    axes = made.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["tiny.run", "tiny.counted"]


def test_every_chapter_with_a_source_but_the_first_has_a_workload():
    known = profiles.workloads(COURSE)
    missing = {chapter.name for chapter in COURSE.chapters() if chapter.number != "00"} - set(known)
    assert not missing


def test_workloads_run():
    """One step of each, in this process; `measure` alone repeats them for seconds."""
    sys.path.insert(0, str(ROOT / "chapters" / "measures"))
    import workloads

    for name, (build, times) in workloads.workloads.items():
        assert times >= 1 and build.__doc__
        if name != "five":
            build()()
    shares = workloads.five_lines_by_hand(times=2)
    assert math.isclose(sum(shares.values()), 1)


def test_workloads_are_seeded():
    sys.path.insert(0, str(ROOT / "chapters" / "measures"))
    import workloads

    import tinytorch as tt

    losses = []
    for _ in range(2):
        tt.manual_seed(0)
        step = workloads.optimizers()
        losses.append([step().item() for _ in range(3)])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("path", sorted((ROOT / "chapters" / "profiles").glob("*.json")), ids=lambda path: path.stem)
def test_what_is_recorded_can_be_read_and_names_no_machine_path(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|Users|tmp|work|usr|root)\b", text)
    profile = profiles.load(path.stem, COURSE)
    assert profile.name == path.stem and profile.functions and profile.machine and profile.versions["Scalene"]
    assert profile.python + profile.native == pytest.approx(1, abs=5e-3)


def test_chapters_and_workloads_are_found_by_any_name():
    assert profiles.find(COURSE, "5") == profiles.find(COURSE, "05") == profiles.find(COURSE, "autograd")
    assert profiles.find(COURSE, "five") == ("five", "five")
    with pytest.raises(CourseError, match=r"no workload '99'; there are: .*05 autograd.*five"):
        profiles.find(COURSE, "99")


def test_without_scalene_the_error_has_the_command(monkeypatch):
    monkeypatch.setattr(profiles, "installed", lambda: False)
    with pytest.raises(CourseError, match="pip install scalene"):
        profiles.measure(COURSE, "05")


def test_without_a_record_the_error_has_the_command(tmp_path):
    measures = tmp_path / "chapters" / "measures"
    measures.mkdir(parents=True)
    (measures / "workloads.py").write_text("@workload(times=1)\ndef small():\n    pass\n")
    with pytest.raises(CourseError, match="tito profile small --record"):
        profiles.load("small", course.Course(tmp_path))


def test_the_command_prints_the_table_and_records(monkeypatch, tmp_path, made):
    monkeypatch.setattr(profiles, "measure", lambda course, name: (made, tmp_path / "05.html"))
    monkeypatch.setattr(profiles, "recorded", lambda course, name: tmp_path / f"{name}.json")
    result = CliRunner().invoke(cli.main, ["profile", "05", "--record"])
    assert result.exit_code == 0, result.output
    assert made.table() in result.output and "05.html" in result.output
    assert profiles.from_json(json.loads((tmp_path / "05.json").read_text(encoding="utf-8"))) == made


def test_large_frameworks_are_hidden_from_scalene(tmp_path):
    profiles.hide(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(profiles.FRAMEWORKS)
    with pytest.raises(ModuleNotFoundError, match="torch is left out"):
        exec((tmp_path / "torch.py").read_text(encoding="utf-8"))


@pytest.mark.skipif(not profiles.installed(), reason=f"Scalene is not installed: {profiles.INSTALL}")
def test_scalene_itself(tmp_path):
    program = tmp_path / "tiny.py"
    program.write_text("def busy():\n    return sum(i * i for i in range(6_000_000))\n\n\nbusy()\n", encoding="utf-8")
    raw = profiles.sample(COURSE, [program], [], tmp_path / "raw.json")
    functions, _, _ = profiles.charges(json.loads(raw.read_text(encoding="utf-8")), times=1)
    assert functions[0].name == "tiny.busy"
    assert "<html" in profiles.report(raw, tmp_path / "raw.html").read_text(encoding="utf-8").lower()

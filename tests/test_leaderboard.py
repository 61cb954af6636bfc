"""The leaderboard: a result says what was measured, of which files; what does not fit is refused with the reason."""

import copy
import dataclasses
import json
import os

import numpy as np
import pytest
from typer.testing import CliRunner

from tinytorch import olympics, serialization
from tinytorch.benchmarking import Estimate
from tito import cli
from tito.course import CourseError, default
from tito.measure import contest, entries, leaderboard
from tito.measure.contest import Trial
from tito.measure.entries import REFERENCE, Entry, Framework, Refused

COURSE, SPRINT = default(), olympics.EVENTS["mlp_sprint"]
ENTRY = Entry("mine", b"x = 1\n", b"weights")
AGAINST = Entry("baseline", b"y = 1\n", b"others")


def trial(event=SPRINT, latency=(0.5, 0.4, 0.6), passed=True) -> Trial:
    """What a contest could have come to, with this ratio for the latency."""
    ratios = {name: Estimate(1.0, 1.0, 1.0) for name in event.measures} | {"latency": Estimate(*latency)}
    gains = {name: olympics.gain_of(ratio) for name, ratio in ratios.items()}
    quality = 0.99 if passed else 0.5
    mean = lambda field: olympics.combined({n: 1 / getattr(r, field) for n, r in ratios.items()}, event.measures)
    score = olympics.Score(event.name, quality, passed, ratios, gains, olympics.combined(gains, event.measures), None)
    score = dataclasses.replace(score, interval=Estimate(mean("value"), mean("high"), mean("low")))
    if not passed:
        score = olympics.Score(event.name, quality, False, {}, {}, 0.0, None)
    return Trial(event.name, "open", score, {"entry": {"size": 7.0}}, 1.0, ["files", "processes"], 7, 5, [])


def result(name="mine", **options) -> leaderboard.Result:
    return leaderboard.result(trial(**options), ENTRY, AGAINST, REFERENCE, name, "Ada L.", "tito benchmark submit")


FACTS = json.loads(leaderboard.to_json(result()))


def changed(**changes) -> bytes:
    """The result with other fields; a double underscore goes one level down."""
    facts = copy.deepcopy(FACTS)
    for name, value in changes.items():
        place = facts
        *path, last = name.split("__")
        for part in path:
            place = place[part]
        place[last] = value
    return json.dumps(facts).encode()


def test_a_result_comes_back_as_it_was():
    for one in (result(), result(passed=False), result(latency=(3.0, 2.0, 4.0))):
        assert leaderboard.from_json(leaderboard.to_json(one).encode()) == one
    assert result().files == ENTRY.hashes and result().baseline == AGAINST.hashes
    assert result().machine["cores"] == os.cpu_count() and result().versions["numpy"] == np.__version__


WRONG = {
    "not JSON": (b"{", "not JSON"),
    "no object": (b"[]", "has the fields"),
    "NaN": (changed().replace(b"0.99", b"NaN"), "NaN is no number of JSON"),
    "too long": (b" " * (leaderboard.CAP + 1), "at most"),
    "deep": (b"[" * 50_000, "not JSON"),
    "a field too many": (changed(more=1), "has the fields"),
    "another format": (changed(format=2), "not format 1"),
    "a field of another type": (changed(seed="7"), "seed is '7', not of type int"),
    "a truth for a number": (changed(rounds=True), "rounds is True, not of type int"),
    "no such event": (changed(event="sprint"), "no event 'sprint'"),
    "no such division": (changed(division="mine"), "division is 'mine'"),
    "a name with a path": (changed(name="../x"), "name is '../x'"),
    "an author with markup": (changed(author="<b>"), "author is '<b>'"),
    "no date": (changed(date="today"), "date is 'today'"),
    "no hash": (changed(files={"entry.py": "12"}), "no file's name and its SHA-256"),
    "another file": (changed(files={"entry.py": "0" * 64, "more.py": "0" * 64}), "files are entry.py, and perhaps"),
    "no program": (changed(files={"weights.safetensors": "0" * 64}), "files are entry.py"),
    "numbers that are none": (changed(measured={"entry": {"size": "small"}}), "no numbers"),
    "a higher total": (changed(score__total=9.0), "its ratios come to"),
    "a higher gain": (changed(score__gains__latency=9.0), "its ratios come to"),
    "a gain too many": (changed(score__gains__speed=9.0), "its ratios come to"),
    "a lucky end": (changed(score__ratios__latency=[0.5, 0.1, 0.6, 0.1]), "the score does not fit"),
    "a value outside its interval": (changed(score__ratios__latency=[0.1, 0.4, 0.6]), "outside its interval"),
    "a ratio below 0": (changed(score__ratios__latency=[0.5, -1.0, 0.6]), "does not fit"),
    "a measure that is missing": (changed(score__ratios={"latency": [0.5, 0.4, 0.6]}), "does not fit"),
    "a gate that was not passed": (changed(score__quality=0.5), "passed is True"),
    "a score of another event": (changed(score__event="size"), "is of the event mlp_sprint"),
    "a score that is text": (changed(score="good"), "not of type dict"),
    "an interval of text": (changed(score__interval=["a", "b", "c"]), "no finite number"),
}


@pytest.mark.parametrize("data, says", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_with_the_reason(data, says):
    with pytest.raises(Refused, match=says):
        leaderboard.from_json(data)


def test_files_that_are_not_the_measured_ones_are_refused(tmp_path):
    path = leaderboard.save(result(), ENTRY, tmp_path)
    assert leaderboard.load(path) == result() and leaderboard.files(path, result()).hashes == ENTRY.hashes
    program, weights = path.with_suffix("") / "entry.py", path.with_suffix("") / "weights.safetensors"
    program.write_bytes(b"x = 2\n")
    with pytest.raises(Refused, match=r"entry\.py: its SHA-256 is"):
        leaderboard.files(path, leaderboard.load(path))
    program.write_bytes(ENTRY.program)
    weights.unlink()
    with pytest.raises(Refused, match=r"weights\.safetensors: its SHA-256 is missing"):
        leaderboard.results(tmp_path)
    other = path.rename(tmp_path / "mlp_sprint-other.json")
    with pytest.raises(Refused, match=r"is called mlp_sprint-mine\.json"):
        leaderboard.files(other, leaderboard.load(other))
    with pytest.raises(Refused, match="cannot be read"):
        leaderboard.load(tmp_path / "nothing.json")


def test_nothing_is_overwritten(tmp_path):
    leaderboard.save(result(), ENTRY, tmp_path)
    with pytest.raises(CourseError, match="is already there, and stays as it is"):
        leaderboard.save(result(), Entry("mine", b"other"), tmp_path)
    with pytest.raises(CourseError, match="a name is up to 40 of"):
        leaderboard.check_free(tmp_path, "mlp_sprint", "../mine")


def held(latency, passed=True) -> str:
    here = trial(latency=latency, passed=passed)
    word = next(check.word for check in leaderboard.checks(result(), here) if check.measure == "latency")
    assert leaderboard.holds(result(), here) is (word in ("holds", "better"))
    return word


def test_a_claim_holds_where_the_intervals_meet():
    """0.5 [0.4, 0.6] is claimed."""
    assert held((0.5, 0.4, 0.6)) == held((0.7, 0.59, 0.9)) == held((0.3, 0.2, 0.41)) == "holds"
    assert held((0.2, 0.1, 0.3)) == "better"
    assert held((0.7, 0.62, 0.9)) == held((2.0, 1.9, 2.1)) == "does not hold"
    assert held((0.61, 0.61, 0.61)) == "holds"  # 2 % do not matter
    assert held((0.5, 0.4, 0.6), passed=False) == "not reached"


def test_the_table_shares_ranks_that_cannot_be_told_apart():
    found = [result("slow"), result("fast", latency=(0.1, 0.09, 0.11)), result("same"), result("shut", passed=False)]
    table = leaderboard.table(found)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["entry"] == ["fast", "slow", "same", "shut"] and columns["rank"] == ["1", "2", "2", "4"]
    assert columns["interval"][-1] == "gate shut" and columns["score"][-1] == "0.00"
    closed = dataclasses.replace(found[0], trial=dataclasses.replace(found[0].trial, division="closed"))
    ranks = next(column for column in leaderboard.table([*found, closed]).columns if column.header == "rank")
    assert list(ranks.cells) == ["1", "1", "2", "2", "4"]  # divisions are not compared


def test_the_books_results_fit():
    found = leaderboard.results(leaderboard.folder(COURSE))
    assert found and all(one.trial.score.passed for one in found)


# -- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYTORCH_WORK", str(tmp_path / "work"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    path = tmp_path / "baseline.safetensors"
    serialization.save(olympics.baseline(SPRINT).state_dict(), path)
    monkeypatch.setattr(entries, "baseline_path", lambda course, event: path)
    return tmp_path / "work"


def tito(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, ["benchmark", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_events_and_a_first_entry(work):
    code, output = tito("events")
    assert code == 0 and all(event.title in output and str(event.gate) in output for event in olympics.EVENTS.values())
    for name in ("mlp_sprint", "cpu_speedrun"):
        code, output = tito("start", name)
        assert code == 0 and f"Race it: tito benchmark run --event {name} work/entries/{name}" in output
        program = (work / "entries" / name / "entry.py").read_bytes()
        assert program == entries.first_program(COURSE, olympics.EVENTS[name])
        compile(program, "entry.py", "exec")
    (work / "entries" / "mlp_sprint" / "entry.py").write_text("mine")
    code, output = tito("start", "mlp_sprint")
    assert (code, output) == (1, "work/entries/mlp_sprint/entry.py is already there and stays as it is.\n")
    assert (work / "entries" / "mlp_sprint" / "entry.py").read_text() == "mine"
    code, output = tito("start", "sprint")
    assert code == 2 and output.startswith("tito: there is no event 'sprint'; there are: mlp_sprint, ")


def test_an_entry_that_does_not_answer_is_one_line(work, tmp_path):
    (tmp_path / "entry.py").write_text("import os\nos._exit(0)\n")
    code, output = tito("run", "--event", "mlp_sprint", "entry.py")
    assert code == 2 and output.endswith(
        "tito: error: the program ended before it answered: something called exit, or it crashed\n"
    )
    assert tito("run", "--event", "mlp_sprint", "nothing.py")[0] == 2
    assert tito("run", "--event", "mlp_sprint", "--rounds", "2", "entry.py")[0] == 2


def test_run_submit_verify(work, tmp_path, monkeypatch):
    """The gate is opened: what an untrained network says is as good as what another one says."""
    event = dataclasses.replace(SPRINT, gate=olympics.Gate("accuracy", at_least=0.0))
    monkeypatch.setitem(olympics.EVENTS, "mlp_sprint", event)
    monkeypatch.setattr(contest, "TURNS", {"throughput": 1, "latency": 2})
    tito("start", "mlp_sprint")
    place = "work/entries/mlp_sprint"
    code, output = tito("run", "--event", "mlp_sprint", "--rounds", "3", place)
    assert code == 0 and "accuracy at least 0 is needed: passed." in output and "Closed division; 3 rounds" in output
    assert all(name in output for name in event.measures)
    submit = ("submit", "--event", "mlp_sprint", "--rounds", "3", "--name", "first", place)
    code, output = tito(*submit)
    assert code == 0 and "Written: work/leaderboard/mlp_sprint-first.json" in output
    found = leaderboard.load(work / "leaderboard" / "mlp_sprint-first.json")
    assert found.trial.rounds == 3 and set(found.files) == {"entry.py"} and not found.framework
    code, output = tito(*submit)
    assert code == 2 and "is already there, and stays as it is" in output
    code, output = tito("verify", "--rounds", "3", "work/leaderboard/mlp_sprint-first.json")
    word = {0: "holds", 1: "does not hold"}[code]  # the machine decides
    assert output.endswith(f"What mlp_sprint-first claims {word} on this machine.\n")
    (work / "leaderboard" / "mlp_sprint-first" / "entry.py").write_text("other")
    code, output = tito("verify", "work/leaderboard/mlp_sprint-first.json")
    assert code == 2 and "its SHA-256 is" in output


def test_an_entry_runs_on_chapters_that_have_their_points(work, tmp_path):
    from tito.cli.benchmark import framework, same_framework
    from tito.cli.common import workspace

    here = workspace()
    work.mkdir()
    (work / "tensor.py").write_bytes((COURSE.package / "tensor.py").read_bytes())
    assert framework(here, reference=False).chapters == ()  # it has no points yet
    exercises = {name: {"points": one.points, "state": "passed"} for name, one in exercises_of("01").items()}
    here.record("01", {"exercises": exercises})
    own = framework(here, reference=False)
    assert own == Framework(work, ("tensor",)) and framework(here, reference=True) is REFERENCE
    made = leaderboard.result(trial(), ENTRY, AGAINST, own, "mine", "", "")
    assert same_framework(here, made).hashes == own.hashes == made.framework
    (work / "tensor.py").write_text("changed = True\n")
    assert same_framework(here, made) is REFERENCE


def exercises_of(number: str):
    from tito.rubrics.rubric import load

    return load(number, COURSE).exercises

"""The comparison with PyTorch: medians and ratios, what counts as quiet, the table, and a run of the smallest one."""

import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tito import cli, course
from tito.cli import measures
from tito.course import CourseError
from tito.measure import comparison
from tito.measure.comparison import Comparison, Contender, Result, Turn

ROOT = Path(__file__).parents[1]
COURSE = course.Course(ROOT)


def turns(*seconds: float, peak: float = 50e6, others: float | None = 0.0) -> list[Turn]:
    return [Turn(2 * s, s, int(peak), others) for s in seconds]


ONE = Result("mlp", 1, {"tinytorch": turns(1e-3, 2e-3, 9e-3), "torch": turns(4e-3, peak=200e6)})
QUIET, BUSY = turns(*[1e-3] * comparison.FEWEST), turns(*[9e-3] * comparison.FEWEST, others=0.5)
TWO = Result("mlp", 2, {"tinytorch": QUIET + BUSY, "torch": QUIET[1:] + BUSY})
VERSIONS = {"tinytorch": "0.1", "torch": "2"}
MADE = Comparison([ONE, TWO], VERSIONS, True, "a machine", "2026-01-02")


def shown(made: Comparison) -> str:
    text = io.StringIO()
    comparison.show(made, Console(file=text, width=120, color_system=None))
    return text.getvalue()


def test_one_thread_counts_the_median_cpu_time():
    assert (ONE.seconds("tinytorch"), ONE.seconds("torch"), ONE.ratio) == (2e-3, 4e-3, 0.5)
    assert (ONE.peak("torch"), ONE.memory) == (200.0, 0.25)


def test_two_threads_count_the_clock_in_quiet_turns():
    assert TWO.seconds("tinytorch") == 2e-3
    assert TWO.seconds("torch") is None and TWO.ratio is None
    assert (
        TWO.enough(comparison.FEWEST - 1) and not TWO.enough(comparison.FEWEST) and ONE.enough(1) and not ONE.enough(2)
    )


def test_where_nobody_can_tell_every_turn_is_quiet():
    result = Result("mlp", 2, {"tinytorch": turns(*[1e-3] * comparison.FEWEST, others=None)})
    assert result.seconds("tinytorch") == 2e-3


def test_the_table_and_its_notes():
    text = shown(MADE)
    assert [line.split() for line in text.splitlines()[1:3]] == [
        ["step", "of", "the", "MLP", "1", "2000", "us", "4000", "us", "0.50", "50", "200", "0.25"],
        ["step", "of", "the", "MLP", "2", "2000", "us", "-", "-", "50", "50", "1.00"],
    ]
    assert "On 2 threads there is no result" in text
    assert "2026-01-02, a machine; tinytorch 0.1, torch 2. nox -s bench" in text


def test_without_pytorch_it_says_how_to_get_it():
    alone = Comparison(
        [Result("mlp", 1, {"tinytorch": turns(1e-3)})], {"tinytorch": "0.1"}, False, "a machine", "2026-01-02"
    )
    text = shown(alone)
    assert "measures TinyTorch alone: pip install torch tokenizers" in text
    assert "Freed memory went back" in text
    assert "1000 us - - 50 - -" in " ".join(text.split())


def test_a_comparison_survives_its_file(tmp_path):
    comparison.save(MADE, tmp_path / "results.json")
    assert comparison.from_json(json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))) == MADE
    assert MADE["mlp", 2] is TWO


def test_what_is_recorded_can_be_read():
    recorded = comparison.load(COURSE)
    assert set(recorded.versions) == {"tinytorch", "torch", "tokenizers"} and recorded.kept
    for name, counts in comparison.THREADS.items():
        for threads in counts:
            assert all(len(taken) >= 5 for taken in recorded[name, threads].turns.values())
    assert "/" not in recorded.made()


def test_without_a_record_the_error_has_the_command(tmp_path):
    with pytest.raises(CourseError, match="tito compare --record"):
        comparison.load(course.Course(tmp_path))


def test_a_contender_answers_in_its_own_process():
    contender = Contender(COURSE, "tinytorch", "add", 1)
    try:
        first, second = contender.turn(2), contender.turn(2)
    finally:
        contender.close()
    assert first.wall > 0 and second.cpu >= 0 and second.peak >= first.peak > 1e6
    assert contender.process.returncode == 0


def test_a_contender_that_fails_is_named():
    contender = Contender(COURSE, "no_such_framework", "add", 1)
    try:
        with pytest.raises(CourseError, match="add on no_such_framework"):
            contender.turn(1)
    finally:
        contender.close()


def test_comparing_alone_measures_every_thread_count(monkeypatch):
    monkeypatch.setattr(comparison, "THEIRS", "no_such_framework")
    monkeypatch.setattr(comparison, "CALLS", {"add": 2})
    monkeypatch.setattr(comparison, "THREADS", {"add": (1, 2)})
    monkeypatch.setattr(comparison, "PATIENCE", 0)
    monkeypatch.setattr(comparison, "PAUSE", 0)
    said: list[str] = []
    made = comparison.compare(COURSE, ["add"], 2, said.append)
    assert said == ["one addition, 1 thread", "one addition, 2 threads"]
    assert [result.threads for result in made.results] == [1, 2]
    assert all(len(result.turns["tinytorch"]) == 2 for result in made.results)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason=f"PyTorch is not installed: {comparison.INSTALL}")
@pytest.mark.parametrize("name", [name for name in comparison.CALLS if name not in comparison.RIVALS])
def test_every_benchmark_runs_on_pytorch_too(name):
    sys.path.insert(0, str(ROOT / "chapters" / "measures"))
    import benchmarks
    import torch

    function, operations = benchmarks.benchmarks[name](torch)
    function()
    assert operations >= 1


@pytest.mark.parametrize("name", comparison.RIVALS)
def test_tokenizers_are_compared_on_the_same_text(name, monkeypatch):
    library = pytest.importorskip("tokenizers")
    monkeypatch.syspath_prepend(str(ROOT / "chapters" / "measures"))
    import benchmarks

    import tinytorch

    monkeypatch.setattr(benchmarks, "tiny_shakespeare", lambda: "low lower lowest\nnewer newest\n" * 40)
    (ours, n), (theirs, m) = (benchmarks.benchmarks[name](each) for each in (tinytorch, library))
    if name == "bpe_train":
        assert n == m == 1 and len(ours()) == theirs().get_vocab_size()
    else:
        assert n == m == 1 and ours() == theirs()


def test_each_is_compared_with_its_rival():
    learned = Result("bpe_train", 1, {"tinytorch": turns(1.0), "tokenizers": turns(2.0, peak=100e6)})
    assert (learned.rival, learned.ratio, learned.memory) == ("tokenizers", 0.5, 0.5) and ONE.rival == "torch"


def test_without_its_text_a_benchmark_is_left_out(monkeypatch, tmp_path):
    asked = list[str]()
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path))
    monkeypatch.setattr(comparison, "compare", lambda course, names, *_: asked.extend(names) or MADE)
    monkeypatch.setattr(measures, "default", lambda: course.Course(tmp_path))
    result = CliRunner().invoke(cli.main, ["compare"])
    assert "tito data shakespeare" in result.output and not set(asked) & set(comparison.RIVALS) and "mlp" in asked


def test_an_unknown_benchmark_is_refused():
    result = CliRunner().invoke(cli.main, ["compare", "-k", "nothing"])
    assert result.exit_code == 2 and f"there are: {', '.join(comparison.CALLS)}" in result.output


def test_a_part_is_not_recorded():
    result = CliRunner().invoke(cli.main, ["compare", "-k", "mlp", "--record"])
    assert result.exit_code == 2 and "--record goes without -k" in result.output


def test_the_command_prints_and_keeps_the_result(monkeypatch, tmp_path):
    monkeypatch.setattr(comparison, "compare", lambda *_: MADE)
    monkeypatch.setattr(comparison, "recorded", lambda course: tmp_path / "results.json")
    monkeypatch.setattr(measures, "default", lambda: course.Course(tmp_path))
    result = CliRunner().invoke(cli.main, ["compare", "--record"])
    assert result.exit_code == 0, result.output
    assert "step of the MLP" in result.output and "Recorded:" in result.output
    assert (tmp_path / "build" / "comparison.json").is_file() and (tmp_path / "results.json").is_file()

"""The command line, as a student sees it: what is typed, what is shown, how it ends."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from toys import SCALING, TOY, instead
from typer.testing import CliRunner

from tito import cli, course
from tito.launch import environment
from tito.work import play
from tito.work.workspace import Workspace


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "find_root", lambda: TOY.root)
    monkeypatch.setenv("TINYTORCH_WORK", str(tmp_path / "work"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path / "work"


def tito(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_start(work):
    assert tito("start", "1") == (
        0,
        "work/scaling.py is yours: 4 exercises, 10 points, about 15 minutes.\n"
        "Begin with double, line 15. Its docstring says what it computes, the comment below is a hint.\n"
        "Grade it: tito grade 01 -k double    the whole chapter: nox -s grade-01\n",
    )
    code, output = tito("start", "scaling")
    assert code == 1 and output.startswith("work/scaling.py is already there and stays as it is.")


def test_grade_shows_the_smallest_case_the_diagnosis_the_hint_and_the_command(work):
    work.mkdir()
    (work / "scaling.py").write_text(instead(double="print('here')\nreturn -2 * x"), encoding="utf-8")
    code, output = tito("grade", "01")
    assert code == 1
    assert re.sub(r"\(\d+ more", "(... more", output) == TRANSCRIPT
    assert tito("grade", "01") == (code, output)  # the same seed, the same report


def test_grade_shows_what_a_body_printed_that_passed(work):
    work.mkdir()
    (work / "scaling.py").write_text(instead(share="print('n is', len(x))\nreturn x / len(x)"), encoding="utf-8")
    code, output = tito("grade", "01", "-k", "share")
    assert code == 0 and "\n\nshare: passed\n  your code printed:\n    | n is 1\n" in output


TRANSCRIPT = """\
Chapter 01, work/scaling.py. Seed 1, isolation weak.
Weak isolation, for your own code: it stops neither the network nor access to your files.

  double              0/4  failed
  share               2/2  passed
  Scaler.apply        2/2  passed
  Scaler.describe     2/2  passed
                     6/10

double: 0 of 4 points
  examples_in_docstring, 1 point: failed
    The examples in the docstring give what is shown there.
    an example shows something else
      example = double(np.array([1.0, 2.0]))
      yours    array([-2., -4.])
      expected array([2., 4.])
  twice, 2 points: failed
    Twice as much.
    2x is not right
      x =      [1.]
      yours    [-2.]
      expected [2.]
      perhaps  the sign is flipped
  slope_is_two, 1 point: failed
    The output moves twice as fast as the input.
    the slope is not right
      x =      [1.]
      yours    [-2.]
      expected [2.]
      perhaps  the sign is flipped
  your code printed:
    | here
    | here
    | here
    | here
    | here
    | here
    | here
    | here
    | here
    | here
    | here
    | here
    | (... more lines)
  hint   Once more of the same: x and x.
  again  nox -s grade-01 -- -k double
  debug  tito debug 01 -k double

On your own earlier chapters: not available. Missing: counting.py
"""


def test_grade_with_nothing_in_work_grades_the_reference_and_records_nothing(work):
    code, output = tito("grade", "01")
    assert code == 0 and "There is nothing in work yet, so this grades the reference, to show" in output
    assert not work.exists()


def test_grade_with_nothing_in_work_fails_where_work_is_required(work):
    code, output = tito("grade", "01", "--require-work")
    assert code == 1 and "Chapter 01 is not started: work/scaling.py is not there.\nBegin with: tito start 01" in output


def test_grade_of_a_chapter_not_started_beside_others(work):
    tito("start", "00")
    code, output = tito("grade", "01")
    assert code == 1 and "Chapter 01 is not started" in output and "0/10" in output


def test_grade_records_and_status_shows(work):
    tito("start", "00")
    tito("start", "01")
    (work / "scaling.py").write_text(instead(share='raise NotImplementedError("chapter 01: share")'), encoding="utf-8")
    code, output = tito("grade", "01")
    assert code == 1 and "\nshare: not started yet.\n  hint   count(x) is how many.\n" in output
    assert tito("status") == (
        0,
        "00 counting                 0/3\n\n"
        "Foundation                 8/10  0 of 1 chapters done\n"
        "01 scaling                 8/10\n\n"
        "Next: count in work/counting.py, then tito grade 00 -k count\n",
    )


def test_status_has_bars_and_colour_on_a_terminal(work, monkeypatch):
    tito("start", "01")
    (work / "scaling.py").write_text(instead(share='raise NotImplementedError("chapter 01: share")'), encoding="utf-8")
    tito("grade", "01")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    _, coloured = tito("status")
    counting, _, foundation, scaling, *_ = coloured.splitlines()
    assert "\x1b[1mFoundation" in foundation and "\x1b[36m━━━━━━━━━━━━━━━━━━━\x1b[0m" in foundation
    assert "\x1b[36m━━━━━━━━━━━━━━━━━━━\x1b[0m" in scaling  # 19 of 24 for 8 of 10 points
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line).split() for line in (counting, scaling)]
    assert plain[0][:2] == ["00", "counting"] and plain[0][-3:] == ["-/3", "not", "started"]
    assert plain[1][:2] == ["01", "scaling"] and plain[1][-1] == "8/10"
    (work / "scaling.py").write_text(SCALING, encoding="utf-8")
    tito("grade", "01")
    assert "\x1b[32m" + 24 * "━" in tito("status")[1].splitlines()[3]
    monkeypatch.delenv("FORCE_COLOR")
    assert "\x1b" not in tito("status")[1]


def test_a_file_that_does_not_compile_is_said_once(work):
    work.mkdir()
    (work / "scaling.py").write_text("x = (\n\ndef double(x):\n    return 2 * x\n")
    code, output = tito("grade", "01", "-k", "double")
    assert code == 1 and output.count("the file does not compile") == 1 and "work/scaling.py:1:" in output


def test_json_and_seed(work):
    code, _ = tito("grade", "01", "--seed", "7", "--json", "out/report.json", "-k", "Scaler", "--isolated-only")
    report = json.loads((work.parent / "out" / "report.json").read_text())
    assert code == 0 and report["seed"] == 7 and report["isolation"] == "weak" and report["graded"] == "reference"
    assert [exercise["name"] for exercise in report["exercises"]] == ["Scaler.apply", "Scaler.describe"]
    assert report["points"] == report["possible"] == 4 and report["passed"] and not report["flagged"]


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["grade", "77"], "there is no chapter '77'; there are: 00 counting, 01 scaling"),
        (["start", "autogrd"], "there is no chapter 'autogrd'; there are: 00 counting, 01 scaling"),
        (
            ["grade", "01", "-k", "triple"],
            "chapter 01 has no exercise like 'triple'; it has: double, share, Scaler.apply",
        ),
        (["run", "missing.py"], "there is no file missing.py"),
        (["grade"], "Missing argument 'CHAPTER'"),
        (["grade", "01", "--seed", "x"], "Invalid value for '--seed'"),
    ],
)
def test_what_is_not_there_is_exit_code_2(work, arguments, says):
    code, output = tito(*arguments)
    assert code == 2 and says in output


def test_diff_reset_update_of_nothing_say_so(work):
    for command in ("diff", "reset", "update"):
        assert tito(command, "01")[0] == 2
        assert "work/scaling.py is not there" in tito(command, "01")[1]


def test_diff_reset_and_update(work):
    tito("start", "01")
    assert tito("diff", "01") == (0, "Nothing is changed yet.\n")
    (work / "scaling.py").write_text(SCALING, encoding="utf-8")
    assert "+    return x / count(x)" in tito("diff", "01")[1]
    assert tito("update", "01") == (0, "work/scaling.py is up to date.\n")
    (work / "scaling.py").write_text(SCALING.replace("Scaling:", "Once:"), encoding="utf-8")
    assert tito("update", "01")[1].startswith("work/scaling.py has the newest given code. Your bodies: double, share,")
    code, output = tito("reset", "01")
    assert code == 0 and output.startswith(
        "work/scaling.py is the stub again. Your work is in work/.tito/backups/scaling-"
    )
    assert tito("diff", "01") == (0, "Nothing is changed yet.\n")


def test_run_uses_the_students_chapters(work, capfd):
    work.mkdir()
    (work / "scaling.py").write_text(instead(double="return 20 * x"), encoding="utf-8")
    (work.parent / "play.py").write_text(
        "import sys\nfrom tinytorch.scaling import given\nprint(given(1), sys.argv[1])\nsys.exit(3)\n"
    )
    assert tito("run", "play.py", "--flag")[0] == 3
    assert capfd.readouterr().out == "21 --flag\n"


def test_debug_stops_in_the_students_body(work, capfd):
    work.mkdir()
    (work / "scaling.py").write_text(instead(double="y = 3 * x\nreturn y"), encoding="utf-8")
    (work.parent / "commands").write_text("p x\nn\np y\nc\n")
    with open(work.parent / "commands") as commands:
        before = os.dup(0)
        os.dup2(commands.fileno(), 0)  # pdb is a program of its own, which reads the terminal
        try:
            code, output = tito("debug", "01", "-k", "double")
        finally:
            os.dup2(before, 0)
            os.close(before)
    shown = capfd.readouterr().out
    assert code == 0 and "double, twice: 2x is not right" in output
    assert "-> y = 3 * x" in shown and "array([1.])" in shown and "array([3.])" in shown and "expected:   [2.]" in shown


def test_debug_where_nothing_fails(work):
    work.mkdir()
    (work / "scaling.py").write_text(SCALING, encoding="utf-8")
    assert tito("debug", "01", "-k", "double") == (0, "double: passed. There is no failing case to look at.\n")


def test_doctor(work):
    code, output = tito("doctor")
    assert code == 0 and [line.split()[0] for line in output.splitlines()] == [
        "Python",
        "NumPy",
        "course",
        "work",
        "isolation",
    ]
    assert "weak: a worker starts and answers" in output


def test_help_has_examples(work):
    assert "tito grade 05 -k matmul" in tito("--help")[1]
    assert "tito grade 05 --seed 7" in tito("grade", "--help")[1]


def test_the_entry_point_says_errors_in_one_line(work, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tito", "diff", "01"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "tito: work/scaling.py is not there yet: tito start 01 begins it\n"


def test_shell_says_whose_chapters_are_here(work, monkeypatch):
    monkeypatch.setattr(play, "run", lambda workspace, arguments: 0)
    assert tito("shell") == (0, "Your chapters here: none yet; all are the reference's.\n")
    assert Workspace.of(TOY).folder == work


def test_an_exact_name_picks_just_that_exercise(work):
    assert "double" not in tito("grade", "01", "-k", "share")[1]
    assert "Scaler.describe" in tito("grade", "01", "-k", "Scaler")[1]


def test_next_says_what_to_open_and_to_do(work):
    assert tito("next") == (0, "Read    nox -s book builds the book\nNext    tito start 00\nPoints  tito status\n")
    tito("start", "00")
    assert "Next    count in work/counting.py, then tito grade 00 -k count\n" in tito("next")[1]


def test_next_is_the_earlier_chapter_that_is_missing_once_what_is_begun_is_done(work):
    tito("start", "01")
    assert "Next    double in work/scaling.py, then tito grade 01 -k double\n" in tito("next")[1]
    (work / "scaling.py").write_text(SCALING, encoding="utf-8")
    tito("grade", "01")
    assert "Next    tito start 00\n" in tito("next")[1]
    (work / "counting.py").write_bytes((TOY.package / "counting.py").read_bytes())
    tito("grade", "00")
    assert "Next    tito run FILE: every chapter, milestone and checkpoint is done, so build" in tito("next")[1]
    (work / "counting.py").unlink()
    assert "Next    tito start 00\n" in tito("next")[1]


# -- what a person can mend -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["status"], ["start", "01"], ["grade", "01"], ["next"], ["diff", "01"]])
def test_a_work_folder_that_is_a_file_is_one_line(work, arguments):
    work.write_text("")
    code, output = tito(*arguments)
    assert (code, output) == (2, "tito: work is a file, and your work needs a folder: see TINYTORCH_WORK\n")


@pytest.mark.parametrize("arguments", [["status"], ["start", "01"]])
def test_what_the_system_refuses_is_one_line(work, monkeypatch, arguments):
    (work.parent / "file").write_text("")
    monkeypatch.setenv("TINYTORCH_WORK", str(work.parent / "file" / "work"))
    code, output = tito(*arguments)
    assert (
        code == 2 and output.startswith("tito: ") and output.endswith(": Not a directory\n") and output.count("\n") == 1
    )


def test_a_folder_in_the_place_of_a_chapter_is_one_line(work):
    (work / "scaling.py").mkdir(parents=True)
    assert tito("diff", "01") == (2, "tito: work/scaling.py: this is a folder, not a file: move it away\n")
    assert tito("start", "01")[0] == 1
    assert tito("status")[0] == 0


DAMAGED = [
    "", "{", "[]", "3", "[" * 5000, "1" * 5000, '{"chapters": []}', '{"chapters": {"02": []}}',
    '{"chapters": {"01": {"exercises": []}}}', '{"chapters": {"01": {"exercises": {"double": {"state": "passed"}}}}}',
    '{"chapters": {"01": {"exercises": {"double": 4}}}}', '{"chapters": {"01": {}}}',
    '{"chapters": {}, "checkpoints": []}',
    '{"chapters": {"01": {"exercises": {"double": {"points": "4", "state": "passed"}}}}}',
    '{"chapters": {}, "checkpoints": {"01": {"state": 7}}}', "\udcff",
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_progress_file_is_kept_aside_said_and_begun_anew(work, text):
    tito("start", "01")
    (work / "progress.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    code, output = tito("status")
    said, *rest = output.splitlines()
    assert code == 0 and rest[3].split() == ["01", "scaling", "0/10"]
    kept = re.fullmatch(r"tito: work/progress.json was damaged and is kept as (\S+); a new one is begun", said)[1]
    assert (work / kept).read_bytes() == text.encode("utf-8", "surrogateescape")
    assert tito("status")[1].splitlines() == rest
    tito("grade", "01", "-k", "share", "--isolated-only")
    assert json.loads((work / "progress.json").read_text())["chapters"]["01"]["exercises"]["share"]["points"] == 0


def outside(*arguments: str, stdout=subprocess.PIPE, **variables: str) -> tuple[int, str]:
    """tito as a program of its own, on the real course: its exit code, and what it says of errors."""
    program = [sys.executable, "-m", "tito", *arguments]
    done = subprocess.run(program, env=environment(**variables), stdout=stdout, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk to write to is Linux's")
@pytest.mark.parametrize("arguments", [["status"], ["data"], ["grade", "00", "-k", "seed"]])
def test_a_full_disk_is_one_line(tmp_path, arguments):
    with open("/dev/full", "w") as full:
        code, said = outside(*arguments, stdout=full, TINYTORCH_WORK=str(tmp_path))
    assert (code, said) == (2, "tito: No space left on device\n")


def test_serve_says_in_one_line_what_is_not_there(tmp_path):
    assert outside("serve", "--model", "nothing.safetensors") == (2, "tito: there is no file nothing.safetensors\n")
    said = "no model digits is registered: tito serve digits --train trains it first, in a few seconds"
    assert outside("serve", "digits", TINYTORCH_WORK=str(tmp_path)) == (2, f"tito: {said}\n")


def test_without_the_packages_of_the_course_it_says_what_to_install(tmp_path):
    source = Path(course.__file__).parents[1]
    program = f"import sys; sys.path.insert(0, {str(source)!r}); from tito.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "tito needs: pip install 'tinytorch[course]'\n")

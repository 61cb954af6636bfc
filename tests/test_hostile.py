"""Submissions that must earn nothing and harm nothing. Each ends in a named state; the others keep their points.

Numbers are those of the list of threats that the course keeps: 1-17 and 28-30.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toys import FULL, SCALING, TOY, graded, instead, points

from tito import sandbox
from tito.grading import judge
from tito.launch import environment
from tito.outcomes import TimedOut
from tito.rubrics.rubric import Check
from tito.sandbox import landlock, tree
from tito.sandbox.connection import Connection
from tito.sandbox.isolation import GET_DUMPABLE, Weak, unreadable
from tito.sandbox.session import Session
from tito.sandbox.warden import prctl, remove

OTHERS = {name: full for name, full in FULL.items() if name != "double"}


def only_double(body: str, state: str, **options) -> judge.ExerciseResult:
    """Grade with this body of double: it ends in this state without its points; the others keep theirs."""
    report = graded(instead(double=body), **options)
    assert points(report) == {**OTHERS, "double": report["double"].points}
    assert report["double"].state == state, report["double"]
    assert report["double"].points <= 1  # one check may pass before the trouble begins
    return report["double"]


FRAME = """
import json, os, struct
header = json.dumps({header}).encode()
frame = struct.pack(">II", {header_length}, {body_length}) + header + {body}
for descriptor in range(3, 64):
    try:
        os.write(descriptor, frame)
    except OSError:
        pass
return 2 * x
"""


def forged(header="{'value': 1}", header_length="len(header)", body_length="0", body="b''"):
    return FRAME.format(header=header, header_length=header_length, body_length=body_length, body=body)


IN_A_BODY = {
    "1 exits in a call": ("import os\nos._exit(0)", "error"),
    "2 sys.exit": ("import sys\nsys.exit(0)", "error"),
    "3 atexit": ("import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit", "error"),
    "4 patches numpy": ("np.allclose = lambda *a, **k: True\nnp.testing.assert_allclose = print\nreturn x", "failed"),
    "5 a Hypothesis profile": ("import hypothesis\nreturn x", "error"),
    "6 patches pytest": ("import _pytest\nreturn x", "error"),
    "9 looks for the expected value": (
        "import sys\nframe = sys._getframe()\nwhile frame:\n    if 'expected' in frame.f_locals:\n"
        "        return frame.f_locals['expected']\n    frame = frame.f_back\nreturn x",
        "failed",
    ),
    "11 prints a fake result": ("print('2 passed, 10/10 points')\nreturn x", "failed"),
    "12 forged frames": (forged(), "protocol"),
    "13 a frame of 4 GB": (forged(body_length="0xFFFFFFFF"), "protocol"),
    "13 a shape of 8 TB": (forged("{'array': ['float64', [1 << 20, 1 << 20]]}"), "protocol"),
    "13 deep JSON": (
        FRAME.format(header="[]", header_length="60000", body_length="0", body="b'[' * 59998"),
        "protocol",
    ),
    "14 always equal": (
        "class Liar:\n    __eq__ = lambda self, other: True\n    __array__ = lambda *a, **k: 2 * x\nreturn Liar()",
        "failed",
    ),
    "14 a subclass": (
        "class Liar(np.ndarray):\n    __eq__ = lambda self, other: True\n    tobytes = lambda self, *a: b''\n"
        "return x.view(Liar)",
        "failed",
    ),
    "15 a scalar that broadcasts": ("return np.float64(2 * x[0])", "failed"),
    "15 nan": ("return x * np.nan", "failed"),
    "15 objects": ("return (2 * x).astype(object)", "failed"),
    "15 another dtype": ("return (2 * x).astype(np.float32)", "failed"),
    "16 a pickle": ("import pickle\nreturn pickle.dumps(x)", "failed"),
    "17 a loop": ("while True: pass", "timed out"),
    "17 a sleep": ("import time\ntime.sleep(60)\nreturn 2 * x", "timed out"),
    "17 swallows everything": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "timed out",
    ),
    "an integer that is no float": ("return 10**400", "failed"),
    "an integer too long to print": ("return 10**10000", "error"),
    "such integers inside": ("return [10**400, {'x': 10**400}]", "failed"),
    "deep lists": ("y = []\nfor _ in range(100):\n    y = [y]\nreturn y", "failed"),
    "a list that holds itself": ("y = []\ny.append(y)\nreturn y", "failed"),
    "keys that are no text": ("return {1: x, (2,): {None: x}}", "failed"),
    "a megabyte of text": ("return 'x' * 10**6", "failed"),
    "half a character": ("return chr(0xD800)", "failed"),
    "infinity": ("return float('inf')", "failed"),
    "an error without a name": ("raise type('', (Exception,), {'__str__': lambda self: 1 / 0})()", "error"),
    "an error that says a megabyte": ("raise ValueError('x' * 10**6)", "error"),
    "1,600 folders in each other": (
        "import os\nfor _ in range(1600):\n    os.mkdir('a')\n    os.chdir('a')\nos.chmod('.', 0)\nreturn x",
        "failed",
    ),
    "25 torch": ("import torch\nreturn x", "error"),
    "25 the reference": ("import tinytorch.reference\nreturn x", "error"),
}


@pytest.mark.parametrize("body, state", IN_A_BODY.values(), ids=IN_A_BODY)
def test_in_a_body(body, state):
    only_double(body, state, deadline=1.5 if state == "timed out" else 4.0)


def test_12_short_answers_to_examples_earn_nothing():
    body = "import sys\nsys.modules['__main__'].Shop.do_examples = lambda self, request: []\nreturn x"
    report = graded(instead(double=body))
    assert report["double"].points == 0
    report = graded(f"{SCALING}\nimport sys\nsys.modules['__main__'].Shop.do_examples = lambda self, request: []\n")
    assert report["double"].checks[0].state == "protocol" and report["double"].points == 3


class Counted(Weak):
    """Counts the workers that are started."""

    def __init__(self):
        self.started = 0

    def start(self, job: Path):
        self.started += 1
        return super().start(job)


def test_a_file_that_hangs_costs_one_deadline_for_all_its_exercises(tmp_path):
    (tmp_path / "counting.py").write_text((TOY.package / "counting.py").read_text())
    (tmp_path / "scaling.py").write_text(f"{SCALING}\nwhile True: pass\n", encoding="utf-8")
    counted = Counted()
    report = judge.grade("01", course=TOY, work=tmp_path, isolation=counted, deadline=1.5)
    assert set(report.states.values()) == set(report.integrated.states.values()) == {"timed out"}
    assert counted.started <= judge.WORKERS


def test_an_earlier_file_that_hangs_costs_one_deadline(tmp_path):
    (tmp_path / "counting.py").write_text((TOY.package / "counting.py").read_text() + "\nwhile True: pass\n")
    (tmp_path / "scaling.py").write_text(SCALING, encoding="utf-8")
    counted = Counted()
    report = judge.grade("01", course=TOY, work=tmp_path, isolation=counted, deadline=1.5)
    assert report.passed and set(report.integrated.states.values()) == {"timed out"}
    assert counted.started == len(FULL) + 1


def test_a_body_that_hangs_is_not_waited_for_again_on_the_students_own_chapters(tmp_path):
    (tmp_path / "counting.py").write_text((TOY.package / "counting.py").read_text())
    (tmp_path / "scaling.py").write_text(instead(share="while True: pass"), encoding="utf-8")
    counted = Counted()
    report = judge.grade("01", course=TOY, work=tmp_path, isolation=counted, deadline=1.5)
    assert report.integrated.states == {**dict.fromkeys(FULL, "passed"), "share": "timed out"}
    assert counted.started == len(FULL) + 1


def test_a_hang_costs_one_deadline():
    began = time.monotonic()
    only_double("while True: pass", "timed out", deadline=1.5)
    assert time.monotonic() - began < 6  # not one for each of three checks and thirty cases


def test_an_import_that_is_not_there_is_named():
    result = only_double("import torch\nreturn x", "error")
    assert "import torch: while grading, a chapter sees NumPy" in result.checks[1].message


AT_IMPORT = {
    "1 exits": ("import os\nos._exit(0)", "error"),
    "2 sys.exit": ("import sys\nsys.exit(0)", "error"),
    "3 atexit": ("import atexit, os\natexit.register(os._exit, 0)", "passed"),
    "17 hangs": ("while True: pass", "timed out"),
    "17 closes the wire": ("import os\nos.closerange(0, 64)", "error"),
    "30 a name that is not there": ("undefined", "error"),
}


@pytest.mark.parametrize("code, state", AT_IMPORT.values(), ids=AT_IMPORT)
def test_at_import(code, state):
    report = graded(f"{SCALING}\n{code}\n", deadline=1.5)
    assert set(report.states.values()) == {state}
    assert report.points == (10 if state == "passed" else 0)


def test_a_worker_that_does_not_read_cannot_block_the_judge(tmp_path):
    """A megabyte does not fit into a pipe: sending it has a deadline too."""
    tree.job(tmp_path)
    code = "import sys, time\nsys.path[:0] = [sys.argv[1], '..']\nimport wire\n"
    ready = "sys.stdout.buffer.write(wire.pack({'ready': []}))\nsys.stdout.flush()\ntime.sleep(60)\n"
    (tmp_path / "worker.py").write_text(code + ready)
    with Connection(Weak(), tmp_path, 1.0) as connection, pytest.raises(TimedOut):
        connection.ask({"do": "call", "arguments": [np.zeros(1 << 17)]})


def test_7_8_only_the_chapter_is_taken(tmp_path):
    (tmp_path / "scaling.py").write_text(stub_of_double(), encoding="utf-8")
    marker = tmp_path / "ran"
    for name in ("conftest.py", "sitecustomize.py", "usercustomize.py", "numpy.py", "wire.py", "json.py"):
        (tmp_path / name).write_text(f"open({str(marker)!r}, 'w')\n")
    (tmp_path / "x.pth").write_text(f"import os; open({str(marker)!r}, 'w')\n")
    report = judge.grade("01", course=TOY, work=tmp_path)
    assert points(report) == {**OTHERS, "double": 0} and not marker.exists()


def stub_of_double() -> str:
    return instead(double='raise NotImplementedError("chapter 01: double")')


def test_8_the_environment_is_empty(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/secret")
    monkeypatch.setenv("SECRET", "secret")
    threads = "OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS VECLIB_MAXIMUM_THREADS"
    names = f"{threads} HOME TMPDIR LANG LC_CTYPE SYSTEMROOT"
    body = f"import os\nassert set(os.environ) <= set({names!r}.split()), sorted(os.environ)\nreturn x + x"
    report = graded(instead(double=body))
    assert report["double"].state == "passed", report["double"]


def test_10_results_are_the_judges(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    body = (
        "import pathlib\nfor name in ['progress.json', 'report.json', 'results.json']:\n"
        "    pathlib.Path(name).write_text('{\"points\": 10}')\nreturn x"
    )
    (work / "scaling.py").write_text(instead(double=body), encoding="utf-8")
    assert judge.grade("01", course=TOY, work=work)["double"].points == 0
    assert [path.name for path in work.iterdir()] == ["scaling.py"]


def test_28_what_is_printed_is_harmless():
    body = (
        r"print('\x1b[2J\x1b]0;title\x07 <b>all passed</b> \u202e' + 'x' * 100_000)"
        + "\nraise ValueError('\\x1b[31mred\\u202e')"
    )
    result = only_double(body, "error")
    assert "\x1b" not in result.printed and "\u202e" not in result.printed and "\\x1b[2J" in result.printed
    assert len(result.printed) < 3000
    assert "\x1b" not in result.checks[1].message and "\\x1b[31mred\\u202e" in result.checks[1].message


def test_whatever_is_answered_the_judge_goes_on_with_it():
    """A check that reckons with an answer may overflow, divide by zero or find no such key: the answer's fault."""

    def reckons(student, how):
        """Says how."""
        student.session.answered = True
        {"overflow": lambda: float(10**400), "zero": lambda: 1 // 0, "key": lambda: {}["x"], "deep": deep}[how]()

    def deep():
        return deep()

    session = SimpleNamespace(answered=False, last=None, request=None, over=None)
    for how in ("overflow", "zero", "key", "deep"):
        outcome = Check("double", "reckons", 1, "Says how.", reckons).outcome(session, (how,))
        assert outcome.state == "failed" and outcome.details["kind"] == "form"


def link_to_what_cannot_be_read(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


NO_FILE = {
    "a folder": (Path.mkdir, "this is a folder"),
    "a pipe": (lambda path: os.mkfifo(path), "this is a pipe or a device"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "this is a pipe or a device"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "cannot be read (No such file"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "cannot be read (Too many levels"),
    "a link to what cannot be read": (link_to_what_cannot_be_read, "cannot be read (Input/output error)"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="pipes, links and devices as Linux has them")
@pytest.mark.parametrize("make, says", NO_FILE.values(), ids=NO_FILE)
def test_what_stands_in_the_place_of_the_file_is_named(tmp_path, make, says):
    make(tmp_path / "scaling.py")
    report = judge.grade("01", course=TOY, work=tmp_path)
    assert set(report.states.values()) == {"error"} and says in report["double"].checks[0].message
    other = tmp_path / "other"
    other.mkdir()
    make(other / "counting.py")
    (other / "scaling.py").write_text(SCALING, encoding="utf-8")
    report = judge.grade("01", course=TOY, work=other)
    assert report.passed and says in report.integrated.missing[0]


UNREADABLE = {
    "29 latin-1": (SCALING.encode("latin-1"), "scaling.py:1", "not UTF-8"),
    "29 UTF-16": (SCALING.encode("utf-16"), "scaling.py", "UTF-16"),
    "29 NUL": (SCALING.encode() + b"# \0\n", f"scaling.py:{SCALING.count(chr(10)) + 1}", "NUL"),
    "29 huge": (SCALING.encode() + b"#" * (1 << 20), "scaling.py", "larger than 1 MB"),
    "29 bidi": (SCALING.encode() + "# \u202e\n".encode(), f"scaling.py:{SCALING.count(chr(10)) + 1}", "U+202E"),
    "30 a syntax error": (b"x = 1\ndef double(x:\n", "scaling.py:2", "does not compile"),
    "30 deep nesting": (b"x = " + b"(" * 5000 + b")" * 5000 + b"\n", "scaling.py:1", "does not compile"),
    "30 an empty file": (b"", "tito update puts it back)", "is not defined"),
}


@pytest.mark.parametrize("data, where, says", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_program(tmp_path, data, where, says):
    (tmp_path / "scaling.py").write_bytes(data)
    report = judge.grade("01", course=TOY, work=tmp_path)
    check = report["double"].checks[0]
    assert set(report.states.values()) == {"error"} and report.points == 0
    assert check.where.endswith(where) and says in check.message
    assert judge.grade("00", course=TOY).passed  # other chapters are still graded


def test_31_a_table_of_the_public_cases_earns_nothing_with_another_seed(monkeypatch):
    """The seed of a grade at home is known, so its cases can be copied: those of any other seed cannot."""
    known, ask = {}, Session.ask

    def listening(session, request):
        calls = request["arguments"] if request["do"] == "batch" else [request.get("arguments")]
        known.update({x.tobytes(): (2 * x).tolist() for (x,) in calls} if request.get("name") == "double" else {})
        return ask(session, request)

    monkeypatch.setattr(Session, "ask", listening)
    assert graded(SCALING, only="double").passed and len(known) > 30
    monkeypatch.undo()
    table = instead(double=f"return np.array({known!r}[x.tobytes()])")
    by_calls = slice(1, None)  # the first check asks for the docstring's example, which stands in the file
    assert {check.state for check in graded(table)["double"].checks[by_calls]} == {"passed"}
    assert {check.earned for check in graded(table, seed=2**40)["double"].checks[by_calls]} == {0}


def test_29_a_byte_order_mark_and_other_line_ends_are_fine(tmp_path):
    (tmp_path / "scaling.py").write_bytes(b"\xef\xbb\xbf" + SCALING.replace("\n", "\r\n").encode())
    assert judge.grade("01", course=TOY, work=tmp_path).passed


def test_30_a_missing_name_costs_its_own_points():
    report = graded(SCALING.replace("def double", "def dubble").replace("return double", "return dubble"))
    assert points(report) == {**OTHERS, "double": 0}
    assert "there is no double in submission" in report["double"].checks[0].message


def test_errors_name_the_students_own_line():
    line = SCALING[: SCALING.index("y = x + x")].count("\n") + 2
    result = only_double("y = x + x\nreturn y / [][0]", "error")
    assert result.checks[1].where == f"submission:{line}"


# -- nothing outlives a grade -----------------------------------------------------------------------------------------

DAEMON = """
import os, time
if os.fork() == 0:
    {leave}
    if os.fork() == 0:
        open("new", "w").write(str(os.getpid()))
        os.rename("new", "pid")
        {then}
        time.sleep(60)
    os._exit(0)
while not os.path.exists("pid"): time.sleep(0.01)
print(open("pid").read(), flush=True)
"""


def daemon(then: str = "pass", leave: str = "os.setsid()") -> str:
    """Statements that start a process, which does something and sleeps, and print its number."""
    return DAEMON.format(leave=leave, then=then)


class Unguarded(Weak):
    """Ends the warden when the body says so."""

    def start(self, job: Path):
        process = super().start(job)
        threading.Thread(
            target=lambda: (waited((job / "scratch" / "now").is_file), process.kill()), daemon=True
        ).start()
        return process


LEAVING = {
    "a child": ("pass", "return 2 * x", Weak),
    "a daemon": ("os.setsid()", "return 2 * x", Weak),
    "a daemon of a worker that is gone": ("os.setsid()", "os._exit(0)", Weak),
    "a daemon of a worker without a warden": ("os.setsid()", "open('now', 'w').close()\ntime.sleep(60)", Unguarded),
}


def runs(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="daemons are found where Linux tells of them")
@pytest.mark.parametrize("leave, then, isolation", LEAVING.values(), ids=LEAVING)
def test_what_a_body_starts_ends_before_the_grade_does(leave, then, isolation):
    report = graded(instead(double=daemon(leave=leave) + then), only="double", isolation=isolation())
    started = [int(number) for number in re.findall(r"^\d+$", report["double"].printed, re.MULTILINE)]
    assert started and not [pid for pid in started if runs(pid)]


TITO = """
from tito import course
course.find_root = lambda: __import__("pathlib").Path({root!r})
from tito.cli import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="signals and processes as Linux has them")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("body", ["while True: pass", "return 10 ** (10 ** 9)"], ids=["loop", "one long operation"])
def test_workers_and_folders_go_when_tito_does(tmp_path, number, body):
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir(), temporary.mkdir()
    (work / "scaling.py").write_text(instead(double=daemon() + body), encoding="utf-8")
    env = environment(TINYTORCH_WORK=str(work), TMPDIR=str(temporary))
    program = [sys.executable, "-c", TITO.format(root=str(TOY.root)), "grade", "01", "-k", "double", "--json", "r.json"]
    # What runs in the background of a script begins with Ctrl-C ignored: this program begins as at a terminal.
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    tito = subprocess.Popen(program, env=env, cwd=tmp_path, preexec_fn=listening, **pipes)
    waited(lambda: list(temporary.glob("*/scratch/pid")))
    pid = int(next(temporary.glob("*/scratch/pid")).read_text())
    tito.send_signal(number)
    tito.communicate(timeout=60)
    assert tito.returncode == (-number if number == signal.SIGKILL else 128 + number)
    waited(lambda: not list(temporary.iterdir()) and not runs(pid))
    assert not processes_of(temporary) and not (tmp_path / "r.json").exists()


def waited(true, seconds: float = 60.0) -> None:
    """Wait until it is true; a busy machine may take its time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def processes_of(folder: Path) -> list[int]:
    """The processes that call a place in this folder their home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"HOME={folder}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [pid for pid in found if runs(pid)]


def test_a_folder_goes_however_deep_and_whatever_is_in_it(tmp_path):
    (tmp_path / "kept").write_text("kept")
    top = tmp_path / "top"
    (top / "closed" / "inside").mkdir(parents=True)
    (top / "closed").chmod(0)
    (top / "link").symlink_to(tmp_path)
    here = Path.cwd()
    os.chdir(top)
    for _ in range(3000):
        os.mkdir("deep")
        os.chdir("deep")
    os.chdir(here)
    remove(str(top))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_big_allocation_is_the_students_error():
    if sys.platform != "linux":
        pytest.skip("limits on memory are Linux's")
    result = only_double("return np.ones(1 << 33) + x[0]", "error")
    assert "MemoryError" in result.checks[1].message


def test_trouble_before_the_first_word_is_not_scored():
    class Broken(Weak):
        def start(self, job: Path):
            (job / "worker.py").write_text("raise SystemExit(3)")
            return super().start(job)

    report = judge.grade("01", course=TOY, isolation=Broken(), only="double")
    assert report.flagged and report.states == {"double": "not graded"} and not report.passed


def test_the_worker_sees_no_rubric_no_oracle_and_no_tool(tmp_path):
    tree.compose(tree.job(tmp_path), TOY, TOY.chapter("01"), SCALING)
    with Connection(Weak(), tmp_path, 5.0) as connection:
        connection.ask({"do": "load", "module": "scaling", "names": []})
        seen = connection.ask({"do": "modules"})["value"]
    forbidden = (
        "tito",
        "hypothesis",
        "pytest",
        "xdoctest",
        "torch",
        "rich",
        "typer",
        "grade",
        "strategies",
        "rubric",
        "site",
    )
    tops = {name.split(".")[0] for name in seen["modules"]}
    assert not [top for top in tops for word in forbidden if top == word or top.startswith("grade_")]
    assert {"numpy", "tinytorch", "wire"} <= tops
    site = str(Path(np.__file__).resolve().parent.parent)
    assert site not in seen["path"] and not [path for path in seen["path"] if "site-packages" in path or "src" in path]
    assert not list(tmp_path.rglob("scaling*.pyc"))
    expected = {
        f"tree/tinytorch/__pycache__/{name}.{sys.implementation.cache_tag}.pyc" for name in ("__init__", "counting")
    } | {
        "worker.py",
        "wire.py",
        "warden.py",
        "landlock.py",
        "alone.py",
        "tree/tinytorch/__init__.py",
        "tree/tinytorch/counting.py",
        "tree/tinytorch/scaling.py",
    }
    assert {
        os.path.relpath(tmp_path / "tree" / file, tmp_path).replace(os.sep, "/") for file in seen["files"]
    } == expected


def test_nothing_after_the_chapter_is_in_its_tree(tmp_path):
    tree.compose(tmp_path / "tree", TOY, TOY.chapter("00"), "")
    package = tmp_path / "tree" / "tinytorch"
    assert sorted(path.name for path in package.iterdir()) == ["__init__.py", "__pycache__", "counting.py"]
    assert [path.name.split(".")[0] for path in (package / "__pycache__").iterdir()] == ["__init__"]


# -- what the weak layer stops, too -----------------------------------------------------------------------------------

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes and terminals as Linux has them")
ALONE = """
import os, sys
sys.path[:0] = {path!r}
from tito.sandbox.warden import prctl
for capability in (19, 21, 38):  # SYS_PTRACE, SYS_ADMIN, PERFMON: root looks into any process by these
    prctl(24, capability)  # what is started from here has it not
from toys import graded, instead
result = graded(instead(double={body!r}), only="double")["double"]
print(result.state, [check.message for check in result.checks], repr(result.printed))
"""


def alone(tmp_path: Path, body: str) -> list[str]:
    """A program that grades this body of double and prints what came of it."""
    path = [*sys.path, str(Path(__file__).parent)]
    (tmp_path / "alone.py").write_text(ALONE.format(path=path, body=body), encoding="utf-8")
    return [sys.executable, str(tmp_path / "alone.py")]


TERMINAL = """
import os
try:
    os.write(os.open("/dev/tty", os.O_RDWR), b"painted")
    print("there is a terminal")
except OSError:
    print("there is no terminal")
return 2 * x
"""


@linux
def test_there_is_no_terminal_to_paint(tmp_path):
    import pty

    command, seen = alone(tmp_path, TERMINAL), b""
    child, terminal = pty.fork()
    if not child:
        os.execv(command[0], command)
    try:
        while piece := os.read(terminal, 4096):
            seen += piece
    except OSError:  # how a terminal ends
        pass
    os.waitpid(child, 0)
    assert b"passed" in seen and b"there is no terminal" in seen and b"painted" not in seen


@linux
def test_path_files_of_the_environment_are_not_followed(tmp_path, monkeypatch):
    """An editable install is a path file: the reference would be importable through it."""
    import venv

    venv.create(tmp_path / "venv", symlinks=True)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "answers.py").write_text("double = lambda x: 2 * x\n")
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (site / "course.pth").write_text(f"{tmp_path / 'src'}\n")
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-c", "import answers"], check=True)
    monkeypatch.setattr(sys, "executable", python)
    result = only_double("import answers\nreturn answers.double(x)", "error")
    assert "answers" in result.checks[1].message
    assert only_double("import tito\nreturn 2 * x", "error").points == 0


@linux
def test_a_jobs_folder_is_the_users_own_and_cannot_be_guessed():
    with sandbox.folder() as first, sandbox.folder() as second:
        assert [oct(place.stat().st_mode & 0o777) for place in (first, second)] == ["0o700", "0o700"]
        assert first.parent == second.parent and first != second
        assert all(re.fullmatch(r"tito-\w{8,}", place.name) for place in (first, second))


PARENT = """
import os
judge = int(open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2].split()[1])
for name in ("environ", "mem", "maps", "fd/1"):
    try:
        os.close(os.open(f"/proc/{judge}/{name}", os.O_RDONLY if name != "fd/1" else os.O_WRONLY))
        print(name, "is open")
    except PermissionError:
        print(name, "is closed")
return 2 * x
"""


@linux
def test_the_judges_environment_memory_and_terminal_are_closed(tmp_path):
    done = subprocess.run(alone(tmp_path, PARENT), env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "passed" in done.stdout
    names = ("environ", "mem", "maps", "fd/1")
    assert [name for name in names if f"{name} is closed" not in done.stdout] == [], done.stdout


# -- what Landlock stops ----------------------------------------------------------------------------------------------

landlocked = pytest.mark.skipif(landlock.version() < landlock.SINCE["signals"], reason="this system has no Landlock")
VANDAL = """
import os, signal
judge = int(open(f"/proc/{{os.getppid()}}/stat").read().rpartition(")")[2].split()[1])
shell = int(open(f"/proc/{{judge}}/stat").read().rpartition(")")[2].split()[1])
def tried(what, *arguments):
    try:
        what(*arguments)
        print(what.__name__, *arguments, "was possible")
    except OSError:
        pass
for file in {files!r}:
    for deed in (os.remove, os.rmdir, lambda name: os.rename(name, name + "2"), lambda name: os.truncate(name, 0)):
        tried(deed, file)
    tried(open, file, "a")
tried(open, {folder!r} + "/forged", "w")
tried(os.mkdir, {folder!r} + "/made")
tried(os.symlink, "x", {folder!r} + "/linked")
for pid in (os.getppid(), judge, shell):
    tried(os.kill, pid, signal.SIGCONT)
for place in ("mem", "fd/1"):
    tried(os.open, f"/proc/{{shell}}/{{place}}", os.O_RDWR if place == "mem" else os.O_WRONLY)
tried(os.kill, judge, signal.SIGSTOP)
open("own", "w").write("mine")
os.mkdir("folder"), os.rename("own", "folder/own"), os.remove("folder/own"), os.rmdir("folder")
open(os.devnull, "w").write("gone")
child = os.fork()
if not child:
    signal.pause()
os.kill(child, signal.SIGKILL), os.waitpid(child, 0)
return 2 * x
"""


@landlocked
def test_a_worker_writes_in_its_own_folder_and_reaches_nobody(tmp_path):
    """Neither the student's files nor results nor the judge: it could stop that, which then would wait for ever."""
    work = tmp_path / "work"
    (work / "empty").mkdir(parents=True)
    (work / "progress.json").write_text("{}")
    files = [str(work / name) for name in ("scaling.py", "progress.json", "empty")]
    (work / "scaling.py").write_text(instead(double=VANDAL.format(files=files, folder=str(work))), encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*")}
    report = judge.grade("01", course=TOY, work=work, only="double")
    assert report["double"].state == "passed" and report["double"].printed == "", report["double"]
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*")} == before


FORGED = """
import json, os, time
forged = {{"chapters": {{"00": {{"exercises": {{"count": {{"points": 3, "state": "passed"}}}}}}}}}}
for _ in range(200):
    for name in ({work!r} + "/progress.json", {report!r}):
        try:
            with open(name + ".new", "w") as file:
                file.write(json.dumps(forged))
            os.replace(name + ".new", name)
        except OSError:
            pass
    time.sleep(0.05)
"""


@landlocked
def test_a_daemon_rewrites_neither_progress_nor_the_report(tmp_path):
    work, report = tmp_path / "work", tmp_path / "r.json"
    work.mkdir()
    forging = FORGED.format(work=str(work), report=str(report)).strip().replace("\n", "\n        ")
    (work / "scaling.py").write_text(instead(double=daemon(then=forging) + "return x"), encoding="utf-8")
    program = [sys.executable, "-c", TITO.format(root=str(TOY.root)), "grade", "01", "-k", "double", "--json", "r.json"]
    env = environment(TINYTORCH_WORK=str(work))
    assert subprocess.run(program, env=env, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    time.sleep(0.2)  # longer than the daemon waits each time
    assert json.loads(report.read_text())["points"] == 0
    chapters = json.loads((work / "progress.json").read_text())["chapters"]
    assert set(chapters) == {"01"} and chapters["01"]["exercises"]["double"]["points"] == 0


def test_without_landlock_a_worker_works_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert landlock.confine(str(tmp_path)) is False
    (tmp_path / "file").write_text("still allowed")


@linux
def test_the_judge_can_be_read_again_after_a_grade():
    graded(SCALING, only="double")
    assert Path("/proc/self/environ").stat().st_uid == os.getuid()
    with unreadable():
        assert prctl(GET_DUMPABLE) == 0
    assert prctl(GET_DUMPABLE) == 1

"""Entries of the Torch Olympics: honest ones are judged by what they do, and hostile ones gain nothing."""

import dataclasses
import math
import os
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from tinytorch import olympics, serialization
from tinytorch.olympics import Examples, Gate, Source
from tito.course import CourseError, default
from tito.measure import contest, entries
from tito.measure.entries import Entry, Refused
from tito.outcomes import Infrastructure, Outcome, Protocol, StudentError, TimedOut
from tito.sandbox import landlock

COURSE, SPRINT = default(), olympics.EVENTS["mlp_sprint"]
DIGITS = olympics.source_of(SPRINT)
BASELINE = entries.first_program(COURSE, SPRINT).decode()
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells of processes, and keeps them to themselves")
with_landlock = pytest.mark.skipif(landlock.version() == 0, reason="this system has no Landlock")


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """The baseline's weights, trained once: fewer steps than its recipe has are enough here."""
    path = tmp_path_factory.mktemp("olympics") / "mlp.safetensors"
    short = dataclasses.replace(SPRINT, recipe=SPRINT.recipe._replace(steps=400))
    serialization.save(olympics.train_baseline(short, DIGITS.learn).state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def quick(weights, monkeypatch):
    """Races that are short, with the baseline that was trained here."""
    monkeypatch.setattr(entries, "baseline_path", lambda course, event: weights)
    monkeypatch.setattr(contest, "TURNS", {"throughput": 2, "latency": 8})
    monkeypatch.setattr(contest, "SMALL", 64)


def judged(program: str, arrays: bytes | None = None, **options) -> contest.Trial:
    """What comes of an entry with this program, and with these weights if they are its own."""
    return contest.run(COURSE, SPRINT, Entry("mine", program.encode(), arrays), DIGITS, rounds=3, **options)


# -- honest entries ---------------------------------------------------------------------------------------------------


def test_the_baseline_beside_itself(weights):
    seen = []
    trial = judged(BASELINE, progress=lambda *told: seen.append(told))
    assert trial.division == "closed" and trial.agreement == 1 and trial.score.passed
    assert trial.score.gains["accuracy"] == trial.score.gains["size"] == 1
    assert trial.measured["entry"]["size"] == len(BASELINE.encode()) + weights.stat().st_size
    assert trial.measured["entry"]["losses"] == trial.measured["baseline"]["losses"]
    assert {what for what, *_ in seen} == {f"round {n} of 3" for n in (1, 2, 3)}
    server = trial.measured["entry"]
    assert (
        0 <= server["server"] * server["latency"] < 2 and server["limit"] == 5 * trial.measured["baseline"]["latency"]
    )


def test_weights_of_its_own_make_it_open(weights):
    trial = judged(BASELINE, weights.read_bytes())
    assert trial.division == "open" and trial.score.passed


def test_what_pack_returns_is_what_is_kept():
    half = "\n\ndef pack(weights):\n    return {name: x.astype('float16') for name, x in weights.items()}\n"
    trial = judged(BASELINE + half)
    sizes = [trial.measured[name]["size"] for name in ("baseline", "entry")]
    assert trial.division == "closed" and trial.score.passed and sizes[1] < 0.6 * sizes[0]
    assert trial.score.gains["size"] == pytest.approx(sizes[0] / sizes[1])


@pytest.mark.parametrize(
    "body, says",
    [
        ("return {'a': 'text'}", "cannot be kept"),
        ("return {'a': weights}", "cannot be kept"),
        ("return 1", "AttributeError"),
        ("raise ValueError('no')", r"ValueError: no \(entry.py:"),
    ],
)
def test_a_pack_that_packs_nothing_is_refused(body, says):
    with pytest.raises(Refused, match=says):
        judged(f"{BASELINE}\n\ndef pack(weights):\n    {body}\n")


def test_the_closed_division_is_the_baselines_network():
    with pytest.raises(Refused, match="of its answers are the baseline's; 95% are needed in the closed division"):
        judged(BASELINE.replace("    model.load_state_dict(weights)\n", ""))
    with pytest.raises(Refused, match="20,000 are allowed in the closed division"):
        judged(f"{BASELINE}\nDATA = {'0' * 30_000!r}\n")


def test_fewer_rounds_than_an_interval_needs():
    with pytest.raises(CourseError, match="an interval needs 3 rounds or more, got 2"):
        contest.run(COURSE, SPRINT, Entry("mine", b""), DIGITS, rounds=2)


def test_an_event_that_counts_quality_alone(tmp_path, monkeypatch):
    """A text goes on: what is measured are the nats of the next character, of batches alone."""
    event = dataclasses.replace(olympics.EVENTS["language"], gate=Gate("nats", at_most=9.0))
    path = tmp_path / "gpt.safetensors"
    serialization.save(olympics.baseline(event).state_dict(), path)
    monkeypatch.setattr(entries, "baseline_path", lambda course, event: path)
    monkeypatch.setattr(contest, "LARGE", 4)
    text = np.random.default_rng(0).integers(0, 65, 600)
    entry = Entry("mine", entries.first_program(COURSE, event))
    trial = contest.run(COURSE, event, entry, Source(text, text), rounds=3)
    assert [*trial.score.ratios] == ["accuracy"] and trial.score.total == 1 and trial.agreement == 1
    assert "latency" not in trial.measured["entry"] and "server" not in trial.measured["entry"]
    with pytest.raises(Refused, match=r"answers \(4, 65\) of float32 are needed, got float32 of shape \(4, 64\)"):
        short = "def predict(x):\n    import numpy as np\n    return np.zeros((len(x), 64), np.float32)\n"
        contest.run(COURSE, event, Entry("mine", short.encode()), Source(text, text), rounds=3)


# -- hostile entries --------------------------------------------------------------------------------------------------

START = """
import os, sys, time
import numpy as np
from pathlib import Path
from tinytorch import olympics, serialization
from tinytorch.tensor import Tensor, no_grad

model = olympics.baseline(olympics.EVENTS["mlp_sprint"])
model.load_state_dict(serialization.load(Path(__file__).with_name("weights.safetensors")))
calls, known = 0, {}


def right(x):
    with no_grad():
        return model(Tensor(x)).data


def predict(x):
    global calls
    calls += 1
"""


def hostile(body: str, before: str = "") -> str:
    """An entry that could answer rightly, `right(x)`, and does this in the place of it."""
    return START.replace("calls, known", f"{before}\ncalls, known") + textwrap.indent(textwrap.dedent(body), "    ")


SHUT = {
    "caches by the shape": "return known.setdefault(x.shape, right(x))",
    "caches the nearest question": """
        if not known:
            known.update((row.tobytes(), right(row[None])[0]) for row in x)
        return np.stack([known.get(row.tobytes(), next(iter(known.values()))) for row in x])
    """,
    "skips after some calls": "return right(x) if calls < 6 else np.zeros((len(x), 10), np.float32)",
    "skips single inputs": "return right(x) if len(x) > 1 else np.zeros((1, 10), np.float32)",
    "skips batches": "return right(x) if len(x) < 3 else np.zeros((len(x), 10), np.float32)",
    "skips half of a batch": "z = right(x)\nz[1::2] = 0\nreturn z",
    "detects where it runs": """
        return np.zeros((len(x), 10), np.float32) if 'tinytorch.entrant' in sys.modules else right(x)
    """,
    "nan": "return np.full((len(x), 10), np.nan, np.float32)",
    "nan beside the right scores": "z = right(x)\nz[:, 0] = np.nan\nreturn z",
    "infinity everywhere": "return np.full((len(x), 10), np.inf, np.float32)",
    "all classes at once": "return np.ones((len(x), 10), np.float32)",
    "answers before it reads": """
        import struct
        os.write(3, struct.pack(">cBII", b"A", 10, 10, 40 * len(x)) + bytes(40 * len(x)))
        os.write(4, struct.pack(">cBII", b"A", 10, 10, 40 * len(x)) + bytes(40 * len(x)))
        return np.zeros((len(x), 10), np.float32)
    """,
}


@pytest.mark.parametrize("body", SHUT.values(), ids=SHUT)
def test_an_entry_whose_answers_are_wrong_scores_nothing(body, weights):
    """What is timed is judged: the gate is shut, and there is no gain at all; or the entry is refused."""
    try:
        trial = judged(hostile(body), weights.read_bytes())
    except Refused:
        return
    assert not trial.score.passed and trial.score.total == 0 and not trial.score.gains


REFUSED = {
    "exits": ("os._exit(0)", "ended before it answered"),
    "exits later": ("if calls > 4: os._exit(0)\nreturn right(x)", "ended before it answered"),
    "sys.exit": ("sys.exit(0)", "SystemExit"),
    "raises": ("raise ValueError('no\\x1b[2J')", "ValueError: no"),
    "float64": ("return right(x).astype(np.float64)", "of float32 are needed, got float64"),
    "float16": ("return right(x).astype(np.float16)", "of float32 are needed, got float16"),
    "integers": ("return right(x).argmax(axis=1)[:, None]", r"of float32 are needed, got int64 of shape \(\d+, 1\)"),
    "too few rows": ("return right(x)[:1]", "2 rows of numbers are needed, got float32 of shape"),
    "too many columns": ("return np.zeros((len(x), 4000), np.float32)", r"\(\d+, 10\) of float32 are needed"),
    "no axes": ("return 3.0", "rows of numbers are needed"),
    "objects": ("return np.array([[None] * 10] * len(x))", "rows of numbers are needed"),
    "text": ("return 'all right'", "rows of numbers are needed"),
    "nothing": ("return None", "rows of numbers are needed"),
    "an answer that is a lie": (
        "class Liar:\n    def __array__(self, *a, **k): raise KeyError\nreturn Liar()",
        "KeyError|rows of numbers",
    ),
    "closes the wire": ("os.closerange(0, 64)\nreturn right(x)", "ended before it answered"),
    "imports torch": ("import torch\nreturn right(x)", "An entry sees NumPy, Python's own library and tinytorch"),
}


@pytest.mark.parametrize("body, says", REFUSED.values(), ids=REFUSED)
def test_an_entry_that_does_not_answer_is_refused_with_the_reason(body, says, weights):
    with pytest.raises(Refused, match=says) as caught:
        judged(hostile(body), weights.read_bytes())
    assert "\x1b" not in str(caught.value)


AT_IMPORT = {
    "exits": ("import os\nos._exit(0)", "ended before it answered"),
    "does not compile": ("def load(:", "SyntaxError"),
    "says nothing": ("x = 1", "AttributeError"),
    "chapter of its own": ("raise NotImplementedError('chapter 05: mul_vjp')", "needs chapter 05: mul_vjp"),
    "is binary": ("\0", "null bytes"),
}


@pytest.mark.parametrize("program, says", AT_IMPORT.values(), ids=AT_IMPORT)
def test_an_entry_that_cannot_be_loaded_is_refused_with_the_reason(program, says):
    with pytest.raises(Refused, match=says):
        judged(program)


def test_damaged_weights_are_refused(weights):
    with pytest.raises(Refused, match="cut short"):
        judged(BASELINE, weights.read_bytes()[:1000])


def test_an_entry_that_hangs_costs_one_wait(weights):
    began = time.monotonic()
    program = hostile("while True: pass").encode()
    with entries.worker(COURSE, Entry("mine", program, weights.read_bytes()), patience=1.0) as lane:
        entries.call(lane, "begin", SPRINT.name)
        lane.open("answer", np.zeros((1, 64), np.float32))
        with pytest.raises(TimedOut, match="no answer within 1 s"):
            lane.answer(np.zeros((1, 64), np.float32))
        with pytest.raises(TimedOut):
            lane.answer(np.zeros((1, 64), np.float32))
    assert time.monotonic() - began < 30


FORGED = {
    "a long answer": ("struct.pack('>cBII', b'A', 10, 10, 1 << 31)", Protocol),
    "another length": ("struct.pack('>cBII', b'A', 10, 10, 44) + bytes(44)", Protocol),
    "an unknown dtype": ("struct.pack('>cBII', b'A', 99, 10, 40) + bytes(40)", Protocol),
    "an unknown kind": ("struct.pack('>cBII', b'?', 10, 10, 40) + bytes(40)", Protocol),
    "an error of 2 GB": ("struct.pack('>cBII', b'E', 0, 0, 1 << 31)", Protocol),
    "an error that is none": ("struct.pack('>cBII', b'E', 0, 0, 4) + b'[[[['", StudentError),
}


@pytest.mark.parametrize("frame, kind", FORGED.values(), ids=FORGED)
def test_a_forged_answer_is_no_answer(frame, kind, weights):
    body = f"import struct\nfor place in range(3, 16):\n    try: os.write(place, {frame})\n    except OSError: pass"
    program = hostile(f"{body}\nreturn right(x)").encode()
    with entries.worker(COURSE, Entry("mine", program, weights.read_bytes())) as lane:
        entries.call(lane, "begin", SPRINT.name)
        lane.open("answer", np.zeros((1, 64), np.float32))
        with pytest.raises(Outcome) as caught:
            lane.answer(np.zeros((1, 64), np.float32))
    assert caught.type is kind


CLOCKS = """
class Frozen:
    def __getattr__(self, name):
        return lambda *a: 0.0
sleep = time.sleep
for name in ("time", "perf_counter", "monotonic", "process_time", "perf_counter_ns", "thread_time"):
    setattr(time, name, lambda *a: 0.0)
sys.modules["time"] = Frozen()
"""


def test_the_clock_is_the_judges(weights):
    trial = judged(hostile("sleep(0.02)\nreturn right(x)", CLOCKS), weights.read_bytes())
    assert trial.measured["entry"]["latency"] >= 0.015  # less what the wire takes
    assert trial.score.passed and trial.score.gains["latency"] <= 1 >= trial.score.gains["throughput"]


@on_linux
def test_whose_turn_it_is_not_stands_still(weights):
    """A thread that counts for ever would slow down whoever is next: it counts in its own turns only."""
    spin = "def spin():\n    while True: count[0] += 1\n"
    busy = f"import threading\ncount = [0]\n{spin}threading.Thread(target=spin).start()"
    program = hostile("z = right(x)\nz[:, 0] = count[0]\nreturn z", busy).encode()
    with entries.worker(COURSE, Entry("mine", program, weights.read_bytes())) as lane:
        entries.call(lane, "begin", SPRINT.name)
        lane.open("answer", np.zeros((1, 64), np.float32))
        lane.answer(np.zeros((1, 64), np.float32))
        time.sleep(0.1)
        spent, states = lane.cpu(), set()
        for _ in range(20):
            time.sleep(0.02)
            states.add(Path(f"/proc/{lane.pid}/stat").read_text().rpartition(")")[2].split()[0])
        assert states <= {"T", "t"} and lane.cpu() == spent


TRIES = """
import ctypes, socket, subprocess, threading
def tries():
    done = []
    def attempt(name, what):
        try:
            what()
        except (OSError, BlockingIOError):
            return
        done.append(name)
    attempt("fork", os.fork)
    attempt("subprocess", lambda: subprocess.run(["true"]))
    attempt("spawn", lambda: os.posix_spawn("/bin/true", ["true"], {}))
    attempt("kill", lambda: os.kill(JUDGE, 0))
    attempt("stop the baseline", lambda: os.kill(RIVAL, 19))
    attempt("slow the baseline", lambda: os.setpriority(os.PRIO_PROCESS, RIVAL, 19))
    attempt("move the baseline", lambda: os.sched_setaffinity(RIVAL, {0}))
    attempt("hurry", lambda: os.nice(-1))
    attempt("network", socket.socket)
    attempt("reset the peak", lambda: open("/proc/self/clear_refs", "w").write("5"))
    attempt("the judge's memory", lambda: open(f"/proc/{JUDGE}/mem", "rb"))
    attempt("the judge's environment", lambda: open(f"/proc/{JUDGE}/environ", "rb").read())
    attempt("the baseline's memory", lambda: open(f"/proc/{RIVAL}/mem", "rb"))
    attempt("the data", lambda: os.listdir(DATA))
    attempt("the course", lambda: open(SOURCE).read())
    attempt("the package's digits", lambda: open(os.path.join(os.path.dirname(olympics.__file__), "digits.npz")))
    attempt("other jobs", lambda: os.listdir(Path(__file__).parents[3]))
    attempt("the baseline's job", lambda: os.listdir(OTHER))
    thread = threading.Thread(target=lambda: done.append("thread"))
    thread.start()
    thread.join()
    return done
"""


@on_linux
@with_landlock
def test_an_entry_reaches_nothing_but_itself(weights, tmp_path):
    with entries.worker(COURSE, Entry("baseline", BASELINE.encode(), weights.read_bytes())) as rival:
        if "processes" not in rival.confined:
            pytest.skip("seccomp is known for x86-64 and ARM alone")
        names = {
            "JUDGE": os.getpid(),
            "RIVAL": rival.pid,
            "DATA": str(tmp_path),
            "SOURCE": str(COURSE.package / "losses.py"),
        }
        places = "\n".join(f"{name} = {value!r}" for name, value in {**names, "OTHER": str(rival.job)}.items())
        program = f"{START}    return right(x)\n{places}\n{TRIES}".encode()
        with entries.worker(COURSE, Entry("mine", program, weights.read_bytes())) as lane:
            request = {"do": "load", "module": "entry", "names": []}
            lane.ask(request)
            assert lane.confined == ["files", "processes"]
            assert entries.call(lane, "tries") == ["thread"]
        assert os.getpriority(os.PRIO_PROCESS, rival.pid) == os.getpriority(os.PRIO_PROCESS, 0)


def test_what_goes_wrong_with_the_baseline_is_not_the_entrys(weights, monkeypatch):
    with entries.worker(COURSE, Entry("baseline", BASELINE.encode(), weights.read_bytes())) as lane:
        entries.call(lane, "begin", SPRINT.name)
        lane.open("answer", np.zeros((1, 64), np.float32))
        lane.isolation.end(lane.process, lane.job)
        with pytest.raises(Infrastructure, match="the baseline: the program ended"):
            contest.Runner("baseline", lane)(np.zeros((1, 64), np.float32))


def test_what_an_entry_prints_is_capped(weights):
    body = "if calls < 3: print('\\x1b[2J' * 100_000)\nreturn right(x)"
    with entries.worker(COURSE, Entry("mine", hostile(body).encode(), weights.read_bytes())) as lane:
        entries.call(lane, "begin", SPRINT.name)
        lane.open("answer", np.zeros((1, 64), np.float32))
        for _ in range(3):
            lane.answer(np.zeros((1, 64), np.float32))
        assert len(lane.said) <= 4000


# -- files ------------------------------------------------------------------------------------------------------------


def test_read(tmp_path, weights):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "entry.py").write_text(BASELINE)
    entry = entries.read(folder)
    assert (entry.label, entry.weights) == ("mine", None) and set(entry.hashes) == {"entry.py"}
    (folder / "weights.safetensors").write_bytes(weights.read_bytes())
    assert entries.read(folder / "entry.py") == entries.read(folder) != entry
    assert entries.read(folder).size == len(BASELINE.encode()) + weights.stat().st_size
    (folder / "fast.py").write_text(BASELINE)
    (folder / "fast.safetensors").write_bytes(b"")
    assert entries.read(folder / "fast.py").weights == b"" and entries.read(folder / "fast.py").label == "fast"


def test_the_folder_where_one_is_has_a_name(tmp_path, monkeypatch):
    (tmp_path / "entry.py").write_text(BASELINE)
    monkeypatch.chdir(tmp_path)
    assert entries.read(Path()).label == entries.read(Path("entry.py")).label == tmp_path.name


def test_what_a_system_leaves_open_is_said():
    assert contest.open_points(["files", "processes"]) == []
    assert contest.open_points(["files"]) == [
        "This system does not keep an entry from starting other processes and reaching them."
    ]
    assert len(contest.open_points([])) == 2


def test_what_is_no_entry_is_refused(tmp_path):
    with pytest.raises(Refused, match="cannot be read"):
        entries.read(tmp_path)
    (tmp_path / "entry.py").mkdir()
    with pytest.raises(Refused, match="is not a file"):
        entries.read(tmp_path)
    (tmp_path / "large.py").write_bytes(b"#" * (entries.PROGRAM_CAP + 1))
    with pytest.raises(Refused, match="at most 1,048,576 are allowed"):
        entries.read(tmp_path / "large.py")
    (tmp_path / "fine.py").write_text("")
    (tmp_path / "weights.safetensors").symlink_to("/dev/zero")
    with pytest.raises(Refused, match="is not a file"):
        entries.read(tmp_path / "fine.py")


def test_events_are_known_by_name():
    assert entries.event("mlp_sprint") is SPRINT
    with pytest.raises(CourseError, match="there is no event 'sprint'; there are: mlp_sprint"):
        entries.event("sprint")


# -- what is computed -------------------------------------------------------------------------------------------------


def test_what_the_wire_takes_is_subtracted():
    found = contest.net(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25, 9.0]))
    np.testing.assert_allclose(found, [0.75, 1.75, 2.75])
    np.testing.assert_allclose(contest.net(np.array([1.0, 1.0]), np.array([1.0, 2.0])), contest.LEAST_NET)


@on_linux
def test_a_loud_machine_is_said(monkeypatch):
    seconds = iter([100.0, 100.0 + 1e6, 200.0, 200.0])
    monkeypatch.setattr(contest, "machine_busy", lambda: next(seconds))
    assert "times say little" in contest.Others().note()[0] and contest.Others().note() == []
    monkeypatch.setattr(contest, "machine_busy", lambda: None)
    assert contest.Others().note() == []


def test_answers_of_a_kind_may_miss_the_gate_by_chance_alone():
    event = dataclasses.replace(SPRINT, gate=Gate("accuracy", at_least=0.9))
    wrong = lambda share, n: (np.arange(n) < share * n).astype(float)
    assert not contest.surely_below(event, wrong(0.05, 100)) and not contest.surely_below(event, wrong(0.15, 100))
    assert contest.surely_below(event, wrong(0.15, 10_000)) and contest.surely_below(event, wrong(1, 8))
    nats = dataclasses.replace(olympics.EVENTS["language"], gate=Gate("nats", at_most=1.0))
    assert not contest.surely_below(nats, np.array([0.5, 1.7])) and contest.surely_below(nats, np.array([0.5, np.inf]))
    assert contest.surely_below(nats, np.array([2.0, 2.1, 2.2]))


# -- the speedrun -----------------------------------------------------------------------------------------------------

TEXT = np.arange(4000) % 5  # what follows a character is certain
RUN = dataclasses.replace(olympics.EVENTS["cpu_speedrun"], gate=Gate("nats", at_most=0.5))
COUNTER = """
import numpy as np


def train(ids, characters, seed):
    pairs = np.ones((characters, characters))
    for start in range(0, len(ids) - 1, len(ids) // 3):
        part = ids[start : start + len(ids) // 3 + 1]
        np.add.at(pairs, (part[:-1], part[1:]), 1)
        yield np.log(pairs / pairs.sum(axis=1, keepdims=True)).astype(np.float32)


def reader(table, streams):
    return lambda ids: table[ids]
"""


def trained(program: str, monkeypatch, event=RUN, **options) -> contest.Trial:
    """What comes of an entry that trains, beside one that counts pairs."""
    monkeypatch.setattr(contest, "STREAMS", 16)
    monkeypatch.setattr(contest, "LENGTH", 12)
    monkeypatch.setattr(entries, "first_program", lambda course, event: COUNTER.encode())
    entry = Entry("mine", program.encode())
    return contest.run(COURSE, event, entry, Source(TEXT[:3000], TEXT[3000:]), rounds=3, **options)


def test_a_speedrun_on_a_small_text(monkeypatch):
    seen = []
    trial = trained(COUNTER, monkeypatch, progress=lambda *told: seen.append(told))
    assert trial.score.passed and set(trial.score.ratios) == {"seconds"} and not trial.notes
    assert trial.measured["entry"]["losses"] <= 0.5 and trial.measured["entry"]["seconds"] > 0
    assert [what for what, done, of, _ in seen if done == of] == [f"run {n} of 3" for n in (1, 2, 3)]


def test_the_baseline_of_the_speedrun_trains(monkeypatch):
    """Its own program, cut to a few steps, on a text that repeats itself."""
    program = entries.first_program(COURSE, RUN).decode()
    for name, value in {"CONTEXT": 128, "STEPS": 1000, "FIRST_LOOK": 700, "EVERY": 50}.items():
        assert f"{value}" in program and name in program
    small = program.replace(
        "CONTEXT, BATCH, STEPS, WARM_UP = 128, 16, 1000, 50", "CONTEXT, BATCH, STEPS, WARM_UP = 16, 4, 40, 4"
    )
    small = small.replace("FIRST_LOOK, EVERY = 700, 50", "FIRST_LOOK, EVERY = 20, 10").replace(
        "context=CONTEXT)", "context=CONTEXT, width=32, layers=1, heads=2)"
    )
    trial = trained(small, monkeypatch)
    assert trial.score.passed and trial.measured["entry"]["losses"] < 0.5


def test_an_entry_that_never_gets_there_scores_nothing(monkeypatch):
    lazy = COUNTER.replace("np.add.at", "(lambda *a: None)")
    trial = trained(lazy, monkeypatch)
    assert not trial.score.passed and trial.score.total == 0
    assert trial.notes[0] == "Run 1: the entry came to 1.609, not to nats at most 0.5."
    trial = trained("def train(ids, characters, seed):\n    return []\n", monkeypatch)
    assert trial.score.total == 0 and "came to inf" in trial.notes[0]


@on_linux
def test_all_that_an_entry_computes_counts_looks_too(monkeypatch):
    busy = COUNTER.replace(
        "    return lambda ids: table[ids]",
        "    import time\n    end = time.process_time() + 1.0\n    while time.process_time() < end: pass\n"
        "    return lambda ids: table[ids]",
    )
    trial = trained(busy, monkeypatch)
    assert trial.measured["entry"]["seconds"] > trial.measured["baseline"]["seconds"] + 0.4
    assert trial.score.passed and trial.score.gains["seconds"] < 1


def test_a_baseline_that_fails_is_not_the_entrys_fault(monkeypatch):
    monkeypatch.setattr(entries, "first_program", lambda course, event: b"import os\ndef train(*a):\n    os._exit(0)\n")
    with pytest.raises(Infrastructure, match="the baseline: the program ended"):
        contest.run(COURSE, RUN, Entry("mine", COUNTER.encode()), Source(TEXT[:3000], TEXT[3000:]))


UNANSWERED = {
    "nan": ("np.full((len(ids), 5), np.nan, np.float32)", None),
    "promises more than 1 in all": ("np.full((len(ids), 5), 9.0, np.float32)", None),
    "float64": ("table[ids].astype(np.float64)", "of float32 are needed, got float64"),
    "too few characters": ("table[ids][:, :4]", r"scores \(16, 5\) of float32 are needed"),
    "text": ("'all right'", "got str"),
    "exits": ("__import__('os')._exit(0)", "ended before it answered"),
}


@pytest.mark.parametrize("answer, says", UNANSWERED.values(), ids=UNANSWERED)
def test_a_training_whose_model_does_not_predict_gains_nothing(answer, says, monkeypatch):
    program = COUNTER.replace("return lambda ids: table[ids]", f"return lambda ids: {answer}")
    if says:
        with pytest.raises(Refused, match=says):
            trained(program, monkeypatch)
    else:
        assert trained(program, monkeypatch).score.total == 0


def test_no_look_shows_a_character_before_it_is_predicted(monkeypatch):
    """What a reader has heard when it answers is all but the character that it is asked for."""
    heard = []

    def call(lane, name, *arguments):
        if name == "listen":
            return None
        heard.append(arguments[0])
        return np.zeros((16, 100), np.float32)

    monkeypatch.setattr(contest, "call", call)
    monkeypatch.setattr(contest, "STREAMS", 16)
    monkeypatch.setattr(contest, "LENGTH", 12)
    held = np.arange(100)
    losses = contest.look(None, held, 100, np.random.default_rng(0))
    assert len(heard) == 12 and losses.shape == (16 * 12,)
    np.testing.assert_allclose(losses, math.log(100))
    assert all((later == first + t).all() for first, (t, later) in ((heard[0], pair) for pair in enumerate(heard)))


def test_fresh_inputs_differ_from_turn_to_turn():
    here = contest.Contest(
        COURSE, SPRINT, DIGITS, Entry("a", b""), Entry("b", b""), entries.REFERENCE, 3, 0, lambda *_: None
    )
    first, second = here.draw(8), here.draw(8)
    assert isinstance(first, Examples) and not np.isin(first.x[:, 0], second.x[:, 0]).any()

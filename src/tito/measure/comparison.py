"""The comparison: TinyTorch beside PyTorch, and its tokenizers beside Hugging Face's, in time and in memory.

Each framework runs in a process of its own, and the two take turns: ours, theirs, ours, theirs. The number of threads
is in the environment before either imports NumPy. On one thread the price of a step is the process's own CPU time,
which a busy machine hardly changes; on two it is the time on the clock, of turns that had the machine for themselves.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tito import launch
from tito.course import Course, CourseError, default
from tito.work.workspace import write

CALLS = {  # in one turn: a second or two, or less
    "mlp": 300, "cnn": 4, "cnn_bn": 4, "cnn_last": 4, "gpt": 8,
    "embedding": 500, "layer_norm": 300, "attention": 60, "cross_entropy": 500,
    "add": 2000, "chain": 300, "bpe_train": 1, "bpe_encode": 1,
}  # fmt: skip
WORDS = {
    "mlp": "step of the MLP",
    "cnn": "step of the CNN",
    "cnn_bn": "CNN with BatchNorm",
    "cnn_last": "CNN, channels_last",
    "gpt": "step of the GPT",
    "embedding": "embedding",
    "layer_norm": "LayerNorm",
    "attention": "causal attention",
    "cross_entropy": "cross entropy",
    "add": "one addition",
    "chain": "one of 200 in a chain",
    "bpe_train": "1,000 merges learned",
    "bpe_encode": "1,000 bytes encoded",
}
THREADS = {name: (1, 2) if name in ("mlp", "cnn", "cnn_bn", "gpt") else (1,) for name in CALLS}
SHARED = ("cnn", "cnn_bn", "gpt")  # where TinyTorch has threads of its own, each with a matrix library on one
PATIENCE = 120  # seconds to wait for a quiet machine, on two threads
PAUSE = 0.5  # seconds between turns on two threads: a matrix library's idle thread spins for a while before it sleeps
FEWEST = 5  # turns on two threads that make a result
QUIET = 0.05  # of the machine: if others used more, a turn on two threads does not count
OURS, THEIRS = "tinytorch", "torch"
RIVALS = {"bpe_train": "tokenizers", "bpe_encode": "tokenizers"}  # these learn from and encode Tiny Shakespeare
INSTALL = "pip install torch tokenizers"

# -- results -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """One repetition: seconds a step on the clock and of CPU, the peak in bytes so far, and what others took meanwhile.

    `others` is the share of the machine's processors that somebody else used, or None where that cannot be told.
    """

    wall: float
    cpu: float
    peak: int
    others: float | None = None


@dataclass(frozen=True)
class Result:
    """One benchmark on so many threads: the turns of each framework that took part."""

    name: str
    threads: int
    turns: dict[str, list[Turn]]

    @property
    def rival(self) -> str:
        """What TinyTorch is compared with here."""
        return RIVALS.get(self.name, THEIRS)

    def seconds(self, framework: str) -> float | None:
        """The median price of a step: CPU time on one thread, time on the clock on more. None if too few count."""
        if self.threads == 1:
            return _median([turn.cpu for turn in self.turns.get(framework, [])])
        quiet = [turn.wall for turn in self.quiet(framework)]
        return _median(quiet) if len(quiet) >= FEWEST else None

    def quiet(self, framework: str) -> list[Turn]:
        """The turns in which nobody else used the machine to speak of."""
        return [turn for turn in self.turns.get(framework, []) if turn.others is None or turn.others <= QUIET]

    def enough(self, repetitions: int) -> bool:
        """Whether every framework has had so many turns that count."""
        counting = self.turns.get if self.threads == 1 else self.quiet
        return all(len(counting(framework) or []) >= repetitions for framework in self.turns)

    def peak(self, framework: str) -> float | None:
        """The most memory that the process ever had, in MB."""
        return max((turn.peak / 1e6 for turn in self.turns.get(framework, [])), default=None)

    @property
    def ratio(self) -> float | None:
        """Our price over theirs."""
        return _over(self.seconds(OURS), self.seconds(self.rival))

    @property
    def memory(self) -> float | None:
        """Our peak over theirs."""
        return _over(self.peak(OURS), self.peak(self.rival))


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


def _over(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours / theirs


@dataclass(frozen=True)
class Comparison:
    """Every result, and what it was measured on. `versions` has each framework that took part."""

    results: list[Result]
    versions: dict[str, str]
    kept: bool
    machine: str
    date: str
    command: str = "nox -s bench"

    def __getitem__(self, key: tuple[str, int]) -> Result:
        """The result of a benchmark on so many threads: comparison["mlp", 1]."""
        return next(result for result in self.results if (result.name, result.threads) == key)

    def made(self) -> str:
        """When, on what, and by which command this was measured, in one line."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"{self.date}, {self.machine}; {versions}. {self.command}"


def load(course: Course | None = None) -> Comparison:
    """The recorded comparison. Raises CourseError if there is none."""
    path = recorded(course or default())
    if not path.is_file():
        raise CourseError("no comparison is recorded: tito compare --record makes one")
    return from_json(json.loads(path.read_text(encoding="utf-8")))


def from_json(facts: dict[str, Any]) -> Comparison:
    """A comparison from what its JSON file holds."""
    results = [
        Result(r["name"], r["threads"], {who: [Turn(**turn) for turn in turns] for who, turns in r["turns"].items()})
        for r in facts["results"]
    ]
    return Comparison(**{**facts, "results": results})


def recorded(course: Course) -> Path:
    return course.root / "chapters" / "measures" / "comparison.json"


def save(comparison: Comparison, path: Path) -> None:
    write(path, json.dumps(asdict(comparison), indent=1) + "\n")


# -- measuring -----------------------------------------------------------------------------------------------------


class Contender:
    """A process that runs one benchmark on one framework, a turn at a time."""

    def __init__(self, course: Course, framework: str, name: str, threads: int):
        shared = framework == OURS and name in SHARED
        pinned = launch.pinned(1 if shared else threads) | {"RAYON_NUM_THREADS": str(threads)}
        pinned["TINYTORCH_SHARES"] = str(threads) if shared else "1"
        self.process = subprocess.Popen(
            [sys.executable, str(course.root / "chapters" / "measures" / "benchmarks.py"), framework, name],
            env=launch.environment(course.root / "src", **pinned),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.what = f"{name} on {framework}"
        self.facts: dict[str, Any] = {}

    def turn(self, calls: int) -> Turn:
        """Ask for so many calls, and wait for what they took."""
        assert self.process.stdin and self.process.stdout
        busy, start = machine_busy(), time.perf_counter()
        line = ""
        with suppress(BrokenPipeError):
            self.process.stdin.write(f"{calls}\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            raise CourseError(f"the benchmark ended by itself: {self.what}")
        self.facts = json.loads(line)
        others = None
        if busy is not None:
            spent = (machine_busy() or 0.0) - busy - self.facts["spent"]
            others = max(0.0, round(spent / (time.perf_counter() - start) / (os.cpu_count() or 1), 3))
        return Turn(self.facts["wall"], self.facts["cpu"], self.facts["peak"], others)

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self.process.communicate()


def machine_busy() -> float | None:
    """The CPU seconds that all processes of this machine have used since it started, where Linux tells."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def compare(
    course: Course, chosen: list[str], repetitions: int = 7, progress: Callable[[str], None] = lambda text: None
) -> Comparison:
    """Run every benchmark on every number of threads, the frameworks taking turns."""
    from tinytorch.environment import machine

    results, versions, kept = list[Result](), dict[str, str](), True
    for name, count in [(each, count) for each in chosen for count in THREADS[each]]:
        progress(f"{WORDS[name]}, {count} thread{'s' * (count > 1)}")
        result = Result(name, count, {OURS: []})
        if importlib.util.find_spec(result.rival):
            result.turns[result.rival] = []
        contenders = {framework: Contender(course, framework, name, count) for framework in result.turns}
        try:
            for contender in contenders.values():
                contender.turn(CALLS[name])  # to warm up
            end, turns = time.perf_counter() + PATIENCE, 0
            while turns < repetitions or (not result.enough(repetitions) and time.perf_counter() < end):
                turns += 1
                for framework, contender in contenders.items():
                    time.sleep(PAUSE if count > 1 else 0)
                    result.turns[framework].append(contender.turn(CALLS[name]))
        finally:
            for contender in contenders.values():
                contender.close()
        results.append(result)
        for framework, contender in contenders.items():
            kept, versions[framework] = kept and contender.facts["kept"], contender.facts["version"]
    where = str(machine()).rsplit(" on ", 1)[0]  # the number of threads is each result's own
    return Comparison(results, versions, kept, where, date.today().isoformat())


# -- showing -------------------------------------------------------------------------------------------------------


def table(comparison: Comparison) -> Table:
    """The comparison as a table: microseconds a step, peak megabytes, and our part of the other's."""
    shown = Table(box=None, pad_edge=False, header_style="")
    for column in ("", "threads", "TinyTorch", "other", "ratio", "peak MB", "other", "ratio"):
        shown.add_column(column, justify="right" if column else "left")
    for result in comparison.results:
        times = [_number(result.seconds(who), 1e6, " us") for who in (OURS, result.rival)]
        peaks = [_number(result.peak(who), 1, "", 0) for who in (OURS, result.rival)]
        shown.add_row(
            WORDS[result.name], str(result.threads), *times, _number(result.ratio, 1, "", 2),
            *peaks, _number(result.memory, 1, "", 2),
        )  # fmt: skip
    return shown


def _number(value: float | None, scale: float, unit: str, digits: int | None = None) -> str:
    if value is None:
        return "-"
    value *= scale
    return f"{value:.{digits if digits is not None else 2 if value < 10 else 0}f}{unit}"


def show(comparison: Comparison, console: Console) -> None:
    """Print the table, what it means, and how it was measured."""
    console.print(table(comparison))
    for line in notes(comparison):
        console.print(line, highlight=False)
    console.print(comparison.made(), highlight=False)


def notes(comparison: Comparison) -> list[str]:
    """What a reader of the table must know."""
    lines = ["Medians: CPU time on one thread; on two, time on the clock of turns in which nothing else ran."]
    lines.append("The other is PyTorch, but for merges and bytes: there it is Hugging Face's tokenizers.")
    if any(result.rival not in comparison.versions for result in comparison.results):
        lines.append(f"Where the other is not installed, this measures TinyTorch alone: {INSTALL}")
    for result in comparison.results:
        if result.threads > 1 and not result.enough(FEWEST):
            lines.append(f"On {result.threads} threads there is no result: the machine was hardly ever quiet.")
    if not comparison.kept:
        lines.append("Freed memory went back to the system: this C library does not let it be kept.")
    return lines

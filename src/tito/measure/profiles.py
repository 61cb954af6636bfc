"""Profiles: where a chapter's workload spends its time and memory, as Scalene and the primitives' own seam tell it.

`measure` runs the workload twice, each time in a process of its own: under Scalene, which samples, and under nothing,
for the time, the memory, and a clock at every primitive. What comes out is a summary, small enough to commit. A
chapter of the book loads that; the profiler never runs inside the book.
"""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tito import launch
from tito.course import Course, CourseError, default
from tito.work.workspace import write

SMALLEST = 0.05  # below this share, two runs of Scalene differ by as much as they report
LEAST = 0.1  # MB a round: less is not worth a row
INSTALL = "pip install scalene"
FRAMEWORKS = ("torch", "jax", "tensorflow")

# -- a summary -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Charge:
    """What Scalene charges a function or a line with: shares of the CPU time, and megabytes allocated in a round."""

    name: str
    python: float
    native: float
    allocated: float

    @property
    def share(self) -> float:
        return self.python + self.native


@dataclass(frozen=True)
class Timed:
    """What a clock at the seam says of a primitive: its share of the time, and megabytes of results in a round."""

    name: str
    share: float
    made: float


@dataclass(frozen=True)
class Profile:
    """One workload's profile. Shares count from 0 to 1; memory is in megabytes, of 10^6 bytes.

    `seconds` of CPU, `peak` and `before` (memory at the most, and before the workload began) are measured without the
    profiler; `footprint` is Scalene's own idea of the peak. `functions` are those with a share worth telling, largest
    first; `primitives` are the shares by the seam's clock, `by_hand` the shares of single lines by a clock around each.
    """

    name: str
    what: str
    times: int
    seconds: float
    peak: float
    before: float
    footprint: float
    python: float
    native: float
    waiting: float
    functions: list[Charge]
    lines: list[Charge]
    primitives: list[Timed]
    by_hand: dict[str, float]
    machine: str
    versions: dict[str, str]
    date: str
    command: str

    def charged(self, name: str) -> Charge:
        """What Scalene charges a function or a line with; nothing, for one too small to tell."""
        return next((c for c in (*self.functions, *self.lines) if c.name == name), Charge(name, 0.0, 0.0, 0.0))

    def timed(self, *names: str) -> float:
        """The share of these primitives together, by the clock at the seam."""
        return sum(timed.share for timed in self.primitives if timed.name in names)

    def made(self) -> str:
        """When, on what, and by which command this was measured, in lines of text."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return textwrap.fill(f"{self.date}, {self.machine}; {versions}. {self.command}", 88)

    def table(self) -> str:
        """The functions as lines of text, the whole below them, and how it was measured."""
        rows = [f"{'functions, by Scalene':34} {'Python':>8} {'native':>8} {'allocated':>12}"]
        for charge in self.functions:
            rows.append(_row(charge.name, charge.python, charge.native, charge.allocated))
        rows.append(_row("all functions", self.python, self.native))
        if self.primitives:
            rows.append(f"\n{'primitives, by a clock at the seam':34} {'':8} {'share':>8} {'results':>12}")
        for timed in self.primitives:
            rows.append(_row(timed.name, None, timed.share, timed.made))
        rows.append(f"\n{self.times:,} round{'s' * (self.times != 1)} in {self.seconds:.1f} s of CPU")
        rows.append(f"{self.peak:.0f} MB at the peak, {self.before:.0f} MB of them before the first round")
        return "\n".join([*rows, self.made()])

    def plot(self) -> Any:
        """The functions as bars: Python's part and that of native code, by Scalene. Returns the axes."""
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(6.4, 0.9 + 0.3 * len(self.functions)))
        names = [charge.name for charge in self.functions]
        python, native = ([getattr(charge, part) * 100 for charge in self.functions] for part in ("python", "native"))
        ax.barh(names, python, color="C1", label="Python")
        ax.barh(names, native, left=python, color="C0", label="native")
        ax.set(xlabel="% of the workload's CPU time, by Scalene")
        ax.invert_yaxis()
        ax.legend(loc="lower right")
        return ax


def _row(name: str, first: float | None, second: float, memory: float = 0.0) -> str:
    left, right = ("" if share is None else f"{share:.0%}" for share in (first, second))
    return f"{name:34} {left:>8} {right:>8} {f'{memory:,.2f} MB' if memory >= LEAST else '':>12}".rstrip()


def load(name: str, course: Course | None = None) -> Profile:
    """The recorded profile of a chapter (05, or autograd) or of another workload. Raises CourseError without one."""
    course = course or default()
    path = recorded(course, find(course, name)[0])
    if not path.is_file():
        raise CourseError(f"no profile of {name} is recorded: tito profile {name} --record makes it")
    return from_json(json.loads(path.read_text(encoding="utf-8")))


def from_json(facts: dict[str, Any]) -> Profile:
    """A profile from what its JSON file holds."""
    charges = {part: [Charge(**charge) for charge in facts[part]] for part in ("functions", "lines")}
    return Profile(**{**facts, **charges, "primitives": [Timed(**timed) for timed in facts["primitives"]]})


def record(course: Course, profile: Profile) -> Path:
    """Write the summary that the book shows."""
    path = recorded(course, profile.name)
    write(path, json.dumps(asdict(profile), indent=1) + "\n")
    return path


def recorded(course: Course, name: str) -> Path:
    """Where the committed summary of a workload stands."""
    return course.root / "chapters" / "measures" / "profiles" / f"{name}.json"


# -- making one ----------------------------------------------------------------------------------------------------


def measure(course: Course, wanted: str) -> tuple[Profile, Path]:
    """Profile a workload and write the reports to build/profiles; returns the summary, and Scalene's HTML report."""
    name, workload = find(course, wanted)
    if not installed():
        raise CourseError(f"a profile needs Scalene, which is not installed here: {INSTALL}")
    folder = course.root / "build" / "profiles"
    program = programs(course)
    plain = json.loads(_run(course, [str(program), "--measure", workload]))
    raw = sample(course, [program, course.package], [workload], folder / f"{name}.scalene.json")
    profile = summary(json.loads(raw.read_text(encoding="utf-8")), plain, name)
    write(folder / f"{name}.json", json.dumps(asdict(profile), indent=1) + "\n")
    return profile, report(raw, folder / f"{name}.html")


def installed() -> bool:
    return importlib.util.find_spec("scalene") is not None


def sample(course: Course, code: list[Path], arguments: list[str], raw: Path) -> Path:
    """Run the first file of code under Scalene, which watches all of code; returns raw, its JSON."""
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.unlink(missing_ok=True)
    within = os.path.commonpath([path.parent for path in code])
    options = ["--no-stacks", "--profile-only", ",".join(map(str, code)), "--program-path", within, "-o", str(raw)]
    with tempfile.TemporaryDirectory(prefix="tito-") as without:
        hide(Path(without))
        said = _run(course, ["-m", "scalene", "run", *options, str(code[0]), "---", *arguments], without)
    if not raw.is_file():
        raise CourseError(f"Scalene wrote no profile; it said: {said.strip()[-300:] or 'nothing'}")
    return raw


def find(course: Course, wanted: str) -> tuple[str, str]:
    """What a profile is called, and its workload: ("05", "autograd") for either of them, ("five", "five") for five.

    Raises CourseError, listing what there is, if there is no such workload.
    """
    known = workloads(course)
    numbers = {chapter.name: chapter.number for chapter in course.chapters() if chapter.name in known}
    for workload in known:
        number = numbers.get(workload, workload)
        if wanted in (workload, number) or wanted.zfill(2) == number:
            return number, workload
    listing = ", ".join(f"{numbers[name]} {name}" if name in numbers else name for name in known)
    raise CourseError(f"there is no workload {wanted!r}; there are: {listing}")


def programs(course: Course) -> Path:
    """The file of the workloads."""
    return course.root / "chapters" / "measures" / "workloads.py"


def workloads(course: Course) -> list[str]:
    """The names of the functions under @workload in chapters/measures/workloads.py, read and not run."""
    source = programs(course).read_text(encoding="utf-8")
    return re.findall(r"^@workload.*\ndef (\w+)", source, re.MULTILINE)


def hide(folder: Path) -> None:
    """Fill a folder with modules that say that the large frameworks are not installed.

    Scalene turns on PyTorch's own profiler wherever PyTorch can be imported. That one keeps a record of every Python
    call: a workload of five seconds then takes minutes, and gigabytes.
    """
    for framework in FRAMEWORKS:
        text = f"raise ModuleNotFoundError('{framework} is left out of a profile', name='{framework}')\n"
        (folder / f"{framework}.py").write_text(text, encoding="utf-8")


def _run(course: Course, arguments: list[str], first: str = "") -> str:
    """Run this Python with the course's own packages in front, BLAS on one thread; returns what it printed."""
    environment = launch.environment(*filter(None, [first]), course.root / "src", **launch.pinned(1))
    done = subprocess.run(
        [sys.executable, *arguments], cwd=course.root, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise CourseError(f"{' '.join(arguments[:3])} failed:\n{done.stderr.strip()[-1500:]}")
    return done.stdout


def report(raw: Path, target: Path) -> Path:
    """Scalene's report as one HTML file."""
    with tempfile.TemporaryDirectory(prefix="tito-") as folder:
        command = [sys.executable, "-m", "scalene", "view", "--standalone", str(raw)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        made = Path(folder) / "scalene-profile.html"
        if not made.is_file():
            raise CourseError(f"scalene view made no report: {(done.stderr or done.stdout).strip()[-500:]}")
        target.write_bytes(made.read_bytes())
    return target


# -- reading Scalene's JSON ----------------------------------------------------------------------------------------


def summary(raw: dict[str, Any], plain: dict[str, Any], name: str) -> Profile:
    """A profile from Scalene's JSON and from the run without it. Holds no path of this machine."""
    functions, lines, waiting = charges(raw, plain["times"])
    together = [sum(getattr(charge, part) for charge in functions) for part in ("python", "native")]
    return Profile(
        name=name,
        what=plain["what"],
        times=plain["times"],
        seconds=round(plain["seconds"], 2),
        peak=round(plain["peak"] / 1e6, 1),
        before=round(plain["before"] / 1e6, 1),
        footprint=round(raw.get("max_footprint_mb", 0.0) * 2**20 / 1e6, 1),
        python=round(together[0], 3),
        native=round(together[1], 3),
        waiting=waiting,
        functions=[charge for charge in functions if charge.share >= SMALLEST or charge.allocated >= LEAST],
        lines=lines if plain["by_hand"] else [],
        primitives=[
            Timed(timed["name"], round(timed["share"], 4), round(timed["made"] / 1e6, 3))
            for timed in plain["primitives"]
            if timed["share"] >= SMALLEST
        ],
        by_hand={line: round(share, 4) for line, share in plain["by_hand"].items()},
        machine=plain["machine"],
        **_here(name),
    )


def charges(raw: dict[str, Any], times: int) -> tuple[list[Charge], list[Charge], float]:
    """Functions and lines with what Scalene charges them, largest first, and the share of its time spent waiting.

    A function is charged with the lines that stand in it. What stands outside of all functions is left out: importing
    is no part of a workload. So is waiting, which says how busy the machine was, and nothing about the program.
    """
    by_function: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    by_line: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    waited = 0.0
    for file, facts in raw["files"].items():
        places = function_lines("".join(map(text, facts["lines"])))
        for line in facts["lines"]:
            cost = [line["n_cpu_percent_python"], line["n_cpu_percent_c"], line["n_malloc_mb"] * 2**20 / 1e6 / times]
            around = [name for name, (first, last) in places.items() if first <= line["lineno"] <= last]
            if not around or not any((*cost, line["n_sys_percent"])):
                continue
            inner = max(around, key=lambda name: places[name])
            waited += line["n_sys_percent"]
            for key, found in ((f"{Path(file).stem}.{inner}", by_function), (text(line).strip(), by_line)):
                found[key] = [before + part for before, part in zip(found[key], cost)]
    busy = sum(python + native for python, native, _ in by_function.values()) or 1.0
    return _sorted(by_function, busy), _sorted(by_line, busy), round(waited / (waited + busy), 3)


def text(line: dict[str, Any]) -> str:
    """The source of one line, which Scalene writes as JavaScript may hold it."""
    return line["line"].replace("\\u003c", "<").replace("\\u003e", ">").replace("\\u0026", "&")


def function_lines(source: str) -> dict[str, tuple[int, int]]:
    """First and last line of every function by its dotted name, without decorators: those run on import."""
    found: dict[str, tuple[int, int]] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inside = prefix
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = f"{prefix}{child.name}."
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found[prefix + child.name] = (child.lineno, child.end_lineno or child.lineno)
            visit(child, inside)

    visit(ast.parse(source), "")
    return found


def _sorted(found: dict[str, list[float]], busy: float) -> list[Charge]:
    made = (
        Charge(name, round(python / busy, 4), round(native / busy, 4), round(allocated, 3))
        for name, (python, native, allocated) in found.items()
    )
    return sorted(made, key=lambda charge: (-charge.share, -charge.allocated))


def _here(name: str) -> dict[str, Any]:
    """Versions, date and command, as a measurement must name them."""
    versions = {"Scalene": importlib.metadata.version("scalene")}
    command = f"nox -s profile-{name}" if name.isdigit() else f"tito profile {name}"
    return {"versions": versions, "date": date.today().isoformat(), "command": command}

"""Claims: what people repeat about these systems, and the numbers that our own programs find.

chapters/measures/claims.py has a function for each; chapters/measures/claims.json keeps what they found, each with its
machine, its date and its command, so that one can be measured again without the others. docs/claims.md reads it.
"""

import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tito import launch
from tito.course import Course, CourseError, default
from tito.work.workspace import write


@dataclass(frozen=True)
class Claim:
    """A sentence, the numbers by their names, and how they were measured. An interval is three numbers."""

    name: str
    says: str
    numbers: dict[str, Any]
    machine: str
    date: str

    @property
    def command(self) -> str:
        """What measures it again."""
        return f"tito claims -k {self.name}"

    def __getitem__(self, number: str) -> Any:
        """One of the numbers: claim["with gradients"]."""
        return self.numbers[number]

    def made(self) -> str:
        """When, on what, and by which command this was measured, in one line."""
        return f"{self.date}, {self.machine}. {self.command}"

    def table(self) -> str:
        """The numbers as lines of text below the sentence, and how they were measured."""
        width = max(map(len, self.numbers))
        rows = [f"  {name:{width}}  {shown(number)}" for name, number in self.numbers.items()]
        return "\n".join([self.says, *rows, f"  {self.made()}"])


def shown(number: Any) -> str:
    """A number, or several of one kind, in four digits.

    >>> shown(0.123456), shown([1, 20000.0])
    ('0.1235', '1, 20,000')
    """
    if isinstance(number, list):
        return ", ".join(map(shown, number))
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def programs(course: Course) -> Path:
    """The file with a function for each claim."""
    return course.root / "chapters" / "measures" / "claims.py"


def names(course: Course) -> list[str]:
    """The names of the functions under @claim, read and not run."""
    return re.findall(r"^@claim\(.*\)\ndef (\w+)", programs(course).read_text(encoding="utf-8"), re.MULTILINE)


def measure(course: Course, name: str) -> Claim:
    """Run one function in a process of its own, BLAS on one thread. Raises CourseError if it fails."""
    environment = launch.environment(course.root / "src", **launch.pinned(1))
    command = [sys.executable, str(programs(course)), name]
    done = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise CourseError(f"the claim {name} could not be measured:\n{done.stderr.strip()[-1500:]}")
    return Claim(**json.loads(done.stdout), name=name, date=date.today().isoformat())


def load(course: Course | None = None) -> dict[str, Claim]:
    """What is recorded, by name. Raises CourseError if nothing is."""
    path = recorded(course or default())
    if not path.is_file():
        raise CourseError("no claim is recorded: tito claims --record measures them")
    return {facts["name"]: Claim(**facts) for facts in json.loads(path.read_text(encoding="utf-8"))}


def record(course: Course, made: Claim) -> Path:
    """Keep a claim's numbers in the place of its earlier ones; the others stay. The order is that of the program."""
    path = recorded(course)
    known = (load(course) if path.is_file() else {}) | {made.name: made}
    write(path, json.dumps([asdict(known[name]) for name in names(course) if name in known], indent=1) + "\n")
    return path


def recorded(course: Course) -> Path:
    """Where the committed numbers stand."""
    return course.root / "chapters" / "measures" / "claims.json"

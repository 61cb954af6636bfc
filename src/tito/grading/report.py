"""Reports: what a grading found, as data. Text from students is made harmless here, once."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tito.outcomes import Outcome

LONG = 1200


def shown(value: Any) -> str:
    """A value as text for a terminal: short, printable, without escape sequences or addresses."""
    if isinstance(value, np.ndarray):
        value = value + 0.0 if value.dtype.kind == "f" else value  # no -0
        text = np.array2string(value, precision=6, threshold=40, max_line_width=88, separator=", ", floatmode="maxprec")
        text += f"  dtype {value.dtype}" if value.dtype != np.float64 else ""
        text += f"  shape {value.shape}" if value.size == 0 else ""
    elif isinstance(value, float | np.floating):
        text = f"{value + 0.0:.6g}"
    elif isinstance(value, np.generic):
        text = str(value.item())
    elif isinstance(value, tuple | list):
        inside = ", ".join(shown(item) for item in value[:20])
        comma = "," if len(value) == 1 else ""
        text = f"({inside}{comma})" if isinstance(value, tuple) else f"[{inside}]"
    else:
        text = value if type(value) is str else repr(value)
    return harmless(text)


def harmless(text: str) -> str:
    """Control characters, bidirectional overrides and addresses replaced; length capped."""
    text = re.sub(r"\b0x[0-9a-f]{6,}", "0x...", text)
    if len(text) > LONG:
        text = f"{text[:LONG]}\n[{len(text) - LONG} more characters]"
    return "".join(c if c == "\n" or c.isprintable() else _escape(c) for c in text.replace("\t", "    "))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode() if ord(character) < 0xD800 or ord(character) > 0xDFFF else "?"


@dataclass
class CheckResult:
    """One check: its state, and what a student is told if it did not pass."""

    name: str
    points: int
    doc: str
    earned: int = 0
    state: str = "passed"
    message: str = ""
    where: str = ""
    given: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    yours: str | None = None
    expected: str | None = None
    diagnosis: str = ""
    call: Any = field(default=None, repr=False, compare=False)

    def tell(self, outcome: Outcome) -> None:
        """Take over what an outcome knows."""
        details = outcome.details
        self.state, self.earned = outcome.state, 0
        self.message, self.where = harmless(outcome.message), harmless(details.get("where", ""))
        self.given = {name: shown(value) for name, value in outcome.case.items()}
        self.shown = {name: shown(value) for name, value in details.get("shown", {}).items()}
        self.yours = shown(details["yours"]) if "yours" in details else None
        self.expected = shown(details["expected"]) if "expected" in details else None
        self.diagnosis = harmless(details.get("diagnosis", ""))
        self.call = outcome.call


@dataclass
class ExerciseResult:
    """One exercise: the checks' results, the hint, the command that runs just this."""

    name: str
    checks: list[CheckResult]
    hint: str
    rerun: str
    printed: str = ""

    @property
    def points(self) -> int:
        return sum(check.earned for check in self.checks)

    @property
    def possible(self) -> int:
        return sum(check.points for check in self.checks)

    @property
    def state(self) -> str:
        """The state of the first check that did not pass."""
        return next((check.state for check in self.checks if check.state != "passed"), "passed")


@dataclass
class Integrated:
    """The same exercises on the student's own earlier chapters; or the names that are missing for that."""

    missing: list[str] = field(default_factory=list)
    points: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)

    @property
    def available(self) -> bool:
        return not self.missing


@dataclass
class Report:
    """One grading of one chapter. The same work and the same seed give an equal report."""

    number: str
    name: str
    seed: int
    isolation: str
    graded: str
    everything: bool = True
    exercises: list[ExerciseResult] = field(default_factory=list)
    integrated: Integrated | None = None

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    @property
    def possible(self) -> int:
        return sum(exercise.possible for exercise in self.exercises)

    @property
    def passed(self) -> bool:
        return all(exercise.state == "passed" for exercise in self.exercises)

    @property
    def states(self) -> dict[str, str]:
        return {exercise.name: exercise.state for exercise in self.exercises}

    def __getitem__(self, name: str) -> ExerciseResult:
        return next(exercise for exercise in self.exercises if exercise.name == name)

    def entry(self) -> dict[str, Any]:
        """What a progress file keeps of it: the points of each exercise that could be graded."""
        exercises = {
            exercise.name: {"points": exercise.points, "possible": exercise.possible, "state": exercise.state}
            for exercise in self.exercises
            if exercise.state != "not graded"
        }
        return {"exercises": exercises, "name": self.name, "seed": self.seed, "isolation": self.isolation}

    def to_json(self) -> dict[str, Any]:
        """Plain data, with the sums spelled out."""
        data: dict[str, Any] = asdict(self)
        data.update(points=self.points, possible=self.possible, passed=self.passed, flagged=self.flagged)
        for exercise, plain in zip(self.exercises, data["exercises"]):
            plain.update(points=exercise.points, possible=exercise.possible, state=exercise.state)
            for check in plain["checks"]:
                del check["call"]
        if self.integrated:
            data["integrated"]["available"] = self.integrated.available
        return data

    @property
    def flagged(self) -> bool:
        """Whether something could not be graded for reasons that are not the student's."""
        return "not graded" in self.states.values()

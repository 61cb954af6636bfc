"""The leaderboard: a folder of results, one JSON file each, and a table that is made from them.

    docs/leaderboard/mlp_sprint-int8.json      what an entry reached, on which machine, and the hashes of its files
    docs/leaderboard/mlp_sprint-int8/          these files: entry.py, and weights.safetensors if it brings any

A result whose format or hashes do not fit is refused with the reason. Nobody has to believe it: `verify` runs it again.
"""

import json
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from tinytorch import environment, olympics
from tinytorch.benchmarking import Estimate
from tinytorch.olympics import Event, Score
from tito.course import Course, CourseError
from tito.measure import entries
from tito.measure.contest import Trial
from tito.measure.entries import Entry, Framework, Refused
from tito.work.workspace import write

FORMAT = 1
MARGIN = 0.02  # of a ratio, as in chapter 19's verdict
CAP = 1 << 16  # bytes of a result
NAME = r"[a-z0-9][a-z0-9_-]{0,39}"
AUTHOR = r"[^<>|\x00-\x1f\x7f]{0,60}"
FIELDS = {
    "format": int, "event": str, "division": str, "name": str, "author": str, "score": dict, "measured": dict,
    "agreement": float, "confined": list, "seed": int, "rounds": int, "notes": list, "files": dict, "framework": dict,
    "baseline": dict, "machine": dict, "versions": dict, "command": str, "date": str,
}  # fmt: skip
SCORE = {"event", "quality", "passed", "ratios", "gains", "total", "interval"}


@dataclass(frozen=True)
class Result:
    """A trial, who made it, of which files, on what machine, and by which command: what one JSON file holds."""

    trial: Trial
    name: str
    author: str
    files: dict[str, str]
    framework: dict[str, str]
    baseline: dict[str, str]
    machine: dict[str, Any]
    versions: dict[str, str]
    command: str
    date: str

    @property
    def stem(self) -> str:
        """What its file is called."""
        return f"{self.trial.event}-{self.name}"


def folder(course: Course) -> Path:
    """Where the book's results stand."""
    return course.root / "docs" / "leaderboard"


def result(trial: Trial, entry: Entry, against: Entry, own: Framework, name: str, author: str, command: str) -> Result:
    """A trial on this machine, today."""
    versions = {"python": platform.python_version(), "numpy": np.__version__, "system": platform.system()}
    return Result(
        trial, name, author, entry.hashes, own.hashes, against.hashes, asdict(environment.machine()), versions,
        command, date.today().isoformat(),
    )  # fmt: skip


# -- files ------------------------------------------------------------------------------------------------------------


def to_json(found: Result) -> str:
    """The result as a text that from_json reads."""
    facts = asdict(found)
    every = {"format": FORMAT, **facts.pop("trial"), **facts}
    return json.dumps({name: every[name] for name in FIELDS}, indent=1) + "\n"


def check_free(place: Path, event: str, name: str) -> Path:
    """Where a result of this name is to stand. Raises CourseError for a name that is taken, or makes no file's name."""
    if not re.fullmatch(NAME, name):
        raise CourseError(f"a name is up to 40 of a-z, 0-9, - and _, beginning with a letter or digit, got {name!r}")
    path = place / f"{event}-{name}.json"
    if path.exists() or path.with_suffix("").exists():
        raise CourseError(f"{path} is already there, and stays as it is: choose another name with --name")
    return path


def save(found: Result, entry: Entry, place: Path) -> Path:
    """Write a result and its files, and return where. Raises CourseError rather than overwrite."""
    path = check_free(place, found.trial.event, found.name)
    files = path.with_suffix("")
    files.mkdir(parents=True)
    (files / entries.PROGRAM).write_bytes(entry.program)
    if entry.weights is not None:
        (files / entries.WEIGHTS).write_bytes(entry.weights)
    write(path, to_json(found))
    return path


def load(path: Path) -> Result:
    """The result in a file. Raises Refused, with the reason, for what is none, or contradicts itself."""
    try:
        data = path.read_bytes()[: CAP + 1]
    except OSError as error:
        raise Refused(f"{path}: it cannot be read ({error.strerror or error})") from None
    try:
        return from_json(data)
    except Refused as refused:
        raise Refused(f"{path}: {refused}") from None


def from_json(data: bytes) -> Result:
    """The result that to_json wrote. Raises Refused, with the reason, for what is none, or contradicts itself."""
    if len(data) > CAP:
        raise Refused(f"a result has at most {CAP:,} bytes")
    try:
        facts = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"this is not JSON: {error}") from None
    if not isinstance(facts, dict) or set(facts) != set(FIELDS):
        given = sorted(facts) if isinstance(facts, dict) else type(facts).__name__
        raise Refused(f"a result has the fields {', '.join(FIELDS)}; got {given}")
    for name, kind in FIELDS.items():
        if not isinstance(facts[name], (int, float) if kind is float else kind) or isinstance(facts[name], bool):
            raise Refused(f"{name} is {facts[name]!r:.60}, not of type {kind.__name__}")
    if facts.pop("format") != FORMAT:
        raise Refused(f"this is not format {FORMAT}")
    _check_texts(facts)
    score = _score(facts.pop("score"), facts["event"])
    trial = {name: facts.pop(name) for name in Trial.__dataclass_fields__ if name != "score"}
    return Result(Trial(score=score, **trial), **facts)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _check_texts(facts: Mapping[str, Any]) -> None:
    """Raise Refused unless names, hashes and dates have their form."""
    forms = {"name": NAME, "division": "|".join(olympics.DIVISIONS), "date": r"\d{4}-\d\d-\d\d", "author": AUTHOR}
    for name, form in forms.items():
        if not re.fullmatch(form, facts[name]):
            raise Refused(f"{name} is {facts[name]!r:.60}, which does not have its form")
    if facts["event"] not in olympics.EVENTS:
        raise Refused(f"there is no event {facts['event']!r:.60}")
    for name in ("files", "framework", "baseline"):
        for file, digest in facts[name].items():
            if not re.fullmatch(r"[\w.]{1,40}", file) or not re.fullmatch("[0-9a-f]{64}", str(digest)):
                raise Refused(f"{name} has {file!r:.60}: {digest!r:.80}, which is no file's name and its SHA-256")
    for who, numbers in facts["measured"].items():
        if not isinstance(numbers, dict) or not all(type(one) in (int, float) for one in numbers.values()):
            raise Refused(f"measured has {who!r:.60}: {numbers!r:.60}, which are no numbers")
    if entries.PROGRAM not in facts["files"] or set(facts["files"]) - {entries.PROGRAM, entries.WEIGHTS}:
        raise Refused(f"files are {entries.PROGRAM}, and perhaps {entries.WEIGHTS}; got {', '.join(facts['files'])}")


def _score(facts: Mapping[str, Any], name: str) -> Score:
    """The score. Raises Refused unless its gains and its total are what its ratios come to."""
    event = olympics.EVENTS[name]
    try:
        if set(facts) != SCORE or facts["event"] != name:
            raise ValueError(f"it has the fields {', '.join(sorted(SCORE))}, and is of the event {name}")
        ratios = {key: Estimate(*map(_number, ratio)) for key, ratio in facts["ratios"].items()}
        interval = None if facts["interval"] is None else Estimate(*map(_number, facts["interval"]))
        score = Score(**{**facts, "ratios": ratios, "interval": interval})
        if score.passed is not event.gate.passes(_number(score.quality)):
            raise ValueError(
                f"its quality is {score.quality}, where {event.gate} is needed, and passed is {score.passed}"
            )
        if not all(r.low <= r.value <= r.high for r in ratios.values()):
            raise ValueError("a value lies outside its interval")
        gains = {key: olympics.gain_of(ratio) for key, ratio in ratios.items()} if score.passed else {}
        total = olympics.combined(gains, event.measures) if score.passed else 0.0
        made, told = {**gains, "total": total}, {**score.gains, "total": score.total}
        if set(told) != set(made) or not all(math.isclose(_number(told[key]), made[key], rel_tol=1e-6) for key in made):
            raise ValueError(f"its ratios come to {made}")
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise Refused(f"the score does not fit: {error}") from None
    return score


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.60} is no finite number")
    return float(value)


def files(path: Path, found: Result) -> Entry:
    """The entry beside a result. Raises Refused if a file is missing, or is not the one that was measured."""
    place = path.with_suffix("")
    if path.stem != found.stem:
        raise Refused(f"{path}: the result of {found.name} in {found.trial.event} is called {found.stem}.json")
    entry = entries.read(place)
    for name in sorted({*entry.hashes, *found.files}):
        if entry.hashes.get(name) != found.files.get(name):
            given = entry.hashes.get(name, "missing")
            raise Refused(
                f"{place / name}: its SHA-256 is {given:.12}, the result's is {found.files.get(name, 'none'):.12}"
            )
    return entry


# -- a claim, and a run of one's own ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """One measure of a claim, and what was found here. A ratio that is 2 % off is none that matters."""

    measure: str
    claimed: Estimate
    here: Estimate | None

    @property
    def holds(self) -> bool:
        """Whether the intervals meet, or what was found here is better."""
        return self.here is not None and self.here.low <= self.claimed.high * (1 + MARGIN)

    @property
    def word(self) -> str:
        """What is to be said of it, in a word."""
        if self.here is None:
            return "not reached"
        return (
            "does not hold"
            if not self.holds
            else "better"
            if self.here.high * (1 + MARGIN) < self.claimed.low
            else "holds"
        )


def checks(found: Result, trial: Trial) -> list[Check]:
    """A claim beside what was measured here, measure by measure."""
    here = trial.score.ratios
    return [Check(name, ratio, here.get(name)) for name, ratio in found.trial.score.ratios.items()]


def holds(found: Result, trial: Trial) -> bool:
    """Whether a claim holds here: the gate is passed if it was, and no measure is surely worse."""
    gate = trial.score.passed or not found.trial.score.passed
    return gate and all(check.holds for check in checks(found, trial))


# -- the table --------------------------------------------------------------------------------------------------------


def results(place: Path) -> list[Result]:
    """Every result of a folder, its files checked. Raises Refused, naming the file, for one that does not fit."""
    found = []
    for path in sorted(place.glob("*.json")):
        found.append(load(path))
        files(path, found[-1])
    return found


def table(found: list[Result]) -> Table:
    """One table of all results, by event and division; entries that cannot be told apart share a rank."""
    shown = Table(box=None, pad_edge=False, header_style="")
    for column in ("event", "division", "rank", "entry", "by", "score", "interval", "quality", "date"):
        shown.add_column(column, justify="right" if column in ("rank", "score") else "left")
    for event, division in [(event, division) for event in olympics.EVENTS.values() for division in olympics.DIVISIONS]:
        own = {one.name: one for one in found if (one.trial.event, one.trial.division) == (event.name, division)}
        totals = {name: one.trial.score.interval or Estimate(0.0, 0.0, 0.0) for name, one in own.items()}
        for name, rank in olympics.ranking(totals).items():
            shown.add_row(event.name, division, str(rank), *_row(own[name], event))
    return shown


def _row(one: Result, event: Event) -> list[str]:
    """What the table says of a result, after its event, division and rank."""
    score = one.trial.score
    interval = "gate shut" if score.interval is None else f"{score.interval.low:.2f} to {score.interval.high:.2f}"
    quality = f"{score.quality:.3g} {event.gate.metric}"
    return [one.name, one.author, f"{score.total:.2f}", interval, quality, one.date]

"""A contest: an entry and the baseline take turns, and the judge scores them.

The judge draws fresh inputs for every turn, reads the clock, and judges the very answers that it timed. Between its
turns a worker stands still. A third worker answers without computing anything: what that takes is the wire's, and is
subtracted from both. Every round has new processes, because two of one program differ by some percent.
"""

import contextlib
import math
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tinytorch import olympics, serialization
from tinytorch.benchmarking import sustained_rate
from tinytorch.olympics import Event, Examples, Heat, Score, Source
from tito import sandbox
from tito.course import Course, CourseError
from tito.grading.report import shown
from tito.measure import entries
from tito.measure.comparison import machine_busy
from tito.measure.entries import REFERENCE, Entry, Framework, Progress, Refused, call, worker
from tito.outcomes import Infrastructure, Outcome, StudentError
from tito.sandbox.isolation import unreadable
from tito.sandbox.lane import Lane

ROUNDS = 5  # of a race
TURNS = {"throughput": 8, "latency": 60}  # of a round: a batch each, or one input each
SMALL, LARGE = 256, 64  # inputs of a batch: of small images, of all else
WARM_UP = 2  # turns of a round that do not count
CLOSED_CAP = 20_000  # bytes of a program that brings no weights: it is not to hold them as text
AGREEMENT = 0.95  # of the baseline's answers an entry of the closed division gives, too
LEAST_NET = 0.02  # of a time is left at least, once the wire's is subtracted
PATIENT = 5  # times the baseline's latency is the limit of the server scenario
LOUD = 0.2  # of the machine: if others use more, it is said
SURE = 3.0  # standard errors by which the answers of one kind may miss the gate that all together pass
RUNS = 3  # of a speedrun
LIMIT = 900  # CPU seconds that one training of a speedrun may take
BUSY = 4  # times as long on the clock may pass, on a machine that does other things, too
STREAMS, LENGTH = 256, 128  # of a look: so many texts of so many characters


@dataclass(frozen=True)
class Trial:
    """What came of an entry's run beside the baseline.

    `measured` has for each of the two the median seconds, the bytes and the mean loss, and in the server scenario the
    most queries a second and their limit in seconds; `agreement` is the share of answers that both gave; `confined`
    what kept the entry to itself; `seed` what the inputs were drawn by.
    """

    event: str
    division: str
    score: Score
    measured: dict[str, dict[str, float]]
    agreement: float
    confined: list[str]
    seed: int
    rounds: int
    notes: list[str]


@dataclass
class Contest:
    """Who takes part in which event, on which data. `own`: the framework that the entry runs on."""

    course: Course
    event: Event
    source: Source
    entry: Entry
    against: Entry
    own: Framework
    rounds: int
    seed: int
    tell: Progress

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def draw(self, count: int) -> Examples:
        """Fresh inputs, which nobody has seen before, and their answers."""
        return olympics.draw(self.event, self.source.held, self.rng, count)


def run(
    course: Course,
    event: Event,
    entry: Entry,
    source: Source,
    own: Framework = REFERENCE,
    rounds: int = 0,
    seed: int | None = None,
    progress: Progress = lambda *_: None,
) -> Trial:
    """Run an entry beside the baseline, and judge it.

    Raises Refused, with the reason, for an entry that does not count, CourseError for fewer than three rounds, and
    Infrastructure if no worker can be started.
    """
    rounds = rounds or (RUNS if entries.trains(event) else ROUNDS)
    if rounds < olympics.LEAST:
        raise CourseError(f"an interval needs {olympics.LEAST} rounds or more, got {rounds}")
    against = entries.baseline(course, event, source.learn, progress)
    seed = secrets.randbits(48) if seed is None else seed
    contest = Contest(course, event, source, entry, against, own, rounds, seed, progress)
    with unreadable():
        return speedrun(contest) if entries.trains(event) else race(contest)


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Whatever an entry does wrong in this block is the reason why it is refused."""
    try:
        yield
    except Outcome as outcome:
        raise Refused(shown(f"{outcome.state}: {outcome.message}")) from None


@contextlib.contextmanager
def blaming(name: str) -> Iterator[None]:
    """What goes wrong in this block is the entry's fault if it is the entry's; else it is Infrastructure."""
    try:
        yield
    except Outcome as outcome:
        if name == "entry":
            raise
        raise Infrastructure(f"the {name}: {outcome.message}") from None


# -- who takes part ---------------------------------------------------------------------------------------------------


@dataclass
class Runner:
    """A contestant in its lane: it answers, and remembers the seconds and the answers of every turn.

    Answers have so many `columns`, and this dtype.
    """

    name: str
    lane: Lane
    columns: int = 0
    dtype: str = ""
    seconds: list[float] = field(default_factory=list)
    answers: list[np.ndarray] = field(default_factory=list)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        with blaming(self.name):
            z = self.lane.answer(x)
        self.seconds.append(time.perf_counter() - began)
        if self.columns and (z.shape[1] != self.columns or z.dtype.name != self.dtype):
            given = f"{z.dtype} of shape {z.shape}"
            raise StudentError(f"answers ({len(x)}, {self.columns}) of {self.dtype} are needed, got {given}")
        self.answers.append(z)
        return z


@contextlib.contextmanager
def runner(contest: Contest, name: str, entry: Entry, own: Framework = REFERENCE) -> Iterator[Runner]:
    """A contestant that has loaded its weights, and answered once."""
    with worker(contest.course, entry, own) as lane:
        call(lane, "begin", contest.event.name)
        x = contest.draw(2).x
        lane.open("answer", x)
        z = lane.answer(x)
        yield Runner(name, lane, z.shape[1], z.dtype.name)


@contextlib.contextmanager
def nothing(contest: Contest, like: Runner) -> Iterator[Runner]:
    """A worker that answers as many numbers as another, and computes none."""
    with worker(contest.course, Entry("nothing", b"")) as lane:
        call(lane, "silent", like.columns, like.dtype)
        lane.open("answer", contest.draw(2).x)
        yield Runner("nothing", lane)


@contextlib.contextmanager
def contestants(contest: Contest) -> Iterator[list[Runner]]:
    """The entry, the baseline and nothing, in processes of their own."""
    with (
        runner(contest, "baseline", contest.against) as theirs,
        nothing(contest, theirs) as wire,
        refusing(),
        runner(contest, "entry", contest.entry, contest.own) as ours,
    ):
        ours.columns, ours.dtype = theirs.columns, theirs.dtype
        yield [ours, theirs, wire]


def with_weights(contest: Contest) -> tuple[Entry, str]:
    """The entry with the weights that it is to have, and its division. Raises Refused if it brings what it may not."""
    entry, given = contest.entry, Entry(contest.entry.label, contest.entry.program, contest.against.weights)
    if entry.weights is not None:
        return entry, "open"
    with refusing(), worker(contest.course, given, contest.own) as lane:
        says = call(lane, "says")
        if "predict" in says:
            return entry, "open"
        packed = call(lane, "pack") if "pack" in says else None
    if len(entry.program) > CLOSED_CAP:
        raise Refused(
            f"the program has {len(entry.program):,} bytes; {CLOSED_CAP:,} are allowed in the closed division, where "
            "the weights are the baseline's"
        )
    return given if packed is None else Entry(entry.label, entry.program, kept(packed)), "closed"


def kept(arrays: Any) -> bytes:
    """The file that holds these arrays. Raises Refused for what is no dict of arrays."""
    with sandbox.folder() as place:
        try:
            serialization.save(arrays, place / entries.WEIGHTS)
        except (TypeError, ValueError, AttributeError) as error:
            raise Refused(f"what pack returned cannot be kept: {error}") from None
        return (place / entries.WEIGHTS).read_bytes()


# -- a race -----------------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """What was found of a contestant so far, by the kind of turn: the median seconds of each round, and all losses."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    losses: dict[str, list[np.ndarray]] = field(default_factory=dict)
    single: list[np.ndarray] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    def add(self, kind: str, heat: Heat, wire: Heat) -> None:
        """The turns of one kind in one round."""
        seconds = net(heat.seconds, wire.seconds)
        self.seconds.setdefault(kind, []).append(float(np.median(seconds)))
        self.single += [seconds] if kind == "latency" else []
        self.losses.setdefault(kind, []).append(heat.losses)

    def measured(self, size: int) -> dict[str, Any]:
        """All that a score may ask for."""
        every = np.concatenate([losses for kind in self.losses.values() for losses in kind])
        return {**self.seconds, "losses": every, "size": size, "memory": int(np.median(self.peaks)) or 1}


def race(contest: Contest) -> Trial:
    """All rounds of an entry that was trained before, and its score; no more rounds once the gate is shut."""
    contest.entry, division = with_weights(contest)
    found, agreed, others = {"entry": Found(), "baseline": Found()}, list[np.ndarray](), Others()
    for number in range(contest.rounds):
        with contestants(contest) as runners:
            one_round(contest, runners, found, f"round {number + 1} of {contest.rounds}")
            others.ours += sum(one.lane.cpu() or 0 for one in runners)
            agreed.append(agreement(*runners[:2]))
            confined = runners[0].lane.confined
        if missed(contest.event, found["entry"]) is not None:
            break
    same = float(np.concatenate(agreed).mean())
    if division == "closed" and same < AGREEMENT:
        raise Refused(
            f"{same:.1%} of its answers are the baseline's; {AGREEMENT:.0%} are needed in the closed division, because "
            "it is the baseline's network. Another one is for the open division: put its weights beside it"
        )
    measured = {"entry": found["entry"].measured(contest.entry.size)}
    measured["baseline"] = found["baseline"].measured(contest.against.size)
    result = scored(contest, found["entry"], measured)
    told = {name: medians(each) for name, each in measured.items()}
    if "latency" in contest.event.measures:
        limit = PATIENT * told["baseline"]["latency"]
        for name, one in found.items():
            told[name] |= {"server": sustained_rate(np.concatenate(one.single), limit, contest.rng), "limit": limit}
    notes = [*open_points(confined), *([] if all(found["entry"].peaks) else [NO_MEMORY]), *others.note()]
    return Trial(
        contest.event.name, division, result, told, same, confined, contest.seed, len(agreed), notes
    )  # fmt: skip


NO_MEMORY = "Memory cannot be measured on this system: it counts as the baseline's."


def open_points(confined: list[str]) -> list[str]:
    """What this system does not keep an entry from, in sentences."""
    said = {"files": "reading other files than its own", "processes": "starting other processes and reaching them"}
    return [f"This system does not keep an entry from {what}." for name, what in said.items() if name not in confined]


class Others:
    """What other programs use of this machine, from now on; `ours` are the CPU seconds of all workers."""

    def __init__(self) -> None:
        self.busy, self.began, self.own, self.ours = machine_busy(), time.perf_counter(), time.process_time(), 0.0

    def note(self) -> list[str]:
        """A sentence, if they used so much that times say little."""
        if self.busy is None:
            return []
        used = (machine_busy() or 0.0) - self.busy - (time.process_time() - self.own) - self.ours
        share = used / (time.perf_counter() - self.began) / (os.cpu_count() or 1)
        return [f"Other programs used {share:.0%} of this machine meanwhile: times say little."] if share > LOUD else []


def one_round(contest: Contest, runners: list[Runner], found: Mapping[str, Found], title: str) -> None:
    """A heat of each kind that counts: of batches in any case, of single inputs where latency is measured."""
    for kind in ("throughput", "latency"):
        if kind == "latency" and kind not in contest.event.measures:
            continue
        heats = heat(contest, kind, runners, title)
        for name, one in found.items():
            one.add(kind, heats[name], heats["nothing"])
    for contestant in runners:
        if contestant.name in found:
            found[contestant.name].peaks.append(contestant.lane.peak() or 0)


def heat(contest: Contest, kind: str, runners: list[Runner], title: str) -> dict[str, Heat]:
    """The turns of one kind in one round: the same fresh inputs for all, in an order drawn anew for each turn."""
    x, turns, done = contest.draw(1).x, TURNS[kind], 0
    rows = 1 if kind == "latency" else SMALL if x.nbytes <= 1024 and x.dtype.kind == "f" else LARGE
    for one in runners:
        one.seconds.clear()

    def fresh() -> Examples:
        nonlocal done
        contest.tell(title, min(done, turns), turns, f"{kind}: {standing(runners)}")
        done += 1
        return contest.draw(rows)

    judge = olympics.TASKS[contest.event.task].losses
    by_name = {one.name: one for one in runners}
    return olympics.race(by_name, fresh, judge, time.perf_counter, contest.rng, turns, WARM_UP)


def standing(runners: list[Runner]) -> str:
    """How the entry and the baseline stand: the medians of a turn so far."""
    return ", ".join(f"{one.name} {1e3 * np.median(one.seconds):.2f} ms" for one in runners[:2] if one.seconds)


def net(seconds: np.ndarray, wire: np.ndarray) -> np.ndarray:
    """The seconds of each turn (n,) less what a worker that computes nothing takes at least; a part of them is left."""
    return np.maximum(seconds - np.min(wire), LEAST_NET * np.median(seconds))


def agreement(ours: Runner, theirs: Runner) -> np.ndarray:
    """For each input whether both gave the same answer: the same highest score, or the same tokens."""
    same = [
        (a.argmax(axis=1) == b.argmax(axis=1)) if a.dtype.kind == "f" else (a == b).all(axis=1)
        for a, b in zip(ours.answers, theirs.answers)
    ]
    return np.concatenate(same)


# -- a score ----------------------------------------------------------------------------------------------------------


def scored(contest: Contest, found: Found, measured: Mapping[str, Any]) -> Score:
    """The score. Answers of each kind have to reach the gate: it is no use to be good in one kind only."""
    if (losses := missed(contest.event, found)) is not None:
        return Score(contest.event.name, olympics.quality(contest.event, losses), False, {}, {}, 0.0, None)
    return olympics.score_entry(contest.event, measured["entry"], measured["baseline"], contest.rng)


def missed(event: Event, found: Found) -> np.ndarray | None:
    """The losses of the first kind of turn whose answers surely miss the gate, if there is one."""
    every = map(np.concatenate, found.losses.values())
    return next((losses for losses in every if surely_below(event, losses)), None)


def surely_below(event: Event, losses: np.ndarray) -> bool:
    """Whether these answers miss the gate by more than chance would make them."""
    if not np.isfinite(losses).all():
        return True
    reach, reached = SURE * float(np.std(losses)) / math.sqrt(len(losses)), olympics.quality(event, losses)
    return not any(event.gate.passes(reached + slack) for slack in (-reach, 0.0, reach))


def medians(measured: Mapping[str, Any]) -> dict[str, float]:
    """One number for each measure: the median of the rounds, the mean loss, bytes as they are."""
    return {name: float(np.mean(x) if name == "losses" else np.median(x)) for name, x in measured.items()}


# -- a speedrun -------------------------------------------------------------------------------------------------------


@dataclass
class Training:
    """A contestant that trains: the loss of its last look, of each character, and whether it goes on."""

    name: str
    lane: Lane
    seed: int
    goes_on: bool = True
    losses: np.ndarray = field(default_factory=lambda: np.array([math.inf]))
    begun: bool = False
    wall: float = 0.0

    @property
    def seconds(self) -> float:
        """Of CPU, its looks included; on the clock, where CPU seconds cannot be had from outside."""
        cpu = self.lane.cpu()
        return self.wall if cpu is None else cpu

    def step(self, contest: Contest, characters: int) -> None:
        """Let it train until it wants to be looked at, and look. All that it does meanwhile is timed."""
        began = time.perf_counter()
        if not self.begun:
            call(self.lane, "train", contest.source.learn, characters, self.seed)
            self.begun = True
        self.goes_on = call(self.lane, "go_on") is True
        if self.goes_on:
            self.losses = look(self.lane, contest.source.held, characters, contest.rng)
            self.goes_on = not contest.event.gate.passes(olympics.quality(contest.event, self.losses))
        self.wall += time.perf_counter() - began


def look(lane: Lane, held: np.ndarray, characters: int, rng: np.random.Generator) -> np.ndarray:
    """The nats of every character of some fresh texts, (STREAMS LENGTH,).

    A character is shown only once it has been predicted: no model can look ahead.
    """
    at = rng.integers(0, len(held) - LENGTH, STREAMS)[:, None] + np.arange(LENGTH + 1)
    texts, losses, needed = held[at], list[np.ndarray](), (STREAMS, characters)
    call(lane, "listen", STREAMS)
    for t in range(LENGTH):
        z = call(lane, "hear", texts[:, t])
        if not isinstance(z, np.ndarray) or z.shape != needed or z.dtype != np.float32:
            given = f"{z.dtype} of shape {z.shape}" if isinstance(z, np.ndarray) else type(z).__name__
            raise StudentError(f"scores {needed} of float32 are needed, got {given}")
        losses.append(olympics.nats(z, texts[:, t + 1]))
    return np.concatenate(losses)


def speedrun(contest: Contest) -> Trial:
    """Both train, several times, taking turns: the seconds until their loss on text they never saw is low enough."""
    characters = 1 + int(max(contest.source.learn.max(), contest.source.held.max()))
    seconds: dict[str, list[float]] = {"entry": [], "baseline": []}
    losses, notes = list[np.ndarray](), list[str]()
    for number in range(contest.rounds):
        with trainings(contest) as both:
            train(contest, both, characters, f"run {number + 1} of {contest.rounds}")
            for one in both:
                seconds[one.name].append(one.seconds)
                reached = olympics.quality(contest.event, one.losses)
                if not contest.event.gate.passes(reached):
                    notes.append(
                        f"Run {number + 1}: the {one.name} came to {reached:.3f}, not to {contest.event.gate}."
                    )
            losses.append(both[0].losses)
            confined = both[0].lane.confined
    worst = max(losses, key=np.mean)
    measured = {name: {"seconds": np.array(each), "losses": worst} for name, each in seconds.items()}
    result = olympics.score_entry(contest.event, measured["entry"], measured["baseline"], contest.rng)
    told = {name: medians(each) for name, each in measured.items()}
    if "processes" not in confined:
        notes.append("Seconds are those on the clock: a process's own cannot be told from outside here.")
    return Trial(contest.event.name, "open", result, told, 0.0, confined, contest.seed, contest.rounds, notes)


@contextlib.contextmanager
def trainings(contest: Contest) -> Iterator[list[Training]]:
    """The entry and the baseline, in processes of their own, about to train."""
    begin = partial(worker, contest.course, patience=BUSY * LIMIT, cpu=LIMIT + 60)
    with begin(contest.against) as theirs, refusing(), begin(contest.entry, contest.own) as ours:
        lanes = {"entry": ours, "baseline": theirs}
        yield [Training(name, lane, int(contest.rng.integers(2**31))) for name, lane in lanes.items()]


def train(contest: Contest, both: list[Training], characters: int, title: str) -> None:
    """Whoever has used less goes on, until both have got there, or given up, or used up all there is."""
    while running := [one for one in both if one.goes_on and one.seconds < LIMIT]:
        next_one = min(running, key=lambda one: one.seconds)
        with blaming(next_one.name):
            next_one.step(contest, characters)
        note = ", ".join(f"{one.name} {one.losses.mean():.3f} after {one.seconds:.0f} s" for one in both if one.begun)
        contest.tell(title, sum(not one.goes_on for one in both), 2, note)

"""Production: keeping the versions of a model, answering requests, detecting drift, and replacing the live version.

Notation: reference (m,) are values from when the model was known to be good, window (n,) the latest n of those that
came since. A level is the share of clean windows, in which nothing has changed, that may raise an alarm. Clocks and
generators are arguments: with a clock that a program moves, everything here can be repeated.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from tinytorch import serialization
from tinytorch.benchmarking import Clock

State = Mapping[str, Any]

# -- the registry ----------------------------------------------------------------------------------------------------


class RegistryError(RuntimeError):
    """Something that the registry could not do. What it has acknowledged before is still there."""


class Version(NamedTuple):
    """One model as it was registered, which never changes, and the stage that it is in now."""

    name: str
    version: int
    stage: str
    metrics: dict[str, float]
    lineage: dict[str, Any]
    fingerprint: str
    at: float


class Change(NamedTuple):
    """A line of the log: which version was moved to which stage, when, and why."""

    version: int
    stage: str
    reason: str
    at: float


def fingerprint(arrays: State) -> str:
    """The SHA-256 of named arrays: names, dtypes, shapes and bytes, in the order of the names.

    >>> fingerprint({"a": [1], "b": [2]}) == fingerprint({"b": [2], "a": [1]})
    True
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def lineage(data: State, code: str, parameters: Mapping[str, Any], parent: int | None = None) -> dict[str, Any]:
    """Where a model comes from: hashes of its training data and its training code, its parameters, its parent version.

    `code` is the text of the code. With data and code at hand, one can check whether a model was made from them.
    """
    source = hashlib.sha256(code.encode()).hexdigest()
    return {"data": fingerprint(data), "code": source, "parameters": dict(parameters), "parent": parent}


STAGES = ("candidate", "canary", "live", "retired", "refused", "rolled back")

SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (
    name TEXT NOT NULL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    metrics TEXT NOT NULL, lineage TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (name, version)
);
CREATE TABLE IF NOT EXISTS changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, version INTEGER NOT NULL,
    stage TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL,
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);
"""


class Registry:
    """Models by name and version in a folder: weights in safetensors, all that is known of them in SQLite beside it.

    Two tables, and nothing in them is ever overwritten: versions, and a log of the stages they came to. A version
    stands in the table only after its weights are on the disk, so a process that is killed at any moment leaves either
    a whole version or none. Any number of processes and threads may use one folder at once. A damaged or full disk, a
    name or version that is not there: RegistryError.

    Stages: candidate, canary, live, retired, refused, rolled back. At most one version of a name is a canary, and at
    most one is live.
    """

    def __init__(self, folder: str | os.PathLike, clock: Clock = time.time):
        self.folder, self.clock = Path(folder), clock
        try:
            self._weights.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RegistryError(f"there can be no registry in {self.folder}: {error}") from error
        for attempt in range(100):  # to change to WAL, SQLite needs the file alone, and does not wait for it
            try:
                with self._database() as database:
                    database.execute("PRAGMA journal_mode = WAL")
                    database.executescript(SCHEMA)
                return
            except RegistryError as error:
                if "locked" not in str(error) or attempt == 99:
                    raise
                time.sleep(0.02)

    @property
    def _weights(self) -> Path:
        return self.folder / "weights"

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A connection for one question. What SQLite cannot do is told as a RegistryError."""
        try:
            database = sqlite3.connect(self.folder / "registry.db", timeout=30, isolation_level=None)
            with contextlib.closing(database):
                database.execute("PRAGMA synchronous = FULL")
                database.execute("PRAGMA foreign_keys = ON")
                yield database
        except sqlite3.Error as error:
            raise RegistryError(f"the registry in {self.folder} could not do it: {error}") from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything that happens inside is kept, or nothing is. One writer at a time; others wait."""
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def register(
        self,
        name: str,
        state: State,
        metrics: Mapping[str, float] | None = None,
        lineage: Mapping[str, Any] | None = None,
    ) -> int:
        """Keep arrays as the next version of a name, as a candidate, and return its number: 1, 2, 3...

        Once it returns, the version survives whatever happens to this process. Raises RegistryError, and keeps nothing,
        if the disk is full, and for a name that is not made of letters, digits, dots, dashes and underscores.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
            raise RegistryError(f"a name is made of letters, digits, dots, dashes and underscores, got {name!r}")
        measured = json.dumps({key: float(value) for key, value in (metrics or {}).items()})
        origin = json.dumps(dict(lineage or {}))
        arrays = {key: np.asarray(value) for key, value in state.items()}
        mark = fingerprint(arrays)
        try:
            serialization.save(arrays, self._weights / f"{mark}.safetensors")
            _sync_folder(self._weights)
        except OSError as error:
            raise RegistryError(f"{name} was not registered, its weights could not be written: {error}") from error
        with self._transaction() as database:
            last = database.execute("SELECT MAX(version) FROM versions WHERE name = ?", [name]).fetchone()[0]
            number: int = (last or 0) + 1
            row = (name, number, mark, measured, origin, self.clock())
            database.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)", row)
            self._log(database, name, number, "candidate", "registered")
        return number

    def _log(self, database: sqlite3.Connection, name: str, version: int, stage: str, reason: str) -> None:
        row = (name, version, stage, reason, self.clock())
        database.execute("INSERT INTO changes (name, version, stage, reason, at) VALUES (?, ?, ?, ?, ?)", row)

    def load(self, name: str, version: int | str = "live") -> dict[str, np.ndarray]:
        """The arrays of a version, or of the one in a stage. Raises RegistryError unless they are those registered."""
        number = version if isinstance(version, int) else self.at(name, version)
        if number is None:
            raise RegistryError(f"{name} has no version in the stage {version!r}")
        mark = self.version(name, number).fingerprint
        try:
            arrays = serialization.load(self._weights / f"{mark}.safetensors")
        except (OSError, ValueError) as error:
            raise RegistryError(f"version {number} of {name} cannot be read: {error}") from error
        if fingerprint(arrays) != mark:
            raise RegistryError(f"version {number} of {name} is not what was registered: its fingerprint differs")
        return arrays

    def names(self) -> list[str]:
        """All names, in order."""
        with self._database() as database:
            return [name for (name,) in database.execute("SELECT DISTINCT name FROM versions ORDER BY name")]

    def versions(self, name: str) -> list[Version]:
        """All versions of a name, from the first on, each with its stage; [] for a name that was never registered."""
        known = "SELECT version, metrics, lineage, fingerprint, at FROM versions WHERE name = ? ORDER BY version"
        latest = "SELECT version, stage, MAX(id) FROM changes WHERE name = ? GROUP BY version"
        with self._database() as database:
            rows = database.execute(known, [name]).fetchall()
            stages = {version: stage for version, stage, _ in database.execute(latest, [name])}
        return [
            Version(name, version, stages[version], json.loads(metrics), json.loads(origin), mark, at)
            for version, metrics, origin, mark, at in rows
        ]

    def version(self, name: str, number: int) -> Version:
        """What is known of one version. Raises RegistryError if there is none of that number."""
        known = self.versions(name)
        for each in known:
            if each.version == number:
                return each
        raise RegistryError(f"{name} has no version {number}, it has {[each.version for each in known]}")

    def at(self, name: str, stage: str) -> int | None:
        """The version that came to a stage last and is still there, or None."""
        last = {change.version: (place, change.stage) for place, change in enumerate(self.history(name))}
        there = [(place, version) for version, (place, now) in last.items() if now == stage]
        return max(there)[1] if there else None

    def live(self, name: str) -> int | None:
        """The version that answers, or None."""
        return self.at(name, "live")

    def history(self, name: str) -> list[Change]:
        """The log of a name, from the first line on."""
        with self._database() as database:
            found = "SELECT version, stage, reason, at FROM changes WHERE name = ? ORDER BY id"
            return [Change(*row) for row in database.execute(found, [name])]

    def promote(self, name: str, version: int, stage: str = "live", reason: str = "") -> None:
        """Bring a version to a stage; whichever was live, or the canary, before it in that stage is retired.

        Raises RegistryError for a version that is not there and for no stage of `STAGES`.
        """
        if stage not in STAGES:
            raise RegistryError(f"a stage is one of {', '.join(STAGES)}, got {stage!r}")
        with self._transaction() as database:
            self.version(name, version)
            before = self.at(name, stage)
            if before == version:
                return
            if stage in ("live", "canary") and before is not None:
                self._log(database, name, before, "retired", f"version {version} takes its place")
            self._log(database, name, version, stage, reason)

    def rollback(self, name: str, reason: str = "") -> int:
        """Put the version that was live before the present one back in its place, and return its number.

        Again, and it is the one before that. Raises RegistryError if nothing was live before.
        """
        with self._transaction() as database:
            were_live = once_live(self.history(name))
            if len(were_live) < 2:
                raise RegistryError(f"{name} cannot be rolled back: live so far {were_live or 'was no version'}")
            bad, good = were_live[-1], were_live[-2]
            self._log(database, name, bad, "rolled back", reason)
            self._log(database, name, good, "live", f"version {bad} was rolled back")
        return good

    def sweep(self, age: float = 3600.0) -> int:
        """Delete files that no version names and that are older than `age` seconds; return how many.

        A process that is killed between weights and row leaves one. A younger one may be a version about to be.
        """
        with self._transaction() as database:
            named = {f"{mark}.safetensors" for (mark,) in database.execute("SELECT fingerprint FROM versions")}
            old = [file for file in self._weights.iterdir() if time.time() - file.stat().st_mtime >= age]
            lost = [file for file in old if file.name not in named]
            for file in lost:
                file.unlink()
        return len(lost)


def once_live(history: Sequence[Change]) -> list[int]:
    """The versions that were live, one upon the other: the last one is live, and a rollback takes it off.

    >>> lines = [(1, "live"), (1, "retired"), (2, "live"), (2, "rolled back"), (1, "live")]
    >>> once_live([Change(version, stage, "", 0.0) for version, stage in lines])
    [1]
    """
    were_live: list[int] = []
    for version, stage, _, _ in history:
        if stage == "live" and were_live[-1:] != [version]:
            were_live.append(version)
        elif stage == "rolled back" and were_live[-1:] == [version]:
            were_live.pop()
    return were_live


def _sync_folder(folder: Path) -> None:
    """Have a folder's list of names on the disk, as far as the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# -- requests in batches ---------------------------------------------------------------------------------------------


class Busy(RuntimeError):
    """The queue is full, and this request was not taken. Try again later."""


class Late(TimeoutError):
    """A request's deadline passed before its turn came: it was not computed."""


@dataclass(eq=False)
class Request:
    """Something to be computed, when it arrived, its deadline, and the Future that gets the answer."""

    item: Any
    arrived: float
    deadline: float = math.inf
    answer: Future = field(default_factory=Future)


class BatchQueue:
    """Requests that wait to be computed in a batch: a queue without a thread and a clock; the time is an argument.

    A batch is taken when `most` requests are there, or when the first of them has waited for `wait` seconds. At most
    `waiting` stand in the queue. Raises ValueError unless most >= 1, wait >= 0 and waiting >= most.

    >>> queue = BatchQueue(most=2, wait=0.5, waiting=9)
    >>> for second in (0, 1, 2):
    ...     queue.put(Request(f"asked at {second}", arrived=second))
    >>> [request.item for request in queue.take(now=2)[0]]
    ['asked at 0', 'asked at 1']
    """

    def __init__(self, most: int = 32, wait: float = 0.005, waiting: int = 256):
        if not (most >= 1 and wait >= 0 and waiting >= most):
            raise ValueError(f"needs most >= 1, wait >= 0, waiting >= most, got {most}, {wait}, {waiting}")
        self.most, self.wait, self.waiting = most, wait, waiting
        self.requests: list[Request] = []  # in the order in which they came

    def __len__(self) -> int:
        return len(self.requests)

    def put(self, request: Request) -> None:
        """Put a request at the end of the queue. Raises Busy, and takes nothing, if the queue is full."""
        if len(self.requests) >= self.waiting:
            raise Busy(f"{len(self.requests)} requests are waiting, and no more than {self.waiting} may")
        self.requests.append(request)

    def due(self) -> float:
        """The time from which on `take` has something to give: -inf if at once, inf if the queue is empty."""
        if len(self.requests) >= self.most:
            return -math.inf
        return min((min(each.arrived + self.wait, each.deadline) for each in self.requests), default=math.inf)

    def take(self, now: float) -> tuple[list[Request], list[Request]]:
        """The requests to compute together now, and those that are too late; both leave the queue.

        Too late is every request whose deadline is `now` or before; it takes no place in a batch. Of the others, the
        first `most`, or all if there are fewer, are the batch, in their order, if there are `most` of them or if the
        first has waited for `wait` seconds or longer. Otherwise the batch is empty, and they stay.
        """
        # First separate the late ones from the others. Then decide, for the others, how many of them are the batch.
        late = [request for request in self.requests if request.deadline <= now]
        others = [request for request in self.requests if not request.deadline <= now]
        full = len(others) >= self.most
        size = self.most if full or (others and others[0].arrived + self.wait <= now) else 0
        self.requests = others[size:]
        return others[:size], late


class Batcher:
    """Answers single requests by a function of many: a thread takes batches from a queue and calls it.

    function takes a list of items and returns as many answers in the same order. `submit` returns a Future at once. If
    the function raises an error for a batch, each of its requests is computed alone, so that only those get the error
    whose item causes it. `close`, or the end of a `with`, answers what still waits.

    >>> with Batcher(lambda numbers: [2 * number for number in numbers], most=8, wait=0.01) as batcher:
    ...     answers = [batcher.submit(number) for number in range(3)]
    >>> [answer.result() for answer in answers]
    [0, 2, 4]
    """

    def __init__(
        self,
        function: Callable[[list[Any]], Sequence[Any]],
        most: int = 32,
        wait: float = 0.005,
        waiting: int = 256,
        clock: Clock = time.monotonic,
    ):
        self.function, self.clock = function, clock
        self._queue, self._changed, self._closed = BatchQueue(most, wait, waiting), threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, item: Any, timeout: float = math.inf) -> Future:
        """The answer to come. It is the error Late if its turn has not come after `timeout` seconds.

        Raises Busy if the queue is full, RuntimeError if the batcher is closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed: it takes no more requests")
            now = self.clock()
            request = Request(item, now, now + timeout)
            self._queue.put(request)
            self._changed.notify()
        return request.answer

    def __len__(self) -> int:
        """How many requests stand in the queue; those that are being computed do not count."""
        return len(self._queue)

    def close(self) -> None:
        """Take no more requests, answer those that wait, and come back when that is done."""
        with self._changed:
            self._closed = True
            self._queue.wait = 0.0
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> "Batcher":
        return self

    def __exit__(self, *problem: Any) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while (taken := self._next()) is not None:
                batch, late = taken
                for request in late:
                    if request.answer.set_running_or_notify_cancel():
                        request.answer.set_exception(Late("the deadline passed before the request's turn came"))
                wanted = [request for request in batch if request.answer.set_running_or_notify_cancel()]
                if wanted:
                    self._answer(wanted)
        except BaseException as error:  # the queue itself failed: nobody may wait for ever
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        """Take no more requests; whoever waits gets the error."""
        with self._changed:
            self._closed, waiting = True, self._queue.requests
            self._queue.requests = []
        for request in waiting:
            if request.answer.set_running_or_notify_cancel():
                request.answer.set_exception(error)

    def _next(self) -> tuple[list[Request], list[Request]] | None:
        """Wait for what is due. None once the batcher is closed and the queue empty."""
        with self._changed:
            while (due := self._queue.due()) > (now := self.clock()):
                if self._closed and not self._queue:
                    return None
                self._changed.wait(None if due == math.inf else min(due - now, threading.TIMEOUT_MAX))
            return self._queue.take(now)

    def _answer(self, batch: list[Request]) -> None:
        try:
            answers = self.function([request.item for request in batch])
            if len(answers) != len(batch):
                raise ValueError(f"the function was given {len(batch)} items, and returned {len(answers)} answers")
        except BaseException as error:  # whatever it is, it belongs to those who asked
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for request in batch:
                self._answer([request])
            return
        for request, answer in zip(batch, answers):
            request.answer.set_result(answer)


# -- drift: three statistics, and what chance makes of each ----------------------------------------------------------


def as_values(values: Any) -> np.ndarray:
    """Numbers as an array of float64, (n,), a copy. Raises ValueError unless n >= 1 and all are finite.

    >>> as_values([1, 2])
    array([1., 2.])
    """
    row = np.array(values, np.float64)
    if row.ndim != 1 or not row.size:
        raise ValueError(f"needs a row of at least one number, got shape {row.shape}")
    if not np.isfinite(row).all():
        raise ValueError(f"needs finite numbers, got {row[~np.isfinite(row)][0]} among {len(row)}")
    return row


def as_level(level: float) -> float:
    """A level. Raises ValueError unless it lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    return level


def bin_edges(reference: Any, bins: int = 10) -> np.ndarray:
    """Where to cut so that as many of the reference lie in each bin: (m,) -> at most bins - 1 edges, rising.

    Equal edges, which equal values cause, are one edge. Values below the first edge, or at or above the last, have a
    bin, too.

    >>> bin_edges([1, 2, 3, 4], bins=2), bin_edges([0, 0, 0, 1], bins=4)
    (array([2.5]), array([0.  , 0.25]))
    """
    if bins < 2:
        raise ValueError(f"needs 2 bins or more, got {bins}")
    return np.unique(np.quantile(as_values(reference), np.arange(1, bins) / bins))


def histogram(values: Any, edges: np.ndarray) -> np.ndarray:
    """How many values lie in each bin: (n,), k - 1 edges -> (k,). A value on an edge lies in the bin above it.

    >>> histogram([1, 2, 3, 9], np.array([2.0, 3.0]))
    array([1, 1, 2])
    """
    return np.bincount(np.searchsorted(edges, as_values(values), side="right"), minlength=len(edges) + 1)


def psi_of_counts(expected: Any, found: Any, smoothing: float = 0.5) -> Any:
    """The sum over bins of (q - p) ln(q / p), where p and q are the bins' shares: (..., k), (..., k) -> (...).

    Of k counts, n in all, a bin's share is (count + smoothing) / (n + k smoothing): never 0, and all together 1. The
    shares are those of the last axis, the axes before it broadcast. Raises ValueError unless
    smoothing > 0. The population stability index; Jeffreys, 1946.

    >>> float(psi_of_counts([10, 10], [10, 10])), round(float(psi_of_counts([10, 10], [5, 15])), 4)
    (0.0, 0.2467)
    """
    # Each of the two has its own n: the sum along its last axis, kept as an axis of size 1. k is the size of that axis.
    if not smoothing > 0:
        raise ValueError(f"smoothing is above 0, got {smoothing}")
    shares = []
    for counts in (np.asarray(expected, np.float64), np.asarray(found, np.float64)):
        total = counts.sum(-1, keepdims=True) + smoothing * counts.shape[-1]
        shares.append((counts + smoothing) / total)
    p, q = shares
    return ((q - p) * np.log(q / p)).sum(-1)


def psi(reference: Any, window: Any, bins: int = 10, smoothing: float = 0.5) -> float:
    """The population stability index of a window, in bins that hold equal parts of the reference: (m,), (n,) -> >= 0.

    >>> psi([1, 2, 3, 4], [1, 2, 3, 4], bins=2)
    0.0
    """
    edges = bin_edges(reference, bins)
    return float(psi_of_counts(histogram(reference, edges), histogram(window, edges), smoothing))


def ks_statistic(reference: Any, window: Any) -> float:
    """The largest difference between the shares of the two that are at most x, over all x: (m,), (n,) -> 0 to 1.

    Kolmogorov, 1933; Smirnov, 1939.

    >>> ks_statistic([1, 2, 3, 4], [3, 4, 5, 6]), ks_statistic([1, 1, 2], [1, 1, 2])
    (0.5, 0.0)
    """
    # The shares change only at the values of the two samples, so these are all x to try. In a sorted row,
    # np.searchsorted(row, x, side="right") counts how many values are at most x.
    x, y = np.sort(as_values(reference)), np.sort(as_values(window))
    every = np.concatenate([x, y])
    shares = [np.searchsorted(row, every, side="right") / len(row) for row in (x, y)]
    return float(np.abs(shares[0] - shares[1]).max())


def null_threshold(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    counts: np.ndarray,
    n: int,
    level: float,
    draws: int,
    seed: int = 0,
) -> float:
    """What a statistic of counts exceeds in at most `level` of clean windows of n values, found by drawing them.

    counts (k,) are the reference's. It is a sample, too, and its true shares are not known, so each draw takes shares
    from which it may have come (from a Dirichlet distribution), and n values from these. statistic takes counts (k,)
    and (draws, k), and returns (draws,).
    """
    rng, drawn = np.random.default_rng(seed), []
    rows = max(1, 1_000_000 // len(counts))  # as many at a time as fit into some megabytes
    for start in range(0, draws, rows):
        shares = rng.dirichlet(counts + 1 / len(counts), min(rows, draws - start))
        drawn.append(statistic(counts, rng.multinomial(n, shares)))
    allowed = math.floor(as_level(level) * draws)
    found = np.sort(np.concatenate(drawn))[draws - 1 - allowed]
    return float(found * (1 + 1e-9))  # an equal value, rounded otherwise, does not exceed it


def psi_threshold(
    reference: Any, n: int, level: float = 0.01, bins: int = 10, smoothing: float = 0.5, draws: int = 160_000
) -> float:
    """What the PSI of a clean window of n values exceeds with a chance of `level`, given this reference.

    If m and n are large, PSI is 1/m + 1/n times a chi-square of bins - 1 degrees of freedom. Here clean windows are
    drawn, so that it is right for small ones, too.
    """
    counts = histogram(reference, bin_edges(reference, bins))
    statistic = lambda expected, found: psi_of_counts(expected, found, smoothing)
    return null_threshold(statistic, counts, n, level, draws)


def ks_threshold(reference: Any, n: int, level: float = 0.01, draws: int = 40_000) -> float:
    """What the KS statistic of a clean window of n values exceeds with a chance of `level`, given this reference.

    If values hardly ever repeat, the distribution is the same for all data, and has a formula: Hodges, 1957. If there
    are at most 1,000 different values, equal ones make large differences rarer, and it is drawn.
    """
    row = as_values(reference)
    values, counts = np.unique(row, return_counts=True)
    if len(values) < len(row) and len(values) <= 1000:
        distance = lambda x, y: np.abs(np.cumsum(x) / len(row) - np.cumsum(y, axis=-1) / n).max(-1)
        return null_threshold(distance, counts, n, level, draws)
    more, fewer = max(len(row), n), min(len(row), n)
    # P(D > d) = 2 exp(-2 z z - 2 c z), where z is d in units of its spread and c minds that D moves in steps.
    c = (more + 2 * fewer) / (3 * math.sqrt(more * fewer * (more + fewer)))
    z = (math.sqrt(c * c + 2 * math.log(2 / as_level(level))) - c) / 2
    return z * math.sqrt(1 / more + 1 / fewer)


def discriminant(x: np.ndarray, new: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function that scores rows, the higher the more they look new: least squares on values and their squares.

    x (m, D), new (m,) of booleans. Each kind weighs as much as the other, however many rows it has. Fisher, 1936.
    """
    mean, scale = x.mean(0), x.std(0)
    scale[scale == 0] = 1.0

    def features(rows: np.ndarray) -> np.ndarray:
        z = (rows - mean) / scale
        return np.hstack([z, z * z])

    rows, weight = features(x), np.where(new, 0.5 / new.sum(), 0.5 / (~new).sum())
    rows = rows - weight @ rows
    spread = rows.T @ (weight[:, None] * rows) + 0.3 * np.eye(rows.shape[1])  # 0.3: few rows, many columns
    direction = np.linalg.solve(spread, rows.T @ np.where(new, weight, -weight))
    return lambda rows: features(rows) @ direction


def advantage(old: Any, new: Any) -> float:
    """How often a new score is above an old one, minus how often below, over all pairs: (m,), (n,) -> -1 to 1.

    Twice the area under the ROC curve, minus one. Mann and Whitney, 1947.

    >>> advantage([1, 2], [3, 4]), advantage([1, 2], [1, 2])
    (1.0, 0.0)
    """
    x, y = np.sort(as_values(old)), as_values(new)
    below, at_most = (np.searchsorted(x, y, side=side) for side in ("left", "right"))
    return float((below + at_most - len(x)).mean() / len(x))


Train = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def flat_rows(inputs: Any) -> np.ndarray:
    """One row of float64 for each input, whatever its shape: (n, ...) -> (n, D).

    >>> flat_rows(np.zeros((3, 1, 8, 8))).shape
    (3, 64)
    """
    array = np.asarray(inputs, np.float64)
    return array.reshape(len(array), math.prod(array.shape[1:]))


def classifier_two_sample(reference: Any, window: Any, rng: np.random.Generator, train: Train = discriminant) -> float:
    """How well a classifier tells rows of the window from the reference's: (m, D), (n, D) -> -1 to 1, 0 not at all.

    One half of each, drawn by rng, trains it; on the others its `advantage` is measured. If nothing has changed, it
    guesses, however good it is. Raises ValueError for fewer than two rows and for columns that differ. Friedman, 2003;
    Lopez-Paz and Oquab, 2017.
    """
    x, y = flat_rows(reference), flat_rows(window)
    if x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"needs two rows or more of the same columns, got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("needs finite numbers")
    x, y = rng.permutation(x), rng.permutation(y)
    some, few = len(x) // 2, len(y) // 2
    score = train(np.concatenate([x[:some], y[:few]]), np.arange(some + few) >= some)
    return advantage(score(x[some:]), score(y[few:]))


def classifier_threshold(m: int, n: int, level: float = 0.01) -> float:
    """What the advantage exceeds with a chance of `level`, for m and n rows in which nothing has changed.

    The halves it is measured on are in random order if nothing has changed, whatever the classifier is. Then the
    advantage is about normal, of variance (m + n + 1) / (3 m n) for halves of m and n. Mann and Whitney, 1947.
    """
    old, new = m - m // 2, n - n // 2
    return NormalDist().inv_cdf(1 - as_level(level)) * math.sqrt((old + new + 1) / (3 * old * new))


# -- rolling statistics, alarms, and a detector that needs no window -------------------------------------------------


class RollingStatistics:
    """The last `size` of the numbers that were added, and their statistics; NaN before there is one.

    >>> rolling = RollingStatistics(size=3)
    >>> rolling.add([10, 1, 2, 3])
    >>> rolling.mean, rolling.quantile(0.5), rolling.seen
    (2.0, 2.0, 4)
    """

    def __init__(self, size: int):
        if size < 1:
            raise ValueError(f"a window holds 1 or more, got {size}")
        self.size, self.seen = size, 0
        self._values = np.empty(0)

    def add(self, values: Any) -> None:
        """Add numbers in their order; of more than `size` the oldest go."""
        row = np.asarray(values, np.float64).reshape(-1)
        self.seen += len(row)
        self._values = np.concatenate([self._values, row])[-self.size :]

    @property
    def values(self) -> np.ndarray:
        """The numbers, from the oldest on: (at most size,). A copy."""
        return self._values.copy()

    @property
    def mean(self) -> float:
        return float(self._values.mean()) if len(self._values) else math.nan

    @property
    def std(self) -> float:
        """The standard deviation, dividing by how many there are."""
        return float(self._values.std()) if len(self._values) else math.nan

    def quantile(self, q: float) -> float:
        """What a share q of the numbers do not exceed, between two of them if it falls there."""
        return float(np.quantile(self._values, q)) if len(self._values) else math.nan


class Hysteresis:
    """An alarm with two limits: it goes on above `on` and off below `off`, each only after several values in a row.

    Between the two it stays as it is. Raises ValueError unless off <= on and after >= 1.

    >>> alarm = Hysteresis(on=1.0, off=0.5, after=2)
    >>> [alarm.update(value) for value in (2, 0, 2, 2, 0.8, 0.8, 0, 0)]
    [False, False, False, True, True, True, True, False]
    """

    def __init__(self, on: float, off: float, after: int = 1):
        if not (off <= on and after >= 1):
            raise ValueError(f"needs off <= on and after >= 1, got on {on}, off {off}, after {after}")
        self.on, self.off, self.after = on, off, after
        self.raised, self.against = False, 0

    def update(self, value: float) -> bool:
        """Take the next value; return whether the alarm is on.

        It is on from the `after`-th value in a row above `on`, and off from the `after`-th in a row below `off`. A
        value that is equal to a limit, or NaN, is neither above nor below it, and the count begins anew.
        """
        # Only one of the two comparisons matters, by whether the alarm is on (self.raised). self.against counts how
        # many values in a row were beyond the limit that would change that.
        speaks = value < self.off if self.raised else value > self.on
        self.against = self.against + 1 if speaks else 0
        if self.against == self.after:
            self.raised, self.against = not self.raised, 0
        return self.raised


def expected_run_length(steps: Any, chances: Any, limit: int) -> float:
    """How many values a walk takes on average until it alarms: it starts at 0 and never goes below.

    Each value moves the walk by one of the whole numbers `steps` (k,), independently, with `chances` (k,); a place
    below 0 becomes 0. It alarms at the first place that is `limit` or more; the value that brings it there counts. inf
    if it never does. Raises ValueError for chances that are negative or do not sum to 1, and for a limit below 1. Page,
    1954; Brook and Evans, 1972.

    >>> round(expected_run_length([1, -1], [0.5, 0.5], limit=2), 6)
    6.0
    """
    # Let a[s] be how many more values the walk takes on average from place s, for s = 0..limit-1. Where is it after one
    # value? Write a[s] in terms of a at the places it may come to: that is one equation for each s, and np.linalg.solve
    # solves them all. If no step that has a chance goes up, they have no solution.
    moves, weights = np.asarray(steps, np.int64), np.asarray(chances, np.float64)
    if limit < 1 or (weights < 0).any() or not abs(weights.sum() - 1) <= 1e-9:
        raise ValueError(f"needs a limit >= 1 and chances that are 1 together, got {limit} and {weights.sum():g}")
    if not (moves[weights > 0] > 0).any():
        return math.inf
    stays = np.zeros((limit, limit))
    for place in range(limit):
        for move, weight in zip(moves, weights):
            target = max(0, place + int(move))
            if target < limit:
                stays[place, target] += weight
    lengths = np.linalg.solve(np.eye(limit) - stays, np.ones(limit))
    return float(lengths[0])


class OnlineDetector:
    """A CUSUM of every value as it comes: two walks, one for each direction of a shift.

    A value's rank in the reference is turned into a normal score z; one walk moves by z - shift / 2, the other by
    -z - shift / 2, in eighths. The limits are the smallest with which clean values take `run_length` values or more on
    average until a false alarm, by `expected_run_length`. shift, in standard deviations, is the one that is detected
    soonest. After an alarm both walks start anew. Page, 1954.
    """

    def __init__(self, reference: Any, run_length: float = 10_000, shift: float = 1.0):
        if not (run_length > 1 and shift > 0):
            raise ValueError(f"needs run_length > 1 and shift > 0, got {run_length} and {shift}")
        self.reference, self.shift, self.seen = np.sort(as_values(reference)), shift, 0
        clean = self.steps(reference)
        self.limits = [self._limit(moves, 2 * run_length) for moves in clean]  # either may alarm: twice as rarely
        self.places = [0, 0]

    def steps(self, values: Any) -> np.ndarray:
        """How values move the two walks: (n,) -> (2, n) whole numbers."""
        m, row = len(self.reference), as_values(values)
        below, at_most = (np.searchsorted(self.reference, row, side=side) for side in ("left", "right"))
        shares = np.clip((below + at_most) / (2 * m), 1 / (2 * m), 1 - 1 / (2 * m))
        score = np.array([NormalDist().inv_cdf(share) for share in shares])
        return np.rint(8 * (np.array([score, -score]) - self.shift / 2)).astype(np.int64)

    def _limit(self, moves: np.ndarray, run_length: float) -> int:
        """The smallest limit with a run length that is long enough."""
        steps, counts = np.unique(moves, return_counts=True)
        if steps[-1] <= 0:
            raise ValueError("no value of the reference moves the walk up: choose a smaller shift")
        enough = lambda limit: expected_run_length(steps, counts / len(moves), limit) >= run_length
        high = 8
        while not enough(high):
            high *= 2
        low = high // 2 if high > 8 else 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    def update(self, value: float) -> bool:
        """Take the next value; return whether it raises an alarm."""
        self.seen += 1
        up, down = self.steps([value])[:, 0]
        self.places = [max(0, place + int(step)) for place, step in zip(self.places, (up, down))]
        alarm = any(place >= limit for place, limit in zip(self.places, self.limits))
        if alarm:
            self.places = [0, 0]
        return alarm


class Finding(NamedTuple):
    """The result of one test of one window."""

    name: str
    statistic: float
    threshold: float

    @property
    def severity(self) -> float:
        """The statistic in units of its threshold: above 1 it is exceeded."""
        return self.statistic / self.threshold


class Monitor:
    """Watches a classifier from outside: what comes in, what it answers, how long it takes. It needs no labels.

    inputs (m, D) and probabilities (m, K) are the reference. Each time `size` more rows have been seen, three
    tests compare them with the reference: inputs by a classifier, the largest probability by KS, the class by PSI. Each
    has a third of the level, so that a clean window exceeds any threshold with a chance of at most `level`. The alarm
    goes on after `after` such windows in a row, and off after as many with all statistics below 0.8 of their threshold.
    Rows with NaN or infinity are in `broken`, and in no window. One thread may observe; others may read.
    """

    def __init__(self, inputs: Any, probabilities: Any, size: int = 200, level: float = 0.01, after: int = 2, seed=0):
        self._inputs, self._answers = flat_rows(inputs), flat_rows(probabilities)
        self.size, self._rng, each = size, np.random.default_rng(seed), as_level(level) / 3
        self.thresholds = {
            "inputs": classifier_threshold(len(self._inputs), size, each),
            "confidence": ks_threshold(self._answers.max(1), size, each),
            "classes": psi_threshold(self._answers.argmax(1), size, each),
        }
        self.confidence, self.latency = RollingStatistics(size), RollingStatistics(size)
        self.brightness = RollingStatistics(size)  # the mean of a row of inputs
        self.alarm, self.broken, self.findings = Hysteresis(1.0, 0.8, after), 0, list[Finding]()
        self._rows: list[tuple[np.ndarray, np.ndarray]] = []

    def observe(self, inputs: Any, probabilities: Any, seconds: float) -> bool:
        """Take what came in, (B, D), what was answered, (B, K), in so many seconds; return whether the alarm is on.

        `findings` are those of the last full window.
        """
        x, p = flat_rows(inputs), flat_rows(probabilities)
        good = np.isfinite(x).all(1) & np.isfinite(p).all(1)
        self.broken += int((~good).sum())
        self.latency.add(seconds)
        self.brightness.add(x[good].mean(1))
        self.confidence.add(p[good].max(1))
        self._rows += zip(x[good], p[good])
        while len(self._rows) >= self.size:
            window, self._rows = self._rows[: self.size], self._rows[self.size :]
            self.findings = self._test(*(np.array(part) for part in zip(*window)))
            self.alarm.update(max(finding.severity for finding in self.findings))
        return self.alarm.raised

    def _test(self, x: np.ndarray, p: np.ndarray) -> list[Finding]:
        statistics = {
            "inputs": classifier_two_sample(self._inputs, x, self._rng),
            "confidence": ks_statistic(self._answers.max(1), p.max(1)),
            "classes": psi(self._answers.argmax(1), p.argmax(1)),
        }
        return [Finding(name, value, self.thresholds[name]) for name, value in statistics.items()]


# -- from a candidate to the live model ------------------------------------------------------------------------------


class Decision(NamedTuple):
    """Whether to promote, and why: on how many examples only the candidate was right, on how many only the live model.

    chance is how often as many or more would be for the candidate if the two were equally good.
    """

    promote: bool
    better: int
    worse: int
    chance: float

    def __str__(self) -> str:
        """
        >>> print(Decision(True, 9, 1, 0.0107))
        right where the other was wrong: 9 against 1, by chance 0.0107
        """
        return f"right where the other was wrong: {self.better} against {self.worse}, by chance {self.chance:.3g}"


def promotion_gate(candidate: Any, live: Any, level: float = 0.05) -> Decision:
    """Whether the candidate is better, from (n,) and (n,): whether each of the two was right on the same examples.

    Examples on which both were right, or both wrong, say nothing. Of the others, `better` + `worse`, each would be for
    the candidate with a chance of 1/2 if the two were equally good; chance is that of `better` or more. The candidate
    is promoted if that is at most `level`. Raises ValueError for shapes that differ. McNemar, 1947.

    >>> promotion_gate([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0])
    Decision(promote=True, better=5, worse=0, chance=0.03125)
    """
    # Of the 2 ** d ways in which d coins can fall, math.comb(d, k) show k heads. Add up whole numbers, and divide last.
    ours, theirs = np.asarray(candidate, bool), np.asarray(live, bool)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError(f"needs an answer of each for every example, got shapes {ours.shape} and {theirs.shape}")
    better, worse = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    differ = better + worse
    chance = sum(math.comb(differ, k) for k in range(better, differ + 1)) / 2**differ
    return Decision(chance <= as_level(level), better, worse, chance)


class Canary:
    """A share of the traffic for a candidate, until `enough` of its answers are known to be good or bad.

    The same key always gets the same model. At the end the candidate is refused if its share of good answers is lower
    than the live model's by more than chance explains at this level: Fisher's exact test, 1935.
    """

    def __init__(self, share: float = 0.1, enough: int = 200, level: float = 0.05):
        if not (0 < share < 1 and enough >= 1):
            raise ValueError(f"needs a share between 0 and 1 and enough >= 1, got {share} and {enough}")
        self.share, self.enough, self.level = share, enough, as_level(level)
        self.good, self.bad = {"canary": 0, "live": 0}, {"canary": 0, "live": 0}

    def route(self, key: str) -> str:
        """Who answers: "canary" or "live"."""
        place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
        return "canary" if place < self.share else "live"

    def record(self, who: str, good: bool) -> None:
        """Count an answer as good, or as bad."""
        (self.good if good else self.bad)[who] += 1

    @property
    def done(self) -> bool:
        return self.good["canary"] + self.bad["canary"] >= self.enough

    def chance(self) -> float:
        """How often the canary would have so many bad answers, or more, if the bad ones fell on both by chance."""
        ours, bad = self.good["canary"] + self.bad["canary"], sum(self.bad.values())
        total = ours + self.good["live"] + self.bad["live"]
        ways = [math.comb(bad, k) * math.comb(total - bad, ours - k) for k in range(min(bad, ours) + 1)]
        return sum(ways[self.bad["canary"] :]) / math.comb(total, ours)

    def passed(self) -> bool:
        return self.chance() > self.level


class Retraining:
    """From drift to a new live model, or back to the old one; each step is a line in the registry.

    train(state, x, y) returns a new state from the live one; right(state, x, y) says for each example whether a state
    answers it correctly, (n,). `code` is the text of the training code. There is at most one canary at a time.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        train: Callable[[State, np.ndarray, np.ndarray], State],
        right: Callable[[State, np.ndarray, np.ndarray], np.ndarray],
        code: str,
        level: float = 0.05,
        canary: Callable[[], Canary] = Canary,
    ):
        self.registry, self.name, self.train, self.right = registry, name, train, right
        self.code, self.level, self._new_canary = code, level, canary
        self.canary: Canary | None = None

    def drifted(
        self, x: np.ndarray, y: np.ndarray, reason: str, parameters: Mapping[str, Any] | None = None
    ) -> Decision:
        """Train a candidate on every other one of the fresh labelled examples, and test it on the rest.

        It becomes the canary, or is refused. Raises RuntimeError while a canary is running.
        """
        if self.canary is not None:
            raise RuntimeError(f"version {self.registry.at(self.name, 'canary')} of {self.name} is the canary still")
        parent, live = self.registry.live(self.name), self.registry.load(self.name)
        state = self.train(live, x[::2], y[::2])
        ours, theirs = self.right(state, x[1::2], y[1::2]), self.right(live, x[1::2], y[1::2])
        decision = promotion_gate(ours, theirs, self.level)
        metrics = {"accuracy": np.mean(ours), "accuracy of the live one": np.mean(theirs), "chance": decision.chance}
        origin = lineage({"x": x[::2], "y": y[::2]}, self.code, parameters or {}, parent)
        version = self.registry.register(self.name, state, metrics, origin)
        stage = "canary" if decision.promote else "refused"
        self.registry.promote(self.name, version, stage, f"{reason}; {decision}")
        self.canary = self._new_canary() if decision.promote else None
        return decision

    def record(self, who: str, good: bool) -> str:
        """Count an answer; return "waiting", or, once enough are known, "promoted" or "rolled back".

        Raises RuntimeError if there is no canary.
        """
        version = self.registry.at(self.name, "canary") if self.canary else None
        if self.canary is None or version is None:
            raise RuntimeError(f"{self.name} has no canary")
        self.canary.record(who, good)
        if not self.canary.done:
            return "waiting"
        passed, reason = self.canary.passed(), f"as canary: by chance {self.canary.chance():.3g}"
        self.registry.promote(self.name, version, "live" if passed else "rolled back", reason)
        self.canary = None
        return "promoted" if passed else "rolled back"

    def review(self, x: np.ndarray, y: np.ndarray) -> Decision | None:
        """Put the former live model back if it is better on later examples; None if there is none."""
        were_live = once_live(self.registry.history(self.name))
        if len(were_live) < 2:
            return None
        former, present = (self.registry.load(self.name, version) for version in were_live[-2:])
        decision = promotion_gate(self.right(former, x, y), self.right(present, x, y), self.level)
        if decision.promote:
            self.registry.rollback(self.name, f"the one before: {decision}")
        return decision

"""Production: a model that others depend on, what is known of it, what watches it, and what replaces it.

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
from typing import Any, NamedTuple

import numpy as np

from tinytorch import serialization

Clock = Callable[[], float]
State = Mapping[str, Any]

# -- the registry ----------------------------------------------------------------------------------------------------


class RegistryError(RuntimeError):
    """What the registry was asked for and could not do. What it has acknowledged before is still there."""


class Version(NamedTuple):
    """One model as it was registered: it never changes. `stage` is where it is now."""

    name: str
    version: int
    stage: str
    metrics: dict[str, float]
    lineage: dict[str, Any]
    fingerprint: str
    at: float


class Change(NamedTuple):
    """A line of the log: which version came to which stage, when, and why."""

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

    The code is its text. Whoever holds data and code can tell whether a model was made from them.
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
    """As many requests stand in the queue as may: this one was not taken. Come back later."""


class Late(TimeoutError):
    """A request's deadline passed before its turn came: it was not computed."""


@dataclass(eq=False)
class Request:
    """Something to be computed; when it arrived, when its answer is of no use any more, and where the answer goes."""

    item: Any
    arrived: float
    deadline: float = math.inf
    answer: Future = field(default_factory=Future)


class BatchQueue:
    """What is computed together, and when: a queue without a thread and without a clock, which is told the time.

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
        """Let a request stand at the end of the queue. Raises Busy, and takes nothing, if the queue is full."""
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

        Too late is every request whose deadline is now or before; it takes no place in a batch. Of the others the first
        `most` are the batch, in their order, if there are so many or if the first has waited for `wait` seconds. Else
        the batch is empty, and they stay.
        """
        # Part the late from the others first. Then ask the two questions of the others, and cut.
        late = [request for request in self.requests if request.deadline <= now]
        others = [request for request in self.requests if not request.deadline <= now]
        full = len(others) >= self.most
        size = self.most if full or (others and others[0].arrived + self.wait <= now) else 0
        self.requests = others[size:]
        return others[:size], late


class Batcher:
    """Answers single requests by a function of many: a thread takes batches from a queue and calls it.

    function takes a list of items and returns as many answers in the same order. `submit` returns a Future at once. An
    error of the function goes to those who asked; if they were several, each is computed alone first, so that only
    those get it whose item causes it. `close`, or the end of a `with`, answers what still waits.

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
        while (taken := self._next()) is not None:
            batch, late = taken
            for request in late:
                if request.answer.set_running_or_notify_cancel():
                    request.answer.set_exception(Late("the deadline passed before the request's turn came"))
            wanted = [request for request in batch if request.answer.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)

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

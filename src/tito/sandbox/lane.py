"""A lane: a worker that is asked one thing after the other and timed, with as little as possible in between.

A connection has threads on both sides of its pipes and packs every value; that takes several times as long as a small
network. Here the judge itself writes and reads, and questions and answers are plain rows of numbers:

    question = length (4 bytes) + the rows' bytes
    answer   = kind, dtype, columns, length (1 + 1 + 4 + 4 bytes) + the rows' bytes; or an error's JSON

Between two questions the worker stands still (SIGSTOP), so that it takes nothing from whoever is asked next. A
watchdog ends one that does not answer: whoever waits for it is told at once.
"""

import contextlib
import json
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tito.outcomes import Infrastructure, Outcome, Protocol, StudentError, TimedOut
from tito.sandbox import wire
from tito.sandbox.isolation import Isolation

HEAD = struct.Struct(">cBII")
PRINT_CAP = 4000
START = 60.0  # seconds until a worker reports
Explain = Callable[[Any], Outcome]


class Lane:
    """A started worker, confined to itself. Use as a context manager: leaving it ends the worker and all it started.

    `patience`: the seconds that one answer may take. `confined`: what the system could do, "files" and "processes".
    """

    def __init__(self, isolation: Isolation, job: Path, patience: float, explain: Explain):
        self.isolation, self.job, self.patience, self.explain = isolation, job, patience, explain
        self.printed, self.since, self.late = bytearray(), 0.0, False
        self.pid, self.confined, self.row = 0, list[str](), np.dtype(np.float32)
        self.closed = threading.Event()

    def __enter__(self) -> "Lane":
        try:
            self.process = self.isolation.start(self.job)
        except OSError as error:
            raise Infrastructure(f"the worker could not be started: {error}") from error
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.out: BinaryIO = self.process.stdin  # type: ignore[assignment]
        self.into: BinaryIO = self.process.stdout  # type: ignore[assignment]
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._watch, self._drain)]
        for thread in self.threads:
            thread.start()
        try:
            with self.limited(START):
                ready = wire.read(self.into)
            if ready is None or "ready" not in wire.unpack(*ready):
                raise Infrastructure(f"the worker never reported: {self.said.strip() or 'it ended without a word'}")
            told = self.ask({"do": "alone"})  # nobody else's code has run so far: this is the course's own answer
            self.pid, self.confined = told["pid"], told["confined"]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed.set()
        self.isolation.end(self.process, self.job)
        for thread in self.threads:
            thread.join(timeout=1)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError, AttributeError):
                pipe.close()  # type: ignore[union-attr]

    @property
    def said(self) -> str:
        """What the worker printed, up to a cap."""
        return self.printed.decode("utf-8", "replace")

    # -- asking -------------------------------------------------------------------------------------------------------

    def ask(self, request: dict[str, Any], patience: float | None = None) -> Any:
        """The value of one request of any kind. Raises an Outcome."""
        with self.limited(patience or self.patience):
            self._send(wire.pack({"id": "", **request}))
            try:
                frame = wire.read(self.into)
                reply = None if frame is None else wire.unpack(*frame)
            except wire.Malformed as error:
                raise Protocol(f"the program sent something that is no answer: {error}") from None
        if reply is None:
            raise self._ended()
        if not isinstance(reply, dict) or not ("value" in reply or "error" in reply):
            raise Protocol("the program sent an answer nobody asked for")
        if "error" in reply:
            raise self.explain(reply["error"])
        return reply["value"]

    def open(self, name: str, like: np.ndarray) -> None:
        """From now on rows such as those of `like` are answered by the function of this name."""
        self.ask({"do": "lane", "name": name, "dtype": like.dtype.name, "shape": list(like.shape[1:])})

    def answer(self, x: np.ndarray) -> np.ndarray:
        """What the function says of rows x: (n, ...) -> (n, columns). Raises an Outcome."""
        with self.limited(self.patience):
            self._send(struct.pack(">I", x.nbytes) + x.tobytes())
            head = self._read(HEAD.size)
            kind, code, columns, length = HEAD.unpack(head)
            if kind == b"E" and length <= wire.HEADER_CAP:
                raise self.explain(_json(self._read(length)))
            dtype = np.dtype(wire.DTYPES[code]) if code < len(wire.DTYPES) else np.dtype(bool)
            if kind != b"A" or length > wire.BODY_CAP or length != len(x) * columns * dtype.itemsize:
                raise Protocol(f"{len(x)} rows of answers are needed, got {columns} columns in {length} bytes")
            return np.frombuffer(self._read(length), dtype.newbyteorder("<")).astype(dtype).reshape(len(x), columns)

    def _send(self, data: bytes) -> None:
        try:
            while data:
                data = data[self.out.write(data) :]
        except OSError:
            raise self._ended() from None

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self.into.read(length - len(data))
            if not piece:
                raise self._ended()
            data += piece
        return data

    def _ended(self) -> Outcome:
        if self.late:
            return TimedOut(f"no answer within {self.patience:g} s: is there a loop that never ends?")
        return StudentError("the program ended before it answered: something called exit, or it crashed")

    # -- time ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def limited(self, patience: float) -> Iterator[None]:
        """The worker runs during this block, and is ended if it takes too long; afterwards it stands still."""
        if self.pid:
            self._signal("SIGCONT")
        self.since = time.monotonic() + patience
        try:
            yield
        finally:
            self.since = 0.0
            if self.pid:
                self._signal("SIGSTOP")

    def _signal(self, name: str) -> None:
        """Send the worker a signal, where there is such. Its number stays its own as long as its warden runs."""
        if hasattr(signal, name) and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, getattr(signal, name))

    def _watch(self) -> None:
        while not self.closed.wait(0.2):
            if self.since and time.monotonic() > self.since:
                self.late = True
                self.isolation.end(self.process, self.job)
                return

    def _drain(self) -> None:
        assert self.process.stderr
        with contextlib.suppress(OSError, ValueError):
            while piece := self.process.stderr.read(4096):
                self.printed += piece[: max(0, PRINT_CAP - len(self.printed))]

    # -- what the system tells of the worker ---------------------------------------------------------------------------

    def cpu(self) -> float | None:
        """The CPU seconds of the worker, all its threads, so far; None where that cannot be told from outside.

        Only of one that can start no other process: what others do for it would not count.
        """
        stat = Path(f"/proc/{self.pid}/stat")
        if "processes" not in self.confined or not stat.exists():
            return None
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> int | None:
        """The most bytes of memory that the worker ever had; None where that cannot be told from outside."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            return None
        line = next((line for line in status.read_text().split("\n") if line.startswith("VmHWM")), "")
        return int(line.split()[1]) * 1024 if line else None


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None

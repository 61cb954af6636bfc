"""The judge's end of the wire: one request at a time, every wait with a deadline, every answer capped.

Three threads keep the pipes moving, so that nothing a worker does (or refuses to do) can block the judge: one writes,
one reads frames, one drains what the student prints. Threads rather than selectors: those do not know pipes on Windows.
"""

import contextlib
import os
import queue
import secrets
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

from tito.outcomes import Infrastructure, Outcome, Protocol, StudentError, TimedOut
from tito.sandbox import wire
from tito.sandbox.isolation import Isolation

PRINT_CAP = 4000
START_DEADLINE = 60.0


class Connection:
    """A started worker. Use as a context manager: leaving it kills the worker and all in its group."""

    def __init__(self, isolation: Isolation, job: Path, deadline: float):
        self.isolation, self.job, self.deadline = isolation, job, deadline
        self.budget = deadline
        self._tree = str(job / "tree") + os.sep
        self.over: Outcome | None = None
        self._printed, self._dropped = bytearray(), 0
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._replies: queue.Queue[Any] = queue.Queue(maxsize=8)
        try:
            self.process = isolation.start(job)
        except OSError as error:
            raise Infrastructure(f"the worker could not be started: {error}") from error
        assert self.process.stdin and self.process.stdout and self.process.stderr
        pipes: list[BinaryIO] = [self.process.stdin, self.process.stdout, self.process.stderr]  # type: ignore[list-item]
        self._threads = [
            threading.Thread(target=work, args=(pipe,), daemon=True)
            for work, pipe in zip((self._write, self._read, self._drain), pipes)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "Connection":
        try:
            ready = self._replies.get(timeout=START_DEADLINE)
        except queue.Empty:
            ready = None
        if not (isinstance(ready, dict) and "ready" in ready):
            self.close()
            raise Infrastructure(f"the worker never reported: {self.printed.strip() or 'it ended without a word'}")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def end(self) -> None:
        """End the worker and all it started: what waits for it has an answer at once."""
        self.isolation.end(self.process, self.job)

    def close(self) -> None:
        self.end()
        self._requests.put(None)
        with contextlib.suppress(queue.Empty):
            while True:
                self._replies.get_nowait()
        for thread in self._threads:
            thread.join(timeout=1)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError, AttributeError):
                pipe.close()  # type: ignore[union-attr]

    @property
    def printed(self) -> str:
        """What the student's code printed, up to a cap; its files by their place in the tree."""
        text = self._printed.decode("utf-8", "replace").replace(self._tree, "")
        return f"{text}\n[{self._dropped} more bytes]" if self._dropped else text

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request. Once a worker has failed, every later request fails the same way at once."""
        if self.over:
            raise type(self.over)(self.over.message, **self.over.details)
        try:
            return self._ask(request)
        except Outcome as outcome:
            self.over = outcome
            raise

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        token, began = secrets.token_hex(8), time.monotonic()
        try:
            frame = wire.pack({"id": token, **request})
        except wire.Malformed as error:
            raise ValueError(f"this cannot be handed to the program: {error}") from None
        self._requests.put(frame)
        try:
            reply = self._replies.get(timeout=max(self.budget, 0.01))
        except queue.Empty:
            raise TimedOut(f"no answer within {self.deadline:g} s: is there a loop that never ends?") from None
        self.budget -= time.monotonic() - began
        if reply is None:
            raise StudentError("the program ended before it answered: something called exit, or it crashed")
        if isinstance(reply, wire.Malformed):
            raise Protocol(f"the program sent something that is no answer: {reply}")
        if not isinstance(reply, dict) or reply.get("id") != token or not ("value" in reply or "error" in reply):
            raise Protocol("the program sent an answer nobody asked for")
        return reply

    # -- the three threads --------------------------------------------------------------------------------------------

    def _write(self, pipe: BinaryIO) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (frame := self._requests.get()) is not None:
                while frame:
                    frame = frame[pipe.write(frame) :]

    def _read(self, pipe: BinaryIO) -> None:
        try:
            while frame := wire.read(pipe):
                self._replies.put(wire.unpack(*frame))
            self._replies.put(None)
        except wire.Malformed as error:
            self._replies.put(error)
        except (OSError, ValueError):
            self._replies.put(None)

    def _drain(self, pipe: BinaryIO) -> None:
        with contextlib.suppress(OSError, ValueError):
            while piece := pipe.read(4096):
                room = PRINT_CAP - len(self._printed)
                self._printed += piece[:room]
                self._dropped += max(0, len(piece) - max(room, 0))

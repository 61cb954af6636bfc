"""Clients by the hundred: a load generator on asyncio and plain sockets.

Requests come by a Poisson process, whether or not earlier ones are answered yet: MLPerf's server scenario (Reddi et
al., 2020). A generator that waits for answers sends less to a slow service, and so hides that it is slow; here a
latency counts from when the request was due. An answer is whole, refused (nothing of it came), or broken (a part did).
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tito import launch
from tito.serving.limits import raise_open_files
from tito.serving.server import Plan

# -- a service --------------------------------------------------------------------------------------------------------


class Running:
    """A service in a process of its own: the process, its port, and the lines that it says."""

    def __init__(self, plan: Plan):
        command = [sys.executable, "-m", "tito.serving.server", replace(plan, parent=os.getpid()).text()]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=launch.environment(), **pipes)  # type: ignore[call-overload]
        self.said: list[str] = []
        while not self.said or not self.said[-1].startswith("Ready:"):
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"the service ended, with {self.process.wait()}: {self.process.stderr.read()}")
            self.said.append(line.rstrip())
        self.port = int(self.said[-1].split("/")[2].rpartition(":")[2])

    def end(self) -> int:
        """Ask it to end, which may be asked twice; its exit code."""
        self.process.terminate()
        rest, self.complaints = self.process.communicate(timeout=60)
        self.said += rest.splitlines()
        return self.process.returncode

    def resident(self) -> int:
        """The bytes of memory that it has now. Linux alone knows this file."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096


@contextmanager
def running(plan: Plan) -> Iterator[Running]:
    """A service, ready, that ends with the block. Raises RuntimeError, with what it said, if it cannot be."""
    service = Running(plan)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.communicate()


# -- clients ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What came of one request: seconds from when it was due to the first byte of the body, and to the last."""

    status: int  # 0 if it was not answered
    first: float = float("nan")
    seconds: float = float("nan")
    head: str = field(default="", repr=False)
    body: bytes = field(default=b"", repr=False)
    error: str = ""  # "refused", "broken", or nothing

    def json(self) -> Any:
        return json.loads(self.body)


def told(answers: Iterable[Answer]) -> dict[Any, int]:
    """How often each status, or error, came.

    >>> told([Answer(200), Answer(200), Answer(0, error="refused")])
    {200: 2, 'refused': 1}
    """
    return dict(Counter(answer.error or answer.status for answer in answers))


def request(path: str, content: Any = None, method: str = "") -> bytes:
    """The bytes of a request; with content, a POST of JSON.

    >>> request("/ready")
    b'GET /ready HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n'
    """
    head = [f"{method or ('GET' if content is None else 'POST')} {path} HTTP/1.1", "host: localhost"]
    body = b"" if content is None else json.dumps(content).encode()
    if content is not None:
        head += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


STALE = 2.0  # seconds for which an idle connection is kept: a service closes it after some more


class Clients:
    """Connections to one service, kept and used again by whoever comes next."""

    def __init__(self, port: int, host: str = "127.0.0.1", patience: float = 30.0):
        raise_open_files()
        self.port, self.host, self.patience = port, host, patience
        self.idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []  # since when

    async def ask(self, what: bytes, due: float | None = None) -> Answer:
        """Send a request, and wait for its answer, `patience` seconds at most."""
        due = time.perf_counter() if due is None else due
        heard: list[bytes] = []
        try:
            async with asyncio.timeout(self.patience):
                connection = self.spare() or await asyncio.open_connection(self.host, self.port)
                try:
                    status, first, keep = await exchange(*connection, what, heard)
                except BaseException:
                    connection[1].close()
                    raise
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as problem:
            begun = bool(heard) or bool(getattr(problem, "partial", b""))
            return Answer(0, error="broken" if begun or isinstance(problem, TimeoutError) else "refused")
        if keep:
            self.idle.append((time.perf_counter(), *connection))
        else:
            connection[1].close()
        return Answer(status, first - due, time.perf_counter() - due, heard[0].decode(), b"".join(heard[1:]))

    def spare(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection that was used a moment ago, and that the service has not closed."""
        while self.idle:
            since, reader, writer = self.idle.pop()
            if not reader.at_eof() and time.perf_counter() - since < STALE:
                return reader, writer
            writer.close()
        return None

    def close(self) -> None:
        for _, _, writer in self.idle:
            writer.close()
        self.idle.clear()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: bytes, heard: list[bytes]
) -> tuple[int, float, bool]:
    """Send a request on a connection; the status, when the body began, and whether the connection stays.

    The head and each part of the body are appended to `heard` as they come.
    """
    writer.write(what)
    heard.append(await reader.readuntil(b"\r\n\r\n"))
    head = heard[0].lower()
    status, length = int(head.split(b" ", 2)[1]), re.search(rb"\r\ncontent-length: (\d+)", head)
    if length:
        heard.append(await reader.readexactly(int(length[1])))
        first = time.perf_counter()
    else:
        first = 0.0
        while size := int(await reader.readuntil(b"\r\n"), 16):
            heard.append((await reader.readexactly(size + 2))[:-2])
            first = first or time.perf_counter()
        await reader.readexactly(2)
    return status, first, b"\r\nconnection: close" not in head


async def poisson(
    clients: Clients, make: Callable[[int], bytes], rate: float, seconds: float, rng: np.random.Generator
) -> list[Answer]:
    """Answers to requests make(0), make(1), ... that come with this rate, in requests a second, for so many seconds.

    They are in the order in which they came.
    """
    answers: list[Answer] = []

    async def one(i: int, due: float) -> None:
        answers.append(await clients.ask(make(i), due))

    gaps = rng.exponential(1 / rate, max(1, round(rate * seconds)))
    tasks: set[asyncio.Task] = set()
    for i, due in enumerate(time.perf_counter() + np.cumsum(gaps)):
        if (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        tasks.add(asyncio.create_task(one(i, float(due))))
        tasks = {task for task in tasks if not task.done()} if i % 100 == 0 else tasks
    await asyncio.gather(*tasks)
    return answers


async def crowd(clients: Clients, make: Callable[[int], bytes], count: int, each: int = 1) -> list[Answer]:
    """Answers to `count` clients at once, each of which sends `each` requests, one when the one before is answered."""

    async def one(client: int) -> list[Answer]:
        return [await clients.ask(make(client * each + i)) for i in range(each)]

    return [answer for answers in await asyncio.gather(*map(one, range(count))) for answer in answers]


def p99_interval(seconds: np.ndarray, level: float = 0.99, sureness: float = 1.96) -> tuple[float, float, float]:
    """A quantile of latencies, with the interval in which that of all requests lies, at 95 %, by ranks: low, it, high.

    Of n numbers below which a share p is expected, n p +- 1.96 sqrt(n p (1 - p)) are. A rank beyond the last is
    infinite: so few requests say nothing of their 99th percentile.

    >>> p99_interval(np.arange(10_000.0))
    (9880.0, 9899.0, 9919.0)
    """
    n, ordered = len(seconds), np.append(np.sort(seconds), np.inf)
    spread = sureness * np.sqrt(n * level * (1 - level))
    low, middle, high = (int(np.ceil(n * level + side)) for side in (-spread, 0, spread))
    return tuple(float(ordered[np.clip(rank - 1, 0, n)]) for rank in (low, middle, high))  # type: ignore[return-value]


def bisected(holds: Callable[[float], bool], low: float, high: float, steps: int) -> tuple[float, float]:
    """The highest number found to hold, and the lowest found not to, after so many halvings of the ratio between.

    low is taken to hold, high not to.

    >>> tuple(round(x) for x in bisected(lambda rate: rate < 300, 1, 10_000, steps=10))
    (300, 302)
    """
    for _ in range(steps):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, high

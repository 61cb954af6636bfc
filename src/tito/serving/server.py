"""The server's process: models opened, a socket bound, the app run until a signal ends it calmly.

    python -m tito.serving.server PLAN        (tito serve does this, on a composed tree; PLAN is JSON)

What cannot be is told in one line, with exit code 2: no model, a damaged one, a port that is taken.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from tinytorch.mlops import Registry, RegistryError
from tito.serving.limits import Limits, quiet
from tito.serving.live import Batching, File, Live, Registered, Source
from tito.serving.metrics import Metrics
from tito.serving.service import Service
from tito.serving.training import COURSES, train


@dataclass(frozen=True)
class Plan:
    """What is served, and where."""

    registry: str
    names: tuple[str, ...] = ()  # of the registry; all that have a live version, if none is named
    files: tuple[str, ...] = ()  # served beside them, each under its own name
    host: str = "127.0.0.1"
    port: int = 8000  # 0 is any that is free
    train: bool = False  # what is named and not registered, first
    code: str = ""  # whose it is, in a sentence
    parent: int = 0  # the process that started this one; when it is gone, this one ends
    batching: Batching = field(default_factory=Batching)
    limits: Limits = field(default_factory=Limits)

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "Plan":
        plan: dict[str, Any] = json.loads(text)
        return cls(**{**plan, "batching": Batching(**plan["batching"]), "limits": Limits(**plan["limits"])})


class CannotServe(Exception):
    """Why there will be no service, in one line that says what to do."""


# -- models -----------------------------------------------------------------------------------------------------------


def opened(plan: Plan, metrics: Metrics) -> dict[str, Live]:
    """All models of a plan, ready to answer. Raises CannotServe for the first one that is not."""
    models = {}
    for name, source in sources(plan).items():
        try:
            models[name] = Live(name, source, metrics, plan.batching)
        except (RegistryError, OSError, ValueError) as problem:
            raise CannotServe(str(problem)) from None
    return models


def sources(plan: Plan) -> dict[str, Source]:
    """Where each model comes from, by its name."""
    found: dict[str, Source] = {}
    for path in map(Path, plan.files):
        if path.stem in found:
            raise CannotServe(f"two files would be called {path.stem}: give one of them another name")
        found[path.stem] = File(path)
    if plan.names or not plan.files:
        try:
            found |= registered(plan)
        except RegistryError as problem:
            raise CannotServe(str(problem)) from None
    return found


def registered(plan: Plan) -> dict[str, Source]:
    """The names of a plan in its registry. Raises CannotServe, saying what to do, for one that has no live version."""
    registry = Registry(plan.registry)
    names = plan.names or tuple(name for name in registry.names() if registry.live(name) is not None)
    if not names:
        raise CannotServe(f"no model is registered in {plan.registry}: tito serve digits --train trains one first")
    for name in names:
        if plan.train and name in COURSES and not registry.versions(name):
            train(registry, name, say)
        if registry.live(name) is None:
            raise CannotServe(missing(registry, name))
    return {name: Registered(registry, name) for name in names}


def missing(registry: Registry, name: str) -> str:
    """Why a name cannot be served, and what would help."""
    if versions := [str(version.version) for version in registry.versions(name)]:
        return f"none of {name}'s versions is live ({', '.join(versions)}): promote one"
    known = ", ".join(registry.names()) or "nothing"
    if name in COURSES:
        return f"no model {name} is registered: tito serve {name} --train trains it first, {COURSES[name].seconds}"
    return f"no model {name!r} is registered; registered: {known}; the course trains: {', '.join(COURSES)}"


# -- the process ------------------------------------------------------------------------------------------------------


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address. Raises CannotServe if somebody else has it, or it is none."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        if os.name == "posix":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as problem:
        raise CannotServe(not_to_be_had(host, port, problem)) from None
    return found


def not_to_be_had(host: str, port: int, problem: OSError) -> str:
    return f"port {port} of {host} cannot be had: {problem.strerror}. --port takes another"


class Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready. A signal ends it calmly, a second Ctrl-C at once."""

    def __init__(self, service: Service, plan: Plan):
        super().__init__(quiet(service.app(), plan.limits))
        self.service, self.plan, self.end = service, plan, 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as problem:  # somebody else has begun to listen in the meantime
            raise CannotServe(not_to_be_had(self.plan.host, self.plan.port, problem)) from None
        for name, model in self.service.models.items():
            now = model.current
            say(f"{name}: version {now.version}, {now.model.kind} of {now.model.weights:,} weights.")
        assert sockets
        if self.plan.code:
            say(self.plan.code)
        host, port = sockets[0].getsockname()[:2]
        say(f"Ready: http://{f'[{host}]' if ':' in host else host}:{port}/    Ctrl-C ends it.")

    async def on_tick(self, counter: int) -> bool:
        if self.plan.parent and os.getppid() != self.plan.parent:
            self.should_exit = True
        if self.service.ending and time.monotonic() >= self.end:
            self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: Any) -> None:
        if not self.service.ending:
            self.service.ending, self.end = True, time.monotonic() + self.plan.limits.notice
        elif sig == signal.SIGINT:
            self.should_exit = self.force_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the service, and the process with it: none is raised again behind it, or heard then."""
        names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        for number in numbers:
            signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    plan = Plan.read(sys.argv[1])
    metrics = Metrics()
    try:
        with listening(plan.host, plan.port) as bound:
            service = Service(opened(plan, metrics), metrics, plan.limits, plan.host)
            server = Server(service, plan)
            asyncio.run(server.serve(sockets=[bound]))
    except CannotServe as problem:
        print(f"tito: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before there was a server
        return 130
    say(f"Ended: {server.server_state.total_requests:,} requests were answered.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A model under a name: the version that answers now, its queue, and how another one takes its place."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tinytorch import serialization
from tinytorch.mlops import Batcher, Registry, RegistryError
from tito.serving.metrics import Metrics
from tito.serving.models import PIXELS, Arrays, Model, model_of
from tito.serving.writer import Closed, Text, Writer

LOOK = 0.25  # seconds between two looks at the registry
AGAIN = 10.0  # seconds until a version that could not be served is tried once more


@dataclass(frozen=True)
class Batching:
    """How many requests are computed together, how long the first waits for others, how many may wait."""

    most: int = 32
    wait: float = 0.002  # seconds
    waiting: int = 512
    texts: int = 8  # written at once
    texts_waiting: int = 64


class Source(Protocol):
    """Where a model's versions come from."""

    def live(self) -> int | None:
        """The version that should answer."""

    def load(self, version: int) -> Arrays:
        """Its weights. Raises RegistryError, OSError or ValueError if they cannot be had whole."""


@dataclass(frozen=True)
class File:
    """One file of weights, which has one version."""

    path: Path

    def live(self) -> int:
        return 1

    def load(self, version: int) -> Arrays:
        return serialization.load(self.path)


@dataclass(frozen=True)
class Registered:
    """A name of a registry."""

    registry: Registry
    name: str

    def live(self) -> int | None:
        return self.registry.live(self.name)

    def load(self, version: int) -> Arrays:
        return self.registry.load(self.name, version)


@dataclass(frozen=True)
class Answering:
    """A version that answers; one that writes has a writer."""

    version: int
    model: Model
    writer: Writer | None = None


class Live:
    """What is served under a name, by the version that is live: digits are read in batches, texts written step by step.

    `current` is replaced in one step, so that whoever looks at it once has a version, its weights and its writer.

    Raises RegistryError, OSError or ValueError if there is no version to begin with.
    """

    def __init__(self, name: str, source: Source, metrics: Metrics, batching: Batching):
        self.name, self.source, self.metrics, self.batching = name, source, metrics, batching
        self.problem, self.try_after, self.changing = "", 0.0, threading.Lock()
        version = source.live()
        if version is None:
            raise RegistryError(f"{name} has no live version")
        model = model_of(source.load(version))
        self.writes = model.kind == "gpt"
        self.current = self.answering(version, model)
        waiting = max(batching.waiting, batching.most)
        self.batcher = None if self.writes else Batcher(self.compute, batching.most, batching.wait, waiting)
        metrics.version.labels(name).set(version)
        metrics.watch(name, self.waiting)

    def answering(self, version: int, model: Model) -> Answering:
        """A version made ready: what is made at a first use is made now."""
        if not self.writes:
            model.probabilities(np.zeros((1, PIXELS)))
            return Answering(version, model)
        options, observe = self.batching, self.metrics.batch.labels(self.name).observe
        return Answering(version, model, Writer(model.network, options.texts, options.texts_waiting, observe))

    def alive(self) -> bool:
        """Whether it can answer."""
        return self.current.writer is None or self.current.writer.alive

    def waiting(self) -> int:
        """How many requests wait for their turn."""
        queue = self.current.writer.queue if self.current.writer else self.batcher
        return len(queue or ())

    # -- answers ------------------------------------------------------------------------------------------------------

    def read(self, image: np.ndarray, seconds: float) -> Future:
        """What an image (64,) will be read as: probabilities (10,) and the version that says so. Raises Busy."""
        assert self.batcher is not None
        return self.batcher.submit(image, seconds)

    def compute(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, int]]:
        now = self.current  # one look: a batch is of one version
        self.metrics.batch.labels(self.name).observe(len(images))
        return [(row, now.version) for row in now.model.probabilities(np.stack(images))]

    def write(
        self,
        prompt: str,
        count: int,
        hear: Callable[[int | None], None],
        temperature: float,
        top_k: int | None,
        seed: int | None,
    ) -> tuple[Answering, Text]:
        """Begin a text that follows a prompt, as Writer.submit does; which version writes it.

        Raises Full, and ValueError for characters that the model has never seen.
        """
        while True:
            now = self.current
            assert now.writer is not None and now.model.tokenizer is not None
            try:
                ids = now.model.tokenizer.encode(prompt)
                return now, now.writer.submit(ids, count, hear, temperature, top_k, seed)
            except Closed:
                if now is self.current:
                    raise

    # -- versions -----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Serve the version that is live. One that cannot be served is told and counted; the one before goes on."""
        with self.changing:
            try:
                version = self.source.live()
                if version is None or version == self.current.version:
                    self.problem, self.try_after = "", 0.0
                elif time.monotonic() >= self.try_after:
                    self.take(version, model_of(self.source.load(version)))
                    self.problem = ""
            except (RegistryError, OSError, ValueError) as problem:
                self.note(str(problem))

    def note(self, problem: str) -> None:
        """Say, once, why a version cannot be served; it is tried again after a while."""
        if self.problem != problem:
            goes_on = f"version {self.current.version} of {self.name} goes on"
            print(f"tito: {goes_on}: {problem}", file=sys.stderr, flush=True)
            self.metrics.failures.labels(self.name).inc()
        self.problem, self.try_after = problem, time.monotonic() + AGAIN

    def take(self, version: int, model: Model) -> None:
        """Let another version answer from now on; what the old one has begun it ends.

        Raises ValueError for a version that does something else.
        """
        self.refuse_other_task(model)
        before, self.current = self.current, self.answering(version, model)
        if before.writer is not None:
            before.writer.close()
        self.metrics.version.labels(self.name).set(version)

    def refuse_other_task(self, model: Model) -> None:
        """Raise ValueError for a model that writes in the place of one that reads digits, or the other way round."""
        if (model.kind == "gpt") != self.writes:
            task = "a gpt" if self.writes else "a reader of digits"
            raise ValueError(f"{self.name} is served as {task}, and this is a {model.kind}")

    async def follow(self) -> None:
        """Look for a new live version again and again."""
        while True:
            await asyncio.sleep(LOOK)
            await asyncio.to_thread(self.refresh)

    def close(self) -> None:
        """Answer what still waits, then end."""
        if self.current.writer is not None:
            self.current.writer.close()
        if self.batcher is not None:
            self.batcher.close()

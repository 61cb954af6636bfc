"""Parallel: a batch shared among threads, which add up what they find.

NumPy lets other threads run while it computes. Each thread has a part of the examples, x (B / threads, ...), a replica
of the model that uses the same weights, and a graph of its own; gradients, and BatchNorm's sums, are added.
"""

import copy
import functools
import itertools
import math
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tinytorch.autograd import accumulate
from tinytorch.convolutions import sharing
from tinytorch.environment import generator
from tinytorch.layers import Module
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Trainer


class AllReduce:
    """Sums arrays over n threads: each brings its part, waits for the others, and leaves with the sum of all.

    Parts are added in the order of the threads' numbers, so that every thread gets the same sum, in every run.
    """

    def __init__(self, n: int):
        self.parts: list[Any] = [None] * n
        self.barrier = threading.Barrier(n)

    def __reduce__(self) -> tuple:
        return AllReduce, (len(self.parts),)  # a copy waits for threads of its own

    def __call__(self, number: int, part: np.ndarray) -> np.ndarray:
        self.parts[number] = part
        self.barrier.wait()
        total = functools.reduce(np.add, self.parts)
        self.barrier.wait()  # nobody brings the next part before all have read this one
        return total


class Shared(Module):
    """model(x), where each of some threads computes a part of the examples; nothing is recorded."""

    def __init__(self, model: Module, threads: int):
        self.model, self.threads, self.training = model, threads, model.training

    def forward(self, x: Tensor) -> Tensor:
        size = math.ceil(len(x) / self.threads)
        parts = [x[start : start + size] for start in range(0, len(x), size)]
        with ThreadPoolExecutor(self.threads) as pool:
            return Tensor(np.concatenate(list(pool.map(self.part, parts))))

    def part(self, x: Tensor) -> np.ndarray:
        with no_grad():  # each thread has a setting of its own
            return self.model(x).data


class ParallelTrainer(Trainer):
    """A Trainer that shares every batch among threads: each has a part of the examples, and a graph of its own.

    The gradient is that of the whole batch, and so are BatchNorm's statistics: threads exchange
    their sums. A seed gives the same result in each run, another one than without threads. Pays
    where operations take more than about 50 microseconds, with BLAS on one thread: set
    OPENBLAS_NUM_THREADS=1 before Python starts.
    """

    def __init__(self, *args: Any, threads: int = 2, **options: Any):
        super().__init__(*args, **options)
        self.all_reduce = AllReduce(threads)
        self.replicas = [copy.deepcopy(self.model) for _ in range(threads)]

    def add_gradient(self, x: Tensor, y: Tensor, share: float) -> float:
        n = len(self.replicas)
        if len(x) < n:  # too few to share
            return super().add_gradient(x, y, share)
        for number, replica in enumerate(self.replicas):
            self.prepare(replica, first=number == 0)
        ends = [len(x) * number // n for number in range(n + 1)]
        parts = [(x[a:b], y[a:b], share * (b - a) / len(x)) for a, b in itertools.pairwise(ends)]
        with ThreadPoolExecutor(n) as pool:
            losses = list(pool.map(self.part, range(n), self.replicas, parts))
        self.raise_first([error for error in losses if isinstance(error, BaseException)])
        for parameter, *twins in zip(self.model.parameters(), *(r.parameters() for r in self.replicas)):
            for gradient in (twin.grad for twin in twins if twin.grad is not None):
                accumulate(parameter, gradient.data)
        return sum(losses)

    def evaluate(self, data: Iterable[Any]) -> dict[str, float]:
        """What a Trainer finds. Threads share each batch, and have nothing to exchange."""
        with self.judging(Shared(self.model, len(self.replicas))):
            return super().evaluate(data)

    def prepare(self, replica: Module, first: bool) -> None:
        """Give a replica the model's weights, as they are now, and random generators of its own.

        The first one has the model's running statistics too, the others copies: all compute the same ones.
        """
        for twin, tensor in zip(replica.parameters(), self.model.parameters()):
            twin.data, twin.grad, twin.requires_grad = tensor.data, None, tensor.requires_grad
        for kept, buffer in zip(replica.buffers(), self.model.buffers()):
            kept.data = buffer.data if first else buffer.data.copy()
        for double, module in zip(replica.modules(), self.model.modules()):
            double.training = module.training
            if hasattr(module, "rng"):
                double.rng = np.random.default_rng((module.rng or generator).integers(2**63))

    def part(self, number: int, replica: Module, part: tuple[Tensor, Tensor, float]) -> Any:
        """One thread's work: its part of the loss, or the error that ended it."""
        x, y, share = part
        try:
            with sharing(functools.partial(self.all_reduce, number)):
                loss = self.loss(replica(x), y) * share
                loss.backward()
            return loss.item()
        except BaseException as error:
            self.all_reduce.barrier.abort()  # or others would wait for this one's sums for ever
            return error

    def raise_first(self, errors: list[BaseException]) -> None:
        """Raise what went wrong, if anything did: not that a thread waited in vain for one that failed."""
        if errors:
            self.all_reduce.barrier.reset()
            raise min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError))

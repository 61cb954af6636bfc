"""Training: the loop around the step, and what keeps it honest over hours.

Notation: x, y a batch and its targets; an epoch is one pass over the data; a step moves the weights once, after one
batch or after several micro-batches whose gradients accumulate. Everything that the next step depends on is in a
checkpoint, so that a run that is killed and resumed ends in the same weights, bit for bit.
"""

import copy
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np

from tinytorch import serialization
from tinytorch.environment import generator
from tinytorch.layers import Module
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import LRScheduler, Optimizer
from tinytorch.tensor import Tensor, no_grad

# -- batches -------------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """Inputs and their targets."""

    x: Tensor
    y: Tensor


class Batches:
    """Arrays cut into batches, shuffled anew in every epoch: the order is a function of seed and epoch alone.

    >>> [len(batch.x) for batch in Batches(np.zeros((10, 2)), np.zeros(10), size=4)]
    [4, 4, 2]
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, size: int = 32, shuffle: bool = True, seed: int = 0):
        if len(x) != len(y):
            raise ValueError(f"needs a target for each input, got {len(x)} inputs and {len(y)} targets")
        if size < 1:
            raise ValueError(f"a batch holds 1 or more, got {size}")
        self.x, self.y, self.size, self.shuffle, self.seed, self.epoch = x, y, size, shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(len(self.x))
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(order)
        for start in range(0, len(order), self.size):
            at = order[start : start + self.size]
            yield Batch(Tensor(self.x[at]), Tensor(self.y[at]))


class Epochs(Protocol):
    """What `fit` needs of its data: batches of one epoch, and another order for another."""

    def set_epoch(self, epoch: int) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...


# -- gradients -----------------------------------------------------------------------------------------------------


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that their norm is at most max_norm; return the norm it was before.

    The norm is that of all the gradients laid end to end, so that their direction stays. Pascanu et al., 2013.

    >>> x = Tensor([0.0, 0.0], requires_grad=True)
    >>> x.grad = Tensor([3.0, 4.0])
    >>> clip_grad_norm_([x], max_norm=1.0), x.grad
    (5.0, tensor([0.6, 0.8]))
    """
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    # One norm for all of them: the root of the sum of every square. Scale in place, and only if it is too long.
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return norm


# -- metrics -------------------------------------------------------------------------------------------------------


def accuracy(logits: Tensor, target: Tensor) -> float:
    """The share of rows whose largest score is at the target.

    >>> accuracy(Tensor([[1, 2], [3, 0]]), Tensor([1, 1]))
    0.5
    """
    return float((logits.data.argmax(axis=-1) == target.data).mean())


def stalled(history: list[dict[str, float]], monitor: str, patience: int) -> bool:
    """Whether the lowest `monitor` lies more than `patience` epochs back: early stopping. Prechelt, 1998.

    >>> stalled([{"loss": 3}, {"loss": 1}, {"loss": 2}, {"loss": 2}], "loss", patience=1)
    True
    """
    values = [epoch[monitor] for epoch in history]
    # Where is the lowest value, and how many epochs have passed since?
    return bool(values) and len(values) - 1 - int(np.argmin(values)) > patience


# -- the trainer ---------------------------------------------------------------------------------------------------

Metric = Callable[[Tensor, Tensor], float]


class Trainer:
    """A model, a loss and an optimizer, and the loop that brings them together.

    `accumulate` micro-batches make one step; gradients are clipped to the norm `clip`, if given; `schedule` steps with
    the optimizer. `callbacks` are called with the trainer after every step and may call `trainer.stop()`.
    `history` has one dict an epoch: loss, seen, and after evaluation val_loss and val_<metric>.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
        *,
        schedule: LRScheduler | None = None,
        clip: float | None = None,
        accumulate: int = 1,
        metrics: dict[str, Metric] | None = None,
        callbacks: Iterable[Callable[["Trainer"], None]] = (),
    ):
        self.model, self.optimizer, self.loss, self.schedule = model, optimizer, loss, schedule
        self.clip, self.accumulate, self.metrics = clip, accumulate, metrics or {}
        self.callbacks = list(callbacks)
        self.epoch = self.batch = self.steps = 0  # whole epochs, batches of this one, steps of all
        self.running = {"loss": 0.0, "seen": 0.0}  # the sum of this epoch's losses, over how many examples
        self.history: list[dict[str, float]] = []
        self.stopping = False

    def step(self, micro_batches: list[Any]) -> float:
        """One step of the optimizer from the gradients of all micro-batches together; returns their mean loss.

        Each micro-batch counts by its size, so that the gradient is that of one large batch.
        """
        self.optimizer.zero_grad()
        examples = sum(len(x) for x, _ in micro_batches)
        total = 0.0
        # backward() adds to .grad, so micro-batches accumulate by themselves; scale each loss by its share of the
        # examples before you walk back. Then clip, if self.clip is set, and step the optimizer and the schedule.
        for x, y in micro_batches:
            loss = self.loss(self.model(x), y) * (len(x) / examples)
            loss.backward()
            total += loss.item()
        if self.clip is not None:
            clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return total

    def fit(
        self,
        data: Epochs,
        epochs: int,
        validation: Iterable[Any] | None = None,
        checkpoint: str | os.PathLike | None = None,
        every: int | None = None,
        patience: int | None = None,
    ) -> list[dict[str, float]]:
        """Train until `epochs` epochs are done, from wherever this trainer stands; returns the history.

        A checkpoint is written after every epoch, after every `every` steps, and when stopped. With `patience`, stop
        when val_loss (loss, without validation) has not fallen for so many epochs.
        """
        self.stopping = False
        while self.epoch < epochs and not self.stopping:
            if self.train_epoch(data, checkpoint, every):
                self.finish_epoch(validation)
                monitor = "val_loss" if validation is not None else "loss"
                self.stopping |= patience is not None and stalled(self.history, monitor, patience)
            if checkpoint is not None:
                self.save(checkpoint)
        return self.history

    def train_epoch(self, data: Epochs, checkpoint: Any = None, every: int | None = None) -> bool:
        """The rest of this epoch: every step that has not been taken yet. False if stopped before its end."""
        data.set_epoch(self.epoch)
        self.model.train()
        # A resumed epoch starts behind the batches that it has seen: islice(data, n, None) skips the first n.
        batches = islice(data, self.batch, None)
        while micro_batches := list(islice(batches, self.accumulate)):
            examples = sum(len(x) for x, _ in micro_batches)
            self.running["loss"] += self.step(micro_batches) * examples
            self.running["seen"] += examples
            self.batch += len(micro_batches)
            self.steps += 1
            for callback in self.callbacks:
                callback(self)
            if checkpoint is not None and every is not None and self.steps % every == 0:
                self.save(checkpoint)
            if self.stopping:
                return False
        return True

    def finish_epoch(self, validation: Iterable[Any] | None) -> None:
        """Write this epoch into the history, and begin the next."""
        seen = self.running["seen"]
        record = {"loss": self.running["loss"] / max(seen, 1), "seen": seen, "lr": self.optimizer.param_groups[0]["lr"]}
        if validation is not None:
            record |= {f"val_{name}": value for name, value in self.evaluate(validation).items()}
        self.history.append(record)
        self.epoch, self.batch, self.running = self.epoch + 1, 0, {"loss": 0.0, "seen": 0.0}

    def evaluate(self, data: Iterable[Any]) -> dict[str, float]:
        """The mean loss and every metric over the data, in evaluation mode, recording nothing."""
        self.model.eval()
        sums, seen = dict.fromkeys(["loss", *self.metrics], 0.0), 0
        with no_grad():
            for x, y in data:
                z = self.model(x)
                seen += len(x)
                sums["loss"] += self.loss(z, y).item() * len(x)
                for name, metric in self.metrics.items():
                    sums[name] += metric(z, y) * len(x)
        self.model.train()
        return {name: value / max(seen, 1) for name, value in sums.items()}

    def stop(self) -> None:
        """Ask fit to end after the step that is under way. Safe to call from a signal handler."""
        self.stopping = True

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def state_dict(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """All that the next step depends on: arrays by name, and the rest as JSON."""
        arrays = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        arrays |= {f"optimizer.{name}": value for name, value in self.optimizer.state_dict().items()}
        if self.schedule is not None:
            arrays |= {f"schedule.{name}": value for name, value in self.schedule.state_dict().items()}
        position = {name: getattr(self, name) for name in ("epoch", "batch", "steps", "running", "history")}
        return arrays, {"trainer": json.dumps({**position, "generator": generator.bit_generator.state})}

    def save(self, path: str | os.PathLike) -> None:
        """Write a checkpoint, atomically."""
        arrays, rest = self.state_dict()
        serialization.save(arrays, path, rest)

    def load(self, path: str | os.PathLike) -> None:
        """Go on from a checkpoint. Raises ValueError, and changes nothing, if the file is cut short, foreign, or of
        another model."""
        arrays, rest = serialization.read(path)
        if "trainer" not in rest:
            raise ValueError(f"{path} is not a checkpoint of a training: it holds {', '.join(list(arrays)[:4])}...")
        parts: dict[str, Any] = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule}
        before = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items() if part is not None}
        try:
            for name, part in parts.items():
                if part is not None:
                    part.load_state_dict(_within(arrays, name))
        except (ValueError, KeyError) as error:
            for name, state in before.items():
                parts[name].load_state_dict(state)
            raise ValueError(f"{path} belongs to another training: {error}") from error
        position = json.loads(rest["trainer"])
        generator.bit_generator.state = position.pop("generator")
        vars(self).update(position)


def _within(arrays: dict[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    """The arrays of one part, without its name in front of theirs."""
    return {name.removeprefix(f"{part}."): array for name, array in arrays.items() if name.startswith(f"{part}.")}

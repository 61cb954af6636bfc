"""Training: the loop around the step, and what keeps it honest over hours.

Notation: x, y a batch and its targets; an epoch is one pass over the data; a step moves the
weights once, after one batch or after several micro-batches whose gradients accumulate; g is
all gradients laid end to end. Everything that the next step depends on is in a checkpoint, so
that a run that is killed and resumed ends in the same weights, bit for bit.
"""

import contextlib
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
from tinytorch.tensor import Tensor, no_grad, versions

# -- batches -------------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """Inputs and their targets."""

    x: Tensor
    y: Tensor


class Batches:
    """Arrays cut into batches, shuffled anew in each epoch, by nothing but seed and epoch.

    >>> [len(batch.x) for batch in Batches(np.zeros((10, 2)), np.zeros(10), size=4)]
    [4, 4, 2]
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, size=32, shuffle=True, seed=0):
        if len(x) != len(y):
            raise ValueError(f"needs a target for each input, got {len(x)} and {len(y)}")
        if size < 1:
            raise ValueError(f"a batch holds 1 or more, got {size}")
        self.x, self.y, self.size = x, y, size
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0

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
    """What `fit` needs of its data: the batches of an epoch, the same whenever it is asked."""

    def set_epoch(self, epoch: int) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...


# -- gradients -----------------------------------------------------------------------------------------------------


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that |g| is at most max_norm; return what it was before.

    |g| is the norm of all the gradients laid end to end, so that their direction stays. They
    are scaled in place; a parameter without a gradient is left out. A NaN in a gradient makes
    the norm NaN, and infinity clips nothing. Pascanu, Mikolov and Bengio, 2013.

    Raises ValueError for a generator of parameters that was used up before, and for a norm
    below 0.

    >>> x, y = Tensor([0.0], requires_grad=True), Tensor([0.0], requires_grad=True)
    >>> x.grad, y.grad = Tensor([3.0]), Tensor([4.0])
    >>> clip_grad_norm_([x, y], max_norm=1.0), x.grad, y.grad
    (5.0, tensor([0.6]), tensor([0.8]))
    """
    # One norm for all of them: the root of the sum of every square. Square in float64: in
    # float32 the square of 1e20 is infinite. Scale p.grad.data in place if |g| is too large.
    clipped = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not clipped and isinstance(parameters, Iterator):
        raise ValueError("clipping got a generator of no parameters: was it used before?")
    if not max_norm >= 0:
        raise ValueError(f"a norm is clipped to 0 or more, got {max_norm}")
    gradients = [p.grad.data for p in clipped if p.grad is not None]
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
        versions.increment(*gradients)
    return norm


# -- metrics -------------------------------------------------------------------------------------------------------


def accuracy(logits: Tensor, target: Tensor) -> float:
    """The share of rows whose largest score is at the target: logits (..., C), target (...).

    Of equal scores the first counts. Raises ValueError, naming both shapes, if they do not fit.

    >>> accuracy(Tensor([[1, 2], [3, 0]]), Tensor([1, 1]))
    0.5
    """
    # Compare shapes first: logits (B, C) and a target (B, 1) would broadcast to B x B
    # answers. Which column has a row's largest score? Is it the target? The mean of True and
    # False is a share.
    if logits.shape[:-1] != target.shape:
        shapes = f"{logits.shape} and {target.shape}"
        raise ValueError(f"accuracy needs logits (..., C) and target (...), got {shapes}")
    return float((logits.data.argmax(axis=-1) == target.data).mean())


def stalled(history: list[dict[str, float]], monitor: str, patience: int) -> bool:
    """Whether the lowest `monitor` lies `patience` epochs back or more. Prechelt, 1998.

    Of equal values the first counts: to stand still is not to improve. A NaN is higher than any
    number. An empty history has not stalled.

    >>> stalled([{"loss": 3}, {"loss": 1}, {"loss": 2}, {"loss": 1}], "loss", patience=2)
    True
    """
    # Collect history[...][monitor]. Where is the lowest value, and how many came after it?
    # (A NaN is neither below nor above anything: let it count as math.inf.)
    values = [math.inf if math.isnan(epoch[monitor]) else epoch[monitor] for epoch in history]
    return bool(values) and len(values) - 1 - values.index(min(values)) >= patience


# -- the trainer ---------------------------------------------------------------------------------------------------

Metric = Callable[[Tensor, Tensor], float]
State = tuple[dict[str, np.ndarray], dict[str, Any]]
POSITION = ("epoch", "batch", "steps", "running", "history")


class Trainer:
    """A model, a loss (a mean over the batch) and an optimizer, and the loop around them.

    `accumulate` micro-batches make one step; `clip` is the largest norm that a gradient may
    have; `schedule` steps with the optimizer. After each step the `callbacks` are called with
    the trainer: they may read `step_loss` and, if it clips, `step_norm`, and call `stop()`.
    `history` has a dict for each epoch: loss, seen, lr, and val_loss and val_<metric> if there
    is a validation.
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
        if accumulate < 1:
            raise ValueError(f"a step takes 1 micro-batch or more, got {accumulate}")
        if clip is not None and not clip > 0:
            raise ValueError(f"a gradient is clipped to a norm above 0, got {clip}")
        self.model, self.optimizer, self.loss, self.schedule = model, optimizer, loss, schedule
        self.clip, self.accumulate, self.metrics = clip, accumulate, metrics or {}
        self.callbacks = list(callbacks)
        self.epoch = self.batch = self.steps = 0  # whole epochs, batches of this one, all steps
        self.running = {"loss": 0.0, "seen": 0}  # sum of this epoch's losses, over how many
        self.history: list[dict[str, float]] = []
        self.step_loss = self.step_norm = math.nan
        self.stopping = False

    def step(self, micro_batches: list[Any]) -> float:
        """Move the weights once, by all micro-batches together; return their mean loss.

        Each micro-batch goes through the model once, and counts by its size, n of N:
        g = sum (n / N) g_n is the gradient of one batch of N. If `clip` is set, |g| before clipping
        is kept in `step_norm`. A NaN is not hidden. To count the step, and to call the callbacks,
        is left to `fit`.
        """
        # Forget the old gradients. self.add_gradient(x, y, share) walks back from one
        # micro-batch's loss, whose share is n / N: len(x) counts a batch. backward() adds to
        # .grad, so gradients accumulate by themselves. Only then clip (if self.clip is not
        # None), and step the optimizer and, if there is one, the schedule.
        self.optimizer.zero_grad()
        examples, total = sum(len(x) for x, _ in micro_batches), 0.0
        for x, y in micro_batches:
            total += self.add_gradient(x, y, len(x) / examples)
        if self.clip is not None:
            self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return total

    def add_gradient(self, x: Tensor, y: Tensor, share: float) -> float:
        """Add share times the gradient of the loss to every .grad; return share times the loss."""
        loss = self.loss(self.model(x), y) * share
        loss.backward()
        return loss.item()

    def train_epoch(self, data: Epochs, after: Callable[[list[Any], float], None]) -> bool:
        """Take every step of this epoch that is not taken yet; False if stopped before.

        A step takes `self.accumulate` batches, the last of an epoch what is left. Each one
        is reported by after(micro_batches, loss), which counts it, moves `batch` on, and may ask to
        stop; a wish that comes while a step is under way lets it end and be reported. To begin the
        next epoch, and to take back the wish to stop, is left to `fit`.
        """
        # Tell the data which epoch it is, and put the model into training mode. A resumed epoch
        # begins behind the self.batch batches that it has seen: islice(data, n, None) skips
        # n, and list(islice(batches, k)) takes the next k, or fewer at the end, or none.
        # Look at self.stopping after each step.
        data.set_epoch(self.epoch)
        self.model.train()
        batches = islice(data, self.batch, None)
        while micro_batches := list(islice(batches, self.accumulate)):
            after(micro_batches, self.step(micro_batches))
            if self.stopping:
                return False
        return True

    def fit(
        self,
        data: Epochs,
        epochs: int,
        validation: Iterable[Any] | None = None,
        checkpoint: str | os.PathLike | None = None,
        every: int | None = None,
        patience: int | None = None,
    ) -> list[dict[str, float]]:
        """Train until `epochs` epochs are done, from wherever we stand; return the history.

        A checkpoint is written after each epoch, after every `every` steps, and when stopped.
        With `patience`, stop when val_loss (or loss, without validation) stalls.
        """

        def after(micro_batches: list[Any], loss: float) -> None:
            self.count(micro_batches, loss)
            for callback in self.callbacks:
                callback(self)
            if checkpoint is not None and every is not None and self.steps % every == 0:
                self.save(checkpoint)

        self.stopping = False
        monitor = "loss" if validation is None else "val_loss"
        while self.epoch < epochs and not self.stopping:
            if patience is not None and stalled(self.history, monitor, patience):
                break
            if self.train_epoch(data, after):
                self.finish_epoch(validation)
            if checkpoint is not None:
                self.save(checkpoint)
        return self.history

    def count(self, micro_batches: list[Any], loss: float) -> None:
        """Move on by one step."""
        examples = sum(len(x) for x, _ in micro_batches)
        self.running["loss"] += loss * examples
        self.running["seen"] += examples
        self.batch += len(micro_batches)
        self.steps += 1
        self.step_loss = loss

    def finish_epoch(self, validation: Iterable[Any] | None) -> None:
        """Write this epoch into the history, and begin the next. Raises ValueError if empty."""
        seen = self.running["seen"]
        if not seen:
            raise ValueError("an epoch needs one example or more, the data had none")
        lr = float(self.optimizer.param_groups[0]["lr"])
        record = {"loss": self.running["loss"] / seen, "seen": seen, "lr": lr}
        if validation is not None:
            judged = self.evaluate(validation)
            record |= {f"val_{name}": value for name, value in judged.items()}
        self.history.append(record)
        self.epoch, self.batch, self.running = self.epoch + 1, 0, {"loss": 0.0, "seen": 0}

    def evaluate(self, data: Iterable[Any]) -> dict[str, float]:
        """The mean of the loss and of each metric over all examples: {"loss": ..., name: ...}.

        In evaluation mode, and recording nothing; the model's mode, whether gradients are
        recorded, and what we have counted are left as they were found. The means are Python
        numbers. The data may be an iterator, which can be walked once. Raises ValueError if
        there are no examples.
        """
        # Each batch gives means, and batches are not equally large: what do you add up, and
        # when do you divide, by what? model.training tells the mode, model.eval() and
        # model.train(mode) set it: in which mode must the model be afterwards, even if there
        # was no example? no_grad() is a context. self.metrics maps names to functions of
        # (outputs, y).
        mode, sums, seen = self.model.training, dict.fromkeys(["loss", *self.metrics], 0.0), 0
        self.model.eval()
        with no_grad():
            for x, y in data:
                z = self.model(x)
                seen += len(x)
                sums["loss"] += self.loss(z, y).item() * len(x)
                for name, metric in self.metrics.items():
                    sums[name] += float(metric(z, y)) * len(x)
        self.model.train(mode)
        if not seen:
            raise ValueError("evaluate needs one example or more, the data had none")
        return {name: value / seen for name, value in sums.items()}

    @contextlib.contextmanager
    def judging(self, model: Module) -> Iterator[None]:
        """Within it, `evaluate` judges another model."""
        own, self.model = self.model, model
        try:
            yield
        finally:
            self.model = own

    def stop(self) -> None:
        """Ask fit to end after the step that is under way. A signal handler may call it."""
        self.stopping = True

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def parts(self) -> dict[str, Any]:
        """What has a state_dict of its own. The optimizer comes last: its lr is in force."""
        named = {"model": self.model, "schedule": self.schedule, "optimizer": self.optimizer}
        return {name: part for name, part in named.items() if part is not None}

    def state_dict(self) -> State:
        """All that the next step depends on: arrays by name (views), and the rest as values.

        In it: the weights; the optimizer's memory and options; the schedule's step; the states
        of the package's generator and of any that a module owns (a Dropout's rng); the epoch,
        batch and step, the epoch's running sums, the history.
        Not in it, and to be given again: what the constructor and `fit` take; the data above all,
        in an order that is the epoch's own.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, part in self.parts().items():
            arrays |= {f"{name}.{key}": array for key, array in part.state_dict().items()}
        rest: dict[str, Any] = {name: getattr(self, name) for name in POSITION}
        kinds = (self.parts().get(name) for name in ("schedule", "optimizer"))
        rest["kinds"] = ["none" if part is None else type(part).__name__ for part in kinds]
        states = {name: rng.bit_generator.state for name, rng in generators(self.model).items()}
        return arrays, {**rest, "generators": states}

    def load_state_dict(self, arrays: dict[str, np.ndarray], rest: dict[str, Any]) -> None:
        """Take over a trainer's state, so that our next step is the one that it would have taken.

        What was ours before is forgotten. The state stays as it is, and may be loaded again.
        """
        # Read state_dict line by line, and give back what each line took, to whom it took it
        # from. `within` has the arrays of one part; a generator's .bit_generator.state can be
        # set. What would happen to `rest` as you train on, if self.history were its list?
        for name, part in self.parts().items():
            part.load_state_dict(within(arrays, name))
        for name, rng in generators(self.model).items():
            rng.bit_generator.state = rest["generators"][name]
        for name in POSITION:
            setattr(self, name, copy.deepcopy(rest[name]))

    def save(self, path: str | os.PathLike) -> None:
        """Write a checkpoint, atomically."""
        arrays, rest = self.state_dict()
        text = json.dumps(rest, default=np.ndarray.tolist)
        serialization.save(arrays, path, {"trainer": text})

    def load(self, path: str | os.PathLike) -> None:
        """Go on from a checkpoint.

        Raises ValueError, and changes nothing, if it is damaged or of another training.
        """
        arrays, notes = serialization.read(path)
        if notes.keys() != {"trainer"}:
            found = ", ".join(list(arrays)[:3])
            raise ValueError(f"{path} is no checkpoint of a training: it holds {found}...")
        before = copy.deepcopy(self.state_dict())
        try:
            rest = json.loads(notes["trainer"])
            refuse_another(before, arrays, rest)
            self.load_state_dict(arrays, rest)
        except (ValueError, LookupError, TypeError, AttributeError) as problem:
            self.load_state_dict(*before)
            raise ValueError(f"{path} belongs to another training: {problem}") from problem


def generators(model: Module) -> dict[str, np.random.Generator]:
    """Every generator that a step may draw from: the package's, and those that modules own."""
    found = {"package": generator}
    for i, module in enumerate(model.modules()):
        for name, value in vars(module).items():
            if isinstance(value, np.random.Generator):
                found[f"{i}.{name}"] = value
    return found


def within(arrays: dict[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    """The arrays of one part, without its name in front of theirs.

    >>> within({"model.bias": 1, "optimizer.lr": 2}, "model")
    {'bias': 1}
    """
    mine = (name for name in arrays if name.startswith(f"{part}."))
    return {name.removeprefix(f"{part}."): arrays[name] for name in mine}


def refuse_another(own: State, arrays: dict[str, np.ndarray], rest: dict[str, Any]) -> None:
    """Raise ValueError, saying what differs, unless a state has the form of our own."""
    if rest["kinds"] != own[1]["kinds"]:
        kinds = [" and ".join(state["kinds"]) for state in (rest, own[1])]
        raise ValueError(f"its schedule and optimizer are {kinds[0]}, here {kinds[1]}")
    if rest["generators"].keys() != own[1]["generators"].keys():
        raise ValueError(f"it has the generators {list(rest['generators'])}")
    for name in sorted(own[0].keys() ^ arrays.keys()):
        raise ValueError(f"{name} is only {'here' if name in own[0] else 'in the file'}")
    for name, array in arrays.items():
        form, wanted = ((np.dtype(a.dtype).name, a.shape) for a in (array, own[0][name]))
        if form != wanted:
            raise ValueError(f"{name} is {form[0]} {form[1]}, here {wanted[0]} {wanted[1]}")


# -- the mean of many steps ----------------------------------------------------------------------------------------


class AveragingTrainer(Trainer):
    """A Trainer that judges the mean of many steps' weights, calmer than any of them.

    `mean`, a copy of the model, goes `share` of the way to it after each step: it remembers
    some 1 / share steps, evenly at first and then the last ones best. Polyak and
    Juditsky, 1992.
    """

    def __init__(self, *args: Any, share: float = 0.005, **options: Any):
        if not 0 < share <= 1:
            raise ValueError(f"a share is above 0 and up to 1, got {share}")
        super().__init__(*args, **options)
        self.mean, self.share = copy.deepcopy(self.model), share

    def step(self, micro_batches: list[Any]) -> float:
        loss, share = super().step(micro_batches), max(self.share, 1 / (self.steps + 1))
        kept, now = ([*net.parameters(), *net.buffers()] for net in (self.mean, self.model))
        for mean, tensor in zip(kept, now):
            mean.data += share * (tensor.data - mean.data)  # noted as a change in place
        return loss

    def evaluate(self, data: Iterable[Any]) -> dict[str, float]:
        with self.judging(self.mean):
            return super().evaluate(data)

    def parts(self) -> dict[str, Any]:
        return {"mean": self.mean, **super().parts()}

"""Right answers to chapter 07, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import copy
import math
from collections.abc import Iterator

import numpy as np

from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import POSITION, clip_grad_norm_, generators, within
from tito.rubrics.planted import right

# -- accuracy ---------------------------------------------------------------------------------------------------------

right("accuracy", "calls np.argmax and np.mean", "float((logits.data.argmax(axis=-1) == target.data).mean())",
      "float(np.mean(np.argmax(logits.data, axis=-1) == target.data))")  # fmt: skip
right("accuracy", "counts and divides", "float((logits.data.argmax(axis=-1) == target.data).mean())",
      "float((logits.data.argmax(-1) == target.data).sum()) / target.data.size")  # fmt: skip


@right("accuracy", "looks up each row's score at its target")
def accuracy_looked_up(logits, target):
    scores, at = logits.data, target.data
    if scores.shape[:-1] != at.shape:
        raise ValueError(f"logits {scores.shape}, target {at.shape}")
    scores, at = scores.reshape(-1, scores.shape[-1]), at.reshape(-1)
    hits = [int(row.argmax()) == int(i) for row, i in zip(scores, at)]
    return sum(hits) / len(hits)


@right("accuracy", "sorts the classes, the best first")
def accuracy_sorted(logits, target):
    if tuple(logits.shape[:-1]) != tuple(target.shape):
        raise ValueError(f"{logits.shape} does not fit {target.shape}")
    best = np.argsort(-logits.data, axis=-1, kind="stable")[..., 0]
    return float(np.count_nonzero(best == target.data) / best.size)


@right("accuracy", "looks for a better score, row by row and class by class")
def accuracy_loops(logits, target):
    if list(logits.shape)[:-1] != list(target.shape):
        raise ValueError(f"logits of {logits.shape} need a target of {logits.shape[:-1]}, got {target.shape}")
    hits = 0
    for index in np.ndindex(target.shape):
        row, best = logits.data[index], 0
        for c in range(1, len(row)):
            if row[c] > row[best]:
                best = c
        hits += best == int(target.data[index])
    return hits / target.data.size


# -- clip_grad_norm_ --------------------------------------------------------------------------------------------------


@right("clip_grad_norm_", "asks for a generator, and lets hypot square")
def clip_hypot(parameters, max_norm):
    if isinstance(parameters, Tensor):
        parameters = (parameters,)
    generator = type(parameters).__name__ == "generator"
    tensors = tuple(parameters)
    if generator and not tensors:
        raise ValueError("this generator is used up")
    if max_norm < 0:
        raise ValueError("a norm is 0 or more")
    gradients = [p.grad.data for p in tensors if p.grad is not None]
    norm = math.hypot(*(float(number) for g in gradients for number in g.ravel()))
    if norm > max_norm:
        for g in gradients:
            g[...] = g * (max_norm / norm)
    return norm


@right("clip_grad_norm_", "divides by the largest first, and multiplies the tensors")
def clip_largest(parameters, max_norm):
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not tensors and hasattr(parameters, "__next__"):
        raise ValueError("no parameters are left")
    if max_norm < 0:
        raise ValueError(f"{max_norm} is below 0")
    tensors = [p for p in tensors if p.grad is not None]
    largest = max((float(np.abs(p.grad.data).max(initial=0)) for p in tensors), default=0.0)
    if largest == 0:
        return 0.0
    norm = largest * math.sqrt(sum(float(np.square(p.grad.data.astype(float) / largest).sum()) for p in tensors))
    if norm > max_norm:
        with no_grad():
            for p in tensors:
                p.grad *= max_norm / norm
    return norm


@right("clip_grad_norm_", "keeps 0 / 0 away by a millionth, as PyTorch does")
def clip_eps(parameters, max_norm):
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not listed and isinstance(parameters, Iterator):
        raise ValueError("used up")
    if max_norm < 0:
        raise ValueError("negative")
    gradients = [p.grad for p in listed if p.grad is not None]
    norm = np.sqrt(np.sum([np.sum(g.data.astype(np.float64) ** 2) for g in gradients]))
    factor = max_norm / (norm + 1e-6)
    if factor < 1:
        for g in gradients:
            g.data *= factor
    return norm.item()


@right("clip_grad_norm_", "multiplies by a scale of at most 1")
def clip_scale(parameters, max_norm):
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    tensors = list(parameters)
    if not tensors and isinstance(parameters, Iterator):
        raise ValueError("no parameters: a generator is used up after one walk")
    if max_norm < 0:
        raise ValueError(f"max_norm is 0 or more, got {max_norm}")
    gradients = [p.grad for p in tensors if p.grad is not None]
    total = 0.0
    for g in gradients:
        total += float((g.data.astype(np.float64) ** 2).sum())
    norm = total**0.5
    scale = min(1.0, max_norm / norm) if norm else 1.0
    for g in gradients:
        g.data[...] = g.data * scale
    return norm


@right("clip_grad_norm_", "takes the norm of the norms")
def clip_norms(parameters, max_norm):
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if isinstance(parameters, Iterator) and not tensors:
        raise ValueError("the generator was used before")
    if max_norm < 0:
        raise ValueError("a norm is not negative")
    arrays = [p.grad.data for p in tensors if p.grad is not None]
    norms = [np.linalg.norm(g.astype(np.float64)) for g in arrays]
    norm = float(np.linalg.norm(norms)) if norms else 0.0
    if norm > max_norm:
        for g in arrays:
            np.multiply(g, max_norm / norm, out=g)
    return norm


@right("clip_grad_norm_", "lays all gradients end to end")
def clip_end_to_end(parameters, max_norm):
    tensors = [parameters] if isinstance(parameters, Tensor) else [*parameters]
    if not tensors and isinstance(parameters, Iterator):
        raise ValueError("a generator without parameters")
    if not max_norm >= 0:
        raise ValueError("max_norm below 0")
    tensors = [p for p in tensors if p.grad is not None]
    every = np.concatenate([np.zeros(0), *(p.grad.data.astype(np.float64).ravel() for p in tensors)])
    norm = math.sqrt(every @ every)
    for p in tensors if norm > max_norm else ():
        p.grad.data *= max_norm / norm
    return norm


# -- stalled ----------------------------------------------------------------------------------------------------------


@right("stalled", "keeps the best and when it was")
def stalled_loop(history, monitor, patience):
    best, since = math.inf, 0
    for i, epoch in enumerate(history):
        if i == 0 or epoch[monitor] < best or (math.isnan(best) and not math.isnan(epoch[monitor])):
            best, since = epoch[monitor], 0
        else:
            since += 1
    return len(history) > 0 and since >= patience


@right("stalled", "asks NumPy where the lowest is")
def stalled_numpy(history, monitor, patience):
    if not history:
        return False
    values = np.array([epoch[monitor] for epoch in history], np.float64)
    values[np.isnan(values)] = np.inf
    return bool(len(values) - 1 - np.argmin(values) >= patience)


@right("stalled", "looks for an improvement among the last epochs")
def stalled_recent(history, monitor, patience):
    values = [float("inf") if epoch[monitor] != epoch[monitor] else epoch[monitor] for epoch in history]
    if len(values) <= patience:
        return False
    return min(values[:-patience]) <= min(values[-patience:])


@right("stalled", "sorts the epochs by value and number")
def stalled_sorted(history, monitor, patience):
    order = sorted(
        (math.isnan(e[monitor]), 0 if math.isnan(e[monitor]) else e[monitor], i) for i, e in enumerate(history)
    )
    return len(history) - order[0][2] > patience if order else False


@right("stalled", "walks back from the last epoch")
def stalled_back(history, monitor, patience):
    lowest, at = None, 0
    for i in reversed(range(len(history))):
        value = math.inf if math.isnan(history[i][monitor]) else history[i][monitor]
        if lowest is None or value <= lowest:
            lowest, at = value, i
    return lowest is not None and len(history) - 1 - at >= patience


@right("stalled", "asks whether the lowest so far has changed")
def stalled_lows(history, monitor, patience):
    values = np.nan_to_num([epoch[monitor] for epoch in history], nan=np.inf, posinf=np.inf, neginf=-np.inf)
    lows = np.minimum.accumulate(values) if len(values) else values
    return len(lows) > patience and bool(lows[-1] == lows[len(lows) - 1 - patience])


# -- Trainer.step -----------------------------------------------------------------------------------------------------


@right("Trainer.step", "scales the losses itself")
def step_losses(self, micro_batches):
    self.optimizer.zero_grad()
    count = sum([len(x) for x, _ in micro_batches])
    mean = 0.0
    for x, y in micro_batches:
        loss = self.loss(self.model(x), y) * (len(x) / count)
        loss.backward()
        mean += loss.item()
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    if self.schedule:
        self.schedule.step()
    return mean


@right("Trainer.step", "fills the gradients with zeros before, and forgets them afterwards, too")
def step_zeros(self, micro_batches):
    self.optimizer.zero_grad(set_to_none=False)
    sizes = [len(batch.x) for batch in micro_batches]
    losses = [self.add_gradient(b.x, b.y, n / sum(sizes)) for b, n in zip(micro_batches, sizes)]
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(list(self.model.parameters()), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    self.optimizer.zero_grad()
    return sum(losses)


@right("Trainer.step", "adds up sums and divides the gradients at the end")
def step_divides(self, micro_batches):
    self.optimizer.zero_grad()
    total, seen = 0.0, 0
    for x, y in micro_batches:
        total += self.add_gradient(x, y, len(x))
        seen += len(x)
    for p in self.model.parameters():
        if p.grad is not None:
            p.grad = Tensor(p.grad.data / seen)
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return total / seen


@right("Trainer.step", "walks back once, from the sum of all losses")
def step_one_graph(self, micro_batches):
    count = sum(x.shape[0] for x, _ in micro_batches)
    self.model.zero_grad()
    total = sum((self.loss(self.model(x), y) * (x.shape[0] / count) for x, y in micro_batches), Tensor(0.0))
    total.backward()
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(list(self.model.parameters()), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return total.item()


@right("Trainer.step", "begins with the last micro-batch, and always measures")
def step_reversed(self, micro_batches):
    self.optimizer.zero_grad()
    count, total = sum(len(batch[0]) for batch in micro_batches), 0.0
    for batch in reversed(micro_batches):
        total += self.add_gradient(*batch, len(batch[0]) / count)
    self.step_norm = clip_grad_norm_(self.model.parameters(), math.inf if self.clip is None else self.clip)
    self.optimizer.step()
    if self.schedule:
        self.schedule.step()
    return total


@right("Trainer.step", "makes one batch of all")
def step_one_batch(self, micro_batches):
    x = Tensor(np.concatenate([x.data for x, _ in micro_batches]))
    y = Tensor(np.concatenate([y.data for _, y in micro_batches]))
    self.optimizer.zero_grad()
    loss = self.add_gradient(x, y, 1.0)
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return loss


# -- Trainer.train_epoch ----------------------------------------------------------------------------------------------


@right("Trainer.train_epoch", "collects batches and takes a step when there are enough")
def epoch_collects(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    seen, waiting = self.batch, []
    for k, batch in enumerate(data):
        if k < seen:
            continue
        waiting.append(batch)
        if len(waiting) == self.accumulate:
            after(waiting, self.step(waiting))
            waiting = []
            if self.stopping:
                return False
    if waiting:
        after(waiting, self.step(waiting))
    return not self.stopping


@right("Trainer.train_epoch", "makes a list of all batches")
def epoch_list(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train(True)
    batches = list(data)[self.batch :]
    for start in range(0, len(batches), self.accumulate):
        micro_batches = batches[start : start + self.accumulate]
        loss = self.step(micro_batches)
        after(micro_batches, loss)
        if self.stopping:
            return False
    return True


@right("Trainer.train_epoch", "calls next by hand")
def epoch_next(self, data, after):
    self.model.train()
    data.set_epoch(self.epoch)
    source, end = iter(data), object()
    for _ in range(self.batch):
        next(source, None)
    while True:
        found = [next(source, end) for _ in range(self.accumulate)]
        found = [batch for batch in found if batch is not end]
        if not found:
            return True
        after(found, self.step(found))
        if self.stopping:
            return False


@right("Trainer.train_epoch", "sorts the batches into groups first, and sets the mode before every step")
def epoch_groups(self, data, after):
    data.set_epoch(self.epoch)
    groups = []
    for i, batch in enumerate(data):
        if i >= self.batch:
            if not groups or len(groups[-1]) == self.accumulate:
                groups.append([])
            groups[-1].append(batch)
    for group in groups:
        self.model.train()
        after(group, self.step(group))
        if self.stopping:
            return False
    return True


@right("Trainer.train_epoch", "stands where after() has put it")
def epoch_stands(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    batches = list(data)
    while self.batch < len(batches):
        micro_batches = batches[self.batch : self.batch + self.accumulate]
        after(micro_batches, self.step(micro_batches))
        if self.stopping:
            return False
    return True


@right("Trainer.train_epoch", "takes no step at all where somebody has asked before")
def epoch_asks_first(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    batches = iter(data)
    for _ in zip(range(self.batch), batches):
        pass
    while not self.stopping:
        micro_batches = [batch for _, batch in zip(range(self.accumulate), batches)]
        if not micro_batches:
            return True
        after(micro_batches, self.step(micro_batches))
    return False


# -- Trainer.evaluate -------------------------------------------------------------------------------------------------


@right("Trainer.evaluate", "puts the mode back in a finally")
def evaluate_finally(self, data):
    was = self.model.training
    self.model.eval()
    try:
        with no_grad():
            rows = [(len(x), self.model(x), y) for x, y in data]
            n = sum(size for size, _, _ in rows)
            if n == 0:
                raise ValueError("no examples to evaluate")
            found = {"loss": sum(self.loss(z, y).item() * size for size, z, y in rows) / n}
            for name, metric in self.metrics.items():
                found[name] = sum(float(metric(z, y)) * size for size, z, y in rows) / n
    finally:
        self.model.train(was)
    return found


@right("Trainer.evaluate", "keeps the means and their weights, and averages at the end")
def evaluate_averages(self, data):
    mode = self.model.training
    weights, values = [], {name: [] for name in ("loss", *self.metrics)}
    self.model.train(False)
    with no_grad():
        for batch in data:
            z = self.model(batch.x)
            weights.append(len(batch.x))
            values["loss"].append(self.loss(z, batch.y).item())
            for name in self.metrics:
                values[name].append(self.metrics[name](z, batch.y))
    self.model.train(mode)
    if not weights:
        raise ValueError("evaluate got no batch")
    return {name: float(np.average(means, weights=weights)) for name, means in values.items()}


@right("Trainer.evaluate", "treats the loss as one metric more")
def evaluate_alike(self, data):
    kinds = {"loss": lambda z, y: self.loss(z, y).item(), **self.metrics}
    before, total, count = self.model.training, dict.fromkeys(kinds, 0.0), 0
    self.model.eval()
    with no_grad():
        for x, y in data:
            z, n = self.model(x), len(x)
            for name, kind in kinds.items():
                total[name] = total[name] + n * float(kind(z, y))
            count = count + n
    if before:
        self.model.train()
    if count == 0:
        raise ValueError("nothing to evaluate")
    return {name: total[name] / count for name in kinds}


@right("Trainer.evaluate", "moves a running mean")
def evaluate_running(self, data):
    mode, n, means = self.model.training, 0, dict.fromkeys(["loss", *self.metrics], 0.0)
    self.model.eval()
    with no_grad():
        for x, y in data:
            z = self.model(x)
            now = {"loss": self.loss(z, y).item()} | {name: float(f(z, y)) for name, f in self.metrics.items()}
            n += len(x)
            for name in means:
                means[name] += (now[name] - means[name]) * len(x) / n
    self.model.train(mode)
    if n == 0:
        raise ValueError("no examples")
    return means


@right("Trainer.evaluate", "makes a list, and runs the model anew for each mean")
def evaluate_listed(self, data):
    data = list(data)
    count = sum(len(x) for x, _ in data)
    if count == 0:
        raise ValueError("nothing to evaluate")
    kinds = {"loss": lambda z, y: self.loss(z, y).item()} | self.metrics
    mode, self.model.training = self.model.training, False
    self.model.eval()
    with no_grad():
        found = {k: sum(float(f(self.model(x), y)) * len(x) for x, y in data) / count for k, f in kinds.items()}
    self.model.train(mode)
    return found


@right("Trainer.evaluate", "keeps the mode of each module")
def evaluate_modes(self, data):
    modes = [(module, module.training) for module in self.model.modules()]
    self.model.train(False)
    total, n = {}, 0
    try:
        for x, y in data:
            with no_grad():
                z = self.model(x)
                now = {"loss": float(self.loss(z, y).data)}
                for name in self.metrics:
                    now[name] = float(self.metrics[name](z, y))
            total = {name: total.get(name, 0.0) + value * len(y) for name, value in now.items()}
            n += len(y)
    finally:
        for module, mode in modes:
            module.training = mode
    if not total:
        raise ValueError("evaluate was given no batch")
    return {name: value / n for name, value in total.items()}


# -- Trainer.load_state_dict ------------------------------------------------------------------------------------------


@right("Trainer.load_state_dict", "names the five attributes")
def load_named(self, arrays, rest):
    for name, part in self.parts().items():
        part.load_state_dict(within(arrays, name))
    for name, rng in generators(self.model).items():
        rng.bit_generator.state = copy.deepcopy(rest["generators"][name])
    self.epoch, self.batch, self.steps = rest["epoch"], rest["batch"], rest["steps"]
    self.running = dict(rest["running"])
    self.history = [dict(epoch) for epoch in rest["history"]]


@right("Trainer.load_state_dict", "copies all of the rest first")
def load_copied(self, arrays, rest):
    rest = copy.deepcopy(rest)
    mine = generators(self.model)
    for name in mine:
        mine[name].bit_generator.state = rest["generators"][name]
    for name in POSITION:
        setattr(self, name, rest[name])
    for name, part in self.parts().items():
        part.load_state_dict(within(arrays, name))


@right("Trainer.load_state_dict", "loads the model, the schedule and the optimizer by name")
def load_by_name(self, arrays, rest):
    self.model.load_state_dict(within(arrays, "model"))
    if self.schedule is not None:
        self.schedule.load_state_dict(within(arrays, "schedule"))
    self.optimizer.load_state_dict(within(arrays, "optimizer"))
    found = generators(self.model)
    for name, state in rest["generators"].items():
        found[name].bit_generator.state = state
    vars(self).update({name: copy.deepcopy(rest[name]) for name in POSITION})


@right("Trainer.load_state_dict", "copies through JSON, as a file would")
def load_json(self, arrays, rest):
    import json

    rest = json.loads(json.dumps(rest))
    for name, rng in generators(self.model).items():
        rng.bit_generator.state = rest["generators"][name]
    for name, part in self.parts().items():
        part.load_state_dict({key[len(name) + 1 :]: arrays[key] for key in arrays if key.startswith(name + ".")})
    self.__dict__.update((name, rest[name]) for name in POSITION)


@right("Trainer.load_state_dict", "cuts the names at their first dot, and pickles")
def load_pickled(self, arrays, rest):
    import pickle

    kept, parts = pickle.loads(pickle.dumps(rest)), self.parts()
    for name in parts:
        mine = {}
        for key, array in arrays.items():
            part, _, inner = key.partition(".")
            if part == name:
                mine[inner] = array
        parts[name].load_state_dict(mine)
    for key, rng in generators(self.model).items():
        rng.bit_generator.state = kept["generators"][key]
    self.epoch, self.batch, self.steps, self.running, self.history = (kept[name] for name in POSITION)


# -- checkpoint_bytes -------------------------------------------------------------------------------------------------

right("checkpoint_bytes", "multiplies in another order", "3 * 4 * numbers", "numbers * 4 + 2 * 4 * numbers")
right("checkpoint_bytes", "answers with a float", "3 * 4 * numbers", "12.0 * numbers")


@right("checkpoint_bytes", "adds up weights, means and squares")
def checkpoint_added():
    weights = 4 * ((784 + 1) * 128 + (128 + 1) * 10)
    means = squares = weights
    return weights + means + squares

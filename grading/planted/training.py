"""Wrong answers to chapter 07: mistakes that students really make. Read, never run; see tito/planted.py."""

import math
from itertools import islice

import numpy as np

from tinytorch.tensor import no_grad
from tinytorch.training import clip_grad_norm_, within
from tito.planted import wrong

# -- accuracy ---------------------------------------------------------------------------------------------------------


@wrong("accuracy", "counts instead of taking the share")
def accuracy_count(logits, target):
    if logits.shape[:-1] != target.shape:
        raise ValueError(f"accuracy needs (..., C) and (...), got {logits.shape} and {target.shape}")
    return float((logits.data.argmax(axis=-1) == target.data).sum())


@wrong("accuracy", "looks for the largest score of each class")
def accuracy_down_the_columns(logits, target):
    if logits.shape[:-1] != target.shape:
        raise ValueError(f"accuracy needs (..., C) and (...), got {logits.shape} and {target.shape}")
    return float((logits.data.argmax(axis=0)[: len(target)] == target.data).mean())


@wrong("accuracy", "lets a column broadcast")
def accuracy_unchecked(logits, target):
    return float(np.mean(logits.data.argmax(axis=-1) == target.data))


@wrong("accuracy", "takes the smallest score")
def accuracy_smallest(logits, target):
    if logits.shape[:-1] != target.shape:
        raise ValueError(f"accuracy needs (..., C) and (...), got {logits.shape} and {target.shape}")
    return float((logits.data.argmin(axis=-1) == target.data).mean())


@wrong("accuracy", "names only one of the shapes")
def accuracy_one_shape(logits, target):
    if logits.shape[:-1] != target.shape:
        raise ValueError(f"the target does not fit: {target.shape}")
    return float((logits.data.argmax(axis=-1) == target.data).mean())


# -- clip_grad_norm_ --------------------------------------------------------------------------------------------------

wrong(
    "clip_grad_norm_",
    "clips each number by itself",
    "if norm > max_norm:\n    for g in gradients:\n        g *= max_norm / norm",
    "for g in gradients:\n    np.clip(g, -max_norm, max_norm, out=g)",
)
wrong(
    "clip_grad_norm_",
    "scales a short gradient up",
    "if norm > max_norm:\n    for g in gradients:\n        g *= max_norm / norm",
    "for g in gradients:\n    g *= max_norm / norm",
)
wrong(
    "clip_grad_norm_",
    "adds up the norms",
    "math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))",
    "float(sum(math.sqrt(np.square(g, dtype=np.float64).sum()) for g in gradients))",
)
wrong("clip_grad_norm_", "returns the norm afterwards", "return norm", "return min(norm, max_norm)")
wrong("clip_grad_norm_", "makes new arrays and drops them", "g *=", "g = g *")
wrong("clip_grad_norm_", "takes it that everything has a gradient", "if p.grad is not None", "")
wrong("clip_grad_norm_", "squares in float32", "np.square(g, dtype=np.float64).sum()", "float((g * g).sum())")


@wrong("clip_grad_norm_", "clips each gradient by itself")
def clip_each(parameters, max_norm):
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
    for g in gradients:
        own = math.sqrt(np.square(g, dtype=np.float64).sum())
        if own > max_norm:
            g *= max_norm / own
    return norm


@wrong("clip_grad_norm_", "walks twice through what can be walked once")
def clip_exhausts(parameters, max_norm):
    norm = math.sqrt(sum(np.square(p.grad.data, dtype=np.float64).sum() for p in parameters if p.grad is not None))
    if norm > max_norm:
        for p in parameters:
            if p.grad is not None:
                p.grad.data[...] *= max_norm / norm
    return norm


# -- stalled ----------------------------------------------------------------------------------------------------------

wrong("stalled", "waits for one epoch too many", ">=", ">")
wrong("stalled", "takes the last of equal values", "len(values) - 1 - values", "values[::-1]")
wrong("stalled", "always watches the loss", "monitor", '"loss"')
wrong("stalled", "looks for the highest value", "min", "max")
wrong("stalled", "cannot do without a first epoch", "bool(values) and", "")


@wrong("stalled", "counts the epochs that got worse")
def stalled_rises(history, monitor, patience):
    values = [epoch[monitor] for epoch in history]
    return sum(values[i] >= values[i - 1] for i in range(1, len(values))) >= patience


# -- Trainer.step -----------------------------------------------------------------------------------------------------

wrong(
    "Trainer.step",
    "adds the micro-batches' gradients up",
    "total += self.add_gradient(x, y, len(x) / examples)",
    "loss = self.loss(self.model(x), y)\n    loss.backward()\n    total += loss.item() * len(x) / examples",
)
wrong(
    "Trainer.step",
    "lets every micro-batch count the same",
    "examples, total = sum(len(x) for x, _ in micro_batches), 0.0",
    "total = 0.0",
    "total += self.add_gradient(x, y, len(x) / examples)",
    "loss = self.loss(self.model(x), y) / len(micro_batches)\n    loss.backward()\n    total += loss.item()",
)
wrong(
    "Trainer.step",
    "never forgets the gradients",
    "self.optimizer.zero_grad()",
    "",
    "total += self.add_gradient(x, y, len(x) / examples)",
    "loss = self.loss(self.model(x), y) * (len(x) / examples)\n    loss.backward()\n    total += loss.item()",
)
wrong(
    "Trainer.step",
    "forgets the schedule",
    "total += self.add_gradient(x, y, len(x) / examples)",
    "loss = self.loss(self.model(x), y) * (len(x) / examples)\n    loss.backward()\n    total += loss.item()",
    "if self.schedule is not None:\n    self.schedule.step()",
    "",
)
wrong(
    "Trainer.step",
    "walks back and stays where it is",
    "total += self.add_gradient(x, y, len(x) / examples)",
    "loss = self.loss(self.model(x), y) * (len(x) / examples)\n    loss.backward()\n    total += loss.item()",
    "self.optimizer.step()",
    "",
)


@wrong("Trainer.step", "forgets the gradients at every micro-batch")
def step_zero_inside(self, micro_batches):
    examples, total = sum(len(x) for x, _ in micro_batches), 0.0
    for x, y in micro_batches:
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y) * (len(x) / examples)
        loss.backward()
        total += loss.item()
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return total


@wrong("Trainer.step", "steps after every micro-batch")
def step_inside(self, micro_batches):
    examples, total = sum(len(x) for x, _ in micro_batches), 0.0
    for x, y in micro_batches:
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        total += loss.item() * len(x) / examples
        if self.clip is not None:
            self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return total


@wrong("Trainer.step", "clips after every micro-batch")
def step_clips_inside(self, micro_batches):
    self.optimizer.zero_grad()
    examples, total = sum(len(x) for x, _ in micro_batches), 0.0
    for x, y in micro_batches:
        loss = self.loss(self.model(x), y) * (len(x) / examples)
        loss.backward()
        total += loss.item()
        if self.clip is not None:
            self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return total


@wrong("Trainer.step", "clips when the step is taken")
def step_clips_late(self, micro_batches):
    self.optimizer.zero_grad()
    examples, total = sum(len(x) for x, _ in micro_batches), 0.0
    for x, y in micro_batches:
        loss = self.loss(self.model(x), y) * (len(x) / examples)
        loss.backward()
        total += loss.item()
    self.optimizer.step()
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    if self.schedule is not None:
        self.schedule.step()
    return total


@wrong("Trainer.step", "returns the last micro-batch's loss")
def step_last_loss(self, micro_batches):
    self.optimizer.zero_grad()
    examples = sum(len(x) for x, _ in micro_batches)
    for x, y in micro_batches:
        loss = self.loss(self.model(x), y) * (len(x) / examples)
        loss.backward()
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return loss.item()


# -- Trainer.train_epoch ----------------------------------------------------------------------------------------------

wrong("Trainer.train_epoch", "begins every epoch at its beginning", "islice(data, self.batch, None)", "iter(data)")
wrong("Trainer.train_epoch", "skips steps, not batches", "self.batch", "self.batch * self.accumulate")
wrong(
    "Trainer.train_epoch",
    "drops what is left at the end",
    "micro_batches := list(islice(batches, self.accumulate))",
    "len(micro_batches := list(islice(batches, self.accumulate))) == self.accumulate",
)
wrong("Trainer.train_epoch", "does not tell the data which epoch it is", "self.epoch", "0")
wrong("Trainer.train_epoch", "leaves the model as the evaluation left it", "self.model.train()", "")
wrong(
    "Trainer.train_epoch",
    "looks at stopping before the step: one too many",
    "batches = islice(data, self.batch, None)",
    "batches, last = islice(data, self.batch, None), False",
    "self.stopping",
    "last",
    "False",
    "False\n    last = self.stopping",
)
wrong("Trainer.train_epoch", "says that a stopped epoch has ended", "return False", "break")


@wrong("Trainer.train_epoch", "starts anew for every step")
def epoch_iterates_anew(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    count = sum(1 for _ in data)
    for _ in range(self.batch, count, self.accumulate):
        micro_batches = list(islice(data, self.accumulate))
        after(micro_batches, self.step(micro_batches))
        if self.stopping:
            return False
    return True


# -- Trainer.evaluate -------------------------------------------------------------------------------------------------

wrong(
    "Trainer.evaluate",
    "takes the mean of the batches' means",
    "seen += len(x)",
    "seen += 1",
    "() * len(x)",
    "()",
    "float(metric(z, y)) * len(x)",
    "float(metric(z, y))",
)
wrong(
    "Trainer.evaluate",
    "stays in training mode",
    'mode, sums, seen = self.model.training, dict.fromkeys(["loss", *self.metrics], 0.0), 0\nself.model.eval()',
    'sums, seen = dict.fromkeys(["loss", *self.metrics], 0.0), 0',
    "self.model.train(mode)",
    "",
)


@wrong("Trainer.evaluate", "leaves the model in evaluation mode")
def evaluate_stays_in_eval(self, data):
    sums, seen = dict.fromkeys(["loss", *self.metrics], 0.0), 0
    self.model.eval()
    with no_grad():
        for x, y in data:
            z = self.model(x)
            seen += len(x)
            sums["loss"] += self.loss(z, y).item() * len(x)
            for name, metric in self.metrics.items():
                sums[name] += float(metric(z, y)) * len(x)
    if not seen:
        raise ValueError("evaluate needs one example or more, the data had none")
    return {name: value / seen for name, value in sums.items()}


@wrong("Trainer.evaluate", "puts the model into training mode, whatever it was in")
def evaluate_always_trains(self, data):
    sums, seen = dict.fromkeys(["loss", *self.metrics], 0.0), 0
    self.model.eval()
    with no_grad():
        for x, y in data:
            z = self.model(x)
            seen += len(x)
            sums["loss"] += self.loss(z, y).item() * len(x)
            for name, metric in self.metrics.items():
                sums[name] += float(metric(z, y)) * len(x)
    self.model.train()
    if not seen:
        raise ValueError("evaluate needs one example or more, the data had none")
    return {name: value / seen for name, value in sums.items()}


@wrong("Trainer.evaluate", "records a graph that nobody needs")
def evaluate_records(self, data):
    mode, sums, seen = self.model.training, dict.fromkeys(["loss", *self.metrics], 0.0), 0
    self.model.eval()
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


@wrong("Trainer.evaluate", "forgets the metrics")
def evaluate_loss_only(self, data):
    mode, total, seen = self.model.training, 0.0, 0
    self.model.eval()
    with no_grad():
        for x, y in data:
            seen += len(x)
            total += self.loss(self.model(x), y).item() * len(x)
    self.model.train(mode)
    if not seen:
        raise ValueError("evaluate needs one example or more, the data had none")
    return {"loss": total / seen}


@wrong("Trainer.evaluate", "says 0 of no examples")
def evaluate_of_nothing(self, data):
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
    return {name: value / max(seen, 1) for name, value in sums.items()}


# -- Trainer.load_state_dict ------------------------------------------------------------------------------------------

wrong(
    "Trainer.load_state_dict",
    "forgets what the optimizer remembers",
    "part.load_state_dict(within(arrays, name))",
    'if name != "optimizer":\n        part.load_state_dict(within(arrays, name))',
)
wrong(
    "Trainer.load_state_dict",
    "forgets the schedule",
    "for name, part in self.parts().items():\n    part.load_state_dict(within(arrays, name))",
    'self.model.load_state_dict(within(arrays, "model"))\nself.optimizer.load_state_dict(within(arrays, "optimizer"))',
)
wrong(
    "Trainer.load_state_dict",
    "rolls other dice",
    'for name, rng in generators(self.model).items():\n    rng.bit_generator.state = rest["generators"][name]',
    "",
)
wrong(
    "Trainer.load_state_dict",
    "restores the package's generator only",
    'for name, rng in generators(self.model).items():\n    rng.bit_generator.state = rest["generators"][name]',
    'generators(self.model)["package"].bit_generator.state = rest["generators"]["package"]',
)
wrong(
    "Trainer.load_state_dict",
    "does not know where it is",
    "for name in POSITION:\n    setattr(self, name, copy.deepcopy(rest[name]))",
    "",
)
wrong(
    "Trainer.load_state_dict", "writes on into the state that it was given", "copy.deepcopy(rest[name])", "rest[name]"
)
wrong(
    "Trainer.load_state_dict",
    "goes on at the epoch's beginning",
    "for name in POSITION:\n    setattr(self, name, copy.deepcopy(rest[name]))",
    'self.epoch, self.steps, self.history = rest["epoch"], rest["steps"], list(rest["history"])',
)


@wrong("Trainer.load_state_dict", "takes the weights and nothing else")
def load_weights_only(self, arrays, rest):
    self.model.load_state_dict(within(arrays, "model"))

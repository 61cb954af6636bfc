"""Wrong answers to chapter 07: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math
from itertools import islice

import numpy as np

from tinytorch.training import clip_grad_norm_, within
from tito.rubrics.planted import wrong

# -- accuracy ---------------------------------------------------------------------------------------------------------

wrong("accuracy", "counts instead of taking the share", ".mean()", ".sum()")
wrong("accuracy", "looks for the largest score of each class", "argmax(axis=-1)", "argmax(axis=0)[: len(target)]")
wrong("accuracy", "lets a column broadcast", "logits.shape[:-1] != target.shape", "False")
wrong("accuracy", "takes the smallest score", "argmax", "argmin")
wrong("accuracy", "names only one of the shapes", "{logits.shape} and {target.shape}", "{target.shape}")
wrong(
    "accuracy",
    "marks the largest in the logits themselves",
    "return float",
    "logits.data[...] = logits.data == logits.data.max(axis=-1, keepdims=True)\nreturn float",
)
wrong("accuracy", "takes the mean in half precision", ".mean()", ".mean(dtype=np.float16)")

wrong(
    "accuracy",
    "compares the lengths: a target (B, 1) passes for (B, T)",
    "logits.shape[:-1] != target.shape",
    "len(logits.data) != len(target.data) or target.data.ndim != logits.data.ndim - 1",
)
wrong(
    "accuracy",
    "lets one target stand for all",
    "logits.shape[:-1] != target.shape",
    "target.shape and logits.shape[:-1] != target.shape",
)
wrong(
    "accuracy",
    "cannot do without a batch",
    "if logits.shape",
    'if not target.shape:\n    raise ValueError("no batch")\nif logits.shape',
)
wrong(
    "accuracy",
    "counts a tie as right: a network of equal scores knows everything",
    "logits.data.argmax(axis=-1) == target.data",
    "np.take_along_axis(logits.data, target.data[..., None], -1)[..., 0] == logits.data.max(axis=-1)",
)
wrong(
    "accuracy",
    "takes the exponentials first, which overflow",
    "logits.data.argmax",
    "(np.exp(logits.data) / np.exp(logits.data).sum(axis=-1, keepdims=True)).argmax",
)
wrong("accuracy", "answers with a tensor", "return float(", "return Tensor(")

wrong("accuracy", "compares in float32", "logits.data.argmax", "logits.data.astype(np.float32).argmax")
wrong(
    "accuracy",
    "flattens the caller's tensors",
    "return float",
    "logits.data, target.data = logits.data.reshape(-1, logits.shape[-1]), target.data.reshape(-1)\nreturn float",
)

# -- clip_grad_norm_ --------------------------------------------------------------------------------------------------

wrong(
    "clip_grad_norm_",
    "clips each number by itself",
    "if norm > max_norm:\n    for g in gradients:\n        g *= max_norm / norm",
    "for g in gradients:\n    np.clip(g, -max_norm, max_norm, out=g)",
)
wrong("clip_grad_norm_", "scales a short gradient up", "norm > max_norm", "True")
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
wrong(
    "clip_grad_norm_",
    "takes the largest entry for the norm",
    "math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))",
    "max((float(np.abs(g).max()) for g in gradients), default=0.0)",
)
wrong(
    "clip_grad_norm_",
    "leaves a frozen parameter's gradient out",
    "p.grad is not None",
    "p.grad is not None and p.requires_grad",
)


wrong("clip_grad_norm_", "takes a single tensor for a list of its rows", "[parameters]", "list(parameters)")
wrong(
    "clip_grad_norm_",
    "clips nothing where the parameters were used up before",
    "isinstance(parameters, Iterator)",
    "False",
)
wrong("clip_grad_norm_", "turns the gradient round for a norm below 0", "not max_norm >= 0", "False")
wrong("clip_grad_norm_", "takes a Parameter for a list of its rows", "isinstance(parameters, Tensor)",
      "type(parameters) is Tensor")  # fmt: skip
wrong("clip_grad_norm_", "scales a flat copy of a transposed gradient", "g *= max_norm / norm",
      "flat = g.reshape(-1)\n        flat *= max_norm / norm")  # fmt: skip
wrong("clip_grad_norm_", "divides 0 by 0 where nothing is to be clipped", "norm > max_norm", "norm >= max_norm")
wrong("clip_grad_norm_", "refuses to measure only", "not max_norm >= 0", "not 0 <= max_norm < math.inf")
wrong("clip_grad_norm_", "passes over a NaN", "np.square(g, dtype=np.float64).sum()",
      "np.nansum(np.square(g, dtype=np.float64))")  # fmt: skip
wrong(
    "clip_grad_norm_",
    "puts another tensor into .grad",
    "    for g in gradients:\n        g *= max_norm / norm",
    "    for p in clipped:\n        p.grad = None if p.grad is None else p.grad * (max_norm / norm)",
)


wrong("clip_grad_norm_", "answers with a tensor", "return norm", "return Tensor(norm)")
wrong("clip_grad_norm_", "scales the parameters, too", "g *= max_norm / norm",
      "g *= max_norm / norm\n    for p in clipped:\n        p.data *= max_norm / norm")  # fmt: skip


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
wrong("stalled", "always watches the loss", "epoch[monitor]) else epoch[monitor]", 'epoch["loss"]) else epoch["loss"]')
wrong("stalled", "looks for the highest value", "min", "max")
wrong("stalled", "cannot do without a first epoch", "bool(values) and", "")
wrong("stalled", "cuts the caller's history", "return bool", "del history[:-patience]\nreturn bool")
wrong(
    "stalled",
    "takes NaN for 0, the best there is",
    "math.inf if math.isnan(epoch[monitor]) else epoch[monitor]",
    "float(np.nan_to_num(epoch[monitor]))",
)
wrong(
    "stalled", "takes NaN for a number", "math.inf if math.isnan(epoch[monitor]) else epoch[monitor]", "epoch[monitor]"
)


wrong(
    "stalled",
    "looks at the size of a value only",
    "else epoch[monitor]",
    "else abs(epoch[monitor])",
)
wrong("stalled", "takes NaN for 1000, higher than any loss that it has seen", "math.inf", "1e3")
wrong(
    "stalled",
    "gives up at the first NaN",
    "return bool(values)",
    "if history and math.isnan(history[-1][monitor]):\n    return True\nreturn bool(values)",
)


wrong(
    "stalled",
    "takes close values for equal",
    "values.index(min(values))",
    "int(np.isclose(values, min(values), rtol=1e-9).argmax())",
)
wrong("stalled", "takes whole numbers", "else epoch[monitor]", "else int(epoch[monitor])")


wrong("stalled", "takes it that no loss is below 0", "else epoch[monitor]", "else max(epoch[monitor], 0.0)")


@wrong("stalled", "begins with a thousand million for the best")
def stalled_sentinel(history, monitor, patience):
    best, since = 1e9, 0
    for i, epoch in enumerate(history):
        if epoch[monitor] < best:
            best, since = epoch[monitor], 0
        else:
            since += i > 0
    return bool(history) and since >= patience


@wrong("stalled", "asks for the lowest that is no NaN, of which there may be none")
def stalled_nanargmin(history, monitor, patience):
    values = np.array([epoch[monitor] for epoch in history], float)
    return len(history) > 0 and bool(len(values) - 1 - np.nanargmin(values) >= patience)


@wrong("stalled", "counts a NaN in the first epoch as a wait")
def stalled_waits(history, monitor, patience):
    best, since = math.inf, 0
    for epoch in history:
        if epoch[monitor] < best:
            best, since = epoch[monitor], 0
        else:
            since += 1
    return since >= patience


@wrong("stalled", "asks for an improvement of a ten-thousandth")
def stalled_delta(history, monitor, patience):
    values = [math.inf if math.isnan(epoch[monitor]) else epoch[monitor] for epoch in history]
    at = 0
    for i, value in enumerate(values):
        if value < values[at] - 1e-4:
            at = i
    return bool(values) and len(values) - 1 - at >= patience


@wrong("stalled", "takes a best value of 0 for none")
def stalled_falsy(history, monitor, patience):
    best, since = None, 0
    for epoch in history:
        value = math.inf if math.isnan(epoch[monitor]) else epoch[monitor]
        if not best or value < best:
            best, since = value, 0
        else:
            since += 1
    return bool(history) and since >= patience


@wrong("stalled", "counts the epochs that got worse")
def stalled_rises(history, monitor, patience):
    values = [epoch[monitor] for epoch in history]
    return sum(values[i] >= values[i - 1] for i in range(1, len(values))) >= patience


# -- Trainer.step -----------------------------------------------------------------------------------------------------

wrong("Trainer.step", "adds the micro-batches' gradients up", "len(x) / examples", "1.0")
wrong("Trainer.step", "lets every micro-batch count the same", "len(x) / examples", "1 / len(micro_batches)")
wrong(
    "Trainer.step",
    "forgets the gradients at every micro-batch",
    "total += self",
    "self.optimizer.zero_grad()\n    total += self",
)
wrong("Trainer.step", "never forgets the gradients", "self.optimizer.zero_grad()", "")
wrong(
    "Trainer.step",
    "clips after every micro-batch",
    "if self.clip is not None:\n    self.step_norm",
    "    if self.clip is not None:\n        self.step_norm",
)
wrong(
    "Trainer.step",
    "clips when the step is taken",
    "if self.clip",
    "self.optimizer.step()\nif self.clip",
    "self.optimizer.step()",
    "",
)
wrong("Trainer.step", "forgets the schedule", "self.schedule is not None", "False")
wrong("Trainer.step", "walks back and stays where it is", "self.optimizer.step()", "")
wrong("Trainer.step", "returns the last micro-batch's loss", "total +=", "total =")
wrong(
    "Trainer.step",
    "forgets the gradients after the step only: those from before count",
    "self.optimizer.zero_grad()",
    "",
    "return total",
    "self.optimizer.zero_grad()\nreturn total",
)
wrong(
    "Trainer.step",
    "moves the schedule before the weights",
    "self.optimizer.step()\n",
    "",
    "return total",
    "self.optimizer.step()\nreturn total",
)
wrong("Trainer.step", "does not keep the norm", "self.step_norm = ", "")
wrong(
    "Trainer.step",
    "uses the caller's list up",
    "for x, y in micro_batches:",
    "while micro_batches:\n    x, y = micro_batches.pop(0)",
)


wrong("Trainer.step", "counts the step, which is counted again later", "return total", "self.steps += 1\nreturn total")
wrong(
    "Trainer.step",
    "calls the callbacks, which are called again later",
    "return total",
    "for callback in self.callbacks:\n    callback(self)\nreturn total",
)
wrong("Trainer.step", "leaves the training mode", "return total", "self.model.eval()\nreturn total")
wrong(
    "Trainer.step",
    "turns the caller's list round",
    "for x, y in micro_batches:",
    "micro_batches.reverse()\nfor x, y in micro_batches:",
)
wrong(
    "Trainer.step",
    "clips only where there is no schedule",
    "self.clip is not None",
    "self.clip is not None and self.schedule is None",
)
wrong(
    "Trainer.step",
    "keeps the norm of the first step for good",
    "self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)",
    "norm = clip_grad_norm_(self.model.parameters(), self.clip)\n"
    "    self.step_norm = norm if math.isnan(self.step_norm) else self.step_norm",
)
wrong(
    "Trainer.step",
    "does not measure where nothing is clipped",
    "self.clip is not None",
    "self.clip is not None and self.clip < math.inf",
)


wrong("Trainer.step", "answers with an array", "return total", "return np.asarray(total)")
wrong(
    "Trainer.step",
    "clips the optimizer's first group only",
    "self.model.parameters()",
    'self.optimizer.param_groups[0]["params"]',
)
wrong(
    "Trainer.step",
    "clips each parameter by itself",
    "clip_grad_norm_(self.model.parameters(), self.clip)",
    "math.hypot(*(clip_grad_norm_(p, self.clip) for p in self.model.parameters()))",
)
wrong(
    "Trainer.step",
    "goes downhill by itself, without the optimizer's momentum",
    "self.optimizer.step()",
    'for group in self.optimizer.param_groups:\n    for p in group["params"]:\n'
    '        if p.grad is not None:\n            p.data -= group["lr"] * p.grad.data',
)
wrong(
    "Trainer.step",
    "runs the model once more to measure the loss",
    "total += self.add_gradient(x, y, len(x) / examples)",
    "total += self.loss(self.model(x), y).item() * len(x) / examples\n    self.add_gradient(x, y, len(x) / examples)",
)
wrong(
    "Trainer.step",
    "moves the schedule only where nothing is clipped",
    "self.schedule is not None",
    "self.clip is None and self.schedule is not None",
)
wrong(
    "Trainer.step",
    "asks how far the outputs are from the targets the wrong way round",
    "total += self.add_gradient(x, y, len(x) / examples)",
    "loss = self.loss(y, self.model(x)) * (len(x) / examples)\n    loss.backward()\n    total += loss.item()",
)
wrong(
    "Trainer.step",
    "has one loss for all trainers",
    "total += self.add_gradient(x, y, len(x) / examples)",
    "loss = ((self.model(x) - y) ** 2).mean() * (len(x) / examples)\n    loss.backward()\n    total += loss.item()",
)


wrong(
    "Trainer.step",
    "leaves out a step whose loss is NaN",
    "self.optimizer.step()",
    "if not math.isfinite(total):\n    return total\nself.optimizer.step()",
)
wrong("Trainer.step", "takes a loss of NaN for 0", "return total", "return float(np.nan_to_num(total))")


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
wrong(
    "Trainer.train_epoch",
    "chooses the mode in the first epoch only",
    "self.model.train()",
    "if not self.epoch:\n    self.model.train()",
)


wrong(
    "Trainer.train_epoch",
    "chooses the mode at an epoch's beginning only",
    "self.model.train()",
    "if not self.batch:\n    self.model.train()",
)
wrong(
    "Trainer.train_epoch",
    "counts the batches, which after() counts again",
    "after(micro_batches, self.step(micro_batches))",
    "after(micro_batches, self.step(micro_batches))\n    self.batch += len(micro_batches)",
)
wrong(
    "Trainer.train_epoch",
    "takes the wish to stop back, so that fit goes on",
    "    return False",
    "    self.stopping = False\n        return False",
)
wrong(
    "Trainer.train_epoch",
    "tells the epoch when the pass has begun",
    "data.set_epoch(self.epoch)",
    "",
    "batches = islice(data, self.batch, None)",
    "batches = islice(data, self.batch, None)\ndata.set_epoch(self.epoch)",
)
wrong(
    "Trainer.train_epoch",
    "keeps the first epoch's pass, which is used up in the second",
    "batches = islice(data, self.batch, None)",
    'batches = vars(self).setdefault("batches", islice(data, self.batch, None))',
)


wrong("Trainer.train_epoch", "writes into the data what it should tell", "data.set_epoch(self.epoch)",
      "data.epoch = self.epoch")  # fmt: skip
wrong(
    "Trainer.train_epoch",
    "begins the sums of a resumed epoch anew",
    "self.model.train()",
    'self.model.train()\nself.running = {"loss": 0.0, "seen": 0}',
)
wrong(
    "Trainer.train_epoch",
    "calls the callbacks, which after() calls again",
    "after(micro_batches, self.step(micro_batches))",
    "after(micro_batches, self.step(micro_batches))\n    for callback in self.callbacks:\n        callback(self)",
)
wrong(
    "Trainer.train_epoch",
    "does not report the step in which somebody asked to stop",
    "after(micro_batches, self.step(micro_batches))",
    "loss = self.step(micro_batches)\n    if self.stopping:\n        return False\n    after(micro_batches, loss)",
)
wrong(
    "Trainer.train_epoch",
    "forgets a wish to stop that came before the first step",
    "self.model.train()",
    "self.model.train()\nself.stopping = False",
)
wrong(
    "Trainer.train_epoch",
    "reports the batches that it skips",
    "batches = islice(data, self.batch, None)",
    "batches = iter(data)\nfor batch in list(islice(batches, self.batch)):\n    after([batch], 0.0)",
)


@wrong("Trainer.train_epoch", "adds its own count to the place that after() moves: every other batch")
def epoch_counts_twice(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    batches, taken = list(data), 0
    while self.batch + taken < len(batches):
        micro_batches = batches[self.batch + taken : self.batch + taken + self.accumulate]
        after(micro_batches, self.step(micro_batches))
        taken += len(micro_batches)
        if self.stopping:
            return False
    return True


wrong(
    "Trainer.train_epoch",
    "chooses the model's mode, and not its parts'",
    "self.model.train()",
    "self.model.training = True",
)


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
wrong("Trainer.evaluate", "stays in training mode", "self.model.eval()", "")
wrong("Trainer.evaluate", "leaves the model in evaluation mode", "self.model.train(mode)", "")
wrong(
    "Trainer.evaluate",
    "puts the model into training mode, whatever it was in",
    "self.model.train(mode)",
    "self.model.train()",
)
wrong("Trainer.evaluate", "records a graph that nobody needs", "with no_grad()", "if True")
wrong("Trainer.evaluate", "forgets the metrics", "*self.metrics", "", "self.metrics.items()", "()")
wrong("Trainer.evaluate", "says 0 of no examples", "if not seen", "if False", "value / seen", "value / max(seen, 1)")
wrong(
    "Trainer.evaluate",
    "does not put the mode back where there were no examples",
    "self.model.train(mode)\n",
    "",
    "return {name",
    "self.model.train(mode)\nreturn {name",
)
wrong(
    "Trainer.evaluate",
    "takes the last batch for all in its metrics",
    "sums[name] += float(metric(z, y)) * len(x)",
    "sums[name] = float(metric(z, y)) * seen",
)
wrong(
    "Trainer.evaluate", "takes a loss of NaN for 0", "self.loss(z, y).item()", "np.nan_to_num(self.loss(z, y).item())"
)

wrong(
    "Trainer.evaluate",
    "walks twice through what can be walked once",
    "mode, sums",
    "count = sum(len(x) for x, _ in data)\nmode, sums",
    "value / seen",
    "value / count",
)
wrong(
    "Trainer.evaluate",
    "walks through the data once more for each metric",
    "        for name, metric in self.metrics.items():\n            sums[name] += float(metric(z, y)) * len(x)",
    "    for name, metric in self.metrics.items():\n        for x, y in data:\n"
    "            sums[name] += float(metric(self.model(x), y)) * len(x)",
)
wrong(
    "Trainer.evaluate",
    "counts the examples where it calls the metrics, if there are any",
    "seen += len(x)\n",
    "\n",
    "sums[name] += ",
    "seen += len(x) / len(self.metrics)\n            sums[name] += ",
)
wrong(
    "Trainer.evaluate",
    "writes into the history, as finish_epoch does",
    "return {name: value / seen for name, value in sums.items()}",
    "self.history.append({name: value / seen for name, value in sums.items()})\nreturn self.history[-1]",
)
wrong(
    "Trainer.evaluate",
    "goes on with the sums of the last evaluation",
    'dict.fromkeys(["loss", *self.metrics], 0.0), 0',
    'vars(self).setdefault("sums", dict.fromkeys(["loss", *self.metrics], 0.0)), 0',
)

wrong(
    "Trainer.evaluate",
    "turns recording on afterwards, whether it was on or off",
    "with no_grad():\n    for x, y in data:",
    "from tinytorch.tensor import set_grad_enabled\n\nset_grad_enabled(False)\nif True:\n    for x, y in data:",
    "self.model.train(mode)\n",
    "set_grad_enabled(True)\nself.model.train(mode)\n",
)
wrong("Trainer.evaluate", "answers with arrays", "self.loss(z, y).item() * len(x)", "self.loss(z, y).data * len(x)")
wrong(
    "Trainer.evaluate",
    "writes over the last step's loss",
    'sums["loss"] += self.loss(z, y).item() * len(x)',
    'self.step_loss = self.loss(z, y).item()\n        sums["loss"] += self.step_loss * len(x)',
)
wrong(
    "Trainer.evaluate",
    "hands out one dict, which the next evaluation writes over",
    "return {name: value / seen for name, value in sums.items()}",
    'found = vars(self).setdefault("found", {})\n'
    "found.update({name: value / seen for name, value in sums.items()})\nreturn found",
)
wrong("Trainer.evaluate", "hands the loss the targets first", "self.loss(z, y)", "self.loss(y, z)")
wrong("Trainer.evaluate", "has one loss for all trainers", "self.loss(z, y).item()", "((z - y) ** 2).mean().item()")

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
wrong("Trainer.load_state_dict", "rolls other dice", 'rest["generators"][name]', "rng.bit_generator.state")
wrong(
    "Trainer.load_state_dict",
    "restores the package's generator only",
    'for name, rng in generators(self.model).items():\n    rng.bit_generator.state = rest["generators"][name]',
    'generators(self.model)["package"].bit_generator.state = rest["generators"]["package"]',
)
wrong("Trainer.load_state_dict", "does not know where it is", "POSITION", "()")
wrong(
    "Trainer.load_state_dict", "writes on into the state that it was given", "copy.deepcopy(rest[name])", "rest[name]"
)
wrong(
    "Trainer.load_state_dict",
    "goes on at the epoch's beginning",
    "for name in POSITION:\n    setattr(self, name, copy.deepcopy(rest[name]))",
    'self.epoch, self.steps, self.history = rest["epoch"], rest["steps"], list(rest["history"])',
)
wrong(
    "Trainer.load_state_dict",
    "loads the schedule last: its rate, and not the optimizer's, is in force",
    "self.parts().items()",
    "reversed(self.parts().items())",
)


wrong("Trainer.load_state_dict", "takes things out of the state", "rest[name])", "rest.pop(name))")
wrong(
    "Trainer.load_state_dict",
    "takes it that there is a schedule",
    "for name, part in self.parts().items():\n    part.load_state_dict(within(arrays, name))",
    'for name in ("model", "schedule", "optimizer"):\n    getattr(self, name).load_state_dict(within(arrays, name))',
)
wrong(
    "Trainer.load_state_dict",
    "makes the state's arrays its weights, and trains on in them",
    "for name in POSITION:",
    'for name, p in self.model.named_parameters():\n    p.data = arrays[f"model.{name}"]\nfor name in POSITION:',
)
wrong(
    "Trainer.load_state_dict",
    "writes the history behind its own",
    "setattr(self, name, copy.deepcopy(rest[name]))",
    'kept = self.history if name == "history" else None\n'
    "    setattr(self, name, kept + copy.deepcopy(rest[name]) if kept else copy.deepcopy(rest[name]))",
)


wrong(
    "Trainer.load_state_dict",
    "takes the part's name out wherever it stands",
    "within(arrays, name)",
    'within({f"{name}." + k.replace(f"{name}.", ""): v for k, v in arrays.items() if k.startswith(name)}, name)',
)
wrong(
    "Trainer.load_state_dict",
    "loads the parameters by hand, and no buffers",
    "part.load_state_dict(within(arrays, name))",
    'if name != "model":\n        part.load_state_dict(within(arrays, name))\n    else:\n'
    "        for key, p in self.model.named_parameters():\n"
    '            p.data[...] = arrays["model." + key]',
)


wrong(
    "Trainer.load_state_dict",
    "goes on counting where it was, if it was further",
    "copy.deepcopy(rest[name])",
    'max(self.steps, rest[name]) if name == "steps" else copy.deepcopy(rest[name])',
)


@wrong("Trainer.load_state_dict", "takes the weights and nothing else")
def load_weights_only(self, arrays, rest):
    self.model.load_state_dict(within(arrays, "model"))


# -- accounting -------------------------------------------------------------------------------------------------------

wrong("checkpoint_bytes", "keeps the weights alone", "3 * 4 * numbers", "4 * numbers")
wrong("checkpoint_bytes", "keeps one running mean, not two", "3 * 4 * numbers", "2 * 4 * numbers")
wrong("checkpoint_bytes", "keeps the gradients, too", "3 * 4 * numbers", "4 * 4 * numbers")
wrong("checkpoint_bytes", "counts numbers, not bytes", "3 * 4 * numbers", "3 * numbers")
wrong("checkpoint_bytes", "takes a float32 for eight bytes", "3 * 4 * numbers", "3 * 8 * numbers")

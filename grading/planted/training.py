"""Wrong answers to chapter 07: mistakes that students really make. Read, never run; see tito/planted.py."""

import copy
import math
from itertools import islice

import numpy as np

from tinytorch.tensor import no_grad
from tinytorch.training import POSITION, clip_grad_norm_, generators, within
from tito.rubrics.planted import wrong

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


@wrong("clip_grad_norm_", "clips each gradient by itself")
def clip_each(parameters, max_norm):
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
    for g in gradients:
        own = math.sqrt(np.square(g, dtype=np.float64).sum())
        if own > max_norm:
            g *= max_norm / own
    return norm


@wrong("clip_grad_norm_", "clips each number by itself")
def clip_by_value(parameters, max_norm):
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
    for g in gradients:
        np.clip(g, -max_norm, max_norm, out=g)
    return norm


@wrong("clip_grad_norm_", "scales a short gradient up")
def clip_always(parameters, max_norm):
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
    for g in gradients:
        g *= max_norm / norm
    return norm


@wrong("clip_grad_norm_", "adds up the norms")
def clip_sum_of_norms(parameters, max_norm):
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    norm = float(sum(math.sqrt(np.square(g, dtype=np.float64).sum()) for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return norm


@wrong("clip_grad_norm_", "returns the norm afterwards")
def clip_norm_afterwards(parameters, max_norm):
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return min(norm, max_norm)


@wrong("clip_grad_norm_", "makes new arrays and drops them")
def clip_not_in_place(parameters, max_norm):
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g = g * max_norm / norm
    return norm


@wrong("clip_grad_norm_", "takes it that everything has a gradient")
def clip_without_none(parameters, max_norm):
    gradients = [p.grad.data for p in parameters]
    norm = math.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return norm


@wrong("clip_grad_norm_", "squares in float32")
def clip_in_float32(parameters, max_norm):
    gradients = [p.grad.data for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(float((g * g).sum()) for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
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


@wrong("stalled", "waits for one epoch too many")
def stalled_late(history, monitor, patience):
    values = [epoch[monitor] for epoch in history]
    return bool(values) and len(values) - 1 - values.index(min(values)) > patience


@wrong("stalled", "counts the epochs that got worse")
def stalled_rises(history, monitor, patience):
    values = [epoch[monitor] for epoch in history]
    return sum(values[i] >= values[i - 1] for i in range(1, len(values))) >= patience


@wrong("stalled", "takes the last of equal values")
def stalled_last_of_equals(history, monitor, patience):
    values = [epoch[monitor] for epoch in history]
    return bool(values) and values[::-1].index(min(values)) >= patience


@wrong("stalled", "always watches the loss")
def stalled_loss(history, monitor, patience):
    values = [epoch["loss"] for epoch in history]
    return bool(values) and len(values) - 1 - values.index(min(values)) >= patience


@wrong("stalled", "looks for the highest value")
def stalled_highest(history, monitor, patience):
    values = [epoch[monitor] for epoch in history]
    return bool(values) and len(values) - 1 - values.index(max(values)) >= patience


@wrong("stalled", "cannot do without a first epoch")
def stalled_of_nothing(history, monitor, patience):
    values = [epoch[monitor] for epoch in history]
    return len(values) - 1 - values.index(min(values)) >= patience


# -- Trainer.step -----------------------------------------------------------------------------------------------------


@wrong("Trainer.step", "adds the micro-batches' gradients up")
def step_sum(self, micro_batches):
    self.optimizer.zero_grad()
    examples, total = sum(len(x) for x, _ in micro_batches), 0.0
    for x, y in micro_batches:
        loss = self.loss(self.model(x), y)
        loss.backward()
        total += loss.item() * len(x) / examples
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return total


@wrong("Trainer.step", "lets every micro-batch count the same")
def step_mean_of_means(self, micro_batches):
    self.optimizer.zero_grad()
    total = 0.0
    for x, y in micro_batches:
        loss = self.loss(self.model(x), y) / len(micro_batches)
        loss.backward()
        total += loss.item()
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    if self.schedule is not None:
        self.schedule.step()
    return total


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


@wrong("Trainer.step", "never forgets the gradients")
def step_without_zero(self, micro_batches):
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


@wrong("Trainer.step", "forgets the schedule")
def step_without_schedule(self, micro_batches):
    self.optimizer.zero_grad()
    examples, total = sum(len(x) for x, _ in micro_batches), 0.0
    for x, y in micro_batches:
        loss = self.loss(self.model(x), y) * (len(x) / examples)
        loss.backward()
        total += loss.item()
    if self.clip is not None:
        self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
    self.optimizer.step()
    return total


@wrong("Trainer.step", "walks back and stays where it is")
def step_without_optimizer(self, micro_batches):
    self.optimizer.zero_grad()
    examples, total = sum(len(x) for x, _ in micro_batches), 0.0
    for x, y in micro_batches:
        loss = self.loss(self.model(x), y) * (len(x) / examples)
        loss.backward()
        total += loss.item()
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


@wrong("Trainer.train_epoch", "begins every epoch at its beginning")
def epoch_from_the_start(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    batches = iter(data)
    while micro_batches := list(islice(batches, self.accumulate)):
        after(micro_batches, self.step(micro_batches))
        if self.stopping:
            return False
    return True


@wrong("Trainer.train_epoch", "skips steps, not batches")
def epoch_skips_steps(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    batches = islice(data, self.batch * self.accumulate, None)
    while micro_batches := list(islice(batches, self.accumulate)):
        after(micro_batches, self.step(micro_batches))
        if self.stopping:
            return False
    return True


@wrong("Trainer.train_epoch", "drops what is left at the end")
def epoch_drops_the_last(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    batches = islice(data, self.batch, None)
    while len(micro_batches := list(islice(batches, self.accumulate))) == self.accumulate:
        after(micro_batches, self.step(micro_batches))
        if self.stopping:
            return False
    return True


@wrong("Trainer.train_epoch", "does not tell the data which epoch it is")
def epoch_of_no_number(self, data, after):
    data.set_epoch(0)
    self.model.train()
    batches = islice(data, self.batch, None)
    while micro_batches := list(islice(batches, self.accumulate)):
        after(micro_batches, self.step(micro_batches))
        if self.stopping:
            return False
    return True


@wrong("Trainer.train_epoch", "leaves the model as the evaluation left it")
def epoch_without_train(self, data, after):
    data.set_epoch(self.epoch)
    batches = islice(data, self.batch, None)
    while micro_batches := list(islice(batches, self.accumulate)):
        after(micro_batches, self.step(micro_batches))
        if self.stopping:
            return False
    return True


@wrong("Trainer.train_epoch", "looks at stopping before the step: one too many")
def epoch_stops_late(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    batches, last = islice(data, self.batch, None), False
    while micro_batches := list(islice(batches, self.accumulate)):
        after(micro_batches, self.step(micro_batches))
        if last:
            return False
        last = self.stopping
    return True


@wrong("Trainer.train_epoch", "says that a stopped epoch has ended")
def epoch_breaks(self, data, after):
    data.set_epoch(self.epoch)
    self.model.train()
    batches = islice(data, self.batch, None)
    while micro_batches := list(islice(batches, self.accumulate)):
        after(micro_batches, self.step(micro_batches))
        if self.stopping:
            break
    return True


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


@wrong("Trainer.evaluate", "takes the mean of the batches' means")
def evaluate_means(self, data):
    mode, sums, seen = self.model.training, dict.fromkeys(["loss", *self.metrics], 0.0), 0
    self.model.eval()
    with no_grad():
        for x, y in data:
            z = self.model(x)
            seen += 1
            sums["loss"] += self.loss(z, y).item()
            for name, metric in self.metrics.items():
                sums[name] += float(metric(z, y))
    self.model.train(mode)
    if not seen:
        raise ValueError("evaluate needs one example or more, the data had none")
    return {name: value / seen for name, value in sums.items()}


@wrong("Trainer.evaluate", "stays in training mode")
def evaluate_in_training_mode(self, data):
    sums, seen = dict.fromkeys(["loss", *self.metrics], 0.0), 0
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


@wrong("Trainer.load_state_dict", "takes the weights and nothing else")
def load_weights_only(self, arrays, rest):
    self.model.load_state_dict(within(arrays, "model"))


@wrong("Trainer.load_state_dict", "forgets what the optimizer remembers")
def load_without_optimizer(self, arrays, rest):
    for name, part in self.parts().items():
        if name != "optimizer":
            part.load_state_dict(within(arrays, name))
    for name, rng in generators(self.model).items():
        rng.bit_generator.state = rest["generators"][name]
    for name in POSITION:
        setattr(self, name, copy.deepcopy(rest[name]))


@wrong("Trainer.load_state_dict", "forgets the schedule")
def load_without_schedule(self, arrays, rest):
    self.model.load_state_dict(within(arrays, "model"))
    self.optimizer.load_state_dict(within(arrays, "optimizer"))
    for name, rng in generators(self.model).items():
        rng.bit_generator.state = rest["generators"][name]
    for name in POSITION:
        setattr(self, name, copy.deepcopy(rest[name]))


@wrong("Trainer.load_state_dict", "rolls other dice")
def load_without_generators(self, arrays, rest):
    for name, part in self.parts().items():
        part.load_state_dict(within(arrays, name))
    for name in POSITION:
        setattr(self, name, copy.deepcopy(rest[name]))


@wrong("Trainer.load_state_dict", "restores the package's generator only")
def load_package_generator(self, arrays, rest):
    for name, part in self.parts().items():
        part.load_state_dict(within(arrays, name))
    generators(self.model)["package"].bit_generator.state = rest["generators"]["package"]
    for name in POSITION:
        setattr(self, name, copy.deepcopy(rest[name]))


@wrong("Trainer.load_state_dict", "does not know where it is")
def load_without_position(self, arrays, rest):
    for name, part in self.parts().items():
        part.load_state_dict(within(arrays, name))
    for name, rng in generators(self.model).items():
        rng.bit_generator.state = rest["generators"][name]


@wrong("Trainer.load_state_dict", "writes on into the state that it was given")
def load_shares(self, arrays, rest):
    for name, part in self.parts().items():
        part.load_state_dict(within(arrays, name))
    for name, rng in generators(self.model).items():
        rng.bit_generator.state = rest["generators"][name]
    for name in POSITION:
        setattr(self, name, rest[name])


@wrong("Trainer.load_state_dict", "goes on at the epoch's beginning")
def load_whole_epochs(self, arrays, rest):
    for name, part in self.parts().items():
        part.load_state_dict(within(arrays, name))
    for name, rng in generators(self.model).items():
        rng.bit_generator.state = rest["generators"][name]
    self.epoch, self.steps, self.history = rest["epoch"], rest["steps"], list(rest["history"])

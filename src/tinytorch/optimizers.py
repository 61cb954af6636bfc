"""Optimizers: what to do with a gradient.

Notation: p the parameters, g = dL/dp, lr the learning rate; all of a group's parameters lie in one flat array, so that
one step is a few passes over memory, however many tensors there are. Each rule changes its arrays in place.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinytorch.tensor import Tensor

# -- one step of each ----------------------------------------------------------------------------------------------


def sgd_step(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    """v <- momentum * v + g,  p <- p - lr * v: a ball that rolls. Polyak, 1964.

    Nesterov's (1983) looks ahead: p <- p - lr * (g + momentum * v), with the new v.

    >>> p, v = np.array([1.0]), np.array([0.5])
    >>> sgd_step(p, np.array([2.0]), v, lr=0.1, momentum=0.9)
    >>> p.round(3), v.round(3)
    (array([0.755]), array([2.45]))
    """
    # Work in place: `velocity *= momentum` changes the array that the caller holds, `velocity = ...` does not.
    velocity *= momentum
    velocity += g
    p -= lr * (g + momentum * velocity if nesterov else velocity)


def rmsprop_step(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    """s <- alpha * s + (1 - alpha) * g^2,  p <- p - lr * g / (sqrt(s) + eps). Tieleman and Hinton, 2012.

    >>> p, s = np.array([1.0]), np.array([0.0])
    >>> rmsprop_step(p, np.array([2.0]), s, lr=0.1, alpha=0.75)
    >>> p.round(3), s
    (array([0.8]), array([1.]))
    """
    # A running mean of the squares tells how large this gradient usually is; each parameter is scaled by its own.
    square *= alpha
    square += (1 - alpha) * g * g
    p -= lr * g / (np.sqrt(square) + eps)


def bias_correction(beta: float, t: int) -> float:
    """1 - beta^t: the sum of the weights in a running mean that started at zero, after t steps.

    >>> bias_correction(0.9, 1), bias_correction(0.9, 100) > 0.9999
    (0.09999999999999998, True)
    """
    # After t steps the weights are (1 - beta) * (1 + beta + ... + beta^(t-1)): a geometric sum.
    return 1 - beta**t


def adam_step(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """m and v: running means of g and g^2;  p <- p - lr * (m / c1) / (sqrt(v / c2) + eps). Kingma and Ba, 2015.

    c1 and c2 are the bias corrections of beta1 and beta2 at step t = 1, 2, ...

    >>> p, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adam_step(p, np.array([5.0]), m, v, 1, lr=0.1)
    >>> p.round(3)
    array([0.9])
    """
    # The first step is lr in the direction of -g, whatever the size of g: check your corrections with that.
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    c1, c2 = bias_correction(beta1, t), bias_correction(beta2, t)
    p -= (lr / c1) * m / (np.sqrt(v) / math.sqrt(c2) + eps)


def decay(p, *, lr, weight_decay):
    """p <- p - lr * weight_decay * p, beside the gradient's step and not through it. Loshchilov and Hutter, 2019.

    >>> p = np.array([1.0, -2.0])
    >>> decay(p, lr=0.1, weight_decay=0.5)
    >>> p
    array([ 0.95, -1.9 ])
    """
    # One multiplication, in place.
    p *= 1 - lr * weight_decay


# -- flat memory ---------------------------------------------------------------------------------------------------


class Flat:
    """Parameters of one dtype, moved into one array: `values`, with `gradients` and each `state` laid out alike.

    Each parameter's data becomes a view of its place in `values`, so the network and the optimizer share the memory.
    """

    def __init__(self, parameters: list[Tensor], states: Iterable[str]):
        self.parameters = parameters
        ends = np.cumsum([0, *(p.size for p in parameters)])
        self.places = [slice(start, end) for start, end in zip(ends[:-1].tolist(), ends[1:].tolist())]
        self.values = np.empty(int(ends[-1]), parameters[0].dtype)
        self.gradients = np.empty_like(self.values)
        self.state = {name: np.zeros_like(self.values) for name in states}
        self.steps = [0] * len(parameters)

    def gather(self) -> Iterator[tuple[slice, int]]:
        """Collect data and gradients; yield runs of neighbours that have a gradient, with their step number from 1.

        A parameter without a gradient is left alone, its state too. Nearly always one run is everything.
        """
        run: slice | None = None
        at = 0
        for i, (p, place) in enumerate(zip(self.parameters, self.places)):
            if p.grad is None:
                continue
            if p.data.base is not self.values:  # new here, or someone gave it other data
                self.values[place] = p.data.ravel()
                p.data = self.values[place].reshape(p.shape)
            self.gradients[place] = p.grad.data.ravel()
            self.steps[i] += 1
            if run is not None and run.stop == place.start and at == self.steps[i]:
                run = slice(run.start, place.stop)
            else:
                if run is not None:
                    yield run, at
                run, at = place, self.steps[i]
        if run is not None:
            yield run, at


# -- optimizers ----------------------------------------------------------------------------------------------------


class Optimizer:
    """Moves parameters against their gradients. A kind of optimizer says what it remembers, and how it steps.

    `parameters` are tensors, or dicts with "params" and options of their own: parameter groups. Raises ValueError for
    no parameters, an unknown or negative option, or a parameter that stands in two groups.
    """

    states: tuple[str, ...] = ()

    def __init__(self, parameters: Iterable[Any], **defaults: Any):
        given = list(parameters)
        if not given:
            raise ValueError("an optimizer needs parameters, got none")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        self.param_groups = [{**defaults, **group, "params": list(group["params"])} for group in groups]
        everything = [id(p) for group in self.param_groups for p in group["params"]]
        if len(set(everything)) != len(everything):
            raise ValueError("a parameter stands in two groups, or twice in one")
        for group in self.param_groups:
            check_options(group, defaults)
        self.flats = [self._flat(group) for group in self.param_groups]

    def _flat(self, group: dict) -> list[Flat]:
        by_dtype: dict[np.dtype, list[Tensor]] = {}
        for p in group["params"]:
            by_dtype.setdefault(p.dtype, []).append(p)
        return [Flat(parameters, self.states) for parameters in by_dtype.values()]

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, np.ndarray], t: int, group: dict) -> None:
        """Move p against g, in place; t counts the steps from 1. Each kind of optimizer has its own."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group, flats in zip(self.param_groups, self.flats):
            for flat in flats:
                for run, t in flat.gather():
                    state = {name: array[run] for name, array in flat.state.items()}
                    self.update(flat.values[run], flat.gradients[run], state, t, group)

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """What is remembered between steps, and the options, as named arrays: enough to go on as if never stopped."""
        state: dict[str, np.ndarray] = {}
        for i, (group, flats) in enumerate(zip(self.param_groups, self.flats)):
            for name, value in group.items():
                if name != "params":
                    state[f"{i}.{name}"] = np.asarray(value)
            for j, flat in enumerate(flats):
                state[f"{i}.{j}.steps"] = np.array(flat.steps)
                state |= {f"{i}.{j}.{name}": array for name, array in flat.state.items()}
        return state

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Take over a state. Raises ValueError, before anything changes, if names or shapes differ."""
        own = self.state_dict()
        if own.keys() != state.keys():
            raise ValueError(
                f"state does not fit: missing {own.keys() - state.keys()}, unknown {state.keys() - own.keys()}"
            )
        for name, array in own.items():
            if np.shape(state[name]) != array.shape:
                raise ValueError(f"{name} needs shape {array.shape}, got {np.shape(state[name])}")
        for i, (group, flats) in enumerate(zip(self.param_groups, self.flats)):
            for name in group.keys() - {"params"}:
                group[name] = np.asarray(state[f"{i}.{name}"]).tolist()
            for j, flat in enumerate(flats):
                flat.steps = np.asarray(state[f"{i}.{j}.steps"]).tolist()
                for name, array in flat.state.items():
                    array[...] = state[f"{i}.{j}.{name}"]


def check_options(group: dict, defaults: dict) -> None:
    """Raise ValueError, naming the option, for one that is unknown or negative."""
    for name, value in group.items():
        if name != "params" and name not in defaults:
            raise ValueError(f"unknown option {name!r}; this optimizer takes {', '.join(defaults)}")
        if isinstance(value, int | float) and value < 0:
            raise ValueError(f"{name} is 0 or more, got {value}")


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay as a part of the gradient.

    >>> p = Tensor([1.0], requires_grad=True)
    >>> (p * 3).sum().backward()
    >>> SGD([p], lr=0.1).step()
    >>> p
    tensor([0.7], requires_grad=True)
    """

    states = ("velocity",)

    def __init__(self, parameters, lr=1e-3, momentum=0.0, weight_decay=0.0, nesterov=False):
        if nesterov and not momentum:
            raise ValueError("nesterov needs a momentum above 0")
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)

    def update(self, p, g, state, t, group):
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        sgd_step(p, g, state["velocity"], lr=group["lr"], momentum=group["momentum"], nesterov=group["nesterov"])


class RMSprop(Optimizer):
    """Each parameter's step divided by the root of a running mean of its squared gradients."""

    states = ("square",)

    def __init__(self, parameters, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)

    def update(self, p, g, state, t, group):
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        rmsprop_step(p, g, state["square"], lr=group["lr"], alpha=group["alpha"], eps=group["eps"])


class Adam(Optimizer):
    """Momentum and RMSprop together, their first steps corrected; weight decay is a part of the gradient."""

    states = ("m", "v")

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, p, g, state, t, group):
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        beta1, beta2 = group["betas"]
        adam_step(p, g, state["m"], state["v"], t, lr=group["lr"], beta1=beta1, beta2=beta2, eps=group["eps"])


class AdamW(Adam):
    """Adam with decoupled weight decay: weights shrink by themselves, whatever their gradients."""

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def update(self, p, g, state, t, group):
        decay(p, lr=group["lr"], weight_decay=group["weight_decay"])
        super().update(p, g, state, t, {**group, "weight_decay": 0.0})


# -- schedules -----------------------------------------------------------------------------------------------------


def step_lr(t: int, base: float, step_size: int, gamma: float = 0.1) -> float:
    """base * gamma^floor(t / step_size): a staircase.

    >>> [step_lr(t, 1.0, step_size=2, gamma=0.5) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    # Whole-number division counts the steps of the staircase.
    return base * gamma ** (t // step_size)


def cosine_lr(t: float, base: float, t_max: float, eta_min: float = 0.0) -> float:
    """Half a cosine wave from base at t = 0 to eta_min at t = t_max. Loshchilov and Hutter, 2017.

    >>> [round(cosine_lr(t, 1.0, t_max=2), 6) for t in range(3)]
    [1.0, 0.5, 0.0]
    """
    # (1 + cos(pi x)) / 2 falls from 1 to 0 while x goes from 0 to 1.
    return eta_min + (base - eta_min) * (1 + math.cos(math.pi * t / t_max)) / 2


def linear_lr(t: int, base: float, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5) -> float:
    """base times a factor that goes in a straight line from start_factor to end_factor, and stays: a warm-up.

    >>> [linear_lr(t, 1.0, start_factor=0.5, total_iters=2) for t in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """
    # How far along are we, from 0 to 1? min() keeps it at 1 afterwards.
    progress = min(t, total_iters) / total_iters
    return base * (start_factor + (end_factor - start_factor) * progress)


def one_cycle_lr(
    t: int,
    max_lr: float,
    total_steps: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> float:
    """Up in a cosine from max_lr / div_factor to max_lr, then down to almost nothing. Smith and Topin, 2018.

    The top is at step pct_start * total_steps - 1; the last step, total_steps - 1, is at max_lr / div_factor /
    final_div_factor.

    >>> [round(one_cycle_lr(t, 1.0, total_steps=5, pct_start=0.6), 2) for t in range(5)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    # Two half cosines that meet at the top: cosine_lr runs down from base to eta_min, and up if eta_min is larger.
    top, last = pct_start * total_steps - 1, total_steps - 1
    start = max_lr / div_factor
    if t <= top:
        return cosine_lr(t, start, top, max_lr)
    return cosine_lr(t - top, max_lr, last - top, start / final_div_factor)


class LRScheduler:
    """Sets each group's learning rate by `rate(t, base)`, t = 0, 1, ...; call step() after the optimizer's step."""

    def __init__(self, optimizer: Optimizer, rate: Callable[[int, float], float]):
        self.optimizer, self.rate = optimizer, rate
        self.base_lrs = [group["lr"] for group in optimizer.param_groups]
        self.t = 0
        self._apply()

    def step(self) -> None:
        """Go on to the next learning rate."""
        self.t += 1
        self._apply()

    def _apply(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = self.rate(self.t, base)

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group, now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, np.ndarray]:
        """The step number and the learning rates it started from."""
        return {"t": np.asarray(self.t), "base_lrs": np.asarray(self.base_lrs)}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Take over a state, and set the learning rates that belong to it."""
        self.t, self.base_lrs = int(state["t"]), np.asarray(state["base_lrs"]).tolist()
        self._apply()


class StepLR(LRScheduler):
    """step_lr as a scheduler."""

    def __init__(self, optimizer, step_size, gamma=0.1):
        super().__init__(optimizer, lambda t, base: step_lr(t, base, step_size, gamma))


class CosineAnnealingLR(LRScheduler):
    """cosine_lr as a scheduler."""

    def __init__(self, optimizer, T_max, eta_min=0.0):
        super().__init__(optimizer, lambda t, base: cosine_lr(t, base, T_max, eta_min))


class LinearLR(LRScheduler):
    """linear_lr as a scheduler."""

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5):
        super().__init__(optimizer, lambda t, base: linear_lr(t, base, start_factor, end_factor, total_iters))


class OneCycleLR(LRScheduler):
    """one_cycle_lr as a scheduler. Raises ValueError when it is stepped past its end."""

    def __init__(self, optimizer, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
        def rate(t, base):
            if t >= total_steps:
                raise ValueError(f"this cycle has {total_steps} steps, got step {t + 1}")
            return one_cycle_lr(t, max_lr, total_steps, pct_start, div_factor, final_div_factor)

        super().__init__(optimizer, rate)

"""Optimizers: what to do with a gradient.

Notation: p parameters, g = dL/dp, lr the learning rate, t the number of the step, from 1; m, v
and their like are remembered from step to step. Steps are pure NumPy. They change p and what is
remembered in place, and g is theirs to use up. The parameters of a group lie in one flat array,
so that a step is a few passes over memory, however many tensors there are.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinytorch.tensor import Tensor

# -- one step of each ----------------------------------------------------------------------------------------------


def sgd_step(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    """v <- momentum * v + g,  p <- p - lr * v: a ball that rolls. Polyak, 1964.

    Nesterov's ball (1983) looks ahead: p <- p - lr * (g + momentum * v), with the new v.

    >>> p, v = np.array([1.0]), np.array([0.5])
    >>> sgd_step(p, np.array([2.0]), v, lr=0.1, momentum=0.9)
    >>> p.round(3), v.round(3)
    (array([0.755]), array([2.45]))
    """
    # Work in place: `velocity *= momentum` changes the array that the caller holds;
    # `velocity = momentum * velocity` makes a new one, and the caller's stays as it was.
    velocity *= momentum
    velocity += g
    p -= lr * (g + momentum * velocity if nesterov else velocity)


def rmsprop_step(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    """s <- alpha * s + (1 - alpha) * g^2,  p <- p - lr * g / (sqrt(s) + eps).

    s stands in the array `square`. Tieleman and Hinton, 2012.

    >>> p, s = np.array([1.0]), np.array([0.0])
    >>> rmsprop_step(p, np.array([2.0]), s, lr=0.1, alpha=0.75)
    >>> p.round(3), s
    (array([0.8]), array([1.]))
    """
    # The running mean of the squares first, in place. Its root says how large this
    # gradient usually is. eps stands outside of the root, and keeps 0 / 0 away.
    square *= alpha
    square += (1 - alpha) * g * g
    p -= lr * g / (np.sqrt(square) + eps)


def adam_step(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """p <- p - lr * (m / c1) / (sqrt(v / c2) + eps): running means m of g, v of g^2.

    m <- beta1 * m + (1 - beta1) * g, and v likewise from g^2 with beta2. They start at
    zero, so at step t their weights sum to c1 = 1 - beta1^t and c2 = 1 - beta2^t: dividing
    by these corrects the bias. Kingma and Ba, 2015.

    >>> p, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adam_step(p, np.array([5.0]), m, v, 1, lr=0.1)
    >>> p.round(3), m.round(3), v.round(3)
    (array([0.9]), array([0.5]), array([0.025]))
    """
    # Five lines will do: m in place, v in place, c1, c2, p in place. Check them with t = 1:
    # the first step is lr against the sign of g, whatever its size. (The reference has more
    # lines: it divides by c1 and c2 in numbers, not in arrays, and works in g's memory.)
    c1, root_c2 = 1 - beta1**t, math.sqrt(1 - beta2**t)
    m -= g
    m *= beta1  # what is left of the distance between m and g
    m += g
    squares = np.multiply(g, g, out=g)  # g has served: its memory holds what comes next
    squares *= 1 - beta2
    v *= beta2
    v += squares
    step = np.sqrt(v, out=g)
    step += eps * root_c2
    np.divide(m, step, out=step)
    step *= lr * root_c2 / c1
    p -= step


def decay(p, *, lr, weight_decay):
    """p <- p - lr * weight_decay * p, beside the gradient's step and not through it.

    Loshchilov and Hutter, 2019.

    >>> p = np.array([1.0, -2.0])
    >>> decay(p, lr=0.1, weight_decay=0.5)
    >>> p
    array([ 0.95, -1.9 ])
    """
    # One multiplication, in place.
    p *= 1 - lr * weight_decay


# -- flat memory ---------------------------------------------------------------------------------------------------

BLOCK = 2**17  # elements, half a megabyte of float32: what a step works on stays in the cache


class Flat:
    """Parameters of one dtype, moved into one array, `values`; each `state` is laid out alike.

    A parameter's data becomes a view of its place: network and optimizer share the memory.
    """

    def __init__(self, parameters: list[Tensor], states: Iterable[str]):
        self.parameters = parameters
        self.values = np.concatenate([p.data.ravel() for p in parameters])
        self.state = {name: np.zeros_like(self.values) for name in states}
        self.steps = [0] * len(parameters)
        ends = np.cumsum([p.size for p in parameters]).tolist()
        self.places = [slice(end - p.size, end) for p, end in zip(parameters, ends)]
        self.homes = []
        for p, place in zip(parameters, self.places):
            p.data = self.values[place].reshape(p.shape)
            self.homes.append(p.data)

    def bring_home(self, p: Tensor, home: np.ndarray) -> None:
        """Copy in the data that p was given since; ValueError for another shape or dtype."""
        if (p.shape, p.dtype) != (home.shape, home.dtype):
            before, now = f"{home.shape} {home.dtype}", f"{p.shape} {p.dtype}"
            raise ValueError(f"a parameter of this optimizer was {before}, and is {now} now")
        home[...] = p.data
        p.data = home

    def runs(self) -> Iterator[list[int]]:
        """Neighbours that have a gradient and are at the same step: mostly one run of all.

        A parameter without a gradient is left alone, and what is remembered of it too.
        """
        run: list[int] = []
        for i, p in enumerate(self.parameters):
            if p.grad is None:
                continue
            if p.data is not self.homes[i]:
                self.bring_home(p, self.homes[i])
            if run and (i != run[-1] + 1 or self.steps[i] != self.steps[run[-1]]):
                yield run
                run = []
            run.append(i)
        if run:
            yield run

    def blocks(self) -> Iterator[tuple[slice, np.ndarray, int]]:
        """Each run in pieces of a BLOCK: its place, a copy of its gradient, the step number."""
        for run in self.runs():
            first, last = self.places[run[0]].start, self.places[run[-1]].stop
            gradients: list[Any] = [self.parameters[i].grad for i in run]
            g = np.concatenate([gradient.data.ravel() for gradient in gradients])
            t = self.steps[run[0]] + 1
            self.steps[run[0] : run[-1] + 1] = [t] * len(run)
            for start in range(first, last, BLOCK):
                end = min(start + BLOCK, last)
                yield slice(start, end), g[start - first : end - first], t


# -- optimizers ----------------------------------------------------------------------------------------------------


class Optimizer:
    """Moves parameters against their gradients. Each kind has its `states` and its `update`.

    `parameters` are tensors, or groups: dicts with "params" and options of their own. Raises
    TypeError for what is not a tensor; ValueError for no parameters, one that stands in two
    groups or is not a leaf, and for an option that is unknown or out of its range.
    """

    def __init__(self, parameters: Iterable[Any], **defaults: Any):
        if isinstance(parameters, Tensor):
            raise TypeError("an optimizer takes a list of tensors, got one: put it into a list")
        groups = list(parameters)
        if not groups or not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        self.param_groups = [{**defaults, **g, "params": list(g["params"])} for g in groups]
        check_parameters([p for group in self.param_groups for p in group["params"]])
        for group in self.param_groups:
            check_options(group, defaults)
        self.flats = [self._flat(group) for group in self.param_groups]

    def _flat(self, group: dict) -> list[Flat]:
        by_dtype: dict[np.dtype, list[Tensor]] = {}
        for p in group["params"]:
            by_dtype.setdefault(p.dtype, []).append(p)
        return [Flat(parameters, self.states(group)) for parameters in by_dtype.values()]

    def states(self, group: dict) -> tuple[str, ...]:
        """The names of what it remembers, each in an array as large as the parameters."""
        return ()

    def update(self, p: np.ndarray, g: np.ndarray, state: dict, t: int, group: dict) -> None:
        """Move p against g, in place; g may be used up, and t counts the steps from 1."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group, flats in zip(self.param_groups, self.flats):
            for flat in flats:
                for place, g, t in flat.blocks():
                    state = {name: array[place] for name, array in flat.state.items()}
                    self.update(flat.values[place], g, state, t, group)

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """What is remembered, and the options: enough to go on as if never stopped.

        Views, not copies: the next step changes them.
        """
        state: dict[str, np.ndarray] = {}
        for i, (group, flats) in enumerate(zip(self.param_groups, self.flats)):
            for name, value in group.items():
                if name != "params":
                    state[f"{i}.{name}"] = np.asarray(value)
            for j, flat in enumerate(flats):
                state[f"{i}.{j}.steps"] = np.array(flat.steps)
                for name, array in flat.state.items():
                    state[f"{i}.{j}.{name}"] = array
        return state

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Take over a state. Raises ValueError, changing nothing, if names or shapes differ."""
        own = self.state_dict()
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unknown:
            raise ValueError(f"state does not fit: missing {missing}, unknown {unknown}")
        for name, array in own.items():
            shape = np.shape(state[name])
            if shape != array.shape:
                raise ValueError(f"{name} needs shape {array.shape}, got {shape}")
        for i, (group, flats) in enumerate(zip(self.param_groups, self.flats)):
            for name in group.keys() - {"params"}:
                group[name] = np.asarray(state[f"{i}.{name}"]).tolist()
            for j, flat in enumerate(flats):
                flat.steps = np.asarray(state[f"{i}.{j}.steps"]).tolist()
                for name, array in flat.state.items():
                    array[...] = state[f"{i}.{j}.{name}"]


def check_parameters(parameters: list) -> None:
    """Raise TypeError or ValueError, saying why, for what an optimizer cannot move."""
    if not parameters:
        raise ValueError("an optimizer needs parameters, got none")
    for p in parameters:
        if not isinstance(p, Tensor):
            given = type(p).__name__
            raise TypeError(f"an optimizer moves tensors, got {given}: pass model.parameters()")
        if not p.is_leaf:
            raise ValueError(f"an optimizer moves leaves; this tensor was made by {p.origin}")
    if len({id(p) for p in parameters}) != len(parameters):
        raise ValueError("a parameter stands in two groups, or twice in one")


def check_options(group: dict, defaults: dict) -> None:
    """Raise ValueError, naming the option, for one that is unknown or out of its range."""
    for name, value in group.items():
        if name != "params" and name not in defaults:
            raise ValueError(f"unknown option {name!r}; there are {', '.join(defaults)}")
        if isinstance(value, int | float) and not value >= 0:
            raise ValueError(f"{name} is 0 or more, got {value}")
        if name == "betas" and not all(0 <= beta < 1 for beta in value):
            raise ValueError(f"betas are at least 0 and below 1, got {value}")


class SGD(Optimizer):
    """Stochastic gradient descent; with momentum, if asked for, and decay in the gradient.

    >>> p = Tensor([1.0], requires_grad=True)
    >>> (p * 3).sum().backward()
    >>> SGD([p], lr=0.1).step()
    >>> p
    tensor([0.7], requires_grad=True)
    """

    def __init__(self, parameters, lr=1e-3, momentum=0.0, weight_decay=0.0, nesterov=False):
        if nesterov and not momentum:
            raise ValueError("nesterov needs a momentum above 0")
        options = {"momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(parameters, lr=lr, **options)

    def states(self, group):
        return ("velocity",) if group["momentum"] else ()

    def update(self, p, g, state, t, group):
        if group["weight_decay"]:
            g += group["weight_decay"] * p
        if not group["momentum"]:
            p -= group["lr"] * g
            return
        if not state:
            raise ValueError("this SGD was made without momentum: make a new one to have it")
        options = {name: group[name] for name in ("lr", "momentum", "nesterov")}
        sgd_step(p, g, state["velocity"], **options)


class RMSprop(Optimizer):
    """Each parameter's step divided by the root of a running mean of its squared gradients."""

    def __init__(self, parameters, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)

    def states(self, group):
        return ("square",)

    def update(self, p, g, state, t, group):
        if group["weight_decay"]:
            g += group["weight_decay"] * p
        options = {name: group[name] for name in ("lr", "alpha", "eps")}
        rmsprop_step(p, g, state["square"], **options)


class Adam(Optimizer):
    """Momentum and RMSprop together, corrected for their start; decay in the gradient."""

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def states(self, group):
        return ("m", "v")

    def update(self, p, g, state, t, group):
        if group["weight_decay"]:
            g += group["weight_decay"] * p
        beta1, beta2 = group["betas"]
        options = {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "eps": group["eps"]}
        adam_step(p, g, state["m"], state["v"], t, **options)


class AdamW(Adam):
    """Adam with decoupled weight decay: weights shrink by themselves, whatever their slope."""

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def update(self, p, g, state, t, group):
        decay(p, lr=group["lr"], weight_decay=group["weight_decay"])
        super().update(p, g, state, t, {**group, "weight_decay": 0.0})


# -- Muon ----------------------------------------------------------------------------------------------------------


def orthogonalized(g: np.ndarray, steps: int = 5, eps: float = 1e-7) -> np.ndarray:
    """A matrix with g's directions, all of nearly the same strength: U V^T, if g = U S V^T, roughly.

    x <- 3.4445 x - 4.7750 (x x^T) x + 2.0315 (x x^T)^2 x moves each singular value of x in 0..1 towards 1; five steps
    of this Newton-Schulz iteration bring all but tiny ones to 0.7..1.2. Jordan et al., 2024.

    >>> x = orthogonalized(np.diag([100.0, 10.0]))
    >>> bool((abs(np.linalg.svd(x)[1] - 1) < 0.35).all())
    True
    """
    wide = g if g.shape[0] <= g.shape[1] else g.T  # so that x x^T is the smaller of the two products
    x = wide / max(float(np.linalg.norm(wide)), eps)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return x if wide is g else x.T


class Muon(Optimizer):
    """Momentum, orthogonalized: a step of the same strength in every direction of a weight matrix. Jordan et al., 2024.

    For the matrices of hidden layers alone; AdamW takes embeddings, heads and vectors. A weight (in, out) moves by
    lr sqrt(max(1, out / in)) times its orthogonalized momentum. Raises ValueError for what is not a matrix.

    >>> p = Tensor(np.eye(2), requires_grad=True)
    >>> (p * Tensor([[3.0, 0.0], [0.0, 0.3]])).sum().backward()
    >>> Muon([p], lr=0.1, weight_decay=0.0).step()
    >>> bool((1 - np.diag(p.data) > 0.05).all())
    True
    """

    def __init__(self, parameters, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_steps=5):
        options = {"weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps}
        super().__init__(parameters, lr=lr, **options)
        for p in (p for group in self.param_groups for p in group["params"]):
            if p.ndim != 2:
                raise ValueError(f"Muon moves matrices, got a tensor of shape {p.shape}: give it to AdamW")

    def states(self, group):
        return ("velocity",)

    def step(self):
        """Move every matrix that has a gradient."""
        for group, flats in zip(self.param_groups, self.flats):
            for flat in flats:
                for i in (i for run in flat.runs() for i in run):
                    p, velocity = flat.homes[i], flat.state["velocity"][flat.places[i]]
                    flat.steps[i] += 1
                    gradient: Any = flat.parameters[i].grad
                    state = {"velocity": velocity.reshape(p.shape)}
                    self.update(p, gradient.data, state, flat.steps[i], group)

    def update(self, p, g, state, t, group):
        velocity, momentum = state["velocity"], group["momentum"]
        velocity += (1 - momentum) * (g - velocity)
        direction = g + momentum * (velocity - g) if group["nesterov"] else velocity
        decay(p, lr=group["lr"], weight_decay=group["weight_decay"])
        strength = math.sqrt(max(1, p.shape[1] / p.shape[0]))
        p -= group["lr"] * strength * orthogonalized(direction, group["ns_steps"])


# -- schedules -----------------------------------------------------------------------------------------------------


def step_lr(t: int, base: float, step_size: int, gamma: float = 0.1) -> float:
    """base * gamma^floor(t / step_size): a staircase.

    >>> [step_lr(t, 1.0, step_size=2, gamma=0.5) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    # Whole-number division counts the steps of the staircase.
    return base * gamma ** (t // step_size)


def cosine_lr(t: float, base: float, t_max: float, eta_min: float = 0.0) -> float:
    """Half a cosine from base at t = 0 to eta_min at t_max. Loshchilov and Hutter, 2017.

    >>> [round(cosine_lr(t, 1.0, t_max=2), 6) for t in range(3)]
    [1.0, 0.5, 0.0]
    """
    # (1 + cos(pi x)) / 2 falls from 1 to 0 while x goes from 0 to 1; stretch it to the
    # height base - eta_min, and put eta_min below it.
    return eta_min + (base - eta_min) * (1 + math.cos(math.pi * t / t_max)) / 2


def linear_lr(
    t: int,
    base: float,
    start_factor: float = 1 / 3,
    end_factor: float = 1.0,
    total_iters: int = 5,
) -> float:
    """base times a factor that goes in a straight line from start_factor, at t = 0, to
    end_factor, at t = total_iters, and stays there: a warm-up.

    >>> [linear_lr(t, 1.0, start_factor=0.5, total_iters=2) for t in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """
    # How far along is t, from 0 to 1? min() keeps it at 1 afterwards.
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
    """Up in half a cosine from max_lr / div_factor to max_lr, down in another to almost 0.

    The top is at t = pct_start * total_steps - 1. The last step, t = total_steps - 1, has
    max_lr / div_factor / final_div_factor. Smith and Topin, 2018.

    >>> [round(one_cycle_lr(t, 1.0, total_steps=5, pct_start=0.6), 2) for t in range(5)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    # Two half cosines that meet at the top. cosine_lr(t, base, t_max, eta_min) runs from
    # base to eta_min: down, or up if eta_min is the larger, and counts t from its own start.
    top, last = pct_start * total_steps - 1, total_steps - 1
    start = max_lr / div_factor
    if t < top:
        return cosine_lr(t, start, top, max_lr)
    return cosine_lr(t - top, max_lr, last - top, start / final_div_factor)


class LRScheduler:
    """Sets each group's learning rate to rate(t, base), t = 0, 1, ...; step it last.

    `base` is the rate that the group had when the schedule was made.

    >>> optimizer = SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = LRScheduler(optimizer, lambda t, base: base / (1 + t))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

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
        options = {"end_factor": end_factor, "total_iters": total_iters}
        super().__init__(optimizer, lambda t, base: linear_lr(t, base, start_factor, **options))


class OneCycleLR(LRScheduler):
    """one_cycle_lr as a scheduler. Raises ValueError when it is stepped past its end."""

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps,
        pct_start=0.3,
        div_factor=25.0,
        final_div_factor=1e4,
    ):
        if not 0 <= pct_start < 1:
            raise ValueError(f"pct_start is at least 0 and below 1, got {pct_start}")

        def rate(t, base):
            if t > total_steps:  # a loop that ends with schedule.step() gets to total_steps
                raise ValueError(f"this cycle has {total_steps} steps, and has taken them all")
            factors = (pct_start, div_factor, final_div_factor)
            return one_cycle_lr(t, max_lr, total_steps, *factors)

        super().__init__(optimizer, rate)

"""Optimizers: what to do with a gradient.

Notation: p parameters, g = dL/dp, lr the learning rate, t the number of the step, from 1; m, v
and their like are remembered from step to step. Steps are pure NumPy. They change p and what is
remembered in place; g stays as it is, but for adam_step, which may use it up. Small parameters are
moved together, as one flat array, so that a step is a few passes over memory, however many tensors
there are.
"""

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from tinytorch.tensor import Tensor, versions

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
    # Check what you have with t = 1: what is the first step, whatever the size of g? m, v and
    # p belong to the caller, so change what is in them. Five lines will do. (The reference
    # has more: it divides by c1 and c2 in numbers, not in arrays, and works in g's memory.)
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
    # Of p, a share is taken away: what factor is left? The caller holds the array p.
    p *= 1 - lr * weight_decay


# -- flat memory ---------------------------------------------------------------------------------------------------

BLOCK = 2**17  # elements, half a megabyte of float32: what a step works on stays in the cache
TOGETHER = 2**14  # elements: up to so many, small parameters are copied side by side and moved in one call


class Piece(NamedTuple):
    """What a step moves at once: whole small `members`, or the `part` of a large one; its `place` in the states."""

    members: list[int]
    part: slice
    place: slice


class Flat:
    """Parameters of one dtype, and what is remembered of them: each `state` is one array, in which they lie end to end.

    The parameters stay where they are, so that whoever shares their memory sees them move.
    """

    def __init__(self, parameters: list[Tensor], states: Iterable[str]):
        self.parameters = parameters
        self.forms = [(p.shape, p.dtype) for p in parameters]
        self.steps = [0] * len(parameters)
        self.ends = np.cumsum([0] + [p.numel() for p in parameters]).tolist()  # where one ends, the next begins
        self.cuts: dict[range, list[Piece]] = {}  # the pieces of each run that has been
        self.state: dict[str, np.ndarray] = {}
        self.remember(states)

    def remember(self, states: Iterable[str]) -> None:
        """Make room, filled with zeros, for each state that has none yet."""
        for name in states:
            if name not in self.state:
                self.state[name] = np.zeros(self.ends[-1], self.forms[0][1])

    def runs(self) -> Iterator[range]:
        """Neighbours that have a gradient and are at the same step: mostly one run of all.

        A parameter without a gradient is left alone, and what is remembered of it too.
        """
        start, steps = 0, self.steps
        for i, p in enumerate(self.parameters):
            if p.grad is None or steps[i] != steps[start]:
                if start < i:
                    yield range(start, i)
                start = i + (p.grad is None)
        if start < len(steps):
            yield range(start, len(steps))

    def pieces(self, run: range) -> list[Piece]:
        """A run in pieces: slices of large parameters, up to a BLOCK, or several small ones TOGETHER."""
        if run not in self.cuts:
            self.cuts[run] = list(self.cut(run))
        return self.cuts[run]

    def cut(self, run: range) -> Iterator[Piece]:
        small: list[int] = []
        for i in run:
            first, last = self.ends[i], self.ends[i + 1]
            if small and last - self.ends[small[0]] > TOGETHER:
                yield self.together(small)
                small = []
            if last - first <= TOGETHER:
                small.append(i)
                continue
            for start in range(first, last, BLOCK):
                end = min(start + BLOCK, last)
                yield Piece([i], slice(start - first, end - first), slice(start, end))
        if small:
            yield self.together(small)

    def together(self, members: list[int]) -> Piece:
        first, last = self.ends[members[0]], self.ends[members[-1] + 1]
        return Piece(members, slice(0, last - first), slice(first, last))

    def arrays(self, run: range) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The values and the gradients of a run.

        Raises TypeError or ValueError, saying why, where one has not the shape or dtype that the parameter began with.
        """
        held = self.parameters[run.start : run.stop]
        arrays, gradients = [p.data for p in held], [p.grad for p in held]
        for array, g, (shape, dtype) in zip(arrays, gradients, self.forms[run.start : run.stop]):
            if array.shape != shape or array.dtype != dtype:
                now = f"{array.shape} {array.dtype}"
                raise ValueError(f"a parameter of this optimizer was {shape} {dtype}, and is {now} now")
            if not isinstance(g, Tensor):
                raise TypeError(f"a gradient is a tensor, got {type(g).__name__}")
            if g.shape != shape:
                raise ValueError(f"a gradient has its parameter's shape {shape}, got {g.shape}")
        return arrays, [g.data for g in gradients if g is not None]

    def blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray, int]]:
        """Each piece: its place in the states, its values, a copy of its gradient, the step number.

        What the caller makes of the values, in place, is what the parameters become.
        """
        for run in self.runs():
            t = self.steps[run.start] + 1
            self.steps[run.start : run.stop] = [t] * len(run)
            arrays, slopes = self.arrays(run)
            rows = [array.reshape(-1) for array in arrays]  # views, or copies of transposed ones
            for members, part, place in self.pieces(run):
                held = slice(members[0] - run.start, members[-1] + 1 - run.start)
                if len(members) == 1:
                    yield place, rows[held.start][part], slopes[held.start].reshape(-1)[part].copy(), t
                    continue
                values = np.concatenate(rows[held])
                yield place, values, np.concatenate(slopes[held], axis=None), t
                put_back(values, rows[held])
            for array, row in zip(arrays, rows):
                if not array.flags.c_contiguous:
                    array[...] = row.reshape(array.shape)
            versions.increment(*arrays)


def put_back(p: np.ndarray, values: list[np.ndarray]) -> None:
    """Copy what lies end to end in p into each of the values."""
    start = 0
    for value in values:
        end = start + len(value)
        value[...] = p[start:end]
        start = end


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
        self.defaults = defaults
        self.param_groups: list[dict] = []
        self.checked: list[Checked | None] = []
        self.flats: list[list[Flat]] = []
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group: dict) -> None:
        """Move these parameters, too: a dict with "params", a tensor or several, and options of their own."""
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        group = {**self.defaults, **group, "params": params}
        check_parameters([p for known in [*self.param_groups, group] for p in known["params"]])
        check_options(group, self.defaults)
        self.param_groups.append(group)
        self.checked.append(None)
        self.flats.append(self._flat(group))

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

    def groups(self) -> Iterator[tuple[dict, list[Flat]]]:
        """Each group, and the memory of its parameters.

        Raises as the constructor does for an option set since, ValueError for parameters that came since.
        """
        for i, (group, flats) in enumerate(zip(self.param_groups, self.flats, strict=True)):
            checked = self.checked[i]
            if checked is None or not checked.holds(group):
                check_options(group, self.defaults)
                known = chain.from_iterable(flat.parameters for flat in flats)
                if set(map(id, group["params"])) != set(map(id, known)):
                    raise ValueError("the parameters of a group are given when it is made: use add_param_group")
                for flat in flats:
                    flat.remember(self.states(group))
                self.checked[i] = Checked(group)
            yield group, flats

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group, flats in self.groups():
            for flat in flats:
                for place, p, g, t in flat.blocks():
                    state = {name: array[place] for name, array in flat.state.items()}
                    self.update(p, g, state, t, group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradient of every parameter; with set_to_none=False, fill it with zeros instead."""
        for group in self.param_groups:
            for p in group["params"]:
                p.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, np.ndarray]:
        """What is remembered, and the options: enough to go on as if never stopped.

        Views, not copies: the next step changes them.
        """
        state: dict[str, np.ndarray] = {}
        for i, (group, flats) in enumerate(self.groups()):
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
    """Raise, naming the option, TypeError for what is no number, ValueError for one unknown or out of its range.

    Tensors of one element become the number in them.
    """
    if unknown := group.keys() - {"params"} - defaults.keys():
        raise ValueError(f"unknown option {min(unknown)!r}; there are {', '.join(defaults)}")
    for name in defaults:
        value = group[name] = plain_number(name, group[name])
        if name == "betas" and not all(0 <= beta < 1 for beta in value):
            raise ValueError(f"betas are at least 0 and below 1, got {value}")
        if name != "betas" and not value >= 0:
            raise ValueError(f"{name} is 0 or more, got {value}")


class Checked:
    """A group as it was when its options and parameters were last checked."""

    def __init__(self, group: dict):
        self.options, self.parameters = dict(group), list(group["params"])

    def holds(self, group: dict) -> bool:
        """Whether each option and each parameter is the very object that it was."""
        if group.keys() != self.options.keys() or len(group["params"]) != len(self.parameters):
            return False
        same = map(operator.is_, group.values(), map(self.options.__getitem__, group))
        return all(same) and all(map(operator.is_, group["params"], self.parameters))


def plain_number(name: str, value: Any) -> Any:
    """An option as a plain number, or a pair of them. Raises TypeError, naming the option, for anything else."""
    if name == "betas" and isinstance(value, tuple | list) and len(value) == 2:
        return tuple(plain_number("beta", beta) for beta in value)
    value = value.data if isinstance(value, Tensor) else value
    if isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.item()
    if name == "betas" or not isinstance(value, int | float):
        raise TypeError(f"{name} is {'a pair of numbers' if name == 'betas' else 'a number'}, got {value!r}")
    return value


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

    x begins as g over its norm, or over eps, if that is more. A step makes 3.4445 s - 4.7750 s^3 + 2.0315 s^5 of each
    singular value s of x, and leaves U and V as they are: s in 0..1 moves towards 1. Five steps of this Newton-Schulz
    iteration bring all but tiny ones to 0.7..1.2, by matrix products alone. Jordan et al., 2024.

    >>> x = orthogonalized(np.diag([100.0, 10.0]))
    >>> bool((abs(np.linalg.svd(x)[1] - 1) < 0.35).all())
    True
    """
    # Put x = U S V^T into x x^T: what is it? Which product with x then has the singular values
    # s^3, with U and V as they were, and which s^5? The norm is the root of the sum of all
    # squares. For a tall g, which of x x^T and x^T x is the smaller? Its transpose is wide.
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
        for group, flats in self.groups():
            for flat in flats:
                for run in flat.runs():
                    for i, p, g in zip(run, *flat.arrays(run)):
                        flat.steps[i] += 1
                        velocity = flat.state["velocity"][flat.ends[i] : flat.ends[i + 1]].reshape(p.shape)
                        self.update(p, g, {"velocity": velocity}, flat.steps[i], group)
                        versions.increment(p)

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
    # How many times has the rate been lowered before step t? Each time by the factor gamma.
    return base * gamma ** (t // step_size)


def cosine_lr(t: float, base: float, t_max: float, eta_min: float = 0.0) -> float:
    """Half a cosine from base at t = 0 to eta_min at t_max; after t_max the wave goes on. Loshchilov and Hutter, 2017.

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

    The top is at t = pct_start * total_steps - 1; where that is 0 or less, there is no way up.
    The last step, t = total_steps - 1, has max_lr / div_factor / final_div_factor. Smith and
    Topin, 2018.

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

    `base` is the rate that the group had when the schedule was made. A rate set since, by hand or
    by a second schedule, counts: base becomes what leads to it, if anything does, or it is a ValueError.

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
        for i, (group, last) in enumerate(zip(self.optimizer.param_groups, self.last)):
            if group["lr"] != last:
                self.base_lrs[i] = self._base_for(plain_number("lr", group["lr"]), self.base_lrs[i])
        self.t += 1
        self._apply()

    def _base_for(self, lr: float, base: float) -> float:
        """The base from which this schedule would have come to lr by now: rates are straight lines in it."""
        start = self.rate(self.t, 0.0)
        slope = self.rate(self.t, 1.0) - start
        base = (lr - start) / slope if slope else base
        if not math.isclose(self.rate(self.t, base), lr, rel_tol=1e-6):
            raise ValueError(f"the learning rate {lr}, set by hand, has no place in this schedule: it would be lost")
        return base

    def _apply(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = self.rate(self.t, base)
        self.last = self.get_last_lr()

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
        super().__init__(optimizer, partial(step_lr, step_size=step_size, gamma=gamma))


class CosineAnnealingLR(LRScheduler):
    """cosine_lr as a scheduler."""

    def __init__(self, optimizer, T_max, eta_min=0.0):
        super().__init__(optimizer, partial(cosine_lr, t_max=T_max, eta_min=eta_min))


class LinearLR(LRScheduler):
    """linear_lr as a scheduler."""

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5):
        options = {"start_factor": start_factor, "end_factor": end_factor, "total_iters": total_iters}
        super().__init__(optimizer, partial(linear_lr, **options))


class OneCycleLR(LRScheduler):
    """one_cycle_lr as a scheduler. Raises ValueError when it is stepped past its end.

    Momentum, or Adam's beta1, goes the other way, as in PyTorch: from max_momentum down to base_momentum where the
    rate is highest, and up again; cycle_momentum=False leaves it alone.
    """

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps,
        pct_start=0.3,
        div_factor=25.0,
        final_div_factor=1e4,
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
    ):
        if not 0 <= pct_start < 1:
            raise ValueError(f"pct_start is at least 0 and below 1, got {pct_start}")
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(f"{type(optimizer).__name__} has no momentum to cycle: pass cycle_momentum=False")
        self.total_steps, self.cycle_momentum = total_steps, cycle_momentum
        self.factors = (pct_start, div_factor, final_div_factor)
        self.max_lr, self.momenta = max_lr, (base_momentum, max_momentum)
        super().__init__(optimizer, self.cycle)

    def cycle(self, t: int, base: float) -> float:
        """The rate at step t, whatever it was before. A loop that ends with step() gets to t = total_steps."""
        if t > self.total_steps:
            raise ValueError(f"this cycle has {self.total_steps} steps, and has taken them all")
        return one_cycle_lr(min(t, self.total_steps - 1), self.max_lr, self.total_steps, *self.factors)

    def momentum(self, t: int) -> float:
        """The momentum at step t: two half cosines that meet where the rate is highest."""
        low, high = self.momenta
        top, last = self.factors[0] * self.total_steps - 1, self.total_steps - 1
        if t < top:
            return cosine_lr(t, high, top, low)
        return cosine_lr(min(t, last) - top, low, last - top, high)

    def _apply(self) -> None:
        super()._apply()
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            if "betas" in group:
                group["betas"] = (self.momentum(self.t), group["betas"][1])
            else:
                group["momentum"] = self.momentum(self.t)

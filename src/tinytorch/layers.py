"""Layers: parameters, and the functions that use them.

Notation: x (B, in) or (..., in) a batch; weight (in, out), bias (out,); z = x @ weight + bias.
A Module owns parameters and other modules; whatever it is, calling it runs its `forward`.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytorch.activations import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus, tanh
from tinytorch.environment import generator
from tinytorch.tensor import Primitive, Tensor, primitive, versions

# -- modules -------------------------------------------------------------------------------------------------------


class Parameter(Tensor):
    """A tensor that a module learns: it requires gradients from the start.

    >>> Parameter([1, 2])
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data, requires_grad)


class Buffer(Tensor):
    """A tensor that a module keeps, and saves with its weights, but does not learn: a running mean, say."""

    __slots__ = ()


def members(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """An attribute with its name; of lists, tuples and dicts, what they hold, under dotted names.

    >>> list(members("heads", {"a": 1, "b": [2, 3]}))
    [('heads.a', 1), ('heads.b.0', 2), ('heads.b.1', 3)]
    """
    if not isinstance(value, list | tuple | dict):
        yield name, value
        return
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        yield from members(f"{name}.{key}", member)


class Module:
    """A part of a network: its attributes may be parameters, other modules, or lists and dicts of them.

    Raises TypeError where something else is assigned over a parameter, a buffer or a module, which would be lost.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter([2.0])
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> Scale()(Tensor([1, 10]))
    tensor([ 2., 20.], origin=mul)
    """

    training = True

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name)
        if isinstance(before, Buffer) and isinstance(value, Tensor) and not value.requires_grad:
            value = value if isinstance(value, Buffer) else Buffer(value.data)
        kinds = [kind for kind in (Parameter, Buffer, Module) if isinstance(before, kind)]
        if kinds and value is not None and not isinstance(value, kinds[0]):
            kind = kinds[0].__name__
            raise TypeError(f"{name} is a {kind}, and takes a {kind} or None, got {type(value).__name__}")
        object.__setattr__(self, name, value)

    def named_members(self) -> Iterator[tuple[str, Any]]:
        """Every attribute, and what those that are lists, tuples or dicts hold, in the order of assignment."""
        for name, value in vars(self).items():
            yield from members(name, value)

    def forward(self, *inputs: Any) -> Any:
        """What this module computes. Each kind of module has its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.forward(*inputs, **options)

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules directly inside this one, in the order in which they were assigned; lists count by index."""
        return ((name, member) for name, member in self.named_members() if isinstance(member, Module))

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Every parameter of this module and of those inside it, with its dotted name, each parameter once.

        >>> [name for name, _ in Sequential(Linear(2, 3), ReLU(), Linear(3, 1)).named_parameters()]
        ['0.weight', '0.bias', '2.weight', '2.bias']
        """
        seen: set[int] = set()
        for name, parameter in self.collect_parameters(prefix):
            if id(parameter) not in seen:  # tied weights have two names
                seen.add(id(parameter))
                yield name, parameter

    def collect_parameters(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        """Own parameters first, then those of each child, under its name and a dot; tied ones under every name."""
        # self.named_members() gives each attribute's name and value, those in lists and dicts too.
        # A child from named_children() can collect for itself: hand it a longer prefix.
        for name, value in self.named_members():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, child in self.named_children():
            yield from child.collect_parameters(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter, as an optimizer wants them."""
        return (parameter for _, parameter in self.named_parameters())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and every module inside it, with its dotted name; this one's own is empty."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator["Module"]:
        """This module and every module inside it."""
        return (module for _, module in self.named_modules())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Every buffer of this module and of those inside it, with its dotted name."""
        for prefix, module in self.named_modules():
            for name, value in module.named_members():
                if isinstance(value, Buffer):
                    yield f"{prefix}.{name}" if prefix else name, value

    def buffers(self) -> Iterator[Buffer]:
        """Every buffer."""
        return (buffer for _, buffer in self.named_buffers())

    def train(self, mode: bool = True) -> "Module":
        """Set training mode (or, with False, evaluation mode) here and inside: Dropout asks for it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        """Set evaluation mode here and inside."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget every parameter's gradient."""
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """The array of every parameter and buffer under its dotted name: views, not copies."""
        return {name: kept.data for name, kept in [*self.named_parameters(), *self.named_buffers()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy arrays into parameters and buffers. Raises ValueError, changing nothing, if names or shapes differ."""
        own: dict[str, Tensor] = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
        if missing or unknown:
            raise ValueError(f"state does not fit: missing {sorted(missing)}, unknown {sorted(unknown)}")
        for name, kept in own.items():
            if np.shape(state[name]) != kept.shape:
                raise ValueError(f"{name} needs shape {kept.shape}, got {np.shape(state[name])}")
        arrays = {name: Tensor(state[name], dtype=kept.dtype).data for name, kept in own.items()}
        for name, kept in own.items():
            kept.data[...] = arrays[name]
        versions.increment(*(kept.data for kept in own.values()))

    def extra_repr(self) -> str:
        """What stands between the brackets when the module is printed."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        inside = "".join(f"\n  {line}" for line in lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"


class Sequential(Module):
    """Modules one after another: Sequential(a, b) or Sequential([a, b]).

    >>> Sequential(Linear(64, 32), ReLU())
    Sequential(
      (0): Linear(64, 32)
      (1): ReLU()
    )
    """

    def __init__(self, *modules: Any):
        layers = modules[0] if len(modules) == 1 and isinstance(modules[0], list | tuple) else modules
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        # Each module's output is the next one's input.
        for module in self.layers:
            x = module(x)
        return x

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return ((str(i), module) for i, module in enumerate(self.layers))

    def __getitem__(self, index: Any) -> Any:
        found = self.layers[index]
        return Sequential(found) if isinstance(index, slice) else found

    def __len__(self) -> int:
        return len(self.layers)


# -- initialisation ------------------------------------------------------------------------------------------------


def xavier_std(fan_in: int, fan_out: int) -> float:
    """The standard deviation of weights that keeps variance nearly steady, forwards and backwards.

    Forwards wants variance 1 / fan_in, backwards 1 / fan_out; 2 / (fan_in + fan_out) lies between.
    Glorot and Bengio, 2010.

    >>> xavier_std(6, 2)
    0.5
    """
    # A standard deviation is the square root of a variance.
    return math.sqrt(2 / (fan_in + fan_out))


def he_std(fan_in: int) -> float:
    """The standard deviation of weights before a relu, which halves the mean square. He et al., 2015.

    >>> he_std(8)
    0.5
    """
    # Twice the variance 1 / fan_in, to make up for the half that relu cuts away.
    return math.sqrt(2 / fan_in)


def fans(x: Tensor) -> tuple[int, int]:
    """How many numbers each output sees, and how many outputs see each number: (fan_in, fan_out).

    Of a weight (in, out) these are its axes; of a convolution's, (K, C, ...), C and K times the size of its window.
    Raises ValueError for fewer than two axes.

    >>> fans(Tensor(np.zeros((300, 500)))), fans(Tensor(np.zeros((64, 3, 5, 5))))
    ((300, 500), (75, 1600))
    """
    if x.ndim < 2:
        raise ValueError(f"fan-in and fan-out need a weight of two axes or more, got shape {x.shape}")
    if x.ndim == 2:
        return x.shape
    window = math.prod(x.shape[2:])
    return x.shape[1] * window, x.shape[0] * window


def refilled(x: Tensor, numbers: np.ndarray) -> Tensor:
    """x, with these numbers in place of its own."""
    x.data[...] = numbers
    versions.increment(x.data)
    return x


def xavier_uniform_(x: Tensor, rng: np.random.Generator = generator) -> Tensor:
    """Fill a weight in place with uniform numbers of Xavier's standard deviation."""
    bound = math.sqrt(3) * xavier_std(*fans(x)) if x.size else 0  # uniform in +-b has standard deviation b / sqrt(3)
    return refilled(x, rng.uniform(-bound, bound, x.shape))


def xavier_normal_(x: Tensor, rng: np.random.Generator = generator) -> Tensor:
    """Fill a weight in place with normal numbers of Xavier's standard deviation."""
    return refilled(x, rng.normal(0, xavier_std(*fans(x)) if x.size else 0, x.shape))


def kaiming_uniform_(x: Tensor, rng: np.random.Generator = generator, *, mode: str = "fan_in") -> Tensor:
    """Fill a weight in place with uniform numbers of He's standard deviation, of its "fan_in" or its "fan_out"."""
    bound = math.sqrt(3) * he_std(fan(x, mode)) if x.size else 0
    return refilled(x, rng.uniform(-bound, bound, x.shape))


def kaiming_normal_(x: Tensor, rng: np.random.Generator = generator, *, mode: str = "fan_in") -> Tensor:
    """Fill a weight in place with normal numbers of He's standard deviation, of its "fan_in" or its "fan_out"."""
    return refilled(x, rng.normal(0, he_std(fan(x, mode)) if x.size else 0, x.shape))


def fan(x: Tensor, mode: str) -> int:
    """One of the fans, by its name. Raises ValueError for another name."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', got {mode!r}")
    return fans(x)[mode == "fan_out"]


# -- linear --------------------------------------------------------------------------------------------------------


@primitive
def linear(x, weight, bias=None):
    """z = x @ weight + bias, shapes (..., in) @ (in, out) + (out,) -> (..., out).

    Raises ValueError, naming the shapes of x and weight, if the inner axes differ.

    >>> linear([[1, 2]], [[1, 0], [0, 1]], [10, 20])
    tensor([[11., 22.]])
    """
    # Refuse a last axis of x that the weight does not fit. One matrix product then serves any
    # number of leading axes, and the bias, if there is one, broadcasts over all of them.
    if x.shape[-1] != weight.shape[0]:
        raise ValueError(f"linear needs x (..., {weight.shape[0]}) for a weight {weight.shape}, got {x.shape}")
    z = x @ weight
    return z if bias is None else z + bias


class Linear(Module):
    """z = x @ weight + bias, with weight (in_features, out_features) uniform in +-1/sqrt(in_features), bias zero.

    >>> Linear(3, 2)(Tensor([[1, 2, 3]])).shape
    (1, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, rng: np.random.Generator = generator):
        bound = 1 / math.sqrt(max(in_features, 1))
        self.weight = Parameter(rng.uniform(-bound, bound, (in_features, out_features)).astype(np.float32))
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None

    def forward(self, x: Any) -> Tensor:
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.weight.shape)) + ("" if self.bias is not None else ", bias=False")


# -- dropout -------------------------------------------------------------------------------------------------------


@primitive
def dropout(x, *, p=0.5, rng=generator):
    """z = x * mask, where mask is 0 with probability p, else 1 / (1 - p): the expectation of z is x.

    Each element has a number u of its own in rng.random(x.shape, np.float32), and is kept if u >= p.
    Returns (z, {"mask": mask}), because the derivative needs the mask. Raises ValueError, saying what
    p was, unless 0 <= p < 1. Srivastava et al., 2014.

    >>> dropout([1, 2, 3, 4], p=0.5, rng=np.random.default_rng(5))
    tensor([2., 4., 0., 8.])
    """
    # A comparison gives an array of True and False, which count as 1 and 0 in arithmetic.
    # Divide it by 1 - p in the dtype of x: x.dtype.type(1 - p).
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs 0 <= p < 1, got {p}")
    if x.dtype.kind != "f":
        raise TypeError(f"dropout needs floats, got {x.dtype}")
    mask = (rng.random(x.shape, np.float32) >= p) / x.dtype.type(1 - p)
    return x * mask, {"mask": mask}


class Dropout(Module):
    """Dropout in training mode, the identity in evaluation mode.

    >>> Dropout(0.5).eval()(Tensor([1, 2]))
    tensor([1., 2.])
    """

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None):
        self.p, self.rng = p, rng  # None is the package's generator, so that copies of a module share it too

    def forward(self, x: Any) -> Any:
        return dropout(x, p=self.p, rng=self.rng or generator) if self.training and self.p else x

    def extra_repr(self) -> str:
        return f"p={self.p}"


# -- functions as modules ------------------------------------------------------------------------------------------


class Flatten(Module):
    """(B, ...) -> (B, everything else).

    >>> Flatten()(Tensor(np.zeros((2, 8, 8)))).shape
    (2, 64)
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class FunctionModule(Module):
    """A primitive as a module that keeps its parameters: LeakyReLU(0.1) or LeakyReLU(negative_slope=0.1)."""

    function: Primitive

    def __init__(self, *values: Any, **options: Any):
        known = self.function.parameters
        self.options = dict(zip(known, values)) | options
        if len(values) > len(known) or not self.options.keys() <= set(known):
            raise TypeError(f"{type(self).__name__}({', '.join(known)}) got {(*values, *options)}")

    def forward(self, *inputs: Any) -> Tensor:
        return self.function(*inputs, **self.options)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


class ReLU(FunctionModule):
    """relu as a module."""

    function = relu


class LeakyReLU(FunctionModule):
    """leaky_relu as a module: LeakyReLU(negative_slope=0.01)."""

    function = leaky_relu


class Sigmoid(FunctionModule):
    """sigmoid as a module."""

    function = sigmoid


class Tanh(FunctionModule):
    """tanh as a module."""

    function = tanh


class Softplus(FunctionModule):
    """softplus as a module."""

    function = softplus


class SiLU(FunctionModule):
    """silu as a module."""

    function = silu


class GELU(FunctionModule):
    """gelu as a module."""

    function = gelu


class Softmax(FunctionModule):
    """softmax as a module: Softmax(dim=-1)."""

    function = softmax


class LogSoftmax(FunctionModule):
    """log_softmax as a module: LogSoftmax(dim=-1)."""

    function = log_softmax

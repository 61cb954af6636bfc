"""Layers: parameters, and the functions that use them.

Notation: x (B, in) or (..., in) a batch; weight (in, out), bias (out,); z = x @ weight + bias.
A Module owns parameters and other modules; whatever it is, calling it runs its `forward`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinytorch.activations import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus, tanh
from tinytorch.environment import generator
from tinytorch.tensor import Primitive, Tensor, is_device, primitive, versions

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


class Unfitting(NamedTuple):
    """What `load_state_dict(strict=False)` passed over: names that the state lacks, names that the module lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]


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

    def children(self) -> Iterator["Module"]:
        """The modules directly inside this one."""
        return (child for _, child in self.named_children())

    def add_module(self, name: str, module: "Module | None") -> None:
        """Make a module an attribute."""
        setattr(self, name, module)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Make a parameter an attribute."""
        setattr(self, name, parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make a tensor an attribute that the state_dict has, too; with persistent=False, one that it does not."""
        setattr(self, name, Buffer(tensor.data) if persistent and tensor is not None else tensor)

    def apply(self, function: Callable[["Module"], Any]) -> "Module":
        """Call function(module) for every module inside this one, innermost first, and for this one; return it."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def requires_grad_(self, value: bool = True) -> "Module":
        """Let every parameter be learnt, or (with False) keep it as it is."""
        for parameter in self.parameters():
            parameter.requires_grad_(value)
        return self

    def to(self, target: Any = None, dtype: Any = None, *, device: Any = None, non_blocking: bool = False) -> "Module":
        """Parameters and buffers in another float dtype, or in that of a tensor. There is one device: "cpu".

        Raises TypeError for a dtype that is no float.
        """
        sample = Tensor(np.zeros((), np.float32)).to(target, dtype, device=device)
        if (target is None or is_device(target)) and dtype is None:
            return self
        if sample.dtype.kind != "f":
            raise TypeError(f"a module's numbers are floats, got {sample.dtype}")
        for kept in [*self.parameters(), *self.buffers()]:
            if kept.dtype.kind == "f":
                kept.data = kept.data.astype(sample.dtype, copy=False)
        return self

    def cpu(self) -> "Module":
        """This module: it is on the CPU."""
        return self

    def cuda(self, device: Any = None) -> "Module":
        """Raises RuntimeError: there is no GPU."""
        return self.to("cuda")

    def half(self) -> "Module":
        """Parameters and buffers as float16."""
        return self.to(np.float16)

    def float(self) -> "Module":
        """Parameters and buffers as float32."""
        return self.to(np.float32)

    def double(self) -> "Module":
        """Parameters and buffers as float64."""
        return self.to(np.float64)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget every parameter's gradient; with set_to_none=False, fill it with zeros instead."""
        for parameter in self.parameters():
            parameter.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The array of every parameter and buffer under its dotted name: views, not copies."""
        return {name: kept.data for name, kept in [*self.named_parameters(), *self.named_buffers()]}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Unfitting:
        """Copy arrays into parameters and buffers. Raises ValueError, changing nothing, if names or shapes differ.

        Tensors, arrays and dtypes stay: numbers are written into `.data`, and `versions` count that as a change. The
        message names what is missing and what is unknown, or the name and both shapes. With strict=False, names that
        only one side has are passed over, and returned in an `Unfitting`; shapes must agree all the same.

        >>> model = Linear(2, 1)
        >>> model.load_state_dict({"bias": [3.0]}, strict=False)
        Unfitting(missing_keys=['weight'], unexpected_keys=[])
        >>> model.bias
        tensor([3.], requires_grad=True)
        """
        # Three passes: names, shapes, and only then numbers. named_parameters() and named_buffers() tell what is
        # yours; the keys of two dicts can be subtracted. NumPy would broadcast a (1,) into a (3,): compare shapes.
        own: dict[str, Tensor] = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
        if strict and (missing or unknown):
            raise ValueError(f"state does not fit: missing {sorted(missing)}, unknown {sorted(unknown)}")
        own = {name: kept for name, kept in own.items() if name in state}
        for name, kept in own.items():
            if np.shape(state[name]) != kept.shape:
                raise ValueError(f"{name} needs shape {kept.shape}, got {np.shape(state[name])}")
        arrays = {name: Tensor(state[name], dtype=kept.dtype).data for name, kept in own.items()}
        for name, kept in own.items():
            kept.data[...] = arrays[name]
        versions.increment(*(kept.data for kept in own.values()))
        return Unfitting(sorted(missing), sorted(unknown))

    def extra_repr(self) -> str:
        """What stands between the brackets when the module is printed."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        inside = "".join(f"\n  {line}" for line in lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"


class Sequential(Module):
    """Modules one after another: Sequential(a, b) or Sequential([a, b]), or by name, as an OrderedDict.

    >>> Sequential(Linear(64, 32), ReLU())
    Sequential(
      (0): Linear(64, 32)
      (1): ReLU()
    )
    """

    def __init__(self, *modules: Any):
        layers = modules[0] if len(modules) == 1 and isinstance(modules[0], list | tuple | Mapping) else modules
        self.names = list(layers) if isinstance(layers, Mapping) else [str(i) for i in range(len(layers))]
        self.layers = list(layers.values() if isinstance(layers, Mapping) else layers)

    def forward(self, x: Any) -> Any:
        # Each module's output is the next one's input.
        for module in self.layers:
            x = module(x)
        return x

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return zip(self.names, self.layers)

    def add_module(self, name: str, module: Any) -> None:
        """Append a module under a name; replace it, if there is one of that name."""
        if name in self.names:
            self.layers[self.names.index(name)] = module
        else:
            self.names.append(name)
            self.layers.append(module)

    def append(self, module: Module) -> "Sequential":
        """Append a module, and return this chain."""
        self.add_module(str(len(self)), module)
        return self

    def __getattr__(self, name: str) -> Any:
        if name in vars(self).get("names", ()):
            return self.layers[self.names.index(name)]
        raise AttributeError(f"{type(self).__name__} has no {name!r}", name=name, obj=self)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return self.layers[index]
        return Sequential(dict(zip(self.names[index], self.layers[index])))

    def __setitem__(self, index: int, module: Module) -> None:
        self.layers[index] = module

    def __len__(self) -> int:
        return len(self.layers)


# -- modules by number and by name ---------------------------------------------------------------------------------


class ModuleList(Sequential):
    """Modules by number, that their owner calls as it likes; a list of modules, as an attribute, is found as well.

    >>> len(ModuleList([Linear(2, 3), ReLU()]).extend([ReLU()]))
    3
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__(*modules)

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError("a ModuleList has no forward: call the modules in it, or use Sequential")

    def extend(self, modules: Iterable[Module]) -> "ModuleList":
        """Append several modules, and return this list."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a module before the one of that number."""
        self.layers.insert(index, module)
        self.names.append(str(len(self.names)))

    def __getitem__(self, index: Any) -> Any:
        return ModuleList(self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)


class ModuleDict(Module):
    """Modules by name, that their owner calls as it likes.

    >>> list(ModuleDict({"linear": Linear(2, 3), "relu": ReLU()}))
    ['linear', 'relu']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()):
        self.members = dict(modules)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return iter(self.members.items())

    def add_module(self, name: str, module: Any) -> None:
        """Add a module under a name."""
        self.members[name] = module

    __setitem__ = add_module

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add several modules."""
        self.members.update(modules)

    def __getattr__(self, name: str) -> Any:
        if name in vars(self).get("members", ()):
            return self.members[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}", name=name, obj=self)

    def __getitem__(self, name: str) -> Module:
        return self.members[name]

    def __delitem__(self, name: str) -> None:
        del self.members[name]

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def keys(self) -> Any:
        """The names."""
        return self.members.keys()

    def values(self) -> Any:
        """The modules."""
        return self.members.values()

    def items(self) -> Any:
        """Names and modules."""
        return self.members.items()


class Identity(Module):
    """z = x. What it is made with is not asked."""

    def __init__(self, *_: Any, **__: Any):
        pass

    def forward(self, x: Any) -> Any:
        return x


# -- initialisation ------------------------------------------------------------------------------------------------


def xavier_std(fan_in: int, fan_out: int) -> float:
    """The standard deviation of weights that keeps variance nearly steady, forwards and backwards.

    Forwards wants variance 1 / fan_in, backwards 1 / fan_out; 2 / (fan_in + fan_out) lies between.
    Glorot and Bengio, 2010.

    >>> xavier_std(6, 2)
    0.5
    """
    # Whose square root is a standard deviation? The docstring has the rest.
    return math.sqrt(2 / (fan_in + fan_out))


def he_std(fan_in: int) -> float:
    """The standard deviation of weights before a relu, which halves the mean square. He et al., 2015.

    >>> he_std(8)
    0.5
    """
    # Which variance of the weights makes n products sum to twice the mean square that went in?
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


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What a nonlinearity wants its weights' deviation multiplied by; param is the slope of leaky_relu, or 0.01."""
    slope = 0.01 if param is None else param
    gains = {"relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + slope**2)), "tanh": 5 / 3, "selu": 3 / 4}
    gains |= dict.fromkeys(("linear", "sigmoid", "conv1d", "conv2d", "conv3d"), 1.0)
    if nonlinearity not in gains:
        raise ValueError(f"there is a gain for {', '.join(gains)}, not for {nonlinearity!r}")
    return gains[nonlinearity]


def xavier_uniform_(x: Tensor, gain: float = 1.0, *, rng: np.random.Generator = generator) -> Tensor:
    """Fill a weight in place with uniform numbers of Xavier's standard deviation, times gain."""
    bound = gain * math.sqrt(3) * xavier_std(*fans(x)) if x.numel() else 0  # in +-b the deviation is b / sqrt(3)
    return refilled(x, rng.uniform(-bound, bound, x.shape))


def xavier_normal_(x: Tensor, gain: float = 1.0, *, rng: np.random.Generator = generator) -> Tensor:
    """Fill a weight in place with normal numbers of Xavier's standard deviation, times gain."""
    return refilled(x, rng.normal(0, gain * xavier_std(*fans(x)) if x.numel() else 0, x.shape))


def kaiming_uniform_(
    x: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator = generator,
) -> Tensor:
    """Fill a weight in place with uniform numbers of He's standard deviation; `a` is the slope of a leaky relu."""
    bound = math.sqrt(3) * kaiming_std(x, a, mode, nonlinearity)
    return refilled(x, rng.uniform(-bound, bound, x.shape))


def kaiming_normal_(
    x: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator = generator,
) -> Tensor:
    """Fill a weight in place with normal numbers of He's standard deviation; `a` is the slope of a leaky relu."""
    return refilled(x, rng.normal(0, kaiming_std(x, a, mode, nonlinearity), x.shape))


def kaiming_std(x: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """He's standard deviation for a weight: of its fan_in or fan_out, for relu or what else follows.

    Raises ValueError for another mode.
    """
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', got {mode!r}")
    relative = calculate_gain(nonlinearity, a) / calculate_gain("relu")
    return he_std(fans(x)[mode == "fan_out"]) * relative if x.numel() else 0.0


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
        self.in_features, self.out_features = in_features, out_features
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
    Returns (z, {"mask": mask}), because the derivative needs the mask; z is new, never x itself.
    Raises ValueError, saying what p was, unless 0 <= p < 1, and TypeError for an x of integers.
    Srivastava et al., 2014.

    >>> dropout([1, 2, 3, 4], p=0.5, rng=np.random.default_rng(5))
    tensor([2., 4., 0., 8.])
    """
    # A comparison gives an array of True and False, which count as 1 and 0 in arithmetic.
    # Scale it in the dtype of x: x.dtype.type(number) is a number of that dtype.
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

    def __init__(self, p: float = 0.5, inplace: bool = False, *, rng: np.random.Generator | None = None):
        self.p, self.rng = p, rng  # None is the package's generator, so that copies of a module share it too

    def forward(self, x: Any) -> Any:
        return dropout(x, p=self.p, rng=self.rng or generator) if self.training and self.p else x

    def extra_repr(self) -> str:
        return f"p={self.p}"


# -- functions as modules ------------------------------------------------------------------------------------------


class Flatten(Module):
    """(B, ...) -> (B, everything else); other axes than 1 to the last, if they are given.

    >>> Flatten()(Tensor(np.zeros((2, 8, 8)))).shape
    (2, 64)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(self.start_dim, self.end_dim)


class FunctionModule(Module):
    """A primitive as a module that keeps its options: LeakyReLU(0.1) or LeakyReLU(negative_slope=0.1).

    PyTorch's `inplace` saves memory and changes no result; here results are new in either case.
    """

    function: Primitive

    def __init__(self, *values: Any, inplace: bool = False, **options: Any):
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

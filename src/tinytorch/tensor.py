"""Tensors: arrays that remember where they came from.

Notation: x, y inputs; z = f(x, y) the output; g = dL/dz. B, T, C, H, W are axes: batch, time, channels, height, width.

Every operation goes through one seam, `primitive`: a NumPy function becomes a function of tensors that records its
*origin*. Five primitives share a name with a builtin (abs, max, min, pow, sum): wherever this package imports them the
name means the tensors' one, and Python's own is `builtins.sum`.
"""

import builtins
import inspect
import math
import operator
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ContextDecorator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinytorch.environment import generator

FLOAT32 = np.dtype(np.float32)

# -- recording -----------------------------------------------------------------------------------------------------


class _Recording(threading.local):
    def __init__(self) -> None:  # runs in each thread at its first use
        self.enabled = True
        self.before: list[bool] = []  # a stack: no_grad may be nested


_recording = _Recording()


class no_grad(ContextDecorator):
    """Nothing is recorded inside `with no_grad():`, nor in a function under `@no_grad()`. Each thread has its own.

    >>> x = Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     print((x + x).requires_grad)
    False
    """

    def __enter__(self) -> None:
        _recording.before.append(_recording.enabled)
        _recording.enabled = False

    def __exit__(self, *_: object) -> None:
        _recording.enabled = _recording.before.pop()


def is_grad_enabled() -> bool:
    """Whether operations of this thread are being recorded."""
    return _recording.enabled


class Origin:
    """Where a tensor came from: the primitive that made it, from what inputs, with what parameters.

    `arrays` are the inputs as the primitive's NumPy function received them; `saved` is what the function kept for its
    derivative. A freed origin, whose memory a backward pass has given back, has no inputs: `inputs` is None.
    """

    __slots__ = ("arrays", "inputs", "parameters", "primitive", "saved")

    def __init__(self, primitive: "Primitive", inputs: tuple, arrays: list, parameters: dict, saved: dict | None):
        self.primitive = primitive
        self.inputs: tuple | None = inputs
        self.arrays: list | None = arrays
        self.parameters = parameters
        self.saved: dict | None = saved

    def free(self) -> None:
        """Forget the inputs, so that their memory can go."""
        self.inputs = self.arrays = self.saved = None

    def __repr__(self) -> str:
        shapes = "freed" if self.inputs is None else ", ".join(_short(x) for x in self.inputs)
        return f"{self.primitive.name}({shapes})"


def _short(x: Any) -> str:
    return str(x.shape) if isinstance(x, Tensor) else repr(x)


# -- the seam ------------------------------------------------------------------------------------------------------

Observer = Callable[[str, float, list, Any], None]
observers: list[Observer] = []  # each is called with (name, seconds, arrays, result) after every primitive


class Primitive:
    """A NumPy function as a function of tensors: it unwraps, computes, wraps, and records the origin.

    Positional arguments of the definition are inputs, keyword-only ones are parameters; callers may pass either in any
    way that Python allows. The function returns an array, or `(array, saved)` where `saved` is a dict that its
    derivative will need. `@mul.vjp` registers that derivative, the primitive's *rule*.
    """

    def __init__(self, function: Callable):
        signature = inspect.signature(function).parameters.values()
        self.function = function
        self.name = function.__name__
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__
        self.__qualname__, self.__wrapped__ = function.__qualname__, function
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in signature)
        self.inputs = [p.name for p in signature if p.kind is p.POSITIONAL_OR_KEYWORD]
        self.parameters = [p.name for p in signature if p.kind is p.KEYWORD_ONLY]
        self.arity = len(self.inputs)
        self.rule: Callable | None = None
        self.rule_takes_needs = False
        self.broadcasts: int | None = None

    def vjp(self, rule: Callable) -> Callable:
        """Register the rule (g, z, inputs) -> gradients of the inputs, a vector-Jacobian product.

        A rule with a keyword `needs` is told which inputs need a gradient, and may return None for the others.
        """
        self.rule, self.rule_takes_needs = rule, "needs" in inspect.signature(rule).parameters
        return rule

    def __call__(self, *inputs: Any, **parameters: Any) -> "Tensor":
        if parameters or len(inputs) != self.arity:
            inputs, parameters = self._sort(inputs, parameters)
        arrays: list = []
        tracked = False
        for x in inputs:
            if isinstance(x, Tensor):
                arrays.append(x.data)
                tracked = tracked or x._requires_grad
            else:
                arrays.append(_operand(x))
        try:
            if observers:
                z = observed(self.name, self.function, arrays, parameters)
            else:
                z = self.function(*arrays, **parameters)
        except ValueError:
            self._explain(arrays)
            raise
        z, saved = z if type(z) is tuple else (z, None)
        if type(z) is not np.ndarray or z.dtype is not FLOAT32:
            z = _settle(z, arrays, parameters)
        recorded = tracked and _recording.enabled and (z.dtype is FLOAT32 or z.dtype.kind == "f")
        out = Tensor.__new__(Tensor)
        out.data, out.grad = z, None
        out.origin = Origin(self, inputs, arrays, parameters, saved) if recorded else None
        out._requires_grad = recorded
        return out

    def _explain(self, arrays: list) -> None:
        """Raise a clearer error, which names the shapes, if the trouble is that they do not broadcast."""
        if self.broadcasts is None:
            return
        shapes, but = [np.shape(x) for x in arrays], self.broadcasts
        try:
            np.broadcast_shapes(*(shape[: len(shape) - but] for shape in shapes))
        except ValueError:
            given, aside = " and ".join(map(str, shapes)), f", the last {but} aside," if but else ","
            raise ValueError(
                f"{self.name} cannot broadcast {given}: counted from the right{aside} axes must be equal or 1"
            ) from None

    def _sort(self, inputs: tuple, parameters: dict) -> tuple[tuple, dict]:
        """What the caller passed, as (inputs, parameters): sum(x, 0) means sum(x, dim=0)."""
        if not self.variadic:
            inputs, extra = inputs[: self.arity], inputs[self.arity :]
        elif inputs and isinstance(inputs[0], list | tuple):  # stack([x, y], 1) is stack(x, y, dim=1)
            inputs, extra = tuple(inputs[0]), inputs[1:]
        else:
            extra = ()
        if len(extra) > len(self.parameters):
            takes = ", ".join(self.inputs + self.parameters)
            raise TypeError(f"{self.name}({takes}) got {len(inputs) + len(extra)} arguments")
        parameters |= zip(self.parameters, extra)
        for name in self.inputs[len(inputs) :]:  # an input passed by its name
            if name in parameters:
                inputs += (parameters.pop(name),)
        if isinstance(parameters.get("dim"), list):
            parameters["dim"] = tuple(parameters["dim"])
        return inputs, parameters

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def primitive(function: Callable) -> Primitive:
    """Make a NumPy function a function of tensors: `@primitive` above its definition."""
    return Primitive(function)


def broadcasts(but: int = 0) -> Callable[[Primitive], Primitive]:
    """Above `@primitive`: inputs broadcast along all axes but the last so many; errors about that name the shapes."""

    def marked(operation: Primitive) -> Primitive:
        operation.broadcasts = but
        return operation

    return marked


def observed(name: str, function: Callable, arrays: Sequence, parameters: dict) -> Any:
    """Call function(*arrays, **parameters) and tell every observer what ran and for how long."""
    start = time.perf_counter()
    result = function(*arrays, **parameters)
    seconds = time.perf_counter() - start
    for observer in observers:
        observer(name, seconds, list(arrays), result)
    return result


def _operand(x: Any) -> Any:
    """x as a NumPy function should see it: a plain number stays one, so that it follows the dtype of its partner."""
    if x is None or (isinstance(x, bool | int | float) and not isinstance(x, np.generic)):
        return x
    return x.item() if isinstance(x, np.generic) else Tensor(x).data


def _settle(z: Any, arrays: list, parameters: dict) -> np.ndarray:
    """z as an array in the widest float dtype that went in, else float32: no float64 comes from nowhere.

    As in PyTorch, an array of shape () does not widen those that have axes.
    """
    z = np.asarray(z)
    if z.dtype is FLOAT32 or z.dtype.kind != "f" or "dtype" in parameters:
        return z
    floats = [x for x in arrays if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    dtypes = [x.dtype for x in floats if x.ndim] or [x.dtype for x in floats]
    return z.astype(np.result_type(*dtypes) if dtypes else FLOAT32, copy=False)


# -- shapes --------------------------------------------------------------------------------------------------------


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to. Raises ValueError, naming the shapes, if they do not.

    Line the shapes up at their right ends. Along each axis the sizes must agree, where 1 agrees with everything
    and a missing axis counts as 1.

    >>> broadcast_shape((3, 1), (4,))
    (3, 4)
    >>> broadcast_shape((2, 1, 5), (3, 1), ())
    (2, 3, 5)
    """
    # Pad every shape with ones on the left; then zip(*padded) gives you one axis at a time.
    ndim = builtins.max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    result = []
    for sizes in zip(*padded):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(f"shapes {' and '.join(map(str, shapes))} do not broadcast: {sizes} along one axis")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def footprint(*tensors: "Tensor") -> int:
    """The bytes of memory that these tensors hold together: views of one array share it, and count once.

    >>> x = zeros(3, 4)
    >>> footprint(x), footprint(x, x.T), footprint(x, x + 1)
    (48, 48, 96)
    """
    # Follow `.base` from view to view until it is None: there stands the owner.
    # Two tensors may have the same owner. Count it once, by its id().
    owners = {}
    for t in tensors:
        owner: Any = t.data
        while getattr(owner, "base", None) is not None:  # bytes that were read from a file have no base
            owner = owner.base
        owners[id(owner)] = memoryview(owner).nbytes
    return builtins.sum(owners.values())


# -- arithmetic ----------------------------------------------------------------------------------------------------


@broadcasts()
@primitive
def add(x, y):
    """z = x + y, broadcasting.

    >>> add(Tensor([[1], [2]]), Tensor([10, 20]))
    tensor([[11., 21.],
            [12., 22.]])
    """
    return x + y


@broadcasts()
@primitive
def sub(x, y):
    """z = x - y, broadcasting.

    >>> sub(Tensor([5, 7]), 2)
    tensor([3., 5.])
    """
    return x - y


@broadcasts()
@primitive
def mul(x, y):
    """z = x * y element by element, broadcasting.

    >>> mul(Tensor([1, 2, 3]), Tensor([4, 5, 6]))
    tensor([ 4., 10., 18.])
    """
    return x * y


@broadcasts()
@primitive
def div(x, y):
    """z = x / y, broadcasting. Integers divide to float32.

    >>> div(Tensor([1, 2]), 4)
    tensor([0.25, 0.5 ])
    """
    return x / y


@primitive
def neg(x):
    """z = -x.

    >>> neg(Tensor([1, -2]))
    tensor([-1.,  2.])
    """
    return -x


@broadcasts()
@primitive
def pow(x, y):
    """z = x^y, broadcasting.

    >>> pow(Tensor([1, 2, 3]), 2)
    tensor([1., 4., 9.])
    """
    # Cubes are products: measured, x**3 takes 140 times as long where x has both signs, and 2.7 times where it has one.
    if isinstance(y, int) and y == 3:
        return x * x * x
    return x**y


@broadcasts()
@primitive
def maximum(x, y):
    """z = the larger of x and y, element by element, broadcasting.

    >>> maximum(Tensor([1, 5]), Tensor([3, 2]))
    tensor([3., 5.])
    """
    return np.maximum(x, y)


@broadcasts()
@primitive
def minimum(x, y):
    """z = the smaller of x and y, element by element, broadcasting.

    >>> minimum(Tensor([1, 5]), Tensor([3, 2]))
    tensor([1., 2.])
    """
    return np.minimum(x, y)


@broadcasts()
@primitive
def where(condition, x, y):
    """z = x where condition holds, y elsewhere, broadcasting.

    >>> where(Tensor([1, -1]) > 0, 10.0, 20.0)
    tensor([10., 20.])
    """
    return np.where(condition, x, y)


@broadcasts(but=2)
@primitive
def matmul(x, y):
    """z = x @ y, shapes (..., n, k) @ (..., k, m) -> (..., n, m); a vector counts as one row or one column.

    Raises ValueError if the inner axes differ.

    >>> matmul(Tensor([[1, 2], [3, 4]]), Tensor([[1], [10]]))
    tensor([[21.],
            [43.]])
    """
    # NumPy's x @ y multiplies. Your part is the check before it: the last axis
    # of x meets the last but one of y, or its only one.
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        raise ValueError(f"matmul needs at least one axis on each side: {np.shape(x)} @ {np.shape(y)}")
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise ValueError(f"matmul needs inner axes to agree: {x.shape} @ {y.shape}")
    return x @ y


# -- functions of one tensor ---------------------------------------------------------------------------------------


@primitive
def exp(x):
    """z = e^x.

    >>> exp(Tensor([0, 1]))
    tensor([1.    , 2.7183])
    """
    return np.exp(x)


@primitive
def log(x):
    """z = ln x.

    >>> log(Tensor([1, 2]))
    tensor([0.    , 0.6931])
    """
    return np.log(x)


@primitive
def sqrt(x):
    """z = the square root of x.

    >>> sqrt(Tensor([4, 9]))
    tensor([2., 3.])
    """
    return np.sqrt(x)


@primitive
def abs(x):
    """z = |x|.

    >>> abs(Tensor([-1, 2]))
    tensor([1., 2.])
    """
    return np.abs(x)


@primitive
def clip(x, *, min=None, max=None):
    """z = x limited to min..max; either bound may be None.

    >>> clip(Tensor([-2, 0, 5]), min=-1, max=1)
    tensor([-1.,  0.,  1.])
    """
    return np.clip(x, min, max)


@primitive
def clone(x):
    """z = a copy of x, in one block, in the order of its axes.

    >>> clone(Tensor([1]))
    tensor([1.])
    """
    return np.array(x, order="C")


@primitive
def cast(x, *, dtype):
    """z = x in another dtype; a float that becomes an integer drops its fraction.

    >>> cast(Tensor([1.5]), dtype="int64")
    tensor([1], dtype=int64)
    """
    return np.asarray(x).astype(dtype)


# -- reductions ----------------------------------------------------------------------------------------------------


@primitive
def sum(x, *, dim=None, keepdim=False):
    """z = the sum of x over dim: an axis, a tuple of axes, or None for all. keepdim leaves them as size 1.

    >>> sum(Tensor([[1, 2], [3, 4]]), dim=0)
    tensor([4., 6.])
    """
    return x.sum(axis=dim, keepdims=keepdim)


@primitive
def mean(x, *, dim=None, keepdim=False):
    """z = the mean of x over dim.

    >>> mean(Tensor([[1, 2], [3, 4]]), dim=1, keepdim=True)
    tensor([[1.5],
            [3.5]])
    """
    # The sum, divided by how many elements went into each sum:
    # x.size over the size of the result.
    total = np.sum(x, axis=dim, keepdims=keepdim)
    return total / (x.size / np.size(total)) if np.size(total) else total


@primitive
def max(x, *, dim=None, keepdim=False):
    """z = the largest of x over dim, as torch.amax; `argmax` tells where it is.

    >>> max(Tensor([[1, 5], [7, 2]]), dim=1)
    tensor([5., 7.])
    """
    return x.max(axis=dim, keepdims=keepdim)


@primitive
def min(x, *, dim=None, keepdim=False):
    """z = the smallest of x over dim, as torch.amin.

    >>> min(Tensor([[1, 5], [7, 2]]))
    tensor(1.)
    """
    return x.min(axis=dim, keepdims=keepdim)


def var(x: "Tensor", dim: Any = None, keepdim: bool = False, correction: int = 1) -> "Tensor":
    """The variance of x over dim: the sum of squared deviations over n - correction.

    >>> var(Tensor([1, 2, 3, 4]), correction=0)
    tensor(1.25)
    """
    # Compose it of tensors' functions, not NumPy's, and it remembers its origin.
    # keepdim lines the mean up with x. n is x.size over the size of the sums.
    deviation = x - mean(x, dim=dim, keepdim=True)
    squares = sum(deviation * deviation, dim=dim, keepdim=keepdim)
    n = x.size / builtins.max(squares.size, 1)
    return squares / builtins.max(n - correction, 0)


def argmax(x: "Tensor", dim: int | None = None, keepdim: bool = False) -> "Tensor":
    """The index of the largest of x along dim (the first, if there are several), int64.

    >>> argmax(Tensor([[1, 5], [7, 2]]), dim=1)
    tensor([1, 0], dtype=int64)
    """
    return Tensor(np.asarray(_array_of(x).argmax(axis=dim, keepdims=keepdim)))


def argmin(x: "Tensor", dim: int | None = None, keepdim: bool = False) -> "Tensor":
    """The index of the smallest of x along dim (the first, if there are several), int64.

    >>> argmin(Tensor([[1, 5], [7, 2]]), dim=1)
    tensor([0, 1], dtype=int64)
    """
    return Tensor(np.asarray(_array_of(x).argmin(axis=dim, keepdims=keepdim)))


def _array_of(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else np.asarray(x)


# -- moving elements -----------------------------------------------------------------------------------------------


@primitive
def reshape(x, *, shape):
    """z = the elements of x, in order, in another shape; one axis may be -1, to be worked out. A view where possible.

    >>> reshape(Tensor([1, 2, 3, 4]), shape=(2, -1))
    tensor([[1., 2.],
            [3., 4.]])
    """
    try:
        return x.reshape(shape)
    except ValueError:
        raise ValueError(f"reshape needs as many elements as it has: {x.shape} ({x.size}) -> {shape}") from None


@primitive
def transpose(x, *, dim0=-2, dim1=-1):
    """z = x with two axes exchanged: a view.

    >>> transpose(Tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    # x.T reverses all axes, and a batch of images has three.
    # NumPy has swapaxes; or write down the order of the axes for x.transpose(order).
    return x.swapaxes(dim0, dim1)


@primitive
def permute(x, *, dims):
    """z = x with its axes in another order: a view.

    >>> permute(zeros(2, 3, 4), dims=(2, 0, 1)).shape
    (4, 2, 3)
    """
    return x.transpose(dims)


@primitive
def broadcast_to(x, *, shape):
    """z = x repeated, without copying, until it has this shape. A view; raises ValueError if the shapes do not fit.

    >>> broadcast_to(Tensor([[1], [2]]), shape=(2, 3))
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    # np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False) reads x's
    # memory with any shape and strides, right or wrong: check the shapes first.
    # A step along a new or a stretched axis moves by 0 bytes.
    new = len(shape) - x.ndim
    if new < 0 or any(size not in (1, wide) for size, wide in zip(x.shape, shape[new:])):
        raise ValueError(f"broadcast_to cannot stretch {x.shape} to {shape}")
    along = tuple(0 if size == 1 else stride for size, stride in zip(x.shape, x.strides))
    return np.lib.stride_tricks.as_strided(x, shape, (0,) * new + along, writeable=False)


@primitive
def getitem(x, *, index):
    """z = x[index], with all of NumPy's indexing: numbers, slices, None, ..., masks, arrays of indices.

    >>> getitem(Tensor([[1, 2], [3, 4]]), index=(slice(None), 1))
    tensor([2., 4.])
    """
    return x[index]


@primitive
def concatenate(*xs, dim=0):
    """z = the tensors one after the other along dim.

    >>> concatenate([Tensor([1, 2]), Tensor([3])])
    tensor([1., 2., 3.])
    """
    return np.concatenate(xs, axis=dim)


@primitive
def stack(*xs, dim=0):
    """z = the tensors side by side along a new axis dim.

    >>> stack([Tensor([1, 2]), Tensor([3, 4])], dim=1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    return np.stack(xs, axis=dim)


def _index_of(index: Any) -> Any:
    """An index as NumPy takes it: tensors in it become arrays."""
    if isinstance(index, tuple):
        return tuple(_index_of(i) for i in index)
    return index.data if isinstance(index, Tensor) else index


# -- the tensor ----------------------------------------------------------------------------------------------------


class Tensor:
    """An array that remembers where it came from.

    `data` is the ndarray, `grad` the gradient (a Tensor, or None), `origin` what made it (None for a *leaf*, a tensor
    that you made). Numbers, lists and NumPy scalars become float32; an ndarray keeps its dtype and shares its memory.

    >>> x = Tensor([1, 2], requires_grad=True)
    >>> x * x
    tensor([1., 4.], origin=mul)
    """

    __slots__ = ("__weakref__", "_requires_grad", "data", "grad", "origin")
    __array_priority__ = 100  # array * tensor asks the tensor
    __hash__ = object.__hash__

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None):
        self.data = _as_array(data, dtype)
        self.grad: Tensor | None = None
        self.origin: Origin | None = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    # what it is
    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    dtype = property(lambda self: self.data.dtype)
    nbytes = property(lambda self: self.data.nbytes)
    is_leaf = property(lambda self: self.origin is None)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Only a leaf of a float dtype can be asked to change."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.data.dtype.kind != "f":
            raise RuntimeError(f"only floating-point tensors can require gradients, this one is {self.data.dtype}")
        if self.origin is not None and not value:
            raise RuntimeError("only a leaf can stop requiring gradients; x.detach() is a leaf with the same data")
        self._requires_grad = bool(value)

    def requires_grad_(self, value: bool = True) -> "Tensor":
        """Set requires_grad, and return this tensor."""
        self.requires_grad = value
        return self

    def is_contiguous(self) -> bool:
        """Whether the elements lie side by side in memory, in the order of the axes."""
        return self.data.flags.c_contiguous

    def numel(self) -> int:
        """The number of elements."""
        return self.data.size

    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise TypeError("a tensor of shape () has no length")
        return len(self.data)

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = np.array2string(self.data, separator=", ", prefix="tensor(", precision=4, threshold=200)
        size = f", size={self.shape}" if self.size == 0 and self.ndim > 1 else ""
        dtype = f", dtype={self.dtype}" if self.dtype not in (FLOAT32, bool) else ""
        grad = ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({text}{size}{dtype}{f', origin={self.origin.primitive.name}' if self.origin else grad})"

    # back to Python and NumPy
    def item(self) -> Any:
        """The one element, as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"item needs a tensor of one element, this one has shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.data.tolist()

    def numpy(self) -> np.ndarray:
        """The ndarray itself. Raises RuntimeError if this tensor requires gradients: NumPy would not record."""
        if self.requires_grad:
            raise RuntimeError("NumPy cannot record gradients: use x.detach().numpy(), or x.data")
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return operator.index(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec else repr(self), spec)

    # in and out of the graph
    def backward(self, gradient: "Tensor | None" = None, retain_graph: bool = False) -> None:
        """Fill the .grad of every leaf that this tensor came from; needs tinytorch.autograd."""
        from tinytorch.autograd import backward

        backward(self, gradient, retain_graph)

    def detach(self) -> "Tensor":
        """A leaf with the same data, in the same memory."""
        return Tensor(self.data)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    # arithmetic
    # fmt: off
    def __add__(self, y):
        return add(self, y)
    def __radd__(self, y):
        return add(y, self)
    def __sub__(self, y):
        return sub(self, y)
    def __rsub__(self, y):
        return sub(y, self)
    def __mul__(self, y):
        return mul(self, y)
    def __rmul__(self, y):
        return mul(y, self)
    def __truediv__(self, y):
        return div(self, y)
    def __rtruediv__(self, y):
        return div(y, self)
    def __pow__(self, y):
        return pow(self, y)
    def __rpow__(self, y):
        return pow(y, self)
    def __matmul__(self, y):
        return matmul(self, y)
    def __rmatmul__(self, y):
        return matmul(y, self)
    def __neg__(self):
        return neg(self)
    def __abs__(self):
        return abs(self)

    # arithmetic in place: where nothing is recorded
    def __iadd__(self, y):
        return self._in_place(np.add, y)
    def __isub__(self, y):
        return self._in_place(np.subtract, y)
    def __imul__(self, y):
        return self._in_place(np.multiply, y)
    def __itruediv__(self, y):
        return self._in_place(np.true_divide, y)
    def __setitem__(self, index, y):
        self._refuse_recording()
        self.data[_index_of(index)] = _operand(y) if not isinstance(y, Tensor) else y.data
    def _in_place(self, ufunc: np.ufunc, y: Any) -> "Tensor":
        self._refuse_recording()
        ufunc(self.data, y.data if isinstance(y, Tensor) else _operand(y), out=self.data, casting="same_kind")
        return self
    def _refuse_recording(self) -> None:
        if _recording.enabled:
            raise RuntimeError(
                "changing a tensor in place is not recorded: do it inside `with no_grad():`, or make a new one"
            )

    # comparison: bool tensors, outside the graph
    def __eq__(self, y):
        return self._compared(np.equal, y)
    def __ne__(self, y):
        return self._compared(np.not_equal, y)
    def __lt__(self, y):
        return self._compared(np.less, y)
    def __le__(self, y):
        return self._compared(np.less_equal, y)
    def __gt__(self, y):
        return self._compared(np.greater, y)
    def __ge__(self, y):
        return self._compared(np.greater_equal, y)
    def __invert__(self):
        return Tensor(np.asarray(~self.data))
    def __and__(self, y):
        return self._compared(np.bitwise_and, y)
    def __or__(self, y):
        return self._compared(np.bitwise_or, y)

    def _compared(self, ufunc: np.ufunc, y: Any) -> "Tensor":
        return Tensor(np.asarray(ufunc(self.data, y.data if isinstance(y, Tensor) else _operand(y))))

    # functions as methods
    def matmul(self, y):
        return matmul(self, y)
    def exp(self):
        return exp(self)
    def log(self):
        return log(self)
    def sqrt(self):
        return sqrt(self)
    def abs(self):
        return abs(self)
    def pow(self, y):
        return pow(self, y)
    def clip(self, min=None, max=None):
        return clip(self, min=min, max=max)
    def clone(self):
        return clone(self)
    def contiguous(self):
        return self if self.is_contiguous() else clone(self)
    def sum(self, dim=None, keepdim=False):
        return sum(self, dim=dim, keepdim=keepdim)
    def mean(self, dim=None, keepdim=False):
        return mean(self, dim=dim, keepdim=keepdim)
    def max(self, dim=None, keepdim=False):
        return max(self, dim=dim, keepdim=keepdim)
    def min(self, dim=None, keepdim=False):
        return min(self, dim=dim, keepdim=keepdim)
    def var(self, dim=None, keepdim=False, correction=1):
        return var(self, dim, keepdim, correction)
    def std(self, dim=None, keepdim=False, correction=1):
        return sqrt(var(self, dim, keepdim, correction))
    def argmax(self, dim=None, keepdim=False):
        return argmax(self, dim, keepdim)
    def argmin(self, dim=None, keepdim=False):
        return argmin(self, dim, keepdim)
    def __getitem__(self, index):
        return getitem(self, index=_index_of(index))
    def reshape(self, *shape):
        return reshape(self, shape=_unpacked(shape))
    def view(self, *shape):
        return reshape(self, shape=_unpacked(shape))
    def flatten(self, start_dim=0, end_dim=-1):
        shape = self.shape or (1,)
        start, end = (normalize_axis_index(dim, len(shape)) for dim in (start_dim, end_dim))
        return reshape(self, shape=(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))
    def squeeze(self, dim=None):
        gone = range(self.ndim) if dim is None else normalize_axis_tuple(dim, self.ndim or 1)
        return reshape(self, shape=tuple(n for axis, n in enumerate(self.shape) if n != 1 or axis not in gone))
    def unsqueeze(self, dim):
        at = normalize_axis_index(dim, self.ndim + 1)
        return reshape(self, shape=(*self.shape[:at], 1, *self.shape[at:]))
    def transpose(self, dim0, dim1):
        return transpose(self, dim0=dim0, dim1=dim1)
    def permute(self, *dims):
        return permute(self, dims=_unpacked(dims))
    def expand(self, *shape):
        shape = _unpacked(shape)
        own = (1,) * (len(shape) - self.ndim) + self.shape
        return broadcast_to(self, shape=tuple(n if new == -1 else new for new, n in zip(shape, own)))
    T = property(lambda self: permute(self, dims=tuple(range(self.ndim))[::-1]))
    mT = property(lambda self: transpose(self))
    # fmt: on

    # dtypes and devices
    def to(self, target):
        """This tensor in another dtype. There is one device: "cpu"."""
        if str(target) == "cpu":
            return self
        if str(target).startswith(("cuda", "mps", "xpu")):
            raise RuntimeError(
                f"TinyTorch computes on the CPU with NumPy: there is no device {str(target)!r} to move to"
            )
        return cast(self, dtype=target)

    def cuda(self):
        return self.to("cuda")

    def cpu(self):
        return self

    def float(self):
        return cast(self, dtype=np.float32)

    def double(self):
        return cast(self, dtype=np.float64)

    def long(self):
        return cast(self, dtype=np.int64)


def _unpacked(sizes: tuple) -> tuple:
    """(2, 3) from f(2, 3) as well as from f((2, 3))."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes


def _as_array(data: Any, dtype: Any) -> np.ndarray:
    """data as an ndarray. What is not one yet becomes float32, if no dtype is given."""
    if isinstance(data, Tensor | np.ndarray):
        data = _array_of(data)
        return data if dtype is None else data.astype(dtype, copy=False)
    try:
        if data is None:
            raise TypeError
        return np.asarray(data, dtype=FLOAT32 if dtype is None else dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"a tensor holds numbers, in rows of equal length; got {str(data)[:80]}") from None


# -- making tensors ------------------------------------------------------------------------------------------------


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of data. Unlike `Tensor`, it keeps whole numbers whole: [1, 2] is int64, [1.0, 2.0] float32.

    >>> tensor([1, 2]), tensor([1.0, 2.0])
    (tensor([1, 2], dtype=int64), tensor([1., 2.]))
    """
    array = _as_array(data, dtype)
    if dtype is None and not isinstance(data, np.ndarray | Tensor):
        kind = np.asarray(data).dtype.kind
        array = _as_array(data, {"i": np.int64, "b": np.bool_}.get(kind))
    return Tensor(np.array(array), requires_grad)


def zeros(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros: zeros(2, 3) or zeros((2, 3))."""
    return Tensor(np.zeros(_unpacked(shape), dtype), requires_grad)


def ones(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A tensor of ones."""
    return Tensor(np.ones(_unpacked(shape), dtype), requires_grad)


def full(shape: tuple, value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor filled with one value, whose kind decides the dtype as in `tensor`."""
    return Tensor(np.full(shape, tensor(value, dtype).data), requires_grad)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros in the shape and dtype of x."""
    return Tensor(np.zeros_like(x.data))


def ones_like(x: Tensor) -> Tensor:
    """Ones in the shape and dtype of x."""
    return Tensor(np.ones_like(x.data))


def eye(n: int, m: int | None = None, dtype: Any = np.float32) -> Tensor:
    """The n x n identity matrix, or n x m with ones on its diagonal."""
    return Tensor(np.eye(n, m, dtype=dtype))


def arange(*bounds: Any, dtype: Any = None) -> Tensor:
    """arange(stop), arange(start, stop) or arange(start, stop, step): int64 if all are whole, else float32.

    >>> arange(3), arange(0, 1, 0.5)
    (tensor([0, 1, 2], dtype=int64), tensor([0. , 0.5]))
    """
    values = np.arange(*bounds)
    return Tensor(values.astype(dtype or (np.int64 if values.dtype.kind == "i" else np.float32)))


def linspace(start: Any, end: Any, steps: int, dtype: Any = np.float32) -> Tensor:
    """`steps` values, evenly spaced from start to end, both included."""
    return Tensor(np.linspace(start, end, steps, dtype=dtype))


def rand(
    *shape: Any, dtype: Any = np.float32, requires_grad: bool = False, rng: np.random.Generator = generator
) -> Tensor:
    """Uniform in [0, 1), from the package's generator or from rng."""
    return Tensor(np.asarray(rng.random(_unpacked(shape), np.float32), dtype), requires_grad)


def randn(
    *shape: Any, dtype: Any = np.float32, requires_grad: bool = False, rng: np.random.Generator = generator
) -> Tensor:
    """Normal with mean 0 and variance 1."""
    return Tensor(np.asarray(rng.standard_normal(_unpacked(shape), np.float32), dtype), requires_grad)


def randint(low: int, high: int, size: tuple, rng: np.random.Generator = generator) -> Tensor:
    """Whole numbers, uniform in low..high - 1, int64."""
    return Tensor(rng.integers(low, high, size))


def randperm(n: int, rng: np.random.Generator = generator) -> Tensor:
    """The numbers 0..n - 1 in random order, int64."""
    return Tensor(rng.permutation(n))

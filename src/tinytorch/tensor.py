"""Tensors: arrays that remember where they came from.

Notation: x, y inputs; z = f(x, y) the output; g = dL/dz. B, T, C, H, W are axes: batch, time, channels, height, width.

Every operation goes through one seam, `primitive`: a NumPy function becomes a function of tensors that records its
*origin*. Five functions share a name with a builtin (abs, max, min, pow, sum): wherever this package imports them the
name means the tensors' one, and Python's own is `builtins.sum`.
"""

import builtins
import functools
import inspect
import math
import operator
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as Steps
from contextlib import ContextDecorator
from importlib import import_module
from types import EllipsisType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinytorch.environment import generator

FLOAT32 = np.dtype(np.float32)
PYTHON_DTYPES: dict[type, np.dtype] = {float: FLOAT32, int: np.dtype(np.int64), bool: np.dtype(np.bool_)}

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

    def __call__(self, function: Any) -> Any:
        if not inspect.isgeneratorfunction(function):
            return super().__call__(function)
        return functools.wraps(function)(lambda *inputs, **options: self._unrecorded(function(*inputs, **options)))

    def _unrecorded(self, steps: Steps) -> Steps:
        """The same generator, inside no_grad while it runs; between its steps the setting is its caller's."""
        resume = functools.partial(steps.send, None)
        while True:
            try:
                with self:
                    item = resume()
            except StopIteration as end:
                return end.value
            try:
                resume = functools.partial(steps.send, (yield item))
            except BaseException as error:  # thrown in by the caller: the generator's own business
                resume = functools.partial(steps.throw, error)


def is_grad_enabled() -> bool:
    """Whether operations of this thread are being recorded."""
    return _recording.enabled


class enable_grad(no_grad):
    """Everything is recorded again inside `with enable_grad():`, also within a no_grad."""

    def __enter__(self) -> None:
        super().__enter__()
        _recording.enabled = True


class set_grad_enabled(ContextDecorator):
    """Record from here on, or do not: `set_grad_enabled(False)`; in a `with`, until its end."""

    def __init__(self, mode: bool):
        self.before, _recording.enabled = _recording.enabled, bool(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        _recording.enabled = self.before


# -- versions ------------------------------------------------------------------------------------------------------


class Versions:
    """When memory was last changed in place: `now` counts all changes, and a version is the count at the last one.

    Tensors that share memory share its version. Whoever writes into a tensor's array calls `increment`.

    >>> x = zeros(2)
    >>> x += 1
    >>> versions.of(x.data) == versions.of(x.reshape(2, 1).data) == versions.now, versions.of(ones(2).data)
    (True, 0)
    """

    def __init__(self) -> None:
        self.now = 0
        self.last: dict[int, int] = {}  # by the id of the array that owns the memory
        self.alive: dict[int, weakref.ref] = {}
        self.lock = threading.Lock()

    def of(self, array: Any) -> int:
        """The version of an array's memory: 0 if it never changed."""
        return self.last.get(id(_owner(array)), 0)

    def increment(self, *arrays: np.ndarray) -> None:
        """Note that these arrays were written to."""
        with self.lock:
            self.now += 1
            for owner in map(_owner, arrays):
                key = id(owner)
                if key not in self.alive:
                    self.alive[key] = weakref.ref(owner, functools.partial(self._forget, key))
                self.last[key] = self.now

    def _forget(self, key: int, _: weakref.ref) -> None:
        del self.last[key], self.alive[key]


def _owner(array: Any) -> Any:
    """The array that owns the memory of this one, which may be a view."""
    owner = array
    while (array := getattr(array, "base", None)) is not None:
        owner = array if isinstance(array, np.ndarray) else owner  # a file or a string of bytes may lie below
    return owner


versions = Versions()


class Origin:
    """Where a tensor came from: the primitive that made it, from what inputs, with what parameters.

    `arrays` are the inputs as the primitive's NumPy function received them; `saved` is what the function kept for its
    derivative; `version` tells when that was: what has changed since has a later one. A freed origin, whose memory a
    backward pass has given back, has no inputs: `inputs` is None.
    """

    __slots__ = ("arrays", "inputs", "parameters", "primitive", "saved", "version")

    def __init__(self, primitive: "Primitive", inputs: tuple, arrays: list, parameters: dict, saved: dict | None):
        self.version = versions.now
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


class InPlace(Origin):
    """The origin of a tensor that was changed where it stands, as in `x += y`: `before` is the tensor that it was."""

    __slots__ = ("before",)

    def __init__(self, origin: Origin, before: "Tensor"):
        inputs, arrays = origin.inputs or (), origin.arrays or []
        super().__init__(origin.primitive, inputs, arrays, origin.parameters, origin.saved)
        self.version, self.before = origin.version, before


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
        self.reads: list[set[str]] | None = None

    def vjp(self, rule: Callable | None = None, *, reads: str | None = None) -> Callable:
        """Register the rule (g, z, inputs) -> gradients of the inputs, a vector-Jacobian product.

        A rule with a keyword `needs` is told which inputs need a gradient, and may return None for the others.
        `reads` names those of z and the inputs whose numbers the rule reads, "" for none: they alone must not change
        before it runs. "y | x" says that dx reads y, and dy reads x. Without it the rule may read them all.
        """
        if rule is None:
            return functools.partial(self.vjp, reads=reads)
        self.rule, self.rule_takes_needs = rule, "needs" in inspect.signature(rule).parameters
        self.reads = None if reads is None else [set(names.split()) for names in reads.split("|")]
        return rule

    def read_for(self, needs: Sequence[bool]) -> set[str]:
        """The names of what the rule reads for the inputs that need a gradient."""
        if self.reads is None:
            return {"z", *self.inputs}
        parts = self.reads if len(self.reads) > 1 else self.reads * len(needs)
        return set().union(*[names for names, needed in zip(parts, needs) if needed])

    def __reduce__(self) -> str:
        return self.__qualname__  # a copy of a function is that function; pickle stores its name

    def __call__(self, *inputs: Any, **parameters: Any) -> "Tensor":
        if parameters or len(inputs) != self.arity:
            inputs, parameters = self._sort(inputs, parameters)
        arrays: list = []
        tracked = mixed = False
        for x in inputs:
            if isinstance(x, Tensor):
                array = x._data
                arrays.append(array)
                tracked = tracked or x._requires_grad
                mixed = mixed or (array.dtype is not FLOAT32 and array.dtype.kind == "f")
            else:
                array = _operand(x)
                arrays.append(array)
                mixed = mixed or isinstance(array, np.ndarray)
        try:
            if observers:
                z = observed(self.name, self.function, arrays, parameters)
            else:
                z = self.function(*arrays, **parameters)
        except ValueError:
            self._explain(arrays)
            raise
        saved = None
        if type(z) is not np.ndarray:
            z, saved = _array_and_saved(z)
        recorded = tracked and _recording.enabled
        if mixed or z.dtype is not FLOAT32:
            z = _settle(z, arrays, parameters)
            recorded = recorded and z.dtype.kind == "f"
        out = Tensor.__new__(Tensor)
        out._data, out.grad, out._requires_grad = z, None, recorded
        out.origin = Origin(self, inputs, arrays, parameters, saved) if recorded else None
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
    """Call function(*arrays, **parameters) and tell every observer what ran, for how long, and its result.

    Of a primitive that returns (array, saved) they are told the array; of a rule, all of its gradients.
    """
    start = time.perf_counter()
    result = function(*arrays, **parameters)
    seconds = time.perf_counter() - start
    told = result[0] if type(result) is tuple and isinstance(result[-1], dict) else result
    for observer in observers:
        observer(name, seconds, list(arrays), told)
    return result


def _operand(x: Any) -> Any:
    """x as a NumPy function should see it: a plain number stays one, so that it follows the dtype of its partner."""
    if isinstance(x, Tensor):
        return x._data
    if x is None or (isinstance(x, bool | int | float) and not isinstance(x, np.generic)):
        return x
    return x.item() if isinstance(x, np.generic) else Tensor(x)._data


def _array_and_saved(z: Any) -> tuple[np.ndarray, dict | None]:
    """What a function returned: z, and what it saved, if anything."""
    z, saved = z if type(z) is tuple else (z, None)
    return np.asarray(z), saved


def _settle(z: np.ndarray, arrays: list, parameters: dict) -> np.ndarray:
    """z in the widest float dtype that went in, else float32: no float64 comes from nowhere.

    As in PyTorch, an array of shape () does not widen those of its kind that have axes.
    """
    if "dtype" in parameters or z.dtype.kind not in "fiu":
        return z
    alike = [x for x in arrays if isinstance(x, np.ndarray) and (x.dtype.kind == "f") == (z.dtype.kind == "f")]
    dtypes = [x.dtype for x in alike if x.ndim and x.dtype.kind != "b"]
    if z.dtype.kind == "f":
        dtypes = dtypes or [x.dtype for x in alike] or [FLOAT32]
        return z.astype(np.result_type(*dtypes), copy=False)
    narrow = np.result_type(*dtypes) if len(arrays) > 1 and dtypes else z.dtype
    return z.astype(narrow) if np.can_cast(narrow, z.dtype) else z


def widened(function: Callable) -> Callable:
    """The same function, computed in float32 where it is given whole numbers or float16; those come back as float16.

    Sums of many float16 numbers overflow or lose their digits, and bytes wrap around at 256.
    """

    @functools.wraps(function)
    def wide(*arrays: Any, **parameters: Any) -> Any:
        if all(x.dtype is FLOAT32 for x in arrays if isinstance(x, np.ndarray)):
            return function(*arrays, **parameters)
        z, saved = _array_and_saved(function(*[_wide(x) for x in arrays], **parameters))
        dtypes = {x.dtype for x in arrays if isinstance(x, np.ndarray) and x.dtype.kind == "f"}
        z = z.astype(np.float16) if dtypes == {np.dtype(np.float16)} else z
        return z if saved is None else (z, saved)

    return wide


def _wide(x: Any) -> Any:
    narrow = isinstance(x, np.ndarray) and (x.dtype.kind in "biu" or x.dtype == np.float16)
    return x.astype(np.float32) if narrow else x


def _is_half(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == np.float16


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


def view_strides(shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides with which a view of shape `new` reads the elements in the order of the old shape; None if none can.

    No size is 0. Along an axis of size 1 nobody steps: its stride means nothing, the old one as well as the new one.
    Raises ValueError, naming the shapes, if they do not hold as many elements.

    >>> view_strides((3, 4), (16, 4), (2, 6)), view_strides((3, 4), (16, 4), (3, 2, 2))
    ((24, 4), (16, 8, 4))
    >>> view_strides((4, 3), (4, 16), (12,)), view_strides((4, 3), (4, 16), (2, 2, 3))
    (None, (8, 4, 16))
    """
    # First gather the old axes into runs, from the left: an axis goes on with the run before it
    # if one step of that run is as long as the whole of this axis. What is then the run's own
    # step, and its count? Then deal the runs out to the new axes, from the right. The last axis
    # steps as the last run does; the one before it by the whole of the last axis. A new axis
    # must come out even with what is left of a run, or no stride can walk it.
    if math.prod(shape) != math.prod(new):
        raise ValueError(f"a view has as many elements as what it looks at: {shape} -> {new}")
    runs: list[tuple[int, int]] = []  # (how many elements, how far apart)
    for size, stride in zip(shape, strides):
        if size == 1:
            continue
        if runs and runs[-1][1] == size * stride:
            runs[-1] = (runs[-1][0] * size, stride)
        else:
            runs.append((size, stride))
    result: tuple[int, ...] = ()
    left, step = 1, 0
    for size in reversed(new):
        if left == 1 < size:
            left, step = runs.pop()
        if left % size:
            return None
        result = (step, *result)
        left, step = left // size, step * size
    return result


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
def floor_divide(x, y):
    """z = x / y, rounded down. Whole numbers stay whole; raises ZeroDivisionError if one is divided by 0.

    >>> floor_divide(Tensor([7, -7]), 2)
    tensor([ 3., -4.])
    """
    refuse_whole_zero("floor_divide", x, y)
    return x // y


@primitive
def remainder(x, y):
    """z = x - y * floor(x / y): what is left, with the sign of y. Raises ZeroDivisionError as floor_divide does.

    >>> remainder(Tensor([7, -7]), 3)
    tensor([1., 2.])
    """
    refuse_whole_zero("remainder", x, y)
    return x % y


def refuse_whole_zero(name: str, x: Any, y: Any) -> None:
    """Raise ZeroDivisionError for whole numbers over 0; floats have an infinity to answer with."""
    if np.result_type(x, y).kind in "iu" and np.size(x) and not np.all(y):
        raise ZeroDivisionError(f"{name} of whole numbers by 0")


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

    Raises ValueError if the inner axes differ, or if the axes in front do not broadcast.

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
@widened
def exp(x):
    """z = e^x.

    >>> exp(Tensor([0, 1]))
    tensor([1.    , 2.7183])
    """
    return np.exp(x)


@primitive
@widened
def log(x):
    """z = ln x.

    >>> log(Tensor([1, 2]))
    tensor([0.    , 0.6931])
    """
    return np.log(x)


@primitive
@widened
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
    if _is_half(x):
        return x.sum(axis=dim, keepdims=keepdim, dtype=np.float32).astype(np.float16)
    return x.sum(axis=dim, keepdims=keepdim, dtype=None if x.dtype.kind == "f" else np.int64)


@primitive
@widened
def mean(x, *, dim=None, keepdim=False):
    """z = the mean of x over dim.

    >>> mean(Tensor([[1, 2], [3, 4]]), dim=1, keepdim=True)
    tensor([[1.5],
            [3.5]])
    """
    # How many elements went into each sum? The size of x and the size of the sums tell,
    # whatever dim is.
    total = np.sum(x, axis=dim, keepdims=keepdim)
    return total / (x.size / builtins.max(np.size(total), 1))


@primitive
def amax(x, *, dim=None, keepdim=False):
    """z = the largest of x over dim; `max` tells where it is, too.

    >>> amax(Tensor([[1, 5], [7, 2]]), dim=1)
    tensor([5., 7.])
    """
    return x.max(axis=dim, keepdims=keepdim)


@primitive
def amin(x, *, dim=None, keepdim=False):
    """z = the smallest of x over dim.

    >>> amin(Tensor([[1, 5], [7, 2]]))
    tensor(1.)
    """
    return x.min(axis=dim, keepdims=keepdim)


def var(x: "Tensor", dim: Any = None, keepdim: bool = False, correction: int = 1) -> "Tensor":
    """The variance of x over dim: the sum of squared deviations over n - correction.

    >>> var(Tensor([1, 2, 3, 4]), correction=0)
    tensor(1.25)
    """
    # Compose it of tensors' functions, not NumPy's, and it remembers its origin.
    # keepdim lines the mean up with x. n is x.numel() over the numel() of the sums.
    if _is_half(x.data):
        return cast(var(cast(x, dtype=np.float32), dim, keepdim, correction), dtype=np.float16)
    deviation = x - mean(x, dim=dim, keepdim=True)
    squares = sum(deviation * deviation, dim=dim, keepdim=keepdim)
    n = x.numel() / builtins.max(squares.numel(), 1)
    return squares / builtins.max(n - correction, 0)


@primitive
@widened
def std(x, *, dim=None, keepdim=False, correction=1):
    """z = the square root of the variance of x over dim. Where all x are equal its gradient is 0, as in PyTorch.

    >>> std(Tensor([1, 2, 3, 4]), correction=0)
    tensor(1.118)
    """
    deviation = x - x.mean(axis=dim, keepdims=True)
    squares = np.sum(deviation * deviation, axis=dim, keepdims=keepdim)
    n = x.size / builtins.max(np.size(squares), 1)
    return np.sqrt(squares / builtins.max(n - correction, 0))


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


class Extremes(NamedTuple):
    """What `max(dim)`, `min(dim)`, `sort` and `topk` answer: the values, and where they stood."""

    values: "Tensor"
    indices: "Tensor"


def max(x: "Tensor", dim: Any = None, keepdim: bool = False) -> Any:
    """The largest of x; along a dim, the pair (values, indices); of two tensors, their `maximum`.

    With a dim, the gradient goes to the element at the index alone; `amax` shares it among equals.

    >>> max(Tensor([[1, 5], [7, 2]]), dim=1).indices
    tensor([1, 0], dtype=int64)
    """
    if isinstance(dim, Tensor):
        return maximum(x, dim)
    return amax(x) if dim is None else _taken(x, argmax(x, dim, keepdim=True), dim, keepdim)


def min(x: "Tensor", dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest of x; along a dim, the pair (values, indices); of two tensors, their `minimum`."""
    if isinstance(dim, Tensor):
        return minimum(x, dim)
    return amin(x) if dim is None else _taken(x, argmin(x, dim, keepdim=True), dim, keepdim)


def _taken(x: "Tensor", indices: "Tensor", dim: int, keepdim: bool) -> Extremes:
    values = take_along(x, indices, dim=dim) if indices.ndim else clone(x)
    return (
        Extremes(values, indices)
        if keepdim or not indices.ndim
        else Extremes(*(t.squeeze(dim) for t in (values, indices)))
    )


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
    """z = x with two axes exchanged: a view, to read and to write.

    >>> transpose(Tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    # x.T reverses all axes, and a batch of images has three. Write down the axes in their
    # order, exchange two of them, and x.transpose(order) does the rest.
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
    """z = x repeated, without copying, until it has this shape: a read-only view.

    Raises ValueError, naming both shapes, if they do not fit.

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
    """z = x[index], with PyTorch's indexing: numbers, slices, None, ..., masks, arrays of indices.

    >>> getitem(Tensor([[1, 2], [3, 4]]), index=(slice(None), 1))
    tensor([2., 4.])
    """
    basic, arrays = split_index(index, x.ndim)
    return x[basic][arrays] if arrays else x[basic]


@primitive
def setitem(x, y, *, index):
    """z = x with y at the index: what `x[index] = y` makes of x where operations are recorded.

    >>> setitem(Tensor([1, 2, 3]), 0, index=slice(1, None))
    tensor([1., 0., 0.])
    """
    return written(x, index, y)


def written(x: np.ndarray, index: Any, y: Any) -> np.ndarray:
    """A copy of x with y at the index."""
    z = np.array(x)
    basic, arrays = split_index(index, z.ndim)
    if arrays:
        z[basic][arrays] = y
    else:
        z[basic] = y
    return z


@primitive
def take_along(x, index, *, dim):
    """z[i][j] = x[index[i][j]][j] for dim 0, and likewise along any other: PyTorch's `gather`.

    Raises IndexError for an index outside 0..n - 1, ValueError for an index that has more places than x.

    >>> take_along(Tensor([[1, 2], [3, 4]]), tensor([[1, 0]]), dim=0)
    tensor([[3., 2.]])
    """
    return x[places_along(x, index, dim)]


def places_along(x: np.ndarray, index: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    """The index, an array for each axis, of what `take_along` takes from x."""
    dim = normalize_axis_index(dim, builtins.max(x.ndim, 1))
    others = zip(index.shape[:dim] + index.shape[dim + 1 :], x.shape[:dim] + x.shape[dim + 1 :])
    if index.dtype.kind not in "iu" or index.ndim != x.ndim or any(taken > held for taken, held in others):
        raise ValueError(f"take_along needs whole numbers for places of {x.shape}, got {index.dtype} {index.shape}")
    if index.size and not 0 <= index.min() <= index.max() < x.shape[dim]:
        raise IndexError(f"places along dim {dim} are 0..{x.shape[dim] - 1}, got {index.min()}..{index.max()}")
    at = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    return (*at[:dim], index, *at[dim + 1 :])


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


def split_index(index: Any, ndim: int) -> tuple[tuple, tuple]:
    """An index in two steps, as PyTorch takes it: numbers, slices, None and ... first, a view; arrays and masks then.

    A number is no array of indices, wherever it stands: x[0, :, [0, 1]] is x[0][:, [0, 1]]. A list that holds more
    than numbers counts as a tuple.

    >>> split_index((0, slice(None), [0, 1]), ndim=3)
    ((0, slice(None, None, None), slice(None, None, None)), (slice(None, None, None), array([0, 1])))
    """
    several = Tensor | np.ndarray | list | tuple | slice | EllipsisType | None
    if isinstance(index, list) and builtins.any(isinstance(i, several) for i in index):
        index = tuple(index)
    parts = [_index_part(part) for part in (index if isinstance(index, tuple) else (index,))]
    if not builtins.any(isinstance(part, np.ndarray) for part in parts):
        return tuple(parts), ()
    wide = [_axes_taken(part) for part in parts]
    rest = [slice(None)] * (ndim - builtins.sum(wide))
    basic: list = []
    arrays: list = []
    for part, taken in zip(parts, wide):
        if part is Ellipsis:
            basic, arrays = basic + rest, arrays + rest
        elif isinstance(part, np.ndarray):
            basic += [slice(None)] * taken if part.ndim else [None]
            arrays.append(part if part.ndim else part[None])
        else:
            basic.append(part)
            arrays += [] if isinstance(part, int) else [slice(None)]
    return tuple(basic), tuple(arrays)


def _index_part(part: Any) -> Any:
    """One part of an index: a number, a slice, None, ..., or an array of whole numbers or of truths."""
    if isinstance(part, slice | int | np.integer | None | EllipsisType) and not isinstance(part, bool):
        return int(part) if isinstance(part, np.integer) else part
    array = _array_of(part) if isinstance(part, Tensor | np.ndarray) or np.size(part) else np.zeros(np.shape(part), int)
    if array.dtype == np.uint8:
        return array.astype(bool)  # PyTorch's masks were bytes once, and may be still
    return int(array) if array.ndim == 0 and array.dtype.kind in "iu" else array


def _axes_taken(part: Any) -> int:
    """How many axes of a tensor a part of its index stands for."""
    if isinstance(part, np.ndarray) and part.dtype == bool:
        return part.ndim
    return 0 if part is None or part is Ellipsis else 1


# Functions that are methods of tensors, too: by the module that has them, which a tensor imports when it is asked.
_HOMES = {
    "tensor": "add sub mul div floor_divide remainder neg maximum minimum",
    "operations": """square sin cos round floor ceil sign cumsum norm tril triu clamp masked_fill split chunk unbind
        repeat tile repeat_interleave flip gather bmm mm mv dot outer argsort sort topk eq ne lt le gt ge
        logical_not all any isnan isinf isfinite equal allclose t expand_as view_as reshape_as type_as
        element_size is_floating_point new_full new_zeros new_ones new_tensor multinomial bernoulli copy_
        fill_ zero_ add_ sub_ mul_ div_ addcmul_ addcdiv_ lerp_ clamp_ masked_fill_ scatter_ normal_
        uniform_ bernoulli_""",
    "activations": "relu sigmoid tanh softmax log_softmax",
    "losses": "logsumexp",
}
OPERATIONS = {name: home for home, names in _HOMES.items() for name in names.split()}


class Elsewhere:
    """A method that is a function of another module: found there when it is used.

    A `__getattr__` would do the same, but with one, every attribute of every tensor is slower to read.
    """

    def __init__(self, name: str):
        self.name = name

    def __get__(self, x: Any, kind: type | None = None) -> Any:
        function = getattr(import_module(f"tinytorch.{OPERATIONS[self.name]}"), self.name)
        return function if x is None else MethodType(function, x)


# -- the tensor ----------------------------------------------------------------------------------------------------


class Tensor:
    """An array that remembers where it came from.

    `data` is the ndarray, `grad` the gradient (a Tensor, or None), `origin` what made it (None for a *leaf*, a tensor
    that you made). Numbers, lists and NumPy scalars become float32; an ndarray keeps its dtype and shares its memory.

    >>> x = Tensor([1, 2], requires_grad=True)
    >>> x * x
    tensor([1., 4.], origin=mul)
    """

    __slots__ = ("__weakref__", "_data", "_requires_grad", "grad", "origin")
    __array_priority__ = 100  # array * tensor asks the tensor
    __hash__ = object.__hash__
    vars().update({name: Elsewhere(name) for name in OPERATIONS})  # the methods that are functions of other modules

    if TYPE_CHECKING:  # they may be any

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None):
        ready = type(data) is np.ndarray and dtype is None and data.dtype is FLOAT32
        self._data = data if ready else _as_array(data, dtype)
        self.grad: Tensor | None = None
        self.origin: Origin | None = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    @property
    def data(self) -> np.ndarray:
        """The ndarray. Another one may take its place, except where this tensor was computed from others.

        `x.data += 1` counts as a change in place. `x.data[0] = 1` changes what NumPy alone knows of: use `x[0] = 1`.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is self._data:
            return versions.increment(self._data)
        if self.origin is not None:
            raise RuntimeError(f"this tensor's data was computed by {self.origin}: give x.detach() other data")
        array = _as_array(value, None)
        if self._requires_grad and array.dtype.kind != "f":
            raise RuntimeError(f"only floating-point tensors can require gradients, this data is {array.dtype}")
        self._data = array

    _version = property(lambda self: versions.of(self._data), doc="The version of this tensor's memory, as PyTorch's.")

    # what it is
    shape = property(lambda self: self._data.shape)
    ndim = property(lambda self: self._data.ndim)
    dtype = property(lambda self: self._data.dtype)
    nbytes = property(lambda self: self._data.nbytes)
    is_leaf = property(lambda self: self.origin is None)
    device = property(lambda self: device("cpu"))
    is_cuda = False

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

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one axis."""
        return self.shape if dim is None else self.shape[normalize_axis_index(dim, self.ndim)]

    def dim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    def __len__(self) -> int:
        if self.data.ndim == 0:
            raise TypeError("a tensor of shape () has no length")
        return len(self.data)

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = np.array2string(self.data, separator=", ", prefix="tensor(", precision=4, threshold=200)
        size = f", size={self.shape}" if self.numel() == 0 and self.ndim > 1 else ""
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

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradient; with set_to_none=False, fill it with zeros instead."""
        if set_to_none or self.grad is None:
            self.grad = None
        else:
            self.grad.zero_()

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
    def __floordiv__(self, y):
        return floor_divide(self, y)
    def __rfloordiv__(self, y):
        return floor_divide(y, self)
    def __mod__(self, y):
        return remainder(self, y)
    def __rmod__(self, y):
        return remainder(y, self)
    def __matmul__(self, y):
        return matmul(self, y)
    def __rmatmul__(self, y):
        return matmul(y, self)
    def __neg__(self):
        return neg(self)
    def __abs__(self):
        return abs(self)

    # arithmetic in place: where a gradient is needed, this tensor becomes the result
    def __iadd__(self, y):
        return self._in_place(np.add, y, add)
    def __isub__(self, y):
        return self._in_place(np.subtract, y, sub)
    def __imul__(self, y):
        return self._in_place(np.multiply, y, mul)
    def __itruediv__(self, y):
        return self._in_place(np.true_divide, y, div)
    def __ipow__(self, y):
        return self._in_place(np.power, y, pow)
    def __iand__(self, y):
        return self._in_place(np.bitwise_and, y)
    def __ior__(self, y):
        return self._in_place(np.bitwise_or, y)
    def __setitem__(self, index, y):
        if self._is_recorded_with(y):
            return self._become(setitem, y, index=index)
        basic, arrays = split_index(index, self.ndim)
        if arrays:
            self._data[basic][arrays] = _operand(y)
        else:
            self._data[basic] = _operand(y)
        versions.increment(self._data)
    def _in_place(self, ufunc: np.ufunc, y: Any, operation: Any = None) -> "Tensor":
        if operation is not None and self._is_recorded_with(y):
            return self._become(operation, y)
        ufunc(self._data, _operand(y), out=self._data, casting="same_kind")
        versions.increment(self._data)
        return self
    def _is_recorded_with(self, y: Any) -> bool:
        if y is None:
            raise TypeError("a tensor holds numbers, got None")
        return _recording.enabled and (self._requires_grad or (isinstance(y, Tensor) and y._requires_grad))
    def _become(self, operation: Primitive, y: Any, **parameters: Any) -> "Tensor":
        """Be operation(self, y) from here on, in memory of its own; who used this tensor before, used what it was."""
        if self._requires_grad and self.origin is None:
            raise RuntimeError("a leaf that requires gradients is not changed in place where operations are recorded: "
                               "do it inside `with no_grad():`, or make a new tensor")
        if self.origin is not None and self.origin.arrays and _owner(self._data) is _owner(self.origin.arrays[0]):
            raise RuntimeError(f"a view, which {self.origin.primitive.name} made, cannot be changed in place where "
                               "operations are recorded: make a new tensor, x = x + y")
        before = Tensor.__new__(Tensor)
        before._data, before.grad, before.origin = self._data, None, self.origin
        before._requires_grad = self._requires_grad
        y = before if y is self else cast(y, dtype=self.dtype) if isinstance(y, Tensor) and y.dtype != self.dtype else y
        versions.increment()  # what was recorded until now is older than this change
        z: Any = operation(before, y, **parameters)
        if z.shape != self.shape or z.dtype != self.dtype:
            raise ValueError(f"{self.dtype} {self.shape} cannot hold {operation.name}'s result, {z.dtype} {z.shape}")
        self._data, self.origin, self._requires_grad = z._data, InPlace(z.origin, before), True
        return self

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
        return Tensor(np.asarray(ufunc(self._data, _operand(y))))

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
    def amax(self, dim=None, keepdim=False):
        return amax(self, dim=dim, keepdim=keepdim)
    def amin(self, dim=None, keepdim=False):
        return amin(self, dim=dim, keepdim=keepdim)
    def var(self, dim=None, keepdim=False, correction=1):
        return var(self, dim, keepdim, correction)
    def std(self, dim=None, keepdim=False, correction=1):
        return std(self, dim=dim, keepdim=keepdim, correction=correction)
    def argmax(self, dim=None, keepdim=False):
        return argmax(self, dim, keepdim)
    def argmin(self, dim=None, keepdim=False):
        return argmin(self, dim, keepdim)
    def __getitem__(self, index):
        return getitem(self, index=index)
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
    def to(self, target=None, dtype=None, *, device=None, non_blocking=False, copy=False):
        """This tensor in another dtype, or in that of another tensor. There is one device: "cpu"."""
        for one in (target, device):
            if isinstance(one, Tensor):
                dtype = one.dtype
            elif is_device(one):
                check_device(one)
            elif one is not None:
                dtype = one
        if dtype is None or self.dtype == dtype:
            return clone(self) if copy else self
        return cast(self, dtype=dtype)

    def type(self, dtype=None):
        """This tensor in another dtype; without one, the name of the dtype that it has."""
        return str(self.dtype) if dtype is None else self.to(dtype)

    def cuda(self):
        return self.to("cuda")

    def cpu(self):
        return self

    def half(self):
        return self.to(np.float16)

    def float(self):
        return self.to(np.float32)

    def double(self):
        return self.to(np.float64)

    def int(self):
        return self.to(np.int32)

    def long(self):
        return self.to(np.int64)

    def bool(self):
        return self.to(np.bool_)


def _unpacked(sizes: tuple) -> tuple:
    """(2, 3) from f(2, 3) as well as from f((2, 3))."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes


def _as_array(data: Any, dtype: Any) -> np.ndarray:
    """data as an ndarray. What is not one yet becomes float32, if no dtype is given."""
    if isinstance(data, Tensor | np.ndarray):
        data = _array_of(data)
        if data.dtype.kind not in "biufc":
            raise TypeError(f"a tensor holds numbers, got an array of {data.dtype}")
        return data if dtype is None else data.astype(dtype, copy=False)
    try:
        array = np.asarray(data)
        if array.dtype.kind not in "biufO":
            raise ValueError if array.dtype.kind in "US" else TypeError  # NumPy would read numbers out of strings
        if array.dtype.kind == "O" and None in array.ravel().tolist():
            raise TypeError  # NumPy would make it a NaN
        return array.astype(FLOAT32 if dtype is None else dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"a tensor holds numbers, in rows of equal length; got {str(data)[:80]}") from None


# -- devices -------------------------------------------------------------------------------------------------------


class device:
    """A place for numbers. "cpu" is the only one that has any: others can be named, but nothing can be moved there.

    >>> device("cuda:1").type, device("cpu") == device("cpu")
    ('cuda', True)
    """

    __slots__ = ("index", "type")

    def __init__(self, name: Any, index: int | None = None):
        kind, _, number = str(name).partition(":")
        if kind not in ("cpu", "cuda", "mps", "xpu", "meta") or not (number or "0").isdigit():
            raise RuntimeError(f"a device is 'cpu', 'cuda', 'cuda:0', 'mps'...: got {name!r}")
        self.type, self.index = kind, int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r}" + (f", index={self.index})" if self.index is not None else ")")


def check_device(given: Any) -> None:
    """Raise RuntimeError for a device that is not the CPU. None is the CPU."""
    if given is not None and device(given).type != "cpu":
        raise RuntimeError(f"TinyTorch computes on the CPU with NumPy: there is no device {str(given)!r} to move to")


def is_device(x: Any) -> bool:
    """Whether x is a device, or the name of one."""
    return isinstance(x, device) or (isinstance(x, str) and x.split(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta"))


# -- making tensors ------------------------------------------------------------------------------------------------


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, *, device: Any = None) -> Tensor:
    """A tensor with a copy of data. Unlike `Tensor`, it keeps whole numbers whole: [1, 2] is int64, [1.0, 2.0] float32.

    What has a dtype, such as np.float64(1), keeps it.

    >>> tensor([1, 2]), tensor([1.0, 2.0])
    (tensor([1, 2], dtype=int64), tensor([1., 2.]))
    """
    check_device(device)
    if dtype is None:
        dtypes = _dtypes(data)
        floats = [found for found in dtypes if found.kind == "f"]  # beside which whole numbers do not count
        dtype = np.result_type(*(floats or dtypes or [FLOAT32]))
    return Tensor(np.array(_as_array(data, dtype)), requires_grad)


def _dtypes(data: Any) -> set:
    """The dtypes in nested lists: those that their arrays and NumPy scalars have, or that Python's numbers get."""
    if isinstance(data, list | tuple):
        kinds = {type(x) for x in data}
        if kinds <= PYTHON_DTYPES.keys():
            return {PYTHON_DTYPES[kind] for kind in kinds}
        return set().union(*map(_dtypes, data))
    return {data.dtype} if hasattr(data, "dtype") else {PYTHON_DTYPES.get(type(data), FLOAT32)}


def _filled(shape: tuple, value: Any, dtype: Any, requires_grad: bool, device: Any) -> Tensor:
    check_device(device)
    return Tensor(np.full(_unpacked(shape), value, np.float32 if dtype is None else dtype), requires_grad)


def zeros(*shape: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor of zeros, float32 if no dtype is given: zeros(2, 3) or zeros((2, 3))."""
    return _filled(shape, 0, dtype, requires_grad, device)


def ones(*shape: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor of ones."""
    return _filled(shape, 1, dtype, requires_grad, device)


def empty(*shape: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor that waits to be filled: of zeros here."""
    return _filled(shape, 0, dtype, requires_grad, device)


def full(shape: tuple, value: Any, dtype: Any = None, requires_grad: bool = False, *, device: Any = None) -> Tensor:
    """A tensor filled with one value, whose kind decides the dtype as in `tensor`."""
    value = tensor(value, dtype, device=device).data
    return _filled((shape,), value, value.dtype, requires_grad, device)


def zeros_like(x: Tensor, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros in the shape of x, and in its dtype if no other is given."""
    return _filled(x.shape, 0, x.dtype if dtype is None else dtype, requires_grad, device)


def ones_like(x: Tensor, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones in the shape of x, and in its dtype if no other is given."""
    return _filled(x.shape, 1, x.dtype if dtype is None else dtype, requires_grad, device)


def full_like(x: Tensor, value: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """One value in the shape of x, and in its dtype if no other is given."""
    return _filled(x.shape, value, x.dtype if dtype is None else dtype, requires_grad, device)


def eye(n: int, m: int | None = None, dtype: Any = np.float32, *, device: Any = None) -> Tensor:
    """The n x n identity matrix, or n x m with ones on its diagonal."""
    check_device(device)
    return Tensor(np.eye(n, m, dtype=dtype))


def arange(*bounds: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """arange(stop), arange(start, stop) or arange(start, stop, step): int64 if all are whole, else float32.

    >>> arange(3), arange(0, 1, 0.5)
    (tensor([0, 1, 2], dtype=int64), tensor([0. , 0.5]))
    """
    check_device(device)
    values = np.arange(*(bound.item() if isinstance(bound, Tensor) else bound for bound in bounds))
    return Tensor(values.astype(dtype or (np.int64 if values.dtype.kind == "i" else np.float32)))


def linspace(start: Any, end: Any, steps: int, dtype: Any = np.float32, *, device: Any = None) -> Tensor:
    """`steps` values, evenly spaced from start to end, both included; whole numbers drop their fractions."""
    check_device(device)
    return Tensor(np.linspace(start, end, steps).astype(dtype))


# -- chance --------------------------------------------------------------------------------------------------------


class Generator(np.random.Generator):
    """A source of chance of one's own, as PyTorch makes one: Generator().manual_seed(3)."""

    def __init__(self, device: Any = None):
        check_device(device)
        super().__init__(np.random.PCG64(0))

    def manual_seed(self, seed: int) -> "Generator":
        """Start again from a seed, and return this generator."""
        self.bit_generator.state = np.random.PCG64(seed).state
        return self


def rand(
    *shape: Any,
    dtype: Any = np.float32,
    requires_grad: bool = False,
    rng: Any = generator,
    generator: Any = None,
    device: Any = None,
) -> Tensor:
    """Uniform in [0, 1), from the package's generator or from rng."""
    check_device(device)
    return Tensor(np.asarray((generator or rng).random(_unpacked(shape), np.float32), dtype), requires_grad)


def randn(
    *shape: Any,
    dtype: Any = np.float32,
    requires_grad: bool = False,
    rng: Any = generator,
    generator: Any = None,
    device: Any = None,
) -> Tensor:
    """Normal with mean 0 and variance 1."""
    check_device(device)
    return Tensor(np.asarray((generator or rng).standard_normal(_unpacked(shape), np.float32), dtype), requires_grad)


def randint(
    low: int,
    high: Any,
    size: Any = None,
    rng: Any = generator,
    *,
    dtype: Any = np.int64,
    generator: Any = None,
    device: Any = None,
) -> Tensor:
    """Whole numbers, uniform in low..high - 1, int64; randint(high, size) starts at 0."""
    check_device(device)
    low, high, size = (0, low, high) if size is None else (low, high, size)
    return Tensor((generator or rng).integers(low, high, size), dtype=dtype)


def randperm(n: int, rng: Any = generator, *, generator: Any = None, device: Any = None) -> Tensor:
    """The numbers 0..n - 1 in random order, int64."""
    check_device(device)
    return Tensor((generator or rng).permutation(n))

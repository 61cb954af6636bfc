"""ONNX: a model as a file that other programs run, written byte by byte. https://onnx.ai

Notation: a model is a graph of nodes. Each node is an operation of ONNX that makes a value out of values, and a value
is known by its name. What a model computes is found by running it on an example: its result remembers where it came
from. It is run on a second example of other sizes, too; a number that differs between the two depends on the size.

The file is protobuf: a message is a row of fields, a field is a number, a kind, and its content.
https://protobuf.dev/programming-guides/encoding
"""

import functools
import itertools
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinytorch.convolutions import pair, pooling, window
from tinytorch.embeddings import angles
from tinytorch.layers import Module
from tinytorch.serialization import PathLike, replace
from tinytorch.tensor import Tensor, enable_grad, split_index

# -- protobuf ------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """A whole number in groups of 7 bits, the lowest first; a byte's highest bit says that more follow.

    Below 0 it counts as 64 bits.

    >>> varint(5).hex(), varint(300).hex(), len(varint(-1))
    ('05', 'ac02', 10)
    """
    value, groups = value % 2**64, []
    while value > 127:
        groups.append(value % 128 + 128)
        value //= 128
    return bytes([*groups, value])


def message(fields: Mapping[int, Any]) -> bytes:
    """Fields by number: whole numbers, floats of 32 bits, texts, bytes and messages; a list repeats its field.

    >>> message({1: 150, 2: "hi"}).hex(" ")
    '08 96 01 12 02 68 69'
    """
    parts = []
    for number, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, int):
                parts += [varint(number << 3), varint(value)]
            elif isinstance(value, float):
                parts += [varint(number << 3 | 5), struct.pack("<f", value)]
            else:
                content = value.encode() if isinstance(value, str) else value
                parts += [varint(number << 3 | 2), varint(len(content)), content]
    return b"".join(parts)


def read_fields(content: memoryview) -> Iterator[tuple[int, Any]]:
    """The fields of a message: numbers as they are, everything else as bytes. Raises ValueError where it is cut short.

    >>> [(number, str(value)) for number, value in read_fields(memoryview(message({1: 150})))]
    [(1, '150')]
    """
    at = 0
    while at < len(content):
        key, at = read_varint(content, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(content, at)
            yield key >> 3, value
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"this is not protobuf: a field of kind {kind}")
        size, at = read_varint(content, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        if at + size > len(content):
            raise ValueError(f"the file is cut short: a field needs {size} bytes, {len(content) - at} are left")
        yield key >> 3, content[at : at + size]
        at += size


def read_varint(content: memoryview, at: int) -> tuple[int, int]:
    """A varint, and where the next byte stands. Raises ValueError where it is cut short."""
    value = 0
    for i, byte in enumerate(content[at : at + 10]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    raise ValueError("the file is cut short: a number has no end")


# -- messages of ONNX ----------------------------------------------------------------------------------------------

OPSET, IR = 20, 9  # versions of the operations and of the format, of 2023
CODES = {
    np.dtype(dtype): code
    for dtype, code in (
        (np.float32, 1), (np.uint8, 2), (np.int8, 3), (np.int32, 6), (np.int64, 7), (np.bool_, 9), (np.float16, 10),
        (np.float64, 11),
    )
}  # fmt: skip
LAST = 2**63 - 1  # the end of a slice that has none


def code_of(dtype: Any) -> int:
    """ONNX's number for a dtype. Raises TypeError for one that is not listed in CODES."""
    if np.dtype(dtype) not in CODES:
        raise TypeError(f"ONNX export knows {', '.join(map(str, CODES))}, not {dtype}")
    return CODES[np.dtype(dtype)]


def tensor_message(array: np.ndarray, name: str = "") -> bytes:
    """TensorProto: shape, dtype, name, and the numbers' bytes, little-endian."""
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    return message({1: list(array.shape), 2: code_of(array.dtype), 8: name, 9: little.tobytes()})


def attribute(name: str, value: Any) -> bytes:
    """AttributeProto: a float, a whole number, a text, or a list of whole numbers, and which of these it is."""
    if isinstance(value, float):
        return message({1: name, 2: value, 20: 1})
    if isinstance(value, int):
        return message({1: name, 3: int(value), 20: 2})
    if isinstance(value, str):
        return message({1: name, 4: value, 20: 3})
    return message({1: name, 8: [int(n) for n in value], 20: 7})


def value_message(name: str, dtype: Any, sizes: Iterable[int | str]) -> bytes:
    """ValueInfoProto: an input or an output of the graph; a size is a number, or the name of one that may vary."""
    dims = [message({1: size} if isinstance(size, int) else {2: size}) for size in sizes]
    return message({1: name, 2: message({1: message({1: code_of(dtype), 2: message({1: dims})})})})


# -- two runs ------------------------------------------------------------------------------------------------------


class Axis(NamedTuple):
    """An axis of an input whose size may vary: its name, where it is, and its sizes in the two runs."""

    name: str
    value: str
    place: int
    sizes: tuple[int, int]


class Step(NamedTuple):
    """One operation of a model in both runs: its results, and its inputs as values of the graph."""

    twins: tuple[Tensor, Tensor]
    inputs: list[str]

    @property
    def name(self) -> str:
        return self.twins[0].origin.primitive.name  # type: ignore[union-attr]

    @property
    def parameters(self) -> tuple[dict, dict]:
        """The primitive's parameters in both runs."""
        return tuple(t.origin.parameters for t in self.twins)  # type: ignore[union-attr, return-value]

    def array(self, place: int) -> np.ndarray:
        """An input as the first run had it."""
        return self.twins[0].origin.arrays[place]  # type: ignore[union-attr, index]

    def shapes(self, place: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of an input in both runs."""
        return tuple(np.shape(t.origin.arrays[place]) for t in self.twins)  # type: ignore[union-attr, index, return-value]

    def option(self, name: str, default: Any = None) -> Any:
        """A parameter that is the same in both runs."""
        return self.parameters[0].get(name, default)


def computed_tensors(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Every computed tensor that the outputs came from, each after those it was made of."""
    order: list[Tensor] = []
    seen: set[int] = set()
    waiting: list[tuple[Any, bool]] = [(x, False) for x in reversed(outputs)]
    while waiting:
        x, ready = waiting.pop()
        if ready:
            order.append(x)
        elif isinstance(x, Tensor) and x.origin is not None and id(x) not in seen:
            seen.add(id(x))
            waiting.append((x, True))
            waiting += [(y, False) for y in reversed(x.origin.inputs or ())]
    return order


def other_size(axis: int, size: int) -> int:
    """The size of an axis in the second run: more examples, or one place less."""
    return 3 * size if axis == 0 else size - 1 if size > 1 else 2


@contextmanager
def evaluated(model: Module) -> Iterator[None]:
    """Within it the model is in evaluation mode, and all of it is recorded; afterwards it is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    frozen = [p for p in model.parameters() if not p.requires_grad]
    model.eval()
    model.requires_grad_()
    try:
        with enable_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter in frozen:
            parameter.requires_grad = False


def answers_of(model: Module, arrays: Sequence[np.ndarray]) -> tuple[Tensor, ...]:
    """The outputs of a model, as one or several tensors. Raises TypeError for anything else."""
    inputs = [Tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    result = model(*inputs)
    outputs = result if isinstance(result, tuple) else (result,)
    if not all(isinstance(x, Tensor) for x in outputs):
        raise TypeError(f"ONNX export needs a model that returns tensors, got {type(result).__name__}")
    return outputs


# -- the graph -----------------------------------------------------------------------------------------------------


class Graph:
    """Nodes, constants and names. `axes` are those that may vary, `weights` the names of the model's tensors by id."""

    def __init__(self, inputs: dict[str, tuple[np.ndarray, np.ndarray]], axes: list[Axis], weights: dict[int, str]):
        self.inputs, self.axes, self.weights = inputs, axes, weights
        self.nodes: list[bytes] = []
        self.constants: dict[str, np.ndarray] = {}
        self.known: dict[Any, str] = {}  # values that need not be made again

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and name what it makes. An empty input is one that is left out; the last ones are not written."""
        name = f"{operation.lower()}_{len(self.nodes)}"
        while not inputs[-1]:
            inputs = inputs[:-1]
        described = [attribute(key, value) for key, value in attributes.items()]
        self.nodes.append(message({1: list(inputs), 2: name, 3: name, 4: operation, 5: described}))
        return name

    def constant(self, value: Any, dtype: Any = None, name: str = "") -> str:
        """Constants of the file; equal ones without a name are stored once."""
        array = np.asarray(value, dtype)
        key = name or (array.dtype, array.shape, array.tobytes())
        if key not in self.known:
            self.known[key] = name or f"constant_{len(self.constants)}"
            self.constants[self.known[key]] = array
        return self.known[key]

    def size(self, first: int, second: int) -> str:
        """A whole number, as a value (1,): a constant, or the sizes of axes times a number."""
        factor, axes = self.formula(first, second)
        factors = [self.axis_size(axis) for axis in axes]
        if factor != 1 or not axes:
            factors.append(self.constant([factor], np.int64))
        return functools.reduce(lambda a, b: self.node("Mul", a, b), factors)

    def axis_size(self, axis: Axis) -> str:
        """The size of an axis, as a value (1,)."""
        place = axis.value, axis.place
        if place not in self.known:
            self.known[place] = self.node("Shape", axis.value, start=axis.place, end=axis.place + 1)
        return self.known[place]

    def formula(self, first: int, second: int) -> tuple[int, list[Axis]]:
        """A number that was `first` in one run and `second` in the other, as a factor times sizes of axes.

        Raises ValueError unless there is exactly one way.
        """
        if first == second:
            return first, []
        found = self.ways(first, second)
        if len(found) != 1:
            known = ", ".join(f"{axis.name} {axis.sizes[0]} and {axis.sizes[1]}" for axis in self.axes)
            how = "several ways" if found else "no way"
            raise ValueError(f"ONNX export finds {how} to make {first} and {second} of the sizes: {known}")
        return found[0]

    def ways(self, first: int, second: int) -> list[tuple[int, list[Axis]]]:
        """Every way to make a number that differs between the runs out of a factor and some axes."""
        found = []
        for count in range(1, len(self.axes) + 1):
            for chosen in itertools.combinations(self.axes, count):
                a, b = (math.prod(axis.sizes[i] for axis in chosen) for i in (0, 1))
                if first % a == 0 and second == first // a * b:
                    found.append((first // a, list(chosen)))
        return found

    def shape(self, first: Sequence[int], second: Sequence[int]) -> str:
        """A shape in both runs, as a value."""
        if tuple(first) == tuple(second):
            return self.constant(list(first), np.int64)
        return self.node("Concat", *map(self.size, first, second), axis=0)

    def sizes(self, output: str, first: Sequence[int], second: Sequence[int]) -> list[int | str]:
        """An output's shape in both runs in the file's words: a number, or a name, which may be a product of axes."""
        if len(first) != len(second):
            raise ValueError(f"the model answers with {len(first)} axes, and with {len(second)} for another size")
        words: list[int | str] = []
        for place, (a, b) in enumerate(zip(first, second)):
            found = [] if a == b else self.ways(a, b)
            names = [" * ".join([str(n)] * (n > 1) + [axis.name for axis in axes]) for n, axes in found]
            words.append(a if a == b else names[0] if len(names) == 1 else f"{output}_{place}")
        return words

    def leaf(self, twins: tuple[Any, Any], arrays: tuple[Any, Any], dtype: np.dtype) -> str:
        """An input of an operation that no operation made: of the model, a weight, a number, or another constant."""
        first, second = arrays
        if first is None:
            return ""
        if id(twins[0]) in self.weights:
            return self.constant(first, name=self.weights[id(twins[0])])
        if not isinstance(first, np.ndarray):
            return self.constant(first, bool if isinstance(first, bool) else dtype)
        for name, example in self.inputs.items():
            if np.shares_memory(first, example[0]):
                if first.shape != example[0].shape:
                    raise ValueError(f"the model takes {name} apart where nothing is recorded: {first.shape}")
                return name
        if first.shape == second.shape and np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            return self.constant(first)
        return self.part_of_a_table(first, second)

    def part_of_a_table(self, first: np.ndarray, second: np.ndarray) -> str:
        """The first rows of a table that both runs share, as many as the size asks for.

        Raises ValueError if there is no such table: then a number was computed where nothing is recorded.
        """
        table = first.base
        shared = isinstance(table, np.ndarray) and second.base is table and table.shape[1:] == first.shape[1:]
        if table is None or not shared or not np.shares_memory(first[:1], table[:1]):
            raise ValueError(
                f"the model computes an array {first.shape} from its input where nothing is recorded: ONNX export sees "
                "operations of tensors alone, not what NumPy does with their data"
            )
        start, axis = self.constant([0], np.int64), self.constant([0], np.int64)
        return self.node("Slice", self.constant(table), start, self.size(len(first), len(second)), axis)

    def cut(self, x: str, start: int, stop: int, axis: int) -> str:
        """x from start to stop along an axis."""
        return self.node("Slice", x, *(self.constant([n], np.int64) for n in (start, stop, axis)))


# -- what each operation is in ONNX --------------------------------------------------------------------------------

Rule = Callable[[Graph, Step], str]
RULES: dict[str, Rule] = {}


def becomes(*names: str) -> Callable[[Rule], Rule]:
    """Above a function: what these primitives are in ONNX, a graph to which it adds nodes, and the value they make."""

    def registered(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return registered


SAME = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "neg": "Neg", "pow": "Pow", "maximum": "Max",
    "minimum": "Min", "where": "Where", "matmul": "MatMul", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs",
    "clone": "Identity", "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "sin": "Sin",
    "cos": "Cos", "floor": "Floor", "ceil": "Ceil", "sign": "Sign", "erf": "Erf",
}  # fmt: skip
REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "amax": "ReduceMax", "amin": "ReduceMin"}
REDUCTIONS |= {"logsumexp": "ReduceLogSumExp"}


@becomes(*SAME)
def same_nodes(graph: Graph, step: Step) -> str:
    """Operations that differ from ONNX's in their names alone."""
    return graph.node(SAME[step.name], *step.inputs)


@becomes(*REDUCTIONS)
def reduction_nodes(graph: Graph, step: Step) -> str:
    dim = step.option("dim", -1 if step.name == "logsumexp" else None)
    axes = [] if dim is None else [graph.constant(np.atleast_1d(dim), np.int64)]
    return graph.node(REDUCTIONS[step.name], *step.inputs, *axes, keepdims=int(step.option("keepdim", False)))


@becomes("softmax", "log_softmax")
def softmax_nodes(graph: Graph, step: Step) -> str:
    operation = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[step.name]
    return graph.node(operation, *step.inputs, axis=step.option("dim", -1))


@becomes("leaky_relu")
def leaky_relu_nodes(graph: Graph, step: Step) -> str:
    return graph.node("LeakyRelu", *step.inputs, alpha=float(step.option("negative_slope", 0.01)))


@becomes("silu")
def silu_nodes(graph: Graph, step: Step) -> str:
    return graph.node("Mul", step.inputs[0], graph.node("Sigmoid", step.inputs[0]))


@becomes("gelu")
def gelu_nodes(graph: Graph, step: Step) -> str:
    return graph.node("Gelu", step.inputs[0], approximate="tanh")


@becomes("clip")
def clip_nodes(graph: Graph, step: Step) -> str:
    bounds = [step.option(name) for name in ("min", "max")]
    dtype = step.twins[0].dtype
    return graph.node("Clip", *step.inputs, *("" if n is None else graph.constant(n, dtype) for n in bounds))


@becomes("cast")
def cast_nodes(graph: Graph, step: Step) -> str:
    return graph.node("Cast", *step.inputs, to=code_of(step.twins[0].dtype))


# shapes


def reshaped(graph: Graph, x: str, twins: tuple[Any, Any]) -> str:
    """x in the shape of what was made in both runs."""
    return graph.node("Reshape", x, graph.shape(*(t.shape for t in twins)))


@becomes("reshape")
def reshape_nodes(graph: Graph, step: Step) -> str:
    return reshaped(graph, step.inputs[0], step.twins)


@becomes("broadcast_to")
def broadcast_to_nodes(graph: Graph, step: Step) -> str:
    return graph.node("Expand", step.inputs[0], graph.shape(*(t.shape for t in step.twins)))


@becomes("permute", "transpose")
def permute_nodes(graph: Graph, step: Step) -> str:
    order = list(range(step.twins[0].ndim))
    if step.name == "permute":
        order = [dim % len(order) for dim in step.option("dims")]
    else:
        a, b = step.option("dim0", -2), step.option("dim1", -1)
        order[a], order[b] = order[b], order[a]
    return graph.node("Transpose", *step.inputs, perm=order)


@becomes("concatenate")
def concatenate_nodes(graph: Graph, step: Step) -> str:
    return graph.node("Concat", *step.inputs, axis=step.option("dim", 0))


@becomes("stack")
def stack_nodes(graph: Graph, step: Step) -> str:
    dim = step.option("dim", 0)
    at = graph.constant([dim], np.int64)
    return graph.node("Concat", *(graph.node("Unsqueeze", x, at) for x in step.inputs), axis=dim)


@becomes("getitem")
def getitem_nodes(graph: Graph, step: Step) -> str:
    """Slices, one for each axis that is cut, and then the result's shape: it has no axis where a number stood."""
    x, ndim = step.inputs[0], step.array(0).ndim
    parts = []
    for parameters in step.parameters:
        basic, arrays = split_index(parameters["index"], ndim)
        if arrays:
            raise ValueError("ONNX export knows no indexing by arrays: use numbers and slices")
        parts.append(along_axes(basic, ndim))
    for axis, pair_of_slices in enumerate(zip(*parts)):
        x = sliced(graph, x, axis, *pair_of_slices)
    return reshaped(graph, x, step.twins)


def along_axes(basic: tuple, ndim: int) -> list[slice]:
    """A slice for each of x's axes: a number n is n to n + 1, and `...` stands for all that are not named."""
    named = [part for part in basic if part is not None]
    if Ellipsis in named:
        at = named.index(Ellipsis)
        named[at : at + 1] = [slice(None)] * (ndim - len(named) + 1)
    named += [slice(None)] * (ndim - len(named))
    return [part if isinstance(part, slice) else slice(part, part + 1 or None) for part in named]


def sliced(graph: Graph, x: str, axis: int, first: slice, second: slice) -> str:
    """x cut along one axis, or x itself where nothing is cut."""
    step = 1 if first.step is None else first.step
    if (first.start, first.stop, step) in ((None, None, 1), (0, None, 1)):
        return x
    start = graph.size(first.start or 0, second.start or 0)
    stop = graph.size(*(LAST if part.stop is None else part.stop for part in (first, second)))
    return graph.node("Slice", x, start, stop, *(graph.constant([n], np.int64) for n in (axis, step)))


# layers


def affine(graph: Graph, x: str, weight: str, bias: str) -> str:
    """x @ weight + bias; an empty bias is none."""
    z = graph.node("MatMul", x, weight)
    return graph.node("Add", z, bias) if bias else z


@becomes("linear")
def linear_nodes(graph: Graph, step: Step) -> str:
    return affine(graph, *step.inputs, *[""] * (3 - len(step.inputs)))


@becomes("conv2d")
def conv2d_nodes(graph: Graph, step: Step) -> str:
    options = [step.option("stride", 1), step.option("padding", 0), step.option("dilation", 1)]
    over = window(step.array(1).shape[2:], *options)
    groups = step.option("groups", 1)
    return graph.node("Conv", *step.inputs, **window_attributes(over), dilations=over.dilation, group=groups)


def window_attributes(over: Any) -> dict[str, Any]:
    """A window's attributes; ONNX pads before all axes and then after all."""
    return {"kernel_shape": over.kernel, "strides": over.stride, "pads": [*over.padding, *over.padding]}


@becomes("max_pool2d")
def max_pool2d_nodes(graph: Graph, step: Step) -> str:
    return graph.node("MaxPool", *step.inputs, **window_attributes(pooling_of(step)))


@becomes("avg_pool2d")
def avg_pool2d_nodes(graph: Graph, step: Step) -> str:
    return graph.node("AveragePool", *step.inputs, **window_attributes(pooling_of(step)), count_include_pad=1)


def pooling_of(step: Step) -> Any:
    """The window of a pooling."""
    return pooling(step.option("kernel_size"), step.option("stride"), step.option("padding", 0))


@becomes("adaptive_avg_pool2d")
def adaptive_avg_pool2d_nodes(graph: Graph, step: Step) -> str:
    if pair(step.option("output_size")) != (1, 1):
        raise ValueError(f"ONNX export knows adaptive_avg_pool2d to one pixel, not to {step.option('output_size')}")
    return graph.node("GlobalAveragePool", *step.inputs)


@becomes("standardize")
def standardize_nodes(graph: Graph, step: Step) -> str:
    mean, std = (graph.constant(step.option(name)) for name in ("mean", "std"))
    return graph.node("BatchNormalization", *step.inputs, mean, graph.node("Mul", std, std), epsilon=0.0)


# language


@becomes("embedding")
def embedding_nodes(graph: Graph, step: Step) -> str:
    ids, weight = step.inputs
    return graph.node("Gather", weight, ids, axis=0)


@becomes("standardized_rows")
def standardized_rows_nodes(graph: Graph, step: Step) -> str:
    x, weight, bias = [*step.inputs, "", ""][:3]
    axes = step.option("axes", 1)
    weight = weight or graph.constant(np.ones(step.array(0).shape[-axes:]), step.twins[0].dtype)
    return graph.node("LayerNormalization", x, weight, bias, axis=-axes, epsilon=float(step.option("eps", 1e-5)))


@becomes("scaled_rows")
def scaled_rows_nodes(graph: Graph, step: Step) -> str:
    x, weight = [*step.inputs, ""][:2]
    axes = graph.constant(range(-step.option("axes", 1), 0), np.int64)
    square = graph.node("ReduceMean", graph.node("Mul", x, x), axes, keepdims=1)
    eps = graph.constant(step.option("eps", 1e-6), step.twins[0].dtype)
    z = graph.node("Div", x, graph.node("Sqrt", graph.node("Add", square, eps)))
    return graph.node("Mul", z, weight) if weight else z


@becomes("feed_forward")
def feed_forward_nodes(graph: Graph, step: Step) -> str:
    x, up, up_bias, down, down_bias = step.inputs
    hidden = affine(graph, x, up, up_bias)
    if step.option("activation", "gelu") == "gelu":
        hidden = graph.node("Gelu", hidden, approximate="tanh")
    else:
        hidden = graph.node("Relu", hidden)
        hidden = graph.node("Mul", hidden, hidden)
    return affine(graph, hidden, down, down_bias)


@becomes("rotate")
def rotate_nodes(graph: Graph, step: Step) -> str:
    """Both halves of x, times the cosines and the sines of their places."""
    width = step.array(0).shape[-1]
    cos, sin = turned_places(graph, step, width)
    left, right = (graph.cut(step.inputs[0], a, b, -1) for a, b in ((0, width // 2), (width // 2, width)))
    lc, ls, rc, rs = (graph.node("Mul", half, part) for half in (left, right) for part in (cos, sin))
    return graph.node("Concat", graph.node("Sub", lc, rs), graph.node("Add", ls, rc), axis=-1)


def turned_places(graph: Graph, step: Step, width: int) -> tuple[str, str]:
    """Cosines and sines of all angles (T, d / 2): places times constants, in float64, or place 1,000 would be off."""
    start, base, dtype = step.option("start", 0), step.option("base", 10000.0), step.twins[0].dtype
    lengths = tuple(start + shape[-2] for shape in step.shapes(0))
    key = ("turned", start, base, width, lengths, dtype)
    if key not in graph.known:
        end = graph.node("Squeeze", graph.size(*lengths))
        places = graph.node("Range", graph.constant(start, np.int64), end, graph.constant(1, np.int64))
        places = graph.node("Cast", places, to=code_of(np.float64))
        column = graph.node("Unsqueeze", places, graph.constant([1], np.int64))
        angle = graph.node("Mul", column, graph.constant(angles(np.ones(1), width, base), np.float64))
        both = (graph.node("Cast", graph.node(name, angle), to=code_of(dtype)) for name in ("Cos", "Sin"))
        graph.known[key] = " ".join(both)
    cos, sin = graph.known[key].split()
    return cos, sin


@becomes("scaled_dot_product_attention", "blockwise_attention")
def attention_nodes(graph: Graph, step: Step) -> str:
    """softmax(scale q k^T + mask) v, step by step; heads that share their keys get an axis of their own."""
    q, k, v, mask = [*step.inputs, ""][:4]
    if step.option("dropout_p", 0.0):
        raise ValueError("ONNX export knows no attention with dropout: dropout_p is 0 in evaluation mode")
    shapes = [step.shapes(place) for place in range(3)]
    shared = step.option("enable_gqa", False) and shapes[0][0][-3] != shapes[1][0][-3]
    if shared:
        groups = shapes[0][0][-3] // shapes[1][0][-3]
        q = graph.node("Reshape", q, graph.shape(*((*s[:-3], s[-3] // groups, groups, *s[-2:]) for s in shapes[0])))
        k, v = (graph.node("Unsqueeze", x, graph.constant([-3], np.int64)) for x in (k, v))
    scale, dtype = step.option("scale"), step.twins[0].dtype
    scale = 1 / math.sqrt(shapes[0][0][-1]) if scale is None else scale
    turned = list(range(len(shapes[1][0]) + bool(shared)))
    turned[-2:] = turned[:-3:-1]
    keys = graph.node("Transpose", k, perm=turned)
    scores = graph.node("MatMul", graph.node("Mul", q, graph.constant(scale, dtype)), keys)
    if step.option("is_causal", False):
        places = [(a[-2], b[-2]) for a, b in zip(shapes[0], shapes[1])]
        forbidden = graph.node("Expand", graph.constant(-math.inf, dtype), graph.shape(*places))
        later = graph.node("Trilu", forbidden, graph.constant(1, np.int64), upper=1)
        scores = graph.node("Add", scores, later)
    if mask:
        scores = masked_scores(graph, step, scores, mask, bool(shared))
    weights = graph.node("Softmax", scores, axis=-1)
    if mask:  # a query that may look at nothing gets zeros
        weights = graph.node("Where", graph.node("IsNaN", weights), graph.constant(0, dtype), weights)
    z = graph.node("MatMul", weights, v)
    return reshaped(graph, z, step.twins) if shared else z


def masked_scores(graph: Graph, step: Step, scores: str, mask: str, shared: bool) -> str:
    """The scores with a mask: of numbers, which are added, or of True and False."""
    if shared:
        raise ValueError("ONNX export knows no mask where heads share their keys: use is_causal")
    if step.array(3).dtype != bool:
        return graph.node("Add", scores, mask)
    return graph.node("Where", mask, scores, graph.constant(-math.inf, step.twins[0].dtype))


# -- a model as a file ---------------------------------------------------------------------------------------------


def export(
    model: Module,
    args: Any,
    f: PathLike,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    """Write a model as ONNX: what it computes for the example args, a tensor or a tuple of them, in evaluation mode.

    `dynamic_axes` names the axes whose sizes may vary: {"input_0": {0: "batch"}}. All other sizes are those of the
    example. Raises ValueError, naming it, for an operation that ONNX export does not know; for what a model computes
    outside of tensors' operations; for a size that it cannot express.
    """
    arrays = [np.array(x.data if isinstance(x, Tensor) else x) for x in (args if isinstance(args, tuple) else (args,))]
    names = list(input_names or [f"input_{i}" for i in range(len(arrays))])
    if len(names) != len(arrays) or set(dynamic_axes or {}) - set(names):
        raise ValueError(f"{len(arrays)} inputs need as many names, and axes of these: got {names} and {dynamic_axes}")
    axes = axes_of(dict(zip(names, arrays)), dynamic_axes or {})
    examples = [resized(array, [axis for axis in axes if axis.value == name]) for name, array in zip(names, arrays)]
    with evaluated(model):
        runs = [answers_of(model, arrays), answers_of(model, examples)]
    weights = {id(p): name for name, p in [*model.named_parameters(), *model.named_buffers()]}
    graph = Graph(dict(zip(names, zip(arrays, examples))), one_for_each_name(axes), weights)
    values = add_steps(graph, *runs)
    outputs = list(output_names or [f"output_{i}" for i in range(len(runs[0]))])
    if len(outputs) != len(values):
        raise ValueError(f"{len(values)} outputs need as many names, got {outputs}")
    for value, output in zip(values, outputs):
        graph.nodes.append(message({1: value, 2: output, 3: output, 4: "Identity"}))
    sizes = [graph.sizes(output, a.shape, b.shape) for output, a, b in zip(outputs, *runs)]
    described = [value_message(output, a.dtype, size) for output, a, size in zip(outputs, runs[0], sizes)]
    named = {(axis.value, axis.place): axis.name for axis in axes}
    inputs = [
        value_message(name, array.dtype, [named.get((name, i), n) for i, n in enumerate(array.shape)])
        for name, array in zip(names, arrays)
    ]
    replace(Path(f), [model_message(graph, inputs, described)])


def axes_of(arrays: dict[str, np.ndarray], dynamic_axes: Mapping[str, Mapping[int, str]]) -> list[Axis]:
    """Every axis that may vary. Raises ValueError for one that an input lacks, or of size 0."""
    axes, chosen = [], dict[str, tuple[int, int]]()
    for value, named in dynamic_axes.items():
        for place, name in named.items():
            shape = arrays[value].shape
            if not 0 <= place < len(shape) or not shape[place]:
                raise ValueError(f"{value} {shape} has no axis {place} of one place or more, for {name!r}")
            size = shape[place]
            sizes = chosen.setdefault(name, (size, other_size(place, size)))
            if sizes[0] != size:
                raise ValueError(f"axes of one name have one size: {name!r} is {sizes[0]} and {size}")
            axes.append(Axis(name, value, place, sizes))
    return axes


def one_for_each_name(axes: list[Axis]) -> list[Axis]:
    """One axis for each name: the first."""
    return list({axis.name: axis for axis in reversed(axes)}.values())[::-1]


def resized(array: np.ndarray, axes: list[Axis]) -> np.ndarray:
    """An example with the sizes of the second run: its numbers again, or fewer of them."""
    for axis in axes:
        array = np.take(array, np.arange(axis.sizes[1]) % axis.sizes[0], axis=axis.place)
    return array.copy()


def add_steps(graph: Graph, first: Sequence[Tensor], second: Sequence[Tensor]) -> list[str]:
    """Add all that both runs did, operation by operation; the values of the model's outputs."""
    if any(x.origin is None for x in first):
        raise ValueError("a model's answer must come from its input or its weights by operations of tensors")
    runs = computed_tensors(first), computed_tensors(second)
    names = [[x.origin.primitive.name for x in steps if x.origin] for steps in runs]
    if names[0] != names[1]:
        raise ValueError("the model does other operations for an example of another size: ONNX has one graph for all")
    values: dict[int, str] = {}
    for twins in zip(*runs):
        origins = [t.origin for t in twins if t.origin is not None]
        operands = zip(zip(*(o.inputs or () for o in origins)), zip(*(o.arrays or () for o in origins)))
        dtype = twins[0].dtype
        inputs = [values[id(x[0])] if id(x[0]) in values else graph.leaf(x, a, dtype) for x, a in operands]
        values[id(twins[0])] = converted(graph, Step(twins, inputs))
    return [values[id(x)] for x in first]


def converted(graph: Graph, step: Step) -> str:
    """What a step becomes. Raises ValueError, naming the operation, for one without a rule."""
    if step.name not in RULES:
        raise ValueError(f"ONNX export does not know the operation {step.name!r}; it knows {', '.join(sorted(RULES))}")
    return RULES[step.name](graph, step)


def model_message(graph: Graph, inputs: list[bytes], outputs: list[bytes]) -> bytes:
    """ModelProto. The graph comes last, so that a file that is cut short can be told from a whole one."""
    constants = [tensor_message(array, name) for name, array in graph.constants.items()]
    whole = message({1: graph.nodes, 2: "tinytorch", 5: constants, 11: inputs, 12: outputs})
    return message({1: IR, 2: "tinytorch", 8: message({1: "", 2: OPSET}), 7: whole})


class Contents(NamedTuple):
    """What an ONNX file holds: its nodes' operations in order, and its arrays by name."""

    operations: list[str]
    arrays: dict[str, np.ndarray]


def read(path: PathLike) -> Contents:
    """The contents of an ONNX file. Raises ValueError, naming the file, if it is cut short or of another kind."""
    try:
        fields = dict(read_fields(memoryview(Path(path).read_bytes())))
        if not isinstance(fields.get(7), memoryview):
            raise ValueError("the file is cut short, or no ONNX: it holds no graph")
        whole = list(read_fields(fields[7]))
        operations = [str(dict(read_fields(node))[4], "utf-8") for number, node in whole if number == 1]
        return Contents(operations, dict(read_array(array) for number, array in whole if number == 5))
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"{path}: {problem}") from None


def read_array(content: memoryview) -> tuple[str, np.ndarray]:
    """The name and the numbers of a TensorProto."""
    fields = list(read_fields(content))
    shape, known = [value for number, value in fields if number == 1], dict(fields)
    dtypes = {code: dtype for dtype, code in CODES.items()}
    array = np.frombuffer(known.get(9, b""), dtypes[known[2]].newbyteorder("<")).reshape(shape)
    return str(known[8], "utf-8"), array

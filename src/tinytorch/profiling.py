"""Profiling: where the time goes, operation by operation and module by module.

A profile is an observer at the seam of the primitives. For every operation, there and back, it notes when it ran, in
which module, how much arithmetic it did and how many bytes it moved. Nothing is added to a program that no profile
watches.

Notation: x, y, weight inputs, z the result, g = dL/dz; a shape is a tuple. A span is a stretch of time with a name.
FLOPs are floating-point operations: a multiplication, an addition, a comparison, a division, an exponential count one
each; a change of sign, a copy and a move count nothing.
"""

import json
import math
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from tinytorch.environment import bandwidth, matmul_flops, peak_matmul
from tinytorch.layers import Module
from tinytorch.tensor import observers

Shape = tuple[int, ...]

# -- arithmetic ----------------------------------------------------------------------------------------------------


def product_flops(x: Shape, y: Shape) -> int:
    """Operations of x @ y, from their shapes: (..., m, k) @ (..., k, n), leading axes broadcast.

    A vector x is one row, a vector y one column, as in matmul.

    >>> print(product_flops((2, 3), (3, 4)), product_flops((5, 1, 2, 3), (7, 3, 4)), product_flops((3,), (3,)))
    48 1680 6
    """
    # matmul_flops(m, k, n), of environment, counts one product of two matrices. How many products are there? Give a
    # vector the axis that it lacks; np.broadcast_shapes tells what the leading axes become.
    rows = (1, *x) if len(x) == 1 else x
    columns = (*y, 1) if len(y) == 1 else y
    batch = math.prod(np.broadcast_shapes(rows[:-2], columns[:-2]))
    return batch * matmul_flops(rows[-2], rows[-1], columns[-1])


def convolution_flops(z: Shape, weight: Shape, bias: bool = False) -> int:
    """Operations of a convolution, from the shapes of its result (B, K, H, W) and its weight (K, C / groups, kh, kw).

    The textbook's count, whichever way it is computed; the bias adds one for each number of the result.

    >>> print(convolution_flops((1, 8, 4, 4), (8, 3, 5, 5)), convolution_flops((1, 8, 4, 4), (8, 3, 5, 5), bias=True))
    19200 19328
    """
    # Each number of the result is a sum of products: how many terms has it? All but one axis of the weight say so.
    terms = math.prod(weight[1:])
    return math.prod(z) * (2 * terms + bias)


def attention_flops(q: Shape, k: Shape, v: Shape) -> int:
    """Operations of attention over T queries (..., T, d), keys (..., S, d) and values (..., S, c).

    Two products, 2 (d + c) for each query and key, and 6 for scale and softmax; what a mask hides is counted, too.

    >>> attention_flops((1, 4, 8, 16), (1, 4, 8, 16), (1, 4, 8, 16))
    17920
    """
    pairs = math.prod(q[:-1]) * k[-2]
    return pairs * (2 * (q[-1] + v[-1]) + 6)


# -- arithmetic of every primitive ---------------------------------------------------------------------------------

# For each number of an operation's largest array: operations there, and operations of its rule for each number of the
# gradients. A primitive that stands neither here nor in FORMULAS counts 1 and 1.
COUNTS: dict[str, tuple[int, int]] = {
    "add": (1, 0), "sub": (1, 0), "neg": (0, 0), "mul": (1, 1), "div": (1, 2), "pow": (1, 3),
    "floor_divide": (2, 0), "remainder": (4, 2), "maximum": (1, 2), "minimum": (1, 2), "where": (0, 1),
    "exp": (1, 1), "log": (1, 1), "sqrt": (1, 2), "abs": (0, 1), "clip": (2, 3), "sin": (1, 2), "cos": (1, 2),
    "erf": (1, 4), "round": (1, 0), "floor": (1, 0), "ceil": (1, 0), "sign": (1, 0),
    "sum": (1, 0), "mean": (1, 0), "std": (4, 4), "amax": (1, 2), "amin": (1, 2), "cumsum": (1, 1), "euclidean": (2, 2),
    "logsumexp": (4, 3),
    "clone": (0, 0), "cast": (0, 0), "reshape": (0, 0), "transpose": (0, 0), "permute": (0, 0), "broadcast_to": (0, 0),
    "getitem": (0, 0), "setitem": (0, 0), "take_along": (0, 0), "concatenate": (0, 0), "stack": (0, 0),
    "padded": (0, 0), "tril": (0, 0), "triu": (0, 0),
    "relu": (1, 2), "leaky_relu": (2, 2), "sigmoid": (3, 3), "tanh": (1, 3), "softplus": (3, 4), "silu": (4, 7),
    "gelu": (9, 14), "softmax": (5, 4), "log_softmax": (5, 4), "dropout": (3, 1),
    "cross_entropy": (5, 3), "binary_cross_entropy_with_logits": (5, 4), "binary_surprise": (5, 4),
    "mse_loss": (3, 2), "l1_loss": (2, 1),
    "max_pool2d": (1, 2), "avg_pool2d": (1, 1), "adaptive_avg_pool2d": (1, 1),
    "standardize": (4, 8), "standardized_rows": (7, 11), "scaled_rows": (4, 8), "rotate": (3, 3),
    "fake_quantize": (5, 5), "through_half": (2, 0), "checkpointed": (0, 0),  # whose operations are counted themselves
}  # fmt: skip


Shapes = Sequence[Any]  # a shape for each array, and None for what is none


def primitive_flops(name: str, z: Shape, inputs: Shapes) -> int:
    """Operations of a primitive, from the shapes of its result and of its inputs.

    >>> primitive_flops("linear", (64, 128), [(64, 784), (784, 128), (128,)])
    12853248
    >>> primitive_flops("sum", (), [(10, 10)]), primitive_flops("add", (3, 4), [(3, 1), (4,)])
    (100, 12)
    """
    if name in PRODUCTS:
        return PRODUCTS[name](z, *inputs)
    return COUNTS.get(name, (1, 1))[0] * max(map(math.prod, [z, *filter(None, inputs)]))


def rule_flops(name: str, gradients: Shapes, g: Shape, inputs: Shapes) -> int:
    """Operations of a primitive's rule, from the shapes of its gradients (None: not asked for), of g and of the inputs.

    A matrix product has two products in its rule, one for each factor that needs a gradient, as large as itself.

    >>> rule_flops("matmul", [None, (784, 128)], (64, 128), [(64, 784), (784, 128)])
    12845056
    """
    if name in RULES:
        return RULES[name](gradients, g, *inputs)
    return COUNTS.get(name, (1, 1))[1] * sum(math.prod(dx) for dx in gradients if dx is not None)


# -- arithmetic of what products are made of -----------------------------------------------------------------------


def linear_flops(z: Shape, x: Shape, weight: Shape, bias: Shape | None = None) -> int:
    """x W + b: a product, and an addition for each number of the result."""
    return product_flops(x, weight) + (bias is not None) * math.prod(z)


def feed_forward_flops(z: Shape, x: Shape, up: Shape, up_bias: Any, down: Shape, down_bias: Any) -> int:
    """Two linear layers and a gelu between them."""
    hidden = (*x[:-1], up[1])
    layers = linear_flops(hidden, x, up, up_bias) + linear_flops(z, hidden, down, down_bias)
    return layers + COUNTS["gelu"][0] * math.prod(hidden)


def layer_rule_flops(gradients: Shapes, g: Shape, x: Shape, weight: Shape, *_: Any) -> int:
    """dx and dW of a linear layer or a convolution, a product each if asked for; db adds up g."""
    dx, dw, db = [*gradients, None][:3]
    terms = weight[0] if len(weight) == 2 else math.prod(weight[1:])  # in each number of z
    return math.prod(g) * (2 * terms * ((dx is not None) + (dw is not None)) + (db is not None))


def feed_forward_rule_flops(gradients: Shapes, g: Shape, x: Shape, up: Shape, *_: Any) -> int:
    """Two products for each of the two layers; the slope of what lies between, and the biases."""
    (c, n), rows = up, math.prod(x[:-1])
    return rows * (4 * n * (c + g[-1]) + 2 * n + g[-1])


def attention_rule_flops(gradients: Shapes, g: Shape, q: Shape, k: Shape, v: Shape, *_: Any) -> int:
    """Four products, two of them with values and two with queries or keys; and softmax's rule."""
    pairs = math.prod(q[:-1]) * k[-2]
    return pairs * (4 * (q[-1] + v[-1]) + 5)


def blockwise_rule_flops(gradients: Shapes, g: Shape, q: Shape, k: Shape, v: Shape) -> int:
    """As attention's, and the scores and the weights once more."""
    pairs = math.prod(q[:-1]) * k[-2]
    return attention_rule_flops(gradients, g, q, k, v) + pairs * (2 * q[-1] + 3)


PRODUCTS: dict[str, Callable[..., int]] = {
    "matmul": lambda z, x, y: product_flops(x, y),
    "linear": linear_flops,
    "conv2d": lambda z, x, weight, bias=None: convolution_flops(z, weight, bias is not None),
    "feed_forward": feed_forward_flops,
    "scaled_dot_product_attention": lambda z, q, k, v, mask=None: attention_flops(q, k, v),
    "blockwise_attention": lambda z, q, k, v: attention_flops(q, k, v),
    "embedding": lambda z, ids, weight: 0,  # rows are copied
    "fused_cross_entropy": lambda z, x, weight, target: 3 * product_flops(x, weight) + 8 * x[0] * weight[1],
}

RULES: dict[str, Callable[..., int]] = {
    "matmul": lambda gradients, g, x, y: sum(dx is not None for dx in gradients) * product_flops(x, y),
    "linear": layer_rule_flops,
    "conv2d": layer_rule_flops,
    "feed_forward": feed_forward_rule_flops,
    "scaled_dot_product_attention": attention_rule_flops,
    "blockwise_attention": blockwise_rule_flops,
    "embedding": lambda gradients, g, ids, weight: math.prod(g),  # each row of g is added to a row of the table
    "fused_cross_entropy": lambda gradients, g, x, weight, target: math.prod(x) + math.prod(weight),
}

# -- bytes ---------------------------------------------------------------------------------------------------------

# Of what it is given beside g, a rule reads its inputs; these read something else, or nothing.
READS_NOTHING = {
    "add", "sub", "floor_divide", "neg", "clone", "cast", "sum", "mean", "reshape", "transpose", "permute", "padded",
    "broadcast_to", "getitem", "setitem", "concatenate", "stack", "dropout", "rotate", "tril", "triu", "cumsum",
    "round", "floor", "ceil", "sign", "avg_pool2d", "adaptive_avg_pool2d", "through_half", "fused_cross_entropy",
}  # fmt: skip
READS_RESULT = {"exp", "sqrt", "sigmoid", "tanh", "softmax", "log_softmax"}


def held_bytes(x: np.ndarray | np.generic) -> int:
    """The bytes of memory that an array shows: an axis along which it was broadcast repeats what is there once.

    >>> held_bytes(np.zeros((3, 4))), held_bytes(np.broadcast_to(np.zeros((3, 1)), (3, 4)))
    (96, 24)
    """
    if 0 not in x.strides:
        return x.nbytes
    return x.itemsize * math.prod(size for size, stride in zip(x.shape, x.strides) if stride or not size)


def moved_bytes(inputs: Sequence[Any], results: Sequence[Any]) -> int:
    """The least that an operation moves between memory and processor: each input read once, each result written once.

    Inputs that are not arrays do not count, nor do NumPy scalars; a result may be one. An array counts once, however
    often it is given (a view of it is another), with the size that held_bytes tells. A result that shows memory of an
    input, as a transpose does, is not written. If no result is written, nothing moves.

    >>> x, y = np.zeros((2, 3)), np.zeros(3)
    >>> print(moved_bytes([x, y, 2.0, None], [x + y]), moved_bytes([x, x], [x * x]), moved_bytes([x], [x.T]))
    120 96 0
    """
    # np.may_share_memory(x, z) tells a view from a new array. Sort out what is no array first, then what is given
    # twice: a dict by id(x) holds each once.
    arrays = {id(x): x for x in inputs if isinstance(x, np.ndarray)}.values()
    new = {id(z): z for z in results if isinstance(z, np.ndarray | np.generic)}.values()
    written = [z for z in new if not any(np.may_share_memory(x, z) for x in arrays)]
    return sum(map(held_bytes, [*arrays, *written])) if written else 0


def arithmetic_intensity(flops: float, moved: float) -> float:
    """FLOPs for each byte moved. Nothing for nothing is 0; arithmetic on nothing moved is infinite.

    >>> arithmetic_intensity(100, 400), arithmetic_intensity(5, 0)
    (0.25, inf)
    """
    # A quotient, and the two cases in which Python would refuse to divide.
    if moved:
        return flops / moved
    return math.inf if flops else 0.0


# -- limits --------------------------------------------------------------------------------------------------------


class Roof(NamedTuple):
    """What a machine can do at best: operations a second, and bytes a second."""

    peak: float
    bandwidth: float


def measure_roof() -> Roof:
    """This machine's, measured with a large matrix product and a large copy."""
    return Roof(peak_matmul(), bandwidth())


def roofline(intensity: float, roof: Roof) -> float:
    """Operations a second that work of this intensity reaches at best: what memory feeds, and no more than the peak.

    Williams, Waterman and Patterson, 2009.

    >>> roof = Roof(peak=100.0, bandwidth=10.0)
    >>> roofline(0.25, roof), roofline(10.0, roof), roofline(80.0, roof)
    (2.5, 100.0, 100.0)
    """
    # Bytes arrive at roof.bandwidth, and each brings `intensity` operations.
    return min(roof.peak, intensity * roof.bandwidth)


def amdahl(shares: Sequence[float], speedups: Sequence[float]) -> float:
    """How many times faster the whole becomes if parts of it do: share i of the time, speedups[i] times as fast.

    What is in no share stays as it is. A speedup may be infinite. Raises ValueError, saying what was given, unless
    there is a speedup for each share, no share is negative, all together are at most 1 (but for rounding, 1e-9), and
    each speedup is above 0. Amdahl, 1967.

    >>> amdahl([0.5], [2.0]), amdahl([0.75], [float("inf")]), amdahl([0.25, 0.25], [0.5, 2.0])
    (1.3333333333333333, 4.0, 0.8888888888888888)
    """
    # Let the whole take 1. What does each part take afterwards, and what does the rest? If all of it vanishes, the
    # answer is math.inf.
    if len(shares) != len(speedups):
        raise ValueError(f"needs a speedup for each share, got {len(speedups)} for {len(shares)}")
    if not all(share >= 0 for share in shares) or not sum(shares) <= 1 + 1e-9:
        raise ValueError(f"shares are parts of 1, got {list(shares)}")
    if not all(speedup > 0 for speedup in speedups):
        raise ValueError(f"speedups are above 0, got {list(speedups)}")
    rest = max(0.0, 1 - sum(shares))
    left = rest + sum(share / speedup for share, speedup in zip(shares, speedups))
    return 1 / left if left else math.inf


# -- spans ---------------------------------------------------------------------------------------------------------


class Span(NamedTuple):
    """A stretch of time, in seconds, with a name; in which modules it ran, outermost first; and what it took.

    `kind` is "primitive", "rule", "module", "region" or "profile"; `inside` are the regions around it; `peak` are
    bytes, 0 if memory was not asked for. A rule has the modules of the operation whose rule it is.
    """

    name: str
    start: float
    end: float
    stack: tuple[str, ...] = ()
    kind: str = "primitive"
    thread: int = 0
    flops: int = 0
    moved: int = 0
    peak: int = 0
    inside: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


def self_times(spans: Sequence[Span]) -> list[float]:
    """Of each span, the seconds in which no span inside it ran. Together they are the seconds of the outermost spans.

    Spans come in any order; their kinds and threads say nothing. Each two lie apart, perhaps end to start, or one lies
    inside the other; of two equal ones the first in the list holds the other. Raises ValueError, with both names, for
    two that overlap in part.

    >>> step, there, layer, back = Span("step", 0, 12), Span("there", 1, 5), Span("layer", 2, 4.5), Span("back", 5, 8.5)
    >>> self_times([layer, step, back, there])
    [2.5, 4.5, 3.5, 1.5]
    """
    # Each span begins with its whole length, and loses that of those directly inside it, not of those in these.
    # Go through them in the order of their starts, the longer first, and keep a list of those that have not ended.
    own = [span.seconds for span in spans]
    open_spans: list[int] = []
    for i in sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end)):
        span = spans[i]
        while open_spans and spans[open_spans[-1]].end <= span.start:
            open_spans.pop()
        if open_spans:
            outer = spans[open_spans[-1]]
            if span.end > outer.end:
                raise ValueError(f"spans lie apart or inside each other; {outer.name} and {span.name} do neither")
            own[open_spans[-1]] -= span.seconds
        open_spans.append(i)
    return own


@dataclass
class Row:
    """All spans of one name: how many, their total and self seconds, what they computed and moved, the largest peak."""

    name: str
    calls: int = 0
    total: float = 0.0
    own: float = 0.0
    flops: int = 0
    moved: int = 0
    peak: int = 0

    @property
    def intensity(self) -> float:
        """FLOPs for each byte."""
        return arithmetic_intensity(self.flops, self.moved)


def by_name(spans: Sequence[Span]) -> dict[str, Row]:
    """A row for each name: calls, own, flops and moved add up, peak is the largest.

    `total` is the time in which at least one span of that name was open: one inside another of its name, as in a
    function that calls itself, counts no second time. Spans are as for self_times.

    >>> rows = by_name([Span("f", 0, 10.5), Span("f", 2, 6), Span("g", 3, 4)])
    >>> rows["f"].calls, rows["f"].total, rows["f"].own
    (2, 10.5, 9.5)
    """
    # self_times(spans) is there, in the order of spans. For the total, go by the starts, the longer first, and keep
    # for each name when its last counted span ends: one that starts before that lies inside.
    own, rows, until = self_times(spans), dict[str, Row](), dict[str, float]()
    for i in sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end)):
        span = spans[i]
        row = rows.setdefault(span.name, Row(span.name))
        row.calls += 1
        row.own += own[i]
        row.flops += span.flops
        row.moved += span.moved
        row.peak = max(row.peak, span.peak)
        if span.start >= until.get(span.name, -math.inf):
            row.total += span.seconds
            until[span.name] = span.end
    return rows


# -- the profile ---------------------------------------------------------------------------------------------------


@dataclass
class ModuleRow(Row):
    """A module's calls: also the seconds of its rules."""

    backward: float = 0.0


BETWEEN = "between operations"
MODULE_CALL: CodeType = Module.__call__.__code__


class Call:
    """One call of a module: its options tell it from other calls, `stack` says where the module stands."""

    def __init__(self, options: dict, stack: tuple[str, ...], start: float, thread: int, inside: tuple[str, ...]):
        self.options, self.stack, self.start, self.thread, self.inside = options, stack, start, thread, inside
        self.end = start


class Profile:
    """What ran inside `with Profile() as profile:`, to be read afterwards.

    With memory=True each span has the most bytes that Python held while it ran, by tracemalloc, which slows the
    program: its times are not to be trusted. Raises RuntimeError if it is entered twice, or read before its block
    has ended.

    >>> from tinytorch.tensor import Tensor
    >>> with Profile() as profile:
    ...     Tensor([1.0, 2.0]) + 1.0
    tensor([2., 3.])
    >>> [(span.name, span.flops, span.moved) for span in profile.spans() if span.kind == "primitive"]
    [('add', 2, 16)]
    """

    def __init__(self, memory: bool = False):
        self.memory = memory
        self.start = self.end = self.watching = 0.0
        self.operations: list[Span] = []
        self.regions: list[Span] = []
        self.calls: list[Call] = []
        self._threads: dict[int, int] = {}
        self._numbers = count()
        self._running: dict[int, list[Call]] = {}
        self._inside: tuple[str, ...] = ()
        self._made: dict[Any, tuple[tuple, tuple[str, ...]]] = {}
        self._names: dict[tuple[int, int], tuple[str, Module, Module | None]] = {}
        self._frame: FrameType | None = None

    def __enter__(self) -> "Profile":
        if self.start:
            raise RuntimeError("a profile watches one block: make a new one")
        self._frame = sys._getframe(1)
        self._trace = self.memory and not tracemalloc.is_tracing()
        if self._trace:
            tracemalloc.start()
        observers.append(self._observe)
        self._thread()
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.end = time.perf_counter()
        observers.remove(self._observe)
        if self._trace:
            tracemalloc.stop()
        self._frame = None
        self._running.clear()
        self._made.clear()
        self._names.clear()

    @contextmanager
    def region(self, name: str) -> Iterator[None]:
        """Inside `with profile.region("optimizer"):` time belongs to that name, except what operations take of it."""
        before, start = self._inside, time.perf_counter()
        self._inside = (*before, name)
        try:
            yield
        finally:
            self._inside = before
            self.regions.append(Span(name, start, time.perf_counter(), before, "region"))

    # -- watching --------------------------------------------------------------------------------------------------

    def _observe(self, name: str, seconds: float, arrays: list, result: Any) -> None:
        """Note one operation that has just ended."""
        end = time.perf_counter()
        thread = self._thread()
        peak = peak_since_last() if self.memory else 0
        inside = self._inside if thread == 0 else ()
        if name.endswith("_vjp"):
            kind, running = "rule", list[Call]()
            stack, flops, moved = self._rule(name, arrays, result)
        else:
            kind, running = "primitive", self._find_running(sys._getframe(1), end - seconds, thread)
            stack, flops, moved = self._primitive(name, arrays, result, running[-1].stack if running else ())
        span = Span(name, end - seconds, end, stack, kind, thread, flops, moved, peak, inside)
        self.operations.append(span)
        now = time.perf_counter()
        for call in running:
            call.end = now
        self.watching += now - end

    def _thread(self) -> int:
        """The number of this thread: 0 is the one that entered the block."""
        ident = threading.get_ident()
        if ident not in self._threads:
            self._threads[ident] = next(self._numbers)
        return self._threads[ident]

    def _primitive(self, name: str, arrays: list, result: Any, stack: tuple[str, ...]) -> tuple[tuple, int, int]:
        """An operation there: the modules that are running, FLOPs and bytes. Its rule will belong to these modules."""
        made_of = (name, *map(id, arrays))
        self._made[id(result)] = self._made[made_of] = made_of, stack
        return stack, primitive_flops(name, np.shape(result), shapes_of(arrays)), moved_bytes(arrays, [result])

    def _rule(self, name: str, arrays: list, result: Any) -> tuple[tuple, int, int]:
        """A rule: its modules are those whose operation made z. z and the inputs are alive, so their ids are theirs."""
        primitive, (g, z, *inputs) = name.removesuffix("_vjp"), arrays
        made_of = (primitive, *map(id, inputs))
        found, stack = self._made.get(id(z), (None, ()))
        if found != made_of:  # z is a number, or was cast after it was made
            stack = self._made.get(made_of, (None, ()))[1]
        gradients = result if type(result) is tuple else (result,)
        flops = rule_flops(primitive, shapes_of(gradients), np.shape(g), shapes_of(inputs))
        read = [g] if primitive in READS_NOTHING else [g, z] if primitive in READS_RESULT else [g, *inputs]
        return stack, flops, moved_bytes(read, gradients)

    def _find_running(self, frame: FrameType | None, start: float, thread: int) -> list[Call]:
        """The calls of modules that are running in this thread, outermost first: Python's stack tells who called."""
        found: list[tuple[dict, Module]] = []
        while frame is not None and frame is not self._frame:
            if frame.f_code is MODULE_CALL:
                here = frame.f_locals
                found.append((here["options"], here["self"]))
            frame = frame.f_back
        found.reverse()
        before = self._running.get(thread, [])
        same = 0
        while same < min(len(before), len(found)) and before[same].options is found[same][0]:
            same += 1  # each call has a dict of options of its own
        running = before[:same]
        for depth in range(same, len(found)):
            options, module = found[depth]
            name = self._name(module, found[depth - 1][1] if depth else None)
            running.append(Call(options, (*(running[-1].stack if running else ()), name), start, thread, self._inside))
        self.calls += running[same:]
        self._running[thread] = running
        return running

    def _name(self, module: Module, outer: Module | None) -> str:
        """A module's name in the one that called it; its class where it has none."""
        key = (id(module), id(outer))
        if key not in self._names:
            inside = outer.named_modules() if outer is not None else ()
            name = next((name for name, member in inside if member is module and name), type(module).__name__)
            self._names[key] = name, module, outer  # while they are here, no other object has their id
        return self._names[key][0]

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """How long the block took."""
        if not self.end:
            raise RuntimeError("a profile is read after its block: leave `with Profile() as profile:` first")
        return self.end - self.start

    def spans(self) -> list[Span]:
        """Everything: the block, its regions, the calls of modules, the operations. What holds others comes first."""
        block = Span("profile", self.start, self.start + self.seconds, kind="profile")
        calls = [
            Span(c.stack[-1], c.start, c.end, c.stack[:-1], "module", c.thread, inside=c.inside) for c in self.calls
        ]
        return [block, *self.regions, *calls, *self.operations]

    def by_operation(self) -> dict[str, Row]:
        """A row for each primitive, rule and region, and one, BETWEEN, for the time in which none of them ran."""
        between = [s._replace(name=BETWEEN) if s.kind in ("profile", "module") else s for s in self.spans()]
        return by_name(side_by_side(between))

    def by_module(self) -> dict[str, ModuleRow]:
        """A row for each module that ran, by its dotted name; its operations and their rules belong to it.

        `total` is the time of its calls, `own` the part of it in which no module inside it ran, `backward` that of its
        rules. FLOPs, bytes and peak are those of everything inside it, there and back.
        """
        spans = [s for s in self.spans() if s.kind in ("module", "profile")]
        named = [s._replace(name=".".join((*s.stack, s.name)) if s.kind == "module" else "") for s in spans]
        timed = by_name(side_by_side(named))
        rows = {name: ModuleRow(name, row.calls, row.total, row.own) for name, row in timed.items() if name}
        for span in self.operations:
            for depth in range(1, len(span.stack) + 1):
                row = rows[".".join(span.stack[:depth])]
                row.flops, row.moved, row.peak = (
                    row.flops + span.flops,
                    row.moved + span.moved,
                    max(row.peak, span.peak),
                )
                row.backward += span.seconds if span.kind == "rule" else 0
        return rows

    def folded(self) -> dict[tuple[str, ...], float]:
        """Self seconds by path: regions, "backward" for a rule, modules, and the operation. () is the block itself."""
        spans, folded = self.spans(), dict[tuple[str, ...], float]()
        for span, own in zip(spans, self_times(side_by_side(spans))):
            direction = ("backward",) if span.kind == "rule" else ()
            path = () if span.kind == "profile" else (*span.inside, *direction, *span.stack, span.name)
            folded[path] = folded.get(path, 0.0) + own
        return folded

    def table(self, limit: int = 12) -> str:
        """The operations as lines of text, by self time, and the rest in one line; shares are of the whole block."""
        rows = sorted(self.by_operation().values(), key=lambda row: -row.own)
        return table_of(rows, limit, self.seconds, self.memory)

    def module_table(self, limit: int = 20) -> str:
        """The modules as lines of text, in the order in which they ran first."""
        lines = [f"{'module':30} {'calls':>6} {'there ms':>9} {'self ms':>9} {'back ms':>9} {'MFLOP':>10} {'MB':>9}"]
        for row in list(self.by_module().values())[:limit]:
            times = f"{1e3 * row.total:9.2f} {1e3 * row.own:9.2f} {1e3 * row.backward:9.2f}"
            lines.append(f"{row.name:30} {row.calls:6} {times} {row.flops / 1e6:10.2f} {row.moved / 1e6:9.2f}")
        return "\n".join(lines)

    def flame(self, width: int = 30, least: float = 0.01) -> str:
        """The tree of what ran inside what, as lines of text: total share, a bar, a name. Below `least` is left out."""
        totals = totals_of(self.folded())
        whole, lines = totals[()], list[str]()
        for path in rows_in_order(totals):
            if totals[path] >= least * whole:
                share = totals[path] / whole
                name = "  " * len(path) + (path[-1] if path else "all")
                lines.append(f"{share:6.1%} {'#' * round(width * share):{width}} {name}")
        return "\n".join(lines)

    def trace(self) -> dict[str, Any]:
        """The spans as Chrome's trace events, which Perfetto and chrome://tracing show: times in microseconds."""
        events: list[dict[str, Any]] = [event(span, self.start) for span in self.spans()]
        names = [
            {"name": "thread_name", "ph": "M", "pid": 1, "tid": thread + 1, "args": {"name": f"thread {thread + 1}"}}
            for thread in self._threads.values()
        ]
        return {"traceEvents": [*names, *events], "displayTimeUnit": "ms"}

    def save_trace(self, path: str | Path) -> None:
        """Write the trace as JSON. Raises FileNotFoundError, naming the folder, if that is not there."""
        path = Path(path)
        if not path.parent.is_dir():
            raise FileNotFoundError(f"a trace to {path} needs the folder {path.parent}, which is not there")
        path.write_text(json.dumps(self.trace(), allow_nan=False), encoding="utf-8")


def shapes_of(arrays: Iterable[Any]) -> list[Shape | None]:
    """The shape of each array, () of a number, None of None."""
    return [None if x is None else np.shape(x) for x in arrays]


def peak_since_last() -> int:
    """The most bytes that Python held since this was last asked."""
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    return peak


def side_by_side(spans: Sequence[Span]) -> list[Span]:
    """The same spans with each thread's moved to a time of its own, so that spans of two threads lie apart."""
    length = 2 * (max(span.end for span in spans) - min(span.start for span in spans))
    return [s._replace(start=s.start + s.thread * length, end=s.end + s.thread * length) for s in spans]


# -- to be read ----------------------------------------------------------------------------------------------------


def table_of(rows: Sequence[Row], limit: int, seconds: float, memory: bool) -> str:
    """Rows as lines of text, the first `limit` of them by name and the others together."""
    heads = f"{'operation':28} {'calls':>6} {'self ms':>9} {'share':>6} {'MFLOP':>10} {'MB':>9} {'FLOP/B':>7}"
    lines = [heads + f" {'GFLOP/s':>8}" + (f" {'peak MB':>8}" if memory else "")]
    rest = Row(f"{len(rows) - limit} others")
    for row in rows[limit:]:
        rest.calls, rest.own = rest.calls + row.calls, rest.own + row.own
        rest.flops, rest.moved, rest.peak = rest.flops + row.flops, rest.moved + row.moved, max(rest.peak, row.peak)
    for row in [*rows[:limit], *([rest] if len(rows) > limit else [])]:
        numbers = f"{row.calls:6} {1e3 * row.own:9.2f} {row.own / seconds:6.1%} {row.flops / 1e6:10.2f}"
        rates = f"{row.moved / 1e6:9.2f} {row.intensity:7.1f} {row.flops / max(row.own, 1e-9) / 1e9:8.1f}"
        lines.append(f"{row.name:28} {numbers} {rates}" + (f" {row.peak / 1e6:8.1f}" if memory else ""))
    return "\n".join(lines)


def totals_of(folded: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    """For each path the seconds of all that begins with it.

    >>> totals_of({(): 1.0, ("net", "linear"): 2.0, ("net", "relu"): 3.0})
    {(): 6.0, ('net',): 5.0, ('net', 'linear'): 2.0, ('net', 'relu'): 3.0}
    """
    totals: dict[tuple[str, ...], float] = {}
    for path, seconds in folded.items():
        for depth in range(len(path) + 1):
            totals[path[:depth]] = totals.get(path[:depth], 0.0) + seconds
    return totals


def rows_in_order(totals: dict[tuple[str, ...], float], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of a tree, each followed by those inside it, the largest first."""
    yield path
    children = [p for p in totals if len(p) == len(path) + 1 and p[:-1] == path]
    for child in sorted(children, key=lambda p: -totals[p]):
        yield from rows_in_order(totals, child)


def event(span: Span, start: float) -> dict[str, Any]:
    """One span as a complete event ("X") of the trace event format, with what it took as its arguments."""
    took = {name: getattr(span, name) for name in ("flops", "moved", "peak") if getattr(span, name)}
    module = {"module": ".".join(span.stack)} if span.stack else {}
    begins, ends = (round(1e9 * (moment - start)) for moment in (span.start, span.end))  # whole nanoseconds still nest
    times = {"ts": begins / 1000, "dur": (ends - begins) / 1000}
    return {
        "name": span.name,
        "cat": span.kind,
        "ph": "X",
        **times,
        "pid": 1,
        "tid": span.thread + 1,
        "args": module | took,
    }

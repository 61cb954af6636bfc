"""Quantization: numbers in eight bits, and exact sums of them.

Notation: x real numbers, q whole numbers of b bits, s a scale, zero a zero point: x is about s (q - zero). A grid is
the real numbers that q can stand for, s apart. A product (M, K) @ (K, N) adds up K products for each of its numbers.
"""

import copy
import os
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tinytorch import serialization
from tinytorch.activations import gelu, relu
from tinytorch.convolutions import BatchNorm2d, Conv2d, Window, channels_first, conv2d, im2col
from tinytorch.embeddings import Embedding, LearnedPositions, check_ids, check_places
from tinytorch.layers import Buffer, Identity, Linear, Module, Sequential, linear
from tinytorch.tensor import Tensor, no_grad, primitive, versions, widened
from tinytorch.training import Trainer, clip_grad_norm_
from tinytorch.transformers import FeedForward

# -- grids ---------------------------------------------------------------------------------------------------------


class Grid(NamedTuple):
    """What whole numbers of so many bits stand for: s (q - zero). Scale and zero broadcast against x."""

    scale: np.ndarray  # float32
    zero: np.ndarray  # int32, itself a q: the one that stands for 0
    bits: int = 8


def limits(bits: int) -> tuple[int, int]:
    """The least and the largest whole number of so many bits, one of them for the sign. Raises ValueError beyond 2..8.

    >>> limits(8), limits(4)
    ((-128, 127), (-8, 7))
    """
    if bits not in range(2, 9):
        raise ValueError(f"numbers are kept in 2 to 8 bits here, got {bits}")
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def affine_grid(low: Any, high: Any, bits: int = 8) -> Grid:
    """The finest grid from low to high that has 0: s = (high - low) / (2^b - 1), zero = round(least - low / s).

    An interval that does not reach 0 is first stretched to it. low and high are numbers, or arrays of one shape with a
    grid for each place. Raises ValueError, naming both, for what is no interval: NaN, infinity, low above high, or
    nothing but 0, and for one too narrow for a float32 scale. Jacob et al., 2018.

    >>> grid = affine_grid(-1.0, 4.1)
    >>> round(float(grid.scale), 4), int(grid.zero)
    (0.02, -78)
    """
    # Whole numbers reach from least to most: limits(bits). First let low be 0 or below, and high 0 or above. Then b
    # bits cut the interval into 2^b - 1 parts; low is to become least, so which q becomes 0? Compute in float64, with
    # np.rint to round; return float32 and int32.
    least, most = limits(bits)
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if not (low <= high).all():  # nor is a NaN
        raise ValueError(f"a grid needs an interval, got {low} to {high}")
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    step, float32 = high / (most - least) - low / (most - least), np.finfo(np.float32)
    if not ((step >= float32.tiny) & (step <= float32.max)).all():
        raise ValueError(f"a grid needs an interval with a width that float32 can tell, got {low} to {high}")
    zero = np.clip(np.rint(least - low / step), least, most)
    return Grid(np.asarray(step, np.float32), np.asarray(zero, np.int32), bits)


def symmetric_grid(x: np.ndarray, axis: int | tuple[int, ...] | None = None, bits: int = 8) -> Grid:
    """A grid around 0 that reaches the largest |x|: s = max |x| / (2^(b - 1) - 1), zero = 0.

    With an axis, or several, each place along it has a grid of its own; the scale keeps x's number of axes, so that it
    broadcasts. Raises ValueError for no numbers, for NaN and infinity, and, naming the first such channel, where all
    of a channel is zero: no scale fits it.

    >>> symmetric_grid(np.array([[1.27, -0.5], [0.1, 2.54]]), axis=1).scale
    array([[0.01, 0.02]], dtype=float32)
    """
    # Take the largest |x| along every axis but those, with keepdims=True. An axis may be negative. With bits = 8 the
    # largest becomes 127; -128 stays unused, so that a weight and its negative are equally good.
    if not x.size or not np.isfinite(x).all():
        raise ValueError(f"a grid needs finite numbers, got {'none' if not x.size else 'NaN or infinity'}")
    kept = () if axis is None else np.atleast_1d(axis) % x.ndim
    others = tuple(i for i in range(x.ndim) if i not in kept)
    largest = np.abs(x.astype(np.float64)).max(axis=others, keepdims=True)
    scale = (largest / limits(bits)[1]).astype(np.float32)
    if not (scale > 0).all():
        where = "" if axis is None else f" in channel {int(np.flatnonzero(scale == 0)[0])}"
        raise ValueError(f"all numbers{where} are zero: no scale fits them")
    return Grid(scale, np.zeros_like(scale, np.int32), bits)


def quantize(x: np.ndarray, grid: Grid) -> np.ndarray:
    """q = round(x / s) + zero, as int8: the nearest place of the grid; what lies beyond its ends is put there.

    Halves are rounded to even numbers. Raises ValueError for a NaN, which no whole number stands for.

    >>> quantize(np.array([-1.0, 0.0, 0.375, 0.625, 99.0]), Grid(np.float32(0.25), np.int32(-100)))
    array([-104, -100,  -98,  -98,  127], dtype=int8)
    """
    # np.rint rounds halves to even. A conversion to int8 keeps the last eight bits, so that 200 would become -56: clip
    # to limits(grid.bits) before it.
    if np.isnan(x).any():
        raise ValueError("a NaN cannot be quantized: no whole number stands for it")
    return np.clip(np.rint(x / grid.scale) + grid.zero, *limits(grid.bits)).astype(np.int8)


def dequantize(q: np.ndarray, grid: Grid) -> np.ndarray:
    """x = s (q - zero), float32.

    >>> dequantize(np.array([-105, 100], np.int8), Grid(np.float32(0.5), np.int32(-100)))
    array([ -2.5, 100. ], dtype=float32)
    """
    # 100 - (-100) is 200, which int8 does not hold: widen first.
    return (q.astype(np.int32) - grid.zero).astype(np.float32) * grid.scale


# -- sums of whole numbers -----------------------------------------------------------------------------------------

EXACT = 1024  # products of two int8 numbers, 2^14 at the most, that surely sum to 2^24 or less: float32 has these all
ROWS = 2**17  # bytes of rows at a time: K inputs as float32, and four numbers of 8 bytes for each of N sums


def integer_matmul(a: np.ndarray, b: np.ndarray, a_zero: Any = 0, b_zero: Any = 0) -> np.ndarray:
    """z = (a - a_zero) @ (b - b_zero), exactly, as int32: a (M, K) and b (K, N) are int8.

    a_zero is a number, b_zero a number or one for each column, (N,). Raises TypeError for another dtype, ValueError,
    naming the shapes, for inner axes that differ or other than two axes, and OverflowError for a sum that int32 does
    not hold: one below -2^31 or above 2^31 - 1.

    >>> a, b = np.array([[1, 2]], np.int8), np.array([[3], [-4]], np.int8)
    >>> integer_matmul(a, b), integer_matmul(a, b, a_zero=1, b_zero=-1)
    (array([[-5]], dtype=int32), array([[-3]], dtype=int32))
    """
    # NumPy multiplies whole numbers slowly: it has a fast product (BLAS) for floats alone. In float32 that product is
    # exact as long as no sum passes 2^24, so take at most EXACT of the K products at once, and add the parts as int64.
    # What the zeros change, you can derive: multiply out (a - a_zero) (b - b_zero), and sum over K. Of a and b alone
    # only the sums of rows and of columns are needed, which NumPy takes in int64. Last, check the range.
    if a.dtype != np.int8 or b.dtype != np.int8:
        raise TypeError(f"a product of whole numbers needs int8, got {a.dtype} and {b.dtype}")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"a product needs (M, K) and (K, N), got {a.shape} and {b.shape}")
    total = np.zeros((a.shape[0], b.shape[1]), np.int64)
    for start in range(0, a.shape[1], EXACT):
        part = slice(start, start + EXACT)
        total += (a[:, part].astype(np.float32) @ b[part].astype(np.float32)).astype(np.int64)
    a_zero, b_zero = np.asarray(a_zero, np.int64), np.asarray(b_zero, np.int64)
    rows, columns = a.sum(axis=1, keepdims=True), b.sum(axis=0)
    total += a.shape[1] * a_zero * b_zero - a_zero * columns - rows * b_zero
    low, high, int32 = total.min(initial=0), total.max(initial=0), np.iinfo(np.int32)
    if low < int32.min or high > int32.max:
        raise OverflowError(f"a sum of {a.shape[1]} products is {low if -low > high else high}, beyond int32")
    return total.astype(np.int32)


# -- calibration ---------------------------------------------------------------------------------------------------


def value_range(x: np.ndarray, percentile: float = 100.0) -> tuple[float, float]:
    """(low, high) of the numbers in x; with a percentile p below 100, of those between the (100 - p)th and the pth.

    Raises ValueError for no numbers, for NaN and infinity, where all are the same, or all that a percentile leaves, and
    naming it, for a percentile that is not above 50 and up to 100.

    >>> value_range(np.array([-1.0, 2.0, 50.0]))
    (-1.0, 50.0)
    >>> value_range(np.arange(101), percentile=75)
    (25.0, 75.0)
    """
    # np.percentile(x, [100 - p, p]) gives both ends; of p = 100 they are the minimum and the maximum. Refuse first
    # what it would make nonsense of, and last what has no width.
    if not 50 < percentile <= 100:
        raise ValueError(f"a percentile is above 50 and up to 100, got {percentile}")
    if not x.size:
        raise ValueError("calibration saw no numbers")
    if not np.isfinite(x).all():
        raise ValueError("calibration saw NaN or infinity")
    low, high = np.percentile(x.astype(np.float64), [100 - percentile, percentile])
    if low == high:
        raise ValueError(f"calibration saw nothing but {low:g}: an interval has no width")
    return float(low), float(high)


SAMPLE = 2**13  # numbers of a batch that are kept for a percentile


class Observer:
    """Sees batches of numbers, and tells the range of them all; for a percentile it keeps some of every batch.

    >>> observer = Observer()
    >>> observer.see(np.array([1.0, 5.0])), observer.see(np.array([-2.0, 3.0]))
    (None, None)
    >>> observer.range()
    (-2.0, 5.0)
    """

    def __init__(self, percentile: float = 100.0):
        self.percentile, self.kept = percentile, list[np.ndarray]()

    def see(self, x: np.ndarray) -> None:
        """Keep what the range depends on: the ends, or numbers at even distances."""
        if x.size and self.percentile == 100:
            self.kept.append(np.array([x.min(), x.max()]))
        elif x.size:
            self.kept.append(x.ravel()[:: -(-x.size // SAMPLE)].copy())

    def range(self) -> tuple[float, float]:
        """(low, high). Raises ValueError as value_range does."""
        return value_range(np.concatenate(self.kept) if self.kept else np.empty(0), self.percentile)


# -- straight through ----------------------------------------------------------------------------------------------


@primitive
@widened
def fake_quantize(x, *, scale, zero, bits=8):
    """z = s (round(x / s) + zero, kept within the limits, - zero): x moved to the grid, still a float.

    >>> fake_quantize([0.1, 0.3, -70.0], scale=0.25, zero=0, bits=8)
    tensor([  0.  ,   0.25, -32.  ])
    """
    return (np.clip(np.rint(x / scale) + zero, *limits(bits)) - zero) * scale


@fake_quantize.vjp(reads="x")
def fake_quantize_vjp(g, z, x, *, scale, zero, bits=8):
    """dx = g where round(x / s) + zero is within the limits, else 0: as if nothing had been rounded.

    The true derivative is 0 almost everywhere, and nothing is learned from it. Bengio, Leonard and Courville, 2013.

    >>> x, g = np.array([0.1, 0.3, -70.0]), np.array([1.0, 2.0, 3.0])
    >>> fake_quantize_vjp(g, None, x, scale=0.25, zero=0)
    array([1., 2., 0.])
    """
    # Where z moves with x, if in jumps, let g pass. Where x is beyond the ends, z stands still whatever x does. Round
    # before you compare: where x / s + zero is 127.3, q is 127, which is within.
    least, most = limits(bits)
    q = np.rint(x / scale) + zero
    return g * ((least <= q) & (q <= most))


class FakeQuantized(Module):
    """A Linear or a Conv2d in float32 that computes what it would in int8, and can be trained.

    What enters is rounded to a fixed grid. Weights are rounded to grids that follow them: one for each output.
    """

    def __init__(self, layer: Any, grid: Grid, per_channel: bool = True, weight_bits: int = 8):
        self.layer, self.per_channel, self.weight_bits = layer, per_channel, weight_bits
        self.scale, self.zero = Buffer(grid.scale), Buffer(grid.zero)

    def grid(self) -> Grid:
        """The grid of what enters."""
        return Grid(self.scale.data, self.zero.data)

    def weight_grid(self) -> Grid:
        """The grids of the weights, as they are now."""
        outputs = 1 if isinstance(self.layer, Linear) else 0
        return symmetric_grid(self.layer.weight.data, outputs if self.per_channel else None, self.weight_bits)

    def forward(self, x: Any) -> Tensor:
        grid, weights = self.grid(), self.weight_grid()
        x = fake_quantize(x, scale=grid.scale, zero=grid.zero)
        return apply(self.layer, x, fake_quantize(self.layer.weight, scale=weights.scale, zero=weights.zero))


def apply(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    """What a Linear or a Conv2d makes of x with other weights than its own."""
    if isinstance(layer, Linear):
        return linear(x, weight, layer.bias)
    _, stride, padding, dilation = layer.over
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": layer.groups}
    return conv2d(x, weight, layer.bias, **options)


# -- layers of whole numbers ---------------------------------------------------------------------------------------


class Quantized(Module):
    """What QuantizedLinear and QuantizedConv2d share: int8 weights with a scale for each output, and a grid for x.

    z = s s_w (the sum of (q - zero) q_w) + bias, where the sum is exact, in int32. There is no gradient.
    """

    def __init__(self, fake: FakeQuantized):
        layer: Any = fake.layer
        grid, outputs = fake.weight_grid(), layer.weight.shape[1 if isinstance(layer, Linear) else 0]
        self.weight = Buffer(quantize(layer.weight.data, grid))
        self.weight_scale = Buffer(np.broadcast_to(grid.scale.ravel(), outputs).copy())
        self.bias = None if layer.bias is None else Buffer(layer.bias.data.copy())
        self.scale, self.zero = Buffer(fake.scale.data), Buffer(fake.zero.data)

    def enter(self, x: Any) -> np.ndarray:
        """x as whole numbers. Raises RuntimeError if x needs a gradient."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        if x.requires_grad:
            raise RuntimeError("a layer of whole numbers has no gradient: train its FakeQuantized self")
        return quantize(x.data, Grid(self.scale.data, self.zero.data))

    def leave(self, sums: np.ndarray, outputs: slice = slice(None)) -> np.ndarray:
        """Sums (N, outputs) as the real numbers that they stand for: rounded once, to float32."""
        z = sums * (float(self.scale.data) * self.weight_scale.data[outputs].astype(np.float64))
        return (z if self.bias is None else z + self.bias.data[outputs]).astype(np.float32)

    def product(self, rows: np.ndarray, matrix: np.ndarray, outputs: slice = slice(None)) -> np.ndarray:
        """Rows (N, K) times a matrix (K, outputs), some rows at a time: what is widened on the way stays small."""
        z = np.empty((len(rows), matrix.shape[1]), np.float32)
        count = max(1, ROWS // max(1, 4 * matrix.shape[0] + 32 * matrix.shape[1]))
        for start in range(0, len(rows), count):
            part = slice(start, start + count)
            z[part] = self.leave(integer_matmul(rows[part], matrix, self.zero.data), outputs)
        return z

    def extra_repr(self) -> str:
        return f"{self.weight.shape}, int8"


class QuantizedLinear(Quantized):
    """A Linear of whole numbers: x (..., in) -> (..., out), float32 outside, int8 and int32 inside.

    >>> layer = Linear(3, 2)
    >>> QuantizedLinear(FakeQuantized(layer, affine_grid(0, 1)))(Tensor([[0.0, 0.5, 1.0]])).shape
    (1, 2)
    """

    def forward(self, x: Any) -> Tensor:
        q = self.enter(x)
        inputs, outputs = self.weight.shape
        if q.shape[-1] != inputs:
            raise ValueError(f"QuantizedLinear needs x (..., {inputs}) for a weight {self.weight.shape}, got {q.shape}")
        return Tensor(self.product(q.reshape(-1, inputs), self.weight.data).reshape(*q.shape[:-1], outputs))


class QuantizedConv2d(Quantized):
    """A Conv2d of whole numbers: im2col, then the product of a QuantizedLinear. Around the image stand zero points.

    >>> layer = Conv2d(3, 8, 3, padding=1)
    >>> QuantizedConv2d(FakeQuantized(layer, affine_grid(0, 1)))(Tensor(np.ones((1, 3, 4, 4), np.float32))).shape
    (1, 8, 4, 4)
    """

    def __init__(self, fake: FakeQuantized):
        super().__init__(fake)
        layer: Any = fake.layer
        self.over, self.groups = layer.over, layer.groups

    def forward(self, x: Any) -> Tensor:
        q = self.enter(x)
        if q.ndim != 4 or q.shape[1] != self.weight.shape[1] * self.groups:
            channels = self.weight.shape[1] * self.groups
            raise ValueError(f"QuantizedConv2d needs x (B, {channels}, H, W), got {q.shape}")
        size = self.over.outputs(*q.shape[2:])
        z = np.empty((len(q), *size, len(self.weight)), np.float32)
        for image, found in zip(q, z):  # one by one: the windows of an image are many times its bytes
            found[...] = self.of_image(image).reshape(found.shape)
        return Tensor(channels_first(z))

    def of_image(self, q: np.ndarray) -> np.ndarray:
        """One image (C, H, W) of whole numbers -> (H' W', K)."""
        (ph, pw), zero = self.over.padding, int(self.zero.data)
        padded = np.pad(q.transpose(1, 2, 0), ((ph, ph), (pw, pw), (0, 0)), constant_values=zero)[None]
        filters, n = self.weight.data, len(self.weight) // self.groups
        found = []
        for group, part in enumerate(np.split(padded, self.groups, axis=-1)):
            mine = slice(group * n, (group + 1) * n)
            matrix = filters[mine].transpose(2, 3, 1, 0).reshape(-1, n)
            rows = im2col(part, Window(*self.over)._replace(padding=(0, 0)))
            found.append(self.product(rows, matrix, mine))
        return found[0] if self.groups == 1 else np.concatenate(found, axis=1)


class QuantizedTable(Module):
    """The rows of an Embedding or of LearnedPositions in int8, each with a scale; what is read is float32."""

    def __init__(self, table: Any):
        self.table = Buffer(np.zeros(table.weight.shape, np.int8))
        self.table_scale = Buffer(np.ones((len(table.weight), 1), np.float32))
        used = np.abs(table.weight.data).max(axis=1) > 0  # a padding's row is zero, and stays so
        if used.any():
            grid = symmetric_grid(table.weight.data[used], 0)
            self.table.data[used], self.table_scale.data[used] = quantize(table.weight.data[used], grid), grid.scale

    @property
    def weight(self) -> Tensor:
        """The whole table, read: a head that shares it multiplies with this."""
        return Tensor(self.rows(slice(None)))

    def rows(self, at: Any) -> np.ndarray:
        """Some of the rows."""
        return self.table.data[at] * self.table_scale.data[at]


class QuantizedEmbedding(QuantizedTable):
    """An Embedding in int8: a quarter of the bytes, and a rounding for each number."""

    def forward(self, ids: Any) -> Tensor:
        ids = ids.data if isinstance(ids, Tensor) else np.asarray(ids)
        check_ids(ids, len(self.table))
        return Tensor(self.rows(ids))


class QuantizedPositions(QuantizedTable):
    """LearnedPositions in int8."""

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        check_places(start, x.shape[-2], len(self.table))
        return x + self.rows(slice(start, start + x.shape[-2]))


# -- whole networks ------------------------------------------------------------------------------------------------

Rule = Callable[[Any], Any]


def exchange(module: Any, rule: Rule, known: dict[int, Any] | None = None) -> Any:
    """What rule makes of a module, after the same was done to each module inside it; one used twice stays one."""
    known = {} if known is None else known
    if type(module) in (list, tuple):
        return type(module)(exchange(each, rule, known) for each in module)
    if type(module) is dict:
        return {key: exchange(each, rule, known) for key, each in module.items()}
    if not isinstance(module, Module):
        return module
    if id(module) not in known:
        vars(module).update({name: exchange(each, rule, known) for name, each in vars(module).items()})
        known[id(module)] = rule(module)
    return known[id(module)]


def fold(conv: Conv2d, norm: BatchNorm2d) -> Conv2d:
    """One convolution that computes norm(conv(x)): weights w f and bias (b - mean) f + beta, with f = gamma / std.

    >>> conv, norm = Conv2d(1, 1, 1), BatchNorm2d(1, eps=0.0)
    >>> norm.running_var.data[...], norm.bias.data[...] = 0.25, 3.0
    >>> bool(np.allclose(fold(conv, norm).weight.data, 2 * conv.weight.data)), fold(conv, norm).bias.tolist()
    (True, [3.0])
    """
    folded, bias = copy.deepcopy(conv), 0.0 if conv.bias is None else conv.bias.data
    factor = norm.weight.data / np.sqrt(norm.running_var.data + np.float32(norm.eps))
    folded.weight.data *= factor[:, None, None, None]
    shift = (bias - norm.running_mean.data) * factor + norm.bias.data
    folded.bias = type(conv.weight)(shift.astype(np.float32))
    return folded


class SplitFeedForward(Module):
    """A FeedForward whose two layers are called one after the other, so that each can be exchanged."""

    def __init__(self, whole: FeedForward):
        self.up, self.down, self.activation = whole.up, whole.down, whole.activation

    def forward(self, x: Tensor) -> Tensor:
        h = self.up(x)
        return self.down(gelu(h) if self.activation == "gelu" else relu(h) * relu(h))


def unfused(module: Any) -> Any:
    """A module in parts that can be quantized: no BatchNorm2d right after a Conv2d, no fused FeedForward."""
    if type(module) is FeedForward:
        return SplitFeedForward(module)
    if type(module) is Sequential:
        for i, (first, second) in enumerate(pairwise(module.layers)):
            if type(first) is Conv2d and type(second) is BatchNorm2d:
                module.layers[i], module.layers[i + 1] = fold(first, second), Identity()
    return module


class Observed(Module):
    """A layer, and an observer of what enters it."""

    def __init__(self, layer: Module, percentile: float):
        self.layer, self.observer = layer, Observer(percentile)

    def forward(self, x: Any) -> Tensor:
        self.observer.see(x.data if isinstance(x, Tensor) else np.asarray(x))
        return self.layer(x)


def is_matrix(module: Any) -> bool:
    """Whether a module is one of those that get whole numbers."""
    return type(module) in (Linear, Conv2d)


def calibrate(
    model: Module,
    batches: Iterable[Any],
    percentile: float = 100.0,
    per_channel: bool = True,
    weight_bits: int = 8,
) -> Module:
    """A copy of a model with each Linear and Conv2d FakeQuantized, by what enters it from batches of inputs.

    It is in evaluation mode; its batch norms are folded into the convolutions before them. Train it, or convert it.
    Raises ValueError, naming the layer, for a calibration that is empty, constant or not finite.
    """
    network = exchange(copy.deepcopy(model).eval(), unfused)
    network = exchange(network, lambda module: Observed(module, percentile) if is_matrix(module) else module)
    with no_grad():
        for x in batches:
            network(x)
    names = {id(module): name for name, module in network.named_modules()}

    def settled(module: Any) -> Any:
        if type(module) is not Observed:
            return module
        try:
            grid = affine_grid(*module.observer.range())
        except ValueError as problem:
            raise ValueError(f"{names[id(module)] or 'the layer'}: {problem}") from None
        return FakeQuantized(module.layer, grid, per_channel, weight_bits)

    return exchange(network, settled).eval()


def convert(model: Module) -> Module:
    """A copy of what calibrate returned in whole numbers: nothing in it learns any more.

    Raises ValueError, naming the layer, where a channel's weights are all zero.
    """
    network = copy.deepcopy(model).eval()
    names = {id(module): name for name, module in network.named_modules()}

    def whole(module: Any) -> Any:
        try:
            if type(module) is FakeQuantized:
                return (QuantizedLinear if isinstance(module.layer, Linear) else QuantizedConv2d)(module)
        except ValueError as problem:
            raise ValueError(f"{names[id(module)] or 'the layer'}: {problem}") from None
        kinds = {Embedding: QuantizedEmbedding, LearnedPositions: QuantizedPositions}
        return kinds[type(module)](module) if type(module) in kinds else module

    return exchange(network, whole).eval().requires_grad_(False)


def quantize_model(
    model: Module, batches: Iterable[Any], percentile: float = 100.0, per_channel: bool = True
) -> Module:
    """A copy of a model in whole numbers: calibrate and convert.

    >>> model = Sequential(Linear(4, 8), Linear(8, 2))
    >>> quantize_model(model, [Tensor(np.eye(4, dtype=np.float32))])
    Sequential(
      (0): QuantizedLinear((4, 8), int8)
      (1): QuantizedLinear((8, 2), int8)
    )
    """
    return convert(calibrate(model, batches, percentile, per_channel))


# -- files ---------------------------------------------------------------------------------------------------------


def stored_bytes(model: Module) -> int:
    """What the parameters and buffers of a model take.

    >>> stored_bytes(Linear(4, 8)), stored_bytes(quantize_model(Linear(4, 8), [np.eye(4, dtype=np.float32)]))
    (160, 104)
    """
    return sum(array.nbytes for array in model.state_dict().values())


def save_quantized(model: Module, path: str | os.PathLike) -> None:
    """Write a model of whole numbers to a file, in the format safetensors: every array as it is."""
    serialization.save(model.state_dict(), path)


def load_quantized(model: Module, path: str | os.PathLike) -> Module:
    """The model in a file, bit for bit. `model` is the float network of the same form: its weights are not read.

    Raises ValueError, saying what differs, for a file that is damaged, cut short, or of another network.
    """
    arrays, blank = serialization.load(path), copy.deepcopy(model)
    for parameter in blank.parameters():
        parameter.data = np.ones_like(parameter.data)  # any weights that have a scale
    blank = exchange(exchange(blank.eval(), unfused), placeholder)
    network = convert(blank)
    for name, own in network.state_dict().items():
        if name in arrays and arrays[name].dtype != own.dtype:
            raise ValueError(f"{path}: {name} is {arrays[name].dtype}, here {own.dtype}")
    try:
        network.load_state_dict(arrays)
    except ValueError as problem:
        raise ValueError(f"{path} is of another network: {problem}") from None
    return network


def placeholder(module: Any) -> Any:
    """A layer with a grid that any other will replace."""
    return FakeQuantized(module, affine_grid(0.0, 1.0)) if is_matrix(module) else module


def halved(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays as float16, for a file of half the size; load_state_dict widens them again.

    Raises OverflowError, naming the array, for a number beyond 65,504, which float16 lacks.

    >>> halved({"weight": np.array([1.0, 0.1], np.float32)})["weight"]
    array([1. , 0.1], dtype=float16)
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and np.abs(array[np.isfinite(array)]).max(initial=0) > np.finfo(np.float16).max:
            raise OverflowError(f"{name} has a number beyond {np.finfo(np.float16).max:g}: float16 does not hold it")
    return {name: array.astype(np.float16) if array.dtype.kind == "f" else array for name, array in arrays.items()}


# -- four bits -----------------------------------------------------------------------------------------------------


def pack_int4(q: np.ndarray) -> np.ndarray:
    """Two whole numbers of four bits in each byte: (2 n, ...) int8 of -8..7 -> (n, ...) uint8, the first of two low.

    Raises ValueError for an odd number of rows, and for numbers that need more bits.

    >>> pack_int4(np.array([1, -1], np.int8))
    array([241], dtype=uint8)
    """
    if len(q) % 2:
        raise ValueError(f"two numbers share a byte: an even number of rows is needed, got {len(q)}")
    if q.size and (q.min() < -8 or q.max() > 7):
        raise ValueError(f"four bits hold -8 to 7, got {q.min()} to {q.max()}")
    low, high = (q[start::2].astype(np.uint8) & 15 for start in (0, 1))
    return low | high << 4


def unpack_int4(packed: np.ndarray) -> np.ndarray:
    """The whole numbers that pack_int4 packed: (n, ...) uint8 -> (2 n, ...) int8.

    >>> unpack_int4(np.array([241], np.uint8))
    array([ 1, -1], dtype=int8)
    """
    nibbles = np.stack([packed & 15, packed >> 4], axis=1).astype(np.int8)
    return ((nibbles ^ 8) - 8).reshape(2 * len(packed), *packed.shape[1:])


class Int4Linear(Module):
    """A Linear whose weights have four bits, with a scale for each group of inputs of each output; x stays float32.

    The weights are read back for every product: this saves memory alone. Raises ValueError unless groups of an even
    size fill the inputs.
    """

    def __init__(self, layer: Linear, group: int = 32):
        inputs, outputs = layer.weight.shape
        if group < 2 or group % 2 or inputs % group:
            raise ValueError(f"groups of an even size fill the inputs: got {group} for {inputs}")
        w = layer.weight.data.reshape(inputs // group, group, outputs)
        scale = symmetric_grid(w, (0, 2), bits=4).scale.astype(np.float16)  # (groups, 1, outputs)
        if not scale.all():
            raise ValueError("a group of weights is too small for a float16 scale")
        q = quantize(w, Grid(scale.astype(np.float32), np.zeros_like(scale, np.int32), 4))
        self.packed, self.scale = Buffer(pack_int4(q.reshape(inputs, outputs))), Buffer(scale)
        self.bias = None if layer.bias is None else Buffer(layer.bias.data.copy())

    @property
    def weight(self) -> Tensor:
        """The weights, read: (in, out) float32."""
        q = unpack_int4(self.packed.data)
        groups = q.reshape(len(self.scale), -1, q.shape[1])
        return Tensor((groups * self.scale.data.astype(np.float32)).reshape(q.shape))

    def forward(self, x: Any) -> Tensor:
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.weight.shape}, int4, {len(self.scale)} groups"


def int4_model(model: Module, group: int = 32) -> Module:
    """A copy of a model with the weights of each Linear in four bits."""
    network = exchange(copy.deepcopy(model).eval(), unfused)
    return exchange(network, lambda module: Int4Linear(module, group) if type(module) is Linear else module)


# -- half precision ------------------------------------------------------------------------------------------------


@primitive
def through_half(x):
    """z = x, rounded to float16 on the way, and so is its gradient: what a machine with float16 products would see.

    >>> through_half([1.0001, 70000.0])
    tensor([ 1., inf])
    """
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(x.dtype)


@through_half.vjp(reads="")
def through_half_vjp(g, z, x):
    """dx = g, rounded to float16: below 2^-25 nothing is left of it."""
    with np.errstate(over="ignore"):
        return g.astype(np.float16).astype(g.dtype)


class HalfLayer(Module):
    """A Linear or a Conv2d whose operands, results and gradients are rounded to float16; its weights stay float32."""

    def __init__(self, layer: Module):
        self.layer = layer

    def forward(self, x: Any) -> Tensor:
        layer: Any = self.layer
        return through_half(apply(layer, through_half(x), through_half(layer.weight)))


def half_model(model: Module) -> Module:
    """A copy of a model that computes as if its products were float16's: the float32 weights are the master copy."""
    network = exchange(copy.deepcopy(model), unfused if not model.training else split_only)
    return exchange(network, lambda module: HalfLayer(module) if is_matrix(module) else module)


def split_only(module: Any) -> Any:
    """As unfused does, but a model in training keeps its batch norms."""
    return SplitFeedForward(module) if type(module) is FeedForward else module


class LossScale:
    """A factor for the loss, so that small gradients are not lost: halved when one overflows, doubled after `every`.

    Micikevicius et al., 2018.

    >>> scale = LossScale(8.0, every=2)
    >>> [(scale.update(finite), scale.value)[1] for finite in (True, True, False)]
    [8.0, 16.0, 8.0]
    """

    def __init__(self, value: float = 2.0**15, every: int = 200):
        if not value > 0 or every < 1:
            raise ValueError(f"a scale is above 0 and doubled after 1 step or more, got {value} and {every}")
        self.value, self.every, self.good = float(value), every, 0

    def update(self, finite: bool) -> None:
        """Take note of a step: was its gradient finite?"""
        self.good = self.good + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.good == self.every:
            self.value, self.good = 2 * self.value, 0

    def state_dict(self) -> dict[str, np.ndarray]:
        """Value and count, as arrays."""
        return {"value": np.array(self.value), "good": np.array(self.good)}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on as the scale that had this state."""
        self.value, self.good = float(state["value"]), int(state["good"])


class ScaledTrainer(Trainer):
    """A Trainer that scales the loss, and the gradients back; a step whose gradient overflowed is left out."""

    def __init__(self, *args: Any, scale: LossScale | None = None, **options: Any):
        super().__init__(*args, **options)
        self.scale, self.skipped = scale or LossScale(), 0

    def step(self, micro_batches: list[Any]) -> float:
        self.optimizer.zero_grad()
        examples, factor = sum(len(x) for x, _ in micro_batches), self.scale.value
        with np.errstate(over="ignore", invalid="ignore"):  # a step that overflows is noticed below
            total = sum(self.add_gradient(x, y, factor * len(x) / examples) for x, y in micro_batches)
            finite = self.unscale(factor)
        self.scale.update(finite)
        if not finite:
            self.skipped += 1
            return total / factor
        if self.clip is not None:
            self.step_norm = clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        return total / factor

    def unscale(self, factor: float) -> bool:
        """Divide every gradient by the factor, in place; whether all of them are finite."""
        gradients = [p.grad.data for p in self.model.parameters() if p.grad is not None]
        for g in gradients:
            g /= factor
        versions.increment(*gradients)
        return all(np.isfinite(g).all() for g in gradients)

    def parts(self) -> dict[str, Any]:
        return {"scale": self.scale, **super().parts()}

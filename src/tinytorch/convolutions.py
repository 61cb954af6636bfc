"""Convolutions: small filters that look everywhere.

Notation: x (B, C, H, W) images, weight (K, C, kh, kw) K filters, z (B, K, H', W') what they find; g = dL/dz. `kernel`
and `kernel_size` are PyTorch's names for the size of a filter, (kh, kw); in words, a kernel is a fast routine, as those
of kernels.py are. Inside the kernels the channels of a pixel lie side by side: images are (B, H, W, C) and weights
(kh, kw, C, K) there, so that what leaves a kernel as (B, K, H', W') is a view, and the next one gets its layout back
for nothing.
"""

import functools
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinytorch.environment import generator
from tinytorch.kernels import chunks, convolve, unfolded, wild, winograd_fits, winograd_weight_gradient
from tinytorch.layers import Buffer, FunctionModule, Module, Parameter, Sequential, dropout
from tinytorch.tensor import Primitive, Tensor, primitive, widened

# -- windows -------------------------------------------------------------------------------------------------------


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many windows fit along an axis of `size` pixels with `padding` more at either end.

    A window spans dilation * (kernel - 1) + 1 pixels, and each starts `stride` after the last.
    0 or less if not even one fits.

    >>> output_size(5, kernel=3), output_size(5, kernel=3, stride=2, padding=1)
    (3, 3)
    """
    # The first window takes its span. How many whole strides are left for others?
    span = dilation * (kernel - 1) + 1
    return (size + 2 * padding - span) // stride + 1


class Window(NamedTuple):
    """What moves over an image: a kernel, its stride, the padding, the dilation; each (rows, columns)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    def outputs(self, height: int, width: int) -> tuple[int, int]:
        """How many windows fit: (H', W'). Raises ValueError, naming the sizes, if none does."""
        down, across = (output_size(size, *along) for size, along in zip((height, width), zip(*self)))
        if down < 1 or across < 1:
            raise ValueError(
                f"a kernel {self.kernel} with padding {self.padding} and dilation {self.dilation}"
                f" does not fit into {height} x {width} pixels"
            )
        return down, across

    def taps(self, height: int, width: int) -> Iterator[tuple[int, int, slice, slice]]:
        """Each place (i, j) in a window, and the rows and columns that it meets in all H' x W' of them."""
        (sh, sw), (dh, dw) = self.stride, self.dilation
        for i, j in np.ndindex(*self.kernel):
            rows = slice(i * dh, i * dh + sh * (height - 1) + 1, sh)
            columns = slice(j * dw, j * dw + sw * (width - 1) + 1, sw)
            yield i, j, rows, columns


def window(kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Window:
    """A Window from numbers or pairs; padding may be "same", for stride 1 and spans that are odd, or "valid", none.

    >>> window(3, padding="same").padding
    (1, 1)
    """
    kernel, stride, dilation = pair(kernel), pair(stride), pair(dilation)
    if padding == "same":
        spans = [d * (k - 1) for d, k in zip(dilation, kernel)]
        if stride != (1, 1) or any(span % 2 for span in spans):
            raise ValueError(f"padding 'same' needs stride 1 and odd spans, got kernel {kernel}, stride {stride}")
        padding = tuple(span // 2 for span in spans)
    padding = pair(0 if padding == "valid" else padding)
    if min(*kernel, *stride, *dilation) < 1 or min(padding) < 0:
        raise ValueError(
            "kernel, stride and dilation are 1 or more and padding 0 or more,"
            f" got {kernel}, {stride}, {dilation} and {padding}"
        )
    return Window(kernel, stride, padding, dilation)


def pair(value: Any) -> tuple[int, int]:
    """(rows, columns) from one number for both, or from two."""
    rows, columns = value if isinstance(value, tuple | list) else (value, value)
    return int(rows), int(columns)


def check_images(name: str, x: np.ndarray) -> None:
    """Raise ValueError, naming the shape, for what is not a batch of images."""
    if x.ndim != 4:
        raise ValueError(f"{name} needs images (B, C, H, W), got shape {x.shape}")


# -- the textbook's convolution ------------------------------------------------------------------------------------


def conv2d_naive(
    x: np.ndarray, weight: np.ndarray, bias: Any = None, *, stride=1, padding=0, dilation=1, groups=1
) -> np.ndarray:
    """z[b, k, i, j] = bias[k] + the sum of weight[k] * window (i, j) of image b: by loops.

    Filter k sees only the channels of its group, C / groups of them. stride, padding and dilation
    are (rows, columns), or one number for both. Raises ValueError if no window fits.
    LeCun et al., 1989.

    >>> x, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    >>> conv2d_naive(x, weight)
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    # Window (i, j) starts at row i * sh and column j * sw of the padded image, and takes
    # every dh-th row and dw-th column, kh and kw of them. np.ndindex(z.shape) counts
    # through all four indices. The first K / groups filters see the first C / groups
    # channels, and so on.
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
        patch = x[b, first : first + channels, rows, columns]
        z[b, k, i, j] = (patch * weight[k]).sum() + (0 if bias is None else bias[k])
    return z


def im2col(x: np.ndarray, over: Window) -> np.ndarray:
    """The windows of x (B, H, W, C), padded already, as rows: (B H' W', kh kw C).

    A row has the pixels of its window, line by line, and all channels of a pixel together.

    >>> im2col(np.arange(9).reshape(1, 3, 3, 1), window(2))
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])
    """
    # Make room for (B, H', W', kh, kw, C), and fill it one place of the window at a time:
    # over.taps(H', W') says which rows and columns place (i, j) meets in all windows at
    # once. Then reshape.
    b, h, w, c = x.shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = np.empty((b, down, across, *over.kernel, c), x.dtype)
    for i, j, rows, columns in over.taps(down, across):
        seen[:, :, :, i, j] = x[:, rows, columns]
    return seen.reshape(b * down * across, math.prod(over.kernel) * c)


def col2im(rows_of_windows: np.ndarray, shape: tuple[int, ...], over: Window) -> np.ndarray:
    """Each window's row added back to the pixels it came from: the transpose of im2col.

    `shape` is (B, H, W, C), padded. A pixel that lies in several windows gets the sum.

    >>> col2im(np.ones((4, 4), int), (1, 3, 3, 1), window(2)).reshape(3, 3)
    array([[1, 2, 1],
           [2, 4, 2],
           [1, 2, 1]])
    """
    # im2col copies, one place of the window at a time. What is the transpose of a copy, if a
    # pixel was copied several times? The loop is the same.
    b, h, w, c = shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = rows_of_windows.reshape(b, down, across, *over.kernel, c)
    x = np.zeros(shape, seen.dtype)
    for i, j, rows, columns in over.taps(down, across):
        x[:, rows, columns] += seen[:, :, :, i, j]
    return x


# -- conv2d --------------------------------------------------------------------------------------------------------


def channels_last(x: np.ndarray) -> np.ndarray:
    """(B, C, H, W) -> (B, H, W, C): a view."""
    return x.transpose(0, 2, 3, 1)


def channels_first(x: np.ndarray) -> np.ndarray:
    """(B, H, W, C) -> (B, C, H, W): a view."""
    return x.transpose(0, 3, 1, 2)


def weight_gradient(x: np.ndarray, g: np.ndarray, over: Window) -> np.ndarray:
    """z = im2col(x) W   =>   dW = im2col(x)^T g

    x (B, H, W, C), not yet padded, and g (B, H', W', K) -> (kh, kw, C, K).

    >>> x, g = np.arange(9.0).reshape(1, 3, 3, 1), np.ones((1, 2, 2, 1))
    >>> weight_gradient(x, g, window(2)).reshape(2, 2)
    array([[ 8., 12.],
           [20., 24.]])
    """
    # im2col wants x padded. Or let unfolded(x, over) pad and unfold it block by block: it
    # yields (part, columns), where g[part] belongs to the columns. A weight is used in
    # every window of every image, so its gradients add up.
    filters = g.shape[-1]
    dw: Any = 0
    for part, columns in unfolded(x, over):
        dw += columns.T @ g[part].reshape(-1, filters)
    return dw.reshape(*over.kernel, -1, filters)


def input_gradient(g: np.ndarray, weight: np.ndarray, shape: tuple[int, ...], over: Window) -> np.ndarray:
    """z = im2col(x) W   =>   dx = col2im(g W^T), without its padding

    g (B, H', W', K), weight (kh, kw, C, K) -> `shape`, which is (B, H, W, C).

    >>> g, weight = np.ones((1, 2, 2, 1)), np.arange(4.0).reshape(2, 2, 1, 1)
    >>> input_gradient(g, weight, (1, 3, 3, 1), window(2)).reshape(3, 3)
    array([[0., 1., 1.],
           [2., 6., 4.],
           [2., 5., 3.]])
    """
    # W is weight.reshape(-1, K). col2im(rows, padded_shape, over) gives back what the
    # padded x should get; cut the padding off. With stride 1 there is a faster way: turn
    # the filters round, and convolve g with them.
    _, h, w, c = shape
    (ph, pw), filters = over.padding, weight.shape[-1]
    if (turned := turned_round(over)) is not None:
        return convolve(g, weight[::-1, ::-1].swapaxes(2, 3), turned)
    matrix, dx = weight.reshape(-1, filters).T, np.empty(shape, g.dtype)
    for part in chunks(g, math.prod(over.kernel)):
        rows = g[part].reshape(-1, filters) @ matrix
        whole = col2im(rows, (len(g[part]), h + 2 * ph, w + 2 * pw, c), over)
        dx[part] = whole[:, ph : ph + h, pw : pw + w]
    return dx


def turned_round(over: Window) -> Window | None:
    """The window that leads from the outputs back to the inputs, if the stride is 1 and the padding not too wide."""
    spans = [d * (k - 1) for k, d in zip(over.kernel, over.dilation)]
    (ph, pw), (down, across) = over.padding, spans
    if over.stride != (1, 1) or ph > down or pw > across:
        return None
    return over._replace(padding=(down - ph, across - pw))


@primitive
@widened
def conv2d(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    """z = x * weight + bias: x (B, C, H, W), weight (K, C / groups, kh, kw), bias (K,) -> (B, K, H', W').

    Raises ValueError, naming the shapes, if the channels do not fit or no window does. LeCun et al., 1989.

    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=1)
    tensor([[[[4., 6., 4.],
              [6., 9., 6.],
              [4., 6., 4.]]]], dtype=float64)
    """
    check_images("conv2d", x)
    if weight.ndim != 4 or groups < 1 or x.shape[1] != weight.shape[1] * groups or len(weight) % groups:
        raise ValueError(
            f"conv2d needs a weight (K, C / groups, kh, kw) with K a multiple of groups:"
            f" x {x.shape}, weight {weight.shape}, groups {groups}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"conv2d needs a bias {weight.shape[:1]} for a weight {weight.shape}, got bias {bias.shape}")
    over, dtype = window(weight.shape[2:], stride, padding, dilation), np.result_type(x, weight)
    over.outputs(*x.shape[2:])  # raises, if no window fits
    xs = np.split(channels_last(x.astype(dtype, copy=False)), groups, axis=-1)
    ws, biases = filters_of(weight, groups), [None] * groups if bias is None else np.split(bias, groups)
    exactly = [wild(x) if winograd_fits(over, *w.shape[2:]) else None for x, w in zip(xs, ws)]
    z = joined([convolve(x, w, over, b, e) for x, w, b, e in zip(xs, ws, biases, exactly)])
    return channels_first(z), {"exactly": exactly}


@conv2d.vjp(reads="weight | x |")
def conv2d_vjp(g, z, x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1, exactly, needs):
    """z = im2col(x) W + b   =>   dx = col2im(g W^T),  dW = im2col(x)^T g,  db = the sum of g over images and places"""
    over, dx, dw, db = window(weight.shape[2:], stride, padding, dilation), None, None, None
    x, g = channels_last(x.astype(g.dtype, copy=False)), channels_last(g)
    gs = np.split(g, groups, axis=-1)
    # Each image of x and of g is looked at once: conv2d saved which of x are wild.
    g_exactly = [None if images is None else wild(part) for part, images in zip(gs, exactly)]
    if needs[0]:
        shape = (*x.shape[:-1], x.shape[-1] // groups)
        ws = filters_of(weight, groups)
        parts = [fast_input_gradient(*part, shape, over) for part in zip(gs, ws, g_exactly)]
        dx = channels_first(joined(parts))
    if needs[1]:
        xs = np.split(x, groups, axis=-1)
        parts = [fast_weight_gradient(*part, over) for part in zip(xs, gs, exactly, g_exactly)]
        dw = joined(parts).transpose(3, 2, 0, 1)
    if bias is not None and needs[2]:
        db = column_sums(g.reshape(-1, g.shape[-1]))
    return dx, dw, db


def fast_input_gradient(
    g: np.ndarray, weight: np.ndarray, exactly: np.ndarray | None, shape: tuple[int, ...], over: Window
) -> np.ndarray:
    """input_gradient; `exactly` says which images are not for Winograd's kernel, and is None where it does not fit."""
    turned = turned_round(over)
    if exactly is None or turned is None:
        return input_gradient(g, weight, shape, over)
    return convolve(g, weight[::-1, ::-1].swapaxes(2, 3), turned, exactly=exactly)


def fast_weight_gradient(
    x: np.ndarray, g: np.ndarray, x_exactly: np.ndarray | None, g_exactly: np.ndarray | None, over: Window
) -> np.ndarray:
    """weight_gradient, by Winograd's kernel for those images for which it fits and is exact enough."""
    if x_exactly is None or g_exactly is None:
        return weight_gradient(x, g, over)
    exactly = x_exactly | g_exactly
    if not exactly.any():
        return winograd_weight_gradient(x, g, over)
    tame = winograd_weight_gradient(x[~exactly], g[~exactly], over)
    return tame + weight_gradient(x[exactly], g[exactly], over)


def filters_of(weight: np.ndarray, groups: int) -> list[np.ndarray]:
    """(K, C, kh, kw) -> for each group its filters, as (kh, kw, C, K / groups): views."""
    return [part.transpose(2, 3, 1, 0) for part in np.split(weight, groups)]


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Parts side by side along the last axis; one alone is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def column_sums(rows: np.ndarray) -> np.ndarray:
    """The sum of each column, as a product with ones: much faster than .sum(0) where rows are short."""
    return np.ones(len(rows), rows.dtype) @ rows


class Conv2d(Module):
    """conv2d with a weight and a bias of its own: uniform in +-1 / sqrt(fan_in), the bias zero.

    >>> Conv2d(3, 8, 3, padding=1)
    Conv2d(3, 8, kernel_size=(3, 3), padding=(1, 1))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        rng: np.random.Generator = generator,
    ):
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"groups must divide the channels: {in_channels}, {out_channels} in {groups} groups")
        over = window(kernel_size, stride, padding, dilation)
        shape = (out_channels, in_channels // groups, *over.kernel)
        bound = 1 / math.sqrt(max(math.prod(shape[1:]), 1))
        self.weight = Parameter(rng.uniform(-bound, bound, shape).astype(np.float32))
        self.bias = Parameter(np.zeros(out_channels, np.float32)) if bias else None
        self.over, self.groups = over, groups

    def forward(self, x: Any) -> Tensor:
        _, stride, padding, dilation = self.over
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": self.groups}
        return conv2d(x, self.weight, self.bias, **options)

    def extra_repr(self) -> str:
        filters, channels = self.weight.shape[:2]
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        bias = "" if self.bias is not None else ", bias=False"
        return f"{channels * self.groups}, {filters}, {described(self.over)}{groups}{bias}"


def described(over: Window) -> str:
    """A window as it is given to a module: its kernel, and what else differs from the defaults."""
    rest = zip(over._fields[1:], over[1:], Window(over.kernel)[1:])
    options = [f", {name}={value}" for name, value, usual in rest if value != usual]
    return f"kernel_size={over.kernel}{''.join(options)}"


# -- pooling -------------------------------------------------------------------------------------------------------


def pooling(kernel_size: Any, stride: Any, padding: Any) -> Window:
    """The window of a pooling, whose stride is its size if none is given.

    Raises ValueError if the padding is more than half of it: a window could see nothing else.
    """
    over = window(kernel_size, kernel_size if stride is None else stride, padding)
    if any(2 * p > k for p, k in zip(over.padding, over.kernel)):
        raise ValueError(f"padding {over.padding} is more than half of the kernel {over.kernel}")
    return over


def padded(x: np.ndarray, padding: tuple[int, int], value: float = 0.0) -> np.ndarray:
    """x (B, C, H, W) with a border of one value, laid out channels last; x itself if the border has no width.

    Raises TypeError, naming the dtype, for whole numbers and a border that is infinite or NaN.
    """
    (ph, pw), (b, c, h, w) = padding, x.shape
    if (ph, pw) == (0, 0):
        return x
    if not math.isfinite(value) and x.dtype.kind not in "fc":
        raise TypeError(f"a border of {value} needs images of floats, got {x.dtype}: convert them")
    space = channels_first(np.full((b, h + 2 * ph, w + 2 * pw, c), value, x.dtype))
    unpadded(space, padding)[...] = x
    return space


def unpadded(x: np.ndarray, padding: tuple[int, int]) -> np.ndarray:
    """x (B, C, H, W) without its border: a view."""
    (ph, pw), (h, w) = padding, x.shape[2:]
    return x[:, :, ph : h - ph, pw : w - pw]


@primitive
def max_pool2d(x, *, kernel_size, stride=None, padding=0):
    """z = the largest of each window, NaN if one is in it: x (B, C, H, W) -> (B, C, H', W').

    kernel_size, stride and padding are (rows, columns), or one number for both; the stride is the
    kernel's size if none is given. Raises ValueError if the padding is more than half of the
    kernel along an axis, or no window fits.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]], dtype=float64)
    """
    # pooling(kernel_size, stride, padding) is the Window, over. What a place (i, j) meets in
    # all windows is a view x[:, :, rows, columns], by over.taps(H', W'). So there is no loop
    # over pixels: how many views are there? padded(x, over.padding, value) adds a border:
    # of which value, so that it never wins?
    check_images("max_pool2d", x)
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    x, z = padded(x, over.padding, -np.inf), None
    for _, _, rows, columns in over.taps(down, across):
        view = x[:, :, rows, columns]
        z = view.copy(order="K") if z is None else np.maximum(z, view, out=z)
    return z


@max_pool2d.vjp(reads="z x")
def max_pool2d_vjp(g, z, x, *, kernel_size, stride=None, padding=0):
    """z = the largest of each window   =>   g goes to it, of equals to the first, line by line; NaN is the largest

    >>> x, g = np.array([[3.0, 5.0], [5.0, 1.0]]).reshape(1, 1, 2, 2), np.ones((1, 1, 1, 1))
    >>> max_pool2d_vjp(g, np.full_like(g, 5), x, kernel_size=2)
    array([[[[0., 1.],
             [0., 0.]]]])
    """
    # The loop of max_pool2d once more. A view wins where it equals z, if no earlier one
    # did: remember in a bool array what is taken. What if a pixel wins in several windows?
    # At the end cut the border off: unpadded(dx, over.padding). comparable(x, z) are x
    # and z without NaN, so that you may pad x with NaN: a border that equals nothing.
    over, (x, z) = pooling(kernel_size, stride, padding), comparable(x, z)
    x, g = padded(x, over.padding, np.nan), laid_out_as(z, g)
    dx, apart = np.zeros_like(x), all(s >= k for s, k in zip(over.stride, over.kernel))
    for part in chunks(x):
        taken = np.zeros_like(z[part], dtype=bool)
        for _, _, rows, columns in over.taps(*z.shape[2:]):
            wins = (x[part, :, rows, columns] == z[part]) & ~taken
            taken |= wins
            if apart:
                np.multiply(g[part], wins, out=dx[part, :, rows, columns])
            else:
                dx[part, :, rows, columns] += g[part] * wins
    return unpadded(dx, over.padding)


def comparable(x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and its maxima z with infinity for NaN, which equals nothing: to a maximum, NaN is larger than all.

    What is infinite itself becomes the largest finite number.
    """
    if not np.isnan(z).any():
        return x, z
    top = np.finfo(z.dtype).max
    x, z = np.minimum(x, top), np.minimum(z, top)
    return np.where(np.isnan(x), np.inf, x), np.where(np.isnan(z), np.inf, z)


def laid_out_as(z: np.ndarray, g: np.ndarray) -> np.ndarray:
    """g in the memory order of z, so that a step over both walks straight through either."""
    if g.strides == z.strides:
        return g
    ordered = np.empty_like(z, dtype=g.dtype)
    ordered[...] = g
    return ordered


@primitive
@widened
def avg_pool2d(x, *, kernel_size, stride=None, padding=0):
    """z = the mean of each window, padding zeros included: x (B, C, H, W) -> (B, C, H', W').

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    tensor([[[[ 2.5,  4.5],
              [10.5, 12.5]]]], dtype=float64)
    """
    check_images("avg_pool2d", x)
    over = pooling(kernel_size, stride, padding)
    taps = over.taps(*over.outputs(*x.shape[2:]))
    x = padded(x, over.padding)
    return functools.reduce(np.add, (x[:, :, rows, columns] for _, _, rows, columns in taps)) / math.prod(over.kernel)


@avg_pool2d.vjp(reads="")
def avg_pool2d_vjp(g, z, x, *, kernel_size, stride=None, padding=0):
    """z = the mean of each window   =>   every pixel of it gets g / (kh kw)"""
    over = pooling(kernel_size, stride, padding)
    dx, share = np.zeros_like(padded(x, over.padding)), laid_out_as(z, g) / math.prod(over.kernel)
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        dx[:, :, rows, columns] += share
    return unpadded(dx, over.padding)


@primitive
def adaptive_avg_pool2d(x, *, output_size):
    """z = the means of output_size regions that cover the image evenly: x (B, C, H, W) -> (B, C, *output_size).

    Region i of n along H pixels goes from floor(i H / n) to ceil((i + 1) H / n): neighbours may overlap.

    >>> adaptive_avg_pool2d(np.arange(9.0).reshape(1, 1, 3, 3), output_size=1)
    tensor([[[[4.]]]], dtype=float64)
    """
    check_images("adaptive_avg_pool2d", x)
    z = np.empty((*x.shape[:2], *pair(output_size)), x.dtype if x.dtype.kind == "f" else np.float32)
    for i, j, rows, columns in regions(x.shape, z.shape):
        z[:, :, i, j] = x[:, :, rows, columns].mean(axis=(2, 3))
    return z


@adaptive_avg_pool2d.vjp(reads="")
def adaptive_avg_pool2d_vjp(g, z, x, *, output_size):
    """z = the mean of each region   =>   every pixel of it gets g / (its number of pixels)"""
    dx = np.zeros_like(x)
    for i, j, rows, columns in regions(x.shape, z.shape):
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        dx[:, :, rows, columns] += g[:, :, i, j, None, None] / area
    return dx


def regions(shape: tuple[int, ...], pooled: tuple[int, ...]) -> Iterator[tuple[int, int, slice, slice]]:
    """The rows and columns of each of the regions that cover the last two axes of `shape` evenly."""
    for at in np.ndindex(pooled[2:]):
        rows, columns = (slice(i * size // n, -(-(i + 1) * size // n)) for i, size, n in zip(at, shape[2:], pooled[2:]))
        yield *at, rows, columns


class Pool2d(Module):
    """What the pooling modules share: a kernel, a stride (the kernel, if not given), padding."""

    function: Primitive

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        self.over = pooling(kernel_size, stride, padding)

    def forward(self, x: Any) -> Tensor:
        kernel_size, stride, padding, _ = self.over
        return self.function(x, kernel_size=kernel_size, stride=stride, padding=padding)

    def extra_repr(self) -> str:
        return described(self.over)


class MaxPool2d(Pool2d):
    """max_pool2d as a module: MaxPool2d(2) halves height and width."""

    function = max_pool2d


class AvgPool2d(Pool2d):
    """avg_pool2d as a module."""

    function = avg_pool2d


class AdaptiveAvgPool2d(FunctionModule):
    """adaptive_avg_pool2d as a module: AdaptiveAvgPool2d(1) averages each channel."""

    function = adaptive_avg_pool2d


# -- batch normalisation -------------------------------------------------------------------------------------------


class _Batch(threading.local):
    def __init__(self) -> None:  # runs in each thread at its first use
        self.add_up: Callable[[np.ndarray], np.ndarray] = lambda part: part  # nobody shares the batch


_batch = _Batch()


@contextmanager
def sharing(add_up: Callable[[np.ndarray], np.ndarray]) -> Iterator[None]:
    """Inside `with sharing(add_up):` this thread has a part of a batch, and add_up(sums) adds to its sums the others'.

    >>> with sharing(lambda sums: 2 * sums):  # as if another thread had just the same
    ...     print(all_sum(np.array([1.0, 3.0])), all_sum(np.array(4)))
    [2. 6.] 8
    """
    before, _batch.add_up = _batch.add_up, add_up
    try:
        yield
    finally:
        _batch.add_up = before


def all_sum(part: np.ndarray) -> np.ndarray:
    """The sum of part over all threads that share the batch; the part itself, where nobody shares it."""
    return _batch.add_up(part)


def lines(x: np.ndarray) -> tuple[np.ndarray, int]:
    """x (B, C, ...) as rows of whole pixels, channels side by side, and how many pixels a row has."""
    pixels = np.ascontiguousarray(np.moveaxis(x, 1, -1)).reshape(-1, x.shape[1])
    several = math.gcd(len(pixels), 64)  # so that each step of NumPy runs over thousands of numbers
    return pixels.reshape(-1, several * x.shape[1]), several


def from_lines(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What `lines` made rows of, in its shape (B, C, ...): a view."""
    return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


def per_channel(row: np.ndarray, several: int) -> np.ndarray:
    """The sums of a row of several pixels, channel by channel."""
    return row.reshape(several, -1).sum(axis=0)


def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and variance (biased) of each channel of x (B, C, ...), and how many numbers each is over.

    Of float16 and of whole numbers they are float32. Raises ValueError for an x of nothing.
    """
    if not x.size:
        raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
    rows, several = lines(x if x.dtype in (np.float32, np.float64) else x.astype(np.float32))
    sums = per_channel(column_sums(rows), several)
    sums = all_sum(np.append(sums, sums.dtype.type(rows.size // len(sums))))
    mean, n = sums[:-1] / sums[-1], int(sums[-1])
    wide, squares = np.tile(mean, several), np.zeros(rows.shape[1], rows.dtype)
    for part in chunks(rows):
        deviation = rows[part] - wide
        deviation *= deviation
        squares += column_sums(deviation)
    return mean, all_sum(per_channel(squares, several)) / sums[-1], n


@primitive
@widened
def standardize(x, weight, bias, *, mean, std, learned=False):
    """z = weight (x - mean) / std + bias for each channel of x (B, C, ...).

    `learned` says that mean and std are x's own, so that their gradients reach x too.
    """
    rows, several = lines(x)
    scale = weight / std
    scale, shift = np.tile(scale, several), np.tile(bias - mean * scale, several)
    z = np.empty_like(rows)
    for part in chunks(rows):
        np.multiply(rows[part], scale, out=z[part])
        z[part] += shift
    return from_lines(z, x.shape)


@standardize.vjp(reads="x weight | x |")
def standardize_vjp(g, z, x, weight, bias, *, mean, std, learned=False):
    """z = w n + b with n = (x - mean) / std   =>   dx, dw and db, where mean and std may move with x

    x, z and g (B, C, ...), the rest (C,) -> dx (B, C, ...), dw and db (C,). Where mean and std are constants, dx is
    w g / std. If `learned`, they are x's own: mean = sum(x) / N and std^2 = sum((x - mean)^2) / N + eps, over the N
    numbers of a channel, and dx counts what moves through them, too. Where threads share a batch (`sharing`), these
    sums and N are those of the whole batch, while dw and db are this part's. Ioffe and Szegedy, 2015.

    >>> x, g, one = np.array([[0.0], [2.0], [4.0]]), np.array([[1.0], [0.0], [0.0]]), np.ones(1)
    >>> dx, dw, db = standardize_vjp(g, x - 2, x, one, one, mean=np.array([2.0]), std=one)
    >>> dx.ravel(), dw, db
    (array([1., 0., 0.]), array([-2.]), array([1.]))
    """
    # Three ways lead from one x_i to the loss: straight through its own z_i; through the mean
    # to every z of its channel; and through std to every one. Work out dmean/dx_i and
    # dstd/dx_i, and what all z of the channel say to a change of the mean, and of std: each
    # is a sum over the channel, so no loop over i is left. n has sum 0: one term drops out.
    # all_sum(part) is the sum of part over all threads that share the batch, N included.
    (rows, several), (g, _), shape = lines(x), lines(g), x.shape
    wide, dot = np.tile(mean, several), np.zeros_like(rows[0])
    for part in chunks(rows):
        deviation = rows[part] - wide
        deviation *= g[part]
        dot += column_sums(deviation)
    db, dw = per_channel(column_sums(g), several), per_channel(dot, several) / std
    scale = weight / std
    if not learned:
        return from_lines(g * np.tile(scale, several), shape), dw, db
    sums = all_sum(np.concatenate([db, dw, [rows.size // len(db)]])).astype(x.dtype)
    g_mean, gn_mean = sums[:-1].reshape(2, -1) / sums[-1]
    slope, shift = np.tile(scale / std * gn_mean, several), np.tile(scale * g_mean, several)
    dx, scale = np.empty_like(rows), np.tile(scale, several)
    for part in chunks(rows):
        deviation = rows[part] - wide
        deviation *= slope
        np.multiply(g[part], scale, out=dx[part])
        dx[part] -= deviation
        dx[part] -= shift
    return from_lines(dx, shape), dw, db


def batch_norm(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor,
    bias: Tensor,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """z = weight (x - mean) / sqrt(var + eps) + bias for each channel of x (B, C, ...).

    In training, mean and variance are the batch's own, and the running ones move towards them,
    in place: r += momentum * (batch's - r), where the batch's variance is the unbiased one. Else
    the running ones are used. Raises ValueError, in training, for a batch with one number a
    channel, before anything moves. Ioffe and Szegedy, 2015.

    >>> x, mean, var = Tensor([[0.0], [2.0]]), Tensor([0.0]), Tensor([1.0])
    >>> batch_norm(x, mean, var, Tensor([1.0]), Tensor([0.0]), training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    >>> mean, var
    (tensor([0.1]), tensor([1.1]))
    """
    # statistics(x.data) gives the batch's mean, its biased variance, and n. What factor makes
    # that the unbiased variance? Change running_mean.data and running_var.data
    # in place. standardize(x, weight, bias, mean=..., std=..., learned=...) does the rest:
    # statistics that are the batch's own are learned.
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var * n / (n - 1) - running_var.data)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


class BatchNorm(Module):
    """What BatchNorm1d and BatchNorm2d share: batch_norm with a weight and a bias, and running statistics."""

    axes: tuple[int, ...] = ()

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1):
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.running_mean = Buffer(np.zeros(num_features, np.float32))
        self.running_var = Buffer(np.ones(num_features, np.float32))
        self.eps, self.momentum = eps, momentum

    def forward(self, x: Any) -> Tensor:
        x = x if isinstance(x, Tensor) else Tensor(x)
        if x.ndim not in self.axes or x.shape[1] != self.weight.numel():
            axes = " or ".join(f"{n} axes" for n in self.axes)
            kind = type(self).__name__
            raise ValueError(
                f"{kind}({self.weight.numel()}) needs {axes}, the second of {self.weight.numel()}: got {x.shape}"
            )
        tensors = (self.running_mean, self.running_var, self.weight, self.bias)
        return batch_norm(x, *tensors, self.training, self.momentum, self.eps)

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(BatchNorm):
    """batch_norm of (B, C) or (B, C, T).

    >>> BatchNorm1d(8)
    BatchNorm1d(8, eps=1e-05, momentum=0.1)
    """

    axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """batch_norm of images (B, C, H, W).

    >>> BatchNorm2d(8)(Tensor(np.zeros((2, 8, 4, 4)))).shape
    (2, 8, 4, 4)
    """

    axes = (4,)


# -- whole channels, and shortcuts ---------------------------------------------------------------------------------


class Dropout2d(Module):
    """Dropout of whole channels of x (B, C, H, W): a lone pixel could be told from its neighbours.

    Tompson et al., 2015.

    >>> Dropout2d(0.5).eval()(Tensor(np.ones((1, 2, 1, 1)))).shape
    (1, 2, 1, 1)
    """

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None):
        self.p, self.rng = p, rng

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        return x * dropout(np.ones((*x.shape[:2], 1, 1), x.dtype), p=self.p, rng=self.rng or generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Residual(Module):
    """z = body(x) + x, or body(x) + shortcut(x) where the body changes the shape. He, Zhang, Ren and Sun, 2016.

    >>> Residual(Conv2d(4, 4, 3, padding=1))(Tensor(np.ones((1, 4, 8, 8)))).shape
    (1, 4, 8, 8)
    """

    def __init__(self, *body: Module, shortcut: Module | None = None):
        self.body, self.shortcut = Sequential(*body), shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))

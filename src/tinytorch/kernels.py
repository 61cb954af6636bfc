"""Kernels: the products of a convolution, in blocks that a cache holds, and Winograd's fewer products.

Notation: x (B, H, W, C) images, the channels of a pixel side by side; weight (kh, kw, C, K) K filters, z (B, H', W', K)
what they find; g = dL/dz. `over` is ((kh, kw), (sh, sw), (ph, pw), (dh, dw)): filter, stride, padding, dilation, rows
first. This module takes plain arrays and numbers, and imports no chapter.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

# -- the blocked kernel --------------------------------------------------------------------------------------------

Pair = tuple[int, int]
Over = tuple[Pair, Pair, Pair, Pair]

BLOCK = 2**20  # bytes of columns at a time: they should still be in a cache when the product reads them


def chunks(rows: np.ndarray, times: int = 4) -> Iterator[slice]:
    """Slices of rows, each of which stays in the cache, with the `times` as much that several steps make of it."""
    count = max(1, BLOCK // max(1, times * rows[:1].nbytes))
    return (slice(start, start + count) for start in range(0, len(rows), count))


def output_sizes(sizes: Pair, over: Over) -> Pair:
    """How many windows fit into an image of these sizes: (H', W') for (H, W)."""
    down, across = ((size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in zip(sizes, *over))
    return down, across


def blocks(x: np.ndarray, count: int, corner: Pair, size: Pair) -> Iterator[tuple[slice, np.ndarray]]:
    """x (B, H, W, C), `count` images at a time: which they are, and a copy inside zeros of height and width `size`.

    The copy starts at `corner`. Of no images there is one block, of none.
    All blocks use the same memory: take what you need before the next.
    """
    b, h, w, c = x.shape
    (top, left), space = corner, np.zeros((min(count, b), *size, c), x.dtype)
    for start in range(0, max(b, 1), count):
        part = slice(start, min(start + count, b))
        block = space[: part.stop - start]
        block[:, top : top + h, left : left + w] = x[part]
        yield part, block


def windows(x: np.ndarray, kernel: Pair, stride: Pair = (1, 1), dilation: Pair = (1, 1)) -> np.ndarray:
    """The windows of x (B, H, W, C), padded already, as a view: (B, H', W', kh, kw, C)."""
    (sh, sw), (dh, dw), (image, row, column, channel) = stride, dilation, x.strides
    outputs = output_sizes(x.shape[1:3], (kernel, stride, (0, 0), dilation))
    shape = (len(x), *outputs, *kernel, x.shape[3])
    return as_strided(x, shape, (image, row * sh, column * sw, row * dh, column * dw, channel))


def unfolded(x: np.ndarray, over: Over) -> Iterator[tuple[slice, np.ndarray]]:
    """The windows of x as rows (n H' W', kh kw C), of as many images as a cache holds: which n they are, and the rows.

    All blocks use the same memory: take what you need before the next.
    """
    (b, h, w, c), ((kh, kw), stride, (ph, pw), dilation) = x.shape, over
    outputs = output_sizes((h, w), over)
    count = max(1, min(b, BLOCK // (math.prod(outputs) * kh * kw * c * x.itemsize)))
    space = np.empty((count, *outputs, kh, kw, c), x.dtype)
    if kw * c < 16:  # what is copied in one go is short: let the windows of a line lie side by side
        space = np.moveaxis(np.empty((kh, kw, c, count, *outputs), x.dtype), (0, 1, 2), (3, 4, 5))
    for part, block in blocks(x, count, (ph, pw), (h + 2 * ph, w + 2 * pw)):
        seen = space[: len(block)]
        np.copyto(seen, windows(block, (kh, kw), stride, dilation))
        yield part, seen.reshape(-1, kh * kw * c)


def blocked(x: np.ndarray, weight: np.ndarray, over: Over, bias: np.ndarray | None = None) -> np.ndarray:
    """z = windows(x) @ weight + bias, block by block: x (B, H, W, C), weight (kh, kw, C, K) -> (B, H', W', K)."""
    filters = weight.shape[-1]
    matrix = weight.reshape(-1, filters)
    z = np.empty((len(x), *output_sizes(x.shape[1:3], over), filters), x.dtype)
    for part, columns in unfolded(x, over):
        np.matmul(columns, matrix, out=z[part].reshape(-1, filters))
        add_bias(z[part], bias)
    return z


def add_bias(z: np.ndarray, bias: np.ndarray | None) -> None:
    """z (..., W, K) += bias (K,), a whole line of pixels at a time: short inner loops are slow."""
    if bias is not None:
        line = np.tile(bias, z.shape[-2])
        z.reshape(-1, line.size)[...] += line


# -- Winograd's kernel ---------------------------------------------------------------------------------------------

# The matrices of F(4, 3), with the names of Lavin and Gray, 2016. Of 6 pixels d below one another, and 3 weights g, the
# 4 outputs are Y = A^T [(G g) * (B^T d)]: by 6 products instead of 12. The matrices hold powers of 0, 1, -1, 2, -2 and
# infinity, or what undoes them. Winograd, 1980.
G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24  # (6, 3)
BT = np.array(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
     [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
)  # fmt: skip  # (6, 6)
AT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])  # (4, 6)

SPREAD = 30  # times the usual line's largest pixel: beyond, Winograd's error could be 1e-4 of an output


def winograd_fits(over: Over, channels: int, filters: int) -> bool:
    """Whether the trick works for this window, and pays: products grow with C times K, its additions do not."""
    kernel, stride, _, dilation = over
    return kernel == (3, 3) and stride == dilation == (1, 1) and min(channels, filters) >= 8


def wild(x: np.ndarray) -> np.ndarray:
    """Which images of x have a pixel so large that Winograd's sums lose the digits of others: (B,), True or False.

    That is one of more than SPREAD times the largest of a usual line, its image's median; or infinity, or NaN.
    Integers, which cannot hold the fractions of G, and float16, which has too few digits, are wild without a look.

    >>> x = np.ones((3, 4, 4, 1))
    >>> x[1, 2, 2], x[2, 0, 0] = 1000, np.nan
    >>> wild(x)
    array([False,  True,  True])
    """
    if x.dtype not in (np.float32, np.float64) or not x.size:
        return np.full(len(x), x.size > 0)
    (b, h, w, c), every = x.shape, max(1, x.shape[1] // 8)  # eight lines are enough to tell what is usual
    top, usual = np.empty(b, x.dtype), np.empty(b, x.dtype)
    for part in chunks(x):
        lines = np.ascontiguousarray(x[part]).reshape(-1, h, w * c)
        some = np.sort(largest_size(lines[:, ::every]), axis=1)  # NaN comes last
        top[part], usual[part] = largest_size(lines.reshape(-1, h * w * c)), some[:, (some.shape[1] - 1) // 2]
    return ~((top <= np.finfo(x.dtype).max / 1024) & (top / SPREAD <= usual))  # NaN compares False


def largest_size(rows: np.ndarray) -> np.ndarray:
    """The largest absolute value along the last axis."""
    return np.maximum(rows.max(axis=-1), -rows.min(axis=-1))


class Strips(NamedTuple):
    """How the outputs of a 3 x 3 window are cut into strips of four lines.

    The zeros that end a line of pixels also begin the next: `pitch` is how far apart lines start.
    """

    images: int  # at a time
    high: int  # strips in an image
    pitch: int
    across: int  # outputs in a line

    def lines(self, v: np.ndarray) -> np.ndarray:
        """v (6, n high pitch, C) as the six lines of each strip: (n, high, 6, pitch C), a view."""
        return v.reshape(6, -1, self.high, self.pitch * v.shape[2]).transpose(1, 2, 0, 3)


def strips(x: np.ndarray, over: Over, filters: int) -> Strips:
    """The strips of x (B, H, W, C), as many images at a time as a cache holds with their products."""
    down, across = output_sizes(x.shape[1:3], over)
    high, pitch = math.ceil(down / 4), max(x.shape[2] + over[2][1], across)
    nbytes = 6 * high * pitch * (x.shape[-1] + filters) * x.itemsize
    return Strips(max(1, min(len(x), BLOCK // nbytes)), high, pitch, across)


def transformed(x: np.ndarray, over: Over, cut: Strips) -> Iterator[tuple[slice, np.ndarray]]:
    """B^T d of each strip: for each block of n images, which they are and (6, P + 2, C), with P = n high pitch.

    Window p of P sees pixels p, p + 1 and p + 2. All blocks use the same memory: take what you need before the next.
    """
    c, (ph, pw), (images, high, pitch, _) = x.shape[-1], over[2], cut
    matrix, v = BT.astype(x.dtype), np.zeros((6, images * high * pitch + max(2, pw), c), x.dtype)
    for part, block in blocks(x, images, (ph, 0), (4 * high + 2, pitch)):
        d = windows(block, (6, pitch), (4, pitch)).reshape(len(block), high, 6, pitch * c)  # from (n, high, 1, 6, ...)
        end = len(block) * high * pitch
        np.matmul(matrix, d, out=cut.lines(v[:, pw : pw + end]))  # (n, high, 6, pitch C)
        yield part, v[:, : end + 2]


def thirds(v: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """The windows of 3 neighbours in v (6, P + 2, C), as rows of 3 C: those from pixel 0, 3, 6..., from 1..., from 2...

    Windows of one third do not overlap, so its rows are a view: nothing is copied.
    """
    for first in range(3):
        count = len(range(first, v.shape[1] - 2, 3))
        yield slice(first, None, 3), v[:, first : first + 3 * count].reshape(6, count, 3 * v.shape[2])


def winograd(x: np.ndarray, weight: np.ndarray, over: Over, bias: np.ndarray | None = None) -> np.ndarray:
    """What `blocked` computes, for 3 x 3 filters: Y = A^T [(G g) * (B^T d)] of strips of four lines, 6 matrix products.

    In one dimension, F(2, 3): two outputs, of three weights g, from the four pixels d that they see, by 4 products:

    >>> d, g = np.array([1, 2, 3, 4]), np.array([1, 10, 100])
    >>> BT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    >>> G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2
    >>> AT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
    >>> BT @ d, G @ g
    (array([-2,  5,  1, -2]), array([  1. ,  55.5,  45.5, 100. ]))
    >>> AT @ ((G @ g) * (BT @ d))
    array([321., 432.])
    >>> 1 * 1 + 2 * 10 + 3 * 100, 2 * 1 + 3 * 10 + 4 * 100
    (321, 432)
    """
    filters, cut = weight.shape[-1], strips(x, over, weight.shape[-1])
    u = (G.astype(weight.dtype) @ weight.reshape(3, -1)).reshape(6, -1, filters)  # (3, 3 C K) -> (6, 3 C, K)
    z = np.empty((len(x), cut.high, 4, cut.across * filters), x.dtype)
    space = np.empty((6, cut.images * cut.high * cut.pitch, filters), x.dtype)
    for part, v in transformed(x, over, cut):
        m = space[:, : v.shape[1] - 2]  # (6, P, K)
        for third, rows in thirds(v):
            np.matmul(rows, u, out=m[:, third])  # (6, P / 3, 3 C) @ (6, 3 C, K)
        add_bias(m[1].reshape(-1, cut.pitch, filters), bias)  # A^T hands this one on to all four lines
        np.matmul(AT.astype(x.dtype), cut.lines(m)[..., : z.shape[-1]], out=z[part])  # (n, high, 4, across K)
    down = output_sizes(x.shape[1:3], over)[0]
    return np.ascontiguousarray(z.reshape(len(x), 4 * cut.high, cut.across, filters)[:, :down])


def winograd_weight_gradient(x: np.ndarray, g: np.ndarray, over: Over) -> np.ndarray:
    """Y = A^T [(G w) * (B^T d)]   =>   dw = G^T [(A g) * (B^T d)], summed over all windows: (3, 3, C, K)."""
    (_, down, across, filters), cut = g.shape, strips(x, over, g.shape[-1])
    if down % 4:
        g = np.pad(g, ((0, 0), (0, -down % 4), (0, 0), (0, 0)))
    g = g.reshape(len(g), cut.high, 4, across * filters)  # strips of four lines
    du = np.zeros((6, 3 * x.shape[-1], filters), g.dtype)
    space = np.zeros((6, cut.images * cut.high * cut.pitch, filters), g.dtype)  # 0 beyond the lines' ends
    for part, v in transformed(x, over, cut):
        m = space[:, : v.shape[1] - 2]  # (6, P, K)
        np.matmul(AT.T.astype(g.dtype), g[part], out=cut.lines(m)[..., : g.shape[-1]])  # (n, high, 6, across K)
        for third, rows in thirds(v):
            du += rows.swapaxes(1, 2) @ m[:, third]  # (6, 3 C, P / 3) @ (6, P / 3, K)
    return (G.T.astype(g.dtype) @ du.reshape(6, -1)).reshape(3, 3, -1, filters)


# -- the choice ----------------------------------------------------------------------------------------------------


def convolve(
    x: np.ndarray, weight: np.ndarray, over: Over, bias: np.ndarray | None = None, exactly: np.ndarray | None = None
) -> np.ndarray:
    """x (B, H, W, C), weight (kh, kw, C, K) -> (B, H', W', K), each image by the fastest of exact kernels.

    `exactly` is wild(x), from whoever has looked already.
    """
    if not winograd_fits(over, *weight.shape[2:]):
        return blocked(x, weight, over, bias)
    exactly = wild(x) if exactly is None else exactly
    if not exactly.any():
        return winograd(x, weight, over, bias)
    z = np.empty((len(x), *output_sizes(x.shape[1:3], over), weight.shape[-1]), x.dtype)
    for kernel, images in ((winograd, ~exactly), (blocked, exactly)):
        z[images] = kernel(x[images], weight, over, bias)
    return z

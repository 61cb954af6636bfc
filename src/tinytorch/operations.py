"""Operations: what else PyTorch does to tensors, most of it composed of the primitives in `tensor`.

Notation: as in `tensor`; g = dL/dz. A function named f here is also the method x.f; a name that ends in _ changes x in
place, and returns it. The few new primitives have their rules beside them.
"""

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinytorch.environment import generator as package_generator
from tinytorch.tensor import (
    Extremes,
    Tensor,
    abs,
    amax,
    check_device,
    clip,
    clone,
    concatenate,
    div,
    full,
    matmul,
    mul,
    no_grad,
    places_along,
    primitive,
    reshape,
    sub,
    sum,
    take_along,
    tensor,
    where,
    widened,
)

cat = concat = concatenate
subtract, multiply, divide, true_divide, absolute = sub, mul, div, div, abs
inference_mode = no_grad

# -- functions of one tensor, with rules ---------------------------------------------------------------------------


@primitive
def sin(x):
    """z = sin x."""
    return np.sin(x)


@sin.vjp(reads="x")
def sin_vjp(g, z, x):
    """z = sin x   =>   dx = g * cos x"""
    return g * np.cos(x)


@primitive
def cos(x):
    """z = cos x."""
    return np.cos(x)


@cos.vjp(reads="x")
def cos_vjp(g, z, x):
    """z = cos x   =>   dx = -g * sin x"""
    return -g * np.sin(x)


# A quotient of two polynomials in x^2, times x, is erf to the last digit of float32 (the coefficients of Eigen's).
ERF_ABOVE = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
ERF_BELOW = (
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02,
)  # fmt: skip


@primitive
@widened
def erf(x):
    """z = 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x: the error function.

    >>> erf([-10.0, 0.0, 0.5])
    tensor([-1.    ,  0.    ,  0.5205])
    """
    if x.dtype == np.float64:
        return np.array([math.erf(number) for number in x.flat]).reshape(x.shape)
    near = np.clip(x, -4, 4)
    above, below = (horner(coefficients, near * near) for coefficients in (ERF_ABOVE, ERF_BELOW))
    return near * above / below


def horner(coefficients: Sequence[float], x: np.ndarray) -> np.ndarray:
    """The polynomial of x with these coefficients, the highest power's first, in the dtype of x."""
    value = np.zeros_like(x)
    for coefficient in coefficients:
        value = value * x + coefficient
    return value


@erf.vjp(reads="x")
def erf_vjp(g, z, x):
    """z = erf x   =>   dx = g * 2/sqrt(pi) e^(-x^2)"""
    return g * (2 / math.sqrt(math.pi)) * np.exp(-x * x)


@primitive
def round(x, *, decimals=0):
    """z = x rounded, halves to the even neighbour."""
    return np.round(x, decimals)


@primitive
def floor(x):
    """z = x rounded down."""
    return np.floor(x)


@primitive
def ceil(x):
    """z = x rounded up."""
    return np.ceil(x)


@primitive
def sign(x):
    """z = -1, 0 or 1."""
    return np.sign(x)


@round.vjp(reads="")
@floor.vjp(reads="")
@ceil.vjp(reads="")
@sign.vjp(reads="")
def flat_vjp(g, z, x, **_):
    """z is made of steps   =>   dx = 0"""
    return np.zeros_like(g)


@primitive
def cumsum(x, *, dim, dtype=None):
    """z = the sums of x along dim, up to each element; of whole numbers int64.

    >>> cumsum(Tensor([1, 2, 3]), dim=0)
    tensor([1., 3., 6.])
    """
    dtype = dtype or (np.int64 if x.dtype.kind in "biu" else x.dtype)
    return np.cumsum(x, axis=normalize_axis_index(dim, max(x.ndim, 1)), dtype=dtype).reshape(x.shape)


@cumsum.vjp(reads="")
def cumsum_vjp(g, z, x, *, dim, dtype=None):
    """z = sums up to each element   =>   dx = sums of g from each element on"""
    if not g.ndim:
        return g
    return np.flip(np.cumsum(np.flip(g, dim), axis=dim), dim)


@primitive
def tril(x, *, diagonal=0):
    """z = x below its diagonal and on it, else 0; diagonal=1 keeps one more above.

    >>> tril(tensor([[1, 2], [3, 4]]))
    tensor([[1, 0],
            [3, 4]], dtype=int64)
    """
    refuse_fewer_axes("tril", x, 2)
    return np.tril(x, diagonal)


@tril.vjp(reads="")
def tril_vjp(g, z, x, *, diagonal=0):
    """z = the lower triangle of x   =>   dx = that of g"""
    return np.tril(g, diagonal)


@primitive
def triu(x, *, diagonal=0):
    """z = x above its diagonal and on it, else 0."""
    refuse_fewer_axes("triu", x, 2)
    return np.triu(x, diagonal)


@triu.vjp(reads="")
def triu_vjp(g, z, x, *, diagonal=0):
    """z = the upper triangle of x   =>   dx = that of g"""
    return np.triu(g, diagonal)


def refuse_fewer_axes(name: str, x: Any, least: int) -> None:
    """Raise ValueError for an x of fewer axes than that."""
    if np.ndim(x) < least:
        raise ValueError(f"{name} needs {least} axes or more, got shape {np.shape(x)}")


@primitive
def euclidean(x, *, dim=None, keepdim=False):
    """z = the root of the sum of squares over dim."""
    return np.sqrt(np.sum(x * x, axis=dim, keepdims=keepdim))


@euclidean.vjp(reads="z x")
def euclidean_vjp(g, z, x, *, dim=None, keepdim=False):
    """z = |x|   =>   dx = g * x / z, and 0 where z is 0"""
    if dim is not None and not keepdim and x.ndim:
        g, z = np.expand_dims(g, dim), np.expand_dims(z, dim)
    return g * (x / np.where(np.equal(z, 0), z.dtype.type(1), z))


# -- composed of others --------------------------------------------------------------------------------------------


def square(x: Any) -> Tensor:
    """z = x * x."""
    return mul(x, x)


def norm(x: Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The root of the sum of squares over dim (p=2), the sum of |x| (p=1) or the largest |x| (p=inf).

    Raises ValueError for another p.
    """
    if p in (2, "fro"):
        return euclidean(x, dim=dim, keepdim=keepdim)
    if p not in (1, math.inf):
        raise ValueError(f"norm has p = 1, 2 or inf, got {p!r}")
    return (sum if p == 1 else amax)(abs(x), dim=dim, keepdim=keepdim)


def clamp(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """x limited to min..max, numbers or tensors; either may be None, not both. Raises ValueError for both."""
    if min is None and max is None:
        raise ValueError("clamp needs a min or a max")
    if not isinstance(min, Tensor) and not isinstance(max, Tensor):
        return clip(x, min=min, max=max)
    x = x if min is None else where(x < min, min, x)
    return x if max is None else where(x > max, max, x)


def masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """value where the mask holds, x elsewhere, in the dtype of x. Raises TypeError for a mask that is not bool."""
    return where(_mask(mask), tensor(_number(value), dtype=x.dtype), x)


def _mask(mask: Any) -> np.ndarray:
    mask = mask.data if isinstance(mask, Tensor) else np.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(f"a mask is of bool, got {mask.dtype}: compare, as in `x == 0`")
    return mask


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def split(x: Tensor, size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along dim into pieces of that size, the last may be shorter; or into pieces of these sizes.

    Views. Raises ValueError if the sizes do not sum to the length of the axis, or are below 0.
    """
    axis, n = normalize_axis_index(dim, x.ndim), x.size(dim)
    if isinstance(size, int):
        if size < 1:
            raise ValueError(f"split needs pieces of 1 or more, got {size}")
        sizes = [builtins.min(size, n - start) for start in range(0, n, size)] or [0]
    else:
        sizes = list(size)
    if builtins.sum(sizes) != n or builtins.min(sizes) < 0:
        raise ValueError(f"split needs sizes that sum to {n}, the length of axis {dim}, got {sizes}")
    ends = np.cumsum(sizes).tolist()
    return tuple(x[(slice(None),) * axis + (slice(end - length, end),)] for end, length in zip(ends, sizes))


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along dim into so many pieces of one size, of which the last may be shorter, or missing. Views."""
    if chunks < 1:
        raise ValueError(f"chunk needs 1 piece or more, got {chunks}")
    if not x.size(dim):
        return split(x, [0] * chunks, dim)
    return split(x, math.ceil(x.size(dim) / chunks), dim)


def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The parts of x along dim, without that axis."""
    axis = normalize_axis_index(dim, x.ndim)
    return tuple(x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis]))


def repeat(x: Tensor, *sizes: Any) -> Tensor:
    """x side by side with itself, so many times along each axis. Raises ValueError for fewer sizes than axes."""
    times = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], list | tuple) else sizes
    if len(times) < x.ndim or builtins.min(times, default=0) < 0:
        raise ValueError(f"repeat needs {x.ndim} numbers or more, none below 0, got {times}")
    own = (1,) * (len(times) - x.ndim) + x.shape
    apart = reshape(x, shape=tuple(part for n in own for part in (1, n)))
    copied = apart.expand(*(part for pair in zip(times, own) for part in pair)) if times else apart
    return clone(reshape(copied, shape=tuple(n * k for n, k in zip(own, times))))


def tile(x: Tensor, dims: Sequence[int]) -> Tensor:
    """As `repeat`, where missing sizes on the left count as 1."""
    return repeat(x, (1,) * (x.ndim - len(dims)) + tuple(dims))


def repeat_interleave(x: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Each element along dim so many times in a row; without a dim, of x made flat."""
    if dim is None:
        x, dim = x.flatten(), 0
    axis = normalize_axis_index(dim, x.ndim)
    times = repeats.data if isinstance(repeats, Tensor) else repeats
    return x[(slice(None),) * axis + (np.repeat(np.arange(x.shape[axis]), times),)]


def flip(x: Tensor, *dims: Any) -> Tensor:
    """x in the opposite order along these axes."""
    given = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], list | tuple) else dims
    axes = {normalize_axis_index(dim, x.ndim) for dim in given}
    return clone(x[tuple(slice(None, None, -1 if axis in axes else 1) for axis in range(x.ndim))])


def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """z[i][j] = x[index[i][j]][j] for dim 0, and likewise along any other. Raises as `take_along`."""
    return take_along(x, index, dim=dim)


# -- products ------------------------------------------------------------------------------------------------------


def _product(name: str, x: Any, y: Any, axes: tuple[int, int]) -> Tensor:
    given = np.shape(x), np.shape(y)
    if (len(given[0]), len(given[1])) != axes or (axes == (3, 3) and given[0][0] != given[1][0]):
        raise ValueError(f"{name} needs {axes[0]} and {axes[1]} axes, the same batch: {given[0]} and {given[1]}")
    return matmul(x, y)


def bmm(x: Tensor, y: Tensor) -> Tensor:
    """Matrix by matrix: (B, n, k) @ (B, k, m) -> (B, n, m). Raises ValueError for any other shapes."""
    return _product("bmm", x, y, (3, 3))


def mm(x: Tensor, y: Tensor) -> Tensor:
    """The product of two matrices. Raises ValueError for what is no matrix."""
    return _product("mm", x, y, (2, 2))


def mv(x: Tensor, y: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    return _product("mv", x, y, (2, 1))


def dot(x: Tensor, y: Tensor) -> Tensor:
    """The inner product of two vectors."""
    return _product("dot", x, y, (1, 1))


def outer(x: Tensor, y: Tensor) -> Tensor:
    """Every product of an element of one vector and one of the other: (n,), (m,) -> (n, m)."""
    return mul(x.reshape(-1, 1), y)


# -- order ---------------------------------------------------------------------------------------------------------


def _order(x: Tensor, dim: int, descending: bool) -> np.ndarray:
    """Where the elements of x stand in order; equal ones stay as they stood, and NaN counts as the largest."""
    if not x.ndim:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x.data, axis=dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(np.argsort(np.flip(x.data, dim), axis=dim, kind="stable"), dim)


def argsort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The places of the elements along dim, in the order of their values, int64."""
    return Tensor(np.asarray(_order(x, normalize_axis_index(dim, max(x.ndim, 1)), descending)))


def sort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Extremes:
    """x in order along dim, as the pair (values, indices). Equal elements always stay as they stood.

    >>> sort(tensor([3, 1, 2]))
    Extremes(values=tensor([1, 2, 3], dtype=int64), indices=tensor([1, 2, 0], dtype=int64))
    """
    at = argsort(x, dim, descending)
    return Extremes(take_along(x, at, dim=dim) if x.ndim else clone(x), at)


def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extremes:
    """The k largest along dim, in order, as the pair (values, indices). Raises ValueError for more than there are."""
    axis = normalize_axis_index(dim, max(x.ndim, 1))
    n = x.shape[axis] if x.ndim else 1
    if not 0 <= k <= n:
        raise ValueError(f"topk needs k in 0..{n} along axis {dim} of {x.shape}, got {k}")
    if not x.ndim:
        return sort(x) if k else Extremes(x.reshape(1)[:0], Tensor(np.zeros(0, np.int64)))
    at = argsort(x, axis, largest)[(slice(None),) * axis + (slice(k),)]
    return Extremes(take_along(x, at, dim=axis), at)


# -- questions: bool answers, outside the graph --------------------------------------------------------------------


def eq(x: Tensor, y: Any) -> Tensor:
    """Where x = y."""
    return x == y


def ne(x: Tensor, y: Any) -> Tensor:
    """Where x and y differ."""
    return x != y


def lt(x: Tensor, y: Any) -> Tensor:
    """Where x < y."""
    return x < y


def le(x: Tensor, y: Any) -> Tensor:
    """Where x <= y."""
    return x <= y


def gt(x: Tensor, y: Any) -> Tensor:
    """Where x > y."""
    return x > y


def ge(x: Tensor, y: Any) -> Tensor:
    """Where x >= y."""
    return x >= y


def logical_not(x: Tensor) -> Tensor:
    """Where x is 0."""
    return x == 0


def all(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether every element along dim is other than 0."""
    return Tensor(np.asarray(np.all(x.data, axis=dim, keepdims=keepdim)))


def any(x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether one element along dim is other than 0."""
    return Tensor(np.asarray(np.any(x.data, axis=dim, keepdims=keepdim)))


def isnan(x: Tensor) -> Tensor:
    """Where x is not a number."""
    return Tensor(np.asarray(np.isnan(x.data)))


def isinf(x: Tensor) -> Tensor:
    """Where x is infinite."""
    return Tensor(np.asarray(np.isinf(x.data)))


def isfinite(x: Tensor) -> Tensor:
    """Where x is neither infinite nor NaN."""
    return Tensor(np.asarray(np.isfinite(x.data)))


def equal(x: Tensor, y: Tensor) -> bool:
    """Whether shapes and elements are the same."""
    return bool(np.array_equal(x.data, y.data))


def allclose(x: Tensor, y: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |x - y| <= atol + rtol * |y| everywhere."""
    return bool(np.allclose(x.data, y.data, rtol, atol, equal_nan))


def is_tensor(x: Any) -> bool:
    """Whether x is a tensor."""
    return isinstance(x, Tensor)


# -- methods as functions ------------------------------------------------------------------------------------------


def numel(x: Tensor) -> int:
    """The number of elements."""
    return x.numel()


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """x with the axes from start_dim to end_dim as one."""
    return x.flatten(start_dim, end_dim)


def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    """x without its axes of size 1, or without those named."""
    return x.squeeze(dim)


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """x with a new axis of size 1."""
    return x.unsqueeze(dim)


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix. Raises ValueError for more axes."""
    if x.ndim > 2:
        raise ValueError(f"t needs 2 axes or fewer, got shape {x.shape}: transpose(dim0, dim1) takes any")
    return x.T


def detach(x: Tensor) -> Tensor:
    """A leaf with the same data, in the same memory."""
    return x.detach()


def expand_as(x: Tensor, y: Tensor) -> Tensor:
    """x expanded to the shape of y."""
    return x.expand(*y.shape)


def view_as(x: Tensor, y: Tensor) -> Tensor:
    """x in the shape of y."""
    return x.view(*y.shape)


def reshape_as(x: Tensor, y: Tensor) -> Tensor:
    """x in the shape of y."""
    return x.reshape(*y.shape)


def type_as(x: Tensor, y: Tensor) -> Tensor:
    """x in the dtype of y."""
    return x.to(y.dtype)


def element_size(x: Tensor) -> int:
    """The bytes of one element."""
    return x.data.itemsize


def is_floating_point(x: Tensor) -> bool:
    """Whether x holds floats."""
    return x.dtype.kind == "f"


# -- new ones ------------------------------------------------------------------------------------------------------


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor in the memory of an ndarray. Raises TypeError for anything else."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy needs an ndarray, got {type(array).__name__}: tensor(...) takes numbers and lists")
    return Tensor(array)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """data as a tensor, in the same memory where that can be: a tensor itself, an ndarray's."""
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return Tensor(data, dtype=dtype) if isinstance(data, np.ndarray) else tensor(data, dtype)


def new_full(x: Tensor, size: Any, value: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor filled with one value, in the dtype of x."""
    return full(tuple(size), value, dtype=x.dtype if dtype is None else dtype, device=device)


def new_zeros(x: Tensor, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros in the dtype of x."""
    return new_full(x, size[0] if isinstance(size[0], list | tuple) else size, 0, dtype, device)


def new_ones(x: Tensor, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones in the dtype of x."""
    return new_full(x, size[0] if isinstance(size[0], list | tuple) else size, 1, dtype, device)


def new_tensor(x: Tensor, data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A copy of data, in the dtype of x."""
    return tensor(data, dtype=x.dtype if dtype is None else dtype, device=device)


# -- chance --------------------------------------------------------------------------------------------------------


def rand_like(x: Tensor, generator: Any = None) -> Tensor:
    """Uniform in [0, 1), in the shape and dtype of x."""
    return uniform_(Tensor(np.empty_like(x.data)), generator=generator)


def randn_like(x: Tensor, generator: Any = None) -> Tensor:
    """Normal with mean 0 and variance 1, in the shape and dtype of x."""
    return normal_(Tensor(np.empty_like(x.data)), generator=generator)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None) -> Tensor:
    """Normal numbers of this mean and standard deviation: numbers for a size, or tensors, one draw for each element."""
    mean, std = (x.data if isinstance(x, Tensor) else x for x in (mean, std))
    shape = np.broadcast_shapes(np.shape(mean), np.shape(std)) if size is None else tuple(size)
    z = (generator or package_generator).standard_normal(shape, np.float32)
    return Tensor(np.asarray(z * np.asarray(std, np.float32) + np.asarray(mean, np.float32)))


def bernoulli(p: Tensor, generator: Any = None) -> Tensor:
    """1 with probability p, else 0, for each element of p."""
    return Tensor(((generator or package_generator).random(p.shape) < p.data).astype(p.dtype))


def multinomial(p: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Numbers of columns, drawn in proportion to p (C,) or (B, C): int64 (num_samples,) or (B, num_samples).

    Raises ValueError for weights below 0, not finite or all 0, and without replacement for too few that are not 0.
    """
    refuse_fewer_axes("multinomial", p, 1)
    rows, rng = np.atleast_2d(p.data).astype(np.float64), generator or package_generator
    if p.ndim > 2 or not np.isfinite(rows).all() or (rows < 0).any() or (rows.sum(axis=1) <= 0).any():
        raise ValueError(f"multinomial needs rows of weights, 0 or more and not all 0, got shape {p.shape}")
    if not replacement and num_samples > (fewest := np.count_nonzero(rows, axis=1).min()):
        raise ValueError(f"multinomial cannot draw {num_samples} without replacement from {fewest} weights above 0")
    drawn = [rng.choice(rows.shape[1], num_samples, replacement, row / row.sum()) for row in rows]
    return Tensor(np.array(drawn, np.int64).reshape((*p.shape[:-1], num_samples)))


# -- in place ------------------------------------------------------------------------------------------------------


def copy_(x: Tensor, y: Any) -> Tensor:
    """x <- y, in the dtype of x."""
    x[...] = y
    return x


def fill_(x: Tensor, value: Any) -> Tensor:
    """Every element of x <- value."""
    return copy_(x, value)


def zero_(x: Tensor) -> Tensor:
    """Every element of x <- 0."""
    return copy_(x, 0)


def add_(x: Tensor, y: Any, *, alpha: float = 1) -> Tensor:
    """x <- x + alpha * y."""
    x += y if alpha == 1 else y * alpha
    return x


def sub_(x: Tensor, y: Any, *, alpha: float = 1) -> Tensor:
    """x <- x - alpha * y."""
    x -= y if alpha == 1 else y * alpha
    return x


def mul_(x: Tensor, y: Any) -> Tensor:
    """x <- x * y."""
    x *= y
    return x


def div_(x: Tensor, y: Any) -> Tensor:
    """x <- x / y."""
    x /= y
    return x


def addcmul_(x: Tensor, y: Tensor, z: Tensor, *, value: float = 1) -> Tensor:
    """x <- x + value * y * z."""
    return add_(x, y * z, alpha=value)


def addcdiv_(x: Tensor, y: Tensor, z: Tensor, *, value: float = 1) -> Tensor:
    """x <- x + value * y / z."""
    return add_(x, y / z, alpha=value)


def lerp_(x: Tensor, y: Tensor, weight: float) -> Tensor:
    """x <- x + weight * (y - x)."""
    return add_(x, y - x, alpha=weight)


def clamp_(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x <- x limited to min..max."""
    return copy_(x, clamp(x, min, max))


def masked_fill_(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """x <- value where the mask holds. Raises ValueError if the mask does not fit into x."""
    return copy_(x, masked_fill(x, Tensor(np.broadcast_to(_mask(mask), x.shape)), value))


def scatter_(x: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """x[index[i][j]][j] <- src[i][j] for dim 0, and likewise along any other; src may be one number."""
    at = places_along(x.data, index.data, dim)
    x[at] = src[tuple(slice(n) for n in index.shape)] if isinstance(src, Tensor) else src
    return x


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """x <- normal numbers of this mean and standard deviation."""
    return copy_(x, (generator or package_generator).normal(mean, std, x.shape))


def uniform_(x: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Any = None, **bounds: float) -> Tensor:
    """x <- uniform numbers in [low, high); PyTorch calls the bounds `from` and `to`."""
    low, high = bounds.pop("from", low), bounds.pop("to", high)
    if bounds:
        raise TypeError(f"uniform_(from, to) got {', '.join(bounds)}")
    return copy_(x, (generator or package_generator).uniform(low, high, x.shape))


def bernoulli_(x: Tensor, p: float = 0.5, *, generator: Any = None) -> Tensor:
    """x <- 1 with probability p, else 0."""
    return copy_(x, (generator or package_generator).random(x.shape) < p)

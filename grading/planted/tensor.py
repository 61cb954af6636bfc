"""Wrong answers to chapter 01: mistakes that students really make. Read, never run; see tito/planted.py."""

import builtins
import math

import numpy as np

from tinytorch.tensor import Tensor, broadcast_shape, mean, sqrt, sum
from tito.planted import wrong

# -- transpose --------------------------------------------------------------------------------------------------------


@wrong("transpose", "reverses all axes")
def transpose_reverses(x, *, dim0=-2, dim1=-1):
    return x.T


@wrong("transpose", "reshapes: the right shape, the elements in their old order")
def transpose_reshapes(x, *, dim0=-2, dim1=-1):
    shape = list(x.shape)
    shape[dim0], shape[dim1] = shape[dim1], shape[dim0]
    return x.reshape(shape)


@wrong("transpose", "moves one axis to the place of the other, and shifts those between")
def transpose_moves(x, *, dim0=-2, dim1=-1):
    return np.moveaxis(x, dim0, dim1)


@wrong("transpose", "copies")
def transpose_copies(x, *, dim0=-2, dim1=-1):
    return x.swapaxes(dim0, dim1).copy()


@wrong("transpose", "always exchanges the last two")
def transpose_last_two(x, *, dim0=-2, dim1=-1):
    return x.swapaxes(-2, -1)


# -- footprint --------------------------------------------------------------------------------------------------------


@wrong("footprint", "counts every view for itself")
def footprint_sums_nbytes(*tensors):
    return builtins.sum(t.nbytes for t in tensors)


@wrong("footprint", "takes one step to the base, and no second one")
def footprint_one_step(*tensors):
    owners = [t.data if t.data.base is None else t.data.base for t in tensors]
    return builtins.sum({id(owner): getattr(owner, "nbytes", 0) for owner in owners}.values())


@wrong("footprint", "counts the bytes of the views, not those of the owner")
def footprint_of_views(*tensors):
    owners = {}
    for t in tensors:
        owner = t.data
        while owner.base is not None:
            owner = owner.base
        owners[id(owner)] = t.nbytes
    return builtins.sum(owners.values())


@wrong("footprint", "leaves views out, as if they held nothing")
def footprint_without_views(*tensors):
    return builtins.sum({id(t.data): t.nbytes for t in tensors if t.data.base is None}.values())


@wrong("footprint", "counts elements, not bytes")
def footprint_elements(*tensors):
    owners = {}
    for t in tensors:
        owner = t.data
        while owner.base is not None:
            owner = owner.base
        owners[id(owner)] = owner.size
    return builtins.sum(owners.values())


# -- broadcast_shape --------------------------------------------------------------------------------------------------


@wrong("broadcast_shape", "lines shapes up at their left ends")
def broadcast_left(*shapes):
    ndim = builtins.max(len(shape) for shape in shapes)
    padded = [tuple(shape) + (1,) * (ndim - len(shape)) for shape in shapes]
    result = []
    for sizes in zip(*padded):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(f"shapes {' and '.join(map(str, shapes))} do not broadcast")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


@wrong("broadcast_shape", "takes the largest size, whatever the others are")
def broadcast_largest(*shapes):
    ndim = builtins.max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(builtins.max(sizes) for sizes in zip(*padded))


@wrong("broadcast_shape", "stretches whatever divides the larger size")
def broadcast_divisors(*shapes):
    ndim = builtins.max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    result = []
    for sizes in zip(*padded):
        largest = builtins.max(sizes)
        if any(largest % size for size in sizes if size):
            raise ValueError(f"shapes {' and '.join(map(str, shapes))} do not broadcast")
        result.append(largest)
    return tuple(result)


@wrong("broadcast_shape", "stops at the shortest shape")
def broadcast_shortest(*shapes):
    result = []
    for sizes in zip(*(reversed(shape) for shape in shapes)):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError(f"shapes {' and '.join(map(str, shapes))} do not broadcast")
        result.append(wide.pop() if wide else 1)
    return tuple(reversed(result))


@wrong("broadcast_shape", "looks at the first two shapes only")
def broadcast_two(*shapes):
    first, second = (*shapes, (), ())[:2]
    result = []
    for axis in range(1, builtins.max(len(first), len(second)) + 1):
        a = first[-axis] if axis <= len(first) else 1
        b = second[-axis] if axis <= len(second) else 1
        if a != b and 1 not in (a, b):
            raise ValueError(f"shapes {first} and {second} do not broadcast")
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


@wrong("broadcast_shape", "does not name the shapes that do not fit")
def broadcast_silent(*shapes):
    ndim = builtins.max(len(shape) for shape in shapes)
    result = []
    for sizes in zip(*[(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise ValueError("these shapes do not broadcast")
        result.append(wide.pop() if wide else 1)
    return tuple(result)


# -- broadcast_to -----------------------------------------------------------------------------------------------------


@wrong("broadcast_to", "copies, by adding zeros")
def broadcast_to_adds(x, *, shape):
    if broadcast_shape(x.shape, tuple(shape)) != tuple(shape):
        raise ValueError(f"broadcast_to cannot stretch {x.shape} to {shape}")
    return x + np.zeros(shape, x.dtype)


@wrong("broadcast_to", "does not check the shapes, and reads what lies behind x")
def broadcast_to_unchecked(x, *, shape):
    along = tuple(0 if size == 1 else stride for size, stride in zip(x.shape, x.strides))
    strides = (0,) * (len(shape) - x.ndim) + along
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)


@wrong("broadcast_to", "stretches either to either: the target may shrink")
def broadcast_to_either(x, *, shape):
    return np.broadcast_to(x, broadcast_shape(x.shape, tuple(shape)))


@wrong("broadcast_to", "works the strides out from the shape, as if x were contiguous")
def broadcast_to_contiguous(x, *, shape):
    shape = tuple(shape)
    if broadcast_shape(x.shape, shape) != shape:
        raise ValueError(f"broadcast_to cannot stretch {x.shape} to {shape}")
    steps = [x.itemsize * math.prod(x.shape[axis + 1 :]) for axis in range(x.ndim)]
    along = tuple(0 if size == 1 else step for size, step in zip(x.shape, steps))
    return np.lib.stride_tricks.as_strided(x, shape, (0,) * (len(shape) - x.ndim) + along, writeable=False)


@wrong("broadcast_to", "puts the new axes on the right")
def broadcast_to_right(x, *, shape):
    if broadcast_shape(x.shape, tuple(shape)) != tuple(shape):
        raise ValueError(f"broadcast_to cannot stretch {x.shape} to {shape}")
    return np.resize(x, shape)


# -- mean -------------------------------------------------------------------------------------------------------------


@wrong("mean", "forgets to divide")
def mean_is_sum(x, *, dim=None, keepdim=False):
    return np.sum(x, axis=dim, keepdims=keepdim)


@wrong("mean", "divides by the number of all elements")
def mean_over_everything(x, *, dim=None, keepdim=False):
    return np.sum(x, axis=dim, keepdims=keepdim) / x.size


@wrong("mean", "divides by the length of the first axis")
def mean_over_len(x, *, dim=None, keepdim=False):
    return np.sum(x, axis=dim, keepdims=keepdim) / len(x)


@wrong("mean", "loses the reduced axis though keepdim is set")
def mean_drops_axis(x, *, dim=None, keepdim=False):
    return np.mean(x, axis=dim)


@wrong("mean", "divides by how many results there are, not by how many elements went into each")
def mean_inverted(x, *, dim=None, keepdim=False):
    total = np.sum(x, axis=dim, keepdims=keepdim)
    return total / np.size(total)


# -- var --------------------------------------------------------------------------------------------------------------


@wrong("var", "loses the axis of the mean, so that the subtraction broadcasts along another one")
def var_without_keepdim(x, dim=None, keepdim=False, correction=1):
    deviation = x - mean(x, dim=dim)
    squares = sum(deviation * deviation, dim=dim, keepdim=keepdim)
    return squares / (x.numel() / squares.numel() - correction)


@wrong("var", "subtracts the mean of everything")
def var_of_everything(x, dim=None, keepdim=False, correction=1):
    deviation = x - mean(x)
    squares = sum(deviation * deviation, dim=dim, keepdim=keepdim)
    return squares / (x.numel() / squares.numel() - correction)


@wrong("var", "forgets the correction")
def var_uncorrected(x, dim=None, keepdim=False, correction=1):
    deviation = x - mean(x, dim=dim, keepdim=True)
    return mean(deviation * deviation, dim=dim, keepdim=keepdim)


@wrong("var", "takes the square root: the standard deviation")
def var_is_std(x, dim=None, keepdim=False, correction=1):
    deviation = x - mean(x, dim=dim, keepdim=True)
    squares = sum(deviation * deviation, dim=dim, keepdim=keepdim)
    return sqrt(squares / (x.numel() / squares.numel() - correction))


@wrong("var", "computes with NumPy, and forgets where the numbers came from")
def var_by_numpy(x, dim=None, keepdim=False, correction=1):
    return Tensor(np.var(x.data, axis=dim, keepdims=keepdim, ddof=correction))


@wrong("var", "does not square")
def var_unsquared(x, dim=None, keepdim=False, correction=1):
    deviation = x - mean(x, dim=dim, keepdim=True)
    total = sum(deviation, dim=dim, keepdim=keepdim)
    return total / (x.numel() / total.numel() - correction)


# -- matmul -----------------------------------------------------------------------------------------------------------


@wrong("matmul", "multiplies element by element")
def matmul_elementwise(x, y):
    if x.shape[-1:] != y.shape[-2:-1]:
        raise ValueError(f"matmul needs inner axes to agree: {x.shape} @ {y.shape}")
    return x * y


@wrong("matmul", "the factors in the wrong order")
def matmul_swapped(x, y):
    if x.ndim == 0 or y.ndim == 0 or x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise ValueError(f"matmul needs inner axes to agree: {x.shape} @ {y.shape}")
    return y @ x


@wrong("matmul", "leaves the check to NumPy")
def matmul_unchecked(x, y):
    return x @ y


@wrong("matmul", "compares the last axis of x with the first of y: wrong for a stack")
def matmul_first_axis(x, y):
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(f"matmul needs at least one axis on each side: {x.shape} @ {y.shape}")
    if x.shape[-1] != y.shape[0]:
        raise ValueError(f"matmul needs inner axes to agree: {x.shape} @ {y.shape}")
    return x @ y


@wrong("matmul", "np.dot, which pairs every matrix of one stack with every matrix of the other")
def matmul_dot(x, y):
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(f"matmul needs at least one axis on each side: {x.shape} @ {y.shape}")
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise ValueError(f"matmul needs inner axes to agree: {x.shape} @ {y.shape}")
    return np.dot(x, y)


@wrong("matmul", "does not name the shapes")
def matmul_silent(x, y):
    if x.ndim == 0 or y.ndim == 0 or x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise ValueError("matmul needs inner axes to agree")
    return x @ y

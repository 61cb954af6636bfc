"""Right answers to chapter 01, written in other ways: none may lose a point. Read, never run."""

import builtins
import math

import numpy as np

from tinytorch.tensor import broadcast_shape, mean, sum
from tito.rubrics.planted import right

# -- transpose --------------------------------------------------------------------------------------------------------

right("transpose", "NumPy's function", "x.swapaxes(dim0, dim1)", "np.swapaxes(x, dim0, dim1)")


@right("transpose", "writes down the order of the axes")
def transpose_by_order(x, *, dim0=-2, dim1=-1):
    order = list(range(x.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return x.transpose(order)


@right("transpose", "asks for each axis where it comes from")
def transpose_by_table(x, *, dim0=-2, dim1=-1):
    dim0, dim1 = dim0 % x.ndim, dim1 % x.ndim
    return np.transpose(x, [{dim0: dim1, dim1: dim0}.get(axis, axis) for axis in range(x.ndim)])


# -- footprint --------------------------------------------------------------------------------------------------------


@right("footprint", "takes every owner for an array")
def footprint_of_arrays(*tensors):
    owners = {}
    for t in tensors:
        owner = t.data
        while owner.base is not None:
            owner = owner.base
        owners[id(owner)] = owner.nbytes
    return builtins.sum(owners.values())


@right("footprint", "a set of those seen")
def footprint_seen(*tensors):
    seen, total = set(), 0
    for t in tensors:
        array = t.data
        while getattr(array, "base", None) is not None:
            array = array.base
        if id(array) not in seen:
            seen.add(id(array))
            total += memoryview(array).nbytes
    return total


@right("footprint", "a function within, and a list without doubles")
def footprint_listed(*tensors):
    def owner(array):
        return array if array.base is None else owner(array.base)

    found = []
    for t in tensors:
        if not any(owner(t.data) is other for other in found):
            found.append(owner(t.data))
    return builtins.sum(array.size * array.itemsize for array in found)


# -- view_strides -----------------------------------------------------------------------------------------------------


@right("view_strides", "runs and new axes from the right, as PyTorch does it")
def strides_as_pytorch(shape, strides, new):
    if math.prod(shape) != math.prod(new):
        raise ValueError(f"{shape} and {new} hold different numbers of elements")
    old = [(n, s) for n, s in zip(shape, strides) if n > 1]
    found, at = [0] * len(new), len(new) - 1
    length, filled, base = 1, 1, old[-1][1] if old else 0
    for i in range(len(old) - 1, -1, -1):
        length *= old[i][0]
        if i == 0 or old[i - 1][1] != length * base:
            while at >= 0 and (filled < length or new[at] == 1):
                found[at] = filled * base
                filled *= new[at]
                at -= 1
            if filled != length:
                return None
            if i > 0:
                length, filled, base = 1, 1, old[i - 1][1]
    return tuple(found)


@right("view_strides", "asks where each element lies, and whether the new axes step evenly")
def strides_by_places(shape, strides, new):
    places = np.zeros((), np.int64)
    for size, stride in zip(shape, strides):
        places = places[..., None] + stride * np.arange(size)
    if places.size != math.prod(new):
        raise ValueError(f"cannot look at {shape} as at {new}")
    places, steps = places.reshape(new), []
    for axis, size in enumerate(new):
        gaps = np.diff(places, axis=axis).ravel()
        if size > 1 and (gaps != gaps[0]).any():
            return None
        steps.append(int(gaps[0]) if size > 1 else 1)
    return steps


@right("view_strides", "old and new sizes in groups of one product, from the left")
def strides_by_groups(shape, strides, new):
    if math.prod(shape) != math.prod(new):
        raise ValueError(f"view of {shape} as {new}: not as many elements")
    old = [pair for pair in zip(shape, strides) if pair[0] != 1]
    steps = [0] * len(new)
    axis = 0
    while axis < len(new):
        if new[axis] == 1:
            axis += 1
            continue
        group, held, start, wanted = [old.pop(0)], 0, axis, new[axis]
        held = group[0][0]
        while held != wanted:
            if held < wanted:
                group.append(old.pop(0))
                held *= group[-1][0]
            else:
                axis += 1
                wanted *= new[axis]
        for i in range(1, len(group)):
            if group[i - 1][1] != group[i][0] * group[i][1]:
                return None
        step = group[-1][1]
        for place in range(axis, start - 1, -1):
            steps[place] = step
            step *= new[place]
        axis += 1
    return tuple(steps)


# -- broadcast_shape --------------------------------------------------------------------------------------------------


@right("broadcast_shape", "pair after pair, from the right")
def broadcast_pairs(*shapes):
    result = ()
    for shape in shapes:
        n = builtins.max(len(result), len(shape))
        left, right = (1,) * (n - len(result)) + result, (1,) * (n - len(shape)) + tuple(shape)
        if any(a != b and 1 not in (a, b) for a, b in zip(left, right)):
            raise ValueError(f"{' '.join(map(str, shapes))}: these shapes do not fit")
        result = tuple(b if a == 1 else a for a, b in zip(left, right))
    return result


@right("broadcast_shape", "asks NumPy, and says what NumPy does not")
def broadcast_by_numpy(*shapes):
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError("these do not broadcast: " + ", ".join(str(shape) for shape in shapes)) from None


@right("broadcast_shape", "counts axes from the end")
def broadcast_from_the_end(*shapes):
    sizes = []
    for axis in range(1, builtins.max(map(len, shapes)) + 1):
        here = [shape[-axis] for shape in shapes if len(shape) >= axis and shape[-axis] != 1] or [1]
        if any(size != here[0] for size in here):
            raise ValueError(f"{shapes} do not agree {axis} axes from the right")
        sizes.insert(0, here[0])
    return tuple(sizes)


# -- broadcast_to -----------------------------------------------------------------------------------------------------


@right("broadcast_to", "leaves it to NumPy, which refuses what does not fit")
def broadcast_to_by_numpy(x, *, shape):
    return np.broadcast_to(x, shape)


@right("broadcast_to", "checks by the shape that both broadcast to")
def broadcast_to_by_shape(x, *, shape):
    if broadcast_shape(x.shape, tuple(shape)) != tuple(shape):
        raise ValueError(f"{x.shape} does not stretch to {shape}")
    steps = [0] * (len(shape) - x.ndim)
    for size, step in zip(x.shape, x.strides):
        steps.append(0 if size == 1 else step)
    return np.lib.stride_tricks.as_strided(x, shape, steps, writeable=False)


@right("broadcast_to", "pads shape and strides together")
def broadcast_to_padded(x, *, shape):
    new = len(shape) - x.ndim
    sizes, steps = (1,) * new + x.shape, (0,) * new + x.strides
    if len(sizes) != len(shape) or not all(have == want or have == 1 for have, want in zip(sizes, shape)):
        raise ValueError(f"{x.shape} cannot become {shape}")
    steps = [step if have == want else 0 for have, want, step in zip(sizes, shape, steps)]
    return np.lib.stride_tricks.as_strided(x, shape, steps, writeable=False)


# -- mean -------------------------------------------------------------------------------------------------------------

right(
    "mean",
    "as the hint says",
    "builtins.max(np.size(total), 1)",
    "np.size(total)",
)
right("mean", "sums in float64", "np.sum(x,", "np.sum(np.float64(x),")


@right("mean", "NumPy's own")
def mean_by_numpy(x, *, dim=None, keepdim=False):
    return np.mean(x, axis=dim, keepdims=keepdim)


@right("mean", "counts along the axes")
def mean_by_counting(x, *, dim=None, keepdim=False):
    axes = range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return np.sum(x, axis=dim, keepdims=keepdim) / np.float32(count)


# -- var --------------------------------------------------------------------------------------------------------------

right("var", "divides by what is less than 0, too", "builtins.max(n - correction, 0)", "(n - correction)")
right(
    "var", "subtracts the other way round", "x - mean(x, dim=dim, keepdim=True)", "mean(x, dim=dim, keepdim=True) - x"
)


@right("var", "as the hint says")
def var_of_the_hint(x, dim=None, keepdim=False, correction=1):
    squares = (x - mean(x, dim, True)) ** 2
    total = sum(squares, dim, keepdim)
    return total / (x.numel() / total.numel() - correction)


@right("var", "a mean of squares, corrected")
def var_by_mean(x, dim=None, keepdim=False, correction=1):
    centred = x - mean(x, dim=dim, keepdim=True)
    spread = mean(centred * centred, dim=dim, keepdim=keepdim)
    n = x.numel() // spread.numel()
    return spread * n / (n - correction)


# -- matmul -----------------------------------------------------------------------------------------------------------

right("matmul", "NumPy's function", "return x @ y", "return np.matmul(x, y)")
right("matmul", "multiplies in float64", "return x @ y", "return x @ y.astype(np.float64)")


@right("matmul", "asks for the inner axis by cases")
def matmul_by_cases(x, y):
    fits = x.ndim > 0 and y.ndim > 0 and (x.shape[-1] == y.shape[0] if y.ndim == 1 else x.shape[-1] == y.shape[-2])
    if not fits:
        raise ValueError(f"{x.shape} @ {y.shape}: the inner axes differ")
    return np.matmul(x, y)


@right("matmul", "sums products along an axis between")
def matmul_by_sums(x, y):
    left, right = (x[None] if x.ndim == 1 else x), (y[:, None] if y.ndim == 1 else y)
    if x.ndim == 0 or y.ndim == 0 or left.shape[-1] != right.shape[-2]:
        raise ValueError(f"matmul of {x.shape} and {y.shape}: inner axes must be equal")
    z = (left[..., :, :, None] * right[..., None, :, :]).sum(axis=-2)
    z = z[..., 0] if y.ndim == 1 else z
    return z if x.ndim > 1 else z[0] if y.ndim == 1 else z[..., 0, :]


# -- temporary_bytes --------------------------------------------------------------------------------------------------

right("temporary_bytes", "multiplies out", "4 * (2 * 50 * 200 * 64 + 50 * 200)", "50 * 200 * 4 * (64 + 64 + 1)")
right("temporary_bytes", "answers with a float", "4 *", "4.0 *")


@right("temporary_bytes", "adds up one result after the other")
def temporaries_of_shapes():
    shapes = [(50, 200, 64), (50, 200, 64), (50, 200)]
    return builtins.sum(int(np.prod(shape)) * np.dtype("float32").itemsize for shape in shapes)

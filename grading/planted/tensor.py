"""Wrong answers to chapter 01: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import builtins
import math

import numpy as np

from tinytorch.tensor import Tensor, broadcast_shape, mean, sum
from tito.rubrics.planted import wrong

# -- transpose --------------------------------------------------------------------------------------------------------

wrong("transpose", "reverses all axes", "x.swapaxes(dim0, dim1)", "x.T")
wrong(
    "transpose",
    "reshapes: the right shape, the elements in their old order",
    "return x.swapaxes(dim0, dim1)",
    "shape = list(x.shape)\nshape[dim0], shape[dim1] = shape[dim1], shape[dim0]\nreturn x.reshape(shape)",
)
wrong("transpose", "copies", "(dim0, dim1)", "(dim0, dim1).copy()")
wrong("transpose", "always exchanges the last two", "dim0, dim1", "-2, -1")
wrong("transpose", "answers in float64", "return x", "return x.astype(np.float64)")


@wrong("transpose", "moves one axis to the place of the other, and shifts those between")
def transpose_moves(x, *, dim0=-2, dim1=-1):
    return np.moveaxis(x, dim0, dim1)


@wrong("transpose", "makes a contiguous copy first")
def transpose_of_contiguous(x, *, dim0=-2, dim1=-1):
    return np.ascontiguousarray(x).swapaxes(dim0, dim1)


@wrong("transpose", "works the strides out from the shape, as if x were contiguous")
def transpose_strides_of_shape(x, *, dim0=-2, dim1=-1):
    shape, strides = list(x.shape), [x.itemsize * math.prod(x.shape[axis + 1 :]) for axis in range(x.ndim)]
    shape[dim0], shape[dim1] = shape[dim1], shape[dim0]
    strides[dim0], strides[dim1] = strides[dim1], strides[dim0]
    return np.lib.stride_tricks.as_strided(x, shape, strides)


@wrong("transpose", "locks the result")
def transpose_locked(x, *, dim0=-2, dim1=-1):
    z = x.swapaxes(dim0, dim1)
    z.flags.writeable = False
    return z


@wrong("transpose", "has letters for four axes")
def transpose_of_four_letters(x, *, dim0=-2, dim1=-1):
    order = list("bchw"[-x.ndim :])
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return np.einsum(f"{'bchw'[-x.ndim :]}->{''.join(order)}", x)


@wrong("transpose", "exchanges two numbers by sums: one axis by two names is lost")
def transpose_by_sums(x, *, dim0=-2, dim1=-1):
    order = list(range(x.ndim))
    if dim0 == dim1:
        return x
    order[dim0] += order[dim1]
    order[dim1] = order[dim0] - order[dim1]
    order[dim0] -= order[dim1]
    return x.transpose(order)


@wrong("transpose", "copies what is contiguous neither by rows nor by columns")
def transpose_of_packed(x, *, dim0=-2, dim1=-1):
    x = x if x.flags.c_contiguous or x.flags.f_contiguous else x.copy()
    return x.swapaxes(dim0, dim1)


# -- footprint --------------------------------------------------------------------------------------------------------

wrong(
    "footprint",
    "counts the bytes of the views, not those of the owner",
    ": Any",
    "",
    'getattr(owner, "base", None)',
    "owner.base",
    "memoryview(owner)",
    "t",
)
wrong(
    "footprint",
    "counts elements, not bytes",
    ": Any",
    "",
    'getattr(owner, "base", None)',
    "owner.base",
    "memoryview(owner).nbytes",
    "owner.size",
)
wrong("footprint", "counts owners of one size once", "owners[id(owner)]", "owners[memoryview(owner).nbytes]")


@wrong("footprint", "counts every view for itself")
def footprint_sums_nbytes(*tensors):
    return builtins.sum(t.nbytes for t in tensors)


@wrong("footprint", "takes one step to the base, and no second one")
def footprint_one_step(*tensors):
    owners = [t.data if t.data.base is None else t.data.base for t in tensors]
    return builtins.sum({id(owner): getattr(owner, "nbytes", 0) for owner in owners}.values())


@wrong("footprint", "leaves views out, as if they held nothing")
def footprint_without_views(*tensors):
    return builtins.sum({id(t.data): t.nbytes for t in tensors if t.data.base is None}.values())


@wrong("footprint", "takes blocks of equal numbers for one")
def footprint_by_contents(*tensors):
    owners = {}
    for t in tensors:
        owner = t.data
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        owners[owner.tobytes()] = owner.nbytes
    return builtins.sum(owners.values())


@wrong("footprint", "takes two views that do not overlap for two blocks")
def footprint_by_overlap(*tensors):
    total, seen = 0, []
    for t in tensors:
        owner = t.data
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        if not builtins.any(np.shares_memory(t.data, other) for other in seen):
            total += memoryview(owner).nbytes
        seen.append(t.data)
    return total


@wrong("footprint", "needs a first tensor")
def footprint_of_some(*tensors):
    owners = []
    for t in tensors:
        owner = t.data
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        owners.append(owner)
    total = memoryview(owners[0]).nbytes
    for place, owner in enumerate(owners[1:], 1):
        if not builtins.any(owner is other for other in owners[:place]):
            total += memoryview(owner).nbytes
    return total


@wrong("footprint", "stops at the first block that it has seen before")
def footprint_that_stops(*tensors):
    seen, total = set(), 0
    for t in tensors:
        owner = t.data
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        if id(owner) in seen:
            break
        seen.add(id(owner))
        total += memoryview(owner).nbytes
    return total


# -- view_strides -----------------------------------------------------------------------------------------------------

wrong("view_strides", "never lets two axes be one run", "runs and runs[-1][1] == size * stride", "False")
wrong("view_strides", "takes all axes for one run", "runs and runs[-1][1] == size * stride", "runs")
wrong(
    "view_strides",
    "compares an axis with the size of the run before it, not with its own",
    "size * stride:",
    "runs[-1][0] * stride:",
)
wrong("view_strides", "looks at the strides of axes of size 1, too", "size == 1:", "False:")
wrong("view_strides", "lets a new axis begin in one run and end in another", "left % size", "left < 1")
wrong(
    "view_strides",
    "takes the step of the run's first axis",
    "runs[-1][0] * size, stride)",
    "runs[-1][0] * size, runs[-1][1])",
)
wrong(
    "view_strides",
    "deals the runs out from the left",
    "reversed(new)",
    "new",
    "runs.pop()",
    "runs.pop(0)",
    "(step, *result)",
    "(*result, step)",
)
wrong("view_strides", "hands the strides back in reverse", "(step, *result)", "(*result, step)")
wrong("view_strides", "does not count the elements", "math.prod(shape) != math.prod(new)", "False")
wrong("view_strides", "lets elements be left over", "!= math.prod(new)", "< math.prod(new)")
wrong("view_strides", "answers with floats", "step * size", "step * float(size)")
wrong("view_strides", "raises an error where there is no view", "return None", "raise ValueError(f'{shape} -> {new}')")
wrong("view_strides", "goes on to the next run before this one is used up", "left == 1 < size", "size > left")


@wrong("view_strides", "answers with contiguous strides, whatever the old ones are")
def contiguous_strides(shape, strides, new):
    if math.prod(shape) != math.prod(new):
        raise ValueError(f"{shape} -> {new}")
    steps, step = [], strides[-1] if strides else 0
    for size in reversed(new):
        steps.insert(0, step)
        step *= size
    return tuple(steps)


@wrong("view_strides", "finds a view of contiguous arrays only")
def contiguous_only(shape, strides, new):
    if math.prod(shape) != math.prod(new):
        raise ValueError(f"{shape} -> {new}")
    step = expected = strides[-1] if strides else 0
    for size, stride in zip(reversed(shape), reversed(strides)):
        if stride != expected:
            return None
        expected = stride * size
    steps = []
    for size in reversed(new):
        steps.insert(0, step)
        step *= size
    return tuple(steps)


# -- broadcast_shape --------------------------------------------------------------------------------------------------

wrong(
    "broadcast_shape",
    "lines shapes up at their left ends",
    "(1,) * (ndim - len(shape)) + tuple(shape)",
    "tuple(shape) + (1,) * (ndim - len(shape))",
    "f\"shapes {' and '.join(map(str, shapes))} do not broadcast: {sizes} along one axis\"",
    "f\"shapes {' and '.join(map(str, shapes))} do not broadcast\"",
)
wrong(
    "broadcast_shape",
    "stretches whatever divides the larger size",
    "{size for size in sizes if size != 1}",
    "{builtins.max(sizes), *(size for size in sizes if size and builtins.max(sizes) % size)}",
)
wrong(
    "broadcast_shape",
    "stops at the shortest shape",
    "zip(*padded)",
    "zip(*(shape[::-1] for shape in shapes))",
    "tuple(result)",
    "tuple(result[::-1])",
)
wrong(
    "broadcast_shape",
    "looks at the first two shapes only",
    "tuple(shape) for shape in shapes",
    "tuple(shape) for shape in shapes[:2]",
)
wrong(
    "broadcast_shape",
    "does not name the shapes that do not fit",
    "padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]",
    "",
    "zip(*padded)",
    "zip(*[(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes])",
    "f\"shapes {' and '.join(map(str, shapes))} do not broadcast: {sizes} along one axis\"",
    '"these shapes do not broadcast"',
)
wrong("broadcast_shape", "takes an axis of size 0 for one that stretches", "size != 1", "size > 1")
wrong("broadcast_shape", "makes (1,) of ()", "tuple(result)", "tuple(result) or (1,)")


wrong("broadcast_shape", "names two shapes of three", "map(str, shapes)", "map(str, shapes[:2])")


@wrong("broadcast_shape", "goes pair after pair, and names the pair")
def broadcast_names_a_pair(*shapes):
    result = ()
    for shape in shapes:
        n = builtins.max(len(result), len(shape))
        left, right = (1,) * (n - len(result)) + result, (1,) * (n - len(shape)) + tuple(shape)
        if builtins.any(a != b and 1 not in (a, b) for a, b in zip(left, right)):
            raise ValueError(f"{result} and {shape} do not broadcast")
        result = tuple(b if a == 1 else a for a, b in zip(left, right))
    return result


@wrong("broadcast_shape", "compares each shape with the next one only")
def broadcast_neighbours(*shapes):
    ndim = builtins.max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    for sizes in zip(*padded):
        if builtins.any(a != b and 1 not in (a, b) for a, b in zip(sizes, (*sizes[1:], 1))):
            raise ValueError(f"{shapes} do not broadcast")
    return tuple(0 if 0 in sizes else builtins.max(sizes) for sizes in zip(*padded))


@wrong("broadcast_shape", "compares all shapes with the first one only")
def broadcast_with_the_first(*shapes):
    ndim = builtins.max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    for sizes in zip(*padded):
        if builtins.any(size != sizes[0] and 1 not in (size, sizes[0]) for size in sizes):
            raise ValueError(f"{shapes} do not broadcast")
    return tuple(0 if 0 in sizes else builtins.max(sizes) for sizes in zip(*padded))


@wrong("broadcast_shape", "makes arrays of the shapes, and adds them")
def broadcast_by_adding(*shapes):
    try:
        return builtins.sum(np.zeros(shape, np.int8) for shape in shapes).shape
    except ValueError:
        raise ValueError(f"{shapes} do not broadcast") from None


@wrong("broadcast_shape", "takes the largest size, whatever the others are")
def broadcast_largest(*shapes):
    ndim = builtins.max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(builtins.max(sizes) for sizes in zip(*padded))


@wrong("broadcast_shape", "looks at three shapes, and no further")
def broadcast_of_three(*shapes):
    try:
        return np.broadcast_shapes(*shapes[:3])
    except ValueError:
        raise ValueError(f"{shapes} do not broadcast") from None


# -- broadcast_to -----------------------------------------------------------------------------------------------------

wrong(
    "broadcast_to",
    "copies, by adding zeros",
    "np.lib.stride_tricks.as_strided(x, shape, (0,) * new + along, writeable=False)",
    "x + np.zeros(shape, x.dtype)",
)
wrong("broadcast_to", "does not check the shapes, and reads what lies behind x", "new < 0 or any", "False and any")
wrong("broadcast_to", "works the strides out from the shape, as if x were contiguous", "x.strides", "x.copy().strides")
wrong("broadcast_to", "answers in float64", "new = len", "x = x.astype(np.float64)\nnew = len")
wrong(
    "broadcast_to",
    "checks the first axis and not the second",
    "zip(x.shape, shape[new:])",
    "[*zip(x.shape, shape[new:])][:1]",
)
wrong("broadcast_to", "refuses to stretch to size 0", "size not in (1, wide)", "not wide or size not in (1, wide)")
wrong("broadcast_to", "stretches an axis of size 0", "size not in (1, wide)", "size not in (0, 1, wide)")


wrong("broadcast_to", "does not name the shapes", "cannot stretch {x.shape} to {shape}", "cannot stretch")
wrong("broadcast_to", "names the target alone", "{x.shape} to {shape}", "to {shape}")
wrong("broadcast_to", "refuses a new axis of size 1", "new < 0", "new < 0 or 1 in shape[: builtins.max(new, 0)]")
wrong(
    "broadcast_to",
    "locks x, not the result alone",
    "along = tuple",
    "x.flags.writeable = False\nalong = tuple",
    ", writeable=False",
    "",
)
wrong(
    "broadcast_to",
    "stretches one number to anything, and shrinks it",
    "new = len",
    "if x.size == 1:\n    return np.broadcast_to(x.reshape(()), shape)\nnew = len",
)
wrong(
    "broadcast_to",
    "steps along the only axis of a vector of one number",
    "0 if size == 1 else stride",
    "0 if size == 1 and x.ndim > 1 else stride",
)


@wrong("broadcast_to", "drops axes of size 1 in front")
def broadcast_to_without_ones(x, *, shape):
    while x.ndim > len(shape) and x.shape[0] == 1:
        x = x[0]
    return np.broadcast_to(x, shape)


@wrong("broadcast_to", "lines the shapes up at their left ends where the right ones do not fit")
def broadcast_to_either_end(x, *, shape):
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        return np.broadcast_to(x.reshape(x.shape + (1,) * (len(shape) - x.ndim)), shape)


@wrong("broadcast_to", "stretches either to either: the target may shrink")
def broadcast_to_either(x, *, shape):
    return np.broadcast_to(x, broadcast_shape(x.shape, tuple(shape)))


@wrong("broadcast_to", "puts the new axes on the right")
def broadcast_to_right(x, *, shape):
    if broadcast_shape(x.shape, tuple(shape)) != tuple(shape):
        raise ValueError(f"broadcast_to cannot stretch {x.shape} to {shape}")
    return np.resize(x, shape)


# -- mean -------------------------------------------------------------------------------------------------------------

wrong("mean", "forgets to divide", " / (x.size / builtins.max(np.size(total), 1))", "")
wrong("mean", "divides by the number of all elements", "(x.size / builtins.max(np.size(total), 1))", "x.size")
wrong("mean", "divides by the length of the first axis", "(x.size / builtins.max(np.size(total), 1))", "len(x)")
wrong("mean", "loses the reduced axis though keepdim is set", ", keepdims=keepdim", "")
wrong(
    "mean",
    "divides by how many results there are, not by how many elements went into each",
    "(x.size / builtins.max(np.size(total), 1))",
    "np.size(total)",
)
wrong("mean", "answers in half precision", "np.sum(x,", "np.sum(np.float16(x),")
wrong("mean", "takes NaN for 0", "np.sum", "np.nansum")
wrong("mean", "takes NaN for 0, and writes that into x", "total = np", "np.nan_to_num(x, copy=False)\ntotal = np")

wrong(
    "mean",
    "says that the mean of none is 0",
    "(x.size / builtins.max(np.size(total), 1))",
    "builtins.max(x.size / builtins.max(np.size(total), 1), 1)",
)
wrong("mean", "adds up in float32 what is float64", "np.sum(x,", "np.sum(x.astype(np.float32),")
wrong("mean", "leaves infinities out", "np.sum(x,", "np.sum(np.where(np.isinf(x), 0, x),")


@wrong("mean", "counts a tuple's axes from the front only")
def mean_of_positive_axes(x, *, dim=None, keepdim=False):
    axes = range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim % x.ndim,)
    z = np.sum(x, axis=tuple(axes)) / math.prod(x.shape[axis] for axis in axes)
    return np.reshape(z, [1 if axis in axes else n for axis, n in enumerate(x.shape)]) if keepdim else z


@wrong("mean", "needs a first axis")
def mean_of_some_axis(x, *, dim=None, keepdim=False):
    if dim is not None or keepdim:
        return np.mean(x, axis=dim, keepdims=keepdim)
    return x.reshape(len(x), -1).mean()


@wrong("mean", "takes one axis after the other, as if a tuple of them were sorted")
def mean_axis_by_axis(x, *, dim=None, keepdim=False):
    for axis in reversed(range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)):
        x = np.mean(x, axis=axis, keepdims=keepdim)
    return x


# -- var --------------------------------------------------------------------------------------------------------------

wrong("var", "loses the axis of the mean, so that the subtraction broadcasts along another one", ", keepdim=True", "")
wrong("var", "subtracts the mean of everything", "mean(x, dim=dim, keepdim=True)", "mean(x)")
wrong("var", "forgets the correction", "n - correction", "n")
wrong(
    "var",
    "takes the square root: the standard deviation",
    "n = x.numel() / builtins.max(squares.numel(), 1)\nreturn squares / builtins.max(n - correction, 0)",
    "return sqrt(squares / (x.numel() / squares.numel() - correction))",
)
wrong("var", "does not square", "deviation * deviation", "deviation")
wrong(
    "var",
    "subtracts the square of the mean from the mean of the squares",
    "x - mean(x, dim=dim, keepdim=True)",
    "x",
    "return squares",
    "squares = squares - mean(x, dim=dim, keepdim=keepdim) ** 2 * n\nreturn squares",
)
wrong(
    "var",
    "overwrites x with its deviation",
    "deviation = x - mean(x, dim=dim, keepdim=True)",
    "x.data[...] -= mean(x, dim=dim, keepdim=True).data\ndeviation = x",
)
wrong("var", "answers in float64", "deviation * deviation", "cast(deviation * deviation, dtype=np.float64)")
wrong("var", "says that one number varies by 0", "n - correction, 0", "n - correction, 1")


wrong(
    "var",
    "computes in float32 what is float64",
    "if _is_half(x.data):",
    "if x.dtype in (np.float16, np.float64):",
    "dtype=np.float16)",
    "dtype=x.dtype)",
)

wrong(
    "var", "does not pass the correction on where it calls itself for float16", "keepdim, correction), d", "keepdim), d"
)


@wrong("var", "counts along axes from the front only")
def var_of_positive_axes(x, dim=None, keepdim=False, correction=1):
    axes = range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    n = math.prod(size for axis, size in enumerate(x.shape) if axis in axes)
    deviation = x - mean(x, dim=dim, keepdim=True)
    return sum(deviation * deviation, dim=dim, keepdim=keepdim) / (n - correction)


@wrong("var", "needs a first axis")
def var_of_some_axis(x, dim=None, keepdim=False, correction=1):
    deviation = x - mean(x, dim=dim, keepdim=True)
    total = sum(deviation * deviation, dim=dim, keepdim=keepdim)
    return total / (len(x) * (x.numel() / total.numel() / len(x)) - correction)


@wrong("var", "forgets the correction where gradients are required")
def var_of_two_ways(x, dim=None, keepdim=False, correction=1):
    if not x.requires_grad:
        z = np.asarray(np.var(x.data, axis=dim, keepdims=keepdim, ddof=correction))
        return Tensor(z.astype(x.dtype if x.dtype.kind == "f" else np.float32))
    deviation = x - mean(x, dim=dim, keepdim=True)
    return mean(deviation * deviation, dim=dim, keepdim=keepdim)


@wrong("var", "computes with NumPy, and forgets where the numbers came from")
def var_by_numpy(x, dim=None, keepdim=False, correction=1):
    return Tensor(np.var(x.data, axis=dim, keepdims=keepdim, ddof=correction))


# -- matmul -----------------------------------------------------------------------------------------------------------

wrong("matmul", "multiplies element by element", "return x @ y", "return x * y")
wrong("matmul", "the factors in the wrong order", "return x @ y", "return y @ x")
wrong("matmul", "compares the last axis of x with the first of y: wrong for a stack", "-2 if y.ndim > 1 else -1", "0")
wrong(
    "matmul",
    "np.dot, which pairs every matrix of one stack with every matrix of the other",
    "return x @ y",
    "return np.dot(x, y)",
)
wrong("matmul", "does not name the shapes", ": {x.shape} @ {y.shape}", "")
wrong("matmul", "answers in half precision", "return x @ y", "return (x @ y).astype(np.float16)")
wrong("matmul", "rounds", "return x @ y", "return np.round(x @ y)")
wrong("matmul", "multiplies in float32 what is float64", "return x @ y", "return np.float32(x) @ np.float32(y)")
wrong("matmul", "takes NaN for 0", "return x @ y", "return np.nan_to_num(x) @ y")
wrong(
    "matmul",
    "writes the product into x where it fits",
    "return x @ y",
    "z = x @ y\nif z.shape == x.shape:\n    x[...] = z\nreturn z",
)


@wrong("matmul", "pairs the matrices of two stacks, as many as the shorter has")
def matmul_zipped(x, y):
    if np.ndim(x) == 0 or np.ndim(y) == 0 or x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise ValueError(f"{np.shape(x)} @ {np.shape(y)}")
    if x.ndim == y.ndim == 3 and len(x) > 1 and len(y) > 1:
        return np.stack([matrix @ other for matrix, other in zip(x, y)])
    return x @ y


@wrong("matmul", "adds up in the dtype of x, though y has a wider one")
def matmul_in_x(x, y):
    if np.ndim(x) == 0 or np.ndim(y) == 0 or x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise ValueError(f"{np.shape(x)} @ {np.shape(y)}")
    return x @ y.astype(x.dtype)


@wrong("matmul", "skips what is multiplied by 0: 0 times NaN is NaN")
def matmul_without_zeros(x, y):
    if np.ndim(x) == 0 or np.ndim(y) == 0 or x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise ValueError(f"{np.shape(x)} @ {np.shape(y)}")
    if not x.ndim == y.ndim == 2:
        return x @ y
    z = np.zeros((len(x), y.shape[1]), np.result_type(x, y))
    for i, k in np.argwhere(x):
        z[i] += x[i, k] * y[k]
    return z


@wrong("matmul", "leaves the check to NumPy")
def matmul_unchecked(x, y):
    return x @ y


# -- temporary_bytes --------------------------------------------------------------------------------------------------

wrong("temporary_bytes", "counts numbers, not bytes", "4 * (", "(")
wrong("temporary_bytes", "leaves out what the squares take", "2 * 50", "50")
wrong("temporary_bytes", "leaves out the sums", "+ 50 * 200", "")
wrong("temporary_bytes", "counts the pictures, too", "+ 50 * 200", "+ 50 * 200 + 250 * 64")

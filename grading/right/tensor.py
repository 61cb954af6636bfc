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


@right("transpose", "exchanges the shape and the strides")
def transpose_by_strides(x, *, dim0=-2, dim1=-1):
    shape, strides = list(x.shape), list(x.strides)
    for sizes in (shape, strides):
        sizes[dim0], sizes[dim1] = sizes[dim1], sizes[dim0]
    return np.lib.stride_tricks.as_strided(x, shape, strides)


@right("transpose", "einsum, a letter for each axis")
def transpose_by_letters(x, *, dim0=-2, dim1=-1):
    order = list("abcdefgh"[: x.ndim])
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return np.einsum(f"{'abcdefgh'[: x.ndim]}->{''.join(order)}", x)


@right("transpose", "moves both axes at once")
def transpose_moved(x, *, dim0=-2, dim1=-1):
    if dim0 % x.ndim == dim1 % x.ndim:
        return x.view()
    return np.moveaxis(x, (dim0, dim1), (dim1, dim0))


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


@right("footprint", "NumPy's unique numbers of the owners")
def footprint_of_unique_owners(*tensors):
    owners = []
    for t in tensors:
        array = t.data
        while getattr(array, "base", None) is not None:
            array = array.base
        owners.append(array)
    _, first = np.unique(np.array([id(owner) for owner in owners], np.int64), return_index=True)
    return builtins.sum(owners[i].nbytes for i in first)


@right("footprint", "sorts the owners, and takes one of each group")
def footprint_of_groups(*tensors):
    from itertools import groupby

    owners = []
    for t in tensors:
        owner = t.data
        for _ in range(1000):
            owner = owner if owner.base is None else owner.base
        owners.append((id(owner), math.prod(owner.shape) * owner.dtype.itemsize))
    return builtins.sum(size for (_, size), _ in groupby(sorted(owners)))


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


@right("view_strides", "asks NumPy to reshape an array that nobody reads, without a copy")
def strides_by_numpy(shape, strides, new):
    if math.prod(shape) != math.prod(new):
        raise ValueError(f"{shape} does not hold as many elements as {new}")
    try:
        return np.lib.stride_tricks.as_strided(np.zeros(1, np.int8), shape, strides).reshape(new, copy=False).strides
    except ValueError:
        return None


@right("view_strides", "a run and the rest, a size and the rest")
def strides_by_recursion(shape, strides, new):
    def merged(runs):
        if len(runs) < 2:
            return runs
        (n, far), (m, near), *rest = runs
        return merged([(n * m, near), *rest]) if far == m * near else [runs[0], *merged(runs[1:])]

    def dealt(sizes, runs):
        if not sizes:
            return ()
        *front, size = sizes
        if size == 1:
            step = 0
        elif runs[-1][0] % size:
            return None
        else:
            count, step = runs[-1]
            runs = [*runs[:-1], *([(count // size, step * size)] if count > size else [])]
        before = dealt(front, runs)
        return None if before is None else (*before, step)

    if math.prod(shape) != math.prod(new):
        raise ValueError(f"{shape} and {new} differ in their elements")
    return dealt(list(new), merged([run for run in zip(shape, strides) if run[0] > 1]))


@right("view_strides", "asks where the first step of each new axis leads, then walks all of it")
def strides_by_walking(shape, strides, new):
    def place(count, sizes, steps):
        at = 0
        for size, step in zip(reversed(sizes), reversed(steps)):
            at += count % size * step
            count //= size
        return at

    if math.prod(shape) != math.prod(new):
        raise ValueError(f"{shape} has other elements than {new}")
    found = [place(math.prod(new[axis + 1 :]), shape, strides) if size > 1 else 0 for axis, size in enumerate(new)]
    same = (place(i, shape, strides) == place(i, new, found) for i in range(math.prod(new)))
    return tuple(found) if builtins.all(same) else None


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


@right("broadcast_shape", "a table of the axes, from the right")
def broadcast_by_table(*shapes):
    table = {}
    for shape in shapes:
        for place, size in enumerate(reversed(shape)):
            if table.setdefault(place, 1) == 1:
                table[place] = size
            elif size not in (1, table[place]):
                raise ValueError("cannot broadcast " + " with ".join(f"{other}" for other in shapes))
    return tuple(table[place] for place in reversed(range(len(table))))


@right("broadcast_shape", "arrays of one number, stretched")
def broadcast_without_memory(*shapes):
    try:
        return np.broadcast(*[np.broadcast_to(np.int8(0), shape) for shape in shapes]).shape
    except ValueError:
        raise ValueError(f"{shapes}: not all of them fit together") from None


@right("broadcast_shape", "zip_longest, and a fold")
def broadcast_folded(*shapes):
    from functools import reduce
    from itertools import zip_longest

    def together(n, m):
        if 1 not in (n, m) and n != m:
            raise ValueError("no common shape for " + " and ".join(map(repr, shapes)))
        return m if n == 1 else n

    return tuple(reduce(together, sizes) for sizes in zip_longest(*[s[::-1] for s in shapes], fillvalue=1))[::-1]


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


@right("broadcast_to", "axis by axis, from the right")
def broadcast_to_from_the_right(x, *, shape):
    steps = [0] * len(shape)
    if x.ndim > len(shape):
        raise ValueError(f"{x.shape} has more axes than {shape}")
    for back in range(1, x.ndim + 1):
        if x.shape[-back] == shape[-back]:
            steps[-back] = x.strides[-back]
        elif x.shape[-back] != 1:
            raise ValueError(f"axis -{back} of {x.shape} is not that of {shape}")
    return np.lib.stride_tricks.as_strided(x, shape, steps, writeable=False)


@right("broadcast_to", "adds the axes, stretches, and locks the result")
def broadcast_to_locked(x, *, shape):
    y = x[(None,) * builtins.max(len(shape) - x.ndim, 0)] if len(shape) > x.ndim else x
    if y.ndim != len(shape) or builtins.any(n not in (1, wide) for n, wide in zip(y.shape, shape)):
        raise ValueError(f"{x.shape} does not stretch to {shape}")
    z = np.lib.stride_tricks.as_strided(y, shape, [0 if n == 1 else step for n, step in zip(y.shape, y.strides)])
    z.flags.writeable = False
    return z


@right("broadcast_to", "broadcasts with one number in that shape")
def broadcast_to_with_a_number(x, *, shape):
    z = np.broadcast_arrays(x, np.broadcast_to(np.int8(0), shape))[0].view()
    if z.shape != tuple(shape):
        raise ValueError(f"{x.shape} is larger than {shape}")
    z.setflags(write=False)
    return z


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


@right("mean", "moves the axes to the end, and takes the mean of rows")
def mean_of_rows(x, *, dim=None, keepdim=False):
    axes = tuple(range(x.ndim)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    axes = [axis % x.ndim for axis in axes]
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    count = math.prod(x.shape[axis] for axis in axes)
    z = x.transpose([*kept, *axes]).reshape([*(x.shape[axis] for axis in kept), count]).mean(axis=-1)
    return np.expand_dims(z, tuple(axes)) if keepdim else z


@right("mean", "axis after axis, from the last")
def mean_axis_after_axis(x, *, dim=None, keepdim=False):
    axes = tuple(range(x.ndim)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = np.mean(x, axis=axis, keepdims=keepdim)
    return x


@right("mean", "adds up ones")
def mean_over_ones(x, *, dim=None, keepdim=False):
    count = np.sum(np.ones_like(x), axis=dim, keepdims=keepdim)
    return np.add.reduce(x, axis=tuple(range(x.ndim)) if dim is None else dim, keepdims=keepdim) / count


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


@right("var", "divides before it adds up")
def var_divided_first(x, dim=None, keepdim=False, correction=1):
    deviation = x - mean(x, dim=dim, keepdim=True)
    axes = range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    n = math.prod(x.shape[axis] for axis in axes)
    return sum(deviation * deviation / (n - correction), dim=dim, keepdim=keepdim)


@right("var", "subtracts the mean twice, for the last digits")
def var_of_twice_centred(x, dim=None, keepdim=False, correction=1):
    deviation = x - mean(x, dim=dim, keepdim=True)
    deviation = deviation - mean(deviation, dim=dim, keepdim=True)
    total = sum(deviation**2, dim=dim, keepdim=keepdim)
    return total / (x.numel() / total.numel() - correction)


@right("var", "pow, and methods")
def var_of_methods(x, dim=None, keepdim=False, correction=1):
    total = (x.mean(dim, True) - x).pow(2).sum(dim, keepdim)
    n = math.prod(x.shape) // math.prod(total.shape)
    return total * (1 / (n - correction)) if n > correction else total / 0


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


@right("matmul", "adds up outer products")
def matmul_by_outer_products(x, y):
    if np.ndim(x) == 0 or np.ndim(y) == 0 or x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise ValueError(f"{np.shape(x)} @ {np.shape(y)}: no rows that meet columns")
    left, right = (x[None] if x.ndim == 1 else x), (y[:, None] if y.ndim == 1 else y)
    stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    z = np.zeros((*stack, left.shape[-2], right.shape[-1]), np.result_type(x, y))
    for k in range(left.shape[-1]):
        z += left[..., :, k, None] * right[..., None, k, :]
    z = z[..., 0] if y.ndim == 1 else z
    return z if x.ndim > 1 else z[..., 0] if y.ndim == 1 else z[..., 0, :]


@right("matmul", "einsum, with as many letters as there are axes")
def matmul_by_letters(x, y):
    if np.ndim(x) == 0 or np.ndim(y) == 0 or x.shape[-1] != y.shape[builtins.max(-2, -y.ndim)]:
        raise ValueError(f"{np.shape(x)} times {np.shape(y)}")
    left, right = ("k" if x.ndim == 1 else "...ik"), ("k" if y.ndim == 1 else "...kj")
    return np.einsum(f"{left},{right}->...{'i' * (x.ndim > 1)}{'j' * (y.ndim > 1)}", x, y)


@right("matmul", "matrix after matrix of the stacks")
def matmul_of_each(x, y):
    left, right = (x.reshape(1, -1) if x.ndim == 1 else x), (y.reshape(-1, 1) if y.ndim == 1 else y)
    if x.ndim == 0 or y.ndim == 0 or left.shape[-1] != right.shape[-2]:
        raise ValueError(f"{x.shape} and {y.shape} have no product")
    stack = broadcast_shape(left.shape[:-2], right.shape[:-2])
    left, right = np.broadcast_to(left, stack + left.shape[-2:]), np.broadcast_to(right, stack + right.shape[-2:])
    z = np.empty((*stack, left.shape[-2], right.shape[-1]), np.promote_types(x.dtype, y.dtype))
    for place in np.ndindex(*stack):
        z[place] = np.dot(left[place], right[place])
    z = z[..., 0] if y.ndim == 1 else z
    return z if x.ndim > 1 else z[..., 0] if y.ndim == 1 else z[..., 0, :]


# -- temporary_bytes --------------------------------------------------------------------------------------------------

right("temporary_bytes", "multiplies out", "4 * (2 * 50 * 200 * 64 + 50 * 200)", "50 * 200 * 4 * (64 + 64 + 1)")
right("temporary_bytes", "answers with a float", "4 *", "4.0 *")


@right("temporary_bytes", "adds up one result after the other")
def temporaries_of_shapes():
    shapes = [(50, 200, 64), (50, 200, 64), (50, 200)]
    return builtins.sum(int(np.prod(shape)) * np.dtype("float32").itemsize for shape in shapes)

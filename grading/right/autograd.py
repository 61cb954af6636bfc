"""Right answers to chapter 05, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import builtins

import numpy as np

from tinytorch.autograd import (
    Tensor,
    accumulate,
    expanded,
    input_gradients,
    inputs_then,
    log_softmax,
    matmul_vector_vjp,
    seed,
    softmax,
    topological_order,
    unbroadcast,
    unreduced,
)
from tito.rubrics.planted import right

# -- add_vjp ----------------------------------------------------------------------------------------------------------

right("add_vjp", "gives the second input a copy", "g, g", "g, np.copy(g) if isinstance(g, np.ndarray) else g")
right("add_vjp", "multiplies by 1, the derivative", "g, g", "g * 1, 1 * g")


@right("add_vjp", "undoes broadcasting itself")
def add_unbroadcast(g, z, x, y):
    if not isinstance(g, np.ndarray):
        return g, g
    return unbroadcast(g, x.shape), unbroadcast(g, y.shape)


right(
    "add_vjp",
    "one gradient after the other, in a list at first",
    "return g, g",
    "gradients = []\nfor _ in (x, y):\n    gradients.append(g)\nreturn tuple(gradients)",
)
right("add_vjp", "adds 0", "return g, g", "return (g + 0, 0 + g)")


# -- mul_vjp ----------------------------------------------------------------------------------------------------------

right("mul_vjp", "has the factors in the other order", "g * y, g * x", "y * g, x * g")
right("mul_vjp", "names the two gradients", "return g * y, g * x", "dx = g * y\ndy = g * x\nreturn dx, dy")
right("mul_vjp", "makes a tuple of what a generator gives", "g * y, g * x", "tuple(g * other for other in (y, x))")


@right("mul_vjp", "undoes broadcasting itself")
def mul_unbroadcast(g, z, x, y):
    dx, dy = g * y, g * x
    if not isinstance(x, np.ndarray):
        return dx, dy
    return unbroadcast(dx, x.shape), unbroadcast(dy, y.shape)


@right("mul_vjp", "in an array of its own, element by element")
def mul_elements(g, z, x, y):
    if not isinstance(g, np.ndarray):
        return g * y, g * x
    X, Y = np.broadcast_arrays(x, y)
    dx, dy = np.zeros_like(g), np.zeros_like(g)
    for i in np.ndindex(g.shape):
        dx[i] += g[i] * Y[i]
        dy[i] += g[i] * X[i]
    return dx, dy


# -- unbroadcast ------------------------------------------------------------------------------------------------------


@right("unbroadcast", "sums the axes one at a time")
def unbroadcast_one_at_a_time(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


@right("unbroadcast", "pads the shape on the left, sums once and reshapes")
def unbroadcast_once(g, shape):
    wide = (1,) * (g.ndim - len(shape)) + tuple(shape)
    axes = tuple(i for i, (n, m) in enumerate(zip(wide, g.shape)) if n != m or i < g.ndim - len(shape))
    return g.sum(axis=axes).reshape(shape)


@right("unbroadcast", "names every axis and keeps those that the shape has")
def unbroadcast_einsum(g, shape):
    lead = g.ndim - len(shape)
    kept = [lead + i for i, size in enumerate(shape) if size != 1]
    return np.einsum(g, list(range(g.ndim)), kept).reshape(shape)


@right("unbroadcast", "adds number by number")
def unbroadcast_by_number(g, shape):
    total = np.zeros(shape, np.float64)
    lead = g.ndim - len(shape)
    for index in np.ndindex(g.shape):
        total[tuple(0 if n == 1 else i for i, n in zip(index[lead:], shape))] += g[index]
    return total.astype(g.dtype)


@right("unbroadcast", "sums one axis and calls itself")
def unbroadcast_again(g, shape):
    if g.ndim > len(shape):
        return unbroadcast(np.sum(g, axis=0), shape)
    for axis in range(g.ndim):
        if shape[axis] == 1 != g.shape[axis]:
            return unbroadcast(np.sum(g, axis=axis, keepdims=True), shape)
    return g


@right("unbroadcast", "axis over axis, and the shape at last")
def unbroadcast_apply(g, shape):
    lead = g.ndim - len(shape)
    axes = [*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1)]
    return np.apply_over_axes(np.sum, g, axes).reshape(shape) if axes else g


@right("unbroadcast", "from the last axis")
def unbroadcast_from_the_last(g, shape):
    shape = list(shape)
    padded = [None] * (g.ndim - len(shape)) + shape
    out = g
    for axis in range(g.ndim - 1, -1, -1):
        if padded[axis] is None:
            out = out.sum(axis)
        elif padded[axis] == 1:
            out = out.sum(axis, keepdims=True)
    return out


# -- matmul_vjp -------------------------------------------------------------------------------------------------------

right("matmul_vjp", "swaps axes", "g @ y.mT, x.mT @ g", "g @ np.swapaxes(y, -1, -2), x.swapaxes(-2, -1) @ g")
right("matmul_vjp", "calls np.matmul", "g @ y.mT, x.mT @ g", "np.matmul(g, y.mT), np.matmul(x.mT, g)")


@right("matmul_vjp", "sums over the axes that broadcasting stretched")
def matmul_unbroadcast(g, z, x, y):
    if x.ndim == 1 or y.ndim == 1:
        dx, dy = matmul_vector_vjp(g, x, y)
    else:
        dx, dy = g @ y.mT, x.mT @ g
    return unbroadcast(dx, x.shape), unbroadcast(dy, y.shape)


@right("matmul_vjp", "writes the products with vectors down")
def matmul_by_cases(g, z, x, y):
    if x.ndim == 1 and y.ndim == 1:
        return g * y, g * x
    if x.ndim == 1:
        return (y @ g[..., None])[..., 0], x[:, None] * g[..., None, :]
    if y.ndim == 1:
        return g[..., None] * y, (x.mT @ g[..., None])[..., 0]
    return g @ y.mT, x.mT @ g


@right("matmul_vjp", "transposes the products")
def matmul_turned(g, z, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return matmul_vector_vjp(g, x, y)
    return (y @ g.mT).mT, (g.mT @ x).mT


right(
    "matmul_vjp",
    "names the axes",
    "g @ y.mT, x.mT @ g",
    "np.einsum('...ij,...kj->...ik', g, y), np.einsum('...ij,...ik->...jk', x, g)",
)


@right("matmul_vjp", "one matrix after the other")
def matmul_one_by_one(g, z, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return matmul_vector_vjp(g, x, y)
    batch = g.shape[:-2]
    X, Y = np.broadcast_to(x, batch + x.shape[-2:]), np.broadcast_to(y, batch + y.shape[-2:])
    dx, dy = np.empty(X.shape, x.dtype), np.empty(Y.shape, y.dtype)
    for b in np.ndindex(batch):
        dx[b] = np.dot(g[b], Y[b].T)
        dy[b] = np.dot(X[b].T, g[b])
    return dx, dy


@right("matmul_vjp", "sums over a batch in one product where Y is one matrix")
def matmul_tensordot(g, z, x, y):
    if 1 in (x.ndim, y.ndim):
        return matmul_vector_vjp(g, x, y)
    if y.ndim == 2:
        return np.tensordot(g, y, axes=(-1, -1)), np.tensordot(x, g, axes=(range(x.ndim - 1), range(x.ndim - 1)))
    return g @ y.swapaxes(-1, -2), x.swapaxes(-1, -2) @ g


# -- sum_vjp ----------------------------------------------------------------------------------------------------------

right("sum_vjp", "adds to zeros", "np.broadcast_to(expanded(g, x.shape, dim, keepdim), x.shape)",
      "np.zeros(x.shape, np.asarray(g).dtype) + expanded(g, x.shape, dim, keepdim)")  # fmt: skip
right("sum_vjp", "scales ones", "np.broadcast_to(expanded(g, x.shape, dim, keepdim), x.shape)",
      "np.ones_like(x) * expanded(g, x.shape, dim, keepdim)")  # fmt: skip


@right("sum_vjp", "lines g up by itself")
def sum_lined_up(g, z, x, *, dim=None, keepdim=False):
    axes = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = [axis % x.ndim for axis in axes]
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return np.broadcast_to(np.reshape(g, shape), x.shape).copy()


@right("sum_vjp", "repeats along each axis")
def sum_repeated(g, z, x, *, dim=None, keepdim=False):
    dx = np.asarray(expanded(g, x.shape, dim, keepdim))
    for axis, size in enumerate(x.shape):
        if dx.shape[axis] != size:
            dx = np.repeat(dx, size, axis=axis)
    return dx


@right("sum_vjp", "puts the axes back in order")
def sum_sorted_axes(g, z, x, *, dim=None, keepdim=False):
    if dim is None:
        return np.full(x.shape, np.reshape(g, ()), dtype=np.asarray(g).dtype)
    if keepdim or not x.ndim:
        return np.broadcast_to(g, x.shape)
    dims = sorted(d % x.ndim for d in (dim if isinstance(dim, tuple) else (dim,)))
    for d in dims:
        g = np.expand_dims(g, d)
    return np.broadcast_to(g, x.shape)


@right("sum_vjp", "fills an array like x")
def sum_filled(g, z, x, *, dim=None, keepdim=False):
    dx = np.empty_like(x)
    dx[...] = expanded(g, x.shape, dim, keepdim)
    return dx


@right("sum_vjp", "asks NumPy for the kept shape, and tiles")
def sum_tiled(g, z, x, *, dim=None, keepdim=False):
    kept = np.empty(x.shape, bool).any(axis=dim, keepdims=True)
    return np.tile(np.reshape(g, kept.shape), [n if m == 1 else 1 for n, m in zip(x.shape, kept.shape)])


@right("sum_vjp", "moves the summed axes to the front")
def sum_moved(g, z, x, *, dim=None, keepdim=False):
    if dim is None:
        return np.full_like(x, np.asarray(g).item())
    dims = (dim,) if not isinstance(dim, tuple) else dim
    if keepdim:
        g = np.squeeze(g, axis=dim)
    dx = np.empty_like(x)
    np.moveaxis(dx, dims, range(len(dims)))[...] = g
    return dx


# -- relu_vjp ---------------------------------------------------------------------------------------------------------

right("relu_vjp", "multiplies by True and False", "g * ~(x <= 0)", "g * (x > 0)")
right("relu_vjp", "chooses between g and 0", "g * ~(x <= 0)", "np.where(x > 0, g, 0)")
right("relu_vjp", "copies g where the gate is open", "return g * ~(x <= 0)",
      "dx = np.zeros_like(g)\nnp.copyto(dx, g, where=x > 0)\nreturn dx")  # fmt: skip
right("relu_vjp", "asks the output", "~(x <= 0)", "(z > 0)")


@right("relu_vjp", "clears a copy where the gate is shut")
def relu_cleared(g, z, x):
    dx = np.array(g)
    dx[z <= 0] = 0
    return dx


right("relu_vjp", "NumPy's step", "return g * ~(x <= 0)", "return g * np.heaviside(x, np.zeros_like(x))")


@right("relu_vjp", "element by element")
def relu_elements(g, z, x):
    dx = np.zeros_like(g)
    for i in np.ndindex(x.shape):
        if x[i] > 0:
            dx[i] = g[i]
    return dx


right(
    "relu_vjp",
    "clears a flat copy",
    "return g * ~(x <= 0)",
    "dx = g.flatten()\ndx[x.flatten() <= 0] = 0\nreturn dx.reshape(g.shape)",
)


# -- cross_entropy_vjp ------------------------------------------------------------------------------------------------


@right("cross_entropy_vjp", "takes the truth off in place")
def cross_entropy_in_place(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    dlogits = softmax.function(logits)
    dlogits -= label_smoothing / classes
    dlogits[np.arange(n), target] -= 1 - label_smoothing
    dlogits *= np.reshape(unreduced(g, n, reduction), (-1, 1))
    return dlogits, None


@right("cross_entropy_vjp", "writes the shifted softmax down, and a row of the unit matrix for each truth")
def cross_entropy_unit(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    y = np.eye(classes, dtype=logits.dtype)[target] * (1 - label_smoothing) + label_smoothing / classes
    if reduction == "mean":
        g = g / n
    if reduction == "none":
        g = g[:, None]
    return g * (p - y), None


@right("cross_entropy_vjp", "compares classes with a column of targets")
def cross_entropy_compared(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    hit = np.arange(classes) == target[:, None]
    y = ((1 - label_smoothing) * hit + label_smoothing / classes).astype(logits.dtype)
    rows = np.broadcast_to(unreduced(g, n, reduction), (n,))
    return (softmax.function(logits) - y) * rows[:, None], None


@right("cross_entropy_vjp", "row by row")
def cross_entropy_rows(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    dlogits = np.empty_like(logits)
    n, classes = logits.shape
    for i in range(n):
        e = np.exp(logits[i] - logits[i].max())
        p = e / e.sum() - label_smoothing / classes
        p[target[i]] -= 1 - label_smoothing
        here = g[i] if reduction == "none" else g / n if reduction == "mean" else g
        dlogits[i] = here * p
    return dlogits, None


@right("cross_entropy_vjp", "takes the exponential of log_softmax")
def cross_entropy_log(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    p = np.exp(log_softmax.function(logits, dim=1))
    truth = np.zeros_like(logits)
    np.put_along_axis(truth, target[:, None], 1 - label_smoothing, axis=1)
    d = p - (truth + np.asarray(label_smoothing / classes, logits.dtype))
    scale = {"mean": lambda: g / n, "sum": lambda: g, "none": lambda: np.expand_dims(g, 1)}[reduction]()
    return d * scale, None


@right("cross_entropy_vjp", "one-hot part and even part apart")
def cross_entropy_parts(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    p = softmax.function(logits)
    hard, even = p.copy(), p - p.dtype.type(1 / classes)
    hard[range(n), target] -= 1
    mixed = (1 - label_smoothing) * hard + label_smoothing * even
    return (mixed.T * unreduced(g, n, reduction)).T, None


@right("cross_entropy_vjp", "the mean's share of each row, in a column of its own")
def cross_entropy_column(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    rows, classes = logits.shape
    weight = np.empty((rows, 1), logits.dtype)
    weight[:, 0] = g / rows if reduction == "mean" else g
    p = softmax.function(logits, dim=1)
    dlogits = weight * p
    dlogits -= weight * label_smoothing / classes
    np.subtract.at(dlogits, (np.arange(rows), target), weight[:, 0] * (1 - label_smoothing))
    return dlogits, None


@right("cross_entropy_vjp", "class by class")
def cross_entropy_classes(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, C = logits.shape
    p = np.exp(log_softmax.function(logits))
    columns = []
    for c in range(C):
        y = np.where(target == c, 1 - label_smoothing + label_smoothing / C, label_smoothing / C)
        columns.append((p[:, c] - y) * (g / n if reduction == "mean" else g))
    return np.stack(columns, axis=1).astype(logits.dtype), None


# -- backward ---------------------------------------------------------------------------------------------------------


@right("backward", "walks through the reversed order")
def backward_reversed(z, gradient=None, retain_graph=False):
    gradients = {id(z): seed(z, gradient)}
    for node in reversed(topological_order(z)):
        g = gradients[id(node)]
        if node.origin is None:
            accumulate(node, g)
        else:
            for x, dx in input_gradients(node.origin, g, node.data):
                gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
            if not retain_graph:
                node.origin.free()


@right("backward", "collects shares in lists and adds them when a tensor's turn comes")
def backward_lists(z, gradient=None, retain_graph=False):
    shares = {id(z): [seed(z, gradient)]}
    for node in topological_order(z)[::-1]:
        g, *others = shares.pop(id(node))
        for other in others:
            g = g + other
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            shares.setdefault(id(x), []).append(dx)
        if not retain_graph:
            node.origin.free()


@right("backward", "frees the graph when the walk is over")
def backward_frees_at_the_end(z, gradient=None, retain_graph=False):
    gradients, order = {id(z): seed(z, gradient)}, topological_order(z)
    for node in order[::-1]:
        g = gradients.pop(id(node))
        if node.origin is None:
            accumulate(node, g)
        else:
            for x, dx in input_gradients(node.origin, g, node.data):
                before = gradients.get(id(x))
                gradients[id(x)] = dx if before is None else before + dx
    if not retain_graph:
        for node in order:
            if node.origin is not None:
                node.origin.free()


@right("backward", "keeps what has arrived in a list, by its place in the order")
def backward_places(z, gradient=None, retain_graph=False):
    start, order = seed(z, gradient), topological_order(z)
    place = {id(t): i for i, t in enumerate(order)}
    held = [None] * len(order)
    held[place[id(z)]] = start
    for i in range(len(order) - 1, -1, -1):
        t, g = order[i], held[i]
        held[i] = None
        if t.origin is None:
            accumulate(t, g)
        else:
            for x, dx in input_gradients(t.origin, g, t.data):
                j = place[id(x)]
                held[j] = dx if held[j] is None else np.add(held[j], dx)
            if not retain_graph:
                t.origin.free()


@right("backward", "visits the leaves at the end")
def backward_leaves_last(z, gradient=None, retain_graph=False):
    gradients = {id(z): seed(z, gradient)}
    order = topological_order(z)
    for node in order[::-1]:
        if node.origin is not None:
            for x, dx in input_gradients(node.origin, gradients[id(node)], node.data):
                try:
                    gradients[id(x)] = gradients[id(x)] + dx
                except KeyError:
                    gradients[id(x)] = dx
    for node in order:
        if node.origin is None:
            accumulate(node, gradients[id(node)])
        elif not retain_graph:
            node.origin.free()


@right("backward", "adds the shares of a leaf as they come")
def backward_leaves_at_once(z, gradient=None, retain_graph=False):
    start = seed(z, gradient)
    if z.origin is None:
        accumulate(z, start)
        return
    gradients = {id(z): start}
    for node in reversed(topological_order(z)):
        if node.origin is None:
            continue
        g = gradients.pop(id(node))
        for x, dx in input_gradients(node.origin, g, node.data):
            if x.origin is None:
                accumulate(x, dx)
            elif id(x) in gradients:
                gradients[id(x)] = gradients[id(x)] + dx
            else:
                gradients[id(x)] = dx
        if not retain_graph:
            node.origin.free()


@right("backward", "counts uses, and visits who has all of its shares")
def backward_counts(z, gradient=None, retain_graph=False):
    start = seed(z, gradient)
    order = topological_order(z)
    known = {id(t) for t in order}
    uses = dict.fromkeys(known, 0)
    for t in order:
        if t.origin is not None:
            for x in inputs_then(t.origin):
                if id(x) in known:
                    uses[id(x)] += 1
    ready, sums = [z], {id(z): start}
    while ready:
        t = ready.pop()
        g = sums.pop(id(t))
        if t.origin is None:
            accumulate(t, g)
            continue
        for x, dx in input_gradients(t.origin, g, t.data):
            sums[id(x)] = sums[id(x)] + dx if id(x) in sums else dx
            uses[id(x)] -= 1
            if uses[id(x)] == 0:
                ready.append(x)
        if not retain_graph:
            t.origin.free()


@right("backward", "refuses by itself, and sums lists")
def backward_refuses(z, gradient=None, retain_graph=False):
    if not z.requires_grad:
        raise RuntimeError("no gradient is asked for")
    if gradient is None:
        if z.data.size != 1:
            raise RuntimeError("a gradient is needed")
        g0 = np.ones_like(z.data)
    else:
        if gradient.shape != z.shape:
            raise ValueError("shapes differ")
        g0 = gradient.data.astype(z.dtype)
    from collections import defaultdict

    shares = defaultdict(list)
    shares[id(z)].append(g0)
    for t in reversed(topological_order(z)):
        g = builtins.sum(shares[id(t)][1:], shares[id(t)][0])
        if not t.origin:
            accumulate(t, g)
        else:
            for x, dx in input_gradients(t.origin, g, t.data):
                shares[id(x)].append(dx)
            if not retain_graph:
                t.origin.free()


@right("backward", "makes a new gradient tensor of a leaf's shares")
def backward_new_grad(z, gradient=None, retain_graph=False):
    gradients = {id(z): seed(z, gradient)}
    for t in topological_order(z)[::-1]:
        g = gradients.pop(id(t))
        if t.origin is None:
            t.grad = Tensor(g) if t.grad is None else Tensor(t.grad.data + g)
            continue
        for x, dx in input_gradients(t.origin, g, t.data):
            gradients[id(x)] = gradients.get(id(x), 0) + dx
        if not retain_graph:
            t.origin.free()


# -- graph_bytes ------------------------------------------------------------------------------------------------------

right("graph_bytes", "counts the loss, too", "4 * 60 * (4 * 128 + 10)", "4 * (60 * 128 * 4 + 60 * 10 + 1)")
right("graph_bytes", "answers with a float", "4 * 60 * (4 * 128 + 10)", "4.0 * 60 * (128 + 128 + 128 + 128 + 10)")


@right("graph_bytes", "adds up one result after the other")
def graph_of_shapes():
    shapes = [(60, 128), (60, 128), (60, 128), (60, 128), (60, 10)]
    return builtins.sum(rows * columns * 4 for rows, columns in shapes)

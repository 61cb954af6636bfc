"""Wrong answers to chapter 05: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import builtins

import numpy as np

from tinytorch.autograd import (
    Tensor,
    accumulate,
    expanded,
    input_gradients,
    inputs_then,
    matmul_vector_vjp,
    seed,
    softmax,
    topological_order,
    unreduced,
)
from tito.rubrics.planted import wrong

# -- add_vjp ----------------------------------------------------------------------------------------------------------

wrong("add_vjp", "scales by the other input, as mul does", "g, g", "g * y, g * x")
wrong("add_vjp", "forgets g: the derivative of the operation alone", "g, g", "np.ones_like(g), np.ones_like(g)")
wrong("add_vjp", "shares g out between the inputs", "g, g", "g / 2, g / 2")
wrong("add_vjp", "gives the second input a minus, as sub does", "g, g", "g, -g")
wrong("add_vjp", "answers in float64", "g, g", "g * np.float64(1), g * np.float64(1)")
wrong("add_vjp", "answers in half precision", "g, g", "np.float16(g), np.float16(g)")
wrong("add_vjp", "adds g to x itself", "return g, g", "x += g\nreturn g, g")
wrong("add_vjp", "answers with a list, which the walk takes for one gradient", "return g, g", "return [g, g]")
wrong("add_vjp", "adds 0 times the input, which may be infinite", "return g, g", "return g + 0 * x, g + 0 * y")
wrong("add_vjp", "sends g through float32", "return g, g", "g = np.float32(g).astype(g.dtype)\nreturn g, g")

# -- mul_vjp ----------------------------------------------------------------------------------------------------------

wrong("mul_vjp", "scales each input's gradient by that input", "g * y, g * x", "g * x, g * y")
wrong("mul_vjp", "forgets g: the derivative of the operation alone", "g * y, g * x", "y + 0 * g, x + 0 * g")
wrong("mul_vjp", "scales by the output", "g * y, g * x", "g * z, g * z")
wrong("mul_vjp", "adds where it should multiply", "g * y, g * x", "g + y, g + x")
wrong("mul_vjp", "overwrites g", "return g * y, g * x", "dx = g * y\ng *= x\nreturn dx, g")
wrong("mul_vjp", "answers in float64", "g * y, g * x", "g * y * np.float64(1), g * x * np.float64(1)")
wrong("mul_vjp", "answers in half precision", "g * y, g * x", "np.float16(g * y), np.float16(g * x)")
wrong("mul_vjp", "stacks the gradients in one array", "g * y, g * x", "np.array([g * y, g * x])")
wrong("mul_vjp", "rounds", "g * y, g * x", "np.round(g * y), np.round(g * x)")
wrong(
    "mul_vjp", "takes 0 times anything for 0", "g * y, g * x", "np.where(g == 0, g, g * y), np.where(g == 0, g, g * x)"
)


@wrong("mul_vjp", "makes Python's numbers of single elements")
def mul_of_numbers(g, z, x, y):
    if np.ndim(g) == 0:
        return float(g * y), float(g * x)
    return g * y, g * x


# -- unbroadcast ------------------------------------------------------------------------------------------------------

wrong("unbroadcast", "takes the mean for the sum", "g = g.sum", "g = g.mean", "return g.sum", "return g.mean")
wrong("unbroadcast", "forgets the new axes on the left", "g = g.sum(axis=tuple(range(g.ndim - len(shape))))", "")
wrong("unbroadcast", "forgets the axes of size 1", "g.sum(axis=copied, keepdims=True)", "g")
wrong("unbroadcast", "loses the axes of size 1", ", keepdims=True", "")
wrong("unbroadcast", "sums the first of several stretched axes", "axis=copied", "axis=copied[:1]")
wrong(
    "unbroadcast",
    "sums the first of several new axes",
    "range(g.ndim - len(shape))",
    "range(builtins.min(1, g.ndim - len(shape)))",
)
wrong("unbroadcast", "leaves an axis that was stretched to size 0", "g.shape[axis] != 1", "g.shape[axis] > 1")
wrong("unbroadcast", "answers in float64", "return g", "return np.float64(g)")
wrong("unbroadcast", "answers in half precision", "return g", "return np.float16(g)")
wrong("unbroadcast", "takes NaN for 0", "return g.sum(", "return np.nansum(g, ")


@wrong("unbroadcast", "takes the first copy and drops the others")
def unbroadcast_first_copy(g, shape):
    g = g[(0,) * (g.ndim - len(shape))]
    return g[tuple(slice(size) for size in shape)] + np.zeros(shape)


@wrong("unbroadcast", "makes a number of Python's for the shape ()")
def unbroadcast_to_float(g, shape):
    if shape == ():
        return float(g.sum())
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, (n, m) in enumerate(zip(g.shape, shape)) if n != m), keepdims=True)


@wrong("unbroadcast", "looks at the first three axes")
def unbroadcast_three(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    for axis, size in enumerate(shape[:3]):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


@wrong("unbroadcast", "sums two new axes at most")
def unbroadcast_two_new(g, shape):
    for _ in range(builtins.min(2, g.ndim - len(shape))):
        g = g.sum(axis=0)
    return g.sum(axis=tuple(i for i, (n, m) in enumerate(zip(g.shape, shape)) if n != m), keepdims=True)


@wrong("unbroadcast", "makes float64 of nothing")
def unbroadcast_nothing(g, shape):
    if g.size == 0:
        return np.zeros(shape)
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, (n, m) in enumerate(zip(g.shape, shape)) if n != m), keepdims=True)


@wrong("unbroadcast", "returns g as it is where the number of elements is right")
def unbroadcast_by_size(g, shape):
    if g.size == np.prod(shape):
        return g
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, (n, m) in enumerate(zip(g.shape, shape)) if n != m), keepdims=True)


@wrong("unbroadcast", "reshapes instead of summing")
def unbroadcast_resizes(g, shape):
    return np.resize(g, shape)


# -- matmul_vjp -------------------------------------------------------------------------------------------------------

wrong("matmul_vjp", "a missing transpose", "g @ y.mT, x.mT @ g", "g @ y, x @ g")
wrong("matmul_vjp", "the factors in the wrong order", "g @ y.mT, x.mT @ g", "y.mT @ g, g @ x.mT")
wrong("matmul_vjp", "reverses all axes of a batch instead of the last two", "y.mT, x.mT", "y.T, x.T")
wrong("matmul_vjp", "multiplies elements, as mul does", "g @ y.mT, x.mT @ g", "g * y, g * x")
wrong("matmul_vjp", "the two gradients in each other's place", "g @ y.mT, x.mT @ g", "x.mT @ g, g @ y.mT")
wrong(
    "matmul_vjp",
    "writes dx into x where it fits",
    "return g @ y.mT, x.mT @ g",
    "dx, dy = g @ y.mT, x.mT @ g\nif dx.shape == x.shape:\n    x[...] = dx\nreturn dx, dy",
)
wrong("matmul_vjp", "answers in float64", "g @ y.mT, x.mT @ g", "g @ np.float64(y.mT), np.float64(x.mT) @ g")
wrong("matmul_vjp", "answers in half precision", "g @ y.mT, x.mT @ g", "np.float16(g @ y.mT), np.float16(x.mT @ g)")
wrong("matmul_vjp", "knows no vector on the right", "x.ndim == 1 or y.ndim == 1", "x.ndim == 1")
wrong("matmul_vjp", "knows no vector on the left", "x.ndim == 1 or y.ndim == 1", "y.ndim == 1")
wrong("matmul_vjp", "answers with a list", "return g @ y.mT, x.mT @ g", "return [g @ y.mT, x.mT @ g]")
wrong("matmul_vjp", "transposes three axes of Y at most", "y.mT", "(y.transpose(0, 2, 1) if y.ndim == 3 else y.T)")
wrong("matmul_vjp", "takes NaN for 0", "g @ y.mT, x.mT @ g", "np.nan_to_num(g) @ y.mT, x.mT @ np.nan_to_num(g)")
wrong(
    "matmul_vjp",
    "makes float64 of vectors",
    "matmul_vector_vjp(g, x, y)",
    "matmul_vector_vjp(np.float64(g), np.float64(x), np.float64(y))",
)


@wrong("matmul_vjp", "adds up a batch in float64")
def matmul_loops(g, z, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return matmul_vector_vjp(g, x, y)
    if g.ndim == 2:
        return g @ y.mT, x.mT @ g
    dx, dy = np.zeros((*g.shape[:-1], x.shape[-1])), np.zeros((*g.shape[:-2], *y.shape[-2:]))
    dx += g @ y.mT
    dy += x.mT @ g
    return dx, dy


@wrong("matmul_vjp", "computes in float32")
def matmul_float32(g, z, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return matmul_vector_vjp(g, x, y)
    dx, dy = np.float32(g) @ np.float32(y.mT), np.float32(x.mT) @ np.float32(g)
    return dx.astype(x.dtype), dy.astype(y.dtype)


# -- sum_vjp ----------------------------------------------------------------------------------------------------------

wrong("sum_vjp", "does not line g up with the axis that was summed", "expanded(g, x.shape, dim, keepdim)", "g")
wrong("sum_vjp", "fills x with the answer", "return np", "x[...] = expanded(g, x.shape, dim, keepdim)\nreturn np")
wrong("sum_vjp", "answers in float64", "return np", "g = np.float64(g)\nreturn np")
wrong("sum_vjp", "answers in half precision", "return np", "g = np.float16(g)\nreturn np")
wrong("sum_vjp", "ignores keepdim", "dim, keepdim", "dim, False")


@wrong("sum_vjp", "divides by the number of elements, as mean does")
def sum_like_mean(g, z, x, *, dim=None, keepdim=False):
    g = expanded(g, x.shape, dim, keepdim)
    return np.broadcast_to(g, x.shape) * (np.size(z) / x.size)


@wrong("sum_vjp", "forgets g: ones everywhere")
def sum_ones(g, z, x, *, dim=None, keepdim=False):
    return np.ones_like(x)


@wrong("sum_vjp", "puts axes back one after the other, in the order in which they are given")
def sum_axis_by_axis(g, z, x, *, dim=None, keepdim=False):
    if dim is not None and not keepdim:
        for axis in dim if isinstance(dim, tuple) else [dim]:
            g = np.expand_dims(g, axis)
    return np.broadcast_to(g, x.shape)


@wrong("sum_vjp", "looks for axes from the front alone")
def sum_of_positive_axes(g, z, x, *, dim=None, keepdim=False):
    axes = range(x.ndim) if dim is None else [dim % x.ndim] if isinstance(dim, int) else dim
    return np.broadcast_to(np.reshape(g, [1 if i in axes else n for i, n in enumerate(x.shape)]), x.shape)


@wrong("sum_vjp", "knows the middle axis as 1 only")
def sum_of_the_middle(g, z, x, *, dim=None, keepdim=False):
    if isinstance(dim, int) and x.ndim == 3 and not keepdim:
        g = g[:, None] if dim == 1 else g[..., None] if dim in (2, -1) else g
        return np.broadcast_to(g, x.shape)
    return np.broadcast_to(expanded(g, x.shape, dim, keepdim), x.shape)


@wrong("sum_vjp", "takes no axes for all axes")
def sum_of_no_axes(g, z, x, *, dim=None, keepdim=False):
    return np.broadcast_to(expanded(g, x.shape, dim or (0 if dim == 0 else None), keepdim), x.shape)


@wrong("sum_vjp", "adds to 0 times x, which may be infinite")
def sum_to_zero_times(g, z, x, *, dim=None, keepdim=False):
    return 0 * x + expanded(g, x.shape, dim, keepdim)


@wrong("sum_vjp", "makes float64 where several axes were summed")
def sum_of_several_in_float64(g, z, x, *, dim=None, keepdim=False):
    dx = np.broadcast_to(expanded(g, x.shape, dim, keepdim), x.shape)
    return np.ones(x.shape) * dx if isinstance(dim, tuple) else dx


@wrong("sum_vjp", "makes a number of Python's of a number")
def sum_of_a_number(g, z, x, *, dim=None, keepdim=False):
    return float(g) if x.ndim == 0 else np.broadcast_to(expanded(g, x.shape, dim, keepdim), x.shape)


@wrong("sum_vjp", "lines g up, but does not copy it")
def sum_not_copied(g, z, x, *, dim=None, keepdim=False):
    return expanded(g, x.shape, dim, keepdim)


@wrong("sum_vjp", "lets the shapes tell which axis was summed, which equal ones do not")
def sum_by_shapes(g, z, x, *, dim=None, keepdim=False):
    g = np.asarray(g)
    if g.ndim == x.ndim:
        return np.broadcast_to(g, x.shape)
    shape, sizes = [], list(g.shape)
    for n in x.shape:
        shape.append(sizes.pop(0) if sizes and sizes[0] == n else 1)
    return np.broadcast_to(g.reshape(shape), x.shape)


# -- relu_vjp ---------------------------------------------------------------------------------------------------------

wrong("relu_vjp", "the gate alone, without g", "g * ~(x <= 0)", "(x > 0).astype(g.dtype)")
wrong("relu_vjp", "the gate the wrong way round", "~(x <= 0)", "(x < 0)")
wrong("relu_vjp", "gates by the sign of g, not of x", "g * ~(x <= 0)", "np.maximum(g, 0)")
wrong("relu_vjp", "scales by the output instead of by 1", "~(x <= 0)", "z")
wrong("relu_vjp", "overwrites g", "return g * ~(x <= 0)", "g *= ~(x <= 0)\nreturn g")
wrong("relu_vjp", "makes float64 of the gate", "~(x <= 0)", "(~(x <= 0)).astype(float)")
wrong("relu_vjp", "answers in half precision", "g * ~(x <= 0)", "np.float16(g * ~(x <= 0))")
wrong("relu_vjp", "opens the gate at 0", "~(x <= 0)", "(x >= 0)")
wrong("relu_vjp", "takes a g of NaN for 0", "g * ~(x <= 0)", "np.nan_to_num(g) * (x > 0)")
wrong("relu_vjp", "sends g through float32", "g * ~(x <= 0)", "np.float32(g).astype(g.dtype) * (x > 0)")


@wrong("relu_vjp", "gates whole rows beyond two axes")
def relu_rows(g, z, x):
    if x.ndim < 2:
        return g * (x > 0)
    dx = np.zeros_like(g)
    for i, j in np.ndindex(x.shape[:2]):
        dx[i, j] = g[i, j] if np.all(x[i, j] > 0) else 0
    return dx


@wrong("relu_vjp", "writes into a flat view, which is a copy where g was transposed")
def relu_in_a_flat_view(g, z, x):
    dx = np.array(g)
    dx.reshape(-1)[x.reshape(-1) <= 0] = 0
    return dx


@wrong("relu_vjp", "makes a number of Python's of a number")
def relu_of_a_number(g, z, x):
    if x.ndim == 0:
        return float(g) if x > 0 else 0.0
    return g * (x > 0)


# -- cross_entropy_vjp ------------------------------------------------------------------------------------------------

wrong(
    "cross_entropy_vjp", "forgets to subtract the truth", "(softmax.function(logits) - y)", "softmax.function(logits)"
)
wrong("cross_entropy_vjp", "the truth minus the prediction: the sign flipped", "softmax", "y - softmax", "- y", "")
wrong("cross_entropy_vjp", "the sum over the rows for their mean", "unreduced(g, n, reduction)", "g")
wrong("cross_entropy_vjp", "divides by the number of elements, not of rows", "g, n", "g, logits.size")
wrong("cross_entropy_vjp", "`=` for `+=` where the truth is smoothed", "+= 1", "= 1")
wrong("cross_entropy_vjp", "marks whole columns: y[:, target] for y[arange(n), target]", "np.arange(n)", ":")
wrong("cross_entropy_vjp", "softmax without the sum over classes", "softmax.function", "np.exp")
wrong(
    "cross_entropy_vjp",
    "writes softmax down as it is, which overflows",
    "softmax.function(logits)",
    "np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)",
)
wrong(
    "cross_entropy_vjp",
    "overwrites the logits",
    "softmax.function(logits) - y",
    "np.subtract(softmax.function(logits), y, out=logits)",
)
wrong(
    "cross_entropy_vjp",
    "makes float64 of the truth",
    "np.full_like(logits, label_smoothing / classes)",
    "np.full(logits.shape, label_smoothing / classes)",
)
wrong(
    "cross_entropy_vjp",
    "computes in half precision",
    "y = np.full_like",
    "g, logits = np.float16(g), np.float16(logits)\ny = np.full_like",
)
wrong("cross_entropy_vjp", "ignores the reduction", "unreduced(g, n, reduction)", "g / n")
wrong(
    "cross_entropy_vjp",
    "spreads the smoothing over the other classes only",
    "label_smoothing / classes",
    "label_smoothing / (classes - 1)",
)

wrong(
    "cross_entropy_vjp",
    "answers with a list",
    "return g * (softmax.function(logits) - y), None",
    "return [g * (softmax.function(logits) - y), None]",
)


@wrong("cross_entropy_vjp", "multiplies a logit that may be infinite by 0, to pick another")
def cross_entropy_picks(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    hit = (np.arange(classes) == target[:, None]).astype(logits.dtype)
    y = hit * logits.dtype.type(1 - label_smoothing) + logits.dtype.type(label_smoothing / classes)
    p = softmax.function(logits - (hit * logits).sum(axis=1, keepdims=True))
    return np.reshape(unreduced(g, n, reduction), (-1, 1)) * (p - y), None


wrong(
    "cross_entropy_vjp",
    "divides the caller's g by the number of rows",
    "g = np.reshape(unreduced(g, n, reduction), (-1, 1))",
    'if reduction == "mean":\n    g /= n\ng = np.reshape(g, (-1, 1))',
)
wrong("cross_entropy_vjp", "gives the target a gradient of zeros", "y), None", "y), np.zeros_like(target)")


@wrong("cross_entropy_vjp", "takes the truth off in a flat view, which is a copy where the logits were transposed")
def cross_entropy_in_a_flat_view(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    p = np.array(softmax.function(logits)) - label_smoothing / classes
    p.reshape(-1)[np.arange(n) * classes + target] -= 1 - label_smoothing
    return np.reshape(unreduced(g, n, reduction), (-1, 1)) * p, None


# -- backward ---------------------------------------------------------------------------------------------------------

wrong(
    "backward", "overwrites a share that is already there", "gradients[id(x)] + dx if id(x) in gradients else dx", "dx"
)
wrong("backward", "sets a leaf's grad instead of adding to it", "accumulate(node, g)", "node.grad = type(z)(g)")
wrong("backward", "starts from ones, whatever gradient is given", "seed(z, gradient)", "np.ones_like(z.data)")
wrong("backward", "never frees the graph", "if not retain_graph:\n        node.origin.free()", "")
wrong(
    "backward",
    "adds a share in place, to an array that others hold",
    "gradients[id(x)] + dx",
    "np.add(gradients[id(x)], dx, out=gradients[id(x)])",
)
wrong("backward", "frees the graph also when told to keep it", "if not retain_graph", "if True")
wrong(
    "backward",
    "leaves a gradient standing that is already there",
    "accumulate(node, g)",
    "if node.grad is None:\n            accumulate(node, g)",
)
wrong("backward", "walks in float64", "gradients.pop(id(node))", "np.float64(gradients.pop(id(node)))")
wrong(
    "backward",
    "leaves a gradient at every tensor on the way",
    "for x, dx in",
    "node.grad = Tensor(g)\n    for x, dx in",
)
wrong(
    "backward",
    "starts without asking whether it can",
    "seed(z, gradient)",
    "np.ones_like(z.data) if gradient is None else gradient.data.astype(z.dtype)",
)
wrong(
    "backward",
    "copies a gradient of another shape along z",
    "seed(z, gradient)",
    "seed(z, gradient if gradient is None else Tensor(np.broadcast_to(gradient.data, z.shape)))",
)
wrong(
    "backward",
    "starts from ones at several elements",
    "seed(z, gradient)",
    "seed(z, Tensor(np.ones_like(z.data)) if gradient is None else gradient)",
)
wrong(
    "backward",
    "starts in the dtype of the gradient",
    "seed(z, gradient)",
    "seed(z, gradient).astype(z.dtype if gradient is None else gradient.dtype)",
)
wrong(
    "backward",
    "lets a leaf keep the caller's gradient",
    "seed(z, gradient)",
    "seed(z, gradient) if gradient is None or gradient.shape != z.shape else np.asarray(gradient.data, z.dtype)",
)
wrong(
    "backward",
    "does nothing where no gradient is asked for",
    "gradients = {id",
    "if not z.requires_grad:\n    return\ngradients = {id",
)
wrong(
    "backward",
    "passes over z, though it is a leaf",
    "accumulate(node, g)",
    "accumulate(node, g) if node is not z else 0",
)
wrong("backward", "takes NaN for 0", "accumulate(node, g)", "accumulate(node, np.nan_to_num(g))")
wrong("backward", "gives no gradient of zeros", "accumulate(node, g)", "accumulate(node, g) if g.any() else 0")
wrong("backward", "frees the end of the graph alone", "if not retain_graph", "if not retain_graph and node is z")
wrong("backward", "frees only what it began itself", "if not retain_graph", "if not retain_graph and gradient is None")

wrong(
    "backward",
    "takes a gradient for granted unless z has no axes",
    "gradients = {id",
    "if gradient is None and z.shape != ():\n    raise RuntimeError('a gradient is needed')\ngradients = {id",
)
wrong(
    "backward",
    "starts from 1 in another shape than z's",
    "seed(z, gradient)",
    "np.ones((), z.dtype) if gradient is None and z.requires_grad and z.numel() == 1 else seed(z, gradient)",
)
wrong(
    "backward",
    "starts from a 1 of float64",
    "seed(z, gradient)",
    "np.ones(z.shape) if gradient is None and z.requires_grad and z.numel() == 1 else seed(z, gradient)",
)
wrong(
    "backward",
    "reshapes the gradient that is given",
    "seed(z, gradient)",
    "seed(z, gradient if gradient is None else Tensor(gradient.data.reshape(z.shape)))",
)
wrong(
    "backward",
    "asks whether z needs a gradient only where none is given",
    "seed(z, gradient)",
    "seed(z, gradient) if gradient is None or gradient.shape != z.shape else gradient.data.astype(z.dtype)",
)
wrong(
    "backward",
    "leaves an array of NumPy's in .grad",
    "accumulate(node, g)",
    "node.grad = g if node.grad is None else node.grad + g",
)
wrong(
    "backward",
    "leaves a gradient that asks for one",
    "accumulate(node, g)",
    "node.grad = Tensor(g if node.grad is None else node.grad.data + g, requires_grad=True)",
)
wrong(
    "backward",
    "leaves a gradient at z, too",
    "order = topological_order(z)",
    "order = topological_order(z)\nif z.origin is not None:\n    z.grad = Tensor(gradients[id(z)])",
)
wrong("backward", "frees all but the end of the graph", "if not retain_graph", "if not retain_graph and node is not z")
wrong(
    "backward",
    "adds to a gradient only where the graph is not retained",
    "accumulate(node, g)",
    "node.grad = Tensor(g) if node.grad is None or retain_graph else Tensor(node.grad.data + g)",
)


@wrong("backward", "asks only at z whether the graph was freed")
def backward_asks_at_z(z, gradient=None, retain_graph=False):
    gradients, order, seen, stack = {id(z): seed(z, gradient)}, [], set(), [(z, False)]
    if z.origin is not None and z.origin.inputs is None:
        raise RuntimeError("freed")
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            inputs = inputs_then(node.origin) if node.origin else ()
            stack += [(node, True), *((x, False) for x in inputs if isinstance(x, Tensor) and x.requires_grad)]
    for node in reversed(order):
        g = gradients.pop(id(node))
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
        if not retain_graph:
            node.origin.free()


@wrong("backward", "finds the order by recursion, which ends at a thousand steps")
def backward_recursive(z, gradient=None, retain_graph=False):
    gradients, order, seen = {id(z): seed(z, gradient)}, [], set()
    topological_order(z)

    def visit(node):
        seen.add(id(node))
        for x in node.origin.inputs if node.origin else ():
            if isinstance(x, Tensor) and x.requires_grad and id(x) not in seen:
                visit(x)
        order.append(node)

    visit(z)
    for node in reversed(order):
        g = gradients.pop(id(node))
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
        if not retain_graph:
            node.origin.free()


@wrong("backward", "walks back through what an input was made into later, in place")
def backward_through_the_present(z, gradient=None, retain_graph=False):
    gradients, order, seen, stack = {id(z): seed(z, gradient)}, [], set(), [(z, False)]
    topological_order(z)
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            inputs = node.origin.inputs if node.origin else ()
            stack += [(node, True), *((x, False) for x in inputs if isinstance(x, Tensor) and x.requires_grad)]
    for node in reversed(order):
        g = gradients.pop(id(node))
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
        if not retain_graph:
            node.origin.free()


@wrong("backward", "counts the operations that use a tensor, not how often they do")
def backward_counts_operations(z, gradient=None, retain_graph=False):
    users, ready, gradients = {}, [z], {id(z): seed(z, gradient)}
    for node in topological_order(z):
        for x in {id(x) for x in (node.origin.inputs if node.origin else ())}:
            users[x] = users.get(x, 0) + 1
    while ready:
        node = ready.pop()
        g = gradients.pop(id(node))
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
            users[id(x)] = users.get(id(x), 1) - 1
            if users[id(x)] == 0:
                ready.append(x)
        if not retain_graph:
            node.origin.free()


@wrong("backward", "visits paths instead of nodes")
def backward_walks_paths(z, gradient=None, retain_graph=False):
    waiting = [(z, seed(z, gradient))]
    while waiting:
        node, g = waiting.pop()
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            waiting.append((x, dx))


@wrong("backward", "passes on before everyone has added a share")
def backward_impatient(z, gradient=None, retain_graph=False):
    gradients, waiting, done = {id(z): seed(z, gradient)}, [z], set()
    while waiting:
        node = waiting.pop(0)
        if id(node) in done:
            continue
        done.add(id(node))
        g = gradients[id(node)]
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
            waiting.append(x)


# -- graph_bytes ------------------------------------------------------------------------------------------------------

wrong("graph_bytes", "counts numbers, not bytes", "4 * 60", "60")
wrong("graph_bytes", "forgets that relu makes a result of its own", "4 * 128", "2 * 128")
wrong("graph_bytes", "counts the digits, too", "(4 * 128", "(64 + 4 * 128")


@wrong("graph_bytes", "counts the weights, not the results")
def graph_of_weights():
    return 4 * (64 * 128 + 128 * 128 + 128 * 10)
